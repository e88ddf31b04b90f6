//! What is relayed, and how much of it.

use super::*;

/// To whom the server of fixture R sends what, after a packet of peer 2.
fn sent_after(packet: &str) -> (Vec<(i32, String)>, Vec<Event>) {
    let mut session = server(Relay::Enabled);
    assert_eq!(give(&mut session, 2, &hex(packet)), Verdict::Accepted);
    let mut sent = Vec::new();
    while let Some(out) = session.poll_packet() {
        sent.push((out.to.value(), common::to_hex(&out.packet)));
    }
    let events = core::iter::from_fn(|| session.poll_event()).collect();
    (sent, events)
}

#[test]
fn a_relayed_packet_goes_to_whom_the_case_says() {
    let from_2 = || "0703020000000378".to_owned();
    for (packet, receivers, is_processed) in [
        ("0703020000000378", &[2][..], false),
        ("f703030000000378", &[3], false),
        ("0703fdffffff0378", &[], true),
        ("0703000000000378", &[3], true),
        ("0703ffffffff0378", &[3], false),
    ] {
        let (sent, events) = sent_after(packet);
        let expected: Vec<_> = receivers.iter().map(|&to| (to, from_2())).collect();
        if packet.starts_with("f7") {
            assert_eq!(sent[0].0, 3, "the flags have no meaning");
        } else {
            assert_eq!(sent, expected, "{packet}");
        }
        let is_from_2 = |event: &Event| {
            matches!(event, Event::Packet { peer: from, payload, .. }
                if *from == peer(2) && payload[..] == b"x"[..])
        };
        assert_eq!(events.len(), usize::from(is_processed), "{packet}");
        assert!(events.iter().all(is_from_2), "{packet}");
    }
}

#[test]
fn a_known_peer_announced_again_is_no_second_event() {
    let mut session = client();
    assert!(give(&mut session, 1, &hex("070103000000")).is_accepted());
    assert!(session.poll_event().is_none());
}

#[test]
fn a_peer_that_only_the_relay_reaches_cannot_send_directly() {
    let mut session = client();
    assert_eq!(
        give(&mut session, 3, &hex("036162")),
        Verdict::Dropped(DropReason::UnknownPeer)
    );
}

#[test]
fn a_server_that_announces_too_many_peers_is_left() {
    let mut session = client();
    let mut refused = 0;
    for id in 10..100_010_i32 {
        let mut packet = vec![7, 1];
        packet.extend_from_slice(&id.to_le_bytes());
        if !give(&mut session, 1, &packet).is_accepted() {
            refused += 1;
        }
        assert!(session.peers().count() <= 4095);
        if session.poll_disconnect().is_some() {
            break;
        }
    }
    assert_eq!(refused, 1);
    assert_eq!(session.stats().dropped(DropReason::PeerLimit), 1);
    assert_eq!(session.peers().count(), 0);
    let last = core::iter::from_fn(|| session.poll_event()).last();
    assert!(matches!(
        last,
        Some(Event::PeerDisconnected { peer, reason: DisconnectReason::PeerLimit })
            if peer.is_server()
    ));
}

/// A server with clients 2 to 65.
fn room_of_64() -> Session {
    let mut session = Session::new(Config::server()).unwrap();
    for id in 2..66 {
        assert!(session.handle_peer_connected(NOW, peer(id)).is_accepted());
    }
    drain(&mut session);
    session
}

fn broadcast(size: usize, mode: TransferMode) -> Incoming {
    let mut packet = hex("07030000000003");
    packet.resize(size, 0x55);
    Incoming {
        from: peer(2),
        mode,
        channel: 0,
        packet: packet.into(),
    }
}

fn drain_bytes(session: &mut Session) -> u64 {
    let mut bytes = 0;
    while let Some(out) = session.poll_packet() {
        bytes += out.packet.len() as u64;
    }
    while session.poll_event().is_some() {}
    bytes
}

#[test]
fn unreliable_relayed_bytes_stay_within_the_rate_after_fan_out() {
    let mut session = room_of_64();
    let mut bytes = 0;
    for millis in 0..4000 {
        let now = NOW + Duration::from_millis(millis);
        let _ = session.handle_packet(now, broadcast(1000, TransferMode::Unreliable));
        bytes += drain_bytes(&mut session);
    }
    assert!(bytes <= (1 << 20) + 4 * (256 << 10), "{bytes}");
    assert!(bytes > 1 << 20);
    assert!(session.stats().dropped(DropReason::RelayBudget) > 1000);
    assert!(session.is_admitted(peer(2)));
}

#[test]
fn reliable_relayed_bytes_wait_for_the_rate_and_too_many_end_the_stay() {
    let mut session = room_of_64();
    let mut bytes = 0;
    let mut accepted = 0;
    for _ in 0..64 {
        let verdict = session.handle_packet(NOW, broadcast(1 << 19, TransferMode::Reliable));
        bytes += drain_bytes(&mut session);
        match verdict {
            Verdict::Accepted => accepted += 1,
            refused => {
                assert_eq!(refused, Verdict::Rejected(DropReason::RelayBudget));
                break;
            }
        }
    }
    assert_eq!(accepted, 1, "the second one does not fit behind the first");
    assert!(bytes <= (1 << 20) + 63 * 6);
    assert_eq!(session.poll_disconnect(), Some(peer(2)));
    assert!(!session.is_admitted(peer(2)));
    assert!(session.is_admitted(peer(3)));
    assert_eq!(session.poll_timeout(), None, "nothing waits any more");
}

#[test]
fn a_large_reliable_broadcast_reaches_all_as_the_rate_allows() {
    let mut session = room_of_64();
    let size = 100_000;
    assert!(
        session
            .handle_packet(NOW, broadcast(size, TransferMode::Reliable))
            .is_accepted()
    );
    let mut packets = 0;
    let mut last = NOW;
    loop {
        while session.poll_packet().is_some() {
            packets += 1;
        }
        let Some(deadline) = session.poll_timeout() else {
            break;
        };
        assert!(deadline > last, "no busy loop");
        last = deadline;
        session.handle_timeout(deadline);
    }
    assert_eq!(packets, 63);
    let waited = last.saturating_since(NOW).as_secs_f64();
    let expected = (63.0 * 100_000.0 - f64::from(1 << 20)) / f64::from(256 << 10);
    assert!((waited - expected).abs() < 0.1, "{waited} {expected}");
}
