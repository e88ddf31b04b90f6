//! The application's view of nodes.

use crate::node::{Kind, NodeError, NodeKey};
use crate::peer::{PeerId, Slot};
use crate::rpc_table::RpcTable;
use crate::session::Session;
use alloc::sync::Arc;
use alloc::vec::Vec;

impl Session {
    /// Sets the multiplayer authority of a node and all nodes below it (`set_multiplayer_authority`). Local: every
    /// end sets its own.
    ///
    /// Synchronizers that change hands start anew: who has them now sends their whole state, under new numbers.
    ///
    /// # Errors
    /// [`NodeError::UnknownNode`].
    pub fn set_authority(&mut self, node: NodeKey, peer: PeerId) -> Result<(), NodeError> {
        let found = self.nodes.get(node).ok_or(NodeError::UnknownNode)?;
        let path = Arc::clone(&found.path);
        let mut keys = Vec::from([node]);
        keys.extend(self.nodes.below(&path));
        for key in keys {
            let Some(node) = self.nodes.get_mut(key) else {
                continue;
            };
            if core::mem::replace(&mut node.authority, peer) == peer {
                continue;
            }
            match node.kind {
                Kind::Synchronizer(index) => self.hand_over(index, peer),
                Kind::Spawner(_) | Kind::Plain => {}
            }
        }
        Ok(())
    }

    /// Restarts a synchronizer under another authority.
    fn hand_over(&mut self, index: u32, to: PeerId) {
        let own = self.config.id;
        let Some(row) = self.replication.synchronizers.get_mut(index) else {
            return;
        };
        // SPAWN lists the synchronizers of this end.
        self.replication.spawn_packets.clear();
        let was_ours = row.is_ours;
        row.is_ours = to == own;
        row.restart();
        let (is_ours, spawned) = (row.is_ours, row.spawned);
        self.replication.owned -= usize::from(was_ours);
        self.replication.owned += usize::from(is_ours);
        self.replication.touch(index);
        let slots: Vec<Slot> = self.peers.admitted().to_vec();
        for slot in slots {
            // Whether a spawned node is visible depends on the synchronizers that this end has.
            match spawned {
                Some(spawned) => self.refresh_spawn(spawned, slot),
                None => self.refresh_synchronizer(index, slot),
            }
            self.refresh_synchronizer(index, slot);
        }
    }

    /// The node at this path.
    #[must_use]
    pub fn node(&self, path: &str) -> Option<NodeKey> {
        self.nodes.find(path)
    }

    /// All nodes, by path.
    pub fn nodes(&self) -> impl Iterator<Item = NodeKey> {
        self.nodes.iter().map(|(key, _)| key)
    }

    /// The path of a node.
    #[must_use]
    pub fn node_path(&self, node: NodeKey) -> Option<&str> {
        Some(&self.nodes.get(node)?.path)
    }

    /// The multiplayer authority of a node.
    #[must_use]
    pub fn authority(&self, node: NodeKey) -> Option<PeerId> {
        Some(self.nodes.get(node)?.authority)
    }

    /// The methods of a node.
    #[must_use]
    pub fn rpc_table(&self, node: NodeKey) -> Option<&RpcTable> {
        Some(&self.nodes.get(node)?.methods)
    }

    /// The nodes that exist because of a SPAWN, of this end or a peer, with who spawned them.
    pub fn spawned_nodes(&self) -> impl Iterator<Item = (NodeKey, PeerId)> {
        let own = self.config.id;
        let rows = self.replication.spawned.iter();
        rows.map(move |(_, row)| (row.node, row.by.unwrap_or(own)))
    }

    /// The resource path at this place of a spawner's list.
    #[must_use]
    pub fn spawnable_scene(&self, spawner: NodeKey, index: u8) -> Option<&str> {
        let scenes = &self.spawner(spawner)?.config.scenes;
        Some(scenes.get(usize::from(index))?)
    }

    /// The number that SPAWN gives a node, its sender's; `None` for a node that was not spawned, or was not told to any
    /// peer yet.
    #[must_use]
    pub fn spawn_number(&self, node: NodeKey) -> Option<u32> {
        let index = self.nodes.get(node)?.root.as_ref()?.spawned?;
        let row = self.replication.spawned.get(index)?;
        (row.net_id != 0).then_some(row.net_id)
    }

    /// Whether a peer was sent a node that this end spawned, and not sent its end.
    #[must_use]
    pub fn is_spawned_at(&self, node: NodeKey, peer: PeerId) -> bool {
        let found = self.nodes.get(node).and_then(|node| node.root.as_ref());
        match (found.and_then(|root| root.spawned), self.peers.slot(peer)) {
            (Some(index), Some(slot)) => self.has_spawn(index, slot),
            _ => false,
        }
    }
}
