//! Counts what goes over the wire, with a parser independent of both implementations.

use std::ops::ControlFlow;

/// What one host has sent.
#[derive(Debug, Default)]
pub struct Wire {
    /// By command number; of datagrams that were not compressed.
    pub commands: [u64; 16],
    /// Of all datagrams, in bytes.
    pub largest: usize,
    /// Datagrams that were compressed.
    pub compressed: u64,
    /// First word of the last datagram.
    pub last_header: u16,
    checksum: bool,
}

impl Wire {
    pub(super) fn new(checksum: bool) -> Self {
        Self {
            checksum,
            ..Self::default()
        }
    }

    pub(super) fn count(&mut self, datagram: &[u8]) {
        self.largest = self.largest.max(datagram.len());
        self.last_header = u16::from_be_bytes([datagram[0], datagram[1]]);
        if self.last_header & 0x4000 != 0 {
            self.compressed += 1;
            return;
        }
        let sent_time = if self.last_header & 0x8000 == 0 { 0 } else { 2 };
        let checksum = if self.checksum { 4 } else { 0 };
        let mut rest = &datagram[2 + sent_time + checksum..];
        while let ControlFlow::Continue(length) = command_length(rest) {
            self.commands[usize::from(rest[0] & 15)] += 1;
            rest = &rest[length..];
        }
        assert!(
            rest.is_empty(),
            "the datagram ends with a broken command: {rest:?}"
        );
    }
}

/// The length of the command at the start of `bytes`, data included.
fn command_length(bytes: &[u8]) -> ControlFlow<(), usize> {
    const FIXED: [usize; 16] = [0, 8, 48, 44, 8, 4, 6, 8, 24, 8, 12, 16, 24, 0, 0, 0];
    let Some(first) = bytes.first() else {
        return ControlFlow::Break(());
    };
    let fixed = FIXED[usize::from(first & 15)];
    if fixed == 0 || bytes.len() < fixed {
        return ControlFlow::Break(());
    }
    let length_at = match first & 15 {
        6 => Some(4),
        7..=9 | 12 => Some(6),
        _ => None,
    };
    let data = length_at.map_or(0, |at| {
        usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
    });
    if bytes.len() < fixed + data {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(fixed + data)
    }
}
