//! What decides whether state goes at all, and when, in both roles: sizes, intervals, limits of spawners, custom spawns
//! that the application answers, budgets.

use gdwire::{Event, ServerConfig};
use interop::arena::{self, Custom, DELTA_INTERVAL, FULL_INTERVAL, Filter, LIMIT, UNITS};
use interop::engine;
use interop::stage::{Stage, calls_node, client_config, peer_id, server_config};
use replication_proto::variant::Value;
use replication_proto::{Budget, DropReason, Scene, SpawnConfig, SpawnError, StateError};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How a test begins: without an engine there is nothing to test.
macro_rules! needs_godot {
    () => {
        if engine::installed().is_none() {
            return;
        }
    };
}

const SERVER: usize = 0;
const SPAWNER: &str = "UnitSpawner";

/// Bytes of an array that with their head just fit the 1,350 bytes of a state, since values have multiples of 4.
const LARGEST: usize = 1_340;

fn all(_: &str) -> bool {
    true
}

/// So many bytes, as Godot writes them.
fn bytes(count: usize) -> String {
    let bytes: Vec<String> = (0..count).map(|at| (at % 251).to_string()).collect();
    format!("PackedByteArray({})", bytes.join(", "))
}

fn scene(path: &str, name: &str) -> SpawnConfig {
    SpawnConfig::scene_path(path, name)
}

fn spawn_there(stage: &mut Stage, engine: usize, scene: &str, names: &[&str], under: &str) {
    let command = json!({"do": "spawn", "scene": scene, "names": names, "under": under});
    stage.engines[engine].command(&command);
}

fn set_there(stage: &mut Stage, engine: usize, node: &str, property: &str, text: &str) {
    let changes = json!([[node, property, text]]);
    stage.engines[engine].command(&json!({"do": "set", "changes": changes}));
}

fn not_sent(stage: &Stage) -> Vec<StateError> {
    let error = |event: &Event| match event {
        Event::StateNotSent { error, .. } => Some(*error),
        _ => None,
    };
    stage.events.iter().filter_map(error).collect()
}

#[test]
fn our_full_state_above_the_limit_is_not_sent_and_told_and_others_go_on() {
    needs_godot!();
    let mut stage = Stage::server().with_arena(Filter::Unfiltered);
    let (godot, _) = stage.joined_engine(&[arena::OPTION]);
    stage.spawn(SPAWNER, scene("res://bulk.tscn", "B"));
    stage.spawn(SPAWNER, scene("res://unit.tscn", "U"));
    stage.until_same(godot, all);

    stage.set("Units/B", "blob", &bytes(LARGEST));
    stage.until_same(godot, all);
    assert_eq!(not_sent(&stage), []);

    let kept = stage.state()[&format!("{UNITS}/B")][".:blob"].clone();
    stage.set("Units/B", "blob", &bytes(LARGEST + 1));
    stage.set("Units/B", "note", "\"a delta of it goes\"");
    stage.set("Units/U", "hp", "7");
    stage.until_same_but(godot, "/B");
    stage.until("the delta arrives", |stage| {
        let there = stage.engine_state(godot);
        let there = &there[&format!("{UNITS}/B")];
        assert_eq!(there[".:blob"], kept);
        there[".:note"] == "\"a delta of it goes\""
    });
    assert_eq!(not_sent(&stage), [StateError::TooLarge { limit: 1350 }]);

    // Who joins now has it all the same: a SPAWN is reliable and has no such limit.
    let (late, _) = stage.joined_engine(&[arena::OPTION]);
    stage.until_same(late, all);
    stage.set("Units/B", "blob", "[1]");
    for engine in [godot, late] {
        stage.until_same(engine, all);
        assert_eq!(stage.engines[engine].noise(), "");
    }
}

#[test]
fn a_raised_limit_lets_large_full_states_through_in_fragments() {
    needs_godot!();
    let mut config: ServerConfig = server_config();
    config.session.max_sync_packet_bytes = 20_000;
    let mut stage = Stage::with_server(config, calls_node()).with_arena(Filter::Unfiltered);
    let (godot, _) = stage.joined_engine(&[arena::OPTION]);
    stage.spawn(SPAWNER, scene("res://bulk.tscn", "B"));
    stage.until_same(godot, all);
    stage.set("Units/B", "blob", &bytes(12_000));
    stage.until_same(godot, all);
    assert_eq!(not_sent(&stage), []);
    assert_eq!(stage.engines[godot].noise(), "");

    // The engine warns of what it sends so.
    let options = [arena::OPTION, "--max-sync=20000"];
    let mut stage =
        Stage::with_client(client_config(), calls_node(), &options).with_arena(Filter::Unfiltered);
    spawn_there(&mut stage, SERVER, "bulk", &["B"], "Units");
    stage.until("it is here", |stage| {
        !stage.state().is_empty() && stage.session().spawned_nodes().count() == 1
    });
    set_there(&mut stage, SERVER, "Units/B", "blob", &bytes(12_000));
    stage.until_same(SERVER, all);
    assert_eq!(stage.session().stats().dropped_total(), 0);
}

