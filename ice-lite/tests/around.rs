//! The rules around ICE: trickle (RFC 8838), consent (RFC 7675), restart, names of multicast DNS.

extern crate alloc;

mod common;

use common::Two;
use common::script::{Script, Sent, address, candidate, requests};
use core::time::Duration;
use ice_lite::{
    AddError, CandidateKind, Credentials, Description, Event, LocalCandidate, PairState,
    RemoteChange, RestartError, RestartReason, Role, SendError, SetRemoteError, Standby, State,
};
use proto_core::Handled;
use stun_proto::Class;
use stun_proto::attribute::Username;
use testkit::Link;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn fresh(name: &str) -> Credentials {
    Credentials::new(name, &name.repeat(6)).expect("good")
}

// req: K-1
#[test]
fn the_same_address_twice_is_one_candidate_whatever_its_words() {
    let mut script = Script::new(Role::Controlling);
    script.tell_candidate(candidate("1 1 udp 1000 192.0.2.1 1 typ host"));
    let again = candidate("2 1 udp 2000 192.0.2.1 1 typ srflx");
    let refused = script.agent.add_remote(script.now, again);
    assert_eq!(refused, Err(AddError::Redundant));
    assert_eq!(script.agent.candidate_counts().1, 1);
    let local = LocalCandidate::host(Script::local());
    let refused = script.agent.add_local(script.now, local);
    assert_eq!(refused.err(), Some(AddError::Redundant));
}

// req: K-2
#[test]
fn a_late_pair_waits_if_its_foundation_is_new_or_works_and_is_frozen_otherwise() {
    let mut script = Script::new(Role::Controlled);
    script.tell_candidate(candidate("1 1 udp 3000 192.0.2.1 1 typ host"));
    script.send();
    assert_eq!(script.states(), [PairState::InProgress]);
    script.tell_candidate(candidate("1 1 udp 2000 192.0.2.1 2 typ host"));
    script.tell_candidate(candidate("2 1 udp 9000 192.0.2.2 1 typ host"));
    assert_eq!(script.pair_to("192.0.2.1:2").state, PairState::Frozen);
    assert_eq!(script.pair_to("192.0.2.2:1").state, PairState::Waiting);
    script.run_answered(501 * MILLISECOND, |sent| Some(sent.source));
    assert_eq!(script.pair_to("192.0.2.1:1").state, PairState::Succeeded);
    script.tell_candidate(candidate("1 1 udp 1000 192.0.2.1 3 typ host"));
    assert_eq!(script.pair_to("192.0.2.1:3").state, PairState::Waiting);
}

// req: K-2, K-3
#[test]
fn a_full_list_drops_its_lowest_pairs_and_never_one_that_is_checked_or_works() {
    let mut script = Script::with(Role::Controlled, |config| config.limits.pairs = 3, |_| {});
    script.tell_candidate(candidate("1 1 udp 10 192.0.2.1 1 typ host"));
    script.run_answered(60 * MILLISECOND, |sent| Some(sent.source));
    script.tell_candidate(candidate("2 1 udp 20 192.0.2.2 1 typ host"));
    script.run(60 * MILLISECOND);
    for (number, priority) in [(3, 30), (4, 40), (5, 35), (6, 25)] {
        let line = format!("{number} 1 udp {priority} 192.0.2.{number} 1 typ host");
        script.tell_candidate(candidate(&line));
    }
    let left: Vec<String> = script
        .pairs()
        .iter()
        .map(|pair| pair.path.remote.ip().to_string())
        .collect();
    assert_eq!(left, ["192.0.2.4", "192.0.2.2", "192.0.2.1"]);
    assert_eq!(script.agent.stats().pairs_dropped, 3);
}

