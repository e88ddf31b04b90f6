//! Two agents find each other.

extern crate alloc;

mod common;

use common::{Two, config};
use core::time::Duration;
use ice_lite::{Event, Role, State};
use testkit::Link;

fn link(millis: u64) -> Link {
    Link::with_latency(Duration::from_millis(millis))
}

#[test]
fn two_hosts_choose_the_same_pair_and_tell_the_states_in_order() {
    let mut two = Two::usual(1, link(20));
    two.introduce();
    assert!(
        two.complete(Duration::from_secs(1)),
        "{:?}",
        two.client().why()
    );
    let [client, server] = two.paths();
    let (client, server) = (client.expect("a path"), server.expect("a path"));
    assert_eq!((client.base, client.remote), (Two::CLIENT, Two::SERVER));
    assert_eq!((server.base, server.remote), (Two::SERVER, Two::CLIENT));
    for events in two.events() {
        let states: Vec<State> = events
            .iter()
            .filter_map(|event| match event {
                Event::State(state) => Some(*state),
                _ => None,
            })
            .collect();
        assert_eq!(
            states,
            [State::Checking, State::Connected, State::Completed]
        );
    }
}

#[test]
fn a_chosen_path_lives_for_an_hour_without_data() {
    let mut two = Two::usual(1, link(20));
    two.introduce();
    assert!(two.complete(Duration::from_secs(1)));
    two.events();
    two.run(Duration::from_secs(3600));
    assert_eq!(two.client().state(), State::Completed);
    assert_eq!(two.server().state(), State::Completed);
    for events in two.events() {
        assert_eq!(events, [], "nothing happens on a path that works");
    }
}

#[test]
fn agents_connect_at_any_loss_that_leaves_a_chance() {
    for loss in [100, 200, 300, 400] {
        for seed in 0..20 {
            let mut link = link(40);
            link.loss = loss;
            let mut two = Two::usual(seed, link);
            two.introduce();
            assert!(
                two.complete(Duration::from_secs(40)),
                "seed {seed}, loss {loss}: {}",
                two.client().why()
            );
        }
    }
}

// req: I-15, I-16
#[test]
fn any_two_roles_end_as_one_controlling_and_one_controlled() {
    for (one, other) in [
        (Role::Controlling, Role::Controlling),
        (Role::Controlled, Role::Controlled),
    ] {
        for ties in [(1, 2), (2, 1), (7, u64::MAX)] {
            let (mut client, mut server) = (config(1, one), config(2, other));
            client.tie_breaker = Some(ties.0);
            server.tie_breaker = Some(ties.1);
            let mut two = Two::new(1, link(20), client, server);
            two.introduce();
            assert!(two.complete(Duration::from_secs(3)), "{one:?} {ties:?}");
            assert_eq!(two.client().role(), two.server().role().opposite());
            let expected = if ties.0 > ties.1 {
                Role::Controlling
            } else {
                Role::Controlled
            };
            assert_eq!(
                two.client().role(),
                expected,
                "the larger tie-breaker controls"
            );
        }
    }
}
