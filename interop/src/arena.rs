//! The scene of `godot/arena.tscn` as our side declares it, and the comparison of both sides' state.

use crate::engine::{Engine, number};
use crate::stage::{Ours, Stage, machine, peer_id};
use replication_proto::variant::{Value, Vector2, text};
use replication_proto::{
    Budget, NodeConfig, NodeKey, PropertyConfig, RpcConfig, Scene, SceneConfig, SpawnConfig,
    SpawnError, SpawnerConfig, SynchronizerConfig, Verdict, Visibility,
};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Option of an engine that is to have the scene.
pub const OPTION: &str = "--arena";

/// Path of the scene.
pub const ARENA: &str = "Peer/Arena";

/// Path below which units appear.
pub const UNITS: &str = "Peer/Arena/Units";

/// The interval of full states in `slow.tscn`.
pub const FULL_INTERVAL: Duration = Duration::from_millis(200);

/// The interval of deltas in `slow.tscn`.
pub const DELTA_INTERVAL: Duration = Duration::from_millis(500);

/// The limit of the spawner in `arena.tscn` that has one.
pub const LIMIT: u32 = 3;

/// The longest that both sides may differ.
const PATIENCE: Duration = Duration::from_secs(60);

/// Path of each node to its replicated properties, each to its value as `var_to_str` writes it.
pub type State = BTreeMap<String, BTreeMap<String, String>>;

/// Whether the units of our side have a visibility filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// They have.
    Filtered,
    /// Everybody sees them.
    Unfiltered,
}

/// A side of a comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// What becomes of custom spawns at our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Custom {
    /// Each is a unit.
    Unit,
    /// The test is asked, by an event.
    Asked,
}

/// The value that Godot writes so.
///
/// # Panics
/// When Godot would not write so.
#[must_use]
pub fn value(godot: &str) -> Value {
    text::from_text(godot).expect("Godot's own text")
}

fn zero() -> Value {
    Value::from(Vector2::default())
}

/// What `unit.tscn` declares.
///
/// # Panics
/// Never, as its nodes are good.
#[must_use]
pub fn unit(filter: Filter) -> Scene {
    let state = SynchronizerConfig::new()
        .property(PropertyConfig::new("hp").initial(100))
        .property(PropertyConfig::new("position").initial(zero()).on_change())
        .property(PropertyConfig::new("label").initial("").never())
        .property(
            PropertyConfig::new("mood")
                .initial(0)
                .on_change()
                .without_spawn(),
        )
        .property(PropertyConfig::new("heat").initial(0.0).without_spawn())
        .property(PropertyConfig::new("bag").any_type().on_change());
    let state = match filter {
        Filter::Filtered => state.filtered(),
        Filter::Unfiltered => state,
    };
    let root = NodeConfig::new(".")
        .rpc(RpcConfig::new("hit").any_peer())
        .rpc(RpcConfig::new("cheer"));
    SceneConfig::new("res://unit.tscn")
        .node(root)
        .node(NodeConfig::new("Sync").synchronizer(state))
        .build()
        .expect("a good scene")
}

/// What `squad.tscn` declares.
fn squad() -> Scene {
    let one = Value::from(Vector2::new(1.0, 1.0));
    let body = SynchronizerConfig::new()
        .property(PropertyConfig::new("rotation").initial(0.0))
        .property(PropertyConfig::new("scale").initial(one).on_change());
    let far = SynchronizerConfig::new()
        .root("../..")
        .property(PropertyConfig::new("morale").initial(1.0).on_change());
    let near = SynchronizerConfig::new()
        .property(PropertyConfig::new("banner").initial("").never())
        .property(
            PropertyConfig::new("Body:position")
                .initial(zero())
                .on_change(),
        )
        .property(PropertyConfig::new("strength").initial(1));
    let crew = SpawnerConfig::new("../Crew").scene("res://unit.tscn");
    SceneConfig::new("res://squad.tscn")
        .node(NodeConfig::new("."))
        .node(NodeConfig::new("Body"))
        .node(NodeConfig::new("Body/BodySync").synchronizer(body))
        .node(NodeConfig::new("Body/FarSync").synchronizer(far))
        .node(NodeConfig::new("CrewSpawner").spawner(crew))
        .node(NodeConfig::new("Sync").synchronizer(near))
        .build()
        .expect("a good scene")
}

