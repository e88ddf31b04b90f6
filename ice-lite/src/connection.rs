//! TCP connections of an agent (RFC 6544), which the caller opens, accepts and closes: [`ConnectionId`].

use crate::TcpType;
use crate::candidate::plain;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use proto_core::Instant;

/// A TCP connection of an agent, by the order of their making. Used again in one agent after 2^32 others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(crate) u32);

impl core::fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "connection {}", self.0)
    }
}

/// What a caller that has TCP candidates does for the agent, in this order: [`Event::Tcp`](crate::Event::Tcp).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller that leaves one out does not work"
)]
pub enum TcpAction {
    /// Open a connection, then call [`Agent::handle_connected`](crate::Agent::handle_connected), or
    /// [`Agent::handle_closed`](crate::Agent::handle_closed) if that fails.
    Connect {
        /// Its name from now on.
        connection: ConnectionId,
        /// Where to connect from. For [`TcpType::Active`] any port of this address is right, and the port here means nothing;
        /// for [`TcpType::SimultaneousOpen`] it is the port to bind, which a listener may share.
        local: SocketAddr,
        /// Where to.
        remote: SocketAddr,
        /// Whether the peer connects to us at the same time.
        kind: TcpType,
    },
    /// Write these bytes. They begin with their length (RFC 4571).
    Write {
        /// Where.
        connection: ConnectionId,
        /// What.
        bytes: Box<[u8]>,
    },
    /// Close the connection, or stop opening it. Nothing more is said of it.
    Close {
        /// Which.
        connection: ConnectionId,
    },
}

/// Why a connection was not accepted: close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// No local candidate waits for connections there.
    #[error("no passive candidate has this address")]
    UnknownLocal,
    /// There are [`Limits::connections`](crate::Limits::connections), and the peer has proven itself on each.
    #[error("there are too many connections")]
    TooMany,
    /// The agent is closed.
    #[error("the agent is closed")]
    Closed,
}

/// What carries the packets of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Datagrams.
    Udp,
    /// A connection, once it has been asked for.
    Tcp(Option<ConnectionId>),
}

impl Link {
    pub(crate) const fn connection(self) -> Option<ConnectionId> {
        match self {
            Self::Udp => None,
            Self::Tcp(connection) => connection,
        }
    }
}

/// Where a packet came in: its address and its source, and the connection if it was no datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) via: Option<ConnectionId>,
    pub(crate) local: SocketAddr,
    pub(crate) from: SocketAddr,
}

impl Arrival {
    /// Whether both came the same way.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.via == other.via && self.local == other.local && plain(self.from) == plain(other.from)
    }
}

/// What an agent knows of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    /// Of the local candidate, without scope.
    pub(crate) base: SocketAddr,
    /// Our end.
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) accepted: bool,
    /// When it goes: one that is being opened, or that the peer has not proven itself on.
    pub(crate) until: Option<Instant>,
    pub(crate) opening: bool,
}

/// The connections of an agent that has TCP candidates.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    pub(crate) list: Vec<Connection>,
    next: u32,
}

impl Connections {
    pub(crate) const fn next_id(&mut self) -> ConnectionId {
        self.next = self.next.wrapping_add(1);
        ConnectionId(self.next)
    }

    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.list.iter().find(|connection| connection.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.list.iter_mut().find(|connection| connection.id == id)
    }

    /// How many were accepted, or opened.
    pub(crate) fn count(&self, accepted: bool) -> usize {
        let like = |connection: &&Connection| connection.accepted == accepted;
        self.list.iter().filter(like).count()
    }

    /// The accepted one that makes room for the next: the oldest without proof, of the address that has most of these.
    pub(crate) fn expendable(&self) -> Option<ConnectionId> {
        let unproven = || {
            let list = self.list.iter();
            list.filter(|connection| connection.accepted && connection.until.is_some())
        };
        let like = |connection: &Connection| {
            unproven()
                .filter(|other| other.remote.ip() == connection.remote.ip())
                .count()
        };
        unproven()
            .max_by_key(|connection| (like(connection), core::cmp::Reverse(connection.id)))
            .map(|connection| connection.id)
    }
}

/// Writes a packet with its length in front (RFC 4571) behind what `out` holds; `None` if it is longer than 65,535 bytes.
pub(crate) fn frame(packet: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let length = u16::try_from(packet.len()).ok()?;
    out.reserve(packet.len() + 2);
    out.extend(length.to_be_bytes());
    out.extend_from_slice(packet);
    Some(())
}
