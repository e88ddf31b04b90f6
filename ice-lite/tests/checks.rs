//! The rules of connectivity checks, one test each (RFC 8445 sections 6 and 7).

extern crate alloc;

mod common;

use common::script::{Script, Sent, address, candidate, requests};
use core::time::Duration;
use ice_lite::{
    CandidateKind, Config, DropReason, Event, LocalCandidate, PairState, Profile, Role,
    RoleAttribute, priority,
};
use proto_core::Handled;
use stun_proto::attribute::{
    ErrorNumber, IceControlled, IceControlling, Priority, Username, XorMappedAddress,
};
use stun_proto::{Class, Key};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn dropped(reason: DropReason) -> Handled<DropReason> {
    Handled::Dropped(reason)
}

// req: I-10, I-30
#[test]
fn a_check_names_both_fragments_its_role_and_the_priority_of_a_reflexive_candidate() {
    for role in [Role::Controlling, Role::Controlled] {
        let mut script = Script::new(role);
        script.tell("10.0.0.2:5000");
        let sent = script.send();
        assert_eq!(sent.len(), 1);
        assert_eq!(
            (sent[0].source, sent[0].to),
            (Script::local(), Script::peer())
        );
        let message = sent[0].message();
        let username = message.get::<Username<'_>>().expect("good").expect("there");
        let ours = script.agent.credentials().ufrag();
        assert_eq!(username.as_str(), format!("peer:{ours}"));
        let expected = priority(CandidateKind::PeerReflexive.preference(), 65_535, 1);
        assert_eq!(message.get::<Priority>(), Ok(Some(Priority(expected))));
        let (controlling, controlled) = match role {
            Role::Controlling => (Some(IceControlling(100)), None),
            Role::Controlled => (None, Some(IceControlled(100))),
        };
        assert_eq!(message.get::<IceControlling>(), Ok(controlling));
        assert_eq!(message.get::<IceControlled>(), Ok(controlled));
        assert!(!sent[0].nominates(), "regular nomination checks first");
        let key = Key::short_term(script.theirs.password());
        assert!(
            message.verify(&key).is_ok(),
            "signed with the peer's password"
        );
    }
}

// req: I-15
#[test]
fn of_two_in_one_role_the_larger_tie_breaker_controls() {
    // Ours is 100. Role of both, theirs, whether we give way.
    let cases = [
        (Role::Controlling, 99, false),
        (Role::Controlling, 100, false),
        (Role::Controlling, 101, true),
        (Role::Controlled, 99, true),
        (Role::Controlled, 100, true),
        (Role::Controlled, 101, false),
    ];
    for (role, theirs, gives_way) in cases {
        let mut script = Script::new(role);
        let mut check = script.check();
        check.role = Some(role);
        check.tie_breaker = theirs;
        let answer = script.ask(Script::peer(), &check).expect("an answer");
        if gives_way {
            assert!(answer.is(Class::Success), "{role:?} {theirs}");
            assert_eq!(script.agent.role(), role.opposite());
            assert!(
                script
                    .events()
                    .contains(&Event::RoleChanged(role.opposite()))
            );
        } else {
            assert_eq!(answer.error(), Some(487), "{role:?} {theirs}");
            assert_eq!(script.agent.role(), role);
            let key = Key::short_term(&check.password);
            assert!(
                answer.message().verify(&key).is_ok(),
                "the peer must believe it"
            );
            assert_eq!(script.pairs().len(), 0, "the check has no other effect");
        }
    }
}

// req: I-15, I-41
#[test]
fn a_check_with_both_roles_or_without_priority_or_role_is_a_bad_request() {
    let bad = |change: fn(&mut common::script::Check)| {
        let mut script = Script::new(Role::Controlled);
        let mut check = script.check();
        change(&mut check);
        let answer = script.ask(Script::peer(), &check).expect("an answer");
        (answer.error(), script.pairs().len())
    };
    assert_eq!(bad(|_| {}), (None, 1));
    assert_eq!(bad(|check| check.priority = None), (Some(400), 0));
    assert_eq!(bad(|check| check.role = None), (Some(400), 0));
    let both = |check: &mut common::script::Check| check.extra = Some((0x8029, vec![9; 8]));
    assert_eq!(bad(both), (Some(400), 0));
}

