//! Discovery in a simulated world: it must name the box that the world has.

use core::net::SocketAddr;
use core::time::Duration;
use proto_core::{Handled, Instant, Transmit};
use stun_proto::nat::{
    Dependence, Discovery, DiscoveryConfig, DiscoveryEvent, Fragments, Hairpin, LifetimeSearch,
    NatReport, Oddity, PortPattern,
};
use stun_proto::server::{BindingServer, DiscoveryAddresses, Rate, ServerConfig};
use testkit::world::{self, Actor, Nat, PortPolicy, Server, World};
use testkit::{Link, Machine};

const SERVER: &str = "198.51.100.1:3478";
const OTHER: &str = "198.51.100.2:3479";
const INNER: &str = "192.168.0.2";

/// A host of the world, with the client behind the box.
type Node = Actor<Client>;

struct Client(Discovery);

impl Machine for Client {
    type Event = DiscoveryEvent;
    type Drop = ();

    fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<()> {
        match self.0.handle_datagram(now, local, from, data) {
            Handled::Consumed => Handled::Consumed,
            _ => Handled::Dropped(()),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        self.0.poll_transmit(now, buffer)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }

    fn poll_event(&mut self) -> Option<DiscoveryEvent> {
        self.0.poll_event()
    }

    fn buffer_bytes(&self) -> usize {
        Discovery::BUFFER
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn server(discovery: bool) -> Node {
    let mut config = ServerConfig::new([1; 32]);
    // The tests are about the client; lifetimes ask more often than strangers may.
    config.replies = Rate::new(1000, 1000);
    config.discovery = DiscoveryAddresses::new(address(SERVER), address(OTHER))
        .ok()
        .filter(|_| discovery);
    let mut server = BindingServer::new(config);
    Actor::Server(Server::new(move |now, local, from, data, buffer| {
        let answer = server.handle_datagram(now, local, from, data, buffer);
        answer.reply()
    }))
}

/// What a client behind `nat` reports, and how long it took. No box for `None`.
fn discover(
    nat: Option<Nat>,
    lifetime: Option<LifetimeSearch>,
    discovery: bool,
) -> (NatReport, Duration) {
    let mut world = World::new(5);
    let internet = World::<Node>::INTERNET;
    let host = world.add_host("server", internet, address(SERVER), server(discovery));
    world.add_interface(host, internet, address(OTHER).ip());
    for socket in ["198.51.100.1:3479", "198.51.100.2:3478", OTHER] {
        world.bind(host, address(socket));
    }
    let (zone, ip) = match nat {
        Some(nat) => {
            let outer = ["203.0.113.1", "203.0.113.2"].map(|ip| ip.parse().expect("an address"));
            let outer = if nat.pooling == world::Pooling::Paired {
                &outer[..1]
            } else {
                &outer[..]
            };
            let gateway = world.add_gateway("box", internet, outer, nat);
            (world.inside(gateway), INNER)
        }
        None => (internet, "203.0.113.9"),
    };
    let sockets =
        (0..DiscoveryConfig::SOCKETS).map(|k| address(&format!("{ip}:{}", 40_000 + 7 * k)));
    let mut config = DiscoveryConfig::new([2; 32], address(SERVER), sockets.collect());
    config.lifetime = lifetime;
    let sockets = config.sockets.clone();
    let client = Discovery::new(world.now(), config).expect("enough sockets");
    let client = world.add_host("client", zone, sockets[0], Actor::player(Client(client)));
    for socket in &sockets[1..] {
        world.bind(client, *socket);
    }
    world.set_access(
        client,
        sockets[0].ip(),
        Link::with_latency(Duration::from_millis(20)),
    );
    let start = world.now();
    let finished = world.run_until(Duration::from_secs(3 * 3600), |world| {
        world
            .take_events(client)
            .contains(&DiscoveryEvent::Finished)
    });
    assert!(finished, "discovery ends");
    (
        world.machine(client).as_player().0.report().clone(),
        world.now().saturating_since(start),
    )
}

fn expected(of: world::Dependence) -> Dependence {
    match of {
        world::Dependence::EndpointIndependent => Dependence::Endpoint,
        world::Dependence::AddressDependent => Dependence::Address,
        world::Dependence::AddressAndPortDependent => Dependence::AddressAndPort,
    }
}

const DEPENDENCES: [world::Dependence; 3] = [
    world::Dependence::EndpointIndependent,
    world::Dependence::AddressDependent,
    world::Dependence::AddressAndPortDependent,
];

// req: N-5, N-6, N-7, N-9
#[test]
fn every_mapping_filtering_and_hairpin_is_told_apart() {
    for mapping in DEPENDENCES {
        for filtering in DEPENDENCES {
            for hairpin in world::Hairpin::ALL {
                for ports in [
                    PortPolicy::PreserveOrNext,
                    PortPolicy::Sequential,
                    PortPolicy::Random,
                ] {
                    let nat = Nat {
                        mapping,
                        filtering,
                        hairpin,
                        ports,
                        ..Nat::SYMMETRIC
                    };
                    let (report, took) = discover(Some(nat), None, true);
                    assert_eq!(report.mapping, Some(expected(mapping)), "{nat:?}");
                    assert_eq!(report.filtering, Some(expected(filtering)), "{nat:?}");
                    let open = filtering == world::Dependence::EndpointIndependent
                        || mapping == world::Dependence::EndpointIndependent;
                    let seen = match hairpin {
                        // A filter that only admits the server hides that the box would carry it.
                        _ if !open => Hairpin::None,
                        world::Hairpin::None => Hairpin::None,
                        world::Hairpin::InternalSource => Hairpin::InternalSource,
                        world::Hairpin::ExternalSource => Hairpin::ExternalSource,
                    };
                    if open {
                        assert_eq!(report.hairpin, Some(seen), "{nat:?}");
                    }
                    assert!(took <= Duration::from_secs(10), "{took:?} for {nat:?}");
                    assert_eq!(report.is_translated(), Some(true));
                    assert_eq!(report.fragments, Some(Fragments::Pass));
                    assert_eq!(report.oddities, []);
                }
            }
        }
    }
}

// req: N-11
#[test]
fn every_choice_of_ports_is_recognised() {
    let pattern = |nat: Nat| {
        let (report, _) = discover(Some(nat), None, true);
        report.ports.expect("a profile").pattern
    };
    let cone = |ports| Nat {
        ports,
        ..Nat::PORT_RESTRICTED
    };
    assert_eq!(pattern(cone(PortPolicy::Preserve)), PortPattern::Preserving);
    assert!(matches!(
        pattern(cone(PortPolicy::Sequential)),
        PortPattern::Contiguous { delta: 1, .. }
    ));
    assert_eq!(pattern(cone(PortPolicy::Random)), PortPattern::Random);
    let symmetric = |ports| Nat {
        ports,
        ..Nat::SYMMETRIC
    };
    let sequential = pattern(symmetric(PortPolicy::Sequential));
    assert!(
        matches!(sequential, PortPattern::PerDestination { delta: 1, .. }),
        "{sequential:?}"
    );
    assert_eq!(pattern(symmetric(PortPolicy::Random)), PortPattern::Random);
}

// req: N-5
#[test]
fn no_box_and_no_discovery_are_said_so() {
    let (open, took) = discover(None, None, true);
    assert_eq!(open.is_translated(), Some(false));
    assert_eq!(
        (open.mapping, open.filtering),
        (Some(Dependence::Endpoint), Some(Dependence::Endpoint))
    );
    assert_eq!(open.classic_name(), Some("open internet"));
    assert!(took < Duration::from_secs(2), "{took:?}");

    let (partial, _) = discover(Some(Nat::PORT_RESTRICTED), None, false);
    assert_eq!((partial.mapping, partial.filtering), (None, None));
    assert!(partial.oddities.contains(&Oddity::NoDiscovery));
    assert!(partial.mapped.is_some() && !partial.blocked);
}

// req: N-10
#[test]
fn a_box_that_rewrites_payloads_is_noticed() {
    let nat = Nat {
        rewrites_payload: true,
        ..Nat::PORT_RESTRICTED
    };
    let (report, _) = discover(Some(nat), None, true);
    assert_eq!(report.oddities, [Oddity::RewrittenPayload]);
    assert_eq!(report.mapping, Some(Dependence::Endpoint));
}

// req: N-8
#[test]
fn the_lifetime_of_a_mapping_is_found() {
    let nat = Nat {
        lifetime: Duration::from_secs(60),
        ..Nat::ADDRESS_RESTRICTED
    };
    let (report, _) = discover(Some(nat), Some(LifetimeSearch::default()), true);
    let lifetime = report.lifetime.expect("a lifetime");
    assert!(lifetime.at_least <= Duration::from_secs(60), "{lifetime:?}");
    assert!(lifetime.at_least >= Duration::from_secs(45), "{lifetime:?}");
    let gone = lifetime.less_than.expect("it ends");
    assert!(
        gone >= Duration::from_secs(55) && gone <= Duration::from_secs(70),
        "{lifetime:?}"
    );
}
