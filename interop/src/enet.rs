//! C ENet and ours behind one set of calls, on a simulated network.

mod c_end;
mod rust_end;
mod wire;
mod world;

pub use c_end::CEnd;
pub use rust_end::RustEnd;
pub use world::{Pairing, Side, World, payload};

use core::net::SocketAddr;
use core::time::Duration;
use proto_core::{Handled, Instant, Transmit};
use testkit::Machine;

/// Makes one test of each function for each pairing of the two implementations.
#[macro_export]
macro_rules! for_each_pairing {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            use interop::enet::{Kind, Pairing};

            #[test]
            fn client_c_server_c() {
                super::$name(Pairing { client: Kind::C, server: Kind::C });
            }

            #[test]
            fn client_c_server_rust() {
                super::$name(Pairing { client: Kind::C, server: Kind::Rust });
            }

            #[test]
            fn client_rust_server_c() {
                super::$name(Pairing { client: Kind::Rust, server: Kind::C });
            }

            #[test]
            fn client_c_server_reference() {
                super::$name(Pairing { client: Kind::C, server: Kind::Reference });
            }

            #[test]
            fn client_reference_server_c() {
                super::$name(Pairing { client: Kind::Reference, server: Kind::C });
            }

            #[test]
            fn client_rust_server_rust() {
                super::$name(Pairing { client: Kind::Rust, server: Kind::Rust });
            }
        }
    )*};
}

/// Which implementation a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// C ENet.
    C,
    /// `enet_proto::Host` with its hardened defaults.
    Rust,
    /// `enet_proto::Host` with C ENet's own numbers.
    Reference,
}

/// How a packet is sent, numbered as in C ENet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// Unreliable and sequenced; fragments are reliable.
    pub const NONE: Self = Self(0);
    /// Reliable and in order.
    pub const RELIABLE: Self = Self(1);
    /// Unreliable, in no order.
    pub const UNSEQUENCED: Self = Self(2);
    /// Unreliable and sequenced, fragments too.
    pub const UNRELIABLE_FRAGMENT: Self = Self(8);
    /// What Godot uses for unreliable calls: unsequenced, fragments unreliable.
    pub const GODOT_UNRELIABLE: Self = Self(10);
}

/// The settings that both implementations have.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Slots for peers.
    pub peers: usize,
    /// Channels granted to who connects.
    pub channel_limit: usize,
    /// Bytes per second, 0 for unlimited.
    pub incoming_bandwidth: u32,
    /// Bytes per second, 0 for unlimited.
    pub outgoing_bandwidth: u32,
    /// Largest datagram in bytes.
    pub mtu: u16,
    /// Whether datagrams carry CRC-32.
    pub checksum: bool,
    /// Whether datagrams are compressed with ENet's range coder.
    pub range_coder: bool,
    /// Of connect ids and whatever else is random.
    pub seed: u8,
    /// What C ENet's clock shows at the start, in milliseconds.
    pub clock: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            peers: 4,
            channel_limit: 255,
            incoming_bandwidth: 0,
            outgoing_bandwidth: 0,
            mtu: 1392,
            checksum: false,
            range_coder: false,
            seed: 1,
            clock: 10_000,
        }
    }
}

/// What a host reports, the same for both implementations. Peers are named by their slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A connection is up.
    Connected {
        /// Its slot.
        peer: usize,
        /// What the other end gave to its connect call.
        data: u32,
    },
    /// A packet arrived.
    Received {
        /// Who sent it.
        peer: usize,
        /// On which channel.
        channel: u8,
        /// The flags of the command that carried it.
        flags: Flags,
        /// Its bytes.
        payload: Vec<u8>,
    },
    /// A connection is gone.
    Disconnected {
        /// Its slot.
        peer: usize,
        /// What the other end gave to its disconnect call, else 0.
        data: u32,
    },
}

/// The ways to end a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With an answer.
    Graceful,
    /// One datagram, no answer.
    Now,
    /// After everything queued has arrived.
    Later,
    /// Without a word.
    Reset,
}

/// A host of either implementation.
#[derive(Debug)]
pub enum End {
    /// C ENet.
    C(CEnd),
    /// Ours.
    Rust(Box<RustEnd>),
}

macro_rules! forward {
    ($self:ident, $end:ident => $call:expr) => {
        match $self {
            End::C($end) => $call,
            End::Rust($end) => $call,
        }
    };
}

