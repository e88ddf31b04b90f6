//! The packets of the scene multiplayer on the wire: decoding and encoding, without any state.
//!
//! The low three bits of the first byte are the [`Command`]; the meaning of the rest of that byte depends on it. All
//! numbers are little-endian. There is no length field: the transport keeps the boundaries of packets.
//!
//! Decoding is strict about structure (lengths, text, checksum form) and leaves meaning (who may send what, which path
//! exists) to the session. Encoding is canonical: what Godot 4.6 sends decodes and encodes to the same bytes.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

mod path;
mod rpc;
mod spawn;
mod sync;
mod sys;

pub use path::{Checksum, ConfirmFormat, ConfirmPath, Confirmed, SimplifyPath};
pub use rpc::{ArgumentBytes, IdWidth, NodeReference, RemoteCall};
pub use spawn::{Despawn, Spawn, SynchronizerIds};
pub use sync::{Delta, DeltaEntries, DeltaEntry, Sync, SyncEntries, SyncEntry};
pub use sys::Sys;

use alloc::vec::Vec;
use core::fmt;
use proto_core::{DecodeError, DecodeErrorKind};

/// The eight commands, by the low three bits of a packet's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "three bits name exactly eight commands"
)]
pub enum Command {
    /// 0: calls a method of a node.
    RemoteCall,
    /// 1: gives a node path a number.
    SimplifyPath,
    /// 2: confirms a number.
    ConfirmPath,
    /// 3: bytes of the application.
    Raw,
    /// 4: creates a node.
    Spawn,
    /// 5: frees a spawned node.
    Despawn,
    /// 6: state of synchronizers, full or delta.
    Sync,
    /// 7: authentication, peers, relay.
    Sys,
}

impl Command {
    /// The command of a packet that starts with `first`.
    #[must_use]
    #[inline]
    pub const fn of(first: u8) -> Self {
        match first & 7 {
            0 => Self::RemoteCall,
            1 => Self::SimplifyPath,
            2 => Self::ConfirmPath,
            3 => Self::Raw,
            4 => Self::Spawn,
            5 => Self::Despawn,
            6 => Self::Sync,
            _ => Self::Sys,
        }
    }

    /// The bits of the first byte that have a meaning for this command, the command's own three among them.
    #[must_use]
    pub const fn known_bits(self) -> u8 {
        match self {
            Self::RemoteCall => 0xf7,
            Self::Sync => 0x17,
            _ => 0x07,
        }
    }

    /// The first byte of a packet of this command, without flags.
    #[must_use]
    #[inline]
    pub const fn byte(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RemoteCall => "REMOTE_CALL",
            Self::SimplifyPath => "SIMPLIFY_PATH",
            Self::ConfirmPath => "CONFIRM_PATH",
            Self::Raw => "RAW",
            Self::Spawn => "SPAWN",
            Self::Despawn => "DESPAWN",
            Self::Sync => "SYNC",
            Self::Sys => "SYS",
        })
    }
}

/// Why a packet could not be decoded, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {at}")]
#[non_exhaustive]
pub struct PacketError {
    /// Offset in the packet.
    pub at: usize,
    /// What is wrong there.
    pub kind: PacketErrorKind,
}

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PacketErrorKind {
    /// A checksum is not 32 lower-case hexadecimal digits and a zero byte.
    #[error("the checksum is malformed")]
    BadChecksum,
    /// A length reaches beyond the packet.
    #[error("a length reaches beyond the packet")]
    BadLength,
    /// The name of a node is empty, not UTF-8, or holds a reserved character.
    #[error("the node name is not allowed")]
    BadName,
    /// The path of a call does not lie behind the call's own fields.
    #[error("the path lies inside other fields")]
    BadPath,
    /// A path is not UTF-8.
    #[error("the path is not UTF-8")]
    BadUtf8,
    /// Bytes follow where the packet should end.
    #[error("bytes follow the end")]
    TrailingBytes,
    /// The packet ends inside a field.
    #[error("the packet is truncated")]
    Truncated,
    /// The sub-command of a SYS packet is not known.
    #[error("the sub-command is unknown")]
    UnknownCommand,
    /// A flag combination has no meaning.
    #[error("the flags are unknown")]
    UnknownFlags,
}

impl PacketError {
    pub(crate) const fn new(at: usize, kind: PacketErrorKind) -> Self {
        Self { at, kind }
    }
}

