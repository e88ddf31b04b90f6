//! Answers to our checks (RFC 8445 section 7.2.5).

use super::{Agent, LocalEntry};
use crate::candidate::{Loopback, judge, plain, same};
use crate::check::{self, TransactionId};
use crate::connection::{Arrival, Link};
use crate::pair::{Check, Moved, Valid};
use crate::timeline::{Entry, Why};
use crate::{
    CandidateKind, DropReason, Nomination, PairKey, PairState, Profile, Role, State, TcpType,
    Transport,
};
use alloc::boxed::Box;
use core::net::SocketAddr;
use proto_core::Handled;
use stun_proto::attribute::{ErrorCode, ErrorNumber, XorMappedAddress};
use stun_proto::{Class, Integrity, Message};

/// What a response answers.
enum Question {
    Check(PairKey),
    Consent(PairKey),
    PreviousConsent,
}

impl Agent {
    pub(super) fn on_response(
        &mut self,
        arrival: &Arrival,
        message: &Message<'_>,
    ) -> Handled<DropReason> {
        let id = message.transaction_id();
        let Some(question) = self.question(id) else {
            return self.refuse(DropReason::UnknownTransaction);
        };
        let side = match question {
            Question::PreviousConsent => self.previous.as_ref().map(|old| &old.remote.side),
            _ => self.remote.as_ref().map(|remote| &remote.side),
        };
        // We sign with SHA-1 only, so nothing else may answer (RFC 8489 section 9.1.4).
        let key = side.and_then(|side| side.key.as_deref());
        let verified = key.map(|key| message.verify_as(Integrity::Sha1, key));
        if !matches!(verified, Some(Ok(()))) {
            return self.refuse(DropReason::BadIntegrity);
        }
        match question {
            Question::Check(key) => self.on_check_response(key, arrival, message),
            Question::Consent(key) => self.on_consent_response(key, arrival, message),
            Question::PreviousConsent => self.on_previous_consent_response(arrival, message),
        }
    }

    pub(super) fn is_question(&self, id: TransactionId) -> bool {
        self.question(id).is_some()
    }

    fn question(&self, id: TransactionId) -> Option<Question> {
        for pair in &self.pairs {
            if pair.has_check(id) {
                return Some(Question::Check(pair.key));
            }
            if pair
                .consent
                .as_ref()
                .is_some_and(|known| known.is_waiting_for(id))
            {
                return Some(Question::Consent(pair.key));
            }
        }
        let consent = self.previous.as_ref()?.consent.as_ref()?;
        consent
            .is_waiting_for(id)
            .then_some(Question::PreviousConsent)
    }

    fn on_check_response(
        &mut self,
        key: PairKey,
        arrival: &Arrival,
        message: &Message<'_>,
    ) -> Handled<DropReason> {
        let (now, base) = (self.now, self.base_of(arrival.local));
        let (via, from) = (arrival.via, plain(arrival.from));
        let lenient = self.config.profile != Profile::Strict && via.is_none();
        let checked = self.is_checked_from(from);
        let in_use = self.selected == Some(key);
        let Some(pair) = self.pair_mut(key) else {
            return self.refuse(DropReason::UnknownTransaction);
        };
        let mirrored = pair.carries(via, from);
        // The peer has signed it, so what was sent there has reached the peer, and what it sends from here reaches us.
        let counts =
            base == Some(plain(pair.base)) && (mirrored || (lenient && pair.link == Link::Udp));
        let mapped = match message.class() {
            Class::Success => message.get::<XorMappedAddress>().ok().flatten(),
            _ => None,
        };
        if counts && message.class() == Class::Success {
            let good = mapped.filter(|mapped| judge(mapped.0, Loopback::Allowed).is_ok());
            if good.is_none() {
                return self.refuse(DropReason::BadAddress);
            }
        }
        let Some(check) = pair.take_check(message.transaction_id()) else {
            return self.refuse(DropReason::UnknownTransaction);
        };
        pair.counts.responses_received = pair.counts.responses_received.saturating_add(1);
        pair.counts.on_heard(now);
        let moved = Moved {
            at: now,
            from,
            checked,
        };
        // One that does not count says nothing of a path in use.
        if counts || !in_use {
            pair.moved = (!mirrored || !counts).then(|| Box::new(moved));
        }
        if !counts {
            self.fail_pair(key, Why::AnswerFromElsewhere);
            return self.refuse(DropReason::WrongAddress);
        }
        pair.last_heard = now;
        let to = pair.to;
        if check.sends == 1 {
            pair.counts.on_rtt(now.saturating_since(check.first_sent));
        }
        self.stats.responses_received += 1;
        self.on_proof_of(from);
        self.on_proof_of(to);
        if !check::unknown(message).is_empty() {
            self.fail_pair(key, Why::UnknownAttributes);
            return self.refuse(DropReason::UnknownAttribute);
        }
        match mapped {
            Some(XorMappedAddress(mapped)) => self.on_success(key, &check, mapped),
            None => self.on_error(key, &check, message),
        }
        Handled::Consumed
    }