/// What `player.tscn` declares.
fn player() -> Scene {
    let server = SynchronizerConfig::new()
        .property(PropertyConfig::new("position").initial(zero()))
        .property(PropertyConfig::new("score").initial(0).on_change());
    let input = SynchronizerConfig::new()
        .property(PropertyConfig::new("steer").initial(zero()))
        .property(
            PropertyConfig::new("aim")
                .initial(0.0)
                .on_change()
                .without_spawn(),
        );
    let input = NodeConfig::new("Input")
        .authority_from_name()
        .synchronizer(input);
    SceneConfig::new("res://player.tscn")
        .node(NodeConfig::new("."))
        .node(NodeConfig::new("ServerSync").synchronizer(server))
        .node(input)
        .build()
        .expect("a good scene")
}

/// What `bulk.tscn` declares.
fn bulk() -> Scene {
    let state = SynchronizerConfig::new()
        .property(PropertyConfig::new("blob").any_type())
        .property(PropertyConfig::new("note").initial("").on_change());
    one_synchronizer("res://bulk.tscn", state)
}

/// What `slow.tscn` declares.
fn slow() -> Scene {
    let state = SynchronizerConfig::new()
        .replication_interval(FULL_INTERVAL)
        .delta_interval(DELTA_INTERVAL)
        .property(PropertyConfig::new("always").initial(0))
        .property(PropertyConfig::new("watched").initial(0).on_change());
    one_synchronizer("res://slow.tscn", state)
}

fn one_synchronizer(path: &str, state: SynchronizerConfig) -> Scene {
    SceneConfig::new(path)
        .node(NodeConfig::new("."))
        .node(NodeConfig::new("Sync").synchronizer(state))
        .build()
        .expect("a good scene")
}

fn board() -> SynchronizerConfig {
    SynchronizerConfig::new()
        .property(PropertyConfig::new("score").initial(0))
        .property(PropertyConfig::new("title").initial("").on_change())
}

impl Stage {
    /// Declares the scene at our side, custom spawns being units.
    ///
    /// # Panics
    /// When it is there already.
    #[must_use]
    pub fn with_arena(self, filter: Filter) -> Self {
        self.with_arena_as(filter, Custom::Unit, LIMIT)
    }

    /// Declares the scene at our side. The spawner with a limit has this one.
    ///
    /// # Panics
    /// When it is there already.
    #[must_use]
    pub fn with_arena_as(mut self, filter: Filter, custom: Custom, limit: u32) -> Self {
        let plain = SceneConfig::new("res://plain.tscn").build();
        let plain = plain.expect("a good scene");
        let scenes = [unit(filter), squad(), player(), plain, bulk(), slow()];
        let spawner = scenes
            .iter()
            .fold(SpawnerConfig::new("../Units"), |spawner, scene| {
                spawner.scene(scene.path())
            });
        let spawner = match custom {
            Custom::Unit => spawner.custom_scene("res://unit.tscn"),
            Custom::Asked => spawner.custom_requested(),
        };
        let few = SpawnerConfig::new("../Few")
            .scene("res://plain.tscn")
            .custom_scene("res://plain.tscn")
            .limit(limit);
        for scene in &scenes {
            machine!(self.ours(), machine => machine.add_scene(scene)).expect("a new scene");
        }
        for node in [
            NodeConfig::new(format!("{ARENA}/UnitSpawner")).spawner(spawner),
            NodeConfig::new(format!("{ARENA}/FewSpawner")).spawner(few),
            NodeConfig::new(format!("{ARENA}/Board")),
            NodeConfig::new(format!("{ARENA}/Board/Sync")).synchronizer(board()),
        ] {
            machine!(self.ours(), machine => machine.add_node(node)).expect("a good node");
        }
        self
    }

