//! Frames and blocks to bytes (RFC 8878, section 3). The output is the window, and room for literals too.

use super::bits::Backward;
use super::fse::{Decoding, Distribution};
use super::huffman;
use super::sequences::{DEFAULTS, LITERALS, LOGS, MATCHES, OFFSET_CODES, Recent, SYMBOLS};
use super::{MAGIC, MAXIMUM_WINDOW_BYTES};
use crate::compress::lz::repeat;
use proto_core::Reader;

const HEADER_RESERVED: u8 = 0x08;
const HEADER_CHECKSUM: u8 = 0x04;
const HEADER_DICTIONARY: u8 = 0x03;
const HEADER_SINGLE_SEGMENT: u8 = 0x20;

/// What a block may take over from the one before, and room for tables.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    huffman: huffman::Decoder,
    /// For runs of literals, offsets, and lengths of copies.
    codes: [Code; 3],
    room: Decoding,
}

/// The tables of one kind.
#[derive(Clone, Debug)]
struct Code {
    default: Decoding,
    own: Decoding,
    last: Last,
}

/// Which table the last block used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    None,
    Default,
    Own,
}

impl Code {
    const fn table(&self) -> &Decoding {
        match self.last {
            Last::Own => &self.own,
            Last::None | Last::Default => &self.default,
        }
    }
}

impl Tables {
    pub(super) fn new() -> Self {
        Self {
            huffman: huffman::Decoder::new(),
            codes: DEFAULTS.each_ref().map(|default| Code {
                default: Decoding::of(default),
                own: Decoding::single(0),
                last: Last::None,
            }),
            room: Decoding::single(0),
        }
    }

    fn forget(&mut self) {
        self.huffman.forget();
        for code in &mut self.codes {
            code.last = Last::None;
        }
    }
}

/// A frame of one or more blocks, and nothing behind it.
pub(super) fn decompress(input: &[u8], output: &mut [u8], tables: &mut Tables) -> Option<usize> {
    let mut reader = Reader::new(input);
    let header = Header::read(&mut reader, output.len())?;
    tables.forget();
    let mut recent = Recent::new();
    let mut length = 0;
    loop {
        let [a, b, c] = reader.array("block header").ok()?;
        let word = u32::from_le_bytes([a, b, c, 0]);
        let size = (word >> 3) as usize;
        let room = output.get_mut(length..)?;
        match word >> 1 & 3 {
            0 => {
                let bytes = reader.bytes(size, "block").ok()?;
                room.get_mut(..size)?.copy_from_slice(bytes);
                length += size;
            }
            1 => {
                room.get_mut(..size)?.fill(reader.u8("block").ok()?);
                length += size;
            }
            2 => {
                let block = reader.bytes(size, "block").ok()?;
                length = decode_block(block, (output, length), tables, &mut recent)?;
            }
            _ => return None,
        }
        if word & 1 != 0 {
            break;
        }
    }
    if header.has_checksum {
        reader.bytes(4, "checksum").ok()?;
    }
    let is_whole = header.content.is_none_or(|content| content == length);
    (is_whole && reader.is_empty()).then_some(length)
}

struct Header {
    content: Option<usize>,
    has_checksum: bool,
}

