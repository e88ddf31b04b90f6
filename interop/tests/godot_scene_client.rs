//! Scenes that a Godot server replicates to our client: our idea of the state equals the engine's.

use gdwire::Event;
use interop::arena::{self, Filter, UNITS};
use interop::engine::{self, Engine};
use interop::stage::{Stage, calls_node, client_config, peer_id};
use replication_proto::variant::Value;
use replication_proto::{Config, DropReason, SpawnConfig};
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};

/// How a test begins: without an engine there is nothing to test.
macro_rules! needs_godot {
    () => {
        if engine::installed().is_none() {
            return;
        }
    };
}

/// The engine that is the server.
const SERVER: usize = 0;

/// Time in which what is on its way arrives.
const A_WHILE: Duration = Duration::from_millis(150);

fn all(_: &str) -> bool {
    true
}

/// A server of the engine with the scene, and our client, which does not call before the first wait.
fn stage() -> Stage {
    Stage::with_client(client_config(), calls_node(), &[arena::OPTION])
        .with_arena(Filter::Unfiltered)
}

fn own_id(stage: &Stage) -> i32 {
    stage.session().id().value()
}

fn order(stage: &mut Stage, engine: usize, command: &Json) {
    stage.engines[engine].command(command);
}

fn spawn(stage: &mut Stage, scene: &str, names: &[&str], changes: &Json) {
    let command = json!({"do": "spawn", "scene": scene, "names": names, "changes": changes});
    order(stage, SERVER, &command);
}

fn change(stage: &mut Stage, engine: usize, changes: &[(&str, &str, &str)]) {
    let changes: Vec<Json> = changes
        .iter()
        .map(|(node, property, text)| json!([node, property, text]))
        .collect();
    order(stage, engine, &json!({"do": "set", "changes": changes}));
}

fn free(stage: &mut Stage, path: &str) {
    order(stage, SERVER, &json!({"do": "free", "node": path}));
}

/// Waits until the server has done all that it was told, while our client does not move.
fn settle(stage: &mut Stage) {
    let server = &mut stage.engines[SERVER];
    let dumps = server.all("dump").count();
    server.command(&json!({"do": "dump", "token": dumps}));
    let deadline = Instant::now() + Duration::from_secs(15);
    while server.all("dump").count() == dumps && Instant::now() < deadline {
        server.pump(Duration::from_millis(5));
    }
    assert!(server.all("dump").count() > dumps, "{}", server.noise());
}

/// A large value, shorter as text than a command line may be.
fn bytes(count: usize) -> String {
    format!("PackedByteArray(\"{}\")", "AAEC".repeat(count / 3))
}

fn units(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("U{number}")).collect()
}

/// A hundred units, two squads with crews, a custom spawn, a plain node and the static board, all with some state.
fn populate(stage: &mut Stage) {
    let names = units(100);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    spawn(
        stage,
        "unit",
        &names,
        &json!([["hp", "50"], ["label", "\"one of many\""]]),
    );
    let of_squad = json!([["banner", "\"red\""], ["Body:position", "Vector2(3, 4)"]]);
    spawn(stage, "squad", &["S1", "S2"], &of_squad);
    for squad in ["S1", "S2"] {
        let under = format!("Units/{squad}/Crew");
        let names = ["Ann", "Bob"];
        let command = json!({"do": "spawn", "scene": "unit", "names": names, "under": under});
        order(stage, SERVER, &command);
    }
    spawn(stage, "plain", &["Rock"], &json!([]));
    let data = "{\"name\": \"Custom\", \"label\": \"from the argument\"}";
    order(stage, SERVER, &json!({"do": "custom", "data": data}));
    change(stage, SERVER, &[("Board", "title", "\"first\"")]);
}

