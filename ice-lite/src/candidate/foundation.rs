//! The text that groups candidates: [`Foundation`].

use core::fmt;

/// 1 to 32 ice-chars (letters, digits, `+` and `/`), held inline.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Foundation {
    chars: [u8; Self::MOST_CHARS],
    length: u8,
}

impl Foundation {
    /// The longest that RFC 8839 allows.
    pub const MOST_CHARS: usize = 32;

    /// The foundation `text`, if it is one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let mut chars = [0; Self::MOST_CHARS];
        let target = chars.get_mut(..text.len())?;
        if text.is_empty() || !text.bytes().all(is_ice_char) {
            return None;
        }
        target.copy_from_slice(text.as_bytes());
        Some(Self {
            chars,
            length: u8::try_from(text.len()).ok()?,
        })
    }

    /// The number in decimal: a counter tells nothing about addresses, as a hash of them might.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        let mut chars = [0; Self::MOST_CHARS];
        let mut length = 0;
        let mut divisor = 1_000_000_000;
        while divisor > 0 {
            let digit = (number / divisor % 10) as u8;
            if (digit > 0 || length > 0 || divisor == 1)
                && let Some(slot) = chars.get_mut(usize::from(length))
            {
                *slot = b'0' + digit;
                length += 1;
            }
            divisor /= 10;
        }
        Self { chars, length }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let chars = self.chars.get(..usize::from(self.length));
        core::str::from_utf8(chars.unwrap_or_default()).unwrap_or_default()
    }
}

/// Whether `byte` may stand in a foundation, fragment or password (RFC 8839 section 5.1).
pub(crate) const fn is_ice_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}

impl fmt::Display for Foundation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Foundation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
