//! Nodes come and go: parts are attached to the tables, subtrees are freed.

use super::freed::FreedBy;
use super::state::{Spawned, Spawner, Synchronizer};
use crate::event::Event;
use crate::node::{Kind, NodeError, NodeKey, PropertySlot, Root};
use crate::peer::PeerId;
use crate::scene::{
    Layout, NodeConfig, Part, Planned, Prepared, Scene, SceneError, SpawnerConfig, resolve,
};
use crate::session::Session;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

impl Session {
    /// Adds a node, which peers can then name.
    ///
    /// # Errors
    /// [`NodeError`]: the path is not allowed or taken, methods or properties make no list, or the root node of a
    /// synchronizer is not declared.
    pub fn add_node(&mut self, node: NodeConfig) -> Result<NodeKey, NodeError> {
        let node = node.prepare()?;
        let authority = self.nodes.authority_at(&node.path, node.authority);
        let path = Arc::clone(&node.path);
        let key = self.nodes.insert(path, authority, node.methods.clone())?;
        if let Err(error) = self.attach(key, &node.part) {
            self.nodes.remove(key);
            return Err(error);
        }
        self.resolve_announced(key);
        self.show_new(key);
        Ok(key)
    }

    /// Adds a scene that spawners can instantiate. Adding the same one again changes nothing.
    ///
    /// # Errors
    /// [`SceneError::PathTaken`]: another scene of that path was added.
    pub fn add_scene(&mut self, scene: &Scene) -> Result<(), SceneError> {
        match self.replication.scenes.get(scene.path()) {
            Some(known) if known.is_same(scene) => Ok(()),
            Some(_) => Err(SceneError::PathTaken),
            None => {
                let path = scene.shared_path();
                self.replication.scenes.insert(path, scene.clone());
                Ok(())
            }
        }
    }

    /// The scene of this path.
    #[must_use]
    pub fn scene(&self, path: &str) -> Option<&Scene> {
        self.replication.scenes.get(path)
    }

    /// Makes a node what it is declared to be.
    fn attach(&mut self, key: NodeKey, part: &Part) -> Result<(), NodeError> {
        match part {
            Part::Plain => Ok(()),
            Part::Spawner(config) => self.attach_spawner(key, config),
            Part::Synchronizer(layout) => self.attach_synchronizer(key, layout),
        }
    }

    fn attach_spawner(
        &mut self,
        key: NodeKey,
        config: &Arc<SpawnerConfig>,
    ) -> Result<(), NodeError> {
        let node = self.nodes.get_mut(key).ok_or(NodeError::UnknownNode)?;
        let parent = resolve(&node.path, &config.spawn_path).ok_or(NodeError::SpawnPath)?;
        let spawner = Spawner {
            config: Arc::clone(config),
            parent: parent.into(),
            count: 0,
        };
        node.kind = Kind::Spawner(self.replication.spawners.insert(spawner));
        Ok(())
    }

    fn attach_synchronizer(&mut self, key: NodeKey, layout: &Arc<Layout>) -> Result<(), NodeError> {
        let node = self.nodes.get(key).ok_or(NodeError::UnknownNode)?;
        let is_ours = node.authority == self.config.id;
        let path = Arc::clone(&node.path);
        let root_path = resolve(&path, &layout.root).ok_or(NodeError::NoRoot)?;
        let root_key = self.nodes.find(&root_path).ok_or(NodeError::NoRoot)?;
        let spawned = self.nearest_spawned(&path);
        if let Some(spawned) = spawned {
            self.replication.spawn_packets.remove(&spawned);
        }
        let root = self.nodes.get_mut(root_key).ok_or(NodeError::NoRoot)?;
        let root = root.root.get_or_insert_default();
        let slots = assign_slots(root, layout)?;
        let synchronizer = Synchronizer {
            node: key,
            root: root_key,
            layout: Arc::clone(layout),
            slots,
            is_ours,
            spawned,
            is_listed: spawned.is_some() && root.spawned == spawned,
            net_id: 0,
            last_full: None,
            last_delta: None,
            entry: Vec::new(),
            is_stale: false,
            is_changed: false,
            changes: 0,
            complained: false,
            is_public: layout.is_public,
            allowed: BTreeSet::new(),
            denied: BTreeSet::new(),
            priority: 1,
            last_time: None,
            traffic: super::Traffic::default(),
        };
        let index = self.replication.synchronizers.insert(synchronizer);
        root.synchronizers.push(index);
        if let Some(node) = self.nodes.get_mut(key) {
            node.kind = Kind::Synchronizer(index);
        }
        self.replication.owned += usize::from(is_ours);
        if let Some(spawned) = spawned.and_then(|index| self.replication.spawned.get_mut(index)) {
            if spawned.members.is_empty() {
                spawned.members.reserve_exact(1);
            }
            spawned.members.push(index);
        }
        Ok(())
    }

