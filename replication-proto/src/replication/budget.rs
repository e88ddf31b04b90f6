//! How much one peer gets per frame, and what goes first: [`Budget`].

use super::pack::Packer;
use super::sync_out::Frame;
use super::visibility::VisibilityError;
use crate::node::{Kind, NodeKey};
use crate::peer::{PeerId, Slot, TransferMode};
use crate::session::Session;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// What replication may send to one peer in one frame.
///
/// Spawns go first, in their order. Of the rest what was left out longest goes first, deltas before full states of the
/// same age; a priority makes a synchronizer age faster. What waits takes the values of the time when it goes. The
/// first thing of a frame is sent whatever its size, so that nothing waits for ever; spawns of a moment outside of
/// frames can exceed the budget by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Budget {
    /// Bytes of packets per frame, without what a transport adds.
    pub bytes_per_frame: usize,
}

impl Budget {
    /// A budget of so many bytes per frame.
    #[must_use]
    pub const fn new(bytes_per_frame: usize) -> Self {
        Self { bytes_per_frame }
    }
}

/// A peer's budget, and how long its synchronizers have waited.
#[derive(Debug)]
pub(crate) struct Aging {
    budget: Budget,
    spent: usize,
    /// By synchronizer, deltas apart; what was sent last frame is missing.
    ages: BTreeMap<(u32, bool), u32>,
}

impl Aging {
    const fn new(budget: Budget) -> Self {
        Self {
            budget,
            spent: 0,
            ages: BTreeMap::new(),
        }
    }

    pub(crate) const fn begin_frame(&mut self) {
        self.spent = 0;
    }

    pub(crate) const fn spend(&mut self, bytes: usize) {
        self.spent = self.spent.saturating_add(bytes);
    }

    /// Whether this many bytes may still go: always as the first of a frame.
    pub(crate) const fn allows(&self, bytes: usize) -> bool {
        self.spent == 0 || self.spent.saturating_add(bytes) <= self.budget.bytes_per_frame
    }

    const fn is_spent(&self) -> bool {
        self.spent >= self.budget.bytes_per_frame
    }

    fn age(&self, index: u32, is_delta: bool) -> u32 {
        self.ages
            .get(&(index, is_delta))
            .copied()
            .unwrap_or_default()
    }

    fn wait(&mut self, index: u32, is_delta: bool, priority: u16) {
        let age = self.ages.entry((index, is_delta)).or_default();
        *age = age.saturating_add(priority.max(1).into());
    }

    fn reset(&mut self, index: u32, is_delta: bool) {
        self.ages.remove(&(index, is_delta));
    }

    pub(crate) fn forget(&mut self, index: u32) {
        self.reset(index, false);
        self.reset(index, true);
    }
}

impl Session {
    /// Limits what replication sends to a peer per frame; `None` lifts the limit. Unknown peers are ignored.
    pub fn set_budget(&mut self, peer: PeerId, budget: Option<Budget>) {
        if let Some(slot) = self.peers.slot(peer)
            && let Some(peer) = self.peers.admitted_at_mut(slot)
        {
            peer.replication.aging = budget.map(|budget| Box::new(Aging::new(budget)));
            if budget.is_none() {
                self.tell_delayed(slot);
            }
        }
    }

    /// Sets how fast a node's synchronizers (or the one that it is) grow urgent when a budget leaves them out.
    /// Default: 1, which is also the least.
    ///
    /// # Errors
    /// [`VisibilityError`]: there is no such node or it has no synchronizer.
    pub fn set_priority(&mut self, node: NodeKey, priority: u16) -> Result<(), VisibilityError> {
        let found = self.nodes.get(node).ok_or(VisibilityError::UnknownNode)?;
        let indexes = match (found.kind, &found.root) {
            (Kind::Synchronizer(index), _) => alloc::vec![index],
            (_, Some(root)) if !root.synchronizers.is_empty() => root.synchronizers.clone(),
            _ => return Err(VisibilityError::NoSynchronizer),
        };
        for index in indexes {
            if let Some(row) = self.replication.synchronizers.get_mut(index) {
                row.priority = priority.max(1);
            }
        }
        Ok(())
    }

    /// Gives a fresh peer the budget that the settings say.
    pub(super) fn begin_budget(&mut self, slot: Slot) {
        let budget = self.config.budget;
        if let (Some(budget), Some(peer)) = (budget, self.peers.admitted_at_mut(slot)) {
            peer.replication.aging = Some(Box::new(Aging::new(budget)));
        }
    }

