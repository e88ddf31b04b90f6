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

/// A second, in microseconds.
const SECOND: u64 = 1_000_000;

/// What may be done at a rate of whole tokens a second, of which one second's worth is held; the rate comes with each call.
///
/// It is the moment at which all tokens would be there again, rounded down to the microsecond.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket(Instant);

impl Bucket {
    pub(crate) const FULL: Self = Self(Instant::ZERO);

    /// How long it takes until `count` tokens, at most a second's worth, have come.
    const fn time(per_second: u32, count: u32) -> u64 {
        let (per_second, count) = (per_second as u64, count as u64);
        let count = if count < per_second {
            count
        } else {
            per_second
        };
        match (count * SECOND).checked_div(per_second) {
            Some(micros) => micros,
            None => u64::MAX,
        }
    }

    /// Takes `count` tokens if they are there.
    pub(crate) fn take(&mut self, now: Instant, per_second: u32, count: u32) -> bool {
        let full = self.0.max(now).add_micros(Self::time(per_second, count));
        let there = count <= per_second && full.micros_since(now) <= SECOND;
        if there {
            self.0 = full;
        }
        there
    }

    /// When `count` tokens, or as many as can be, will be there.
    pub(crate) fn ready_at(self, per_second: u32, count: u32) -> Instant {
        let full = self.0.add_micros(Self::time(per_second, count));
        Instant::from_micros(full.as_micros().saturating_sub(SECOND))
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
        let mut bucket = Bucket::FULL;
        let passed = (0..10_000)
            .filter(|&millis| bucket.take(Instant::from_millis(millis), 5, 1))
            .count();
        assert_eq!(passed, 5 + 49);
        let ready = bucket.ready_at(5, 1);
        assert!(!bucket.take(Instant::from_micros(ready.as_micros() - 1), 5, 1));
        assert!(bucket.take(ready, 5, 1));
    }
}