    /// The nearest spawned node at or above `path`.
    pub(crate) fn nearest_spawned(&self, path: &str) -> Option<u32> {
        let at = self.nodes.find(path).and_then(|key| self.nodes.get(key));
        at.and_then(|node| node.root.as_ref()?.spawned).or_else(|| {
            self.nodes
                .nearest_above(path, |node| node.root.as_ref()?.spawned)
        })
    }

    /// Makes the nodes of a scene. The caller has checked that their paths are free.
    pub(crate) fn instantiate(
        &mut self,
        scene: &Scene,
        plan: Vec<Planned>,
        spawned: Spawned,
    ) -> Result<NodeKey, NodeError> {
        let mut keys = Vec::with_capacity(plan.len());
        let mut made = Ok(());
        for (node, place) in scene.nodes().iter().zip(plan) {
            let methods = node.methods.clone();
            match self.nodes.insert(place.path, place.authority, methods) {
                Ok(key) => keys.push(key),
                Err(error) => {
                    made = Err(error);
                    break;
                }
            }
        }
        let root = keys.first().copied().ok_or(NodeError::UnknownNode);
        if made.is_ok() {
            made = root
                .clone()
                .and_then(|root| self.register(root, spawned))
                .and_then(|()| self.attach_all(&keys, scene.nodes()));
        }
        if let Err(error) = made {
            for key in keys.into_iter().rev() {
                self.detach(key, None);
                self.nodes.remove(key);
            }
            return Err(error);
        }
        for key in keys {
            self.resolve_announced(key);
        }
        root
    }

    fn attach_all(&mut self, keys: &[NodeKey], nodes: &[Prepared]) -> Result<(), NodeError> {
        for (&key, node) in keys.iter().zip(nodes) {
            self.attach(key, &node.part)?;
        }
        Ok(())
    }

    /// Makes a fresh node a spawned one.
    fn register(&mut self, root: NodeKey, mut spawned: Spawned) -> Result<(), NodeError> {
        spawned.node = root;
        let (is_ours, sequence, spawner) = (spawned.is_ours(), spawned.sequence, spawned.spawner);
        let outer = self.nodes.get(root).and_then(|node| {
            self.nodes
                .nearest_above(&node.path, |node| node.root.as_ref()?.spawned)
        });
        spawned.outer = outer.filter(|&outer| {
            is_ours
                && self
                    .replication
                    .spawned
                    .get(outer)
                    .is_some_and(Spawned::is_ours)
        });
        let outer = spawned.outer;
        let index = self.replication.spawned.insert(spawned);
        let node = self.nodes.get_mut(root).ok_or(NodeError::UnknownNode)?;
        node.root.get_or_insert_default().spawned = Some(index);
        if is_ours {
            self.replication.own_spawns.insert(sequence, index);
        }
        if let Some(outer) = outer.and_then(|outer| self.replication.spawned.get_mut(outer)) {
            outer.inner.push(index);
        }
        if let Some(spawner) = self.spawner_mut(spawner) {
            spawner.count = spawner.count.saturating_add(1);
        }
        Ok(())
    }

