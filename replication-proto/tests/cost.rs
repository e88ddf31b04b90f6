//! State is encoded once, however many peers get it: counted, not timed.
mod common;

use common::{Net, peer};
use core::time::Duration;
use replication_proto::variant::Value;
use replication_proto::{
    Budget, Config, NodeConfig, PropertyConfig, Scene, SceneConfig, SpawnConfig, SpawnerConfig,
    Stats, SynchronizerConfig,
};

const UNIT: &str = "res://unit.tscn";
const UNITS: usize = 20;
const FRAMES: u64 = 12;

fn unit_state() -> SynchronizerConfig {
    SynchronizerConfig::new()
        .filtered()
        .property(PropertyConfig::new("place").initial(0))
        .property(PropertyConfig::new("hp").initial(100).on_change())
}

fn unit() -> Scene {
    SceneConfig::new(UNIT)
        .node(NodeConfig::new("."))
        .node(NodeConfig::new("Sync").synchronizer(unit_state()))
        .build()
        .unwrap()
}

fn declare(net: &mut Net, id: i32, unit: &Scene) {
    net.at(id).add_scene(unit).unwrap();
    let spawner = SpawnerConfig::new("../Units").scene(UNIT);
    net.at(id)
        .add_node(NodeConfig::new("Spawner").spawner(spawner))
        .unwrap();
}

/// A server alone, which sends whenever it is asked to.
fn world(unit: &Scene) -> Net {
    let mut net = Net::new();
    let mut server = Config::server();
    server.frame_interval = None;
    net.add(server);
    declare(&mut net, 1, unit);
    net
}

/// What happens in a room that this many clients join in one frame, as the server counts it: at the end of the joins, of
/// frames in which all changes, and of visibility that goes and comes back.
fn played(clients: i32, budget: Option<Budget>) -> Vec<Stats> {
    let unit = unit();
    let mut net = Net::new();
    let mut server = Config::server();
    server.frame_interval = None;
    server.budget = budget;
    net.add(server);
    declare(&mut net, 1, &unit);
    let spawner = net.at(1).node("Spawner").unwrap();
    let mut units = Vec::new();
    for number in 0..UNITS {
        let config = SpawnConfig::scene(0, format!("U{number}"));
        units.push(net.at(1).spawn(spawner, config).unwrap());
    }
    for client in 2..2 + clients {
        let mut config = Config::client(peer(client));
        config.frame_interval = None;
        net.add(config);
        declare(&mut net, client, &unit);
        net.connect(client);
    }
    let mut counted = Vec::new();
    let frame = |net: &mut Net| {
        net.now = net.now + Duration::from_millis(16);
        let now = net.now;
        net.at(1).tick(now);
        net.settle();
    };
    net.at(1).update_visibility(|_, _| true);
    frame(&mut net);
    counted.push(*net.at(1).stats());

    for round in 0..FRAMES {
        for &unit in &units {
            net.at(1)
                .set(unit, "place", round.cast_signed() + 1)
                .unwrap();
            net.at(1).set(unit, "hp", round.cast_signed()).unwrap();
        }
        frame(&mut net);
    }
    counted.push(*net.at(1).stats());

    net.at(1).update_visibility(|_, _| false);
    frame(&mut net);
    net.at(1).update_visibility(|_, _| true);
    frame(&mut net);
    counted.push(*net.at(1).stats());

    // With a budget some of it comes later.
    for _ in 0..60 {
        frame(&mut net);
    }
    for client in 2..2 + clients {
        for number in 0..UNITS {
            let node = net.at(client).node(&format!("Units/U{number}")).unwrap();
            let hp = net.at(client).property(node, "hp").cloned();
            assert_eq!(hp, Some(Value::Int(FRAMES.cast_signed() - 1)));
        }
    }
    counted
}

fn encoded(counted: &[Stats]) -> Vec<u64> {
    counted.iter().map(|stats| stats.states_encoded).collect()
}

#[test]
fn state_is_encoded_as_often_for_32_clients_as_for_one() {
    let (one, many) = (played(1, None), played(32, None));
    let units = UNITS as u64;
    // A join: SPAWN, full state and the first delta of each unit.
    assert_eq!(one[0].states_encoded, 3 * units);
    assert_eq!(one[1].states_encoded, (3 + 2 * FRAMES) * units);
    // A return: SPAWN and the whole delta.
    assert_eq!(one[2].states_encoded, (5 + 2 * FRAMES) * units);
    assert_eq!(encoded(&many), encoded(&one));
    // What is sent is for each.
    for (one, many) in one.iter().zip(&many) {
        assert_eq!(many.spawns_out, 32 * one.spawns_out);
        assert_eq!(many.syncs_out, 32 * one.syncs_out);
    }
}

