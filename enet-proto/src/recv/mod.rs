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
    /// Received parts of incomplete packets, with overhead.
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

    /// Adds part `number` to `reassembly`, if the limit allows.
    fn add_part(
        &mut self,
        reassembly: &mut Reassembly,
        number: u32,
        payload: &[u8],
        limits: &Limits,
    ) -> bool {
        let after = self.reassembly_bytes + payload.len() + Limits::OVERHEAD_BYTES;
        if after > limits.reassembly_bytes && self.reassemblies > 1 {
            return false;
        }
        self.reassembly_bytes -= reassembly.charge();
        reassembly.add(number, payload);
        self.reassembly_bytes += reassembly.charge();
        true
    }

    /// Opens a reassembly, if the limit allows.
    fn open(&mut self, shape: Shape, limits: &Limits) -> Option<Reassembly> {
        if self.reassemblies >= limits.reassemblies {
            return None;
        }
        let reassembly = Reassembly::new(shape);
        self.reassemblies += 1;
        self.reassembly_bytes += reassembly.charge();
        Some(reassembly)
    }

    /// Gives back what `reassembly` is charged, when it is complete or dropped.
    fn close(&mut self, reassembly: &Reassembly) {
        self.reassemblies -= 1;
        self.reassembly_bytes -= reassembly.charge();
    }

    /// Gives back what [`Held::wait`] charged.
    pub(crate) const fn release(&mut self, bytes: usize) {
        self.waiting_bytes -= bytes + Limits::OVERHEAD_BYTES;
    }
}
