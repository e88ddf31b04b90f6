//! Numbers that order candidates and pairs.

use super::{CandidateKind, TcpType};
use alloc::vec::Vec;
use core::net::IpAddr;

/// Type preference of an address that a gateway maps on request, between peer- and server-reflexive (RFC 6544
/// section 4.2 has the number for NAT-assisted candidates).
pub const MAPPED_PREFERENCE: u32 = 105;

/// The priority of a candidate (RFC 8445 section 5.1.2.1).
///
/// `kind` is a type preference from 0 to 126, `local` a local preference from 0 to 65,535, `component` from 1 to 256;
/// what is above is taken as the most.
#[must_use]
pub fn priority(kind: u32, local: u32, component: u16) -> u32 {
    let component = u32::from(component.clamp(1, 256));
    (kind.min(126) << 24) + (local.min(65_535) << 8) + (256 - component)
}

/// The priority of a pair (RFC 8445 section 6.1.2.3), from that of the controlling side's candidate and of the other's.
#[must_use]
pub fn pair_priority(controlling: u32, controlled: u32) -> u64 {
    let low = u64::from(controlling.min(controlled));
    let high = u64::from(controlling.max(controlled));
    // A priority from the wire may be any 32 bits, and two of the largest would overflow.
    (low << 32)
        .saturating_add(high * 2)
        .saturating_add(u64::from(controlling > controlled))
}

/// The local preference of a TCP candidate (RFC 6544 section 4.2); `other` is below 8,192.
#[must_use]
pub fn tcp_local_preference(kind: CandidateKind, tcp: TcpType, other: u32) -> u32 {
    let outside = matches!(
        kind,
        CandidateKind::ServerReflexive | CandidateKind::PeerReflexive
    );
    let direction = match (outside, tcp) {
        (true, TcpType::SimultaneousOpen) | (false, TcpType::Active) => 6,
        (true, TcpType::Active) | (false, TcpType::Passive) => 4,
        (true, TcpType::Passive) | (false, TcpType::SimultaneousOpen) => 2,
    };
    (direction << 13) + other.min(8191)
}

/// Local preferences for the addresses of a host, so that neither family waits long for the other (RFC 8421 section 4).
///
/// IPv6 leads; after at most as many of it as there are addresses per IPv4 address, rounded up, an IPv4 one follows.
/// Addresses of tunnels (6to4, Teredo) come last in their family. The first gets 65,535, the next one less, and so on;
/// the result is in the order of `addresses`.
///
/// ```
/// # use ice_lite::dual_stack_preferences;
/// let addresses = ["10.0.0.1", "2001:db8::1", "2001:db8::2"].map(|text| text.parse().expect("an address"));
/// assert_eq!(dual_stack_preferences(&addresses), [65_534, 65_535, 65_533]);
/// ```
#[must_use]
pub fn dual_stack_preferences(addresses: &[IpAddr]) -> Vec<u32> {
    let family = |v6: bool| {
        let mut members: Vec<usize> = (0..addresses.len())
            .filter(|&index| addresses[index].is_ipv6() == v6)
            .collect();
        members.sort_by_key(|&index| is_tunnel(addresses[index]));
        members.into_iter()
    };
    let (mut six, mut four) = (family(true), family(false));
    // Evenly spread, with IPv6 first, at most ceil(N6 / N4) of it stand in a row, which is below Hi.
    let (count_six, count_four) = (six.len(), four.len());
    let mut preferences = alloc::vec![0; addresses.len()];
    let (mut taken_six, mut taken_four) = (0, 0);
    for rank in 0..addresses.len() {
        let six_is_due = taken_six * count_four <= taken_four * count_six;
        let next = if six_is_due {
            six.next().or_else(|| four.next())
        } else {
            four.next().or_else(|| six.next())
        };
        let Some(index) = next else { break };
        if addresses[index].is_ipv6() {
            taken_six += 1;
        } else {
            taken_four += 1;
        }
        preferences[index] = 65_535_u32.saturating_sub(u32::try_from(rank).unwrap_or(u32::MAX));
    }
    preferences
}

fn is_tunnel(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => ip.octets()[..3] == [192, 0, 0],
        IpAddr::V6(ip) => {
            let [first, second, ..] = ip.segments();
            first == 0x2002 || (first == 0x2001 && second == 0)
        }
    }
}
