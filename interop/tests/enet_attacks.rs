//! Attacks on a server, with C ENet or ours as the honest client.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use interop::enet::{Event, Flags, Kind, Pairing, Settings, Side, World, payload};
use interop::for_each_pairing;
use testkit::Link;

for_each_pairing!(a_newcomer_gets_in_during_a_flood_of_spoofed_connects);

const MILLISECOND: Duration = Duration::from_millis(1);
/// Spoofed CONNECTs in each millisecond.
const RATE: u32 = 10;

/// A CONNECT as a C ENet client sends it.
fn connect(connect_id: u32, checksum: bool) -> Vec<u8> {
    let mut header = vec![0x8f, 0xff, 0, 0];
    let mut command = vec![0x82, 0xff, 0, 1, 0, 0, 0xff, 0xff];
    for number in [1392, 65_536, 4, 0, 0, 5000, 2, 2, connect_id, 0] {
        command.extend(u32::to_be_bytes(number));
    }
    if checksum {
        let seeded = [&header[..], &[0; 4], &command].concat();
        header.extend(crc32(&seeded).to_be_bytes());
    }
    header.extend(command);
    header
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// Floods the server for so many milliseconds.
fn flood(world: &mut World, milliseconds: u32, checksum: bool, next: &mut u32) {
    for _ in 0..milliseconds {
        for _ in 0..RATE {
            *next += 1;
            let from = SocketAddr::from((Ipv4Addr::from(0x0b00_0000 + *next), 5000));
            let datagram = connect(*next, checksum);
            world.network.inject(from, World::SERVER, &datagram);
        }
        world.run_for(MILLISECOND);
    }
}

fn is_connected(world: &World, side: Side) -> bool {
    let connected = |event: &Event| matches!(event, Event::Connected { .. });
    world.inbox(side).iter().any(connected)
}

fn a_newcomer_gets_in_during_a_flood_of_spoofed_connects(pairing: Pairing) {
    for checksum in [false, true] {
        let settings = Settings {
            checksum,
            peers: 16,
            ..Settings::default()
        };
        let mut world = World::new(pairing, &settings, &settings);
        world.set_link(Link::with_latency(75 * MILLISECOND));
        let mut next = 0;
        flood(&mut world, 300, checksum, &mut next);
        world.call(4, 77);
        flood(&mut world, 1000, checksum, &mut next);
        let is_in = Side::BOTH.map(|side| is_connected(&world, side));
        if pairing.server == Kind::C {
            // Sixteen forged CONNECTs take all its slots for half a minute.
            assert_eq!(is_in, [false, false]);
            continue;
        }
        assert_eq!(is_in, [true, true], "checksum: {checksum}");
        for side in Side::BOTH {
            world.take(side);
            for number in 0..20 {
                assert!(world.send(side, 0, Flags::RELIABLE, &payload(number, 500)));
            }
        }
        flood(&mut world, 500, checksum, &mut next);
        for side in Side::BOTH {
            assert_eq!(world.received(side), 20, "{side:?}, checksum: {checksum}");
        }
    }
}
