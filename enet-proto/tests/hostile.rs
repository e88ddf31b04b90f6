//! Hostile input: each case of `data/hostile-enet.json` gets the stated verdict and moves the stated counter, nothing
//! panics, and both the session and its neighbour go on.

extern crate alloc;

mod common;

use alloc::collections::BTreeMap;
use common::raw::{
    self, CONNECTION, ConnectFields, FragmentFields, Parsed, RawPeer, acknowledge, be16, fragment,
    parse, ping, reliable, transmissions,
};
use common::{End, MILLISECOND, SECOND};
use core::net::SocketAddr;
use core::time::Duration;
use enet_proto::{Config, DisconnectReason, DropReason, Event, PacketFlags, PeerIds, SendError};
use proto_core::Handled;
use serde_json::Value;
use testkit::{Link, Network, NodeId, unhex};

/// Cases that need a compressor in the fixture: they are in `decompression.rs`.
const COMPRESSION: [&str; 4] = [
    "compressed_random",
    "compressed_output_over_4096",
    "zstd_huge_window",
    "zlib_checksum_wrong",
];

/// Cases in which the connect data is Godot's peer id, which only the layer above can judge. Here they connect.
const GODOT_LAYER: [&str; 3] = [
    "connect_data_peer_id_zero",
    "connect_data_peer_id_negative",
    "connect_data_peer_id_taken",
];

/// Cases that are built by a test of their own in this file or in `reliable_model.rs`.
const GENERATED: [&str; 11] = [
    "datagram_larger_than_4096",
    "connect_flood_many_sources",
    "connect_flood_one_source",
    "reliable_gap_hoard",
    "fragment_hoard_all_channels",
    "ack_withholding",
    "slow_acks_forever",
    "sequence_number_wrap",
    "clock_wrap_32_bit",
    "late_packets_of_the_old_session",
    "fragment_declares_4_mib_sends_one_byte",
];

const REASONS: [DropReason; 27] = {
    use DropReason::*;
    [
        AddressLimit,
        BadAddress,
        BadChannel,
        BadChannelCount,
        BadChecksum,
        BadCompression,
        BadFragment,
        BadPeerId,
        Duplicate,
        HostFull,
        HalfOpenLimit,
        NoSentTime,
        NotCompressed,
        NotConnected,
        Oversize,
        OutsideWindow,
        ReceiveLimit,
        Stale,
        TooLarge,
        Trailing,
        Truncated,
        UnknownAck,
        UnknownCommand,
        UnknownPeer,
        UnexpectedCommand,
        WrongAddress,
        WrongSession,
    ]
};

/// The host of a fixture, with the peer of the case and a neighbour where it has any.
struct Fixture {
    network: Network<End>,
    host: NodeId,
    peer: Option<RawPeer>,
    neighbour: Option<RawPeer>,
}

fn peer_address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 40_001))
}

fn stranger(index: u32) -> SocketAddr {
    SocketAddr::from((core::net::Ipv4Addr::from(0x0b00_0000 + index), 5000))
}

fn config() -> Config {
    let mut config = Config::new([7; 32]);
    config.max_peers = 8;
    config.channel_limit = 4;
    config.peer_ids = PeerIds::Slots;
    config
}

impl Fixture {
    fn new(name: &str) -> Self {
        let mut config = config();
        config.checksum = name == "E2";
        let mut this = Self::listening(config);
        if name != "E0" {
            this.connect_both(name == "E2");
        }
        this
    }

    fn listening(config: Config) -> Self {
        let mut network = Network::new(1, Link::PERFECT);
        let host = network.add(SocketAddr::from(([10, 0, 0, 2], 7777)), End::new(config));
        network.run_for(SECOND);
        Self {
            network,
            host,
            peer: None,
            neighbour: None,
        }
    }

    fn connect_both(&mut self, sealed: bool) {
        let connect = if sealed {
            RawPeer::connect_sealed
        } else {
            RawPeer::connect
        };
        let neighbour_fields = ConnectFields {
            connect_id: 0x5566_7788,
            outgoing_peer_id: 3,
            data: 99,
            ..ConnectFields::default()
        };
        let fields = ConnectFields::default();
        let (peer, _) = connect(&mut self.network, self.host, peer_address(), fields);
        let (neighbour, _) = connect(&mut self.network, self.host, stranger(1), neighbour_fields);
        self.network.drive();
        let events = self.network.take_events(self.host);
        assert!(
            matches!(
                events[..],
                [Event::Connected { .. }, Event::Connected { .. }]
            ),
            "{events:?}"
        );
        self.peer = Some(peer);
        self.neighbour = Some(neighbour);
    }

