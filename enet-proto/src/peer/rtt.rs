//! Round-trip time, and the packet throttle and loss figures that follow from it (ENet: `enet_peer_throttle`).

use crate::config::{Config, Precision};
use crate::wire::VerifyConnect;
use core::time::Duration;
use proto_core::Instant;

/// The value of the throttle at which every unreliable packet passes.
pub(crate) const THROTTLE_SCALE: u32 = 32;
const THROTTLE_STEP: u32 = 7;
const LOSS_INTERVAL_MICROS: u64 = 10_000_000;
const LOSS_SCALE: u64 = 65_536;
const MILLI: u32 = 1000;
/// The least by which a command's time to be acknowledged exceeds the mean.
const TIMEOUT_MARGIN_MICROS: u64 = 8_000;

/// Smoothed round-trip time, in microseconds or, as C ENet has it, in whole milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct RoundTrip {
    precision: Precision,
    mean: u32,
    variance: u32,
    lowest: u32,
    highest_variance: u32,
    last: u32,
    last_variance: u32,
}

impl RoundTrip {
    pub(crate) const fn new(precision: Precision) -> Self {
        let initial = 500 * precision.milli();
        Self {
            precision,
            mean: initial,
            variance: 0,
            lowest: initial,
            highest_variance: 0,
            last: initial,
            last_variance: 0,
        }
    }

    const fn micros(&self, value: u32) -> u64 {
        value as u64 * (MILLI / self.precision.milli()) as u64
    }

    pub(crate) const fn mean_micros(&self) -> u64 {
        self.micros(self.mean)
    }

    pub(crate) const fn variance_micros(&self) -> u64 {
        self.micros(self.variance)
    }

    /// The microseconds to wait for an acknowledgement: four deviations above the mean, within bounds.
    ///
    /// A steady link has no deviation to speak of, so a margin stands in for it, as C ENet's rounding does.
    #[inline]
    pub(crate) fn timeout_micros(&self, bounds: &Retransmission) -> u32 {
        let least = match self.precision {
            Precision::Microseconds => TIMEOUT_MARGIN_MICROS,
            Precision::Milliseconds => 0,
        };
        let timeout = self.mean_micros() + (4 * self.variance_micros()).max(least);
        u32::try_from(timeout)
            .unwrap_or(u32::MAX)
            .clamp(bounds.least_micros, bounds.most_micros)
    }

    /// A measured time in the unit of the smoothed ones, at least 1.
    #[inline]
    fn sample(&self, micros: u64) -> u32 {
        // 18 minutes bound the sums; ENet's 16-bit echo cannot express more than 65 s anyway.
        let micros = micros.min(1 << 30) as u32;
        match self.precision {
            Precision::Microseconds => micros.max(1),
            Precision::Milliseconds => ((micros + MILLI / 2) / MILLI).max(1),
        }
    }
}

/// When reliable commands are sent again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retransmission {
    pub(crate) least_micros: u32,
    pub(crate) most_micros: u32,
    /// Whether what was overtaken is sent again at once.
    pub(crate) is_early: bool,
}

impl Retransmission {
    pub(crate) fn new(config: &Config) -> Self {
        let bounds = &config.retransmission;
        let micros = |bound: &Duration| u32::try_from(bound.as_micros()).unwrap_or(u32::MAX);
        Self {
            least_micros: micros(bounds.start()).max(1),
            most_micros: micros(bounds.end()).max(1),
            is_early: config.early_retransmission,
        }
    }
}

/// What share of unreliable packets is sent, in 32nds, steered by the remote's settings.
#[derive(Clone, Debug)]
pub(crate) struct Throttle {
    pub(crate) value: u32,
    pub(crate) limit: u32,
    counter: u32,
    epoch: Option<Instant>,
    pub(crate) acceleration: u32,
    pub(crate) deceleration: u32,
    pub(crate) interval_ms: u32,
}

impl Throttle {
    pub(crate) const fn new() -> Self {
        Self {
            value: THROTTLE_SCALE,
            limit: THROTTLE_SCALE,
            counter: 0,
            epoch: None,
            acceleration: 2,
            deceleration: 2,
            interval_ms: 5000,
        }
    }

    pub(crate) const fn configure(&mut self, terms: &VerifyConnect) {
        self.interval_ms = terms.throttle_interval_ms;
        self.acceleration = terms.throttle_acceleration;
        self.deceleration = terms.throttle_deceleration;
    }

    /// Whether the next unreliable packet is sent; the drops are spread evenly.
    #[inline]
    pub(crate) const fn passes(&mut self) -> bool {
        self.counter = (self.counter + THROTTLE_STEP) % THROTTLE_SCALE;
        self.counter <= self.value
    }

    /// Applies a bound that the bandwidth management found; what only the old bound held down comes up at once.
    pub(crate) fn set_limit(&mut self, limit: u32) {
        let was_bound = self.value == self.limit;
        self.limit = limit;
        self.value = if was_bound {
            limit
        } else {
            self.value.min(limit)
        };
    }

    fn adjust(&mut self, sample: u32, round_trip: &RoundTrip) {
        // A mean in whole milliseconds stops up to 7 short of the truth, and its deviation never falls below 3: the
        // exact ones are given as much tolerance, or a little jitter would close the throttle.
        let (slack, least) = match round_trip.precision {
            Precision::Microseconds => (4 * MILLI, 3 * MILLI),
            Precision::Milliseconds => (0, 1),
        };
        let last = round_trip.last.saturating_add(slack);
        let variance = round_trip.last_variance.max(least);
        if round_trip.last <= round_trip.last_variance {
            self.value = self.limit;
        } else if sample <= last {
            self.value = self.value.saturating_add(self.acceleration).min(self.limit);
        } else if sample > last.saturating_add(variance.saturating_mul(2)) {
            self.value = self.value.saturating_sub(self.deceleration);
        }
    }
}

