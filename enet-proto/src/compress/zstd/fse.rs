//! Finite state entropy: tables for decoding and encoding (RFC 8878, section 4.1).

use super::bits::{Backward, Forward, Writer};

/// Most symbols of a table: the codes of match lengths.
pub(super) const MAXIMUM_SYMBOLS: usize = 53;
/// Largest table that a format has: 9 bits.
const MAXIMUM_ENTRIES: usize = 512;
const MAXIMUM_LOG: u8 = 9;

/// How often each symbol occurs in a table; -1 is less than once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Distribution {
    counts: [i16; MAXIMUM_SYMBOLS],
    log: u8,
}

impl Distribution {
    /// One whose counts are known to sum up to a table of `log` bits.
    pub(super) const fn new(given: &[i16], log: u8) -> Self {
        let mut counts = [0; MAXIMUM_SYMBOLS];
        let mut symbol = 0;
        while symbol < given.len() {
            counts[symbol] = given[symbol];
            symbol += 1;
        }
        Self { counts, log }
    }

    /// Reads one of at most `symbols` symbols and a table of at most `maximum_log` bits; gives what follows too.
    pub(super) fn read(bytes: &[u8], symbols: usize, maximum_log: u8) -> Option<(Self, &[u8])> {
        let mut bits = Forward::new(bytes);
        let log = bits.take(4) as u8 + 5;
        if log > maximum_log {
            return None;
        }
        let mut counts = [0; MAXIMUM_SYMBOLS];
        let counted = counts.get_mut(..symbols)?;
        let (mut remaining, mut symbol) = (1u32 << log, 0);
        while remaining > 0 {
            let count = read_count(&mut bits, remaining);
            *counted.get_mut(symbol)? = count;
            symbol += 1;
            remaining = remaining.checked_sub(count.unsigned_abs().into())?;
            if count == 0 {
                symbol += read_zeros(&mut bits, symbols)?;
            }
        }
        Some((Self { counts, log }, bits.rest()?))
    }

    /// The symbol of each entry, spread over the table.
    fn spread(&self, symbols: &mut [u8]) {
        let mut end = symbols.len();
        for (symbol, &count) in self.counts.iter().enumerate() {
            if count < 0 {
                end -= 1;
                symbols[end] = symbol as u8;
            }
        }
        let size = symbols.len();
        let step = size / 2 + size / 8 + 3;
        let mut at = 0;
        for (symbol, &count) in self.counts.iter().enumerate() {
            for _ in 0..count.max(0) {
                symbols[at] = symbol as u8;
                at = (at + step) % size;
                while at >= end {
                    at = (at + step) % size;
                }
            }
        }
    }
}

/// A count plus one, in as few bits as what is left allows.
fn read_count(bits: &mut Forward<'_>, remaining: u32) -> i16 {
    let length = (u32::BITS - (remaining + 1).leading_zeros()) as u8;
    let value = bits.take(length);
    let half = 1 << (length - 1);
    let short = 2 * half - 1 - (remaining + 1);
    let value = if value & (half - 1) < short {
        bits.give_back();
        value & (half - 1)
    } else if value >= half {
        value - short
    } else {
        value
    };
    value as i16 - 1
}

