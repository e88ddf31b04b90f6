//! Numbers to watch: [`Stats`], [`PairStats`], [`PairView`].

use crate::Path;
use core::time::Duration;
use proto_core::Instant;

/// A pair of an agent, by the order of its making.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairKey(pub(crate) u32);

impl core::fmt::Display for PairKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "pair {}", self.0)
    }
}

/// The state of a pair (RFC 8445 section 6.1.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "ICE has these five")]
pub enum PairState {
    /// It waits for another pair of its foundation.
    Frozen,
    /// It is to be checked.
    Waiting,
    /// It is being checked.
    InProgress,
    /// It works.
    Succeeded,
    /// It does not.
    Failed,
}

/// What was seen on a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PairStats {
    /// Checks sent, copies and consent checks included.
    pub requests_sent: u64,
    /// Checks received.
    pub requests_received: u64,
    /// Answers received that belong to a check.
    pub responses_received: u64,
    /// Answers sent.
    pub responses_sent: u64,
    /// Bytes of data sent through [`Agent::send`](crate::Agent::send) and
    /// [`Agent::send_framed`](crate::Agent::send_framed).
    pub bytes_sent: u64,
    /// Bytes of data received.
    pub bytes_received: u64,
    /// The last round-trip time, of a check that was sent once.
    pub rtt: Option<Duration>,
    /// Smoothed by an eighth.
    pub smoothed_rtt: Option<Duration>,
    /// When an authenticated packet or data last came.
    pub last_heard: Option<Instant>,
}

impl PairStats {
    /// Share of checks without an answer, in thousandths. Checks under way count as lost.
    #[must_use]
    pub fn loss_per_mille(&self) -> u32 {
        if self.requests_sent == 0 {
            return 0;
        }
        let lost = self.requests_sent.saturating_sub(self.responses_received);
        u32::try_from(lost.saturating_mul(1000) / self.requests_sent).unwrap_or(1000)
    }
}

/// A pair, to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PairView {
    /// Which.
    pub key: PairKey,
    /// From where to where.
    pub path: Path,
    /// Its priority.
    pub priority: u64,
    /// Its state.
    pub state: PairState,
    /// Whether a check has proven it.
    pub is_valid: bool,
    /// Where the peer's datagrams come from if not from where this pair sends to; `None` if it is not valid.
    pub answers_from: Option<core::net::SocketAddr>,
    /// Whether it was nominated.
    pub is_nominated: bool,
    /// Whether it is the one that is used.
    pub is_selected: bool,
    /// Its numbers.
    pub stats: PairStats,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// Why a datagram had no effect, or no other than an error in answer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum DropReason {
            $($(#[$doc])* $name,)+
        }

        impl DropReason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

reasons! {
    /// It looks like STUN and is not well formed.
    Malformed,
    /// It has no FINGERPRINT.
    MissingFingerprint,
    /// A request has no user name or no integrity; answered with 400.
    MissingCredentials,
    /// The user name is not ours, or not for this peer; answered with 401.
    WrongUsername,
    /// The integrity is wrong; a request is answered with 401.
    BadIntegrity,
    /// An authenticated request contradicts itself or lacks PRIORITY or a role; answered with 400.
    BadRequest,
    /// It has attributes that must be understood and are not; a request is answered with 420.
    UnknownAttribute,
    /// Roles are in conflict and this side kept its own; answered with 487.
    RoleConflict,
    /// A response belongs to no check of ours.
    UnknownTransaction,
    /// A response to a check came to another local address than the request left from or, with
    /// [`Profile::Strict`](crate::Profile::Strict), from elsewhere than that went to: the pair has failed unless it is in use. Or one
    /// to a consent check, from where no answer to a check came.
    WrongAddress,
    /// A response says that it saw us at an address that cannot be.
    BadAddress,
    /// It was received at an address that is no local candidate.
    UnknownLocal,
    /// More than may be answered in this time.
    RateLimited,
    /// Data from an address that no check has proven.
    UnvalidatedSource,
    /// One more new address of a peer whose NAT, like ours, gives each destination another port: it was answered, and not
    /// followed.
    MovingAddress,
    /// A table is full and nothing in it may go.
    TableFull,
    /// The agent is closed.
    Closed,
    /// A packet came over a connection that is not open, or was closed.
    UnknownConnection,
}

/// Counters of an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Checks sent, copies included.
    pub requests_sent: u64,
    /// Checks received that were ours to answer.
    pub requests_received: u64,
    /// Checks under way that began new, not copies.
    pub checks: u64,
    /// Checks that were begun because the peer checked.
    pub triggered_checks: u64,
    /// Answers sent, errors included.
    pub responses_sent: u64,
    /// Answers received that were used.
    pub responses_received: u64,
    /// Pairs that made room for others or found none.
    pub pairs_dropped: u64,
    /// Remote candidates that were refused: forbidden, duplicate, or too many.
    pub candidates_refused: u64,
    /// Accepted connections that made room for others or found none.
    pub connections_refused: u64,
    /// Events that the application did not take in time.
    pub events_dropped: u64,
    /// Data that came from a proven address.
    pub datagrams_received: u64,
    drops: [u32; DropReason::ALL.len()],
}

impl Stats {
    /// How many datagrams were dropped for `reason`; the count ends at `u32::MAX`.
    #[must_use]
    pub const fn dropped(&self, reason: DropReason) -> u64 {
        self.drops[reason as usize] as u64
    }

    pub(crate) const fn drop(&mut self, reason: DropReason) {
        let count = &mut self.drops[reason as usize];
        *count = count.saturating_add(1);
    }
}
