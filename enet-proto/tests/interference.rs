//! Attacks on connections that exist: an honest pair talks while somebody replays, forges and floods.

extern crate alloc;

mod common;

use alloc::collections::VecDeque;
use common::raw::{
    self, CONNECTION, ConnectFields, FragmentFields, RawPeer, acknowledge, parse, transmissions,
};
use common::{End, MILLISECOND, SECOND};
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use enet_proto::{Config, DisconnectReason, DropReason, Event, PacketFlags};
use proto_core::{Handled, Instant, Transmit};
use testkit::{Dice, Link, Machine, Network, NodeId, Pair};

/// The honest pair talks for so many milliseconds, a packet in each.
const MILLISECONDS: u32 = 5000;

/// A host of which an attacker has heard every datagram.
struct Tapped {
    end: End,
    heard: Vec<(SocketAddr, Vec<u8>)>,
}

impl Machine for Tapped {
    type Event = Event;
    type Drop = DropReason;

    fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<DropReason> {
        self.end.handle_datagram(now, local, from, data)
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.end.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let transmit = self.end.poll_transmit(now, buffer)?;
        let bytes = buffer[transmit.bytes.clone()].to_vec();
        self.heard.push((transmit.destination, bytes));
        Some(transmit)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.end.poll_timeout()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.end.poll_event()
    }

    fn buffer_bytes(&self) -> usize {
        self.end.buffer_bytes()
    }
}

type Scene = Pair<Tapped>;
const CLIENT: SocketAddr = Scene::CLIENT;
const SERVER: SocketAddr = Scene::SERVER;

fn tapped(seed: u8) -> Tapped {
    Tapped {
        end: End::new(Config::new([seed; 32])),
        heard: Vec::new(),
    }
}

/// How the honest pair fared.
#[derive(Debug)]
struct Fared {
    /// Packets that arrived, all in order.
    arrived: u32,
    mean_latency: Duration,
    round_trip: Duration,
    most_held_bytes: usize,
}

/// The client sends a packet each millisecond over 25 ms, while `attack` does what it likes to the network, also given what
/// millisecond it is.
fn fare(loss: u16, mut attack: impl FnMut(&mut Scene, u32)) -> Fared {
    let link = Link {
        latency: 25 * MILLISECOND,
        loss: loss.into(),
        ..Link::PERFECT
    };
    let mut scene = Scene::new(3, Link::PERFECT, tapped(1), tapped(2));
    let client = &mut scene.network.machine_mut(scene.client).end.host;
    let to_server = client
        .connect(Instant::ZERO, SERVER, 2, 7)
        .expect("there is room");
    scene.network.run_for(50 * MILLISECOND);
    scene.network.set_all_links(link);
    let server = &scene.network.machine(scene.server).end.host;
    let to_client = server.peers().next().expect("it is connected");
    let mut sent_at = VecDeque::new();
    let (mut arrived, mut total) = (0, Duration::ZERO);
    for millisecond in 0..MILLISECONDS {
        let now = scene.network.now();
        let client = &mut scene.network.machine_mut(scene.client).end.host;
        let packet = common::payload(millisecond, 100);
        if client
            .send(to_server, 0, PacketFlags::RELIABLE, packet)
            .is_ok()
        {
            sent_at.push_back((now, millisecond));
        }
        attack(&mut scene, millisecond);
        scene.network.run_for(MILLISECOND);
        for event in scene.network.take_events(scene.server) {
            if let Event::Received {
                payload,
                channel: 0,
                ..
            } = &event
                && let Some(number) = common::number_of(payload)
            {
                let (at, expected) = sent_at.pop_front().expect("it was sent");
                assert_eq!(number, expected, "out of order");
                arrived += 1;
                total += scene.network.now().saturating_since(at);
            } else {
                // Who floods may be dropped.
                let gone = matches!(event, Event::Disconnected { peer, .. } if peer == to_client);
                assert!(!gone, "{event:?}");
            }
        }
        let events = scene.network.take_events(scene.client);
        assert!(
            !events
                .iter()
                .any(|event| matches!(event, Event::Disconnected { .. }))
        );
    }
    let client = &scene.network.machine(scene.client).end;
    let view = client.host.peer(to_server).expect("still connected");
    Fared {
        arrived,
        mean_latency: total / arrived.max(1),
        round_trip: view.stats().round_trip,
        most_held_bytes: scene.network.machine(scene.server).end.most_held_bytes,
    }
}