#[test]
fn the_engine_keeps_a_full_state_above_the_limit_back_as_ours_does() {
    needs_godot!();
    let mut stage = Stage::with_client(client_config(), calls_node(), &[arena::OPTION])
        .with_arena(Filter::Unfiltered);
    spawn_there(&mut stage, SERVER, "bulk", &["B"], "Units");
    spawn_there(&mut stage, SERVER, "unit", &["U"], "Units");
    stage.until("they are here", |stage| {
        stage.session().spawned_nodes().count() == 2
    });
    set_there(&mut stage, SERVER, "Units/B", "blob", &bytes(LARGEST));
    stage.until_same(SERVER, all);
    assert_eq!(stage.engines[SERVER].noise(), "");

    let kept = stage.state()[&format!("{UNITS}/B")][".:blob"].clone();
    set_there(&mut stage, SERVER, "Units/B", "blob", &bytes(LARGEST + 1));
    set_there(
        &mut stage,
        SERVER,
        "Units/B",
        "note",
        "\"a delta of it goes\"",
    );
    set_there(&mut stage, SERVER, "Units/U", "hp", "7");
    stage.until_same_but(SERVER, "/B");
    stage.until("the delta arrives", |stage| {
        stage.state()[&format!("{UNITS}/B")][".:note"] == "\"a delta of it goes\""
    });
    assert_eq!(stage.state()[&format!("{UNITS}/B")][".:blob"], kept);
    set_there(&mut stage, SERVER, "Units/B", "blob", "[1]");
    stage.until_same(SERVER, all);
    let noise = stage.engines[SERVER].noise();
    assert!(noise.contains("MTU"), "{noise}");
    assert_eq!(stage.session().stats().dropped_total(), 0);
}

/// Waits for so many full states and deltas of a node whose values change all the time, and checks that they came no
/// closer than its intervals allow.
fn check_rates(
    stage: &mut Stage,
    mut step: impl FnMut(&mut Stage),
    mut counts: impl FnMut(&mut Stage) -> BTreeMap<String, (u64, u64)>,
) {
    let begin = Instant::now();
    let mut seen;
    loop {
        step(stage);
        seen = counts(stage);
        let (full, deltas) = seen["Units/S"];
        if full >= 12 && deltas >= 5 {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "{seen:?}");
        stage.play(Duration::from_millis(10));
    }
    let (full, deltas) = seen["Units/S"];
    let elapsed = begin.elapsed();
    // Between so many there are at least as many intervals less one; one more can be on its way from before.
    let intervals = |count: u64| u32::try_from(count - 2).expect("few");
    assert!(
        FULL_INTERVAL * intervals(full) <= elapsed,
        "{full} {elapsed:?}"
    );
    assert!(
        DELTA_INTERVAL * intervals(deltas) <= elapsed,
        "{deltas} {elapsed:?}"
    );
    // One without an interval comes in each frame.
    let (each, _) = seen["Board"];
    assert!(each > 2 * full, "{seen:?}");
}

#[test]
fn intervals_hold_at_our_server() {
    needs_godot!();
    let mut stage = Stage::server().with_arena(Filter::Unfiltered);
    let (godot, _) = stage.joined_engine(&[arena::OPTION]);
    stage.spawn(SPAWNER, scene("res://slow.tscn", "S"));
    stage.until_same(godot, all);
    for node in ["Units/S", "Board"] {
        stage.engines[godot].command(&json!({"do": "count", "node": node}));
    }
    let mut value = 0;
    let step = move |stage: &mut Stage| {
        value += 1;
        stage.set("Units/S", "always", &value.to_string());
        stage.set("Units/S", "watched", &value.to_string());
    };
    check_rates(&mut stage, step, |stage| stage.engine_counts(godot));
    // What the intervals kept back comes in the end.
    stage.until_same(godot, all);
    assert_eq!(stage.engines[godot].noise(), "");
}

