//! Puts state entries into packets: [`Packer`].

use crate::packet::Command;
use alloc::vec::Vec;
use bytes::Bytes;

/// Packets under construction, all in one buffer that they share when they are done.
#[derive(Debug)]
pub(super) struct Packer {
    bytes: Vec<u8>,
    starts: Vec<usize>,
    head: [u8; 3],
    head_bytes: usize,
    max_bytes: usize,
}

impl Packer {
    /// Full packets of one time.
    pub(super) fn full(time: u16, max_bytes: usize, capacity: usize) -> Self {
        let [low, high] = time.to_le_bytes();
        Self::new([Command::Sync.byte(), low, high], 3, max_bytes, capacity)
    }

    /// Delta packets.
    pub(super) fn delta(max_bytes: usize) -> Self {
        Self::new([Command::Sync.byte() | 0x10, 0, 0], 1, max_bytes, 0)
    }

    fn new(head: [u8; 3], head_bytes: usize, max_bytes: usize, capacity: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity),
            starts: Vec::new(),
            head,
            head_bytes,
            max_bytes,
        }
    }

    fn starts_packet(&self, entry_bytes: usize) -> bool {
        let Some(start) = self.starts.last() else {
            return true;
        };
        let current = self.bytes.len() - start;
        current > self.head_bytes && current + entry_bytes > self.max_bytes
    }

    /// What an entry of this size adds.
    pub(super) fn cost(&self, entry_bytes: usize) -> usize {
        let head = if self.starts_packet(entry_bytes) {
            self.head_bytes
        } else {
            0
        };
        head + entry_bytes
    }

    #[inline]
    pub(super) fn push(&mut self, entry: &[u8]) {
        if self.starts_packet(entry.len()) {
            self.starts.push(self.bytes.len());
            let head = self.head.get(..self.head_bytes).unwrap_or_default();
            self.bytes.extend_from_slice(head);
        }
        self.bytes.extend_from_slice(entry);
    }

    pub(super) fn finish(self) -> Packed {
        Packed {
            bytes: self.bytes.into(),
            starts: self.starts,
        }
    }
}

/// Finished packets in one buffer.
#[derive(Clone, Debug, Default)]
pub(super) struct Packed {
    bytes: Bytes,
    starts: Vec<usize>,
}

impl Packed {
    /// The packets. They share the buffer.
    pub(super) fn packets(&self) -> impl Iterator<Item = Bytes> {
        let ends = self.starts.iter().skip(1).copied();
        let ends = ends.chain([self.bytes.len()]);
        self.starts
            .iter()
            .zip(ends)
            .map(|(&start, end)| self.bytes.slice(start..end))
    }

    /// The same full packets of another time.
    pub(super) fn at_time(&self, time: u16) -> Self {
        let mut bytes = self.bytes.to_vec();
        for start in &self.starts {
            if let Some(field) = bytes.get_mut(start + 1..start + 3) {
                field.copy_from_slice(&time.to_le_bytes());
            }
        }
        Self {
            bytes: bytes.into(),
            starts: self.starts.clone(),
        }
    }
}
