//! Candidates of both sides.

use super::{Agent, LocalEntry, Name, RemoteEntry};
use crate::candidate::{can_pair, judge, plain, priority};
use crate::pacer::Bucket;
use crate::timeline::Entry;
use crate::{
    Candidate, CandidateAddress, CandidateKind, Event, Forbidden, Foundation, MAPPED_PREFERENCE,
    Policy, RestartReason, State, Transport, tcp_local_preference,
};
use core::net::{IpAddr, SocketAddr};
use proto_core::Instant;

/// A local candidate, from the caller or from a source of candidates.
#[derive(Clone, Debug)]
#[must_use]
pub struct LocalCandidate {
    kind: CandidateKind,
    address: SocketAddr,
    base: SocketAddr,
    transport: Transport,
    server: Option<IpAddr>,
    type_preference: u32,
    local_preference: Option<u32>,
    related: Option<SocketAddr>,
}

impl LocalCandidate {
    /// A socket of the host, bound to this address.
    pub const fn host(address: SocketAddr) -> Self {
        Self::new(CandidateKind::Host, address, address)
    }

    /// What the STUN server at `server` saw of the socket `base`.
    pub const fn server_reflexive(address: SocketAddr, base: SocketAddr, server: IpAddr) -> Self {
        let mut candidate = Self::new(CandidateKind::ServerReflexive, address, base);
        candidate.server = Some(server);
        candidate.related = Some(base);
        candidate
    }

    /// A port that a gateway maps to the socket `base`: PCP, NAT-PMP, UPnP, or set up by hand.
    pub const fn mapped(address: SocketAddr, base: SocketAddr) -> Self {
        let mut candidate = Self::new(CandidateKind::ServerReflexive, address, base);
        candidate.type_preference = MAPPED_PREFERENCE;
        candidate.related = Some(base);
        candidate
    }

    /// An address at a relay. `base` is what datagrams of the relay are sent from; `mapped` what the relay saw of us.
    pub const fn relayed(address: SocketAddr, mapped: SocketAddr, server: IpAddr) -> Self {
        let mut candidate = Self::new(CandidateKind::Relayed, address, address);
        candidate.server = Some(server);
        candidate.related = Some(mapped);
        candidate
    }

    const fn new(kind: CandidateKind, address: SocketAddr, base: SocketAddr) -> Self {
        Self {
            kind,
            address,
            base,
            transport: Transport::Udp,
            server: None,
            type_preference: kind.preference(),
            local_preference: None,
            related: None,
        }
    }

    /// With this transport. TCP candidates are told to the peer; see [`Agent::tcp_pairs`].
    pub const fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// With this local preference, 0 to 65,535, such as one of
    /// [`dual_stack_preferences`](crate::dual_stack_preferences). Without it the order of adding counts.
    pub const fn with_local_preference(mut self, preference: u32) -> Self {
        self.local_preference = Some(preference);
        self
    }

    /// With the related address hidden as 0.0.0.0 or :: and port 9, so that the peer does not learn the local network.
    pub fn with_related_hidden(mut self) -> Self {
        let ip = if self.address.is_ipv4() {
            IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED)
        } else {
            IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED)
        };
        self.related = self.related.map(|_| SocketAddr::new(ip, 9));
        self
    }
}

/// Why a candidate was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// Its address cannot be a candidate.
    #[error("the address is forbidden: {0}")]
    Forbidden(Forbidden),
    /// There is one already that does the same.
    #[error("the candidate is redundant")]
    Redundant,
    /// A limit is reached.
    #[error("there are too many candidates")]
    TooMany,
    /// The end of candidates was told for this generation.
    #[error("candidates were said to be complete")]
    Ended,
    /// The policy, or being lite, does not allow its kind.
    #[error("candidates of this kind are not used")]
    Kind,
    /// It is for a component other than 1.
    #[error("only component 1 is used")]
    Component,
    /// It is a name that multicast DNS does not resolve; names are looked up nowhere else.
    #[error("the address is a name")]
    Name,
    /// It belongs to another generation.
    #[error("the candidate belongs to another generation")]
    Generation,
    /// The agent is closed.
    #[error("the agent is closed")]
    Closed,
}

