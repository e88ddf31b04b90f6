//! Proof of address that takes no place in a table: [`Challenges`].
//!
//! When the table of half-open connections is full, a CONNECT is answered by a challenge and forgotten:
//!
//! ```text
//! client                                     server
//! CONNECT (52 bytes)                 ---->   the table is full: nothing is remembered
//!                                    <----   ACKNOWLEDGE of nothing, number C1, sent time C2 (12 bytes)
//! ACKNOWLEDGE of number C1, time C2  ---->   C1 and C2 fit the address: it is proven for 10 s
//! CONNECT again, after 0.5 s         ---->   a place in the table, and VERIFY_CONNECT
//! ```
//!
//! The challenge is an ACKNOWLEDGE whose flag asks to be acknowledged itself. C ENet answers that in every state, and takes
//! both numbers over as they are, so they carry 32 bits of a keyed hash of its address. What it acknowledges is number 0,
//! which no command has, at the sent time of the CONNECT, so the client measures the true round trip and nothing else.

use super::Host;
use super::addresses::prefix;
use super::replies::Reply;
use crate::wire::{Body, CONNECTION_CHANNEL, Command, Connect, ConnectId, Header};
use alloc::collections::{BTreeMap, VecDeque};
use core::fmt;
use core::hash::Hasher;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use proto_core::{Instant, SeedRng};
use siphasher::sip::SipHasher24;

/// For how long the hash is the same. A cookie is accepted for that long, and at most for as long again.
const EPOCH_MICROS: u64 = 8_000_000;
/// How long an address stays proven: a client repeats CONNECT 0.5, 1.5, 3.5 and 7.5 s after the first.
const LIFETIME: Duration = Duration::from_secs(10);

/// Connection-level commands are numbered from 1 on; a client forgets its CONNECT if that is acknowledged.
const NO_SEQUENCE: u16 = 0;

/// A challenge that waits to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Challenge {
    pub(super) destination: SocketAddr,
    /// The number by which the client wants to be addressed.
    pub(super) remote_id: u16,
    pub(super) connect_id: ConnectId,
    /// Sent time of the CONNECT.
    pub(super) asked_at: u16,
    pub(super) cookie: Cookie,
}

impl Challenge {
    pub(super) const fn header(&self) -> Header {
        Header {
            peer_id: self.remote_id,
            // A client that waits for VERIFY_CONNECT does not know its session yet, and does not check it.
            session: 0,
            compressed: false,
            sent_time: Some(self.cookie.sent_time),
        }
    }

    pub(super) const fn command(&self) -> Command<'static> {
        Command {
            acknowledge: true,
            unsequenced: false,
            channel: CONNECTION_CHANNEL,
            sequence: self.cookie.sequence,
            body: Body::Acknowledge {
                sequence: NO_SEQUENCE,
                sent_time: self.asked_at,
            },
        }
    }
}

/// What a client brings back: the number of a command, and the sent time of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cookie {
    pub(super) sequence: u16,
    pub(super) sent_time: u16,
}

/// Makes and checks cookies, and remembers for a while who brought one back.
pub(super) struct Challenges {
    key: [u64; 2],
    /// Proven addresses, by what counts as one address, and until when they are.
    proven: BTreeMap<(IpAddr, SocketAddr), Instant>,
    ages: VecDeque<(Instant, SocketAddr)>,
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenges")
            .field("proven", &self.proven)
            .finish_non_exhaustive()
    }
}

fn key_of(address: SocketAddr) -> (IpAddr, SocketAddr) {
    (prefix(address).unwrap_or_else(|| address.ip()), address)
}

impl Challenges {
    pub(super) fn new(rng: &mut SeedRng) -> Self {
        Self {
            key: [rng.next_u64(), rng.next_u64()],
            proven: BTreeMap::new(),
            ages: VecDeque::new(),
        }
    }

    fn cookie_of(&self, epoch: u64, address: SocketAddr) -> Cookie {
        let mut hasher = SipHasher24::new_with_keys(self.key[0], self.key[1]);
        hasher.write_u64(epoch);
        match address.ip() {
            IpAddr::V4(ip) => hasher.write(&ip.octets()),
            IpAddr::V6(ip) => hasher.write(&ip.octets()),
        }
        hasher.write_u16(address.port());
        let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
        Cookie {
            sequence: u16::from_le_bytes([a, b]),
            sent_time: u16::from_le_bytes([c, d]),
        }
    }

    fn cookie(&self, now: Instant, address: SocketAddr) -> Cookie {
        self.cookie_of(now.as_micros() / EPOCH_MICROS, address)
    }

    fn is_genuine(&self, now: Instant, address: SocketAddr, cookie: Cookie) -> bool {
        let epoch = now.as_micros() / EPOCH_MICROS;
        [Some(epoch), epoch.checked_sub(1)]
            .into_iter()
            .flatten()
            .any(|epoch| self.cookie_of(epoch, address) == cookie)
    }

    fn is_proven(&self, now: Instant, address: SocketAddr) -> bool {
        let until = self.proven.get(&key_of(address));
        until.is_some_and(|&until| until > now)
    }

    /// Remembers `address`, of which at most `per_address` count as one address, and `most` in all, oldest out.
    fn prove(&mut self, now: Instant, address: SocketAddr, (most, per_address): (usize, usize)) {
        self.expire(now);
        let key = key_of(address);
        if prefix(address).is_some() && !self.proven.contains_key(&key) {
            let neighbours = self.proven.range(first_of(key.0)..);
            let neighbours = neighbours.take_while(|((prefix, _), _)| *prefix == key.0);
            if neighbours.take(per_address).count() >= per_address {
                return;
            }
        }
        let until = now + LIFETIME;
        self.proven.insert(key, until);
        self.ages.push_back((until, address));
        while self.ages.len() > most {
            self.forget_oldest();
        }
    }

