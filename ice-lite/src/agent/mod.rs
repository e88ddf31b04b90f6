//! The agent: [`Agent`].

mod attributes;
mod conclude;
mod consent;
mod local;
mod local_candidate;
mod pairs;
mod parts;
mod remote;
mod report;
mod requests;
mod responses;
mod restart;
mod send;
mod tcp;
mod timers;

use crate::candidate::{plain, same};
use crate::check::{self, TransactionId};
use crate::config::{ConfigError, Settings};
use crate::connection::{Arrival, Connections, Link};
use crate::pacer::Bucket;
use crate::pair::Pair;
use crate::set::Standing;
use crate::timeline::Entry;
use crate::{
    Config, Credentials, Description, DropReason, Event, Implementation, Options, Pacer, PairKey,
    Role, State, Stats, TcpAction, Timeline,
};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use proto_core::{Handled, Instant, SeedRng};
use stun_proto::{Class, Message, Method, ParseError};

use parts::{Early, LocalEntry, Name, Previous, Rare, Remote, RemoteEntry, Reply, ReplyKind, Side};

pub use attributes::AttributesError;
pub use local::AddError;
pub use local_candidate::LocalCandidate;
pub use restart::{RemoteChange, RestartError, SetRemoteError};
pub use send::SendError;

/// An ICE agent for one component, see the [crate] for how to use it.
pub struct Agent {
    config: Settings,
    rng: SeedRng,
    now: Instant,
    role: Role,
    tie_breaker: u64,
    role_switches: u32,
    generation: u32,
    local: Side,
    /// In a place of its own, for most agents wait for it a while.
    remote: Option<Box<Remote>>,
    locals: Vec<LocalEntry>,
    remotes: Vec<RemoteEntry>,
    /// By priority, the highest first.
    pairs: Vec<Pair>,
    triggered: VecDeque<PairKey>,
    /// `None` until there is something in it.
    rare: Option<Box<Rare>>,
    replies: VecDeque<Reply>,
    /// Most agents have none.
    tcp: Option<Box<Connections>>,
    selected: Option<PairKey>,
    selected_at: Instant,
    /// When the pairs that were not selected go.
    linger_until: Option<Instant>,
    /// In a place of its own: it is large, and most agents never restart.
    previous: Option<Box<Previous>>,
    state: State,
    /// When checks could begin.
    started: Option<Instant>,
    first_valid: Option<Instant>,
    last_candidate: Instant,
    told_still_trying: bool,
    learned_at: Instant,
    local_ended: bool,
    remote_ended: bool,
    last_restart: Option<Instant>,
    pacer: Pacer,
    unvalidated_packets: Bucket,
    unvalidated_bytes: Bucket,
    answers: Bucket,
    strangers: Bucket,
    next_key: u32,
    nomination_order: u32,
    nomination_value: u32,
    events: VecDeque<Event>,
    stats: Stats,
    timeline: Timeline,
}

/// Makes room for one entry in a list that has room for none: most lists hold one, and growing would make room for four.
fn begin_small<T>(list: &mut Vec<T>) {
    if list.capacity() == 0 {
        list.reserve_exact(1);
    }
}

impl Agent {
    /// Bytes of the smallest buffer for [`Agent::poll_transmit`].
    pub const BUFFER: usize = 1232;

