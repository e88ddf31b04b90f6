//! What happened and when, for a bug report: [`Timeline`].

mod packed;

use crate::{CandidateKind, PairKey, PairState, RestartReason, Role, State};
use alloc::collections::VecDeque;
use core::fmt;
use core::net::SocketAddr;
use packed::{Bytes, Reader, write};
use proto_core::Instant;

macro_rules! whys {
    ($($(#[$doc:meta])* $name:ident $text:literal,)+) => {
        /// Why the state of a pair changed; [`Display`](fmt::Display) says it in words.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Why {
            $($(#[$doc])* $name,)+
        }

        impl Why {
            const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// In words.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

whys! {
    /// Two lite agents: nobody checks.
    BothLite "both sides are lite",
    /// No other pair of its foundation comes before it.
    FirstOfFoundation "first of its foundation",
    /// A pair of its foundation has succeeded.
    FoundationWorks "its foundation works",
    /// The peer of this lite agent named it.
    PeerNominated "the peer nominated it",
    /// A check of the peer came on it.
    PeerChecked "the peer checked it",
    /// The answer did not come from where the check went.
    AnswerFromElsewhere "the answer came from elsewhere",
    /// The answer has attributes that must be understood and are not.
    UnknownAttributes "the answer has unknown attributes",
    /// Its check was answered.
    Answered "answered",
    /// Its check was answered with an error other than 487.
    ErrorAnswer "the peer answered with an error",
    /// More role switches than [`Limits::role_switches`](crate::Limits::role_switches).
    EndlessConflict "roles are in conflict without end",
    /// Its check was answered with 487.
    RoleConflict "roles were in conflict",
    /// Its check was never answered.
    NoAnswer "no answer",
    /// The peer no longer consents to what is sent on it.
    ConsentEnded "consent has ended",
    /// Its check is too long.
    Unwritable "its check cannot be written",
    /// A check was sent.
    Checked "checked",
    /// Its connection is being opened.
    Connecting "connecting",
    /// Its connection is open.
    Connected "connected",
    /// Its connection could not be opened.
    NoConnection "no connection",
    /// Its connection was closed.
    ConnectionClosed "the connection was closed",
    /// Its connection was not opened for [`Timing::connect`](crate::Timing::connect).
    LateConnection "no connection in time",
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

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
    PairState(PairKey, PairState, Why),
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
/// It holds addresses, so it is for the user to give away. An entry takes 2 to 62 bytes, mostly some 10.
#[derive(Clone, Debug)]
pub struct Timeline {
    entries: VecDeque<u8>,
    count: u32,
    dropped: u32,
    /// When what was before the first entry happened; each entry holds the time since the one before it.
    before: Instant,
    last: Instant,
}

impl Timeline {
    pub(crate) const fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            count: 0,
            dropped: 0,
            before: Instant::ZERO,
            last: Instant::ZERO,
        }
    }

    /// Adds an entry, and lets the oldest go if there are `most`.
    pub(crate) fn push(&mut self, most: usize, now: Instant, entry: &Entry) {
        if most == 0 {
            return;
        }
        if self.count as usize >= most {
            self.drop_first();
        }
        if self.count == 0 {
            (self.before, self.last) = (now, now);
        }
        let mut bytes = Bytes::new();
        bytes.number(now.micros_since(self.last));
        write(&mut bytes, entry);
        self.last = self.last.max(now);
        self.entries.extend(bytes.as_slice());
        self.count += 1;
    }

    fn drop_first(&mut self) {
        let mut reader = Reader(self.entries.iter());
        let Some((since, _)) = reader.entry() else {
            return;
        };
        let rest = reader.0.len();
        self.entries.drain(..self.entries.len() - rest);
        self.before = self.before.add_micros(since);
        self.count -= 1;
        self.dropped = self.dropped.saturating_add(1);
    }

    /// The entries with their times.
    pub fn iter(&self) -> impl Iterator<Item = (Instant, Entry)> + '_ {
        let mut reader = Reader(self.entries.iter());
        let mut at = self.before;
        core::iter::from_fn(move || {
            let (since, entry) = reader.entry()?;
            at = at.add_micros(since);
            Some((at, entry))
        })
    }

    /// How many entries were there before the first.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped as u64
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

#[cfg(test)]
mod tests;
