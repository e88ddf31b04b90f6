//! Spawners, synchronizers, visibility, authority and budgets between sessions.

mod authority;
mod budget;
#[path = "../common/mod.rs"]
mod common;
mod spawns;
mod state;
mod visibility;

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
