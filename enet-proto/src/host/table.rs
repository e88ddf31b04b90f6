//! The places for connections: [`PeerTable`].

use crate::key::PeerKey;
use crate::peer::Peer;
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Blocks of 1, 2, 4, … places, the last one of 2048: enough for 4095.
const BLOCKS: usize = 12;

/// The place of a connection. Its tag lies in front of what every datagram needs; in an `Option` it would be in one of the
/// last lines of the connection, which then had to come from memory whenever a connection is looked for.
#[derive(Debug)]
#[repr(u8, align(64))]
#[expect(clippy::large_enum_variant, reason = "most places are taken")]
enum Place {
    Free,
    Taken(Peer),
}

impl Place {
    #[inline]
    const fn peer(&self) -> Option<&Peer> {
        match self {
            Self::Taken(peer) => Some(peer),
            Self::Free => None,
        }
    }

    #[inline]
    const fn peer_mut(&mut self) -> Option<&mut Peer> {
        match self {
            Self::Taken(peer) => Some(peer),
            Self::Free => None,
        }
    }
}

/// Slots with a generation each, lowest free one first.
///
/// Connections lie side by side in blocks that never move: one is found by its number, without a pointer that would have to
/// come from memory first, and a walk over all of them is a walk through memory. A block that was needed once is kept.
#[derive(Debug, Default)]
pub(super) struct PeerTable {
    blocks: [Vec<Place>; BLOCKS],
    generations: Vec<u32>,
    free: BinaryHeap<Reverse<u16>>,
}

/// The block of a slot, and its place there.
#[inline]
const fn place(slot: u16) -> (usize, usize) {
    let number = slot as usize + 1;
    let block = number.ilog2() as usize;
    (block, number - (1 << block))
}

impl PeerTable {
    /// Takes a free slot, of at most `most`, and gives its new generation; [`PeerTable::put`] must follow.
    pub(super) fn take_slot(&mut self, most: usize) -> Option<(u16, u32)> {
        let slot = match self.free.pop() {
            Some(Reverse(slot)) => slot,
            None if self.generations.len() < most => {
                self.generations.push(0);
                u16::try_from(self.generations.len() - 1).ok()?
            }
            None => return None,
        };
        let generation = self.generations.get_mut(usize::from(slot))?;
        *generation = generation.wrapping_add(1);
        Some((slot, *generation))
    }

    pub(super) fn put(&mut self, slot: u16, peer: Peer) {
        let (block, at) = place(slot);
        let Some(places) = self.blocks.get_mut(block) else {
            return;
        };
        if places.is_empty() {
            places.reserve_exact(1 << block);
        }
        if places.len() <= at {
            places.resize_with(at + 1, || Place::Free);
        }
        places[at] = Place::Taken(peer);
    }

    pub(super) fn remove(&mut self, slot: u16) -> Option<Peer> {
        let (block, at) = place(slot);
        let place = self.blocks.get_mut(block)?.get_mut(at)?;
        match core::mem::replace(place, Place::Free) {
            Place::Taken(peer) => {
                self.free.push(Reverse(slot));
                Some(peer)
            }
            Place::Free => None,
        }
    }

    #[inline]
    pub(super) fn at(&self, slot: u16) -> Option<&Peer> {
        let (block, at) = place(slot);
        self.blocks.get(block)?.get(at)?.peer()
    }

    #[inline]
    pub(super) fn at_mut(&mut self, slot: u16) -> Option<&mut Peer> {
        let (block, at) = place(slot);
        self.blocks.get_mut(block)?.get_mut(at)?.peer_mut()
    }

    #[inline]
    pub(super) fn get(&self, key: PeerKey) -> Option<&Peer> {
        self.at(key.slot).filter(|peer| peer.key == key)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: PeerKey) -> Option<&mut Peer> {
        self.at_mut(key.slot).filter(|peer| peer.key == key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.blocks.iter().flatten().filter_map(Place::peer)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        let places = self.blocks.iter_mut().flatten();
        places.filter_map(Place::peer_mut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_a_place_of_its_own_in_a_block_that_has_room_for_it() {
        let mut expected = (0, 0);
        for slot in 0..4095 {
            assert_eq!(place(slot), expected);
            expected.1 += 1;
            if expected.1 == 1 << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert_eq!(expected, (BLOCKS, 0));
    }

    #[test]
    fn slots_are_given_lowest_first_and_again_with_another_generation() {
        let mut table = PeerTable::default();
        assert_eq!(table.take_slot(2), Some((0, 1)));
        assert_eq!(table.take_slot(2), Some((1, 1)));
        assert_eq!(table.take_slot(2), None);
        assert!(table.at(1).is_none(), "nobody was put there");
    }
}