    fn peer(&self) -> RawPeer {
        self.peer.clone().expect("the fixture has one")
    }

    fn host(&mut self) -> &mut enet_proto::Host {
        &mut self.network.machine_mut(self.host).host
    }

    fn deliver(&mut self, datagram: &[u8]) -> Handled<DropReason> {
        self.network.deliver(self.host, peer_address(), datagram)
    }

    /// What the host sends now, parsed.
    fn answers(&mut self) -> Vec<Parsed> {
        let sealed = self
            .peer
            .as_ref()
            .is_some_and(|peer| peer.checksum_seed.is_some());
        let datagrams = transmissions(&mut self.network, self.host);
        datagrams
            .iter()
            .map(|datagram| parse(datagram, sealed))
            .collect()
    }

    fn events(&mut self) -> Vec<Event> {
        self.network.drive();
        self.network.take_events(self.host)
    }

    fn counters(&self) -> BTreeMap<DropReason, u64> {
        let stats = self.network.machine(self.host).host.stats();
        REASONS
            .into_iter()
            .map(|reason| (reason, stats.dropped(reason)))
            .collect()
    }

    /// The counters that have moved since `before`, and by how much.
    fn moved(&self, before: &BTreeMap<DropReason, u64>) -> Vec<(DropReason, u64)> {
        let now = self.counters();
        let moved = now
            .into_iter()
            .map(|(reason, count)| (reason, count - before[&reason]));
        moved.filter(|&(_, count)| count > 0).collect()
    }

    /// A harmless packet of this peer is delivered and acknowledged.
    fn assert_alive(&mut self, peer: &RawPeer, channel: u8) {
        self.answers();
        self.events();
        let verdict = peer.send(&mut self.network, &reliable(channel, 1, b"hi"));
        assert_eq!(verdict, Handled::Consumed);
        let acknowledged = self
            .answers()
            .iter()
            .flat_map(|datagram| &datagram.commands)
            .any(|command| command.kind == 1 && command.channel == channel);
        assert!(acknowledged, "the control packet was not acknowledged");
        let events = self.events();
        let [
            Event::Received {
                channel: on,
                payload,
                ..
            },
        ] = &events[..]
        else {
            panic!("the control packet gave {events:?}");
        };
        assert_eq!((*on, &payload[..]), (channel, &b"hi"[..]));
    }

    /// A newcomer gets in.
    fn assert_open(&mut self) {
        let fields = ConnectFields {
            connect_id: 0x0909_0909,
            ..ConnectFields::default()
        };
        self.answers();
        self.events();
        let (newcomer, _) = RawPeer::connect(&mut self.network, self.host, stranger(2), fields);
        let events = self.events();
        assert!(
            matches!(events[..], [Event::Connected { .. }]),
            "{events:?}"
        );
        self.assert_alive(&newcomer, 0);
    }
}

fn cases() -> Vec<Value> {
    let text = include_str!("data/hostile-enet.json");
    let file: Value = serde_json::from_str(text).expect("the cases are JSON");
    file["cases"].as_array().expect("a list").clone()
}

fn case(name: &str) -> Vec<u8> {
    let cases = cases();
    let case = cases.iter().find(|case| case["name"] == name);
    let case = case.unwrap_or_else(|| panic!("no case {name}"));
    unhex(case["hex"].as_str().expect("text"))
}

