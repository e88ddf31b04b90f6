//! What waits to be sent to one peer, in the order of the calls: [`Outgoing`].

use super::{Gone, InFlight};
use crate::ring::Ring;
use crate::short_queue::{ShortQueue, tidy};
use crate::wire::{Body, Command, Connect, Fragment};
use crate::{Limits, PacketFlags, SendError};
use alloc::boxed::Box;
use alloc::collections::{BinaryHeap, VecDeque};
use bytes::Bytes;
use core::cmp::Reverse;
use proto_core::Instant;

/// The most fragments that a C ENet receiver can put together whatever its window alignment.
const MOST_FRAGMENTS: usize = 24_576;
/// A queue of so many bytes is what every peer has; what goes beyond counts for the host.
const UNCOUNTED_BYTES: usize = 64 << 10;
/// Connection-level commands that may wait; the host itself never makes more than a few.
const CONTROLS: usize = 64;

/// The sending half of a channel.
#[derive(Debug)]
pub(crate) struct ChannelOut {
    reliable: u16,
    unreliable: u16,
    pub(crate) in_flight: InFlight<Piece>,
}

impl Default for ChannelOut {
    fn default() -> Self {
        Self {
            reliable: 0,
            unreliable: 0,
            in_flight: InFlight::new(1),
        }
    }
}

/// A packet, or one part of it, as a reliable command.
#[derive(Debug)]
pub(crate) struct Piece {
    payload: Bytes,
    number: u32,
    /// Length of a part; 0 if the packet is in one piece.
    part_bytes: u16,
    charge: Charge,
}

/// What a [`Piece`] counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charge {
    /// A packet that somebody else held too when it was queued, or that came first: not for the host.
    Peer,
    /// A packet, also for the host: nobody else held it when it was queued, behind a long queue.
    Host,
    /// Its place in the queue: the packet is gone.
    Place,
}

impl Piece {
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        if self.part_bytes == 0 {
            return &self.payload;
        }
        let part = usize::from(self.part_bytes);
        let from = self.number as usize * part;
        &self.payload[from..self.payload.len().min(from + part)]
    }

    /// The packet if it is in one piece.
    #[inline]
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        (self.part_bytes == 0).then_some(&self.payload)
    }

    /// Whether it is the last piece of its packet.
    #[inline]
    pub(crate) fn is_last(&self) -> bool {
        self.part_bytes == 0
            || (self.number as usize + 1) * usize::from(self.part_bytes) >= self.payload.len()
    }

    #[inline]
    pub(crate) fn command(&self, channel: u8, sequence: u16) -> Command<'_> {
        let body = if self.part_bytes == 0 {
            Body::SendReliable {
                payload: &self.payload,
            }
        } else {
            #[expect(clippy::cast_possible_truncation, reason = "sequence numbers wrap")]
            let number = self.number as u16;
            Body::SendFragment(self.fragment(sequence.wrapping_sub(number)))
        };
        Command {
            acknowledge: true,
            unsequenced: false,
            channel,
            sequence,
            body,
        }
    }

    /// Packets are bounded by [`Limits::packet_bytes`], which fits 32 bits.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "packets are below 2^32 bytes"
    )]
    fn fragment(&self, start_sequence: u16) -> Fragment<'_> {
        let total_bytes = self.payload.len() as u32;
        Fragment {
            start_sequence,
            count: total_bytes.div_ceil(self.part_bytes.into()),
            number: self.number,
            total_bytes,
            offset: self.number * u32::from(self.part_bytes),
            payload: self.bytes(),
        }
    }
}

/// A reliable packet that waits; fragmented ones stay here until their last part is sent.
#[derive(Debug)]
pub(crate) struct QueuedReliable {
    pub(crate) order: u64,
    pub(crate) channel: u8,
    /// Sequence number of the next part.
    pub(crate) sequence: u16,
    next: Piece,
}

impl QueuedReliable {
    pub(crate) const fn next(&self) -> &Piece {
        &self.next
    }
}

/// A connection-level command; all of them are reliable.
#[derive(Clone, Debug)]
pub(crate) enum Control {
    Connect(Box<Connect>),
    Disconnect { data: u32 },
    Ping,
    BandwidthLimit { incoming: u32, outgoing: u32 },
    ThrottleConfigure([u32; 3]),
}

