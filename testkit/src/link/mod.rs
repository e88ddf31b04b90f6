//! One direction between two addresses: [`Link`] says how bad it is.

mod script;
mod state;

pub use script::{BadScript, Deviation, Fault, Script};
pub(crate) use state::{Fate, LinkState, Tape};

use core::time::Duration;

/// How one direction of a connection treats datagrams. Chances are in 1000.
///
/// [`Link::PERFECT`] delivers everything at once; write a worse one with struct update syntax.
///
/// ```
/// use core::time::Duration;
/// use testkit::Link;
/// let mobile = Link {
///     latency: Duration::from_millis(60),
///     jitter: Duration::from_millis(30),
///     loss: 20,
///     ..Link::PERFECT
/// };
/// assert_ne!(mobile, Link::PERFECT);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "tests write links as literals with struct update"
)]
pub struct Link {
    /// The least time that a datagram takes.
    pub latency: Duration,
    /// A random part on top, from zero to this. It reorders datagrams that follow each other more closely.
    pub jitter: Duration,
    /// How that part is spread.
    pub jitter_shape: Jitter,
    /// How much of that part a datagram takes over from the one before, in 1000: 0 is none, 900 makes slow waves.
    pub jitter_memory: u32,
    /// Chance in 1000 that a datagram is lost.
    pub loss: u32,
    /// Loss in bursts, on top of `loss`.
    pub burst: Option<Burst>,
    /// Chance in 1000 that a second copy arrives, up to `reorder_by` later.
    pub duplicate: u32,
    /// Chance in 1000 that a datagram is held back by up to `reorder_by`, so that later ones overtake it.
    pub reorder: u32,
    /// The longest time that a reordered or duplicated datagram is held back.
    pub reorder_by: Duration,
    /// Chance in 1000 that one bit of a datagram is flipped.
    pub corrupt: u32,
    /// Chance in 1000 that the end of a datagram is missing.
    pub truncate: u32,
    /// Chance in 1000 that up to 16 random bytes follow a datagram.
    pub extend: u32,
    /// Times in which nothing passes.
    pub blackout: Option<Blackout>,
    /// The largest datagram that passes, in bytes; longer ones are lost.
    pub mtu_bytes: usize,
    /// Whether the sender of a longer one hears of it. Only a [`World`](crate::world::World) has errors to tell.
    pub tells_mtu: bool,
    /// The rate, in bytes per second, with a queue in front.
    pub rate: Option<Rate>,
    /// Whether that queue drops at random before it is full: nothing while it is less than half full, more and more from there
    /// on (random early detection).
    pub early_drop: bool,
}

/// How [`Link::jitter`] is spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "tests write links as literals and go through all shapes"
)]
pub enum Jitter {
    /// Everything from zero to [`Link::jitter`] alike.
    #[default]
    Uniform,
    /// Mostly near the half of [`Link::jitter`], and never above it (a sum of four).
    Normal,
    /// Mostly near zero with a long tail: above [`Link::jitter`] for one in four, and never above 20 times it.
    Pareto,
}

/// Times in which nothing passes: the last part of each period, counted from time zero of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "tests write links as literals with struct update"
)]
pub struct Blackout {
    /// Length of a period; without a length there is no blackout.
    pub every: Duration,
    /// How long nothing passes at the end of each.
    pub lasts: Duration,
}

/// Loss that comes in bursts (Gilbert and Elliott's two states). Chances are in 1000, per datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "tests write links as literals with struct update"
)]
pub struct Burst {
    /// Chance that a burst begins.
    pub enter: u32,
    /// Chance that it ends.
    pub leave: u32,
    /// Chance that a datagram inside it is lost.
    pub loss: u32,
}

/// A bottleneck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "tests write links as literals with struct update"
)]
pub struct Rate {
    /// Bytes per second that pass; 0 counts as 1.
    pub bytes_per_second: u64,
    /// Bytes that may wait; a datagram that finds more in front of it is lost.
    pub queue_bytes: u64,
}

impl Link {
    /// Delivers everything, at once and in order.
    pub const PERFECT: Self = Self {
        latency: Duration::ZERO,
        jitter: Duration::ZERO,
        jitter_shape: Jitter::Uniform,
        jitter_memory: 0,
        loss: 0,
        burst: None,
        duplicate: 0,
        reorder: 0,
        reorder_by: Duration::from_millis(20),
        corrupt: 0,
        truncate: 0,
        extend: 0,
        blackout: None,
        mtu_bytes: 65_507,
        tells_mtu: false,
        rate: None,
        early_drop: false,
    };

    /// Loses everything.
    pub const DEAD: Self = Self {
        loss: 1000,
        ..Self::PERFECT
    };

    /// Delivers everything in order after `latency`.
    #[must_use]
    pub const fn with_latency(latency: Duration) -> Self {
        Self {
            latency,
            ..Self::PERFECT
        }
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::PERFECT
    }
}

#[cfg(test)]
mod tests;
