//! The hostile inputs for the scene multiplayer: verdict, one counter, and a session that goes on.
// req: HP-1 HP-2 HP-3 HP-4 HP-5 HP-6 HP-7 HP-9 HP-11 HP-12 HP-13 HG-4
mod common;

use bytes::Bytes;
use common::{Net, hex, peer};
use core::time::Duration;
use proto_core::Instant;
use replication_proto::variant::{Value, ValueType};
use replication_proto::{
    AuthFailure, Authentication, Config, DisconnectReason, DropReason, Event, Incoming, NodeConfig,
    NonFinite, PropertyConfig, Relay, RpcConfig, RpcMode, Scene, SceneConfig, Session,
    SpawnerConfig, SynchronizerConfig, Target, TransferMode, Verdict,
};

/// Cases with a test of their own below.
const SCENARIOS: &[&str] = &[
    "spawn_state_truncated",
    "despawn_twice",
    "sync_unknown_then_known",
    "sync_stale_time",
    "sync_time_half_range",
    "sync_too_few_values",
    "sync_ten_thousand_unknown_entries",
    "spawn_flood",
    "delta_partial_then_broken",
    "server_adds_100000_peers",
    "relay_broadcast_flood",
    "pending_peer_sends_1_mib_auth",
    "pending_peer_dribbles",
    "simplify_path_64_kib",
    "rpc_flood",
    "packet_from_unknown_peer",
    "spawn_sync_count_times_four_wraps",
];

/// Cases that the requirements name without bytes, in the form of the file's.
const NAMED: &[(&str, &str, &str, &str)] = &[
    ("raw_without_body", "R", "03", "reject: Truncated"),
    (
        "client_sends_del_peer",
        "R",
        "070203000000",
        "reject: Unauthorized",
    ),
    (
        "server_deletes_unknown_id",
        "RC",
        "07024d000000",
        "drop: UnknownPeer",
    ),
    ("relay_all_but_server", "R", "0703ffffffff0378", "accept"),
    (
        "relay_from_pending_peer",
        "RA",
        "0703030000000378",
        "drop: NotAuthenticated",
    ),
    (
        "pending_peer_sends_spawn",
        "RA",
        "04000100000009000000000000000100000058",
        "drop: NotAuthenticated",
    ),
    (
        "simplify_37_bytes",
        "R",
        "01306363313735623963306631623661383331633339396532363937373236363100070000",
        "reject: Truncated",
    ),
    (
        "simplify_unique_name",
        "R",
        "013063633137356239633066316236613833316333393965323639373732363631000700000025506c617965723200",
        "reject: BadPath",
    ),
    (
        "rpc_node_id_32_truncated",
        "R",
        "20050000",
        "reject: Truncated",
    ),
    (
        "rpc_full_path_offset_beyond",
        "R",
        "2063000080000102074d61696e2f506c617965723200",
        "reject: Truncated",
    ),
    (
        "rpc_second_argument_broken",
        "R",
        "00050002020727000000",
        "reject: BadValue",
    ),
    (
        "spawn_cached_node_is_not_a_spawner",
        "RC",
        "04000200000009000000000000000100000058",
        "reject: WrongKind",
    ),
    (
        "spawn_more_sync_ids_than_synchronizers",
        "RC",
        "04000100000009000000020000000100000005000000060000005802070207",
        "reject: SyncCount",
    ),
    (
        "spawn_net_id_high_bit",
        "RC",
        "04000100000009000080000000000100000058",
        "reject: BadId",
    ),
    (
        "spawn_custom_without_spawn_function",
        "RC",
        "04ff01000000090000000000000001000000580400000000000000",
        "reject: UnknownScene",
    ),
    (
        "sync_extra_bytes_in_entry",
        "RC",
        "06010004000000040000000207beef",
        "accept",
    ),
    (
        "sync_node_that_is_no_synchronizer",
        "RC",
        "06010002000080020000000207",
        "reject: WrongKind",
    ),
    (
        "sync_ten_bytes",
        "RC",
        "06010004000000020000",
        "reject: Truncated",
    ),
];

struct Case {
    name: String,
    given: String,
    bytes: Vec<u8>,
    expected: String,
}

