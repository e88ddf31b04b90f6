//! The tables of a session's replication.

use super::bits::Bits;
use super::budget::Aging;
use super::freed::Freed;
use super::held::Held;
use super::profile::Traffic;
use super::slab::Slab;
use super::sync_out::Frame;
use crate::node::NodeKey;
use crate::peer::PeerId;
use crate::scene::{Layout, Scene, SpawnerConfig};
use crate::variant::Value;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use proto_core::Instant;

/// Bit 31 of a synchronizer's number: the rest is a path number.
pub(crate) const PATH_BIT: u32 = 0x8000_0000;

/// What a session holds beside its nodes to replicate them.
#[derive(Debug)]
pub(crate) struct Replication {
    pub(crate) scenes: BTreeMap<Arc<str>, Scene>,
    pub(crate) spawners: Slab<Spawner>,
    pub(crate) synchronizers: Slab<Synchronizer>,
    pub(crate) spawned: Slab<Spawned>,
    /// Nodes that this end spawned, in the order of their making.
    pub(crate) own_spawns: BTreeMap<u64, u32>,
    pub(crate) next_sequence: u64,
    /// The last number given to a node or a synchronizer of a SPAWN.
    pub(crate) last_net_id: u32,
    /// Synchronizers whose full state must be encoded again.
    pub(crate) stale: Vec<u32>,
    /// Synchronizers with changes that were not sent as deltas.
    pub(crate) changed: Vec<u32>,
    /// How many synchronizers this end owns.
    pub(crate) owned: usize,
    /// Whether a spawn was put off since the last frame, or still is.
    pub(crate) has_delayed: bool,
    /// When the last frame was; each frame is later than the one before.
    pub(crate) last_frame: Option<Instant>,
    /// When the next frame shall be, if the session runs frames by itself.
    pub(crate) next_frame: Option<Instant>,
    /// Counts frames in which something was visible to any peer.
    pub(crate) time: u16,
    pub(crate) next_request: u64,
    /// SPAWN packets built since the last frame, by node, while nothing in them changed: many can want the same one.
    pub(crate) spawn_packets: BTreeMap<u32, Bytes>,
    /// What is built once per frame; kept for its memory.
    pub(crate) frame: Frame,
}

/// What a spawner node is.
#[derive(Debug)]
pub(crate) struct Spawner {
    pub(crate) config: Arc<SpawnerConfig>,
    /// Where its nodes appear.
    pub(crate) parent: Arc<str>,
    /// How many nodes of it there are, of whomever.
    pub(crate) count: u32,
}

/// What a synchronizer node is.
#[derive(Debug)]
pub(crate) struct Synchronizer {
    pub(crate) node: NodeKey,
    pub(crate) root: NodeKey,
    pub(crate) layout: Arc<Layout>,
    /// For each property of the layout its slot at the root.
    pub(crate) slots: Vec<u16>,
    /// Whether this end has its authority.
    pub(crate) is_ours: bool,
    /// The nearest spawned node at or above it.
    pub(crate) spawned: Option<u32>,
    /// Whether SPAWN of that node lists it.
    pub(crate) is_listed: bool,
    /// This end's number for it: a net id, or a path number with [`PATH_BIT`]; 0 before it has any.
    pub(crate) net_id: u32,
    /// When full states and deltas were sent last.
    pub(crate) last_full: Option<Instant>,
    pub(crate) last_delta: Option<Instant>,
    /// Number, size and state as full packets carry them; empty if there is nothing to send.
    pub(crate) entry: Vec<u8>,
    pub(crate) is_stale: bool,
    pub(crate) is_changed: bool,
    /// Watched properties that changed since the last delta to those who are up to date.
    pub(crate) changes: u64,
    /// An entry that is too large was told.
    pub(crate) complained: bool,
    pub(crate) is_public: bool,
    /// Peers that see it although it is not public.
    pub(crate) allowed: BTreeSet<PeerId>,
    /// Peers that do not see it although it is public.
    pub(crate) denied: BTreeSet<PeerId>,
    /// Its share when a budget is short.
    pub(crate) priority: u16,
    /// The time of the last full state received.
    pub(crate) last_time: Option<u16>,
    pub(crate) traffic: Traffic,
}

/// What a spawned node is beside a node.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) node: NodeKey,
    pub(crate) spawner: NodeKey,
    /// Who spawned it, if not this end.
    pub(crate) by: Option<PeerId>,
    /// When the SPAWN of another peer came.
    pub(crate) since: Option<Instant>,
    /// The number of it, in the space of who spawned it; 0 before it has any.
    pub(crate) net_id: u32,
    /// Index in the spawner's list.
    pub(crate) scene: u8,
    /// The argument of a custom spawn, encoded.
    pub(crate) argument: Option<Bytes>,
    /// Place in the order of this end's spawns.
    pub(crate) sequence: u64,
    /// The nearest spawned node above it that this end spawned too.
    pub(crate) outer: Option<u32>,
    /// This end's spawns of which it is the outer one.
    pub(crate) inner: Vec<u32>,
    /// Synchronizers at or below it, nearer spawned nodes' ones excluded, in tree order.
    pub(crate) members: Vec<u32>,
    /// The numbers that the SPAWN of another peer listed.
    pub(crate) listed: Vec<u32>,
    pub(crate) traffic: Traffic,
}