/// At most a tenth worse than without an attack.
fn assert_as_good(attacked: &Fared, alone: &Fared) {
    let text = format!("{attacked:?}, alone {alone:?}");
    assert!(attacked.arrived * 10 >= alone.arrived * 9, "{text}");
    assert!(
        attacked.mean_latency * 10 <= alone.mean_latency * 11,
        "{text}"
    );
    assert!(attacked.round_trip * 10 <= alone.round_trip * 11, "{text}");
    assert!(attacked.round_trip * 10 >= alone.round_trip * 9, "{text}");
}

// req: HE-13, HG-5
#[test]
fn replays_of_everything_that_was_said_do_no_harm() {
    for loss in [0, 20] {
        let alone = fare(loss, |_, _| ());
        let mut dice = Dice::new(4);
        let mut both = Vec::new();
        let attacked = fare(loss, |scene, _| {
            for (node, from) in [(scene.client, CLIENT), (scene.server, SERVER)] {
                let heard = &mut scene.network.machine_mut(node).heard;
                both.extend(heard.drain(..).map(|(to, bytes)| (from, to, bytes)));
            }
            for _ in 0..4 {
                let any = dice.below(both.len() as u64);
                let (from, to, bytes) = &both[usize::try_from(any).expect("few")];
                scene.network.inject(*from, *to, bytes);
            }
        });
        assert_as_good(&attacked, &alone);
    }
}

/// Header, as somebody knows it who has guessed the number and session of a connection.
fn known_word(scene: &Scene, to: SocketAddr) -> u16 {
    let node = if to == SERVER {
        scene.client
    } else {
        scene.server
    };
    let heard = &scene.network.machine(node).heard;
    let (_, last) = heard.last().expect("it has said something");
    raw::be16(last, 0) & 0x3fff
}

// req: HE-13
#[test]
fn forged_acknowledgements_of_who_knows_number_and_session_do_no_harm() {
    for loss in [0, 20] {
        let alone = fare(loss, |_, _| ());
        let mut dice = Dice::new(5);
        let attacked = fare(loss, |scene, millisecond| {
            let word = known_word(scene, CLIENT);
            for _ in 0..10 {
                let mut draw = |bound: u64| u16::try_from(dice.below(bound)).expect("16 bits");
                // It knows how far they are, too.
                let sequence = u16::try_from(millisecond)
                    .expect("few")
                    .wrapping_sub(draw(60))
                    .wrapping_add(draw(10));
                let mut datagram = word.to_be_bytes().to_vec();
                for _ in 0..4 {
                    datagram.extend(acknowledge(0, sequence, draw(0x1_0000)));
                    datagram.extend(acknowledge(CONNECTION, sequence, draw(0x1_0000)));
                }
                scene.network.inject(SERVER, CLIENT, &datagram);
            }
        });
        assert_as_good(&attacked, &alone);
    }
}

// req: HE-3
#[test]
fn a_hundred_thousand_forged_datagrams_of_each_kind_end_no_connection() {
    let alone = fare(0, |_, _| ());
    let mut dice = Dice::new(6);
    let attacked = fare(0, |scene, _| {
        for _ in 0..20 {
            let mut draw = |bound: u64| u16::try_from(dice.below(bound)).expect("16 bits");
            let word = draw(0xfff) | draw(4) << 12 | 0x8000;
            let mut datagram = word.to_be_bytes().to_vec();
            datagram.extend([0, 0]);
            let sequence = draw(0x1_0000);
            datagram.extend(raw::disconnect(sequence, 1));
            let (from, to) = if draw(2) == 0 {
                (CLIENT, SERVER)
            } else {
                (SERVER, CLIENT)
            };
            scene.network.inject(from, to, &datagram);
        }
    });
    assert_as_good(&attacked, &alone);
}

