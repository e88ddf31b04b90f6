//! What to look up and whom to try: [`Lookup`], [`order_records`], [`attempts`].

use super::{Scheme, ServerUri, UriHost, UriTransport};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use proto_core::SeedRng;

/// One step of finding a server. Go through the list until a step has a result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a caller must handle each")]
pub enum Lookup {
    /// Nothing to look up.
    Address(SocketAddr),
    /// The SRV records of this name (RFC 2782), then the addresses of their targets in the order of [`order_records`].
    Service(String),
    /// The A and AAAA records of this name.
    Host {
        /// The name.
        name: String,
        /// The port that goes with each address.
        port: u16,
    },
}

impl ServerUri {
    /// What to look up, in this order (RFC 8489 section 8, RFC 5928 section 3, without NAPTR).
    ///
    /// An address needs nothing, a name with a port its addresses alone, another name its SRV records first.
    #[must_use]
    pub fn lookups(&self) -> Vec<Lookup> {
        let name = match &self.host {
            UriHost::Ip(ip) => {
                return Vec::from([Lookup::Address(SocketAddr::new(*ip, self.port()))]);
            }
            UriHost::Name(name) => name,
        };
        let services: &[&str] = match (self.port, self.scheme, self.transport) {
            (Some(_), _, _) => &[],
            (None, Scheme::Stun, None) => &["_stun._udp"],
            (None, Scheme::Stun, Some(UriTransport::Udp)) => &["_stun._udp"],
            (None, Scheme::Stun, Some(UriTransport::Tcp)) => &["_stun._tcp"],
            // Over UDP it is DTLS.
            (None, Scheme::Stuns, Some(UriTransport::Udp)) => &["_stuns._udp"],
            (None, Scheme::Stuns, _) => &["_stuns._tcp"],
            (None, Scheme::Turn, None) => &["_turn._udp", "_turn._tcp"],
            (None, Scheme::Turn, Some(UriTransport::Udp)) => &["_turn._udp"],
            (None, Scheme::Turn, Some(UriTransport::Tcp)) => &["_turn._tcp"],
            (None, Scheme::Turns, Some(UriTransport::Udp)) => &["_turns._udp"],
            (None, Scheme::Turns, _) => &["_turns._tcp"],
        };
        let services = services.iter();
        let services = services.map(|service| Lookup::Service(format!("{service}.{name}")));
        let host = Lookup::Host {
            name: name.clone(),
            port: self.port(),
        };
        services.chain([host]).collect()
    }

    /// The name of the SRV records of a server of NAT behaviour discovery (RFC 5780 section 4.1), if the host has a name.
    #[must_use]
    pub fn behavior_service(&self) -> Option<String> {
        match &self.host {
            UriHost::Ip(_) => None,
            UriHost::Name(name) => Some(format!("_stun-behavior._udp.{name}")),
        }
    }
}

/// One SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "RFC 2782 has these fields")]
pub struct ServiceRecord {
    /// Lower ones are tried first.
    pub priority: u16,
    /// The share of clients among those of one priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The name of the host.
    pub target: String,
}

/// Puts records into the order in which to try them: by priority, and by chance within one, as their weights say (RFC
/// 2782).
pub fn order_records(records: &mut [ServiceRecord], rng: &mut SeedRng) {
    // Those without a weight come first, so that they have a chance at all.
    records.sort_by_key(|record| (record.priority, record.weight));
    for same in records.chunk_by_mut(|a, b| a.priority == b.priority) {
        let mut rest = same;
        while let Some(chosen) = draw(rest, rng) {
            // The others keep their order.
            rest.get_mut(..=chosen).unwrap_or_default().rotate_right(1);
            rest = rest.split_first_mut().map_or(&mut [], |(_, rest)| rest);
        }
    }
}

/// Draws one of these by weight; `None` if there are none.
fn draw(records: &[ServiceRecord], rng: &mut SeedRng) -> Option<usize> {
    let weights = records.iter().map(|record| u32::from(record.weight));
    // 65,536 records of the largest weight would be too many for any DNS message.
    let total = weights.clone().fold(0, u32::saturating_add);
    let ticket = rng.below(total.saturating_add(1));
    let mut sum = 0_u32;
    let mut sums = weights.map(|weight| {
        sum = sum.saturating_add(weight);
        sum
    });
    sums.position(|sum| sum >= ticket)
}

/// When to try which address, counted from the begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "whom and when, no more")]
pub struct Attempt {
    /// How long after the begin, unless another one has answered.
    pub after: Duration,
    /// Whom.
    pub server: SocketAddr,
}

/// How long one family may take before the other is tried.
pub const FAMILY_DELAY: Duration = Duration::from_millis(250);

/// The order in which to try the addresses of one server: IPv6 first, the families in turn, 250 ms apart (as RFC 8305
/// does it). The first that answers wins.
pub fn attempts(found: &[SocketAddr]) -> impl Iterator<Item = Attempt> {
    let of = |v6: bool| {
        found
            .iter()
            .copied()
            .filter(move |address| matches!(address.ip(), IpAddr::V6(_)) == v6)
    };
    let (mut six, mut four) = (of(true), of(false));
    let mut is_six = false;
    let order = core::iter::from_fn(move || {
        is_six = !is_six;
        if is_six {
            six.next().or_else(|| four.next())
        } else {
            four.next().or_else(|| six.next())
        }
    });
    (0_u32..).zip(order).map(|(place, server)| Attempt {
        after: FAMILY_DELAY.saturating_mul(place),
        server,
    })
}
