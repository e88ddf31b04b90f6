//! SYS: authentication, announcements of peers, and the relay envelope (spec: SceneMultiplayer SYS messages).

use super::{Command, PacketError, PacketErrorKind};
use alloc::vec::Vec;
use proto_core::Reader;

/// A SYS packet.
///
/// Peer ids are as on the wire: what they may be depends on who sends them to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the protocol has four and rejects all others"
)]
pub enum Sys<'a> {
    /// 0: authentication data; empty means that the sender is done.
    Auth(&'a [u8]),
    /// 1: the server announces a peer.
    AddPeer(i32),
    /// 2: the server takes a peer back.
    DeletePeer(i32),
    /// 3: a packet between clients.
    Relay {
        /// Towards the server the destination (0 all, −n all but n), from the server the source.
        peer: i32,
        /// The packet inside, at least one byte.
        packet: &'a [u8],
    },
}

impl<'a> Sys<'a> {
    /// Decodes a whole packet whose command is SYS.
    ///
    /// # Errors
    /// Truncated, or an unknown sub-command.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, PacketError> {
        let mut reader = Reader::new(bytes);
        reader.u8("command")?;
        let sub_command = reader.u8("sub-command")?;
        if sub_command == 0 {
            return Ok(Self::Auth(reader.rest()));
        }
        if sub_command > 3 {
            return Err(PacketError::new(1, PacketErrorKind::UnknownCommand));
        }
        let peer = reader.i32_le("peer")?;
        match sub_command {
            1 => Ok(Self::AddPeer(peer)),
            2 => Ok(Self::DeletePeer(peer)),
            _ if reader.is_empty() => {
                Err(PacketError::new(reader.at(), PacketErrorKind::Truncated))
            }
            _ => Ok(Self::Relay {
                peer,
                packet: reader.rest(),
            }),
        }
    }

    /// Appends the packet to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Command::Sys.byte());
        match *self {
            Self::Auth(data) => {
                out.push(0);
                out.extend_from_slice(data);
            }
            Self::AddPeer(peer) => {
                out.push(1);
                out.extend_from_slice(&peer.to_le_bytes());
            }
            Self::DeletePeer(peer) => {
                out.push(2);
                out.extend_from_slice(&peer.to_le_bytes());
            }
            Self::Relay { peer, packet } => {
                out.push(3);
                out.extend_from_slice(&peer.to_le_bytes());
                out.extend_from_slice(packet);
            }
        }
    }
}
