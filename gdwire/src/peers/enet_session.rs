//! ENet hosts and a session joined: what [`Server`](crate::Server) and [`Client`](crate::Client) have in common.
//!
//! ```text
//!  datagrams ──> Host ──events──> here ──packets, peers──> Session ──events──> application
//!  datagrams <── Host <──sends─── here <──packets, ends─── Session <─commands── application
//! ```

use super::channel;
use super::event::{DisconnectReason, Event};
use super::hosts::{Hosts, LinkKey};
use super::link::Links;
use alloc::collections::{BTreeMap, VecDeque};
use bytes::Bytes;
use enet_proto::{PacketFlags, PeerStats, SendError};
use proto_core::Instant;
use replication_proto::{AuthFailure, Incoming, Outgoing, PeerId, Session};

/// While this many events wait for the application, packets stay in the host, under its own limits.
const WAITING_EVENTS: usize = 64;
/// The same for the bytes of the packets that the events came from.
const WAITING_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct EnetSession {
    pub(super) hosts: Hosts,
    pub(super) session: Session,
    pub(super) links: Links,
    pub(super) now: Instant,
    events: VecDeque<Event>,
    waiting_bytes: usize,
    /// Why connections ended whose last event the session has not given yet.
    reasons: BTreeMap<PeerId, DisconnectReason>,
}

impl EnetSession {
    pub(super) fn new(hosts: Hosts, session: Session) -> Self {
        Self {
            hosts,
            session,
            links: Links::default(),
            now: Instant::ZERO,
            events: VecDeque::new(),
            waiting_bytes: 0,
            reasons: BTreeMap::new(),
        }
    }

    /// Takes the time; one that goes back stands still.
    pub(super) fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    /// The next event of a host, and its number, unless the application has enough to do.
    pub(super) fn poll_host(&mut self) -> Option<(usize, enet_proto::Event)> {
        if self.events.len() >= WAITING_EVENTS || self.waiting_bytes >= WAITING_BYTES {
            return None;
        }
        self.hosts.poll_event()
    }

    pub(super) fn push(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// The same for an event that strangers can make: lost while the application has enough to do.
    #[cfg(feature = "dtls")]
    pub(super) fn push_if_room(&mut self, event: Event) {
        if self.events.len() < WAITING_EVENTS {
            self.push(event);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if self.events.is_empty() {
            self.waiting_bytes = 0;
        }
        event
    }

    /// When either part has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match (self.hosts.poll_timeout(), self.session.poll_timeout()) {
            (Some(host), Some(session)) => Some(host.min(session)),
            (host, session) => host.or(session),
        }
    }

    pub(super) fn peer_stats(&self, peer: PeerId) -> Option<PeerStats> {
        let key = self.links.key(peer)?;
        Some(self.hosts.peer(key)?.stats())
    }

    /// Whether no connection is left, not even one that is being ended.
    pub(super) fn is_silent(&self) -> bool {
        self.hosts.are_silent()
    }

    /// Whether events wait for the application.
    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Ends the stay of a peer without regard for what is under way.
    pub(super) fn disconnect_now(&mut self, peer: PeerId) {
        let key = self.links.key(peer);
        self.session.disconnect_peer(peer);
        self.settle();
        if let Some(key) = key {
            self.hosts.of(key).disconnect_now(key.peer, 0);
        }
    }

    /// A connection is there and belongs to `id`.
    pub(super) fn on_connected(&mut self, key: LinkKey, id: PeerId) {
        if !self
            .session
            .handle_peer_connected(self.now, id)
            .is_accepted()
        {
            self.hosts.of(key).disconnect_now(key.peer, 0);
            return;
        }
        self.links.insert(key, id);
        self.settle();
    }

    /// A packet came in.
    pub(super) fn on_received(
        &mut self,
        key: LinkKey,
        channel: u8,
        flags: PacketFlags,
        payload: Bytes,
    ) {
        let Some(from) = self.links.id(key) else {
            return;
        };
        let (mode, channel) = channel::from_enet(channel, flags);
        let (bytes, before) = (payload.len(), self.events.len());
        let incoming = Incoming {
            from,
            mode,
            channel,
            packet: payload,
        };
        // The session counts what it refuses; the sender alone is affected.
        let _ = self.session.handle_packet(self.now, incoming);
        self.settle();
        if self.events.len() > before {
            self.waiting_bytes += bytes;
        }
    }

