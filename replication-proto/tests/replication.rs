//! Spawners, synchronizers, visibility, authority and budgets between sessions.
mod common;

use common::{Net, Sent, engine, hex, peer, to_hex};
use core::time::Duration;
use replication_proto::interest::{Grid, GridConfig, Range as GridRange};
use replication_proto::variant::Value;
use replication_proto::{
    Budget, CallError, Config, DropReason, Event, NodeConfig, NodeError, NodeKey, PropertyConfig,
    PropertyError, RpcConfig, Scene, SceneConfig, SceneError, SpawnConfig, SpawnError,
    SpawnerConfig, SynchronizerConfig, SynchronizerError, Target, TransferMode, Verdict,
    Visibility,
};

const UNIT: &str = "res://unit.tscn";

fn unit_of(sync: SynchronizerConfig) -> Scene {
    let sync = sync
        .property(PropertyConfig::new("hp").initial(100))
        .property(PropertyConfig::new("name").initial("").on_change());
    SceneConfig::new(UNIT)
        .node(NodeConfig::new(".").rpc(RpcConfig::new("hit").any_peer()))
        .node(NodeConfig::new("Sync").synchronizer(sync))
        .build()
        .unwrap()
}

fn declare(net: &mut Net, id: i32, unit: &Scene, spawner: SpawnerConfig) {
    let session = net.at(id);
    session.add_scene(unit).unwrap();
    session
        .add_node(NodeConfig::new("Spawner").spawner(spawner.scene(UNIT)))
        .unwrap();
}

/// A server and clients with the same spawner, `Units` as its place.
fn world(clients: &[i32], sync: SynchronizerConfig) -> Net {
    let unit = unit_of(sync);
    let mut net = Net::new();
    let mut server = Config::server();
    server.frame_interval = None;
    net.add(server);
    declare(&mut net, 1, &unit, SpawnerConfig::new("../Units"));
    for &client in clients {
        join(&mut net, client, &unit);
    }
    net.forget();
    net
}

fn join(net: &mut Net, client: i32, unit: &Scene) {
    let mut config = Config::client(peer(client));
    config.frame_interval = None;
    net.add(config);
    declare(net, client, unit, SpawnerConfig::new("../Units"));
    net.connect(client);
    net.settle();
}

fn spawn(net: &mut Net, name: &str) -> NodeKey {
    spawn_config(net, SpawnConfig::scene(0, name))
}

fn spawn_config(net: &mut Net, config: SpawnConfig) -> NodeKey {
    let spawner = net.at(1).node("Spawner").unwrap();
    net.at(1).spawn(spawner, config).unwrap()
}

fn frames(net: &mut Net, count: usize) {
    for _ in 0..count {
        net.frame();
    }
}

fn value(net: &mut Net, id: i32, path: &str, name: &str) -> Value {
    let node = net.at(id).node(path).unwrap();
    net.at(id).property(node, name).unwrap().clone()
}

fn set(net: &mut Net, id: i32, path: &str, name: &str, value: impl Into<Value>) {
    let node = net.at(id).node(path).unwrap();
    net.at(id).set(node, name, value).unwrap();
}

fn has(net: &mut Net, id: i32, path: &str) -> bool {
    net.at(id).node(path).is_some()
}

fn deltas(log: &[Sent]) -> usize {
    log.iter().filter(|sent| sent.hex.starts_with("16")).count()
}

#[test]
fn peers_who_see_the_same_get_the_same_allocation() {
    let mut net = world(&[2, 3], SynchronizerConfig::new());
    spawn(&mut net, "A");
    spawn(&mut net, "B");
    frames(&mut net, 3);
    let now = net.now + Duration::from_millis(16);
    set(&mut net, 1, "Units/A", "name", "x");
    net.at(1).tick(now);
    let mut packets = Vec::new();
    while let Some(out) = net.at(1).poll_packet() {
        packets.push(out.packet);
    }
    let [full_2, delta_2, full_3, delta_3] = &packets[..] else {
        panic!("{packets:?}")
    };
    assert_eq!(full_2.as_ptr(), full_3.as_ptr());
    assert_eq!(delta_2.as_ptr(), delta_3.as_ptr());
}

