//! Handshake and what it negotiates: data, channels, MTU, sessions, checksum, limits.

use core::time::Duration;
use interop::enet::{End, Ending, Event, Flags, Kind, Pairing, Settings, Side, World, payload};
use interop::for_each_pairing;
use testkit::Link;

for_each_pairing!(
    the_server_learns_the_data_and_the_smaller_channel_count_holds,
    the_smaller_mtu_holds_in_both_directions,
    a_packet_of_one_fragment_length_is_not_fragmented,
    slots_are_used_again_with_new_sessions,
    datagrams_of_an_old_session_do_no_harm,
    a_full_server_stays_silent,
    a_checksum_on_one_side_only_prevents_the_connection,
    foreign_datagrams_leave_a_connection_alone,
    an_idle_connection_lives_on_pings,
    a_connection_outlives_a_silence_shorter_than_the_timeout,
    a_connection_survives_the_wrap_of_the_clock,
    sending_on_a_channel_that_was_not_negotiated_is_refused,
    the_same_seed_gives_the_same_exchange,
);

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> Settings {
    Settings::default()
}

fn the_server_learns_the_data_and_the_smaller_channel_count_holds(pairing: Pairing) {
    for (wanted, granted, expected) in [(1, 255, 1), (255, 255, 255), (10, 3, 3), (3, 10, 3)] {
        let server = Settings {
            channel_limit: granted,
            ..settings()
        };
        let mut world = World::new(pairing, &settings(), &server);

        world.call(wanted, 0xDEAD_BEEF);
        assert!(world.wait_connected(SECOND));

        assert_eq!(
            world.take(Side::Client),
            [Event::Connected {
                peer: world.client_peer,
                data: 0
            }]
        );
        assert_eq!(
            world.take(Side::Server),
            [Event::Connected {
                peer: world.server_peer,
                data: 0xDEAD_BEEF
            }]
        );
        for side in Side::BOTH {
            assert_eq!(world.end(side).channel_count(world.peer(side)), expected);
        }
    }
}

fn sending_on_a_channel_that_was_not_negotiated_is_refused(pairing: Pairing) {
    let mut world = World::new(
        pairing,
        &settings(),
        &Settings {
            channel_limit: 2,
            ..settings()
        },
    );
    world.connect(5);
    for side in Side::BOTH {
        assert!(world.send(side, 1, Flags::RELIABLE, b"the last channel"));
        assert!(!world.send(side, 2, Flags::RELIABLE, b"beyond"));
        assert!(world.wait_received(side.other(), 1, SECOND));
    }
}

const MTUS: [u16; 5] = [576, 900, 1392, 1400, 4096];

fn the_smaller_mtu_holds_in_both_directions(pairing: Pairing) {
    for client_mtu in MTUS {
        for server_mtu in MTUS {
            if pairing.server == Kind::C && client_mtu > server_mtu {
                // Version 1.3.17 as server takes the client's MTU even when it is above its own.
                continue;
            }
            let client = Settings {
                mtu: client_mtu,
                ..settings()
            };
            let server = Settings {
                mtu: server_mtu,
                ..settings()
            };
            let mut world = World::new(pairing, &client, &server);
            world.connect(1);
            for side in Side::BOTH {
                assert!(world.send(side, 0, Flags::RELIABLE, &payload(1, 50_000)));
                assert!(world.wait_received(side.other(), 1, 5 * SECOND));
                assert!(world.take_received(side.other())[0].2 == payload(1, 50_000));

                let largest = world.end(side).largest_datagram();
                assert_eq!(
                    largest,
                    usize::from(client_mtu.min(server_mtu)),
                    "{client_mtu} and {server_mtu}"
                );
            }
        }
    }
}

fn a_packet_of_one_fragment_length_is_not_fragmented(pairing: Pairing) {
    for (mtu, checksum, length) in [
        (576, false, 548),
        (576, true, 544),
        (1392, false, 1364),
        (1392, true, 1360),
        (1400, false, 1372),
    ] {
        let settings = Settings {
            mtu,
            checksum,
            ..settings()
        };
        let mut world = World::new(pairing, &settings, &settings);
        world.connect(1);
        for side in Side::BOTH {
            assert!(world.send(side, 0, Flags::RELIABLE, &payload(1, length)));
            assert!(world.wait_received(side.other(), 1, SECOND));
            assert_eq!(
                world.end(side).sent_commands()[8],
                0,
                "{length} bytes are one command at MTU {mtu}"
            );

            assert!(world.send(side, 0, Flags::RELIABLE, &payload(1, length + 1)));
            assert!(world.wait_received(side.other(), 2, SECOND));
            assert_eq!(
                world.end(side).sent_commands()[8],
                2,
                "{} bytes are two fragments at MTU {mtu}",
                length + 1
            );
        }
    }
}

