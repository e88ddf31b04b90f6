//! Bandwidth limits, windows and the throttle, seen from C ENet's own fields.

use core::time::Duration;
use interop::enet::{Flags, Kind, Pairing, Settings, Side, World, payload};
use interop::for_each_pairing;

for_each_pairing!(
    reliable_data_passes_under_every_limit,
    an_outgoing_limit_thins_out_unreliable_packets,
    limits_may_change_while_connected,
);

const SECOND: Duration = Duration::from_secs(1);

fn limited(incoming: u32, outgoing: u32) -> Settings {
    Settings {
        incoming_bandwidth: incoming,
        outgoing_bandwidth: outgoing,
        ..Settings::default()
    }
}

fn reliable_data_passes_under_every_limit(pairing: Pairing) {
    // The last one is what a Godot server announces when it is given four channels.
    for (incoming, outgoing) in [
        (1_000_000, 1_000_000),
        (100_000, 0),
        (0, 100_000),
        (57_600, 14_400),
        (6, 0),
    ] {
        for limited_side in Side::BOTH {
            let [client, server] = match limited_side {
                Side::Client => [limited(incoming, outgoing), limited(0, 0)],
                Side::Server => [limited(0, 0), limited(incoming, outgoing)],
            };
            let mut world = World::new(pairing, &client, &server);
            world.connect(2);
            for side in Side::BOTH {
                for number in 0..40 {
                    assert!(world.send(side, 1, Flags::RELIABLE, &payload(number, 5000)));
                }
            }
            for side in Side::BOTH {
                assert!(
                    world.wait_received(side, 40, 60 * SECOND),
                    "{limited_side:?} at {incoming}, {outgoing}"
                );
                assert!(
                    world
                        .take_received(side)
                        .iter()
                        .enumerate()
                        .all(|(number, packet)| packet.2 == payload(number, 5000))
                );
            }
        }
    }
}

/// How many of 40 unreliable packets of 1000 bytes a second arrive, of 800 sent under a limit of 10 kB/s.
fn survivors(pairing: Pairing, sender: Side) -> usize {
    let [client, server] = match sender {
        Side::Client => [limited(0, 10_000), limited(0, 0)],
        Side::Server => [limited(0, 0), limited(0, 10_000)],
    };
    let mut world = World::new(pairing, &client, &server);
    world.connect(1);
    for number in 0..800 {
        assert!(world.send(sender, 0, Flags::UNSEQUENCED, &payload(number, 1000)));
        world.run_for(Duration::from_millis(25));
    }
    world.received(sender.other())
}

fn an_outgoing_limit_thins_out_unreliable_packets(pairing: Pairing) {
    for sender in Side::BOTH {
        let arrived = survivors(pairing, sender);
        let reference = survivors(
            Pairing {
                client: Kind::C,
                server: Kind::C,
            },
            sender,
        );
        assert!(
            arrived < 500,
            "{sender:?}: the limit has no effect, {arrived} arrived"
        );
        assert!(
            arrived.abs_diff(reference) < 120,
            "{sender:?}: {arrived} arrived, from C ENet {reference}"
        );
    }
}

fn limits_may_change_while_connected(pairing: Pairing) {
    let mut world = World::connected(pairing);
    for (incoming, outgoing) in [(20_000, 20_000), (0, 5_000), (2_000_000, 0), (0, 0)] {
        for side in Side::BOTH {
            world.end_mut(side).set_bandwidth(incoming, outgoing);
        }
        world.run_for(3 * SECOND);
        for side in Side::BOTH {
            assert!(world.send(side, 1, Flags::RELIABLE, &payload(1, 20_000)));
        }
        for side in Side::BOTH {
            assert!(
                world.wait_received(side, 1, 20 * SECOND),
                "{side:?} at {incoming}, {outgoing}"
            );
            world.take(side);
        }
    }
}

/// What C ENet has learned of the other side: bandwidths, window, MTU and the three throttle values.
fn learned(world: &World, side: Side) -> [u32; 7] {
    let slot = world.end(side).c_slot(world.peer(side));
    [
        slot.incoming_bandwidth,
        slot.outgoing_bandwidth,
        slot.window_size,
        slot.mtu,
        slot.packet_throttle_interval,
        slot.packet_throttle_acceleration,
        slot.packet_throttle_deceleration,
    ]
}

#[test]
fn c_enet_learns_the_same_from_us_as_from_itself() {
    let limits = [
        (0, 0),
        (50_000, 200_000),
        (1_000_000, 65_536),
        (400_000, 0),
        (0, 300_000),
    ];
    for side in Side::BOTH {
        for (incoming, outgoing) in limits {
            for (other_incoming, other_outgoing) in limits {
                let learned_from = |other: Kind| {
                    let pairing = match side {
                        Side::Client => Pairing {
                            client: Kind::C,
                            server: other,
                        },
                        Side::Server => Pairing {
                            client: other,
                            server: Kind::C,
                        },
                    };
                    let (own, theirs) = (
                        limited(incoming, outgoing),
                        limited(other_incoming, other_outgoing),
                    );
                    let mut world = match side {
                        Side::Client => World::new(pairing, &own, &theirs),
                        Side::Server => World::new(pairing, &theirs, &own),
                    };
                    world.connect(2);
                    let after_handshake = learned(&world, side);
                    let peer = world.peer(side.other());
                    world
                        .end_mut(side.other())
                        .configure_throttle(peer, 2 * SECOND, 7, 3);
                    world.run_for(3 * SECOND);
                    [after_handshake, learned(&world, side)]
                };
                for kind in [Kind::Rust, Kind::Reference] {
                    assert_eq!(
                        learned_from(kind),
                        learned_from(Kind::C),
                        "{side:?} with {incoming}, {outgoing}; the other with {other_incoming}, {other_outgoing}"
                    );
                }
            }
        }
    }
}
