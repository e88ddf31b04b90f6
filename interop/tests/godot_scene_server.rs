//! Scenes that our server replicates to Godot's own clients: the engine's idea of the state equals ours.

use gdwire::Event;
use interop::arena::{self, Filter, UNITS};
use interop::engine;
use interop::stage::{Stage, peer_id};
use replication_proto::variant::Value;
use replication_proto::{PeerId, SpawnConfig, Target, Visibility};
use serde_json::json;
use std::time::Duration;

/// How a test begins: without an engine there is nothing to test.
macro_rules! needs_godot {
    () => {
        if engine::installed().is_none() {
            return;
        }
    };
}

const SPAWNER: &str = "UnitSpawner";

/// Time in which what is on its way arrives.
const A_WHILE: Duration = Duration::from_millis(150);

fn all(_: &str) -> bool {
    true
}

fn unit(name: &str) -> SpawnConfig {
    SpawnConfig::scene_path("res://unit.tscn", name)
}

fn player(name: &str) -> SpawnConfig {
    SpawnConfig::scene_path("res://player.tscn", name)
}

fn stage(filter: Filter) -> Stage {
    Stage::server().with_arena(filter)
}

/// A large value: `count` bytes that differ.
fn bytes(count: usize) -> String {
    let bytes: Vec<String> = (0..count).map(|at| (at % 251).to_string()).collect();
    format!("PackedByteArray({})", bytes.join(", "))
}

/// A hundred units, two squads with crews, a custom spawn, a plain node and the static board, all with some state.
fn populate(stage: &mut Stage) {
    for number in 0..100_i32 {
        let spawn = unit(&format!("U{number}"))
            .property("hp", number)
            .property("label", format!("unit {number}"))
            .property(
                "position",
                arena::value(&format!("Vector2({number}, -0.5)")),
            )
            .property("mood", -number);
        stage.spawn(SPAWNER, spawn);
    }
    for name in ["S1", "S2"] {
        let squad = SpawnConfig::scene_path("res://squad.tscn", name)
            .property("banner", format!("banner of {name}"))
            .property("Body:position", arena::value("Vector2(3, 4)"));
        stage.spawn(SPAWNER, squad);
        for member in ["Ann", "Bob"] {
            let spawner = format!("Units/{name}/CrewSpawner");
            stage.spawn(&spawner, unit(member).property("hp", 5));
        }
    }
    stage.spawn(SPAWNER, SpawnConfig::scene_path("res://plain.tscn", "Rock"));
    let argument = arena::value("{\"name\": \"ignored\", \"label\": \"from the argument\"}");
    let custom = SpawnConfig::custom(argument, "Custom").property("label", "from the argument");
    stage.spawn(SPAWNER, custom);
    stage.set("Board", "title", "\"first\"");
}

