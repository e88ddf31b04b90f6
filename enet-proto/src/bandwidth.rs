//! Sharing out bandwidth once a second (ENet: `enet_host_bandwidth_throttle`).

use crate::peer::{Peer, THROTTLE_SCALE};
use crate::send::Control;
use core::time::Duration;
use proto_core::Instant;

const INTERVAL_MICROS: u64 = 1_000_000;

/// When shares are worked out anew, and whether there is anything to share.
#[derive(Debug, Default)]
pub(crate) struct Bandwidth {
    epoch: Option<Instant>,
    /// Whether peers may have to be told another limit.
    pub(crate) recalculate: bool,
    /// Connected peers that can receive only so much.
    pub(crate) limited_peers: usize,
    /// Whether limits that no longer hold are still in force.
    settle: bool,
}

impl Bandwidth {
    /// Passes the intervals by in which there is nothing to do.
    #[inline]
    pub(crate) fn pass(&mut self, now: Instant, outgoing_bandwidth: u32) {
        let epoch = *self.epoch.get_or_insert(now);
        if now.micros_since(epoch) >= INTERVAL_MICROS && !self.is_needed(outgoing_bandwidth) {
            let passed = now.saturating_since(epoch);
            self.epoch = Some(epoch + Duration::from_secs(passed.as_secs()));
        }
    }

    const fn is_needed(&self, outgoing_bandwidth: u32) -> bool {
        self.recalculate || self.limited_peers > 0 || self.settle || outgoing_bandwidth != 0
    }

    /// Counts a connected peer that can receive only so much, or that no longer is one.
    pub(crate) const fn count_limited(&mut self, was_limited: bool, is_limited: bool) {
        self.limited_peers = self.limited_peers + is_limited as usize - was_limited as usize;
        // What the last one had cost the others is given back in one more interval.
        self.settle |= was_limited && !is_limited;
    }

    /// When the next shares are due; nothing while nobody has a limit.
    pub(crate) fn deadline(&self, outgoing_bandwidth: u32) -> Option<Instant> {
        let epoch = self.epoch?;
        self.is_needed(outgoing_bandwidth)
            .then(|| epoch.add_micros(INTERVAL_MICROS))
    }

    /// Begins a new interval and gives the length of the last one.
    pub(crate) fn begin(&mut self, now: Instant) -> Duration {
        let elapsed = now.saturating_since(self.epoch.unwrap_or(now));
        self.epoch = Some(now);
        self.settle = false;
        elapsed
    }
}

fn budget(bandwidth: u32, elapsed: Duration) -> u64 {
    let bytes = u128::from(bandwidth) * elapsed.as_millis() / 1000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn share(budget: u64, total: u64) -> u32 {
    let scale = u64::from(THROTTLE_SCALE);
    let share = budget.saturating_mul(scale).checked_div(total);
    share.map_or(THROTTLE_SCALE, |share| {
        u32::try_from(share.min(scale)).unwrap_or(THROTTLE_SCALE)
    })
}

/// Sets the throttle limit of each of `peers`, which are connected, so that what was sent fits the limits.
pub(crate) fn throttle(
    peers: &mut [&mut Peer],
    outgoing_bandwidth: u32,
    any_limited: bool,
    elapsed: Duration,
) {
    let (mut left, mut total) = if outgoing_bandwidth == 0 {
        (u64::MAX, u64::MAX)
    } else {
        let total = peers.iter().map(|peer| peer.data_sent).sum();
        (budget(outgoing_bandwidth, elapsed), total)
    };
    let mut open: alloc::vec::Vec<&mut Peer> = peers.iter_mut().map(|peer| &mut **peer).collect();
    let mut changed = any_limited;
    while changed && !open.is_empty() {
        changed = false;
        let value = if total <= left {
            THROTTLE_SCALE
        } else {
            share(left, total)
        };
        open.retain_mut(|peer| {
            let allowed = budget(peer.incoming_bandwidth, elapsed);
            let wanted = u64::from(value) * peer.data_sent / u64::from(THROTTLE_SCALE);
            if peer.incoming_bandwidth == 0 || wanted <= allowed {
                return true;
            }
            peer.throttle
                .set_limit(share(allowed, peer.data_sent).max(1));
            peer.data_sent = 0;
            left = left.saturating_sub(allowed);
            total = total.saturating_sub(allowed);
            changed = true;
            false
        });
    }
    let value = if total <= left {
        THROTTLE_SCALE
    } else {
        share(left, total)
    };
    for peer in open {
        peer.throttle.set_limit(value);
        peer.data_sent = 0;
    }
}

/// Works out what each of `peers`, which are connected, may send to us, and tells those whose value is new, or all if
/// `tell_all`. Gives the slots of those that have something to send now.
pub(crate) fn distribute(
    peers: &mut [&mut Peer],
    (incoming, outgoing): (u32, u32),
    tell_all: bool,
) -> alloc::vec::Vec<u16> {
    let mut shares: alloc::vec::Vec<Option<u32>> = alloc::vec![None; peers.len()];
    let (mut remaining, mut left, mut value) = (peers.len(), u64::from(incoming), 0);
    let mut changed = incoming != 0;
    while changed && remaining > 0 {
        changed = false;
        value = u32::try_from(left / remaining as u64).unwrap_or(u32::MAX);
        for (peer, share) in peers.iter().zip(&mut shares) {
            let fits = peer.outgoing_bandwidth == 0 || peer.outgoing_bandwidth < value;
            if share.is_none() && fits {
                *share = Some(peer.outgoing_bandwidth);
                changed = true;
                remaining -= 1;
                left = left.saturating_sub(peer.outgoing_bandwidth.into());
            }
        }
    }
    let mut told = alloc::vec::Vec::new();
    for (peer, share) in peers.iter_mut().zip(shares) {
        let limits = (share.unwrap_or(value), outgoing);
        if (tell_all || peer.told != limits)
            && peer.queue_control(Control::BandwidthLimit {
                incoming: limits.0,
                outgoing: limits.1,
            })
        {
            peer.told = limits;
            told.push(peer.key.slot);
        }
    }
    told
}