/// What makes two local candidates share a foundation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FoundationKey {
    kind: CandidateKind,
    base: IpAddr,
    transport: Transport,
    server: Option<IpAddr>,
}

impl Agent {
    /// Adds a local candidate, and gives it as it is to be told to the peer.
    ///
    /// # Errors
    /// [`AddError`]; a redundant one is no fault.
    pub fn add_local(
        &mut self,
        now: Instant,
        candidate: LocalCandidate,
    ) -> Result<Candidate, AddError> {
        self.advance(now);
        self.check_local(&candidate)?;
        let address = plain(candidate.address);
        let preference = self.preference_of(&candidate);
        let foundation = self.foundation_of(&candidate);
        let preference = self.distinct(candidate.type_preference, preference);
        let told = Candidate {
            foundation,
            component: 1,
            transport: candidate.transport,
            priority: priority(candidate.type_preference, preference, 1),
            address: CandidateAddress::Ip(address),
            kind: candidate.kind,
            related: candidate.related.map(plain),
            extensions: alloc::vec::Vec::new(),
        };
        self.note(Entry::LocalCandidate(candidate.kind, address));
        self.locals.push(LocalEntry {
            candidate: told.clone(),
            address,
            base: candidate.base,
            preference,
            gone: false,
        });
        self.last_candidate = self.now;
        self.pair_local(self.locals.len() - 1);
        self.start();
        self.settle();
        Ok(told)
    }

    fn check_local(&self, candidate: &LocalCandidate) -> Result<(), AddError> {
        if self.state == State::Closed {
            return Err(AddError::Closed);
        }
        if self.local_ended && self.selected.is_none() {
            return Err(AddError::Ended);
        }
        let relay_only = self.config.policy == Policy::RelayOnly;
        if (relay_only && candidate.kind != CandidateKind::Relayed)
            || (self.is_lite() && candidate.kind != CandidateKind::Host)
        {
            return Err(AddError::Kind);
        }
        judge(candidate.address, self.config.loopback).map_err(AddError::Forbidden)?;
        let (address, base) = (plain(candidate.address), plain(candidate.base));
        let reflexive = candidate.kind == CandidateKind::ServerReflexive;
        let redundant = self.locals.iter().any(|local| {
            !local.gone
                && local.address == address
                && plain(local.base) == base
                && local.candidate.transport == candidate.transport
                && local.candidate.kind != CandidateKind::PeerReflexive
        });
        if redundant || (reflexive && address == base) {
            return Err(AddError::Redundant);
        }
        if self.locals.len() >= self.config.limits.local {
            return Err(AddError::TooMany);
        }
        Ok(())
    }

    fn preference_of(&self, candidate: &LocalCandidate) -> u32 {
        let other = candidate.local_preference.unwrap_or_else(|| {
            let base = plain(candidate.base);
            let mut locals = self.locals.iter();
            // What comes from one base shares its preference; another base comes after all so far.
            let same = locals.find(|local| plain(local.base) == base);
            same.map_or_else(
                || {
                    let least = self.locals.iter().map(|local| local.preference).min();
                    least.map_or(65_535, |least| least.saturating_sub(1))
                },
                |local| local.preference,
            )
        });
        match candidate.transport {
            Transport::Udp => other,
            Transport::Tcp(tcp) => tcp_local_preference(candidate.kind, tcp, other & 8191),
        }
    }

    /// The highest preference up to `preference` that no candidate of the type has.
    fn distinct(&self, type_preference: u32, preference: u32) -> u32 {
        let taken = |preference: u32| {
            let wanted = priority(type_preference, preference, 1);
            let mut locals = self.locals.iter();
            locals.any(|local| local.candidate.priority == wanted)
        };
        (0..=preference)
            .rev()
            .find(|&preference| !taken(preference))
            .unwrap_or(0)
    }

