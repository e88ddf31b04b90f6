//! Packets of every kind and size, on a network that loses nothing.

use core::time::Duration;
use interop::enet::{Flags, Pairing, Settings, Side, World, payload};
use interop::for_each_pairing;

for_each_pairing!(
    reliable_packets_of_every_size_arrive_intact,
    unreliable_packets_of_every_size_arrive_intact,
    oversized_packets_without_the_fragment_flag_become_reliable,
    channels_are_independent_and_each_is_in_order,
    every_command_kind_crosses_in_both_directions,
    a_broadcast_reaches_every_peer,
    sequence_numbers_wrap_without_loss,
    unreliable_packets_beyond_the_sequence_space_still_arrive,
);

const SECOND: Duration = Duration::from_secs(1);

/// Around the fragment threshold of each MTU in use, and up to a megabyte.
const SIZES: [usize; 24] = [
    0, 1, 2, 3, 63, 64, 255, 256, 547, 548, 549, 1359, 1360, 1361, 1363, 1364, 1365, 1366, 2728,
    2729, 4096, 65_536, 300_000, 1_048_576,
];

fn check_sizes(pairing: Pairing, flags: Flags, expected: impl Fn(usize) -> Flags) {
    let mut world = World::connected(pairing);
    for from in Side::BOTH {
        for (number, size) in SIZES.into_iter().enumerate() {
            let sent = payload(number, size);
            let channel = u8::try_from(number % 4).unwrap();

            assert!(
                world.send(from, channel, flags, &sent),
                "{size} bytes refused"
            );
            assert!(
                world.wait_received(from.other(), 1, 20 * SECOND),
                "{size} bytes lost"
            );

            let received = world.take_received(from.other());
            assert_eq!(received.len(), 1, "{size} bytes arrived more than once");
            assert_eq!(
                (received[0].0, received[0].1),
                (channel, expected(size)),
                "{size} bytes"
            );
            assert!(received[0].2 == sent, "{size} bytes arrived changed");
        }
    }
}

fn reliable_packets_of_every_size_arrive_intact(pairing: Pairing) {
    check_sizes(pairing, Flags::RELIABLE, |_| Flags::RELIABLE);
}

fn unreliable_packets_of_every_size_arrive_intact(pairing: Pairing) {
    let fragmented = |size| size > 1364;
    check_sizes(pairing, Flags::UNRELIABLE_FRAGMENT, |size| {
        if fragmented(size) {
            Flags::UNRELIABLE_FRAGMENT
        } else {
            Flags::NONE
        }
    });
    check_sizes(pairing, Flags::GODOT_UNRELIABLE, |size| {
        if fragmented(size) {
            Flags::UNRELIABLE_FRAGMENT
        } else {
            Flags::UNSEQUENCED
        }
    });
}

fn oversized_packets_without_the_fragment_flag_become_reliable(pairing: Pairing) {
    for flags in [Flags::NONE, Flags::UNSEQUENCED] {
        check_sizes(pairing, flags, |size| {
            if size > 1364 { Flags::RELIABLE } else { flags }
        });
    }
}

fn channels_are_independent_and_each_is_in_order(pairing: Pairing) {
    let mut world = World::new(pairing, &Settings::default(), &Settings::default());
    world.connect(200);
    for from in Side::BOTH {
        for number in 0..400 {
            let channel = u8::try_from(number % 200).unwrap();
            assert!(world.send(
                from,
                channel,
                Flags::RELIABLE,
                &payload(number, 20 + number)
            ));
        }

        assert!(world.wait_received(from.other(), 400, 10 * SECOND));

        let received = world.take_received(from.other());
        for channel in 0..200 {
            let lengths: Vec<_> = received
                .iter()
                .filter(|packet| packet.0 == channel)
                .map(|packet| packet.2.len())
                .collect();
            assert_eq!(
                lengths,
                [20 + usize::from(channel), 220 + usize::from(channel)]
            );
        }
    }
}

