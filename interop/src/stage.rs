//! Engines and one server or client of ours in one game, over loopback UDP: [`Stage`].

use crate::engine::Engine;
use gdwire::drive::{self, blocking};
use gdwire::{Blueprint, Client, ClientConfig, DisconnectReason, Event, Server, ServerConfig};
use replication_proto::variant::Value;
use replication_proto::{
    MethodMismatch, NodeConfig, NodeKey, PeerId, RpcCall, RpcConfig, Session, Target, TransferMode,
};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The longest that a test waits for one thing.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long one look at our socket may block.
const TICK: Duration = Duration::from_millis(2);

/// Events of ours that are taken before the engines are heard again.
const EVENTS_PER_LOOK: usize = 64;

/// Path of the node with methods of every kind.
pub const CALLS: &str = "Peer/Calls";

/// Path of the node that sends back what it is asked.
pub const ECHO: &str = "Peer/Echo";

/// The methods of `calls.gd` that take one value of any type: name, mode, channel.
pub const ONE_VALUE: [(&str, TransferMode, u8); 7] = [
    ("reliable_on_0", TransferMode::Reliable, 0),
    ("ordered_on_0", TransferMode::UnreliableOrdered, 0),
    ("unreliable_on_0", TransferMode::Unreliable, 0),
    ("reliable_on_1", TransferMode::Reliable, 1),
    ("ordered_on_2", TransferMode::UnreliableOrdered, 2),
    ("unreliable_on_3", TransferMode::Unreliable, 3),
    ("reliable_on_100", TransferMode::Reliable, 100),
];

/// What `calls.gd` declares.
#[must_use]
pub fn calls_node() -> NodeConfig {
    let mut node = NodeConfig::new(CALLS);
    for (name, mode, channel) in ONE_VALUE {
        node = node.rpc(
            RpcConfig::new(name)
                .any_peer()
                .transfer(mode)
                .channel(channel),
        );
    }
    for name in ["no_arguments", "only_bytes", "many_arguments"] {
        node = node.rpc(RpcConfig::new(name).any_peer());
    }
    node.rpc(RpcConfig::new("by_authority"))
        .rpc(RpcConfig::new("local_too").any_peer().call_local())
}

/// What `echo.gd` declares.
#[must_use]
pub fn echo_node() -> NodeConfig {
    NodeConfig::new(ECHO)
        .rpc(RpcConfig::new("ask").any_peer())
        .rpc(RpcConfig::new("answer").any_peer())
}

/// Our part in the game.
#[derive(Debug)]
pub enum Ours {
    /// The server.
    Server(Box<blocking::ServerDriver>),
    /// One of the clients.
    Client(Box<blocking::ClientDriver>),
}

macro_rules! machine {
    ($ours:expr, $machine:ident => $call:expr) => {
        match $ours {
            Ours::Server(driver) => {
                let $machine = driver.server_mut();
                $call
            }
            Ours::Client(driver) => {
                let $machine = driver.client_mut();
                $call
            }
        }
    };
}

pub(crate) use machine;

/// A game: engines, and one server or client of ours.
#[derive(Debug)]
pub struct Stage {
    ours: Option<Ours>,
    /// The key of [`CALLS`].
    pub calls: NodeKey,
    /// The key of [`ECHO`].
    pub echo: NodeKey,
    /// What our side has reported so far, without calls of [`ECHO`].
    pub events: Vec<Event>,
    /// What others asked our side's [`ECHO`] for.
    pub asked: Vec<Value>,
    /// What others answered to our side's [`ECHO`]: token and value.
    pub answers: Vec<(Value, Value)>,
    /// How many states of peers our side has received, by path of the node: full ones, deltas.
    pub states: BTreeMap<String, (u64, u64)>,
    /// The engines, in order of their start.
    pub engines: Vec<Engine>,
    /// The engine to start from now on; the installed one if none is named here.
    pub program: Option<PathBuf>,
    port: u16,
}

/// Settings of a server with unpredictable seed.
///
/// # Panics
/// When the system has no randomness.
#[must_use]
pub fn server_config() -> ServerConfig {
    ServerConfig::new(drive::seed().expect("randomness"))
}

/// Settings of a client with unpredictable seed.
///
/// # Panics
/// When the system has no randomness.
#[must_use]
pub fn client_config() -> ClientConfig {
    ClientConfig::new(drive::seed().expect("randomness"))
}

