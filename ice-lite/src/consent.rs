//! Whether the peer still wants our packets: [`Consent`] (RFC 7675).

use crate::check::TransactionId;
use alloc::collections::VecDeque;
use core::time::Duration;
use proto_core::{Instant, SeedRng};

/// Outstanding checks that are remembered: 30 s of one every 4 s.
const MOST_OUTSTANDING: usize = 8;

/// Consent of the remote on one path.
#[derive(Clone, Debug)]
pub(crate) struct Consent {
    pub(crate) next_check: Instant,
    pub(crate) expires: Instant,
    outstanding: VecDeque<(TransactionId, Instant)>,
    /// Checks without an answer since the last one.
    pub(crate) missed: u32,
}

impl Consent {
    /// Consent that a check has just given.
    pub(crate) fn new(
        now: Instant,
        interval: Duration,
        expiry: Duration,
        rng: &mut SeedRng,
    ) -> Self {
        Self {
            next_check: now + spread(interval, rng),
            expires: now + expiry,
            outstanding: VecDeque::new(),
            missed: 0,
        }
    }

    /// Notes a consent check that is sent now; each is a new transaction and is never repeated.
    pub(crate) fn on_sent(
        &mut self,
        now: Instant,
        id: TransactionId,
        interval: Duration,
        rng: &mut SeedRng,
    ) {
        if self.outstanding.len() >= MOST_OUTSTANDING {
            self.outstanding.pop_front();
        }
        if self.outstanding.capacity() == 0 {
            // Nearly always there is only one.
            self.outstanding.reserve_exact(1);
        }
        self.outstanding.push_back((id, now));
        self.missed = self.missed.saturating_add(1);
        self.next_check = now + spread(interval, rng);
    }

    pub(crate) fn is_waiting_for(&self, id: TransactionId) -> bool {
        self.outstanding.iter().any(|&(known, _)| known == id)
    }

    /// Notes an answer and gives its round-trip time.
    pub(crate) fn on_answer(
        &mut self,
        now: Instant,
        id: TransactionId,
        expiry: Duration,
    ) -> Option<Duration> {
        let position = self
            .outstanding
            .iter()
            .position(|&(known, _)| known == id)?;
        let (_, sent) = self.outstanding.remove(position)?;
        self.missed = 0;
        self.expires = now + expiry;
        Some(now.saturating_since(sent))
    }

    /// When the oldest check since the last answer was sent, if one is unanswered.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        if self.missed == 0 {
            return None;
        }
        let first = self.outstanding.len().saturating_sub(self.missed as usize);
        self.outstanding.get(first).map(|&(_, sent)| sent)
    }
}

/// `interval` times a random number from 0.8 to 1.2.
fn spread(interval: Duration, rng: &mut SeedRng) -> Duration {
    let thousandths = 800 + rng.below(401);
    interval * thousandths / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    // req: C-1
    #[test]
    fn consent_checks_are_four_to_six_seconds_apart_and_not_in_step() {
        let mut rng = SeedRng::new([3; 32]);
        let interval = Duration::from_secs(5);
        let mut seen = alloc::collections::BTreeSet::new();
        for _ in 0..1000 {
            let gap = spread(interval, &mut rng);
            assert!((Duration::from_secs(4)..=Duration::from_secs(6)).contains(&gap));
            seen.insert(gap);
        }
        assert!(seen.len() > 300);
    }
}
