//! What a project exposes to the network: [`Project`] and its parts.

use super::error::{Place, ProjectError, Warning};
use super::files::Files;
use super::limits::Limits;
use super::loader;
use super::report::Report;
use crate::session::{ReplicationMode, RpcMode, RpcTable, TransferMode};
use crate::variant::{NodePath, Value, ValueType};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::path::Path;

/// A Godot project as far as the network is concerned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Project {
    /// `config/name`.
    pub name: Option<String>,
    /// The main scene, as a `res://` path.
    pub main_scene: Option<String>,
    /// The nodes that are in the tree from the start, parents before children: the autoloads in their order, then the
    /// main scene with what [`Start`] adds.
    pub nodes: Vec<ProjectNode>,
    /// The scenes that spawners can bring in, in the order in which they are first listed, with those that spawners
    /// inside them can.
    pub scenes: Vec<SceneTemplate>,
    /// What cannot be known without the engine, or is wrong, by file and line.
    pub warnings: Vec<Warning>,
}

/// What scripts bring into the tree, which no file says: [`Project::load_with`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    pub(super) main_scene: Option<String>,
    pub(super) instances: Vec<(String, String)>,
    pub(super) scenes: Vec<String>,
}

impl Start {
    /// As the files say.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins with this scene, a `res://` path, and not with the main scene: one that `change_scene_to_file` brings in
    /// behind a menu.
    #[must_use]
    pub fn main_scene(mut self, scene: impl Into<String>) -> Self {
        self.main_scene = Some(scene.into());
        self
    }

    /// Adds a scene, a `res://` path, as the node at a path below `/root`: what a script does with `instantiate` and
    /// `add_child`. Its parent has to be there: from files, or an instance added before.
    #[must_use]
    pub fn instance(mut self, node: impl Into<String>, scene: impl Into<String>) -> Self {
        self.instances.push((node.into(), scene.into()));
        self
    }

    /// Reads a scene, a `res://` path, that no spawner lists: one that custom spawns are.
    #[must_use]
    pub fn scene(mut self, scene: impl Into<String>) -> Self {
        self.scenes.push(scene.into());
        self
    }
}

impl Project {
    /// Reads the project in a folder, which is the one with `project.godot`.
    ///
    /// # Errors
    /// [`ProjectError`] when the project, or a file that its nodes come from, cannot be read or exceeds the limits.
    pub fn load(directory: impl AsRef<Path>, limits: &Limits) -> Result<Self, ProjectError> {
        Self::load_with(directory, &Start::new(), limits)
    }

    /// The same, with what scripts bring into the tree. What of that is missing is a warning.
    ///
    /// # Errors
    /// As [`Project::load`].
    pub fn load_with(
        directory: impl AsRef<Path>,
        start: &Start,
        limits: &Limits,
    ) -> Result<Self, ProjectError> {
        let mut report = Report::new(limits.warnings);
        let files = Files::in_directory(directory.as_ref(), limits, &mut report)?;
        loader::load(files, start, limits, report)
    }

    /// Reads a project out of texts in memory: `res://` paths and what is in the files.
    ///
    /// # Errors
    /// [`ProjectError`] as for [`Project::load`].
    pub fn from_texts<P: Into<String>, T: Into<String>>(
        texts: impl IntoIterator<Item = (P, T)>,
        limits: &Limits,
    ) -> Result<Self, ProjectError> {
        Self::from_texts_with(texts, &Start::new(), limits)
    }

    /// The same, with what scripts bring into the tree. What of that is missing is a warning.
    ///
    /// # Errors
    /// [`ProjectError`] as for [`Project::load`].
    pub fn from_texts_with<P: Into<String>, T: Into<String>>(
        texts: impl IntoIterator<Item = (P, T)>,
        start: &Start,
        limits: &Limits,
    ) -> Result<Self, ProjectError> {
        let texts = texts
            .into_iter()
            .map(|(path, text)| (path.into(), text.into()));
        let files = Files::in_memory(texts, limits)?;
        loader::load(files, start, limits, Report::new(limits.warnings))
    }

    /// The node at a path below `/root`, which is how peers name it.
    #[must_use]
    pub fn node(&self, path: &str) -> Option<&ProjectNode> {
        self.nodes.iter().find(|node| node.path == path)
    }

    /// The scene with this `res://` path.
    #[must_use]
    pub fn scene(&self, path: &str) -> Option<&SceneTemplate> {
        self.scenes.iter().find(|scene| *scene.path == *path)
    }
}

/// A scene that a spawner can bring in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SceneTemplate {
    /// The scene, as a `res://` path.
    pub path: Arc<str>,
    /// Its nodes, parents before children. The root's path is `.`, and the others' are relative to it.
    pub nodes: Vec<ProjectNode>,
}

impl SceneTemplate {
    /// The synchronizers whose root is the scene's root, in the order in which a spawn packet has their state.
    ///
    /// Those that belong to another peer than the spawner are not in the packet.
    #[must_use]
    pub fn spawn_synchronizers(&self) -> Vec<&ProjectNode> {
        let is_own = |node: &&ProjectNode| {
            let synchronizer = node.synchronizer.as_ref();
            synchronizer.is_some_and(|synchronizer| synchronizer.root.as_deref() == Some("."))
        };
        let mut nodes: Vec<&ProjectNode> = self.nodes.iter().filter(is_own).collect();
        nodes.sort_by_key(|node| node.enter_order);
        nodes
    }
}

