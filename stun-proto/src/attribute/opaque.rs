//! Attributes whose bytes this crate does not look into.

use super::{Attribute, AttributeError, AttributeType};
use crate::message::TransactionId;

macro_rules! opaque {
    ($($name:ident = $kind:ident, $doc:literal;)+) => {$(
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(clippy::exhaustive_structs, reason = "bytes and nothing else")]
        pub struct $name<'a>(pub &'a [u8]);

        impl<'a> Attribute<'a> for $name<'a> {
            const TYPE: AttributeType = AttributeType::$kind;

            #[inline]
            fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, AttributeError> {
                Ok(Self(value))
            }

            #[inline]
            fn encoded_len(&self) -> usize {
                self.0.len()
            }

            #[inline]
            fn encode(&self, value: &mut [u8], _: &TransactionId) {
                value.copy_from_slice(self.0);
            }
        }
    )+};
}

opaque! {
    Data = DATA, "DATA: what a TURN client and its peer tell each other (RFC 8656 section 18.4).";
    Padding = PADDING, "PADDING: bytes without meaning that make a message long (RFC 5780 section 7.6). [`Zeros`] writes one without a source for them.";
    AccessToken = ACCESS_TOKEN, "ACCESS-TOKEN: a token of an authorization server (RFC 7635 section 6.2).";
    MobilityTicket = MOBILITY_TICKET, "MOBILITY-TICKET: an allocation to move (RFC 8016 section 3.1.1).";
}

/// A PADDING of so many zero bytes, for writing (RFC 5780 section 7.6). Reading gives the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a length and nothing else")]
pub struct Zeros(pub usize);

impl Attribute<'_> for Zeros {
    const TYPE: AttributeType = AttributeType::PADDING;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, AttributeError> {
        Ok(Self(value.len()))
    }

    fn encoded_len(&self) -> usize {
        self.0
    }

    fn encode(&self, value: &mut [u8], _: &TransactionId) {
        value.fill(0);
    }
}
