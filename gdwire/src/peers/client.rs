//! [`Client`]: a client of a Godot game.

use super::commands::session_commands;
use super::config::{ClientConfig, ConfigError, ConnectError};
use super::enet_session::EnetSession;
use super::event::{DisconnectReason, Event};
use super::hosts::{Hosts, LinkKey};
use core::net::SocketAddr;
use enet_proto::{Admission, DropReason, Host, PeerKey, PeerStats};
use proto_core::{Handled, Instant, Transmit};
use replication_proto::{PeerId, Role, Session};

/// A client for unmodified Godot servers: `ENetMultiplayerPeer` and `SceneMultiplayer` in one sans-IO machine.
///
/// It connects once. The doors, and the order in which to use them, are those of [`Server`](crate::Server); its last
/// event is `ConnectionFailed` or `Disconnected`.
#[derive(Debug)]
pub struct Client {
    pub(super) link: EnetSession,
    #[cfg(feature = "dtls")]
    pub(super) tunnel: Option<super::secure::Tunnel>,
    channel_count: u8,
    state: State,
    /// Set by `close`; the events that follow from it may still wait.
    is_leaving: bool,
    /// Given before anything else: the second of two events that one cause has.
    next: Option<Event>,
}

/// ```text
///  Idle ──connect──> Connecting ──PeerConnected(1)──> Joined
///                        │ failed                       │ ended
///                        └────────────> Over <──────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Connecting(PeerKey),
    Joined(PeerKey),
    Over,
}

impl Client {
    /// Bytes that [`Client::poll_transmit`] needs for a datagram.
    pub const BUFFER: usize = Host::BUFFER;

    /// A client that is not connected.
    ///
    /// # Errors
    /// A setting is out of its range, or the session is not that of a client.
    pub fn new(config: ClientConfig) -> Result<Self, ConfigError> {
        if config.session.role != Role::Client {
            return Err(ConfigError::Role);
        }
        let mut enet = config.enet;
        enet.max_peers = 1;
        // Nobody connects to a client: requests stay unanswered.
        enet.admission = Admission::Deferred;
        #[cfg(feature = "dtls")]
        let tunnel = match config.dtls {
            Some(settings) => {
                let seeds = super::secure::prepare(&mut enet);
                Some(super::secure::Tunnel::new(settings, seeds)?)
            }
            None => None,
        };
        let link = EnetSession::new(
            Hosts::new(Host::new(enet)?, Vec::new()),
            Session::new(config.session)?,
        );
        Ok(Self {
            link,
            #[cfg(feature = "dtls")]
            tunnel,
            channel_count: config.channel_count,
            state: State::Idle,
            is_leaving: false,
            next: None,
        })
    }

    /// Starts to connect to the server at `address`.
    ///
    /// # Errors
    /// The client was used before, or the address cannot be a server's.
    pub fn connect(&mut self, now: Instant, address: SocketAddr) -> Result<(), ConnectError> {
        if self.state != State::Idle || self.is_leaving {
            return Err(ConnectError::AlreadyUsed);
        }
        let now = self.link.advance(now);
        let channels = usize::from(self.channel_count);
        let data = self.id().value().unsigned_abs();
        match self.link.hosts.first.connect(now, address, channels, data) {
            Ok(key) => {
                #[cfg(feature = "dtls")]
                if let Some(tunnel) = &mut self.tunnel {
                    tunnel.connection.connect(now, address);
                }
                self.state = State::Connecting(key);
                Ok(())
            }
            Err(error) => Err(ConnectError::Enet { address, error }),
        }
    }

