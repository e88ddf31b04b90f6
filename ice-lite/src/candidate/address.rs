//! Which addresses may be candidates at all: [`judge`].

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Why an address is never a candidate (RFC 8445 section 5.1.1.1 and common sense).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Forbidden {
    /// 0.0.0.0 or ::.
    #[error("the address is unspecified")]
    Unspecified,
    /// It leads back to the host; allowed by a switch, for tests.
    #[error("the address is a loopback address")]
    Loopback,
    /// It has many receivers.
    #[error("the address is a multicast address")]
    Multicast,
    /// 255.255.255.255.
    #[error("the address is the broadcast address")]
    Broadcast,
    /// ::ffff:a.b.c.d, which is an IPv4 address in disguise.
    #[error("the address is an IPv4-mapped IPv6 address")]
    V4Mapped,
    /// ::a.b.c.d or fec0::/10, both out of use.
    #[error("the address is of a kind that is out of use")]
    Deprecated,
    /// Port 0 cannot be a destination.
    #[error("the port is 0")]
    PortZero,
    /// The caller's filter said no.
    #[error("the filter refuses the address")]
    Filtered,
}

/// Whether a candidate may be at `address`; `loopback` allows loopback addresses.
///
/// # Errors
/// Why not.
pub fn judge(address: SocketAddr, loopback: Loopback) -> Result<(), Forbidden> {
    let ip = address.ip();
    if ip.is_unspecified() {
        return Err(Forbidden::Unspecified);
    }
    if ip.is_multicast() {
        return Err(Forbidden::Multicast);
    }
    match ip {
        IpAddr::V4(ip) if ip.is_broadcast() => return Err(Forbidden::Broadcast),
        IpAddr::V6(ip) => judge_v6(ip)?,
        IpAddr::V4(_) => {}
    }
    if ip.is_loopback() && loopback == Loopback::Forbidden {
        return Err(Forbidden::Loopback);
    }
    if address.port() == 0 {
        return Err(Forbidden::PortZero);
    }
    Ok(())
}

fn judge_v6(ip: Ipv6Addr) -> Result<(), Forbidden> {
    if ip.to_ipv4_mapped().is_some() {
        return Err(Forbidden::V4Mapped);
    }
    let segments = ip.segments();
    let compatible = segments.iter().take(6).all(|&segment| segment == 0) && !ip.is_loopback();
    let site_local = segments[0] & 0xffc0 == 0xfec0;
    if compatible || site_local {
        return Err(Forbidden::Deprecated);
    }
    Ok(())
}

/// Whether loopback addresses may be candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "yes or no, with a name")]
pub enum Loopback {
    /// They may, for tests on one machine.
    Allowed,
    /// They may not.
    Forbidden,
}

/// Whether `ip` works only on its own link.
pub(crate) const fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(ip) => ip.segments()[0] & 0xffc0 == 0xfe80,
    }
}

/// Whether packets from one address can go to the other: one family, and link-local only among themselves.
pub(crate) fn can_pair(local: IpAddr, remote: IpAddr) -> bool {
    local.is_ipv4() == remote.is_ipv4() && is_link_local(local) == is_link_local(remote)
}

/// Whether both are on what is likely one local network: private or link-local, with one /24 or /64.
pub(crate) fn same_subnet(one: IpAddr, other: IpAddr) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            one.is_private() && one.octets()[..3] == other.octets()[..3]
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => one.segments()[..4] == other.segments()[..4],
        _ => false,
    }
}

/// Whether the address is more than a local network's: neither private (RFC 1918, RFC 4193), shared (RFC 6598), link-local
/// nor loopback.
pub(crate) const fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let shared = first == 100 && second & 0xc0 == 64;
            !(ip.is_private() || ip.is_link_local() || ip.is_loopback() || shared)
        }
        IpAddr::V6(ip) => !(ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback()),
    }
}

/// The address without scope and flow label, which differ between what is told and what is seen.
pub(crate) const fn plain(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => address,
        SocketAddr::V6(v6) => SocketAddr::new(IpAddr::V6(*v6.ip()), v6.port()),
    }
}

/// Whether both are one address, whatever their scopes and flow labels.
pub(crate) fn same(one: &SocketAddr, other: &SocketAddr) -> bool {
    match (one, other) {
        (SocketAddr::V4(one), SocketAddr::V4(other)) => one == other,
        (SocketAddr::V6(one), SocketAddr::V6(other)) => {
            one.ip() == other.ip() && one.port() == other.port()
        }
        _ => false,
    }
}
