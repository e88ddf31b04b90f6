//! The server's side: [`InputBuffer`].

use super::{InputAck, InputConfig, between};
use crate::latency::slew::micros;
use crate::latency::{ConfigError, Tick, TickRate};
use alloc::collections::{BTreeSet, VecDeque};
use proto_core::Instant;

/// What a tick gets whose input has not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MissingInput {
    /// Nothing: the caller has a neutral input.
    Neutral,
    /// The last input that came, for so many ticks in a row, then nothing. Right for held keys, wrong for single shots.
    RepeatLast {
        /// How often, at most.
        ticks: u32,
    },
}

/// The input of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a tick has an input, a guess or nothing, and callers must handle all"
)]
pub enum Consumed<I> {
    /// It came in time.
    Arrived(I),
    /// It did not come; this is the last one again.
    Repeated(I),
    /// It did not come.
    Missing,
}

impl<I> Consumed<I> {
    /// The input, or the repeated one.
    pub fn input(self) -> Option<I> {
        match self {
            Self::Arrived(input) | Self::Repeated(input) => Some(input),
            Self::Missing => None,
        }
    }
}

/// What an [`InputBuffer`] counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InputBufferStats {
    /// Inputs that came in time, each counted once.
    pub arrived: u64,
    /// Inputs that were there already: redundancy at work.
    pub duplicates: u64,
    /// Inputs that came after their tick.
    pub late: u64,
    /// Inputs further ahead than [`InputConfig::capacity`].
    pub too_far: u64,
    /// Inputs above [`InputConfig::per_packet`] in one packet, or with a tick that is no number.
    pub refused: u64,
    /// Ticks that consumed an input.
    pub consumed: u64,
    /// Ticks that repeated the last one.
    pub repeated: u64,
    /// Ticks that got nothing.
    pub missing: u64,
}

/// Ticks without input that are remembered, so that the margin of a late input is measured once.
const MOST_MISSED: usize = 128;

/// Inputs of one client, ahead of the server's tick.
///
/// ```
/// use proto_core::Instant;
/// use replication_proto::latency::{Consumed, InputBuffer, InputConfig, Tick, TickRate};
///
/// let (at, rate) = (Instant::from_millis, TickRate::new(50)?);
/// let mut buffer = InputBuffer::new(InputConfig::new(), rate)?;
/// assert_eq!(buffer.consume(at(200), Tick::new(10)), Consumed::Missing);
///
/// buffer.insert(at(205), 11, ["jump"]);
/// assert_eq!(buffer.consume(at(220), Tick::new(11)), Consumed::Arrived("jump"));
/// assert_eq!(buffer.consume(at(240), Tick::new(12)), Consumed::Repeated("jump"));
///
/// let ack = buffer.acknowledge();
/// assert_eq!((ack.consumed, ack.margin_tick, ack.margin_micros), (12, 11, 15_000));
/// # Ok::<(), replication_proto::latency::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct InputBuffer<I> {
    config: InputConfig,
    rate: TickRate,
    /// Inputs of the tick after `consumed` and those after it.
    ahead: VecDeque<Option<I>>,
    /// The last tick consumed, and when.
    consumed: Option<(Tick, Instant)>,
    missed: BTreeSet<Tick>,
    last: Option<I>,
    repeated: u32,
    worst: Option<(Tick, i64)>,
    stats: InputBufferStats,
}