#[test]
fn a_value_that_did_not_change_is_not_sent_again() {
    let mut net = world(&[2], SynchronizerConfig::new());
    spawn(&mut net, "A");
    set(&mut net, 1, "Units/A", "name", "x");
    frames(&mut net, 3);
    net.take_log();
    set(&mut net, 1, "Units/A", "name", "x");
    frames(&mut net, 2);
    assert_eq!(deltas(&net.take_log()), 0);
}

#[test]
fn intervals_space_full_states_and_deltas() {
    let sync = SynchronizerConfig::new()
        .replication_interval(Duration::from_millis(64))
        .delta_interval(Duration::from_millis(48));
    let mut net = world(&[2], sync);
    spawn(&mut net, "A");
    frames(&mut net, 2);
    net.take_log();
    for round in 0..24 {
        set(&mut net, 1, "Units/A", "name", format!("{round}"));
        net.frame();
    }
    let log = net.take_log();
    assert_eq!(deltas(&log), 8);
    let full = log.iter().filter(|sent| sent.hex.starts_with("06")).count();
    assert_eq!(full, 6);
    frames(&mut net, 4);
    assert_eq!(value(&mut net, 2, "Units/A", "name"), Value::from("23"));
}

#[test]
fn a_session_runs_its_own_frames_while_there_is_something_to_replicate() {
    let mut net = world(&[2], SynchronizerConfig::new());
    let mut session = replication_proto::Session::new(Config::server()).unwrap();
    assert_eq!(session.poll_timeout(), None);
    session.add_node(NodeConfig::new("N")).unwrap();
    let sync = SynchronizerConfig::new().property(PropertyConfig::new("hp"));
    let node = session
        .add_node(NodeConfig::new("N/S").synchronizer(sync))
        .unwrap();
    assert_eq!(session.poll_timeout(), None, "nobody is there");
    assert!(
        session
            .handle_peer_connected(net.now, peer(2))
            .is_accepted()
    );
    let mut beats = Vec::new();
    for _ in 0..3 {
        let due = session.poll_timeout().unwrap();
        net.now = net.now.max(due);
        session.handle_timeout(net.now);
        beats.push(net.now.as_micros());
    }
    assert_eq!(beats[2] - beats[1], 16_667);
    session.set_authority(node, peer(2)).unwrap();
    assert_eq!(session.poll_timeout(), None, "nothing is owned");
}

#[test]
fn a_spawner_keeps_its_limit_its_authority_and_its_names() {
    let mut net = Net::connected(&[2]);
    let unit = unit_of(SynchronizerConfig::new());
    for id in [1, 2] {
        let spawner = SpawnerConfig::new("../Units");
        declare(&mut net, id, &unit, spawner.limit(1).receive_limit(2));
    }
    let spawner = net.at(1).node("Spawner").unwrap();
    let spawn = |net: &mut Net, name: &str| net.at(1).spawn(spawner, SpawnConfig::scene(0, name));
    for name in ["", "a/b", "a.b", "@a", "%a"] {
        assert_eq!(spawn(&mut net, name), Err(SpawnError::BadName), "{name}");
    }
    let node = spawn(&mut net, "A").unwrap();
    assert_eq!(spawn(&mut net, "B"), Err(SpawnError::Limit));
    net.at(1).despawn(node).unwrap();
    spawn(&mut net, "B").unwrap();
    let other = net.at(2).node("Spawner").unwrap();
    assert_eq!(
        net.at(2).spawn(other, SpawnConfig::scene(0, "C")),
        Err(SpawnError::Unauthorized)
    );
    assert_eq!(
        net.at(1).spawn(node, SpawnConfig::scene(0, "C")),
        Err(SpawnError::NotSpawner)
    );
    net.settle();
    // The limit of a spawner is for who spawns, as in the engine; for peers there is another.
    let packet = "04000100000009000000010000000200000008000000430002640400000000000000";
    assert!(net.inject(1, 2, hex(packet)).is_accepted());
    let packet = "0400010000000a00000001000000020000000b000000440002640400000000000000";
    assert_eq!(
        net.inject(1, 2, hex(packet)),
        Verdict::Rejected(DropReason::SpawnLimit)
    );
}