impl Spawned {
    pub(crate) const fn is_ours(&self) -> bool {
        self.by.is_none()
    }
}

/// What one admitted peer has, sees and lacks, and what it sent.
#[derive(Debug, Default)]
pub(crate) struct PeerReplication {
    /// Our spawns that it has.
    pub(crate) told: Bits,
    /// Our spawns that it shall have once its budget allows, by sequence.
    pub(crate) delayed: BTreeSet<u64>,
    /// Our synchronizers that it sees.
    pub(crate) sees: Bits,
    /// Those of them whose number it knows.
    pub(crate) ready: Bits,
    /// Synchronizers whose filter lets it see them.
    pub(crate) passes: Bits,
    /// Synchronizers that it sees without being up to date, and the watched properties that it lacks.
    pub(crate) lacks: BTreeMap<u32, u64>,
    /// The time of the last frame in which it saw anything.
    pub(crate) time: Option<u16>,
    pub(crate) aging: Option<Box<Aging>>,
    /// When paths that it did not confirm are announced again, and how often they were.
    pub(crate) retry: Option<(Instant, u32)>,
    /// Nodes that it spawned here, by its numbers.
    pub(crate) nodes: BTreeMap<u32, NodeKey>,
    /// Synchronizers that its spawns listed, by its numbers.
    pub(crate) synchronizers: BTreeMap<u32, NodeKey>,
    /// Its numbers of both that are gone.
    pub(crate) freed: Freed,
    /// A custom spawn that waits for the application, and what came after it.
    pub(crate) held: Option<Box<Held>>,
}

impl Replication {
    pub(crate) fn new() -> Self {
        Self {
            scenes: BTreeMap::new(),
            spawners: Slab::new(),
            synchronizers: Slab::new(),
            spawned: Slab::new(),
            own_spawns: BTreeMap::new(),
            next_sequence: 0,
            last_net_id: 0,
            stale: Vec::new(),
            changed: Vec::new(),
            owned: 0,
            has_delayed: false,
            last_frame: None,
            next_frame: None,
            time: 0,
            next_request: 0,
            spawn_packets: BTreeMap::new(),
            frame: Frame::default(),
        }
    }

    /// Forgets all numbers, as at the end of a connection.
    pub(crate) fn reset_numbers(&mut self) {
        self.last_net_id = 0;
        self.time = 0;
        self.spawn_packets.clear();
        for (_, row) in self.spawned.iter_mut() {
            if row.is_ours() {
                row.net_id = 0;
            }
        }
        for (_, row) in self.synchronizers.iter_mut() {
            row.restart();
            row.entry.clear();
        }
    }

    /// The next number for a node or a synchronizer of a SPAWN. Bit 31 is never reached: each takes memory.
    pub(crate) const fn take_net_id(&mut self) -> u32 {
        self.last_net_id = self.last_net_id.wrapping_add(1) & !PATH_BIT;
        self.last_net_id
    }

    /// Has the full state of a synchronizer encoded in the next frame.
    pub(crate) fn touch(&mut self, index: u32) {
        if let Some(synchronizer) = self.synchronizers.get_mut(index)
            && !synchronizer.is_stale
        {
            synchronizer.is_stale = true;
            self.stale.push(index);
        }
    }

    /// Has changes of watched properties sent with the next delta.
    pub(crate) fn change(&mut self, index: u32, mask: u64) {
        if let Some(synchronizer) = self.synchronizers.get_mut(index) {
            synchronizer.changes |= mask;
            if !synchronizer.is_changed {
                synchronizer.is_changed = true;
                self.changed.push(index);
            }
        }
    }

    /// Gives a synchronizer its number, or none.
    pub(crate) fn set_net_id(&mut self, index: u32, net_id: u32) {
        if let Some(synchronizer) = self.synchronizers.get_mut(index) {
            synchronizer.net_id = net_id;
            self.touch(index);
        }
    }
}

impl Synchronizer {
    /// The values of one of its lists, in order.
    pub(crate) fn values<'a>(
        &'a self,
        list: &'a [u16],
        slots: &'a [crate::node::PropertySlot],
    ) -> impl Iterator<Item = &'a Value> {
        list.iter().filter_map(|&property| {
            let slot = *self.slots.get(usize::from(property))?;
            Some(&slots.get(usize::from(slot))?.value)
        })
    }

    /// Whether the property in a slot of the root, if it is one of its own, can have this value.
    pub(crate) fn accepts(&self, slot: u16, value: &Value) -> bool {
        let at = self.slots.iter().position(|&other| other == slot);
        at.and_then(|at| self.layout.properties.get(at))
            .is_none_or(|property| property.accepts(value))
    }

    /// Forgets what belongs to one authority, as when another takes over.
    pub(crate) fn restart(&mut self) {
        self.net_id = 0;
        self.last_full = None;
        self.last_delta = None;
        self.changes = 0;
        self.last_time = None;
        self.complained = false;
    }
}
