//! Two hosts, one link each way, one virtual clock: [`World`].

use super::{End, Event, Flags, Kind, Settings};
use core::net::SocketAddr;
use core::time::Duration;
use testkit::{Link, Network, NodeId};

/// Who plays which part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pairing {
    /// Who calls.
    pub client: Kind,
    /// Who is called.
    pub server: Kind,
}

/// One of the two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who calls.
    Client,
    /// Who is called.
    Server,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Client, Self::Server];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// A client and a server on a simulated network.
#[derive(Debug)]
pub struct World {
    /// The network; give it more hosts or other links.
    pub network: Network<End>,
    /// The client's node.
    pub client: NodeId,
    /// The server's node.
    pub server: NodeId,
    /// The slot that the client gave to the latest connection.
    pub client_peer: usize,
    /// The slot that the server gave to the latest connection.
    pub server_peer: usize,
    inboxes: [Vec<Event>; 2],
}

impl World {
    /// Where the server is.
    pub const SERVER: SocketAddr = address(1);
    /// Where the client is.
    pub const CLIENT: SocketAddr = address(2);

    /// Two hosts that do not know of each other yet, 5 ms apart. The client's seed is the network's too.
    #[must_use]
    pub fn new(pairing: Pairing, client: &Settings, server: &Settings) -> Self {
        let mut network = Network::new(
            u64::from(client.seed),
            Link::with_latency(Duration::from_millis(5)),
        );
        let server = network.add(Self::SERVER, End::new(pairing.server, Self::SERVER, server));
        let client = network.add(Self::CLIENT, End::new(pairing.client, Self::CLIENT, client));
        Self {
            network,
            client,
            server,
            client_peer: 0,
            server_peer: 0,
            inboxes: [Vec::new(), Vec::new()],
        }
    }

    /// Two hosts with default settings, connected with four channels.
    #[must_use]
    pub fn connected(pairing: Pairing) -> Self {
        let mut world = Self::new(pairing, &Settings::default(), &Settings::default());
        world.connect(4);
        world
    }

    /// Connects the client and waits for both ends to say so.
    ///
    /// # Panics
    /// When they do not within a minute.
    pub fn connect(&mut self, channels: usize) {
        self.call(channels, 77);
        assert!(
            self.wait_connected(Duration::from_secs(60)),
            "no connection"
        );
    }

    /// Starts a connection.
    ///
    /// # Panics
    /// When the client refuses to.
    pub fn call(&mut self, channels: usize, data: u32) {
        let now = self.network.now();
        let client = self.network.machine_mut(self.client);
        self.client_peer = client
            .connect(now, Self::SERVER, channels, data)
            .expect("a free slot");
    }

    /// Waits for both ends to report the connection that was started last.
    pub fn wait_connected(&mut self, limit: Duration) -> bool {
        let start = Side::BOTH.map(|side| self.inbox(side).len());
        let mut peers = [None, None];
        let done = self.run_until(limit, |world| {
            for (index, side) in Side::BOTH.into_iter().enumerate() {
                for event in &world.inbox(side)[start[index]..] {
                    if let Event::Connected { peer, .. } = event {
                        peers[index] = Some(*peer);
                    }
                }
            }
            peers.iter().all(Option::is_some)
        });
        if let [Some(client), Some(server)] = peers {
            (self.client_peer, self.server_peer) = (client, server);
        }
        done
    }

    /// The node of a side.
    #[must_use]
    pub fn node(&self, side: Side) -> NodeId {
        match side {
            Side::Client => self.client,
            Side::Server => self.server,
        }
    }

    /// The slot in which a side keeps the latest connection.
    #[must_use]
    pub fn peer(&self, side: Side) -> usize {
        match side {
            Side::Client => self.client_peer,
            Side::Server => self.server_peer,
        }
    }

    /// A side's host.
    #[must_use]
    pub fn end(&self, side: Side) -> &End {
        self.network.machine(self.node(side))
    }

    /// A side's host, for commands.
    pub fn end_mut(&mut self, side: Side) -> &mut End {
        self.network.machine_mut(self.node(side))
    }

    /// Sends over the latest connection; whether the host took it.
    pub fn send(&mut self, from: Side, channel: u8, flags: Flags, payload: &[u8]) -> bool {
        let peer = self.peer(from);
        self.end_mut(from).send(peer, channel, flags, payload)
    }

    /// What a side has reported and was not taken yet.
    #[must_use]
    pub fn inbox(&self, side: Side) -> &[Event] {
        &self.inboxes[side as usize]
    }

    /// Takes what a side has reported.
    pub fn take(&mut self, side: Side) -> Vec<Event> {
        core::mem::take(&mut self.inboxes[side as usize])
    }

    /// Takes what a side has received: channel, flags and payload.
    pub fn take_received(&mut self, side: Side) -> Vec<(u8, Flags, Vec<u8>)> {
        let received = |event| match event {
            Event::Received {
                channel,
                flags,
                payload,
                ..
            } => Some((channel, flags, payload)),
            _ => None,
        };
        self.take(side).into_iter().filter_map(received).collect()
    }

    /// How many packets wait in a side's inbox.
    #[must_use]
    pub fn received(&self, side: Side) -> usize {
        self.inbox(side)
            .iter()
            .filter(|event| matches!(event, Event::Received { .. }))
            .count()
    }

    /// Replaces the links in both directions, present and future.
    pub fn set_link(&mut self, link: Link) {
        self.network.set_all_links(link);
    }

    /// Lets time pass.
    pub fn run_for(&mut self, duration: Duration) {
        self.network.run_for(duration);
        self.collect();
    }

    /// Lets time pass until `done` or the limit; whether `done`.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.network.now() + limit;
        loop {
            self.network.drive();
            self.collect();
            if done(self) {
                return true;
            }
            if self.network.now() >= end || !self.network.step() {
                return false;
            }
        }
    }

    /// Waits until a side has `count` packets in its inbox.
    pub fn wait_received(&mut self, side: Side, count: usize, limit: Duration) -> bool {
        self.run_until(limit, |world| world.received(side) >= count)
    }

    /// Waits until a side reports the end of a connection, and gives the data.
    pub fn wait_disconnected(&mut self, side: Side, limit: Duration) -> Option<u32> {
        let end = |world: &Self| {
            world.inbox(side).iter().find_map(|event| match event {
                Event::Disconnected { data, .. } => Some(*data),
                _ => None,
            })
        };
        self.run_until(limit, |world| end(world).is_some());
        end(self)
    }

    fn collect(&mut self) {
        for side in Side::BOTH {
            let events = self.network.take_events(self.node(side));
            self.inboxes[side as usize].extend(events);
        }
    }
}

const fn address(host: u8) -> SocketAddr {
    SocketAddr::new(
        core::net::IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, host)),
        7000,
    )
}

/// `length` bytes that differ with `number`, so that a mixed-up packet is noticed.
#[must_use]
pub fn payload(number: usize, length: usize) -> Vec<u8> {
    let mut dice = testkit::Dice::new(number as u64);
    let mut bytes = vec![0; length];
    dice.fill(&mut bytes);
    bytes
}
