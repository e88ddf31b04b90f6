//! Every way in which a connection ends.

use core::time::Duration;
use interop::enet::{Ending, Event, Flags, Pairing, Settings, Side, World, payload};
use interop::for_each_pairing;
use testkit::Link;

for_each_pairing!(
    a_graceful_end_tells_both_sides,
    an_immediate_end_tells_the_other_side_only,
    a_late_end_delivers_what_was_queued,
    a_reset_tells_nobody_and_the_other_side_times_out,
    both_sides_may_close_at_once,
    a_dead_link_times_out_within_its_limits,
    tighter_timeouts_are_obeyed,
    calling_where_nobody_is_fails_after_half_a_minute,
    hanging_up_while_connecting_leaves_the_server_usable,
    a_graceful_end_survives_loss,
    a_closed_connection_takes_no_packets,
);

const SECOND: Duration = Duration::from_secs(1);

/// No ending.
const NONE: [u32; 0] = [];

fn end(world: &mut World, side: Side, ending: Ending, data: u32) {
    let peer = world.peer(side);
    world.end_mut(side).end(peer, ending, data);
}

fn endings(world: &World, side: Side) -> Vec<u32> {
    let data = |event: &Event| match event {
        Event::Disconnected { data, .. } => Some(*data),
        _ => None,
    };
    world.inbox(side).iter().filter_map(data).collect()
}

fn a_graceful_end_tells_both_sides(pairing: Pairing) {
    for closer in Side::BOTH {
        let mut world = World::connected(pairing);
        end(&mut world, closer, Ending::Graceful, 0x0102_0304);
        world.run_for(2 * SECOND);
        assert_eq!(endings(&world, closer.other()), [0x0102_0304]);
        assert_eq!(endings(&world, closer), [0]);
    }
}

fn an_immediate_end_tells_the_other_side_only(pairing: Pairing) {
    for closer in Side::BOTH {
        let mut world = World::connected(pairing);
        end(&mut world, closer, Ending::Now, 8);
        world.run_for(2 * SECOND);
        assert_eq!(endings(&world, closer.other()), [8]);
        assert_eq!(endings(&world, closer), NONE);
    }
}

fn a_late_end_delivers_what_was_queued(pairing: Pairing) {
    for closer in Side::BOTH {
        let mut world = World::connected(pairing);
        for number in 0..30 {
            assert!(world.send(closer, 0, Flags::RELIABLE, &payload(number, 5000)));
        }
        end(&mut world, closer, Ending::Later, 4);
        world.run_for(10 * SECOND);

        assert_eq!(endings(&world, closer.other()), [4]);
        assert_eq!(endings(&world, closer), [0]);
        let received = world.take_received(closer.other());
        assert_eq!(received.len(), 30);
        for (number, packet) in received.into_iter().enumerate() {
            assert!(packet.2 == payload(number, 5000));
        }
    }
}

fn a_reset_tells_nobody_and_the_other_side_times_out(pairing: Pairing) {
    for closer in Side::BOTH {
        let mut world = World::connected(pairing);
        world.run_for(2 * SECOND);
        end(&mut world, closer, Ending::Reset, 1);
        world.run_for(4 * SECOND);
        assert_eq!(endings(&world, closer.other()), NONE);
        world.run_for(31 * SECOND);
        assert_eq!(endings(&world, closer.other()), [0]);
        assert_eq!(endings(&world, closer), NONE);
    }
}

fn both_sides_may_close_at_once(pairing: Pairing) {
    let mut world = World::connected(pairing);
    end(&mut world, Side::Client, Ending::Graceful, 1);
    end(&mut world, Side::Server, Ending::Graceful, 2);
    world.run_for(2 * SECOND);
    assert_eq!(endings(&world, Side::Client), [2]);
    assert_eq!(endings(&world, Side::Server), [1]);
}

fn a_dead_link_times_out_within_its_limits(pairing: Pairing) {
    let mut world = World::connected(pairing);
    world.run_for(5 * SECOND);
    world.set_link(Link::DEAD);
    world.run_for(Duration::from_millis(4900));
    assert_eq!(
        [endings(&world, Side::Client), endings(&world, Side::Server)],
        [NONE, NONE]
    );
    world.run_for(31 * SECOND);
    assert_eq!(
        [endings(&world, Side::Client), endings(&world, Side::Server)],
        [vec![0], vec![0]]
    );
}

fn tighter_timeouts_are_obeyed(pairing: Pairing) {
    let mut world = World::connected(pairing);
    world.run_for(5 * SECOND);
    for side in Side::BOTH {
        let peer = world.peer(side);
        world
            .end_mut(side)
            .set_timeouts(peer, 4, Duration::from_millis(300), SECOND);
    }
    world.set_link(Link::DEAD);
    world.run_for(Duration::from_millis(250));
    assert_eq!(
        [endings(&world, Side::Client), endings(&world, Side::Server)],
        [NONE, NONE]
    );
    world.run_for(3 * SECOND);
    assert_eq!(
        [endings(&world, Side::Client), endings(&world, Side::Server)],
        [vec![0], vec![0]]
    );
}

fn calling_where_nobody_is_fails_after_half_a_minute(pairing: Pairing) {
    let mut world = World::new(pairing, &Settings::default(), &Settings::default());
    world.set_link(Link::DEAD);
    world.call(1, 0);
    world.run_for(20 * SECOND);
    assert_eq!(world.inbox(Side::Client), []);
    world.run_for(13 * SECOND);
    assert_eq!(endings(&world, Side::Client), [0]);
    assert_eq!(world.inbox(Side::Client).len(), 1);
    assert!((5..=6).contains(&world.end(Side::Client).sent_commands()[2]));
}

fn hanging_up_while_connecting_leaves_the_server_usable(pairing: Pairing) {
    let mut world = World::new(pairing, &Settings::default(), &Settings::default());
    world.call(1, 0);
    world.network.drive();
    end(&mut world, Side::Client, Ending::Graceful, 3);
    world.run_for(SECOND);
    assert_eq!(world.inbox(Side::Client), []);

    world.connect(1);
    assert!(world.send(Side::Client, 0, Flags::RELIABLE, b"second try"));
    assert!(world.wait_received(Side::Server, 1, SECOND));
}

fn a_graceful_end_survives_loss(pairing: Pairing) {
    for closer in Side::BOTH {
        for latency in 3..13 {
            let mut world = World::connected(pairing);
            world.set_link(Link {
                loss: 300,
                ..Link::with_latency(Duration::from_millis(latency))
            });
            assert!(world.send(closer, 0, Flags::RELIABLE, &payload(1, 3000)));
            assert!(world.wait_received(closer.other(), 1, 20 * SECOND));
            end(&mut world, closer, Ending::Graceful, 6);

            world.run_for(60 * SECOND);

            assert_eq!(
                endings(&world, closer.other()),
                [6],
                "{closer:?} with a latency of {latency} ms"
            );
            assert_eq!(endings(&world, closer), [0]);
        }
    }
}

fn a_closed_connection_takes_no_packets(pairing: Pairing) {
    for ending in [Ending::Graceful, Ending::Now, Ending::Later, Ending::Reset] {
        let mut world = World::connected(pairing);
        end(&mut world, Side::Client, ending, 0);
        assert!(
            !world.send(Side::Client, 0, Flags::RELIABLE, b"too late"),
            "{ending:?}"
        );
    }
}
