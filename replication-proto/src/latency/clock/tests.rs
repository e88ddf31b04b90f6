use super::*;

fn clock() -> ClockSync {
    ClockSync::new(ClockConfig::new()).unwrap()
}

/// One exchange with a server whose clock is `ahead` microseconds ahead; gives the time after it.
fn exchange(clock: &mut ClockSync, now: Instant, travel: [u64; 2], ahead: i64) -> StampVerdict {
    let now = now.max(clock.poll_timeout());
    let request = clock.poll_request(now).unwrap();
    let there = now + Duration::from_micros(travel[0]);
    let server = Instant::from_micros(there.as_micros().saturating_add_signed(ahead));
    let back = there + Duration::from_micros(travel[1]);
    clock.handle_reply(back, request.answer(server, server))
}

#[test]
fn like_ways_give_the_exact_offset_with_four_stamps_and_with_two() {
    let mut four = clock();
    let at = Instant::from_micros;
    let request = four.poll_request(at(1_000_000)).unwrap();
    let reply = request.answer(at(50_010_000), at(50_017_000));
    assert_eq!(four.handle_reply(at(1_027_000), reply), StampVerdict::Used);
    assert_eq!(four.offset_micros(at(1_027_000)), Some(49_000_000));

    let mut two = clock();
    let request = two.poll_request(at(1_000_000)).unwrap();
    let reply = TimeReply::with_one_stamp(request.client_sent, 50_010_000);
    assert_eq!(two.handle_reply(at(1_020_000), reply), StampVerdict::Used);
    assert_eq!(two.offset_micros(at(1_020_000)), Some(49_000_000));
}

#[test]
fn one_fast_exchange_outweighs_many_slow_ones() {
    let mut clock = clock();
    let mut now = Instant::from_millis(1);
    for _ in 0..20 {
        assert_eq!(
            exchange(&mut clock, now, [90_000, 10_000], 0),
            StampVerdict::Used
        );
        now = now + Duration::from_millis(600);
    }
    assert_eq!(
        exchange(&mut clock, now, [10_000, 10_000], 0),
        StampVerdict::Used
    );
    let offset = clock.offset_micros(now).unwrap();
    assert!(offset.abs() < 500, "{offset}");
}

#[test]
fn a_duplicate_an_unasked_and_a_senseless_reply_are_dropped_and_counted() {
    let mut clock = clock();
    let at = Instant::from_millis;
    let request = clock.poll_request(at(10)).unwrap();
    let reply = request.answer(at(15), at(15));
    assert_eq!(clock.handle_reply(at(20), reply), StampVerdict::Used);
    assert_eq!(
        clock.handle_reply(at(21), reply),
        StampVerdict::Dropped(StampDrop::Unasked)
    );
    let invented = TimeReply::with_one_stamp(77, 5);
    assert_eq!(
        clock.handle_reply(at(21), invented),
        StampVerdict::Dropped(StampDrop::Unasked)
    );
    // Negative, answered before received, and held for longer than the whole exchange took.
    for (received, sent) in [(-1, 5), (10, 9), (0, i64::MAX), (0, 2_000_000)] {
        let now = clock.poll_timeout();
        let request = clock.poll_request(now).unwrap();
        let reply = TimeReply {
            client_sent: request.client_sent,
            server_received: received,
            server_sent: sent,
        };
        let verdict = clock.handle_reply(now + Duration::from_millis(5), reply);
        assert_eq!(verdict, StampVerdict::Dropped(StampDrop::BadStamp));
    }
    let stats = clock.stats();
    assert_eq!((stats.samples, stats.unasked, stats.bad_stamps), (1, 2, 4));
}

#[test]
fn a_reply_after_the_longest_round_trip_is_no_sample() {
    let mut clock = clock();
    let verdict = exchange(&mut clock, Instant::ZERO, [3_000_000, 1], 0);
    assert_eq!(verdict, StampVerdict::Dropped(StampDrop::TooSlow));
    assert_eq!(clock.server_time(Instant::from_millis(4000)), None);
}

#[test]
fn a_single_wild_reply_changes_nothing_and_three_start_anew() {
    let mut clock = clock();
    let mut now = Instant::from_millis(1);
    let mut go = |clock: &mut ClockSync, ahead| {
        now = now + Duration::from_millis(600);
        exchange(clock, now, [5_000, 5_000], ahead)
    };
    let outlier = StampVerdict::Dropped(StampDrop::Outlier);
    for _ in 0..10 {
        assert_eq!(go(&mut clock, 1_000_000), StampVerdict::Used);
    }
    assert_eq!(go(&mut clock, 900_000_000), outlier);
    assert_eq!(go(&mut clock, 1_000_000), StampVerdict::Used);
    assert_eq!(clock.offset_micros(Instant::ZERO), Some(1_000_000));

    assert_eq!(go(&mut clock, 9_000_000), outlier);
    assert_eq!(go(&mut clock, 9_000_000), outlier);
    assert_eq!(go(&mut clock, 9_000_000), StampVerdict::Used);
    assert_eq!(clock.offset_micros(Instant::ZERO), Some(9_000_000));
    assert_eq!((clock.stats().restarts, clock.stats().jumps), (1, 1));
}

#[test]
fn drift_is_found_within_a_minute() {
    let mut clock = clock();
    for step in 0..120u64 {
        let now = Instant::from_millis(500 * step);
        // 100 parts per million.
        let ahead = i64::try_from(now.as_micros() / 10_000).unwrap();
        let _ = exchange(&mut clock, now, [20_000, 20_000], ahead);
    }
    let drift = clock.quality().unwrap().drift_ppb;
    assert!((90_000..110_000).contains(&drift), "{drift}");
}

#[test]
fn requests_come_quickly_at_first_and_never_for_ever() {
    let mut clock = clock();
    let (mut now, mut count) = (Instant::ZERO, 0);
    while now < Instant::from_millis(60_000) {
        assert!(clock.poll_request(now).is_some());
        assert!(clock.poll_request(now).is_none());
        now = clock.poll_timeout();
        count += 1;
    }
    // 64 at 50 ms although nobody answers, then two per second.
    assert!((170..185).contains(&count), "{count}");
    assert!(clock.open.len() <= MOST_OPEN);
}

#[test]
fn extreme_stamps_and_times_do_not_overflow() {
    let mut clock = clock();
    for (now, server) in [
        (Instant::ZERO, i64::MAX),
        (Instant::MAX, 0),
        (Instant::ZERO, 0),
        (Instant::MAX, i64::MAX),
    ] {
        clock.next_request = now;
        let request = clock.poll_request(now).unwrap();
        let reply = TimeReply::with_one_stamp(request.client_sent, server);
        let _ = clock.handle_reply(now, reply);
        let _ = (
            clock.server_time(now),
            clock.offset_micros(Instant::MAX),
            clock.quality(),
        );
    }
}

#[test]
fn numbers_out_of_bounds_are_refused() {
    let config = ClockConfig {
        window: 3,
        ..ClockConfig::new()
    };
    assert_eq!(ClockSync::new(config).unwrap_err().field, "window");
    let config = ClockConfig {
        slew_ppm: 600_000,
        ..ClockConfig::new()
    };
    assert_eq!(ClockSync::new(config).unwrap_err().field, "slew_ppm");
}
