//! Boxes in a network, seen by small probes.

use super::*;
use crate::Link;
use alloc::collections::VecDeque;
use proto_core::{Handled, Transmit};

mod faults;
mod punching;

/// A machine that sends what it is told to from the socket that it is told, and notes what arrives.
#[derive(Debug, Default)]
struct Probe {
    outbox: VecDeque<(Option<SocketAddr>, SocketAddr, Vec<u8>)>,
    heard: VecDeque<Heard>,
    failed: Vec<(SocketAddr, SendError)>,
    /// Whether it answers with the address that it saw.
    reflects: bool,
    deadline: Option<Instant>,
    woken: Vec<Instant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Heard {
    local: SocketAddr,
    from: SocketAddr,
    bytes: Vec<u8>,
}

impl Machine for Probe {
    type Event = Heard;
    type Drop = ();

    fn handle_datagram(
        &mut self,
        _: Instant,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<()> {
        if self.reflects {
            let seen = from.to_string().into_bytes();
            self.outbox.push_back((Some(local), from, seen));
        }
        self.heard.push_back(Heard {
            local,
            from,
            bytes: data.to_vec(),
        });
        Handled::Consumed
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.deadline = None;
        self.woken.push(now);
    }

    fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let (source, destination, bytes) = self.outbox.pop_front()?;
        buf[..bytes.len()].copy_from_slice(&bytes);
        Some(Transmit {
            source,
            destination,
            bytes: 0..bytes.len(),
        })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    fn poll_event(&mut self) -> Option<Heard> {
        self.heard.pop_front()
    }

    fn buffer_bytes(&self) -> usize {
        2000
    }

    fn handle_send_error(&mut self, _: Instant, _: SocketAddr, to: SocketAddr, error: SendError) {
        self.failed.push((to, error));
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

impl World<Probe> {
    fn says(&mut self, host: HostId, to: &str, text: &str) {
        let datagram = (None, address(to), text.as_bytes().to_vec());
        self.machine_mut(host).outbox.push_back(datagram);
        self.run_for(Duration::from_millis(100));
    }

    /// What a host heard since the last call, as "source text".
    fn hears(&mut self, host: HostId) -> Vec<String> {
        let heard = self.take_events(host);
        let show =
            |heard: Heard| format!("{} {}", heard.from, String::from_utf8_lossy(&heard.bytes));
        heard.into_iter().map(show).collect()
    }

    fn public(&mut self, name: &str, socket: &str) -> HostId {
        let server = Probe {
            reflects: true,
            ..Probe::default()
        };
        self.add_host(name, Self::INTERNET, address(socket), server)
    }

    fn behind(&mut self, name: &str, gateway: GatewayId, socket: &str) -> HostId {
        let zone = self.inside(gateway);
        self.add_host(name, zone, address(socket), Probe::default())
    }
}

const INTERNET: ZoneId = World::<Probe>::INTERNET;

#[test]
fn a_datagram_leaves_with_the_outer_address_and_the_answer_comes_back() {
    let mut world = World::new(1);
    world.public("server", "198.51.100.1:9");
    let home = world.add_gateway("box", INTERNET, &[ip("203.0.113.1")], Nat::SYMMETRIC);
    let host = world.behind("host", home, "192.168.0.2:5000");
    world.says(host, "198.51.100.1:9", "?");
    let [(inside, outside)] = world.mappings(home)[..] else {
        panic!("one mapping");
    };
    assert_eq!(inside, address("192.168.0.2:5000"));
    assert_eq!(world.hears(host), [format!("198.51.100.1:9 {outside}")]);
}

#[test]
fn boxes_behind_boxes_translate_twice() {
    let mut world = World::new(1);
    world.public("server", "198.51.100.1:9");
    let carrier = world.add_gateway("carrier", INTERNET, &[ip("203.0.113.1")], Nat::CARRIER);
    let zone = world.inside(carrier);
    let home = world.add_gateway("home", zone, &[ip("100.64.0.7")], Nat::PORT_RESTRICTED);
    let host = world.behind("host", home, "192.168.0.2:5000");
    world.says(host, "198.51.100.1:9", "?");
    assert_eq!(world.hears(host), ["198.51.100.1:9 203.0.113.1:1024"]);
    assert_eq!(
        world.mappings(carrier),
        [(address("100.64.0.7:5000"), address("203.0.113.1:1024"))]
    );
}

#[test]
fn a_box_hairpins_as_it_is_told() {
    for hairpin in Hairpin::ALL {
        let mut world = World::new(1);
        world.public("server", "198.51.100.1:9");
        let nat = Nat {
            hairpin,
            ..Nat::FULL_CONE
        };
        let home = world.add_gateway("box", INTERNET, &[ip("203.0.113.1")], nat);
        let a = world.behind("a", home, "192.168.0.2:5000");
        let b = world.behind("b", home, "192.168.0.3:5001");
        world.says(b, "198.51.100.1:9", "?");
        world.hears(b);
        world.says(a, "203.0.113.1:5001", "hello");
        let expected: &[&str] = match hairpin {
            Hairpin::None => &[],
            Hairpin::InternalSource => &["192.168.0.2:5000 hello"],
            Hairpin::ExternalSource => &["203.0.113.1:5000 hello"],
        };
        assert_eq!(world.hears(b), expected);
        assert_eq!(
            world.stats().not_hairpinned,
            u64::from(hairpin == Hairpin::None)
        );
    }
}

#[test]
fn hosts_of_one_zone_need_no_box() {
    let mut world = World::new(1);
    let home = world.add_gateway("box", INTERNET, &[ip("203.0.113.1")], Firewall::NO_UDP);
    let a = world.behind("a", home, "192.168.0.2:5000");
    let b = world.behind("b", home, "192.168.0.3:5001");
    world.says(a, "192.168.0.3:5001", "hello");
    assert_eq!(world.hears(b), ["192.168.0.2:5000 hello"]);
    assert_eq!(world.reach(a, b), Reach::Direct);
}

#[test]
fn a_stateful_firewall_for_ipv6_lets_in_answers_only() {
    let mut world = World::new(1);
    let server = world.public("server", "[2001:db8::1]:9");
    let home = world.add_gateway("wall", INTERNET, &[], Firewall::STATEFUL);
    let host = world.behind("host", home, "[2001:db8:7::2]:5000");
    world.says(server, "[2001:db8:7::2]:5000", "unasked");
    assert_eq!(world.hears(host), Vec::<String>::new());
    world.says(host, "[2001:db8::1]:9", "?");
    assert_eq!(world.hears(host), ["[2001:db8::1]:9 [2001:db8:7::2]:5000"]);
}

#[test]
fn a_firewall_blocks_all_datagrams_or_all_but_some_ports_and_says_so_if_it_must() {
    let kinds = [
        Firewall::NO_UDP,
        Firewall {
            remote_ports: Some(vec![443]),
            refusal: Refusal::Icmp,
            ..Firewall::STATEFUL
        },
    ];
    for (kind, told) in kinds.into_iter().zip([false, true]) {
        let mut world = World::new(1);
        world.public("server", "198.51.100.1:9");
        world.public("other", "198.51.100.1:443".replace(".1:", ".2:").as_str());
        let home = world.add_gateway("wall", INTERNET, &[], kind);
        let host = world.behind("host", home, "192.0.2.7:5000");
        world.says(host, "198.51.100.1:9", "?");
        assert_eq!(world.hears(host), Vec::<String>::new());
        let failed = &world.machine(host).failed;
        let expected = [(address("198.51.100.1:9"), SendError::Prohibited)];
        assert_eq!(failed[..], expected[..usize::from(told)]);
        world.says(host, "198.51.100.2:443", "?");
        assert_eq!(world.hears(host).len(), usize::from(told));
    }
}

#[test]
fn a_nat64_lets_hosts_with_ipv6_alone_talk_to_ipv4() {
    let mut world = World::new(1);
    let server = world.public("server", "198.51.100.1:9");
    let kind = Gateway::Nat64(Nat::PORT_RESTRICTED);
    let mobile = world.add_gateway("nat64", INTERNET, &[ip("203.0.113.1")], kind);
    let host = world.behind("host", mobile, "[2001:db8:7::2]:5000");
    world.says(host, "[64:ff9b::198.51.100.1]:9", "?");
    assert_eq!(world.hears(server), ["203.0.113.1:5000 ?"]);
    assert_eq!(
        world.hears(host),
        ["[64:ff9b::c633:6401]:9 203.0.113.1:5000"]
    );
    world.says(host, "[2001:db8::99]:9", "?");
    assert_eq!(world.stats().stray, 1, "there is no way to IPv6");
}

#[test]
fn a_host_sends_and_receives_at_several_addresses() {
    let mut world = World::new(1);
    let server = world.public("server", "198.51.100.1:9");
    let home = world.add_gateway("box", INTERNET, &[ip("203.0.113.1")], Nat::FULL_CONE);
    let mobile = world.add_gateway("mobile", INTERNET, &[ip("203.0.113.2")], Nat::SYMMETRIC);
    let host = world.behind("host", home, "192.168.0.2:5000");
    let zone = world.inside(mobile);
    world.add_interface(host, zone, ip("10.0.0.9"));
    world.bind(host, address("10.0.0.9:6000"));
    let sources = ["192.168.0.2:5000", "10.0.0.9:6000", "10.0.0.9:7"];
    for source in sources {
        let datagram = (Some(address(source)), address("198.51.100.1:9"), vec![b'?']);
        world.machine_mut(host).outbox.push_back(datagram);
    }
    world.run_for(Duration::from_millis(10));
    let outer: Vec<IpAddr> = world
        .take_events(server)
        .iter()
        .map(|heard| heard.from.ip())
        .collect();
    assert_eq!(outer, [ip("203.0.113.1"), ip("203.0.113.2")]);
    let locals: Vec<_> = world
        .take_events(host)
        .iter()
        .map(|heard| heard.local)
        .collect();
    assert_eq!(locals, [address(sources[0]), address(sources[1])]);
    let failed = &world.machine(host).failed;
    assert_eq!(
        failed[..],
        [(address("198.51.100.1:9"), SendError::NoSuchAddress)]
    );
}

#[test]
fn a_box_that_edits_payloads_is_fooled_by_a_mask() {
    let mut world = World::new(1);
    let server = world.public("server", "198.51.100.1:9");
    let nat = Nat {
        rewrites_payload: true,
        ..Nat::FULL_CONE
    };
    let home = world.add_gateway("box", INTERNET, &[ip("203.0.113.1")], nat);
    let host = world.behind("host", home, "192.168.0.2:5000");
    let bytes = [1, 192, 168, 0, 2, 192 ^ 0x21, 168 ^ 0x12, 0xa4, 2 ^ 0x42];
    let datagram = (None, address("198.51.100.1:9"), bytes.to_vec());
    world.machine_mut(host).outbox.push_back(datagram);
    world.run_for(Duration::from_millis(10));
    let heard = world.poll_event(server).expect("it passes");
    assert_eq!(heard.bytes[..5], [1, 203, 0, 113, 1]);
    assert_eq!(heard.bytes[5..], bytes[5..]);
}

#[test]
fn a_reboot_a_renumbering_and_a_forwarded_port_do_what_they_say() {
    let mut world = World::new(1);
    let server = world.public("server", "198.51.100.1:9");
    let home = world.add_gateway("box", INTERNET, &[ip("203.0.113.1")], Nat::PORT_RESTRICTED);
    let host = world.behind("host", home, "192.168.0.2:5000");
    world.says(host, "198.51.100.1:9", "?");
    world.hears(host);
    world.reboot(home);
    world.says(server, "203.0.113.1:5000", "late");
    assert_eq!(world.hears(host), Vec::<String>::new());
    world.renumber(home, &[ip("203.0.113.77")]);
    world.says(host, "198.51.100.1:9", "?");
    assert_eq!(world.hears(host), ["198.51.100.1:9 203.0.113.77:5000"]);
    let outer = world.forward(home, address("192.168.0.2:5000"), 7777);
    let stranger = world.public("stranger", "198.51.100.66:1");
    world.says(stranger, &outer.to_string(), "come in");
    assert_eq!(world.hears(host), ["198.51.100.66:1 come in"]);
}
