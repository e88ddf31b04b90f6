//! A link in use: what it decides about each datagram.

use super::{Deviation, Fault, Jitter, Link};
use crate::Dice;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::time::Duration;
use proto_core::Instant;

/// The most random bytes that a link puts at the end of a datagram.
const MOST_EXTENSION_BYTES: u64 = 16;

/// A Pareto jitter is at most so many times [`Link::jitter`].
const LONGEST_TAIL: u64 = 20;

/// Where the decisions of a link come from, and whether they are written down.
#[derive(Clone, Debug, Default)]
pub(crate) enum Tape {
    /// From its dice.
    #[default]
    Off,
    /// From its dice; each that changes something is kept.
    Record(Vec<Deviation>),
    /// From a script, by the number of the datagram. What it does not mention passes as on a quiet day.
    Follow(BTreeMap<u64, Vec<Fault>>),
}

/// A link in use: its dice, whether it is inside a burst, and how long its queue is.
#[derive(Debug)]
pub(crate) struct LinkState {
    pub(crate) link: Link,
    pub(crate) name: Rc<str>,
    pub(crate) tape: Tape,
    dice: Dice,
    passed: u64,
    in_burst: bool,
    last_jitter: Duration,
    busy_until: Instant,
}

/// What a link decides about one datagram, beside what follows from its length and from the queue.
#[derive(Debug, Default)]
struct Decision {
    lost: bool,
    delay: Duration,
    copy: Option<Duration>,
    spoiled: Option<Spoil>,
}

/// What happens to the bytes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoil {
    /// One bit is flipped.
    Flip(usize),
    /// Only so many bytes are left.
    Truncate(usize),
    /// So many bytes of no sense follow.
    Extend(usize),
}

/// What becomes of one datagram: the moments at which copies arrive, and what is wrong with them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) arrivals: [Option<Instant>; 2],
    pub(crate) spoiled: Option<Spoil>,
    /// The longest datagram that passes, if this one is longer and the link tells its sender.
    pub(crate) too_long: Option<usize>,
}

impl Fate {
    /// Whether the bytes arrive changed.
    pub(crate) const fn spoils(&self) -> bool {
        self.spoiled.is_some()
    }

    /// Changes the bytes as the link does.
    pub(crate) fn spoil(&self, bytes: &mut Vec<u8>) {
        match self.spoiled {
            Some(Spoil::Flip(bit)) => {
                if let Some(byte) = bytes.get_mut(bit / 8) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Some(Spoil::Truncate(len)) => bytes.truncate(len),
            Some(Spoil::Extend(count)) => {
                bytes.extend((0..count).map(|at| at.to_le_bytes()[0] ^ 0xa5))
            }
            None => {}
        }
    }
}

impl LinkState {
    pub(crate) const fn new(link: Link, name: Rc<str>, dice: Dice) -> Self {
        Self {
            link,
            name,
            tape: Tape::Off,
            dice,
            passed: 0,
            in_burst: false,
            last_jitter: Duration::ZERO,
            busy_until: Instant::ZERO,
        }
    }

