//! A message in received bytes: [`Message`], and why bytes are none: [`ParseError`].
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

mod integrity;
mod types;
mod writer;

use crate::attribute::{
    self, Attribute, AttributeError, AttributeType, RawAttribute, UnknownAttributes,
};
use crate::crypto::{Provider, RustCrypto};
use core::fmt;

pub use integrity::{Integrity, IntegrityError};
pub(crate) use types::message_type;
pub use types::{Class, HEADER_BYTES, MAGIC_COOKIE, Method, TransactionId};
pub use writer::{
    BeforeFingerprint, BeforeSha256, BuildError, MessageWriter, Open, REQUEST_BYTES_IPV4,
    REQUEST_BYTES_IPV6, Sealed, Signed, SignedSha256,
};

/// What the CRC of a FINGERPRINT is XORed with: "STUN".
pub(crate) const FINGERPRINT_MASK: u32 = 0x5354_554E;
/// Bytes of an attribute before its value.
const ATTRIBUTE_HEADER_BYTES: usize = 4;
/// Bytes of a FINGERPRINT with its header.
const FINGERPRINT_BYTES: usize = 8;

/// A message that lies in the bytes it was received in.
///
/// Making one checks its structure once: header, lengths, order, FINGERPRINT. What is read afterwards borrows from the
/// bytes and cannot fail for their structure, only for the value of the attribute that is read.
///
/// Attributes after MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256 do not exist here, but for the other integrity in the
/// right order and FINGERPRINT (RFC 8489 section 14.5). So once [`Message::verify`] has accepted a message, everything
/// that it shows is protected.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    class: Class,
    method: Method,
    /// Offset of the first attribute that is not a plain one: an integrity, FINGERPRINT, or the end.
    plain_end: usize,
    /// Offset of the MESSAGE-INTEGRITY that counts, 0 without one.
    sha1: usize,
    /// Offset of the MESSAGE-INTEGRITY-SHA256 that counts, 0 without one.
    sha256: usize,
    /// Offset of FINGERPRINT, 0 without one.
    fingerprint: usize,
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Fewer than 20 bytes, or the two high bits of the first byte are not zero, or the magic cookie is missing.
    /// It is another protocol's.
    #[error("not STUN")]
    NotStun,
    /// The first byte is 64 to 79: a ChannelData message if the socket is one of TURN, and nothing of ours otherwise.
    #[error("in the range of ChannelData")]
    ChannelData,
    /// The length in the header is no multiple of four.
    #[error("length {0} is no multiple of four")]
    UnalignedLength(u16),
    /// The length in the header is not that of the datagram.
    #[error("the header announces {announced} bytes, the datagram has {have}")]
    WrongLength {
        /// Length of header and attributes as the header has it.
        announced: usize,
        /// Length of the datagram.
        have: usize,
    },
    /// An attribute ends behind the end of the message.
    #[error("the attribute at byte {0} ends behind the message")]
    Truncated(usize),
    /// Something follows FINGERPRINT.
    #[error("an attribute follows FINGERPRINT")]
    AfterFingerprint,
    /// FINGERPRINT is not four bytes long.
    #[error("FINGERPRINT has an illegal length")]
    FingerprintLength,
    /// FINGERPRINT does not fit the bytes before it: damage, or another protocol that looks like STUN.
    #[error("FINGERPRINT is wrong")]
    WrongFingerprint,
    /// [`ParseOptions`] ask for FINGERPRINT, and there is none.
    #[error("FINGERPRINT is missing")]
    NoFingerprint,
}

/// What [`Message::parse_with`] asks for. The default is that of [`Message::parse`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseOptions {
    /// What is done about FINGERPRINT.
    pub fingerprint: FingerprintCheck,
    /// Whether a message without the magic cookie is accepted, as clients of RFC 3489 send them (RFC 8489 section 11).
    pub accept_classic: bool,
}

/// What is done about FINGERPRINT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FingerprintCheck {
    /// It must be right if it is there.
    #[default]
    IfPresent,
    /// It must be there and right: for sockets that other protocols share, as in ICE.
    Required,
    /// It is not computed: for streams, which need no demultiplexing, and for inspection.
    Skip,
}

