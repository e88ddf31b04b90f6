//! The STUN client over real sockets: [`StunClientDriver`].

use crate::drive::Clock;
use crate::drive::udp::{bind, unspecified_for};
use ::tokio::io::{AsyncReadExt, AsyncWriteExt};
use ::tokio::net::{TcpStream, UdpSocket};
use ::tokio::task::JoinSet;
use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use stun_proto::client::{ClientEvent, QueueFull, RequestId, StunClient};

/// The longest datagram that is read: what UDP can carry.
const READ_BYTES: usize = 65_535;

/// Runs a [`StunClient`] over a UDP socket or a TCP connection of its own.
///
/// ```no_run
/// use gdwire::drive::{self, stun::StunClientDriver};
/// use gdwire::stun::client::{ClientConfig, ClientEvent, StunClient};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = StunClient::new(ClientConfig::new(drive::seed()?), "192.0.2.1:3478".parse()?);
/// let mut driver = StunClientDriver::udp(client)?;
/// driver.bind()?;
/// while let Some(event) = driver.next_event().await? {
///     if let ClientEvent::Answered(answer) = event {
///         println!("seen from outside we are {}", answer.mapped);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct StunClientDriver {
    client: StunClient,
    clock: Clock,
    wire: Wire,
    input: Box<[u8]>,
}

#[derive(Debug)]
enum Wire {
    Datagrams(UdpSocket),
    Stream(Stream),
}

#[derive(Debug, Default)]
struct Stream {
    /// `None` while there is none.
    connection: Option<TcpStream>,
    /// The connection that is being opened: a task, so that it goes on while nobody waits.
    opening: JoinSet<io::Result<TcpStream>>,
    /// What the system did not take yet.
    unsent: Vec<u8>,
}

impl StunClientDriver {
    /// Runs `client`, configured for datagrams, on any free UDP port.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its IO and time drivers on.
    pub fn udp(client: StunClient) -> io::Result<Self> {
        let socket = bind(unspecified_for(client.server()))?;
        Self::on_socket(socket, client)
    }

