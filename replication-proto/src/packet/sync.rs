//! SYNC: state of synchronizers, full and delta (spec: MultiplayerSynchronizer packets).

use super::{Command, PacketError, PacketErrorKind};
use alloc::vec::Vec;
use proto_core::Reader;

/// Bit 4 of the first byte: the packet is a delta.
const DELTA: u8 = 0x10;

/// A full SYNC: the values that are sent always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sync<'a> {
    /// Counts the sender's network frames towards this receiver; wraps.
    pub time: u16,
    /// One entry per synchronizer. Godot sends packets without any when its first entry fills a packet alone.
    pub entries: SyncEntries<'a>,
}

impl<'a> Sync<'a> {
    /// A packet of these fields; `entries` as [`SyncEntry::encode`] wrote them.
    #[must_use]
    pub const fn new(time: u16, entries: &'a [u8]) -> Self {
        Self {
            time,
            entries: SyncEntries {
                rest: entries,
                at: 3,
            },
        }
    }

    /// Decodes the head of a full SYNC; the entries are checked as they are iterated.
    ///
    /// # Errors
    /// Truncated (below 3 bytes).
    pub fn decode(bytes: &'a [u8]) -> Result<Self, PacketError> {
        let mut reader = Reader::new(bytes);
        reader.u8("command")?;
        let time = reader.u16_le("time")?;
        Ok(Self::new(time, reader.rest()))
    }

    /// Appends the packet to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Command::Sync.byte());
        out.extend_from_slice(&self.time.to_le_bytes());
        out.extend_from_slice(self.entries.rest);
    }
}

/// State of one synchronizer in a full SYNC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncEntry<'a> {
    /// Network id, or a path cache id with bit 31 set, in the sender's space.
    pub id: u32,
    /// Compressed values, one after the other.
    pub state: &'a [u8],
}

impl<'a> SyncEntry<'a> {
    /// An entry of these fields.
    #[must_use]
    pub const fn new(id: u32, state: &'a [u8]) -> Self {
        Self { id, state }
    }

    /// Appends the entry to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&length(self.state.len()));
        out.extend_from_slice(self.state);
    }
}

/// The entries of a full SYNC, decoded one by one. An error is the last item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncEntries<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Iterator for SyncEntries<'a> {
    type Item = Result<SyncEntry<'a>, PacketError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Godot goes on while more than an entry's head is left, so an entry without state cannot be the last one.
        if self.rest.len() <= 8 {
            return None;
        }
        let mut reader = Reader::new(self.rest);
        let entry = (|| {
            let id = reader.u32_le("id").ok()?;
            let size = reader.u32_le("size").ok()?;
            let state = reader.bytes(usize::try_from(size).ok()?, "state").ok()?;
            Some(SyncEntry { id, state })
        })();
        let error = PacketError::new(self.at.saturating_add(4), PacketErrorKind::BadLength);
        self.at = self.at.saturating_add(reader.at());
        self.rest = if entry.is_some() { reader.rest() } else { &[] };
        Some(entry.ok_or(error))
    }
}

/// A delta SYNC: the watched values that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delta<'a> {
    /// One entry per synchronizer.
    pub entries: DeltaEntries<'a>,
}

impl<'a> Delta<'a> {
    /// A packet of `entries` as [`DeltaEntry::encode`] wrote them.
    #[must_use]
    pub const fn new(entries: &'a [u8]) -> Self {
        Self {
            entries: DeltaEntries {
                rest: entries,
                at: 1,
            },
        }
    }

    /// Whether the first byte of a SYNC packet says that it is a delta.
    #[must_use]
    pub const fn is_delta(first: u8) -> bool {
        first & DELTA != 0
    }

    /// Decodes the head of a delta SYNC; the entries are checked as they are iterated.
    ///
    /// # Errors
    /// Truncated (empty).
    pub fn decode(bytes: &'a [u8]) -> Result<Self, PacketError> {
        let mut reader = Reader::new(bytes);
        reader.u8("command")?;
        Ok(Self::new(reader.rest()))
    }

    /// Appends the packet to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Command::Sync.byte() | DELTA);
        out.extend_from_slice(self.entries.rest);
    }
}

/// Changed values of one synchronizer in a delta SYNC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeltaEntry<'a> {
    /// Network id, or a path cache id with bit 31 set, in the sender's space.
    pub id: u32,
    /// Bit i stands for property i of the watch list.
    pub mask: u64,
    /// Compressed values of the properties in the mask, in ascending order.
    pub state: &'a [u8],
}

impl<'a> DeltaEntry<'a> {
    /// An entry of these fields.
    #[must_use]
    pub const fn new(id: u32, mask: u64, state: &'a [u8]) -> Self {
        Self { id, mask, state }
    }

    /// Appends the entry to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&self.mask.to_le_bytes());
        out.extend_from_slice(&length(self.state.len()));
        out.extend_from_slice(self.state);
    }
}

/// The entries of a delta SYNC, decoded one by one. An error is the last item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaEntries<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Iterator for DeltaEntries<'a> {
    type Item = Result<DeltaEntry<'a>, PacketError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Godot goes on while more than an entry's head is left, so an entry without state cannot be the last one.
        if self.rest.len() <= 16 {
            return None;
        }
        let mut reader = Reader::new(self.rest);
        let entry = (|| {
            let id = reader.u32_le("id").ok()?;
            let mask = reader.u64_le("mask").ok()?;
            let size = reader.u32_le("size").ok()?;
            let state = reader.bytes(usize::try_from(size).ok()?, "state").ok()?;
            Some(DeltaEntry { id, mask, state })
        })();
        let error = PacketError::new(self.at.saturating_add(12), PacketErrorKind::BadLength);
        self.at = self.at.saturating_add(reader.at());
        self.rest = if entry.is_some() { reader.rest() } else { &[] };
        Some(entry.ok_or(error))
    }
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}