// req: I-15
#[test]
fn a_peer_older_than_roles_is_tolerated_if_that_is_on() {
    let mut script = Script::with(
        Role::Controlled,
        |config| config.role_attribute = RoleAttribute::Optional,
        |_| {},
    );
    let mut check = script.check();
    check.role = None;
    let answer = script.ask(Script::peer(), &check).expect("an answer");
    assert!(answer.is(Class::Success));
    assert_eq!(script.pairs().len(), 1);
}

// req: I-16, I-18
#[test]
fn a_role_conflict_turns_the_role_and_the_same_pair_is_checked_again() {
    let mut script = Script::new(Role::Controlling);
    script.tell("10.0.0.2:5000");
    let first = script.send().remove(0);
    let conflict = script.error(&first, ErrorNumber::ROLE_CONFLICT);
    let mut forged = conflict.clone();
    forged[40] ^= 1;
    let refused = script.feed(Script::peer(), &forged);
    assert!(matches!(refused, Handled::Dropped(_)), "{refused:?}");
    assert_eq!(script.agent.role(), Role::Controlling);

    assert!(script.feed(Script::peer(), &conflict).is_consumed());
    assert_eq!(script.agent.role(), Role::Controlled);
    assert_eq!(script.pair_to("10.0.0.2:5000").state, PairState::Waiting);
    let sent = script.run(60 * MILLISECOND);
    let again = requests(&sent)[0];
    assert_ne!(again.id(), first.id(), "a new transaction");
    let message = again.message();
    assert_eq!(message.get::<IceControlled>(), Ok(Some(IceControlled(100))));
}

// req: I-16
#[test]
fn a_role_conflict_of_a_check_from_before_the_switch_changes_nothing() {
    let mut script = Script::without_rechecks(Role::Controlling);
    script.tell("10.0.0.2:5000");
    script.tell("10.0.0.3:5000");
    let sent = script.run(60 * MILLISECOND);
    let checks = requests(&sent);
    assert_eq!(checks.len(), 1, "both pairs have one foundation");
    let conflict = script.error(checks[0], ErrorNumber::ROLE_CONFLICT);
    // The peer's own check turns our role first.
    let mut check = script.check();
    check.role = Some(Role::Controlling);
    check.tie_breaker = 101;
    assert!(script.ask(address("10.0.0.9:1"), &check).is_some());
    assert_eq!(script.agent.role(), Role::Controlled);
    let _ = script.feed(Script::peer(), &conflict);
    assert_eq!(script.agent.role(), Role::Controlled, "it is stale");
}

// req: HI-2
#[test]
fn endless_role_conflicts_end() {
    let mut script = Script::new(Role::Controlling);
    script.tell("10.0.0.2:5000");
    let mut switches = 0;
    for _ in 0..50 {
        let sent = script.run(100 * MILLISECOND);
        for check in requests(&sent) {
            let conflict = script.error(check, ErrorNumber::ROLE_CONFLICT);
            let before = script.agent.role();
            let _ = script.feed(Script::peer(), &conflict);
            switches += u32::from(script.agent.role() != before);
        }
    }
    assert_eq!(switches, 3);
    assert_eq!(script.states(), [PairState::Failed]);
}

// req: I-42
#[test]
fn an_answer_tells_the_source_and_is_signed_with_our_password() {
    let mut script = Script::new(Role::Controlled);
    let from = address("203.0.113.77:7777");
    let check = script.check();
    let answer = script.ask(from, &check).expect("an answer");
    assert_eq!((answer.source, answer.to), (Script::local(), from));
    let message = answer.message();
    assert_eq!(
        message.get::<XorMappedAddress>(),
        Ok(Some(XorMappedAddress(from)))
    );
    assert!(message.verify(&Key::short_term(&check.password)).is_ok());
    assert!(
        answer.bytes.len() <= check.bytes().len(),
        "no amplification"
    );
}

