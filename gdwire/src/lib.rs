//! Server and client of unmodified Godot 4 games, in Rust, without Godot.
//!
//! A [`Server`] or a [`Client`] is ENet and Godot's scene multiplayer in one machine that does no IO: it takes
//! datagrams, moments and commands, and gives datagrams, events and a deadline. [`drive`] runs one over a UDP socket,
//! with tokio or without. This example needs neither; a loop moves the datagrams between two machines:
//!
//! ```
//! use gdwire::session::{NodeConfig, RpcConfig, Target};
//! use gdwire::{Client, ClientConfig, Event, Instant, Server, ServerConfig, Value};
//!
//! let main = || NodeConfig::new("Main").rpc(RpcConfig::new("greet").any_peer());
//! let mut server = Server::new(ServerConfig::new([1; 32]))?;
//! let mut client = Client::new(ClientConfig::new([2; 32]))?;
//! server.add_node(main())?;
//! let node = client.add_node(main())?;
//!
//! let now = Instant::ZERO;
//! let (here, there) = ("10.0.0.1:9000".parse()?, "10.0.0.2:9000".parse()?);
//! client.connect(now, here)?;
//! let mut buffer = [0; Server::BUFFER];
//! let mut greeting = None;
//! while greeting.is_none() {
//!     while let Some(event) = client.poll_event() {
//!         if let Event::Connected { .. } = event {
//!             client.rpc(Target::All, node, "greet", &[Value::from("hello")])?;
//!         }
//!     }
//!     while let Some(transmit) = client.poll_transmit(now, &mut buffer) {
//!         let _ = server.handle_datagram(now, there, &buffer[transmit.bytes]);
//!     }
//!     while let Some(event) = server.poll_event() {
//!         if let Event::Rpc(call) = event {
//!             greeting = Some(call.arguments);
//!         }
//!     }
//!     while let Some(transmit) = server.poll_transmit(now, &mut buffer) {
//!         let _ = client.handle_datagram(now, here, &buffer[transmit.bytes]);
//!     }
//! }
//! assert_eq!(greeting, Some(vec![Value::from("hello")]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | what it is |
//! | --- | --- |
//! | [`drive`] | loops over real sockets, the clock, seeds; the only part that needs `std` |
//! | [`project`] | reads a Godot project without the engine: RPC tables, spawners, synchronizers |
//! | [`session`] | Godot's scene multiplayer: nodes, RPCs, peers, authentication (`replication-proto`) |
//! | [`variant`] | Godot's values and their encodings (`replication-proto`) |
//! | [`enet`] | ENet itself (`enet-proto`) |
//! | [`ice`] | ICE: a path between two programs whatever stands between them, ports that gateways open (`ice-lite`) |
//! | [`stun`] | STUN: one's public address, what NATs on the way do, and a server for both (`stun-proto`) |
//!
//! Features: `blocking` and `tokio`, both on by default, are the two drivers; without them nothing here does IO. `ice`,
//! `project` and `stun`, on by default too, are the modules of that name. `upnp` lets [`drive::mapping`] ask gateways by UPnP too. `zlib` and `zstd` add those modes of [`enet::compress`],
//! in which the range coder and FastLZ always are. `dtls` adds the module `dtls`: DTLS as `ENetMultiplayerPeer` sets it up, at both
//! ends, in pure Rust.
//!
//! Deliberate differences from Godot: a server refuses a client whose id is illegal or taken before the game hears of
//! it, and tells the client so ([`Refusal`]); `disconnect_peer` lets what was sent before arrive; a client that does
//! not take reliable packets as fast as they come is dropped when its queue is full, instead of the queue growing
//! without end.
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(feature = "_udp")]
pub mod drive;
#[cfg(feature = "dtls")]
pub mod dtls;
mod peers;
#[cfg(feature = "project")]
pub mod project;

pub use enet_proto as enet;
#[cfg(feature = "ice")]
pub use ice_lite as ice;
pub use replication_proto as session;
pub use replication_proto::variant;
#[cfg(feature = "stun")]
pub use stun_proto as stun;

pub use bytes::Bytes;
pub use enet_proto::PeerStats;
#[cfg(feature = "project")]
pub use peers::ProjectPlace;
pub use peers::{
    Blueprint, BlueprintError, Client, ClientConfig, ConfigError, ConnectError, DisconnectReason,
    Event, Refusal, RefusalReason, Server, ServerConfig, ServerStats,
};
pub use proto_core::{Handled, Instant, Transmit};
pub use replication_proto::variant::Value;

/// Compiles the example in the README.
#[cfg(all(doctest, feature = "blocking"))]
#[doc = include_str!("../../README.md")]
struct Readme;
