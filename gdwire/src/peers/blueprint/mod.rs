//! [`Blueprint`]: what is in a game from the start, for one session or many.

#[cfg(feature = "project")]
mod project;

#[cfg(feature = "project")]
pub use project::ProjectPlace;

use crate::session::{NodeConfig, NodeError, Scene, SceneError, Session};

/// The nodes that are there from the start, and the scenes that spawners can bring in.
///
/// A blueprint is made once and added to as many servers or clients as there are; they share what can be shared. It can
/// be built by hand, read from a Godot project (`Blueprint::from_project`), or both.
///
/// ```
/// use gdwire::session::{NodeConfig, PropertyConfig, SceneConfig, SpawnConfig, SpawnerConfig, SynchronizerConfig};
/// use gdwire::{Blueprint, Server, ServerConfig};
///
/// let state = SynchronizerConfig::new().property(PropertyConfig::new("hp").initial(100).on_change());
/// let unit = SceneConfig::new("res://unit.tscn")
///     .node(NodeConfig::new("."))
///     .node(NodeConfig::new("Sync").synchronizer(state));
/// let blueprint = Blueprint::new()
///     .node(NodeConfig::new("Main/Units"))
///     .node(NodeConfig::new("Main/Spawner").spawner(SpawnerConfig::new("../Units").scene("res://unit.tscn")))
///     .scene(unit.build()?);
///
/// let mut room = Server::new(ServerConfig::new([7; 32]))?;
/// room.add_blueprint(&blueprint)?;
/// let spawner = room.session().node("Main/Spawner").unwrap();
/// let goblin = room.spawn(spawner, SpawnConfig::scene(0, "Goblin").property("hp", 30))?;
/// room.set(goblin, "hp", 29)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Blueprint {
    nodes: Vec<NodeConfig>,
    scenes: Vec<Scene>,
}

/// Why a blueprint cannot be made or added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlueprintError {
    /// A node of the tree.
    #[error("node {path}: {error}")]
    Node {
        /// Its path.
        path: String,
        /// Why.
        error: NodeError,
    },
    /// A scene that spawners can bring in.
    #[error("scene {path}: {error}")]
    Scene {
        /// Its resource path.
        path: String,
        /// Why.
        error: SceneError,
    },
}

impl Blueprint {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            nodes: Vec::new(),
            scenes: Vec::new(),
        }
    }

    /// Adds a node that is there from the start. The root node of a synchronizer has to be added before it.
    #[must_use]
    pub fn node(mut self, node: NodeConfig) -> Self {
        self.nodes.push(node);
        self
    }

    /// Adds a scene that spawners can bring in.
    #[must_use]
    pub fn scene(mut self, scene: Scene) -> Self {
        self.scenes.push(scene);
        self
    }

    /// The nodes.
    #[must_use]
    pub fn nodes(&self) -> &[NodeConfig] {
        &self.nodes
    }

    /// The scenes.
    #[must_use]
    pub fn scenes(&self) -> &[Scene] {
        &self.scenes
    }

    /// Adds everything to a session.
    pub(super) fn add_to(&self, session: &mut Session) -> Result<(), BlueprintError> {
        for scene in &self.scenes {
            session
                .add_scene(scene)
                .map_err(|error| BlueprintError::Scene {
                    path: scene.path().to_owned(),
                    error,
                })?;
        }
        for node in &self.nodes {
            session
                .add_node(node.clone())
                .map_err(|error| BlueprintError::Node {
                    path: node.path().to_owned(),
                    error,
                })?;
        }
        Ok(())
    }
}
