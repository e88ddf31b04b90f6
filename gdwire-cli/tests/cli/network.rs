//! Networks that are not plain IPv4 over loopback.

use crate::common::{Gdwire, command, run};
use serde_json::Value as Json;
use std::io::Write;

/// Not with eprintln, which the test harness swallows.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

#[test]
fn a_host_of_all_addresses_has_ipv4_and_ipv6_clients_in_one_game() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        skipped("this machine has no IPv6");
        return;
    }
    let mut host = Gdwire::start(&["host", "enet://*:0", "--rpc", "Main:ping", "--echo"]);
    let listening = host.expect("listening");
    let address = listening["address"].as_str().unwrap();
    let port = address.strip_prefix("[::]:").unwrap();
    let (four, six) = (
        format!("enet://127.0.0.1:{port}"),
        format!("enet://[::1]:{port}"),
    );
    let (code, output, error) = run(&[
        "swarm",
        &four,
        &six,
        "--clients",
        "6",
        "--rpc",
        "Main:ping",
        "--rate",
        "10",
        "--for",
        "3",
        "--json",
    ]);
    let report: Json = serde_json::from_str(&output).unwrap_or_else(|_| panic!("{output}{error}"));
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["joined"], 6);
    assert!(report["calls_answered"].as_u64() > Some(0), "{report}");
    assert_eq!(report["calls_unanswered"], 0, "{report}");
    // Each hears of all others, of whichever family.
    assert_eq!(report["dropped"], 0);
    host.say(r#"{"do":"quit"}"#);
    assert_eq!(host.end().0, Some(0));
}

/// A datagram of ours has up to 1392 bytes; the way here takes 900. A socket that forbids the system to fragment loses all.
#[cfg(target_os = "linux")]
const NARROW: &str = r#"
set -e
ip link set dev lo mtu 900 up
ip link show dev lo
"$0" host enet://127.0.0.1:9000 --rpc Main:ping --echo --for 30 </dev/null >/dev/null &
host=$!
"$0" swarm enet://127.0.0.1:9000 --clients 3 --join-rate 3 --rpc Main:ping --rate 4 \
    --args "[\"$(head -c 4000 /dev/zero | tr '\0' x)\"]" --for 5 --json
kill $host
"#;

#[cfg(target_os = "linux")]
#[test]
fn full_datagrams_pass_a_network_narrower_than_they_are() {
    use std::process::Command;
    // A network of the test's own: nothing here reaches the machine's.
    let namespace = ["--net", "--map-root-user"];
    let probe = Command::new("unshare").args(namespace).arg("true").output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        skipped("no right to make a network namespace");
        return;
    }
    if Command::new("ip").arg("-V").output().is_err() {
        let in_ci = std::env::var_os("CI").is_some();
        assert!(!in_ci, "install iproute2");
        skipped("no ip (iproute2)");
        return;
    }
    let binary = command().get_program().to_owned();
    let output = Command::new("unshare")
        .args(namespace)
        .args(["sh", "-c", NARROW])
        .arg(binary)
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("mtu 900"), "{text}{error}");
    let report = text.lines().last().unwrap_or_default();
    let report: Json = serde_json::from_str(report).unwrap_or_else(|_| panic!("{text}{error}"));
    assert_eq!(report["joined"], 3, "{report}");
    assert!(report["calls_answered"].as_u64() > Some(10), "{report}");
    assert_eq!(report["calls_unanswered"], 0, "{report}");
}
