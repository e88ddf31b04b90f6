//! Two agents with TCP candidates, and connections between them in virtual time.
#![allow(dead_code, reason = "each test program uses a part")]

use super::{agent, introduce};
use alloc::collections::BTreeMap;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use ice_lite::{
    Agent, Config, ConnectionId, Event, LocalCandidate, State, TcpAction, TcpType, Transport,
};
use proto_core::{Handled, Instant};
use stun_proto::{Framed, Framer, Framing};

/// One way.
const LATENCY: Duration = Duration::from_millis(10);

/// What becomes of a connection that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listeners {
    /// Who listens accepts.
    Accept,
    /// Nobody listens.
    Refuse,
    /// Nothing comes back.
    Swallow,
}

/// An agent and one of its connections.
type End = (usize, ConnectionId);

enum Due {
    Datagram(usize, SocketAddr, SocketAddr, Vec<u8>),
    Open(End, SocketAddr, SocketAddr),
    Opened(End, SocketAddr),
    Bytes(End, Vec<u8>),
    Closed(End),
}

struct Stream {
    peer: Option<End>,
    framer: Framer,
    /// Of one that is being opened: from where to where.
    opening: Option<(SocketAddr, SocketAddr)>,
}

impl Stream {
    fn new(peer: Option<End>, opening: Option<(SocketAddr, SocketAddr)>) -> Self {
        Self {
            peer,
            framer: Framer::new(Framing::LengthPrefix),
            opening,
        }
    }
}

/// The two, and what is between them.
pub(crate) struct Streams {
    pub(crate) now: Instant,
    pub(crate) agents: [Agent; 2],
    /// All events so far.
    pub(crate) events: [Vec<Event>; 2],
    /// Data that came.
    pub(crate) data: [Vec<Vec<u8>>; 2],
    pub(crate) listeners: Listeners,
    /// Whether datagrams come through.
    pub(crate) udp: bool,
    /// Whether connections carry anything.
    pub(crate) mute: bool,
    /// What the other side sees of those who connect.
    pub(crate) nat: Option<IpAddr>,
    /// Requests that were written by each.
    pub(crate) requests: [usize; 2],
    due: BTreeMap<(Instant, u64), Due>,
    streams: BTreeMap<End, Stream>,
    order: u64,
    ports: u16,
}

impl Streams {
    pub(crate) fn address(index: usize) -> SocketAddr {
        ["192.0.2.1:4000", "198.51.100.2:4000"][index]
            .parse()
            .expect("an address")
    }

    /// Agents with one TCP candidate each, which do not know each other.
    pub(crate) fn new(configs: [Config; 2], kinds: [TcpType; 2]) -> Self {
        let mut streams = Self::bare(configs);
        for (index, kind) in kinds.into_iter().enumerate() {
            streams.add(index, kind, 4000);
        }
        streams
    }

    /// Agents without candidates.
    pub(crate) fn bare(configs: [Config; 2]) -> Self {
        Self {
            now: Instant::from_millis(1000),
            agents: configs.map(agent),
            events: [Vec::new(), Vec::new()],
            data: [Vec::new(), Vec::new()],
            listeners: Listeners::Accept,
            udp: false,
            mute: false,
            nat: None,
            requests: [0; 2],
            due: BTreeMap::new(),
            streams: BTreeMap::new(),
            order: 0,
            ports: 50_000,
        }
    }

    pub(crate) fn add(&mut self, index: usize, kind: TcpType, port: u16) {
        let port = if kind == TcpType::Active { 9 } else { port };
        let address = SocketAddr::new(Self::address(index).ip(), port);
        let candidate = LocalCandidate::host(address).with_transport(Transport::Tcp(kind));
        let added = self.agents[index].add_local(self.now, candidate);
        assert!(added.is_ok(), "{added:?}");
    }

    pub(crate) fn add_udp(&mut self, index: usize) {
        let candidate = LocalCandidate::host(Self::address(index));
        let added = self.agents[index].add_local(self.now, candidate);
        assert!(added.is_ok(), "{added:?}");
    }

    pub(crate) fn introduce(&mut self) {
        for agent in &mut self.agents {
            agent.end_of_local_candidates(self.now);
        }
        let [one, other] = &mut self.agents;
        introduce(self.now, one, other);
    }

    /// Both complete; whether they do within 5 s.
    pub(crate) fn connect(&mut self) -> bool {
        self.introduce();
        self.run_until(Duration::from_secs(5), |streams| {
            let mut agents = streams.agents.iter();
            agents.all(|agent| agent.state() == State::Completed)
        })
    }

    fn plan(&mut self, due: Due) {
        self.order += 1;
        self.due.insert((self.now + LATENCY, self.order), due);
    }

    /// Data over the path of one, whatever that is.
    pub(crate) fn send(&mut self, index: usize, data: &[u8]) {
        let mut out = Vec::new();
        let sent = self.agents[index].send_framed(self.now, data, &mut out);
        let connection = sent.expect("a connection");
        self.put((index, connection), &out);
    }

    fn put(&mut self, from: End, bytes: &[u8]) {
        let to = self.streams.get(&from).and_then(|stream| stream.peer);
        if let Some(to) = to.filter(|_| !self.mute) {
            // Streams have no edges.
            let (head, tail) = bytes.split_at(bytes.len() / 3);
            self.plan(Due::Bytes(to, head.to_vec()));
            self.plan(Due::Bytes(to, tail.to_vec()));
        }
    }

    /// Closes all connections as if their computers had gone.
    pub(crate) fn cut(&mut self) {
        for (index, id) in core::mem::take(&mut self.streams).into_keys() {
            self.agents[index].handle_closed(self.now, id);
        }
    }

