//! Drivers of STUN, for tokio: one's public address, what NATs do, and the server for both.
//!
//! - [`StunClientDriver`] asks a server for our address over UDP or TCP;
//! - [`DiscoveryDriver`] finds out what NATs on the way do;
//! - [`StunServer`] answers both, on any number of addresses.
//!
//! A game rather wants the public address of the socket that it plays on. It gives the datagrams of `on_foreign_datagram`
//! (see [`drive`](super)) to a [`StunClient`](crate::stun::client::StunClient) and sends what that wants with
//! `send_foreign_datagram`; the example `public_address` does so.

mod bind;
mod client;
mod config;
mod connection;
mod discovery;
mod server;

pub use client::StunClientDriver;
pub use config::{StunServerConfig, StunServerStats};
pub use discovery::DiscoveryDriver;
pub use server::StunServer;
