//! The drivers for tokio: [`ServerDriver`], [`ClientDriver`], and [`SwarmDriver`] for many clients at once.

mod ready;
mod swarm;

use super::udp::{self, Batches, Sent};
use super::{Clock, DATAGRAMS_PER_TURN, Foreign, Machine};
use crate::peers::{Client, ConnectError, Event, Server};
use ::tokio::io::Interest;
use ::tokio::net::UdpSocket;
use core::net::SocketAddr;
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
        Driver::bind(address, server, Clock::start()).map(Self)
    }

    /// The address of the socket, with the port that the system chose for port 0.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.socket.local_addr()
    }

    /// The current moment on the clock that the server sees.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.0.clock.now()
    }

    /// Sets who gets the datagrams that cannot be ENet for this server; they are dropped without.
    ///
    /// The handler runs inside `next_event`, so it should only note what came.
    pub fn on_foreign_datagram(
        &mut self,
        handler: impl FnMut(SocketAddr, &[u8]) + Send + Sync + 'static,
    ) {
        self.0.foreign = Foreign(Some(Box::new(handler)));
    }

    /// Sends a datagram that is not the server's own from its port, at once.
    ///
    /// # Errors
    /// What the system says; `WouldBlock` if the socket takes no more now, and the datagram is lost.
    pub fn send_foreign_datagram(
        &self,
        destination: SocketAddr,
        datagram: &[u8],
    ) -> io::Result<()> {
        self.0.send_one(destination, datagram)
    }

    /// The server, to look at.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.0.machine
    }

    /// The server, for commands; the next call of [`ServerDriver::next_event`] sends what they queue.
    pub const fn server_mut(&mut self) -> &mut Server {
        &mut self.0.machine
    }

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
    /// What the system says, or `InvalidInput` with a [`ConnectError`] inside.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its IO and time drivers on.
    pub fn connect(server: SocketAddr, mut client: Client) -> io::Result<Self> {
        let clock = Clock::start();
        client
            .connect(clock.now(), server)
            .map_err(|error: ConnectError| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Driver::bind(udp::unspecified_for(server), client, clock).map(Self)
    }

    /// The address of the socket.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.socket.local_addr()
    }

    /// The current moment on the clock that the client sees.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.0.clock.now()
    }

    /// Sets who gets the datagrams that cannot be ENet for this client; they are dropped without.
    ///
    /// The handler runs inside `next_event`, so it should only note what came.
    pub fn on_foreign_datagram(
        &mut self,
        handler: impl FnMut(SocketAddr, &[u8]) + Send + Sync + 'static,
    ) {
        self.0.foreign = Foreign(Some(Box::new(handler)));
    }

    /// Sends a datagram that is not the client's own from its port, at once.
    ///
    /// # Errors
    /// What the system says; `WouldBlock` if the socket takes no more now, and the datagram is lost.
    pub fn send_foreign_datagram(
        &self,
        destination: SocketAddr,
        datagram: &[u8],
    ) -> io::Result<()> {
        self.0.send_one(destination, datagram)
    }

    /// The client, to look at.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.0.machine
    }

    /// The client, for commands; the next call of [`ClientDriver::next_event`] sends what they queue.
    pub const fn client_mut(&mut self) -> &mut Client {
        &mut self.0.machine
    }

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

#[derive(Debug)]
struct Driver<M> {
    machine: M,
    socket: UdpSocket,
    batches: Batches,
    clock: Clock,
    foreign: Foreign,
}

impl<M: Machine> Driver<M> {
    fn bind(address: SocketAddr, machine: M, clock: Clock) -> io::Result<Self> {
        let socket = udp::bind(address)?;
        let batches = Batches::new(&socket, M::BUFFER)?;
        Ok(Self {
            machine,
            socket: UdpSocket::from_std(socket)?,
            batches,
            clock,
            foreign: Foreign::default(),
        })
    }

    async fn next_event(&mut self) -> io::Result<Option<Event>> {
        loop {
            let now = self.clock.now();
            if self.machine.poll_timeout().is_some_and(|at| at <= now) {
                self.machine.handle_timeout(now);
            }
            let event = self.machine.poll_event();
            let sent = self.send(now);
            if event.is_some() {
                return Ok(event);
            }
            if sent == Sent::All && self.machine.is_closed() {
                return Ok(None);
            }
            self.wait(sent).await?;
            self.receive()?;
            ::tokio::task::consume_budget().await;
        }
    }

    fn send(&mut self, now: Instant) -> Sent {
        let Self {
            machine,
            socket,
            batches,
            ..
        } = self;
        batches.send(
            &*socket,
            |call| socket.try_io(Interest::WRITABLE, call),
            |buffer| machine.poll_transmit(now, buffer),
        )
    }

    fn send_one(&self, destination: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        self.batches.send_one(&self.socket, destination, datagram)
    }

    /// Waits for datagrams, for room to send if that is wanted, or for the deadline.
    async fn wait(&self, sent: Sent) -> io::Result<()> {
        let interest = match sent {
            Sent::All => Interest::READABLE,
            Sent::Blocked => Interest::READABLE | Interest::WRITABLE,
        };
        let ready = self.socket.ready(interest);
        match self.machine.poll_timeout() {
            None => ready.await.map(drop),
            Some(deadline) => {
                match ::tokio::time::timeout(self.clock.until(deadline), ready).await {
                    Ok(ready) => ready.map(drop),
                    Err(_elapsed) => Ok(()),
                }
            }
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        let Self {
            machine,
            socket,
            batches,
            clock,
            foreign,
        } = self;
        let mut count = 0;
        while count < DATAGRAMS_PER_TURN {
            let now = clock.now();
            let received = socket.try_io(Interest::READABLE, || {
                batches.receive(&*socket, |from, data| {
                    if !machine.handle_datagram(now, from, data) {
                        foreign.offer(from, data);
                    }
                })
            });
            match received {
                Ok(more) => count += more.max(1),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