impl Stage {
    /// A server of ours on a free port, with the given methods at [`CALLS`].
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn with_server(config: ServerConfig, calls: NodeConfig) -> Self {
        let mut server = Server::new(config).expect("good settings");
        let calls = server.add_node(calls).expect("a good node");
        let echo = server.add_node(echo_node()).expect("a good node");
        Self::serving(server, calls, echo)
    }

    /// A server of ours with what a project holds, [`CALLS`] and [`ECHO`] among it.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn with_project(blueprint: &Blueprint) -> Self {
        let mut server = Server::new(server_config()).expect("good settings");
        server.add_blueprint(blueprint).expect("a good project");
        let node = |path| server.session().node(path).expect("a node of the project");
        let (calls, echo) = (node(CALLS), node(ECHO));
        Self::serving(server, calls, echo)
    }

    /// A server of ours on a free port of `address`, with the usual methods.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn serving_at(address: IpAddr, config: ServerConfig) -> Self {
        let mut server = Server::new(config).expect("good settings");
        let calls = server.add_node(calls_node()).expect("a good node");
        let echo = server.add_node(echo_node()).expect("a good node");
        Self::bound(address, server, calls, echo)
    }

    fn serving(server: Server, calls: NodeKey, echo: NodeKey) -> Self {
        Self::bound(Ipv4Addr::LOCALHOST.into(), server, calls, echo)
    }

    fn bound(address: IpAddr, server: Server, calls: NodeKey, echo: NodeKey) -> Self {
        let driver =
            blocking::ServerDriver::bind((address, 0).into(), server).expect("a free port");
        let port = driver.local_address().expect("it is bound").port();
        Self::new(Ours::Server(Box::new(driver)), calls, echo, port)
    }

    /// A server of ours with default settings.
    #[must_use]
    pub fn server() -> Self {
        Self::with_server(server_config(), calls_node())
    }

    /// A client of ours that connects to a server which an engine runs with the given options.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn with_client(config: ClientConfig, calls: NodeConfig, server_options: &[&str]) -> Self {
        let engine = Engine::server(server_options);
        let mut stage = Self::joining(config, calls, engine.port());
        stage.engines.push(engine);
        stage
    }

    /// As [`Stage::with_client`], with what a project holds, [`CALLS`] and [`ECHO`] among it.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn client_with_project(blueprint: &Blueprint, server_options: &[&str]) -> Self {
        let engine = Engine::server(server_options);
        let mut client = Client::new(client_config()).expect("good settings");
        client.add_blueprint(blueprint).expect("a good project");
        let node = |path| client.session().node(path).expect("a node of the project");
        let (calls, echo) = (node(CALLS), node(ECHO));
        let mut stage = Self::calling(client, calls, echo, engine.port());
        stage.engines.push(engine);
        stage
    }

    /// A client of ours that connects to a server on `port` of this machine.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn joining(config: ClientConfig, calls: NodeConfig, port: u16) -> Self {
        Self::joining_at((Ipv4Addr::LOCALHOST, port).into(), config, calls)
    }

    /// A client of ours that connects to a server at `address`.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn joining_at(address: SocketAddr, config: ClientConfig, calls: NodeConfig) -> Self {
        let mut client = Client::new(config).expect("good settings");
        let calls = client.add_node(calls).expect("a good node");
        let echo = client.add_node(echo_node()).expect("a good node");
        Self::connecting(client, calls, echo, address)
    }

    fn calling(client: Client, calls: NodeKey, echo: NodeKey, port: u16) -> Self {
        Self::connecting(client, calls, echo, (Ipv4Addr::LOCALHOST, port).into())
    }

    fn connecting(client: Client, calls: NodeKey, echo: NodeKey, address: SocketAddr) -> Self {
        let driver = blocking::ClientDriver::connect(address, client).expect("a socket");
        Self::new(Ours::Client(Box::new(driver)), calls, echo, address.port())
    }

    /// A client of ours with default settings.
    #[must_use]
    pub fn client() -> Self {
        Self::with_client(client_config(), calls_node(), &[])
    }

    fn new(ours: Ours, calls: NodeKey, echo: NodeKey, port: u16) -> Self {
        Self {
            ours: Some(ours),
            calls,
            echo,
            events: Vec::new(),
            asked: Vec::new(),
            answers: Vec::new(),
            states: BTreeMap::new(),
            engines: Vec::new(),
            program: None,
            port,
        }
    }

    /// Where the server listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Has engines that start from now on call at this port instead.
    pub fn detour(&mut self, port: u16) {
        self.port = port;
    }

    /// Starts an engine as client with the given options; gives its place in [`Stage::engines`].
    pub fn engine(&mut self, options: &[&str]) -> usize {
        let mut all = vec![format!("--port={}", self.port)];
        all.extend(options.iter().map(ToString::to_string));
        self.engines.push(match &self.program {
            Some(program) => Engine::start_in(program, &all),
            None => Engine::start(&all),
        });
        self.engines.len() - 1
    }

    /// Starts an engine as client and waits until both sides know each other; gives place and id.
    pub fn joined_engine(&mut self, options: &[&str]) -> (usize, i32) {
        let engine = self.engine(options);
        self.until("the engine joins", |stage| {
            stage.engines[engine].has_of("peer_connected", 1)
        });
        let id = self.engines[engine].id();
        if matches!(self.ours, Some(Ours::Server(_))) {
            self.until("our server admits it", |stage| stage.has_peer(id));
        }
        (engine, id)
    }

    /// Our side.
    ///
    /// # Panics
    /// After [`Stage::vanish`].
    pub fn ours(&mut self) -> &mut Ours {
        self.ours.as_mut().expect("our side is there")
    }

    /// Closes our socket without a word.
    pub fn vanish(&mut self) {
        self.ours = None;
    }

    /// Calls a method at our side's [`CALLS`].
    ///
    /// # Panics
    /// When our side refuses.
    pub fn call(&mut self, target: impl Into<Target>, method: &str, arguments: &[Value]) {
        let calls = self.calls;
        machine!(self.ours(), machine => machine.rpc(target, calls, method, arguments))
            .expect("a call that is allowed");
    }

    /// Asks the [`ECHO`] of an engine.
    ///
    /// # Panics
    /// When our side refuses.
    pub fn ask(&mut self, peer: i32, token: i64, value: Value) {
        let echo = self.echo;
        machine!(self.ours(), machine => machine.rpc(peer_id(peer), echo, "ask", &[Value::Int(token), value]))
            .expect("a call that is allowed");
    }

    /// Sends raw bytes.
    ///
    /// # Panics
    /// When our side refuses.
    pub fn send_bytes(
        &mut self,
        target: impl Into<Target>,
        payload: &[u8],
        mode: TransferMode,
        channel: u8,
    ) {
        machine!(self.ours(), machine => machine.send_bytes(target.into(), payload, mode, channel))
            .expect("a packet that is allowed");
    }

    /// Ends the connection of a peer.
    pub fn kick(&mut self, peer: i32) {
        machine!(self.ours(), machine => machine.disconnect_peer(peer_id(peer)));
    }

    /// Ends all connections in good order.
    pub fn close(&mut self) {
        machine!(self.ours(), machine => machine.close());
    }

    /// Sends authentication data.
    ///
    /// # Panics
    /// When our side refuses.
    pub fn send_auth(&mut self, peer: i32, data: &[u8]) {
        machine!(self.ours(), machine => machine.send_auth(peer_id(peer), data))
            .expect("a pending peer");
    }

    /// Says that our side is done with authentication.
    ///
    /// # Panics
    /// When our side refuses.
    pub fn complete_auth(&mut self, peer: i32) {
        machine!(self.ours(), machine => machine.complete_auth(peer_id(peer)))
            .expect("a pending peer");
    }

    /// What our session holds.
    ///
    /// # Panics
    /// After [`Stage::vanish`].
    #[must_use]
    pub fn session(&self) -> &Session {
        match self.ours.as_ref().expect("our side is there") {
            Ours::Server(driver) => driver.server().session(),
            Ours::Client(driver) => driver.client().session(),
        }
    }

    /// Our side's ENet.
    ///
    /// # Panics
    /// After [`Stage::vanish`].
    #[must_use]
    pub fn enet(&self) -> &enet_proto::Host {
        match self.ours.as_ref().expect("our side is there") {
            Ours::Server(driver) => driver.server().enet(),
            Ours::Client(driver) => driver.client().enet(),
        }
    }

    /// Lets everybody play until `done`.
    ///
    /// # Panics
    /// When that takes too long, with all that was reported.
    pub fn until(&mut self, what: &str, done: impl FnMut(&mut Self) -> bool) {
        self.until_within(PATIENCE, what, done);
    }

    /// Lets everybody play until `done`, for at most `limit`.
    ///
    /// # Panics
    /// As [`Stage::until`].
    pub fn until_within(
        &mut self,
        limit: Duration,
        what: &str,
        mut done: impl FnMut(&mut Self) -> bool,
    ) {
        let deadline = Instant::now() + limit;
        while !done(self) {
            assert!(
                Instant::now() < deadline,
                "waiting in vain: {what}\n{}",
                self.report()
            );
            self.turn();
        }
    }

    /// Lets everybody play for a while.
    pub fn play(&mut self, duration: Duration) {
        let deadline = Instant::now() + duration;
        while Instant::now() < deadline {
            self.turn();
        }
    }

    /// All that was reported, for the message of a failed test.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = format!("ours: {:#.300?}\n", self.events);
        for (number, engine) in self.engines.iter().enumerate() {
            let shown = |event: &serde_json::Value| format!("{:.400}", event.to_string());
            let events: Vec<_> = engine.events.iter().map(shown).collect();
            text += &format!(
                "engine {number}:\n{}\n{}\n",
                events.join("\n"),
                engine.noise()
            );
        }
        text
    }

    /// Lets everybody play once.
    pub fn turn(&mut self) {
        // A little patience here, so that a side of ours that is over does not make this loop spin.
        let mut wait = Duration::from_millis(1);
        for engine in &mut self.engines {
            engine.pump(wait);
            wait = Duration::ZERO;
        }
        wait = TICK;
        for _ in 0..EVENTS_PER_LOOK {
            let next = match &mut self.ours {
                Some(Ours::Server(driver)) => driver.next_event_within(wait),
                Some(Ours::Client(driver)) => driver.next_event_within(wait),
                None => return,
            };
            match next.expect("the socket works") {
                Some(Event::Rpc(call)) if &*call.path == ECHO => self.echo(&call),
                Some(Event::Sync(state)) => {
                    let counts = self.states.entry(state.path.to_string()).or_default();
                    let count = if state.is_delta() {
                        &mut counts.1
                    } else {
                        &mut counts.0
                    };
                    *count += 1;
                }
                Some(event) => self.events.push(event),
                None => return,
            }
            wait = Duration::ZERO;
        }
    }

    fn echo(&mut self, call: &RpcCall) {
        let [token, value] = &call.arguments[..] else {
            return;
        };
        if &*call.method == "answer" {
            self.answers.push((token.clone(), value.clone()));
            return;
        }
        self.asked.push(value.clone());
        let echo = self.echo;
        let arguments = [token.clone(), value.clone()];
        machine!(self.ours(), machine => machine.rpc(call.peer, echo, "answer", &arguments))
            .expect("an answer");
    }
}

