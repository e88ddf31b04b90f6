//! What a client does and tells: [`ClientConfig`], [`ClientEvent`], [`Failure`].

use super::redirect::RedirectError;
use crate::attribute::{ErrorNumber, UnknownAttributes};
use crate::auth::AuthFailure;
use crate::framer::FrameError;
use crate::transaction::Schedule;
use alloc::string::String;
use core::net::SocketAddr;
use core::time::Duration;

/// How requests travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 8489 has these two kinds")]
pub enum Transport {
    /// UDP or DTLS: requests are sent again.
    Datagrams,
    /// TCP or TLS: requests are sent once.
    Stream,
}

/// Which redirections (300, ALTERNATE-SERVER) are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is nothing in between")]
pub enum Redirects {
    /// None: the request fails.
    Never,
    /// To addresses where a server for the public can be; into private networks only from there.
    #[default]
    Safe,
    /// To any address, loopback too: for tests and closed networks.
    Anywhere,
}

/// What a [`StunClient`](super::StunClient) does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The seed of transaction ids. They must be unpredictable.
    pub seed: [u8; 32],
    /// How requests travel.
    pub transport: Transport,
    /// How often and how long each request is sent. Its `rto` is also the least that an estimate becomes. Default: that
    /// of RFC 8489, 7 sends in 39.5 s, or one send and 39.5 s on a stream.
    pub schedule: Schedule,
    /// Requests that wait for their answer at a time; further ones wait for their turn. Default: 10.
    pub outstanding: usize,
    /// Requests that wait for their turn. Default: 64.
    pub queued: usize,
    /// How often a request is sent anew after 500 to 599, with pauses of 1 s, 2 s, 4 s and so on. Default: 4.
    pub server_errors: u8,
    /// Which redirections are followed. Default: safe ones.
    pub redirects: Redirects,
    /// Redirections in a row that one request follows. Default: 3.
    pub redirects_in_a_row: u8,
    /// Adds FINGERPRINT to requests and wants it in responses: for a socket that other protocols share. Default: no.
    pub fingerprint: bool,
    /// Whether [`handle_unreachable`](super::StunClient::handle_unreachable) ends requests. Anybody can forge what it
    /// reports, so by default it is only counted.
    pub believe_unreachable: bool,
}

impl ClientConfig {
    /// The defaults over UDP with this seed.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            transport: Transport::Datagrams,
            schedule: Schedule::default(),
            outstanding: 10,
            queued: 64,
            server_errors: 4,
            redirects: Redirects::Safe,
            redirects_in_a_row: 3,
            fingerprint: false,
            believe_unreachable: false,
        }
    }

    /// The defaults over a stream with this seed.
    #[must_use]
    pub fn stream(seed: [u8; 32]) -> Self {
        Self {
            transport: Transport::Stream,
            schedule: Schedule::reliable(Schedule::RELIABLE_TIMEOUT),
            ..Self::new(seed)
        }
    }
}

/// The name of one request of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub(super) u64);

/// As many requests wait for their turn as [`ClientConfig::queued`] allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} requests wait for their turn, and no more are allowed")]
#[non_exhaustive]
pub struct QueueFull(pub usize);

/// What a client tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// A request was answered: the last event about it.
    Answered(Answered),
    /// A request has failed: the last event about it.
    Failed(Failed),
    /// The server sent the client elsewhere, which is where [`StunClient::server`](super::StunClient::server) is now. Over
    /// a stream: close the connection, open one to there, and then go on sending.
    Redirected {
        /// The new server.
        to: SocketAddr,
        /// The name that its certificate must have over TLS or DTLS; without, that of the first server (RFC 8489
        /// section 10).
        domain: Option<String>,
    },
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answered {
    /// Which request.
    pub request: RequestId,
    /// Our address as the server sees it. Who controls the path controls it: never take it for proof of anything.
    pub mapped: SocketAddr,
    /// Whether a server at that place can see such an address: `false` if a public one claims a private address.
    pub is_plausible: bool,
    /// Who answered.
    pub server: SocketAddr,
    /// The round trip time of the last exchange, if it is unambiguous.
    pub rtt: Option<Duration>,
    /// How often the request was sent, challenges and redirections included.
    pub sends: u32,
    /// Whether the answer was signed with our credentials.
    pub is_authentic: bool,
}

/// How a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failed {
    /// Which request.
    pub request: RequestId,
    /// Who was asked last.
    pub server: SocketAddr,
    /// Why.
    pub reason: Failure,
    /// How often the request was sent, challenges and redirections included.
    pub sends: u32,
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No answer came.
    #[error("no answer came")]
    TimedOut,
    /// Only answers came whose integrity is missing or wrong: forged ones, or the server has another password.
    #[error("the integrity of the answer is missing or wrong")]
    IntegrityViolated,
    /// The credentials did not do.
    #[error(transparent)]
    Credentials(#[from] AuthFailure),
    /// 420, and what the server does not know.
    #[error("the server does not know attributes of the request")]
    UnknownAttributes(UnknownAttributes),
    /// Another error, with its number.
    #[error("the server answers {0}")]
    Refused(ErrorNumber),
    /// The server cannot be followed to where it redirects.
    #[error(transparent)]
    Redirect(#[from] RedirectError),
    /// The answer has attributes that must be understood, and are not.
    #[error("the answer has attributes that are not known")]
    AnswerNotUnderstood,
    /// With its credentials the request is longer than a datagram may be on an unknown path.
    #[error("the request is too long with what the server asks for")]
    TooLong,
    /// The connection was closed.
    #[error("the connection was closed")]
    Closed,
    /// What came over the stream is not STUN.
    #[error(transparent)]
    Stream(#[from] FrameError),
    /// The network says that the server cannot be reached.
    #[error("the server cannot be reached")]
    Unreachable,
}

/// Why a datagram or a message had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// It looks like STUN and is broken.
    Malformed,
    /// It is no response.
    NoResponse,
    /// No request is open under its transaction id.
    UnknownTransaction,
    /// It comes from another address than the request went to.
    WrongAddress,
    /// It lacks the mapped address or the error code, or that is not well formed.
    BadAnswer,
    /// Its integrity is missing or wrong.
    Unauthentic,
}

/// What a client has seen since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// Requests sent, each time counted.
    pub sent: u64,
    /// Responses that had no effect.
    pub dropped: u64,
    /// Of these, ones whose integrity was missing or wrong.
    pub unauthentic: u64,
    /// Challenges that were answered.
    pub challenges: u64,
    /// Redirections that were followed.
    pub redirects: u64,
    /// Requests that were sent anew after 500 to 599.
    pub server_errors: u64,
    /// Times that the network said that the server cannot be reached.
    pub unreachable: u64,
}
