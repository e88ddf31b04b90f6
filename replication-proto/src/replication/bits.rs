//! A set of small numbers, one bit each.

use alloc::vec::Vec;

/// A set of indexes. Two sets of the same indexes are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits {
    /// The last word is not zero.
    words: Vec<u64>,
}

impl Bits {
    pub(crate) fn contains(&self, index: u32) -> bool {
        let word = self.words.get(index as usize / 64);
        word.is_some_and(|word| word >> (index % 64) & 1 != 0)
    }

    /// Adds an index and says whether it is new.
    pub(crate) fn insert(&mut self, index: u32) -> bool {
        let at = index as usize / 64;
        if self.words.len() <= at {
            self.words.resize(at + 1, 0);
        }
        let bit = 1 << (index % 64);
        let Some(word) = self.words.get_mut(at) else {
            return false;
        };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Takes an index out and says whether it was there.
    pub(crate) fn remove(&mut self, index: u32) -> bool {
        let Some(word) = self.words.get_mut(index as usize / 64) else {
            return false;
        };
        let bit = 1 << (index % 64);
        let was_there = *word & bit != 0;
        *word &= !bit;
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
        was_there
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.words.clear();
    }

    /// The indexes in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        ones(self.words.iter().copied())
    }

    /// The indexes that are in both, ascending.
    pub(crate) fn common(&self, other: &Self) -> impl Iterator<Item = u32> {
        let words = self.words.iter().zip(&other.words);
        ones(words.map(|(a, b)| a & b))
    }

    /// The indexes that are here and not in `other`, ascending.
    pub(crate) fn without(&self, other: &Self) -> impl Iterator<Item = u32> {
        self.iter().filter(|&index| !other.contains(index))
    }
}

/// The indexes of words in order.
fn ones(words: impl Iterator<Item = u64>) -> impl Iterator<Item = u32> {
    (0_u32..).zip(words).flat_map(|(at, word)| {
        let mut rest = word;
        core::iter::from_fn(move || {
            if rest == 0 {
                return None;
            }
            let bit = rest.trailing_zeros();
            rest &= rest - 1;
            Some(at * 64 + bit)
        })
    })
}

impl FromIterator<u32> for Bits {
    fn from_iter<I: IntoIterator<Item = u32>>(indexes: I) -> Self {
        let mut bits = Self::default();
        for index in indexes {
            bits.insert(index);
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_the_same_indexes_are_equal_however_they_came_about() {
        let mut bits = Bits::default();
        for index in [0, 63, 64, 1000] {
            assert!(bits.insert(index));
            assert!(!bits.insert(index));
        }
        assert_eq!(bits.iter().collect::<Vec<_>>(), [0, 63, 64, 1000]);
        assert!(bits.remove(1000));
        assert!(!bits.remove(1000));
        assert_eq!(bits, [64, 0, 63].into_iter().collect());
        assert!(bits.contains(64) && !bits.contains(65) && !bits.contains(1000));
    }
}
