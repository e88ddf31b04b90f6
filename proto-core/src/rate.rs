//! Rates that somebody may not exceed: [`Rate`], and the [`TokenBucket`] that keeps to one.

use crate::Instant;
use core::time::Duration;

const MICROS: u64 = 1_000_000;

/// An allowance: so much at once, refilled at so much per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "two numbers that belong together"
)]
pub struct Rate {
    /// What is added per second.
    pub per_second: u64,
    /// What can be saved up, and is there at the start.
    pub burst: u64,
}

impl Rate {
    /// No limit.
    pub const UNLIMITED: Self = Self::new(u64::MAX, u64::MAX);

    /// An allowance of `burst` at once and `per_second` for ever.
    #[must_use]
    pub const fn new(per_second: u64, burst: u64) -> Self {
        Self { per_second, burst }
    }

    /// Whether it is no limit.
    #[must_use]
    pub const fn is_unlimited(self) -> bool {
        self.burst == u64::MAX
    }
}

/// The state of one allowance: 16 bytes.
///
/// The rate is given with each call, so that a table of buckets holds only levels. Time that goes back counts as
/// standing still.
///
/// ```
/// use proto_core::{Instant, Rate, TokenBucket};
/// let rate = Rate::new(10, 3);
/// let mut bucket = TokenBucket::full(rate);
/// assert!(bucket.take(Instant::ZERO, rate, 3));
/// assert!(!bucket.take(Instant::ZERO, rate, 1));
/// assert_eq!(bucket.ready_at(Instant::ZERO, rate, 1), Some(Instant::from_millis(100)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    /// In millionths, so that slow refills are not rounded away.
    level: u64,
    at: Instant,
}

impl TokenBucket {
    /// A bucket with the whole burst in it.
    #[must_use]
    pub const fn full(rate: Rate) -> Self {
        Self {
            level: rate.burst.saturating_mul(MICROS),
            at: Instant::ZERO,
        }
    }

    /// Takes `cost` if it is there, and says whether it was.
    #[must_use]
    pub fn take(&mut self, now: Instant, rate: Rate, cost: u64) -> bool {
        if rate.is_unlimited() {
            return true;
        }
        self.refill(now, rate);
        let cost = cost.saturating_mul(MICROS);
        match self.level.checked_sub(cost) {
            Some(rest) => {
                self.level = rest;
                true
            }
            None => false,
        }
    }

    /// Takes `cost`, or what is there of it.
    pub fn charge(&mut self, now: Instant, rate: Rate, cost: u64) {
        self.refill(now, rate);
        self.level = self.level.saturating_sub(cost.saturating_mul(MICROS));
    }

    /// When `cost` will be there; `None` is never: it exceeds the burst, or nothing is added.
    pub fn ready_at(&mut self, now: Instant, rate: Rate, cost: u64) -> Option<Instant> {
        if rate.is_unlimited() {
            return Some(now);
        }
        self.refill(now, rate);
        if cost > rate.burst || rate.per_second == 0 {
            return None;
        }
        let missing = cost.saturating_mul(MICROS).saturating_sub(self.level);
        Some(now + Duration::from_micros(missing.div_ceil(rate.per_second)))
    }

    fn refill(&mut self, now: Instant, rate: Rate) {
        let elapsed = now.as_micros().saturating_sub(self.at.as_micros());
        let more = elapsed.saturating_mul(rate.per_second);
        let full = rate.burst.saturating_mul(MICROS);
        self.level = self.level.saturating_add(more).min(full);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let rate = Rate::new(10, 3);
        let mut bucket = TokenBucket::full(rate);
        let now = Instant::from_millis(1000);
        assert!(bucket.take(now, rate, 3));
        assert!(!bucket.take(now, rate, 1));
        assert_eq!(
            bucket.ready_at(now, rate, 1),
            Some(Instant::from_millis(1100))
        );
        assert!(bucket.take(Instant::from_millis(1100), rate, 1));
        assert!(!bucket.take(Instant::from_millis(1199), rate, 1));
    }

    #[test]
    fn time_that_goes_back_gives_nothing() {
        let rate = Rate::new(1, 1);
        let mut bucket = TokenBucket::full(rate);
        assert!(bucket.take(Instant::from_millis(5000), rate, 1));
        assert!(!bucket.take(Instant::ZERO, rate, 1));
        assert!(!bucket.take(Instant::from_millis(5999), rate, 1));
        assert!(bucket.take(Instant::from_millis(6000), rate, 1));
    }

    #[test]
    fn what_exceeds_the_burst_is_never_ready() {
        let rate = Rate::new(1, 5);
        let mut bucket = TokenBucket::full(rate);
        assert_eq!(bucket.ready_at(Instant::ZERO, rate, 6), None);
    }
}
