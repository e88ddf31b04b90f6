//! zlib (RFC 1950) around DEFLATE (RFC 1951), by `miniz_oxide`.

use super::Compressor;
use alloc::boxed::Box;
use core::fmt;
use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, TDEFLStatus, compress, create_comp_flags_from_zip_params,
};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// What Godot's project setting says unless a project changes it.
const LEVEL: i32 = 6;
const WINDOW_BITS: i32 = 15;
const DEFAULT_STRATEGY: i32 = 0;

/// zlib (Godot: `COMPRESS_ZLIB`): one stream (RFC 1950) of level 6 in each datagram.
///
/// Holds 320 KB of state for compression and 11 KB for decompression, made once: neither direction allocates. The
/// output is the window, so a stream needs no more memory for any window it asks for. A stream with a dictionary, a
/// wrong checksum or no end is refused; what follows the end is passed over, as Godot does.
///
/// ```
/// use enet_proto::compress::{Compressor, Zlib};
///
/// let mut coder = Zlib::new();
/// let (mut packed, mut plain) = ([0; 64], [0; 64]);
/// let length = coder.compress(&[7; 60], &mut packed).ok_or("it did not shrink")?;
/// assert!(length < 30);
/// assert_eq!(coder.decompress(&packed[..length], &mut plain), Some(60));
/// assert_eq!(plain[..60], [7; 60]);
/// # Ok::<(), &str>(())
/// ```
pub struct Zlib {
    compressor: Box<CompressorOxide>,
    decompressor: Box<DecompressorOxide>,
}

impl fmt::Debug for Zlib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zlib").finish_non_exhaustive()
    }
}

impl Default for Zlib {
    fn default() -> Self {
        Self::new()
    }
}

impl Zlib {
    /// A coder; this is the only place that allocates.
    #[must_use]
    pub fn new() -> Self {
        let flags = create_comp_flags_from_zip_params(LEVEL, WINDOW_BITS, DEFAULT_STRATEGY);
        Self {
            compressor: Box::new(CompressorOxide::new(flags)),
            decompressor: Box::default(),
        }
    }
}

impl Compressor for Zlib {
    fn compress(&mut self, input: &[u8], output: &mut [u8]) -> Option<usize> {
        self.compressor.reset();
        match compress(&mut self.compressor, input, output, TDEFLFlush::Finish) {
            (TDEFLStatus::Done, _, length) => Some(length),
            _ => None,
        }
    }

    fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> Option<usize> {
        self.decompressor.init();
        let flags = TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        match decompress(&mut self.decompressor, input, output, 0, flags) {
            (TINFLStatus::Done, _, length) => Some(length),
            _ => None,
        }
    }
}
