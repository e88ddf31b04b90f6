//! gdwire's host as an [`End`].

use crate::network::{self, Socket};
use crate::{Datagram, Delivery, End, Options, Progress};
use bytes::Bytes;
use core::cell::RefCell;
use core::net::{SocketAddr, SocketAddrV4};
use enet_proto::compress::Compression;
use enet_proto::{Config, DropReason, Event, Host, PacketFlags, PeerKey};
use proto_core::{Handled, Instant};

thread_local! {
    /// What the driver of all hosts lends them for one datagram at a time.
    static BUFFER: RefCell<[u8; Host::BUFFER]> = const { RefCell::new([0; Host::BUFFER]) };
}

/// A host of `enet-proto`.
#[derive(Debug)]
pub struct Ours {
    host: Host,
    socket: Socket,
    now: Instant,
}

impl Ours {
    const fn flags(delivery: Delivery) -> PacketFlags {
        match delivery {
            Delivery::Reliable => PacketFlags::RELIABLE,
            Delivery::Unreliable => PacketFlags::NONE,
        }
    }

    fn receive(&mut self, buffer: &mut [u8]) {
        while let Some((from, length)) = self.socket.receive(buffer) {
            let data = &buffer[..length];
            let verdict = self
                .host
                .handle_datagram(self.now, SocketAddr::V4(from), data);
            // On a lossy link some commands come twice, and nothing else is dropped.
            let expected = matches!(
                verdict,
                Handled::Consumed | Handled::Dropped(DropReason::Duplicate)
            );
            assert!(expected, "{verdict:?}");
        }
    }

    fn transmit(&mut self, buffer: &mut [u8]) {
        let due = self.host.poll_timeout();
        if due.is_some_and(|deadline| deadline <= self.now) {
            self.host.handle_timeout(self.now);
        }
        while let Some(transmit) = self.host.poll_transmit(self.now, buffer) {
            let SocketAddr::V4(address) = transmit.destination else {
                panic!("all addresses are IPv4");
            };
            self.socket.send(address, &buffer[transmit.bytes]);
        }
    }
}

impl End for Ours {
    type Peer = PeerKey;

    const NAME: &'static str = "gdwire";

    fn new(address: SocketAddrV4, peers: usize, channels: usize, options: Options) -> Self {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&address.ip().octets());
        let mut config = Config::new(seed);
        config.max_peers = peers;
        config.channel_limit = channels;
        config.checksum = options.checksum;
        if options.range_coder {
            config.compression = Compression::RangeCoder;
        }
        if options.deep_queues {
            config.limits.send_packets = 16_384;
            config.limits.acknowledgements = 16_384;
        }
        Self {
            host: Host::new(config).expect("the settings are legal"),
            socket: Socket::default(),
            now: Instant::from_millis(1000),
        }
    }

    fn peers(&self) -> Vec<PeerKey> {
        self.host.peers().collect()
    }

    fn connect(&mut self, to: SocketAddrV4, channels: usize) -> PeerKey {
        self.host
            .connect(self.now, SocketAddr::V4(to), channels, 0)
            .expect("a slot is free")
    }

    fn send(&mut self, peer: PeerKey, delivery: Delivery, payload: &[u8]) -> bool {
        let payload = Bytes::copy_from_slice(payload);
        let flags = Self::flags(delivery);
        self.host.send(peer, 0, flags, payload).is_ok()
    }

    fn broadcast(&mut self, delivery: Delivery, payload: &[u8]) {
        let payload = Bytes::copy_from_slice(payload);
        self.host.broadcast(0, Self::flags(delivery), &payload);
    }

    fn deliver(&mut self, datagram: Datagram) {
        self.socket.deliver(datagram);
    }

    fn service(&mut self, now_ms: u32) -> Progress {
        self.now = Instant::from_millis(u64::from(now_ms));
        BUFFER.with_borrow_mut(|buffer| {
            self.receive(buffer);
            self.transmit(buffer);
        });
        let mut progress = Progress::default();
        while let Some(event) = self.host.poll_event() {
            match event {
                Event::Received { .. } => progress.received += 1,
                Event::Connected { .. } => progress.connected += 1,
                other => panic!("unexpected {other:?}"),
            }
        }
        progress
    }

    fn poll_datagram(&mut self) -> Option<Datagram> {
        self.socket.poll()
    }

    fn recycle(datagram: Datagram) {
        network::recycle(datagram.bytes);
    }
}
