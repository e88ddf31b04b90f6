//! Options that say what is in the game: `--project`, `--rpc`, and what a project's scripts do, by hand.

mod value;

use crate::options::RpcOption;
use alloc::collections::BTreeMap;
use clap::Args;
use gdwire::project::{Limits, Project, ProjectNode, Start};
use gdwire::session::{NodeConfig, RpcConfig, Scene, SceneConfig, Session, SpawnRequest};
use gdwire::{Blueprint, ProjectPlace};
use std::io;
use std::path::{Path, PathBuf};
pub(crate) use value::{CustomOption, ScenePath, SpawnerOption, SyncOption};

/// What is in the game.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SceneOptions {
    /// Reads nodes, scenes and replication configurations of the Godot project in this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) project: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) start: StartOptions,
    /// Declares an RPC: [SCENE#]NODE:METHOD[:MODE[:TRANSFER[:CHANNEL]]], repeatable
    ///
    /// NODE is the path below /root, or with SCENE#, a res:// path, below the root of that scene, which is `.`. MODE is any_peer (default), authority or disabled; TRANSFER is reliable
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
    /// Gives a synchronizer a visibility filter: [SCENE#]NODE, repeatable
    ///
    /// Only peers to whom a `relevant` command names its root node see it, as with add_visibility_filter in a script.
    #[arg(long = "filtered", value_name = "NODE")]
    pub(crate) filtered: Vec<ScenePath>,
}

/// What scripts of a project bring into the tree.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct StartOptions {
    /// Begins with this res:// path and not with the project's main scene
    ///
    /// For a scene that change_scene_to_file brings in behind a menu.
    #[arg(long, value_name = "SCENE")]
    main_scene: Option<String>,
    /// Adds a scene of the project as a node: NODE=SCENE, repeatable
    ///
    /// For what a script does with instantiate() and add_child().
    #[arg(long = "instance", value_name = "INSTANCE")]
    instances: Vec<CustomOption>,
}

