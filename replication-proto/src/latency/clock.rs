//! The server's clock, seen from a client: [`ClockSync`].
//!
//! Four stamps as in NTP (RFC 5905 §8): the client sends at t0, the server receives at t1 and answers at t2, the client
//! receives at t3. The offset is ((t1 − t0) + (t2 − t3)) / 2 and wrong by at most half of the round trip; how wrong
//! depends on how unlike the two ways are. So a sample counts the more the nearer its round trip is to the shortest.

mod filter;

use super::ConfigError;
use super::slew::{Anchored, Slew, SlewRule, duration, micros, moment, stamp};
use alloc::collections::VecDeque;
use core::time::Duration;
use filter::{Filter, Offset, Sample};
use proto_core::Instant;

/// What a client sends to learn the time, in microseconds of its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a message that callers put into calls and take out of them"
)]
pub struct TimeRequest {
    /// When it left.
    pub client_sent: i64,
}

impl TimeRequest {
    /// The server's answer: it got the request at `received` and answers at `sent`, by its own clock.
    #[must_use]
    pub fn answer(self, received: Instant, sent: Instant) -> TimeReply {
        TimeReply {
            client_sent: self.client_sent,
            server_received: stamp(received),
            server_sent: stamp(sent),
        }
    }
}

/// What a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a message that callers put into calls and take out of them"
)]
pub struct TimeReply {
    /// The request's stamp, as it came.
    pub client_sent: i64,
    /// When the request came, in microseconds of the server's clock.
    pub server_received: i64,
    /// When this left, in microseconds of the server's clock.
    pub server_sent: i64,
}

impl TimeReply {
    /// An answer of a server that stamps once, such as ten lines of GDScript. What time it takes to answer then counts
    /// as travel.
    #[must_use]
    pub const fn with_one_stamp(client_sent: i64, server_time: i64) -> Self {
        Self {
            client_sent,
            server_received: server_time,
            server_sent: server_time,
        }
    }
}

/// Numbers that a [`ClockSync`] works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockConfig {
    /// Samples that are weighed against each other: 4 to 64, 32 by default.
    pub window: usize,
    /// Samples taken quickly at the start: 16 by default.
    pub burst: u32,
    /// From one request to the next at the start: 50 ms by default, at least 1 ms.
    pub burst_interval: Duration,
    /// From one request to the next later: 500 ms by default, at least 1 ms.
    pub interval: Duration,
    /// A reply that took longer is of no use: 3 s by default.
    pub longest_round_trip: Duration,
    /// How much faster or slower than real time the clock may run to correct itself, in parts per million: 50,000 by
    /// default, at most 500,000.
    pub slew_ppm: u32,
    /// An error above this is not slewed: the clock jumps forward, or stands still until it is right. 250 ms by default.
    pub jump: Duration,
}

impl ClockConfig {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            window: 32,
            burst: 16,
            burst_interval: Duration::from_millis(50),
            interval: Duration::from_millis(500),
            longest_round_trip: Duration::from_secs(3),
            slew_ppm: 50_000,
            jump: Duration::from_millis(250),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let least = Duration::from_millis(1);
        ConfigError::unless((4..=64).contains(&self.window), "window")?;
        ConfigError::unless(self.burst_interval >= least, "burst_interval")?;
        ConfigError::unless(self.interval >= least, "interval")?;
        ConfigError::unless(self.slew_ppm <= 500_000, "slew_ppm")
    }
}

impl Default for ClockConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// Why a reply was of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum StampDrop {
    /// Its stamps contradict each other or are negative.
    #[error("the stamps make no sense")]
    BadStamp,
    /// It differs from all others by more than travel explains. If three in a row agree, the server's clock was set,
    /// and the estimate starts anew.
    #[error("the sample is an outlier")]
    Outlier,
    /// It took longer than [`ClockConfig::longest_round_trip`].
    #[error("the reply took too long")]
    TooSlow,
    /// It answers no request that is open: a duplicate, or never asked for.
    #[error("the reply answers no open request")]
    Unasked,
}

/// What became of a reply.
#[must_use = "a dropped reply is worth a line in a log"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a reply is used or dropped, and callers must handle both"
)]
pub enum StampVerdict {
    /// It is a sample now.
    Used,
    /// It had no effect and was counted.
    Dropped(StampDrop),
}

/// What a [`ClockSync`] counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockStats {
    /// Requests given out.
    pub requests: u64,
    /// Replies used.
    pub samples: u64,
    /// Replies dropped as [`StampDrop::BadStamp`].
    pub bad_stamps: u64,
    /// Replies dropped as [`StampDrop::Outlier`].
    pub outliers: u64,
    /// Replies dropped as [`StampDrop::TooSlow`].
    pub too_slow: u64,
    /// Replies dropped as [`StampDrop::Unasked`].
    pub unasked: u64,
    /// Times that the clock jumped forward.
    pub jumps: u64,
    /// Times that it began to stand still.
    pub stands: u64,
    /// Times that the estimate started anew because the server's clock was set.
    pub restarts: u64,
}

