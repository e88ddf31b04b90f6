//! Two players in a world of the test kit: an agent and a gatherer each, behind any boxes, with STUN servers and a relay.
//!
//! Signalling takes a stated time and loses nothing. The relay speaks words of its own, because what it carries is the
//! agent's affair and how it does that is not.

use super::{agent, config};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use ice_lite::{
    Agent, Candidate, Config, Description, Event, GatherConfig, GatherEvent, Gatherer,
    LocalCandidate, Pacer, Role, SourceId, State,
};
use proto_core::{Handled, Instant, Transmit};
use stun_proto::server::{Answer, BindingServer, ServerConfig};
use testkit::world::{Gateway, GatewayId, HostId, Reach, World, ZoneId};
use testkit::{Link, Machine};

/// What one side tells the other.
#[derive(Clone, Debug)]
pub(crate) enum Signal {
    Description(Box<Description>),
    Candidate(Box<Candidate>),
    End,
}

/// How candidates are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// One by one, as they are found.
    Trickle,
    /// All at once, when all are found.
    Whole,
}

/// A host that runs an agent.
pub(crate) struct Player {
    pub(crate) agent: Agent,
    gatherer: Gatherer,
    pacer: Pacer,
    telling: Telling,
    bases: Vec<SocketAddr>,
    relay: Option<RelayLeg>,
    inbox: VecDeque<(Instant, Signal)>,
    outbox: Vec<Signal>,
    events: VecDeque<Event>,
    next_data: Instant,
    /// When the first datagram of the other application came.
    pub(crate) first_data: Option<Instant>,
    pub(crate) data: u64,
}

/// What a player knows of its relay.
struct RelayLeg {
    server: SocketAddr,
    base: SocketAddr,
    source: Option<SourceId>,
    relayed: Option<SocketAddr>,
    ask_at: Instant,
}

const DATA_INTERVAL: Duration = Duration::from_millis(200);
const ASK_INTERVAL: Duration = Duration::from_millis(500);

impl Player {
    fn new(
        config: Config,
        gather: GatherConfig,
        relay: Option<SocketAddr>,
        telling: Telling,
    ) -> Self {
        let now = Instant::ZERO;
        let bases = gather.bases.clone();
        let pacer = Pacer::new(config.timing.pace);
        let mut gatherer = Gatherer::new(now, gather).expect("a valid configuration");
        let relay = relay.and_then(|server| {
            let base = *bases
                .iter()
                .find(|base| base.is_ipv4() == server.is_ipv4())?;
            let source = gatherer.expect(now, Duration::from_secs(5));
            Some(RelayLeg {
                server,
                base,
                source,
                relayed: None,
                ask_at: now,
            })
        });
        let agent = agent(config);
        let mut player = Self {
            outbox: Vec::new(),
            agent,
            gatherer,
            pacer,
            telling,
            bases,
            relay,
            inbox: VecDeque::new(),
            events: VecDeque::new(),
            next_data: now,
            first_data: None,
            data: 0,
        };
        if telling == Telling::Trickle {
            let description = player.agent.description();
            player
                .outbox
                .push(Signal::Description(Box::new(description)));
        }
        player.take_gathered(now);
        player
    }

    fn take_gathered(&mut self, now: Instant) {
        while let Some(event) = self.gatherer.poll_event() {
            match event {
                GatherEvent::Candidate(candidate) => {
                    if let Ok(told) = self.agent.add_local(now, candidate)
                        && self.telling == Telling::Trickle
                    {
                        self.outbox.push(Signal::Candidate(Box::new(told)));
                    }
                }
                GatherEvent::Done => {
                    self.agent.end_of_local_candidates(now);
                    self.outbox.push(match self.telling {
                        Telling::Trickle => Signal::End,
                        Telling::Whole => Signal::Description(Box::new(self.agent.description())),
                    });
                }
                _ => {}
            }
        }
        while let Some(event) = self.agent.poll_event() {
            self.events.push_back(event);
        }
    }

    fn take_signals(&mut self, now: Instant) {
        while self.inbox.front().is_some_and(|&(at, _)| at <= now) {
            let Some((_, signal)) = self.inbox.pop_front() else {
                return;
            };
            match signal {
                Signal::Description(description) => {
                    let change = self.agent.set_remote(now, &description);
                    assert!(change.is_ok(), "{change:?}");
                }
                Signal::Candidate(candidate) => {
                    // Refusals are counted, and some are expected: duplicates, forbidden addresses.
                    let _ = self.agent.add_remote(now, *candidate);
                }
                Signal::End => self.agent.end_of_remote_candidates(now),
            }
        }
    }