#[test]
fn a_scene_of_a_hundred_units_is_followed_by_a_client_that_joins_late() {
    needs_godot!();
    let mut stage = stage();
    populate(&mut stage);
    settle(&mut stage);
    stage.until_same(SERVER, all);
    let spawned = |stage: &Stage| {
        stage
            .events
            .iter()
            .filter(|event| matches!(event, Event::Spawned(_)))
            .count()
    };
    assert_eq!(spawned(&stage), 100 + 2 + 4 + 1 + 1);

    let names = units(100);
    let paths: Vec<String> = names.iter().map(|name| format!("Units/{name}")).collect();
    let texts: Vec<String> = (0..100).map(|number| format!("{number}.1")).collect();
    for (path, text) in paths.iter().zip(&texts) {
        change(
            &mut stage,
            SERVER,
            &[
                (path, "hp", "9"),
                (path, "heat", text),
                (path, "mood", "4"),
                (path, "mood", "-70000"),
            ],
        );
    }
    let bag = "{\n\"list\": [1, 2.5, &\"name\", null],\nVector2i(1, 2): Color(1, 0, 0, 0.5)\n}";
    let (small, large) = (bytes(5_000), bytes(40_000));
    let various = [
        ("Units/U1", "bag", bag),
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
        ("Units/U5", "bag", &small),
        ("Units/U6", "bag", &large),
    ];
    for one in various {
        change(&mut stage, SERVER, &[one]);
    }
    spawn(
        &mut stage,
        "unit",
        &["Large"],
        &json!([["bag", bytes(20_000)]]),
    );
    stage.until_same(SERVER, all);

    // Methods of spawned nodes, both ways.
    stage.engines[SERVER].rpc(0, "Arena/Units/S1/Crew/Ann", "cheer", "[\"go\"]");
    stage.call_node(
        replication_proto::PeerId::SERVER,
        "Units/U9",
        "hit",
        &[Value::Int(7)],
    );
    stage.until("both are called", |stage| {
        stage.engines[SERVER].calls() == [("hit".into(), "[7]".into())]
            && stage.calls().count() == 1
    });
    let call = stage.calls().next().expect("one call");
    assert_eq!(
        (&*call.path, &*call.method),
        ("Peer/Arena/Units/S1/Crew/Ann", "cheer")
    );

    // A large SPAWN takes several datagrams, and unreliable state of its node can come before the last of them.
    let stats = *stage.session().stats();
    let early = stats.dropped(DropReason::UnknownId);
    assert_eq!(stats.dropped_total(), early, "{stats:?}");

    // Nodes go, with all in them, and names can be used again.
    for path in &paths[..50] {
        free(&mut stage, path);
    }
    free(&mut stage, "Units/S1");
    free(&mut stage, "Units/Rock");
    stage.until_same(SERVER, all);
    // The end of a node can only overtake unreliable state, which counts by itself. (None was seen to.)
    let stats = stage.session().stats();
    let late = early + stats.dropped(DropReason::FreedNode);
    assert_eq!(stats.dropped_total(), late, "{stats:?}");
    spawn(&mut stage, "unit", &["U3", "S1"], &json!([["hp", "1"]]));
    stage.until_same(SERVER, all);
    assert_eq!(stage.engines[SERVER].noise(), "");

    // The server ends: what it spawned is gone here.
    stage.engines[SERVER].command(&json!({"do": "quit"}));
    stage.until("the game is over", |stage| stage.over().is_some());
    assert_eq!(stage.session().spawned_nodes().count(), 0);
    assert!(stage.state().keys().all(|path| !path.starts_with(UNITS)));
}

