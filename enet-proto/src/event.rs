//! What a host tells its application: [`Event`].

use crate::{PeerKey, RequestKey};
use bytes::Bytes;
use core::fmt;
use core::net::SocketAddr;
use core::ops::BitOr;

/// Something that happened, from [`Host::poll_event`](crate::Host::poll_event).
///
/// For each peer: at most one `Connected`, then any number of `Received`, and `Disconnected` last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A remote wants to connect; only with [`Admission::Deferred`](crate::Admission::Deferred).
    ///
    /// Its address is not proven yet.
    ConnectRequested {
        /// For the answer.
        request: RequestKey,
        /// Where it claims to be.
        address: SocketAddr,
        /// The number that it gave; a Godot client's unique id.
        data: u32,
        /// How many channels it will get.
        channel_count: usize,
    },
    /// A connection is there.
    Connected {
        /// Names it from now on.
        peer: PeerKey,
        /// The number that the remote gave when it connected to us; 0 if we connected to it.
        data: u32,
    },
    /// A packet came in.
    Received {
        /// From whom.
        peer: PeerKey,
        /// On which channel.
        channel: u8,
        /// How it was sent: reliable, unsequenced, unreliable fragments, or none of these.
        flags: PacketFlags,
        /// The packet.
        payload: Bytes,
    },
    /// A connection, or an attempt at one, has ended. Its key names nothing any more.
    Disconnected {
        /// Which one.
        peer: PeerKey,
        /// Why.
        reason: DisconnectReason,
    },
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The remote broke the rules of the handshake.
    #[error("the handshake failed")]
    HandshakeFailed,
    /// Packets of it that could not be delivered yet took memory that other peers needed
    /// ([`Limits::host_receive_bytes`](crate::Limits::host_receive_bytes)).
    #[error("the peer held memory that others needed")]
    HostLimit,
    /// Our own graceful disconnect is complete.
    #[error("disconnected by us")]
    Local,
    /// It made us hold more than [`Limits`](crate::Limits) allow.
    #[error("the peer exceeded a receive limit")]
    ReceiveLimit,
    /// The remote ended it.
    #[error("disconnected by the remote with data {data}")]
    Remote {
        /// The number that it gave.
        data: u32,
    },
    /// It did not acknowledge in time; see [`Timeouts`](crate::Timeouts).
    #[error("timed out")]
    Timeout,
}

/// How a packet travels: ENet's packet flags.
///
/// | flags | meaning |
/// | --- | --- |
/// | [`NONE`](Self::NONE) | in order or not at all; reliable if longer than a datagram |
/// | [`RELIABLE`](Self::RELIABLE) | in order, once, until the connection ends |
/// | [`UNSEQUENCED`](Self::UNSEQUENCED) | at once or not at all; reliable if longer than a datagram |
/// | [`UNRELIABLE_FRAGMENT`](Self::UNRELIABLE_FRAGMENT) | with one of the unreliable kinds: longer packets stay unreliable |
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PacketFlags(u8);

impl PacketFlags {
    /// Unreliable, in order.
    pub const NONE: Self = Self(0);
    /// Reliable, in order.
    pub const RELIABLE: Self = Self(1);
    /// Unreliable, in no order; without effect on reliable packets.
    pub const UNSEQUENCED: Self = Self(2);
    /// A packet longer than a datagram is cut into unreliable parts, which makes it ordered.
    pub const UNRELIABLE_FRAGMENT: Self = Self(8);

    /// Whether all flags of `other` are set.
    #[must_use]
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits, as in ENet's `ENetPacketFlag`.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
}

impl BitOr for PacketFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for PacketFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::RELIABLE, "RELIABLE"),
            (Self::UNSEQUENCED, "UNSEQUENCED"),
            (Self::UNRELIABLE_FRAGMENT, "UNRELIABLE_FRAGMENT"),
        ];
        let mut first = true;
        for (flag, name) in names {
            if self.contains(flag) {
                f.write_str(if first { name } else { " | " })?;
                if !first {
                    f.write_str(name)?;
                }
                first = false;
            }
        }
        if first { f.write_str("NONE") } else { Ok(()) }
    }
}
