//! Attributes that hold a transport address, plain and XORed (RFC 8489 sections 14.1 and 14.2).

use super::{Attribute, AttributeError, AttributeType};
use crate::message::{MAGIC_COOKIE, TransactionId};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const IPV4: u8 = 0x01;
const IPV6: u8 = 0x02;
const IPV4_BYTES: usize = 8;
const IPV6_BYTES: usize = 20;
/// What the port is XORed with: the high half of the cookie.
const PORT_MASK: u16 = (MAGIC_COOKIE >> 16) as u16;

/// The cookie and the id as one number, which an IPv6 address is XORed with.
#[inline]
fn mask(id: &TransactionId) -> u128 {
    let mut low = [0; 16];
    for (to, from) in low.iter_mut().skip(4).zip(id.as_bytes()) {
        *to = *from;
    }
    (u128::from(MAGIC_COOKIE) << 96) | u128::from_be_bytes(low)
}

#[inline]
fn xor(address: SocketAddr, id: &TransactionId) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() ^ MAGIC_COOKIE)),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() ^ mask(id))),
    };
    SocketAddr::new(ip, address.port() ^ PORT_MASK)
}

/// Reads zero byte, family, port, address.
#[inline]
pub(super) fn decode(kind: AttributeType, value: &[u8]) -> Result<SocketAddr, AttributeError> {
    if let Ok([_, family, p0, p1, ip @ ..]) = <&[u8; IPV4_BYTES]>::try_from(value) {
        return match *family {
            IPV4 => Ok(SocketAddr::new(
                Ipv4Addr::from(*ip).into(),
                u16::from_be_bytes([*p0, *p1]),
            )),
            IPV6 => Err(AttributeError::length(kind)),
            _ => Err(AttributeError::value(kind)),
        };
    }
    let Ok([_, family, p0, p1, ip @ ..]) = <&[u8; IPV6_BYTES]>::try_from(value) else {
        return Err(AttributeError::length(kind));
    };
    match *family {
        IPV6 => Ok(SocketAddr::new(
            Ipv6Addr::from(*ip).into(),
            u16::from_be_bytes([*p0, *p1]),
        )),
        IPV4 => Err(AttributeError::length(kind)),
        _ => Err(AttributeError::value(kind)),
    }
}

#[inline]
const fn encoded_len(address: SocketAddr) -> usize {
    if address.is_ipv4() {
        IPV4_BYTES
    } else {
        IPV6_BYTES
    }
}

#[inline]
fn encode(address: SocketAddr, value: &mut [u8]) {
    let [p0, p1] = address.port().to_be_bytes();
    match address.ip() {
        IpAddr::V4(ip) => {
            if let Ok(value) = <&mut [u8; IPV4_BYTES]>::try_from(value) {
                let [a, b, c, d] = ip.octets();
                *value = [0, IPV4, p0, p1, a, b, c, d];
            }
        }
        IpAddr::V6(ip) => {
            if let Some((head, tail)) = value.split_first_chunk_mut::<4>() {
                *head = [0, IPV6, p0, p1];
                tail.copy_from_slice(&ip.octets());
            }
        }
    }
}

macro_rules! addresses {
    ($($name:ident = $kind:ident, $xor:literal, $doc:literal;)+) => {$(
        #[doc = $doc]
        ///
        /// 8 bytes for IPv4, 20 for IPv6. Flow label and scope of a `SocketAddrV6` have no place on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(clippy::exhaustive_structs, reason = "an address and nothing else")]
        pub struct $name(pub SocketAddr);

        impl Attribute<'_> for $name {
            const TYPE: AttributeType = AttributeType::$kind;

            #[inline]
            fn decode(value: &[u8], id: &TransactionId) -> Result<Self, AttributeError> {
                let _ = id;
                let address = decode(Self::TYPE, value)?;
                Ok(Self(if $xor { xor(address, id) } else { address }))
            }

            #[inline]
            fn encoded_len(&self) -> usize {
                encoded_len(self.0)
            }

            #[inline]
            fn encode(&self, value: &mut [u8], id: &TransactionId) {
                let _ = id;
                encode(if $xor { xor(self.0, id) } else { self.0 }, value);
            }
        }
    )+};
}

addresses! {
    MappedAddress = MAPPED_ADDRESS, false, "MAPPED-ADDRESS: where the request came from, as RFC 3489 clients read it (RFC 8489 section 14.1).";
    AlternateServer = ALTERNATE_SERVER, false, "ALTERNATE-SERVER: whom to ask instead (RFC 8489 section 14.15).";
    ResponseOrigin = RESPONSE_ORIGIN, false, "RESPONSE-ORIGIN: where the response was sent from (RFC 5780 section 7.3).";
    OtherAddress = OTHER_ADDRESS, false, "OTHER-ADDRESS: the server's other address and port (RFC 5780 section 7.4).";
    XorMappedAddress = XOR_MAPPED_ADDRESS, true, "XOR-MAPPED-ADDRESS: where the request came from (RFC 8489 section 14.2).";
    XorPeerAddress = XOR_PEER_ADDRESS, true, "XOR-PEER-ADDRESS: a peer of a TURN client (RFC 8656 section 18.3). May occur several times in CreatePermission.";
    XorRelayedAddress = XOR_RELAYED_ADDRESS, true, "XOR-RELAYED-ADDRESS: where a TURN server relays (RFC 8656 section 18.5). May occur twice, one for each family.";
}