// req: K-4
#[test]
fn after_its_end_a_side_adds_nothing_in_this_generation() {
    let mut script = Script::new(Role::Controlling);
    script.end();
    let late = candidate("1 1 udp 10 192.0.2.1 1 typ host");
    let refused = script.agent.add_remote(script.now, late.clone());
    assert_eq!(refused, Err(AddError::Ended));
    let local = LocalCandidate::host(address("10.0.0.1:4001"));
    let refused = script.agent.add_local(script.now, local);
    assert_eq!(refused.err(), Some(AddError::Ended));
    let restarted = script.agent.restart(script.now);
    assert!(restarted.is_ok());
    assert!(
        script
            .agent
            .set_remote_credentials(script.now, fresh("next"))
            .is_ok()
    );
    assert_eq!(script.agent.add_remote(script.now, late), Ok(()));
}

// req: K-5
#[test]
fn a_peer_without_trickle_has_told_all_it_has() {
    let mut script = Script::with(
        Role::Controlling,
        |_| {},
        |description| {
            description.options.trickle = false;
            description.candidates = vec![candidate("1 1 udp 10 192.0.2.1 1 typ host")];
        },
    );
    script.agent.end_of_local_candidates(script.now);
    let late = candidate("2 1 udp 10 192.0.2.2 1 typ host");
    assert_eq!(
        script.agent.add_remote(script.now, late),
        Err(AddError::Ended)
    );
    script.run(Duration::from_millis(39_600));
    assert_eq!(script.agent.state(), State::Failed);
}

// req: K-6, I-79
#[test]
fn a_candidate_of_another_generation_waits_for_it_within_bounds() {
    let mut script = Script::new(Role::Controlling);
    for port in 1..=40 {
        let line = format!("1 1 udp {port} 192.0.2.1 {port} typ host ufrag next");
        let held = script.agent.add_remote(script.now, candidate(&line));
        assert_eq!(held.is_ok(), port <= 32);
    }
    assert_eq!(script.pairs().len(), 0);
    // The peer restarts: what waited for it is used, as far as one IP address may have candidates.
    let mut description = Description::new(fresh("next"));
    description.candidates = vec![candidate("2 1 udp 99 192.0.2.2 1 typ host ufrag peer")];
    let change = script.agent.set_remote(script.now, &description);
    assert_eq!(change, Ok(RemoteChange::Restarted));
    let (_, remotes) = script.agent.candidate_counts();
    assert_eq!(
        remotes, 5,
        "and a candidate of the generation before is none of this"
    );
}

/// The user name of a check.
fn username(sent: &Sent) -> String {
    let message = sent.message();
    let name = message.get::<Username<'_>>().expect("good").expect("there");
    name.as_str().into()
}

// req: I-78, I-79
#[test]
fn a_restart_keeps_the_old_path_alive_until_there_is_a_new_one() {
    let mut script = Script::new(Role::Controlling);
    script.connect();
    let old_check = script.check();
    let old = script.agent.credentials().clone();
    let description = script.agent.restart(script.now).expect("the first");
    assert_ne!(description.credentials.ufrag(), old.ufrag());
    assert_ne!(description.credentials.password(), old.password());
    assert_eq!(description.candidates.len(), 1, "sockets stay");
    // Data, answers and consent go on over the old path.
    assert!(script.agent.send(script.now, 0..1).is_ok());
    assert_eq!(
        script.feed(Script::peer(), b"data"),
        Handled::Inner {
            from: Script::peer(),
            bytes: 0..4
        }
    );
    let answer = script.ask(Script::peer(), &old_check).expect("an answer");
    assert!(answer.is(Class::Success));
    let asked = script.run_answered(40 * SECOND, |sent| Some(sent.source));
    assert!(requests(&asked).len() >= 6);
    let names = format!("peer:{}", old.ufrag());
    assert!(asked.iter().all(|sent| username(sent) == names));
    assert!(script.agent.send(script.now, 0..1).is_ok());
    // The new generation finds its path; ten seconds later the old one is forgotten.
    script.theirs = fresh("next");
    assert!(
        script
            .agent
            .set_remote_credentials(script.now, script.theirs.clone())
            .is_ok()
    );
    script.connect();
    let answer = script.ask(Script::peer(), &old_check).expect("an answer");
    assert!(answer.is(Class::Success), "a late check of before");
    script.run_answered(11 * SECOND, |sent| Some(sent.source));
    let answer = script.ask(Script::peer(), &old_check).expect("an answer");
    assert_eq!(answer.error(), Some(401));
}

