//! Pairs of TCP candidates (RFC 6544): connections that the caller opens, accepts and closes.

use super::{Agent, begin_small};
use crate::candidate::plain;
use crate::check;
use crate::connection::{Arrival, Connection, Connections, Link, frame};
use crate::pair::Pair;
use crate::timeline::Why;
use crate::{
    AcceptError, ConnectionId, DropReason, Event, PairKey, PairState, SendError, State, TcpAction,
    TcpType, Transport,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use proto_core::{Handled, Instant};

impl Agent {
    /// A peer has connected from `from` to the listener of the passive or simultaneous-open candidate at `local`.
    ///
    /// Only answers are sent on the connection before the peer has checked it. One on which it does not do so for
    /// [`Timing::connect`](crate::Timing::connect) is closed, or earlier if it has to make room for another.
    ///
    /// # Errors
    /// [`AcceptError`]: close it.
    pub fn handle_accepted(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
    ) -> Result<ConnectionId, AcceptError> {
        self.advance(now);
        if self.state == State::Closed {
            return Err(AcceptError::Closed);
        }
        let base = self.listener(local).ok_or(AcceptError::UnknownLocal)?;
        if self.connections().count(true) >= self.config.limits().connections {
            self.stats.connections_refused += 1;
            let victim = self.connections().expendable();
            self.drop_connection(victim.ok_or(AcceptError::TooMany)?);
        }
        let until = Some(self.now + self.config.timing().connect);
        let connections = self.connections();
        let id = connections.next_id();
        begin_small(&mut connections.list);
        connections.list.push(Connection {
            id,
            base,
            local: base,
            remote: plain(from),
            accepted: true,
            until,
            opening: false,
        });
        Ok(id)
    }

    /// The base of the candidate that waits for connections at `local`; the unspecified address stands for any.
    fn listener(&self, local: SocketAddr) -> Option<SocketAddr> {
        let local = plain(local);
        let mut waiting = self.locals.iter().filter(|entry| {
            let transport = entry.transport;
            !entry.gone
                && matches!(
                    transport,
                    Transport::Tcp(TcpType::Passive | TcpType::SimultaneousOpen)
                )
        });
        let fits = |base: SocketAddr| {
            base == local
                || (local.ip().is_unspecified()
                    && base.port() == local.port()
                    && base.is_ipv4() == local.is_ipv4())
        };
        let entry = waiting.find(|entry| fits(plain(entry.base)))?;
        Some(plain(entry.base))
    }

    /// The connection that [`TcpAction::Connect`] asked for is open; `local` is its own end.
    ///
    /// Of a connection that the agent has closed meanwhile this says nothing; [`TcpAction::Close`] has told the caller.
    pub fn handle_connected(&mut self, now: Instant, connection: ConnectionId, local: SocketAddr) {
        self.advance(now);
        let known = self.tcp.as_mut().and_then(|tcp| tcp.get_mut(connection));
        let Some(known) = known else {
            return;
        };
        if !known.opening {
            return;
        }
        known.opening = false;
        known.until = None;
        known.local = local;
        if let Some(key) = self.pair_over(connection).map(|pair| pair.key) {
            self.set_pair_state(key, PairState::Waiting, Why::Connected);
        }
        self.settle();
    }

    /// The connection was closed, or could not be opened. It takes consent with it.
    pub fn handle_closed(&mut self, now: Instant, connection: ConnectionId) {
        self.advance(now);
        let known = self.tcp.as_ref().and_then(|tcp| tcp.get(connection));
        let Some(known) = known else {
            return;
        };
        let why = if known.opening {
            Why::NoConnection
        } else {
            Why::ConnectionClosed
        };
        self.end_connection(connection, why);
        self.settle();
    }

    /// A packet came over a connection, without its length: one that a [`Framer`](stun_proto::Framer) with
    /// [`Framing::LengthPrefix`](stun_proto::Framing::LengthPrefix) has cut out of the stream.
    ///
    /// The verdict is that of [`Agent::handle_datagram`].
    pub fn handle_packet(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        packet: &[u8],
    ) -> Handled<DropReason> {
        let known = self.tcp.as_ref().and_then(|tcp| tcp.get(connection));
        let Some(known) = known.filter(|known| !known.opening) else {
            self.advance(now);
            return self.refuse(DropReason::UnknownConnection);
        };
        let arrival = Arrival {
            via: Some(connection),
            local: known.base,
            from: known.remote,
        };
        self.handle_arrival(now, &arrival, (packet, check::parse(packet)))
    }

    /// Puts `data` with its length in front behind what `out` holds, and says over which connection it is to be written;
    /// for a path with [`Path::connection`](crate::Path::connection).
    ///
    /// # Errors
    /// [`SendError`]; `out` has not changed.
    pub fn send_framed(
        &mut self,
        now: Instant,
        data: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<ConnectionId, SendError> {
        self.advance(now);
        self.tick_consent();
        let path = self.path().ok_or(SendError::NoPath)?;
        let connection = path.connection.ok_or(SendError::Datagrams)?;
        frame(data, out).ok_or(SendError::TooLong)?;
        let now = self.now;
        if let Some(pair) = self.pair_over_mut(connection) {
            pair.counts.bytes_sent += data.len() as u64;
            pair.last_sent = now;
        }
        Ok(connection)
    }

    /// Asks the caller to open the connection of a pair.
    pub(super) fn connect(&mut self, index: usize) {
        let now = self.now;
        let (base, remote) = (self.pairs[index].base, self.pairs[index].to);
        let local = self.pairs[index].local;
        let Transport::Tcp(kind) = self.locals[local].transport else {
            return;
        };
        let until = Some(now + self.config.timing().connect);
        let connections = self.connections();
        let connection = connections.next_id();
        begin_small(&mut connections.list);
        connections.list.push(Connection {
            id: connection,
            base: plain(base),
            local: base,
            remote,
            accepted: false,
            until,
            opening: true,
        });
        let pair = &mut self.pairs[index];
        pair.link = Link::Tcp(Some(connection));
        pair.last_sent = now;
        let (key, entry) = (pair.key, pair.remote);
        self.remotes[entry].unanswered += 1;
        self.triggered.retain(|&waiting| waiting != key);
        self.set_pair_state(key, PairState::InProgress, Why::Connecting);
        self.tell(Event::Tcp(TcpAction::Connect {
            connection,
            local: base,
            remote,
            kind,
        }));
    }

    /// Asks the caller to write a message.
    pub(super) fn write(&mut self, connection: ConnectionId, packet: &[u8]) {
        let tcp = self.tcp.as_ref();
        // It may have been closed since the answer was due.
        if tcp.is_none_or(|tcp| tcp.get(connection).is_none()) {
            return;
        }
        let mut bytes = Vec::new();
        if frame(packet, &mut bytes).is_some() {
            let bytes = bytes.into_boxed_slice();
            self.tell(Event::Tcp(TcpAction::Write { connection, bytes }));
        }
    }

    /// Whether no further connection may be opened.
    pub(super) fn is_crowded(&self) -> bool {
        let tcp = self.tcp.as_ref();
        tcp.is_some_and(|tcp| tcp.count(false) >= self.config.limits().connections)
    }

    /// Attaches a check that came over a connection to the pair of it: that which has it, or one that waits for one between
    /// the same addresses, as simultaneous opens do.
    pub(super) fn adopt_connection(
        &mut self,
        (local, remote): (usize, usize),
        connection: ConnectionId,
    ) -> Option<PairKey> {
        let known = self.tcp.as_mut()?.get_mut(connection)?;
        known.until = None;
        if let Some(pair) = self.pair_over(connection) {
            return Some(pair.key);
        }
        let waiting = self.pairs.iter_mut().find(|pair| {
            (pair.local, pair.remote) == (local, remote)
                && (pair.link == Link::Tcp(None) || pair.is_connecting())
        });
        let (key, spare) = match waiting {
            Some(pair) => {
                let spare = pair.link.connection();
                pair.link = Link::Tcp(Some(connection));
                (pair.key, spare)
            }
            None => (self.insert(local, remote)?, None),
        };
        if let Some(pair) = self.pair_mut(key) {
            pair.link = Link::Tcp(Some(connection));
        }
        if let Some(spare) = spare {
            self.drop_connection(spare);
        }
        Some(key)
    }

    pub(super) fn pair_over(&self, connection: ConnectionId) -> Option<&Pair> {
        let link = Link::Tcp(Some(connection));
        self.pairs.iter().find(|pair| pair.link == link)
    }

    fn pair_over_mut(&mut self, connection: ConnectionId) -> Option<&mut Pair> {
        let link = Link::Tcp(Some(connection));
        self.pairs.iter_mut().find(|pair| pair.link == link)
    }

    fn connections(&mut self) -> &mut Connections {
        self.tcp.get_or_insert_with(Box::default)
    }

    /// Closes a connection, and ends what used it.
    fn drop_connection(&mut self, connection: ConnectionId) {
        self.tell(Event::Tcp(TcpAction::Close { connection }));
        self.end_connection(connection, Why::LateConnection);
    }

    /// Forgets a connection, and ends what used it.
    fn end_connection(&mut self, connection: ConnectionId, why: Why) {
        if let Some(pair) = self.pair_over_mut(connection) {
            let (key, works) = (pair.key, pair.valid.is_some());
            if works {
                self.lose_consent(key);
            } else {
                self.fail_pair(key, why);
            }
            if let Some(pair) = self.pair_mut(key) {
                pair.link = Link::Tcp(None);
            }
        }
        let previous = self.previous.as_ref();
        if previous.is_some_and(|previous| previous.path.connection == Some(connection)) {
            self.lose_previous();
        }
        if let Some(rare) = &mut self.rare {
            rare.early
                .retain(|early| early.arrival.via != Some(connection));
        }
        let list = &mut self.connections().list;
        list.retain(|known| known.id != connection);
    }

    /// Who has checked a connection knows our password: signalling may take longer than a stranger gets.
    pub(super) fn spare_connection(&mut self, via: Option<ConnectionId>) {
        let until = Some(self.now + self.config.timing().connect);
        let known = via.and_then(|id| self.tcp.as_mut()?.get_mut(id));
        if let Some(known) = known {
            known.until = until;
        }
    }

    /// Closes the connections that nothing uses, and those that took too long.
    pub(super) fn sweep_connections(&mut self) {
        let Some(tcp) = &self.tcp else {
            return;
        };
        let previous = self.previous.as_ref().map(|previous| &previous.path);
        let idle = tcp.list.iter().filter(|connection| {
            let late = connection.until.is_some_and(|until| until <= self.now);
            let young = connection.accepted && connection.until.is_some();
            let old = previous.is_some_and(|path| path.connection == Some(connection.id));
            let pair = self.pair_over(connection.id);
            let used = pair.is_some_and(|pair| pair.state != PairState::Failed);
            late || !(young || old || used)
        });
        let idle: Vec<ConnectionId> = idle.map(|connection| connection.id).collect();
        for id in idle {
            self.drop_connection(id);
        }
    }

    /// Closes all connections for good.
    pub(super) fn close_connections(&mut self) {
        let all = self.tcp.take().into_iter().flat_map(|tcp| tcp.list);
        for Connection { id: connection, .. } in all {
            self.tell(Event::Tcp(TcpAction::Close { connection }));
        }
    }

    /// Closes the connections of a local address that is gone.
    pub(super) fn close_connections_of(&mut self, base: SocketAddr) {
        let Some(tcp) = &self.tcp else {
            return;
        };
        let list = tcp.list.iter();
        let gone: Vec<ConnectionId> = list
            .filter(|connection| connection.base == base)
            .map(|connection| connection.id)
            .collect();
        for id in gone {
            self.drop_connection(id);
        }
    }

    /// When a connection will have taken too long.
    pub(super) fn connections_timeout(&self) -> Option<Instant> {
        let list = self.tcp.as_ref()?.list.iter();
        list.filter_map(|connection| connection.until).min()
    }

    /// Our end of a connection, as the caller told it.
    pub(super) fn own_end(&self, connection: ConnectionId) -> Option<SocketAddr> {
        Some(self.tcp.as_ref()?.get(connection)?.local)
    }
}
