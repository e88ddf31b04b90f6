//! What an incoming datagram does to a connection: one `on_*` for each command.

use super::state::Input;
use super::{Peer, State, mtu_for, stricter, window_for};
use crate::clock::Clock;
use crate::config::Config;
use crate::events::EventQueue;
use crate::recv::Verdict;
use crate::send::{Control, SlotState};
use crate::stats::Stats;
use crate::wire::{
    Body, CONNECTION_CHANNEL, Command, MAXIMUM_CHANNELS, MAXIMUM_WINDOW_BYTES,
    MINIMUM_WINDOW_BYTES, NO_PEER_ID, VerifyConnect,
};
use crate::{DisconnectReason, DropReason, Event, PacketFlags};
use bytes::Bytes;
use proto_core::{DecodeErrorKind, Reader};

/// CONNECT is the first command of a connection.
const CONNECT_SEQUENCE: u16 = 1;

/// What of the host a connection needs to handle a datagram.
pub(crate) struct Surroundings<'a> {
    pub(crate) config: &'a Config,
    pub(crate) clock: &'a Clock,
    pub(crate) stats: &'a mut Stats,
    pub(crate) events: &'a mut EventQueue,
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

/// What one command did.
enum Step {
    Done,
    /// Without effect, but in order: it may be acknowledged.
    Ignored(DropReason),
    /// No room for it now: it is not acknowledged, so that it comes again, and the datagram goes on, since what follows
    /// may be what makes room.
    Skipped(DropReason),
    /// Against a rule: the rest of the datagram goes with it.
    Refused(DropReason),
    Ended(Ended),
}

impl From<Verdict> for Step {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Taken => Self::Done,
            Verdict::Ignored(reason) => Self::Ignored(reason),
            Verdict::Refused(DropReason::ReceiveLimit) => Self::Skipped(DropReason::ReceiveLimit),
            Verdict::Refused(reason) => Self::Refused(reason),
        }
    }
}

impl Received {
    fn drop(&mut self, reason: DropReason, stats: &mut Stats) {
        stats.drop(reason);
        self.dropped.get_or_insert(reason);
    }
}

impl Peer {
    /// Handles the commands of a datagram that is for this connection.
    pub(crate) fn receive(
        &mut self,
        reader: &mut Reader<'_>,
        sent_time: Option<u16>,
        around: &mut Surroundings<'_>,
    ) -> Received {
        let mut received = Received::default();
        let mut acknowledged = false;
        while !reader.is_empty() {
            let command = match Command::decode(reader) {
                Ok(command) => command,
                Err(error) => {
                    let reason = match error.kind {
                        DecodeErrorKind::Illegal { .. } => DropReason::UnknownCommand,
                        _ => DropReason::Truncated,
                    };
                    received.drop(reason, around.stats);
                    break;
                }
            };
            acknowledged |= matches!(command.body, Body::Acknowledge { .. });
            match self.on_command(&command, around) {
                Step::Done => received.applied = true,
                Step::Ignored(reason) => received.drop(reason, around.stats),
                Step::Skipped(reason) => {
                    received.drop(reason, around.stats);
                    received.ended = self.on_skip(around.config);
                    if received.ended.is_some() {
                        break;
                    }
                    continue;
                }
                Step::Refused(reason) => {
                    received.drop(reason, around.stats);
                    break;
                }
                Step::Ended(ended) => {
                    received.applied = true;
                    received.ended = Some(ended);
                    break;
                }
            }
            if command.acknowledge {
                let Some(sent_time) = sent_time else {
                    received.drop(DropReason::NoSentTime, around.stats);
                    break;
                };
                self.acknowledge(command.channel, command.sequence, sent_time, around.config);
            }
        }
        if acknowledged && self.out.flying > 0 {
            if around.config.early_retransmission {
                self.find_overtaken(self.retransmission_timeout(around.config));
            }
            self.find_retransmit_at();
        }
        received
    }

    #[inline]
    fn on_command(&mut self, command: &Command<'_>, around: &mut Surroundings<'_>) -> Step {
        match command.body {
            Body::Acknowledge {
                sequence,
                sent_time,
            } => self.on_acknowledge(command.channel, sequence, sent_time, around.clock),
            Body::SendReliable { .. }
            | Body::SendUnreliable { .. }
            | Body::SendUnsequenced { .. }
            | Body::SendFragment(_)
            | Body::SendUnreliableFragment(_) => self.on_packet(command, around),
            Body::Ping if self.state.is_open() => Step::Done,
            Body::VerifyConnect(terms) => self.on_verify_connect(&terms, around),
            Body::Disconnect { data } => Step::Ended(Ended {
                reason: DisconnectReason::Remote { data },
                acknowledge: command.acknowledge.then_some(command.sequence),
            }),
            Body::BandwidthLimit { incoming, outgoing } if self.state.is_open() => {
                self.incoming_bandwidth = incoming;
                self.outgoing_bandwidth = outgoing;
                self.window_bytes =
                    window_for(stricter(around.config.outgoing_bandwidth, incoming));
                Step::Done
            }
            Body::ThrottleConfigure {
                interval_ms,
                acceleration,
                deceleration,
            } if self.state.is_open() => {
                self.throttle.interval_ms = interval_ms;
                self.throttle.acceleration = acceleration;
                self.throttle.deceleration = deceleration;
                Step::Done
            }
            Body::Connect(_)
            | Body::Ping
            | Body::BandwidthLimit { .. }
            | Body::ThrottleConfigure { .. } => Step::Refused(DropReason::UnexpectedCommand),
        }
    }

