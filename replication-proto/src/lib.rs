//! Godot 4's high-level multiplayer without Godot: a scene multiplayer [`Session`], packets in, packets out.
//!
//! A Godot game talks over a `MultiplayerPeer`, which moves packets, and a `SceneMultiplayer`, which gives them a
//! meaning: who is admitted, which node a number names, who may call which method. This crate is the second half. It
//! does no IO, reads no clock and needs no `std`; the transport, for example ENet, is another crate's work.
//!
//! A server and a client in memory, and a call from one to the other:
//!
//! ```
//! use proto_core::Instant;
//! use replication_proto::variant::Value;
//! use replication_proto::{Config, Event, Incoming, NodeConfig, PeerId, RpcConfig, Session, Target};
//!
//! let client_id = PeerId::new(1000).unwrap();
//! let mut server = Session::new(Config::server())?;
//! let mut client = Session::new(Config::client(client_id))?;
//!
//! // Both ends declare the same node, as both ends of a game load the same scene.
//! let chat = || NodeConfig::new("Main/Chat").rpc(RpcConfig::new("say").any_peer());
//! let node = server.add_node(chat())?;
//! client.add_node(chat())?;
//!
//! // The transport reports the connection at both ends.
//! let now = Instant::ZERO;
//! assert!(server.handle_peer_connected(now, client_id).is_accepted());
//! assert!(client.handle_peer_connected(now, PeerId::SERVER).is_accepted());
//!
//! server.rpc(Target::All, node, "say", &[Value::from("hello")])?;
//!
//! // The transport moves what is to be sent; here in memory, until nothing is left.
//! loop {
//!     let mut moved = false;
//!     while let Some(out) = server.poll_packet() {
//!         let (from, mode, channel, packet) = (PeerId::SERVER, out.mode, out.channel, out.packet);
//!         let verdict = client.handle_packet(now, Incoming { from, mode, channel, packet });
//!         assert!(verdict.is_accepted());
//!         moved = true;
//!     }
//!     while let Some(out) = client.poll_packet() {
//!         let (from, mode, channel, packet) = (client_id, out.mode, out.channel, out.packet);
//!         let verdict = server.handle_packet(now, Incoming { from, mode, channel, packet });
//!         assert!(verdict.is_accepted());
//!         moved = true;
//!     }
//!     if !moved {
//!         break;
//!     }
//! }
//!
//! assert!(matches!(client.poll_event(), Some(Event::PeerConnected { peer: PeerId::SERVER })));
//! let Some(Event::Rpc(call)) = client.poll_event() else { panic!() };
//! assert_eq!((&*call.path, &*call.method), ("Main/Chat", "say"));
//! assert_eq!(call.arguments, [Value::from("hello")]);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # What is here
//!
//! | part | where |
//! | --- | --- |
//! | values | [`variant`] |
//! | bytes of packets, for tools too | [`packet`] |
//! | admission, authentication, relay, path cache, calls, raw packets | [`Session`] |
//! | the scene: nodes, spawners, synchronizers, scenes to spawn | [`NodeConfig`], [`SpawnerConfig`], [`SynchronizerConfig`], [`SceneConfig`] |
//! | replication: spawns, state, visibility, budgets, profile | [`Session::spawn`], [`Session::set`], [`Session::tick`], [`Session::set_visibility`], [`Session::profile`] |
//! | who is near enough to see what | [`interest`] |
//! | clocks, prediction, playback, lag compensation | [`latency`] |
//!
//! # What a peer can do
//!
//! The sender of a packet is who the transport says. A bad packet costs its sender: it is refused with a
//! [`Verdict`], counted in [`Stats`], and the session goes on. What a peer can make this end hold is bounded by
//! [`Limits`]. Objects are never decoded. Paths of the network name declared nodes or nothing.
//!
//! # What differs from the engine
//!
//! * A call whose arguments do not decode, or do not match what the method declares, is not made.
//! * Calls between ends with different method lists are refused ([`MismatchPolicy`]), and both lists are told as far
//!   as they can be known ([`MismatchReport`]).
//! * The relay forwards no SYS packets, and limits the bytes of each sender ([`Limits::relay_rate`]).
//! * Paths cannot leave the multiplayer root.
//! * A spawn whose state does not decode, or that lists too many synchronizers, leaves nothing.
//! * State of a wrong type, and deltas for properties that there are not, are refused entry by entry.
//! * Full states of all peers share one count ([`SyncTime`]), and no packet without an entry is sent.
//! * A path announced before its node is there is confirmed once it appears, and announced again until it is
//!   ([`Config::path_retry`]).
//! * Calls on nodes inside a spawned node go only to peers who have that node; so does state of them.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod auth;
mod config;
mod error;
mod event;
mod forward;
pub mod interest;
pub mod latency;
mod mismatch;
mod node;
pub mod packet;
mod path_cache;
mod peer;
mod replication;
mod rpc;
mod rpc_table;
mod scene;
mod session;
mod stats;
pub mod variant;

pub use config::{
    Authentication, Commands, Config, ConfigError, Limits, MismatchPolicy, Relay, Role, SyncTime,
};
pub use error::{AuthError, CallError, SendError, Verdict};
pub use event::{
    AuthFailure, DisconnectReason, Event, RpcCall, SpawnSource, Spawned, StateError, StateReceived,
};
pub use mismatch::{MethodMismatch, MismatchReport, MismatchSource};
pub use node::{NodeError, NodeKey};
pub use peer::{PeerId, Target, TransferMode};
pub use proto_core::Rate;
pub use replication::{
    Budget, CallProfile, NodeProfile, PropertyError, PropertyKey, SpawnConfig, SpawnError,
    SpawnRequest, Traffic, Visibility, VisibilityError,
};
pub use rpc_table::{MethodId, RpcConfig, RpcMode, RpcTable, RpcTableError};
pub use scene::{
    NodeConfig, NonFinite, PropertyConfig, ReplicationMode, Scene, SceneConfig, SceneError,
    SpawnerConfig, SynchronizerConfig, SynchronizerError,
};
pub use session::{Incoming, Outgoing, Session};
pub use stats::{DropReason, PeerUsage, Stats};
