//! The network in memory, for the side that brings none of its own; it works as the other's does.

use core::cell::RefCell;
use core::net::SocketAddrV4;
use std::collections::VecDeque;

/// A datagram on its way.
#[derive(Debug)]
pub struct Datagram {
    /// The other end: where to, for one that was sent.
    pub address: SocketAddrV4,
    /// The datagram, in a buffer of the network.
    pub bytes: Vec<u8>,
}

/// The two queues of a socket.
#[derive(Debug, Default)]
pub(crate) struct Socket {
    inbox: VecDeque<Datagram>,
    outbox: VecDeque<Datagram>,
}

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Gives the buffer of a datagram back.
pub(crate) fn recycle(mut bytes: Vec<u8>) {
    bytes.clear();
    SPARE.with_borrow_mut(|spare| spare.push(bytes));
}

impl Socket {
    pub(crate) fn deliver(&mut self, datagram: Datagram) {
        self.inbox.push_back(datagram);
    }

    /// Copies `bytes` into a buffer of the network, as a system call does.
    pub(crate) fn send(&mut self, address: SocketAddrV4, bytes: &[u8]) {
        let mut copy = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
        copy.extend_from_slice(bytes);
        self.outbox.push_back(Datagram {
            address,
            bytes: copy,
        });
    }

    pub(crate) fn poll(&mut self) -> Option<Datagram> {
        self.outbox.pop_front()
    }

    /// Copies the next datagram into `buffer`, as a system call does; its source and length.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Option<(SocketAddrV4, usize)> {
        let datagram = self.inbox.pop_front()?;
        let length = datagram.bytes.len();
        buffer[..length].copy_from_slice(&datagram.bytes);
        recycle(datagram.bytes);
        Some((datagram.address, length))
    }
}
