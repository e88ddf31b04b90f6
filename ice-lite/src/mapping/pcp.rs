//! The MAP opcode of the Port Control Protocol (RFC 6887): [`PcpRequest`], [`PcpResponse`].

use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use proto_core::{DecodeError, DecodeErrorKind, NoSpace, Reader, Writer};

pub(super) const VERSION: u8 = 2;
pub(super) const ANNOUNCE: u8 = 0;
const MAP: u8 = 1;
pub(super) const RESPONSE: u8 = 0x80;
const UDP: u8 = 17;

/// A request to map a UDP port, of 60 bytes (RFC 6887 sections 7.1 and 11.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "these are the fields of the message"
)]
pub struct PcpRequest {
    /// The address that the request is sent from; the gateway compares.
    pub client: IpAddr,
    /// Names the mapping; whoever knows it may change and remove it.
    pub nonce: [u8; 12],
    /// The port to be mapped.
    pub internal_port: u16,
    /// Where the mapping is wanted outside, or an unspecified address and port 0.
    pub suggested: SocketAddr,
    /// For how many seconds; 0 removes the mapping.
    pub lifetime_seconds: u32,
}

impl PcpRequest {
    /// Length of the message.
    pub const BYTES: usize = 60;

    /// Writes it to the front of `buffer`; the length.
    ///
    /// # Errors
    /// If the buffer is shorter than [`PcpRequest::BYTES`].
    pub fn write(&self, buffer: &mut [u8]) -> Result<usize, NoSpace> {
        let mut writer = Writer::new(buffer);
        writer.u8(VERSION)?;
        writer.u8(MAP)?;
        writer.u16_be(0)?;
        writer.u32_be(self.lifetime_seconds)?;
        writer.bytes(&v6(self.client).octets())?;
        writer.bytes(&self.nonce)?;
        writer.u8(UDP)?;
        writer.bytes(&[0; 3])?;
        writer.u16_be(self.internal_port)?;
        writer.u16_be(self.suggested.port())?;
        writer.bytes(&v6(self.suggested.ip()).octets())?;
        Ok(writer.at())
    }

    /// Reads a request to map a UDP port, as a gateway would.
    ///
    /// # Errors
    /// If it is cut off, of another version, opcode or protocol.
    pub fn read(data: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(data);
        expect(&mut reader, "version", VERSION)?;
        expect(&mut reader, "opcode", MAP)?;
        reader.u16_be("reserved")?;
        let lifetime_seconds = reader.u32_be("lifetime")?;
        let client = ip(reader.array("client address")?);
        let nonce = reader.array("nonce")?;
        expect(&mut reader, "protocol", UDP)?;
        reader.bytes(3, "reserved")?;
        let internal_port = reader.u16_be("internal port")?;
        let port = reader.u16_be("suggested port")?;
        let address = ip(reader.array("suggested address")?);
        Ok(Self {
            client,
            nonce,
            internal_port,
            suggested: SocketAddr::new(address, port),
            lifetime_seconds,
        })
    }
}

/// What a gateway answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "these are the fields of the message"
)]
pub struct PcpResponse {
    /// 0 for success; the codes are in RFC 6887 section 7.4.
    pub result: u8,
    /// For how many seconds the mapping is granted; for how long the error will last, if it is one.
    pub lifetime_seconds: u32,
    /// Seconds since the gateway lost its mappings.
    pub epoch_seconds: u32,
    /// That of the request.
    pub nonce: [u8; 12],
    /// The port that is mapped.
    pub internal_port: u16,
    /// Where it is mapped.
    pub external: SocketAddr,
}

impl PcpResponse {
    /// Length of the message.
    pub const BYTES: usize = 60;

    /// Reads an answer to a request to map a UDP port. What follows it, options, is passed over.
    ///
    /// # Errors
    /// If it is cut off, of another version, opcode or protocol.
    pub fn read(data: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(data);
        expect(&mut reader, "version", VERSION)?;
        expect(&mut reader, "opcode", RESPONSE | MAP)?;
        reader.u8("reserved")?;
        let result = reader.u8("result")?;
        let lifetime_seconds = reader.u32_be("lifetime")?;
        let epoch_seconds = reader.u32_be("epoch")?;
        reader.bytes(12, "reserved")?;
        let nonce = reader.array("nonce")?;
        expect(&mut reader, "protocol", UDP)?;
        reader.bytes(3, "reserved")?;
        let internal_port = reader.u16_be("internal port")?;
        let port = reader.u16_be("external port")?;
        let address = ip(reader.array("external address")?);
        Ok(Self {
            result,
            lifetime_seconds,
            epoch_seconds,
            nonce,
            internal_port,
            external: SocketAddr::new(address, port),
        })
    }

    /// Writes it to the front of `buffer`, as a gateway would; the length.
    ///
    /// # Errors
    /// If the buffer is shorter than [`PcpResponse::BYTES`].
    pub fn write(&self, buffer: &mut [u8]) -> Result<usize, NoSpace> {
        let mut writer = Writer::new(buffer);
        writer.u8(VERSION)?;
        writer.u8(RESPONSE | MAP)?;
        writer.u8(0)?;
        writer.u8(self.result)?;
        writer.u32_be(self.lifetime_seconds)?;
        writer.u32_be(self.epoch_seconds)?;
        writer.bytes(&[0; 12])?;
        writer.bytes(&self.nonce)?;
        writer.u8(UDP)?;
        writer.bytes(&[0; 3])?;
        writer.u16_be(self.internal_port)?;
        writer.u16_be(self.external.port())?;
        writer.bytes(&v6(self.external.ip()).octets())?;
        Ok(writer.at())
    }
}

pub(super) fn expect(
    reader: &mut Reader<'_>,
    field: &'static str,
    wanted: u8,
) -> Result<(), DecodeError> {
    let value = reader.u8(field)?;
    if value == wanted {
        return Ok(());
    }
    let value = value.into();
    Err(reader.error(DecodeErrorKind::Illegal { field, value }))
}

/// IPv4 addresses stand there as IPv4-mapped ones (RFC 6887 section 5).
const fn v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

fn ip(octets: [u8; 16]) -> IpAddr {
    IpAddr::from(octets).to_canonical()
}
