//! Machines on a simulated network with virtual time: [`Network`] and [`Pair`].

use crate::link::{Fate, LinkState};
use crate::{Dice, Link, Machine, Transcript};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use proto_core::{Handled, Instant};

/// How often one moment may repeat before the network calls it a busy loop.
const MOST_ROUNDS_PER_MOMENT: usize = 20_000;

/// A machine on a [`Network`], by the order of its joining.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

/// Any number of machines, each at an address, with a [`Link`] in each direction and one virtual clock.
///
/// Nothing here reads a clock or a global generator: the seed fixes every loss and every delay, and the dice of a link
/// depend on its two addresses and not on who joined first. Time jumps from one moment at which something is due to the
/// next.
pub struct Network<M: Machine> {
    now: Instant,
    dice: Dice,
    default_link: Link,
    links: BTreeMap<(SocketAddr, SocketAddr), LinkState>,
    nodes: Vec<Node<M>>,
    addresses: BTreeMap<SocketAddr, usize>,
    in_flight: BTreeMap<(Instant, u64), Datagram>,
    sent: u64,
    stats: NetworkStats,
    transcript: Option<Transcript>,
    buffer: Vec<u8>,
}

struct Node<M: Machine> {
    address: SocketAddr,
    machine: M,
    events: VecDeque<M::Event>,
    clock_offset_micros: i64,
}

struct Datagram {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// What a network has carried since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkStats {
    /// Datagrams that machines sent.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Datagrams that links lost.
    pub lost: u64,
    /// Copies that links made.
    pub duplicated: u64,
    /// Datagrams sent to addresses where no machine is.
    pub stray: u64,
    /// Their bytes.
    pub stray_bytes: u64,
    /// Datagrams that arrived and that a machine dropped.
    pub dropped: u64,
    /// Datagrams that arrived and that a machine said are not its own.
    pub not_mine: u64,
}

impl<M: Machine> Network<M> {
    /// An empty network at time zero, with `link` between all addresses.
    #[must_use]
    pub fn new(seed: u64, link: Link) -> Self {
        Self {
            now: Instant::ZERO,
            dice: Dice::new(seed),
            default_link: link,
            links: BTreeMap::new(),
            nodes: Vec::new(),
            addresses: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            sent: 0,
            stats: NetworkStats::default(),
            transcript: None,
            buffer: Vec::new(),
        }
    }

    /// Puts `machine` at `address`.
    ///
    /// # Panics
    ///
    /// If the address is taken.
    pub fn add(&mut self, address: SocketAddr, machine: M) -> NodeId {
        let id = self.nodes.len();
        let before = self.addresses.insert(address, id);
        assert!(before.is_none(), "two machines at {address}");
        let needed = machine.buffer_bytes();
        if self.buffer.len() < needed {
            self.buffer.resize(needed, 0);
        }
        self.nodes.push(Node {
            address,
            machine,
            events: VecDeque::new(),
            clock_offset_micros: 0,
        });
        NodeId(id)
    }

    /// Replaces the link from one address to another; what is under way stays so.
    pub fn set_link(&mut self, from: SocketAddr, to: SocketAddr, link: Link) {
        self.link_state(from, to).link = link;
    }

    /// Replaces all links, present and future.
    pub fn set_all_links(&mut self, link: Link) {
        self.default_link = link;
        for state in self.links.values_mut() {
            state.link = link;
        }
    }

    /// Lets the clock of `node` differ from the network's by so many microseconds, from now on.
    pub fn set_clock_offset(&mut self, node: NodeId, micros: i64) {
        self.nodes[node.0].clock_offset_micros = micros;
    }

    /// Writes every datagram and event into a [`Transcript`] from now on.
    pub fn record(&mut self, transcript: Transcript) {
        self.transcript = Some(transcript);
    }

    /// The transcript so far, if one is written.
    #[must_use]
    pub const fn transcript(&self) -> Option<&Transcript> {
        self.transcript.as_ref()
    }

    /// The time of the network.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The time that `node` sees.
    #[must_use]
    pub fn now_at(&self, node: NodeId) -> Instant {
        shift(self.now, self.nodes[node.0].clock_offset_micros)
    }

    /// What was carried so far.
    #[must_use]
    pub const fn stats(&self) -> NetworkStats {
        self.stats
    }

    /// How many datagrams are under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The address of `node`.
    #[must_use]
    pub fn address(&self, node: NodeId) -> SocketAddr {
        self.nodes[node.0].address
    }

