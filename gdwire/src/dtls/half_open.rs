//! Counts of the sessions that have proven no use yet: [`HalfOpen`].

use core::net::{IpAddr, SocketAddr};
use std::collections::HashMap;

/// How many sessions have no ENet connection yet, in all and by network.
#[derive(Debug, Default)]
pub(super) struct HalfOpen {
    total: usize,
    by_network: HashMap<IpAddr, usize>,
}

impl HalfOpen {
    /// Those of the network of `address`.
    pub(super) fn of(&self, address: SocketAddr) -> usize {
        let count = self.by_network.get(&network(address));
        count.copied().unwrap_or(0)
    }

    pub(super) const fn total(&self) -> usize {
        self.total
    }

    pub(super) fn add(&mut self, address: SocketAddr) {
        self.total += 1;
        *self.by_network.entry(network(address)).or_default() += 1;
    }

    pub(super) fn remove(&mut self, address: SocketAddr) {
        self.total -= 1;
        let network = network(address);
        if let Some(count) = self.by_network.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.by_network.remove(&network);
            }
        }
    }
}

/// Whoever has one address of IPv6 has 64 bits of them.
fn network(address: SocketAddr) -> IpAddr {
    match address.ip().to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
        ip @ IpAddr::V4(_) => ip,
    }
}