impl From<DecodeError> for PacketError {
    fn from(error: DecodeError) -> Self {
        let kind = match error.kind {
            DecodeErrorKind::NotUtf8 { .. } => PacketErrorKind::BadUtf8,
            DecodeErrorKind::Trailing { .. } => PacketErrorKind::TrailingBytes,
            DecodeErrorKind::Illegal { .. } => PacketErrorKind::UnknownFlags,
            _ => PacketErrorKind::Truncated,
        };
        Self::new(error.at, kind)
    }
}

/// One packet of any command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "three bits name exactly eight commands"
)]
pub enum Packet<'a> {
    /// A call.
    RemoteCall(RemoteCall<'a>),
    /// A number for a path.
    SimplifyPath(SimplifyPath<'a>),
    /// The answer to it.
    ConfirmPath(ConfirmPath<'a>),
    /// Bytes of the application, at least one.
    Raw(&'a [u8]),
    /// A new node.
    Spawn(Spawn<'a>),
    /// The end of one.
    Despawn(Despawn),
    /// Full state.
    Sync(Sync<'a>),
    /// Changed state.
    Delta(Delta<'a>),
    /// Authentication, peers, relay.
    Sys(Sys<'a>),
}

impl<'a> Packet<'a> {
    /// Decodes a whole packet; `confirm` is the form of CONFIRM_PATH that its sender uses.
    ///
    /// # Errors
    /// [`PacketError`] with the offset and the kind.
    pub fn decode(bytes: &'a [u8], confirm: ConfirmFormat) -> Result<Self, PacketError> {
        let Some(&first) = bytes.first() else {
            return Err(PacketError::new(0, PacketErrorKind::Truncated));
        };
        Ok(match Command::of(first) {
            Command::RemoteCall => Self::RemoteCall(RemoteCall::decode(bytes)?),
            Command::SimplifyPath => Self::SimplifyPath(SimplifyPath::decode(bytes)?),
            Command::ConfirmPath => Self::ConfirmPath(ConfirmPath::decode(bytes, confirm)?),
            Command::Raw => Self::Raw(decode_raw(bytes)?),
            Command::Spawn => Self::Spawn(Spawn::decode(bytes)?),
            Command::Despawn => Self::Despawn(Despawn::decode(bytes)?),
            Command::Sync if Delta::is_delta(first) => Self::Delta(Delta::decode(bytes)?),
            Command::Sync => Self::Sync(Sync::decode(bytes)?),
            Command::Sys => Self::Sys(Sys::decode(bytes)?),
        })
    }

    /// Appends the packet to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::RemoteCall(packet) => packet.encode(out),
            Self::SimplifyPath(packet) => packet.encode(out),
            Self::ConfirmPath(packet) => packet.encode(out),
            Self::Raw(payload) => encode_raw(payload, out),
            Self::Spawn(packet) => packet.encode(out),
            Self::Despawn(packet) => packet.encode(out),
            Self::Sync(packet) => packet.encode(out),
            Self::Delta(packet) => packet.encode(out),
            Self::Sys(packet) => packet.encode(out),
        }
    }

    /// Which command it is.
    #[must_use]
    pub const fn command(&self) -> Command {
        match self {
            Self::RemoteCall(_) => Command::RemoteCall,
            Self::SimplifyPath(_) => Command::SimplifyPath,
            Self::ConfirmPath(_) => Command::ConfirmPath,
            Self::Raw(_) => Command::Raw,
            Self::Spawn(_) => Command::Spawn,
            Self::Despawn(_) => Command::Despawn,
            Self::Sync(_) | Self::Delta(_) => Command::Sync,
            Self::Sys(_) => Command::Sys,
        }
    }
}

/// The payload of a RAW packet, at least one byte.
pub(crate) const fn decode_raw(bytes: &[u8]) -> Result<&[u8], PacketError> {
    match bytes {
        [_, payload @ ..] if !payload.is_empty() => Ok(payload),
        _ => Err(PacketError::new(bytes.len(), PacketErrorKind::Truncated)),
    }
}

/// Appends a RAW packet with `payload`.
pub(crate) fn encode_raw(payload: &[u8], out: &mut Vec<u8>) {
    out.push(Command::Raw.byte());
    out.extend_from_slice(payload);
}

/// The text up to the first zero byte or the end.
fn cstring(bytes: &[u8], at: usize) -> Result<&str, PacketError> {
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    core::str::from_utf8(text).map_err(|error| {
        PacketError::new(
            at.saturating_add(error.valid_up_to()),
            PacketErrorKind::BadUtf8,
        )
    })
}
