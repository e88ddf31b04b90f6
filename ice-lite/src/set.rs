//! Many agents on one socket: [`AgentSet`].

#[cfg(test)]
mod tests;

use crate::candidate::plain;
use crate::check;
use crate::{Agent, DropReason, Event, Pacer};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::SocketAddr;
use proto_core::{Handled, Instant, Transmit};
use stun_proto::attribute::Username;
use stun_proto::{Class, Message, ParseError};

/// Most agents that are asked whether a response is theirs. Only agents of hostile descriptions share a remote address; more
/// than that may share an IP address, and some of them then miss answers that come from an unknown port.
const MOST_ASKED: usize = 16;

/// An agent of an [`AgentSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(u64);

/// Settings of an [`AgentSet`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SetConfig {
    /// Most agents. Memory of the set is at most about that times 200 bytes plus 100 for each pair, beside the agents
    /// themselves.
    pub agents: usize,
    /// A pacer for the checks of all agents together, where one uplink carries them; `None` lets each agent have its own.
    pub pacer: Option<Pacer>,
}

impl Default for SetConfig {
    fn default() -> Self {
        Self {
            agents: 10_000,
            pacer: None,
        }
    }
}

/// Why an agent was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum InsertError {
    /// There are [`SetConfig::agents`] already.
    #[error("there are too many agents")]
    Full,
    /// Another agent has the same username fragment.
    #[error("the username fragment is taken")]
    UfragTaken,
}

/// Why a datagram reached no agent, or had no effect there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SetDrop {
    /// A check for a fragment that no agent has. It is not answered.
    UnknownUfrag,
    /// Data or an answer from an address that no agent knows.
    UnknownRemote,
    /// It is malformed, or lacks FINGERPRINT.
    Malformed,
    /// An agent had no use for it.
    Agent(DropReason),
}

/// Counters of a set; what agents dropped is in their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetStats {
    /// Checks for fragments that no agent has.
    pub unknown_ufrag: u64,
    /// Data and answers from addresses that no agent knows.
    pub unknown_remote: u64,
    /// Malformed messages.
    pub malformed: u64,
}

/// Agents that share sockets, as a server's do: a check goes to the agent whose fragment it names, an answer and data to the
/// agent that has a pair with their source.
///
/// Datagrams that no agent authenticates allocate nothing and leave nothing behind. A restart keeps both the old fragment and
/// the old path, as long as the agent does.
///
/// ```
/// use ice_lite::{Agent, AgentSet, Config, LocalCandidate, SetConfig};
/// use proto_core::Instant;
///
/// let now = Instant::from_millis(1000);
/// let mut set = AgentSet::new(SetConfig::default());
/// for seed in 0..3 {
///     let mut agent = Agent::new(Config::lite([seed; 32]))?;
///     agent.add_local(now, LocalCandidate::host("192.0.2.1:4000".parse()?))?;
///     let id = set.insert(now, agent)?;
///     let description = set.agent(id).map(Agent::description);
///     assert!(description.is_some());
/// }
/// let from = "203.0.113.9:9000".parse()?;
/// let (agent, _) = set.handle_datagram(now, "192.0.2.1:4000".parse()?, from, b"stray data");
/// assert_eq!(agent, None);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AgentSet {
    config: SetConfig,
    agents: BTreeMap<AgentId, Entry>,
    /// Hashes of fragments, so that a search reads no strings; the agent says whether the fragment is its own.
    by_ufrag: BTreeSet<(u64, AgentId)>,
    /// Remote addresses of pairs. Those that the peer has proven come first.
    by_remote: BTreeSet<(SocketAddr, Standing, AgentId)>,
    timers: BTreeSet<(Instant, AgentId)>,
    /// Agents that may have something to send.
    ready: BTreeSet<AgentId>,
    eventful: BTreeSet<AgentId>,
    /// The agent that sent last, so that the next one is another.
    last: AgentId,
    next: u64,
    now: Instant,
    stats: SetStats,
}

/// What is known of a remote address of an agent. The better comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// A check that went there was answered.
    Proven,
    /// An answer came from there. Whoever knows the password can write any source, another client's too.
    Answers,
    /// Nothing yet.
    Asked,
}

