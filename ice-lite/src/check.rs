//! The messages of connectivity checks (RFC 8445 section 7): what is written into them and read from them.

use crate::Role;
use alloc::boxed::Box;
use alloc::string::String;
use core::net::SocketAddr;
pub(crate) use stun_proto::TransactionId;
use stun_proto::attribute::{
    Attribute, AttributeType, ErrorCode, ErrorNumber, IceControlled, IceControlling, Priority,
    UnknownAttributes, UseCandidate, Username, XorMappedAddress,
};
use stun_proto::{
    BuildError, Class, FingerprintCheck, Integrity, Key, Message, MessageWriter, Method,
    ParseError, ParseOptions, REQUEST_BYTES_IPV6,
};

/// Says that the sender takes answers to its checks from elsewhere, too: see [`Profile`](crate::Profile). Our own; whoever
/// does not know the type passes it over (RFC 8489 section 14).
pub(crate) const TAKES_ASYMMETRIC: u16 = 0xc0a5;

/// What a check says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) id: TransactionId,
    /// Remote fragment, colon, local fragment.
    pub(crate) username: &'a str,
    pub(crate) priority: u32,
    pub(crate) role: Role,
    pub(crate) tie_breaker: u64,
    pub(crate) nominates: bool,
    /// Type and value of the attribute that orders nominations.
    pub(crate) nomination: Option<(u16, u32)>,
    /// Whether [`TAKES_ASYMMETRIC`] is in it.
    pub(crate) takes_asymmetric: bool,
    /// The caller's attributes.
    pub(crate) extra: &'a [(u16, Box<[u8]>)],
}

impl Request<'_> {
    /// Writes the request; the length.
    pub(crate) fn write(&self, buffer: &mut [u8], key: &Key) -> Result<usize, BuildError> {
        let username = Username::new(self.username).map_err(|_| BuildError::TooLong {
            need: self.username.len(),
            limit: Username::WRITE_BYTES,
        })?;
        let mut writer = MessageWriter::new(buffer, Class::Request, Method::BINDING, self.id)
            .limit(REQUEST_BYTES_IPV6)
            .attribute(&username)
            .attribute(&Priority(self.priority));
        writer = match self.role {
            Role::Controlling => writer.attribute(&IceControlling(self.tie_breaker)),
            Role::Controlled => writer.attribute(&IceControlled(self.tie_breaker)),
        };
        if self.nominates {
            writer = writer.attribute(&UseCandidate);
        }
        if let Some((kind, value)) = self.nomination {
            writer = writer.raw(AttributeType::new(kind), &value.to_be_bytes());
        }
        if self.takes_asymmetric {
            writer = writer.raw(AttributeType::new(TAKES_ASYMMETRIC), &[]);
        }
        for (kind, value) in self.extra {
            writer = writer.raw(AttributeType::new(*kind), value);
        }
        let message = writer.integrity(key).fingerprint().finish()?;
        Ok(message.len())
    }
}

/// Writes the answer that a check arrived from `mapped`; the length.
pub(crate) fn write_success(
    buffer: &mut [u8],
    id: TransactionId,
    mapped: SocketAddr,
    (integrity, key): (Integrity, &Key),
) -> Result<usize, BuildError> {
    let writer = MessageWriter::new(buffer, Class::Success, Method::BINDING, id);
    let writer = writer.attribute(&XorMappedAddress(mapped));
    let message = writer.integrity_as(integrity, key).fingerprint().finish()?;
    Ok(message.len())
}

/// Writes an error, without a reason and without what the client has no use for; the length.
pub(crate) fn write_error(
    buffer: &mut [u8],
    id: TransactionId,
    error: ErrorNumber,
    unknown: &UnknownAttributes,
    signed: Option<(Integrity, &Key)>,
) -> Result<usize, BuildError> {
    let mut writer = MessageWriter::new(buffer, Class::Error, Method::BINDING, id)
        .attribute(&ErrorCode::new(error));
    if !unknown.is_empty() {
        writer = writer.attribute(unknown);
    }
    let message = match signed {
        Some((integrity, key)) => writer.integrity_as(integrity, key).fingerprint().finish()?,
        None => writer.fingerprint().finish()?,
    };
    Ok(message.len())
}

/// Writes a Binding indication, which keeps mappings open; the length.
pub(crate) fn write_indication(buffer: &mut [u8], id: TransactionId) -> Result<usize, BuildError> {
    let writer = MessageWriter::new(buffer, Class::Indication, Method::BINDING, id);
    Ok(writer.fingerprint().finish()?.len())
}

/// Reads a datagram as a message of ICE, which always has a FINGERPRINT.
pub(crate) fn parse(datagram: &[u8]) -> Result<Message<'_>, ParseError> {
    let mut options = ParseOptions::default();
    options.fingerprint = FingerprintCheck::Required;
    Message::parse_with::<stun_proto::crypto::RustCrypto>(datagram, options)
}

/// What a request says about roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The sender has this role and this tie-breaker.
    Role(Role, u64),
    /// Nothing.
    None,
    /// Both roles, or a value that is none.
    Nonsense,
}

/// The role in a request.
pub(crate) fn claim(message: &Message<'_>) -> Claim {
    let controlling = message.get::<IceControlling>();
    let controlled = message.get::<IceControlled>();
    match (controlling, controlled) {
        (Ok(Some(tie)), Ok(None)) => Claim::Role(Role::Controlling, tie.0),
        (Ok(None), Ok(Some(tie))) => Claim::Role(Role::Controlled, tie.0),
        (Ok(None), Ok(None)) => Claim::None,
        _ => Claim::Nonsense,
    }
}

/// Whether the sender takes answers from elsewhere.
pub(crate) fn takes_asymmetric(message: &Message<'_>) -> bool {
    message.raw(AttributeType::new(TAKES_ASYMMETRIC)).is_some()
}

/// The value of the attribute that orders nominations.
pub(crate) fn nomination(message: &Message<'_>, kind: u16) -> Option<u32> {
    let value = message.raw(AttributeType::new(kind))?;
    Some(u32::from_be_bytes(value.try_into().ok()?))
}

/// The attributes of the message that must be understood and are not.
pub(crate) fn unknown(message: &Message<'_>) -> UnknownAttributes {
    message.unknown_required(|kind| {
        kind == Username::TYPE
            || kind == Priority::TYPE
            || kind == UseCandidate::TYPE
            || kind == XorMappedAddress::TYPE
            || kind == AttributeType::MAPPED_ADDRESS
            || kind == ErrorCode::TYPE
            || kind == UnknownAttributes::TYPE
            // Sent by libwebrtc's relays and old stacks beside USERNAME; they change nothing.
            || kind == AttributeType::REALM
            || kind == AttributeType::NONCE
    })
}

/// What USERNAME holds in a check to the side `to` from the side `from`.
pub(crate) fn username(to: &str, from: &str) -> String {
    let mut username = String::with_capacity(to.len() + 1 + from.len());
    username.push_str(to);
    username.push(':');
    username.push_str(from);
    username
}
