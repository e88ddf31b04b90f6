//! Huffman codes of literals (RFC 8878, section 4.2).

use super::bits::{Backward, Writer};
use super::fse::{Decoding, Distribution};

/// The longest code, in bits.
pub(super) const MAXIMUM_BITS: u8 = 11;
const ENTRIES: usize = 1 << MAXIMUM_BITS;
/// Weights are codes of 0 to 11.
const WEIGHTS: usize = MAXIMUM_BITS as usize + 1;
/// Weights stand by twos if there are so many; their number plus this stands before them.
const MOST_PLAIN_WEIGHTS: usize = 128;
const PLAIN: u8 = 127;
/// The largest table of weights.
const WEIGHTS_LOG: u8 = 6;

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    symbol: u8,
    bits: u8,
}

/// A table for decoding.
#[derive(Clone, Debug)]
pub(super) struct Decoder {
    entries: [Entry; ENTRIES],
    /// 0 while there is none.
    bits: u8,
}

impl Decoder {
    pub(super) const fn new() -> Self {
        let empty = Entry { symbol: 0, bits: 0 };
        Self {
            entries: [empty; ENTRIES],
            bits: 0,
        }
    }

    pub(super) const fn forget(&mut self) {
        self.bits = 0;
    }

    /// Reads the description of a tree; gives what follows.
    pub(super) fn read<'a>(&mut self, bytes: &'a [u8], room: &mut Decoding) -> Option<&'a [u8]> {
        let (&kind, rest) = bytes.split_first()?;
        let mut weights = [0; 256];
        let (count, rest) = match kind.checked_sub(PLAIN) {
            Some(count) => {
                let count = usize::from(count);
                let (packed, rest) = rest.split_at_checked(count.div_ceil(2))?;
                for (pair, &byte) in weights.chunks_mut(2).zip(packed) {
                    pair.copy_from_slice(&[byte >> 4, byte & 15]);
                }
                weights[count..].fill(0);
                (count, rest)
            }
            None => {
                let (packed, rest) = rest.split_at_checked(kind.into())?;
                (read_weights(packed, &mut weights[..255], room)?, rest)
            }
        };
        self.set(&mut weights, count)?;
        Some(rest)
    }

    /// Takes the first `count` weights; the last one follows from them.
    fn set(&mut self, weights: &mut [u8; 256], count: usize) -> Option<()> {
        let mut sum = 0u32;
        for &weight in weights.iter().filter(|&&weight| weight > 0) {
            if weight > MAXIMUM_BITS {
                return None;
            }
            sum += 1 << (weight - 1);
        }
        let bits = sum.checked_ilog2()? as u8 + 1;
        let left = (1 << bits) - sum;
        if bits > MAXIMUM_BITS || !left.is_power_of_two() {
            return None;
        }
        *weights.get_mut(count)? = left.ilog2() as u8 + 1;
        // The lightest come first.
        let mut counts = [0; WEIGHTS];
        weights
            .iter()
            .for_each(|&weight| counts[usize::from(weight) % WEIGHTS] += 1usize);
        let (mut starts, mut sum) = ([0; WEIGHTS], 0);
        for weight in 1..WEIGHTS {
            starts[weight] = sum;
            sum += counts[weight] << (weight - 1);
        }
        for (symbol, &weight) in (0..=u8::MAX)
            .zip(&*weights)
            .filter(|&(_, &weight)| weight > 0)
        {
            let start = starts.get_mut(usize::from(weight))?;
            let end = *start + (1 << (weight - 1));
            self.entries.get_mut(*start..end)?.fill(Entry {
                symbol,
                bits: bits + 1 - weight,
            });
            *start = end;
        }
        self.bits = bits;
        Some(())
    }

    /// Fills `output` with the bytes of one stream, which has to end with it.
    pub(super) fn decode(&self, stream: &[u8], output: &mut [u8]) -> Option<()> {
        if self.bits == 0 {
            return None;
        }
        let mut bits = Backward::new(stream)?;
        for byte in output {
            let code = bits.peek(self.bits);
            let entry = self.entries[code as usize % ENTRIES];
            bits.pass(entry.bits);
            *byte = entry.symbol;
        }
        bits.is_spent().then_some(())
    }
}

/// Weights by two states that take turns; gives their number.
fn read_weights(bytes: &[u8], weights: &mut [u8], table: &mut Decoding) -> Option<usize> {
    let (distribution, stream) = Distribution::read(bytes, WEIGHTS, WEIGHTS_LOG)?;
    table.set(&distribution);
    let mut bits = Backward::new(stream)?;
    let mut state = table.start(&mut bits);
    let mut other = table.start(&mut bits);
    if bits.is_overdrawn() {
        return None;
    }
    let mut count = 0;
    loop {
        *weights.get_mut(count)? = table.symbol(state);
        count += 1;
        let next = table.next(state, &mut bits);
        if bits.is_overdrawn() {
            *weights.get_mut(count)? = table.symbol(other);
            return Some(count + 1);
        }
        (state, other) = (other, next);
    }
}

/// Codes for the bytes of one input.
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    /// Length of each code, 0 for none.
    lengths: [u8; 256],
    codes: [u16; 256],
    /// The longest code.
    bits: u8,
    /// The largest byte that has a code.
    last: u8,
}

