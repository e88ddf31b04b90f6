//! Unreliable packets arrive at most once, and never an older one after a newer one; unsequenced ones at most once.

extern crate alloc;

mod common;

use alloc::collections::{BTreeMap, BTreeSet};
use common::raw::{self, ConnectFields, FragmentFields, RawPeer, fragment, unsequenced};
use common::{End, MILLISECOND, SECOND, Session, number_of, payload};
use core::net::SocketAddr;
use core::time::Duration;
use enet_proto::{Config, DropReason, Event, PacketFlags};
use proptest::prelude::*;
use proto_core::Handled;
use testkit::{Link, Network};

const CHANNELS: u8 = 2;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Send(u8, Kind, usize),
    Wait(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Reliable,
    Unreliable,
    Fragmented,
    Unsequenced,
}

impl Kind {
    const fn flags(self) -> PacketFlags {
        match self {
            Self::Reliable => PacketFlags::RELIABLE,
            Self::Unreliable => PacketFlags::NONE,
            Self::Fragmented => PacketFlags::UNRELIABLE_FRAGMENT,
            Self::Unsequenced => PacketFlags::UNSEQUENCED,
        }
    }
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let kind = prop_oneof![
        1 => Just(Kind::Reliable),
        3 => Just(Kind::Unreliable),
        2 => Just(Kind::Fragmented),
        2 => Just(Kind::Unsequenced),
    ];
    let length = prop_oneof![3 => 4_usize..200, 1 => 1000_usize..8000];
    let send = (0..CHANNELS, kind, length)
        .prop_map(|(channel, kind, length)| Operation::Send(channel, kind, length));
    let wait = (0_u64..60).prop_map(Operation::Wait);
    proptest::collection::vec(prop_oneof![4 => send, 1 => wait], 1..120)
}

fn links() -> impl Strategy<Value = Link> {
    (0_u64..40, 0_u64..40, 0_u32..300, 0_u32..300, 0_u32..300).prop_map(
        |(latency, jitter, loss, duplicate, reorder)| Link {
            latency: Duration::from_millis(latency),
            jitter: Duration::from_millis(jitter),
            reorder_by: Duration::from_millis(60),
            loss,
            duplicate,
            reorder,
            ..Link::PERFECT
        },
    )
}

/// One packet that was sent, and whether it must arrive.
#[derive(Clone, Copy, Debug)]
struct Sent {
    channel: u8,
    kind: Kind,
    place: u32,
    must_arrive: bool,
}

