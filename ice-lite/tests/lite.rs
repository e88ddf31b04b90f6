//! The rules of lite agents (RFC 8445 sections 2.5, 6.1.1, 7.3.2, 8.2) and of a path in use.

extern crate alloc;

mod common;

use common::script::{Script, address, requests};
use common::{Two, config};
use core::time::Duration;
use ice_lite::{Config, LocalCandidate, Role, State};
use stun_proto::Class;
use testkit::Link;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

// req: I-70
#[test]
fn a_lite_agent_has_host_candidates_only_and_says_that_it_is_lite() {
    let mut agent = common::agent(Config::lite([1; 32]));
    let now = proto_core::Instant::ZERO;
    for host in ["192.0.2.1:4000", "[2001:db8::1]:4000"] {
        assert!(
            agent
                .add_local(now, LocalCandidate::host(address(host)))
                .is_ok()
        );
    }
    let server = address("198.51.100.1:1").ip();
    let base = address("192.0.2.1:4000");
    let other = LocalCandidate::server_reflexive(address("203.0.113.1:1"), base, server);
    assert!(agent.add_local(now, other).is_err());
    let description = agent.description();
    assert!(description.lite);
    assert_eq!(description.candidates.len(), 2);
    assert_ne!(
        description.candidates[0].foundation,
        description.candidates[1].foundation
    );
}

fn lite_server() -> Script {
    Script::with(
        Role::Controlled,
        |config| config.implementation = ice_lite::Implementation::Lite,
        |_| {},
    )
}

// req: I-17, I-71
#[test]
fn a_lite_agent_never_checks_and_never_controls() {
    let mut script = lite_server();
    script.tell("10.0.0.2:5000");
    let mut check = script.check();
    check.role = Some(Role::Controlled);
    let answer = script.ask(Script::peer(), &check).expect("an answer");
    assert_eq!(answer.error(), Some(487), "whatever the tie-breaker");
    assert_eq!(script.agent.role(), Role::Controlled);
    let check = script.check();
    assert!(
        script
            .ask(Script::peer(), &check)
            .is_some_and(|answer| answer.is(Class::Success))
    );
    let sent = script.run(20 * SECOND);
    assert!(requests(&sent).is_empty());
}

// req: I-72
#[test]
fn a_lite_agent_takes_a_nomination_for_proof_and_the_latest_counts() {
    let mut script = lite_server();
    let check = script.check();
    assert!(script.ask(Script::peer(), &check).is_some());
    assert_eq!(
        script.agent.path(),
        None,
        "a check alone proves nothing to it"
    );
    let mut check = script.check();
    check.nominates = true;
    assert!(script.ask(Script::peer(), &check).is_some());
    assert_eq!(script.agent.state(), State::Completed);
    assert_eq!(
        script.agent.path().map(|path| path.remote),
        Some(Script::peer())
    );
    let moved = address("10.0.0.9:9000");
    let mut check = script.check();
    check.nominates = true;
    assert!(script.ask(moved, &check).is_some());
    assert_eq!(script.agent.path().map(|path| path.remote), Some(moved));
}

// req: I-74
#[test]
fn a_lite_agent_gives_up_a_peer_that_asks_nothing_for_thirty_seconds() {
    let mut script = lite_server();
    for _ in 0..10 {
        let mut check = script.check();
        check.nominates = true;
        assert!(script.ask(Script::peer(), &check).is_some());
        let sent = script.run(29 * SECOND);
        assert!(!sent.is_empty(), "it keeps the mapping open");
        assert!(sent.iter().all(|sent| sent.is(Class::Indication)));
        assert_eq!(script.agent.state(), State::Disconnected);
        assert!(script.agent.path().is_some());
    }
    script.run(2 * SECOND);
    assert_eq!(script.agent.state(), State::Failed);
    assert_eq!(script.agent.path(), None);
}

// req: I-14, I-73
#[test]
fn a_full_agent_controls_a_lite_one_and_two_lite_ones_agree_without_checks() {
    let link = Link::with_latency(20 * MILLISECOND);
    for roles in [Role::Controlling, Role::Controlled] {
        let mut two = Two::new(1, link, config(1, roles), Config::lite([2; 32]));
        two.introduce();
        assert!(two.complete(SECOND), "{}", two.client().why());
        assert_eq!(two.client().role(), Role::Controlling);
        assert_eq!(two.server().role(), Role::Controlled);
        two.run(120 * SECOND);
        assert_eq!(
            two.server().state(),
            State::Completed,
            "consent keeps it alive"
        );
    }
    let mut initiator = Config::lite([1; 32]);
    initiator.role = Role::Controlling;
    let mut two = Two::new(1, link, initiator, Config::lite([2; 32]));
    two.introduce();
    two.run(SECOND);
    let [client, server] = two.paths();
    assert_eq!(client.map(|path| path.remote), Some(Two::SERVER));
    assert_eq!(server.map(|path| path.remote), Some(Two::CLIENT));
    assert_eq!(
        two.client().stats().requests_sent + two.server().stats().requests_sent,
        0
    );
}

// req: I-76
#[test]
fn a_path_is_never_silent_for_longer_than_tr() {
    let mut script = lite_server();
    let mut check = script.check();
    check.nominates = true;
    assert!(script.ask(Script::peer(), &check).is_some());
    let sent = script.run(15 * SECOND);
    assert_eq!(sent.len(), 1);
    assert!(sent[0].is(Class::Indication) && !sent[0].message().has_integrity());
    assert_eq!(sent[0].to, Script::peer());

    // A full agent asks for consent more often than that, so it needs none.
    let mut script = Script::new(Role::Controlling);
    script.connect();
    let sent = script.run_answered(120 * SECOND, |sent| Some(sent.source));
    assert!(sent.iter().all(|sent| sent.is(Class::Request)));
    let gaps = sent
        .windows(2)
        .map(|two| two[1].at.saturating_since(two[0].at));
    assert!(gaps.max().is_some_and(|gap| gap <= 6 * SECOND));
}
