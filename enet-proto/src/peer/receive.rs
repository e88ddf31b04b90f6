//! What an incoming datagram does to a connection: one `on_*` for each command.

use super::state::Input;
use super::{Peer, State, mtu_for, stricter, window_for};
use crate::clock::Clock;
use crate::config::Config;
use crate::events::EventQueue;
use crate::pool::Pool;
use crate::recv::{ChannelIn, Held, Room, Verdict};
use crate::send::{Control, SlotState};
use crate::stats::Stats;
use crate::wire::{
    Body, CONNECTION_CHANNEL, Head, MAXIMUM_CHANNELS, MAXIMUM_WINDOW_BYTES, MINIMUM_WINDOW_BYTES,
    NO_PEER_ID, VerifyConnect, payload,
};
use crate::{DisconnectReason, DropReason, Event, PacketFlags, PeerKey};
use bytes::Bytes;
use proto_core::{DecodeError, DecodeErrorKind, Reader};

/// CONNECT is the first command of a connection.
const CONNECT_SEQUENCE: u16 = 1;

/// Godot pads shorter input of FastLZ to this length.
const PADDED_BYTES: usize = 16;

/// Whether a connection-level command `sequence` can be the next that comes after `last`: at most `gap` are missing.
pub(crate) const fn is_plausible(sequence: u16, last: u16, gap: u16) -> bool {
    sequence.wrapping_sub(last) <= gap
}

/// What of the host a connection needs to handle a datagram.
pub(crate) struct Surroundings<'a> {
    pub(crate) config: &'a Config,
    pub(crate) clock: &'a Clock,
    pub(crate) stats: &'a mut Stats,
    pub(crate) events: &'a mut EventQueue,
    /// What packets that wait may take.
    pub(crate) pool: &'a mut Pool,
    /// What came of the datagram so far.
    pub(crate) received: &'a mut Received,
}

/// What a datagram did.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// Whether any command had an effect.
    pub(crate) applied: bool,
    /// The first reason for which something was dropped.
    pub(crate) dropped: Option<DropReason>,
    /// Set if the connection is over.
    pub(crate) ended: Option<Ended>,
    /// Whether there may be something to send now that was not before, or another deadline: not after unreliable packets.
    pub(crate) answers: bool,
}

impl Received {
    /// Why nothing had an effect.
    #[inline]
    pub(crate) const fn refusal(&self) -> Option<DropReason> {
        if self.applied { None } else { self.dropped }
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) reason: DisconnectReason,
    /// The number of a DISCONNECT that wants to be acknowledged.
    pub(crate) acknowledge: Option<u16>,
}

impl Ended {
    pub(crate) const fn because(reason: DisconnectReason) -> Self {
        Self {
            reason,
            acknowledge: None,
        }
    }
}

/// What one command did; [`Received`] says why it had no effect. One byte, so that it stays in a register: written to
/// memory in parts and read as a whole it stops the processor, and each command passes here.
#[derive(Clone, Copy)]
enum Step {
    Done,
    /// Without effect, but in order: it may be acknowledged.
    Ignored,
    /// No room for it now: it is not acknowledged, so that it comes again, and the datagram goes on, since what follows
    /// may be what makes room.
    Skipped,
    /// Against a rule: the rest of the datagram goes with it.
    Refused,
    /// The connection is over.
    Ended,
}

/// Bytes that are no command, and what they count as.
struct Undecodable(DropReason);

impl From<DecodeError> for Undecodable {
    #[cold]
    fn from(error: DecodeError) -> Self {
        Self(match error.kind {
            DecodeErrorKind::Illegal { .. } => DropReason::UnknownCommand,
            _ => DropReason::Truncated,
        })
    }
}

/// Where the packets of one channel go.
struct Delivery<'a> {
    peer: PeerKey,
    channel: u8,
    refusals: &'a mut u32,
    events: &'a mut EventQueue,
}

impl Delivery<'_> {
    #[inline(always)]
    fn deliver(&mut self, flags: PacketFlags, payload: Bytes) {
        *self.refusals = 0;
        self.events
            .push_packet((self.peer, self.channel), flags, payload);
    }
}

/// Zeros at the end, as many as a compressor makes of a short datagram (Godot: FastLZ): C ENet passes them over.
#[cold]
fn is_padding(rest: &[u8]) -> bool {
    rest.len() < PADDED_BYTES && rest.iter().all(|&byte| byte == 0)
}

