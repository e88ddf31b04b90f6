//! What an agent tells the application: [`Event`], [`State`].

use crate::{CandidateKind, ConnectionId, Role, TcpAction};
use alloc::boxed::Box;
use core::net::SocketAddr;

/// The state of an agent, in the words of `RTCIceConnectionState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "WebRTC has these seven")]
pub enum State {
    /// Nothing is known of the peer.
    New,
    /// Paths are being looked for.
    Checking,
    /// A path works; the best one is still being looked for.
    Connected,
    /// The path is chosen.
    Completed,
    /// Nothing was heard on the chosen path for a while; it may come back.
    Disconnected,
    /// There is no path, or consent has ended. Only [`Agent::restart`](crate::Agent::restart) helps. Data may still pass on a pair
    /// that was never named, as long as its consent lasts.
    Failed,
    /// The application closed the agent.
    Closed,
}

/// A path: where datagrams leave and where they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Path {
    /// The local address to send from: a socket of the host, or the address at the relay.
    pub base: SocketAddr,
    /// Where to send.
    pub remote: SocketAddr,
    /// What the peer sees as the sender.
    pub local_kind: CandidateKind,
    /// The address that the peer sees.
    pub local_address: SocketAddr,
    /// How the remote candidate was found.
    pub remote_kind: CandidateKind,
    /// The connection, where TCP carries it: data is sent with [`Agent::send_framed`](crate::Agent::send_framed) then.
    pub connection: Option<ConnectionId>,
}

impl Path {
    /// Whether a relay carries it, on either side.
    #[must_use]
    pub fn is_relayed(&self) -> bool {
        self.local_kind == CandidateKind::Relayed || self.remote_kind == CandidateKind::Relayed
    }

    pub(crate) const fn new(base: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            base,
            remote,
            local_kind: CandidateKind::Host,
            local_address: base,
            remote_kind: CandidateKind::Host,
            connection: None,
        }
    }
}

/// Why a restart would help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RestartReason {
    /// No pair worked.
    NoPath,
    /// The peer gave no consent for too long, or took it back.
    ConsentLost,
    /// The local address of the chosen path is gone, and no other path works.
    AddressGone,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The state changed.
    State(State),
    /// This path is used from now on.
    Selected(Path),
    /// Roles were in conflict and this side gave way.
    RoleChanged(Role),
    /// The peer's checks carry [`Config::watched_attribute`](crate::Config::watched_attribute) with this value, of at most
    /// 256 bytes, now.
    Attribute(Box<[u8]>),
    /// Look this name up by multicast DNS only, then call [`Agent::resolved`](crate::Agent::resolved).
    Resolve(Box<str>),
    /// There is no path yet after [`Timing::give_up_hint`](crate::Timing::give_up_hint); the search goes on.
    StillTrying,
    /// So many consent checks in a row had no answer; 3 is the first count that is told.
    Unresponsive {
        /// How many.
        missed: u32,
    },
    /// Consent for this path has ended: nothing but STUN is sent on it any more (RFC 7675).
    ConsentExpired(Path),
    /// Only new credentials on both sides lead on.
    RestartNeeded(RestartReason),
    /// Something to be done with a TCP connection. Only an agent that has TCP candidates says so.
    Tcp(TcpAction),
    /// No pair uses this local address any more: its socket or allocation may go.
    Released(SocketAddr),
}
