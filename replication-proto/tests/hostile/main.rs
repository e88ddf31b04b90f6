//! The hostile inputs for the scene multiplayer: verdict, one counter, and a session that goes on.
// req: HP-1 HP-2 HP-3 HP-4 HP-5 HP-6 HP-7 HP-9 HP-11 HP-12 HP-13 HG-4

mod admission;
mod calls;
mod cases;
#[path = "../common/mod.rs"]
mod common;
mod relay;
mod spawns;
mod state;

use bytes::Bytes;
use cases::bytes_of;
use common::{Net, hex, peer};
use core::time::Duration;
use proto_core::Instant;
use replication_proto::variant::{Value, ValueType};
use replication_proto::{
    AuthFailure, Authentication, Config, DisconnectReason, DropReason, Event, Incoming, NodeConfig,
    NonFinite, PropertyConfig, Relay, RpcConfig, RpcMode, Scene, SceneConfig, Session,
    SpawnerConfig, SynchronizerConfig, Target, TransferMode, Verdict,
};

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
