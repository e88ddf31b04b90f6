//! The NAT Port Mapping Protocol (RFC 6886): [`NatPmpRequest`], [`NatPmpResponse`].

use super::pcp::expect;
use core::net::Ipv4Addr;
use proto_core::{DecodeError, DecodeErrorKind, NoSpace, Reader, Writer};

const VERSION: u8 = 0;
const ADDRESS: u8 = 0;
const MAP_UDP: u8 = 1;
const RESPONSE: u8 = 0x80;

/// A request (RFC 6886 sections 3.2 and 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the protocol has these two for UDP"
)]
pub enum NatPmpRequest {
    /// For the outer address, of 2 bytes.
    Address,
    /// To map a UDP port, of 12 bytes.
    Map {
        /// The port to be mapped.
        internal_port: u16,
        /// The outer port that is wanted, or 0.
        suggested_port: u16,
        /// For how many seconds; 0 removes the mapping.
        lifetime_seconds: u32,
    },
}

impl NatPmpRequest {
    /// Length of the longest.
    pub const BYTES: usize = 12;

    /// Writes it to the front of `buffer`; the length.
    ///
    /// # Errors
    /// If the buffer is shorter than [`NatPmpRequest::BYTES`].
    pub fn write(&self, buffer: &mut [u8]) -> Result<usize, NoSpace> {
        let mut writer = Writer::new(buffer);
        writer.u8(VERSION)?;
        match *self {
            Self::Address => writer.u8(ADDRESS)?,
            Self::Map {
                internal_port,
                suggested_port,
                lifetime_seconds,
            } => {
                writer.u8(MAP_UDP)?;
                writer.u16_be(0)?;
                writer.u16_be(internal_port)?;
                writer.u16_be(suggested_port)?;
                writer.u32_be(lifetime_seconds)?;
            }
        }
        Ok(writer.at())
    }

    /// Reads a request, as a gateway would.
    ///
    /// # Errors
    /// If it is cut off, or of another version or opcode.
    pub fn read(data: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(data);
        expect(&mut reader, "version", VERSION)?;
        match reader.u8("opcode")? {
            ADDRESS => Ok(Self::Address),
            MAP_UDP => {
                reader.u16_be("reserved")?;
                Ok(Self::Map {
                    internal_port: reader.u16_be("internal port")?,
                    suggested_port: reader.u16_be("suggested port")?,
                    lifetime_seconds: reader.u32_be("lifetime")?,
                })
            }
            other => Err(illegal(&reader, "opcode", other)),
        }
    }
}

const fn illegal(reader: &Reader<'_>, field: &'static str, value: u8) -> DecodeError {
    let value = value as u64;
    reader.error(DecodeErrorKind::Illegal { field, value })
}

/// What a gateway answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the protocol has these for UDP")]
pub enum NatPmpResponse {
    /// Its outer address.
    Address {
        /// Seconds since it lost its mappings.
        epoch_seconds: u32,
        /// The address.
        external: Ipv4Addr,
    },
    /// A mapping.
    Map {
        /// Seconds since it lost its mappings.
        epoch_seconds: u32,
        /// The port that is mapped.
        internal_port: u16,
        /// Where it is mapped.
        external_port: u16,
        /// For how many seconds it is granted.
        lifetime_seconds: u32,
    },
    /// A refusal; the codes are in RFC 6886 section 3.5. A gateway that knows only this protocol answers a request of PCP so,
    /// with code 1.
    Refused {
        /// The code.
        result: u16,
    },
}

impl NatPmpResponse {
    /// Length of the longest.
    pub const BYTES: usize = 16;
    /// The version of the request is not known.
    pub const UNSUPPORTED_VERSION: u16 = 1;

    /// Reads an answer.
    ///
    /// # Errors
    /// If it is cut off, or of another version or opcode.
    pub fn read(data: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(data);
        expect(&mut reader, "version", VERSION)?;
        let opcode = reader.u8("opcode")?;
        if opcode & RESPONSE == 0 {
            return Err(illegal(&reader, "opcode", opcode));
        }
        let result = reader.u16_be("result")?;
        if result != 0 {
            return Ok(Self::Refused { result });
        }
        let epoch_seconds = reader.u32_be("epoch")?;
        match opcode & !RESPONSE {
            ADDRESS => Ok(Self::Address {
                epoch_seconds,
                external: Ipv4Addr::from(reader.array::<4>("external address")?),
            }),
            MAP_UDP => Ok(Self::Map {
                epoch_seconds,
                internal_port: reader.u16_be("internal port")?,
                external_port: reader.u16_be("external port")?,
                lifetime_seconds: reader.u32_be("lifetime")?,
            }),
            _ => Err(illegal(&reader, "opcode", opcode)),
        }
    }

    /// Writes it to the front of `buffer`, as a gateway would; the length.
    ///
    /// # Errors
    /// If the buffer is shorter than [`NatPmpResponse::BYTES`].
    pub fn write(&self, buffer: &mut [u8]) -> Result<usize, NoSpace> {
        let mut writer = Writer::new(buffer);
        writer.u8(VERSION)?;
        match *self {
            Self::Address {
                epoch_seconds,
                external,
            } => {
                writer.u8(RESPONSE | ADDRESS)?;
                writer.u16_be(0)?;
                writer.u32_be(epoch_seconds)?;
                writer.bytes(&external.octets())?;
            }
            Self::Map {
                epoch_seconds,
                internal_port,
                external_port,
                lifetime_seconds,
            } => {
                writer.u8(RESPONSE | MAP_UDP)?;
                writer.u16_be(0)?;
                writer.u32_be(epoch_seconds)?;
                writer.u16_be(internal_port)?;
                writer.u16_be(external_port)?;
                writer.u32_be(lifetime_seconds)?;
            }
            Self::Refused { result } => {
                writer.u8(RESPONSE)?;
                writer.u16_be(result)?;
                writer.u32_be(0)?;
            }
        }
        Ok(writer.at())
    }
}
