//! SPAWN and DESPAWN.

use super::*;

#[test]
fn a_count_that_wraps_32_bits_is_a_bad_length() {
    let mut session = client();
    let packet = hex("04000100000009000000000000400100000058");
    assert_eq!(
        give(&mut session, 1, &packet),
        Verdict::Rejected(DropReason::BadLength)
    );
    check_control("RC", &mut session, 1, "spawn_sync_count_times_four_wraps");
}

#[test]
fn a_spawn_whose_state_is_broken_leaves_nothing() {
    // req: HP-11
    let fresh = "040001000000090000000100000001000000050000005802";
    for packet in [bytes_of("spawn_state_truncated"), hex(fresh)] {
        let mut session = client();
        let nodes = session.nodes().count();
        let verdict = give(&mut session, 1, &packet);
        assert!(matches!(verdict, Verdict::Rejected(_)), "{verdict:?}");
        assert_eq!(session.nodes().count(), nodes);
        assert!(session.poll_event().is_none());
        assert_eq!(session.peer_usage(peer(1)).unwrap().spawned_nodes, 1);
        let good = hex("04000100000009000000010000000100000005000000580207");
        assert!(give(&mut session, 1, &good).is_accepted());
    }
}

#[test]
fn a_node_can_be_despawned_once() {
    // req: HP-12
    let mut session = client();
    let packet = bytes_of("despawn_twice");
    assert!(give(&mut session, 1, &packet).is_accepted());
    assert!(matches!(
        session.poll_event(),
        Some(Event::Despawned { path, .. }) if &*path == "Main/L"
    ));
    assert!(session.node("Main/L/Sync").is_none());
    assert_eq!(
        give(&mut session, 1, &packet),
        Verdict::Rejected(DropReason::UnknownId)
    );
    check_control("RC", &mut session, 1, "despawn_twice");
}

#[test]
fn state_that_a_despawn_overtook_is_told_from_state_after_it() {
    // req: HP-14
    let mut session = client();
    assert!(give(&mut session, 1, &hex("0503000000")).is_accepted());
    // Full states are unreliable, so a DESPAWN can overtake them. Deltas come in order with it.
    let full = hex("06010004000000020000000207");
    let mut late = |packet: &[u8], mode| {
        let packet = Bytes::copy_from_slice(packet);
        let (from, channel) = (peer(1), 0);
        let incoming = Incoming {
            from,
            mode,
            channel,
            packet,
        };
        session.handle_packet(NOW, incoming)
    };
    assert_eq!(
        late(&full, TransferMode::Unreliable),
        Verdict::Dropped(DropReason::FreedNode)
    );
    let delta = hex("16040000000100000000000000020000000207");
    assert_eq!(
        late(&delta, TransferMode::Reliable),
        Verdict::Dropped(DropReason::UnknownId)
    );
    // The same numbers again, as when a node is hidden and shown.
    assert!(give(&mut session, 1, &hex(LIVE)).is_accepted());
    assert!(give(&mut session, 1, &full).is_accepted());
    assert_eq!(session.peer_usage(peer(1)).unwrap().freed_numbers, 0);
}

#[test]
fn numbers_of_freed_nodes_are_remembered_up_to_the_limit() {
    let mut config = Config::client(peer(2));
    config.limits.freed_numbers = 10;
    let mut session = Session::new(config).unwrap();
    assert!(session.handle_peer_connected(NOW, peer(1)).is_accepted());
    add_spawner(&mut session, "Main/Spawner", 1);
    let announce = simplify(&session, 1, "Main/Spawner");
    assert!(give(&mut session, 1, &announce).is_accepted());
    for id in 1..=100_u32 {
        let mut spawn = hex("040101000000");
        spawn.extend_from_slice(&id.to_le_bytes());
        spawn.extend_from_slice(&hex("000000000200000041"));
        spawn.push(0);
        assert!(give(&mut session, 1, &spawn).is_accepted());
        let mut despawn = vec![5];
        despawn.extend_from_slice(&id.to_le_bytes());
        assert!(give(&mut session, 1, &despawn).is_accepted());
    }
    assert_eq!(session.peer_usage(peer(1)).unwrap().freed_numbers, 10);
}

#[test]
fn spawned_nodes_of_a_peer_are_bounded_and_one_too_many_ends_its_stay() {
    // req: HP-11
    let mut config = Config::client(peer(2));
    config.limits.spawned_nodes = 1000;
    let mut session = Session::new(config).unwrap();
    assert!(session.handle_peer_connected(NOW, peer(1)).is_accepted());
    add_spawner(&mut session, "Main/Spawner", 1);
    let announce = simplify(&session, 1, "Main/Spawner");
    assert!(give(&mut session, 1, &announce).is_accepted());
    let mut accepted = 0;
    for id in 1..=100_000_u32 {
        let mut packet = hex("040101000000");
        packet.extend_from_slice(&id.to_le_bytes());
        packet.extend_from_slice(&hex("0000000006000000"));
        packet.extend_from_slice(format!("{id:06}").as_bytes());
        let verdict = give(&mut session, 1, &packet);
        drain(&mut session);
        if session.poll_disconnect().is_some() {
            assert_eq!(verdict, Verdict::Rejected(DropReason::SpawnLimit));
            break;
        }
        assert!(verdict.is_accepted());
        accepted += 1;
    }
    assert_eq!(accepted, 1000);
    assert_eq!(session.spawned_nodes().count(), 0, "freed with their peer");
    assert_eq!(session.nodes().count(), 1);
}
