//! Reliable packets arrive exactly once and in order on their channel, whatever the network does.

extern crate alloc;

mod common;

use alloc::collections::VecDeque;
use common::{MILLISECOND, SECOND, Session, number_of, patient, payload};
use core::time::Duration;
use enet_proto::{Event, PacketFlags, SendError};
use proptest::prelude::*;
use testkit::{Burst, Link, run_operations};

const CHANNELS: u8 = 3;

/// What an application or the network does.
#[derive(Clone, Debug)]
enum Operation {
    Send {
        from_client: bool,
        channel: u8,
        length: usize,
        flags: PacketFlags,
    },
    Wait(Duration),
    Become(Link),
}

/// What each end has to get from the other, by channel.
#[derive(Default)]
struct Model {
    sent: u32,
    expected: [[VecDeque<u32>; CHANNELS as usize]; 2],
}

impl Model {
    fn waiting(&self) -> usize {
        self.expected.iter().flatten().map(VecDeque::len).sum()
    }

    /// Takes what arrived at the client (0) or the server (1).
    fn arrived(&mut self, end: usize, events: Vec<Event>) -> Result<(), String> {
        for event in events {
            let Event::Received {
                channel,
                flags,
                payload,
                ..
            } = event
            else {
                return Err(format!("unexpected {event:?}"));
            };
            let number = number_of(&payload)
                .ok_or_else(|| format!("an altered packet of {} bytes", payload.len()))?;
            let expected = self.expected[end][usize::from(channel)].pop_front();
            if expected != Some(number) || flags != PacketFlags::RELIABLE {
                return Err(format!(
                    "channel {channel}: packet {number} with {flags:?}, expected {expected:?}"
                ));
            }
        }
        Ok(())
    }
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![
        6 => 4_usize..100,
        2 => 1350_usize..1380,
        2 => 1380_usize..9_000,
        1 => 9_000_usize..40_000,
    ]
}

fn links() -> impl Strategy<Value = Link> {
    let times = (0_u64..80, 0_u64..40, 0_u64..100);
    let chances = (0_u32..300, 0_u32..300, 0_u32..400);
    let bursts = proptest::option::weighted(0.3, (1_u32..50, 100_u32..600));
    (times, chances, bursts).prop_map(|(times, (loss, duplicate, reorder), burst)| Link {
        latency: Duration::from_millis(times.0),
        jitter: Duration::from_millis(times.1),
        reorder_by: Duration::from_millis(times.2),
        loss,
        duplicate,
        reorder,
        burst: burst.map(|(enter, leave)| Burst {
            enter,
            leave,
            loss: 900,
        }),
        ..Link::PERFECT
    })
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let send =
        (any::<bool>(), 0..CHANNELS, lengths()).prop_map(|(from_client, channel, length)| {
            Operation::Send {
                from_client,
                channel,
                length,
                flags: PacketFlags::RELIABLE,
            }
        });
    let wait = (0_u64..200).prop_map(|millis| Operation::Wait(Duration::from_millis(millis)));
    let operation = prop_oneof![8 => send, 3 => wait, 1 => links().prop_map(Operation::Become)];
    proptest::collection::vec(operation, 1..80)
}

fn apply(session_keys: &Keys, model: &mut Model, network: &mut Net, operation: &Operation) {
    match *operation {
        Operation::Send {
            from_client,
            channel,
            length,
            flags,
        } => {
            let (node, peer) = session_keys.sender(from_client);
            let host = &mut network.machine_mut(node).host;
            match host.send(peer, channel, flags, payload(model.sent, length)) {
                Ok(()) => {
                    let queue = &mut model.expected[usize::from(from_client)];
                    queue[usize::from(channel)].push_back(model.sent);
                }
                Err(SendError::QueueFull) => {}
                Err(error) => panic!("{error}"),
            }
            model.sent += 1;
        }
        Operation::Wait(duration) => network.run_for(duration),
        Operation::Become(link) => network.set_all_links(link),
    }
}

type Net = testkit::Network<common::End>;

struct Keys {
    client: (testkit::NodeId, enet_proto::PeerKey),
    server: (testkit::NodeId, enet_proto::PeerKey),
}

impl Keys {
    fn sender(&self, from_client: bool) -> (testkit::NodeId, enet_proto::PeerKey) {
        if from_client {
            self.client
        } else {
            self.server
        }
    }
}

