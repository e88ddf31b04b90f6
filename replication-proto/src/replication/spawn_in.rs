//! Spawns of peers: SPAWN and DESPAWN with every check, all or nothing (spec: SPAWN, receiver).

use super::freed::FreedBy;
use super::held::SpawnRequest;
use super::spawn_out::MAX_NAME_BYTES;
use super::state::{PATH_BIT, PeerReplication, Spawned};
use crate::error::{Refusal, Verdict, drop, reject};
use crate::event::{DisconnectReason, Event, SpawnSource, Spawned as SpawnedEvent};
use crate::node::{Kind, NodeError, NodeKey};
use crate::packet::{Despawn, Spawn};
use crate::peer::PeerId;
use crate::scene::{CustomSpawn, Layout, Part, Planned, Scene, join, resolve};
use crate::session::{Arrival, Session};
use crate::stats::DropReason;
use crate::variant::{Value, compact};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The values of one synchronizer out of a SPAWN, one per property in its spawn list.
struct State {
    /// Place of the synchronizer among the nodes of the scene.
    node: usize,
    layout: Arc<Layout>,
    /// Its number; nothing if the packet lists none for it.
    id: Option<u32>,
    values: Vec<Value>,
}

impl Session {
    pub(crate) fn on_spawn(&mut self, arrival: &Arrival) -> Result<(), Refusal> {
        let packet = Spawn::decode(&arrival.packet)?;
        let spawner = self.spawner_of(arrival, packet.spawner)?;
        if packet.name.len() > MAX_NAME_BYTES {
            return reject(DropReason::TooLong);
        }
        self.check_numbers(arrival, &packet)?;
        let row = self.spawner(spawner).ok_or(WRONG_KIND)?;
        let path = join(&row.parent, packet.name);
        let config = Arc::clone(&row.config);
        let is_full = config.receive_limit != 0 && row.count >= config.receive_limit;
        self.check_path(&path)?;
        if self.nodes.is_taken(&path) {
            return reject(DropReason::DuplicateName);
        }
        if is_full {
            return reject(DropReason::SpawnLimit);
        }
        self.check_count(arrival)?;
        let Some(argument) = packet.argument else {
            let scene = config.scenes.get(usize::from(packet.scene));
            let scene = scene.and_then(|path| self.replication.scenes.get(path));
            let scene = scene.cloned().ok_or(UNKNOWN_SCENE)?;
            return self.spawn_as(arrival, &scene);
        };
        let (argument, _) = compact::decode(argument, &self.config.limits.variant)?;
        match &config.custom {
            CustomSpawn::Refused => reject(DropReason::UnknownScene),
            CustomSpawn::Scene(path) => {
                let scene = self.replication.scenes.get(path);
                let scene = scene.cloned().ok_or(UNKNOWN_SCENE)?;
                self.spawn_as(arrival, &scene)
            }
            CustomSpawn::Requested => {
                let request = SpawnRequest {
                    id: 0,
                    peer: arrival.from,
                    spawner,
                    path: path.into(),
                    argument,
                };
                self.request_spawn(arrival, request);
                Ok(())
            }
        }
    }

    /// The spawner that a peer names, if it may spawn there.
    fn spawner_of(&mut self, arrival: &Arrival, id: u32) -> Result<NodeKey, Refusal> {
        let Some(peer) = self.peers.admitted_at_mut(arrival.slot) else {
            return drop(DropReason::UnknownPeer);
        };
        let Some((key, _)) = peer.received.resolve(id, &self.nodes) else {
            return drop(DropReason::UnknownNode);
        };
        if self.spawner_index(key).is_none() {
            return Err(WRONG_KIND);
        }
        if self.authority(key) != Some(arrival.from) {
            return reject(DropReason::Unauthorized);
        }
        Ok(key)
    }

    /// Checks that the numbers of a SPAWN are possible, fresh and each listed once.
    fn check_numbers(&self, arrival: &Arrival, packet: &Spawn<'_>) -> Result<(), Refusal> {
        let Some(peer) = self.peers.admitted_at(arrival.slot) else {
            return drop(DropReason::UnknownPeer);
        };
        let replication = &peer.replication;
        if packet.net_id == 0 || packet.net_id & PATH_BIT != 0 {
            return reject(DropReason::BadId);
        }
        if replication.nodes.contains_key(&packet.net_id) {
            return reject(DropReason::DuplicateId);
        }
        let mut ids: Vec<u32> = packet.synchronizers.iter().collect();
        if ids.contains(&0) {
            return reject(DropReason::BadId);
        }
        if ids
            .iter()
            .any(|id| replication.synchronizers.contains_key(id))
        {
            return reject(DropReason::DuplicateId);
        }
        ids.sort_unstable();
        if ids.iter().zip(ids.iter().skip(1)).any(|(a, b)| a == b) {
            return reject(DropReason::DuplicateId);
        }
        Ok(())
    }

