//! Credentials at a client: [`ClientAuth`] (RFC 8489 sections 9.1.2, 9.1.4, 9.2.3 and 9.2.5).

use super::nonce::NonceFeatures;
use crate::attribute::{
    Algorithm, ErrorCode, ErrorNumber, Nonce, PasswordAlgorithm, PasswordAlgorithms, Realm,
    TooLong, UserHash, Username,
};
use crate::crypto::{Key, Password, Provider, RustCrypto};
use crate::message::{Class, Integrity, Message, MessageWriter, SignedSha256};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// Why an operation cannot be authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum AuthFailure {
    /// The server refused name or password, also with a fresh nonce.
    #[error("name or password is wrong")]
    WrongCredentials,
    /// The server wants credentials and there are none.
    #[error("the server wants credentials")]
    NoCredentials,
    /// The challenge is incomplete.
    #[error("the challenge is incomplete")]
    BadChallenge,
    /// Somebody took PASSWORD-ALGORITHMS out of the challenge.
    #[error("the challenge was tampered with")]
    Downgrade,
    /// The server has no algorithm that is supported here and strong enough.
    #[error("no common password algorithm")]
    NoAlgorithm,
    /// The server asks for another realm than before, which may be an attempt to learn a password's hash.
    #[error("the server changed its realm")]
    RealmChanged,
    /// Each nonce was stale at once.
    #[error("the server refuses each of its nonces")]
    NonceLoop,
}

/// What a response means for the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a client must handle each")]
pub enum ResponseVerdict {
    /// It is authentic, or needed not to be.
    Accept,
    /// Send the request again, as a new transaction: the credentials have changed.
    Retry,
    /// It may be forged: act as if it had not come, but tell of a violation if nothing better comes.
    Discard,
    /// The operation has failed.
    Fail(AuthFailure),
}

/// What a request was signed with, to check its response.
pub struct Sent<P: Provider = RustCrypto> {
    signature: Option<(Signature, Arc<Key<P>>)>,
}

impl<P: Provider> Sent<P> {
    /// Whether the request was signed, so that its response had to be.
    #[must_use]
    pub const fn is_signed(&self) -> bool {
        self.signature.is_some()
    }
}

impl<P: Provider> Default for Sent<P> {
    fn default() -> Self {
        Self { signature: None }
    }
}

impl<P: Provider> fmt::Debug for Sent<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signature = self.signature.as_ref().map(|(signature, _)| signature);
        f.debug_tuple("Sent").field(&signature).finish()
    }
}

/// How often an operation was refused for its credentials: the guard against loops. One for each operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    challenges: u8,
    stale: u8,
}

/// Stale nonces in a row that an operation survives.
const STALE_NONCES: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signature {
    Sha1,
    Sha256,
    Both,
}

/// The credentials of a client for one server, and what it has learned about how to use them.
///
/// [`apply`](ClientAuth::apply) adds to a request what the server wants to see; [`handle_response`] judges the answer and
/// learns from challenges. Realm, nonce and algorithm are kept, so that only the first request is challenged.
///
/// [`handle_response`]: ClientAuth::handle_response
pub struct ClientAuth<P: Provider = RustCrypto> {
    kind: Kind<P>,
}

enum Kind<P: Provider> {
    None,
    ShortTerm {
        username: String,
        key: Arc<Key<P>>,
        agreed: Option<Integrity>,
    },
    LongTerm(LongTerm<P>),
}

struct LongTerm<P: Provider> {
    username: String,
    password: Password,
    minimum: Integrity,
    follow_realm: bool,
    challenge: Option<Challenge<P>>,
}

/// What a server wants to see in the next request.
struct Challenge<P: Provider> {
    realm: String,
    nonce: String,
    /// PASSWORD-ALGORITHMS as they came, and the one that was chosen.
    algorithms: Option<(Vec<u8>, Algorithm)>,
    user_hash: bool,
    key: Arc<Key<P>>,
}

impl<P: Provider> ClientAuth<P> {
    /// No credentials.
    #[must_use]
    pub const fn none() -> Self {
        Self { kind: Kind::None }
    }

    /// A short-term credential. Requests carry both integrities until the server has shown which it uses.
    ///
    /// # Errors
    /// [`TooLong`] if the name is above 508 bytes.
    pub fn short_term(username: &str, password: &str) -> Result<Self, TooLong> {
        let key = Arc::new(Key::from_bytes(password.as_bytes()));
        Ok(Self {
            kind: Kind::ShortTerm {
                username: Username::new(username)?.as_str().into(),
                key,
                agreed: None,
            },
        })
    }

    /// A long-term credential.
    ///
    /// # Errors
    /// [`TooLong`] if the name is above 508 bytes.
    pub fn long_term(username: &str, password: impl Into<Password>) -> Result<Self, TooLong> {
        Ok(Self {
            kind: Kind::LongTerm(LongTerm {
                username: Username::new(username)?.as_str().into(),
                password: password.into(),
                minimum: Integrity::Sha1,
                follow_realm: false,
                challenge: None,
            }),
        })
    }

