//! Guessing of passwords is slow: [`GuessLimiter`].

use crate::crypto::{Provider, RustCrypto};
use crate::sources::PrefixTable;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::{Instant, SeedRng};
use zeroize::Zeroizing;

/// When a [`GuessLimiter`] locks, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GuessLimits {
    /// Failures of one user from one network within [`window`](Self::window) that lock that pair.
    pub failures_per_user: u32,
    /// Failures of all users from one network within [`window`](Self::window) that lock that network.
    pub failures_per_network: u32,
    /// Time over which failures are counted.
    pub window: Duration,
    /// How long the first lock holds; each further one twice as long.
    pub first_lock: Duration,
    /// The longest that a lock holds.
    pub longest_lock: Duration,
    /// Entries of the table, 32 bytes each. Pairs that meet in one share its count.
    pub entries: usize,
}

impl Default for GuessLimits {
    /// 10 and 100 failures in 60 s, locks of 60 s to 15 min, 4,096 entries.
    fn default() -> Self {
        Self {
            failures_per_user: 10,
            failures_per_network: 100,
            window: Duration::from_secs(60),
            first_lock: Duration::from_secs(60),
            longest_lock: Duration::from_secs(900),
            entries: 4096,
        }
    }
}

/// Counts wrong passwords in a table of fixed size, and says who is not answered any more.
///
/// A lock is for one user from one network (IPv4 /24, IPv6 /56), so nobody can lock a user out everywhere. Ask
/// [`is_locked`](GuessLimiter::is_locked) before a MAC is computed, and drop the request silently if so.
pub struct GuessLimiter {
    limits: GuessLimits,
    secret: Zeroizing<[u8; 32]>,
    table: PrefixTable<Entry>,
    locks: u64,
}

/// What stands for all users of a network in the table.
const NETWORK: u64 = 0;

#[derive(Clone, Copy, Default)]
struct Entry {
    since: Instant,
    until: Instant,
    failures: u32,
    locks: u32,
}

impl GuessLimiter {
    /// A limiter whose table nobody can aim at without `secret`.
    #[must_use]
    pub fn new(secret: [u8; 32], limits: GuessLimits) -> Self {
        Self {
            limits,
            table: PrefixTable::new(Entry::default(), limits.entries, &mut SeedRng::new(secret)),
            secret: Zeroizing::new(secret),
            locks: 0,
        }
    }

    /// An empty limiter with the same secret and these limits.
    #[must_use]
    pub(super) fn with_limits(&self, limits: GuessLimits) -> Self {
        Self::new(*self.secret, limits)
    }

    /// Whether requests of `user` from `from` are to be dropped. `user` is whatever names the user, always
    /// the same; [`LongTermServer`](super::LongTermServer) takes the bytes of USERHASH.
    #[must_use]
    pub fn is_locked(&self, now: Instant, user: &[u8], from: SocketAddr) -> bool {
        let tags = [self.tag(user), NETWORK];
        tags.iter()
            .filter_map(|&tag| self.table.get(from.ip(), tag))
            .any(|entry| now < entry.until)
    }

    /// A wrong password, or an unknown user.
    pub fn failed(&mut self, now: Instant, user: &[u8], from: SocketAddr) {
        let limits = self.limits;
        for (tag, limit) in [
            (self.tag(user), limits.failures_per_user),
            (NETWORK, limits.failures_per_network),
        ] {
            if let Some(entry) = self.table.get_mut(from.ip(), tag)
                && entry.fail(now, limit, &limits)
            {
                self.locks = self.locks.saturating_add(1);
            }
        }
    }

    /// The right password: the failures of this user from there are forgotten.
    pub fn succeeded(&mut self, user: &[u8], from: SocketAddr) {
        let tag = self.tag(user);
        if let Some(entry) = self.table.get_mut(from.ip(), tag) {
            *entry = Entry::default();
        }
    }

    /// Locks so far.
    #[must_use]
    pub const fn locks(&self) -> u64 {
        self.locks
    }

    /// What stands for a user in the table; never [`NETWORK`].
    fn tag(&self, user: &[u8]) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = RustCrypto::sha256(&[&self.secret[..], user]);
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) | 1
    }
}

impl Entry {
    /// Counts a failure; whether that locks.
    fn fail(&mut self, now: Instant, limit: u32, limits: &GuessLimits) -> bool {
        if now.saturating_since(self.since) > limits.window {
            self.since = now;
            self.failures = 0;
            if now.saturating_since(self.until) > limits.longest_lock {
                self.locks = 0;
            }
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures < limit || now < self.until {
            return false;
        }
        let factor = 1_u32.checked_shl(self.locks).unwrap_or(u32::MAX);
        let lock = limits.first_lock.saturating_mul(factor);
        self.until = now + lock.min(limits.longest_lock);
        self.locks = self.locks.saturating_add(1);
        self.failures = 0;
        true
    }
}

impl fmt::Debug for GuessLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("GuessLimiter");
        debug
            .field("limits", &self.limits)
            .field("locks", &self.locks);
        debug.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(1_000_000 + seconds * 1000)
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    // req: A-5, HG-13
    #[test]
    fn ten_wrong_passwords_lock_that_user_from_that_network_and_nobody_else() {
        let mut limiter = GuessLimiter::new([1; 32], GuessLimits::default());
        let attacker = address("192.0.2.10:40000");
        for _ in 0..9 {
            limiter.failed(at(0), b"user", attacker);
            assert!(!limiter.is_locked(at(0), b"user", attacker));
        }
        limiter.failed(at(0), b"user", address("192.0.2.77:1"));
        assert!(limiter.is_locked(at(0), b"user", attacker));
        assert!(!limiter.is_locked(at(0), b"other", attacker));
        assert!(!limiter.is_locked(at(0), b"user", address("192.0.3.10:40000")));
        assert!(limiter.is_locked(at(59), b"user", attacker));
        assert!(!limiter.is_locked(at(60), b"user", attacker));
        assert_eq!(limiter.locks(), 1);
    }

    // req: A-5
    #[test]
    fn locks_double_up_to_a_quarter_of_an_hour_and_success_forgives() {
        let mut limiter = GuessLimiter::new([1; 32], GuessLimits::default());
        let from = address("[2001:db8::1]:40000");
        let mut now = 0;
        for expected in [60, 120, 240, 480, 900, 900] {
            for _ in 0..10 {
                limiter.failed(at(now), b"user", from);
            }
            assert!(
                limiter.is_locked(at(now + expected - 1), b"user", from),
                "{expected}"
            );
            assert!(
                !limiter.is_locked(at(now + expected), b"user", from),
                "{expected}"
            );
            now += expected;
        }
        limiter.succeeded(b"user", from);
        limiter.failed(at(now), b"user", from);
        assert!(!limiter.is_locked(at(now), b"user", from));
    }

    // req: A-5
    #[test]
    fn guesses_over_many_names_lock_the_network() {
        let mut limiter = GuessLimiter::new([1; 32], GuessLimits::default());
        let from = address("192.0.2.10:40000");
        for number in 0..100_u32 {
            limiter.failed(at(0), &number.to_be_bytes(), from);
        }
        assert!(limiter.is_locked(at(0), b"user", from));
    }
}
