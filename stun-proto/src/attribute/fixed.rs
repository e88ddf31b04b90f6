//! Attributes of a fixed length: numbers, flags and empty ones.

use super::{Attribute, AttributeError, AttributeType};
use crate::message::TransactionId;

/// An attribute whose value converts from and to an array of fixed length.
macro_rules! fixed {
    ($name:ident = $kind:ident, $bytes:expr, $from:expr, $to:expr) => {
        impl Attribute<'_> for $name {
            const TYPE: AttributeType = AttributeType::$kind;

            #[inline]
            fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
                let from: fn([u8; $bytes]) -> Self = $from;
                let value = <[u8; $bytes]>::try_from(value);
                value
                    .map(from)
                    .map_err(|_| AttributeError::length(Self::TYPE))
            }

            #[inline]
            fn encoded_len(&self) -> usize {
                $bytes
            }

            #[inline]
            fn encode(&self, value: &mut [u8], _: &TransactionId) {
                let to: fn(&Self) -> [u8; $bytes] = $to;
                value.copy_from_slice(&to(self));
            }
        }
    };
}

macro_rules! numbers {
    ($($name:ident($number:ident) = $kind:ident, $doc:literal;)+) => {$(
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(clippy::exhaustive_structs, reason = "a number and nothing else")]
        pub struct $name(pub $number);

        fixed!($name = $kind, { $number::BITS as usize / 8 }, |v| Self($number::from_be_bytes(v)), |a| a.0.to_be_bytes());
    )+};
}

macro_rules! half_numbers {
    ($($name:ident = $kind:ident, $doc:literal;)+) => {$(
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(clippy::exhaustive_structs, reason = "a number and nothing else")]
        pub struct $name(pub u16);

        fixed!($name = $kind, 4, |[a, b, ..]| Self(u16::from_be_bytes([a, b])), |v| {
            let [a, b] = v.0.to_be_bytes();
            [a, b, 0, 0]
        });
    )+};
}

macro_rules! flags {
    ($($name:ident = $kind:ident, $doc:literal;)+) => {$(
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(clippy::exhaustive_structs, reason = "it is there or not")]
        pub struct $name;

        fixed!($name = $kind, 0, |_| Self, |_| []);
    )+};
}

macro_rules! families {
    ($($name:ident = $kind:ident, $doc:literal;)+) => {$(
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(clippy::exhaustive_structs, reason = "a family and nothing else")]
        pub struct $name(pub AddressFamily);

        fixed!($name = $kind, 4, |[family, ..]| Self(AddressFamily(family)), |v| [v.0.0, 0, 0, 0]);
    )+};
}

numbers! {
    Lifetime(u32) = LIFETIME, "LIFETIME: seconds until an allocation ends (RFC 8656 section 18.2).";
    Priority(u32) = PRIORITY, "PRIORITY of a peer-reflexive candidate (RFC 8445 section 16.1).";
    ConnectionId(u32) = CONNECTION_ID, "CONNECTION-ID of a peer connection over TCP (RFC 6062 section 6.2.1).";
    CacheTimeout(u32) = CACHE_TIMEOUT, "CACHE-TIMEOUT in seconds (RFC 5780 section 7.1; its use is reserved).";
    IceControlled(u64) = ICE_CONTROLLED, "ICE-CONTROLLED: the tie-breaker of a controlled agent (RFC 8445 section 16.1).";
    IceControlling(u64) = ICE_CONTROLLING, "ICE-CONTROLLING: the tie-breaker of a controlling agent (RFC 8445 section 16.1).";
}

half_numbers! {
    ChannelNumber = CHANNEL_NUMBER, "CHANNEL-NUMBER; legal channels are 0x4000 to 0x4FFF, which the server checks (RFC 8656 section 18.1).";
    ResponsePort = RESPONSE_PORT, "RESPONSE-PORT: the port to answer to, on the source's address (RFC 5780 section 7.5).";
}

flags! {
    UseCandidate = USE_CANDIDATE, "USE-CANDIDATE: the controlling agent nominates this pair (RFC 8445 section 16.1).";
    DontFragment = DONT_FRAGMENT, "DONT-FRAGMENT: set DF on what is relayed (RFC 8656 section 18.9).";
}