/// What a third peer floods the server with, by the number of the datagram.
fn flood_commands(kind: u8, number: u32) -> Vec<u8> {
    let low = (number % 20_000) as u16 + 2;
    match kind {
        // First parts of long packets that never go on.
        0 => raw::fragment(
            FragmentFields {
                channel: (number % 4) as u8,
                sequence: low,
                start: low,
                count: 3076,
                number: 0,
                total_bytes: 4 << 20,
                offset: 0,
            },
            &[7; 1364],
        ),
        // Packets behind a gap, backwards.
        1 => raw::reliable((number % 4) as u8, 28_000 - low, b""),
        // Unreliable packets that wait for a reliable one.
        2 => raw::unreliable((number % 4) as u8, low, 1, &[7; 1000]),
        // As many pings as fit.
        _ => (0..300).flat_map(raw::ping).collect(),
    }
}

// req: HG-5, HE-9
#[test]
fn a_peer_that_floods_with_fragments_gaps_or_pings_costs_the_others_nothing() {
    let alone = fare(0, |_, _| ());
    for kind in 0..4 {
        let mut flooder: Option<u16> = None;
        let from = SocketAddr::from((Ipv4Addr::new(10, 0, 0, 99), 99));
        let mut number = 0;
        let attacked = fare(0, |scene, _| {
            let server = scene.server;
            let word = *flooder.get_or_insert_with(|| join(&mut scene.network, server, from));
            for _ in 0..if kind == 3 { 1 } else { 20 } {
                let mut datagram = (word | 0x8000).to_be_bytes().to_vec();
                datagram.extend([0, 0]);
                datagram.extend(flood_commands(kind, number));
                number += 1;
                scene.network.inject(from, SERVER, &datagram);
            }
        });
        assert_as_good(&attacked, &alone);
        // 1 MiB of packets and 4 of fragments, and the fragment that passes the limit.
        assert!(attacked.most_held_bytes <= 6 << 20, "{kind}: {attacked:?}");
    }
}

/// Connects from `from`, where no machine is, and gives the header word to the host.
fn join(network: &mut Network<Tapped>, node: NodeId, from: SocketAddr) -> u16 {
    let now = network.now();
    let machine = network.machine_mut(node);
    let host = &mut machine.end.host;
    let request = raw::connect(ConnectFields::default());
    assert!(host.handle_datagram(now, from, &request).is_consumed());
    let mut buffer = vec![0; enet_proto::Host::BUFFER];
    let verify = loop {
        let transmit = host
            .poll_transmit(now, &mut buffer)
            .expect("VERIFY_CONNECT");
        if transmit.destination == from {
            break buffer[transmit.bytes].to_vec();
        }
        machine
            .heard
            .push((transmit.destination, buffer[transmit.bytes].to_vec()));
    };
    let verify = parse(&verify, false);
    let body = &verify.commands[0].bytes;
    let word = raw::be16(body, 4) | u16::from(body[7]) << 12;
    let mut answer = word.to_be_bytes().to_vec();
    let sent_time = verify.sent_time.expect("there is one");
    answer.extend(acknowledge(CONNECTION, 1, sent_time));
    assert!(host.handle_datagram(now, from, &answer).is_consumed());
    word
}

/// A host and a peer of it that is no machine.
fn host_and_peer() -> (Network<End>, NodeId, RawPeer) {
    let mut network = Network::new(1, Link::PERFECT);
    let host = network.add(SERVER, End::new(Config::new([7; 32])));
    network.run_for(SECOND);
    let fields = ConnectFields::default();
    let (peer, _) = RawPeer::connect(&mut network, host, CLIENT, fields);
    network.drive();
    network.take_events(host);
    (network, host, peer)
}