    /// The node of our side below the scene.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn key(&self, path: &str) -> NodeKey {
        let path = format!("{ARENA}/{path}");
        self.session()
            .node(&path)
            .unwrap_or_else(|| panic!("no node {path} here\n{}", self.report()))
    }

    /// Spawns at our side by the spawner at this path.
    ///
    /// # Panics
    /// When our side refuses.
    pub fn spawn(&mut self, spawner: &str, spawn: SpawnConfig) -> NodeKey {
        let spawner = self.key(spawner);
        machine!(self.ours(), machine => machine.spawn(spawner, spawn)).expect("a good spawn")
    }

    /// As [`Stage::spawn`], where our side may refuse.
    ///
    /// # Errors
    /// Why.
    pub fn try_spawn(
        &mut self,
        spawner: NodeKey,
        spawn: SpawnConfig,
    ) -> Result<NodeKey, SpawnError> {
        machine!(self.ours(), machine => machine.spawn(spawner, spawn))
    }

    /// Says at our side what a custom spawn is, or refuses it.
    pub fn answer(&mut self, request: u64, scene: Option<&Scene>) -> Verdict {
        machine!(self.ours(), machine => machine.answer_spawn(request, scene))
    }

    /// Limits what our side sends to a peer per frame.
    pub fn set_budget(&mut self, peer: i32, budget: Option<Budget>) {
        machine!(self.ours(), machine => machine.set_budget(peer_id(peer), budget));
    }

    /// Sets how urgent a node of our side is.
    ///
    /// # Panics
    /// When our side refuses.
    pub fn set_priority(&mut self, node: NodeKey, priority: u16) {
        machine!(self.ours(), machine => machine.set_priority(node, priority))
            .expect("a node with synchronizers");
    }

    /// Despawns at our side.
    ///
    /// # Panics
    /// When our side refuses.
    pub fn despawn(&mut self, path: &str) {
        let node = self.key(path);
        machine!(self.ours(), machine => machine.despawn(node)).expect("a node spawned here");
    }

    /// Sets a property at our side.
    ///
    /// # Panics
    /// When our side refuses.
    pub fn set(&mut self, path: &str, property: &str, godot: &str) {
        let (node, value) = (self.key(path), value(godot));
        machine!(self.ours(), machine => machine.set(node, property, value))
            .unwrap_or_else(|error| panic!("{path}:{property}: {error}"));
    }

    /// Sets an authority at our side.
    ///
    /// # Panics
    /// When our side refuses.
    pub fn set_authority(&mut self, path: &str, peer: i32) {
        let node = self.key(path);
        machine!(self.ours(), machine => machine.set_authority(node, peer_id(peer)))
            .expect("a node that is there");
    }

    /// Shows or hides a node at our side.
    ///
    /// # Panics
    /// When our side refuses.
    pub fn set_visibility(&mut self, path: &str, peer: i32, visibility: Visibility) {
        let node = self.key(path);
        machine!(self.ours(), machine => machine.set_visibility(node, peer_id(peer), visibility))
            .expect("a node with synchronizers");
    }

    /// Makes a node of our side public or private.
    ///
    /// # Panics
    /// When our side refuses.
    pub fn set_public(&mut self, path: &str, visibility: Visibility) {
        let node = self.key(path);
        machine!(self.ours(), machine => machine.set_public_visibility(node, visibility))
            .expect("a node with synchronizers");
    }

    /// Frees a node at our side only.
    ///
    /// # Panics
    /// When our side refuses.
    pub fn free_here(&mut self, path: &str) {
        let node = self.key(path);
        machine!(self.ours(), machine => machine.remove_node(node)).expect("a node that is there");
    }

    /// Runs the visibility filter of our side: by peer and name of the unit.
    pub fn filter(&mut self, sees: impl Fn(i32, &str) -> bool) {
        let session = self.session();
        let names: BTreeMap<NodeKey, String> = session
            .nodes()
            .filter_map(|node| {
                Some((
                    node,
                    session.node_path(node)?.rsplit('/').next()?.to_owned(),
                ))
            })
            .collect();
        let filter = |peer: replication_proto::PeerId, node: NodeKey| {
            names
                .get(&node)
                .is_some_and(|name| sees(peer.value(), name))
        };
        machine!(self.ours(), machine => machine.update_visibility(filter));
    }

    /// Calls a method of a node of the scene from our side.
    ///
    /// # Panics
    /// When our side refuses.
    pub fn call_node(
        &mut self,
        target: impl Into<replication_proto::Target>,
        path: &str,
        method: &str,
        arguments: &[Value],
    ) -> usize {
        let node = self.key(path);
        machine!(self.ours(), machine => machine.rpc(target, node, method, arguments))
            .expect("a call that is allowed")
    }

    /// What our side holds of the scene.
    #[must_use]
    pub fn state(&self) -> State {
        let session = self.session();
        let mut state = State::new();
        for (node, _) in session.spawned_nodes() {
            let path = session.node_path(node).expect("it is there");
            state.insert(path.to_owned(), BTreeMap::new());
        }
        for node in session.nodes() {
            let mut properties = session.properties(node).peekable();
            if properties.peek().is_none() {
                continue;
            }
            let path = session.node_path(node).expect("it is there");
            let properties =
                properties.map(|(path, value)| (path.to_owned(), text::to_text(value)));
            state.insert(path.to_owned(), properties.collect());
        }
        state
    }

    /// What an engine holds of the scene, asked now.
    ///
    /// # Panics
    /// When it does not answer in time.
    pub fn engine_state(&mut self, engine: usize) -> State {
        let token = self.engines[engine].all("dump").count();
        self.engines[engine].command(&json!({"do": "dump", "token": token}));
        self.until_within(PATIENCE, "the engine tells its state", |stage| {
            stage.engines[engine].all("dump").count() > token
        });
        last_dump(&self.engines[engine])
    }

    /// How many full states and deltas came at an engine, by node below the arena: of those that it was told to count.
    ///
    /// # Panics
    /// When it does not answer in time.
    pub fn engine_counts(&mut self, engine: usize) -> BTreeMap<String, (u64, u64)> {
        let known = self.engines[engine].all("counts").count();
        self.engines[engine].command(&json!({"do": "counts"}));
        self.until_within(PATIENCE, "the engine tells its counts", |stage| {
            stage.engines[engine].all("counts").count() > known
        });
        let told = self.engines[engine].all("counts").last();
        let counts = told.and_then(|event| event["counts"].as_object());
        let count = |count: &Json| count.as_f64().map_or(0, |count| count as u64);
        let counts = counts.expect("a dictionary").iter();
        counts
            .map(|(path, counts)| (path.clone(), (count(&counts[0]), count(&counts[1]))))
            .collect()
    }

    /// Waits until an engine's state and ours are the same, but for nodes of the server that it shall not see.
    ///
    /// # Panics
    /// When that takes too long, with the differences.
    pub fn until_same(&mut self, engine: usize, sees: impl Fn(&str) -> bool) {
        self.until_alike(engine, |side, path| side == Side::Client || sees(path));
    }

    /// Waits until an engine's state and ours are the same, but for nodes whose path ends so.
    ///
    /// # Panics
    /// As [`Stage::until_same`].
    pub fn until_same_but(&mut self, engine: usize, ending: &str) {
        self.until_alike(engine, |_, path| !path.ends_with(ending));
    }

    fn until_alike(&mut self, engine: usize, counts: impl Fn(Side, &str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut theirs = self.engine_state(engine);
            let mut ours = self.state();
            let (here, there) = match self.ours() {
                Ours::Server(_) => (Side::Server, Side::Client),
                Ours::Client(_) => (Side::Client, Side::Server),
            };
            ours.retain(|path, _| counts(here, path));
            theirs.retain(|path, _| counts(there, path));
            if ours == theirs {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "engine {engine} and our side differ:\n{}\nnoise: {}\nstats: {:?}",
                differences(&ours, &theirs),
                self.engines[engine].noise(),
                self.session().stats(),
            );
            self.play(Duration::from_millis(30));
        }
    }
}

