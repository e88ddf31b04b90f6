//! Consent, liveness and keepalives (RFC 7675, RFC 8445 section 11).

use super::Agent;
use crate::candidate::plain;
use crate::connection::Arrival;
use crate::pair::Pair;
use crate::timeline::{Entry, Why};
use crate::{DropReason, Event, PairKey, RestartReason, State};
use alloc::vec::Vec;
use core::time::Duration;
use proto_core::{Handled, Instant};
use stun_proto::attribute::{ErrorCode, ErrorNumber};
use stun_proto::{Class, Message};

/// Unanswered consent checks in a row that are worth a word.
const UNRESPONSIVE: u32 = 3;
/// How long an answer may take before silence counts.
const ANSWER_TIME: Duration = Duration::from_secs(1);

impl Agent {
    pub(super) fn on_consent_response(
        &mut self,
        key: PairKey,
        arrival: &Arrival,
        message: &Message<'_>,
    ) -> Handled<DropReason> {
        let (now, expiry) = (self.now, self.config.timing().consent_expiry);
        let Some(pair) = self.pair_mut(key) else {
            return self.refuse(DropReason::UnknownTransaction);
        };
        if !pair.is_answered_from(arrival.via, plain(arrival.from)) {
            return self.refuse(DropReason::WrongAddress);
        }
        pair.counts.responses_received = pair.counts.responses_received.saturating_add(1);
        pair.counts.on_heard(now);
        pair.last_heard = now;
        if message.class() == Class::Success {
            if pair.valid.is_some() && pair.carries(arrival.via, plain(arrival.from)) {
                // It works both ways after all: somebody may have copied an answer that came from elsewhere.
                pair.moved = None;
            }
            let consent = pair.consent.as_mut();
            let rtt = consent
                .and_then(|consent| consent.on_answer(now, message.transaction_id(), expiry));
            if let Some(rtt) = rtt {
                pair.counts.on_rtt(rtt);
            }
            self.stats.responses_received += 1;
        } else if is_revocation(message) {
            self.lose_consent(key);
        }
        Handled::Consumed
    }

    pub(super) fn on_previous_consent_response(
        &mut self,
        arrival: &Arrival,
        message: &Message<'_>,
    ) -> Handled<DropReason> {
        let (now, expiry) = (self.now, self.config.timing().consent_expiry);
        let Some(previous) = &mut self.previous else {
            return self.refuse(DropReason::UnknownTransaction);
        };
        if !previous.hears(arrival.via, plain(arrival.from)) {
            return self.refuse(DropReason::WrongAddress);
        }
        previous.last_heard = now;
        if message.class() == Class::Success {
            if let Some(consent) = &mut previous.consent {
                consent.on_answer(now, message.transaction_id(), expiry);
            }
        } else if is_revocation(message) {
            self.lose_previous();
        }
        Handled::Consumed
    }

    /// The peer does not want what we send on this pair, or is gone: nothing but STUN goes there any more.
    pub(super) fn lose_consent(&mut self, key: PairKey) {
        let path = self.path_of(key);
        let was_selected = self.selected == Some(key);
        if was_selected {
            self.selected = None;
        }
        self.fail_pair(key, Why::ConsentEnded);
        if let Some(pair) = self.pair_mut(key) {
            pair.consent = None;
        }
        if !was_selected {
            return;
        }
        self.note(Entry::ConsentExpired);
        if let Some(path) = path {
            self.tell(Event::ConsentExpired(path));
        }
        if self.pairs.iter().any(|pair| pair.valid.is_some()) {
            // A pair that was kept warm takes over.
            self.enter(State::Disconnected);
        } else {
            self.enter(State::Failed);
            self.need_restart(RestartReason::ConsentLost);
        }
    }

    /// Consent was not renewed in time. Where checks go on nevertheless, only they do.
    fn expire(&mut self, key: PairKey) {
        let consent = self.pair_mut(key).and_then(|pair| pair.consent.take());
        self.lose_consent(key);
        if let Some(index) = self.position(key)
            && self.needs_consent(&self.pairs[index])
        {
            self.pairs[index].consent = consent;
        }
    }

    pub(super) fn lose_previous(&mut self) {
        if let Some(previous) = self.previous.take() {
            self.note(Entry::ConsentExpired);
            self.tell(Event::ConsentExpired(previous.path));
        }
    }

    /// Whether consent checks are sent on the pair.
    ///
    /// Where each remote has a port of its own, the peer may send to one that only a pair of ours which is not selected
    /// keeps open. So these go on for as long as such a pair is in use, with or without answers.
    pub(super) fn needs_consent(&self, pair: &Pair) -> bool {
        pair.valid.is_some() || (pair.moved.is_some() && self.is_selected_asymmetric())
    }

