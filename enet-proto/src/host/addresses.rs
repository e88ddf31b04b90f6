//! Who is connected from where: [`AddressBook`].

use crate::wire::ConnectId;
use alloc::collections::BTreeMap;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What counts as one address: an IPv4 address, or the /64 of an IPv6 one; nothing for loopback, which is exempt.
pub(super) fn prefix(address: SocketAddr) -> Option<IpAddr> {
    match address.ip().to_canonical() {
        ip if ip.is_loopback() => None,
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Some(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
        }
        ip @ IpAddr::V4(_) => Some(ip),
    }
}

/// The half-open and complete connections by address.
#[derive(Debug, Default)]
pub(super) struct AddressBook {
    /// Our number for each connection.
    numbers: BTreeMap<(SocketAddr, ConnectId), u16>,
    counts: BTreeMap<IpAddr, Count>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    half_open: usize,
    peers: usize,
}

impl AddressBook {
    /// Our number for the connection with this address and connect ID.
    pub(super) fn number(&self, address: SocketAddr, connect_id: ConnectId) -> Option<u16> {
        self.numbers.get(&(address, connect_id)).copied()
    }

    /// Whether there is any connection with `address`.
    pub(super) fn knows(&self, address: SocketAddr) -> bool {
        let first = (address, ConnectId([0; 4]));
        let last = (address, ConnectId([0xff; 4]));
        self.numbers.range(first..=last).next().is_some()
    }

    /// How many half-open and complete connections come from the same address.
    pub(super) fn count(&self, address: SocketAddr) -> (usize, usize) {
        let count = prefix(address).and_then(|prefix| self.counts.get(&prefix));
        count.map_or((0, 0), |count| (count.half_open, count.peers))
    }

    pub(super) fn add_half_open(
        &mut self,
        address: SocketAddr,
        connect_id: ConnectId,
        number: u16,
    ) {
        self.numbers.insert((address, connect_id), number);
        if let Some(prefix) = prefix(address) {
            self.counts.entry(prefix).or_default().half_open += 1;
        }
    }

    pub(super) fn add_peer(&mut self, address: SocketAddr, connect_id: ConnectId, number: u16) {
        self.numbers.insert((address, connect_id), number);
        if let Some(prefix) = prefix(address) {
            self.counts.entry(prefix).or_default().peers += 1;
        }
    }

    pub(super) fn remove_half_open(&mut self, address: SocketAddr, connect_id: ConnectId) {
        self.remove(address, connect_id, |count| count.half_open -= 1);
    }

    pub(super) fn remove_peer(&mut self, address: SocketAddr, connect_id: ConnectId) {
        self.remove(address, connect_id, |count| count.peers -= 1);
    }

    fn remove(&mut self, address: SocketAddr, connect_id: ConnectId, less: fn(&mut Count)) {
        self.numbers.remove(&(address, connect_id));
        let Some(prefix) = prefix(address) else {
            return;
        };
        if let Some(count) = self.counts.get_mut(&prefix) {
            less(count);
            if count.half_open + count.peers == 0 {
                self.counts.remove(&prefix);
            }
        }
    }
}