/// Sends and waits; what was sent, by number, and what arrived, as channel and number.
fn run(seed: u64, link: Link, operations: &[Operation]) -> (BTreeMap<u32, Sent>, Vec<(u8, u32)>) {
    let mut session = Session::patient(seed, link, usize::from(CHANNELS));
    let mut sent = BTreeMap::new();
    for operation in operations {
        match *operation {
            Operation::Send(channel, kind, length) => {
                let number = u32::try_from(sent.len()).expect("few packets");
                let peer = session.to_server;
                let packet = payload(number, length);
                session
                    .client()
                    .send(peer, channel, kind.flags(), packet)
                    .expect("connected");
                // A packet longer than a datagram travels reliably unless it may be cut unreliably.
                let must_arrive = kind == Kind::Reliable
                    || length > 1364 && matches!(kind, Kind::Unreliable | Kind::Unsequenced);
                let place = number;
                sent.insert(
                    number,
                    Sent {
                        channel,
                        kind,
                        place,
                        must_arrive,
                    },
                );
            }
            Operation::Wait(millis) => session.network.run_for(Duration::from_millis(millis)),
        }
    }
    session.network.run_for(SECOND);
    session
        .network
        .set_all_links(Link::with_latency(5 * MILLISECOND));
    session.network.run_for(100 * SECOND);
    let server = session.server;
    let arrived = session
        .network
        .take_events(server)
        .into_iter()
        .map(|event| {
            let Event::Received {
                channel, payload, ..
            } = event
            else {
                panic!("unexpected {event:?}");
            };
            let number =
                number_of(&payload).unwrap_or_else(|| panic!("altered: {} bytes", payload.len()));
            (channel, number)
        });
    (sent, arrived.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: testkit::cases(48), failure_persistence: None, ..ProptestConfig::default() })]

    // req: HE-11
    #[test]
    fn nothing_arrives_twice_or_after_what_was_sent_later_on_its_channel(
        seed in any::<u64>(),
        link in links(),
        operations in operations(),
    ) {
        let (sent, arrived) = run(seed, link, &operations);
        let mut seen = BTreeSet::new();
        let mut last_place = [None; CHANNELS as usize];
        for (channel, number) in arrived {
            let packet = sent[&number];
            prop_assert_eq!(packet.channel, channel);
            prop_assert!(seen.insert(number), "{} arrived twice: {:?}", number, packet);
            let unordered = packet.kind == Kind::Unsequenced && !packet.must_arrive;
            if !unordered {
                let last = &mut last_place[usize::from(channel)];
                prop_assert!(*last < Some(packet.place), "{:?} after {:?}", packet, last);
                *last = Some(packet.place);
            }
        }
        for (number, packet) in &sent {
            prop_assert!(!packet.must_arrive || seen.contains(number), "{:?} is missing", packet);
        }
    }

    // req: HX-models
    #[test]
    fn unsequenced_groups_agree_with_a_set(
        steps in proptest::collection::vec((0_u16..1500, 0_u16..1023), 1..400),
    ) {
        let (mut network, peer) = raw_peer();
        let (mut newest, mut seen) = (0_u16, BTreeSet::new());
        for (forward, back) in steps {
            let group = newest.wrapping_add(forward).wrapping_sub(back);
            let is_new = group.wrapping_sub(newest) < 0x8000;
            let in_window = is_new || newest.wrapping_sub(group) < 1024;
            let fresh = in_window && seen.insert(group);
            let verdict = peer.send(&mut network, &unsequenced(0, group, &group.to_be_bytes()));
            let delivered = deliveries(&mut network, &peer);
            prop_assert_eq!(
                delivered.len(),
                usize::from(fresh),
                "group {} after {}: {:?}",
                group,
                newest,
                verdict
            );
            if is_new {
                newest = group;
            }
            seen.retain(|&old| newest.wrapping_sub(old) < 1024);
        }
    }

    // req: HX-models, HE-8, HE-10
    #[test]
    fn reassembly_agrees_with_a_byte_map(
        total in 2_u32..4000,
        part in 1_u32..1300,
        order in proptest::collection::vec((any::<proptest::sample::Index>(), damages()), 1..60),
    ) {
        let part = part.min(total - 1).max(total.div_ceil(400));
        let count = total.div_ceil(part);
        let packet = payload(7, total as usize);
        let (mut network, peer) = raw_peer();
        let mut map = vec![false; total as usize];
        let order = order.into_iter().map(|(index, damage)| (index.index(count as usize), damage));
        // The first part fixes how the packet is divided, so that one is good.
        let all = core::iter::once((0, Damage::None)).chain(order);
        let mut delivered = Vec::new();
        for (number, damage) in all.chain((0..count as usize).map(|number| (number, Damage::None))) {
            let was_complete = map.iter().all(|&have| have);
            let start = number * part as usize;
            let good = &packet[start..(start + part as usize).min(packet.len())];
            let fields = part_fields(number, count, total, start);
            let (fields, bytes) = damage.apply(fields, good);
            let verdict = peer.send(&mut network, &fragment(fields, bytes));
            if damage == Damage::None {
                map[start..start + bytes.len()].fill(true);
            } else {
                prop_assert_ne!(&verdict, &Handled::Consumed, "{:?} {:?}", damage, fields);
            }
            let completes = !was_complete && map.iter().all(|&have| have);
            let now = deliveries(&mut network, &peer);
            prop_assert_eq!(now.len(), usize::from(completes), "{:?} {:?}", fields, verdict);
            delivered.extend(now);
        }
        prop_assert_eq!(delivered, [packet]);
    }
}

/// What a fragment says that contradicts the packet that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    None,
    Count,
    Empty,
    Offset,
    Sequence,
    Short,
    Total,
}

fn damages() -> impl Strategy<Value = Damage> {
    use Damage::{Count, Empty, Offset, Sequence, Short, Total};
    let bad = proptest::sample::select(vec![Count, Empty, Offset, Sequence, Short, Total]);
    prop_oneof![3 => Just(Damage::None), 1 => bad]
}

