//! Whatever comes, in whatever order: no panic, bounded memory, and peers that behave keep their session.
// req: HG-1 HG-5 HG-13 HG-15 HP-14
mod common;

use bytes::Bytes;
use common::{hex, peer, recorded};
use core::time::Duration;
use proptest::collection::vec;
use proptest::prelude::*;
use proto_core::Instant;
use replication_proto::packet::{ConfirmFormat, Packet};
use replication_proto::variant::Value;
use replication_proto::{
    Authentication, Config, Event, Incoming, NodeConfig, RpcConfig, Session, Target, TransferMode,
};

/// One thing that a transport, a peer or an application does.
#[derive(Clone, Debug)]
enum Op {
    Connect(i32),
    Disconnect(i32),
    Packet { from: i32, mode: u8, bytes: Vec<u8> },
    Wait(u16),
    AddNode(u8),
    RemoveNode(u8),
    SetAuthority { node: u8, peer: i32 },
    Rpc { target: i32, node: u8 },
    Send { target: i32 },
    Complete(i32),
    Kick(i32),
}

const PATHS: [&str; 4] = ["N", "N/Sy", "Holder/T1", "."];

fn path(index: u8) -> &'static str {
    PATHS[usize::from(index) % PATHS.len()]
}

fn number() -> impl Strategy<Value = i32> {
    prop_oneof![Just(1), Just(2), Just(1000), Just(2000), Just(3000)]
}

/// Recorded packets, some with changed bytes, some cut or prolonged, and random ones.
fn packet() -> impl Strategy<Value = Vec<u8>> {
    let packets: Vec<Vec<u8>> = recorded()
        .iter()
        .map(|packet| hex(&packet.sent.hex))
        .collect();
    let recorded = proptest::sample::select(packets);
    let changed = (recorded.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(mut packet, at, byte)| {
            let at = at.index(packet.len());
            packet[at] = byte;
            packet
        },
    );
    let cut = (recorded.clone(), any::<prop::sample::Index>()).prop_map(|(mut packet, at)| {
        packet.truncate(at.index(packet.len()));
        packet
    });
    let relayed = (number(), recorded.clone()).prop_map(|(to, inner)| {
        let mut packet = vec![7, 3];
        packet.extend_from_slice(&to.to_le_bytes());
        packet.extend_from_slice(&inner);
        packet
    });
    prop_oneof![recorded, changed, cut, relayed, vec(any::<u8>(), 0..60)]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => number().prop_map(Op::Connect),
        1 => number().prop_map(Op::Disconnect),
        20 => (number(), 0..3_u8, packet())
            .prop_map(|(from, mode, bytes)| Op::Packet { from, mode, bytes }),
        2 => any::<u16>().prop_map(Op::Wait),
        2 => any::<u8>().prop_map(Op::AddNode),
        1 => any::<u8>().prop_map(Op::RemoveNode),
        1 => (any::<u8>(), number()).prop_map(|(node, peer)| Op::SetAuthority { node, peer }),
        3 => (-3..4, any::<u8>()).prop_map(|(target, node)| Op::Rpc { target: target * 1000, node }),
        2 => (-3..4).prop_map(|target| Op::Send { target: target * 1000 }),
        2 => number().prop_map(Op::Complete),
        1 => number().prop_map(Op::Kick),
    ]
}

fn config() -> impl Strategy<Value = Config> {
    let roles = prop_oneof![
        Just(Config::server()),
        Just(Config::client(peer(1000))),
        Just(Config::mesh(peer(2000))),
    ];
    (roles, any::<bool>(), any::<bool>()).prop_map(|(mut config, authenticates, is_path)| {
        if authenticates {
            config.authentication = Authentication::Required;
        }
        if is_path {
            config.confirm_format = ConfirmFormat::Path;
        }
        config.limits.cached_paths = 5;
        config.limits.cached_path_bytes = 20;
        config.limits.relay_rate = replication_proto::Rate::new(100, 400);
        config.limits.relay_backlog_bytes = 500;
        config.limits.peers = 4;
        config
    })
}