    /// Decides about a datagram of `len` bytes that is sent at `now`.
    pub(crate) fn pass(&mut self, now: Instant, len: usize) -> Fate {
        self.passed += 1;
        let decision = self.decide(now, len);
        if decision.lost {
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
        let first = sent + self.link.latency + decision.delay;
        Fate {
            arrivals: [Some(first), decision.copy.map(|later| first + later)],
            spoiled: decision.spoiled,
            too_long: None,
        }
    }

    fn decide(&mut self, now: Instant, len: usize) -> Decision {
        let number = self.passed;
        if let Tape::Follow(faults) = &self.tape {
            return Decision::scripted(faults.get(&number).map_or(&[], Vec::as_slice), len);
        }
        let decision = self.roll(now, len);
        if let Tape::Record(deviations) = &mut self.tape {
            let of = |fault| Deviation {
                link: self.name.to_string(),
                number,
                fault,
            };
            deviations.extend(decision.faults().map(of));
        }
        decision
    }

    fn roll(&mut self, now: Instant, len: usize) -> Decision {
        if self.loses(now) {
            return Decision {
                lost: true,
                ..Decision::default()
            };
        }
        let mut delay = self.jitter();
        if self.dice.chance(self.link.reorder) {
            delay += self.up_to(self.link.reorder_by);
        }
        let again = self.dice.chance(self.link.duplicate);
        Decision {
            lost: false,
            delay,
            copy: again.then(|| self.up_to(self.link.reorder_by)),
            spoiled: self.spoil(len),
        }
    }

    fn spoil(&mut self, len: usize) -> Option<Spoil> {
        let below = |dice: &mut Dice, bound: usize| {
            let bound = u64::try_from(bound).unwrap_or(u64::MAX);
            usize::try_from(dice.below(bound)).unwrap_or_default()
        };
        if len > 0 && self.dice.chance(self.link.corrupt) {
            return Some(Spoil::Flip(below(&mut self.dice, len.saturating_mul(8))));
        }
        if len > 0 && self.dice.chance(self.link.truncate) {
            return Some(Spoil::Truncate(below(&mut self.dice, len)));
        }
        if self.dice.chance(self.link.extend) {
            let count = 1 + self.dice.below(MOST_EXTENSION_BYTES);
            return usize::try_from(count).ok().map(Spoil::Extend);
        }
        None
    }

    fn loses(&mut self, now: Instant) -> bool {
        if let Some(blackout) = self.link.blackout
            && !blackout.every.is_zero()
        {
            let every = blackout.every.as_micros();
            let at = u128::from(now.as_micros()) % every;
            if at >= every.saturating_sub(blackout.lasts.as_micros()) {
                return true;
            }
        }
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
        if self.link.early_drop && self.dice.chance(self.early_drop_permille(now)) {
            return true;
        }
        self.dice.chance(self.link.loss)
    }

    /// Nothing below half of the queue, 250 in 1000 when it is full.
    fn early_drop_permille(&self, now: Instant) -> u32 {
        let Some(rate) = self.link.rate else {
            return 0;
        };
        let (waiting, room) = (self.waiting_bytes(now), u128::from(rate.queue_bytes.max(1)));
        let above_half = (waiting * 2).saturating_sub(room);
        u32::try_from((above_half * 250 / room).min(250)).unwrap_or(250)
    }

    /// Bytes in front of a datagram that comes now.
    fn waiting_bytes(&self, now: Instant) -> u128 {
        let rate = self
            .link
            .rate
            .map_or(0, |rate| rate.bytes_per_second.max(1));
        let wait = self.busy_until.saturating_since(now).as_micros();
        wait.saturating_mul(u128::from(rate)) / 1_000_000
    }

    fn queue(&mut self, now: Instant, len: usize) -> Option<Instant> {
        let Some(rate) = self.link.rate else {
            return Some(now);
        };
        if self.waiting_bytes(now) > u128::from(rate.queue_bytes) {
            return None;
        }
        let start = self.busy_until.max(now);
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        let micros = len.saturating_mul(1_000_000) / rate.bytes_per_second.max(1);
        self.busy_until = start + Duration::from_micros(micros);
        Some(self.busy_until)
    }

    fn jitter(&mut self) -> Duration {
        let most = self.link.jitter;
        let fresh = match self.link.jitter_shape {
            Jitter::Uniform => self.up_to(most),
            Jitter::Normal => (0..4).map(|_| self.up_to(most)).sum::<Duration>() / 4,
            Jitter::Pareto => self.tail(most),
        };
        let memory = self.link.jitter_memory.min(1000);
        self.last_jitter = (self.last_jitter * memory + fresh * (1000 - memory)) / 1000;
        self.last_jitter
    }

    /// `scale` × (1/√u − 1) for a uniform u, which is Pareto's distribution with a shape of 2, in whole numbers: they are
    /// the same on every machine.
    fn tail(&mut self, scale: Duration) -> Duration {
        const STEPS: u64 = 1 << 20;
        let micros = u64::try_from(scale.as_micros()).unwrap_or(u64::MAX / STEPS);
        let root = ((self.dice.below(STEPS) + 1) * STEPS).isqrt();
        let tail = micros.saturating_mul(STEPS) / root - micros;
        Duration::from_micros(tail.min(micros.saturating_mul(LONGEST_TAIL)))
    }

    fn up_to(&mut self, longest: Duration) -> Duration {
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.dice.below(micros.saturating_add(1)))
    }
}

impl Decision {
    /// What a script says of a datagram of `len` bytes.
    fn scripted(faults: &[Fault], len: usize) -> Self {
        let mut decision = Self::default();
        for fault in faults {
            match *fault {
                Fault::Lost => decision.lost = true,
                Fault::Delayed(by) => decision.delay = by,
                Fault::Copied(later) => decision.copy = Some(later),
                Fault::Flipped(bit) => {
                    decision.spoiled = Some(Spoil::Flip(bit)).filter(|_| bit / 8 < len)
                }
                Fault::Truncated(left) => {
                    decision.spoiled = Some(Spoil::Truncate(left)).filter(|_| left < len)
                }
                Fault::Extended(count) => decision.spoiled = Some(Spoil::Extend(count)),
            }
        }
        decision
    }

    /// What differs from a quiet day.
    fn faults(&self) -> impl Iterator<Item = Fault> {
        let spoiled = self.spoiled.map(|spoil| match spoil {
            Spoil::Flip(bit) => Fault::Flipped(bit),
            Spoil::Truncate(left) => Fault::Truncated(left),
            Spoil::Extend(count) => Fault::Extended(count),
        });
        let faults = [
            self.lost.then_some(Fault::Lost),
            (!self.delay.is_zero()).then_some(Fault::Delayed(self.delay)),
            self.copy.map(Fault::Copied),
            spoiled,
        ];
        faults.into_iter().flatten()
    }
}
