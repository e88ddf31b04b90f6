//! Remotes that connect to us, until they have proven their address.
//!
//! ```text
//! CONNECT --> Asked (deferred admission) --accept--> Granted --ACK of VERIFY_CONNECT--> a peer
//!        \--> Granted (automatic admission) ----------^
//! ```
//!
//! VERIFY_CONNECT is only ever sent in answer to a datagram: a CONNECT, whose copies an honest client sends anyway, or
//! one that carries the number and session that only a reader of VERIFY_CONNECT knows.

use super::Host;
use super::replies::{Farewell, Reply};
use super::routes::Route;
use crate::config::Admission;
use crate::key::{PeerKey, RequestKey};
use crate::peer::{Identity, Peer, Received, mtu_for, window_for};
use crate::wire::{
    Body, CONNECTION_CHANNEL, Command, Connect, ConnectId, MAXIMUM_CHANNELS, MAXIMUM_MTU_BYTES,
    MAXIMUM_WINDOW_BYTES, MINIMUM_WINDOW_BYTES, NO_PEER_ID, VerifyConnect,
};
use crate::{DropReason, Event, RequestGone};
use alloc::collections::{BTreeMap, VecDeque};
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::{Instant, Reader};

/// The first connection-level command of either side.
const FIRST_SEQUENCE: u16 = 1;
/// Attempts of VERIFY_CONNECT whose echo is accepted, last ones first.
const ATTEMPTS: usize = 8;
/// The least time between two answers to anything but CONNECT.
const PACE: Duration = Duration::from_millis(100);
/// How many lifetimes a remote may take that proves that it knows its number.
const LIFETIMES: u32 = 6;

/// A remote that asked to connect.
#[derive(Debug)]
pub(super) struct HalfOpen {
    serial: u32,
    pub(super) address: SocketAddr,
    /// What the remote sent.
    pub(super) offer: VerifyConnect,
    data: u32,
    /// Session of datagrams to us, and from us.
    sessions: (u8, u8),
    granted: bool,
    /// Bytes that it sent and that were not answered; no answer is longer.
    credit: usize,
    /// When VERIFY_CONNECT was sent, last one first.
    sent: [Option<Instant>; ATTEMPTS],
    /// When it is forgotten, and the latest time to which that may be put off.
    expires: Instant,
    expires_at_last: Instant,
    /// Whether a VERIFY_CONNECT waits to be sent.
    is_queued: bool,
    /// The last PING that came too early, by number and sent time: it is acknowledged when the remote is in.
    ping: Option<(u16, u16)>,
}

/// All remotes that asked to connect, oldest first.
#[derive(Debug, Default)]
pub(super) struct HalfOpenTable {
    entries: BTreeMap<u16, HalfOpen>,
    /// In order of arrival; an entry that is gone leaves when it comes to the front.
    ages: VecDeque<(Instant, u16, u32)>,
    serial: u32,
}

impl HalfOpenTable {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get_mut(&mut self, id: u16) -> Option<&mut HalfOpen> {
        self.entries.get_mut(&id)
    }

    /// When the oldest one expires.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.ages.front().map(|&(expires, ..)| expires)
    }

    /// The number of the oldest one, if it expires by `now`.
    fn oldest(&mut self, now: Instant) -> Option<u16> {
        while let Some(&(expires, id, serial)) = self.ages.front() {
            let entry = self.entries.get(&id);
            let put_off = match entry.filter(|entry| entry.serial == serial) {
                Some(entry) if entry.expires > expires => Some(entry.expires),
                Some(_) => return (expires <= now).then_some(id),
                None => None,
            };
            self.ages.pop_front();
            if let Some(expires) = put_off {
                self.ages.push_back((expires, id, serial));
            }
        }
        None
    }

    fn find(&mut self, request: RequestKey) -> Result<&mut HalfOpen, RequestGone> {
        match self.entries.get_mut(&request.wire_id) {
            Some(entry) if entry.serial == request.serial && !entry.granted => Ok(entry),
            _ => Err(RequestGone),
        }
    }

    fn clean(&mut self) {
        while let Some(&(_, id, serial)) = self.ages.front()
            && self
                .entries
                .get(&id)
                .is_none_or(|entry| entry.serial != serial)
        {
            self.ages.pop_front();
        }
    }
}

