//! C ENet 1.3 as a deterministic machine: no socket, no clock, only datagrams in and out.
//!
//! The library is the one that the system installs (`libenet`); its platform layer is replaced by
//! queues and a clock in memory, both local to the thread.
//!
//! ```
//! use cenet::{Event, Flags, Host, Settings};
//!
//! let server_address = "10.0.0.1:7000".parse().unwrap();
//! let mut server = Host::new(server_address, &Settings::default()).unwrap();
//! let mut client = Host::new("10.0.0.2:7000".parse().unwrap(), &Settings::default()).unwrap();
//! let peer = client.connect(server_address, 2, 7).unwrap();
//! let mut received = None;
//! for now in 0..50 {
//!     cenet::set_time(1000 + now);
//!     while let Some(event) = client.service() {
//!         if matches!(event, Event::Connected { .. }) {
//!             assert!(client.send(peer, 0, Flags::RELIABLE, b"hello"));
//!         }
//!     }
//!     cenet::carry(&mut client, &mut server);
//!     while let Some(event) = server.service() {
//!         if let Event::Received { packet, .. } = event {
//!             received = Some(packet.to_vec());
//!         }
//!     }
//!     cenet::carry(&mut server, &mut client);
//! }
//! assert_eq!(received.as_deref(), Some(&b"hello"[..]));
//! ```

pub mod ffi;
mod platform;
mod range_coder;

use core::ops::{BitOr, Deref};
use core::ptr::NonNull;
use std::net::SocketAddrV4;

pub use platform::Datagram;
pub use range_coder::RangeCoder;

/// Sets the clock that all hosts of this thread read, in milliseconds with any origin.
///
/// ENet takes 0 for "unset" in a few places: start above it.
pub fn set_time(milliseconds: u32) {
    platform::set_time(milliseconds);
}

/// The time in milliseconds that the hosts of this thread see.
#[must_use]
pub fn time() -> u32 {
    platform::time()
}

/// The version of the library: major, minor, patch.
#[must_use]
pub fn version() -> (u32, u32, u32) {
    // SAFETY: no preconditions.
    let version = unsafe { ffi::enet_linked_version() };
    (version >> 16 & 0xFF, version >> 8 & 0xFF, version & 0xFF)
}

/// Moves everything that `from` has sent into `to`, whatever its destination; gives the count.
pub fn carry(from: &mut Host, to: &mut Host) -> usize {
    let source = from.address();
    let mut count = 0;
    while let Some(datagram) = from.poll_datagram() {
        to.deliver(source, datagram.bytes);
        count += 1;
    }
    count
}

/// An empty buffer from this thread's pool of used ones, for [`Host::deliver`].
#[must_use]
pub fn buffer() -> Vec<u8> {
    platform::spare_buffer()
}

/// Gives the buffer of a datagram back to this thread's pool.
pub fn recycle(buffer: Vec<u8>) {
    platform::recycle(buffer);
}

/// How a packet is sent (`ENetPacketFlag`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// Unreliable and sequenced.
    pub const NONE: Self = Self(0);
    /// Reliable and in order.
    pub const RELIABLE: Self = Self(1);
    /// Unreliable, in no order.
    pub const UNSEQUENCED: Self = Self(2);
    /// Too large a packet is fragmented unreliably.
    pub const UNRELIABLE_FRAGMENT: Self = Self(8);

    /// Whether all of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The settings of a host; the defaults are those of C ENet.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Slots for peers, 1 to 4095.
    pub peers: usize,
    /// Channels granted to who connects, 0 for 255.
    pub channel_limit: usize,
    /// Bytes per second, 0 for unlimited.
    pub incoming_bandwidth: u32,
    /// Bytes per second, 0 for unlimited.
    pub outgoing_bandwidth: u32,
    /// Bytes, 576 to 4096; none keeps the library's default.
    pub mtu: Option<u32>,
    /// Whether datagrams carry CRC-32.
    pub checksum: bool,
    /// Start of the sequence of connect ids.
    pub seed: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            peers: 1,
            channel_limit: 0,
            incoming_bandwidth: 0,
            outgoing_bandwidth: 0,
            mtu: None,
            checksum: false,
            seed: 1,
        }
    }
}

