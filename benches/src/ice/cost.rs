//! What agents cost: a connection, a check, being connected; time, allocations and memory.

use super::crowd::{Couple, REST, Watch};
use super::{Agent, Contender, is, ours, rice, rtc};
use crate::allocation;
use core::time::Duration;
use cpu_time::ThreadTime;
use proto_core::Instant;

/// How far a crowd moves at a time when checks are measured: all couples whose time has come go through a phase together, so
/// that reading the clock costs nothing that counts.
const STEP: Duration = Duration::from_millis(250);

/// How long after both have a path a connection is measured.
const SETTLING: Duration = Duration::from_secs(1);

/// What something took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Amount {
    /// CPU time of the thread, in nanoseconds; what counting costs is in it if allocations were counted.
    pub nanos: f64,
    /// Allocations, 0 if they were not counted.
    pub allocations: f64,
    /// Datagrams that were sent.
    pub datagrams: f64,
}

impl Amount {
    fn of(work: impl FnOnce() -> u64) -> Self {
        let allocations = allocation::allocations();
        let start = ThreadTime::now();
        let datagrams = work();
        Self {
            nanos: start.elapsed().as_nanos() as f64,
            allocations: (allocation::allocations() - allocations) as f64,
            datagrams: datagrams as f64,
        }
    }

    fn each(self, count: f64) -> Self {
        Self {
            nanos: self.nanos / count,
            allocations: self.allocations / count,
            datagrams: self.datagrams / count,
        }
    }
}

/// What whole checks of one side cost: asked, answered, and the answer used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Checks of one side that were made.
    pub checks: u64,
    /// For each check, the side that asks until its request is sent.
    pub ask: Amount,
    /// For each check, the side that is asked.
    pub answer: Amount,
    /// For each check, the side that asked, and whatever else follows.
    pub conclude: Amount,
}

impl Cost {
    /// A whole check, both sides together.
    #[must_use]
    pub fn whole(&self) -> Amount {
        let parts = [self.ask, self.answer, self.conclude];
        Amount {
            nanos: parts.iter().map(|part| part.nanos).sum(),
            allocations: parts.iter().map(|part| part.allocations).sum(),
            datagrams: parts.iter().map(|part| part.datagrams).sum(),
        }
    }
}

/// Bytes that one agent holds, its own structure included.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// When it is made.
    pub idle: f64,
    /// With its candidates.
    pub gathered: f64,
    /// The most while it connects.
    pub peak: f64,
    /// Ten seconds after it has connected.
    pub connected: f64,
}

/// Couples that have connected.
pub trait Connected {
    /// Lets them be for a while, each agent being called when it asked for that: what one agent costs a second.
    fn live(&mut self, duration: Duration) -> Amount;

    /// The same in steps, taken apart by phases: what checks of the controlling side cost, and those of the other.
    fn checks(&mut self, duration: Duration) -> [Cost; 2];
}

impl Contender {
    /// What it takes two agents to connect, from the moment that each knows all of the other until both have a path, and in the
    /// second after that, in which some nominate; per connection, a mean over so many.
    #[must_use]
    pub fn connect(self, candidates: usize, couples: u64) -> Amount {
        self.connecting(Watch::Time, candidates, couples)
    }

    /// The same with allocations counted.
    #[must_use]
    pub fn connect_counted(self, candidates: usize, couples: u64) -> Amount {
        self.connecting(Watch::Memory, candidates, couples)
    }

    fn connecting(self, watch: Watch, candidates: usize, couples: u64) -> Amount {
        match self {
            Self::Ours => connect::<ours::Ours>(watch, candidates, couples),
            Self::Is => connect::<is::Is>(watch, candidates, couples),
            Self::Rice => connect::<rice::Rice>(watch, candidates, couples),
            Self::Rtc => connect::<rtc::Rtc>(watch, candidates, couples),
        }
    }

    /// The memory of an agent with so many host candidates whose peer has as many; a mean over so many couples.
    #[must_use]
    pub fn memory(self, candidates: usize, couples: u64) -> Memory {
        match self {
            Self::Ours => memory::<ours::Ours>(candidates, couples),
            Self::Is => memory::<is::Is>(candidates, couples),
            Self::Rice => memory::<rice::Rice>(candidates, couples),
            Self::Rtc => memory::<rtc::Rtc>(candidates, couples),
        }
    }

    /// Couples with one candidate each that have connected.
    #[must_use]
    pub fn connected(self, couples: u64) -> Box<dyn Connected> {
        self.connected_under(Watch::Time, couples)
    }

    /// The same with allocations counted.
    #[must_use]
    pub fn connected_counted(self, couples: u64) -> Box<dyn Connected> {
        self.connected_under(Watch::Memory, couples)
    }

    fn connected_under(self, watch: Watch, couples: u64) -> Box<dyn Connected> {
        match self {
            Self::Ours => Box::new(Crowd::<ours::Ours>::new(watch, couples)),
            Self::Is => Box::new(Crowd::<is::Is>::new(watch, couples)),
            Self::Rice => Box::new(Crowd::<rice::Rice>::new(watch, couples)),
            Self::Rtc => Box::new(Crowd::<rtc::Rtc>::new(watch, couples)),
        }
    }
}

