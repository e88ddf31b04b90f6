//! The numbers by which remotes address us: [`Routes`].

use crate::config::{Config, PeerIds};
use crate::wire::NO_PEER_ID;
use alloc::vec;
use alloc::vec::Vec;
use proto_core::SeedRng;

/// A session id of a number that has not been used.
const FRESH: u8 = 0xff;

/// What a number leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Free,
    HalfOpen,
    /// A connection, by slot.
    Peer(u16),
    /// A connection that ended a moment ago.
    Tombstone,
}

/// Where each number leads, and how the next one is chosen.
#[derive(Debug)]
pub(super) struct Routes {
    ids: PeerIds,
    table: Vec<Route>,
    /// Incoming and outgoing session of each number; only counted on with [`PeerIds::Slots`].
    sessions: Vec<(u8, u8)>,
}

impl Routes {
    pub(super) fn new(config: &Config) -> Self {
        let (numbers, sessions) = match config.peer_ids {
            PeerIds::Slots => (config.max_peers, config.max_peers),
            PeerIds::Random => (NO_PEER_ID.into(), 0),
        };
        Self {
            ids: config.peer_ids,
            table: vec![Route::Free; numbers],
            sessions: vec![(FRESH, FRESH); sessions],
        }
    }

    #[inline]
    pub(super) fn find(&self, id: u16) -> Route {
        self.table
            .get(usize::from(id))
            .copied()
            .unwrap_or(Route::Free)
    }

    pub(super) fn set(&mut self, id: u16, route: Route) {
        if let Some(entry) = self.table.get_mut(usize::from(id)) {
            *entry = route;
        }
    }

    /// A number that is free; one of an ended connection only if there is no other, or numbers are not random.
    pub(super) fn choose(&self, rng: &mut SeedRng) -> Option<u16> {
        let count = u32::try_from(self.table.len()).unwrap_or(0);
        let start = match self.ids {
            PeerIds::Slots => 0,
            PeerIds::Random => rng.below(count) as usize,
        };
        let tombstones_too = self.ids == PeerIds::Slots;
        let search = |tombstones: bool| {
            let (before, after) = self.table.split_at(start);
            let place = after.iter().chain(before).position(|route| match route {
                Route::Free => true,
                Route::Tombstone => tombstones,
                Route::HalfOpen | Route::Peer(_) => false,
            })?;
            u16::try_from((start + place) % self.table.len()).ok()
        };
        search(tombstones_too).or_else(|| search(true))
    }

    /// The session ids for our CONNECT from number `id`: incoming, outgoing.
    pub(super) fn offer(&self, id: u16, rng: &mut SeedRng) -> (u8, u8) {
        match self.sessions.get(usize::from(id)) {
            Some(&sessions) => sessions,
            None => (random_session(rng), random_session(rng)),
        }
    }

    /// The session ids for a remote that offered these: incoming, outgoing, as seen from us.
    pub(super) fn agree(&mut self, id: u16, offered: (u8, u8), rng: &mut SeedRng) -> (u8, u8) {
        let Some(stored) = self.sessions.get_mut(usize::from(id)) else {
            return (random_session(rng), random_session(rng));
        };
        let next = |offered: u8, stored: u8| {
            let current = if offered == FRESH { stored } else { offered };
            let next = current.wrapping_add(1) & 3;
            if next == stored { (next + 1) & 3 } else { next }
        };
        *stored = (next(offered.1, stored.0), next(offered.0, stored.1));
        *stored
    }

    /// Notes the session ids that a remote gave to our number `id`.
    pub(super) fn note(&mut self, id: u16, sessions: (u8, u8)) {
        if let Some(stored) = self.sessions.get_mut(usize::from(id)) {
            *stored = sessions;
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "below 4")]
fn random_session(rng: &mut SeedRng) -> u8 {
    rng.below(4) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_count_sessions_up_as_c_enet_does() {
        let mut routes = Routes::new(&Config::reference([0; 32]));
        let mut rng = SeedRng::new([0; 32]);
        let mut offered = (FRESH, FRESH);
        for expected in [0, 1, 2, 3, 0] {
            let agreed = routes.agree(0, offered, &mut rng);
            assert_eq!(agreed, (expected, expected));
            offered = (agreed.1, agreed.0);
        }
    }

    #[test]
    fn random_numbers_avoid_ended_connections_while_others_are_free() {
        let mut routes = Routes::new(&Config::new([0; 32]));
        let mut rng = SeedRng::new([0; 32]);
        for id in 0..4090 {
            routes.set(id, Route::Tombstone);
        }
        for _ in 0..5 {
            let id = routes.choose(&mut rng).unwrap();
            assert!(id >= 4090);
            routes.set(id, Route::Peer(0));
        }
        assert!(routes.choose(&mut rng).unwrap() < 4090);
    }
}
