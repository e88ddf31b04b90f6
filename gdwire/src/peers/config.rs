//! Settings: [`ServerConfig`] and [`ClientConfig`].

use core::net::SocketAddr;
use proto_core::SeedRng;
use replication_proto::PeerId;

/// Settings of a [`Server`](crate::Server).
///
/// [`ServerConfig::new`] gives what Godot's `create_server(port)` gives, with the hardened limits of both protocol
/// crates.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The ENet host: most clients (`max_peers`, default 32), channels, bandwidths, checksum, limits.
    ///
    /// Its `admission` is set by the server, which has to see each client's id first.
    pub enet: enet_proto::Config,
    /// The session: authentication, relay, limits. Its `id` and `role` have to be those of a server.
    pub session: replication_proto::Config,
    /// What a refused client is told. Default: [`Refusal::Disconnect`].
    pub refusal: Refusal,
    /// ENet hosts behind this server, 1 to 16, each for a socket of its own. Default: 1.
    ///
    /// An ENet host has at most 4,095 peers. With several, clients of all of them are peers of one game, with one
    /// table of ids. `enet` and the session's limit of peers are for each of them.
    pub listeners: usize,
    /// DTLS around all datagrams (`dtls_server_setup`). Default: none.
    #[cfg(feature = "dtls")]
    pub dtls: Option<crate::dtls::DtlsServer>,
}

impl ServerConfig {
    /// The defaults; `seed` is the source of all randomness and has to be unpredictable
    /// ([`drive::seed`](crate::drive::seed)).
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self {
            enet: enet_proto::Config::new(seed),
            session: replication_proto::Config::server(),
            refusal: Refusal::Disconnect,
            listeners: 1,
            #[cfg(feature = "dtls")]
            dtls: None,
        }
    }
}

/// What a client is told that may not join: its id is illegal or taken, or the server takes nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// A DISCONNECT: it knows at once. Godot's own clients report a failed connection.
    #[default]
    Disconnect,
    /// Nothing: it finds out when its patience ends, and cannot tell that there is a server.
    Silence,
}

/// Settings of a [`Client`](crate::Client).
///
/// [`ClientConfig::new`] gives what Godot's `create_client(address, port)` gives, with the hardened limits of both
/// protocol crates.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The ENet host: bandwidths, checksum, limits. Its `max_peers` and `admission` are set by the client.
    pub enet: enet_proto::Config,
    /// The session: own id, authentication, relay, limits. Its `role` has to be that of a client.
    pub session: replication_proto::Config,
    /// ENet channels to ask for: Godot's user channels and 2, at most 255, which is the default.
    pub channel_count: u8,
    /// DTLS around all datagrams (`dtls_client_setup`). Default: none.
    #[cfg(feature = "dtls")]
    pub dtls: Option<crate::dtls::DtlsClient>,
}

impl ClientConfig {
    /// The defaults, with an id made from `seed`; that is the source of all randomness and has to be unpredictable
    /// ([`drive::seed`](crate::drive::seed)).
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        let mut rng = SeedRng::new(seed);
        let id = unique_id(&mut rng);
        Self {
            enet: enet_proto::Config::new(rng.split()),
            session: replication_proto::Config::client(id),
            channel_count: u8::MAX,
            #[cfg(feature = "dtls")]
            dtls: None,
        }
    }
}

/// A random client id (Godot: `generate_unique_id`): 2 to 2³¹ − 1.
fn unique_id(rng: &mut SeedRng) -> PeerId {
    loop {
        if let Some(id) = PeerId::of_client(rng.next_u32() >> 1) {
            return id;
        }
    }
}

/// Why a machine cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The DTLS library refuses its settings: a timeout of zero or of more than ten years.
    #[cfg(feature = "dtls")]
    #[error("DTLS: a timeout is out of its range")]
    Dtls,
    /// The ENet part.
    #[error("enet: {0}")]
    Enet(#[from] enet_proto::ConfigError),
    /// The session part.
    #[error("session: {0}")]
    Session(#[from] replication_proto::ConfigError),
    /// A server has 1 to 16 listeners.
    #[error("{0} listeners are not 1 to 16")]
    Listeners(usize),
    /// The session is not for this machine.
    #[error("the session's role is not that of this machine")]
    Role,
}

/// Why [`Client::connect`](crate::Client::connect) refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A client connects once; make a new one.
    #[error("this client has connected before")]
    AlreadyUsed,
    /// ENet refuses.
    #[error("{address}: {error}")]
    Enet {
        /// The server's address.
        address: SocketAddr,
        /// Why.
        error: enet_proto::ConnectError,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_legal_and_differ_from_seed_to_seed() {
        let id = |byte| ClientConfig::new([byte; 32]).session.id;
        assert_eq!(id(1), id(1));
        assert_ne!(id(1), id(2));
        for byte in 0..=255 {
            assert!(id(byte).value() >= 2);
        }
    }
}
