//! Peers that are not admitted, or not yet.

use super::*;

#[test]
fn a_side_that_completes_alone_or_twice_is_not_admitted() {
    let mut session = authenticating();
    for _ in 0..2 {
        assert_eq!(give(&mut session, 4, &hex("0700")), Verdict::Accepted);
        assert!(!session.is_admitted(peer(4)));
    }
    assert!(matches!(
        session.poll_event(),
        Some(Event::AuthRemoteComplete { .. })
    ));
    assert!(session.poll_event().is_none());
    session.complete_auth(peer(4)).unwrap();
    assert!(session.is_admitted(peer(4)));
}

#[test]
fn a_packet_of_a_peer_that_was_never_connected_is_dropped() {
    let mut session = server(Relay::Enabled);
    assert_eq!(
        give(&mut session, 9, &hex("036162")),
        Verdict::Dropped(DropReason::UnknownPeer)
    );
    check_control("R", &mut session, 2, "packet_from_unknown_peer");
}

#[test]
fn authentication_data_is_limited_in_size_and_number() {
    let mut session = authenticating();
    let mut packet = hex("0700");
    packet.resize(1 << 20, 1);
    assert_eq!(
        give(&mut session, 4, &packet),
        Verdict::Rejected(DropReason::AuthTooLarge)
    );
    assert_eq!(session.poll_disconnect(), Some(peer(4)));
    assert!(matches!(
        session.poll_event(),
        Some(Event::AuthFailed {
            reason: AuthFailure::TooLarge,
            ..
        })
    ));

    let mut session = authenticating();
    for _ in 0..16 {
        assert!(give(&mut session, 4, &hex("070061")).is_accepted());
    }
    assert_eq!(
        give(&mut session, 4, &hex("070061")),
        Verdict::Rejected(DropReason::AuthTooLarge)
    );
    assert_eq!(session.poll_disconnect(), Some(peer(4)));
}

#[test]
fn dribbled_authentication_ends_three_seconds_after_the_connection() {
    let mut session = authenticating();
    for second in 1..=3 {
        let now = NOW + Duration::from_secs(second);
        assert_eq!(session.poll_timeout(), Some(NOW + Duration::from_secs(3)));
        session.handle_timeout(now);
        if second < 3 {
            assert!(give(&mut session, 4, &hex("070061")).is_accepted());
        }
    }
    assert_eq!(session.poll_disconnect(), Some(peer(4)));
    let last = core::iter::from_fn(|| session.poll_event()).last();
    assert!(matches!(
        last,
        Some(Event::AuthFailed {
            reason: AuthFailure::Timeout,
            ..
        })
    ));
    assert_eq!(session.poll_timeout(), None);
}
