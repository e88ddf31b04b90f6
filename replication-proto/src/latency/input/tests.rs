use super::*;
use crate::latency::TickRate;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use proptest::prelude::*;
use proto_core::Instant;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn buffer(config: InputConfig) -> InputBuffer<u64> {
    let mut buffer = InputBuffer::new(config, TickRate::new(50).unwrap()).unwrap();
    assert_eq!(buffer.consume(at(0), Tick::ZERO), Consumed::Missing);
    buffer
}

fn ack(consumed: i64) -> InputAck {
    InputAck {
        consumed,
        margin_tick: -1,
        margin_micros: 0,
    }
}

#[test]
fn an_input_is_sent_again_until_its_tick_is_simulated() {
    let mut sender = InputSender::new(InputConfig::new()).unwrap();
    assert_eq!(sender.packet(), None);
    for tick in 5..8 {
        sender.push(Tick::new(tick), tick);
    }
    assert_eq!(sender.packet().unwrap().first, Tick::new(5));
    sender.handle_ack(&ack(6));
    sender.handle_ack(&ack(5));
    sender.handle_ack(&ack(-1));
    let left: Vec<_> = sender.unacknowledged().collect();
    assert_eq!(left, [(Tick::new(7), &7)]);
    sender.handle_ack(&ack(7));
    assert_eq!(sender.packet(), None);
}

// req: HG-13
#[test]
fn a_server_that_never_acknowledges_costs_the_oldest_inputs() {
    let mut sender = InputSender::new(InputConfig::new()).unwrap();
    for tick in 0..1000 {
        sender.push(Tick::new(tick), tick);
    }
    assert_eq!(sender.unacknowledged().count(), 128);
    assert_eq!(sender.packet().unwrap().inputs, [996, 997, 998, 999]);
    assert_eq!(sender.stats().overflowed, 1000 - 128);
}

#[test]
fn a_tick_left_out_begins_a_new_row() {
    let mut sender = InputSender::new(InputConfig::new()).unwrap();
    sender.push(Tick::new(1), 1);
    sender.push(Tick::new(5), 5);
    let packet = sender.packet().unwrap();
    assert_eq!((packet.first, packet.inputs), (Tick::new(5), &[5][..]));
    assert_eq!(sender.stats().gaps, 1);
}

#[test]
fn a_missing_input_is_the_last_one_for_a_while_and_then_nothing() {
    let config = InputConfig {
        missing: MissingInput::RepeatLast { ticks: 2 },
        ..InputConfig::new()
    };
    let mut buffer = buffer(config);
    buffer.insert(at(1), 1, [10]);
    let got: Vec<_> = (1..6)
        .map(|tick| buffer.consume(at(20 * tick), Tick::new(tick)))
        .collect();
    assert_eq!(
        got,
        [
            Consumed::Arrived(10),
            Consumed::Repeated(10),
            Consumed::Repeated(10),
            Consumed::Missing,
            Consumed::Missing
        ]
    );
    let stats = buffer.stats();
    // Tick 0 is missing too.
    assert_eq!((stats.consumed, stats.repeated, stats.missing), (1, 2, 3));
}

#[test]
fn a_late_input_tells_by_how_much_once() {
    let mut buffer = buffer(InputConfig::new());
    assert_eq!(buffer.consume(at(20), Tick::new(1)), Consumed::Missing);
    buffer.insert(at(25), 1, [7]);
    assert_eq!(buffer.acknowledge().margin_micros, -5_000);
    buffer.insert(at(30), 1, [7]);
    assert_eq!(buffer.acknowledge().margin_tick, -1);
    let stats = buffer.stats();
    assert_eq!((stats.late, stats.duplicates), (1, 1));
}

#[test]
fn inputs_far_ahead_too_many_or_of_no_tick_are_refused_and_the_stream_goes_on() {
    let mut buffer = buffer(InputConfig::new());
    buffer.insert(at(1), 129, [1]);
    buffer.insert(at(1), i64::MAX, [1]);
    buffer.insert(at(1), -5, [1]);
    buffer.insert(at(1), 1, core::iter::repeat_n(9, 1_000_000));
    let stats = buffer.stats();
    assert_eq!((stats.too_far, stats.refused, stats.arrived), (2, 2, 4));
    assert_eq!(buffer.depth(), 4);
    assert_eq!(buffer.consume(at(20), Tick::new(1)), Consumed::Arrived(9));
}

#[test]
fn ticks_that_the_server_leaves_out_take_their_inputs_along() {
    let mut buffer = buffer(InputConfig::new());
    buffer.insert(at(1), 1, [1, 2, 3, 4]);
    assert_eq!(buffer.consume(at(60), Tick::new(3)), Consumed::Arrived(3));
    assert_eq!(buffer.consume(at(60), Tick::new(3)), Consumed::Missing);
    assert_eq!(buffer.consume(at(80), Tick::new(4)), Consumed::Arrived(4));
    assert_eq!(
        buffer.consume(Instant::MAX, Tick::new(u64::MAX)),
        Consumed::Repeated(4)
    );
}

proptest! {
    /// Whatever the network does, a tick gets its own input if and only if that came before.
    #[test]
    fn each_tick_gets_its_own_input_if_it_came_in_time(
        packets in proptest::collection::vec((0u64..12, 0i64..40, 0usize..6), 0..200),
    ) {
        let mut buffer = buffer(InputConfig { missing: MissingInput::Neutral, ..InputConfig::new() });
        let mut model = BTreeMap::new();
        let mut tick = Tick::ZERO;
        for (ticks, first, count) in packets {
            for _ in 0..ticks {
                tick = tick.next();
                let expected = model.remove(&tick).map_or(Consumed::Missing, Consumed::Arrived);
                prop_assert_eq!(buffer.consume(at(20 * tick.number()), tick), expected);
            }
            let first = tick.to_wire() - 5 + first;
            let inputs = (first..).take(count).map(|tick| tick as u64 * 3);
            buffer.insert(at(20 * tick.number() + 1), first, inputs);
            for at in (first..).take(count.min(4)).filter(|_| first >= 0) {
                let at = Tick::new(at as u64);
                if at > tick {
                    model.insert(at, at.number() * 3);
                }
            }
        }
    }
}
