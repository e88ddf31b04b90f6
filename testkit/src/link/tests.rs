use super::state::Spoil;
use super::*;
use crate::Dice;
use alloc::rc::Rc;
use proto_core::Instant;

fn state(link: Link, seed: u64) -> LinkState {
    LinkState::new(link, Rc::from(""), Dice::new(seed))
}

fn arrivals(link: Link, count: usize) -> Vec<Fate> {
    let mut state = state(link, 3);
    (0..count)
        .map(|i| state.pass(Instant::from_millis(i as u64), 100))
        .collect()
}

#[test]
fn a_perfect_link_delivers_once_at_once_and_a_dead_one_never() {
    for (i, fate) in arrivals(Link::PERFECT, 100).iter().enumerate() {
        assert_eq!(fate.arrivals, [Some(Instant::from_millis(i as u64)), None]);
    }
    assert!(
        arrivals(Link::DEAD, 100)
            .iter()
            .all(|fate| *fate == Fate::default())
    );
}

#[test]
fn bursts_lose_neighbours_together() {
    let burst = Burst {
        enter: 20,
        leave: 200,
        loss: 1000,
    };
    let link = Link {
        burst: Some(burst),
        ..Link::PERFECT
    };
    let lost: Vec<bool> = arrivals(link, 10_000)
        .iter()
        .map(|fate| fate.arrivals[0].is_none())
        .collect();
    let total = lost.iter().filter(|&&lost| lost).count();
    let runs = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
    assert!((500..1500).contains(&total), "{total}");
    assert!(total > 3 * runs, "{total} lost in {runs} runs");
}

#[test]
fn a_slow_link_spreads_datagrams_and_drops_what_its_queue_cannot_hold() {
    let rate = Rate {
        bytes_per_second: 10_000,
        queue_bytes: 250,
    };
    let link = Link {
        rate: Some(rate),
        ..Link::PERFECT
    };
    let mut state = state(link, 1);
    let fates: Vec<_> = (0..5)
        .map(|_| state.pass(Instant::ZERO, 100).arrivals[0])
        .collect();
    let at = |millis| Some(Instant::from_millis(millis));
    assert_eq!(fates, [at(10), at(20), at(30), None, None]);
}

#[test]
fn what_exceeds_the_mtu_is_lost() {
    let link = Link {
        mtu_bytes: 99,
        ..Link::PERFECT
    };
    assert!(
        arrivals(link, 3)
            .iter()
            .all(|fate| fate.arrivals[0].is_none())
    );
}

#[test]
fn duplicates_and_late_ones_come_within_the_stated_time() {
    let link = Link {
        latency: Duration::from_millis(5),
        duplicate: 500,
        reorder: 500,
        ..Link::PERFECT
    };
    let fates = arrivals(link, 1000);
    assert!(fates.iter().any(|fate| fate.arrivals[1].is_some()));
    for (i, fate) in fates.iter().enumerate() {
        for arrival in fate.arrivals.into_iter().flatten() {
            let taken = arrival.saturating_since(Instant::from_millis(i as u64));
            assert!(taken >= link.latency && taken <= link.latency + 2 * link.reorder_by);
        }
    }
}

/// Delays in milliseconds of 10,000 datagrams with a jitter of 100 ms.
fn delays(jitter_shape: Jitter, jitter_memory: u32) -> Vec<u128> {
    let link = Link {
        jitter: Duration::from_millis(100),
        jitter_shape,
        jitter_memory,
        ..Link::PERFECT
    };
    let fates = arrivals(link, 10_000).into_iter().enumerate();
    let taken = fates.map(|(i, fate)| {
        let arrival = fate.arrivals[0].expect("nothing is lost");
        arrival
            .saturating_since(Instant::from_millis(i as u64))
            .as_millis()
    });
    taken.collect()
}

