//! The nodes of the scene that peers may know: [`NodeKey`], and the table of them.
//!
//! Only what is declared here exists for peers. A path from the network is looked up in this table and nowhere else.

use crate::packet::Checksum;
use crate::peer::{Peer, PeerId};
use crate::replication::CallTraffic;
use crate::rpc_table::{RpcTable, RpcTableError};
use crate::scene::{Authority, SynchronizerError, spawned_authority};
use crate::variant::Value;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Bound;

/// Names a node of a session. A key of a removed node stays invalid for ever, also when its path is taken again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey {
    index: u32,
    generation: u32,
}

impl fmt::Display for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// Why a node cannot be added or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The path is empty, absolute, or has a name that Godot does not allow.
    #[error("the path is not one of a node below the multiplayer root")]
    BadPath,
    /// There is a node at that path.
    #[error("there is a node at that path already")]
    PathTaken,
    /// The methods do not make a table.
    #[error(transparent)]
    Methods(#[from] RpcTableError),
    /// The root node of the synchronizer is not declared, or outside of the multiplayer root.
    #[error("the root node of the synchronizer is not declared")]
    NoRoot,
    /// The node was not spawned here.
    #[error("the node was not spawned here")]
    NotSpawned,
    /// The place where the spawner's nodes appear is outside of the multiplayer root.
    #[error("the spawn path leaves the multiplayer root")]
    SpawnPath,
    /// The properties do not make a synchronizer.
    #[error(transparent)]
    Synchronizer(#[from] SynchronizerError),
    /// A spawner has more than 255 scenes.
    #[error("more than 255 scenes")]
    TooManyScenes,
    /// There is no such node (any more).
    #[error("there is no such node")]
    UnknownNode,
}

/// Whether `path` can be that of a node at or below the multiplayer root.
///
/// Refused are absolute paths, `..`, unique names (`%`), sub-names (`:`) and every name that Godot would not allow.
pub(crate) fn is_scene_path(path: &str) -> bool {
    path == "."
        || path
            .split('/')
            .all(|name| !name.is_empty() && !name.contains(['.', ':', '"', '%', '\0']))
}

/// What the session keeps about one node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) path: Arc<str>,
    pub(crate) authority: PeerId,
    pub(crate) methods: RpcTable,
    /// This end's number for it, once it was announced to anybody.
    pub(crate) cache_id: Option<u32>,
    offers: Vec<Offer>,
    pub(crate) kind: Kind,
    /// What it has when synchronizers replicate it, or when it was spawned.
    pub(crate) root: Option<Box<Root>>,
    /// What its calls cost, once there was one.
    pub(crate) calls: Option<Box<CallTraffic>>,
}

/// What a node is beside a holder of methods, by index in the replication's tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Plain,
    Spawner(u32),
    Synchronizer(u32),
}

/// The replicated side of a node.
#[derive(Debug, Default)]
pub(crate) struct Root {
    pub(crate) slots: Vec<PropertySlot>,
    /// Its synchronizers in the order in which they were added.
    pub(crate) synchronizers: Vec<u32>,
    /// Its place among the spawned nodes.
    pub(crate) spawned: Option<u32>,
}

/// One property of a node and its value.
#[derive(Debug)]
pub(crate) struct PropertySlot {
    pub(crate) path: Arc<str>,
    pub(crate) value: Value,
}

/// What one peer slot was told about a node's number, valid for one stay of a peer in that slot.
#[derive(Clone, Copy, Debug, Default)]
struct Offer {
    epoch: u32,
    state: OfferState,
}

/// How far a peer and this end have agreed on a node's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OfferState {
    /// The peer was not told.
    #[default]
    None,
    /// The peer was told and did not answer.
    Offered,
    /// The peer knows the number.
    Confirmed,
    /// The peer knows the number, and that its method list is another.
    Mismatched,
}

impl OfferState {
    /// Whether the peer knows the number.
    pub(crate) const fn is_confirmed(self) -> bool {
        matches!(self, Self::Confirmed | Self::Mismatched)
    }
}

impl Node {
    pub(crate) fn offer(&self, slot: usize, peer: &Peer) -> OfferState {
        match self.offers.get(slot) {
            Some(offer) if offer.epoch == peer.epoch => offer.state,
            _ => OfferState::None,
        }
    }

    pub(crate) fn set_offer(&mut self, slot: usize, peer: &Peer, state: OfferState) {
        if self.offers.len() <= slot {
            self.offers.resize(slot + 1, Offer::default());
        }
        if let Some(offer) = self.offers.get_mut(slot) {
            let epoch = peer.epoch;
            *offer = Offer { epoch, state };
        }
    }