    pub(crate) fn spawner_index(&self, key: NodeKey) -> Option<u32> {
        match self.nodes.get(key)?.kind {
            Kind::Spawner(index) => Some(index),
            _ => None,
        }
    }

    pub(crate) fn spawner(&self, key: NodeKey) -> Option<&Spawner> {
        self.replication.spawners.get(self.spawner_index(key)?)
    }

    pub(crate) fn spawner_mut(&mut self, key: NodeKey) -> Option<&mut Spawner> {
        let index = self.spawner_index(key)?;
        self.replication.spawners.get_mut(index)
    }

    /// Removes a node and all nodes below it, as freeing it does in a tree. Peers to whom this end spawned any of them
    /// are told. Their numbers are retired: the same path added again is another node with another number.
    ///
    /// # Errors
    /// [`NodeError::UnknownNode`].
    pub fn remove_node(&mut self, node: NodeKey) -> Result<(), NodeError> {
        if self.nodes.get(node).is_none() {
            return Err(NodeError::UnknownNode);
        }
        self.free(node, None);
        Ok(())
    }

    /// Frees a subtree. With `by`, says of each freed node that was spawned by that peer that it is gone.
    pub(crate) fn free(&mut self, root: NodeKey, by: Option<PeerId>) {
        let Some(node) = self.nodes.get(root) else {
            return;
        };
        let path = Arc::clone(&node.path);
        let mut keys = self.nodes.below(&path);
        keys.push(root);
        self.despawn_subtree(&keys, by);
        for key in keys {
            self.detach(key, by);
            self.nodes.remove(key);
        }
    }

    /// Tells of the spawned nodes among `keys`, the last made first, so that inner ones go before outer ones.
    fn despawn_subtree(&mut self, keys: &[NodeKey], by: Option<PeerId>) {
        let spawned = |&key: &NodeKey| self.nodes.get(key)?.root.as_ref()?.spawned;
        let mut indexes: Vec<u32> = keys.iter().filter_map(spawned).collect();
        indexes.sort_by_key(|&index| {
            let row = self.replication.spawned.get(index);
            core::cmp::Reverse(row.map(|row| row.sequence))
        });
        for index in indexes {
            self.send_despawns(index);
            let Some(row) = self.replication.spawned.get(index) else {
                continue;
            };
            if let (Some(peer), Some(node)) = (row.by, self.nodes.get(row.node))
                && by == Some(peer)
            {
                let (node, path) = (row.node, Arc::clone(&node.path));
                self.stats.despawns_in = self.stats.despawns_in.saturating_add(1);
                self.emit(Event::Despawned { peer, node, path });
            }
        }
    }

    /// Takes a node that `by` frees, or this end, out of the replication's tables.
    fn detach(&mut self, key: NodeKey, by: Option<PeerId>) {
        let Some(node) = self.nodes.get_mut(key) else {
            return;
        };
        let (kind, root) = (node.kind, node.root.take());
        node.kind = Kind::Plain;
        match kind {
            Kind::Plain => {}
            Kind::Spawner(index) => {
                self.orphan_spawns(key);
                self.replication.spawners.remove(index);
            }
            Kind::Synchronizer(index) => self.detach_synchronizer(index),
        }
        let Some(root) = root else {
            return;
        };
        // Synchronizers elsewhere whose root node this was have nothing to replicate any more.
        for index in root.synchronizers {
            self.detach_synchronizer(index);
        }
        if let Some(index) = root.spawned {
            self.unregister(index, by);
        }
    }

    /// The nodes of a spawner that goes stay here, but peers lose them.
    fn orphan_spawns(&mut self, spawner: NodeKey) {
        let rows = self.replication.own_spawns.values().rev().copied();
        let indexes: Vec<u32> = rows
            .filter(|&index| {
                let row = self.replication.spawned.get(index);
                row.is_some_and(|row| row.spawner == spawner)
            })
            .collect();
        for index in indexes {
            self.send_despawns(index);
            if let Some(row) = self.replication.spawned.get(index) {
                self.replication.own_spawns.remove(&row.sequence);
            }
        }
    }