// req: SIM-3
#[test]
fn jitter_has_the_shape_that_it_says() {
    let share = |delays: &[u128], range: core::ops::Range<u128>| {
        let hits = delays.iter().filter(|delay| range.contains(delay)).count();
        hits * 100 / delays.len()
    };
    let uniform = delays(Jitter::Uniform, 0);
    assert!((23..27).contains(&share(&uniform, 0..25)));
    assert_eq!(share(&uniform, 0..101), 100);
    let normal = delays(Jitter::Normal, 0);
    assert!(share(&normal, 25..75) > 90, "mostly near the middle");
    assert_eq!(share(&normal, 0..101), 100);
    let pareto = delays(Jitter::Pareto, 0);
    assert!(
        (70..80).contains(&share(&pareto, 0..100)),
        "three of four below it"
    );
    assert!(share(&pareto, 400..2001) >= 3, "and a long tail");
    assert!(pareto.iter().all(|delay| *delay <= 2000));
}

// req: SIM-3
#[test]
fn jitter_with_a_memory_moves_in_waves() {
    let steps = |delays: &[u128]| {
        let steps = delays.windows(2).map(|pair| pair[0].abs_diff(pair[1]));
        steps.sum::<u128>() / delays.len() as u128
    };
    let (without, with) = (delays(Jitter::Uniform, 0), delays(Jitter::Uniform, 900));
    assert!(
        steps(&without) > 5 * steps(&with),
        "{} {}",
        steps(&without),
        steps(&with)
    );
}

// req: SIM-3
#[test]
fn ends_are_missing_and_bytes_are_added_as_often_as_it_says() {
    let link = Link {
        truncate: 100,
        extend: 100,
        ..Link::PERFECT
    };
    let mut lengths = [0; 3];
    for fate in arrivals(link, 10_000) {
        let mut bytes = vec![7; 100];
        fate.spoil(&mut bytes);
        lengths[match bytes.len() {
            0..100 => 0,
            100 => 1,
            _ => 2,
        }] += 1;
        assert!(bytes.len() <= 116);
        assert_eq!(fate.spoils(), bytes.len() != 100);
        assert!(!matches!(fate.spoiled, Some(Spoil::Flip(_))));
    }
    assert!(
        (900..1100).contains(&lengths[0]) && (800..1100).contains(&lengths[2]),
        "{lengths:?}"
    );
}

// req: SIM-3
#[test]
fn a_blackout_loses_the_end_of_each_period() {
    let link = Link {
        blackout: Some(Blackout {
            every: Duration::from_millis(100),
            lasts: Duration::from_millis(30),
        }),
        ..Link::PERFECT
    };
    for (i, fate) in arrivals(link, 1000).iter().enumerate() {
        assert_eq!(fate.arrivals[0].is_none(), i % 100 >= 70, "at {i} ms");
    }
    let none = Blackout {
        every: Duration::ZERO,
        lasts: Duration::from_secs(1),
    };
    let link = Link {
        blackout: Some(none),
        ..Link::PERFECT
    };
    assert!(
        arrivals(link, 10)
            .iter()
            .all(|fate| fate.arrivals[0].is_some())
    );
}

// req: SIM-3
#[test]
fn a_queue_that_drops_early_stays_shorter() {
    let lost_and_longest = |early_drop| {
        let link = Link {
            rate: Some(Rate {
                bytes_per_second: 95_000,
                queue_bytes: 20_000,
            }),
            early_drop,
            ..Link::PERFECT
        };
        // 100 bytes each millisecond are a little more than pass.
        let fates = arrivals(link, 20_000);
        let delays = fates.iter().enumerate().filter_map(|(i, fate)| {
            let sent = Instant::from_millis(i as u64);
            Some(fate.arrivals[0]?.saturating_since(sent).as_millis())
        });
        delays.max().expect("some pass")
    };
    assert!(lost_and_longest(false) >= 200);
    assert!(lost_and_longest(true) < 180);
}
