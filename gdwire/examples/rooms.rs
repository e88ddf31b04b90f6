//! Many rooms in one process: each is a server of its own on a port of its own, and all share one blueprint.
//!
//! ```sh
//! cargo run -p gdwire --example rooms -- 9000 4     # four rooms on the ports 9000 to 9003
//! ```
//!
//! The scene of a Godot client has a `MultiplayerSpawner` named `Spawner` below the root `Main`, with the spawn path
//! `..` and the scene `res://player.tscn`. That scene is a `Node2D` with a `MultiplayerSynchronizer` named `Sync`, which
//! replicates `.:position` always and `.:score` on change, in this order. The root has one method:
//!
//! ```gdscript
//! @rpc("any_peer", "call_remote", "unreliable_ordered", 1) func steer(_direction: Vector2): pass
//! ```
#![expect(
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    reason = "an example reads like the code of an application"
)]

use gdwire::drive::{self, tokio::ServerDriver};
use gdwire::session::{
    NodeConfig, NodeKey, PeerId, PropertyConfig, RpcCall, RpcConfig, SceneConfig, SpawnConfig,
    SpawnerConfig, SynchronizerConfig, TransferMode,
};
use gdwire::variant::{ValueType, Vector2};
use gdwire::{Blueprint, Event, Server, ServerConfig, Value};
use std::collections::BTreeMap;
use std::error::Error;
use std::net::Ipv6Addr;
use std::time::Duration;
use tokio::task::JoinSet;

/// How often the world moves on.
const TICK: Duration = Duration::from_millis(50);
const PLAYER: &str = "res://player.tscn";

/// What is in every room. With a Godot project at hand, `Blueprint::from_project` says the same in one line.
fn blueprint() -> Result<Blueprint, Box<dyn Error + Send + Sync>> {
    let state = SynchronizerConfig::new()
        .property(PropertyConfig::new("position").initial(Vector2::default()))
        .property(PropertyConfig::new("score").initial(0).on_change());
    let player = SceneConfig::new(PLAYER)
        .node(NodeConfig::new("."))
        .node(NodeConfig::new("Sync").synchronizer(state));
    let steer = RpcConfig::new("steer")
        .any_peer()
        .transfer(TransferMode::UnreliableOrdered)
        .channel(1)
        .argument_types([Some(ValueType::Vector2)]);
    Ok(Blueprint::new()
        .scene(player.build()?)
        .node(NodeConfig::new("Main").rpc(steer))
        .node(NodeConfig::new("Main/Spawner").spawner(SpawnerConfig::new("..").scene(PLAYER))))
}

struct Room {
    number: usize,
    spawner: NodeKey,
    players: BTreeMap<PeerId, Player>,
}

struct Player {
    node: NodeKey,
    place: Vector2,
    direction: Vector2,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let first_port: u16 = arguments.next().as_deref().unwrap_or("9000").parse()?;
    let count: usize = arguments.next().as_deref().unwrap_or("4").parse()?;

    let blueprint = blueprint()?;
    let mut rooms = JoinSet::new();
    for (number, port) in (first_port..).take(count).enumerate() {
        let mut server = Server::new(ServerConfig::new(drive::seed()?))?;
        server.add_blueprint(&blueprint)?;
        let driver = ServerDriver::bind((Ipv6Addr::UNSPECIFIED, port).into(), server)?;
        rooms.spawn(run(number, driver));
    }
    println!("{count} rooms from port {first_port} on");
    tokio::select! {
        Some(ended) = rooms.join_next() => ended?,
        result = tokio::signal::ctrl_c() => Ok(result?),
    }
}

/// Runs one room.
async fn run(number: usize, mut driver: ServerDriver) -> Result<(), Box<dyn Error + Send + Sync>> {
    let spawner = driver.server().session().node("Main/Spawner");
    let mut room = Room {
        number,
        spawner: spawner.ok_or("the blueprint has a spawner")?,
        players: BTreeMap::new(),
    };
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            event = driver.next_event() => match event? {
                Some(event) => room.on_event(driver.server_mut(), event)?,
                None => return Ok(()),
            },
            _ = ticks.tick() => room.tick(driver.server_mut())?,
        }
    }
}

impl Room {
    fn on_event(
        &mut self,
        server: &mut Server,
        event: Event,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        match event {
            Event::PeerConnected { peer } => {
                println!("room {}: {peer} joined", self.number);
                // Everybody in the room sees it, and so do those who join later.
                let node = server.spawn(
                    self.spawner,
                    SpawnConfig::scene_path(PLAYER, peer.to_string()),
                )?;
                let player = Player {
                    node,
                    place: Vector2::default(),
                    direction: Vector2::default(),
                };
                self.players.insert(peer, player);
            }
            Event::PeerDisconnected { peer, reason } => {
                println!("room {}: {peer} left: {reason}", self.number);
                if let Some(player) = self.players.remove(&peer) {
                    server.despawn(player.node)?;
                }
            }
            Event::Rpc(call) => self.on_call(&call),
            other => println!("room {}: {other:?}", self.number),
        }
        Ok(())
    }

    fn on_call(&mut self, call: &RpcCall) {
        if let Some(player) = self.players.get_mut(&call.peer)
            && let [Value::Vector2(direction)] = call.arguments.as_slice()
        {
            player.direction = Vector2::new(signum(direction.x), signum(direction.y));
        }
    }

    /// Moves everybody; what changed is sent with the next frame, encoded once for the whole room.
    fn tick(&mut self, server: &mut Server) -> Result<(), Box<dyn Error + Send + Sync>> {
        for player in self.players.values_mut() {
            player.place.x += player.direction.x;
            player.place.y += player.direction.y;
            server.set(player.node, "position", player.place)?;
        }
        Ok(())
    }
}

/// -1, 0 or 1, whatever the client says.
fn signum(number: f32) -> f32 {
    if number.is_finite() && number != 0.0 {
        number.signum()
    } else {
        0.0
    }
}
