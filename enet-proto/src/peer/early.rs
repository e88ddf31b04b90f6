//! Commands that were overtaken are sent again before their time is up ([`Overtaking`]; RFC 8985 for ENet).

use super::Peer;
use crate::send::{Flight, SlotState};
use proto_core::Instant;

/// Clocks of a millisecond at the other end make smaller differences meaningless.
const LEAST_LEAD_MICROS: u64 = 2000;
/// Most quarters of a round trip by which a command may be late.
const MOST_QUARTERS: u32 = 4;
/// Losses that were real for each quarter that is taken back.
const FORGETS_AFTER: u32 = 16;

/// What the order of acknowledgements says about the network.
#[derive(Debug)]
pub(super) struct Overtaking {
    /// When the attempt was sent that left last of all that were acknowledged.
    newest: Instant,
    /// How far an acknowledged command may have been ahead of one that still arrives, in quarters of a round trip.
    quarters: u32,
    /// Commands that were sent again with good reason since `quarters` changed.
    real: u32,
}

impl Default for Overtaking {
    fn default() -> Self {
        Self {
            newest: Instant::ZERO,
            quarters: 1,
            real: 0,
        }
    }
}

impl Overtaking {
    /// Takes in that an attempt at the command of `flight` was acknowledged so many microseconds after it was made.
    #[inline]
    pub(super) fn acknowledged(&mut self, flight: &Flight, now: Instant, sample_micros: u64) {
        let sent = Instant::from_micros(now.as_micros().saturating_sub(sample_micros));
        self.newest = self.newest.max(sent);
        if flight.attempts > 1 {
            self.learn(flight, sent);
        }
    }

    #[cold]
    fn learn(&mut self, flight: &Flight, sent: Instant) {
        if sent < flight.sent {
            // It had only been late: the network reorders by more than was thought.
            self.quarters = (self.quarters + 1).min(MOST_QUARTERS);
            self.real = 0;
        } else {
            self.real += 1;
            if self.real >= FORGETS_AFTER {
                self.quarters = (self.quarters - 1).max(1);
                self.real = 0;
            }
        }
    }

    /// By how much the sending of a command must be earlier than that of an acknowledged one for it to count as lost.
    fn lead_micros(&self, round_trip_micros: u64) -> u64 {
        (round_trip_micros * u64::from(self.quarters) / 4).max(LEAST_LEAD_MICROS)
    }
}

impl Peer {
    /// Finds what was overtaken by something that has been acknowledged, to be sent again.
    pub(super) fn find_overtaken(&mut self, now: Instant) {
        let times = (now, self.retransmission_timeout());
        while let Some(&(channel, sequence)) = self.out.sent_once.front() {
            if !self.lose_if_overtaken((channel, sequence), None, times) {
                break;
            }
            self.out.sent_once.pop_front();
        }
        while let Some(&(sent, channel, sequence)) = self.out.resent.front() {
            if !self.lose_if_overtaken((channel, sequence), Some(sent), times) {
                break;
            }
            self.out.resent.pop_front();
        }
    }

    /// Whether this attempt at a command is finished with: acknowledged, followed by another, or lost as of now.
    fn lose_if_overtaken(
        &mut self,
        (channel, sequence): (u8, u16),
        resent: Option<Instant>,
        (now, timeout_micros): (Instant, u32),
    ) -> bool {
        let round_trip_micros = self.round_trip.mean_micros();
        let lead_micros = self.overtaking.lead_micros(round_trip_micros);
        let newest = self.overtaking.newest;
        let Some((flight, bytes)) = self.flight(channel, sequence) else {
            return true;
        };
        let is_this = match resent {
            None => flight.attempts == 1,
            Some(sent) => flight.sent == sent,
        };
        if flight.state == SlotState::Lost || !is_this {
            return true;
        }
        if flight.sent.add_micros(lead_micros) >= newest {
            return false;
        }
        flight.timeout_micros = timeout_micros;
        flight.state = SlotState::Lost;
        let sent = flight.sent;
        self.brake.overtaken(sent, now);
        self.lost(channel, sequence, bytes);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flight(sent_ms: &[u64]) -> Flight {
        let first = Instant::from_millis(sent_ms[0]);
        let mut flight = Flight::new(first, 100_000);
        flight.sent = Instant::from_millis(sent_ms[sent_ms.len() - 1]);
        flight.attempts = u16::try_from(sent_ms.len()).unwrap();
        flight
    }

    #[test]
    fn late_arrivals_make_it_patient_and_real_losses_impatient_again() {
        let round_trip = 100_000;
        let mut overtaking = Overtaking::default();
        assert_eq!(overtaking.lead_micros(round_trip), 25_000);
        for expected in [50, 75, 100, 100] {
            // The echo is that of the first attempt, though there was a second.
            overtaking.acknowledged(&flight(&[0, 130]), Instant::from_millis(140), 140_000);
            assert_eq!(overtaking.lead_micros(round_trip), expected * 1000);
        }
        for _ in 0..FORGETS_AFTER {
            overtaking.acknowledged(&flight(&[200, 330]), Instant::from_millis(430), 100_000);
        }
        assert_eq!(overtaking.lead_micros(round_trip), 75_000);
        assert_eq!(overtaking.newest, Instant::from_millis(330));
    }

    #[test]
    fn the_lead_is_never_less_than_what_clocks_can_tell() {
        let overtaking = Overtaking::default();
        assert_eq!(overtaking.lead_micros(100), LEAST_LEAD_MICROS);
    }
}
