//! Who sees what (spec: visibility).

use super::bits::Bits;
use super::state::{PATH_BIT, Spawned};
use crate::interest::{Change, ChangeKind};
use crate::node::{Kind, NodeKey, OfferState};
use crate::peer::{PeerId, Slot};
use crate::session::Session;
use alloc::vec::Vec;

/// Why visibility cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VisibilityError {
    /// The node is no synchronizer and has none, so it is visible to all.
    #[error("the node has no synchronizer")]
    NoSynchronizer,
    /// There is no such node (any more).
    #[error("there is no such node")]
    UnknownNode,
}

/// Whether a peer sees something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "it is one bit")]
pub enum Visibility {
    /// It does not.
    Hidden,
    /// It does.
    Visible,
}

impl Session {
    /// Shows a node to a peer, or hides it (`set_visibility_for`). The peer need not be connected yet.
    ///
    /// For a synchronizer only that one is meant, for any other node all its synchronizers. Unlike the engine, which
    /// shows what is public to everybody, this hides a public one from that peer too.
    ///
    /// # Errors
    /// [`VisibilityError`].
    pub fn set_visibility(
        &mut self,
        node: NodeKey,
        peer: PeerId,
        visibility: Visibility,
    ) -> Result<(), VisibilityError> {
        let indexes = self.synchronizers_of(node)?;
        for &index in &indexes {
            let Some(row) = self.replication.synchronizers.get_mut(index) else {
                continue;
            };
            match visibility {
                Visibility::Visible => {
                    row.allowed.insert(peer);
                    row.denied.remove(&peer);
                }
                Visibility::Hidden => {
                    row.allowed.remove(&peer);
                    row.denied.insert(peer);
                }
            }
        }
        if let Some(slot) = self.peers.slot(peer) {
            self.refresh_for(&indexes, Some(slot));
        }
        Ok(())
    }

    /// Makes a node visible to everybody, or only to those to whom it is shown (`public_visibility`).
    ///
    /// # Errors
    /// [`VisibilityError`].
    pub fn set_public_visibility(
        &mut self,
        node: NodeKey,
        visibility: Visibility,
    ) -> Result<(), VisibilityError> {
        let indexes = self.synchronizers_of(node)?;
        for &index in &indexes {
            if let Some(row) = self.replication.synchronizers.get_mut(index) {
                row.is_public = visibility == Visibility::Visible;
            }
        }
        self.refresh_for(&indexes, None);
        Ok(())
    }

    /// Whether a peer sees any synchronizer of a node; nodes without are visible to all.
    #[must_use]
    pub fn is_visible(&self, node: NodeKey, peer: PeerId) -> bool {
        match (self.synchronizers_of(node), self.peers.slot(peer)) {
            (Ok(indexes), Some(slot)) => indexes
                .iter()
                .any(|&index| self.is_synchronizer_visible(index, slot)),
            (Err(VisibilityError::NoSynchronizer), Some(_)) => true,
            _ => false,
        }
    }

    /// Asks the filter anew for every peer and every filtered synchronizer
    /// ([`SynchronizerConfig::filtered`](crate::SynchronizerConfig::filtered)), by the key of its root node.
    ///
    /// Call it as often as visibility shall follow, for example in each frame or a few times a second. Costs one call
    /// per peer and filtered synchronizer; with many of both see [`set_relevant`](Self::set_relevant).
    pub fn update_visibility(&mut self, mut filter: impl FnMut(PeerId, NodeKey) -> bool) {
        let rows = self.replication.synchronizers.iter();
        let filtered: Vec<(u32, NodeKey)> = rows
            .filter(|(_, row)| row.layout.is_filtered)
            .map(|(index, row)| (index, row.root))
            .collect();
        let slots: Vec<Slot> = self.peers.admitted().to_vec();
        for slot in slots {
            let Some(peer) = self.peers.at(slot).map(|peer| peer.id) else {
                continue;
            };
            let passing = filtered.iter().filter(|(_, root)| filter(peer, *root));
            let passes = passing.map(|(index, _)| *index).collect();
            self.set_passes(slot, passes);
        }
    }

    /// Says which nodes matter to a peer: of all filtered synchronizers it sees those of these nodes and no others.
    ///
    /// With a spatial index this costs what the peer sees and not what there is. Unknown peers and nodes are ignored.
    pub fn set_relevant(&mut self, peer: PeerId, nodes: impl IntoIterator<Item = NodeKey>) {
        let Some(slot) = self.peers.slot(peer) else {
            return;
        };
        let mut passes = Bits::default();
        for node in nodes {
            for &index in self.synchronizers_of(node).as_deref().unwrap_or_default() {
                passes.insert(index);
            }
        }
        self.set_passes(slot, passes);
    }

