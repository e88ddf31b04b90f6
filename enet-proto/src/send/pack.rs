//! Datagrams made of what waits: which commands leave now, in which order, and around them the header.

use super::queue::Other;
use super::{Control, Flight, SlotState};
use crate::clock::Clock;
use crate::peer::{Peer, State};
use crate::stats::Stats;
use crate::wire::{
    Body, COMMANDS_PER_DATAGRAM, CONNECTION_CHANNEL, Command, ConnectId, Header, NO_PEER_ID,
    checksum,
};
use core::ops::Range;
use proto_core::Writer;

const CHECKSUM_BYTES: u16 = 4;
/// A header with its sent time; this much is set aside whether the sent time is written or not.
const HEADER_BYTES: u16 = 4;
/// The same as an index.
const HEADER: usize = HEADER_BYTES as usize;
/// SEND_FRAGMENT without its payload.
const FRAGMENT_BYTES: u16 = 24;
/// The receive windows of ENet: a number may be less than seven windows of 4096 ahead of the last delivered one.
const WINDOW_SHIFT: u32 = 12;
const WINDOWS: u16 = 16;
const FREE_WINDOWS: u16 = 7;

/// How datagrams to one peer are laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) mtu_bytes: u16,
    pub(crate) checksum: bool,
}

impl Layout {
    const fn checksum_bytes(self) -> u16 {
        if self.checksum { CHECKSUM_BYTES } else { 0 }
    }

    /// Longest packet, or part of one, that fits a datagram.
    pub(crate) const fn part_bytes(self) -> u16 {
        self.mtu_bytes - HEADER_BYTES - FRAGMENT_BYTES - self.checksum_bytes()
    }

    /// Where commands go in a buffer, with room for the longest header in front.
    pub(crate) fn commands(self) -> Range<usize> {
        usize::from(HEADER_BYTES + self.checksum_bytes())..self.mtu_bytes.into()
    }
}

/// Commands in a buffer, at the place where their [`Layout`] wants them, without what goes in front of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unsealed {
    pub(crate) layout: Layout,
    pub(crate) header: Header,
    /// What the checksum starts from.
    pub(crate) seed: ConnectId,
    /// Where the commands end.
    pub(crate) end: usize,
}

impl Unsealed {
    /// Where the commands are.
    pub(crate) fn commands(&self) -> Range<usize> {
        self.layout.commands().start..self.end
    }

    /// Writes header and checksum in front of the commands; gives the range of the datagram.
    #[inline]
    pub(crate) fn seal(&self, buffer: &mut [u8]) -> Range<usize> {
        let header = &self.header;
        let start = HEADER - header.encoded_len();
        // The buffer holds at least the largest datagram, see `Host::BUFFER`.
        let _ = header.encode(&mut Writer::new(&mut buffer[start..HEADER]));
        if self.layout.checksum {
            let commands = self.commands();
            let sum = checksum(&buffer[start..HEADER], self.seed, &buffer[commands.clone()]);
            buffer[HEADER..commands.start].copy_from_slice(&sum.to_be_bytes());
        }
        start..self.end
    }
}

/// What [`Peer::write_datagram`] made.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) unsealed: Unsealed,
    /// Whether something did not fit, and wants another datagram.
    pub(crate) more: bool,
}

/// A datagram in the making.
///
/// In this order no field that begins as zero is cleared by two writes that overlap, behind which its first read would wait.
#[repr(C)]
struct Packing<'a> {
    /// How long its reliable commands wait to be acknowledged; 0 until there is one.
    timeout_micros: u32,
    /// Whether a command wants to be acknowledged.
    wants_acknowledgement: bool,
    /// Whether something did not fit.
    full: bool,
    writer: Writer<'a>,
    commands: usize,
}

impl Packing<'_> {
    /// Writes `command` if it fits; it fits in whole or not at all. Inlined, so that a call for one kind of command is
    /// left with the code for that kind.
    #[inline(always)]
    fn add(&mut self, command: &Command<'_>) -> bool {
        if self.commands >= COMMANDS_PER_DATAGRAM
            || self.writer.room() < command.encoded_len()
            || command.encode(&mut self.writer).is_err()
        {
            self.full = true;
            return false;
        }
        self.commands += 1;
        self.wants_acknowledgement |= command.acknowledge;
        true
    }

    /// The same for calls that may be for any kind.
    fn add_any(&mut self, command: &Command<'_>) -> bool {
        self.add(command)
    }

    /// Whether a command of so many bytes fits; if not, the datagram is full.
    #[inline]
    fn fits(&mut self, bytes: usize) -> bool {
        self.full |= self.commands >= COMMANDS_PER_DATAGRAM || self.writer.room() < bytes;
        !self.full
    }
}

