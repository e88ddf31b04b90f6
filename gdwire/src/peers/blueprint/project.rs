//! A Godot project as a session takes it.

use super::{Blueprint, BlueprintError};
use crate::project::{Project, ProjectNode, ReplicationMode, Spawner, Synchronizer};
use crate::session::{
    NodeConfig, PropertyConfig, ReplicationMode as Mode, SceneConfig, SpawnerConfig,
    SynchronizerConfig,
};
use alloc::sync::Arc;
use core::time::Duration;

/// Where in a project a node is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ProjectPlace<'a> {
    /// The scene that a spawner can bring in and that the node is part of; `None` for a node that is there from the
    /// start.
    pub scene: Option<&'a str>,
    /// The node.
    pub node: &'a ProjectNode,
}

impl Blueprint {
    /// All nodes and scenes of a project. Custom spawns of its spawners are asked for
    /// ([`Event::SpawnRequested`](crate::Event::SpawnRequested)), since what they make is in scripts.
    ///
    /// # Errors
    /// A scene contradicts itself.
    pub fn from_project(project: &Project) -> Result<Self, BlueprintError> {
        Self::from_project_with(project, |_, config| config)
    }

    /// The same, with each node passed through `adapt`, which can add what scripts do when they start: another
    /// authority, for example.
    ///
    /// # Errors
    /// A scene contradicts itself.
    pub fn from_project_with(
        project: &Project,
        mut adapt: impl FnMut(ProjectPlace<'_>, NodeConfig) -> NodeConfig,
    ) -> Result<Self, BlueprintError> {
        let mut blueprint = Self::new();
        for template in &project.scenes {
            let scene = Some(&*template.path);
            let mut made = SceneConfig::new(&*template.path);
            for node in &template.nodes {
                made = made.node(adapt(ProjectPlace { scene, node }, config(node)));
            }
            let scene = made.build().map_err(|error| BlueprintError::Scene {
                path: template.path.to_string(),
                error,
            })?;
            blueprint = blueprint.scene(scene);
        }
        // The root node of a synchronizer must be there before it, also when it comes later in the tree.
        let is_late = |node: &&ProjectNode| node.synchronizer.is_some();
        let (late, early): (Vec<_>, Vec<_>) = project.nodes.iter().partition(is_late);
        for node in early.into_iter().chain(late) {
            let scene = None;
            blueprint = blueprint.node(adapt(ProjectPlace { scene, node }, config(node)));
        }
        Ok(blueprint)
    }
}

fn config(node: &ProjectNode) -> NodeConfig {
    let mut config = NodeConfig::new(node.path.as_str()).rpc_table(node.table.clone());
    if let Some(spawner) = &node.spawner {
        config = config.spawner(spawner_config(spawner));
    }
    if let Some(synchronizer) = &node.synchronizer {
        config = config.synchronizer(synchronizer_config(synchronizer));
    }
    config
}

fn spawner_config(spawner: &Spawner) -> SpawnerConfig {
    let config = SpawnerConfig::new(spawner.spawn_path.to_string())
        .limit(spawner.spawn_limit)
        .custom_requested();
    spawner
        .scenes
        .iter()
        .fold(config, |config, scene| config.scene(Arc::clone(scene)))
}

fn synchronizer_config(synchronizer: &Synchronizer) -> SynchronizerConfig {
    let mut config = SynchronizerConfig::new()
        .root(synchronizer.root_path.to_string())
        .replication_interval(interval(synchronizer.replication_interval))
        .delta_interval(interval(synchronizer.delta_interval));
    if !synchronizer.public_visibility {
        config = config.private();
    }
    for (index, property) in synchronizer.properties.iter().enumerate() {
        let mut declared =
            PropertyConfig::new(property.path.to_string()).mode(match property.mode {
                ReplicationMode::Never => Mode::Never,
                ReplicationMode::Always => Mode::Always,
                ReplicationMode::OnChange => Mode::OnChange,
            });
        if !property.spawn {
            declared = declared.without_spawn();
        }
        let initial = synchronizer.initial.get(index).cloned().unwrap_or_default();
        if let Some(value) = initial.value {
            declared = declared.initial((*value).clone());
        }
        // A variable without a type may hold anything, whatever it begins with.
        declared = match initial.kind {
            Some(kind) => declared.value_type(kind),
            None => declared.any_type(),
        };
        config = config.property(declared);
    }
    config
}

fn interval(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
