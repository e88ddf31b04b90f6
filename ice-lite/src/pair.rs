//! A local and a remote candidate that may reach each other: [`Pair`].

use crate::candidate::same;
use crate::check::TransactionId;
use crate::connection::{ConnectionId, Link};
use crate::consent::Consent;
use crate::{PairKey, PairState, PairStats, Role};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::Instant;

/// Cancelled checks of a pair whose answers still count (RFC 8445 section 7.3.1.4).
const MOST_CANCELLED: usize = 6;

/// A check under way.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) id: TransactionId,
    /// What the request said, which a role switch must not change in its copies.
    pub(crate) role: Role,
    pub(crate) nominates: bool,
    pub(crate) nomination: Option<u32>,
    pub(crate) priority: u32,
    pub(crate) first_sent: Instant,
    pub(crate) sends: u8,
    pub(crate) schedule: Schedule,
}

impl Check {
    /// When the next copy is due.
    pub(crate) fn next_send(&self) -> Option<Instant> {
        let offset = self.schedule.offset(self.sends)?;
        Some(self.first_sent + offset)
    }

    /// When it has failed.
    pub(crate) fn fails_at(&self) -> Instant {
        self.first_sent + self.schedule.total()
    }
}

/// When copies of a check are sent and when it has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// In microseconds, 71 minutes at most.
    timeout: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Interactive,
    Strict,
    /// A connection repeats what is lost by itself.
    Stream,
}

impl Schedule {
    pub(crate) fn interactive(timeout: Duration) -> Self {
        Self::new(Kind::Interactive, timeout)
    }

    pub(crate) fn strict(timeout: Duration) -> Self {
        Self::new(Kind::Strict, timeout)
    }

    pub(crate) fn stream(timeout: Duration) -> Self {
        Self::new(Kind::Stream, timeout)
    }

    fn new(kind: Kind, timeout: Duration) -> Self {
        Self {
            timeout: u32::try_from(timeout.as_micros()).unwrap_or(u32::MAX),
            kind,
        }
    }

    fn times(self, factor: u32) -> Duration {
        Duration::from_micros(u64::from(self.timeout) * u64::from(factor))
    }

    /// When send number `sends`, from 0, is due after the first.
    pub(crate) fn offset(self, sends: u8) -> Option<Duration> {
        match (self.kind, sends) {
            (_, 0) => Some(Duration::ZERO),
            (Kind::Interactive, 1..=5) => Some(self.times(1 << (sends - 1))),
            (Kind::Strict, 1..=6) => Some(self.times((1 << sends) - 1)),
            _ => None,
        }
    }

    /// From the first send to the failure.
    pub(crate) fn total(self) -> Duration {
        match self.kind {
            Kind::Interactive => self.times(32),
            Kind::Strict => self.times(79),
            Kind::Stream => self.times(1),
        }
    }
}

/// A pair that was proven to work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Valid {
    /// Number of the local candidate that the peer saw (RFC 8445 section 7.2.5.3.2).
    pub(crate) local: usize,
    pub(crate) priority: u64,
}

/// A nomination that the peer made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nominated {
    pub(crate) by: TransactionId,
    /// Value of the attribute, 0 without one.
    pub(crate) value: u32,
    pub(crate) order: u32,
}

/// The answer to a check of a pair came from elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    pub(crate) at: Instant,
    /// Where it came from, without scope: what else the peer sends on this pair does so, too.
    pub(crate) from: SocketAddr,
    /// Whether the peer has sent checks from there: then it has the other half of this pair in its list, and it works for both.
    pub(crate) checked: bool,
}

/// What [`PairStats`] are made from: what the rates of an agent let grow slowly is narrow, and ends at its largest number.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    last_heard: Instant,
    pub(crate) requests_sent: u32,
    pub(crate) requests_received: u32,
    pub(crate) responses_received: u32,
    pub(crate) responses_sent: u32,
    /// In microseconds; `u32::MAX` before the first, as is the next.
    rtt: u32,
    smoothed_rtt: u32,
    was_heard: bool,
}

impl Counts {
    pub(crate) const NONE: Self = Self {
        bytes_sent: 0,
        bytes_received: 0,
        last_heard: Instant::ZERO,
        requests_sent: 0,
        requests_received: 0,
        responses_received: 0,
        responses_sent: 0,
        rtt: u32::MAX,
        smoothed_rtt: u32::MAX,
        was_heard: false,
    };

    pub(crate) const fn on_heard(&mut self, now: Instant) {
        (self.last_heard, self.was_heard) = (now, true);
    }

