//! ENet hosts in memory under virtual time: [`Network`].

use alloc::collections::VecDeque;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use enet_proto::{Event, Host, PeerKey};
use proto_core::{Handled, Instant};

/// More rounds of answers to answers than this without a pause count as an endless conversation.
const ROUNDS: usize = 10_000;

/// A datagram under way.
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

/// Hosts by number, datagrams under way between them, and what the hosts told.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) now: Instant,
    pub(crate) hosts: Vec<Host>,
    pub(crate) wire: VecDeque<Datagram>,
    pub(crate) events: Vec<(usize, Event)>,
    buffer: Vec<u8>,
}

impl Network {
    pub(crate) fn new(hosts: Vec<Host>) -> Self {
        Self {
            now: Instant::from_millis(1000),
            hosts,
            wire: VecDeque::new(),
            events: Vec::new(),
            buffer: vec![0; Host::BUFFER],
        }
    }

    /// Where host `index` is.
    pub(crate) fn address(index: usize) -> SocketAddr {
        let last = u8::try_from(index + 1).expect("a network has a few hosts");
        SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 7777))
    }

    /// Takes datagrams and events out of all hosts. Says whether any datagram came.
    pub(crate) fn collect(&mut self) -> bool {
        let before = self.wire.len();
        for (index, host) in self.hosts.iter_mut().enumerate() {
            while let Some(transmit) = host.poll_transmit(self.now, &mut self.buffer) {
                self.wire.push_back(Datagram {
                    from: Self::address(index),
                    to: transmit.destination,
                    bytes: self.buffer[transmit.bytes].to_vec(),
                });
                assert!(self.wire.len() < ROUNDS, "a host does not stop sending");
            }
            while let Some(event) = host.poll_event() {
                self.events.push((index, event));
            }
        }
        self.wire.len() > before
    }

    /// Hands one datagram to the host that it is for, if there is one. A refusal has its counter.
    pub(crate) fn deliver(&mut self, datagram: &Datagram) {
        let to = (0..self.hosts.len()).find(|&index| Self::address(index) == datagram.to);
        let Some(host) = to.map(|index| &mut self.hosts[index]) else {
            return;
        };
        let before = *host.stats();
        let verdict = host.handle_datagram(self.now, datagram.from, &datagram.bytes);
        if let Handled::Dropped(reason) = verdict {
            let counted = host.stats().dropped(reason) - before.dropped(reason);
            assert!(counted > 0, "{reason:?} was not counted");
        }
    }

    /// Delivers everything, and the answers, until all is quiet.
    pub(crate) fn settle(&mut self) {
        for _ in 0..ROUNDS {
            self.collect();
            let Some(datagram) = self.wire.pop_front() else {
                return;
            };
            self.deliver(&datagram);
        }
        panic!("hosts do not stop answering each other");
    }

    /// Lets `duration` pass in one jump and expires timers, without delivering anything.
    pub(crate) fn pass(&mut self, duration: Duration) {
        self.now = self.now + duration;
        for host in &mut self.hosts {
            host.handle_timeout(self.now);
        }
        self.collect();
        for host in &mut self.hosts {
            host.handle_timeout(self.now);
            let next = host.poll_timeout();
            assert!(
                next.is_none_or(|next| next > self.now),
                "a deadline stays due after it was handled: {next:?} at {}",
                self.now
            );
        }
    }

    /// Lets `steps` times `step` pass with a perfect link.
    pub(crate) fn run(&mut self, steps: usize, step: Duration) {
        for _ in 0..steps {
            self.settle();
            self.pass(step);
        }
        self.settle();
    }

    /// Connects host `from` to host `to` and returns the keys at both ends.
    pub(crate) fn connect(
        &mut self,
        from: usize,
        to: usize,
        channel_count: usize,
    ) -> (PeerKey, PeerKey) {
        let data = u32::try_from(from + 2).expect("a network has a few hosts");
        let ours = self.hosts[from]
            .connect(self.now, Self::address(to), channel_count, data)
            .expect("a free slot");
        self.run(3, Duration::from_millis(20));
        let theirs = self.events.iter().find_map(|(index, event)| match event {
            Event::Connected {
                peer, data: given, ..
            } if *index == to && *given == data => Some(*peer),
            _ => None,
        });
        (
            ours,
            theirs.expect("a handshake on a perfect link succeeds"),
        )
    }
}
