//! Durations in constant memory: [`Histogram`].

use core::time::Duration;

/// Buckets per power of two: a percentile is at most 1/64 too high.
const STEPS: u32 = 64;
/// Bits of a step's number.
const STEP_BITS: u32 = STEPS.ilog2();

/// Counts durations in buckets whose width grows with them.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    largest: Duration,
}

impl Histogram {
    /// Adds one duration.
    pub(super) fn add(&mut self, duration: Duration) {
        let index = bucket(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
        if self.buckets.len() <= index {
            self.buckets.resize(index + 1, 0);
        }
        self.buckets[index] += 1;
        self.count += 1;
        self.largest = self.largest.max(duration);
    }

    /// Adds all that `other` counted.
    pub(super) fn merge(&mut self, other: &Self) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (bucket, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *bucket += more;
        }
        self.count += other.count;
        self.largest = self.largest.max(other.largest);
    }

    /// How many were added.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// The largest one.
    pub(super) const fn largest(&self) -> Duration {
        self.largest
    }

    /// A duration that `percent` of all do not exceed; `None` without any.
    pub(super) fn percentile(&self, percent: u64) -> Option<Duration> {
        if self.count == 0 {
            return None;
        }
        let wanted = (self.count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                let end = Duration::from_micros(bucket_end(index));
                return Some(end.min(self.largest));
            }
        }
        Some(self.largest)
    }
}

/// The bucket of a number: exact below 64, then 64 buckets from each power of two to the next.
fn bucket(micros: u64) -> usize {
    let shift = micros.max(1).ilog2().saturating_sub(STEP_BITS);
    // At most 127.
    let step = usize::try_from(micros >> shift).unwrap_or(0);
    (shift * STEPS) as usize + step
}

/// The largest number in a bucket.
const fn bucket_end(index: usize) -> u64 {
    let steps = STEPS as usize;
    if index < steps {
        return index as u64;
    }
    let shift = index / steps - 1;
    let first = ((index % steps + steps) as u64) << shift;
    first + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_in_the_bucket_that_ends_closest_above_it() {
        for micros in (0..5000).chain([1 << 20, (1 << 40) + 12_345, u64::MAX]) {
            let index = bucket(micros);
            assert!(bucket_end(index) >= micros, "{micros}");
            assert!(index == 0 || bucket_end(index - 1) < micros, "{micros}");
            assert!(bucket_end(index) - micros <= micros / 64, "{micros}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_list_within_a_64th() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(50), None);
        for millis in 1..=1000 {
            histogram.add(Duration::from_millis(millis));
        }
        for (percent, millis) in [(50, 500.0), (90, 900.0), (99, 990.0)] {
            let found = histogram.percentile(percent).unwrap().as_secs_f64() * 1000.0;
            assert!((millis..millis * 65.0 / 64.0).contains(&found), "{found}");
        }
        assert_eq!(histogram.percentile(100), Some(Duration::from_secs(1)));
        assert_eq!(histogram.count(), 1000);
    }

    #[test]
    fn two_that_are_merged_are_one_that_counted_all() {
        let (mut all, mut short, mut long) = Default::default();
        for millis in 1..=1000 {
            let duration = Duration::from_millis(millis);
            Histogram::add(&mut all, duration);
            let part = if millis < 300 { &mut short } else { &mut long };
            Histogram::add(part, duration);
        }
        short.merge(&long);
        assert_eq!(short.count(), all.count());
        assert_eq!(short.largest(), all.largest());
        assert!((1..=100).all(|percent| short.percentile(percent) == all.percentile(percent)));
    }
}
