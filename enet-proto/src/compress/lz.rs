//! What the formats share that replace bytes by copies of earlier ones: [`Seen`] to find those, [`repeat`] to make them.

#![expect(
    clippy::cast_possible_truncation,
    reason = "places in an input have 16 bits"
)]

use alloc::boxed::Box;
use alloc::vec;

/// The longest input for whose places [`Seen`] has room.
pub(super) const MAXIMUM_BYTES: usize = 0xffff;

/// Where in an input something with a hash was last.
#[derive(Debug)]
pub(super) struct Seen<const SLOTS: usize> {
    /// A place in the lower half, and above it the number of the input that it is in.
    slots: Box<[u32; SLOTS]>,
    /// Emptying the table is a new number.
    input: u16,
}

impl<const SLOTS: usize> Seen<SLOTS> {
    pub(super) fn new() -> Self {
        let slots = vec![0; SLOTS].into_boxed_slice();
        Self {
            // The length is the one that it was made with.
            slots: slots.try_into().expect("as many slots"),
            input: 0,
        }
    }

    pub(super) fn forget(&mut self) {
        self.input = self.input.wrapping_add(1);
        if self.input == 0 {
            self.slots.fill(0);
            self.input = 1;
        }
    }

    /// Where something with this hash was last, or 0; from now on that is `at`.
    #[inline]
    pub(super) fn replace(&mut self, hash: u32, at: usize) -> usize {
        let slot = &mut self.slots[hash as usize % SLOTS];
        let last = *slot;
        *slot = u32::from(self.input) << 16 | at as u32 & 0xffff;
        if last >> 16 == self.input.into() {
            (last & 0xffff) as usize
        } else {
            0
        }
    }
}

/// How many bytes at the start of both are the same.
#[inline]
pub(super) fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Repeats the first `period` of the bytes, which is not 0, until their end.
#[inline]
pub(super) fn repeat(bytes: &mut [u8], period: usize) {
    let mut done = period;
    while done < bytes.len() {
        let more = done.min(bytes.len() - done);
        bytes.copy_within(..more, done);
        done += more;
    }
}