    fn check_count(&mut self, arrival: &Arrival) -> Result<(), Refusal> {
        let limit = self.config.limits.spawned_nodes;
        let Some(peer) = self.peers.admitted_at(arrival.slot) else {
            return drop(DropReason::UnknownPeer);
        };
        if peer.replication.nodes.len() < limit {
            return Ok(());
        }
        self.expel(arrival.from, DisconnectReason::SpawnLimit);
        reject(DropReason::SpawnLimit)
    }

    /// Makes the node of a SPAWN as an instance of `scene`, once everything of the packet is decoded and checked.
    pub(super) fn spawn_as(&mut self, arrival: &Arrival, scene: &Scene) -> Result<(), Refusal> {
        let packet = Spawn::decode(&arrival.packet)?;
        let spawner = self.spawner_of(arrival, packet.spawner)?;
        let row = self.spawner(spawner).ok_or(WRONG_KIND)?;
        let path = join(&row.parent, packet.name);
        // The scene can have changed while the packet waited for the application.
        if self.nodes.is_taken(&path) {
            return reject(DropReason::DuplicateName);
        }
        let plan = scene.plan(&path, None);
        for place in &plan {
            self.check_path(&place.path)?;
        }
        let states = self.decode_state(arrival.from, &packet, scene, &plan)?;
        let mut spawned = self.new_spawned(spawner, Some(arrival.from), packet.scene);
        spawned.net_id = packet.net_id;
        spawned.since = Some(arrival.now);
        spawned.listed = states.iter().filter_map(|state| state.id).collect();
        spawned.traffic.count_in(arrival.packet.len());
        let keys: Vec<Arc<str>> = plan.iter().map(|place| Arc::clone(&place.path)).collect();
        let node = self.instantiate(scene, plan, spawned)?;
        if let Some(peer) = self.peers.admitted_at_mut(arrival.slot) {
            let replication = &mut peer.replication;
            replication.nodes.insert(packet.net_id, node);
            replication.freed.remove(packet.net_id);
            for state in &states {
                let key = keys.get(state.node).and_then(|path| self.nodes.find(path));
                if let Some(id) = state.id.filter(|id| id & PATH_BIT == 0) {
                    replication.freed.remove(id);
                    replication.synchronizers.extend(key.map(|key| (id, key)));
                }
            }
        }
        self.show_spawned(arrival, &packet, node, states)
    }

    /// Decodes the whole spawn state, before anything is made.
    fn decode_state(
        &mut self,
        from: PeerId,
        packet: &Spawn<'_>,
        scene: &Scene,
        plan: &[Planned],
    ) -> Result<Vec<State>, Refusal> {
        let mut ids = packet.synchronizers.iter();
        let mut rest = packet.state;
        let mut states = Vec::new();
        let root = plan.first().map(|place| &*place.path);
        for (at, (node, place)) in scene.nodes().iter().zip(plan).enumerate() {
            let Part::Synchronizer(layout) = &node.part else {
                continue;
            };
            let is_listed = resolve(&place.path, &layout.root).as_deref() == root;
            if !is_listed || place.authority != from {
                continue;
            }
            let mut values = Vec::new();
            let id = ids.next();
            if id.is_some() && !rest.is_empty() {
                let count = layout.spawn.len();
                let limits = &self.config.limits.variant;
                let (decoded, used) = compact::decode_values(rest, count, limits)?;
                self.check_values(layout, &layout.spawn, &decoded)?;
                values = decoded;
                rest = rest.get(used..).unwrap_or_default();
            }
            states.push(State {
                node: at,
                layout: Arc::clone(layout),
                id,
                values,
            });
        }
        if ids.next().is_some() {
            return reject(DropReason::SyncCount);
        }
        if !rest.is_empty() {
            if self.config.refuse_surplus_bytes {
                return reject(DropReason::TrailingBytes);
            }
            let surplus = rest.len() as u64;
            self.stats.surplus_bytes = self.stats.surplus_bytes.saturating_add(surplus);
        }
        Ok(states)
    }

