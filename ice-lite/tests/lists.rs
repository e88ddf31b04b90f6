//! The rules of check lists: which pairs there are, their order, and when the search ends (RFC 8445 section 6).

extern crate alloc;

mod common;

use common::script::{Script, Sent, address, candidate, requests};
use core::time::Duration;
use ice_lite::{Candidate, CandidateKind, Event, LocalCandidate, PairState, Profile, Role, State};
use stun_proto::attribute::ErrorNumber;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn destinations(sent: &[Sent]) -> Vec<String> {
    let requests = requests(sent);
    requests.iter().map(|sent| sent.to.to_string()).collect()
}

// req: I-22
#[test]
fn of_each_foundation_the_best_pair_waits_and_the_others_are_frozen() {
    let mut script = Script::new(Role::Controlling);
    script.tell_candidate(candidate("1 1 udp 2000 192.0.2.1 1 typ host"));
    script.tell_candidate(candidate("1 1 udp 1000 192.0.2.1 2 typ host"));
    script.tell_candidate(candidate("2 1 udp 1500 192.0.2.1 3 typ host"));
    let states = script.states();
    assert_eq!(
        states,
        [PairState::Waiting, PairState::Waiting, PairState::Frozen]
    );
    let order: Vec<u16> = script
        .pairs()
        .iter()
        .map(|pair| pair.path.remote.port())
        .collect();
    assert_eq!(order, [1, 3, 2], "by priority");
}

// req: I-25
#[test]
fn checks_go_out_one_per_ta_triggered_ones_first_then_by_priority_then_frozen_ones() {
    let mut script = Script::without_rechecks(Role::Controlling);
    for (foundation, priority, port) in [(1, 4000, 1), (2, 3000, 2), (2, 2500, 3), (3, 2000, 4)] {
        let line = format!("{foundation} 1 udp {priority} 192.0.2.1 {port} typ host");
        script.tell_candidate(candidate(&line));
    }
    let first = script.send();
    assert_eq!(destinations(&first), ["192.0.2.1:1"]);
    let check = script.check();
    let answered = script.feed(address("192.0.2.1:4"), &check.bytes());
    assert!(answered.is_consumed());
    let sent = script.run(200 * MILLISECOND);
    let checks = requests(&sent);
    let times: Vec<u64> = checks.iter().map(|sent| sent.at.as_millis()).collect();
    assert_eq!(times, [1050, 1100]);
    assert_eq!(
        destinations(&sent),
        ["192.0.2.1:4", "192.0.2.1:2"],
        "the frozen one waits for the other of its foundation"
    );
    let second = checks[1].clone();
    let error = script.error(&second, ErrorNumber::BAD_REQUEST);
    assert!(script.feed(second.to, &error).is_consumed());
    let sent = script.run(100 * MILLISECOND);
    assert_eq!(
        destinations(&sent),
        ["192.0.2.1:3"],
        "nothing of its foundation is left"
    );
}

// req: I-20
#[test]
fn a_reflexive_candidate_is_checked_from_its_base_once_and_a_relayed_one_by_itself() {
    let mut script = Script::new(Role::Controlling);
    let server = address("198.51.100.1:1").ip();
    let (mapped, relayed) = (address("203.0.113.1:6000"), address("198.51.100.1:50000"));
    let reflexive = LocalCandidate::server_reflexive(mapped, Script::local(), server);
    let relayed = LocalCandidate::relayed(relayed, mapped, server);
    for local in [reflexive, relayed] {
        assert!(script.agent.add_local(script.now, local).is_ok());
    }
    script.tell("192.0.2.1:1");
    let bases: Vec<_> = script.pairs().iter().map(|pair| pair.path.base).collect();
    assert_eq!(bases, [Script::local(), address("198.51.100.1:50000")]);
}

// req: I-20
#[test]
fn families_and_links_do_not_mix() {
    let mut script = Script::new(Role::Controlling);
    for local in ["[fe80::1%7]:4000", "[2001:db8::1]:4000"] {
        let local = local.replace("%7", "");
        let local = LocalCandidate::host(address(&local));
        assert!(script.agent.add_local(script.now, local).is_ok());
    }
    for remote in ["10.0.0.2:1", "[fe80::2]:1", "[2001:db8::2]:1"] {
        script.tell(remote);
    }
    let mut pairs: Vec<String> = script
        .pairs()
        .iter()
        .map(|pair| format!("{} {}", pair.path.base.ip(), pair.path.remote.ip()))
        .collect();
    pairs.sort();
    assert_eq!(
        pairs,
        [
            "10.0.0.1 10.0.0.2",
            "2001:db8::1 2001:db8::2",
            "fe80::1 fe80::2"
        ]
    );
}