    /// Refuses servers that cannot do MESSAGE-INTEGRITY-SHA256 if `minimum` says so; or, for a short-term credential,
    /// uses exactly the given kind, as ICE does with SHA-1.
    #[must_use]
    pub fn with_integrity(mut self, minimum: Integrity) -> Self {
        match &mut self.kind {
            Kind::None => {}
            Kind::ShortTerm { agreed, .. } => *agreed = Some(minimum),
            Kind::LongTerm(long_term) => long_term.minimum = minimum,
        }
        self
    }

    /// Follows a server that changes its realm. Otherwise that fails: an attacker could so choose the salt of a hash of
    /// the password.
    #[must_use]
    pub fn following_realm_changes(mut self) -> Self {
        if let Kind::LongTerm(long_term) = &mut self.kind {
            long_term.follow_realm = true;
        }
        self
    }

    /// Whether there are any credentials.
    #[must_use]
    pub const fn is_some(&self) -> bool {
        !matches!(self.kind, Kind::None)
    }

    /// The realm that the server asked for, for long-term credentials.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        match &self.kind {
            Kind::LongTerm(long_term) => Some(&long_term.challenge.as_ref()?.realm),
            _ => None,
        }
    }

    /// Adds the credentials to a request that has all other attributes, and signs it.
    pub fn apply<'b>(
        &self,
        writer: MessageWriter<'b>,
    ) -> (MessageWriter<'b, SignedSha256>, Sent<P>) {
        let (writer, signature, key) = match &self.kind {
            Kind::None => return (writer.unsigned(), Sent::default()),
            Kind::ShortTerm {
                username,
                key,
                agreed,
            } => {
                let signature = match agreed {
                    None => Signature::Both,
                    Some(Integrity::Sha1) => Signature::Sha1,
                    Some(Integrity::Sha256) => Signature::Sha256,
                };
                let writer = writer.attribute_if(Username::new(username).ok().as_ref());
                (writer, signature, key)
            }
            Kind::LongTerm(long_term) => match &long_term.challenge {
                None => return (writer.unsigned(), Sent::default()),
                Some(challenge) => {
                    let signature = match challenge.algorithms {
                        None => Signature::Sha1,
                        Some(_) => Signature::Sha256,
                    };
                    (
                        long_term.answer(challenge, writer),
                        signature,
                        &challenge.key,
                    )
                }
            },
        };
        let writer = match signature {
            Signature::Sha1 => writer.integrity_as(Integrity::Sha1, key),
            Signature::Sha256 => writer.integrity_sha256(key),
            Signature::Both => writer.integrity(key).integrity_sha256(key),
        };
        let signature = Some((signature, Arc::clone(key)));
        (writer, Sent { signature })
    }

    /// Judges a response to a request that was signed as `sent` says, and learns from it.
    pub fn handle_response(
        &mut self,
        response: &Message<'_>,
        sent: &Sent<P>,
        attempts: &mut Attempts,
    ) -> ResponseVerdict {
        let number = match response.class() {
            Class::Error => response.get::<ErrorCode<'_>>().ok().flatten(),
            _ => None,
        };
        match (&mut self.kind, number.map(|error| error.number())) {
            (Kind::LongTerm(long_term), Some(number)) if is_challenge(number) => {
                let adopted = attempts.count(number, sent.signature.is_some());
                let adopted = adopted.and_then(|()| long_term.adopt(response));
                match adopted {
                    Ok(()) => ResponseVerdict::Retry,
                    Err(failure) => ResponseVerdict::Fail(failure),
                }
            }
            (Kind::None, Some(ErrorNumber::UNAUTHENTICATED)) => {
                ResponseVerdict::Fail(AuthFailure::NoCredentials)
            }
            (kind, _) => {
                let Some((signature, key)) = &sent.signature else {
                    return ResponseVerdict::Accept;
                };
                let integrity = match signature {
                    _ if hides_algorithms(response) => None,
                    Signature::Sha256 => response
                        .verify_as(Integrity::Sha256, key)
                        .ok()
                        .map(|()| Integrity::Sha256),
                    Signature::Both => response.verify(key).ok(),
                    Signature::Sha1 => response
                        .verify_as(Integrity::Sha1, key)
                        .ok()
                        .map(|()| Integrity::Sha1),
                };
                if let (Kind::ShortTerm { agreed, .. }, Some(integrity)) = (kind, integrity) {
                    *agreed = Some(integrity);
                }
                integrity.map_or(ResponseVerdict::Discard, |_| ResponseVerdict::Accept)
            }
        }
    }
}