    /// The machine at `node`, to look at.
    #[must_use]
    pub fn machine(&self, node: NodeId) -> &M {
        &self.nodes[node.0].machine
    }

    /// The machine at `node`, to give it commands. What it wants to send leaves with the next [`Network::drive`].
    pub fn machine_mut(&mut self, node: NodeId) -> &mut M {
        &mut self.nodes[node.0].machine
    }

    /// The oldest event of `node` that was not taken yet.
    pub fn poll_event(&mut self, node: NodeId) -> Option<M::Event> {
        self.nodes[node.0].events.pop_front()
    }

    /// All events of `node` that were not taken yet.
    pub fn take_events(&mut self, node: NodeId) -> Vec<M::Event> {
        self.nodes[node.0].events.drain(..).collect()
    }

    /// Delivers `bytes` to `to` in the next round, as if from `from`, past all links: what an attacker does.
    pub fn inject(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let datagram = Datagram {
            from,
            to,
            bytes: bytes.to_vec(),
        };
        self.enqueue(self.now, datagram);
    }

    /// Hands `bytes` to the machine at `node` at once and gives its verdict.
    pub fn deliver(&mut self, node: NodeId, from: SocketAddr, bytes: &[u8]) -> Handled<M::Drop> {
        let now = self.now_at(node);
        let node = &mut self.nodes[node.0];
        node.machine.handle_datagram(now, node.address, from, bytes)
    }

    /// Does all that is due at the present moment, and what follows from it without time passing.
    ///
    /// # Panics
    ///
    /// If that never ends: a machine asks for the same moment again and again, or two answer each other for ever.
    pub fn drive(&mut self) {
        for _ in 0..MOST_ROUNDS_PER_MOMENT {
            let arrived = self.deliver_due();
            let expired = self.expire_due();
            let sent = self.transmit();
            if !(arrived || expired || sent) {
                return;
            }
        }
        panic!(
            "the network is still busy after {MOST_ROUNDS_PER_MOMENT} rounds at {}; deadlines: {:?}",
            self.now,
            self.nodes
                .iter()
                .map(|node| node.machine.poll_timeout())
                .collect::<Vec<_>>()
        );
    }

