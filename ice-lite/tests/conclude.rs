//! The rules of nomination, of lite agents, and of a path in use (RFC 8445 sections 8, 11, and what concerns lite agents).

extern crate alloc;

mod common;

use common::script::{Script, Sent, address, candidate, requests};
use common::{Two, config};
use core::time::Duration;
use ice_lite::{
    CandidateKind, DropReason, Event, LocalCandidate, Nomination, Options, PairState, Role,
    SendError, Standby, State,
};
use proto_core::Handled;
use stun_proto::Class;
use stun_proto::attribute::ErrorNumber;
use testkit::Link;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Milliseconds until the agent names a pair when only the peer at `good` answers; which pair.
fn named(remotes: &[&str], good: &str) -> (u64, String) {
    let mut script = Script::new(Role::Controlling);
    for line in remotes {
        script.tell_candidate(candidate(line));
    }
    let began = script.now;
    let sent = script.run_answered(3 * SECOND, |sent| {
        (sent.to.ip().to_string() == good).then_some(sent.source)
    });
    let name = sent
        .iter()
        .find(|sent| sent.is(Class::Request) && sent.nominates());
    let name = name.expect("it names a pair");
    let after = name.at.saturating_since(began).as_millis();
    (
        u64::try_from(after).expect("small"),
        name.to.ip().to_string(),
    )
}

// req: I-47
#[test]
fn the_best_pair_is_named_at_once_and_a_worse_one_after_a_wait_that_its_kind_sets() {
    let silent = "1 1 udp 2130706431 192.0.2.9 1 typ host";
    let host = "2 1 udp 2130706000 192.0.2.1 1 typ host";
    let reflexive = "3 1 udp 1694498815 192.0.2.2 1 typ srflx";
    let relayed = "4 1 udp 16777215 192.0.2.3 1 typ relay";
    // Slots of 50 ms: checked in the slot of its place, named in the first slot after the wait.
    assert_eq!(named(&[host], "192.0.2.1"), (50, "192.0.2.1".into()));
    assert_eq!(
        named(&[silent, host], "192.0.2.1"),
        (150, "192.0.2.1".into())
    );
    assert_eq!(
        named(&[silent, reflexive], "192.0.2.2"),
        (250, "192.0.2.2".into())
    );
    assert_eq!(
        named(&[silent, relayed], "192.0.2.3"),
        (700, "192.0.2.3".into())
    );
}

// req: I-47, I-62
#[test]
fn the_path_is_chosen_when_the_check_that_names_it_is_answered() {
    let mut script = Script::new(Role::Controlling);
    script.tell("10.0.0.2:5000");
    let first = script.send().remove(0);
    let answer = script.success(&first, Script::local());
    assert!(script.feed(Script::peer(), &answer).is_consumed());
    assert_eq!(script.agent.state(), State::Connected);
    let naming = script.run(50 * MILLISECOND).remove(0);
    assert!(naming.nominates());
    assert!(!script.pairs()[0].is_selected);
    let answer = script.success(&naming, Script::local());
    assert!(script.feed(Script::peer(), &answer).is_consumed());
    assert!(script.pairs()[0].is_selected && script.pairs()[0].is_nominated);
    assert_eq!(script.agent.state(), State::Completed);
}

// req: I-48
#[test]
fn if_naming_a_pair_fails_the_next_best_is_named() {
    let mut script = Script::new(Role::Controlling);
    script.tell_candidate(candidate("1 1 udp 2000 192.0.2.1 1 typ host"));
    script.tell_candidate(candidate("2 1 udp 1000 192.0.2.2 1 typ host"));
    let mut named = Vec::new();
    for _ in 0..100 {
        for sent in script.run(10 * MILLISECOND) {
            let refused = sent.nominates() && sent.to.ip().to_string() == "192.0.2.1";
            let answer = if refused {
                script.error(&sent, ErrorNumber::BAD_REQUEST)
            } else {
                script.success(&sent, sent.source)
            };
            named.extend(sent.nominates().then_some(sent.to));
            let _ = script.feed(sent.to, &answer);
        }
    }
    assert_eq!(named, [address("192.0.2.1:1"), address("192.0.2.2:1")]);
    assert!(script.pair_to("192.0.2.2:1").is_selected);
}

// req: I-46
#[test]
fn the_controlled_side_follows_a_nomination_now_or_when_the_pair_works() {
    let mut script = Script::new(Role::Controlled);
    let mut check = script.check();
    check.nominates = true;
    assert!(script.ask(Script::peer(), &check).is_some());
    assert_eq!(script.agent.path(), None, "not proven yet");
    script.run_answered(600 * MILLISECOND, |sent| Some(sent.source));
    assert!(script.pair_to("10.0.0.2:5000").is_selected);

    let mut script = Script::new(Role::Controlled);
    let check = script.check();
    assert!(script.ask(Script::peer(), &check).is_some());
    script.run_answered(600 * MILLISECOND, |sent| Some(sent.source));
    assert_eq!(script.agent.state(), State::Connected);
    let mut check = script.check();
    check.nominates = true;
    assert!(script.ask(Script::peer(), &check).is_some());
    assert!(script.pair_to("10.0.0.2:5000").is_selected);
}

