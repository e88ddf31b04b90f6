//! Where was it when this peer saw it: [`Rewind`].

use super::snapshot::fraction;
use super::{ConfigError, Interpolate};
use crate::peer::PeerId;
use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;
use proto_core::Instant;

/// Numbers that bound a [`Rewind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RewindConfig {
    /// How far back states are kept, and views may be: 1 s by default. It is what a victim may have to accept, so less
    /// is kinder to those who run for cover.
    pub keep: Duration,
    /// States of one entity; the oldest give way. 2 to 65,536, 256 by default.
    pub most_states: usize,
    /// Entities at once, those removed within `keep` included; more are refused. 4,096 by default.
    pub most_entities: usize,
    /// Peers whose view is known; more are refused. 4,095 by default.
    pub most_peers: usize,
    /// How far a peer's claim may be from what its connection makes plausible, both ways: 50 ms by default.
    pub tolerance: Duration,
}

impl RewindConfig {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            keep: Duration::from_secs(1),
            most_states: 256,
            most_entities: 4_096,
            most_peers: 4_095,
            tolerance: Duration::from_millis(50),
        }
    }
}

impl Default for RewindConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// Why a [`Rewind`] did not do or does not know something. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RewindError {
    /// The entity was removed before that time.
    #[error("the entity was gone by then")]
    Gone,
    /// The table of entities or of peers is full.
    #[error("the table is full")]
    Full,
    /// The entity came after that time.
    #[error("the entity was not there yet")]
    NotYet,
    /// A state of that time or a later one is recorded already.
    #[error("the time is not after the last one")]
    NotNewer,
    /// That time is further back than states are kept.
    #[error("the time is too far back")]
    TooOld,
    /// No such entity.
    #[error("the entity is unknown")]
    Unknown,
}

/// What makes a peer's view plausible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the two durations that add up to a view"
)]
pub struct ViewBasis {
    /// From the server to the peer: half of the round trip that the transport measures.
    pub travel: Duration,
    /// The peer's playback delay, as the game sets or estimates it.
    pub playback_delay: Duration,
}

/// The moment that a peer saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct View {
    /// The moment, on the server's clock.
    pub time: Instant,
    /// Whether the peer claimed a moment that is not plausible, and this is the nearest that is.
    pub clamped: bool,
}

/// The states around a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Past<'a, S> {
    /// The state at or before the moment.
    pub from: &'a S,
    /// The one after it; the same as `from` if there is none.
    pub to: &'a S,
    /// How far the moment is from one to the other, 0 to 1.
    pub fraction: f32,
}

impl<S: Interpolate> Past<'_, S> {
    /// The state at the moment, as a client that interpolates showed it.
    #[must_use]
    pub fn state(&self) -> S {
        self.from.interpolate(self.to, self.fraction)
    }
}

/// What a [`Rewind`] counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RewindStats {
    /// States recorded.
    pub recorded: u64,
    /// States or entities refused because a table was full.
    pub refused: u64,
    /// States that gave way before their time because an entity had too many.
    pub overflowed: u64,
    /// Views given.
    pub views: u64,
    /// Views that had to be clamped. A peer with many of them has a wrong clock, or cheats.
    pub clamped_views: u64,
}

/// The recent past of entities, and how far each peer is behind the present.
///
/// Record the state of each entity that can be hit once per tick, or when it changes. When a peer says that it shot, ask
/// [`Rewind::view_of`] which moment it saw, and [`Rewind::at`] where things were.
///
/// ```
/// use core::time::Duration;
/// use proto_core::Instant;
/// use replication_proto::PeerId;
/// use replication_proto::latency::{Rewind, RewindConfig, ViewBasis};
///
/// let at = Instant::from_millis;
/// let mut past = Rewind::new(RewindConfig::new())?;
/// for tick in 0..=100 {
///     past.record(at(20 * tick), "target", [20.0 * tick as f32, 0.0])?;
/// }
///
/// // 75 ms of travel and 100 ms of playback delay: the peer shot at what was there 175 ms ago, and says so.
/// let peer = PeerId::new(7).unwrap();
/// past.set_view(peer, ViewBasis {
///     travel: Duration::from_millis(75),
///     playback_delay: Duration::from_millis(100),
/// })?;
/// let view = past.view_of(peer, at(2000), Some(at(1830)));
/// assert_eq!((view.time, view.clamped), (at(1830), false));
/// assert_eq!(past.at(&"target", view.time)?.state(), [1830.0, 0.0]);
///
/// // It cannot claim to have seen what was there a second ago.
/// let view = past.view_of(peer, at(2000), Some(at(1000)));
/// assert_eq!((view.time, view.clamped), (at(1775), true));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rewind<E, S> {
    config: RewindConfig,
    entities: BTreeMap<E, Track<S>>,
    /// Removed entities in the order of their removal, kept for those who still see them.
    removed: VecDeque<(Instant, E)>,
    peers: BTreeMap<PeerId, ViewBasis>,
    now: Instant,
    stats: RewindStats,
}

#[derive(Clone, Debug)]
struct Track<S> {
    states: VecDeque<(Instant, S)>,
    since: Instant,
    removed: Option<Instant>,
}

impl<E: Clone + Ord, S> Rewind<E, S> {
    /// An empty past.
    ///
    /// # Errors
    /// [`ConfigError`] if a number is out of its bounds.
    pub fn new(config: RewindConfig) -> Result<Self, ConfigError> {
        let states = (2..=65_536).contains(&config.most_states);
        ConfigError::unless(states, "most_states")?;
        Ok(Self {
            config,
            entities: BTreeMap::new(),
            removed: VecDeque::new(),
            peers: BTreeMap::new(),
            now: Instant::ZERO,
            stats: RewindStats::default(),
        })
    }