/// One node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProjectNode {
    /// Path below `/root`, or in a [`SceneTemplate`] below its root: names joined by `/`.
    pub path: String,
    /// The engine's class.
    pub class: Arc<str>,
    /// The script: a `res://` path, with `::id` behind if it is inside a scene.
    pub script: Option<Arc<str>>,
    /// The scene that begins at this node, as a `res://` path.
    pub scene: Option<Arc<str>>,
    /// The methods that peers may call, by id: the script's, then the node's own.
    pub methods: Arc<[RpcMethod]>,
    /// The same as a session takes it, with the checksum that both ends compare.
    pub table: RpcTable,
    /// Its place in the order in which nodes enter the tree. It differs from the order of the nodes where a scene moves a
    /// node among its siblings, and is the one in which a spawn packet has the state of synchronizers.
    pub enter_order: usize,
    /// What it spawns, if it is a `MultiplayerSpawner`.
    pub spawner: Option<Spawner>,
    /// What it synchronizes, if it is a `MultiplayerSynchronizer`.
    pub synchronizer: Option<Synchronizer>,
}

impl ProjectNode {
    /// Whether peers can have to do with it: it has methods, spawns or synchronizes.
    #[must_use]
    pub fn is_networked(&self) -> bool {
        !self.table.is_empty() || self.spawner.is_some() || self.synchronizer.is_some()
    }
}

/// A method that peers may call.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RpcMethod {
    /// Its name.
    pub name: String,
    /// Its number on the wire: the place in its table, with bit 15 for the node's own table (`Node.rpc_config`).
    pub id: u16,
    /// Who may call it.
    pub mode: RpcMode,
    /// Set for an entry of `rpc_config` without `rpc_mode`: it takes a number from those behind it, and nobody can call
    /// it.
    pub is_number_only: bool,
    /// How calls travel.
    pub transfer: TransferMode,
    /// On which channel.
    pub channel: u8,
    /// Whether a call that includes the caller runs there too.
    pub call_local: bool,
    /// What it takes, if its definition was found.
    pub arguments: Option<Arguments>,
    /// Where it was made one that peers may call.
    pub place: Place,
}

/// What a method takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arguments {
    /// How many it must be given.
    pub required: usize,
    /// How many it may be given; `None` is any number.
    pub most: Option<usize>,
    /// Their types; `None` is any type, or a class or enum.
    pub types: Vec<Option<ValueType>>,
}

/// A `MultiplayerSpawner`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Spawner {
    /// `spawn_path`, relative to the spawner.
    pub spawn_path: NodePath,
    /// Path of the node that it leads to, in the form of [`ProjectNode::path`]; the spawned nodes are its children.
    pub parent: Option<String>,
    /// The scenes that it can spawn, as `res://` paths, in the order that numbers them on the wire. An empty text stands
    /// for one whose path is not known.
    pub scenes: Arc<[Arc<str>]>,
    /// How many nodes may be there at a time; 0 is any number.
    pub spawn_limit: u32,
}

/// A `MultiplayerSynchronizer`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Synchronizer {
    /// `root_path`, relative to the synchronizer.
    pub root_path: NodePath,
    /// Path of the node that it leads to, in the form of [`ProjectNode::path`].
    pub root: Option<String>,
    /// The properties in the order of the configuration.
    pub properties: Arc<[SyncProperty]>,
    /// For each property the type and value with which it begins, as far as files say so.
    pub initial: Vec<InitialValue>,
    /// `replication_interval`, seconds; 0 is every frame.
    pub replication_interval: f64,
    /// `delta_interval`, seconds; 0 is every frame.
    pub delta_interval: f64,
    /// When visibility filters are asked.
    pub visibility_update: VisibilityUpdate,
    /// Whether all peers see it that no filter excludes.
    pub public_visibility: bool,
}

impl Synchronizer {
    /// The properties that spawn packets carry, in their order.
    pub fn spawn_properties(&self) -> impl Iterator<Item = &SyncProperty> {
        self.properties.iter().filter(|property| property.spawn)
    }

    /// The properties that sync packets carry, in their order.
    pub fn sync_properties(&self) -> impl Iterator<Item = &SyncProperty> {
        let always = |property: &&SyncProperty| property.mode == ReplicationMode::Always;
        self.properties.iter().filter(always)
    }

    /// The properties that delta packets carry, in the order that their masks number.
    pub fn watch_properties(&self) -> impl Iterator<Item = &SyncProperty> {
        let on_change = |property: &&SyncProperty| property.mode == ReplicationMode::OnChange;
        self.properties.iter().filter(on_change)
    }
}

/// One property of a `SceneReplicationConfig`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SyncProperty {
    /// Node, relative to the synchronizer's root, and property of it.
    pub path: NodePath,
    /// Whether spawn packets carry it.
    pub spawn: bool,
    /// When it is sent later.
    pub mode: ReplicationMode,
}

/// The type and value of a property before anything changes it. Either can be unknown.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct InitialValue {
    /// Its type, if it has only one.
    pub kind: Option<ValueType>,
    /// Its value.
    pub value: Option<Arc<Value>>,
}

/// When visibility filters are asked (`MultiplayerSynchronizer.VisibilityUpdateMode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "Godot has three")]
pub enum VisibilityUpdate {
    /// Each frame.
    #[default]
    Idle,
    /// Each physics step.
    Physics,
    /// On demand only.
    None,
}