impl Host {
    /// Lets the remote of a [`Event::ConnectRequested`] in.
    ///
    /// # Errors
    /// [`RequestGone`] if it has expired or was answered.
    pub fn accept(&mut self, now: Instant, request: RequestKey) -> Result<(), RequestGone> {
        self.clock.set(now);
        self.half_open.find(request)?.granted = true;
        self.queue_verify(request.wire_id);
        Ok(())
    }

    /// Turns the remote of a [`Event::ConnectRequested`] away with a DISCONNECT that carries `data`, so that it knows
    /// at once.
    ///
    /// # Errors
    /// [`RequestGone`] if it has expired or was answered.
    pub fn refuse(&mut self, request: RequestKey, data: u32) -> Result<(), RequestGone> {
        let entry = self.half_open.find(request)?;
        let farewell = Farewell::to_half_open(entry, data);
        self.replies.push(Reply::Disconnect(farewell));
        self.forget_half_open(request.wire_id);
        Ok(())
    }

    /// Forgets the remote of a [`Event::ConnectRequested`] without a word, as Godot does.
    ///
    /// # Errors
    /// [`RequestGone`] if it has expired or was answered.
    pub fn ignore(&mut self, request: RequestKey) -> Result<(), RequestGone> {
        self.half_open.find(request)?;
        self.forget_half_open(request.wire_id);
        Ok(())
    }

    /// CONNECT from somebody without a number.
    pub(super) fn on_connect(
        &mut self,
        from: SocketAddr,
        connect: &Connect,
    ) -> Result<(), DropReason> {
        let offer = &connect.terms;
        let channel_count = usize::try_from(offer.channel_count).unwrap_or(usize::MAX);
        if !(1..=MAXIMUM_CHANNELS).contains(&channel_count) {
            return Err(DropReason::BadChannelCount);
        }
        if offer.outgoing_peer_id >= NO_PEER_ID {
            return Err(DropReason::BadPeerId);
        }
        if let Some(id) = self.addresses.number(from, offer.connect_id) {
            return self.on_repeated_connect(id);
        }
        let limits = &self.config.limits;
        let (half_open, peers) = self.addresses.count(from);
        if half_open >= limits.half_open_per_address
            || half_open + peers >= limits.peers_per_address
        {
            return Err(DropReason::AddressLimit);
        }
        if self.connected >= self.config.max_peers {
            return Err(DropReason::HostFull);
        }
        if self.half_open.len() >= limits.half_open {
            self.evict_half_open();
        }
        let id = match self.routes.choose(&mut self.rng) {
            Some(id) => id,
            None => {
                self.evict_half_open();
                self.routes
                    .choose(&mut self.rng)
                    .ok_or(DropReason::HostFull)?
            }
        };
        self.add_half_open(id, from, connect);
        match self.config.admission {
            Admission::Automatic => {
                if let Some(entry) = self.half_open.get_mut(id) {
                    entry.granted = true;
                }
                self.queue_verify(id);
            }
            Admission::Deferred => self.events.push(Event::ConnectRequested {
                request: RequestKey {
                    wire_id: id,
                    serial: self.half_open.serial,
                },
                address: from,
                data: connect.data,
                channel_count: channel_count.min(self.config.channel_limit),
            }),
        }
        Ok(())
    }

    fn on_repeated_connect(&mut self, id: u16) -> Result<(), DropReason> {
        match self.half_open.get_mut(id) {
            Some(entry) if entry.granted => {
                self.queue_verify(id);
                Ok(())
            }
            Some(_) => Ok(()),
            None => Err(DropReason::Duplicate),
        }
    }

    fn add_half_open(&mut self, id: u16, address: SocketAddr, connect: &Connect) {
        self.tombstones.remove(id);
        let offer = connect.terms;
        let offered = (offer.incoming_session_id, offer.outgoing_session_id);
        let sessions = self.routes.agree(id, offered, &mut self.rng);
        let table = &mut self.half_open;
        table.serial = table.serial.wrapping_add(1);
        let lifetime = self.config.limits.half_open_lifetime;
        let expires = self.clock.now() + lifetime;
        table.ages.push_back((expires, id, table.serial));
        table.entries.insert(
            id,
            HalfOpen {
                serial: table.serial,
                address,
                offer,
                data: connect.data,
                sessions,
                granted: false,
                credit: 0,
                sent: [None; ATTEMPTS],
                expires,
                expires_at_last: self.clock.now() + lifetime.saturating_mul(LIFETIMES),
                is_queued: false,
                ping: None,
            },
        );
        self.addresses.add_half_open(address, offer.connect_id, id);
        self.routes.set(id, Route::HalfOpen);
        self.wake_by(Some(expires));
    }