/// How good the estimate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockQuality {
    /// Samples in the window.
    pub samples: usize,
    /// The smoothed round trip.
    pub round_trip: Duration,
    /// The shortest round trip in the window.
    pub least_round_trip: Duration,
    /// The mean deviation of the round trip.
    pub jitter: Duration,
    /// How wrong the offset can be at worst, if one way took no time at all.
    pub error_bound: Duration,
    /// How much faster the server's clock runs than ours, in parts per billion; 0 until it is known.
    pub drift_ppb: i64,
}

/// Replies that agree with each other against the estimate before it starts anew.
const OUTLIERS_TO_RESTART: u32 = 3;
/// Requests that may be open at once.
const MOST_OPEN: usize = 64;
/// How much longer than the whole exchange the server may have held it, as two clocks never agree quite.
const CLOCK_GRAIN: i64 = 1_000;
/// Deviations that no travel explains but clocks of schedulers do.
const OUTLIER_SLACK: i64 = 100_000;

/// An estimate of the server's clock that never goes back.
///
/// Give out [`ClockSync::poll_request`]s, feed [`ClockSync::handle_reply`], ask [`ClockSync::server_time`]. With travel
/// times of 0 to 150 ms each way, jitter up to 40 ms on top and 5 % loss, the error is below 12 ms after two seconds and below 8 ms
/// after ten, if both ways are alike; `tests/latency_clock.rs` holds it to that. Ways that differ by d shift it by d / 2, which
/// nothing at this end can see.
///
/// ```
/// use proto_core::Instant;
/// use replication_proto::latency::{ClockConfig, ClockSync, StampVerdict};
///
/// let mut clock = ClockSync::new(ClockConfig::new())?;
/// let at = Instant::from_millis;
/// let request = clock.poll_request(at(1000)).unwrap();
///
/// // 20 ms there, 3 ms at the server, 20 ms back; the server's clock is 500 s ahead.
/// let reply = request.answer(at(501_020), at(501_023));
/// assert_eq!(clock.handle_reply(at(1043), reply), StampVerdict::Used);
/// assert_eq!(clock.server_time(at(1043)), Some(at(501_043)));
/// assert_eq!(clock.quality().unwrap().round_trip.as_millis(), 40);
/// # Ok::<(), replication_proto::latency::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClockSync {
    config: ClockConfig,
    open: VecDeque<Instant>,
    next_request: Instant,
    filter: Filter,
    estimate: Option<Estimate>,
    outliers: u32,
    round_trip: Smoothed,
    stats: ClockStats,
}

#[derive(Clone, Copy, Debug)]
struct Estimate {
    offset: Offset,
    shown: Slew,
}