/// Takes one measurement in: an acknowledgement came so many microseconds after its command was sent.
#[inline]
pub(crate) fn measure(
    round_trip: &mut RoundTrip,
    throttle: &mut Throttle,
    now: Instant,
    sample_micros: u64,
    first: bool,
) {
    let (sample, milli) = (
        round_trip.sample(sample_micros),
        round_trip.precision.milli(),
    );
    if first {
        round_trip.mean = sample;
        round_trip.variance = (sample + milli) / 2;
    } else {
        throttle.adjust(sample, round_trip);
        round_trip.variance -= round_trip.variance / 4;
        let difference = sample.abs_diff(round_trip.mean);
        round_trip.variance += difference / 4;
        if sample >= round_trip.mean {
            round_trip.mean += difference / 8;
        } else {
            round_trip.mean -= difference / 8;
        }
    }
    round_trip.lowest = round_trip.lowest.min(round_trip.mean);
    round_trip.highest_variance = round_trip.highest_variance.max(round_trip.variance);
    let interval_micros = u64::from(throttle.interval_ms) * u64::from(MILLI);
    let due = throttle
        .epoch
        .is_none_or(|epoch| now.micros_since(epoch) >= interval_micros);
    if due {
        round_trip.last = round_trip.lowest;
        // Clocks of a millisecond make smaller deviations meaningless to the throttle.
        round_trip.last_variance = round_trip.highest_variance.max(milli);
        round_trip.lowest = round_trip.mean;
        round_trip.highest_variance = round_trip.variance;
        throttle.epoch = Some(now);
    }
}

/// How many commands were sent, and how many of them again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loss {
    epoch: Option<Instant>,
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    mean: u64,
    variance: u64,
}

impl Loss {
    /// Ends an interval if one is over; called when a datagram is about to leave.
    #[inline]
    pub(crate) fn update(&mut self, now: Instant) {
        let Some(epoch) = self.epoch else {
            self.epoch = Some(now);
            return;
        };
        if self.sent == 0 || now.micros_since(epoch) < LOSS_INTERVAL_MICROS {
            return;
        }
        let loss = self.lost.min(self.sent) * LOSS_SCALE / self.sent;
        self.variance = (3 * self.variance + loss.abs_diff(self.mean)) / 4;
        self.mean = (7 * self.mean + loss) / 8;
        self.epoch = Some(now);
        self.sent = 0;
        self.lost = 0;
    }

    /// Mean and deviation, as shares of 1.
    #[expect(clippy::cast_precision_loss, reason = "both are at most 65,536")]
    pub(crate) fn shares(&self) -> (f32, f32) {
        let scale = LOSS_SCALE as f32;
        (self.mean as f32 / scale, self.variance as f32 / scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(round_trip: &mut RoundTrip, throttle: &mut Throttle, millis: u64, first: bool) {
        measure(
            round_trip,
            throttle,
            Instant::from_millis(1),
            millis.saturating_mul(1000),
            first,
        );
    }

    #[test]
    fn the_first_sample_replaces_the_guess_and_later_ones_move_it() {
        let (mut round_trip, mut throttle) =
            (RoundTrip::new(Precision::Microseconds), Throttle::new());
        sample(&mut round_trip, &mut throttle, 100, true);
        assert_eq!((round_trip.mean, round_trip.variance), (100_000, 50_500));
        sample(&mut round_trip, &mut throttle, 20, false);
        assert_eq!((round_trip.mean, round_trip.variance), (90_000, 57_875));
    }

    #[test]
    fn small_changes_still_count() {
        let (mut round_trip, mut throttle) =
            (RoundTrip::new(Precision::Microseconds), Throttle::new());
        sample(&mut round_trip, &mut throttle, 10, true);
        for _ in 0..200 {
            sample(&mut round_trip, &mut throttle, 7, false);
        }
        assert!(round_trip.mean < 7100, "{round_trip:?}");
        assert!(round_trip.variance < 500, "{round_trip:?}");
    }

    #[test]
    fn a_throttle_of_zero_still_lets_one_packet_in_32_pass() {
        let mut throttle = Throttle::new();
        throttle.set_limit(0);
        let passed = (0..3200).filter(|_| throttle.passes()).count();
        assert_eq!(passed, 100);
        throttle.value = 32;
        assert!((0..100).all(|_| throttle.passes()));
    }

    #[test]
    fn extreme_settings_of_the_remote_do_not_overflow() {
        let (mut round_trip, mut throttle) =
            (RoundTrip::new(Precision::Microseconds), Throttle::new());
        throttle.acceleration = u32::MAX;
        throttle.deceleration = u32::MAX;
        throttle.interval_ms = u32::MAX;
        for millis in [u64::MAX / 2000, 1, 500, 0] {
            sample(&mut round_trip, &mut throttle, millis, false);
        }
        assert!(throttle.value <= 32);
    }

    #[test]
    fn loss_is_a_share_of_what_was_sent() {
        let mut loss = Loss::default();
        loss.update(Instant::ZERO);
        loss.sent = 100;
        loss.lost = 50;
        loss.update(Instant::from_millis(10_000));
        let (mean, _) = loss.shares();
        assert!((mean - 0.0625).abs() < 1e-6, "{mean}");
    }
}
