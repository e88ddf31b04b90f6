//! The twelve commands.

use super::{Connect, VerifyConnect};
use core::fmt;
use proto_core::{DecodeError, DecodeErrorKind, NoSpace, Reader, Writer};

const NUMBER_MASK: u8 = 0x0f;
const UNSEQUENCED: u8 = 0x40;
const ACKNOWLEDGE: u8 = 0x80;

/// One command of a datagram; payloads are borrowed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the format is closed")]
pub struct Command<'a> {
    /// Whether the sender wants it acknowledged.
    pub acknowledge: bool,
    /// Whether the sender marked it unsequenced; nothing reads this mark.
    pub unsequenced: bool,
    /// Channel, or [`CONNECTION_CHANNEL`](super::CONNECTION_CHANNEL).
    pub channel: u8,
    /// Reliable sequence number: its own if it is reliable, else that of the reliable command before it.
    pub sequence: u16,
    /// What it says.
    pub body: Body<'a>,
}

/// The four bytes that every command begins with.
///
/// A receiver reads them first and then decodes the few frequent kinds by themselves: a [`Body`] is as large as the
/// largest of all kinds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    flags: u8,
    pub(crate) channel: u8,
    pub(crate) sequence: u16,
}

impl Head {
    pub(crate) const ACKNOWLEDGE: u8 = 1;
    pub(crate) const SEND_RELIABLE: u8 = 6;
    pub(crate) const SEND_UNRELIABLE: u8 = 7;

    #[inline]
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [flags, channel, high, low] = reader.array("command header")?;
        Ok(Self {
            flags,
            channel,
            sequence: u16::from_be_bytes([high, low]),
        })
    }

    /// The command number, 0 to 15.
    #[inline]
    pub(crate) const fn number(self) -> u8 {
        self.flags & NUMBER_MASK
    }

    /// Whether the sender wants it acknowledged.
    #[inline]
    pub(crate) const fn wants_acknowledgement(self) -> bool {
        self.flags & ACKNOWLEDGE != 0
    }
}

/// What a command says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the format is closed")]
pub enum Body<'a> {
    /// 1: a reliable command arrived.
    Acknowledge {
        /// Its reliable sequence number.
        sequence: u16,
        /// The sent time of the datagram that brought it.
        sent_time: u16,
    },
    /// 2: asks for a connection.
    Connect(Connect),
    /// 3: grants a connection.
    VerifyConnect(VerifyConnect),
    /// 4: ends a connection.
    Disconnect {
        /// A number for the application of the other end.
        data: u32,
    },
    /// 5: asks for an acknowledgement, nothing more.
    Ping,
    /// 6: a packet that arrives in order, once.
    SendReliable {
        /// The packet.
        payload: &'a [u8],
    },
    /// 7: a packet that arrives in order or not at all.
    SendUnreliable {
        /// Its number since the last reliable command of the channel.
        unreliable_sequence: u16,
        /// The packet.
        payload: &'a [u8],
    },
    /// 8: a part of a reliable packet.
    SendFragment(Fragment<'a>),
    /// 9: a packet that arrives at once or not at all.
    SendUnsequenced {
        /// Its number among the unsequenced packets of the peer.
        group: u16,
        /// The packet.
        payload: &'a [u8],
    },
    /// 10: the sender's limits changed; bytes a second, 0 without limit.
    BandwidthLimit {
        /// What the sender can receive.
        incoming: u32,
        /// What the sender can send.
        outgoing: u32,
    },
    /// 11: how the receiver shall throttle its unreliable packets.
    ThrottleConfigure {
        /// Interval in milliseconds.
        interval_ms: u32,
        /// Step up.
        acceleration: u32,
        /// Step down.
        deceleration: u32,
    },
    /// 12: a part of an unreliable packet.
    SendUnreliableFragment(Fragment<'a>),
}

/// A part of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the format is closed")]
pub struct Fragment<'a> {
    /// Sequence number of the packet: of its first part if reliable, else the unreliable one.
    pub start_sequence: u16,
    /// Number of parts.
    pub count: u32,
    /// Which part, from 0.
    pub number: u32,
    /// Length of the packet in bytes.
    pub total_bytes: u32,
    /// Where in the packet this part begins.
    pub offset: u32,
    /// The part.
    pub payload: &'a [u8],
}

impl<'a> Fragment<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start_sequence = reader.u16_be("start sequence number")?;
        let length = reader.u16_be("data length")?;
        Ok(Self {
            start_sequence,
            count: reader.u32_be("fragment count")?,
            number: reader.u32_be("fragment number")?,
            total_bytes: reader.u32_be("total length")?,
            offset: reader.u32_be("fragment offset")?,
            payload: reader.bytes(length.into(), "fragment")?,
        })
    }

    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), NoSpace> {
        writer.u16_be(self.start_sequence)?;
        writer.u16_be(length(self.payload)?)?;
        writer.u32_be(self.count)?;
        writer.u32_be(self.number)?;
        writer.u32_be(self.total_bytes)?;
        writer.u32_be(self.offset)?;
        writer.bytes(self.payload)
    }
}

