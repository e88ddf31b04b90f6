//! The machine: [`Host`] and its five doors.

mod addresses;
mod challenge;
mod commands;
mod compressed;
mod half_open;
mod handshake;
mod pools;
mod replies;
mod routes;
mod table;
mod timers;
mod tombstones;

pub use commands::PeerView;

use crate::bandwidth::Bandwidth;
use crate::clock::Clock;
use crate::compress::Codec;
use crate::config::{Config, ConfigError};
use crate::deadline::DeadlineQueue;
use crate::events::EventQueue;
use crate::peer::{Ended, Received, Surroundings};
use crate::pool::Pool;
use crate::stats::Stats;
use crate::wire::{
    Body, Command, ConnectId, Header, MAXIMUM_MTU_BYTES, NO_PEER_ID, Word, checksum,
};
use crate::{DisconnectReason, DropReason, Event};
use addresses::AddressBook;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use challenge::Challenges;
use core::net::SocketAddr;
use half_open::HalfOpenTable;
use proto_core::{Handled, Instant, Reader, SeedRng, Transmit};
use replies::{Farewell, Replies, Reply};
use routes::{Route, Routes};
use table::PeerTable;
use tombstones::{Tombstone, Tombstones};

/// Datagrams that a peer sends before it is the next one's turn: in a row, so that a driver can send them by one call.
const TURN_DATAGRAMS: u8 = 16;

/// An ENet host: any number of connections over one datagram socket that the caller owns.
///
/// # The doors
///
/// - [`handle_datagram`](Self::handle_datagram): for each datagram that came in.
/// - [`handle_timeout`](Self::handle_timeout): when [`poll_timeout`](Self::poll_timeout) says so; earlier is harmless.
/// - [`poll_transmit`](Self::poll_transmit): until it gives nothing, after anything else was called.
/// - [`poll_event`](Self::poll_event): until it gives nothing, after anything was handled.
/// - [`poll_timeout`](Self::poll_timeout): after all that, to know how long to wait.
///
/// Any order is safe; being late costs delay. Time that goes back counts as standing still.
// The fields that every datagram needs come first, side by side.
#[derive(Debug)]
#[repr(C)]
pub struct Host {
    clock: Clock,
    bandwidth: Bandwidth,
    /// When `handle_timeout` is due; may be early, never late.
    wake: Option<Instant>,
    peers: PeerTable,
    routes: Routes,
    events: EventQueue,
    /// Slots of peers that may have something to send.
    ready: VecDeque<u16>,
    /// Datagrams that the peer at the head of `ready` has sent in its turn.
    turn_datagrams: u8,
    /// `None` without compression, and while it is at work on a datagram that came in.
    codec: Option<Box<Codec>>,
    replies: Replies,
    stats: Stats,
    config: Config,
    rng: SeedRng,
    /// What packets that cannot be delivered yet, and reliable ones that are not acknowledged, may take of all peers.
    receiving: Pool,
    sending: Pool,
    /// When the peer is dropped that takes too much of `receiving`.
    relief: Option<Instant>,
    /// Connections in the states CONNECTED and DISCONNECT_LATER that were accepted or asked for.
    connected: usize,
    addresses: AddressBook,
    half_open: HalfOpenTable,
    challenges: Challenges,
    tombstones: Tombstones,
    deadlines: DeadlineQueue,
}

/// Why nothing in a datagram had an effect; it is counted. `None` if anything had.
type Refusal = Option<DropReason>;

/// Whether `commands` starts with a CONNECT.
fn is_connect_command(commands: &[u8]) -> bool {
    commands.first().is_some_and(|first| first & 0x0f == 2)
}

impl Host {
    /// The smallest buffer for [`poll_transmit`](Self::poll_transmit): a datagram of the largest MTU.
    pub const BUFFER: usize = MAXIMUM_MTU_BYTES as usize;

