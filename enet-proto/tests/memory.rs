//! What strangers and peers can make a host hold at most, counted in the allocator.

extern crate alloc;

mod common;

use bytes::Bytes;
use common::End;
use common::raw::{self, CONNECTION, ConnectFields, FragmentFields};
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use enet_proto::{Config, DisconnectReason, Event, Host, PacketFlags, PeerKey};
use peak_alloc::PeakAlloc;
use proto_core::Instant;
use std::sync::Mutex;
use testkit::{Link, Pair};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;
/// Only one test at a time may allocate.
static ALONE: Mutex<()> = Mutex::new(());

const MIB: usize = 1 << 20;
const MILLISECOND: Duration = Duration::from_millis(1);

fn address(index: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from(0x0b00_0000 + index), 5000))
}

/// A host, the time, and a buffer, all made before anything is counted.
struct Victim {
    host: Host,
    now: Instant,
    buffer: Vec<u8>,
    base_bytes: usize,
}

impl Victim {
    fn new(config: Config) -> Self {
        Self {
            host: Host::new(config).expect("the settings are legal"),
            now: Instant::from_millis(1000),
            buffer: vec![0; Host::BUFFER],
            base_bytes: 0,
        }
    }

    /// What is held from now on counts.
    fn count(&mut self) {
        self.base_bytes = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
    }

    fn most_bytes(&self) -> usize {
        ALLOCATOR.peak_usage() - self.base_bytes
    }

    fn deliver(&mut self, from: SocketAddr, datagram: &[u8]) {
        let _ = self.host.handle_datagram(self.now, from, datagram);
    }

    /// Lets the host send, and gives each datagram to `taken`.
    fn send_all(&mut self, mut taken: impl FnMut(SocketAddr, &[u8])) {
        while let Some(transmit) = self.host.poll_transmit(self.now, &mut self.buffer) {
            taken(transmit.destination, &self.buffer[transmit.bytes]);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.host.handle_timeout(self.now);
    }

    /// Connects a peer with 255 channels from `from`.
    fn connect(&mut self, from: SocketAddr) -> Attacker {
        let fields = ConnectFields {
            channel_count: 255,
            ..ConnectFields::default()
        };
        self.deliver(from, &raw::connect(fields));
        let mut verify = Vec::new();
        self.send_all(|_, bytes| verify = bytes.to_vec());
        let parsed = raw::parse(&verify, false);
        let body = &parsed.commands[0].bytes;
        let word = raw::be16(body, 4) | u16::from(body[7]) << 12;
        let sent_time = parsed.sent_time.expect("there is one");
        let mut attacker = Attacker {
            from,
            word,
            key: None,
        };
        let answer = attacker.datagram(&raw::acknowledge(CONNECTION, 1, sent_time));
        self.deliver(from, &answer);
        while let Some(event) = self.host.poll_event() {
            if let Event::Connected { peer, .. } = event {
                attacker.key = Some(peer);
            }
        }
        attacker
    }
}

/// A peer that does what it likes.
struct Attacker {
    from: SocketAddr,
    word: u16,
    key: Option<PeerKey>,
}

impl Attacker {
    fn datagram(&self, commands: &[u8]) -> Vec<u8> {
        let mut bytes = (self.word | 0x8000).to_be_bytes().to_vec();
        bytes.extend([0, 0]);
        bytes.extend(commands);
        bytes
    }

    fn send(&self, victim: &mut Victim, commands: &[u8]) {
        let datagram = self.datagram(commands);
        victim.deliver(self.from, &datagram);
    }

    /// Empty packets behind a gap, on all channels, as far from each other as the window allows, and then more of them.
    fn hoard_packets(&self, victim: &mut Victim) {
        let far = [2, 28_000].into_iter();
        for sequence in far.chain([9000, 18_000]) {
            for channel in 0..255 {
                self.send(victim, &raw::reliable(channel, sequence, b""));
            }
            victim.send_all(|_, _| {});
        }
    }

