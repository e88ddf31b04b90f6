//! [`SwarmDriver`]: many clients in one task.

use super::super::Clock;
use super::super::runner::{DATAGRAMS_PER_TURN, Line as _, begin};
use super::super::udp::{self, Port, Received, Sent};
use super::Wire;
use super::ready::Ready;
use crate::peers::{Client, Event};
use ::tokio::net::UdpSocket;
use ::tokio::time::Sleep;
use alloc::collections::{BTreeSet, VecDeque};
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use proto_core::Instant;
use std::io;

/// Runs many [`Client`]s in one task, each on a port of its own: bots, load generators.
///
/// What a client costs here beside itself is a socket; buffers are shared, and the loop only looks at clients that
/// have something to do. Where a socket takes no more, datagrams are lost, as on any network.
///
/// ```no_run
/// use gdwire::drive::{self, tokio::SwarmDriver};
/// use gdwire::{Client, ClientConfig};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let mut swarm = SwarmDriver::new();
/// for _ in 0..100 {
///     let client = Client::new(ClientConfig::new(drive::seed()?))?;
///     swarm.connect("127.0.0.1:9000".parse()?, client)?;
/// }
/// while let Some((index, event)) = swarm.next_event().await? {
///     println!("client {index}: {event:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SwarmDriver {
    clock: Clock,
    members: Vec<Member>,
    ready: Ready,
    /// Sockets to read from next; kept for its memory.
    readable: Vec<usize>,
    /// Clients that may have events or datagrams to give, each once.
    busy: VecDeque<usize>,
    deadlines: BTreeSet<(Instant, usize)>,
    sleep: Option<Pin<Box<Sleep>>>,
    open: usize,
    /// Whether the runtime tells which sockets have something.
    is_watching: bool,
}

#[derive(Debug)]
struct Member {
    client: Client,
    /// `None` once the client is closed and everything is sent.
    line: Option<Line>,
    deadline: Option<Instant>,
    is_busy: bool,
}

#[derive(Debug)]
struct Line {
    wire: Wire,
    port: Port,
    waker: Waker,
}

impl Default for SwarmDriver {
    fn default() -> Self {
        Self::new()
    }
}

impl SwarmDriver {
    /// A swarm without clients.
    #[must_use]
    pub fn new() -> Self {
        Self {
            clock: Clock::start(),
            members: Vec::new(),
            ready: Ready::default(),
            readable: Vec::new(),
            busy: VecDeque::new(),
            deadlines: BTreeSet::new(),
            sleep: None,
            open: 0,
            is_watching: true,
        }
    }

    /// A swarm whose sockets nobody watches: a client hears what came for it when the caller says so with
    /// [`SwarmDriver::look`], once a frame, as games do.
    ///
    /// With thousands of clients this costs less than half: the system wakes nobody for a datagram, and what a client
    /// acknowledges leaves together with what it says in that frame. The latency is up to a frame more.
    #[must_use]
    pub fn unwatched() -> Self {
        Self {
            is_watching: false,
            ..Self::new()
        }
    }

    /// Takes in what came for a client, up to 256 datagrams, without waiting. Its events and its answers are what
    /// [`SwarmDriver::next_event`] and [`SwarmDriver::ready_event`] give and send next. A client that is over, or is not
    /// there, hears nothing.
    ///
    /// # Errors
    /// The socket is broken.
    pub fn look(&mut self, index: usize) -> io::Result<()> {
        self.receive_at(index)?;
        self.mark(index);
        Ok(())
    }

