//! Hashes and MACs: the trait [`Provider`], the default [`RustCrypto`], and [`Key`].
//!
//! Everything that hashes takes a type parameter for it with [`RustCrypto`] as default, so a program that needs an
//! accelerated or certified implementation brings its own and nobody else sees the parameter.

mod key;
mod rust_crypto;

pub use key::{Key, LongTermKeys, Password};
pub use rust_crypto::{Prepared, RustCrypto};

/// Where hashes and MACs come from.
pub trait Provider: Sized {
    /// HMAC-SHA1, of MESSAGE-INTEGRITY; [`Unsupported`] where it must not be.
    type HmacSha1: Hmac<20>;
    /// HMAC-SHA256, of MESSAGE-INTEGRITY-SHA256.
    type HmacSha256: Hmac<32>;

    /// Prepares a key of any length for HMAC-SHA1; `None` where it must not be.
    fn hmac_sha1(key: &[u8]) -> Option<Self::HmacSha1>;

    /// Prepares a key of any length for HMAC-SHA256.
    fn hmac_sha256(key: &[u8]) -> Self::HmacSha256;

    /// The MD5 of all `parts` in a row, of old long-term keys; `None` where it must not be.
    fn md5(parts: &[&[u8]]) -> Option<[u8; 16]>;

    /// The SHA-256 of all `parts` in a row.
    fn sha256(parts: &[&[u8]]) -> [u8; 32];

    /// The CRC-32 of ISO 3309 of `bytes` (reflected, all ones before and after), of FINGERPRINT.
    fn crc32(bytes: &[u8]) -> u32;
}

/// A keyed hash of `N` bytes. A value holds one key, prepared as far as it can be: it is used for many messages.
pub trait Hmac<const N: usize>: Clone {
    /// The MAC of all `parts` in a row.
    fn mac(&self, parts: &[&[u8]]) -> [u8; N];
}

/// A keyed hash that is not there.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "it has no values")]
pub enum Unsupported {}

impl<const N: usize> Hmac<N> for Unsupported {
    fn mac(&self, _: &[&[u8]]) -> [u8; N] {
        match *self {}
    }
}

/// Compares in a time that depends on the lengths only.
#[inline]
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    subtle::ConstantTimeEq::ct_eq(a, b).into()
}
