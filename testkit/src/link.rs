//! One direction between two addresses: [`Link`] says how bad it is, and decides what becomes of each datagram.

use crate::Dice;
use core::time::Duration;
use proto_core::Instant;

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
    /// The largest datagram that passes, in bytes; longer ones are lost.
    pub mtu_bytes: usize,
    /// Whether the sender of a longer one hears of it. Only a [`World`](crate::world::World) has errors to tell.
    pub tells_mtu: bool,
    /// The rate, in bytes per second, with a queue in front.
    pub rate: Option<Rate>,
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
        loss: 0,
        burst: None,
        duplicate: 0,
        reorder: 0,
        reorder_by: Duration::from_millis(20),
        corrupt: 0,
        mtu_bytes: 65_507,
        tells_mtu: false,
        rate: None,
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

/// A link in use: its dice, whether it is inside a burst, and how long its queue is.
#[derive(Debug)]
pub(crate) struct LinkState {
    pub(crate) link: Link,
    dice: Dice,
    in_burst: bool,
    busy_until: Instant,
}

/// What becomes of one datagram: the moments at which copies arrive, and the bit that is flipped.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) arrivals: [Option<Instant>; 2],
    pub(crate) flipped_bit: Option<usize>,
    /// The longest datagram that passes, if this one is longer and the link tells its sender.
    pub(crate) too_long: Option<usize>,
}

impl Fate {
    /// Whether the bytes arrive changed.
    pub(crate) const fn spoils(&self) -> bool {
        self.flipped_bit.is_some()
    }

    /// Changes the bytes as the link does.
    pub(crate) fn spoil(&self, bytes: &mut [u8]) {
        if let Some(bit) = self.flipped_bit {
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

impl LinkState {
    pub(crate) const fn new(link: Link, dice: Dice) -> Self {
        Self {
            link,
            dice,
            in_burst: false,
            busy_until: Instant::ZERO,
        }
    }

    /// Decides about a datagram of `len` bytes that is sent at `now`.
    pub(crate) fn pass(&mut self, now: Instant, len: usize) -> Fate {
        if self.loses() {
            return Fate::default();
        }
        if len > self.link.mtu_bytes {
            return Fate {
                too_long: self.link.tells_mtu.then_some(self.link.mtu_bytes),
                ..Fate::default()
            };
        }
        let Some(sent) = self.queue(now, len) else {
            return Fate::default();
        };
        let mut first = sent + self.link.latency + self.up_to(self.link.jitter);
        if self.dice.chance(self.link.reorder) {
            first = first + self.up_to(self.link.reorder_by);
        }
        let second = self
            .dice
            .chance(self.link.duplicate)
            .then(|| first + self.up_to(self.link.reorder_by));
        let flipped_bit = (len > 0 && self.dice.chance(self.link.corrupt)).then(|| {
            let bits = u64::try_from(len).unwrap_or(u64::MAX).saturating_mul(8);
            usize::try_from(self.dice.below(bits)).unwrap_or_default()
        });
        Fate {
            arrivals: [Some(first), second],
            flipped_bit,
            too_long: None,
        }
    }

    fn loses(&mut self) -> bool {
        if let Some(burst) = self.link.burst {
            let turn = if self.in_burst {
                burst.leave
            } else {
                burst.enter
            };
            self.in_burst ^= self.dice.chance(turn);
            if self.in_burst && self.dice.chance(burst.loss) {
                return true;
            }
        }
        self.dice.chance(self.link.loss)
    }

    fn queue(&mut self, now: Instant, len: usize) -> Option<Instant> {
        let Some(rate) = self.link.rate else {
            return Some(now);
        };
        let bytes_per_second = rate.bytes_per_second.max(1);
        let start = self.busy_until.max(now);
        let wait = start.saturating_since(now).as_micros();
        let waiting = wait.saturating_mul(u128::from(bytes_per_second)) / 1_000_000;
        if waiting > u128::from(rate.queue_bytes) {
            return None;
        }
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        let micros = len.saturating_mul(1_000_000) / bytes_per_second;
        self.busy_until = start + Duration::from_micros(micros);
        Some(self.busy_until)
    }

    fn up_to(&mut self, longest: Duration) -> Duration {
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.dice.below(micros.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(link: Link, count: usize) -> Vec<Fate> {
        let mut state = LinkState::new(link, Dice::new(3));
        (0..count)
            .map(|i| state.pass(Instant::from_millis(i as u64), 100))
            .collect()
    }

    #[test]
    fn a_perfect_link_delivers_once_at_once_and_a_dead_one_never() {
        for (i, fate) in arrivals(Link::PERFECT, 100).iter().enumerate() {
            assert_eq!(fate.arrivals, [Some(Instant::from_millis(i as u64)), None]);
        }
        assert!(
            arrivals(Link::DEAD, 100)
                .iter()
                .all(|fate| *fate == Fate::default())
        );
    }

    #[test]
    fn bursts_lose_neighbours_together() {
        let burst = Burst {
            enter: 20,
            leave: 200,
            loss: 1000,
        };
        let link = Link {
            burst: Some(burst),
            ..Link::PERFECT
        };
        let lost: Vec<bool> = arrivals(link, 10_000)
            .iter()
            .map(|fate| fate.arrivals[0].is_none())
            .collect();
        let total = lost.iter().filter(|&&lost| lost).count();
        let runs = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        assert!((500..1500).contains(&total), "{total}");
        assert!(total > 3 * runs, "{total} lost in {runs} runs");
    }

    #[test]
    fn a_slow_link_spreads_datagrams_and_drops_what_its_queue_cannot_hold() {
        let rate = Rate {
            bytes_per_second: 10_000,
            queue_bytes: 250,
        };
        let mut state = LinkState::new(
            Link {
                rate: Some(rate),
                ..Link::PERFECT
            },
            Dice::new(1),
        );
        let fates: Vec<_> = (0..5)
            .map(|_| state.pass(Instant::ZERO, 100).arrivals[0])
            .collect();
        let at = |millis| Some(Instant::from_millis(millis));
        assert_eq!(fates, [at(10), at(20), at(30), None, None]);
    }

    #[test]
    fn what_exceeds_the_mtu_is_lost() {
        let link = Link {
            mtu_bytes: 99,
            ..Link::PERFECT
        };
        assert!(
            arrivals(link, 3)
                .iter()
                .all(|fate| fate.arrivals[0].is_none())
        );
    }

    #[test]
    fn duplicates_and_late_ones_come_within_the_stated_time() {
        let link = Link {
            latency: Duration::from_millis(5),
            duplicate: 500,
            reorder: 500,
            ..Link::PERFECT
        };
        let fates = arrivals(link, 1000);
        assert!(fates.iter().any(|fate| fate.arrivals[1].is_some()));
        for (i, fate) in fates.iter().enumerate() {
            for arrival in fate.arrivals.into_iter().flatten() {
                let taken = arrival.saturating_since(Instant::from_millis(i as u64));
                assert!(taken >= link.latency && taken <= link.latency + 2 * link.reorder_by);
            }
        }
    }
}
