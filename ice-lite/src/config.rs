//! What an agent is told when it is made: [`Config`] and its parts.

use crate::Credentials;
use crate::candidate::Loopback;
use alloc::sync::Arc;
use core::net::IpAddr;
use core::time::Duration;

/// Who picks the pair (RFC 8445 section 6.1.1). The side that made the offer controls, unless one side is lite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "ICE has these two")]
pub enum Role {
    /// Picks the pair.
    Controlling,
    /// Follows.
    Controlled,
}

impl Role {
    /// The other one.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Controlling => Self::Controlled,
            Self::Controlled => Self::Controlling,
        }
    }
}

/// Whether an agent checks paths itself (RFC 8445 section 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "ICE has these two")]
pub enum Implementation {
    /// Checks and answers.
    Full,
    /// Only answers: a server at a public address.
    Lite,
}

/// When checks are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// At 0, 1, 2, 4, 8 and 16 times the smallest timeout, failed at 32 times it: 16 s by default. Slots that no new pair
    /// wants go to silent ones, which are checked anew after [`Timing::recheck`]. For people who wait.
    ///
    /// A pair whose check was answered from elsewhere works for data, until one comes that works both ways. After
    /// [`Timing::asymmetric_wait`] it is nominated if the peer takes such answers, too: then its checks to addresses that were
    /// not told have the attribute 0xC0A5, which is empty, or it is lite.
    Interactive,
    /// RFC 8445 section 14.3 with RFC 8489's seven sends; the timeout that grows with the list stops at 3 s. Nothing is
    /// checked anew before it has failed. A pair whose check was answered from elsewhere fails (section 7.2.5.2.1).
    Strict,
}

/// How the controlling side picks (RFC 8445 section 8.1.1, RFC 5245 section 8.1.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nomination {
    /// Checks first, then one more check names the pair.
    Regular,
    /// Every check names its pair, and the best of those that succeed is used. For peers of RFC 5245 only.
    Aggressive,
}

/// Which paths may be used (the modes of RFC 8828 that concern an agent).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// All.
    All,
    /// Those through a relay of ours only: the peer never learns our addresses.
    RelayOnly,
}

/// What becomes of valid pairs that were not selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standby {
    /// They live this long after the selection: 3 s in RFC 8445 section 8.3.
    For(Duration),
    /// They are kept with consent of their own, so that a lost network is replaced at once.
    Forever,
}

/// Whether checks must carry a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "yes or no, with a name")]
pub enum RoleAttribute {
    /// A check without one is answered with 400. RFC 5245 and RFC 8445 demand it of every peer.
    Required,
    /// A check without one is processed as one without a conflict: peers older than RFC 5245.
    Optional,
}

/// Settings of an agent. [`Config::new`] has safe defaults.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Source of all randomness: credentials, tie-breaker, transaction ids, consent times.
    pub seed: [u8; 32],
    /// The role to begin with.
    pub role: Role,
    /// Full or lite.
    pub implementation: Implementation,
    /// Fragment and password of the first generation; `None` draws them.
    pub credentials: Option<Credentials>,
    /// Who wins a conflict of roles; `None` draws it.
    pub tie_breaker: Option<u64>,
    /// When checks are sent again.
    pub profile: Profile,
    /// How to pick as the controlling side.
    pub nomination: Nomination,
    /// Which paths may be used.
    pub policy: Policy,
    /// What becomes of the pairs that were not selected.
    pub standby: Standby,
    /// Whether addresses of the host itself may be used; for tests.
    pub loopback: Loopback,
    /// Whether checks must carry a role.
    pub role_attribute: RoleAttribute,
    /// Says no to remote addresses, `false` refuses: a server's list of networks that it must not be sent to.
    pub remote_filter: Option<fn(IpAddr) -> bool>,
    /// Type of the attribute that moves the selection without a restart: 0xC001 in libwebrtc.
    pub nomination_attribute: u16,
    /// Type of an attribute of the peer's checks that is told as [`Event::Attribute`](crate::Event::Attribute) when its value
    /// is new, such as 0xC057 for the cost of libwebrtc's network.
    pub watched_attribute: Option<u16>,
    /// All times.
    pub timing: Timing,
    /// Bounds on what remotes can make the agent hold and send.
    pub limits: Limits,
}

