//! [`Server`]: the server of a Godot game, peer 1.

use super::commands::session_commands;
use super::config::{ConfigError, Refusal, ServerConfig};
use super::enet_session::EnetSession;
use super::event::{Event, RefusalReason};
use super::hosts::{Hosts, LinkKey};
use core::net::SocketAddr;
use enet_proto::{Admission, DropReason, Host, PeerStats, RequestKey};
use proto_core::{Handled, Instant, SeedRng, Transmit};
use replication_proto::{PeerId, Role, Session};

/// A server for unmodified Godot clients: `ENetMultiplayerPeer` and `SceneMultiplayer` in one sans-IO machine.
///
/// The caller moves the datagrams and tells the time; [`drive`](crate::drive) has loops that do both.
///
/// | call | when | it may change |
/// | --- | --- | --- |
/// | [`handle_datagram`](Self::handle_datagram) | a datagram arrived | all polls |
/// | [`handle_timeout`](Self::handle_timeout) | at `poll_timeout`, or earlier, or twice | all polls |
/// | commands | at any time | all polls |
/// | [`poll_event`](Self::poll_event) | until `None`, after each of the above | `poll_transmit`, `poll_timeout` |
/// | [`poll_transmit`](Self::poll_transmit) | until `None`, after the events | `poll_timeout` |
/// | [`poll_timeout`](Self::poll_timeout) | last: sleep until then | nothing |
///
/// One ENet host has at most 4,095 peers. For more, [`ServerConfig::listeners`] makes several behind one server, each
/// with a socket on a port or an address of its own: the game sees one table of peers and one stream of events, and
/// broadcasts, relay and visibility reach all. The doors for them are
/// [`handle_datagram_at`](Self::handle_datagram_at) and [`poll_transmit_at`](Self::poll_transmit_at). A client has to
/// be told its port: a full listener is as silent as a full ENet host. Give the game a list of ports, of which each
/// client tries one after the other from a random one on.
///
/// Events are polled first because taking them makes room: while 64 events wait, further packets stay in the ENet
/// host, under its limits, and remotes are told to slow down by its windows. No call blocks, panics, or reads a clock.
#[derive(Debug)]
pub struct Server {
    pub(super) link: EnetSession,
    /// DTLS, for each listener; empty without.
    #[cfg(feature = "dtls")]
    pub(super) guards: Vec<super::secure::Guard>,
    refusal: Refusal,
    admission: NewClients,
    stats: ServerStats,
}

/// Whether clients may join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NewClients {
    Accepted,
    Refused,
    /// Refused for ever: the server closes.
    Closing,
}

/// Counters of a server beside those of its two parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Clients refused because no new ones are accepted.
    pub refused_closed: u64,
    /// Clients refused for an id that is not 2 to 2³¹ − 1.
    pub refused_illegal_id: u64,
    /// Clients refused for the id of another client.
    pub refused_taken_id: u64,
}

impl Server {
    /// Bytes that [`Server::poll_transmit`] needs for a datagram.
    pub const BUFFER: usize = Host::BUFFER;
    /// Most listeners of a server.
    pub const MAX_LISTENERS: usize = 16;

    /// A server that accepts clients.
    ///
    /// # Errors
    /// A setting is out of its range, or the session is not that of a server.
    pub fn new(config: ServerConfig) -> Result<Self, ConfigError> {
        if config.session.role != Role::Server {
            return Err(ConfigError::Role);
        }
        let count = config.listeners;
        if !(1..=Self::MAX_LISTENERS).contains(&count) {
            return Err(ConfigError::Listeners(count));
        }
        let mut enet = config.enet;
        enet.admission = Admission::Deferred;
        #[cfg(feature = "dtls")]
        let guards = match &config.dtls {
            Some(settings) => {
                let mut seeds = super::secure::prepare(&mut enet);
                let guards = (0..count).map(|_| super::secure::Guard::new(settings, &mut seeds));
                guards.collect::<Result<_, _>>()?
            }
            None => Vec::new(),
        };
        let mut seeds = SeedRng::new(enet.seed);
        let more = (1..count).map(|_| {
            let mut enet = enet.clone();
            enet.seed = seeds.split();
            Host::new(enet)
        });
        let more = more.collect::<Result<_, _>>()?;
        let mut session = config.session;
        session.limits.peers = session.limits.peers.saturating_mul(count);
        let hosts = Hosts::new(Host::new(enet)?, more);
        let link = EnetSession::new(hosts, Session::new(session)?);
        Ok(Self {
            link,
            #[cfg(feature = "dtls")]
            guards,
            refusal: config.refusal,
            admission: NewClients::Accepted,
            stats: ServerStats::default(),
        })
    }

