//! Bounded reading of the fields of the binary form: [`Input`].
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::error::{DecodeError, DecodeErrorKind};
use alloc::vec::Vec;

/// Whether a packed byte array may lack its padding at the end of the input.
#[derive(Clone, Copy)]
pub(super) enum Padding {
    Optional,
    Required,
}

/// The bytes of one value, from the front.
#[derive(Clone, Debug)]
pub(super) struct Input<'a> {
    rest: &'a [u8],
    /// Offset in the whole input behind the last byte of `rest`.
    end: usize,
    /// The limit, if it cut bytes away: then reading to the end means that the value is too large.
    cut: Option<usize>,
}

impl<'a> Input<'a> {
    /// What begins `at` in `bytes` and is at most `limit` long.
    pub(super) fn new(bytes: &'a [u8], at: usize, limit: usize) -> Self {
        let rest = bytes.get(at..).unwrap_or_default();
        let (rest, cut) = match rest.get(..limit) {
            Some(head) if head.len() < rest.len() => (head, Some(limit)),
            _ => (rest, None),
        };
        Self {
            rest,
            end: at.saturating_add(rest.len()),
            cut,
        }
    }

    /// Offset of the next byte in the whole input.
    pub(super) const fn at(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    /// How many bytes are left.
    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    /// An error at the next byte.
    #[cold]
    pub(super) const fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(self.at(), kind)
    }

    /// An error at a field that was just read.
    #[cold]
    pub(super) const fn error_before(&self, bytes: usize, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(self.at().saturating_sub(bytes), kind)
    }

    /// The error for a field that needs more bytes than are left.
    #[cold]
    pub(super) fn truncated(&self, field: &'static str, need: usize) -> DecodeError {
        self.error(match self.cut {
            Some(limit) => DecodeErrorKind::TooLarge { field, limit },
            None => DecodeErrorKind::Truncated {
                field,
                need: u64::try_from(need).unwrap_or(u64::MAX),
                have: self.rest.len(),
            },
        })
    }

    #[inline]
    fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let Some((head, rest)) = self.rest.split_at_checked(count) else {
            return Err(self.truncated(field, count));
        };
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.truncated(field, N));
        };
        self.rest = rest;
        Ok(*head)
    }

    #[inline]
    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array(field).map(u8::from_le_bytes)
    }

    #[inline]
    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_le_bytes)
    }

    #[inline]
    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_le_bytes)
    }

    #[inline]
    pub(super) fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.array(field).map(u64::from_le_bytes)
    }

    /// The next byte, not read.
    #[inline]
    pub(super) fn peek(&self, field: &'static str) -> Result<u8, DecodeError> {
        match self.rest.first() {
            Some(byte) => Ok(*byte),
            None => Err(self.truncated(field, 1)),
        }
    }

    /// `N` integers.
    #[inline]
    pub(super) fn ints<const N: usize>(&mut self) -> Result<[i32; N], DecodeError> {
        let bytes = self.take(N.saturating_mul(4), "integer vector")?;
        let mut numbers = [0; N];
        for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *number = i32::from_le_bytes(*bytes);
        }
        Ok(numbers)
    }

    /// `N` floats, from doubles if `double`.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a single-precision build rounds the same way"
    )]
    pub(super) fn reals<const N: usize>(&mut self, double: bool) -> Result<[f32; N], DecodeError> {
        let mut numbers = [0.0; N];
        if double {
            let bytes = self.take(N.saturating_mul(8), "float vector")?;
            for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *number = f64::from_le_bytes(*bytes) as f32;
            }
        } else {
            let bytes = self.take(N.saturating_mul(4), "float vector")?;
            for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *number = f32::from_le_bytes(*bytes);
            }
        }
        Ok(numbers)
    }

    /// A text with its length and padding: a byte order mark at its start is skipped, and it ends at the first NUL.
    pub(super) fn text(&mut self, field: &'static str) -> Result<&'a str, DecodeError> {
        let value = self.u32(field)?;
        let padded = i32::try_from(value)
            .ok()
            .and_then(|length| length.checked_add(3))
            .map(|length| (length & !3).cast_unsigned());
        let Some(padded) = padded else {
            return Err(self.error_before(4, DecodeErrorKind::BadLength { field, value }));
        };
        let padded = usize::try_from(padded).unwrap_or(usize::MAX);
        let at = self.at();
        let bytes = self.take(padded, field)?;
        let length = usize::try_from(value).unwrap_or(usize::MAX);
        let bytes = bytes.get(..length).unwrap_or_default();
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        // A search that always runs to the end is faster on short texts than one that can stop.
        let has_nul = bytes.iter().fold(false, |nul, byte| nul | (*byte == 0));
        let bytes = if has_nul {
            bytes.split(|byte| *byte == 0).next().unwrap_or_default()
        } else {
            bytes
        };
        core::str::from_utf8(bytes).map_err(|_| DecodeError::new(at, DecodeErrorKind::BadUtf8))
    }

    /// A packed byte array: count, bytes, padding.
    pub(super) fn packed_bytes(&mut self, padding: Padding) -> Result<&'a [u8], DecodeError> {
        let field = "packed byte count";
        let value = self.u32(field)?;
        if i32::try_from(value).is_err() {
            return Err(self.error_before(4, DecodeErrorKind::BadLength { field, value }));
        }
        let count = usize::try_from(value).unwrap_or(usize::MAX);
        let bytes = self.take(count, "packed bytes")?;
        let missing = count.wrapping_neg() & 3;
        let missing = match padding {
            Padding::Optional => missing.min(self.left()),
            Padding::Required => missing,
        };
        self.take(missing, "padding of packed bytes")?;
        Ok(bytes)
    }

    /// A packed array of items of `N` bytes.
    #[inline]
    pub(super) fn packed<T, const N: usize>(
        &mut self,
        build: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, DecodeError> {
        let field = "packed array count";
        let value = self.u32(field)?;
        let size = u64::from(value).saturating_mul(u64::try_from(N).unwrap_or(u64::MAX));
        let Ok(size) = i32::try_from(size) else {
            return Err(self.error_before(4, DecodeErrorKind::BadLength { field, value }));
        };
        let bytes = self.take(usize::try_from(size).unwrap_or(usize::MAX), "packed array")?;
        Ok(bytes
            .as_chunks::<N>()
            .0
            .iter()
            .map(|bytes| build(*bytes))
            .collect())
    }
}