impl Control {
    pub(crate) fn command(&self, sequence: u16) -> Command<'static> {
        let body = match self {
            Self::Connect(connect) => Body::Connect(**connect),
            Self::Disconnect { data } => Body::Disconnect { data: *data },
            Self::Ping => Body::Ping,
            Self::BandwidthLimit { incoming, outgoing } => Body::BandwidthLimit {
                incoming: *incoming,
                outgoing: *outgoing,
            },
            Self::ThrottleConfigure([interval_ms, acceleration, deceleration]) => {
                Body::ThrottleConfigure {
                    interval_ms: *interval_ms,
                    acceleration: *acceleration,
                    deceleration: *deceleration,
                }
            }
        };
        Command::connection(sequence, body)
    }
}

/// Anything that waits beside the reliable packets.
#[derive(Debug)]
pub(crate) enum Other {
    Control(u16, Control),
    /// Channel, reliable and unreliable sequence number, packet.
    Unreliable(u8, u16, u16, Bytes),
    /// Channel, group, packet.
    Unsequenced(u8, u16, Bytes),
    /// Channel, reliable and unreliable sequence number, next part.
    UnreliableParts(u8, u16, u16, Piece),
}

impl Other {
    #[inline]
    pub(crate) fn command(&self) -> Command<'_> {
        let (channel, sequence, body) = match self {
            Self::Control(sequence, control) => return control.command(*sequence),
            Self::Unreliable(channel, sequence, unreliable_sequence, payload) => (
                *channel,
                *sequence,
                Body::SendUnreliable {
                    unreliable_sequence: *unreliable_sequence,
                    payload,
                },
            ),
            Self::Unsequenced(channel, group, payload) => (
                *channel,
                0,
                Body::SendUnsequenced {
                    group: *group,
                    payload,
                },
            ),
            Self::UnreliableParts(channel, sequence, number, piece) => (
                *channel,
                *sequence,
                Body::SendUnreliableFragment(piece.fragment(*number)),
            ),
        };
        Command {
            acknowledge: false,
            unsequenced: matches!(self, Self::Unsequenced(..)),
            channel,
            sequence,
            body,
        }
    }

    /// Whether the throttle may drop it, and has not been asked yet.
    #[inline]
    pub(crate) const fn is_throttled(&self) -> bool {
        match self {
            Self::Control(..) => false,
            Self::Unreliable(..) | Self::Unsequenced(..) => true,
            Self::UnreliableParts(_, _, _, piece) => piece.number == 0,
        }
    }

    fn packet_bytes(&self) -> usize {
        match self {
            Self::Control(..) => 0,
            Self::Unreliable(_, _, _, payload) | Self::Unsequenced(_, _, payload) => payload.len(),
            Self::UnreliableParts(_, _, _, piece) => piece.payload.len(),
        }
    }
}

/// Acknowledgements that wait to be sent: of `count` consecutive commands that came in one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledgements {
    pub(crate) channel: u8,
    /// Number of the first command.
    pub(crate) first: u16,
    pub(crate) count: u16,
    /// Sent time of the datagram.
    pub(crate) sent_time: u16,
}

/// Everything on its way to one peer. What every packet passes comes first, as in [`Peer`](crate::peer::Peer).
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Outgoing {
    order: u64,
    pub(crate) other: ShortQueue<(u64, Other)>,
    pub(crate) queued_packets: usize,
    pub(crate) queued_bytes: usize,
    /// What acknowledged packets take that keep their place behind one that is not.
    place_bytes: usize,
    /// Bytes of all these that count for the host.
    pub(crate) own_bytes: usize,
    /// What of these goes beyond the peer's share, as the host's pool knows it.
    pub(crate) beyond_share: usize,
    pub(crate) reliable: Ring<QueuedReliable>,
    pub(crate) acknowledgements: ShortQueue<Acknowledgements>,
    /// Commands that are flying.
    pub(crate) flying: usize,
    /// Bytes of reliable packets that are flying.
    pub(crate) flying_bytes: usize,
    /// Commands to send again: channel and sequence number.
    pub(crate) lost: VecDeque<(u8, u16)>,
    /// Commands sent once, oldest first; acknowledged ones leave when they come to the front.
    pub(crate) sent_once: VecDeque<(u8, u16)>,
    /// Commands sent again, by deadline; acknowledged ones leave when they come to the top.
    pub(crate) sent_again: BinaryHeap<Reverse<(Instant, u8, u16)>>,
    /// The same, by the time of the last attempt, oldest first; what is finished with leaves when it comes to the front.
    pub(crate) resent: VecDeque<(Instant, u8, u16)>,
    pub(crate) control: InFlight<Control>,
    control_sequence: u16,
    group: u16,
}

