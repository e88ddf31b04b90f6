//! Why a request was refused: [`ErrorCode`], [`AddressErrorCode`], [`UnknownAttributes`].

use super::{Attribute, AttributeError, AttributeType, TooLong};
use crate::message::TransactionId;
use core::fmt;

/// Bytes of a reason that are read.
const READ_REASON_BYTES: usize = 763;
/// Bytes of a reason that are written.
const WRITE_REASON_BYTES: usize = 509;
/// Characters of a reason that are written.
const WRITE_REASON_CHARACTERS: usize = 127;

/// The number of an error, 300 to 699 (RFC 8489 section 14.8).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorNumber(u16);

macro_rules! errors {
    ($($name:ident = $number:literal, $text:literal, $doc:literal;)+) => {
        impl ErrorNumber {
            $(#[doc = $doc]
            pub const $name: Self = Self($number);)+

            /// The phrase that goes with it in the registry; empty if it is not registered.
            #[must_use]
            pub const fn phrase(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                    _ => "",
                }
            }
        }
    };
}

errors! {
    TRY_ALTERNATE = 300, "Try Alternate", "300: ask the server in ALTERNATE-SERVER.";
    BAD_REQUEST = 400, "Bad Request", "400: the request makes no sense.";
    UNAUTHENTICATED = 401, "Unauthenticated", "401: credentials are missing or wrong.";
    FORBIDDEN = 403, "Forbidden", "403: refused by policy.";
    MOBILITY_FORBIDDEN = 405, "Mobility Forbidden", "405: no mobility (RFC 8016).";
    UNKNOWN_ATTRIBUTE = 420, "Unknown Attribute", "420: see UNKNOWN-ATTRIBUTES.";
    ALLOCATION_MISMATCH = 437, "Allocation Mismatch", "437: there is none, or there is one already.";
    STALE_NONCE = 438, "Stale Nonce", "438: again, with this nonce.";
    ADDRESS_FAMILY_NOT_SUPPORTED = 440, "Address Family not Supported", "440: not this family.";
    WRONG_CREDENTIALS = 441, "Wrong Credentials", "441: the allocation is somebody else's.";
    UNSUPPORTED_TRANSPORT_PROTOCOL = 442, "Unsupported Transport Protocol", "442: not this protocol.";
    PEER_ADDRESS_FAMILY_MISMATCH = 443, "Peer Address Family Mismatch", "443: the peer has another family than the allocation.";
    CONNECTION_ALREADY_EXISTS = 446, "Connection Already Exists", "446: connected already (RFC 6062).";
    CONNECTION_TIMEOUT_OR_FAILURE = 447, "Connection Timeout or Failure", "447: the peer was not reached (RFC 6062).";
    ALLOCATION_QUOTA_REACHED = 486, "Allocation Quota Reached", "486: too many allocations of this user.";
    ROLE_CONFLICT = 487, "Role Conflict", "487: both agents have one role (RFC 8445).";
    SERVER_ERROR = 500, "Server Error", "500: try again later.";
    INSUFFICIENT_CAPACITY = 508, "Insufficient Capacity", "508: the server is full.";
}

impl ErrorNumber {
    /// The error with this number; `None` outside 300 to 699.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number < 300 || number > 699 {
            return None;
        }
        Some(Self(number))
    }

    /// The number.
    #[must_use]
    #[inline]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Class and rest, as they stand on the wire.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most 6 and 99, for no other can be made"
    )]
    const fn split(self) -> [u8; 2] {
        [(self.0 / 100) as u8, (self.0 % 100) as u8]
    }

    #[inline]
    const fn join(class: u8, rest: u8) -> Option<Self> {
        let class = class & 0x07;
        if class < 3 || class > 6 || rest > 99 {
            return None;
        }
        Some(Self(class as u16 * 100 + rest as u16))
    }
}

impl fmt::Display for ErrorNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.phrase() {
            "" => write!(f, "{}", self.0),
            phrase => write!(f, "{} {phrase}", self.0),
        }
    }
}

impl fmt::Debug for ErrorNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// ERROR-CODE: why a request was refused (RFC 8489 section 14.8).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode<'a> {
    number: ErrorNumber,
    reason: &'a [u8],
}

impl<'a> ErrorCode<'a> {
    /// An error without a reason, the shortest: replies that strangers can trigger should be short.
    #[must_use]
    pub const fn new(number: ErrorNumber) -> Self {
        Self {
            number,
            reason: &[],
        }
    }

    /// An error with a reason for people.
    ///
    /// # Errors
    /// [`TooLong`] above 127 characters or 509 bytes.
    pub fn with_reason(number: ErrorNumber, reason: &'a str) -> Result<Self, TooLong> {
        if reason.len() > WRITE_REASON_BYTES || reason.chars().count() > WRITE_REASON_CHARACTERS {
            return Err(TooLong {
                attribute: Self::TYPE,
                limit: WRITE_REASON_BYTES,
            });
        }
        Ok(Self {
            number,
            reason: reason.as_bytes(),
        })
    }

