//! Two ends of a bad network that only pass packets, with the times of arrival: what tests of time need.

extern crate alloc;

use self::alloc::collections::VecDeque;
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::{Handled, Instant, Transmit};
use testkit::{Link, Machine, Network, NodeId, Pair};

/// One end.
#[derive(Debug)]
pub(crate) struct Mailbox {
    peer: SocketAddr,
    outbox: VecDeque<Vec<u8>>,
    inbox: VecDeque<(Instant, Vec<u8>)>,
}

impl Mailbox {
    const fn new(peer: SocketAddr) -> Self {
        Self {
            peer,
            outbox: VecDeque::new(),
            inbox: VecDeque::new(),
        }
    }
}

impl Machine for Mailbox {
    type Event = (Instant, Vec<u8>);
    type Drop = ();

    fn handle_datagram(
        &mut self,
        now: Instant,
        _: SocketAddr,
        _: SocketAddr,
        data: &[u8],
    ) -> Handled<()> {
        self.inbox.push_back((now, data.to_vec()));
        Handled::Consumed
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let bytes = self.outbox.pop_front()?;
        buf[..bytes.len()].copy_from_slice(&bytes);
        Some(Transmit {
            source: None,
            destination: self.peer,
            bytes: 0..bytes.len(),
        })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn poll_event(&mut self) -> Option<(Instant, Vec<u8>)> {
        self.inbox.pop_front()
    }

    fn buffer_bytes(&self) -> usize {
        1500
    }
}

/// Both ends and what is between them.
pub(crate) struct Line {
    network: Network<Mailbox>,
    pub(crate) client: NodeId,
    pub(crate) server: NodeId,
}

impl Line {
    pub(crate) fn new(seed: u64, link: Link) -> Self {
        let pair = Pair::new(
            seed,
            link,
            Mailbox::new(Pair::<Mailbox>::SERVER),
            Mailbox::new(Pair::<Mailbox>::CLIENT),
        );
        Self {
            network: pair.network,
            client: pair.client,
            server: pair.server,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.network.now()
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        self.network.run_for(duration);
    }

    /// Sends integers, as arguments of a call would.
    pub(crate) fn send(&mut self, from: NodeId, integers: &[i64]) {
        let bytes = integers.iter().flat_map(|i| i.to_le_bytes()).collect();
        self.network.machine_mut(from).outbox.push_back(bytes);
        self.network.drive();
    }

    /// What came since the last call, with the times.
    pub(crate) fn receive(&mut self, at: NodeId) -> Vec<(Instant, Vec<i64>)> {
        let packets = self.network.take_events(at).into_iter();
        packets
            .map(|(at, bytes)| {
                let integers = bytes.chunks_exact(8);
                let integers = integers.map(|chunk| i64::from_le_bytes(chunk.try_into().unwrap()));
                (at, integers.collect())
            })
            .collect()
    }
}
