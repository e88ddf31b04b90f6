//! The caller's time as the protocol sees it: [`Clock`].

use proto_core::Instant;

/// A clock that never goes back, and its 16-bit image on the wire.
#[derive(Debug)]
pub(crate) struct Clock {
    now: Instant,
    base_ms: u64,
}

impl Clock {
    pub(crate) const fn new(base_ms: u64) -> Self {
        Self {
            now: Instant::ZERO,
            base_ms,
        }
    }

    /// Takes the caller's time in; one that goes back counts as standing still.
    #[inline]
    pub(crate) fn set(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    #[inline]
    pub(crate) const fn now(&self) -> Instant {
        self.now
    }

    /// The sent time of a datagram that leaves at `at`: milliseconds, the low 16 bits.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the wire has 16 bits")]
    pub(crate) const fn wire(&self, at: Instant) -> u16 {
        at.as_millis().wrapping_add(self.base_ms) as u16
    }

    /// How many microseconds ago a wire time of less than 65 s ago was.
    pub(crate) fn micros_since_wire(&self, sent_time: u16) -> u64 {
        let millis = self.wire(self.now).wrapping_sub(sent_time);
        u64::from(millis) * 1000
    }
}
