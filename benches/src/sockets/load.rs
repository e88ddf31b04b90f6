//! Clients that send to an echo server at a rate and count what comes back: [`Load`].

use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use enet_proto::{Config, Event, Host, PacketFlags, PeerKey};
use gdwire::drive;
use proto_core::Instant;
use std::collections::VecDeque;
use std::io;
use std::net::UdpSocket;

/// How often somebody connects.
const JOIN: Duration = Duration::from_millis(1);

/// What the clients do.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    /// How many clients.
    pub clients: usize,
    /// How often each looks at its socket and sends.
    pub period: Duration,
    /// Reliable messages that it then sends, of 64 bytes.
    pub batch: usize,
}

/// The clients, spread evenly over their period.
#[derive(Debug)]
pub struct Load {
    pattern: Pattern,
    server: SocketAddr,
    clients: Vec<Client>,
    /// When which client is next, in that order.
    agenda: VecDeque<(Instant, usize)>,
    next_join: Instant,
    started: std::time::Instant,
    buffer: Vec<u8>,
    message: Bytes,
    echoes: u64,
    joined: usize,
    is_sending: bool,
}

#[derive(Debug)]
struct Client {
    host: Host,
    socket: UdpSocket,
    server: PeerKey,
    has_joined: bool,
}

impl Load {
    /// Nobody has joined yet.
    #[must_use]
    pub fn new(server: SocketAddr, pattern: Pattern) -> Self {
        // The first byte is that of Godot's raw packets: our server is a whole session.
        let mut message = vec![7; 64];
        message[0] = 3;
        Self {
            pattern,
            server,
            clients: Vec::new(),
            agenda: VecDeque::new(),
            next_join: Instant::from_millis(1000),
            started: std::time::Instant::now(),
            buffer: vec![0; 1 << 16],
            message: message.into(),
            echoes: 0,
            joined: 0,
            is_sending: false,
        }
    }

    /// Messages that came back since the start.
    #[must_use]
    pub const fn echoes(&self) -> u64 {
        self.echoes
    }

    /// Whether all have joined.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.joined == self.pattern.clients
    }

    /// Lets those who have joined send, or not.
    pub const fn send(&mut self, is_sending: bool) {
        self.is_sending = is_sending;
    }

    /// Does what is due and waits a little.
    ///
    /// # Errors
    /// A socket is broken.
    ///
    /// # Panics
    /// When a client loses its server.
    pub fn turn(&mut self) -> io::Result<()> {
        let now = self.now();
        if self.clients.len() < self.pattern.clients && self.next_join <= now {
            self.next_join = now + JOIN;
            self.join(now)?;
        }
        let mut due = self.agenda.len();
        while due > 0
            && let Some(&(at, index)) = self.agenda.front()
            && at <= now
        {
            due -= 1;
            self.agenda.pop_front();
            self.agenda.push_back((at + self.pattern.period, index));
            self.frame(index, now)?;
        }
        std::thread::sleep(Duration::from_micros(100));
        Ok(())
    }

    fn now(&self) -> Instant {
        Instant::from_millis(1000).saturating_add(self.started.elapsed())
    }

    fn join(&mut self, now: Instant) -> io::Result<()> {
        let index = self.clients.len();
        let mut config = Config::new(drive::seed()?);
        config.max_peers = 1;
        let mut host = Host::new(config).expect("good settings");
        let id = u32::try_from(index).unwrap_or(u32::MAX) + 2;
        let server = host
            .connect(now, self.server, 2, id)
            .expect("a slot is free");
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        self.clients.push(Client {
            host,
            socket,
            server,
            has_joined: false,
        });
        // Behind all others, since nobody is due later than a period from now.
        self.agenda.push_back((now + self.pattern.period, index));
        self.frame(index, now)
    }

    /// A client reads, sends its messages with what it has to acknowledge, and counts.
    fn frame(&mut self, index: usize, now: Instant) -> io::Result<()> {
        let client = &mut self.clients[index];
        client.receive(now, &mut self.buffer)?;
        while let Some(event) = client.host.poll_event() {
            match event {
                Event::Connected { .. } => {
                    client.has_joined = true;
                    self.joined += 1;
                }
                Event::Received { .. } => self.echoes += 1,
                Event::Disconnected { reason, .. } => panic!("a client lost its server: {reason}"),
                _ => {}
            }
        }
        if self.is_sending && client.has_joined {
            for _ in 0..self.pattern.batch {
                // What a full queue refuses is not counted, since it does not come back.
                let message = self.message.clone();
                let _ = client
                    .host
                    .send(client.server, 0, PacketFlags::RELIABLE, message);
            }
        }
        client.host.handle_timeout(now);
        client.transmit(now, &mut self.buffer);
        Ok(())
    }
}

impl Client {
    fn receive(&mut self, now: Instant, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            match self.socket.recv_from(buffer) {
                Ok((length, from)) => {
                    let _ = self.host.handle_datagram(now, from, &buffer[..length]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn transmit(&mut self, now: Instant, buffer: &mut [u8]) {
        while let Some(transmit) = self.host.poll_transmit(now, buffer) {
            // What finds no room is sent again.
            let _ = self
                .socket
                .send_to(&buffer[transmit.bytes], transmit.destination);
        }
    }
}