fn cases() -> Vec<Case> {
    let text = include_str!("data/hostile-scene.json");
    let file: serde_json::Value = serde_json::from_str(text).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let listed = file["cases"].as_array().unwrap().iter().map(|case| Case {
        name: text(&case["name"]),
        given: text(&case["given"]),
        bytes: hex(&text(&case["hex"])),
        expected: text(&case["expected"]),
    });
    let named = NAMED.iter().map(|(name, given, bytes, expected)| Case {
        name: (*name).into(),
        given: (*given).into(),
        bytes: hex(bytes),
        expected: (*expected).into(),
    });
    listed.chain(named).collect()
}

fn player2() -> NodeConfig {
    NodeConfig::new("Main/Player2")
        .authority(peer(3))
        .rpc(
            RpcConfig::new("a")
                .any_peer()
                .argument_types([Some(ValueType::Int)]),
        )
        .rpc(RpcConfig::new("b"))
        .rpc(RpcConfig::new("c").mode(RpcMode::Disabled))
}

/// A SIMPLIFY_PATH as an honest peer with this table sends it.
fn simplify(session: &Session, id: u32, path: &str) -> Vec<u8> {
    let node = session.node(path).unwrap();
    let checksum = session.rpc_table(node).unwrap().checksum();
    let mut out = Vec::new();
    replication_proto::packet::SimplifyPath::new(checksum, id, path).encode(&mut out);
    out
}

const NOW: Instant = Instant::from_millis(1000);

fn give(session: &mut Session, from: i32, packet: &[u8]) -> Verdict {
    let incoming = Incoming {
        from: peer(from),
        mode: TransferMode::Reliable,
        channel: 0,
        packet: Bytes::copy_from_slice(packet),
    };
    session.handle_packet(NOW, incoming)
}

/// A unit with one synced and two watched properties of any type.
fn unit(authority: i32) -> Scene {
    let any = |name: &str| PropertyConfig::new(name).initial(0).any_type();
    let sync = SynchronizerConfig::new()
        .property(any("a"))
        .property(any("b").on_change().without_spawn())
        .property(any("c").on_change().without_spawn());
    let sync = NodeConfig::new("Sync")
        .authority(peer(authority))
        .synchronizer(sync);
    SceneConfig::new(format!("res://unit{authority}.tscn"))
        .node(sync)
        .build()
        .unwrap()
}

fn add_spawner(session: &mut Session, path: &str, authority: i32) {
    let plain = SceneConfig::new(format!("res://plain{authority}.tscn"));
    let (unit, plain) = (unit(authority), plain.build().unwrap());
    session.add_scene(&unit).unwrap();
    session.add_scene(&plain).unwrap();
    let spawner = SpawnerConfig::new("..")
        .scene(unit.path())
        .scene(plain.path());
    let node = NodeConfig::new(path).authority(peer(authority));
    session.add_node(node.spawner(spawner)).unwrap();
}

/// Node 3 with synchronizer 4, in the sender's numbers, by the spawner that is its number 1.
const LIVE: &str = "040001000000030000000100000002000000040000004c00";

fn drain(session: &mut Session) {
    while session.poll_event().is_some() {}
    while session.poll_packet().is_some() {}
}

fn server(relay: Relay) -> Session {
    let mut config = Config::server();
    config.relay = relay;
    let mut session = Session::new(config).unwrap();
    for id in [2, 3] {
        assert!(session.handle_peer_connected(NOW, peer(id)).is_accepted());
    }
    let node = session.add_node(player2()).unwrap();
    // Number 1 of the server is offered to peer 3 only.
    session.rpc(peer(3), node, "a", &[Value::Int(1)]).unwrap();
    let announce = simplify(&session, 5, "Main/Player2");
    assert!(give(&mut session, 2, &announce).is_accepted());
    add_spawner(&mut session, "Main/Spawner", 1);
    let announce = simplify(&session, 1, "Main/Spawner");
    assert!(give(&mut session, 2, &announce).is_accepted());
    add_spawner(&mut session, "Arena/Spawner", 3);
    let announce = simplify(&session, 1, "Arena/Spawner");
    assert!(give(&mut session, 3, &announce).is_accepted());
    assert!(give(&mut session, 3, &hex(LIVE)).is_accepted());
    drain(&mut session);
    session
}