    fn queue_verify(&mut self, id: u16) {
        if let Some(entry) = self.half_open.get_mut(id)
            && !core::mem::replace(&mut entry.is_queued, true)
        {
            self.replies.push(Reply::Verify(id, entry.serial));
        }
    }

    fn evict_half_open(&mut self) {
        if let Some(id) = self.half_open.oldest(Instant::MAX) {
            self.stats.drop(DropReason::HalfOpenLimit);
            self.forget_half_open(id);
        }
    }

    /// Forgets those that took too long.
    pub(super) fn expire_half_open(&mut self) {
        while let Some(id) = self.half_open.oldest(self.clock.now()) {
            self.forget_half_open(id);
        }
    }

    fn forget_half_open(&mut self, id: u16) {
        if let Some(entry) = self.half_open.entries.remove(&id) {
            self.addresses
                .remove_half_open(entry.address, entry.offer.connect_id);
            self.routes.set(id, Route::Free);
            self.half_open.clean();
        }
    }

    /// Notes that a CONNECT was that long.
    pub(super) fn note_asked(&mut self, from: SocketAddr, connect_id: ConnectId, bytes: usize) {
        let id = self.addresses.number(from, connect_id);
        if let Some(entry) = id.and_then(|id| self.half_open.get_mut(id)) {
            entry.credit = entry.credit.saturating_add(bytes);
        }
    }

    /// Whether `id` may get a VERIFY_CONNECT of so many bytes, and not get more than it sent: one that is compressed may be
    /// a little longer than the CONNECT, and then waits for the next.
    pub(super) fn may_answer(&mut self, id: u16, bytes: usize) -> bool {
        let Some(entry) = self.half_open.get_mut(id) else {
            return false;
        };
        let rest = entry.credit.checked_sub(bytes);
        entry.credit = rest.unwrap_or(entry.credit);
        rest.is_some()
    }

    /// The VERIFY_CONNECT for number `id`, and where it goes, if that remote still waits for it.
    pub(super) fn verify(&mut self, id: u16, serial: u32) -> Option<(SocketAddr, VerifyConnect)> {
        let now = self.clock.now();
        let config = &self.config;
        let entry = self.half_open.entries.get_mut(&id)?;
        if entry.serial != serial {
            return None;
        }
        entry.is_queued = false;
        entry.sent.rotate_right(1);
        entry.sent[0] = Some(now);
        let offer = &entry.offer;
        let window = window_for(config.incoming_bandwidth)
            .min(offer.window_bytes)
            .clamp(MINIMUM_WINDOW_BYTES, MAXIMUM_WINDOW_BYTES);
        let channels = u32::try_from(config.channel_limit).unwrap_or(0);
        let terms = VerifyConnect {
            outgoing_peer_id: id,
            incoming_session_id: entry.sessions.1,
            outgoing_session_id: entry.sessions.0,
            mtu_bytes: mtu_for(offer.mtu_bytes, config.mtu_bytes).into(),
            window_bytes: window,
            channel_count: offer.channel_count.min(channels),
            incoming_bandwidth: config.incoming_bandwidth,
            outgoing_bandwidth: config.outgoing_bandwidth,
            ..*offer
        };
        Some((entry.address, terms))
    }

    /// What checks a datagram for the half-open number `id`: its address, session and connect ID.
    pub(super) fn half_open_identity(&self, id: u16) -> Option<(SocketAddr, u8, ConnectId)> {
        let entry = self.half_open.entries.get(&id)?;
        Some((entry.address, entry.sessions.0, entry.offer.connect_id))
    }

