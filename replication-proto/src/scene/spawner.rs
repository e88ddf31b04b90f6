//! What a spawner node declares: [`SpawnerConfig`].

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A node that creates nodes at all peers (`MultiplayerSpawner`).
#[derive(Clone, Debug)]
pub struct SpawnerConfig {
    pub(crate) spawn_path: String,
    pub(crate) scenes: Vec<Arc<str>>,
    pub(crate) custom: CustomSpawn,
    pub(crate) limit: u32,
    pub(crate) receive_limit: u32,
}

/// What becomes of custom spawns (the engine calls `spawn_function`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CustomSpawn {
    /// There is no spawn function.
    Refused,
    /// Every custom spawn is this scene.
    Scene(Arc<str>),
    /// The application is asked each time.
    Requested,
}

impl SpawnerConfig {
    /// A spawner whose nodes appear below the node at `spawn_path`, relative to the spawner, for example `..` or
    /// `../Units`. It has no scenes, refuses custom spawns, and spawns without limit.
    #[must_use]
    pub fn new(spawn_path: impl Into<String>) -> Self {
        Self {
            spawn_path: spawn_path.into(),
            scenes: Vec::new(),
            custom: CustomSpawn::Refused,
            limit: 0,
            receive_limit: 0,
        }
    }

    /// Adds a scene at the end of its list. The order is part of the protocol; at most 255 scenes.
    ///
    /// The scene itself is added with [`Session::add_scene`](crate::Session::add_scene), before or after.
    #[must_use]
    pub fn scene(mut self, path: impl Into<Arc<str>>) -> Self {
        self.scenes.push(path.into());
        self
    }

    /// Takes custom spawns, all of them as this scene.
    #[must_use]
    pub fn custom_scene(mut self, path: impl Into<Arc<str>>) -> Self {
        self.custom = CustomSpawn::Scene(path.into());
        self
    }

    /// Takes custom spawns, each after the application answered
    /// [`Event::SpawnRequested`](crate::Event::SpawnRequested).
    #[must_use]
    pub fn custom_requested(mut self) -> Self {
        self.custom = CustomSpawn::Requested;
        self
    }

    /// Sets how many nodes of this spawner this end may have when it spawns one more (`spawn_limit`); 0 is no limit.
    ///
    /// Spawns of peers are not measured by it, as in the engine, which does not even measure scenes that are added
    /// below `spawn_path` by hand; see [`receive_limit`](Self::receive_limit).
    #[must_use]
    pub const fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Sets how many nodes of this spawner there may be for a peer to spawn one more; further ones are refused. 0, the
    /// default, is no limit beside [`Limits::spawned_nodes`](crate::Limits::spawned_nodes).
    #[must_use]
    pub const fn receive_limit(mut self, limit: u32) -> Self {
        self.receive_limit = limit;
        self
    }
}
