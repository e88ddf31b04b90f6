//! The check list: forming, pruning, states (RFC 8445 section 6.1.2).

use super::{Agent, LocalEntry, RemoteEntry, begin_small};
use crate::candidate::{can_pair, is_global, plain, same, same_subnet};
use crate::connection::Link;
use crate::pair::{Counts, Pair, Schedule};
use crate::timeline::{Entry, Why};
use crate::{
    CandidateKind, Foundation, PairKey, PairState, Policy, Profile, Role, State, TcpType,
    Transport, pair_priority,
};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use proto_core::Instant;

/// What may be checked next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pick {
    /// This pair, as soon as the pacer allows.
    Pair(PairKey),
    /// One at that time, for then it is no longer held back.
    At(Instant),
    /// None.
    Nothing,
}

impl Agent {
    pub(super) fn position(&self, key: PairKey) -> Option<usize> {
        self.pairs.iter().position(|pair| pair.key == key)
    }

    pub(super) fn pair_mut(&mut self, key: PairKey) -> Option<&mut Pair> {
        self.pairs.iter_mut().find(|pair| pair.key == key)
    }

    /// Pairs a new local candidate with all remote ones.
    pub(super) fn pair_local(&mut self, local: usize) {
        let mut added = false;
        for remote in 0..self.remotes.len() {
            added |= self.try_pair(local, remote).is_some();
        }
        if added {
            self.thaw_new();
        }
    }

    /// Pairs a new remote candidate with all local ones.
    pub(super) fn pair_remote(&mut self, remote: usize) {
        let mut added = false;
        for local in 0..self.locals.len() {
            added |= self.try_pair(local, remote).is_some();
        }
        if added {
            self.thaw_new();
        }
    }

    /// Pairs everything with everything: the peer's credentials have come.
    pub(super) fn pair_all(&mut self) {
        for local in 0..self.locals.len() {
            for remote in 0..self.remotes.len() {
                let _ = self.try_pair(local, remote);
            }
        }
        self.thaw_new();
    }

    /// A new pair of these candidates, if they fit and nothing does the same.
    fn try_pair(&mut self, local: usize, remote: usize) -> Option<PairKey> {
        if self.remote.is_none() || self.is_lite() || !self.accepts_pairs() {
            return None;
        }
        let (ours, theirs) = (self.locals.get(local)?, self.remotes.get(remote)?);
        let relay_only = self.config.policy == Policy::RelayOnly;
        if ours.gone
            || !can_meet(ours.transport, theirs.transport)
            || (relay_only && ours.kind != CandidateKind::Relayed)
            || !can_pair(ours.base.ip(), theirs.address.ip())
            || self.has_own_base(local)
        {
            return None;
        }
        let (base, to) = (ours.base, theirs.address);
        let link = link_of(ours);
        if self.find(link, base, to).is_some() {
            return None;
        }
        self.insert(local, remote)
    }

    /// Whether new candidates are still paired: not once a path is chosen, unless it can be moved.
    fn accepts_pairs(&self) -> bool {
        self.selected.is_none()
            || self.state == State::Disconnected
            || self.role == Role::Controlled
            || self
                .remote
                .as_ref()
                .is_some_and(|remote| remote.options.renomination)
    }

    /// Whether a reflexive candidate is represented by the candidate of its base (RFC 8445 section 6.1.2.4).
    fn has_own_base(&self, local: usize) -> bool {
        let entry = &self.locals[local];
        let base = plain(entry.base);
        entry.address != base
            && self.locals.iter().any(|other| {
                !other.gone && other.address == base && other.transport == entry.transport
            })
    }

    /// The pair between these, which datagrams carry or any connection.
    pub(super) fn find(&self, link: Link, base: SocketAddr, to: SocketAddr) -> Option<usize> {
        let udp = link == Link::Udp;
        let mut pairs = self.pairs.iter();
        pairs.position(|pair| {
            same(&pair.base, &base) && same(&pair.to, &to) && (pair.link == Link::Udp) == udp
        })
    }