impl ClockSync {
    /// A clock without samples.
    ///
    /// # Errors
    /// [`ConfigError`] if a number is out of its bounds.
    pub fn new(config: ClockConfig) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            config,
            open: VecDeque::new(),
            next_request: Instant::ZERO,
            filter: Filter::new(config.window),
            estimate: None,
            outliers: 0,
            round_trip: Smoothed::default(),
            stats: ClockStats::default(),
        })
    }

    /// The next request, if one is due. Send it unreliably: a repetition would carry an old stamp.
    pub fn poll_request(&mut self, now: Instant) -> Option<TimeRequest> {
        if now < self.next_request {
            return None;
        }
        let quick = self.stats.samples < u64::from(self.config.burst)
            && self.stats.requests < 4 * u64::from(self.config.burst);
        let wait = if quick {
            self.config.burst_interval
        } else {
            self.config.interval
        };
        self.next_request = now + wait;
        if self.open.len() >= MOST_OPEN {
            self.open.pop_front();
        }
        self.open.push_back(now);
        self.stats.requests += 1;
        Some(TimeRequest {
            client_sent: stamp(now),
        })
    }

    /// When the next request is due.
    #[must_use]
    pub const fn poll_timeout(&self) -> Instant {
        self.next_request
    }

    /// A reply came at `now`.
    pub fn handle_reply(&mut self, now: Instant, reply: TimeReply) -> StampVerdict {
        match self.sample(now, reply) {
            Ok(sample) => self.on_sample(now, sample),
            Err(reason) => self.drop(reason),
        }
    }

    /// The server's time at `now`, once there is a sample. It never goes back as long as `now` does not.
    #[must_use]
    pub fn server_time(&self, now: Instant) -> Option<Instant> {
        let estimate = self.estimate.as_ref()?;
        Some(moment(
            estimate.shown.read(now, estimate.offset.target(now)),
        ))
    }

    /// The estimated difference in microseconds, server minus client, before it is smoothed into a clock.
    #[must_use]
    pub fn offset_micros(&self, now: Instant) -> Option<i64> {
        let estimate = self.estimate.as_ref()?;
        Some(estimate.offset.at(now))
    }

    /// How good the estimate is, once there is a sample.
    #[must_use]
    pub fn quality(&self) -> Option<ClockQuality> {
        self.estimate.as_ref()?;
        let least = self.filter.least_round_trip();
        Some(ClockQuality {
            samples: self.filter.len(),
            round_trip: duration(self.round_trip.mean),
            least_round_trip: duration(least),
            jitter: duration(self.round_trip.deviation),
            error_bound: duration(least / 2),
            drift_ppb: self.filter.drift_ppb(),
        })
    }

    /// What was counted so far.
    #[must_use]
    pub const fn stats(&self) -> ClockStats {
        self.stats
    }

    fn sample(&mut self, now: Instant, reply: TimeReply) -> Result<Sample, StampDrop> {
        let open = self.open.iter();
        let at = open
            .copied()
            .position(|sent| stamp(sent) == reply.client_sent)
            .ok_or(StampDrop::Unasked)?;
        let sent = self.open.remove(at).ok_or(StampDrop::Unasked)?;
        if reply.server_received < 0 || reply.server_sent < reply.server_received {
            return Err(StampDrop::BadStamp);
        }
        let elapsed = micros(now.saturating_since(sent));
        let held = reply.server_sent - reply.server_received;
        let round_trip = elapsed.saturating_sub(held);
        if round_trip < -CLOCK_GRAIN {
            return Err(StampDrop::BadStamp);
        }
        let round_trip = round_trip.max(0);
        if round_trip > micros(self.config.longest_round_trip) {
            return Err(StampDrop::TooSlow);
        }
        let there = i128::from(reply.server_received) - i128::from(stamp(sent));
        let back = i128::from(reply.server_sent) - i128::from(stamp(now));
        Ok(Sample {
            at: now,
            offset: i64::try_from((there + back) / 2).map_err(|_| StampDrop::BadStamp)?,
            round_trip,
        })
    }

    fn on_sample(&mut self, now: Instant, sample: Sample) -> StampVerdict {
        if let Some(estimate) = &self.estimate {
            let away = sample
                .offset
                .saturating_sub(estimate.offset.at(now))
                .unsigned_abs();
            let trips = sample.round_trip + self.filter.least_round_trip();
            let explained = (trips / 2 + OUTLIER_SLACK).unsigned_abs();
            if away > explained {
                self.outliers += 1;
                if self.outliers < OUTLIERS_TO_RESTART {
                    return self.drop(StampDrop::Outlier);
                }
                self.filter = Filter::new(self.config.window);
                self.stats.restarts += 1;
            }
        }
        self.outliers = 0;
        self.round_trip.add(sample.round_trip);
        self.filter.push(sample);
        self.stats.samples += 1;
        self.aim(now);
        StampVerdict::Used
    }

    fn aim(&mut self, now: Instant) {
        let offset = self.filter.estimate(now);
        let target = offset.target(now);
        let Some(estimate) = &mut self.estimate else {
            let shown = Slew::new(now, target);
            self.estimate = Some(Estimate { offset, shown });
            return;
        };
        let rule = SlewRule {
            rate: self.config.slew_ppm,
            jump: self.config.jump,
        };
        let before = estimate.offset.target(now);
        match estimate.shown.anchor(now, before, target, rule) {
            Anchored::Smooth => {}
            Anchored::Jumped => self.stats.jumps += 1,
            Anchored::Stands => self.stats.stands += 1,
        }
        estimate.offset = offset;
    }

    const fn drop(&mut self, reason: StampDrop) -> StampVerdict {
        let counter = match reason {
            StampDrop::BadStamp => &mut self.stats.bad_stamps,
            StampDrop::Outlier => &mut self.stats.outliers,
            StampDrop::TooSlow => &mut self.stats.too_slow,
            StampDrop::Unasked => &mut self.stats.unasked,
        };
        *counter += 1;
        StampVerdict::Dropped(reason)
    }
}

/// Mean and mean deviation with the gains of RFC 6298.
#[derive(Clone, Copy, Debug, Default)]
struct Smoothed {
    mean: i64,
    deviation: i64,
    any: bool,
}

impl Smoothed {
    const fn add(&mut self, value: i64) {
        if !self.any {
            (self.mean, self.deviation, self.any) = (value, value / 2, true);
            return;
        }
        let error = value - self.mean;
        self.mean += error / 8;
        self.deviation += (error.abs() - self.deviation) / 4;
    }
}

#[cfg(test)]
mod tests;
