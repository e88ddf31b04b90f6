//! `gdwire serve` and `gdwire nat`, each against the other.

use crate::common::{Gdwire, run};
use core::net::SocketAddr;
use serde_json::Value as Json;
use std::io::{Read, Write};
use std::net::TcpStream;

/// A server on free ports of loopback, with NAT discovery if there is an alternate address: where STUN and HTTP are.
fn serve(ip: &str, alternate: Option<&str>) -> (Gdwire, SocketAddr, SocketAddr) {
    let mut arguments = vec![
        "serve", "--bind", ip, "--stun", "0", "--http", "0", "--json",
    ];
    arguments.extend(alternate.iter().flat_map(|at| ["--stun-alternate", at]));
    let server = Gdwire::start(&arguments);
    let mut stun = None;
    loop {
        let line = server.expect("listening");
        let address = line["address"].as_str().unwrap().parse().unwrap();
        if line["service"] == "http" {
            return (server, stun.expect("STUN is named first"), address);
        }
        stun.get_or_insert(address);
    }
}

fn nat(arguments: &[&str]) -> (Option<i32>, Json) {
    let mut all = vec!["nat", "--json"];
    all.extend(arguments);
    let (code, output, error) = run(&all);
    let json = serde_json::from_str(&output).unwrap_or_else(|_| panic!("{output}{error}"));
    (code, json)
}

fn get(at: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn discovery_against_our_own_server_says_that_there_is_no_nat_and_the_metrics_show_it() {
    let (server, stun, http) = serve("127.0.0.1", Some("127.0.0.2:0"));
    let (code, report) = nat(&[&stun.to_string()]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["translated"], false, "{report}");
    assert_eq!(report["mapping"], "endpoint_independent", "{report}");
    assert_eq!(report["filtering"], "endpoint_independent", "{report}");
    assert_eq!(report["classic"], "open internet");
    assert_eq!(report["fragments"], "pass");
    assert_eq!(report["ports"]["pattern"], "preserving", "{report}");
    assert!(report["other"].as_str().unwrap().starts_with("127.0.0.2:"));
    assert!(
        report["mapped_tcp"]
            .as_str()
            .unwrap()
            .starts_with("127.0.0.1:")
    );
    assert_eq!(report["predictions"][2]["path"], "direct");

    let metrics = get(http, "/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
    let count = |name: &str| {
        let mut lines = metrics.lines();
        let line = lines.find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    assert!(count("gdwire_stun_answered_total ") >= 15, "{metrics}");
    assert!(count("gdwire_stun_reflected_total ") >= 2, "{metrics}");
    assert_eq!(
        count("gdwire_stun_connections_total{outcome=\"accepted\"}"),
        1
    );
    assert!(get(http, "/healthz").ends_with("\r\n\r\nok\n"));
    assert!(get(http, "/").starts_with("HTTP/1.1 404"));

    #[cfg(unix)]
    {
        server.interrupt();
        let (code, lines) = server.end();
        assert_eq!(code, Some(0));
        let last = lines.last().unwrap();
        assert_eq!(
            (&last["event"], &last["reason"]),
            (&"stopped".into(), &"interrupted".into())
        );
    }
    #[cfg(not(unix))]
    drop(server);
}

#[test]
fn over_ipv6_and_without_a_second_address_less_is_known_and_said() {
    let (_server, stun, _) = serve("::1", None);
    let (code, output, error) = run(&["nat", &stun.to_string()]);
    assert_eq!(code, Some(0), "{error}");
    for part in [
        "mapped      [::1]:",
        "over tcp    [::1]:",
        "no second address",
        "filtering   unknown",
    ] {
        assert!(output.contains(part), "{part}\n{output}");
    }
}

#[test]
fn two_players_learn_how_they_will_connect() {
    let (_server, stun, _) = serve("127.0.0.1", Some("127.0.0.2:0"));
    let (_, output, _) = run(&["nat", "--json", &stun.to_string()]);
    let file = std::env::temp_dir().join(format!("gdwire-nat-{}.json", std::process::id()));
    std::fs::write(&file, output).unwrap();
    let (code, report) = nat(&[&stun.to_string(), "--peer", file.to_str().unwrap()]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(code, Some(0));
    assert_eq!(report["predictions"].as_array().unwrap().len(), 1);
    assert_eq!(report["predictions"][0]["path"], "direct", "{report}");
    let words = report["predictions"][0]["words"].as_str().unwrap();
    assert!(
        words.starts_with("a direct connection should work"),
        "{words}"
    );
}

#[test]
fn a_server_that_does_not_answer_fails_after_its_time() {
    // A socket that nobody reads.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (code, report) = nat(&[&silent.local_addr().unwrap().to_string()]);
    assert_eq!(code, Some(1));
    assert_eq!(report["blocked"], true, "{report}");
    assert_eq!(report["mapped"], Json::Null);
}

#[test]
fn wrong_arguments_are_refused_in_one_line() {
    for (arguments, part) in [
        (&["nat"][..], "SERVER"),
        (&["nat", "stuns:a.org"], "TLS"),
        (&["nat", "127.0.0.1", "-4", "-6"], "ipv6"),
        (
            &["nat", "127.0.0.1", "--peer", "/nowhere.json"],
            "/nowhere.json",
        ),
        (&["serve", "--only", "turn"], "only stun"),
        (&["serve", "--stun-alternate", "127.0.0.2:1"], "--bind"),
        (&["serve", "--stun-rate", "0"], "0"),
        (
            &[
                "serve",
                "--bind",
                "127.0.0.1",
                "--stun",
                "0",
                "--stun-alternate",
                "[::1]:1",
            ],
            "family",
        ),
    ] {
        let (code, _, error) = run(arguments);
        assert_eq!(code, Some(2), "{arguments:?} {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains(part), "{arguments:?} {error}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let (_server, stun, _) = serve("127.0.0.1", None);
    let port = stun.port().to_string();
    let (code, _, error) = run(&[
        "serve",
        "--bind",
        "127.0.0.1",
        "--http",
        "0",
        "--stun",
        &port,
    ]);
    assert_eq!(code, Some(1));
    assert!(error.contains(&stun.to_string()), "{error}");
}