#[derive(Debug)]
struct Entry {
    agent: Agent,
    /// Of what the agent said last about its fragments.
    ufrags_version: Option<(u32, bool)>,
    ufrags: Vec<u64>,
    remotes: Vec<(SocketAddr, Standing)>,
    timer: Option<Instant>,
}

/// FNV-1a. No remote chooses the fragments that are in the table, so it need not withstand one.
fn hash(ufrag: &str) -> u64 {
    ufrag.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl AgentSet {
    /// Bytes of the smallest buffer for [`AgentSet::poll_transmit`].
    pub const BUFFER: usize = Agent::BUFFER;

    /// A set without agents.
    #[must_use]
    pub const fn new(config: SetConfig) -> Self {
        Self {
            config,
            agents: BTreeMap::new(),
            by_ufrag: BTreeSet::new(),
            by_remote: BTreeSet::new(),
            timers: BTreeSet::new(),
            ready: BTreeSet::new(),
            eventful: BTreeSet::new(),
            last: AgentId(0),
            next: 1,
            now: Instant::ZERO,
            stats: SetStats {
                unknown_ufrag: 0,
                unknown_remote: 0,
                malformed: 0,
            },
        }
    }

    /// Takes an agent. Its bases may be those of the others.
    ///
    /// # Errors
    /// [`InsertError`]; the agent is lost.
    pub fn insert(&mut self, now: Instant, mut agent: Agent) -> Result<AgentId, InsertError> {
        self.now = self.now.max(now);
        if self.agents.len() >= self.config.agents {
            return Err(InsertError::Full);
        }
        if agent.ufrags().any(|ufrag| self.of_ufrag(ufrag).is_some()) {
            return Err(InsertError::UfragTaken);
        }
        if let Some((_, last)) = self.agents.last_key_value() {
            agent.share_settings(&last.agent);
        }
        let id = AgentId(self.next);
        self.next += 1;
        let entry = Entry {
            agent,
            ufrags_version: None,
            ufrags: Vec::new(),
            remotes: Vec::new(),
            timer: None,
        };
        self.agents.insert(id, entry);
        self.touch(id);
        Ok(id)
    }

    /// Gives an agent back, which from now on gets nothing.
    pub fn remove(&mut self, id: AgentId) -> Option<Agent> {
        let entry = self.agents.remove(&id)?;
        for &ufrag in &entry.ufrags {
            self.by_ufrag.remove(&(ufrag, id));
        }
        for &(remote, standing) in &entry.remotes {
            self.by_remote.remove(&(remote, standing, id));
        }
        if let Some(at) = entry.timer {
            self.timers.remove(&(at, id));
        }
        self.ready.remove(&id);
        self.eventful.remove(&id);
        Some(entry.agent)
    }

    /// An agent, to look at.
    #[must_use]
    pub fn agent(&self, id: AgentId) -> Option<&Agent> {
        self.agents.get(&id).map(|entry| &entry.agent)
    }

    /// Gives commands to an agent: candidates, descriptions, a restart, data to send.
    pub fn with<R>(&mut self, id: AgentId, command: impl FnOnce(&mut Agent) -> R) -> Option<R> {
        let entry = self.agents.get_mut(&id)?;
        let result = command(&mut entry.agent);
        self.touch(id);
        Some(result)
    }

    /// How many agents there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.agents.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    /// Counters.
    #[must_use]
    pub const fn stats(&self) -> SetStats {
        self.stats
    }

    /// A datagram for the local address `local` came from `from`. Gives the agent that took it, and what it made of it; see
    /// [`Agent::handle_datagram`].
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> (Option<AgentId>, Handled<SetDrop>) {
        self.now = self.now.max(now);
        let parsed = check::parse(data);
        let (found, missing) = match &parsed {
            Ok(message) => match message.class() {
                Class::Request => (self.of_check(message), SetDrop::UnknownUfrag),
                Class::Success | Class::Error => {
                    (self.of_response(from, message), SetDrop::UnknownRemote)
                }
                Class::Indication => (self.proven_at(from), SetDrop::UnknownRemote),
            },
            Err(ParseError::NotStun | ParseError::ChannelData) => {
                (self.proven_at(from), SetDrop::UnknownRemote)
            }
            // Data of a proven peer may begin like STUN by chance; the agent judges that.
            Err(_) => (self.proven_at(from), SetDrop::Malformed),
        };
        let Some(id) = found else {
            return (None, self.refuse(missing));
        };
        let is_message = parsed.is_ok();
        let Some(entry) = self.agents.get_mut(&id) else {
            return (None, self.refuse(missing));
        };
        let handled = entry.agent.handle_parsed(now, local, from, (data, parsed));
        if is_message {
            self.touch(id);
        }
        let handled = match handled {
            Handled::Consumed => Handled::Consumed,
            Handled::NotMine => Handled::NotMine,
            Handled::Dropped(reason) => Handled::Dropped(SetDrop::Agent(reason)),
            Handled::Inner { from, bytes } => Handled::Inner { from, bytes },
        };
        (Some(id), handled)
    }

    /// The agent for which a first packet on a connection that was accepted is: the one whose fragment its check names. Give
    /// the connection and then the packet to that; see [the crate](crate#tcp).
    #[must_use]
    pub fn agent_for(&self, packet: &[u8]) -> Option<AgentId> {
        self.of_check(&check::parse(packet).ok()?)
    }

    const fn refuse(&mut self, reason: SetDrop) -> Handled<SetDrop> {
        let counter = match reason {
            SetDrop::UnknownUfrag => &mut self.stats.unknown_ufrag,
            SetDrop::UnknownRemote => &mut self.stats.unknown_remote,
            SetDrop::Malformed | SetDrop::Agent(_) => &mut self.stats.malformed,
        };
        *counter += 1;
        Handled::Dropped(reason)
    }

    fn of_check(&self, message: &Message<'_>) -> Option<AgentId> {
        let username = message.get::<Username<'_>>().ok().flatten()?;
        let (ufrag, _) = username.as_str().split_once(':')?;
        self.of_ufrag(ufrag)
    }

    fn of_ufrag(&self, ufrag: &str) -> Option<AgentId> {
        let hash = hash(ufrag);
        let all = (hash, AgentId(0))..=(hash, AgentId(u64::MAX));
        let mut found = self.by_ufrag.range(all).map(|&(_, id)| id);
        found.find(|id| {
            let entry = self.agents.get(id);
            entry.is_some_and(|entry| entry.agent.ufrags().any(|own| own == ufrag))
        })
    }

    /// Agents with a pair to this address, the proven ones first.
    fn at(&self, from: SocketAddr) -> impl Iterator<Item = (Standing, AgentId)> + '_ {
        let from = plain(from);
        let first = (from, Standing::Proven, AgentId(0));
        let last = (from, Standing::Asked, AgentId(u64::MAX));
        let range = self.by_remote.range(first..=last);
        range.map(|&(_, standing, id)| (standing, id))
    }

    fn of_response(&self, from: SocketAddr, message: &Message<'_>) -> Option<AgentId> {
        let transaction = message.transaction_id();
        let waits = |id: &AgentId| {
            let entry = self.agents.get(id);
            entry.is_some_and(|entry| entry.agent.waits_for(transaction))
        };
        let mut asked = self.at(from).take(MOST_ASKED).map(|(_, id)| id);
        // The peer's box may give each destination another port.
        let mut near = self.near(from).take(MOST_ASKED);
        asked.find(waits).or_else(|| near.find(waits))
    }

    /// Agents with a pair to any port of this IP address.
    fn near(&self, from: SocketAddr) -> impl Iterator<Item = AgentId> + '_ {
        let ip = plain(from).ip();
        let first = (SocketAddr::new(ip, 0), Standing::Proven, AgentId(0));
        let last = SocketAddr::new(ip, u16::MAX);
        let last = (last, Standing::Asked, AgentId(u64::MAX));
        self.by_remote.range(first..=last).map(|&(.., id)| id)
    }

    /// The latest agent whose peer has proven to be there: a client that comes again has a new session.
    fn proven_at(&self, from: SocketAddr) -> Option<AgentId> {
        let from = plain(from);
        let mut standings = [Standing::Proven, Standing::Answers].into_iter();
        standings.find_map(|standing| {
            let all = (from, standing, AgentId(0))..=(from, standing, AgentId(u64::MAX));
            let mut range = self.by_remote.range(all);
            range.next_back().map(|&(_, _, id)| id)
        })
    }

    /// An agent has changed: what leads to it is brought up to date, and it is asked for datagrams and events.
    fn touch(&mut self, id: AgentId) {
        self.index(id);
        self.ready.insert(id);
        let eventful = self.agents.get(&id).map(|entry| entry.agent.has_events());
        if eventful == Some(true) {
            self.eventful.insert(id);
        }
    }

    fn index(&mut self, id: AgentId) {
        let Some(entry) = self.agents.get_mut(&id) else {
            return;
        };
        let version = Some(entry.agent.ufrags_version());
        if version != entry.ufrags_version {
            for ufrag in entry.ufrags.drain(..) {
                self.by_ufrag.remove(&(ufrag, id));
            }
            entry.ufrags.extend(entry.agent.ufrags().map(hash));
            let all = entry.ufrags.iter();
            self.by_ufrag.extend(all.map(|&ufrag| (ufrag, id)));
            entry.ufrags_version = version;
        }
        if entry.agent.remotes().eq(entry.remotes.iter().copied()) {
            return;
        }
        for (remote, standing) in entry.remotes.drain(..) {
            self.by_remote.remove(&(remote, standing, id));
        }
        entry.remotes.extend(entry.agent.remotes());
        for &(remote, standing) in &entry.remotes {
            self.by_remote.insert((remote, standing, id));
        }
    }

    /// A deadline may have passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        while let Some(&(at, id)) = self.timers.first() {
            if at > self.now {
                break;
            }
            self.timers.remove(&(at, id));
            if let Some(entry) = self.agents.get_mut(&id) {
                entry.timer = None;
                entry.agent.handle_timeout(self.now);
                self.touch(id);
            }
        }
    }

    /// Writes the next datagram of any agent into `buffer`, which has [`AgentSet::BUFFER`] bytes. Agents take turns.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<(AgentId, Transmit)> {
        self.now = self.now.max(now);
        loop {
            let after = AgentId(self.last.0 + 1);
            let id = self
                .ready
                .range(after..)
                .next()
                .or_else(|| self.ready.first())
                .copied()?;
            let Some(entry) = self.agents.get_mut(&id) else {
                self.ready.remove(&id);
                continue;
            };
            let transmit = match &mut self.config.pacer {
                Some(pacer) => entry.agent.poll_transmit_paced(self.now, pacer, buffer),
                None => entry.agent.poll_transmit(self.now, buffer),
            };
            if entry.agent.has_events() {
                self.eventful.insert(id);
            }
            if let Some(transmit) = transmit {
                self.last = id;
                return Some((id, transmit));
            }
            self.ready.remove(&id);
            self.rearm(id);
        }
    }

    fn rearm(&mut self, id: AgentId) {
        let Some(entry) = self.agents.get_mut(&id) else {
            return;
        };
        let next = match &self.config.pacer {
            Some(pacer) => entry.agent.poll_timeout_paced(pacer),
            None => entry.agent.poll_timeout(),
        };
        if next == entry.timer {
            return;
        }
        if let Some(before) = entry.timer.take() {
            self.timers.remove(&(before, id));
        }
        if let Some(at) = next {
            entry.timer = Some(at);
            self.timers.insert((at, id));
        }
    }

    /// The next moment at which something changes by itself, valid once [`AgentSet::poll_transmit`] has given `None`. A moment
    /// that has passed means now.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.ready.is_empty() {
            return Some(self.now);
        }
        self.timers.first().map(|&(at, _)| at)
    }

    /// The next event of any agent.
    pub fn poll_event(&mut self) -> Option<(AgentId, Event)> {
        loop {
            let id = *self.eventful.first()?;
            let event = self
                .agents
                .get_mut(&id)
                .and_then(|entry| entry.agent.poll_event());
            match event {
                Some(event) => return Some((id, event)),
                None => self.eventful.remove(&id),
            };
        }
    }
}
