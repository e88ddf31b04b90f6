//! State goes out: one network frame (spec: SYNC full and delta, sending algorithm).

use super::bits::Bits;
use super::encode::{encode_delta, encode_full, root_slots};
use super::pack::{Packed, Packer};
use super::state::Replication;
use crate::config::SyncTime;
use crate::event::{Event, StateError};
use crate::peer::{Slot, TransferMode};
use crate::session::Session;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;
use proto_core::Instant;

const FULL: (TransferMode, u8) = (TransferMode::Unreliable, 0);
const DELTA: (TransferMode, u8) = (TransferMode::Reliable, 0);

/// How far behind the session's clock a peer's own may be to be set forward: a receiver takes that for later, whatever
/// it had.
const CATCH_UP: u16 = 0x4000;

/// What is made once per frame, and who shares it.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    /// Synchronizers whose full state goes now.
    due: Bits,
    /// Bytes of all due entries.
    due_bytes: usize,
    /// Changes that go now to those who lack nothing else.
    deltas: Vec<Change>,
    /// What some peers lack beside these: synchronizer and properties, to the encoded entry.
    missed: BTreeMap<(u32, u64), Range<usize>>,
    /// The encoded entries of both.
    bytes: Vec<u8>,
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Change {
    index: u32,
    mask: u64,
    range: Range<usize>,
}

/// Peers who know the same synchronizers.
#[derive(Debug)]
struct Group {
    /// The first of them, whose set is compared with.
    leader: Slot,
    time: u16,
    full: Packed,
    members: u64,
    delta: Option<Packed>,
    delta_members: u64,
}

impl Frame {
    fn change_of(&self, index: u32) -> Option<&Change> {
        let at = self
            .deltas
            .binary_search_by_key(&index, |change| change.index);
        self.deltas.get(at.ok()?)
    }

    fn entry_of(&self, change: &Change) -> &[u8] {
        self.bytes.get(change.range.clone()).unwrap_or_default()
    }
}

impl Session {
    /// Runs one network frame: sends the state that is due to those who see it, and spawns that a budget put off.
    ///
    /// With [`Config::frame_interval`](crate::Config::frame_interval) the session runs frames by itself, from
    /// [`handle_timeout`](Self::handle_timeout). An application with a loop of its own sets that to `None` and calls
    /// this after it has handled what came and set what changed, with a later time in each call.
    pub fn tick(&mut self, now: Instant) {
        if !self.is_connected() {
            return;
        }
        let earliest = self
            .replication
            .last_frame
            .map(|last| last + Duration::from_micros(1));
        let now = earliest.map_or(now, |earliest| now.max(earliest));
        self.replication.last_frame = Some(now);
        self.replication.next_frame = self.config.frame_interval.map(|interval| now + interval);
        self.encode_stale();
        let mut frame = core::mem::take(&mut self.replication.frame);
        self.plan_full(&mut frame, now);
        self.plan_deltas(&mut frame, now);
        self.advance_clock();
        let slots: Vec<Slot> = self.peers.admitted().to_vec();
        for slot in slots {
            self.send_frame(&mut frame, slot);
        }
        self.account(&frame, now);
        self.replication.spawn_packets.clear();
        if self.replication.has_delayed {
            self.replication.has_delayed = self.is_any_delayed();
        }
        frame.groups.clear();
        frame.deltas.clear();
        frame.missed.clear();
        frame.bytes.clear();
        frame.bytes.shrink_to(KEPT_BYTES);
        self.replication.frame = frame;
    }

    /// When the session wants to run its next frame by itself.
    pub(crate) fn next_frame(&self) -> Option<Instant> {
        self.config.frame_interval?;
        let has_work = self.replication.owned > 0 && !self.peers.admitted().is_empty();
        // Asked after each packet, so it must not look at every peer.
        (self.is_connected() && (has_work || self.replication.has_delayed))
            .then(|| self.replication.next_frame.unwrap_or(Instant::ZERO))
    }

    /// Whether a spawn waits for the budget of any peer.
    fn is_any_delayed(&self) -> bool {
        let slots = self.peers.admitted().iter();
        let mut peers = slots.filter_map(|&slot| self.peers.admitted_at(slot));
        peers.any(|peer| !peer.replication.delayed.is_empty())
    }

