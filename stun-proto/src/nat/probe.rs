//! One question of discovery: [`Probe`].

use crate::attribute::{ChangeRequest, ResponsePort, Zeros};
use crate::message::{BuildError, Class, MessageWriter, Method, TransactionId};
use crate::transaction::{Schedule, Step, Transaction};
use core::net::SocketAddr;
use proto_core::{Instant, SeedRng};

/// What a probe is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Mapping: the server itself (test I of RFC 5780 section 4.3).
    MappingOne,
    /// Mapping: the server's other IP address.
    MappingTwo,
    /// Mapping: the server's other IP address and port.
    MappingThree,
    /// Filtering: the server itself (test I of RFC 5780 section 4.4).
    FilterOne,
    /// Filtering: answer from the other address and port.
    FilterBoth,
    /// Filtering: answer from the other port.
    FilterPort,
    /// The outside address of the second socket of the hairpin test.
    HairpinLearn,
    /// From one own socket to the outside address of another.
    Hairpin,
    /// A sample of how outside ports are chosen.
    Port,
    /// A request of several packets.
    Fragments,
    /// The outside address whose lifetime is tested, and its refresh.
    LifetimeLearn,
    /// Whether it still lives.
    LifetimeTest,
}

/// How a probe stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Pending,
    /// A success response, with the mapped address in it. For a hairpin probe: where it seemed to come from.
    Answered(SocketAddr),
    /// An error response.
    Refused,
    /// Nothing came, or nothing that counts.
    Failed,
}

#[derive(Debug)]
pub(super) struct Probe {
    pub(super) purpose: Purpose,
    pub(super) id: TransactionId,
    /// Which socket it leaves from.
    pub(super) socket: usize,
    /// Which socket its answer comes to.
    pub(super) arrives: usize,
    pub(super) to: SocketAddr,
    pub(super) change: ChangeRequest,
    pub(super) response_port: Option<u16>,
    pub(super) padding: usize,
    pub(super) transaction: Transaction,
    pub(super) state: State,
    pub(super) due: bool,
}

impl Probe {
    pub(super) fn new(
        purpose: Purpose,
        socket: usize,
        to: SocketAddr,
        start: Instant,
        schedule: Schedule,
        rng: &mut SeedRng,
    ) -> Self {
        Self {
            purpose,
            id: TransactionId::random(rng),
            socket,
            arrives: socket,
            to,
            change: ChangeRequest::default(),
            response_port: None,
            padding: 0,
            transaction: Transaction::new(start, schedule),
            state: State::Pending,
            due: false,
        }
    }

    pub(super) fn is_pending(&self) -> bool {
        self.state == State::Pending
    }

    /// Ends it with what came.
    pub(super) fn end(&mut self, now: Instant, state: State) {
        self.transaction.handle_response(now);
        self.state = state;
        self.due = false;
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if !self.is_pending() {
            return;
        }
        match self.transaction.handle_timeout(now) {
            Step::Send => self.due = true,
            Step::Wait => {}
            Step::TimedOut => {
                self.state = State::Failed;
                self.due = false;
            }
        }
    }

    /// When it has to be called again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let next = self.transaction.poll_timeout();
        next.filter(|_| self.is_pending())
    }

    /// Writes the request, the same bytes each time.
    ///
    /// Without FINGERPRINT: the sockets are discovery's own, and a box that rewrites payloads would break it unseen.
    pub(super) fn write(&self, buffer: &mut [u8]) -> Result<usize, BuildError> {
        let limit = buffer.len();
        let wants_change = self.change != ChangeRequest::default();
        let change = Some(&self.change).filter(|_| wants_change);
        let port = self.response_port.map(ResponsePort);
        let padding = Some(Zeros(self.padding)).filter(|padding| padding.0 > 0);
        let request = MessageWriter::new(buffer, Class::Request, Method::BINDING, self.id)
            .limit(limit)
            .attribute_if(change)
            .attribute_if(port.as_ref())
            .attribute_if(padding.as_ref());
        Ok(request.finish()?.len())
    }
}