/// Runs the operations, heals the network and waits for the rest; what went wrong, if anything.
fn run(seed: u64, link: Link, operations: &[Operation]) -> Result<(), String> {
    let session = Session::patient(seed, link, usize::from(CHANNELS));
    let keys = Keys {
        client: (session.client, session.to_server),
        server: (session.server, session.to_client),
    };
    let mut network = session.network;
    let model = core::cell::RefCell::new(Model::default());
    let check = |network: &mut Net| {
        let mut model = model.borrow_mut();
        model.arrived(0, network.take_events(keys.client.0))?;
        model.arrived(1, network.take_events(keys.server.0))
    };
    run_operations(
        &mut network,
        operations,
        |network, operation| apply(&keys, &mut model.borrow_mut(), network, operation),
        check,
    )
    .map_err(|broken| broken.to_string())?;
    network.set_all_links(Link::with_latency(10 * MILLISECOND));
    let mut result = Ok(());
    let all = network.run_until(120 * SECOND, |network| {
        result = check(network);
        result.is_err() || model.borrow().waiting() == 0
    });
    result?;
    if !all {
        return Err(format!(
            "{} packets never arrived: {:?}",
            model.borrow().waiting(),
            model.borrow().expected
        ));
    }
    // Nothing arrives twice, however long one waits, and nothing stays held.
    network.run_for(10 * SECOND);
    check(&mut network)?;
    for (node, peer) in [keys.client, keys.server] {
        let stats = network
            .machine(node)
            .host
            .peer(peer)
            .map(|view| view.stats());
        let stats = stats.ok_or("the connection was lost")?;
        if (
            stats.queued_packets,
            stats.bytes_in_flight,
            stats.held_bytes,
        ) != (0, 0, 0)
        {
            return Err(format!("all has arrived, and yet {stats:?}"));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: testkit::cases(48), failure_persistence: None, ..ProptestConfig::default() })]

    // req: HE-11
    #[test]
    fn reliable_packets_arrive_exactly_once_and_in_order(
        seed in any::<u64>(),
        link in links(),
        operations in operations(),
    ) {
        if let Err(message) = run(seed, link, &operations) {
            prop_assert!(false, "{}", message);
        }
    }
}

/// Streams `count` packets of four bytes over one channel and checks each.
fn stream(mut session: Session, count: u32) {
    let (mut sent, mut arrived) = (0, 0);
    let (client, server) = (session.client, session.server);
    let deadline = session.network.now() + Duration::from_secs(4 * 3600);
    while arrived < count {
        while sent < count {
            let packet = payload(sent, 4);
            let peer = session.to_server;
            match session
                .client()
                .send(peer, 0, PacketFlags::RELIABLE, packet)
            {
                Ok(()) => sent += 1,
                Err(SendError::QueueFull) => break,
                Err(error) => panic!("{error} at {sent}"),
            }
        }
        assert!(
            session.network.step(),
            "nothing is due with {arrived} of {count}"
        );
        assert!(session.network.now() < deadline, "stuck at {arrived}");
        for event in session.network.take_events(server) {
            let Event::Received { payload, .. } = event else {
                panic!("unexpected {event:?}");
            };
            assert_eq!(number_of(&payload), Some(arrived));
            arrived += 1;
        }
        assert_eq!(session.network.take_events(client), []);
    }
}

// req: HE-11; hostile.json: sequence_number_wrap
#[test]
fn two_hundred_thousand_packets_cross_a_bad_link_and_three_wraps_in_order() {
    let link = Link {
        latency: 5 * MILLISECOND,
        loss: 100,
        reorder: 100,
        duplicate: 50,
        ..Link::PERFECT
    };
    stream(Session::patient(1, link, 1), 200_000);
}

// hostile.json: clock_wrap_32_bit
#[test]
fn the_wire_clock_wraps_without_a_timeout_or_a_stall() {
    for wrap in [1_u64 << 16, 1 << 31, 1 << 32] {
        let (client, server) = (common::End::new(clocked(1)), common::End::new(clocked(2)));
        let mut pair = testkit::Pair::new(3, Link::PERFECT, client, server);
        let offset = i64::try_from((wrap - 3000) * 1000).expect("it is small");
        for node in [pair.client, pair.server] {
            pair.network.set_clock_offset(node, offset);
        }
        let link = Link {
            latency: 30 * MILLISECOND,
            loss: 100,
            ..Link::PERFECT
        };
        let mut session = Session::connect(pair, link, 1);
        let (mut sent, mut arrived) = (0, 0);
        for _ in 0..100 {
            let (peer, packet) = (session.to_server, payload(sent, 2000));
            session
                .client()
                .send(peer, 0, PacketFlags::RELIABLE, packet)
                .expect("connected");
            sent += 1;
            session.network.run_for(100 * MILLISECOND);
            arrived += session.network.take_events(session.server).len();
        }
        session.network.run_for(5 * SECOND);
        arrived += session.network.take_events(session.server).len();
        assert_eq!(arrived, 100, "wrap at {wrap}");
        let (client, peer) = (session.client, session.to_server);
        let view = session
            .network
            .machine(client)
            .host
            .peer(peer)
            .expect("still connected");
        let round_trip = view.stats().round_trip;
        assert!(
            (40 * MILLISECOND..400 * MILLISECOND).contains(&round_trip),
            "wrap at {wrap}: {round_trip:?}"
        );
    }
}

