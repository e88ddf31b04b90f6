//! `gdwire swarm` against servers of our own.

use crate::common::{Gdwire, run};
use core::net::SocketAddr;
use core::time::Duration;
use gdwire::drive::{self, blocking::ServerDriver};
use gdwire::session::{NodeConfig, RpcConfig};
use gdwire::{Event, Server, ServerConfig};
use serde_json::Value as Json;
use std::thread::JoinHandle;

/// How long the echo server waits for the next event before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that answers each call of `Main:ping` with itself, and ends when all clients have left.
fn echo_server() -> (String, JoinHandle<u64>) {
    let mut config = ServerConfig::new(drive::seed().unwrap());
    config.enet.max_peers = 4000;
    let mut server = Server::new(config).unwrap();
    let main = server
        .add_node(NodeConfig::new("Main").rpc(RpcConfig::new("ping").any_peer()))
        .unwrap();
    let mut driver = ServerDriver::bind(SocketAddr::from(([127, 0, 0, 1], 0)), server).unwrap();
    let url = format!("enet://{}", driver.local_address().unwrap());
    let thread = std::thread::spawn(move || {
        let mut calls = 0;
        while let Some(event) = driver.next_event_within(PATIENCE).unwrap() {
            match event {
                Event::Rpc(call) => {
                    calls += 1;
                    let server = driver.server_mut();
                    // A client may have left meanwhile.
                    let _ = server.rpc(call.peer, main, "ping", &call.arguments);
                }
                Event::PeerDisconnected { .. } if driver.server().peers().next().is_none() => {
                    driver.server_mut().close();
                }
                _ => {}
            }
        }
        calls
    });
    (url, thread)
}

fn swarm(arguments: &[&str]) -> (Option<i32>, Json) {
    let mut all = vec!["swarm"];
    all.extend(arguments);
    all.push("--json");
    let (code, output, error) = run(&all);
    let json = serde_json::from_str(&output).unwrap_or_else(|_| panic!("{output}{error}"));
    (code, json)
}