/// Cases of which several commands of one datagram have an effect, with what is left: counters and payloads.
fn left(name: &str) -> Option<(&'static [DropReason], &'static [&'static [u8]])> {
    use DropReason::*;
    Some(match name {
        "good_command_then_unknown" => (&[UnknownCommand], &[b"ok"]),
        "reliable_same_sequence_other_bytes" => (&[Duplicate], &[]),
        "reliable_ack_flag_without_sent_time" => (&[NoSentTime], &[b"x"]),
        "unsequenced_replay" => (&[Duplicate], &[b"x"]),
        "fragment_then_plain_reliable_on_same_sequence" => (&[Duplicate], &[]),
        "fragment_second_with_other_total"
        | "fragment_second_with_other_count"
        | "fragments_overlap_leave_hole" => (&[BadFragment], &[]),
        "control_reliable" => (&[], &[b"hi"]),
        "reliable_empty" => (&[], &[b""]),
        "header_without_flag_only"
        | "bandwidth_limit_extremes"
        | "bandwidth_limit_toggle"
        | "throttle_configure_extremes"
        | "three_hundred_pings" => (&[], &[]),
        _ => return None,
    })
}

/// Checks one case that a single datagram makes, in the fixtures with a peer.
fn check_with_peer(name: &str, given: &str, datagram: &[u8], expected: &str) {
    let mut fixture = Fixture::new(given);
    let before = fixture.counters();
    let verdict = match name {
        "right_slot_wrong_source_port" => {
            let wrong = SocketAddr::new(peer_address().ip(), 1);
            fixture.network.deliver(fixture.host, wrong, datagram)
        }
        _ => fixture.deliver(datagram),
    };
    let moved = fixture.moved(&before);
    fixture.answers();
    let events = fixture.events();
    let payloads: Vec<&[u8]> = events
        .iter()
        .map(|event| match event {
            Event::Received { payload, .. } => &payload[..],
            other => panic!("{name}: {other:?}"),
        })
        .collect();
    if let Some((reasons, expected_payloads)) = left(name) {
        assert_eq!(verdict, Handled::Consumed, "{name}");
        let moved: Vec<_> = moved.into_iter().map(|(reason, _)| reason).collect();
        assert_eq!(moved, reasons, "{name}");
        assert_eq!(payloads, expected_payloads, "{name}");
    } else {
        let reason = reason_of(expected);
        assert_eq!(verdict, Handled::Dropped(reason), "{name}");
        assert_eq!(moved.len(), 1, "{name}: {moved:?}");
        assert_eq!(moved[0].0, reason, "{name}");
        assert!(payloads.is_empty(), "{name} delivered {payloads:02x?}");
    }
    // The next packet of the session: its channel 3 is not used by any case.
    let (peer, neighbour) = (fixture.peer(), fixture.neighbour.clone());
    fixture.assert_alive(&peer, 3);
    fixture.assert_alive(&neighbour.expect("the fixture has one"), 0);
}

/// The reason that stands behind "reject: " or "drop: ".
fn reason_of(expected: &str) -> DropReason {
    let (_, name) = expected
        .split_once(": ")
        .unwrap_or_else(|| panic!("no reason in {expected}"));
    let mut found = REASONS
        .into_iter()
        .filter(|reason| format!("{reason:?}") == name);
    found.next().unwrap_or_else(|| panic!("no reason {name}"))
}

// req: HG-3, HG-4
#[test]
fn each_datagram_to_a_connection_gets_its_verdict_and_the_session_goes_on() {
    for case in cases() {
        let text = |field: &str| case[field].as_str().unwrap_or_default().to_owned();
        let (name, given, expected) = (text("name"), text("given"), text("expected"));
        let other = [
            "disconnect_without_ack_flag",
            "disconnect_twice",
            "reliable_replay",
        ];
        let skipped = [&COMPRESSION[..], &GODOT_LAYER, &GENERATED, &other].concat();
        if given == "E0" || skipped.contains(&&name[..]) {
            continue;
        }
        check_with_peer(&name, &given, &unhex(&text("hex")), &expected);
    }
}

#[test]
fn each_refused_connect_gets_its_verdict_and_the_door_stays_open() {
    for case in cases() {
        let text = |field: &str| case[field].as_str().unwrap_or_default().to_owned();
        let (name, expected) = (text("name"), text("expected"));
        if text("given") != "E0" || !expected.starts_with("reject: ") {
            continue;
        }
        let mut fixture = Fixture::new("E0");
        let before = fixture.counters();
        let verdict = fixture.deliver(&unhex(&text("hex")));
        let reason = reason_of(&expected);
        assert_eq!(verdict, Handled::Dropped(reason), "{name}");
        assert_eq!(fixture.moved(&before), [(reason, 1)], "{name}");
        assert_eq!(fixture.answers(), [], "{name}");
        fixture.assert_open();
    }
}

/// Sends a CONNECT and gives the body of the one VERIFY_CONNECT that answers it, and what moved.
fn verify(name: &str) -> (Fixture, Vec<u8>, Vec<(DropReason, u64)>) {
    let mut fixture = Fixture::new("E0");
    let datagram = case(name);
    let before = fixture.counters();
    assert_eq!(fixture.deliver(&datagram), Handled::Consumed, "{name}");
    let answers = transmissions(&mut fixture.network, fixture.host);
    assert_eq!(answers.len(), 1, "{name}");
    assert!(answers[0].len() <= datagram.len(), "{name} is amplified");
    let parsed = parse(&answers[0], false);
    let [command] = &parsed.commands[..] else {
        panic!("{name}: {parsed:x?}");
    };
    assert_eq!(command.kind, 3, "{name}");
    let moved = fixture.moved(&before);
    (fixture, command.bytes.clone(), moved)
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from(be16(bytes, at)) << 16 | u32::from(be16(bytes, at + 2))
}

// req: HE-5, HE-6
#[test]
fn a_connect_is_answered_once_with_values_forced_into_their_range() {
    let mtu = |body: &[u8]| be32(body, 8);
    let window = |body: &[u8]| be32(body, 12);
    let channels = |body: &[u8]| be32(body, 16);
    for name in [
        "control_connect",
        "connect_throttle_extremes",
        "connect_bandwidth_one",
        "connect_data_peer_id_zero",
        "connect_data_peer_id_negative",
    ] {
        let (mut fixture, body, moved) = verify(name);
        assert_eq!(moved, [], "{name}");
        assert_eq!(
            (mtu(&body), window(&body), channels(&body)),
            (1392, 65_536, 4),
            "{name}"
        );
        fixture.assert_open();
    }
    assert_eq!(channels(&verify("connect_channels_255_host_limit_4").1), 4);
    assert_eq!(mtu(&verify("connect_mtu_zero").1), 576);
    assert_eq!(mtu(&verify("connect_mtu_max").1), 1392);
    assert_eq!(window(&verify("connect_window_zero").1), 4096);
    let sessions = verify("connect_session_id_out_of_range").1;
    assert_eq!(sessions[6..8], [3, 3]);
}

#[test]
fn what_stands_behind_a_connect_is_dropped_and_counted() {
    let tail = verify("connect_with_three_trailing_bytes").2;
    assert_eq!(tail, [(DropReason::Trailing, 1)]);
    let (mut fixture, _, moved) = verify("connect_two_in_one_datagram");
    let allowed = [DropReason::Trailing, DropReason::UnexpectedCommand];
    assert!(
        matches!(moved[..], [(reason, 1)] if allowed.contains(&reason)),
        "{moved:?}"
    );
    fixture.assert_open();
}

#[test]
fn a_repeated_connect_gets_the_same_answer_and_takes_no_second_place() {
    let mut fixture = Fixture::new("E0");
    let datagram = case("connect_repeated_same_id_and_address");
    let mut answers = Vec::new();
    for _ in 0..100 {
        assert_eq!(fixture.deliver(&datagram), Handled::Consumed);
        let now = transmissions(&mut fixture.network, fixture.host);
        assert!(now.len() <= 1, "{now:02x?}");
        answers.extend(now);
    }
    assert!(answers.len() > 1, "a lost answer is never repeated");
    let bodies: Vec<_> = answers
        .iter()
        .map(|answer| parse(answer, false).commands)
        .collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:x?}");
    // All eight places but one are free.
    for index in 0..7 {
        let fields = ConnectFields {
            connect_id: index,
            ..ConnectFields::default()
        };
        RawPeer::connect(
            &mut fixture.network,
            fixture.host,
            stranger(10 + index),
            fields,
        );
    }
}

