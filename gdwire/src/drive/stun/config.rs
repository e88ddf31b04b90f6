//! What a STUN server serves, and what it did: [`StunServerConfig`], [`StunServerStats`].

use core::net::SocketAddr;
use core::time::Duration;
use stun_proto::server::{DropReason, ServerConfig, ServerStats};

/// Where a [`StunServer`](super::StunServer) answers, and what it lets a stranger hold.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StunServerConfig {
    /// What it answers, and how often. The addresses of NAT discovery in it are set from `alternate`.
    pub binding: ServerConfig,
    /// Where it listens. Port 0 takes any that is free, the same for UDP and TCP. `[::]` takes IPv4 too, unless an IPv4
    /// address is listed as well.
    pub listen: Vec<SocketAddr>,
    /// The second address and port of NAT behaviour discovery (RFC 5780), other in both than the first of `listen` of
    /// its family, which must then be no wildcard. Port 0 takes any that is free.
    pub alternate: Option<SocketAddr>,
    /// Whether it answers over UDP. Default: yes.
    pub udp: bool,
    /// Whether it answers over TCP. Default: yes.
    pub tcp: bool,
    /// TCP connections at a time; further ones are closed at once. Default: 1,000.
    pub connections: usize,
    /// TCP connections of one IP address at a time. Default: 16.
    pub connections_per_ip: usize,
    /// How long a connection may be without a message that gets an answer. Default: 10 s.
    pub idle: Duration,
    /// How long a connection may be open. Default: 10 min.
    pub lifetime: Duration,
    /// Bytes that a connection may bring in all. Default: 64 KiB, which is 3,000 requests.
    pub connection_bytes: usize,
}

impl StunServerConfig {
    /// A server at these addresses with the defaults; `seed` is a secret, see [`drive::seed`](crate::drive::seed).
    #[must_use]
    pub fn new(seed: [u8; 32], listen: Vec<SocketAddr>) -> Self {
        Self {
            binding: ServerConfig::new(seed),
            listen,
            alternate: None,
            udp: true,
            tcp: true,
            connections: 1000,
            connections_per_ip: 16,
            idle: Duration::from_secs(10),
            lifetime: Duration::from_secs(600),
            connection_bytes: 64 * 1024,
        }
    }
}

/// What a [`StunServer`](super::StunServer) did since it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StunServerStats {
    /// What the machine did; one for the addresses of NAT discovery, one for the others.
    pub binding: Vec<ServerStats>,
    /// TCP connections that are open.
    pub connections: u64,
    /// TCP connections that were taken.
    pub accepted: u64,
    /// TCP connections that were closed at once, because there were too many.
    pub refused: u64,
    /// TCP connections that were closed for what they sent, for silence, or because a limit was reached.
    pub ended: u64,
    /// Answers that the system did not take, because its buffers were full or the address cannot be reached.
    pub unsent: u64,
}

impl StunServerStats {
    /// The sum of `count` over all machines.
    #[must_use]
    pub fn sum(&self, count: impl Fn(&ServerStats) -> u64) -> u64 {
        self.binding.iter().map(count).sum()
    }

    /// How many messages were dropped for this reason.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.sum(|stats| stats.dropped(reason))
    }
}