#[test]
fn a_budget_does_not_encode_for_each_peer_either() {
    let budget = Some(Budget::new(250));
    let (one, many) = (played(1, budget), played(32, budget));
    assert_eq!(encoded(&many), encoded(&one));
    assert!(many[1].put_off > 0);
}

#[test]
fn a_spawn_that_peers_share_has_the_values_of_the_moment() {
    let unit = unit();
    let mut net = world(&unit);
    let spawner = net.at(1).node("Spawner").unwrap();
    let node = net
        .at(1)
        .spawn(spawner, SpawnConfig::scene(0, "U"))
        .unwrap();
    let see = |net: &mut Net, client| joined_sees(net, client, &unit, ("Units/U", "hp"));
    // No frame runs between these.
    assert_eq!(see(&mut net, 2), Some(Value::Int(100)));
    assert_eq!(see(&mut net, 3), Some(Value::Int(100)));
    assert_eq!(net.at(1).stats().states_encoded, 1);
    net.at(1).set(node, "hp", 7).unwrap();
    assert_eq!(see(&mut net, 4), Some(Value::Int(7)));
    assert_eq!(net.at(1).stats().states_encoded, 2);
    let sync = net.at(1).node("Units/U/Sync").unwrap();
    net.at(1).set_authority(sync, peer(2)).unwrap();
    // A SPAWN without the state of another's synchronizer.
    assert_eq!(see(&mut net, 5), Some(Value::Int(100)));
}

/// Lets a client join that knows `scene`, shows it everything without a frame in between, and gives a property of `path`.
fn joined_sees(
    net: &mut Net,
    client: i32,
    scene: &Scene,
    (path, name): (&str, &str),
) -> Option<Value> {
    let mut config = Config::client(peer(client));
    config.frame_interval = None;
    net.add(config);
    declare(net, client, scene);
    net.connect(client);
    net.settle();
    net.at(1).update_visibility(|_, _| true);
    net.settle();
    let found = net.at(client).node(path)?;
    net.at(client).property(found, name).cloned()
}

#[test]
fn a_spawn_that_peers_share_is_of_the_nodes_that_are_there_now() {
    let unit = unit();
    let more = |mood| {
        SynchronizerConfig::new()
            .filtered()
            .property(PropertyConfig::new("mood").initial(mood))
    };
    let changed = SceneConfig::new(UNIT)
        .node(NodeConfig::new("."))
        .node(NodeConfig::new("Sync").synchronizer(unit_state()))
        .node(NodeConfig::new("More").synchronizer(more(0)))
        .build()
        .unwrap();
    let mut net = world(&unit);
    let spawner = net.at(1).node("Spawner").unwrap();
    let spawn = |name: &str| SpawnConfig::scene(0, name);
    let node = net.at(1).spawn(spawner, spawn("U")).unwrap();
    let hp = ("Units/U", "hp");
    assert_eq!(joined_sees(&mut net, 2, &unit, hp), Some(Value::Int(100)));

    // One synchronizer more, and gone again.
    let added = NodeConfig::new("Units/U/More").synchronizer(more(5));
    let added = net.at(1).add_node(added).unwrap();
    let mood = joined_sees(&mut net, 3, &changed, ("Units/U", "mood"));
    assert_eq!(mood, Some(Value::Int(5)));
    net.at(1).remove_node(added).unwrap();
    assert_eq!(joined_sees(&mut net, 4, &unit, hp), Some(Value::Int(100)));

    // Another unit in the place of the first.
    net.at(1).despawn(node).unwrap();
    net.at(1).spawn(spawner, spawn("V")).unwrap();
    let other = joined_sees(&mut net, 5, &unit, ("Units/V", "hp"));
    assert_eq!(other, Some(Value::Int(100)));
    assert_eq!(joined_sees(&mut net, 6, &unit, hp), None);
}

#[test]
fn a_node_without_state_spawned_in_the_place_of_another_goes_out_under_its_own_name() {
    let rock = SceneConfig::new(UNIT)
        .node(NodeConfig::new("."))
        .build()
        .unwrap();
    let mut net = world(&rock);
    net.add(Config::client(peer(2)));
    declare(&mut net, 2, &rock);
    net.connect(2);
    net.settle();
    let spawner = net.at(1).node("Spawner").unwrap();
    let spawn = |net: &mut Net, name| {
        let config = SpawnConfig::scene(0, name);
        net.at(1).spawn(spawner, config).unwrap()
    };
    // No frame runs between these.
    let first = spawn(&mut net, "First");
    net.at(1).despawn(first).unwrap();
    spawn(&mut net, "Second");
    net.settle();
    assert!(net.at(2).node("Units/First").is_none());
    assert!(net.at(2).node("Units/Second").is_some());
    assert_eq!(net.take_refusals(), []);
}
