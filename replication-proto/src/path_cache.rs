//! The path cache: numbers for nodes, each sender its own (spec: path cache).

use crate::config::{Limits, MismatchPolicy};
use crate::error::{Refusal, drop, reject};
use crate::event::Event;
use crate::mismatch::{MethodMismatch, MismatchSource};
use crate::node::{NodeKey, Nodes, OfferState, is_scene_path};
use crate::packet::{Checksum, ConfirmFormat, ConfirmPath, Confirmed, SimplifyPath};
use crate::peer::{PeerId, Slot, Target, TransferMode};
use crate::session::{Arrival, Session};
use crate::stats::DropReason;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;

/// Bit 31 marks what is not a path number in the fields that carry one.
const HIGH_BIT: u32 = 0x8000_0000;

/// The numbers that one peer announced.
#[derive(Debug, Default)]
pub(crate) struct Received {
    entries: BTreeMap<u32, Entry>,
    /// Announced paths without a node yet: number and checksum, should one appear.
    unresolved: BTreeMap<Arc<str>, (u32, Checksum)>,
    text_bytes: usize,
    /// Nodes for which the peer announced another method list, for calls that name a path.
    mismatched: BTreeSet<NodeKey>,
    /// Count of removed nodes when dead entries were last looked for.
    swept: u64,
}

#[derive(Debug)]
struct Entry {
    path: Arc<str>,
    checksum: Checksum,
    node: NodeKey,
}

impl Received {
    /// Whether the peer's method list for a node is known to differ.
    pub(crate) fn is_mismatched(&self, node: NodeKey) -> bool {
        self.mismatched.contains(&node)
    }

    /// The checksum that the peer announced for the node at `path`.
    fn checksum_of(&self, path: &str) -> Option<Checksum> {
        let mut entries = self.entries.values();
        let entry = entries.find(|entry| &*entry.path == path)?;
        Some(entry.checksum)
    }

    /// The node of a number, and whether the method lists agree by the checksum that came with it.
    ///
    /// A node that was freed and added again under its path is found again.
    pub(crate) fn resolve(&mut self, id: u32, nodes: &Nodes) -> Option<(NodeKey, bool)> {
        let entry = self.entries.get_mut(&id)?;
        let node = match nodes.get(entry.node) {
            Some(node) => node,
            None => {
                self.mismatched.remove(&entry.node);
                entry.node = nodes.find(&entry.path)?;
                nodes.get(entry.node)?
            }
        };
        let is_valid = node.checksum() == entry.checksum;
        if !is_valid {
            self.mismatched.insert(entry.node);
        }
        Some((entry.node, is_valid))
    }