fn client() -> Session {
    let mut session = Session::new(Config::client(peer(2))).unwrap();
    assert!(session.handle_peer_connected(NOW, peer(1)).is_accepted());
    assert!(give(&mut session, 1, &hex("070103000000")).is_accepted());
    add_spawner(&mut session, "Main/Spawner", 1);
    session.add_node(player2()).unwrap();
    for (id, path) in [(1, "Main/Spawner"), (2, "Main/Player2")] {
        let announce = simplify(&session, id, path);
        assert!(give(&mut session, 1, &announce).is_accepted());
    }
    assert!(give(&mut session, 1, &hex(LIVE)).is_accepted());
    drain(&mut session);
    session
}

fn authenticating() -> Session {
    let mut config = Config::server();
    config.authentication = Authentication::Required;
    let mut session = Session::new(config).unwrap();
    session.add_node(player2()).unwrap();
    assert!(session.handle_peer_connected(NOW, peer(4)).is_accepted());
    drain(&mut session);
    session
}

fn mesh() -> Session {
    let mut session = Session::new(Config::mesh(peer(2))).unwrap();
    assert!(session.handle_peer_connected(NOW, peer(3)).is_accepted());
    drain(&mut session);
    session
}

/// The session of a fixture and the peer that sends the case.
fn fixture(given: &str) -> (Session, i32) {
    match given {
        "R" => (server(Relay::Enabled), 2),
        "R0" => (server(Relay::Disabled), 2),
        "RA" => (authenticating(), 4),
        "RC" => (client(), 1),
        "RM" => (mesh(), 3),
        _ => panic!("unknown fixture {given}"),
    }
}

/// A harmless packet has its effect.
fn check_control(given: &str, session: &mut Session, sender: i32, name: &str) {
    drain(session);
    let (packet, is_expected): (&str, fn(&Event) -> bool) = match given {
        "R" | "R0" => ("000500010207", |event| match event {
            Event::Rpc(call) => {
                call.peer == peer(2)
                    && &*call.path == "Main/Player2"
                    && &*call.method == "a"
                    && call.arguments == [Value::Int(7)]
            }
            _ => false,
        }),
        "RA" => (
            "070061",
            |event| matches!(event, Event::AuthReceived { data, .. } if data[..] == b"a"[..]),
        ),
        _ => (
            "036162",
            |event| matches!(event, Event::Packet { payload, .. } if payload[..] == b"ab"[..]),
        ),
    };
    let verdict = give(session, sender, &hex(packet));
    assert_eq!(verdict, Verdict::Accepted, "control after {name}");
    let event = session.poll_event();
    assert!(
        event.as_ref().is_some_and(is_expected),
        "control after {name}: {event:?}"
    );
}

fn reason(name: &str) -> DropReason {
    DropReason::ALL
        .into_iter()
        .find(|reason| reason.name() == name)
        .unwrap_or_else(|| panic!("no reason {name}"))
}

/// The verdict that a case states, where it states one.
fn stated(expected: &str) -> Verdict {
    let (word, detail) = expected.split_once(": ").unwrap_or((expected, ""));
    let name = detail
        .split([' ', ',', ':', ';'])
        .next()
        .unwrap_or_default();
    match word {
        "accept" => Verdict::Accepted,
        "drop" => Verdict::Dropped(reason(name)),
        "reject" => Verdict::Rejected(reason(name)),
        _ => panic!("no single verdict in {expected:?}"),
    }
}

#[test]
fn every_case_has_its_verdict_and_one_counter_and_does_no_harm() {
    let mut checked = 0;
    for case in cases() {
        let name = case.name.as_str();
        if SCENARIOS.contains(&name) {
            continue;
        }
        let (mut session, sender) = fixture(&case.given);
        let before = *session.stats();
        let verdict = give(&mut session, sender, &case.bytes);
        assert_eq!(verdict, stated(&case.expected), "{name}: {}", case.expected);
        let after = *session.stats();
        for reason in DropReason::ALL {
            let moved = after.dropped(reason) - before.dropped(reason);
            let expected = u64::from(verdict.reason() == Some(reason));
            assert_eq!(moved, expected, "{name}: counter {}", reason.name());
        }
        check_control(&case.given, &mut session, sender, name);
        assert!(session.poll_disconnect().is_none(), "{name}");
        checked += 1;
    }
    assert_eq!(checked, 114 + NAMED.len() - SCENARIOS.len());
}

#[test]
fn what_is_checked_apart_is_a_case_of_the_file() {
    let names: Vec<_> = cases().into_iter().map(|case| case.name).collect();
    for name in SCENARIOS {
        assert!(names.iter().any(|known| known == name), "{name}");
    }
}