fn every_command_kind_crosses_in_both_directions(pairing: Pairing) {
    let mut world = World::connected(pairing);
    for side in Side::BOTH {
        let peer = world.peer(side);
        world.end_mut(side).ping(peer);
        world
            .end_mut(side)
            .configure_throttle(peer, 4 * SECOND, 3, 1);
        world.end_mut(side).set_bandwidth(1_000_000, 2_000_000);
        for flags in [
            Flags::RELIABLE,
            Flags::UNRELIABLE_FRAGMENT,
            Flags::UNSEQUENCED,
        ] {
            assert!(world.send(side, 1, flags, b"short"));
            assert!(world.send(side, 2, flags, &payload(1, 5000)));
        }
    }

    world.run_for(3 * SECOND);
    assert_eq!(
        [world.received(Side::Client), world.received(Side::Server)],
        [6, 6]
    );
    let peer = world.client_peer;
    world
        .end_mut(Side::Client)
        .end(peer, interop::enet::Ending::Graceful, 5);
    assert_eq!(world.wait_disconnected(Side::Server, SECOND), Some(5));

    let client = world.end(Side::Client).sent_commands();
    let server = world.end(Side::Server).sent_commands();
    for command in [1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12] {
        assert!(
            client[command] > 0,
            "the client sent no command {command}: {client:?}"
        );
    }
    for command in [1, 3, 5, 6, 7, 8, 9, 10, 11, 12] {
        assert!(
            server[command] > 0,
            "the server sent no command {command}: {server:?}"
        );
    }
}

fn a_broadcast_reaches_every_peer(pairing: Pairing) {
    let settings = Settings {
        peers: 8,
        ..Settings::default()
    };
    let mut world = World::new(pairing, &settings, &settings);
    for data in 0..8 {
        world.call(2, data);
        assert!(world.wait_connected(SECOND));
    }
    for side in Side::BOTH {
        world
            .end_mut(side)
            .broadcast(1, Flags::RELIABLE, &payload(1, 3000));

        assert!(world.wait_received(side.other(), 8, SECOND));
        world.run_for(SECOND);

        let received = world.take_received(side.other());
        assert_eq!(received.len(), 8);
        assert!(received.iter().all(|packet| packet.2 == payload(1, 3000)));
    }
}

fn sequence_numbers_wrap_without_loss(pairing: Pairing) {
    const COUNT: u32 = 70_000;
    let mut world = World::connected(pairing);
    world.set_link(testkit::Link::PERFECT);
    let mut next = 0;
    for batch in 0..COUNT / 1000 {
        for number in batch * 1000..(batch + 1) * 1000 {
            assert!(world.send(Side::Client, 0, Flags::RELIABLE, &number.to_le_bytes()));
        }
        assert!(
            world.wait_received(Side::Server, 1000, 20 * SECOND),
            "stopped before {}",
            (batch + 1) * 1000
        );
        for (_, _, bytes) in world.take_received(Side::Server) {
            assert_eq!(bytes, u32::to_le_bytes(next));
            next += 1;
        }
    }
    assert_eq!(next, COUNT);
}

fn unreliable_packets_beyond_the_sequence_space_still_arrive(pairing: Pairing) {
    const COUNT: u32 = 66_000;
    let mut world = World::connected(pairing);
    world.set_link(testkit::Link::PERFECT);
    let mut received = Vec::new();
    for batch in 0..COUNT / 1000 {
        for number in batch * 1000..(batch + 1) * 1000 {
            assert!(world.send(Side::Client, 0, Flags::NONE, &number.to_le_bytes()));
        }
        world.run_for(Duration::from_millis(10));
        received.extend(world.take_received(Side::Server));
    }

    assert_eq!(received.len(), COUNT as usize);
    // req: the sequence space is 65535 packets; the next one is sent reliably and starts it anew.
    let reliable: Vec<_> = received
        .iter()
        .enumerate()
        .filter(|(_, packet)| packet.1 == Flags::RELIABLE)
        .collect();
    assert_eq!(reliable.len(), 1);
    assert_eq!(reliable[0].0, 65_535);
}
