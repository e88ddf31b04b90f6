//! Every case of the list: its verdict, one counter, no harm.

use super::*;

/// Cases with a test of their own below.
const SCENARIOS: &[&str] = &[
    "spawn_state_truncated",
    "despawn_twice",
    "sync_unknown_then_known",
    "sync_stale_time",
    "sync_time_half_range",
    "sync_too_few_values",
    "sync_ten_thousand_unknown_entries",
    "spawn_flood",
    "delta_partial_then_broken",
    "server_adds_100000_peers",
    "relay_broadcast_flood",
    "pending_peer_sends_1_mib_auth",
    "pending_peer_dribbles",
    "simplify_path_64_kib",
    "rpc_flood",
    "packet_from_unknown_peer",
    "spawn_sync_count_times_four_wraps",
];

/// Cases that the requirements name without bytes, in the form of the file's.
const NAMED: &[(&str, &str, &str, &str)] = &[
    ("raw_without_body", "R", "03", "reject: Truncated"),
    (
        "client_sends_del_peer",
        "R",
        "070203000000",
        "reject: Unauthorized",
    ),
    (
        "server_deletes_unknown_id",
        "RC",
        "07024d000000",
        "drop: UnknownPeer",
    ),
    ("relay_all_but_server", "R", "0703ffffffff0378", "accept"),
    (
        "relay_from_pending_peer",
        "RA",
        "0703030000000378",
        "drop: NotAuthenticated",
    ),
    (
        "pending_peer_sends_spawn",
        "RA",
        "04000100000009000000000000000100000058",
        "drop: NotAuthenticated",
    ),
    (
        "simplify_37_bytes",
        "R",
        "01306363313735623963306631623661383331633339396532363937373236363100070000",
        "reject: Truncated",
    ),
    (
        "simplify_unique_name",
        "R",
        "013063633137356239633066316236613833316333393965323639373732363631000700000025506c617965723200",
        "reject: BadPath",
    ),
    (
        "rpc_node_id_32_truncated",
        "R",
        "20050000",
        "reject: Truncated",
    ),
    (
        "rpc_full_path_offset_beyond",
        "R",
        "2063000080000102074d61696e2f506c617965723200",
        "reject: Truncated",
    ),
    (
        "rpc_second_argument_broken",
        "R",
        "00050002020727000000",
        "reject: BadValue",
    ),
    (
        "spawn_cached_node_is_not_a_spawner",
        "RC",
        "04000200000009000000000000000100000058",
        "reject: WrongKind",
    ),
    (
        "spawn_more_sync_ids_than_synchronizers",
        "RC",
        "04000100000009000000020000000100000005000000060000005802070207",
        "reject: SyncCount",
    ),
    (
        "spawn_net_id_high_bit",
        "RC",
        "04000100000009000080000000000100000058",
        "reject: BadId",
    ),
    (
        "spawn_custom_without_spawn_function",
        "RC",
        "04ff01000000090000000000000001000000580400000000000000",
        "reject: UnknownScene",
    ),
    (
        "sync_extra_bytes_in_entry",
        "RC",
        "06010004000000040000000207beef",
        "accept",
    ),
    (
        "sync_node_that_is_no_synchronizer",
        "RC",
        "06010002000080020000000207",
        "reject: WrongKind",
    ),
    (
        "sync_ten_bytes",
        "RC",
        "06010004000000020000",
        "reject: Truncated",
    ),
];

struct Case {
    name: String,
    given: String,
    bytes: Vec<u8>,
    expected: String,
}

fn cases() -> Vec<Case> {
    let text = include_str!("../data/hostile-scene.json");
    let file: serde_json::Value = serde_json::from_str(text).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let listed = file["cases"].as_array().unwrap().iter().map(|case| Case {
        name: text(&case["name"]),
        given: text(&case["given"]),
        bytes: hex(&text(&case["hex"])),
        expected: text(&case["expected"]),
    });
    let named = NAMED.iter().map(|(name, given, bytes, expected)| Case {
        name: (*name).into(),
        given: (*given).into(),
        bytes: hex(bytes),
        expected: (*expected).into(),
    });
    listed.chain(named).collect()
}

fn reason(name: &str) -> DropReason {
    DropReason::ALL
        .into_iter()
        .find(|reason| reason.name() == name)
        .unwrap_or_else(|| panic!("no reason {name}"))
}

/// The verdict that a case states, where it states one.
fn stated(expected: &str) -> Verdict {
    let (word, detail) = expected.split_once(": ").unwrap_or((expected, ""));
    let name = detail
        .split([' ', ',', ':', ';'])
        .next()
        .unwrap_or_default();
    match word {
        "accept" => Verdict::Accepted,
        "drop" => Verdict::Dropped(reason(name)),
        "reject" => Verdict::Rejected(reason(name)),
        _ => panic!("no single verdict in {expected:?}"),
    }
}

#[test]
fn every_case_has_its_verdict_and_one_counter_and_does_no_harm() {
    let mut checked = 0;
    for case in cases() {
        let name = case.name.as_str();
        if SCENARIOS.contains(&name) {
            continue;
        }
        let (mut session, sender) = fixture(&case.given);
        let before = *session.stats();
        let verdict = give(&mut session, sender, &case.bytes);
        assert_eq!(verdict, stated(&case.expected), "{name}: {}", case.expected);
        let after = *session.stats();
        for reason in DropReason::ALL {
            let moved = after.dropped(reason) - before.dropped(reason);
            let expected = u64::from(verdict.reason() == Some(reason));
            assert_eq!(moved, expected, "{name}: counter {}", reason.name());
        }
        check_control(&case.given, &mut session, sender, name);
        assert!(session.poll_disconnect().is_none(), "{name}");
        checked += 1;
    }
    assert_eq!(checked, 114 + NAMED.len() - SCENARIOS.len());
}

#[test]
fn what_is_checked_apart_is_a_case_of_the_file() {
    let names: Vec<_> = cases().into_iter().map(|case| case.name).collect();
    for name in SCENARIOS {
        assert!(names.iter().any(|known| known == name), "{name}");
    }
}

/// The bytes of a case of the file.
pub(crate) fn bytes_of(name: &str) -> Vec<u8> {
    let mut cases = cases().into_iter();
    cases.find(|case| case.name == name).unwrap().bytes
}
