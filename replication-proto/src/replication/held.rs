//! Custom spawns that wait for the application: [`SpawnRequest`].

use crate::error::{Refusal, Verdict, reject};
use crate::event::DisconnectReason;
use crate::node::NodeKey;
use crate::peer::{PeerId, Slot};
use crate::scene::Scene;
use crate::session::{Arrival, Session};
use crate::stats::DropReason;
use crate::variant::Value;
use alloc::collections::VecDeque;
use alloc::sync::Arc;

/// What each held packet costs beside its bytes.
const HELD_COST: usize = 64;

/// A custom spawn of a peer that the application shall give a scene.
///
/// Answer with [`Session::answer_spawn`]. Until then reliable packets of that peer wait, because they may be about the
/// new node, and unreliable ones are dropped; a peer with too many waiting packets is disconnected.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SpawnRequest {
    /// Names the request.
    pub id: u64,
    /// Who spawns.
    pub peer: PeerId,
    /// By which spawner.
    pub spawner: NodeKey,
    /// Path that the node will have.
    pub path: Arc<str>,
    /// The argument of the spawn function.
    pub argument: Value,
}

/// A waiting custom spawn.
#[derive(Debug)]
pub(crate) struct Held {
    id: u64,
    spawn: Arrival,
    waiting: VecDeque<Arrival>,
    cost: usize,
}

impl Session {
    /// Holds back a packet if its sender has a spawn that waits. Gives the packet back if not.
    pub(crate) fn hold(&mut self, arrival: Arrival) -> Result<Option<Arrival>, Refusal> {
        let limit = self.config.limits.held_bytes;
        let Some(peer) = self.peers.admitted_at_mut(arrival.slot) else {
            return Ok(Some(arrival));
        };
        let Some(held) = &mut peer.replication.held else {
            return Ok(Some(arrival));
        };
        if !arrival.mode.is_reliable() {
            return crate::error::drop(DropReason::Held);
        }
        let cost = held.cost + HELD_COST + arrival.packet.len();
        if cost > limit {
            self.expel(arrival.from, DisconnectReason::HeldTooMuch);
            return reject(DropReason::Held);
        }
        held.cost = cost;
        held.waiting.push_back(arrival);
        Ok(None)
    }

    /// Asks the application what a custom spawn is.
    pub(super) fn request_spawn(&mut self, arrival: &Arrival, mut request: SpawnRequest) {
        self.replication.next_request += 1;
        request.id = self.replication.next_request;
        let held = Held {
            id: request.id,
            spawn: arrival.clone(),
            waiting: VecDeque::new(),
            cost: HELD_COST + arrival.packet.len(),
        };
        if let Some(peer) = self.peers.admitted_at_mut(arrival.slot) {
            peer.replication.held = Some(held.into());
            self.emit(crate::event::Event::SpawnRequested(request));
        }
    }

    /// Answers [`Event::SpawnRequested`](crate::Event::SpawnRequested): with the scene that the node is, or with
    /// nothing to refuse it. Then what the peer sent since is processed.
    ///
    /// Gives the verdict on the spawn; [`DropReason::UnknownId`] for a request that is over, as when its peer left.
    pub fn answer_spawn(&mut self, request: u64, scene: Option<&Scene>) -> Verdict {
        let slots = self.peers.admitted().iter().copied();
        let slot = slots.into_iter().find(|&slot| {
            let peer = self.peers.admitted_at(slot);
            let held = peer.and_then(|peer| peer.replication.held.as_ref());
            held.is_some_and(|held| held.id == request)
        });
        let Some(slot) = slot else {
            return self.judge(reject(DropReason::UnknownId));
        };
        let held = self
            .peers
            .admitted_at_mut(slot)
            .and_then(|peer| peer.replication.held.take());
        let Some(held) = held else {
            return self.judge(reject(DropReason::UnknownId));
        };
        let result = match scene {
            Some(scene) => self.spawn_as(&held.spawn, scene),
            None => reject(DropReason::SpawnRefused),
        };
        let verdict = self.judge(result);
        self.release(slot, held.waiting);
        verdict
    }

    /// Processes packets that waited, until another spawn has to wait.
    fn release(&mut self, slot: Slot, mut waiting: VecDeque<Arrival>) {
        while let Some(arrival) = waiting.pop_front() {
            let from = arrival.from;
            let result = self.dispatch(arrival);
            let _ = self.judge(result);
            // What was processed may have ended the stay of its sender.
            if self.peers.slot(from) != Some(slot) {
                return;
            }
            let Some(peer) = self.peers.admitted_at_mut(slot) else {
                return;
            };
            if let Some(held) = &mut peer.replication.held {
                held.cost += waiting
                    .iter()
                    .map(|arrival| HELD_COST + arrival.packet.len())
                    .sum::<usize>();
                held.waiting.append(&mut waiting);
                return;
            }
        }
    }

    /// Bytes of packets of a peer that wait for the application.
    pub(crate) fn held_bytes(&self, slot: Slot) -> usize {
        let peer = self.peers.admitted_at(slot);
        peer.and_then(|peer| peer.replication.held.as_ref())
            .map_or(0, |held| held.cost)
    }
}