impl<'a> Message<'a> {
    /// Reads the one message that `datagram` is, with nothing behind it. FINGERPRINT must be right if it is there.
    ///
    /// # Errors
    /// [`ParseError`]: the datagram is not ours or is broken, and must not be answered.
    #[inline]
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        Self::parse_with::<RustCrypto>(datagram, ParseOptions::default())
    }

    /// The same with [`ParseOptions`] and another provider of the CRC.
    ///
    /// # Errors
    /// [`ParseError`]: the datagram is not ours, is broken, or does not meet the options.
    #[inline]
    pub fn parse_with<P: Provider>(
        datagram: &'a [u8],
        options: ParseOptions,
    ) -> Result<Self, ParseError> {
        let message = Self::structure(datagram, options.accept_classic)?;
        match (options.fingerprint, message.fingerprint) {
            (FingerprintCheck::Skip, _) | (FingerprintCheck::IfPresent, 0) => Ok(message),
            (FingerprintCheck::Required, 0) => Err(ParseError::NoFingerprint),
            (_, offset) => {
                // FINGERPRINT is last, so the length in the header is already the one to hash.
                let (before, value) = datagram.split_at_checked(offset).unwrap_or_default();
                let expected = (P::crc32(before) ^ FINGERPRINT_MASK).to_be_bytes();
                if value.get(ATTRIBUTE_HEADER_BYTES..) == Some(&expected[..]) {
                    Ok(message)
                } else {
                    Err(ParseError::WrongFingerprint)
                }
            }
        }
    }

    /// Header, lengths, and where the attributes are that end the plain ones.
    #[inline]
    fn structure(datagram: &'a [u8], accept_classic: bool) -> Result<Self, ParseError> {
        let Some((header, mut rest)) = datagram.split_first_chunk::<HEADER_BYTES>() else {
            return Err(match datagram.first() {
                Some(64..=79) => ParseError::ChannelData,
                _ => ParseError::NotStun,
            });
        };
        let [t0, t1, l0, l1, c0, c1, c2, c3, ..] = *header;
        match t0 {
            0..=63 => {}
            64..=79 => return Err(ParseError::ChannelData),
            _ => return Err(ParseError::NotStun),
        }
        if u32::from_be_bytes([c0, c1, c2, c3]) != MAGIC_COOKIE && !accept_classic {
            return Err(ParseError::NotStun);
        }
        let length = u16::from_be_bytes([l0, l1]);
        if !length.is_multiple_of(4) {
            return Err(ParseError::UnalignedLength(length));
        }
        if usize::from(length) != rest.len() {
            return Err(ParseError::WrongLength {
                announced: usize::from(length).saturating_add(HEADER_BYTES),
                have: datagram.len(),
            });
        }
        let (class, method) = types::split_type(u16::from_be_bytes([t0, t1]));
        let mut message = Self {
            bytes: datagram,
            class,
            method,
            plain_end: 0,
            sha1: 0,
            sha256: 0,
            fingerprint: 0,
        };
        while !rest.is_empty() {
            let at = datagram.len().wrapping_sub(rest.len());
            let (attribute, tail) = split_attribute(rest).ok_or(ParseError::Truncated(at))?;
            rest = tail;
            message.note(attribute, at);
            if message.fingerprint != 0 {
                if attribute.value.len() != 4 {
                    return Err(ParseError::FingerprintLength);
                }
                if !rest.is_empty() {
                    return Err(ParseError::AfterFingerprint);
                }
            }
        }
        if message.plain_end == 0 {
            message.plain_end = datagram.len();
        }
        Ok(message)
    }

    /// Remembers `attribute`, at offset `at`, if it ends the plain ones.
    #[inline]
    fn note(&mut self, attribute: RawAttribute<'_>, at: usize) {
        match attribute.kind {
            AttributeType::MESSAGE_INTEGRITY if self.sha1 == 0 && self.sha256 == 0 => {
                self.sha1 = at;
            }
            AttributeType::MESSAGE_INTEGRITY_SHA256 if self.sha256 == 0 => self.sha256 = at,
            AttributeType::FINGERPRINT => self.fingerprint = at,
            _ => return,
        }
        if self.plain_end == 0 {
            self.plain_end = at;
        }
    }

    /// What the message is for.
    #[must_use]
    #[inline]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// What the message is about.
    #[must_use]
    #[inline]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// What ties a response to its request.
    #[must_use]
    #[inline]
    pub fn transaction_id(&self) -> TransactionId {
        let id = self.bytes.get(8..HEADER_BYTES).unwrap_or_default();
        TransactionId::new(id.try_into().unwrap_or_default())
    }

    /// Whether it lacks the magic cookie: a message of RFC 3489, whose id are all 16 bytes after the length.
    #[must_use]
    #[inline]
    pub fn is_classic(&self) -> bool {
        self.bytes.get(4..8) != Some(&MAGIC_COOKIE.to_be_bytes()[..])
    }

    /// The whole message as it was received.
    #[must_use]
    #[inline]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether it carries FINGERPRINT.
    #[must_use]
    #[inline]
    pub const fn has_fingerprint(&self) -> bool {
        self.fingerprint != 0
    }

    /// All visible attributes in the order of the message, the integrities and FINGERPRINT included.
    #[inline]
    pub fn attributes(&self) -> impl Iterator<Item = RawAttribute<'a>> + use<'a> {
        let at = |offset: usize| match offset {
            0 => None,
            _ => self.bytes.get(offset..).and_then(split_attribute),
        };
        let ending = [self.sha1, self.sha256, self.fingerprint].map(at);
        let ending = ending.into_iter().flatten().map(|(attribute, _)| attribute);
        self.plain().chain(ending)
    }

    /// The attributes before integrity and FINGERPRINT.
    #[inline]
    fn plain(&self) -> Attributes<'a> {
        let rest = self.bytes.get(HEADER_BYTES..self.plain_end);
        Attributes {
            rest: rest.unwrap_or_default(),
        }
    }

    /// The value of the first visible attribute of this number, integrities and FINGERPRINT excluded.
    #[must_use]
    #[inline]
    pub fn raw(&self, kind: AttributeType) -> Option<&'a [u8]> {
        let mut plain = self.plain();
        plain.find(|raw| raw.kind == kind).map(|raw| raw.value)
    }

    /// Whether there is a visible attribute of this type, well formed or not.
    #[must_use]
    #[inline]
    pub fn has<A: Attribute<'a>>(&self) -> bool {
        self.raw(A::TYPE).is_some()
    }

    /// The first visible attribute of this type. Further ones are ignored (RFC 8489 section 14).
    ///
    /// # Errors
    /// [`AttributeError`] if it is there and its value is not well formed.
    #[inline]
    pub fn get<A: Attribute<'a>>(&self) -> Result<Option<A>, AttributeError> {
        let value = self.raw(A::TYPE);
        value
            .map(|value| A::decode(value, &self.transaction_id()))
            .transpose()
    }

    /// All visible attributes of this type, for the few that may be repeated, such as XOR-PEER-ADDRESS.
    #[inline]
    pub fn all<A: Attribute<'a>>(
        &self,
    ) -> impl Iterator<Item = Result<A, AttributeError>> + use<'a, A> {
        let id = self.transaction_id();
        let values = self.plain().filter(|raw| raw.kind == A::TYPE);
        values.map(move |raw| A::decode(raw.value, &id))
    }

    /// Whether the first of each visible attribute that this crate knows is well formed.
    ///
    /// # Errors
    /// The first [`AttributeError`]. For a request it means 400; see [`AttributeError`] for the rest.
    pub fn check_attributes(&self) -> Result<(), AttributeError> {
        let id = self.transaction_id();
        let mut seen = 0_u64;
        for raw in self.attributes() {
            let Some(index) = attribute::known_index(raw.kind) else {
                continue;
            };
            let bit = 1_u64.wrapping_shl(index);
            if seen & bit == 0 {
                seen |= bit;
                attribute::check(raw.kind, raw.value, &id)?;
            }
        }
        Ok(())
    }

    /// The visible comprehension-required attributes that `is_known` does not know, each once.
    ///
    /// `is_known` is not asked about the integrities. If any are left, a request is answered with 420 and this list;
    /// anything else is dropped (RFC 8489 sections 6.3.1 to 6.3.4).
    #[must_use]
    #[inline]
    pub fn unknown_required(&self, is_known: impl Fn(AttributeType) -> bool) -> UnknownAttributes {
        let mut unknown = UnknownAttributes::default();
        for raw in self.plain() {
            if raw.kind.is_comprehension_required() && !is_known(raw.kind) {
                unknown.push(raw.kind);
            }
        }
        unknown
    }
}

