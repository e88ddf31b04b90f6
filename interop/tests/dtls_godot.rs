//! The engine and DTLS with the command: its own, where its build has one, and mbedTLS around its plain ENet.

use gdwire::drive::{date, seed};
use gdwire::dtls::Identity;
use interop::dtls::{Bridge, Vault, bridge_program};
use interop::engine::{self, Ability, Engine};
use serde_json::json;
use std::time::{Duration, Instant};

const NAME: &str = "game.example";
/// What the engine plays.
const PROJECT: [&str; 2] = ["--project", concat!(env!("CARGO_MANIFEST_DIR"), "/godot")];

/// Waits until `done` holds for both programs.
fn until(what: &str, pair: &mut [&mut Engine; 2], done: impl Fn(&[&mut Engine; 2]) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done(pair) {
        for program in pair.iter_mut() {
            program.pump(Duration::from_millis(5));
        }
        let report = || {
            let programs = pair.iter();
            programs
                .map(|program| format!("{:#?}\n{}", program.events, program.noise()))
                .collect::<String>()
        };
        assert!(
            Instant::now() < deadline,
            "waiting in vain: {what}\n{}",
            report()
        );
    }
}

/// A certificate for `NAME` and its key, as files.
fn certificate(vault: &Vault) -> (String, String) {
    let identity = Identity::self_signed(NAME, date(), seed().unwrap()).unwrap();
    let certificate = vault.put("certificate.pem", &identity.certificate_pem());
    (certificate, vault.put("key.pem", &identity.key_pem()))
}

/// `gdwire host` with DTLS, and its port.
fn host(certificate: &str, key: &str) -> (Engine, u16) {
    let mut arguments = vec!["host", "enet://127.0.0.1:0?dtls=1"];
    arguments.extend(["--dtls-cert", certificate, "--dtls-key", key]);
    arguments.extend(PROJECT);
    let mut host = Engine::start_command(&arguments);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !host.has("listening") && Instant::now() < deadline {
        host.pump(Duration::from_millis(20));
    }
    let listening = host.all("listening").next().expect("it listens");
    let address = listening["address"].as_str().unwrap();
    let port = address.rsplit(':').next().unwrap().parse().unwrap();
    (host, port)
}

/// Calls in both directions between `gdwire` and the engine, which is the peer `godot_id` of the game.
fn play(gdwire: &mut Engine, godot: &mut Engine, (gdwire_id, godot_id): (i32, i32)) {
    gdwire.command(&json!({"do": "rpc", "peer": godot_id, "node": "Peer/Calls",
        "method": "reliable_on_0", "args": ["to the engine"]}));
    godot.rpc(
        gdwire_id,
        "Calls",
        "reliable_on_0",
        r#"["from the engine"]"#,
    );
    until("calls", &mut [gdwire, godot], |pair| {
        pair.iter().all(|program| program.has("rpc"))
    });
    assert_eq!(
        gdwire.all("rpc").next().unwrap()["args"],
        json!(["from the engine"])
    );
    assert_eq!(godot.calls()[0].1, r#"["to the engine"]"#);
}

#[test]
fn the_engine_plays_on_our_server_through_mbedtls() {
    if engine::installed().is_none() || engine::command().is_none() || bridge_program().is_none() {
        return;
    }
    let vault = Vault::new("engine-in-mbedtls");
    let (certificate, key) = certificate(&vault);
    let (mut host, port) = host(&certificate, &key);
    let bridge = Bridge::client(port, Some(&certificate), Some(NAME));
    let mut godot = Engine::start(&[format!("--port={}", bridge.port)]);
    until("joining", &mut [&mut host, &mut godot], |pair| {
        pair[0].has("peer_connected") && pair[1].has("connected")
    });
    let id = godot.id();
    play(&mut host, &mut godot, (1, id));
}

#[test]
fn our_client_plays_on_the_engine_through_mbedtls() {
    if engine::installed().is_none() || engine::command().is_none() || bridge_program().is_none() {
        return;
    }
    let vault = Vault::new("mbedtls-at-engine");
    let (certificate, key) = certificate(&vault);
    let mut godot = Engine::start(&["--role=server".to_owned()]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !godot.has("listening") && Instant::now() < deadline {
        godot.pump(Duration::from_millis(20));
    }
    let bridge = Bridge::server(&certificate, &key, godot.port());
    let url = format!("enet://127.0.0.1:{}?dtls=1", bridge.port);
    let mut client = Engine::start_command(&trusting(&url, &certificate));
    until("joining", &mut [&mut client, &mut godot], |pair| {
        pair[0].has("connected") && pair[1].has_of("peer_connected", 77)
    });
    play(&mut client, &mut godot, (77, 1));
}

/// The arguments of a client that is peer 77.
fn trusting<'a>(url: &'a str, certificate: &'a str) -> Vec<&'a str> {
    let mut arguments = vec!["connect", url, "--id", "77"];
    arguments.extend(["--dtls-ca", certificate, "--dtls-name", NAME]);
    arguments.extend(PROJECT);
    arguments
}

#[test]
fn the_engine_plays_over_its_own_dtls_in_both_roles() {
    let Some(program) = engine::installed_with(Ability::Dtls) else {
        return;
    };
    if engine::command().is_none() {
        return;
    }
    let vault = Vault::new("engine-dtls");
    let (certificate, key) = certificate(&vault);
    let options = |role: &str, port: u16| {
        [
            format!("--role={role}"),
            format!("--port={port}"),
            format!("--dtls-cert={certificate}"),
            format!("--dtls-key={key}"),
            format!("--dtls-name={NAME}"),
        ]
    };
    let (mut host, port) = host(&certificate, &key);
    let mut godot = Engine::start_in(&program, &options("client", port));
    until("joining", &mut [&mut host, &mut godot], |pair| {
        pair[0].has("peer_connected") && pair[1].has("connected")
    });
    let id = godot.id();
    play(&mut host, &mut godot, (1, id));

    let server = options("server", 0);
    let server: Vec<_> = server.iter().map(String::as_str).collect();
    let mut godot = Engine::server_in(&program, &server);
    let url = format!("enet://127.0.0.1:{}?dtls=1", godot.port());
    let mut client = Engine::start_command(&trusting(&url, &certificate));
    until("joining", &mut [&mut client, &mut godot], |pair| {
        pair[0].has("connected") && pair[1].has_of("peer_connected", 77)
    });
    play(&mut client, &mut godot, (77, 1));
}