    /// Takes in a datagram that came from `from`.
    ///
    /// [`Handled::NotMine`] means that it cannot be ENet for this server: offer it to whoever shares the socket. All
    /// else was used or counted.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<DropReason> {
        self.handle_datagram_at(0, now, from, data)
    }

    /// The same for the socket of a listener, counted from 0; one that is not there has nothing.
    pub fn handle_datagram_at(
        &mut self,
        listener: usize,
        now: Instant,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<DropReason> {
        let now = self.link.advance(now);
        #[cfg(feature = "dtls")]
        if !self.guards.is_empty() {
            return self.handle_record(listener, now, from, data);
        }
        let Some(host) = self.link.hosts.get_mut(listener) else {
            return Handled::NotMine;
        };
        let handled = host.handle_datagram(now, from, data);
        self.pump();
        handled
    }

    /// Does what is due at `now`; early or repeated calls change nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.link.advance(now);
        self.link.hosts.handle_timeout(now);
        self.link.session.handle_timeout(now);
        self.link.settle();
        self.pump();
        #[cfg(feature = "dtls")]
        for listener in 0..self.guards.len() {
            self.guards[listener].handle_timeout(now);
            self.on_sessions_ended(listener);
        }
    }

    /// Writes the next datagram into `buffer`.
    ///
    /// # Panics
    /// If `buffer` has less than [`Server::BUFFER`] bytes.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        self.poll_transmit_at(0, now, buffer)
    }

    /// The same for the socket of a listener, counted from 0.
    ///
    /// # Panics
    /// If `buffer` has less than [`Server::BUFFER`] bytes.
    pub fn poll_transmit_at(
        &mut self,
        listener: usize,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<Transmit> {
        let now = self.link.advance(now);
        self.link.settle();
        #[cfg(feature = "dtls")]
        if !self.guards.is_empty() {
            let transmit = self.poll_sealed(listener, now, buffer);
            self.on_sessions_ended(listener);
            return transmit;
        }
        let host = self.link.hosts.get_mut(listener)?;
        host.poll_transmit(now, buffer)
    }

    /// When to call [`Server::handle_timeout`] next; `None` if nothing is due ever.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timeout = self.link.poll_timeout();
        #[cfg(feature = "dtls")]
        let timeout = {
            let guards = self.guards.iter().filter_map(|guard| guard.poll_timeout());
            timeout.into_iter().chain(guards).min()
        };
        timeout
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.link.settle();
        if let Some(event) = self.link.pop() {
            return Some(event);
        }
        self.pump();
        self.link.pop()
    }

    session_commands!();

    /// Takes a peer, admitted or not, out of the game. What was sent to it before still arrives.
    ///
    /// Its last event follows at once; ENet says goodbye in the background.
    pub fn disconnect_peer(&mut self, peer: PeerId) {
        self.link.session.disconnect_peer(peer);
        self.link.settle();
    }

    /// Takes a peer out at once: nothing more is sent to it but one DISCONNECT that is not repeated.
    pub fn disconnect_peer_now(&mut self, peer: PeerId) {
        self.link.disconnect_now(peer);
    }

    /// Refuses clients that want to join, until [`Server::accept_new_connections`].
    pub fn refuse_new_connections(&mut self) {
        if self.admission == NewClients::Accepted {
            self.admission = NewClients::Refused;
        }
    }

    /// Accepts clients again.
    pub fn accept_new_connections(&mut self) {
        if self.admission == NewClients::Refused {
            self.admission = NewClients::Accepted;
        }
    }

    /// Ends the game: no client joins any more, and those who are there are disconnected after what was sent to them.
    ///
    /// Go on driving the server until [`Server::is_closed`]; a client that does not answer takes until its timeout,
    /// or until [`Server::close_now`].
    pub fn close(&mut self) {
        self.admission = NewClients::Closing;
        let peers: Vec<_> = self.link.links.ids().collect();
        for peer in peers {
            self.disconnect_peer(peer);
        }
    }

    /// Ends the game at once, as Godot's `close` does: each client gets one DISCONNECT that is not repeated.
    pub fn close_now(&mut self) {
        self.close();
        self.link.hosts.disconnect_all_now();
    }

    /// Whether the server was closed, nobody is left, and every event was taken.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        #[cfg(feature = "dtls")]
        if self.guards.iter().any(|guard| !guard.is_silent()) {
            return false;
        }
        self.is_closing() && self.link.is_silent() && !self.link.has_events()
    }

    pub(super) fn is_closing(&self) -> bool {
        self.admission == NewClients::Closing
    }

    /// The peers in the game, in the order in which they joined.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.link.session.peers()
    }

    /// How many sockets the server has.
    #[must_use]
    pub const fn listeners(&self) -> usize {
        self.link.hosts.len()
    }

    /// The listener that a peer came to, counted from 0.
    #[must_use]
    pub fn peer_listener(&self, peer: PeerId) -> Option<usize> {
        Some(self.link.links.key(peer)?.listener)
    }

    /// Where a peer is.
    #[must_use]
    pub fn peer_address(&self, peer: PeerId) -> Option<SocketAddr> {
        let key = self.link.links.key(peer)?;
        Some(self.link.hosts.peer(key)?.address())
    }

    /// The figures of a peer's connection.
    #[must_use]
    pub fn peer_stats(&self, peer: PeerId) -> Option<PeerStats> {
        self.link.peer_stats(peer)
    }

    /// Counters of the server itself.
    #[must_use]
    pub const fn stats(&self) -> ServerStats {
        self.stats
    }

    /// Counters of DTLS, of all listeners together; zero without DTLS.
    #[cfg(feature = "dtls")]
    #[must_use]
    pub fn dtls_stats(&self) -> crate::dtls::DtlsStats {
        let mut sum = crate::dtls::DtlsStats::default();
        self.guards.iter().for_each(|guard| sum.add(guard.stats()));
        sum
    }

    /// The ENet part, to look at: counters, connections; of the first listener if there are more.
    #[must_use]
    pub const fn enet(&self) -> &Host {
        &self.link.hosts.first
    }

    /// The ENet part of a listener, counted from 0.
    #[must_use]
    pub fn enet_at(&self, listener: usize) -> Option<&Host> {
        self.link.hosts.get(listener)
    }

    /// The session part, to look at: nodes, peers, counters.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.link.session
    }

    /// Lets the session see what the host has.
    pub(super) fn pump(&mut self) {
        while let Some((listener, event)) = self.link.poll_host() {
            self.on_host_event(listener, event);
        }
    }

    fn on_host_event(&mut self, listener: usize, event: enet_proto::Event) {
        use enet_proto::Event as Enet;
        let key = |peer| LinkKey { listener, peer };
        match event {
            Enet::ConnectRequested {
                request,
                address,
                data,
                ..
            } => self.on_connect_requested(listener, request, address, data),
            Enet::Connected { peer, data } => self.on_connected(key(peer), data),
            Enet::Received {
                peer,
                channel,
                flags,
                payload,
            } => self.link.on_received(key(peer), channel, flags, payload),
            Enet::Disconnected { peer, reason } => {
                #[cfg(feature = "dtls")]
                self.on_session_left(listener);
                self.link.on_disconnected(key(peer), reason.into());
            }
            _ => {}
        }
    }

    /// Judges a client before it hears anything.
    fn on_connect_requested(
        &mut self,
        listener: usize,
        request: RequestKey,
        address: SocketAddr,
        data: u32,
    ) {
        let verdict = self.judge(data);
        if let Err(reason) = verdict {
            self.on_refused(address, data, reason);
        }
        let now = self.link.now;
        let Some(host) = self.link.hosts.get_mut(listener) else {
            return;
        };
        // A request that has expired meanwhile needs no answer.
        let _ = match (verdict, self.refusal) {
            (Ok(_), _) => host.accept(now, request),
            (Err(_), Refusal::Disconnect) => host.refuse(request, 0),
            (Err(_), Refusal::Silence) => host.ignore(request),
        };
    }

    /// A handshake is complete; somebody may have been faster with the same id.
    fn on_connected(&mut self, key: LinkKey, data: u32) {
        #[cfg(feature = "dtls")]
        self.on_session_used(key);
        match self.judge(data) {
            Ok(id) => self.link.on_connected(key, id),
            Err(reason) => {
                if let Some(peer) = self.link.hosts.peer(key) {
                    let address = peer.address();
                    self.on_refused(address, data, reason);
                }
                self.link.hosts.of(key).disconnect_now(key.peer, 0);
            }
        }
    }

    /// The id that a client gets which gave `data`.
    fn judge(&self, data: u32) -> Result<PeerId, RefusalReason> {
        if self.admission != NewClients::Accepted {
            return Err(RefusalReason::Closed);
        }
        // req: HE-7
        let id = PeerId::of_client(data).ok_or(RefusalReason::IllegalId)?;
        match self.link.links.key(id) {
            None => Ok(id),
            Some(_) => Err(RefusalReason::TakenId),
        }
    }

    fn on_refused(&mut self, address: SocketAddr, data: u32, reason: RefusalReason) {
        let count = match reason {
            RefusalReason::Closed => &mut self.stats.refused_closed,
            RefusalReason::IllegalId => &mut self.stats.refused_illegal_id,
            RefusalReason::TakenId => &mut self.stats.refused_taken_id,
        };
        *count = count.saturating_add(1);
        self.link.push(Event::Refused {
            address,
            data,
            reason,
        });
    }
}