#[test]
fn a_spawn_with_a_wrong_first_value_leaves_nothing() {
    let mut net = world(&[2], SynchronizerConfig::new());
    let spawner = net.at(1).node("Spawner").unwrap();
    let config = SpawnConfig::scene(0, "A").property("hp", "many");
    assert_eq!(
        net.at(1).spawn(spawner, config),
        Err(SpawnError::Property(PropertyError::WrongType))
    );
    assert!(!has(&mut net, 1, "Units/A"));
    net.settle();
    assert_eq!(net.take_log(), []);
}

#[test]
fn an_outer_node_takes_its_inner_ones_along_when_hidden_and_brings_them_back() {
    let unit = unit_of(SynchronizerConfig::new());
    let sync = SynchronizerConfig::new().property(PropertyConfig::new("x").initial(1));
    let carrier = SceneConfig::new("res://carrier.tscn")
        .node(NodeConfig::new("Sync").synchronizer(sync))
        .node(NodeConfig::new("Bay"))
        .node(NodeConfig::new("Spawner").spawner(SpawnerConfig::new("../Bay").scene(UNIT)))
        .build()
        .unwrap();
    let mut net = world(&[2, 3], SynchronizerConfig::new());
    for id in [1, 2, 3] {
        net.at(id).add_scene(&carrier).unwrap();
        let spawner = SpawnerConfig::new("../Ships").scene("res://carrier.tscn");
        net.at(id)
            .add_node(NodeConfig::new("Ships_").spawner(spawner))
            .unwrap();
    }
    let _ = unit;
    let ships = net.at(1).node("Ships_").unwrap();
    let outer = net.at(1).spawn(ships, SpawnConfig::scene(0, "C")).unwrap();
    let bay = net.at(1).node("Ships/C/Spawner").unwrap();
    net.at(1).spawn(bay, SpawnConfig::scene(0, "U")).unwrap();
    frames(&mut net, 4);
    let hide = |net: &mut Net, visibility| {
        net.at(1)
            .set_visibility(outer, peer(2), visibility)
            .unwrap();
        frames(net, 4);
    };
    hide(&mut net, Visibility::Hidden);
    assert!(!has(&mut net, 2, "Ships/C"));
    assert!(has(&mut net, 3, "Ships/C/Bay/U"));
    set(&mut net, 1, "Ships/C/Bay/U", "hp", 7);
    hide(&mut net, Visibility::Visible);
    assert_eq!(value(&mut net, 2, "Ships/C/Bay/U", "hp"), Value::Int(7));
    assert_eq!(net.take_refusals(), []);
}

#[test]
fn a_filtered_node_is_unknown_to_a_late_joiner_until_the_filter_lets_it_in() {
    let sync = SynchronizerConfig::new().filtered();
    let mut net = world(&[2], sync.clone());
    let near = spawn(&mut net, "Near");
    spawn(&mut net, "Far");
    net.settle();
    assert!(!has(&mut net, 2, "Units/Near"));
    net.at(1).update_visibility(|_, node| node == near);
    net.settle();
    assert!(has(&mut net, 2, "Units/Near") && !has(&mut net, 2, "Units/Far"));
    join(&mut net, 3, &unit_of(sync));
    assert!(!has(&mut net, 3, "Units/Near"));
    let far = net.at(1).node("Units/Far").unwrap();
    net.at(1).set_relevant(peer(3), [far]);
    net.settle();
    assert!(!has(&mut net, 3, "Units/Near") && has(&mut net, 3, "Units/Far"));
    net.at(1).set_relevant(peer(3), []);
    net.settle();
    assert!(!has(&mut net, 3, "Units/Far"));
    assert_eq!(net.take_refusals(), []);
}

