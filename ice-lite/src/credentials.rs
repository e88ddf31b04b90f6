//! The name and the password of a session: [`Credentials`].

use crate::candidate::is_ice_char;
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use proto_core::SeedRng;

/// Username fragment and password of one side (RFC 8445 section 5.3).
///
/// Both are ice-chars: letters, digits, `+` and `/`. The password does not show in [`Debug`](core::fmt::Debug).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The fragment and the password.
    text: Box<str>,
    /// Characters of the fragment.
    split: usize,
}

/// Why credentials are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// Not 4 to 256 ice-chars.
    #[error("the username fragment is not 4 to 256 letters, digits, + and /")]
    BadUfrag,
    /// Not 22 to 256 ice-chars.
    #[error("the password is not 22 to 256 letters, digits, + and /")]
    BadPassword,
}

impl Credentials {
    /// Longest fragment and password, in characters.
    pub const MOST_CHARS: usize = 256;
    /// Characters of a random fragment: 48 bits.
    pub const UFRAG_CHARS: usize = 8;
    /// Characters of a random password: 144 bits.
    pub const PASSWORD_CHARS: usize = 24;

    /// The given fragment and password.
    ///
    /// # Errors
    /// If one of them is too short, too long, or has other characters.
    pub fn new(ufrag: &str, password: &str) -> Result<Self, CredentialsError> {
        let good = |text: &str, least: usize| {
            (least..=Self::MOST_CHARS).contains(&text.len()) && text.bytes().all(is_ice_char)
        };
        if !good(ufrag, 4) {
            return Err(CredentialsError::BadUfrag);
        }
        if !good(password, 22) {
            return Err(CredentialsError::BadPassword);
        }
        let mut text = String::with_capacity(ufrag.len() + password.len());
        text.push_str(ufrag);
        text.push_str(password);
        Ok(Self {
            text: text.into(),
            split: ufrag.len(),
        })
    }

    /// New ones, of 48 and 144 random bits.
    #[must_use]
    pub fn random(rng: &mut SeedRng) -> Self {
        let chars = 0..Self::UFRAG_CHARS + Self::PASSWORD_CHARS;
        let chars = chars.map(|_| char::from(ICE_CHARS[(rng.next_u32() & 63) as usize]));
        Self {
            text: chars.collect(),
            split: Self::UFRAG_CHARS,
        }
    }

    /// The username fragment.
    #[must_use]
    pub fn ufrag(&self) -> &str {
        &self.text[..self.split]
    }

    /// The password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.text[self.split..]
    }
}

const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("ufrag", &self.ufrag())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn random_credentials_are_valid_and_differ_and_hide_the_password() {
        let mut rng = SeedRng::new([1; 32]);
        let (one, other) = (Credentials::random(&mut rng), Credentials::random(&mut rng));
        assert_ne!(one, other);
        assert_eq!(
            Credentials::new(one.ufrag(), one.password()).as_ref(),
            Ok(&one)
        );
        assert!(!format!("{one:?}").contains(one.password()));
    }

    // req: HG-10
    #[test]
    fn every_bit_of_random_credentials_varies() {
        let mut rng = SeedRng::new([2; 32]);
        let mut seen = [[false; 128]; Credentials::UFRAG_CHARS + Credentials::PASSWORD_CHARS];
        for _ in 0..4000 {
            let credentials = Credentials::random(&mut rng);
            let text = format!("{}{}", credentials.ufrag(), credentials.password());
            for (position, byte) in text.bytes().enumerate() {
                seen[position][usize::from(byte)] = true;
            }
        }
        for position in seen {
            assert_eq!(position.iter().filter(|&&seen| seen).count(), 64);
        }
    }

    // hostile.json: ufrag_*, pwd_*
    #[test]
    fn short_long_and_strange_credentials_are_refused() {
        let (fragment, password) = ("abcd", "pppppppppppppppppppppp");
        assert!(Credentials::new(fragment, password).is_ok());
        for bad in ["abc", "ab:cd", "ab d", "äbcd", &"a".repeat(257)] {
            assert_eq!(
                Credentials::new(bad, password),
                Err(CredentialsError::BadUfrag)
            );
        }
        for bad in [
            "ppppppppppppppppppppp",
            "pppppppppppppppppppppp x",
            &"p".repeat(257),
        ] {
            assert_eq!(
                Credentials::new(fragment, bad),
                Err(CredentialsError::BadPassword)
            );
        }
    }
}