impl Encoder {
    /// Codes for these counts of bytes, of which at least two are not 0.
    pub(super) fn of(counts: &[u16; 256]) -> Self {
        let mut lengths = [0; 256];
        optimal_lengths(counts, &mut lengths);
        limit_lengths(&mut lengths);
        let bits = lengths.iter().copied().max().unwrap_or(0);
        let mut codes = [0; 256];
        // The longest come first.
        let mut counts = [0u16; WEIGHTS];
        lengths
            .iter()
            .for_each(|&length| counts[usize::from(length) % WEIGHTS] += 1);
        let mut next = [0; WEIGHTS];
        for length in (1..WEIGHTS - 1).rev() {
            next[length] = (next[length + 1] + counts[length + 1]) >> 1;
        }
        for (code, &length) in codes
            .iter_mut()
            .zip(&lengths)
            .filter(|&(_, &length)| length > 0)
        {
            let place = &mut next[usize::from(length) % WEIGHTS];
            *code = *place;
            *place += 1;
        }
        let last = lengths.iter().rposition(|&length| length > 0).unwrap_or(0) as u8;
        Self {
            lengths,
            codes,
            bits,
            last,
        }
    }

    /// The weights that say what the codes are; but for the last.
    fn weights(&self) -> impl Iterator<Item = u8> {
        let weight = |&length: &u8| match length {
            0 => 0,
            _ => self.bits + 1 - length,
        };
        self.lengths[..usize::from(self.last)].iter().map(weight)
    }

    /// Writes the description of the codes; gives its length. `None` if that needs a table of its own.
    pub(super) fn write(&self, output: &mut [u8]) -> Option<usize> {
        let count = usize::from(self.last);
        let length = count.div_ceil(2) + 1;
        if count > MOST_PLAIN_WEIGHTS {
            return None;
        }
        let (first, packed) = output.get_mut(..length)?.split_first_mut()?;
        *first = PLAIN + self.last;
        packed.fill(0);
        for (at, weight) in self.weights().enumerate() {
            packed[at / 2] |= if at % 2 == 0 { weight << 4 } else { weight };
        }
        Some(length)
    }

    /// How many bits these counts of bytes take.
    pub(super) fn cost(&self, counts: &[u16; 256]) -> u32 {
        let products = counts.iter().zip(&self.lengths);
        products
            .map(|(&count, &length)| u32::from(count) * u32::from(length))
            .sum()
    }

    /// Writes one stream; gives its length.
    pub(super) fn encode(&self, bytes: &[u8], output: &mut [u8]) -> Option<usize> {
        let mut bits = Writer::new(output);
        for &byte in bytes.iter().rev() {
            let byte = usize::from(byte);
            bits.put(self.codes[byte].into(), self.lengths[byte])?;
        }
        bits.finish()
    }
}

/// Lengths of Huffman codes, without a limit but that of 256 symbols.
fn optimal_lengths(counts: &[u16; 256], lengths: &mut [u8; 256]) {
    // Leaves in order of their counts, and behind them inner nodes, which come about in that order.
    let mut leaves = [(0u32, 0u16); 256];
    let mut used = 0;
    for (symbol, &count) in (0u16..).zip(counts).filter(|&(_, &count)| count > 0) {
        leaves[used] = (count.into(), symbol);
        used += 1;
    }
    let leaves = &mut leaves[..used];
    leaves.sort_unstable();
    let mut sums = [u32::MAX; 256];
    let mut parents = [0u8; 512];
    let (mut leaf, mut inner) = (0, 0);
    for made in 0..used.saturating_sub(1) {
        let mut sum = 0;
        for _ in 0..2 {
            let is_leaf = leaf < used && (inner >= made || leaves[leaf].0 <= sums[inner]);
            let (count, node) = if is_leaf {
                leaf += 1;
                (leaves[leaf - 1].0, leaf - 1)
            } else {
                inner += 1;
                (sums[inner - 1], 256 + inner - 1)
            };
            sum += count;
            parents[node] = made as u8;
        }
        sums[made] = sum;
    }
    // From the root on, which was made last, each node is one deeper than its parent.
    let mut depths = [0u8; 256];
    for made in (0..used.saturating_sub(2)).rev() {
        depths[made] = depths[usize::from(parents[256 + made])] + 1;
    }
    for (place, &(_, symbol)) in leaves.iter().enumerate() {
        lengths[usize::from(symbol)] = depths[usize::from(parents[place])] + 1;
    }
}

/// Shortens codes that are too long, and lengthens others in return.
fn limit_lengths(lengths: &mut [u8; 256]) {
    const WHOLE: u32 = 1 << MAXIMUM_BITS;
    let share = |length: u8| WHOLE >> length;
    let mut sum = 0;
    for length in lengths.iter_mut().filter(|length| **length > 0) {
        *length = (*length).min(MAXIMUM_BITS);
        sum += share(*length);
    }
    // Longest first among those that can grow: that costs the least.
    let growing = if sum > WHOLE { 1..MAXIMUM_BITS } else { 0..0 };
    for longest in growing.rev() {
        for length in lengths.iter_mut().filter(|length| **length == longest) {
            while sum > WHOLE && *length < MAXIMUM_BITS {
                sum -= share(*length) - share(*length + 1);
                *length += 1;
            }
        }
    }
    // What that leaves over goes to the longest.
    for length in lengths.iter_mut().rev().filter(|length| **length > 1) {
        while sum < WHOLE && share(*length - 1) - share(*length) <= WHOLE - sum && *length > 1 {
            sum += share(*length - 1) - share(*length);
            *length -= 1;
        }
    }
}