    /// Binds a socket to any free port and lets `client` connect to `server`; gives the client's index, counted from 0.
    ///
    /// # Errors
    /// What the system says (each client needs a file descriptor), or `InvalidInput` with a
    /// [`ConnectError`](crate::ConnectError) inside.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its IO and time drivers on.
    pub fn connect(&mut self, server: SocketAddr, mut client: Client) -> io::Result<usize> {
        begin(&mut client, self.clock.now(), server)?;
        let socket = udp::bind(udp::unspecified_for(server))?;
        let port = Port::of_client(&socket)?;
        let index = self.members.len();
        let wire = if self.is_watching {
            Wire::Watched(UdpSocket::from_std(socket)?)
        } else {
            Wire::Paced(socket)
        };
        let line = Line {
            wire,
            port,
            waker: self.ready.waker(index),
        };
        self.members.push(Member {
            client,
            line: Some(line),
            deadline: None,
            is_busy: false,
        });
        self.open += 1;
        if self.is_watching {
            self.ready.note(index);
        }
        self.mark(index);
        Ok(index)
    }

    /// The current moment on the clock that all clients see.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// A client, to look at; also one that is over.
    #[must_use]
    pub fn client(&self, index: usize) -> Option<&Client> {
        Some(&self.members.get(index)?.client)
    }

    /// A client, for commands; the next call of [`SwarmDriver::next_event`] sends what they queue.
    pub fn client_mut(&mut self, index: usize) -> Option<&mut Client> {
        self.mark(index);
        Some(&mut self.members.get_mut(index)?.client)
    }

    /// All clients in the order of their indices, for commands.
    pub fn clients_mut(&mut self) -> impl Iterator<Item = &mut Client> {
        for index in 0..self.members.len() {
            self.mark(index);
        }
        self.members.iter_mut().map(|member| &mut member.client)
    }

    /// How many clients are not over.
    #[must_use]
    pub const fn open_clients(&self) -> usize {
        self.open
    }

