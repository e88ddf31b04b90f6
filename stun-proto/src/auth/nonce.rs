//! Nonces that a server need not remember: [`NonceIssuer`] (RFC 8489 sections 9.2 and 18.1).

use super::base64;
use crate::crypto::{Hmac, Provider, RustCrypto, equal};
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use proto_core::Instant;
use zeroize::Zeroizing;

/// What every nonce of RFC 8489 begins with.
const COOKIE: &[u8; 9] = b"obMatJos2";
/// Cookie and features.
const PREFIX: usize = 13;
/// Time and MAC.
const PROOF: usize = 14;
/// Time and MAC in base64.
const PROOF_DIGITS: usize = 19;

/// What a nonce says about its server in its first 13 characters (RFC 8489 section 9.2).
///
/// They are there so that nobody can take PASSWORD-ALGORITHMS out of a challenge unseen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct NonceFeatures {
    /// The server offers PASSWORD-ALGORITHMS: bit 0.
    pub password_algorithms: bool,
    /// The server understands USERHASH: bit 1.
    pub username_anonymity: bool,
}

impl NonceFeatures {
    /// Features of a server that speaks RFC 5389 only.
    pub const NONE: Self = Self {
        password_algorithms: false,
        username_anonymity: false,
    };

    /// Reads them from a nonce; `None` if it does not begin with the cookie, as those of RFC 5389 servers do not.
    ///
    /// Bits without a meaning are ignored.
    #[must_use]
    pub fn of(nonce: &str) -> Option<Self> {
        let (cookie, rest) = nonce.as_bytes().split_first_chunk::<9>()?;
        if cookie != COOKIE {
            return None;
        }
        let [high, ..] = base64::decode::<3>(rest.get(..4)?)?;
        Some(Self {
            password_algorithms: high & 0x80 != 0,
            username_anonymity: high & 0x40 != 0,
        })
    }

    /// The 13 characters that a nonce with these features begins with.
    #[must_use]
    pub fn cookie(self) -> [u8; PREFIX] {
        let mut text = [0; PREFIX];
        let (cookie, features) = text.split_at_mut(COOKIE.len());
        cookie.copy_from_slice(COOKIE);
        base64::encode(&[self.bits(), 0, 0], features);
        text
    }

    fn bits(self) -> u8 {
        (u8::from(self.password_algorithms) << 7) | (u8::from(self.username_anonymity) << 6)
    }
}

/// What a nonce in a request is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a server must handle each")]
pub enum NonceState {
    /// It was issued to this sender, and not too long ago.
    Valid,
    /// It was issued to this sender, longer ago than nonces live.
    Expired,
    /// It was not issued to this sender by anybody with this secret.
    Foreign,
}

/// Makes nonces and recognizes them, without remembering any.
///
/// A nonce is the cookie, the second of its issue and 96 bits of HMAC-SHA256 over that second, the sender's address and
/// port, and the features; 32 characters. So it is worth nothing to anybody else, and a flood of first requests stores
/// nothing. Each hour has a key of its own, derived from the secret; the one before is accepted as long as a nonce
/// lives.
///
/// Servers that share a secret accept each other's nonces, if their `now` count from the same epoch, such as that of
/// Unix. It uses 240 bytes.
pub struct NonceIssuer<P: Provider = RustCrypto> {
    secret: Zeroizing<[u8; 32]>,
    lifetime: Duration,
    features: NonceFeatures,
    /// The keys of two hours, by number.
    keys: [Option<(u64, P::HmacSha256)>; 2],
}

