//! Writing a message into the caller's buffer: [`MessageWriter`].

use super::{
    ATTRIBUTE_HEADER_BYTES, Class, FINGERPRINT_BYTES, FINGERPRINT_MASK, HEADER_BYTES, Integrity,
    MAGIC_COOKIE, Message, Method, TransactionId, message_type, padded,
};
use crate::attribute::{Attribute, AttributeType};
use crate::crypto::{Key, Provider, RustCrypto};
use core::marker::PhantomData;

/// Most bytes of a request or indication that fits every path over IPv4: 576 less IP and UDP (RFC 8489 section 6.1).
pub const REQUEST_BYTES_IPV4: usize = 548;

/// Most bytes of a request or indication that fits every path over IPv6: 1280 less IP and UDP.
pub const REQUEST_BYTES_IPV6: usize = 1232;

/// Most bytes of any message: what its header can say, header included, in whole words.
const MAXIMUM_BYTES: usize = HEADER_BYTES + 0xFFFC;

/// Why a message was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The buffer is too small.
    #[error("{need} bytes to write, room for {have}")]
    NoSpace {
        /// Bytes that the message takes.
        need: usize,
        /// Bytes of the buffer.
        have: usize,
    },
    /// The message is longer than [`MessageWriter::limit`] allows, or than a header can say.
    #[error("a message of {need} bytes, where {limit} are allowed")]
    TooLong {
        /// Bytes that the message takes.
        need: usize,
        /// Bytes that it may take.
        limit: usize,
    },
    /// The key cannot make this kind of integrity: SHA-1 is compiled out or not provided.
    #[error("integrity of an unsupported kind")]
    UnsupportedIntegrity,
}

/// Stage of a [`MessageWriter`]: attributes may be added.
#[derive(Debug)]
#[non_exhaustive]
pub struct Open;

/// Stage of a [`MessageWriter`]: MESSAGE-INTEGRITY is written.
#[derive(Debug)]
#[non_exhaustive]
pub struct Signed;

/// Stage of a [`MessageWriter`]: integrity is done with, only FINGERPRINT may follow.
#[derive(Debug)]
#[non_exhaustive]
pub struct SignedSha256;

/// Stage of a [`MessageWriter`]: FINGERPRINT is written, and nothing can follow.
#[derive(Debug)]
#[non_exhaustive]
pub struct Sealed;

/// Writes a message into a lent buffer, in the only legal order: attributes, MESSAGE-INTEGRITY,
/// MESSAGE-INTEGRITY-SHA256, FINGERPRINT. The type says how far it is, so a wrong order does not compile.
///
/// An error, such as a full buffer, is kept until [`finish`](MessageWriter::finish): the calls in between go on
/// counting, so that it can tell how many bytes the whole message takes.
#[derive(Debug)]
#[must_use = "a message that is not finished is lost"]
pub struct MessageWriter<'a, Stage = Open> {
    buffer: &'a mut [u8],
    /// Bytes of the message so far, written or only counted.
    length: usize,
    limit: usize,
    id: TransactionId,
    unsupported: bool,
    stage: PhantomData<Stage>,
}

impl<'a> MessageWriter<'a> {
    /// Starts a message at the front of `buffer`.
    ///
    /// Requests and indications may take [`REQUEST_BYTES_IPV4`] bytes; see [`MessageWriter::limit`].
    #[inline]
    pub fn new(buffer: &'a mut [u8], class: Class, method: Method, id: TransactionId) -> Self {
        let limit = match class {
            Class::Request | Class::Indication => REQUEST_BYTES_IPV4,
            Class::Success | Class::Error => MAXIMUM_BYTES,
        };
        Self::start(buffer, message_type(class, method), MAGIC_COOKIE, id).limit(limit)
    }

    /// Starts the response to `request`: its method, its id, and its lack of a cookie if it is one of RFC 3489.
    ///
    /// `class` is [`Class::Success`] or [`Class::Error`].
    #[inline]
    pub fn response(buffer: &'a mut [u8], class: Class, request: &Message<'_>) -> Self {
        let cookie = request.bytes.get(4..8).unwrap_or_default();
        let cookie = u32::from_be_bytes(cookie.try_into().unwrap_or_default());
        let kind = message_type(class, request.method());
        Self::start(buffer, kind, cookie, request.transaction_id())
    }