/// The length of a payload as the 16 bits that it has on the wire; no datagram has room for more.
#[inline]
fn length(payload: &[u8]) -> Result<u16, NoSpace> {
    u16::try_from(payload.len()).map_err(|_| NoSpace::new(payload.len(), u16::MAX.into()))
}

/// The length and the bytes of a packet.
#[inline]
pub(crate) fn payload<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let length = reader.u16_be("data length")?;
    reader.bytes(length.into(), "payload")
}

impl<'a> Command<'a> {
    /// A command of the connection itself that wants an acknowledgement.
    #[must_use]
    pub const fn connection(sequence: u16, body: Body<'a>) -> Self {
        Self {
            acknowledge: true,
            unsequenced: false,
            channel: super::CONNECTION_CHANNEL,
            sequence,
            body,
        }
    }

    /// Reads one command.
    ///
    /// # Errors
    /// The input ends inside the command, or its number is unknown (0 and 13 to 15).
    #[inline]
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let at = reader.at();
        let head = Head::decode(reader)?;
        let body = Body::decode(head, at, reader)?;
        Ok(Self {
            acknowledge: head.wants_acknowledgement(),
            unsequenced: head.flags & UNSEQUENCED != 0,
            channel: head.channel,
            sequence: head.sequence,
            body,
        })
    }

    /// Writes this command.
    ///
    /// # Errors
    /// [`NoSpace`] if the buffer ends; part of the command may have been written.
    #[inline]
    pub fn encode(&self, writer: &mut Writer<'_>) -> Result<(), NoSpace> {
        let mut flags = self.body.number();
        if self.acknowledge {
            flags |= ACKNOWLEDGE;
        }
        if self.unsequenced {
            flags |= UNSEQUENCED;
        }
        let [high, low] = self.sequence.to_be_bytes();
        writer.bytes(&[flags, self.channel, high, low])?;
        self.body.encode(writer)
    }

    /// How many bytes [`Command::encode`] writes.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        self.body
            .fixed_len()
            .saturating_add(self.body.payload().len())
    }
}

impl<'a> Body<'a> {
    /// The command number of the wire, 1 to 12.
    #[must_use]
    #[inline]
    pub const fn number(&self) -> u8 {
        match self {
            Self::Acknowledge { .. } => 1,
            Self::Connect(_) => 2,
            Self::VerifyConnect(_) => 3,
            Self::Disconnect { .. } => 4,
            Self::Ping => 5,
            Self::SendReliable { .. } => 6,
            Self::SendUnreliable { .. } => 7,
            Self::SendFragment(_) => 8,
            Self::SendUnsequenced { .. } => 9,
            Self::BandwidthLimit { .. } => 10,
            Self::ThrottleConfigure { .. } => 11,
            Self::SendUnreliableFragment(_) => 12,
        }
    }