    /// How many connections an agent has.
    pub(crate) fn count(&self, index: usize) -> usize {
        self.streams.keys().filter(|end| end.0 == index).count()
    }

    /// A stranger connects to the listener of an agent; the id, if it is taken.
    pub(crate) fn accept(&mut self, index: usize, from: &str) -> Option<ConnectionId> {
        let from = from.parse().expect("an address");
        let listener = Self::address(index);
        let accepted = self.agents[index].handle_accepted(self.now, listener, from);
        let id = accepted.ok()?;
        self.streams.insert((index, id), Stream::new(None, None));
        Some(id)
    }

    pub(crate) fn run(&mut self, duration: Duration) {
        self.run_until(duration, |_| false);
    }

    pub(crate) fn run_until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&mut Self) -> bool,
    ) -> bool {
        let end = self.now + limit;
        loop {
            for index in 0..2 {
                self.collect(index);
            }
            if done(self) {
                return true;
            }
            let timers = self.agents.iter().filter_map(Agent::poll_timeout);
            let first = self.due.keys().next().map(|&(at, _)| at);
            let next = timers.chain(first).min();
            let Some(next) = next.filter(|&next| next <= end) else {
                self.now = end;
                return false;
            };
            self.now = self.now.max(next);
            while let Some(entry) = self.due.first_entry() {
                if entry.key().0 > self.now {
                    break;
                }
                let due = entry.remove();
                self.happen(due);
            }
            for agent in &mut self.agents {
                agent.handle_timeout(self.now);
            }
        }
    }

    fn collect(&mut self, index: usize) {
        let mut buffer = [0; Agent::BUFFER];
        while let Some(transmit) = self.agents[index].poll_transmit(self.now, &mut buffer) {
            let from = transmit.source.expect("a base");
            let bytes = buffer[transmit.bytes].to_vec();
            if self.udp {
                self.plan(Due::Datagram(1 - index, transmit.destination, from, bytes));
            }
        }
        while let Some(event) = self.agents[index].poll_event() {
            match &event {
                Event::Tcp(TcpAction::Connect {
                    connection,
                    local,
                    remote,
                    kind,
                }) => {
                    let mut local = *local;
                    if *kind == TcpType::Active {
                        local.set_port(self.ports);
                        self.ports += 1;
                    }
                    let end = (index, *connection);
                    let stream = Stream::new(None, Some((local, *remote)));
                    self.streams.insert(end, stream);
                    self.plan(Due::Open(end, local, *remote));
                }
                Event::Tcp(TcpAction::Write { connection, bytes }) => {
                    assert_eq!(
                        usize::from(bytes[0]) << 8 | usize::from(bytes[1]),
                        bytes.len() - 2
                    );
                    self.requests[index] += usize::from(bytes[2..4] == [0, 1]);
                    self.put((index, *connection), bytes);
                }
                Event::Tcp(TcpAction::Close { connection }) => {
                    let stream = self.streams.remove(&(index, *connection));
                    let stream = stream.expect("each connection is closed once");
                    if let Some(peer) = stream.peer {
                        self.plan(Due::Closed(peer));
                    }
                }
                _ => {}
            }
            self.events[index].push(event);
        }
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Datagram(to, local, from, bytes) => {
                let _ = self.agents[to].handle_datagram(self.now, local, from, &bytes);
            }
            Due::Open(end, local, remote) => self.open(end, local, remote),
            Due::Opened(end, local) => {
                if let Some(stream) = self.streams.get_mut(&end) {
                    stream.opening = None;
                    self.agents[end.0].handle_connected(self.now, end.1, local);
                }
            }
            Due::Bytes(end, bytes) => self.take_bytes(end, &bytes),
            Due::Closed(end) => {
                if self.streams.remove(&end).is_some() {
                    self.agents[end.0].handle_closed(self.now, end.1);
                }
            }
        }
    }

    fn open(&mut self, end: End, local: SocketAddr, remote: SocketAddr) {
        let other = 1 - end.0;
        if self.listeners == Listeners::Swallow || !self.streams.contains_key(&end) {
            return;
        }
        // SYN crosses SYN.
        let met = self.streams.iter().find_map(|(&known, stream)| {
            (known.0 == other && stream.opening == Some((remote, local))).then_some(known)
        });
        let peer = met.or_else(|| {
            let seen = self
                .nat
                .map_or(local, |ip| SocketAddr::new(ip, local.port()));
            let accepts = self.listeners == Listeners::Accept;
            let agent = &mut self.agents[other];
            let accepted = accepts.then(|| agent.handle_accepted(self.now, remote, seen));
            Some((other, accepted?.ok()?))
        });
        let Some(peer) = peer else {
            self.plan(Due::Closed(end));
            return;
        };
        let other = self
            .streams
            .entry(peer)
            .or_insert_with(|| Stream::new(None, None));
        other.peer = Some(end);
        if let Some(stream) = self.streams.get_mut(&end) {
            stream.peer = Some(peer);
        }
        self.plan(Due::Opened(end, local));
    }

    fn take_bytes(&mut self, end: End, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some(stream) = self.streams.get_mut(&end) else {
                return;
            };
            let framed = stream.framer.handle_bytes(self.now, rest);
            let Framed { used, frame, .. } = framed.expect("an agent keeps the framing");
            rest = &rest[used..];
            let Some(frame) = frame else {
                return;
            };
            let packet = frame.as_bytes();
            let handled = self.agents[end.0].handle_packet(self.now, end.1, packet);
            if let Handled::Inner { bytes, .. } = handled {
                self.data[end.0].push(packet[bytes].to_vec());
            }
        }
    }
}
