//! `gdwire serve` and `gdwire nat` as programs, against those of coturn and against aioice.

use interop::engine::{self, Engine};
use interop::ice;
use interop::stun::{self, Coturn};
use serde_json::Value as Json;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

macro_rules! needs {
    ($other:expr) => {
        if engine::command().is_none() || $other.is_none() {
            return;
        }
    };
}

/// A `gdwire serve` on free ports of loopback, with NAT discovery over IPv4: where its first addresses are.
struct Served {
    _process: Engine,
    ipv4: SocketAddr,
    ipv6: SocketAddr,
}

fn serve() -> Served {
    let mut process = Engine::start_command(&[
        "serve",
        "--json",
        "--bind",
        "127.0.0.1",
        "--bind",
        "::1",
        "--stun",
        "0",
        "--http",
        "0",
        "--stun-alternate",
        "127.0.0.2:0",
    ]);
    let deadline = Instant::now() + Duration::from_secs(30);
    let has_all = |process: &Engine| {
        let services = process.all("listening").map(|line| &line["service"]);
        services.filter(|service| *service == "http").count() == 2
    };
    while !has_all(&process) {
        process.pump(Duration::from_millis(20));
        assert!(Instant::now() < deadline, "{}", process.noise());
    }
    let stun = process.all("listening");
    let stun = stun.filter(|line| line["service"] == "stun");
    let stun: Vec<SocketAddr> = stun
        .map(|line| line["address"].as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(stun.len(), 5);
    Served {
        ipv4: stun[0],
        ipv6: stun[4],
        _process: process,
    }
}

#[test]
fn the_client_of_coturn_learns_its_address_over_both_families() {
    needs!(stun::coturn());
    let served = serve();
    for (at, mapped) in [
        (served.ipv4, "UDP reflexive addr: 127.0.0.1:"),
        (served.ipv6, "UDP reflexive addr: ::1:"),
    ] {
        let port = at.port().to_string();
        let (good, text) = stun::tool("turnutils_stunclient", &["-p", &port, &at.ip().to_string()]);
        assert!(good && text.contains(mapped), "{text}");
    }
    let port = served.ipv4.port().to_string();
    let (good, text) = stun::tool("turnutils_stunclient", &["-p", &port, "-f", "127.0.0.1"]);
    assert!(good && text.contains("RFC 5780 response 1"), "{text}");
    assert!(text.contains("Other addr: : 127.0.0.2:"), "{text}");
}

// req: N-1, N-2, N-3
#[test]
fn the_discovery_of_coturn_finds_what_there_is() {
    needs!(stun::coturn());
    let served = serve();
    let port = served.ipv4.port().to_string();
    let discover = |options: &[&str]| {
        let mut all = vec!["-p", &port, "-L", "127.0.0.1"];
        all.extend(options);
        all.push("127.0.0.1");
        let (good, text) = stun::tool("turnutils_natdiscovery", &all);
        assert!(good, "{options:?}\n{text}");
        text
    };
    let mapping = discover(&["-m"]);
    assert!(
        mapping.contains("No NAT! (Endpoint Independent Mapping)"),
        "{mapping}"
    );
    assert!(
        mapping.contains("No ALG: Mapped == XOR-Mapped"),
        "{mapping}"
    );
    let filtering = discover(&["-f"]);
    assert!(
        filtering.contains("NAT with Endpoint Independent Filtering!"),
        "{filtering}"
    );
    let padded = discover(&["-m", "-f", "-P"]);
    assert!(
        padded.contains("NAT with Endpoint Independent Filtering!"),
        "{padded}"
    );
    let hairpin = discover(&["-H"]);
    assert!(hairpin.contains("successful hairpinning"), "{hairpin}");
    // One address for the first answer, and another for the one to RESPONSE-PORT.
    let lifetime = discover(&["-t", "-T", "1"]);
    let answers = lifetime.matches("UDP reflexive addr: 127.0.0.1:").count();
    assert_eq!(answers, 2, "{lifetime}");
    let collision = discover(&["-c", "-A", "127.0.0.3"]);
    assert!(
        collision.contains("UDP reflexive addr: 127.0.0.3:"),
        "{collision}"
    );
}

#[test]
fn aioice_learns_its_address_over_both_families() {
    needs!(ice::aioice());
    let served = serve();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/stun/aioice_binding.py");
    let (v4, v6) = (
        served.ipv4.port().to_string(),
        served.ipv6.port().to_string(),
    );
    let python = ice::aioice().unwrap();
    let arguments = [script, "127.0.0.1", &v4, "::1", &v6];
    let (good, text) = stun::run(&python, &arguments);
    assert!(good, "{text}");
    let answers: Vec<Json> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), 2, "{text}");
    for answer in answers {
        assert_eq!(answer["mapped"], answer["local"], "{answer}");
        let attributes = answer["attributes"].as_array().unwrap();
        assert!(attributes.contains(&"FINGERPRINT".into()), "{answer}");
    }
}

#[test]
fn our_command_finds_through_coturn_that_there_is_no_nat() {
    needs!(stun::coturn());
    let coturn = Coturn::start(&["--no-auth"]);
    let command = engine::command().unwrap();
    for host in ["127.0.0.1", "::1"] {
        let at = coturn.at(host).to_string();
        let (good, text) = stun::run(&command, &["nat", "--json", &at]);
        let report: Json = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
        assert!(good, "{report}");
        assert_eq!(report["translated"], false);
        assert_eq!(report["mapping"], "endpoint_independent");
        assert_ne!(report["mapped_tcp"], Json::Null);
        assert_eq!(report["predictions"].as_array().unwrap().len(), 3);
        if host == "127.0.0.1" {
            assert_eq!(report["filtering"], "endpoint_independent", "{report}");
        }
    }
}