impl<P: Provider> NonceIssuer<P> {
    /// How long a nonce lives if nothing else is asked for.
    pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);
    /// The longest that a nonce can live, and how long a key is used.
    pub const MAXIMUM_LIFETIME: Duration = Duration::from_secs(3600);
    /// Characters of a nonce.
    pub const CHARACTERS: usize = PREFIX + PROOF_DIGITS;

    /// An issuer of nonces that live `lifetime`, 1 s to [`MAXIMUM_LIFETIME`](Self::MAXIMUM_LIFETIME).
    #[must_use]
    pub fn new(secret: [u8; 32], lifetime: Duration, features: NonceFeatures) -> Self {
        Self {
            secret: Zeroizing::new(secret),
            lifetime: lifetime.clamp(Duration::from_secs(1), Self::MAXIMUM_LIFETIME),
            features,
            keys: [None, None],
        }
    }

    /// What its nonces say about the server.
    #[must_use]
    pub const fn features(&self) -> NonceFeatures {
        self.features
    }

    /// A nonce for `from`.
    pub fn issue(&mut self, now: Instant, from: SocketAddr) -> IssuedNonce {
        let second = seconds(now);
        let mut proof = [0; PROOF];
        let (time, mac) = proof.split_at_mut(2);
        time.copy_from_slice(&low_bits(second));
        mac.copy_from_slice(&self.mac(second, from));
        let mut text = [0; PREFIX + PROOF_DIGITS];
        let (prefix, digits) = text.split_at_mut(PREFIX);
        prefix.copy_from_slice(&self.features.cookie());
        base64::encode(&proof, digits);
        IssuedNonce(text)
    }

    /// What `nonce`, in a request from `from`, is worth.
    pub fn check(&mut self, now: Instant, from: SocketAddr, nonce: &str) -> NonceState {
        let Some((prefix, digits)) = nonce.as_bytes().split_at_checked(PREFIX) else {
            return NonceState::Foreign;
        };
        let Some(proof) = base64::decode::<PROOF>(digits) else {
            return NonceState::Foreign;
        };
        let [t0, t1, mac @ ..] = proof;
        // The latest second with these low bits: a nonce does not live for the 18 hours after which they repeat.
        let second = seconds(now);
        let [n0, n1] = low_bits(second);
        let age = u16::from_be_bytes([n0, n1]).wrapping_sub(u16::from_be_bytes([t0, t1]));
        let age = u64::from(age);
        let fits = match second.checked_sub(age) {
            Some(issued) => equal(&self.mac(issued, from), &mac),
            None => false,
        };
        if !fits || prefix != self.features.cookie() {
            NonceState::Foreign
        } else if Duration::from_secs(age) > self.lifetime {
            NonceState::Expired
        } else {
            NonceState::Valid
        }
    }

    fn mac(&mut self, second: u64, from: SocketAddr) -> [u8; 12] {
        let mut ip = [0; 16];
        match from.ip() {
            // The first form is that of an address which cannot send, so the two do not collide.
            IpAddr::V4(v4) => ip[12..].copy_from_slice(&v4.octets()),
            IpAddr::V6(v6) => ip = v6.octets(),
        }
        let parts: [&[u8]; 5] = [
            &second.to_be_bytes(),
            &ip,
            &[u8::from(from.is_ipv6())],
            &from.port().to_be_bytes(),
            &[self.features.bits()],
        ];
        let mac = self.key(second / 3600).mac(&parts);
        let mut short = [0; 12];
        short.copy_from_slice(&mac[..12]);
        short
    }

    /// The key of an hour, kept for the current one and one other.
    fn key(&mut self, hour: u64) -> &P::HmacSha256 {
        let slot = &mut self.keys[usize::from(hour & 1 == 1)];
        if slot.as_ref().is_none_or(|(kept, _)| *kept != hour) {
            let root = P::hmac_sha256(&self.secret[..]);
            let key = Zeroizing::new(root.mac(&[b"nonce", &hour.to_be_bytes()]));
            *slot = Some((hour, P::hmac_sha256(&key[..])));
        }
        let (_, key) = slot.get_or_insert_with(|| (hour, P::hmac_sha256(&[])));
        key
    }
}

impl<P: Provider> fmt::Debug for NonceIssuer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("NonceIssuer");
        debug.field("lifetime", &self.lifetime);
        debug.field("features", &self.features);
        debug.finish_non_exhaustive()
    }
}

/// A nonce that [`NonceIssuer::issue`] made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssuedNonce([u8; PREFIX + PROOF_DIGITS]);

