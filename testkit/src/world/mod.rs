//! A whole internet with virtual time: hosts behind NAT boxes and firewalls, from a seed.
//!
//! A [`World`] is a tree of zones. A zone is a set of addresses that reach each other directly: the public internet
//! ([`World::INTERNET`]), a home, a carrier's network. A box ([`Gateway`]) stands between an inner zone and an outer one
//! and is a NAT, a firewall or a NAT64; boxes behind boxes make double and carrier-grade NATs. Hosts have interfaces in zones
//! and run a [`Machine`]. Each interface and each box has a [`Link`](crate::Link) in both directions.
//!
//! Everything follows from the seed and from names: each host, box and interface has dice of its own, derived from its name,
//! and what is due at the same microsecond is done in the order of names. So two runs of one seed give the same [`Log`]
//! digest, also if hosts are added in another order.
//!
//! Two players behind NAT boxes who learn their outer addresses from a rendezvous server and punch a hole:
//!
//! ```
//! use core::net::SocketAddr;
//! use core::time::Duration;
//! use proto_core::{Handled, Instant, Transmit};
//! use testkit::world::{Nat, World};
//! use testkit::{Link, Machine};
//!
//! /// The server tells each of two players where the other one is; players then send to each other.
//! #[derive(Default)]
//! struct Peer {
//!     players: Vec<SocketAddr>,
//!     outbox: Vec<(SocketAddr, Vec<u8>)>,
//!     heard: Vec<(SocketAddr, Vec<u8>)>,
//!     is_server: bool,
//! }
//!
//! impl Machine for Peer {
//!     type Event = (SocketAddr, Vec<u8>);
//!     type Drop = ();
//!     fn handle_datagram(&mut self, _: Instant, _: SocketAddr, from: SocketAddr, data: &[u8]) -> Handled<()> {
//!         if self.is_server {
//!             self.players.push(from);
//!             if let [a, b] = self.players[..] {
//!                 self.outbox.push((a, b.to_string().into_bytes()));
//!                 self.outbox.push((b, a.to_string().into_bytes()));
//!             }
//!         } else if let Some(other) = core::str::from_utf8(data).ok().and_then(|text| text.parse().ok()) {
//!             // It opens the own box, and is lost at the other if that is not open yet.
//!             self.outbox.push((other, b"punch".to_vec()));
//!         } else {
//!             if self.heard.is_empty() {
//!                 self.outbox.push((from, b"heard you".to_vec()));
//!             }
//!             self.heard.push((from, data.to_vec()));
//!         }
//!         Handled::Consumed
//!     }
//!     fn handle_timeout(&mut self, _: Instant) {}
//!     fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
//!         let (destination, bytes) = self.outbox.pop()?;
//!         buf[..bytes.len()].copy_from_slice(&bytes);
//!         Some(Transmit { source: None, destination, bytes: 0..bytes.len() })
//!     }
//!     fn poll_timeout(&self) -> Option<Instant> { None }
//!     fn poll_event(&mut self) -> Option<Self::Event> { self.heard.pop() }
//!     fn buffer_bytes(&self) -> usize { 1500 }
//! }
//!
//! let mut world = World::new(7);
//! let server = "198.51.100.1:7000".parse()?;
//! let machine = Peer { is_server: true, ..Peer::default() };
//! world.add_host("rendezvous", World::<Peer>::INTERNET, server, machine);
//!
//! let mut player = |name: &str, outer: &str, nat: Nat| {
//!     let home = world.add_gateway(&format!("{name}'s box"), World::<Peer>::INTERNET, &[outer.parse()?], nat);
//!     let inside = world.inside(home);
//!     let inner = "192.168.0.2:7777".parse()?;
//!     let host = world.add_host(name, inside, inner, Peer::default());
//!     world.set_access(host, inner.ip(), Link::with_latency(Duration::from_millis(10)));
//!     world.machine_mut(host).outbox.push((server, b"hello".to_vec()));
//!     Ok::<_, core::net::AddrParseError>(host)
//! };
//! let alice = player("alice", "203.0.113.1", Nat::PORT_RESTRICTED)?;
//! let bob = player("bob", "203.0.113.2", Nat::ADDRESS_RESTRICTED)?;
//!
//! world.run_for(Duration::from_secs(1));
//! assert!(world.poll_event(alice).is_some());
//! assert!(world.poll_event(bob).is_some());
//! # let reach = world.reach(alice, bob);
//! # assert_eq!(reach, testkit::world::Reach::Direct);
//! # Ok::<(), core::net::AddrParseError>(())
//! ```
//!
//! Players that meet through servers and signalling need not be built from nothing: [`Actor`], [`Server`] and [`Signals`]
//! are those parts.
//!
//! # What it does not model
//!
//! TCP, fragments, multicast, and time below a microsecond. Errors of the ICMP kind arrive at
//! [`Machine::handle_send_error`]; what a machine does with them is its own affair.

