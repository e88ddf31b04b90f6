//! Zstandard (RFC 8878), both ways, for what fits a datagram.
//!
//! The kept crate for it takes megabytes for a hostile block of twenty bytes, and a quarter of a megabyte to compress any.
//! Here a decoder writes to the output at once, which is the window too, and literals wait at its end: no input makes it
//! take memory. The encoder uses the tables that every decoder has.

#![expect(
    clippy::cast_possible_truncation,
    reason = "fields of the format are narrower than the words that they are cut from"
)]

mod bits;
mod decode;
mod encode;
mod fse;
mod huffman;
mod sequences;
#[cfg(test)]
mod tests;

use super::Compressor;
use alloc::boxed::Box;
use decode::Tables;
use encode::Encoder;

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// What RFC 8878 recommends to take. The output is the window, so this costs no memory.
const MAXIMUM_WINDOW_BYTES: u64 = 8 << 20;

/// Zstandard (Godot: `COMPRESS_ZSTD`): one frame (RFC 8878) in each datagram.
///
/// Holds 55 KB of state, made once: neither direction allocates for what fits a datagram. A frame with a dictionary, a
/// window above 8 MiB, a content that does not fit or does not have the length it says, or anything behind it, is
/// refused. A checksum, which Godot does not write, is not compared. Input above 65,535 bytes, which no datagram has,
/// is not compressed.
///
/// ```
/// use enet_proto::compress::{Compressor, Zstd};
///
/// let mut coder = Zstd::new();
/// let (mut packed, mut plain) = ([0; 64], [0; 64]);
/// let length = coder.compress(&[7; 60], &mut packed).ok_or("it did not shrink")?;
/// assert!(length < 20);
/// assert_eq!(coder.decompress(&packed[..length], &mut plain), Some(60));
/// assert_eq!(plain[..60], [7; 60]);
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug)]
pub struct Zstd {
    encoder: Encoder,
    tables: Box<Tables>,
}

impl Default for Zstd {
    fn default() -> Self {
        Self::new()
    }
}

impl Zstd {
    /// A coder.
    #[must_use]
    pub fn new() -> Self {
        Self {
            encoder: Encoder::new(),
            tables: Box::new(Tables::new()),
        }
    }
}

impl Compressor for Zstd {
    fn compress(&mut self, input: &[u8], output: &mut [u8]) -> Option<usize> {
        self.encoder.compress(input, output)
    }

    fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> Option<usize> {
        decode::decompress(input, output, &mut self.tables)
    }
}
