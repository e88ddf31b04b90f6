//! The recorded hostile inputs for ICE, and floods: checks, candidates, restarts, role conflicts.
//!
//! Candidate lines and credentials of the same file are tested beside their parsers.

extern crate alloc;

mod common;

use common::script::{Script, Sent, address, requests};
use core::time::Duration;
use ice_lite::{
    Candidate, CandidateAddress, CandidateKind, Description, DropReason, Event, Role, SendError,
    State,
};
use proto_core::Handled;
use stun_proto::attribute::AttributeType;
use stun_proto::{Class, Key, Message, MessageWriter, Method};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
/// The password of the recorded messages, which has characters that ICE forbids.
const RECORDED_PASSWORD: &str = "local-password-of-24-chr";

fn cases() -> Vec<serde_json::Value> {
    let text = include_str!("data/hostile-ice.json");
    let file: serde_json::Value = serde_json::from_str(text).expect("json");
    file["cases"].as_array().expect("a list").clone()
}

/// The bytes of a recorded check, signed anew with the password of the agent if they were signed rightly.
fn recorded(name: &str, password: &str) -> Vec<u8> {
    let cases = cases();
    let case = cases.iter().find(|case| case["name"] == name);
    let case = case.unwrap_or_else(|| panic!("no case {name}"));
    let bytes = testkit::unhex(case["hex"].as_str().expect("text"));
    let message = Message::parse(&bytes).expect("well formed");
    let right = message.verify(&Key::short_term(RECORDED_PASSWORD)).is_ok();
    let id = message.transaction_id();
    let mut buffer = [0; 600];
    let mut writer = MessageWriter::new(&mut buffer, Class::Request, Method::BINDING, id);
    let mut rest = &bytes[20..];
    let mut signed = false;
    let mut marked = false;
    while let [k1, k0, l1, l0, tail @ ..] = rest {
        let kind = u16::from_be_bytes([*k1, *k0]);
        let length = usize::from(u16::from_be_bytes([*l1, *l0]));
        match kind {
            0x0008 => signed = true,
            0x8028 => marked = true,
            _ => writer = writer.raw(AttributeType::new(kind), &tail[..length]),
        }
        rest = &tail[length.next_multiple_of(4)..];
    }
    let key = Key::short_term(if right { password } else { "wrong" });
    let built = match (signed, marked) {
        (true, true) => writer.integrity(&key).fingerprint().finish(),
        (true, false) => writer.integrity(&key).finish(),
        (false, _) => writer.fingerprint().finish(),
    };
    built.expect("it fits").to_vec()
}

/// The fixture of the file: a full agent, controlled, tie-breaker 5, one host candidate.
fn fixture() -> Script {
    let password = "localpasswordof24chars00";
    let ours = ice_lite::Credentials::new("LfragA", password).expect("good");
    let mut script = Script::with(
        Role::Controlled,
        |config| {
            config.credentials = Some(ours);
            config.tie_breaker = Some(5);
        },
        |description| {
            let password = "remotepasswordof24chars0";
            description.credentials = ice_lite::Credentials::new("RfragB", password).expect("good");
        },
    );
    let password = "remotepasswordof24chars0";
    script.theirs = ice_lite::Credentials::new("RfragB", password).expect("good");
    script
}

/// What a recorded check leads to: the verdict, the answer, the pairs.
fn outcome(name: &str) -> (Handled<DropReason>, Option<Sent>, usize) {
    let mut script = fixture();
    let bytes = recorded(name, script.agent.credentials().password());
    let handled = script.feed(Script::peer(), &bytes);
    let mut sent = script.send();
    let answer = sent.iter().position(|sent| !sent.is(Class::Request));
    let answer = answer.map(|index| sent.swap_remove(index));
    (handled, answer, script.pairs().len())
}