// req: I-46, HI-4
#[test]
fn nobody_but_the_controlling_side_nominates() {
    let mut script = Script::new(Role::Controlling);
    let mut check = script.check();
    check.nominates = true;
    let answer = script.ask(Script::peer(), &check).expect("an answer");
    assert!(
        answer.is(Class::Success),
        "with a consistent role it is passed over"
    );
    assert!(!script.pairs()[0].is_nominated);

    let mut script = Script::new(Role::Controlled);
    let mut check = script.check();
    check.role = Some(Role::Controlled);
    check.nominates = true;
    let answer = script.ask(Script::peer(), &check).expect("an answer");
    assert_eq!(answer.error(), Some(400));
    assert_eq!(script.pairs().len(), 0);
}

/// A controlled agent whose peer names both its pairs, the worse one first.
fn follow_two(describe: fn(&mut Options), gap: Duration) -> Script {
    let mut script = Script::with(
        Role::Controlled,
        |_| {},
        |description| describe(&mut description.options),
    );
    script.tell_candidate(candidate("1 1 udp 2000 10.0.0.2 5000 typ host"));
    script.tell_candidate(candidate("2 1 udp 1000 10.0.0.3 5000 typ host"));
    script.run_answered(200 * MILLISECOND, |sent| Some(sent.source));
    for from in ["10.0.0.3:5000", "10.0.0.2:5000", "10.0.0.3:5000"] {
        let mut check = script.check();
        check.nominates = true;
        assert!(script.ask(address(from), &check).is_some());
        script.run_answered(gap, |sent| Some(sent.source));
    }
    script
}

// req: I-49
#[test]
fn of_several_nominations_of_an_aggressive_peer_the_best_pair_is_used_and_it_settles() {
    let script = follow_two(|options| options.ice2 = false, 100 * MILLISECOND);
    assert!(script.pair_to("10.0.0.2:5000").is_selected);
    // After the time to settle nothing moves any more.
    let script = follow_two(|options| options.ice2 = false, 4 * SECOND);
    assert!(script.pair_to("10.0.0.3:5000").is_selected);
}

// req: I-49
#[test]
fn of_several_nominations_of_an_orderly_peer_the_last_counts() {
    let script = follow_two(|options| options.ice2 = true, 100 * MILLISECOND);
    assert!(script.pair_to("10.0.0.3:5000").is_selected);
}

// req: I-50
#[test]
fn our_own_aggressive_nomination_names_every_pair_and_connects() {
    let mut client = config(1, Role::Controlling);
    client.nomination = Nomination::Aggressive;
    let mut two = Two::new(
        1,
        Link::with_latency(20 * MILLISECOND),
        client,
        config(2, Role::Controlled),
    );
    assert!(
        !two.client().description().options.ice2,
        "the peer must know"
    );
    two.introduce();
    assert!(two.complete(SECOND), "{}", two.client().why());
    let [client, server] = two.paths();
    assert_eq!(client.map(|path| path.remote), Some(Two::SERVER));
    assert_eq!(server.map(|path| path.remote), Some(Two::CLIENT));
}

// req: I-51
#[test]
fn the_nomination_with_the_highest_number_wins_whatever_arrives_first() {
    let mut script = Script::with(
        Role::Controlled,
        |_| {},
        |description| description.options.renomination = true,
    );
    script.tell("10.0.0.2:5000");
    script.tell("10.0.0.3:5000");
    script.run_answered(200 * MILLISECOND, |sent| Some(sent.source));
    for (from, number) in [("10.0.0.2:5000", 2_u32), ("10.0.0.3:5000", 1)] {
        let mut check = script.check();
        check.nominates = true;
        check.extra = Some((0xc001, number.to_be_bytes().to_vec()));
        assert!(script.ask(address(from), &check).is_some());
    }
    assert!(script.pair_to("10.0.0.2:5000").is_selected);
    let mut check = script.check();
    check.nominates = true;
    check.extra = Some((0xc001, 3_u32.to_be_bytes().to_vec()));
    assert!(script.ask(address("10.0.0.3:5000"), &check).is_some());
    assert!(script.pair_to("10.0.0.3:5000").is_selected);
}