/// To whom the server of fixture R sends what, after a packet of peer 2.
fn sent_after(packet: &str) -> (Vec<(i32, String)>, Vec<Event>) {
    let mut session = server(Relay::Enabled);
    assert_eq!(give(&mut session, 2, &hex(packet)), Verdict::Accepted);
    let mut sent = Vec::new();
    while let Some(out) = session.poll_packet() {
        sent.push((out.to.value(), common::to_hex(&out.packet)));
    }
    let events = core::iter::from_fn(|| session.poll_event()).collect();
    (sent, events)
}

#[test]
fn a_relayed_packet_goes_to_whom_the_case_says() {
    let from_2 = || "0703020000000378".to_owned();
    for (packet, receivers, is_processed) in [
        ("0703020000000378", &[2][..], false),
        ("f703030000000378", &[3], false),
        ("0703fdffffff0378", &[], true),
        ("0703000000000378", &[3], true),
        ("0703ffffffff0378", &[3], false),
    ] {
        let (sent, events) = sent_after(packet);
        let expected: Vec<_> = receivers.iter().map(|&to| (to, from_2())).collect();
        if packet.starts_with("f7") {
            assert_eq!(sent[0].0, 3, "the flags have no meaning");
        } else {
            assert_eq!(sent, expected, "{packet}");
        }
        let is_from_2 = |event: &Event| {
            matches!(event, Event::Packet { peer: from, payload, .. }
                if *from == peer(2) && payload[..] == b"x"[..])
        };
        assert_eq!(events.len(), usize::from(is_processed), "{packet}");
        assert!(events.iter().all(is_from_2), "{packet}");
    }
}

#[test]
fn meaningless_flags_can_be_refused() {
    let mut config = Config::server();
    config.refuse_unknown_flags = true;
    let mut session = Session::new(config).unwrap();
    assert!(session.handle_peer_connected(NOW, peer(2)).is_accepted());
    for packet in ["f703020000000378", "0b61"] {
        let verdict = give(&mut session, 2, &hex(packet));
        assert_eq!(verdict, Verdict::Rejected(DropReason::UnknownFlags));
    }
    assert!(give(&mut session, 2, &hex("0361")).is_accepted());
}

#[test]
fn surplus_bytes_of_a_call_are_counted_or_refused() {
    let mut session = server(Relay::Enabled);
    let packet = hex("000500010207dead");
    assert_eq!(give(&mut session, 2, &packet), Verdict::Accepted);
    assert_eq!(session.stats().surplus_bytes, 2);
    assert!(matches!(session.poll_event(), Some(Event::Rpc(_))));

    let mut config = Config::server();
    config.refuse_surplus_bytes = true;
    let mut session = Session::new(config).unwrap();
    assert!(session.handle_peer_connected(NOW, peer(2)).is_accepted());
    session.add_node(player2()).unwrap();
    let announce = simplify(&session, 5, "Main/Player2");
    assert!(give(&mut session, 2, &announce).is_accepted());
    assert_eq!(
        give(&mut session, 2, &packet),
        Verdict::Rejected(DropReason::TrailingBytes)
    );
}

#[test]
fn a_known_peer_announced_again_is_no_second_event() {
    let mut session = client();
    assert!(give(&mut session, 1, &hex("070103000000")).is_accepted());
    assert!(session.poll_event().is_none());
}

#[test]
fn a_side_that_completes_alone_or_twice_is_not_admitted() {
    let mut session = authenticating();
    for _ in 0..2 {
        assert_eq!(give(&mut session, 4, &hex("0700")), Verdict::Accepted);
        assert!(!session.is_admitted(peer(4)));
    }
    assert!(matches!(
        session.poll_event(),
        Some(Event::AuthRemoteComplete { .. })
    ));
    assert!(session.poll_event().is_none());
    session.complete_auth(peer(4)).unwrap();
    assert!(session.is_admitted(peer(4)));
}

#[test]
fn calls_through_a_number_with_another_method_list_are_refused() {
    let mut session = server(Relay::Enabled);
    let packet = "01666666666666666666666666666666666666666666666666666666666666666600070000004d61696e2f506c617965723200";
    assert_eq!(give(&mut session, 2, &hex(packet)), Verdict::Accepted);
    let answer = session.poll_packet().unwrap();
    assert_eq!(common::to_hex(&answer.packet), "020007000000");
    assert!(matches!(
        session.poll_event(),
        Some(Event::MethodMismatch(_))
    ));
    assert_eq!(
        give(&mut session, 2, &hex("000700010207")),
        Verdict::Rejected(DropReason::MethodMismatch)
    );
}