    fn foundation_of(&mut self, candidate: &LocalCandidate) -> Foundation {
        let key = FoundationKey {
            kind: candidate.kind,
            base: candidate.base.ip(),
            transport: candidate.transport,
            server: candidate.server,
        };
        let mut known = self.foundations.iter();
        let index = known.position(|&known| known == key).unwrap_or_else(|| {
            self.foundations.push(key);
            self.foundations.len() - 1
        });
        Foundation::from_number(u32::try_from(index).unwrap_or(u32::MAX - 1) + 1)
    }

    /// All local candidates are known. Until both sides have said so, no failure is declared before its time.
    pub fn end_of_local_candidates(&mut self, now: Instant) {
        self.advance(now);
        if !self.local_ended {
            self.local_ended = true;
            self.note(Entry::LocalEnd);
            self.settle();
        }
    }

    /// The local address `base` is gone, with its socket or its allocation.
    pub fn remove_local(&mut self, now: Instant, base: SocketAddr) {
        self.advance(now);
        let base = plain(base);
        for local in &mut self.locals {
            local.gone |= plain(local.base) == base;
        }
        let selected = self.selected;
        let lost = self
            .pairs
            .iter()
            .any(|pair| Some(pair.key) == selected && plain(pair.base) == base);
        self.pairs.retain(|pair| plain(pair.base) != base);
        let pairs = &self.pairs;
        self.triggered
            .retain(|key| pairs.iter().any(|pair| pair.key == *key));
        if let Some(previous) = &self.previous
            && plain(previous.path.base) == base
        {
            self.previous = None;
        }
        if lost {
            self.selected = None;
            self.enter(State::Disconnected);
            if !self.pairs.iter().any(|pair| pair.valid.is_some()) {
                self.need_restart(RestartReason::AddressGone);
            }
        }
        self.settle();
    }

    /// Adds a candidate that the peer told.
    ///
    /// Before the peer's credentials are known it waits for them. A candidate with the extension `ufrag` belongs to that
    /// generation only. A name that ends in `.local` becomes [`Event::Resolve`].
    ///
    /// # Errors
    /// [`AddError`]. All are counted; none is a reason to end the session.
    pub fn add_remote(&mut self, now: Instant, candidate: Candidate) -> Result<(), AddError> {
        self.advance(now);
        let result = self.try_add_remote(candidate);
        match result {
            Ok(()) => self.settle(),
            Err(_) => self.stats.candidates_refused += 1,
        }
        result
    }

    fn try_add_remote(&mut self, candidate: Candidate) -> Result<(), AddError> {
        if self.state == State::Closed {
            return Err(AddError::Closed);
        }
        if candidate.component != 1 {
            return Err(AddError::Component);
        }
        let Some(remote) = &self.remote else {
            return self.hold(candidate);
        };
        if let Some(ufrag) = candidate.extension("ufrag")
            && ufrag != remote.side.credentials.ufrag()
        {
            return self.hold(candidate);
        }
        if self.remote_ended && self.selected.is_none() {
            return Err(AddError::Ended);
        }
        match &candidate.address {
            CandidateAddress::Ip(address) => {
                let address = *address;
                self.add_resolved(candidate, address)
            }
            CandidateAddress::Name { .. } if candidate.is_mdns() => self.ask_for(candidate),
            CandidateAddress::Name { .. } => Err(AddError::Name),
        }
    }

    /// Keeps a candidate until its generation is known.
    fn hold(&mut self, candidate: Candidate) -> Result<(), AddError> {
        if self.held.len() >= self.config.limits.held {
            return Err(AddError::Generation);
        }
        self.held.push(candidate);
        Ok(())
    }

    /// Tries the candidates that waited for the peer's credentials.
    pub(super) fn release_held(&mut self) {
        for candidate in core::mem::take(&mut self.held) {
            if self.try_add_remote(candidate).is_err() {
                self.stats.candidates_refused += 1;
            }
        }
    }