// req: I-40, HI-1
#[test]
fn a_check_with_a_wrong_name_or_password_changes_nothing() {
    let mut script = Script::new(Role::Controlled);
    let good = script.check();
    let mut wrong_password = good.clone();
    wrong_password.password = "another-password-of-24-ch".into();
    let mut wrong_name = good.clone();
    wrong_name.username = "other:peer".into();
    let mut wrong_sender = good.clone();
    wrong_sender.username = good.username.replace(":peer", ":else");
    for check in [wrong_password, wrong_name, wrong_sender] {
        let answer = script.ask(Script::peer(), &check).expect("an answer");
        assert_eq!(answer.error(), Some(401));
        assert!(!answer.message().has_integrity());
        assert_eq!(script.pairs().len(), 0);
        assert_eq!(script.agent.candidate_counts(), (1, 0));
    }
    let stats = script.agent.stats();
    assert_eq!(stats.dropped(DropReason::BadIntegrity), 1);
    assert_eq!(stats.dropped(DropReason::WrongUsername), 2);
}

// req: I-31
#[test]
fn what_must_be_understood_and_is_not_is_refused_and_named() {
    let mut script = Script::new(Role::Controlled);
    let mut check = script.check();
    check.extra = Some((0x7f01, vec![1, 2, 3, 4]));
    let answer = script.ask(Script::peer(), &check).expect("an answer");
    assert_eq!(answer.error(), Some(420));
    assert_eq!(script.pairs().len(), 0);
    let mut check = script.check();
    check.extra = Some((0xc057, vec![0, 0, 0, 10]));
    let answer = script.ask(Script::peer(), &check).expect("an answer");
    assert!(answer.is(Class::Success), "the rest may be passed over");
}

// req: I-43
#[test]
fn an_unknown_source_becomes_a_candidate_and_signalling_adopts_it_undisturbed() {
    let mut script = Script::new(Role::Controlled);
    let from = address("203.0.113.7:7000");
    let check = script.check();
    assert!(script.ask(from, &check).is_some());
    let pair = script.pair_to("203.0.113.7:7000");
    assert_eq!(pair.path.remote_kind, CandidateKind::PeerReflexive);
    script.run_answered(SECOND, |sent| Some(sent.source));
    let before = script.pair_to("203.0.113.7:7000");
    assert_eq!(before.state, PairState::Succeeded);

    script.tell_candidate(candidate("5 1 udp 1694498815 203.0.113.7 7000 typ srflx"));
    let after = script.pair_to("203.0.113.7:7000");
    assert_eq!(after.path.remote_kind, CandidateKind::ServerReflexive);
    assert_eq!(
        (after.key, after.state, after.is_valid),
        (before.key, before.state, true)
    );
    assert_ne!(after.priority, before.priority, "its own words count now");
    assert_eq!(script.pairs().len(), 1);
    assert_eq!(script.agent.candidate_counts().1, 1);
}

// req: I-44, HI-5
#[test]
fn a_check_of_the_peer_triggers_one_of_ours_whatever_the_state_of_the_pair() {
    let mut script = Script::new(Role::Controlled);
    // None: made and checked at once.
    let check = script.check();
    assert!(script.feed(Script::peer(), &check.bytes()).is_consumed());
    assert_eq!(script.states(), [PairState::Waiting]);
    let sent = script.send();
    assert_eq!(requests(&sent).len(), 1);
    // In progress: the old check is sent no more, and its answer still counts.
    let old = requests(&sent)[0].clone();
    let check = script.check();
    assert!(script.feed(Script::peer(), &check.bytes()).is_consumed());
    let sent = script.run(700 * MILLISECOND);
    let new: Vec<_> = requests(&sent).iter().map(|sent| sent.id()).collect();
    assert!(!new.is_empty() && !new.contains(&old.id()), "{new:?}");
    let answer = script.success(&old, Script::local());
    assert!(script.feed(Script::peer(), &answer).is_consumed());
    assert_eq!(script.states(), [PairState::Succeeded]);
    // Succeeded: nothing.
    let check = script.check();
    assert!(script.feed(Script::peer(), &check.bytes()).is_consumed());
    assert_eq!(requests(&script.run(200 * MILLISECOND)).len(), 0);
}

// req: I-44
#[test]
fn a_failed_pair_is_checked_again_when_the_peer_checks_it() {
    let mut script = Script::new(Role::Controlled);
    script.tell("10.0.0.2:5000");
    let sent = script.send();
    let error = script.error(&sent[0], ErrorNumber::BAD_REQUEST);
    assert!(script.feed(Script::peer(), &error).is_consumed());
    assert_eq!(script.states(), [PairState::Failed]);
    let check = script.check();
    assert!(script.ask(Script::peer(), &check).is_some());
    script.run_answered(100 * MILLISECOND, |sent| Some(sent.source));
    assert_eq!(script.states(), [PairState::Succeeded]);
}

