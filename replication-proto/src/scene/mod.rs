//! The scene as both ends declare it: nodes, spawners, synchronizers, and scenes to spawn.

mod node;
mod path;
mod property;
mod resource;
mod spawner;
mod synchronizer;

pub use node::NodeConfig;
pub use property::{NonFinite, PropertyConfig, ReplicationMode};
pub use resource::{Scene, SceneConfig, SceneError};
pub use spawner::SpawnerConfig;
pub use synchronizer::{SynchronizerConfig, SynchronizerError};

pub(crate) use node::{Authority, Part, Prepared};
pub(crate) use path::{join, resolve};
pub(crate) use property::canonical;
pub(crate) use resource::{Planned, spawned_authority};
pub(crate) use spawner::CustomSpawn;
pub(crate) use synchronizer::Layout;