// req: I-51
#[test]
fn the_controlling_side_moves_to_a_better_pair_only_if_the_peer_can_follow() {
    for can in [true, false] {
        let mut script = Script::with(
            Role::Controlling,
            |_| {},
            |description| description.options.renomination = can,
        );
        script.tell_candidate(candidate("1 1 udp 1000 10.0.0.2 5000 typ host"));
        script.run_answered(SECOND, |sent| Some(sent.source));
        assert!(script.pair_to("10.0.0.2:5000").is_selected);
        script.tell_candidate(candidate("2 1 udp 2000 10.0.0.3 5000 typ host"));
        let sent = script.run_answered(SECOND, |sent| Some(sent.source));
        let numbers: Vec<_> = requests(&sent)
            .iter()
            .filter(|sent| sent.nominates())
            .map(|sent| {
                sent.message()
                    .raw(stun_proto::attribute::AttributeType::new(0xc001))
                    .map(<[u8]>::to_vec)
            })
            .collect();
        if can {
            assert!(script.pair_to("10.0.0.3:5000").is_selected);
            assert_eq!(numbers, [Some(vec![0, 0, 0, 2])], "one more than before");
        } else {
            assert!(script.pair_to("10.0.0.2:5000").is_selected);
            assert_eq!(script.pairs().len(), 1, "new candidates are of no use");
        }
    }
}

// req: I-52
#[test]
fn a_chosen_path_ends_the_checks_of_the_others() {
    let mut script = Script::new(Role::Controlled);
    script.tell_candidate(candidate("1 1 udp 9000 10.0.0.2 5000 typ host"));
    for port in 1..=5 {
        let line = format!("{port} 1 udp {} 192.0.2.{port} 1 typ host", 100 + port);
        script.tell_candidate(candidate(&line));
    }
    let mut check = script.check();
    check.nominates = true;
    assert!(script.ask(Script::peer(), &check).is_some());
    script.run_answered(120 * MILLISECOND, |sent| {
        (sent.to == Script::peer()).then_some(sent.source)
    });
    assert!(script.pair_to("10.0.0.2:5000").is_selected);
    assert!(
        script.pairs().len() < 4,
        "pairs that were not tried are gone"
    );
    let sent = script.run(3 * SECOND);
    assert!(
        requests(&sent).is_empty(),
        "and the others are not repeated: {sent:?}"
    );
}

// req: I-53
#[test]
fn pairs_that_were_not_chosen_stay_for_three_seconds_and_their_sockets_are_released() {
    for (standby, left) in [(Standby::For(3 * SECOND), 1), (Standby::Forever, 2)] {
        let mut script = Script::with(Role::Controlling, |config| config.standby = standby, |_| {});
        let spare = address("10.0.0.1:4001");
        let local = LocalCandidate::host(spare);
        assert!(script.agent.add_local(script.now, local).is_ok());
        // While a better pair is silent, both others prove themselves.
        script.tell_candidate(candidate("1 1 udp 9000 192.0.2.9 1 typ host"));
        script.tell_candidate(candidate("2 1 udp 1000 10.0.0.2 5000 typ host"));
        let answer = |sent: &Sent| (sent.to == Script::peer()).then_some(sent.source);
        let valid = |script: &Script| script.agent.pairs().filter(|pair| pair.is_valid).count();
        script.run_answered(SECOND, answer);
        assert_eq!(script.agent.state(), State::Completed);
        assert_eq!(valid(&script), 2);
        script.run_answered(3 * SECOND, answer);
        assert_eq!(valid(&script), left);
        let released = script.events().contains(&Event::Released(spare));
        assert_eq!(released, left == 1);
    }
}

// A fuzzer found that the path was lost and the state stayed.
// req: I-52, HI-8
#[test]
fn an_error_to_a_check_on_the_chosen_pair_does_not_end_the_path() {
    let mut script = Script::with(
        Role::Controlling,
        |config| config.nomination = Nomination::Aggressive,
        |_| {},
    );
    script.tell("10.0.0.2:5000");
    let first = script.send().remove(0);
    let check = script.check();
    assert!(script.feed(Script::peer(), &check.bytes()).is_consumed());
    let second = script.run(60 * MILLISECOND);
    let second = requests(&second)[0].clone();
    let answer = script.success(&first, Script::local());
    assert!(script.feed(Script::peer(), &answer).is_consumed());
    assert_eq!(script.agent.state(), State::Completed);
    let error = script.error(&second, ErrorNumber::BAD_REQUEST);
    let _ = script.feed(Script::peer(), &error);
    assert!(
        script.agent.send(script.now, 0..1).is_ok(),
        "{}",
        script.agent.why()
    );
    assert_eq!(script.states(), [PairState::Succeeded]);
}

