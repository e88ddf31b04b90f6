//! Picking a pair and ending the search (RFC 8445 section 8).

use super::Agent;
use crate::candidate::{plain, same};
use crate::consent::Consent;
use crate::pair::{Check, Nominated, Pair, Valid};
use crate::timeline::{Entry, Why};
use crate::{
    CandidateKind, Event, Implementation, Nomination, PairKey, PairState, Path, RestartReason,
    Role, Standby, State, Transport,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;
use proto_core::Instant;

impl Agent {
    /// Checks can begin: the peer is known.
    pub(super) fn start(&mut self) {
        if self.remote.is_none() || matches!(self.state, State::Failed | State::Closed) {
            return;
        }
        if self.started.is_none() {
            self.started = Some(self.now);
            self.last_candidate = self.now;
            self.enter(State::Checking);
        }
        if self.is_lite() && self.remote.as_ref().is_some_and(|remote| remote.lite) {
            self.select_unchecked();
        }
    }

    /// Between two lite agents nobody checks: the best pair is taken, and the application finds out whether it works.
    fn select_unchecked(&mut self) {
        if self.selected.is_some() {
            return;
        }
        let mut best: Option<(u64, usize, usize)> = None;
        for (local, ours) in self.locals.iter().enumerate() {
            for (remote, theirs) in self.remotes.iter().enumerate() {
                // A connection could not be told to fail.
                let fits = crate::candidate::can_pair(ours.address.ip(), theirs.address.ip())
                    && ours.transport == Transport::Udp
                    && theirs.transport == Transport::Udp;
                let priority = self.pair_priority_of(ours, theirs);
                if fits && !ours.gone && best.is_none_or(|(most, ..)| priority > most) {
                    best = Some((priority, local, remote));
                }
            }
        }
        let Some((priority, local, remote)) = best else {
            return;
        };
        let Some(key) = self.insert(local, remote) else {
            return;
        };
        if let Some(pair) = self.pair_mut(key) {
            pair.valid = Some(Valid { local, priority });
        }
        self.set_pair_state(key, PairState::Succeeded, Why::BothLite);
        self.select(key);
    }

    /// The pair with the highest priority among those that work and are wanted.
    fn best_valid(&self, wanted: impl Fn(&Pair) -> bool) -> Option<&Pair> {
        let valid = self
            .pairs
            .iter()
            .filter(|pair| pair.valid.is_some() && wanted(pair));
        valid.max_by_key(|pair| {
            (
                pair.valid.map(|valid| valid.priority),
                core::cmp::Reverse(pair.key),
            )
        })
    }

    /// The pair to use and to name among those that work and are wanted: the best, and an asymmetric one only if it spares a
    /// relay or nothing else works.
    fn preferred(&self, wanted: impl Fn(&Pair) -> bool) -> Option<&Pair> {
        let symmetric = self.best_valid(|pair| pair.is_symmetric() && wanted(pair));
        let asymmetric = |pair: &Pair| pair.is_asymmetric() && wanted(pair);
        let asymmetric = self
            .best_valid(|pair| asymmetric(pair) && self.is_for_both(pair))
            .or_else(|| self.best_valid(asymmetric));
        match (symmetric, asymmetric) {
            (Some(relayed), Some(direct))
                if self.is_relayed(relayed)
                    && !self.is_relayed(direct)
                    && self.is_for_both(direct) =>
            {
                Some(direct)
            }
            (symmetric, asymmetric) => symmetric.or(asymmetric),
        }
    }

    /// Whether the peer can use a pair that works. If its answers come from elsewhere, the peer must have said that it takes
    /// such answers and must be checking the other half, or be lite and take every nomination for proof. Another one would wait in
    /// vain, and must not be left so (RFC 8445 section 7.2.5.2.1).
    pub(super) fn is_for_both(&self, pair: &Pair) -> bool {
        let Some(moved) = &pair.moved else {
            return true;
        };
        let remote = self.remote.as_ref();
        remote.is_some_and(|remote| remote.lite || (remote.takes_asymmetric && moved.checked))
    }

    /// How long a better pair is waited for when this one works.
    fn wait_for_better(&self, pair: &Pair) -> Duration {
        let timing = self.config.timing();
        if pair.is_asymmetric() {
            return timing.asymmetric_wait;
        }
        let local = pair.valid.map_or(pair.local, |valid| valid.local);
        let kinds = [self.locals[local].kind, self.remotes[pair.remote].kind];
        if kinds.contains(&CandidateKind::Relayed) || self.is_relayed(pair) {
            timing.relayed_wait
        } else if kinds == [CandidateKind::Host; 2] {
            timing.host_wait
        } else {
            timing.reflexive_wait
        }
    }

    /// When the best pair is taken although a better one is still open; `None` if there is nothing to wait for.
    pub(super) fn decision(&self) -> Option<(Instant, PairKey)> {
        let nominating = |pair: &Pair| {
            pair.nominate_next || pair.check.as_ref().is_some_and(|check| check.nominates)
        };
        if self.role != Role::Controlling
            || self.is_lite()
            || !self.is_checking()
            || self.config.nomination == Nomination::Aggressive
            || self.pairs.iter().any(nominating)
        {
            return None;
        }
        if let Some(selected) = self.selected {
            return self.move_from(selected);
        }
        let best = self.preferred(|_| true)?;
        let asymmetric = best.is_asymmetric();
        if !self.is_for_both(best) {
            return None;
        }
        let open = |pair: &Pair| {
            pair.valid.is_none()
                && matches!(
                    pair.state,
                    PairState::Waiting | PairState::InProgress | PairState::Frozen
                )
                && pair.priority > best.priority
        };
        let since = self.first_valid.unwrap_or(self.now);
        // The better one may be a pair that the peer's next check makes.
        let at = if asymmetric || self.pairs.iter().any(open) {
            since + self.wait_for_better(best)
        } else {
            Instant::ZERO
        };
        Some((at, best.key))
    }

    /// The pair to which the selection is to be moved without a restart.
    fn move_from(&self, selected: PairKey) -> Option<(Instant, PairKey)> {
        let current = &self.pairs[self.position(selected)?];
        let best = if self.state == State::Disconnected {
            // Nothing is lost by a nomination that the peer may ignore.
            self.preferred(|pair| {
                pair.key != selected
                    && pair.last_heard > current.last_heard
                    && self.is_for_both(pair)
            })?
        } else {
            let better = self.preferred(|_| true)?;
            if !self.is_for_both(better) {
                return None;
            }
            if current.is_asymmetric() && better.is_symmetric() {
                return Some((Instant::ZERO, better.key));
            }
            let allowed = self.remote.as_ref()?.options.renomination;
            let gain = better.valid.map(|valid| valid.priority)
                > current.valid.map(|valid| valid.priority);
            Some(better).filter(|_| allowed && gain)?
        };
        Some((Instant::ZERO, best.key))
    }

    /// As the controlling side: names the best pair when it is time (RFC 8445 section 8.1.1).
    pub(super) fn consider(&mut self) {
        let Some((at, key)) = self.decision() else {
            return;
        };
        if self.now < at {
            return;
        }
        if let Some(pair) = self.pair_mut(key) {
            pair.nominate_next = true;
            self.triggered.retain(|&waiting| waiting != key);
            self.triggered.push_front(key);
        }
    }

    /// The peer has answered a check that named the pair.
    pub(super) fn on_nomination_answered(&mut self, key: PairKey, check: &Check) {
        let order = self.nomination_order;
        self.nomination_order += 1;
        if let Some(pair) = self.pair_mut(key) {
            pair.nominated = Some(Nominated {
                by: check.id,
                value: check.nomination.unwrap_or_default(),
                order,
            });
        }
        self.note(Entry::Nominated(key, Role::Controlling));
        let better = self.config.nomination == Nomination::Regular
            || self.selected_pair().is_none_or(|selected| {
                self.position(key)
                    .is_some_and(|index| self.pairs[index].priority > selected.priority)
            });
        if better {
            self.select(key);
        }
    }

    pub(super) fn selected_pair(&self) -> Option<&Pair> {
        let key = self.selected?;
        self.pairs.iter().find(|pair| pair.key == key)
    }

    /// As the controlled side: goes where the peer's nominations lead (RFC 8445 section 8.1.1, RFC 5245 8.1.1.2).
    pub(super) fn follow(&mut self) {
        if self.role != Role::Controlled {
            return;
        }
        let Some(wanted) = self.wanted() else {
            return;
        };
        if self.selected != Some(wanted) {
            self.select(wanted);
        }
    }

    fn wanted(&self) -> Option<PairKey> {
        let named = || {
            let pairs = self.pairs.iter().filter(|pair| pair.valid.is_some());
            pairs.filter_map(|pair| Some((pair, pair.nominated?)))
        };
        let numbered = named().filter(|(_, nominated)| nominated.value > 0);
        if let Some((pair, _)) = numbered.max_by_key(|(_, by)| (by.value, by.order)) {
            return Some(pair.key);
        }
        let latest = || named().max_by_key(|(_, nominated)| nominated.order);
        let orderly = self
            .remote
            .as_ref()
            .is_some_and(|remote| remote.options.ice2);
        if orderly {
            return latest().map(|(pair, _)| pair.key);
        }
        let settled =
            self.selected.is_some() && self.now >= self.selected_at + self.config.timing().settle;
        if !settled {
            return named()
                .max_by_key(|(pair, _)| pair.priority)
                .map(|(pair, _)| pair.key);
        }
        // An aggressive peer names pairs in every check, so only silence tells that it has moved on.
        match self.selected {
            Some(selected) if self.state != State::Disconnected => Some(selected),
            selected => {
                let heard = named().filter(|(pair, _)| Some(pair.key) != selected);
                let last = heard.max_by_key(|(pair, nominated)| (pair.last_heard, nominated.order));
                last.map(|(pair, _)| pair.key).or(selected)
            }
        }
    }

    /// Uses the pair from now on.
    pub(super) fn select(&mut self, key: PairKey) {
        let (now, timing) = (self.now, *self.config.timing());
        let Some(index) = self.position(key) else {
            return;
        };
        if self.selected == Some(key) {
            return;
        }
        let priority = self.pairs[index].priority;
        let pair = &mut self.pairs[index];
        pair.last_heard = now;
        if self.selected.is_none() {
            self.selected_at = now;
        }
        self.selected = Some(key);
        self.forget_open(priority, key);
        if let Some(previous) = &mut self.previous {
            previous.until.get_or_insert(now + timing.old_generation);
        }
        self.linger_until = match self.config.standby {
            Standby::For(time) => Some(now + time),
            Standby::Forever => None,
        };
        self.note(Entry::Selected(key));
        if let Some(path) = self.path_of(key) {
            self.tell(Event::Selected(path));
        }
        self.enter(State::Completed);
    }

    /// A path is chosen: what is not under way is dropped, what is worse is not repeated (RFC 8445 section 8.1.2).
    fn forget_open(&mut self, priority: u64, key: PairKey) {
        self.pairs.retain(|pair| {
            pair.key == key
                || pair.valid.is_some()
                || !(matches!(pair.state, PairState::Waiting | PairState::Frozen)
                    || pair.is_connecting())
        });
        for pair in &mut self.pairs {
            if pair.key != key && pair.priority < priority && pair.check.is_some() {
                pair.cancel();
                if pair.valid.is_none() {
                    pair.state = PairState::Failed;
                    pair.may_retry = false;
                }
            }
        }
        let pairs = &self.pairs;
        self.triggered
            .retain(|&waiting| waiting != key && pairs.iter().any(|pair| pair.key == waiting));
    }

    /// A pair works: data may use it, so from now on it needs consent.
    pub(super) fn warm_up(&mut self, key: PairKey) {
        let (now, timing) = (self.now, *self.config.timing());
        let (interval, expiry) = (timing.consent_interval, timing.consent_expiry);
        let consent = Consent::new(now, interval, expiry, &mut self.rng);
        if let Some(pair) = self.pair_mut(key) {
            // That of before it failed may have expired.
            pair.consent = Some(Box::new(consent));
        }
    }

    /// The pairs that were not chosen go, and with them the addresses that no pair needs.
    pub(super) fn end_linger(&mut self) {
        if self.linger_until.is_none_or(|until| self.now < until) {
            return;
        }
        self.linger_until = None;
        let Some(selected) = self.selected else {
            return;
        };
        let asymmetric = self.is_selected_asymmetric();
        self.pairs.retain(|pair| {
            // The others of its kind may hold open the port to which the peer sends.
            pair.key == selected || pair.check.is_some() || (asymmetric && pair.is_asymmetric())
        });
        self.pairs.shrink_to_fit();
        let pairs = &self.pairs;
        self.triggered
            .retain(|&waiting| pairs.iter().any(|pair| pair.key == waiting));
        let used = |base| self.pairs.iter().any(|pair| same(&pair.base, &base));
        let mut idle: Vec<_> = self
            .locals
            .iter()
            .filter(|local| !local.gone && !used(plain(local.base)))
            .map(|local| local.base)
            .collect();
        idle.sort_unstable();
        idle.dedup();
        for base in idle {
            self.tell(Event::Released(base));
        }
    }

    /// Whether the list has failed (RFC 8445 section 7.2.5.4, RFC 8863, RFC 8838 section 8).
    pub(super) fn judge_failure(&mut self) {
        if let Some(at) = self.fails_at()
            && self.now >= at
        {
            self.enter(State::Failed);
            self.need_restart(RestartReason::NoPath);
        }
    }

    /// When the search is given up if nothing changes; `None` while a pair is open or works.
    pub(super) fn fails_at(&self) -> Option<Instant> {
        let started = self.started?;
        if self.config.implementation == Implementation::Lite
            || !matches!(self.state, State::Checking | State::Connected)
            || self.pairs.iter().any(|pair| {
                // What may not be checked any more cannot be waited for.
                let idle = matches!(pair.state, PairState::Waiting | PairState::Frozen)
                    && self.is_capped(pair);
                pair.state != PairState::Failed && !pair.is_asymmetric() && !idle
            })
        {
            return None;
        }
        let patience = self.config.timing().patience;
        // What works on this side alone leads nowhere: a peer that can use it is told so long before.
        let asymmetric = self.pairs.iter().any(Pair::is_asymmetric);
        let asymmetric = self.first_valid.filter(|_| asymmetric);
        // Many peers never tell the end of their candidates; after a long silence it is assumed.
        let silence = self.last_candidate + patience;
        let ended = self.local_ended && self.remote_ended;
        let at = if ended { started + patience } else { silence };
        Some(at.max(asymmetric.map_or(at, |since| since + patience)))
    }

    pub(super) fn need_restart(&mut self, reason: RestartReason) {
        self.note(Entry::RestartNeeded(reason));
        self.tell(Event::RestartNeeded(reason));
    }

    pub(super) fn path_of(&self, key: PairKey) -> Option<Path> {
        let pair = &self.pairs[self.position(key)?];
        let local = pair.valid.map_or(pair.local, |valid| valid.local);
        let mut path = Path::new(pair.base, pair.to);
        path.local_kind = self.locals.get(local)?.kind;
        path.local_address = self.locals.get(local)?.address;
        path.remote_kind = self.remotes.get(pair.remote)?.kind;
        if let Some(connection) = pair.link.connection() {
            path.connection = Some(connection);
            path.base = self.own_end(connection).unwrap_or(pair.base);
            if local == pair.local {
                path.local_address = path.base;
            }
        }
        Some(path)
    }

    /// The path for data: the selected one, or the best that works before there is one, or that of before a restart.
    ///
    /// `None` when there is none or its consent has ended.
    #[must_use]
    pub fn path(&self) -> Option<Path> {
        let current = self
            .selected_pair()
            .filter(|pair| pair.valid.is_some())
            .or_else(|| self.preferred(|_| self.previous.is_none() && self.selected.is_none()));
        match current {
            Some(pair) => self.path_of(pair.key),
            None => self.previous.as_ref().map(|previous| previous.path),
        }
    }
}