    /// A host without connections.
    ///
    /// # Errors
    /// [`ConfigError`] names the first field that is out of its range.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let mut rng = SeedRng::new(config.seed);
        let base_ms = match config.clock_base {
            Some(base) => u64::try_from(base.as_millis()).unwrap_or(0),
            None => rng.below(1 << 16).into(),
        };
        let challenges = Challenges::new(&mut rng);
        Ok(Self {
            clock: Clock::new(base_ms),
            rng,
            peers: PeerTable::default(),
            connected: 0,
            routes: Routes::new(&config),
            addresses: AddressBook::default(),
            half_open: HalfOpenTable::default(),
            challenges,
            tombstones: Tombstones::default(),
            replies: Replies::default(),
            ready: VecDeque::new(),
            turn_datagrams: 0,
            deadlines: DeadlineQueue::default(),
            wake: None,
            bandwidth: Bandwidth::new(config.outgoing_bandwidth),
            events: EventQueue::new(&config.limits),
            stats: Stats::default(),
            codec: Codec::new(config.compression),
            receiving: Pool::new(config.limits.host_receive_bytes, config.max_peers),
            sending: Pool::new(config.limits.host_send_bytes, config.max_peers),
            relief: None,
            config,
        })
    }

    #[inline]
    fn set_time(&mut self, now: Instant) -> Instant {
        if now > self.clock.now() || !self.bandwidth.has_begun() {
            self.clock.set(now);
            self.bandwidth.pass(now);
            if self.wake.is_none() {
                self.wake = self.bandwidth.deadline();
            }
        }
        self.clock.now()
    }

    /// Takes a datagram in that came from `from`.
    ///
    /// May make events, and something to transmit. [`Handled::NotMine`] is the verdict on what cannot be for this host:
    /// it comes from an address without any connection, and is no CONNECT.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<DropReason> {
        self.set_time(now);
        self.stats.datagrams_received += 1;
        self.stats.bytes_received += data.len() as u64;
        match self.route(from, data) {
            Ok(None) => Handled::Consumed,
            Ok(Some(reason)) => Handled::Dropped(reason),
            Err(reason) => self.refuse_datagram(from, data, reason),
        }
    }

    #[cold]
    fn refuse_datagram(
        &mut self,
        from: SocketAddr,
        data: &[u8],
        reason: DropReason,
    ) -> Handled<DropReason> {
        let is_foreign = matches!(
            reason,
            DropReason::NotConnected
                | DropReason::Truncated
                | DropReason::UnknownPeer
                | DropReason::WrongAddress
        );
        if is_foreign && !self.is_connect(data) && !self.addresses.knows(from) {
            self.stats.foreign += 1;
            return Handled::NotMine;
        }
        self.stats.drop(reason);
        Handled::Dropped(reason)
    }

    /// Whether `data` starts as the datagram of a remote that connects.
    fn is_connect(&self, data: &[u8]) -> bool {
        let mut reader = Reader::new(data);
        let header = Header::decode(&mut reader);
        let at = if self.config.checksum { 4 } else { 0 };
        matches!(header, Ok(header) if header.peer_id == NO_PEER_ID && !header.compressed)
            && reader.rest().get(at..).is_some_and(is_connect_command)
    }

    /// Finds whom a datagram is for, checks that it comes from there, and has it handled.
    #[inline]
    fn route(&mut self, from: SocketAddr, data: &[u8]) -> Result<Refusal, DropReason> {
        if data.len() > MAXIMUM_MTU_BYTES.into() {
            return Err(DropReason::Oversize);
        }
        let mut reader = Reader::new(data);
        let word = Word::decode(&mut reader).map_err(|_| DropReason::Truncated)?;
        let Ok(sent_time) = word.sent_time(&mut reader) else {
            return Err(DropReason::Truncated);
        };
        let header = word.header(sent_time);
        let route = self.identify(&from, header)?;
        if header.compressed {
            return self.receive_compressed(from, data, header, route);
        }
        self.receive_from(from, data, &mut reader, (header, route))
    }

    /// Whom a datagram is for, if it comes from there; `None` if it is for no connection.
    #[inline]
    fn identify(&self, from: &SocketAddr, header: Header) -> Result<Option<Route>, DropReason> {
        let id = header.peer_id;
        if id == NO_PEER_ID {
            return if proto_core::is_possible_source(*from) {
                Ok(None)
            } else {
                Err(DropReason::BadAddress)
            };
        }
        // Compared where it lies: a copy would be read before it is written.
        let check = |address: &SocketAddr, session: Option<u8>| {
            if from != address {
                Err(DropReason::WrongAddress)
            } else if session.is_some_and(|session| session != header.session) {
                Err(DropReason::WrongSession)
            } else {
                Ok(())
            }
        };
        let route = self.routes.find(id);
        match route {
            Route::Peer(slot) => {
                let peer = self.peers.at(slot).ok_or(DropReason::UnknownPeer)?;
                let session = (peer.remote_id != NO_PEER_ID).then_some(peer.incoming_session);
                check(&peer.address, session)?;
            }
            Route::HalfOpen => {
                let entry = self.half_open.get(id).ok_or(DropReason::UnknownPeer)?;
                check(&entry.address, Some(entry.sessions.0))?;
            }
            Route::Tombstone => {
                let tombstone = self.tombstones.get(id).ok_or(DropReason::UnknownPeer)?;
                let session = Some(tombstone.incoming_session);
                check(&tombstone.farewell.destination, session)?;
            }
            Route::Free => return Err(DropReason::UnknownPeer),
        }
        Ok(Some(route))
    }

    /// What the checksum of a datagram for number `id` starts from.
    fn checksum_seed(&self, id: u16) -> ConnectId {
        let seed = match self.routes.find(id) {
            Route::Peer(slot) => self.peers.at(slot).map(|peer| peer.connect_id),
            Route::HalfOpen => self.half_open.get(id).map(|entry| entry.offer.connect_id),
            Route::Tombstone => self.tombstones.get(id).map(|it| it.farewell.connect_id),
            Route::Free => None,
        };
        seed.unwrap_or_default()
    }

    /// Checks the content of a datagram, which is plain now, and has it handled. Inlined, since a header that is handed
    /// over in memory is read in wider steps than it was written in, and the processor waits.
    #[inline(always)]
    fn receive_from(
        &mut self,
        from: SocketAddr,
        data: &[u8],
        reader: &mut Reader<'_>,
        (header, route): (Header, Option<Route>),
    ) -> Result<Refusal, DropReason> {
        self.check_content(data, reader, header)?;
        match route {
            None => {
                let received = self.on_stranger((from, data.len()), reader, header)?;
                Ok(received.refusal())
            }
            Some(Route::Peer(slot)) => {
                let bytes = data.len() as u64;
                if let Some(peer) = self.peers.at_mut(slot) {
                    peer.traffic.datagrams_received += 1;
                    peer.traffic.bytes_received += bytes;
                }
                Ok(self.receive(slot, reader, header.sent_time))
            }
            Some(Route::HalfOpen) => {
                let received = self.on_half_open(header.peer_id, reader, header.sent_time);
                Ok(received.refusal())
            }
            Some(Route::Tombstone) => Ok(self.on_tombstone(reader, header)?.refusal()),
            Some(Route::Free) => Err(DropReason::UnknownPeer),
        }
    }

    #[inline]
    fn check_content(
        &self,
        data: &[u8],
        reader: &mut Reader<'_>,
        header: Header,
    ) -> Result<(), DropReason> {
        if self.config.checksum {
            let sum = reader
                .u32_be("checksum")
                .map_err(|_| DropReason::Truncated)?;
            let seed = self.checksum_seed(header.peer_id);
            let header = &data[..header.encoded_len()];
            if checksum(header, seed, reader.rest()) != sum {
                return Err(DropReason::BadChecksum);
            }
        }
        Ok(())
    }

    /// A datagram for a connection that has ended: a repeated DISCONNECT is acknowledged again.
    fn on_tombstone(
        &mut self,
        reader: &mut Reader<'_>,
        header: Header,
    ) -> Result<Received, DropReason> {
        let tombstone = *self
            .tombstones
            .get(header.peer_id)
            .ok_or(DropReason::UnknownPeer)?;
        let farewell = tombstone.farewell;
        while let Ok(command) = Command::decode(reader) {
            let (Body::Disconnect { .. }, true, Some(sent_time)) =
                (command.body, command.acknowledge, header.sent_time)
            else {
                continue;
            };
            if tombstone.acknowledges && command.sequence == farewell.sequence {
                self.replies.push(Reply::Acknowledge(farewell, sent_time));
                return Ok(Received {
                    applied: true,
                    ..Received::default()
                });
            }
        }
        Err(DropReason::NotConnected)
    }

    /// Has the connection in `slot` handle the commands of a datagram.
    fn receive(&mut self, slot: u16, reader: &mut Reader<'_>, sent_time: Option<u16>) -> Refusal {
        let peer = self.peers.at_mut(slot)?;
        let was_open = peer.state.is_open();
        let was_limited = was_open && peer.incoming_bandwidth != 0;
        // Read field by field, for the same reason as above.
        let mut received = Received::default();
        let mut around = Surroundings {
            config: &self.config,
            clock: &self.clock,
            stats: &mut self.stats,
            events: &mut self.events,
            pool: &mut self.receiving,
            received: &mut received,
        };
        peer.receive(reader, sent_time, &mut around);
        if received.answers {
            let own_bytes = peer.out.own_bytes;
            self.sending.settle(&mut peer.out.beyond_share, own_bytes);
        }
        let has_output = received.answers && peer.out.has_output();
        let is_open = peer.state.is_open();
        let is_limited = is_open && peer.incoming_bandwidth != 0;
        if was_open != is_open {
            self.connected = if is_open {
                self.connected + 1
            } else {
                self.connected - 1
            };
            let id = peer.wire_id;
            let sessions = (peer.incoming_session, peer.outgoing_session);
            self.routes.note(id, sessions);
            self.note_membership_change();
        }
        if was_limited != is_limited {
            self.bandwidth.count_limited(was_limited, is_limited);
            self.wake_for_bandwidth();
        }
        if self.receiving.take_refused() {
            self.ask_relief();
        }
        if let Some(ended) = &received.ended {
            self.end_with_reply(slot, ended, sent_time);
        } else if has_output {
            self.mark_ready(slot);
        } else if received.answers {
            // An acknowledgement may have left a command at the head that expires earlier.
            self.arm(slot);
        }
        received.refusal()
    }

    #[cold]
    fn end_with_reply(&mut self, slot: u16, ended: &Ended, sent_time: Option<u16>) {
        let Some(mut farewell) = self.farewell(slot, 0) else {
            return;
        };
        if let (Some(sequence), Some(sent_time)) = (ended.acknowledge, sent_time) {
            farewell.sequence = sequence;
            self.replies.push(Reply::Acknowledge(farewell, sent_time));
        }
        self.end(slot, Some(ended.reason), ended.acknowledge);
    }

    /// What it takes to say a last word to the peer in `slot`.
    fn farewell(&mut self, slot: u16, data: u32) -> Option<Farewell> {
        let peer = self.peers.at_mut(slot)?;
        let unknown = peer.remote_id == NO_PEER_ID;
        Some(Farewell {
            destination: peer.address,
            remote_id: peer.remote_id,
            session: if unknown { 0 } else { peer.outgoing_session },
            connect_id: if unknown {
                ConnectId::default()
            } else {
                peer.connect_id
            },
            sequence: peer.out.next_control_sequence(),
            data,
        })
    }

    /// Takes the peer in `slot` out of the table; with a `reason`, the application is told.
    fn end(&mut self, slot: u16, reason: Option<DisconnectReason>, acknowledge: Option<u16>) {
        let farewell = self.farewell(slot, 0);
        let (Some(mut peer), Some(mut farewell)) = (self.peers.remove(slot), farewell) else {
            return;
        };
        self.receiving.settle(&mut peer.held.beyond_share, 0);
        self.sending.settle(&mut peer.out.beyond_share, 0);
        self.deadlines.remove(slot);
        self.addresses.remove_peer(peer.address, peer.connect_id);
        if peer.state.is_open() {
            self.connected -= 1;
            self.bandwidth
                .count_limited(peer.incoming_bandwidth != 0, false);
        }
        self.note_membership_change();
        farewell.sequence = acknowledge.unwrap_or(farewell.sequence);
        let tombstone = Tombstone {
            farewell,
            incoming_session: peer.incoming_session,
            acknowledges: acknowledge.is_some(),
        };
        let (now, most) = (self.clock.now(), self.config.limits.tombstones);
        self.routes.set(peer.wire_id, Route::Tombstone);
        if let Some(evicted) = self.tombstones.add(now, peer.wire_id, tombstone, most) {
            self.routes.set(evicted, Route::Free);
        }
        self.wake_by(self.tombstones.deadline());
        if let Some(reason) = reason {
            let peer = peer.key;
            self.events.push(Event::Disconnected { peer, reason });
        }
    }

    #[inline]
    fn mark_ready(&mut self, slot: u16) {
        if let Some(peer) = self.peers.at_mut(slot)
            && !peer.is_ready
        {
            peer.is_ready = true;
            self.ready.push_back(slot);
        }
    }

    /// Writes the next datagram into `buffer`. Call it until it gives nothing.
    ///
    /// Peers take turns of at most 16 datagrams in a row: a driver can send those by one system call, and a long queue of
    /// one peer does not hold up the others.
    ///
    /// # Panics
    /// If `buffer` is shorter than [`Host::BUFFER`].
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        assert!(buffer.len() >= Self::BUFFER, "the buffer is too small");
        self.set_time(now);
        while let Some(reply) = self.replies.pop() {
            if let Some((destination, bytes)) = self.write_reply(&reply, buffer) {
                return Some(self.transmit(destination, bytes));
            }
        }
        while let Some(slot) = self.ready.pop_front() {
            let Some(peer) = self.peers.at_mut(slot) else {
                self.turn_datagrams = 0;
                continue;
            };
            peer.is_ready = false;
            let packed = peer.write_datagram(buffer, &self.clock, &mut self.stats);
            let more = packed.as_ref().is_some_and(|packed| packed.more);
            let stays = peer.disconnect_if_drained() || more;
            peer.is_ready |= stays;
            let goes_on = stays && packed.is_some();
            self.turn_datagrams = u8::from(goes_on) * (self.turn_datagrams + 1) % TURN_DATAGRAMS;
            match (stays, self.turn_datagrams) {
                (false, _) => {}
                (true, 0) => self.ready.push_back(slot),
                (true, _) => self.ready.push_front(slot),
            }
            let Some(packed) = packed else {
                self.arm(slot);
                continue;
            };
            let bytes = match &mut self.codec {
                None => packed.unsealed.seal(buffer),
                Some(codec) => codec.seal(packed.unsealed, buffer, &mut self.stats),
            };
            let destination = peer.address;
            peer.traffic.datagrams_sent += 1;
            peer.traffic.bytes_sent += bytes.len() as u64;
            self.arm(slot);
            return Some(self.transmit(destination, bytes));
        }
        None
    }

    const fn transmit(
        &mut self,
        destination: SocketAddr,
        bytes: core::ops::Range<usize>,
    ) -> Transmit {
        self.stats.datagrams_sent += 1;
        self.stats.bytes_sent += (bytes.end - bytes.start) as u64;
        Transmit {
            source: None,
            destination,
            bytes,
        }
    }

    /// The next event. Call it until it gives nothing.
    #[must_use]
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }
}