    /// Notes the state of an entity at a moment, usually that of the tick. An entity that was removed begins anew.
    ///
    /// # Errors
    /// [`RewindError::Full`], [`RewindError::NotNewer`].
    pub fn record(&mut self, time: Instant, entity: E, state: S) -> Result<(), RewindError> {
        self.advance(time);
        let oldest = self.oldest();
        let room = self.entities.len() < self.config.most_entities;
        let reused = self.entities.get(&entity);
        if reused.is_some_and(|track| track.removed.is_some()) {
            self.entities.remove(&entity);
        } else if reused.is_none() && !room {
            self.stats.refused += 1;
            return Err(RewindError::Full);
        }
        let track = self.entities.entry(entity).or_insert_with(|| Track {
            states: VecDeque::new(),
            since: time,
            removed: None,
        });
        if track.states.back().is_some_and(|&(last, _)| last >= time) {
            return Err(RewindError::NotNewer);
        }
        track.states.push_back((time, state));
        // The newest state that is too old stays: it holds until the next one.
        while track.states.get(1).is_some_and(|&(at, _)| at <= oldest) {
            track.states.pop_front();
        }
        if track.states.len() > self.config.most_states {
            track.states.pop_front();
            self.stats.overflowed += 1;
        }
        self.stats.recorded += 1;
        Ok(())
    }

    /// Notes that an entity left. Those who look further back still find it.
    ///
    /// # Errors
    /// [`RewindError::Unknown`], [`RewindError::Gone`].
    pub fn remove(&mut self, time: Instant, entity: &E) -> Result<(), RewindError> {
        self.advance(time);
        let track = self.entities.get_mut(entity).ok_or(RewindError::Unknown)?;
        if track.removed.is_some() {
            return Err(RewindError::Gone);
        }
        track.removed = Some(self.now);
        self.removed.push_back((self.now, entity.clone()));
        Ok(())
    }

    /// Notes how far a peer is behind, best again whenever the transport's round trip changes.
    ///
    /// # Errors
    /// [`RewindError::Full`].
    pub fn set_view(&mut self, peer: PeerId, basis: ViewBasis) -> Result<(), RewindError> {
        if !self.peers.contains_key(&peer) && self.peers.len() >= self.config.most_peers {
            self.stats.refused += 1;
            return Err(RewindError::Full);
        }
        self.peers.insert(peer, basis);
        Ok(())
    }

    /// Forgets a peer that left.
    pub fn remove_peer(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
    }

    /// The moment that a peer saw when its message of `now` was made. Without a claim, it is what its connection makes
    /// likely; a claim holds as far as that makes it plausible. No view is further back than states are kept.
    pub fn view_of(&mut self, peer: PeerId, now: Instant, claimed: Option<Instant>) -> View {
        let keep = earlier(now, self.config.keep);
        let (low, likely, high) = match self.peers.get(&peer) {
            Some(basis) => {
                let behind = basis.travel.saturating_add(basis.playback_delay);
                let likely = earlier(now, behind);
                let tolerance = self.config.tolerance;
                (earlier(likely, tolerance), likely, likely + tolerance)
            }
            None => (keep, now, now),
        };
        let wanted = claimed.unwrap_or(likely);
        let time = wanted.max(low).min(high).max(keep).min(now);
        let clamped = claimed.is_some_and(|claimed| claimed != time);
        self.stats.views += 1;
        self.stats.clamped_views += u64::from(clamped);
        View { time, clamped }
    }

    /// The states of an entity around a moment. After its last state an entity stays as it is.
    ///
    /// # Errors
    /// [`RewindError::Unknown`], [`RewindError::NotYet`], [`RewindError::TooOld`], [`RewindError::Gone`].
    pub fn at(&self, entity: &E, time: Instant) -> Result<Past<'_, S>, RewindError> {
        let track = self.entities.get(entity).ok_or(RewindError::Unknown)?;
        track.at(time)
    }

    /// All entities that were there at a moment, for a ray that must know what is in front.
    pub fn all_at(&self, time: Instant) -> impl Iterator<Item = (&E, Past<'_, S>)> {
        self.entities
            .iter()
            .filter_map(move |(entity, track)| Some((entity, track.at(time).ok()?)))
    }

    /// How many entities are held, removed ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    /// What was counted so far.
    #[must_use]
    pub const fn stats(&self) -> RewindStats {
        self.stats
    }

    fn oldest(&self) -> Instant {
        earlier(self.now, self.config.keep)
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
        let oldest = self.oldest();
        while let Some((at, entity)) = self.removed.front() {
            if *at >= oldest {
                break;
            }
            let track = self.entities.get(entity);
            if track.is_some_and(|track| track.removed == Some(*at)) {
                self.entities.remove(entity);
            }
            self.removed.pop_front();
        }
    }
}

impl<S> Track<S> {
    fn at(&self, time: Instant) -> Result<Past<'_, S>, RewindError> {
        if self.removed.is_some_and(|removed| removed <= time) {
            return Err(RewindError::Gone);
        }
        if time < self.since {
            return Err(RewindError::NotYet);
        }
        let after = self.states.partition_point(|&(at, _)| at <= time);
        let before = after.checked_sub(1).and_then(|at| self.states.get(at));
        let (from_time, from) = before.ok_or(RewindError::TooOld)?;
        let (to_time, to) = self
            .states
            .get(after)
            .or(before)
            .ok_or(RewindError::TooOld)?;
        Ok(Past {
            from,
            to,
            fraction: fraction(*from_time, *to_time, time),
        })
    }
}

/// A moment so much earlier, at least the epoch.
fn earlier(moment: Instant, by: Duration) -> Instant {
    let micros = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
    Instant::from_micros(moment.as_micros().saturating_sub(micros))
}

#[cfg(test)]
mod tests;
