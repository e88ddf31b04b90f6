//! Options that say what is in the game: `--project`, `--rpc`, and what a project's scripts do, by hand.

use crate::options::{OptionError, RpcOption, node_path};
use alloc::collections::BTreeMap;
use clap::Args;
use core::str::FromStr;
use gdwire::project::{Limits, Project};
use gdwire::session::{
    NodeConfig, PropertyConfig, ReplicationMode, RpcConfig, Scene, SceneConfig, Session,
    SpawnRequest, SpawnerConfig, SynchronizerConfig,
};
use gdwire::{Blueprint, ProjectPlace};
use std::io;
use std::path::PathBuf;

/// What is in the game.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SceneOptions {
    /// Reads nodes, scenes and replication configurations of the Godot project in this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) project: Option<PathBuf>,
    /// Declares an RPC: NODE:METHOD[:MODE[:TRANSFER[:CHANNEL]]], repeatable
    ///
    /// NODE is the path below /root. MODE is any_peer (default), authority or disabled; TRANSFER is reliable
    /// (default), unreliable or unreliable_ordered; CHANNEL is 0 (default) or a user channel. Both sides must declare
    /// the same set of methods of a node; those of a project's nodes come from the project.
    #[arg(long = "rpc", value_name = "RPC")]
    pub(crate) rpcs: Vec<RpcOption>,
    /// Declares a MultiplayerSpawner: NODE=PARENT[,SCENE…], repeatable
    ///
    /// PARENT is its spawn_path, relative to NODE; each SCENE is a res:// path, in the order of the engine's list.
    #[arg(long = "spawner", value_name = "SPAWNER")]
    pub(crate) spawners: Vec<SpawnerOption>,
    /// Declares a MultiplayerSynchronizer of its parent: [SCENE#]NODE=PROPERTY[@MODE][@no_spawn][,…], repeatable
    ///
    /// MODE is always (default), on_change or never. With SCENE#, a res:// path, it is part of that scene.
    #[arg(long = "sync", value_name = "SYNC")]
    pub(crate) synchronizers: Vec<SyncOption>,
    /// Says which scene the custom spawns of a spawner are: NODE=SCENE, repeatable; without, one bare node
    #[arg(long = "custom", value_name = "CUSTOM")]
    pub(crate) customs: Vec<CustomOption>,
    /// Gives nodes of scenes to the peer whose number is their scene's name: SCENE#NODE, repeatable
    ///
    /// For scripts with set_multiplayer_authority(name.to_int()); NODE is . for the scene's root.
    #[arg(long = "owner-from-name", value_name = "NODE")]
    pub(crate) named: Vec<ScenePath>,
}

/// `NODE=PARENT[,SCENE…]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpawnerOption {
    node: String,
    parent: String,
    scenes: Vec<String>,
}

/// `[SCENE#]NODE=PROPERTY…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyncOption {
    at: ScenePath,
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
    scene: Option<String>,
    node: String,
}

/// What the options come to.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    /// For each session.
    pub(crate) blueprint: Blueprint,
    /// Scenes of custom spawns by the path of their spawner.
    customs: BTreeMap<String, Scene>,
    /// The scene of other custom spawns: one bare node.
    bare: Scene,
}

impl Stage {
    /// The scene that custom spawns of a spawner are.
    pub(crate) fn custom(&self, spawner: &str) -> &Scene {
        self.customs.get(spawner).unwrap_or(&self.bare)
    }

    /// The scene for a request that a session made.
    pub(crate) fn requested(&self, session: &Session, request: &SpawnRequest) -> &Scene {
        self.custom(session.node_path(request.spawner).unwrap_or_default())
    }
}

