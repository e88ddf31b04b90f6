//! Cases in which a session goes on, or ends once.

use super::*;

// hostile.json: reliable_same_sequence_other_bytes
#[test]
fn of_two_packets_with_one_number_the_first_is_delivered() {
    let mut fixture = Fixture::new("E1");
    let _ = fixture.deliver(&case("reliable_same_sequence_other_bytes"));
    let _ = fixture
        .peer()
        .send(&mut fixture.network, &reliable(0, 1, b"first"));
    let events = fixture.events();
    let payloads: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Received { payload, .. } => Some(&payload[..]),
            _ => None,
        })
        .collect();
    assert_eq!(payloads, [&b"first"[..], b"AAAA"]);
}

// hostile.json: reliable_replay
#[test]
fn a_replayed_reliable_packet_is_delivered_once_and_acknowledged_each_time() {
    let mut fixture = Fixture::new("E1");
    let datagram = case("reliable_replay");
    let mut acknowledgements = 0;
    for _ in 0..1000 {
        let _ = fixture.deliver(&datagram);
        let answers = fixture.answers();
        let commands = answers.iter().flat_map(|answer| &answer.commands);
        acknowledgements += commands.filter(|command| command.kind == 1).count();
    }
    assert_eq!(acknowledgements, 1000);
    assert_eq!(fixture.events().len(), 1);
    let stats = fixture.host().stats();
    assert_eq!(stats.dropped(DropReason::Duplicate), 999);
}

#[test]
fn a_disconnect_ends_that_session_once_with_its_first_reason() {
    for (name, data) in [
        ("disconnect_without_ack_flag", u32::MAX),
        ("disconnect_twice", 1),
    ] {
        let mut fixture = Fixture::new("E1");
        let _ = fixture.deliver(&case(name));
        fixture.network.run_for(SECOND);
        let events = fixture.events();
        let [Event::Disconnected { reason, .. }] = events[..] else {
            panic!("{name}: {events:?}");
        };
        assert_eq!(reason, DisconnectReason::Remote { data }, "{name}");
        let neighbour = fixture.neighbour.clone().expect("the fixture has one");
        fixture.assert_alive(&neighbour, 0);
    }
}
