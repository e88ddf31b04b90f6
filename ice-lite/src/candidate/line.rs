//! Candidate lines, both ways (RFC 8839 section 5.1).
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::{Candidate, CandidateAddress, CandidateKind, Foundation, TcpType, Transport};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::str::{FromStr, Split};

/// Longest line that is read, in bytes.
pub const MOST_LINE_BYTES: usize = 1024;

/// Most pairs of name and value behind the fields of a candidate.
pub const MOST_EXTENSIONS: usize = 32;

/// Why a text is no candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CandidateError {
    /// It ends inside a field or between a name and its value.
    #[error("the candidate line is cut off")]
    Truncated,
    /// It is longer than [`MOST_LINE_BYTES`] or has more than [`MOST_EXTENSIONS`] pairs at its end.
    #[error("the candidate line is too long")]
    TooLong,
    /// It has a control character, such as a line end.
    #[error("the candidate line has a control character")]
    BadCharacter,
    /// Two spaces in a row, or a fixed word is missing.
    #[error("the candidate line does not follow the grammar")]
    BadFormat,
    /// Not 1 to 32 ice-chars.
    #[error("the foundation is not 1 to 32 letters, digits, + and /")]
    BadFoundation,
    /// Not a number from 1 to 256.
    #[error("the component is not a number from 1 to 256")]
    BadComponent,
    /// Not a number from 1 to 2^31 - 1.
    #[error("the priority is not a number from 1 to 2147483647")]
    BadPriority,
    /// Neither an IP address nor a name.
    #[error("the address is neither an IP address nor a name")]
    BadAddress,
    /// Not a number up to 65,535, or 0 for UDP.
    #[error("the port is not a number of a port")]
    BadPort,
    /// A TCP candidate does not say who connects.
    #[error("the TCP type is missing or unknown")]
    BadTcpType,
    /// It is well formed, of a transport that ICE here does not have: pass it over.
    #[error("the transport is unknown")]
    UnknownTransport,
    /// It is well formed, of a type that ICE here does not have: pass it over.
    #[error("the candidate type is unknown")]
    UnknownType,
    /// The address has a zone, which means nothing on another host: pass it over.
    #[error("the address has a zone")]
    ZoneId,
}

impl CandidateError {
    /// Whether it is a fine line that this version has no use for, and not a malformed one.
    #[must_use]
    pub const fn is_ignorable(self) -> bool {
        matches!(
            self,
            Self::UnknownTransport | Self::UnknownType | Self::ZoneId
        )
    }
}

impl FromStr for Candidate {
    type Err = CandidateError;

    /// Reads one line, with or without `a=` in front, without a line end.
    fn from_str(line: &str) -> Result<Self, CandidateError> {
        if line.len() > MOST_LINE_BYTES {
            return Err(CandidateError::TooLong);
        }
        if line.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(CandidateError::BadCharacter);
        }
        let line = line.strip_prefix("a=").unwrap_or(line);
        let Some(line) = line.strip_prefix("candidate:") else {
            return Err(if "candidate:".starts_with(line) {
                CandidateError::Truncated
            } else {
                CandidateError::BadFormat
            });
        };
        if line.is_empty() {
            return Err(CandidateError::Truncated);
        }
        Fields(line.split(' ')).candidate()
    }
}