    #[inline]
    fn start(buffer: &'a mut [u8], kind: u16, cookie: u32, id: TransactionId) -> Self {
        if let Some((header, _)) = buffer.split_first_chunk_mut::<HEADER_BYTES>() {
            let [t0, t1] = kind.to_be_bytes();
            let [c0, c1, c2, c3] = cookie.to_be_bytes();
            let [i0, i1, i2, i3, i4, i5, i6, i7, i8, i9, i10, i11] = *id.as_bytes();
            *header = [
                t0, t1, 0, 0, c0, c1, c2, c3, i0, i1, i2, i3, i4, i5, i6, i7, i8, i9, i10, i11,
            ];
        }
        Self {
            buffer,
            length: HEADER_BYTES,
            limit: MAXIMUM_BYTES,
            id,
            unsupported: false,
            stage: PhantomData,
        }
    }

    /// Allows a message of `bytes`, such as [`REQUEST_BYTES_IPV6`] or more on a known path or a stream.
    #[inline]
    pub const fn limit(mut self, bytes: usize) -> Self {
        self.limit = if bytes < MAXIMUM_BYTES {
            bytes
        } else {
            MAXIMUM_BYTES
        };
        self
    }

    /// Adds an attribute.
    #[inline]
    #[expect(single_use_lifetimes, reason = "stable Rust has no anonymous one here")]
    pub fn attribute<'v>(mut self, attribute: &impl Attribute<'v>) -> Self {
        self.put(attribute);
        self
    }

    /// Adds an attribute if there is one.
    #[inline]
    #[expect(single_use_lifetimes, reason = "stable Rust has no anonymous one here")]
    pub fn attribute_if<'v>(mut self, attribute: Option<&impl Attribute<'v>>) -> Self {
        if let Some(attribute) = attribute {
            self.put(attribute);
        }
        self
    }

    /// Adds an attribute by number and value, such as one that is forwarded without being understood.
    ///
    /// It is the caller's duty not to write an integrity or FINGERPRINT this way.
    #[inline]
    pub fn raw(mut self, kind: AttributeType, value: &[u8]) -> Self {
        if let Some(target) = self.value(kind, value.len()) {
            target.copy_from_slice(value);
        }
        self
    }

    /// Adds MESSAGE-INTEGRITY, the HMAC-SHA1 of all before it.
    #[inline]
    pub fn integrity<P: Provider>(mut self, key: &Key<P>) -> MessageWriter<'a, Signed> {
        self.sign(AttributeType::MESSAGE_INTEGRITY, 20, |bytes| {
            key.mac_sha1(&[bytes])
        });
        self.stage()
    }

    /// Adds one integrity, of the kind that is given: for a reply, that of the request (RFC 8489 section 9.1.3).
    #[inline]
    pub fn integrity_as<P: Provider>(
        self,
        integrity: Integrity,
        key: &Key<P>,
    ) -> MessageWriter<'a, SignedSha256> {
        match integrity {
            Integrity::Sha1 => self.integrity(key).stage(),
            Integrity::Sha256 => self.integrity_sha256(key),
        }
    }

    /// Ends the attributes without an integrity, where a type has to be the same with and without one.
    #[inline]
    pub fn unsigned(self) -> MessageWriter<'a, SignedSha256> {
        self.stage()
    }
}

/// A stage that MESSAGE-INTEGRITY-SHA256 may follow.
pub trait BeforeSha256: private::Stage {}
impl BeforeSha256 for Open {}
impl BeforeSha256 for Signed {}

/// A stage that FINGERPRINT may follow.
pub trait BeforeFingerprint: private::Stage {}
impl BeforeFingerprint for Open {}
impl BeforeFingerprint for Signed {}
impl BeforeFingerprint for SignedSha256 {}

mod private {
    #[expect(unnameable_types, reason = "it seals the traits of the stages")]
    pub trait Stage {}
    impl Stage for super::Open {}
    impl Stage for super::Signed {}
    impl Stage for super::SignedSha256 {}
}

impl<'a, S: BeforeSha256> MessageWriter<'a, S> {
    /// Adds MESSAGE-INTEGRITY-SHA256, the whole HMAC-SHA256 of all before it.
    #[inline]
    pub fn integrity_sha256<P: Provider>(
        mut self,
        key: &Key<P>,
    ) -> MessageWriter<'a, SignedSha256> {
        self.sign(AttributeType::MESSAGE_INTEGRITY_SHA256, 32, |bytes| {
            Some(key.mac_sha256(&[bytes]))
        });
        self.stage()
    }
}

