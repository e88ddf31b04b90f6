//! What a CONNECT that is taken gets.

use super::*;

/// Sends a CONNECT and gives the body of the one VERIFY_CONNECT that answers it, and what moved.
fn verify(name: &str) -> (Fixture, Vec<u8>, Vec<(DropReason, u64)>) {
    let mut fixture = Fixture::new("E0");
    let datagram = case(name);
    let before = fixture.counters();
    assert_eq!(fixture.deliver(&datagram), Handled::Consumed, "{name}");
    let answers = transmissions(&mut fixture.network, fixture.host);
    assert_eq!(answers.len(), 1, "{name}");
    assert!(answers[0].len() <= datagram.len(), "{name} is amplified");
    let parsed = parse(&answers[0], false);
    let [command] = &parsed.commands[..] else {
        panic!("{name}: {parsed:x?}");
    };
    assert_eq!(command.kind, 3, "{name}");
    let moved = fixture.moved(&before);
    (fixture, command.bytes.clone(), moved)
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from(be16(bytes, at)) << 16 | u32::from(be16(bytes, at + 2))
}

// req: HE-5, HE-6
#[test]
fn a_connect_is_answered_once_with_values_forced_into_their_range() {
    let mtu = |body: &[u8]| be32(body, 8);
    let window = |body: &[u8]| be32(body, 12);
    let channels = |body: &[u8]| be32(body, 16);
    for name in [
        "control_connect",
        "connect_throttle_extremes",
        "connect_bandwidth_one",
        "connect_data_peer_id_zero",
        "connect_data_peer_id_negative",
    ] {
        let (mut fixture, body, moved) = verify(name);
        assert_eq!(moved, [], "{name}");
        assert_eq!(
            (mtu(&body), window(&body), channels(&body)),
            (1392, 65_536, 4),
            "{name}"
        );
        fixture.assert_open();
    }
    assert_eq!(channels(&verify("connect_channels_255_host_limit_4").1), 4);
    assert_eq!(mtu(&verify("connect_mtu_zero").1), 576);
    assert_eq!(mtu(&verify("connect_mtu_max").1), 1392);
    assert_eq!(window(&verify("connect_window_zero").1), 4096);
    let sessions = verify("connect_session_id_out_of_range").1;
    assert_eq!(sessions[6..8], [3, 3]);
}

#[test]
fn what_stands_behind_a_connect_is_dropped_and_counted() {
    let tail = verify("connect_with_three_trailing_bytes").2;
    assert_eq!(tail, [(DropReason::Trailing, 1)]);
    let (mut fixture, _, moved) = verify("connect_two_in_one_datagram");
    let allowed = [DropReason::Trailing, DropReason::UnexpectedCommand];
    assert!(
        matches!(moved[..], [(reason, 1)] if allowed.contains(&reason)),
        "{moved:?}"
    );
    fixture.assert_open();
}

#[test]
fn a_repeated_connect_gets_the_same_answer_and_takes_no_second_place() {
    let mut fixture = Fixture::new("E0");
    let datagram = case("connect_repeated_same_id_and_address");
    let mut answers = Vec::new();
    for _ in 0..100 {
        assert_eq!(fixture.deliver(&datagram), Handled::Consumed);
        let now = transmissions(&mut fixture.network, fixture.host);
        assert!(now.len() <= 1, "{now:02x?}");
        answers.extend(now);
    }
    assert!(answers.len() > 1, "a lost answer is never repeated");
    let bodies: Vec<_> = answers
        .iter()
        .map(|answer| parse(answer, false).commands)
        .collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:x?}");
    // All eight places but one are free.
    for index in 0..7 {
        let fields = ConnectFields {
            connect_id: index,
            ..ConnectFields::default()
        };
        RawPeer::connect(
            &mut fixture.network,
            fixture.host,
            stranger(10 + index),
            fields,
        );
    }
}
