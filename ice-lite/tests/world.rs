//! Agents behind NAT boxes connect exactly where there is a way.

extern crate alloc;

mod common;

use common::world::{Match, Options, Side, Telling};
use core::time::Duration;
use testkit::Link;
use testkit::world::{Dependence, Firewall, Gateway, Hairpin, Nat, PortPolicy, Reach};

const SECOND: Duration = Duration::from_secs(1);

/// The five kinds of box that have names, and none.
fn kinds() -> Vec<(&'static str, Side)> {
    vec![
        ("public", Side::public()),
        ("full cone", Side::behind([Nat::FULL_CONE])),
        (
            "address restricted",
            Side::behind([Nat::ADDRESS_RESTRICTED]),
        ),
        ("port restricted", Side::behind([Nat::PORT_RESTRICTED])),
        ("symmetric", Side::behind([Nat::SYMMETRIC])),
    ]
}

/// All mappings with all filters.
fn nine() -> Vec<(String, Side)> {
    let mut sides = Vec::new();
    for mapping in Dependence::ALL {
        for filtering in Dependence::ALL {
            let name = format!("{mapping:?} mapping, {filtering:?} filter");
            sides.push((name, Side::behind([Nat::new(mapping, filtering)])));
        }
    }
    sides
}

/// Runs until the oracle is proven right, and gives what it said.
fn judge(name: &str, mut game: Match) -> Reach {
    let reach = game.reach();
    match reach {
        Reach::Direct | Reach::Asymmetric => {
            assert!(game.connect(40 * SECOND), "{name}: {}", game.why());
            let path = game.player(0).agent.path().expect("a path");
            assert!(!path.is_relayed(), "{name}: {}", game.why());
        }
        Reach::Relayed => {
            assert!(game.connect(40 * SECOND), "{name}: {}", game.why());
            let path = game.player(0).agent.path().expect("a path");
            assert!(path.is_relayed(), "{name}: {path:?}");
            assert!(game.relayed_bytes() > 0);
        }
        // Nothing is foretold here, so a relay is the only way, if there is one.
        Reach::Predicted if game.has_relay() => {
            assert!(game.connect(40 * SECOND), "{name}: {}", game.why());
        }
        Reach::Impossible | Reach::Predicted => {
            assert!(game.fail(45 * SECOND), "{name}: {}", game.why());
        }
        Reach::Uncertain => {}
    }
    reach
}

/// How often the oracle gave each answer.
fn count(answers: &[Reach], wanted: Reach) -> usize {
    answers.iter().filter(|&&answer| answer == wanted).count()
}

// req: HI-14
#[test]
fn agents_connect_if_and_only_if_the_oracle_says_so() {
    let mut answers = Vec::new();
    for telling in [Telling::Trickle, Telling::Whole] {
        for (one, side) in kinds() {
            for (other, peer) in kinds() {
                let options = Options {
                    telling,
                    ..Options::default()
                };
                let game = Match::new(3, [side.clone(), peer.clone()], options);
                answers.push(judge(&format!("{one} and {other}, {telling:?}"), game));
            }
        }
    }
    assert!(count(&answers, Reach::Direct) > 30, "{answers:?}");
    assert!(answers.len() > count(&answers, Reach::Direct) + count(&answers, Reach::Uncertain));
}

#[test]
fn every_mapping_with_every_filter_ends_as_the_oracle_says() {
    let mut answers = Vec::new();
    for (seed, (one, side)) in (100..).zip(nine()) {
        for (other, peer) in nine() {
            let game = Match::new(seed, [side.clone(), peer.clone()], Options::default());
            answers.push(judge(&format!("{one} and {other}"), game));
        }
    }
    assert_eq!(answers.len(), 81);
    assert!(count(&answers, Reach::Direct) > 40, "{answers:?}");
}

#[test]
fn with_a_relay_every_pair_of_boxes_connects_and_the_relay_is_used_only_where_it_must_be() {
    for (one, side) in nine() {
        for (other, peer) in nine() {
            let options = Options {
                relay: true,
                ..Options::default()
            };
            let game = Match::new(5, [side.clone(), peer.clone()], options);
            let answer = judge(&format!("{one} and {other}"), game);
            assert!(answer != Reach::Impossible, "{one} and {other}");
        }
    }
}

#[test]
fn a_player_whose_firewall_lets_no_udp_out_fails_in_time() {
    let sides = [
        Side::behind([Gateway::Firewall(Firewall::NO_UDP)]),
        Side::public(),
    ];
    let mut game = Match::new(1, sides, Options::default());
    assert_eq!(game.reach(), Reach::Impossible);
    assert!(game.fail(45 * SECOND), "{}", game.why());
    assert!(game.why().contains("relay"), "{}", game.why());
}

