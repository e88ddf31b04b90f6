//! REMOTE_CALL: a method of a node is called (spec: RPC packet layout).
//!
//! ```text
//! bit   7    6      5 4     3   2 1 0
//!      raw | name | node  | -- | 0 0 0     node: 0 u8, 1 u16, 2 u32; name: 0 u8, 1 u16
//! flags, node id, method id, [count u8 unless raw], arguments, [path and zero byte]
//! ```
//! A 32-bit node id with bit 31 set is no number but the offset in the packet at which the path begins.

use super::{PacketError, PacketErrorKind, cstring};
use alloc::vec::Vec;
use proto_core::Reader;

/// Bit 7: no count; the body is nothing or one byte array.
const RAW: u8 = 0x80;
/// Bit 6: the method id has 16 bits.
const WIDE_METHOD: u8 = 0x40;
/// Bit 31 of a 32-bit node id: the rest is an offset.
const INLINE: u32 = 0x8000_0000;

/// How many bytes a node id takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "two bits, of which one is refused")]
pub enum IdWidth {
    /// One byte.
    One,
    /// Two bytes.
    Two,
    /// Four bytes.
    Four,
}

impl IdWidth {
    /// The smallest that holds `id`.
    #[must_use]
    pub const fn of(id: u32) -> Self {
        match id {
            0..=0xff => Self::One,
            0x100..=0xffff => Self::Two,
            _ => Self::Four,
        }
    }
}

/// The node that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "one bit tells the two apart")]
pub enum NodeReference<'a> {
    /// By the number that the sender announced.
    Id {
        /// In the sender's space.
        id: u32,
        /// How it is written. Encoding a number that does not fit uses four bytes.
        width: IdWidth,
    },
    /// By its path, for receivers that did not confirm the number yet.
    Path(&'a str),
}

/// The arguments, still encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "one bit tells the two apart")]
pub enum ArgumentBytes<'a> {
    /// No argument if empty, else one byte array of these bytes.
    Raw(&'a [u8]),
    /// So many compressed values; more bytes may follow the last of them.
    Counted {
        /// How many.
        count: u8,
        /// Their encoding.
        bytes: &'a [u8],
    },
}

/// REMOTE_CALL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteCall<'a> {
    /// Which node.
    pub node: NodeReference<'a>,
    /// Which method: the index in the sorted list, with bit 15 for the node's own table.
    pub method: u16,
    /// With what.
    pub arguments: ArgumentBytes<'a>,
}

impl<'a> RemoteCall<'a> {
    /// A packet of these fields.
    #[must_use]
    pub const fn new(node: NodeReference<'a>, method: u16, arguments: ArgumentBytes<'a>) -> Self {
        Self {
            node,
            method,
            arguments,
        }
    }

    /// Decodes a whole packet of this command.
    ///
    /// # Errors
    /// Truncated; node id size 3; a path that begins inside the other fields or is not UTF-8.
    #[inline]
    pub fn decode(bytes: &'a [u8]) -> Result<Self, PacketError> {
        let mut reader = Reader::new(bytes);
        let flags = reader.u8("flags")?;
        let (id, width) = match (flags >> 4) & 3 {
            0 => (u32::from(reader.u8("node id")?), IdWidth::One),
            1 => (u32::from(reader.u16_le("node id")?), IdWidth::Two),
            2 => (reader.u32_le("node id")?, IdWidth::Four),
            _ => return Err(PacketError::new(0, PacketErrorKind::UnknownFlags)),
        };
        let method = if flags & WIDE_METHOD == 0 {
            u16::from(reader.u8("method id")?)
        } else {
            reader.u16_le("method id")?
        };
        let count = if flags & RAW == 0 {
            Some(reader.u8("argument count")?)
        } else {
            None
        };
        let (node, body) = if id & INLINE != 0 && width == IdWidth::Four {
            let (path, body) = split_path(bytes, &reader, id & !INLINE)?;
            (NodeReference::Path(path), body)
        } else {
            (NodeReference::Id { id, width }, reader.rest())
        };
        let arguments = match count {
            None => ArgumentBytes::Raw(body),
            Some(count) => ArgumentBytes::Counted { count, bytes: body },
        };
        Ok(Self {
            node,
            method,
            arguments,
        })
    }

