//! What happened and when, for a bug report: [`Timeline`].

use crate::{CandidateKind, PairKey, PairState, RestartReason, Role, State};
use alloc::collections::VecDeque;
use core::fmt;
use core::net::SocketAddr;
use proto_core::Instant;

/// Something that happened in an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entry {
    /// The state of the agent changed.
    State(State),
    /// A local candidate was added.
    LocalCandidate(CandidateKind, SocketAddr),
    /// A remote candidate was added.
    RemoteCandidate(CandidateKind, SocketAddr),
    /// A pair was made, from this base to this remote.
    Pair(PairKey, SocketAddr, SocketAddr),
    /// The state of a pair changed, and why.
    PairState(PairKey, PairState, &'static str),
    /// The peer saw the checks of the pair come from this address.
    Valid(PairKey, SocketAddr),
    /// Answers to checks of the pair come from this address and not from where it sends to.
    Asymmetric(PairKey, SocketAddr),
    /// The pair is used from now on.
    Selected(PairKey),
    /// The pair was named, by this side or by the other.
    Nominated(PairKey, Role),
    /// This side changed its role.
    Role(Role),
    /// All local candidates are known.
    LocalEnd,
    /// All remote candidates are known.
    RemoteEnd,
    /// New credentials, of this generation.
    Restart(u32),
    /// Consent for the pair has ended.
    ConsentExpired,
    /// A restart was asked for.
    RestartNeeded(RestartReason),
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(state) => write!(f, "state {state:?}"),
            Self::LocalCandidate(kind, address) => write!(f, "local {} {address}", kind.word()),
            Self::RemoteCandidate(kind, address) => write!(f, "remote {} {address}", kind.word()),
            Self::Pair(key, base, remote) => write!(f, "{key} from {base} to {remote}"),
            Self::PairState(key, state, why) => write!(f, "{key} {state:?}: {why}"),
            Self::Valid(key, mapped) => write!(f, "{key} valid, seen as {mapped}"),
            Self::Asymmetric(key, from) => write!(f, "{key} is answered from {from}"),
            Self::Selected(key) => write!(f, "{key} selected"),
            Self::Nominated(key, by) => write!(f, "{key} nominated by the {by:?} side"),
            Self::Role(role) => write!(f, "role {role:?}"),
            Self::LocalEnd => f.write_str("end of local candidates"),
            Self::RemoteEnd => f.write_str("end of remote candidates"),
            Self::Restart(generation) => write!(f, "restart, generation {generation}"),
            Self::ConsentExpired => f.write_str("consent expired"),
            Self::RestartNeeded(reason) => write!(f, "restart needed: {reason:?}"),
        }
    }
}

/// The last entries of an agent, oldest first; [`Display`](fmt::Display) gives a line for each.
///
/// It holds addresses, so it is for the user to give away.
#[derive(Clone, Debug)]
pub struct Timeline {
    entries: VecDeque<(Instant, Entry)>,
    most: usize,
    dropped: u64,
}

impl Timeline {
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            most,
            dropped: 0,
        }
    }

    pub(crate) fn push(&mut self, now: Instant, entry: Entry) {
        if self.most == 0 {
            return;
        }
        if self.entries.len() >= self.most {
            self.entries.pop_front();
            self.dropped += 1;
        }
        self.entries.push_back((now, entry));
    }

    /// The entries with their times.
    pub fn iter(&self) -> impl Iterator<Item = (Instant, Entry)> + '_ {
        self.entries.iter().copied()
    }

    /// How many entries were there before the first.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dropped > 0 {
            writeln!(f, "({} earlier entries)", self.dropped)?;
        }
        self.iter()
            .try_for_each(|(at, entry)| writeln!(f, "{at} {entry}"))
    }
}