/// A slot in the peer table of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Peer(pub usize);

/// What [`Host::service`] reports.
#[derive(Debug)]
pub enum Event {
    /// A connection is up.
    Connected {
        /// Its slot.
        peer: Peer,
        /// What the other end gave to its connect call.
        data: u32,
    },
    /// A connection is gone: closed by either side, or timed out.
    Disconnected {
        /// Its slot, free from now on.
        peer: Peer,
        /// What the other end gave to its disconnect call, else 0.
        data: u32,
    },
    /// A packet arrived.
    Received {
        /// Who sent it.
        peer: Peer,
        /// On which channel.
        channel: u8,
        /// Its bytes and flags.
        packet: Packet,
    },
}

/// A received packet; dereferences to its bytes.
#[derive(Debug)]
pub struct Packet(NonNull<ffi::Packet>);

impl Packet {
    /// The flags of the command that carried it.
    #[must_use]
    pub fn flags(&self) -> Flags {
        // SAFETY: the packet is ours until it is dropped.
        Flags(unsafe { self.0.as_ref() }.flags)
    }
}

impl Deref for Packet {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: as above.
        let packet = unsafe { self.0.as_ref() };
        if packet.data_length == 0 {
            return &[];
        }
        // SAFETY: ENet allocated `data_length` bytes and filled them.
        unsafe { core::slice::from_raw_parts(packet.data, packet.data_length) }
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        // SAFETY: the event gave us the only reference.
        unsafe { ffi::enet_packet_destroy(self.0.as_ptr()) };
    }
}

/// A C ENet host on the network in memory.
#[derive(Debug)]
pub struct Host {
    host: NonNull<ffi::Host>,
}

impl Host {
    /// A host at `address`, or none when the library refuses the settings.
    #[must_use]
    pub fn new(address: SocketAddrV4, settings: &Settings) -> Option<Self> {
        let address = platform::to_enet(address);
        // SAFETY: the address lives through the call.
        let host = unsafe {
            ffi::enet_host_create(
                &raw const address,
                settings.peers,
                settings.channel_limit,
                settings.incoming_bandwidth,
                settings.outgoing_bandwidth,
            )
        };
        let mut this = Self {
            host: NonNull::new(host)?,
        };
        let raw = this.raw_mut();
        assert!(
            raw.socket >= platform::FIRST_SOCKET,
            "libenet opened a real socket: its platform layer is not ours"
        );
        // The library mixes in an address of its memory, which differs from run to run.
        raw.random_seed = settings.seed;
        if let Some(mtu) = settings.mtu {
            raw.mtu = mtu;
            for slot in 0..settings.peers {
                this.slot_mut(Peer(slot)).mtu = mtu;
            }
        }
        if settings.checksum {
            this.raw_mut().checksum = Some(ffi::enet_crc32);
        }
        Some(this)
    }

    /// The library's own structure.
    #[must_use]
    pub fn raw(&self) -> &ffi::Host {
        // SAFETY: the host lives until it is dropped.
        unsafe { self.host.as_ref() }
    }

    fn raw_mut(&mut self) -> &mut ffi::Host {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { self.host.as_mut() }
    }

    /// The library's own structure of a slot.
    ///
    /// # Panics
    /// When there is no such slot.
    #[must_use]
    pub fn slot(&self, peer: Peer) -> &ffi::Peer {
        // SAFETY: `peer_pointer` checked the index.
        unsafe { &*self.peer_pointer(peer) }
    }

    fn slot_mut(&mut self, peer: Peer) -> &mut ffi::Peer {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { &mut *self.peer_pointer(peer) }
    }

    fn peer_pointer(&self, peer: Peer) -> *mut ffi::Peer {
        let host = self.raw();
        assert!(peer.0 < host.peer_count, "no slot {}", peer.0);
        // SAFETY: the table has `peer_count` entries.
        unsafe { host.peers.add(peer.0) }
    }

    fn peer_of(&self, pointer: *mut ffi::Peer) -> Peer {
        // SAFETY: events name entries of the table.
        Peer(usize::from(unsafe { &*pointer }.incoming_peer_id))
    }