    fn on_relay(&mut self, now: Instant, data: &[u8]) -> Handled<()> {
        let Some(leg) = &mut self.relay else {
            return Handled::NotMine;
        };
        match data {
            [b'A', rest @ ..] => {
                let (Some((address, _)), None) = (read_address(rest), leg.relayed) else {
                    return Handled::Consumed;
                };
                leg.relayed = Some(address);
                let candidate = LocalCandidate::relayed(address, leg.base, leg.server.ip());
                self.gatherer.provide(now, candidate);
                if let Some(source) = leg.source {
                    self.gatherer.provided(now, source);
                }
            }
            [b'D', rest @ ..] => {
                if let (Some((peer, inner)), Some(relayed)) = (read_address(rest), leg.relayed) {
                    let inner = inner.to_vec();
                    return self.on_direct(now, relayed, peer, &inner);
                }
            }
            _ => {}
        }
        Handled::Consumed
    }

    fn on_direct(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<()> {
        match self.gatherer.handle_datagram(now, local, from, data) {
            Handled::NotMine => {}
            _ => return Handled::Consumed,
        }
        match self.agent.handle_datagram(now, local, from, data) {
            Handled::Inner { .. } => {
                self.first_data.get_or_insert(now);
                self.data += 1;
                Handled::Consumed
            }
            Handled::Dropped(_) => Handled::Dropped(()),
            Handled::NotMine => Handled::NotMine,
            Handled::Consumed => Handled::Consumed,
        }
    }

    fn send_data(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        if now < self.next_data {
            return None;
        }
        let transmit = self.agent.send(now, 0..4).ok()?;
        self.next_data = now + DATA_INTERVAL;
        buf[..4].copy_from_slice(b"data");
        Some(transmit)
    }

    /// What leaves from an address at the relay goes through the relay.
    fn wrap(&self, transmit: Transmit, buf: &mut [u8]) -> Transmit {
        let Some(leg) = &self.relay else {
            return transmit;
        };
        if leg.relayed != transmit.source || leg.relayed.is_none() {
            return transmit;
        }
        let inner = buf[transmit.bytes].to_vec();
        let mut outer = vec![b'S'];
        write_address(&mut outer, transmit.destination);
        outer.extend(inner);
        buf[..outer.len()].copy_from_slice(&outer);
        Transmit {
            source: Some(leg.base),
            destination: leg.server,
            bytes: 0..outer.len(),
        }
    }

    fn ask_relay(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let leg = self.relay.as_mut()?;
        if leg.relayed.is_some() || now < leg.ask_at {
            return None;
        }
        leg.ask_at = now + ASK_INTERVAL;
        buf[0] = b'A';
        Some(Transmit {
            source: Some(leg.base),
            destination: leg.server,
            bytes: 0..1,
        })
    }
}

fn write_address(out: &mut Vec<u8>, address: SocketAddr) {
    let text = address.to_string();
    out.push(u8::try_from(text.len()).expect("short"));
    out.extend(text.as_bytes());
}

fn read_address(data: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (&length, rest) = data.split_first()?;
    let (text, rest) = rest.split_at_checked(length.into())?;
    Some((core::str::from_utf8(text).ok()?.parse().ok()?, rest))
}

/// A relay: an address for each client, open for the IP addresses that the client has sent to.
#[derive(Default)]
pub(crate) struct Relay {
    control: Option<SocketAddr>,
    clients: BTreeMap<SocketAddr, SocketAddr>,
    permissions: BTreeSet<(SocketAddr, IpAddr)>,
    outbox: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
    /// Payload bytes that it carried.
    pub(crate) carried: u64,
}

impl Relay {
    const FIRST_PORT: u16 = 50_000;
    const PORTS: u16 = 8;

    fn handle(&mut self, local: SocketAddr, from: SocketAddr, data: &[u8]) {
        let control = self.control.expect("a relay has an address");
        if local == control {
            self.on_client(control, from, data);
            return;
        }
        let mut clients = self.clients.iter();
        let client = clients.find(|&(_, &relayed)| relayed == local);
        if let Some((&client, _)) = client
            && self.permissions.contains(&(local, from.ip()))
        {
            let mut bytes = vec![b'D'];
            write_address(&mut bytes, from);
            bytes.extend(data);
            self.carried += data.len() as u64;
            self.outbox.push_back((control, client, bytes));
        }
    }