    /// Whether a number was given to a node that was here, and may be still.
    pub(crate) fn contains(&self, id: u32) -> bool {
        self.entries.contains_key(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() + self.unresolved.len()
    }

    pub(crate) const fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    fn has_room(&self, bytes: usize, limits: &Limits) -> bool {
        self.len() < limits.cached_paths
            && self.text_bytes.saturating_add(bytes) <= limits.cached_path_bytes
    }

    /// Remembers a path that has no node yet, if there is room.
    fn remember(&mut self, packet: &SimplifyPath<'_>, limits: &Limits) {
        let is_known = self.unresolved.contains_key(packet.path);
        if is_known || self.has_room(packet.path.len(), limits) {
            let known = self
                .unresolved
                .insert(packet.path.into(), (packet.id, packet.checksum));
            if known.is_none() {
                self.text_bytes = self.text_bytes.saturating_add(packet.path.len());
            }
        }
    }

    /// Takes back what was remembered of a path.
    fn recall(&mut self, path: &str) -> Option<(u32, Checksum)> {
        let found = self.unresolved.remove(path)?;
        self.text_bytes = self.text_bytes.saturating_sub(path.len());
        Some(found)
    }

    /// Forgets numbers of nodes that are gone, if any node left since the last time, and those without a node yet.
    fn sweep(&mut self, nodes: &Nodes) {
        for path in core::mem::take(&mut self.unresolved).keys() {
            self.text_bytes = self.text_bytes.saturating_sub(path.len());
        }
        if self.swept == nodes.removals() {
            return;
        }
        self.swept = nodes.removals();
        let text_bytes = &mut self.text_bytes;
        self.entries.retain(|_, entry| {
            let is_alive = nodes.find(&entry.path).is_some();
            if !is_alive {
                *text_bytes = text_bytes.saturating_sub(entry.path.len());
            }
            is_alive
        });
        self.mismatched.retain(|&node| nodes.get(node).is_some());
    }

    fn insert(&mut self, id: u32, entry: Entry, is_valid: bool) {
        if !is_valid {
            self.mismatched.insert(entry.node);
        }
        self.text_bytes = self.text_bytes.saturating_add(entry.path.len());
        self.entries.insert(id, entry);
    }
}

impl Session {
    pub(crate) fn on_simplify_path(&mut self, arrival: &Arrival) -> Result<(), Refusal> {
        let packet = SimplifyPath::decode(&arrival.packet)?;
        self.check_path(packet.path)?;
        if packet.id == 0 || packet.id & HIGH_BIT != 0 {
            return reject(DropReason::BadId);
        }
        let limits = self.config.limits;
        let Some(peer) = self.peers.admitted_at_mut(arrival.slot) else {
            return drop(DropReason::UnknownPeer);
        };
        let received = &mut peer.received;
        if let Some(known) = received.entries.get(&packet.id) {
            if *known.path != *packet.path || known.checksum != packet.checksum {
                return reject(DropReason::DuplicateId);
            }
            // Announced again because the confirmation was late.
            let is_valid = !received.mismatched.contains(&known.node);
            let confirmed = match peer.confirm_format {
                ConfirmFormat::Id => Confirmed::Id(packet.id),
                ConfirmFormat::Path => Confirmed::Path(packet.path),
            };
            self.send_confirm(arrival.from, ConfirmPath::new(is_valid, confirmed));
            return Ok(());
        }
        let Some(key) = self.nodes.find(packet.path) else {
            received.remember(&packet, &limits);
            return drop(DropReason::UnknownNode);
        };
        received.recall(packet.path);
        if !received.has_room(packet.path.len(), &limits) {
            received.sweep(&self.nodes);
            if !received.has_room(packet.path.len(), &limits) {
                return reject(DropReason::PathCacheFull);
            }
        }
        self.accept_path(arrival.slot, key, packet.id, packet.checksum);
        Ok(())
    }

    /// Takes a number for a node into a peer's table and confirms it.
    fn accept_path(&mut self, slot: Slot, key: NodeKey, id: u32, checksum: Checksum) {
        let Some(from) = self.peers.at(slot).map(|peer| peer.id) else {
            return;
        };
        let (Some(peer), Some(node)) = (self.peers.admitted_at_mut(slot), self.nodes.get(key))
        else {
            return;
        };
        let path = Arc::clone(&node.path);
        let is_valid = node.checksum() == checksum;
        let entry = Entry {
            path: Arc::clone(&path),
            checksum,
            node: key,
        };
        peer.received.insert(id, entry, is_valid);
        let confirmed = match peer.confirm_format {
            ConfirmFormat::Id => Confirmed::Id(id),
            ConfirmFormat::Path => Confirmed::Path(&path),
        };
        self.send_confirm(from, ConfirmPath::new(is_valid, confirmed));
        if !is_valid {
            self.emit_mismatch(from, key, MismatchSource::Announced(checksum));
        }
    }

    /// Confirms a node that has appeared to peers who announced its path before.
    pub(crate) fn resolve_announced(&mut self, key: NodeKey) {
        let Some(path) = self.nodes.get(key).map(|node| Arc::clone(&node.path)) else {
            return;
        };
        for slot in self.peers.admitted().to_vec() {
            let Some(peer) = self.peers.admitted_at_mut(slot) else {
                continue;
            };
            let found = peer.received.recall(&path);
            if let Some((id, checksum)) = found
                && !peer.received.entries.contains_key(&id)
            {
                self.accept_path(slot, key, id, checksum);
            }
        }
    }

    fn send_confirm(&mut self, to: PeerId, confirm: ConfirmPath<'_>) {
        let mut out = Vec::with_capacity(6);
        confirm.encode(&mut out);
        self.send_command(Target::Peer(to), (TransferMode::Reliable, 0), out.into());
    }