impl fmt::Display for Message<'_> {
    /// One line: class, method, id, and the visible attributes by name and length, without any of their content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = match self.class {
            Class::Request => "request",
            Class::Indication => "indication",
            Class::Success => "success",
            Class::Error => "error",
        };
        write!(f, "{} {class} {}", self.method, self.transaction_id())?;
        self.attributes()
            .try_for_each(|raw| write!(f, " {}[{}]", raw.kind, raw.value.len()))
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({self})")
    }
}

/// Walks bytes that [`Message::structure`] has accepted.
struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = RawAttribute<'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (attribute, rest) = split_attribute(self.rest)?;
        self.rest = rest;
        Some(attribute)
    }
}

/// The first attribute, and what follows its padding.
#[inline]
fn split_attribute(bytes: &[u8]) -> Option<(RawAttribute<'_>, &[u8])> {
    let ([t0, t1, l0, l1], rest) = bytes.split_first_chunk::<ATTRIBUTE_HEADER_BYTES>()?;
    let kind = AttributeType::new(u16::from_be_bytes([*t0, *t1]));
    let length = usize::from(u16::from_be_bytes([*l0, *l1]));
    let (padded, tail) = rest.split_at_checked(padded(length))?;
    let value = padded.get(..length)?;
    Some((RawAttribute { kind, value }, tail))
}

/// The length of a value with its padding.
#[inline]
const fn padded(length: usize) -> usize {
    length.saturating_add(3) & !3
}
