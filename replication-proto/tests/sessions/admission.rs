//! Who is admitted, and who leaves.

use super::*;

#[test]
fn both_sides_are_admitted_when_both_have_completed() {
    let mut net = Net::new();
    net.add(authenticating(SERVER));
    net.add(authenticating(A));
    net.connect(A);
    net.at(A).send_auth(peer(SERVER), b"token").unwrap();
    net.settle();
    let events = net.events(SERVER);
    assert!(matches!(&events[0], Event::Authenticating { .. }));
    assert!(matches!(&events[1], Event::AuthReceived { data, .. } if data[..] == b"token"[..]));

    net.at(SERVER).complete_auth(peer(A)).unwrap();
    net.settle();
    assert!(!net.at(SERVER).is_admitted(peer(A)));
    net.at(A).complete_auth(peer(SERVER)).unwrap();
    net.settle();
    for (id, other) in [(SERVER, A), (A, SERVER)] {
        let events = net.events(id);
        let connected = |event: &Event| matches!(event, Event::PeerConnected { peer: it } if *it == peer(other));
        assert_eq!(events.iter().filter(|event| connected(event)).count(), 1);
        assert!(net.at(id).is_admitted(peer(other)));
    }
    assert_eq!(net.at(SERVER).poll_timeout(), None);
}

#[test]
fn a_refused_peer_is_disconnected_and_its_last_event_says_so() {
    let mut net = Net::new();
    net.add(authenticating(SERVER));
    net.add(authenticating(A));
    net.connect(A);
    net.at(A).send_auth(peer(SERVER), b"wrong").unwrap();
    net.settle();
    net.at(SERVER).disconnect_peer(peer(A));
    net.settle();
    assert_eq!(net.disconnects, [(SERVER, A)]);
    net.disconnect(A);
    for (id, expected) in [
        (SERVER, AuthFailure::Refused),
        (A, AuthFailure::ConnectionEnded),
    ] {
        let last = net.events(id).pop();
        assert!(
            matches!(last, Some(Event::AuthFailed { reason, .. }) if reason == expected),
            "{last:?}"
        );
    }
}

#[test]
fn a_client_without_authentication_is_timed_out_by_a_server_with_it() {
    let mut net = Net::new();
    net.add(authenticating(SERVER));
    net.add(Config::client(peer(A)));
    net.connect(A);
    // The client believes that it is in, and sends at once.
    let mode = TransferMode::Reliable;
    net.at(A).send_bytes(one(SERVER), b"x", mode, 0).unwrap();
    net.settle();
    let refused = (SERVER, A, DropReason::NotAuthenticated);
    assert_eq!(net.take_refusals(), [refused]);

    net.pass(Duration::from_millis(2999));
    net.settle();
    assert_eq!(net.disconnects, []);
    net.pass(Duration::from_millis(1));
    net.settle();
    assert_eq!(net.disconnects, [(SERVER, A)]);
    let last = net.events(SERVER).pop();
    assert!(matches!(
        last,
        Some(Event::AuthFailed {
            reason: AuthFailure::Timeout,
            ..
        })
    ));
}

#[test]
fn a_timeout_of_zero_waits_for_ever() {
    let mut net = Net::new();
    let mut config = authenticating(SERVER);
    config.auth_timeout = Duration::ZERO;
    net.add(config);
    net.add(authenticating(A));
    let now = net.now;
    assert!(
        net.at(SERVER)
            .handle_peer_connected(now, peer(A))
            .is_accepted()
    );
    assert_eq!(net.at(SERVER).poll_timeout(), None);
}

#[test]
fn authentication_commands_need_a_pending_peer_and_data() {
    let mut net = Net::new();
    net.add(authenticating(SERVER));
    net.add(authenticating(A));
    let server = net.at(SERVER);
    assert_eq!(server.send_auth(peer(A), b"x"), Err(AuthError::NotPending));
    net.connect(A);
    let server = net.at(SERVER);
    assert_eq!(server.send_auth(peer(A), b""), Err(AuthError::Empty));
    server.complete_auth(peer(A)).unwrap();
    assert_eq!(server.send_auth(peer(A), b"x"), Err(AuthError::Complete));
    assert_eq!(server.complete_auth(peer(A)), Err(AuthError::Complete));
}

#[test]
fn numbers_that_cannot_be_peers_are_refused() {
    let mut net = Net::connected(&[A]);
    let now = net.now;
    let bad = Verdict::Rejected(DropReason::BadPeerId);
    assert_eq!(net.at(SERVER).handle_peer_connected(now, peer(SERVER)), bad);
    assert_eq!(net.at(SERVER).handle_peer_connected(now, peer(A)), bad);
    assert_eq!(net.at(A).handle_peer_connected(now, peer(B)), bad);
    assert_eq!(PeerId::of_client(1), None);
    assert_eq!(PeerId::of_client(0xffff_ffff), None);
    assert_eq!(PeerId::of_client(2), Some(peer(2)));
    assert_eq!(PeerId::new(0), None);
    assert_eq!(PeerId::new(-1), None);
}

#[test]
fn pending_peers_are_not_announced_and_get_nothing_relayed() {
    let mut net = Net::new();
    net.add(authenticating(SERVER));
    for id in [A, B] {
        net.add(authenticating(id));
        net.connect(id);
    }
    net.at(A).complete_auth(peer(SERVER)).unwrap();
    net.at(SERVER).complete_auth(peer(A)).unwrap();
    net.settle();
    net.forget();
    let mode = TransferMode::Reliable;
    net.at(A).send_bytes(Target::All, b"x", mode, 0).unwrap();
    net.at(SERVER)
        .send_bytes(Target::All, b"y", mode, 0)
        .unwrap();
    net.settle();
    assert!(net.log.iter().all(|packet| packet.to != B));
    assert!(!net.at(A).is_admitted(peer(B)));
}

#[test]
fn a_client_that_loses_the_server_loses_everything() {
    let mut net = Net::connected(&[A, B]);
    let node = net.at(A).add_node(ping("N")).unwrap();
    net.at(SERVER).add_node(ping("N")).unwrap();
    net.at(A).rpc(one(SERVER), node, "ping", &[]).unwrap();
    net.settle();
    net.forget();
    net.disconnect(A);
    let left: Vec<_> = net
        .events(A)
        .into_iter()
        .map(|event| match event {
            Event::PeerDisconnected {
                peer,
                reason: DisconnectReason::ConnectionEnded,
            } => peer.value(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(left, [B, SERVER]);
    assert_eq!(
        net.at(A).rpc(Target::All, node, "ping", &[]),
        Err(CallError::NotConnected)
    );
    let mode = TransferMode::Reliable;
    assert_eq!(
        net.at(A).send_bytes(Target::All, b"x", mode, 0),
        Err(SendError::NotConnected)
    );

    // Back with the same number, all numbers of nodes start anew.
    net.connect(A);
    net.settle();
    net.forget();
    net.at(A).rpc(one(SERVER), node, "ping", &[]).unwrap();
    net.settle();
    assert_eq!(net.log[1].hex, "a006000080004e00");
    assert_eq!(net.log[2].hex, "020101000000");
    assert_eq!(net.take_refusals(), []);
}
