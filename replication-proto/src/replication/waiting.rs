//! Synchronizers without a number in a SPAWN: their paths are announced, again if need be.

use super::state::Synchronizer;
use crate::node::{NodeKey, OfferState};
use crate::peer::Slot;
use crate::session::Session;
use alloc::vec::Vec;
use core::time::Duration;

/// How often the pause before a path is announced again is doubled.
const MAX_DOUBLINGS: u32 = 4;

/// How long after the spawn of a client the paths in that node are kept from other clients. They get the same spawn
/// through the relay, and a path that is announced before it is one that the engine never learns.
const RELAY_TIME: Duration = Duration::from_millis(100);

impl Session {
    /// Announces the paths of synchronizers that a peer sees without knowing their number.
    pub(super) fn offer_waiting(&mut self, slot: Slot) {
        let Some(peer) = self.peers.admitted_at(slot) else {
            return;
        };
        let replication = &peer.replication;
        if replication.sees == replication.ready {
            if let Some(peer) = self.peers.admitted_at_mut(slot) {
                peer.replication.retry = None;
            }
            return;
        }
        let waiting: Vec<u32> = replication.sees.without(&replication.ready).collect();
        let is_retry = self.is_retry_due(slot);
        for index in waiting {
            let row = self.replication.synchronizers.get(index);
            let Some(row) = row.filter(|row| !self.is_on_its_way(row, slot)) else {
                continue;
            };
            let node = row.node;
            let is_new = !self.is_offered(slot, node);
            let state = self.offer_path(slot, node);
            if is_retry
                && !is_new
                && !state.is_confirmed()
                && let Some(id) = self.nodes.cache_id(node)
            {
                self.announce_path(slot, node, id);
            }
            if state.is_confirmed() {
                self.on_path_confirmed(slot, node);
            }
        }
    }

    /// Whether a synchronizer is in a node that another client spawned just now, so that this peer may not have it yet.
    fn is_on_its_way(&self, row: &Synchronizer, slot: Slot) -> bool {
        let spawned = row.spawned.and_then(|at| self.replication.spawned.get(at));
        let Some((by, since)) = spawned.and_then(|spawned| spawned.by.zip(spawned.since)) else {
            return false;
        };
        let is_relayed = !by.is_server() && self.peers.slot(by) != Some(slot);
        let now = self.replication.last_frame;
        is_relayed && now.is_some_and(|now| now < since + RELAY_TIME)
    }

    fn is_offered(&self, slot: Slot, node: NodeKey) -> bool {
        let (Some(peer), Some(node)) = (self.peers.at(slot), self.nodes.get(node)) else {
            return false;
        };
        node.offer(slot.0, peer) != OfferState::None
    }

    /// Whether paths that a peer did not confirm are announced to it again now. The pause doubles each time.
    fn is_retry_due(&mut self, slot: Slot) -> bool {
        let (Some(pause), Some(now)) = (self.config.path_retry, self.replication.last_frame) else {
            return false;
        };
        let Some(peer) = self.peers.admitted_at_mut(slot) else {
            return false;
        };
        match peer.replication.retry {
            Some((at, _)) if now < at => false,
            known => {
                let count = known.map_or(0, |(_, count)| count + 1).min(MAX_DOUBLINGS);
                let pause = pause.saturating_mul(1 << count);
                peer.replication.retry = Some((now + pause, count));
                known.is_some()
            }
        }
    }
}
