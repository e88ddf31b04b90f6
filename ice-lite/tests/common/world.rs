//! Two players in a world of the test kit: an agent and a gatherer each, behind any boxes, with STUN servers and a relay.
//!
//! Signalling takes a stated time and loses nothing. The relay speaks words of its own, because what it carries is the
//! agent's affair and how it does that is not.

use super::config;
pub(crate) use super::player::Telling;
use super::player::{Player, Signal};
use super::servers::{Relay, stun};
use alloc::rc::Rc;
use core::cell::Cell;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use ice_lite::{Config, GatherConfig, LocalCandidate, Role, State};
use testkit::Link;
use testkit::world::{Actor, Gateway, GatewayId, HostId, Reach, Signals, World, ZoneId};

type Node = Actor<Player>;

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
    /// Payload bytes that the relay carried.
    carried: Rc<Cell<u64>>,
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
            let node = Actor::Server(stun());
            world.add_host(&format!("stun {index}"), internet, server, node);
        }
        let control = SocketAddr::new(v4(198, 51, 100, 3), 3478);
        let carried = Rc::new(Cell::new(0));
        let node = Actor::Server(Relay::server(control, Rc::clone(&carried)));
        let relay = world.add_host("relay", internet, control, node);
        for port in Relay::FIRST_PORT..Relay::FIRST_PORT + Relay::PORTS {
            world.bind(relay, SocketAddr::new(control.ip(), port));
        }
        let game = Self {
            world,
            players: Vec::new(),
            boxes: [Vec::new(), Vec::new()],
            relay,
            carried,
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
        let node = Actor::player(player);
        let name = format!("player {index}");
        let host = self.world.add_host(&name, zone, base, node);
        self.world.set_access(host, ip, link);
        self.players.push(host);
    }

    pub(crate) fn player(&self, index: usize) -> &Player {
        self.world.machine(self.players[index]).as_player()
    }

    pub(crate) fn player_mut(&mut self, index: usize) -> &mut Player {
        let host = self.players[index];
        self.world.machine_mut(host).as_player_mut()
    }

    /// What the oracle says of the two.
    pub(crate) fn reach(&self) -> Reach {
        let relays = [self.relay];
        let relays = if self.options.relay { &relays[..] } else { &[] };
        self.world
            .reach_with(self.players[0], self.players[1], relays)
    }

    /// What it says to agents that take only answers from where they asked.
    pub(crate) fn reach_symmetric(&self) -> Reach {
        let relays = [self.relay];
        let relays = if self.options.relay { &relays[..] } else { &[] };
        self.world
            .reach_symmetric(self.players[0], self.players[1], relays)
    }

    /// Ends the gathering of both: nothing keeps the ports open any more that servers saw.
    pub(crate) fn stop_gathering(&mut self) {
        for index in 0..2 {
            self.player_mut(index).gatherer.stop();
        }
    }

    /// Begins a new generation; the other player hears of it.
    pub(crate) fn restart(&mut self, index: usize) {
        let now = self.world.now();
        let player = self.player_mut(index);
        let description = player.agent.restart(now).expect("the first restart");
        let told = Signal::Description(Box::new(description));
        player.signals.tell(told);
    }

    /// Lets a player leave its network for the open internet; its agent is told.
    pub(crate) fn move_out(&mut self, index: usize) {
        let (host, internet) = (self.players[index], World::<Node>::INTERNET);
        let old = self.player(index).bases[0];
        let new = SocketAddr::new(v4(198, 51, 100, 77), old.port());
        self.world.readdress(host, old.ip(), internet, new.ip());
        self.world.bind(host, new);
        let now = self.world.now();
        let player = self.player_mut(index);
        let added = player.agent.add_local(now, LocalCandidate::host(new));
        let told = added.expect("a new address");
        player.signals.tell(Signal::Candidate(Box::new(told)));
        player.agent.remove_local(now, old);
        player.gatherer.stop();
    }

    pub(crate) const fn has_relay(&self) -> bool {
        self.options.relay
    }

    /// Bytes that the relay carried.
    pub(crate) fn relayed_bytes(&self) -> u64 {
        self.carried.get()
    }

    /// Runs, with signalling, until `done` or the limit; whether it was done.
    pub(crate) fn run_until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&[&Player; 2]) -> bool,
    ) -> bool {
        let (players, delay) = ([self.players[0], self.players[1]], self.options.signalling);
        self.world.run_until(limit, |world| {
            Signals::exchange(world, players, delay, |player| &mut player.signals);
            let both = players.map(|host| world.machine(host).as_player());
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
