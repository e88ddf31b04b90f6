//! What goes wrong with hosts and links.

use super::*;
use crate::world::{Clock, Pause};

fn two() -> (World<Probe>, HostId, HostId) {
    let mut world = World::new(3);
    let a = world.add_host("a", INTERNET, address("192.0.2.1:1"), Probe::default());
    let b = world.add_host("b", INTERNET, address("192.0.2.2:2"), Probe::default());
    (world, a, b)
}

// req: SIM-2
#[test]
fn time_jumps_to_what_is_due_and_clocks_may_differ() {
    let (mut world, a, _) = two();
    let clock = Clock {
        start_micros: 1_000_000,
        rate_ppm: 200,
    };
    world.set_clock(a, clock);
    world.machine_mut(a).deadline = Some(Instant::from_millis(3000));
    world.run_for(Duration::from_secs(10));
    let woken = world.machine(a).woken[..].to_vec();
    assert_eq!(woken, [Instant::from_millis(3000)]);
    assert_eq!(world.stats().timeouts, 1);
    assert_eq!(world.now_at(a), Instant::from_micros(11_002_000));
}

// req: SIM-6
#[test]
fn a_crashed_host_hears_nothing_and_another_machine_takes_its_place() {
    let (mut world, a, b) = two();
    world.crash(b);
    world.says(a, "192.0.2.2:2", "lost");
    assert_eq!(world.stats().host_down, 1);
    world.restart(b, Probe::default());
    world.says(a, "192.0.2.2:2", "heard");
    assert_eq!(world.hears(b), ["192.0.2.1:1 heard"]);
}

// req: SIM-6
#[test]
fn a_stopped_process_gets_its_mail_and_a_sleeping_computer_does_not() {
    for (pause, kept) in [(Pause::Stopped, 1), (Pause::Suspended, 0)] {
        let (mut world, a, b) = two();
        world.machine_mut(b).deadline = Some(Instant::from_millis(50));
        world.drive();
        world.pause(b, pause);
        world.says(a, "192.0.2.2:2", "waiting");
        assert_eq!(world.hears(b), Vec::<String>::new());
        assert_eq!(world.machine(b).woken, []);
        world.resume(b);
        world.run_for(Duration::from_millis(1));
        assert_eq!(world.hears(b).len(), kept);
        let woken = &world.machine(b).woken;
        assert_eq!(
            woken[..],
            [Instant::from_millis(100)],
            "its deadline passed while it slept"
        );
    }
}

// req: SIM-6
#[test]
fn an_address_change_kills_old_sockets_and_moves_open_ones() {
    let (mut world, a, b) = two();
    world.bind(b, address("0.0.0.0:22"));
    world.readdress(b, ip("192.0.2.2"), INTERNET, ip("192.0.2.99"));
    world.says(a, "192.0.2.99:2", "to the old socket");
    world.says(a, "192.0.2.99:22", "to the open one");
    world.says(a, "192.0.2.2:2", "to nobody");
    assert_eq!(world.hears(b), ["192.0.2.1:1 to the open one"]);
    world.says(b, "192.0.2.1:1", "from the old socket");
    let failed = &world.machine(b).failed;
    assert_eq!(
        failed[..],
        [(address("192.0.2.1:1"), SendError::NoSuchAddress)]
    );
    assert_eq!(
        world.machine(a).failed[..],
        [(address("192.0.2.99:2"), SendError::Refused)]
    );
}

// req: SIM-6
#[test]
fn sends_fail_as_often_as_the_test_says() {
    let (mut world, a, b) = two();
    world.set_send_faults(a, 500, SendError::WouldBlock);
    for _ in 0..200 {
        world.says(a, "192.0.2.2:2", "?");
    }
    let failed = world.machine(a).failed.len();
    assert!((60..140).contains(&failed), "{failed}");
    assert_eq!(world.hears(b).len() + failed, 200);
}

#[test]
fn a_short_buffer_cuts_what_is_read() {
    let (mut world, a, b) = two();
    world.set_receive_bytes(b, 4);
    world.says(a, "192.0.2.2:2", "truncated");
    assert_eq!(world.hears(b), ["192.0.2.1:1 trun"]);
}