    fn ask_for(&mut self, candidate: Candidate) -> Result<(), AddError> {
        let CandidateAddress::Name { name, .. } = &candidate.address else {
            return Err(AddError::Name);
        };
        let name = name.clone();
        if self.names.len() >= self.config.limits.names {
            return Err(AddError::TooMany);
        }
        let asked = self.names.iter().any(|known| known.name == name);
        self.names.push(Name {
            candidate,
            name: name.clone(),
            until: self.now + self.config.timing.resolution,
        });
        if !asked {
            self.tell(Event::Resolve(name));
        }
        Ok(())
    }

    /// The answer to [`Event::Resolve`]: the address of a name, or `None` if it has none.
    pub fn resolved(&mut self, now: Instant, name: &str, address: Option<IpAddr>) {
        self.advance(now);
        let mut waiting = alloc::vec::Vec::new();
        self.names.retain(|known| {
            let found = known.name.eq_ignore_ascii_case(name);
            if found {
                waiting.push(known.candidate.clone());
            }
            !found
        });
        for candidate in waiting {
            let address = address.map(|ip| SocketAddr::new(ip, candidate.address.port()));
            let added = address.map(|address| self.add_resolved(candidate, address));
            if !matches!(added, Some(Ok(()))) {
                self.stats.candidates_refused += 1;
            }
        }
        self.settle();
    }

    /// The peer has no more candidates in this generation.
    pub fn end_of_remote_candidates(&mut self, now: Instant) {
        self.advance(now);
        if !self.remote_ended {
            self.remote_ended = true;
            self.note(Entry::RemoteEnd);
            self.settle();
        }
    }

    fn add_resolved(
        &mut self,
        mut candidate: Candidate,
        address: SocketAddr,
    ) -> Result<(), AddError> {
        let address = plain(address);
        self.check_remote(&candidate, address)?;
        candidate.address = CandidateAddress::Ip(address);
        candidate.priority = candidate.priority.min(i32::MAX.unsigned_abs());
        let mut known = self.remotes.iter();
        let known = known.position(|remote| {
            remote.address == address && remote.candidate.transport == candidate.transport
        });
        if let Some(index) = known {
            return self.adopt(index, candidate);
        }
        let limits = self.config.limits;
        let told = || self.remotes.iter().filter(|remote| !remote.learned);
        let same = told().filter(|remote| remote.address.ip() == address.ip());
        if told().count() >= limits.remote || same.count() >= limits.remote_per_ip {
            return Err(AddError::TooMany);
        }
        self.note(Entry::RemoteCandidate(candidate.kind, address));
        self.remotes.push(RemoteEntry {
            candidate,
            address,
            learned: false,
            unanswered: 0,
            answers: Bucket::new(limits.answers_per_source),
        });
        self.last_candidate = self.now;
        self.pair_remote(self.remotes.len() - 1);
        self.start();
        Ok(())
    }

    fn check_remote(&self, candidate: &Candidate, address: SocketAddr) -> Result<(), AddError> {
        // The port of an active TCP candidate means nothing.
        let judged = match candidate.transport {
            Transport::Tcp(_) if address.port() == 0 => SocketAddr::new(address.ip(), 9),
            _ => address,
        };
        judge(judged, self.config.loopback).map_err(AddError::Forbidden)?;
        match self.config.remote_filter {
            Some(allows) if !allows(address.ip()) => Err(AddError::Forbidden(Forbidden::Filtered)),
            _ => Ok(()),
        }
    }

    /// A candidate that was learned from a check is told at last: its words count, the state of its pairs stays.
    fn adopt(&mut self, index: usize, candidate: Candidate) -> Result<(), AddError> {
        let Some(remote) = self.remotes.get_mut(index) else {
            return Err(AddError::Redundant);
        };
        if !remote.learned {
            return Err(AddError::Redundant);
        }
        self.note(Entry::RemoteCandidate(
            candidate.kind,
            self.remotes[index].address,
        ));
        let remote = &mut self.remotes[index];
        remote.candidate = candidate;
        remote.learned = false;
        self.recompute();
        Ok(())
    }

