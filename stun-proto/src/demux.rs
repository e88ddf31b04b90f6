//! Several protocols on one socket: [`classify`] (RFC 7983 as updated by RFC 9443).

/// Who sent a datagram, as far as it matters to [`classify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "it is the TURN server or not")]
pub enum Sender {
    /// Our TURN server, from which first bytes of 64 to 79 are ChannelData.
    TurnServer,
    /// Anybody else, from whom they are QUIC.
    Other,
}

/// The protocol that a datagram belongs to by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// STUN, TURN included: 0 to 3.
    Stun,
    /// ZRTP: 16 to 19.
    Zrtp,
    /// DTLS: 20 to 63.
    Dtls,
    /// ChannelData of TURN: 64 to 79 from our TURN server.
    ChannelData,
    /// QUIC: 80 to 127 and 192 to 255, and 64 to 79 from others.
    Quic,
    /// RTP or RTCP: 128 to 191.
    Rtp,
    /// Nothing that may share the socket: 4 to 15. Drop it.
    Unassigned,
}

/// The protocol of a datagram that begins with `first`.
///
/// A game protocol of one's own that shares a socket with STUN must not begin with a byte of 0 to 3; ENet's first byte
/// is the high half of a peer id with flags, so ENet and STUN on one socket also need FINGERPRINT
/// ([`FingerprintCheck::Required`](crate::FingerprintCheck::Required)). With it other payload is taken for STUN once
/// in 2^64 datagrams, by the magic cookie alone once in 2^34.
///
/// ```
/// use stun_proto::{Protocol, Sender, classify};
/// assert_eq!(classify(0x00, Sender::Other), Protocol::Stun);
/// assert_eq!(classify(0x40, Sender::TurnServer), Protocol::ChannelData);
/// assert_eq!(classify(0x40, Sender::Other), Protocol::Quic);
/// ```
#[must_use]
#[inline]
pub const fn classify(first: u8, sender: Sender) -> Protocol {
    match (first, sender) {
        (0..=3, _) => Protocol::Stun,
        (4..=15, _) => Protocol::Unassigned,
        (16..=19, _) => Protocol::Zrtp,
        (20..=63, _) => Protocol::Dtls,
        (64..=79, Sender::TurnServer) => Protocol::ChannelData,
        (64..=127 | 192..=255, _) => Protocol::Quic,
        (128..=191, _) => Protocol::Rtp,
    }
}