#[test]
fn a_scene_of_a_hundred_units_is_the_same_at_every_client() {
    needs_godot!();
    let mut stage = stage(Filter::Unfiltered);
    let (first, first_id) = stage.joined_engine(&[arena::OPTION]);
    populate(&mut stage);
    stage.until_same(first, all);

    // Every mode of replication but never, several changes of one value in one frame among them.
    for number in 0..100 {
        let path = format!("Units/U{number}");
        stage.set(&path, "hp", &format!("{}", 1000 - number));
        stage.set(&path, "heat", &format!("{number}.1"));
        stage.set(&path, "mood", "77");
        stage.set(&path, "mood", &format!("{number}"));
    }
    for (path, property, text) in [
        (
            "Units/U1",
            "bag",
            "{\n\"list\": [1, 2.5, &\"name\", null],\nVector2i(1, 2): Color(1, 0, 0, 0.5)\n}",
        ),
        (
            "Units/U2",
            "bag",
            "Transform3D(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)",
        ),
        ("Units/U3", "bag", "nan"),
        ("Units/U4", "position", "Vector2(1e20, -0.0625)"),
        ("Units/S1", "morale", "0.1"),
        ("Units/S1", "strength", "-9"),
        ("Units/S1", "Body:position", "Vector2(9, 9)"),
        ("Units/S2/Body", "rotation", "1.25"),
        ("Units/S2/Body", "scale", "Vector2(2, 2)"),
        ("Units/S2/Crew/Bob", "mood", "12"),
        ("Units/Custom", "bag", "\"Grüße\""),
        ("Board", "score", "3"),
        ("Board", "title", "\"second\""),
    ] {
        stage.set(path, property, text);
    }
    stage.until_same(first, all);
    let (late, late_id) = stage.joined_engine(&[arena::OPTION]);
    stage.until_same(late, all);

    // State above the MTU, in deltas and in spawns.
    stage.set("Units/U5", "bag", &bytes(5_000));
    stage.set("Units/U6", "bag", &bytes(40_000));
    let large = unit("Large").property("bag", arena::value(&bytes(20_000)));
    stage.spawn(SPAWNER, large);
    stage.until_same(first, all);
    stage.until_same(late, all);

    // Methods of spawned nodes, both ways.
    let crew = "Units/S1/Crew/Ann";
    assert_eq!(
        stage.call_node(Target::All, crew, "cheer", &[Value::from("go")]),
        2
    );
    stage.engines[late].rpc(1, "Arena/Units/U9", "hit", "[7]");
    stage.until("everybody is called", |stage| {
        let cheered = |at: usize| {
            stage.engines[at]
                .calls()
                .contains(&("cheer".into(), "[\"go\"]".into()))
        };
        cheered(first) && cheered(late) && stage.calls().count() == 1
    });
    let call = stage.calls().next().expect("one call");
    assert_eq!(
        (call.peer.value(), &*call.path),
        (late_id, "Peer/Arena/Units/U9")
    );

    // Nodes go, with all in them, and names can be used again.
    for number in 0..50 {
        stage.despawn(&format!("Units/U{number}"));
    }
    stage.despawn("Units/S1");
    stage.despawn("Units/Rock");
    stage.spawn(SPAWNER, unit("U3").property("hp", 1));
    stage.until_same(first, all);
    stage.until_same(late, all);
    assert_eq!(stage.engines[first].noise(), "");

    // One leaves; the other goes on.
    stage.engines[first].command(&json!({"do": "quit"}));
    stage.until("it leaves", |stage| stage.left(first_id).is_some());
    stage.set("Units/U99", "hp", "-1");
    stage.despawn("Units/U98");
    stage.until_same(late, all);
    assert_eq!(stage.engines[late].noise(), "");
    assert_eq!(stage.session().stats().dropped_total(), 0);
}

#[test]
fn a_property_that_is_never_sent_is_that_of_the_moment_of_the_spawn() {
    needs_godot!();
    let mut stage = stage(Filter::Unfiltered);
    let (first, _) = stage.joined_engine(&[arena::OPTION]);
    stage.spawn(SPAWNER, unit("U").property("label", "old"));
    stage.until_same(first, all);
    stage.set("Units/U", "label", "\"new\"");
    let (late, _) = stage.joined_engine(&[arena::OPTION]);
    stage.until_same(late, all);
    let path = format!("{UNITS}/U");
    assert_eq!(stage.engine_state(first)[&path][".:label"], "\"old\"");
    assert_eq!(stage.engine_state(late)[&path][".:label"], "\"new\"");
}

#[test]
fn clients_see_what_the_filter_and_the_lists_say_at_every_flip() {
    needs_godot!();
    let mut stage = stage(Filter::Filtered);
    let (left, left_id) = stage.joined_engine(&[arena::OPTION]);
    let (right, right_id) = stage.joined_engine(&[arena::OPTION]);
    for number in 0..10_i32 {
        stage.spawn(SPAWNER, unit(&format!("U{number}")).property("hp", number));
    }
    let is_unit = |path: &str| path.starts_with(UNITS);
    let parity = |path: &str| path.bytes().last().map(|digit| digit % 2);
    let even = |path: &str| !is_unit(path) || parity(path) == Some(0);
    let odd = |path: &str| !is_unit(path) || parity(path) == Some(1);
    stage.until_same(left, |path| !is_unit(path));

    let split = |peer: i32, name: &str| (peer == left_id) == (parity(name) == Some(0));
    stage.filter(split);
    stage.until_same(left, even);
    stage.until_same(right, odd);

    // Calls go to those who have the node.
    assert_eq!(
        stage.call_node(Target::All, "Units/U1", "cheer", &[Value::Int(1)]),
        1
    );
    stage.until("who sees it is called", |stage| {
        stage.engines[right].has("rpc")
    });

    // What changes behind a back is there when it is turned to.
    for number in 0..10 {
        stage.set(&format!("Units/U{number}"), "mood", "5");
        stage.set(&format!("Units/U{number}"), "bag", &format!("[{number}]"));
    }
    for _ in 0..3 {
        stage.filter(|peer, name| !split(peer, name));
        stage.until_same(left, odd);
        stage.until_same(right, even);
        stage.set("Units/U0", "mood", "6");
        stage.filter(split);
        stage.until_same(left, even);
        stage.until_same(right, odd);
        stage.set("Units/U1", "mood", "7");
    }
    assert!(!stage.engines[left].has("rpc"));

    // A synchronizer of a static node, private, shown to one.
    stage.set_public("Board", Visibility::Hidden);
    stage.set_visibility("Board", right_id, Visibility::Visible);
    stage.set("Board", "title", "\"secret\"");
    stage.until_same(right, odd);
    stage.play(A_WHILE);
    let board =
        |stage: &mut Stage, at| stage.engine_state(at)["Peer/Arena/Board"][".:title"].clone();
    assert_eq!(board(&mut stage, left), "\"\"");
    stage.set_visibility("Board", left_id, Visibility::Visible);
    stage.until_same(left, even);
    for at in [left, right] {
        assert_eq!(stage.engines[at].noise(), "");
    }
}

