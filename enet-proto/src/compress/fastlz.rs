//! FastLZ, level 1: repeated bytes become copies of what came before. Byte for byte what Godot's copy of it writes.
//!
//! | instruction | meaning |
//! | --- | --- |
//! | `000lllll` | `l + 1` bytes follow as they are |
//! | `lllddddd d` | copy `l + 2` bytes (3 to 8) from `d + 1` back |
//! | `111ddddd n d` | copy `n + 9` bytes from `d + 1` back |

#![expect(
    clippy::cast_possible_truncation,
    reason = "lengths and distances are checked before they become bytes"
)]

use super::Compressor;
use super::lz::{MAXIMUM_BYTES, Seen, common, repeat};

/// Godot pads shorter input with zeros, so it comes back with them.
const MINIMUM_BYTES: usize = 16;
/// Bytes at the end that begin no copy.
const TAIL_BYTES: usize = 13;
/// Bytes at the end to which no copy is extended.
const UNCOPIED_BYTES: usize = 3;
const LITERALS: usize = 32;
/// The longest copy that an encoder writes; a decoder takes 264.
const LONGEST_COPY: usize = 262;
/// The shortest copy with a length byte of its own.
const LONG_COPY: usize = 9;
const MAXIMUM_DISTANCE: usize = 8192;
const HASH_BITS: u32 = 13;
const SLOTS: usize = 1 << HASH_BITS;

/// FastLZ (Godot: `COMPRESS_FASTLZ`).
///
/// Holds 32 KiB of state for compression, made once, and none for decompression. Neither direction allocates.
/// Godot's encoder, and so this one, pads what is shorter than 16 bytes with zeros, which then come out behind it.
/// Input above 65,535 bytes, which no datagram has, is refused, and so are streams of level 2.
///
/// ```
/// use enet_proto::compress::{Compressor, FastLz};
///
/// let mut coder = FastLz::new();
/// let (mut packed, mut plain) = ([0; 64], [0; 64]);
/// let length = coder.compress(&[7; 60], &mut packed).ok_or("it did not shrink")?;
/// assert!(length < 12);
/// assert_eq!(coder.decompress(&packed[..length], &mut plain), Some(60));
/// assert_eq!(plain[..60], [7; 60]);
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug)]
pub struct FastLz {
    seen: Seen<SLOTS>,
}

impl Default for FastLz {
    fn default() -> Self {
        Self::new()
    }
}

impl FastLz {
    /// A coder; this is the only place that allocates.
    #[must_use]
    pub fn new() -> Self {
        Self { seen: Seen::new() }
    }
}

impl Compressor for FastLz {
    fn compress(&mut self, input: &[u8], output: &mut [u8]) -> Option<usize> {
        if input.is_empty() || input.len() > MAXIMUM_BYTES {
            return None;
        }
        let mut padded = [0; MINIMUM_BYTES];
        let input = match padded.get_mut(..input.len()) {
            Some(start) => {
                start.copy_from_slice(input);
                &padded
            }
            None => input,
        };
        self.seen.forget();
        compress(input, &mut self.seen, &mut Output::new(output))
    }

    fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> Option<usize> {
        decompress(input, output)
    }
}

fn compress(input: &[u8], seen: &mut Seen<SLOTS>, output: &mut Output<'_>) -> Option<usize> {
    let limit = input.len().saturating_sub(TAIL_BYTES);
    // What is before it is written.
    let mut written = 0;
    let mut at = 2;
    while let Some((found, from)) = (at..limit).find_map(|at| Some((at, find(input, at, seen)?))) {
        output.literals(&input[written..found])?;
        let copyable = &input[..input.len() - UNCOPIED_BYTES];
        let length = 3 + common(&copyable[found + 3..], &input[from + 3..]);
        output.copy(length, found - from)?;
        written = found + length;
        at = written;
        for known in [written - 2, written - 1] {
            seen.replace(hash(three(input, known)), known);
        }
    }
    output.literals(&input[written..])?;
    Some(output.length)
}

/// Where the three bytes at `at` stand before, if where their hash was seen last.
#[inline]
fn find(input: &[u8], at: usize, seen: &mut Seen<SLOTS>) -> Option<usize> {
    let bytes = three(input, at);
    let from = seen.replace(hash(bytes), at);
    (at - from < MAXIMUM_DISTANCE && three(input, from) == bytes).then_some(from)
}

/// Of three bytes: which copies are found depends on what collides, so this is Godot's.
#[inline]
const fn hash(bytes: u32) -> u32 {
    let first = bytes & 0xffff;
    first ^ bytes >> 8 ^ first >> (16 - HASH_BITS)
}

#[inline]
fn three(input: &[u8], at: usize) -> u32 {
    match input.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(&[a, b, c]) => u32::from_le_bytes([a, b, c, 0]),
        None => 0,
    }
}

/// What is written.
struct Output<'a> {
    bytes: &'a mut [u8],
    length: usize,
}

impl<'a> Output<'a> {
    const fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, length: 0 }
    }

    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length.checked_add(bytes.len())?;
        self.bytes.get_mut(self.length..end)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }

    fn literals(&mut self, bytes: &[u8]) -> Option<()> {
        bytes.chunks(LITERALS).try_for_each(|run| {
            self.put(&[(run.len() - 1) as u8])?;
            self.put(run)
        })
    }

    /// Of at least three bytes.
    fn copy(&mut self, mut length: usize, distance: usize) -> Option<()> {
        let [high, low] = ((distance - 1) as u16).to_be_bytes();
        while length > LONGEST_COPY + 2 {
            self.put(&[0xe0 | high, (LONGEST_COPY - LONG_COPY) as u8, low])?;
            length -= LONGEST_COPY;
        }
        match length {
            ..LONG_COPY => self.put(&[(length as u8 - 2) << 5 | high, low]),
            _ => self.put(&[0xe0 | high, (length - LONG_COPY) as u8, low]),
        }
    }
}

fn decompress(input: &[u8], output: &mut [u8]) -> Option<usize> {
    // The upper bits of the first instruction are the level, less one.
    if *input.first()? >= LITERALS as u8 {
        return None;
    }
    let (mut rest, mut length) = (input, 0usize);
    // A single byte at the end is no instruction: Godot passes it over.
    while let [instruction, following @ ..] = rest {
        if length > 0 && following.is_empty() {
            break;
        }
        let high = usize::from(instruction & 0x1f);
        let copied = usize::from(instruction >> 5);
        if copied == 0 {
            let (run, following) = following.split_at_checked(high + 1)?;
            let end = length.checked_add(run.len())?;
            output.get_mut(length..end)?.copy_from_slice(run);
            (rest, length) = (following, end);
            continue;
        }
        let (copied, low, following) = match following {
            [more, low, following @ ..] if copied == 7 => {
                (LONG_COPY + usize::from(*more), low, following)
            }
            [low, following @ ..] if copied < 7 => (copied + 2, low, following),
            _ => return None,
        };
        let from = length.checked_sub((high << 8 | usize::from(*low)) + 1)?;
        let end = length.checked_add(copied)?;
        repeat(output.get_mut(from..end)?, length - from);
        (rest, length) = (following, end);
    }
    Some(length)
}