// req: HI-1
#[test]
fn every_recorded_check_gets_the_recorded_answer_and_a_good_one_works_after_it() {
    let mut count = 0;
    for case in cases() {
        let name = case["name"].as_str().expect("text");
        if case["hex"].is_null() {
            continue;
        }
        count += 1;
        let expected = case["expected"].as_str().expect("text");
        let (handled, answer, pairs) = outcome(name);
        let error = answer.as_ref().and_then(Sent::error);
        let success = answer
            .as_ref()
            .is_some_and(|answer| answer.is(Class::Success));
        match expected {
            "respond: 401 or drop" => assert_eq!((error, pairs), (Some(401), 0), "{name}"),
            "respond: 400 or drop" | "respond: 400" => {
                assert_eq!((error, pairs), (Some(400), 0), "{name}");
            }
            "drop: MissingFingerprint" => {
                assert_eq!(handled, Handled::Dropped(DropReason::MissingFingerprint));
                assert!(answer.is_none());
            }
            _ => match name {
                "control_check"
                | "check_priority_zero"
                | "check_priority_max"
                | "check_replayed" => {
                    assert!(success && pairs == 1, "{name}: {handled:?}");
                }
                "check_unknown_remote_fragment" => assert_eq!((error, pairs), (Some(401), 0)),
                "check_role_conflict_lower_tie" => assert_eq!((error, pairs), (Some(487), 0)),
                other => panic!("{other} has no rule: {expected}"),
            },
        }
        if let Some(answer) = answer {
            let request = recorded(name, "localpasswordof24chars00");
            assert!(answer.bytes.len() <= request.len(), "{name} is amplified");
        }
        let mut script = fixture();
        let password = script.agent.credentials().password().to_owned();
        let _ = script.feed(Script::peer(), &recorded(name, &password));
        script.run(SECOND);
        let control = script.check();
        let answer = script.ask(Script::peer(), &control);
        assert!(
            answer.is_some_and(|answer| answer.is(Class::Success)),
            "{name}"
        );
    }
    assert_eq!(count, 16);
}

// check_valid_from_1000_addresses
// req: HI-6
#[test]
fn a_rogue_peer_at_a_thousand_addresses_fills_no_more_than_its_share() {
    let mut script = fixture();
    for number in 0..1000_u16 {
        let [high, low] = number.to_be_bytes();
        let from = address(&format!("198.18.{high}.{low}:5000"));
        let check = script.check();
        let _ = script.feed(from, &check.bytes());
        script.run(21 * MILLISECOND);
    }
    let (_, remotes) = script.agent.candidate_counts();
    assert!(remotes <= 32, "{remotes}");
    assert!(script.pairs().len() <= 32);
}

// success_mapped_address_is_multicast
// req: HI-3
#[test]
fn an_answer_that_names_an_impossible_address_is_dropped() {
    for bad in [
        "224.0.0.1:5000",
        "10.0.0.1:0",
        "0.0.0.0:5000",
        "255.255.255.255:1",
    ] {
        let mut script = fixture();
        script.tell("10.0.0.2:5000");
        let check = script.send().remove(0);
        let answer = script.success(&check, address(bad));
        let refused = script.feed(Script::peer(), &answer);
        assert_eq!(refused, Handled::Dropped(DropReason::BadAddress), "{bad}");
        assert!(!script.pairs()[0].is_valid);
        let good = script.success(&check, Script::local());
        assert!(script.feed(Script::peer(), &good).is_consumed());
    }
}

// consent_revoked_traffic
// req: HI-9
#[test]
fn an_application_that_keeps_sending_to_a_peer_that_vanished_sends_nothing_after_thirty_seconds() {
    let mut script = fixture();
    script.connect();
    let began = script.now;
    let mut after = 0;
    for _ in 0..1200 {
        script.run(50 * MILLISECOND);
        let sent = script.agent.send(script.now, 0..1000);
        if script.now.saturating_since(began) > 31 * SECOND {
            assert_eq!(sent.err(), Some(SendError::NoPath));
            after += 1;
        }
    }
    assert!(after > 500);
}

