//! Silent pairs are checked anew in slots that are free, and both sides agree on the slots.

extern crate alloc;

mod common;

use alloc::collections::BTreeSet;
use common::script::{Script, Sent, address, candidate, requests};
use core::time::Duration;
use ice_lite::{Pacer, PairState, Profile, Role};
use stun_proto::Class;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// An agent whose peer proposes a pace of so many milliseconds.
fn paced(role: Role, pace: u64) -> Script {
    Script::with(
        role,
        |_| {},
        |description| description.pacing = Some(Duration::from_millis(pace)),
    )
}

/// When checks to this port left, in milliseconds after the start.
fn times(sent: &[Sent], port: u16) -> Vec<u64> {
    let there = requests(sent).into_iter();
    let there = there.filter(|sent| sent.to.port() == port);
    there.map(|sent| sent.at.as_millis() - 1000).collect()
}

#[test]
fn a_silent_pair_is_checked_anew_by_new_transactions_and_copies_follow_the_last_as_ever() {
    let mut script = paced(Role::Controlling, 20);
    script.tell("192.0.2.1:1");
    let sent = script.run(3 * SECOND);
    assert_eq!(times(&sent, 1), [0, 40, 120, 280, 600, 1100, 1600, 2600]);
    let ids: Vec<_> = requests(&sent).iter().map(|sent| sent.id()).collect();
    let distinct: BTreeSet<_> = ids.iter().map(|id| *id.as_bytes()).collect();
    assert_eq!(distinct.len(), 5);
    assert!(ids[4..].iter().all(|&id| id == ids[4]), "these are copies");
}

#[test]
fn an_answer_to_any_check_of_a_pair_counts_and_ends_the_others() {
    for answered in 0..5 {
        let mut script = paced(Role::Controlled, 20);
        script.tell("192.0.2.1:1");
        let sent = script.run(700 * MILLISECOND);
        let check = requests(&sent)[answered].clone();
        let answer = script.success(&check, check.source);
        assert!(script.feed(check.to, &answer).is_consumed());
        assert_eq!(script.states(), [PairState::Succeeded]);
        assert_eq!(requests(&script.run(2 * SECOND)).len(), 0);
    }
}

#[test]
fn a_pair_that_was_never_checked_goes_before_one_that_is_silent() {
    let mut script = paced(Role::Controlling, 50);
    for port in 1..=4 {
        script.tell_candidate(candidate(&format!(
            "{port} 1 udp {} 192.0.2.1 {port} typ host",
            9 - port
        )));
    }
    let sent = script.run(199 * MILLISECOND);
    let ports: Vec<u16> = requests(&sent).iter().map(|sent| sent.to.port()).collect();
    assert_eq!(ports, [1, 2, 3, 4]);
}

#[test]
fn what_a_check_of_the_peer_came_through_is_checked_anew_more_slowly() {
    let mut script = paced(Role::Controlled, 20);
    let check = script.check();
    assert!(script.ask(address("192.0.2.1:1"), &check).is_some());
    let sent = script.run(500 * MILLISECOND);
    assert_eq!(times(&sent, 1), [160, 480], "and the first left at once");
}

#[test]
fn local_addresses_of_another_network_are_not_checked_anew() {
    for ip in ["10.0.1.2", "192.168.0.1", "172.20.0.1", "100.64.0.1"] {
        let mut script = paced(Role::Controlling, 20);
        script.tell(&format!("{ip}:1"));
        let sent = script.run(499 * MILLISECOND);
        assert_eq!(times(&sent, 1), [0], "{ip}");
    }
    let mut script = paced(Role::Controlling, 20);
    script.tell("10.0.0.2:1");
    let sent = script.run(499 * MILLISECOND);
    assert_eq!(times(&sent, 1), [0, 40, 120, 280], "a neighbour");
}

#[test]
fn the_strict_profile_checks_nothing_anew() {
    let strict = |config: &mut ice_lite::Config| config.profile = Profile::Strict;
    let mut script = Script::with(Role::Controlling, strict, |_| {});
    script.tell("192.0.2.1:1");
    assert_eq!(times(&script.run(4 * SECOND), 1), [0, 500, 1500, 3500]);
}

#[test]
fn pairs_below_one_that_works_are_not_checked_anew_and_those_above_are() {
    let mut script = paced(Role::Controlled, 20);
    script.tell_candidate(candidate("1 1 udp 3000 192.0.2.1 1 typ host"));
    script.tell_candidate(candidate("2 1 udp 2000 192.0.2.2 2 typ host"));
    script.tell_candidate(candidate("3 1 udp 1000 192.0.2.3 3 typ host"));
    let works = |sent: &Sent| (sent.to.port() == 2).then_some(sent.source);
    let sent = script.run_answered(499 * MILLISECOND, works);
    assert_eq!(times(&sent, 1), [0, 60, 140, 300]);
    assert_eq!(times(&sent, 3), [40]);
}

