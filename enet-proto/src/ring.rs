//! A queue whose entries are written once, where they stay: [`Ring`].

use crate::short_queue::CALM_ENTRIES;
use alloc::vec::Vec;

/// Places with which a ring begins.
const FIRST_PLACES: usize = CALM_ENTRIES;

/// A queue of large entries.
///
/// What a `VecDeque` takes in is first put together on the stack and then copied, in a function of its own. The copy reads at
/// once and in wide steps what was just written in narrow ones, which the processor cannot do before the writes have reached
/// its cache: that took longer than all else that happens to a small message. Here an entry is written where it will lie.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    /// As many as a power of two, or none.
    places: Vec<Option<T>>,
    first: usize,
    len: usize,
}

impl<T> Ring<T> {
    pub(crate) const fn new() -> Self {
        Self {
            places: Vec::new(),
            first: 0,
            len: 0,
        }
    }

    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the entry lies that has `index` entries before it.
    #[inline]
    const fn place(&self, index: usize) -> usize {
        self.first.wrapping_add(index) & self.places.len().wrapping_sub(1)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        if index >= self.len {
            return None;
        }
        let at = self.place(index);
        self.places.get_mut(at)?.as_mut()
    }

    #[inline]
    pub(crate) fn front(&self) -> Option<&T> {
        self.places.get(self.first)?.as_ref()
    }

    #[inline]
    pub(crate) fn front_mut(&mut self) -> Option<&mut T> {
        self.places.get_mut(self.first)?.as_mut()
    }

    #[inline(always)]
    pub(crate) fn push_back(&mut self, entry: T) {
        if self.len == self.places.len() {
            self.grow();
        }
        let at = self.place(self.len);
        if let Some(place) = self.places.get_mut(at) {
            *place = Some(entry);
            self.len += 1;
        }
    }

    #[inline]
    pub(crate) fn pop_front(&mut self) -> Option<T> {
        let entry = self.places.get_mut(self.first)?.take()?;
        self.pass_front();
        Some(entry)
    }

    /// Drops the oldest entry where it lies: to move it costs more than to drop it.
    #[inline]
    pub(crate) fn drop_front(&mut self) {
        if let Some(place) = self.places.get_mut(self.first)
            && place.is_some()
        {
            *place = None;
            self.pass_front();
        }
    }

    #[inline]
    fn pass_front(&mut self) {
        self.first = self.place(1);
        self.len -= 1;
        if self.len == 0 {
            // The next entry goes into memory that is still in the cache.
            self.first = 0;
        }
    }

    #[cold]
    fn grow(&mut self) {
        self.places.rotate_left(self.first);
        self.first = 0;
        let places = (2 * self.places.len()).max(FIRST_PLACES);
        self.places.reserve_exact(places - self.places.len());
        self.places.resize_with(places, || None);
    }

    /// As [`tidy`](crate::short_queue::tidy).
    pub(crate) fn tidy(&mut self) {
        let needed = (2 * self.len).max(CALM_ENTRIES).next_power_of_two();
        if self.places.len() > 2 * needed {
            self.places.rotate_left(self.first);
            self.first = 0;
            self.places.truncate(needed);
            self.places.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::VecDeque;
    use proto_core::SeedRng;

    #[test]
    fn it_agrees_with_a_deque_under_random_operations() {
        let mut rng = SeedRng::new([6; 32]);
        let (mut ring, mut model) = (Ring::new(), VecDeque::new());
        for number in 0..50_000_u32 {
            // Phases of growing and of shrinking, so that it is long as well as empty.
            let grows = number % 400 < 150;
            match rng.below(4) {
                0 => {
                    assert_eq!(ring.pop_front(), model.pop_front());
                    if number % 16 == 0 {
                        ring.tidy();
                        let most = 8 * model.len().max(CALM_ENTRIES);
                        assert!(ring.places.capacity() <= most);
                    }
                }
                1 if !grows => {
                    ring.drop_front();
                    model.pop_front();
                }
                2 if !grows => assert_eq!(ring.pop_front(), model.pop_front()),
                _ => {
                    ring.push_back(number);
                    model.push_back(number);
                }
            }
            let index = rng.below(200) as usize;
            assert_eq!(ring.get_mut(index), model.get_mut(index));
            assert_eq!(ring.front(), model.front());
            assert_eq!(ring.front_mut(), model.front_mut());
            assert_eq!(ring.len(), model.len());
            assert_eq!(ring.is_empty(), model.is_empty());
        }
    }

    #[test]
    fn an_empty_ring_gives_the_memory_of_a_burst_back() {
        let mut ring = Ring::new();
        (0..5000).for_each(|number| ring.push_back(number));
        while ring.pop_front().is_some() {}
        ring.tidy();
        assert_eq!(ring.places.capacity(), CALM_ENTRIES);
    }
}
