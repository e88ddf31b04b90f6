//! Numbers of what a peer spawned and is gone: [`Freed`].

use alloc::collections::BTreeMap;

/// Who freed a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FreedBy {
    /// The peer that spawned it, which says no more about it in order.
    Spawner,
    /// Somebody else, so that the peer may not know yet.
    Other,
}

/// The numbers of spawned nodes and of synchronizers in them that are gone; the latest ones, since a peer counts up.
#[derive(Debug, Default)]
pub(crate) struct Freed(BTreeMap<u32, FreedBy>);

impl Freed {
    /// Remembers a number, and at most `limit` in all.
    pub(crate) fn insert(&mut self, number: u32, by: FreedBy, limit: usize) {
        self.0.insert(number, by);
        while self.0.len() > limit {
            self.0.pop_first();
        }
    }

    /// Who freed what had a number.
    pub(crate) fn get(&self, number: u32) -> Option<FreedBy> {
        self.0.get(&number).copied()
    }

    /// Forgets a number, since it is in use again.
    pub(crate) fn remove(&mut self, number: u32) {
        self.0.remove(&number);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_numbers_are_kept() {
        let mut freed = Freed::default();
        for number in [5, 1, 9, 7] {
            freed.insert(number, FreedBy::Other, 3);
        }
        assert_eq!(freed.len(), 3);
        assert_eq!(freed.get(1), None);
        freed.insert(9, FreedBy::Spawner, 3);
        assert_eq!(freed.get(9), Some(FreedBy::Spawner));
        freed.remove(9);
        assert_eq!(freed.get(9), None);
    }
}