fn introduced<A: Agent>(seed: u64, watch: Watch, candidates: usize) -> Couple<A> {
    let mut couple = Couple::new(seed, watch);
    couple.gather(candidates);
    couple.introduce();
    couple
}

fn connect<A: Agent>(watch: Watch, candidates: usize, couples: u64) -> Amount {
    let couples = (1..=couples).map(|seed| introduced::<A>(seed, watch, candidates));
    let mut couples: Vec<_> = couples.collect();
    let amount = Amount::of(|| {
        let mut datagrams = 0;
        for couple in &mut couples {
            assert!(
                couple.connect(),
                "agents without anything between them connect"
            );
            couple.live_until(couple.now + SETTLING);
            datagrams += couple.datagrams;
        }
        datagrams
    });
    amount.each(couples.len() as f64)
}

fn memory<A: Agent>(candidates: usize, couples: u64) -> Memory {
    let mut sum = Memory::default();
    for seed in 1..=couples {
        let before = allocation::live_bytes();
        allocation::reset_peak();
        let held = |now: usize| now.wrapping_sub(before).cast_signed() as f64;
        let mut couple = Couple::<A>::new(seed, Watch::Memory);
        sum.idle += held(allocation::live_bytes());
        couple.gather(candidates);
        sum.gathered += held(allocation::live_bytes());
        couple.introduce();
        assert!(
            couple.connect(),
            "agents without anything between them connect"
        );
        sum.peak += held(allocation::peak_bytes());
        couple.live_until(couple.now + REST);
        sum.connected += held(allocation::live_bytes());
    }
    let agents = 2.0 * couples as f64;
    let each = |bytes: f64| bytes / agents + size_of::<A>() as f64;
    Memory {
        idle: each(sum.idle),
        gathered: each(sum.gathered),
        peak: each(sum.peak),
        connected: each(sum.connected),
    }
}

struct Crowd<A> {
    couples: Vec<Couple<A>>,
    now: Instant,
}

impl<A: Agent> Crowd<A> {
    fn new(watch: Watch, couples: u64) -> Self {
        let couples = (1..=couples).map(|seed| {
            let mut couple = introduced::<A>(seed, watch, 1);
            assert!(
                couple.connect(),
                "agents without anything between them connect"
            );
            couple
        });
        let mut couples: Vec<_> = couples.collect();
        let last = couples.iter().map(|couple| couple.now).max();
        let now = last.expect("a couple") + REST;
        for couple in &mut couples {
            couple.live_until(now);
        }
        Self { couples, now }
    }

    /// One phase of all couples; what they sent is counted.
    fn phase(&mut self, mut work: impl FnMut(&mut Couple<A>)) -> Amount {
        let sent =
            |couples: &[Couple<A>]| -> u64 { couples.iter().map(|couple| couple.datagrams).sum() };
        let before = sent(&self.couples);
        let amount = Amount::of(|| {
            self.couples.iter_mut().for_each(&mut work);
            0
        });
        Amount {
            datagrams: (sent(&self.couples) - before) as f64,
            ..amount
        }
    }

    fn requests(&self, side: usize) -> u64 {
        self.couples
            .iter()
            .map(|couple| couple.requests[side])
            .sum()
    }
}

impl<A: Agent> Connected for Crowd<A> {
    fn live(&mut self, duration: Duration) -> Amount {
        self.now = self.now + duration;
        let now = self.now;
        let amount = self.phase(|couple| couple.live_until(now));
        amount.each(2.0 * self.couples.len() as f64 * duration.as_secs_f64())
    }

    fn checks(&mut self, duration: Duration) -> [Cost; 2] {
        let mut costs = [Cost::default(); 2];
        let end = self.now + duration;
        while self.now < end {
            self.now = self.now + STEP;
            for couple in &mut self.couples {
                couple.now = self.now;
            }
            for (side, cost) in costs.iter_mut().enumerate() {
                let before = self.requests(side);
                add(&mut cost.ask, self.phase(|couple| couple.wake(side)));
                cost.checks += self.requests(side) - before;
                let answer = self.phase(|couple| {
                    couple.receive(1 - side);
                });
                add(&mut cost.answer, answer);
                let conclude = self.phase(|couple| {
                    couple.settle();
                });
                add(&mut cost.conclude, conclude);
            }
        }
        costs.map(|cost| {
            let checks = cost.checks.max(1) as f64;
            Cost {
                checks: cost.checks,
                ask: cost.ask.each(checks),
                answer: cost.answer.each(checks),
                conclude: cost.conclude.each(checks),
            }
        })
    }
}

fn add(sum: &mut Amount, more: Amount) {
    sum.nanos += more.nanos;
    sum.allocations += more.allocations;
    sum.datagrams += more.datagrams;
}
