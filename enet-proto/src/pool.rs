//! Memory that all peers of a host share: [`Pool`].

/// A number of bytes of which one half is shared out evenly, so that no peer takes it from another, and the rest goes to
/// who needs more, first come first served.
#[derive(Debug)]
pub(crate) struct Pool {
    /// What is each peer's own.
    share: usize,
    /// What is free beyond the shares; may go below zero by what one datagram takes.
    left: isize,
    /// Whether anything was refused since the last [`Pool::take_refused`].
    refused: bool,
}

impl Pool {
    /// `bytes` for at most `peers` peers.
    pub(crate) fn new(bytes: usize, peers: usize) -> Self {
        let share = bytes / 2 / peers.max(1);
        let left = bytes - share * peers;
        Self {
            share,
            left: isize::try_from(left).unwrap_or(isize::MAX),
            refused: false,
        }
    }

    /// Whether a peer that holds `held` bytes may take `more`.
    #[inline]
    pub(crate) fn fits(&self, held: usize, more: usize) -> bool {
        self.has_plenty(more) || self.fits_share(held, more)
    }

    /// Whether anybody may take `more` bytes, whatever he holds.
    #[inline]
    pub(crate) const fn has_plenty(&self, more: usize) -> bool {
        self.left >= 0 && more <= self.left.unsigned_abs()
    }

    fn fits_share(&self, held: usize, more: usize) -> bool {
        let after = held.saturating_add(more);
        let beyond = after.saturating_sub(self.share.max(held));
        beyond == 0 || isize::try_from(beyond).is_ok_and(|beyond| beyond <= self.left)
    }

    /// Notes that a peer holds `held` bytes now; `beyond` is what it was last known to hold beyond its share.
    #[inline]
    pub(crate) fn settle(&mut self, beyond: &mut usize, held: usize) {
        let now = held.saturating_sub(self.share);
        if now != *beyond {
            let before = core::mem::replace(beyond, now);
            self.left = self
                .left
                .saturating_add_unsigned(before)
                .saturating_sub_unsigned(now);
        }
    }

    /// Notes that something was refused.
    pub(crate) const fn note_refusal(&mut self) {
        self.refused = true;
    }

    /// Whether anything was refused since this was last asked.
    pub(crate) const fn take_refused(&mut self) -> bool {
        core::mem::replace(&mut self.refused, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_core::SeedRng;

    #[test]
    fn each_peer_has_its_share_and_the_rest_is_first_come_first_served() {
        let mut pool = Pool::new(1000, 5);
        assert_eq!((pool.share, pool.left), (100, 500));
        let mut greedy = 0;
        assert!(pool.fits(0, 600) && !pool.fits(0, 601));
        pool.settle(&mut greedy, 600);
        assert!(pool.fits(0, 100) && !pool.fits(0, 101) && !pool.fits(600, 1));
        pool.settle(&mut greedy, 550);
        assert!(pool.fits(0, 150) && pool.fits(550, 50));
    }

    // req: HG-18
    #[test]
    fn the_sum_never_passes_the_whole_while_all_ask_first() {
        let mut rng = SeedRng::new([9; 32]);
        let mut pool = Pool::new(10_000, 7);
        let mut held = [0_usize; 7];
        let mut settled = [0; 7];
        for _ in 0..20_000 {
            let peer = rng.below(7) as usize;
            let bytes = rng.below(3000) as usize;
            if rng.below(3) == 0 {
                held[peer] = held[peer].saturating_sub(bytes);
            } else if pool.fits(held[peer], bytes) {
                held[peer] += bytes;
            }
            pool.settle(&mut settled[peer], held[peer]);
            assert!(held.iter().sum::<usize>() <= 10_000);
        }
        for (settled, _) in settled.iter_mut().zip(held) {
            pool.settle(settled, 0);
        }
        assert_eq!(pool.left, 10_000 - 714 * 7);
    }

    #[test]
    fn a_pool_without_a_bound_takes_anything() {
        let mut pool = Pool::new(usize::MAX, 1);
        pool.settle(&mut 0, usize::MAX / 2);
        assert!(pool.fits(0, 1 << 40));
    }
}
