//! Attributes (RFC 8489 section 14): the trait [`Attribute`], numbers, and one type for each that is registered.
//!
//! The set is open: another crate implements [`Attribute`] for its own type, and
//! [`Message::get`](crate::Message::get) and [`MessageWriter::attribute`](crate::MessageWriter::attribute) take it
//! like those here.
//!
//! ```
//! use stun_proto::attribute::{Attribute, AttributeError, AttributeType};
//! use stun_proto::{Class, Message, MessageWriter, Method, TransactionId};
//!
//! /// How many frames a second the game runs at.
//! #[derive(Debug, PartialEq)]
//! struct FrameRate(u16);
//!
//! impl Attribute<'_> for FrameRate {
//!     const TYPE: AttributeType = AttributeType::new(0xC123);
//!
//!     fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
//!         let value = <[u8; 2]>::try_from(value).map_err(|_| AttributeError::length(Self::TYPE))?;
//!         Ok(Self(u16::from_be_bytes(value)))
//!     }
//!
//!     fn encoded_len(&self) -> usize {
//!         2
//!     }
//!
//!     fn encode(&self, value: &mut [u8], _: &TransactionId) {
//!         value.copy_from_slice(&self.0.to_be_bytes());
//!     }
//! }
//!
//! let mut buffer = [0; 100];
//! let id = TransactionId::new([7; 12]);
//! let bytes = MessageWriter::new(&mut buffer, Class::Indication, Method::BINDING, id)
//!     .attribute(&FrameRate(60))
//!     .finish()?;
//! assert_eq!(Message::parse(bytes)?.get::<FrameRate>()?, Some(FrameRate(60)));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod address;
mod algorithm;
mod error_code;
mod fixed;
mod kind;
mod opaque;
mod table;
mod text;

use crate::message::TransactionId;

pub use address::{
    AlternateServer, MappedAddress, OtherAddress, ResponseOrigin, XorMappedAddress, XorPeerAddress,
    XorRelayedAddress,
};
pub use algorithm::{
    Algorithm, PasswordAlgorithm, PasswordAlgorithmEntry, PasswordAlgorithms, UserHash,
};
pub use error_code::{AddressErrorCode, ErrorCode, ErrorNumber, UnknownAttributes};
pub use fixed::{
    AdditionalAddressFamily, AddressFamily, CacheTimeout, ChangeRequest, ChannelNumber,
    ConnectionId, DontFragment, EvenPort, IceControlled, IceControlling, Icmp, Lifetime, Priority,
    RequestedAddressFamily, RequestedTransport, ReservationToken, ResponsePort,
    TransactionTransmitCounter, UseCandidate,
};
pub use kind::AttributeType;
pub use opaque::{AccessToken, Data, MobilityTicket, Padding, Zeros};
pub use text::{AlternateDomain, Nonce, Realm, Software, ThirdPartyAuthorization, Username};

pub(crate) use table::{check, known_index};

/// An attribute as a value: how it is read from and written to a message.
pub trait Attribute<'a>: Sized {
    /// Its number.
    const TYPE: AttributeType;

    /// Reads it from its value, which is given without padding.
    ///
    /// `id` is that of the message; XORed IPv6 addresses need it.
    ///
    /// # Errors
    /// [`AttributeError`] if the value does not have the form that the attribute requires.
    fn decode(value: &'a [u8], id: &TransactionId) -> Result<Self, AttributeError>;

    /// Length of the value in bytes, without padding.
    fn encoded_len(&self) -> usize;

    /// Writes the value into `value`, which has exactly [`encoded_len`](Attribute::encoded_len) bytes of old data;
    /// each of them must be written.
    fn encode(&self, value: &mut [u8], id: &TransactionId);
}

/// An attribute as it stands in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawAttribute<'a> {
    /// Its number.
    pub kind: AttributeType,
    /// Its value, without padding.
    pub value: &'a [u8],
}

/// A value that does not have the form that its attribute requires: the verdict `bad attribute`.
///
/// A request with one is answered with 400; anything else with one is dropped; if the attribute is
/// comprehension-optional it is treated as absent instead (RFC 8489 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{attribute}: {kind}")]
#[non_exhaustive]
pub struct AttributeError {
    /// Which attribute.
    pub attribute: AttributeType,
    /// What is wrong with it.
    pub kind: AttributeErrorKind,
}

/// What is wrong with the value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum AttributeErrorKind {
    /// It is shorter or longer than the attribute can be.
    #[error("illegal length")]
    Length,
    /// A field in it has an illegal value.
    #[error("illegal value")]
    Value,
    /// It is a text and not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
}

impl AttributeError {
    /// The value of `attribute` has an illegal length.
    #[must_use]
    pub const fn length(attribute: AttributeType) -> Self {
        Self {
            attribute,
            kind: AttributeErrorKind::Length,
        }
    }

    /// The value of `attribute` has an illegal field.
    #[must_use]
    pub const fn value(attribute: AttributeType) -> Self {
        Self {
            attribute,
            kind: AttributeErrorKind::Value,
        }
    }

    /// The value of `attribute` is not UTF-8.
    #[must_use]
    pub const fn not_utf8(attribute: AttributeType) -> Self {
        Self {
            attribute,
            kind: AttributeErrorKind::NotUtf8,
        }
    }
}

/// A value that the caller gave does not fit into its attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{attribute} can hold {limit} bytes at most")]
#[non_exhaustive]
pub struct TooLong {
    /// Which attribute.
    pub attribute: AttributeType,
    /// The most that it can hold, in bytes.
    pub limit: usize,
}
