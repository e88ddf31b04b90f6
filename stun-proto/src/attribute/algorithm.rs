//! How a password becomes a key: PASSWORD-ALGORITHM(S) and USERHASH (RFC 8489 sections 14.4, 14.11 and 14.12).

use super::{Attribute, AttributeError, AttributeType};
use crate::message::TransactionId;
use core::fmt;

/// How a long-term password becomes a key (RFC 8489 section 18.5). The registry is open, so this is a number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "a number and nothing else")]
pub struct Algorithm(pub u16);

impl Algorithm {
    /// MD5 of name, realm and password, as all servers since RFC 5389 have it.
    pub const MD5: Self = Self(0x0001);
    /// SHA-256 of the same.
    pub const SHA256: Self = Self(0x0002);
}

impl fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MD5 => f.write_str("MD5"),
            Self::SHA256 => f.write_str("SHA-256"),
            Self(number) => write!(f, "{number:#06x}"),
        }
    }
}

/// An entry of [`PasswordAlgorithms`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PasswordAlgorithmEntry<'a> {
    /// Which algorithm.
    pub algorithm: Algorithm,
    /// Its parameters; MD5 and SHA-256 have none.
    pub parameters: &'a [u8],
}

impl PasswordAlgorithmEntry<'_> {
    /// Whether this crate can derive keys with it: MD5 or SHA-256 without parameters.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        matches!(self.algorithm, Algorithm::MD5 | Algorithm::SHA256) && self.parameters.is_empty()
    }
}

/// Splits the first entry and its padding off; the padding of the last one may be missing.
fn split(bytes: &[u8]) -> Option<(PasswordAlgorithmEntry<'_>, &[u8])> {
    let ([a, b, c, d], rest) = bytes.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes([*c, *d]));
    let (parameters, _) = rest.split_at_checked(length)?;
    let rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    let algorithm = Algorithm(u16::from_be_bytes([*a, *b]));
    let entry = PasswordAlgorithmEntry {
        algorithm,
        parameters,
    };
    Some((entry, rest))
}

/// PASSWORD-ALGORITHMS: what a server can derive keys with, in the order that it prefers (RFC 8489 section 14.11).
///
/// The client echoes it byte for byte, so it is kept as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PasswordAlgorithms<'a>(&'a [u8]);

impl<'a> PasswordAlgorithms<'a> {
    /// SHA-256, else MD5.
    pub const SHA256_MD5: PasswordAlgorithms<'static> =
        PasswordAlgorithms(&[0, 2, 0, 0, 0, 1, 0, 0]);
    /// SHA-256 only.
    pub const SHA256: PasswordAlgorithms<'static> = PasswordAlgorithms(&[0, 2, 0, 0]);
    /// MD5 only.
    pub const MD5: PasswordAlgorithms<'static> = PasswordAlgorithms(&[0, 1, 0, 0]);

    /// The entries.
    pub fn iter(&self) -> impl Iterator<Item = PasswordAlgorithmEntry<'a>> + use<'a> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let (entry, tail) = split(rest)?;
            rest = tail;
            Some(entry)
        })
    }

    /// Its bytes, as they stand in the message.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> Attribute<'a> for PasswordAlgorithms<'a> {
    const TYPE: AttributeType = AttributeType::PASSWORD_ALGORITHMS;

    fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, AttributeError> {
        let mut rest = value;
        loop {
            let split = split(rest);
            (_, rest) = split.ok_or(AttributeError::length(Self::TYPE))?;
            if rest.is_empty() {
                return Ok(Self(value));
            }
        }
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn encode(&self, value: &mut [u8], _: &TransactionId) {
        value.copy_from_slice(self.0);
    }
}

/// PASSWORD-ALGORITHM: what the client chose (RFC 8489 section 14.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "an entry and nothing else")]
pub struct PasswordAlgorithm<'a>(pub PasswordAlgorithmEntry<'a>);

impl PasswordAlgorithm<'static> {
    /// This algorithm, without parameters.
    #[must_use]
    pub const fn new(algorithm: Algorithm) -> Self {
        Self(PasswordAlgorithmEntry {
            algorithm,
            parameters: &[],
        })
    }
}

impl<'a> Attribute<'a> for PasswordAlgorithm<'a> {
    const TYPE: AttributeType = AttributeType::PASSWORD_ALGORITHM;

    fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, AttributeError> {
        match split(value) {
            Some((entry, [])) => Ok(Self(entry)),
            _ => Err(AttributeError::length(Self::TYPE)),
        }
    }

    fn encoded_len(&self) -> usize {
        self.0.parameters.len() + 4
    }

    fn encode(&self, value: &mut [u8], _: &TransactionId) {
        let [a, b] = self.0.algorithm.0.to_be_bytes();
        // Parameters come from a message or are empty, so their length fits.
        let [c, d] = u16::try_from(self.0.parameters.len())
            .unwrap_or(u16::MAX)
            .to_be_bytes();
        if let Some((head, tail)) = value.split_first_chunk_mut() {
            *head = [a, b, c, d];
            tail.copy_from_slice(self.0.parameters);
        }
    }
}

/// USERHASH: a user name that only the server can read, `SHA-256(username ":" realm)` (RFC 8489 section 14.4).
///
/// [`UserHash::of`](crate::UserHash::of) makes one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "a hash and nothing else")]
pub struct UserHash(pub [u8; 32]);

impl fmt::Debug for UserHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserHash(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

impl Attribute<'_> for UserHash {
    const TYPE: AttributeType = AttributeType::USERHASH;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
        let value = <[u8; 32]>::try_from(value);
        value
            .map(Self)
            .map_err(|_| AttributeError::length(Self::TYPE))
    }

    fn encoded_len(&self) -> usize {
        32
    }

    fn encode(&self, value: &mut [u8], _: &TransactionId) {
        value.copy_from_slice(&self.0);
    }
}