// hostile.json: reliable_same_sequence_other_bytes
#[test]
fn of_two_packets_with_one_number_the_first_is_delivered() {
    let mut fixture = Fixture::new("E1");
    let _ = fixture.deliver(&case("reliable_same_sequence_other_bytes"));
    let _ = fixture
        .peer()
        .send(&mut fixture.network, &reliable(0, 1, b"first"));
    let events = fixture.events();
    let payloads: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Received { payload, .. } => Some(&payload[..]),
            _ => None,
        })
        .collect();
    assert_eq!(payloads, [&b"first"[..], b"AAAA"]);
}

// hostile.json: reliable_replay
#[test]
fn a_replayed_reliable_packet_is_delivered_once_and_acknowledged_each_time() {
    let mut fixture = Fixture::new("E1");
    let datagram = case("reliable_replay");
    let mut acknowledgements = 0;
    for _ in 0..1000 {
        let _ = fixture.deliver(&datagram);
        let answers = fixture.answers();
        let commands = answers.iter().flat_map(|answer| &answer.commands);
        acknowledgements += commands.filter(|command| command.kind == 1).count();
    }
    assert_eq!(acknowledgements, 1000);
    assert_eq!(fixture.events().len(), 1);
    let stats = fixture.host().stats();
    assert_eq!(stats.dropped(DropReason::Duplicate), 999);
}