// req: HI-5
#[test]
fn replays_of_a_check_do_not_multiply_ours() {
    let mut script = Script::new(Role::Controlled);
    let bytes = script.check().bytes();
    let mut sent = Vec::new();
    for _ in 0..10_000 {
        let _ = script.feed(Script::peer(), &bytes);
        sent.extend(script.send());
    }
    assert_eq!(
        requests(&sent).len(),
        1,
        "one pair, one check, one slot of the pacer"
    );
    assert!(sent.len() <= 1 + 16, "answers are limited: {}", sent.len());
    assert_eq!(script.pairs().len(), 1);
}

// req: I-60, HI-3
#[test]
fn an_answer_must_mirror_the_check_and_be_signed_by_the_peer() {
    let begin = || {
        // The default is more lenient with addresses, see tests/asymmetric.rs, and with nothing else.
        let strict = |config: &mut Config| config.profile = Profile::Strict;
        let mut script = Script::with(Role::Controlling, strict, |_| {});
        script.tell("10.0.0.2:5000");
        let check = script.send().remove(0);
        let answer = script.success(&check, Script::local());
        (script, answer)
    };
    let (mut script, answer) = begin();
    let elsewhere = address("10.0.0.3:5000");
    assert_eq!(
        script.feed(elsewhere, &answer),
        dropped(DropReason::WrongAddress)
    );
    assert_eq!(script.states(), [PairState::Failed], "it is not symmetric");

    let (mut script, answer) = begin();
    let other = LocalCandidate::host(address("10.0.0.1:4001"));
    assert!(script.agent.add_local(script.now, other).is_ok());
    let (now, to) = (script.now, address("10.0.0.1:4001"));
    let verdict = script
        .agent
        .handle_datagram(now, to, Script::peer(), &answer);
    assert_eq!(verdict, dropped(DropReason::WrongAddress));
    assert_eq!(script.pair_to("10.0.0.2:5000").state, PairState::Failed);

    let (mut script, answer) = begin();
    script.theirs =
        ice_lite::Credentials::new("peer", "another-".repeat(3).replace('-', "x").as_str())
            .expect("good");
    let forged = {
        let check = script.run(501 * MILLISECOND).remove(0);
        script.success(&check, Script::local())
    };
    assert_eq!(
        script.feed(Script::peer(), &forged),
        dropped(DropReason::BadIntegrity)
    );
    assert_eq!(script.states(), [PairState::InProgress]);
    assert!(script.feed(Script::peer(), &answer).is_consumed());
    let again = script.feed(Script::peer(), &answer);
    assert_eq!(
        again,
        dropped(DropReason::UnknownTransaction),
        "answered once"
    );
}

// req: I-61
#[test]
fn a_mapped_address_that_is_new_is_a_local_candidate_with_the_priority_that_was_sent() {
    let mut script = Script::new(Role::Controlling);
    script.tell("192.0.2.1:1");
    let seen = address("203.0.113.1:6000");
    script.run_answered(60 * MILLISECOND, |_| Some(seen));
    let pair = script.pair_to("192.0.2.1:1");
    assert_eq!(
        (pair.path.local_kind, pair.path.local_address),
        (CandidateKind::PeerReflexive, seen)
    );
    assert_eq!(pair.path.base, Script::local());
    assert_eq!(script.agent.candidate_counts().0, 2);
    assert_eq!(
        script.agent.description().candidates.len(),
        1,
        "the peer knows it already"
    );
}

// req: I-61
#[test]
fn success_thaws_the_pairs_of_its_foundation() {
    let mut script = Script::new(Role::Controlled);
    script.tell_candidate(candidate("1 1 udp 2000 192.0.2.1 1 typ host"));
    script.tell_candidate(candidate("1 1 udp 1000 192.0.2.1 2 typ host"));
    assert_eq!(script.states(), [PairState::Waiting, PairState::Frozen]);
    let check = script.send().remove(0);
    let answer = script.success(&check, Script::local());
    assert!(script.feed(check.to, &answer).is_consumed());
    assert_eq!(script.states(), [PairState::Succeeded, PairState::Waiting]);
}

