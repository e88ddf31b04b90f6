//! One request with all of its tries: [`Operation`].

use super::config::{ClientConfig, RequestId, Transport};
use crate::auth::{Attempts, ClientAuth, Sent};
use crate::crypto::Provider;
use crate::message::{
    BuildError, Class, MessageWriter, Method, REQUEST_BYTES_IPV4, REQUEST_BYTES_IPV6, TransactionId,
};
use crate::transaction::{RttEstimator, Step, Transaction};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::{Instant, SeedRng};

/// How an operation stands.
#[derive(Debug)]
pub(super) enum State {
    /// It waits for its turn.
    Queued,
    /// The server had an error; the next try is then.
    Pausing(Instant),
    /// A request is out.
    Running(Transaction),
}

#[derive(Debug)]
pub(super) struct Operation<P: Provider> {
    pub(super) request: RequestId,
    pub(super) id: TransactionId,
    pub(super) to: SocketAddr,
    pub(super) state: State,
    pub(super) sent: Sent<P>,
    pub(super) attempts: Attempts,
    pub(super) redirects: u8,
    pub(super) server_errors: u8,
    /// Whether an answer came whose integrity was missing or wrong.
    pub(super) violated: bool,
    /// Sends of the tries before the current one.
    past_sends: u32,
    /// The request as it goes out each time.
    pub(super) bytes: Vec<u8>,
    pub(super) is_due: bool,
}

impl<P: Provider> Operation<P> {
    pub(super) fn new(request: RequestId, to: SocketAddr) -> Self {
        Self {
            request,
            id: TransactionId::new([0; 12]),
            to,
            state: State::Queued,
            sent: Sent::default(),
            attempts: Attempts::default(),
            redirects: 0,
            server_errors: 0,
            violated: false,
            past_sends: 0,
            bytes: Vec::new(),
            is_due: false,
        }
    }

    /// Begins a try: a new transaction, signed as the credentials say now.
    pub(super) fn start(
        &mut self,
        now: Instant,
        config: &ClientConfig,
        auth: &ClientAuth<P>,
        rtt: &RttEstimator,
        rng: &mut SeedRng,
    ) -> Result<(), BuildError> {
        self.id = TransactionId::random(rng);
        let limit = match (config.transport, self.to) {
            (Transport::Stream, _) => super::BUFFER,
            (Transport::Datagrams, SocketAddr::V4(_)) => REQUEST_BYTES_IPV4,
            (Transport::Datagrams, SocketAddr::V6(_)) => REQUEST_BYTES_IPV6,
        };
        self.bytes.clear();
        self.bytes.resize(limit, 0);
        let writer = MessageWriter::new(&mut self.bytes, Class::Request, Method::BINDING, self.id);
        let (writer, sent) = auth.apply(writer.limit(limit));
        let length = if config.fingerprint {
            writer.fingerprint().finish()?.len()
        } else {
            writer.finish()?.len()
        };
        self.bytes.truncate(length);
        self.sent = sent;
        self.violated = false;
        let mut schedule = config.schedule;
        if config.transport == Transport::Datagrams && rtt.smoothed(now).is_some() {
            schedule.rto = rtt.rto(now, schedule.rto);
        }
        self.state = State::Running(Transaction::new(now, schedule));
        Ok(())
    }

    /// Ends the current try; the next one waits for its turn.
    pub(super) fn requeue(&mut self, state: State) {
        self.past_sends = self.sends();
        self.state = state;
        self.is_due = false;
    }

    /// Sends of all tries.
    pub(super) fn sends(&self) -> u32 {
        match &self.state {
            State::Running(transaction) => self.past_sends.saturating_add(transaction.sends()),
            State::Queued | State::Pausing(_) => self.past_sends,
        }
    }

    pub(super) const fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    /// What is due in the current try.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Step {
        match &mut self.state {
            State::Running(transaction) => transaction.handle_timeout(now),
            State::Pausing(until) if *until <= now => {
                self.state = State::Queued;
                Step::Wait
            }
            State::Queued | State::Pausing(_) => Step::Wait,
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Running(transaction) => transaction.poll_timeout(),
            State::Pausing(until) => Some(*until),
            State::Queued => None,
        }
    }

    /// The response came that ends the current try; gives the round trip time if it is unambiguous.
    pub(super) fn on_response(&mut self, now: Instant) -> Option<Duration> {
        match &mut self.state {
            State::Running(transaction) => transaction.handle_response(now),
            State::Queued | State::Pausing(_) => None,
        }
    }
}

/// The pause before try number `errors` (from 1) after an error of the server.
pub(super) fn pause(errors: u8) -> Duration {
    let doublings = u32::from(errors).saturating_sub(1);
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    Duration::from_secs(1).saturating_mul(factor)
}
