//! Where an address can be reached: [`Scope`].

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How far an address reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One host, one link, many hosts or none: no server that is named by another one is there.
    Special,
    /// A site: private, shared and unique-local ranges.
    Private,
    /// Everywhere else.
    Public,
}

impl Scope {
    /// The scope of `ip`. An address that carries an IPv4 address inside is as narrow as that.
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(v4) => of_v4(v4),
            IpAddr::V6(v6) => match embedded(v6) {
                Some(v4) => of_v4(v4),
                None => of_v6(v6),
            },
        }
    }
}

const fn of_v4(ip: Ipv4Addr) -> Scope {
    let [a, b, ..] = ip.octets();
    let shared = a == 100 && b & 0xC0 == 64;
    if a == 0 || ip.is_loopback() || ip.is_link_local() || a >= 224 {
        Scope::Special
    } else if ip.is_private() || shared {
        Scope::Private
    } else {
        Scope::Public
    }
}

fn of_v6(ip: Ipv6Addr) -> Scope {
    let [first, ..] = ip.segments();
    let link_local = first & 0xFFC0 == 0xFE80;
    let site_local = first & 0xFFC0 == 0xFEC0;
    if ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || link_local {
        Scope::Special
    } else if site_local || ip.is_unique_local() {
        Scope::Private
    } else {
        Scope::Public
    }
}

/// The IPv4 address inside one that is IPv4-compatible, of NAT64 (RFC 6052) or of 6to4 (RFC 3056).
const fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match ip.segments() {
        // `::` and `::1` are no IPv4 addresses.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => return None,
        [0, 0, 0, 0, 0, 0, high, low] | [0x64, 0xFF9B, 0, 0, 0, 0, high, low] => (high, low),
        [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Some(Ipv4Addr::new(a, b, c, d))
}

/// Whether two addresses are one, an IPv4 address mapped into IPv6 or not.
pub(crate) fn same(a: SocketAddr, b: SocketAddr) -> bool {
    a.ip().to_canonical() == b.ip().to_canonical() && a.port() == b.port()
}

#[cfg(test)]
mod tests {
    use super::*;

    // req: S-63
    #[test]
    fn an_address_is_as_narrow_as_the_one_inside_it() {
        let scope = |text: &str| Scope::of(text.parse().expect("an address"));
        for special in [
            "0.0.0.0",
            "127.0.0.1",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::1",
        ] {
            assert_eq!(scope(special), Scope::Special, "{special}");
        }
        for private in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "fd00::1",
            "fec0::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
        ] {
            assert_eq!(scope(private), Scope::Private, "{private}");
        }
        for public in ["1.1.1.1", "100.128.0.1", "2001:4860::1", "64:ff9b::101:101"] {
            assert_eq!(scope(public), Scope::Public, "{public}");
        }
    }
}
