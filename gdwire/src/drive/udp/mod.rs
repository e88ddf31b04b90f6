//! UDP in batches: one system call moves many datagrams where the system can do that.
//!
//! A [`Port`] is what all drivers share: it receives with `recvmmsg` and GRO, and sends with `sendmmsg` and GSO. It
//! never waits; the driver does, in its own way. Buffers belong to the thread ([`scratch`]), so a socket more costs
//! no memory but for what the system did not take yet.

mod bind;
mod homes;
mod launch;
mod outbox;
mod receive;
mod scratch;

use core::net::{IpAddr, SocketAddr, SocketAddrV6};
use homes::Homes;
use launch::launch;
use outbox::Outbox;
use proto_core::Transmit;
use quinn_udp::UdpSocketState;
use std::io;
use std::net::UdpSocket;

#[cfg(all(feature = "tokio", any(feature = "ice", feature = "stun")))]
pub(super) use bind::home_for;
pub(super) use bind::{bind, unspecified_for};
pub(super) use outbox::DATAGRAM_BYTES;
pub(super) use receive::Received;

/// The batching side of a UDP socket; the socket itself is lent to each call.
#[derive(Debug)]
pub(super) struct Port {
    state: UdpSocketState,
    is_ipv6: bool,
    /// For a socket of all addresses that answers: whom to answer from which.
    homes: Option<Homes>,
    /// What was taken from the machine and found no room in the socket.
    unsent: Option<Box<Outbox>>,
}

/// A socket of any driver.
#[cfg(unix)]
pub(super) trait Socket: std::os::fd::AsFd {}
#[cfg(unix)]
impl<S: std::os::fd::AsFd> Socket for S {}
/// A socket of any driver.
#[cfg(windows)]
pub(super) trait Socket: std::os::windows::io::AsSocket {}
#[cfg(windows)]
impl<S: std::os::windows::io::AsSocket> Socket for S {}

/// How far [`Port::send`] came.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Nothing is left to send.
    All,
    /// The socket takes no more now; call again when it is writable.
    Blocked,
}

/// Runs a system call, or says that the socket is not ready for it.
pub(super) type Call<'a> = &'a mut dyn FnMut() -> io::Result<usize>;

impl Port {
    /// The port of a client, on a bound socket; it becomes non-blocking.
    pub(super) fn of_client(socket: &UdpSocket) -> io::Result<Self> {
        let port = Self::new(socket)?;
        bind::tell_no_home(socket, port.is_ipv6);
        Ok(port)
    }

    fn new(socket: &UdpSocket) -> io::Result<Self> {
        let is_ipv6 = socket.local_addr()?.is_ipv6();
        let state = UdpSocketState::new(socket.into())?;
        bind::allow_fragments(socket, is_ipv6);
        bind::tell_less(socket, is_ipv6);
        Ok(Self {
            state,
            is_ipv6,
            homes: None,
            unsent: None,
        })
    }

    /// The port of a server, on a bound socket; it becomes non-blocking. Bound to all addresses, it answers each
    /// remote from the address that the remote has asked.
    pub(super) fn of_server(socket: &UdpSocket) -> io::Result<Self> {
        let mut port = Self::new(socket)?;
        bind::widen(socket);
        if socket.local_addr()?.ip().is_unspecified() {
            port.homes = Some(Homes::default());
        } else {
            bind::tell_no_home(socket, port.is_ipv6);
        }
        Ok(port)
    }

    /// Receives what one system call gives and hands each datagram to `each`.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is there; any other error means that the socket is broken.
    pub(super) fn receive(
        &mut self,
        socket: &impl Socket,
        mut each: impl FnMut(SocketAddr, &[u8]),
    ) -> io::Result<Received> {
        let Self { state, homes, .. } = self;
        let received = scratch::lend(|scratch| {
            let inbox = scratch.inbox(state.gro_segments());
            inbox.receive(state, socket.into(), |from, home, datagrams| {
                if let (Some(homes), Some(home)) = (&mut *homes, home) {
                    homes.note(from, home);
                }
                datagrams.for_each(|datagram| each(from, datagram));
            })
        });
        match received {
            Err(error) if is_notice(&error) => Ok(Received::NOTICE),
            result => result,
        }
    }

    /// Sends what `poll` gives until it has no more or the socket is full; `attempt` runs each system call.
    ///
    /// A datagram that the system refuses (no route, too long) is lost, as on any network.
    pub(super) fn send(
        &mut self,
        socket: &impl Socket,
        mut attempt: impl FnMut(Call<'_>) -> io::Result<usize>,
        mut poll: impl FnMut(&mut [u8]) -> Option<Transmit>,
    ) -> Sent {
        if let Some(mut unsent) = self.unsent.take()
            && self.flush(socket, &mut unsent, &mut attempt) == Sent::Blocked
        {
            self.unsent = Some(unsent);
            return Sent::Blocked;
        }
        scratch::lend(|scratch| {
            let outbox = scratch.outbox();
            loop {
                let homes = self.homes.as_ref();
                let home = |remote| homes?.of(remote);
                outbox.fill(self.state.max_gso_segments(), home, &mut poll);
                if outbox.is_empty() {
                    return Sent::All;
                }
                if self.flush(socket, outbox, &mut attempt) == Sent::Blocked {
                    self.unsent = Some(Box::new(outbox.take_rest()));
                    return Sent::Blocked;
                }
            }
        })
    }

    /// Sends one datagram that is none of the machine's, unless the socket is full.
    ///
    /// # Errors
    /// What the system says; `WouldBlock` if the socket takes no more now.
    pub(super) fn send_one(
        &self,
        socket: &impl Socket,
        destination: SocketAddr,
        datagram: &[u8],
    ) -> io::Result<()> {
        let transmit = quinn_udp::Transmit {
            destination: on_wire(destination, self.is_ipv6),
            ecn: None,
            contents: datagram,
            segment_size: None,
            src_ip: self.homes.as_ref().and_then(|homes| homes.of(destination)),
        };
        self.state.try_send(socket.into(), &transmit)
    }

    /// Loses what waits to be sent.
    #[cfg(feature = "tokio")]
    pub(super) fn discard(&mut self) {
        self.unsent = None;
    }

    /// Sends what is in `outbox` until it is empty or the socket is full.
    fn flush(
        &mut self,
        socket: &impl Socket,
        outbox: &mut Outbox,
        mut attempt: impl FnMut(Call<'_>) -> io::Result<usize>,
    ) -> Sent {
        while let Some(group) = outbox.group() {
            let sent = attempt(&mut || launch(&self.state, socket, &group, self.is_ipv6));
            match sent {
                Ok(count) => outbox.drop_first(count),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Sent::Blocked,
                    io::ErrorKind::Interrupted => {}
                    _ => {
                        let first = outbox.refuse_first();
                        if let (Some(homes), Some(destination)) = (&mut self.homes, first) {
                            homes.forget(destination);
                        }
                    }
                },
            }
        }
        Sent::All
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
mod tests;
