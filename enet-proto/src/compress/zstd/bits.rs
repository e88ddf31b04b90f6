//! Bits in the order of Zstandard: written forwards, lowest first, and mostly read from the end (RFC 8878, section 4.1).

/// Reads from the end to the start. Before the start there are zeros.
pub(super) struct Backward<'a> {
    bytes: &'a [u8],
    /// Bits that are not read yet; below 0 once there were too few.
    left: isize,
}

impl<'a> Backward<'a> {
    /// `None` unless a last bit is set, which marks the end.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let last = *bytes.last().filter(|&&last| last != 0)?;
        let left = isize::try_from(bytes.len() * 8).ok()? - last.leading_zeros() as isize - 1;
        Some(Self { bytes, left })
    }

    /// The next `count` bits, at most 31, without passing them.
    #[inline]
    pub(super) fn peek(&self, count: u8) -> u32 {
        let start = self.left - isize::from(count);
        let (first, shift) = match usize::try_from(start) {
            Ok(start) => (start / 8, start % 8),
            Err(_) => (0, 0),
        };
        let rest = self.bytes.get(first..).unwrap_or_default();
        let word = match rest.first_chunk() {
            Some(word) => u64::from_le_bytes(*word),
            None => short_word(rest),
        };
        let mask = (1 << count) - 1;
        match usize::try_from(-start) {
            Ok(missing @ 1..) => word.checked_shl(missing as u32).unwrap_or(0) as u32 & mask,
            _ => (word >> shift) as u32 & mask,
        }
    }

    #[inline]
    pub(super) const fn pass(&mut self, count: u8) {
        self.left -= count as isize;
    }

    /// Reads `count` bits, at most 31.
    #[inline]
    pub(super) fn take(&mut self, count: u8) -> u32 {
        let bits = self.peek(count);
        self.pass(count);
        bits
    }

    /// Whether more was read than there is.
    pub(super) const fn is_overdrawn(&self) -> bool {
        self.left < 0
    }

    /// Whether all was read, and no more.
    pub(super) const fn is_spent(&self) -> bool {
        self.left == 0
    }
}

#[cold]
fn short_word(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// Reads forwards; behind the end there are zeros.
pub(super) struct Forward<'a> {
    bytes: &'a [u8],
    read: usize,
}

impl<'a> Forward<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, read: 0 }
    }

    /// Reads `count` bits, at most 16.
    pub(super) fn take(&mut self, count: u8) -> u32 {
        let rest = self.bytes.get(self.read / 8..).unwrap_or_default();
        let word = rest
            .iter()
            .take(4)
            .rev()
            .fold(0, |word, &byte| word << 8 | u32::from(byte));
        let bits = word >> (self.read % 8) & ((1 << count) - 1);
        self.read += usize::from(count);
        bits
    }

    /// Goes back by one bit.
    pub(super) const fn give_back(&mut self) {
        self.read -= 1;
    }

    /// What follows the last byte of which a bit was read, if no more was read than there is.
    pub(super) fn rest(&self) -> Option<&'a [u8]> {
        self.bytes.get(self.read.div_ceil(8)..)
    }
}

/// Writes forwards.
pub(super) struct Writer<'a> {
    bytes: &'a mut [u8],
    written: usize,
    word: u64,
    bits: u32,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(bytes: &'a mut [u8]) -> Self {
        Self {
            bytes,
            written: 0,
            word: 0,
            bits: 0,
        }
    }

    /// Writes the lower `count` bits of `value`, at most 31.
    #[inline]
    pub(super) fn put(&mut self, value: u32, count: u8) -> Option<()> {
        self.word |= u64::from(value & ((1 << count) - 1)) << self.bits;
        self.bits += u32::from(count);
        if self.bits >= 32 {
            let bytes = (self.word as u32).to_le_bytes();
            self.bytes
                .get_mut(self.written..self.written + 4)?
                .copy_from_slice(&bytes);
            self.written += 4;
            self.word >>= 32;
            self.bits -= 32;
        }
        Some(())
    }

    /// Sets the bit that marks the end, and gives the length in bytes.
    pub(super) fn finish(mut self) -> Option<usize> {
        self.put(1, 1)?;
        let length = self.bits.div_ceil(8) as usize;
        let bytes = self.word.to_le_bytes();
        self.bytes
            .get_mut(self.written..self.written + length)?
            .copy_from_slice(&bytes[..length]);
        Some(self.written + length)
    }
}
