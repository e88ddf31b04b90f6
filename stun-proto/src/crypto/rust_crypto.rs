//! The default provider, in pure Rust: [`RustCrypto`].

use super::{Hmac, Provider};
use hmac::block_api::HmacCore;
use hmac::digest::block_api::{Buffer, CoreProxy};
use hmac::{KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The crates of the RustCrypto project, which use the processor's SHA instructions where it has them, and `crc32fast`.
///
/// Without the feature `legacy-hashes` it has neither MD5 nor SHA-1.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "it has no values")]
pub enum RustCrypto {}

/// A prepared HMAC key: the states of both hashes after the padded key, so a message costs only its own blocks.
///
/// It is those states and nothing else: the block that a hash gathers bytes in belongs to the message.
#[derive(Clone)]
pub struct Prepared<H: CoreProxy>(H::Core);

impl<H: CoreProxy> core::fmt::Debug for Prepared<H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Prepared(..)")
    }
}

fn prepare<H: CoreProxy<Core: KeyInit>>(key: &[u8]) -> Prepared<H> {
    // HMAC takes keys of any length: longer ones are hashed first.
    Prepared(H::Core::new_from_slice(key).expect("HMAC takes any key"))
}

macro_rules! prepared {
    ($hash:ty, $bytes:literal) => {
        impl Hmac<$bytes> for Prepared<hmac::Hmac<$hash>> {
            #[inline]
            fn mac(&self, parts: &[&[u8]]) -> [u8; $bytes] {
                let block = Buffer::<HmacCore<$hash>>::default();
                let mut hmac = hmac::Hmac::<$hash>::compose(self.0.clone(), block);
                parts.iter().for_each(|part| hmac.update(part));
                hmac.finalize().into_bytes().into()
            }
        }
    };
}

prepared!(Sha256, 32);
#[cfg(feature = "legacy-hashes")]
prepared!(sha1::Sha1, 20);

impl Provider for RustCrypto {
    #[cfg(feature = "legacy-hashes")]
    type HmacSha1 = Prepared<hmac::Hmac<sha1::Sha1>>;
    #[cfg(not(feature = "legacy-hashes"))]
    type HmacSha1 = super::Unsupported;
    type HmacSha256 = Prepared<hmac::Hmac<Sha256>>;

    #[cfg(feature = "legacy-hashes")]
    fn hmac_sha1(key: &[u8]) -> Option<Self::HmacSha1> {
        Some(prepare(key))
    }

    #[cfg(not(feature = "legacy-hashes"))]
    fn hmac_sha1(_: &[u8]) -> Option<Self::HmacSha1> {
        None
    }

    fn hmac_sha256(key: &[u8]) -> Self::HmacSha256 {
        prepare(key)
    }

    #[cfg(feature = "legacy-hashes")]
    fn md5(parts: &[&[u8]]) -> Option<[u8; 16]> {
        let mut hash = md5::Md5::new();
        parts.iter().for_each(|part| hash.update(part));
        Some(hash.finalize().into())
    }

    #[cfg(not(feature = "legacy-hashes"))]
    fn md5(_: &[&[u8]]) -> Option<[u8; 16]> {
        None
    }

    fn sha256(parts: &[&[u8]]) -> [u8; 32] {
        let mut hash = Sha256::new();
        parts.iter().for_each(|part| hash.update(part));
        hash.finalize().into()
    }

    #[inline]
    fn crc32(bytes: &[u8]) -> u32 {
        crc32fast::hash(bytes)
    }
}