impl Header {
    /// `None` for what is no frame, needs a dictionary or a large window, or does not fit `room`.
    fn read(reader: &mut Reader<'_>, room: usize) -> Option<Self> {
        if reader.array("magic number").ok()? != MAGIC {
            return None;
        }
        let flags = reader.u8("frame header").ok()?;
        if flags & (HEADER_RESERVED | HEADER_DICTIONARY) != 0 {
            return None;
        }
        let is_single = flags & HEADER_SINGLE_SEGMENT != 0;
        if !is_single {
            let window = reader.u8("window").ok()?;
            let base = 1u64 << (10 + (window >> 3));
            if base + base / 8 * u64::from(window & 7) > MAXIMUM_WINDOW_BYTES {
                return None;
            }
        }
        let content = match flags >> 6 {
            0 if is_single => Some(u64::from(reader.u8("content size").ok()?)),
            0 => None,
            1 => Some(u64::from(u16::from_le_bytes(reader.array("content size").ok()?)) + 256),
            2 => Some(u32::from_le_bytes(reader.array("content size").ok()?).into()),
            _ => Some(u64::from_le_bytes(reader.array("content size").ok()?)),
        };
        let content = match content {
            Some(content) => Some(usize::try_from(content).ok().filter(|&it| it <= room)?),
            None => None,
        };
        Some(Self {
            content,
            has_checksum: flags & HEADER_CHECKSUM != 0,
        })
    }
}

/// Decodes a compressed block to `output` from a length on; gives the new length.
fn decode_block(
    block: &[u8],
    (output, start): (&mut [u8], usize),
    tables: &mut Tables,
    recent: &mut Recent,
) -> Option<usize> {
    let Tables {
        huffman,
        codes,
        room,
    } = tables;
    let (literals, rest) = Literals::read(block)?;
    let end = output.len();
    // At the end of the output, as nothing that is written before it can reach what of it is not used yet.
    let literal = end.checked_sub(literals.length).filter(|&at| at >= start)?;
    let rest = literals.decode(rest, &mut output[literal..], huffman, room)?;
    let (count, rest) = read_count(rest)?;
    let mut copier = Copier {
        output,
        length: start,
        literal,
    };
    if count == 0 {
        rest.is_empty().then_some(())?;
    } else {
        let stream = read_tables(rest, codes)?;
        let [runs, offsets, copies] = codes.each_ref().map(Code::table);
        let mut bits = Backward::new(stream)?;
        let mut run = runs.start(&mut bits);
        let mut offset = offsets.start(&mut bits);
        let mut copy = copies.start(&mut bits);
        for left in (0..count).rev() {
            let bits_of_offset = offsets.symbol(offset) % OFFSET_CODES as u8;
            let value = 1 << bits_of_offset | bits.take(bits_of_offset);
            let (base, more) = *MATCHES.get(usize::from(copies.symbol(copy)))?;
            let copied = base + bits.take(more);
            let (base, more) = *LITERALS.get(usize::from(runs.symbol(run)))?;
            let literals = base + bits.take(more);
            let distance = recent.offset(value, literals)?;
            copier.literals(literals as usize)?;
            copier.copy(distance, copied as usize)?;
            if left > 0 {
                run = runs.next(run, &mut bits);
                copy = copies.next(copy, &mut bits);
                offset = offsets.next(offset, &mut bits);
            }
            if bits.is_overdrawn() {
                return None;
            }
        }
        bits.is_spent().then_some(())?;
    }
    let left = end - copier.literal;
    copier.literals(left)?;
    Some(copier.length)
}

/// The number of sequences, and what follows.
fn read_count(bytes: &[u8]) -> Option<(usize, &[u8])> {
    Some(match *bytes {
        [count @ ..128, ref rest @ ..] => (count.into(), rest),
        [255, low, high, ref rest @ ..] => {
            (usize::from(u16::from_le_bytes([low, high])) + 0x7f00, rest)
        }
        [high @ 128..=254, low, ref rest @ ..] => {
            (usize::from(high & 127) << 8 | usize::from(low), rest)
        }
        _ => return None,
    })
}

