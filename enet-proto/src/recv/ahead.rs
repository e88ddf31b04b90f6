//! What came before its turn on one channel: [`Ahead`].

use super::waitlist::{Waiting, Waitlist};
use super::{Held, Reassembly, Shape};
use crate::{DropReason, Limits, PacketFlags};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::Bytes;

/// Incomplete unreliable packets of a channel, oldest out; ENet keeps two as well.
const INCOMPLETE_UNRELIABLE: usize = 2;

/// Packets and parts of packets that cannot be delivered yet.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Reliable packets that are ahead, by position in the channel.
    pub(super) waiting: Waitlist,
    /// Complete unreliable packets that wait for a reliable one, by its position and their own number.
    pub(super) unreliable: BTreeMap<(u64, u16), (PacketFlags, Bytes)>,
    pub(super) incomplete_unreliable: Vec<((u64, u16), Reassembly)>,
}

impl Ahead {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
            && self.unreliable.is_empty()
            && self.incomplete_unreliable.is_empty()
    }

    /// Delivers the reliable packets that come after number `delivered` without a gap.
    pub(super) fn deliver_reliable(
        &mut self,
        delivered: &mut u64,
        held: &mut Held,
        deliver: &mut impl FnMut(PacketFlags, Bytes),
    ) {
        loop {
            let position = *delivered + 1;
            match self.waiting.get_mut(position) {
                None => return,
                Some(Waiting::Parts(reassembly)) if !reassembly.is_complete() => return,
                Some(_) => {}
            }
            match self.take(position, held) {
                Some(Waiting::Packet(payload)) => {
                    *delivered = position;
                    deliver(PacketFlags::RELIABLE, payload);
                }
                Some(Waiting::Parts(reassembly)) => {
                    *delivered += u64::from(reassembly.shape().count);
                    deliver(PacketFlags::RELIABLE, reassembly.into_payload());
                    // Packets inside the range of a fragmented one: only a broken sender makes these.
                    while let Some(inside) = self.waiting.first_up_to(*delivered) {
                        self.take(inside, held);
                    }
                }
                None => return,
            }
        }
    }

    /// Takes what waits at `position` out, and gives back what it is charged.
    #[inline]
    fn take(&mut self, position: u64, held: &mut Held) -> Option<Waiting> {
        let (waiting, freed) = self.waiting.take(position)?;
        match &waiting {
            Waiting::Packet(payload) => held.leave_list(payload.len()),
            Waiting::Parts(reassembly) => held.close(reassembly),
        }
        held.count_chunk(false, freed);
        Some(waiting)
    }

    /// Delivers the unreliable packets that belong behind reliable command `delivered`, and drops those before.
    pub(super) fn deliver_unreliable(
        &mut self,
        (delivered, last): (u64, &mut u16),
        held: &mut Held,
        deliver: &mut impl FnMut(PacketFlags, Bytes),
    ) {
        while let Some(first) = self.unreliable.first_entry() {
            let &(position, number) = first.key();
            if position > delivered {
                break;
            }
            let (flags, payload) = first.remove();
            held.release_unreliable(payload.len());
            if position == delivered {
                *last = number;
                deliver(flags, payload);
            } else {
                held.evicted += 1;
            }
        }
        self.evict_incomplete((delivered, *last), held);
    }

    /// Drops the incomplete packets that do not come behind the one of key `last`.
    pub(super) fn evict_incomplete(&mut self, last: (u64, u16), held: &mut Held) {
        self.incomplete_unreliable.retain(|(key, reassembly)| {
            let keep = *key > last;
            if !keep {
                held.close(reassembly);
                held.evicted += 1;
            }
            keep
        });
    }

    /// Where the incomplete packet `key` is; makes room for it and opens it if it is new.
    pub(super) fn incomplete_index(
        &mut self,
        key: (u64, u16),
        shape: Shape,
        held: &mut Held,
        limits: &Limits,
    ) -> Result<usize, DropReason> {
        let list = &mut self.incomplete_unreliable;
        if let Some(index) = list.iter().position(|(other, _)| *other == key) {
            return Ok(index);
        }
        if list.len() >= INCOMPLETE_UNRELIABLE
            && let Some(oldest) = (0..list.len()).min_by_key(|&index| list[index].0)
        {
            let (_, reassembly) = list.swap_remove(oldest);
            held.close(&reassembly);
            held.evicted += 1;
        }
        let reassembly = held.open(shape, limits)?;
        list.push((key, reassembly));
        Ok(list.len() - 1)
    }
}
