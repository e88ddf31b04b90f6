//! `--map` of `gdwire nat` and `gdwire host`, against a gateway that a thread plays on loopback.

use crate::common::{Gdwire, run};
use core::net::SocketAddr;
use core::time::Duration;
use gdwire::ice::{PcpRequest, PcpResponse};
use std::net::UdpSocket;
use std::sync::mpsc::{self, Receiver};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the gateway answers to a request for a mapping.
#[derive(Clone, Copy)]
enum Answer {
    /// The wished port at this address, for so many seconds.
    Grants(&'static str, u32),
    /// NOT_AUTHORIZED.
    Refuses,
}

/// Plays a gateway that knows PCP: its address, and the requests that came.
fn gateway(answer: Answer) -> (String, Receiver<PcpRequest>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let (sender, requests) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 1100];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let Ok(request) = PcpRequest::read(&buffer[..length]) else {
                continue;
            };
            let (result, ip, lifetime) = match answer {
                Answer::Grants(ip, lifetime) => (0, ip, lifetime),
                Answer::Refuses => (2, "0.0.0.0", 60),
            };
            let response = PcpResponse {
                result,
                lifetime_seconds: lifetime.min(request.lifetime_seconds),
                epoch_seconds: 1,
                nonce: request.nonce,
                internal_port: request.internal_port,
                external: SocketAddr::new(ip.parse().unwrap(), request.internal_port),
            };
            let length = response.write(&mut buffer).unwrap();
            // Who asked may be gone.
            let _ = socket.send_to(&buffer[..length], from);
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    (address, requests)
}

/// Whether the removal of the mapping of `port` is among the requests. A request is repeated after 250 ms, so on a busy machine
/// copies of others come before it.
fn gives_back(requests: &Receiver<PcpRequest>, port: u16) -> bool {
    let mut all = core::iter::from_fn(|| requests.recv_timeout(PATIENCE).ok());
    all.any(|it| (it.internal_port, it.lifetime_seconds) == (port, 0))
}

#[test]
fn nat_map_tells_the_outer_address_renews_it_and_gives_it_back_on_ctrl_c() {
    let (gateway, requests) = gateway(Answer::Grants("203.0.113.5", 30));
    let arguments = ["nat", "--json", "--map", "9000", "--gateway", &gateway];
    let command = Gdwire::start(&[&arguments[..], &["--lease", "40"]].concat());
    let mapped = command.expect("mapped");
    assert_eq!(mapped["internal"], "0.0.0.0:9000");
    assert_eq!(mapped["external"], "203.0.113.5:9000");
    assert_eq!(
        (mapped["by"].as_str(), mapped["lease_s"].as_u64()),
        (Some("pcp"), Some(30))
    );
    let wished = |request: PcpRequest| (request.internal_port, request.lifetime_seconds);
    assert_eq!(requests.recv_timeout(PATIENCE).map(wished), Ok((9000, 40)));
    // Copies of the first request come within 2 s, each at most a second after the one before; half of the lease is 15 s.
    while requests.recv_timeout(Duration::from_secs(5)).is_ok() {}
    let renewed = requests.recv_timeout(PATIENCE).map(wished);
    assert_eq!(renewed, Ok((9000, 40)), "renewed at half of the lease");
    #[cfg(unix)]
    {
        command.interrupt();
        let (code, rest) = command.end();
        assert_eq!(code, Some(0), "{rest:?}");
        assert_eq!(rest.last().unwrap()["reason"], "interrupted");
        assert!(gives_back(&requests, 9000));
    }
}

#[test]
fn nat_map_says_in_words_what_it_got() {
    let (gateway, _requests) = gateway(Answer::Grants("192.168.7.1", 7200));
    let arguments = ["nat", "--map", "9001", "--gateway", &gateway, "--for", "5"];
    let (code, output, error) = run(&arguments);
    assert_eq!(code, Some(0), "{output}{error}");
    let mut lines = output.lines();
    assert_eq!(
        lines.next(),
        Some(
            "UDP port 9001 is open at 192.168.7.1:9001, by PCP, for 7200 s, renewed until this command ends"
        )
    );
    assert!(
        lines
            .next()
            .unwrap()
            .contains("another gateway stands further out")
    );
}

#[test]
fn nat_map_fails_with_exit_code_1_where_the_gateway_opens_no_ports() {
    let (gateway, _requests) = gateway(Answer::Refuses);
    let arguments = ["nat", "--json", "--map", "9000", "--gateway", &gateway];
    let (code, output, error) = run(&arguments);
    assert_eq!(code, Some(1), "{output}{error}");
    let line: serde_json::Value = serde_json::from_str(&output).expect("one line");
    assert_eq!(line["event"], "map_failed", "{output}");
}

#[test]
fn wrong_arguments_of_a_mapping_are_said_in_one_line() {
    for (arguments, part) in [
        (&["nat"][..], "SERVER"),
        (&["nat", "--map", "0"], "--map"),
        (
            &["nat", "--map", "9000", "stun.example.org"],
            "cannot be used with",
        ),
        (&["nat", "--map", "9000", "--lease", "29"], "30 to 86400"),
        (
            &["nat", "--map", "9000", "--gateway", "router.lan"],
            "IP address",
        ),
        (
            &["nat", "stun.example.org", "--gateway", "192.0.2.1"],
            "--map",
        ),
        (&["host", "enet://*:0", "--gateway", "192.0.2.1"], "--map"),
        (
            &["host", "enet://*:0", "--map", "--listeners", "2"],
            "cannot be used with",
        ),
    ] {
        let (code, output, error) = run(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {output}{error}");
        assert!(error.contains(part), "{arguments:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn host_map_tells_where_friends_join_and_gives_the_port_back_at_the_end() {
    let (gateway, requests) = gateway(Answer::Grants("203.0.113.5", 7200));
    let (mut host, url) = Gdwire::host(&["--map", "--gateway", &gateway]);
    let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
    let mapped = host.expect("mapped");
    assert_eq!(mapped["external"], format!("203.0.113.5:{port}"));
    let (client, _) = Gdwire::join(&url, &[]);
    host.say(r#"{"do":"quit"}"#);
    let (code, rest) = host.end();
    assert_eq!(code, Some(0), "{rest:?}");
    let wished = |request: PcpRequest| (request.internal_port, request.lifetime_seconds);
    assert_eq!(
        requests.recv_timeout(PATIENCE).map(wished),
        Ok((port, 7200))
    );
    assert!(gives_back(&requests, port));
    drop(client);
}

#[cfg(unix)]
#[test]
fn host_map_gives_the_port_back_when_a_supervisor_ends_the_game() {
    let (gateway, requests) = gateway(Answer::Grants("203.0.113.5", 7200));
    let (host, url) = Gdwire::host(&["--map", "--gateway", &gateway]);
    let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
    host.expect("mapped");
    host.terminate();
    let (code, rest) = host.end();
    assert_eq!(code, Some(0), "{rest:?}");
    let last = rest.last().unwrap();
    assert_eq!(
        (&last["event"], &last["reason"]),
        (&"disconnected".into(), &"terminated".into())
    );
    assert!(gives_back(&requests, port));
}

#[test]
fn a_game_goes_on_where_the_gateway_opens_no_ports() {
    let (gateway, _requests) = gateway(Answer::Refuses);
    let (host, url) = Gdwire::host(&["--map", "--gateway", &gateway]);
    assert!(host.expect("map_failed")["reason"].is_string());
    let (_client, _) = Gdwire::join(&url, &[]);
    host.expect("peer_connected");
}
