//! Time as a value: [`Instant`], and [`TimerTable`] for the few named timers of a machine.

use core::fmt;
use core::ops::Add;
use core::time::Duration;

/// A moment, in microseconds since an epoch that the caller chose.
///
/// No machine reads a clock: each call says what time it is. Any epoch works as long as one machine sees only one.
/// Arithmetic saturates, so a wild clock delays or hurries, and never panics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The epoch itself.
    pub const ZERO: Self = Self(0);
    /// The last representable moment, some 584,000 years after the epoch.
    pub const MAX: Self = Self(u64::MAX);

    /// The moment `micros` microseconds after the epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The moment `millis` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1000
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// How many microseconds after `earlier` this is; 0 if it is not after it.
    ///
    /// The same as [`Instant::saturating_since`], without the division that a [`Duration`] costs.
    #[must_use]
    pub const fn micros_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This moment plus `duration`, at most [`Instant::MAX`].
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.add_micros(micros)
    }

    /// This moment plus `micros` microseconds, at most [`Instant::MAX`].
    #[must_use]
    pub const fn add_micros(self, micros: u64) -> Self {
        Self(self.0.saturating_add(micros))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// The same as [`Instant::saturating_add`].
    fn add(self, duration: Duration) -> Self {
        self.saturating_add(duration)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// The timers of one machine: a fixed number of named slots, each armed or not.
///
/// A timer is a number below `N`, usually an enum cast by the machine. Finding the next deadline costs `N` compares,
/// so this is for a handful of timers; machines with one timer per peer or per packet keep an ordered structure.
///
/// ```
/// use proto_core::{Instant, TimerTable};
/// let mut timers = TimerTable::<2>::new();
/// timers.arm(1, Instant::from_millis(20));
/// assert_eq!(timers.next(), Some(Instant::from_millis(20)));
/// assert_eq!(timers.take_expired(Instant::from_millis(19)), None);
/// assert_eq!(timers.take_expired(Instant::from_millis(20)), Some(1));
/// assert_eq!(timers.next(), None);
/// ```
#[derive(Debug)]
pub struct TimerTable<const N: usize> {
    deadlines: [Option<Instant>; N],
}

impl<const N: usize> TimerTable<N> {
    /// A table with no timer armed.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            deadlines: [None; N],
        }
    }

    /// Arms `timer` for `deadline`, in place of what it was armed for. A timer of `N` or above is ignored.
    pub fn arm(&mut self, timer: usize, deadline: Instant) {
        if let Some(slot) = self.deadlines.get_mut(timer) {
            *slot = Some(deadline);
        }
    }

    /// Disarms `timer`.
    pub fn disarm(&mut self, timer: usize) {
        if let Some(slot) = self.deadlines.get_mut(timer) {
            *slot = None;
        }
    }

    /// The deadline of `timer` if it is armed.
    #[must_use]
    pub fn deadline(&self, timer: usize) -> Option<Instant> {
        self.deadlines.get(timer).copied().flatten()
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.deadlines.iter().flatten().min().copied()
    }

    /// Disarms and returns the earliest timer whose deadline is not after `now`. Call it until it gives `None`.
    #[must_use]
    pub fn take_expired(&mut self, now: Instant) -> Option<usize> {
        let (timer, _) = self
            .deadlines
            .iter()
            .enumerate()
            .filter_map(|(timer, deadline)| deadline.map(|deadline| (timer, deadline)))
            .filter(|&(_, deadline)| deadline <= now)
            .min_by_key(|&(_, deadline)| deadline)?;
        self.disarm(timer);
        Some(timer)
    }
}

impl<const N: usize> Default for TimerTable<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Instant::MAX + Duration::from_secs(1), Instant::MAX);
        assert_eq!(Instant::MAX.add_micros(1), Instant::MAX);
        assert_eq!(Instant::ZERO.saturating_since(Instant::MAX), Duration::ZERO);
        assert_eq!(Instant::ZERO.micros_since(Instant::MAX), 0);
        assert_eq!(Instant::from_millis(5).micros_since(Instant::ZERO), 5000);
        assert_eq!(
            Instant::from_millis(5).saturating_since(Instant::from_millis(2)),
            Duration::from_millis(3)
        );
    }

    #[test]
    fn expired_timers_leave_in_order_of_their_deadlines() {
        let mut timers = TimerTable::<3>::new();
        timers.arm(0, Instant::from_millis(30));
        timers.arm(1, Instant::from_millis(10));
        timers.arm(2, Instant::from_millis(20));
        timers.arm(2, Instant::from_millis(40));
        let now = Instant::from_millis(30);
        assert_eq!(timers.take_expired(now), Some(1));
        assert_eq!(timers.take_expired(now), Some(0));
        assert_eq!(timers.take_expired(now), None);
        assert_eq!(timers.deadline(2), Some(Instant::from_millis(40)));
    }
}