#[test]
fn our_client_has_what_the_filter_and_the_lists_of_the_engine_let_it_see() {
    needs_godot!();
    let mut stage = stage();
    let own = own_id(&stage);
    let names = units(10);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    spawn(&mut stage, "unit", &names, &json!([]));
    let even: Vec<&str> = names.iter().copied().step_by(2).collect();
    let odd: Vec<&str> = names.iter().copied().skip(1).step_by(2).collect();
    stage.until_same(SERVER, all);
    let parity = |path: &str| path.bytes().last().map(|digit| digit % 2);
    for round in 0..3 {
        for (hidden, seen) in [(&even, 1), (&odd, 0)] {
            order(
                &mut stage,
                SERVER,
                &json!({"do": "hide", "peer": own, "names": hidden}),
            );
            stage.until_same(SERVER, |path| {
                !path.starts_with(UNITS) || parity(path) == Some(seen)
            });
            // What changes behind our back is there when it comes to be seen.
            for name in &names {
                let (path, text) = (format!("Units/{name}"), format!("{round}{seen}"));
                change(
                    &mut stage,
                    SERVER,
                    &[(&path, "mood", &text), (&path, "bag", &text)],
                );
            }
        }
    }
    let sees = |path: &str| !path.starts_with(UNITS) || parity(path) == Some(0);
    stage.until_same(SERVER, sees);

    // Calls come for what is seen.
    stage.engines[SERVER].rpc(0, "Arena/Units/U1", "cheer", "[1]");
    stage.engines[SERVER].rpc(0, "Arena/Units/U2", "cheer", "[2]");
    stage.until("it is called", |stage| stage.calls().count() > 0);
    let call = stage.calls().next().expect("one call");
    assert_eq!(&*call.path, "Peer/Arena/Units/U2");

    // A synchronizer of a static node, private, shown to one.
    order(
        &mut stage,
        SERVER,
        &json!({"do": "public", "node": "Board/Sync", "visible": false}),
    );
    settle(&mut stage);
    change(&mut stage, SERVER, &[("Board", "title", "\"secret\"")]);
    stage.engine_state(SERVER);
    stage.play(A_WHILE);
    assert_eq!(stage.state()["Peer/Arena/Board"][".:title"], "\"\"");
    let show = json!({"do": "visibility", "node": "Board/Sync", "peer": own, "visible": true});
    order(&mut stage, SERVER, &show);
    stage.until_same(SERVER, sees);
    assert_eq!(stage.engines[SERVER].noise(), "");
}

/// Tells engines whose a synchronizer is, one after the other.
fn hand_over(stage: &mut Stage, path: &str, peer: i32, engines: &[usize]) {
    for &engine in engines {
        order(
            stage,
            engine,
            &json!({"do": "authority", "node": path, "peer": peer}),
        );
        // Its answer tells that the command is done.
        stage.engine_state(engine);
    }
}

