//! The rules of consent (RFC 7675).

extern crate alloc;

mod common;

use common::script::{Script, Sent, address};
use core::time::Duration;
use ice_lite::{Credentials, DropReason, Event, RestartReason, Role, SendError, State};
use proto_core::Handled;
use stun_proto::Class;
use stun_proto::attribute::ErrorNumber;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn fresh(name: &str) -> Credentials {
    Credentials::new(name, &name.repeat(6)).expect("good")
}

/// All consent checks that a connected agent sends while nobody answers.
fn silent(script: &mut Script, duration: Duration) -> Vec<Sent> {
    let sent = script.run(duration);
    sent.into_iter()
        .filter(|sent| sent.is(Class::Request))
        .collect()
}

// req: C-1
#[test]
fn consent_is_asked_for_with_new_transactions_that_are_never_repeated() {
    let mut script = Script::new(Role::Controlling);
    script.connect();
    let asked = script.run_answered(100 * SECOND, |sent| Some(sent.source));
    let gaps: Vec<Duration> = asked
        .windows(2)
        .map(|two| two[1].at.saturating_since(two[0].at))
        .collect();
    assert!(
        gaps.iter()
            .all(|gap| (4 * SECOND..=6 * SECOND).contains(gap)),
        "{gaps:?}"
    );
    assert!((16..=25).contains(&asked.len()));
    let unanswered = silent(&mut script, 25 * SECOND);
    let ids: alloc::collections::BTreeSet<_> = unanswered
        .iter()
        .chain(&asked)
        .map(|sent| sent.id().as_bytes().to_vec())
        .collect();
    assert_eq!(ids.len(), asked.len() + unanswered.len());
    assert_eq!(script.agent.state(), State::Disconnected);
}

// req: C-2, HI-9
#[test]
fn thirty_seconds_after_the_last_answer_nothing_but_stun_is_sent() {
    for role in [Role::Controlling, Role::Controlled] {
        let mut script = Script::new(role);
        script.connect();
        let asked = script.run_answered(20 * SECOND, |sent| Some(sent.source));
        let last = asked.last().expect("consent is asked for").at;
        let mut ended = None;
        while ended.is_none() {
            // Neither data nor checks of the peer are consent.
            let _ = script.feed(Script::peer(), b"data");
            let check = script.check();
            let _ = script.feed(Script::peer(), &check.bytes());
            script.run(10 * MILLISECOND);
            match script.agent.send(script.now, 0..1) {
                Ok(_) => assert!(script.now.saturating_since(last) < 30 * SECOND),
                Err(error) => {
                    assert_eq!(error, SendError::NoPath);
                    ended = Some(script.now.saturating_since(last));
                }
            }
        }
        let ended = ended.expect("it ends");
        assert!(
            (30 * SECOND..=30 * SECOND + 10 * MILLISECOND).contains(&ended),
            "{ended:?}"
        );
        let events = script.events();
        assert!(
            events
                .iter()
                .any(|event| matches!(event, Event::ConsentExpired(_)))
        );
        let asks = Event::RestartNeeded(RestartReason::ConsentLost);
        assert!(events.contains(&asks));
        assert_eq!(script.agent.state(), State::Failed);
    }
}

// req: C-2, HI-3
#[test]
fn spoofed_and_replayed_answers_give_no_consent() {
    let mut script = Script::new(Role::Controlling);
    script.connect();
    let asked = script.run_answered(20 * SECOND, |sent| Some(sent.source));
    let last = asked.last().expect("one").clone();
    let old = script.success(&last, Script::local());
    let mut forged_drops = 0;
    for _ in 0..31 {
        let replayed = script.feed(Script::peer(), &old);
        assert_eq!(replayed, Handled::Dropped(DropReason::UnknownTransaction));
        for sent in script.run(SECOND) {
            if !sent.is(Class::Request) {
                continue;
            }
            // A spoofer who sees the question does not know the password, or sits elsewhere.
            let good = script.success(&sent, Script::local());
            let mut forged = good.clone();
            forged[40] ^= 1;
            let refused = script.feed(Script::peer(), &forged);
            assert!(matches!(refused, Handled::Dropped(_)), "{refused:?}");
            let elsewhere = script.feed(address("10.0.0.66:1"), &good);
            assert_eq!(elsewhere, Handled::Dropped(DropReason::WrongAddress));
            forged_drops += 1;
        }
    }
    assert!(forged_drops >= 4);
    assert_eq!(script.agent.state(), State::Failed);
}

// req: C-3
#[test]
fn a_signed_403_takes_consent_back_at_once_and_an_unsigned_one_does_not() {
    let mut script = Script::new(Role::Controlling);
    script.connect();
    let asked = silent(&mut script, 6 * SECOND).remove(0);
    let refusal = script.error(&asked, ErrorNumber::FORBIDDEN);
    let mut forged = refusal.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let _ = script.feed(Script::peer(), &forged);
    assert!(script.agent.send(script.now, 0..1).is_ok());
    assert!(script.feed(Script::peer(), &refusal).is_consumed());
    assert_eq!(
        script.agent.send(script.now, 0..1).err(),
        Some(SendError::NoPath)
    );
    assert_eq!(script.agent.state(), State::Failed);
}

// req: C-4
#[test]
fn after_lost_consent_only_a_restart_leads_on() {
    let mut script = Script::new(Role::Controlling);
    script.connect();
    script.run(40 * SECOND);
    assert_eq!(script.agent.state(), State::Failed);
    let check = script.check();
    let _ = script.feed(Script::peer(), &check.bytes());
    script.run_answered(5 * SECOND, |sent| Some(sent.source));
    assert_eq!(script.agent.path(), None);
    assert!(script.agent.restart(script.now).is_ok());
    script.theirs = fresh("back");
    assert!(
        script
            .agent
            .set_remote_credentials(script.now, script.theirs.clone())
            .is_ok()
    );
    script.connect();
    assert!(script.agent.path().is_some());
}

// req: C-5
#[test]
fn missed_checks_are_told_from_the_third_on() {
    let mut script = Script::new(Role::Controlling);
    script.connect();
    script.run(29 * SECOND);
    let told: Vec<u32> = script
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Unresponsive { missed } => Some(missed),
            _ => None,
        })
        .collect();
    assert!(told.starts_with(&[3, 4]), "{told:?}");
}
