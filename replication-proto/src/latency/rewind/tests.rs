use super::*;
use alloc::vec::Vec;
use proptest::prelude::*;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn past() -> Rewind<u8, f64> {
    Rewind::new(RewindConfig::new()).unwrap()
}

fn peer() -> PeerId {
    PeerId::new(5).unwrap()
}

#[test]
fn an_entity_is_not_there_before_it_came_nor_after_it_left() {
    let mut past = past();
    past.record(at(100), 1, 1.0).unwrap();
    past.record(at(200), 1, 2.0).unwrap();
    past.remove(at(300), &1).unwrap();
    let state = |time| past.at(&1, at(time)).map(|past| past.state());
    assert_eq!(state(99), Err(RewindError::NotYet));
    assert_eq!(state(150), Ok(1.5));
    assert_eq!(state(299), Ok(2.0));
    assert_eq!(state(300), Err(RewindError::Gone));
    assert_eq!(past.at(&2, at(150)), Err(RewindError::Unknown));
    assert_eq!(past.all_at(at(150)).count(), 1);
    assert_eq!(past.all_at(at(300)).count(), 0);
}

#[test]
fn a_removed_entity_is_let_go_once_nobody_can_look_back_to_it() {
    let mut past = past();
    past.record(at(0), 1, 1.0).unwrap();
    past.remove(at(10), &1).unwrap();
    assert_eq!(past.remove(at(11), &1), Err(RewindError::Gone));
    past.record(at(1010), 2, 1.0).unwrap();
    assert_eq!(past.len(), 2);
    past.record(at(1011), 2, 1.0).unwrap();
    assert_eq!(past.len(), 1);
}

#[test]
fn a_key_that_is_used_again_has_no_past() {
    let mut past = past();
    past.record(at(0), 1, 1.0).unwrap();
    past.remove(at(10), &1).unwrap();
    past.record(at(20), 1, 5.0).unwrap();
    assert_eq!(past.at(&1, at(15)), Err(RewindError::NotYet));
    // The removal of the first one does not take the second along.
    past.record(at(2000), 2, 1.0).unwrap();
    assert_eq!(past.at(&1, at(2000)).unwrap().state(), 5.0);
}

#[test]
fn a_state_that_was_recorded_long_ago_holds_until_the_next() {
    let mut past = past();
    past.record(at(0), 1, 7.0).unwrap();
    past.record(at(60_000), 2, 1.0).unwrap();
    assert_eq!(past.at(&1, at(59_500)).unwrap().state(), 7.0);
}

#[test]
fn without_a_claim_the_view_is_what_the_connection_makes_likely() {
    let mut past = past();
    assert_eq!(past.view_of(peer(), at(5000), None).time, at(5000));
    let basis = ViewBasis {
        travel: Duration::from_millis(30),
        playback_delay: Duration::from_millis(70),
    };
    past.set_view(peer(), basis).unwrap();
    assert_eq!(past.view_of(peer(), at(5000), None).time, at(4900));
    past.remove_peer(peer());
    assert_eq!(past.view_of(peer(), at(5000), None).time, at(5000));
}

#[test]
fn no_claim_and_no_connection_reach_further_back_than_states_or_into_the_future() {
    let mut past = past();
    let unknown = past.view_of(peer(), at(5000), Some(at(10)));
    assert_eq!((unknown.time, unknown.clamped), (at(4000), true));
    let basis = ViewBasis {
        travel: Duration::MAX,
        playback_delay: Duration::MAX,
    };
    past.set_view(peer(), basis).unwrap();
    assert_eq!(past.view_of(peer(), at(5000), None).time, at(4000));
    past.set_view(peer(), ViewBasis::default()).unwrap();
    let ahead = past.view_of(peer(), at(5000), Some(Instant::MAX));
    assert_eq!((ahead.time, ahead.clamped), (at(5000), true));
    assert_eq!(past.stats().clamped_views, 2);
}

// req: HG-13
#[test]
fn full_tables_refuse_newcomers_and_serve_the_others() {
    let config = RewindConfig {
        most_states: 4,
        most_entities: 2,
        most_peers: 1,
        ..RewindConfig::new()
    };
    let mut past = Rewind::new(config).unwrap();
    past.record(at(0), 1, 0.0).unwrap();
    past.record(at(0), 2, 0.0).unwrap();
    assert_eq!(past.record(at(0), 3, 0.0), Err(RewindError::Full));
    for time in 1..100 {
        past.record(at(time), 1, time as f64).unwrap();
    }
    assert_eq!(past.at(&1, at(97)).unwrap().state(), 97.0);
    assert_eq!(past.at(&1, at(95)), Err(RewindError::TooOld));
    assert_eq!(past.record(at(99), 1, 0.0), Err(RewindError::NotNewer));
    past.set_view(peer(), ViewBasis::default()).unwrap();
    let other = PeerId::new(6).unwrap();
    assert_eq!(
        past.set_view(other, ViewBasis::default()),
        Err(RewindError::Full)
    );
    assert_eq!((past.stats().refused, past.stats().overflowed), (2, 96));
}

proptest! {
    #[test]
    fn a_query_finds_what_a_full_record_says(
        steps in proptest::collection::vec((1u64..400, -100i32..100), 1..80),
        back in 0u64..1000,
    ) {
        let mut past = past();
        let mut record = Vec::new();
        let mut now = 0;
        for (wait, value) in steps {
            now += wait;
            past.record(at(now), 1, f64::from(value)).unwrap();
            record.push((now, f64::from(value)));
            let Some(time) = now.checked_sub(back).filter(|&time| time >= record[0].0) else {
                continue;
            };
            let before = record.iter().rfind(|&&(at, _)| at <= time).unwrap();
            let after = record.iter().find(|&&(at, _)| at > time).unwrap_or(before);
            let span = (after.0 - before.0).max(1) as f64;
            let expected = before.1 + (after.1 - before.1) * (time - before.0) as f64 / span;
            let got = past.at(&1, at(time)).unwrap().state();
            prop_assert!((got - expected).abs() < 1e-3, "{got} is not {expected}");
        }
    }
}
