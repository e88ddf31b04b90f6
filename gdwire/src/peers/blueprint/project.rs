//! A Godot project as a session takes it.

use super::{Blueprint, BlueprintError};
use crate::project::{Project, ProjectNode, in_order};
use crate::session::{NodeConfig, SceneConfig};

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
            for node in in_order(&template.nodes) {
                made = made.node(adapt(ProjectPlace { scene, node }, node.node_config()));
            }
            let scene = made.build().map_err(|error| BlueprintError::Scene {
                path: template.path.to_string(),
                error,
            })?;
            blueprint = blueprint.scene(scene);
        }
        for node in in_order(&project.nodes) {
            let scene = None;
            blueprint = blueprint.node(adapt(ProjectPlace { scene, node }, node.node_config()));
        }
        Ok(blueprint)
    }
}
