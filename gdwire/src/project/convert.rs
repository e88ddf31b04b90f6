//! From what was read to what a session takes: [`NodeConfig`] and [`Scene`].

use super::model::{Project, ProjectNode, SceneTemplate, Spawner, SyncProperty, Synchronizer};
use super::{InitialValue, RpcMethod};
use crate::session::{
    NodeConfig, PropertyConfig, RpcConfig, Scene, SceneConfig, SceneError, SpawnerConfig,
    SynchronizerConfig,
};
use crate::variant::{NodePath, Value, ValueType};
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::time::Duration;

impl Project {
    /// The nodes that peers can have to do with, as a session takes them, in an order in which it takes them.
    ///
    /// Authorities are those of the engine before any script runs: the server's.
    #[must_use]
    pub fn node_configs(&self) -> Vec<NodeConfig> {
        configs(&self.nodes)
    }
}

impl SceneTemplate {
    /// The scene as a session takes it.
    ///
    /// # Errors
    /// [`SceneError`]: a session does not take the nodes, for example more than 64 watched properties.
    pub fn scene(&self) -> Result<Scene, SceneError> {
        let nodes = configs(&self.nodes).into_iter();
        nodes
            .fold(SceneConfig::new(&*self.path), SceneConfig::node)
            .build()
    }
}

/// The nodes that a session needs.
fn configs(nodes: &[ProjectNode]) -> Vec<NodeConfig> {
    let is_root = |path: &str| {
        let mut synchronizers = nodes.iter().filter_map(|node| node.synchronizer.as_ref());
        synchronizers.any(|synchronizer| synchronizer.root.as_deref() == Some(path))
    };
    in_order(nodes)
        .into_iter()
        .filter(|node| node.is_networked() || is_root(&node.path))
        .map(ProjectNode::node_config)
        .collect()
}

/// Nodes in an order in which a session takes them: as they enter the tree, which is the order of the state in a spawn
/// packet, and synchronizers last, since their root nodes have to be there.
pub(crate) fn in_order(nodes: &[ProjectNode]) -> Vec<&ProjectNode> {
    let mut nodes: Vec<&ProjectNode> = nodes.iter().collect();
    nodes.sort_by_key(|node| (node.synchronizer.is_some(), node.enter_order));
    nodes
}

impl ProjectNode {
    /// The node as a session takes it.
    ///
    /// Custom spawns are asked for, since what they make is in scripts.
    #[must_use]
    pub fn node_config(&self) -> NodeConfig {
        let mut config = NodeConfig::new(self.path.as_str()).rpc_table(self.table.clone());
        if let Some(spawner) = &self.spawner
            && let Some(path) = relative(&self.path, &spawner.spawn_path, spawner.parent.as_deref())
        {
            config = config.spawner(spawner.config(path));
        }
        if let Some(synchronizer) = &self.synchronizer {
            let root = synchronizer.root.as_deref();
            if let Some(path) = relative(&self.path, &synchronizer.root_path, root) {
                config = config.synchronizer(synchronizer.config(path));
            }
        }
        config
    }
}

/// A path as sessions follow it: from the node, never from the root of the tree.
fn relative(from: &str, path: &NodePath, to: Option<&str>) -> Option<String> {
    let Some(to) = to else {
        return (!path.is_absolute() && !path.is_empty()).then(|| path.to_string());
    };
    let up = match from {
        "." => 0,
        from => from.split('/').count(),
    };
    let mut names = alloc::vec![".."; up];
    if to != "." || up == 0 {
        names.push(to);
    }
    Some(names.join("/"))
}

impl Spawner {
    fn config(&self, spawn_path: String) -> SpawnerConfig {
        let scenes = self.scenes.iter().cloned();
        scenes
            .fold(SpawnerConfig::new(spawn_path), SpawnerConfig::scene)
            .limit(self.spawn_limit)
            .custom_requested()
    }
}

impl Synchronizer {
    fn config(&self, root_path: String) -> SynchronizerConfig {
        let mut config = SynchronizerConfig::new()
            .root(root_path)
            .replication_interval(interval(self.replication_interval))
            .delta_interval(interval(self.delta_interval));
        if !self.public_visibility {
            config = config.private();
        }
        let properties = self.properties.iter().zip(&self.initial);
        properties
            .map(|(property, initial)| property_config(property, initial))
            .fold(config, SynchronizerConfig::property)
    }
}

fn property_config(property: &SyncProperty, initial: &InitialValue) -> PropertyConfig {
    let mut config = PropertyConfig::new(property.path.to_string()).mode(property.mode);
    if !property.spawn {
        config = config.without_spawn();
    }
    if let Some(value) = &initial.value {
        config = config.initial(Value::clone(value));
    }
    match initial.kind {
        Some(kind) => config.value_type(kind),
        None => config.any_type(),
    }
}

/// Seconds of a scene file; what is no such time is none.
fn interval(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
}

impl RpcMethod {
    pub(super) fn config(&self) -> RpcConfig {
        if self.is_number_only {
            return RpcConfig::without_mode(&self.name);
        }
        let mut config = RpcConfig::new(&self.name)
            .mode(self.mode)
            .transfer(self.transfer)
            .channel(self.channel);
        if self.call_local {
            config = config.call_local();
        }
        let Some(arguments) = &self.arguments else {
            return config;
        };
        // GDScript converts between many types, so a type that differs is no reason to refuse a call. This one only
        // tells an empty byte array from no argument.
        if let [Some(ValueType::PackedByteArray)] = arguments.types.as_slice() {
            config = config.argument_types([Some(ValueType::PackedByteArray)]);
        }
        config.argument_count(arguments.required..=arguments.most.unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_from_the_node_and_not_from_the_root() {
        let path = NodePath::parse("../Given").unwrap();
        for (from, to, expected) in [
            ("A/B", Some("A/C/D"), Some("../../A/C/D")),
            ("A/B", Some("."), Some("../..")),
            (".", Some("."), Some(".")),
            (".", Some("A"), Some("A")),
            ("A", None, Some("../Given")),
        ] {
            assert_eq!(relative(from, &path, to).as_deref(), expected, "{from}");
        }
        let absolute = NodePath::parse("/root/Main").unwrap();
        assert_eq!(relative("A", &absolute, None), None);
    }
}
