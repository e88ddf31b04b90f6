//! One channel's incoming order: [`ChannelIn`] (ENet: reliable and unreliable dispatch).

use super::ahead::Ahead;
use super::waitlist::Waiting;
use super::{Held, Room, Shape};
use crate::wire::Fragment;
use crate::{DropReason, PacketFlags};
use alloc::boxed::Box;
use bytes::Bytes;

/// Sequence numbers are sorted into 16 windows by their top four bits.
const WINDOW_SHIFT: u32 = 12;
const WINDOWS: u16 = 16;
/// How many windows a packet may be ahead of the last delivered one.
const ACCEPTED_WINDOWS: u16 = 7;
/// Beyond the accepted windows, this many count as too new; all behind these are old.
const TOO_NEW_WINDOWS: u16 = 2;

/// What became of a packet or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was delivered or waits for its turn.
    Taken,
    /// It is of no use, but in order: the datagram goes on, and it may be acknowledged.
    Ignored(DropReason),
    /// It breaks a rule or limit: the rest of the datagram goes with it, without acknowledgement.
    Refused(DropReason),
}

/// The receiving half of a channel.
#[derive(Debug, Default)]
pub(crate) struct ChannelIn {
    /// Reliable commands delivered so far; the low 16 bits are the last sequence number.
    delivered: u64,
    /// What came before its turn. Apart, and made on first use, since on a good link there is nothing.
    ahead: Option<Box<Ahead>>,
    /// Unreliable sequence number last delivered since then.
    unreliable: u16,
}

/// How far `sequence` is ahead of `delivered`, in windows.
const fn windows_ahead(sequence: u16, delivered: u16) -> u16 {
    let mut window = sequence >> WINDOW_SHIFT;
    if sequence < delivered {
        window += WINDOWS;
    }
    window - (delivered >> WINDOW_SHIFT)
}

