//! When to send a request again, and when to give up: [`Transaction`] (RFC 8489 section 6.2).

use core::time::Duration;
use proto_core::Instant;

/// How often and how long a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schedule {
    /// Time before the first retransmission, which doubles with each: RTO. At least a millisecond.
    pub rto: Duration,
    /// How often it is sent in all: Rc. At least once.
    pub sends: u32,
    /// How many times the first `rto` it waits after the last send: Rm.
    pub final_wait: u32,
}

impl Default for Schedule {
    /// That of the RFC: 500 ms, 7 and 16, which gives up after 39.5 s.
    fn default() -> Self {
        Self {
            rto: Duration::from_millis(500),
            sends: 7,
            final_wait: 16,
        }
    }
}

impl Schedule {
    /// The schedule of the RFC with this RTO.
    #[must_use]
    pub fn with_rto(rto: Duration) -> Self {
        Self {
            rto,
            ..Self::default()
        }
    }

    /// One send, for a transport that is reliable itself: failure after `timeout` (Ti).
    #[must_use]
    pub const fn reliable(timeout: Duration) -> Self {
        Self {
            rto: timeout,
            sends: 1,
            final_wait: 1,
        }
    }

    /// Ti: how long an answer over a stream is waited for.
    pub const RELIABLE_TIMEOUT: Duration = Duration::from_millis(39_500);

    /// The time between send number `send` (from 1) and the next, or the end after the last.
    fn wait_after(&self, send: u32) -> Duration {
        let rto = self.rto.max(Duration::from_millis(1));
        if send >= self.sends {
            return rto.saturating_mul(self.final_wait);
        }
        let factor = 1_u32.checked_shl(send.saturating_sub(1));
        rto.saturating_mul(factor.unwrap_or(u32::MAX))
    }
}

/// What [`Transaction::handle_timeout`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a caller must handle each")]
pub enum Step {
    /// Send the request: the identical bytes each time.
    Send,
    /// Nothing until [`Transaction::poll_timeout`].
    Wait,
    /// No response came. The transaction is over.
    TimedOut,
}

/// How a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is not decided.
    Pending,
    /// A response came.
    Answered,
    /// No response came in time.
    TimedOut,
}

/// The timers of one request: when to send it, when to give up, how long the answer took.
///
/// It holds neither request nor response, so it fits into a table of any shape; 64 bytes and no allocation. To forget
/// a transaction is to drop it; [`cancel`](Transaction::cancel) only stops its sends.
///
/// ```
/// use proto_core::Instant;
/// use stun_proto::{Schedule, Step, Transaction};
///
/// let start = Instant::from_millis(1000);
/// let mut transaction = Transaction::new(start, Schedule::default());
/// assert_eq!(transaction.handle_timeout(start), Step::Send);
/// assert_eq!(transaction.handle_timeout(start), Step::Wait);
/// assert_eq!(transaction.poll_timeout(), Some(Instant::from_millis(1500)));
///
/// let rtt = transaction.handle_response(Instant::from_millis(1080));
/// assert_eq!(rtt.map(|rtt| rtt.as_millis()), Some(80));
/// assert_eq!(transaction.poll_timeout(), None);
/// ```
#[derive(Clone, Debug)]
pub struct Transaction {
    schedule: Schedule,
    sends: u32,
    first_sent: Option<Instant>,
    next: Instant,
    cancelled: bool,
    outcome: Outcome,
    rtt: Option<Duration>,
}

impl Transaction {
    /// A transaction whose request is due at `now`.
    #[must_use]
    pub const fn new(now: Instant, schedule: Schedule) -> Self {
        Self {
            schedule,
            sends: 0,
            first_sent: None,
            next: now,
            cancelled: false,
            outcome: Outcome::Pending,
            rtt: None,
        }
    }

    /// What is due. Early calls are harmless; after a late one the schedule goes on from there, without a burst.
    pub fn handle_timeout(&mut self, now: Instant) -> Step {
        if self.outcome != Outcome::Pending || now < self.next {
            return Step::Wait;
        }
        if self.sends >= self.schedule.sends.max(1) {
            self.outcome = Outcome::TimedOut;
            return Step::TimedOut;
        }
        self.sends += 1;
        self.first_sent.get_or_insert(now);
        self.next = now + self.schedule.wait_after(self.sends);
        if self.cancelled {
            return Step::Wait;
        }
        Step::Send
    }

