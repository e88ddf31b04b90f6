//! The places for connections: [`PeerTable`].

use crate::key::PeerKey;
use crate::peer::Peer;
use alloc::boxed::Box;
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Slots with a generation each, lowest free one first.
#[derive(Debug, Default)]
pub(super) struct PeerTable {
    slots: Vec<(u32, Option<Box<Peer>>)>,
    free: BinaryHeap<Reverse<u16>>,
}

impl PeerTable {
    /// Takes a free slot, of at most `most`, and gives its new generation; [`PeerTable::put`] must follow.
    pub(super) fn take_slot(&mut self, most: usize) -> Option<(u16, u32)> {
        let slot = match self.free.pop() {
            Some(Reverse(slot)) => slot,
            None if self.slots.len() < most => {
                self.slots.push((0, None));
                u16::try_from(self.slots.len() - 1).ok()?
            }
            None => return None,
        };
        let generation = &mut self.slots[usize::from(slot)].0;
        *generation = generation.wrapping_add(1);
        Some((slot, *generation))
    }

    pub(super) fn put(&mut self, slot: u16, peer: Peer) {
        self.slots[usize::from(slot)].1 = Some(Box::new(peer));
    }

    pub(super) fn remove(&mut self, slot: u16) -> Option<Box<Peer>> {
        let peer = self.slots.get_mut(usize::from(slot))?.1.take()?;
        self.free.push(Reverse(slot));
        Some(peer)
    }

    #[inline]
    pub(super) fn at(&self, slot: u16) -> Option<&Peer> {
        self.slots.get(usize::from(slot))?.1.as_deref()
    }

    #[inline]
    pub(super) fn at_mut(&mut self, slot: u16) -> Option<&mut Peer> {
        self.slots.get_mut(usize::from(slot))?.1.as_deref_mut()
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
        self.slots.iter().filter_map(|(_, peer)| peer.as_deref())
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.slots
            .iter_mut()
            .filter_map(|(_, peer)| peer.as_deref_mut())
    }
}
