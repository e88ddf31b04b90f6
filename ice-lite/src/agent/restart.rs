//! Credentials of the peer, and new ones for both sides (RFC 8445 section 9, RFC 8839 section 4.4).

use super::{Agent, Previous, Remote, Side};
use crate::check;
use crate::timeline::Entry;
use crate::{
    CandidateKind, Credentials, Description, Implementation, Options, Pacer, Role, Standby, State,
};
use alloc::boxed::Box;
use proto_core::Instant;

/// Why a restart was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RestartError {
    /// The last one was less than [`Timing::restart_interval`](crate::Timing::restart_interval) ago.
    #[error("the last restart was a moment ago")]
    TooSoon,
    /// The agent is closed.
    #[error("the agent is closed")]
    Closed,
}

/// What a description of the peer meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemoteChange {
    /// The peer is known now.
    Learned,
    /// Its credentials are the same; it may have more candidates.
    Updated,
    /// It restarted, so this side did too: tell it [`Agent::description`] anew.
    Restarted,
}

/// Why a description of the peer was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SetRemoteError {
    /// Only one of fragment and password is new (RFC 8839 section 4.4.1.1.1).
    #[error("a restart changes both fragment and password")]
    HalfRestart,
    /// It is a restart, and the last one was a moment ago.
    #[error(transparent)]
    Restart(#[from] RestartError),
    /// The credentials are our own: a loop in the signalling.
    #[error("the description is our own")]
    OwnDescription,
}

impl Agent {
    /// Takes the peer's description: credentials, abilities, and candidates.
    ///
    /// Candidates that cannot be used are counted in [`Stats::candidates_refused`](crate::Stats::candidates_refused). New
    /// credentials of a known peer are a restart.
    ///
    /// # Errors
    /// [`SetRemoteError`].
    pub fn set_remote(
        &mut self,
        now: Instant,
        description: &Description,
    ) -> Result<RemoteChange, SetRemoteError> {
        self.advance(now);
        if self.state == State::Closed {
            return Err(RestartError::Closed.into());
        }
        let theirs = &description.credentials;
        if theirs.ufrag() == self.local.credentials.ufrag() {
            return Err(SetRemoteError::OwnDescription);
        }
        let change = match &self.remote {
            None => RemoteChange::Learned,
            Some(remote) => {
                let ours = &remote.side.credentials;
                match (
                    ours.ufrag() == theirs.ufrag(),
                    ours.password() == theirs.password(),
                ) {
                    (true, true) => RemoteChange::Updated,
                    (false, false) => RemoteChange::Restarted,
                    _ => return Err(SetRemoteError::HalfRestart),
                }
            }
        };
        if change == RemoteChange::Restarted {
            self.restart(now)?;
        }
        if change != RemoteChange::Updated {
            self.learn_peer(description);
        }
        for candidate in description
            .candidates
            .iter()
            .take(Description::MOST_CANDIDATES)
        {
            let _ = self.add_remote(now, candidate.clone());
        }
        let surplus = description
            .candidates
            .len()
            .saturating_sub(Description::MOST_CANDIDATES);
        self.stats.candidates_refused += surplus as u64;
        if description.ended || !description.options.trickle {
            self.end_of_remote_candidates(now);
        }
        self.start();
        self.replay_early();
        self.settle();
        Ok(change)
    }

    /// Takes the peer's credentials alone, where signalling has nothing else. Its abilities are taken to be those of a
    /// full agent with trickle.
    ///
    /// # Errors
    /// As [`Agent::set_remote`].
    pub fn set_remote_credentials(
        &mut self,
        now: Instant,
        credentials: Credentials,
    ) -> Result<RemoteChange, SetRemoteError> {
        let mut description = Description::new(credentials);
        description.options = Options {
            trickle: true,
            ..Options::default()
        };
        self.set_remote(now, &description)
    }

    fn learn_peer(&mut self, description: &Description) {
        let username = check::username(
            description.credentials.ufrag(),
            self.local.credentials.ufrag(),
        );
        let mut side = Side::new(description.credentials.clone());
        side.prepare();
        self.local.prepare();
        self.remote = Some(Box::new(Remote {
            side,
            lite: description.lite,
            options: description.options,
            takes_asymmetric: false,
            username: username.into_boxed_str(),
        }));
        // Full against lite controls, whoever made the offer (RFC 8445 section 6.1.1).
        let role = match (self.config.implementation, description.lite) {
            (Implementation::Full, true) => Role::Controlling,
            (Implementation::Lite, false) => Role::Controlled,
            _ => self.role,
        };
        if role != self.role {
            self.role = role;
            self.note(Entry::Role(role));
        }
        self.pacer
            .widen(description.pacing.unwrap_or(Pacer::DEFAULT));
        self.release_held();
        self.pair_all();
    }

    /// Begins a new generation with new credentials, and gives what the peer is to be told.
    ///
    /// The path in use goes on carrying data until the new generation has one of its own. Local candidates stay.
    ///
    /// # Errors
    /// [`RestartError`]; nothing has changed.
    pub fn restart(&mut self, now: Instant) -> Result<Description, RestartError> {
        self.advance(now);
        if self.state == State::Closed {
            return Err(RestartError::Closed);
        }
        let interval = self.config.timing().restart_interval;
        if self
            .last_restart
            .is_some_and(|last| self.now < last + interval)
        {
            return Err(RestartError::TooSoon);
        }
        self.last_restart = Some(self.now);
        let local = Side::new(Credentials::random(&mut self.rng));
        let local = core::mem::replace(&mut self.local, local);
        self.keep_previous(local);
        self.forget_generation();
        self.generation += 1;
        self.note(Entry::Restart(self.generation));
        self.enter(State::New);
        self.sweep_connections();
        Ok(self.description())
    }

    /// Keeps the selected path alive beside the new generation; a path of an older one stays if there is none.
    fn keep_previous(&mut self, local: Side) {
        let Some(key) = self.selected else {
            return;
        };
        let (Some(path), Some(remote)) = (self.path_of(key), self.remote.take()) else {
            return;
        };
        let Some(pair) = self.pair_mut(key) else {
            return;
        };
        if pair.valid.is_none() {
            return;
        }
        let (consent, last_heard) = (pair.consent.take(), pair.last_heard);
        let answers_from = pair.answers_from();
        self.previous = Some(Box::new(Previous {
            local,
            remote,
            role: self.role,
            path,
            answers_from,
            consent,
            last_heard,
            until: None,
        }));
    }

    fn forget_generation(&mut self) {
        self.remote = None;
        self.remotes.clear();
        self.pairs.clear();
        self.triggered.clear();
        if let Some(rare) = &mut self.rare {
            rare.early.clear();
            rare.names.clear();
        }
        self.replies.retain(|reply| reply.previous);
        self.locals
            .retain(|local| !local.gone && local.kind != CandidateKind::PeerReflexive);
        self.selected = None;
        self.linger_until = None;
        self.started = None;
        self.first_valid = None;
        self.told_still_trying = false;
        self.local_ended = false;
        self.remote_ended = false;
        self.role_switches = 0;
        self.nomination_value = 0;
    }

    /// What becomes of pairs that are not selected.
    pub fn set_standby(&mut self, standby: Standby) {
        self.config.standby = standby;
    }
}
