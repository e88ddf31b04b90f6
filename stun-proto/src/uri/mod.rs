//! Names of servers and how to find them: [`ServerUri`] (RFC 7064, RFC 7065), [`Lookup`] (RFC 8489 section 8, RFC 5928).
//!
//! ```
//! use stun_proto::uri::{Lookup, ServerUri, attempts};
//!
//! let uri: ServerUri = "stun:stun.example.org".parse()?;
//! assert_eq!(uri.port(), 3478);
//! // Look these up in turn, until one has a result. With an address or a port in the URI there is less to look up.
//! let [Lookup::Service(first), Lookup::Host { name, port }] = &uri.lookups()[..] else { panic!("two steps") };
//! assert_eq!(first, "_stun._udp.stun.example.org");
//! assert_eq!((name.as_str(), *port), ("stun.example.org", 3478));
//! // Try what was found at these times, until one answers.
//! let found = ["192.0.2.1:3478".parse()?, "[2001:db8::1]:3478".parse()?];
//! let first = attempts(&found).next();
//! assert_eq!(first.map(|attempt| attempt.server), Some(found[1]));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod plan;

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use core::str::FromStr;

pub use plan::{Attempt, FAMILY_DELAY, Lookup, ServiceRecord, attempts, order_records};

/// What a server is for, and whether over TLS: the scheme of a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "RFC 7064 and RFC 7065 have these four"
)]
pub enum Scheme {
    /// STUN.
    Stun,
    /// STUN over TLS or DTLS.
    Stuns,
    /// TURN.
    Turn,
    /// TURN over TLS or DTLS.
    Turns,
}

impl Scheme {
    /// Its name in a URI.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stun => "stun",
            Self::Stuns => "stuns",
            Self::Turn => "turn",
            Self::Turns => "turns",
        }
    }

    /// The port where a URI names none: 3478, or 5349 over TLS.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        if self.is_secure() { 5349 } else { 3478 }
    }

    /// Whether it means TLS (or DTLS over UDP).
    #[must_use]
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Stuns | Self::Turns)
    }

    const fn is_turn(self) -> bool {
        matches!(self, Self::Turn | Self::Turns)
    }
}

/// How the server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 7065 has these two")]
pub enum UriTransport {
    /// UDP, or DTLS.
    Udp,
    /// TCP, or TLS.
    Tcp,
}

impl UriTransport {
    const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// The host of a URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 3986 has these")]
pub enum UriHost {
    /// An address, which needs no lookup.
    Ip(IpAddr),
    /// A name of letters, digits, hyphens, dots and underscores, in lower case.
    Name(String),
}

impl fmt::Display for UriHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A `stun:`, `stuns:`, `turn:` or `turns:` URI. `Display` gives its canonical form, which does not show
/// the default port, although a port that is stated makes a lookup of services needless.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerUri {
    scheme: Scheme,
    host: UriHost,
    port: Option<u16>,
    transport: Option<UriTransport>,
}

/// Why a text is not a URI of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// The scheme is none of the four.
    #[error("the scheme is not stun, stuns, turn or turns")]
    Scheme,
    /// Two slashes follow the scheme, as in URLs; these have none.
    #[error("no slashes belong after the scheme")]
    Slashes,
    /// The host is empty, longer than 255 bytes, or not a name or an address.
    #[error("the host is not a name or an address")]
    Host,
    /// The port is not 1 to 65535.
    #[error("the port is not 1 to 65535")]
    Port,
    /// The query is not `transport=udp` or `transport=tcp`, or the scheme takes none.
    #[error("the query is not transport=udp or transport=tcp of turn or turns")]
    Query,
}

/// Longest name of a host in bytes.
const NAME_BYTES: usize = 255;

impl ServerUri {
    /// What it is for.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Where.
    #[must_use]
    pub const fn host(&self) -> &UriHost {
        &self.host
    }