fn slots_are_used_again_with_new_sessions(pairing: Pairing) {
    let one = Settings {
        peers: 1,
        ..settings()
    };
    let mut world = World::new(pairing, &one, &one);
    let mut headers = Vec::new();
    for round in 0..10 {
        let closer = Side::BOTH[round % 2];
        world.connect(2);
        for side in Side::BOTH {
            assert!(world.send(side, 1, Flags::RELIABLE, &payload(round, 2000)));
            assert!(world.wait_received(side.other(), 1, SECOND));
        }
        headers.push(Side::BOTH.map(|side| world.end(side).last_header() & 0x3FFF));

        let peer = world.peer(closer);
        world.end_mut(closer).end(peer, Ending::Graceful, 9);
        assert_eq!(world.wait_disconnected(closer.other(), SECOND), Some(9));
        assert_eq!(world.wait_disconnected(closer, SECOND), Some(0));
        world.take(Side::Client);
        world.take(Side::Server);
        // A slot may rest for a while before it is used again.
        world.run_for(40 * SECOND);
    }
    if pairing.client != Kind::Rust && pairing.server != Kind::Rust {
        assert_eq!(
            headers[..5],
            [0, 1, 2, 3, 0].map(|session| [session << 12; 2])
        );
    }
    for pair in headers.windows(2) {
        assert_ne!(pair[0], pair[1], "the same sessions twice in a row");
    }
}

fn datagrams_of_an_old_session_do_no_harm(pairing: Pairing) {
    let one = Settings {
        peers: 1,
        ..settings()
    };
    let mut world = World::new(pairing, &one, &one);
    world.connect(1);
    // What is sent now arrives when the next session is long up.
    world.set_link(Link {
        latency: 60 * SECOND,
        ..Link::PERFECT
    });
    for side in Side::BOTH {
        for number in 0..5 {
            assert!(world.send(side, 0, Flags::RELIABLE, &payload(number, 10)));
            assert!(world.send(side, 0, Flags::UNSEQUENCED, &payload(number, 10)));
        }
    }
    world.run_for(Duration::from_millis(2));
    for side in Side::BOTH {
        let peer = world.peer(side);
        world.end_mut(side).end(peer, Ending::Reset, 0);
    }
    world.set_link(Link::with_latency(Duration::from_millis(5)));
    world.run_for(45 * SECOND);
    world.take(Side::Client);
    world.take(Side::Server);

    world.connect(1);
    world.take(Side::Client);
    world.take(Side::Server);
    world.run_for(30 * SECOND);

    for side in Side::BOTH {
        assert_eq!(world.inbox(side), [], "{side:?}");
    }
    for side in Side::BOTH {
        assert!(world.send(side, 0, Flags::RELIABLE, b"still here"));
        assert!(world.wait_received(side.other(), 1, SECOND));
    }
}

fn a_full_server_stays_silent(pairing: Pairing) {
    let mut world = World::new(
        pairing,
        &settings(),
        &Settings {
            peers: 2,
            ..settings()
        },
    );
    world.connect(1);
    world.connect(1);
    let (client_peer, server_peer) = (world.client_peer, world.server_peer);

    world.call(1, 0);

    assert!(
        !world.wait_connected(10 * SECOND),
        "a third peer found a slot"
    );
    (world.client_peer, world.server_peer) = (client_peer, server_peer);
    assert!(world.send(Side::Client, 0, Flags::RELIABLE, b"the others play on"));
    assert!(world.wait_received(Side::Server, 1, SECOND));
    // The attempt fails about half a minute after it began.
    assert_eq!(world.wait_disconnected(Side::Client, 30 * SECOND), Some(0));
}

fn a_checksum_on_one_side_only_prevents_the_connection(pairing: Pairing) {
    for (client, server) in [(true, false), (false, true)] {
        let client = Settings {
            checksum: client,
            ..settings()
        };
        let server = Settings {
            checksum: server,
            ..settings()
        };
        let mut world = World::new(pairing, &client, &server);
        world.call(1, 0);
        assert!(!world.wait_connected(3 * SECOND));
        assert_eq!(world.inbox(Side::Server), []);
    }
}

fn foreign_datagrams_leave_a_connection_alone(pairing: Pairing) {
    let mut world = World::connected(pairing);
    let stranger = "10.0.0.99:9".parse().unwrap();
    let mut dice = testkit::Dice::new(5);
    for number in 0..2000 {
        let mut bytes = payload(number, usize::try_from(dice.below(200)).unwrap());
        if let Some(first) = bytes.first_mut() {
            // Most of them name the slot in use.
            *first &= if number % 4 == 0 { 0xFF } else { 0x80 };
        }
        for to in [World::SERVER, World::CLIENT] {
            world.network.inject(stranger, to, &bytes);
        }
        if number % 100 == 0 {
            world.run_for(Duration::from_millis(1));
        }
    }
    world.run_for(SECOND);
    for side in Side::BOTH {
        assert!(world.send(side, 0, Flags::RELIABLE, b"undisturbed"));
        assert!(world.wait_received(side.other(), 1, SECOND));
        assert!(
            world
                .inbox(side)
                .iter()
                .all(|event| !matches!(event, Event::Disconnected { .. }))
        );
    }
}