    pub(crate) fn on_confirm_path(&mut self, arrival: &Arrival) -> Result<(), Refusal> {
        let Some(peer) = self.peers.admitted_at(arrival.slot) else {
            return drop(DropReason::UnknownPeer);
        };
        let packet = ConfirmPath::decode(&arrival.packet, peer.confirm_format)?;
        let key = match packet.confirmed {
            Confirmed::Id(id) => match self.nodes.with_cache_id(id) {
                None if self.nodes.was_cache_id(id) => return drop(DropReason::FreedNode),
                key => key,
            },
            Confirmed::Path(path) => self.nodes.find(path),
        };
        let Some(peer) = self.peers.at(arrival.slot) else {
            return drop(DropReason::UnknownPeer);
        };
        let Some((key, node)) = key.and_then(|key| Some((key, self.nodes.get_mut(key)?))) else {
            return reject(DropReason::UnknownId);
        };
        match node.offer(arrival.slot.0, peer) {
            OfferState::None => reject(DropReason::UnknownId),
            OfferState::Confirmed | OfferState::Mismatched => Ok(()),
            OfferState::Offered if packet.valid => {
                node.set_offer(arrival.slot.0, peer, OfferState::Confirmed);
                self.on_path_confirmed(arrival.slot, key);
                Ok(())
            }
            OfferState::Offered => {
                let state = match self.config.mismatch {
                    MismatchPolicy::Call => OfferState::Confirmed,
                    MismatchPolicy::Refuse => OfferState::Mismatched,
                };
                node.set_offer(arrival.slot.0, peer, state);
                let path = Arc::clone(&node.path);
                let checksum = self.announced_checksum(arrival.from, &path);
                self.emit_mismatch(arrival.from, key, MismatchSource::Reported(checksum));
                self.on_path_confirmed(arrival.slot, key);
                Ok(())
            }
        }
    }

    /// The checksum with which a peer announced the node at `path`.
    pub(crate) fn announced_checksum(&self, peer: PeerId, path: &str) -> Option<Checksum> {
        let admitted = self.peers.admitted_at(self.peers.slot(peer)?)?;
        admitted.received.checksum_of(path)
    }

    fn emit_mismatch(&mut self, peer: PeerId, key: NodeKey, source: MismatchSource) {
        let Some(node) = self.nodes.get(key) else {
            return;
        };
        let mismatch = MethodMismatch {
            peer,
            node: key,
            path: Arc::clone(&node.path),
            methods: node.methods.clone(),
            source,
        };
        self.emit(Event::MethodMismatch(Box::new(mismatch)));
    }

    /// Checks a path of the network against limits and rules, before anything is looked up.
    pub(crate) fn check_path(&self, path: &str) -> Result<(), Refusal> {
        let limits = &self.config.limits;
        if path.len() > limits.path_bytes || path.split('/').count() > limits.path_names {
            return reject(DropReason::TooLong);
        }
        if !is_scene_path(path) {
            return reject(DropReason::BadPath);
        }
        Ok(())
    }

    /// Tells a peer this end's number of a node, unless it was told before, and gives how far they have agreed.
    pub(crate) fn offer_path(&mut self, slot: Slot, key: NodeKey) -> OfferState {
        let Some(id) = self.nodes.cache_id(key) else {
            return OfferState::None;
        };
        let (Some(peer), Some(node)) = (self.peers.at(slot), self.nodes.get_mut(key)) else {
            return OfferState::None;
        };
        let state = node.offer(slot.0, peer);
        if state != OfferState::None {
            return state;
        }
        node.set_offer(slot.0, peer, OfferState::Offered);
        self.announce_path(slot, key, id);
        OfferState::Offered
    }

    /// Sends this end's number of a node to a peer.
    pub(crate) fn announce_path(&mut self, slot: Slot, key: NodeKey, id: u32) {
        let (Some(peer), Some(node)) = (self.peers.at(slot), self.nodes.get(key)) else {
            return;
        };
        let to = peer.id;
        let mut out = Vec::with_capacity(39 + node.path.len());
        SimplifyPath::new(node.checksum(), id, &node.path).encode(&mut out);
        self.send_command(
            Target::Peer(to),
            (TransferMode::Reliable, 0),
            Bytes::from(out),
        );
    }
}
