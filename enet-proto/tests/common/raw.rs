//! Datagrams made by hand, independent of the crate's own encoder, and a remote that speaks with them.

use super::End;
use core::net::SocketAddr;
use proto_core::Handled;
use testkit::{Machine, Network, NodeId};

/// Connection-level channel.
pub(crate) const CONNECTION: u8 = 0xff;

/// A command header.
pub(crate) fn header(first_byte: u8, channel: u8, sequence: u16) -> Vec<u8> {
    let mut bytes = vec![first_byte, channel];
    bytes.extend(sequence.to_be_bytes());
    bytes
}

pub(crate) fn ping(sequence: u16) -> Vec<u8> {
    header(0x85, CONNECTION, sequence)
}

pub(crate) fn disconnect(sequence: u16, data: u32) -> Vec<u8> {
    let mut bytes = header(0x84, CONNECTION, sequence);
    bytes.extend(data.to_be_bytes());
    bytes
}

pub(crate) fn acknowledge(channel: u8, sequence: u16, sent_time: u16) -> Vec<u8> {
    let mut bytes = header(0x01, channel, sequence);
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(sent_time.to_be_bytes());
    bytes
}

pub(crate) fn reliable(channel: u8, sequence: u16, payload: &[u8]) -> Vec<u8> {
    with_payload(header(0x86, channel, sequence), payload)
}

pub(crate) fn unreliable(
    channel: u8,
    reliable_sequence: u16,
    sequence: u16,
    payload: &[u8],
) -> Vec<u8> {
    let mut bytes = header(0x07, channel, reliable_sequence);
    bytes.extend(sequence.to_be_bytes());
    with_payload(bytes, payload)
}

pub(crate) fn unsequenced(channel: u8, group: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(0x49, channel, 0);
    bytes.extend(group.to_be_bytes());
    with_payload(bytes, payload)
}

/// The fields of a fragment, as they stand on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FragmentFields {
    pub(crate) channel: u8,
    pub(crate) sequence: u16,
    pub(crate) start: u16,
    pub(crate) count: u32,
    pub(crate) number: u32,
    pub(crate) total_bytes: u32,
    pub(crate) offset: u32,
}

pub(crate) fn fragment(fields: FragmentFields, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(0x88, fields.channel, fields.sequence);
    bytes.extend(fields.start.to_be_bytes());
    let length = u16::try_from(payload.len()).expect("short payloads only");
    bytes.extend(length.to_be_bytes());
    for field in [
        fields.count,
        fields.number,
        fields.total_bytes,
        fields.offset,
    ] {
        bytes.extend(field.to_be_bytes());
    }
    bytes.extend(payload);
    bytes
}

fn with_payload(mut bytes: Vec<u8>, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("short payloads only");
    bytes.extend(length.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The fields of a CONNECT that tests vary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectFields {
    pub(crate) outgoing_peer_id: u16,
    pub(crate) sessions: [u8; 2],
    pub(crate) channel_count: u32,
    pub(crate) connect_id: u32,
    pub(crate) data: u32,
}

impl Default for ConnectFields {
    fn default() -> Self {
        Self {
            outgoing_peer_id: 0,
            sessions: [0xff; 2],
            channel_count: 4,
            connect_id: 0x1122_3344,
            data: 0x0765_4321,
        }
    }
}

/// A whole CONNECT datagram, without a checksum.
pub(crate) fn connect(fields: ConnectFields) -> Vec<u8> {
    let mut bytes = vec![0x8f, 0xff, 0, 0];
    bytes.extend(header(0x82, CONNECTION, 1));
    bytes.extend(fields.outgoing_peer_id.to_be_bytes());
    bytes.extend(fields.sessions);
    let numbers = [1392, 65_536, fields.channel_count, 0, 0, 5000, 2, 2];
    for number in numbers.into_iter().chain([fields.connect_id, fields.data]) {
        bytes.extend(number.to_be_bytes());
    }
    bytes
}

/// One command as it stands on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParsedCommand {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) channel: u8,
    pub(crate) sequence: u16,
    /// All of it, header and payload included.
    pub(crate) bytes: Vec<u8>,
}

/// A datagram as it stands on the wire, without compression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) peer_id: u16,
    pub(crate) session: u8,
    pub(crate) sent_time: Option<u16>,
    pub(crate) checksum: Option<u32>,
    pub(crate) commands: Vec<ParsedCommand>,
}

