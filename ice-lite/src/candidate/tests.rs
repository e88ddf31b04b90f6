use super::*;
use crate::candidate::address::Loopback;
use alloc::string::ToString;
use serde_json::Value;

fn numbers() -> Value {
    serde_json::from_str(include_str!("../../tests/data/numbers.json")).expect("JSON")
}

fn field(case: &Value, name: &str) -> u64 {
    case[name].as_u64().expect("a number")
}

fn small(case: &Value, name: &str) -> u32 {
    u32::try_from(field(case, name)).expect("32 bits")
}

// req: I-9
#[test]
fn a_candidate_priority_joins_type_local_preference_and_component() {
    for case in numbers()["candidate_priority"].as_array().expect("a list") {
        let component = u16::try_from(field(case, "component")).expect("16 bits");
        assert_eq!(
            priority(
                small(case, "type_pref"),
                small(case, "local_pref"),
                component
            ),
            small(case, "priority")
        );
    }
}

// req: I-12
#[test]
fn a_pair_priority_is_the_same_on_both_sides_and_breaks_ties() {
    for case in numbers()["pair_priority"].as_array().expect("a list") {
        assert_eq!(
            pair_priority(small(case, "controlling"), small(case, "controlled")),
            field(case, "priority")
        );
    }
    assert_eq!(pair_priority(u32::MAX, u32::MAX), u64::MAX);
}

// req: P-2
#[test]
fn a_tcp_local_preference_puts_the_direction_first() {
    for case in numbers()["tcp_local_preference"]
        .as_array()
        .expect("a list")
    {
        let kind = match case["type"].as_str().expect("a word") {
            "host" => CandidateKind::Host,
            "srflx" => CandidateKind::ServerReflexive,
            _ => CandidateKind::Relayed,
        };
        let tcp = match case["tcptype"].as_str().expect("a word") {
            "active" => TcpType::Active,
            "passive" => TcpType::Passive,
            _ => TcpType::SimultaneousOpen,
        };
        assert_eq!(
            tcp_local_preference(kind, tcp, small(case, "other_pref")),
            small(case, "local_pref")
        );
    }
}

// req: P-1
#[test]
fn tcp_candidates_meet_their_opposites() {
    use TcpType::{Active, Passive, SimultaneousOpen};
    let meetings: Vec<_> = [Active, Passive, SimultaneousOpen]
        .iter()
        .flat_map(|&one| [Active, Passive, SimultaneousOpen].map(|other| one.meets(other)))
        .collect();
    assert_eq!(
        meetings,
        [false, true, false, true, false, false, false, false, true]
    );
}

// req: HI-12, D-1, D-6
#[test]
fn every_hostile_candidate_line_gets_its_verdict() {
    let text = include_str!("../../tests/data/hostile-ice.json");
    let cases: Value = serde_json::from_str(text).expect("JSON");
    let mut count = 0;
    for case in cases["cases"].as_array().expect("a list") {
        let name = case["name"].as_str().expect("a name");
        let (true, Some(line)) = (name.starts_with("cand_"), case["text"].as_str()) else {
            continue;
        };
        let verdict = match line.parse::<Candidate>() {
            Ok(candidate) => match candidate.address {
                CandidateAddress::Name { .. } => "drop: ignored candidate".to_string(),
                CandidateAddress::Ip(address) => match judge(address, Loopback::Forbidden) {
                    Ok(()) => "accept".to_string(),
                    Err(_) => "drop: forbidden address".to_string(),
                },
            },
            Err(error) if error.is_ignorable() => "drop: ignored candidate".to_string(),
            Err(error) => alloc::format!("reject: {error:?}"),
        };
        let expected = case["expected"].as_str().expect("a verdict");
        assert!(
            expected.starts_with(&verdict),
            "{name}: {verdict}, expected {expected}"
        );
        count += 1;
    }
    assert_eq!(count, 29);
}

// req: D-1
#[test]
fn lines_of_common_stacks_survive_a_round_trip() {
    for line in [
        "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host",
        "candidate:2 1 udp 1694498815 203.0.113.7 5000 typ srflx raddr 10.0.0.1 rport 4000",
        "candidate:842163049 1 udp 1677729535 203.0.113.7 5000 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag EEtu network-cost 999",
        "candidate:3 1 tcp 1518214911 192.0.2.1 9 typ host tcptype active generation 0",
        "candidate:4 1 udp 2122252543 2001:db8::7 5000 typ host",
        "candidate:5 1 udp 2122252543 0b2f4ac6-5f5b-4f1c-9a8e-2d1a3b4c5d6e.local 5000 typ host",
        "candidate:6 256 udp 1 198.51.100.9 65535 typ relay raddr :: rport 9",
    ] {
        let candidate: Candidate = line.parse().expect(line);
        assert_eq!(candidate.to_string(), line);
        let with_prefix: Candidate = alloc::format!("a={line}").parse().expect(line);
        assert_eq!(with_prefix, candidate);
        assert_eq!(candidate.is_mdns(), line.contains(".local"), "{line}");
    }
    let upper: Candidate = "candidate:1 1 UDP 1 192.0.2.1 5000 typ host"
        .parse()
        .expect("transport words have no case");
    assert_eq!(upper.transport, Transport::Udp);
}