fn last_dump(engine: &Engine) -> State {
    let event = engine.all("dump").last().expect("it has told");
    assert!(number(event, "token").is_some());
    let nodes = event["nodes"].as_object().expect("a dictionary");
    let texts = |properties: &Json| -> BTreeMap<String, String> {
        let properties = properties.as_object().expect("a dictionary");
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        properties
            .iter()
            .map(|(path, value)| (path.clone(), text(value)))
            .collect()
    };
    nodes
        .iter()
        .map(|(path, properties)| (path.clone(), texts(properties)))
        .collect()
}

fn differences(ours: &State, theirs: &State) -> String {
    let mut lines = Vec::new();
    for path in ours
        .keys()
        .chain(theirs.keys().filter(|path| !ours.contains_key(*path)))
    {
        match (ours.get(path), theirs.get(path)) {
            (Some(_), None) => lines.push(format!("{path}: only here")),
            (None, Some(_)) => lines.push(format!("{path}: only there")),
            (Some(ours), Some(theirs)) if ours != theirs => {
                for (property, value) in ours {
                    let there = theirs.get(property);
                    if there != Some(value) {
                        lines.push(format!(
                            "{path}:{property}: here {value:.80}, there {there:.80?}"
                        ));
                    }
                }
            }
            _ => {}
        }
    }
    lines.truncate(40);
    lines.join("\n")
}