#[test]
fn a_disconnect_ends_that_session_once_with_its_first_reason() {
    for (name, data) in [
        ("disconnect_without_ack_flag", u32::MAX),
        ("disconnect_twice", 1),
    ] {
        let mut fixture = Fixture::new("E1");
        let _ = fixture.deliver(&case(name));
        fixture.network.run_for(SECOND);
        let events = fixture.events();
        let [Event::Disconnected { reason, .. }] = events[..] else {
            panic!("{name}: {events:?}");
        };
        assert_eq!(reason, DisconnectReason::Remote { data }, "{name}");
        let neighbour = fixture.neighbour.clone().expect("the fixture has one");
        fixture.assert_alive(&neighbour, 0);
    }
}

#[test]
fn extremes_that_were_accepted_do_no_harm_when_data_and_time_follow() {
    for name in [
        "bandwidth_limit_extremes",
        "bandwidth_limit_toggle",
        "throttle_configure_extremes",
        "three_hundred_pings",
    ] {
        let mut fixture = Fixture::new("E1");
        assert_eq!(fixture.deliver(&case(name)), Handled::Consumed, "{name}");
        converse(&mut fixture, name);
    }
    for name in ["connect_throttle_extremes", "connect_bandwidth_one"] {
        let datagram = case(name);
        let mut fixture = Fixture::new("E0");
        assert_eq!(fixture.deliver(&datagram), Handled::Consumed, "{name}");
        let [verify] = &fixture.answers()[..] else {
            panic!("{name}: one answer expected");
        };
        let peer = RawPeer {
            node: fixture.host,
            address: peer_address(),
            word: u16::from(verify.commands[0].bytes[7]) << 12,
            checksum_seed: None,
        };
        let sent_time = verify.sent_time.expect("VERIFY_CONNECT wants an answer");
        let verdict = peer.send(&mut fixture.network, &acknowledge(CONNECTION, 1, sent_time));
        assert_eq!(verdict, Handled::Consumed, "{name}");
        fixture.peer = Some(peer);
        converse(&mut fixture, name);
    }
}

/// The host sends 30 packets of 5000 bytes and some small ones while the peer acknowledges everything: all leave.
fn converse(fixture: &mut Fixture, name: &str) {
    let peer = fixture.peer();
    let key = fixture.host().peers().next().expect("connected");
    let mut fragments = 0;
    for round in 0..400 {
        if round < 30 {
            let host = fixture.host();
            host.send(key, 0, PacketFlags::RELIABLE, vec![1; 5000].into())
                .expect("connected");
            host.send(key, 1, PacketFlags::NONE, vec![2; 50].into())
                .expect("connected");
        }
        for datagram in fixture.answers() {
            let sent_time = datagram.sent_time.unwrap_or_default();
            for command in datagram.commands {
                if command.flags & 0x80 != 0 {
                    fragments += usize::from(command.kind == 8);
                    let answer = acknowledge(command.channel, command.sequence, sent_time);
                    let _ = peer.send(&mut fixture.network, &answer);
                }
            }
        }
        let now = fixture.network.now() + 20 * MILLISECOND;
        advance(fixture, now);
    }
    assert!(
        fragments >= 30 * 4,
        "{name}: only {fragments} fragments left"
    );
    let view = fixture.host().peer(key).expect("still connected");
    assert_eq!(view.stats().queued_packets, 0, "{name}");
}

