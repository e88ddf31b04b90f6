//! Showing others smoothly: [`SnapshotBuffer`].
//!
//! A snapshot with time t arrives at a. To go smoothly from the snapshot before it, which has time p, playback must not
//! be past p before a: its delay must be at least a − p, whether the cause is jitter, loss or a pause. The buffer
//! measures that need for each arrival and plays behind most of them, so no model of the network is needed.

use super::recent::Recent;
use super::slew::{Anchored, Slew, SlewRule, duration, micros, moment, stamp};
use super::{ConfigError, Interpolate};
use alloc::collections::VecDeque;
use core::time::Duration;
use proto_core::Instant;

/// Numbers that a [`SnapshotBuffer`] works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotConfig {
    /// The usual time from one snapshot to the next.
    pub interval: Duration,
    /// Snapshots held; the oldest gives way. 2 to 1024, 64 by default.
    pub capacity: usize,
    /// Arrivals from which the delay is computed: 8 to 1024, 128 by default.
    pub window: usize,
    /// How many in 1000 arrivals should be in time: 980 by default.
    pub in_time_permille: u16,
    /// The least delay behind the fastest arrival: one interval by default.
    pub least_delay: Duration,
    /// The largest: 500 ms by default, at least `least_delay`.
    pub most_delay: Duration,
    /// The least delay while there are fewer than 16 arrivals: three intervals by default.
    pub initial_delay: Duration,
    /// How long playback goes on beyond the newest snapshot: 100 ms by default.
    pub extrapolate: Duration,
    /// How much faster or slower than real time playback may run to reach its delay, in parts per million: 100,000 by
    /// default, at most 500,000.
    pub slew_ppm: u32,
    /// An error of playback above this is not slewed: it jumps forward, or stands still. 500 ms by default.
    pub jump: Duration,
    /// A snapshot whose time is so far from where arrivals lead to expect it means that the sender's clock was set:
    /// the buffer starts anew. 5 s by default.
    pub restart: Duration,
}

impl SnapshotConfig {
    /// Defaults for snapshots at this interval.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            capacity: 64,
            window: 128,
            in_time_permille: 980,
            least_delay: interval,
            most_delay: Duration::from_millis(500).max(interval.saturating_mul(3)),
            initial_delay: interval.saturating_mul(3),
            extrapolate: Duration::from_millis(100),
            slew_ppm: 100_000,
            jump: Duration::from_millis(500),
            restart: Duration::from_secs(5),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless(self.interval >= Duration::from_millis(1), "interval")?;
        ConfigError::unless((2..=1024).contains(&self.capacity), "capacity")?;
        ConfigError::unless((8..=1024).contains(&self.window), "window")?;
        ConfigError::unless(self.in_time_permille <= 1000, "in_time_permille")?;
        ConfigError::unless(self.most_delay >= self.least_delay, "most_delay")?;
        ConfigError::unless(self.slew_ppm <= 500_000, "slew_ppm")
    }
}

/// Why a snapshot was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotDrop {
    /// One with its time is there.
    #[error("the snapshot is a duplicate")]
    Duplicate,
    /// Playback is past it.
    #[error("the snapshot is too late")]
    Late,
}

/// What became of a snapshot.
#[must_use = "a dropped snapshot says something about the network"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a snapshot is kept or dropped, and callers must handle both"
)]
pub enum SnapshotVerdict {
    /// It is kept.
    Kept,
    /// It had no effect on what is shown, and was counted.
    Dropped(SnapshotDrop),
}

/// What a [`SnapshotBuffer`] counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotStats {
    /// Snapshots kept.
    pub kept: u64,
    /// Of these, those that a newer one had overtaken.
    pub out_of_order: u64,
    /// Snapshots dropped as [`SnapshotDrop::Duplicate`].
    pub duplicates: u64,
    /// Snapshots dropped as [`SnapshotDrop::Late`].
    pub late: u64,
    /// Snapshots that gave way to newer ones before they were shown.
    pub overflowed: u64,
    /// Times that playback ran beyond the newest snapshot.
    pub underruns: u64,
    /// Times that it came to the end of extrapolation and stood still.
    pub stalls: u64,
    /// Times that playback jumped forward.
    pub jumps: u64,
    /// Times that the sender's clock was set and the buffer started anew.
    pub restarts: u64,
}

/// How a [`Sample`] came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "these are all places relative to the snapshots held"
)]
pub enum Playback {
    /// Playback is before the oldest snapshot held, which is shown.
    Before,
    /// Playback is between two snapshots, or on one.
    Between,
    /// Playback is beyond the newest snapshot.
    Beyond,
    /// Playback is so far beyond that the state stands still.
    Stalled,
}

