//! What the tests of the host share: the host as a machine of the test kit, pairs, payloads.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod raw;
pub(crate) mod recording;
pub(crate) mod replay;

use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use enet_proto::{Config, DropReason, Event, Host, PeerKey, Timeouts};
use proto_core::{Handled, Instant, Transmit};
use testkit::{Dice, Link, Machine, Network, NodeId, Pair};

pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A host on a network of the test kit.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) host: Host,
    /// The most bytes that one peer was seen to make us hold, after any call.
    pub(crate) most_held_bytes: usize,
}

impl End {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            host: Host::new(config).expect("the settings are legal"),
            most_held_bytes: 0,
        }
    }

    pub(crate) fn held_bytes(&self) -> usize {
        let views = self.host.peers().filter_map(|peer| self.host.peer(peer));
        views.map(|view| view.stats().held_bytes).max().unwrap_or(0)
    }
}

impl Machine for End {
    type Event = Event;
    type Drop = DropReason;

    fn handle_datagram(
        &mut self,
        now: Instant,
        _: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<DropReason> {
        let verdict = self.host.handle_datagram(now, from, data);
        self.most_held_bytes = self.most_held_bytes.max(self.held_bytes());
        verdict
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.host.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        self.host.poll_transmit(now, buf)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.host.poll_timeout()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.host.poll_event()
    }

    fn buffer_bytes(&self) -> usize {
        Host::BUFFER
    }
}

/// Defaults, but never a timeout: for tests of what a bad network does to data.
pub(crate) fn patient(seed: u8) -> Config {
    let mut config = Config::new([seed; 32]);
    config.timeouts = Timeouts {
        limit: u32::MAX,
        minimum: Duration::from_secs(3600),
        maximum: Duration::from_secs(3600),
    };
    config
}

/// Two connected hosts and their names for each other.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) network: Network<End>,
    pub(crate) client: NodeId,
    pub(crate) server: NodeId,
    /// The server, as the client names it.
    pub(crate) to_server: PeerKey,
    /// The client, as the server names it.
    pub(crate) to_client: PeerKey,
}

impl Session {
    /// Connects over a perfect link, which then becomes `link`.
    pub(crate) fn new(
        seed: u64,
        link: Link,
        client: Config,
        server: Config,
        channels: usize,
    ) -> Self {
        let pair = Pair::new(seed, Link::PERFECT, End::new(client), End::new(server));
        Self::connect(pair, link, channels)
    }

    /// Two patient hosts with defaults else.
    pub(crate) fn patient(seed: u64, link: Link, channels: usize) -> Self {
        Self::new(seed, link, patient(1), patient(2), channels)
    }

    pub(crate) fn connect(mut pair: Pair<End>, link: Link, channels: usize) -> Self {
        let now = pair.network.now_at(pair.client);
        let client = &mut pair.network.machine_mut(pair.client).host;
        let to_server = client
            .connect(now, Pair::<End>::SERVER, channels, 7)
            .expect("there is room");
        pair.network.run_for(10 * MILLISECOND);
        let events = pair.network.take_events(pair.server);
        let [
            Event::Connected {
                peer: to_client,
                data: 7,
            },
        ] = events[..]
        else {
            panic!("the server saw {events:?}");
        };
        let events = pair.network.take_events(pair.client);
        assert_eq!(
            events,
            [Event::Connected {
                peer: to_server,
                data: 0
            }]
        );
        pair.network.set_all_links(link);
        Self {
            network: pair.network,
            client: pair.client,
            server: pair.server,
            to_server,
            to_client,
        }
    }

    pub(crate) fn client(&mut self) -> &mut Host {
        &mut self.network.machine_mut(self.client).host
    }

    pub(crate) fn server(&mut self) -> &mut Host {
        &mut self.network.machine_mut(self.server).host
    }
}

/// A packet of `length` bytes that no other number gives.
pub(crate) fn payload(number: u32, length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    Dice::new(u64::from(number)).fill(&mut bytes);
    for (byte, number) in bytes.iter_mut().zip(number.to_be_bytes()) {
        *byte = number;
    }
    bytes.into()
}

/// The number of a packet of [`payload`] of at least four bytes, if it is whole and unaltered.
pub(crate) fn number_of(packet: &[u8]) -> Option<u32> {
    let number = u32::from_be_bytes(packet.first_chunk().copied()?);
    (payload(number, packet.len()) == packet).then_some(number)
}