/// Reads a well-formed datagram.
pub(crate) fn parse(bytes: &[u8], has_checksum: bool) -> Parsed {
    let word = be16(bytes, 0);
    let mut at = 2;
    let sent_time = (word & 0x8000 != 0).then(|| {
        at += 2;
        be16(bytes, 2)
    });
    let checksum = has_checksum.then(|| {
        at += 4;
        u32::from(be16(bytes, at - 4)) << 16 | u32::from(be16(bytes, at - 2))
    });
    let mut commands = Vec::new();
    while at < bytes.len() {
        let kind = bytes[at] & 0x0f;
        let (fixed, length_at) = match kind {
            1 | 4 => (8, None),
            2 => (48, None),
            3 => (44, None),
            5 => (4, None),
            6 => (6, Some(4)),
            7 | 9 => (8, Some(6)),
            8 | 12 => (24, Some(6)),
            10 => (12, None),
            11 => (16, None),
            other => panic!("command {other} in {bytes:02x?}"),
        };
        let payload = length_at.map_or(0, |offset| usize::from(be16(bytes, at + offset)));
        let end = at + fixed + payload;
        commands.push(ParsedCommand {
            kind,
            flags: bytes[at] & 0xc0,
            channel: bytes[at + 1],
            sequence: be16(bytes, at + 2),
            bytes: bytes[at..end].to_vec(),
        });
        at = end;
    }
    Parsed {
        peer_id: word & 0x0fff,
        session: (word >> 12 & 3) as u8,
        sent_time,
        checksum,
        commands,
    }
}

pub(crate) fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The plain bitwise CRC-32 of zlib, to check the crate's one with another.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// Puts a checksum with this seed behind a header of four bytes, in front of the commands.
fn seal(datagram: &[u8], seed: u32) -> Vec<u8> {
    let (header, commands) = datagram.split_at(4);
    let seeded = [header, &seed.to_be_bytes(), commands].concat();
    [header, &crc32(&seeded).to_be_bytes(), commands].concat()
}

/// A connected remote that writes its own bytes.
#[derive(Clone, Debug)]
pub(crate) struct RawPeer {
    pub(crate) node: NodeId,
    pub(crate) address: SocketAddr,
    /// How the host wants to be addressed: peer id and session bits.
    pub(crate) word: u16,
    /// The connect id, if datagrams carry checksums.
    pub(crate) checksum_seed: Option<u32>,
}

impl RawPeer {
    /// Connects to the host at `node` from an address where no machine is, and returns the VERIFY_CONNECT too.
    pub(crate) fn connect(
        network: &mut Network<End>,
        node: NodeId,
        address: SocketAddr,
        fields: ConnectFields,
    ) -> (Self, Vec<u8>) {
        Self::connect_with(network, node, address, fields, None)
    }

    /// The same with checksums.
    pub(crate) fn connect_sealed(
        network: &mut Network<End>,
        node: NodeId,
        address: SocketAddr,
        fields: ConnectFields,
    ) -> (Self, Vec<u8>) {
        let seed = Some(fields.connect_id);
        Self::connect_with(network, node, address, fields, seed)
    }

    fn connect_with(
        network: &mut Network<End>,
        node: NodeId,
        address: SocketAddr,
        fields: ConnectFields,
        checksum_seed: Option<u32>,
    ) -> (Self, Vec<u8>) {
        let mut request = connect(fields);
        if checksum_seed.is_some() {
            request = seal(&request, 0);
        }
        let verdict = network.deliver(node, address, &request);
        assert_eq!(verdict, Handled::Consumed, "CONNECT");
        let answers = transmissions(network, node);
        let [verify] = &answers[..] else {
            panic!("one VERIFY_CONNECT expected, got {answers:02x?}");
        };
        let parsed = parse(verify, checksum_seed.is_some());
        let [command] = &parsed.commands[..] else {
            panic!("one command expected in {verify:02x?}");
        };
        assert_eq!(command.kind, 3, "VERIFY_CONNECT");
        assert_eq!(parsed.peer_id, fields.outgoing_peer_id);
        // The second session id of VERIFY_CONNECT is the one that the host wants to see.
        let word = be16(&command.bytes, 4) | u16::from(command.bytes[7]) << 12;
        let peer = Self {
            node,
            address,
            word,
            checksum_seed,
        };
        let sent_time = parsed.sent_time.expect("VERIFY_CONNECT wants an answer");
        let verdict = peer.send(network, &acknowledge(CONNECTION, 1, sent_time));
        assert_eq!(
            verdict,
            Handled::Consumed,
            "acknowledgement of VERIFY_CONNECT"
        );
        (peer, verify.clone())
    }

    /// A datagram with these commands and a sent time.
    pub(crate) fn timed(&self, sent_time: u16, commands: &[u8]) -> Vec<u8> {
        let mut bytes = (self.word | 0x8000).to_be_bytes().to_vec();
        bytes.extend(sent_time.to_be_bytes());
        bytes.extend(commands);
        match self.checksum_seed {
            Some(seed) => seal(&bytes, seed),
            None => bytes,
        }
    }

    /// Sends commands with sent time 0 and gives the verdict.
    pub(crate) fn send(
        &self,
        network: &mut Network<End>,
        commands: &[u8],
    ) -> Handled<enet_proto::DropReason> {
        network.deliver(self.node, self.address, &self.timed(0, commands))
    }
}

/// What the machine at `node` wants to send at this moment, taken away from the network.
pub(crate) fn transmissions(network: &mut Network<End>, node: NodeId) -> Vec<Vec<u8>> {
    let now = network.now_at(node);
    let mut buffer = vec![0; enet_proto::Host::BUFFER];
    let mut datagrams = Vec::new();
    while let Some(transmit) = network.machine_mut(node).poll_transmit(now, &mut buffer) {
        datagrams.push(buffer[transmit.bytes].to_vec());
    }
    datagrams
}
