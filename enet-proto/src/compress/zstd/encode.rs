//! Bytes to a frame of one block: one look for a copy at each byte, codes for literals where they pay.

use super::MAGIC;
use super::bits::Writer;
use super::fse::{Encoding, State};
use super::huffman;
use super::sequences::{DEFAULTS, LITERALS, MATCHES, Recent, code_of};
use crate::compress::lz::{MAXIMUM_BYTES, Seen, common};
use alloc::vec::Vec;

const HASH_BITS: u32 = 12;
const SLOTS: usize = 1 << HASH_BITS;
/// The shortest copy that is looked for.
const SHORTEST_COPY: usize = 4;
/// Fewer literals are not worth a description of their codes.
const FEWEST_CODED: usize = 64;
/// Most sequences for which there is room at once.
const SEQUENCES: usize = 1024;
/// The last block, and compressed.
const LAST_COMPRESSED: u32 = 2 << 1 | 1;
const LAST_PLAIN: u32 = 1;

/// A run of literals and a copy behind it.
#[derive(Clone, Copy, Debug)]
struct Sequence {
    literals: u32,
    /// How the offset is coded.
    offset: u32,
    copied: u32,
}

/// State that is made once.
#[derive(Debug)]
pub(super) struct Encoder {
    seen: Seen<SLOTS>,
    sequences: Vec<Sequence>,
    literals: Vec<u8>,
    /// For runs of literals, offsets, and lengths of copies.
    codes: [Encoding; 3],
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self {
            seen: Seen::new(),
            sequences: Vec::with_capacity(SEQUENCES),
            literals: Vec::with_capacity(SEQUENCES * SHORTEST_COPY),
            codes: DEFAULTS.each_ref().map(Encoding::of),
        }
    }

    /// `None` for empty input, for more than 65,535 bytes, and if `output` is too short.
    pub(super) fn compress(&mut self, input: &[u8], output: &mut [u8]) -> Option<usize> {
        if input.is_empty() || input.len() > MAXIMUM_BYTES {
            return None;
        }
        let header = write_header(input.len(), output)?;
        let (head, body) = output.get_mut(header..)?.split_first_chunk_mut::<3>()?;
        self.find_copies(input);
        let limit = body.len().min(input.len());
        let (length, kind) = match self.write_block(&mut body[..limit]) {
            Some(length) => (length, LAST_COMPRESSED),
            None => {
                body.get_mut(..input.len())?.copy_from_slice(input);
                (input.len(), LAST_PLAIN)
            }
        };
        let [a, b, c, _] = ((length as u32) << 3 | kind).to_le_bytes();
        *head = [a, b, c];
        Some(header + head.len() + length)
    }

    fn find_copies(&mut self, input: &[u8]) {
        self.seen.forget();
        self.sequences.clear();
        self.literals.clear();
        let mut recent = Recent::new();
        // What is before it is in a sequence.
        let (mut done, mut at) = (0, 0);
        while let Some(word) = four(input, at) {
            let from = self.seen.replace(hash(word), at);
            if from >= at || four(input, from) != Some(word) {
                at += 1;
                continue;
            }
            let before = common_before(&input[done..at], &input[..from]);
            let behind = common(&input[at..], &input[from..]);
            let (start, length) = (at - before, before + behind);
            self.literals.extend_from_slice(&input[done..start]);
            let literals = (start - done) as u32;
            self.sequences.push(Sequence {
                literals,
                offset: recent.value((at - from) as u32, literals),
                copied: length as u32,
            });
            done = start + length;
            at = done;
            if let Some(word) = four(input, done - 2) {
                self.seen.replace(hash(word), done - 2);
            }
        }
        self.literals.extend_from_slice(&input[done..]);
    }

    fn write_block(&self, output: &mut [u8]) -> Option<usize> {
        let literals = write_literals(&self.literals, output)?;
        let rest = output.get_mut(literals..)?;
        let count = self.sequences.len();
        let (count, head) = match count {
            ..128 => ([count as u8, 0, 0], 1),
            128..0x7f00 => ([(count >> 8) as u8 | 128, count as u8, 0], 2),
            _ => {
                let [low, high] = ((count - 0x7f00) as u16).to_le_bytes();
                ([255, low, high], 3)
            }
        };
        rest.get_mut(..head)?.copy_from_slice(&count[..head]);
        let Some(last) = self.sequences.last() else {
            return Some(literals + head);
        };
        // All tables are the default ones.
        *rest.get_mut(head)? = 0;
        let stream = rest.get_mut(head + 1..)?;
        Some(literals + head + 1 + self.write_sequences(last, stream)?)
    }

    /// From the last to the first, since a decoder reads backwards.
    fn write_sequences(&self, last: &Sequence, output: &mut [u8]) -> Option<usize> {
        let [runs, offsets, copies] = &self.codes;
        let mut bits = Writer::new(output);
        let coded = last.code();
        let mut states = [
            runs.end(coded.codes[0]),
            offsets.end(coded.codes[1]),
            copies.end(coded.codes[2]),
        ];
        coded.write_extra(&mut bits)?;
        let earlier = self.sequences.split_last()?.1;
        for sequence in earlier.iter().rev() {
            let coded = sequence.code();
            let [run, offset, copy] = states;
            let offset = offsets.before(offset, coded.codes[1], &mut bits)?;
            let copy = copies.before(copy, coded.codes[2], &mut bits)?;
            let run = runs.before(run, coded.codes[0], &mut bits)?;
            states = [run, offset, copy];
            coded.write_extra(&mut bits)?;
        }
        let [run, offset, copy]: [State; 3] = states;
        copies.start(copy, &mut bits)?;
        offsets.start(offset, &mut bits)?;
        runs.start(run, &mut bits)?;
        bits.finish()
    }
}

