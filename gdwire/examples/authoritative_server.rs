//! An authoritative game server on tokio: players say where they want to go, the server decides where they are.
//!
//! ```sh
//! cargo run -p gdwire --example authoritative_server             # listens on [::]:9000
//! cargo run -p gdwire --example blocking_client                  # in another terminal, as often as you like
//! ```
//!
//! A Godot client is a scene whose root is named `Main` and has this script:
//!
//! ```gdscript
//! extends Node2D
//!
//! func _ready():
//!     var peer = ENetMultiplayerPeer.new()
//!     peer.create_client("127.0.0.1", 9000)
//!     multiplayer.multiplayer_peer = peer
//!
//! func _process(_delta):
//!     if multiplayer.multiplayer_peer.get_connection_status() == MultiplayerPeer.CONNECTION_CONNECTED:
//!         steer.rpc_id(1, Input.get_vector("ui_left", "ui_right", "ui_up", "ui_down"))
//!
//! @rpc("authority", "call_remote", "unreliable_ordered", 1) func moved(player: int, place: Vector2):
//!     print(player, " is at ", place)
//!
//! @rpc("any_peer", "call_remote", "unreliable_ordered", 1) func steer(_direction: Vector2): pass
//!
//! @rpc("authority") func welcome(text: String): print(text)
//! ```
#![expect(
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    reason = "an example reads like the code of an application"
)]

use gdwire::drive::{self, tokio::ServerDriver};
use gdwire::session::{NodeConfig, NodeKey, PeerId, RpcCall, RpcConfig, Target, TransferMode};
use gdwire::variant::{ValueType, Vector2};
use gdwire::{Event, Server, ServerConfig, Value};
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

/// How often the world moves on and everybody is told.
const TICK: Duration = Duration::from_millis(50);
/// How far a player gets in one tick.
const STEP: f32 = 5.0;

/// The same methods as in the client's script: both sides number them in the order of their names.
fn main_node() -> NodeConfig {
    NodeConfig::new("Main")
        .rpc(
            RpcConfig::new("moved")
                .transfer(TransferMode::UnreliableOrdered)
                .channel(1),
        )
        .rpc(
            // Calls with other arguments never reach the game.
            RpcConfig::new("steer")
                .any_peer()
                .transfer(TransferMode::UnreliableOrdered)
                .channel(1)
                .argument_types([Some(ValueType::Vector2)]),
        )
        .rpc(RpcConfig::new("welcome"))
}

struct Game {
    main: NodeKey,
    players: BTreeMap<PeerId, Player>,
}

#[derive(Default)]
struct Player {
    place: Vector2,
    direction: Vector2,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "[::]:9000".to_owned());

    let mut server = Server::new(ServerConfig::new(drive::seed()?))?;
    let mut game = Game {
        main: server.add_node(main_node())?,
        players: BTreeMap::new(),
    };
    let mut driver = ServerDriver::bind(address.parse()?, server)?;
    println!("listening on {}", driver.local_address()?);

    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            // Dropping an unfinished `next_event` loses nothing, so it may stand in a `select!`.
            event = driver.next_event() => match event? {
                Some(event) => game.on_event(driver.server_mut(), event)?,
                None => return Ok(()),
            },
            _ = ticks.tick() => game.tick(driver.server_mut())?,
            // The server closes when everybody was told; `next_event` gives `None` then.
            _ = tokio::signal::ctrl_c() => driver.server_mut().close(),
        }
    }
}

impl Game {
    fn on_event(&mut self, server: &mut Server, event: Event) -> Result<(), Box<dyn Error>> {
        match event {
            Event::PeerConnected { peer } => {
                println!("{peer} joined");
                self.players.insert(peer, Player::default());
                let text = format!("welcome, {peer}");
                server.rpc(peer, self.main, "welcome", &[Value::from(text)])?;
            }
            Event::PeerDisconnected { peer, reason } => {
                println!("{peer} left: {reason}");
                self.players.remove(&peer);
            }
            Event::Rpc(call) => self.on_call(&call),
            Event::MethodMismatch(mismatch) => {
                // Names the node and both method lists: the first thing to look at when calls do nothing.
                eprintln!("{}", server.session().explain_mismatch(&mismatch));
            }
            other => println!("{other:?}"),
        }
        Ok(())
    }

    fn on_call(&mut self, call: &RpcCall) {
        // `call.peer` is who really sent it; a client cannot steer somebody else.
        let Some(player) = self.players.get_mut(&call.peer) else {
            return;
        };
        if let ("steer", [Value::Vector2(direction)]) = (&*call.method, call.arguments.as_slice()) {
            player.direction = unit(*direction);
        }
    }

    fn tick(&mut self, server: &mut Server) -> Result<(), Box<dyn Error>> {
        for (id, player) in &mut self.players {
            player.place.x += player.direction.x * STEP;
            player.place.y += player.direction.y * STEP;
            let arguments = [Value::from(id.value()), Value::from(player.place)];
            server.rpc(Target::All, self.main, "moved", &arguments)?;
        }
        Ok(())
    }
}

/// No faster than allowed, whatever the client says.
fn unit(direction: Vector2) -> Vector2 {
    let length = direction.x.hypot(direction.y);
    if !length.is_finite() {
        return Vector2::default();
    }
    let scale = length.max(1.0);
    Vector2::new(direction.x / scale, direction.y / scale)
}