#[test]
fn intervals_of_the_engine_are_those_that_we_declare() {
    needs_godot!();
    let mut stage = Stage::with_client(client_config(), calls_node(), &[arena::OPTION])
        .with_arena(Filter::Unfiltered);
    spawn_there(&mut stage, SERVER, "slow", &["S"], "Units");
    stage.until("it is here", |stage| {
        stage.session().spawned_nodes().count() == 1
    });
    let running = json!([["Units/S", "always"], ["Units/S", "watched"]]);
    stage.engines[SERVER].command(&json!({"do": "run", "changes": running}));
    stage.states.clear();
    let below = format!("{}/", arena::ARENA);
    check_rates(
        &mut stage,
        |_| {},
        |stage| {
            let counts = stage.states.iter();
            let mut counts: BTreeMap<String, (u64, u64)> = counts
                .map(|(path, counts)| (path.trim_start_matches(&below).to_owned(), *counts))
                .collect();
            counts.entry("Units/S".into()).or_default();
            counts
        },
    );
    stage.engines[SERVER].command(&json!({"do": "run", "changes": []}));
    stage.until_same(SERVER, all);
    assert_eq!(stage.session().stats().dropped_total(), 0);
}

#[test]
fn the_limit_of_a_spawner_is_for_who_spawns() {
    needs_godot!();
    // Ours allows one more than the engine, which takes it: its own limit is not for what comes.
    let allowed = LIMIT + 1;
    let mut stage = Stage::server().with_arena_as(Filter::Unfiltered, Custom::Unit, allowed);
    let (godot, _) = stage.joined_engine(&[arena::OPTION]);
    let spawner = stage.key("FewSpawner");
    let spawn =
        |stage: &mut Stage, name: &str| stage.try_spawn(spawner, scene("res://plain.tscn", name));
    for name in ["A", "B", "C", "D"] {
        spawn(&mut stage, name).expect("up to our limit");
    }
    assert_eq!(spawn(&mut stage, "E"), Err(SpawnError::Limit));
    stage.until_same(godot, all);
    stage.despawn("Few/A");
    spawn(&mut stage, "F").expect("there is room again");
    stage.until_same(godot, all);
    assert_eq!(stage.engines[godot].noise(), "");
}

#[test]
fn our_client_takes_what_a_server_spawns_above_the_limit() {
    needs_godot!();
    // A scene that a script adds below `spawn_path` is not even measured at the engine.
    let mut stage = Stage::with_client(client_config(), calls_node(), &[arena::OPTION])
        .with_arena_as(Filter::Unfiltered, Custom::Unit, LIMIT);
    spawn_there(&mut stage, SERVER, "plain", &["A", "B", "C", "D"], "Few");
    stage.until("all are here", |stage| {
        stage.session().spawned_nodes().count() == 4
    });
    stage.until_same(SERVER, all);
    // What `spawn` makes there is.
    custom_few(&mut stage, "E");
    stage.until("the engine refuses", |stage| {
        stage.engines[SERVER].noise().contains("limit")
    });
    stage.engines[SERVER].command(&json!({"do": "free", "node": "Few/A"}));
    stage.engines[SERVER].command(&json!({"do": "free", "node": "Few/B"}));
    custom_few(&mut stage, "G");
    stage.until_same(SERVER, all);
    assert!(stage.state().contains_key("Peer/Arena/Few/G"));
    assert_eq!(stage.session().stats().dropped_total(), 0);
}

/// Lets the server's script call `spawn` of the spawner with a limit.
fn custom_few(stage: &mut Stage, name: &str) {
    let command = json!({"do": "custom", "node": "FewSpawner", "data": format!("\"{name}\"")});
    stage.engines[SERVER].command(&command);
}

fn requests(stage: &Stage) -> Vec<(u64, String, Value)> {
    let request = |event: &Event| match event {
        Event::SpawnRequested(request) => Some((
            request.id,
            request.path.to_string(),
            request.argument.clone(),
        )),
        _ => None,
    };
    stage.events.iter().filter_map(request).collect()
}

fn custom_there(stage: &mut Stage, engine: usize, name: &str) {
    let data = format!("{{\"name\": \"{name}\", \"label\": \"made there\"}}");
    stage.engines[engine].command(&json!({"do": "custom", "data": data}));
}

/// Answers a request after a while in which the engine goes on, with a unit whose label the argument holds.
fn answer_late(stage: &mut Stage, at: usize) {
    stage.until("our application is asked", |stage| {
        requests(stage).len() > at
    });
    stage.play(Duration::from_millis(200));
    let (id, path, argument) = requests(stage).swap_remove(at);
    assert!(path.starts_with(UNITS), "{path}");
    let Value::Dictionary(argument) = argument else {
        panic!("{argument:?}")
    };
    let label = argument
        .get(&Value::from("label"))
        .expect("as it was sent")
        .clone();
    assert_eq!(label, Value::from("made there"));
    let unit: Scene = arena::unit(Filter::Unfiltered);
    assert!(stage.answer(id, Some(&unit)).is_accepted());
}

