//! The client's side: [`InputSender`].

use super::{InputAck, InputConfig};
use crate::latency::{ConfigError, Tick};
use alloc::collections::VecDeque;

/// Inputs that go into one packet: those of `first` and the ticks after it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InputPacket<'a, I> {
    /// The tick of the first input.
    pub first: Tick,
    /// The inputs, oldest first, at most [`InputConfig::per_packet`].
    pub inputs: &'a [I],
}

/// What an [`InputSender`] counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InputSenderStats {
    /// Inputs pushed.
    pub pushed: u64,
    /// Inputs that gave way before they were acknowledged.
    pub overflowed: u64,
    /// Times that the ticks of inputs did not follow each other and the inputs before were let go.
    pub gaps: u64,
    /// Acknowledgements of ticks that have no input yet, or that are malformed; ignored.
    pub bad_acks: u64,
}

/// Numbered inputs of a client, kept until the server has simulated their ticks.
///
/// ```
/// use replication_proto::latency::{InputAck, InputConfig, InputSender, Tick};
///
/// let mut sender = InputSender::new(InputConfig::new())?;
/// for tick in 10..16 {
///     sender.push(Tick::new(tick), tick * 100);
/// }
/// assert_eq!(sender.packet().unwrap().inputs, [1200, 1300, 1400, 1500]);
///
/// sender.handle_ack(&InputAck { consumed: 14, margin_tick: -1, margin_micros: 0 });
/// let packet = sender.packet().unwrap();
/// assert_eq!((packet.first, packet.inputs), (Tick::new(15), &[1500][..]));
/// # Ok::<(), replication_proto::latency::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct InputSender<I> {
    config: InputConfig,
    /// The tick of the oldest input held.
    first: Tick,
    inputs: VecDeque<I>,
    stats: InputSenderStats,
}

impl<I> InputSender<I> {
    /// A sender without inputs.
    ///
    /// # Errors
    /// [`ConfigError`] if a number is out of its bounds.
    pub fn new(config: InputConfig) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            config,
            first: Tick::ZERO,
            inputs: VecDeque::new(),
            stats: InputSenderStats::default(),
        })
    }

    /// Notes the input of a tick, usually the one after the last. After a tick that was left out, the inputs before it are
    /// let go: the server has other means for ticks without input.
    pub fn push(&mut self, tick: Tick, input: I) {
        if !self.inputs.is_empty() && tick != self.end() {
            self.inputs.clear();
            self.stats.gaps += 1;
        }
        if self.inputs.is_empty() {
            self.first = tick;
        }
        if self.inputs.len() >= self.config.capacity {
            self.inputs.pop_front();
            self.first = self.first.next();
            self.stats.overflowed += 1;
        }
        self.inputs.push_back(input);
        self.stats.pushed += 1;
    }

    /// What to send now: the last inputs that the server may lack. Send it unreliably, once per tick.
    pub fn packet(&mut self) -> Option<InputPacket<'_, I>> {
        let skipped = self.inputs.len().saturating_sub(self.config.per_packet);
        let inputs = self.inputs.make_contiguous().get(skipped..)?;
        if inputs.is_empty() {
            return None;
        }
        Some(InputPacket {
            first: self.first.plus(skipped as u64),
            inputs,
        })
    }

    /// An acknowledgement came. Late and repeated ones do no harm.
    pub fn handle_ack(&mut self, ack: &InputAck) {
        let Some(consumed) = Tick::from_wire(ack.consumed) else {
            self.stats.bad_acks += u64::from(ack.consumed != -1);
            return;
        };
        while !self.inputs.is_empty() && self.first <= consumed {
            self.inputs.pop_front();
            self.first = self.first.next();
        }
    }

    /// Inputs that are not acknowledged, oldest first, with their ticks.
    pub fn unacknowledged(&self) -> impl Iterator<Item = (Tick, &I)> {
        let first = self.first;
        let numbered = self.inputs.iter().enumerate();
        numbered.map(move |(at, input)| (first.plus(at as u64), input))
    }

    /// What was counted so far.
    #[must_use]
    pub const fn stats(&self) -> InputSenderStats {
        self.stats
    }

    fn end(&self) -> Tick {
        self.first.plus(self.inputs.len() as u64)
    }
}
