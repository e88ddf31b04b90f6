//! The same work done by gdwire's ENet host and by C ENet, both ends of a connection in one thread.
//!
//! A scenario is written once, over the trait [`End`], so both sides get the same calls and the same
//! batches. The network is in memory and costs both the same: one copy of each datagram into a buffer
//! of the network, as a send call makes, and one into the receiver.

pub mod allocation;
mod c_enet;
pub mod coder;
pub mod ice;
mod network;
mod ours;
pub mod scenario;
pub mod scene;
pub mod sockets;
pub mod stun;
pub mod values;

pub use c_enet::CEnet;
pub use network::Datagram;
pub use ours::Ours;

use core::fmt::Debug;
use core::net::SocketAddrV4;

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Retransmitted until acknowledged, in order.
    Reliable,
    /// Sent once, in order.
    Unreliable,
}

/// What happened in one [`End::service`] call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Messages that were received.
    pub received: usize,
    /// Connections that came up.
    pub connected: usize,
}

/// How the hosts of a scenario are set up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether datagrams carry a CRC-32.
    pub checksum: bool,
    /// Whether datagrams are compressed with ENet's range coder.
    pub range_coder: bool,
    /// Whether our limits on queues are raised above their defaults; C ENet has none.
    pub deep_queues: bool,
}

/// One host, of either implementation.
pub trait End: Sized {
    /// A connection of the host.
    type Peer: Copy + Debug;

    /// How the table calls this implementation.
    const NAME: &'static str;

    /// A host at `address` for so many peers, of which each may use `channels`.
    fn new(address: SocketAddrV4, peers: usize, channels: usize, options: Options) -> Self;

    /// The connections that the host has.
    fn peers(&self) -> Vec<Self::Peer>;

    /// Starts a connection.
    fn connect(&mut self, to: SocketAddrV4, channels: usize) -> Self::Peer;

    /// Queues a message on channel 0; whether it was taken.
    fn send(&mut self, peer: Self::Peer, delivery: Delivery, payload: &[u8]) -> bool;

    /// Queues a message on channel 0 for every connected peer.
    fn broadcast(&mut self, delivery: Delivery, payload: &[u8]);

    /// Puts a datagram from `datagram.address` into the inbox.
    fn deliver(&mut self, datagram: Datagram);

    /// Reads the inbox, runs timers, writes the outbox and takes all events, at `now_ms`.
    fn service(&mut self, now_ms: u32) -> Progress;

    /// The next datagram of the outbox.
    fn poll_datagram(&mut self) -> Option<Datagram>;

    /// Takes the buffer of a datagram back that is not delivered.
    fn recycle(datagram: Datagram);
}