#[test]
fn a_custom_spawn_of_the_engine_waits_for_our_client_to_say_what_it_is() {
    needs_godot!();
    let mut stage = Stage::with_client(client_config(), calls_node(), &[arena::OPTION])
        .with_arena_as(Filter::Unfiltered, Custom::Asked, LIMIT);
    custom_there(&mut stage, SERVER, "C1");
    set_there(&mut stage, SERVER, "Units/C1", "mood", "5");
    answer_late(&mut stage, 0);
    set_there(&mut stage, SERVER, "Units/C1", "bag", "[1, 2]");
    spawn_there(&mut stage, SERVER, "unit", &["U"], "Units");
    stage.until_same(SERVER, all);
    let spawned = |event: &&Event| matches!(event, Event::Spawned(_));
    assert_eq!(stage.events.iter().filter(spawned).count(), 2);

    // One that is refused does not come, and harms nobody.
    custom_there(&mut stage, SERVER, "C2");
    stage.until("our application is asked", |stage| {
        requests(stage).len() == 2
    });
    let (id, ..) = requests(&stage).swap_remove(1);
    let verdict = stage.answer(id, None);
    assert_eq!(verdict.reason(), Some(DropReason::SpawnRefused));
    set_there(&mut stage, SERVER, "Units/U", "mood", "6");
    stage.until_same(SERVER, |path| !path.ends_with("/C2"));
    assert_eq!(stage.engines[SERVER].noise(), "");
}

#[test]
fn a_custom_spawn_of_a_client_waits_for_our_server_to_say_what_it_is() {
    needs_godot!();
    let mut stage = Stage::server().with_arena_as(Filter::Unfiltered, Custom::Asked, LIMIT);
    let (owner, owner_id) = stage.joined_engine(&[arena::OPTION]);
    let (other, _) = stage.joined_engine(&[arena::OPTION]);
    stage.set_authority(SPAWNER, owner_id);
    for engine in [other, owner] {
        let command = json!({"do": "authority", "node": SPAWNER, "peer": owner_id});
        stage.engines[engine].command(&command);
        stage.engine_state(engine);
    }
    custom_there(&mut stage, owner, "C1");
    answer_late(&mut stage, 0);
    // The synchronizer in it is ours, so the state comes from us; only the label is never sent.
    stage.set("Units/C1", "label", "\"made there\"");
    stage.set("Units/C1", "mood", "5");
    stage.set("Units/C1", "hp", "3");
    for engine in [owner, other] {
        stage.until_same(engine, all);
        assert_eq!(stage.engines[engine].noise(), "");
    }
}

#[test]
fn a_budget_serves_all_units_in_turn_and_the_engine_ends_with_everything() {
    needs_godot!();
    const COUNT: usize = 40;
    let mut stage = Stage::server().with_arena(Filter::Unfiltered);
    let (godot, id) = stage.joined_engine(&[arena::OPTION]);
    let names: Vec<String> = (0..COUNT).map(|number| format!("U{number}")).collect();
    for name in &names {
        stage.spawn(SPAWNER, scene("res://unit.tscn", name));
    }
    stage.until_same(godot, all);
    // An entry of full state has 8 bytes and two values, so about five of forty go in a frame.
    stage.set_budget(id, Some(Budget::new(100)));
    let key = stage.key("Units/U0");
    stage.set_priority(key, 4);
    stage.engines[godot].command(&json!({"do": "count", "node": "Units"}));
    let put_off = stage.session().stats().put_off;

    let mut counts = BTreeMap::new();
    let mut value = 0;
    stage.until_within(Duration::from_secs(30), "all have their turns", |stage| {
        value += 1;
        for name in &names {
            stage.set(&format!("Units/{name}"), "hp", &value.to_string());
        }
        counts = stage.engine_counts(godot);
        let turns = |name: &String| {
            counts
                .get(&format!("Units/{name}"))
                .map_or(0, |count| count.0)
        };
        names.iter().all(|name| turns(name) >= 12)
    });
    let turns = |name: &str| counts[&format!("Units/{name}")].0;
    let plain: Vec<u64> = names[1..].iter().map(|name| turns(name)).collect();
    let (least, most) = (plain.iter().min().unwrap(), plain.iter().max().unwrap());
    assert!(most - least <= 2, "all alike: {counts:?}");
    assert!(
        turns("U0") >= least * 2,
        "more urgent, more often: {counts:?}"
    );
    assert!(stage.session().stats().put_off > put_off);

    // Deltas and spawns that do not fit wait, and all arrive.
    for name in &names {
        stage.set(&format!("Units/{name}"), "bag", &bytes(150));
        stage.set(&format!("Units/{name}"), "mood", "3");
    }
    for number in 0..10 {
        let late = scene("res://unit.tscn", &format!("L{number}"));
        stage.spawn(SPAWNER, late.property("bag", arena::value(&bytes(300))));
    }
    stage.until_same(godot, all);
    assert_eq!(stage.engines[godot].noise(), "");
    assert!(stage.session().is_admitted(peer_id(id)));
}