#[test]
fn input_of_our_client_reaches_the_engines_and_authority_comes_and_goes() {
    needs_godot!();
    let mut stage = stage();
    let own = own_id(&stage);
    stage.until("it joins", |stage| stage.has_peer(1));
    let (other, other_id) = stage.joined_engine(&[arena::OPTION]);
    spawn(
        &mut stage,
        "player",
        &[&own.to_string(), &other_id.to_string(), "Hero"],
        &json!([["score", "1"]]),
    );
    stage.until_same(SERVER, all);
    stage.until_same(other, all);

    let path = format!("Units/{own}");
    stage.set(&path, "steer", "Vector2(1, 0)");
    stage.set(&path, "aim", "0.1");
    let path = format!("Units/{other_id}");
    change(
        &mut stage,
        other,
        &[(&path, "steer", "Vector2(0, 1)"), (&path, "aim", "-0.1")],
    );
    stage.until("input of the other client arrives, relayed", |stage| {
        stage.state()[&format!("{UNITS}/{other_id}")][".:aim"] == "-0.1"
    });
    stage.until_same(SERVER, all);
    stage.until_same(other, all);
    let (late, _) = stage.joined_engine(&[arena::OPTION]);
    stage.until_same(late, all);

    // First the one who gives, then those who watch, then the one who takes.
    let hero = "Units/Hero/Input";
    hand_over(&mut stage, hero, own, &[SERVER]);
    stage.play(A_WHILE);
    hand_over(&mut stage, hero, own, &[other, late]);
    stage.set_authority(hero, own);
    stage.set("Units/Hero", "steer", "Vector2(7, 7)");
    stage.set("Units/Hero", "aim", "0.25");
    for engine in [SERVER, other, late] {
        stage.until_same(engine, all);
    }

    stage.set_authority(hero, 1);
    stage.play(A_WHILE);
    hand_over(&mut stage, hero, 1, &[other, late, SERVER]);
    change(
        &mut stage,
        SERVER,
        &[
            ("Units/Hero", "steer", "Vector2(5, 5)"),
            ("Units/Hero", "aim", "-3.0"),
        ],
    );
    stage.until("the server's input arrives", |stage| {
        stage.state()["Peer/Arena/Units/Hero"][".:aim"] == "-3.0"
    });
    for engine in [SERVER, other, late] {
        stage.until_same(engine, all);
    }

    // Who joins now has it too, another client of ours and one of the engine.
    let (last, _) = stage.joined_engine(&[arena::OPTION]);
    stage.until_same(last, all);
    let expected = stage.engine_state(SERVER);
    let mut second =
        Stage::joining(client_config(), calls_node(), stage.port()).with_arena(Filter::Unfiltered);
    second.until("our second client has it all", |second| {
        stage.play(Duration::from_millis(5));
        second.state() == expected
    });
    assert_eq!(second.session().stats().dropped_total(), 0);
    for engine in [SERVER, other, late, last] {
        assert_eq!(stage.engines[engine].noise(), "");
    }
}

#[test]
fn our_client_spawns_by_a_spawner_that_is_its_own() {
    needs_godot!();
    let mut stage = stage();
    let own = own_id(&stage);
    stage.until("it joins", |stage| stage.has_peer(1));
    let (other, _) = stage.joined_engine(&[arena::OPTION]);
    hand_over(&mut stage, "UnitSpawner", own, &[SERVER, other]);
    stage.set_authority("UnitSpawner", own);

    let player = SpawnConfig::scene_path("res://player.tscn", own.to_string());
    stage.spawn(
        "UnitSpawner",
        player.property("steer", arena::value("Vector2(1, 2)")),
    );
    stage.spawn(
        "UnitSpawner",
        SpawnConfig::scene_path("res://plain.tscn", "Rock"),
    );
    let argument = arena::value("{\"name\": \"Custom\", \"label\": \"made by a client\"}");
    let custom = SpawnConfig::custom(argument, "Custom").property("label", "made by a client");
    stage.spawn("UnitSpawner", custom);
    stage.until_same(SERVER, all);
    stage.until_same(other, all);

    // Its own synchronizer follows us, that of the server follows the server.
    let path = format!("Units/{own}");
    stage.set(&path, "aim", "0.75");
    change(
        &mut stage,
        SERVER,
        &[(&path, "score", "8"), (&path, "position", "Vector2(6, 6)")],
    );
    stage.until("the server's part arrives", |stage| {
        stage.state()[&format!("{UNITS}/{own}")][".:score"] == "8"
    });
    stage.until_same(SERVER, all);
    stage.until_same(other, all);
    let (late, _) = stage.joined_engine(&[arena::OPTION]);
    hand_over(&mut stage, "UnitSpawner", own, &[late]);

    stage.despawn("Units/Rock");
    stage.until_same(SERVER, all);
    stage.until_same(other, all);
    for engine in [SERVER, other] {
        assert_eq!(stage.engines[engine].noise(), "");
    }

    // What it spawned goes with it.
    stage.close();
    stage.until("nothing is left", |stage| {
        let is_empty = |state: &arena::State| state.keys().all(|path| !path.starts_with(UNITS));
        is_empty(&stage.engine_state(SERVER)) && is_empty(&stage.engine_state(other))
    });
}

