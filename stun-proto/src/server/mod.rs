//! Answering Binding requests without any memory of who asked: [`BindingServer`] (RFC 8489 section 12, RFC 5780).
//!
//! ```
//! use proto_core::Instant;
//! use stun_proto::attribute::XorMappedAddress;
//! use stun_proto::server::{Answer, BindingServer, ServerConfig};
//! use stun_proto::{Class, Message, MessageWriter, Method, TransactionId};
//!
//! let mut server = BindingServer::new(ServerConfig::new([7; 32]));
//! let local = "192.0.2.1:3478".parse()?;
//! let client = "198.51.100.7:40000".parse()?;
//!
//! let mut request = [0; 20];
//! let id = TransactionId::new([1; 12]);
//! let request = MessageWriter::new(&mut request, Class::Request, Method::BINDING, id).finish()?;
//!
//! // One buffer of BUFFER bytes serves all clients.
//! let mut buffer = [0; BindingServer::BUFFER];
//! let answer = server.handle_datagram(Instant::ZERO, local, client, request, &mut buffer);
//! let Answer::Reply(reply) = answer else { panic!("{answer:?}") };
//! assert_eq!((reply.source, reply.destination), (Some(local), client));
//! let reply = Message::parse(&buffer[reply.bytes])?;
//! assert_eq!(reply.get::<XorMappedAddress>()?, Some(XorMappedAddress(client)));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod config;
mod limiter;

use crate::attribute::{
    AttributeType, ChangeRequest, ErrorCode, ErrorNumber, MappedAddress, OtherAddress, Padding,
    ResponseOrigin, ResponsePort, UnknownAttributes, XorMappedAddress, Zeros,
};
use crate::crypto::RustCrypto;
use crate::message::{
    BuildError, Class, FingerprintCheck, Message, MessageWriter, Method, Open, ParseError,
    ParseOptions,
};
use core::net::SocketAddr;
use proto_core::{Instant, SeedRng, TokenBucket, Transmit, is_possible_source};

pub use config::{DiscoveryAddresses, DiscoveryAddressesError, ServerConfig};
pub use limiter::SourceLimiter;
pub use proto_core::Rate;

/// What became of a message that came to a [`BindingServer`].
#[must_use = "a reply that is not sent is lost"]
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle each")]
pub enum Answer {
    /// Send this. It lies in the lent buffer; its source is always given.
    Reply(Transmit),
    /// It is not STUN; offer it to whatever else shares the socket.
    NotMine,
    /// It is met with silence, and was counted under this reason.
    Dropped(DropReason),
}

impl Answer {
    /// What to send, if anything.
    #[must_use]
    pub fn reply(self) -> Option<Transmit> {
        match self {
            Self::Reply(transmit) => Some(transmit),
            Self::NotMine | Self::Dropped(_) => None,
        }
    }
}

/// Why a message got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DropReason {
    /// Its structure or its FINGERPRINT is broken, or FINGERPRINT is missing where it is required.
    Malformed,
    /// It is a response. Two servers must not answer each other.
    UnexpectedClass,
    /// It is an indication, which asks for nothing.
    Indication,
    /// Its method is another than Binding.
    UnknownMethod,
    /// Nobody can be at its source: port 0, a wildcard, multicast or broadcast address, or this server itself.
    ImpossibleSource,
    /// Its source prefix, or all sources together, got as many answers as the configuration allows.
    RateLimited,
    /// The answer would have been longer than the budget for what an unproven source sent.
    Amplification,
    /// RESPONSE-PORT names a port below 1024 that is not the source's, where a service may listen.
    ForbiddenPort,
    /// The lent buffer is shorter than [`BindingServer::BUFFER`], or the datagram came to an address that is none of the
    /// configured ones: a fault of the driver.
    Unsendable,
}

impl DropReason {
    /// Each reason, in order.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::UnexpectedClass,
        Self::Indication,
        Self::UnknownMethod,
        Self::ImpossibleSource,
        Self::RateLimited,
        Self::Amplification,
        Self::ForbiddenPort,
        Self::Unsendable,
    ];

    /// Its name in lower case with underscores, for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnexpectedClass => "unexpected_class",
            Self::Indication => "indication",
            Self::UnknownMethod => "unknown_method",
            Self::ImpossibleSource => "impossible_source",
            Self::RateLimited => "rate_limited",
            Self::Amplification => "amplification",
            Self::ForbiddenPort => "forbidden_port",
            Self::Unsendable => "unsendable",
        }
    }
}

