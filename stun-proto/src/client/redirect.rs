//! Where a server may send us: [`Visits`] (RFC 8489 section 10).

use super::config::Redirects;
use crate::scope::{Scope, same};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::{Instant, is_possible_source};

/// How long it is remembered where a client was.
const MEMORY: Duration = Duration::from_secs(300);
/// Servers that are remembered; who sends a client through more gets no further.
const SERVERS: usize = 16;

/// Why a redirection was not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// Redirections are not followed.
    #[error("the server redirects, which is not allowed")]
    NotAllowed,
    /// The server does not say where to, or not legibly.
    #[error("the server redirects without saying where to")]
    NoAddress,
    /// The address is of the other family.
    #[error("the server redirects to the other address family")]
    OtherFamily,
    /// The client was there within five minutes.
    #[error("the server redirects in a circle")]
    Circle,
    /// There were as many redirections in a row as the configuration allows.
    #[error("too many redirections in a row")]
    TooMany,
    /// No server for the public can be there: loopback, link-local, multicast, or private coming from a public one.
    #[error("the server redirects to an address that is not to be followed")]
    Forbidden,
}

/// Where a client has been redirected from and to.
#[derive(Debug)]
pub(super) struct Visits {
    policy: Redirects,
    /// Whether the server that the caller named is public.
    begins_public: bool,
    seen: Vec<(SocketAddr, Instant)>,
}

impl Visits {
    pub(super) fn new(policy: Redirects, first: SocketAddr) -> Self {
        Self {
            policy,
            begins_public: Scope::of(first.ip()) == Scope::Public,
            seen: Vec::new(),
        }
    }

    /// Whether the server that the caller named is public.
    pub(super) const fn begins_public(&self) -> bool {
        self.begins_public
    }

    /// Judges a redirection from `from` to `to`, and remembers both if it may be followed.
    pub(super) fn follow(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
    ) -> Result<(), RedirectError> {
        if self.policy == Redirects::Never {
            return Err(RedirectError::NotAllowed);
        }
        if from.is_ipv4() != to.is_ipv4() {
            return Err(RedirectError::OtherFamily);
        }
        if !is_possible_source(to) || !self.is_allowed(to) {
            return Err(RedirectError::Forbidden);
        }
        self.seen
            .retain(|(_, at)| now.saturating_since(*at) < MEMORY);
        let known = self.seen.iter().any(|(seen, _)| same(*seen, to));
        if known || same(from, to) || self.seen.len() + 2 > SERVERS {
            return Err(RedirectError::Circle);
        }
        self.seen.extend([(from, now), (to, now)]);
        Ok(())
    }

    fn is_allowed(&self, to: SocketAddr) -> bool {
        match (self.policy, Scope::of(to.ip())) {
            (Redirects::Anywhere, _) | (_, Scope::Public) => true,
            (_, Scope::Private) => !self.begins_public,
            (_, Scope::Special) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    // req: S-63, A-20, HS-10
    #[test]
    fn nobody_is_sent_to_special_addresses_or_from_public_to_private_ones() {
        let judge = |policy, from: &str, to: &str| {
            let from = address(from);
            Visits::new(policy, from).follow(Instant::ZERO, from, address(to))
        };
        use Redirects::{Anywhere, Never, Safe};
        let forbidden = Err(RedirectError::Forbidden);
        assert_eq!(judge(Safe, "8.8.8.8:3478", "9.9.9.9:3478"), Ok(()));
        assert_eq!(judge(Safe, "8.8.8.8:3478", "127.0.0.1:3478"), forbidden);
        assert_eq!(judge(Safe, "8.8.8.8:3478", "10.0.0.1:3478"), forbidden);
        assert_eq!(judge(Safe, "10.0.0.2:3478", "10.0.0.1:3478"), Ok(()));
        assert_eq!(judge(Safe, "127.0.0.1:1", "127.0.0.1:2"), forbidden);
        assert_eq!(judge(Anywhere, "127.0.0.1:1", "127.0.0.1:2"), Ok(()));
        assert_eq!(judge(Anywhere, "127.0.0.1:1", "127.0.0.1:0"), forbidden);
        assert_eq!(
            judge(Never, "8.8.8.8:1", "9.9.9.9:1"),
            Err(RedirectError::NotAllowed)
        );
        assert_eq!(
            judge(Safe, "8.8.8.8:1", "[2001:4860::1]:1"),
            Err(RedirectError::OtherFamily)
        );
    }

    // req: S-62
    #[test]
    fn a_place_is_visited_again_after_five_minutes_only() {
        let (a, b) = (address("8.8.8.8:3478"), address("9.9.9.9:3478"));
        let mut visits = Visits::new(Redirects::Safe, a);
        let now = Instant::ZERO;
        assert_eq!(visits.follow(now, a, b), Ok(()));
        assert_eq!(visits.follow(now, b, a), Err(RedirectError::Circle));
        let almost = now + Duration::from_secs(299);
        assert_eq!(visits.follow(almost, b, a), Err(RedirectError::Circle));
        assert_eq!(visits.follow(now + MEMORY, b, a), Ok(()));
    }

    // req: X-3
    #[test]
    fn the_memory_of_places_is_bounded() {
        let mut visits = Visits::new(Redirects::Safe, address("8.8.8.8:1"));
        let mut from = address("8.8.8.8:1");
        let mut followed = 0;
        for port in 2..100 {
            let to = SocketAddr::new(from.ip(), port);
            if visits.follow(Instant::ZERO, from, to).is_ok() {
                followed += 1;
                from = to;
            }
        }
        assert_eq!((followed, visits.seen.len()), (8, SERVERS));
    }
}