/// What our side has reported, as questions that tests ask.
impl Stage {
    /// Whether a peer is in the game.
    #[must_use]
    pub fn has_peer(&self, peer: i32) -> bool {
        let joined = |event: &Event| matches!(event, Event::PeerConnected { peer: other } if other.value() == peer);
        self.events.iter().any(joined)
    }

    /// Why a peer left the game, if it did.
    #[must_use]
    pub fn left(&self, peer: i32) -> Option<DisconnectReason> {
        self.events.iter().find_map(|event| match event {
            Event::PeerDisconnected {
                peer: other,
                reason,
            } if other.value() == peer => Some(*reason),
            _ => None,
        })
    }

    /// Why our client's game ended, if it did.
    #[must_use]
    pub fn over(&self) -> Option<DisconnectReason> {
        self.events.iter().find_map(|event| match event {
            Event::Disconnected { reason } | Event::ConnectionFailed { reason } => Some(*reason),
            _ => None,
        })
    }

    /// The calls at our side's [`CALLS`] so far.
    pub fn calls(&self) -> impl Iterator<Item = &RpcCall> {
        self.events.iter().filter_map(|event| match event {
            Event::Rpc(call) => Some(call),
            _ => None,
        })
    }

    /// The raw packets that arrived so far: sender, bytes, mode, channel.
    #[must_use]
    pub fn packets(&self) -> Vec<(i32, Vec<u8>, TransferMode, u8)> {
        let packet = |event: &Event| match event {
            Event::Packet {
                peer,
                payload,
                mode,
                channel,
            } => Some((peer.value(), payload.to_vec(), *mode, *channel)),
            _ => None,
        };
        self.events.iter().filter_map(packet).collect()
    }

    /// The first report that method lists differ.
    #[must_use]
    pub fn mismatch(&self) -> Option<&MethodMismatch> {
        self.events.iter().find_map(|event| match event {
            Event::MethodMismatch(mismatch) => Some(&**mismatch),
            _ => None,
        })
    }
}

/// The id that a peer of a game has.
///
/// # Panics
/// When no peer can have it.
#[must_use]
pub fn peer_id(peer: i32) -> PeerId {
    PeerId::new(peer).expect("a legal id")
}
