//! What a server or client tells its application: [`Event`].

use alloc::sync::Arc;
use bytes::Bytes;
use core::net::SocketAddr;
use replication_proto::{
    AuthFailure, MethodMismatch, NodeKey, PeerId, RpcCall, SpawnRequest, Spawned, StateError,
    StateReceived, TransferMode,
};

/// Something that happened, in order.
///
/// For each peer: `PeerConnected` first and `PeerDisconnected` last; or, if it had to authenticate and failed,
/// `Authenticating` first and `AuthFailed` last. A client ends with exactly one `ConnectionFailed` or `Disconnected`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A peer could not be authenticated and is gone (`peer_authentication_failed`).
    AuthFailed {
        /// Which.
        peer: PeerId,
        /// Why.
        reason: AuthFailure,
    },
    /// A peer sent authentication data; answer with `send_auth`, `complete_auth` or `disconnect_peer`.
    AuthReceived {
        /// Which.
        peer: PeerId,
        /// Not empty.
        data: Bytes,
    },
    /// A peer is done with authentication, and is admitted when this side is too.
    AuthRemoteComplete {
        /// Which.
        peer: PeerId,
    },
    /// A peer has to authenticate (`peer_authenticating`).
    Authenticating {
        /// Which.
        peer: PeerId,
    },
    /// A client is part of the game (`connected_to_server`); `PeerConnected` of the server follows.
    Connected {
        /// Its own id.
        id: PeerId,
    },
    /// A client did not become part of the game (`connection_failed`). The last event of a client.
    ConnectionFailed {
        /// Why.
        reason: DisconnectReason,
    },
    /// A node that a peer spawned is gone: the peer despawned it or left. Nodes in it go with it (`despawned`).
    Despawned {
        /// Who had spawned it.
        peer: PeerId,
        /// Its key, which names nothing any more.
        node: NodeKey,
        /// Its path.
        path: Arc<str>,
    },
    /// A client is no longer part of the game (`server_disconnected`). The last event of a client.
    Disconnected {
        /// Why.
        reason: DisconnectReason,
    },
    /// A handshake of DTLS failed, with a client that has proven its address. Only at a server.
    ///
    /// Not told while 64 events wait; [`DtlsStats`](crate::dtls::DtlsStats) counts them all.
    #[cfg(feature = "dtls")]
    DtlsFailed {
        /// Where the client is.
        address: SocketAddr,
        /// Why.
        failure: crate::dtls::DtlsFailure,
    },
    /// The methods of a node differ between this side and a peer; calls between them are refused.
    MethodMismatch(Box<MethodMismatch>),
    /// A peer sent bytes (`peer_packet`).
    Packet {
        /// Who.
        peer: PeerId,
        /// At least one byte.
        payload: Bytes,
        /// How it was sent.
        mode: TransferMode,
        /// On which Godot channel.
        channel: u8,
    },
    /// A peer joined (`peer_connected`).
    PeerConnected {
        /// Which.
        peer: PeerId,
    },
    /// A peer left (`peer_disconnected`).
    PeerDisconnected {
        /// Which.
        peer: PeerId,
        /// Why.
        reason: DisconnectReason,
    },
    /// A client asked to join and was refused; it never becomes a peer. Only at a server.
    Refused {
        /// Where it claims to be.
        address: SocketAddr,
        /// The number that it gave as its id.
        data: u32,
        /// Why.
        reason: RefusalReason,
    },
    /// A peer calls a method.
    Rpc(RpcCall),
    /// A peer spawned a node; it exists with its first state (`spawned`).
    Spawned(Box<Spawned>),
    /// A peer made a custom spawn, and the application shall say what that is: answer with `answer_spawn`.
    SpawnRequested(SpawnRequest),
    /// State of this end cannot be sent; said once until it can be again.
    StateNotSent {
        /// The synchronizer.
        synchronizer: NodeKey,
        /// Why.
        error: StateError,
    },
    /// A synchronizer of a peer brought state (`synchronized`, `delta_synchronized`).
    Sync(Box<StateReceived>),
    /// A packet could not be sent to a peer, and will not be.
    SendFailed {
        /// To whom.
        peer: PeerId,
        /// Why. A full queue loses an unreliable packet; for a reliable one the peer is disconnected instead.
        error: enet_proto::SendError,
    },
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The server does not answer, or refuses.
    #[error("authentication failed: {0}")]
    AuthFailed(AuthFailure),
    /// DTLS: the handshake failed, or the session broke.
    #[cfg(feature = "dtls")]
    #[error("DTLS: {0}")]
    Dtls(crate::dtls::DtlsFailure),
    /// The other side broke the rules of ENet's handshake.
    #[error("the handshake failed")]
    HandshakeFailed,
    /// This side ended it.
    #[error("disconnected here")]
    Local,
    /// It sent more than this side holds while its custom spawn waited for the application.
    #[error("it sent too much while its spawn waited")]
    HeldTooMuch,
    /// It spawned more nodes than the limit.
    #[error("it spawned too many nodes")]
    SpawnLimit,
    /// The server announced more peers than the limit.
    #[error("the server announced too many peers")]
    PeerLimit,
    /// It made this side hold more than its limits allow.
    #[error("it exceeded a receive limit")]
    ReceiveLimit,
    /// It had more relayed than its share.
    #[error("it relayed too much")]
    RelayBudget,
    /// The other side ended it.
    #[error("disconnected by the other side")]
    Remote,
    /// It did not take reliable packets as fast as they were sent to it.
    #[error("its send queue was full")]
    SendLimit,
    /// It did not answer in time.
    #[error("timed out")]
    Timeout,
    /// For another client: the server says that it left.
    #[error("left the server")]
    LeftServer,
    /// The transport ended for a reason without a name of its own.
    #[error("the connection ended")]
    ConnectionEnded,
}

impl From<enet_proto::DisconnectReason> for DisconnectReason {
    fn from(reason: enet_proto::DisconnectReason) -> Self {
        use enet_proto::DisconnectReason as Enet;
        match reason {
            Enet::HandshakeFailed => Self::HandshakeFailed,
            Enet::Local => Self::Local,
            Enet::ReceiveLimit | Enet::HostLimit => Self::ReceiveLimit,
            Enet::Remote { .. } => Self::Remote,
            Enet::Timeout => Self::Timeout,
            _ => Self::ConnectionEnded,
        }
    }
}

impl From<replication_proto::DisconnectReason> for DisconnectReason {
    fn from(reason: replication_proto::DisconnectReason) -> Self {
        use replication_proto::DisconnectReason as Session;
        match reason {
            Session::HeldTooMuch => Self::HeldTooMuch,
            Session::Local => Self::Local,
            Session::PeerLimit => Self::PeerLimit,
            Session::RelayBudget => Self::RelayBudget,
            Session::Remote => Self::LeftServer,
            Session::SpawnLimit => Self::SpawnLimit,
            _ => Self::ConnectionEnded,
        }
    }
}

/// Why a client may not join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RefusalReason {
    /// The server takes no new clients.
    #[error("no new connections are accepted")]
    Closed,
    /// Its id is not 2 to 2³¹ − 1.
    #[error("the id is not 2 to 2147483647")]
    IllegalId,
    /// Its id belongs to a client that is connected.
    #[error("the id is taken")]
    TakenId,
}