    /// When [`handle_timeout`](Transaction::handle_timeout) has something to do; `None` when it is over.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        (self.outcome == Outcome::Pending).then_some(self.next)
    }

    /// The response came, and it was accepted. Gives the round trip time if it is unambiguous.
    ///
    /// A request that was sent more than once gives none: nobody knows which copy was answered (Karn's rule).
    pub fn handle_response(&mut self, now: Instant) -> Option<Duration> {
        if self.outcome != Outcome::Pending {
            return None;
        }
        self.outcome = Outcome::Answered;
        let first = self
            .first_sent
            .filter(|_| self.sends == 1 && !self.cancelled)?;
        self.rtt = Some(now.saturating_since(first));
        self.rtt
    }

    /// Sends nothing any more, but still accepts a response until the time when it would have given up.
    ///
    /// ICE does so with the checks that a newer one replaces (RFC 8445 section 7.2.2).
    pub const fn cancel(&mut self) {
        self.cancelled = true;
    }

    /// Whether [`cancel`](Transaction::cancel) was called.
    #[must_use]
    pub const fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// How often the request was due, the times after a cancellation included.
    #[must_use]
    pub const fn sends(&self) -> u32 {
        self.sends
    }

    /// When it was sent first.
    #[must_use]
    pub const fn first_sent(&self) -> Option<Instant> {
        self.first_sent
    }

    /// The round trip time, if there is a response and it is unambiguous.
    #[must_use]
    pub const fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// How it stands.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }
}

/// The round trip time to one server, and the RTO that follows from it (RFC 6298, RFC 8489 section 6.2.1).
#[derive(Clone, Debug, Default)]
pub struct RttEstimator {
    smoothed: Option<(Duration, Duration)>,
    updated: Instant,
}

impl RttEstimator {
    /// RTO while nothing is known, and the least on an unknown network.
    pub const DEFAULT_RTO: Duration = Duration::from_millis(500);
    /// The most that an RTO becomes.
    pub const MAXIMUM_RTO: Duration = Duration::from_secs(3);
    /// How long an estimate is valid.
    pub const LIFETIME: Duration = Duration::from_secs(600);