// req: D-1, D-6
#[test]
fn fields_that_the_list_does_not_have_are_checked_too() {
    use CandidateError as E;
    let many = " a b".repeat(33);
    for (line, error) in [
        ("candidate:1 1 udp 1 192.0.2.1 0 typ host", E::BadPort),
        ("candidate:1 1 tcp 1 192.0.2.1 9 typ host", E::BadTcpType),
        (
            "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype both",
            E::BadTcpType,
        ),
        (
            "candidate:1 1 udp 1 192.0.2.1 9 typ srflx raddr 10.0.0.1",
            E::Truncated,
        ),
        ("candidate:1 1 udp 1 192.0.2.1 9 type host", E::BadFormat),
        ("candidate:1 1 udp 1 192.0.2.1 9 typ magic", E::UnknownType),
        (
            "candidate:a_b 1 udp 1 192.0.2.1 9 typ host",
            E::BadFoundation,
        ),
        (
            "candidate:1 1 udp 2147483648 192.0.2.1 9 typ host",
            E::BadPriority,
        ),
        ("candidate:1 1 udp 1 a..b 9 typ host", E::BadAddress),
        (
            "candidate:1 1 udp 1 [2001:db8::1] 9 typ host",
            E::BadAddress,
        ),
        ("candidate:1 1 udp 1 a.0x7f 9 typ host", E::BadAddress),
        ("candidate:1 1 udp 1 192.0.2.1 9 typ host ", E::BadFormat),
        ("offer:1", E::BadFormat),
        ("candi", E::Truncated),
        (
            &alloc::format!("candidate:1 1 udp 1 192.0.2.1 9 typ host{many}"),
            E::TooLong,
        ),
    ] {
        assert_eq!(line.parse::<Candidate>(), Err(error), "{line}");
    }
}

// req: I-2
#[test]
fn addresses_that_cannot_be_candidates_are_told_apart() {
    let verdict = |text: &str, loopback| judge(text.parse().expect("an address"), loopback);
    for (address, reason) in [
        ("0.0.0.0:1", Forbidden::Unspecified),
        ("[::]:1", Forbidden::Unspecified),
        ("127.0.0.1:1", Forbidden::Loopback),
        ("[::1]:1", Forbidden::Loopback),
        ("224.0.0.1:1", Forbidden::Multicast),
        ("[ff02::1]:1", Forbidden::Multicast),
        ("255.255.255.255:1", Forbidden::Broadcast),
        ("[::ffff:192.0.2.1]:1", Forbidden::V4Mapped),
        ("[::192.0.2.1]:1", Forbidden::Deprecated),
        ("[fec0::1]:1", Forbidden::Deprecated),
        ("192.0.2.1:0", Forbidden::PortZero),
    ] {
        assert_eq!(
            verdict(address, Loopback::Forbidden),
            Err(reason),
            "{address}"
        );
    }
    assert_eq!(verdict("127.0.0.1:1", Loopback::Allowed), Ok(()));
    assert_eq!(verdict("[::1]:1", Loopback::Allowed), Ok(()));
    assert_eq!(verdict("[fe80::1]:1", Loopback::Forbidden), Ok(()));
}

// req: I-11
#[test]
fn ipv4_appears_after_a_bounded_number_of_ipv6_addresses() {
    for (four, six) in (0..8_usize).flat_map(|four| (0..8_usize).map(move |six| (four, six))) {
        let addresses: Vec<core::net::IpAddr> = (0..four)
            .map(|last| {
                core::net::Ipv4Addr::new(10, 0, 0, u8::try_from(last).expect("small")).into()
            })
            .chain((0..six).map(|last| {
                core::net::Ipv6Addr::new(
                    0x2600,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    u16::try_from(last).expect("small"),
                )
                .into()
            }))
            .collect();
        let preferences = dual_stack_preferences(&addresses);
        let mut ranked: Vec<usize> = (0..addresses.len()).collect();
        ranked.sort_by_key(|&index| core::cmp::Reverse(preferences[index]));
        let families: Vec<bool> = ranked
            .iter()
            .map(|&index| addresses[index].is_ipv6())
            .collect();
        if six > 0 {
            assert!(families[0], "IPv6 leads");
        }
        if four > 0 {
            let most = (four + six).div_ceil(four);
            let longest = families.split(|&v6| !v6).map(<[bool]>::len).max();
            assert!(longest <= Some(most), "{four} and {six}: {families:?}");
        }
        let distinct: alloc::collections::BTreeSet<_> = preferences.iter().collect();
        assert_eq!(distinct.len(), addresses.len(), "no two are equal");
    }
}

// req: I-5
#[test]
fn foundations_are_short_texts_of_ice_chars() {
    for number in [0, 1, 9, 10, 4_294_967_295] {
        assert_eq!(Foundation::from_number(number).as_str(), number.to_string());
    }
    assert_eq!(
        Foundation::new("a+/9").map(|f| f.to_string()).as_deref(),
        Some("a+/9")
    );
    assert_eq!(Foundation::new(""), None);
    assert_eq!(Foundation::new("a b"), None);
    assert_eq!(Foundation::new(&"a".repeat(33)), None);
}