    /// Applies the state of a fresh node and tells the application.
    fn show_spawned(
        &mut self,
        arrival: &Arrival,
        packet: &Spawn<'_>,
        node: NodeKey,
        states: Vec<State>,
    ) -> Result<(), Refusal> {
        let mut properties = Vec::new();
        for state in states {
            for (&property, value) in state.layout.spawn.iter().zip(state.values) {
                if let Some(property) = state.layout.properties.get(usize::from(property)) {
                    let path = Arc::clone(&property.path);
                    self.store(node, &path, value.clone());
                    properties.push((path, value));
                }
            }
        }
        let Some(found) = self.nodes.get(node) else {
            return drop(DropReason::UnknownNode);
        };
        let path = Arc::clone(&found.path);
        let row = found.root.as_ref().and_then(|root| root.spawned);
        let row = row.and_then(|index| self.replication.spawned.get(index));
        let Some(spawner) = row.map(|row| row.spawner) else {
            return drop(DropReason::UnknownNode);
        };
        let scenes = self.spawner(spawner).map(|row| &row.config.scenes);
        let scene = scenes.and_then(|scenes| scenes.get(usize::from(packet.scene)));
        let source = match packet.argument {
            Some(argument) => {
                let (argument, _) = compact::decode(argument, &self.config.limits.variant)?;
                SpawnSource::Custom(argument)
            }
            None => SpawnSource::Scene(scene.map_or_else(|| "".into(), Arc::clone)),
        };
        let below = self.nodes.below(&path);
        self.stats.spawns_in = self.stats.spawns_in.saturating_add(1);
        self.emit(Event::Spawned(
            SpawnedEvent {
                peer: arrival.from,
                node,
                path,
                spawner,
                source,
                net_id: packet.net_id,
                properties,
            }
            .into(),
        ));
        for key in below {
            self.show_new(key);
        }
        Ok(())
    }

    pub(crate) fn on_despawn(&mut self, arrival: &Arrival) -> Result<(), Refusal> {
        let packet = Despawn::decode(&arrival.packet)?;
        let limit = self.config.limits.freed_numbers;
        let Some(peer) = self.peers.admitted_at_mut(arrival.slot) else {
            return drop(DropReason::UnknownPeer);
        };
        let replication = &mut peer.replication;
        let Some(&node) = replication.nodes.get(&packet.net_id) else {
            if replication.freed.get(packet.net_id) == Some(FreedBy::Other) {
                let by = FreedBy::Spawner;
                replication.freed.insert(packet.net_id, by, limit);
                return drop(DropReason::FreedNode);
            }
            return reject(
                if self.is_of_another(|theirs| theirs.nodes.contains_key(&packet.net_id)) {
                    DropReason::Unauthorized
                } else {
                    DropReason::UnknownId
                },
            );
        };
        self.free(node, Some(arrival.from));
        Ok(())
    }

    /// Whether a number that the sender does not have is one of another peer.
    pub(super) fn is_of_another(&self, has: impl Fn(&PeerReplication) -> bool) -> bool {
        let slots = self.peers.admitted().iter();
        let mut peers = slots.filter_map(|&slot| self.peers.admitted_at(slot));
        peers.any(|peer| has(&peer.replication))
    }

    /// Frees what a peer spawned here, inner nodes first, as when it leaves.
    pub(crate) fn free_spawns_of(&mut self, peer: PeerId) {
        let rows = self.replication.spawned.iter();
        let mut theirs: Vec<(u64, NodeKey)> = rows
            .filter(|(_, row): &(u32, &Spawned)| row.by == Some(peer))
            .map(|(_, row)| (row.sequence, row.node))
            .collect();
        theirs.sort_unstable();
        for (_, node) in theirs.into_iter().rev() {
            self.free(node, Some(peer));
        }
    }

    /// Whether a node is a synchronizer, and which.
    pub(super) fn synchronizer_index(&self, key: NodeKey) -> Option<u32> {
        match self.nodes.get(key)?.kind {
            Kind::Synchronizer(index) => Some(index),
            _ => None,
        }
    }
}

const WRONG_KIND: Refusal = Verdict::Rejected(DropReason::WrongKind);
const UNKNOWN_SCENE: Refusal = Verdict::Rejected(DropReason::UnknownScene);

impl From<NodeError> for Verdict {
    /// A scene whose nodes do not fit into the tree at that place.
    fn from(_: NodeError) -> Self {
        Self::Rejected(DropReason::SceneMismatch)
    }
}