    /// Runs a frame if its time has come, and keeps the beat.
    pub(crate) fn run_due_frame(&mut self, now: Instant) {
        let Some(due) = self.next_frame().filter(|&due| due <= now) else {
            return;
        };
        self.tick(now);
        if let Some(interval) = self.config.frame_interval {
            let on_beat = due + interval;
            let next = if on_beat > now {
                on_beat
            } else {
                now + interval
            };
            self.replication.next_frame = Some(next);
        }
    }

    /// Encodes the full state of synchronizers whose values or number changed.
    fn encode_stale(&mut self) {
        let mut stale = core::mem::take(&mut self.replication.stale);
        let max = self.config.max_sync_packet_bytes;
        for &index in &stale {
            let Some(row) = self.replication.synchronizers.get_mut(index) else {
                continue;
            };
            row.is_stale = false;
            let Some(slots) = root_slots(&self.nodes, row.root) else {
                continue;
            };
            let mut entry = core::mem::take(&mut row.entry);
            entry.clear();
            if !row.is_ours || row.net_id == 0 || row.layout.sync.is_empty() {
                continue;
            }
            match encode_full(row, slots, &mut entry) {
                Ok(()) if entry.len() - 8 <= max => {
                    row.complained = false;
                    row.entry = entry;
                    self.stats.states_encoded = self.stats.states_encoded.saturating_add(1);
                }
                Ok(()) => self.complain(index, StateError::TooLarge { limit: max }),
                Err(_) => self.complain(index, StateError::TooDeep),
            }
        }
        stale.clear();
        self.replication.stale = stale;
    }

    /// Says once that a synchronizer's state cannot be sent.
    fn complain(&mut self, index: u32, error: StateError) {
        let Some(row) = self.replication.synchronizers.get_mut(index) else {
            return;
        };
        self.stats.unsendable = self.stats.unsendable.saturating_add(1);
        if !core::mem::replace(&mut row.complained, true) {
            let synchronizer = row.node;
            self.emit(Event::StateNotSent {
                synchronizer,
                error,
            });
        }
    }

    fn plan_full(&self, frame: &mut Frame, now: Instant) {
        frame.due.clear();
        frame.due_bytes = 0;
        for (index, row) in self.replication.synchronizers.iter() {
            if !row.entry.is_empty() && is_due(row.last_full, row.layout.replication_micros, now) {
                frame.due.insert(index);
                frame.due_bytes += row.entry.len();
            }
        }
    }

    /// Encodes the changes that go now, once for all who lack nothing else.
    fn plan_deltas(&mut self, frame: &mut Frame, now: Instant) {
        let mut changed = core::mem::take(&mut self.replication.changed);
        changed.sort_unstable();
        let max = self.config.max_delta_packet_bytes;
        changed.retain(|&index| {
            let Some(row) = self.replication.synchronizers.get_mut(index) else {
                return false;
            };
            if !row.is_changed {
                return false;
            }
            if !row.is_ours {
                row.is_changed = false;
                return false;
            }
            if row.net_id == 0 {
                // Nobody knows it: whoever comes to do so gets everything.
                row.changes = 0;
                row.is_changed = false;
                return false;
            }
            if !is_due(row.last_delta, row.layout.delta_micros, now) {
                return true;
            }
            let start = frame.bytes.len();
            let mask = row.changes;
            match encode_delta(row, &self.nodes, mask, max, &mut frame.bytes) {
                Ok(()) => {
                    self.stats.states_encoded = self.stats.states_encoded.saturating_add(1);
                    row.changes = 0;
                    row.is_changed = false;
                    row.last_delta = Some(now);
                    row.complained = false;
                    let range = start..frame.bytes.len();
                    frame.deltas.push(Change { index, mask, range });
                    false
                }
                Err(error) => {
                    frame.bytes.truncate(start);
                    self.complain(index, error);
                    true
                }
            }
        });
        self.replication.changed = changed;
    }

    fn advance_clock(&mut self) {
        let slots = self.peers.admitted().iter();
        let mut peers = slots.filter_map(|&slot| self.peers.admitted_at(slot));
        if peers.any(|peer| !peer.replication.sees.is_empty()) {
            self.replication.time = self.replication.time.wrapping_add(1);
        }
    }