    /// How many bytes [`encode`](Self::encode) appends.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        let (node, path): (usize, usize) = match self.node {
            NodeReference::Path(path) => (4, path.len().saturating_add(1)),
            NodeReference::Id { id, width } => match (width, IdWidth::of(id)) {
                (IdWidth::Four, _) | (_, IdWidth::Four) => (4, 0),
                (IdWidth::Two, _) | (_, IdWidth::Two) => (2, 0),
                (IdWidth::One, IdWidth::One) => (1, 0),
            },
        };
        let method = if self.method > 0xff { 2 } else { 1 };
        let (count, body) = match self.arguments {
            ArgumentBytes::Raw(bytes) => (0, bytes.len()),
            ArgumentBytes::Counted { bytes, .. } => (1, bytes.len()),
        };
        let head = node
            .saturating_add(method)
            .saturating_add(count)
            .saturating_add(1_usize);
        head.saturating_add(body).saturating_add(path)
    }

    /// Appends the packet to `out`; an offset counts from where `out` ended.
    ///
    /// A body beyond 2 GiB cannot carry a path behind it; no transport takes such a packet.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let (count, body) = match self.arguments {
            ArgumentBytes::Raw(body) => (None, body),
            ArgumentBytes::Counted { count, bytes } => (Some(count), bytes),
        };
        let mut flags = if count.is_none() { RAW } else { 0 };
        if self.method > 0xff {
            flags |= WIDE_METHOD;
        }
        self.encode_node(flags, out);
        match u8::try_from(self.method) {
            Ok(method) => out.push(method),
            Err(_) => out.extend_from_slice(&self.method.to_le_bytes()),
        }
        out.extend(count);
        out.extend_from_slice(body);
        if let NodeReference::Path(path) = self.node {
            let offset = out.len().saturating_sub(start);
            let offset = u32::try_from(offset).unwrap_or(u32::MAX) | INLINE;
            let place = start.saturating_add(1)..start.saturating_add(5);
            if let Some(field) = out.get_mut(place) {
                field.copy_from_slice(&offset.to_le_bytes());
            }
            out.extend_from_slice(path.as_bytes());
            out.push(0);
        }
    }

    /// Writes the flag byte and the node id; the offset of an inline path is filled in later.
    fn encode_node(&self, flags: u8, out: &mut Vec<u8>) {
        match self.node {
            NodeReference::Id { id, width } => match (width.max(IdWidth::of(id)), id.to_le_bytes())
            {
                (IdWidth::One, [a, ..]) => out.extend_from_slice(&[flags, a]),
                (IdWidth::Two, [a, b, ..]) => out.extend_from_slice(&[flags | 0x10, a, b]),
                (IdWidth::Four, [a, b, c, d]) => {
                    out.extend_from_slice(&[flags | 0x20, a, b, c, d]);
                }
            },
            NodeReference::Path(_) => out.extend_from_slice(&[flags | 0x20, 0, 0, 0, 0]),
        }
    }
}

/// Splits what follows the fields at `offset` (in the whole packet) into the body and the path behind it.
fn split_path<'a>(
    bytes: &'a [u8],
    reader: &Reader<'a>,
    offset: u32,
) -> Result<(&'a str, &'a [u8]), PacketError> {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    if offset >= bytes.len() {
        return Err(PacketError::new(1, PacketErrorKind::Truncated));
    }
    let split = offset
        .checked_sub(reader.at())
        .and_then(|length| reader.rest().split_at_checked(length));
    let Some((body, path)) = split else {
        return Err(PacketError::new(1, PacketErrorKind::BadPath));
    };
    Ok((cstring(path, offset)?, body))
}