#[test]
fn two_hundred_clients_join_call_and_are_answered() {
    let (url, server) = echo_server();
    let (code, report) = swarm(&[
        &url,
        "--clients",
        "200",
        "--rpc",
        "Main:ping",
        "--rate",
        "2",
        "--for",
        "6",
    ]);
    let calls = server.join().unwrap();
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["joined"], 200);
    assert_eq!(report["joining_ms"]["samples"], 200);
    assert_eq!(report["round_trip_source"], "rpc");
    let sent = report["calls_sent"].as_u64().unwrap();
    let answered = report["calls_answered"].as_u64().unwrap();
    // A slow machine answers late, so the last ones may be missing.
    assert!(sent >= 400 && answered <= sent, "{report}");
    assert!(answered * 2 >= sent, "{report}");
    assert!(calls >= answered);
    assert_eq!(report["round_trip_ms"]["samples"], answered);
    assert_eq!(report["method_mismatches"], 0);
    assert!(report["bytes_in_per_second"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_threads_of_a_swarm_report_as_one() {
    let (url, server) = echo_server();
    let (code, report) = swarm(&[
        &url,
        "--clients",
        "31",
        "--threads",
        "3",
        "--rpc",
        "Main:ping",
        "--rate",
        "5",
        "--for",
        "4",
    ]);
    let calls = server.join().unwrap();
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(
        (&report["clients"], &report["threads"]),
        (&31.into(), &3.into())
    );
    assert_eq!(report["joined"], 31);
    assert_eq!(report["joining_ms"]["samples"], 31);
    let sent = report["calls_sent"].as_u64().unwrap();
    assert!(sent >= 2 * 31 && calls >= report["calls_answered"].as_u64().unwrap());
    assert!(report["round_trip_ms"]["max"].as_f64().unwrap() > 0.0);
    if cfg!(target_os = "linux") {
        assert!(report["memory_bytes_when_joined"].as_u64().unwrap() > 0);
    }
}

/// The address of a listener that a host tells of, as a URL.
fn listening(host: &Gdwire) -> String {
    let line = host.expect("listening");
    format!("enet://{}", line["address"].as_str().unwrap())
}

#[test]
fn five_hundred_clients_lose_no_reliable_call_to_a_host_that_echoes_and_its_memory_is_flat() {
    let (mut host, url) = Gdwire::host(&[
        "--rpc",
        "Main:ping",
        "--echo",
        "--no-relay",
        "--max-clients",
        "500",
        "--report",
        "1",
    ]);
    let (code, report) = swarm(&[
        &url,
        "--clients",
        "500",
        "--no-relay",
        "--rpc",
        "Main:ping",
        "--rate",
        "4",
        "--join-rate",
        "250",
        "--frame",
        "0.05",
        "--for",
        "10",
    ]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["joined"], 500);
    let sent = report["calls_sent"].as_u64().unwrap();
    assert!(sent > 500 * 4, "{report}");
    assert_eq!(report["calls_unanswered"], 0, "{report}");
    // Each answer waits for the frame of its client.
    assert!(report["round_trip_ms"]["p50"].as_f64().unwrap() > 5.0);
    host.say(r#"{"do":"quit"}"#);
    let (code, lines) = host.end();
    assert_eq!(code, Some(0));
    assert!(lines.iter().all(|line| line["event"] != "rpc"));
    let reports: Vec<&Json> = lines
        .iter()
        .filter(|line| line["event"] == "report")
        .collect();
    let last = reports.last().unwrap();
    assert_eq!(last["echoed"], sent, "{last}");
    assert_eq!(last["not_echoed"], 0);
    assert_eq!(last["refused_packets"], 0);
    let full = reports.iter().filter(|report| report["peers"] == 500);
    let memory: Vec<u64> = full
        .filter_map(|report| report["memory_bytes"].as_u64())
        .collect();
    if let (Some(first), Some(end)) = (memory.first(), memory.last()) {
        assert!(*end < first + (16 << 20), "{memory:?}");
    }
}

#[test]
fn clients_of_two_listeners_play_one_game() {
    let host = [
        "--rpc",
        "Main:ping",
        "--echo",
        "--listeners",
        "2",
        "--max-clients",
        "2",
    ];
    let (mut host, first) = Gdwire::host(&host);
    let second = listening(&host);
    assert_ne!(first, second);
    let (code, report) = swarm(&[
        &first,
        &second,
        "--clients",
        "4",
        "--rpc",
        "Main:ping",
        "--for",
        "3",
    ]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["joined"], 4);
    assert_eq!(report["calls_unanswered"], 0, "{report}");
    // Nobody is refused: each client hears of those at the other listener too.
    assert_eq!(report["dropped"], 0);
    host.say(r#"{"do":"quit"}"#);
    assert_eq!(host.end().0, Some(0));
}

#[test]
fn a_table_is_printed_for_people_and_enet_gives_the_round_trips_without_calls() {
    let (_host, url) = Gdwire::host(&[]);
    let (code, output, error) = run(&[
        "swarm",
        &url,
        "--clients",
        "3",
        "--for",
        "1.5",
        "--no-relay",
    ]);
    assert_eq!(code, Some(0), "{output}{error}");
    // Each hears of those who joined before and after it.
    assert!(output.contains("refused     6 packets"), "{output}");
    assert!(output.starts_with("clients     3 joined of 3"), "{output}");
    assert!(output.contains("(enet)"), "{output}");
    assert!(!output.contains("calls"), "{output}");
}

// req: HG-17
#[test]
fn refused_clients_fail_by_reason_and_are_one_line_a_second_at_the_host() {
    let (mut host, url) = Gdwire::host(&["--refuse"]);
    let (code, report) = swarm(&[&url, "--clients", "30", "--for", "20"]);
    assert_eq!(code, Some(1));
    assert_eq!(report["joined"], 0);
    assert_eq!(report["failed_by_reason"]["refused"], 30);
    host.say(r#"{"do":"quit"}"#);
    let (_, lines) = host.end();
    let refused = lines
        .iter()
        .filter(|line| line["kind"] == "refused")
        .count();
    assert!((1..15).contains(&refused), "{lines:?}");
}

#[test]
fn a_swarm_shows_its_token_and_tells_who_was_lost() {
    let (mut host, url) = Gdwire::host(&["--auth", "c0ffee"]);
    let swarm = std::thread::spawn(move || {
        swarm(&[&url, "--clients", "2", "--auth", "c0ffee", "--for", "20"])
    });
    let first = host.expect("peer_connected")["peer"].clone();
    host.expect("peer_connected");
    host.say(&serde_json::json!({"do": "kick", "peer": first}).to_string());
    host.expect("peer_disconnected");
    host.say(r#"{"do":"quit"}"#);
    let (code, report) = swarm.join().unwrap();
    assert_eq!(code, Some(1));
    assert_eq!(report["joined"], 2);
    assert_eq!(report["lost_by_reason"]["remote"], 2);
}

#[test]
fn wrong_arguments_are_refused_in_one_line() {
    let url = "enet://127.0.0.1:1";
    for (arguments, part) in [
        (&[url][..], "--clients"),
        (&[url, "--clients", "0"], "0"),
        (&[url, "--clients", "1", "--rate", "nan"], "per second"),
        (&[url, "--clients", "1", "--args", "{}"], "array"),
        (&[url, "--clients", "1", "--rpc", "../x:y"], "path"),
        (&[url, "--clients", "1", "--frame", "0"], "seconds"),
        (&["--clients", "1"], "URL"),
    ] {
        let mut all = vec!["swarm"];
        all.extend(arguments);
        let (code, _, error) = run(&all);
        assert_eq!(code, Some(2), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains(part), "{error}");
    }
}
