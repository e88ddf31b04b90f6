//! What a game holds after hours of traffic, counted in the allocator.

use core::net::SocketAddr;
use core::time::Duration;
use gdwire::enet::DropReason;
use gdwire::session::{NodeConfig, NodeKey, PeerId, Relay, RpcConfig, Target, TransferMode};
use gdwire::{
    Client, ClientConfig, Event, Handled, Instant, Server, ServerConfig, Transmit, Value,
};
use peak_alloc::PeakAlloc;
use std::sync::{Mutex, PoisonError};
use testkit::{Blackout, Link, Machine, Network, NodeId};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;
/// Only one test at a time may allocate.
static ALONE: Mutex<()> = Mutex::new(());

const CLIENTS: u8 = 2;
const SERVER: &str = "10.0.0.1:9000";
const FRAME: Duration = Duration::from_millis(50);
const FRAMES_PER_MINUTE: i64 = 1200;
const HOUR: usize = 60;
/// What is held after so many minutes must be enough for ever.
const WARM_UP: usize = 5;
/// What all connections together may hold beyond that. One byte for each packet would be more than 100 KiB in an hour.
const SLACK_BYTES: usize = 16 << 10;

enum Node {
    Client(Box<Client>),
    Server(Box<Server>, NodeKey),
}

impl Machine for Node {
    type Event = Event;
    type Drop = DropReason;

    fn handle_datagram(
        &mut self,
        now: Instant,
        _local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<DropReason> {
        match self {
            Self::Client(client) => client.handle_datagram(now, from, data),
            Self::Server(server, _) => server.handle_datagram(now, from, data),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Client(client) => client.handle_timeout(now),
            Self::Server(server, _) => server.handle_timeout(now),
        }
    }

    fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        match self {
            Self::Client(client) => client.poll_transmit(now, buffer),
            Self::Server(server, _) => server.poll_transmit(now, buffer),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Client(client) => client.poll_timeout(),
            Self::Server(server, _) => server.poll_timeout(),
        }
    }

    /// The server answers each call with the same call, and clients take theirs.
    fn poll_event(&mut self) -> Option<Event> {
        match self {
            Self::Client(client) => {
                while let Some(event) = client.poll_event() {
                    assert!(!matches!(event, Event::Disconnected { .. }), "{event:?}");
                }
            }
            Self::Server(server, main) => {
                while let Some(event) = server.poll_event() {
                    if let Event::Rpc(call) = event {
                        let to = Target::Peer(call.peer);
                        server
                            .rpc(to, *main, &call.method, &call.arguments)
                            .unwrap();
                    }
                }
            }
        }
        None
    }

    fn buffer_bytes(&self) -> usize {
        Server::BUFFER
    }
}

impl Node {
    /// A call of a client.
    fn call(&mut self, main: NodeKey, method: &str, number: i64) {
        let Self::Client(client) = self else {
            panic!("not a client");
        };
        let arguments = [Value::Int(number)];
        client
            .rpc(PeerId::SERVER, main, method, &arguments)
            .unwrap();
    }
}

fn main_node() -> NodeConfig {
    NodeConfig::new("Main")
        .rpc(RpcConfig::new("ping").any_peer())
        .rpc(
            RpcConfig::new("whisper")
                .any_peer()
                .transfer(TransferMode::Unreliable),
        )
}

fn client(number: u8, main: NodeKey) -> Client {
    let mut config = ClientConfig::new([number + 100; 32]);
    config.session.relay = Relay::Disabled;
    config.session.id = PeerId::new(100 + i32::from(number)).unwrap();
    let mut client = Client::new(config).unwrap();
    assert_eq!(client.add_node(main_node()), Ok(main));
    client
}

/// Lets each client make these calls in each frame of an hour, and gives the bytes that server and clients hold after each
/// minute.
fn play(link: Link, methods: &[&str]) -> Vec<usize> {
    let mut network = Network::new(7, link);
    let mut config = ServerConfig::new([1; 32]);
    config.session.relay = Relay::Disabled;
    let mut server = Server::new(config).unwrap();
    let main = server.add_node(main_node()).unwrap();
    let address = SERVER.parse().unwrap();
    network.add(address, Node::Server(Box::new(server), main));
    let clients: Vec<NodeId> = (0..CLIENTS)
        .map(|number| {
            let mut client = client(number, main);
            client.connect(network.now(), address).unwrap();
            let own = SocketAddr::from(([10, 0, 1, number], 4000));
            network.add(own, Node::Client(Box::new(client)))
        })
        .collect();
    network.run_for(Duration::from_secs(3));
    let mut held = Vec::with_capacity(HOUR);
    for _ in 0..HOUR {
        for number in 0..FRAMES_PER_MINUTE {
            for (&client, method) in clients.iter().zip(methods.iter().cycle()) {
                network.machine_mut(client).call(main, method, number);
            }
            network.run_for(FRAME);
        }
        held.push(ALLOCATOR.current_usage());
    }
    held
}

#[track_caller]
fn assert_flat(held: &[usize]) {
    let (first, rest) = held.split_at(WARM_UP);
    let (most_at_first, most) = (first.iter().max(), rest.iter().max());
    let (Some(most_at_first), Some(most)) = (most_at_first, most) else {
        panic!("too short");
    };
    assert!(*most <= most_at_first + SLACK_BYTES, "{held:?}");
}

#[test]
fn an_hour_of_calls_that_are_answered_before_the_next_takes_no_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let link = Link::with_latency(Duration::from_millis(10));
    assert_flat(&play(link, &["ping"]));
}

#[test]
fn an_hour_of_calls_with_losses_jitter_and_stalls_takes_no_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let link = Link {
        latency: Duration::from_millis(25),
        jitter: Duration::from_millis(10),
        loss: 4,
        blackout: Some(Blackout {
            every: Duration::from_secs(97),
            lasts: Duration::from_millis(700),
        }),
        ..Link::PERFECT
    };
    assert_flat(&play(link, &["ping", "whisper"]));
}

#[test]
fn an_hour_of_silence_takes_no_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let link = Link::with_latency(Duration::from_millis(10));
    assert_flat(&play(link, &[]));
}
