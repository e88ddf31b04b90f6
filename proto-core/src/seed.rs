//! Randomness from one seed: [`SeedRng`].

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use core::fmt;

/// A cryptographic stream of random numbers that one 32-byte seed determines.
///
/// Every identifier that a stranger must not guess comes from here. The caller seeds it: from the operating system in a
/// program, from a constant in a test, where the same seed gives the same bytes on the wire.
pub struct SeedRng(ChaCha8Rng);

impl SeedRng {
    /// The stream of `seed`.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha8Rng::from_seed(seed))
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
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