    fn on_success(&mut self, key: PairKey, check: &Check, mapped: SocketAddr) {
        let Some(index) = self.position(key) else {
            return;
        };
        let (local, remote) = (self.pairs[index].local, self.pairs[index].remote);
        let local = self.local_seen_as(local, plain(mapped), check.priority);
        let priority = self.pair_priority_of(&self.locals[local], &self.remotes[remote]);
        let pair = &mut self.pairs[index];
        let first = pair.valid.is_none();
        let from = pair.answers_from();
        pair.valid = Some(Valid { local, priority });
        // An answer to a cancelled check makes the one that replaced it needless, unless only the new one names the pair.
        let newer = pair.check.as_ref();
        if newer.is_some_and(|newer| check.nominates || !newer.nominates) {
            pair.cancel();
        }
        if !pair.nominate_next {
            self.triggered.retain(|&waiting| waiting != key);
        }
        self.set_pair_state(key, PairState::Succeeded, Why::Answered);
        if first {
            self.note(Entry::Valid(key, mapped));
            if let Some(from) = from {
                self.note(Entry::Asymmetric(key, from));
            }
            self.first_valid.get_or_insert(self.now);
            self.thaw_like(key);
            self.warm_up(key);
        }
        if matches!(self.state, State::New | State::Checking) {
            self.enter(State::Connected);
        }
        // In an aggressive search every check nominates, and not every peer can use this pair.
        let usable = self.config.nomination == Nomination::Regular
            || self
                .position(key)
                .is_some_and(|index| self.is_for_both(&self.pairs[index]));
        if check.nominates && self.role == Role::Controlling && usable {
            self.on_nomination_answered(key, check);
        }
    }

    /// Whether the peer has sent checks from this address, without scope.
    fn is_checked_from(&self, from: SocketAddr) -> bool {
        self.pairs.iter().any(|pair| {
            let moved = pair.moved.as_ref();
            let known = moved.is_some_and(|moved| moved.checked && moved.from == from);
            known || (pair.counts.requests_received > 0 && pair.carries(None, from))
        })
    }

    /// The local candidate that the peer saw: a known one, or a peer-reflexive one with the priority that was sent.
    fn local_seen_as(&mut self, checked: usize, mapped: SocketAddr, priority: u32) -> usize {
        let (base, transport) = (self.locals[checked].base, self.locals[checked].transport);
        // The port of an active candidate is that of its connection.
        if transport == Transport::Tcp(TcpType::Active)
            && self.locals[checked].address.ip() == mapped.ip()
        {
            return checked;
        }
        let mut locals = self.locals.iter();
        let known = locals.position(|local| {
            !local.gone
                && local.transport == transport
                && local.address == mapped
                && (same(&local.base, &base) || local.kind != CandidateKind::Host)
        });
        if let Some(known) = known {
            return known;
        }
        if self.locals.len() >= self.config.limits().local {
            return checked;
        }
        let foundation = self.rng.next_u32();
        self.note(Entry::LocalCandidate(CandidateKind::PeerReflexive, mapped));
        self.locals.push(LocalEntry {
            address: mapped,
            base,
            related: Some(plain(base)),
            name: None,
            server: None,
            foundation,
            priority,
            preference: self.locals[checked].preference,
            transport,
            kind: CandidateKind::PeerReflexive,
            predicted: false,
            gone: false,
        });
        self.locals.len() - 1
    }

    fn on_error(&mut self, key: PairKey, check: &Check, message: &Message<'_>) {
        let code = message.get::<ErrorCode<'_>>().ok().flatten();
        let conflict = code.is_some_and(|code| code.number() == ErrorNumber::ROLE_CONFLICT);
        if !conflict {
            self.fail_pair(key, Why::ErrorAnswer);
            return;
        }
        // Another answer may have changed the role already; then this one is stale (RFC 8445 section 7.2.5.1).
        if self.role == check.role {
            if self.role_switches >= self.config.limits().role_switches {
                self.fail_pair(key, Why::EndlessConflict);
                return;
            }
            self.switch_role();
        }
        let Some(pair) = self.pair_mut(key) else {
            return;
        };
        if pair.state != PairState::Succeeded {
            self.set_pair_state(key, PairState::Waiting, Why::RoleConflict);
            if !self.triggered.contains(&key) {
                self.triggered.push_back(key);
            }
        }
    }

    /// The pair does not work, or its nomination did not.
    pub(super) fn fail_pair(&mut self, key: PairKey, why: Why) {
        let in_use = self.selected == Some(key);
        let Some(pair) = self.pair_mut(key) else {
            return;
        };
        pair.check = None;
        pair.nominate_next = false;
        if in_use {
            // Consent ends a path in use, and not the one check that named it once more.
            self.triggered.retain(|&waiting| waiting != key);
            self.set_pair_state(key, PairState::Succeeded, why);
            return;
        }
        pair.may_retry = false;
        pair.valid = None;
        pair.nominated = None;
        self.triggered.retain(|&waiting| waiting != key);
        self.set_pair_state(key, PairState::Failed, why);
    }
}