#[test]
fn a_packet_of_a_peer_that_was_never_connected_is_dropped() {
    let mut session = server(Relay::Enabled);
    assert_eq!(
        give(&mut session, 9, &hex("036162")),
        Verdict::Dropped(DropReason::UnknownPeer)
    );
    check_control("R", &mut session, 2, "packet_from_unknown_peer");
}

#[test]
fn a_peer_that_only_the_relay_reaches_cannot_send_directly() {
    let mut session = client();
    assert_eq!(
        give(&mut session, 3, &hex("036162")),
        Verdict::Dropped(DropReason::UnknownPeer)
    );
}

#[test]
fn a_path_of_64_kib_is_too_long() {
    let mut session = server(Relay::Enabled);
    let mut packet = simplify(&session, 7, "Main/Player2");
    packet.truncate(38);
    packet.extend(core::iter::repeat_n(b'a', 65536));
    assert_eq!(
        give(&mut session, 2, &packet),
        Verdict::Rejected(DropReason::TooLong)
    );
    check_control("R", &mut session, 2, "simplify_path_64_kib");
}

#[test]
fn a_count_that_wraps_32_bits_is_a_bad_length() {
    let mut session = client();
    let packet = hex("04000100000009000000000000400100000058");
    assert_eq!(
        give(&mut session, 1, &packet),
        Verdict::Rejected(DropReason::BadLength)
    );
    check_control("RC", &mut session, 1, "spawn_sync_count_times_four_wraps");
}

#[test]
fn a_server_that_announces_too_many_peers_is_left() {
    let mut session = client();
    let mut refused = 0;
    for id in 10..100_010_i32 {
        let mut packet = vec![7, 1];
        packet.extend_from_slice(&id.to_le_bytes());
        if !give(&mut session, 1, &packet).is_accepted() {
            refused += 1;
        }
        assert!(session.peers().count() <= 4095);
        if session.poll_disconnect().is_some() {
            break;
        }
    }
    assert_eq!(refused, 1);
    assert_eq!(session.stats().dropped(DropReason::PeerLimit), 1);
    assert_eq!(session.peers().count(), 0);
    let last = core::iter::from_fn(|| session.poll_event()).last();
    assert!(matches!(
        last,
        Some(Event::PeerDisconnected { peer, reason: DisconnectReason::PeerLimit })
            if peer.is_server()
    ));
}

/// A server with clients 2 to 65.
fn room_of_64() -> Session {
    let mut session = Session::new(Config::server()).unwrap();
    for id in 2..66 {
        assert!(session.handle_peer_connected(NOW, peer(id)).is_accepted());
    }
    drain(&mut session);
    session
}

fn broadcast(size: usize, mode: TransferMode) -> Incoming {
    let mut packet = hex("07030000000003");
    packet.resize(size, 0x55);
    Incoming {
        from: peer(2),
        mode,
        channel: 0,
        packet: packet.into(),
    }
}

fn drain_bytes(session: &mut Session) -> u64 {
    let mut bytes = 0;
    while let Some(out) = session.poll_packet() {
        bytes += out.packet.len() as u64;
    }
    while session.poll_event().is_some() {}
    bytes
}

#[test]
fn unreliable_relayed_bytes_stay_within_the_rate_after_fan_out() {
    let mut session = room_of_64();
    let mut bytes = 0;
    for millis in 0..4000 {
        let now = NOW + Duration::from_millis(millis);
        let _ = session.handle_packet(now, broadcast(1000, TransferMode::Unreliable));
        bytes += drain_bytes(&mut session);
    }
    assert!(bytes <= (1 << 20) + 4 * (256 << 10), "{bytes}");
    assert!(bytes > 1 << 20);
    assert!(session.stats().dropped(DropReason::RelayBudget) > 1000);
    assert!(session.is_admitted(peer(2)));
}