/// How many symbols without a count follow one.
fn read_zeros(bits: &mut Forward<'_>, symbols: usize) -> Option<usize> {
    let mut zeros = 0;
    loop {
        let more = bits.take(2) as usize;
        zeros += more;
        match more {
            3 if zeros > symbols => return None,
            3 => {}
            _ => return Some(zeros),
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    symbol: u8,
    bits: u8,
    base: u16,
}

/// A table for decoding.
#[derive(Clone, Debug)]
pub(super) struct Decoding {
    entries: [Entry; MAXIMUM_ENTRIES],
    log: u8,
}

impl Decoding {
    /// A table that gives `symbol` without reading anything.
    pub(super) fn single(symbol: u8) -> Self {
        let mut entries = [Entry::default(); MAXIMUM_ENTRIES];
        entries[0].symbol = symbol;
        Self { entries, log: 0 }
    }

    pub(super) fn set_single(&mut self, symbol: u8) {
        self.entries[0] = Entry {
            symbol,
            ..Entry::default()
        };
        self.log = 0;
    }

    pub(super) fn of(distribution: &Distribution) -> Self {
        let mut table = Self::single(0);
        table.set(distribution);
        table
    }

    pub(super) fn set(&mut self, distribution: &Distribution) {
        let size = 1 << distribution.log;
        let mut symbols = [0; MAXIMUM_ENTRIES];
        distribution.spread(&mut symbols[..size]);
        let mut next = distribution.counts.map(i16::unsigned_abs);
        for (entry, &symbol) in self.entries[..size].iter_mut().zip(&symbols) {
            let state = &mut next[usize::from(symbol)];
            let bits = distribution.log - state.ilog2() as u8;
            *entry = Entry {
                symbol,
                bits,
                base: (*state << bits) - size as u16,
            };
            *state += 1;
        }
        self.log = distribution.log;
    }

    /// The first state of a stream.
    pub(super) fn start(&self, bits: &mut Backward<'_>) -> State {
        State(bits.take(self.log) as u16)
    }

    #[inline]
    fn entry(&self, state: State) -> Entry {
        self.entries[usize::from(state.0) % MAXIMUM_ENTRIES]
    }

    #[inline]
    pub(super) fn symbol(&self, state: State) -> u8 {
        self.entry(state).symbol
    }

    #[inline]
    pub(super) fn next(&self, state: State, bits: &mut Backward<'_>) -> State {
        let entry = self.entry(state);
        State(entry.base + bits.take(entry.bits) as u16)
    }
}

/// Where a decoder is in its table.
#[derive(Clone, Copy, Debug)]
pub(super) struct State(u16);

#[derive(Clone, Copy, Debug, Default)]
struct Step {
    /// Bits to write, in the upper half, less the state from which on there is one more.
    bits: u32,
    /// From a shortened state to the place of the next one.
    offset: i32,
}

/// A table for encoding.
#[derive(Clone, Debug)]
pub(super) struct Encoding {
    steps: [Step; MAXIMUM_SYMBOLS],
    states: [u16; MAXIMUM_ENTRIES],
    log: u8,
}

impl Encoding {
    pub(super) fn of(distribution: &Distribution) -> Self {
        let log = distribution.log;
        let size = 1usize << log;
        let mut symbols = [0; MAXIMUM_ENTRIES];
        distribution.spread(&mut symbols[..size]);
        let mut this = Self {
            steps: [Step::default(); MAXIMUM_SYMBOLS],
            states: [0; MAXIMUM_ENTRIES],
            log,
        };
        let mut first = 0;
        let mut places = [0; MAXIMUM_SYMBOLS];
        for (symbol, &count) in distribution.counts.iter().enumerate() {
            let count = count.unsigned_abs();
            if count == 0 {
                continue;
            }
            let bits = match count {
                1 => log,
                _ => log - (count - 1).ilog2() as u8,
            };
            let least = u32::from(count) << bits;
            this.steps[symbol] = Step {
                bits: (u32::from(bits) << 16).wrapping_sub(least),
                offset: i32::from(first) - i32::from(count),
            };
            places[symbol] = first;
            first += count;
        }
        for (state, &symbol) in symbols[..size].iter().enumerate() {
            let place = &mut places[usize::from(symbol)];
            this.states[usize::from(*place)] = (size + state) as u16;
            *place += 1;
        }
        this
    }

    /// The state of an encoder that ends with `symbol`.
    pub(super) fn end(&self, symbol: u8) -> State {
        let step = self.steps[usize::from(symbol)];
        let bits = step.bits.wrapping_add(1 << 15) >> 16;
        let state = (bits << 16).wrapping_sub(step.bits);
        self.follow(state >> bits, step)
    }

    fn follow(&self, shortened: u32, step: Step) -> State {
        let place = (shortened as i32 + step.offset) as usize;
        State(self.states[place % MAXIMUM_ENTRIES])
    }

    /// Goes to the state before `state`, from which decoding gives `symbol`.
    pub(super) fn before(&self, state: State, symbol: u8, bits: &mut Writer<'_>) -> Option<State> {
        let step = self.steps[usize::from(symbol)];
        let state = u32::from(state.0);
        let count = state.wrapping_add(step.bits) >> 16;
        bits.put(state, count as u8)?;
        Some(self.follow(state >> count, step))
    }

    /// Writes the state in which a decoder starts.
    pub(super) fn start(&self, state: State, bits: &mut Writer<'_>) -> Option<()> {
        bits.put(state.0.into(), self.log)
    }
}

const _: () = assert!(1 << MAXIMUM_LOG == MAXIMUM_ENTRIES);