    /// The remote candidate at `from`, made as a peer-reflexive one if it is new.
    pub(super) fn learn_remote(&mut self, from: SocketAddr, priority: u32) -> Option<usize> {
        let address = plain(from);
        let mut known = self.remotes.iter();
        if let Some(index) = known.position(|remote| {
            remote.address == address && remote.candidate.transport == Transport::Udp
        }) {
            return Some(index);
        }
        let mut candidate = Candidate::new(CandidateKind::PeerReflexive, address);
        candidate.priority = priority.clamp(1, i32::MAX.unsigned_abs());
        candidate.foundation = Foundation::from_number(self.rng.next_u32());
        let entry = RemoteEntry {
            candidate,
            address,
            learned: true,
            unanswered: 0,
            answers: Bucket::new(self.config.limits.answers_per_source),
        };
        self.note(Entry::RemoteCandidate(
            CandidateKind::PeerReflexive,
            address,
        ));
        let learned = self.remotes.iter().filter(|remote| remote.learned).count();
        if learned < self.config.limits.peer_reflexive {
            self.remotes.push(entry);
            return Some(self.remotes.len() - 1);
        }
        let index = self.oldest_expendable()?;
        let gone = |pair: &crate::pair::Pair| pair.remote == index;
        let pairs = &self.pairs;
        self.triggered
            .retain(|key| !pairs.iter().any(|pair| pair.key == *key && gone(pair)));
        self.pairs.retain(|pair| !gone(pair));
        self.remotes[index] = entry;
        Some(index)
    }

    /// The learned candidate that made the fewest pairs lately and has none that works.
    fn oldest_expendable(&self) -> Option<usize> {
        let newest = |index: usize| {
            let pairs = self.pairs.iter().filter(|pair| pair.remote == index);
            pairs.map(|pair| pair.key).max()
        };
        let used = |index: usize| {
            let mut pairs = self.pairs.iter();
            pairs.any(|pair| {
                pair.remote == index && (pair.valid.is_some() || pair.nominated.is_some())
            })
        };
        (0..self.remotes.len())
            .filter(|&index| self.remotes[index].learned && !used(index))
            .min_by_key(|&index| newest(index))
    }

    /// The base that `local` names, without its scope.
    ///
    /// A caller that does not know on which address a datagram came in passes the unspecified one.
    pub(super) fn base_of(&self, local: SocketAddr) -> Option<SocketAddr> {
        let local = plain(local);
        let mut bases = self.locals.iter().filter(|entry| !entry.gone);
        let fits = |base: SocketAddr| {
            base == local
                || (local.ip().is_unspecified()
                    && base.port() == local.port()
                    && base.is_ipv4() == local.is_ipv4())
        };
        bases
            .find(|entry| fits(plain(entry.base)))
            .map(|entry| plain(entry.base))
    }

    /// TCP candidates that may meet, the best first, for a caller that drives connections (RFC 6544 section 6.2).
    ///
    /// Pairs whose local side is passive are left out: there the peer connects. The agent itself checks UDP pairs only.
    #[must_use]
    pub fn tcp_pairs(&self) -> alloc::vec::Vec<(SocketAddr, SocketAddr)> {
        let mut pairs = alloc::vec::Vec::new();
        for local in self.locals.iter().filter(|local| !local.gone) {
            for remote in &self.remotes {
                let (Transport::Tcp(ours), Transport::Tcp(theirs)) =
                    (local.candidate.transport, remote.candidate.transport)
                else {
                    continue;
                };
                let connects = ours.meets(theirs) && ours != crate::TcpType::Passive;
                if connects && can_pair(local.address.ip(), remote.address.ip()) {
                    let priority = self.pair_priority_of(&local.candidate, &remote.candidate);
                    pairs.push((priority, local.base, remote.address));
                }
            }
        }
        pairs.sort_unstable_by_key(|&(priority, ..)| core::cmp::Reverse(priority));
        pairs
            .into_iter()
            .map(|(_, base, remote)| (base, remote))
            .collect()
    }
}
