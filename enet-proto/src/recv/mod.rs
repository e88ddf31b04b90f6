//! What comes in, in the order in which the application gets it.

mod ahead;
mod channel;
mod reassembly;
mod unsequenced;
mod waitlist;

pub(crate) use channel::{ChannelIn, Verdict};
pub(crate) use unsequenced::UnsequencedWindow;

use crate::pool::Pool;
use crate::{DropReason, Limits};
use reassembly::{Reassembly, Shape};
use waitlist::Waitlist;

/// What the allocator takes for a small packet, beside its place in a [`Waitlist`].
const ALLOCATION_BYTES: usize = 24;

/// What there is room for: the limits of each peer, and what all peers share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) pool: &'a Pool,
}

/// What the packets of one peer hold inside the host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    /// Complete packets that wait for an earlier one, with overhead.
    pub(crate) waiting_bytes: usize,
    /// Received parts of incomplete packets, and of complete ones that wait for their turn, with overhead.
    pub(crate) reassembly_bytes: usize,
    /// Number of incomplete packets.
    pub(crate) reassemblies: usize,
    /// Unreliable packets that were dropped inside.
    pub(crate) evicted: u64,
    /// What of them goes beyond the peer's share, as the host's pool knows it.
    pub(crate) beyond_share: usize,
    /// How many looks in a row found that there is any, while others were refused.
    pub(crate) looks_above_share: u32,
}

impl Held {
    /// All bytes that are charged.
    pub(crate) const fn bytes(&self) -> usize {
        self.waiting_bytes + self.reassembly_bytes
    }

    fn fits_pool(&self, bytes: usize, room: Room<'_>) -> Result<(), DropReason> {
        if room.pool.fits(self.bytes(), bytes) {
            Ok(())
        } else {
            Err(DropReason::HostLimit)
        }
    }

    /// Charges `bytes` for something that has to wait, if the limits allow.
    fn wait(&mut self, bytes: usize, room: Room<'_>) -> Result<(), DropReason> {
        let after = self.waiting_bytes + bytes;
        if after > room.limits.waiting_bytes {
            return Err(DropReason::ReceiveLimit);
        }
        self.fits_pool(bytes, room)?;
        self.waiting_bytes = after;
        Ok(())
    }

    /// Charges a reliable packet of `bytes` that has to wait in a waitlist, which may grow for it.
    fn wait_in_list(
        &mut self,
        bytes: usize,
        grows: bool,
        room: Room<'_>,
    ) -> Result<(), DropReason> {
        let chunk = if grows { Waitlist::CHUNK_BYTES } else { 0 };
        self.wait(bytes + ALLOCATION_BYTES + chunk, room)
    }

    /// Gives back what [`Held::wait_in_list`] charged.
    const fn leave_list(&mut self, bytes: usize) {
        self.waiting_bytes -= bytes + ALLOCATION_BYTES;
    }

    /// Charges or gives back a chunk of a waitlist.
    const fn count_chunk(&mut self, taken: bool, freed: bool) {
        self.waiting_bytes += taken as usize * Waitlist::CHUNK_BYTES;
        self.waiting_bytes -= freed as usize * Waitlist::CHUNK_BYTES;
    }

    /// Adds part `number` to `reassembly`, if `limit_bytes` and the pool allow; the last incomplete packet may always be
    /// completed as far as its peer's own limit goes.
    fn add_part(
        &mut self,
        reassembly: &mut Reassembly,
        (number, payload): (u32, &[u8]),
        limit_bytes: usize,
        room: Room<'_>,
    ) -> Result<(), DropReason> {
        let after = self.reassembly_bytes + payload.len() + Limits::OVERHEAD_BYTES;
        if after > limit_bytes && self.reassemblies > 1 {
            return Err(DropReason::ReceiveLimit);
        }
        self.fits_pool(reassembly.growth(number, payload.len()), room)?;
        self.reassembly_bytes -= reassembly.charge();
        reassembly.add(number, payload);
        self.reassembly_bytes += reassembly.charge();
        // One that waits only for its turn keeps its bytes, but no longer a place.
        if reassembly.is_complete() {
            self.reassemblies -= 1;
        }
        Ok(())
    }

    /// Opens a reassembly, if the limit allows.
    fn open(&mut self, shape: Shape, limits: &Limits) -> Result<Reassembly, DropReason> {
        let has_room = self.reassemblies < limits.reassemblies
            && self.reassembly_bytes < limits.reassembly_bytes;
        if !has_room {
            return Err(DropReason::ReceiveLimit);
        }
        Ok(self.open_in_turn(shape))
    }

    /// Opens the reassembly of a channel's next packet, of which there is one per channel.
    fn open_in_turn(&mut self, shape: Shape) -> Reassembly {
        let reassembly = Reassembly::new(shape);
        self.reassemblies += 1;
        self.reassembly_bytes += reassembly.charge();
        reassembly
    }

    /// Gives back what `reassembly` is charged, when it is complete or dropped.
    fn close(&mut self, reassembly: &Reassembly) {
        if !reassembly.is_complete() {
            self.reassemblies -= 1;
        }
        self.reassembly_bytes -= reassembly.charge();
    }

    /// Charges an unreliable packet of `bytes` that has to wait, if the limit allows.
    fn wait_unreliable(&mut self, bytes: usize, room: Room<'_>) -> Result<(), DropReason> {
        self.wait(bytes + Limits::OVERHEAD_BYTES, room)
    }

    /// Gives back what [`Held::wait_unreliable`] charged.
    const fn release_unreliable(&mut self, bytes: usize) {
        self.waiting_bytes -= bytes + Limits::OVERHEAD_BYTES;
    }
}