#[test]
fn a_grid_shows_what_is_near_and_hides_what_is_not() {
    let mut net = world(&[2], SynchronizerConfig::new().filtered());
    let (near, far) = (spawn(&mut net, "Near"), spawn(&mut net, "Far"));
    let mut grid = Grid::<2, _, _>::new(GridConfig::new(64.0)).unwrap();
    grid.insert_entity(near, [0.0, 0.0]).unwrap();
    grid.insert_entity(far, [1e4, 0.0]).unwrap();
    grid.insert_observer(peer(2), [1.0, 1.0], GridRange::new(50.0, 10.0))
        .unwrap();
    net.at(1).follow_interest(&grid.update());
    net.settle();
    assert!(has(&mut net, 2, "Units/Near") && !has(&mut net, 2, "Units/Far"));
    grid.move_observer(peer(2), [1e4, 1.0]).unwrap();
    net.at(1).follow_interest(&grid.update());
    net.settle();
    assert!(!has(&mut net, 2, "Units/Near") && has(&mut net, 2, "Units/Far"));
    assert_eq!(net.take_refusals(), []);
}

#[test]
fn calls_go_only_to_peers_who_have_the_node() {
    let mut net = world(&[2, 3], SynchronizerConfig::new());
    let node = spawn(&mut net, "A");
    net.at(1)
        .set_visibility(node, peer(2), Visibility::Hidden)
        .unwrap();
    net.settle();
    assert_eq!(net.at(1).rpc(Target::All, node, "hit", &[]), Ok(1));
    assert_eq!(
        net.at(1).rpc(peer(2), node, "hit", &[]),
        Err(CallError::NotVisible(peer(2)))
    );
    assert!(!net.at(1).is_visible(node, peer(2)));
    assert!(!net.at(1).is_spawned_at(node, peer(2)));
    assert!(net.at(1).is_spawned_at(node, peer(3)));
}

#[test]
fn a_path_announced_before_its_node_is_there_is_confirmed_when_it_appears() {
    let mut net = world(&[2], SynchronizerConfig::new());
    let add = |net: &mut Net, id: i32| {
        let sync = SynchronizerConfig::new().property(PropertyConfig::new("hp").initial(id));
        net.at(id).add_node(NodeConfig::new("Level")).unwrap();
        net.at(id)
            .add_node(NodeConfig::new("Level/Sync").synchronizer(sync))
            .unwrap();
    };
    add(&mut net, 1);
    frames(&mut net, 3);
    assert_eq!(net.take_refusals(), [(2, 1, DropReason::UnknownNode)]);
    add(&mut net, 2);
    frames(&mut net, 3);
    assert_eq!(value(&mut net, 2, "Level", "hp"), Value::Int(1));
    assert_eq!(net.take_refusals(), []);
}

#[test]
fn a_path_that_is_not_confirmed_is_announced_again_less_and_less_often() {
    let mut net = world(&[2], SynchronizerConfig::new());
    net.at(1).add_node(NodeConfig::new("Level")).unwrap();
    let sync = SynchronizerConfig::new().property(PropertyConfig::new("hp").initial(1));
    net.at(1)
        .add_node(NodeConfig::new("Level/Sync").synchronizer(sync))
        .unwrap();
    net.take_log();
    // 16 ms each: about 16 s.
    frames(&mut net, 1000);
    let log = net.take_log();
    let announced = log.iter().filter(|sent| sent.hex.starts_with("01")).count();
    assert_eq!(announced, 4, "at 0, 2, 6 and 14 s");
}

