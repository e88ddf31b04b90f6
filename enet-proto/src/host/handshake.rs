//! Remotes that connect to us, until they have proven their address.
//!
//! ```text
//! CONNECT --> Asked (deferred admission) --accept--> Granted --ACK of VERIFY_CONNECT--> a peer
//!        \--> Granted (automatic admission) ----------^
//! ```
//!
//! VERIFY_CONNECT is only ever sent in answer to a datagram: a CONNECT, whose copies an honest client sends anyway, or
//! one that carries the number and session that only a reader of VERIFY_CONNECT knows.

use super::challenge::Cookie;
use super::half_open::{ATTEMPTS, Attempt, HalfOpen};
use super::replies::{Farewell, Reply};
use super::routes::Route;
use super::{Host, is_connect_command};
use crate::config::Admission;
use crate::key::{PeerKey, RequestKey};
use crate::peer::{Identity, Peer, Received, is_plausible, mtu_for, window_for};
use crate::wire::{
    Body, CONNECTION_CHANNEL, Command, Connect, ConnectId, Header, MAXIMUM_CHANNELS,
    MAXIMUM_MTU_BYTES, MAXIMUM_WINDOW_BYTES, MINIMUM_WINDOW_BYTES, NO_PEER_ID, VerifyConnect,
};
use crate::{DropReason, Event, RequestGone};
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::{Instant, Reader, SeedRng};

/// The first connection-level command of either side.
const FIRST_SEQUENCE: u16 = 1;
/// The least time between two answers to anything but CONNECT.
const PACE: Duration = Duration::from_millis(100);
/// How many lifetimes a remote may take that proves that it knows its number.
const LIFETIMES: u32 = 6;

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

    /// A datagram without a number: the answer to a challenge, or CONNECT, or one behind the other.
    pub(super) fn on_stranger(
        &mut self,
        (from, bytes): (SocketAddr, usize),
        reader: &mut Reader<'_>,
        header: Header,
    ) -> Result<Received, DropReason> {
        let mut received = Received::default();
        let mut is_connect = is_connect_command(reader.rest());
        let mut command = Command::decode(reader);
        if let Ok(Command {
            body:
                Body::Acknowledge {
                    sequence,
                    sent_time,
                },
            ..
        }) = command
            && self.on_cookie(
                from,
                Cookie {
                    sequence,
                    sent_time,
                },
            )
        {
            received.applied = true;
            if reader.is_empty() {
                return Ok(received);
            }
            is_connect = is_connect_command(reader.rest());
            command = Command::decode(reader);
        }
        let (sequence, connect) = match command {
            Ok(Command {
                sequence,
                body: Body::Connect(connect),
                ..
            }) => (sequence, connect),
            Ok(_) => return Err(DropReason::NotConnected),
            Err(_) if is_connect => return Err(DropReason::Truncated),
            Err(_) => return Err(DropReason::NotConnected),
        };
        let asked_at = header.sent_time.ok_or(DropReason::NoSentTime)?;
        self.on_connect(from, &connect, (sequence, asked_at))?;
        self.note_asked(from, connect.terms.connect_id, bytes);
        match reader.len() {
            0 => {}
            1..4 => self.stats.drop(DropReason::Trailing),
            _ => self.stats.drop(DropReason::UnexpectedCommand),
        }
        received.applied = true;
        Ok(received)
    }

    /// CONNECT from somebody without a number.
    pub(super) fn on_connect(
        &mut self,
        from: SocketAddr,
        connect: &Connect,
        (sequence, asked_at): (u16, u16),
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
        let room = self.half_open.len() < limits.half_open;
        let free = if room {
            self.routes.choose(&mut self.rng)
        } else {
            None
        };
        let proven = self.is_proven(from);
        let id = match free {
            Some(id) => id,
            None if proven => {
                self.evict_half_open();
                self.routes
                    .choose(&mut self.rng)
                    .ok_or(DropReason::HostFull)?
            }
            None => {
                self.challenge(from, connect, asked_at);
                return Ok(());
            }
        };
        self.add_half_open(id, from, connect, (sequence, proven));
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
                    serial: self.half_open.get(id).map_or(0, |entry| entry.serial),
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

    fn add_half_open(
        &mut self,
        id: u16,
        address: SocketAddr,
        connect: &Connect,
        (sequence, proven): (u16, bool),
    ) {
        self.tombstones.remove(id);
        let offer = connect.terms;
        let offered = (offer.incoming_session_id, offer.outgoing_session_id);
        let sessions = self.routes.agree(id, offered, &mut self.rng);
        let lifetime = self.config.limits.half_open_lifetime;
        let expires = self.clock.now() + lifetime;
        let serial = self.half_open.next_serial();
        self.half_open.insert(
            id,
            HalfOpen {
                serial,
                address,
                offer,
                data: connect.data,
                sequence,
                proven,
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
        if let Some(id) = self.half_open.weakest() {
            self.stats.drop(DropReason::HalfOpenLimit);
            self.forget_half_open(id);
        }
    }

    /// Forgets those that took too long.
    pub(super) fn expire_half_open(&mut self) {
        while let Some(id) = self.half_open.expired(self.clock.now()) {
            self.forget_half_open(id);
        }
    }

    fn forget_half_open(&mut self, id: u16) {
        if let Some(entry) = self.half_open.remove(id) {
            self.addresses
                .remove_half_open(entry.address, entry.offer.connect_id);
            self.routes.set(id, Route::Free);
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

    /// The VERIFY_CONNECT for number `id`, where it goes, and the sent time that it shall give, if that remote still
    /// waits for it.
    pub(super) fn verify(
        &mut self,
        id: u16,
        serial: u32,
    ) -> Option<(SocketAddr, VerifyConnect, u16)> {
        let at = self.clock.now();
        let config = &self.config;
        let entry = self.half_open.get_mut(id)?;
        if entry.serial != serial {
            return None;
        }
        entry.is_queued = false;
        entry.sent.rotate_right(1);
        let echo = match config.clock_base {
            Some(_) => self.clock.wire(at),
            None => random_time(&mut self.rng),
        };
        entry.sent[0] = Some(Attempt { at, echo });
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
        Some((entry.address, terms, echo))
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
        let round_trip = self.half_open.get(id).and_then(|entry| match command {
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
                let attempt = attempts.find(|attempt| attempt.echo == sent_time)?;
                Some(self.clock.now().saturating_since(attempt.at))
            }
            _ => None,
        });
        if let Some(round_trip) = round_trip {
            return match self.promote(id, round_trip) {
                Some(slot) => {
                    self.receive(slot, reader, sent_time);
                    received.applied = true;
                    received
                }
                None => self.dropped(received, DropReason::HostFull),
            };
        }
        if let Ok(Command {
            sequence,
            body: Body::Disconnect { .. },
            ..
        }) = command
        {
            let gap = self.config.limits.disconnect_gap;
            let asked = self.half_open.get(id).map_or(0, |entry| entry.sequence);
            if !is_plausible(sequence, asked, gap) {
                return self.dropped(received, DropReason::OutsideWindow);
            }
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
            let paced = entry.sent[0].is_none_or(|sent| now.saturating_since(sent.at) >= PACE);
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
        let entry = self.half_open.remove(id)?;
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
        let asked = (entry.sequence, entry.data);
        let mut peer = Peer::accepted(identity, &entry.offer, asked, &self.config, measured);
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

/// Any of 65,536 sent times: the clock's own could be told from that of an earlier connection.
#[expect(clippy::cast_possible_truncation, reason = "the wire has 16 bits")]
fn random_time(rng: &mut SeedRng) -> u16 {
    rng.next_u32() as u16
}
