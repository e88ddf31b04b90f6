//! Compressors: what Godot's `ENetConnection.compress` offers, and the trait for others.
//!
//! Set [`Config::compression`](crate::Config::compression), or give a host a compressor of your own with
//! [`Host::set_compressor`](crate::Host::set_compressor). A host with one compresses the commands of each datagram, sends
//! them so if they become shorter, and takes both kinds in. Each datagram stands for itself.
//!
//! | mode | Godot | feature | state | of 64, 300, 1200 bytes it leaves | both ways, a KB | what it is good for |
//! | --- | --- | --- | ---: | --- | ---: | --- |
//! | [`Compression::RangeCoder`] | `COMPRESS_RANGE_CODER` | `range-coder` (default) | 66 KB | 74, 56, 42 % | 35 µs | small datagrams; the only one that C ENet has |
//! | [`Compression::FastLz`] | `COMPRESS_FASTLZ` | `fastlz` (default) | 32 KiB | 97, 69, 52 % | 2.2 µs | what repeats itself, for next to no time |
//! | [`Compression::Zlib`] | `COMPRESS_ZLIB` | `zlib` | 330 KB | all, 65, 41 % | 26 µs | where a game uses it already |
//! | [`Compression::Zstd`] | `COMPRESS_ZSTD` | `zstd` | 55 KB | 98, 61, 42 % | 10 µs | large datagrams |
//!
//! The figures are of datagrams of moving things, the times of those of 1200 bytes; see `docs/benchmarks.md`. All streams
//! are those that the engine reads and writes, and FastLZ and the range coder give its very bytes.
//!
//! Nothing on the wire names the mode: with different ones, the CONNECT is dropped as [`BadCompression`] or
//! [`NotCompressed`], and the client learns no more than that nobody answers.
//!
//! # Limits
//!
//! A datagram decompresses to at most 4096 bytes less its header, and to 64 bytes while its sender has no connection. The
//! output buffer has that size before decompression starts, so no input makes it grow; a decompressor has no other memory
//! than its fixed state, which is at most 66 KB. What does not fit or makes no sense is dropped and counted as [`BadCompression`]. Address and
//! session are checked before anything is decompressed.
//!
//! [`BadCompression`]: crate::DropReason::BadCompression
//! [`NotCompressed`]: crate::DropReason::NotCompressed

mod codec;
#[cfg(feature = "fastlz")]
mod fastlz;
#[cfg(any(feature = "fastlz", feature = "zstd"))]
mod lz;
#[cfg(feature = "range-coder")]
mod range_coder;
#[cfg(feature = "zlib")]
mod zlib;
#[cfg(feature = "zstd")]
mod zstd;

pub(crate) use codec::Codec;
#[cfg(feature = "fastlz")]
#[cfg_attr(docsrs, doc(cfg(feature = "fastlz")))]
pub use fastlz::FastLz;
#[cfg(feature = "range-coder")]
#[cfg_attr(docsrs, doc(cfg(feature = "range-coder")))]
pub use range_coder::RangeCoder;
#[cfg(feature = "zlib")]
#[cfg_attr(docsrs, doc(cfg(feature = "zlib")))]
pub use zlib::Zlib;
#[cfg(feature = "zstd")]
#[cfg_attr(docsrs, doc(cfg(feature = "zstd")))]
pub use zstd::Zstd;

use alloc::boxed::Box;

/// Turns bytes into fewer bytes, and back (C: `ENetCompressor`).
///
/// Both calls stand for themselves: nothing may be remembered from one datagram for another, since datagrams get lost.
pub trait Compressor: core::fmt::Debug + Send + Sync {
    /// Compresses `input`, which is not empty, to the start of `output`, and gives the length; `None` if it does not fit.
    ///
    /// Bytes of `output` behind that length may be written too.
    fn compress(&mut self, input: &[u8], output: &mut [u8]) -> Option<usize>;

    /// The reverse, for bytes that may come from anywhere: `None` if they make no sense, or do not fit.
    ///
    /// Memory and time must be bounded by the lengths of `input` and `output`. Bytes of `output` behind the length may
    /// be written too.
    fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> Option<usize>;
}

/// How the datagrams of a host are compressed (Godot: `ENetConnection.CompressionMode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all. Compressed datagrams are dropped.
    #[default]
    None,
    /// ENet's own [`RangeCoder`].
    #[cfg(feature = "range-coder")]
    #[cfg_attr(docsrs, doc(cfg(feature = "range-coder")))]
    RangeCoder,
    /// [`FastLz`], level 1.
    #[cfg(feature = "fastlz")]
    #[cfg_attr(docsrs, doc(cfg(feature = "fastlz")))]
    FastLz,
    /// [`Zlib`], level 6.
    #[cfg(feature = "zlib")]
    #[cfg_attr(docsrs, doc(cfg(feature = "zlib")))]
    Zlib,
    /// [`Zstd`].
    #[cfg(feature = "zstd")]
    #[cfg_attr(docsrs, doc(cfg(feature = "zstd")))]
    Zstd,
}

impl Compression {
    /// A compressor for this mode; `None` without compression.
    #[must_use]
    pub fn compressor(self) -> Option<Box<dyn Compressor>> {
        match self {
            Self::None => None,
            #[cfg(feature = "range-coder")]
            Self::RangeCoder => Some(Box::new(RangeCoder::new())),
            #[cfg(feature = "fastlz")]
            Self::FastLz => Some(Box::new(FastLz::new())),
            #[cfg(feature = "zlib")]
            Self::Zlib => Some(Box::new(Zlib::new())),
            #[cfg(feature = "zstd")]
            Self::Zstd => Some(Box::new(Zstd::new())),
        }
    }
}