mod actor;
mod carry;
mod gateway;
mod host;
mod log;
mod nat;
mod oracle;
mod packet;
mod pcapng;
mod stats;
mod table;
mod tape;
mod topology;

pub use actor::{Actor, Server, Signals};
pub use gateway::Gateway;
pub use host::{Clock, Pause, RECEIVE_BUFFER_BYTES};
pub use log::{Entry, Happening, Log};
pub use nat::{
    Dependence, Firewall, Hairpin, Nat, Overload, Pooling, PortPolicy, Refresh, Refusal,
};
pub use oracle::Reach;
pub use packet::{SendError, nat64_address};
pub use pcapng::pcapng;
pub use stats::WorldStats;
pub use table::Blocked;

use crate::{Dice, Machine};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::rc::Rc;
use carry::Hop;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use gateway::GatewayState;
use host::Host;
use proto_core::Instant;
use tape::Tapes;

/// How often one moment may repeat before the world calls it a busy loop.
const MOST_ROUNDS_PER_MOMENT: usize = 20_000;

/// How many datagrams a machine may send in a row before the world calls it a busy loop.
const MOST_DATAGRAMS_AT_ONCE: usize = 100_000;

const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A set of addresses that reach each other directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneId(usize);

/// A box at the edge of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GatewayId(usize);

/// A host in a [`World`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(usize);

#[derive(Debug)]
struct Zone {
    name: Rc<str>,
    key: u64,
    gateways: Vec<GatewayId>,
    routes: BTreeMap<IpAddr, Route>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Host(HostId),
    /// From outside to a box.
    Gateway(GatewayId),
    /// From inside to a box.
    Out(GatewayId),
}

/// When something is due, and what goes first among what is due at once: by the target's name, then as it was sent.
type Due = (Instant, u64, u64);

/// A datagram as an eavesdropper in a zone sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Captured {
    /// When it passed.
    pub at: Instant,
    /// The source that it showed there.
    pub from: SocketAddr,
    /// Its destination.
    pub to: SocketAddr,
    /// Its payload.
    pub bytes: Vec<u8>,
}

/// Hosts, boxes and links under one virtual clock; see the [module](self).
pub struct World<M: Machine> {
    now: Instant,
    dice: Dice,
    zones: Vec<Zone>,
    gateways: Vec<GatewayState>,
    hosts: Vec<Host<M>>,
    names: BTreeSet<u64>,
    due: BTreeMap<Due, Hop>,
    enqueued: u64,
    timers: BTreeSet<(Instant, u64, HostId)>,
    touched: BTreeSet<(u64, HostId)>,
    cuts: BTreeSet<(IpAddr, IpAddr)>,
    captured: Vec<Captured>,
    capture_max: usize,
    tapes: Tapes,
    stats: WorldStats,
    log: Log,
    buffer: Vec<u8>,
}

impl<M: Machine> World<M> {
    /// The public internet.
    pub const INTERNET: ZoneId = ZoneId(0);

