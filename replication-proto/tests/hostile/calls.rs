//! Calls and announced paths.

use super::*;

#[test]
fn meaningless_flags_can_be_refused() {
    let mut config = Config::server();
    config.refuse_unknown_flags = true;
    let mut session = Session::new(config).unwrap();
    assert!(session.handle_peer_connected(NOW, peer(2)).is_accepted());
    for packet in ["f703020000000378", "0b61"] {
        let verdict = give(&mut session, 2, &hex(packet));
        assert_eq!(verdict, Verdict::Rejected(DropReason::UnknownFlags));
    }
    assert!(give(&mut session, 2, &hex("0361")).is_accepted());
}

#[test]
fn surplus_bytes_of_a_call_are_counted_or_refused() {
    let mut session = server(Relay::Enabled);
    let packet = hex("000500010207dead");
    assert_eq!(give(&mut session, 2, &packet), Verdict::Accepted);
    assert_eq!(session.stats().surplus_bytes, 2);
    assert!(matches!(session.poll_event(), Some(Event::Rpc(_))));

    let mut config = Config::server();
    config.refuse_surplus_bytes = true;
    let mut session = Session::new(config).unwrap();
    assert!(session.handle_peer_connected(NOW, peer(2)).is_accepted());
    session.add_node(player2()).unwrap();
    let announce = simplify(&session, 5, "Main/Player2");
    assert!(give(&mut session, 2, &announce).is_accepted());
    assert_eq!(
        give(&mut session, 2, &packet),
        Verdict::Rejected(DropReason::TrailingBytes)
    );
}

#[test]
fn calls_through_a_number_with_another_method_list_are_refused() {
    let mut session = server(Relay::Enabled);
    let packet = "01666666666666666666666666666666666666666666666666666666666666666600070000004d61696e2f506c617965723200";
    assert_eq!(give(&mut session, 2, &hex(packet)), Verdict::Accepted);
    let answer = session.poll_packet().unwrap();
    assert_eq!(common::to_hex(&answer.packet), "020007000000");
    assert!(matches!(
        session.poll_event(),
        Some(Event::MethodMismatch(_))
    ));
    assert_eq!(
        give(&mut session, 2, &hex("000700010207")),
        Verdict::Rejected(DropReason::MethodMismatch)
    );
}

#[test]
fn a_path_of_64_kib_is_too_long() {
    let mut session = server(Relay::Enabled);
    let mut packet = simplify(&session, 7, "Main/Player2");
    packet.truncate(38);
    packet.extend(core::iter::repeat_n(b'a', 65536));
    assert_eq!(
        give(&mut session, 2, &packet),
        Verdict::Rejected(DropReason::TooLong)
    );
    check_control("R", &mut session, 2, "simplify_path_64_kib");
}

#[test]
fn a_peer_announces_at_most_4096_numbers_for_one_node() {
    let mut session = server(Relay::Enabled);
    for id in 10..100_010 {
        let packet = simplify(&session, id, "Main/Player2");
        let _ = give(&mut session, 2, &packet);
        drain(&mut session);
    }
    let refused = session.stats().dropped(DropReason::PathCacheFull);
    assert_eq!(refused, 100_000 - 4094);
    check_control("R", &mut session, 2, "simplify_100000_ids_for_one_node");
}

#[test]
fn calls_beyond_the_rate_are_dropped_and_counted() {
    let mut session = server(Relay::Enabled);
    let packet = hex("000500010207");
    let mut calls = 0;
    for micros in (0..1_000_000).step_by(10) {
        let incoming = Incoming {
            from: peer(2),
            mode: TransferMode::Reliable,
            channel: 0,
            packet: packet.clone().into(),
        };
        let _ = session.handle_packet(NOW + Duration::from_micros(micros), incoming);
        while let Some(event) = session.poll_event() {
            calls += u64::from(matches!(event, Event::Rpc(_)));
        }
    }
    assert!((1499..=1500).contains(&calls), "{calls}");
    let refused = session.stats().dropped(DropReason::RpcBudget);
    assert_eq!(refused, 100_000 - calls);
}

#[test]
fn a_flooding_peer_leaves_the_others_their_calls() {
    // req: HG-5
    let mut net = Net::connected(&[2, 3]);
    for id in [1, 2, 3] {
        let node = NodeConfig::new("N").rpc(RpcConfig::new("a").any_peer());
        net.at(id).add_node(node).unwrap();
    }
    let node = net.at(2).node("N").unwrap();
    for _ in 0..5000 {
        net.at(2)
            .rpc(Target::Peer(peer(1)), node, "a", &[])
            .unwrap();
    }
    let node = net.at(3).node("N").unwrap();
    net.at(3)
        .rpc(Target::Peer(peer(1)), node, "a", &[])
        .unwrap();
    net.settle();
    let calls = net.events(1).into_iter().filter_map(|event| match event {
        Event::Rpc(call) => Some(call.peer.value()),
        _ => None,
    });
    let calls: Vec<_> = calls.collect();
    assert_eq!(calls.iter().filter(|&&from| from == 2).count(), 1000);
    assert_eq!(calls.iter().filter(|&&from| from == 3).count(), 1);
}
