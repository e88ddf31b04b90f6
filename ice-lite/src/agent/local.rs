//! Candidates of this side.

use super::local_candidate::LocalCandidate;
use super::{Agent, LocalEntry, begin_small};
use crate::candidate::{judge, plain, priority, same};
use crate::timeline::Entry;
use crate::{
    Candidate, CandidateKind, Forbidden, Policy, RestartReason, State, Transport,
    tcp_local_preference,
};
use core::net::SocketAddr;
use proto_core::Instant;

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
        let entry = LocalEntry {
            address,
            base: candidate.base,
            related: candidate.related.map(plain),
            name: candidate.name,
            server: candidate.server,
            foundation,
            priority: priority(candidate.type_preference, preference, 1),
            preference,
            transport: candidate.transport,
            kind: candidate.kind,
            predicted: candidate.guess.is_some(),
            gone: false,
        };
        let told = entry.candidate();
        self.note(Entry::LocalCandidate(candidate.kind, address));
        begin_small(&mut self.locals);
        self.locals.push(entry);
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
                && same(&local.base, &base)
                && local.transport == candidate.transport
                && local.kind != CandidateKind::PeerReflexive
        });
        if redundant || (reflexive && address == base) {
            return Err(AddError::Redundant);
        }
        if self.locals.len() >= self.config.limits().local {
            return Err(AddError::TooMany);
        }
        Ok(())
    }

    fn preference_of(&self, candidate: &LocalCandidate) -> u32 {
        // Of a TCP candidate the lower 13 bits are its own, the others say who connects.
        let full = |local: &LocalEntry| match local.transport {
            Transport::Udp => local.preference,
            Transport::Tcp(_) => local.preference | 7 << 13,
        };
        let other = candidate.local_preference.unwrap_or_else(|| {
            let base = plain(candidate.base);
            let mut locals = self.locals.iter();
            // What comes from one base shares its preference; another base comes after all so far.
            let same = locals.find(|local| same(&local.base, &base));
            same.map_or_else(
                || {
                    let least = self.locals.iter().map(full).min();
                    least.map_or(65_535, |least| least.saturating_sub(1))
                },
                full,
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
            locals.any(|local| local.priority == wanted)
        };
        (0..=preference)
            .rev()
            .find(|&preference| !taken(preference))
            .unwrap_or(0)
    }

    /// The number of the foundation: that of a candidate of the same kind, base, transport and server, or a new one.
    fn foundation_of(&self, candidate: &LocalCandidate) -> u32 {
        let same = |local: &&LocalEntry| {
            local.kind == candidate.kind
                && local.base.ip() == candidate.base.ip()
                && local.transport == candidate.transport
                && local.server == candidate.server
                && local.predicted.then(|| local.address.port()) == candidate.guess
        };
        let told = || {
            let locals = self.locals.iter();
            locals.filter(|local| local.kind != CandidateKind::PeerReflexive)
        };
        let most = told().map(|local| local.foundation).max();
        told()
            .find(same)
            .map_or_else(|| most.map_or(1, |most| most + 1), |local| local.foundation)
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

    /// The local address `base` is gone, with its socket or its allocation, and its listener.
    pub fn remove_local(&mut self, now: Instant, base: SocketAddr) {
        self.advance(now);
        let base = plain(base);
        for local in &mut self.locals {
            local.gone |= same(&local.base, &base);
        }
        let selected = self.selected;
        let lost = self
            .pairs
            .iter()
            .any(|pair| Some(pair.key) == selected && same(&pair.base, &base));
        self.pairs.retain(|pair| plain(pair.base) != base);
        let pairs = &self.pairs;
        self.triggered
            .retain(|key| pairs.iter().any(|pair| pair.key == *key));
        if let Some(previous) = &self.previous
            && same(&previous.path.base, &base)
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
        self.close_connections_of(base);
        self.settle();
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
}