impl SceneOptions {
    /// Reads the project and adds what the other options say.
    ///
    /// # Errors
    /// `InvalidInput`, with the option or the file in the message.
    pub(crate) fn stage(&self) -> io::Result<Stage> {
        let mut blueprint = match &self.project {
            Some(directory) => {
                let project = Project::load(directory, &Limits::default()).map_err(wrong)?;
                for warning in &project.warnings {
                    tracing::info!("{warning}");
                }
                self.check_rpcs(&project)?;
                let adapt = |place: ProjectPlace<'_>, config| self.adapt(place, config);
                Blueprint::from_project_with(&project, adapt).map_err(wrong)?
            }
            None => Blueprint::new(),
        };
        for scene in self.scenes_by_hand(&blueprint)? {
            blueprint = blueprint.scene(scene);
        }
        for node in self.nodes_by_hand(&blueprint) {
            blueprint = blueprint.node(node);
        }
        let customs = self.customs(&blueprint)?;
        Ok(Stage {
            blueprint,
            customs,
            bare: SceneConfig::new("").build().map_err(io::Error::other)?,
        })
    }

    /// What a script does with a node of the project when it starts.
    fn adapt(&self, place: ProjectPlace<'_>, config: NodeConfig) -> NodeConfig {
        if self.is_named(place.scene, &place.node.path) {
            config.authority_from_name()
        } else {
            config
        }
    }

    fn is_named(&self, scene: Option<&str>, node: &str) -> bool {
        self.named
            .iter()
            .any(|named| named.scene.as_deref() == scene && named.node == node)
    }

    /// `--rpc` names methods of the project, or declares those of other nodes.
    fn check_rpcs(&self, project: &Project) -> io::Result<()> {
        for rpc in &self.rpcs {
            if let Some(node) = project.node(&rpc.node)
                && !node.methods.iter().any(|method| method.name == rpc.method)
            {
                return Err(wrong(format!(
                    "--rpc {}:{}: the project's node has no such method",
                    rpc.node, rpc.method
                )));
            }
        }
        Ok(())
    }

    /// Scenes that are named by options and not in the project.
    fn scenes_by_hand(&self, project: &Blueprint) -> io::Result<Vec<Scene>> {
        let listed = self.spawners.iter().flat_map(|spawner| &spawner.scenes);
        let synchronized = self
            .synchronizers
            .iter()
            .filter_map(|synchronizer| synchronizer.at.scene.as_ref());
        let custom = self.customs.iter().map(|custom| &custom.scene);
        let mut paths: Vec<&String> = Vec::new();
        for path in listed.chain(synchronized).chain(custom) {
            let is_known = project.scenes().iter().any(|scene| scene.path() == path);
            if !is_known && !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
            .into_iter()
            .map(|path| {
                let root = self.adapt_by_hand(path, NodeConfig::new("."));
                let is_here =
                    |synchronizer: &&SyncOption| synchronizer.at.scene.as_ref() == Some(path);
                let parts = self.synchronizers.iter().filter(is_here);
                let nodes = parts.map(|part| self.adapt_by_hand(path, part.node_config()));
                nodes
                    .fold(SceneConfig::new(path).node(root), SceneConfig::node)
                    .build()
                    .map_err(|error| wrong(format!("--sync {path}: {error}")))
            })
            .collect()
    }

    fn adapt_by_hand(&self, scene: &str, node: NodeConfig) -> NodeConfig {
        if self.is_named(Some(scene), node.path()) {
            node.authority_from_name()
        } else {
            node
        }
    }

    /// Nodes that options declare: those with methods, parents of spawned nodes, roots of synchronizers, and these
    /// themselves.
    fn nodes_by_hand(&self, project: &Blueprint) -> Vec<NodeConfig> {
        let mut nodes = methods(&self.rpcs);
        let mut parts: Vec<NodeConfig> = Vec::new();
        for spawner in &self.spawners {
            parts.push(spawner.node_config());
        }
        for synchronizer in &self.synchronizers {
            if synchronizer.at.scene.is_none() {
                let root = parent(&synchronizer.at.node).to_owned();
                nodes
                    .entry(root.clone())
                    .or_insert_with(|| NodeConfig::new(root));
                parts.push(synchronizer.node_config());
            }
        }
        let is_new = |node: &NodeConfig| {
            !project
                .nodes()
                .iter()
                .any(|known| known.path() == node.path())
        };
        let mut all: Vec<NodeConfig> = nodes.into_values().filter(is_new).collect();
        all.extend(parts);
        all
    }

    fn customs(&self, blueprint: &Blueprint) -> io::Result<BTreeMap<String, Scene>> {
        self.customs
            .iter()
            .map(|custom| {
                let mut scenes = blueprint.scenes().iter();
                let scene = scenes.find(|scene| scene.path() == custom.scene);
                let scene = scene
                    .ok_or_else(|| wrong(format!("--custom {}: no such scene", custom.scene)))?;
                Ok((custom.node.clone(), scene.clone()))
            })
            .collect()
    }
}

/// The nodes that `rpcs` declare, by path.
fn methods(rpcs: &[RpcOption]) -> BTreeMap<String, NodeConfig> {
    let mut nodes: BTreeMap<String, NodeConfig> = BTreeMap::new();
    for rpc in rpcs {
        let path = rpc.node.as_str();
        let node = nodes.remove(path).unwrap_or_else(|| NodeConfig::new(path));
        let method = RpcConfig::new(&rpc.method)
            .mode(rpc.mode)
            .transfer(rpc.transfer)
            .channel(rpc.channel);
        nodes.insert(path.to_owned(), node.rpc(method));
    }
    nodes
}

/// The node above; the root above nodes without.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or(".", |(parent, _)| parent)
}