/// Makes the tables that the section describes; gives the bits that follow.
fn read_tables<'a>(bytes: &'a [u8], codes: &mut [Code; 3]) -> Option<&'a [u8]> {
    let (&modes, mut rest) = bytes.split_first()?;
    if modes & 3 != 0 {
        return None;
    }
    for (kind, code) in codes.iter_mut().enumerate() {
        code.last = match modes >> (6 - 2 * kind) & 3 {
            0 => Last::Default,
            1 => {
                let (&symbol, following) = rest.split_first()?;
                (usize::from(symbol) < SYMBOLS[kind]).then_some(())?;
                code.own.set_single(symbol);
                rest = following;
                Last::Own
            }
            2 => {
                let (distribution, following) =
                    Distribution::read(rest, SYMBOLS[kind], LOGS[kind])?;
                code.own.set(&distribution);
                rest = following;
                Last::Own
            }
            _ if code.last != Last::None => code.last,
            _ => return None,
        };
    }
    Some(rest)
}

/// The head of a section of literals.
struct Literals {
    kind: u8,
    length: usize,
    /// Bytes of the section behind its head, if they are coded.
    packed: usize,
    is_in_four: bool,
}

impl Literals {
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let first = *bytes.first()?;
        let (kind, format) = (first & 3, first >> 2 & 3);
        let (head, bits) = match (kind, format) {
            (0 | 1, 0 | 2) => (1, 5),
            (0 | 1, 1) => (2, 12),
            (0 | 1, _) => (3, 20),
            (_, 0 | 1) => (3, 10),
            (_, 2) => (4, 14),
            _ => (5, 18),
        };
        let (head, rest) = bytes.split_at_checked(head)?;
        let word = head
            .iter()
            .rev()
            .fold(0, |word, &byte| word << 8 | u64::from(byte));
        let mask = (1 << bits) - 1;
        let shift = if bits == 5 { 3 } else { 4 };
        let this = Self {
            kind,
            length: (word >> shift & mask) as usize,
            packed: (word >> (shift + bits) & mask) as usize,
            is_in_four: format > 0,
        };
        Some((this, rest))
    }

    /// Fills `output`, which has their length; gives what follows them.
    fn decode<'a>(
        &self,
        bytes: &'a [u8],
        output: &mut [u8],
        huffman: &mut huffman::Decoder,
        room: &mut Decoding,
    ) -> Option<&'a [u8]> {
        if self.kind == 0 {
            let (plain, rest) = bytes.split_at_checked(output.len())?;
            output.copy_from_slice(plain);
            return Some(rest);
        }
        if self.kind == 1 {
            let (&byte, rest) = bytes.split_first()?;
            output.fill(byte);
            return Some(rest);
        }
        let (mut packed, rest) = bytes.split_at_checked(self.packed)?;
        if self.kind == 2 {
            packed = huffman.read(packed, room)?;
        }
        if !self.is_in_four {
            huffman.decode(packed, output)?;
            return Some(rest);
        }
        let (&[a, b, c, d, e, f], mut packed) = packed.split_first_chunk()?;
        let quarter = output.len().div_ceil(4);
        let mut output = output;
        for length in [[a, b], [c, d], [e, f]].map(u16::from_le_bytes) {
            let (stream, more) = packed.split_at_checked(length.into())?;
            let (part, left) = output.split_at_mut_checked(quarter)?;
            huffman.decode(stream, part)?;
            (packed, output) = (more, left);
        }
        huffman.decode(packed, output)?;
        Some(rest)
    }
}

/// Where sequences are carried out.
struct Copier<'a> {
    output: &'a mut [u8],
    length: usize,
    /// Where the literals begin that are not used yet.
    literal: usize,
}

impl Copier<'_> {
    fn literals(&mut self, count: usize) -> Option<()> {
        let end = self.literal.checked_add(count)?;
        if end > self.output.len() {
            return None;
        }
        self.output.copy_within(self.literal..end, self.length);
        self.length += count;
        self.literal = end;
        Some(())
    }

    fn copy(&mut self, distance: usize, count: usize) -> Option<()> {
        let from = self.length.checked_sub(distance)?;
        let end = self.length.checked_add(count)?;
        if end > self.literal {
            return None;
        }
        repeat(self.output.get_mut(from..end)?, distance);
        self.length = end;
        Some(())
    }
}
