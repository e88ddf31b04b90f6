//! How the DTLS library `dimpl` is set up, and its time.

use alloc::sync::Arc;
use core::cell::Cell;
use core::time::Duration;
use dimpl::crypto::{CryptoProvider, Dtls12CipherSuite, HmacProvider, rust_crypto};
use dimpl::{Config, CryptoError, HashAlgorithm};
use proto_core::Instant;
use std::sync::LazyLock;

/// Largest datagram of a handshake, in bytes: fits through every tunnel in use.
pub(super) const HANDSHAKE_MTU: usize = 1200;
/// Datagrams that a handshake may have waiting on one side. With [`HANDSHAKE_MTU`] that is some 20 KiB.
const QUEUE: usize = 16;
/// When the first flight is sent again; the time doubles with each repetition.
const FIRST_REPETITION: Duration = Duration::from_millis(500);
/// A deadline that far away is none: the library always names one.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// Cookies, as long as those that `dimpl` makes.
pub(super) type Cookie = [u8; 32];

/// The pure-Rust primitives.
pub(super) fn provider() -> CryptoProvider {
    rust_crypto::default_provider()
}

/// How the sessions of a server are run, by what the client can do.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    /// For those who have ChaCha20-Poly1305.
    preferred: Arc<Config>,
    /// For those who do not. Its suites have nonces that are drawn at random, 64 bits each.
    any: Arc<Config>,
}

/// Cipher suites, best first.
const SUITES: [Dtls12CipherSuite; 3] = [
    Dtls12CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305_SHA256,
    Dtls12CipherSuite::ECDHE_ECDSA_AES256_GCM_SHA384,
    Dtls12CipherSuite::ECDHE_ECDSA_AES128_GCM_SHA256,
];

impl Engine {
    pub(super) fn new(handshake_timeout: Duration) -> Result<Self, dimpl::Error> {
        Ok(Self {
            preferred: Arc::new(config(&SUITES[..1], handshake_timeout)?),
            any: Arc::new(config(&SUITES, handshake_timeout)?),
        })
    }

    /// For a client that offers these cipher suites, two bytes each; `None` if there is no good one among them.
    pub(super) fn for_suites(&self, offered: &[u8]) -> Option<Arc<Config>> {
        let (pairs, _) = offered.as_chunks::<2>();
        let is_offered = |suite: &Dtls12CipherSuite| pairs.contains(&suite.as_u16().to_be_bytes());
        if is_offered(&SUITES[0]) {
            return Some(Arc::clone(&self.preferred));
        }
        SUITES.iter().any(is_offered).then(|| Arc::clone(&self.any))
    }
}

/// For a client, which knows nothing of its server.
pub(super) fn client(handshake_timeout: Duration) -> Result<Arc<Config>, dimpl::Error> {
    config(&SUITES, handshake_timeout).map(Arc::new)
}

fn config(suites: &[Dtls12CipherSuite], timeout: Duration) -> Result<Config, dimpl::Error> {
    Config::builder()
        .with_crypto_provider(CryptoProvider {
            hmac_provider: &CookieOracle,
            ..provider()
        })
        .dtls12_cipher_suites(suites)
        .mtu(HANDSHAKE_MTU)
        .max_queue_rx(QUEUE)
        .max_queue_tx(QUEUE)
        .require_client_certificate(false)
        .flight_start_rto(FIRST_REPETITION)
        .handshake_timeout(timeout)
        .build()
}

thread_local! {
    static ACCEPTED: Cell<Option<Cookie>> = const { Cell::new(None) };
}

/// Runs `call`, during which `dimpl` takes `cookie` for its own.
///
/// `dimpl` keeps a session for whoever sends a first ClientHello, and makes its cookie in there. Here strangers cost no
/// memory: the cookie is made and checked before there is a session, which then has to believe it.
pub(super) fn with_cookie<T>(cookie: Cookie, call: impl FnOnce() -> T) -> T {
    let before = ACCEPTED.replace(Some(cookie));
    let result = call();
    ACCEPTED.set(before);
    result
}

/// HMAC, except that a cookie that was checked elsewhere is right.
#[derive(Debug)]
struct CookieOracle;

impl HmacProvider for CookieOracle {
    /// `dimpl` has this method for cookies alone.
    fn hmac_sha256(&self, key: &[u8], data: &[u8]) -> Result<[u8; 32], CryptoError> {
        match ACCEPTED.get() {
            Some(cookie) => Ok(cookie),
            None => provider().hmac_provider.hmac_sha256(key, data),
        }
    }

    fn hmac(
        &self,
        hash: HashAlgorithm,
        key: &[u8],
        data: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CryptoError> {
        provider().hmac_provider.hmac(hash, key, data, out)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an origin for the library's type of time; only differences to it count, and those are the caller's"
)]
static ORIGIN: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

/// `now` as the library wants it.
pub(super) fn to_std(now: Instant) -> std::time::Instant {
    let since = Duration::from_micros(now.as_micros());
    // A clock that is off by centuries stands still.
    ORIGIN.checked_add(since).unwrap_or(*ORIGIN)
}

/// The deadline `at` that the library named at `now`, if it is one.
pub(super) fn from_std(now: Instant, at: std::time::Instant) -> Option<Instant> {
    let since = at.saturating_duration_since(*ORIGIN);
    // Rounded up, and after `now`: at the microsecond before nothing is due yet, and what was due has just been done.
    let at = Instant::ZERO.saturating_add(since).max(now).add_micros(1);
    (at.saturating_since(now) < NEVER).then_some(at)
}
