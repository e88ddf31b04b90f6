//! Scenes that spawners instantiate: [`SceneConfig`] and [`Scene`].

use super::node::{Authority, NodeConfig, Prepared};
use super::path::join;
use crate::node::{NodeError, is_scene_path};
use crate::peer::PeerId;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A scene to be made: its resource path and its nodes.
///
/// ```
/// use replication_proto::{NodeConfig, PropertyConfig, SceneConfig, SynchronizerConfig};
///
/// let state = SynchronizerConfig::new()
///     .property(PropertyConfig::new("hp").initial(100))
///     .property(PropertyConfig::new("name").initial("").on_change());
/// let unit = SceneConfig::new("res://unit.tscn")
///     .node(NodeConfig::new("."))
///     .node(NodeConfig::new("Sync").synchronizer(state))
///     .build()?;
/// assert_eq!(unit.path(), "res://unit.tscn");
/// # Ok::<(), replication_proto::SceneError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SceneConfig {
    path: String,
    nodes: Vec<NodeConfig>,
}

/// Why a scene cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SceneError {
    /// A node cannot be made.
    #[error("node {path}: {error}")]
    Node {
        /// The node, relative to the scene's root.
        path: String,
        /// Why.
        error: NodeError,
    },
    /// Another scene of this path was added before.
    #[error("there is another scene of that path already")]
    PathTaken,
}

impl SceneConfig {
    /// The scene at `path`, a resource path such as `res://unit.tscn`, without nodes but its root.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            nodes: Vec::new(),
        }
    }

    /// Adds a node, its path relative to the scene's root: `.` for the root itself, then `Sync` or `Body/Sync`.
    ///
    /// The order of synchronizers is part of the protocol: it is the order in which they enter the tree. The root and
    /// nodes without any use for peers need not be added, but a root node of a synchronizer is then made silently.
    #[must_use]
    pub fn node(mut self, node: NodeConfig) -> Self {
        self.nodes.push(node);
        self
    }

    /// Makes the scene.
    ///
    /// # Errors
    /// [`SceneError::Node`]: a path is malformed or used twice, or methods or properties make no list.
    pub fn build(self) -> Result<Scene, SceneError> {
        let mut nodes: Vec<Prepared> = Vec::with_capacity(self.nodes.len() + 1);
        if !self.nodes.iter().any(|node| node.path() == ".") {
            nodes.extend(NodeConfig::new(".").prepare());
        }
        let declared: Vec<String> = self.nodes.iter().map(|node| node.path().into()).collect();
        for node in self.nodes {
            let path: String = node.path().into();
            let fail = |error| SceneError::Node {
                path: path.clone(),
                error,
            };
            if !is_scene_path(&path) {
                return Err(fail(NodeError::BadPath));
            }
            if nodes.iter().any(|known| *known.path == *path) {
                return Err(fail(NodeError::PathTaken));
            }
            let node = node.prepare().map_err(fail)?;
            if let Some(root) = node.replication_root()
                && !nodes.iter().any(|known| *known.path == *root)
                && !declared.contains(&root)
            {
                nodes.extend(NodeConfig::new(root).prepare());
            }
            nodes.push(node);
        }
        // The root is made first; the others keep their order, which numbers the synchronizers.
        nodes.sort_by_key(|node| &*node.path != ".");
        Ok(Scene(Arc::new(Parts {
            path: self.path.into(),
            nodes,
        })))
    }
}

/// A scene that spawners can instantiate (`PackedScene`). Cloning shares it, also between sessions.
#[derive(Clone, Debug)]
pub struct Scene(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    path: Arc<str>,
    nodes: Vec<Prepared>,
}

/// Where a node of an instance will be, and whose.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) path: Arc<str>,
    pub(crate) authority: PeerId,
}

impl Scene {
    /// The resource path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    pub(crate) fn shared_path(&self) -> Arc<str> {
        Arc::clone(&self.0.path)
    }

    pub(crate) fn nodes(&self) -> &[Prepared] {
        &self.0.nodes
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Places the nodes of an instance whose root is at `root`; `owner` overrides the root's own rule.
    pub(crate) fn plan(&self, root: &str, owner: Option<PeerId>) -> Vec<Planned> {
        let name = root.rsplit('/').next().unwrap_or(root);
        let mut plan: Vec<Planned> = Vec::with_capacity(self.0.nodes.len());
        for node in &self.0.nodes {
            let path = join(root, &node.path);
            let above = || {
                let ancestor = |other: &&Planned| is_below(&path, &other.path);
                plan.iter()
                    .filter(ancestor)
                    .max_by_key(|other| other.path.len())
                    .map_or(PeerId::SERVER, |other| other.authority)
            };
            let is_root = &*node.path == ".";
            let authority = match (node.authority, owner) {
                (_, Some(owner)) if is_root => owner,
                (Authority::Peer(peer), _) => peer,
                (Authority::Name, _) => spawned_authority(name).unwrap_or_else(above),
                (Authority::Inherited, _) => above(),
            };
            let path = path.into();
            plan.push(Planned { path, authority });
        }
        plan
    }
}

fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// The peer that a node's name names, as `name.to_int()` reads it: all its digits.
pub(crate) fn spawned_authority(name: &str) -> Option<PeerId> {
    let digits = name.bytes().filter(u8::is_ascii_digit);
    let number = digits.fold(0_i32, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(i32::from(digit - b'0'))
    });
    PeerId::new(number)
}
