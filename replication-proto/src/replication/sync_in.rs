//! State of peers: SYNC full and delta, entry by entry (spec: SYNC, receiver).

use super::finite::is_finite;
use super::freed::FreedBy;
use super::state::PATH_BIT;
use crate::error::{Refusal, Verdict, drop, reject};
use crate::event::{Event, StateReceived};
use crate::node::NodeKey;
use crate::packet::{Delta, DeltaEntry, Sync, SyncEntry};
use crate::peer::PeerId;
use crate::scene::{Layout, NonFinite};
use crate::session::{Arrival, Session};
use crate::stats::DropReason;
use crate::variant::{Value, compact, is_same};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The least that the engine takes for a packet of either form.
const MIN_BYTES: usize = 11;

/// A time that is behind by at least this is taken for one after a wrap.
const WRAP: u16 = 32767;

const UNKNOWN: Refusal = Verdict::Dropped(DropReason::UnknownId);

/// What became of the entries of one packet.
#[derive(Default)]
struct Outcome {
    is_applied: bool,
    first: Option<Refusal>,
}

/// A checked entry.
struct Checked {
    index: u32,
    layout: Arc<Layout>,
    /// Properties of the layout, one per value.
    properties: Vec<u16>,
    values: Vec<Value>,
    is_finite: bool,
}

