//! Keys of messages: [`Key`], [`LongTermKeys`], [`Password`].

use super::{Hmac, Provider, RustCrypto};
use crate::attribute::{Algorithm, UserHash};
use alloc::string::String;
use core::fmt;
use zeroize::Zeroizing;

/// What MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256 are made and checked with, prepared for many messages.
///
/// Making one hashes the key twice for each kind of MAC; keep it. Its memory is wiped when it is dropped, and `Debug`
/// shows nothing of it.
///
/// ```
/// use stun_proto::Key;
/// let ice = Key::short_term("VOkJxbRl1RmTxUk/WvJxBt");
/// let turn = Key::long_term_md5("user", "example.org", "secret");
/// assert_eq!(format!("{ice:?}"), "Key(..)");
/// # assert!(turn.is_some());
/// ```
pub struct Key<P: Provider = RustCrypto> {
    sha1: Option<P::HmacSha1>,
    sha256: P::HmacSha256,
}

impl Key {
    /// The key of a short-term credential, as ICE has them: the password itself (RFC 8489 section 9.1.1).
    ///
    /// The password must have gone through OpaqueString; one of letters, digits and ASCII marks is its own result.
    #[must_use]
    pub fn short_term(password: &str) -> Self {
        Self::from_bytes(password.as_bytes())
    }

    /// The key of a long-term credential as all servers since RFC 5389 have it: `MD5(username ":" realm ":" password)`.
    ///
    /// `None` without the feature `legacy-hashes`. All parts must have gone through OpaqueString.
    #[must_use]
    pub fn long_term_md5(username: &str, realm: &str, password: &str) -> Option<Self> {
        Self::long_term(Algorithm::MD5, username, realm, password)
    }

    /// The key of a long-term credential of RFC 8489: `SHA-256(username ":" realm ":" password)`.
    #[must_use]
    pub fn long_term_sha256(username: &str, realm: &str, password: &str) -> Self {
        Self::from_bytes(&sha256::<RustCrypto>(&[username, realm, password])[..])
    }
}

impl<P: Provider> Key<P> {
    /// The key of these bytes, such as a stored hash of a long-term credential.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self {
            sha1: P::hmac_sha1(bytes),
            sha256: P::hmac_sha256(bytes),
        }
    }

    /// The key that `algorithm` derives from a long-term credential (RFC 8489 section 9.2.2).
    ///
    /// `None` if the provider does not have the algorithm. All parts must have gone through OpaqueString.
    #[must_use]
    pub fn long_term(
        algorithm: Algorithm,
        username: &str,
        realm: &str,
        password: &str,
    ) -> Option<Self> {
        match algorithm {
            Algorithm::MD5 => {
                let parts = [username, ":", realm, ":", password].map(str::as_bytes);
                let hash = Zeroizing::new(P::md5(&parts)?);
                Some(Self::from_bytes(&hash[..]))
            }
            Algorithm::SHA256 => {
                let hash = sha256::<P>(&[username, realm, password]);
                Some(Self::from_bytes(&hash[..]))
            }
            _ => None,
        }
    }

    pub(crate) fn mac_sha1(&self, parts: &[&[u8]]) -> Option<[u8; 20]> {
        self.sha1.as_ref().map(|hmac| hmac.mac(parts))
    }

    pub(crate) fn mac_sha256(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.sha256.mac(parts)
    }
}

impl<P: Provider> Clone for Key<P> {
    fn clone(&self) -> Self {
        Self {
            sha1: self.sha1.clone(),
            sha256: self.sha256.clone(),
        }
    }
}

impl<P: Provider> fmt::Debug for Key<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// The SHA-256 of `parts` with colons between them.
fn sha256<P: Provider>(parts: &[&str; 3]) -> Zeroizing<[u8; 32]> {
    let [a, b, c] = parts.map(str::as_bytes);
    Zeroizing::new(P::sha256(&[a, b":", b, b":", c]))
}

impl UserHash {
    /// The hash of `username` in `realm`, both after OpaqueString.
    #[must_use]
    pub fn of(username: &str, realm: &str) -> Self {
        Self::of_with::<RustCrypto>(username, realm)
    }

    /// The same with another provider.
    #[must_use]
    pub fn of_with<P: Provider>(username: &str, realm: &str) -> Self {
        Self(P::sha256(&[username.as_bytes(), b":", realm.as_bytes()]))
    }
}

/// The keys of one long-term credential, one for each algorithm that a client may choose.
///
/// A server keeps these and not the password: they work in one realm only.
#[derive(Clone, Debug)]
pub struct LongTermKeys<P: Provider = RustCrypto> {
    md5: Option<Key<P>>,
    sha256: Key<P>,
}

impl LongTermKeys {
    /// The keys of this user in this realm; all parts after OpaqueString.
    #[must_use]
    pub fn new(username: &str, realm: &str, password: &str) -> Self {
        Self::derive(username, realm, password)
    }
}

impl<P: Provider> LongTermKeys<P> {
    /// [`LongTermKeys::new`] with another provider.
    #[must_use]
    pub fn derive(username: &str, realm: &str, password: &str) -> Self {
        Self {
            md5: Key::long_term(Algorithm::MD5, username, realm, password),
            sha256: Key::from_bytes(&sha256::<P>(&[username, realm, password])[..]),
        }
    }

    /// The key for `algorithm`, if there is one.
    #[must_use]
    pub const fn key(&self, algorithm: Algorithm) -> Option<&Key<P>> {
        match algorithm {
            Algorithm::MD5 => self.md5.as_ref(),
            Algorithm::SHA256 => Some(&self.sha256),
            _ => None,
        }
    }
}

/// A password: wiped when it is dropped, and not shown by `Debug`.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes over this password.
    #[must_use]
    pub fn new(password: impl Into<String>) -> Self {
        Self(Zeroizing::new(password.into()))
    }

    /// The password in clear.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Password {
    /// In a time that depends on the lengths only.
    fn eq(&self, other: &Self) -> bool {
        super::equal(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl Eq for Password {}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl From<&str> for Password {
    fn from(password: &str) -> Self {
        Self::new(password)
    }
}

impl From<String> for Password {
    fn from(password: String) -> Self {
        Self::new(password)
    }
}