    /// Where this host receives.
    #[must_use]
    pub fn address(&self) -> SocketAddrV4 {
        platform::from_enet(self.raw().address)
    }

    /// Puts a datagram into the host's inbox; the next [`Host::service`] calls read it.
    pub fn deliver(&mut self, from: SocketAddrV4, bytes: Vec<u8>) {
        platform::push_inbox(
            self.raw().socket,
            Datagram {
                address: from,
                bytes,
            },
        );
    }

    /// The next datagram that the host has sent.
    pub fn poll_datagram(&mut self) -> Option<Datagram> {
        platform::pop_outbox(self.raw().socket)
    }

    /// Datagrams that were delivered and not read yet.
    #[must_use]
    pub fn inbox_length(&self) -> usize {
        platform::inbox_length(self.raw().socket)
    }

    /// Starts a connection (`enet_host_connect`); none when no slot is free.
    pub fn connect(&mut self, address: SocketAddrV4, channels: usize, data: u32) -> Option<Peer> {
        let address = platform::to_enet(address);
        // SAFETY: host and address live through the call.
        let peer = unsafe {
            ffi::enet_host_connect(self.host.as_ptr(), &raw const address, channels, data)
        };
        (!peer.is_null()).then(|| self.peer_of(peer))
    }

    /// Sends and receives what is due at the present time; gives the next event
    /// (`enet_host_service` without waiting). Call until it gives none.
    pub fn service(&mut self) -> Option<Event> {
        self.event_from(|host, event| {
            // SAFETY: both live through the call.
            unsafe { ffi::enet_host_service(host, event, 0) }
        })
    }

    /// The next event that needs no network (`enet_host_check_events`).
    pub fn poll_event(&mut self) -> Option<Event> {
        self.event_from(|host, event| {
            // SAFETY: both live through the call.
            unsafe { ffi::enet_host_check_events(host, event) }
        })
    }

    fn event_from(
        &mut self,
        call: impl FnOnce(*mut ffi::Host, *mut ffi::Event) -> i32,
    ) -> Option<Event> {
        let mut event = ffi::Event {
            kind: ffi::EVENT_NONE,
            peer: core::ptr::null_mut(),
            channel_id: 0,
            data: 0,
            packet: core::ptr::null_mut(),
        };
        if call(self.host.as_ptr(), &raw mut event) <= 0 {
            return None;
        }
        let peer = self.peer_of(event.peer);
        match event.kind {
            ffi::EVENT_CONNECT => Some(Event::Connected {
                peer,
                data: event.data,
            }),
            ffi::EVENT_DISCONNECT => Some(Event::Disconnected {
                peer,
                data: event.data,
            }),
            ffi::EVENT_RECEIVE => {
                let packet = Packet(NonNull::new(event.packet)?);
                Some(Event::Received {
                    peer,
                    channel: event.channel_id,
                    packet,
                })
            }
            _ => None,
        }
    }

    /// Sends what is queued (`enet_host_flush`).
    pub fn flush(&mut self) {
        // SAFETY: the host lives.
        unsafe { ffi::enet_host_flush(self.host.as_ptr()) };
    }

    /// Queues a copy of `payload`; false when the library refuses it (`enet_peer_send`).
    pub fn send(&mut self, peer: Peer, channel: u8, flags: Flags, payload: &[u8]) -> bool {
        let peer = self.peer_pointer(peer);
        let packet = create_packet(flags, payload);
        // SAFETY: the peer is in the table; a refused packet stays ours and is destroyed.
        unsafe {
            let taken = ffi::enet_peer_send(peer, channel, packet) == 0;
            if !taken {
                ffi::enet_packet_destroy(packet);
            }
            taken
        }
    }

    /// Queues one copy of `payload` for all connected peers (`enet_host_broadcast`).
    pub fn broadcast(&mut self, channel: u8, flags: Flags, payload: &[u8]) {
        let packet = create_packet(flags, payload);
        // SAFETY: the library takes the packet over.
        unsafe { ffi::enet_host_broadcast(self.host.as_ptr(), channel, packet) };
    }

