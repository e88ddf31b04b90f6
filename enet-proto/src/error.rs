//! Why a call of the application was refused. A refused call changes nothing.

/// Why [`Host::connect`](crate::Host::connect) refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address cannot be a remote: port 0, or unspecified, broadcast or multicast.
    #[error("the address cannot be a remote")]
    BadAddress,
    /// The channel count is not 1 to 255.
    #[error("the channel count is not 1 to 255")]
    BadChannelCount,
    /// All [`Config::max_peers`](crate::Config::max_peers) places are taken.
    #[error("all places for peers are taken")]
    HostFull,
}

/// Why [`Host::send`](crate::Host::send) refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The peer has fewer channels.
    #[error("the peer has only {channel_count} channels")]
    BadChannel {
        /// How many it has.
        channel_count: usize,
    },
    /// [`Limits::host_send_bytes`](crate::Limits::host_send_bytes) is reached by packets for all peers, and this one has
    /// its share: wait until peers acknowledge, or drop some.
    #[error("the send queues of all peers are full")]
    HostQueueFull,
    /// The peer is gone, still connecting, or being disconnected.
    #[error("the peer is not connected")]
    NotConnected,
    /// [`Limits::send_packets`](crate::Limits::send_packets) or `send_bytes` is reached: wait until the peer
    /// acknowledges, or drop it.
    #[error("the send queue of the peer is full")]
    QueueFull,
    /// The packet is longer than [`Limits::packet_bytes`](crate::Limits::packet_bytes), or than the 24,576 fragments
    /// that a receiver can put together.
    #[error("the packet is longer than {most_bytes} bytes")]
    TooLarge {
        /// The longest that this peer can get.
        most_bytes: usize,
    },
}

/// The request that was answered is gone: it has expired, was answered before, or made room for a newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connect request is gone")]
#[non_exhaustive]
pub struct RequestGone;