/// Lets time pass without letting the network take what the host sends.
fn advance(fixture: &mut Fixture, to: proto_core::Instant) {
    let host = fixture.host;
    let wait = to.saturating_since(fixture.network.now());
    // Timers run at the end of the wait, as with a slow driver.
    fixture.network.skip(wait);
    fixture.network.machine_mut(host).host.handle_timeout(to);
}

// req: HE-1
#[test]
fn a_datagram_above_4096_bytes_is_oversize() {
    let mut fixture = Fixture::new("E1");
    let commands: Vec<u8> = (1..)
        .flat_map(|n| reliable(0, n, b"x"))
        .take(65_000)
        .collect();
    let before = fixture.counters();
    let verdict = fixture.peer().send(&mut fixture.network, &commands);
    assert_eq!(verdict, Handled::Dropped(DropReason::Oversize));
    assert_eq!(fixture.moved(&before), [(DropReason::Oversize, 1)]);
    let peer = fixture.peer();
    fixture.assert_alive(&peer, 0);
}

// req: HX-1
#[test]
fn no_prefix_and_no_changed_bit_of_any_case_does_harm() {
    for case in cases() {
        let hex = case["hex"].as_str().unwrap_or_default();
        if hex.is_empty() || hex.len() > 400 {
            continue;
        }
        let datagram = unhex(hex);
        let mut fixture = Fixture::new(if case["given"] == "E0" { "E0" } else { "E1" });
        for length in 0..datagram.len() {
            let _ = fixture.deliver(&datagram[..length]);
        }
        for bit in 0..datagram.len() * 8 {
            let mut changed = datagram.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let _ = fixture.deliver(&changed);
            fixture.answers();
        }
        fixture.network.run_for(SECOND);
        fixture.network.take_events(fixture.host);
        if let Some(neighbour) = fixture.neighbour.clone() {
            fixture.assert_alive(&neighbour, 0);
        }
    }
}

mod scenarios {
    //! Hostile input that takes many datagrams.

    use super::*;

    // req: HE-4, HE-5
    #[test]
    fn a_flood_of_connects_from_everywhere_leaves_room_for_an_honest_client_and_is_not_amplified() {
        let mut config = config();
        config.max_peers = 64;
        let mut fixture = Fixture::listening(config);
        let client = End::new(Config::new([9; 32]));
        let client = fixture
            .network
            .add(SocketAddr::from(([10, 0, 0, 77], 5)), client);
        let mut received = 0;
        for millisecond in 0..1000_u32 {
            if millisecond == 300 {
                let (now, to) = (
                    fixture.network.now_at(client),
                    fixture.network.address(fixture.host),
                );
                let host = &mut fixture.network.machine_mut(client).host;
                host.connect(now, to, 4, 1).expect("there is room");
            }
            for index in 0..100 {
                let fields = ConnectFields {
                    connect_id: millisecond * 100 + index,
                    ..ConnectFields::default()
                };
                let datagram = raw::connect(fields);
                received += datagram.len() as u64;
                let source = stranger(millisecond * 100 + index);
                let _ = fixture.network.deliver(fixture.host, source, &datagram);
            }
            fixture.network.run_for(MILLISECOND);
        }
        fixture.network.run_for(4 * SECOND);
        let stats = fixture.network.stats();
        assert!(
            stats.stray_bytes <= received,
            "{} for {received}",
            stats.stray_bytes
        );
        let events = fixture.network.take_events(client);
        assert!(
            matches!(events[..], [Event::Connected { .. }]),
            "{events:?}"
        );
    }

