//! What is counted per source prefix: [`PrefixTable`].

use alloc::boxed::Box;
use alloc::vec;
use core::net::IpAddr;
use proto_core::SeedRng;

/// A fixed table, into one entry of which each source prefix falls: the /24 of an IPv4 address, the /56 of an IPv6 one,
/// so that a subscriber cannot multiply by changing addresses.
///
/// Nobody can make it grow: prefixes whose keyed hashes collide share an entry. The key is drawn from a seed, so a
/// stranger cannot choose with whom to share.
pub(crate) struct PrefixTable<T> {
    keys: [u64; 5],
    entries: Box<[T]>,
}

impl<T: Clone> PrefixTable<T> {
    /// A table of `count` copies of `entry`; at least one.
    pub(crate) fn new(entry: T, count: usize, rng: &mut SeedRng) -> Self {
        Self {
            keys: [(); 5].map(|()| rng.next_u64()),
            entries: vec![entry; count.max(1)].into(),
        }
    }

    /// Makes all entries copies of `entry`.
    pub(crate) fn fill(&mut self, entry: T) {
        self.entries.fill(entry);
    }

    /// The entry of what `tag` names within the prefix of `ip`.
    pub(crate) fn get(&self, ip: IpAddr, tag: u64) -> Option<&T> {
        self.entries.get(self.index(ip, tag))
    }

    /// The same, to change it.
    pub(crate) fn get_mut(&mut self, ip: IpAddr, tag: u64) -> Option<&mut T> {
        let index = self.index(ip, tag);
        self.entries.get_mut(index)
    }

    /// Multilinear hashing, which is universal for as long as the keys are secret.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "halves of 64 bits, and an index below a length"
    )]
    fn index(&self, ip: IpAddr, tag: u64) -> usize {
        let prefix = match ip.to_canonical() {
            IpAddr::V4(ip) => u64::from(ip.to_bits() >> 8),
            // The bit tells the families apart: a prefix has 56.
            IpAddr::V6(ip) => (ip.to_bits() >> 72) as u64 | 1 << 63,
        };
        let [k0, k1, k2, k3, k4] = self.keys;
        let half = |key: u64, bits: u64| key.wrapping_mul(u64::from(bits as u32));
        let hash = k0
            .wrapping_add(half(k1, prefix >> 32))
            .wrapping_add(half(k2, prefix))
            .wrapping_add(half(k3, tag >> 32))
            .wrapping_add(half(k4, tag));
        let scaled = u128::from(hash) * self.entries.len() as u128;
        (scaled >> u64::BITS) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_tags_spread_over_the_table() {
        let mut table = PrefixTable::new(0_u32, 4096, &mut SeedRng::new([3; 32]));
        for a in 0..64_u8 {
            for b in 0..64 {
                let tag = u64::from(b % 2) << 40;
                *table
                    .get_mut(IpAddr::from([a, 7, b, 1]), tag)
                    .expect("an entry") += 1;
            }
        }
        // As many prefixes as entries: about 63 % are hit by chance.
        let hit = table.entries.iter().filter(|entry| **entry > 0).count();
        assert!(hit > 4096 / 2, "{hit} entries");
    }

    #[test]
    fn a_table_of_any_size_has_an_entry_for_everybody() {
        for count in [0, 1, 3, 1000] {
            let table = PrefixTable::new((), count, &mut SeedRng::new([1; 32]));
            for last in 0..=255 {
                assert!(table.get(IpAddr::from([203, 0, last, 1]), 9).is_some());
                assert!(
                    table
                        .get(IpAddr::from([0x2001, 0xdb8, last.into(), 0, 0, 0, 0, 1]), 9)
                        .is_some()
                );
            }
        }
    }
}
