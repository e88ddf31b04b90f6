//! The carry-less range coder: intervals to bytes and back, 32 bits wide.

const TOP: u32 = 1 << 24;
const BOTTOM: u32 = 1 << 16;
/// All whole bytes of a number of bits.
const WHOLE_BYTES: u32 = 0x18;

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
        let range = self.range.checked_div(total)?;
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

/// Reads intervals; behind its end the input is zeros.
pub(super) struct Decoder<'a> {
    low: u32,
    range: u32,
    code: u32,
    input: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        let mut this = Self {
            low: 0,
            range: u32::MAX,
            code: 0,
            input,
        };
        this.code = this.ahead();
        this.pass(4);
        this
    }

    /// The next four bytes.
    #[inline(always)]
    fn ahead(&self) -> u32 {
        match self.input.first_chunk::<4>() {
            Some(bytes) => u32::from_be_bytes(*bytes),
            None => last_ahead(self.input),
        }
    }

    #[inline(always)]
    fn pass(&mut self, bytes: usize) {
        self.input = self.input.get(bytes..).unwrap_or_default();
    }

    /// Which of `total` numbers comes next; damaged input gives any number.
    #[inline(always)]
    pub(super) fn read(&mut self, total: u32) -> Option<u16> {
        self.range = self.range.checked_div(total)?;
        let code = self.code.wrapping_sub(self.low).checked_div(self.range)?;
        Some(code as u16)
    }

    /// Passes the interval in which the number of the last [`Decoder::read`] is.
    #[inline(always)]
    pub(super) fn consume(&mut self, below: u32, frequency: u32) {
        self.low = self.low.wrapping_add(self.range.wrapping_mul(below));
        self.range = self.range.wrapping_mul(frequency);
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
        let next = u64::from(self.code) << 32 | u64::from(self.ahead());
        self.code = (next << bits >> 32) as u32;
        self.low <<= bits;
        self.range <<= bits;
        self.pass((bits / 8) as usize);
    }
}

/// The next four bytes where fewer are left.
#[cold]
fn last_ahead(input: &[u8]) -> u32 {
    let mut bytes = [0; 4];
    for (byte, &next) in bytes.iter_mut().zip(input) {
        *byte = next;
    }
    u32::from_be_bytes(bytes)
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
