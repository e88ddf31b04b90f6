//! What travels through a [`World`](super::World).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What a sender hears when a datagram did not get through: a socket's error, now or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SendError {
    /// A box on the way does not let it through (ICMP "administratively prohibited").
    Prohibited,
    /// The destination answered that nobody listens there (`ECONNREFUSED`, ICMP "port unreachable").
    Refused,
    /// It is longer than the way allows, in bytes (`EMSGSIZE`, ICMP "fragmentation needed").
    TooLong {
        /// The longest that passes there.
        mtu_bytes: usize,
    },
    /// No way leads from the source address to the destination (`ENETUNREACH`).
    Unreachable,
    /// The machine asked to send from an address that its host does not have (`EADDRNOTAVAIL`).
    NoSuchAddress,
    /// The socket takes no more at this moment (`EWOULDBLOCK`).
    WouldBlock,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Udp(Vec<u8>),
    /// An error about a datagram that `to` had sent to `about`.
    Error {
        error: SendError,
        about: SocketAddr,
    },
}

impl Body {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Udp(bytes) => bytes.len(),
            Self::Error { .. } => 36,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Udp(bytes) => bytes,
            Self::Error { .. } => &[],
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) body: Body,
    /// Boxes passed so far; a ring of boxes must not turn for ever.
    pub(crate) hops: u8,
}

impl Packet {
    pub(crate) const MOST_HOPS: u8 = 64;

    /// The error that goes back to the sender of this datagram; none for an error itself.
    pub(crate) fn error(&self, error: SendError) -> Option<Self> {
        matches!(self.body, Body::Udp(_)).then_some(Self {
            from: self.to,
            to: self.from,
            body: Body::Error {
                error,
                about: self.to,
            },
            hops: 0,
        })
    }
}

/// The IPv6 address under which a NAT64 shows an IPv4 one (RFC 6052, `64:ff9b::/96`).
///
/// ```
/// use testkit::world::nat64_address;
/// let shown = nat64_address("192.0.2.33".parse()?);
/// assert_eq!(shown, "64:ff9b::192.0.2.33".parse::<core::net::Ipv6Addr>()?);
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[must_use]
pub const fn nat64_address(ip: Ipv4Addr) -> Ipv6Addr {
    let [a, b, c, d] = ip.octets();
    Ipv6Addr::new(
        0x64,
        0xff9b,
        0,
        0,
        0,
        0,
        u16::from_be_bytes([a, b]),
        u16::from_be_bytes([c, d]),
    )
}

/// The IPv4 address that a NAT64 shows as `ip`, if it is one of those.
pub(crate) fn behind_nat64(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(ip) = ip else {
        return None;
    };
    let octets = ip.octets();
    let [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] = octets else {
        return None;
    };
    Some(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_behind_nat64_is_found_again() {
        let ip = Ipv4Addr::new(198, 51, 100, 7);
        assert_eq!(behind_nat64(nat64_address(ip).into()), Some(ip));
        assert_eq!(behind_nat64(Ipv6Addr::LOCALHOST.into()), None);
        assert_eq!(behind_nat64(ip.into()), None);
    }

    #[test]
    fn an_error_about_an_error_is_never_sent() {
        let packet = Packet {
            from: ([10, 0, 0, 1], 1).into(),
            to: ([10, 0, 0, 2], 2).into(),
            body: Body::Udp(vec![1]),
            hops: 3,
        };
        let error = packet.error(SendError::Refused).expect("a datagram");
        assert_eq!((error.to, error.hops), (packet.from, 0));
        assert!(error.error(SendError::Refused).is_none());
    }
}