// req: HI-7
#[test]
fn checks_anew_take_at_most_half_of_the_share_of_an_address() {
    let mut script = paced(Role::Controlling, 20);
    for port in 1..=5 {
        script.tell_candidate(candidate(&format!(
            "{port} 1 udp {port} 192.0.2.1 {port} typ host"
        )));
    }
    let sent = script.run(15 * SECOND);
    let ids: BTreeSet<_> = sent.iter().map(|sent| *sent.id().as_bytes()).collect();
    assert_eq!(ids.len(), 10);
    let sent = script.run(60 * SECOND);
    assert!(!sent.is_empty(), "silent pairs still get a second chance");
}

// req: I-48
#[test]
fn a_nomination_without_an_answer_is_repeated_with_its_number() {
    let mut script = Script::with(
        Role::Controlling,
        |_| {},
        |description| {
            description.pacing = Some(20 * MILLISECOND);
            description.options.renomination = true;
        },
    );
    script.tell("192.0.2.1:1");
    let plain = |sent: &Sent| (!sent.nominates()).then_some(sent.source);
    let sent = script.run_answered(400 * MILLISECOND, plain);
    let named: Vec<&Sent> = sent.iter().filter(|sent| sent.nominates()).collect();
    assert!(named.len() >= 3, "{}", named.len());
    let value = |sent: &Sent| {
        let kind = stun_proto::attribute::AttributeType::new(0xc001);
        sent.message().raw(kind).map(<[u8]>::to_vec)
    };
    assert!(named.iter().all(|sent| value(sent) == value(named[0])));
    // An answer to the first is enough, and then no more are sent.
    let answer = script.success(named[0], named[0].source);
    assert!(script.feed(named[0].to, &answer).is_consumed());
    assert_eq!(script.agent.state(), ice_lite::State::Completed);
    let more = script.run_answered(2 * SECOND, plain);
    assert!(more.iter().all(|sent| !sent.is(Class::Request)));
}

// req: I-29, I-24
#[test]
fn the_slower_proposal_counts_and_a_peer_that_proposes_nothing_wants_fifty_milliseconds() {
    let interval = |ours: u64, theirs: Option<u64>| {
        let mut script = Script::with(
            Role::Controlling,
            |config| config.timing.pace = Duration::from_millis(ours),
            |description| description.pacing = theirs.map(Duration::from_millis),
        );
        for number in 1..=3 {
            script.tell_candidate(candidate(&format!(
                "{number} 1 udp {number} 192.0.2.{number} 1 typ host"
            )));
        }
        let times = times(&script.run(300 * MILLISECOND), 1);
        assert_eq!(times[2] - times[1], times[1] - times[0]);
        times[1] - times[0]
    };
    assert_eq!(interval(20, Some(20)), 20);
    assert_eq!(interval(20, Some(5)), 20);
    assert_eq!(interval(20, Some(35)), 35);
    assert_eq!(interval(20, None), 50);
    assert_eq!(interval(100, None), 100);
    let proposed = Script::new(Role::Controlling);
    let proposed = proposed.agent.description();
    assert_eq!(proposed.pacing, None, "the peer has agreed on the default");
    assert_eq!(Pacer::DEFAULT, 50 * MILLISECOND);
    let config = ice_lite::Config::new([1; 32], Role::Controlling);
    let agent = ice_lite::Agent::new(config).expect("good");
    assert_eq!(agent.description().pacing, Some(20 * MILLISECOND));
}

// req: I-24, I-29
#[test]
fn a_shared_pacer_that_is_faster_does_not_break_what_the_two_sides_agreed_on() {
    let mut script = paced(Role::Controlling, 35);
    for number in 1..=3 {
        script.tell_candidate(candidate(&format!(
            "{number} 1 udp {number} 192.0.2.{number} 1 typ host"
        )));
    }
    let mut pacer = Pacer::new(5 * MILLISECOND);
    let mut buffer = [0; ice_lite::Agent::BUFFER];
    let mut times = Vec::new();
    let start = script.now;
    while times.len() < 3 {
        let sent = script
            .agent
            .poll_transmit_paced(script.now, &mut pacer, &mut buffer);
        if sent.is_some() {
            times.push((script.now.saturating_since(start)).as_millis());
        } else {
            let next = script.agent.poll_timeout_paced(&pacer).expect("more to do");
            assert!(next > script.now);
            script.now = next;
        }
    }
    assert_eq!(times, [0, 35, 70]);
}
