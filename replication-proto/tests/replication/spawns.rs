//! Spawners: limits, nesting, custom spawns.

use super::*;

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