#[test]
fn authority_goes_to_a_client_and_back() {
    let mut net = world(&[2, 3], SynchronizerConfig::new());
    spawn(&mut net, "A");
    frames(&mut net, 4);
    let hand_over = |net: &mut Net, to: i32| {
        for id in [1, 2, 3] {
            let sync = net.at(id).node("Units/A/Sync").unwrap();
            net.at(id).set_authority(sync, peer(to)).unwrap();
        }
        frames(net, 6);
    };
    hand_over(&mut net, 2);
    set(&mut net, 2, "Units/A", "hp", 55);
    set(&mut net, 2, "Units/A", "name", "mine");
    frames(&mut net, 6);
    for id in [1, 3] {
        assert_eq!(value(&mut net, id, "Units/A", "hp"), Value::Int(55));
        assert_eq!(value(&mut net, id, "Units/A", "name"), Value::from("mine"));
    }
    // What is on its way while it changes hands is refused entry by entry.
    hand_over(&mut net, 1);
    set(&mut net, 1, "Units/A", "hp", 66);
    frames(&mut net, 6);
    for id in [2, 3] {
        assert_eq!(value(&mut net, id, "Units/A", "hp"), Value::Int(66));
        assert_eq!(value(&mut net, id, "Units/A", "name"), Value::from("mine"));
    }
    let refusals = net.take_refusals();
    let honest = [DropReason::Unauthorized, DropReason::UnknownId];
    assert!(
        refusals
            .iter()
            .all(|(_, _, reason)| honest.contains(reason)),
        "{refusals:?}"
    );
}

#[test]
fn a_node_freed_while_a_delta_is_on_its_way_is_an_ordinary_case() {
    // req: HP-14
    let mut net = world(&[2], SynchronizerConfig::new());
    spawn(&mut net, "A");
    frames(&mut net, 3);
    net.forget();
    set(&mut net, 1, "Units/A", "name", "late");
    let now = net.now + Duration::from_millis(1);
    net.at(1).tick(now);
    net.send_from(1);
    let node = net.at(2).node("Units/A").unwrap();
    net.at(2).remove_node(node).unwrap();
    net.settle();
    let refusals = net.take_refusals();
    assert!(!refusals.is_empty());
    assert!(
        refusals
            .iter()
            .all(|(_, _, reason)| *reason == DropReason::UnknownId)
    );
    let node = net.at(1).node("Units/A").unwrap();
    net.at(1).despawn(node).unwrap();
    net.settle();
    spawn(&mut net, "A");
    frames(&mut net, 3);
    assert!(has(&mut net, 2, "Units/A"));
}

#[test]
fn a_client_that_comes_back_gets_everything_anew() {
    let mut net = world(&[2], SynchronizerConfig::new());
    spawn(&mut net, "A");
    frames(&mut net, 3);
    net.disconnect(2);
    assert!(
        !has(&mut net, 2, "Units/A"),
        "what the server spawned is gone with it"
    );
    let events = net.events(2);
    let despawned = events
        .iter()
        .position(|event| matches!(event, Event::Despawned { .. }));
    let left = events
        .iter()
        .position(|event| matches!(event, Event::PeerDisconnected { .. }));
    assert!(despawned.unwrap() < left.unwrap());
    set(&mut net, 1, "Units/A", "name", "meanwhile");
    net.frame();
    net.connect(2);
    frames(&mut net, 3);
    assert_eq!(
        value(&mut net, 2, "Units/A", "name"),
        Value::from("meanwhile")
    );
    assert_eq!(net.take_refusals(), []);
}

/// A world in which client 2 has just spawned a node with a synchronizer of the server.
fn with_toy_of_a_client() -> Net {
    let mut net = world(&[2, 3], SynchronizerConfig::new());
    for id in [1, 2, 3] {
        let spawner = SpawnerConfig::new("../Toys").scene(UNIT);
        net.at(id)
            .add_node(NodeConfig::new("Mine").authority(peer(2)).spawner(spawner))
            .unwrap();
    }
    let spawner = net.at(2).node("Mine").unwrap();
    net.at(2)
        .spawn(spawner, SpawnConfig::scene(0, "T"))
        .unwrap();
    net
}

#[test]
fn a_client_with_a_spawner_of_its_own_spawns_at_everybody_and_leaves_nothing() {
    let mut net = with_toy_of_a_client();
    frames(&mut net, 4);
    assert!(has(&mut net, 1, "Toys/T") && has(&mut net, 3, "Toys/T"));
    net.disconnect(2);
    frames(&mut net, 2);
    assert!(!has(&mut net, 1, "Toys/T") && !has(&mut net, 3, "Toys/T"));
    assert_eq!(net.take_refusals(), []);
}

