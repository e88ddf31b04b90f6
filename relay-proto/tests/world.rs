//! Punching in a simulated internet: two players behind every pair of NAT boxes, and ENet over the hole.

extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::net::SocketAddr;
use core::time::Duration;
use enet_proto::{Config, Event, Host};
use proto_core::{Handled, Instant, Transmit};
use relay_proto::noray::{
    Answers, Invitation, Invitations, InvitationsConfig, Outcome, Punch, PunchConfig, Registered,
    Registration, RegistrationConfig,
};
use testkit::world::{
    Actor, Dependence, GatewayId, Hairpin, HostId, Nat, PortPolicy, Reach, Server, World,
};
use testkit::{Link, Machine};

const REGISTRAR: &str = "198.51.100.1:8809";

type Node = Actor<Player>;

/// Who registered, with the address that the registrar saw.
type Known = Rc<RefCell<BTreeMap<Vec<u8>, SocketAddr>>>;

/// The registrar of noray.
fn registrar(known: &Known) -> Server {
    let known = Rc::clone(known);
    Server::new(move |_, _, from, data, buffer| {
        let mut known = known.borrow_mut();
        known.entry(data.to_vec()).or_insert(from);
        buffer[..2].copy_from_slice(b"OK");
        Some(Transmit {
            source: None,
            destination: from,
            bytes: 0..2,
        })
    })
}

/// A player with one socket for everything.
struct Player {
    registration: Registration,
    invitations: Invitations,
    /// Whether the handshake datagrams that arrive are shown to it. Not in Godot.
    reads: bool,
    punch: Option<Punch>,
    enet: Host,
}

#[derive(Debug, PartialEq)]
enum Told {
    Registered(Registered),
    Punched(Outcome),
    Invited(Invitation),
    Connected,
}

impl Player {
    fn new(now: Instant, pid: &[u8], answers: Answers) -> Self {
        let registrar = REGISTRAR.parse().expect("an address");
        let mut config = InvitationsConfig::default();
        config.answers = answers;
        let registration =
            Registration::new(now, registrar, pid, RegistrationConfig::default()).expect("a pid");
        Self {
            registration,
            invitations: Invitations::new(config),
            reads: answers == Answers::Heard,
            punch: None,
            enet: Host::new(Config::new([pid[0]; 32])).expect("a configuration"),
        }
    }

    fn receive(&mut self, now: Instant, from: SocketAddr, data: &[u8]) -> Handled<()> {
        if self.registration.handle_datagram(from, data) != Handled::NotMine {
            return Handled::Consumed;
        }
        let punch = self.punch.as_mut();
        if punch.is_some_and(|punch| punch.handle_datagram(now, from, data) != Handled::NotMine) {
            return Handled::Consumed;
        }
        if self.reads && self.invitations.handle_datagram(now, from, data) != Handled::NotMine {
            return Handled::Consumed;
        }
        let before = self.enet.peers().count();
        let handled = self.enet.handle_datagram(now, from, data);
        if data.first() == Some(&b'$') {
            assert!(!handled.is_consumed(), "ENet used a handshake datagram");
            assert_eq!(self.enet.peers().count(), before);
        }
        Handled::Consumed
    }
}

impl Machine for Player {
    type Event = Told;
    type Drop = ();

    fn handle_datagram(
        &mut self,
        now: Instant,
        _: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<()> {
        self.receive(now, from, data)
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.registration.handle_timeout(now);
        self.invitations.handle_timeout(now);
        self.enet.handle_timeout(now);
        let punch = self.punch.iter_mut();
        punch.for_each(|punch| punch.handle_timeout(now));
    }

    fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let punch = self.punch.as_mut();
        self.registration
            .poll_transmit(now, buffer)
            .or_else(|| self.invitations.poll_transmit(now, buffer))
            .or_else(|| punch?.poll_transmit(now, buffer))
            .or_else(|| self.enet.poll_transmit(now, buffer))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = [
            self.registration.poll_timeout(),
            self.invitations.poll_timeout(),
            self.punch.as_ref().and_then(Punch::poll_timeout),
            self.enet.poll_timeout(),
        ];
        deadlines.into_iter().flatten().min()
    }

    fn poll_event(&mut self) -> Option<Told> {
        if let Some(registered) = self.registration.poll_event() {
            return Some(Told::Registered(registered));
        }
        if let Some(invitation) = self.invitations.poll_event() {
            return Some(Told::Invited(invitation));
        }
        if let Some(outcome) = self.punch.as_mut().and_then(Punch::poll_event) {
            return Some(Told::Punched(outcome));
        }
        loop {
            match self.enet.poll_event()? {
                Event::Connected { .. } => return Some(Told::Connected),
                _ => continue,
            }
        }
    }

    fn buffer_bytes(&self) -> usize {
        4096
    }
}

struct Game {
    world: World<Node>,
    known: Known,
    host: HostId,
    client: HostId,
}

