//! Connections that ended a moment ago: [`Tombstones`].
//!
//! C ENet forgets them at once. A remote whose DISCONNECT was acknowledged by a datagram that got lost then waits for
//! its timeout, and a late datagram may hit a new connection of the same number.

use super::replies::Farewell;
use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;
use proto_core::Instant;

const LIFETIME: Duration = Duration::from_secs(10);

/// What is remembered of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tombstone {
    pub(super) farewell: Farewell,
    /// Session of datagrams to us.
    pub(super) incoming_session: u8,
    /// Whether the remote ended it, and may ask for the acknowledgement again.
    pub(super) acknowledges: bool,
}

/// A bounded number of them, oldest out, by our number for the remote.
#[derive(Debug, Default)]
pub(super) struct Tombstones {
    entries: BTreeMap<u16, (Instant, Tombstone)>,
    ages: VecDeque<(Instant, u16)>,
}

impl Tombstones {
    pub(super) fn get(&self, id: u16) -> Option<&Tombstone> {
        self.entries.get(&id).map(|(_, tombstone)| tombstone)
    }

    pub(super) fn remove(&mut self, id: u16) {
        self.entries.remove(&id);
    }

    /// Adds one; gives the number of the one that had to leave for it.
    pub(super) fn add(
        &mut self,
        now: Instant,
        id: u16,
        tombstone: Tombstone,
        most: usize,
    ) -> Option<u16> {
        let expires = now + LIFETIME;
        self.entries.insert(id, (expires, tombstone));
        self.ages.push_back((expires, id));
        if self.entries.len() > most {
            self.oldest(Instant::MAX)
        } else {
            None
        }
    }

    /// When the oldest is to be forgotten.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.ages.front().map(|&(expires, _)| expires)
    }

    /// Forgets the oldest if it expires by `now`, and gives its number.
    pub(super) fn oldest(&mut self, now: Instant) -> Option<u16> {
        while let Some(&(expires, id)) = self.ages.front() {
            if expires > now {
                return None;
            }
            self.ages.pop_front();
            if self
                .entries
                .get(&id)
                .is_some_and(|entry| entry.0 == expires)
            {
                self.entries.remove(&id);
                return Some(id);
            }
        }
        None
    }
}
