//! What a server answers, and how often: [`ServerConfig`], [`DiscoveryAddresses`].

use core::net::{IpAddr, SocketAddr};
use proto_core::Rate;

/// What a [`BindingServer`](super::BindingServer) does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The seed of the secret by which sources are spread over the table of rates.
    pub seed: [u8; 32],
    /// The four addresses of NAT behaviour discovery (RFC 5780); `None`, the default, serves Binding alone.
    ///
    /// With them answers get longer (up to 68 bytes over IPv4 for 20) and may go to another port than they were asked
    /// from, so a server for the public should know that it wants it.
    pub discovery: Option<DiscoveryAddresses>,
    /// Answers per source prefix over UDP. Default: 10 a second, 20 at once.
    pub replies: Rate,
    /// Answers with CHANGE-REQUEST, RESPONSE-PORT or PADDING per source prefix. Default: 10 a second, 20 at once.
    pub reflections: Rate,
    /// Answers over UDP in all. Default: 50,000 a second and at once.
    pub total: Rate,
    /// Whether a request over UDP without FINGERPRINT is dropped, which makes blind reflection dearer. Default: no.
    pub require_fingerprint: bool,
    /// Whether clients of RFC 3489, which send no magic cookie, are answered. Default: no.
    pub accept_classic: bool,
}

impl ServerConfig {
    /// The defaults with this seed.
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            discovery: None,
            replies: Rate::new(10, 20),
            reflections: Rate::new(10, 20),
            total: Rate::new(50_000, 50_000),
            require_fingerprint: false,
            accept_classic: false,
        }
    }
}

/// Two IP addresses and two ports, of which all four pairs are sockets of the server (RFC 5780 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscoveryAddresses {
    ips: [IpAddr; 2],
    ports: [u16; 2],
}

/// Why two addresses cannot serve NAT behaviour discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryAddressesError {
    /// Both have one IP address.
    #[error("NAT discovery needs two different IP addresses")]
    SameIp,
    /// Both have one port.
    #[error("NAT discovery needs two different ports")]
    SamePort,
    /// One is IPv4 and the other IPv6.
    #[error("NAT discovery needs two addresses of one family")]
    MixedFamilies,
    /// One is a wildcard or has port 0: clients are told these addresses.
    #[error("NAT discovery needs addresses and ports that are stated, not wildcards")]
    Unspecified,
}

impl DiscoveryAddresses {
    /// The addresses made of `primary` and `alternate`.
    ///
    /// # Errors
    /// [`DiscoveryAddressesError`] unless they differ in IP address and in port, are of one family, and no wildcards.
    pub fn new(
        primary: SocketAddr,
        alternate: SocketAddr,
    ) -> Result<Self, DiscoveryAddressesError> {
        use DiscoveryAddressesError as Error;
        let both = [primary, alternate];
        if both
            .iter()
            .any(|a| a.ip().is_unspecified() || a.port() == 0)
        {
            return Err(Error::Unspecified);
        }
        if primary.is_ipv4() != alternate.is_ipv4() {
            return Err(Error::MixedFamilies);
        }
        if primary.ip() == alternate.ip() {
            return Err(Error::SameIp);
        }
        if primary.port() == alternate.port() {
            return Err(Error::SamePort);
        }
        Ok(Self {
            ips: both.map(|address| address.ip()),
            ports: both.map(|address| address.port()),
        })
    }

    /// The four addresses to bind sockets to: the primary one first, its other port, its other address, both others.
    #[must_use]
    pub fn sockets(&self) -> [SocketAddr; 4] {
        let [a, b] = self.ips;
        let [p, q] = self.ports;
        [(a, p), (a, q), (b, p), (b, q)].map(SocketAddr::from)
    }

    /// `local` with the other IP address, the other port, or both; `None` if it is none of the four.
    pub(super) fn changed(&self, local: SocketAddr, ip: bool, port: bool) -> Option<SocketAddr> {
        let i = self.ips.iter().position(|ip| *ip == local.ip())?;
        let p = self.ports.iter().position(|port| *port == local.port())?;
        let new_ip = self.ips.get(i ^ usize::from(ip))?;
        let new_port = self.ports.get(p ^ usize::from(port))?;
        Some(SocketAddr::new(*new_ip, *new_port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    // req: N-2
    #[test]
    fn each_change_leads_to_the_stated_socket() {
        let addresses =
            DiscoveryAddresses::new(address("192.0.2.1:3478"), address("192.0.2.2:3479"));
        let addresses = addresses.expect("two of each");
        for local in addresses.sockets() {
            let changed = |ip, port| addresses.changed(local, ip, port).expect("one of four");
            assert_eq!(changed(false, false), local);
            assert_ne!(changed(true, false).ip(), local.ip());
            assert_eq!(changed(true, false).port(), local.port());
            assert_eq!(changed(false, true).ip(), local.ip());
            assert_ne!(changed(false, true).port(), local.port());
            assert_ne!(changed(true, true).ip(), local.ip());
            assert_ne!(changed(true, true).port(), local.port());
        }
        assert_eq!(
            addresses.changed(address("192.0.2.3:3478"), true, true),
            None
        );
    }

    #[test]
    fn addresses_that_cannot_serve_are_refused_with_the_reason() {
        use DiscoveryAddressesError as Error;
        let refused = |a: &str, b: &str| DiscoveryAddresses::new(address(a), address(b)).err();
        assert_eq!(refused("192.0.2.1:1", "192.0.2.1:2"), Some(Error::SameIp));
        assert_eq!(refused("192.0.2.1:1", "192.0.2.2:1"), Some(Error::SamePort));
        assert_eq!(
            refused("192.0.2.1:1", "[2001:db8::1]:2"),
            Some(Error::MixedFamilies)
        );
        assert_eq!(
            refused("0.0.0.0:1", "192.0.2.1:2"),
            Some(Error::Unspecified)
        );
        assert_eq!(
            refused("192.0.2.2:0", "192.0.2.1:2"),
            Some(Error::Unspecified)
        );
    }
}
