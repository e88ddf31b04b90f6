//! Checking the integrity of a message: [`Message::verify`].

use super::{ATTRIBUTE_HEADER_BYTES, HEADER_BYTES, Message, split_attribute};
use crate::crypto::{Key, Provider, equal};

/// Which of the two MACs protects a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "a message has room for these two")]
pub enum Integrity {
    /// MESSAGE-INTEGRITY: HMAC-SHA1.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256: HMAC-SHA256.
    Sha256,
}

/// Why the integrity of a message was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum IntegrityError {
    /// The message has no integrity, or not the one that was asked for.
    #[error("no integrity")]
    Missing,
    /// Its length is not legal, or it is truncated and that is not allowed.
    #[error("integrity of an illegal length")]
    Length,
    /// It does not fit message and key.
    #[error("wrong integrity")]
    Mismatch,
    /// The key cannot check this kind: SHA-1 is compiled out or not provided.
    #[error("integrity of an unsupported kind")]
    Unsupported,
}

/// A MAC and what it covers.
struct Covered<'a> {
    /// The header, with the length that ends at the MAC.
    header: [u8; HEADER_BYTES],
    /// All attributes before the MAC.
    attributes: &'a [u8],
    mac: &'a [u8],
}

impl Message<'_> {
    /// Whether it carries MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 or both.
    #[must_use]
    #[inline]
    pub const fn has_integrity(&self) -> bool {
        self.sha1 != 0 || self.sha256 != 0
    }

    /// Whether it carries the given kind.
    #[must_use]
    #[inline]
    pub const fn has_integrity_of(&self, integrity: Integrity) -> bool {
        match integrity {
            Integrity::Sha1 => self.sha1 != 0,
            Integrity::Sha256 => self.sha256 != 0,
        }
    }

    /// Checks the strongest integrity that the message carries, and says which that was (RFC 8489 section 9.1.3).
    ///
    /// Where both are present only MESSAGE-INTEGRITY-SHA256 counts: a wrong one is not mended by a right SHA-1.
    /// A truncated MAC is refused; see [`Message::verify_truncated`].
    ///
    /// # Errors
    /// [`IntegrityError`]; nothing in the message is to be believed.
    #[inline]
    pub fn verify<P: Provider>(&self, key: &Key<P>) -> Result<Integrity, IntegrityError> {
        let strongest = if self.sha256 != 0 {
            Integrity::Sha256
        } else {
            Integrity::Sha1
        };
        self.verify_as(strongest, key).map(|()| strongest)
    }

    /// Checks one kind of integrity, for a peer with which it has been agreed.
    ///
    /// # Errors
    /// [`IntegrityError`]; nothing in the message is to be believed.
    #[inline]
    pub fn verify_as<P: Provider>(
        &self,
        integrity: Integrity,
        key: &Key<P>,
    ) -> Result<(), IntegrityError> {
        match integrity {
            Integrity::Sha1 => self.verify_sha1(key),
            Integrity::Sha256 => self.verify_sha256(key, 32),
        }
    }

    /// Checks MESSAGE-INTEGRITY-SHA256 of at least `minimum` bytes (16 to 32), for a usage that allows truncation.
    ///
    /// No usage of STUN, ICE or TURN does.
    ///
    /// # Errors
    /// [`IntegrityError`]; nothing in the message is to be believed.
    pub fn verify_truncated<P: Provider>(
        &self,
        minimum: usize,
        key: &Key<P>,
    ) -> Result<(), IntegrityError> {
        self.verify_sha256(key, minimum.clamp(16, 32))
    }

    fn verify_sha1<P: Provider>(&self, key: &Key<P>) -> Result<(), IntegrityError> {
        let covered = self.covered(self.sha1).ok_or(IntegrityError::Missing)?;
        let value = covered.mac;
        if value.len() != 20 {
            return Err(IntegrityError::Length);
        }
        let mac = key.mac_sha1(&[&covered.header, covered.attributes]);
        compare(&mac.ok_or(IntegrityError::Unsupported)?, value)
    }

    fn verify_sha256<P: Provider>(
        &self,
        key: &Key<P>,
        minimum: usize,
    ) -> Result<(), IntegrityError> {
        let covered = self.covered(self.sha256).ok_or(IntegrityError::Missing)?;
        let value = covered.mac;
        if !(minimum..=32).contains(&value.len()) || !value.len().is_multiple_of(4) {
            return Err(IntegrityError::Length);
        }
        let mac = key.mac_sha256(&[&covered.header, covered.attributes]);
        compare(mac.get(..value.len()).unwrap_or_default(), value)
    }

    /// The MAC at `offset` and what it covers.
    #[inline]
    fn covered(&self, offset: usize) -> Option<Covered<'_>> {
        if offset == 0 {
            return None;
        }
        let (before, at) = self.bytes.split_at_checked(offset)?;
        let (attribute, _) = split_attribute(at)?;
        let (header, attributes) = before.split_first_chunk::<HEADER_BYTES>()?;
        let length = attributes
            .len()
            .checked_add(ATTRIBUTE_HEADER_BYTES)?
            .checked_add(attribute.value.len())?;
        let [l0, l1] = u16::try_from(length).ok()?.to_be_bytes();
        let mut header = *header;
        [header[2], header[3]] = [l0, l1];
        Some(Covered {
            header,
            attributes,
            mac: attribute.value,
        })
    }
}

#[inline]
fn compare(expected: &[u8], value: &[u8]) -> Result<(), IntegrityError> {
    if equal(expected, value) {
        Ok(())
    } else {
        Err(IntegrityError::Mismatch)
    }
}
