//! The two commands of the handshake.

use proto_core::{DecodeError, NoSpace, Reader, Writer};

/// The number that names one connection attempt: four opaque bytes, equal at both ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "it is four bytes")]
pub struct ConnectId(pub [u8; 4]);

/// CONNECT: a stranger asks for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the format is closed")]
pub struct Connect {
    /// What both ends settle.
    pub terms: VerifyConnect,
    /// A number for the application of the other end.
    pub data: u32,
}

/// VERIFY_CONNECT: what the other end agreed to. CONNECT has the same fields and one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the format is closed")]
pub struct VerifyConnect {
    /// The number by which the sender wants to be addressed.
    pub outgoing_peer_id: u16,
    /// Session id, 0 to 3, or 255 in a CONNECT from a fresh slot.
    pub incoming_session_id: u8,
    /// Session id of the other direction.
    pub outgoing_session_id: u8,
    /// Largest datagram in bytes.
    pub mtu_bytes: u32,
    /// Most reliable data in flight in bytes.
    pub window_bytes: u32,
    /// Number of channels.
    pub channel_count: u32,
    /// What the sender can receive in bytes a second, 0 without limit.
    pub incoming_bandwidth: u32,
    /// What the sender can send in bytes a second, 0 without limit.
    pub outgoing_bandwidth: u32,
    /// Interval of the packet throttle in milliseconds.
    pub throttle_interval_ms: u32,
    /// Step up of the packet throttle.
    pub throttle_acceleration: u32,
    /// Step down of the packet throttle.
    pub throttle_deceleration: u32,
    /// The attempt that this is about.
    pub connect_id: ConnectId,
}

impl VerifyConnect {
    pub(super) const BODY: usize = 40;

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            outgoing_peer_id: reader.u16_be("outgoing peer id")?,
            incoming_session_id: reader.u8("incoming session id")?,
            outgoing_session_id: reader.u8("outgoing session id")?,
            mtu_bytes: reader.u32_be("mtu")?,
            window_bytes: reader.u32_be("window size")?,
            channel_count: reader.u32_be("channel count")?,
            incoming_bandwidth: reader.u32_be("incoming bandwidth")?,
            outgoing_bandwidth: reader.u32_be("outgoing bandwidth")?,
            throttle_interval_ms: reader.u32_be("throttle interval")?,
            throttle_acceleration: reader.u32_be("throttle acceleration")?,
            throttle_deceleration: reader.u32_be("throttle deceleration")?,
            connect_id: ConnectId(reader.array("connect id")?),
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), NoSpace> {
        writer.u16_be(self.outgoing_peer_id)?;
        writer.u8(self.incoming_session_id)?;
        writer.u8(self.outgoing_session_id)?;
        for number in [
            self.mtu_bytes,
            self.window_bytes,
            self.channel_count,
            self.incoming_bandwidth,
            self.outgoing_bandwidth,
            self.throttle_interval_ms,
            self.throttle_acceleration,
            self.throttle_deceleration,
        ] {
            writer.u32_be(number)?;
        }
        writer.bytes(&self.connect_id.0)
    }
}