    /// The parts of long packets from `first` on, each on three packets of all channels, of which none is ever complete.
    fn hoard_fragments(&self, victim: &mut Victim, first: u32, rounds: u32) {
        const PART: u32 = 4000;
        const TOTAL: u32 = 4 << 20;
        let count = TOTAL.div_ceil(PART);
        for number in first..(first + rounds).min(count - 1) {
            for channel in 0..255 {
                for start in [1, 2000, 4000] {
                    let fields = FragmentFields {
                        channel,
                        sequence: start + u16::try_from(number).expect("few"),
                        start,
                        count,
                        number,
                        total_bytes: TOTAL,
                        offset: number * PART,
                    };
                    self.send(victim, &raw::fragment(fields, &[7; PART as usize]));
                }
            }
            victim.send_all(|_, _| {});
        }
    }
}

/// The application sends to a peer until the host refuses.
fn fill_queue(victim: &mut Victim, attacker: &Attacker, length: usize) {
    let key = attacker.key.expect("it is connected");
    for _ in 0..10_000 {
        let packet = Bytes::from(vec![1; length]);
        if victim
            .host
            .send(key, 0, PacketFlags::RELIABLE, packet)
            .is_err()
        {
            break;
        }
    }
    victim.send_all(|_, _| {});
}

// req: HG-18
#[test]
fn strangers_make_a_host_hold_less_than_2_mib() {
    let _alone = ALONE.lock();
    let mut victim = Victim::new(Config::new([1; 32]));
    victim.count();
    let mut datagram = raw::connect(ConnectFields::default());
    let at = datagram.len() - 8;
    for index in 0..200_000_u32 {
        datagram[at..at + 4].copy_from_slice(&index.to_be_bytes());
        victim.deliver(address(index), &datagram);
        victim.deliver(address(index), &raw::ping(1));
        if index % 2000 == 0 {
            victim.send_all(|_, _| {});
            victim.pass(MILLISECOND);
        }
    }
    let most = victim.most_bytes();
    println!("strangers: {most} bytes");
    assert!(most < 2 * MIB, "{most}");
}

// req: HG-18
#[test]
fn one_peer_makes_a_host_hold_less_than_16_mib() {
    let _alone = ALONE.lock();
    for first in [0, 1] {
        let mut victim = Victim::new(Config::new([1; 32]));
        victim.count();
        let attacker = victim.connect(address(1));
        fill_queue(&mut victim, &attacker, 2000);
        let queue = victim.most_bytes();
        attacker.hoard_packets(&mut victim);
        let packets = victim.most_bytes() - queue;
        attacker.hoard_fragments(&mut victim, first, 20);
        let most = victim.most_bytes();
        println!(
            "queue {queue}, packets {packets}, fragments {}",
            most - packets - queue
        );
        assert_eq!(victim.host.connected_peers(), 1);
        assert!(most < 16 * MIB, "{most}");
    }
}

/// Which parts of each packet are never acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Withheld {
    First,
    Last,
}

// req: HG-18
#[test]
fn packets_of_which_one_part_is_never_acknowledged_count_as_a_whole() {
    let _alone = ALONE.lock();
    for withheld in [Withheld::First, Withheld::Last] {
        let mut victim = Victim::new(Config::new([1; 32]));
        victim.count();
        let attacker = victim.connect(address(1));
        let key = attacker.key.expect("it is connected");
        for round in 0..4000_u32 {
            let channel = (round % 255) as u8;
            let packet = Bytes::from(vec![1; 200_000]);
            let _ = victim
                .host
                .send(key, channel, PacketFlags::RELIABLE, packet);
            let mut answers = Vec::new();
            victim.send_all(|_, bytes| {
                let datagram = raw::parse(bytes, false);
                let sent_time = datagram.sent_time.unwrap_or_default();
                for command in datagram.commands.iter().filter(|command| command.kind == 8) {
                    let number = raw::be16(&command.bytes, 14);
                    let count = raw::be16(&command.bytes, 10);
                    let is_withheld = match withheld {
                        Withheld::First => number == 0,
                        Withheld::Last => number + 1 == count,
                    };
                    if !is_withheld {
                        answers.extend(raw::acknowledge(
                            command.channel,
                            command.sequence,
                            sent_time,
                        ));
                    }
                }
            });
            for answer in answers.chunks(8 * 100) {
                attacker.send(&mut victim, answer);
            }
            victim.pass(MILLISECOND);
        }
        let most = victim.most_bytes();
        println!("{withheld:?}: {most} bytes");
        assert!(most < 6 * MIB, "{withheld:?}: {most}");
    }
}