/// Tells our server and these engines whose a synchronizer is, in this order.
fn hand_over(stage: &mut Stage, path: &str, peer: i32, engines: &[usize]) {
    for &engine in engines {
        stage.engines[engine].command(&json!({"do": "authority", "node": path, "peer": peer}));
        // Its answer tells that the command is done.
        stage.engine_state(engine);
    }
}

#[test]
fn input_of_a_client_reaches_the_server_and_others_and_authority_goes_and_comes_back() {
    needs_godot!();
    let mut stage = stage(Filter::Unfiltered);
    let (owner, owner_id) = stage.joined_engine(&[arena::OPTION]);
    let (other, _) = stage.joined_engine(&[arena::OPTION]);
    let own = format!("Units/{owner_id}");
    stage.spawn(SPAWNER, player(&owner_id.to_string()).property("score", 1));
    stage.spawn(SPAWNER, player("Hero"));
    stage.until_same(owner, all);

    let steer = |stage: &mut Stage, path: &str, steer: &str, aim: &str| {
        let changes = json!([[path, "steer", steer], [path, "aim", aim]]);
        stage.engines[owner].command(&json!({"do": "set", "changes": changes}));
        stage.until_within(Duration::from_secs(10), "its input arrives", |stage| {
            let path = format!("{}/{path}", arena::ARENA);
            let state = stage.state();
            state[&path][".:steer"] == steer && state[&path][".:aim"] == aim
        });
        stage.until_same(other, all);
    };
    steer(&mut stage, &own, "Vector2(1, 0)", "0.5");
    let (late, _) = stage.joined_engine(&[arena::OPTION]);
    stage.until_same(late, all);

    // First the one who gives, then those who watch, then the one who takes.
    let hero = "Units/Hero/Input";
    stage.set_authority(hero, owner_id);
    stage.play(A_WHILE);
    hand_over(&mut stage, hero, owner_id, &[other, late, owner]);
    steer(&mut stage, "Units/Hero", "Vector2(0, 1)", "0.25");
    stage.until_same(late, all);

    hand_over(&mut stage, hero, 1, &[owner]);
    stage.play(A_WHILE);
    hand_over(&mut stage, hero, 1, &[other, late]);
    stage.set_authority(hero, 1);
    stage.set("Units/Hero", "steer", "Vector2(5, 5)");
    stage.set("Units/Hero", "aim", "-3.0");
    let (last, _) = stage.joined_engine(&[arena::OPTION]);
    for engine in [owner, other, late, last] {
        stage.until_same(engine, all);
    }
    stage.set("Units/Hero", "aim", "-4.0");
    for engine in [owner, other, late, last] {
        stage.until_same(engine, all);
        assert_eq!(stage.engines[engine].noise(), "");
    }

    // The owner leaves, its node stays until the server frees it.
    stage.engines[owner].kill();
    stage.kick(owner_id);
    stage.until("it is gone", |stage| stage.left(owner_id).is_some());
    stage.despawn(&own);
    stage.until_same(other, all);
}

