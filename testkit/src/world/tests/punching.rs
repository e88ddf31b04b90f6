//! The oracle against hosts that try.

use super::*;

/// A player that sends to all it knows of the other, and to all it hears from; a way works when an answer comes from where
/// the question went, or from anywhere if it is lenient.
#[derive(Debug, Default)]
struct Player {
    lenient: bool,
    server: Option<SocketAddr>,
    known: BTreeSet<SocketAddr>,
    outer: Option<SocketAddr>,
    outbox: VecDeque<(SocketAddr, Vec<u8>)>,
    deadline: Option<Instant>,
    connected: bool,
}

/// More ways than any pair of boxes needs; symmetric ones never end.
const MOST_KNOWN: usize = 12;

impl Machine for Player {
    type Event = ();
    type Drop = ();

    fn handle_datagram(
        &mut self,
        _: Instant,
        _: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<()> {
        let text = core::str::from_utf8(data).unwrap_or_default();
        match self.server {
            None => self.outbox.push_back((from, from.to_string().into_bytes())),
            Some(server) if from == server => self.outer = text.parse().ok(),
            Some(_) => match text.split_at_checked(1) {
                Some(("?", asked)) => {
                    self.outbox
                        .push_back((from, format!("!{asked}").into_bytes()));
                    if self.known.len() < MOST_KNOWN {
                        self.known.insert(from);
                    }
                }
                Some(("!", asked)) => self.connected |= self.lenient || asked.parse() == Ok(from),
                _ => {}
            },
        }
        Handled::Consumed
    }

    fn handle_timeout(&mut self, now: Instant) {
        let to_all = self
            .known
            .iter()
            .map(|&to| (to, format!("?{to}").into_bytes()));
        self.outbox.extend(to_all);
        self.deadline = Some(now + Duration::from_millis(200));
    }

    fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let (destination, bytes) = self.outbox.pop_front()?;
        buf[..bytes.len()].copy_from_slice(&bytes);
        Some(Transmit {
            source: None,
            destination,
            bytes: 0..bytes.len(),
        })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn buffer_bytes(&self) -> usize {
        100
    }
}

fn world_with_server(seed: u64) -> World<Player> {
    let mut world = World::new(seed);
    world.add_host(
        "server",
        INTERNET,
        address("198.51.100.1:9"),
        Player::default(),
    );
    world
}

fn add_player(world: &mut World<Player>, name: &str, zone: ZoneId, socket: &str) -> HostId {
    let mut player = Player {
        server: Some(address("198.51.100.1:9")),
        ..Player::default()
    };
    player
        .outbox
        .push_back((address("198.51.100.1:9"), Vec::new()));
    let host = world.add_host(name, zone, address(socket), player);
    let link = Link::with_latency(Duration::from_millis(20));
    world.set_access(host, address(socket).ip(), link);
    host
}

/// Whether two players connect who know each other's inner and outer addresses.
fn tries(world: &mut World<Player>, a: (HostId, &str), b: (HostId, &str)) -> bool {
    try_as(world, false, a, b)
}

/// The same for players that are lenient or not.
fn try_as(world: &mut World<Player>, lenient: bool, a: (HostId, &str), b: (HostId, &str)) -> bool {
    world.run_for(Duration::from_secs(1));
    for (one, other) in [(a, b), (b, a)] {
        let mut known = BTreeSet::from([address(other.1)]);
        known.extend(world.machine(other.0).outer);
        let now = world.now();
        let player = world.machine_mut(one.0);
        player.lenient = lenient;
        player.known = known;
        player.deadline = Some(now);
    }
    world.run_until(Duration::from_secs(10), |world| {
        world.machine(a.0).connected && world.machine(b.0).connected
    })
}

fn all_nats() -> impl Iterator<Item = Nat> {
    Dependence::ALL.into_iter().flat_map(|mapping| {
        Dependence::ALL
            .into_iter()
            .map(move |filtering| Nat::new(mapping, filtering))
    })
}

fn expected_of(world: &World<Player>, lenient: bool, a: HostId, b: HostId) -> Reach {
    match lenient {
        true => world.reach(a, b),
        false => world.reach_symmetric(a, b, &[]),
    }
}

// req: SIM-4
#[test]
fn the_oracle_is_right_for_all_pairs_of_boxes() {
    let mut answers = Vec::new();
    for (one, two) in all_nats().flat_map(|one| all_nats().map(move |two| (one, two))) {
        for ports in [
            PortPolicy::Random,
            PortPolicy::Sequential,
            PortPolicy::PreserveOrNext,
        ] {
            for lenient in [false, true] {
                let mut world = world_with_server(7);
                let mut home = |name, outer, nat: Nat| {
                    let nat = Nat { ports, ..nat };
                    let home = world.add_gateway(name, INTERNET, &[ip(outer)], nat);
                    world.inside(home)
                };
                let (left, right) = (
                    home("left", "203.0.113.1", one),
                    home("right", "203.0.113.2", two),
                );
                let a = add_player(&mut world, "a", left, "192.168.0.2:5000");
                let b = add_player(&mut world, "b", right, "10.0.0.2:6000");
                let expected = expected_of(&world, lenient, a, b);
                let (a, b) = ((a, "192.168.0.2:5000"), (b, "10.0.0.2:6000"));
                let connected = try_as(&mut world, lenient, a, b);
                let possible = matches!(expected, Reach::Direct | Reach::Asymmetric);
                assert_eq!(
                    connected, possible,
                    "{one:?}\n{two:?}\n{expected:?}, {lenient}"
                );
                answers.push(expected);
            }
        }
    }
    let count = |reach| answers.iter().filter(|&&answer| answer == reach).count();
    let direct = count(Reach::Direct);
    assert!((240..400).contains(&direct), "{direct} of 486");
    // Both have a port for each remote one, and one of them lets everything in.
    assert_eq!(count(Reach::Asymmetric), 3 * 3);
}

#[test]
fn the_oracle_is_right_behind_one_carrier_with_every_hairpin() {
    let (mut decided, mut uncertain) = (0, 0);
    for carrier in all_nats() {
        for (hairpin, lenient) in Hairpin::ALL
            .into_iter()
            .flat_map(|hairpin| [false, true].map(|lenient| (hairpin, lenient)))
        {
            for (one, two) in all_nats().flat_map(|one| all_nats().map(move |two| (one, two))) {
                let mut world = world_with_server(7);
                let nat = Nat { hairpin, ..carrier };
                let carrier = world.add_gateway("carrier", INTERNET, &[ip("203.0.113.1")], nat);
                let zone = world.inside(carrier);
                let mut home = |name, outer, nat: Nat| {
                    let home = world.add_gateway(name, zone, &[ip(outer)], nat);
                    world.inside(home)
                };
                let (left, right) = (
                    home("left", "100.64.0.1", one),
                    home("right", "100.64.0.2", two),
                );
                let a = add_player(&mut world, "a", left, "192.168.0.2:5000");
                let b = add_player(&mut world, "b", right, "10.0.0.2:6000");
                let expected = expected_of(&world, lenient, a, b);
                if expected == Reach::Uncertain {
                    uncertain += 1;
                    continue;
                }
                let (a, b) = ((a, "192.168.0.2:5000"), (b, "10.0.0.2:6000"));
                let connected = try_as(&mut world, lenient, a, b);
                let possible = matches!(expected, Reach::Direct | Reach::Asymmetric);
                assert_eq!(
                    connected, possible,
                    "{nat:?}\n{one:?}\n{two:?}\n{expected:?}, {lenient}"
                );
                decided += 1;
            }
        }
    }
    assert!(
        decided > 9 * uncertain,
        "{decided} decided, {uncertain} not"
    );
}

#[test]
fn a_player_without_a_box_is_reached_by_all() {
    for nat in all_nats() {
        let mut world = world_with_server(1);
        let home = world.add_gateway("box", INTERNET, &[ip("203.0.113.1")], nat);
        let inside = world.inside(home);
        let a = add_player(&mut world, "a", inside, "192.168.0.2:5000");
        let b = add_player(&mut world, "b", INTERNET, "198.51.100.20:6000");
        assert_eq!(world.reach(a, b), Reach::Direct);
        assert!(tries(
            &mut world,
            (a, "192.168.0.2:5000"),
            (b, "198.51.100.20:6000")
        ));
    }
}

#[test]
fn a_firewall_without_datagrams_leaves_nothing_not_even_a_relay() {
    let mut world = world_with_server(1);
    let wall = world.add_gateway("wall", INTERNET, &[], Firewall::NO_UDP);
    let home = world.add_gateway("box", INTERNET, &[ip("203.0.113.1")], Nat::SYMMETRIC);
    let other = world.add_gateway("other", INTERNET, &[ip("203.0.113.2")], Nat::SYMMETRIC);
    let (wall, home, other) = (world.inside(wall), world.inside(home), world.inside(other));
    let a = add_player(&mut world, "a", wall, "192.0.2.9:5000");
    let b = add_player(&mut world, "b", home, "10.0.0.2:6000");
    let c = add_player(&mut world, "c", other, "10.0.0.2:6000");
    let relay = world.add_host(
        "relay",
        INTERNET,
        address("198.51.100.3:3478"),
        Player::default(),
    );
    assert_eq!(world.reach_with(a, b, &[relay]), Reach::Impossible);
    assert_eq!(world.reach_with(c, b, &[relay]), Reach::Relayed);
    assert_eq!(world.reach(c, b), Reach::Impossible);
}