impl Peer {
    /// Writes the next datagram to this peer into `buffer`, or nothing if nothing may leave now.
    pub(crate) fn write_datagram(
        &mut self,
        buffer: &mut [u8],
        clock: &Clock,
        stats: &mut Stats,
    ) -> Option<Packed> {
        let now = clock.now();
        let range = self.layout.commands();
        let start = range.start;
        let mut packing = Packing {
            writer: Writer::new(&mut buffer[range]),
            commands: 0,
            wants_acknowledgement: false,
            full: false,
            timeout_micros: 0,
        };
        self.pack_acknowledgements(&mut packing);
        let mut reliable_open = self.pack_lost(&mut packing, clock, stats);
        while !packing.full && self.pack_next(&mut packing, &mut reliable_open, clock, stats) {}
        self.pack_ping(&mut packing, clock);
        if packing.commands == 0 {
            return None;
        }
        self.loss.update(now);
        self.loss.sent += packing.commands as u64;
        let header = Header {
            peer_id: self.remote_id,
            session: if self.remote_id == NO_PEER_ID {
                0
            } else {
                self.outgoing_session
            },
            compressed: false,
            sent_time: packing.wants_acknowledgement.then(|| clock.wire(now)),
        };
        let seed = if self.remote_id == NO_PEER_ID {
            ConnectId::default()
        } else {
            self.connect_id
        };
        let unsealed = Unsealed {
            layout: self.layout,
            header,
            seed,
            end: start + packing.writer.at(),
        };
        let more = packing.full;
        Some(Packed { unsealed, more })
    }

    fn pack_acknowledgements(&mut self, packing: &mut Packing<'_>) {
        while let Some(run) = self.out.acknowledgements.front_mut() {
            while run.count > 0 {
                let command = Command {
                    acknowledge: false,
                    unsequenced: false,
                    channel: run.channel,
                    sequence: run.first,
                    body: Body::Acknowledge {
                        sequence: run.first,
                        sent_time: run.sent_time,
                    },
                };
                if !packing.add(&command) {
                    return;
                }
                self.data_sent += command.encoded_len() as u64;
                run.first = run.first.wrapping_add(1);
                run.count -= 1;
            }
            self.out.acknowledgements.drop_front();
        }
    }

    /// Whether `bytes` more of reliable packets may fly.
    #[inline]
    fn window_allows(&self, bytes: usize) -> bool {
        (self.out.flying_bytes + bytes) as u64 <= self.open_window_bytes()
    }

    /// Sends lost commands again; false if the byte window closed.
    #[inline]
    fn pack_lost(&mut self, packing: &mut Packing<'_>, clock: &Clock, stats: &mut Stats) -> bool {
        while let Some(&(channel, sequence)) = self.out.lost.front() {
            let window = self.open_window_bytes();
            let room = window.saturating_sub(self.out.flying_bytes as u64);
            let (flight, bytes) = if channel == CONNECTION_CHANNEL {
                match self.out.control.find(sequence) {
                    Some((control, flight)) if flight.state == SlotState::Lost => {
                        if !packing.add_any(&control.command(sequence)) {
                            return true;
                        }
                        (flight, 0)
                    }
                    _ => {
                        self.out.lost.pop_front();
                        continue;
                    }
                }
            } else {
                let found = self
                    .channels
                    .output(channel)
                    .and_then(|out| out.in_flight.find(sequence));
                match found {
                    Some((piece, flight)) if flight.state == SlotState::Lost => {
                        let bytes = piece.bytes().len();
                        if bytes as u64 > room {
                            return false;
                        }
                        if !packing.add_any(&piece.command(channel, sequence)) {
                            return true;
                        }
                        (flight, bytes)
                    }
                    _ => {
                        self.out.lost.pop_front();
                        continue;
                    }
                }
            };
            flight.state = SlotState::Flying;
            flight.sent = clock.now();
            flight.attempts = flight.attempts.saturating_add(1);
            let deadline = flight.deadline();
            self.out.lost.pop_front();
            if self.out.flying == 0 || deadline < self.retransmit_at {
                self.retransmit_at = deadline;
            }
            self.out.flying += 1;
            self.out.flying_bytes += bytes;
            self.out
                .sent_again
                .push(core::cmp::Reverse((deadline, channel, sequence)));
            if self.retransmission.is_early {
                self.out.resent.push_back((clock.now(), channel, sequence));
            }
            stats.retransmissions += 1;
        }
        true
    }

    /// Packs whichever waits longer of the reliable and the other queue; false if nothing more can leave.
    #[inline]
    fn pack_next(
        &mut self,
        packing: &mut Packing<'_>,
        reliable_open: &mut bool,
        clock: &Clock,
        stats: &mut Stats,
    ) -> bool {
        let other = self.out.other.front().map(|(order, _)| *order);
        let reliable = self.out.reliable.front().map(|packet| packet.order);
        match (reliable, other) {
            (Some(reliable), other)
                if *reliable_open && other.is_none_or(|other| reliable < other) =>
            {
                *reliable_open = self.pack_reliable(packing, clock);
                true
            }
            (_, Some(_)) => {
                self.pack_other(packing, clock, stats);
                true
            }
            _ => false,
        }
    }

