//! Single datagrams that belong to no connection in the table: [`Reply`].

use super::Host;
use super::challenge::Challenge;
use crate::send::{Layout, Unsealed};
use crate::wire::{Body, CONNECTION_CHANNEL, Command, ConnectId, Header};
use alloc::collections::VecDeque;
use core::net::SocketAddr;
use core::ops::Range;
use proto_core::Writer;

/// Replies that may wait; more are dropped, since the other end asks again.
const CAPACITY: usize = 1024;

/// A datagram that is built when it leaves.
#[derive(Debug)]
pub(super) enum Reply {
    /// VERIFY_CONNECT to the half-open entry of this number and serial.
    Verify(u16, u32),
    /// What a CONNECT gets for which there is no room.
    Challenge(Challenge),
    /// An unsequenced DISCONNECT.
    Disconnect(Farewell),
    /// The acknowledgement of a DISCONNECT.
    Acknowledge(Farewell, u16),
}

/// What is needed to say a last word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Farewell {
    pub(super) destination: SocketAddr,
    pub(super) remote_id: u16,
    pub(super) session: u8,
    pub(super) connect_id: ConnectId,
    /// The number of the DISCONNECT.
    pub(super) sequence: u16,
    pub(super) data: u32,
}

/// A bounded queue of replies.
#[derive(Debug, Default)]
pub(super) struct Replies(VecDeque<Reply>);

impl Replies {
    pub(super) fn push(&mut self, reply: Reply) {
        if self.0.len() < CAPACITY {
            self.0.push_back(reply);
        }
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<Reply> {
        self.0.pop_front()
    }
}

impl Host {
    /// Writes `reply` into `buffer`, unless nobody waits for it any more.
    pub(super) fn write_reply(
        &mut self,
        reply: &Reply,
        buffer: &mut [u8],
    ) -> Option<(SocketAddr, Range<usize>)> {
        let (header, seed, destination, command) = match reply {
            Reply::Verify(id, serial) => {
                let (destination, terms, echo) = self.verify(*id, *serial)?;
                let entry = self.half_open.get_mut(*id)?;
                let header = Header {
                    peer_id: entry.offer.outgoing_peer_id,
                    // A client that is connected already, because only its answer got lost, checks this.
                    session: terms.incoming_session_id,
                    compressed: false,
                    sent_time: Some(echo),
                };
                let command = Command::connection(1, Body::VerifyConnect(terms));
                (header, terms.connect_id, destination, command)
            }
            Reply::Challenge(challenge) => (
                challenge.header(),
                challenge.connect_id,
                challenge.destination,
                challenge.command(),
            ),
            Reply::Disconnect(farewell) => {
                let command = Command {
                    acknowledge: false,
                    unsequenced: true,
                    channel: CONNECTION_CHANNEL,
                    sequence: farewell.sequence,
                    body: Body::Disconnect {
                        data: farewell.data,
                    },
                };
                (
                    farewell.header(),
                    farewell.connect_id,
                    farewell.destination,
                    command,
                )
            }
            Reply::Acknowledge(farewell, sent_time) => {
                let command = Command {
                    acknowledge: false,
                    unsequenced: false,
                    channel: CONNECTION_CHANNEL,
                    sequence: farewell.sequence,
                    body: Body::Acknowledge {
                        sequence: farewell.sequence,
                        sent_time: *sent_time,
                    },
                };
                (
                    farewell.header(),
                    farewell.connect_id,
                    farewell.destination,
                    command,
                )
            }
        };
        let layout = Layout {
            mtu_bytes: self.config.mtu_bytes,
            checksum: self.config.checksum,
        };
        let range = layout.commands();
        let start = range.start;
        let mut writer = Writer::new(buffer.get_mut(range)?);
        command.encode(&mut writer).ok()?;
        let unsealed = Unsealed {
            layout,
            header,
            seed,
            end: start + writer.at(),
        };
        let bytes = match &mut self.codec {
            None => unsealed.seal(buffer),
            Some(codec) => codec.seal(unsealed, buffer, &mut self.stats),
        };
        if let Reply::Verify(id, _) = reply
            && !self.may_answer(*id, bytes.len())
        {
            return None;
        }
        Some((destination, bytes))
    }
}

impl Farewell {
    const fn header(&self) -> Header {
        Header {
            peer_id: self.remote_id,
            session: self.session,
            compressed: false,
            sent_time: None,
        }
    }
}
