//! Spawning here: who gets SPAWN and DESPAWN, and when (spec: SPAWN and DESPAWN).

use super::state::{PATH_BIT, Spawned};
use crate::node::{NodeError, NodeKey};
use crate::packet::{Despawn, Spawn, SynchronizerIds};
use crate::peer::{PeerId, Slot, Target, TransferMode};
use crate::scene::{CustomSpawn, Scene, join};
use crate::session::Session;
use crate::variant::{self, Value, compact};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;

/// Bytes of a name that peers of this crate take.
pub(super) const MAX_NAME_BYTES: usize = 255;

const RELIABLE: (TransferMode, u8) = (TransferMode::Reliable, 0);

/// A node to be spawned.
#[derive(Clone, Debug)]
pub struct SpawnConfig {
    what: What,
    name: String,
    properties: Vec<(String, Value)>,
    authority: Option<PeerId>,
    viewers: Option<Vec<PeerId>>,
}

#[derive(Clone, Debug)]
enum What {
    Index(u8),
    Path(String),
    Custom {
        argument: Value,
        scene: Option<Scene>,
    },
}

/// Why a node cannot be spawned. Nothing was made or sent.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The name is empty, longer than 255 bytes, or has one of `. : @ / " %`.
    #[error("the name is not allowed")]
    BadName,
    /// The argument cannot be encoded.
    #[error("the argument cannot be encoded: {0}")]
    Argument(#[from] variant::EncodeError),
    /// A node of the scene cannot be made.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The spawner's limit is reached.
    #[error("the limit of the spawner is reached")]
    Limit,
    /// The node is not a spawner, or there is none (any more).
    #[error("the node is not a spawner")]
    NotSpawner,
    /// A property cannot have its first value.
    #[error(transparent)]
    Property(#[from] super::PropertyError),
    /// This end does not have the authority of the spawner.
    #[error("this end does not have the authority of the spawner")]
    Unauthorized,
    /// The spawner does not list the scene, or it was not added.
    #[error("the scene is not known")]
    UnknownScene,
}

impl SpawnConfig {
    /// The scene at this place of the spawner's list.
    #[must_use]
    pub fn scene(index: u8, name: impl Into<String>) -> Self {
        Self::new(What::Index(index), name.into())
    }

    /// The scene of this resource path, which the spawner must list.
    #[must_use]
    pub fn scene_path(path: impl Into<String>, name: impl Into<String>) -> Self {
        Self::new(What::Path(path.into()), name.into())
    }

    /// A custom spawn: peers get the argument and know what to make of it. Here it is the spawner's custom scene.
    #[must_use]
    pub fn custom(argument: impl Into<Value>, name: impl Into<String>) -> Self {
        let argument = argument.into();
        let scene = None;
        Self::new(What::Custom { argument, scene }, name.into())
    }

    /// A custom spawn that here is this scene.
    #[must_use]
    pub fn custom_as(argument: impl Into<Value>, scene: Scene, name: impl Into<String>) -> Self {
        let argument = argument.into();
        let scene = Some(scene);
        Self::new(What::Custom { argument, scene }, name.into())
    }

    const fn new(what: What, name: String) -> Self {
        Self {
            what,
            name,
            properties: Vec::new(),
            authority: None,
            viewers: None,
        }
    }

    /// Sets a property of the new node before peers are told.
    #[must_use]
    pub fn property(mut self, path: impl Into<String>, value: impl Into<Value>) -> Self {
        self.properties.push((path.into(), value.into()));
        self
    }

    /// Makes the new node and those in it without an authority of their own this peer's. Peers must do the same.
    #[must_use]
    pub const fn authority(mut self, peer: PeerId) -> Self {
        self.authority = Some(peer);
        self
    }

    /// Makes all its synchronizers private and shows them to these peers only.
    #[must_use]
    pub fn visible_to(mut self, peers: impl IntoIterator<Item = PeerId>) -> Self {
        self.viewers = Some(peers.into_iter().collect());
        self
    }
}

/// A checked spawn.
struct Chosen {
    scene: Scene,
    index: u8,
    argument: Option<Bytes>,
}

impl Session {
    /// Makes a node here and at all peers that see it, at once, and at those who join or come to see it later.
    ///
    /// # Errors
    /// [`SpawnError`].
    pub fn spawn(&mut self, spawner: NodeKey, config: SpawnConfig) -> Result<NodeKey, SpawnError> {
        if !is_spawn_name(&config.name) {
            return Err(SpawnError::BadName);
        }
        let row = self.spawner(spawner).ok_or(SpawnError::NotSpawner)?;
        if self.authority(spawner) != Some(self.config.id) {
            return Err(SpawnError::Unauthorized);
        }
        if row.config.limit != 0 && row.count >= row.config.limit {
            return Err(SpawnError::Limit);
        }
        let path = join(&row.parent, &config.name);
        let chosen = self.choose(spawner, &config.what)?;
        if self.nodes.is_taken(&path) {
            return Err(NodeError::PathTaken.into());
        }
        let plan = chosen.scene.plan(&path, config.authority);
        let spawned = self.new_spawned(spawner, None, chosen.index);
        let spawned = Spawned {
            argument: chosen.argument,
            ..spawned
        };
        let node = self.instantiate(&chosen.scene, plan, spawned)?;
        for (path, value) in config.properties {
            if let Err(error) = self.set(node, &path, value) {
                self.free(node, None);
                return Err(error.into());
            }
        }
        if let Some(viewers) = config.viewers {
            self.restrict(node, &viewers);
        }
        self.show_spawn(node);
        Ok(node)
    }

    fn choose(&self, spawner: NodeKey, what: &What) -> Result<Chosen, SpawnError> {
        let row = self.spawner(spawner).ok_or(SpawnError::NotSpawner)?;
        let scenes = &row.config.scenes;
        let index = match what {
            What::Index(index) => Some(usize::from(*index)),
            What::Path(path) => scenes.iter().position(|scene| **scene == **path),
            What::Custom { argument, scene } => {
                let mut bytes = Vec::new();
                compact::encode(argument, &mut bytes)?;
                let named = match &row.config.custom {
                    CustomSpawn::Scene(path) => self.replication.scenes.get(path),
                    CustomSpawn::Refused | CustomSpawn::Requested => None,
                };
                let scene = scene.as_ref().or(named).cloned();
                return Ok(Chosen {
                    scene: scene.ok_or(SpawnError::UnknownScene)?,
                    index: Spawn::CUSTOM,
                    argument: Some(bytes.into()),
                });
            }
        };
        let index = index.ok_or(SpawnError::UnknownScene)?;
        let path = scenes.get(index).ok_or(SpawnError::UnknownScene)?;
        let scene = self.replication.scenes.get(path);
        Ok(Chosen {
            scene: scene.ok_or(SpawnError::UnknownScene)?.clone(),
            index: u8::try_from(index).map_err(|_| SpawnError::UnknownScene)?,
            argument: None,
        })
    }

    /// A row for a node that is about to be made.
    pub(super) fn new_spawned(
        &mut self,
        spawner: NodeKey,
        by: Option<PeerId>,
        scene: u8,
    ) -> Spawned {
        self.replication.next_sequence += 1;
        Spawned {
            node: spawner,
            spawner,
            by,
            since: None,
            net_id: 0,
            scene,
            argument: None,
            sequence: self.replication.next_sequence,
            outer: None,
            inner: Vec::new(),
            members: Vec::new(),
            listed: Vec::new(),
            traffic: super::Traffic::default(),
        }
    }

    /// Frees a node that this end spawned, here and at all peers that have it.
    ///
    /// # Errors
    /// [`NodeError::UnknownNode`], or [`NodeError::NotSpawned`] if this end did not spawn it.
    pub fn despawn(&mut self, node: NodeKey) -> Result<(), NodeError> {
        let found = self.nodes.get(node).ok_or(NodeError::UnknownNode)?;
        let index = found.root.as_ref().and_then(|root| root.spawned);
        let row = index.and_then(|index| self.replication.spawned.get(index));
        if !row.is_some_and(Spawned::is_ours) {
            return Err(NodeError::NotSpawned);
        }
        self.free(node, None);
        Ok(())
    }

    /// Sends a fresh spawn to everybody who sees it.
    fn show_spawn(&mut self, node: NodeKey) {
        let found = self.nodes.get(node);
        let Some(index) = found.and_then(|node| node.root.as_ref()?.spawned) else {
            return;
        };
        let members: Vec<u32> = match self.replication.spawned.get(index) {
            Some(row) => row.members.clone(),
            None => return,
        };
        let slots: Vec<Slot> = self.peers.admitted().to_vec();
        for slot in slots {
            if self.is_spawn_wanted(index, slot) {
                self.tell_spawn(index, slot);
            }
            for &member in &members {
                self.refresh_synchronizer(member, slot);
            }
        }
    }

    /// Makes what a peer has of a spawned node, and of what was spawned in it, what it shall have.
    pub(super) fn refresh_spawn(&mut self, index: u32, slot: Slot) {
        let Some(row) = self.replication.spawned.get(index) else {
            return;
        };
        let sequence = row.sequence;
        let (members, inner) = (row.members.clone(), row.inner.clone());
        let Some(peer) = self.peers.admitted_at_mut(slot) else {
            return;
        };
        let has = peer.replication.told.contains(index);
        let is_delayed = peer.replication.delayed.contains(&sequence);
        let wanted = self.is_spawn_wanted(index, slot);
        if wanted && !has && !is_delayed {
            self.tell_spawn(index, slot);
        } else if !wanted && (has || is_delayed) {
            if let Some(peer) = self.peers.admitted_at_mut(slot) {
                peer.replication.delayed.remove(&sequence);
            }
            if has {
                self.tell_despawn(index, slot);
            }
        }
        for member in members {
            self.refresh_synchronizer(member, slot);
        }
        let has_now = self.has_spawn(index, slot);
        if has != has_now {
            for inner in inner {
                self.refresh_spawn(inner, slot);
            }
        }
    }

    pub(super) fn has_spawn(&self, index: u32, slot: Slot) -> bool {
        let peer = self.peers.admitted_at(slot);
        peer.is_some_and(|peer| peer.replication.told.contains(index))
    }

    /// Whether a peer shall have a spawned node of this end.
    fn is_spawn_wanted(&self, index: u32, slot: Slot) -> bool {
        let Some(row) = self.replication.spawned.get(index) else {
            return false;
        };
        let is_ours = row.is_ours()
            && self.replication.own_spawns.contains_key(&row.sequence)
            && self.authority(row.spawner) == Some(self.config.id);
        let has_outer = row.outer.is_none_or(|outer| self.has_spawn(outer, slot));
        is_ours && has_outer && self.is_spawn_visible(row.node, slot)
    }

    /// Sends SPAWN, or puts it off if the peer's budget is spent.
    fn tell_spawn(&mut self, index: u32, slot: Slot) {
        let Some(row) = self.replication.spawned.get(index) else {
            return;
        };
        let (spawner, sequence) = (row.spawner, row.sequence);
        if self.must_wait(slot) {
            if let Some(peer) = self.peers.admitted_at_mut(slot) {
                peer.replication.delayed.insert(sequence);
                self.replication.has_delayed = true;
            }
            return;
        }
        self.offer_path(slot, spawner);
        let Some(bytes) = self.spawn_packet(index) else {
            return;
        };
        let Some(peer) = self.peers.admitted_at_mut(slot) else {
            return;
        };
        peer.replication.told.insert(index);
        peer.replication.delayed.remove(&sequence);
        if let Some(aging) = &mut peer.replication.aging {
            aging.spend(bytes.len());
        }
        if let Some(row) = self.replication.spawned.get_mut(index) {
            row.traffic.count_out(bytes.len());
        }
        self.stats.spawns_out = self.stats.spawns_out.saturating_add(1);
        self.send_to(slot, RELIABLE, bytes);
    }

    /// Sends the spawns that a budget put off, as far as it allows now.
    pub(super) fn tell_delayed(&mut self, slot: Slot) {
        while let Some(peer) = self.peers.admitted_at_mut(slot) {
            let Some(&sequence) = peer.replication.delayed.first() else {
                return;
            };
            if self.must_wait(slot) {
                return;
            }
            if let Some(peer) = self.peers.admitted_at_mut(slot) {
                peer.replication.delayed.remove(&sequence);
            }
            if let Some(&index) = self.replication.own_spawns.get(&sequence) {
                self.refresh_spawn(index, slot);
            }
        }
    }

    fn tell_despawn(&mut self, index: u32, slot: Slot) {
        let Some(row) = self.replication.spawned.get_mut(index) else {
            return;
        };
        // Nodes go before the node in which they are.
        for inner in row.inner.clone().into_iter().rev() {
            if self.has_spawn(inner, slot) {
                self.tell_despawn(inner, slot);
                self.forget_members(inner, slot);
            }
        }
        let Some(row) = self.replication.spawned.get_mut(index) else {
            return;
        };
        let mut out = Vec::with_capacity(5);
        Despawn::new(row.net_id).encode(&mut out);
        row.traffic.count_out(out.len());
        if let Some(peer) = self.peers.admitted_at_mut(slot) {
            peer.replication.told.remove(index);
        }
        self.stats.despawns_out = self.stats.despawns_out.saturating_add(1);
        self.send_to(slot, RELIABLE, out.into());
    }

    fn forget_members(&mut self, index: u32, slot: Slot) {
        if let Some(row) = self.replication.spawned.get(index) {
            for member in row.members.clone() {
                self.refresh_synchronizer(member, slot);
            }
        }
    }

    /// Tells everybody who has a spawned node that it goes, if this end may say so.
    pub(super) fn send_despawns(&mut self, index: u32) {
        let Some(row) = self.replication.spawned.get(index) else {
            return;
        };
        let may = row.is_ours() && self.authority(row.spawner) == Some(self.config.id);
        let slots: Vec<Slot> = self.peers.admitted().to_vec();
        for slot in slots {
            if !self.has_spawn(index, slot) {
                continue;
            }
            if may {
                self.tell_despawn(index, slot);
            } else if let Some(peer) = self.peers.admitted_at_mut(slot) {
                peer.replication.told.remove(index);
            }
            self.forget_members(index, slot);
        }
    }

    /// SPAWN with the state of now, built once for all who want it in a frame.
    fn spawn_packet(&mut self, index: u32) -> Option<Bytes> {
        if let Some(bytes) = self.replication.spawn_packets.get(&index) {
            return Some(bytes.clone());
        }
        let bytes = self.encode_spawn(index)?;
        self.stats.states_encoded = self.stats.states_encoded.saturating_add(1);
        let kept = bytes.clone();
        self.replication.spawn_packets.insert(index, kept);
        Some(bytes)
    }

    /// Builds SPAWN with the state of now. Numbers are given when they are first needed.
    fn encode_spawn(&mut self, index: u32) -> Option<Bytes> {
        let row = self.replication.spawned.get(index)?;
        let (node, spawner, mut net_id) = (row.node, row.spawner, row.net_id);
        let members = row.members.clone();
        if net_id == 0 {
            net_id = self.replication.take_net_id();
            if let Some(row) = self.replication.spawned.get_mut(index) {
                row.net_id = net_id;
            }
        }
        let spawner = self.nodes.cache_id(spawner)?;
        let mut ids = Vec::new();
        let mut state = Vec::new();
        for member in members {
            let synchronizer = self.replication.synchronizers.get(member)?;
            if !synchronizer.is_ours || !synchronizer.is_listed {
                continue;
            }
            if synchronizer.net_id == 0 {
                let id = self.replication.take_net_id();
                self.replication.set_net_id(member, id);
            }
            let synchronizer = self.replication.synchronizers.get(member)?;
            ids.push(synchronizer.net_id.to_le_bytes());
            let root = self.nodes.get(synchronizer.root)?.root.as_ref()?;
            for value in synchronizer.values(&synchronizer.layout.spawn, &root.slots) {
                // A value too deep to be sent is null there, and is told when its synchronizer sends it.
                if compact::encode(value, &mut state).is_err() {
                    compact::encode(&Value::Nil, &mut state).ok()?;
                }
            }
        }
        let path = Arc::clone(&self.nodes.get(node)?.path);
        let row = self.replication.spawned.get(index)?;
        let packet = Spawn {
            scene: row.scene,
            spawner,
            net_id,
            synchronizers: SynchronizerIds::of(&ids),
            name: path.rsplit('/').next()?,
            argument: row.argument.as_deref(),
            state: &state,
        };
        let mut out = Vec::with_capacity(24 + ids.len() * 4 + path.len() + state.len());
        packet.encode(&mut out);
        Some(out.into())
    }

    /// Sends a packet of this end to an admitted peer.
    pub(super) fn send_to(&mut self, slot: Slot, route: (TransferMode, u8), packet: Bytes) {
        if let Some(peer) = self.peers.at(slot) {
            self.send_command(Target::Peer(peer.id), route, packet);
        }
    }

    /// Whether a synchronizer's number is one that SPAWN gave.
    pub(super) const fn is_spawn_number(net_id: u32) -> bool {
        net_id != 0 && net_id & PATH_BIT == 0
    }
}

/// Whether Godot takes this name for a spawned node.
fn is_spawn_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !name.contains(['.', ':', '@', '/', '"', '%', '\0'])
}
