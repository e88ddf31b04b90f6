//! What time does to an agent.

use super::Agent;
use crate::connection::Link;
use crate::timeline::Why;
use crate::{Event, Pacer, PairKey, State};
use alloc::vec::Vec;
use proto_core::Instant;

impl Agent {
    /// A deadline may have passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        if self.state == State::Closed {
            return;
        }
        self.fail_silent();
        self.forget_names();
        self.end_linger();
        self.tick_consent();
        self.hint();
        self.settle();
    }

    /// The next moment at which something changes by itself. A moment that has passed means now.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.poll_timeout_paced(&self.pacer)
    }

    /// The same with a pacer that several agents share.
    #[must_use]
    pub fn poll_timeout_paced(&self, pacer: &Pacer) -> Option<Instant> {
        if self.state == State::Closed {
            return None;
        }
        let failures = self.pairs.iter().filter_map(|pair| pair.check.as_ref());
        let failures = failures.map(crate::pair::Check::fails_at);
        let names = self.names().iter().map(|name| name.until);
        let decision = self.decision().map(|(at, _)| at);
        failures
            .chain(names)
            .chain(decision)
            .chain(self.linger_until)
            .chain(self.fails_at())
            .chain(self.hint_at())
            .chain(self.consent_timeout())
            .chain(self.connections_timeout())
            .chain(self.send_timeout(pacer))
            .min()
    }

    /// Fails the pairs whose checks were never answered.
    fn fail_silent(&mut self) {
        let now = self.now;
        let silent = |pair: &&crate::pair::Pair| {
            pair.check
                .as_ref()
                .is_some_and(|check| check.fails_at() <= now)
        };
        let failed: Vec<PairKey> = self
            .pairs
            .iter()
            .filter(silent)
            .map(|pair| pair.key)
            .collect();
        for key in failed {
            // The peer may have come late, so silence alone is worth a second try.
            // A connection loses nothing by itself.
            let again = self
                .pair_mut(key)
                .is_some_and(|pair| pair.may_retry && pair.link == Link::Udp);
            self.fail_pair(key, Why::NoAnswer);
            if let Some(pair) = self.pair_mut(key) {
                pair.may_retry = again;
            }
        }
        for pair in &mut self.pairs {
            pair.cancelled.retain(|check| check.fails_at() > now);
        }
    }

    fn forget_names(&mut self) {
        let now = self.now;
        let Some(rare) = &mut self.rare else {
            return;
        };
        let before = rare.names.len();
        rare.names.retain(|name| name.until > now);
        self.stats.candidates_refused += (before - rare.names.len()) as u64;
    }

    fn hint_at(&self) -> Option<Instant> {
        let waiting = self.state == State::Checking && !self.told_still_trying;
        Some(self.started? + self.config.timing().give_up_hint).filter(|_| waiting)
    }

    fn hint(&mut self) {
        if self.hint_at().is_some_and(|at| at <= self.now) {
            self.told_still_trying = true;
            self.tell(Event::StillTrying);
        }
    }
}