// req: I-26
#[test]
fn the_strict_timeout_grows_with_the_list_and_stops_at_three_seconds() {
    let second_send = |count: u16, profile| {
        let mut script = Script::with(
            Role::Controlling,
            |config| {
                config.profile = profile;
                config.limits.remote_per_ip = 64;
                config.limits.unanswered_per_ip = 1000;
            },
            |_| {},
        );
        for port in 1..=count {
            let line = format!("{port} 1 udp {} 192.0.2.1 {port} typ host", 5000 - port);
            script.tell_candidate(candidate(&line));
        }
        let sent = script.run(10 * SECOND);
        let to_first = sent.iter().filter(|sent| sent.to.port() == 1);
        let times: Vec<u64> = to_first.map(|sent| sent.at.as_millis() - 1000).collect();
        times[1]
    };
    assert_eq!(second_send(1, Profile::Strict), 500);
    assert_eq!(
        second_send(4, Profile::Strict),
        800,
        "4 checks, 4 busy, 50 ms"
    );
    assert_eq!(second_send(20, Profile::Strict), 3000);
    assert_eq!(second_send(20, Profile::Interactive), 500);
}

// req: I-28
#[test]
fn neighbours_are_checked_first_and_relays_a_little_later() {
    let mut script = Script::without_rechecks(Role::Controlling);
    script.tell_candidate(candidate("1 1 udp 9 198.51.100.1 50000 typ relay"));
    script.tell_candidate(candidate("2 1 udp 2130706431 192.0.2.1 1 typ host"));
    script.tell_candidate(candidate("3 1 udp 2130706175 10.0.0.2 1 typ host"));
    let sent = script.run(300 * MILLISECOND);
    let all: Vec<_> = requests(&sent)
        .iter()
        .map(|sent| (sent.at.as_millis() - 1000, sent.to.ip().to_string()))
        .collect();
    let expected = [(0, "10.0.0.2"), (50, "192.0.2.1"), (200, "198.51.100.1")];
    assert_eq!(all, expected.map(|(at, ip)| (at, ip.to_string())));
}

// req: I-45, I-64
#[test]
fn failure_is_declared_after_the_patience_and_only_if_both_sides_have_ended() {
    let fails_after = |describe: fn(&mut Script)| {
        let mut script = Script::new(Role::Controlling);
        describe(&mut script);
        let began = script.now;
        while script.agent.state() != State::Failed {
            assert!(script.now.saturating_since(began) < 200 * SECOND);
            script.run(100 * MILLISECOND);
        }
        script.now.saturating_since(began)
    };
    let patience = Duration::from_millis(39_500);
    assert_eq!(
        fails_after(Script::end),
        patience,
        "even without any candidate"
    );
    let told = fails_after(|script| {
        script.tell("10.0.0.2:5000");
        script.end();
    });
    assert_eq!(told, patience);
    // Many peers never tell their end: after as long a silence again it is assumed.
    let late = fails_after(|script| {
        script.run(20 * SECOND);
        script.tell("10.0.0.2:5000");
    });
    assert_eq!(late, patience, "counted from the last candidate");
}

// req: I-45
#[test]
fn a_hint_that_there_is_no_path_yet_comes_earlier_and_once() {
    let mut script = Script::new(Role::Controlling);
    script.tell("10.0.0.2:5000");
    script.run(Duration::from_millis(9_999));
    assert!(!script.events().contains(&Event::StillTrying));
    script.run(20 * SECOND);
    let hints = script.events();
    assert_eq!(
        hints
            .iter()
            .filter(|&event| *event == Event::StillTrying)
            .count(),
        1
    );
    assert_eq!(script.agent.state(), State::Checking);
}

// req: I-21, HI-6
#[test]
fn learned_candidates_are_bounded_and_make_room_for_newer_ones_but_proven_ones_stay() {
    let mut script = Script::new(Role::Controlled);
    script.connect();
    for port in 1..=1000 {
        let check = script.check();
        let _ = script.feed(
            address(&format!("192.0.2.1:{}", 10_000 + port)),
            &check.bytes(),
        );
        script.run(25 * MILLISECOND);
    }
    let (_, remotes) = script.agent.candidate_counts();
    assert!(remotes <= 64 + 32, "{remotes}");
    assert!(script.pairs().len() <= 100);
    let selected = script.pair_to("10.0.0.2:5000");
    assert!(selected.is_selected && selected.is_valid);
}

// req: I-21
#[test]
fn the_lowest_pairs_make_room_and_sixty_four_candidates_of_a_side_are_the_most() {
    let mut script = Script::with(
        Role::Controlling,
        |config| config.limits.remote_per_ip = 64,
        |_| {},
    );
    for port in 4001..4004 {
        let local = LocalCandidate::host(address(&format!("10.0.0.1:{port}")));
        assert!(script.agent.add_local(script.now, local).is_ok());
    }
    let mut refused = 0;
    for port in 1..=100_u16 {
        let mut remote = Candidate::new(CandidateKind::Host, address(&format!("192.0.2.1:{port}")));
        remote.priority = u32::from(port);
        refused += u32::from(script.agent.add_remote(script.now, remote).is_err());
    }
    assert_eq!(refused, 36);
    assert_eq!(script.agent.stats().candidates_refused, 36);
    let pairs = script.pairs();
    assert_eq!(pairs.len(), 100);
    assert!(
        pairs.iter().all(|pair| pair.path.remote.port() >= 39),
        "the lowest went"
    );
}
