//! The same seed and the same calls give the same bytes on the wire and the same events.

extern crate alloc;

mod common;

use common::{End, MILLISECOND, SECOND, patient, payload};
use enet_proto::{Config, Event, Host, PacketFlags};
use proptest::prelude::*;
use proto_core::Instant;
use testkit::{Dice, Link, Pair, Transcript};

/// A short life of two hosts on a bad network, as text.
fn transcript(link_seed: u64, host_seed: u8, command_seed: u64) -> String {
    let link = Link {
        latency: 20 * MILLISECOND,
        jitter: 15 * MILLISECOND,
        loss: 100,
        duplicate: 50,
        reorder: 100,
        ..Link::PERFECT
    };
    let (client, server) = (
        End::new(patient(host_seed)),
        End::new(patient(host_seed + 1)),
    );
    let mut pair = Pair::new(link_seed, Link::PERFECT, client, server);
    pair.network.record(Transcript::new());
    let client = &mut pair.network.machine_mut(pair.client).host;
    let peer = client
        .connect(Instant::ZERO, Pair::<End>::SERVER, 3, 9)
        .expect("there is room");
    pair.network.run_for(10 * MILLISECOND);
    pair.network.set_all_links(link);
    let mut dice = Dice::new(command_seed);
    let mut number = 0;
    for _ in 0..100 {
        let host = &mut pair.network.machine_mut(pair.client).host;
        for _ in 0..dice.below(4) {
            let flags = [
                PacketFlags::RELIABLE,
                PacketFlags::NONE,
                PacketFlags::UNSEQUENCED,
                PacketFlags::UNRELIABLE_FRAGMENT,
            ][usize::try_from(dice.below(4)).expect("small")];
            let length = 4 + usize::try_from(dice.below(3000)).expect("small");
            let channel = u8::try_from(dice.below(3)).expect("small");
            host.send(peer, channel, flags, payload(number, length))
                .expect("connected");
            number += 1;
        }
        pair.network.run_for(10 * MILLISECOND);
    }
    pair.network
        .machine_mut(pair.client)
        .host
        .disconnect_later(peer, 5);
    pair.network.run_for(10 * SECOND);
    pair.network
        .transcript()
        .expect("it was recorded")
        .text()
        .to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: testkit::cases(12), failure_persistence: None, ..ProptestConfig::default() })]

    // req: SIM-1
    #[test]
    fn the_same_seeds_give_the_same_bytes_and_events(link in any::<u64>(), host in 0_u8..250, commands in any::<u64>()) {
        let first = transcript(link, host, commands);
        prop_assert!(first.contains("Received"), "nothing was delivered:\n{}", first);
        prop_assert!(first == transcript(link, host, commands), "two runs differ");
    }
}

#[test]
fn another_host_seed_gives_other_connect_ids() {
    let first_datagram = |seed| {
        let mut host = Host::new(Config::new([seed; 32])).expect("defaults");
        let to = "10.0.0.1:5".parse().expect("an address");
        host.connect(Instant::ZERO, to, 1, 0)
            .expect("there is room");
        let mut buffer = vec![0; Host::BUFFER];
        let transmit = host
            .poll_transmit(Instant::ZERO, &mut buffer)
            .expect("CONNECT");
        buffer[transmit.bytes].to_vec()
    };
    assert_eq!(first_datagram(1), first_datagram(1));
    assert_ne!(first_datagram(1)[44..48], first_datagram(2)[44..48]);
}

#[test]
fn a_session_looks_on_the_wire_as_the_checked_in_transcript_says() {
    let link = Link::with_latency(10 * MILLISECOND);
    let (client, server) = (Config::reference([1; 32]), Config::reference([2; 32]));
    let mut pair = Pair::new(1, link, End::new(client), End::new(server));
    pair.network.set_clock_offset(pair.client, 5_000_000);
    pair.network.set_clock_offset(pair.server, 1_000_000);
    pair.network.record(Transcript::new());
    let now = pair.network.now_at(pair.client);
    let host = &mut pair.network.machine_mut(pair.client).host;
    let peer = host
        .connect(now, Pair::<End>::SERVER, 2, 0x0765_4321)
        .expect("there is room");
    pair.network.run_for(100 * MILLISECOND);
    let host = &mut pair.network.machine_mut(pair.client).host;
    for (channel, flags, length) in [
        (0, PacketFlags::RELIABLE, 5),
        (1, PacketFlags::NONE, 6),
        (1, PacketFlags::UNSEQUENCED, 7),
        (0, PacketFlags::RELIABLE, 1365),
    ] {
        host.send(peer, channel, flags, vec![b'x'; length].into())
            .expect("connected");
    }
    pair.network.run_for(900 * MILLISECOND);
    pair.network
        .machine_mut(pair.client)
        .host
        .disconnect(peer, 3);
    pair.network.run_for(SECOND);
    let last = pair.network.take_events(pair.server).pop();
    assert!(matches!(last, Some(Event::Disconnected { .. })), "{last:?}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/session.transcript");
    pair.network
        .transcript()
        .expect("it was recorded")
        .assert_matches(path);
}
