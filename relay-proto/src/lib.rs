//! Ways to bring two Godot games together without ICE: so far, hole punching as the noray addon does it.
//!
//! [`noray`] holds three small machines for one UDP socket, the game's own. A server and its clients learn of each other
//! through a control service (noray's, over TCP; not in this crate), open their NAT boxes with datagrams of four bytes, and
//! then speak ENet over the very same socket.
//!
//! ```
//! use core::net::SocketAddr;
//! use proto_core::{Handled, Instant};
//! use relay_proto::noray::{self, Invitations, InvitationsConfig, Outcome, Punch, PunchConfig};
//!
//! // What the control service told each of the two: the public address of the other.
//! let (host_at, client_at): (SocketAddr, SocketAddr) = ("203.0.113.1:7777".parse()?, "203.0.113.2:50000".parse()?);
//! let now = Instant::from_millis(1000);
//! let mut host = Invitations::new(InvitationsConfig::default());
//! host.invite(now, client_at)?;
//! let mut client = Punch::new(now, host_at, PunchConfig::default())?;
//!
//! let mut buffer = [0; noray::HANDSHAKE_BYTES];
//! let mut cross = |client: &mut Punch, host: &mut Invitations| {
//!     while let Some(transmit) = client.poll_transmit(now, &mut buffer) {
//!         let verdict = host.handle_datagram(now, client_at, &buffer[transmit.bytes]);
//!         assert_eq!(verdict, Handled::Consumed);
//!     }
//!     while let Some(transmit) = host.poll_transmit(now, &mut buffer) {
//!         let _ = client.handle_datagram(now, host_at, &buffer[transmit.bytes]);
//!     }
//! };
//! cross(&mut client, &mut host);
//! // The client's last datagram tells the host that it may stop.
//! cross(&mut client, &mut host);
//! // From here on the client speaks ENet to that address, from the socket that it punched with.
//! assert_eq!(client.poll_event(), Some(Outcome::Open { peer: host_at }));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # A driver
//!
//! It offers each datagram to the machines of this crate first and hands what is
//! [`NotMine`](proto_core::Handled::NotMine) to ENet: a handshake datagram is four bytes that begin with `$`, which is
//! never a datagram of ENet. When an ENet connection from an invited address begins it calls [`noray::Invitations::withdraw`].
//!
//! # What it guards against
//!
//! Datagrams go to invited addresses only, four bytes ten times a second for eight seconds, and to at most
//! [`noray::Limits::ports_per_address`] ports of one. Who was not invited is not answered.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

pub mod noray;
