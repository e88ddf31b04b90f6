//! Rates: [`Pacer`] between new checks, [`Bucket`] for what may be sent and answered.

use core::time::Duration;
use proto_core::Instant;

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

/// A token bucket that holds one second's worth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    rate: u32,
    /// Millionths of a token.
    filled: u64,
    at: Instant,
}

impl Bucket {
    pub(crate) const fn new(rate: u32) -> Self {
        Self {
            rate,
            filled: rate as u64 * 1_000_000,
            at: Instant::ZERO,
        }
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_since(self.at).as_micros().min(1_000_000) as u64;
        self.at = self.at.max(now);
        let most = u64::from(self.rate) * 1_000_000;
        self.filled = (self.filled + passed * u64::from(self.rate)).min(most);
    }

    /// Takes `count` tokens if they are there.
    pub(crate) fn take(&mut self, now: Instant, count: u32) -> bool {
        self.refill(now);
        let needed = u64::from(count) * 1_000_000;
        if self.filled < needed {
            return false;
        }
        self.filled -= needed;
        true
    }

    /// When `count` tokens will be there.
    pub(crate) fn ready_at(&self, count: u32) -> Instant {
        let needed = u64::from(count.min(self.rate)) * 1_000_000;
        let missing = needed.saturating_sub(self.filled);
        self.at + Duration::from_micros(missing.div_ceil(u64::from(self.rate.max(1))))
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