impl<P: Provider> LongTerm<P> {
    /// Adds what a challenge asks for.
    fn answer<'b>(
        &self,
        challenge: &Challenge<P>,
        mut writer: MessageWriter<'b>,
    ) -> MessageWriter<'b> {
        writer = if challenge.user_hash {
            let hash = UserHash::of_with::<P>(&self.username, &challenge.realm);
            writer.attribute(&hash)
        } else {
            writer.attribute_if(Username::new(&self.username).ok().as_ref())
        };
        // As they came, although they may be longer than what we would make ourselves.
        writer = writer
            .raw(
                crate::attribute::AttributeType::REALM,
                challenge.realm.as_bytes(),
            )
            .raw(
                crate::attribute::AttributeType::NONCE,
                challenge.nonce.as_bytes(),
            );
        if let Some((algorithms, choice)) = &challenge.algorithms {
            writer = writer
                .raw(
                    crate::attribute::AttributeType::PASSWORD_ALGORITHMS,
                    algorithms,
                )
                .attribute(&PasswordAlgorithm::new(*choice));
        }
        writer
    }

    /// Learns from a challenge.
    fn adopt(&mut self, response: &Message<'_>) -> Result<(), AuthFailure> {
        let realm = response.get::<Realm<'_>>().ok().flatten();
        let nonce = response.get::<Nonce<'_>>().ok().flatten();
        let (Some(realm), Some(nonce)) = (realm, nonce) else {
            return Err(AuthFailure::BadChallenge);
        };
        let (realm, nonce) = (realm.as_str(), nonce.as_str());
        let algorithms = response.get::<PasswordAlgorithms<'_>>();
        let algorithms = algorithms.map_err(|_| AuthFailure::BadChallenge)?;
        let features = NonceFeatures::of(nonce).unwrap_or_default();
        if features.password_algorithms && algorithms.is_none() {
            return Err(AuthFailure::Downgrade);
        }
        let known = self.challenge.as_ref().map(|known| known.realm.as_str());
        if known.is_some_and(|known| known != realm) && !self.follow_realm {
            return Err(AuthFailure::RealmChanged);
        }
        let (algorithms, key) = self.choose(realm, algorithms)?;
        self.challenge = Some(Challenge {
            realm: realm.into(),
            nonce: nonce.into(),
            algorithms,
            user_hash: features.username_anonymity,
            key,
        });
        Ok(())
    }

    /// The first algorithm that is supported, and the key that it gives.
    #[expect(clippy::type_complexity, reason = "two fields of a challenge")]
    fn choose(
        &self,
        realm: &str,
        algorithms: Option<PasswordAlgorithms<'_>>,
    ) -> Result<(Option<(Vec<u8>, Algorithm)>, Arc<Key<P>>), AuthFailure> {
        let derive = |algorithm| {
            let kept = self.challenge.as_ref().filter(|kept| {
                let kept_algorithm = kept.algorithms.as_ref().map(|(_, kept)| *kept);
                kept.realm == realm && kept_algorithm.unwrap_or(Algorithm::MD5) == algorithm
            });
            if let Some(kept) = kept {
                return Some(Arc::clone(&kept.key));
            }
            let password = self.password.expose();
            Key::long_term(algorithm, &self.username, realm, password).map(Arc::new)
        };
        let Some(list) = algorithms else {
            if self.minimum == Integrity::Sha256 {
                return Err(AuthFailure::NoAlgorithm);
            }
            let key = derive(Algorithm::MD5).ok_or(AuthFailure::NoAlgorithm)?;
            return Ok((None, key));
        };
        let mut supported = list.iter().filter(|entry| entry.is_supported());
        let chosen = supported.find_map(|entry| Some((entry.algorithm, derive(entry.algorithm)?)));
        let (algorithm, key) = chosen.ok_or(AuthFailure::NoAlgorithm)?;
        Ok((Some((list.as_bytes().into(), algorithm)), key))
    }
}

impl Attempts {
    fn count(&mut self, number: ErrorNumber, signed: bool) -> Result<(), AuthFailure> {
        if number == ErrorNumber::STALE_NONCE {
            if self.stale >= STALE_NONCES {
                return Err(AuthFailure::NonceLoop);
            }
            self.stale += 1;
            return Ok(());
        }
        // The first request after a start has none, the first after a pause may have old ones.
        if signed && self.challenges > 0 {
            return Err(AuthFailure::WrongCredentials);
        }
        if self.challenges > 1 {
            return Err(AuthFailure::BadChallenge);
        }
        self.challenges += 1;
        Ok(())
    }
}

fn is_challenge(number: ErrorNumber) -> bool {
    matches!(
        number,
        ErrorNumber::UNAUTHENTICATED | ErrorNumber::STALE_NONCE
    )
}

/// Whether a response that is no challenge has a nonce that announces PASSWORD-ALGORITHMS, and lacks them.
fn hides_algorithms(response: &Message<'_>) -> bool {
    let nonce = response.get::<Nonce<'_>>().ok().flatten();
    let features = nonce.and_then(|nonce| NonceFeatures::of(nonce.as_str()));
    features.is_some_and(|features| features.password_algorithms)
        && !response.has::<PasswordAlgorithms<'_>>()
}

impl<P: Provider> fmt::Debug for ClientAuth<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::None => "ClientAuth::none",
            Kind::ShortTerm { .. } => "ClientAuth::short_term(..)",
            Kind::LongTerm(_) => "ClientAuth::long_term(..)",
        })
    }
}

#[cfg(test)]
mod tests;