impl<'a, S: BeforeFingerprint> MessageWriter<'a, S> {
    /// Adds FINGERPRINT, after which nothing may follow.
    #[inline]
    pub fn fingerprint(self) -> MessageWriter<'a, Sealed> {
        self.fingerprint_with::<RustCrypto>()
    }

    /// The same with another provider of the CRC.
    #[inline]
    pub fn fingerprint_with<P: Provider>(mut self) -> MessageWriter<'a, Sealed> {
        let end = self.length;
        self.set_length(end.saturating_add(FINGERPRINT_BYTES));
        let crc = self.buffer.get(..end).map(P::crc32);
        let value = crc.unwrap_or_default() ^ FINGERPRINT_MASK;
        if let Some(target) = self.value(AttributeType::FINGERPRINT, 4) {
            target.copy_from_slice(&value.to_be_bytes());
        }
        self.stage()
    }
}

impl<'a, S> MessageWriter<'a, S> {
    /// Bytes of the message so far, padding included.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Never: a message has a header.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Ends the message; gives its bytes, which lie at the front of the buffer.
    ///
    /// # Errors
    /// [`BuildError`]: what lies in the buffer is not a message.
    #[inline]
    pub fn finish(mut self) -> Result<&'a [u8], BuildError> {
        let (need, have) = (self.length, self.buffer.len());
        if self.unsupported {
            return Err(BuildError::UnsupportedIntegrity);
        }
        if need > self.limit {
            return Err(BuildError::TooLong {
                need,
                limit: self.limit,
            });
        }
        self.set_length(need);
        match self.buffer.split_at_checked(need) {
            Some((message, _)) => Ok(message),
            None => Err(BuildError::NoSpace { need, have }),
        }
    }

    #[inline]
    fn put<'v, A: Attribute<'v>>(&mut self, attribute: &A) {
        let id = self.id;
        if let Some(value) = self.value(A::TYPE, attribute.encoded_len()) {
            attribute.encode(value, &id);
        }
    }

    /// Writes header and padding of an attribute; gives the place of its value, if there is room.
    #[inline]
    fn value(&mut self, kind: AttributeType, length: usize) -> Option<&mut [u8]> {
        let at = self.length;
        let end = at
            .saturating_add(ATTRIBUTE_HEADER_BYTES)
            .saturating_add(padded(length));
        self.length = end;
        // A value above 64 KiB makes the message too long, which `finish` reports.
        let [l0, l1] = u16::try_from(length).ok()?.to_be_bytes();
        let [t0, t1] = kind.number().to_be_bytes();
        let attribute = self.buffer.get_mut(at..end)?;
        let (header, value) = attribute.split_first_chunk_mut::<ATTRIBUTE_HEADER_BYTES>()?;
        *header = [t0, t1, l0, l1];
        let (value, padding) = value.split_at_mut_checked(length)?;
        padding.fill(0);
        Some(value)
    }

    /// Adds the MAC of what is written so far, with the length that includes it in the header.
    #[inline]
    fn sign<const N: usize>(
        &mut self,
        kind: AttributeType,
        length: usize,
        mac: impl FnOnce(&[u8]) -> Option<[u8; N]>,
    ) {
        let end = self.length;
        let with_mac = end
            .saturating_add(ATTRIBUTE_HEADER_BYTES)
            .saturating_add(length);
        self.set_length(with_mac);
        let mac = self.buffer.get(..end).map(mac);
        if matches!(mac, Some(None)) {
            self.unsupported = true;
        }
        if let (Some(target), Some(Some(mac))) = (self.value(kind, length), mac) {
            target.copy_from_slice(&mac);
        }
    }

    /// Writes the length of a message of `bytes` into the header.
    #[inline]
    fn set_length(&mut self, bytes: usize) {
        let length = u16::try_from(bytes.saturating_sub(HEADER_BYTES)).unwrap_or(u16::MAX);
        if let Some([_, _, l0, l1]) = self.buffer.first_chunk_mut::<4>() {
            [*l0, *l1] = length.to_be_bytes();
        }
    }

    #[inline]
    fn stage<T>(self) -> MessageWriter<'a, T> {
        MessageWriter {
            buffer: self.buffer,
            length: self.length,
            limit: self.limit,
            id: self.id,
            unsupported: self.unsupported,
            stage: PhantomData,
        }
    }
}
