//! Answers that come from elsewhere than their check went to: boxes that give each remote a port of its own and let others in.

extern crate alloc;

mod common;

use common::script::{Script, Sent, address, requests};
use common::world::{Match, Options, Side};
use core::net::SocketAddr;
use core::time::Duration;
use ice_lite::{Config, DropReason, PairState, Profile, Role, State};
use proto_core::Handled;
use stun_proto::Class;
use stun_proto::attribute::AttributeType;
use testkit::Link;
use testkit::world::{Dependence, Nat, PortPolicy, Reach};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// Says that the sender takes answers from elsewhere.
const TAKES_ASYMMETRIC: u16 = 0xc0a5;

/// Lets time pass for an agent whose peer answers each request from the next port.
fn run_crossed(script: &mut Script, duration: Duration) -> Vec<Sent> {
    let end = script.now + duration;
    let mut all = Vec::new();
    loop {
        for sent in script.send() {
            if sent.is(Class::Request) {
                let from = SocketAddr::new(sent.to.ip(), sent.to.port() + 1);
                let answer = script.success(&sent, sent.source);
                assert!(script.feed(from, &answer).is_consumed());
            }
            all.push(sent);
        }
        match script.agent.poll_timeout() {
            Some(next) if next <= end => script.now = next.max(script.now + MILLISECOND),
            _ => break,
        }
    }
    script.now = end;
    all
}

fn nominations(sent: &[Sent]) -> Vec<(u64, u16)> {
    let named = requests(sent).into_iter().filter(|sent| sent.nominates());
    named
        .map(|sent| (sent.at.as_millis() - 1000, sent.to.port()))
        .collect()
}

fn data(script: &mut Script, from: &str) -> bool {
    let handled = script.feed(address(from), b"data");
    matches!(handled, Handled::Inner { .. })
}

/// The peer checks this agent from an address, and says whether it takes answers from elsewhere.
fn peer_checks(script: &mut Script, from: &str, takes: bool) {
    let mut check = script.check();
    check.extra = takes.then(|| (TAKES_ASYMMETRIC, Vec::new()));
    assert!(script.ask(address(from), &check).is_some());
}

#[test]
fn a_pair_that_is_answered_from_elsewhere_carries_data_and_is_not_named_to_a_peer_that_may_not_use_it()
 {
    let mut script = Script::new(Role::Controlling);
    script.tell("192.0.2.1:1");
    assert!(!data(&mut script, "192.0.2.1:2"));
    let sent = run_crossed(&mut script, 30 * SECOND);
    assert_eq!(script.agent.state(), State::Connected);
    let pair = script.pair_to("192.0.2.1:1");
    assert!(pair.is_valid);
    assert_eq!(pair.answers_from, Some(address("192.0.2.1:2")));
    let transmit = script.agent.send(script.now, 0..4).expect("a path");
    assert_eq!(transmit.destination, address("192.0.2.1:1"));
    assert!(
        data(&mut script, "192.0.2.1:2"),
        "the peer sends from there"
    );
    assert!(data(&mut script, "192.0.2.1:1"));
    assert!(!data(&mut script, "192.0.2.1:3"));
    assert_eq!(nominations(&sent), []);
    script.end();
    let sent = run_crossed(&mut script, 15 * SECOND);
    assert_eq!(nominations(&sent), []);
    assert_eq!(script.agent.state(), State::Failed, "it is not left so");
}

#[test]
fn a_peer_that_takes_such_answers_is_told_to_use_the_pair_after_a_second() {
    let mut script = Script::new(Role::Controlling);
    script.tell("192.0.2.1:1");
    peer_checks(&mut script, "192.0.2.1:2", true);
    let sent = run_crossed(&mut script, 999 * MILLISECOND);
    assert_eq!(nominations(&sent), []);
    let sent = run_crossed(&mut script, 500 * MILLISECOND);
    assert_eq!(nominations(&sent), [(1050, 1)], "both work since 50 ms");
    assert_eq!(script.agent.state(), State::Completed);
    let why = script.agent.why();
    assert!(why.contains("come from 192.0.2.1:2"), "{why}");
    run_crossed(&mut script, 120 * SECOND);
    assert_eq!(script.agent.state(), State::Completed, "consent is renewed");
}

#[test]
fn a_lite_peer_takes_every_nomination_for_proof() {
    let lite = |description: &mut ice_lite::Description| description.lite = true;
    let mut script = Script::with(Role::Controlling, |_| {}, lite);
    script.tell("192.0.2.1:1");
    let sent = run_crossed(&mut script, 2 * SECOND);
    assert_eq!(nominations(&sent), [(1000, 1)]);
    assert_eq!(script.agent.state(), State::Completed);
}