    /// The number, which is all that logic needs.
    #[must_use]
    #[inline]
    pub const fn number(&self) -> ErrorNumber {
        self.number
    }

    /// The reason for people; `None` if it is not UTF-8. It is a stranger's text: escape it before you show it.
    #[must_use]
    pub const fn reason(&self) -> Option<&'a str> {
        match core::str::from_utf8(self.reason) {
            Ok(reason) => Some(reason),
            Err(_) => None,
        }
    }
}

impl fmt::Debug for ErrorCode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("ErrorCode");
        debug.field(&self.number).field(&self.reason()).finish()
    }
}

impl<'a> Attribute<'a> for ErrorCode<'a> {
    const TYPE: AttributeType = AttributeType::ERROR_CODE;

    #[inline]
    fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, AttributeError> {
        let Some(([_, _, class, rest], reason)) = value.split_first_chunk() else {
            return Err(AttributeError::length(Self::TYPE));
        };
        if reason.len() > READ_REASON_BYTES {
            return Err(AttributeError::length(Self::TYPE));
        }
        let number = ErrorNumber::join(*class, *rest);
        let number = number.ok_or(AttributeError::value(Self::TYPE))?;
        Ok(Self { number, reason })
    }

    #[inline]
    fn encoded_len(&self) -> usize {
        self.reason.len() + 4
    }

    #[inline]
    fn encode(&self, value: &mut [u8], _: &TransactionId) {
        let [class, rest] = self.number.split();
        if let Some((head, tail)) = value.split_first_chunk_mut() {
            *head = [0, 0, class, rest];
            tail.copy_from_slice(self.reason);
        }
    }
}

/// ADDRESS-ERROR-CODE: why one half of a dual allocation was refused (RFC 8656 section 18.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct AddressErrorCode<'a> {
    /// The family that was refused.
    pub family: super::AddressFamily,
    /// Why.
    pub error: ErrorCode<'a>,
}

impl<'a> AddressErrorCode<'a> {
    /// `family` was refused because of `error`.
    #[must_use]
    pub const fn new(family: super::AddressFamily, error: ErrorCode<'a>) -> Self {
        Self { family, error }
    }
}

impl<'a> Attribute<'a> for AddressErrorCode<'a> {
    const TYPE: AttributeType = AttributeType::ADDRESS_ERROR_CODE;

    fn decode(value: &'a [u8], id: &TransactionId) -> Result<Self, AttributeError> {
        let error = ErrorCode::decode(value, id).map_err(|error| AttributeError {
            attribute: Self::TYPE,
            ..error
        })?;
        let family = value.first().copied().unwrap_or_default();
        Ok(Self {
            family: super::AddressFamily(family),
            error,
        })
    }

    fn encoded_len(&self) -> usize {
        self.error.encoded_len()
    }

    fn encode(&self, value: &mut [u8], id: &TransactionId) {
        self.error.encode(value, id);
        if let Some(first) = value.first_mut() {
            *first = self.family.0;
        }
    }
}

/// UNKNOWN-ATTRIBUTES: what a server did not know (RFC 8489 section 14.13).
///
/// It holds each number once and at most [`UnknownAttributes::LIMIT`] of them; further ones are dropped, also in
/// reading, so that neither memory nor replies grow with what a stranger sends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct UnknownAttributes {
    list: [AttributeType; Self::LIMIT],
    count: usize,
}

impl UnknownAttributes {
    /// Most numbers in a list.
    pub const LIMIT: usize = 16;

    /// Adds `kind`, unless it is there or the list is full.
    pub fn push(&mut self, kind: AttributeType) {
        if self.as_slice().contains(&kind) {
            return;
        }
        if let Some(slot) = self.list.get_mut(self.count) {
            *slot = kind;
            self.count += 1;
        }
    }

    /// The numbers, in the order in which they were found.
    #[must_use]
    pub fn as_slice(&self) -> &[AttributeType] {
        self.list.get(..self.count).unwrap_or_default()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first `count` of them.
    #[must_use]
    pub fn truncated(mut self, count: usize) -> Self {
        self.count = self.count.min(count);
        self
    }
}

impl fmt::Debug for UnknownAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

impl Attribute<'_> for UnknownAttributes {
    const TYPE: AttributeType = AttributeType::UNKNOWN_ATTRIBUTES;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
        let (pairs, []) = value.as_chunks::<2>() else {
            return Err(AttributeError::length(Self::TYPE));
        };
        let mut list = Self::default();
        for pair in pairs {
            list.push(AttributeType::new(u16::from_be_bytes(*pair)));
        }
        Ok(list)
    }

    fn encoded_len(&self) -> usize {
        self.count * 2
    }

    fn encode(&self, value: &mut [u8], _: &TransactionId) {
        let (pairs, _) = value.as_chunks_mut::<2>();
        for (pair, kind) in pairs.iter_mut().zip(self.as_slice()) {
            *pair = kind.number().to_be_bytes();
        }
    }
}