impl Session {
    pub(crate) fn on_sync(&mut self, arrival: &Arrival) -> Result<(), Refusal> {
        let bytes = arrival.packet.clone();
        let is_delta = Delta::is_delta(bytes.first().copied().unwrap_or_default());
        // The engine sends heads without entries when one entry fills a packet.
        if bytes.len() == if is_delta { 1 } else { 3 } {
            return Ok(());
        }
        if bytes.len() < MIN_BYTES {
            return reject(DropReason::Truncated);
        }
        let mut outcome = Outcome::default();
        if is_delta {
            for entry in Delta::decode(&bytes)?.entries {
                let result = entry
                    .map_err(Refusal::from)
                    .and_then(|entry| self.on_delta_entry(arrival, &entry));
                if self.note(&mut outcome, result) {
                    break;
                }
            }
        } else {
            let packet = Sync::decode(&bytes)?;
            for entry in packet.entries {
                let result = entry
                    .map_err(Refusal::from)
                    .and_then(|entry| self.on_full_entry(arrival, packet.time, &entry));
                if self.note(&mut outcome, result) {
                    break;
                }
            }
        }
        match outcome.first {
            Some(UNKNOWN) if !outcome.is_applied && self.names_anothers(&bytes, is_delta) => {
                drop(DropReason::Unauthorized)
            }
            Some(refusal) if !outcome.is_applied => Err(refusal),
            Some(refusal) => {
                self.count_refusal(refusal);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whether the first number of a packet, unknown as it is, is one of another peer.
    fn names_anothers(&self, bytes: &[u8], is_delta: bool) -> bool {
        let first = if is_delta {
            Delta::decode(bytes)
                .ok()
                .and_then(|packet| packet.entries.flatten().next())
                .map(|entry| entry.id)
        } else {
            Sync::decode(bytes)
                .ok()
                .and_then(|packet| packet.entries.flatten().next())
                .map(|entry| entry.id)
        };
        first.is_some_and(|id| self.is_of_another(|theirs| theirs.synchronizers.contains_key(&id)))
    }

    /// Keeps the first refusal, counts the others, and says whether the rest of the packet is given up: after a breach
    /// of the protocol it is, as the engine does.
    fn note(&mut self, outcome: &mut Outcome, result: Result<(), Refusal>) -> bool {
        match result {
            Ok(()) => {
                outcome.is_applied = true;
                false
            }
            Err(refusal) => {
                if outcome.first.is_none() {
                    outcome.first = Some(refusal);
                } else {
                    self.count_refusal(refusal);
                }
                matches!(refusal, Verdict::Rejected(_))
            }
        }
    }

    /// The synchronizer that a peer names, if the peer has its authority.
    fn named_synchronizer(
        &mut self,
        arrival: &Arrival,
        id: u32,
    ) -> Result<(u32, NodeKey), Refusal> {
        let Some(peer) = self.peers.admitted_at_mut(arrival.slot) else {
            return drop(DropReason::UnknownPeer);
        };
        let (key, is_freed) = if id & PATH_BIT == 0 {
            let replication = &peer.replication;
            let key = replication.synchronizers.get(&id).copied();
            // What is reliable comes in order, so the end of a node by its spawner is the last of it.
            let is_freed = match replication.freed.get(id) {
                Some(FreedBy::Spawner) => !arrival.mode.is_reliable(),
                Some(FreedBy::Other) => true,
                None => false,
            };
            let key = key.filter(|&key| self.nodes.get(key).is_some());
            (
                key,
                is_freed || key.is_none() && replication.synchronizers.contains_key(&id),
            )
        } else {
            let id = id & !PATH_BIT;
            let found = peer.received.resolve(id, &self.nodes);
            (found.map(|(key, _)| key), peer.received.contains(id))
        };
        let Some(key) = key else {
            return drop(if is_freed {
                DropReason::FreedNode
            } else {
                DropReason::UnknownId
            });
        };
        let Some(index) = self.synchronizer_index(key) else {
            return reject(DropReason::WrongKind);
        };
        if self.authority(key) != Some(arrival.from) {
            return drop(DropReason::Unauthorized);
        }
        Ok((index, key))
    }

    /// Forgets the times of a peer's states, as it leaves: who comes back with its number counts from the start, and
    /// all that it sends would be late.
    pub(crate) fn forget_times_of(&mut self, peer: PeerId) {
        for (_, row) in self.replication.synchronizers.iter_mut() {
            let node = self.nodes.get(row.node);
            if node.is_some_and(|node| node.authority == peer) {
                row.last_time = None;
            }
        }
    }

    fn on_full_entry(
        &mut self,
        arrival: &Arrival,
        time: u16,
        entry: &SyncEntry<'_>,
    ) -> Result<(), Refusal> {
        let (index, _) = self.named_synchronizer(arrival, entry.id)?;
        let Some(row) = self.replication.synchronizers.get_mut(index) else {
            return drop(DropReason::UnknownId);
        };
        row.traffic.count_in(entry.state.len().saturating_add(8));
        let layout = Arc::clone(&row.layout);
        if row.last_time.is_some_and(|last| is_stale(time, last)) {
            return drop(DropReason::Stale);
        }
        let limits = &self.config.limits.variant;
        let (values, used) = compact::decode_values(entry.state, layout.sync.len(), limits)?;
        let surplus = entry.state.len().saturating_sub(used);
        if surplus > 0 && self.config.refuse_surplus_bytes {
            return reject(DropReason::TrailingBytes);
        }
        let is_finite = self.check_values(&layout, &layout.sync, &values)?;
        self.stats.surplus_bytes = self.stats.surplus_bytes.saturating_add(surplus as u64);
        if let Some(row) = self.replication.synchronizers.get_mut(index) {
            row.last_time = Some(time);
        }
        let properties = layout.sync.clone();
        let checked = Checked {
            index,
            layout,
            properties,
            values,
            is_finite,
        };
        self.apply(arrival, checked, Some(time));
        Ok(())
    }

    fn on_delta_entry(&mut self, arrival: &Arrival, entry: &DeltaEntry<'_>) -> Result<(), Refusal> {
        let (index, _) = self.named_synchronizer(arrival, entry.id)?;
        let Some(row) = self.replication.synchronizers.get_mut(index) else {
            return drop(DropReason::UnknownId);
        };
        row.traffic.count_in(entry.state.len().saturating_add(16));
        let layout = Arc::clone(&row.layout);
        if entry.mask == 0 || entry.mask & !layout.watch_mask() != 0 {
            return reject(DropReason::BadIndex);
        }
        let watched = layout.watch.iter().enumerate();
        let properties: Vec<u16> = watched
            .filter(|(bit, _)| entry.mask >> bit & 1 != 0)
            .map(|(_, property)| *property)
            .collect();
        let limits = &self.config.limits.variant;
        let (values, used) = compact::decode_values(entry.state, properties.len(), limits)?;
        if used != entry.state.len() {
            return reject(DropReason::TrailingBytes);
        }
        let is_finite = self.check_values(&layout, &properties, &values)?;
        let checked = Checked {
            index,
            layout,
            properties,
            values,
            is_finite,
        };
        self.apply(arrival, checked, None);
        Ok(())
    }

    /// Whether all values are finite; refuses those that the properties cannot have.
    pub(super) fn check_values(
        &mut self,
        layout: &Layout,
        properties: &[u16],
        values: &[Value],
    ) -> Result<bool, Refusal> {
        let mut all_finite = true;
        for (&property, value) in properties.iter().zip(values) {
            let Some(property) = layout.properties.get(usize::from(property)) else {
                continue;
            };
            if !property.accepts(value) {
                return reject(DropReason::WrongType);
            }
            if !is_finite(value) {
                if property.non_finite == NonFinite::Refuse {
                    return reject(DropReason::NonFinite);
                }
                all_finite = false;
            }
        }
        if !all_finite {
            self.stats.non_finite = self.stats.non_finite.saturating_add(1);
        }
        Ok(all_finite)
    }

    fn apply(&mut self, arrival: &Arrival, checked: Checked, time: Option<u16>) {
        let Some(row) = self.replication.synchronizers.get(checked.index) else {
            return;
        };
        let (synchronizer, node) = (row.node, row.root);
        let mut properties = Vec::with_capacity(checked.values.len());
        for (property, value) in checked.properties.into_iter().zip(checked.values) {
            let at = usize::from(property);
            if let Some(property) = checked.layout.properties.get(at) {
                let path = Arc::clone(&property.path);
                self.store(node, &path, value.clone());
                properties.push((path, value));
            }
        }
        let Some(found) = self.nodes.get(node) else {
            return;
        };
        self.stats.states_in = self.stats.states_in.saturating_add(1);
        let state = StateReceived {
            peer: arrival.from,
            node,
            path: Arc::clone(&found.path),
            synchronizer,
            properties,
            time,
            is_finite: checked.is_finite,
        };
        self.emit(Event::Sync(state.into()));
    }

    /// Stores a received value. This end's own synchronizers of the property pass it on.
    pub(super) fn store(&mut self, node: NodeKey, path: &str, value: Value) {
        let root = self.nodes.get_mut(node).and_then(|node| node.root.as_mut());
        let Some(root) = root else {
            return;
        };
        let Some(at) = root.slots.iter().position(|slot| &*slot.path == path) else {
            return;
        };
        let (Some(slot), Ok(at)) = (root.slots.get_mut(at), u16::try_from(at)) else {
            return;
        };
        let is_changed = !is_same(&slot.value, &value);
        slot.value = value;
        if is_changed {
            for &index in &root.synchronizers {
                self.replication.on_change(index, at);
            }
        }
    }
}

/// Whether a full state comes too late, by the engine's rule, which is not modular: a time of at least [`WRAP`] less is
/// one after a wrap.
const fn is_stale(time: u16, last: u16) -> bool {
    time <= last && last - time < WRAP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_states_are_told_by_the_engines_rule() {
        for (last, time, expected) in [
            (5, 5, true),
            (5, 4, true),
            (5, 6, false),
            (65535, 0, false),
            (0, 65535, false),
            (32767, 0, false),
            (32766, 0, true),
        ] {
            assert_eq!(is_stale(time, last), expected, "{last} {time}");
        }
    }
}
