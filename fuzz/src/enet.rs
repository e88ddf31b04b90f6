//! Bodies for `enet-proto`.

use crate::network::{Datagram, Network};
use crate::parts;
use alloc::collections::{BTreeMap, BTreeSet};
use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use core::time::Duration;
use enet_proto::{Config, Event, Host, PacketFlags, PeerIds, PeerKey};
use proto_core::Instant;

const SERVER: usize = 0;
const HONEST: usize = 1;
const ATTACKER: usize = 2;
const CHANNELS: usize = 4;
/// A datagram with VERIFY_CONNECT and a checksum.
const VERIFY_CONNECT_BYTES: usize = 52;

fn config(seed: u8, reference: bool, checksum: bool) -> Config {
    let mut config = if reference {
        Config::reference([seed; 32])
    } else {
        Config::new([seed; 32])
    };
    // The first peer is number 0 in session 0, so that an input can address it without a guess.
    config.peer_ids = PeerIds::Slots;
    config.channel_limit = CHANNELS;
    config.max_peers = 8;
    config.checksum = checksum;
    config
}

fn host(seed: u8, reference: bool, checksum: bool) -> Host {
    Host::new(config(seed, reference, checksum)).expect("a valid configuration")
}

/// A server to which `HONEST`, and `ATTACKER` before it if `member`, are connected.
fn besieged(reference: bool, checksum: bool, member: bool) -> (Network, PeerKey) {
    let hosts = (0..3).map(|seed| host(seed, reference, checksum)).collect();
    let mut network = Network::new(hosts);
    if member {
        network.connect(ATTACKER, SERVER, CHANNELS);
    }
    let (honest, _) = network.connect(HONEST, SERVER, CHANNELS);
    network.run(10, Duration::from_millis(100));
    network.events.clear();
    (network, honest)
}

/// Feeds one forged datagram and takes what the server answers to the attacker out of the network.
fn attack(network: &mut Network, bytes: &[u8]) -> usize {
    let (from, to) = (Network::address(ATTACKER), Network::address(SERVER));
    network.deliver(&Datagram {
        from,
        to,
        bytes: bytes.to_vec(),
    });
    network.collect();
    let before: usize = network
        .wire
        .iter()
        .map(|datagram| datagram.bytes.len())
        .sum();
    network
        .wire
        .retain(|datagram| datagram.to != from && datagram.from != from);
    before
        - network
            .wire
            .iter()
            .map(|datagram| datagram.bytes.len())
            .sum::<usize>()
}

/// The session beside the attack goes on: a packet of the honest client arrives, and it was never disconnected.
fn check_honest(network: &mut Network, honest: PeerKey) {
    let probe = Bytes::from_static(b"still here");
    network.hosts[HONEST]
        .send(honest, 0, PacketFlags::RELIABLE, probe.clone())
        .expect("the honest client is connected");
    for _ in 0..20 {
        network.settle();
        network.pass(Duration::from_millis(100));
        network
            .wire
            .retain(|datagram| datagram.to != Network::address(ATTACKER));
    }
    let arrived = network.events.iter().any(|(index, event)| {
        *index == SERVER && matches!(event, Event::Received { payload, .. } if *payload == probe)
    });
    assert!(
        arrived,
        "the packet of a peer that did nothing wrong was lost"
    );
    let gone = network
        .events
        .iter()
        .any(|(index, event)| *index == HONEST && matches!(event, Event::Disconnected { .. }));
    assert!(!gone, "a peer that did nothing wrong was disconnected");
}

/// Any datagrams from one address into a server with an honest client.
///
/// The first byte says what the sender is (bit 0: a connected peer, else a stranger) and how the server is configured
/// (bit 1: checksums, bit 2: the reference configuration); length-prefixed datagrams follow.
///
/// # Panics
/// If the host panics, answers an unproven address with more than it sent, or fails the honest client.
pub fn enet_datagram(data: &[u8]) {
    let Some((&selector, data)) = data.split_first() else {
        return;
    };
    let (member, checksum, reference) = (selector & 1 != 0, selector & 2 != 0, selector & 4 != 0);
    let (mut network, honest) = besieged(reference, checksum, member);
    let (mut sent, mut answered) = (0, 0);
    for datagram in parts(data).take(64) {
        // Who names a half-open connection has read a VERIFY_CONNECT (or guessed 14 bits), so an answer of that length is
        // due. Here numbers are not random, or the input would never get so far.
        let number = datagram
            .first_chunk()
            .map(|number| u16::from_be_bytes(*number) & 0xfff);
        let names_a_connection = number.is_some_and(|number| number != 0xfff);
        sent += datagram.len().max(if names_a_connection {
            VERIFY_CONNECT_BYTES
        } else {
            0
        });
        answered += attack(&mut network, datagram);
        let proven = network
            .events
            .iter()
            .any(|(_, event)| matches!(event, Event::Connected { .. }));
        assert!(
            member || reference || proven || answered <= sent,
            "{answered} bytes answer {sent} of an unproven address"
        );
    }
    check_honest(&mut network, honest);
}