    fn on_client(&mut self, control: SocketAddr, from: SocketAddr, data: &[u8]) {
        match data {
            [b'A'] => {
                let count = u16::try_from(self.clients.len()).expect("few");
                let free = SocketAddr::new(control.ip(), Self::FIRST_PORT + count);
                assert!(count < Self::PORTS, "the relay is for few clients");
                let relayed = *self.clients.entry(from).or_insert(free);
                let mut bytes = vec![b'A'];
                write_address(&mut bytes, relayed);
                self.outbox.push_back((control, from, bytes));
            }
            [b'S', rest @ ..] => {
                let (Some((peer, inner)), Some(&relayed)) =
                    (read_address(rest), self.clients.get(&from))
                else {
                    return;
                };
                self.permissions.insert((relayed, peer.ip()));
                self.carried += inner.len() as u64;
                self.outbox.push_back((relayed, peer, inner.to_vec()));
            }
            _ => {}
        }
    }
}

/// A STUN server.
pub(crate) struct Stun {
    server: BindingServer,
    outbox: VecDeque<(Transmit, Vec<u8>)>,
}

/// Any host of the world.
pub(crate) enum Node {
    Player(Box<Player>),
    Stun(Box<Stun>),
    Relay(Box<Relay>),
}

impl Machine for Node {
    type Event = Event;
    type Drop = ();

    fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<()> {
        match self {
            Self::Player(player) => {
                let relay = player.relay.as_ref().map(|leg| leg.server);
                let handled = if Some(from) == relay {
                    player.on_relay(now, data)
                } else {
                    player.on_direct(now, local, from, data)
                };
                player.take_gathered(now);
                handled
            }
            Self::Stun(stun) => {
                let mut buffer = [0; 256];
                if let Answer::Reply(transmit) =
                    stun.server
                        .handle_datagram(now, local, from, data, &mut buffer)
                {
                    let bytes = buffer[transmit.bytes.clone()].to_vec();
                    stun.outbox.push_back((transmit, bytes));
                }
                Handled::Consumed
            }
            Self::Relay(relay) => {
                relay.handle(local, from, data);
                Handled::Consumed
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Self::Player(player) = self {
            player.take_signals(now);
            player.gatherer.handle_timeout(now);
            player.agent.handle_timeout(now);
            player.take_gathered(now);
        }
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        match self {
            Self::Player(player) => {
                let mut pacer = player.pacer;
                let transmit = player
                    .gatherer
                    .poll_transmit_paced(now, &mut pacer, buf)
                    .or_else(|| player.ask_relay(now, buf))
                    .or_else(|| player.agent.poll_transmit_paced(now, &mut pacer, buf))
                    .or_else(|| player.send_data(now, buf));
                player.pacer = pacer;
                player.take_gathered(now);
                Some(player.wrap(transmit?, buf))
            }
            Self::Stun(stun) => {
                let (transmit, bytes) = stun.outbox.pop_front()?;
                buf[..bytes.len()].copy_from_slice(&bytes);
                Some(Transmit {
                    bytes: 0..bytes.len(),
                    ..transmit
                })
            }
            Self::Relay(relay) => {
                let (source, destination, bytes) = relay.outbox.pop_front()?;
                buf[..bytes.len()].copy_from_slice(&bytes);
                Some(Transmit {
                    source: Some(source),
                    destination,
                    bytes: 0..bytes.len(),
                })
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let Self::Player(player) = self else {
            return None;
        };
        let signal = player.inbox.front().map(|&(at, _)| at);
        let relay = player.relay.as_ref();
        let ask = relay.filter(|leg| leg.relayed.is_none());
        let ask = ask.map(|leg| leg.ask_at);
        let data = player.agent.path().map(|_| player.next_data);
        let gather = player.gatherer.poll_timeout_paced(&player.pacer);
        let agent = player.agent.poll_timeout_paced(&player.pacer);
        [signal, ask, data, gather, agent]
            .into_iter()
            .flatten()
            .min()
    }

    fn poll_event(&mut self) -> Option<Event> {
        match self {
            Self::Player(player) => player.events.pop_front(),
            _ => None,
        }
    }

    fn buffer_bytes(&self) -> usize {
        Agent::BUFFER + 64
    }
}

/// What stands between one player and the internet, the outermost box first, and how good the line is.
#[derive(Clone)]
pub(crate) struct Side {
    pub(crate) boxes: Vec<Gateway>,
    pub(crate) link: Link,
}

impl Side {
    pub(crate) fn behind(boxes: impl IntoIterator<Item = impl Into<Gateway>>) -> Self {
        Self {
            boxes: boxes.into_iter().map(Into::into).collect(),
            link: Link::with_latency(Duration::from_millis(10)),
        }
    }

    pub(crate) fn public() -> Self {
        Self::behind([] as [Gateway; 0])
    }
}

/// What both players do.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) telling: Telling,
    /// Whether there is a relay.
    pub(crate) relay: bool,
    /// Ports that are foretold.
    pub(crate) predicted: usize,
    /// How long signalling takes.
    pub(crate) signalling: Duration,
    /// Changes the configuration of each agent.
    pub(crate) adjust: fn(usize, &mut Config),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            telling: Telling::Trickle,
            relay: false,
            predicted: 0,
            signalling: Duration::from_millis(50),
            adjust: |_, _| {},
        }
    }
}

/// Two players who look for each other.
pub(crate) struct Match {
    pub(crate) world: World<Node>,
    pub(crate) players: Vec<HostId>,
    /// The boxes of each, the outermost first.
    pub(crate) boxes: [Vec<GatewayId>; 2],
    relay: HostId,
    seed: u64,
    options: Options,
}

fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::from([a, b, c, d])
}

impl Match {
    /// Each player behind boxes of its own.
    pub(crate) fn new(seed: u64, sides: [Side; 2], options: Options) -> Self {
        let (mut game, internet) = Self::servers(seed, options);
        for (index, side) in sides.into_iter().enumerate() {
            let number = u8::try_from(index).expect("two");
            let mut zone = internet;
            let mut translated = false;
            for (depth, gateway) in (0_u8..).zip(side.boxes) {
                let outer = match depth {
                    0 => v4(203, 0, 113, 1 + number),
                    _ => v4(100, 64 + depth, number, 2),
                };
                // A firewall translates nothing and has no address.
                let firewall = matches!(gateway, Gateway::Firewall(_));
                let addresses = if firewall { vec![] } else { vec![outer] };
                translated |= !firewall;
                let name = format!("box {index}.{depth}");
                let id = game.world.add_gateway(&name, zone, &addresses, gateway);
                zone = game.world.inside(id);
                game.boxes[index].push(id);
            }
            let ip = if translated {
                v4(192, 168, number, 2)
            } else {
                v4(203, 0, 113, 101 + number)
            };
            game.add_player(index, zone, ip, side.link);
        }
        game
    }

    /// Both behind one box, in one network.
    pub(crate) fn in_one_home(seed: u64, nat: impl Into<Gateway>, options: Options) -> Self {
        let (mut game, internet) = Self::servers(seed, options);
        let home = game
            .world
            .add_gateway("home", internet, &[v4(203, 0, 113, 1)], nat);
        let inside = game.world.inside(home);
        for index in 0..2 {
            let number = u8::try_from(index).expect("two");
            let link = Link::with_latency(Duration::from_millis(2));
            game.add_player(index, inside, v4(192, 168, 0, 2 + number), link);
            game.boxes[index].push(home);
        }
        game
    }

    /// The world with its servers and without players.
    fn servers(seed: u64, options: Options) -> (Self, ZoneId) {
        let mut world = World::new(seed);
        let internet = World::<Node>::INTERNET;
        let servers = [1, 2].map(|last| SocketAddr::new(v4(198, 51, 100, last), 3478));
        for (index, server) in servers.into_iter().enumerate() {
            let mut config = ServerConfig::new([9; 32]);
            config.require_fingerprint = true;
            let node = Node::Stun(Box::new(Stun {
                server: BindingServer::new(config),
                outbox: VecDeque::new(),
            }));
            world.add_host(&format!("stun {index}"), internet, server, node);
        }
        let control = SocketAddr::new(v4(198, 51, 100, 3), 3478);
        let node = Node::Relay(Box::new(Relay {
            control: Some(control),
            ..Relay::default()
        }));
        let relay = world.add_host("relay", internet, control, node);
        for port in Relay::FIRST_PORT..Relay::FIRST_PORT + Relay::PORTS {
            world.bind(relay, SocketAddr::new(control.ip(), port));
        }
        let game = Self {
            world,
            players: Vec::new(),
            boxes: [Vec::new(), Vec::new()],
            relay,
            seed,
            options,
        };
        (game, internet)
    }

