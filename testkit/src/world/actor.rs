//! What most worlds hold: players, the servers that answer them, and what players tell each other: [`Actor`], [`Server`],
//! [`Signals`].

use super::{HostId, SendError, World};
use crate::Machine;
use alloc::collections::VecDeque;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::{Handled, Instant, Transmit};

/// A host of a [`World`] that is a player, which is the machine under test, or a [`Server`].
///
/// ```
/// use core::net::SocketAddr;
/// use core::time::Duration;
/// use proto_core::{Handled, Instant, Transmit};
/// use testkit::Machine;
/// use testkit::world::{Actor, Server, World};
///
/// /// Asks once, and keeps the answer.
/// struct Player {
///     server: Option<SocketAddr>,
///     answer: Vec<u8>,
/// }
///
/// impl Machine for Player {
///     type Event = ();
///     type Drop = ();
///     fn handle_datagram(&mut self, _: Instant, _: SocketAddr, _: SocketAddr, data: &[u8]) -> Handled<()> {
///         self.answer = data.to_vec();
///         Handled::Consumed
///     }
///     fn handle_timeout(&mut self, _: Instant) {}
///     fn poll_transmit(&mut self, _: Instant, _: &mut [u8]) -> Option<Transmit> {
///         let destination = self.server.take()?;
///         Some(Transmit { source: None, destination, bytes: 0..0 })
///     }
///     fn poll_timeout(&self) -> Option<Instant> { None }
///     fn poll_event(&mut self) -> Option<()> { None }
///     fn buffer_bytes(&self) -> usize { 16 }
/// }
///
/// let mut world = World::new(1);
/// let internet = World::<Actor<Player>>::INTERNET;
/// let here = "198.51.100.1:7000".parse()?;
/// let server = Server::new(|_, local, from, _, buffer| {
///     let text = from.to_string();
///     buffer[..text.len()].copy_from_slice(text.as_bytes());
///     Some(Transmit { source: Some(local), destination: from, bytes: 0..text.len() })
/// });
/// world.add_host("server", internet, here, Actor::Server(server));
/// let player = Player { server: Some(here), answer: Vec::new() };
/// let player = world.add_host("player", internet, "203.0.113.1:7777".parse()?, Actor::player(player));
/// world.run_for(Duration::from_secs(1));
/// assert_eq!(world.machine(player).as_player().answer, b"203.0.113.1:7777");
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "there is no third kind")]
pub enum Actor<P> {
    /// The machine under test.
    Player(Box<P>),
    /// What answers it.
    Server(Server),
}

impl<P> Actor<P> {
    /// A player.
    #[must_use]
    pub fn player(player: P) -> Self {
        Self::Player(Box::new(player))
    }

    /// The player that this is.
    ///
    /// # Panics
    ///
    /// If it is a server.
    #[must_use]
    pub fn as_player(&self) -> &P {
        match self {
            Self::Player(player) => player,
            Self::Server(_) => panic!("this host is a server"),
        }
    }

    /// The player that this is.
    ///
    /// # Panics
    ///
    /// If it is a server.
    #[must_use]
    pub fn as_player_mut(&mut self) -> &mut P {
        match self {
            Self::Player(player) => player,
            Self::Server(_) => panic!("this host is a server"),
        }
    }
}

impl<P: Machine> Machine for Actor<P> {
    type Event = P::Event;
    type Drop = P::Drop;

    fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<P::Drop> {
        match self {
            Self::Player(player) => player.handle_datagram(now, local, from, data),
            Self::Server(server) => {
                server.handle_datagram(now, local, from, data);
                Handled::Consumed
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Self::Player(player) = self {
            player.handle_timeout(now);
        }
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        match self {
            Self::Player(player) => player.poll_transmit(now, buf),
            Self::Server(server) => server.poll_transmit(buf),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Player(player) => player.poll_timeout(),
            Self::Server(_) => None,
        }
    }

    fn poll_event(&mut self) -> Option<P::Event> {
        match self {
            Self::Player(player) => player.poll_event(),
            Self::Server(_) => None,
        }
    }

    fn buffer_bytes(&self) -> usize {
        match self {
            Self::Player(player) => player.buffer_bytes(),
            Self::Server(_) => Server::BUFFER_BYTES,
        }
    }

    fn handle_send_error(
        &mut self,
        now: Instant,
        local: SocketAddr,
        destination: SocketAddr,
        error: SendError,
    ) {
        if let Self::Player(player) = self {
            player.handle_send_error(now, local, destination, error);
        }
    }
}

/// Now, the address that a datagram came to, the one that it came from, the datagram, and room for an answer.
type Answer = dyn FnMut(Instant, SocketAddr, SocketAddr, &[u8], &mut [u8]) -> Option<Transmit>;

/// What answers each datagram with one at most and has no deadlines: a STUN server, a directory, a relay of datagrams.
pub struct Server {
    answer: Box<Answer>,
    outbox: VecDeque<(Transmit, Vec<u8>)>,
}

impl Server {
    /// The room for an answer, in bytes.
    pub const BUFFER_BYTES: usize = 2048;

    /// A server. `answer` gets the present, the address that a datagram came to, the one that it came from, the datagram and
    /// [`Self::BUFFER_BYTES`] of room, and says what of the room leaves, from where and to where.
    #[must_use]
    pub fn new(
        answer: impl FnMut(Instant, SocketAddr, SocketAddr, &[u8], &mut [u8]) -> Option<Transmit>
        + 'static,
    ) -> Self {
        Self {
            answer: Box::new(answer),
            outbox: VecDeque::new(),
        }
    }

    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, data: &[u8]) {
        let mut buffer = [0; Self::BUFFER_BYTES];
        if let Some(transmit) = (self.answer)(now, local, from, data, &mut buffer) {
            let bytes = buffer[transmit.bytes.clone()].to_vec();
            self.outbox.push_back((transmit, bytes));
        }
    }

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<Transmit> {
        let (transmit, bytes) = self.outbox.pop_front()?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Some(Transmit {
            bytes: 0..bytes.len(),
            ..transmit
        })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("outbox", &self.outbox)
            .finish_non_exhaustive()
    }
}

/// What one player tells another outside the simulated network, as signalling does: late, in order, and without loss.
///
/// A player [tells](Self::tell), [takes](Self::take) what is due in its `handle_timeout`, and names
/// [`poll_timeout`](Self::poll_timeout) among its deadlines; the test calls [`exchange`](Self::exchange) between the steps of
/// the world.
#[derive(Clone, Debug)]
pub struct Signals<T> {
    inbox: VecDeque<(Instant, T)>,
    outbox: Vec<T>,
}

impl<T> Signals<T> {
    /// Nothing told yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            inbox: VecDeque::new(),
            outbox: Vec::new(),
        }
    }

    /// Tells the other side; it leaves with the next exchange.
    pub fn tell(&mut self, signal: T) {
        self.outbox.push(signal);
    }

    /// The next of what has come by now.
    pub fn take(&mut self, now: Instant) -> Option<T> {
        let due = self.inbox.front().is_some_and(|&(at, _)| at <= now);
        due.then(|| self.inbox.pop_front())?
            .map(|(_, signal)| signal)
    }

    /// When the next signal comes.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.inbox.front().map(|&(at, _)| at)
    }

    /// Carries what two players have told since the last exchange; it comes after `delay`. `signals` says where a player
    /// keeps its own.
    ///
    /// # Panics
    ///
    /// If one of them is a server.
    pub fn exchange<P: Machine>(
        world: &mut World<Actor<P>>,
        players: [HostId; 2],
        delay: Duration,
        signals: impl Fn(&mut P) -> &mut Self,
    ) {
        let at = world.now() + delay;
        for (from, to) in [(0, 1), (1, 0)] {
            let told = &mut signals(world.machine_mut(players[from]).as_player_mut()).outbox;
            let told = core::mem::take(told);
            let inbox = &mut signals(world.machine_mut(players[to]).as_player_mut()).inbox;
            inbox.extend(told.into_iter().map(|signal| (at, signal)));
        }
    }
}

impl<T> Default for Signals<T> {
    fn default() -> Self {
        Self::new()
    }
}
