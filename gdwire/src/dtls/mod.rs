//! DTLS 1.2 around ENet's datagrams, as Godot's `ENetMultiplayerPeer` has it: [`DtlsServer`] and [`DtlsClient`].
//!
//! In Godot a server calls `peer.host.dtls_server_setup(TLSOptions.server(key, certificate))` after `create_server`, and a
//! client `peer.host.dtls_client_setup(name, TLSOptions.client(certificate))` after `create_client`. Here both are a field
//! of the configuration, [`ServerConfig::dtls`](crate::ServerConfig::dtls) and
//! [`ClientConfig::dtls`](crate::ClientConfig::dtls):
//!
//! ```
//! use gdwire::dtls::{DtlsClient, DtlsServer, Identity};
//! use gdwire::{Client, ClientConfig, Server, ServerConfig};
//! use std::time::SystemTime;
//!
//! let today = SystemTime::now();
//! let identity = Identity::self_signed("game.example", today, [3; 32])?;
//! let trusted = identity.certificate_pem();
//!
//! let mut config = ServerConfig::new([1; 32]);
//! config.dtls = Some(DtlsServer::new(identity));
//! let server = Server::new(config)?;
//!
//! let mut config = ClientConfig::new([2; 32]);
//! config.dtls = Some(DtlsClient::new(&trusted, "game.example", today)?);
//! let client = Client::new(config)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Each ENet datagram is one record. A server answers strangers with a cookie, without memory of them; one session per
//! address follows, and ends with the ENet connection in it. Datagrams that are no DTLS are not served, but handed back as
//! foreign ones. A handshake that fails says why: [`DtlsFailure`], in
//! [`Event::DtlsFailed`](crate::Event::DtlsFailed) at a server and in
//! [`DisconnectReason::Dtls`](crate::DisconnectReason::Dtls) at a client.
//!
//! | what | how |
//! | --- | --- |
//! | keys and certificates | ECDSA on P-256 and P-384, one certificate, no certificates of clients; no RSA |
//! | cipher suites | ECDHE-ECDSA with ChaCha20-Poly1305; AES-GCM with those who lack it |
//! | required of the other side | the extended master secret (RFC 7627), which mbedTLS and OpenSSL have |
//! | size | a record adds up to 37 bytes: ENet's MTU is lowered by [`OVERHEAD`], so that datagrams get no longer |
//! | not there | session resumption, renegotiation, DTLS 1.3, connection IDs |
//!
//! Godot 4.6.3 with its own ENet plays with this in both roles, over IPv4 and IPv6, with and without compression inside:
//! calls, packets in many fragments, both sides' refusals, clients that come back from the same port. Godot's
//! `Crypto.generate_rsa` is the one key that does not work: a client of ours then ends with
//! [`DtlsFailure::NothingInCommon`]. Give such a server a key that `CryptoKey.load` reads from a file, see [`Identity`].
//!
//! The machines read no clock here either, but the cryptography takes randomness from the operating system instead of the
//! seed.

mod config;
mod connection;
mod engine;
mod failure;
mod half_open;
mod hello;
mod identity;
mod listener;
mod pem;
mod session;
mod trust;

#[cfg(test)]
mod tests;

use core::net::SocketAddr;

pub use config::{DtlsClient, DtlsServer};
pub(crate) use connection::Connection;
pub use failure::{Alert, DtlsFailure, IdentityError};
pub use identity::Identity;
pub(crate) use listener::Listener;

/// Most bytes that a record adds to a datagram: 13 of header, 8 of nonce and 16 of tag with AES-GCM.
pub const OVERHEAD: u16 = 37;

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// It is no DTLS.
    NotDtls,
    /// It belongs to nothing here.
    Dropped,
    /// A session or the cookie exchange took it, or dropped it.
    Used,
}

/// A session that ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) address: SocketAddr,
    pub(crate) failure: DtlsFailure,
    /// Whether its handshake was complete.
    pub(crate) was_open: bool,
}

/// Counters of DTLS, of all sockets of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DtlsStats {
    /// ClientHellos without a good cookie, which were asked for one.
    pub hellos: u64,
    /// ClientHellos that cannot be read, come in fragments, or from an address where nobody can be.
    pub bad_hellos: u64,
    /// Handshakes begun: at a server with clients that have proven their address.
    pub handshakes: u64,
    /// Handshakes completed.
    pub opened: u64,
    /// Handshakes that failed.
    pub failed: u64,
    /// Handshakes not begun because one address, or its network, had too many sessions without an ENet connection.
    pub network_full: u64,
    /// Handshakes not begun because all addresses together had too many of them.
    pub full: u64,
    /// Datagrams that are no DTLS, such as plain ENet.
    pub plain: u64,
    /// Records from an address without a session.
    pub unknown: u64,
    /// Datagrams that were not sent: of ENet, for want of a session; of handshakes, for want of room.
    pub unsent: u64,
}

impl DtlsStats {
    pub(crate) const fn add(&mut self, other: &Self) {
        self.hellos += other.hellos;
        self.bad_hellos += other.bad_hellos;
        self.handshakes += other.handshakes;
        self.opened += other.opened;
        self.failed += other.failed;
        self.network_full += other.network_full;
        self.full += other.full;
        self.plain += other.plain;
        self.unknown += other.unknown;
        self.unsent += other.unsent;
    }
}
