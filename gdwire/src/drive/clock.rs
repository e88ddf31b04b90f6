//! The clock: the one place in gdwire that asks what time it is.

use core::time::Duration;
use proto_core::Instant;

/// Turns the system's monotonic clock into the [`Instant`]s that machines take.
///
/// The epoch is the moment of [`Clock::start`]. One machine must only ever see one clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: std::time::Instant,
}

impl Clock {
    /// A clock whose epoch is now.
    #[must_use]
    pub fn start() -> Self {
        Self { epoch: read() }
    }

    /// The current moment.
    #[must_use]
    pub fn now(&self) -> Instant {
        let elapsed = read().saturating_duration_since(self.epoch);
        Instant::ZERO.saturating_add(elapsed)
    }

    /// How long it is until `deadline`; zero if it has passed.
    #[must_use]
    pub fn until(&self, deadline: Instant) -> Duration {
        deadline.saturating_since(self.now())
    }
}

/// Today, for the dates in certificates.
#[cfg(feature = "dtls")]
#[expect(
    clippy::disallowed_methods,
    reason = "the one calendar read of the project"
)]
#[must_use]
pub fn date() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one clock read of the project"
)]
fn read() -> std::time::Instant {
    std::time::Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_does_not_go_back_and_a_past_deadline_is_due() {
        let clock = Clock::start();
        let first = clock.now();
        let second = clock.now();
        assert!(second >= first);
        assert_eq!(clock.until(Instant::ZERO), Duration::ZERO);
        assert!(clock.until(second + Duration::from_secs(60)) > Duration::from_secs(50));
    }
}
