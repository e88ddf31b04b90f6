//! The carry-less range coder: intervals to bytes and back, 32 bits wide.

const TOP: u32 = 1 << 24;
const BOTTOM: u32 = 1 << 16;

/// All whole bytes of a number of bits.
const WHOLE_BYTES: u32 = 0x18;

/// Bytes that are too few to be read at once.
const LAST: usize = 3;
/// These, and zeros for the numbers that end a stream.
const TAIL_BYTES: usize = 16;

/// Totals below this are divided by with a multiplication.
const QUICK_TOTALS: usize = 2048;

/// 2^64 by each number from 2, rounded up, which is exact for numerators of 32 bits.
static RECIPROCALS: [u64; QUICK_TOTALS] = {
    let mut reciprocals = [0; QUICK_TOTALS];
    let mut total = 2;
    while total < QUICK_TOTALS {
        reciprocals[total] = u64::MAX / total as u64 + 1;
        total += 1;
    }
    reciprocals
};

/// `range` by a total of at least 2.
#[inline(always)]
fn divide(range: u32, total: u32) -> u32 {
    match RECIPROCALS.get(total as usize) {
        Some(&reciprocal) => ((u128::from(range) * u128::from(reciprocal)) >> 64) as u32,
        None => range / total,
    }
}

/// Where coded intervals go.
pub(super) trait Intervals {
    /// Codes the interval of `frequency` numbers above `below` out of `total`; `None` if there is no room.
    fn code(&mut self, below: u32, frequency: u32, total: u32) -> Option<()>;
}

/// Takes intervals that were decoded before.
pub(super) struct Unwritten;

impl Intervals for Unwritten {
    #[inline(always)]
    fn code(&mut self, _below: u32, _frequency: u32, _total: u32) -> Option<()> {
        Some(())
    }
}

/// Writes intervals.
pub(super) struct Encoder<'a> {
    low: u32,
    range: u32,
    output: &'a mut [u8],
    length: usize,
}

impl<'a> Encoder<'a> {
    pub(super) const fn new(output: &'a mut [u8]) -> Self {
        Self {
            low: 0,
            range: u32::MAX,
            output,
            length: 0,
        }
    }

    fn put(&mut self) -> Option<()> {
        *self.output.get_mut(self.length)? = (self.low >> 24) as u8;
        self.length += 1;
        self.low <<= 8;
        Some(())
    }

    /// Writes what is final in steps of a byte, also at the end of the output and where the range is too narrow.
    #[inline(always)]
    fn settle(&mut self) -> Option<()> {
        (self.low, self.range, self.length) =
            put_all(self.low, self.range, self.length, self.output)?;
        Some(())
    }

    /// Writes what is left, without zeros at the end; gives the length of the whole if there is any.
    pub(super) fn finish(mut self) -> Option<usize> {
        while self.low != 0 {
            self.put()?;
        }
        (self.length > 0).then_some(self.length)
    }
}

/// A function of values, so that those of the encoder stay in registers.
#[cold]
fn put_all(
    mut low: u32,
    mut range: u32,
    mut length: usize,
    output: &mut [u8],
) -> Option<(u32, u32, usize)> {
    while let Some(next) = settle(low, range) {
        *output.get_mut(length)? = (low >> 24) as u8;
        length += 1;
        low <<= 8;
        range = next;
    }
    Some((low, range, length))
}

impl Intervals for Encoder<'_> {
    #[inline(always)]
    fn code(&mut self, below: u32, frequency: u32, total: u32) -> Option<()> {
        let range = divide(self.range, total);
        self.low = self.low.wrapping_add(range.wrapping_mul(below));
        self.range = range.wrapping_mul(frequency);
        let Some(room) = self
            .output
            .get_mut(self.length..self.length.wrapping_add(4))
        else {
            return self.settle();
        };
        // Four bytes at once, of which as many count as are final: how many is hard to predict.
        room.copy_from_slice(&self.low.to_be_bytes());
        let shift = final_bits(self.low, self.range);
        self.length = self.length.wrapping_add((shift / 8) as usize);
        self.low <<= shift;
        self.range <<= shift;
        if self.range < BOTTOM {
            return self.settle();
        }
        Some(())
    }
}

/// The last three bytes of an input, with zeros behind them, and before them if there are not so many.
pub(super) struct Tail([u8; TAIL_BYTES]);

impl Tail {
    pub(super) fn of(input: &[u8]) -> Self {
        let mut bytes = [0; TAIL_BYTES];
        let (last, _) = bytes.split_at_mut(LAST);
        for (byte, &last) in last.iter_mut().rev().zip(input.iter().rev()) {
            *byte = last;
        }
        Self(bytes)
    }
}