#[test]
fn carrier_grade_and_double_boxes_connect_where_they_can() {
    let chains = [
        vec![Nat::CARRIER, Nat::PORT_RESTRICTED],
        vec![Nat::PORT_RESTRICTED, Nat::PORT_RESTRICTED],
        vec![Nat::ADDRESS_RESTRICTED, Nat::FULL_CONE],
        vec![Nat::CARRIER, Nat::ADDRESS_RESTRICTED, Nat::PORT_RESTRICTED],
    ];
    for one in &chains {
        for other in &chains {
            for relay in [false, true] {
                let options = Options {
                    relay,
                    ..Options::default()
                };
                let sides = [Side::behind(one.clone()), Side::behind(other.clone())];
                judge(
                    &format!("{one:?} and {other:?}"),
                    Match::new(8, sides, options),
                );
            }
        }
    }
}

#[test]
fn loss_delays_a_connection_and_does_not_prevent_it() {
    for (one, side) in kinds() {
        for seed in 0..8 {
            let mut sides = [side.clone(), Side::behind([Nat::PORT_RESTRICTED])];
            for side in &mut sides {
                let mut link = Link::with_latency(Duration::from_millis(30));
                link.loss = 150;
                side.link = link;
            }
            let options = Options {
                relay: true,
                ..Options::default()
            };
            let mut game = Match::new(seed, sides, options);
            assert!(
                game.connect(40 * SECOND),
                "{one}, seed {seed}: {}",
                game.why()
            );
        }
    }
}

// req: I-7
#[test]
fn foretold_ports_connect_what_the_oracle_calls_predicted() {
    let sequential = |filtering| Nat {
        ports: PortPolicy::Sequential,
        ..Nat::new(Dependence::AddressAndPortDependent, filtering)
    };
    let moving = Side::behind([sequential(Dependence::AddressAndPortDependent)]);
    let fixed = Side::behind([Nat::PORT_RESTRICTED]);
    let mut game = Match::new(2, [moving.clone(), fixed.clone()], Options::default());
    assert_eq!(game.reach(), Reach::Predicted);
    assert!(game.fail(45 * SECOND), "nothing is foretold by default");
    let options = Options {
        predicted: 3,
        ..Options::default()
    };
    for seed in 0..10 {
        for sides in [
            [moving.clone(), fixed.clone()],
            [fixed.clone(), moving.clone()],
        ] {
            let mut game = Match::new(seed, sides, options);
            assert!(game.connect(40 * SECOND), "seed {seed}: {}", game.why());
        }
    }
}

#[test]
fn two_players_in_one_home_use_their_own_network() {
    for hairpin in Hairpin::ALL {
        let mut nat = Nat::PORT_RESTRICTED;
        nat.hairpin = hairpin;
        let mut game = Match::in_one_home(4, nat, Options::default());
        assert_eq!(game.reach(), Reach::Direct);
        assert!(game.connect(2 * SECOND), "{}", game.why());
        let path = game.player(0).agent.path().expect("a path");
        assert!(
            path.remote.ip().to_string().starts_with("192.168."),
            "{path:?}"
        );
    }
}

// req: I-80, I-51
#[test]
fn a_player_that_changes_its_network_is_followed_without_a_restart() {
    for mover in [0, 1] {
        for boxes in [vec![], vec![Nat::PORT_RESTRICTED]] {
            let sides = [Side::behind(boxes.clone()), Side::behind(boxes)];
            let mut game = Match::new(6, sides, Options::default());
            assert!(game.connect(5 * SECOND), "{}", game.why());
            game.move_out(mover);
            assert!(
                game.run_until(20 * SECOND, |players| {
                    let [from, to] = [players[mover], players[1 - mover]];
                    let paths = from.agent.path().zip(to.agent.path());
                    paths.is_some_and(|(from, to)| {
                        from.base.ip().to_string() == "198.51.100.77" && to.remote == from.base
                    })
                }),
                "player {mover}: {}",
                game.why()
            );
            let before = game.player(1 - mover).data;
            game.run(2 * SECOND);
            assert!(game.player(1 - mover).data > before + 5, "data goes on");
        }
    }
}

// req: X-7
#[test]
fn the_same_seed_gives_the_same_log() {
    let run = |seed| {
        let mut side = Side::behind([Nat::PORT_RESTRICTED]);
        side.link.loss = 200;
        side.link.jitter = Duration::from_millis(20);
        let mut game = Match::new(seed, [side.clone(), side], Options::default());
        game.run(20 * SECOND);
        (
            game.world.log().digest(),
            game.player(0).agent.timeline().to_string(),
            game.player(1).agent.timeline().to_string(),
        )
    };
    assert_eq!(run(11), run(11));
    assert_ne!(run(11).0, run(12).0);
}