impl<I: Clone> InputBuffer<I> {
    /// A buffer before its first tick. It keeps nothing until [`InputBuffer::consume`] has told it the tick.
    ///
    /// # Errors
    /// [`ConfigError`] if a number is out of its bounds.
    pub fn new(config: InputConfig, rate: TickRate) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            config,
            rate,
            ahead: VecDeque::new(),
            consumed: None,
            missed: BTreeSet::new(),
            last: None,
            repeated: 0,
            worst: None,
            stats: InputBufferStats::default(),
        })
    }

    /// A packet of inputs came: that of the tick numbered `first`, as in the message, and those after it.
    pub fn insert(&mut self, now: Instant, first: i64, inputs: impl IntoIterator<Item = I>) {
        let mut inputs = inputs.into_iter();
        let Some(mut tick) = Tick::from_wire(first) else {
            self.stats.refused += 1;
            return;
        };
        for input in inputs.by_ref().take(self.config.per_packet) {
            self.insert_one(now, tick, input);
            tick = tick.next();
        }
        self.stats.refused += u64::from(inputs.next().is_some());
    }

    /// The input for `tick`, which the server simulates at `now`. Ticks that were left out count as missing; a tick that
    /// is not after the last one gets nothing.
    pub fn consume(&mut self, now: Instant, tick: Tick) -> Consumed<I> {
        let skipped = match self.consumed {
            Some((last, _)) if tick <= last => return Consumed::Missing,
            Some((last, _)) => tick.since(last) - 1,
            None => 0,
        };
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        self.ahead.drain(..skipped.min(self.ahead.len()));
        self.consumed = Some((tick, now));
        if let Some(input) = self.ahead.pop_front().flatten() {
            self.last = Some(input.clone());
            self.repeated = 0;
            self.stats.consumed += 1;
            return Consumed::Arrived(input);
        }
        self.miss(tick);
        self.substitute()
    }

    /// What to tell the client. The worst margin is measured anew from here on.
    #[must_use = "the margin in it is not told again"]
    pub fn acknowledge(&mut self) -> InputAck {
        let worst = self.worst.take();
        InputAck {
            consumed: self.consumed.map_or(-1, |(tick, _)| tick.to_wire()),
            margin_tick: worst.map_or(-1, |(tick, _)| tick.to_wire()),
            margin_micros: worst.map_or(0, |(_, margin)| margin),
        }
    }

    /// How many ticks ahead the newest input is.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.ahead.len()
    }

    /// What was counted so far.
    #[must_use]
    pub const fn stats(&self) -> InputBufferStats {
        self.stats
    }

    fn insert_one(&mut self, now: Instant, tick: Tick, input: I) {
        let Some((last, at)) = self.consumed else {
            self.stats.too_far += 1;
            return;
        };
        if tick <= last {
            if self.missed.remove(&tick) {
                self.stats.late += 1;
                self.measure(now, tick);
            } else {
                self.stats.duplicates += 1;
            }
            return;
        }
        let index = usize::try_from(tick.since(last) - 1).unwrap_or(usize::MAX);
        if index >= self.config.capacity {
            self.stats.too_far += 1;
            return;
        }
        if self.ahead.len() <= index {
            self.ahead.resize(index + 1, None);
        }
        match self.ahead.get_mut(index) {
            Some(slot @ None) => {
                *slot = Some(input);
                self.stats.arrived += 1;
                self.measure(now.max(at), tick);
            }
            _ => self.stats.duplicates += 1,
        }
    }

    /// Notes how long before its tick an input came, by the schedule that the last tick set.
    fn measure(&mut self, now: Instant, tick: Tick) {
        let Some((last, at)) = self.consumed else {
            return;
        };
        let elapsed = micros(now.saturating_since(at));
        let margin = between(self.rate, last, tick).saturating_sub(elapsed);
        if self.worst.is_none_or(|(_, worst)| margin < worst) {
            self.worst = Some((tick, margin));
        }
    }

    fn miss(&mut self, tick: Tick) {
        self.missed.insert(tick);
        if self.missed.len() > MOST_MISSED {
            self.missed.pop_first();
        }
    }

    fn substitute(&mut self) -> Consumed<I> {
        if let MissingInput::RepeatLast { ticks } = self.config.missing
            && self.repeated < ticks
            && let Some(last) = &self.last
        {
            self.repeated += 1;
            self.stats.repeated += 1;
            return Consumed::Repeated(last.clone());
        }
        self.stats.missing += 1;
        Consumed::Missing
    }
}