struct Fields<'a>(Split<'a, char>);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<&'a str, CandidateError> {
        match self.0.next() {
            None => Err(CandidateError::Truncated),
            Some("") => Err(CandidateError::BadFormat),
            Some(field) => Ok(field),
        }
    }

    fn candidate(mut self) -> Result<Candidate, CandidateError> {
        let foundation = Foundation::new(self.next()?).ok_or(CandidateError::BadFoundation)?;
        let component = number(self.next()?, 256)
            .filter(|&number| number > 0)
            .and_then(|number| u16::try_from(number).ok())
            .ok_or(CandidateError::BadComponent)?;
        let transport = self.next()?;
        let priority = number(self.next()?, i32::MAX.unsigned_abs())
            .filter(|&number| number > 0)
            .ok_or(CandidateError::BadPriority)?;
        let address = self.next()?;
        let port = port(self.next()?)?;
        if self.next()? != "typ" {
            return Err(CandidateError::BadFormat);
        }
        let kind = self.next()?;
        let tail = self.tail()?;
        let transport = transport_of(transport, tail.tcp)?;
        if port == 0 && transport == Transport::Udp {
            return Err(CandidateError::BadPort);
        }
        Ok(Candidate {
            foundation,
            component,
            transport,
            priority,
            address: address_of(address, port)?,
            kind: kind_of(kind).ok_or(CandidateError::UnknownType)?,
            related: tail.related,
            extensions: tail.extensions,
        })
    }

    fn tail(&mut self) -> Result<Tail<'a>, CandidateError> {
        let mut tail = Tail::default();
        let (mut address, mut related_port) = (None, None);
        while let Some(name) = self.0.next() {
            if tail.extensions.len() >= MOST_EXTENSIONS {
                return Err(CandidateError::TooLong);
            }
            if name.is_empty() {
                return Err(CandidateError::BadFormat);
            }
            let value = self.next()?;
            match name {
                "raddr" if address.is_none() => address = Some(value),
                "rport" if related_port.is_none() => related_port = Some(port(value)?),
                "tcptype" if tail.tcp.is_none() => tail.tcp = Some(value),
                // The first counts; as extensions they would be the first when they are read again.
                "raddr" | "rport" | "tcptype" => {}
                _ => tail.extensions.push((name.to_owned(), value.to_owned())),
            }
        }
        tail.related = match (address, related_port) {
            (Some(_), None) => return Err(CandidateError::Truncated),
            // A name here hides an address, so it tells nothing.
            (Some(address), Some(port)) => address_of(address, port)?.ip(),
            (None, _) => None,
        };
        Ok(tail)
    }
}

#[derive(Default)]
struct Tail<'a> {
    related: Option<SocketAddr>,
    tcp: Option<&'a str>,
    extensions: Vec<(String, String)>,
}

/// Decimal ASCII digits up to `most`; the parser of the standard library would take a plus sign.
pub(crate) fn number(text: &str, most: u32) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|&number| number <= most)
}

fn port(text: &str) -> Result<u16, CandidateError> {
    number(text, u16::MAX.into())
        .and_then(|number| u16::try_from(number).ok())
        .ok_or(CandidateError::BadPort)
}

fn transport_of(word: &str, tcp: Option<&str>) -> Result<Transport, CandidateError> {
    if word.eq_ignore_ascii_case("udp") {
        return Ok(Transport::Udp);
    }
    if !word.eq_ignore_ascii_case("tcp") {
        return Err(CandidateError::UnknownTransport);
    }
    match tcp {
        Some("active") => Ok(Transport::Tcp(TcpType::Active)),
        Some("passive") => Ok(Transport::Tcp(TcpType::Passive)),
        Some("so") => Ok(Transport::Tcp(TcpType::SimultaneousOpen)),
        _ => Err(CandidateError::BadTcpType),
    }
}

fn kind_of(word: &str) -> Option<CandidateKind> {
    [
        CandidateKind::Host,
        CandidateKind::ServerReflexive,
        CandidateKind::PeerReflexive,
        CandidateKind::Relayed,
    ]
    .into_iter()
    .find(|kind| kind.word() == word)
}

fn address_of(text: &str, port: u16) -> Result<CandidateAddress, CandidateError> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(CandidateAddress::Ip(SocketAddr::new(ip, port)));
    }
    if let Some((ip, _)) = text.split_once('%')
        && ip.parse::<IpAddr>().is_ok()
    {
        return Err(CandidateError::ZoneId);
    }
    let labels = || text.split('.');
    let good = labels().all(|label| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    // A name whose last label starts with a digit is a mistyped IPv4 address, which resolvers read in odd ways.
    let numeric = labels()
        .next_back()
        .is_none_or(|label| label.starts_with(|first: char| first.is_ascii_digit()));
    if !good || numeric || text.len() > 253 {
        return Err(CandidateError::BadAddress);
    }
    Ok(CandidateAddress::Name {
        name: text.into(),
        port,
    })
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            Transport::Udp => "udp",
            Transport::Tcp(_) => "tcp",
        };
        write!(
            f,
            "candidate:{} {} {transport} {} ",
            self.foundation, self.component, self.priority
        )?;
        match &self.address {
            CandidateAddress::Ip(address) => write!(f, "{} {}", address.ip(), address.port())?,
            CandidateAddress::Name { name, port } => write!(f, "{name} {port}")?,
        }
        write!(f, " typ {}", self.kind.word())?;
        if let Some(related) = self.related {
            write!(f, " raddr {} rport {}", related.ip(), related.port())?;
        }
        if let Transport::Tcp(tcp) = self.transport {
            write!(f, " tcptype {}", tcp.word())?;
        }
        for (name, value) in &self.extensions {
            write!(f, " {name} {value}")?;
        }
        Ok(())
    }
}
