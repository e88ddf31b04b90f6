//! Credentials of limited validity that a service makes and a TURN server checks without asking it: [`RestSecret`].
//!
//! This is the scheme of draft-uberti-behave-turn-rest: the name is the second at which it expires, a colon and an id;
//! the password is the base64 of the HMAC of that name. coturn has it as `use-auth-secret`.

use super::base64;
use crate::crypto::{Hmac, Password, Provider, RustCrypto};
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

/// A secret that a service and its TURN servers share.
pub struct RestSecret<P: Provider = RustCrypto> {
    sha1: Option<P::HmacSha1>,
    sha256: P::HmacSha256,
}

/// Why a name of limited validity is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RestError {
    /// It does not begin with a number and a colon.
    #[error("not a name of limited validity")]
    NotTimed,
    /// It has expired.
    #[error("expired")]
    Expired,
    /// It is valid for longer than such names may be.
    #[error("valid for too long")]
    TooLong,
}

impl<P: Provider> RestSecret<P> {
    /// How wrong the clocks of service and server may be.
    pub const CLOCK_SKEW: Duration = Duration::from_secs(60);
    /// The longest that a name may be valid.
    pub const MAXIMUM_LIFETIME: Duration = Duration::from_secs(24 * 3600);

    /// The secret with these bytes.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self {
            sha1: P::hmac_sha1(secret),
            sha256: P::hmac_sha256(secret),
        }
    }

    /// The name of `id`, valid until `expires_unix`, in seconds since 1970.
    #[must_use]
    pub fn username(expires_unix: u64, id: &str) -> String {
        format!("{expires_unix}:{id}")
    }

    /// The password of a name as everybody has it, with HMAC-SHA1; `None` where SHA-1 must not be.
    #[must_use]
    pub fn password_sha1(&self, username: &str) -> Option<Password> {
        let hmac = self.sha1.as_ref()?;
        let password = base64::padded(&hmac.mac(&[username.as_bytes()]));
        Some(Password::new(password))
    }

    /// The password of a name with HMAC-SHA256, which few have.
    #[must_use]
    pub fn password_sha256(&self, username: &str) -> Password {
        let mac = self.sha256.mac(&[username.as_bytes()]);
        Password::new(base64::padded(&mac))
    }

    /// Checks at `now_unix` that a name is valid; gives the id in it.
    ///
    /// # Errors
    /// [`RestError`]: answer as for an unknown user.
    pub fn check_username(now_unix: u64, username: &str) -> Result<&str, RestError> {
        let (expires, id) = username.split_once(':').ok_or(RestError::NotTimed)?;
        // `parse` alone would also take a plus sign.
        if !expires.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(RestError::NotTimed);
        }
        let expires: u64 = expires.parse().map_err(|_| RestError::NotTimed)?;
        let skew = Self::CLOCK_SKEW.as_secs();
        if expires.saturating_add(skew) < now_unix {
            return Err(RestError::Expired);
        }
        let longest = Self::MAXIMUM_LIFETIME.as_secs().saturating_add(skew);
        if expires > now_unix.saturating_add(longest) {
            return Err(RestError::TooLong);
        }
        Ok(id)
    }
}

impl<P: Provider> fmt::Debug for RestSecret<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RestSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // req: HS-9
    #[test]
    fn names_and_passwords_are_those_of_the_vectors() {
        let vectors = include_str!("../../tests/vectors/stun.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).expect("json");
        for case in vectors["rest_credentials"].as_array().expect("a list") {
            let text = |name: &str| case[name].as_str().expect("a text");
            let secret: RestSecret = RestSecret::new(text("secret").as_bytes());
            let (expires, id) = text("username").split_once(':').expect("a colon");
            let expires: u64 = expires.parse().expect("a number");
            let username = RestSecret::<RustCrypto>::username(expires, id);
            assert_eq!(username, text("username"));
            let password = secret.password_sha1(&username).expect("SHA-1 is there");
            assert_eq!(password.expose(), text("password_sha1_base64"));
            let stronger = secret.password_sha256(&username);
            assert_eq!(stronger.expose(), text("password_sha256_base64"));
        }
    }

    // req: HS-9
    #[test]
    fn a_name_is_valid_until_it_expires_and_for_a_day_at_most() {
        let check = |now, name| RestSecret::<RustCrypto>::check_username(now, name);
        assert_eq!(check(1_000_000, "1000000:a:b"), Ok("a:b"));
        assert_eq!(check(1_000_060, "1000000:a"), Ok("a"));
        assert_eq!(check(1_000_061, "1000000:a"), Err(RestError::Expired));
        assert_eq!(check(913_540, "1000000:a"), Ok("a"));
        assert_eq!(check(913_539, "1000000:a"), Err(RestError::TooLong));
        for name in [
            "",
            "a",
            "1000000",
            "+1000000:a",
            "-1:a",
            ":a",
            "99999999999999999999:a",
        ] {
            assert_eq!(check(1_000_000, name), Err(RestError::NotTimed), "{name}");
        }
        assert!(check(u64::MAX, "1:a").is_err());
    }
}
