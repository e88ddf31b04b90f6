//! Agents as machines of the test kit, and two of them on a network.
#![allow(dead_code, reason = "each test program uses a part")]

mod player;
pub(crate) mod script;
mod servers;
pub(crate) mod streams;
pub(crate) mod world;

use core::net::SocketAddr;
use core::time::Duration;
use ice_lite::{Agent, Config, DropReason, Event, LocalCandidate, Path, Role, State};
use proto_core::{Handled, Instant, Transmit};
use testkit::{Link, Machine, Network, NodeId, Pair};

/// An agent on a network.
#[derive(Debug)]
pub(crate) struct Peer(pub(crate) Agent);

impl Machine for Peer {
    type Event = Event;
    type Drop = DropReason;

    fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<DropReason> {
        self.0.handle_datagram(now, local, from, data)
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        self.0.poll_transmit(now, buf)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.0.poll_event()
    }

    fn buffer_bytes(&self) -> usize {
        Agent::BUFFER
    }
}

/// A configuration that no test depends on in detail.
pub(crate) fn config(seed: u8, role: Role) -> Config {
    Config::new([seed; 32], role)
}

/// An agent.
pub(crate) fn agent(config: Config) -> Agent {
    Agent::new(config).expect("a valid configuration")
}

/// Tells each agent the description of the other.
pub(crate) fn introduce(now: Instant, one: &mut Agent, other: &mut Agent) {
    let (first, second) = (one.description(), other.description());
    one.set_remote(now, &second).expect("a description");
    other.set_remote(now, &first).expect("a description");
}

/// Two agents with one host candidate each on a network of their own.
pub(crate) struct Two {
    pub(crate) pair: Pair<Peer>,
}

impl Two {
    pub(crate) const CLIENT: SocketAddr = Pair::<Peer>::CLIENT;
    pub(crate) const SERVER: SocketAddr = Pair::<Peer>::SERVER;

    pub(crate) fn new(seed: u64, link: Link, client: Config, server: Config) -> Self {
        let now = Instant::ZERO;
        let (mut client, mut server) = (agent(client), agent(server));
        for (agent, address) in [(&mut client, Self::CLIENT), (&mut server, Self::SERVER)] {
            agent
                .add_local(now, LocalCandidate::host(address))
                .expect("a host candidate");
            agent.end_of_local_candidates(now);
        }
        Self {
            pair: Pair::new(seed, link, Peer(client), Peer(server)),
        }
    }

    /// The usual two: the client controls.
    pub(crate) fn usual(seed: u64, link: Link) -> Self {
        Self::new(
            seed,
            link,
            config(1, Role::Controlling),
            config(2, Role::Controlled),
        )
    }

    pub(crate) fn network(&mut self) -> &mut Network<Peer> {
        &mut self.pair.network
    }

    pub(crate) fn client(&mut self) -> &mut Agent {
        let client = self.pair.client;
        &mut self.pair.network.machine_mut(client).0
    }

    pub(crate) fn server(&mut self) -> &mut Agent {
        let server = self.pair.server;
        &mut self.pair.network.machine_mut(server).0
    }

    pub(crate) fn nodes(&self) -> [NodeId; 2] {
        [self.pair.client, self.pair.server]
    }

    pub(crate) fn now(&self) -> Instant {
        self.pair.network.now()
    }

    /// Exchanges both descriptions at once.
    pub(crate) fn introduce(&mut self) {
        let now = self.now();
        let (first, second) = (self.client().description(), self.server().description());
        self.client()
            .set_remote(now, &second)
            .expect("a description");
        self.server()
            .set_remote(now, &first)
            .expect("a description");
    }

    /// Runs until both have chosen; whether they did within `limit`.
    pub(crate) fn complete(&mut self, limit: Duration) -> bool {
        let [client, server] = self.nodes();
        self.pair.network.run_until(limit, |network| {
            [client, server]
                .iter()
                .all(|&node| network.machine(node).0.state() == State::Completed)
        })
    }

    pub(crate) fn run(&mut self, duration: Duration) {
        self.pair.network.run_for(duration);
    }

    pub(crate) fn paths(&mut self) -> [Option<Path>; 2] {
        [self.client().path(), self.server().path()]
    }

    /// All events of both so far.
    pub(crate) fn events(&mut self) -> [Vec<Event>; 2] {
        self.nodes().map(|node| self.pair.network.take_events(node))
    }
}