    /// Closes with an answer (`enet_peer_disconnect`).
    pub fn disconnect(&mut self, peer: Peer, data: u32) {
        // SAFETY: the peer is in the table.
        unsafe { ffi::enet_peer_disconnect(self.peer_pointer(peer), data) };
    }

    /// Closes at once, one datagram, no event (`enet_peer_disconnect_now`).
    pub fn disconnect_now(&mut self, peer: Peer, data: u32) {
        // SAFETY: the peer is in the table.
        unsafe { ffi::enet_peer_disconnect_now(self.peer_pointer(peer), data) };
    }

    /// Closes after all queued packets are delivered (`enet_peer_disconnect_later`).
    pub fn disconnect_later(&mut self, peer: Peer, data: u32) {
        // SAFETY: the peer is in the table.
        unsafe { ffi::enet_peer_disconnect_later(self.peer_pointer(peer), data) };
    }

    /// Forgets the peer without a word (`enet_peer_reset`).
    pub fn reset(&mut self, peer: Peer) {
        // SAFETY: the peer is in the table.
        unsafe { ffi::enet_peer_reset(self.peer_pointer(peer)) };
    }

    /// Queues a ping (`enet_peer_ping`).
    pub fn ping(&mut self, peer: Peer) {
        // SAFETY: the peer is in the table.
        unsafe { ffi::enet_peer_ping(self.peer_pointer(peer)) };
    }

    /// Milliseconds between pings of an idle link (`enet_peer_ping_interval`).
    pub fn set_ping_interval(&mut self, peer: Peer, milliseconds: u32) {
        // SAFETY: the peer is in the table.
        unsafe { ffi::enet_peer_ping_interval(self.peer_pointer(peer), milliseconds) };
    }

    /// Timeout limit, and minimum and maximum in milliseconds (`enet_peer_timeout`).
    pub fn set_timeouts(&mut self, peer: Peer, limit: u32, minimum: u32, maximum: u32) {
        // SAFETY: the peer is in the table.
        unsafe { ffi::enet_peer_timeout(self.peer_pointer(peer), limit, minimum, maximum) };
    }

    /// Interval in milliseconds, and the two steps (`enet_peer_throttle_configure`).
    pub fn configure_throttle(
        &mut self,
        peer: Peer,
        interval: u32,
        acceleration: u32,
        deceleration: u32,
    ) {
        // SAFETY: the peer is in the table.
        unsafe {
            ffi::enet_peer_throttle_configure(
                self.peer_pointer(peer),
                interval,
                acceleration,
                deceleration,
            );
        }
    }

    /// Bytes per second, 0 for unlimited (`enet_host_bandwidth_limit`).
    pub fn set_bandwidth(&mut self, incoming: u32, outgoing: u32) {
        // SAFETY: the host lives.
        unsafe { ffi::enet_host_bandwidth_limit(self.host.as_ptr(), incoming, outgoing) };
    }

    /// Channels granted from now on (`enet_host_channel_limit`).
    pub fn set_channel_limit(&mut self, limit: usize) {
        // SAFETY: the host lives.
        unsafe { ffi::enet_host_channel_limit(self.host.as_ptr(), limit) };
    }

    /// Switches the range coder on; false when memory is short.
    pub fn compress_with_range_coder(&mut self) -> bool {
        // SAFETY: the host lives.
        unsafe { ffi::enet_host_compress_with_range_coder(self.host.as_ptr()) == 0 }
    }

    /// The state of a slot, numbered as `ENetPeerState`: 0 disconnected, 5 connected, 9 zombie.
    #[must_use]
    pub fn state(&self, peer: Peer) -> i32 {
        self.slot(peer).state
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // SAFETY: nobody else has the pointer.
        unsafe { ffi::enet_host_destroy(self.host.as_ptr()) };
    }
}

fn create_packet(flags: Flags, payload: &[u8]) -> *mut ffi::Packet {
    // SAFETY: the library copies `payload`.
    let packet =
        unsafe { ffi::enet_packet_create(payload.as_ptr().cast(), payload.len(), flags.0) };
    assert!(!packet.is_null(), "libenet is out of memory");
    packet
}
