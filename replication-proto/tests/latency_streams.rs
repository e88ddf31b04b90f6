//! Snapshots and inputs over a network that delays, varies and loses.

mod mailbox;

use core::time::Duration;
use mailbox::Line;
use proto_core::Instant;
use replication_proto::latency::{
    InputAck, InputBuffer, InputConfig, InputSender, LeadConfig, Playback, SnapshotBuffer,
    SnapshotConfig, SyncTimeUnwrap, TickLead, TickRate,
};
use testkit::Link;

fn link(latency: u64, jitter: u64, loss: u32) -> Link {
    Link {
        latency: Duration::from_millis(latency),
        jitter: Duration::from_millis(jitter),
        loss,
        duplicate: 10,
        ..Link::PERFECT
    }
}

/// Plays 30 snapshots a second, named by wrapping 16-bit times, for a minute; gives the share of frames in 1000 that ran
/// beyond the newest one, and the delay at the end.
fn play(link: Link) -> (u64, Duration) {
    let interval = Duration::from_micros(33_333);
    let mut line = Line::new(9, link);
    let (client, server) = (line.client, line.server);
    let mut buffer = SnapshotBuffer::new(SnapshotConfig::new(interval)).unwrap();
    let mut times = SyncTimeUnwrap::new();
    let (mut frames, mut beyond) = (0u64, 0u64);
    let mut last = Instant::ZERO;
    let mut number = 65_000u32;
    let mut next = line.now();
    while line.now() < Instant::from_millis(60_000) {
        if line.now() >= next {
            line.send(server, &[i64::from(number & 0xffff), i64::from(number)]);
            number += 1;
            next = next + interval;
        }
        line.run_for(Duration::from_millis(1));
        for (at, message) in line.receive(client) {
            let time = times.unwrap(u16::try_from(message[0]).unwrap());
            let time = Instant::from_micros(time * 33_333);
            let _ = buffer.insert(at, time, message[1] as f64);
        }
        let now = line.now();
        if !now.as_millis().is_multiple_of(10) || now < Instant::from_millis(2000) {
            continue;
        }
        let sample = buffer.sample(now).unwrap();
        frames += 1;
        beyond += u64::from(sample.playback != Playback::Between);
        assert!(sample.time > last, "playback stands or goes back");
        last = sample.time;
        if sample.playback == Playback::Between {
            // A snapshot's state is its number, so that what is shown must be playback in snapshots.
            let number = sample.time.as_micros() as f64 / 33_333.0 - 65_536.0;
            assert!((sample.state() - number).abs() < 0.01);
        }
    }
    (beyond * 1000 / frames, buffer.delay())
}

#[test]
fn playback_is_as_late_as_the_network_needs_and_rarely_runs_out() {
    // Latency, jitter, loss in 1000; the most frames in 1000 beyond the newest, the bounds of the delay in milliseconds.
    let cases = [
        (0, 0, 0, 0, 33, 35),
        (150, 0, 0, 0, 33, 35),
        (75, 30, 0, 15, 50, 66),
        (75, 0, 50, 10, 66, 101),
        (150, 40, 50, 25, 66, 140),
    ];
    for (latency, jitter, loss, most_beyond, low, high) in cases {
        let (beyond, delay) = play(link(latency, jitter, loss));
        let millis = delay.as_millis();
        println!("{latency} {jitter} {loss}: {beyond} in 1000 beyond, delay {millis} ms");
        assert!(beyond <= most_beyond, "{beyond} in 1000 ran out");
        assert!((low..=high).contains(&millis), "delay {millis} ms");
    }
}

/// What a minute of inputs came to.
struct Inputs {
    /// Ticks in 1000 without their input, after the first five seconds.
    missing: u64,
    lead: Duration,
}

/// A client that runs ahead by its lead, against a server that ticks 60 times a second.
fn run_inputs(link: Link) -> Inputs {
    let rate = TickRate::new(60).unwrap();
    let mut line = Line::new(4, link);
    let (client, server) = (line.client, line.server);
    let mut lead = TickLead::new(LeadConfig::new(), rate, Duration::from_millis(20)).unwrap();
    let mut sender = InputSender::new(InputConfig::new()).unwrap();
    let mut buffer = InputBuffer::new(InputConfig::new(), rate).unwrap();
    let (mut ticks, mut missing) = (0u64, 0u64);
    let mut server_tick = rate.tick_at(line.now());
    while line.now() < Instant::from_millis(60_000) {
        let now = line.now();
        for tick in lead.due(now, now) {
            sender.push(tick, tick.to_wire() * 7);
            let packet = sender.packet().unwrap();
            let mut message = vec![packet.first.to_wire()];
            message.extend(packet.inputs);
            line.send(client, &message);
        }
        line.run_for(Duration::from_millis(1));
        for (at, message) in line.receive(server) {
            buffer.insert(at, message[0], message[1..].iter().copied());
        }
        while rate.time_of(server_tick) <= line.now() {
            let got = buffer.consume(line.now(), server_tick).input();
            if line.now() > Instant::from_millis(5000) {
                ticks += 1;
                missing += u64::from(got != Some(server_tick.to_wire() * 7));
            }
            server_tick = server_tick.next();
            let ack = buffer.acknowledge();
            line.send(server, &[ack.consumed, ack.margin_tick, ack.margin_micros]);
        }
        for (_, message) in line.receive(client) {
            let ack = InputAck {
                consumed: message[0],
                margin_tick: message[1],
                margin_micros: message[2],
            };
            sender.handle_ack(&ack);
            lead.handle_ack(&ack);
        }
    }
    Inputs {
        missing: missing * 1000 / ticks,
        lead: lead.lead(),
    }
}

#[test]
fn inputs_come_in_time_with_a_lead_that_the_network_needs() {
    // Latency, jitter, loss in 1000; the most ticks in 1000 without input, the bounds of the lead in milliseconds.
    let cases = [
        (0, 0, 0, 0, 5, 10),
        (150, 0, 0, 0, 155, 165),
        (75, 30, 0, 10, 85, 125),
        (150, 0, 50, 12, 155, 190),
        (150, 40, 50, 12, 170, 230),
    ];
    for (latency, jitter, loss, most_missing, low, high) in cases {
        let inputs = run_inputs(link(latency, jitter, loss));
        let lead = inputs.lead.as_millis();
        println!(
            "{latency} {jitter} {loss}: {} in 1000 missing, lead {lead} ms",
            inputs.missing
        );
        assert!(inputs.missing <= most_missing, "{} missing", inputs.missing);
        assert!((low..=high).contains(&lead), "lead {lead} ms");
    }
}
