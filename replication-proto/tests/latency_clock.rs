//! The clock estimate over a network that delays, varies and loses.

mod mailbox;

use core::time::Duration;
use mailbox::Line;
use proto_core::Instant;
use replication_proto::latency::{ClockConfig, ClockSync, StampVerdict, TimeRequest};
use testkit::Link;

/// The client's clock: its own epoch, and its own idea of a second.
#[derive(Clone, Copy)]
struct Wall {
    ahead_micros: u64,
    drift_ppm: i64,
}

impl Wall {
    fn at(self, now: Instant) -> Instant {
        let micros = now.as_micros();
        let drifted = i64::try_from(micros).unwrap() * self.drift_ppm / 1_000_000;
        Instant::from_micros(micros.saturating_add_signed(drifted) + self.ahead_micros)
    }
}

/// Runs a client for `seconds`; gives the error of its clock in microseconds for each step of 1 ms, in order.
fn errors(seed: u64, link: Link, wall: Wall, seconds: u64) -> Vec<i64> {
    let mut line = Line::new(seed, link);
    let mut clock = ClockSync::new(ClockConfig::new()).unwrap();
    let (client, server) = (line.client, line.server);
    let mut errors = Vec::new();
    let mut last = Instant::ZERO;
    for _ in 0..seconds * 1000 {
        if let Some(request) = clock.poll_request(wall.at(line.now())) {
            line.send(client, &[request.client_sent]);
        }
        line.run_for(Duration::from_millis(1));
        for (at, message) in line.receive(server) {
            let request = TimeRequest {
                client_sent: message[0],
            };
            // Servers answer in their next tick.
            let reply = request.answer(at, line.now());
            let reply = [reply.client_sent, reply.server_received, reply.server_sent];
            line.send(server, &reply);
        }
        for (at, message) in line.receive(client) {
            let reply = replication_proto::latency::TimeReply {
                client_sent: message[0],
                server_received: message[1],
                server_sent: message[2],
            };
            assert_eq!(clock.handle_reply(wall.at(at), reply), StampVerdict::Used);
        }
        let now = line.now();
        if let Some(shown) = clock.server_time(wall.at(now)) {
            assert!(shown >= last, "the clock went back");
            last = shown;
            let error =
                i64::try_from(shown.as_micros()).unwrap() - i64::try_from(now.as_micros()).unwrap();
            errors.push(error.abs());
        }
    }
    errors
}

fn link(latency: u64, jitter: u64) -> Link {
    Link {
        latency: Duration::from_millis(latency),
        jitter: Duration::from_millis(jitter),
        loss: 50,
        ..Link::PERFECT
    }
}

/// The bounds that the documentation of `ClockSync` states.
#[test]
fn with_0_to_150_ms_jitter_and_loss_the_clock_converges_as_documented() {
    let walls = [(0, 0), (3_600_000_000, 100), (77_000_000, -100)];
    for latency in [0, 20, 75, 150] {
        for jitter in [0, 10, 40] {
            for (seed, (ahead_micros, drift_ppm)) in walls.into_iter().enumerate() {
                let wall = Wall {
                    ahead_micros,
                    drift_ppm,
                };
                let seed = latency * 100 + jitter + seed as u64;
                let errors = errors(seed, link(latency, jitter), wall, 20);
                let after_2_s = *errors[2000..10_000].iter().max().unwrap();
                let after_10_s = *errors[10_000..].iter().max().unwrap();
                println!("{latency} {jitter} {drift_ppm}: {after_2_s} {after_10_s}");
                assert!(after_2_s < 12_000, "{latency} {jitter}: {after_2_s} us");
                assert!(after_10_s < 8_000, "{latency} {jitter}: {after_10_s} us");
            }
        }
    }
}

#[test]
fn without_jitter_the_clock_is_right_within_a_millisecond_at_once() {
    let wall = Wall {
        ahead_micros: 5_000_000,
        drift_ppm: 50,
    };
    let errors = errors(1, link(75, 0), wall, 30);
    assert!(errors.iter().all(|&error| error < 1_500));
}

#[test]
fn ways_that_differ_shift_the_clock_by_half_of_the_difference() {
    let mut line_error = Vec::new();
    for there in [10u64, 110] {
        let mut clock = ClockSync::new(ClockConfig::new()).unwrap();
        let at = Instant::from_millis;
        let request = clock.poll_request(at(1000)).unwrap();
        let reply = request.answer(at(1000 + there), at(1000 + there));
        let _ = clock.handle_reply(at(1120), reply);
        line_error.push(clock.server_time(at(1120)).unwrap());
        let quality = clock.quality().unwrap();
        assert_eq!(quality.error_bound, Duration::from_millis(60));
    }
    assert_eq!(
        line_error,
        [Instant::from_millis(1070), Instant::from_millis(1170)]
    );
}
