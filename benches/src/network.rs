//! The network in memory, for the side that brings none of its own.

use core::cell::RefCell;
use core::net::SocketAddrV4;
use core::ops::Range;
use std::collections::VecDeque;

/// A datagram on its way.
#[derive(Debug)]
pub struct Datagram {
    /// The other end: where to, for one that was sent.
    pub address: SocketAddrV4,
    /// A buffer of the network.
    pub buffer: Vec<u8>,
    /// Where in it the datagram lies.
    pub range: Range<usize>,
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

/// A buffer of `length` bytes for one datagram.
pub(crate) fn buffer(length: usize) -> Vec<u8> {
    let spare = SPARE.with_borrow_mut(Vec::pop);
    spare.unwrap_or_else(|| vec![0; length])
}

/// Gives a buffer of [`buffer`] back.
pub(crate) fn recycle(buffer: Vec<u8>) {
    SPARE.with_borrow_mut(|spare| spare.push(buffer));
}

impl Socket {
    pub(crate) fn deliver(&mut self, datagram: Datagram) {
        self.inbox.push_back(datagram);
    }

    pub(crate) fn send(&mut self, datagram: Datagram) {
        self.outbox.push_back(datagram);
    }

    pub(crate) fn poll(&mut self) -> Option<Datagram> {
        self.outbox.pop_front()
    }

    /// Copies the next datagram into `buffer`, as a system call does; its source and length.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Option<(SocketAddrV4, usize)> {
        let datagram = self.inbox.pop_front()?;
        let bytes = &datagram.buffer[datagram.range];
        let length = bytes.len();
        buffer[..length].copy_from_slice(bytes);
        recycle(datagram.buffer);
        Some((datagram.address, length))
    }
}
