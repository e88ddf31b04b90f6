//! PCP and NAT-PMP over sockets of their own: [`Asking`].

use crate::drive::Clock;
use ::tokio::net::UdpSocket;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use ice_lite::{MapperConfig, MapperEvent, PortMapper};
use socket2::{Domain, Protocol, Type};
use std::io;

/// Longer than any message that is read.
const READ_BYTES: usize = 1100;

/// A [`PortMapper`] with what it needs.
#[derive(Debug)]
pub(super) struct Asking {
    mapper: PortMapper,
    gateway: SocketAddr,
    clock: Clock,
    /// Connected to the gateway.
    socket: UdpSocket,
    /// Where gateways tell of their restarts, if the system lets us listen there.
    news: Option<UdpSocket>,
}

impl Asking {
    pub(super) fn start(config: MapperConfig) -> io::Result<Self> {
        let (gateway, home) = (config.gateway, config.internal.ip());
        let clock = Clock::start();
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let mapper = PortMapper::new(clock.now(), config).map_err(invalid)?;
        let socket = std::net::UdpSocket::bind(SocketAddr::new(home, 0))?;
        socket.connect(gateway)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            mapper,
            gateway,
            clock,
            socket: UdpSocket::from_std(socket)?,
            news: news(home).ok(),
        })
    }

    /// Runs until there is an event. May be dropped and called again at any time.
    pub(super) async fn next_event(&mut self) -> MapperEvent {
        loop {
            if let Some(event) = self.mapper.poll_event() {
                return event;
            }
            self.send();
            let wait = self.mapper.poll_timeout();
            let wait = wait.map_or(Duration::MAX, |deadline| self.clock.until(deadline));
            let (mut answer, mut told) = ([0; READ_BYTES], [0; READ_BYTES]);
            ::tokio::select! {
                received = self.socket.recv(&mut answer) => match received {
                    Ok(length) => {
                        let data = answer.get(..length).unwrap_or_default();
                        let now = self.clock.now();
                        // The machine knows what it drops.
                        let _ = self.mapper.handle_datagram(now, self.gateway, data);
                    }
                    // Nobody listens there, so waiting is of no use.
                    Err(_) if self.mapper.candidate().is_none() => return MapperEvent::Failed,
                    Err(_) => {}
                },
                Ok((length, from)) = receive(self.news.as_ref(), &mut told) => {
                    let data = told.get(..length).unwrap_or_default();
                    let now = self.clock.now();
                    let _ = self.mapper.handle_announcement(now, from, data);
                }
                () = ::tokio::time::sleep(wait) => self.mapper.handle_timeout(self.clock.now()),
            }
        }
    }

    fn send(&mut self) {
        let mut buffer = [0; PortMapper::BUFFER];
        let now = self.clock.now();
        while let Some(transmit) = self.mapper.poll_transmit(now, &mut buffer) {
            // What the system does not take is lost, as on any network.
            let _ = self
                .socket
                .try_send(buffer.get(transmit.bytes).unwrap_or_default());
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.mapper.stop(self.clock.now());
        self.send();
    }
}

async fn receive(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(buffer).await,
        None => core::future::pending().await,
    }
}

/// A socket for what gateways tell everybody. Other programs of this computer may listen there too.
fn news(home: IpAddr) -> io::Result<UdpSocket> {
    let IpAddr::V4(home) = home else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let socket = socket2::Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), PortMapper::ANNOUNCEMENT_PORT);
    socket.bind(&any.into())?;
    socket.join_multicast_v4(&Ipv4Addr::new(224, 0, 0, 1), &home)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}