/// What to show at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sample<'a, T> {
    /// The snapshot at or before playback.
    pub from: &'a T,
    /// The one after it; beyond the newest snapshot the newest itself; the same as `from` if there is only one.
    pub to: &'a T,
    /// How far playback is from one to the other; above 1 beyond the newest.
    pub fraction: f32,
    /// Playback, on the sender's clock. A client that shoots sends this, and [`Rewind`](super::Rewind) takes it.
    pub time: Instant,
    /// How it came about.
    pub playback: Playback,
}

impl<T: Interpolate> Sample<'_, T> {
    /// The state to show.
    #[must_use]
    pub fn state(&self) -> T {
        self.from.interpolate(self.to, self.fraction)
    }
}

/// Arrivals after which the measured delay is trusted.
const TRUSTED_ARRIVALS: usize = 16;

/// Snapshots of one sender, played back with a delay that follows the network.
///
/// Times of snapshots are on any clock of the sender: its own time, its ticks at a [`TickRate`](super::TickRate), or
/// unwrapped SYNC times ([`SyncTimeUnwrap`](super::SyncTimeUnwrap)) times its frame interval. Only arrivals relate it to ours,
/// so no [`ClockSync`](super::ClockSync) is needed. Playback never goes back, unless the sender's clock was set.
///
/// ```
/// use core::time::Duration;
/// use proto_core::Instant;
/// use replication_proto::latency::{Playback, SnapshotBuffer, SnapshotConfig};
///
/// let at = Instant::from_millis;
/// let mut buffer = SnapshotBuffer::new(SnapshotConfig::new(Duration::from_millis(50)))?;
/// // Sent each 50 ms by a clock of its own, with 80 ms of travel.
/// for n in 0..=40 {
///     let _ = buffer.insert(at(5000 + 80 + 50 * n), at(50 * n), 50.0 * n as f32);
/// }
/// let sample = buffer.sample(at(5000 + 80 + 2000)).unwrap();
/// assert_eq!(sample.playback, Playback::Between);
/// // It plays one interval behind the newest, and the value follows playback.
/// assert_eq!(sample.time, at(1950));
/// assert_eq!(sample.state(), 1950.0);
/// # Ok::<(), replication_proto::latency::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SnapshotBuffer<T> {
    config: SnapshotConfig,
    held: VecDeque<(Instant, T)>,
    /// Arrival minus time.
    transits: Recent,
    /// Arrival minus the time of the snapshot before.
    needs: Recent,
    playback: Option<(Slew, i64)>,
    /// Time of the oldest snapshot still in use; what is not after it is late.
    floor: Option<Instant>,
    now: Instant,
    last: Playback,
    stats: SnapshotStats,
}

