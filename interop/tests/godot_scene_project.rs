//! A project that is read from its files and played with the engine that runs the same files, in both roles.

use gdwire::project::{Limits, Project, Start, Warning, WarningKind};
use gdwire::{Blueprint, Event};
use interop::arena;
use interop::engine;
use interop::stage::Stage;
use replication_proto::variant::Value;
use replication_proto::{DropReason, SpawnConfig, Target};
use serde_json::json;

/// How a test begins: without an engine there is nothing to test.
macro_rules! needs_godot {
    () => {
        if engine::installed().is_none() {
            return;
        }
    };
}

const PLAYER: &str = "res://player.tscn";

fn all(_: &str) -> bool {
    true
}

/// The project that the engine runs, with what its scripts do when they start.
fn blueprint() -> Blueprint {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/godot");
    let start = Start::new().instance("Peer/Arena", "res://arena.tscn");
    let project =
        Project::load_with(directory, &start, &Limits::default()).expect("a good project");
    // It names what scripts do at run time, which is told below.
    let is_told = |warning: &Warning| {
        let known = ["spawn_function", "set_multiplayer_authority"];
        matches!(&warning.kind, WarningKind::Runtime(what) if known.contains(&&**what))
    };
    let unknown = project.warnings.iter().find(|warning| !is_told(warning));
    assert_eq!(unknown, None);
    Blueprint::from_project_with(&project, |place, config| {
        if place.scene == Some(PLAYER) && place.node.path == "Input" {
            config.authority_from_name()
        } else {
            config
        }
    })
    .expect("a good project")
}

#[test]
fn a_project_that_is_read_is_served_to_the_engine() {
    needs_godot!();
    let mut stage = Stage::with_project(&blueprint());
    let (godot, id) = stage.joined_engine(&[arena::OPTION]);
    let spawn = |stage: &mut Stage, scene: &str, name: &str| {
        let scene = format!("res://{scene}.tscn");
        stage.spawn("UnitSpawner", SpawnConfig::scene_path(scene, name));
    };
    for (scene, name) in [("unit", "U"), ("squad", "S"), ("plain", "P"), ("slow", "L")] {
        spawn(&mut stage, scene, name);
    }
    spawn(&mut stage, "player", &id.to_string());
    stage.spawn("Units/S/CrewSpawner", SpawnConfig::scene(0, "Ann"));
    stage.until_same(godot, all);
    for (node, property, text) in [
        ("Units/U", "hp", "7"),
        ("Units/U", "mood", "-3"),
        ("Units/U", "bag", "Vector3(1, 2, 3)"),
        ("Units/S", "Body:position", "Vector2(4, 5)"),
        ("Units/S/Body", "rotation", "0.5"),
        ("Units/S/Crew/Ann", "heat", "0.1"),
        ("Units/L", "watched", "9"),
        ("Board", "title", "\"read from files\""),
    ] {
        stage.set(node, property, text);
    }
    let input = json!([[format!("Units/{id}"), "aim", "0.5"]]);
    stage.engines[godot].command(&json!({"do": "set", "changes": input}));
    stage.until("its input arrives", |stage| {
        stage.state()[&format!("{}/{id}", arena::UNITS)][".:aim"] == "0.5"
    });
    stage.until_same(godot, all);

    // Numbers of methods, those of a script in a spawned scene and those of the main scene.
    stage.call_node(Target::All, "Units/U", "cheer", &[Value::from("go")]);
    stage.engines[godot].rpc(1, "Arena/Units/U", "hit", "[7]");
    stage.engines[godot].rpc(1, "Calls", "ordered_on_2", "[8]");
    stage.call(Target::All, "unreliable_on_3", &[Value::Int(9)]);
    stage.until("all are called", |stage| {
        stage.engines[godot].calls().len() == 2 && stage.calls().count() == 2
    });
    assert!(stage.mismatch().is_none());
    assert_eq!(stage.engines[godot].noise(), "");
    assert_eq!(stage.session().stats().dropped_total(), 0);
}

#[test]
fn a_project_that_is_read_joins_the_engine() {
    needs_godot!();
    let blueprint = blueprint();
    let mut stage = Stage::client_with_project(&blueprint, &[arena::OPTION]);
    let own = stage.session().id().value().to_string();
    let order = |stage: &mut Stage, command: &serde_json::Value| stage.engines[0].command(command);
    for (scene, names) in [
        ("unit", vec!["U", "V"]),
        ("squad", vec!["S"]),
        ("bulk", vec!["B"]),
        ("player", vec![own.as_str()]),
    ] {
        order(
            &mut stage,
            &json!({"do": "spawn", "scene": scene, "names": names}),
        );
    }
    let crew = json!({"do": "spawn", "scene": "unit", "names": ["Ann"], "under": "Units/S/Crew"});
    order(&mut stage, &crew);
    let data = "{\"name\": \"C\", \"label\": \"custom\"}";
    order(&mut stage, &json!({"do": "custom", "data": data}));

    // What a custom spawn is stands in a script, so the program is asked.
    let request = |event: &Event| match event {
        Event::SpawnRequested(request) => Some(request.id),
        _ => None,
    };
    stage.until("it is asked", |stage| {
        stage.events.iter().any(|event| request(event).is_some())
    });
    let id = stage.events.iter().find_map(request).expect("one");
    let unit = blueprint
        .scenes()
        .iter()
        .find(|scene| scene.path() == "res://unit.tscn");
    assert!(stage.answer(id, unit).is_accepted());
    stage.until_same(0, all);

    let changes = json!([
        ["Units/U", "hp", "1"],
        ["Units/V", "bag", "[null, {}]"],
        ["Units/S", "morale", "0.25"],
        ["Units/S/Crew/Ann", "position", "Vector2(1, 1)"],
        ["Units/B", "note", "\"large\""]
    ]);
    order(&mut stage, &json!({"do": "set", "changes": changes}));
    let player = format!("Units/{own}");
    stage.set(&player, "steer", "Vector2(0, 1)");
    stage.set(&player, "aim", "2.5");
    stage.until_same(0, all);
    let server = replication_proto::PeerId::SERVER;
    stage.call_node(server, "Units/V", "hit", &[Value::Int(7)]);
    stage.until("it is called", |stage| {
        stage.engines[0].calls() == [("hit".to_owned(), "[7]".to_owned())]
    });
    assert_eq!(stage.engines[0].noise(), "");
    // Unreliable state does not wait for an answer.
    let stats = stage.session().stats();
    assert_eq!(stats.dropped_total(), stats.dropped(DropReason::Held));
}
