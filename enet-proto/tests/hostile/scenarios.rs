//! Hostile input that takes many datagrams.

use super::extremes::advance;
use super::*;

// req: HE-4, HE-5
#[test]
fn a_flood_of_connects_from_everywhere_leaves_room_for_an_honest_client_and_is_not_amplified() {
    let mut config = config();
    config.max_peers = 64;
    let mut fixture = Fixture::listening(config);
    let client = End::new(Config::new([9; 32]));
    let client = fixture
        .network
        .add(SocketAddr::from(([10, 0, 0, 77], 5)), client);
    let mut received = 0;
    for millisecond in 0..1000_u32 {
        if millisecond == 300 {
            let (now, to) = (
                fixture.network.now_at(client),
                fixture.network.address(fixture.host),
            );
            let host = &mut fixture.network.machine_mut(client).host;
            host.connect(now, to, 4, 1).expect("there is room");
        }
        for index in 0..100 {
            let fields = ConnectFields {
                connect_id: millisecond * 100 + index,
                ..ConnectFields::default()
            };
            let datagram = raw::connect(fields);
            received += datagram.len() as u64;
            let source = stranger(millisecond * 100 + index);
            let _ = fixture.network.deliver(fixture.host, source, &datagram);
        }
        fixture.network.run_for(MILLISECOND);
    }
    fixture.network.run_for(4 * SECOND);
    let stats = fixture.network.stats();
    assert!(
        stats.stray_bytes <= received,
        "{} for {received}",
        stats.stray_bytes
    );
    let events = fixture.network.take_events(client);
    assert!(
        matches!(events[..], [Event::Connected { .. }]),
        "{events:?}"
    );
}

// req: HE-4
#[test]
fn one_address_gets_four_half_open_connections_and_eight_in_all() {
    let mut config = config();
    config.max_peers = 64;
    let mut fixture = Fixture::listening(config);
    let connect = |fixture: &mut Fixture, id: u32| {
        let fields = ConnectFields {
            connect_id: id,
            ..ConnectFields::default()
        };
        let from = SocketAddr::new(peer_address().ip(), 1000 + (id % 5000) as u16);
        fixture
            .network
            .deliver(fixture.host, from, &raw::connect(fields))
    };
    let taken = (0..10_000)
        .filter(|&id| connect(&mut fixture, id).is_consumed())
        .count();
    assert!(taken >= 4, "{taken}");
    let verified = distinct_ids(&fixture.answers());
    assert!(
        verified <= 4,
        "{verified} half-open connections from one address"
    );
    let refused = fixture.host().stats().dropped(DropReason::AddressLimit);
    assert!(refused >= 9_000, "{refused}");
    // They go, and then eight may stay.
    fixture.network.run_for(5 * SECOND);
    for id in 0..8_u16 {
        let fields = ConnectFields {
            connect_id: id.into(),
            ..ConnectFields::default()
        };
        let from = SocketAddr::new(peer_address().ip(), 100 + id);
        RawPeer::connect(&mut fixture.network, fixture.host, from, fields);
    }
    assert_eq!(
        connect(&mut fixture, 77),
        Handled::Dropped(DropReason::AddressLimit)
    );
    fixture.assert_open();
}

fn distinct_ids(answers: &[Parsed]) -> usize {
    let ids = answers
        .iter()
        .map(|answer| be16(&answer.commands[0].bytes, 4));
    ids.collect::<alloc::collections::BTreeSet<_>>().len()
}

// req: HE-9
#[test]
fn packets_behind_a_gap_are_held_up_to_the_limit_and_then_end_the_peer() {
    let mut fixture = Fixture::new("E1");
    let peer = fixture.peer();
    for channel in 0..4 {
        for sequence in 2..=28_671 {
            let _ = peer.send(&mut fixture.network, &reliable(channel, sequence, b"x"));
            if sequence % 32 == 0 {
                fixture.answers();
            }
        }
    }
    let held = fixture.network.machine(fixture.host).most_held_bytes;
    assert!(held <= 1 << 20, "{held}");
    assert!(held > 1 << 19, "the test holds only {held}");
    let events = fixture.events();
    let [Event::Disconnected { reason, .. }] = events[..] else {
        panic!("{} events: {:?}", events.len(), events.first());
    };
    assert_eq!(reason, DisconnectReason::ReceiveLimit);
    let neighbour = fixture.neighbour.clone().expect("the fixture has one");
    fixture.assert_alive(&neighbour, 0);
}

// req: HE-9
#[test]
fn first_fragments_of_long_packets_are_held_up_to_the_limits() {
    let mut config = config();
    config.channel_limit = 255;
    let mut fixture = Fixture::listening(config);
    let fields = ConnectFields {
        channel_count: 255,
        ..ConnectFields::default()
    };
    let (peer, _) = RawPeer::connect(&mut fixture.network, fixture.host, peer_address(), fields);
    for channel in 0..255 {
        for start in 0..100_u16 {
            let fields = FragmentFields {
                channel,
                sequence: 1 + start,
                start: 1 + start,
                count: 3076,
                number: 0,
                total_bytes: 4 << 20,
                offset: 0,
            };
            let _ = peer.send(&mut fixture.network, &fragment(fields, &[7; 1364]));
        }
        fixture.answers();
    }
    let held = fixture.network.machine(fixture.host).most_held_bytes;
    assert!(held <= 1 << 20, "{held}");
    let refused = fixture.host().stats().dropped(DropReason::ReceiveLimit);
    assert!(refused > 0, "nothing was refused");
    fixture.assert_open();
}

