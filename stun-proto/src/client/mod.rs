//! Asking a server for our address: [`StunClient`] (RFC 8489 sections 6, 9, 10).
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod answer;
mod config;
mod operation;
mod redirect;

use crate::auth::ClientAuth;
use crate::crypto::{Provider, RustCrypto};
use crate::framer::{FrameError, Framed, Framer, Framing};
use crate::message::{FingerprintCheck, Message, ParseError, ParseOptions};
use crate::scope::same;
use crate::transaction::{RttEstimator, Step};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;
use operation::{Operation, State};
use proto_core::{Handled, Instant, SeedRng, Transmit};
use redirect::Visits;

pub use config::{
    Answered, ClientConfig, ClientEvent, ClientStats, DropReason, Failed, Failure, QueueFull,
    Redirects, RequestId, Transport,
};
pub use redirect::RedirectError;

/// Bytes that a request may take: all credentials at their longest.
const BUFFER: usize = 4096;

/// Asks one server for the address under which it sees us, over UDP or a stream, with or without credentials.
///
/// Each [`bind`](StunClient::bind) ends in one event, whatever the server and the network do: it answers challenges,
/// follows redirections, comes back after errors of the server, sends again what is lost, and gives up in time. Answers
/// from a wrong address, without a right integrity, or to nothing that was asked are counted and change nothing.
///
/// Memory: 200 bytes for each request that is waited for or waits ([`ClientConfig::outstanding`] and
/// [`ClientConfig::queued`], so at most 74 with the defaults), besides its bytes, at most 4 KiB, and usually 20 to 200;
/// 16 addresses of servers; and on a stream at most 2 KiB of an incomplete message. Events wait until they are taken, one
/// for each request.
///
/// ```
/// use proto_core::Instant;
/// use stun_proto::client::{ClientConfig, ClientEvent, StunClient};
/// use stun_proto::server::{Answer, BindingServer, ServerConfig};
///
/// let (here, server) = ("192.0.2.7:40000".parse()?, "203.0.113.1:3478".parse()?);
/// let mut client = StunClient::new(ClientConfig::new([7; 32]), server);
/// let mut responder = BindingServer::new(ServerConfig::new([8; 32]));
///
/// let now = Instant::ZERO;
/// let request = client.bind(now)?;
/// let (mut question, mut reply) = ([0; StunClient::BUFFER], [0; BindingServer::BUFFER]);
/// while let Some(sent) = client.poll_transmit(now, &mut question) {
///     // A driver sends it over its socket; here the server is asked at once.
///     let answer = responder.handle_datagram(now, server, here, &question[sent.bytes], &mut reply);
///     if let Answer::Reply(answer) = answer {
///         assert!(client.handle_datagram(now, server, &reply[answer.bytes]).is_consumed());
///     }
/// }
/// let Some(ClientEvent::Answered(answer)) = client.poll_event() else { panic!("no answer") };
/// assert_eq!((answer.request, answer.mapped), (request, here));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct StunClient<P: Provider = RustCrypto> {
    config: ClientConfig,
    server: SocketAddr,
    auth: ClientAuth<P>,
    rng: SeedRng,
    rtt: RttEstimator,
    visits: Visits,
    framer: Framer,
    operations: Vec<Operation<P>>,
    next_request: u64,
    events: VecDeque<ClientEvent>,
    stats: ClientStats,
}

impl StunClient {
    /// Bytes that a request may take.
    pub const BUFFER: usize = BUFFER;

    /// A client of `server` without credentials.
    #[must_use]
    pub fn new(config: ClientConfig, server: SocketAddr) -> Self {
        Self::with_auth(config, server, ClientAuth::none())
    }
}

