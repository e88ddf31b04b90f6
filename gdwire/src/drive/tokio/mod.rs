//! The drivers for tokio: [`ServerDriver`], [`ClientDriver`], and [`SwarmDriver`] for many clients at once.

mod ready;
mod swarm;

use super::runner::{Line, Link, Runner, Turn, begin, bind_all, driver_methods};
use super::udp::{self, Call, Port};
use super::{Clock, Machine};
use crate::peers::{Client, Event, Server};
use ::tokio::io::Interest;
use ::tokio::net::UdpSocket;
use core::net::SocketAddr;
use core::task::{Context, Poll};
use core::time::Duration;
use proto_core::Instant;
use std::io;

pub use swarm::SwarmDriver;

/// Runs a [`Server`] on a UDP socket.
///
/// ```no_run
/// use gdwire::drive::{self, tokio::ServerDriver};
/// use gdwire::{Event, Server, ServerConfig};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::new(ServerConfig::new(drive::seed()?))?;
/// let mut driver = ServerDriver::bind("[::]:9000".parse()?, server)?;
/// while let Some(event) = driver.next_event().await? {
///     if let Event::PeerConnected { peer } = event {
///         println!("{peer} joined");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ServerDriver(Driver<Server>);

impl ServerDriver {
    /// Binds a socket to `address` for `server`; `[::]` takes IPv4 too.
    ///
    /// # Errors
    /// What the system says: the port is taken, the address is not of this machine.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its IO and time drivers on.
    pub fn bind(address: SocketAddr, server: Server) -> io::Result<Self> {
        Self::bind_all(&[address], server)
    }

    /// Binds a socket to each of `addresses`, one for each listener of `server`
    /// ([`ServerConfig::listeners`](crate::ServerConfig::listeners)): several ports, several local addresses, or both.
    ///
    /// # Errors
    /// As [`ServerDriver::bind`]; `InvalidInput` if there are not as many addresses as listeners.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its IO and time drivers on.
    pub fn bind_all(addresses: &[SocketAddr], server: Server) -> io::Result<Self> {
        let sockets = bind_all(addresses, &server)?;
        Driver::new(server, Clock::start(), sockets).map(Self)
    }

    /// The address of the socket of a listener, counted from 0.
    ///
    /// # Errors
    /// What the system says; `NotConnected` if there is no such listener.
    pub fn local_address_at(&self, listener: usize) -> io::Result<SocketAddr> {
        self.0.local_address(listener)
    }

    driver_methods!(Server, server, server_mut);

    /// Runs until there is an event; `None` once the server is closed and everything is sent.
    ///
    /// May be dropped and called again at any time (in `select!`, with a timeout): nothing is lost.
    ///
    /// # Errors
    /// The socket is broken. A datagram that cannot be sent or delivered is none.
    pub async fn next_event(&mut self) -> io::Result<Option<Event>> {
        self.0.next_event().await
    }
}

/// Runs a [`Client`] on a UDP socket.
///
/// ```no_run
/// use gdwire::drive::{self, tokio::ClientDriver};
/// use gdwire::{Client, ClientConfig};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::new(ClientConfig::new(drive::seed()?))?;
/// let mut driver = ClientDriver::connect("127.0.0.1:9000".parse()?, client)?;
/// while let Some(event) = driver.next_event().await? {
///     println!("{event:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ClientDriver(Driver<Client>);

impl ClientDriver {
    /// Binds a socket to any free port and lets `client` connect to `server`.
    ///
    /// # Errors
    /// What the system says, or `InvalidInput` with a [`ConnectError`](crate::ConnectError) inside.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its IO and time drivers on.
    pub fn connect(server: SocketAddr, mut client: Client) -> io::Result<Self> {
        let clock = Clock::start();
        begin(&mut client, clock.now(), server)?;
        let socket = udp::bind(udp::unspecified_for(server))?;
        let port = Port::of_client(&socket)?;
        Driver::new(client, clock, [(socket, port)]).map(Self)
    }

    driver_methods!(Client, client, client_mut);

    /// Runs until there is an event; `None` once the session is over and everything is sent.
    ///
    /// May be dropped and called again at any time (in `select!`, with a timeout): nothing is lost.
    ///
    /// # Errors
    /// The socket is broken. A datagram that cannot be sent or delivered is none.
    pub async fn next_event(&mut self) -> io::Result<Option<Event>> {
        self.0.next_event().await
    }
}