#[test]
fn reliable_relayed_bytes_wait_for_the_rate_and_too_many_end_the_stay() {
    let mut session = room_of_64();
    let mut bytes = 0;
    let mut accepted = 0;
    for _ in 0..64 {
        let verdict = session.handle_packet(NOW, broadcast(1 << 19, TransferMode::Reliable));
        bytes += drain_bytes(&mut session);
        match verdict {
            Verdict::Accepted => accepted += 1,
            refused => {
                assert_eq!(refused, Verdict::Rejected(DropReason::RelayBudget));
                break;
            }
        }
    }
    assert_eq!(accepted, 1, "the second one does not fit behind the first");
    assert!(bytes <= (1 << 20) + 63 * 6);
    assert_eq!(session.poll_disconnect(), Some(peer(2)));
    assert!(!session.is_admitted(peer(2)));
    assert!(session.is_admitted(peer(3)));
    assert_eq!(session.poll_timeout(), None, "nothing waits any more");
}

#[test]
fn a_large_reliable_broadcast_reaches_all_as_the_rate_allows() {
    let mut session = room_of_64();
    let size = 100_000;
    assert!(
        session
            .handle_packet(NOW, broadcast(size, TransferMode::Reliable))
            .is_accepted()
    );
    let mut packets = 0;
    let mut last = NOW;
    loop {
        while session.poll_packet().is_some() {
            packets += 1;
        }
        let Some(deadline) = session.poll_timeout() else {
            break;
        };
        assert!(deadline > last, "no busy loop");
        last = deadline;
        session.handle_timeout(deadline);
    }
    assert_eq!(packets, 63);
    let waited = last.saturating_since(NOW).as_secs_f64();
    let expected = (63.0 * 100_000.0 - f64::from(1 << 20)) / f64::from(256 << 10);
    assert!((waited - expected).abs() < 0.1, "{waited} {expected}");
}

#[test]
fn a_peer_announces_at_most_4096_numbers_for_one_node() {
    let mut session = server(Relay::Enabled);
    for id in 10..100_010 {
        let packet = simplify(&session, id, "Main/Player2");
        let _ = give(&mut session, 2, &packet);
        drain(&mut session);
    }
    let refused = session.stats().dropped(DropReason::PathCacheFull);
    assert_eq!(refused, 100_000 - 4094);
    check_control("R", &mut session, 2, "simplify_100000_ids_for_one_node");
}

#[test]
fn calls_beyond_the_rate_are_dropped_and_counted() {
    let mut session = server(Relay::Enabled);
    let packet = hex("000500010207");
    let mut calls = 0;
    for micros in (0..1_000_000).step_by(10) {
        let incoming = Incoming {
            from: peer(2),
            mode: TransferMode::Reliable,
            channel: 0,
            packet: packet.clone().into(),
        };
        let _ = session.handle_packet(NOW + Duration::from_micros(micros), incoming);
        while let Some(event) = session.poll_event() {
            calls += u64::from(matches!(event, Event::Rpc(_)));
        }
    }
    assert!((1499..=1500).contains(&calls), "{calls}");
    let refused = session.stats().dropped(DropReason::RpcBudget);
    assert_eq!(refused, 100_000 - calls);
}

#[test]
fn authentication_data_is_limited_in_size_and_number() {
    let mut session = authenticating();
    let mut packet = hex("0700");
    packet.resize(1 << 20, 1);
    assert_eq!(
        give(&mut session, 4, &packet),
        Verdict::Rejected(DropReason::AuthTooLarge)
    );
    assert_eq!(session.poll_disconnect(), Some(peer(4)));
    assert!(matches!(
        session.poll_event(),
        Some(Event::AuthFailed {
            reason: AuthFailure::TooLarge,
            ..
        })
    ));

    let mut session = authenticating();
    for _ in 0..16 {
        assert!(give(&mut session, 4, &hex("070061")).is_accepted());
    }
    assert_eq!(
        give(&mut session, 4, &hex("070061")),
        Verdict::Rejected(DropReason::AuthTooLarge)
    );
    assert_eq!(session.poll_disconnect(), Some(peer(4)));
}

#[test]
fn dribbled_authentication_ends_three_seconds_after_the_connection() {
    let mut session = authenticating();
    for second in 1..=3 {
        let now = NOW + Duration::from_secs(second);
        assert_eq!(session.poll_timeout(), Some(NOW + Duration::from_secs(3)));
        session.handle_timeout(now);
        if second < 3 {
            assert!(give(&mut session, 4, &hex("070061")).is_accepted());
        }
    }
    assert_eq!(session.poll_disconnect(), Some(peer(4)));
    let last = core::iter::from_fn(|| session.poll_event()).last();
    assert!(matches!(
        last,
        Some(Event::AuthFailed {
            reason: AuthFailure::Timeout,
            ..
        })
    ));
    assert_eq!(session.poll_timeout(), None);
}