    #[inline]
    fn on_packet(&mut self, command: &Command<'_>, around: &mut Surroundings<'_>) -> Step {
        if !self.state.is_open() {
            return Step::Refused(DropReason::UnexpectedCommand);
        }
        let Some(channel) = self.channels.open(command.channel) else {
            return Step::Refused(DropReason::BadChannel);
        };
        let limits = &around.config.limits;
        if around.events.is_full(limits) {
            return Step::Skipped(DropReason::ReceiveLimit);
        }
        let peer = self.key;
        let mut delivered = false;
        let events = &mut *around.events;
        let mut deliver = |flags: PacketFlags, payload: Bytes| {
            delivered = true;
            events.push(Event::Received {
                peer,
                channel: command.channel,
                flags,
                payload,
            });
        };
        let budget = (&mut self.held, limits);
        let sequence = command.sequence;
        let verdict = match &command.body {
            Body::SendReliable { payload } => {
                channel
                    .input
                    .on_reliable(sequence, payload, budget, &mut deliver)
            }
            Body::SendUnreliable {
                unreliable_sequence,
                payload,
            } => {
                let number = (sequence, *unreliable_sequence);
                channel
                    .input
                    .on_unreliable(number, payload, budget, &mut deliver)
            }
            Body::SendUnsequenced { group, payload } => match self.window.accept(*group) {
                Ok(()) => {
                    deliver(PacketFlags::UNSEQUENCED, Bytes::copy_from_slice(payload));
                    Verdict::Taken
                }
                Err(reason) => Verdict::Ignored(reason),
            },
            Body::SendFragment(part) => {
                channel
                    .input
                    .on_fragment(sequence, part, budget, &mut deliver)
            }
            Body::SendUnreliableFragment(part) => {
                channel
                    .input
                    .on_unreliable_fragment(sequence, part, budget, &mut deliver)
            }
            _ => Verdict::Refused(DropReason::UnexpectedCommand),
        };
        if delivered {
            self.refusals = 0;
        }
        verdict.into()
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
        sequence: u16,
        sent_time: u16,
        clock: &Clock,
    ) -> Step {
        let (flight, bytes, sample) = if channel == CONNECTION_CHANNEL {
            match self.out.control.acknowledge(sequence, sent_time, clock) {
                Some((Control::Disconnect { .. }, ..)) if self.state == State::Disconnecting => {
                    return Step::Ended(Ended::because(DisconnectReason::Local));
                }
                Some((_, flight, sample)) => (flight, 0, sample),
                None => return Step::Ignored(DropReason::UnknownAck),
            }
        } else {
            let output = self.channels.output(channel);
            match output.and_then(|output| output.in_flight.acknowledge(sequence, sent_time, clock))
            {
                Some((piece, flight, sample)) => {
                    self.out.finish_piece(&piece);
                    (flight, piece.bytes().len(), sample)
                }
                None => return Step::Ignored(DropReason::UnknownAck),
            }
        };
        if flight.state == SlotState::Flying {
            self.out.flying -= 1;
            self.out.flying_bytes -= bytes;
        }
        self.overtaking.acknowledged(&flight, clock.now(), sample);
        self.measured(clock.now(), sample);
        self.disconnect_if_drained();
        Step::Done
    }

    fn on_verify_connect(&mut self, terms: &VerifyConnect, around: &mut Surroundings<'_>) -> Step {
        let Some(state) = self.state.after(Input::Verified) else {
            return Step::Ignored(DropReason::UnexpectedCommand);
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
            return Step::Ended(Ended::because(DisconnectReason::HandshakeFailed));
        }
        if let Some((_, flight)) = self.out.control.remove(CONNECT_SEQUENCE)
            && flight.state == SlotState::Flying
        {
            self.out.flying -= 1;
        }
        self.state = state;
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

    /// Queues the acknowledgement of a command that has been handled.
    #[inline]
    fn acknowledge(&mut self, channel: u8, sequence: u16, sent_time: u16, config: &Config) {
        if self.state == State::Disconnecting {
            return;
        }
        if channel != CONNECTION_CHANNEL
            && let Some(channel) = self.channels.open(channel)
            && !channel.input.acknowledges(sequence)
        {
            return;
        }
        self.out
            .queue_acknowledgement((channel, sequence, sent_time), &config.limits);
    }
}