/// Acknowledgements of all reliable packets that the victim sends now.
fn acknowledgements(victim: &mut Victim) -> Vec<Vec<u8>> {
    let mut answers = Vec::new();
    victim.send_all(|_, bytes| {
        let datagram = raw::parse(bytes, false);
        let sent_time = datagram.sent_time.unwrap_or_default();
        let reliable = datagram.commands.iter().filter(|command| command.kind != 1);
        answers.extend(reliable.map(|command| {
            raw::acknowledge(command.channel, command.sequence, sent_time).to_vec()
        }));
    });
    answers
}

// req: HG-18
#[test]
fn a_lost_packet_does_not_make_the_queue_full_while_the_window_is_open() {
    /// ENet's windows: so far may a command be ahead of one that is not acknowledged.
    const WINDOW: usize = 7 * 4096;
    let _alone = ALONE.lock();
    let mut victim = Victim::new(Config::new([1; 32]));
    victim.count();
    let peer = victim.connect(address(1));
    let key = peer.key.expect("it is connected");
    for number in 0..WINDOW - 100 {
        let packet = Bytes::from(vec![1; 100]);
        let sent = victim.host.send(key, 0, PacketFlags::RELIABLE, packet);
        assert_eq!(sent, Ok(()), "{number}");
        let mut answers = acknowledgements(&mut victim);
        if number == 0 {
            answers.pop();
        }
        peer.send(&mut victim, &answers.concat());
    }
    let stats = victim.host.peer(key).expect("it is connected").stats();
    assert_eq!((stats.queued_packets, stats.queued_bytes), (1, 100));
    let most = victim.most_bytes();
    println!("behind a lost packet: {most} bytes");
    assert!(most < 4 * MIB, "{most}");
    // Then the application must wait, though each peer acknowledges: the places count as bytes.
    let mut full = false;
    for channel in 1..=255_u8 {
        for number in 0..8192 {
            let packet = Bytes::from_static(b"x");
            full |= victim
                .host
                .send(key, channel % 255, PacketFlags::RELIABLE, packet)
                .is_err();
            let mut answers = acknowledgements(&mut victim);
            if number == 0 {
                answers.pop();
            }
            peer.send(&mut victim, &answers.concat());
            if full {
                break;
            }
        }
    }
    let most = victim.most_bytes();
    println!("behind many lost packets: {most} bytes");
    assert!(full && most < 6 * MIB, "{most}");
}

#[test]
fn what_was_acknowledged_leaves_nothing_behind() {
    let _alone = ALONE.lock();
    let mut victim = Victim::new(Config::new([1; 32]));
    let peer = victim.connect(address(1));
    let key = peer.key.expect("it is connected");
    let round = |victim: &mut Victim| {
        for channel in [0, 1, 0] {
            let packet = Bytes::from_static(b"news");
            let sent = victim
                .host
                .send(key, channel, PacketFlags::RELIABLE, packet);
            assert_eq!(sent, Ok(()));
        }
        // In one datagram: nothing flies when it has been handled.
        let mut answers = acknowledgements(victim);
        answers.reverse();
        peer.send(victim, &answers.concat());
        victim.pass(MILLISECOND);
    };
    (0..1000).for_each(|_| round(&mut victim));
    victim.count();
    (0..20_000).for_each(|_| round(&mut victim));
    let most = victim.most_bytes();
    println!("60,000 packets: {most} bytes");
    // The threads of the test harness allocate too; four bytes of each packet would be 240 kB.
    assert!(most < 64 << 10, "{most}");
}