    /// The time of this frame for a peer that sees something.
    fn peer_time(&mut self, slot: Slot) -> Option<u16> {
        let (shared, rule) = (self.replication.time, self.config.sync_time);
        let replication = &mut self.peers.admitted_at_mut(slot)?.replication;
        if replication.sees.is_empty() {
            return None;
        }
        let time = match (rule, replication.time) {
            (SyncTime::PerPeer, known) => known.unwrap_or_default().wrapping_add(1),
            (SyncTime::Shared, None) => shared,
            (SyncTime::Shared, Some(known)) if shared.wrapping_sub(known) < CATCH_UP => shared,
            (SyncTime::Shared, Some(known)) => known.wrapping_add(1),
        };
        replication.time = Some(time);
        Some(time)
    }

    fn send_frame(&mut self, frame: &mut Frame, slot: Slot) {
        if let Some(peer) = self.peers.admitted_at_mut(slot)
            && let Some(aging) = &mut peer.replication.aging
        {
            aging.begin_frame();
            self.tell_delayed(slot);
        }
        let Some(time) = self.peer_time(slot) else {
            return;
        };
        self.offer_waiting(slot);
        let Some(peer) = self.peers.admitted_at(slot) else {
            return;
        };
        let replication = &peer.replication;
        if replication.aging.is_some() {
            self.send_budgeted(frame, slot, time);
            return;
        }
        if replication.ready.is_empty() {
            return;
        }
        let lacks = &replication.lacks;
        let is_behind = lacks.keys().any(|&index| replication.ready.contains(index));
        let group = self.send_full(frame, slot, time);
        if is_behind {
            self.send_catching_up(frame, slot);
        } else if !frame.deltas.is_empty() {
            self.send_shared_delta(frame, group, slot);
        }
    }

    /// Sends the full states, built once for all who know the same, and gives the place of the group.
    fn send_full(&mut self, frame: &mut Frame, slot: Slot, time: u16) -> usize {
        let Some(ready) = self.ready(slot) else {
            return usize::MAX;
        };
        let known = frame
            .groups
            .iter()
            .position(|group| self.ready(group.leader) == Some(ready));
        let at = known.unwrap_or_else(|| {
            let max = self.config.max_sync_packet_bytes;
            let capacity = frame.due_bytes + frame.due_bytes / 64;
            let mut packer = Packer::full(time, max, capacity);
            for index in frame.due.common(ready) {
                if let Some(row) = self.replication.synchronizers.get(index) {
                    packer.push(&row.entry);
                }
            }
            frame.groups.push(Group {
                leader: slot,
                time,
                full: packer.finish(),
                members: 0,
                delta: None,
                delta_members: 0,
            });
            frame.groups.len() - 1
        });
        if let Some(group) = frame.groups.get_mut(at) {
            group.members += 1;
            if group.time == time {
                self.send_packed(slot, FULL, &group.full);
            } else {
                self.send_packed(slot, FULL, &group.full.at_time(time));
            }
        }
        at
    }

    fn ready(&self, slot: Slot) -> Option<&Bits> {
        Some(&self.peers.admitted_at(slot)?.replication.ready)
    }

    pub(super) fn send_packed(&mut self, slot: Slot, route: (TransferMode, u8), packed: &Packed) {
        for packet in packed.packets() {
            self.stats.syncs_out = self.stats.syncs_out.saturating_add(1);
            self.send_to(slot, route, packet);
        }
    }

    /// Sends the changes of this frame to a peer who lacks nothing else.
    fn send_shared_delta(&mut self, frame: &mut Frame, at: usize, slot: Slot) {
        let Some(ready) = self.ready(slot) else {
            return;
        };
        let is_built = frame
            .groups
            .get(at)
            .is_some_and(|group| group.delta.is_some());
        if !is_built {
            let mut packer = Packer::delta(self.config.max_delta_packet_bytes);
            for change in &frame.deltas {
                if ready.contains(change.index) {
                    packer.push(frame.entry_of(change));
                }
            }
            if let Some(group) = frame.groups.get_mut(at) {
                group.delta = Some(packer.finish());
            }
        }
        if let Some(group) = frame.groups.get_mut(at)
            && let Some(delta) = &group.delta
        {
            group.delta_members += 1;
            self.send_packed(slot, DELTA, delta);
        }
    }

    /// Sends a peer what it lacks, and the changes of this frame.
    fn send_catching_up(&mut self, frame: &mut Frame, slot: Slot) {
        let mut packer = Packer::delta(self.config.max_delta_packet_bytes);
        let mut entry = Vec::new();
        for (index, mask) in self.lacking(frame, slot) {
            if self.encode_lacking(frame, index, mask, &mut entry) {
                packer.push(&entry);
                self.count_delta(slot, index, entry.len());
            }
        }
        let packed = packer.finish();
        self.send_packed(slot, DELTA, &packed);
    }

