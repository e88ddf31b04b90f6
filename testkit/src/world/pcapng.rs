//! What was captured, as a file for packet analysers: [`pcapng`].

use super::Captured;
use core::net::IpAddr;

/// Raw IPv4 and IPv6 packets, without an Ethernet header.
const LINKTYPE_RAW: u16 = 101;

const UDP: u8 = 17;

/// A capture file in the pcapng format, with IP and UDP headers made for each datagram and times in microseconds.
///
/// ```
/// use testkit::world::pcapng;
/// assert_eq!(pcapng(&[])[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
/// ```
#[must_use]
pub fn pcapng(captured: &[Captured]) -> Vec<u8> {
    let mut file = Vec::new();
    // The byte order mark, version 1.0, and a section whose length is not said.
    let mut section = 0x1a2b_3c4d_u32.to_le_bytes().to_vec();
    section.extend([1, 0, 0, 0]);
    section.extend([0xff; 8]);
    block(&mut file, 0x0a0d_0d0a, &section);
    let mut interface = LINKTYPE_RAW.to_le_bytes().to_vec();
    interface.extend([0; 6]);
    block(&mut file, 1, &interface);
    for datagram in captured {
        let packet = packet(datagram);
        let [low, high] = [
            datagram.at.as_micros() & 0xffff_ffff,
            datagram.at.as_micros() >> 32,
        ]
        .map(|half| u32::try_from(half).unwrap_or_default().to_le_bytes());
        let len = u32::try_from(packet.len())
            .unwrap_or_default()
            .to_le_bytes();
        let mut enhanced = [0; 4].to_vec();
        for field in [high, low, len, len] {
            enhanced.extend(field);
        }
        enhanced.extend(packet);
        block(&mut file, 6, &enhanced);
    }
    file
}

/// A block: its kind, its length, its content in whole words, its length again.
fn block(file: &mut Vec<u8>, kind: u32, content: &[u8]) {
    let padded = content.len().next_multiple_of(4);
    let len = u32::try_from(padded + 12).unwrap_or_default().to_le_bytes();
    file.extend(kind.to_le_bytes());
    file.extend(len);
    file.extend(content);
    file.resize(file.len() + padded - content.len(), 0);
    file.extend(len);
}

fn packet(datagram: &Captured) -> Vec<u8> {
    let udp_len = u16::try_from(datagram.bytes.len() + 8).unwrap_or(u16::MAX);
    let mut packet = Vec::new();
    match (datagram.from.ip(), datagram.to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            packet.extend([0x45, 0]);
            packet.extend(udp_len.saturating_add(20).to_be_bytes());
            packet.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
            packet.extend(from.octets());
            packet.extend(to.octets());
            let sum = checksum(&packet);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        (from, to) => {
            let octets = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            packet.extend([0x60, 0, 0, 0]);
            packet.extend(udp_len.to_be_bytes());
            packet.extend([UDP, 64]);
            packet.extend(octets(from));
            packet.extend(octets(to));
        }
    }
    packet.extend(datagram.from.port().to_be_bytes());
    packet.extend(datagram.to.port().to_be_bytes());
    packet.extend(udp_len.to_be_bytes());
    // No checksum, as IPv4 allows and analysers accept.
    packet.extend([0, 0]);
    packet.extend(&datagram.bytes);
    packet
}

/// The checksum of the internet (RFC 1071) over an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(2);
    let sum: u32 = words
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_core::Instant;

    #[test]
    fn a_datagram_becomes_a_packet_with_valid_headers_and_its_time() {
        let file = pcapng(&[Captured {
            at: Instant::from_micros(0x1_0000_0002),
            from: "192.0.2.1:7".parse().expect("an address"),
            to: "192.0.2.2:9".parse().expect("an address"),
            bytes: b"hello".to_vec(),
        }]);
        // A section header of 28 bytes, an interface of 20, then the packet: 33 bytes, padded to 36, with 32 around it.
        assert_eq!(file.len(), 28 + 20 + 36 + 32);
        let enhanced = &file[48..];
        assert_eq!(enhanced[12..20], [1, 0, 0, 0, 2, 0, 0, 0]);
        let packet = &enhanced[28..28 + 33];
        assert_eq!(checksum(&packet[..20]), 0);
        assert_eq!(packet[20..28], [0, 7, 0, 9, 0, 13, 0, 0]);
        assert_eq!(packet[28..], *b"hello");
    }
}
