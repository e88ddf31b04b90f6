//! Hosts that compress with ENet's range coder, C ENet's and ours.

use core::time::Duration;
use interop::enet::{Flags, Pairing, Settings, Side, World, payload};
use interop::for_each_pairing;
use testkit::Link;

for_each_pairing!(
    packets_of_all_sizes_cross_compressed,
    packets_cross_compressed_through_a_bad_network,
    a_compressed_datagram_means_nothing_to_a_host_without_a_compressor,
);

const SECOND: Duration = Duration::from_secs(1);

/// Not 0: C ENet reads out of bounds when it compresses an empty packet.
const SIZES: [usize; 16] = [
    1, 2, 3, 4, 15, 16, 17, 63, 256, 547, 1361, 1364, 1365, 4096, 20_000, 200_000,
];

fn compressing(checksum: bool) -> Settings {
    Settings {
        checksum,
        range_coder: true,
        ..Settings::default()
    }
}

/// Text-like bytes, which shrink, and others, which do not, by turns.
fn packet(number: usize, size: usize) -> Vec<u8> {
    if number.is_multiple_of(2) {
        return payload(number, size);
    }
    let text = format!("unit {number} is at 1{number}, 2{number}; ");
    text.bytes().cycle().take(size).collect()
}

fn packets_of_all_sizes_cross_compressed(pairing: Pairing) {
    for checksum in [false, true] {
        let settings = compressing(checksum);
        let mut world = World::new(pairing, &settings, &settings);
        world.connect(4);
        for from in Side::BOTH {
            for (number, size) in SIZES.into_iter().flat_map(|size| [(0, size), (1, size)]) {
                for flags in [Flags::RELIABLE, Flags::UNRELIABLE_FRAGMENT] {
                    let sent = packet(number, size);
                    assert!(world.send(from, 0, flags, &sent), "{size} bytes refused");
                    assert!(
                        world.wait_received(from.other(), 1, 20 * SECOND),
                        "{size} bytes lost"
                    );
                    let received = world.take_received(from.other());
                    assert_eq!(received.len(), 1, "{size} bytes arrived more than once");
                    assert!(received[0].2 == sent, "{size} bytes arrived changed");
                }
            }
            let compressed = world.end(from).sent_compressed();
            assert!(compressed > 100, "only {compressed} were compressed");
        }
    }
}

fn packets_cross_compressed_through_a_bad_network(pairing: Pairing) {
    const COUNT: usize = 300;
    let settings = compressing(true);
    let mut world = World::new(pairing, &settings, &settings);
    world.connect(4);
    world.set_link(Link {
        latency: Duration::from_millis(15),
        loss: 50,
        duplicate: 50,
        reorder: 100,
        reorder_by: Duration::from_millis(30),
        ..Link::PERFECT
    });
    for number in 0..COUNT {
        for side in Side::BOTH {
            let sent = packet(number, 1 + 7 * number);
            assert!(world.send(side, 1, Flags::RELIABLE, &sent));
        }
    }
    for side in Side::BOTH {
        assert!(world.wait_received(side, COUNT, 60 * SECOND));
        let received = world.take_received(side);
        for (number, packet_received) in received.iter().enumerate() {
            assert!(
                packet_received.2 == packet(number, 1 + 7 * number),
                "{number}"
            );
        }
        assert!(world.end(side).sent_compressed() > 50);
    }
}

fn a_compressed_datagram_means_nothing_to_a_host_without_a_compressor(pairing: Pairing) {
    let mut world = World::new(pairing, &compressing(false), &Settings::default());
    world.call(4, 0);
    assert!(!world.wait_connected(5 * SECOND));
    assert!(world.end(Side::Client).sent_compressed() > 1);
}