// req: HG-7
#[test]
fn a_fragment_that_declares_4_mib_holds_what_it_brought() {
    let mut fixture = Fixture::new("E1");
    let _ = fixture.deliver(&case("fragment_declares_4_mib_sends_one_byte"));
    let held = fixture.network.machine(fixture.host).most_held_bytes;
    assert!(held <= 4096, "{held}");
    let peer = fixture.peer();
    fixture.assert_alive(&peer, 3);
}

// req: HE-14
#[test]
fn a_peer_that_never_acknowledges_fills_its_queue_and_times_out() {
    let mut fixture = Fixture::new("E1");
    let (peer, key) = (
        fixture.peer(),
        fixture.host().peers().next().expect("connected"),
    );
    let start = fixture.network.now();
    let mut full = false;
    for round in 1..=40_000_u16 {
        let send = fixture
            .host()
            .send(key, 0, PacketFlags::RELIABLE, vec![1; 64].into());
        full |= send == Err(SendError::QueueFull);
        if round % 100 == 0 {
            let _ = peer.send(&mut fixture.network, &ping(round / 100));
        }
        fixture.network.run_for(MILLISECOND);
        if let Some(Event::Disconnected { reason, .. }) = fixture.network.poll_event(fixture.host) {
            assert_eq!(reason, DisconnectReason::Timeout);
            let taken = fixture.network.now().saturating_since(start);
            assert!(taken >= 5 * SECOND && taken <= 31 * SECOND, "{taken:?}");
            assert!(full, "the queue was never full");
            return;
        }
    }
    panic!("the peer never timed out");
}

// req: HE-14
#[test]
fn a_peer_that_acknowledges_one_packet_in_four_seconds_has_a_bounded_queue() {
    let mut fixture = Fixture::new("E1");
    let (peer, key) = (
        fixture.peer(),
        fixture.host().peers().next().expect("connected"),
    );
    let mut waiting: Vec<(u16, u16)> = Vec::new();
    for round in 0..120_u32 {
        for _ in 0..200 {
            let _ = fixture
                .host()
                .send(key, 0, PacketFlags::RELIABLE, vec![1; 2000].into());
        }
        for datagram in fixture.answers() {
            let sent_time = datagram.sent_time.unwrap_or_default();
            let data = datagram
                .commands
                .iter()
                .filter(|command| command.channel == 0);
            for sequence in data.map(|command| command.sequence) {
                waiting.retain(|&(known, _)| known != sequence);
                waiting.push((sequence, sent_time));
            }
        }
        waiting.sort_unstable();
        if round % 4 == 0 && !waiting.is_empty() {
            let (sequence, sent_time) = waiting.remove(0);
            let _ = peer.send(&mut fixture.network, &acknowledge(0, sequence, sent_time));
        }
        if let Some(view) = fixture.host().peer(key) {
            let stats = view.stats();
            assert!(
                stats.queued_packets <= 4096 && stats.queued_bytes <= 4 << 20,
                "{stats:?}"
            );
        }
        let end = fixture.network.now() + Duration::from_secs(1);
        advance(&mut fixture, end);
    }
    let neighbour = fixture.neighbour.clone();
    assert!(neighbour.is_some());
    fixture.assert_open();
}

// req: HE-16
#[test]
fn datagrams_of_an_old_session_do_nothing_to_the_new_one() {
    let mut fixture = Fixture::new("E1");
    let old = fixture.peer();
    let mut datagrams = vec![raw::connect(ConnectFields::default())];
    for sequence in 1..=10 {
        datagrams.push(old.timed(0, &reliable(0, sequence, b"old")));
        datagrams.push(old.timed(0, &raw::unsequenced(1, sequence, b"old")));
    }
    datagrams.push(old.timed(0, &raw::disconnect(1, 9)));
    for datagram in &datagrams[1..] {
        let _ = fixture.deliver(datagram);
    }
    fixture.network.run_for(100 * MILLISECOND);
    let last = fixture.network.take_events(fixture.host).pop();
    assert!(matches!(last, Some(Event::Disconnected { .. })), "{last:?}");
    // The client knows its session ids of before and names them, as every client does.
    let session = (old.word >> 12 & 3) as u8;
    let fields = ConnectFields {
        connect_id: 0x0abc_def0,
        sessions: [session; 2],
        ..ConnectFields::default()
    };
    let (new, _) = RawPeer::connect(&mut fixture.network, fixture.host, peer_address(), fields);
    let events = fixture.events();
    assert!(
        matches!(events[..], [Event::Connected { .. }]),
        "{events:?}"
    );
    for datagram in &datagrams {
        let verdict = fixture.deliver(datagram);
        if *datagram != datagrams[0] {
            assert!(matches!(verdict, Handled::Dropped(_)), "{verdict:?}");
        }
    }
    fixture.network.run_for(SECOND);
    assert_eq!(fixture.events(), []);
    fixture.assert_alive(&new, 0);
}
