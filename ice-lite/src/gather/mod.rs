//! Finding local candidates: [`Gatherer`].

mod config;
mod predict;
mod query;
#[cfg(test)]
mod tests;

pub use config::{GatherConfig, HostAddresses};

use crate::candidate::{is_link_local, plain};
use crate::{ConfigError, LocalCandidate, Pacer, dual_stack_preferences};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use proto_core::{Handled, Instant, SeedRng, Transmit};
use query::{Query, QueryState, mapped};
use stun_proto::Message;

/// Most other sources of candidates at a time.
const MOST_SOURCES: usize = 16;

/// Finds the candidates of a host, beside an [`Agent`](crate::Agent) and on the same sockets.
///
/// Each socket is a host candidate, and each STUN server is asked what it sees of it: a server-reflexive candidate. Other
/// sources of candidates, such as relays and port mappings, are the caller's: [`Gatherer::expect`] waits for them and
/// [`Gatherer::provide`] takes what they found, so that the end is told once, for all.
///
/// The caller hands datagrams to the gatherer first and to the agent when they are
/// [`Handled::NotMine`], and passes each candidate on:
///
/// ```
/// use ice_lite::{Agent, Config, GatherConfig, GatherEvent, Gatherer, Role};
/// use proto_core::Instant;
///
/// let now = Instant::from_millis(1000);
/// let bases = vec!["192.0.2.1:4000".parse()?];
/// let mut gatherer = Gatherer::new(now, GatherConfig::new([1; 32], bases, Vec::new()))?;
/// let mut agent = Agent::new(Config::new([2; 32], Role::Controlling))?;
/// while let Some(event) = gatherer.poll_event() {
///     match event {
///         GatherEvent::Candidate(candidate) => {
///             if let Ok(told) = agent.add_local(now, candidate) {
///                 println!("tell the peer: {told}");
///             }
///         }
///         GatherEvent::Done => agent.end_of_local_candidates(now),
///         _ => {}
///     }
/// }
/// assert!(agent.description().ended);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Gatherer {
    config: GatherConfig,
    rng: SeedRng,
    now: Instant,
    pacer: Pacer,
    preferences: Vec<u32>,
    queries: Vec<Query>,
    sources: Vec<(SourceId, Instant)>,
    next_source: u32,
    found: Vec<(SocketAddr, SocketAddr)>,
    foretold: Vec<SocketAddr>,
    events: VecDeque<GatherEvent>,
    is_done: bool,
    is_stopped: bool,
}

/// A source of candidates that the gatherer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceId(u32);

/// What a gatherer found out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum GatherEvent {
    /// A candidate for [`Agent::add_local`](crate::Agent::add_local). After [`GatherEvent::Done`] it means that a mapping has
    /// changed, which the agent takes only if it still may.
    Candidate(LocalCandidate),
    /// A server gave no usable answer.
    Failed {
        /// The socket that asked.
        base: SocketAddr,
        /// The server that was asked.
        server: SocketAddr,
        /// Why.
        failure: GatherFailure,
    },
    /// All sources have answered or failed: time for
    /// [`Agent::end_of_local_candidates`](crate::Agent::end_of_local_candidates). Told once.
    Done,
}

/// Why a server gave no candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum GatherFailure {
    /// It did not answer in time.
    #[error("the server did not answer")]
    TimedOut,
    /// It answered with an error, or with an address that cannot be.
    #[error("the server refused")]
    Refused,
}

/// Why a datagram was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GatherDrop {
    /// It answers a question of ours but comes from elsewhere, or came to another socket.
    WrongAddress,
}

impl Gatherer {
    /// Bytes of the smallest buffer for [`Gatherer::poll_transmit`].
    pub const BUFFER: usize = 64;

    /// A gatherer that begins at once.
    ///
    /// # Errors
    /// If a setting is out of its range, or a base can be no candidate.
    pub fn new(now: Instant, config: GatherConfig) -> Result<Self, ConfigError> {
        config.check()?;
        if config.bases.iter().any(|&base| config.judge(base).is_err()) {
            return Err(ConfigError { field: "bases" });
        }
        let mut rng = SeedRng::new(config.seed);
        let ips: Vec<IpAddr> = config.bases.iter().map(SocketAddr::ip).collect();
        let mut queries = Vec::new();
        for &server in &config.servers {
            for &base in &config.bases {
                if base.is_ipv4() == server.is_ipv4() && !is_link_local(base.ip()) {
                    queries.push(Query::new(base, server, &mut rng));
                }
            }
        }
        let mut gatherer = Self {
            pacer: Pacer::new(config.pace),
            preferences: dual_stack_preferences(&ips),
            config,
            rng,
            now,
            queries,
            sources: Vec::new(),
            next_source: 0,
            found: Vec::new(),
            foretold: Vec::new(),
            events: VecDeque::new(),
            is_done: false,
            is_stopped: false,
        };
        gatherer.tell_hosts();
        gatherer.conclude();
        Ok(gatherer)
    }