    /// Runs `client`, configured for datagrams, on this socket.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its IO and time drivers on.
    pub fn on_socket(socket: std::net::UdpSocket, client: StunClient) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let wire = Wire::Datagrams(UdpSocket::from_std(socket)?);
        Ok(Self::new(client, wire))
    }

    /// Runs `client`, configured for a stream, over a TCP connection. It is opened by
    /// [`next_event`](StunClientDriver::next_event), and opened anew after a redirection.
    #[must_use]
    pub fn tcp(client: StunClient) -> Self {
        Self::new(client, Wire::Stream(Stream::default()))
    }

    fn new(client: StunClient, wire: Wire) -> Self {
        Self {
            client,
            clock: Clock::start(),
            wire,
            input: vec![0; READ_BYTES].into_boxed_slice(),
        }
    }

    /// Asks for our address.
    ///
    /// # Errors
    /// [`QueueFull`] if too many requests wait already.
    pub fn bind(&mut self) -> Result<RequestId, QueueFull> {
        self.client.bind(self.clock.now())
    }

    /// The machine that it runs.
    #[must_use]
    pub const fn client(&self) -> &StunClient {
        &self.client
    }

    /// The local address of socket or connection.
    ///
    /// # Errors
    /// What the system says; `NotConnected` without a connection.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        match &self.wire {
            Wire::Datagrams(socket) => socket.local_addr(),
            Wire::Stream(stream) => match &stream.connection {
                Some(connection) => connection.local_addr(),
                None => Err(io::ErrorKind::NotConnected.into()),
            },
        }
    }

    /// Runs until there is an event; `None` once nothing is open.
    ///
    /// May be dropped and called again at any time: nothing is lost.
    ///
    /// # Errors
    /// The socket is broken. A connection that cannot be opened, or that ends, is none: the requests fail with it.
    pub async fn next_event(&mut self) -> io::Result<Option<ClientEvent>> {
        loop {
            self.client.handle_timeout(self.clock.now());
            if let Some(event) = self.client.poll_event() {
                if let (ClientEvent::Redirected { .. }, Wire::Stream(stream)) =
                    (&event, &mut self.wire)
                {
                    *stream = Stream::default();
                }
                return Ok(Some(event));
            }
            if self.client.is_idle() {
                return Ok(None);
            }
            let wait = self.client.poll_timeout();
            let wait = wait.map_or(Duration::MAX, |deadline| self.clock.until(deadline));
            // That the deadline came is no error.
            if let Ok(result) = ::tokio::time::timeout(wait, self.exchange()).await {
                result?;
            }
        }
    }

    /// Sends what there is, and takes in what comes next.
    async fn exchange(&mut self) -> io::Result<()> {
        match &self.wire {
            Wire::Datagrams(_) => self.exchange_datagrams().await,
            Wire::Stream(_) => {
                if self.exchange_stream().await.is_err() {
                    self.hang_up();
                }
                Ok(())
            }
        }
    }

    async fn exchange_datagrams(&mut self) -> io::Result<()> {
        let Self {
            client,
            clock,
            wire: Wire::Datagrams(socket),
            input,
        } = self
        else {
            return Ok(());
        };
        let mut buffer = [0; StunClient::BUFFER];
        while let Some(transmit) = client.poll_transmit(clock.now(), &mut buffer) {
            let bytes = buffer.get(transmit.bytes).unwrap_or_default();
            // What the system does not take is lost, and sent again when it is time.
            if let Err(error) = socket.try_send_to(bytes, transmit.destination)
                && error.kind() != io::ErrorKind::WouldBlock
            {
                client.handle_unreachable(clock.now(), transmit.destination);
            }
        }
        match socket.recv_from(input).await {
            Ok((length, from)) => {
                let data = input.get(..length).unwrap_or_default();
                // The machine counts what it drops.
                let _ = client.handle_datagram(clock.now(), from, data);
                Ok(())
            }
            Err(error) if is_notice(&error) => {
                let server = client.server();
                client.handle_unreachable(clock.now(), server);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn exchange_stream(&mut self) -> io::Result<()> {
        let Self {
            client,
            clock,
            wire: Wire::Stream(stream),
            input,
        } = self
        else {
            return Ok(());
        };
        if stream.connection.is_none() {
            let connection = stream.open(client.server()).await?;
            client.handle_connected();
            stream.connection = Some(connection);
        }
        let Stream {
            connection: Some(connection),
            unsent,
            ..
        } = stream
        else {
            return Ok(());
        };
        let mut buffer = [0; StunClient::BUFFER];
        while let Some(transmit) = client.poll_transmit(clock.now(), &mut buffer) {
            unsent.extend_from_slice(buffer.get(transmit.bytes).unwrap_or_default());
        }
        let (mut reader, mut writer) = connection.split();
        ::tokio::select! {
            read = reader.read(input) => {
                let data = input.get(..read?).unwrap_or_default();
                if data.is_empty() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                client.handle_bytes(clock.now(), data).map_err(io::Error::other)
            }
            written = writer.write(unsent), if !unsent.is_empty() => {
                unsent.drain(..written?);
                Ok(())
            }
        }
    }

    /// The connection is over, and what is open with it.
    fn hang_up(&mut self) {
        if let Wire::Stream(stream) = &mut self.wire {
            *stream = Stream::default();
        }
        self.client.handle_closed();
    }
}

impl Stream {
    /// Waits for a connection to `server`. May be dropped and called again.
    async fn open(&mut self, server: SocketAddr) -> io::Result<TcpStream> {
        if self.opening.is_empty() {
            self.opening.spawn(TcpStream::connect(server));
        }
        match self.opening.join_next().await {
            Some(opened) => opened.map_err(io::Error::other)?,
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// Whether the system reports something about a datagram that was sent.
fn is_notice(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    )
}