    /// When the next thing is due: a datagram arrives or a machine has a deadline.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        let arrival = self.in_flight.keys().next().map(|&(at, _)| at);
        let deadlines = self.nodes.iter().filter_map(|node| {
            let deadline = node.machine.poll_timeout()?;
            Some(shift(deadline, node.clock_offset_micros.saturating_neg()))
        });
        deadlines.chain(arrival).min()
    }

    /// Drives the present moment, then advances to the next one and drives that; `false` if nothing will ever be due.
    ///
    /// # Panics
    ///
    /// As [`Network::drive`].
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
    /// As [`Network::drive`].
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.run_until(duration, |_| false);
        self.now = end;
        self.drive();
    }

    /// Steps until `done` says so, for at most `limit`; whether it did. `done` is asked after each moment.
    ///
    /// # Panics
    ///
    /// As [`Network::drive`].
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + limit;
        self.drive();
        loop {
            if done(self) {
                return true;
            }
            self.drive();
            match self.next_due() {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => {
                    self.now = end;
                    return done(self);
                }
            }
            self.drive();
        }
    }

    /// Lets time pass in which nothing happens at all: a network that is cut off and drivers that sleep.
    pub fn skip(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    fn deliver_due(&mut self) -> bool {
        let mut any = false;
        // What these cause at the same moment waits for the next round, so that one round is finite.
        let last = self.sent;
        while let Some(entry) = self.in_flight.first_entry() {
            let &(at, number) = entry.key();
            if at > self.now || number >= last {
                break;
            }
            let datagram = entry.remove();
            any = true;
            if let Some(&node) = self.addresses.get(&datagram.to) {
                let verdict = self.deliver(NodeId(node), datagram.from, &datagram.bytes);
                self.note_verdict(&datagram, &verdict);
            } else {
                self.stats.stray += 1;
                self.stats.stray_bytes += datagram.bytes.len() as u64;
            }
        }
        any
    }

    fn note_verdict(&mut self, datagram: &Datagram, verdict: &Handled<M::Drop>) {
        match verdict {
            Handled::Dropped(_) => self.stats.dropped += 1,
            Handled::NotMine => self.stats.not_mine += 1,
            Handled::Consumed | Handled::Inner { .. } => return,
        }
        if let Some(transcript) = &mut self.transcript {
            transcript.verdict(self.now, datagram.to, verdict);
        }
    }

    fn expire_due(&mut self) -> bool {
        let mut any = false;
        for node in &mut self.nodes {
            let now = shift(self.now, node.clock_offset_micros);
            let deadline = node.machine.poll_timeout();
            if deadline.is_some_and(|deadline| deadline <= now) {
                node.machine.handle_timeout(now);
                any = true;
            }
        }
        any
    }

    fn transmit(&mut self) -> bool {
        let mut any = false;
        let mut buffer = core::mem::take(&mut self.buffer);
        for index in 0..self.nodes.len() {
            let now = self.now_at(NodeId(index));
            while let Some(transmit) = self.nodes[index].machine.poll_transmit(now, &mut buffer) {
                any = true;
                let from = transmit.source.unwrap_or(self.nodes[index].address);
                self.send(from, transmit.destination, &buffer[transmit.bytes]);
            }
            any |= self.drain_events(index);
        }
        self.buffer = buffer;
        any
    }

    fn drain_events(&mut self, index: usize) -> bool {
        let node = &mut self.nodes[index];
        let mut any = false;
        while let Some(event) = node.machine.poll_event() {
            any = true;
            if let Some(transcript) = &mut self.transcript {
                transcript.event(self.now, node.address, &event);
            }
            node.events.push_back(event);
        }
        any
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        self.stats.sent += 1;
        self.stats.sent_bytes += bytes.len() as u64;
        let now = self.now;
        let fate = if self.addresses.contains_key(&to) {
            self.link_state(from, to).pass(now, bytes.len())
        } else {
            // A stranger's address gets no link of its own, so a flood of them costs no memory.
            Fate {
                arrivals: [Some(now), None],
                ..Fate::default()
            }
        };
        if let Some(transcript) = &mut self.transcript {
            transcript.datagram(now, from, to, bytes, &fate.arrivals);
        }
        self.stats.lost += u64::from(fate.arrivals[0].is_none());
        self.stats.duplicated += u64::from(fate.arrivals[1].is_some());
        for arrival in fate.arrivals.into_iter().flatten() {
            let mut bytes = bytes.to_vec();
            fate.spoil(&mut bytes);
            self.enqueue(arrival, Datagram { from, to, bytes });
        }
    }

    fn enqueue(&mut self, at: Instant, datagram: Datagram) {
        self.in_flight.insert((at, self.sent), datagram);
        self.sent += 1;
    }

    fn link_state(&mut self, from: SocketAddr, to: SocketAddr) -> &mut LinkState {
        let (dice, link) = (&self.dice, self.default_link);
        self.links.entry((from, to)).or_insert_with(|| {
            let mut label = address_bytes(from);
            label.extend(address_bytes(to));
            LinkState::new(link, Rc::from(""), dice.part(&label))
        })
    }
}

impl<M: Machine> core::fmt::Debug for Network<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Network")
            .field("now", &self.now)
            .field("addresses", &self.addresses)
            .field("in_flight", &self.in_flight.len())
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

/// Two machines on a network of their own.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a bundle of three names and nothing else"
)]
pub struct Pair<M: Machine> {
    /// Where they are.
    pub network: Network<M>,
    /// The first machine, at [`Pair::CLIENT`].
    pub client: NodeId,
    /// The second machine, at [`Pair::SERVER`].
    pub server: NodeId,
}

impl<M: Machine> Pair<M> {
    /// The address of the client.
    pub const CLIENT: SocketAddr =
        SocketAddr::new(IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 1)), 40_001);
    /// The address of the server.
    pub const SERVER: SocketAddr =
        SocketAddr::new(IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 2)), 7777);

    /// A network with `link` in both directions.
    #[must_use]
    pub fn new(seed: u64, link: Link, client: M, server: M) -> Self {
        let mut network = Network::new(seed, link);
        let client = network.add(Self::CLIENT, client);
        let server = network.add(Self::SERVER, server);
        Self {
            network,
            client,
            server,
        }
    }
}

fn shift(instant: Instant, micros: i64) -> Instant {
    if instant == Instant::MAX {
        return instant;
    }
    Instant::from_micros(instant.as_micros().saturating_add_signed(micros))
}

fn address_bytes(address: SocketAddr) -> Vec<u8> {
    let mut bytes = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    bytes.extend(address.port().to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests;