impl IssuedNonce {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn seconds(now: Instant) -> u64 {
    now.as_micros() / 1_000_000
}

fn low_bits(second: u64) -> [u8; 2] {
    let [.., high, low] = second.to_be_bytes();
    [high, low]
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    fn issuer(lifetime: u64) -> NonceIssuer {
        let features = NonceFeatures {
            password_algorithms: true,
            username_anonymity: false,
        };
        NonceIssuer::new([7; 32], Duration::from_secs(lifetime), features)
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1000)
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    // req: S-53
    #[test]
    fn cookies_are_those_of_the_vectors() {
        let vectors = include_str!("../../tests/vectors/stun.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).expect("json");
        for case in vectors["nonce_cookies"].as_array().expect("a list") {
            let has = |bit: u64| {
                let bits = case["bits"].as_array().expect("a list");
                bits.iter().any(|value| value.as_u64() == Some(bit))
            };
            let features = NonceFeatures {
                password_algorithms: has(0),
                username_anonymity: has(1),
            };
            let cookie = case["cookie"].as_str().expect("a text");
            assert_eq!(NonceFeatures::of(cookie), Some(features));
            if !has(22) {
                assert_eq!(features.cookie(), cookie.as_bytes());
            }
        }
        for nonce in [
            "",
            "obMatJos2",
            "obMatJos2AAA",
            "obMatJos3AAAA",
            "obMatJos2AA=A",
        ] {
            assert_eq!(NonceFeatures::of(nonce), None, "{nonce}");
        }
    }

    // req: S-52, HS-8
    #[test]
    fn a_nonce_is_worth_something_to_its_address_for_its_lifetime_only() {
        let mut issuer = issuer(600);
        let from = address("192.0.2.10:40000");
        // Shortly before an hour ends, so that the key changes meanwhile.
        let issued = issuer.issue(at(7_199), from);
        assert_eq!(issued.as_str().len(), NonceIssuer::<RustCrypto>::CHARACTERS);
        assert!(issued.as_str().starts_with("obMatJos2gAAA"));
        for (second, state) in [
            (7_199, NonceState::Valid),
            (7_799, NonceState::Valid),
            (7_800, NonceState::Expired),
            (7_198, NonceState::Foreign),
            (7_199 + 65_536, NonceState::Foreign),
        ] {
            assert_eq!(
                issuer.check(at(second), from, issued.as_str()),
                state,
                "{second}"
            );
        }
        for other in [
            "192.0.2.10:40001",
            "192.0.2.11:40000",
            "[::192.0.2.10]:40000",
            "[::1]:40000",
        ] {
            let state = issuer.check(at(7_200), address(other), issued.as_str());
            assert_eq!(state, NonceState::Foreign, "{other}");
        }
    }

    // req: S-52, HS-8, HX-2
    #[test]
    fn every_prefix_and_every_changed_character_of_a_nonce_is_foreign() {
        let mut issuer = issuer(600);
        let from = address("[2001:db8::1]:9");
        let issued = issuer.issue(at(100), from);
        let text = issued.as_str().to_string();
        for length in 0..text.len() {
            assert_ne!(
                issuer.check(at(100), from, &text[..length]),
                NonceState::Valid
            );
        }
        for place in 0..text.len() {
            for character in 0x20..0x7F_u8 {
                let mut changed = text.clone().into_bytes();
                if changed[place] == character {
                    continue;
                }
                changed[place] = character;
                let changed = String::from_utf8(changed).expect("ASCII");
                assert_ne!(issuer.check(at(100), from, &changed), NonceState::Valid);
            }
        }
        assert_eq!(
            issuer.check(at(100), from, &(text + "A")),
            NonceState::Foreign
        );
    }

    // req: S-52
    #[test]
    fn servers_with_one_secret_accept_each_other_and_strangers_do_not() {
        let from = address("192.0.2.10:40000");
        let issued = issuer(600).issue(at(100), from);
        assert_eq!(
            issuer(600).check(at(101), from, issued.as_str()),
            NonceState::Valid
        );
        let mut stranger =
            NonceIssuer::<RustCrypto>::new([8; 32], Duration::from_secs(600), issuer(1).features());
        assert_eq!(
            stranger.check(at(101), from, issued.as_str()),
            NonceState::Foreign
        );
    }

    // req: S-52
    #[test]
    fn nonces_of_different_senders_differ() {
        let mut issuer = issuer(600);
        let mut nonces: Vec<_> = (1..1000_u16)
            .map(|port| {
                issuer
                    .issue(at(5), SocketAddr::from(([192, 0, 2, 1], port)))
                    .0
            })
            .collect();
        nonces.sort_unstable();
        nonces.dedup();
        assert_eq!(nonces.len(), 999);
    }
}