    /// Whether a spawn has to wait: the budget is spent, or others wait already.
    pub(super) fn must_wait(&self, slot: Slot) -> bool {
        let peer = self.peers.admitted_at(slot);
        let aging = peer.and_then(|peer| peer.replication.aging.as_ref());
        aging.is_some_and(|aging| aging.is_spent())
    }
}

/// Something that a budgeted peer shall get in a frame.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    index: u32,
    /// The properties of a delta; a full state has none.
    mask: Option<u64>,
    age: u32,
}

impl Session {
    /// Sends what is due to a peer with a budget, the longest waiting first.
    pub(super) fn send_budgeted(&mut self, frame: &mut Frame, slot: Slot, time: u16) {
        let mut candidates = self.candidates(frame, slot);
        candidates.sort_by_key(|candidate| {
            (
                Reverse(candidate.age),
                candidate.mask.is_none(),
                candidate.index,
            )
        });
        let config = &self.config;
        let mut full = Packer::full(time, config.max_sync_packet_bytes, 0);
        let mut delta = Packer::delta(config.max_delta_packet_bytes);
        let mut entry = Vec::new();
        let mut is_full = false;
        for candidate in candidates {
            let has_entry = match candidate.mask {
                Some(mask) => self.encode_lacking(frame, candidate.index, mask, &mut entry),
                None => self.copy_entry(candidate.index, &mut entry),
            };
            if !has_entry {
                continue;
            }
            let packer = match candidate.mask {
                Some(_) => &mut delta,
                None => &mut full,
            };
            let cost = packer.cost(entry.len());
            is_full |= !self.budget_allows(slot, cost);
            if is_full {
                self.put_off(slot, candidate);
                continue;
            }
            packer.push(&entry);
            self.take_for_sent(slot, candidate, entry.len(), cost);
        }
        let (full, delta) = (full.finish(), delta.finish());
        self.send_packed(slot, (TransferMode::Unreliable, 0), &full);
        self.send_packed(slot, (TransferMode::Reliable, 0), &delta);
    }

    fn candidates(&self, frame: &Frame, slot: Slot) -> Vec<Candidate> {
        let peer = self.peers.admitted_at(slot);
        let aging = peer.and_then(|peer| peer.replication.aging.as_ref());
        let age = |index, mask: Option<u64>| {
            let aging = aging.map(|aging| aging.age(index, mask.is_some()));
            aging.unwrap_or_default()
        };
        let deltas = self.lacking(frame, slot).into_iter();
        let deltas = deltas.map(|(index, mask)| (index, Some(mask)));
        let full = self.due_for(frame, slot).into_iter();
        let full = full.map(|index| (index, None));
        let all = deltas.chain(full).map(|(index, mask)| Candidate {
            index,
            mask,
            age: age(index, mask),
        });
        all.collect()
    }

    fn copy_entry(&self, index: u32, entry: &mut Vec<u8>) -> bool {
        entry.clear();
        if let Some(row) = self.replication.synchronizers.get(index) {
            entry.extend_from_slice(&row.entry);
        }
        !entry.is_empty()
    }

    fn budget_allows(&self, slot: Slot, bytes: usize) -> bool {
        let peer = self.peers.admitted_at(slot);
        let aging = peer.and_then(|peer| peer.replication.aging.as_ref());
        aging.is_none_or(|aging| aging.allows(bytes))
    }

    fn put_off(&mut self, slot: Slot, candidate: Candidate) {
        let row = self.replication.synchronizers.get(candidate.index);
        let priority = row.map_or(1, |row| row.priority);
        let Some(peer) = self.peers.admitted_at_mut(slot) else {
            return;
        };
        if let Some(mask) = candidate.mask {
            *peer.replication.lacks.entry(candidate.index).or_default() |= mask;
        }
        if let Some(aging) = &mut peer.replication.aging {
            aging.wait(candidate.index, candidate.mask.is_some(), priority);
        }
        self.stats.put_off = self.stats.put_off.saturating_add(1);
    }

    fn take_for_sent(&mut self, slot: Slot, candidate: Candidate, bytes: usize, cost: usize) {
        if let Some(peer) = self.peers.admitted_at_mut(slot)
            && let Some(aging) = &mut peer.replication.aging
        {
            aging.spend(cost);
            aging.reset(candidate.index, candidate.mask.is_some());
        }
        match (candidate.mask, self.replication.last_frame) {
            (Some(_), _) => self.count_delta(slot, candidate.index, bytes),
            (None, Some(now)) => self.replication.count_full(candidate.index, 1, now),
            (None, None) => {}
        }
    }
}