    /// An agent without candidates, which does not know its peer.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let mut rng = SeedRng::new(config.seed);
        let given = config.credentials.clone();
        let credentials = given.unwrap_or_else(|| Credentials::random(&mut rng));
        let drawn = rng.next_u64();
        Ok(Self {
            role: config.role,
            tie_breaker: config.tie_breaker.unwrap_or(drawn),
            pacer: Pacer::new(config.timing.pace),
            unvalidated_packets: Bucket::FULL,
            unvalidated_bytes: Bucket::FULL,
            answers: Bucket::FULL,
            strangers: Bucket::FULL,
            timeline: Timeline::new(),
            config: Settings::new(&config),
            rng,
            now: Instant::ZERO,
            role_switches: 0,
            generation: 0,
            local: Side::new(credentials),
            remote: None,
            locals: Vec::new(),
            remotes: Vec::new(),
            pairs: Vec::new(),
            triggered: VecDeque::new(),
            rare: None,
            replies: VecDeque::new(),
            tcp: None,
            selected: None,
            selected_at: Instant::ZERO,
            linger_until: None,
            previous: None,
            state: State::New,
            started: None,
            first_valid: None,
            last_candidate: Instant::ZERO,
            told_still_trying: false,
            learned_at: Instant::ZERO,
            local_ended: false,
            remote_ended: false,
            last_restart: None,
            next_key: 0,
            nomination_order: 0,
            nomination_value: 0,
            events: VecDeque::new(),
            stats: Stats::default(),
        })
    }

    /// A datagram for the local address `local` came from `from`.
    ///
    /// Checks and answers are [`Handled::Consumed`]. Data from a proven address is [`Handled::Inner`], with the range of
    /// the whole datagram; data from elsewhere is dropped. STUN that is not about checks is [`Handled::NotMine`]; offer
    /// answers of STUN and TURN servers to those clients first.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<DropReason> {
        self.handle_parsed(now, local, from, (data, check::parse(data)))
    }

    /// The same for a datagram that was parsed already.
    pub(crate) fn handle_parsed(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        parsed: (&[u8], Result<Message<'_>, ParseError>),
    ) -> Handled<DropReason> {
        let via = None;
        self.handle_arrival(now, &Arrival { via, local, from }, parsed)
    }

    fn handle_arrival(
        &mut self,
        now: Instant,
        arrival: &Arrival,
        (data, parsed): (&[u8], Result<Message<'_>, ParseError>),
    ) -> Handled<DropReason> {
        self.advance(now);
        if self.state == State::Closed {
            return self.refuse(DropReason::Closed);
        }
        let message = match parsed {
            Ok(message) => message,
            Err(ParseError::NotStun | ParseError::ChannelData) => {
                return self.on_data(arrival, data);
            }
            // Data may begin like STUN by chance; only a peer that was proven can mean it so.
            Err(_) if self.is_validated(arrival) && !looks_like_stun(data) => {
                return self.on_data(arrival, data);
            }
            Err(ParseError::NoFingerprint) => return self.refuse(DropReason::MissingFingerprint),
            Err(_) => return self.refuse(DropReason::Malformed),
        };
        if message.method() != Method::BINDING {
            return Handled::NotMine;
        }
        let verdict = match message.class() {
            Class::Request => self.on_request(arrival, &message),
            Class::Success | Class::Error => self.on_response(arrival, &message),
            // It keeps a mapping open and says nothing (RFC 8445 section 11).
            Class::Indication => Handled::Consumed,
        };
        self.settle();
        verdict
    }

    fn on_data(&mut self, arrival: &Arrival, data: &[u8]) -> Handled<DropReason> {
        if !self.is_validated(arrival) {
            return self.refuse(DropReason::UnvalidatedSource);
        }
        let Arrival { via, local, from } = *arrival;
        let (address, now, base) = (plain(from), self.now, self.base_of(local));
        let mut pairs = self.pairs.iter_mut();
        if let Some(pair) = pairs.find(|pair| {
            pair.hears(via, address) && base.is_none_or(|base| same(&pair.base, &base))
        }) {
            pair.counts.bytes_received += data.len() as u64;
            pair.counts.on_heard(now);
        }
        self.stats.datagrams_received += 1;
        Handled::Inner {
            from,
            bytes: 0..data.len(),
        }
    }

    /// Whether a check to this address has succeeded, or one of it did that we answered as a lite agent.
    fn is_validated(&self, arrival: &Arrival) -> bool {
        let (via, from) = (arrival.via, plain(arrival.from));
        let old = self.previous.as_ref();
        let mut pairs = self.pairs.iter();
        pairs.any(|pair| pair.hears(via, from)) || old.is_some_and(|old| old.hears(via, from))
    }

    /// The fragments to which peers address their checks: ours, and that of before a restart while it still is answered.
    pub(crate) fn ufrags(&self) -> impl Iterator<Item = &str> {
        let previous = self.previous.iter().map(|old| &old.local);
        let sides = core::iter::once(&self.local).chain(previous);
        sides.map(|side| side.credentials.ufrag())
    }

    /// Another value whenever [`Self::ufrags`] gives others.
    pub(crate) const fn ufrags_version(&self) -> (u32, bool) {
        (self.generation, self.previous.is_some())
    }

    /// The remote addresses of all pairs that datagrams may come from, those of answers too, and what is known of them.
    pub(crate) fn remotes(&self) -> impl Iterator<Item = (SocketAddr, Standing)> {
        let previous = self.previous.iter().flat_map(|old| old.sources());
        let pairs = self.pairs.iter().filter(|pair| pair.link == Link::Udp);
        let pairs = pairs.flat_map(|pair| {
            let source = pair.answers_from().filter(|_| pair.valid.is_some());
            let standing = match pair.valid {
                Some(_) => Standing::Proven,
                None => Standing::Asked,
            };
            let to = (plain(pair.to), standing);
            let source = source.map(|source| (source, Standing::Answers));
            [to].into_iter().chain(source)
        });
        pairs.chain(previous)
    }

    /// Whether a response with this id answers a check of ours.
    pub(crate) fn waits_for(&self, id: TransactionId) -> bool {
        self.is_question(id)
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Our side of the signalling: credentials, abilities, and the candidates so far.
    #[must_use]
    pub fn description(&self) -> Description {
        let local = self.locals.iter().filter(|local| !local.gone);
        let told = local.filter(|local| local.kind != crate::CandidateKind::PeerReflexive);
        let mut description = Description::new(self.local.credentials.clone());
        description.lite = self.is_lite();
        description.options = Options {
            trickle: true,
            ice2: self.config.nomination == crate::Nomination::Regular,
            renomination: true,
        };
        // The default needs no words.
        description.pacing = Some(self.pacer.interval()).filter(|&pace| pace != Pacer::DEFAULT);
        description.candidates = told.map(LocalEntry::candidate).collect();
        description.ended = self.local_ended;
        description
    }

    /// The credentials of this side in this generation.
    #[must_use]
    pub const fn credentials(&self) -> &Credentials {
        &self.local.credentials
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// The role, which a conflict may have changed.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Ends everything: nothing is sent, answered or handed on any more.
    pub fn close(&mut self, now: Instant) {
        self.advance(now);
        self.pairs.clear();
        self.triggered.clear();
        self.replies.clear();
        self.rare = None;
        self.previous = None;
        self.selected = None;
        self.close_connections();
        self.enter(State::Closed);
    }

    const fn is_lite(&self) -> bool {
        matches!(self.config.implementation, Implementation::Lite)
    }

    /// Whether checks may be sent.
    fn is_checking(&self) -> bool {
        !self.is_lite()
            && !matches!(self.state, State::Failed | State::Closed)
            && self.remote.is_some()
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn enter(&mut self, state: State) {
        if self.state == state || self.state == State::Closed {
            return;
        }
        self.state = state;
        self.note(Entry::State(state));
        self.tell(Event::State(state));
    }

    fn tell(&mut self, event: Event) {
        if self.events.len() >= self.config.limits().events {
            // A lost Close would be a connection that nobody closes.
            let may_go = |event: &Event| !matches!(event, Event::Tcp(TcpAction::Close { .. }));
            let oldest = self.events.iter().position(may_go).unwrap_or(0);
            self.events.remove(oldest);
            self.stats.events_dropped += 1;
        }
        self.events.push_back(event);
    }

    fn note(&mut self, entry: Entry) {
        let most = self.config.limits().timeline;
        self.timeline.push(most, self.now, &entry);
    }

    fn refuse(&mut self, reason: DropReason) -> Handled<DropReason> {
        self.stats.drop(reason);
        Handled::Dropped(reason)
    }

    fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    fn names(&self) -> &[Name] {
        self.rare.as_ref().map_or(&[], |rare| &rare.names)
    }

    /// Uses the times and limits of `other` in place of its own copy, if they are the same.
    pub(crate) fn share_settings(&mut self, other: &Self) {
        self.config.share(&other.config);
    }

    /// Draws the conclusions that any step may have made possible.
    fn settle(&mut self) {
        self.consider();
        self.follow();
        self.sweep_connections();
        self.judge_failure();
    }
}

/// Whether the header is one of STUN, cookie included.
fn looks_like_stun(data: &[u8]) -> bool {
    data.get(4..8) == Some(&stun_proto::MAGIC_COOKIE.to_be_bytes()[..])
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("ufrag", &self.local.credentials.ufrag())
            .field("role", &self.role)
            .field("state", &self.state)
            .field("pairs", &self.pairs.len())
            .finish_non_exhaustive()
    }
}