/// What a server did since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Success responses.
    pub answered: u64,
    /// Of these, ones with CHANGE-REQUEST, RESPONSE-PORT or PADDING.
    pub reflected: u64,
    /// Error responses: 400.
    pub bad_requests: u64,
    /// Error responses: 420.
    pub unknown_attributes: u64,
    /// Bytes of all responses.
    pub bytes_out: u64,
    /// Bytes of all messages that were offered and are STUN.
    pub bytes_in: u64,
    dropped: [u64; DropReason::ALL.len()],
}

impl ServerStats {
    /// How many messages were dropped for this reason.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        let count = self.dropped.get(reason as usize);
        count.copied().unwrap_or_default()
    }
}

/// How the message came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Udp,
    Stream,
}

/// A server of Binding requests, over UDP and streams, that keeps no state about any client.
///
/// It has one door: the answer is written by the call that brings the question, so there is nothing to queue, and a
/// flood from a million addresses leaves its memory as it was: a fixed table of rates ([`SourceLimiter`], two of them
/// with NAT discovery), and counters. `poll_*` do not exist, since nothing ever happens by itself.
///
/// Over UDP, where a source can be forged, answers are short (32 bytes over IPv4), without SOFTWARE or reason phrases,
/// errors are at most half as long again as the request and no longer than one that carries credentials, and all are
/// limited by [`ServerConfig::replies`] and [`ServerConfig::total`]. Over streams nothing is limited but what a
/// stream allows: CHANGE-REQUEST, RESPONSE-PORT and PADDING are unknown there.
#[derive(Debug)]
pub struct BindingServer {
    config: ServerConfig,
    replies: SourceLimiter,
    reflections: Option<SourceLimiter>,
    total: TokenBucket,
    stats: ServerStats,
}

impl BindingServer {
    /// Bytes that an answer may take: what fits an Ethernet frame.
    pub const BUFFER: usize = 1500;