// req: SIM-3
#[test]
fn a_narrow_way_loses_long_datagrams_and_tells_if_it_tells() {
    for tells_mtu in [false, true] {
        let mut world = World::new(1);
        let server = world.public("server", "198.51.100.1:9");
        let home = world.add_gateway("box", INTERNET, &[ip("203.0.113.1")], Nat::SYMMETRIC);
        let host = world.behind("host", home, "192.168.0.2:5000");
        let narrow = Link {
            mtu_bytes: 100,
            tells_mtu,
            ..Link::PERFECT
        };
        world.set_access_links(server, ip("198.51.100.1"), Link::PERFECT, narrow);
        world.says(host, "198.51.100.1:9", &"x".repeat(101));
        assert_eq!(world.hears(server), Vec::<String>::new());
        let told = [(
            address("198.51.100.1:9"),
            SendError::TooLong { mtu_bytes: 100 },
        )];
        let failed = &world.machine(host).failed;
        assert_eq!(failed[..], told[..usize::from(tells_mtu)]);
    }
}

// req: SIM-3
#[test]
fn a_cut_works_in_one_direction_until_it_heals() {
    let (mut world, a, b) = two();
    world.cut(ip("192.0.2.1"), ip("192.0.2.2"));
    world.says(a, "192.0.2.2:2", "lost");
    world.says(b, "192.0.2.1:1", "heard");
    assert_eq!((world.hears(a).len(), world.hears(b).len()), (1, 0));
    world.heal(ip("192.0.2.1"), ip("192.0.2.2"));
    world.says(a, "192.0.2.2:2", "heard");
    assert_eq!(world.hears(b).len(), 1);
}

// req: SIM-7
#[test]
fn an_eavesdropper_replays_what_passed_from_another_address() {
    let (mut world, a, b) = two();
    world.capture_up_to(10);
    world.says(a, "192.0.2.2:2", "secret");
    let captured = world.take_captured();
    let [packet] = &captured[..] else {
        panic!("one datagram passed");
    };
    world.hears(b);
    let spoofed = address("192.0.2.66:6");
    world.inject(INTERNET, spoofed, packet.to, &packet.bytes);
    world.run_for(Duration::from_millis(1));
    assert_eq!(world.hears(b), ["192.0.2.66:6 secret"]);
}

// req: SIM-1
#[test]
fn the_order_in_which_hosts_are_added_changes_nothing() {
    let run = |seed: u64, names: &[u8]| {
        let mut world = World::new(seed);
        let bad = Link {
            latency: Duration::from_millis(20),
            jitter: Duration::from_millis(5),
            loss: 100,
            duplicate: 50,
            ..Link::PERFECT
        };
        let mut hosts: Vec<(u8, HostId)> = Vec::new();
        for &name in names {
            let outer = [IpAddr::from([203, 0, 113, name])];
            let home = world.add_gateway(&format!("box {name}"), INTERNET, &outer, Nat::FULL_CONE);
            let host = world.behind(&format!("host {name}"), home, "192.168.0.2:5000");
            world.set_access(host, ip("192.168.0.2"), bad);
            hosts.push((name, host));
        }
        hosts.sort_unstable_by_key(|&(name, _)| name);
        for round in 0..20 {
            for &(name, host) in &hosts {
                let to = SocketAddr::from(([203, 0, 113, (name + round) % 5], 5000));
                world.says(host, &to.to_string(), "?");
            }
        }
        world.log().digest()
    };
    for seed in 0..50 {
        let first = run(seed, &[0, 1, 2, 3, 4]);
        assert_eq!(first, run(seed, &[0, 1, 2, 3, 4]), "seed {seed} twice");
        assert_eq!(
            first,
            run(seed, &[3, 1, 4, 0, 2]),
            "seed {seed} in another order"
        );
        assert_ne!(first, run(seed + 1, &[0, 1, 2, 3, 4]));
    }
}

#[test]
#[should_panic(expected = "talker sends for ever")]
fn a_machine_that_never_stops_sending_is_caught() {
    struct Endless;
    impl Machine for Endless {
        type Event = ();
        type Drop = ();
        fn handle_datagram(
            &mut self,
            _: Instant,
            _: SocketAddr,
            _: SocketAddr,
            _: &[u8],
        ) -> Handled<()> {
            Handled::Consumed
        }
        fn handle_timeout(&mut self, _: Instant) {}
        fn poll_transmit(&mut self, _: Instant, _: &mut [u8]) -> Option<Transmit> {
            Some(Transmit {
                source: Some(address("192.0.2.77:7")),
                destination: address("192.0.2.2:2"),
                bytes: 0..0,
            })
        }
        fn poll_timeout(&self) -> Option<Instant> {
            None
        }
        fn poll_event(&mut self) -> Option<()> {
            None
        }
        fn buffer_bytes(&self) -> usize {
            1
        }
    }
    let mut world = World::new(1);
    let internet = World::<Endless>::INTERNET;
    world.add_host("talker", internet, address("192.0.2.1:1"), Endless);
    world.drive();
}
