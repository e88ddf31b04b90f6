//! DTLS between the sockets and the ENet hosts of a machine.

use super::client::Client;
use super::config::ConfigError;
use super::event::{DisconnectReason, Event};
use super::hosts::{Hosts, LinkKey};
use super::server::Server;
use crate::dtls::{
    Connection, DtlsClient, DtlsFailure, DtlsServer, DtlsStats, Ended, Listener, OVERHEAD, Received,
};
use core::net::SocketAddr;
use enet_proto::{DropReason, Host};
use proto_core::{Handled, Instant, SeedRng, Transmit};

/// The smallest MTU of ENet.
const MINIMUM_MTU: u16 = 576;

/// Takes seeds for DTLS out of that of ENet, and makes room in its datagrams.
pub(super) fn prepare(enet: &mut enet_proto::Config) -> SeedRng {
    let mut seeds = SeedRng::new(enet.seed);
    enet.seed = seeds.split();
    // A value out of range is ENet's to refuse.
    if enet.mtu_bytes >= MINIMUM_MTU {
        enet.mtu_bytes = enet.mtu_bytes.saturating_sub(OVERHEAD).max(MINIMUM_MTU);
    }
    seeds
}

/// DTLS at one socket of a server.
#[derive(Debug)]
pub(super) struct Guard {
    listener: Listener,
    /// ENet connections when last looked.
    connected: usize,
    /// Whether a connection has ended since.
    is_stale: bool,
    scratch: Vec<u8>,
}

impl Guard {
    pub(super) fn new(settings: &DtlsServer, seeds: &mut SeedRng) -> Result<Self, ConfigError> {
        let listener = Listener::new(settings.clone(), seeds.split());
        Ok(Self {
            listener: listener.map_err(|_| ConfigError::Dtls)?,
            connected: 0,
            is_stale: false,
            scratch: vec![0; Host::BUFFER],
        })
    }

    pub(super) const fn stats(&self) -> &DtlsStats {
        self.listener.stats()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.listener.poll_timeout()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.listener.handle_timeout(now);
    }

    pub(super) fn is_silent(&self) -> bool {
        self.listener.is_silent()
    }

    /// Ends the sessions that are of no use any more; tells whether it looked for them.
    fn sweep(&mut self, now: Instant, host: &Host, is_over: bool) -> bool {
        if is_over && !self.listener.is_silent() {
            self.listener.close_all(now);
            return true;
        }
        let connected = host.connected_peers();
        let has_fewer = connected < self.connected;
        self.connected = connected;
        if !has_fewer && !self.is_stale && !self.listener.has_doubts() {
            return false;
        }
        self.is_stale = false;
        let addresses = host
            .peers()
            .filter_map(|key| Some(host.peer(key)?.address()));
        self.listener.sweep(now, &addresses.collect());
        true
    }
}

/// The connections of `host` with `address`.
fn connections(hosts: &Hosts, listener: usize, address: SocketAddr) -> Vec<LinkKey> {
    let Some(host) = hosts.get(listener) else {
        return Vec::new();
    };
    let keys = host.peers().filter(|key| {
        let peer = host.peer(*key);
        peer.is_some_and(|peer| peer.address() == address)
    });
    keys.map(|peer| LinkKey { listener, peer }).collect()
}

const fn reason(failure: DtlsFailure) -> DisconnectReason {
    match failure {
        DtlsFailure::Closed => DisconnectReason::Remote,
        failure => DisconnectReason::Dtls(failure),
    }
}

const fn verdict(received: Received) -> Handled<DropReason> {
    match received {
        Received::NotDtls => Handled::NotMine,
        Received::Dropped => Handled::Dropped(DropReason::NotConnected),
        Received::Used => Handled::Consumed,
    }
}