fn an_idle_connection_lives_on_pings(pairing: Pairing) {
    let mut world = World::connected(pairing);
    let before = Side::BOTH.map(|side| world.end(side).sent_commands()[5]);
    world.run_for(60 * SECOND);
    for (side, before) in Side::BOTH.into_iter().zip(before) {
        // Twice a second, a little less with the round trip in between.
        let pings = world.end(side).sent_commands()[5] - before;
        assert!(
            (100..=125).contains(&pings),
            "{side:?} sent {pings} pings in a minute"
        );
        let peer = world.peer(side);
        world.end_mut(side).set_ping_interval(peer, 5 * SECOND);
    }
    world.run_for(60 * SECOND);
    for side in Side::BOTH {
        assert!(
            !world
                .inbox(side)
                .iter()
                .any(|event| matches!(event, Event::Disconnected { .. }))
        );
        let all = world.end(side).sent_commands()[5];
        assert!((110..=145).contains(&all), "{side:?} sent {all} pings");
    }
}

fn a_connection_outlives_a_silence_shorter_than_the_timeout(pairing: Pairing) {
    let mut world = World::connected(pairing);
    world.run_for(2 * SECOND);
    for side in Side::BOTH {
        for number in 0..50 {
            assert!(world.send(side, 0, Flags::RELIABLE, &payload(number, 100)));
        }
    }
    // At 5 s the sixth and later retransmission would end it.
    world.set_link(Link::DEAD);
    world.run_for(2 * SECOND);
    world.set_link(Link::with_latency(Duration::from_millis(5)));
    for side in Side::BOTH {
        assert!(
            world.wait_received(side, 50, 10 * SECOND),
            "{side:?} has {}",
            world.received(side)
        );
        for (number, packet) in world.take_received(side).into_iter().enumerate() {
            assert!(packet.2 == payload(number, 100));
        }
    }
}

fn a_connection_survives_the_wrap_of_the_clock(pairing: Pairing) {
    let wrapping = Settings {
        clock: u32::MAX - 3000,
        ..settings()
    };
    let mut world = World::new(pairing, &wrapping, &wrapping);
    world.connect(1);
    for number in 0..100 {
        for side in Side::BOTH {
            assert!(world.send(side, 0, Flags::RELIABLE, &payload(number, 500)));
        }
        world.run_for(Duration::from_millis(100));
    }
    for side in Side::BOTH {
        assert_eq!(world.take_received(side).len(), 100);
    }
}

fn the_same_seed_gives_the_same_exchange(pairing: Pairing) {
    let transcript = || {
        let mut world = World::new(pairing, &settings(), &settings());
        world.network.record(testkit::Transcript::new());
        world.connect(2);
        world.set_link(Link {
            loss: 100,
            reorder: 100,
            ..Link::with_latency(Duration::from_millis(8))
        });
        for number in 0..50 {
            for side in Side::BOTH {
                assert!(world.send(side, 1, Flags::RELIABLE, &payload(number, number * 100)));
            }
        }
        world.run_for(20 * SECOND);
        world.network.transcript().unwrap().text().to_owned()
    };
    assert_eq!(transcript(), transcript());
}

#[test]
fn eight_c_clients_play_on_one_of_our_servers() {
    let pairing = Pairing {
        client: Kind::C,
        server: Kind::Rust,
    };
    let mut world = World::new(
        pairing,
        &settings(),
        &Settings {
            peers: 8,
            ..settings()
        },
    );
    world.set_link(Link {
        loss: 20,
        ..Link::with_latency(Duration::from_millis(10))
    });
    let mut clients = vec![world.client];
    for host in 3..10 {
        let address = format!("10.0.0.{host}:7000").parse().unwrap();
        clients.push(
            world
                .network
                .add(address, End::new(Kind::C, address, &settings())),
        );
    }
    let now = world.network.now();
    for (number, &client) in clients.iter().enumerate() {
        let data = u32::try_from(number).unwrap();
        world
            .network
            .machine_mut(client)
            .connect(now, World::SERVER, 2, data)
            .unwrap();
    }
    assert!(world.run_until(20 * SECOND, |world| world.inbox(Side::Server).len() == 8));
    world.take(Side::Server);

    for &client in &clients {
        assert!(
            world
                .network
                .machine_mut(client)
                .send(0, 1, Flags::RELIABLE, &payload(1, 3000))
        );
    }
    world
        .end_mut(Side::Server)
        .broadcast(0, Flags::RELIABLE, &payload(2, 3000));

    assert!(world.wait_received(Side::Server, 8, 20 * SECOND));
    world.run_for(10 * SECOND);
    assert!(
        world
            .take_received(Side::Server)
            .iter()
            .all(|packet| packet.2 == payload(1, 3000))
    );
    assert!(world.take_received(Side::Client)[0].2 == payload(2, 3000));
    for &client in &clients[1..] {
        let events = world.network.take_events(client);
        assert!(
            matches!(&events[..], [Event::Connected { .. }, Event::Received { payload: bytes, .. }] if *bytes == payload(2, 3000))
        );
    }
}