/// Checks that the agent sends within `time` when nobody answers.
fn unanswered(script: &mut Script, time: Duration) -> Vec<Sent> {
    let sent = script.run(time);
    sent.into_iter()
        .filter(|sent| sent.is(Class::Request))
        .collect()
}

// checks_towards_victim
// req: HI-7, I-21, S-82, A-9
#[test]
fn a_description_that_names_one_victim_a_hundred_times_hardly_hits_it() {
    let mut script = Script::with(
        Role::Controlling,
        |_| {},
        |description: &mut Description| {
            description.candidates = (1..=100)
                .map(|port| {
                    let address = address(&format!("203.0.113.66:{port}"));
                    let mut candidate = Candidate::new(CandidateKind::Host, address);
                    candidate.priority = u32::from(address.port());
                    candidate
                })
                .collect();
        },
    );
    assert_eq!(script.agent.candidate_counts().1, 5);
    let sent = unanswered(&mut script, 120 * SECOND);
    let transactions: alloc::collections::BTreeSet<_> =
        sent.iter().map(|sent| *sent.id().as_bytes()).collect();
    assert!(transactions.len() <= 20, "{}", transactions.len());
    assert!(sent.len() <= 20 * 7, "{}", sent.len());
    let copies = |id: &[u8; 12]| {
        sent.iter()
            .filter(|sent| sent.id().as_bytes() == id)
            .count()
    };
    assert!(transactions.iter().all(|id| copies(id) <= 7));
}

// req: S-82
#[test]
fn many_victims_get_no_more_than_the_budget_in_any_second() {
    let mut script = Script::with(
        Role::Controlling,
        |config| {
            config.timing.pace = 5 * MILLISECOND;
            config.timing.retransmission = 10 * MILLISECOND;
        },
        |_| {},
    );
    for number in 0..64_u8 {
        let mut victim = Candidate::new(
            CandidateKind::Host,
            address(&format!("203.0.113.{number}:9")),
        );
        victim.priority = u32::from(number) + 1;
        victim.foundation = ice_lite::Foundation::new(&number.to_string()).expect("good");
        script.tell_candidate(victim);
    }
    let sent = unanswered(&mut script, 10 * SECOND);
    for first in &sent {
        let second: Vec<&Sent> = sent
            .iter()
            .filter(|sent| sent.at >= first.at && sent.at < first.at + SECOND)
            .collect();
        // The bucket holds a second's worth, so twice the rate may fall into the first.
        assert!(
            second.len() <= 400,
            "{} datagrams in a second",
            second.len()
        );
        let bytes: usize = second.iter().map(|sent| sent.bytes.len()).sum();
        assert!(bytes <= 131_072, "{bytes} bytes in a second");
    }
}

// req: A-9
#[test]
fn broadcast_and_what_the_filter_refuses_are_no_candidates() {
    let mut script = Script::with(
        Role::Controlling,
        |config| config.remote_filter = Some(|ip| !ip.to_string().starts_with("10.")),
        |_| {},
    );
    for bad in [
        "255.255.255.255:1",
        "224.0.0.1:1",
        "0.0.0.0:1",
        "127.0.0.1:1",
        "10.0.0.2:1",
    ] {
        let candidate = Candidate::new(CandidateKind::Host, address(bad));
        assert!(
            script.agent.add_remote(script.now, candidate).is_err(),
            "{bad}"
        );
    }
    assert_eq!(script.agent.stats().candidates_refused, 5);
    assert_eq!(script.pairs().len(), 0);
}

// candidates_10000
// req: HI-6, I-21
#[test]
fn ten_thousand_candidates_are_cut_to_sixty_four() {
    let mut script = fixture();
    for number in 0..10_000_u16 {
        let [high, low] = number.to_be_bytes();
        let candidate = Candidate::new(
            CandidateKind::Host,
            address(&format!("198.18.{high}.{low}:9")),
        );
        let _ = script.agent.add_remote(script.now, candidate);
    }
    assert_eq!(script.agent.candidate_counts().1, 64);
    assert_eq!(script.agent.stats().candidates_refused, 10_000 - 64);
    assert!(script.pairs().len() <= 100);
    // An honest check still gets through.
    let check = script.check();
    assert!(script.ask(Script::peer(), &check).is_some());
    script.run_answered(SECOND, |sent| {
        (sent.to == Script::peer()).then_some(sent.source)
    });
    assert!(script.pair_to("10.0.0.2:5000").is_valid);
}