impl End {
    /// A host of the given kind.
    ///
    /// # Panics
    /// When it refuses the settings, or `address` is not IPv4.
    #[must_use]
    pub fn new(kind: Kind, address: SocketAddr, settings: &Settings) -> Self {
        match kind {
            Kind::C => Self::C(CEnd::new(address, settings)),
            Kind::Rust => Self::Rust(Box::new(RustEnd::new(enet_proto::Config::new, settings))),
            Kind::Reference => Self::Rust(Box::new(RustEnd::new(
                enet_proto::Config::reference,
                settings,
            ))),
        }
    }

    /// Starts a connection and gives its slot.
    pub fn connect(
        &mut self,
        now: Instant,
        address: SocketAddr,
        channels: usize,
        data: u32,
    ) -> Option<usize> {
        forward!(self, end => end.connect(now, address, channels, data))
    }

    /// Queues a packet; whether it was taken.
    pub fn send(&mut self, peer: usize, channel: u8, flags: Flags, payload: &[u8]) -> bool {
        forward!(self, end => end.send(peer, channel, flags, payload))
    }

    /// Queues a packet for all connected peers.
    pub fn broadcast(&mut self, channel: u8, flags: Flags, payload: &[u8]) {
        forward!(self, end => end.broadcast(channel, flags, payload));
    }

    /// Ends a connection.
    pub fn end(&mut self, peer: usize, ending: Ending, data: u32) {
        forward!(self, end => end.end(peer, ending, data));
    }

    /// Queues a ping.
    pub fn ping(&mut self, peer: usize) {
        forward!(self, end => end.ping(peer));
    }

    /// Sets the time between pings of an idle link.
    pub fn set_ping_interval(&mut self, peer: usize, interval: Duration) {
        forward!(self, end => end.set_ping_interval(peer, interval));
    }

    /// Sets timeout limit, minimum and maximum.
    pub fn set_timeouts(&mut self, peer: usize, limit: u32, minimum: Duration, maximum: Duration) {
        forward!(self, end => end.set_timeouts(peer, limit, minimum, maximum));
    }

    /// Configures the throttle of a link.
    pub fn configure_throttle(&mut self, peer: usize, interval: Duration, up: u32, down: u32) {
        forward!(self, end => end.configure_throttle(peer, interval, up, down));
    }

    /// Sets the limits of the host in bytes per second.
    pub fn set_bandwidth(&mut self, incoming: u32, outgoing: u32) {
        forward!(self, end => end.set_bandwidth(incoming, outgoing));
    }

    /// How many channels a connection has.
    #[must_use]
    pub fn channel_count(&self, peer: usize) -> usize {
        forward!(self, end => end.channel_count(peer))
    }

    /// How often each command number was sent so far.
    #[must_use]
    pub fn sent_commands(&self) -> [u64; 16] {
        forward!(self, end => end.wire().commands)
    }

    /// The largest datagram sent so far, in bytes.
    #[must_use]
    pub fn largest_datagram(&self) -> usize {
        forward!(self, end => end.wire().largest)
    }

    /// How many of the datagrams sent so far were compressed.
    #[must_use]
    pub fn sent_compressed(&self) -> u64 {
        forward!(self, end => end.wire().compressed)
    }

    /// The first word of the last datagram that was sent: peer id, session and flags.
    #[must_use]
    pub fn last_header(&self) -> u16 {
        forward!(self, end => end.wire().last_header)
    }

    /// C ENet's own structure of a slot.
    ///
    /// # Panics
    /// When the host is not C ENet.
    #[must_use]
    pub fn c_slot(&self, peer: usize) -> &cenet::ffi::Peer {
        match self {
            Self::C(end) => end.slot(peer),
            Self::Rust(_) => panic!("not C ENet"),
        }
    }

    /// Our host.
    ///
    /// # Panics
    /// When the host is C ENet.
    #[must_use]
    pub fn rust(&self) -> &RustEnd {
        match self {
            Self::C(_) => panic!("not ours"),
            Self::Rust(end) => end,
        }
    }
}

impl Machine for End {
    type Event = Event;
    type Drop = String;

    fn handle_datagram(
        &mut self,
        now: Instant,
        _local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<String> {
        forward!(self, end => end.handle_datagram(now, from, data))
    }

    fn handle_timeout(&mut self, now: Instant) {
        forward!(self, end => end.handle_timeout(now));
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        forward!(self, end => end.poll_transmit(now, buf))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        forward!(self, end => end.poll_timeout())
    }

    fn poll_event(&mut self) -> Option<Event> {
        forward!(self, end => end.poll_event())
    }

    fn buffer_bytes(&self) -> usize {
        4100
    }
}