    /// Forgets those that are proven no longer.
    pub(super) fn expire(&mut self, now: Instant) {
        while self.ages.front().is_some_and(|&(until, _)| until <= now) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((until, address)) = self.ages.pop_front() {
            let key = key_of(address);
            // A later proof counts longer.
            if self.proven.get(&key) == Some(&until) {
                self.proven.remove(&key);
            }
        }
    }
}

/// The lowest key of all addresses that count as `prefix`.
const fn first_of(prefix: IpAddr) -> (IpAddr, SocketAddr) {
    let lowest = IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED);
    (prefix, SocketAddr::new(lowest, 0))
}

impl Host {
    /// Whether `from` has shown a moment ago that it receives what is sent to it.
    pub(super) fn is_proven(&self, from: SocketAddr) -> bool {
        self.challenges.is_proven(self.clock.now(), from)
    }

    /// Answers a CONNECT that finds no place.
    pub(super) fn challenge(&mut self, from: SocketAddr, connect: &Connect, asked_at: u16) {
        let cookie = self.challenges.cookie(self.clock.now(), from);
        self.stats.challenges_sent += 1;
        self.replies.push(Reply::Challenge(Challenge {
            destination: from,
            remote_id: connect.terms.outgoing_peer_id,
            connect_id: connect.terms.connect_id,
            asked_at,
            cookie,
        }));
    }

    /// Takes the answer to a challenge in; false if it is none.
    pub(super) fn on_cookie(&mut self, from: SocketAddr, cookie: Cookie) -> bool {
        let now = self.clock.now();
        let is_genuine = self.challenges.is_genuine(now, from, cookie);
        if is_genuine {
            let limits = &self.config.limits;
            let most = (limits.proven_addresses, limits.half_open_per_address);
            self.challenges.prove(now, from, most);
            self.stats.challenges_met += 1;
        }
        is_genuine
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};

    fn challenges() -> Challenges {
        Challenges::new(&mut SeedRng::new([3; 32]))
    }

    fn v4(host: u32, port: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::from(host), port))
    }

    #[test]
    fn a_cookie_fits_one_address_and_port_for_8_to_16_seconds() {
        let challenges = challenges();
        let (made, address) = (Instant::from_millis(9_000), v4(0x0a00_0001, 5));
        let cookie = challenges.cookie(made, address);
        let fits =
            |millis, address| challenges.is_genuine(Instant::from_millis(millis), address, cookie);
        assert!(fits(9_000, address) && fits(17_000, address) && fits(23_999, address));
        assert!(!fits(24_000, address) && !fits(7_999, address));
        assert!(!fits(9_000, v4(0x0a00_0001, 6)) && !fits(9_000, v4(0x0a00_0002, 5)));
        let other = Challenges::new(&mut SeedRng::new([4; 32]));
        assert!(!other.is_genuine(made, address, cookie));
    }

    // req: HG-10
    #[test]
    fn every_bit_of_a_cookie_depends_on_the_address() {
        let challenges = challenges();
        let cookies = (0..4096).map(|host| challenges.cookie(Instant::ZERO, v4(host, 1)));
        let mut ones = [0; 32];
        for cookie in cookies {
            let bits = u32::from(cookie.sequence) << 16 | u32::from(cookie.sent_time);
            for (bit, ones) in ones.iter_mut().enumerate() {
                *ones += bits >> bit & 1;
            }
        }
        // Six deviations of a fair coin.
        assert!(
            ones.iter()
                .all(|ones| (2048 - 192..=2048 + 192).contains(ones)),
            "{ones:?}"
        );
    }

    // req: HG-19
    #[test]
    fn proven_addresses_are_bounded_in_all_and_for_each_network() {
        let mut challenges = challenges();
        let now = Instant::from_millis(1000);
        for host in 0..10_000 {
            challenges.prove(now, v4(0x0a00_0000 + host, 1), (64, 4));
        }
        assert_eq!((challenges.proven.len(), challenges.ages.len()), (64, 64));
        assert!(!challenges.is_proven(now, v4(0x0a00_0000, 1)));
        assert!(challenges.is_proven(now, v4(0x0a00_0000 + 9_999, 1)));
        for port in 0..100 {
            challenges.prove(now, v4(0x0b00_0000, port), (64, 4));
            let ip = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, port, 0, 0, 1);
            challenges.prove(now, SocketAddr::from((ip, 1)), (64, 4));
        }
        let of_two_networks = |proven: &&(IpAddr, SocketAddr)| {
            proven.1.is_ipv6() || proven.1.ip() == Ipv4Addr::from(0x0b00_0000)
        };
        let count = challenges.proven.keys().filter(of_two_networks).count();
        assert_eq!(count, 8);
        challenges.expire(now + LIFETIME);
        assert!(challenges.proven.is_empty() && challenges.ages.is_empty());
    }

    #[test]
    fn a_second_proof_counts_from_its_own_time() {
        let mut challenges = challenges();
        let address = v4(1, 1);
        let at = |seconds: u64| Instant::from_millis(seconds * 1000);
        challenges.prove(at(0), address, (64, 4));
        challenges.prove(at(5), address, (64, 4));
        challenges.expire(at(12));
        assert!(challenges.is_proven(at(14), address));
        assert!(!challenges.is_proven(at(15), address));
    }
}
