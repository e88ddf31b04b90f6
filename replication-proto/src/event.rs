//! What a session tells the application: [`Event`].

use crate::mismatch::MethodMismatch;
use crate::node::NodeKey;
use crate::peer::{PeerId, TransferMode};
use crate::rpc_table::MethodId;
use crate::variant::Value;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;

/// Something that happened, in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A pending peer could not be authenticated and is forgotten (`peer_authentication_failed`).
    AuthFailed {
        /// Which.
        peer: PeerId,
        /// Why.
        reason: AuthFailure,
    },
    /// A pending peer sent authentication data (the auth callback).
    AuthReceived {
        /// Which.
        peer: PeerId,
        /// Not empty.
        data: Bytes,
    },
    /// A pending peer says that it is done; it is admitted once this end is done too.
    AuthRemoteComplete {
        /// Which.
        peer: PeerId,
    },
    /// A peer connected and must authenticate (`peer_authenticating`).
    Authenticating {
        /// Which.
        peer: PeerId,
    },
    /// The method lists of a node differ between this end and a peer.
    MethodMismatch(Box<MethodMismatch>),
    /// A peer sent bytes (`peer_packet`).
    Packet {
        /// Who sent it, relayed or not.
        peer: PeerId,
        /// Its bytes, at least one.
        payload: Bytes,
        /// How it came.
        mode: TransferMode,
        /// On which channel.
        channel: u8,
    },
    /// A peer was admitted (`peer_connected`; for a client, peer 1 is `connected_to_server`).
    PeerConnected {
        /// Which.
        peer: PeerId,
    },
    /// An admitted peer left (`peer_disconnected`; for a client, peer 1 is `server_disconnected` and comes last).
    PeerDisconnected {
        /// Which.
        peer: PeerId,
        /// Why.
        reason: DisconnectReason,
    },
    /// A method is to be run.
    Rpc(RpcCall),
}

/// A call that passed every check.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RpcCall {
    /// Who calls; this end's own id for the local part of a `call_local` method.
    pub peer: PeerId,
    /// On which node.
    pub node: NodeKey,
    /// The node's path.
    pub path: Arc<str>,
    /// Which method.
    pub method: Arc<str>,
    /// The method's number.
    pub method_id: MethodId,
    /// With what.
    pub arguments: Vec<Value>,
    /// How the call came.
    pub mode: TransferMode,
    /// On which channel.
    pub channel: u8,
}

/// Why an admitted peer left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The transport lost it or it left.
    #[error("the connection ended")]
    ConnectionEnded,
    /// The application disconnected it here.
    #[error("disconnected here")]
    Local,
    /// The server announced more peers than the limit; the connection to the server was given up.
    #[error("the server announced too many peers")]
    PeerLimit,
    /// It had more reliable packets relayed than its rate and backlog allow.
    #[error("it relayed too much")]
    RelayBudget,
    /// The server announced that it left.
    #[error("the server took it off")]
    Remote,
}

/// Why a pending peer was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum AuthFailure {
    /// The transport lost it or it left.
    #[error("the connection ended")]
    ConnectionEnded,
    /// The application disconnected it here.
    #[error("refused here")]
    Refused,
    /// It was not done in time.
    #[error("it took too long")]
    Timeout,
    /// It sent too many or too large messages.
    #[error("it sent too much")]
    TooLarge,
}
