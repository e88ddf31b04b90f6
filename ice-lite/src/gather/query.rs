//! One question to a STUN server: [`Query`].

use core::net::SocketAddr;
use core::time::Duration;
use proto_core::{Instant, SeedRng};
use stun_proto::attribute::XorMappedAddress;
use stun_proto::{
    BuildError, Class, Message, MessageWriter, Method, Schedule, Step, Transaction, TransactionId,
};

/// From one base to one server: first for its address, then again and again to keep the mapping open.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) base: SocketAddr,
    pub(super) server: SocketAddr,
    id: TransactionId,
    /// None while it waits for its turn, or to be repeated.
    transaction: Option<Transaction>,
    gives_up: Instant,
    pub(super) state: QueryState,
    /// A request is to be written.
    due: bool,
}

/// How a question stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueryState {
    /// It was not asked yet.
    Waiting,
    /// It was asked the first time.
    Asked,
    /// The server has answered; the next question is due then.
    Answered(SocketAddr, Instant),
    /// The mapping is being refreshed.
    Refreshing(SocketAddr),
    /// It was refused or not answered.
    Failed,
}

impl Query {
    pub(super) fn new(base: SocketAddr, server: SocketAddr, rng: &mut SeedRng) -> Self {
        Self {
            base,
            server,
            id: TransactionId::random(rng),
            transaction: None,
            gives_up: Instant::MAX,
            state: QueryState::Waiting,
            due: false,
        }
    }

    /// Whether its first answer is still open.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, QueryState::Waiting | QueryState::Asked)
    }

    /// The address that the server saw.
    pub(super) const fn mapped(&self) -> Option<SocketAddr> {
        match self.state {
            QueryState::Answered(mapped, _) | QueryState::Refreshing(mapped) => Some(mapped),
            _ => None,
        }
    }

    /// Whether its turn with the pacer has come: not asked yet, or to be refreshed.
    pub(super) fn starts_at(&self) -> Option<Instant> {
        match self.state {
            QueryState::Waiting => Some(Instant::ZERO),
            QueryState::Answered(_, next) => Some(next),
            _ => None,
        }
    }

    /// Begins a transaction.
    pub(super) fn start(
        &mut self,
        now: Instant,
        rto: Duration,
        give_up: Duration,
        rng: &mut SeedRng,
    ) {
        self.state = match self.state {
            QueryState::Answered(mapped, _) => {
                self.id = TransactionId::random(rng);
                QueryState::Refreshing(mapped)
            }
            _ => QueryState::Asked,
        };
        self.transaction = Some(Transaction::new(now, Schedule::with_rto(rto)));
        self.gives_up = now + give_up;
        self.handle_timeout(now);
    }

    /// What is due; whether the question has just failed.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        let Some(transaction) = &mut self.transaction else {
            return false;
        };
        if now >= self.gives_up {
            self.end(QueryState::Failed);
            return true;
        }
        match transaction.handle_timeout(now) {
            Step::Send => self.due = true,
            Step::Wait => {}
            Step::TimedOut => {
                self.end(QueryState::Failed);
                return true;
            }
        }
        false
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let next = self.transaction.as_ref()?.poll_timeout()?;
        Some(if self.due {
            Instant::ZERO
        } else {
            next.min(self.gives_up)
        })
    }

    pub(super) fn end(&mut self, state: QueryState) {
        self.transaction = None;
        self.due = false;
        self.state = state;
    }

    /// Whether a response with this id is for it.
    pub(super) fn waits_for(&self, id: TransactionId) -> bool {
        self.transaction.is_some() && self.id == id
    }

    /// Writes the request if it is due; the length.
    pub(super) fn write(&mut self, buffer: &mut [u8]) -> Option<Result<usize, BuildError>> {
        if !core::mem::take(&mut self.due) {
            return None;
        }
        let writer = MessageWriter::new(buffer, Class::Request, Method::BINDING, self.id);
        Some(writer.fingerprint().finish().map(<[u8]>::len))
    }
}

/// The address in an answer, if it is a success.
pub(super) fn mapped(message: &Message<'_>) -> Option<SocketAddr> {
    if message.class() != Class::Success {
        return None;
    }
    let mapped = message.get::<XorMappedAddress>().ok().flatten()?;
    Some(mapped.0)
}