impl StartOptions {
    /// Reads a project, with `scenes` that no spawner lists.
    ///
    /// # Errors
    /// `InvalidInput`, with the option or the file in the message.
    pub(crate) fn load(&self, directory: &Path, scenes: &[&str]) -> io::Result<Project> {
        let mut start = scenes.iter().copied().fold(Start::new(), Start::scene);
        if let Some(scene) = &self.main_scene {
            start = start.main_scene(scene);
        }
        for instance in &self.instances {
            start = start.instance(&instance.node, &instance.scene);
        }
        let project = Project::load_with(directory, &start, &Limits::default()).map_err(wrong)?;
        let has_scene = |path: &str| {
            let mut scenes = project
                .nodes
                .iter()
                .filter_map(|node| node.scene.as_deref());
            scenes.any(|scene| scene == path)
        };
        if let Some(scene) = self.main_scene.as_ref().filter(|scene| !has_scene(scene)) {
            return Err(wrong(format!("--main-scene {scene}: no such scene")));
        }
        let is_missing = |instance: &&CustomOption| project.node(&instance.node).is_none();
        if let Some(CustomOption { node, scene }) = self.instances.iter().find(is_missing) {
            let message =
                format!("--instance {node}={scene}: no such scene, or nothing above the node");
            return Err(wrong(message));
        }
        Ok(project)
    }
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
                let customs = self.customs.iter().map(|custom| custom.scene.as_str());
                let known: Vec<&str> = customs
                    .filter(|scene| is_file_of(directory, scene))
                    .collect();
                let project = self.start.load(directory, &known)?;
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
        self.adapt_at(place.scene, &place.node.path, config)
    }

    fn adapt_at(&self, scene: Option<&str>, node: &str, config: NodeConfig) -> NodeConfig {
        let has = |list: &[ScenePath]| {
            let mut places = list.iter();
            places.any(|place| place.scene.as_deref() == scene && place.node == node)
        };
        let mut config = config;
        if has(&self.named) {
            config = config.authority_from_name();
        }
        if has(&self.filtered) {
            config = config.filtered();
        }
        config
    }

    /// `--rpc` names methods of the project, or declares those of other nodes.
    fn check_rpcs(&self, project: &Project) -> io::Result<()> {
        for rpc in &self.rpcs {
            let known = match &rpc.scene {
                None => project.node(&rpc.node),
                Some(scene) => project.scene(scene).and_then(|scene| {
                    let mut nodes = scene.nodes.iter();
                    nodes.find(|node: &&ProjectNode| node.path == rpc.node)
                }),
            };
            if let Some(node) = known
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
        let called = self.rpcs.iter().filter_map(|rpc| rpc.scene.as_ref());
        let mut paths: Vec<&String> = Vec::new();
        for path in listed.chain(synchronized).chain(custom).chain(called) {
            let is_known = project.scenes().iter().any(|scene| scene.path() == path);
            if !is_known && !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
            .into_iter()
            .map(|path| {
                self.scene_by_hand(path)
                    .build()
                    .map_err(|error| wrong(format!("--sync or --rpc {path}: {error}")))
            })
            .collect()
    }

    fn scene_by_hand(&self, path: &str) -> SceneConfig {
        let mut plain = methods(&self.rpcs, Some(path));
        let root = plain.remove(".").unwrap_or_else(|| NodeConfig::new("."));
        let is_here = |synchronizer: &&SyncOption| synchronizer.at.scene.as_deref() == Some(path);
        let parts = self.synchronizers.iter().filter(is_here);
        core::iter::once(root)
            .chain(plain.into_values())
            .chain(parts.map(SyncOption::node_config))
            .map(|node| {
                let place = node.path().to_owned();
                self.adapt_at(Some(path), &place, node)
            })
            .fold(SceneConfig::new(path), SceneConfig::node)
    }

    /// Nodes that options declare: those with methods, parents of spawned nodes, roots of synchronizers, and these
    /// themselves.
    fn nodes_by_hand(&self, project: &Blueprint) -> Vec<NodeConfig> {
        let mut nodes = methods(&self.rpcs, None);
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
                let path = &synchronizer.at.node;
                parts.push(self.adapt_at(None, path, synchronizer.node_config()));
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

/// Whether a scene of a custom spawn is a file of the project and not one that options declare.
fn is_file_of(directory: &Path, scene: &str) -> bool {
    let file = scene.strip_prefix("res://").unwrap_or(scene);
    directory.join(file).is_file()
}

/// The nodes of one scene, or outside of scenes, that `rpcs` declare, by path.
fn methods(rpcs: &[RpcOption], scene: Option<&str>) -> BTreeMap<String, NodeConfig> {
    let mut nodes: BTreeMap<String, NodeConfig> = BTreeMap::new();
    for rpc in rpcs.iter().filter(|rpc| rpc.scene.as_deref() == scene) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> SceneOptions {
        SceneOptions {
            rpcs: vec![
                "Main:hello".parse().unwrap(),
                "res://unit.tscn#.:hit".parse().unwrap(),
                "res://unit.tscn#Body:turn".parse().unwrap(),
            ],
            spawners: vec!["Main/Spawner=../Units,res://unit.tscn".parse().unwrap()],
            synchronizers: vec![
                "res://unit.tscn#Sync=hp@on_change,Body:place"
                    .parse()
                    .unwrap(),
                "Main/Clock/Sync=time@never@no_spawn".parse().unwrap(),
            ],
            customs: vec!["Main/Spawner=res://unit.tscn".parse().unwrap()],
            named: vec!["res://unit.tscn#.".parse().unwrap()],
            filtered: vec!["res://unit.tscn#Sync".parse().unwrap()],
            project: None,
            start: StartOptions::default(),
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
        assert!(
            server
                .session()
                .rpc_table(unit)
                .unwrap()
                .find("hit")
                .is_some()
        );
        assert!(server.session().node("Main/Units/77/Body").is_some());
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