    /// A connection ended; returns whose it was, if the session knew it.
    pub(super) fn on_disconnected(
        &mut self,
        key: LinkKey,
        reason: DisconnectReason,
    ) -> Option<PeerId> {
        let id = self.links.remove(key)?;
        self.reasons.insert(id, reason);
        self.session.handle_peer_disconnected(self.now, id);
        self.settle();
        self.reasons.remove(&id);
        Some(id)
    }

    /// Passes on everything that the session wants to get rid of.
    pub(super) fn settle(&mut self) {
        loop {
            while let Some(outgoing) = self.session.poll_packet() {
                self.deliver(outgoing);
            }
            while let Some(event) = self.session.poll_event() {
                self.on_session_event(event);
            }
            let Some(id) = self.session.poll_disconnect() else {
                return;
            };
            if let Some(key) = self.links.key(id) {
                self.links.remove(key);
                self.hosts.of(key).disconnect_later(key.peer, 0);
            }
        }
    }

    fn deliver(&mut self, outgoing: Outgoing) {
        let peer = outgoing.to;
        let Some(key) = self.links.key(peer) else {
            return;
        };
        let Some((channel, flags)) = channel::to_enet(outgoing.mode, outgoing.channel) else {
            let error = SendError::BadChannel {
                channel_count: usize::from(u8::MAX),
            };
            self.push(Event::SendFailed { peer, error });
            return;
        };
        let host = self.hosts.of(key);
        match host.send(key.peer, channel, flags, outgoing.packet) {
            // It is leaving; its end will be told.
            Ok(()) | Err(SendError::NotConnected) => {}
            Err(error) => {
                self.push(Event::SendFailed { peer, error });
                let is_full = matches!(error, SendError::QueueFull | SendError::HostQueueFull);
                if is_full && outgoing.mode.is_reliable() {
                    self.drop_slow(key);
                }
            }
        }
    }

    /// A hole in reliable data cannot be repaired: the peer would play another game from now on.
    fn drop_slow(&mut self, key: LinkKey) {
        self.hosts.of(key).disconnect_now(key.peer, 0);
        if let Some(id) = self.links.remove(key) {
            self.reasons.insert(id, DisconnectReason::SendLimit);
            self.session.handle_peer_disconnected(self.now, id);
        }
    }

    fn on_session_event(&mut self, event: replication_proto::Event) {
        use replication_proto::Event as Session;
        let event = match event {
            Session::AuthFailed { peer, reason } => {
                self.on_auth_failed(peer, reason);
                return;
            }
            Session::AuthReceived { peer, data } => Event::AuthReceived { peer, data },
            Session::AuthRemoteComplete { peer } => Event::AuthRemoteComplete { peer },
            Session::Authenticating { peer } => Event::Authenticating { peer },
            Session::MethodMismatch(mismatch) => Event::MethodMismatch(mismatch),
            Session::Packet {
                peer,
                payload,
                mode,
                channel,
            } => Event::Packet {
                peer,
                payload,
                mode,
                channel,
            },
            Session::PeerConnected { peer } => Event::PeerConnected { peer },
            Session::PeerDisconnected { peer, reason } => Event::PeerDisconnected {
                peer,
                reason: self.reasons.remove(&peer).unwrap_or_else(|| reason.into()),
            },
            Session::Rpc(call) => Event::Rpc(call),
            Session::Despawned { peer, node, path } => Event::Despawned { peer, node, path },
            Session::Spawned(spawned) => Event::Spawned(spawned),
            Session::SpawnRequested(request) => Event::SpawnRequested(request),
            Session::StateNotSent {
                synchronizer,
                error,
            } => Event::StateNotSent {
                synchronizer,
                error,
            },
            Session::Sync(state) => Event::Sync(state),
            _ => return,
        };
        self.push(event);
    }

    fn on_auth_failed(&mut self, peer: PeerId, reason: AuthFailure) {
        self.reasons.remove(&peer);
        self.push(Event::AuthFailed { peer, reason });
    }
}
