//! Where a host compresses and decompresses: [`Codec`].

use super::{Compression, Compressor};
use crate::DropReason;
use crate::send::Unsealed;
use crate::stats::Stats;
use crate::wire::{Header, MAXIMUM_MTU_BYTES};
use alloc::boxed::Box;
use core::ops::Range;

const CHECKSUM_BYTES: usize = 4;
const SCRATCH_BYTES: usize = MAXIMUM_MTU_BYTES as usize;

/// A compressor and room for one datagram.
#[derive(Debug)]
pub(crate) struct Codec {
    compressor: Box<dyn Compressor>,
    scratch: [u8; SCRATCH_BYTES],
}

impl Codec {
    pub(crate) fn new(compression: Compression) -> Option<Box<Self>> {
        compression.compressor().map(Self::with)
    }

    pub(crate) fn with(compressor: Box<dyn Compressor>) -> Box<Self> {
        Box::new(Self {
            compressor,
            scratch: [0; SCRATCH_BYTES],
        })
    }

    /// Seals a datagram in `buffer`, compressed if that makes it shorter; gives its range.
    pub(crate) fn seal(
        &mut self,
        mut unsealed: Unsealed,
        buffer: &mut [u8],
        stats: &mut Stats,
    ) -> Range<usize> {
        let commands = unsealed.commands();
        let length = commands.len();
        let shorter = self.scratch.get_mut(..length.saturating_sub(1));
        let Some(packed) = shorter
            .filter(|shorter| !shorter.is_empty())
            .and_then(|shorter| self.compressor.compress(&buffer[commands.clone()], shorter))
            .and_then(|packed| self.scratch.get(..packed.min(length)))
        else {
            return unsealed.seal(buffer);
        };
        // The checksum is that of the plain commands, under the header of the compressed ones.
        unsealed.header.compressed = true;
        let start = unsealed.seal(buffer).start;
        let end = commands.start + packed.len();
        buffer[commands.start..end].copy_from_slice(packed);
        stats.compressed_sent += 1;
        stats.compressed_sent_saved += (length - packed.len()) as u64;
        start..end
    }

    /// The datagram `data` as it was before compression, without its `header`, and with at most `most` bytes of commands.
    pub(crate) fn open(
        &mut self,
        data: &[u8],
        header: Header,
        has_checksum: bool,
        most: usize,
    ) -> Result<&[u8], DropReason> {
        let packed = data.get(header.encoded_len()..).unwrap_or_default();
        let kept = if has_checksum { CHECKSUM_BYTES } else { 0 };
        let (checksum, packed) = packed.split_at_checked(kept).ok_or(DropReason::Truncated)?;
        let (first, room) = self.scratch.split_at_mut(kept);
        first.copy_from_slice(checksum);
        let most = most.min(room.len() - header.encoded_len());
        let length = Some(packed)
            .filter(|packed| !packed.is_empty())
            .and_then(|packed| self.compressor.decompress(packed, &mut room[..most]))
            .ok_or(DropReason::BadCompression)?;
        let end = kept + length.min(most);
        Ok(&self.scratch[..end])
    }
}