    /// Makes a frozen pair, if there is room or can be made.
    pub(super) fn insert(&mut self, local: usize, remote: usize) -> Option<PairKey> {
        let priority = self.priority_of(local, remote);
        if self.pairs.len() >= self.config.limits().pairs {
            self.stats.pairs_dropped += 1;
            let learned = self.remotes[remote].learned;
            let mut pairs = self.pairs.iter();
            // What a proven peer does counts more than what it told.
            let place = pairs.rposition(|pair| {
                pair.is_expendable()
                    && !self.triggered.contains(&pair.key)
                    && (learned || pair.priority < priority)
            })?;
            self.pairs.remove(place);
        }
        let link = link_of(&self.locals[local]);
        let (base, mut to) = (self.locals[local].base, self.remotes[remote].address);
        if let (SocketAddr::V6(base), SocketAddr::V6(to)) = (base, &mut to) {
            // A link-local destination works only with the zone of the interface.
            to.set_scope_id(base.scope_id());
        }
        let key = PairKey(self.next_key);
        self.next_key += 1;
        let place = self.pairs.partition_point(|pair| pair.priority >= priority);
        let now = self.now;
        begin_small(&mut self.pairs);
        self.pairs.insert(
            place,
            Pair {
                key,
                local,
                remote,
                base,
                to,
                link,
                priority,
                state: PairState::Frozen,
                check: None,
                cancelled: Vec::new(),
                valid: None,
                nominate_next: false,
                nominated: None,
                rechecks: 0,
                may_retry: true,
                moved: None,
                consent: None,
                last_heard: now,
                last_sent: now,
                counts: Counts::NONE,
            },
        );
        self.note(Entry::Pair(key, base, to));
        Some(key)
    }

    fn priority_of(&self, local: usize, remote: usize) -> u64 {
        self.pair_priority_of(&self.locals[local], &self.remotes[remote])
    }

    pub(super) fn pair_priority_of(&self, local: &LocalEntry, remote: &RemoteEntry) -> u64 {
        match self.role {
            Role::Controlling => pair_priority(local.priority, remote.priority),
            Role::Controlled => pair_priority(remote.priority, local.priority),
        }
    }

    /// Computes all priorities anew and sorts: roles or words have changed.
    pub(super) fn recompute(&mut self) {
        for index in 0..self.pairs.len() {
            let (local, remote) = (self.pairs[index].local, self.pairs[index].remote);
            let priority = self.priority_of(local, remote);
            let valid = self.pairs[index].valid;
            let valid_priority = valid.map(|valid| self.priority_of(valid.local, remote));
            let pair = &mut self.pairs[index];
            pair.priority = priority;
            if let (Some(valid), Some(priority)) = (&mut pair.valid, valid_priority) {
                valid.priority = priority;
            }
        }
        self.pairs
            .sort_by_key(|pair| (core::cmp::Reverse(pair.priority), pair.key));
    }

    fn foundation(&self, pair: &Pair) -> (u32, Foundation) {
        (
            self.locals[pair.local].foundation,
            self.remotes[pair.remote].foundation,
        )
    }

    pub(super) fn set_pair_state(&mut self, key: PairKey, state: PairState, why: Why) {
        let Some(pair) = self.pair_mut(key) else {
            return;
        };
        if pair.state != state {
            pair.state = state;
            self.note(Entry::PairState(key, state, why));
        }
    }

    /// Lets the best frozen pair of each foundation wait that has none under way, and all of those that have one that
    /// works (RFC 8445 section 6.1.2.6, RFC 8838 section 10).
    fn thaw_new(&mut self) {
        let mut thawed = Vec::new();
        for (index, pair) in self.pairs.iter().enumerate() {
            if pair.state != PairState::Frozen {
                continue;
            }
            let foundation = self.foundation(pair);
            let mut others = self.pairs.iter().enumerate();
            let blocked = others.any(|(other_index, other)| {
                let before = other.state == PairState::Frozen && other_index < index;
                let busy = matches!(
                    other.state,
                    PairState::Waiting | PairState::InProgress | PairState::Failed
                );
                (before || busy) && self.foundation(other) == foundation
            });
            if !blocked || self.has_success(foundation) {
                thawed.push(pair.key);
            }
        }
        for key in thawed {
            self.set_pair_state(key, PairState::Waiting, Why::FirstOfFoundation);
        }
    }