    /// A server that does what `config` says.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        let mut rng = SeedRng::new(config.seed);
        let replies = SourceLimiter::new(config.replies, &mut rng);
        let discovery = config.discovery;
        let reflections = discovery.map(|_| SourceLimiter::new(config.reflections, &mut rng));
        Self {
            replies,
            reflections,
            total: TokenBucket::full(config.total),
            stats: ServerStats::default(),
            config,
        }
    }

    /// What it does.
    #[must_use]
    pub const fn config(&self) -> &ServerConfig {
        &self.config
    }

    /// What it did.
    #[must_use]
    pub const fn stats(&self) -> &ServerStats {
        &self.stats
    }

    /// Answers the datagram `data`, which came from `from` to the socket at `local`, into `buffer`.
    ///
    /// `local` is where the answer comes from, unless CHANGE-REQUEST asks for another socket; with
    /// [`ServerConfig::discovery`] it is one of the four addresses.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
        buffer: &mut [u8],
    ) -> Answer {
        self.handle(Some(now), local, from, data, buffer)
    }

    /// Answers one message of a stream (TCP or TLS), as [`Framer`](crate::Framer) gives it.
    pub fn handle_stream_message(
        &mut self,
        local: SocketAddr,
        from: SocketAddr,
        message: &[u8],
        buffer: &mut [u8],
    ) -> Answer {
        self.handle(None, local, from, message, buffer)
    }

    /// `now` is given for datagrams alone: only those are limited.
    fn handle(
        &mut self,
        now: Option<Instant>,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
        buffer: &mut [u8],
    ) -> Answer {
        let request = match self.accept(now, local, from, data) {
            Ok(Some(request)) => request,
            Ok(None) => return Answer::NotMine,
            Err(reason) => return self.drop(reason),
        };
        let transport = now.map_or(Transport::Stream, |_| Transport::Udp);
        match self.answer(transport, now, local, from, &request, buffer) {
            Ok(transmit) => {
                self.stats.bytes_out += transmit.bytes.len() as u64;
                Answer::Reply(transmit)
            }
            Err(reason) => self.drop(reason),
        }
    }

    fn drop(&mut self, reason: DropReason) -> Answer {
        if let Some(count) = self.stats.dropped.get_mut(reason as usize) {
            *count += 1;
        }
        Answer::Dropped(reason)
    }

    /// The request in `data`, if it may be answered at all; `None` if it is not STUN.
    fn accept<'a>(
        &mut self,
        now: Option<Instant>,
        local: SocketAddr,
        from: SocketAddr,
        data: &'a [u8],
    ) -> Result<Option<Message<'a>>, DropReason> {
        let mut options = ParseOptions {
            accept_classic: self.config.accept_classic,
            ..ParseOptions::default()
        };
        if self.config.require_fingerprint && now.is_some() {
            options.fingerprint = FingerprintCheck::Required;
        }
        let request = match Message::parse_with::<RustCrypto>(data, options) {
            Ok(request) => request,
            Err(ParseError::NotStun | ParseError::ChannelData) => return Ok(None),
            Err(_) => return Err(DropReason::Malformed),
        };
        self.stats.bytes_in += data.len() as u64;
        match request.class() {
            Class::Request => {}
            Class::Indication => return Err(DropReason::Indication),
            Class::Success | Class::Error => return Err(DropReason::UnexpectedClass),
        }
        if request.method() != Method::BINDING {
            return Err(DropReason::UnknownMethod);
        }
        if !is_possible_source(from) || from == local || self.is_own(from) {
            return Err(DropReason::ImpossibleSource);
        }
        if let Some(now) = now {
            let (total, rate) = (&mut self.total, self.config.total);
            if !self.replies.take(now, from) || !total.take(now, rate, 1) {
                return Err(DropReason::RateLimited);
            }
        }
        Ok(Some(request))
    }

    /// Whether `address` is one of the four of NAT discovery.
    fn is_own(&self, address: SocketAddr) -> bool {
        let discovery = self.config.discovery;
        discovery.is_some_and(|own| own.sockets().contains(&address))
    }

    fn answer(
        &mut self,
        transport: Transport,
        now: Option<Instant>,
        local: SocketAddr,
        from: SocketAddr,
        request: &Message<'_>,
        buffer: &mut [u8],
    ) -> Result<Transmit, DropReason> {
        let discovery = self.config.discovery;
        let reflects = discovery.is_some() && transport == Transport::Udp;
        let unknown = request.unknown_required(|kind| is_known(kind, reflects));
        if !unknown.is_empty() {
            self.stats.unknown_attributes += 1;
            return refuse_unknown(transport, local, from, request, unknown, buffer);
        }
        let wishes = match Wishes::read(request, reflects) {
            Ok(wishes) => wishes,
            Err(BadRequest) => {
                self.stats.bad_requests += 1;
                let code = ErrorCode::new(ErrorNumber::BAD_REQUEST);
                let reply = MessageWriter::response(buffer, Class::Error, request).attribute(&code);
                return send(finish(reply, request), local, from);
            }
        };
        if let Some(now) = now.filter(|_| wishes.reflects()) {
            let limiter = self.reflections.as_mut();
            if !limiter.is_some_and(|limiter| limiter.take(now, from)) {
                return Err(DropReason::RateLimited);
            }
        }
        let destination = wishes.destination(from)?;
        let source = match discovery {
            Some(own) => own
                .changed(local, wishes.change.ip, wishes.change.port)
                .ok_or(DropReason::Unsendable)?,
            None => local,
        };
        let other = discovery.and_then(|own| own.changed(local, true, true));
        let reply = MessageWriter::response(buffer, Class::Success, request);
        let reply = if request.is_classic() {
            let other = other.map(OtherAddress);
            let mapped = reply.attribute(&MappedAddress(from));
            mapped.attribute_if(other.as_ref())
        } else {
            wishes.describe(reply, from, source, other)
        };
        let reply = wishes.pad(reply, request);
        let transmit = send(finish(reply, request), source, destination)?;
        self.stats.answered += 1;
        self.stats.reflected += u64::from(wishes.reflects());
        Ok(transmit)
    }
}

/// The request has to be answered with 400.
struct BadRequest;

/// What a request asks for beyond its mapped address.
#[derive(Default)]
struct Wishes {
    change: ChangeRequest,
    port: Option<u16>,
    padding: bool,
}

impl Wishes {
    fn read(request: &Message<'_>, reflects: bool) -> Result<Self, BadRequest> {
        if let Err(error) = request.check_attributes()
            && error.attribute.is_comprehension_required()
        {
            return Err(BadRequest);
        }
        if !reflects {
            return Ok(Self::default());
        }
        let change = request.get::<ChangeRequest>().map_err(|_| BadRequest)?;
        let port = request.get::<ResponsePort>().map_err(|_| BadRequest)?;
        let padding = request.has::<Padding<'_>>();
        if padding && port.is_some() {
            return Err(BadRequest);
        }
        Ok(Self {
            change: change.unwrap_or_default(),
            port: port.map(|port| port.0),
            padding,
        })
    }

    /// Whether the answer goes or looks other than a plain one.
    const fn reflects(&self) -> bool {
        self.change.ip || self.change.port || self.port.is_some() || self.padding
    }