    /// An estimator without samples.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            smoothed: None,
            updated: Instant::ZERO,
        }
    }

    /// Takes a sample, such as [`Transaction::handle_response`] gives.
    pub fn sample(&mut self, now: Instant, rtt: Duration) {
        let current = self.smoothed.filter(|_| self.is_fresh(now));
        self.smoothed = Some(match current {
            None => (rtt, rtt / 2),
            Some((srtt, rttvar)) => ((srtt * 7 + rtt) / 8, (rttvar * 3 + srtt.abs_diff(rtt)) / 4),
        });
        self.updated = now;
    }

    /// The smoothed round trip time, while it is valid.
    #[must_use]
    pub fn smoothed(&self, now: Instant) -> Option<Duration> {
        self.smoothed
            .filter(|_| self.is_fresh(now))
            .map(|(srtt, _)| srtt)
    }

    /// The RTO for the next request, at least `floor` and at most [`MAXIMUM_RTO`](Self::MAXIMUM_RTO).
    ///
    /// `floor` is [`DEFAULT_RTO`](Self::DEFAULT_RTO) unless the caller knows the network.
    #[must_use]
    pub fn rto(&self, now: Instant, floor: Duration) -> Duration {
        let estimate = self.smoothed.filter(|_| self.is_fresh(now));
        let rto = estimate.map_or(Self::DEFAULT_RTO, |(srtt, rttvar)| {
            srtt.saturating_add(rttvar * 4)
        });
        rto.clamp(floor.min(Self::MAXIMUM_RTO), Self::MAXIMUM_RTO)
    }

    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_since(self.updated) <= Self::LIFETIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// Milliseconds of all sends and of the failure, when each timeout is met exactly.
    fn play(schedule: Schedule) -> (Vec<u64>, u64) {
        let mut transaction = Transaction::new(Instant::ZERO, schedule);
        let mut sends = Vec::new();
        while let Some(at) = transaction.poll_timeout() {
            match transaction.handle_timeout(at) {
                Step::Send => sends.push(at.as_millis()),
                Step::TimedOut => return (sends, at.as_millis()),
                Step::Wait => panic!("it asked for this time"),
            }
        }
        panic!("it never ended")
    }

    use alloc::vec::Vec;

    // req: S-65
    #[test]
    fn the_recorded_schedules_are_met_to_the_millisecond() {
        let vectors = include_str!("../tests/vectors/stun.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).expect("json");
        for case in vectors["retransmission"].as_array().expect("a list") {
            let number = |name: &str| case[name].as_u64().expect("a number");
            let schedule = Schedule {
                rto: Duration::from_millis(number("rto_ms")),
                sends: u32::try_from(number("rc")).expect("small"),
                final_wait: u32::try_from(number("rm")).expect("small"),
            };
            let (sends, failed) = play(schedule);
            let expected = case["send_at_ms"].as_array().expect("a list");
            let expected: Vec<u64> = expected.iter().filter_map(|at| at.as_u64()).collect();
            assert_eq!(sends, expected);
            assert_eq!(failed, number("fail_at_ms"));
        }
    }

    // req: S-67
    #[test]
    fn a_reliable_transport_gets_one_send_and_the_whole_time() {
        let schedule = Schedule::reliable(Schedule::RELIABLE_TIMEOUT);
        assert_eq!(play(schedule), (Vec::from([0]), 39_500));
    }

    // req: X-9
    #[test]
    fn a_late_timer_sends_once_and_goes_on_from_there() {
        let mut transaction = Transaction::new(Instant::ZERO, Schedule::default());
        let late = Instant::from_millis(10_000);
        assert_eq!(transaction.handle_timeout(late), Step::Send);
        assert_eq!(transaction.handle_timeout(late), Step::Wait);
        assert_eq!(transaction.poll_timeout(), Some(late + 500 * MILLISECOND));
    }

    // req: S-66, S-71
    #[test]
    fn only_a_request_that_was_sent_once_gives_a_round_trip_time() {
        let mut transaction = Transaction::new(Instant::ZERO, Schedule::default());
        assert_eq!(transaction.handle_timeout(Instant::ZERO), Step::Send);
        let mut twice = transaction.clone();
        let answer = Instant::from_millis(70);
        assert_eq!(transaction.handle_response(answer), Some(70 * MILLISECOND));
        assert_eq!(transaction.rtt(), Some(70 * MILLISECOND));
        assert_eq!(transaction.outcome(), Outcome::Answered);
        assert_eq!(transaction.handle_response(answer), None);

        let again = Instant::from_millis(500);
        assert_eq!(twice.handle_timeout(again), Step::Send);
        assert_eq!(twice.handle_response(Instant::from_millis(510)), None);
        assert_eq!(
            (twice.sends(), twice.first_sent()),
            (2, Some(Instant::ZERO))
        );
    }

    // req: S-70
    #[test]
    fn a_cancelled_transaction_sends_nothing_and_waits_as_long_as_before() {
        let mut transaction = Transaction::new(Instant::ZERO, Schedule::default());
        assert_eq!(transaction.handle_timeout(Instant::ZERO), Step::Send);
        transaction.cancel();
        let mut end = Instant::ZERO;
        while let Some(at) = transaction.poll_timeout() {
            assert_ne!(transaction.handle_timeout(at), Step::Send);
            end = at;
        }
        assert_eq!(end, Instant::from_millis(39_500));
        assert_eq!(transaction.outcome(), Outcome::TimedOut);
    }

    // req: S-66
    #[test]
    fn an_estimate_is_bounded_smoothed_and_forgotten_after_ten_minutes() {
        let mut estimator = RttEstimator::new();
        let (now, floor) = (Instant::from_millis(5), 10 * MILLISECOND);
        assert_eq!(estimator.rto(now, floor), RttEstimator::DEFAULT_RTO);
        estimator.sample(now, 40 * MILLISECOND);
        assert_eq!(estimator.rto(now, floor), 120 * MILLISECOND);
        assert_eq!(
            estimator.rto(now, RttEstimator::DEFAULT_RTO),
            RttEstimator::DEFAULT_RTO
        );
        estimator.sample(now, 80 * MILLISECOND);
        assert_eq!(estimator.smoothed(now), Some(45 * MILLISECOND));
        assert_eq!(estimator.rto(now, floor), 145 * MILLISECOND);
        estimator.sample(now, Duration::from_secs(100));
        assert_eq!(estimator.rto(now, floor), RttEstimator::MAXIMUM_RTO);
        let later = now + RttEstimator::LIFETIME + MILLISECOND;
        assert_eq!(estimator.rto(later, floor), RttEstimator::DEFAULT_RTO);
    }
}
