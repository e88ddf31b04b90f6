//! A smaller window where a queue on the way is too short for the whole of it ([`Brake`]).

use proto_core::Instant;

/// Everything fits the window.
const WHOLE: u32 = 64;
/// The least share of the window, in 64ths.
const LEAST: u32 = 8;
/// What is won back with each block, in 64ths.
const STEP: u32 = 4;
/// Attempts in a block: enough that chance hardly makes a third of a fifth.
const BLOCK: u32 = 128;
/// So many lost attempts of a block say that more is sent than passes: a third. Losses of a tenth in both directions, of
/// packets and of acknowledgements, are a fifth.
const MANY: u32 = 42;
/// The window is not cut again until this block after one that showed a loss that does not depend on what is sent.
const TRUCE: u32 = 64;

/// What share of the window is used.
///
/// A link with a short queue drops what is beyond it, and its round trips hardly lengthen, so ENet's throttle sees nothing,
/// and what was overtaken is sent again at once, to be dropped again. When a third is lost, the window is cut to half of what
/// arrived, and wins the rest back slowly. If more than half as many are lost after that, the loss is the network's own, and
/// the window is whole again.
#[derive(Debug)]
pub(crate) struct Brake {
    /// In 64ths.
    share: u32,
    /// Attempts of this block that were acknowledged or overtaken.
    outcomes: u32,
    /// Those that were overtaken.
    lost: u32,
    /// What was sent before counts no more.
    since: Instant,
    /// How many were lost of the block before, if the window was cut for it.
    cut_for: Option<u32>,
    /// Blocks until the window may be cut again.
    truce: u32,
}

impl Default for Brake {
    fn default() -> Self {
        Self {
            share: WHOLE,
            outcomes: 0,
            lost: 0,
            since: Instant::ZERO,
            cut_for: None,
            truce: 0,
        }
    }
}

impl Brake {
    /// The window of so many bytes that the throttle, in 32nds, and this leave: the stricter of both.
    #[inline]
    pub(crate) fn apply(&self, window_bytes: u32, throttle: u32) -> u64 {
        let share = self.share.min(throttle.saturating_mul(2));
        u64::from(window_bytes) * u64::from(share) / u64::from(WHOLE)
    }

    /// An attempt that was made at `sent` is acknowledged.
    #[inline]
    pub(super) fn acknowledged(&mut self, sent: Instant, now: Instant) {
        if sent >= self.since {
            self.outcomes += 1;
            if self.outcomes >= BLOCK {
                self.end_block(now);
            }
        }
    }

    /// An attempt that was made at `sent` was overtaken. What expires does not count: it may wait in a long queue.
    #[cold]
    pub(super) fn overtaken(&mut self, sent: Instant, now: Instant) {
        self.lost += u32::from(sent >= self.since);
        self.acknowledged(sent, now);
    }

    #[cold]
    fn end_block(&mut self, now: Instant) {
        let lost = core::mem::take(&mut self.lost);
        self.outcomes = 0;
        self.truce = self.truce.saturating_sub(1);
        if self.cut_for.take().is_some_and(|before| 2 * lost > before) {
            self.share = WHOLE;
            self.truce = TRUCE;
        } else if lost >= MANY && self.truce == 0 {
            let arrived = self.share * (BLOCK - lost.min(BLOCK)) / BLOCK;
            self.share = (arrived / 2).max(LEAST);
            self.since = now;
            self.cut_for = Some(lost);
        } else {
            self.share = (self.share + STEP).min(WHOLE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block sent at `millis` of which so many attempts are lost.
    fn block(brake: &mut Brake, millis: u64, lost: u32) {
        let at = Instant::from_millis(millis);
        for index in 0..BLOCK {
            if index < lost {
                brake.overtaken(at, at);
            } else {
                brake.acknowledged(at, at);
            }
        }
    }

    #[test]
    fn a_window_that_overflows_a_queue_is_cut_and_wins_back_what_passes() {
        let mut brake = Brake::default();
        block(&mut brake, 1, MANY - 1);
        assert_eq!(brake.apply(65_536, 32), 65_536);
        block(&mut brake, 2, BLOCK / 2);
        assert_eq!(brake.apply(65_536, 32), 16_384);
        block(&mut brake, 1, BLOCK);
        assert_eq!(brake.share, 16, "what was sent before the cut counted");
        for passed in 1..=12 {
            block(&mut brake, 3, 0);
            assert_eq!(brake.share, 16 + passed * STEP);
        }
        block(&mut brake, 4, 0);
        assert_eq!(brake.share, WHOLE);
    }

    #[test]
    fn a_loss_that_a_cut_does_not_change_is_borne_for_a_while() {
        let mut brake = Brake::default();
        block(&mut brake, 1, MANY);
        assert!(brake.share < WHOLE);
        block(&mut brake, 2, MANY - 5);
        assert_eq!(brake.share, WHOLE);
        for _ in 1..TRUCE {
            block(&mut brake, 3, MANY);
            assert_eq!(brake.share, WHOLE);
        }
        block(&mut brake, 4, MANY);
        assert!(brake.share < WHOLE);
    }

    #[test]
    fn the_stricter_of_brake_and_throttle_holds_and_something_always_passes() {
        let mut brake = Brake::default();
        assert_eq!(brake.apply(65_536, 16), 32_768);
        assert_eq!(brake.apply(65_536, 0), 0);
        block(&mut brake, 1, BLOCK);
        assert_eq!(brake.apply(65_536, 32), 8192);
        assert_eq!(brake.apply(65_536, 16), 8192);
    }
}