    /// The source, at the port that was asked for.
    fn destination(&self, from: SocketAddr) -> Result<SocketAddr, DropReason> {
        match self.port {
            None => Ok(from),
            Some(port) if port == from.port() || port >= 1024 => {
                Ok(SocketAddr::new(from.ip(), port))
            }
            Some(_) => Err(DropReason::ForbiddenPort),
        }
    }

    /// Adds what a client of RFC 8489, and with `other` one of RFC 5780, reads.
    ///
    /// Answers that go elsewhere leave out what the plain one has told already, so that they reflect less.
    fn describe<'b>(
        &self,
        reply: MessageWriter<'b>,
        from: SocketAddr,
        source: SocketAddr,
        other: Option<SocketAddr>,
    ) -> MessageWriter<'b> {
        let reply = reply.attribute(&XorMappedAddress(from));
        let Some(other) = other else {
            return reply;
        };
        let reply = reply.attribute(&ResponseOrigin(source));
        if self.reflects() && !self.padding {
            return reply;
        }
        let reply = reply.attribute(&MappedAddress(from));
        reply.attribute(&OtherAddress(other))
    }

    /// Makes the answer as long as the request was, if PADDING asks for it: a stranger gets no more than he sent.
    fn pad<'b>(&self, reply: MessageWriter<'b>, request: &Message<'_>) -> MessageWriter<'b> {
        let fingerprint = if request.has_fingerprint() { 8 } else { 0 };
        let target = request.as_bytes().len().min(BindingServer::BUFFER);
        let room = target.checked_sub(reply.len() + fingerprint + 4);
        match room.filter(|_| self.padding) {
            Some(room) => reply.attribute(&Zeros(room & !3)),
            None => reply,
        }
    }
}

/// Answers 420, within the budget for unproven sources.
fn refuse_unknown(
    transport: Transport,
    local: SocketAddr,
    from: SocketAddr,
    request: &Message<'_>,
    unknown: UnknownAttributes,
    buffer: &mut [u8],
) -> Result<Transmit, DropReason> {
    let length = request.as_bytes().len();
    let has_credentials = request.has::<crate::attribute::Username<'_>>();
    let budget = match transport {
        Transport::Stream => usize::MAX,
        Transport::Udp if has_credentials => length,
        Transport::Udp => length + length / 2,
    };
    let code = ErrorCode::new(ErrorNumber::UNKNOWN_ATTRIBUTE);
    // Header, ERROR-CODE, the head of UNKNOWN-ATTRIBUTES and FINGERPRINT; two bytes for each number come on top.
    let fixed = 32 + if request.has_fingerprint() { 8 } else { 0 };
    let words = budget.saturating_sub(fixed) / 4;
    if words == 0 {
        return Err(DropReason::Amplification);
    }
    let unknown = unknown.truncated(words.saturating_mul(2));
    let reply = MessageWriter::response(buffer, Class::Error, request)
        .attribute(&code)
        .attribute(&unknown);
    send(finish(reply, request), local, from)
}

/// Ends `reply`, with FINGERPRINT if the request had one.
fn finish<'b>(
    reply: MessageWriter<'b, Open>,
    request: &Message<'_>,
) -> Result<&'b [u8], BuildError> {
    if request.has_fingerprint() {
        reply.fingerprint().finish()
    } else {
        reply.finish()
    }
}

/// `reply` lies at the front of the lent buffer.
fn send(
    reply: Result<&[u8], BuildError>,
    source: SocketAddr,
    destination: SocketAddr,
) -> Result<Transmit, DropReason> {
    let reply = reply.map_err(|_| DropReason::Unsendable)?;
    Ok(Transmit {
        source: Some(source),
        destination,
        bytes: 0..reply.len(),
    })
}

/// The comprehension-required attributes that this server understands, if only to ignore them.
fn is_known(kind: AttributeType, reflects: bool) -> bool {
    match kind {
        AttributeType::CHANGE_REQUEST | AttributeType::RESPONSE_PORT | AttributeType::PADDING => {
            reflects
        }
        AttributeType::MAPPED_ADDRESS
        | AttributeType::XOR_MAPPED_ADDRESS
        | AttributeType::USERNAME
        | AttributeType::USERHASH
        | AttributeType::REALM
        | AttributeType::NONCE
        | AttributeType::PASSWORD_ALGORITHM
        | AttributeType::ERROR_CODE
        | AttributeType::UNKNOWN_ATTRIBUTES => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