#[test]
fn nodes_freed_while_state_is_on_its_way_cost_nobody_else() {
    needs_godot!();
    let mut stage = stage(Filter::Unfiltered);
    let (godot, id) = stage.joined_engine(&[arena::OPTION]);
    let own = format!("Units/{id}");
    for round in 0..10 {
        for number in 0..5 {
            stage.spawn(SPAWNER, unit(&format!("U{number}")));
        }
        stage.spawn(SPAWNER, player(&id.to_string()));
        stage.until_same(godot, all);
        // Its input is on its way here while the node goes.
        let changes = json!([
            [own, "aim", format!("{round}.5")],
            [own, "steer", "Vector2(2, 2)"]
        ]);
        stage.engines[godot].command(&json!({"do": "set", "changes": changes}));
        // State is on its way there while the nodes go, also in the same frame.
        for number in 0..5 {
            let path = format!("Units/U{number}");
            stage.set(&path, "mood", &format!("{}", round + 1));
            stage.set(&path, "bag", &bytes(3_000));
        }
        if round % 2 == 0 {
            stage.play(Duration::from_millis(17));
        }
        for number in 0..5 {
            stage.despawn(&format!("Units/U{number}"));
        }
        stage.despawn(&own);
    }
    stage.until_same(godot, all);

    // A client that frees its copy by itself: the engine complains, and goes on.
    stage.spawn(SPAWNER, unit("Mine"));
    stage.spawn(SPAWNER, unit("Other"));
    stage.until_same(godot, all);
    stage.engines[godot].command(&json!({"do": "free", "node": "Units/Mine"}));
    for round in 0..5 {
        stage.set("Units/Mine", "mood", &format!("{}", 10 + round));
        stage.set("Units/Other", "mood", &format!("{}", 10 + round));
        stage.play(Duration::from_millis(20));
    }
    stage.until_same(godot, |path| !path.ends_with("Mine"));
    stage.despawn("Units/Mine");
    stage.spawn(SPAWNER, unit("Mine").property("hp", 3));
    stage.until_same(godot, all);
    assert!(stage.left(id).is_none());
    assert!(
        !stage
            .events
            .iter()
            .any(|event| matches!(event, Event::StateNotSent { .. }))
    );
    let target: PeerId = peer_id(id);
    assert_eq!(
        stage.call_node(target, "Units/Other", "hit", &[Value::Nil]),
        1
    );
    stage.until("it is called", |stage| stage.engines[godot].has("rpc"));
}

#[test]
fn a_client_of_the_engine_spawns_by_a_spawner_that_is_its_own() {
    needs_godot!();
    let mut stage = stage(Filter::Unfiltered);
    let (owner, owner_id) = stage.joined_engine(&[arena::OPTION]);
    let (other, _) = stage.joined_engine(&[arena::OPTION]);
    stage.set_authority(SPAWNER, owner_id);
    hand_over(&mut stage, SPAWNER, owner_id, &[other, owner]);
    let name = owner_id.to_string();
    let order =
        |stage: &mut Stage, command: serde_json::Value| stage.engines[owner].command(&command);
    order(
        &mut stage,
        json!({"do": "spawn", "scene": "player", "names": [name], "changes": [["steer", "Vector2(1, 2)"]]}),
    );
    order(
        &mut stage,
        json!({"do": "spawn", "scene": "plain", "names": ["Rock"]}),
    );
    let data = "{\"name\": \"Custom\", \"label\": \"made by a client\"}";
    order(&mut stage, json!({"do": "custom", "data": data}));
    stage.until("all of it arrives", |stage| {
        let spawned = |event: &&Event| matches!(event, Event::Spawned(_));
        stage.events.iter().filter(spawned).count() == 3
    });

    // Its own synchronizer follows it, ours follows us.
    let path = format!("Units/{name}");
    order(
        &mut stage,
        json!({"do": "set", "changes": [[path, "aim", "0.75"]]}),
    );
    stage.set(&path, "score", "8");
    stage.set(&path, "position", "Vector2(6, 6)");
    stage.until("its part arrives", |stage| {
        stage.state()[&format!("{UNITS}/{name}")][".:aim"] == "0.75"
    });
    // The label of a custom spawn is what the spawn function makes of its argument, which ours leaves to the user.
    let label = |path: &str| !path.ends_with("Custom");
    let same = |stage: &mut Stage, engine| {
        stage.until_within(
            Duration::from_secs(15),
            "both sides are the same",
            |stage| {
                let (mut ours, mut theirs) = (stage.state(), stage.engine_state(engine));
                ours.retain(|path, _| label(path));
                theirs.retain(|path, _| label(path));
                ours == theirs
            },
        );
    };
    same(&mut stage, owner);
    same(&mut stage, other);

    order(&mut stage, json!({"do": "free", "node": "Units/Rock"}));
    stage.until("it goes", |stage| {
        let gone = |event: &Event| matches!(event, Event::Despawned { path, .. } if path.ends_with("Rock"));
        stage.events.iter().any(gone)
    });
    same(&mut stage, other);
    for at in [owner, other] {
        assert_eq!(stage.engines[at].noise(), "");
    }

    // What it spawned goes with it.
    order(&mut stage, json!({"do": "quit"}));
    stage.until("it leaves", |stage| stage.left(owner_id).is_some());
    stage.until_same(other, all);
    assert_eq!(stage.session().spawned_nodes().count(), 0);
}