/// The times of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// Ta: between two new checks; at least 5 ms (RFC 8445 section 14.2). It is what we propose: the peer's proposal counts
    /// if it is larger, and a peer that proposes nothing wants 50 ms.
    pub pace: Duration,
    /// Smallest time before a check is sent again: 500 ms; less only on a known network.
    pub retransmission: Duration,
    /// While slots of [`Timing::pace`] are free, a pair that is silent for so long is checked anew, then after twice as
    /// long, and so on [`Limits::rechecks`] times: a box may have let the first check down because its own side had not
    /// opened it yet. Each is a transaction of its own in a slot of its own; retransmissions are as they were.
    pub recheck: Duration,
    /// Pairs through a relay wait this long after the first check could be sent.
    pub relay_delay: Duration,
    /// How long a better pair is waited for when one of two host candidates is valid.
    pub host_wait: Duration,
    /// The same when the valid one has a reflexive candidate.
    pub reflexive_wait: Duration,
    /// The same when it has a relayed one.
    pub relayed_wait: Duration,
    /// How long a pair that is answered from where it sends to is waited for when others work.
    pub asymmetric_wait: Duration,
    /// How long several nominations of an aggressive peer are compared by priority.
    pub settle: Duration,
    /// PAC: no failure is declared earlier after checks could begin (RFC 8863).
    pub patience: Duration,
    /// When [`Event::StillTrying`](crate::Event::StillTrying) tells that there is no path yet.
    pub give_up_hint: Duration,
    /// Mean time between two consent checks; each is 0.8 to 1.2 of it (RFC 7675 section 5.1).
    pub consent_interval: Duration,
    /// Consent ends this long after the last answer.
    pub consent_expiry: Duration,
    /// Disconnected after this long without an authenticated packet on the selected pair.
    pub disconnected: Duration,
    /// Tr: a selected pair is never silent for longer (RFC 8445 section 11).
    pub keepalive: Duration,
    /// How long a TCP connection may take to open, and how long the peer may take to check one that was accepted.
    pub connect: Duration,
    /// How long a name may take to resolve.
    pub resolution: Duration,
    /// How long the generation before a restart is answered once the new one has a path.
    pub old_generation: Duration,
    /// Shortest time between two restarts.
    pub restart_interval: Duration,
}

impl Timing {
    const DEFAULT: Self = Self {
        pace: Duration::from_millis(20),
        retransmission: Duration::from_millis(500),
        recheck: Duration::from_millis(40),
        relay_delay: Duration::from_millis(200),
        host_wait: Duration::from_millis(100),
        reflexive_wait: Duration::from_millis(200),
        relayed_wait: Duration::from_millis(500),
        asymmetric_wait: Duration::from_secs(1),
        settle: Duration::from_secs(3),
        patience: Duration::from_millis(39_500),
        give_up_hint: Duration::from_secs(10),
        consent_interval: Duration::from_secs(5),
        consent_expiry: Duration::from_secs(30),
        disconnected: Duration::from_secs(5),
        keepalive: Duration::from_secs(15),
        connect: Duration::from_secs(10),
        resolution: Duration::from_secs(5),
        old_generation: Duration::from_secs(10),
        restart_interval: Duration::from_secs(1),
    };
}

impl Default for Timing {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Bounds on what remotes can make an agent hold and send.
///
/// Memory of an agent is at most about `pairs` × 1,100 + (`local` + `remote` + `peer_reflexive`) × 250 + `timeline` × 62 +
/// `connections` × 240 + `events` × 112 bytes, what the extensions of candidate lines hold (at most 1 KiB each), and up to 1 KiB for
/// each message that waits to be written to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Local candidates, peer-reflexive ones included.
    pub local: usize,
    /// Signalled remote candidates of a generation.
    pub remote: usize,
    /// Signalled remote candidates with one IP address.
    pub remote_per_ip: usize,
    /// Remote candidates that were learned from checks.
    pub peer_reflexive: usize,
    /// Pairs, the lowest out first.
    pub pairs: usize,
    /// Checks to one IP address without any answer from it.
    pub unanswered_per_ip: u32,
    /// How often a silent pair is checked anew in free slots; 0 is never. All such checks to one IP address take at most half
    /// of its [`Limits::unanswered_per_ip`].
    pub rechecks: u32,
    /// Datagrams a second to pairs that are not valid.
    pub unvalidated_packets: u32,
    /// Bytes a second to pairs that are not valid.
    pub unvalidated_bytes: u32,
    /// Answers a second.
    pub answers: u32,
    /// Answers a second to one address that is not valid, and to all that are not authenticated together.
    pub answers_per_source: u32,
    /// Checks that are remembered until the peer's credentials are known.
    pub early_checks: usize,
    /// Candidates that wait for their generation or for their name.
    pub held: usize,
    /// Names that are being resolved.
    pub names: usize,
    /// TCP connections that were opened, and as many that were accepted.
    pub connections: usize,
    /// Changes of the role in a generation.
    pub role_switches: u32,
    /// Answers that wait to be sent.
    pub replies: usize,
    /// Events that the application has not taken, the oldest out.
    pub events: usize,
    /// Entries of the timeline, the oldest out.
    pub timeline: usize,
}

