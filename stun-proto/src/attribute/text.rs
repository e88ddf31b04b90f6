//! Attributes that hold text (RFC 8489 sections 14.3, 14.9, 14.10, 14.14 and 14.16).

use super::{Attribute, AttributeError, AttributeType, TooLong};
use crate::message::TransactionId;

/// Characters that a text attribute may have where the RFC counts those.
const CHARACTERS: usize = 127;

macro_rules! texts {
    ($($name:ident = $kind:ident, read $read:literal, write $write:literal, $characters:expr, $doc:literal;)+) => {$(
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name<'a>(&'a str);

        impl<'a> $name<'a> {
            /// Most bytes that are accepted when reading.
            pub const READ_BYTES: usize = $read;
            /// Most bytes that are written.
            pub const WRITE_BYTES: usize = $write;

            /// The attribute with this text.
            ///
            /// # Errors
            /// [`TooLong`] if it has more bytes than [`WRITE_BYTES`](Self::WRITE_BYTES), or more characters than
            /// the RFC allows.
            pub fn new(text: &'a str) -> Result<Self, TooLong> {
                let limit: Option<usize> = $characters;
                let characters_fit = limit.is_none_or(|limit| {
                    text.len() <= limit || text.chars().count() <= limit
                });
                if text.len() > Self::WRITE_BYTES || !characters_fit {
                    return Err(TooLong { attribute: Self::TYPE, limit: Self::WRITE_BYTES });
                }
                Ok(Self(text))
            }

            /// The text, as it came: it may hold control characters, so escape it before it reaches a terminal.
            #[must_use]
            #[inline]
            pub const fn as_str(&self) -> &'a str {
                self.0
            }
        }

        impl<'a> Attribute<'a> for $name<'a> {
            const TYPE: AttributeType = AttributeType::$kind;

            #[inline]
            fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, AttributeError> {
                if value.len() > Self::READ_BYTES {
                    return Err(AttributeError::length(Self::TYPE));
                }
                let text = core::str::from_utf8(value);
                text.map(Self).map_err(|_| AttributeError::not_utf8(Self::TYPE))
            }

            #[inline]
            fn encoded_len(&self) -> usize {
                self.0.len()
            }

            #[inline]
            fn encode(&self, value: &mut [u8], _: &TransactionId) {
                value.copy_from_slice(self.0.as_bytes());
            }
        }
    )+};
}

texts! {
    Username = USERNAME, read 508, write 508, None, "USERNAME: who asks; prepared with OpaqueString by whoever made it (RFC 8489 section 14.3).";
    Realm = REALM, read 763, write 509, Some(CHARACTERS), "REALM: the domain of a long-term credential, without quotes (RFC 8489 section 14.9).";
    Nonce = NONCE, read 763, write 509, Some(CHARACTERS), "NONCE: what a server wants to see again in the next request (RFC 8489 section 14.10).";
    Software = SOFTWARE, read 763, write 509, Some(CHARACTERS), "SOFTWARE: the sender's name and version, for people (RFC 8489 section 14.14). Servers should not send it: it makes replies larger and tells attackers the version.";
    AlternateDomain = ALTERNATE_DOMAIN, read 255, write 255, None, "ALTERNATE-DOMAIN: the name that the certificate of the alternate server must have (RFC 8489 section 14.16).";
    ThirdPartyAuthorization = THIRD_PARTY_AUTHORIZATION, read 763, write 509, None, "THIRD-PARTY-AUTHORIZATION: name of the authorization server (RFC 7635 section 6.1).";
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    // req: S-32, S-38, S-41
    #[test]
    fn texts_are_read_and_written_up_to_their_limits() {
        let id = TransactionId::new([0; 12]);
        let text: String = core::iter::repeat_n('a', 764).collect();
        macro_rules! limits {
            ($($name:ident: read $read:literal, write $write:literal;)+) => {$(
                assert!($name::decode(&text.as_bytes()[..$read], &id).is_ok());
                assert!($name::decode(&text.as_bytes()[..$read + 1], &id).is_err());
                assert!($name::new(&text[..$write]).is_ok());
                assert!($name::new(&text[..$write + 1]).is_err());
                let broken = AttributeError::not_utf8($name::TYPE);
                assert_eq!($name::decode(b"a\xff", &id), Err(broken));
            )+};
        }
        limits! {
            Username: read 508, write 508;
            Realm: read 763, write 127;
            Nonce: read 763, write 127;
            Software: read 763, write 127;
            AlternateDomain: read 255, write 255;
        }
        // 127 characters of four bytes are the longest that is written where characters count.
        let wide: String = core::iter::repeat_n('\u{1F600}', 127).collect();
        assert_eq!(Realm::new(&wide).map(|realm| realm.as_str().len()), Ok(508));
    }
}
