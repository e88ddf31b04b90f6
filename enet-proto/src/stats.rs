//! Counters: what a host has done, and what it refused to do.

use core::time::Duration;

/// Why a datagram, or the rest of one from some command on, had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum DropReason {
    /// More connections from one address than [`Limits`](crate::Limits) allow.
    #[error("too many connections from this address")]
    AddressLimit,
    /// The source cannot be a remote: port 0, unspecified, broadcast or multicast.
    #[error("the source address cannot be a remote")]
    BadAddress,
    /// The channel does not exist in this connection.
    #[error("no such channel")]
    BadChannel,
    /// A CONNECT asks for 0 or more than 255 channels.
    #[error("illegal channel count")]
    BadChannelCount,
    /// The checksum does not fit: other settings, damage, or forgery.
    #[error("wrong checksum")]
    BadChecksum,
    /// It is compressed, and does not decompress to a datagram: another compressor, damage, or a bomb.
    #[error("cannot be decompressed")]
    BadCompression,
    /// The fields of a fragment contradict each other or earlier fragments.
    #[error("contradictory fragment")]
    BadFragment,
    /// A CONNECT names an illegal number for its sender.
    #[error("illegal peer id")]
    BadPeerId,
    /// It was received before, and acknowledged again.
    #[error("duplicate")]
    Duplicate,
    /// All places for peers are taken.
    #[error("all places are taken")]
    HostFull,
    /// The memory that all peers share is taken, and the peer has its share; a reliable sender tries again.
    #[error("the memory for all peers is taken")]
    HostLimit,
    /// A half-open connection made room for one whose address is proven.
    #[error("the table of half-open connections is full")]
    HalfOpenLimit,
    /// It wants an acknowledgement and gives no sent time.
    #[error("no sent time to acknowledge")]
    NoSentTime,
    /// It is compressed and this host has no compressor.
    #[error("compressed for a host without a compressor")]
    NotCompressed,
    /// It belongs to a connection, and its sender has none.
    #[error("not connected")]
    NotConnected,
    /// A datagram above 4096 bytes.
    #[error("datagram too large")]
    Oversize,
    /// Its sequence number is outside the receive window, or it is a DISCONNECT whose number cannot be the next.
    #[error("outside the window")]
    OutsideWindow,
    /// A receive limit of the peer is reached; a reliable sender tries again.
    #[error("a receive limit is reached")]
    ReceiveLimit,
    /// An unreliable packet older than one that was delivered.
    #[error("stale")]
    Stale,
    /// A packet or a number of fragments beyond the limit.
    #[error("packet too large")]
    TooLarge,
    /// Bytes behind a CONNECT.
    #[error("trailing bytes")]
    Trailing,
    /// The input ends inside a header or command.
    #[error("truncated")]
    Truncated,
    /// It acknowledges nothing that is in flight, or with a time at which that was not sent.
    #[error("acknowledges nothing")]
    UnknownAck,
    /// A command number that ENet does not have.
    #[error("unknown command")]
    UnknownCommand,
    /// No connection has this number.
    #[error("unknown peer")]
    UnknownPeer,
    /// The command is legal, but not now.
    #[error("unexpected command")]
    UnexpectedCommand,
    /// The number belongs to a connection with another address.
    #[error("wrong source address")]
    WrongAddress,
    /// The number belongs to a newer connection.
    #[error("wrong session")]
    WrongSession,
}

impl DropReason {
    /// How many reasons there are.
    pub(crate) const COUNT: usize = Self::WrongSession as usize + 1;
}

/// Counters of a host since it was made.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams received, good or bad.
    pub datagrams_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Datagrams sent.
    pub datagrams_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Connections that were completed.
    pub connects: u64,
    /// CONNECTs that found the table of half-open connections full and were answered with a challenge.
    pub challenges_sent: u64,
    /// Answers to challenges that proved an address.
    pub challenges_met: u64,
    /// Datagrams that cannot be of this protocol.
    pub foreign: u64,
    /// Reliable commands that were sent again.
    pub retransmissions: u64,
    /// Unreliable packets that the throttle dropped before they were sent.
    pub throttled: u64,
    /// Incomplete or late unreliable packets that were dropped inside.
    pub unreliable_evicted: u64,
    /// Datagrams sent compressed; those that do not shrink leave as they are.
    pub compressed_sent: u64,
    /// Bytes that this kept off the wire.
    pub compressed_sent_saved: u64,
    /// Datagrams received compressed, of those that could be decompressed.
    pub compressed_received: u64,
    /// Bytes by which they grew.
    pub compressed_received_added: u64,
    pub(crate) dropped: [u64; DropReason::COUNT],
}

impl Stats {
    /// How often something was dropped for `reason`.
    #[must_use]
    pub const fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    /// How often anything was dropped.
    #[must_use]
    pub fn dropped_in_all(&self) -> u64 {
        self.dropped
            .iter()
            .fold(0, |sum, &count| sum.saturating_add(count))
    }

    pub(crate) const fn drop(&mut self, reason: DropReason) {
        let count = &mut self.dropped[reason as usize];
        *count = count.saturating_add(1);
    }
}

/// Figures of one connection.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct PeerStats {
    /// Smoothed time from a reliable command to its acknowledgement; 500 ms before the first.
    pub round_trip: Duration,
    /// Smoothed deviation of it.
    pub round_trip_variance: Duration,
    /// Share of sent commands that had to be sent again, 0 to 1, averaged over intervals of 10 s.
    pub packet_loss: f32,
    /// Deviation of that share.
    pub packet_loss_variance: f32,
    /// Share of unreliable packets that the throttle lets through, in 32nds.
    pub packet_throttle: u32,
    /// Packets that are queued or unacknowledged.
    pub queued_packets: usize,
    /// Their bytes.
    pub queued_bytes: usize,
    /// Bytes of reliable packets in flight.
    pub bytes_in_flight: usize,
    /// Bytes that incoming packets of this peer hold inside the host, overhead included.
    pub held_bytes: usize,
    /// Datagrams received from it.
    pub datagrams_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Datagrams sent to it.
    pub datagrams_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
}