    pub(crate) fn on_rtt(&mut self, rtt: Duration) {
        self.rtt = u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX - 1);
        self.smoothed_rtt = match self.smoothed_rtt {
            u32::MAX => self.rtt,
            smoothed => {
                let smoothed = (u64::from(smoothed) * 7 + u64::from(self.rtt)) / 8;
                u32::try_from(smoothed).unwrap_or(u32::MAX - 1)
            }
        };
    }

    pub(crate) fn view(&self) -> PairStats {
        let rtt =
            |micros: u32| (micros != u32::MAX).then(|| Duration::from_micros(u64::from(micros)));
        PairStats {
            requests_sent: self.requests_sent.into(),
            requests_received: self.requests_received.into(),
            responses_received: self.responses_received.into(),
            responses_sent: self.responses_sent.into(),
            bytes_sent: self.bytes_sent,
            bytes_received: self.bytes_received,
            rtt: rtt(self.rtt),
            smoothed_rtt: rtt(self.smoothed_rtt),
            last_heard: self.was_heard.then_some(self.last_heard),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) key: PairKey,
    /// Number of the local candidate.
    pub(crate) local: usize,
    /// Number of the remote candidate.
    pub(crate) remote: usize,
    /// Where it sends from, as the caller names it.
    pub(crate) base: SocketAddr,
    /// Where it sends to.
    pub(crate) to: SocketAddr,
    pub(crate) link: Link,
    pub(crate) priority: u64,
    pub(crate) state: PairState,
    pub(crate) check: Option<Check>,
    pub(crate) cancelled: Vec<Check>,
    pub(crate) valid: Option<Valid>,
    /// Our next check names this pair.
    pub(crate) nominate_next: bool,
    /// The peer's nomination, which counts once the pair is valid.
    pub(crate) nominated: Option<Nominated>,
    /// How often it was checked anew in a free slot.
    pub(crate) rechecks: u8,
    /// Failed by silence, and may be tried once more.
    pub(crate) may_retry: bool,
    /// What the last answer says if it came from elsewhere, which is rare.
    pub(crate) moved: Option<Box<Moved>>,
    pub(crate) consent: Option<Box<Consent>>,
    pub(crate) last_heard: Instant,
    pub(crate) last_sent: Instant,
    pub(crate) counts: Counts,
}

impl Pair {
    /// Whether a packet that came so belongs to this pair; `from` is without scope.
    pub(crate) fn carries(&self, via: Option<ConnectionId>, from: SocketAddr) -> bool {
        match via {
            None => self.link == Link::Udp && same(&self.to, &from),
            Some(_) => self.link == Link::Tcp(via),
        }
    }

    /// Whether its connection is being opened.
    pub(crate) fn is_connecting(&self) -> bool {
        self.link != Link::Udp && self.state == PairState::InProgress && self.check.is_none()
    }

    /// Whether it may make room for another pair.
    pub(crate) const fn is_expendable(&self) -> bool {
        self.valid.is_none()
            && self.nominated.is_none()
            && matches!(
                self.state,
                PairState::Frozen | PairState::Waiting | PairState::Failed
            )
    }

    /// Whether it works, and answers come from where it sends to.
    pub(crate) const fn is_symmetric(&self) -> bool {
        self.valid.is_some() && self.moved.is_none()
    }

    /// Whether it works, and answers come from elsewhere.
    pub(crate) const fn is_asymmetric(&self) -> bool {
        self.valid.is_some() && self.moved.is_some()
    }

    /// Where answers come from if that is not where it sends to.
    pub(crate) fn answers_from(&self) -> Option<SocketAddr> {
        self.moved.as_ref().map(|moved| moved.from)
    }

    /// Whether answers may come so; `from` is without scope.
    pub(crate) fn is_answered_from(&self, via: Option<ConnectionId>, from: SocketAddr) -> bool {
        self.carries(via, from) || (via.is_none() && self.answers_from() == Some(from))
    }

    /// Whether it works, and the peer's packets come so; `from` is without scope.
    pub(crate) fn hears(&self, via: Option<ConnectionId>, from: SocketAddr) -> bool {
        self.valid.is_some() && self.is_answered_from(via, from)
    }

    /// Stops sending the check under way; an answer to it still counts.
    pub(crate) fn cancel(&mut self) {
        if let Some(check) = self.check.take() {
            if self.cancelled.len() >= MOST_CANCELLED {
                self.cancelled.remove(0);
            }
            self.cancelled.push(check);
        }
    }

    /// Takes the check with this id out, and says whether it was the current one.
    pub(crate) fn take_check(&mut self, id: TransactionId) -> Option<Check> {
        if self.check.as_ref().is_some_and(|check| check.id == id) {
            return self.check.take();
        }
        let position = self.cancelled.iter().position(|check| check.id == id)?;
        Some(self.cancelled.remove(position))
    }

    pub(crate) fn has_check(&self, id: TransactionId) -> bool {
        self.check
            .iter()
            .chain(&self.cancelled)
            .any(|check| check.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(schedule: Schedule) -> Vec<u128> {
        (0..)
            .map_while(|sends| schedule.offset(sends))
            .chain([schedule.total()])
            .map(|offset| offset.as_millis())
            .collect()
    }

    // req: I-27
    #[test]
    fn checks_are_sent_again_on_the_schedule_of_their_profile() {
        let timeout = Duration::from_millis(500);
        assert_eq!(
            millis(Schedule::interactive(timeout)),
            [0, 500, 1000, 2000, 4000, 8000, 16_000]
        );
        assert_eq!(
            millis(Schedule::strict(timeout)),
            [0, 500, 1500, 3500, 7500, 15_500, 31_500, 39_500]
        );
    }

    #[test]
    fn a_pair_stays_small() {
        assert_eq!((size_of::<Pair>(), size_of::<Check>()), (312, 48));
    }
}
