//! What the unmodified netfox addon and noray 1.4.3 sent on 2026's Godot 4.6.3, replayed.

use core::net::SocketAddr;
use proto_core::{Handled, Instant};
use relay_proto::noray::{
    Claims, Outcome, Punch, PunchConfig, Registered, Registration, RegistrationConfig,
};

/// Milliseconds, from, to, and the bytes of each recorded UDP datagram.
fn datagrams() -> Vec<(u64, String, String, Vec<u8>)> {
    let text = include_str!("vectors/noray-udp.json");
    let recording: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let events = recording["events"].as_array().expect("a list");
    let string = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let parse = |event: &serde_json::Value| {
        let hex = string(&event["hex"]).into_bytes();
        let bytes = hex.chunks(2).map(|pair| {
            let pair = core::str::from_utf8(pair).expect("hex");
            u8::from_str_radix(pair, 16).expect("hex")
        });
        (
            event["t_ms"].as_u64().expect("a time"),
            string(&event["from"]),
            string(&event["to"]),
            bytes.collect(),
        )
    };
    events.iter().map(parse).collect()
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(1000 + millis)
}

#[test]
fn a_recorded_host_opens_the_way_and_we_answer_as_the_recorded_client_did() {
    let host: SocketAddr = "127.0.0.1:47492".parse().expect("an address");
    let recorded = datagrams();
    let handshake = |from: &'static str| {
        let of = move |one: &&(u64, String, String, Vec<u8>)| {
            one.1 == from && Claims::parse(&one.3).is_some()
        };
        recorded.iter().filter(of)
    };
    let (start, ..) = handshake("client_nat.udp").next().expect("it begins");
    let mut punch = Punch::new(at(*start), host, PunchConfig::default()).expect("a good address");
    let mut buffer = [0; 4];
    let mut ours = Vec::new();
    for (time, _, _, bytes) in handshake("host.udp").filter(|one| one.0 >= *start) {
        while punch.poll_transmit(at(*time), &mut buffer).is_some() {
            ours.push(buffer.to_vec());
        }
        if punch.handle_datagram(at(*time), host, bytes) != Handled::Consumed {
            break;
        }
    }
    while punch.poll_transmit(at(60_000), &mut buffer).is_some() {
        ours.push(buffer.to_vec());
    }
    assert_eq!(punch.poll_event(), Some(Outcome::Open { peer: host }));
    let mut theirs: Vec<_> = handshake("client_nat.udp")
        .map(|one| one.3.clone())
        .collect();
    // The addon looks at what came every 100 ms, we at once: it may repeat itself.
    theirs.dedup();
    assert_eq!(ours, theirs);
}

#[test]
fn a_recorded_registration_is_repeated_to_the_byte() {
    let registrar: SocketAddr = "127.0.0.1:8809".parse().expect("an address");
    let recorded = datagrams();
    let sent = recorded
        .iter()
        .find(|one| one.2 == "server.registrar")
        .expect("a pid");
    let answer = recorded
        .iter()
        .find(|one| one.1 == "server.registrar")
        .expect("an answer");
    assert_eq!(sent.3.len(), 128);
    let config = RegistrationConfig::default();
    let mut ours = Registration::new(at(0), registrar, &sent.3, config).expect("a pid");
    let mut buffer = [0; 512];
    let transmit = ours.poll_transmit(at(0), &mut buffer).expect("it is due");
    assert_eq!(buffer[transmit.bytes], sent.3);
    let _ = ours.handle_datagram(registrar, &answer.3);
    assert_eq!(ours.poll_event(), Some(Registered::Ok));
}
