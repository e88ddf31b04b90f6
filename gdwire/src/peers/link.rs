//! Which ENet connection is which Godot peer: [`Links`].

use super::hosts::LinkKey;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use enet_proto::PeerKey;
use replication_proto::PeerId;

/// A table that is read both ways: by host and slot in constant, by id in logarithmic time.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// For each host its slots.
    by_slot: Vec<Vec<Option<(PeerKey, PeerId)>>>,
    by_id: BTreeMap<PeerId, LinkKey>,
}

impl Links {
    /// Joins `key` and `id`; both must be new.
    pub(super) fn insert(&mut self, key: LinkKey, id: PeerId) {
        if self.by_slot.len() <= key.listener {
            self.by_slot.resize_with(key.listener + 1, Vec::new);
        }
        let slot = key.peer.slot();
        if let Some(slots) = self.by_slot.get_mut(key.listener) {
            if slots.len() <= slot {
                slots.resize(slot + 1, None);
            }
            if let Some(place) = slots.get_mut(slot) {
                *place = Some((key.peer, id));
            }
        }
        self.by_id.insert(id, key);
    }

    /// Forgets a connection; returns whose it was.
    pub(super) fn remove(&mut self, key: LinkKey) -> Option<PeerId> {
        let id = self.id(key)?;
        let slots = self.by_slot.get_mut(key.listener);
        if let Some(place) = slots.and_then(|slots| slots.get_mut(key.peer.slot())) {
            *place = None;
        }
        self.by_id.remove(&id);
        Some(id)
    }

    /// The connection of a peer.
    pub(super) fn key(&self, id: PeerId) -> Option<LinkKey> {
        self.by_id.get(&id).copied()
    }

    /// The peer of a connection.
    pub(super) fn id(&self, key: LinkKey) -> Option<PeerId> {
        match self.by_slot.get(key.listener)?.get(key.peer.slot()) {
            Some(&Some((other, id))) if other == key.peer => Some(id),
            _ => None,
        }
    }

    /// All peers that have a connection, by ascending id.
    pub(super) fn ids(&self) -> impl Iterator<Item = PeerId> {
        self.by_id.keys().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}
