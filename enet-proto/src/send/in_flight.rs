//! Reliable commands that are sent and not acknowledged: [`InFlight`].

use crate::clock::Clock;
use crate::ring::Ring;
use proto_core::Instant;

/// The reliable commands of one channel from the oldest that is not acknowledged to the newest that was sent.
///
/// Sequence numbers are consecutive, so a command is found by its distance from the oldest, in O(1).
#[derive(Debug)]
pub(crate) struct InFlight<T> {
    base: u16,
    slots: Ring<Slot<T>>,
}

#[derive(Debug)]
struct Slot<T> {
    item: T,
    flight: Flight,
}

/// What became of a command that is acknowledged.
#[derive(Debug)]
pub(crate) enum Gone<'a, T> {
    /// It keeps its place, since an earlier one is not acknowledged.
    Waits(&'a mut T),
    /// All before it are acknowledged too, and it goes.
    Done(&'a T),
}

/// When a command was sent, and how often. Small, since with the command it fills a line of the cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flight {
    pub(crate) first_sent: Instant,
    pub(crate) sent: Instant,
    /// How long to wait for the acknowledgement of the last attempt.
    pub(crate) timeout_micros: u32,
    pub(crate) attempts: u16,
    pub(crate) state: SlotState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotState {
    /// Sent, and not acknowledged.
    Flying,
    /// Not acknowledged in time; it waits to be sent again.
    Lost,
    /// Acknowledged before an earlier one, which keeps its place.
    Acknowledged,
}

impl Flight {
    pub(crate) const fn new(now: Instant, timeout_micros: u32) -> Self {
        Self {
            first_sent: now,
            sent: now,
            timeout_micros,
            attempts: 1,
            state: SlotState::Flying,
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.sent.add_micros(self.timeout_micros.into())
    }

    /// How many microseconds the acknowledgement took whose echo is `sent_time`; nothing if no attempt was made then.
    #[inline]
    fn sample(&self, sent_time: u16, clock: &Clock) -> Option<u64> {
        if sent_time == clock.wire(self.sent) {
            return Some(clock.now().micros_since(self.sent));
        }
        self.late_sample(sent_time, clock)
    }

    #[cold]
    fn late_sample(&self, sent_time: u16, clock: &Clock) -> Option<u64> {
        if sent_time == clock.wire(self.first_sent) {
            return Some(clock.now().micros_since(self.first_sent));
        }
        let first = clock.wire(self.first_sent);
        let between = self.attempts > 2
            && sent_time.wrapping_sub(first) < clock.wire(self.sent).wrapping_sub(first);
        between.then(|| clock.micros_since_wire(sent_time))
    }
}

impl<T> InFlight<T> {
    /// Nothing is in flight, and the first command will have number `base`.
    pub(crate) const fn new(base: u16) -> Self {
        Self {
            base,
            slots: Ring::new(),
        }
    }

    /// Gives back memory that is no longer needed.
    pub(crate) fn tidy(&mut self) {
        self.slots.tidy();
    }

    /// Number of the oldest command that is not acknowledged, or of the next one.
    pub(crate) const fn base(&self) -> u16 {
        self.base
    }

    #[inline]
    pub(crate) fn push(&mut self, item: T, flight: Flight) {
        self.slots.push_back(Slot { item, flight });
    }

    /// The command `sequence`, unless it is acknowledged.
    #[inline]
    pub(crate) fn find(&mut self, sequence: u16) -> Option<(&mut T, &mut Flight)> {
        let slot = self
            .slots
            .get_mut(usize::from(sequence.wrapping_sub(self.base)))?;
        if slot.flight.state == SlotState::Acknowledged {
            return None;
        }
        Some((&mut slot.item, &mut slot.flight))
    }

    /// The command `sequence`, unless it is acknowledged already, if `sent_time` is the time of one of its attempts, and
    /// how many microseconds ago that was. [`InFlight::remove`] follows.
    #[inline]
    pub(crate) fn find_echoed(
        &mut self,
        sequence: u16,
        sent_time: u16,
        clock: &Clock,
    ) -> Option<(&T, &Flight, u64)> {
        let (item, flight) = self.find(sequence)?;
        let micros = flight.sample(sent_time, clock)?;
        Some((item, flight, micros))
    }

    /// What a place takes: in the worst case as many are free.
    pub(crate) const PLACE_BYTES: usize = 2 * size_of::<Option<Slot<T>>>();

    /// Notes that the command `sequence` is acknowledged: it is done, or, while an earlier one is not, it waits. What waits
    /// is given on once more when its turn comes.
    #[inline]
    pub(crate) fn remove(&mut self, sequence: u16, mut note: impl FnMut(Gone<'_, T>)) {
        let place = usize::from(sequence.wrapping_sub(self.base));
        let Some(slot) = self.slots.get_mut(place) else {
            return;
        };
        slot.flight.state = SlotState::Acknowledged;
        if place > 0 {
            note(Gone::Waits(&mut slot.item));
            return;
        }
        while let Some(slot) = self.slots.front()
            && slot.flight.state == SlotState::Acknowledged
        {
            note(Gone::Done(&slot.item));
            self.slots.drop_front();
            self.base = self.base.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flight(millis: u64) -> Flight {
        Flight::new(Instant::from_millis(millis), 100_000)
    }

    // req: HE-13
    #[test]
    fn only_an_echo_of_a_real_attempt_acknowledges() {
        let mut clock = Clock::new(0);
        clock.set(Instant::from_millis(50));
        let mut list = InFlight::new(65_535);
        list.push('a', flight(10));
        list.push('b', flight(20));
        assert!(list.find_echoed(0, 10, &clock).is_none());
        assert!(list.find_echoed(1, 20, &clock).is_none(), "never sent");
        assert!(list.find_echoed(65_534, 10, &clock).is_none(), "long gone");
        let (item, _, micros) = list.find_echoed(0, 20, &clock).unwrap();
        assert_eq!((*item, micros), ('b', 30_000));
        let mut gone = alloc::vec::Vec::new();
        let mut note = |what: Gone<'_, char>| match what {
            Gone::Waits(item) => *item = 'w',
            Gone::Done(&item) => gone.push(item),
        };
        list.remove(0, &mut note);
        assert!(list.find_echoed(0, 20, &clock).is_none(), "twice");
        assert_eq!(list.base(), 65_535);
        assert!(list.find_echoed(65_535, 10, &clock).is_some());
        list.remove(65_535, &mut note);
        assert_eq!(gone, ['a', 'w']);
        assert_eq!(list.base(), 1);
        assert!(list.find(1).is_none());
    }

    #[test]
    fn any_attempt_may_be_echoed() {
        let mut clock = Clock::new(0);
        clock.set(Instant::from_millis(1000));
        let mut command = flight(100);
        command.attempts = 3;
        command.sent = Instant::from_millis(700);
        for (echo, millis) in [(100, 900), (300, 700), (700, 300)] {
            assert_eq!(command.sample(echo, &clock), Some(millis * 1000));
        }
        for echo in [99, 701, 1000] {
            assert_eq!(command.sample(echo, &clock), None);
        }
    }
}
