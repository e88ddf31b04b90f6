//! Rates: [`Pacer`] between new checks, [`Bucket`] for what may be sent and answered.

use core::time::Duration;
use proto_core::{Instant, Rate, TokenBucket};

/// Spaces new transactions by Ta (RFC 8445 section 14.2).
///
/// An agent has one of its own. Agents that share an uplink should share one, see
/// [`Agent::poll_transmit_paced`](crate::Agent::poll_transmit_paced).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pacer {
    interval: Duration,
    next: Instant,
}

impl Pacer {
    /// Smallest interval that RFC 8445 allows.
    pub const SMALLEST: Duration = Duration::from_millis(5);

    /// What an agent wants that proposes nothing (RFC 8445 section 14.2).
    pub const DEFAULT: Duration = Duration::from_millis(50);

    /// A pacer with `interval` between two transactions, at least [`Pacer::SMALLEST`].
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self {
            interval: interval.max(Self::SMALLEST),
            next: Instant::ZERO,
        }
    }

    /// Time between two transactions.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// Widens the interval to what the peer asked for (`a=ice-pacing`); the larger one counts.
    pub fn widen(&mut self, interval: Duration) {
        self.interval = self.interval.max(interval.min(Duration::from_secs(1)));
    }

    /// When the next transaction may begin.
    #[must_use]
    pub const fn next(&self) -> Instant {
        self.next
    }

    /// Takes the slot of a transaction that begins now, if it may.
    #[must_use]
    pub fn take(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        self.next = now + self.interval;
        true
    }
}

/// A rate of whole tokens a second, of which one second's worth is held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    tokens: TokenBucket,
    at: Instant,
}

impl Bucket {
    pub(crate) const fn new(per_second: u32) -> Self {
        let rate = Rate::new(per_second as u64, per_second as u64);
        Self {
            rate,
            tokens: TokenBucket::full(rate),
            at: Instant::ZERO,
        }
    }

    /// Takes `count` tokens if they are there.
    pub(crate) fn take(&mut self, now: Instant, count: u32) -> bool {
        self.at = self.at.max(now);
        self.tokens.take(now, self.rate, u64::from(count))
    }

    /// When `count` tokens, or as many as can be, will be there.
    pub(crate) fn ready_at(&self, count: u32) -> Instant {
        let count = u64::from(count).min(self.rate.burst);
        let mut tokens = self.tokens;
        tokens
            .ready_at(self.at, self.rate, count)
            .unwrap_or(Instant::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // req: I-24
    #[test]
    fn a_pacer_gives_one_slot_per_interval_and_never_a_burst() {
        let mut pacer = Pacer::new(Duration::from_millis(50));
        let taken = (0..1000).filter(|&millis| pacer.take(Instant::from_millis(millis)));
        assert_eq!(taken.count(), 20);
        assert!(pacer.take(Instant::from_millis(60_000)));
        assert!(!pacer.take(Instant::from_millis(60_049)));
        assert_eq!(Pacer::new(Duration::ZERO).interval(), Pacer::SMALLEST);
    }

    // req: I-29
    #[test]
    fn the_larger_pace_of_both_sides_counts() {
        let mut pacer = Pacer::new(Duration::from_millis(50));
        pacer.widen(Duration::from_millis(20));
        assert_eq!(pacer.interval(), Duration::from_millis(50));
        pacer.widen(Duration::from_millis(80));
        assert_eq!(pacer.interval(), Duration::from_millis(80));
    }

    #[test]
    fn a_bucket_lets_its_rate_through_and_says_when_it_will_again() {
        let mut bucket = Bucket::new(5);
        let passed = (0..10_000)
            .filter(|&millis| bucket.take(Instant::from_millis(millis), 1))
            .count();
        assert_eq!(passed, 5 + 49);
        let ready = bucket.ready_at(1);
        assert!(!bucket.take(Instant::from_micros(ready.as_micros() - 1), 1));
        assert!(bucket.take(ready, 1));
    }
}
