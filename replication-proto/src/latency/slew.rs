//! A clock that follows a moving target without ever going back: [`Slew`].

use core::time::Duration;
use proto_core::Instant;

/// A clock reading at a local moment, and how fast it may go from there.
///
/// The reading is the target, clamped between the slowest and the fastest course since the last anchor. All three only
/// rise, so the reading does, and it can be asked without changing anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slew {
    at: Instant,
    reading: i64,
    /// How much slower than local time, in parts per million; a million stands still.
    slower: i64,
    faster: i64,
}

/// How a [`Slew`] may correct itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlewRule {
    /// Parts per million of local time, both ways.
    pub(super) rate: u32,
    /// An error above this is corrected at once: by a jump forward, or by standing still.
    pub(super) jump: Duration,
}

/// What an anchor did to the reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchored {
    Smooth,
    Jumped,
    Stands,
}

const MILLION: i64 = 1_000_000;

impl Slew {
    /// A clock that shows `reading` at `at`.
    pub(super) const fn new(at: Instant, reading: i64) -> Self {
        Self {
            at,
            reading,
            slower: 0,
            faster: 0,
        }
    }

    /// The reading at `now`, on its way to `target`, which is what it should be at `now`.
    pub(super) fn read(&self, now: Instant, target: i64) -> i64 {
        let elapsed = micros(now.saturating_since(self.at));
        let free = self.reading.saturating_add(elapsed);
        let part = |ppm: i64| {
            let product = i128::from(elapsed) * i128::from(ppm) / i128::from(MILLION);
            i64::try_from(product).unwrap_or(i64::MAX)
        };
        let low = free.saturating_sub(part(self.slower));
        let high = free.saturating_add(part(self.faster));
        target.clamp(low, high)
    }

    /// Goes on from the reading at `now` towards a new `target`; `before` is the target that held until now.
    pub(super) fn anchor(
        &mut self,
        now: Instant,
        before: i64,
        target: i64,
        rule: SlewRule,
    ) -> Anchored {
        let now = now.max(self.at);
        self.reading = self.read(now, before);
        self.at = now;
        let rate = i64::from(rule.rate).min(MILLION);
        (self.slower, self.faster) = (rate, rate);
        let error = target.saturating_sub(self.reading);
        if error > micros(rule.jump) {
            self.reading = target;
            return Anchored::Jumped;
        }
        if error < -micros(rule.jump) {
            self.slower = MILLION;
            return Anchored::Stands;
        }
        Anchored::Smooth
    }
}

/// A duration in microseconds, at most `i64::MAX`.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A moment in microseconds, at most `i64::MAX`.
pub(super) fn stamp(moment: Instant) -> i64 {
    i64::try_from(moment.as_micros()).unwrap_or(i64::MAX)
}

/// The moment of a stamp; a negative one is the epoch.
pub(super) fn moment(stamp: i64) -> Instant {
    Instant::from_micros(u64::try_from(stamp).unwrap_or(0))
}

/// The duration of so many microseconds; nothing for negative ones.
pub(super) fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULE: SlewRule = SlewRule {
        rate: 50_000,
        jump: Duration::from_millis(250),
    };

    #[test]
    fn a_small_error_is_gone_after_its_size_over_the_rate() {
        let mut slew = Slew::new(Instant::ZERO, 0);
        let target = |now: Instant| stamp(now) + 10_000;
        assert_eq!(
            slew.anchor(Instant::ZERO, 0, 10_000, RULE),
            Anchored::Smooth
        );
        let at = Instant::from_millis;
        assert_eq!(slew.read(at(100), target(at(100))), 105_000);
        assert_eq!(slew.read(at(200), target(at(200))), 210_000);
        assert_eq!(slew.read(at(300), target(at(300))), 310_000);
    }

    #[test]
    fn a_large_error_jumps_forward_or_stands_still() {
        let mut slew = Slew::new(Instant::ZERO, 0);
        assert_eq!(
            slew.anchor(Instant::ZERO, 0, 300_000, RULE),
            Anchored::Jumped
        );
        assert_eq!(slew.read(Instant::ZERO, 300_000), 300_000);
        assert_eq!(
            slew.anchor(Instant::ZERO, 300_000, 0, RULE),
            Anchored::Stands
        );
        assert_eq!(slew.read(Instant::from_millis(100), 100_000), 300_000);
        assert_eq!(slew.read(Instant::from_millis(400), 400_000), 400_000);
    }

    proptest! {
        #[test]
        fn the_reading_never_goes_back(
            steps in proptest::collection::vec((0u64..200_000, -400_000i64..400_000), 1..100),
        ) {
            let (mut now, mut offset) = (Instant::ZERO, 0);
            let mut slew = Slew::new(now, 0);
            let mut last = 0;
            for (wait, change) in steps {
                for _ in 0..4 {
                    now = now + Duration::from_micros(wait / 4);
                    let shown = slew.read(now, stamp(now) + offset);
                    prop_assert!(shown >= last, "{shown} after {last}");
                    last = shown;
                }
                let before = stamp(now) + offset;
                offset += change;
                slew.anchor(now, before, stamp(now) + offset, RULE);
            }
        }
    }
}
