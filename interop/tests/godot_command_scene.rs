//! Scenes between the `gdwire` command and the engine, both told what to do by lines of JSON.

use interop::engine::{self, Engine};
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};

macro_rules! needs_both {
    () => {
        if engine::installed().is_none() || engine::command().is_none() {
            return;
        }
    };
}

/// What the command must be told of the project beside its files.
const PROJECT: [&str; 12] = [
    "--project",
    concat!(env!("CARGO_MANIFEST_DIR"), "/godot"),
    "--instance",
    "Peer/Arena=res://arena.tscn",
    "--custom",
    "Peer/Arena/UnitSpawner=res://unit.tscn",
    "--owner-from-name",
    "res://player.tscn#Input",
    "--filtered",
    "res://squad.tscn#Sync",
    "--stats",
    "30",
];

const UNITS: &str = "Peer/Arena/Units";

/// The command and an engine.
struct Pair {
    command: Engine,
    godot: Engine,
}

impl Pair {
    /// The command hosts, the engine joins.
    fn hosted() -> Self {
        let mut arguments = vec!["host", "enet://127.0.0.1:0"];
        arguments.extend(PROJECT);
        let mut command = Engine::start_command(&arguments);
        wait_for(&mut command, "listening");
        let address = command.all("listening").next().expect("it listens")["address"].clone();
        let port = address.as_str().unwrap().rsplit(':').next().unwrap();
        let godot = Engine::start(&[format!("--port={port}"), "--arena".to_owned()]);
        let mut pair = Self { command, godot };
        pair.until("both are in the game", |pair| {
            pair.command.has("peer_connected") && pair.godot.has_of("peer_connected", 1)
        });
        pair
    }

    /// The engine hosts, the command joins with this id.
    fn joined(id: &str) -> Self {
        let mut godot = Engine::start(&["--role=server".to_owned(), "--arena".to_owned()]);
        wait_for(&mut godot, "listening");
        let url = format!("enet://127.0.0.1:{}", godot.port());
        let mut arguments = vec!["connect", &url, "--id", id];
        arguments.extend(PROJECT);
        let command = Engine::start_command(&arguments);
        let mut pair = Self { command, godot };
        pair.until("both are in the game", |pair| {
            pair.command.has("connected") && pair.godot.has("peer_connected")
        });
        pair
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !done(self) {
            self.command.pump(Duration::from_millis(5));
            self.godot.pump(Duration::from_millis(5));
            assert!(
                Instant::now() < deadline,
                "waiting in vain: {what}\n{:#?}\n{:#?}\n{}\n{}",
                self.command.events,
                self.godot.events,
                self.command.noise(),
                self.godot.noise()
            );
        }
    }

    /// The text of a property at the engine, asked now; nothing if the node is not there.
    fn at_engine(&mut self, node: &str, property: &str) -> Option<String> {
        let token = self.godot.all("dump").count();
        self.godot.command(&json!({"do": "dump", "token": token}));
        self.until("the engine tells its state", |pair| {
            pair.godot.all("dump").count() > token
        });
        let dump = self.godot.all("dump").last().expect("it has told");
        let value = &dump["nodes"][node][property];
        value.as_str().map(str::to_owned)
    }

    fn until_at_engine(&mut self, node: &str, property: &str, expected: Option<&str>) {
        let what = format!("{node}:{property} is {expected:?} at the engine");
        self.until(&what, |pair| {
            pair.at_engine(node, property).as_deref() == expected
        });
    }

    /// Waits for an event of the command that has all these fields.
    fn until_event(&mut self, fields: &Json) -> Json {
        let fields = fields.as_object().expect("an object").clone();
        let is_it = |event: &&Json| fields.iter().all(|(key, value)| event[key] == *value);
        self.until(&format!("the event {fields:?}"), |pair| {
            pair.command.events.iter().any(|event| is_it(&event))
        });
        let mut events = self.command.events.iter().rev();
        events.find(is_it).expect("waited for").clone()
    }