    /// The data that it carries; empty if it is not a send command.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        match self {
            Self::SendReliable { payload }
            | Self::SendUnreliable { payload, .. }
            | Self::SendUnsequenced { payload, .. } => payload,
            Self::SendFragment(fragment) | Self::SendUnreliableFragment(fragment) => {
                fragment.payload
            }
            _ => &[],
        }
    }

    /// Length of the command without its payload, in bytes.
    #[must_use]
    pub const fn fixed_len(&self) -> usize {
        match self {
            Self::Ping => 4,
            Self::SendReliable { .. } => 6,
            Self::Acknowledge { .. }
            | Self::Disconnect { .. }
            | Self::SendUnreliable { .. }
            | Self::SendUnsequenced { .. } => 8,
            Self::BandwidthLimit { .. } => 12,
            Self::ThrottleConfigure { .. } => 16,
            Self::SendFragment(_) | Self::SendUnreliableFragment(_) => 24,
            Self::VerifyConnect(_) => VerifyConnect::BODY.saturating_add(4),
            Self::Connect(_) => VerifyConnect::BODY.saturating_add(8),
        }
    }

    /// Reads what follows `head`, which begins at byte `at`.
    pub(crate) fn decode(
        head: Head,
        at: usize,
        reader: &mut Reader<'a>,
    ) -> Result<Self, DecodeError> {
        Ok(match head.number() {
            1 => Self::Acknowledge {
                sequence: reader.u16_be("received sequence number")?,
                sent_time: reader.u16_be("received sent time")?,
            },
            2 => Self::Connect(Connect {
                terms: VerifyConnect::decode(reader)?,
                data: reader.u32_be("connect data")?,
            }),
            3 => Self::VerifyConnect(VerifyConnect::decode(reader)?),
            4 => Self::Disconnect {
                data: reader.u32_be("disconnect data")?,
            },
            5 => Self::Ping,
            6 => Self::SendReliable {
                payload: payload(reader)?,
            },
            7 => Self::SendUnreliable {
                unreliable_sequence: reader.u16_be("unreliable sequence number")?,
                payload: payload(reader)?,
            },
            8 => Self::SendFragment(Fragment::decode(reader)?),
            9 => Self::SendUnsequenced {
                group: reader.u16_be("unsequenced group")?,
                payload: payload(reader)?,
            },
            10 => Self::BandwidthLimit {
                incoming: reader.u32_be("incoming bandwidth")?,
                outgoing: reader.u32_be("outgoing bandwidth")?,
            },
            11 => Self::ThrottleConfigure {
                interval_ms: reader.u32_be("throttle interval")?,
                acceleration: reader.u32_be("throttle acceleration")?,
                deceleration: reader.u32_be("throttle deceleration")?,
            },
            12 => Self::SendUnreliableFragment(Fragment::decode(reader)?),
            _ => {
                return Err(DecodeError::new(
                    at,
                    DecodeErrorKind::Illegal {
                        field: "command number",
                        value: head.number().into(),
                    },
                ));
            }
        })
    }

    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), NoSpace> {
        match self {
            Self::Acknowledge {
                sequence,
                sent_time,
            } => {
                writer.u16_be(*sequence)?;
                writer.u16_be(*sent_time)
            }
            Self::Connect(connect) => {
                connect.terms.encode(writer)?;
                writer.u32_be(connect.data)
            }
            Self::VerifyConnect(terms) => terms.encode(writer),
            Self::Disconnect { data } => writer.u32_be(*data),
            Self::Ping => Ok(()),
            Self::SendReliable { payload } => {
                writer.u16_be(length(payload)?)?;
                writer.bytes(payload)
            }
            Self::SendUnreliable {
                unreliable_sequence: number,
                payload,
            }
            | Self::SendUnsequenced {
                group: number,
                payload,
            } => {
                writer.u16_be(*number)?;
                writer.u16_be(length(payload)?)?;
                writer.bytes(payload)
            }
            Self::SendFragment(fragment) | Self::SendUnreliableFragment(fragment) => {
                fragment.encode(writer)
            }
            Self::BandwidthLimit { incoming, outgoing } => {
                writer.u32_be(*incoming)?;
                writer.u32_be(*outgoing)
            }
            Self::ThrottleConfigure {
                interval_ms,
                acceleration,
                deceleration,
            } => {
                writer.u32_be(*interval_ms)?;
                writer.u32_be(*acceleration)?;
                writer.u32_be(*deceleration)
            }
        }
    }
}

impl fmt::Display for Command<'_> {
    /// One line: the command in ENet's words, its channel and sequence number, and what it carries.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.body {
            Body::Acknowledge { .. } => "ACKNOWLEDGE",
            Body::Connect(_) => "CONNECT",
            Body::VerifyConnect(_) => "VERIFY_CONNECT",
            Body::Disconnect { .. } => "DISCONNECT",
            Body::Ping => "PING",
            Body::SendReliable { .. } => "SEND_RELIABLE",
            Body::SendUnreliable { .. } => "SEND_UNRELIABLE",
            Body::SendFragment(_) => "SEND_FRAGMENT",
            Body::SendUnsequenced { .. } => "SEND_UNSEQUENCED",
            Body::BandwidthLimit { .. } => "BANDWIDTH_LIMIT",
            Body::ThrottleConfigure { .. } => "THROTTLE_CONFIGURE",
            Body::SendUnreliableFragment(_) => "SEND_UNRELIABLE_FRAGMENT",
        };
        write!(f, "{name} channel={} seq={}", self.channel, self.sequence)?;
        match self.body {
            Body::Acknowledge {
                sequence,
                sent_time,
            } => {
                write!(f, " acknowledged={sequence} sent_time={sent_time}")
            }
            Body::Disconnect { data } => write!(f, " data={data}"),
            Body::SendUnreliable {
                unreliable_sequence,
                payload,
            } => {
                write!(
                    f,
                    " unreliable={unreliable_sequence} bytes={}",
                    payload.len()
                )
            }
            Body::SendUnsequenced { group, payload } => {
                write!(f, " group={group} bytes={}", payload.len())
            }
            Body::SendReliable { payload } => write!(f, " bytes={}", payload.len()),
            Body::SendFragment(part) | Body::SendUnreliableFragment(part) => write!(
                f,
                " start={} part={}/{} offset={} bytes={} of={}",
                part.start_sequence,
                part.number,
                part.count,
                part.offset,
                part.payload.len(),
                part.total_bytes
            ),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
