//! The ENet hosts of one machine: [`Hosts`].

use alloc::vec::Vec;
use enet_proto::{Event, Host, PeerKey, PeerView};
use proto_core::Instant;

/// Names a connection of any host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LinkKey {
    /// The number of the host, counted from 0.
    pub(super) listener: usize,
    pub(super) peer: PeerKey,
}

impl LinkKey {
    /// The key of a connection of the first host.
    pub(super) const fn first(peer: PeerKey) -> Self {
        Self { listener: 0, peer }
    }
}

/// Hosts that share a session; there is always one.
#[derive(Debug)]
pub(super) struct Hosts {
    pub(super) first: Host,
    more: Vec<Host>,
    /// The host whose events come next, so that a busy one does not hold up the others.
    turn: usize,
}

impl Hosts {
    pub(super) const fn new(first: Host, more: Vec<Host>) -> Self {
        Self {
            first,
            more,
            turn: 0,
        }
    }

    pub(super) const fn len(&self) -> usize {
        1 + self.more.len()
    }

    pub(super) fn get(&self, listener: usize) -> Option<&Host> {
        match listener.checked_sub(1) {
            None => Some(&self.first),
            Some(index) => self.more.get(index),
        }
    }

    pub(super) fn get_mut(&mut self, listener: usize) -> Option<&mut Host> {
        match listener.checked_sub(1) {
            None => Some(&mut self.first),
            Some(index) => self.more.get_mut(index),
        }
    }

    /// The host of a connection; the first for one that no host has, to which the key means nothing.
    pub(super) fn of(&mut self, key: LinkKey) -> &mut Host {
        match key.listener.checked_sub(1) {
            Some(index) if index < self.more.len() => &mut self.more[index],
            _ => &mut self.first,
        }
    }

    pub(super) fn peer(&self, key: LinkKey) -> Option<PeerView<'_>> {
        self.get(key.listener)?.peer(key.peer)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Host> {
        core::iter::once(&self.first).chain(&self.more)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Host> {
        core::iter::once(&mut self.first).chain(&mut self.more)
    }

    /// The next event of any host, and of which.
    pub(super) fn poll_event(&mut self) -> Option<(usize, Event)> {
        for _ in 0..self.len() {
            let listener = self.turn;
            if let Some(event) = self.get_mut(listener).and_then(Host::poll_event) {
                return Some((listener, event));
            }
            self.turn = (listener + 1) % self.len();
        }
        None
    }

    /// When any host has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.iter().filter_map(Host::poll_timeout).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.iter_mut().for_each(|host| host.handle_timeout(now));
    }

    /// Whether no connection is left, not even one that is being ended.
    pub(super) fn are_silent(&self) -> bool {
        self.iter().all(|host| host.peers().next().is_none())
    }

    /// Ends all connections at once.
    pub(super) fn disconnect_all_now(&mut self) {
        for host in self.iter_mut() {
            let keys: Vec<_> = host.peers().collect();
            for key in keys {
                host.disconnect_now(key, 0);
            }
        }
    }
}
