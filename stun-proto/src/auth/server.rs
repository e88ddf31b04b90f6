//! Long-term credentials at a server: [`LongTermServer`] (RFC 8489 section 9.2.4).

use super::Refusal;
use super::guesses::{GuessLimiter, GuessLimits};
use super::nonce::{NonceFeatures, NonceIssuer, NonceState};
use crate::attribute::{
    Algorithm, ErrorCode, Nonce, PasswordAlgorithm, PasswordAlgorithms, Realm, TooLong, UserHash,
    Username,
};
use crate::crypto::{Key, LongTermKeys, Provider, RustCrypto};
use crate::message::{
    BuildError, Class, Integrity, IntegrityError, Message, MessageWriter, SignedSha256,
};
use crate::server::SourceLimiter;
use alloc::string::String;
use core::borrow::Borrow;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::{Instant, Rate, SeedRng, TokenBucket};

/// What a server lets clients derive keys with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Offer {
    /// MD5 and HMAC-SHA1 without any negotiation, like servers of RFC 5389, such as coturn.
    #[default]
    Classic,
    /// SHA-256, else MD5, and MESSAGE-INTEGRITY-SHA256 for who chooses.
    Sha256OrMd5,
    /// SHA-256 only. Most clients of today cannot do that.
    Sha256,
}

impl Offer {
    const fn algorithms(self) -> Option<PasswordAlgorithms<'static>> {
        match self {
            Self::Classic => None,
            Self::Sha256OrMd5 => Some(PasswordAlgorithms::SHA256_MD5),
            Self::Sha256 => Some(PasswordAlgorithms::SHA256),
        }
    }
}

/// Who says that he asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the RFC has these two ways to say it"
)]
pub enum User<'a> {
    /// By name, in clear.
    Name(&'a str),
    /// By [`UserHash`], which a server looks up in an index of its users.
    Hash(UserHash),
}

impl User<'_> {
    /// The same name for both ways to say it, so that guesses in both count as one.
    fn hash<P: Provider>(self, realm: &str) -> UserHash {
        match self {
            Self::Name(name) => UserHash::of_with::<P>(name, realm),
            Self::Hash(hash) => hash,
        }
    }
}

/// A request whose long-term credential is right.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Accepted<'a, K> {
    /// Who asks.
    pub user: User<'a>,
    /// The keys of the user, as `keys_of` gave them.
    pub keys: K,
    algorithm: Algorithm,
    integrity: Integrity,
}

impl<K> Accepted<'_, K> {
    /// The kind of integrity that the request carried and the answer has to carry.
    #[must_use]
    pub const fn integrity(&self) -> Integrity {
        self.integrity
    }

    /// How the client derived its key.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Signs the answer as the client expects it.
    pub fn sign<'b, P: Provider>(
        &self,
        writer: MessageWriter<'b>,
    ) -> MessageWriter<'b, SignedSha256>
    where
        K: Borrow<LongTermKeys<P>>,
    {
        match self.keys.borrow().key(self.algorithm) {
            Some(key) => writer.integrity_as(self.integrity, key),
            // The request was checked with this key, so it is there.
            None => writer.unsigned(),
        }
    }
}

/// What a [`LongTermServer`] has decided since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthStats {
    /// Requests that were accepted.
    pub accepted: u64,
    /// First requests, without credentials.
    pub challenged: u64,
    /// Incomplete or contradictory credentials.
    pub bad_requests: u64,
    /// Unknown users and wrong passwords: what guessing looks like.
    pub wrong_credentials: u64,
    /// Right credentials with a nonce that is too old, and any with a nonce that was not issued to who sent it.
    pub stale_nonces: u64,
    /// Requests that were dropped unread, because of too many wrong passwords before.
    pub locked: u64,
    /// Refusals that were met with silence, because their source or all together got as many as are allowed.
    pub rate_limited: u64,
}

