//! A place where a peer may be reached: [`Candidate`].

mod address;
mod foundation;
mod line;
mod preference;

pub use address::{Forbidden, Loopback, judge};
pub(crate) use address::{can_pair, is_global, is_link_local, plain, same, same_subnet};
pub use foundation::Foundation;
pub(crate) use foundation::is_ice_char;
pub(crate) use line::number;
pub use line::{CandidateError, MOST_EXTENSIONS, MOST_LINE_BYTES};
pub use preference::{
    MAPPED_PREFERENCE, dual_stack_preferences, pair_priority, priority, tcp_local_preference,
};

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// How a candidate was found (RFC 8445 section 4, "Candidate").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "ICE has these four")]
pub enum CandidateKind {
    /// An address of an interface of the host.
    Host,
    /// What a STUN server saw, or a port mapping that a gateway granted.
    ServerReflexive,
    /// What the peer saw in a check.
    PeerReflexive,
    /// An address at a relay.
    Relayed,
}

impl CandidateKind {
    /// The recommended type preference of RFC 8445 section 5.1.2.2: 126, 100, 110 or 0.
    #[must_use]
    pub const fn preference(self) -> u32 {
        match self {
            Self::Host => 126,
            Self::PeerReflexive => 110,
            Self::ServerReflexive => 100,
            Self::Relayed => 0,
        }
    }

    /// The word in a candidate line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relayed => "relay",
        }
    }
}

/// Who opens the connection of a TCP candidate (RFC 6544 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 6544 has these three")]
pub enum TcpType {
    /// This side does; the port in the candidate is 9 and means nothing.
    Active,
    /// The other side does.
    Passive,
    /// Both do at once.
    SimultaneousOpen,
}

impl TcpType {
    /// Whether a local candidate of this type can meet a remote one of type `remote` (RFC 6544 section 6.2).
    #[must_use]
    pub const fn meets(self, remote: Self) -> bool {
        matches!(
            (self, remote),
            (Self::Active, Self::Passive)
                | (Self::Passive, Self::Active)
                | (Self::SimultaneousOpen, Self::SimultaneousOpen)
        )
    }

    /// The word in a candidate line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::SimultaneousOpen => "so",
        }
    }
}

/// What carries the packets of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "ICE has these two")]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A connection with a length in front of each packet (RFC 4571), driven by the caller.
    Tcp(TcpType),
}

/// Where a candidate is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a candidate line has these two")]
pub enum CandidateAddress {
    /// An address and a port.
    Ip(SocketAddr),
    /// A name, such as those ending in `.local` with which browsers hide addresses, and a port. Nothing here looks it up.
    Name {
        /// The name, at most 253 letters, digits, dots and hyphens.
        name: Box<str>,
        /// The port.
        port: u16,
    },
}

impl CandidateAddress {
    /// The address, if it is not a name.
    #[must_use]
    pub const fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Name { .. } => None,
        }
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match self {
            Self::Ip(address) => address.port(),
            Self::Name { port, .. } => *port,
        }
    }
}

impl From<SocketAddr> for CandidateAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

/// A candidate as it is told to the peer (RFC 8839 section 5.1).
///
/// [`FromStr`](core::str::FromStr) reads a line with or without `a=` in front, and [`Display`](core::fmt::Display)
/// writes one without:
///
/// ```
/// use ice_lite::{Candidate, CandidateKind};
///
/// let line = "candidate:2 1 udp 1694498815 203.0.113.7 5000 typ srflx raddr 10.0.0.1 rport 4000 generation 0";
/// let candidate: Candidate = line.parse()?;
/// assert_eq!(candidate.kind, CandidateKind::ServerReflexive);
/// assert_eq!(candidate.extension("generation"), Some("0"));
/// assert_eq!(candidate.to_string(), line);
/// # Ok::<(), ice_lite::CandidateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers with other sources of candidates make them"
)]
pub struct Candidate {
    /// Equal for candidates of the same kind, base, transport and server.
    pub foundation: Foundation,
    /// 1 to 256; the agent uses 1 only.
    pub component: u16,
    /// UDP or TCP.
    pub transport: Transport,
    /// 1 to 2^31 - 1, more is better.
    pub priority: u32,
    /// Where packets are sent.
    pub address: CandidateAddress,
    /// How it was found.
    pub kind: CandidateKind,
    /// For diagnosis: the base of a reflexive candidate, the mapped address of a relayed one. Unspecified if hidden.
    pub related: Option<SocketAddr>,
    /// Other pairs of name and value, in their order; at most [`MOST_EXTENSIONS`].
    pub extensions: Vec<(String, String)>,
}

impl Candidate {
    /// A UDP candidate of component 1 without extensions, with the priority of a host with one address.
    #[must_use]
    pub fn new(kind: CandidateKind, address: SocketAddr) -> Self {
        Self {
            foundation: Foundation::from_number(kind.preference() + 1),
            component: 1,
            transport: Transport::Udp,
            priority: priority(kind.preference(), 65_535, 1),
            address: address.into(),
            kind,
            related: None,
            extensions: Vec::new(),
        }
    }

    /// The value of the extension `name`, such as `ufrag`, `generation` or `network-cost`.
    #[must_use]
    pub fn extension(&self, name: &str) -> Option<&str> {
        let found = self.extensions.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether it is a name that multicast DNS resolves: one label and `.local` (RFC 8839, browsers' obfuscation).
    #[must_use]
    pub fn is_mdns(&self) -> bool {
        let CandidateAddress::Name { name, .. } = &self.address else {
            return false;
        };
        name.len() > ".local".len()
            && name.bytes().filter(|&byte| byte == b'.').count() == 1
            && name
                .get(name.len() - ".local".len()..)
                .is_some_and(|end| end.eq_ignore_ascii_case(".local"))
    }
}

#[cfg(test)]
mod tests;
