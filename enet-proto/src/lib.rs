//! ENet 1.3 as Godot 4 speaks it: reliable and unreliable packets on channels, over datagrams.
//!
//! [`Host`] is a state machine. It owns no socket and reads no clock: the caller gives it datagrams and the time, and
//! takes datagrams, events and the next deadline from it. C ENet 1.3 and Godot's `ENetMultiplayerPeer` at the other end
//! see one of their own.
//!
//! ```
//! use bytes::Bytes;
//! use enet_proto::{Config, Event, Host, PacketFlags};
//! use proto_core::Instant;
//!
//! let (here, there) = ("192.0.2.1:4000".parse()?, "192.0.2.2:5000".parse()?);
//! let mut server = Host::new(Config::new([1; 32]))?;
//! let mut client = Host::new(Config::new([2; 32]))?;
//! let now = Instant::from_millis(1000);
//! let peer = client.connect(now, there, 2, 42)?;
//!
//! let mut received = Vec::new();
//! let mut buffer = [0; Host::BUFFER];
//! for _ in 0..4 {
//!     while let Some(transmit) = client.poll_transmit(now, &mut buffer) {
//!         let _ = server.handle_datagram(now, here, &buffer[transmit.bytes]);
//!     }
//!     while let Some(transmit) = server.poll_transmit(now, &mut buffer) {
//!         let _ = client.handle_datagram(now, there, &buffer[transmit.bytes]);
//!     }
//!     while let Some(event) = client.poll_event() {
//!         if let Event::Connected { peer, .. } = event {
//!             client.send(peer, 0, PacketFlags::RELIABLE, Bytes::from_static(b"hello"))?;
//!         }
//!     }
//!     while let Some(event) = server.poll_event() {
//!         if let Event::Received { payload, .. } = event {
//!             received.push(payload);
//!         }
//!     }
//! }
//! assert_eq!(received, ["hello"]);
//! assert!(client.peer(peer).is_some_and(|peer| peer.is_connected()));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! A program does the same with a socket: it waits for a datagram or for [`Host::poll_timeout`], whichever comes first,
//! hands it in, and drains [`Host::poll_transmit`] and [`Host::poll_event`].
//!
//! # What differs from C ENet
//!
//! Nothing that a remote could rely on. [`Config::new`] is safer than C: a remote gets a place in the peer table only
//! when it has proven its address, and when a flood of strangers has filled the table of those who have not, it must echo a
//! cookie first, for which nothing is remembered; numbers, sessions and the time base are random, so a blind attacker must
//! guess some 30 bits to connect; memory follows what was received and is bounded by [`Limits`]; acknowledgements count only if
//! they echo a time at which the command was sent. A lost command is sent again as soon as later ones are acknowledged,
//! which a remote cannot tell from an early timer. Received packets are delivered before the end of a connection is
//! told; a repeated DISCONNECT is acknowledged again; unsequenced packets may come late across a border of 1024.
//! Nothing scans peers or queues: idle hosts cost nothing, an acknowledgement costs O(1), a timer O(log n), and a
//! channel costs memory from its first packet on. [`Config::reference`] gives C's own numbers.
//!
//! # What is left out
//!
//! DTLS. ENet's intercept hook is the caller's: it sees each datagram before the host does, and
//! [`Host::handle_datagram`] hands back with `NotMine` what is not ENet.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

mod bandwidth;
mod clock;
pub mod compress;
mod config;
mod deadline;
mod error;
mod event;
mod events;
mod host;
mod key;
mod peer;
mod pool;
mod recv;
mod ring;
mod send;
mod short_queue;
mod stats;
pub mod wire;

pub use config::{
    Admission, BandwidthReports, Config, ConfigError, Limits, PeerIds, Precision, Timeouts,
};
pub use error::{ConnectError, RequestGone, SendError};
pub use event::{DisconnectReason, Event, PacketFlags};
pub use host::{Host, PeerView};
pub use key::{PeerKey, RequestKey};
pub use peer::State;
pub use stats::{DropReason, PeerStats, Stats};
