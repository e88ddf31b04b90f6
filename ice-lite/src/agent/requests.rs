//! Checks of the peer (RFC 8445 section 7.3).

use super::{Agent, Early, LocalEntry, Reply, ReplyKind};
use crate::candidate::{plain, same};
use crate::check::{self, Claim, TransactionId};
use crate::config::RoleAttribute;
use crate::connection::{Arrival, Link};
use crate::pair::{Nominated, Pair, Valid};
use crate::timeline::{Entry, Why};
use crate::{DropReason, Event, PairKey, PairState, Role, State, TcpType, Transport};
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::Handled;
use stun_proto::attribute::{ErrorNumber, Priority, UnknownAttributes, UseCandidate, Username};
use stun_proto::{Integrity, Message};

/// Between two NATs that both give every destination its own port each check comes from a new address, and each answer from
/// another one, without end. Once so many pairs have ended so, new addresses are followed only every now and then, and not at
/// all while one of these pairs works: other pairs get their turn, and the search can end.
const MOST_MOVES: usize = 4;
/// How often they are followed then.
const MOVE_INTERVAL: Duration = Duration::from_secs(5);

/// A request whose sender is proven to be the peer.
struct Request {
    id: TransactionId,
    integrity: Integrity,
    /// With the local base without scope.
    arrival: Arrival,
    /// The base as the caller named it.
    local: SocketAddr,
    previous: bool,
}

impl Agent {
    pub(super) fn on_request(
        &mut self,
        arrival: &Arrival,
        message: &Message<'_>,
    ) -> Handled<DropReason> {
        let local = arrival.local;
        let base = match arrival.via {
            None => self.base_of(local),
            Some(_) => Some(local),
        };
        let Some(base) = base else {
            return self.refuse(DropReason::UnknownLocal);
        };
        let mut request = Request {
            id: message.transaction_id(),
            integrity: Integrity::Sha1,
            arrival: Arrival {
                local: base,
                ..*arrival
            },
            local: self.named(base).unwrap_or(local),
            previous: false,
        };
        if let Err((reason, error)) = self.authenticate(message, &mut request) {
            let per_source = self.config.limits().answers_per_source;
            // A budget of their own keeps strangers from using up the answers of the peer.
            if self.strangers.take(self.now, per_source, 1) {
                self.answer_error(&request, error, UnknownAttributes::default(), None);
            }
            return self.refuse(reason);
        }
        self.stats.requests_received += 1;
        if !self.may_answer(&request) {
            return self.refuse(DropReason::RateLimited);
        }
        let unknown = check::unknown(message);
        if !unknown.is_empty() {
            let signed = Some(request.integrity);
            self.answer_error(&request, ErrorNumber::UNKNOWN_ATTRIBUTE, unknown, signed);
            return self.refuse(DropReason::UnknownAttribute);
        }
        if request.previous {
            return self.on_previous_request(&request);
        }
        self.on_authentic_request(message, &request)
    }

    /// The base as the caller named it, with its scope.
    fn named(&self, base: SocketAddr) -> Option<SocketAddr> {
        let mut locals = self.locals.iter();
        locals
            .find(|local| same(&local.base, &base))
            .map(|local| local.base)
    }

