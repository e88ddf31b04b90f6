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

/// A [`Route`] in two bytes: a slot, which is below 4095, or one of three others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry(u16);

impl Entry {
    const FREE: Self = Self(u16::MAX);
    const HALF_OPEN: Self = Self(u16::MAX - 1);
    const TOMBSTONE: Self = Self(u16::MAX - 2);

    const fn new(route: Route) -> Self {
        match route {
            Route::Free => Self::FREE,
            Route::HalfOpen => Self::HALF_OPEN,
            Route::Peer(slot) => Self(slot),
            Route::Tombstone => Self::TOMBSTONE,
        }
    }

    #[inline]
    const fn route(self) -> Route {
        match self {
            Self::FREE => Route::Free,
            Self::HALF_OPEN => Route::HalfOpen,
            Self::TOMBSTONE => Route::Tombstone,
            Self(slot) => Route::Peer(slot),
        }
    }
}

/// Where each number leads, and how the next one is chosen.
///
/// The first number lies here. The table begins with the second: a client has one connection, and where a program has
/// thousands of clients each would look into some kilobytes of its own, which are in no cache.
#[derive(Debug)]
pub(super) struct Routes {
    /// A number with its entry; while that is free, the next number that is set takes this place. Also in the table, once
    /// there is one.
    near: (u16, Entry),
    ids: PeerIds,
    /// Empty until two numbers are in use.
    table: Vec<Entry>,
    /// How many numbers there are.
    numbers: u16,
    /// Incoming and outgoing session of each number; only counted on with [`PeerIds::Slots`].
    sessions: Vec<(u8, u8)>,
}

impl Routes {
    pub(super) fn new(config: &Config) -> Self {
        let (numbers, sessions) = match config.peer_ids {
            PeerIds::Slots => (
                u16::try_from(config.max_peers).unwrap_or(NO_PEER_ID),
                config.max_peers,
            ),
            PeerIds::Random => (NO_PEER_ID, 0),
        };
        Self {
            near: (NO_PEER_ID, Entry::FREE),
            ids: config.peer_ids,
            table: Vec::new(),
            numbers,
            sessions: vec![(FRESH, FRESH); sessions],
        }
    }

    #[inline]
    pub(super) fn find(&self, id: u16) -> Route {
        if self.near.0 == id {
            return self.near.1.route();
        }
        let entry = self.table.get(usize::from(id));
        entry.map_or(Route::Free, |entry| entry.route())
    }

    pub(super) fn set(&mut self, id: u16, route: Route) {
        if id >= self.numbers {
            return;
        }
        let entry = Entry::new(route);
        if self.near.1 == Entry::FREE {
            self.near.0 = id;
        } else if self.near.0 != id && self.table.is_empty() {
            self.table = vec![Entry::FREE; self.numbers.into()];
            self.table[usize::from(self.near.0)] = self.near.1;
        }
        if self.near.0 == id {
            self.near.1 = entry;
        }
        if let Some(place) = self.table.get_mut(usize::from(id)) {
            *place = entry;
        }
    }

    /// A number that is free; one of an ended connection only if there is no other, or numbers are not random.
    #[expect(clippy::cast_possible_truncation, reason = "below a 16-bit number")]
    pub(super) fn choose(&self, rng: &mut SeedRng) -> Option<u16> {
        let start = match self.ids {
            PeerIds::Slots => 0,
            PeerIds::Random => rng.below(self.numbers.into()) as u16,
        };
        let tombstones_too = self.ids == PeerIds::Slots;
        let search = |tombstones: bool| {
            (start..self.numbers)
                .chain(0..start)
                .find(|&id| match self.find(id) {
                    Route::Free => true,
                    Route::Tombstone => tombstones,
                    Route::HalfOpen | Route::Peer(_) => false,
                })
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
    fn any_order_of_changes_leads_where_a_plain_table_does() {
        let mut rng = SeedRng::new([5; 32]);
        for numbers in [1, 2, 3, 40] {
            let mut config = Config::reference([0; 32]);
            config.max_peers = numbers;
            let mut routes = Routes::new(&config);
            let mut model = vec![Route::Free; numbers];
            let most = u32::try_from(numbers).unwrap() + 1;
            for _ in 0..5000 {
                let id = u16::try_from(rng.below(most)).unwrap();
                let route = match rng.below(6) {
                    0 => Route::HalfOpen,
                    1 => Route::Tombstone,
                    2 => Route::Peer(u16::try_from(rng.below(4095)).unwrap()),
                    _ => Route::Free,
                };
                routes.set(id, route);
                if let Some(place) = model.get_mut(usize::from(id)) {
                    *place = route;
                }
                for (id, &route) in model.iter().enumerate() {
                    assert_eq!(routes.find(u16::try_from(id).unwrap()), route);
                }
                assert_eq!(routes.find(NO_PEER_ID), Route::Free);
            }
        }
    }

    #[test]
    fn a_single_connection_takes_no_table() {
        let mut routes = Routes::new(&Config::new([0; 32]));
        for route in [Route::Peer(0), Route::Tombstone, Route::Free] {
            routes.set(77, route);
        }
        routes.set(4000, Route::Peer(0));
        assert!(routes.table.is_empty());
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