impl Damage {
    fn apply(self, mut fields: FragmentFields, mut bytes: &[u8]) -> (FragmentFields, &[u8]) {
        match self {
            Self::None => {}
            Self::Count => fields.count += 1,
            Self::Empty => bytes = &[],
            Self::Offset => fields.offset += 1,
            Self::Sequence => fields.sequence = fields.sequence.wrapping_add(1),
            Self::Short => bytes = &bytes[1..],
            Self::Total => fields.total_bytes += 1,
        }
        (fields, bytes)
    }
}

fn part_fields(number: usize, count: u32, total_bytes: u32, offset: usize) -> FragmentFields {
    let number = u32::try_from(number).expect("few parts");
    FragmentFields {
        channel: 0,
        sequence: 1 + u16::try_from(number).expect("few parts"),
        start: 1,
        count,
        number,
        total_bytes,
        offset: u32::try_from(offset).expect("a short packet"),
    }
}

/// A host with one peer that writes its own bytes.
fn raw_peer() -> (Network<End>, RawPeer) {
    let mut network = Network::new(1, Link::PERFECT);
    let host = network.add(
        SocketAddr::from(([10, 0, 0, 2], 7777)),
        End::new(Config::new([1; 32])),
    );
    let address = SocketAddr::from(([10, 0, 0, 9], 999));
    let (peer, _) = RawPeer::connect(&mut network, host, address, ConnectFields::default());
    network.drive();
    let events = network.take_events(host);
    assert!(
        matches!(events[..], [Event::Connected { .. }]),
        "{events:?}"
    );
    (network, peer)
}

fn deliveries(network: &mut Network<End>, peer: &RawPeer) -> Vec<bytes::Bytes> {
    network.drive();
    let events = network.take_events(peer.node).into_iter();
    let payloads = events.map(|event| match event {
        Event::Received { payload, .. } => payload,
        other => panic!("unexpected {other:?}"),
    });
    payloads.collect()
}

#[test]
fn an_unsequenced_group_half_the_number_space_ahead_is_refused() {
    let (mut network, peer) = raw_peer();
    let verdict = peer.send(&mut network, &unsequenced(0, 0x8000, b"x"));
    assert_eq!(verdict, Handled::Dropped(DropReason::OutsideWindow));
    assert!(deliveries(&mut network, &peer).is_empty());
}

#[test]
fn unreliable_packets_bound_to_a_reliable_one_that_is_missing_wait_for_it_or_are_lost() {
    let (mut network, peer) = raw_peer();
    let early = peer.send(&mut network, &raw::unreliable(0, 1, 1, b"after the first"));
    assert_eq!(early, Handled::Consumed);
    assert!(deliveries(&mut network, &peer).is_empty());
    let first = peer.send(&mut network, &raw::reliable(0, 1, b"the first"));
    assert_eq!(first, Handled::Consumed);
    assert_eq!(
        deliveries(&mut network, &peer),
        ["the first", "after the first"]
    );
    let late = peer.send(&mut network, &raw::unreliable(0, 0, 5, b"before the first"));
    assert_ne!(late, Handled::Consumed);
    assert!(deliveries(&mut network, &peer).is_empty());
}

// enet.md 9.4: the 65536th unreliable packet is promoted to reliable
#[test]
fn unreliable_numbers_never_wrap_because_one_packet_in_65536_becomes_reliable() {
    let mut session = Session::patient(1, Link::PERFECT, 1);
    let (mut promoted, mut arrived) = (Vec::new(), 0);
    for number in 0..140_000_u32 {
        let peer = session.to_server;
        session
            .client()
            .send(peer, 0, PacketFlags::NONE, payload(number, 4))
            .expect("connected");
        if number % 500 == 499 {
            session.network.run_for(MILLISECOND);
            let server = session.server;
            for event in session.network.take_events(server) {
                let Event::Received { flags, payload, .. } = event else {
                    panic!("unexpected {event:?}");
                };
                assert_eq!(number_of(&payload), Some(arrived));
                if flags == PacketFlags::RELIABLE {
                    promoted.push(arrived);
                }
                arrived += 1;
            }
        }
    }
    assert_eq!(arrived, 140_000);
    assert_eq!(promoted, [65_535, 131_071]);
}