    /// A datagram for a half-open number, from its address and with its session.
    pub(super) fn on_half_open(
        &mut self,
        id: u16,
        reader: &mut Reader<'_>,
        sent_time: Option<u16>,
    ) -> Received {
        let mut received = Received::default();
        let command = Command::decode(reader);
        let round_trip = self
            .half_open
            .entries
            .get(&id)
            .and_then(|entry| match command {
                Ok(Command {
                    channel: CONNECTION_CHANNEL,
                    body:
                        Body::Acknowledge {
                            sequence: FIRST_SEQUENCE,
                            sent_time,
                        },
                    ..
                }) => {
                    let mut attempts = entry.sent.iter().flatten();
                    let sent = attempts.find(|&&sent| self.clock.wire(sent) == sent_time)?;
                    Some(self.clock.now().saturating_since(*sent))
                }
                _ => None,
            });
        if let Some(round_trip) = round_trip {
            return match self.promote(id, round_trip) {
                Some(slot) => {
                    let mut received = self.receive(slot, reader, sent_time);
                    received.applied = true;
                    received
                }
                None => self.dropped(received, DropReason::HostFull),
            };
        }
        if matches!(
            command,
            Ok(Command {
                body: Body::Disconnect { .. },
                ..
            })
        ) {
            self.forget_half_open(id);
            received.applied = true;
            return received;
        }
        let now = self.clock.now();
        let lost = self.half_open.get_mut(id).is_some_and(|entry| {
            entry.expires = entry.expires_at_last;
            if let (
                Ok(Command {
                    sequence,
                    body: Body::Ping,
                    ..
                }),
                Some(time),
            ) = (command, sent_time)
            {
                entry.ping = Some((sequence, time));
            }
            let paced = entry.sent[0].is_none_or(|sent| now.saturating_since(sent) >= PACE);
            command.is_ok() && entry.granted && paced
        });
        if lost {
            if let Some(entry) = self.half_open.get_mut(id) {
                // It knows its number, so it got the last one.
                entry.credit = entry.credit.saturating_add(MAXIMUM_MTU_BYTES.into());
            }
            self.queue_verify(id);
        }
        self.dropped(received, DropReason::NotConnected)
    }

    fn dropped(&mut self, mut received: Received, reason: DropReason) -> Received {
        self.stats.drop(reason);
        received.dropped = Some(reason);
        received
    }

    /// Gives the proven remote of number `id` a place in the peer table.
    fn promote(&mut self, id: u16, round_trip: Duration) -> Option<u16> {
        let entry = self.half_open.entries.remove(&id)?;
        self.half_open.clean();
        let connect_id = entry.offer.connect_id;
        self.addresses.remove_half_open(entry.address, connect_id);
        let Some((slot, generation)) = self.peers.take_slot(self.config.max_peers) else {
            self.routes.set(id, Route::Free);
            let farewell = Farewell::to_half_open(&entry, 0);
            self.replies.push(Reply::Disconnect(farewell));
            return None;
        };
        let identity = Identity {
            key: PeerKey { slot, generation },
            address: entry.address,
            wire_id: id,
            incoming_session: entry.sessions.0,
            outgoing_session: entry.sessions.1,
            connect_id,
        };
        let measured = (self.clock.now(), round_trip);
        let mut peer = Peer::accepted(identity, &entry.offer, entry.data, &self.config, measured);
        if let Some((sequence, sent_time)) = entry.ping {
            let ping = (CONNECTION_CHANNEL, sequence, sent_time);
            peer.out.queue_acknowledgement(ping, &self.config.limits);
        }
        self.addresses.add_peer(entry.address, connect_id, id);
        self.routes.set(id, Route::Peer(slot));
        self.events.push(Event::Connected {
            peer: peer.key,
            data: entry.data,
        });
        self.stats.connects += 1;
        self.connected += 1;
        self.bandwidth
            .count_limited(false, peer.incoming_bandwidth != 0);
        self.peers.put(slot, peer);
        self.note_membership_change();
        self.mark_ready(slot);
        Some(slot)
    }
}

impl Farewell {
    fn to_half_open(entry: &HalfOpen, data: u32) -> Self {
        Self {
            destination: entry.address,
            remote_id: entry.offer.outgoing_peer_id,
            session: entry.sessions.1,
            connect_id: entry.offer.connect_id,
            sequence: FIRST_SEQUENCE + 1,
            data,
        }
    }
}
