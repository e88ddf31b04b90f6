//! Which unsequenced packets have come already: [`UnsequencedWindow`].

use crate::DropReason;

const WINDOW: u16 = 1024;
const FREE: u16 = 32 * WINDOW;

/// Remembers the newest group number and which of the 1024 up to it have come.
///
/// ENet keeps aligned blocks of 1024 and so drops what comes late across a border; this window slides, and a sender
/// sees no difference but fewer losses.
#[derive(Debug, Default)]
pub(crate) struct UnsequencedWindow {
    newest: u16,
    seen: [u64; (WINDOW / 64) as usize],
}

impl UnsequencedWindow {
    /// Takes `group` in, or says why it must not be delivered.
    #[inline]
    pub(crate) fn accept(&mut self, group: u16) -> Result<(), DropReason> {
        let ahead = group.wrapping_sub(self.newest);
        if ahead == 0 || ahead > FREE {
            if self.newest.wrapping_sub(group) >= WINDOW {
                return Err(DropReason::Stale);
            }
            // Numbers start at 1, so 0 is only ever one that has wrapped.
            return if self.mark(group) {
                Ok(())
            } else {
                Err(DropReason::Duplicate)
            };
        }
        if ahead == FREE {
            return Err(DropReason::OutsideWindow);
        }
        self.advance(ahead);
        self.newest = group;
        self.mark(group);
        Ok(())
    }

    fn advance(&mut self, ahead: u16) {
        if ahead >= WINDOW {
            self.seen = Default::default();
            return;
        }
        for step in 1..=ahead {
            let (word, bit) = Self::place(self.newest.wrapping_add(step));
            self.seen[word] &= !bit;
        }
    }

    /// Marks `group` as seen; false if it was.
    fn mark(&mut self, group: u16) -> bool {
        let (word, bit) = Self::place(group);
        let fresh = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        fresh
    }

    const fn place(group: u16) -> (usize, u64) {
        let index = group % WINDOW;
        ((index / 64) as usize, 1 << (index % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proto_core::SeedRng;

    #[test]
    fn each_group_passes_once_and_the_far_future_does_not() {
        let mut window = UnsequencedWindow::default();
        assert_eq!(window.accept(0x8000), Err(DropReason::OutsideWindow));
        assert_eq!(window.accept(7), Ok(()));
        assert_eq!(window.accept(7), Err(DropReason::Duplicate));
        assert_eq!(window.accept(5), Ok(()));
        assert_eq!(window.accept(1030), Ok(()));
        assert_eq!(window.accept(1000), Ok(()), "late across a border of 1024");
        assert_eq!(window.accept(6), Err(DropReason::Stale));
    }

    #[test]
    fn it_agrees_with_a_set_under_reordering_and_duplication_across_the_wrap() {
        let mut rng = SeedRng::new([9; 32]);
        let (mut window, mut seen) = (UnsequencedWindow::default(), BTreeSet::new());
        let mut newest = 1_u64;
        for _ in 0..400_000 {
            newest += u64::from(rng.below(3));
            let sent = newest.saturating_sub(rng.below(1000).into()).max(1);
            #[expect(clippy::cast_possible_truncation, reason = "the wire has 16 bits")]
            let accepted = window.accept(sent as u16).is_ok();
            assert_eq!(accepted, seen.insert(sent), "{sent} of {newest}");
            while seen.first().is_some_and(|&group| group + 2000 < newest) {
                seen.pop_first();
            }
        }
        assert!(newest > 1 << 17);
    }
}
