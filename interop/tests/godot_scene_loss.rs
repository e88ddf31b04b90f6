//! Scenes over a network that loses, doubles and reorders, in both roles: both sides end with the same state.

use interop::arena::{self, Filter};
use interop::engine::{self, Engine};
use interop::lossy::{Faults, Lossy};
use interop::stage::{Stage, calls_node, client_config};
use replication_proto::SpawnConfig;
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

const UNITS: usize = 10;
const ROUNDS: usize = 60;

/// Between two changes, a bit more than a frame.
const PAUSE: Duration = Duration::from_millis(20);

const FAULTS: Faults = Faults {
    lost_permille: 150,
    doubled_permille: 50,
    late_permille: 250,
    seed: 3,
};

fn all(_: &str) -> bool {
    true
}

/// What changes in a round: node, property, text. Some on change, some always; some large, some back to what they were.
fn changes(round: usize) -> Vec<(String, &'static str, String)> {
    let node = |number: usize| format!("Units/U{}", number % UNITS);
    vec![
        (node(round), "mood", round.to_string()),
        (node(round * 3 + 1), "mood", (round % 3).to_string()),
        (
            node(round * 7 + 2),
            "position",
            format!("Vector2({round}, 0.5)"),
        ),
        (node(round), "hp", (1000 - round).to_string()),
        (node(round + 5), "heat", format!("{round}.5")),
        (
            node(round / 2),
            "bag",
            format!("\"{}\"", "x".repeat(round * 50)),
        ),
        ("Board".to_owned(), "title", format!("\"round {round}\"")),
    ]
}

#[test]
fn state_of_our_server_arrives_over_a_bad_network() {
    needs_godot!();
    let mut stage = Stage::server().with_arena(Filter::Unfiltered);
    let lossy = Lossy::new(stage.port(), FAULTS);
    stage.detour(lossy.port());
    let (godot, id) = stage.joined_engine(&[arena::OPTION]);
    for number in 0..UNITS {
        let unit = SpawnConfig::scene_path("res://unit.tscn", format!("U{number}"));
        stage.spawn("UnitSpawner", unit);
    }
    for round in 0..ROUNDS {
        for (node, property, text) in changes(round) {
            stage.set(&node, property, &text);
        }
        if round == ROUNDS / 2 {
            stage.despawn("Units/U3");
            stage.spawn(
                "UnitSpawner",
                SpawnConfig::scene_path("res://unit.tscn", "U3"),
            );
        }
        stage.play(PAUSE);
    }
    stage.until_same(godot, all);
    assert!(lossy.lost() > 30, "{}", lossy.lost());
    assert!(stage.left(id).is_none());
    assert_eq!(stage.engines[godot].noise(), "");
}

#[test]
fn state_of_the_engine_arrives_at_our_client_over_a_bad_network() {
    needs_godot!();
    let server = Engine::server(&[arena::OPTION]);
    let lossy = Lossy::new(server.port(), FAULTS);
    let mut stage =
        Stage::joining(client_config(), calls_node(), lossy.port()).with_arena(Filter::Unfiltered);
    stage.engines.push(server);
    let names: Vec<String> = (0..UNITS).map(|number| format!("U{number}")).collect();
    let spawn = |stage: &mut Stage, names: &[String]| {
        stage.engines[0].command(&json!({"do": "spawn", "scene": "unit", "names": names}));
    };
    spawn(&mut stage, &names);
    stage.until("it joins", |stage| stage.has_peer(1));
    for round in 0..ROUNDS {
        stage.engines[0].command(&json!({"do": "set", "changes": changes(round)}));
        if round == ROUNDS / 2 {
            stage.engines[0].command(&json!({"do": "free", "node": "Units/U3"}));
            spawn(&mut stage, &names[3..=3]);
        }
        stage.play(PAUSE);
    }
    stage.until_same(0, all);
    assert!(lossy.lost() > 30, "{}", lossy.lost());
    assert!(stage.over().is_none());
    assert_eq!(stage.engines[0].noise(), "");
}
