//! Extreme settings that are accepted.

use super::*;

#[test]
fn extremes_that_were_accepted_do_no_harm_when_data_and_time_follow() {
    for name in [
        "bandwidth_limit_extremes",
        "bandwidth_limit_toggle",
        "throttle_configure_extremes",
        "three_hundred_pings",
    ] {
        let mut fixture = Fixture::new("E1");
        assert_eq!(fixture.deliver(&case(name)), Handled::Consumed, "{name}");
        converse(&mut fixture, name);
    }
    for name in ["connect_throttle_extremes", "connect_bandwidth_one"] {
        let datagram = case(name);
        let mut fixture = Fixture::new("E0");
        assert_eq!(fixture.deliver(&datagram), Handled::Consumed, "{name}");
        let [verify] = &fixture.answers()[..] else {
            panic!("{name}: one answer expected");
        };
        let peer = RawPeer {
            node: fixture.host,
            address: peer_address(),
            word: u16::from(verify.commands[0].bytes[7]) << 12,
            checksum_seed: None,
        };
        let sent_time = verify.sent_time.expect("VERIFY_CONNECT wants an answer");
        let verdict = peer.send(&mut fixture.network, &acknowledge(CONNECTION, 1, sent_time));
        assert_eq!(verdict, Handled::Consumed, "{name}");
        fixture.peer = Some(peer);
        converse(&mut fixture, name);
    }
}

/// The host sends 30 packets of 5000 bytes and some small ones while the peer acknowledges everything: all leave.
fn converse(fixture: &mut Fixture, name: &str) {
    let peer = fixture.peer();
    let key = fixture.host().peers().next().expect("connected");
    let mut fragments = 0;
    for round in 0..400 {
        if round < 30 {
            let host = fixture.host();
            host.send(key, 0, PacketFlags::RELIABLE, vec![1; 5000].into())
                .expect("connected");
            host.send(key, 1, PacketFlags::NONE, vec![2; 50].into())
                .expect("connected");
        }
        for datagram in fixture.answers() {
            let sent_time = datagram.sent_time.unwrap_or_default();
            for command in datagram.commands {
                if command.flags & 0x80 != 0 {
                    fragments += usize::from(command.kind == 8);
                    let answer = acknowledge(command.channel, command.sequence, sent_time);
                    let _ = peer.send(&mut fixture.network, &answer);
                }
            }
        }
        let now = fixture.network.now() + 20 * MILLISECOND;
        advance(fixture, now);
    }
    assert!(
        fragments >= 30 * 4,
        "{name}: only {fragments} fragments left"
    );
    let view = fixture.host().peer(key).expect("still connected");
    assert_eq!(view.stats().queued_packets, 0, "{name}");
}

/// Lets time pass without letting the network take what the host sends.
pub(super) fn advance(fixture: &mut Fixture, to: proto_core::Instant) {
    let host = fixture.host;
    let wait = to.saturating_since(fixture.network.now());
    // Timers run at the end of the wait, as with a slow driver.
    fixture.network.skip(wait);
    fixture.network.machine_mut(host).host.handle_timeout(to);
}