/// Checks long-term credentials, without keeping anything about who asks but for two tables of fixed size: wrong passwords
/// (128 KiB by default, see [`GuessLimits`]) and rates of refusals (64 KiB, see [`SourceLimiter`]).
///
/// Guessing is slow: after ten wrong passwords in a minute requests of that user from that network are dropped for a
/// minute, and longer each time. Only who holds a nonce that was issued to him is counted, so nobody can lock others
/// out with forged sources; and who holds none learns nothing about a password, because he gets 438 whatever he sends.
///
/// ```
/// use core::time::Duration;
/// use proto_core::Instant;
/// use stun_proto::auth::{LongTermServer, Offer, Refusal, User};
/// use stun_proto::{Class, LongTermKeys, Message, MessageWriter, Method, TransactionId};
///
/// let mut server: LongTermServer = LongTermServer::new("example.org", [7; 32], Offer::Sha256OrMd5)?;
/// let user = LongTermKeys::new("user", "example.org", "secret");
///
/// let mut buffer = [0; 100];
/// let id = TransactionId::new([1; 12]);
/// let bytes = MessageWriter::new(&mut buffer, Class::Request, Method::ALLOCATE, id).finish()?;
/// let request = Message::parse(bytes)?;
///
/// let (now, from) = (Instant::ZERO, "192.0.2.10:40000".parse()?);
/// let checked = server.check(now, from, &request, |name| (name == User::Name("user")).then_some(&user));
/// let Err(refusal) = checked else { panic!("there are no credentials in it") };
/// assert_eq!(refusal, Refusal::Unauthenticated);
/// let mut buffer = [0; 200];
/// let Some(reply) = server.refuse(now, from, &request, refusal, &mut buffer)? else { panic!("no silence yet") };
/// assert!(Message::parse(reply)?.has::<stun_proto::attribute::Nonce>());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct LongTermServer<P: Provider = RustCrypto> {
    realm: String,
    offer: Offer,
    nonces: NonceIssuer<P>,
    /// Keys of nobody, so that an unknown user costs as much as a wrong password.
    nobody: LongTermKeys<P>,
    guesses: GuessLimiter,
    refusals: SourceLimiter,
    total: TokenBucket,
    total_rate: Rate,
    stats: AuthStats,
}

impl<P: Provider> LongTermServer<P> {
    /// Refusals over UDP per source prefix unless other rates are given: 10 a second, 20 at once.
    pub const REFUSALS: Rate = Rate::new(10, 20);
    /// Refusals over UDP in all unless other rates are given: 1,000 a second and at once.
    pub const REFUSALS_IN_ALL: Rate = Rate::new(1000, 1000);

    /// A server of this realm, whose nonces come from `secret` and live 600 s. It understands USERHASH if it offers
    /// algorithms at all.
    ///
    /// A realm of at most 12 bytes keeps the challenge below 3 (with algorithms 3.5) times the shortest Allocate request.
    ///
    /// # Errors
    /// [`TooLong`] if the realm is above 127 characters or 509 bytes.
    pub fn new(realm: &str, secret: [u8; 32], offer: Offer) -> Result<Self, TooLong> {
        let lifetime = NonceIssuer::<P>::DEFAULT_LIFETIME;
        Self::with_nonce_lifetime(realm, secret, offer, lifetime)
    }

    /// The same with nonces that live `lifetime`, 1 s to 1 h.
    ///
    /// # Errors
    /// [`TooLong`] if the realm is above 127 characters or 509 bytes.
    pub fn with_nonce_lifetime(
        realm: &str,
        secret: [u8; 32],
        offer: Offer,
        lifetime: Duration,
    ) -> Result<Self, TooLong> {
        let realm = Realm::new(realm)?.as_str();
        let negotiates = offer.algorithms().is_some();
        let features = NonceFeatures {
            password_algorithms: negotiates,
            username_anonymity: negotiates,
        };
        Ok(Self {
            realm: realm.into(),
            offer,
            nonces: NonceIssuer::new(secret, lifetime, features),
            nobody: LongTermKeys::derive("", realm, ""),
            guesses: GuessLimiter::new(P::sha256(&[&secret, b"guesses"]), GuessLimits::default()),
            refusals: Self::limiter(&secret, Self::REFUSALS),
            total: TokenBucket::full(Self::REFUSALS_IN_ALL),
            total_rate: Self::REFUSALS_IN_ALL,
            stats: AuthStats::default(),
        })
    }

    fn limiter(secret: &[u8; 32], rate: Rate) -> SourceLimiter {
        let seed = P::sha256(&[secret, b"refusals"]);
        SourceLimiter::new(rate, &mut SeedRng::new(seed))
    }

    /// Other limits of wrong passwords than the defaults.
    #[must_use]
    pub fn with_guess_limits(mut self, limits: GuessLimits) -> Self {
        self.guesses = self.guesses.with_limits(limits);
        self
    }

