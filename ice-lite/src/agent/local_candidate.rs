//! What the caller says of an address of this side: [`LocalCandidate`].

use crate::{CandidateKind, MAPPED_PREFERENCE, Transport};
use alloc::boxed::Box;
use core::net::{IpAddr, SocketAddr};

/// A local candidate, from the caller or from a source of candidates.
#[derive(Clone, Debug)]
#[must_use]
pub struct LocalCandidate {
    pub(super) kind: CandidateKind,
    pub(super) address: SocketAddr,
    pub(super) base: SocketAddr,
    pub(super) transport: Transport,
    pub(super) server: Option<IpAddr>,
    pub(super) type_preference: u32,
    pub(super) local_preference: Option<u32>,
    pub(super) related: Option<SocketAddr>,
    pub(super) name: Option<Box<str>>,
    /// The port of a prediction.
    pub(super) guess: Option<u16>,
}

impl LocalCandidate {
    /// A socket of the host, bound to this address.
    pub const fn host(address: SocketAddr) -> Self {
        Self::new(CandidateKind::Host, address, address)
    }

    /// What the STUN server at `server` saw of the socket `base`.
    pub const fn server_reflexive(address: SocketAddr, base: SocketAddr, server: IpAddr) -> Self {
        let mut candidate = Self::new(CandidateKind::ServerReflexive, address, base);
        candidate.server = Some(server);
        candidate.related = Some(base);
        candidate
    }

    /// What a gateway will show the next peer of the socket `base`, if ports follow the rule that servers saw.
    ///
    /// Each has a foundation of its own, for that one guess is wrong says nothing about the next.
    pub const fn predicted(address: SocketAddr, base: SocketAddr) -> Self {
        let mut candidate = Self::new(CandidateKind::ServerReflexive, address, base);
        candidate.related = Some(base);
        candidate.guess = Some(address.port());
        candidate
    }

    /// A port that a gateway maps to the socket `base`: PCP, NAT-PMP, UPnP, or set up by hand.
    pub const fn mapped(address: SocketAddr, base: SocketAddr) -> Self {
        let mut candidate = Self::new(CandidateKind::ServerReflexive, address, base);
        candidate.type_preference = MAPPED_PREFERENCE;
        candidate.related = Some(base);
        candidate
    }

    /// An address at a relay. `base` is what datagrams of the relay are sent from; `mapped` what the relay saw of us.
    pub const fn relayed(address: SocketAddr, mapped: SocketAddr, server: IpAddr) -> Self {
        let mut candidate = Self::new(CandidateKind::Relayed, address, address);
        candidate.server = Some(server);
        candidate.related = Some(mapped);
        candidate
    }

    const fn new(kind: CandidateKind, address: SocketAddr, base: SocketAddr) -> Self {
        Self {
            kind,
            address,
            base,
            transport: Transport::Udp,
            server: None,
            type_preference: kind.preference(),
            local_preference: None,
            related: None,
            name: None,
            guess: None,
        }
    }

    /// With this transport. For TCP see [the crate](crate#tcp); an active candidate has port 9, which means nothing.
    pub const fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// With this local preference, 0 to 65,535, such as one of
    /// [`dual_stack_preferences`](crate::dual_stack_preferences). Without it the order of adding counts.
    pub const fn with_local_preference(mut self, preference: u32) -> Self {
        self.local_preference = Some(preference);
        self
    }

    /// With the related address hidden as 0.0.0.0 or :: and port 9, so that the peer does not learn the local network.
    pub fn with_related_hidden(mut self) -> Self {
        let ip = if self.address.is_ipv4() {
            IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED)
        } else {
            IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED)
        };
        self.related = self.related.map(|_| SocketAddr::new(ip, 9));
        self
    }

    /// Told to the peer under this name, a version 4 UUID with `.local` behind it that the caller publishes by multicast
    /// DNS, so that the peer does not learn the local network (RFC 8828 mode 3 of browsers).
    pub fn with_name(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How it was found.
    #[must_use]
    pub const fn kind(&self) -> CandidateKind {
        self.kind
    }

    /// Where the peer sends to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is sent from: a socket of the host, or the address at the relay.
    #[must_use]
    pub const fn base(&self) -> SocketAddr {
        self.base
    }
}
