//! How many answers strangers get: [`SourceLimiter`].

use crate::sources::PrefixTable;
use core::fmt;
use core::net::SocketAddr;
use proto_core::{Instant, Rate, SeedRng, TokenBucket};

/// A fixed table of token buckets, one of which each source prefix falls into.
///
/// A prefix is the /24 of an IPv4 address and the /56 of an IPv6 one, so that a subscriber cannot multiply by changing
/// addresses. No call allocates, and nobody can make the table grow: prefixes whose keyed hashes collide share a
/// bucket. The key is drawn from the seed, so a stranger cannot choose whose bucket to empty. Loopback is not limited:
/// its datagrams come from this machine.
///
/// Memory: 16 bytes a bucket, so 64 KiB with [`SourceLimiter::BUCKETS`].
pub struct SourceLimiter {
    rate: Rate,
    buckets: PrefixTable<TokenBucket>,
}

impl SourceLimiter {
    /// Buckets of a table.
    pub const BUCKETS: usize = 4096;

    /// A table of full buckets. With a burst of 0 nobody but loopback gets anything.
    #[must_use]
    pub fn new(rate: Rate, rng: &mut SeedRng) -> Self {
        Self {
            rate,
            buckets: PrefixTable::new(TokenBucket::full(rate), Self::BUCKETS, rng),
        }
    }

    /// The same table, with full buckets of this rate.
    #[must_use]
    pub(crate) fn with_rate(mut self, rate: Rate) -> Self {
        self.rate = rate;
        self.buckets.fill(TokenBucket::full(rate));
        self
    }

    /// Takes a token of `source`'s prefix; without one its datagram is to be met with silence.
    pub fn take(&mut self, now: Instant, source: SocketAddr) -> bool {
        let ip = source.ip();
        if ip.to_canonical().is_loopback() {
            return true;
        }
        let bucket = self.buckets.get_mut(ip, 0);
        bucket.is_some_and(|bucket| bucket.take(now, self.rate, 1))
    }
}

impl fmt::Debug for SourceLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("SourceLimiter");
        debug.field("rate", &self.rate).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(rate: Rate) -> SourceLimiter {
        SourceLimiter::new(rate, &mut SeedRng::new([3; 32]))
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    // req: A-1, HS-6
    #[test]
    fn a_prefix_gets_its_burst_and_then_its_rate() {
        let mut limiter = limiter(Rate::new(10, 20));
        let take = |limiter: &mut SourceLimiter, millis, host: u8| {
            let from = SocketAddr::from(([203, 0, 113, host], 5000));
            limiter.take(Instant::from_millis(millis), from)
        };
        let at_once = (0..50).filter(|&host| take(&mut limiter, 1000, host));
        assert_eq!(at_once.count(), 20);
        let later = (0..1000).filter(|&k| take(&mut limiter, 1000 + k * 10, 7));
        assert_eq!(later.count(), 99);
    }

    #[test]
    fn prefixes_have_buckets_of_their_own_and_neighbours_share_one() {
        let mut limiter = limiter(Rate::new(1, 1));
        let now = Instant::from_millis(1);
        assert!(limiter.take(now, address("198.51.100.1:1")));
        assert!(!limiter.take(now, address("198.51.100.254:2")));
        assert!(!limiter.take(now, address("[::ffff:198.51.100.9]:2")));
        assert!(limiter.take(now, address("198.51.101.1:1")));
        assert!(limiter.take(now, address("[2001:db8:1:ff00::1]:1")));
        assert!(!limiter.take(now, address("[2001:db8:1:ffff::2]:1")));
        assert!(limiter.take(now, address("[2001:db8:2::1]:1")));
    }

    #[test]
    fn loopback_is_not_limited_and_a_burst_of_zero_lets_nobody_through() {
        let now = Instant::from_millis(1);
        let mut none = limiter(Rate::new(5, 0));
        assert!(!none.take(now, address("198.51.100.1:1")));
        assert!((0..100).all(|_| none.take(now, address("127.0.0.1:1"))));
    }
}
