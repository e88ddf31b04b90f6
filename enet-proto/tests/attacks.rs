//! Attacks of enet.md's kinds, in memory and under virtual time: what each is stopped by, that honest peers hardly notice,
//! and what the host holds meanwhile. docs/hardening.md lists them.

extern crate alloc;

mod common;

use common::raw::{self, CONNECTION, ConnectFields, FragmentFields, RawPeer, parse, transmissions};
use common::{End, MILLISECOND, SECOND};
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use enet_proto::{Config, DisconnectReason, DropReason, Event};
use proto_core::Handled;
use testkit::{Dice, Link, Network, NodeId};

const SERVER: SocketAddr = SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 7777);

/// One of four billion addresses that nobody has.
fn spoofed(index: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from(0x0b00_0000 + index), 5000))
}

fn honest(index: u8) -> SocketAddr {
    SocketAddr::from(([172, 16, index, 1], 40_000))
}

/// A server and honest hosts that are half of `round_trip` away from it.
fn server_and(
    config: Config,
    hosts: u8,
    round_trip: Duration,
) -> (Network<End>, NodeId, Vec<NodeId>) {
    let mut network = Network::new(5, Link::with_latency(round_trip / 2));
    let server = network.add(SERVER, End::new(config));
    let add = |index| network.add(honest(index), End::new(Config::new([index; 32])));
    let hosts = (1..=hosts).map(add).collect();
    (network, server, hosts)
}

fn config(max_peers: usize) -> Config {
    let mut config = Config::new([77; 32]);
    config.max_peers = max_peers;
    config
}

fn call(network: &mut Network<End>, client: NodeId) {
    let now = network.now_at(client);
    let host = &mut network.machine_mut(client).host;
    host.connect(now, SERVER, 4, 1).expect("there is room");
}

/// What a flood did.
struct Flooded {
    /// How long it took until the server reported each newcomer.
    joined: Vec<Option<Duration>>,
    sent_bytes: u64,
    answered_bytes: u64,
    most_half_open: usize,
}

/// Sends `rate` spoofed CONNECTs in each of so many milliseconds; all newcomers call after a quarter of that time.
fn flood(rate: u32, milliseconds: u32, config: Config, round_trip: Duration) -> Flooded {
    let (mut network, server, clients) = server_and(config, 10, round_trip);
    let mut joined = vec![None; clients.len()];
    let mut datagram = raw::connect(ConnectFields::default());
    let connect_id_at = datagram.len() - 8;
    let (mut most_half_open, mut start) = (0, network.now());
    for millisecond in 0..milliseconds {
        if millisecond == milliseconds / 4 {
            start = network.now();
            for &client in &clients {
                call(&mut network, client);
            }
        }
        for index in millisecond * rate..(millisecond + 1) * rate {
            datagram[connect_id_at..connect_id_at + 4].copy_from_slice(&index.to_be_bytes());
            let _ = network.deliver(server, spoofed(index), &datagram);
        }
        network.run_for(MILLISECOND);
        most_half_open = most_half_open.max(network.machine(server).host.half_open());
        while let Some(Event::Connected { peer, .. }) = network.poll_event(server) {
            let view = network.machine(server).host.peer(peer);
            let address = view.map(|view| view.address());
            let client = clients
                .iter()
                .position(|&client| Some(network.address(client)) == address);
            joined[client.expect("one of ours")] = Some(network.now().saturating_since(start));
        }
    }
    Flooded {
        joined,
        sent_bytes: u64::from(milliseconds * rate) * datagram.len() as u64,
        answered_bytes: network.stats().stray_bytes,
        most_half_open,
    }
}

fn assert_harmless(flooded: &Flooded, config: &Config) {
    let late = |joined: &Option<Duration>| joined.is_none_or(|joined| joined > 2 * SECOND);
    assert!(!flooded.joined.iter().any(late), "{:?}", flooded.joined);
    assert!(flooded.answered_bytes <= flooded.sent_bytes / 4 + 100_000);
    assert!(flooded.most_half_open <= config.limits.half_open);
}