// req: HI-6
#[test]
fn a_flood_of_names_asks_for_eight_and_holds_no_more() {
    let mut script = fixture();
    for number in 0..10_000 {
        let mut candidate = Candidate::new(CandidateKind::Host, Script::peer());
        candidate.address = CandidateAddress::Name {
            name: format!("host-{number}.local").into(),
            port: 9,
        };
        let _ = script.agent.add_remote(script.now, candidate);
    }
    let events = script.events();
    let asked = events
        .iter()
        .filter(|event| matches!(event, Event::Resolve(_)));
    assert_eq!(asked.count(), 8);
}

// req: A-10, I-42
#[test]
fn answers_are_limited_for_each_source_and_in_all_while_the_peer_goes_on() {
    let mut script = fixture();
    script.connect();
    let flood = |script: &mut Script, wrong: bool| {
        let mut answers = 0;
        for number in 0..2000_u32 {
            let mut check = script.check();
            if wrong {
                check.password = "anotherpasswordof24chars".into();
            }
            let _ = script.feed(address("203.0.113.5:5"), &check.bytes());
            if number % 2 == 0 {
                script.now = script.now + MILLISECOND;
            }
            answers += script
                .send()
                .iter()
                .filter(|sent| !sent.is(Class::Request))
                .count();
        }
        answers
    };
    // One second, one source that is not proven: five, and five that the bucket held.
    assert!(flood(&mut script, false) <= 10);
    assert!(flood(&mut script, true) <= 10);
    let check = script.check();
    let answer = script
        .ask(Script::peer(), &check)
        .expect("the honest one is answered");
    assert!(answer.is(Class::Success));
    assert_eq!(script.agent.state(), State::Completed);
}

// req: HI-2
#[test]
fn a_flood_of_role_conflicts_turns_the_role_a_few_times_at_most() {
    let mut script = fixture();
    let mut turns = 0;
    for number in 0..500 {
        let before = script.agent.role();
        let mut check = script.check();
        check.role = Some(before);
        check.tie_breaker = if before == Role::Controlling {
            u64::MAX
        } else {
            0
        };
        let _ = script.feed(Script::peer(), &check.bytes());
        script.run(20 * MILLISECOND);
        turns += u32::from(script.agent.role() != before);
        assert!(turns <= 3, "after {number} checks");
    }
    assert!(script.pairs().len() <= 1);
}

// req: HI-8
#[test]
fn nothing_but_a_nomination_moves_the_traffic() {
    let mut script = fixture();
    script.connect();
    let other = address("10.0.0.3:5000");
    // Trickle, checks, answers and data from another address of the peer.
    script.tell("10.0.0.3:5000");
    let check = script.check();
    assert!(script.ask(other, &check).is_some());
    script.run_answered(2 * SECOND, |sent| Some(sent.source));
    let _ = script.feed(other, b"data");
    let transmit = script.agent.send(script.now, 0..1).expect("a path");
    assert_eq!(transmit.destination, Script::peer());
    let mut check = script.check();
    check.nominates = true;
    assert!(script.ask(other, &check).is_some());
    let transmit = script.agent.send(script.now, 0..1).expect("a path");
    assert_eq!(transmit.destination, other);
}

// req: HI-13
#[test]
fn what_is_printed_of_an_agent_has_no_addresses_and_no_secrets() {
    let mut script = fixture();
    script.connect();
    let text = format!("{:?} {:?}", script.agent, script.agent.credentials());
    assert!(
        !text.contains("10.0.0") && !text.contains("password"),
        "{text}"
    );
    assert!(!requests(&script.run_answered(7 * SECOND, |sent| Some(sent.source))).is_empty());
}
