//! Ticks of a simulation and their times: [`Tick`] and [`TickRate`]; wrapped counters: [`SyncTimeUnwrap`].

use super::ConfigError;
use core::fmt;
use core::time::Duration;
use proto_core::Instant;

/// A step of a simulation, counted by the server from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(u64);

impl Tick {
    /// The first.
    pub const ZERO: Self = Self(0);

    /// The tick of this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The tick that a message names; nothing for a negative number.
    #[must_use]
    pub fn from_wire(number: i64) -> Option<Self> {
        u64::try_from(number).ok().map(Self)
    }

    /// The number for a message, where Godot's integers are signed.
    #[must_use]
    pub fn to_wire(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The tick after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The tick so many later, at most the last.
    #[must_use]
    pub const fn plus(self, ticks: u64) -> Self {
        Self(self.0.saturating_add(ticks))
    }

    /// The tick so many earlier, at least the first.
    #[must_use]
    pub const fn minus(self, ticks: u64) -> Self {
        Self(self.0.saturating_sub(ticks))
    }

    /// How many ticks after `earlier` this is; 0 if it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many ticks a second has; Godot's `physics_ticks_per_second`.
///
/// Tick 0 is at the epoch of the server's clock. Times are computed from numbers, so no error adds up at rates such as
/// 60 that do not divide a second into whole microseconds.
///
/// ```
/// use proto_core::Instant;
/// use replication_proto::latency::{Tick, TickRate};
/// let rate = TickRate::new(60)?;
/// assert_eq!(rate.time_of(Tick::new(1)), Instant::from_micros(16_667));
/// assert_eq!(rate.time_of(Tick::new(60)), Instant::from_millis(1000));
/// assert_eq!(rate.tick_at(Instant::from_millis(999)), Tick::new(59));
/// # Ok::<(), replication_proto::latency::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TickRate(u32);

const MICROS: u128 = 1_000_000;

impl TickRate {
    /// So many ticks in a second: 1 to 10,000.
    ///
    /// # Errors
    /// [`ConfigError`] beyond that.
    pub fn new(per_second: u32) -> Result<Self, ConfigError> {
        ConfigError::unless((1..=10_000).contains(&per_second), "per_second")?;
        Ok(Self(per_second))
    }

    /// Ticks in a second.
    #[must_use]
    pub const fn per_second(self) -> u32 {
        self.0
    }

    /// From one tick to the next, rounded up to a microsecond.
    #[must_use]
    pub fn interval(self) -> Duration {
        self.time_of(Tick::new(1)).saturating_since(Instant::ZERO)
    }

    /// When a tick begins, rounded up to a microsecond.
    #[must_use]
    pub fn time_of(self, tick: Tick) -> Instant {
        let micros = (u128::from(tick.0) * MICROS).div_ceil(u128::from(self.0));
        Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// The tick that has begun last.
    #[must_use]
    pub fn tick_at(self, time: Instant) -> Tick {
        let ticks = u128::from(time.as_micros()) * u128::from(self.0) / MICROS;
        Tick(u64::try_from(ticks).unwrap_or(u64::MAX))
    }
}

/// Counts on where the 16-bit time of full SYNC packets wraps.
///
/// Godot counts one for each network frame in which a peer sees a synchronizer, and wraps after 18 minutes at 60
/// frames a second. A time is taken as the one nearest to the newest, so packets may be late by half of that.
///
/// ```
/// use replication_proto::latency::SyncTimeUnwrap;
/// let mut time = SyncTimeUnwrap::new();
/// let first = time.unwrap(65_534);
/// assert_eq!(time.unwrap(1), first + 3);
/// assert_eq!(time.unwrap(65_535), first + 1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncTimeUnwrap {
    newest: Option<u64>,
}

impl SyncTimeUnwrap {
    /// Before the first packet.
    #[must_use]
    pub const fn new() -> Self {
        Self { newest: None }
    }

    /// The running number of a packet. Only differences mean something: the first gets 65,536 and its time, which
    /// leaves room for packets that it has overtaken.
    pub fn unwrap(&mut self, time: u16) -> u64 {
        let Some(newest) = self.newest else {
            let first = 0x1_0000 + u64::from(time);
            self.newest = Some(first);
            return first;
        };
        let [low, high, ..] = newest.to_le_bytes();
        let ahead = time
            .wrapping_sub(u16::from_le_bytes([low, high]))
            .cast_signed();
        let number = newest.saturating_add_signed(i64::from(ahead));
        self.newest = Some(newest.max(number));
        number
    }

    /// The newest number given out.
    #[must_use]
    pub const fn newest(&self) -> Option<u64> {
        self.newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_tick_at_the_time_of_a_tick_is_that_tick(number in 0u64..1 << 40, per_second in 1u32..=10_000) {
            let rate = TickRate::new(per_second).unwrap();
            let tick = Tick::new(number);
            prop_assert_eq!(rate.tick_at(rate.time_of(tick)), tick);
            let before = Instant::from_micros(rate.time_of(tick.next()).as_micros() - 1);
            prop_assert_eq!(rate.tick_at(before), tick);
        }

        #[test]
        fn unwrapped_times_follow_a_counter_through_loss_and_reordering(
            steps in proptest::collection::vec((0u64..20_000, 0u64..10_000), 1..200),
        ) {
            let mut time = SyncTimeUnwrap::new();
            let mut newest = 1;
            let base = time.unwrap(1) - 1;
            for (ahead, late) in steps {
                newest += ahead;
                let _ = time.unwrap((newest & 0xffff) as u16);
                let old = newest.saturating_sub(late).max(1);
                prop_assert_eq!(time.unwrap((old & 0xffff) as u16), base + old);
                prop_assert_eq!(time.newest(), Some(base + newest));
            }
        }
    }

    // req: HG-15
    #[test]
    fn numbers_at_the_end_of_their_range_saturate() {
        let rate = TickRate::new(1).unwrap();
        let last = Tick::new(u64::MAX);
        assert_eq!(last.next(), last);
        assert_eq!(rate.time_of(last), Instant::MAX);
        assert_eq!(last.to_wire(), i64::MAX);
        assert_eq!(Tick::from_wire(-1), None);
        assert_eq!(Tick::ZERO.minus(1), Tick::ZERO);
    }

    #[test]
    fn rates_out_of_bounds_are_refused() {
        assert!(TickRate::new(0).is_err());
        assert!(TickRate::new(10_001).is_err());
    }
}
