//! UDP in batches: one system call moves many datagrams where the system can do that.
//!
//! [`Batches`] is what both drivers share: it receives with `recvmmsg` and GRO, and sends with GSO. It never waits; the
//! driver does, in its own way.

mod bind;
mod outbox;
mod receive;

use core::net::{IpAddr, SocketAddr, SocketAddrV6};
use outbox::Outbox;
use proto_core::Transmit;
use quinn_udp::{UdpSockRef, UdpSocketState};
use receive::Inbox;
use std::io;
use std::net::UdpSocket;

pub(super) use bind::{bind, unspecified_for};

/// The batching side of a UDP socket; the socket itself is lent to each call.
#[derive(Debug)]
pub(super) struct Batches {
    port: Port,
    buffers: Buffers,
}

/// What is particular to one socket.
#[derive(Debug)]
pub(super) struct Port {
    state: UdpSocketState,
    is_ipv6: bool,
}

/// Room for the datagrams of one system call in each direction; sockets that take turns may share it.
#[derive(Debug)]
pub(super) struct Buffers {
    inbox: Inbox,
    outbox: Outbox,
}

/// How far [`Batches::send`] came.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Nothing is left to send.
    All,
    /// The socket takes no more now; call again when it is writable.
    Blocked,
}

impl Batches {
    /// Prepares a bound socket for batches; it becomes non-blocking. `buffer_bytes` is the longest datagram to send.
    pub(super) fn new(socket: &UdpSocket, buffer_bytes: usize) -> io::Result<Self> {
        let port = Port::new(socket)?;
        let buffers = Buffers::new(&port, buffer_bytes);
        Ok(Self { port, buffers })
    }

    /// Receives what one system call gives and hands each datagram to `each`; returns how many there were.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is there; any other error means that the socket is broken.
    pub(super) fn receive<S>(
        &mut self,
        socket: &S,
        each: impl FnMut(SocketAddr, &[u8]),
    ) -> io::Result<usize>
    where
        for<'a> UdpSockRef<'a>: From<&'a S>,
    {
        self.buffers.receive(&self.port, socket, each)
    }

    /// Sends what `poll` gives until it has no more or the socket is full; `attempt` runs each system call.
    ///
    /// A datagram that the system refuses (no route, too long) is lost, as on any network.
    pub(super) fn send<S>(
        &mut self,
        socket: &S,
        attempt: impl Fn(&dyn Fn() -> io::Result<()>) -> io::Result<()>,
        poll: impl FnMut(&mut [u8]) -> Option<Transmit>,
    ) -> Sent
    where
        for<'a> UdpSockRef<'a>: From<&'a S>,
    {
        self.buffers.send(&self.port, socket, attempt, poll)
    }

    /// Sends one datagram that is none of the machine's, unless the socket is full.
    ///
    /// # Errors
    /// What the system says; `WouldBlock` if the socket takes no more now.
    pub(super) fn send_one<S>(
        &self,
        socket: &S,
        destination: SocketAddr,
        datagram: &[u8],
    ) -> io::Result<()>
    where
        for<'a> UdpSockRef<'a>: From<&'a S>,
    {
        let transmit = self.port.transmit(destination, datagram);
        self.port.state.try_send(socket.into(), &transmit)
    }
}

impl Port {
    /// Prepares a bound socket; it becomes non-blocking.
    pub(super) fn new(socket: &UdpSocket) -> io::Result<Self> {
        let is_ipv6 = socket.local_addr()?.is_ipv6();
        let state = UdpSocketState::new(socket.into())?;
        bind::allow_fragments(socket, is_ipv6);
        Ok(Self { state, is_ipv6 })
    }

    fn transmit<'a>(&self, destination: SocketAddr, contents: &'a [u8]) -> quinn_udp::Transmit<'a> {
        quinn_udp::Transmit {
            destination: on_wire(destination, self.is_ipv6),
            ecn: None,
            contents,
            segment_size: None,
            src_ip: None,
        }
    }
}

impl Buffers {
    /// System calls of one turn that fill at most this many datagrams leave nothing behind if they fill fewer.
    #[cfg(feature = "tokio")]
    pub(super) const SLOTS: usize = receive::SLOTS;

    /// Buffers for sockets like that of `port`.
    pub(super) fn new(port: &Port, buffer_bytes: usize) -> Self {
        Self {
            inbox: Inbox::new(port.state.gro_segments()),
            outbox: Outbox::new(buffer_bytes),
        }
    }

