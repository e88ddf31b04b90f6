//! Servers and clients on a simulated network with virtual time.

use core::net::SocketAddr;
use core::time::Duration;
use gdwire::enet::DropReason;
use gdwire::session::{NodeConfig, NodeKey, PeerId, RpcConfig, Target, TransferMode};
use gdwire::{
    Client, ClientConfig, Event, Handled, Instant, Server, ServerConfig, Transmit, Value,
};
use testkit::{Link, Machine, Network, NodeId};

pub(crate) const SERVER: &str = "10.0.0.1:9000";

/// Either machine.
#[derive(Debug)]
pub(crate) enum Node {
    Client(Box<Client>),
    Server(Box<Server>),
    /// A server whose application takes no events.
    Sleeper(Box<Server>),
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
            Self::Server(server) | Self::Sleeper(server) => server.handle_datagram(now, from, data),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Client(client) => client.handle_timeout(now),
            Self::Server(server) | Self::Sleeper(server) => server.handle_timeout(now),
        }
    }

    fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        match self {
            Self::Client(client) => client.poll_transmit(now, buffer),
            Self::Server(server) | Self::Sleeper(server) => server.poll_transmit(now, buffer),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Client(client) => client.poll_timeout(),
            Self::Server(server) | Self::Sleeper(server) => server.poll_timeout(),
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        match self {
            Self::Client(client) => client.poll_event(),
            Self::Server(server) => server.poll_event(),
            Self::Sleeper(_) => None,
        }
    }

    fn buffer_bytes(&self) -> usize {
        Server::BUFFER
    }
}

/// A server and clients, all with the node `Main` and its methods.
pub(crate) struct World {
    pub(crate) network: Network<Node>,
    pub(crate) server: NodeId,
    pub(crate) main: NodeKey,
    clients: u8,
}

/// `Main`: one method per transfer mode and some channels.
pub(crate) fn main_node() -> NodeConfig {
    NodeConfig::new("Main")
        .rpc(RpcConfig::new("say").any_peer())
        .rpc(RpcConfig::new("tell"))
        .rpc(
            RpcConfig::new("whisper")
                .any_peer()
                .transfer(TransferMode::Unreliable)
                .channel(3),
        )
}

impl World {
    /// A world with 20 ms between any two places.
    pub(crate) fn new() -> Self {
        Self::with(ServerConfig::new([1; 32]))
    }

    /// The same with another server.
    pub(crate) fn with(config: ServerConfig) -> Self {
        let mut network = Network::new(7, Link::with_latency(Duration::from_millis(20)));
        let mut server = Server::new(config).unwrap();
        let main = server.add_node(main_node()).unwrap();
        let server = network.add(SERVER.parse().unwrap(), Node::Server(Box::new(server)));
        Self {
            network,
            server,
            main,
            clients: 0,
        }
    }

    /// Settings of the next client, with id `id`.
    pub(crate) fn client_config(&self, id: i32) -> ClientConfig {
        let mut config = ClientConfig::new([self.clients + 100; 32]);
        config.session.id = PeerId::new(id).unwrap();
        config
    }

    /// Adds a client that starts to connect.
    pub(crate) fn connect(&mut self, config: ClientConfig) -> NodeId {
        self.clients += 1;
        let mut client = Client::new(config).unwrap();
        assert_eq!(client.add_node(main_node()), Ok(self.main));
        let now = self.network.now();
        client.connect(now, SERVER.parse().unwrap()).unwrap();
        let address = SocketAddr::from(([10, 0, 1, self.clients], 4000));
        self.network.add(address, Node::Client(Box::new(client)))
    }

    /// Adds a client and lets it join; the events of that are taken.
    pub(crate) fn join(&mut self, id: i32) -> NodeId {
        let config = self.client_config(id);
        let client = self.connect(config);
        self.network.run_for(Duration::from_millis(500));
        assert!(self.client(client).is_connected(), "client {id} joined");
        self.network.take_events(client);
        self.network.take_events(self.server);
        client
    }

    pub(crate) fn client(&mut self, node: NodeId) -> &mut Client {
        match self.network.machine_mut(node) {
            Node::Client(client) => client,
            Node::Server(_) | Node::Sleeper(_) => panic!("not a client"),
        }
    }

    pub(crate) fn server(&mut self) -> &mut Server {
        match self.network.machine_mut(self.server) {
            Node::Server(server) | Node::Sleeper(server) => server,
            Node::Client(_) => panic!("not the server"),
        }
    }

    /// Sends the application of the server to sleep, or wakes it.
    pub(crate) fn sleeps(&mut self, asleep: bool) {
        let node = self.network.machine_mut(self.server);
        let vacant = Node::Server(Box::new(Server::new(ServerConfig::new([0; 32])).unwrap()));
        *node = match core::mem::replace(node, vacant) {
            Node::Server(server) | Node::Sleeper(server) if asleep => Node::Sleeper(server),
            Node::Server(server) | Node::Sleeper(server) => Node::Server(server),
            client @ Node::Client(_) => client,
        };
    }

    /// Calls `Main:method` from `node`.
    pub(crate) fn call(&mut self, node: NodeId, target: Target, method: &str, arguments: &[Value]) {
        let main = self.main;
        let sent = match self.network.machine_mut(node) {
            Node::Client(client) => client.rpc(target, main, method, arguments),
            Node::Server(server) | Node::Sleeper(server) => {
                server.rpc(target, main, method, arguments)
            }
        };
        sent.unwrap();
    }

    /// Lets time pass and gives the events of `node` as text, one line each.
    pub(crate) fn events(&mut self, node: NodeId, millis: u64) -> Vec<String> {
        self.network.run_for(Duration::from_millis(millis));
        self.network.take_events(node).iter().map(line).collect()
    }
}

/// The peer of this number.
pub(crate) fn peer(id: i32) -> PeerId {
    PeerId::new(id).unwrap()
}

/// The essence of an event.
pub(crate) fn line(event: &Event) -> String {
    match event {
        Event::AuthFailed { peer, reason } => format!("auth failed {peer}: {reason}"),
        Event::AuthReceived { peer, data } => format!("auth {peer}: {data:?}"),
        Event::AuthRemoteComplete { peer } => format!("auth complete {peer}"),
        Event::Authenticating { peer } => format!("authenticating {peer}"),
        Event::Connected { id } => format!("connected as {id}"),
        Event::ConnectionFailed { reason } => format!("connection failed: {reason}"),
        Event::Disconnected { reason } => format!("disconnected: {reason}"),
        Event::MethodMismatch(mismatch) => format!("mismatch {}: {}", mismatch.peer, mismatch.path),
        Event::Packet {
            peer,
            payload,
            mode,
            channel,
        } => format!("packet {peer} {mode} {channel}: {payload:?}"),
        Event::PeerConnected { peer } => format!("joined {peer}"),
        Event::PeerDisconnected { peer, reason } => format!("left {peer}: {reason}"),
        Event::Refused { data, reason, .. } => format!("refused {data}: {reason}"),
        Event::Rpc(call) => format!(
            "{} calls {}:{} {} {} {:?}",
            call.peer, call.path, call.method, call.mode, call.channel, call.arguments
        ),
        Event::SendFailed { peer, error } => format!("send failed {peer}: {error}"),
        other => format!("{other:?}"),
    }
}