    fn has_success(&self, foundation: (u32, Foundation)) -> bool {
        let mut pairs = self.pairs.iter();
        pairs.any(|pair| pair.state == PairState::Succeeded && self.foundation(pair) == foundation)
    }

    /// A pair has succeeded: the frozen ones of its foundation follow (RFC 8445 section 7.2.5.3.3).
    pub(super) fn thaw_like(&mut self, key: PairKey) {
        let Some(index) = self.position(key) else {
            return;
        };
        let foundation = self.foundation(&self.pairs[index]);
        let frozen = self
            .pairs
            .iter()
            .filter(|pair| pair.state == PairState::Frozen && self.foundation(pair) == foundation);
        let thawed: Vec<PairKey> = frozen.map(|pair| pair.key).collect();
        for key in thawed {
            self.set_pair_state(key, PairState::Waiting, Why::FoundationWorks);
        }
    }

    /// The best frozen pair whose foundation has nothing waiting or under way (RFC 8445 section 6.1.4.2).
    fn thawable(&self, now: Instant) -> Option<&Pair> {
        self.pairs.iter().find(|pair| {
            pair.state == PairState::Frozen
                && !self.is_capped(pair)
                && !self.is_held(pair, now)
                && {
                    let foundation = self.foundation(pair);
                    !self.pairs.iter().any(|other| {
                        matches!(other.state, PairState::Waiting | PairState::InProgress)
                            && self.foundation(other) == foundation
                    })
                }
        })
    }

    /// Whether the remote address has had its share of checks without an answer, or no connection is to be had.
    pub(super) fn is_capped(&self, pair: &Pair) -> bool {
        (pair.link == Link::Tcp(None) && self.is_crowded())
            || self.unanswered(pair.to.ip()) >= self.config.limits().unanswered_per_ip
    }

    /// Checks to that IP address since something came from there.
    fn unanswered(&self, ip: IpAddr) -> u32 {
        let same = self
            .remotes
            .iter()
            .filter(|remote| remote.address.ip() == ip);
        same.map(|remote| remote.unanswered).sum()
    }

    pub(super) fn is_relayed(&self, pair: &Pair) -> bool {
        self.locals[pair.local].kind == CandidateKind::Relayed
            || self.remotes[pair.remote].kind == CandidateKind::Relayed
    }

    fn relay_from(&self) -> Instant {
        match (self.config.policy, self.started) {
            (Policy::All, Some(started)) => started + self.config.timing().relay_delay,
            _ => Instant::ZERO,
        }
    }

    /// Relays wait a moment, so that they are not paid for where they are not needed.
    fn is_held(&self, pair: &Pair, now: Instant) -> bool {
        now < self.relay_from() && self.is_relayed(pair)
    }

    fn is_neighbour(&self, pair: &Pair) -> bool {
        self.locals[pair.local].kind == CandidateKind::Host
            && self.remotes[pair.remote].kind == CandidateKind::Host
            && same_subnet(pair.base.ip(), pair.to.ip())
    }

    /// What is checked next: triggered, then neighbours, then by priority, then frozen, then once more what is silent.
    pub(super) fn pick(&self, now: Instant) -> Pick {
        if !self.is_checking() {
            return Pick::Nothing;
        }
        if let Some(&key) = self.triggered.front() {
            return Pick::Pair(key);
        }
        let waiting = || {
            let pairs = self.pairs.iter();
            pairs.filter(|pair| pair.state == PairState::Waiting && !self.is_capped(pair))
        };
        let free = || waiting().filter(|pair| !self.is_held(pair, now));
        if let Some(pair) = free()
            .find(|pair| self.is_neighbour(pair))
            .or_else(|| free().next())
        {
            return Pick::Pair(pair.key);
        }
        if let Some(pair) = self.thawable(now).or_else(|| self.retriable(now)) {
            return Pick::Pair(pair.key);
        }
        let recheck = self.next_recheck();
        if let Some((at, key)) = recheck
            && at <= now
        {
            return Pick::Pair(key);
        }
        let held = |pair: &Pair| {
            matches!(pair.state, PairState::Waiting | PairState::Frozen)
                && !self.is_capped(pair)
                && self.is_held(pair, now)
        };
        let held = self.pairs.iter().any(held).then(|| self.relay_from());
        let next = recheck.map(|(at, _)| at).into_iter().chain(held).min();
        next.map_or(Pick::Nothing, Pick::At)
    }