impl Server {
    /// Takes in a datagram that came to a socket with DTLS.
    pub(super) fn handle_record(
        &mut self,
        listener: usize,
        now: Instant,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<DropReason> {
        let host = self.link.hosts.get_mut(listener);
        let (Some(guard), Some(host)) = (self.guards.get_mut(listener), host) else {
            return Handled::NotMine;
        };
        let take = &mut |plain: &[u8]| {
            // The host counts what it drops.
            let _ = host.handle_datagram(now, from, plain);
        };
        let received = guard.listener.handle_datagram(now, from, data, take);
        self.pump();
        self.on_sessions_ended(listener);
        verdict(received)
    }

    /// Tells what became of sessions that ended by themselves.
    pub(super) fn on_sessions_ended(&mut self, listener: usize) {
        while let Some(end) = self
            .guards
            .get_mut(listener)
            .and_then(|guard| guard.listener.poll_end())
        {
            let Ended {
                address,
                failure,
                was_open,
            } = end;
            if !was_open {
                self.link
                    .push_if_room(Event::DtlsFailed { address, failure });
                continue;
            }
            for key in connections(&self.link.hosts, listener, address) {
                self.link.on_disconnected(key, reason(failure));
                self.link.hosts.of(key).reset(key.peer);
            }
        }
    }

    /// The session with a peer that has just connected has found its use.
    pub(super) fn on_session_used(&mut self, key: LinkKey) {
        let address = self.link.hosts.peer(key).map(|peer| peer.address());
        if let (Some(guard), Some(address)) = (self.guards.get_mut(key.listener), address) {
            guard.listener.use_session(address);
        }
    }

    /// A connection has ended, and its session may be of no use any more.
    pub(super) fn on_session_left(&mut self, listener: usize) {
        if let Some(guard) = self.guards.get_mut(listener) {
            guard.is_stale = true;
        }
    }

    /// Writes the next datagram of a socket with DTLS.
    pub(super) fn poll_sealed(
        &mut self,
        listener: usize,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<Transmit> {
        let is_over = self.is_closing() && self.link.is_silent();
        let guard = self.guards.get_mut(listener)?;
        let host = self.link.hosts.get_mut(listener)?;
        loop {
            if let Some(transmit) = guard.listener.poll_transmit(buffer) {
                return Some(transmit);
            }
            let Some(plain) = host.poll_transmit(now, &mut guard.scratch) else {
                if guard.sweep(now, host, is_over) {
                    continue;
                }
                return None;
            };
            let (destination, bytes) = (plain.destination, &guard.scratch[plain.bytes]);
            if let Some(transmit) = guard.listener.seal(destination, bytes, buffer) {
                return Some(transmit);
            }
        }
    }
}

/// DTLS of a client.
#[derive(Debug)]
pub(super) struct Tunnel {
    pub(super) connection: Connection,
    scratch: Vec<u8>,
}

impl Tunnel {
    pub(super) fn new(settings: DtlsClient, mut seeds: SeedRng) -> Result<Self, ConfigError> {
        let connection = Connection::new(settings, seeds.split());
        Ok(Self {
            connection: connection.map_err(|_| ConfigError::Dtls)?,
            scratch: vec![0; Host::BUFFER],
        })
    }
}

impl Client {
    /// Takes in a datagram that came with DTLS.
    pub(super) fn handle_record(
        &mut self,
        now: Instant,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<DropReason> {
        let Some(tunnel) = &mut self.tunnel else {
            return Handled::NotMine;
        };
        let host = &mut self.link.hosts.first;
        let take = &mut |plain: &[u8]| {
            // The host counts what it drops.
            let _ = host.handle_datagram(now, from, plain);
        };
        let received = tunnel.connection.handle_datagram(now, from, data, take);
        self.pump();
        self.on_session_ended();
        verdict(received)
    }

    /// Ends the attempt or the stay if the session ended by itself.
    pub(super) fn on_session_ended(&mut self) {
        let tunnel = self.tunnel.as_mut();
        let Some(failure) = tunnel.and_then(|tunnel| tunnel.connection.poll_end()) else {
            return;
        };
        let keys: Vec<_> = self.link.hosts.first.peers().collect();
        for peer in keys {
            self.on_ended(peer, reason(failure));
            self.link.hosts.first.reset(peer);
        }
    }

    /// Writes the next datagram with DTLS.
    pub(super) fn poll_sealed(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let tunnel = self.tunnel.as_mut()?;
        loop {
            if let Some(transmit) = tunnel.connection.poll_transmit(buffer) {
                return Some(transmit);
            }
            // ENet waits, so that its CONNECT is not lost and need not be repeated.
            if !tunnel.connection.is_open() {
                return None;
            }
            let host = &mut self.link.hosts.first;
            let Some(plain) = host.poll_transmit(now, &mut tunnel.scratch) else {
                if host.peers().next().is_some() {
                    return None;
                }
                tunnel.connection.close(now);
                continue;
            };
            let (destination, bytes) = (plain.destination, &tunnel.scratch[plain.bytes]);
            if let Some(transmit) = tunnel.connection.seal(destination, bytes, buffer) {
                return Some(transmit);
            }
        }
    }
}
