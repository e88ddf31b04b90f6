//! The last few numbers, sorted: [`Recent`].

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// A window over a series, with its order statistics. No allocation once it is full.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    capacity: usize,
    order: VecDeque<i64>,
    sorted: Vec<i64>,
}

impl Recent {
    /// A window of `capacity` numbers, at least one.
    pub(super) const fn new(capacity: usize) -> Self {
        Self {
            capacity: if capacity == 0 { 1 } else { capacity },
            order: VecDeque::new(),
            sorted: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, value: i64) {
        if self.order.len() >= self.capacity
            && let Some(oldest) = self.order.pop_front()
            && let Ok(at) = self.sorted.binary_search(&oldest)
        {
            self.sorted.remove(at);
        }
        self.order.push_back(value);
        let at = self.sorted.partition_point(|&other| other < value);
        self.sorted.insert(at, value);
    }

    pub(super) fn clear(&mut self) {
        self.order.clear();
        self.sorted.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn least(&self) -> Option<i64> {
        self.sorted.first().copied()
    }

    /// The least number that at least `permille` in 1000 of the window do not exceed.
    pub(super) fn quantile(&self, permille: u16) -> Option<i64> {
        let rank = (self.sorted.len() * usize::from(permille)).div_ceil(1000);
        self.sorted.get(rank.saturating_sub(1)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn order_statistics_are_those_of_the_last_values(
            values in proptest::collection::vec(-50i64..50, 1..100),
            capacity in 1usize..20,
            permille in 0u16..=1000,
        ) {
            let mut recent = Recent::new(capacity);
            for &value in &values {
                recent.push(value);
            }
            let mut last = values[values.len().saturating_sub(capacity)..].to_vec();
            last.sort_unstable();
            prop_assert_eq!(recent.len(), last.len());
            prop_assert_eq!(recent.least(), Some(last[0]));
            let quantile = recent.quantile(permille).unwrap();
            let not_above = last.iter().filter(|&&value| value <= quantile).count();
            prop_assert!(not_above * 1000 >= last.len() * usize::from(permille));
        }
    }
}