// req: HE-4
#[test]
fn newcomers_150_ms_away_get_in_during_a_flood_of_ten_thousand_spoofed_connects_a_second() {
    let config = config(64);
    let flooded = flood(10, 4000, config.clone(), 150 * MILLISECOND);
    assert_harmless(&flooded, &config);
}

// req: HE-4
#[test]
fn newcomers_get_in_during_a_flood_from_a_million_spoofed_sources_at_a_hundred_thousand_a_second() {
    let config = config(64);
    let flooded = flood(100, 10_000, config.clone(), 300 * MILLISECOND);
    assert_harmless(&flooded, &config);
}

/// What a guess at the acknowledgement of a VERIFY_CONNECT looks like.
fn guess(id: u16, session: u16, echo: u16) -> Vec<u8> {
    let mut datagram = (id | session << 12).to_be_bytes().to_vec();
    datagram.extend(raw::acknowledge(CONNECTION, 1, echo));
    datagram
}

// req: HE-3
#[test]
fn who_has_connected_once_cannot_complete_a_connection_for_another_address() {
    let (mut network, server, _) = server_and(config(64), 0, Duration::ZERO);
    let own = ConnectFields::default();
    let (_, verify) = RawPeer::connect(&mut network, server, spoofed(1), own);
    let clock = parse(&verify, false).sent_time.expect("there is one");
    let of_victim = ConnectFields {
        connect_id: 7,
        ..ConnectFields::default()
    };
    let _ = network.deliver(server, spoofed(2), &raw::connect(of_victim));
    network.drive();
    network.take_events(server);
    for session in 0..4 {
        for id in 0..0xfff {
            for late in 0..3 {
                let datagram = guess(id, session, clock.wrapping_add(late));
                let _ = network.deliver(server, spoofed(2), &datagram);
            }
        }
    }
    assert_eq!(network.machine(server).host.connected_peers(), 1);
    assert_eq!(network.machine(server).host.half_open(), 1);
}

// req: HE-3, HG-10
#[test]
fn a_million_guesses_at_the_handshake_of_another_address_all_fail() {
    let (mut network, server, _) = server_and(config(64), 0, Duration::ZERO);
    let mut dice = Dice::new(8);
    for round in 0..100_u32 {
        let fields = ConnectFields {
            connect_id: round,
            ..ConnectFields::default()
        };
        let victim = spoofed(round);
        let _ = network.deliver(server, victim, &raw::connect(fields));
        network.run_for(10 * MILLISECOND);
        for _ in 0..10_000 {
            let mut draw = |bound| u16::try_from(dice.below(bound)).expect("16 bits");
            let datagram = guess(draw(0xfff), draw(4), draw(0x1_0000));
            let _ = network.deliver(server, victim, &datagram);
        }
    }
    assert_eq!(network.machine(server).host.connected_peers(), 0);
}

#[test]
fn a_forged_disconnect_needs_the_next_number_beside_id_and_session() {
    let (mut network, server, _) = server_and(config(8), 0, Duration::ZERO);
    let fields = ConnectFields::default();
    let (peer, _) = RawPeer::connect(&mut network, server, spoofed(1), fields);
    // Pings count the numbers up, in either order.
    for sequence in [2, 4, 3, 60, 120, 180] {
        let verdict = peer.send(&mut network, &raw::ping(sequence));
        assert_eq!(verdict, Handled::Consumed);
    }
    network.drive();
    network.take_events(server);
    let forged = (0..180).chain(180 + 65..=u16::MAX);
    for sequence in forged {
        for flags in [0x80, 0x40, 0] {
            let mut command = raw::disconnect(sequence, 1);
            command[0] = 4 | flags;
            let verdict = peer.send(&mut network, &command);
            assert_eq!(verdict, Handled::Dropped(DropReason::OutsideWindow));
        }
    }
    // Nor can a forged ping move the number on.
    let forged = [raw::ping(40_000), raw::disconnect(40_001, 1)].concat();
    let _ = peer.send(&mut network, &forged);
    network.drive();
    assert_eq!(network.take_events(server), []);
    let genuine = peer.send(&mut network, &raw::disconnect(182, 9));
    assert_eq!(genuine, Handled::Consumed);
    network.drive();
    let [Event::Disconnected { reason, .. }] = network.take_events(server)[..] else {
        panic!("the genuine DISCONNECT was refused");
    };
    assert_eq!(reason, DisconnectReason::Remote { data: 9 });
}