impl ChannelIn {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low bits are the number"
    )]
    const fn sequence(&self) -> u16 {
        self.delivered as u16
    }

    /// Whether a reliable command of `sequence` shall be acknowledged, now that it has been handled.
    ///
    /// What is too new to be kept must come again; what is old was delivered, and its acknowledgement lost.
    #[inline]
    pub(crate) fn acknowledges(&self, sequence: u16) -> bool {
        let ahead = windows_ahead(sequence, self.sequence());
        !(ACCEPTED_WINDOWS..ACCEPTED_WINDOWS + TOO_NEW_WINDOWS).contains(&ahead)
    }

    /// The position of `sequence` in the channel, or why it is outside the receive window.
    #[inline]
    fn position(&self, sequence: u16) -> Result<u64, DropReason> {
        let ahead = windows_ahead(sequence, self.sequence());
        if ahead >= ACCEPTED_WINDOWS + TOO_NEW_WINDOWS {
            return Err(DropReason::Duplicate);
        }
        if ahead >= ACCEPTED_WINDOWS {
            return Err(DropReason::OutsideWindow);
        }
        let distance = sequence.wrapping_sub(self.sequence());
        Ok(self.delivered + u64::from(distance))
    }

    /// Whether anything may wait, so that what the peer holds may have changed.
    #[inline]
    pub(crate) const fn holds(&self) -> bool {
        self.ahead.is_some()
    }

    /// Gives back memory that is no longer needed.
    pub(crate) fn tidy(&mut self) {
        if self.ahead.as_ref().is_some_and(|ahead| ahead.is_empty()) {
            self.ahead = None;
        }
    }

    /// SEND_RELIABLE.
    #[inline]
    pub(crate) fn on_reliable(
        &mut self,
        sequence: u16,
        payload: &[u8],
        (held, room): (&mut Held, Room<'_>),
        deliver: &mut impl FnMut(PacketFlags, Bytes),
    ) -> Verdict {
        let position = match self.position(sequence) {
            Ok(position) => position,
            Err(reason) => return Verdict::Ignored(reason),
        };
        if position == self.delivered {
            return Verdict::Ignored(DropReason::Duplicate);
        }
        if position != self.delivered + 1 {
            return self.wait_reliable(position, payload, held, room);
        }
        if let Some(ahead) = &mut self.ahead
            && ahead.waiting.get_mut(position).is_some()
        {
            return Verdict::Ignored(DropReason::Duplicate);
        }
        deliver(PacketFlags::RELIABLE, Bytes::copy_from_slice(payload));
        self.advance(position, held, deliver);
        Verdict::Taken
    }

    fn wait_reliable(
        &mut self,
        position: u64,
        payload: &[u8],
        held: &mut Held,
        room: Room<'_>,
    ) -> Verdict {
        let waiting = &mut self.ahead.get_or_insert_default().waiting;
        if waiting.get_mut(position).is_some() {
            return Verdict::Ignored(DropReason::Duplicate);
        }
        let grows = waiting.needs_chunk(position);
        if let Err(reason) = held.wait_in_list(payload.len(), grows, room) {
            return Verdict::Refused(reason);
        }
        let packet = Waiting::Packet(Bytes::copy_from_slice(payload));
        waiting.insert(position, packet);
        Verdict::Taken
    }

    /// SEND_FRAGMENT.
    pub(crate) fn on_fragment(
        &mut self,
        sequence: u16,
        part: &Fragment<'_>,
        (held, room): (&mut Held, Room<'_>),
        deliver: &mut impl FnMut(PacketFlags, Bytes),
    ) -> Verdict {
        let position = match self.position(part.start_sequence) {
            Ok(position) if position == self.delivered => {
                return Verdict::Ignored(DropReason::Duplicate);
            }
            Ok(position) => position,
            Err(reason) => return Verdict::Ignored(reason),
        };
        let limits = room.limits;
        let shape = match Shape::of(part, limits) {
            Ok(shape) => shape,
            Err(reason) => return Verdict::Refused(reason),
        };
        let distance = u32::from(sequence.wrapping_sub(part.start_sequence));
        if distance != part.number & 0xffff {
            return Verdict::Refused(DropReason::BadFragment);
        }
        let is_next = position == self.delivered + 1;
        let waiting = &mut self.ahead.get_or_insert_default().waiting;
        if waiting.get_mut(position).is_none() {
            let reassembly = if is_next {
                held.open_in_turn(shape)
            } else {
                match held.open(shape, limits) {
                    Ok(reassembly) => reassembly,
                    Err(reason) => return Verdict::Refused(reason),
                }
            };
            held.count_chunk(waiting.needs_chunk(position), false);
            let parts = Waiting::Parts(Box::new(reassembly));
            waiting.insert(position, parts);
        }
        let Some(Waiting::Parts(reassembly)) = waiting.get_mut(position) else {
            return Verdict::Refused(DropReason::BadFragment);
        };
        if reassembly.shape() != shape {
            return Verdict::Refused(DropReason::BadFragment);
        }
        if reassembly.has(part.number) {
            return Verdict::Ignored(DropReason::Duplicate);
        }
        // All that waits, waits for the next packet: to refuse that one would be for ever.
        let limit_bytes = limits
            .reassembly_bytes
            .saturating_mul(if is_next { 2 } else { 1 });
        let piece = (part.number, part.payload);
        if let Err(reason) = held.add_part(reassembly, piece, limit_bytes, room) {
            return Verdict::Refused(reason);
        }
        if reassembly.is_complete() && is_next {
            self.advance(self.delivered, held, deliver);
        }
        Verdict::Taken
    }

    /// Notes that all up to `position` is delivered, and delivers what waited for that.
    #[inline]
    fn advance(
        &mut self,
        position: u64,
        held: &mut Held,
        deliver: &mut impl FnMut(PacketFlags, Bytes),
    ) {
        self.delivered = position;
        self.unreliable = 0;
        if self.ahead.is_some() {
            self.deliver_ahead(held, deliver);
        }
    }

    #[inline(never)]
    fn deliver_ahead(&mut self, held: &mut Held, deliver: &mut impl FnMut(PacketFlags, Bytes)) {
        let Some(ahead) = &mut self.ahead else {
            return;
        };
        if !ahead.waiting.is_empty() {
            ahead.deliver_reliable(&mut self.delivered, held, deliver);
        }
        if !(ahead.unreliable.is_empty() && ahead.incomplete_unreliable.is_empty()) {
            let last = (self.delivered, &mut self.unreliable);
            ahead.deliver_unreliable(last, held, deliver);
        }
    }

    /// The key of an unreliable packet that belongs behind reliable command `sequence`, if it can still be delivered.
    #[inline]
    fn unreliable_key(&self, sequence: u16, number: u16) -> Result<(u64, u16), DropReason> {
        let key = match self.position(sequence) {
            Ok(position) => (position, number),
            Err(DropReason::Duplicate) => return Err(DropReason::Stale),
            Err(reason) => return Err(reason),
        };
        if key <= (self.delivered, self.unreliable) {
            return Err(DropReason::Stale);
        }
        Ok(key)
    }

    /// SEND_UNRELIABLE.
    #[inline]
    pub(crate) fn on_unreliable(
        &mut self,
        (sequence, number): (u16, u16),
        payload: &[u8],
        (held, room): (&mut Held, Room<'_>),
        deliver: &mut impl FnMut(PacketFlags, Bytes),
    ) -> Verdict {
        let key = match self.unreliable_key(sequence, number) {
            Ok(key) => key,
            Err(reason) => return Verdict::Ignored(reason),
        };
        if key.0 != self.delivered {
            let packet = (PacketFlags::NONE, Bytes::copy_from_slice(payload));
            return self.wait_unreliable(key, packet, held, room);
        }
        deliver(PacketFlags::NONE, Bytes::copy_from_slice(payload));
        self.pass_unreliable(key, held);
        Verdict::Taken
    }

    /// Notes that the unreliable packet `key` was delivered.
    #[inline]
    fn pass_unreliable(&mut self, key: (u64, u16), held: &mut Held) {
        self.unreliable = key.1;
        if let Some(ahead) = &mut self.ahead {
            ahead.evict_incomplete(key, held);
        }
    }

    /// Keeps an unreliable packet until the reliable one before it has come.
    fn wait_unreliable(
        &mut self,
        key: (u64, u16),
        (flags, payload): (PacketFlags, Bytes),
        held: &mut Held,
        room: Room<'_>,
    ) -> Verdict {
        let waiting = &mut self.ahead.get_or_insert_default().unreliable;
        if waiting.contains_key(&key) {
            return Verdict::Ignored(DropReason::Duplicate);
        }
        if let Err(reason) = held.wait_unreliable(payload.len(), room) {
            return Verdict::Ignored(reason);
        }
        waiting.insert(key, (flags, payload));
        Verdict::Taken
    }

    /// SEND_UNRELIABLE_FRAGMENT.
    pub(crate) fn on_unreliable_fragment(
        &mut self,
        sequence: u16,
        part: &Fragment<'_>,
        (held, room): (&mut Held, Room<'_>),
        deliver: &mut impl FnMut(PacketFlags, Bytes),
    ) -> Verdict {
        let key = match self.unreliable_key(sequence, part.start_sequence) {
            Ok(key) => key,
            Err(reason) => return Verdict::Ignored(reason),
        };
        let shape = match Shape::of(part, room.limits) {
            Ok(shape) => shape,
            Err(reason) => return Verdict::Refused(reason),
        };
        let ahead = self.ahead.get_or_insert_default();
        if ahead.unreliable.contains_key(&key) {
            return Verdict::Ignored(DropReason::Duplicate);
        }
        let index = match ahead.incomplete_index(key, shape, held, room.limits) {
            Ok(index) => index,
            Err(reason) => return Verdict::Ignored(reason),
        };
        let (_, reassembly) = &mut ahead.incomplete_unreliable[index];
        if reassembly.shape() != shape {
            return Verdict::Refused(DropReason::BadFragment);
        }
        if reassembly.has(part.number) {
            return Verdict::Ignored(DropReason::Duplicate);
        }
        let piece = (part.number, part.payload);
        let limit_bytes = room.limits.reassembly_bytes;
        if let Err(reason) = held.add_part(reassembly, piece, limit_bytes, room) {
            return Verdict::Ignored(reason);
        }
        if !reassembly.is_complete() {
            return Verdict::Taken;
        }
        let (_, reassembly) = ahead.incomplete_unreliable.swap_remove(index);
        held.close(&reassembly);
        let packet = (PacketFlags::UNRELIABLE_FRAGMENT, reassembly.into_payload());
        if key.0 != self.delivered {
            return self.wait_unreliable(key, packet, held, room);
        }
        deliver(packet.0, packet.1);
        self.pass_unreliable(key, held);
        Verdict::Taken
    }
}

#[cfg(test)]
mod tests;
