//! Cheap, repeatable randomness: [`Dice`].

/// A small generator (SplitMix64) for decisions of a test: the same seed rolls the same numbers on every machine.
///
/// It is quick and predictable, so it decides what a network loses, and never becomes an identifier.
///
/// ```
/// use testkit::Dice;
/// let (mut a, mut b) = (Dice::new(7), Dice::new(7));
/// assert_eq!(a.roll(), b.roll());
/// assert!(a.below(6) < 6);
/// ```
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The dice of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, or 0 if that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.roll()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or_default()
    }

    /// `true` with a chance of `permille` in 1000.
    pub fn chance(&mut self, permille: u32) -> bool {
        permille != 0 && self.below(1000) < u64::from(permille)
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let roll = self.roll().to_le_bytes();
            chunk.copy_from_slice(&roll[..chunk.len()]);
        }
    }

    /// A 32-byte seed for a machine.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.fill(&mut seed);
        seed
    }

    /// Dice for a part, named by `label`, so that the rolls of one part do not shift those of another.
    #[must_use]
    pub fn part(&self, label: &[u8]) -> Self {
        let mut part = Self(self.0 ^ 0x5851_f42d_4c95_7f2d);
        for &byte in label {
            part.0 ^= u64::from(byte);
            part.0 = part.roll();
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rolls_of_a_seed_never_change() {
        let mut dice = Dice::new(0);
        assert_eq!(dice.roll(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(dice.roll(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn a_chance_is_met_about_as_often_as_it_says() {
        let mut dice = Dice::new(1);
        let hits = (0..10_000).filter(|_| dice.chance(100)).count();
        assert!((900..1100).contains(&hits), "{hits}");
        assert!(!dice.chance(0));
        assert!(dice.chance(1000));
    }

    #[test]
    fn parts_have_streams_of_their_own() {
        let dice = Dice::new(5);
        let (mut a, mut b) = (dice.part(b"a"), dice.part(b"b"));
        assert_ne!(a.roll(), b.roll());
        assert_eq!(dice.part(b"a").roll(), dice.part(b"a").roll());
    }
}