fn wrong(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error.to_string())
}

impl SpawnerOption {
    fn node_config(&self) -> NodeConfig {
        let spawner = SpawnerConfig::new(self.parent.as_str()).custom_requested();
        let scenes = self.scenes.iter().map(String::as_str);
        NodeConfig::new(self.node.as_str()).spawner(scenes.fold(spawner, SpawnerConfig::scene))
    }
}

impl SyncOption {
    fn node_config(&self) -> NodeConfig {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> SceneOptions {
        SceneOptions {
            rpcs: vec!["Main:hello".parse().unwrap()],
            spawners: vec!["Main/Spawner=../Units,res://unit.tscn".parse().unwrap()],
            synchronizers: vec![
                "res://unit.tscn#Sync=hp@on_change,Body:place"
                    .parse()
                    .unwrap(),
                "Main/Clock/Sync=time@never@no_spawn".parse().unwrap(),
            ],
            customs: vec!["Main/Spawner=res://unit.tscn".parse().unwrap()],
            named: vec!["res://unit.tscn#.".parse().unwrap()],
            project: None,
        }
    }

    #[test]
    fn options_make_nodes_and_scenes_that_a_session_takes() {
        let stage = options().stage().unwrap();
        let mut server = gdwire::Server::new(gdwire::ServerConfig::new([1; 32])).unwrap();
        server.add_blueprint(&stage.blueprint).unwrap();
        let session = server.session();
        for path in ["Main", "Main/Spawner", "Main/Clock", "Main/Clock/Sync"] {
            assert!(session.node(path).is_some(), "{path}");
        }
        assert!(session.scene("res://unit.tscn").is_some());
        assert_eq!(stage.custom("Main/Spawner").path(), "res://unit.tscn");
        assert_eq!(stage.custom("Other").path(), "");
        let spawner = session.node("Main/Spawner").unwrap();
        let unit = gdwire::session::SpawnConfig::scene(0, "77").property("hp", 3);
        let unit = server.spawn(spawner, unit).unwrap();
        assert_eq!(server.session().authority(unit).unwrap().value(), 77);
        assert_eq!(
            server.session().property(unit, "Body:place"),
            Some(&gdwire::Value::Nil)
        );
    }

    #[test]
    fn a_bad_option_says_which_part_is_wrong() {
        for (error, part) in [
            ("Main".parse::<SpawnerOption>().err(), "NODE=PARENT"),
            ("Main=".parse::<SpawnerOption>().err(), "NODE=PARENT"),
            ("Main".parse::<SyncOption>().err(), "NODE=PROPERTY"),
            ("Main=".parse::<SyncOption>().err(), "property is missing"),
        ] {
            assert!(error.unwrap().to_string().contains(part), "{part}");
        }
        let often = "Main=hp@often".parse::<SyncOption>().unwrap_err();
        assert!(often.to_string().contains("often"));
        assert!("Main".parse::<CustomOption>().is_err());
        assert!("#Main".parse::<ScenePath>().is_err());
        let mut options = options();
        options.project = Some("/no/such/folder".into());
        let error = options.stage().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