    /// What a peer shall get of watched properties: the changes of this frame and what it lacks, by index.
    pub(super) fn lacking(&self, frame: &Frame, slot: Slot) -> Vec<(u32, u64)> {
        let Some(peer) = self.peers.admitted_at(slot) else {
            return Vec::new();
        };
        let replication = &peer.replication;
        let changes = frame.deltas.iter().filter(|change| {
            !replication.lacks.contains_key(&change.index)
                && replication.ready.contains(change.index)
        });
        let mut masks: Vec<(u32, u64)> =
            changes.map(|change| (change.index, change.mask)).collect();
        let lacks = replication
            .lacks
            .iter()
            .map(|(index, mask)| (*index, *mask));
        let lacks = lacks.filter(|(index, _)| replication.ready.contains(*index));
        masks.extend(lacks.map(|(index, mask)| {
            let change = frame.change_of(index);
            (index, mask | change.map_or(0, |change| change.mask))
        }));
        masks.sort_unstable();
        masks
    }

    /// Gives a delta entry for one peer: the shared one if it is the same, or one that is made for all who lack the
    /// same. Says whether there is one.
    pub(super) fn encode_lacking(
        &mut self,
        frame: &mut Frame,
        index: u32,
        mask: u64,
        entry: &mut Vec<u8>,
    ) -> bool {
        entry.clear();
        if let Some(change) = frame.change_of(index).filter(|change| change.mask == mask) {
            entry.extend_from_slice(frame.entry_of(change));
            return true;
        }
        let known = frame.missed.get(&(index, mask)).cloned();
        if let Some(known) = known.and_then(|range| frame.bytes.get(range)) {
            entry.extend_from_slice(known);
            return true;
        }
        let max = self.config.max_delta_packet_bytes;
        let Some(row) = self.replication.synchronizers.get(index) else {
            return false;
        };
        match encode_delta(row, &self.nodes, mask, max, entry) {
            Ok(()) => {
                self.stats.states_encoded = self.stats.states_encoded.saturating_add(1);
                let start = frame.bytes.len();
                frame.bytes.extend_from_slice(entry);
                let range = start..frame.bytes.len();
                frame.missed.insert((index, mask), range);
                true
            }
            Err(error) => {
                self.complain(index, error);
                false
            }
        }
    }

    /// Takes a delta for sent to one peer.
    pub(super) fn count_delta(&mut self, slot: Slot, index: u32, bytes: usize) {
        if let Some(peer) = self.peers.admitted_at_mut(slot) {
            peer.replication.lacks.remove(&index);
        }
        if let Some(row) = self.replication.synchronizers.get_mut(index) {
            row.traffic.count_out(bytes);
        }
    }

    /// Counts what groups of peers got, per synchronizer and group instead of per peer.
    fn account(&mut self, frame: &Frame, now: Instant) {
        for group in &frame.groups {
            let Some(peer) = self.peers.admitted_at(group.leader) else {
                continue;
            };
            let ready = &peer.replication.ready;
            for index in frame.due.common(ready) {
                self.replication.count_full(index, group.members, now);
            }
            if group.delta_members == 0 {
                continue;
            }
            for change in &frame.deltas {
                if ready.contains(change.index)
                    && let Some(row) = self.replication.synchronizers.get_mut(change.index)
                {
                    let bytes = change.range.len();
                    row.traffic.count_out_to(bytes, group.delta_members);
                }
            }
        }
    }

    /// The synchronizers whose full state a peer shall get now.
    pub(super) fn due_for(&self, frame: &Frame, slot: Slot) -> Vec<u32> {
        let ready = self.ready(slot);
        ready.map_or_else(Vec::new, |ready| frame.due.common(ready).collect())
    }
}

/// Bytes of a frame's buffer that are kept from frame to frame.
const KEPT_BYTES: usize = 4096;

impl Replication {
    pub(super) fn count_full(&mut self, index: u32, receivers: u64, now: Instant) {
        if let Some(row) = self.synchronizers.get_mut(index) {
            row.traffic.count_out_to(row.entry.len(), receivers);
            row.last_full = Some(now);
        }
    }
}

fn is_due(last: Option<Instant>, interval_micros: u64, now: Instant) -> bool {
    last.is_none_or(|last| now >= last + Duration::from_micros(interval_micros))
}
