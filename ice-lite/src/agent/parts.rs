//! What an [`Agent`](super::Agent) is made of.

use crate::candidate::{plain, same};
use crate::check::TransactionId;
use crate::connection::Arrival;
use crate::consent::Consent;
use crate::pacer::Bucket;
use crate::set::Standing;
use crate::{
    Candidate, CandidateAddress, CandidateKind, ConnectionId, Credentials, Foundation, Options,
    Path, Role, Transport,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use proto_core::Instant;
use stun_proto::attribute::{ErrorNumber, UnknownAttributes};
use stun_proto::{Integrity, Key};

/// What most agents never have.
#[derive(Default)]
pub(super) struct Rare {
    pub(super) early: Vec<Early>,
    /// Attributes that the caller adds to every check.
    pub(super) extra: Vec<(u16, Box<[u8]>)>,
    /// The watched attribute as it was told last.
    pub(super) watched: Option<Box<[u8]>>,
    /// Remote candidates of a generation that is not known yet.
    pub(super) held: Vec<Candidate>,
    pub(super) names: Vec<Name>,
}

/// Credentials and what is computed from them.
pub(super) struct Side {
    pub(super) credentials: Credentials,
    /// `None` until the first check that needs it.
    pub(super) key: Option<Box<Key>>,
}

impl Side {
    pub(super) const fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            key: None,
        }
    }

    /// Makes the key if it is not there.
    pub(super) fn prepare(&mut self) -> &Key {
        let password = self.credentials.password();
        self.key
            .get_or_insert_with(|| Box::new(Key::short_term(password)))
    }
}

/// The peer, as its description tells it.
pub(super) struct Remote {
    pub(super) side: Side,
    pub(super) lite: bool,
    pub(super) options: Options,
    /// Whether it said that it takes answers from elsewhere, too.
    pub(super) takes_asymmetric: bool,
    /// USERNAME of checks to it.
    pub(super) username: Box<str>,
}

/// A local candidate.
pub(super) struct LocalEntry {
    /// Without scope.
    pub(super) address: SocketAddr,
    /// As the caller names it.
    pub(super) base: SocketAddr,
    /// As it is told.
    pub(super) related: Option<SocketAddr>,
    /// Told in place of the address.
    pub(super) name: Option<Box<str>>,
    /// The server that saw it.
    pub(super) server: Option<IpAddr>,
    pub(super) foundation: u32,
    pub(super) priority: u32,
    pub(super) preference: u32,
    pub(super) transport: Transport,
    pub(super) kind: CandidateKind,
    pub(super) predicted: bool,
    pub(super) gone: bool,
}

impl LocalEntry {
    /// As it is told to the peer.
    pub(super) fn candidate(&self) -> Candidate {
        Candidate {
            foundation: Foundation::from_number(self.foundation),
            component: 1,
            transport: self.transport,
            priority: self.priority,
            address: match &self.name {
                Some(name) => CandidateAddress::Name {
                    name: name.clone(),
                    port: self.address.port(),
                },
                None => CandidateAddress::Ip(self.address),
            },
            kind: self.kind,
            related: self.related,
            extensions: Vec::new(),
        }
    }
}

/// What the search needs of a remote candidate.
pub(super) struct RemoteEntry {
    /// Without scope.
    pub(super) address: SocketAddr,
    pub(super) foundation: Foundation,
    pub(super) priority: u32,
    pub(super) transport: Transport,
    pub(super) kind: CandidateKind,
    /// Learned from a check and not signalled.
    pub(super) learned: bool,
    /// Checks to it without any answer.
    pub(super) unanswered: u32,
    pub(super) answers: Bucket,
}

impl RemoteEntry {
    /// A candidate at this address.
    pub(super) const fn new(candidate: &Candidate, address: SocketAddr, learned: bool) -> Self {
        Self {
            address,
            foundation: candidate.foundation,
            priority: candidate.priority,
            transport: candidate.transport,
            kind: candidate.kind,
            learned,
            unanswered: 0,
            answers: Bucket::FULL,
        }
    }
}

/// A check that came before the peer's credentials.
#[derive(Clone, Copy)]
pub(super) struct Early {
    pub(super) arrival: Arrival,
    pub(super) priority: u32,
    pub(super) nominated: Option<(TransactionId, u32)>,
}

/// A name that is being resolved.
pub(super) struct Name {
    pub(super) candidate: Candidate,
    pub(super) name: Box<str>,
    pub(super) until: Instant,
}

/// An answer that waits to be sent.
pub(super) struct Reply {
    pub(super) id: TransactionId,
    pub(super) base: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) via: Option<ConnectionId>,
    pub(super) kind: ReplyKind,
    /// Whether the request was for the generation before the restart.
    pub(super) previous: bool,
}

/// The integrity is that of the request (RFC 8489 section 9.1.3).
pub(super) enum ReplyKind {
    Success(Integrity),
    Error {
        number: ErrorNumber,
        unknown: UnknownAttributes,
        signed: Option<Integrity>,
    },
}

/// The path from before a restart, which carries data until there is a new one.
pub(super) struct Previous {
    pub(super) local: Side,
    pub(super) remote: Box<Remote>,
    pub(super) role: Role,
    pub(super) path: Path,
    /// Where its datagrams come from if not from where the path leads.
    pub(super) answers_from: Option<SocketAddr>,
    pub(super) consent: Option<Box<Consent>>,
    pub(super) last_heard: Instant,
    /// When it is forgotten, once there is a new path.
    pub(super) until: Option<Instant>,
}

impl Previous {
    /// Whether a packet that came so came from the peer; `from` is without scope.
    pub(super) fn hears(&self, via: Option<ConnectionId>, from: SocketAddr) -> bool {
        let known = same(&self.path.remote, &from) || self.answers_from == Some(from);
        self.path.connection == via && (via.is_some() || known)
    }

    /// All addresses from which the peer's datagrams come, and what is known of them.
    pub(super) fn sources(&self) -> impl Iterator<Item = (SocketAddr, Standing)> {
        let to = [(plain(self.path.remote), Standing::Proven)].into_iter();
        let answers = self.answers_from.map(|from| (from, Standing::Answers));
        let sources = to.chain(answers);
        sources.filter(|_| self.path.connection.is_none())
    }
}