    // req: HE-4
    #[test]
    fn one_address_gets_four_half_open_connections_and_eight_in_all() {
        let mut config = config();
        config.max_peers = 64;
        let mut fixture = Fixture::listening(config);
        let connect = |fixture: &mut Fixture, id: u32| {
            let fields = ConnectFields {
                connect_id: id,
                ..ConnectFields::default()
            };
            let from = SocketAddr::new(peer_address().ip(), 1000 + (id % 5000) as u16);
            fixture
                .network
                .deliver(fixture.host, from, &raw::connect(fields))
        };
        let taken = (0..10_000)
            .filter(|&id| connect(&mut fixture, id).is_consumed())
            .count();
        assert!(taken >= 4, "{taken}");
        let verified = distinct_ids(&fixture.answers());
        assert!(
            verified <= 4,
            "{verified} half-open connections from one address"
        );
        let refused = fixture.host().stats().dropped(DropReason::AddressLimit);
        assert!(refused >= 9_000, "{refused}");
        // They go, and then eight may stay.
        fixture.network.run_for(5 * SECOND);
        for id in 0..8_u16 {
            let fields = ConnectFields {
                connect_id: id.into(),
                ..ConnectFields::default()
            };
            let from = SocketAddr::new(peer_address().ip(), 100 + id);
            RawPeer::connect(&mut fixture.network, fixture.host, from, fields);
        }
        assert_eq!(
            connect(&mut fixture, 77),
            Handled::Dropped(DropReason::AddressLimit)
        );
        fixture.assert_open();
    }

    fn distinct_ids(answers: &[Parsed]) -> usize {
        let ids = answers
            .iter()
            .map(|answer| be16(&answer.commands[0].bytes, 4));
        ids.collect::<alloc::collections::BTreeSet<_>>().len()
    }

    // req: HE-9
    #[test]
    fn packets_behind_a_gap_are_held_up_to_the_limit_and_then_end_the_peer() {
        let mut fixture = Fixture::new("E1");
        let peer = fixture.peer();
        for channel in 0..4 {
            for sequence in 2..=28_671 {
                let _ = peer.send(&mut fixture.network, &reliable(channel, sequence, b"x"));
                if sequence % 32 == 0 {
                    fixture.answers();
                }
            }
        }
        let held = fixture.network.machine(fixture.host).most_held_bytes;
        assert!(held <= 1 << 20, "{held}");
        assert!(held > 1 << 19, "the test holds only {held}");
        let events = fixture.events();
        let [Event::Disconnected { reason, .. }] = events[..] else {
            panic!("{} events: {:?}", events.len(), events.first());
        };
        assert_eq!(reason, DisconnectReason::ReceiveLimit);
        let neighbour = fixture.neighbour.clone().expect("the fixture has one");
        fixture.assert_alive(&neighbour, 0);
    }

    // req: HE-9
    #[test]
    fn first_fragments_of_long_packets_are_held_up_to_the_limits() {
        let mut config = config();
        config.channel_limit = 255;
        let mut fixture = Fixture::listening(config);
        let fields = ConnectFields {
            channel_count: 255,
            ..ConnectFields::default()
        };
        let (peer, _) =
            RawPeer::connect(&mut fixture.network, fixture.host, peer_address(), fields);
        for channel in 0..255 {
            for start in 0..100_u16 {
                let fields = FragmentFields {
                    channel,
                    sequence: 1 + start,
                    start: 1 + start,
                    count: 3076,
                    number: 0,
                    total_bytes: 4 << 20,
                    offset: 0,
                };
                let _ = peer.send(&mut fixture.network, &fragment(fields, &[7; 1364]));
            }
            fixture.answers();
        }
        let held = fixture.network.machine(fixture.host).most_held_bytes;
        assert!(held <= 1 << 20, "{held}");
        let refused = fixture.host().stats().dropped(DropReason::ReceiveLimit);
        assert!(refused > 0, "nothing was refused");
        fixture.assert_open();
    }

    // req: HG-7
    #[test]
    fn a_fragment_that_declares_4_mib_holds_what_it_brought() {
        let mut fixture = Fixture::new("E1");
        let _ = fixture.deliver(&case("fragment_declares_4_mib_sends_one_byte"));
        let held = fixture.network.machine(fixture.host).most_held_bytes;
        assert!(held <= 4096, "{held}");
        let peer = fixture.peer();
        fixture.assert_alive(&peer, 3);
    }

