//! The driver for one thread without a runtime: [`ServerDriver`] and [`ClientDriver`].

use super::runner::{Line, Link, Runner, Turn, begin, bind_all, driver_methods};
use super::udp::{self, Call, Port};
use super::{Clock, Machine};
use crate::peers::{Client, Event, Server};
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::Instant;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
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
        Self::bind_all(&[address], server)
    }

    /// Binds a socket to each of `addresses`, one for each listener of `server`
    /// ([`ServerConfig::listeners`](crate::ServerConfig::listeners)): several ports, several local addresses, or both.
    ///
    /// # Errors
    /// As [`ServerDriver::bind`]; `InvalidInput` if there are not as many addresses as listeners.
    pub fn bind_all(addresses: &[SocketAddr], server: Server) -> io::Result<Self> {
        let sockets = bind_all(addresses, &server)?;
        Ok(Self(Driver::new(server, Clock::start(), sockets)))
    }

    /// The address of the socket of a listener, counted from 0.
    ///
    /// # Errors
    /// What the system says; `NotConnected` if there is no such listener.
    pub fn local_address_at(&self, listener: usize) -> io::Result<SocketAddr> {
        self.0.local_address(listener)
    }

    driver_methods!(Server, server, server_mut);

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
    /// What the system says, or `InvalidInput` with a [`ConnectError`](crate::ConnectError) inside.
    pub fn connect(server: SocketAddr, mut client: Client) -> io::Result<Self> {
        let clock = Clock::start();
        begin(&mut client, clock.now(), server)?;
        let socket = udp::bind(udp::unspecified_for(server))?;
        let port = Port::of_client(&socket)?;
        Ok(Self(Driver::new(client, clock, [(socket, port)])))
    }

    driver_methods!(Client, client, client_mut);

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

/// The system itself says when a socket is not ready.
impl Line for UdpSocket {
    fn reading(&self, call: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        call()
    }

    fn writing(&self, call: Call<'_>) -> io::Result<usize> {
        call()
    }
}

#[derive(Debug)]
struct Driver<M> {
    runner: Runner<M, UdpSocket>,
}

impl<M: Machine> Driver<M> {
    fn new(machine: M, clock: Clock, sockets: impl IntoIterator<Item = (UdpSocket, Port)>) -> Self {
        let links = sockets.into_iter().map(|(line, port)| Link {
            line,
            port,
            is_blocked: false,
        });
        Self {
            runner: Runner::new(machine, clock, links.collect()),
        }
    }

    fn now(&self) -> Instant {
        self.runner.clock.now()
    }

    fn local_address(&self, index: usize) -> io::Result<SocketAddr> {
        match self.runner.links.get(index) {
            Some(link) => link.line.local_addr(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "as with tokio")]
    fn paced(mut self, period: Duration) -> io::Result<Self> {
        self.runner.set_pace(period);
        Ok(self)
    }

    fn next_event(&mut self, wait: Option<Duration>) -> io::Result<Option<Event>> {
        let until = wait.map(|wait| self.now().saturating_add(wait));
        let mut is_first = true;
        loop {
            match self.runner.turn() {
                Turn::Event(event) => return Ok(Some(event)),
                Turn::Over => return Ok(None),
                Turn::Idle => {}
            }
            if !is_first && until.is_some_and(|until| until <= self.now()) {
                return Ok(None);
            }
            is_first = false;
            if self.wait(until)? {
                self.runner.receive()?;
            }
        }
    }

    /// Blocks until a datagram is there, a deadline, or `until`; tells whether to look at the sockets.
    fn wait(&self, until: Option<Instant>) -> io::Result<bool> {
        let deadline = match (self.runner.deadline(), until) {
            (Some(deadline), Some(until)) => Some(deadline.min(until)),
            (deadline, until) => deadline.or(until),
        };
        let timeout = deadline.map(|deadline| self.runner.clock.until(deadline));
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Ok(true);
        }
        if self.runner.is_pausing() {
            sleep(timeout.unwrap_or_default());
            return Ok(!self.runner.is_pausing());
        }
        self.poll(timeout)
    }

    /// Blocks until a socket is ready; tells whether one is.
    fn poll(&self, timeout: Option<Duration>) -> io::Result<bool> {
        let links = self.runner.links.iter();
        let mut polled: Vec<_> = links
            .map(|link| {
                let flags = if link.is_blocked {
                    PollFlags::IN | PollFlags::OUT
                } else {
                    PollFlags::IN
                };
                PollFd::new(&link.line, flags)
            })
            .collect();
        // A time that the system cannot express is as good as for ever.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut polled, timeout.as_ref()) {
            Ok(count) => Ok(count > 0),
            Err(error) if error == rustix::io::Errno::INTR => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "waits for the next look at the sockets, which the caller asked for"
)]
fn sleep(duration: Duration) {
    std::thread::sleep(duration);
}