    /// Other limits of refusals over UDP than [`REFUSALS`](Self::REFUSALS) per source prefix (IPv4 /24, IPv6 /56) and
    /// [`REFUSALS_IN_ALL`](Self::REFUSALS_IN_ALL).
    #[must_use]
    pub fn with_refusal_rates(mut self, per_source: Rate, in_all: Rate) -> Self {
        self.refusals = self.refusals.with_rate(per_source);
        self.total = TokenBucket::full(in_all);
        self.total_rate = in_all;
        self
    }

    /// Its realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// What it has decided.
    #[must_use]
    pub const fn stats(&self) -> &AuthStats {
        &self.stats
    }

    /// What it holds against guessing of passwords, and how often that locked somebody out.
    #[must_use]
    pub const fn guesses(&self) -> &GuessLimiter {
        &self.guesses
    }

    /// Checks a request from `from`. `keys_of` gives the keys of a user in this realm, or `None` for an unknown one.
    ///
    /// The order is that of the RFC: nothing about a user shows before the credentials are complete, an unknown user
    /// looks like a wrong password in bytes and time, and an old nonce counts only if the password was right. But a nonce
    /// that was not issued to this sender ends it before the password is looked at.
    ///
    /// # Errors
    /// [`Refusal`]: answer with what [`LongTermServer::refuse`] gives, if anything.
    pub fn check<'a, K: Borrow<LongTermKeys<P>>>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        request: &Message<'a>,
        keys_of: impl FnOnce(User<'a>) -> Option<K>,
    ) -> Result<Accepted<'a, K>, Refusal> {
        if !request.has_integrity() {
            self.stats.challenged = self.stats.challenged.saturating_add(1);
            return Err(Refusal::Unauthenticated);
        }
        let checked = self.authenticate(now, from, request, keys_of);
        let count = match &checked {
            Ok(_) => &mut self.stats.accepted,
            Err(Refusal::BadRequest) => &mut self.stats.bad_requests,
            Err(Refusal::Unauthenticated) => &mut self.stats.wrong_credentials,
            Err(Refusal::StaleNonce) => &mut self.stats.stale_nonces,
            Err(Refusal::Locked) => &mut self.stats.locked,
        };
        *count = count.saturating_add(1);
        checked
    }

    fn authenticate<'a, K: Borrow<LongTermKeys<P>>>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        request: &Message<'a>,
        keys_of: impl FnOnce(User<'a>) -> Option<K>,
    ) -> Result<Accepted<'a, K>, Refusal> {
        let claim = Claim::read(request).ok_or(Refusal::BadRequest)?;
        let algorithm = self.negotiated(&claim)?;
        let nonce = self.nonces.check(now, from, claim.nonce);
        if nonce == NonceState::Foreign {
            return Err(Refusal::StaleNonce);
        }
        let UserHash(user) = claim.user.hash::<P>(&self.realm);
        if self.guesses.is_locked(now, &user, from) {
            return Err(Refusal::Locked);
        }
        let keys = keys_of(claim.user).filter(|_| claim.realm == self.realm);
        let key = keys.as_ref().and_then(|keys| keys.borrow().key(algorithm));
        let verified = match key {
            Some(key) => verify(request, algorithm, key),
            None => {
                // The same work for nobody, and the same answer.
                let nobody = self.nobody.key(algorithm);
                let _ = nobody.map(|key| verify(request, algorithm, key));
                Err(Refusal::Unauthenticated)
            }
        };
        if verified == Err(Refusal::Unauthenticated) {
            self.guesses.failed(now, &user, from);
        }
        let integrity = verified?;
        self.guesses.succeeded(&user, from);
        if nonce == NonceState::Expired {
            return Err(Refusal::StaleNonce);
        }
        let keys = keys.ok_or(Refusal::Unauthenticated)?;
        Ok(Accepted {
            user: claim.user,
            keys,
            algorithm,
            integrity,
        })
    }

    /// The algorithm that the client chose, if its claim agrees with what was offered.
    fn negotiated(&self, claim: &Claim<'_>) -> Result<Algorithm, Refusal> {
        let features = NonceFeatures::of(claim.nonce).unwrap_or_default();
        match (claim.algorithms, claim.algorithm) {
            _ if self.offer == Offer::Sha256 && claim.algorithm.is_none() => {
                Err(Refusal::Unauthenticated)
            }
            (None, None) => Ok(Algorithm::MD5),
            // A nonce without the bit is not ours if algorithms are offered; the MAC decides, and then the nonce.
            _ if !features.password_algorithms => Ok(Algorithm::MD5),
            (Some(list), Some(PasswordAlgorithm(choice))) => {
                let offered = self.offer.algorithms();
                if offered != Some(list) || !list.iter().any(|entry| entry == choice) {
                    return Err(Refusal::BadRequest);
                }
                Ok(choice.algorithm)
            }
            _ => Err(Refusal::BadRequest),
        }
    }

    /// Writes the answer to a refused request over UDP: the number, and for 401 and 438 the challenge. `None` if it is to
    /// be met with silence.
    ///
    /// It carries no reason and no SOFTWARE, so that it is as short as it can be; FINGERPRINT if the request had it. Sources
    /// can be forged, so each prefix gets [`REFUSALS`](Self::REFUSALS), all together
    /// [`REFUSALS_IN_ALL`](Self::REFUSALS_IN_ALL), and then silence. Right credentials are accepted all the same.
    ///
    /// # Errors
    /// [`BuildError`] if the buffer is too small.
    pub fn refuse<'b>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        request: &Message<'_>,
        refusal: Refusal,
        buffer: &'b mut [u8],
    ) -> Result<Option<&'b [u8]>, BuildError> {
        let silent = refusal.number().is_none();
        if !silent && (!self.refusals.take(now, from) || !self.total.take(now, self.total_rate, 1))
        {
            self.stats.rate_limited = self.stats.rate_limited.saturating_add(1);
            return Ok(None);
        }
        self.refuse_on_stream(now, from, request, refusal, buffer)
    }

    /// The same over a stream, whose source is proven, so that nothing is limited.
    ///
    /// # Errors
    /// [`BuildError`] if the buffer is too small.
    pub fn refuse_on_stream<'b>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        request: &Message<'_>,
        refusal: Refusal,
        buffer: &'b mut [u8],
    ) -> Result<Option<&'b [u8]>, BuildError> {
        let Some(number) = refusal.number() else {
            return Ok(None);
        };
        let error = ErrorCode::new(number);
        let mut writer = MessageWriter::response(buffer, Class::Error, request).attribute(&error);
        if refusal != Refusal::BadRequest {
            let nonce = self.nonces.issue(now, from);
            // Both have been checked or made to fit.
            writer = writer
                .attribute_if(Realm::new(&self.realm).ok().as_ref())
                .attribute_if(Nonce::new(nonce.as_str()).ok().as_ref())
                .attribute_if(self.offer.algorithms().as_ref());
        }
        if request.has_fingerprint() {
            writer.fingerprint().finish().map(Some)
        } else {
            writer.finish().map(Some)
        }
    }
}

