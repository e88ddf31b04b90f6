//! Entries as bytes: a log that nobody may ever read must not be larger than the agent.

use super::{Entry, Why};
use crate::{CandidateKind, PairKey, PairState, RestartReason, Role, State};
use alloc::collections::vec_deque::Iter;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// The longest: a time of 10 bytes, a kind, a key of 5, and two addresses of 23.
const MOST_BYTES: usize = 10 + 1 + 5 + 2 * 23;

const STATES: [State; 7] = [
    State::New,
    State::Checking,
    State::Connected,
    State::Completed,
    State::Disconnected,
    State::Failed,
    State::Closed,
];
const PAIR_STATES: [PairState; 5] = [
    PairState::Frozen,
    PairState::Waiting,
    PairState::InProgress,
    PairState::Succeeded,
    PairState::Failed,
];
const KINDS: [CandidateKind; 4] = [
    CandidateKind::Host,
    CandidateKind::ServerReflexive,
    CandidateKind::PeerReflexive,
    CandidateKind::Relayed,
];
const ROLES: [Role; 2] = [Role::Controlling, Role::Controlled];
const REASONS: [RestartReason; 3] = [
    RestartReason::NoPath,
    RestartReason::ConsentLost,
    RestartReason::AddressGone,
];

/// The bytes of one entry.
pub(super) struct Bytes {
    bytes: [u8; MOST_BYTES],
    length: usize,
}

impl Bytes {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; MOST_BYTES],
            length: 0,
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        self.bytes[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }

    /// Seven bits a byte, the lowest first.
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.put(&[number.to_le_bytes()[0] | 0x80]);
            number >>= 7;
        }
        self.put(&[number.to_le_bytes()[0]]);
    }

    fn address(&mut self, address: SocketAddr) {
        match address {
            SocketAddr::V4(v4) => {
                self.put(&[4]);
                self.put(&v4.ip().octets());
            }
            SocketAddr::V6(v6) => {
                self.put(&[6]);
                self.put(&v6.ip().octets());
                self.put(&v6.scope_id().to_le_bytes());
            }
        }
        self.put(&address.port().to_le_bytes());
    }

    /// What the entry is about and a pair.
    fn pair(&mut self, kind: u8, key: PairKey) {
        self.put(&[kind]);
        self.number(u64::from(key.0));
    }
}

pub(super) fn write(bytes: &mut Bytes, entry: &Entry) {
    match *entry {
        Entry::State(state) => bytes.put(&[0, state as u8]),
        Entry::LocalCandidate(kind, address) => {
            bytes.put(&[1, kind as u8]);
            bytes.address(address);
        }
        Entry::RemoteCandidate(kind, address) => {
            bytes.put(&[2, kind as u8]);
            bytes.address(address);
        }
        Entry::Pair(key, base, remote) => {
            bytes.pair(3, key);
            bytes.address(base);
            bytes.address(remote);
        }
        Entry::PairState(key, state, why) => {
            bytes.pair(4, key);
            bytes.put(&[state as u8, why as u8]);
        }
        Entry::Valid(key, mapped) => {
            bytes.pair(5, key);
            bytes.address(mapped);
        }
        Entry::Asymmetric(key, from) => {
            bytes.pair(14, key);
            bytes.address(from);
        }
        Entry::Selected(key) => bytes.pair(6, key),
        Entry::Nominated(key, by) => {
            bytes.pair(7, key);
            bytes.put(&[by as u8]);
        }
        Entry::Role(role) => bytes.put(&[8, role as u8]),
        Entry::LocalEnd => bytes.put(&[9]),
        Entry::RemoteEnd => bytes.put(&[10]),
        Entry::Restart(generation) => {
            bytes.put(&[11]);
            bytes.number(u64::from(generation));
        }
        Entry::ConsentExpired => bytes.put(&[12]),
        Entry::RestartNeeded(reason) => bytes.put(&[13, reason as u8]),
    }
}

/// Reads what [`write()`] wrote.
pub(super) struct Reader<'a>(pub(super) Iter<'a, u8>);

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        self.0.next().copied()
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.byte()?;
        }
        Some(bytes)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Some(number)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        all.get(usize::from(self.byte()?)).copied()
    }

    fn address(&mut self) -> Option<SocketAddr> {
        if self.byte()? == 4 {
            let ip = Ipv4Addr::from(self.bytes::<4>()?);
            return Some(SocketAddr::new(IpAddr::V4(ip), self.port()?));
        }
        let ip = Ipv6Addr::from(self.bytes::<16>()?);
        let scope = u32::from_le_bytes(self.bytes()?);
        Some(SocketAddrV6::new(ip, self.port()?, 0, scope).into())
    }

    fn port(&mut self) -> Option<u16> {
        self.bytes().map(u16::from_le_bytes)
    }

    fn key(&mut self) -> Option<PairKey> {
        Some(PairKey(u32::try_from(self.number()?).ok()?))
    }

    /// The microseconds since the entry before, and the entry.
    pub(super) fn entry(&mut self) -> Option<(u64, Entry)> {
        let since = self.number()?;
        let entry = match self.byte()? {
            0 => Entry::State(self.one_of(&STATES)?),
            1 => Entry::LocalCandidate(self.one_of(&KINDS)?, self.address()?),
            2 => Entry::RemoteCandidate(self.one_of(&KINDS)?, self.address()?),
            3 => Entry::Pair(self.key()?, self.address()?, self.address()?),
            4 => Entry::PairState(
                self.key()?,
                self.one_of(&PAIR_STATES)?,
                self.one_of(Why::ALL)?,
            ),
            5 => Entry::Valid(self.key()?, self.address()?),
            6 => Entry::Selected(self.key()?),
            14 => Entry::Asymmetric(self.key()?, self.address()?),
            7 => Entry::Nominated(self.key()?, self.one_of(&ROLES)?),
            8 => Entry::Role(self.one_of(&ROLES)?),
            9 => Entry::LocalEnd,
            10 => Entry::RemoteEnd,
            11 => Entry::Restart(u32::try_from(self.number()?).ok()?),
            12 => Entry::ConsentExpired,
            13 => Entry::RestartNeeded(self.one_of(&REASONS)?),
            _ => return None,
        };
        Some((since, entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_enums_are_their_places_in_the_tables() {
        let place = |place: usize, number: u8| assert_eq!(place, usize::from(number));
        (STATES.iter().enumerate()).for_each(|(at, &state)| place(at, state as u8));
        (PAIR_STATES.iter().enumerate()).for_each(|(at, &state)| place(at, state as u8));
        (KINDS.iter().enumerate()).for_each(|(at, &kind)| place(at, kind as u8));
        (ROLES.iter().enumerate()).for_each(|(at, &role)| place(at, role as u8));
        (REASONS.iter().enumerate()).for_each(|(at, &reason)| place(at, reason as u8));
        (Why::ALL.iter().enumerate()).for_each(|(at, &why)| place(at, why as u8));
    }
}
