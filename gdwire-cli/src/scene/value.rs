//! Values of the options that say what is in the game.

use crate::options::{OptionError, node_path};
use core::str::FromStr;
use gdwire::session::{
    NodeConfig, PropertyConfig, ReplicationMode, SpawnerConfig, SynchronizerConfig,
};

/// `NODE=PARENT[,SCENE…]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpawnerOption {
    pub(super) node: String,
    pub(super) parent: String,
    pub(super) scenes: Vec<String>,
}

/// `[SCENE#]NODE=PROPERTY…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyncOption {
    pub(super) at: ScenePath,
    properties: Vec<SyncProperty>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SyncProperty {
    path: String,
    mode: ReplicationMode,
    is_spawned: bool,
}

/// `NODE=SCENE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CustomOption {
    pub(crate) node: String,
    pub(crate) scene: String,
}

/// `[SCENE#]NODE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScenePath {
    pub(super) scene: Option<String>,
    pub(super) node: String,
}

impl SpawnerOption {
    pub(super) fn node_config(&self) -> NodeConfig {
        let spawner = SpawnerConfig::new(self.parent.as_str()).custom_requested();
        let scenes = self.scenes.iter().map(String::as_str);
        NodeConfig::new(self.node.as_str()).spawner(scenes.fold(spawner, SpawnerConfig::scene))
    }
}

impl SyncOption {
    pub(super) fn node_config(&self) -> NodeConfig {
        let properties = self.properties.iter().map(|property| {
            let config = PropertyConfig::new(property.path.as_str()).mode(property.mode);
            if property.is_spawned {
                config
            } else {
                config.without_spawn()
            }
        });
        let synchronizer = properties.fold(SynchronizerConfig::new(), SynchronizerConfig::property);
        NodeConfig::new(self.at.node.as_str()).synchronizer(synchronizer)
    }
}

impl FromStr for SpawnerOption {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        let Some((node, rest)) = text.split_once('=') else {
            return Err("expected NODE=PARENT[,SCENE…]".to_owned().into());
        };
        let mut parts = rest.split(',');
        let parent = parts.next().unwrap_or_default();
        if node.is_empty() || parent.is_empty() {
            return Err("expected NODE=PARENT[,SCENE…]".to_owned().into());
        }
        Ok(Self {
            node: node_path(node).to_owned(),
            parent: parent.to_owned(),
            scenes: parts.map(str::to_owned).collect(),
        })
    }
}

impl FromStr for SyncOption {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        let Some((at, list)) = text.split_once('=') else {
            return Err("expected [SCENE#]NODE=PROPERTY[,…]".to_owned().into());
        };
        let properties = list
            .split(',')
            .map(str::parse)
            .collect::<Result<Vec<_>, _>>()?;
        let at = at.parse()?;
        Ok(Self { at, properties })
    }
}

impl FromStr for SyncProperty {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        let mut parts = text.split('@');
        let path = parts.next().unwrap_or_default();
        if path.is_empty() {
            return Err("a property is missing".to_owned().into());
        }
        let mut property = Self {
            path: path.to_owned(),
            mode: ReplicationMode::Always,
            is_spawned: true,
        };
        for word in parts {
            match word {
                "always" => property.mode = ReplicationMode::Always,
                "on_change" => property.mode = ReplicationMode::OnChange,
                "never" => property.mode = ReplicationMode::Never,
                "no_spawn" => property.is_spawned = false,
                _ => {
                    return Err(
                        format!("{word:?}: expected always, on_change, never or no_spawn").into(),
                    );
                }
            }
        }
        Ok(property)
    }
}

impl FromStr for CustomOption {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        match text.split_once('=') {
            Some((node, scene)) if !node.is_empty() && !scene.is_empty() => Ok(Self {
                node: node_path(node).to_owned(),
                scene: scene.to_owned(),
            }),
            _ => Err("expected NODE=SCENE".to_owned().into()),
        }
    }
}

impl FromStr for ScenePath {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        let (scene, node) = match text.rsplit_once('#') {
            Some((scene, node)) => (Some(scene.to_owned()), node),
            None => (None, text),
        };
        if node.is_empty() || scene.as_deref() == Some("") {
            return Err("expected [SCENE#]NODE".to_owned().into());
        }
        Ok(Self {
            scene,
            node: node_path(node).to_owned(),
        })
    }
}
