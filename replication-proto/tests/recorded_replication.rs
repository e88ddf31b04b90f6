//! The replication steps of the engine's recorded sessions: the same packets leave, and the receivers have the same state.
mod common;

use common::{
    Net, Sent, engine, hex, peer, recorded_n, recorded_script, recorded_scripted, recorded_step,
};
use core::time::Duration;
use replication_proto::variant::{Dictionary, Value, Vector2};
use replication_proto::{
    Config, Event, NodeConfig, NodeKey, PropertyConfig, RpcConfig, RpcTable, Scene, SceneConfig,
    SpawnConfig, SpawnSource, SpawnerConfig, SynchronizerConfig, Target, Visibility,
};

const SERVER: i32 = 1;
const A: i32 = 1000;
const B: i32 = 2000;
const C: i32 = 3000;

const THING: &str = "res://thing.tscn";
const PLAIN: &str = "res://plain.tscn";
const PLAYER: &str = "res://player.tscn";
const OUTER: &str = "res://outer.tscn";

fn hp() -> PropertyConfig {
    PropertyConfig::new(".:hp").initial(100)
}

fn pos() -> PropertyConfig {
    PropertyConfig::new(".:pos").initial(Vector2::new(1.0, 2.0))
}

fn nm() -> PropertyConfig {
    PropertyConfig::new(".:nm").initial("abc")
}

fn script() -> RpcTable {
    RpcTable::of_script(recorded_script()).unwrap()
}

fn thing() -> Scene {
    let sync = SynchronizerConfig::new()
        .property(hp())
        .property(pos().on_change())
        .property(nm().on_change().without_spawn());
    SceneConfig::new(THING)
        .node(NodeConfig::new(".").rpc_table(script()))
        .node(NodeConfig::new("Sync").synchronizer(sync))
        .build()
        .unwrap()
}

fn player() -> Scene {
    let mut methods = recorded_script();
    methods.push(RpcConfig::new("aaa"));
    let table = RpcTable::of_script(methods).unwrap();
    let second = || {
        SynchronizerConfig::new()
            .property(pos())
            .property(nm().never())
    };
    SceneConfig::new(PLAYER)
        .node(NodeConfig::new(".").rpc_table(table))
        .node(NodeConfig::new("ServerSync").synchronizer(SynchronizerConfig::new().property(hp())))
        .node(NodeConfig::new("ServerSync2").synchronizer(second()))
        .node(
            NodeConfig::new("InputSync")
                .authority_from_name()
                .synchronizer(second()),
        )
        .build()
        .unwrap()
}

fn outer() -> Scene {
    SceneConfig::new(OUTER)
        .node(
            NodeConfig::new("Sp").spawner(SpawnerConfig::new("../Kids").scene(THING).scene(PLAIN)),
        )
        .node(NodeConfig::new("Kids"))
        .build()
        .unwrap()
}

/// Declares the recorded scene at one end.
fn declare(net: &mut Net, id: i32) {
    let session = net.at(id);
    let plain = SceneConfig::new(PLAIN).build().unwrap();
    for scene in [thing(), plain, player(), outer()] {
        session.add_scene(&scene).unwrap();
    }
    let spawner = SpawnerConfig::new("../Holder")
        .scene(THING)
        .scene(PLAIN)
        .scene(PLAYER)
        .scene(OUTER)
        .custom_scene(PLAIN);
    session
        .add_node(NodeConfig::new("Spawner").spawner(spawner))
        .unwrap();
    session.add_node(recorded_n()).unwrap();
}

fn scene(clients: &[i32]) -> Net {
    let mut net = Net::like_the_engine(clients);
    declare(&mut net, SERVER);
    for &client in clients {
        declare(&mut net, client);
    }
    net
}

fn spawn(net: &mut Net, config: SpawnConfig) -> NodeKey {
    let spawner = net.at(SERVER).node("Spawner").unwrap();
    let node = net.at(SERVER).spawn(spawner, config).unwrap();
    net.send_from(SERVER);
    node
}

