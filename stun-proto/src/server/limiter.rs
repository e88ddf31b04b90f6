//! How many answers strangers get: [`SourceLimiter`].

use alloc::boxed::Box;
use alloc::vec;
use core::net::{IpAddr, SocketAddr};
use proto_core::{Instant, SeedRng};

/// A token bucket: so many answers a second for long, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a rate and a burst, no more")]
pub struct Rate {
    /// Answers per second; 0 allows none.
    pub per_second: u32,
    /// Answers at once after silence.
    pub burst: u32,
}

impl Rate {
    /// A rate with a burst.
    #[must_use]
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }
}

/// Tokens are counted in millionths, so that a microsecond of one token a second is a whole number.
const TOKEN: u64 = 1_000_000;

/// The state of one token bucket: 16 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    tokens: u64,
    updated: Instant,
}

impl Bucket {
    pub(crate) const fn full(rate: Rate) -> Self {
        Self {
            tokens: rate.burst as u64 * TOKEN,
            updated: Instant::ZERO,
        }
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&mut self, now: Instant, rate: Rate) -> bool {
        if rate.per_second == 0 {
            return false;
        }
        let elapsed = now.as_micros().saturating_sub(self.updated.as_micros());
        let gained = elapsed.saturating_mul(u64::from(rate.per_second));
        self.tokens = (self.tokens.saturating_add(gained)).min(u64::from(rate.burst) * TOKEN);
        self.updated = self.updated.max(now);
        match self.tokens.checked_sub(TOKEN) {
            Some(rest) => {
                self.tokens = rest;
                true
            }
            None => false,
        }
    }
}

/// A fixed table of token buckets, one of which each source prefix falls into.
///
/// A prefix is the /24 of an IPv4 address and the /56 of an IPv6 one, so that a subscriber cannot multiply by changing
/// addresses. No call allocates, and nobody can make the table grow: prefixes whose keyed hashes collide share a
/// bucket. The key is drawn from the seed, so a stranger cannot choose whose bucket to empty. Loopback is not limited:
/// its datagrams come from this machine.
///
/// Memory: 16 bytes a bucket, so 64 KiB with [`SourceLimiter::BUCKETS`].
#[derive(Debug)]
pub struct SourceLimiter {
    rate: Rate,
    keys: [u64; 3],
    buckets: Box<[Bucket]>,
}

impl SourceLimiter {
    /// Buckets of a table.
    pub const BUCKETS: usize = 4096;
    const BUCKET_BITS: u32 = Self::BUCKETS.trailing_zeros();

    /// A table of full buckets.
    #[must_use]
    pub fn new(rate: Rate, rng: &mut SeedRng) -> Self {
        Self {
            rate,
            keys: [rng.next_u64(), rng.next_u64(), rng.next_u64()],
            buckets: vec![Bucket::full(rate); Self::BUCKETS].into(),
        }
    }

    /// Takes a token of `source`'s prefix; without one its datagram is to be met with silence.
    pub fn take(&mut self, now: Instant, source: SocketAddr) -> bool {
        let ip = source.ip().to_canonical();
        if ip.is_loopback() {
            return true;
        }
        let rate = self.rate;
        let index = self.index(ip);
        let bucket = self.buckets.get_mut(index);
        bucket.is_some_and(|bucket| bucket.take(now, rate))
    }

    /// The bucket of an address by multilinear hashing, which is universal for as long as the keys are secret.
    fn index(&self, ip: IpAddr) -> usize {
        let [high, low] = match ip {
            IpAddr::V4(ip) => [0, ip.to_bits() >> 8],
            IpAddr::V6(ip) => {
                let prefix = (ip.to_bits() >> 72) as u64;
                // The bit tells the families apart: a prefix has 56.
                [(prefix >> 32) as u32 | 1 << 31, prefix as u32]
            }
        };
        let [k0, k1, k2] = self.keys;
        let hash = k0
            .wrapping_add(k1.wrapping_mul(u64::from(high)))
            .wrapping_add(k2.wrapping_mul(u64::from(low)));
        (hash >> (u64::BITS - Self::BUCKET_BITS)) as usize
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
    fn prefixes_spread_over_the_table() {
        let limiter = limiter(Rate::new(1, 1));
        let mut used = [false; SourceLimiter::BUCKETS];
        for a in 0..64_u8 {
            for b in 0..64 {
                used[limiter.index(IpAddr::from([a, 7, b, 1]))] = true;
            }
        }
        // As many prefixes as buckets: about 63 % are hit by chance.
        let hit = used.iter().filter(|used| **used).count();
        assert!(hit > SourceLimiter::BUCKETS / 2, "{hit} buckets");
    }

    #[test]
    fn loopback_is_not_limited_and_a_rate_of_zero_lets_nobody_through() {
        let now = Instant::from_millis(1);
        let mut none = limiter(Rate::new(0, 5));
        assert!(!none.take(now, address("198.51.100.1:1")));
        assert!((0..100).all(|_| none.take(now, address("127.0.0.1:1"))));
    }

    #[test]
    fn time_that_stands_still_or_goes_back_gives_no_tokens() {
        let mut bucket = Bucket::full(Rate::new(1, 1));
        let rate = Rate::new(1, 1);
        assert!(bucket.take(Instant::from_millis(5000), rate));
        assert!(!bucket.take(Instant::from_millis(5000), rate));
        assert!(!bucket.take(Instant::ZERO, rate));
        assert!(!bucket.take(Instant::from_millis(5999), rate));
        assert!(bucket.take(Instant::from_millis(6000), rate));
        assert!(bucket.take(Instant::MAX, rate));
    }
}
