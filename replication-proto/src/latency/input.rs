//! Inputs on their way to their tick: [`InputSender`] at the client, [`InputBuffer`] at the server.
//!
//! A client numbers one input per tick and sends the last few again with each packet, so a lost packet costs nothing if
//! the next comes in time. The server consumes one per tick and client and tells how early they come.

mod receive;
mod send;

use super::{ConfigError, Tick};
use core::time::Duration;

pub use receive::{Consumed, InputBuffer, InputBufferStats, MissingInput};
pub use send::{InputPacket, InputSender, InputSenderStats};

/// Numbers that both ends of an input stream work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InputConfig {
    /// Inputs held: at the client those not acknowledged, of which the oldest give way; at the server those ahead of
    /// its tick, further ones are refused. 1 to 1024, 128 by default.
    pub capacity: usize,
    /// Inputs in one packet: 1 to 64, 4 by default. Each is sent so often unless it is acknowledged before.
    pub per_packet: usize,
    /// What a tick without input gets.
    pub missing: MissingInput,
}

impl InputConfig {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            capacity: 128,
            per_packet: 4,
            missing: MissingInput::RepeatLast { ticks: 8 },
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless((1..=1024).contains(&self.capacity), "capacity")?;
        ConfigError::unless((1..=64).contains(&self.per_packet), "per_packet")
    }
}

impl Default for InputConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// What the server tells a client about its inputs, best together with each snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a message that callers put into calls and take out of them"
)]
pub struct InputAck {
    /// The last tick that the server has simulated; −1 before the first. Inputs up to it need not be sent again.
    pub consumed: i64,
    /// The tick whose input came with the least time to spare since the last acknowledgement; −1 for none.
    pub margin_tick: i64,
    /// How long before its tick that input came, in microseconds; negative if it was too late.
    pub margin_micros: i64,
}

/// From one tick to another at a rate, negative if the other is earlier.
fn between(rate: super::TickRate, from: Tick, to: Tick) -> i64 {
    let micros = |duration: Duration| super::slew::micros(duration);
    let (from, to) = (rate.time_of(from), rate.time_of(to));
    micros(to.saturating_since(from)).saturating_sub(micros(from.saturating_since(to)))
}

#[cfg(test)]
mod tests;
