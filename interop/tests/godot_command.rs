//! The `gdwire` command and the engine in one game.

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

/// All methods of the node that the tests call.
const RPCS: [&str; 12] = [
    "Peer/Calls:reliable_on_0",
    "Peer/Calls:ordered_on_0:any_peer:unreliable_ordered",
    "Peer/Calls:unreliable_on_0:any_peer:unreliable",
    "Peer/Calls:reliable_on_1:any_peer:reliable:1",
    "Peer/Calls:ordered_on_2:any_peer:unreliable_ordered:2",
    "Peer/Calls:unreliable_on_3:any_peer:unreliable:3",
    "Peer/Calls:reliable_on_100:any_peer:reliable:100",
    "Peer/Calls:by_authority:authority",
    "Peer/Calls:local_too",
    "Peer/Calls:no_arguments",
    "Peer/Calls:only_bytes",
    "Peer/Calls:many_arguments",
];

fn with_rpcs<'a>(first: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = first.to_vec();
    arguments.extend(RPCS.iter().flat_map(|rpc| ["--rpc", rpc]));
    arguments
}

/// Waits until `done` holds for both programs.
fn until(what: &str, engines: &mut [&mut Engine; 2], done: impl Fn(&[&mut Engine; 2]) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done(engines) {
        for engine in engines.iter_mut() {
            engine.pump(Duration::from_millis(5));
        }
        let report = || {
            engines
                .iter()
                .map(|engine| format!("{:#?}\n{}", engine.events, engine.noise()))
                .collect::<String>()
        };
        assert!(
            Instant::now() < deadline,
            "waiting in vain: {what}\n{}",
            report()
        );
    }
}

fn call(program: &Engine) -> Option<&Json> {
    program.all("rpc").next()
}

#[test]
fn the_command_hosts_a_game_for_an_engine() {
    needs_both!();
    let mut host = Engine::start_command(&with_rpcs(&[
        "host",
        "enet://127.0.0.1:0",
        "--auth",
        "c0ffee",
    ]));
    let deadline = Instant::now() + Duration::from_secs(10);
    while !host.has("listening") && Instant::now() < deadline {
        host.pump(Duration::from_millis(20));
    }
    let address = host.all("listening").next().expect("it listens")["address"]
        .as_str()
        .unwrap()
        .to_owned();
    let port = address.rsplit(':').next().unwrap();
    let mut godot = Engine::start(&[format!("--port={port}"), "--auth=c0ffee".to_owned()]);
    let programs = &mut [&mut host, &mut godot];
    until("both are in the game", programs, |[host, godot]| {
        host.has("peer_connected") && godot.has("connected")
    });
    let id = programs[1].id();
    assert!(programs[0].has_of("peer_connected", id));

    programs[1].rpc(1, "Calls", "reliable_on_1", "[Vector3(1, 2, 3)]");
    programs[0].command(&json!({"do": "rpc", "peer": id, "node": "Peer/Calls", "method": "ordered_on_2", "args": [{"gd": "Color(1, 0, 0, 1)"}]}));
    programs[0].command(
        &json!({"do": "send", "peer": 0, "hex": "beef", "mode": "unreliable", "channel": 2}),
    );
    until("calls and packet arrive", programs, |[host, godot]| {
        call(host).is_some() && call(godot).is_some() && godot.has("packet")
    });
    let heard = call(programs[0]).unwrap();
    assert_eq!(heard["args"], json!([{"gd": "Vector3(1, 2, 3)"}]));
    assert_eq!(
        (&heard["node"], &heard["method"], &heard["channel"]),
        (&json!("Peer/Calls"), &json!("reliable_on_1"), &json!(1))
    );
    assert_eq!(
        programs[1].calls(),
        [("ordered_on_2".to_owned(), "[Color(1, 0, 0, 1)]".to_owned())]
    );
    assert_eq!(programs[1].all("packet").next().unwrap()["hex"], "beef");

    programs[0].command(&json!({"do": "kick", "peer": id}));
    until("the engine is out", programs, |[_, godot]| {
        godot.has("disconnected")
    });
    programs[0].command(&json!({"do": "quit"}));
    until("the command ends", programs, |[host, _]| {
        host.has("disconnected")
    });
    let deadline = Instant::now() + Duration::from_secs(5);
    while host.exit_code().is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(host.exit_code(), Some(0));
}

#[test]
fn the_command_joins_a_game_of_an_engine() {
    needs_both!();
    let mut godot = Engine::start(&["--role=server".to_owned()]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !godot.has("listening") && Instant::now() < deadline {
        godot.pump(Duration::from_millis(20));
    }
    let url = format!("enet://127.0.0.1:{}", godot.port());
    let mut client = Engine::start_command(&with_rpcs(&["connect", &url, "--id", "4711"]));
    let programs = &mut [&mut client, &mut godot];
    until("both are in the game", programs, |[client, godot]| {
        client.has("connected") && godot.has_of("peer_connected", 4711)
    });

    programs[0].command(&json!({"do": "rpc", "peer": 1, "node": "Peer/Calls", "method": "reliable_on_0", "args": [{"key": [1, 2.5, null]}]}));
    programs[1].rpc(4711, "Calls", "unreliable_on_3", "[nan]");
    until("calls arrive", programs, |[client, godot]| {
        call(client).is_some() && call(godot).is_some()
    });
    assert_eq!(call(programs[0]).unwrap()["args"], json!([{"gd": "nan"}]));
    assert_eq!(call(programs[0]).unwrap()["channel"], 3);
    let (method, arguments) = &programs[1].calls()[0];
    assert_eq!(method, "reliable_on_0");
    assert!(arguments.contains("\"key\": [1, 2.5, null]"), "{arguments}");

    programs[1].command(&json!({"do": "quit"}));
    until("the command learns it", programs, |[client, _]| {
        client.has("disconnected")
    });
}

#[test]
fn the_demo_plays_with_engines() {
    needs_both!();
    let output = std::process::Command::new(engine::command().unwrap())
        .args(["demo", "dedicated", "--godot"])
        .arg(engine::installed().unwrap())
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{table}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        table
            .lines()
            .any(|line| line.starts_with("dedicated") && line.ends_with("ok")),
        "{table}"
    );
}
