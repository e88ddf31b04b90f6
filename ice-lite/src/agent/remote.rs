//! Candidates of the peer.

use super::{AddError, Agent, Name, RemoteEntry, begin_small};
use crate::candidate::{judge, plain};
use crate::timeline::Entry;
use crate::{
    Candidate, CandidateAddress, CandidateKind, Event, Forbidden, Foundation, State, Transport,
};
use core::net::{IpAddr, SocketAddr};
use proto_core::Instant;

impl Agent {
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
        let most = self.config.limits().held;
        let held = &mut self.rare_mut().held;
        if held.len() >= most {
            return Err(AddError::Generation);
        }
        held.push(candidate);
        Ok(())
    }

    /// Tries the candidates that waited for the peer's credentials; those of another generation still are of no use.
    pub(super) fn release_held(&mut self) {
        let held = self.rare.as_mut().map(|rare| &mut rare.held);
        for candidate in held.map(core::mem::take).unwrap_or_default() {
            let added = self.try_add_remote(candidate);
            let held = &mut self.rare_mut().held;
            if added.is_err() || !held.is_empty() {
                held.clear();
                self.stats.candidates_refused += 1;
            }
        }
    }

    fn ask_for(&mut self, candidate: Candidate) -> Result<(), AddError> {
        let CandidateAddress::Name { name, .. } = &candidate.address else {
            return Err(AddError::Name);
        };
        let name = name.clone();
        if self.names().len() >= self.config.limits().names {
            return Err(AddError::TooMany);
        }
        let asked = self.names().iter().any(|known| known.name == name);
        let until = self.now + self.config.timing().resolution;
        self.rare_mut().names.push(Name {
            candidate,
            name: name.clone(),
            until,
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
        self.rare_mut().names.retain(|known| {
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
            remote.address == address && remote.transport == candidate.transport
        });
        if let Some(index) = known {
            return self.adopt(index, &candidate);
        }
        let limits = *self.config.limits();
        let told = || self.remotes.iter().filter(|remote| !remote.learned);
        let same = told().filter(|remote| remote.address.ip() == address.ip());
        if told().count() >= limits.remote || same.count() >= limits.remote_per_ip {
            return Err(AddError::TooMany);
        }
        self.note(Entry::RemoteCandidate(candidate.kind, address));
        begin_small(&mut self.remotes);
        self.remotes
            .push(RemoteEntry::new(&candidate, address, false));
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
    fn adopt(&mut self, index: usize, candidate: &Candidate) -> Result<(), AddError> {
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
        remote.foundation = candidate.foundation;
        remote.priority = candidate.priority;
        remote.kind = candidate.kind;
        remote.learned = false;
        self.recompute();
        Ok(())
    }

    /// The remote candidate at `from`, made as a peer-reflexive one if it is new.
    pub(super) fn learn_remote(
        &mut self,
        from: SocketAddr,
        transport: Transport,
        priority: u32,
    ) -> Option<usize> {
        let address = plain(from);
        let mut known = self.remotes.iter();
        if let Some(index) =
            known.position(|remote| remote.address == address && remote.transport == transport)
        {
            return Some(index);
        }
        self.learned_at = self.now;
        let mut candidate = Candidate::new(CandidateKind::PeerReflexive, address);
        candidate.priority = priority.clamp(1, i32::MAX.unsigned_abs());
        candidate.transport = transport;
        candidate.foundation = Foundation::from_number(self.rng.next_u32());
        let entry = RemoteEntry::new(&candidate, address, true);
        self.note(Entry::RemoteCandidate(
            CandidateKind::PeerReflexive,
            address,
        ));
        let learned = self.remotes.iter().filter(|remote| remote.learned).count();
        if learned < self.config.limits().peer_reflexive {
            begin_small(&mut self.remotes);
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
}