/// For so many milliseconds the host sends a packet each 20 ms, and the peer answers what it gets as `answer` says: by kind,
/// number and sent time. Gives the datagrams that the host sent.
fn talk(
    network: &mut Network<End>,
    peer: &RawPeer,
    milliseconds: u32,
    mut answer: impl FnMut(&raw::ParsedCommand, u16) -> Option<u16>,
) -> usize {
    let node = peer.node;
    let key = network.machine(node).host.peers().next();
    let mut datagrams = 0;
    for millisecond in 0..milliseconds {
        if let (0, Some(key)) = (millisecond % 20, key) {
            let host = &mut network.machine_mut(node).host;
            let _ = host.send(key, 0, PacketFlags::RELIABLE, vec![1; 50].into());
        }
        for bytes in transmissions(network, node) {
            datagrams += 1;
            let datagram = parse(&bytes, false);
            let sent_time = datagram.sent_time.unwrap_or_default();
            for command in datagram
                .commands
                .iter()
                .filter(|command| command.flags & 0x80 != 0)
            {
                if let Some(echo) = answer(command, sent_time) {
                    let answer = acknowledge(command.channel, command.sequence, echo);
                    let _ = peer.send(network, &answer);
                }
            }
        }
        let now = network.now() + MILLISECOND;
        network.skip(MILLISECOND);
        network.machine_mut(node).host.handle_timeout(now);
    }
    datagrams
}

#[test]
fn false_echoes_change_neither_the_round_trip_nor_how_often_is_sent_again() {
    for offset in [1_u16, 7, 100, 30_000, 65_535] {
        let (mut network, host, peer) = host_and_peer();
        let key = network
            .machine(host)
            .host
            .peers()
            .next()
            .expect("connected");
        talk(&mut network, &peer, 500, |_, sent_time| Some(sent_time));
        let before = network
            .machine(host)
            .host
            .peer(key)
            .expect("connected")
            .stats();
        // It says that it had each packet earlier or later than it was sent.
        let datagrams = talk(&mut network, &peer, 4000, |_, sent_time| {
            Some(sent_time.wrapping_add(offset))
        });
        let after = network
            .machine(host)
            .host
            .peer(key)
            .expect("connected")
            .stats();
        assert!(
            after.round_trip <= before.round_trip + 20 * MILLISECOND,
            "{offset}: {after:?}"
        );
        // 200 packets, of which each was sent again at most ten times: the wait doubles from 10 ms.
        assert!(datagrams <= 2200, "{offset}: {datagrams}");
    }
}

// req: HE-14
#[test]
fn a_peer_that_acknowledges_pings_and_all_packets_but_one_is_dropped_in_time() {
    let (mut network, host, peer) = host_and_peer();
    let mut withheld = None;
    for second in 0..40 {
        talk(&mut network, &peer, 1000, |command, sent_time| {
            let is_packet = command.kind == 6;
            let is_withheld =
                is_packet && *withheld.get_or_insert(command.sequence) == command.sequence;
            (!is_withheld).then_some(sent_time)
        });
        network.drive();
        if let Some(Event::Disconnected { reason, .. }) = network.poll_event(host) {
            assert_eq!(reason, DisconnectReason::Timeout);
            assert!(second <= 35, "{second}");
            return;
        }
    }
    panic!("it was never dropped");
}

// req: HE-16
#[test]
fn the_number_of_a_peer_that_was_turned_out_goes_to_nobody_else_while_it_may_still_talk() {
    let (mut network, host, old) = host_and_peer();
    let key = network
        .machine(host)
        .host
        .peers()
        .next()
        .expect("connected");
    network.machine_mut(host).host.reset(key);
    // The same address comes back, again and again, and the old client goes on talking.
    for round in 0..200_u16 {
        let fields = ConnectFields {
            connect_id: u32::from(round) + 1,
            ..ConnectFields::default()
        };
        let (new, _) = RawPeer::connect(&mut network, host, CLIENT, fields);
        assert_ne!(new.word & 0xfff, old.word & 0xfff, "round {round}");
        let late = old.send(&mut network, &raw::reliable(0, 1 + round, b"old"));
        assert!(matches!(late, Handled::Dropped(_)), "{late:?}");
        network.drive();
        let events = network.take_events(host);
        let [Event::Connected { peer, .. }] = events[..] else {
            panic!("round {round}: {events:?}");
        };
        network.machine_mut(host).host.reset(peer);
        network.run_for(10 * MILLISECOND);
    }
}