impl<T> SnapshotBuffer<T> {
    /// An empty buffer.
    ///
    /// # Errors
    /// [`ConfigError`] if a number is out of its bounds.
    pub fn new(config: SnapshotConfig) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            config,
            held: VecDeque::new(),
            transits: Recent::new(config.window),
            needs: Recent::new(config.window),
            playback: None,
            floor: None,
            now: Instant::ZERO,
            last: Playback::Before,
            stats: SnapshotStats::default(),
        })
    }

    /// A snapshot of `time`, on the sender's clock, arrived at `now`.
    pub fn insert(&mut self, now: Instant, time: Instant, state: T) -> SnapshotVerdict {
        self.now = self.now.max(now);
        let transit = stamp(self.now).saturating_sub(stamp(time));
        if self.is_set_clock(transit) {
            self.restart();
        }
        let at = self.held.partition_point(|&(held, _)| held < time);
        if self.held.get(at).is_some_and(|&(held, _)| held == time) {
            self.stats.duplicates += 1;
            return SnapshotVerdict::Dropped(SnapshotDrop::Duplicate);
        }
        self.measure(at, time, transit);
        if self.floor.is_some_and(|floor| time <= floor) {
            self.stats.late += 1;
            return SnapshotVerdict::Dropped(SnapshotDrop::Late);
        }
        self.stats.kept += 1;
        self.stats.out_of_order += u64::from(at < self.held.len());
        self.held.insert(at, (time, state));
        if self.held.len() > self.config.capacity {
            self.held.pop_front();
            self.stats.overflowed += 1;
        }
        SnapshotVerdict::Kept
    }

    /// What to show at `now`; nothing before the first snapshot. Snapshots that are no longer needed are let go.
    pub fn sample(&mut self, now: Instant) -> Option<Sample<'_, T>> {
        self.now = self.now.max(now);
        let (slew, offset) = self.playback?;
        let time = moment(slew.read(self.now, stamp(self.now).saturating_add(offset)));
        let after = self.held.partition_point(|&(held, _)| held <= time);
        // Two stay for extrapolation.
        let used = after
            .saturating_sub(1)
            .min(self.held.len().saturating_sub(2));
        self.held.drain(..used);
        let after = after - used;
        let end = self.held.back()?.0;
        let playback = if after == 0 {
            Playback::Before
        } else if time <= end {
            Playback::Between
        } else if time <= end + self.config.extrapolate {
            Playback::Beyond
        } else {
            Playback::Stalled
        };
        self.count(playback);
        if after > 0 {
            self.floor = self.held.front().map(|&(held, _)| held);
        }
        let (from_time, from) = self.held.front()?;
        let (to_time, to) = self.held.get(1).or_else(|| self.held.front())?;
        let shown = time.min(end + self.config.extrapolate);
        Some(Sample {
            from,
            to,
            fraction: fraction(*from_time, *to_time, shown),
            time,
            playback,
        })
    }

    /// How far playback shall be behind the fastest arrival. Playback moves there at [`SnapshotConfig::slew_ppm`].
    #[must_use]
    pub fn delay(&self) -> Duration {
        let fastest = self.transits.least().unwrap_or(0);
        let needed = self.needs.quantile(self.config.in_time_permille);
        let needed = duration(needed.unwrap_or(0).saturating_sub(fastest));
        let floor = if self.transits.len() < TRUSTED_ARRIVALS {
            self.config.initial_delay.max(self.config.least_delay)
        } else {
            self.config.least_delay
        };
        needed.max(floor).min(self.config.most_delay)
    }

    /// How many snapshots are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// What was counted so far.
    #[must_use]
    pub const fn stats(&self) -> SnapshotStats {
        self.stats
    }

    fn is_set_clock(&self, transit: i64) -> bool {
        let Some(fastest) = self.transits.least() else {
            return false;
        };
        transit.saturating_sub(fastest).unsigned_abs() > micros(self.config.restart).unsigned_abs()
    }

    fn restart(&mut self) {
        self.held.clear();
        self.transits.clear();
        self.needs.clear();
        self.playback = None;
        self.floor = None;
        self.last = Playback::Before;
        self.stats.restarts += 1;
    }

    /// Learns from an arrival, which belongs at index `at` of those held, and aims playback.
    fn measure(&mut self, at: usize, time: Instant, transit: i64) {
        let before = at.checked_sub(1).and_then(|at| self.held.get(at));
        let gap = before.map_or(self.config.interval, |&(held, _)| {
            time.saturating_since(held)
        });
        self.transits.push(transit);
        self.needs.push(transit.saturating_add(micros(gap)));
        let fastest = self.transits.least().unwrap_or(transit);
        let offset = fastest
            .saturating_add(micros(self.delay()))
            .saturating_neg();
        let now = stamp(self.now);
        let target = now.saturating_add(offset);
        let rule = SlewRule {
            rate: self.config.slew_ppm,
            jump: self.config.jump,
        };
        match &mut self.playback {
            None => self.playback = Some((Slew::new(self.now, target), offset)),
            Some((slew, aim)) => {
                let before = now.saturating_add(*aim);
                let anchored = slew.anchor(self.now, before, target, rule);
                self.stats.jumps += u64::from(anchored == Anchored::Jumped);
                *aim = offset;
            }
        }
    }

    fn count(&mut self, playback: Playback) {
        let ran_out = |playback| matches!(playback, Playback::Beyond | Playback::Stalled);
        self.stats.underruns += u64::from(ran_out(playback) && !ran_out(self.last));
        let stalled = playback == Playback::Stalled && self.last != Playback::Stalled;
        self.stats.stalls += u64::from(stalled);
        self.last = playback;
    }
}

/// How far `at` is on the way from one moment to another; 0 before it, above 1 beyond.
pub(super) fn fraction(from: Instant, to: Instant, at: Instant) -> f32 {
    let whole = to.saturating_since(from).as_micros();
    let part = at.saturating_since(from).as_micros();
    if whole == 0 {
        return 0.0;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a fraction for showing; the division is done in double precision"
    )]
    let fraction = (part as f64 / whole as f64) as f32;
    fraction
}

#[cfg(test)]
mod tests;
