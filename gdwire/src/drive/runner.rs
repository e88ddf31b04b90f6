//! What all drivers of one machine share: [`Runner`].

use super::udp::{self, Call, Port, Received, Sent, Socket};
use super::{Clock, Foreign, Machine};
use crate::peers::Event;
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::Instant;
use std::io;
use std::net::UdpSocket;

/// Datagrams that one socket hands over at most before a driver sends and looks at the clock.
pub(super) const DATAGRAMS_PER_TURN: usize = 256;
/// Events that are given at most before a driver sends and looks at the clock. As a rule more than the datagrams of a turn
/// make: what is sent in between acknowledges calls whose answers would then need a datagram of their own.
const EVENTS_PER_TURN: usize = 2 * DATAGRAMS_PER_TURN;

/// A socket as a driver holds it.
pub(super) trait Line: Socket {
    /// Runs `call`, which reads, if there may be something to read; `WouldBlock` says that nothing is left.
    fn reading(&self, call: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()>;
    /// Runs `call`, which writes, if there may be room.
    fn writing(&self, call: Call<'_>) -> io::Result<usize>;
}

/// A machine, its sockets and its clock. It never waits.
#[derive(Debug)]
pub(super) struct Runner<M, L> {
    pub(super) machine: M,
    pub(super) clock: Clock,
    pub(super) foreign: Foreign,
    pub(super) links: Vec<Link<L>>,
    /// How often a paced driver looks at its sockets, and when it does so next.
    pub(super) pace: Option<(Duration, Instant)>,
    given: usize,
}

/// One socket.
#[derive(Debug)]
pub(super) struct Link<L> {
    pub(super) line: L,
    pub(super) port: Port,
    /// Whether it took no more when last asked.
    pub(super) is_blocked: bool,
}

/// What a turn came to.
#[derive(Debug)]
pub(super) enum Turn {
    /// There is an event.
    Event(Event),
    /// The machine is closed and everything was sent.
    Over,
    /// Nothing is left to do but to wait.
    Idle,
}

impl<M: Machine, L: Line> Runner<M, L> {
    pub(super) fn new(machine: M, clock: Clock, links: Vec<Link<L>>) -> Self {
        Self {
            machine,
            clock,
            foreign: Foreign::default(),
            links,
            pace: None,
            given: 0,
        }
    }

    /// Gives an event if one is there; otherwise does what is due and sends.
    ///
    /// Events come first, so that answers to many of them leave in one datagram.
    pub(super) fn turn(&mut self) -> Turn {
        let event = self.machine.poll_event();
        // A caller may stop at the last event; what it makes has to be sent before.
        if self.given < EVENTS_PER_TURN
            && !self.machine.is_closed()
            && let Some(event) = event
        {
            self.given += 1;
            return Turn::Event(event);
        }
        self.given = 0;
        let now = self.clock.now();
        if self.machine.poll_timeout().is_some_and(|at| at <= now) {
            self.machine.handle_timeout(now);
        }
        let event = event.or_else(|| self.machine.poll_event());
        let is_sent = self.send(now);
        match event {
            Some(event) => Turn::Event(event),
            None if is_sent && self.machine.is_closed() => Turn::Over,
            None => Turn::Idle,
        }
    }

    /// Sends what the machine has; tells whether the sockets took all.
    pub(super) fn send(&mut self, now: Instant) -> bool {
        let Self { machine, links, .. } = self;
        for (index, link) in links.iter_mut().enumerate() {
            let Link { line, port, .. } = link;
            let poll = |buffer: &mut [u8]| machine.poll_transmit(index, now, buffer);
            let sent = port.send(line, |call| line.writing(call), poll);
            link.is_blocked = sent == Sent::Blocked;
        }
        !links.iter().any(|link| link.is_blocked)
    }

    /// Takes what is there, without waiting.
    pub(super) fn receive(&mut self) -> io::Result<()> {
        for index in 0..self.links.len() {
            self.receive_at(index)?;
        }
        if let Some((period, next)) = &mut self.pace {
            *next = self.clock.now().saturating_add(*period);
        }
        Ok(())
    }

    fn receive_at(&mut self, index: usize) -> io::Result<()> {
        let Self {
            machine,
            links,
            clock,
            foreign,
            ..
        } = self;
        let Some(Link { line, port, .. }) = links.get_mut(index) else {
            return Ok(());
        };
        let mut count = 0;
        while count < DATAGRAMS_PER_TURN {
            let now = clock.now();
            let mut each = |from: SocketAddr, data: &[u8]| {
                // What is foreign is answered from the first socket, so it has to come from there.
                if !machine.handle_datagram(index, now, from, data) && index == 0 {
                    foreign.offer(from, data);
                }
            };
            let result = line.reading(&mut || {
                let Received {
                    count: more,
                    is_drained,
                } = port.receive(line, &mut each)?;
                count += more.max(1);
                // Saying that it is empty saves the call that would find out.
                if is_drained {
                    Err(io::ErrorKind::WouldBlock.into())
                } else {
                    Ok(())
                }
            });
            match result {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// When the machine or the pace wants a turn.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let pace = self.pace.map(|(_, next)| next);
        match (self.machine.poll_timeout(), pace) {
            (Some(machine), Some(pace)) => Some(machine.min(pace)),
            (machine, pace) => machine.or(pace),
        }
    }

    /// Whether the sockets shall not be looked at yet.
    pub(super) fn is_pausing(&self) -> bool {
        self.pace.is_some_and(|(_, next)| self.clock.now() < next)
    }

    /// Looks at the sockets once each `period` instead of when something arrives.
    pub(super) fn set_pace(&mut self, period: Duration) {
        self.pace = Some((period, self.clock.now()));
    }

    pub(super) fn send_one(&self, destination: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        match self.links.first() {
            Some(link) => link.port.send_one(&link.line, destination, datagram),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// Methods that all drivers of one machine have.
macro_rules! driver_methods {
    ($machine:ty, $look:ident, $command:ident) => {
        #[doc = concat!("The current moment on the clock that the ", stringify!($look), " sees.")]
        #[must_use]
        pub fn now(&self) -> proto_core::Instant {
            self.0.now()
        }

        #[doc = concat!("The ", stringify!($look), ", to look at.")]
        #[must_use]
        pub const fn $look(&self) -> &$machine {
            &self.0.runner.machine
        }

        #[doc = concat!("The ", stringify!($look), ", for commands. What they queue is sent once no event is left.")]
        pub const fn $command(&mut self) -> &mut $machine {
            &mut self.0.runner.machine
        }

        /// Sends what is queued now, without giving an event; what finds no room in the socket is sent later.
        ///
        /// Not needed by a caller that takes events until there are none.
        pub fn flush(&mut self) {
            let now = self.0.now();
            self.0.runner.send(now);
        }

        #[doc = concat!("Sets who gets the datagrams that cannot be ENet for this ", stringify!($look), "; they are dropped without.")]
        ///
        /// The handler runs inside `next_event`, so it should only note what came.
        pub fn on_foreign_datagram(
            &mut self,
            handler: impl FnMut(core::net::SocketAddr, &[u8]) + Send + Sync + 'static,
        ) {
            self.0.runner.foreign = crate::drive::Foreign(Some(Box::new(handler)));
        }

        #[doc = concat!("Sends a datagram that is not the ", stringify!($look), "'s own from its port, at once.")]
        ///
        /// # Errors
        /// What the system says; `WouldBlock` if the socket takes no more now, and the datagram is lost.
        pub fn send_foreign_datagram(
            &self,
            destination: core::net::SocketAddr,
            datagram: &[u8],
        ) -> std::io::Result<()> {
            self.0.runner.send_one(destination, datagram)
        }

        /// The address of the socket, with the port that the system chose for port 0.
        ///
        /// # Errors
        /// What the system says.
        pub fn local_address(&self) -> std::io::Result<core::net::SocketAddr> {
            self.0.local_address(0)
        }

        /// Looks at the socket once in each `period` instead of whenever a datagram arrives.
        ///
        /// For a game that ticks: everything that came in a period is handled together and answered together, and
        /// nothing wakes the thread in between, not each acknowledgement. It costs up to `period` of latency, as the
        /// engine's own loop does, which looks at its socket once a frame. The system's buffer of the socket (a server asks
        /// for 4 MiB, a client for 1) has to hold what comes in a period; deadlines of the protocol are kept to the millisecond.
        ///
        /// # Errors
        /// What the system says.
        pub fn paced(self, period: core::time::Duration) -> std::io::Result<Self> {
            self.0.paced(period).map(Self)
        }
    };
}
pub(super) use driver_methods;

/// Binds a socket for each listener of a server.
pub(super) fn bind_all(
    addresses: &[SocketAddr],
    server: &crate::Server,
) -> io::Result<Vec<(UdpSocket, Port)>> {
    if addresses.len() != server.listeners() {
        let message = format!(
            "{} addresses for a server with {} listeners",
            addresses.len(),
            server.listeners()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let bind = |&address| {
        let socket = udp::bind(address)?;
        let port = Port::of_server(&socket)?;
        Ok((socket, port))
    };
    addresses.iter().map(bind).collect()
}

/// Lets a client begin; its errors are those of a socket.
pub(super) fn begin(
    client: &mut crate::Client,
    now: Instant,
    server: SocketAddr,
) -> io::Result<()> {
    client
        .connect(now, server)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}