// req: I-63
#[test]
fn an_error_or_silence_fails_the_pair_and_a_forged_error_does_not() {
    let mut script = Script::new(Role::Controlling);
    script.tell("10.0.0.2:5000");
    let check = script.send().remove(0);
    let error = script.error(&check, ErrorNumber::BAD_REQUEST);
    let mut forged = error.clone();
    let signature = forged.len() - 20;
    forged[signature] ^= 1;
    let _ = script.feed(Script::peer(), &forged);
    assert_eq!(script.states(), [PairState::InProgress]);
    assert!(script.feed(Script::peer(), &error).is_consumed());
    assert_eq!(script.states(), [PairState::Failed]);

    let mut script = Script::without_rechecks(Role::Controlling);
    script.tell("10.0.0.2:5000");
    let sent = script.run(Duration::from_millis(15_999));
    let times: Vec<u64> = sent.iter().map(|sent| sent.at.as_millis() - 1000).collect();
    assert_eq!(times, [0, 500, 1000, 2000, 4000, 8000]);
    assert_eq!(script.states(), [PairState::InProgress]);
    let ids: Vec<_> = sent.iter().map(Sent::id).collect();
    assert!(
        ids.iter().all(|&id| id == ids[0]),
        "copies are one transaction"
    );
    script.run(2 * MILLISECOND);
    assert_ne!(script.pairs()[0].state, PairState::Succeeded);
}

// req: I-40
#[test]
fn checks_before_the_peers_description_are_answered_and_remembered_up_to_sixteen() {
    let mut script = Script::new(Role::Controlled);
    let restarted = script.agent.restart(script.now).expect("the first restart");
    let fresh = ice_lite::Credentials::new("new1", "newpasswordoftwentyfourch").expect("good");
    for port in 1..=20 {
        let mut check = script.check();
        check.username = format!("{}:new1", restarted.credentials.ufrag());
        check.password = restarted.credentials.password().into();
        let from = address(&format!("10.0.0.{port}:5000"));
        let answer = script.ask(from, &check).expect("an answer");
        assert!(answer.is(Class::Success));
        assert_eq!(script.pairs().len(), 0);
    }
    let changed = script.agent.set_remote_credentials(script.now, fresh);
    assert!(changed.is_ok());
    assert_eq!(script.pairs().len(), 16);
    assert!(
        script
            .states()
            .iter()
            .all(|&state| state == PairState::Waiting)
    );
}

// req: I-31
#[test]
fn attributes_of_the_caller_ride_on_every_check_and_those_of_the_peer_are_told_when_they_change() {
    let mut script = Script::with(
        Role::Controlled,
        |config| {
            config.watched_attribute = Some(0xc057);
            config.limits.rechecks = 0;
        },
        |_| {},
    );
    let cost: &[u8] = &[0, 1, 0, 10];
    assert_eq!(script.agent.set_attributes(&[(0xc057, cost)]), Ok(()));
    for (kind, length) in [
        (0x0025, 0),
        (0x8028, 4),
        (0x802a, 8),
        (0xc001, 4),
        (0xc057, 300),
    ] {
        let value = vec![0; length];
        let refused = script.agent.set_attributes(&[(kind, &value)]);
        assert!(refused.is_err(), "{kind:#06x}");
    }
    script.tell("10.0.0.2:5000");
    let sent = script.run(600 * MILLISECOND);
    assert_eq!(sent.len(), 2);
    for sent in &sent {
        let kind = stun_proto::attribute::AttributeType::new(0xc057);
        assert_eq!(sent.message().raw(kind), Some(cost));
    }
    for value in [[0, 1, 0, 9], [0, 1, 0, 9], [0, 2, 0, 9]] {
        let mut check = script.check();
        check.extra = Some((0xc057, value.to_vec()));
        assert!(script.ask(Script::peer(), &check).is_some());
    }
    let told: Vec<Event> = script
        .events()
        .into_iter()
        .filter(|event| matches!(event, Event::Attribute(_)))
        .collect();
    let expected = [[0, 1, 0, 9], [0, 2, 0, 9]].map(|value| Event::Attribute(value.into()));
    assert_eq!(told, expected);
}