    /// Follows the changes of a spatial [`Grid`](crate::interest::Grid): filtered synchronizers of a node show to an
    /// observer whom it enters, and hide from one whom it leaves. Costs what changed. Unknown peers and nodes are
    /// ignored, and a peer that joins sees nothing until the grid says so.
    pub fn follow_interest(&mut self, changes: &[Change<NodeKey, PeerId>]) {
        // What goes is told first, so that a peer never holds more than it may.
        for kind in [ChangeKind::Leave, ChangeKind::Enter] {
            for change in changes.iter().filter(|change| change.kind == kind) {
                self.follow_change(change);
            }
        }
    }

    fn follow_change(&mut self, change: &Change<NodeKey, PeerId>) {
        let Some(slot) = self.peers.slot(change.observer) else {
            return;
        };
        for index in self.synchronizers_of(change.entity).unwrap_or_default() {
            let Some(peer) = self.peers.admitted_at_mut(slot) else {
                return;
            };
            let passes = &mut peer.replication.passes;
            let is_changed = match change.kind {
                ChangeKind::Enter => passes.insert(index),
                ChangeKind::Leave => passes.remove(index),
            };
            if is_changed {
                self.refresh_member(index, slot);
            }
        }
    }

    fn set_passes(&mut self, slot: Slot, passes: Bits) {
        let Some(peer) = self.peers.admitted_at_mut(slot) else {
            return;
        };
        let known = core::mem::replace(&mut peer.replication.passes, passes.clone());
        if known == passes {
            return;
        }
        // What goes is told first, so that a peer never holds more than it may.
        let changed: Vec<u32> = known
            .without(&passes)
            .chain(passes.without(&known))
            .collect();
        for index in changed {
            self.refresh_member(index, slot);
        }
    }

    /// The synchronizer that a node is, or those that replicate it.
    fn synchronizers_of(&self, node: NodeKey) -> Result<Vec<u32>, VisibilityError> {
        let found = self.nodes.get(node).ok_or(VisibilityError::UnknownNode)?;
        if let Kind::Synchronizer(index) = found.kind {
            return Ok(Vec::from([index]));
        }
        match &found.root {
            Some(root) if !root.synchronizers.is_empty() => Ok(root.synchronizers.clone()),
            _ => Err(VisibilityError::NoSynchronizer),
        }
    }

    fn refresh_for(&mut self, indexes: &[u32], slot: Option<Slot>) {
        let slots = match slot {
            Some(slot) => Vec::from([slot]),
            None => self.peers.admitted().to_vec(),
        };
        for slot in slots {
            for &index in indexes {
                self.refresh_member(index, slot);
            }
        }
    }

    /// Follows a change of what a peer may see of a synchronizer, and of the spawned node that depends on it.
    fn refresh_member(&mut self, index: u32, slot: Slot) {
        let Some(row) = self.replication.synchronizers.get(index) else {
            return;
        };
        match row.spawned.filter(|_| row.is_listed) {
            Some(spawned) if self.is_own_spawn(spawned) => self.refresh_spawn(spawned, slot),
            _ => self.refresh_synchronizer(index, slot),
        }
    }

    fn is_own_spawn(&self, spawned: u32) -> bool {
        let row = self.replication.spawned.get(spawned);
        row.is_some_and(Spawned::is_ours)
    }

    /// Makes the synchronizers of a fresh spawn private, and shows them to `viewers`.
    pub(super) fn restrict(&mut self, node: NodeKey, viewers: &[PeerId]) {
        for index in self.synchronizers_of(node).unwrap_or_default() {
            if let Some(row) = self.replication.synchronizers.get_mut(index) {
                row.is_public = false;
                row.allowed = viewers.iter().copied().collect();
            }
        }
    }

    /// Whether a synchronizer's own rules show it to a peer, whoever owns it.
    pub(super) fn is_synchronizer_visible(&self, index: u32, slot: Slot) -> bool {
        let Some(row) = self.replication.synchronizers.get(index) else {
            return false;
        };
        let (Some(peer), Some(admitted)) = (self.peers.at(slot), self.peers.admitted_at(slot))
        else {
            return false;
        };
        (row.is_public || row.allowed.contains(&peer.id))
            && !row.denied.contains(&peer.id)
            && (!row.layout.is_filtered || admitted.replication.passes.contains(index))
    }

