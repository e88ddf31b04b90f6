//! C ENet as an [`End`].

use crate::{Datagram, Delivery, End, Progress};
use cenet::{Event, Flags, Host, Peer, Settings};
use core::net::SocketAddrV4;

/// A host of C ENet.
#[derive(Debug)]
pub struct CEnet(Host);

impl CEnet {
    const fn flags(delivery: Delivery) -> Flags {
        match delivery {
            Delivery::Reliable => Flags::RELIABLE,
            Delivery::Unreliable => Flags::NONE,
        }
    }
}

impl End for CEnet {
    type Peer = Peer;

    const NAME: &'static str = "C ENet";

    fn new(address: SocketAddrV4, peers: usize, channels: usize) -> Self {
        let settings = Settings {
            peers,
            channel_limit: channels,
            // 1.3.17 has another default than 1.3.18 and ours: make the datagrams equal.
            mtu: Some(1392),
            ..Settings::default()
        };
        Self(Host::new(address, &settings).expect("the settings are legal"))
    }

    fn connect(&mut self, to: SocketAddrV4, channels: usize) -> Peer {
        self.0.connect(to, channels, 0).expect("a slot is free")
    }

    fn send(&mut self, peer: Peer, delivery: Delivery, payload: &[u8]) -> bool {
        self.0.send(peer, 0, Self::flags(delivery), payload)
    }

    fn broadcast(&mut self, delivery: Delivery, payload: &[u8]) {
        self.0.broadcast(0, Self::flags(delivery), payload);
    }

    fn deliver(&mut self, datagram: Datagram) {
        self.0.deliver(datagram.address, datagram.buffer);
    }

    fn service(&mut self, now_ms: u32) -> Progress {
        cenet::set_time(now_ms);
        let mut progress = Progress::default();
        while let Some(event) = self.0.service() {
            match event {
                Event::Received { .. } => progress.received += 1,
                Event::Connected { .. } => progress.connected += 1,
                Event::Disconnected { .. } => panic!("a connection was lost"),
            }
        }
        progress
    }

    fn poll_datagram(&mut self) -> Option<Datagram> {
        let datagram = self.0.poll_datagram()?;
        Some(Datagram {
            address: datagram.address,
            range: 0..datagram.bytes.len(),
            buffer: datagram.bytes,
        })
    }

    fn recycle(datagram: Datagram) {
        cenet::recycle(datagram.buffer);
    }
}
