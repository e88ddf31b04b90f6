//! Recorded sessions of C ENet: our host takes each side's place, understands the other side, and where the protocol
//! leaves no freedom sends the same bytes.

extern crate alloc;

mod common;

use common::recording::{Role, recorded_events, recordings};
use common::replay::Replay;

/// Sessions in which the calls and the clock fix the bytes.
///
/// The connect id, which the seed decides, is masked; everything else has to be equal, sent times included. Not
/// compared, beside [`ONE_SIDE`], is `lossy_reorder_dup`: when a lost command is sent again depends on round trips of
/// less than a millisecond, which C ENet rounds up.
const BOTH_SIDES: &[&str] = &[
    "connect_disconnect",
    "send_kinds",
    "fragment_reliable_5000",
    "fragment_unreliable_5000",
    "connect_disconnect_checksum",
    "send_kinds_checksum",
    "fragment_reliable_5000_checksum",
    "fragment_unreliable_5000_checksum",
    "fragment_reliable_60000",
    "fragment_default_flags",
    "threshold_1364",
    "threshold_1360_checksum",
    "coalesce_40",
    "interleave_order",
    "ping_idle",
    "throttle_configure",
    "bandwidth_limited_host",
    "bandwidth_limit_change",
    "godot_defaults",
    "disconnect_server",
    "disconnect_later",
    "channel_limit",
    "mtu_negotiation",
    "version_1_3_17_client",
    "reconnect_sessions",
    "connect_retry",
    "ack_loss_retransmit",
    "window_4096_stall",
    "two_channels_same_seq",
    "tiny_incoming_bandwidth",
];

/// Sessions of which only one side is compared, and what the other does differently.
const ONE_SIDE: &[(&str, Role, &str)] = &[
    (
        "disconnect_while_connecting",
        Role::Client,
        "our server sends VERIFY_CONNECT again when it hears from the client, and not by itself",
    ),
    (
        "peer_timeout",
        Role::Client,
        "our server measures the round trip in microseconds, so its pings are resent sooner",
    ),
    (
        "unreliable_seq_rollover",
        Role::Server,
        "the recording forces a sequence number of the client",
    ),
];

#[test]
fn every_recording_is_understood_from_both_sides() {
    let mut failures = Vec::new();
    for recording in recordings() {
        let name = recording["name"].as_str().expect("text");
        for role in [Role::Client, Role::Server] {
            let mut replay = Replay::new(&recording, role);
            replay.accept_all();
            let expected = recorded_events(&recording, role);
            if replay.seen != expected {
                failures.push(format!(
                    "{name} as {role:?}\n  recorded {expected:x?}\n  seen     {:x?}\n  refused  {:?}",
                    replay.seen, replay.refused
                ));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn where_nothing_is_left_open_the_same_calls_give_the_same_datagrams() {
    let all = recordings();
    let mut failures = Vec::new();
    let both = BOTH_SIDES
        .iter()
        .flat_map(|name| [(*name, Role::Client), (*name, Role::Server)]);
    let one = ONE_SIDE.iter().map(|(name, role, _)| (*name, *role));
    for (name, role) in both.chain(one) {
        let recording = all.iter().find(|recording| recording["name"] == name);
        let recording = recording.unwrap_or_else(|| panic!("no recording {name}"));
        let mut replay = Replay::new(recording, role);
        if let Err(difference) = replay.compare_all() {
            failures.push(format!("{name} as {role:?}: {difference}"));
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
