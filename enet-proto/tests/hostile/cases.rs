//! The cases of one datagram: each gets its verdict.

use super::*;

/// Cases of which several commands of one datagram have an effect, with what is left: counters and payloads.
fn left(name: &str) -> Option<(&'static [DropReason], &'static [&'static [u8]])> {
    use DropReason::*;
    Some(match name {
        "good_command_then_unknown" => (&[UnknownCommand], &[b"ok"]),
        "reliable_same_sequence_other_bytes" => (&[Duplicate], &[]),
        "reliable_ack_flag_without_sent_time" => (&[NoSentTime], &[b"x"]),
        "unsequenced_replay" => (&[Duplicate], &[b"x"]),
        "fragment_then_plain_reliable_on_same_sequence" => (&[Duplicate], &[]),
        "fragment_second_with_other_total"
        | "fragment_second_with_other_count"
        | "fragments_overlap_leave_hole" => (&[BadFragment], &[]),
        "control_reliable" => (&[], &[b"hi"]),
        "reliable_empty" => (&[], &[b""]),
        "header_without_flag_only"
        | "bandwidth_limit_extremes"
        | "bandwidth_limit_toggle"
        | "throttle_configure_extremes"
        | "three_hundred_pings" => (&[], &[]),
        _ => return None,
    })
}

/// Checks one case that a single datagram makes, in the fixtures with a peer.
fn check_with_peer(name: &str, given: &str, datagram: &[u8], expected: &str) {
    let mut fixture = Fixture::new(given);
    let before = fixture.counters();
    let verdict = match name {
        "right_slot_wrong_source_port" => {
            let wrong = SocketAddr::new(peer_address().ip(), 1);
            fixture.network.deliver(fixture.host, wrong, datagram)
        }
        _ => fixture.deliver(datagram),
    };
    let moved = fixture.moved(&before);
    fixture.answers();
    let events = fixture.events();
    let payloads: Vec<&[u8]> = events
        .iter()
        .map(|event| match event {
            Event::Received { payload, .. } => &payload[..],
            other => panic!("{name}: {other:?}"),
        })
        .collect();
    if let Some((reasons, expected_payloads)) = left(name) {
        assert_eq!(verdict, Handled::Consumed, "{name}");
        let moved: Vec<_> = moved.into_iter().map(|(reason, _)| reason).collect();
        assert_eq!(moved, reasons, "{name}");
        assert_eq!(payloads, expected_payloads, "{name}");
    } else {
        let reason = reason_of(expected);
        assert_eq!(verdict, Handled::Dropped(reason), "{name}");
        assert_eq!(moved.len(), 1, "{name}: {moved:?}");
        assert_eq!(moved[0].0, reason, "{name}");
        assert!(payloads.is_empty(), "{name} delivered {payloads:02x?}");
    }
    // The next packet of the session: its channel 3 is not used by any case.
    let (peer, neighbour) = (fixture.peer(), fixture.neighbour.clone());
    fixture.assert_alive(&peer, 3);
    fixture.assert_alive(&neighbour.expect("the fixture has one"), 0);
}

/// The reason that stands behind "reject: " or "drop: ".
fn reason_of(expected: &str) -> DropReason {
    let (_, name) = expected
        .split_once(": ")
        .unwrap_or_else(|| panic!("no reason in {expected}"));
    let mut found = REASONS
        .into_iter()
        .filter(|reason| format!("{reason:?}") == name);
    found.next().unwrap_or_else(|| panic!("no reason {name}"))
}

// req: HG-3, HG-4
#[test]
fn each_datagram_to_a_connection_gets_its_verdict_and_the_session_goes_on() {
    for case in cases() {
        let text = |field: &str| case[field].as_str().unwrap_or_default().to_owned();
        let (name, given, expected) = (text("name"), text("given"), text("expected"));
        let other = [
            "disconnect_without_ack_flag",
            "disconnect_twice",
            "reliable_replay",
        ];
        let skipped = [&COMPRESSION[..], &GODOT_LAYER, &GENERATED, &other].concat();
        if given == "E0" || skipped.contains(&&name[..]) {
            continue;
        }
        check_with_peer(&name, &given, &unhex(&text("hex")), &expected);
    }
}

#[test]
fn each_refused_connect_gets_its_verdict_and_the_door_stays_open() {
    for case in cases() {
        let text = |field: &str| case[field].as_str().unwrap_or_default().to_owned();
        let (name, expected) = (text("name"), text("expected"));
        if text("given") != "E0" || !expected.starts_with("reject: ") {
            continue;
        }
        let mut fixture = Fixture::new("E0");
        let before = fixture.counters();
        let verdict = fixture.deliver(&unhex(&text("hex")));
        let reason = reason_of(&expected);
        assert_eq!(verdict, Handled::Dropped(reason), "{name}");
        assert_eq!(fixture.moved(&before), [(reason, 1)], "{name}");
        assert_eq!(fixture.answers(), [], "{name}");
        fixture.assert_open();
    }
}

// req: HE-1
#[test]
fn a_datagram_above_4096_bytes_is_oversize() {
    let mut fixture = Fixture::new("E1");
    let commands: Vec<u8> = (1..)
        .flat_map(|n| reliable(0, n, b"x"))
        .take(65_000)
        .collect();
    let before = fixture.counters();
    let verdict = fixture.peer().send(&mut fixture.network, &commands);
    assert_eq!(verdict, Handled::Dropped(DropReason::Oversize));
    assert_eq!(fixture.moved(&before), [(DropReason::Oversize, 1)]);
    let peer = fixture.peer();
    fixture.assert_alive(&peer, 0);
}

// req: HX-1
#[test]
fn no_prefix_and_no_changed_bit_of_any_case_does_harm() {
    for case in cases() {
        let hex = case["hex"].as_str().unwrap_or_default();
        if hex.is_empty() || hex.len() > 400 {
            continue;
        }
        let datagram = unhex(hex);
        let mut fixture = Fixture::new(if case["given"] == "E0" { "E0" } else { "E1" });
        for length in 0..datagram.len() {
            let _ = fixture.deliver(&datagram[..length]);
        }
        for bit in 0..datagram.len() * 8 {
            let mut changed = datagram.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let _ = fixture.deliver(&changed);
            fixture.answers();
        }
        fixture.network.run_for(SECOND);
        fixture.network.take_events(fixture.host);
        if let Some(neighbour) = fixture.neighbour.clone() {
            fixture.assert_alive(&neighbour, 0);
        }
    }
}
