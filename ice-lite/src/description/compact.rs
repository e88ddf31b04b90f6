//! A description in few bytes, for signalling that pays for each: [`Description::to_compact`].
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::{Description, Options};
use crate::{
    Candidate, CandidateAddress, CandidateError, CandidateKind, Credentials, CredentialsError,
    Foundation, Transport,
};
use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use proto_core::{DecodeError, DecodeErrorKind, Reader};

const VERSION: u8 = 1;

const LITE: u8 = 1;
const TRICKLE: u8 = 2;
const ICE2: u8 = 4;
const RENOMINATION: u8 = 8;
const ENDED: u8 = 16;
const PACING: u8 = 32;

/// The candidate follows as its line.
const TEXT: u8 = 0x80;
const V6: u8 = 4;
const RELATED: u8 = 8;
const RELATED_V6: u8 = 16;

/// Why bytes are no compact description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompactError {
    /// It is of a version that is not known here.
    #[error("the version of the description is {0}, and 1 is known")]
    Version(u8),
    /// It is cut off, goes on after its end, or has a value that is none.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// Fragment or password are none.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A candidate that is told as its line is malformed.
    #[error(transparent)]
    Candidate(#[from] CandidateError),
    /// It has more than [`Description::MOST_CANDIDATES`] candidates.
    #[error("the description has too many candidates")]
    TooMany,
}

impl Description {
    /// The description in the compact form of this crate, version 1: about 35 bytes and 15 to 25 for each candidate. What
    /// is beyond [`Description::MOST_CANDIDATES`] is left out.
    ///
    /// | bytes | what |
    /// | --- | --- |
    /// | 1 | version, 1 |
    /// | 1 | flags: lite 1, trickle 2, ice2 4, renomination 8, ended 16, pacing 32 |
    /// | 1 + n, 1 + n | fragment and password, each with its length less one in front |
    /// | 2 | pacing in milliseconds, if flagged |
    /// | 1 | number of candidates |
    ///
    /// A UDP candidate of component 1 with an IP address and no extensions is a byte (kind in two bits, 4 for IPv6, 8 for a
    /// related address, 16 for an IPv6 one), the foundation with its length, four bytes of priority, address and port, and
    /// the related address and port. Any other one is 128, two bytes of length, and its line. Numbers are big-endian.
    #[must_use]
    pub fn to_compact(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        out.push(VERSION);
        out.push(
            flag(self.lite, LITE)
                | flag(self.options.trickle, TRICKLE)
                | flag(self.options.ice2, ICE2)
                | flag(self.options.renomination, RENOMINATION)
                | flag(self.ended, ENDED)
                | flag(self.pacing.is_some(), PACING),
        );
        for text in [self.credentials.ufrag(), self.credentials.password()] {
            // Both are 4 to 256 characters.
            out.push(u8::try_from(text.len().saturating_sub(1)).unwrap_or(u8::MAX));
            out.extend(text.as_bytes());
        }
        if let Some(pacing) = self.pacing {
            let millis = u16::try_from(pacing.as_millis()).unwrap_or(u16::MAX);
            out.extend(millis.to_be_bytes());
        }
        let candidates = self.candidates.iter().take(Self::MOST_CANDIDATES);
        out.push(u8::try_from(candidates.len()).unwrap_or(u8::MAX));
        for candidate in candidates {
            write_candidate(&mut out, candidate);
        }
        out
    }

    /// Reads [`Description::to_compact`]. A candidate line of a kind that is not known here is passed over.
    ///
    /// # Errors
    /// [`CompactError`].
    pub fn from_compact(bytes: &[u8]) -> Result<Self, CompactError> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8("version")?;
        if version != VERSION {
            return Err(CompactError::Version(version));
        }
        let flags = reader.u8("flags")?;
        let ufrag = read_text(&mut reader, "fragment")?;
        let password = read_text(&mut reader, "password")?;
        let mut description = Self::new(Credentials::new(ufrag, password)?);
        description.lite = flags & LITE != 0;
        description.options = Options {
            trickle: flags & TRICKLE != 0,
            ice2: flags & ICE2 != 0,
            renomination: flags & RENOMINATION != 0,
        };
        description.ended = flags & ENDED != 0;
        if flags & PACING != 0 {
            let millis = reader.u16_be("pacing")?;
            description.pacing = Some(Duration::from_millis(millis.into()));
        }
        let count = usize::from(reader.u8("number of candidates")?);
        if count > Self::MOST_CANDIDATES {
            return Err(CompactError::TooMany);
        }
        for _ in 0..count {
            match read_candidate(&mut reader) {
                Ok(candidate) => description.candidates.push(candidate),
                Err(CompactError::Candidate(error)) if error.is_ignorable() => {}
                Err(error) => return Err(error),
            }
        }
        reader.finish()?;
        Ok(description)
    }
}