fn clocked(seed: u8) -> enet_proto::Config {
    let mut config = enet_proto::Config::new([seed; 32]);
    config.clock_base = Some(Duration::ZERO);
    config
}

// req: HG-15; hostile.json: clock_goes_back
#[test]
fn a_clock_that_goes_back_or_jumps_costs_nothing_but_time() {
    let link = Link::with_latency(20 * MILLISECOND);
    let mut session = Session::new(1, link, patient(1), patient(2), 1);
    let (mut sent, mut arrived) = (0_u32, 0);
    for offset_ms in [0_i64, -5, -5000, 3_600_000, -20, 90_000_000, 0] {
        let client = session.client;
        session.network.set_clock_offset(client, offset_ms * 1000);
        for _ in 0..10 {
            let (peer, packet) = (session.to_server, payload(sent, 3000));
            session
                .client()
                .send(peer, 0, PacketFlags::RELIABLE, packet)
                .expect("connected");
            sent += 1;
            session.network.run_for(100 * MILLISECOND);
            arrived += session.network.take_events(session.server).len();
        }
    }
    // The clock stands still until it has caught up with the largest jump; then all goes on.
    let client = session.client;
    session.network.set_clock_offset(client, 90_000_000 * 1000);
    session.network.run_for(60 * SECOND);
    arrived += session.network.take_events(session.server).len();
    assert_eq!(u32::try_from(arrived), Ok(sent));
    assert_eq!(session.network.take_events(client), []);
}

#[test]
fn a_window_of_sequence_numbers_that_is_blocked_on_one_channel_leaves_the_others_alone() {
    // The server never answers, so nothing of the first channel is ever acknowledged.
    let mut session = Session::patient(1, Link::PERFECT, 2);
    let (client, server) = (
        session.network.address(session.client),
        session.network.address(session.server),
    );
    session.network.set_link(server, client, Link::DEAD);
    let peer = session.to_server;
    for number in 0..1000 {
        session
            .client()
            .send(peer, 0, PacketFlags::RELIABLE, payload(number, 100))
            .expect("room");
    }
    session
        .client()
        .send(peer, 1, PacketFlags::NONE, payload(9999, 10))
        .expect("room");
    session.network.drive();
    let events = session.network.take_events(session.server);
    let last = events.iter().any(|event| {
        matches!(event, Event::Received { channel: 1, payload, .. } if number_of(payload) == Some(9999))
    });
    assert!(
        last,
        "the unreliable packet did not pass {} reliable ones",
        events.len()
    );
}

// enet.md 29: thousands of small packets in flight
#[test]
fn eight_thousand_small_packets_in_flight_arrive_without_being_sent_twice() {
    let mut client = patient(1);
    client.limits.send_packets = 16_384;
    let link = Link::with_latency(5 * MILLISECOND);
    let mut session = Session::new(1, link, client, patient(2), 1);
    let (server, mut sent, mut arrived) = (session.server, 0, 0);
    for _ in 0..200 {
        while sent < arrived + 8000 {
            let (peer, packet) = (session.to_server, payload(sent, 8));
            session
                .client()
                .send(peer, 0, PacketFlags::RELIABLE, packet)
                .expect("room");
            sent += 1;
        }
        session.network.run_for(MILLISECOND);
        for event in session.network.take_events(server) {
            let Event::Received { payload, .. } = event else {
                panic!("unexpected {event:?}");
            };
            assert_eq!(number_of(&payload), Some(arrived));
            arrived += 1;
        }
    }
    let again = session.client().stats().retransmissions;
    assert!(arrived > 100_000, "{arrived} with {again} sent again");
    assert_eq!(again, 0);
}
