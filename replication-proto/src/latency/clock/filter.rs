//! From samples to an offset: [`Filter`].

use crate::latency::slew::{micros, stamp};
use alloc::collections::VecDeque;
use proto_core::Instant;

/// One exchange of stamps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) at: Instant,
    /// Server minus client, in microseconds.
    pub(super) offset: i64,
    /// Travel without the time at the server, in microseconds.
    pub(super) round_trip: i64,
}

/// An offset at a moment, and how it goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offset {
    from: Instant,
    micros: i64,
    drift_ppb: i64,
}

impl Offset {
    pub(super) fn at(&self, now: Instant) -> i64 {
        let later = micros(now.saturating_since(self.from));
        let earlier = micros(self.from.saturating_since(now));
        let drifted = drifted(later.saturating_sub(earlier), self.drift_ppb);
        self.micros.saturating_add(drifted)
    }

    /// What the server's clock shows at `now`.
    pub(super) fn target(&self, now: Instant) -> i64 {
        stamp(now).saturating_add(self.at(now))
    }
}

/// Long-term marks, from which the drift is read.
const MARKS: usize = 16;
/// From one mark to the next, at least.
const MARK_EVERY: i64 = 4_000_000;
/// Marks must span this before their slope says more about clocks than about jitter.
const LEAST_SPAN: i64 = 20_000_000;
/// No quartz is worse.
const MOST_DRIFT_PPB: i128 = 500_000;
/// The excess of a round trip at which a sample counts a quarter, in microseconds.
const EXCESS_UNIT: i64 = 500;
/// Distrust in old samples: a microsecond of excess for so many microseconds of age, 20 parts per million.
const AGE_PER_EXCESS: i64 = 50_000;

#[derive(Clone, Debug)]
pub(super) struct Filter {
    window: usize,
    samples: VecDeque<Sample>,
    marks: VecDeque<(i64, i64)>,
    marked: Instant,
    drift_ppb: i64,
}

impl Filter {
    pub(super) const fn new(window: usize) -> Self {
        Self {
            window,
            samples: VecDeque::new(),
            marks: VecDeque::new(),
            marked: Instant::ZERO,
            drift_ppb: 0,
        }
    }

    pub(super) fn push(&mut self, sample: Sample) {
        if self.samples.len() >= self.window {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }

    pub(super) const fn drift_ppb(&self) -> i64 {
        self.drift_ppb
    }

    pub(super) fn least_round_trip(&self) -> i64 {
        let trips = self.samples.iter().map(|sample| sample.round_trip);
        trips.min().unwrap_or(0)
    }

    /// The mean of all samples, brought to `now` by the drift and weighed by the square of how little they exceed the
    /// shortest round trip.
    pub(super) fn estimate(&mut self, now: Instant) -> Offset {
        let least = self.least_round_trip();
        let base = self.samples.back().map_or(0, |newest| newest.offset);
        let (mut sum, mut weights) = (0i128, 0i128);
        let (mut raw, mut ages) = (0i128, 0i128);
        for sample in &self.samples {
            let age = micros(now.saturating_since(sample.at));
            let excess = sample.round_trip - least + age / AGE_PER_EXCESS + EXCESS_UNIT;
            let weight = 1_000_000_000_000 / (i128::from(excess) * i128::from(excess)).max(1);
            let offset = sample.offset.saturating_sub(base);
            let brought = offset.saturating_add(drifted(age, self.drift_ppb));
            sum += weight * i128::from(brought);
            raw += weight * i128::from(offset);
            ages += weight * i128::from(age);
            weights += weight;
        }
        let mean = |sum: i128| i64::try_from(sum / weights.max(1)).unwrap_or(0);
        let offset = base.saturating_add(mean(sum));
        // As the offset goes in a line, the mean of offsets holds at the mean of times, whatever the drift is.
        self.mark(
            now,
            stamp(now).saturating_sub(mean(ages)),
            base.saturating_add(mean(raw)),
        );
        Offset {
            from: now,
            micros: offset,
            drift_ppb: self.drift_ppb,
        }
    }

    fn mark(&mut self, now: Instant, at: i64, offset: i64) {
        let due = micros(now.saturating_since(self.marked)) >= MARK_EVERY;
        // The first samples are too few for a mark that lasts.
        if !(due || self.marks.is_empty()) || self.samples.len() < self.window / 2 {
            return;
        }
        if self.marks.len() >= MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back((at, offset));
        self.marked = now;
        self.drift_ppb = self.slope();
    }

    /// The least-squares slope of the marks, in parts per billion.
    fn slope(&self) -> i64 {
        let (Some(&(first, base)), Some(&(last, _))) = (self.marks.front(), self.marks.back())
        else {
            return 0;
        };
        if last.saturating_sub(first) < LEAST_SPAN {
            return 0;
        }
        let count = self.marks.len() as i128;
        let (mut sum_x, mut sum_y, mut sum_xx, mut sum_xy) = (0i128, 0i128, 0i128, 0i128);
        for &(at, offset) in &self.marks {
            // An hour and a second: beyond them the clamp below decides anyway, and nothing overflows.
            let x = i128::from(at.saturating_sub(first).clamp(0, 3_600_000_000));
            let y = i128::from(offset.saturating_sub(base).clamp(-1_000_000, 1_000_000));
            sum_x += x;
            sum_y += y;
            sum_xx += x * x;
            sum_xy += x * y;
        }
        let spread = count * sum_xx - sum_x * sum_x;
        let slope = (count * sum_xy - sum_x * sum_y) * 1_000_000_000 / spread.max(1);
        i64::try_from(slope.clamp(-MOST_DRIFT_PPB, MOST_DRIFT_PPB)).unwrap_or(0)
    }
}

/// What a drift makes of so many microseconds.
fn drifted(micros: i64, drift_ppb: i64) -> i64 {
    let product = i128::from(micros) * i128::from(drift_ppb) / 1_000_000_000;
    i64::try_from(product).unwrap_or(0)
}
