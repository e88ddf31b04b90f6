//! What there is to see of an agent.

use super::Agent;
use crate::pair::Pair;
use crate::timeline::{Entry, Why};
use crate::{CandidateKind, PairState, PairView, State, Stats, Timeline};
use alloc::string::String;
use core::fmt::Write;

impl Agent {
    /// Counters of the agent.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// All pairs, by priority.
    pub fn pairs(&self) -> impl Iterator<Item = PairView> + '_ {
        self.pairs.iter().filter_map(|pair| {
            Some(PairView {
                key: pair.key,
                path: self.path_of(pair.key)?,
                priority: pair.priority,
                state: pair.state,
                is_valid: pair.valid.is_some(),
                answers_from: pair.answers_from().filter(|_| pair.valid.is_some()),
                is_nominated: pair.nominated.is_some(),
                is_selected: self.selected == Some(pair.key),
                stats: pair.counts.view(),
            })
        })
    }

    /// What happened and when.
    #[must_use]
    pub const fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// How many candidates are known: local ones, and remote ones of this generation.
    #[must_use]
    pub fn candidate_counts(&self) -> (usize, usize) {
        let local = self.locals.iter().filter(|local| !local.gone).count();
        (local, self.remotes.len())
    }

    /// In words: why this path is used, or why there is none.
    #[must_use]
    pub fn why(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = self.explain(&mut text);
        text
    }

    fn explain(&self, text: &mut String) -> core::fmt::Result {
        match self.selected.and_then(|key| self.path_of(key)) {
            Some(path) => {
                write!(
                    text,
                    "The path from {} to {} is used",
                    path.base, path.remote
                )?;
                writeln!(text, ": it is {}.", nature(&path))?;
                if let Some(from) = self.selected_pair().and_then(Pair::answers_from) {
                    writeln!(
                        text,
                        "The peer's datagrams come from {from}, and none works both ways."
                    )?;
                }
                self.explain_better(text)?;
                if self.state == State::Disconnected {
                    writeln!(text, "Nothing has been heard on it for a while.")?;
                }
            }
            None => self.explain_nothing(text)?,
        }
        Ok(())
    }

    /// Why no pair with a higher priority was taken.
    fn explain_better(&self, text: &mut String) -> core::fmt::Result {
        let Some(selected) = self.selected_pair() else {
            return Ok(());
        };
        let mut failed = 0;
        for (_, entry) in self.timeline.iter() {
            if let Entry::PairState(key, PairState::Failed, why) = entry
                && let Some(pair) = self.pairs.iter().find(|pair| pair.key == key)
                && pair.priority > selected.priority
            {
                writeln!(
                    text,
                    "Better, but failed: {} to {}: {why}.",
                    pair.base, pair.to
                )?;
                failed += 1;
            }
        }
        if failed == 0 {
            let named = match self.role {
                crate::Role::Controlling => "we named it as",
                crate::Role::Controlled => "the peer named it;",
            };
            writeln!(text, "Of the pairs that worked {named} the best known.")?;
        }
        Ok(())
    }

    fn explain_nothing(&self, text: &mut String) -> core::fmt::Result {
        let (locals, remotes) = self.candidate_counts();
        writeln!(text, "No path is chosen; the state is {:?}.", self.state)?;
        if self.remote.is_none() {
            return writeln!(
                text,
                "The peer's credentials are not known: signalling has not come."
            );
        }
        if locals == 0 {
            writeln!(text, "There is no local candidate.")?;
        }
        if remotes == 0 {
            writeln!(text, "There is no remote candidate, told or seen.")?;
        }
        if locals > 0 && remotes > 0 && self.pairs.is_empty() && !self.is_lite() {
            writeln!(
                text,
                "No local candidate fits a remote one: their families or transports differ."
            )?;
        }
        if self.is_lite() {
            writeln!(
                text,
                "A lite agent waits for the peer to check and nominate."
            )?;
        }
        for pair in &self.pairs {
            let why = self.timeline.iter().filter_map(|(_, entry)| match entry {
                Entry::PairState(key, _, why) if key == pair.key => Some(why),
                _ => None,
            });
            let why = why.last().map_or("not tried yet", Why::as_str);
            let sent = pair.counts.requests_sent;
            let heard = pair.counts.requests_received;
            write!(
                text,
                "{} to {}: {:?}, {why}; ",
                pair.base, pair.to, pair.state
            )?;
            writeln!(text, "{sent} checks sent, {heard} received.")?;
        }
        let relayed = |kind| kind == CandidateKind::Relayed;
        let has_relay = self.locals.iter().any(|local| relayed(local.kind))
            || self.remotes.iter().any(|remote| relayed(remote.kind));
        if self.state == State::Failed && !has_relay {
            writeln!(
                text,
                "Neither side has a relay, which works where direct paths do not."
            )?;
        }
        Ok(())
    }
}

fn nature(path: &crate::Path) -> &'static str {
    match (path.local_kind, path.remote_kind) {
        (CandidateKind::Relayed, CandidateKind::Relayed) => "carried by a relay on both sides",
        (CandidateKind::Relayed, _) => "carried by our relay",
        (_, CandidateKind::Relayed) => "carried by the peer's relay",
        (CandidateKind::Host, CandidateKind::Host) => {
            "direct, without address translation on the way"
        }
        _ => "direct, through address translation",
    }
}