    /// The port that is stated, else the default one.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or_else(|| self.scheme.default_port())
    }

    /// The transport that is stated, if any. Without, `turn` and `stun` mean UDP first, `turns` and `stuns` TLS.
    #[must_use]
    pub const fn transport(&self) -> Option<UriTransport> {
        self.transport
    }

    /// Reads a URI as browsers do: `stun:` and `stuns:` may have a `transport` too.
    ///
    /// # Errors
    /// [`UriError`] about the first part that is wrong.
    pub fn parse_lenient(text: &str) -> Result<Self, UriError> {
        Self::read(text, true)
    }

    fn read(text: &str, lenient: bool) -> Result<Self, UriError> {
        let (scheme, rest) = text.split_once(':').ok_or(UriError::Scheme)?;
        let schemes = [Scheme::Stun, Scheme::Stuns, Scheme::Turn, Scheme::Turns];
        let scheme = schemes
            .into_iter()
            .find(|known| known.name().eq_ignore_ascii_case(scheme))
            .ok_or(UriError::Scheme)?;
        if rest.starts_with("//") {
            return Err(UriError::Slashes);
        }
        let (authority, query) = match rest.split_once('?') {
            Some((authority, query)) => (authority, Some(query)),
            None => (rest, None),
        };
        let transport = match query {
            None => None,
            Some(_) if !scheme.is_turn() && !lenient => return Err(UriError::Query),
            Some(query) => Some(transport(query)?),
        };
        let (host, port) = split_port(authority)?;
        Ok(Self {
            scheme,
            host: host.parse()?,
            port: port.map(read_port).transpose()?,
            transport,
        })
    }
}

impl FromStr for ServerUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::read(text, false)
    }
}

impl FromStr for UriHost {
    type Err = UriError;

    /// An IPv6 address stands in brackets and has no zone.
    fn from_str(text: &str) -> Result<Self, UriError> {
        if let Some(inner) = text.strip_prefix('[') {
            let ip = inner.strip_suffix(']').ok_or(UriError::Host)?;
            let ip: Ipv6Addr = ip.parse().map_err(|_| UriError::Host)?;
            return Ok(Self::Ip(ip.into()));
        }
        if let Ok(IpAddr::V4(ip)) = text.parse() {
            return Ok(Self::Ip(ip.into()));
        }
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let legal = text.bytes().all(is_legal) && (1..=NAME_BYTES).contains(&text.len());
        if !legal || text.starts_with(['.', '-']) || text.contains("..") {
            return Err(UriError::Host);
        }
        Ok(Self::Name(text.to_owned().to_ascii_lowercase()))
    }
}

impl fmt::Display for ServerUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme.name(), self.host)?;
        if self.port() != self.scheme.default_port() {
            write!(f, ":{}", self.port())?;
        }
        match self.transport {
            Some(transport) => write!(f, "?transport={}", transport.name()),
            None => Ok(()),
        }
    }
}

/// Cuts off the port. A colon inside brackets belongs to the address.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), UriError> {
    let end = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = authority.split_at_checked(end).ok_or(UriError::Host)?;
    if end == 0 {
        if authority.starts_with('[') {
            return Err(UriError::Host);
        }
        return Ok(match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        });
    }
    match port.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if port.is_empty() => Ok((host, None)),
        None => Err(UriError::Host),
    }
}

fn read_port(text: &str) -> Result<u16, UriError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| digits && *port != 0);
    port.ok_or(UriError::Port)
}

fn transport(query: &str) -> Result<UriTransport, UriError> {
    let (key, value) = query.split_once('=').ok_or(UriError::Query)?;
    let known = [UriTransport::Udp, UriTransport::Tcp];
    known
        .into_iter()
        .find(|known| known.name().eq_ignore_ascii_case(value))
        .filter(|_| key == "transport")
        .ok_or(UriError::Query)
}

#[cfg(test)]
mod tests;
