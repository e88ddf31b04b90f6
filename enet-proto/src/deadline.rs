//! The deadlines of all peers, earliest first: [`DeadlineQueue`].

use alloc::vec::Vec;
use proto_core::Instant;

const ABSENT: u16 = u16::MAX;

/// A binary heap of (deadline, slot) that knows where each slot is, so that a deadline can be moved in O(log n).
#[derive(Debug, Default)]
pub(crate) struct DeadlineQueue {
    heap: Vec<(Instant, u16)>,
    places: Vec<u16>,
}

impl DeadlineQueue {
    /// The earliest deadline and its slot.
    #[inline]
    pub(crate) fn first(&self) -> Option<(Instant, u16)> {
        self.heap.first().copied()
    }

    /// Sets the deadline of `slot`, in place of the one that it had.
    pub(crate) fn set(&mut self, slot: u16, deadline: Instant) {
        if self.places.len() <= slot.into() {
            self.places.resize(usize::from(slot) + 1, ABSENT);
        }
        let place = self.places[usize::from(slot)];
        if place == ABSENT {
            self.heap.push((deadline, slot));
            self.rise(self.heap.len() - 1);
            return;
        }
        let place = usize::from(place);
        let earlier = deadline < self.heap[place].0;
        self.heap[place].0 = deadline;
        if earlier {
            self.rise(place);
        } else {
            self.sink(place);
        }
    }

    /// Takes the deadline of `slot` away.
    pub(crate) fn remove(&mut self, slot: u16) {
        let Some(&place) = self.places.get(usize::from(slot)) else {
            return;
        };
        if place == ABSENT {
            return;
        }
        self.places[usize::from(slot)] = ABSENT;
        let place = usize::from(place);
        let moved = self.heap.len() - 1 != place;
        self.heap.swap_remove(place);
        if moved {
            self.rise(place);
            self.sink(place);
        }
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent] <= self.heap[place] {
                break;
            }
            self.heap.swap(parent, place);
            self.note(place);
            place = parent;
        }
        self.note(place);
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let left = 2 * place + 1;
            if left >= self.heap.len() {
                break;
            }
            let right = left + 1;
            let child = if right < self.heap.len() && self.heap[right] < self.heap[left] {
                right
            } else {
                left
            };
            if self.heap[place] <= self.heap[child] {
                break;
            }
            self.heap.swap(place, child);
            self.note(place);
            place = child;
        }
        self.note(place);
    }

    /// Slots are below 4095, and there is one entry a slot at most, so a place fits 16 bits.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a host has at most 4095 slots"
    )]
    fn note(&mut self, place: usize) {
        let slot = self.heap[place].1;
        self.places[usize::from(slot)] = place as u16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proto_core::SeedRng;

    #[test]
    fn it_agrees_with_an_ordered_map_under_random_operations() {
        let mut rng = SeedRng::new([3; 32]);
        let (mut queue, mut model) = (DeadlineQueue::default(), BTreeMap::new());
        for _ in 0..20_000 {
            let slot = u16::try_from(rng.below(50)).unwrap();
            if rng.below(3) == 0 {
                queue.remove(slot);
                model.remove(&slot);
            } else {
                let deadline = Instant::from_micros(rng.below(1000).into());
                queue.set(slot, deadline);
                model.insert(slot, deadline);
            }
            let earliest = model.iter().map(|(&slot, &at)| (at, slot)).min();
            assert_eq!(queue.first(), earliest);
        }
    }
}