impl Limits {
    const DEFAULT: Self = Self {
        local: 64,
        remote: 64,
        remote_per_ip: 5,
        peer_reflexive: 32,
        pairs: 100,
        unanswered_per_ip: 20,
        rechecks: 4,
        unvalidated_packets: 200,
        unvalidated_bytes: 65_536,
        answers: 50,
        answers_per_source: 5,
        early_checks: 16,
        held: 32,
        names: 8,
        connections: 16,
        role_switches: 3,
        replies: 16,
        events: 256,
        timeline: 256,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Config {
    /// Defaults for a full agent: interactive timing, regular nomination, all paths.
    #[must_use]
    pub fn new(seed: [u8; 32], role: Role) -> Self {
        Self {
            seed,
            role,
            implementation: Implementation::Full,
            credentials: None,
            tie_breaker: None,
            profile: Profile::Interactive,
            nomination: Nomination::Regular,
            policy: Policy::All,
            standby: Standby::For(Duration::from_secs(3)),
            loopback: Loopback::Forbidden,
            role_attribute: RoleAttribute::Required,
            remote_filter: None,
            nomination_attribute: 0xc001,
            watched_attribute: None,
            timing: Timing::default(),
            limits: Limits::default(),
        }
    }

    /// The same for a lite agent, which is controlled against every full peer.
    #[must_use]
    pub fn lite(seed: [u8; 32]) -> Self {
        Self {
            implementation: Implementation::Lite,
            ..Self::new(seed, Role::Controlled)
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let (timing, limits) = (&self.timing, &self.limits);
        let checks = [
            ("timing.pace", timing.pace >= Duration::from_millis(5)),
            (
                "timing.retransmission",
                timing.retransmission >= Duration::from_millis(10),
            ),
            (
                "timing.recheck",
                timing.recheck >= Duration::from_millis(10) && limits.rechecks <= 8,
            ),
            (
                "timing.consent_interval",
                timing.consent_interval >= Duration::from_secs(5)
                    && timing.consent_interval < timing.consent_expiry,
            ),
            ("timing.connect", timing.connect > Duration::ZERO),
            ("timing.disconnected", timing.disconnected > Duration::ZERO),
            ("timing.keepalive", timing.keepalive > Duration::ZERO),
            ("nomination_attribute", self.nomination_attribute >= 0x8000),
            ("limits.local", limits.local > 0),
            (
                "limits.remote",
                limits.remote > 0 && limits.remote_per_ip > 0,
            ),
            ("limits.peer_reflexive", limits.peer_reflexive > 0),
            ("limits.pairs", limits.pairs > 0),
            (
                "limits.answers",
                limits.answers > 0 && limits.answers_per_source > 0 && limits.replies > 0,
            ),
            (
                "limits.unvalidated",
                limits.unvalidated_packets > 0
                    && limits.unvalidated_bytes >= 1000
                    && limits.unanswered_per_ip > 0,
            ),
            ("limits.events", limits.events > 0),
        ];
        match checks.iter().find(|(_, good)| !good) {
            Some(&(field, _)) => Err(ConfigError { field }),
            None => Ok(()),
        }
    }
}

/// Times and limits, which are large, and of which most programs have one set for all their agents.
#[derive(Debug, PartialEq, Eq)]
struct Numbers {
    timing: Timing,
    limits: Limits,
}

static USUAL: Numbers = Numbers {
    timing: Timing::DEFAULT,
    limits: Limits::DEFAULT,
};

/// What an agent keeps of its [`Config`].
#[derive(Debug)]
pub(crate) struct Settings {
    /// `None` where they are the default.
    numbers: Option<Arc<Numbers>>,
    pub(crate) implementation: Implementation,
    pub(crate) profile: Profile,
    pub(crate) nomination: Nomination,
    pub(crate) policy: Policy,
    pub(crate) standby: Standby,
    pub(crate) loopback: Loopback,
    pub(crate) role_attribute: RoleAttribute,
    pub(crate) remote_filter: Option<fn(IpAddr) -> bool>,
    pub(crate) nomination_attribute: u16,
    pub(crate) watched_attribute: Option<u16>,
}

impl Settings {
    pub(crate) fn new(config: &Config) -> Self {
        let numbers = Numbers {
            timing: config.timing,
            limits: config.limits,
        };
        Self {
            numbers: (numbers != USUAL).then(|| Arc::new(numbers)),
            implementation: config.implementation,
            profile: config.profile,
            nomination: config.nomination,
            policy: config.policy,
            standby: config.standby,
            loopback: config.loopback,
            role_attribute: config.role_attribute,
            remote_filter: config.remote_filter,
            nomination_attribute: config.nomination_attribute,
            watched_attribute: config.watched_attribute,
        }
    }

    fn numbers(&self) -> &Numbers {
        self.numbers.as_deref().unwrap_or(&USUAL)
    }

    pub(crate) fn timing(&self) -> &Timing {
        &self.numbers().timing
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.numbers().limits
    }

    /// Uses the times and limits of `other` in place of its own copy, if they are the same.
    pub(crate) fn share(&mut self, other: &Self) {
        if self.numbers == other.numbers {
            self.numbers.clone_from(&other.numbers);
        }
    }
}

/// A setting is out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("config field {field} is out of range")]
#[non_exhaustive]
pub struct ConfigError {
    /// Name of the field of [`Config`].
    pub field: &'static str,
}