    /// Takes in a datagram that came from `from`.
    ///
    /// [`Handled::NotMine`] means that it cannot be ENet for this client: offer it to whoever shares the socket. All
    /// else was used or counted.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<DropReason> {
        let now = self.link.advance(now);
        #[cfg(feature = "dtls")]
        if self.tunnel.is_some() {
            return self.handle_record(now, from, data);
        }
        let handled = self.link.hosts.first.handle_datagram(now, from, data);
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
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.connection.handle_timeout(now);
            self.on_session_ended();
        }
    }

    /// Writes the next datagram into `buffer`.
    ///
    /// # Panics
    /// If `buffer` has less than [`Client::BUFFER`] bytes.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let now = self.link.advance(now);
        self.link.settle();
        #[cfg(feature = "dtls")]
        if self.tunnel.is_some() {
            let transmit = self.poll_sealed(now, buffer);
            self.on_session_ended();
            return transmit;
        }
        self.link.hosts.first.poll_transmit(now, buffer)
    }

    /// When to call [`Client::handle_timeout`] next; `None` if nothing is due ever.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timeout = self.link.poll_timeout();
        #[cfg(feature = "dtls")]
        let timeout = {
            let tunnel = self.tunnel.as_ref();
            let tunnel = tunnel.and_then(|tunnel| tunnel.connection.poll_timeout());
            timeout.into_iter().chain(tunnel).min()
        };
        timeout
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some(event) = self.next.take() {
            return Some(event);
        }
        if self.state == State::Over {
            return None;
        }
        self.link.settle();
        let event = match self.link.pop() {
            Some(event) => event,
            None => {
                self.pump();
                self.link.pop()?
            }
        };
        Some(self.translate(event))
    }

    session_commands!();

    /// Forgets a peer; for the server that is [`Client::close`].
    pub fn disconnect_peer(&mut self, peer: PeerId) {
        self.link.session.disconnect_peer(peer);
        self.link.settle();
    }

    /// Leaves the game, after what was sent before. The last event follows at once.
    ///
    /// Go on driving the client until [`Client::is_closed`]; a server that does not answer takes until the timeout, or
    /// until [`Client::close_now`].
    pub fn close(&mut self) {
        if self.is_leaving || self.state == State::Over {
            return;
        }
        self.is_leaving = true;
        if self.link.links.is_empty() {
            if let State::Connecting(key) = self.state {
                self.link.hosts.first.disconnect(key, 0);
            }
            #[cfg(feature = "dtls")]
            if let Some(tunnel) = &mut self.tunnel
                && !tunnel.connection.is_open()
            {
                tunnel.connection.close(self.link.now);
            }
            let reason = DisconnectReason::Local;
            self.link.push(Event::ConnectionFailed { reason });
        } else {
            self.disconnect_peer(PeerId::SERVER);
        }
    }

    /// Leaves at once, as Godot's `close` does: the server gets one DISCONNECT that is not repeated.
    pub fn close_now(&mut self) {
        self.close();
        self.link.hosts.disconnect_all_now();
    }

    /// Whether the last event was given and nothing is left to do.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        #[cfg(feature = "dtls")]
        if let Some(tunnel) = &self.tunnel
            && !tunnel.connection.is_silent()
        {
            return false;
        }
        self.state == State::Over && self.next.is_none() && self.link.is_silent()
    }

    /// Whether the client is part of the game: between the events `Connected` and `Disconnected`.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        matches!(self.state, State::Joined(_))
    }

    /// Its own id.
    #[must_use]
    pub const fn id(&self) -> PeerId {
        self.link.session.id()
    }

    /// The peers in the game as far as the server told: the server first, then other clients.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.link.session.peers()
    }

    /// The figures of the connection to the server.
    #[must_use]
    pub fn server_stats(&self) -> Option<PeerStats> {
        self.link.peer_stats(PeerId::SERVER)
    }

    /// Counters of DTLS; zero without DTLS.
    #[cfg(feature = "dtls")]
    #[must_use]
    pub fn dtls_stats(&self) -> crate::dtls::DtlsStats {
        let tunnel = self.tunnel.as_ref();
        tunnel.map_or_else(Default::default, |tunnel| *tunnel.connection.stats())
    }

    /// The ENet part, to look at: counters, the connection.
    #[must_use]
    pub const fn enet(&self) -> &Host {
        &self.link.hosts.first
    }

    /// The session part, to look at: nodes, peers, counters.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.link.session
    }

    /// Lets the session see what the host has.
    pub(super) fn pump(&mut self) {
        while let Some((_, event)) = self.link.poll_host() {
            self.on_host_event(event);
        }
    }

    fn on_host_event(&mut self, event: enet_proto::Event) {
        use enet_proto::Event as Enet;
        match event {
            Enet::ConnectRequested { request, .. } => {
                let _ = self.link.hosts.first.ignore(request);
            }
            Enet::Connected { peer, .. } => {
                self.link.on_connected(LinkKey::first(peer), PeerId::SERVER);
            }
            Enet::Received {
                peer,
                channel,
                flags,
                payload,
            } => self
                .link
                .on_received(LinkKey::first(peer), channel, flags, payload),
            Enet::Disconnected { peer, reason } => self.on_ended(peer, reason.into()),
            _ => {}
        }
    }

    /// The connection, or the attempt at one, is over.
    pub(super) fn on_ended(&mut self, peer: PeerKey, reason: DisconnectReason) {
        let is_attempt = self.state == State::Connecting(peer);
        let key = LinkKey::first(peer);
        if self.link.on_disconnected(key, reason).is_none() && is_attempt {
            self.link.push(Event::ConnectionFailed { reason });
        }
    }

    /// Adds what the event means for the client as a whole.
    fn translate(&mut self, event: Event) -> Event {
        match (self.state, event) {
            (
                State::Connecting(key),
                Event::PeerConnected {
                    peer: PeerId::SERVER,
                },
            ) => {
                self.state = State::Joined(key);
                let peer = PeerId::SERVER;
                self.next = Some(Event::PeerConnected { peer });
                Event::Connected { id: self.id() }
            }
            (
                _,
                event @ Event::AuthFailed {
                    peer: PeerId::SERVER,
                    reason,
                },
            ) => {
                self.state = State::Over;
                let reason = DisconnectReason::AuthFailed(reason);
                self.next = Some(Event::ConnectionFailed { reason });
                event
            }
            (
                _,
                event @ Event::PeerDisconnected {
                    peer: PeerId::SERVER,
                    reason,
                },
            ) => {
                self.state = State::Over;
                self.next = Some(Event::Disconnected { reason });
                event
            }
            (_, event @ Event::ConnectionFailed { .. }) => {
                self.state = State::Over;
                event
            }
            (_, event) => event,
        }
    }
}