/// The bytes of a case of the file.
fn bytes_of(name: &str) -> Vec<u8> {
    let mut cases = cases().into_iter();
    cases.find(|case| case.name == name).unwrap().bytes
}

fn value(session: &Session, name: &str) -> Value {
    let node = session.node("Main/L").unwrap();
    session.property(node, name).unwrap().clone()
}

#[test]
fn very_many_unknown_entries_are_skipped() {
    let name = "sync_ten_thousand_unknown_entries";
    let mut session = client();
    assert_eq!(
        give(&mut session, 1, &bytes_of(name)),
        Verdict::Dropped(DropReason::UnknownId)
    );
    assert_eq!(session.stats().dropped(DropReason::UnknownId), 1199);
    check_control("RC", &mut session, 1, name);
}

#[test]
fn a_spawn_whose_state_is_broken_leaves_nothing() {
    // req: HP-11
    let fresh = "040001000000090000000100000001000000050000005802";
    for packet in [bytes_of("spawn_state_truncated"), hex(fresh)] {
        let mut session = client();
        let nodes = session.nodes().count();
        let verdict = give(&mut session, 1, &packet);
        assert!(matches!(verdict, Verdict::Rejected(_)), "{verdict:?}");
        assert_eq!(session.nodes().count(), nodes);
        assert!(session.poll_event().is_none());
        assert_eq!(session.peer_usage(peer(1)).unwrap().spawned_nodes, 1);
        let good = hex("04000100000009000000010000000100000005000000580207");
        assert!(give(&mut session, 1, &good).is_accepted());
    }
}

#[test]
fn a_node_can_be_despawned_once() {
    // req: HP-12
    let mut session = client();
    let packet = bytes_of("despawn_twice");
    assert!(give(&mut session, 1, &packet).is_accepted());
    assert!(matches!(
        session.poll_event(),
        Some(Event::Despawned { path, .. }) if &*path == "Main/L"
    ));
    assert!(session.node("Main/L/Sync").is_none());
    assert_eq!(
        give(&mut session, 1, &packet),
        Verdict::Rejected(DropReason::UnknownId)
    );
    check_control("RC", &mut session, 1, "despawn_twice");
}

#[test]
fn unknown_entries_are_skipped_and_known_ones_applied() {
    // req: HP-13
    let mut session = client();
    let packet = bytes_of("sync_unknown_then_known");
    assert!(give(&mut session, 1, &packet).is_accepted());
    assert_eq!(value(&session, "a"), Value::Int(7));
    assert_eq!(session.stats().dropped(DropReason::UnknownId), 1);
}

#[test]
fn a_state_that_comes_late_is_dropped_also_at_half_of_the_range() {
    // req: HP-13
    let mut session = client();
    assert!(give(&mut session, 1, &hex("06020004000000020000000209")).is_accepted());
    assert_eq!(
        give(&mut session, 1, &bytes_of("sync_stale_time")),
        Verdict::Dropped(DropReason::Stale)
    );
    assert_eq!(value(&session, "a"), Value::Int(9));
    assert!(give(&mut session, 1, &bytes_of("sync_time_half_range")).is_accepted());
    assert_eq!(value(&session, "a"), Value::Int(7));
}

#[test]
fn an_entry_is_applied_whole_or_not_at_all() {
    // req: HP-13
    let mut session = client();
    assert_eq!(
        give(&mut session, 1, &bytes_of("sync_too_few_values")),
        Verdict::Rejected(DropReason::Truncated)
    );
    assert_eq!(value(&session, "a"), Value::Int(0));
    assert!(session.poll_event().is_none());

    let packet = bytes_of("delta_partial_then_broken");
    assert!(give(&mut session, 1, &packet).is_accepted());
    assert_eq!(value(&session, "b"), Value::Int(7));
    assert_eq!(session.stats().dropped(DropReason::Truncated), 2);
    // Both properties, the second one cut.
    let cut = "160400000003000000000000000300000002090200";
    assert!(!give(&mut session, 1, &hex(&cut[..cut.len() - 2])).is_accepted());
    assert_eq!(value(&session, "b"), Value::Int(7), "not half applied");
    check_control("RC", &mut session, 1, "delta_partial_then_broken");
}

