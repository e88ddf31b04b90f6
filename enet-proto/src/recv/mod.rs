//! What comes in, in the order in which the application gets it.

mod channel;
mod reassembly;
mod unsequenced;

pub(crate) use channel::{ChannelIn, Verdict};
pub(crate) use unsequenced::UnsequencedWindow;

use crate::Limits;
use reassembly::{Reassembly, Shape};

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
}

impl Held {
    /// Charges a packet of `bytes` that has to wait, if the limit allows.
    pub(crate) const fn wait(&mut self, bytes: usize, limits: &Limits) -> bool {
        let after = self.waiting_bytes + bytes + Limits::OVERHEAD_BYTES;
        if after > limits.waiting_bytes {
            return false;
        }
        self.waiting_bytes = after;
        true
    }

    /// Adds part `number` to `reassembly`, if `limit_bytes` allows; the last incomplete packet may always be completed.
    fn add_part(
        &mut self,
        reassembly: &mut Reassembly,
        number: u32,
        payload: &[u8],
        limit_bytes: usize,
    ) -> bool {
        let after = self.reassembly_bytes + payload.len() + Limits::OVERHEAD_BYTES;
        if after > limit_bytes && self.reassemblies > 1 {
            return false;
        }
        self.reassembly_bytes -= reassembly.charge();
        reassembly.add(number, payload);
        self.reassembly_bytes += reassembly.charge();
        // One that waits only for its turn keeps its bytes, but no longer a place.
        if reassembly.is_complete() {
            self.reassemblies -= 1;
        }
        true
    }

    /// Opens a reassembly, if the limit allows.
    fn open(&mut self, shape: Shape, limits: &Limits) -> Option<Reassembly> {
        let has_room = self.reassemblies < limits.reassemblies
            && self.reassembly_bytes < limits.reassembly_bytes;
        has_room.then(|| self.open_in_turn(shape))
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

    /// Gives back what [`Held::wait`] charged.
    pub(crate) const fn release(&mut self, bytes: usize) {
        self.waiting_bytes -= bytes + Limits::OVERHEAD_BYTES;
    }
}