/// Everything that a peer can make the host hold, from so many of them at once.
/// One client comes over a bad network, both sides talk, and it leaves in the middle of it; until neither side knows the other.
fn visit(pair: &mut Pair<End>, round: usize) -> u64 {
    let (client, server) = (pair.client, pair.server);
    let network = &mut pair.network;
    let now = network.now_at(client);
    let host = &mut network.machine_mut(client).host;
    let to = host.connect(now, Pair::<End>::SERVER, 2, 0);
    let to_server = to.expect("there is room");
    let mut received = 0;
    for _ in 0..40 {
        network.run_for(50 * MILLISECOND);
        for node in [client, server] {
            let events = network.take_events(node);
            let messages = events
                .iter()
                .filter(|event| matches!(event, Event::Received { .. }));
            received += messages.count() as u64;
            let host = &mut network.machine_mut(node).host;
            let peer = host.peers().next();
            if let Some(peer) = peer {
                for flags in [PacketFlags::RELIABLE, PacketFlags::UNSEQUENCED] {
                    let packet = Bytes::from(vec![7; 20 + 3000 * (round % 2)]);
                    // Not yet connected, or not any more.
                    let _ = host.send(peer, 0, flags, packet);
                }
            }
        }
    }
    match round % 3 {
        0 => network.machine_mut(client).host.disconnect(to_server, 0),
        1 => network
            .machine_mut(client)
            .host
            .disconnect_later(to_server, 0),
        // It vanishes for the server, which has to notice.
        _ => network
            .machine_mut(client)
            .host
            .disconnect_now(to_server, 0),
    }
    network.run_for(Duration::from_secs(120));
    for node in [client, server] {
        network.take_events(node);
        assert_eq!(
            network.machine(node).host.peers().count(),
            0,
            "round {round}"
        );
    }
    received
}

// req: SIM-9
#[test]
fn sessions_over_a_bad_network_leave_nothing_behind_when_they_end() {
    let _alone = ALONE.lock();
    let link = Link {
        latency: 20 * MILLISECOND,
        jitter: 30 * MILLISECOND,
        loss: 100,
        duplicate: 50,
        reorder: 50,
        reorder_by: 100 * MILLISECOND,
        ..Link::PERFECT
    };
    let [one, other] = [1, 2].map(|seed| End::new(Config::new([seed; 32])));
    let mut pair = Pair::new(9, link, one, other);
    // Most queues and tables have found their size then.
    let warm: u64 = (0..60).map(|round| visit(&mut pair, round)).sum();
    let before = ALLOCATOR.current_usage();
    let received: u64 = (60..240).map(|round| visit(&mut pair, round)).sum();
    let after = ALLOCATOR.current_usage();
    println!("{received} messages in 180 sessions: {before} bytes before, {after} after");
    assert!(warm > 100 && received > 1000, "{warm} {received}");
    // A hundred bytes that each session left behind would be seen; the threads of other tests may hold a little.
    assert!(
        after <= before + (16 << 10),
        "{before} bytes before, {after} after"
    );
}

fn attack_with(victim: &mut Victim, peers: u32) -> Vec<Attacker> {
    let attackers: Vec<_> = (0..peers)
        .map(|index| victim.connect(address(index)))
        .collect();
    for attacker in &attackers {
        fill_queue(victim, attacker, 2000);
        attacker.hoard_packets(victim);
        attacker.hoard_fragments(victim, 0, 2);
        attacker.hoard_fragments(victim, 7, 1);
    }
    attackers
}