#[test]
fn our_client_that_comes_back_with_its_number_gets_everything_anew() {
    needs_godot!();
    const NUMBER: i32 = 77_777;
    let mut config = client_config();
    config.session = Config::client(peer_id(NUMBER));
    let server = Engine::server(&[arena::OPTION]);
    let port = server.port();
    let mut stage =
        Stage::joining(config.clone(), calls_node(), port).with_arena(Filter::Unfiltered);
    stage.engines.push(server);
    let own = NUMBER.to_string();
    spawn(&mut stage, "unit", &["U", "V"], &json!([["hp", "1"]]));
    spawn(&mut stage, "player", &[&own], &json!([]));
    let path = format!("Units/{own}");
    stage.until("all are here", |stage| {
        stage.session().spawned_nodes().count() == 3
    });
    stage.set(&path, "aim", "0.5");
    stage.until_same(SERVER, all);
    stage.close();
    stage.until("it has left", |stage| {
        stage.over().is_some() && stage.engines[SERVER].has_of("peer_disconnected", NUMBER)
    });

    // The world goes on meanwhile.
    change(&mut stage, SERVER, &[("Units/U", "mood", "9")]);
    free(&mut stage, "Units/V");
    spawn(&mut stage, "unit", &["W"], &json!([]));
    settle(&mut stage);
    let server = stage.engines.swap_remove(SERVER);
    let mut stage = Stage::joining(config, calls_node(), port).with_arena(Filter::Unfiltered);
    stage.engines.push(server);
    stage.until("all are here again", |stage| {
        stage.session().spawned_nodes().count() == 3
    });
    // What it owned is the same as before it left, so that is what its own side has to say first.
    stage.set(&path, "aim", "0.75");
    stage.set(&path, "steer", "Vector2(3, 0)");
    stage.until_same(SERVER, all);
    assert_eq!(stage.session().id().value(), NUMBER);
    assert_eq!(stage.session().stats().dropped_total(), 0);
    assert_eq!(stage.engines[SERVER].noise(), "");
}

#[test]
fn nodes_freed_while_state_is_on_its_way_do_not_disturb_our_client() {
    needs_godot!();
    let mut stage = stage();
    let own = own_id(&stage).to_string();
    let path = format!("Units/{own}");
    let names = units(5);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let blob = bytes(3_000);
    for round in 0..10 {
        spawn(&mut stage, "unit", &names, &json!([]));
        spawn(&mut stage, "player", &[&own], &json!([]));
        stage.until_same(SERVER, all);
        // Our input is on its way while the node goes, and state to us.
        stage.set(&path, "aim", &format!("{round}.5"));
        stage.set(&path, "steer", "Vector2(2, 2)");
        if round % 2 == 0 {
            stage.play(Duration::from_millis(17));
        }
        for name in &names {
            let path = format!("Units/{name}");
            change(
                &mut stage,
                SERVER,
                &[(&path, "mood", "1"), (&path, "bag", &blob)],
            );
            free(&mut stage, &path);
        }
        free(&mut stage, &path);
        stage.until_same(SERVER, all);
    }

    // Our copy goes by itself: what comes for it is refused, the rest goes on.
    spawn(&mut stage, "unit", &["Mine", "Other"], &json!([]));
    stage.until_same(SERVER, all);
    stage.free_here("Units/Mine");
    for text in ["10", "11", "12"] {
        change(
            &mut stage,
            SERVER,
            &[("Units/Mine", "mood", text), ("Units/Other", "mood", text)],
        );
        stage.play(Duration::from_millis(20));
    }
    stage.until_same(SERVER, |path| !path.ends_with("Mine"));
    free(&mut stage, "Units/Mine");
    settle(&mut stage);
    spawn(&mut stage, "unit", &["Mine"], &json!([["hp", "3"]]));
    stage.until_same(SERVER, all);
    assert!(stage.over().is_none());
}