/// What a stranger must not guess, of one host as client and one as server: connect id, its number for the other, both
/// sessions, the time base, and the echo.
fn secrets(seed: u8) -> [u32; 6] {
    let (mut network, server, _) = server_and(Config::new([seed; 32]), 0, Duration::ZERO);
    let own = ConnectFields {
        connect_id: u32::from(seed),
        ..ConnectFields::default()
    };
    let (_, verify) = RawPeer::connect(&mut network, server, spoofed(1), own);
    let verify = parse(&verify, false);
    let body = &verify.commands[0].bytes;
    let now = network.now();
    let host = &mut network.machine_mut(server).host;
    host.connect(now, spoofed(2), 1, 0).expect("there is room");
    let sent = transmissions(&mut network, server);
    let connect = sent
        .iter()
        .map(|bytes| parse(bytes, false))
        .find(|sent| sent.peer_id == 0xfff);
    let connect = connect.expect("it calls");
    let id = connect.commands[0].bytes[40..44]
        .try_into()
        .expect("four bytes");
    [
        u32::from_be_bytes(id),
        raw::be16(body, 4).into(),
        body[6].into(),
        body[7].into(),
        connect.sent_time.expect("there is one").into(),
        verify.sent_time.expect("there is one").into(),
    ]
}

// req: HG-10
#[test]
fn every_bit_that_a_stranger_must_not_guess_depends_on_the_seed() {
    let all: Vec<_> = (0..128).map(secrets).collect();
    for (field, bits) in [32, 12, 2, 2, 16, 16].into_iter().enumerate() {
        for bit in 0..bits {
            let ones = all
                .iter()
                .filter(|secrets| secrets[field] >> bit & 1 == 1)
                .count();
            assert!(
                (20..=108).contains(&ones),
                "bit {bit} of field {field}: {ones} of 128"
            );
        }
    }
    let distinct: alloc::collections::BTreeSet<_> = all.iter().map(|secrets| secrets[0]).collect();
    assert_eq!(distinct.len(), 128);
}

/// Commands that declare as much as they can in few bytes.
fn extremes(number: u32) -> Vec<u8> {
    let [_, _, high, low] = number.to_be_bytes();
    let (channel, low) = (low, u16::from_be_bytes([high, low]));
    let fields = FragmentFields {
        channel: channel % 4,
        sequence: low,
        start: low,
        count: u32::MAX >> (number % 32),
        number: u32::MAX >> (number % 31),
        total_bytes: u32::MAX >> (number % 29),
        offset: u32::MAX >> (number % 27),
    };
    let first = FragmentFields {
        count: 8192,
        number: 0,
        total_bytes: 4 << 20,
        offset: 0,
        ..fields
    };
    let mut commands = match number % 4 {
        0 => raw::fragment(fields, &[1]),
        1 => raw::fragment(first, &[1; 512]),
        2 => raw::acknowledge(channel, low, low),
        _ => raw::reliable(0, low, b""),
    };
    commands.extend(raw::unsequenced(1, low.wrapping_mul(7919), b""));
    commands
}

// req: HG-8
#[test]
fn a_hundred_thousand_datagrams_that_declare_extremes_cost_what_they_weigh() {
    let (mut network, server, _) = server_and(config(8), 0, Duration::ZERO);
    let mut peer = None;
    for number in 0..100_000 {
        if network.machine(server).host.connected_peers() == 0 {
            let fields = ConnectFields::default();
            peer = Some(RawPeer::connect(&mut network, server, spoofed(number), fields).0);
        }
        // Did the work follow what they declare and not what they weigh, this would not end today.
        let _ = peer
            .as_ref()
            .expect("connected")
            .send(&mut network, &extremes(number));
        network.run_for(MILLISECOND / 10);
    }
    let held = network.machine(server).most_held_bytes;
    assert!(held <= 9 << 20, "{held}");
    let stats = network.machine(server).host.stats();
    assert!(stats.dropped(DropReason::BadFragment) > 10_000);
    let fields = ConnectFields::default();
    RawPeer::connect(&mut network, server, spoofed(1_000_000), fields);
}
