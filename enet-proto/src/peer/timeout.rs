//! What a connection does when time passes: resend, ping, give up.

use super::{Peer, State};
use crate::clock::Clock;
use crate::send::{Flight, SlotState};
use crate::wire::CONNECTION_CHANNEL;
use core::cmp::Reverse;
use proto_core::Instant;

/// How often a connection gives back memory that it no longer needs. Seldom beside the bursts of a game, whose queues would
/// have to grow anew for each.
const TIDY_PERIOD_MICROS: u64 = 1_000_000;

/// The connection is dead.
pub(crate) struct TimedOut;

impl Peer {
    /// When a ping is due, unless something flies; at once if there was no acknowledgement yet.
    pub(crate) fn ping_at(&self) -> Option<Instant> {
        self.last_acknowledged
            .map(|last| last.add_micros(self.ping_interval_micros))
    }

    /// When something is to be done for this connection, if nothing happens before and all that waits has left.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        if self.out.flying > 0 {
            return Some(self.retransmit_at);
        }
        match self.state {
            State::Connected => match self.ping_at() {
                Some(at) if at > now => Some(at),
                _ => Some(now.add_micros(self.ping_interval_micros)),
            },
            _ => None,
        }
    }

    /// Resends what has expired. What it queues leaves with the next datagram.
    pub(crate) fn on_deadline(&mut self, clock: &Clock) -> Result<(), TimedOut> {
        let now = clock.now();
        if self.out.flying > 0 && self.retransmit_at <= now {
            while let Some(&(channel, sequence)) = self.out.sent_once.front() {
                if !self.expire(channel, sequence, clock)? {
                    break;
                }
                self.out.sent_once.pop_front();
            }
            while let Some(&Reverse((deadline, channel, sequence))) = self.out.sent_again.peek() {
                if deadline > now {
                    break;
                }
                self.out.sent_again.pop();
                self.expire(channel, sequence, clock)?;
            }
            self.find_retransmit_at();
        }
        if self.tidy_at <= now {
            self.tidy_at = now.add_micros(TIDY_PERIOD_MICROS);
            self.out.tidy();
            self.channels.tidy();
        }
        Ok(())
    }

    /// Whether the entry of a command is finished with: acknowledged, or lost as of now.
    fn expire(&mut self, channel: u8, sequence: u16, clock: &Clock) -> Result<bool, TimedOut> {
        let now = clock.now();
        let (timeouts, last) = (self.timeouts, self.last_acknowledged);
        let (earliest, retransmission) = (self.earliest_timeout, self.retransmission);
        let current = self.retransmission_timeout();
        let Some((flight, bytes)) = self.flight(channel, sequence) else {
            return Ok(true);
        };
        if flight.state == SlotState::Lost {
            return Ok(true);
        }
        // A queue that has grown since then delays it too: if it were lost, later ones would tell.
        if retransmission.is_early && flight.attempts == 1 {
            flight.timeout_micros = flight.timeout_micros.max(current);
        }
        if flight.deadline() > now {
            return Ok(false);
        }
        let earliest = earliest.map_or(flight.sent, |earliest| earliest.min(flight.sent));
        // Whoever acknowledges anything is alive, however unlucky one command is; but not if it ignores one for long.
        let silent = now.saturating_since(last.map_or(earliest, |last| last.max(earliest)));
        let age = now.saturating_since(flight.first_sent);
        let tries = u32::from(flight.attempts.saturating_sub(1));
        let often = 1_u64
            .checked_shl(tries)
            .is_none_or(|tries| tries >= timeouts.limit.into());
        if silent >= timeouts.maximum
            || often && (silent >= timeouts.minimum || age >= timeouts.maximum)
        {
            return Err(TimedOut);
        }
        flight.state = SlotState::Lost;
        flight.timeout_micros = flight
            .timeout_micros
            .saturating_mul(2)
            .min(retransmission.most_micros);
        self.earliest_timeout = Some(earliest);
        self.lost(channel, sequence, bytes);
        Ok(true)
    }

    /// The reliable command `sequence` that is sent and not acknowledged, and its bytes.
    #[inline]
    pub(super) fn flight(&mut self, channel: u8, sequence: u16) -> Option<(&mut Flight, usize)> {
        if channel == CONNECTION_CHANNEL {
            let (_, flight) = self.out.control.find(sequence)?;
            return Some((flight, 0));
        }
        let output = self.channels.output(channel)?;
        let (piece, flight) = output.in_flight.find(sequence)?;
        Some((flight, piece.bytes().len()))
    }

    /// Has a command of which one attempt is lost sent again.
    pub(super) fn lost(&mut self, channel: u8, sequence: u16, bytes: usize) {
        self.loss.lost += 1;
        self.out.flying -= 1;
        self.out.flying_bytes -= bytes;
        if channel == CONNECTION_CHANNEL {
            self.out.lost.push_front((channel, sequence));
        } else {
            self.out.lost.push_back((channel, sequence));
        }
    }

    /// How many microseconds a command that is sent now waits for its acknowledgement.
    #[inline]
    pub(crate) fn retransmission_timeout(&self) -> u32 {
        self.round_trip.timeout_micros(&self.retransmission)
    }

    /// Forgets acknowledged commands at the head of both lists and finds the next expiry.
    pub(crate) fn find_retransmit_at(&mut self) {
        let mut next = None;
        while let Some(&(channel, sequence)) = self.out.sent_once.front() {
            next = self.flying_deadline(channel, sequence);
            if next.is_some() {
                break;
            }
            self.out.sent_once.pop_front();
        }
        while let Some(&Reverse((deadline, channel, sequence))) = self.out.sent_again.peek() {
            if self.flying_deadline(channel, sequence) == Some(deadline) {
                next = Some(next.map_or(deadline, |next| deadline.min(next)));
                break;
            }
            self.out.sent_again.pop();
        }
        if let Some(next) = next {
            self.retransmit_at = next;
        }
    }

    #[inline]
    fn flying_deadline(&mut self, channel: u8, sequence: u16) -> Option<Instant> {
        let (flight, _) = self.flight(channel, sequence)?;
        (flight.state == SlotState::Flying).then(|| flight.deadline())
    }
}