    fn tell_hosts(&mut self) {
        if self.config.host_addresses == HostAddresses::Hidden {
            return;
        }
        for (&base, &preference) in self.config.bases.iter().zip(&self.preferences) {
            let candidate = LocalCandidate::host(base).with_local_preference(preference);
            self.events.push_back(GatherEvent::Candidate(candidate));
        }
    }

    fn preference_of(&self, base: SocketAddr) -> Option<u32> {
        let mut bases = self.config.bases.iter();
        let index = bases.position(|&known| known == base)?;
        self.preferences.get(index).copied()
    }

    /// Waits for a further source of candidates, at most so long; `None` when everything was told already, or for more than
    /// 16 sources at a time.
    pub fn expect(&mut self, now: Instant, within: Duration) -> Option<SourceId> {
        self.now = self.now.max(now);
        let told = self.is_done && !matches!(self.events.back(), Some(GatherEvent::Done));
        if told || self.is_stopped || self.sources.len() >= MOST_SOURCES {
            return None;
        }
        if self.is_done {
            self.events.pop_back();
            self.is_done = false;
        }
        let id = SourceId(self.next_source);
        self.next_source += 1;
        self.sources.push((id, self.now + within));
        Some(id)
    }

    /// Takes a candidate of a further source. It is told as it is; while hosts are hidden, its related address is blanked.
    pub fn provide(&mut self, now: Instant, candidate: LocalCandidate) {
        self.now = self.now.max(now);
        let candidate = match self.config.host_addresses {
            HostAddresses::Told => candidate,
            HostAddresses::Hidden => candidate.with_related_hidden(),
        };
        self.events.push_back(GatherEvent::Candidate(candidate));
        if self.is_done {
            // The end comes last, if it was not taken yet.
            let done = |event: &GatherEvent| matches!(event, GatherEvent::Done);
            if let Some(index) = self.events.iter().position(done) {
                self.events.remove(index);
                self.events.push_back(GatherEvent::Done);
            }
        }
    }

    /// A further source has given all it has.
    pub fn provided(&mut self, now: Instant, source: SourceId) {
        self.now = self.now.max(now);
        self.sources.retain(|&(known, _)| known != source);
        self.conclude();
    }

    /// ICE has ended, or none of these candidates was chosen: mappings are no longer kept open.
    pub fn stop(&mut self) {
        self.is_stopped = true;
        self.queries.clear();
        self.sources.clear();
    }