    /// The silent pair that takes the first free slot, and from when on.
    ///
    /// No retransmission comes earlier than RFC 8445 section 14.3 allows: this is a new check, paced like any other.
    fn next_recheck(&self) -> Option<(Instant, PairKey)> {
        if self.config.profile == Profile::Strict {
            return None;
        }
        let valid = self.pairs.iter().filter(|pair| pair.is_symmetric());
        let valid = valid.filter_map(|pair| pair.valid);
        let best = valid.map(|valid| valid.priority).max();
        let silent = self.pairs.iter().filter_map(|pair| {
            let check = pair.check.as_ref()?;
            let better = || best.is_none_or(|best| pair.priority > best) && self.may_recheck(pair);
            if pair.link != Link::Udp
                || u32::from(pair.rechecks) >= self.config.limits().rechecks
                || !(check.nominates || better())
            {
                return None;
            }
            // What the peer's own check came through is open, so only a loss can have stopped ours.
            let open = u32::from(pair.counts.requests_received > 0) * 2;
            let wait = self.config.timing().recheck * (1 << (u32::from(pair.rechecks) + open));
            Some((check.first_sent + wait, pair.key))
        });
        silent.min_by_key(|&(at, _)| at)
    }

    /// Whether more checks may change anything, and are within the share of the address.
    fn may_recheck(&self, pair: &Pair) -> bool {
        let ip = pair.to.ip();
        // A local address elsewhere is silent because nothing leads there.
        let leads = is_global(ip) || self.is_neighbour(pair);
        // The rest of the share is for pairs that were not checked yet, and for second chances.
        leads && self.unanswered(ip) < self.config.limits().unanswered_per_ip / 2
    }

    /// A pair that was silent and gets a second chance, for the peer may have come late (RFC 8863).
    fn retriable(&self, now: Instant) -> Option<&Pair> {
        let until = self.started? + self.config.timing().patience;
        if now >= until || self.selected.is_some() {
            return None;
        }
        self.pairs
            .iter()
            .find(|pair| pair.state == PairState::Failed && pair.may_retry && !self.is_capped(pair))
    }

    /// The schedule of a check that begins now.
    pub(super) fn schedule(&self, link: Link) -> Schedule {
        let least = self.config.timing().retransmission;
        let interactive = self.config.profile == Profile::Interactive;
        if link != Link::Udp {
            // As long as all copies of a datagram take; 39.5 s is Ti of RFC 8489 section 6.2.2.
            let timeout = least * if interactive { 32 } else { 79 };
            return Schedule::stream(timeout);
        }
        if interactive {
            return Schedule::interactive(least);
        }
        let busy = |pair: &&Pair| matches!(pair.state, PairState::Waiting | PairState::InProgress);
        let busy = u32::try_from(self.pairs.iter().filter(busy).count()).unwrap_or(u32::MAX);
        let all = u32::try_from(self.pairs.len()).unwrap_or(u32::MAX);
        // As RFC 8445 section 14.3 prints it, the product reaches minutes, hence the ceiling.
        let grown = self
            .pacer
            .interval()
            .saturating_mul(all.saturating_mul(busy));
        Schedule::strict(grown.clamp(least, least.max(core::time::Duration::from_secs(3))))
    }
}

/// Whether a check can go from a local candidate of one transport to a remote one of the other. To a passive local one the
/// peer connects (RFC 6544 section 6.2).
fn can_meet(local: Transport, remote: Transport) -> bool {
    match (local, remote) {
        (Transport::Udp, Transport::Udp) => true,
        (Transport::Tcp(local), Transport::Tcp(remote)) => {
            local != TcpType::Passive && local.meets(remote)
        }
        _ => false,
    }
}

const fn link_of(local: &LocalEntry) -> Link {
    match local.transport {
        Transport::Udp => Link::Udp,
        Transport::Tcp(_) => Link::Tcp(None),
    }
}