    /// Packs the next reliable piece; false if a window is closed and no more of them may leave.
    #[inline]
    fn pack_reliable(&mut self, packing: &mut Packing<'_>, clock: &Clock) -> bool {
        let Some(packet) = self.out.reliable.front() else {
            return false;
        };
        let (channel, sequence) = (packet.channel, packet.sequence);
        let bytes = packet.next().bytes().len();
        if !self.window_allows(bytes) {
            return false;
        }
        let Some(output) = self.channels.output(channel) else {
            return false;
        };
        let last_acknowledged = output.in_flight.base().wrapping_sub(1);
        let ahead =
            (sequence >> WINDOW_SHIFT).wrapping_sub(last_acknowledged >> WINDOW_SHIFT) % WINDOWS;
        if ahead >= FREE_WINDOWS {
            return false;
        }
        let packed = match packet.next().whole() {
            Some(payload) => packing.add(&Command {
                acknowledge: true,
                unsequenced: false,
                channel,
                sequence,
                body: Body::SendReliable { payload },
            }),
            None => packing.add_any(&packet.next().command(channel, sequence)),
        };
        if !packed {
            return true;
        }
        let Some(piece) = self.out.take_reliable_piece() else {
            return false;
        };
        if packing.timeout_micros == 0 {
            packing.timeout_micros = self.round_trip.timeout_micros(&self.retransmission);
        }
        let timeout = packing.timeout_micros;
        output
            .in_flight
            .push(piece, Flight::new(clock.now(), timeout));
        self.note_sent(channel, sequence, clock.now().add_micros(timeout.into()));
        self.out.flying_bytes += bytes;
        true
    }

    #[inline]
    fn note_sent(&mut self, channel: u8, sequence: u16, deadline: proto_core::Instant) {
        if self.out.flying == 0 {
            self.retransmit_at = deadline;
        }
        self.out.flying += 1;
        self.out.sent_once.push_back((channel, sequence));
    }

    /// Packs or drops the front of the other queue if it is the most frequent kind, an ordered packet in one piece.
    #[inline]
    fn pack_unreliable(&mut self, packing: &mut Packing<'_>, stats: &mut Stats) -> bool {
        let Some((_, Other::Unreliable(channel, sequence, number, payload))) =
            self.out.other.front()
        else {
            return false;
        };
        let body = Body::SendUnreliable {
            unreliable_sequence: *number,
            payload,
        };
        let bytes = payload.len();
        if !packing.fits(body.fixed_len() + bytes) {
            return true;
        }
        if self.throttle.passes() {
            packing.add(&Command {
                acknowledge: false,
                unsequenced: false,
                channel: *channel,
                sequence: *sequence,
                body,
            });
        } else {
            stats.throttled += 1;
        }
        self.out.pop_unreliable(bytes);
        true
    }

    fn pack_other(&mut self, packing: &mut Packing<'_>, clock: &Clock, stats: &mut Stats) {
        if self.pack_unreliable(packing, stats) {
            return;
        }
        let Some((_, other)) = self.out.other.front() else {
            return;
        };
        let command = other.command();
        if !packing.fits(command.encoded_len()) {
            return;
        }
        if other.is_throttled() && !self.throttle.passes() {
            stats.throttled += 1;
            self.out.drop_other();
            return;
        }
        if !packing.add_any(&command) {
            return;
        }
        if let Some((sequence, control)) = self.out.finish_other() {
            let timeout = self.retransmission_timeout();
            self.out
                .control
                .push(control, Flight::new(clock.now(), timeout));
            self.note_sent(
                CONNECTION_CHANNEL,
                sequence,
                clock.now().add_micros(timeout.into()),
            );
        }
    }

    /// Adds a ping where nothing else would show whether the remote is alive.
    fn pack_ping(&mut self, packing: &mut Packing<'_>, clock: &Clock) {
        let ping = Body::Ping;
        if self.out.flying > 0
            || self.state != State::Connected
            || packing.commands >= COMMANDS_PER_DATAGRAM
            || packing.writer.room() < ping.fixed_len()
            || self.ping_at().is_some_and(|at| clock.now() < at)
        {
            return;
        }
        let sequence = self.out.next_control_sequence();
        if !packing.add_any(&Command::connection(sequence, ping)) {
            return;
        }
        let timeout = self.retransmission_timeout();
        self.data_sent += ping.fixed_len() as u64;
        self.out
            .control
            .push(Control::Ping, Flight::new(clock.now(), timeout));
        self.note_sent(
            CONNECTION_CHANNEL,
            sequence,
            clock.now().add_micros(timeout.into()),
        );
    }

    /// Drops everything that waits, as a disconnect does.
    pub(crate) fn clear_queues(&mut self) {
        self.out.clear();
        self.channels.clear_output();
    }
}
