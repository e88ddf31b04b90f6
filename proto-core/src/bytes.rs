//! Reading and writing bytes without a panic: [`Reader`], [`Writer`] and their errors.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

/// Why bytes could not be decoded, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{kind} at byte {at}")]
#[non_exhaustive]
pub struct DecodeError {
    /// Offset in the input.
    pub at: usize,
    /// What is wrong there.
    pub kind: DecodeErrorKind,
}

impl DecodeError {
    /// An error at offset `at`.
    #[must_use]
    pub const fn new(at: usize, kind: DecodeErrorKind) -> Self {
        Self { at, kind }
    }
}

/// What is wrong with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The input ends inside a field.
    #[error("{field} needs {need} bytes, {have} are left")]
    Truncated {
        /// Name of the field.
        field: &'static str,
        /// Bytes that it takes.
        need: usize,
        /// Bytes that are left.
        have: usize,
    },
    /// A field has a value that the protocol does not know or allow.
    #[error("{field} has the illegal value {value}")]
    Illegal {
        /// Name of the field.
        field: &'static str,
        /// What it was.
        value: u64,
    },
    /// A text is not UTF-8.
    #[error("{field} is not UTF-8")]
    NotUtf8 {
        /// Name of the field.
        field: &'static str,
    },
    /// Bytes follow where the message should end.
    #[error("{count} bytes follow the end")]
    Trailing {
        /// How many.
        count: usize,
    },
}

/// The buffer was too small for what was to be written; nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{need} bytes to write, room for {have}")]
#[non_exhaustive]
pub struct NoSpace {
    /// Bytes that were to be written.
    pub need: usize,
    /// Bytes that were free.
    pub have: usize,
}

impl NoSpace {
    /// An error for `need` bytes where `have` are free.
    #[must_use]
    pub const fn new(need: usize, have: usize) -> Self {
        Self { need, have }
    }
}

/// Reads fields from the front of a slice and knows its offset.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
}

macro_rules! read {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $from:ident;)+) => {
        $($(#[$doc])*
        ///
        /// # Errors
        /// [`DecodeErrorKind::Truncated`] with this field's name; nothing was consumed.
        #[inline]
        pub fn $name(&mut self, field: &'static str) -> Result<$type, DecodeError> {
            self.array(field).map(<$type>::$from)
        })+
    };
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    #[must_use]
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, at: 0 }
    }

    /// Offset of the next byte.
    #[must_use]
    #[inline]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// What has not been read.
    #[must_use]
    #[inline]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How much has not been read.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether everything has been read.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`DecodeErrorKind::Truncated`] with this field's name; nothing was consumed.
    #[inline]
    pub fn bytes(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let Some((head, rest)) = self.rest.split_at_checked(count) else {
            return Err(self.truncated(count, field));
        };
        self.rest = rest;
        self.at = self.at.wrapping_add(count);
        Ok(head)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`DecodeErrorKind::Truncated`] with this field's name; nothing was consumed.
    #[inline]
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.truncated(N, field));
        };
        self.rest = rest;
        self.at = self.at.wrapping_add(N);
        Ok(*head)
    }

    read! {
        /// One byte.
        u8: u8 = from_le_bytes;
        /// A big-endian 16-bit number.
        u16_be: u16 = from_be_bytes;
        /// A big-endian 32-bit number.
        u32_be: u32 = from_be_bytes;
        /// A little-endian 16-bit number.
        u16_le: u16 = from_le_bytes;
        /// A little-endian 32-bit number.
        u32_le: u32 = from_le_bytes;
        /// A little-endian 64-bit number.
        u64_le: u64 = from_le_bytes;
        /// A signed little-endian 32-bit number.
        i32_le: i32 = from_le_bytes;
        /// A signed little-endian 64-bit number.
        i64_le: i64 = from_le_bytes;
        /// A little-endian 32-bit float.
        f32_le: f32 = from_le_bytes;
        /// A little-endian 64-bit float.
        f64_le: f64 = from_le_bytes;
    }

    /// An error of `kind` at the current offset.
    #[must_use]
    pub const fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(self.at, kind)
    }

    /// Checks that everything has been read.
    ///
    /// # Errors
    /// [`DecodeErrorKind::Trailing`] if bytes are left.
    pub const fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.error(DecodeErrorKind::Trailing {
            count: self.rest.len(),
        }))
    }

    #[cold]
    const fn truncated(&self, need: usize, field: &'static str) -> DecodeError {
        self.error(DecodeErrorKind::Truncated {
            field,
            need,
            have: self.rest.len(),
        })
    }
}

/// Writes fields into a slice from its start.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    at: usize,
}

macro_rules! write {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $to:ident;)+) => {
        $($(#[$doc])*
        ///
        /// # Errors
        /// [`NoSpace`]; nothing was written.
        #[inline]
        pub fn $name(&mut self, value: $type) -> Result<(), NoSpace> {
            self.bytes(&value.$to())
        })+
    };
}

impl<'a> Writer<'a> {
    /// A writer at the start of `buffer`.
    #[inline]
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, at: 0 }
    }

    /// How many bytes have been written.
    #[must_use]
    #[inline]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// How many bytes can still be written.
    #[must_use]
    #[inline]
    pub const fn room(&self) -> usize {
        self.buffer.len().saturating_sub(self.at)
    }

    /// What has been written.
    #[must_use]
    #[inline]
    pub fn written(&self) -> &[u8] {
        self.buffer.get(..self.at).unwrap_or_default()
    }

    /// What has been written, to patch or transform it.
    #[must_use]
    #[inline]
    pub fn written_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(..self.at).unwrap_or_default()
    }

    /// Copies `bytes`.
    ///
    /// # Errors
    /// [`NoSpace`]; nothing was written.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), NoSpace> {
        let have = self.room();
        let free = self.buffer.get_mut(self.at..).unwrap_or_default();
        let Some(target) = free.get_mut(..bytes.len()) else {
            return Err(NoSpace {
                need: bytes.len(),
                have,
            });
        };
        target.copy_from_slice(bytes);
        self.at = self.at.wrapping_add(bytes.len());
        Ok(())
    }

    write! {
        /// One byte.
        u8: u8 = to_le_bytes;
        /// A big-endian 16-bit number.
        u16_be: u16 = to_be_bytes;
        /// A big-endian 32-bit number.
        u32_be: u32 = to_be_bytes;
        /// A little-endian 16-bit number.
        u16_le: u16 = to_le_bytes;
        /// A little-endian 32-bit number.
        u32_le: u32 = to_le_bytes;
        /// A little-endian 64-bit number.
        u64_le: u64 = to_le_bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_read_names_the_field_and_consumes_nothing() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u16_le("first"), Ok(0x0201));
        let error = reader.u32_be("second").unwrap_err();
        assert_eq!(error.at, 2);
        assert_eq!(
            alloc::string::ToString::to_string(&error),
            "second needs 4 bytes, 1 are left at byte 2"
        );
        assert_eq!(reader.rest(), [3]);
        assert!(reader.finish().is_err());
    }

    #[test]
    fn a_short_write_writes_nothing() {
        let mut buffer = [0; 5];
        let mut writer = Writer::new(&mut buffer);
        writer.u32_be(0x0102_0304).unwrap();
        assert_eq!(writer.u16_le(5), Err(NoSpace { need: 2, have: 1 }));
        writer.u8(9).unwrap();
        assert_eq!(writer.written(), [1, 2, 3, 4, 9]);
        assert_eq!(writer.room(), 0);
    }
}