/// An address family as TURN numbers it (RFC 8656 section 18.6). Unknown numbers are kept: a server answers them with 440.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "a number and nothing else")]
pub struct AddressFamily(pub u8);

impl AddressFamily {
    /// IPv4.
    pub const IPV4: Self = Self(0x01);
    /// IPv6.
    pub const IPV6: Self = Self(0x02);
}

families! {
    RequestedAddressFamily = REQUESTED_ADDRESS_FAMILY, "REQUESTED-ADDRESS-FAMILY of an allocation (RFC 8656 section 18.6).";
    AdditionalAddressFamily = ADDITIONAL_ADDRESS_FAMILY, "ADDITIONAL-ADDRESS-FAMILY: the second one of a dual allocation (RFC 8656 section 18.11).";
}

/// REQUESTED-TRANSPORT: the protocol between a TURN server and peers, as an IP protocol number (RFC 8656 section 18.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number and nothing else")]
pub struct RequestedTransport(pub u8);

impl RequestedTransport {
    /// UDP, 17.
    pub const UDP: Self = Self(17);
    /// TCP, 6 (RFC 6062).
    pub const TCP: Self = Self(6);
}

fixed!(
    RequestedTransport = REQUESTED_TRANSPORT,
    4,
    |[protocol, ..]| Self(protocol),
    |v| [v.0, 0, 0, 0]
);

/// EVEN-PORT: the relayed port shall be even (RFC 8656 section 18.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the RFC has one flag")]
pub struct EvenPort {
    /// Whether the next port shall be reserved too: the flag R.
    pub reserve_next: bool,
}

fixed!(
    EvenPort = EVEN_PORT,
    1,
    |[flags]| Self {
        reserve_next: flags & 0x80 != 0
    },
    |v| [u8::from(v.reserve_next) << 7]
);

/// RESERVATION-TOKEN: a reserved port to use (RFC 8656 section 18.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "eight bytes and nothing else")]
pub struct ReservationToken(pub [u8; 8]);

fixed!(ReservationToken = RESERVATION_TOKEN, 8, Self, |v| v.0);

/// CHANGE-REQUEST: where the answer shall come from (RFC 5780 section 7.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the RFC has two flags")]
pub struct ChangeRequest {
    /// From the server's other address.
    pub ip: bool,
    /// From the server's other port.
    pub port: bool,
}

fixed!(
    ChangeRequest = CHANGE_REQUEST,
    4,
    |[.., flags]| Self {
        ip: flags & 0x04 != 0,
        port: flags & 0x02 != 0
    },
    |v| [0, 0, 0, (u8::from(v.ip) << 2) | (u8::from(v.port) << 1)]
);

/// ICMP: an error that a TURN server got for a datagram to a peer (RFC 8656 section 18.13).
///
/// The RFC's figure and prose disagree about the widths of type and code; this is one byte each, as the prose has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the RFC has these three")]
pub struct Icmp {
    /// The ICMP or ICMPv6 type.
    pub kind: u8,
    /// The ICMP or ICMPv6 code.
    pub code: u8,
    /// For "packet too big" the MTU of the next hop in bytes.
    pub data: u32,
}

fixed!(
    Icmp = ICMP,
    8,
    |[_, _, kind, code, a, b, c, d]| Self {
        kind,
        code,
        data: u32::from_be_bytes([a, b, c, d])
    },
    |v| {
        let [a, b, c, d] = v.data.to_be_bytes();
        [0, 0, v.kind, v.code, a, b, c, d]
    }
);

/// TRANSACTION_TRANSMIT_COUNTER: which copy of a request was sent and answered (RFC 7982 section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the RFC has two counters")]
pub struct TransactionTransmitCounter {
    /// How often the request was sent so far, this time included.
    pub requests: u8,
    /// How often the response was sent so far, this time included.
    pub responses: u8,
}

fixed!(
    TransactionTransmitCounter = TRANSACTION_TRANSMIT_COUNTER,
    4,
    |[_, _, requests, responses]| Self {
        requests,
        responses
    },
    |v| [0, 0, v.requests, v.responses]
);
