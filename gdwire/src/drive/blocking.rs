//! The driver for one thread without a runtime: [`ServerDriver`] and [`ClientDriver`].

use super::udp::{self, Batches, Sent};
use super::{Clock, DATAGRAMS_PER_TURN, Foreign, Machine};
use crate::peers::{Client, ConnectError, Event, Server};
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::Instant;
use std::io;
use std::net::UdpSocket;

/// Runs a [`Server`] on a UDP socket.
///
/// ```no_run
/// use gdwire::drive::{self, blocking::ServerDriver};
/// use gdwire::{Server, ServerConfig};
///
/// let server = Server::new(ServerConfig::new(drive::seed()?))?;
/// let mut driver = ServerDriver::bind("[::]:9000".parse()?, server)?;
/// while let Some(event) = driver.next_event()? {
///     println!("{event:?}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ServerDriver(Driver<Server>);

impl ServerDriver {
    /// Binds a socket to `address` for `server`; `[::]` takes IPv4 too.
    ///
    /// # Errors
    /// What the system says: the port is taken, the address is not of this machine.
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

    /// Blocks until there is an event; `None` once the server is closed and everything is sent.
    ///
    /// # Errors
    /// The socket is broken. A datagram that cannot be sent or delivered is none.
    pub fn next_event(&mut self) -> io::Result<Option<Event>> {
        self.0.next_event(None)
    }

    /// The same, but blocks for at most `wait`: `None` if that has passed as well. Zero never blocks, for a game loop.
    ///
    /// # Errors
    /// As [`ServerDriver::next_event`].
    pub fn next_event_within(&mut self, wait: Duration) -> io::Result<Option<Event>> {
        self.0.next_event(Some(wait))
    }
}

/// Runs a [`Client`] on a UDP socket.
///
/// ```no_run
/// use gdwire::drive::{self, blocking::ClientDriver};
/// use gdwire::{Client, ClientConfig};
///
/// let client = Client::new(ClientConfig::new(drive::seed()?))?;
/// let mut driver = ClientDriver::connect("127.0.0.1:9000".parse()?, client)?;
/// while let Some(event) = driver.next_event()? {
///     println!("{event:?}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ClientDriver(Driver<Client>);

impl ClientDriver {
    /// Binds a socket to any free port and lets `client` connect to `server`.
    ///
    /// # Errors
    /// What the system says, or `InvalidInput` with a [`ConnectError`] inside.
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

    /// Blocks until there is an event; `None` once the session is over and everything is sent.
    ///
    /// # Errors
    /// The socket is broken. A datagram that cannot be sent or delivered is none.
    pub fn next_event(&mut self) -> io::Result<Option<Event>> {
        self.0.next_event(None)
    }

    /// The same, but blocks for at most `wait`: `None` if that has passed as well. Zero never blocks, for a game loop.
    ///
    /// # Errors
    /// As [`ClientDriver::next_event`].
    pub fn next_event_within(&mut self, wait: Duration) -> io::Result<Option<Event>> {
        self.0.next_event(Some(wait))
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
        socket.set_nonblocking(false)?;
        Ok(Self {
            machine,
            socket,
            batches,
            clock,
            foreign: Foreign::default(),
        })
    }

    fn next_event(&mut self, wait: Option<Duration>) -> io::Result<Option<Event>> {
        let until = wait.map(|wait| self.clock.now().saturating_add(wait));
        let mut is_first = true;
        loop {
            let now = self.clock.now();
            if self.machine.poll_timeout().is_some_and(|at| at <= now) {
                self.machine.handle_timeout(now);
            }
            let event = self.machine.poll_event();
            let sent = self.send(now);
            let is_over = sent == Sent::All && self.machine.is_closed();
            let is_late = !is_first && until.is_some_and(|until| until <= now);
            if event.is_some() || is_over || is_late {
                return Ok(event);
            }
            is_first = false;
            if self.wait(until)? {
                self.receive()?;
            }
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
            |call| call(),
            |buffer| machine.poll_transmit(now, buffer),
        )
    }

    fn send_one(&self, destination: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        self.batches.send_one(&self.socket, destination, datagram)
    }

    /// Blocks until a datagram is there, the machine's deadline, or `until`; tells whether one may be there.
    fn wait(&self, until: Option<Instant>) -> io::Result<bool> {
        let deadline = match (self.machine.poll_timeout(), until) {
            (Some(machine), Some(until)) => Some(machine.min(until)),
            (machine, until) => machine.or(until),
        };
        let timeout = deadline.map(|deadline| self.clock.until(deadline));
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Ok(true);
        }
        self.socket.set_read_timeout(timeout)?;
        match self.socket.peek_from(&mut [0]) {
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Ok(false),
                // Some systems report a datagram longer than the buffer, and notices about earlier ones, this way.
                _ => Ok(true),
            },
            Ok(_) => Ok(true),
        }
    }

    /// Takes what is there, without blocking.
    fn receive(&mut self) -> io::Result<()> {
        self.socket.set_nonblocking(true)?;
        let result = self.drain();
        self.socket.set_nonblocking(false)?;
        result
    }

    fn drain(&mut self) -> io::Result<()> {
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
            let received = batches.receive(&*socket, |from, data| {
                if !machine.handle_datagram(now, from, data) {
                    foreign.offer(from, data);
                }
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
