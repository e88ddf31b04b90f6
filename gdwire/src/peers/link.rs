//! Which ENet connection is which Godot peer: [`Links`].

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use enet_proto::PeerKey;
use replication_proto::PeerId;

/// A table that is read both ways: by slot in constant, by id in logarithmic time.
#[derive(Debug, Default)]
pub(super) struct Links {
    by_slot: Vec<Option<(PeerKey, PeerId)>>,
    by_id: BTreeMap<PeerId, PeerKey>,
}

impl Links {
    /// Joins `key` and `id`; both must be new.
    pub(super) fn insert(&mut self, key: PeerKey, id: PeerId) {
        let slot = key.slot();
        if self.by_slot.len() <= slot {
            self.by_slot.resize(slot + 1, None);
        }
        if let Some(place) = self.by_slot.get_mut(slot) {
            *place = Some((key, id));
        }
        self.by_id.insert(id, key);
    }

    /// Forgets a connection; returns whose it was.
    pub(super) fn remove(&mut self, key: PeerKey) -> Option<PeerId> {
        let id = self.id(key)?;
        if let Some(place) = self.by_slot.get_mut(key.slot()) {
            *place = None;
        }
        self.by_id.remove(&id);
        Some(id)
    }

    /// The connection of a peer.
    pub(super) fn key(&self, id: PeerId) -> Option<PeerKey> {
        self.by_id.get(&id).copied()
    }

    /// The peer of a connection.
    pub(super) fn id(&self, key: PeerKey) -> Option<PeerId> {
        match self.by_slot.get(key.slot()) {
            Some(&Some((other, id))) if other == key => Some(id),
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
