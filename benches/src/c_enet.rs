//! C ENet as an [`End`].

use crate::{Datagram, Delivery, End, Options, Progress};
use cenet::{Event, Flags, Host, Peer, Settings};
use core::net::SocketAddrV4;

/// `ENET_PEER_STATE_CONNECTED`.
const CONNECTED: i32 = 5;

/// A host of C ENet.
#[derive(Debug)]
pub struct CEnet {
    host: Host,
    slots: usize,
}

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

    fn new(address: SocketAddrV4, peers: usize, channels: usize, options: Options) -> Self {
        let settings = Settings {
            peers,
            channel_limit: channels,
            // 1.3.17 has another default than 1.3.18 and ours: make the datagrams equal.
            mtu: Some(1392),
            checksum: options.checksum,
            ..Settings::default()
        };
        let mut host = Host::new(address, &settings).expect("the settings are legal");
        if options.range_coder {
            assert!(host.compress_with_range_coder(), "no memory");
        }
        Self { host, slots: peers }
    }

    fn peers(&self) -> Vec<Peer> {
        let slots = (0..self.slots).map(Peer);
        slots
            .filter(|&slot| self.host.state(slot) == CONNECTED)
            .collect()
    }

    fn connect(&mut self, to: SocketAddrV4, channels: usize) -> Peer {
        self.host.connect(to, channels, 0).expect("a slot is free")
    }

    fn send(&mut self, peer: Peer, delivery: Delivery, payload: &[u8]) -> bool {
        self.host.send(peer, 0, Self::flags(delivery), payload)
    }

    fn broadcast(&mut self, delivery: Delivery, payload: &[u8]) {
        self.host.broadcast(0, Self::flags(delivery), payload);
    }

    fn deliver(&mut self, datagram: Datagram) {
        self.host.deliver(datagram.address, datagram.bytes);
    }

    fn service(&mut self, now_ms: u32) -> Progress {
        cenet::set_time(now_ms);
        let mut progress = Progress::default();
        loop {
            while let Some(event) = self.host.service() {
                match event {
                    Event::Received { .. } => progress.received += 1,
                    Event::Connected { .. } => progress.connected += 1,
                    Event::Disconnected { .. } => panic!("a connection was lost"),
                }
            }
            // One call reads 256 datagrams at most; the others would look late.
            if self.host.inbox_length() == 0 {
                return progress;
            }
        }
    }

    fn poll_datagram(&mut self) -> Option<Datagram> {
        let datagram = self.host.poll_datagram()?;
        Some(Datagram {
            address: datagram.address,
            bytes: datagram.bytes,
        })
    }

    fn recycle(datagram: Datagram) {
        cenet::recycle(datagram.bytes);
    }
}