impl Game {
    /// A host and a client behind boxes of their own, or behind the same one.
    fn new(boxes: &[Nat], answers: Answers, loss: u32) -> Self {
        let mut world = World::new(11);
        let internet = World::<Node>::INTERNET;
        let known = Known::default();
        let address = REGISTRAR.parse().expect("an address");
        world.add_host(
            "registrar",
            internet,
            address,
            Actor::Server(registrar(&known)),
        );
        let gateways: Vec<GatewayId> = boxes
            .iter()
            .enumerate()
            .map(|(index, nat)| {
                let outer = format!("203.0.113.{}", index + 1);
                let outer = outer.parse().expect("an address");
                world.add_gateway(&format!("box {index}"), internet, &[outer], *nat)
            })
            .collect();
        let mut player = |name: &str, index: usize| {
            let zone = world.inside(gateways[index.min(gateways.len() - 1)]);
            let socket: SocketAddr = format!("192.168.{index}.2:{}", 7000 + index)
                .parse()
                .expect("an address");
            let player = Player::new(world.now(), name.as_bytes(), answers);
            let id = world.add_host(name, zone, socket, Actor::player(player));
            let mut link = Link::with_latency(Duration::from_millis(20));
            link.loss = loss;
            world.set_access(id, socket.ip(), link);
            id
        };
        let (host, client) = (player("host", 0), player("client", 1));
        Self {
            world,
            known,
            host,
            client,
        }
    }

    fn player(&mut self, id: HostId) -> &mut Player {
        self.world.machine_mut(id).as_player_mut()
    }

    fn wait(&mut self, id: HostId, what: impl Fn(&Told) -> bool) -> Option<Told> {
        let mut found = None;
        self.world.run_until(Duration::from_secs(12), |world| {
            found = found.take().or_else(|| {
                let events = world.take_events(id);
                events.into_iter().find(|event| what(event))
            });
            found.is_some()
        });
        found
    }

    /// What the control service does when a client asks for a host, and what comes of it.
    fn punch(&mut self) -> Outcome {
        for id in [self.host, self.client] {
            let registered = self.wait(id, |told| matches!(told, Told::Registered(_)));
            assert_eq!(registered, Some(Told::Registered(Registered::Ok)));
        }
        let [host, client] = [&b"host"[..], b"client"].map(|pid| self.known.borrow()[pid]);
        let now = self.world.now();
        let invited = self.player(self.host).invitations.invite(now, client);
        invited.expect("room for one");
        let punch = Punch::new(now, host, PunchConfig::default()).expect("a good address");
        self.player(self.client).punch = Some(punch);
        self.world.drive();
        match self.wait(self.client, |told| matches!(told, Told::Punched(_))) {
            Some(Told::Punched(outcome)) => outcome,
            other => panic!("a punch ends: {other:?}"),
        }
    }

    /// Whether ENet connects through the hole.
    fn connect(&mut self, peer: SocketAddr) -> bool {
        let now = self.world.now();
        let connected = self.player(self.client).enet.connect(now, peer, 3, 0);
        connected.expect("room for one");
        self.world.drive();
        self.wait(self.client, |told| *told == Told::Connected)
            .is_some()
    }
}

fn every_nat(ports: PortPolicy) -> Vec<Nat> {
    let mut all = Vec::new();
    for mapping in Dependence::ALL {
        for filtering in Dependence::ALL {
            all.push(Nat {
                mapping,
                filtering,
                ports,
                ..Nat::SYMMETRIC
            });
        }
    }
    all
}

#[test]
fn a_hole_opens_for_exactly_the_pairs_of_boxes_for_which_there_is_one_and_enet_runs_through_it() {
    let mut opened = 0;
    let mut pairs = 0;
    for ports in [PortPolicy::PreserveOrNext, PortPolicy::Random] {
        for outer in every_nat(ports) {
            for inner in every_nat(ports) {
                let mut game = Game::new(&[outer, inner], Answers::Heard, 0);
                let reach = game.world.reach(game.host, game.client);
                let outcome = game.punch();
                let case = format!("{outer:?} and {inner:?}: {reach:?}, {outcome:?}");
                pairs += 1;
                if let Outcome::Open { peer } = outcome {
                    assert_eq!(reach, Reach::Direct, "{case}");
                    assert!(game.connect(peer), "ENet does not connect: {case}");
                    opened += 1;
                } else {
                    assert_ne!(reach, Reach::Direct, "{case}");
                }
            }
        }
    }
    println!("{opened} of {pairs} pairs of boxes opened");
    assert!(opened > pairs / 2);
}

#[test]
fn a_host_that_cannot_read_the_handshake_is_never_better_off() {
    let mut counts = [0; 3];
    for outer in every_nat(PortPolicy::Random) {
        for inner in every_nat(PortPolicy::Random) {
            let mut blind = Game::new(&[outer, inner], Answers::Always, 0);
            let outcome = blind.punch();
            let connects = matches!(outcome, Outcome::Open { peer } if blind.connect(peer));
            let direct = blind.world.reach(blind.host, blind.client) == Reach::Direct;
            assert!(!connects || direct, "{outer:?} and {inner:?}");
            counts[0] += u32::from(matches!(outcome, Outcome::Open { .. }));
            counts[1] += u32::from(connects);
            counts[2] += u32::from(direct);
        }
    }
    let [opened, connected, possible] = counts;
    println!("a Godot host: open for {opened}, connected {connected}, possible {possible} of 81");
    assert!(
        connected < possible,
        "reading the handshake must be worth something"
    );
}

#[test]
fn loss_delays_a_hole_and_does_not_prevent_it() {
    let mut game = Game::new(&[Nat::PORT_RESTRICTED; 2], Answers::Heard, 300);
    let Outcome::Open { peer } = game.punch() else {
        panic!("there is a way");
    };
    assert!(game.connect(peer));
}

#[test]
fn two_players_behind_one_box_meet_if_it_hairpins() {
    let open = |hairpin| {
        let nat = Nat {
            hairpin,
            ..Nat::PORT_RESTRICTED
        };
        matches!(
            Game::new(&[nat], Answers::Heard, 0).punch(),
            Outcome::Open { .. }
        )
    };
    assert!(open(Hairpin::ExternalSource));
    assert!(!open(Hairpin::None));
}