/// One fragment as the input wants it.
#[derive(Arbitrary, Debug)]
struct Part {
    /// Bit 0: unreliable; the rest: which fields are taken from the input instead of the message.
    choice: u8,
    number: u8,
    odd_count: u32,
    odd_offset: u32,
    odd_length: u16,
    odd_total: u32,
    odd_start: u16,
}

/// What the message of the input has at `position`; never 0, so that a hole shows.
fn content(position: usize) -> u8 {
    u8::try_from(position % 251).expect("below 251") + 1
}

fn fragment(part: &Part, size: usize, total: usize) -> Vec<u8> {
    let odd = |bit: u8| part.choice & (1 << bit) != 0;
    let count = total.div_ceil(size);
    let number = usize::from(part.number) % count;
    let offset = if odd(2) {
        part.odd_offset as usize
    } else {
        number * size
    };
    let length = if odd(3) {
        usize::from(part.odd_length) % 1024
    } else {
        size.min(total.saturating_sub(offset)).min(1024)
    };
    let start = if odd(5) { part.odd_start } else { 1 };
    let number = u32::try_from(number).expect("below 256");
    let count = if odd(1) {
        part.odd_count
    } else {
        u32::try_from(count).expect("below 2^16")
    };
    let total = if odd(4) {
        part.odd_total
    } else {
        u32::try_from(total).expect("below 2^16")
    };
    let sequence = if odd(0) {
        0
    } else {
        start.wrapping_add(number.to_le_bytes()[0].into())
    };
    let mut bytes = vec![0x80, 0, 0, 0, if odd(0) { 0x0c } else { 0x88 }, 0];
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(start.to_be_bytes());
    bytes.extend(u16::try_from(length).expect("at most 1024").to_be_bytes());
    bytes.extend(count.to_be_bytes());
    bytes.extend(number.to_be_bytes());
    bytes.extend(total.to_be_bytes());
    bytes.extend(u32::try_from(offset).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend((0..length).map(|index| content(offset.wrapping_add(index))));
    bytes
}

/// Fragments of one message, in any order, repeated, and with wrong fields. Each carries the bytes that the message has at
/// its offset, so whatever is delivered must be the start of that message without a hole.
///
/// # Panics
/// If the host panics, delivers bytes that no fragment carried, or fails the honest client.
pub fn enet_reassembly(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let (Ok(size), Ok(total)) = (
        input.int_in_range(1..=512usize),
        input.int_in_range(1..=4096usize),
    ) else {
        return;
    };
    let (mut network, honest) = besieged(false, false, true);
    for _ in 0..256 {
        let Ok(part) = Part::arbitrary(&mut input) else {
            break;
        };
        attack(&mut network, &fragment(&part, size, total));
        if input.is_empty() {
            break;
        }
    }
    for (_, event) in &network.events {
        if let Event::Received { payload, .. } = event {
            let whole = payload
                .iter()
                .enumerate()
                .all(|(index, &byte)| byte == content(index));
            assert!(whole, "a delivered message has bytes that nobody sent");
        }
    }
    check_honest(&mut network, honest);
}

/// One step of a script between a client and a server.
#[derive(Arbitrary, Debug)]
enum Step {
    /// Time passes and timers expire; nothing is delivered.
    Wait { millis: u16 },
    /// The clock of the callers goes back for one call.
    Back { millis: u16 },
    /// The `index`th datagram under way arrives.
    Deliver { index: u8 },
    /// All that is under way arrives.
    DeliverAll,
    /// The `index`th datagram under way is lost.
    Lose { index: u8 },
    /// A copy of the `index`th datagram under way arrives.
    Duplicate { index: u8 },
    /// One end sends a packet.
    Send {
        by_server: bool,
        channel: u8,
        kind: u8,
        length: u16,
    },
    /// A stranger sends bytes to one end.
    Stranger { to_server: bool, bytes: Vec<u8> },
    /// One end is told to ping, or to limit its bandwidth or throttle.
    Tune {
        by_server: bool,
        what: u8,
        value: u32,
    },
    /// One end disconnects; the client connects again later.
    Disconnect { by_server: bool, how: u8 },
    /// The client connects if it is not.
    Connect,
}

/// What was sent and what came out, to compare.
#[derive(Debug, Default)]
struct Model {
    /// By serial number: who sent it, on which channel, whether it must arrive, and what.
    sent: BTreeMap<u32, (bool, u8, bool, Bytes)>,
    arrived: BTreeSet<u32>,
    /// The last serial number that arrived reliably at a host, from a peer, on a channel.
    latest: BTreeMap<(usize, PeerKey, u8), u32>,
    /// Connections that a host has told of and not ended, and the newest of them.
    open: [BTreeSet<PeerKey>; 2],
    newest: [Option<PeerKey>; 2],
    /// Whether the script did something after which packets may go missing.
    disturbed: bool,
}

impl Model {
    /// Compares what came out of the hosts with what went in.
    fn observe(&mut self, events: Vec<(usize, Event)>) {
        for (index, event) in events {
            match event {
                Event::Connected { peer, .. } => {
                    assert!(self.open[index].insert(peer), "a connection began twice");
                    self.newest[index] = Some(peer);
                }
                Event::Disconnected { peer, .. } => {
                    self.disturbed = true;
                    self.end(index, peer);
                }
                Event::Received {
                    peer,
                    channel,
                    flags,
                    payload,
                    ..
                } => {
                    assert!(
                        self.open[index].contains(&peer),
                        "a packet of a peer that is not connected"
                    );
                    let reliable = flags.contains(PacketFlags::RELIABLE);
                    self.check(index, peer, channel, reliable, &payload);
                }
                _ => {}
            }
        }
    }

    fn end(&mut self, index: usize, peer: PeerKey) {
        self.open[index].remove(&peer);
        if self.newest[index] == Some(peer) {
            self.newest[index] = None;
        }
    }

    fn check(&mut self, index: usize, peer: PeerKey, channel: u8, reliable: bool, payload: &Bytes) {
        let serial = payload
            .first_chunk()
            .map(|serial| u32::from_be_bytes(*serial));
        let serial = serial.expect("each packet starts with its serial number");
        let Some((by_server, sent_on, _, sent)) = self.sent.get(&serial) else {
            panic!("a packet arrived that was not sent");
        };
        assert_eq!(
            (*by_server, *sent_on),
            (index == HONEST, channel),
            "a packet arrived on the wrong channel"
        );
        assert!(sent == payload, "a packet arrived altered");
        assert!(self.arrived.insert(serial), "a packet arrived twice");
        if reliable {
            let latest = self.latest.insert((index, peer, channel), serial);
            assert!(
                latest.is_none_or(|latest| latest < serial),
                "reliable packets arrived out of order"
            );
        }
    }

    /// After a long time on a perfect link, everything reliable has arrived, unless a connection ended.
    fn finish(&self) {
        if self.disturbed {
            return;
        }
        let lost = self
            .sent
            .iter()
            .find(|(serial, (_, _, reliable, _))| *reliable && !self.arrived.contains(serial));
        assert!(lost.is_none(), "a reliable packet never arrived: {lost:?}");
    }
}

fn send(network: &mut Network, model: &mut Model, from: usize, channel: u8, kind: u8, length: u16) {
    let Some(peer) = model.newest[from] else {
        return;
    };
    let serial = u32::try_from(model.sent.len()).expect("scripts are short");
    let mut payload = serial.to_be_bytes().to_vec();
    payload.resize(4 + usize::from(length % 8192), kind);
    let payload = Bytes::from(payload);
    let channel = channel % 4;
    let flags = match kind % 5 {
        0 => PacketFlags::NONE,
        1 => PacketFlags::UNSEQUENCED,
        2 => PacketFlags::UNRELIABLE_FRAGMENT,
        _ => PacketFlags::RELIABLE,
    };
    if network.hosts[from]
        .send(peer, channel, flags, payload.clone())
        .is_ok()
    {
        let reliable = flags.contains(PacketFlags::RELIABLE);
        model
            .sent
            .insert(serial, (from == SERVER, channel, reliable, payload));
    }
}

fn tune(network: &mut Network, model: &mut Model, from: usize, what: u8, value: u32) {
    let Some(peer) = model.newest[from] else {
        return;
    };
    let host = &mut network.hosts[from];
    match what % 3 {
        0 => host.ping(peer),
        1 => host.configure_throttle(peer, Duration::from_millis(value.into()), value, value >> 3),
        _ => {
            host.set_bandwidth(value, value.rotate_left(16));
            // A limit of a few bytes a second keeps packets longer than the script waits.
            model.disturbed = true;
        }
    }
}

fn disconnect(network: &mut Network, model: &mut Model, from: usize, how: u8) {
    let Some(peer) = model.newest[from].take() else {
        return;
    };
    model.disturbed = true;
    let host = &mut network.hosts[from];
    match how % 4 {
        0 => host.disconnect(peer, 1),
        1 => host.disconnect_later(peer, 2),
        2 => host.disconnect_now(peer, 3),
        _ => host.reset(peer),
    }
    if how % 4 > 1 {
        model.end(from, peer);
    }
}

fn apply(network: &mut Network, model: &mut Model, step: Step) {
    let end = |by_server: bool| if by_server { SERVER } else { HONEST };
    let pick = |index: u8, length: usize| (length > 0).then(|| usize::from(index) % length);
    match step {
        Step::Wait { millis } => network.pass(Duration::from_millis(u64::from(millis % 4000))),
        Step::Deliver { index } => {
            let datagram = pick(index, network.wire.len()).and_then(|at| network.wire.remove(at));
            datagram
                .iter()
                .for_each(|datagram| network.deliver(datagram));
        }
        Step::Back { millis } => {
            let earlier = network
                .now
                .as_micros()
                .saturating_sub(u64::from(millis) * 1000);
            for host in &mut network.hosts {
                host.handle_timeout(Instant::from_micros(earlier));
            }
        }
        Step::DeliverAll => network.settle(),
        Step::Lose { index } => {
            pick(index, network.wire.len()).and_then(|at| network.wire.remove(at));
        }
        Step::Duplicate { index } => {
            let copy = pick(index, network.wire.len()).map(|at| network.wire[at].clone());
            copy.iter().for_each(|datagram| network.deliver(datagram));
        }
        Step::Send {
            by_server,
            channel,
            kind,
            length,
        } => {
            send(network, model, end(by_server), channel, kind, length);
        }
        Step::Stranger { to_server, bytes } => {
            let to = Network::address(if to_server { SERVER } else { HONEST });
            network.deliver(&Datagram {
                from: Network::address(9),
                to,
                bytes,
            });
        }
        Step::Tune {
            by_server,
            what,
            value,
        } => tune(network, model, end(by_server), what, value),
        Step::Disconnect { by_server, how } => disconnect(network, model, end(by_server), how),
        Step::Connect if model.newest[HONEST].is_none() => {
            let _ =
                network.hosts[HONEST].connect(network.now, Network::address(SERVER), CHANNELS, 7);
        }
        Step::Connect => {}
    }
    network.collect();
}

/// A client and a server under a script of sending, losing, duplicating, reordering, waiting, forging and disconnecting.
///
/// # Panics
/// If a host panics, a reliable packet is delivered twice, altered or out of order, or a packet or a deadline comes that
/// must not.
pub fn enet_script(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let hosts = (0..2).map(|seed| host(seed, false, false)).collect();
    let mut network = Network::new(hosts);
    let mut model = Model::default();
    apply(&mut network, &mut model, Step::Connect);
    while let (false, Ok(step)) = (input.is_empty(), Step::arbitrary(&mut input)) {
        apply(&mut network, &mut model, step);
        model.observe(core::mem::take(&mut network.events));
    }
    // Longer than the 30 s after which a connection to a host that forgot it counts as dead.
    for _ in 0..40 {
        network.settle();
        network.pass(Duration::from_secs(1));
        model.observe(core::mem::take(&mut network.events));
    }
    model.finish();
}