impl Outgoing {
    /// `control_sequence` is the number of the last connection-level command.
    pub(crate) const fn new(control_sequence: u16) -> Self {
        Self {
            order: 0,
            reliable: Ring::new(),
            other: ShortQueue::new(),
            acknowledgements: ShortQueue::new(),
            lost: VecDeque::new(),
            sent_once: VecDeque::new(),
            sent_again: BinaryHeap::new(),
            resent: VecDeque::new(),
            control: InFlight::new(control_sequence.wrapping_add(1)),
            control_sequence,
            group: 0,
            flying: 0,
            flying_bytes: 0,
            queued_packets: 0,
            queued_bytes: 0,
            place_bytes: 0,
            own_bytes: 0,
            beyond_share: 0,
        }
    }

    /// Forgets everything but the number of the last connection-level command.
    pub(crate) fn clear(&mut self) {
        let beyond_share = self.beyond_share;
        *self = Self::new(self.control_sequence);
        self.beyond_share = beyond_share;
    }

    /// Gives back memory that is no longer needed.
    pub(crate) fn tidy(&mut self) {
        self.reliable.tidy();
        self.other.tidy();
        self.acknowledgements.tidy();
        tidy(&mut self.lost);
        tidy(&mut self.sent_once);
        tidy(&mut self.resent);
        self.control.tidy();
        let needed = 2 * self.sent_again.len();
        if self.sent_again.capacity() > 2 * needed {
            self.sent_again.shrink_to(needed);
        }
    }

    /// Nothing flies any more, so nobody has to look for what was overtaken or has expired. Without this a remote that always
    /// acknowledges before the next command would have the lists of attempts grow for ever.
    #[inline]
    pub(crate) fn forget_attempts(&mut self) {
        self.sent_once.clear();
        self.sent_again.clear();
        self.resent.clear();
    }

    /// Whether nothing waits and nothing is unacknowledged.
    pub(crate) fn is_drained(&self) -> bool {
        self.reliable.is_empty()
            && self.other.is_empty()
            && self.lost.is_empty()
            && self.flying == 0
    }

    /// Whether anything waits that may leave now.
    #[inline]
    pub(crate) fn has_output(&self) -> bool {
        !(self.acknowledgements.is_empty()
            && self.reliable.is_empty()
            && self.other.is_empty()
            && self.lost.is_empty())
    }

    #[inline]
    fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// Number of the next connection-level command, used up.
    pub(crate) const fn next_control_sequence(&mut self) -> u16 {
        self.control_sequence = self.control_sequence.wrapping_add(1);
        self.control_sequence
    }

    /// Queues a connection-level command; false if too many wait already.
    pub(crate) fn queue_control(&mut self, control: Control) -> bool {
        let distance = self.control_sequence.wrapping_sub(self.control.base());
        if usize::from(distance.wrapping_add(1)) >= CONTROLS {
            return false;
        }
        let sequence = self.next_control_sequence();
        let order = self.next_order();
        self.other
            .push_back((order, Other::Control(sequence, control)));
        true
    }

    /// Queues a packet, cut into parts if it is longer than `part_bytes` ([`Layout::part_bytes`](super::Layout)).
    #[inline]
    pub(crate) fn queue_packet(
        &mut self,
        (number, channel): (u8, &mut ChannelOut),
        flags: PacketFlags,
        payload: Bytes,
        part_bytes: u16,
        limits: &Limits,
    ) -> Result<(), SendError> {
        self.check(payload.len(), part_bytes, limits)?;
        let whole = payload.len() <= usize::from(part_bytes);
        let reliable = flags.contains(PacketFlags::RELIABLE);
        // The receiver counts on this: numbers never wrap between two reliable commands.
        let exhausted = channel.unreliable == u16::MAX;
        self.queued_packets += 1;
        self.queued_bytes += payload.len();
        let order = self.next_order();
        if whole && !reliable && flags.contains(PacketFlags::UNSEQUENCED) {
            self.group = self.group.wrapping_add(1);
            let packet = Other::Unsequenced(number, self.group, payload);
            self.other.push_back((order, packet));
        } else if whole && !reliable && !exhausted {
            channel.unreliable += 1;
            let packet = Other::Unreliable(number, channel.reliable, channel.unreliable, payload);
            self.other.push_back((order, packet));
        } else if !whole
            && !reliable
            && !exhausted
            && flags.contains(PacketFlags::UNRELIABLE_FRAGMENT)
        {
            channel.unreliable += 1;
            let piece = Piece {
                payload,
                number: 0,
                part_bytes,
                charge: Charge::Peer,
            };
            let packet =
                Other::UnreliableParts(number, channel.reliable, channel.unreliable, piece);
            self.other.push_back((order, packet));
        } else {
            self.queue_reliable(order, (number, channel), payload, (whole, part_bytes));
        }
        Ok(())
    }