    /// Waits until the command has been told of these properties of a node.
    fn until_sync(&mut self, node: &str, properties: &Json) -> Json {
        let properties = properties.as_object().expect("an object").clone();
        let is_it = |event: &&Json| {
            let has = |(path, value): (&String, &Json)| event["properties"][path] == *value;
            event["event"] == "sync" && event["node"] == node && properties.iter().all(has)
        };
        self.until(&format!("{node} has {properties:?}"), |pair| {
            pair.command.events.iter().any(|event| is_it(&event))
        });
        let mut events = self.command.events.iter();
        events.find(is_it).expect("waited for").clone()
    }

    fn no_complaints(&self) {
        assert_eq!(self.godot.noise(), "");
        let errors: Vec<&Json> = self.command.all("error").collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
}

fn wait_for(program: &mut Engine, event: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !program.has(event) {
        program.pump(Duration::from_millis(20));
        assert!(Instant::now() < deadline, "no {event}: {}", program.noise());
    }
}

#[test]
fn the_command_hosts_a_scene_for_the_engine() {
    needs_both!();
    let mut pair = Pair::hosted();
    let id = pair.godot.id();
    let unit = format!("{UNITS}/A");

    // A spawn is told here and arrives there, by scene and by argument.
    pair.command.command(&json!({
        "do": "spawn", "spawner": "Peer/Arena/UnitSpawner", "scene": "res://unit.tscn", "name": "A",
        "properties": {"hp": 30, "position": {"gd": "Vector2(1, 2)"}, "label": "of the command"}
    }));
    let here = pair.until_event(&json!({"event": "spawned", "node": unit}));
    assert_eq!(
        (&here["peer"], &here["scene"], &here["properties"][".:hp"]),
        (&json!(1), &json!("res://unit.tscn"), &json!(30))
    );
    assert!(here["net_id"].is_u64(), "{here}");
    pair.until_at_engine(&unit, ".:label", Some("\"of the command\""));
    pair.until_at_engine(&unit, ".:hp", Some("30"));
    pair.command.command(&json!({
        "do": "spawn", "spawner": "Peer/Arena/UnitSpawner", "name": "C",
        "custom": {"name": "C", "label": "from the argument"},
        "properties": {"label": "from the argument"}
    }));
    pair.until_at_engine(
        &format!("{UNITS}/C"),
        ".:label",
        Some("\"from the argument\""),
    );

    // Always, on change, and text of every kind of value.
    pair.command
        .command(&json!({"do": "set", "node": unit, "properties": {
            "hp": 29, "mood": -7, "heat": 0.1, "bag": {"gd": "PackedInt32Array(1, 2)"}
        }}));
    for (property, text) in [
        (".:hp", "29"),
        (".:mood", "-7"),
        (".:heat", "0.1"),
        (".:bag", "PackedInt32Array(1, 2)"),
    ] {
        pair.until_at_engine(&unit, property, Some(text));
    }

    // A call to a method that the scene's script declares, both ways.
    pair.command
        .command(&json!({"do": "rpc", "peer": 0, "node": unit, "method": "cheer", "args": ["go"]}));
    pair.godot.rpc(1, "Arena/Units/A", "hit", "[7]");
    pair.until_event(
        &json!({"event": "rpc", "node": unit, "method": "hit", "args": [7], "peer": id}),
    );
    pair.until("the engine is called", |pair| {
        pair.godot.calls() == [("cheer".to_owned(), "[\"go\"]".to_owned())]
    });

    // Visibility, what changed meanwhile included.
    let show =
        |visible: bool| json!({"do": "visibility", "node": unit, "peer": id, "visible": visible});
    pair.command.command(&show(false));
    pair.until_at_engine(&unit, ".:hp", None);
    pair.command
        .command(&json!({"do": "set", "node": unit, "properties": {"mood": 5}}));
    pair.command.command(&show(true));
    pair.until_at_engine(&unit, ".:mood", Some("5"));

    // A filter, asked through the command.
    pair.command.command(
        &json!({"do": "spawn", "spawner": "Peer/Arena/UnitSpawner", "scene": 1, "name": "S"}),
    );
    let squad = format!("{UNITS}/S");
    pair.until_event(&json!({"event": "spawned", "node": squad}));
    pair.command
        .command(&json!({"do": "relevant", "peer": id, "nodes": [squad]}));
    pair.until_at_engine(&squad, ".:strength", Some("1"));

    // Input of the engine, under a number that its name says, and authority that is handed over.
    let player = format!("{UNITS}/{id}");
    pair.command.command(&json!({
        "do": "spawn", "spawner": "Peer/Arena/UnitSpawner", "scene": "res://player.tscn", "name": id.to_string()
    }));
    pair.until_at_engine(&player, ".:score", Some("0"));
    pair.godot
        .command(&json!({"do": "set", "changes": [[format!("Units/{id}"), "aim", "0.5"]]}));
    let sync = pair.until_sync(&player, &json!({".:aim": 0.5}));
    assert_eq!(
        (&sync["peer"], &sync["delta"], &sync["synchronizer"]),
        (&json!(id), &json!(true), &json!(format!("{player}/Input")))
    );
    let board = json!({"do": "authority", "node": "Peer/Arena/Board/Sync", "peer": id});
    pair.command.command(&board);
    // State that left before must not arrive behind the engine's own change of authority.
    let mark = json!({"do": "rpc", "peer": id, "node": unit, "method": "cheer", "args": ["mark"]});
    pair.command.command(&mark);
    pair.until("the call overtakes nothing", |pair| {
        pair.godot.calls().len() == 2
    });
    pair.godot
        .command(&json!({"do": "authority", "node": "Board/Sync", "peer": id}));
    pair.godot
        .command(&json!({"do": "set", "changes": [["Board", "title", "\"by the client\""]]}));
    pair.until_sync("Peer/Arena/Board", &json!({".:title": "by the client"}));

    // A budget that lets one thing through at a time.
    pair.command
        .command(&json!({"do": "budget", "peer": id, "bytes": 30}));
    pair.command
        .command(&json!({"do": "priority", "node": unit, "priority": 3}));
    pair.command
        .command(&json!({"do": "set", "node": unit, "properties": {"hp": 1, "mood": 77}}));
    pair.until_at_engine(&unit, ".:hp", Some("1"));
    pair.until_at_engine(&unit, ".:mood", Some("77"));

    pair.command
        .command(&json!({"do": "despawn", "node": unit}));
    pair.until_event(&json!({"event": "despawned", "peer": 1, "node": unit}));
    pair.until_at_engine(&unit, ".:hp", None);
    pair.no_complaints();
}

#[test]
fn the_command_follows_a_scene_of_the_engine() {
    needs_both!();
    let mut pair = Pair::joined("4711");
    let unit = format!("{UNITS}/A");
    pair.godot.command(&json!({
        "do": "spawn", "scene": "unit", "names": ["A"], "changes": [["hp", "30"], ["label", "\"of the engine\""]]
    }));
    let spawned = pair.until_event(&json!({"event": "spawned", "node": unit}));
    assert_eq!(spawned["scene"], "res://unit.tscn");
    assert_eq!(
        (
            &spawned["properties"][".:hp"],
            &spawned["properties"][".:label"]
        ),
        (&json!(30), &json!("of the engine"))
    );
    pair.godot
        .command(&json!({"do": "custom", "data": "{\"name\": \"C\", \"label\": \"x\"}"}));
    let custom = pair.until_event(&json!({"event": "spawned", "node": format!("{UNITS}/C")}));
    assert_eq!(custom["custom"], json!({"name": "C", "label": "x"}));

    pair.godot.command(
        &json!({"do": "set", "changes": [["Units/A", "mood", "9"], ["Units/A", "heat", "0.25"]]}),
    );
    let delta = pair.until_sync(&unit, &json!({".:mood": 9}));
    assert_eq!(
        (&delta["delta"], &delta["time"]),
        (&json!(true), &Json::Null)
    );
    let full = pair.until_sync(&unit, &json!({".:heat": 0.25}));
    assert_eq!(full["delta"], false);
    assert!(full["time"].is_u64(), "{full}");

    // Hidden by the engine's filter, and seen again.
    pair.godot
        .command(&json!({"do": "hide", "peer": 4711, "names": ["A"]}));
    pair.until_event(&json!({"event": "despawned", "peer": 1, "node": unit}));
    pair.godot
        .command(&json!({"do": "set", "changes": [["Units/A", "hp", "31"]]}));
    pair.godot
        .command(&json!({"do": "hide", "peer": 4711, "names": []}));
    pair.until("it is spawned again", |pair| {
        let again =
            |event: &&Json| event["node"] == unit.as_str() && event["properties"][".:hp"] == 31;
        pair.command.all("spawned").any(|event| again(&event))
    });

    // Input of the command's own player, and what it may not set.
    pair.godot
        .command(&json!({"do": "spawn", "scene": "player", "names": ["4711"]}));
    let player = format!("{UNITS}/4711");
    pair.until_event(&json!({"event": "spawned", "node": player}));
    pair.command
        .command(&json!({"do": "set", "node": player, "properties": {
            "aim": 0.75, "steer": {"gd": "Vector2(3, 4)"}
        }}));
    pair.until_at_engine(&player, ".:aim", Some("0.75"));
    pair.until_at_engine(&player, ".:steer", Some("Vector2(3, 4)"));

    // Its own state can be hidden from the server.
    let show = |visible: bool| json!({"do": "visibility", "node": format!("{player}/Input"), "peer": 1, "visible": visible});
    pair.command.command(&show(false));
    pair.command
        .command(&json!({"do": "set", "node": player, "properties": {"aim": 0.5}}));
    let mark = json!({"do": "rpc", "peer": 1, "node": "Peer/Calls", "method": "no_arguments"});
    pair.command.command(&mark);
    pair.until("the call overtakes nothing", |pair| pair.godot.has("rpc"));
    assert_eq!(pair.at_engine(&player, ".:aim").as_deref(), Some("0.75"));
    pair.command.command(&show(true));
    pair.until_at_engine(&player, ".:aim", Some("0.5"));

    // A spawner that both hand to the command, and a spawn by it. The engine cannot hide what it spawned by it before,
    // and complains about input for a node that it has freed.
    pair.command.command(&show(false));
    pair.command.command(&mark);
    pair.until("input ends", |pair| pair.godot.calls().len() == 2);
    for node in ["Units/A", "Units/C", "Units/4711"] {
        pair.godot.command(&json!({"do": "free", "node": node}));
    }
    pair.until_event(&json!({"event": "despawned", "node": player}));
    pair.godot
        .command(&json!({"do": "authority", "node": "UnitSpawner", "peer": 4711}));
    pair.at_engine(&player, ".:aim");
    pair.command
        .command(&json!({"do": "authority", "node": "Peer/Arena/UnitSpawner", "peer": 4711}));
    pair.command.command(&json!({
        "do": "spawn", "spawner": "Peer/Arena/UnitSpawner", "scene": "res://plain.tscn", "name": "Rock"
    }));
    let rock = format!("{UNITS}/Rock");
    let here = pair.until_event(&json!({"event": "spawned", "node": rock}));
    assert_eq!(here["peer"], 4711);
    let exists = |pair: &mut Pair| {
        pair.at_engine(&player, ".:aim");
        pair.godot
            .all("dump")
            .last()
            .is_some_and(|dump| dump["nodes"].get(&rock).is_some())
    };
    pair.until("the engine has it", exists);
    pair.command
        .command(&json!({"do": "despawn", "node": rock}));
    pair.until("the engine has it no more", |pair| !exists(pair));
    pair.no_complaints();
}