    pub(crate) fn checksum(&self) -> Checksum {
        self.methods.checksum()
    }
}

#[derive(Debug, Default)]
struct Place {
    generation: u32,
    node: Option<Node>,
}

/// All declared nodes, by key, by path and by this end's number.
#[derive(Debug)]
pub(crate) struct Nodes {
    places: Vec<Place>,
    free: Vec<u32>,
    by_path: BTreeMap<Arc<str>, NodeKey>,
    by_cache_id: BTreeMap<u32, NodeKey>,
    next_cache_id: u32,
    /// How many nodes have left; tells when looking for dead cache entries is worth it.
    removals: u64,
}

impl Nodes {
    pub(crate) const fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            by_path: BTreeMap::new(),
            by_cache_id: BTreeMap::new(),
            next_cache_id: 1,
            removals: 0,
        }
    }

    /// Adds a node that is only a holder of methods yet.
    pub(crate) fn insert(
        &mut self,
        path: Arc<str>,
        authority: PeerId,
        methods: RpcTable,
    ) -> Result<NodeKey, NodeError> {
        if !is_scene_path(&path) {
            return Err(NodeError::BadPath);
        }
        if self.by_path.contains_key(&path) {
            return Err(NodeError::PathTaken);
        }
        let node = Node {
            authority,
            path: Arc::clone(&path),
            methods,
            cache_id: None,
            offers: Vec::new(),
            kind: Kind::Plain,
            root: None,
            calls: None,
        };
        let key = self.place(node)?;
        self.by_path.insert(path, key);
        Ok(key)
    }

    /// Whose a node at `path` is.
    pub(crate) fn authority_at(&self, path: &str, rule: Authority) -> PeerId {
        let name = path.rsplit('/').next().unwrap_or(path);
        match rule {
            Authority::Peer(peer) => peer,
            Authority::Name => {
                spawned_authority(name).unwrap_or_else(|| self.authority_above(path))
            }
            Authority::Inherited => self.authority_above(path),
        }
    }

    /// Whether a node, or one below it, is declared at `path`.
    pub(crate) fn is_taken(&self, path: &str) -> bool {
        self.by_path.contains_key(path) || !self.below(path).is_empty()
    }

    /// The nearest declared node above `path`, the root excluded, for which `find` finds something.
    pub(crate) fn nearest_above<T>(
        &self,
        path: &str,
        find: impl Fn(&Node) -> Option<T>,
    ) -> Option<T> {
        let mut rest = path;
        while let Some((above, _)) = rest.rsplit_once('/') {
            let node = self.find(above).and_then(|key| self.get(key));
            if let Some(found) = node.and_then(&find) {
                return Some(found);
            }
            rest = above;
        }
        None
    }

    fn place(&mut self, node: Node) -> Result<NodeKey, NodeError> {
        if let Some(index) = self.free.pop()
            && let Some(place) = self.places.get_mut(index as usize)
        {
            place.node = Some(node);
            let generation = place.generation;
            return Ok(NodeKey { index, generation });
        }
        let index = u32::try_from(self.places.len()).map_err(|_| NodeError::BadPath)?;
        self.places.push(Place {
            generation: 0,
            node: Some(node),
        });
        Ok(NodeKey {
            index,
            generation: 0,
        })
    }

    /// Authority of the nearest declared node above `path`.
    fn authority_above(&self, path: &str) -> PeerId {
        self.nearest_above(path, |node| Some(node.authority))
            .or_else(|| Some(self.get(self.find(".")?)?.authority))
            .unwrap_or(PeerId::SERVER)
    }

    pub(crate) fn remove(&mut self, key: NodeKey) -> Option<Node> {
        let place = self.places.get_mut(key.index as usize)?;
        if place.generation != key.generation {
            return None;
        }
        let node = place.node.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.index);
        self.by_path.remove(&node.path);
        if let Some(id) = node.cache_id {
            self.by_cache_id.remove(&id);
        }
        self.removals = self.removals.wrapping_add(1);
        Some(node)
    }

    /// The node's number, given to it now if it has none.
    pub(crate) fn cache_id(&mut self, key: NodeKey) -> Option<u32> {
        let id = self.next_cache_id;
        let node = self.get_mut(key)?;
        if node.cache_id.is_some() {
            return node.cache_id;
        }
        node.cache_id = Some(id);
        self.by_cache_id.insert(id, key);
        self.next_cache_id = id.wrapping_add(1);
        Some(id)
    }

    /// Forgets all numbers, as at the end of a connection.
    pub(crate) fn reset_cache(&mut self) {
        self.by_cache_id.clear();
        self.next_cache_id = 1;
        for place in &mut self.places {
            if let Some(node) = &mut place.node {
                node.cache_id = None;
                node.offers = Vec::new();
            }
        }
    }

    /// The declared nodes below the one at `path`.
    pub(crate) fn below(&self, path: &str) -> Vec<NodeKey> {
        if path == "." {
            let others = self.by_path.iter().filter(|(path, _)| &***path != ".");
            return others.map(|(_, key)| *key).collect();
        }
        let from = Bound::Excluded(path);
        self.by_path
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(other, _)| other.starts_with(path))
            .filter(|(other, _)| other.as_bytes().get(path.len()) == Some(&b'/'))
            .map(|(_, key)| *key)
            .collect()
    }

    pub(crate) fn get(&self, key: NodeKey) -> Option<&Node> {
        let place = self.places.get(key.index as usize)?;
        if place.generation != key.generation {
            return None;
        }
        place.node.as_ref()
    }

    pub(crate) fn get_mut(&mut self, key: NodeKey) -> Option<&mut Node> {
        let place = self.places.get_mut(key.index as usize)?;
        if place.generation != key.generation {
            return None;
        }
        place.node.as_mut()
    }

    pub(crate) fn find(&self, path: &str) -> Option<NodeKey> {
        self.by_path.get(path).copied()
    }

    pub(crate) fn with_cache_id(&self, id: u32) -> Option<NodeKey> {
        self.by_cache_id.get(&id).copied()
    }

    /// Whether this number was ever given, also to a node that has left.
    pub(crate) const fn was_cache_id(&self, id: u32) -> bool {
        id != 0 && id < self.next_cache_id
    }

    pub(crate) const fn removals(&self) -> u64 {
        self.removals
    }

    /// All nodes by path.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeKey, &Node)> {
        self.by_path
            .values()
            .filter_map(|&key| Some((key, self.get(key)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::NodeConfig;

    fn peer(id: i32) -> PeerId {
        PeerId::new(id).unwrap()
    }

    impl Nodes {
        fn add(&mut self, config: NodeConfig) -> Result<NodeKey, NodeError> {
            let node = config.prepare()?;
            let authority = self.authority_at(&node.path, node.authority);
            self.insert(node.path, authority, node.methods)
        }
    }

    #[test]
    fn only_paths_below_the_root_are_scene_paths() {
        for path in [".", "Main", "Main/Player", "N/Ünï", "@Node@2"] {
            assert!(is_scene_path(path), "{path}");
        }
        for path in [
            "", "/", "/root", "..", "A/..", "A/./B", "A//B", "A/", "%A", "A:b", "./A", "A/\"",
        ] {
            assert!(!is_scene_path(path), "{path}");
        }
    }

    #[test]
    fn a_key_of_a_removed_node_never_names_its_successor() {
        let mut nodes = Nodes::new();
        let first = nodes.add(NodeConfig::new("A")).unwrap();
        assert_eq!(
            nodes.add(NodeConfig::new("A")).unwrap_err(),
            NodeError::PathTaken
        );
        assert!(nodes.remove(first).is_some());
        let second = nodes.add(NodeConfig::new("A")).unwrap();
        assert_ne!(first, second);
        assert!(nodes.get(first).is_none());
        assert!(nodes.remove(first).is_none());
        assert_eq!(nodes.find("A"), Some(second));
    }

    #[test]
    fn authority_is_inherited_when_added() {
        let mut nodes = Nodes::new();
        nodes
            .add(NodeConfig::new("Players/7").authority(peer(7)))
            .unwrap();
        let below = nodes.add(NodeConfig::new("Players/7/Gun/Sight")).unwrap();
        let beside = nodes.add(NodeConfig::new("Players/70")).unwrap();
        assert_eq!(nodes.get(below).unwrap().authority, peer(7));
        assert_eq!(nodes.get(beside).unwrap().authority, PeerId::SERVER);
    }

    #[test]
    fn numbers_are_given_once_and_retired_with_their_node() {
        let mut nodes = Nodes::new();
        let a = nodes.add(NodeConfig::new("A")).unwrap();
        assert_eq!(nodes.cache_id(a), Some(1));
        assert_eq!(nodes.cache_id(a), Some(1));
        nodes.remove(a);
        let a = nodes.add(NodeConfig::new("A")).unwrap();
        assert_eq!(nodes.cache_id(a), Some(2));
        assert_eq!(nodes.with_cache_id(1), None);
        assert!(nodes.was_cache_id(1));
        assert!(!nodes.was_cache_id(3));
    }
}