#[test]
fn a_symmetric_pair_goes_before_and_takes_over_when_it_comes_late() {
    for late in [false, true] {
        let mut script = Script::new(Role::Controlling);
        script.tell("192.0.2.1:1");
        peer_checks(&mut script, "192.0.2.1:2", true);
        run_crossed(
            &mut script,
            if late { 2 * SECOND } else { 100 * MILLISECOND },
        );
        let used = script.agent.path().map(|path| path.remote.port());
        assert!(used.is_some_and(|port| port != 9));
        peer_checks(&mut script, "192.0.2.1:9", true);
        let sent = script.run_answered(SECOND, |sent| (sent.to.port() == 9).then_some(sent.source));
        assert_eq!(nominations(&sent).last().map(|&(_, port)| port), Some(9));
        let used = script.agent.path().map(|path| path.remote.port());
        assert_eq!(used, Some(9), "{late}: {}", script.agent.why());
    }
}

#[test]
fn a_controlled_agent_follows_a_nomination_of_such_a_pair() {
    let mut script = Script::new(Role::Controlled);
    script.tell("192.0.2.1:1");
    let mut check = script.check();
    check.nominates = true;
    assert!(script.ask(address("192.0.2.1:1"), &check).is_some());
    assert_ne!(script.agent.state(), State::Completed);
    run_crossed(&mut script, SECOND);
    assert_eq!(script.agent.state(), State::Completed);
    let path = script.agent.path().expect("a path");
    assert_eq!(path.remote, address("192.0.2.1:1"));
}

// req: HI-3
#[test]
fn whoever_lacks_the_transaction_or_the_password_changes_nothing() {
    let mut script = Script::new(Role::Controlling);
    script.tell("192.0.2.1:1");
    let check = script.send().remove(0);
    let good = script.success(&check, Script::local());
    let mut unsigned = good.clone();
    unsigned[40] ^= 1;
    let mut other = good;
    other[19] ^= 1;
    let stranger = address("198.51.100.66:6");
    for bytes in [unsigned, other] {
        let refused = script.feed(stranger, &bytes);
        assert!(matches!(refused, Handled::Dropped(_)), "{refused:?}");
    }
    assert_eq!(script.states(), [PairState::InProgress]);
    assert!(!data(&mut script, "198.51.100.66:6"));
    assert!(script.agent.path().is_none());
}

#[test]
fn consent_is_given_from_where_answers_came_before_and_from_nowhere_else() {
    let mut script = Script::new(Role::Controlling);
    script.tell("192.0.2.1:1");
    run_crossed(&mut script, 2 * SECOND);
    let consent = script.run(5 * SECOND);
    let consent = requests(&consent)[0].clone();
    let answer = script.success(&consent, Script::local());
    let elsewhere = script.feed(address("192.0.2.1:3"), &answer);
    assert_eq!(elsewhere, Handled::Dropped(DropReason::WrongAddress));
    assert!(script.feed(address("192.0.2.1:2"), &answer).is_consumed());
}

#[test]
fn only_checks_to_addresses_that_nobody_told_say_that_such_answers_are_taken() {
    for (strict, learned) in [(false, true), (false, false), (true, true)] {
        let profile = |config: &mut Config| {
            if strict {
                config.profile = Profile::Strict;
            }
        };
        let mut script = Script::with(Role::Controlled, profile, |_| {});
        if !learned {
            script.tell("192.0.2.1:1");
        }
        let check = script.check();
        assert!(script.ask(address("192.0.2.1:1"), &check).is_some());
        let sent = script.run(SECOND);
        let says = |sent: &&Sent| {
            let message = sent.message();
            message.raw(AttributeType::new(TAKES_ASYMMETRIC)).is_some()
        };
        let asked = requests(&sent);
        assert!(!asked.is_empty());
        let said = asked.iter().all(&says);
        assert_eq!(said, learned && !strict);
        assert_eq!(said, asked.iter().any(says));
    }
}

/// Both boxes give each remote a port of its own; the first lets anybody in, the second whoever has the peer's address.
fn crossed(lifetime: Duration) -> [Side; 2] {
    use Dependence::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
    [EndpointIndependent, AddressDependent].map(|filtering| {
        Side::behind([Nat {
            ports: PortPolicy::Random,
            lifetime,
            ..Nat::new(AddressAndPortDependent, filtering)
        }])
    })
}

#[test]
fn players_who_meet_crossed_stay_connected_although_mappings_close_when_idle() {
    for seed in 0..2 {
        let mut game = Match::new(seed, crossed(30 * SECOND), Options::default());
        assert_eq!(game.reach(), Reach::Asymmetric);
        assert!(game.connect(5 * SECOND), "{}", game.why());
        game.stop_gathering();
        for minute in 0..8 {
            let before = [0, 1].map(|index| game.player(index).data);
            game.run(60 * SECOND);
            for (index, before) in before.into_iter().enumerate() {
                let player = game.player(index);
                let gained = player.data - before;
                assert!(
                    gained > 290,
                    "seed {seed}, minute {minute}, player {index}: {gained}, {}",
                    game.why()
                );
                assert_eq!(player.agent.state(), State::Completed);
                let pairs = player.agent.pairs().count();
                assert!(
                    pairs < 20,
                    "new ports are not followed without end: {pairs}"
                );
            }
        }
    }
}