impl Surroundings<'_> {
    /// Counts something that was dropped.
    #[cold]
    fn drop(&mut self, reason: DropReason) {
        self.stats.drop(reason);
        self.received.dropped.get_or_insert(reason);
    }

    #[cold]
    fn ignore(&mut self, reason: DropReason) -> Step {
        self.drop(reason);
        Step::Ignored
    }

    #[cold]
    fn refuse(&mut self, reason: DropReason) -> Step {
        self.drop(reason);
        match reason {
            DropReason::ReceiveLimit | DropReason::HostLimit => Step::Skipped,
            _ => Step::Refused,
        }
    }

    /// Counts `rest`, which is no command, unless it is padding.
    #[cold]
    fn drop_undecodable(&mut self, reason: DropReason, rest: &[u8]) {
        if !is_padding(rest) {
            self.drop(reason);
        }
    }

    #[cold]
    const fn end(&mut self, reason: DisconnectReason, acknowledge: Option<u16>) -> Step {
        self.received.ended = Some(Ended {
            reason,
            acknowledge,
        });
        Step::Ended
    }
}

impl Peer {
    /// Handles the commands of a datagram that is for this connection.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        reader: &mut Reader<'_>,
        sent_time: Option<u16>,
        around: &mut Surroundings<'_>,
    ) {
        let (mut acknowledged, mut applied, mut answers) = (false, false, false);
        while !reader.is_empty() {
            let (at, rest) = (reader.at(), reader.rest());
            let Ok(head) = Head::decode(reader) else {
                around.drop_undecodable(DropReason::Truncated, rest);
                break;
            };
            let step = match self.on_command(head, at, reader, around) {
                Ok(step) => step,
                Err(Undecodable(reason)) => {
                    around.drop_undecodable(reason, rest);
                    break;
                }
            };
            acknowledged |= head.number() == Head::ACKNOWLEDGE;
            answers |= head.number() != Head::SEND_UNRELIABLE || head.wants_acknowledgement();
            match step {
                Step::Done => applied = true,
                Step::Ignored => {}
                Step::Skipped => {
                    around.received.ended = self.on_skip(around.config);
                    if around.received.ended.is_some() {
                        break;
                    }
                    continue;
                }
                Step::Refused => break,
                Step::Ended => {
                    applied = true;
                    break;
                }
            }
            if head.wants_acknowledgement() {
                let Some(sent_time) = sent_time else {
                    around.drop(DropReason::NoSentTime);
                    break;
                };
                // What was taken in was inside the window.
                let taken = matches!(step, Step::Done) && head.number() == Head::SEND_RELIABLE;
                if taken || self.is_in_time(head) {
                    self.acknowledge(head, sent_time, around.config);
                }
            }
        }
        around.received.applied = applied;
        around.received.answers = answers;
        if acknowledged && self.out.flying == 0 {
            self.out.forget_attempts();
        } else if acknowledged {
            if self.retransmission.is_early {
                self.find_overtaken(around.clock.now());
            }
            self.find_retransmit_at();
        }
    }

    /// Decodes what follows `head`, which begins at byte `at`, and handles it. The frequent kinds come first.
    #[inline]
    fn on_command(
        &mut self,
        head: Head,
        at: usize,
        reader: &mut Reader<'_>,
        around: &mut Surroundings<'_>,
    ) -> Result<Step, Undecodable> {
        let (channel, sequence) = (head.channel, head.sequence);
        Ok(match head.number() {
            Head::ACKNOWLEDGE => {
                let sequence = reader.u16_be("received sequence number")?;
                let sent_time = reader.u16_be("received sent time")?;
                let echo = (sequence, sent_time);
                if channel == CONNECTION_CHANNEL {
                    self.on_control_acknowledged(echo, around)
                } else {
                    self.on_acknowledge(channel, echo, around)
                }
            }
            Head::SEND_RELIABLE => {
                let payload = payload(reader)?;
                self.on_packet(channel, around, |input, budget, events| {
                    let deliver = &mut |flags, payload| events.deliver(flags, payload);
                    input.on_reliable(sequence, payload, budget, deliver)
                })
            }
            Head::SEND_UNRELIABLE => {
                let number = (sequence, reader.u16_be("unreliable sequence number")?);
                let payload = payload(reader)?;
                self.on_packet(channel, around, |input, budget, events| {
                    let deliver = &mut |flags, payload| events.deliver(flags, payload);
                    input.on_unreliable(number, payload, budget, deliver)
                })
            }
            _ => {
                let body = Body::decode(head, at, reader)?;
                self.on_rare(head, &body, around)
            }
        })
    }

    /// Handles any command that [`Peer::on_command`] does not know by itself.
    fn on_rare(&mut self, head: Head, body: &Body<'_>, around: &mut Surroundings<'_>) -> Step {
        let (channel, sequence) = (head.channel, head.sequence);
        let gap = around.config.limits.disconnect_gap;
        let plausible = is_plausible(sequence, self.control_received, gap);
        match body {
            Body::SendFragment(part) => self.on_packet(channel, around, |input, budget, events| {
                let deliver = &mut |flags, payload| events.deliver(flags, payload);
                input.on_fragment(sequence, part, budget, deliver)
            }),
            Body::SendUnreliableFragment(part) => {
                self.on_packet(channel, around, |input, budget, events| {
                    let deliver = &mut |flags, payload| events.deliver(flags, payload);
                    input.on_unreliable_fragment(sequence, part, budget, deliver)
                })
            }
            Body::SendUnsequenced { group, payload } => {
                self.on_unsequenced(channel, *group, payload, around)
            }
            Body::VerifyConnect(terms) => self.on_verify_connect(sequence, terms, around),
            Body::Disconnect { .. } if !plausible => around.refuse(DropReason::OutsideWindow),
            Body::Disconnect { data } => {
                let acknowledge = head.wants_acknowledgement().then_some(sequence);
                around.end(DisconnectReason::Remote { data: *data }, acknowledge)
            }
            Body::Ping if self.state.is_open() => {
                self.note_control(sequence, plausible);
                Step::Done
            }
            Body::BandwidthLimit { incoming, outgoing } if self.state.is_open() => {
                self.note_control(sequence, plausible);
                self.incoming_bandwidth = *incoming;
                self.outgoing_bandwidth = *outgoing;
                self.window_bytes =
                    window_for(stricter(around.config.outgoing_bandwidth, *incoming));
                Step::Done
            }
            Body::ThrottleConfigure {
                interval_ms,
                acceleration,
                deceleration,
            } if self.state.is_open() => {
                self.note_control(sequence, plausible);
                self.throttle.interval_ms = *interval_ms;
                self.throttle.acceleration = *acceleration;
                self.throttle.deceleration = *deceleration;
                Step::Done
            }
            _ => around.refuse(DropReason::UnexpectedCommand),
        }
    }

    /// Notes the number of a connection-level command, unless a forger may have made it up.
    const fn note_control(&mut self, sequence: u16, plausible: bool) {
        if plausible {
            self.control_received = sequence;
        }
    }

    /// Has `handle` take a packet, or a part of one, into a channel, if this is the time for packets.
    #[inline]
    fn on_packet(
        &mut self,
        channel: u8,
        around: &mut Surroundings<'_>,
        handle: impl FnOnce(&mut ChannelIn, (&mut Held, Room<'_>), &mut Delivery<'_>) -> Verdict,
    ) -> Step {
        if !self.state.is_open() {
            return around.refuse(DropReason::UnexpectedCommand);
        }
        let Some(open) = self.channels.open(channel) else {
            return around.refuse(DropReason::BadChannel);
        };
        if around.events.is_full() {
            return around.refuse(DropReason::ReceiveLimit);
        }
        let mut delivery = Delivery {
            peer: self.key,
            channel,
            refusals: &mut self.refusals,
            events: around.events,
        };
        let room = Room {
            limits: &around.config.limits,
            pool: around.pool,
        };
        let verdict = handle(&mut open.input, (&mut self.held, room), &mut delivery);
        if open.input.holds() {
            let held = self.held.bytes();
            around.pool.settle(&mut self.held.beyond_share, held);
            if let Verdict::Refused(DropReason::HostLimit)
            | Verdict::Ignored(DropReason::HostLimit) = verdict
            {
                around.pool.note_refusal();
            }
        }
        match verdict {
            Verdict::Taken => Step::Done,
            Verdict::Ignored(reason) => around.ignore(reason),
            Verdict::Refused(reason) => around.refuse(reason),
        }
    }

    fn on_unsequenced(
        &mut self,
        channel: u8,
        group: u16,
        payload: &[u8],
        around: &mut Surroundings<'_>,
    ) -> Step {
        let mut window = self.window.take().unwrap_or_default();
        let step = self.on_packet(channel, around, |_, _, events| {
            if let Err(reason) = window.accept(group) {
                return Verdict::Ignored(reason);
            }
            let payload = Bytes::copy_from_slice(payload);
            events.deliver(PacketFlags::UNSEQUENCED, payload);
            Verdict::Taken
        });
        self.window = Some(window);
        step
    }

    /// Counts a packet that found no room; a peer that only sends these is dropped.
    fn on_skip(&mut self, config: &Config) -> Option<Ended> {
        self.refusals = self.refusals.saturating_add(1);
        (self.refusals > config.limits.refusals)
            .then(|| Ended::because(DisconnectReason::ReceiveLimit))
    }

    #[inline]
    fn on_acknowledge(
        &mut self,
        channel: u8,
        (sequence, sent_time): (u16, u16),
        around: &mut Surroundings<'_>,
    ) -> Step {
        let clock = around.clock;
        let Some(output) = self.channels.output(channel) else {
            return around.ignore(DropReason::UnknownAck);
        };
        let Some((piece, flight, micros)) =
            output.in_flight.find_echoed(sequence, sent_time, clock)
        else {
            return around.ignore(DropReason::UnknownAck);
        };
        if flight.state == SlotState::Flying {
            self.out.flying -= 1;
            self.out.flying_bytes -= piece.bytes().len();
        }
        self.overtaking.acknowledged(flight, clock.now(), micros);
        self.brake.acknowledged(flight.sent, clock.now());
        let out = &mut self.out;
        output
            .in_flight
            .remove(sequence, |gone| out.finish_piece(gone));
        // Most are acknowledged in order: then nobody has to look for this one.
        if out.sent_once.front() == Some(&(channel, sequence)) {
            out.sent_once.pop_front();
        }
        self.measured(clock.now(), micros);
        self.disconnect_if_drained();
        Step::Done
    }

    fn on_control_acknowledged(
        &mut self,
        (sequence, sent_time): (u16, u16),
        around: &mut Surroundings<'_>,
    ) -> Step {
        let clock = around.clock;
        let control = &mut self.out.control;
        let Some((command, flight, micros)) = control.find_echoed(sequence, sent_time, clock)
        else {
            return around.ignore(DropReason::UnknownAck);
        };
        if matches!(command, Control::Disconnect { .. }) && self.state == State::Disconnecting {
            return around.end(DisconnectReason::Local, None);
        }
        if flight.state == SlotState::Flying {
            self.out.flying -= 1;
        }
        self.overtaking.acknowledged(flight, clock.now(), micros);
        self.brake.acknowledged(flight.sent, clock.now());
        control.remove(sequence, |_| ());
        self.measured(clock.now(), micros);
        self.disconnect_if_drained();
        Step::Done
    }

    fn on_verify_connect(
        &mut self,
        sequence: u16,
        terms: &VerifyConnect,
        around: &mut Surroundings<'_>,
    ) -> Step {
        let Some(state) = self.state.after(Input::Verified) else {
            return around.ignore(DropReason::UnexpectedCommand);
        };
        let own = self.terms(around.config);
        let channel_count = usize::try_from(terms.channel_count).unwrap_or(usize::MAX);
        let fits = (1..=MAXIMUM_CHANNELS).contains(&channel_count)
            && terms.throttle_interval_ms == own.throttle_interval_ms
            && terms.throttle_acceleration == own.throttle_acceleration
            && terms.throttle_deceleration == own.throttle_deceleration
            && terms.connect_id == self.connect_id
            && terms.outgoing_peer_id < NO_PEER_ID;
        if !fits {
            return around.end(DisconnectReason::HandshakeFailed, None);
        }
        if let Some((_, flight)) = self.out.control.find(CONNECT_SEQUENCE) {
            self.out.flying -= usize::from(flight.state == SlotState::Flying);
            self.out.control.remove(CONNECT_SEQUENCE, |_| ());
        }
        self.state = state;
        self.control_received = sequence;
        self.channels.limit(channel_count);
        self.remote_id = terms.outgoing_peer_id;
        self.incoming_session = terms.incoming_session_id & 3;
        self.outgoing_session = terms.outgoing_session_id & 3;
        self.layout.mtu_bytes = mtu_for(terms.mtu_bytes, self.layout.mtu_bytes);
        let window = terms
            .window_bytes
            .clamp(MINIMUM_WINDOW_BYTES, MAXIMUM_WINDOW_BYTES);
        self.window_bytes = self.window_bytes.min(window);
        self.incoming_bandwidth = terms.incoming_bandwidth;
        self.outgoing_bandwidth = terms.outgoing_bandwidth;
        around.stats.connects += 1;
        around.events.push(Event::Connected {
            peer: self.key,
            data: 0,
        });
        Step::Done
    }

    /// Whether a command that has been handled may be acknowledged: not if it was too early, and must come again.
    fn is_in_time(&mut self, head: Head) -> bool {
        head.channel == CONNECTION_CHANNEL
            || self
                .channels
                .open(head.channel)
                .is_none_or(|channel| channel.input.acknowledges(head.sequence))
    }

    /// Queues the acknowledgement of a command that has been handled.
    #[inline]
    fn acknowledge(&mut self, head: Head, sent_time: u16, config: &Config) {
        if self.state != State::Disconnecting {
            self.out
                .queue_acknowledgement((head.channel, head.sequence, sent_time), &config.limits);
        }
    }
}