fn apply(session: &mut Session, now: &mut Instant, op: Op) {
    match op {
        Op::Connect(id) => {
            let _ = session.handle_peer_connected(*now, peer(id));
        }
        Op::Disconnect(id) => session.handle_peer_disconnected(*now, peer(id)),
        Op::Packet { from, mode, bytes } => {
            let incoming = Incoming {
                from: peer(from),
                mode: TransferMode::from_number(mode).unwrap(),
                channel: 0,
                packet: Bytes::from(bytes),
            };
            let _ = session.handle_packet(*now, incoming);
        }
        Op::Wait(millis) => {
            *now = *now + Duration::from_millis(millis.into());
            session.handle_timeout(*now);
            assert!(session.poll_timeout().is_none_or(|next| next > *now));
        }
        Op::AddNode(node) => {
            let config = NodeConfig::new(path(node))
                .rpc(RpcConfig::new("zeta").any_peer())
                .rpc(RpcConfig::new("alpha").call_local());
            drop(session.add_node(config));
        }
        Op::RemoveNode(node) => {
            if let Some(key) = session.node(path(node)) {
                session.remove_node(key).unwrap();
            }
        }
        Op::SetAuthority { node, peer: id } => {
            if let Some(key) = session.node(path(node)) {
                session.set_authority(key, peer(id)).unwrap();
            }
        }
        Op::Rpc { target, node } => {
            if let Some(key) = session.node(path(node)) {
                let target = Target::from_number(target).unwrap();
                let _ = session.rpc(target, key, "alpha", &[Value::Int(1)]);
            }
        }
        Op::Send { target } => {
            let target = Target::from_number(target).unwrap();
            let _ = session.send_bytes(target, b"x", TransferMode::Reliable, 0);
        }
        Op::Complete(id) => {
            let _ = session.complete_auth(peer(id));
        }
        Op::Kick(id) => session.disconnect_peer(peer(id)),
    }
}

/// What must hold after every step.
fn check(session: &mut Session) {
    let peers: Vec<_> = session.peers().collect();
    assert!(peers.len() <= 4);
    for id in peers {
        let usage = session.peer_usage(id).unwrap();
        assert!(usage.cached_paths <= 5 && usage.cached_path_bytes <= 20);
        // One packet is taken in whole when nothing waits.
        assert!(usage.waiting_bytes <= 500 || usage.waiting_packets == 1);
    }
    let mut out = 0;
    while session.poll_packet().is_some() {
        out += 1;
    }
    let mut events = 0;
    while let Some(event) = session.poll_event() {
        events += 1;
        if let Event::Rpc(call) = event {
            assert!(PATHS.contains(&&*call.path));
        }
    }
    // One step concerns each of at most four peers a few times; time may release what waited.
    assert!(out <= 100, "{out} packets");
    assert!(events <= 10, "{events} events");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: testkit::cases(200), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_calls_and_packets_panics_or_breaks_a_bound(
        config in config(),
        ops in vec(op(), 1..80),
    ) {
        let mut session = Session::new(config).unwrap();
        let mut now = Instant::from_millis(1);
        for op in ops {
            apply(&mut session, &mut now, op);
            check(&mut session);
        }
    }

    #[test]
    fn what_decodes_encodes_to_something_that_decodes_to_the_same(bytes in packet()) {
        for format in [ConfirmFormat::Id, ConfirmFormat::Path] {
            let Ok(packet) = Packet::decode(&bytes, format) else { continue };
            let mut once = Vec::new();
            packet.encode(&mut once);
            let again = Packet::decode(&once, format).unwrap();
            prop_assert_eq!(again.command(), packet.command());
            let mut twice = Vec::new();
            again.encode(&mut twice);
            prop_assert_eq!(&once, &twice);
            if !matches!(packet, Packet::RemoteCall(_)) {
                prop_assert_eq!(packet, again);
            }
        }
    }

    #[test]
    fn an_honest_peer_is_served_beside_a_hostile_one(packets in vec(packet(), 1..40)) {
        let mut session = Session::new(Config::server()).unwrap();
        let now = Instant::from_millis(1);
        for id in [2, 3] {
            assert!(session.handle_peer_connected(now, peer(id)).is_accepted());
        }
        for bytes in packets {
            for (from, bytes) in [(2, bytes), (3, hex("036869"))] {
                while session.poll_event().is_some() {}
                let incoming = Incoming {
                    from: peer(from),
                    mode: TransferMode::Reliable,
                    channel: 0,
                    packet: bytes.into(),
                };
                let verdict = session.handle_packet(now, incoming);
                if from == 3 {
                    prop_assert!(verdict.is_accepted());
                    let event = session.poll_event();
                    prop_assert!(matches!(event, Some(Event::Packet { .. })), "{:?}", event);
                }
            }
        }
    }
}