    /// Runs until a client has an event, and tells which; `None` while no client is left that is not over.
    ///
    /// May be dropped and called again at any time (in `select!`, with a timeout): nothing is lost.
    ///
    /// # Errors
    /// A socket is broken. A datagram that cannot be sent or delivered is none.
    pub async fn next_event(&mut self) -> io::Result<Option<(usize, Event)>> {
        core::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// An event that is there already, without waiting or receiving; [`SwarmDriver::next_event`] must go on being
    /// called. Where events come in crowds this costs less.
    pub fn ready_event(&mut self) -> Option<(usize, Event)> {
        self.work()
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<(usize, Event)>>> {
        self.ready.register(context.waker());
        // One turn of receiving per poll: when the runtime's budget is spent, sockets wake themselves for the next.
        self.expire();
        if let Some(event) = self.work() {
            return Poll::Ready(Ok(Some(event)));
        }
        self.receive()?;
        if let Some(event) = self.work() {
            return Poll::Ready(Ok(Some(event)));
        }
        if self.open == 0 {
            return Poll::Ready(Ok(None));
        }
        self.poll_deadline(context);
        Poll::Pending
    }

    fn mark(&mut self, index: usize) {
        if let Some(member) = self.members.get_mut(index)
            && !core::mem::replace(&mut member.is_busy, true)
        {
            self.busy.push_back(index);
        }
    }

    /// Does what is due.
    fn expire(&mut self) {
        let now = self.clock.now();
        while let Some(&(deadline, index)) = self.deadlines.first() {
            if deadline > now {
                return;
            }
            self.deadlines.pop_first();
            if let Some(member) = self.members.get_mut(index) {
                member.deadline = None;
                member.client.handle_timeout(now);
            }
            self.mark(index);
        }
    }

    /// Takes events and sends, until a client has an event.
    fn work(&mut self) -> Option<(usize, Event)> {
        let Self {
            members,
            busy,
            deadlines,
            clock,
            open,
            ..
        } = self;
        let now = clock.now();
        while let Some(&index) = busy.front() {
            let member = members.get_mut(index)?;
            if let Some(event) = member.client.poll_event() {
                return Some((index, event));
            }
            busy.pop_front();
            member.is_busy = false;
            if let Some(line) = &mut member.line {
                line.send(&mut member.client, now);
                if member.client.is_closed() {
                    member.line = None;
                    *open -= 1;
                }
            }
            member.rearm(index, deadlines);
        }
        None
    }

    /// Reads from the sockets that were ready when it was called.
    fn receive(&mut self) -> io::Result<()> {
        let mut readable = core::mem::take(&mut self.readable);
        self.ready.take(&mut readable);
        let mut result = Ok(());
        for index in readable.drain(..) {
            match self.receive_at(index) {
                Ok(true) => self.ready.note(index),
                Ok(false) => {}
                Err(error) => result = Err(error),
            }
        }
        self.readable = readable;
        result
    }

    /// Reads from one socket until it has nothing or had its turn; tells whether there may be more.
    fn receive_at(&mut self, index: usize) -> io::Result<bool> {
        let Self {
            members,
            clock,
            is_watching,
            ..
        } = self;
        let Some(member) = members.get_mut(index) else {
            return Ok(false);
        };
        let Member {
            client,
            line: Some(line),
            ..
        } = member
        else {
            return Ok(false);
        };
        let now = clock.now();
        let (mut count, mut has_more) = (0, true);
        while has_more && count < DATAGRAMS_PER_TURN {
            has_more = line.is_ready()?;
            if has_more {
                let received = line.receive(client, now)?;
                count += received.count.max(1);
                // A watched socket has to be asked again, or nobody is woken for it.
                has_more = *is_watching || !received.is_drained;
            }
        }
        self.mark(index);
        Ok(has_more)
    }

    /// Has the task woken at the first deadline.
    fn poll_deadline(&mut self, context: &mut Context<'_>) {
        let Some(&(deadline, _)) = self.deadlines.first() else {
            self.sleep = None;
            return;
        };
        let sleep = ::tokio::time::sleep(self.clock.until(deadline));
        let sleep = match &mut self.sleep {
            Some(place) => {
                place.set(sleep);
                place
            }
            none => none.insert(Box::pin(sleep)),
        };
        if sleep.as_mut().poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
    }
}

impl Member {
    /// Notes when the client has to be looked at next.
    fn rearm(&mut self, index: usize, deadlines: &mut BTreeSet<(Instant, usize)>) {
        let deadline = match self.line {
            Some(_) => self.client.poll_timeout(),
            None => None,
        };
        if deadline == self.deadline {
            return;
        }
        if let Some(old) = self.deadline {
            deadlines.remove(&(old, index));
        }
        if let Some(new) = deadline {
            deadlines.insert((new, index));
        }
        self.deadline = deadline;
    }
}

impl Line {
    /// Whether there may be something to read; if not, the runtime wakes the line's waker when there is.
    fn is_ready(&self) -> io::Result<bool> {
        let Wire::Watched(socket) = &self.wire else {
            return Ok(true);
        };
        match socket.poll_recv_ready(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(ready) => ready.map(|()| true),
            Poll::Pending => Ok(false),
        }
    }

    fn send(&mut self, client: &mut Client, now: Instant) {
        // Not through `try_io`: it refuses until the runtime has noticed that a fresh socket is writable.
        let poll = |buffer: &mut [u8]| client.poll_transmit(now, buffer);
        if self.port.send(&self.wire, |call| call(), poll) == Sent::Blocked {
            self.port.discard();
        }
    }

    /// One system call; tells how many datagrams there were, and whether the runtime may still say that there are more.
    fn receive(&mut self, client: &mut Client, now: Instant) -> io::Result<Received> {
        let Self { wire, port, .. } = self;
        let mut received = Received::NOTHING;
        let result = wire.reading(&mut || {
            received = port.receive(wire, |from, data| {
                // The client counts what it drops.
                let _ = client.handle_datagram(now, from, data);
            })?;
            if received.is_drained {
                // The socket is empty: saying so saves the call that would find out.
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(())
        });
        match result {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(received),
        }
    }
}