    // req: HE-14
    #[test]
    fn a_peer_that_never_acknowledges_fills_its_queue_and_times_out() {
        let mut fixture = Fixture::new("E1");
        let (peer, key) = (
            fixture.peer(),
            fixture.host().peers().next().expect("connected"),
        );
        let start = fixture.network.now();
        let mut full = false;
        for round in 1..=40_000_u16 {
            let send = fixture
                .host()
                .send(key, 0, PacketFlags::RELIABLE, vec![1; 64].into());
            full |= send == Err(SendError::QueueFull);
            if round % 100 == 0 {
                let _ = peer.send(&mut fixture.network, &ping(round / 100));
            }
            fixture.network.run_for(MILLISECOND);
            if let Some(Event::Disconnected { reason, .. }) =
                fixture.network.poll_event(fixture.host)
            {
                assert_eq!(reason, DisconnectReason::Timeout);
                let taken = fixture.network.now().saturating_since(start);
                assert!(taken >= 5 * SECOND && taken <= 31 * SECOND, "{taken:?}");
                assert!(full, "the queue was never full");
                return;
            }
        }
        panic!("the peer never timed out");
    }

    // req: HE-14
    #[test]
    fn a_peer_that_acknowledges_one_packet_in_four_seconds_has_a_bounded_queue() {
        let mut fixture = Fixture::new("E1");
        let (peer, key) = (
            fixture.peer(),
            fixture.host().peers().next().expect("connected"),
        );
        let mut waiting: Vec<(u16, u16)> = Vec::new();
        for round in 0..120_u32 {
            for _ in 0..200 {
                let _ = fixture
                    .host()
                    .send(key, 0, PacketFlags::RELIABLE, vec![1; 2000].into());
            }
            for datagram in fixture.answers() {
                let sent_time = datagram.sent_time.unwrap_or_default();
                let data = datagram
                    .commands
                    .iter()
                    .filter(|command| command.channel == 0);
                for sequence in data.map(|command| command.sequence) {
                    waiting.retain(|&(known, _)| known != sequence);
                    waiting.push((sequence, sent_time));
                }
            }
            waiting.sort_unstable();
            if round % 4 == 0 && !waiting.is_empty() {
                let (sequence, sent_time) = waiting.remove(0);
                let _ = peer.send(&mut fixture.network, &acknowledge(0, sequence, sent_time));
            }
            if let Some(view) = fixture.host().peer(key) {
                let stats = view.stats();
                assert!(
                    stats.queued_packets <= 4096 && stats.queued_bytes <= 4 << 20,
                    "{stats:?}"
                );
            }
            let end = fixture.network.now() + Duration::from_secs(1);
            advance(&mut fixture, end);
        }
        let neighbour = fixture.neighbour.clone();
        assert!(neighbour.is_some());
        fixture.assert_open();
    }

    // req: HE-16
    #[test]
    fn datagrams_of_an_old_session_do_nothing_to_the_new_one() {
        let mut fixture = Fixture::new("E1");
        let old = fixture.peer();
        let mut datagrams = vec![raw::connect(ConnectFields::default())];
        for sequence in 1..=10 {
            datagrams.push(old.timed(0, &reliable(0, sequence, b"old")));
            datagrams.push(old.timed(0, &raw::unsequenced(1, sequence, b"old")));
        }
        datagrams.push(old.timed(0, &raw::disconnect(1, 9)));
        for datagram in &datagrams[1..] {
            let _ = fixture.deliver(datagram);
        }
        fixture.network.run_for(100 * MILLISECOND);
        let last = fixture.network.take_events(fixture.host).pop();
        assert!(matches!(last, Some(Event::Disconnected { .. })), "{last:?}");
        // The client knows its session ids of before and names them, as every client does.
        let session = (old.word >> 12 & 3) as u8;
        let fields = ConnectFields {
            connect_id: 0x0abc_def0,
            sessions: [session; 2],
            ..ConnectFields::default()
        };
        let (new, _) = RawPeer::connect(&mut fixture.network, fixture.host, peer_address(), fields);
        let events = fixture.events();
        assert!(
            matches!(events[..], [Event::Connected { .. }]),
            "{events:?}"
        );
        for datagram in &datagrams {
            let verdict = fixture.deliver(datagram);
            if *datagram != datagrams[0] {
                assert!(matches!(verdict, Handled::Dropped(_)), "{verdict:?}");
            }
        }
        fixture.network.run_for(SECOND);
        assert_eq!(fixture.events(), []);
        fixture.assert_alive(&new, 0);
    }
}