    /// Whether a spawned node is visible to a peer: no synchronizer of this end, or a visible one.
    pub(super) fn is_spawn_visible(&self, node: NodeKey, slot: Slot) -> bool {
        let root = self.nodes.get(node).and_then(|node| node.root.as_ref());
        let indexes = root.map_or(&[][..], |root| &root.synchronizers);
        let mut ours = indexes
            .iter()
            .filter(|&&index| {
                let row = self.replication.synchronizers.get(index);
                row.is_some_and(|row| row.is_ours)
            })
            .peekable();
        ours.peek().is_none() || ours.any(|&index| self.is_synchronizer_visible(index, slot))
    }

    /// Makes what a peer gets of a synchronizer what it shall get.
    pub(super) fn refresh_synchronizer(&mut self, index: u32, slot: Slot) {
        let Some(row) = self.replication.synchronizers.get(index) else {
            return;
        };
        let lacks = row.layout.watch_mask();
        let node = row.node;
        let has_node = row
            .spawned
            .is_none_or(|spawned| !self.is_own_spawn(spawned) || self.has_spawn(spawned, slot));
        let is_listed = row.is_listed && Self::is_spawn_number(row.net_id);
        let sees = row.is_ours && has_node && self.is_synchronizer_visible(index, slot);
        let knows = is_listed || self.is_path_confirmed(node, slot);
        let Some(peer) = self.peers.admitted_at_mut(slot) else {
            return;
        };
        let replication = &mut peer.replication;
        if sees && replication.sees.insert(index) {
            if lacks != 0 {
                replication.lacks.insert(index, lacks);
            }
            if knows {
                replication.ready.insert(index);
            }
        } else if !sees && replication.sees.remove(index) {
            replication.ready.remove(index);
            replication.lacks.remove(&index);
            if let Some(aging) = &mut replication.aging {
                aging.forget(index);
            }
        }
        if sees && knows && !is_listed {
            self.use_path_number(index);
        }
    }

    fn is_path_confirmed(&self, node: NodeKey, slot: Slot) -> bool {
        let (Some(peer), Some(node)) = (self.peers.at(slot), self.nodes.get(node)) else {
            return false;
        };
        matches!(
            node.offer(slot.0, peer),
            OfferState::Confirmed | OfferState::Mismatched
        )
    }

    /// Gives a synchronizer that no SPAWN lists its path number.
    pub(super) fn use_path_number(&mut self, index: u32) {
        let Some(row) = self.replication.synchronizers.get(index) else {
            return;
        };
        if row.net_id == 0
            && let Some(id) = self.nodes.cache_id(row.node)
        {
            self.replication.set_net_id(index, id | PATH_BIT);
        }
    }

    /// A peer knows the number of a node: synchronizers that waited for that can be sent.
    pub(crate) fn on_path_confirmed(&mut self, slot: Slot, key: NodeKey) {
        let Some(Kind::Synchronizer(index)) = self.nodes.get(key).map(|node| node.kind) else {
            return;
        };
        if let Some(peer) = self.peers.admitted_at_mut(slot)
            && peer.replication.sees.contains(index)
        {
            peer.replication.ready.insert(index);
            self.use_path_number(index);
        }
    }

    /// Whether a call on a node may go to a peer.
    pub(crate) fn is_call_visible(&self, slot: Slot, key: NodeKey) -> bool {
        let (Some(node), Some(peer)) = (self.nodes.get(key), self.peers.at(slot)) else {
            return false;
        };
        // A node that the peer was not told of, or one in it, does not exist there.
        if let Some(index) = self.nearest_spawned(&node.path)
            && let Some(row) = self.replication.spawned.get(index)
        {
            if row.by == Some(peer.id) {
                return true;
            }
            if row.is_ours() {
                return self.has_spawn(index, slot);
            }
        }
        let indexes = node.root.as_ref().map(|root| &root.synchronizers);
        indexes.is_none_or(|indexes| {
            let mut all = indexes.iter();
            indexes.is_empty() || all.any(|&index| self.is_synchronizer_visible(index, slot))
        })
    }

    /// Shows a node that was added to everybody who may see it.
    pub(super) fn show_new(&mut self, key: NodeKey) {
        if let Some(Kind::Synchronizer(index)) = self.nodes.get(key).map(|node| node.kind) {
            self.refresh_for(&[index], None);
        }
    }

    /// Tells a fresh peer all that it shall have.
    pub(crate) fn replicate_to(&mut self, slot: Slot) {
        self.begin_budget(slot);
        let spawns: Vec<u32> = self.replication.own_spawns.values().copied().collect();
        for index in spawns {
            self.refresh_spawn(index, slot);
        }
        let rows = self.replication.synchronizers.iter();
        let ours: Vec<u32> = rows
            .filter(|(_, row)| row.is_ours)
            .map(|(index, _)| index)
            .collect();
        for index in ours {
            self.refresh_synchronizer(index, slot);
        }
    }
}