// req: I-78
#[test]
fn consent_for_the_old_path_ends_even_while_a_restart_is_under_way() {
    let mut script = Script::new(Role::Controlling);
    script.connect();
    assert!(script.agent.restart(script.now).is_ok());
    script.run(31 * SECOND);
    assert_eq!(
        script.agent.send(script.now, 0..1).err(),
        Some(SendError::NoPath)
    );
}

// req: I-78, D-5
#[test]
fn a_restart_changes_both_fragment_and_password() {
    let mut script = Script::new(Role::Controlled);
    script.connect();
    let (name, password) = (script.theirs.ufrag(), script.theirs.password());
    let other = "x".repeat(24);
    let halves = [
        Credentials::new("other", password).expect("good"),
        Credentials::new(name, &other).expect("good"),
    ];
    for half in halves {
        let refused = script.agent.set_remote_credentials(script.now, half);
        assert_eq!(refused, Err(SetRemoteError::HalfRestart));
    }
    let same = script.theirs.clone();
    let updated = script.agent.set_remote_credentials(script.now, same);
    assert_eq!(updated, Ok(RemoteChange::Updated));
    let ours = script.agent.credentials().clone();
    let own = script
        .agent
        .set_remote_credentials(script.now, ours.clone());
    assert_eq!(own, Err(SetRemoteError::OwnDescription));
    let restarted = script
        .agent
        .set_remote_credentials(script.now, fresh("next"));
    assert_eq!(restarted, Ok(RemoteChange::Restarted));
    assert_ne!(
        script.agent.credentials(),
        &ours,
        "this side restarts with it"
    );
}

// req: HI-11
#[test]
fn restarts_are_limited_to_one_a_second_and_leave_nothing_behind() {
    let mut script = Script::new(Role::Controlled);
    script.connect();
    let mut done = 0;
    for number in 0..5000_u32 {
        let name = format!("f{number:07}");
        match script
            .agent
            .set_remote_credentials(script.now, fresh(&name))
        {
            Ok(_) => done += 1,
            Err(error) => assert_eq!(error, RestartError::TooSoon.into()),
        }
        script.now = script.now + MILLISECOND;
    }
    assert_eq!(done, 5);
    assert_eq!(script.agent.candidate_counts(), (1, 0));
    assert_eq!(script.pairs().len(), 0);
}

// req: I-78
#[test]
fn two_agents_restart_under_load_without_losing_a_datagram() {
    let mut two = Two::usual(3, Link::with_latency(20 * MILLISECOND));
    two.introduce();
    assert!(two.complete(SECOND));
    let (mut sent, mut millis) = (0_u64, 0);
    while millis < 5000 {
        let now = two.now();
        if millis == 1000 {
            let offer = two.client().restart(now).expect("a restart");
            assert_eq!(
                two.server().set_remote(now, &offer),
                Ok(RemoteChange::Restarted)
            );
        }
        if millis == 1500 {
            let answer = two.server().description();
            assert_eq!(
                two.client().set_remote(now, &answer),
                Ok(RemoteChange::Learned)
            );
        }
        let transmit = two.client().send(now, 0..4).expect("always a path");
        let source = transmit.source.expect("a base");
        let to = transmit.destination;
        let handled = two.server().handle_datagram(now, to, source, b"data");
        assert!(matches!(handled, Handled::Inner { .. }), "{handled:?}");
        sent += 1;
        two.run(10 * MILLISECOND);
        millis += 10;
    }
    assert_eq!(two.client().state(), State::Completed);
    assert_eq!(two.server().stats().datagrams_received, sent);
}