#[test]
fn a_path_in_a_clients_node_is_announced_to_another_when_the_relayed_spawn_must_be_there() {
    let mut net = with_toy_of_a_client();
    let mut announced = Vec::new();
    for frame in 0..12 {
        net.frame();
        let path = to_hex(b"Toys/T/Sync");
        for sent in net.take_log() {
            if sent.from == 1 && sent.hex.starts_with("01") && sent.hex.contains(&path) {
                announced.push((frame, sent.to));
            }
        }
    }
    let [(first, 2), (second, 3)] = announced[..] else {
        panic!("{announced:?}")
    };
    // Frames are 16 ms apart.
    assert!((7..=8).contains(&(second - first)), "{announced:?}");
    set(&mut net, 1, "Toys/T", "name", "x");
    frames(&mut net, 3);
    assert_eq!(value(&mut net, 3, "Toys/T", "name"), Value::from("x"));
}

fn requesting(clients: &[i32]) -> Net {
    let unit = unit_of(SynchronizerConfig::new());
    let mut net = Net::connected(clients);
    declare(
        &mut net,
        1,
        &unit,
        SpawnerConfig::new("../Units").custom_scene(UNIT),
    );
    for &client in clients {
        let spawner = SpawnerConfig::new("../Units").custom_requested();
        declare(&mut net, client, &unit, spawner);
    }
    net
}