#[test]
fn with_a_strict_agent_on_either_side_there_is_no_way_and_both_say_so() {
    let adjusts: [fn(usize, &mut Config); 3] = [
        |_, config| config.profile = Profile::Strict,
        |index, config| {
            if index == 0 {
                config.profile = Profile::Strict;
            }
        },
        |index, config| {
            if index == 1 {
                config.profile = Profile::Strict;
            }
        },
    ];
    for adjust in adjusts {
        let options = Options {
            adjust,
            ..Options::default()
        };
        let mut game = Match::new(1, crossed(120 * SECOND), options);
        assert!(game.fail(60 * SECOND), "{}", game.why());
        let mut game = Match::new(
            1,
            crossed(120 * SECOND),
            Options {
                relay: true,
                ..options
            },
        );
        assert_eq!(game.reach_symmetric(), Reach::Relayed);
        assert!(game.connect(5 * SECOND), "{}", game.why());
        let path = game.player(0).agent.path().expect("a path");
        assert!(path.is_relayed(), "{}", game.why());
    }
}

#[test]
fn a_conflict_of_roles_is_settled_by_answers_from_elsewhere() {
    for role in [Role::Controlling, Role::Controlled] {
        for seed in 0..8 {
            let adjust: fn(usize, &mut Config) = match role {
                Role::Controlling => |_, config| config.role = Role::Controlling,
                Role::Controlled => |_, config| config.role = Role::Controlled,
            };
            let options = Options {
                adjust,
                ..Options::default()
            };
            let mut game = Match::new(seed, crossed(120 * SECOND), options);
            assert!(game.connect(10 * SECOND), "seed {seed}: {}", game.why());
        }
    }
}

#[test]
fn a_restart_keeps_data_flowing_on_a_crossed_path() {
    for seed in 0..4 {
        let mut game = Match::new(seed, crossed(30 * SECOND), Options::default());
        assert!(game.connect(5 * SECOND), "{}", game.why());
        game.run(4 * SECOND);
        let before = [0, 1].map(|index| game.player(index).data);
        game.restart(0);
        game.run(5 * SECOND);
        for (index, before) in before.into_iter().enumerate() {
            let gained = game.player(index).data - before;
            assert!(gained > 20, "seed {seed}, player {index}: {gained}");
        }
        assert!(game.connect(10 * SECOND), "seed {seed}: {}", game.why());
    }
}

#[test]
fn a_pair_that_is_named_is_known_although_the_peer_has_come_from_many_addresses() {
    use Dependence::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
    let sides = [AddressAndPortDependent, AddressDependent].map(|mapping| {
        let mut side = Side::behind([Nat {
            ports: PortPolicy::Random,
            ..Nat::new(mapping, EndpointIndependent)
        }]);
        side.link = Link {
            latency: 20 * MILLISECOND,
            jitter: 10 * MILLISECOND,
            loss: 100,
            ..Link::PERFECT
        };
        side
    });
    let options = Options {
        relay: true,
        predicted: 4,
        ..Options::default()
    };
    // One run in a thousand: the address from which the pair is named is one more than those that are followed.
    let mut game = Match::new(366, sides, options);
    assert!(game.connect(40 * SECOND), "{}", game.why());
}

#[test]
fn only_a_pair_is_named_whose_other_half_the_peer_checks() {
    // Foretold ports and a relay make many pairs, so that some new addresses are answered and not followed.
    for seed in 1..=20 {
        let options = Options {
            relay: true,
            predicted: 4,
            ..Options::default()
        };
        let mut game = Match::new(seed, crossed(120 * SECOND), options);
        assert!(game.connect(5 * SECOND), "seed {seed}: {}", game.why());
        let path = game.player(0).agent.path().expect("a path");
        assert!(!path.is_relayed(), "seed {seed}: {}", game.why());
    }
    let mut script = Script::new(Role::Controlling);
    script.tell("192.0.2.1:1");
    peer_checks(&mut script, "192.0.2.1:5", true);
    let sent = run_crossed(&mut script, 3 * SECOND);
    assert_eq!(
        nominations(&sent),
        [],
        "no check came from where answers come from"
    );
    peer_checks(&mut script, "192.0.2.1:6", true);
    let sent = run_crossed(&mut script, SECOND);
    assert_eq!(nominations(&sent).len(), 1);
    let used = script.agent.path().map(|path| path.remote.port());
    assert_eq!(used, Some(5), "{}", script.agent.why());
}
