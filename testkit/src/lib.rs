//! A simulated network with virtual time, for tests of sans-IO machines: gdwire's, and those of a game's own matchmaking.
//!
//! [`world`] is a whole internet: hosts with several addresses, NAT boxes, firewalls, carriers, NAT64, crashes, and an oracle
//! that says who can reach whom. [`Network`] is the small version: machines by address, with a [`Link`] between each two.
//!
//! Links delay, lose, duplicate, reorder and corrupt. Nothing sleeps, opens a port or reads a clock: time jumps to the next
//! moment at which something is due, so a minute of a bad network takes milliseconds, and one seed fixes every byte of it.
//!
//! | verb | what passes |
//! | --- | --- |
//! | [`Network::drive`] | no time: all that is due now, and what follows from it |
//! | [`Network::step`] | time up to the next arrival or deadline |
//! | [`Network::run_for`] | a stated time |
//! | [`Network::run_until`] | time until a condition holds, with a limit |
//!
//! A test implements [`Machine`] for a wrapper of its own. Here is one that answers each datagram with its bytes:
//!
//! ```
//! use core::net::SocketAddr;
//! use core::time::Duration;
//! use proto_core::{Handled, Instant, Transmit};
//! use testkit::{Link, Machine, Pair};
//!
//! #[derive(Default)]
//! struct Echo {
//!     outbox: Vec<(SocketAddr, Vec<u8>)>,
//!     heard: Vec<Vec<u8>>,
//!     answers: bool,
//! }
//!
//! impl Machine for Echo {
//!     type Event = Vec<u8>;
//!     type Drop = ();
//!     fn handle_datagram(&mut self, _: Instant, _: SocketAddr, from: SocketAddr, data: &[u8]) -> Handled<()> {
//!         if self.answers {
//!             self.outbox.push((from, data.to_vec()));
//!         }
//!         self.heard.push(data.to_vec());
//!         Handled::Consumed
//!     }
//!     fn handle_timeout(&mut self, _: Instant) {}
//!     fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
//!         let (destination, bytes) = self.outbox.pop()?;
//!         buf[..bytes.len()].copy_from_slice(&bytes);
//!         Some(Transmit { source: None, destination, bytes: 0..bytes.len() })
//!     }
//!     fn poll_timeout(&self) -> Option<Instant> { None }
//!     fn poll_event(&mut self) -> Option<Vec<u8>> { self.heard.pop() }
//!     fn buffer_bytes(&self) -> usize { 1500 }
//! }
//!
//! let link = Link::with_latency(Duration::from_millis(20));
//! let server = Echo { answers: true, ..Echo::default() };
//! let mut pair = Pair::new(1, link, Echo::default(), server);
//! pair.network.machine_mut(pair.client).outbox.push((Pair::<Echo>::SERVER, b"hello".to_vec()));
//! pair.network.run_for(Duration::from_millis(40));
//! assert_eq!(pair.network.poll_event(pair.client), Some(b"hello".to_vec()));
//! ```
//!
//! [`run_operations`] runs a list of operations with an invariant checked after each, and [`Transcript`] writes what
//! happened as text that is compared with a checked-in file.
//!
//! This crate is for tests only: it uses `std`, and it panics when it is held wrong.
#![forbid(unsafe_code)]

extern crate alloc;

mod cases;
mod dice;
mod link;
mod machine;
mod network;
mod operations;
mod transcript;
pub mod trial;
pub mod world;

pub use cases::cases;
pub use dice::Dice;
pub use link::{BadScript, Blackout, Burst, Deviation, Fault, Jitter, Link, Rate, Script};
pub use machine::Machine;
pub use network::{Network, NetworkStats, NodeId, Pair};
pub use operations::{BrokenInvariant, run_operations};
pub use transcript::{Transcript, hex, unhex};
