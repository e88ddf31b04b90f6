//! What the session answers to its caller: one error enum per command, and the [`Verdict`] on a packet.

use crate::peer::PeerId;
use crate::stats::DropReason;
use crate::variant;

/// What a session made of a packet.
#[must_use = "a refused packet is worth a line in a log"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver must handle every verdict"
)]
pub enum Verdict {
    /// It was used.
    Accepted,
    /// It was of no use, which can happen between honest peers; counted.
    Dropped(DropReason),
    /// It broke the protocol or a limit and had no effect; counted.
    Rejected(DropReason),
}

impl Verdict {
    /// Whether the packet was used.
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        matches!(self, Self::Accepted)
    }

    /// Why it was not used.
    #[must_use]
    pub const fn reason(self) -> Option<DropReason> {
        match self {
            Self::Accepted => None,
            Self::Dropped(reason) | Self::Rejected(reason) => Some(reason),
        }
    }
}

/// How a handler of one packet ends early.
pub(crate) type Refusal = Verdict;

/// Shortens the handlers: a drop that honest peers can cause.
pub(crate) const fn drop<T>(reason: DropReason) -> Result<T, Refusal> {
    Err(Verdict::Dropped(reason))
}

/// Shortens the handlers: a breach of the protocol.
pub(crate) const fn reject<T>(reason: DropReason) -> Result<T, Refusal> {
    Err(Verdict::Rejected(reason))
}

impl From<crate::packet::PacketError> for Verdict {
    fn from(error: crate::packet::PacketError) -> Self {
        Self::Rejected(error.kind.into())
    }
}

/// Why a call was not sent. Nothing was sent to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// An argument cannot be encoded.
    #[error("an argument cannot be encoded: {0}")]
    Argument(#[from] variant::EncodeError),
    /// The arguments are not what the method declares.
    #[error("the arguments do not match the method's declaration")]
    BadArguments,
    /// The one target has another method list for this node, and such calls are refused.
    #[error("the method lists of the node differ")]
    MethodMismatch,
    /// This end is a client, and not connected.
    #[error("not connected")]
    NotConnected,
    /// The one target does not see the node.
    #[error("peer {0} does not see the node")]
    NotVisible(PeerId),
    /// The target is this end, and the method is not `call_local`.
    #[error("the method is not called locally")]
    NotLocal,
    /// More than 255 arguments.
    #[error("more than 255 arguments")]
    TooManyArguments,
    /// The node has no such method.
    #[error("the node has no such method")]
    UnknownMethod,
    /// There is no such node (any more).
    #[error("there is no such node")]
    UnknownNode,
    /// The peer is not connected.
    #[error("peer {0} is not connected")]
    UnknownPeer(PeerId),
}

/// Why bytes were not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// There must be at least one byte.
    #[error("nothing to send")]
    Empty,
    /// This end is a client, and not connected.
    #[error("not connected")]
    NotConnected,
    /// The peer is not connected.
    #[error("peer {0} is not connected")]
    UnknownPeer(PeerId),
}

/// Why an authentication command has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// Either side has completed already.
    #[error("the authentication is complete on one side")]
    Complete,
    /// Empty data would mean completion.
    #[error("nothing to send")]
    Empty,
    /// The peer is not pending.
    #[error("the peer is not authenticating")]
    NotPending,
}