/// Reads intervals; behind its end the input is zeros.
pub(super) struct Decoder<'a> {
    low: u32,
    range: u32,
    code: u32,
    input: &'a [u8],
    /// What follows when fewer than four bytes of the input are left: all of it from three before the end.
    tail: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(super) fn new(input: &'a [u8], tail: &'a Tail) -> Self {
        let mut this = Self {
            low: 0,
            range: u32::MAX,
            code: 0,
            input,
            tail: &tail.0,
        };
        this.code = this.take(3);
        this.take(1);
        this
    }

    /// The next four bytes, of which `bytes` are passed, at most three.
    #[inline(always)]
    fn take(&mut self, bytes: u32) -> u32 {
        loop {
            if let Some(next) = self.input.first_chunk::<4>() {
                self.input = &self.input[(bytes & 3) as usize..];
                return u32::from_be_bytes(*next);
            }
            if !refill(&mut self.input, &mut self.tail) {
                return 0;
            }
        }
    }

    /// What one of `total` numbers is worth, and which of them comes next; damaged input gives any number.
    #[inline(always)]
    pub(super) fn read(&self, total: u32) -> Option<(u32, u16)> {
        let (unit, offset) = self.locate(total);
        Some((unit, offset.checked_div(unit)? as u16))
    }

    /// The same for any total; C divides by 0, and this gives `None`.
    pub(super) fn read_any(&self, total: u16) -> Option<(u32, u16)> {
        let unit = self.range.checked_div(total.into())?;
        let offset = self.code.wrapping_sub(self.low);
        Some((unit, offset.checked_div(unit)? as u16))
    }

    /// What one of `total` numbers is worth, and where in the worth of all of them the next number is, or behind it.
    ///
    /// To compare with multiples of that is faster than to divide by it.
    #[inline(always)]
    pub(super) fn locate(&self, total: u32) -> (u32, u32) {
        let unit = divide(self.range, total);
        (unit, self.code.wrapping_sub(self.low))
    }

    /// Passes an interval of `frequency` numbers, each worth `unit`, behind numbers that are worth `below`.
    #[inline(always)]
    pub(super) fn pass(&mut self, unit: u32, below: u32, frequency: u32) {
        self.low = self.low.wrapping_add(below);
        self.range = unit.wrapping_mul(frequency);
        self.shift(final_bits(self.low, self.range));
        while self.range < BOTTOM {
            // `settle` gives one here, since it is what the range is too narrow for.
            let Some(range) = settle(self.low, self.range) else {
                return;
            };
            self.shift(8);
            self.range = range;
        }
    }

    /// Replaces the upper `bits`, which are final: 0 to 24 in whole bytes.
    #[inline(always)]
    fn shift(&mut self, bits: u32) {
        let next = u64::from(self.code) << 32 | u64::from(self.take(bits / 8));
        self.code = (next << bits >> 32) as u32;
        self.low <<= bits;
        self.range <<= bits;
    }
}

/// Where C looks for what is behind all numbers, in damaged input: numbers have 16 bits there. `None` if that is behind
/// them too, or nothing was wrong.
#[cold]
pub(super) fn wrapped(unit: u32, offset: u32, total: u32) -> Option<u32> {
    let code = offset.checked_div(unit)?;
    let wrapped = u32::from(code as u16);
    (code >= total && wrapped < total).then(|| wrapped.wrapping_mul(unit))
}

/// Goes on with the tail where fewer than four bytes are left; `false` where only zeros would follow.
#[cold]
fn refill<'a>(input: &mut &'a [u8], tail: &mut &'a [u8]) -> bool {
    let skipped = LAST.saturating_sub(input.len());
    *input = tail.get(skipped..).unwrap_or_default();
    *tail = &[];
    !input.is_empty()
}

/// How many bits of `low`, in whole bytes, no number of the range can change any more: 0 to 24.
#[inline(always)]
const fn final_bits(low: u32, range: u32) -> u32 {
    // The range is not 0.
    (low ^ low.wrapping_add(range)).leading_zeros() & WHOLE_BYTES
}

/// The next range if the top byte of `low` is final, or has to be made so because the range is too narrow.
#[inline(always)]
const fn settle(low: u32, range: u32) -> Option<u32> {
    if (low ^ low.wrapping_add(range)) < TOP {
        Some(range << 8)
    } else if range < BOTTOM {
        Some((low.wrapping_neg() & (BOTTOM - 1)) << 8)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_divided_by_every_total_as_the_processor_does() {
        for total in 2..=3000u32 {
            let quotient = u32::MAX / total;
            let edges = [1, 2, quotient / 2, quotient].map(|times| times.wrapping_mul(total));
            for range in edges.into_iter().chain([u32::MAX, BOTTOM, TOP]) {
                for range in [range.wrapping_sub(1), range, range.wrapping_add(1)] {
                    assert_eq!(divide(range, total), range / total, "{range} by {total}");
                }
            }
        }
    }
}