    /// As [`Batches::receive`].
    pub(super) fn receive<S>(
        &mut self,
        port: &Port,
        socket: &S,
        each: impl FnMut(SocketAddr, &[u8]),
    ) -> io::Result<usize>
    where
        for<'a> UdpSockRef<'a>: From<&'a S>,
    {
        match self.inbox.receive(&port.state, socket.into(), each) {
            Err(error) if is_notice(&error) => Ok(0),
            result => result,
        }
    }

    /// As [`Batches::send`].
    pub(super) fn send<S>(
        &mut self,
        port: &Port,
        socket: &S,
        attempt: impl Fn(&dyn Fn() -> io::Result<()>) -> io::Result<()>,
        mut poll: impl FnMut(&mut [u8]) -> Option<Transmit>,
    ) -> Sent
    where
        for<'a> UdpSockRef<'a>: From<&'a S>,
    {
        let Self { outbox, .. } = self;
        loop {
            let Some(batch) = outbox.fill(port.state.max_gso_segments(), &mut poll) else {
                return Sent::All;
            };
            let mut transmit = port.transmit(batch.destination, outbox.bytes(&batch));
            transmit.segment_size = batch.segment_bytes();
            match attempt(&|| port.state.try_send(socket.into(), &transmit)) {
                Ok(()) => outbox.drop_batch(),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Sent::Blocked,
                    io::ErrorKind::Interrupted => {}
                    // Offload that the kernel or the card refuses: the same bytes go out one by one.
                    _ if batch.segment_bytes().is_some() => outbox.split_batch(),
                    _ => outbox.drop_batch(),
                },
            }
        }
    }

    /// Loses what waits to be sent, so that another socket can use the buffers.
    #[cfg(feature = "tokio")]
    pub(super) fn discard(&mut self) {
        self.outbox.discard();
    }
}

/// Whether `error` tells about an earlier datagram (a port that was closed) and not about the socket.
fn is_notice(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NetworkUnreachable
    )
}

/// The form of an address that machines see: plain IPv4 also on a dual-stack socket, no flow label.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(ip) => {
            let scope = match address {
                SocketAddr::V6(address) => address.scope_id(),
                SocketAddr::V4(_) => 0,
            };
            SocketAddrV6::new(ip, address.port(), 0, scope).into()
        }
    }
}

/// The form of an address that the socket wants: IPv4 is mapped on an IPv6 socket.
fn on_wire(address: SocketAddr, is_ipv6: bool) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if is_ipv6 => {
            SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_is_seen_as_ipv4_and_sent_as_mapped() {
        let mapped: SocketAddr = "[::ffff:127.0.0.1]:5".parse().unwrap();
        let plain: SocketAddr = "127.0.0.1:5".parse().unwrap();
        assert_eq!(canonical(mapped), plain);
        assert_eq!(on_wire(plain, true), mapped);
        assert_eq!(on_wire(plain, false), plain);
    }

    #[test]
    fn the_scope_of_a_link_local_address_survives_and_the_flow_label_does_not() {
        let noisy = SocketAddrV6::new("fe80::1".parse().unwrap(), 9, 77, 3);
        let clean = SocketAddrV6::new("fe80::1".parse().unwrap(), 9, 0, 3);
        assert_eq!(canonical(noisy.into()), clean.into());
    }

    #[test]
    fn equal_datagrams_travel_together_and_arrive_apart() {
        let any = "127.0.0.1:0".parse().unwrap();
        let (sender, receiver) = (bind(any).unwrap(), bind(any).unwrap());
        let destination = receiver.local_addr().unwrap();
        let mut out = Batches::new(&sender, 4100).unwrap();
        let mut inn = Batches::new(&receiver, 4100).unwrap();
        let mut lengths = [900, 900, 900, 100, 1200, 8].into_iter();

        let sent = out.send(
            &sender,
            |call| call(),
            |buffer| {
                let length = lengths.next()?;
                buffer[..length].fill(u8::try_from(length % 251).unwrap());
                Some(Transmit {
                    source: None,
                    destination,
                    bytes: 0..length,
                })
            },
        );

        assert_eq!(sent, Sent::All);
        let mut arrived = Vec::new();
        while let Ok(_count) = inn.receive(&receiver, |from, bytes| {
            assert_eq!(from, sender.local_addr().unwrap());
            assert!(
                bytes
                    .iter()
                    .all(|&byte| usize::from(byte) == bytes.len() % 251)
            );
            arrived.push(bytes.len());
        }) {}
        assert_eq!(arrived, [900, 900, 900, 100, 1200, 8]);
    }
}