    /// User name and integrity, in the order of RFC 8489 section 9.1.3.
    fn authenticate(
        &mut self,
        message: &Message<'_>,
        request: &mut Request,
    ) -> Result<(), (DropReason, ErrorNumber)> {
        let bad = ErrorNumber::BAD_REQUEST;
        let unauthenticated = ErrorNumber::UNAUTHENTICATED;
        if !message.has_integrity() {
            return Err((DropReason::MissingCredentials, bad));
        }
        let Ok(Some(username)) = message.get::<Username<'_>>() else {
            return Err((DropReason::MissingCredentials, bad));
        };
        let wrong = Err((DropReason::WrongUsername, unauthenticated));
        let Some((to, of)) = username.as_str().split_once(':') else {
            return wrong;
        };
        let previous = self.previous.as_mut();
        let (side, remote) = if to == self.local.credentials.ufrag() {
            (&mut self.local, self.remote.as_deref())
        } else if let Some(old) = previous.filter(|old| old.local.credentials.ufrag() == to) {
            request.previous = true;
            (&mut old.local, Some(&*old.remote))
        } else {
            return wrong;
        };
        let known = |remote: &super::Remote| remote.side.credentials.ufrag() == of;
        if !remote.is_none_or(known) {
            return wrong;
        }
        let verified = message.verify(side.prepare());
        request.integrity = verified.map_err(|_| (DropReason::BadIntegrity, unauthenticated))?;
        Ok(())
    }

    /// Whether an answer is within the rates of the agent and of this source.
    fn may_answer(&mut self, request: &Request) -> bool {
        if self.replies.len() >= self.config.limits().replies {
            return false;
        }
        let (now, address) = (self.now, plain(request.arrival.from));
        let limits = self.config.limits();
        let (all, per_source) = (limits.answers, limits.answers_per_source);
        if !self.is_validated(&request.arrival) {
            let mut remotes = self.remotes.iter_mut();
            let source = remotes.find(|remote| remote.address == address);
            if source.is_some_and(|source| !source.answers.take(now, per_source, 1)) {
                return false;
            }
        }
        self.answers.take(now, all, 1)
    }

    fn answer(&mut self, request: &Request, kind: ReplyKind) {
        if self.replies.len() < self.config.limits().replies {
            if self.replies.capacity() == 0 {
                self.replies.reserve_exact(1);
            }
            self.replies.push_back(Reply {
                id: request.id,
                base: request.local,
                to: request.arrival.from,
                via: request.arrival.via,
                kind,
                previous: request.previous,
            });
        }
    }

    fn answer_error(
        &mut self,
        request: &Request,
        number: ErrorNumber,
        unknown: UnknownAttributes,
        signed: Option<Integrity>,
    ) {
        let kind = ReplyKind::Error {
            number,
            unknown,
            signed,
        };
        self.answer(request, kind);
    }

    fn answer_signed_error(
        &mut self,
        request: &Request,
        number: ErrorNumber,
        reason: DropReason,
    ) -> Handled<DropReason> {
        let signed = Some(request.integrity);
        self.answer_error(request, number, UnknownAttributes::default(), signed);
        self.refuse(reason)
    }

    fn on_previous_request(&mut self, request: &Request) -> Handled<DropReason> {
        self.answer(request, ReplyKind::Success(request.integrity));
        let (now, from) = (self.now, plain(request.arrival.from));
        if let Some(previous) = &mut self.previous
            && previous.hears(request.arrival.via, from)
        {
            previous.last_heard = now;
        }
        Handled::Consumed
    }

    fn on_authentic_request(
        &mut self,
        message: &Message<'_>,
        request: &Request,
    ) -> Handled<DropReason> {
        let bad = |agent: &mut Self| {
            agent.answer_signed_error(request, ErrorNumber::BAD_REQUEST, DropReason::BadRequest)
        };
        let Ok(Some(Priority(priority))) = message.get::<Priority>() else {
            return bad(self);
        };
        let names = message.has::<UseCandidate>();
        match check::claim(message) {
            Claim::Nonsense => return bad(self),
            Claim::None if self.config.role_attribute == RoleAttribute::Required => {
                return bad(self);
            }
            Claim::None => {}
            Claim::Role(Role::Controlled, _) if names && self.role == Role::Controlled => {
                // Only the controlling side nominates, so this cannot even start a conflict.
                return bad(self);
            }
            Claim::Role(role, theirs) if role == self.role => {
                if !self.gives_way_to(theirs) {
                    let number = ErrorNumber::ROLE_CONFLICT;
                    return self.answer_signed_error(request, number, DropReason::RoleConflict);
                }
                self.switch_role();
            }
            Claim::Role(..) => {}
        }
        self.answer(request, ReplyKind::Success(request.integrity));
        self.watch(message);
        if let Some(remote) = &mut self.remote {
            remote.takes_asymmetric |= check::takes_asymmetric(message);
        }
        let value = check::nomination(message, self.config.nomination_attribute);
        let nominated = (names && self.role == Role::Controlled)
            .then(|| (request.id, value.unwrap_or_default()));
        if self.remote.is_none() {
            self.spare_connection(request.arrival.via);
            self.remember_early(request, priority, nominated);
            return Handled::Consumed;
        }
        if matches!(self.state, State::Failed) {
            return Handled::Consumed;
        }
        self.on_peer_check(&request.arrival, priority, nominated)
    }

    /// Whether this side changes its role in a conflict (RFC 8445 section 7.3.1.1).
    fn gives_way_to(&self, theirs: u64) -> bool {
        if self.is_lite() || self.role_switches >= self.config.limits().role_switches {
            return false;
        }
        match self.role {
            Role::Controlling => self.tie_breaker < theirs,
            Role::Controlled => self.tie_breaker >= theirs,
        }
    }

    pub(super) fn switch_role(&mut self) {
        self.role = self.role.opposite();
        self.role_switches += 1;
        for pair in &mut self.pairs {
            pair.nominate_next = false;
            pair.nominated = None;
        }
        self.recompute();
        self.note(Entry::Role(self.role));
        self.tell(Event::RoleChanged(self.role));
    }

    fn remember_early(
        &mut self,
        request: &Request,
        priority: u32,
        nominated: Option<(TransactionId, u32)>,
    ) {
        let early = Early {
            arrival: request.arrival,
            priority,
            nominated,
        };
        let most = self.config.limits().early_checks;
        let all = &mut self.rare_mut().early;
        let mut known = all.iter_mut();
        if let Some(same) = known.find(|known| known.arrival.is_like(&early.arrival)) {
            same.nominated = nominated.or(same.nominated);
        } else if all.len() < most {
            all.push(early);
        }
    }

    /// The peer's credentials are known now: what it checked before is processed.
    pub(super) fn replay_early(&mut self) {
        let early = self.rare.as_mut().map(|rare| &mut rare.early);
        for early in early.map(core::mem::take).unwrap_or_default() {
            let _ = self.on_peer_check(&early.arrival, early.priority, early.nominated);
        }
    }

    fn on_peer_check(
        &mut self,
        arrival: &Arrival,
        priority: u32,
        nominated: Option<(TransactionId, u32)>,
    ) -> Handled<DropReason> {
        let from = arrival.from;
        self.note_other_half(arrival);
        if arrival.via.is_none() && self.is_running_away(arrival.local, from) {
            return self.refuse(DropReason::MovingAddress);
        }
        let found = match arrival.via {
            None => self.pair_of_datagram(arrival, priority),
            Some(_) => self.pair_of_packet(arrival, priority),
        };
        self.on_proof_of(from);
        let Some(key) = found else {
            return self.refuse(DropReason::TableFull);
        };
        let (now, order) = (self.now, self.nomination_order);
        if let Some(pair) = self.pair_mut(key) {
            pair.counts.requests_received = pair.counts.requests_received.saturating_add(1);
            pair.counts.on_heard(now);
            pair.last_heard = now;
            if let Some((by, value)) = nominated
                && pair.nominated.is_none_or(|known| known.by != by)
            {
                pair.nominated = Some(Nominated { by, value, order });
                self.nomination_order += 1;
                self.note(Entry::Nominated(key, Role::Controlling));
            }
        }
        if self.is_lite() {
            self.on_lite_check(key, nominated.is_some());
        } else {
            self.trigger(key);
        }
        Handled::Consumed
    }

    /// The pair on which the peer's check came, made if it is new.
    fn pair_of_datagram(&mut self, arrival: &Arrival, priority: u32) -> Option<PairKey> {
        let (base, from) = (arrival.local, arrival.from);
        let is_udp = |local: &LocalEntry| !local.gone && local.transport == Transport::Udp;
        let mut locals = self.locals.iter();
        let local = locals
            .position(|local| is_udp(local) && local.address == base)
            .or_else(|| {
                let mut locals = self.locals.iter();
                locals.position(|local| is_udp(local) && same(&local.base, &base))
            })?;
        let remote = self.learn_remote(from, Transport::Udp, priority)?;
        let found = self.find(Link::Udp, base, from);
        found
            .map(|index| self.pairs[index].key)
            .or_else(|| self.insert(local, remote))
    }

    /// The same for a connection. The port of a peer that has connected is never told beforehand.
    fn pair_of_packet(&mut self, arrival: &Arrival, priority: u32) -> Option<PairKey> {
        let connection = arrival.via?;
        if let Some(pair) = self.pair_over(connection) {
            let both = (pair.local, pair.remote);
            return self.adopt_connection(both, connection);
        }
        let mut locals = self.locals.iter().enumerate();
        let (local, theirs) = locals.find_map(|(index, local)| {
            let theirs = match local.transport {
                Transport::Tcp(TcpType::Passive) => TcpType::Active,
                Transport::Tcp(TcpType::SimultaneousOpen) => TcpType::SimultaneousOpen,
                _ => return None,
            };
            (!local.gone && same(&local.base, &arrival.local)).then_some((index, theirs))
        })?;
        let remote = self.learn_remote(arrival.from, Transport::Tcp(theirs), priority)?;
        self.adopt_connection((local, remote), connection)
    }

    /// The peer checks from where answers to other checks came.
    fn note_other_half(&mut self, arrival: &Arrival) {
        let from = plain(arrival.from);
        let moved = self.pairs.iter_mut();
        let moved = moved.filter_map(|pair| pair.moved.as_mut());
        for moved in moved.filter(|moved| arrival.via.is_none() && moved.from == from) {
            moved.checked = true;
        }
    }

    /// Whether it is one more new address of a peer that has a new one for each check, as has this side.
    fn is_running_away(&self, base: SocketAddr, from: SocketAddr) -> bool {
        let from = plain(from);
        let like = |pair: &&Pair| same(&pair.base, &base) && pair.to.ip() == from.ip();
        let moved = self
            .pairs
            .iter()
            .filter(like)
            .filter(|pair| pair.moved.is_some());
        let any = |wanted: fn(&Pair) -> bool| self.pairs.iter().filter(like).any(wanted);
        (self.now < self.learned_at + MOVE_INTERVAL || any(Pair::is_asymmetric))
            && moved.count() >= MOST_MOVES
            && !any(Pair::is_symmetric)
            && !self.remotes.iter().any(|remote| remote.address == from)
    }

    /// A packet of the peer came from there: checks to that IP address are not lost on a stranger.
    pub(super) fn on_proof_of(&mut self, from: SocketAddr) {
        for remote in &mut self.remotes {
            if remote.address.ip() == from.ip() {
                remote.unanswered = 0;
            }
        }
    }

    /// A lite agent takes a nomination for proof (RFC 8445 section 7.3.2).
    fn on_lite_check(&mut self, key: PairKey, nominates: bool) {
        if !nominates {
            return;
        }
        let now = self.now;
        let Some(pair) = self.pair_mut(key) else {
            return;
        };
        let (local, priority, mapped) = (pair.local, pair.priority, pair.base);
        if pair.valid.is_none() {
            pair.valid = Some(Valid { local, priority });
            self.first_valid.get_or_insert(now);
            self.set_pair_state(key, PairState::Succeeded, Why::PeerNominated);
            self.note(Entry::Valid(key, mapped));
        }
    }

    /// Checks the pair because the peer did (RFC 8445 section 7.3.1.4).
    fn trigger(&mut self, key: PairKey) {
        let now = self.now;
        let Some(pair) = self.pair_mut(key) else {
            return;
        };
        // A pair that works may be checked again to nominate it, which must not be disturbed.
        if pair.valid.is_some() {
            return;
        }
        let moved = pair.moved.as_ref().map(|moved| moved.at + MOVE_INTERVAL);
        if pair.state == PairState::Failed && moved.is_some_and(|until| now < until) {
            return;
        }
        match pair.state {
            PairState::InProgress => pair.cancel(),
            PairState::Frozen | PairState::Waiting | PairState::Succeeded | PairState::Failed => {}
        }
        pair.may_retry = true;
        self.set_pair_state(key, PairState::Waiting, Why::PeerChecked);
        if !self.triggered.contains(&key) {
            self.triggered.push_back(key);
        }
    }
}
