//! gdwire's host as an [`End`].

use crate::network::{self, Socket};
use crate::{Datagram, Delivery, End, Progress};
use bytes::Bytes;
use core::net::{SocketAddr, SocketAddrV4};
use enet_proto::{Config, DropReason, Event, Host, PacketFlags, PeerKey};
use proto_core::{Handled, Instant};

/// A host of `enet-proto`, with its default limits but for what a scenario needs.
#[derive(Debug)]
pub struct Ours {
    host: Host,
    socket: Socket,
    buffer: Vec<u8>,
    now: Instant,
}

impl Ours {
    const fn flags(delivery: Delivery) -> PacketFlags {
        match delivery {
            Delivery::Reliable => PacketFlags::RELIABLE,
            Delivery::Unreliable => PacketFlags::NONE,
        }
    }
}

impl End for Ours {
    type Peer = PeerKey;

    const NAME: &'static str = "gdwire";

    fn new(address: SocketAddrV4, peers: usize, channels: usize) -> Self {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&address.ip().octets());
        let mut config = Config::new(seed);
        config.max_peers = peers;
        config.channel_limit = channels;
        // C ENet's queue has no bound, and one scenario fills it further than our default allows.
        config.limits.send_packets = 16_384;
        config.limits.acknowledgements = 16_384;
        Self {
            host: Host::new(config).expect("the settings are legal"),
            socket: Socket::default(),
            buffer: vec![0; Host::BUFFER],
            now: Instant::from_millis(1000),
        }
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
        let now = Instant::from_millis(u64::from(now_ms));
        self.now = now;
        while let Some((from, length)) = self.socket.receive(&mut self.buffer) {
            let data = &self.buffer[..length];
            let verdict = self.host.handle_datagram(now, SocketAddr::V4(from), data);
            // On a lossy link some commands come twice, and nothing else is dropped.
            let expected = matches!(
                verdict,
                Handled::Consumed | Handled::Dropped(DropReason::Duplicate)
            );
            assert!(expected, "{verdict:?}");
        }
        if self
            .host
            .poll_timeout()
            .is_some_and(|deadline| deadline <= now)
        {
            self.host.handle_timeout(now);
        }
        let mut buffer = network::buffer(Host::BUFFER);
        while let Some(transmit) = self.host.poll_transmit(now, &mut buffer) {
            let SocketAddr::V4(address) = transmit.destination else {
                panic!("all addresses are IPv4");
            };
            let range = transmit.bytes;
            let next = network::buffer(Host::BUFFER);
            let buffer = core::mem::replace(&mut buffer, next);
            self.socket.send(Datagram {
                address,
                buffer,
                range,
            });
        }
        network::recycle(buffer);
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
        network::recycle(datagram.buffer);
    }
}