#[test]
fn values_that_are_not_finite_are_flagged_or_refused() {
    // req: HP-15
    let packet = bytes_of("sync_value_nan_position");
    let mut session = client();
    assert!(give(&mut session, 1, &packet).is_accepted());
    assert!(matches!(session.poll_event(), Some(Event::Sync(state)) if !state.is_finite));
    assert_eq!(session.stats().non_finite, 1);

    let mut session = Session::new(Config::client(peer(2))).unwrap();
    assert!(session.handle_peer_connected(NOW, peer(1)).is_accepted());
    let refused = PropertyConfig::new("a").non_finite(NonFinite::Refuse);
    let sync = SynchronizerConfig::new().property(refused);
    session.add_node(NodeConfig::new("N")).unwrap();
    session
        .add_node(NodeConfig::new("N/S").synchronizer(sync))
        .unwrap();
    let announce = simplify(&session, 4, "N/S");
    assert!(give(&mut session, 1, &announce).is_accepted());
    let mut packet = packet;
    packet[6] = 0x80;
    assert_eq!(
        give(&mut session, 1, &packet),
        Verdict::Rejected(DropReason::NonFinite)
    );
}

#[test]
fn a_value_of_another_type_is_refused() {
    let mut session = Session::new(Config::client(peer(2))).unwrap();
    assert!(session.handle_peer_connected(NOW, peer(1)).is_accepted());
    let sync = SynchronizerConfig::new().property(PropertyConfig::new("hp").initial(1));
    session.add_node(NodeConfig::new("N")).unwrap();
    session
        .add_node(NodeConfig::new("N/S").synchronizer(sync))
        .unwrap();
    let announce = simplify(&session, 4, "N/S");
    assert!(give(&mut session, 1, &announce).is_accepted());
    assert_eq!(
        give(&mut session, 1, &hex("0601000400008001000000810000")),
        Verdict::Rejected(DropReason::WrongType)
    );
    assert!(give(&mut session, 1, &hex("06010004000080020000000205")).is_accepted());
}

#[test]
fn spawned_nodes_of_a_peer_are_bounded_and_one_too_many_ends_its_stay() {
    // req: HP-11
    let mut config = Config::client(peer(2));
    config.limits.spawned_nodes = 1000;
    let mut session = Session::new(config).unwrap();
    assert!(session.handle_peer_connected(NOW, peer(1)).is_accepted());
    add_spawner(&mut session, "Main/Spawner", 1);
    let announce = simplify(&session, 1, "Main/Spawner");
    assert!(give(&mut session, 1, &announce).is_accepted());
    let mut accepted = 0;
    for id in 1..=100_000_u32 {
        let mut packet = hex("040101000000");
        packet.extend_from_slice(&id.to_le_bytes());
        packet.extend_from_slice(&hex("0000000006000000"));
        packet.extend_from_slice(format!("{id:06}").as_bytes());
        let verdict = give(&mut session, 1, &packet);
        drain(&mut session);
        if session.poll_disconnect().is_some() {
            assert_eq!(verdict, Verdict::Rejected(DropReason::SpawnLimit));
            break;
        }
        assert!(verdict.is_accepted());
        accepted += 1;
    }
    assert_eq!(accepted, 1000);
    assert_eq!(session.spawned_nodes().count(), 0, "freed with their peer");
    assert_eq!(session.nodes().count(), 1);
}

#[test]
fn a_flooding_peer_leaves_the_others_their_calls() {
    // req: HG-5
    let mut net = Net::connected(&[2, 3]);
    for id in [1, 2, 3] {
        let node = NodeConfig::new("N").rpc(RpcConfig::new("a").any_peer());
        net.at(id).add_node(node).unwrap();
    }
    let node = net.at(2).node("N").unwrap();
    for _ in 0..5000 {
        net.at(2)
            .rpc(Target::Peer(peer(1)), node, "a", &[])
            .unwrap();
    }
    let node = net.at(3).node("N").unwrap();
    net.at(3)
        .rpc(Target::Peer(peer(1)), node, "a", &[])
        .unwrap();
    net.settle();
    let calls = net.events(1).into_iter().filter_map(|event| match event {
        Event::Rpc(call) => Some(call.peer.value()),
        _ => None,
    });
    let calls: Vec<_> = calls.collect();
    assert_eq!(calls.iter().filter(|&&from| from == 2).count(), 1000);
    assert_eq!(calls.iter().filter(|&&from| from == 3).count(), 1);
}