    fn detach_synchronizer(&mut self, index: u32) {
        let Some(row) = self.replication.synchronizers.remove(index) else {
            return;
        };
        if let Some(spawned) = row.spawned {
            self.replication.spawn_packets.remove(&spawned);
        }
        self.replication.owned -= usize::from(row.is_ours);
        if let Some(node) = self.nodes.get_mut(row.node) {
            node.kind = Kind::Plain;
        }
        if let Some(root) = self
            .nodes
            .get_mut(row.root)
            .and_then(|node| node.root.as_mut())
        {
            root.synchronizers.retain(|&other| other != index);
        }
        if let Some(spawned) = row
            .spawned
            .and_then(|spawned| self.replication.spawned.get_mut(spawned))
        {
            spawned.members.retain(|&other| other != index);
        }
        for peer in self.peers.admitted_mut() {
            let replication = &mut peer.replication;
            replication.sees.remove(index);
            replication.ready.remove(index);
            replication.passes.remove(index);
            replication.lacks.remove(&index);
            if let Some(aging) = &mut replication.aging {
                aging.forget(index);
            }
        }
    }

    fn unregister(&mut self, index: u32, freed_by: Option<PeerId>) {
        let Some(row) = self.replication.spawned.remove(index) else {
            return;
        };
        self.replication.spawn_packets.remove(&index);
        for &member in &row.members {
            if let Some(synchronizer) = self.replication.synchronizers.get_mut(member) {
                synchronizer.spawned = None;
            }
        }
        if let Some(spawner) = self.spawner_mut(row.spawner) {
            spawner.count = spawner.count.saturating_sub(1);
        }
        if let Some(outer) = row
            .outer
            .and_then(|outer| self.replication.spawned.get_mut(outer))
        {
            outer.inner.retain(|&other| other != index);
        }
        for &inner in &row.inner {
            if let Some(inner) = self.replication.spawned.get_mut(inner) {
                inner.outer = None;
            }
        }
        if row.is_ours() {
            self.replication.own_spawns.remove(&row.sequence);
            for peer in self.peers.admitted_mut() {
                peer.replication.told.remove(index);
                peer.replication.delayed.remove(&row.sequence);
            }
        } else if let Some(by) = row.by
            && let Some(slot) = self.peers.slot(by)
            && let Some(peer) = self.peers.admitted_at_mut(slot)
        {
            let limit = self.config.limits.freed_numbers;
            let freed_by = match freed_by {
                Some(peer) if peer == by => FreedBy::Spawner,
                _ => FreedBy::Other,
            };
            let replication = &mut peer.replication;
            // A spawn that failed has no number here.
            if replication.nodes.remove(&row.net_id).is_some() {
                replication.freed.insert(row.net_id, freed_by, limit);
            }
            for id in row.listed {
                if replication.synchronizers.remove(&id).is_some() {
                    replication.freed.insert(id, freed_by, limit);
                }
            }
        }
    }
}

/// The slots of a synchronizer's properties at its root, made where they are missing.
fn assign_slots(root: &mut Root, layout: &Layout) -> Result<Vec<u16>, NodeError> {
    let mut slots = Vec::with_capacity(layout.properties.len());
    if root.slots.is_empty() {
        // Most nodes have one synchronizer, and there are many of them.
        root.slots.reserve_exact(layout.properties.len());
        root.synchronizers.reserve_exact(1);
    }
    for property in &layout.properties {
        let known = root
            .slots
            .iter()
            .position(|slot| Arc::ptr_eq(&slot.path, &property.path) || slot.path == property.path);
        let at = known.unwrap_or_else(|| {
            root.slots.push(PropertySlot {
                path: Arc::clone(&property.path),
                value: property.initial.clone(),
            });
            root.slots.len() - 1
        });
        let at = u16::try_from(at).map_err(|_| crate::scene::SynchronizerError::TooMany)?;
        slots.push(at);
    }
    Ok(slots)
}