#[test]
fn a_custom_spawn_waits_for_the_application_and_what_follows_with_it() {
    let mut net = requesting(&[2]);
    spawn_config(&mut net, SpawnConfig::custom(5, "A"));
    set(&mut net, 1, "Units/A", "name", "after");
    frames(&mut net, 3);
    assert!(!has(&mut net, 2, "Units/A"));
    assert!(net.at(2).peer_usage(peer(1)).unwrap().held_bytes > 0);
    let events = net.events(2);
    let [Event::SpawnRequested(request)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((request.peer, &request.argument), (peer(1), &Value::Int(5)));
    assert_eq!(&*request.path, "Units/A");
    let unit = net.at(2).scene(UNIT).unwrap().clone();
    assert!(
        net.at(2)
            .answer_spawn(request.id, Some(&unit))
            .is_accepted()
    );
    assert_eq!(value(&mut net, 2, "Units/A", "name"), Value::from("after"));
    assert_eq!(net.at(2).peer_usage(peer(1)).unwrap().held_bytes, 0);
    assert_eq!(
        net.at(2).answer_spawn(request.id, None),
        Verdict::Rejected(DropReason::UnknownId)
    );
}

#[test]
fn a_refused_custom_spawn_and_its_state_do_no_harm() {
    let mut net = requesting(&[2]);
    spawn_config(&mut net, SpawnConfig::custom(5, "A"));
    spawn(&mut net, "B");
    frames(&mut net, 2);
    let events = net.events(2);
    let [Event::SpawnRequested(request)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(
        net.at(2).answer_spawn(request.id, None),
        Verdict::Rejected(DropReason::SpawnRefused)
    );
    assert!(!has(&mut net, 2, "Units/A"));
    assert!(has(&mut net, 2, "Units/B"));
}

#[test]
fn a_peer_that_sends_too_much_while_its_spawn_waits_is_disconnected() {
    let mut net = requesting(&[2]);
    spawn_config(&mut net, SpawnConfig::custom(5, "A"));
    net.settle();
    let bytes = vec![7; 1 << 18];
    for _ in 0..5 {
        net.at(1)
            .send_bytes(Target::All, &bytes, TransferMode::Reliable, 0)
            .unwrap();
    }
    net.settle();
    assert_eq!(net.disconnects, [(2, 1)]);
}

#[test]
fn a_budget_leaves_out_and_what_was_left_out_is_first_next_time() {
    let mut net = world(&[2, 3], SynchronizerConfig::new());
    for number in 0..20 {
        spawn(&mut net, &format!("U{number}"));
    }
    frames(&mut net, 4);
    net.at(1).set_budget(peer(2), Some(Budget::new(60)));
    net.forget();
    net.take_log();
    let mut sent_ids: Vec<Vec<u32>> = Vec::new();
    for _ in 0..5 {
        net.frame();
        let log = net.take_log();
        let to_2: Vec<_> = log
            .iter()
            .filter(|sent| sent.from == 1 && sent.to == 2)
            .collect();
        let bytes: usize = to_2.iter().map(|sent| sent.hex.len() / 2).sum();
        assert!(bytes <= 60, "{bytes}");
        let ids = to_2.iter().flat_map(|sent| {
            let packet = hex(&sent.hex);
            packet[3..]
                .chunks(10)
                .map(|entry| entry[0].into())
                .collect::<Vec<u32>>()
        });
        sent_ids.push(ids.collect());
    }
    assert!(sent_ids.iter().all(|ids| ids.len() == 5), "{sent_ids:?}");
    let mut first: Vec<u32> = sent_ids[..4].concat();
    first.sort_unstable();
    first.dedup();
    assert_eq!(
        first.len(),
        20,
        "all had their turn before any had a second"
    );
    assert_eq!(sent_ids[4], sent_ids[0]);
    assert!(net.at(1).stats().put_off >= 75);
}

#[test]
fn a_budget_delays_spawns_and_deltas_and_loses_none() {
    let unit = unit_of(SynchronizerConfig::new());
    let mut net = Net::new();
    let mut server = engine(Config::server());
    server.budget = Some(Budget::new(200));
    net.add(server);
    declare(&mut net, 1, &unit, SpawnerConfig::new("../Units"));
    for number in 0..30 {
        spawn(&mut net, &format!("U{number}"));
        set(
            &mut net,
            1,
            &format!("Units/U{number}"),
            "name",
            "n".repeat(20),
        );
    }
    join(&mut net, 2, &unit);
    let early = net.at(2).spawned_nodes().count();
    assert!(early < 30, "{early}");
    frames(&mut net, 60);
    assert_eq!(net.at(2).spawned_nodes().count(), 30);
    for number in 0..30 {
        let path = format!("Units/U{number}");
        assert_eq!(
            value(&mut net, 2, &path, "name"),
            Value::from("n".repeat(20))
        );
    }
    assert_eq!(net.take_refusals(), []);
}

#[test]
fn a_higher_priority_is_sent_more_often() {
    let mut net = world(&[2], SynchronizerConfig::new());
    let first = spawn(&mut net, "U0");
    for number in 1..20 {
        spawn(&mut net, &format!("U{number}"));
    }
    frames(&mut net, 4);
    net.at(1).set_priority(first, 8).unwrap();
    net.at(1).set_budget(peer(2), Some(Budget::new(33)));
    net.forget();
    for _ in 0..30 {
        net.frame();
    }
    let mut counts = std::collections::HashMap::<String, usize>::new();
    for event in net.events(2) {
        if let Event::Sync(state) = event {
            *counts.entry(state.path.to_string()).or_insert(0) += 1;
        }
    }
    let of_first = counts["Units/U0"];
    let most = counts
        .iter()
        .filter(|(path, _)| **path != "Units/U0")
        .map(|(_, count)| *count)
        .max()
        .unwrap();
    assert!(of_first >= 2 * most, "{counts:?}");
    assert_eq!(counts.len(), 20, "nobody starves");
}

#[test]
fn the_profile_counts_what_is_on_the_wire() {
    let mut net = world(&[2, 3], SynchronizerConfig::new());
    let node = spawn(&mut net, "A");
    set(&mut net, 1, "Units/A", "name", "x");
    frames(&mut net, 4);
    net.at(1)
        .rpc(Target::All, node, "hit", &[Value::Int(1)])
        .unwrap();
    net.settle();
    let log = net.take_log();
    let of_server = |start: &str, head: usize| -> usize {
        let sent = log
            .iter()
            .filter(|sent| sent.from == 1 && sent.hex.starts_with(start));
        sent.map(|sent| sent.hex.len() / 2 - head).sum()
    };
    let state = of_server("06", 3) + of_server("16", 1);
    let sync = net.at(1).node("Units/A/Sync").unwrap();
    let profile = net.at(1).node_profile(sync).unwrap();
    assert_eq!(profile.state.bytes_out, state as u64);
    let profile = net.at(1).node_profile(node).unwrap();
    assert_eq!(profile.spawn.bytes_out, of_server("04", 0) as u64);
    assert_eq!(profile.spawn.messages_out, 2);
    assert_eq!(&*profile.calls[0].method, "hit");
    assert_eq!(
        profile.calls[0].traffic.bytes_out,
        of_server("20", 0) as u64
    );
    assert_eq!(profile.calls[0].traffic.messages_out, 2);
    let at_2 = net.at(2).node("Units/A/Sync").unwrap();
    let at_2 = net.at(2).node_profile(at_2).unwrap();
    assert_eq!(at_2.state.bytes_in * 2, state as u64);
    assert_eq!(net.at(1).profile().count(), 2);
}

#[test]
fn the_profile_of_a_client_counts_what_goes_through_the_relay_too() {
    let mut net = world(&[2, 3], SynchronizerConfig::new());
    spawn(&mut net, "A");
    frames(&mut net, 3);
    let node = net.at(2).node("Units/A").unwrap();
    // The first call announces the path.
    net.at(2)
        .rpc(Target::All, node, "hit", &[Value::Int(1)])
        .unwrap();
    net.settle();
    let before = net.at(2).node_profile(node).unwrap().calls[0].traffic;
    net.take_log();
    net.at(2)
        .rpc(Target::All, node, "hit", &[Value::Int(2)])
        .unwrap();
    net.settle();
    let log = net.take_log();
    let sent: Vec<&Sent> = log.iter().filter(|sent| sent.from == 2).collect();
    assert_eq!(sent.len(), 2, "to the server, and through it: {sent:?}");
    let bytes: usize = sent.iter().map(|sent| sent.hex.len() / 2).sum();
    let after = net.at(2).node_profile(node).unwrap().calls[0].traffic;
    assert_eq!(after.bytes_out - before.bytes_out, bytes as u64);
    assert_eq!(after.messages_out - before.messages_out, 2);
}

#[test]
fn what_cannot_be_declared_is_refused_with_its_reason() {
    let mut net = Net::connected(&[]);
    let session = net.at(1);
    let sync = || SynchronizerConfig::new().property(PropertyConfig::new("hp"));
    let lonely = NodeConfig::new("N/S").synchronizer(sync());
    assert_eq!(session.add_node(lonely), Err(NodeError::NoRoot));
    assert!(session.node("N/S").is_none());
    let outside = NodeConfig::new("S").synchronizer(sync().root("../.."));
    assert_eq!(session.add_node(outside), Err(NodeError::NoRoot));
    let spawner = NodeConfig::new("S").spawner(SpawnerConfig::new("../.."));
    assert_eq!(session.add_node(spawner), Err(NodeError::SpawnPath));
    let twice = sync().property(PropertyConfig::new(".:hp"));
    let twice = SceneConfig::new("s").node(NodeConfig::new("S").synchronizer(twice));
    assert!(matches!(
        twice.build(),
        Err(SceneError::Node {
            error: NodeError::Synchronizer(SynchronizerError::Duplicate(_)),
            ..
        })
    ));
    let mut many = SynchronizerConfig::new();
    for number in 0..65 {
        many = many.property(PropertyConfig::new(format!("p{number}")).on_change());
    }
    let node = NodeConfig::new("S").synchronizer(many);
    let too_many = NodeError::Synchronizer(SynchronizerError::TooManyWatched);
    assert_eq!(session.add_node(node), Err(too_many));
    session.add_scene(&unit_of(sync_config())).unwrap();
    assert!(matches!(
        session.add_scene(&unit_of(sync_config())),
        Err(SceneError::PathTaken)
    ));
}

fn sync_config() -> SynchronizerConfig {
    SynchronizerConfig::new()
}
