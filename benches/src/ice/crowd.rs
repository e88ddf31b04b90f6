//! Two agents of one crate with nothing between them, and many such couples.

use super::Agent;
use crate::allocation;
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::Instant;
use std::collections::VecDeque;

/// The longest that is waited for a connection.
const LIMIT: Duration = Duration::from_secs(20);

/// How long a couple that has connected is left alone before it is measured, so that what it no longer needs is gone.
pub(super) const REST: Duration = Duration::from_secs(10);

/// Whether what agents allocate is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    Time,
    Memory,
}

impl Watch {
    fn over<R>(self, work: impl FnOnce() -> R) -> R {
        match self {
            Self::Time => work(),
            Self::Memory => allocation::counting(work),
        }
    }
}

struct Datagram {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

struct End<A> {
    agent: A,
    deadline: Option<Instant>,
    inbox: VecDeque<Datagram>,
    told: Vec<String>,
}

/// Two agents, the controlling one first. The network loses nothing and takes no time.
pub(super) struct Couple<A> {
    ends: [End<A>; 2],
    watch: Watch,
    pub(super) now: Instant,
    spare: Vec<Vec<u8>>,
    pub(super) datagrams: u64,
    /// Binding requests that each end has sent.
    pub(super) requests: [u64; 2],
}

/// The address of candidate `index` of a side.
fn address(side: usize, index: usize) -> SocketAddr {
    let last = u8::try_from(index + 1).expect("few candidates");
    let side = u8::try_from(side).expect("two");
    SocketAddr::from(([10, 0, side, last], 5000))
}

impl<A: Agent> Couple<A> {
    pub(super) fn new(seed: u64, watch: Watch) -> Self {
        let agents = [true, false].map(|controlling| watch.over(|| A::new(seed, controlling)));
        Self::of(agents, watch)
    }

    pub(super) fn of(agents: [A; 2], watch: Watch) -> Self {
        let now = Instant::ZERO;
        Self {
            ends: agents.map(|agent| End {
                agent,
                deadline: Some(now),
                inbox: VecDeque::new(),
                told: Vec::new(),
            }),
            watch,
            now,
            spare: Vec::new(),
            datagrams: 0,
            requests: [0; 2],
        }
    }

    pub(super) fn into_agents(self) -> [A; 2] {
        self.ends.map(|end| end.agent)
    }

    /// Gives each end so many host candidates.
    pub(super) fn gather(&mut self, candidates: usize) {
        for side in 0..2 {
            self.gather_at(side, (0..candidates).map(|index| address(side, index)));
        }
    }

    pub(super) fn gather_at(&mut self, side: usize, bases: impl Iterator<Item = SocketAddr>) {
        let (now, end) = (self.now, &mut self.ends[side]);
        for base in bases {
            let told = self.watch.over(|| end.agent.add_local(now, base, base));
            // The harness's copy is none of the agent's memory.
            end.told.extend(told.as_deref().map(str::to_owned));
            self.watch.over(|| drop(told));
        }
        self.watch.over(|| end.agent.end_local(now));
    }

    /// Tells each end all of the other.
    pub(super) fn introduce(&mut self) {
        let now = self.now;
        let credentials = self.ends.each_ref().map(|end| end.agent.credentials());
        for (to, from) in [(0, 1), (1, 0)] {
            let told = core::mem::take(&mut self.ends[from].told);
            let agent = &mut self.ends[to].agent;
            self.watch.over(|| {
                agent.set_remote(now, &credentials[from].0, &credentials[from].1);
                for candidate in &told {
                    agent.add_remote(now, candidate);
                }
                agent.end_remote(now);
            });
        }
    }

    fn has_paths(&self) -> bool {
        self.ends.iter().all(|end| end.agent.path().is_some())
    }

    /// Runs until both have a path; whether they found one.
    pub(super) fn connect(&mut self) -> bool {
        let limit = self.now + LIMIT;
        loop {
            self.exchange();
            if self.has_paths() {
                return true;
            }
            match self.next_deadline() {
                Some(at) if at <= limit => self.now = at,
                _ => return false,
            }
        }
    }

    /// Runs until `end`, each end being called when it asked for that.
    pub(super) fn live_until(&mut self, end: Instant) {
        while let Some(at) = self.next_deadline().filter(|&at| at <= end) {
            self.now = at;
            self.exchange();
        }
        self.now = end;
    }

    fn next_deadline(&self) -> Option<Instant> {
        let deadline = self.ends.iter().filter_map(|end| end.deadline).min()?;
        // Who asks again for a moment that has passed gets the next millisecond.
        Some(if deadline <= self.now {
            self.now + Duration::from_millis(1)
        } else {
            deadline
        })
    }

    /// All that happens now.
    fn exchange(&mut self) {
        for side in 0..2 {
            self.wake(side);
        }
        self.settle();
    }

    /// Delivers until nothing is on its way; whether anything was.
    pub(super) fn settle(&mut self) -> bool {
        let mut any = false;
        while (0..2).fold(false, |busy, side| self.receive(side) | busy) {
            any = true;
        }
        any
    }

    /// Calls an end if its deadline has come, and takes what it sends.
    pub(super) fn wake(&mut self, side: usize) {
        let (now, end) = (self.now, &mut self.ends[side]);
        if end.deadline.is_some_and(|at| at <= now) {
            self.watch.over(|| end.agent.wake(now));
            self.collect(side);
        }
    }

    /// Hands an end what has come for it, and takes what it sends; whether anything had come.
    pub(super) fn receive(&mut self, side: usize) -> bool {
        let (now, end) = (self.now, &mut self.ends[side]);
        if end.inbox.is_empty() {
            return false;
        }
        while let Some(datagram) = end.inbox.pop_front() {
            let Datagram { from, to, bytes } = datagram;
            self.watch.over(|| end.agent.receive(now, to, from, &bytes));
            self.spare.push(bytes);
        }
        self.collect(side);
        true
    }

    fn collect(&mut self, side: usize) {
        let [one, other] = &mut self.ends;
        let (end, peer) = if side == 0 {
            (one, other)
        } else {
            (other, one)
        };
        loop {
            let mut bytes = self.spare.pop().unwrap_or_default();
            bytes.resize(1500, 0);
            let sent = self.watch.over(|| end.agent.transmit(self.now, &mut bytes));
            let Some((from, to, length)) = sent else {
                self.spare.push(bytes);
                break;
            };
            bytes.truncate(length);
            self.datagrams += 1;
            self.requests[side] += u64::from(bytes.starts_with(&[0, 1]));
            peer.inbox.push_back(Datagram { from, to, bytes });
        }
        end.deadline = self.watch.over(|| end.agent.deadline(self.now));
    }
}