// req: HG-18
#[test]
fn two_hundred_and_fifty_six_peers_make_a_host_hold_less_than_1_gib() {
    let _alone = ALONE.lock();
    let mut config = Config::new([1; 32]);
    config.max_peers = 256;
    let mut victim = Victim::new(config);
    victim.count();
    let attackers = attack_with(&mut victim, 255);
    assert_eq!(victim.host.connected_peers(), 255);
    let most = victim.most_bytes();
    println!("256 peers: {most} bytes");
    assert!(most < 1024 * MIB, "{most}");

    // The honest one comes last, and has its share: a packet of 200 kB whose parts come in the wrong order, and an answer.
    let honest = victim.connect(address(1_000_000));
    let parts = 200_000_u32.div_ceil(4000);
    for number in (0..parts).rev() {
        let fields = FragmentFields {
            channel: 0,
            sequence: 1 + u16::try_from(number).expect("few"),
            start: 1,
            count: parts,
            number,
            total_bytes: 200_000,
            offset: number * 4000,
        };
        honest.send(&mut victim, &raw::fragment(fields, &[9; 4000]));
    }
    let mut events = core::iter::from_fn(|| victim.host.poll_event());
    assert!(
        events.any(
            |event| matches!(event, Event::Received { payload, .. } if payload.len() == 200_000)
        )
    );
    let key = honest.key.expect("it is connected");
    let answer = Bytes::from(vec![1; 200_000]);
    assert_eq!(
        victim.host.send(key, 0, PacketFlags::RELIABLE, answer),
        Ok(())
    );
    drop(attackers);
}

// req: HG-13
#[test]
fn who_takes_all_of_the_shared_memory_is_dropped_when_others_need_it() {
    let _alone = ALONE.lock();
    let mut config = Config::new([1; 32]);
    config.max_peers = 8;
    config.limits.host_receive_bytes = 4 * MIB;
    let mut victim = Victim::new(config);
    let hoarders: Vec<_> = (0..7).map(|index| victim.connect(address(index))).collect();
    for hoarder in &hoarders {
        hoarder.hoard_fragments(&mut victim, 1, 4);
    }
    let honest = victim.connect(address(100));
    while victim.host.poll_event().is_some() {}
    let fields = |number: u32| FragmentFields {
        channel: 0,
        sequence: 1 + u16::try_from(number).expect("few"),
        start: 1,
        count: 250,
        number,
        total_bytes: 1_000_000,
        offset: number * 4000,
    };
    let mut dropped = Vec::new();
    for second in 0..20 {
        // It sends again what is not acknowledged, and all live ones acknowledge pings.
        for number in 0..250 {
            honest.send(&mut victim, &raw::fragment(fields(number), &[9; 4000]));
        }
        let mut answers = Vec::new();
        victim.send_all(|to, bytes| {
            let datagram = raw::parse(bytes, false);
            let sent_time = datagram.sent_time.unwrap_or_default();
            for command in datagram
                .commands
                .iter()
                .filter(|command| command.flags & 0x80 != 0)
            {
                answers.push((
                    to,
                    raw::acknowledge(command.channel, command.sequence, sent_time),
                ));
            }
        });
        for (to, answer) in answers {
            let peers = hoarders.iter().chain([&honest]);
            let peer = peers.clone().find(|peer| peer.from == to);
            peer.expect("one of them").send(&mut victim, &answer);
        }
        while let Some(event) = victim.host.poll_event() {
            match event {
                Event::Received { payload, .. } => {
                    assert_eq!(payload.len(), 1_000_000);
                    println!("delivered in second {second}, dropped {dropped:?}");
                    assert!(!dropped.is_empty() && dropped.len() < 7 && second <= 10);
                    return;
                }
                Event::Disconnected { peer, reason } => {
                    assert_ne!(Some(peer), honest.key);
                    assert_eq!(reason, DisconnectReason::HostLimit);
                    dropped.push(peer);
                }
                other => panic!("{other:?}"),
            }
        }
        victim.pass(1000 * MILLISECOND);
    }
    panic!("the honest packet never arrived");
}
