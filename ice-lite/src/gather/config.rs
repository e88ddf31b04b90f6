//! What a gatherer is told when it is made: [`GatherConfig`].

use crate::candidate::{Loopback, judge};
use crate::{ConfigError, Forbidden};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// Whether the peer learns the addresses of the host (RFC 8828).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "yes or no, with a name")]
pub enum HostAddresses {
    /// They are candidates.
    Told,
    /// They are no candidates, and related addresses are blanked. Two hosts in one local network then need a gateway that
    /// carries packets back in.
    Hidden,
}

/// Settings of a [`Gatherer`](crate::Gatherer). [`GatherConfig::new`] has safe defaults.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GatherConfig {
    /// Source of transaction ids.
    pub seed: [u8; 32],
    /// The sockets, bound to one address each, the best first within their family; at most
    /// [`GatherConfig::MOST_BASES`].
    pub bases: Vec<SocketAddr>,
    /// STUN servers, already resolved; at most [`GatherConfig::MOST_SERVERS`]. A prediction of ports needs two.
    pub servers: Vec<SocketAddr>,
    /// Ta: between two new questions.
    pub pace: Duration,
    /// Smallest time before a question is asked again: 500 ms; less only on a known network.
    pub retransmission: Duration,
    /// How long a server may take to answer.
    pub give_up: Duration,
    /// How often mappings are kept open after that, until [`Gatherer::stop`](crate::Gatherer::stop).
    pub keepalive: Duration,
    /// How many outside ports are foretold of a base whose NAT gives each destination its own; 0, the default, foretells
    /// none.
    pub predicted: usize,
    /// Whether the peer learns the addresses of the host.
    pub host_addresses: HostAddresses,
    /// Whether addresses of the host itself may be used; for tests.
    pub loopback: Loopback,
}

impl GatherConfig {
    /// Most bases.
    pub const MOST_BASES: usize = 16;
    /// Most servers.
    pub const MOST_SERVERS: usize = 8;
    /// Most ports that are foretold for a base.
    pub const MOST_PREDICTED: usize = 16;

    /// Host and server-reflexive candidates of these sockets, nothing hidden, nothing foretold.
    #[must_use]
    pub const fn new(seed: [u8; 32], bases: Vec<SocketAddr>, servers: Vec<SocketAddr>) -> Self {
        Self {
            seed,
            bases,
            servers,
            pace: Duration::from_millis(50),
            retransmission: Duration::from_millis(500),
            give_up: Duration::from_secs(10),
            keepalive: Duration::from_secs(15),
            predicted: 0,
            host_addresses: HostAddresses::Told,
            loopback: Loopback::Forbidden,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let checks = [
            ("bases", self.bases.len() <= Self::MOST_BASES),
            ("servers", self.servers.len() <= Self::MOST_SERVERS),
            ("pace", self.pace >= crate::Pacer::SMALLEST),
            ("retransmission", !self.retransmission.is_zero()),
            ("give_up", !self.give_up.is_zero()),
            ("keepalive", self.keepalive >= Duration::from_secs(1)),
            ("predicted", self.predicted <= Self::MOST_PREDICTED),
        ];
        match checks.iter().find(|(_, good)| !good) {
            Some(&(field, _)) => Err(ConfigError { field }),
            None => Ok(()),
        }
    }

    pub(super) fn judge(&self, address: SocketAddr) -> Result<(), Forbidden> {
        judge(address, self.loopback)
    }
}