impl<P: Provider> StunClient<P> {
    /// A client of `server` with these credentials.
    #[must_use]
    pub fn with_auth(config: ClientConfig, server: SocketAddr, auth: ClientAuth<P>) -> Self {
        Self {
            server,
            auth,
            rng: SeedRng::new(config.seed),
            rtt: RttEstimator::new(),
            visits: Visits::new(config.redirects, server),
            framer: Framer::new(Framing::Stun),
            operations: Vec::new(),
            next_request: 0,
            events: VecDeque::new(),
            stats: ClientStats::default(),
            config,
        }
    }

    /// Whom it asks: the server that was named, or the one that it was redirected to.
    #[must_use]
    pub const fn server(&self) -> SocketAddr {
        self.server
    }

    /// Its credentials, and what it has learned about them.
    #[must_use]
    pub const fn auth(&self) -> &ClientAuth<P> {
        &self.auth
    }

    /// What it has seen.
    #[must_use]
    pub const fn stats(&self) -> &ClientStats {
        &self.stats
    }

    /// Whether no request is open.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.operations.is_empty()
    }

    /// Asks for our address. The answer, or that there is none, comes as an event.
    ///
    /// # Errors
    /// [`QueueFull`] if [`ClientConfig::queued`] requests wait already.
    pub fn bind(&mut self, now: Instant) -> Result<RequestId, QueueFull> {
        let limit = self.config.outstanding.saturating_add(self.config.queued);
        if self.operations.len() >= limit {
            return Err(QueueFull(self.config.queued));
        }
        let request = RequestId(self.next_request);
        self.next_request = self.next_request.wrapping_add(1);
        self.operations.push(Operation::new(request, self.server));
        self.handle_timeout(now);
        Ok(request)
    }

    /// Sends a request no more, but still takes its answer until the time when it would have failed. One that was not
    /// sent yet is forgotten.
    pub fn cancel(&mut self, request: RequestId) {
        self.operations.retain_mut(|operation| {
            if operation.request != request {
                return true;
            }
            operation.is_due = false;
            match &mut operation.state {
                State::Running(transaction) => transaction.cancel(),
                State::Queued | State::Pausing(_) => return false,
            }
            true
        });
    }

    /// Gives up a request without an event.
    pub fn forget(&mut self, request: RequestId) {
        self.operations
            .retain(|operation| operation.request != request);
    }

    /// A datagram came from `from`.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<DropReason> {
        let mut options = ParseOptions::default();
        if self.config.fingerprint {
            options.fingerprint = FingerprintCheck::Required;
        }
        let handled = match Message::parse_with::<P>(data, options) {
            Ok(message) => self.on_message(now, Some(from), &message),
            Err(ParseError::NotStun | ParseError::ChannelData) => return Handled::NotMine,
            Err(_) => Err(DropReason::Malformed),
        };
        self.note(handled)
    }

    /// Bytes came over the stream. Each message in them is handled.
    ///
    /// # Errors
    /// [`FrameError`]: close the connection. All requests have failed with it.
    pub fn handle_bytes(&mut self, now: Instant, mut data: &[u8]) -> Result<(), FrameError> {
        let mut framer = core::mem::replace(&mut self.framer, Framer::new(Framing::Stun));
        let options = ParseOptions::default();
        let mut result = Ok(());
        while !data.is_empty() && result.is_ok() {
            match framer.handle_bytes(now, data) {
                Ok(Framed { used, frame, .. }) => {
                    data = data.get(used..).unwrap_or_default();
                    if let Some(frame) = frame {
                        let message = Message::parse_with::<P>(frame.as_bytes(), options);
                        let handled = match message {
                            Ok(message) => self.on_message(now, None, &message),
                            Err(_) => Err(DropReason::Malformed),
                        };
                        // It is counted.
                        let _ = self.note(handled);
                    }
                }
                Err(error) => result = Err(error),
            }
        }
        self.framer = framer;
        if let Err(error) = result {
            self.fail_all(&Failure::Stream(error));
        }
        result
    }

    /// A new connection is open: the stream begins anew.
    pub fn handle_connected(&mut self) {
        self.framer = Framer::new(Framing::Stun);
    }

    /// The connection was closed: all requests have failed.
    pub fn handle_closed(&mut self) {
        self.framer = Framer::new(Framing::Stun);
        self.fail_all(&Failure::Closed);
    }

    /// The network says that `server` cannot be reached (ICMP, "connection refused").
    pub fn handle_unreachable(&mut self, now: Instant, server: SocketAddr) {
        self.stats.unreachable += 1;
        if !self.config.believe_unreachable {
            return;
        }
        while let Some(index) = self
            .operations
            .iter()
            .position(|operation| operation.is_running() && same(operation.to, server))
        {
            self.fail(index, Failure::Unreachable);
        }
        self.handle_timeout(now);
    }

    /// A deadline may have passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Err(error) = self.framer.handle_timeout(now) {
            self.handle_connected();
            self.fail_all(&Failure::Stream(error));
        }
        let mut index = 0;
        while let Some(operation) = self.operations.get_mut(index) {
            match operation.handle_timeout(now) {
                Step::Send => operation.is_due = true,
                Step::Wait => {}
                Step::TimedOut => {
                    let reason = match operation.violated {
                        true => Failure::IntegrityViolated,
                        false => Failure::TimedOut,
                    };
                    self.fail(index, reason);
                    continue;
                }
            }
            index += 1;
        }
        self.start_queued(now);
    }

    /// Writes the next request into `buffer`; over a stream, write it to the connection to its destination.
    ///
    /// # Panics
    /// If `buffer` is shorter than [`StunClient::BUFFER`].
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        assert!(
            buffer.len() >= BUFFER,
            "a buffer of StunClient::BUFFER bytes"
        );
        self.handle_timeout(now);
        let mut operations = self.operations.iter_mut();
        let operation = operations.find(|operation| operation.is_due)?;
        operation.is_due = false;
        let length = operation.bytes.len();
        buffer.get_mut(..length)?.copy_from_slice(&operation.bytes);
        self.stats.sent += 1;
        Some(Transmit {
            source: None,
            destination: operation.to,
            bytes: 0..length,
        })
    }

    /// When to call [`StunClient::handle_timeout`]; `None` when nothing is waited for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let operations = self.operations.iter().filter_map(Operation::poll_timeout);
        operations.chain(self.framer.poll_timeout()).min()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    fn note(&mut self, handled: Result<(), DropReason>) -> Handled<DropReason> {
        match handled {
            Ok(()) => Handled::Consumed,
            Err(reason) => {
                self.stats.dropped += 1;
                self.stats.unauthentic += u64::from(reason == DropReason::Unauthentic);
                Handled::Dropped(reason)
            }
        }
    }

    /// Starts what waits for its turn, as far as the limit allows.
    fn start_queued(&mut self, now: Instant) {
        loop {
            let operations = self.operations.iter();
            let running = operations
                .filter(|operation| operation.is_running())
                .count();
            if running >= self.config.outstanding.max(1) {
                return;
            }
            let mut operations = self.operations.iter_mut().enumerate();
            let queued = operations.find(|(_, operation)| matches!(operation.state, State::Queued));
            let Some((index, operation)) = queued else {
                return;
            };
            let (config, rng) = (&self.config, &mut self.rng);
            if operation
                .start(now, config, &self.auth, &self.rtt, rng)
                .is_err()
            {
                self.fail(index, Failure::TooLong);
            } else {
                operation.is_due = operation.handle_timeout(now) == Step::Send;
            }
        }
    }

    fn fail(&mut self, index: usize, reason: Failure) {
        if index >= self.operations.len() {
            return;
        }
        let operation = self.operations.remove(index);
        self.events.push_back(ClientEvent::Failed(Failed {
            request: operation.request,
            server: operation.to,
            reason,
            sends: operation.sends(),
        }));
    }

    fn fail_all(&mut self, reason: &Failure) {
        while !self.operations.is_empty() {
            self.fail(0, reason.clone());
        }
    }
}

#[cfg(test)]
mod tests;