/// Compares what was sent since the last call with a recorded step.
fn expect(net: &mut Net, scenario: &str, step: &str) {
    assert_eq!(net.take_log(), recorded_step(scenario, step), "{step}");
    assert_eq!(net.take_refusals(), [], "{step}");
}

fn is_full_of_server(sent: &Sent) -> bool {
    sent.from == SERVER && sent.hex.starts_with("06")
}

/// The same where the recorded server had its full states switched off by a long interval.
fn expect_without_full(net: &mut Net, step: &str) {
    let mut log = net.take_log();
    log.retain(|sent| !is_full_of_server(sent));
    assert_eq!(log, recorded_step("auth_spawn_sync", step), "{step}");
    assert_eq!(net.take_refusals(), [], "{step}");
}

fn property(net: &mut Net, id: i32, path: &str, property: &str) -> Value {
    let node = net.at(id).node(path).unwrap();
    net.at(id).property(node, property).unwrap().clone()
}

fn set(net: &mut Net, id: i32, path: &str, name: &str, value: impl Into<Value>) {
    let node = net.at(id).node(path).unwrap();
    net.at(id).set(node, name, value).unwrap();
}

/// Server, A and B, and T1 with its first frames behind it.
fn thing_scene() -> Net {
    let scenario = "auth_spawn_sync";
    let mut net = scene(&[A, B]);
    spawn(&mut net, SpawnConfig::scene(0, "T1"));
    expect(&mut net, scenario, "spawn Thing (scene index 0) on server");
    net.frame();
    net.frame();
    expect(
        &mut net,
        scenario,
        "spawn Thing: following frames (sync + initial delta)",
    );
    net
}

#[test]
fn a_spawned_node_and_its_state_have_the_bytes_of_the_engine() {
    let scenario = "auth_spawn_sync";
    let mut net = thing_scene();
    net.frame();
    expect(&mut net, scenario, "idle frame sync");
    set(&mut net, SERVER, "Holder/T1", "hp", 42);
    net.frame();
    expect(&mut net, scenario, "change hp (always)");
    set(&mut net, SERVER, "Holder/T1", "pos", Vector2::new(9.0, 8.0));
    net.frame();
    expect(&mut net, scenario, "change pos (on change)");
    set(&mut net, SERVER, "Holder/T1", "nm", "zz");
    net.frame();
    expect(&mut net, scenario, "change nm (on change, index 1)");
    set(&mut net, SERVER, "Holder/T1", "pos", Vector2::new(7.0, 7.0));
    set(&mut net, SERVER, "Holder/T1", "nm", "yy");
    net.frame();
    expect(&mut net, scenario, "change both");
    for id in [A, B] {
        assert_eq!(property(&mut net, id, "Holder/T1", "hp"), Value::Int(42));
        assert_eq!(
            property(&mut net, id, "Holder/T1", "pos"),
            Value::from(Vector2::new(7.0, 7.0))
        );
        assert_eq!(property(&mut net, id, "Holder/T1", "nm"), Value::from("yy"));
    }
}

