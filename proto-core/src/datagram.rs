//! What goes out of a machine ([`Transmit`]), what became of what went in ([`Handled`]), and who can have sent it.

use core::net::{IpAddr, SocketAddr};
use core::ops::Range;

/// A datagram that a machine wrote into the buffer lent to its `poll_transmit`.
///
/// It holds a range and not a slice, so that a wrapper can ask several machines with one buffer and write its own
/// header in front.
#[must_use = "a datagram that is not sent is lost"]
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a driver must handle every field"
)]
pub struct Transmit {
    /// The local address to send from, where the machine cares.
    pub source: Option<SocketAddr>,
    /// Where to send it.
    pub destination: SocketAddr,
    /// Where in the lent buffer it lies.
    pub bytes: Range<usize>,
}

/// What a machine made of a datagram; `R` is its type of reasons for a drop.
#[must_use = "a datagram that is not mine belongs to somebody else"]
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a router must handle every verdict"
)]
pub enum Handled<R> {
    /// It was used, in whole or up to the first bad part.
    Consumed,
    /// It is not of this protocol; offer it to another machine.
    NotMine,
    /// It was of this protocol, had no effect, and was counted under this reason.
    Dropped(R),
    /// It carried another datagram, which lies in the same buffer.
    Inner {
        /// Who sent the inner datagram.
        from: SocketAddr,
        /// Where in the given datagram it lies.
        bytes: Range<usize>,
    },
}

impl<R> Handled<R> {
    /// Whether the datagram had an effect.
    #[must_use]
    pub const fn is_consumed(&self) -> bool {
        matches!(self, Self::Consumed)
    }
}

/// Whether somebody can be at `address`: it has a port, and its IP address is no wildcard, multicast or broadcast one.
///
/// A datagram that claims to come from such an address is forged, and an answer would go to nobody or to everybody.
#[must_use]
pub fn is_possible_source(address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    // req: HE-17
    #[test]
    fn nobody_is_at_port_zero_or_at_an_address_of_many() {
        let possible = |text: &str| is_possible_source(text.parse().expect("an address"));
        assert!(possible("192.0.2.1:1") && possible("[2001:db8::1]:1"));
        for nobody in [
            "192.0.2.1:0",
            "0.0.0.0:1",
            "224.0.0.1:1",
            "255.255.255.255:1",
            "[::]:1",
            "[ff02::1]:1",
            "[::ffff:255.255.255.255]:1",
        ] {
            assert!(!possible(nobody), "{nobody}");
        }
    }
}