fn write_candidate(out: &mut Vec<u8>, candidate: &Candidate) {
    let plain = match candidate.address {
        CandidateAddress::Ip(address)
            if candidate.transport == Transport::Udp
                && candidate.component == 1
                && candidate.extensions.is_empty() =>
        {
            Some(address)
        }
        _ => None,
    };
    let Some(address) = plain else {
        let line = candidate.to_string();
        out.push(TEXT);
        out.extend(u16::try_from(line.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend(line.as_bytes());
        return;
    };
    let kind = match candidate.kind {
        CandidateKind::Host => 0,
        CandidateKind::ServerReflexive => 1,
        CandidateKind::PeerReflexive => 2,
        CandidateKind::Relayed => 3,
    };
    let related = match candidate.related {
        None => 0,
        Some(SocketAddr::V4(_)) => RELATED,
        Some(SocketAddr::V6(_)) => RELATED | RELATED_V6,
    };
    out.push(kind | if address.is_ipv6() { V6 } else { 0 } | related);
    let foundation = candidate.foundation.as_str();
    out.push(u8::try_from(foundation.len()).unwrap_or(u8::MAX));
    out.extend(foundation.as_bytes());
    out.extend(candidate.priority.to_be_bytes());
    write_address(out, address);
    if let Some(related) = candidate.related {
        write_address(out, related);
    }
}

fn write_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => out.extend(ip.octets()),
        IpAddr::V6(ip) => out.extend(ip.octets()),
    }
    out.extend(address.port().to_be_bytes());
}

/// Text with its length less one in front.
fn read_text<'a>(reader: &mut Reader<'a>, field: &'static str) -> Result<&'a str, CompactError> {
    let length = usize::from(reader.u8(field)?).saturating_add(1);
    let bytes = reader.bytes(length, field)?;
    let text = core::str::from_utf8(bytes);
    Ok(text.map_err(|_| not_utf8(reader, field))?)
}

const fn not_utf8(reader: &Reader<'_>, field: &'static str) -> DecodeError {
    reader.error(DecodeErrorKind::NotUtf8 { field })
}

fn read_candidate(reader: &mut Reader<'_>) -> Result<Candidate, CompactError> {
    let tag = reader.u8("candidate")?;
    if tag == TEXT {
        let length = reader.u16_be("length of a candidate line")?;
        let line = reader.bytes(length.into(), "candidate line")?;
        let line = core::str::from_utf8(line).map_err(|_| not_utf8(reader, "candidate line"))?;
        return Ok(line.parse()?);
    }
    let kind = match tag & 3 {
        0 => CandidateKind::Host,
        1 => CandidateKind::ServerReflexive,
        2 => CandidateKind::PeerReflexive,
        _ => CandidateKind::Relayed,
    };
    let stray = tag & RELATED == 0 && tag & RELATED_V6 != 0;
    if tag & !(3 | V6 | RELATED | RELATED_V6) != 0 || stray {
        let (field, value) = ("candidate", tag.into());
        return Err(reader
            .error(DecodeErrorKind::Illegal { field, value })
            .into());
    }
    let length = reader.u8("foundation")?;
    let foundation = reader.bytes(length.into(), "foundation")?;
    let foundation = core::str::from_utf8(foundation).ok();
    let foundation = foundation
        .and_then(Foundation::new)
        .ok_or(CandidateError::BadFoundation)?;
    let priority = reader.u32_be("priority")?;
    if priority == 0 || priority > i32::MAX.unsigned_abs() {
        return Err(CandidateError::BadPriority.into());
    }
    let address = read_address(reader, tag & V6 != 0)?;
    if address.port() == 0 {
        return Err(CandidateError::BadPort.into());
    }
    let mut candidate = Candidate::new(kind, address);
    candidate.foundation = foundation;
    candidate.priority = priority;
    if tag & RELATED != 0 {
        candidate.related = Some(read_address(reader, tag & RELATED_V6 != 0)?);
    }
    Ok(candidate)
}

fn read_address(reader: &mut Reader<'_>, v6: bool) -> Result<SocketAddr, DecodeError> {
    let ip = if v6 {
        IpAddr::from(reader.array::<16>("address")?)
    } else {
        IpAddr::from(reader.array::<4>("address")?)
    };
    Ok(SocketAddr::new(ip, reader.u16_be("port")?))
}
