//! A queue that mostly holds one entry at most: [`ShortQueue`].

use alloc::collections::VecDeque;

/// Entries for which an empty queue keeps memory.
const KEPT_ENTRIES: usize = 64;

/// Once a queue is empty, gives the memory of a burst back, since there are several queues for each peer, and lets the
/// queue begin anew in the memory that is still in the cache.
#[inline]
fn release<T>(queue: &mut VecDeque<T>) {
    if queue.is_empty() {
        queue.clear();
        if queue.capacity() > KEPT_ENTRIES {
            queue.shrink_to(KEPT_ENTRIES);
        }
    }
}

/// Entries for which a connection that is calm keeps memory in each of its queues.
pub(crate) const CALM_ENTRIES: usize = 4;

/// Gives back the memory of a queue that has become short. Now and then, where [`release`] comes too early: what a stall of
/// the network made grow would otherwise stay, and in the end each connection has had its worst stall.
pub(crate) fn tidy<T>(queue: &mut VecDeque<T>) {
    let needed = (2 * queue.len()).max(CALM_ENTRIES);
    if queue.capacity() > 2 * needed {
        queue.shrink_to(needed);
    }
}

/// A queue whose entry, while it is the only one, lies in the queue itself.
///
/// Each connection has several queues, and with thousands of connections the memory that a queue points to is never in the
/// cache. For small entries, and where there is seldom more than one: each entry pays for the question where it lies.
#[derive(Debug)]
pub(crate) struct ShortQueue<T> {
    /// The oldest entry, if it came when the queue was empty.
    first: Option<T>,
    rest: VecDeque<T>,
}

impl<T> ShortQueue<T> {
    pub(crate) const fn new() -> Self {
        Self {
            first: None,
            rest: VecDeque::new(),
        }
    }

    /// As [`tidy`].
    pub(crate) fn tidy(&mut self) {
        tidy(&mut self.rest);
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none() && self.rest.is_empty()
    }

    #[inline]
    pub(crate) fn front(&self) -> Option<&T> {
        self.first.as_ref().or_else(|| self.rest.front())
    }

    #[inline]
    pub(crate) fn front_mut(&mut self) -> Option<&mut T> {
        match &mut self.first {
            Some(first) => Some(first),
            None => self.rest.front_mut(),
        }
    }

    #[inline]
    pub(crate) fn back_mut(&mut self) -> Option<&mut T> {
        match self.rest.back_mut() {
            Some(last) => Some(last),
            None => self.first.as_mut(),
        }
    }

    #[inline]
    pub(crate) fn push_back(&mut self, entry: T) {
        if self.is_empty() {
            self.first = Some(entry);
        } else {
            self.rest.push_back(entry);
        }
    }

    #[inline]
    pub(crate) fn pop_front(&mut self) -> Option<T> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let entry = self.rest.pop_front();
        release(&mut self.rest);
        entry
    }

    /// Drops the oldest entry where it lies: to move it costs more than to drop it.
    #[inline]
    pub(crate) fn drop_front(&mut self) {
        if self.first.is_some() {
            self.first = None;
        } else {
            self.rest.pop_front();
            release(&mut self.rest);
        }
    }
}

impl<T> Default for ShortQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_core::SeedRng;

    #[test]
    fn it_agrees_with_a_deque_under_random_operations() {
        let mut rng = SeedRng::new([5; 32]);
        let (mut queue, mut model) = (ShortQueue::new(), VecDeque::new());
        for number in 0..50_000_u32 {
            // Phases of growing and of shrinking, so that it is long as well as empty.
            let grows = number % 400 < 150;
            match rng.below(4) {
                0 => assert_eq!(queue.pop_front(), model.pop_front()),
                1 if !grows => {
                    queue.drop_front();
                    model.pop_front();
                }
                2 if !grows => assert_eq!(queue.pop_front(), model.pop_front()),
                _ => {
                    queue.push_back(number);
                    model.push_back(number);
                }
            }
            assert_eq!(queue.front(), model.front());
            assert_eq!(queue.front_mut(), model.front_mut());
            assert_eq!(queue.back_mut(), model.back_mut());
            assert_eq!(queue.len(), model.len());
            assert_eq!(queue.is_empty(), model.is_empty());
        }
    }

    #[test]
    fn an_empty_queue_keeps_no_memory_of_a_burst() {
        let mut queue = ShortQueue::new();
        (0..5000).for_each(|number| queue.push_back(number));
        while queue.pop_front().is_some() {}
        assert!(queue.rest.capacity() <= 2 * KEPT_ENTRIES);
        queue.tidy();
        assert!(queue.rest.capacity() <= 2 * CALM_ENTRIES);
    }

    #[test]
    fn tidying_gives_back_what_a_short_queue_does_not_need_and_loses_nothing() {
        let mut queue: VecDeque<u32> = (0..1000).collect();
        for length in [1000, 600, 200, 30, 7, 1, 0] {
            queue.drain(..queue.len() - length);
            tidy(&mut queue);
            assert!(queue.capacity() <= 4 * length.max(CALM_ENTRIES));
            let capacity = queue.capacity();
            tidy(&mut queue);
            assert_eq!(queue.capacity(), capacity, "twice is no different");
            let first = 1000 - u32::try_from(length).unwrap();
            assert!(queue.iter().copied().eq(first..1000));
        }
    }
}