    fn add_player(&mut self, index: usize, zone: ZoneId, ip: IpAddr, link: Link) {
        let number = u8::try_from(index).expect("two");
        let base = SocketAddr::new(ip, 40_000 + u16::from(number));
        let role = [Role::Controlling, Role::Controlled][index];
        let mut config = config(number, role);
        config.seed[..8].copy_from_slice(&self.seed.to_be_bytes());
        (self.options.adjust)(index, &mut config);
        let servers = [1, 2].map(|last| SocketAddr::new(v4(198, 51, 100, last), 3478));
        let mut gather = GatherConfig::new(config.seed, vec![base], servers.to_vec());
        gather.predicted = self.options.predicted;
        let control = SocketAddr::new(v4(198, 51, 100, 3), 3478);
        let relay = self.options.relay.then_some(control);
        let player = Player::new(config, gather, relay, self.options.telling);
        let node = Node::Player(Box::new(player));
        let name = format!("player {index}");
        let host = self.world.add_host(&name, zone, base, node);
        self.world.set_access(host, ip, link);
        self.players.push(host);
    }

    pub(crate) fn player(&self, index: usize) -> &Player {
        match self.world.machine(self.players[index]) {
            Node::Player(player) => player,
            _ => panic!("a player is a player"),
        }
    }

    pub(crate) fn player_mut(&mut self, index: usize) -> &mut Player {
        player(&mut self.world, self.players[index])
    }

    /// What the oracle says of the two.
    pub(crate) fn reach(&self) -> Reach {
        let relays = [self.relay];
        let relays = if self.options.relay { &relays[..] } else { &[] };
        self.world
            .reach_with(self.players[0], self.players[1], relays)
    }

    pub(crate) const fn has_relay(&self) -> bool {
        self.options.relay
    }

    /// Bytes that the relay carried.
    pub(crate) fn relayed_bytes(&self) -> u64 {
        match self.world.machine(self.relay) {
            Node::Relay(relay) => relay.carried,
            _ => 0,
        }
    }

    /// Runs, with signalling, until `done` or the limit; whether it was done.
    pub(crate) fn run_until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&[&Player; 2]) -> bool,
    ) -> bool {
        let (players, delay) = ([self.players[0], self.players[1]], self.options.signalling);
        self.world.run_until(limit, |world| {
            let at = world.now() + delay;
            for (from, to) in [(0, 1), (1, 0)] {
                let signals = core::mem::take(&mut player(world, players[from]).outbox);
                let inbox = &mut player(world, players[to]).inbox;
                inbox.extend(signals.into_iter().map(|signal| (at, signal)));
            }
            let both = players.map(|host| match world.machine(host) {
                Node::Player(player) => &**player,
                _ => panic!("a player is a player"),
            });
            done(&both)
        })
    }

    /// Runs until both agents have completed and data has come to both; whether that happened within `limit`.
    pub(crate) fn connect(&mut self, limit: Duration) -> bool {
        self.run_until(limit, |players| {
            players.iter().all(|player| {
                player.agent.state() == State::Completed && player.first_data.is_some()
            })
        })
    }

    /// Runs until both have failed; whether they did within `limit`.
    pub(crate) fn fail(&mut self, limit: Duration) -> bool {
        self.run_until(limit, |players| {
            players
                .iter()
                .all(|player| player.agent.state() == State::Failed)
        })
    }

    pub(crate) fn run(&mut self, duration: Duration) {
        self.run_until(duration, |_| false);
    }

    /// Why each side has its path, or none.
    pub(crate) fn why(&self) -> String {
        let [one, other] = [0, 1].map(|index| self.player(index).agent.why());
        format!("{one}---\n{other}")
    }
}

fn player(world: &mut World<Node>, host: HostId) -> &mut Player {
    match world.machine_mut(host) {
        Node::Player(player) => player,
        _ => panic!("a player is a player"),
    }
}
