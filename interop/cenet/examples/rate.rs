//! Prints what a message costs with C ENet at both ends: a check of the bench baseline.

use cenet::{Event, Flags, Host, Settings};
use std::time::Instant;

const MESSAGES: u32 = 400_000;

fn main() {
    for (name, flags, size) in [
        ("64 B reliable", Flags::RELIABLE, 64),
        ("64 B unreliable", Flags::NONE, 64),
        ("1200 B reliable", Flags::RELIABLE, 1200),
    ] {
        println!("{name}: {:.3} µs per message", measure(flags, size));
    }
}

fn measure(flags: Flags, size: usize) -> f64 {
    let address = "10.0.0.1:7000".parse().unwrap();
    let mut server = Host::new(address, &Settings::default()).unwrap();
    let mut client = Host::new("10.0.0.2:7000".parse().unwrap(), &Settings::default()).unwrap();
    let peer = client.connect(address, 1, 0).unwrap();
    let mut now = 1000;
    let mut received = 0;
    let mut pump = |client: &mut Host, server: &mut Host| {
        now += 1;
        cenet::set_time(now);
        while client.service().is_some() {}
        cenet::carry(client, server);
        while let Some(event) = server.service() {
            received += u32::from(matches!(event, Event::Received { .. }));
        }
        cenet::carry(server, client);
        received
    };
    while client.state(peer) != 5 || server.state(cenet::Peer(0)) != 5 {
        pump(&mut client, &mut server);
    }
    let payload = vec![7; size];
    let start = Instant::now();
    for _ in 0..MESSAGES / 16 {
        for _ in 0..16 {
            assert!(client.send(peer, 0, flags, &payload));
        }
        pump(&mut client, &mut server);
    }
    while pump(&mut client, &mut server) < MESSAGES && flags == Flags::RELIABLE {}
    start.elapsed().as_secs_f64() * 1e6 / f64::from(MESSAGES)
}
