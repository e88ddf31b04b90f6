//! NAT behaviour discovery over real sockets: [`DiscoveryDriver`].

use crate::drive::udp::{bind, home_for};
use crate::drive::{Clock, seed};
use ::tokio::io::ReadBuf;
use ::tokio::net::UdpSocket;
use core::net::SocketAddr;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use stun_proto::nat::{Discovery, DiscoveryConfig, DiscoveryEvent, NatReport};

/// The longest datagram that is read: what UDP can carry.
const READ_BYTES: usize = 65_535;

/// Runs a [`Discovery`] on sockets of its own.
///
/// ```no_run
/// use gdwire::drive::stun::DiscoveryDriver;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let mut driver = DiscoveryDriver::start("192.0.2.1:3478".parse()?, |_| {})?;
/// while let Some(event) = driver.next_event().await? {
///     println!("{event:?}");
/// }
/// println!("mapping: {:?}, filtering: {:?}", driver.report().mapping, driver.report().filtering);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DiscoveryDriver {
    discovery: Discovery,
    clock: Clock,
    sockets: Vec<(SocketAddr, UdpSocket)>,
    input: Box<[u8]>,
    is_finished: bool,
}

impl DiscoveryDriver {
    /// Binds sockets on the address from which the system reaches `server`, and begins. `configure` may change what is
    /// asked, such as to look for the lifetime of mappings.
    ///
    /// # Errors
    /// What the system says, such as that there is no way to the server; `InvalidInput` if the sockets do not do.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its IO and time drivers on.
    pub fn start(
        server: SocketAddr,
        configure: impl FnOnce(&mut DiscoveryConfig),
    ) -> io::Result<Self> {
        let home = home_for(server)?;
        let bound = (0..DiscoveryConfig::SOCKETS).map(|_| {
            let socket = bind(SocketAddr::new(home, 0))?;
            socket.set_nonblocking(true)?;
            Ok((socket.local_addr()?, UdpSocket::from_std(socket)?))
        });
        let sockets = bound.collect::<io::Result<Vec<_>>>()?;
        let addresses = sockets.iter().map(|(address, _)| *address).collect();
        let mut config = DiscoveryConfig::new(seed()?, server, addresses);
        configure(&mut config);
        let clock = Clock::start();
        let discovery = Discovery::new(clock.now(), config);
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        Ok(Self {
            discovery: discovery.map_err(invalid)?,
            clock,
            sockets,
            input: vec![0; READ_BYTES].into_boxed_slice(),
            is_finished: false,
        })
    }

    /// What is known so far.
    #[must_use]
    pub const fn report(&self) -> &NatReport {
        self.discovery.report()
    }

    /// Gives up what is still open; the next event is the last.
    pub fn stop(&mut self) {
        self.discovery.stop();
    }

    /// Runs until there is an event; `None` after [`DiscoveryEvent::Finished`].
    ///
    /// May be dropped and called again at any time: nothing is lost.
    ///
    /// # Errors
    /// A socket is broken.
    pub async fn next_event(&mut self) -> io::Result<Option<DiscoveryEvent>> {
        loop {
            if let Some(event) = self.discovery.poll_event() {
                self.is_finished |= event == DiscoveryEvent::Finished;
                return Ok(Some(event));
            }
            if self.is_finished {
                return Ok(None);
            }
            self.send();
            let wait = self.discovery.poll_timeout();
            let wait = wait.map_or(Duration::MAX, |deadline| self.clock.until(deadline));
            let received = core::future::poll_fn(|context| self.poll_receive(context));
            match ::tokio::time::timeout(wait, received).await {
                Ok(result) => result?,
                // The deadline came.
                Err(_) => self.discovery.handle_timeout(self.clock.now()),
            }
        }
    }

    fn send(&mut self) {
        let mut buffer = [0; Discovery::BUFFER];
        let now = self.clock.now();
        while let Some(transmit) = self.discovery.poll_transmit(now, &mut buffer) {
            let mut sockets = self.sockets.iter();
            let from = sockets.find(|(address, _)| Some(*address) == transmit.source);
            let bytes = buffer.get(transmit.bytes).unwrap_or_default();
            if let Some((_, socket)) = from {
                // What the system does not take is lost, as on any network.
                let _ = socket.try_send_to(bytes, transmit.destination);
            }
        }
    }

    /// Takes in all that has come; pending if that is nothing.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut received = Poll::Pending;
        for (local, socket) in &self.sockets {
            loop {
                let mut input = ReadBuf::new(&mut self.input);
                match socket.poll_recv_from(context, &mut input) {
                    Poll::Pending => break,
                    Poll::Ready(Ok(from)) => {
                        let now = self.clock.now();
                        // The machine knows what it drops.
                        let _ = self
                            .discovery
                            .handle_datagram(now, *local, from, input.filled());
                    }
                    // Word that an earlier datagram did not arrive.
                    Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                }
                received = Poll::Ready(Ok(()));
            }
        }
        received
    }
}