    /// An internet with nobody in it, at time zero.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let internet = Zone {
            name: Rc::from("internet"),
            key: 0,
            gateways: Vec::new(),
            routes: BTreeMap::new(),
        };
        Self {
            now: Instant::ZERO,
            dice: Dice::new(seed),
            zones: vec![internet],
            gateways: Vec::new(),
            hosts: Vec::new(),
            names: BTreeSet::new(),
            due: BTreeMap::new(),
            enqueued: 0,
            timers: BTreeSet::new(),
            touched: BTreeSet::new(),
            cuts: BTreeSet::new(),
            captured: Vec::new(),
            capture_max: 0,
            tapes: Tapes::default(),
            stats: WorldStats::default(),
            log: Log::new(),
            buffer: Vec::new(),
        }
    }

    /// The time of the world.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The time that `host` sees.
    #[must_use]
    pub fn now_at(&self, host: HostId) -> Instant {
        self.hosts[host.0].clock.at(self.now)
    }

    /// What happened so far, in numbers.
    #[must_use]
    pub const fn stats(&self) -> WorldStats {
        self.stats
    }

    /// What happened so far: the digest, and the last entries.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// How many packets are under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.due.len()
    }

    /// The machine at `host`, to look at.
    #[must_use]
    pub fn machine(&self, host: HostId) -> &M {
        &self.hosts[host.0].machine
    }

    /// The machine at `host`, to give it commands. What it wants to send leaves with the next [`World::drive`].
    pub fn machine_mut(&mut self, host: HostId) -> &mut M {
        self.touch(host);
        &mut self.hosts[host.0].machine
    }

    /// The oldest event of `host` that was not taken yet.
    pub fn poll_event(&mut self, host: HostId) -> Option<M::Event> {
        self.hosts[host.0].events.pop_front()
    }

    /// All events of `host` that were not taken yet.
    pub fn take_events(&mut self, host: HostId) -> Vec<M::Event> {
        self.hosts[host.0].events.drain(..).collect()
    }

    /// Does all that is due at the present moment, and what follows from it without time passing.
    ///
    /// # Panics
    ///
    /// If that never ends: a machine sends without end or asks for the same moment again and again, or two answer each other
    /// for ever.
    pub fn drive(&mut self) {
        for _ in 0..MOST_ROUNDS_PER_MOMENT {
            let carried = self.carry_due();
            let woken = self.wake_due();
            let drained = self.drain_touched();
            if !(carried || woken || drained) {
                return;
            }
        }
        panic!(
            "the world is busy for ever at {}, near {:?}",
            self.now,
            self.timers.first()
        );
    }

    /// The next moment at which something is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        let packet = self.due.first_key_value().map(|(due, _)| due.0);
        let timer = self.timers.first().map(|timer| timer.0);
        packet.into_iter().chain(timer).min()
    }

    /// Drives the present moment, then advances to the next one and drives that; `false` if nothing will ever be due.
    ///
    /// # Panics
    ///
    /// As [`World::drive`].
    pub fn step(&mut self) -> bool {
        self.drive();
        let Some(next) = self.next_due() else {
            return false;
        };
        self.now = self.now.max(next);
        self.drive();
        true
    }

    /// Lets `duration` pass.
    ///
    /// # Panics
    ///
    /// As [`World::drive`].
    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(duration, |_| false);
    }

    /// Steps until `done` says so, for at most `limit`; whether it did. `done` is asked after each moment.
    ///
    /// # Panics
    ///
    /// As [`World::drive`].
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            self.drive();
            if done(self) {
                return true;
            }
            // What `done` commanded counts for this moment.
            self.drive();
            match self.next_due() {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => {
                    self.now = end;
                    self.drive();
                    return done(self);
                }
            }
        }
    }

    fn carry_due(&mut self) -> bool {
        let mut any = false;
        while let Some(entry) = self.due.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let hop = entry.remove();
            any = true;
            self.take_hop(hop);
        }
        any
    }

    fn wake_due(&mut self) -> bool {
        let mut any = false;
        while let Some(&(at, key, host)) = self.timers.first() {
            if at > self.now {
                break;
            }
            self.timers.remove(&(at, key, host));
            let state = &mut self.hosts[host.0];
            state.timer = None;
            let now = state.clock.at(self.now);
            if state.is_up() {
                state.machine.handle_timeout(now);
                self.stats.timeouts += 1;
                self.touch(host);
            }
            any = true;
        }
        any
    }

    fn drain_touched(&mut self) -> bool {
        let touched = core::mem::take(&mut self.touched);
        let any = !touched.is_empty();
        for (_, host) in touched {
            if !self.hosts[host.0].is_up() {
                continue;
            }
            self.drain(host);
            self.rearm(host);
        }
        any
    }

    fn rearm(&mut self, host: HostId) {
        let state = &mut self.hosts[host.0];
        if let Some(before) = state.timer.take() {
            self.timers.remove(&(before, state.key, host));
        }
        let deadline = state
            .is_up()
            .then(|| state.machine.poll_timeout())
            .flatten();
        // A deadline at the end of time is none.
        let Some(deadline) = deadline.filter(|&deadline| deadline != Instant::MAX) else {
            return;
        };
        let at = state.clock.when(deadline).max(self.now);
        state.timer = Some(at);
        self.timers.insert((at, state.key, host));
    }

    fn touch(&mut self, host: HostId) {
        self.touched.insert((self.hosts[host.0].key, host));
    }

    fn enqueue(&mut self, at: Instant, hop: Hop) {
        let target = match &hop {
            Hop::Zone(zone, _) => self.zones[zone.0].key,
            Hop::Outbound(gateway, _) | Hop::Inbound(gateway, _) => self.gateways[gateway.0].key,
            Hop::Host(host, _) => self.hosts[host.0].key,
        };
        self.enqueued += 1;
        self.due.insert((at, target, self.enqueued), hop);
    }
}

impl<M: Machine> core::fmt::Debug for World<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("World")
            .field("now", &self.now)
            .field("hosts", &self.hosts.len())
            .field("boxes", &self.gateways.len())
            .field("in_flight", &self.due.len())
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