#[test]
fn the_receiver_is_told_of_the_spawn_and_of_each_state() {
    let mut net = thing_scene();
    net.frame();
    let events = net.events(A);
    let [Event::Spawned(spawned), rest @ ..] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (spawned.peer, &*spawned.path, spawned.net_id),
        (peer(SERVER), "Holder/T1", 1)
    );
    assert!(matches!(&spawned.source, SpawnSource::Scene(path) if &**path == THING));
    let properties: Vec<_> = spawned.properties.iter().map(|(path, _)| &**path).collect();
    assert_eq!(properties, [".:hp", ".:pos"]);
    let states: Vec<_> = rest
        .iter()
        .map(|event| match event {
            Event::Sync(state) => (state.time, state.properties.len(), state.is_delta()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        states,
        [
            (Some(1), 1, false),
            (None, 2, true),
            (Some(2), 1, false),
            (Some(3), 1, false)
        ]
    );
}

fn with_customs() -> Net {
    let mut net = thing_scene();
    set(&mut net, SERVER, "Holder/T1", "hp", 42);
    set(&mut net, SERVER, "Holder/T1", "pos", Vector2::new(7.0, 7.0));
    set(&mut net, SERVER, "Holder/T1", "nm", "yy");
    net.frame();
    net.take_log();
    let scenario = "auth_spawn_sync";
    spawn(&mut net, SpawnConfig::scene_path(PLAIN, "P1"));
    expect(&mut net, scenario, "spawn Plain (scene index 1)");
    let mut argument = Dictionary::new();
    argument.insert("k", 1).unwrap();
    spawn(&mut net, SpawnConfig::custom(argument, "Cust"));
    expect(&mut net, scenario, "custom spawn with dict arg");
    spawn(&mut net, SpawnConfig::custom(Value::Nil, "Cust2"));
    expect(&mut net, scenario, "custom spawn with null arg");
    spawn(&mut net, SpawnConfig::custom(vec![1_u8, 2, 3], "Cust3"));
    expect(&mut net, scenario, "custom spawn with bytes arg");
    let node = net.at(SERVER).node("Holder/P1").unwrap();
    net.at(SERVER).despawn(node).unwrap();
    net.send_from(SERVER);
    expect(&mut net, scenario, "despawn P1");
    net.receive_at(A);
    assert!(net.at(A).node("Holder/P1").is_none());
    assert!(net.at(A).node("Holder/Cust3").is_some());
    net
}

/// The same up to where C is there, T1 was hidden and shown.
fn with_late_join() -> Net {
    let mut net = with_customs();
    let node = net.at(SERVER).node("Holder/T1").unwrap();
    let server = net.at(SERVER);
    server
        .set_public_visibility(node, Visibility::Hidden)
        .unwrap();
    net.send_from(SERVER);
    expect(&mut net, "auth_spawn_sync", "hide T1 from A");
    net.frame();
    assert!(net.at(A).node("Holder/T1").is_none());
    net.forget();

    let server = net.at(SERVER);
    server
        .set_visibility(node, peer(A), Visibility::Visible)
        .unwrap();
    net.frame();
    expect_without_full(&mut net, "show T1 to A only");

    let server = net.at(SERVER);
    server
        .set_visibility(node, peer(B), Visibility::Visible)
        .unwrap();
    server
        .set_visibility(node, peer(C), Visibility::Visible)
        .unwrap();
    net.frame();
    net.add(engine(Config::client(peer(C))));
    declare(&mut net, C);
    net.connect(C);
    net.send_from(SERVER);
    net.frame();
    expect_without_full(&mut net, "late join C");
    for id in [A, B, C] {
        assert_eq!(property(&mut net, id, "Holder/T1", "nm"), Value::from("yy"));
    }
    net
}

#[test]
fn custom_spawns_hiding_showing_and_late_joins_have_the_bytes_of_the_engine() {
    with_late_join();
}

/// Relayed packets and those of A: what the server sends itself was recorded with another interval.
fn static_step(net: &mut Net, step: &str) {
    net.frame();
    expect_without_full(net, step);
}

#[test]
fn a_synchronizer_of_a_client_reaches_all_through_the_relay() {
    let mut net = with_late_join();
    net.frame();
    net.disconnect(B);
    net.frame();
    net.forget();
    for id in [SERVER, A, C] {
        let sync = SynchronizerConfig::new()
            .property(hp())
            .property(nm().on_change());
        let sync = NodeConfig::new("N/Sy")
            .authority(peer(A))
            .synchronizer(sync);
        net.at(id).add_node(sync).unwrap();
    }
    static_step(
        &mut net,
        "static synchronizer with client authority (A=1000)",
    );
    static_step(&mut net, "static sync frame 2");
    static_step(&mut net, "static sync frame 3");
    static_step(&mut net, "static sync frame 4");
    static_step(&mut net, "static sync frame 5");
    set(&mut net, A, "N", "hp", 7);
    static_step(&mut net, "static sync: hp=7");
    set(&mut net, A, "N", "nm", "q");
    net.frame();
    static_step(&mut net, "static sync: nm=q");
    for id in [SERVER, C] {
        assert_eq!(property(&mut net, id, "N", "hp"), Value::Int(7));
        assert_eq!(property(&mut net, id, "N", "nm"), Value::from("q"));
    }
    let node = net.at(A).node("Holder/T1").unwrap();
    net.at(A).rpc(Target::All, node, "zeta", &[]).unwrap();
    net.send_from(A);
    let mut expected = recorded_step(
        "auth_spawn_sync",
        "rpc on spawned node from A to all (visibility rules)",
    );
    expected.truncate(4);
    assert_eq!(net.take_log(), expected);
}

#[test]
fn entries_share_a_packet_up_to_its_size() {
    let scenario = "auth_spawn_sync";
    let mut net = Net::new();
    let mut config = engine(Config::server());
    config.max_sync_packet_bytes = 128;
    net.add(config);
    net.add(engine(Config::client(peer(A))));
    net.connect(A);
    net.settle();
    let sync = SynchronizerConfig::new()
        .property(hp())
        .property(nm().initial(""));
    let unit = SceneConfig::new("res://unit.tscn")
        .node(NodeConfig::new("Sync").synchronizer(sync))
        .build()
        .unwrap();
    for id in [SERVER, A] {
        net.at(id).add_scene(&unit).unwrap();
        let spawner = SpawnerConfig::new("..").scene("res://unit.tscn");
        net.at(id)
            .add_node(NodeConfig::new("Spawner").spawner(spawner))
            .unwrap();
    }
    for name in ["X1", "X2", "X3", "U1", "U2", "U3"] {
        let config = SpawnConfig::scene(0, name).property("nm", "m".repeat(40));
        let node = spawn(&mut net, config);
        if name.starts_with('X') {
            net.at(SERVER).despawn(node).unwrap();
        }
    }
    net.take_log();
    net.frame();
    let sizes = |sent: &[Sent]| -> Vec<(usize, String)> {
        sent.iter()
            .map(|sent| (sent.hex.len(), sent.hex[6..].to_owned()))
            .collect()
    };
    let step = "sync mtu split (max_sync_packet_size=128), big strings";
    let mut expected = recorded_step(scenario, step);
    expected.retain(|sent| sent.to == A);
    let mut log = net.take_log();
    log.retain(is_full_of_server);
    assert_eq!(sizes(&log), sizes(&expected));
}

#[test]
fn an_entry_that_fills_a_packet_goes_alone_without_the_engines_empty_one() {
    let mut net = Net::new();
    let mut config = engine(Config::server());
    config.max_sync_packet_bytes = 128;
    net.add(config);
    net.add(engine(Config::client(peer(A))));
    net.connect(A);
    net.settle();
    for id in [SERVER, A] {
        let sync = SynchronizerConfig::new().property(hp()).property(nm());
        net.at(id).add_node(NodeConfig::new("N")).unwrap();
        net.at(id)
            .add_node(NodeConfig::new("N/Sy").synchronizer(sync))
            .unwrap();
    }
    set(&mut net, SERVER, "N", "nm", "k".repeat(112));
    net.frame();
    net.frame();
    net.take_log();
    net.frame();
    let log = net.take_log();
    let [only] = &log[..] else { panic!("{log:?}") };
    let recorded = recorded_step("edge", "near-MTU sync");
    let full = recorded.iter().find(|sent| sent.hex.len() > 6).unwrap();
    assert_eq!(only.hex.len(), full.hex.len());
    assert_eq!(only.hex[14..], full.hex[14..]);

    set(&mut net, SERVER, "N", "nm", "k".repeat(125));
    net.frame();
    net.frame();
    assert_eq!(net.take_log(), [], "too large to be sent");
    let told = net
        .events(SERVER)
        .into_iter()
        .filter(|event| matches!(event, Event::StateNotSent { .. }));
    assert_eq!(told.count(), 1, "said once");
    for packet in recorded {
        assert!(
            net.inject(SERVER, A, hex(&packet.hex))
                .reason()
                .is_none_or(|reason| reason.name() == "UnknownId")
        );
    }
}

#[test]
fn a_players_own_synchronizer_has_the_bytes_of_the_engine() {
    let scenario = "player_owned_sync";
    let mut net = scene(&[A, B]);
    spawn(&mut net, SpawnConfig::scene(2, "1000"));
    expect(
        &mut net,
        scenario,
        "spawn player named 1000 with client-owned InputSync",
    );
    for frame in 0..6 {
        net.frame();
        expect(&mut net, scenario, &format!("player frame {frame}"));
    }
    let node = net.at(SERVER).node("Holder/1000").unwrap();
    let target = Target::Peer(peer(A));
    net.at(SERVER).rpc(target, node, "aaa", &[]).unwrap();
    net.send_from(SERVER);
    net.receive_at(A);
    net.send_from(A);
    expect(&mut net, scenario, "rpc aaa (inherited script)");
}

#[test]
fn nested_spawns_go_outer_first_and_end_inner_first() {
    let scenario = "visibility_nesting_relay";
    let mut net = scene(&[A, B]);
    for id in [SERVER, A, B] {
        net.at(id).add_node(recorded_scripted(".")).unwrap();
    }
    let root = net.at(SERVER).node(".").unwrap();
    net.at(SERVER)
        .rpc(Target::Peer(peer(A)), root, "zeta", &[])
        .unwrap();
    net.settle();
    expect(&mut net, scenario, "rpc on the multiplayer root itself");

    let outer = spawn(&mut net, SpawnConfig::scene(3, "O1"));
    let inner = net.at(SERVER).node("Holder/O1/Sp").unwrap();
    // The recorded K1 had index 0, but no synchronizer.
    let kid = SpawnConfig::scene(1, "K1");
    net.at(SERVER).spawn(inner, kid).unwrap();
    net.settle();
    let step = "nested spawn: Outer spawns K1 in _ready";
    let mut expected = recorded_step(scenario, step);
    for sent in &mut expected {
        sent.hex = sent.hex.replace("040003", "040103");
    }
    assert_eq!(net.take_log(), expected);
    assert!(net.at(A).node("Holder/O1/Kids/K1").is_some());

    net.at(SERVER).despawn(outer).unwrap();
    net.settle();
    expect(&mut net, scenario, "despawn outer");
    assert!(net.at(A).node("Holder/O1/Kids/K1").is_none());
    assert!(net.at(A).node("Holder/O1/Sp").is_none());

    let config = SpawnConfig::scene(0, "V1").visible_to([peer(A)]);
    let node = spawn(&mut net, config);
    net.frame();
    let mut log = net.take_log();
    log.retain(|sent| !is_full_of_server(sent));
    assert_eq!(
        log,
        recorded_step(scenario, "spawn Thing visible only to A")
    );
    net.at(SERVER).rpc(Target::All, node, "zeta", &[]).unwrap();
    net.send_from(SERVER);
    net.receive_at(A);
    net.send_from(A);
    expect(&mut net, scenario, "rpc zeta to all on V1 (restricted)");
    let server = net.at(SERVER);
    server
        .set_visibility(node, peer(A), Visibility::Hidden)
        .unwrap();
    net.send_from(SERVER);
    expect(&mut net, scenario, "filter returns false for A");
}

#[test]
fn nodes_of_a_peer_that_is_disconnected_are_freed_everywhere() {
    let mut net = scene(&[A, B]);
    spawn(&mut net, SpawnConfig::scene(2, "1000"));
    net.frame();
    net.frame();
    net.take_log();
    net.at(SERVER).disconnect_peer(peer(A));
    let node = net.at(SERVER).node("Holder/1000").unwrap();
    net.at(SERVER).despawn(node).unwrap();
    net.send_from(SERVER);
    let step = "disconnect_peer(1000) via API";
    assert_eq!(net.take_log(), recorded_step("player_owned_sync", step));
    net.pass(Duration::from_millis(1));
}