    /// Whether the selected pair is answered from elsewhere.
    pub(super) fn is_selected_asymmetric(&self) -> bool {
        self.selected_pair().is_some_and(Pair::is_asymmetric)
    }

    /// How long a pair may be silent before it counts as disconnected.
    fn patience_with_silence(&self) -> Duration {
        let timing = self.config.timing();
        if self.is_lite() {
            // It asks nothing itself, and the peer may ask as rarely as 1.2 intervals.
            timing.disconnected.max(timing.consent_interval * 5 / 2)
        } else {
            timing.disconnected
        }
    }

    /// When the selected pair counts as disconnected.
    fn silent_at(&self) -> Option<Instant> {
        let pair = self.selected_pair()?;
        let silent = pair.last_heard + self.patience_with_silence();
        let Some(consent) = &pair.consent else {
            return Some(silent);
        };
        // Without an open question there is no silence: consent checks are up to 6 s apart.
        let asked = consent.waiting_since()?;
        Some(silent.max(asked + ANSWER_TIME))
    }

    fn expires_at(&self, index: usize) -> Option<Instant> {
        let pair = &self.pairs[index];
        pair.valid?;
        match &pair.consent {
            Some(consent) => Some(consent.expires),
            // Nothing obliges a lite agent to ask; it takes the peer's own checks for consent.
            None if self.is_lite() => Some(pair.last_heard + self.config.timing().consent_expiry),
            None => None,
        }
    }

    /// Ends what has expired, and tells about silence.
    pub(super) fn tick_consent(&mut self) {
        let now = self.now;
        let expired = (0..self.pairs.len())
            .filter(|&index| self.expires_at(index).is_some_and(|at| at <= now))
            .map(|index| self.pairs[index].key);
        let expired: Vec<PairKey> = expired.collect();
        let mut ended = !expired.is_empty();
        for key in expired {
            self.expire(key);
        }
        if self
            .previous
            .as_ref()
            .is_some_and(|previous| previous.until.is_some_and(|until| until <= now))
        {
            self.previous = None;
            ended = true;
        }
        if self.previous_expires_at().is_some_and(|at| at <= now) {
            self.lose_previous();
            ended = true;
        }
        if ended {
            self.sweep_connections();
        }
        if self.selected.is_some() {
            let silent = self.silent_at().is_some_and(|at| at <= now);
            match self.state {
                State::Completed if silent => self.enter(State::Disconnected),
                State::Disconnected if !silent => self.enter(State::Completed),
                _ => {}
            }
        }
    }

    fn previous_expires_at(&self) -> Option<Instant> {
        let previous = self.previous.as_ref()?;
        Some(match &previous.consent {
            Some(consent) => consent.expires,
            None => previous.last_heard + self.config.timing().consent_expiry,
        })
    }

    /// The next moment at which consent or silence changes something, or a check or keepalive is due.
    pub(super) fn consent_timeout(&self) -> Option<Instant> {
        let expiries = (0..self.pairs.len()).filter_map(|index| self.expires_at(index));
        let pairs = self.pairs.iter().filter(|pair| self.needs_consent(pair));
        let checks =
            pairs.filter_map(|pair| pair.consent.as_ref().map(|consent| consent.next_check));
        let silence = self.silent_at().filter(|_| self.state == State::Completed);
        let previous = self.previous.as_ref();
        let old = previous.and_then(|previous| previous.until);
        let old_check = previous.and_then(|previous| Some(previous.consent.as_ref()?.next_check));
        expiries
            .chain(checks)
            .chain(silence)
            .chain(old)
            .chain(old_check)
            .chain(self.previous_expires_at())
            .chain(self.keepalive_at())
            .min()
    }

    /// When the selected pair has been silent for so long that its mappings may close.
    pub(super) fn keepalive_at(&self) -> Option<Instant> {
        let pair = self.selected_pair()?;
        Some(pair.last_sent + self.config.timing().keepalive)
    }

    /// Notes an unanswered consent check of the selected pair.
    pub(super) fn note_missed(&mut self, key: PairKey) {
        let selected = self.selected == Some(key);
        let missed = self
            .pair_mut(key)
            .and_then(|pair| pair.consent.as_ref())
            .map_or(0, |consent| consent.missed);
        // The check that was just sent is not missed yet.
        if selected && missed > UNRESPONSIVE {
            self.tell(Event::Unresponsive { missed: missed - 1 });
        }
    }
}

/// Whether the peer takes its consent back (RFC 7675 section 5.2).
fn is_revocation(message: &Message<'_>) -> bool {
    let code = message.get::<ErrorCode<'_>>().ok().flatten();
    code.is_some_and(|code| code.number() == ErrorNumber::FORBIDDEN)
}
