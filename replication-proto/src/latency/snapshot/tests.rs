use super::*;
use alloc::vec::Vec;
use proptest::prelude::*;

const INTERVAL: Duration = Duration::from_millis(50);

fn buffer() -> SnapshotBuffer<f64> {
    SnapshotBuffer::new(SnapshotConfig::new(INTERVAL)).unwrap()
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// Snapshot `n` says its own time in milliseconds, so that what is shown is what playback says.
fn insert(buffer: &mut SnapshotBuffer<f64>, n: u64, travel: u64) -> SnapshotVerdict {
    buffer.insert(at(50 * n + travel), at(50 * n), 50.0 * n as f64)
}

#[test]
fn without_jitter_the_delay_falls_to_one_interval() {
    let mut buffer = buffer();
    let _ = insert(&mut buffer, 0, 80);
    assert_eq!(buffer.delay(), 3 * INTERVAL);
    for n in 1..40 {
        assert_eq!(insert(&mut buffer, n, 80), SnapshotVerdict::Kept);
    }
    assert_eq!(buffer.delay(), INTERVAL);
}

#[test]
fn single_losses_that_are_common_raise_the_delay_to_two_intervals() {
    let mut buffer = buffer();
    for n in (0..200).filter(|n| n % 10 != 9) {
        let _ = insert(&mut buffer, n, 80);
    }
    assert_eq!(buffer.delay(), 2 * INTERVAL);
}

#[test]
fn what_is_shown_is_the_state_at_playback() {
    let mut buffer = buffer();
    for n in 0..100 {
        let _ = insert(&mut buffer, n, 80 + 13 * (n % 3));
        let now = at(50 * n + 110);
        let sample = buffer.sample(now).unwrap();
        let (time, playback, state) = (sample.time, sample.playback, sample.state());
        if playback == Playback::Between {
            let shown = stamp(time) as f64 / 1000.0;
            assert!((state - shown).abs() < 0.01, "{state} at {shown}");
        }
    }
    assert_eq!(buffer.stats().underruns, 0);
    assert!(buffer.len() < 10);
}

#[test]
fn it_runs_beyond_the_newest_for_the_stated_time_and_then_stands() {
    let mut buffer = buffer();
    for n in 0..=40 {
        let _ = insert(&mut buffer, n, 80);
        let _ = buffer.sample(at(50 * n + 80));
    }
    let newest = 2000.0;
    let sample = buffer.sample(at(2000 + 80 + 50 + 60)).unwrap();
    assert_eq!(sample.playback, Playback::Beyond);
    assert!((sample.state() - (newest + 60.0)).abs() < 0.1);
    for later in [400, 500, 900] {
        let sample = buffer.sample(at(2000 + 80 + later)).unwrap();
        assert_eq!(sample.playback, Playback::Stalled);
        assert!((sample.state() - (newest + 100.0)).abs() < 0.1);
    }
    let stats = buffer.stats();
    assert_eq!((stats.underruns, stats.stalls), (1, 1));

    // What comes after the pause is shown again.
    for n in 60..70 {
        let _ = insert(&mut buffer, n, 80);
    }
    assert_eq!(
        buffer.sample(at(50 * 69 + 80)).unwrap().playback,
        Playback::Between
    );
}

#[test]
fn duplicates_and_what_playback_has_passed_are_dropped_and_reordered_ones_are_sorted_in() {
    let mut buffer = buffer();
    for n in [0, 1, 3, 2, 4] {
        assert_eq!(
            buffer.insert(at(500), at(50 * n), 50.0 * n as f64),
            SnapshotVerdict::Kept
        );
    }
    let times: Vec<_> = buffer.held.iter().map(|&(time, _)| time).collect();
    assert_eq!(times, [at(0), at(50), at(100), at(150), at(200)]);
    assert_eq!(
        buffer.insert(at(500), at(150), 0.0),
        SnapshotVerdict::Dropped(SnapshotDrop::Duplicate)
    );
    let _ = buffer.sample(at(800));
    assert_eq!(
        buffer.insert(at(800), at(10), 0.0),
        SnapshotVerdict::Dropped(SnapshotDrop::Late)
    );
    let stats = buffer.stats();
    assert_eq!(
        (stats.kept, stats.out_of_order, stats.duplicates, stats.late),
        (5, 1, 1, 1)
    );
}

#[test]
fn a_sender_whose_clock_was_set_starts_the_buffer_anew() {
    let mut buffer = buffer();
    for n in 100..120 {
        let _ = insert(&mut buffer, n, 80);
    }
    let _ = buffer.sample(at(6080));
    assert_eq!(buffer.insert(at(6100), at(0), 0.0), SnapshotVerdict::Kept);
    assert_eq!(buffer.len(), 1);
    assert_eq!(buffer.stats().restarts, 1);
    assert_eq!(buffer.sample(at(6400)).unwrap().state(), 0.0);
}

// req: HG-13
#[test]
fn a_full_buffer_lets_the_oldest_go() {
    let mut buffer = buffer();
    for n in 0..100_000u64 {
        let _ = buffer.insert(at(0), Instant::from_micros(n), 0.0);
    }
    assert_eq!(buffer.len(), 64);
    assert_eq!(buffer.stats().overflowed, 100_000 - 64);
}

#[test]
fn numbers_out_of_bounds_are_refused() {
    let config = SnapshotConfig {
        most_delay: Duration::ZERO,
        ..SnapshotConfig::new(INTERVAL)
    };
    let error = SnapshotBuffer::<f64>::new(config).unwrap_err();
    assert_eq!(error.field, "most_delay");
}

proptest! {
    #[test]
    fn any_arrivals_keep_playback_monotone_the_order_sorted_and_the_fraction_in_bounds(
        arrivals in proptest::collection::vec((0u64..100, 0u64..400, 0u64..20), 1..150),
    ) {
        let mut buffer = buffer();
        let (mut now, mut last) = (1000, Instant::ZERO);
        for (wait, travel, back) in arrivals {
            now += wait;
            let n = (now.saturating_sub(travel) / 50).saturating_sub(back);
            let _ = buffer.insert(at(now), at(50 * n), 50.0 * n as f64);
            let times: Vec<_> = buffer.held.iter().map(|&(time, _)| time).collect();
            prop_assert!(times.is_sorted_by(|a, b| a < b));
            let restarts = buffer.stats().restarts;
            let sample = buffer.sample(at(now)).unwrap();
            prop_assert!(sample.fraction >= 0.0);
            prop_assert!(sample.fraction <= 1.0 || sample.playback != Playback::Between);
            prop_assert!(sample.time >= last || restarts > 0);
            last = sample.time;
        }
    }

    #[test]
    fn extreme_times_do_not_overflow(times in proptest::collection::vec((any::<u64>(), any::<u64>()), 1..20)) {
        let mut buffer = buffer();
        for (now, time) in times {
            let _ = buffer.insert(Instant::from_micros(now), Instant::from_micros(time), 0.0);
            let _ = buffer.sample(Instant::from_micros(now));
            let _ = buffer.delay();
        }
    }
}