impl<P: Provider> fmt::Debug for LongTermServer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("LongTermServer");
        debug
            .field("realm", &self.realm)
            .field("offer", &self.offer);
        debug
            .field("nonces", &self.nonces)
            .field("stats", &self.stats);
        debug.finish_non_exhaustive()
    }
}

/// The credentials in a request.
struct Claim<'a> {
    user: User<'a>,
    realm: &'a str,
    nonce: &'a str,
    algorithms: Option<PasswordAlgorithms<'a>>,
    algorithm: Option<PasswordAlgorithm<'a>>,
}

impl<'a> Claim<'a> {
    /// `None` if something is missing or not well formed.
    fn read(request: &Message<'a>) -> Option<Self> {
        let user = match request.get::<Username<'_>>().ok()? {
            Some(name) => User::Name(name.as_str()),
            None => User::Hash(request.get::<UserHash>().ok()??),
        };
        Some(Self {
            user,
            realm: request.get::<Realm<'_>>().ok()??.as_str(),
            nonce: request.get::<Nonce<'_>>().ok()??.as_str(),
            algorithms: request.get().ok()?,
            algorithm: request.get().ok()?,
        })
    }
}

/// Who chose SHA-256 must sign with it; who chose MD5 signs with either.
fn verify<P: Provider>(
    request: &Message<'_>,
    algorithm: Algorithm,
    key: &Key<P>,
) -> Result<Integrity, Refusal> {
    if algorithm == Algorithm::MD5 {
        return request.verify(key).map_err(refusal);
    }
    let verified = request.verify_as(Integrity::Sha256, key);
    verified.map(|()| Integrity::Sha256).map_err(refusal)
}

/// The answer to a request whose integrity was not accepted.
pub(super) fn refusal(error: IntegrityError) -> Refusal {
    match error {
        IntegrityError::Length => Refusal::BadRequest,
        IntegrityError::Missing | IntegrityError::Mismatch | IntegrityError::Unsupported => {
            Refusal::Unauthenticated
        }
    }
}

#[cfg(test)]
mod tests;