// req: I-54, HI-10
#[test]
fn data_goes_over_the_best_valid_pair_and_comes_from_proven_addresses_only() {
    let mut script = Script::new(Role::Controlled);
    script.tell("10.0.0.2:5000");
    script.tell("10.0.0.3:5000");
    assert_eq!(
        script.agent.send(script.now, 0..1).err(),
        Some(SendError::NoPath)
    );
    let stranger = script.feed(Script::peer(), b"told, and not proven");
    assert_eq!(stranger, Handled::Dropped(DropReason::UnvalidatedSource));
    script.run_answered(200 * MILLISECOND, |sent| {
        (sent.to == Script::peer()).then_some(sent.source)
    });
    assert_eq!(script.agent.state(), State::Connected);
    let transmit = script.agent.send(script.now, 0..1).expect("a path");
    assert_eq!(transmit.destination, Script::peer());
    let expected = Handled::Inner {
        from: Script::peer(),
        bytes: 0..5,
    };
    assert_eq!(script.feed(Script::peer(), b"hello"), expected);
    let other = script.feed(address("10.0.0.3:5000"), b"hello");
    assert_eq!(other, Handled::Dropped(DropReason::UnvalidatedSource));
    let stats = script.agent.stats();
    assert_eq!(stats.dropped(DropReason::UnvalidatedSource), 2);
}

// req: I-81
#[test]
fn silence_of_five_seconds_is_told_and_the_path_comes_back_without_a_choice() {
    let mut script = Script::new(Role::Controlling);
    script.connect();
    script.run(20 * SECOND);
    assert_eq!(script.agent.state(), State::Disconnected);
    assert!(script.agent.path().is_some(), "consent has not ended");
    assert!(script.agent.why().contains("Nothing has been heard"));
    script.run_answered(7 * SECOND, |sent| Some(sent.source));
    assert_eq!(script.agent.state(), State::Completed);
    let states: Vec<_> = script
        .events()
        .into_iter()
        .filter(|event| matches!(event, Event::State(_) | Event::Selected(_)))
        .collect();
    let expected = [State::Disconnected, State::Completed].map(Event::State);
    assert_eq!(states, expected);
}

// req: I-82
#[test]
fn every_pair_counts_what_it_sent_and_heard_and_how_long_that_took() {
    let mut two = Two::usual(1, Link::with_latency(20 * MILLISECOND));
    two.introduce();
    assert!(two.complete(SECOND));
    two.run(60 * SECOND);
    let now = two.now();
    for _ in 0..3 {
        assert!(two.client().send(now, 0..100).is_ok());
    }
    let _ = two
        .server()
        .handle_datagram(now, Two::SERVER, Two::CLIENT, &[9; 100]);
    let sent = two.client().pairs().next().expect("a pair").stats;
    let heard = two.server().pairs().next().expect("a pair").stats;
    assert_eq!(sent.bytes_sent, 300);
    assert_eq!(heard.bytes_received, 100);
    assert!(sent.requests_sent >= 10, "{sent:?}");
    assert_eq!(sent.responses_received, sent.requests_sent);
    assert_eq!(heard.requests_received, sent.requests_sent);
    assert_eq!(heard.responses_sent, heard.requests_received);
    assert_eq!(sent.rtt, Some(40 * MILLISECOND));
    assert_eq!(sent.smoothed_rtt, Some(40 * MILLISECOND));
    assert_eq!(sent.loss_per_mille(), 0);
    assert!(
        sent.last_heard
            .is_some_and(|at| now.saturating_since(at) < 7 * SECOND)
    );
}

// req: I-82
#[test]
fn the_agent_says_in_words_why_it_has_a_path_or_none() {
    let mut script = Script::new(Role::Controlling);
    assert!(
        script.agent.why().contains("no remote candidate"),
        "{}",
        script.agent.why()
    );
    script.tell("[2001:db8::1]:1");
    assert!(
        script.agent.why().contains("families or transports differ"),
        "{}",
        script.agent.why()
    );
    script.tell_candidate(candidate("1 1 udp 2130706431 192.0.2.1 1 typ host"));
    script.tell_candidate(candidate("2 1 udp 16777215 192.0.2.2 1 typ relay"));
    script.run_answered(40 * SECOND, |sent| {
        (sent.to.ip().to_string() == "192.0.2.2").then_some(sent.source)
    });
    let why = script.agent.why();
    assert!(why.contains("carried by the peer's relay"), "{why}");
    let timeline = script.agent.timeline().to_string();
    assert!(timeline.contains("192.0.2.2"), "{timeline}");

    let mut script = Script::without_rechecks(Role::Controlling);
    script.tell("192.0.2.1:1");
    script.end();
    script.run(60 * SECOND);
    let why = script.agent.why();
    assert!(
        why.contains("Failed, no answer; 12 checks sent, 0 received"),
        "{why}"
    );
    assert!(why.contains("Neither side has a relay"), "{why}");
    assert_eq!(script.states(), [PairState::Failed]);
    assert_eq!(script.pairs()[0].path.local_kind, CandidateKind::Host);
}