/// The codes of a sequence, and the bits that follow each; for runs, offsets and copies.
struct Coded {
    codes: [u8; 3],
    extra: [(u32, u8); 3],
}

impl Sequence {
    fn code(&self) -> Coded {
        let (run, run_extra, run_bits) = code_of(&LITERALS, self.literals);
        let (copy, copy_extra, copy_bits) = code_of(&MATCHES, self.copied);
        let offset = self.offset.ilog2() as u8;
        Coded {
            codes: [run, offset, copy],
            extra: [
                (run_extra, run_bits),
                (self.offset, offset),
                (copy_extra, copy_bits),
            ],
        }
    }
}

impl Coded {
    fn write_extra(&self, bits: &mut Writer<'_>) -> Option<()> {
        let [run, offset, copy] = self.extra;
        bits.put(run.0, run.1)?;
        bits.put(copy.0, copy.1)?;
        bits.put(offset.0, offset.1)
    }
}

/// A frame without a window of its own, which says its length; gives the length of the header.
fn write_header(content: usize, output: &mut [u8]) -> Option<usize> {
    let (flags, size, bytes) = match content.checked_sub(256) {
        None => (0x20, [content as u8, 0], 1),
        Some(more) => (0x60, (more as u16).to_le_bytes(), 2),
    };
    let (magic, rest) = output.split_first_chunk_mut()?;
    *magic = MAGIC;
    let (first, rest) = rest.split_first_mut()?;
    *first = flags;
    rest.get_mut(..bytes)?.copy_from_slice(&size[..bytes]);
    Some(MAGIC.len() + 1 + bytes)
}

/// The section of literals, as short as can be; gives its length.
fn write_literals(literals: &[u8], output: &mut [u8]) -> Option<usize> {
    if literals.len() >= FEWEST_CODED
        && let Some(length) = write_coded(literals, output)
    {
        return Some(length);
    }
    let size = (literals.len() as u32) << 4;
    let (head, length) = match literals.len() {
        ..32 => (size >> 1, 1),
        32..0x1000 => (size | 1 << 2, 2),
        _ => (size | 3 << 2, 3),
    };
    output
        .get_mut(..length)?
        .copy_from_slice(&head.to_le_bytes()[..length]);
    output
        .get_mut(length..length + literals.len())?
        .copy_from_slice(literals);
    Some(length + literals.len())
}

/// The section of literals with codes; `None` if it would not become shorter, or there is no room.
fn write_coded(literals: &[u8], output: &mut [u8]) -> Option<usize> {
    let mut counts = [0u16; 256];
    for &byte in literals {
        counts[usize::from(byte)] += 1;
    }
    if usize::from(counts.iter().copied().max()?) == literals.len() {
        let [a, b, c, _] = ((literals.len() as u32) << 4 | 3 << 2 | 1).to_le_bytes();
        *output.first_chunk_mut()? = [a, b, c, literals[0]];
        return Some(4);
    }
    let codes = huffman::Encoder::of(&counts);
    let (head, bits, is_in_four) = match literals.len() {
        ..1024 => (3, 10, false),
        1024..0x4000 => (4, 14, true),
        _ => (5, 18, true),
    };
    let tree = codes.write(output.get_mut(head..)?)?;
    let estimate = head + tree + codes.cost(&counts) as usize / 8;
    if estimate >= literals.len() {
        return None;
    }
    let room = output.get_mut(head + tree..)?;
    let packed = tree
        + if is_in_four {
            write_four(literals, &codes, room)?
        } else {
            codes.encode(literals, room)?
        };
    let format: u64 = match head {
        3 => 0,
        4 => 2,
        _ => 3,
    };
    let word = 2 | format << 2 | (literals.len() as u64) << 4 | (packed as u64) << (4 + bits);
    output
        .get_mut(..head)?
        .copy_from_slice(&word.to_le_bytes()[..head]);
    (head + packed < literals.len()).then_some(head + packed)
}

/// Four streams behind the lengths of three of them.
fn write_four(literals: &[u8], codes: &huffman::Encoder, output: &mut [u8]) -> Option<usize> {
    let (lengths, mut rest) = output.split_first_chunk_mut::<6>()?;
    let mut total = lengths.len();
    let mut places = lengths.chunks_mut(2);
    for quarter in literals.chunks(literals.len().div_ceil(4)) {
        let length = codes.encode(quarter, rest)?;
        if let Some(place) = places.next() {
            place.copy_from_slice(&u16::try_from(length).ok()?.to_le_bytes());
        }
        total += length;
        rest = rest.get_mut(length..)?;
    }
    Some(total)
}

const fn hash(word: u32) -> u32 {
    // 2^32 by the golden ratio, an odd number.
    word.wrapping_mul(0x9e37_79b1) >> (u32::BITS - HASH_BITS)
}

fn four(input: &[u8], at: usize) -> Option<u32> {
    let bytes = input.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// How many bytes at the end of both are the same.
fn common_before(a: &[u8], b: &[u8]) -> usize {
    let pairs = a.iter().rev().zip(b.iter().rev());
    pairs.take_while(|(a, b)| a == b).count()
}