// req: I-80
#[test]
fn a_lost_address_is_replaced_by_a_spare_pair_or_a_restart_is_asked_for() {
    for (standby, spare) in [(Standby::Forever, true), (Standby::Forever, false)] {
        let mut script = Script::with(Role::Controlling, |config| config.standby = standby, |_| {});
        if spare {
            let local = LocalCandidate::host(address("10.0.0.1:4001"));
            assert!(script.agent.add_local(script.now, local).is_ok());
        }
        script.tell_candidate(candidate("1 1 udp 9000 192.0.2.9 1 typ host"));
        script.tell_candidate(candidate("2 1 udp 1000 10.0.0.2 5000 typ host"));
        let answer = |sent: &Sent| (sent.to == Script::peer()).then_some(sent.source);
        script.run_answered(SECOND, answer);
        let used = script.agent.path().expect("a path").base;
        script.agent.remove_local(script.now, used);
        script.run_answered(SECOND, answer);
        let events = script.events();
        if spare {
            let path = script.agent.path().expect("the other");
            assert_ne!(path.base, used);
            assert_eq!(script.agent.state(), State::Completed);
        } else {
            assert!(events.contains(&Event::RestartNeeded(RestartReason::AddressGone)));
            assert_eq!(script.agent.path(), None);
        }
    }
}

// req: M-1
#[test]
fn names_of_multicast_dns_are_for_the_caller_to_resolve_eight_at_a_time() {
    let mut script = Script::new(Role::Controlling);
    for number in 0..10 {
        let line = format!("1 1 udp 1{number} host-{number}.local 5000 typ host");
        let added = script.agent.add_remote(script.now, candidate(&line));
        assert_eq!(added.is_ok(), number < 8);
    }
    let asked = |events: Vec<Event>| {
        events
            .into_iter()
            .filter_map(|event| match event {
                Event::Resolve(name) => Some(name.into_string()),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    let names = asked(script.events());
    assert_eq!(names.len(), 8);
    let ip = address("10.0.0.2:1").ip();
    script.agent.resolved(script.now, "HOST-0.local", Some(ip));
    script.agent.resolved(script.now, "host-1.local", None);
    script
        .agent
        .resolved(script.now, "never-asked.local", Some(ip));
    assert_eq!(script.pairs().len(), 1);
    assert_eq!(
        script.pair_to("10.0.0.2:5000").path.remote_kind,
        CandidateKind::Host
    );
    script.run(6 * SECOND);
    script.agent.resolved(script.now, "host-2.local", Some(ip));
    assert_eq!(script.pairs().len(), 1, "five seconds are over");
    for other in ["example.com", "a.b.local", "local"] {
        let line = format!("1 1 udp 1 {other} 5000 typ host");
        let refused = script.agent.add_remote(script.now, candidate(&line));
        assert_eq!(refused, Err(AddError::Name), "{other} is looked up nowhere");
    }
    assert!(asked(script.events()).is_empty());
}

// req: M-2
#[test]
fn a_host_may_be_told_by_name_and_a_check_still_finds_its_address() {
    let mut script = Script::new(Role::Controlling);
    let name = "0b2f4ac6-5f5b-4f1c-9a8e-2d1a3b4c5d6e.local";
    let hidden = LocalCandidate::host(address("10.0.0.1:4001")).with_name(name);
    let told = script.agent.add_local(script.now, hidden).expect("added");
    assert_eq!(told.to_string().split(' ').nth(4), Some(name));
    let server = address("198.51.100.1:1").ip();
    let (seen, base) = (address("203.0.113.1:6000"), address("10.0.0.1:4001"));
    let reflexive = LocalCandidate::server_reflexive(seen, base, server).with_related_hidden();
    let told = script
        .agent
        .add_local(script.now, reflexive)
        .expect("added");
    assert!(
        told.to_string().ends_with("raddr 0.0.0.0 rport 9"),
        "{told}"
    );
    // The peer's name is not resolved, and its check comes all the same.
    let line = format!("1 1 udp 1 {name} 5000 typ host");
    script.tell_candidate(candidate(&line));
    script.agent.resolved(script.now, name, None);
    let check = script.check();
    assert!(script.ask(Script::peer(), &check).is_some());
    assert_eq!(
        script.pair_to("10.0.0.2:5000").path.remote_kind,
        CandidateKind::PeerReflexive
    );
}