    /// A datagram came for `local`, which may be unspecified if the caller does not know its IP address.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<GatherDrop> {
        self.now = self.now.max(now);
        let Ok(message) = Message::parse(data) else {
            return Handled::NotMine;
        };
        let id = message.transaction_id();
        let mut queries = self.queries.iter();
        let Some(index) = queries.position(|query| query.waits_for(id)) else {
            return Handled::NotMine;
        };
        let query = &self.queries[index];
        let (ours, theirs) = (plain(local), plain(query.base));
        let to_us = ours == theirs || (ours.ip().is_unspecified() && ours.port() == theirs.port());
        if plain(from) != plain(query.server) || !to_us {
            return Handled::Dropped(GatherDrop::WrongAddress);
        }
        let good = mapped(&message).filter(|&mapped| self.config.judge(mapped).is_ok());
        match good {
            Some(mapped) => self.on_mapped(index, plain(mapped)),
            None => self.fail(index, GatherFailure::Refused),
        }
        self.conclude();
        Handled::Consumed
    }

    fn on_mapped(&mut self, index: usize, mapped: SocketAddr) {
        let next = self.now + self.config.keepalive;
        let query = &mut self.queries[index];
        query.end(QueryState::Answered(mapped, next));
        let (base, server) = (query.base, query.server);
        // What several servers see of one base alike is one candidate (RFC 8445 section 5.1.3).
        if mapped == plain(base) || self.found.contains(&(base, mapped)) {
            return;
        }
        self.found.push((base, mapped));
        let candidate = LocalCandidate::server_reflexive(mapped, base, server.ip());
        self.tell_reflexive(base, candidate);
    }

    fn tell_reflexive(&mut self, base: SocketAddr, mut candidate: LocalCandidate) {
        if let Some(preference) = self.preference_of(base) {
            candidate = candidate.with_local_preference(preference);
        }
        if self.config.host_addresses == HostAddresses::Hidden {
            candidate = candidate.with_related_hidden();
        }
        self.events.push_back(GatherEvent::Candidate(candidate));
    }

    fn fail(&mut self, index: usize, failure: GatherFailure) {
        let query = &mut self.queries[index];
        query.end(QueryState::Failed);
        let (base, server) = (query.base, query.server);
        self.events.push_back(GatherEvent::Failed {
            base,
            server,
            failure,
        });
    }

    /// Foretells ports once all servers have spoken about a base, and tells the end once nothing is open.
    fn conclude(&mut self) {
        if self.is_done || self.is_stopped {
            return;
        }
        for index in 0..self.config.bases.len() {
            let base = self.config.bases[index];
            self.foretell(base);
        }
        let open = self.queries.iter().any(Query::is_open);
        if !open && self.sources.is_empty() {
            self.is_done = true;
            self.events.push_back(GatherEvent::Done);
        }
    }

    fn foretell(&mut self, base: SocketAddr) {
        let of_base = || self.queries.iter().filter(|query| query.base == base);
        if self.config.predicted == 0
            || self.foretold.contains(&base)
            || of_base().any(Query::is_open)
        {
            return;
        }
        self.foretold.push(base);
        let seen: Vec<SocketAddr> = of_base().filter_map(Query::mapped).collect();
        for address in predict::next_addresses(&seen, self.config.predicted) {
            self.tell_reflexive(base, LocalCandidate::predicted(address, base));
        }
    }

    /// A deadline may have passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        let now = self.now;
        for index in 0..self.queries.len() {
            if self.queries[index].handle_timeout(now) {
                self.fail(index, GatherFailure::TimedOut);
            }
        }
        self.sources.retain(|&(_, until)| until > now);
        self.conclude();
    }

    /// Writes the next datagram into `buffer`, which has [`Gatherer::BUFFER`] bytes.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let mut pacer = self.pacer;
        let transmit = self.poll_transmit_paced(now, &mut pacer, buffer);
        self.pacer = pacer;
        transmit
    }

    /// The same with a pacer that others share, such as the agent's.
    pub fn poll_transmit_paced(
        &mut self,
        now: Instant,
        pacer: &mut Pacer,
        buffer: &mut [u8],
    ) -> Option<Transmit> {
        self.now = self.now.max(now);
        let now = self.now;
        let rto = self.rto(pacer.interval());
        let ready = |query: &Query| query.starts_at().is_some_and(|at| at <= now);
        if pacer.next() <= now
            && let Some(index) = self.queries.iter().position(ready)
            && pacer.take(now)
        {
            let give_up = self.config.give_up;
            self.queries[index].start(now, rto, give_up, &mut self.rng);
        }
        for query in &mut self.queries {
            if let Some(Ok(length)) = query.write(buffer) {
                return Some(Transmit {
                    source: Some(query.base),
                    destination: query.server,
                    bytes: 0..length,
                });
            }
        }
        None
    }

    /// RFC 8445 section 14.3: what is gathered at once shares the time.
    fn rto(&self, pace: Duration) -> Duration {
        let count = u32::try_from(self.queries.len()).unwrap_or(u32::MAX);
        self.config.retransmission.max(pace.saturating_mul(count))
    }

    /// The next moment at which something changes by itself. A moment that has passed means now.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.poll_timeout_paced(&self.pacer)
    }

    /// The same with a pacer that others share.
    #[must_use]
    pub fn poll_timeout_paced(&self, pacer: &Pacer) -> Option<Instant> {
        let asked = self.queries.iter().filter_map(Query::poll_timeout);
        let starts = self.queries.iter().filter_map(Query::starts_at);
        let starts = starts.map(|at| at.max(pacer.next()));
        let sources = self.sources.iter().map(|&(_, until)| until);
        asked.chain(starts).chain(sources).min()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<GatherEvent> {
        self.events.pop_front()
    }

    /// Whether all sources have answered or failed.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.is_done
    }
}