/// A socket, with or without the runtime's watch over it.
#[derive(Debug)]
enum Wire {
    /// The runtime wakes for each datagram.
    Watched(UdpSocket),
    /// The runtime does not know it.
    Paced(std::net::UdpSocket),
}

#[cfg(unix)]
impl std::os::fd::AsFd for Wire {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::Watched(socket) => socket.as_fd(),
            Self::Paced(socket) => socket.as_fd(),
        }
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsSocket for Wire {
    fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
        match self {
            Self::Watched(socket) => socket.as_socket(),
            Self::Paced(socket) => socket.as_socket(),
        }
    }
}

impl Line for Wire {
    fn reading(&self, call: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        match self {
            Self::Watched(socket) => socket.try_io(Interest::READABLE, call),
            Self::Paced(_) => call(),
        }
    }

    fn writing(&self, call: Call<'_>) -> io::Result<usize> {
        match self {
            Self::Watched(socket) => socket.try_io(Interest::WRITABLE, call),
            Self::Paced(_) => call(),
        }
    }
}

impl Link<Wire> {
    /// Whether there is something to read, or room for what is to be sent; if not, the task is woken when there is.
    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Wire::Watched(socket) = &self.line else {
            return Poll::Pending;
        };
        if self.is_blocked
            && let Poll::Ready(result) = socket.poll_send_ready(context)
        {
            return Poll::Ready(result);
        }
        socket.poll_recv_ready(context)
    }
}

#[derive(Debug)]
struct Driver<M> {
    runner: Runner<M, Wire>,
}

impl<M: Machine> Driver<M> {
    fn new(
        machine: M,
        clock: Clock,
        sockets: impl IntoIterator<Item = (std::net::UdpSocket, Port)>,
    ) -> io::Result<Self> {
        let links = sockets.into_iter().map(|(socket, port)| {
            let line = Wire::Watched(UdpSocket::from_std(socket)?);
            Ok(Link {
                line,
                port,
                is_blocked: false,
            })
        });
        let links: io::Result<Vec<_>> = links.collect();
        Ok(Self {
            runner: Runner::new(machine, clock, links?),
        })
    }

    fn now(&self) -> Instant {
        self.runner.clock.now()
    }

    fn local_address(&self, index: usize) -> io::Result<SocketAddr> {
        match self.runner.links.get(index).map(|link| &link.line) {
            Some(Wire::Watched(socket)) => socket.local_addr(),
            Some(Wire::Paced(socket)) => socket.local_addr(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn paced(mut self, period: Duration) -> io::Result<Self> {
        let links = core::mem::take(&mut self.runner.links);
        let links = links.into_iter().map(|link| {
            let line = match link.line {
                Wire::Watched(socket) => Wire::Paced(socket.into_std()?),
                paced @ Wire::Paced(_) => paced,
            };
            Ok(Link { line, ..link })
        });
        self.runner.links = links.collect::<io::Result<_>>()?;
        self.runner.set_pace(period);
        Ok(self)
    }

    async fn next_event(&mut self) -> io::Result<Option<Event>> {
        loop {
            match self.runner.turn() {
                Turn::Event(event) => return Ok(Some(event)),
                Turn::Over => return Ok(None),
                Turn::Idle => {}
            }
            self.wait().await?;
            if !self.runner.is_pausing() {
                self.runner.receive()?;
            }
            ::tokio::task::consume_budget().await;
        }
    }

    /// Waits for datagrams, for room to send if that is wanted, or for the deadline.
    async fn wait(&self) -> io::Result<()> {
        let ready = core::future::poll_fn(|context| self.poll_ready(context));
        match self.runner.deadline() {
            None => ready.await,
            Some(deadline) => {
                let wait = self.runner.clock.until(deadline);
                // That the deadline came is no error.
                ::tokio::time::timeout(wait, ready).await.unwrap_or(Ok(()))
            }
        }
    }

    /// Asks all sockets, so that each wakes the task.
    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let links = self.runner.links.iter();
        let mut verdicts = links.map(|link| link.poll_ready(context));
        let first = verdicts.find(Poll::is_ready);
        verdicts.for_each(drop);
        first.unwrap_or(Poll::Pending)
    }
}
