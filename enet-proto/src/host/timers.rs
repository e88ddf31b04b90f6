//! What a [`Host`] does when time passes.

use super::Host;
use super::routes::Route;
use crate::DisconnectReason;
use crate::bandwidth;
use crate::config::BandwidthReports;
use crate::peer::{Peer, TimedOut};
use alloc::vec::Vec;
use proto_core::Instant;

impl Host {
    /// Does what time asks for: resend, ping, time out, share out bandwidth. Early calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.set_time(now);
        if self.wake.is_none_or(|wake| wake > now) {
            return;
        }
        self.expire_half_open();
        self.challenges.expire(now);
        while let Some(id) = self.tombstones.oldest(now) {
            self.routes.set(id, Route::Free);
        }
        if self.relief.is_some_and(|at| at <= now) {
            self.relieve();
        }
        if self.bandwidth.deadline().is_some_and(|at| at <= now) {
            self.share_bandwidth(now);
        }
        while let Some((deadline, slot)) = self.deadlines.first()
            && deadline <= now
        {
            self.on_deadline(slot, now);
        }
        self.wake = self.earliest();
    }

    fn on_deadline(&mut self, slot: u16, now: Instant) {
        let Some(peer) = self.peers.at_mut(slot) else {
            self.deadlines.remove(slot);
            return;
        };
        peer.armed = None;
        if let Err(TimedOut) = peer.on_deadline(&self.clock) {
            self.end(slot, Some(DisconnectReason::Timeout), None);
            return;
        }
        let ping_due = peer.out.flying == 0 && peer.ping_at().is_none_or(|at| at <= now);
        let ready = ping_due || !peer.out.lost.is_empty();
        match peer.deadline(now) {
            Some(deadline) => {
                let deadline = deadline.max(now.add_micros(1));
                peer.armed = Some(deadline);
                self.deadlines.set(slot, deadline);
            }
            None => self.deadlines.remove(slot),
        }
        if ready {
            self.mark_ready(slot);
        }
    }

    fn share_bandwidth(&mut self, now: Instant) {
        let elapsed = self.bandwidth.begin(now);
        let limits = (
            self.config.incoming_bandwidth,
            self.config.outgoing_bandwidth,
        );
        let mut peers: Vec<&mut Peer> = self
            .peers
            .iter_mut()
            .filter(|peer| peer.state.is_open())
            .collect();
        if peers.is_empty() {
            return;
        }
        let any_limited = self.bandwidth.limited_peers > 0;
        bandwidth::throttle(&mut peers, limits.1, any_limited, elapsed);
        if !core::mem::take(&mut self.bandwidth.recalculate) {
            return;
        }
        let tell_all = self.config.bandwidth_reports == BandwidthReports::AfterEachChange;
        for slot in bandwidth::distribute(&mut peers, limits, tell_all) {
            self.mark_ready(slot);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, in O(1).
    #[must_use]
    #[inline]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.wake
    }

    /// The earliest of all deadlines.
    fn earliest(&self) -> Option<Instant> {
        let peers = self.deadlines.first().map(|(deadline, _)| deadline);
        let bandwidth = self.bandwidth.deadline();
        [
            peers,
            bandwidth,
            self.half_open.deadline(),
            self.tombstones.deadline(),
            self.relief,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Makes sure that the queue of deadlines wakes us early enough for the peer in `slot`.
    #[inline]
    pub(super) fn arm(&mut self, slot: u16) {
        let now = self.clock.now();
        let Some(peer) = self.peers.at_mut(slot) else {
            return;
        };
        let Some(deadline) = peer.deadline(now) else {
            return;
        };
        if peer.armed.is_none_or(|armed| deadline < armed) {
            peer.armed = Some(deadline);
            self.deadlines.set(slot, deadline);
            self.wake_by(Some(deadline));
        }
    }

    /// Notes that peers may have to be told another share of our bandwidth.
    pub(super) fn note_membership_change(&mut self) {
        let always = matches!(
            self.config.bandwidth_reports,
            BandwidthReports::AfterEachChange
        );
        if always || self.config.incoming_bandwidth != 0 {
            self.bandwidth.recalculate = true;
        }
        self.wake_for_bandwidth();
    }

    /// Makes sure that shares of bandwidth are worked out in time, if there is anything to share.
    pub(super) fn wake_for_bandwidth(&mut self) {
        self.wake_by(self.bandwidth.deadline());
    }

    /// Makes sure that `handle_timeout` is called by `deadline`.
    #[inline]
    pub(super) fn wake_by(&mut self, deadline: Option<Instant>) {
        if let Some(deadline) = deadline
            && self.wake.is_none_or(|wake| deadline < wake)
        {
            self.wake = Some(deadline);
        }
    }
}
