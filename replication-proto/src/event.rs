//! What a session tells the application: [`Event`].

use crate::mismatch::MethodMismatch;
use crate::node::NodeKey;
use crate::peer::{PeerId, TransferMode};
use crate::replication::SpawnRequest;
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
    /// A node that a peer spawned is gone: the peer despawned it or left. Nodes in it go with it.
    Despawned {
        /// Who had spawned it.
        peer: PeerId,
        /// Its key, which names nothing any more.
        node: NodeKey,
        /// Its path.
        path: Arc<str>,
    },
    /// A peer spawned a node. It exists with all nodes of its scene and its first state.
    Spawned(Box<Spawned>),
    /// A peer made a custom spawn, and the spawner leaves it to the application what that is.
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
}

/// A node that a peer spawned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Spawned {
    /// Who spawned it.
    pub peer: PeerId,
    /// The node.
    pub node: NodeKey,
    /// Its path.
    pub path: Arc<str>,
    /// By which spawner.
    pub spawner: NodeKey,
    /// What it is.
    pub source: SpawnSource,
    /// Its number in the peer's space.
    pub net_id: u32,
    /// Its spawn state in the order of the packet.
    pub properties: Vec<(Arc<str>, Value)>,
}

/// What a spawned node was made from.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "the protocol has two")]
pub enum SpawnSource {
    /// A scene, by its resource path.
    Scene(Arc<str>),
    /// The argument of a custom spawn.
    Custom(Value),
}

/// State that a peer's synchronizer brought. It is stored: [`Session::property`](crate::Session::property).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StateReceived {
    /// Who sent it.
    pub peer: PeerId,
    /// The node whose properties they are.
    pub node: NodeKey,
    /// Its path.
    pub path: Arc<str>,
    /// The synchronizer.
    pub synchronizer: NodeKey,
    /// Path and value of each property in it.
    pub properties: Vec<(Arc<str>, Value)>,
    /// The sender's count of frames for a full state; nothing for a delta.
    pub time: Option<u16>,
    /// Whether no value holds a NaN or an infinity.
    pub is_finite: bool,
}

impl StateReceived {
    /// Whether it has only what changed.
    #[must_use]
    pub const fn is_delta(&self) -> bool {
        self.time.is_none()
    }
}

/// Why state of this end cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// A value has more containers inside each other than can be sent.
    #[error("a value is too deep")]
    TooDeep,
    /// The state of one synchronizer does not fit in a packet.
    #[error("the state has more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
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
    /// More packets of it waited for the application to answer a custom spawn than the limit.
    #[error("it sent too much while its spawn waited")]
    HeldTooMuch,
    /// It spawned more nodes than the limit.
    #[error("it spawned too many nodes")]
    SpawnLimit,
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