    #[inline]
    fn check(&self, bytes: usize, part_bytes: u16, limits: &Limits) -> Result<(), SendError> {
        let most_bytes = limits
            .packet_bytes
            .min(MOST_FRAGMENTS * usize::from(part_bytes));
        if bytes > most_bytes {
            return Err(SendError::TooLarge { most_bytes });
        }
        let after = self.queued_bytes.saturating_add(self.place_bytes + bytes);
        let full = self.queued_packets >= limits.send_packets || after > limits.send_bytes;
        if full && self.queued_packets > 0 {
            return Err(SendError::QueueFull);
        }
        Ok(())
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "at most 24,576 parts")]
    fn queue_reliable(
        &mut self,
        order: u64,
        (number, channel): (u8, &mut ChannelOut),
        payload: Bytes,
        (whole, part_bytes): (bool, u16),
    ) {
        let sequence = channel.reliable.wrapping_add(1);
        let parts = if whole {
            1
        } else {
            payload.len().div_ceil(part_bytes.into()) as u16
        };
        channel.reliable = channel.reliable.wrapping_add(parts);
        channel.unreliable = 0;
        let is_own = self.queued_bytes > UNCOUNTED_BYTES && payload.is_unique();
        if is_own {
            self.own_bytes += payload.len();
        }
        self.reliable.push_back(QueuedReliable {
            order,
            channel: number,
            sequence,
            next: Piece {
                payload,
                number: 0,
                part_bytes: if whole { 0 } else { part_bytes },
                charge: if is_own { Charge::Host } else { Charge::Peer },
            },
        });
    }

    /// Queues an acknowledgement; what does not fit will be asked for again.
    #[inline]
    pub(crate) fn queue_acknowledgement(
        &mut self,
        (channel, sequence, sent_time): (u8, u16, u16),
        limits: &Limits,
    ) {
        if let Some(last) = self.acknowledgements.back_mut()
            && last.channel == channel
        {
            let next = sequence == last.first.wrapping_add(last.count);
            if next && last.sent_time == sent_time && last.count < u16::MAX {
                last.count += 1;
                return;
            }
            if last.count == 1 && last.first == sequence {
                last.sent_time = sent_time;
                return;
            }
        }
        if self.acknowledgements.len() < limits.acknowledgements {
            self.acknowledgements.push_back(Acknowledgements {
                channel,
                first: sequence,
                count: 1,
                sent_time,
            });
        }
    }

    /// Takes the next piece of the packet at the front of the reliable queue.
    #[inline]
    pub(crate) fn take_reliable_piece(&mut self) -> Option<Piece> {
        let front = self.reliable.front_mut()?;
        if front.next.is_last() {
            return self.reliable.pop_front().map(|packet| packet.next);
        }
        let piece = Piece {
            payload: front.next.payload.clone(),
            ..front.next
        };
        front.next.number += 1;
        front.sequence = front.sequence.wrapping_add(1);
        Some(piece)
    }

    /// Notes that the front of the other queue, or its next part, was sent; gives it back if it was a control.
    #[inline]
    pub(crate) fn finish_other(&mut self) -> Option<(u16, Control)> {
        if let Some((_, Other::UnreliableParts(_, _, _, piece))) = self.other.front_mut()
            && !piece.is_last()
        {
            piece.number += 1;
            return None;
        }
        match self.drop_other()? {
            Other::Control(sequence, control) => Some((sequence, control)),
            _ => None,
        }
    }

    /// Takes the front of the other queue out, which is an unreliable packet of so many bytes.
    #[inline]
    pub(crate) fn pop_unreliable(&mut self, bytes: usize) {
        self.other.drop_front();
        self.queued_packets -= 1;
        self.queued_bytes -= bytes;
    }

    /// Takes the front of the other queue out.
    pub(crate) fn drop_other(&mut self) -> Option<Other> {
        let (_, other) = self.other.pop_front()?;
        if !matches!(other, Other::Control(..)) {
            self.queued_packets -= 1;
            self.queued_bytes -= other.packet_bytes();
        }
        Some(other)
    }

    /// Notes that a piece was acknowledged. A packet in one piece goes at once, and only its place may stay; another one
    /// goes with its last piece, when all before that are acknowledged.
    #[inline]
    pub(crate) fn finish_piece(&mut self, gone: Gone<'_, Piece>) {
        match gone {
            Gone::Done(piece) if piece.charge == Charge::Place => {
                self.place_bytes -= InFlight::<Piece>::PLACE_BYTES;
                self.own_bytes -= InFlight::<Piece>::PLACE_BYTES;
            }
            Gone::Done(piece) => self.finish_packet(piece),
            Gone::Waits(piece) if piece.part_bytes == 0 => {
                self.finish_packet(piece);
                piece.payload = Bytes::new();
                piece.charge = Charge::Place;
                self.place_bytes += InFlight::<Piece>::PLACE_BYTES;
                self.own_bytes += InFlight::<Piece>::PLACE_BYTES;
            }
            Gone::Waits(_) => {}
        }
    }

    #[inline]
    fn finish_packet(&mut self, piece: &Piece) {
        if piece.is_last() {
            self.queued_packets -= 1;
            self.queued_bytes -= piece.payload.len();
            if piece.charge == Charge::Host {
                self.own_bytes -= piece.payload.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(out: &mut Outgoing, channel: &mut ChannelOut, flags: PacketFlags, bytes: usize) {
        let payload = Bytes::from(alloc::vec![7; bytes]);
        out.queue_packet((0, channel), flags, payload, 100, &Limits::reference())
            .unwrap();
    }

    #[test]
    fn the_65536th_unreliable_packet_in_a_row_becomes_reliable() {
        let (mut out, mut channel) = (Outgoing::new(0), ChannelOut::default());
        for _ in 0..65_535 {
            queue(&mut out, &mut channel, PacketFlags::NONE, 0);
        }
        assert!(out.reliable.is_empty());
        queue(&mut out, &mut channel, PacketFlags::NONE, 0);
        assert_eq!(out.reliable.len(), 1);
        queue(&mut out, &mut channel, PacketFlags::NONE, 0);
        let last = &out.other.back_mut().unwrap().1;
        assert!(matches!(last, Other::Unreliable(0, 1, 1, _)), "{last:?}");
    }

    #[test]
    fn long_packets_are_reliable_unless_told_to_fragment_unreliably() {
        let (mut out, mut channel) = (Outgoing::new(0), ChannelOut::default());
        queue(&mut out, &mut channel, PacketFlags::NONE, 101);
        queue(&mut out, &mut channel, PacketFlags::UNSEQUENCED, 101);
        assert_eq!(out.reliable.len(), 2);
        let flags = PacketFlags::UNSEQUENCED | PacketFlags::UNRELIABLE_FRAGMENT;
        queue(&mut out, &mut channel, flags, 250);
        let parts: usize = core::iter::from_fn(|| {
            let length = match &out.other.front()?.1 {
                Other::UnreliableParts(_, 4, 1, piece) => piece.bytes().len(),
                other => panic!("{other:?}"),
            };
            out.finish_other();
            Some(length)
        })
        .sum();
        assert_eq!(parts, 250);
        let reliable: usize = core::iter::from_fn(|| out.take_reliable_piece())
            .map(|piece| out_bytes(&piece))
            .sum();
        assert_eq!(reliable, 202);
    }

    fn out_bytes(piece: &Piece) -> usize {
        piece.bytes().len()
    }

    #[test]
    fn a_full_queue_refuses_and_changes_nothing() {
        let (mut out, mut channel) = (Outgoing::new(0), ChannelOut::default());
        let limits = Limits {
            send_packets: 2,
            ..Limits::hardened()
        };
        let mut send = |bytes: usize| {
            let payload = Bytes::from(alloc::vec![0; bytes]);
            out.queue_packet(
                (0, &mut channel),
                PacketFlags::RELIABLE,
                payload,
                100,
                &limits,
            )
        };
        let too_large = SendError::TooLarge {
            most_bytes: 24_576 * 100,
        };
        assert_eq!(send(24_576 * 100 + 1), Err(too_large));
        assert_eq!(send(1), Ok(()));
        assert_eq!(send(1), Ok(()));
        assert_eq!(send(1), Err(SendError::QueueFull));
        assert_eq!((out.queued_packets, out.queued_bytes), (2, 2));
    }
}
