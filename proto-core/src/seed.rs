//! Randomness from one seed: [`SeedRng`].

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use core::fmt;

/// 32-bit words of a block of ChaCha.
const BLOCK_WORDS: usize = 16;

/// A cryptographic stream of random numbers that one 32-byte seed determines.
///
/// Every identifier that a stranger must not guess comes from here. The caller seeds it: from the operating system in a
/// program, from a constant in a test, where the same seed gives the same bytes on the wire.
///
/// It is the key stream of ChaCha8, of which it holds one block: 112 bytes in all, for machines of which a program has
/// thousands.
pub struct SeedRng {
    seed: [u8; 32],
    next_block: u64,
    block: [u32; BLOCK_WORDS],
    /// Words of the block that were given out.
    used: usize,
}

impl SeedRng {
    /// The stream of `seed`.
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            next_block: 0,
            block: [0; BLOCK_WORDS],
            used: BLOCK_WORDS,
        }
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        if let Some(&word) = self.block.get(self.used) {
            self.used += 1;
            return word;
        }
        self.refill();
        self.used = 1;
        self.block[0]
    }

    fn refill(&mut self) {
        let mut stream = ChaCha8Rng::from_seed(self.seed);
        stream.set_block_pos(self.next_block);
        self.block.fill_with(|| stream.next_u32());
        self.next_block = self.next_block.wrapping_add(1);
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let low = u64::from(self.next_u32());
        low | u64::from(self.next_u32()) << 32
    }

    /// Fills `bytes`. It takes whole words from the stream.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(size_of::<u32>()) {
            let word = self.next_u32().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }

    /// A number below `bound` (0 if that is 0), without bias that matters below 2^24.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// A seed for a part of the machine, so that parts do not disturb each other's streams.
    #[must_use]
    pub fn split(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.fill(&mut seed);
        seed
    }
}

impl fmt::Debug for SeedRng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeedRng")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_stream() {
        let (mut a, mut b, mut c) = (
            SeedRng::new([7; 32]),
            SeedRng::new([7; 32]),
            SeedRng::new([8; 32]),
        );
        let (first, second, third) = (a.next_u64(), b.next_u64(), c.next_u64());
        assert_eq!(first, second);
        assert_ne!(first, third);
    }

    #[test]
    fn the_stream_is_that_of_chacha8() {
        let (mut ours, mut stream) = (SeedRng::new([9; 32]), ChaCha8Rng::from_seed([9; 32]));
        for round in 0..2000_usize {
            let (mut a, mut b) = ([0; 300], [0; 300]);
            let length = round * 7 % 300;
            ours.fill(&mut a[..length]);
            stream.fill_bytes(&mut b[..length]);
            assert_eq!(a, b, "round {round}");
            assert_eq!(ours.next_u32(), stream.next_u32(), "round {round}");
            assert_eq!(ours.next_u64(), stream.next_u64(), "round {round}");
        }
    }

    #[test]
    fn a_generator_stays_small() {
        assert_eq!(size_of::<SeedRng>(), 112);
    }

    #[test]
    fn numbers_below_a_bound_stay_below_it_and_reach_all_of_it() {
        let mut rng = SeedRng::new([1; 32]);
        let mut seen = [false; 5];
        for _ in 0..1000 {
            seen[rng.below(5) as usize] = true;
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!(rng.below(0), 0);
    }
}
