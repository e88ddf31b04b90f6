//! Clients over UDP that join, acknowledge, and count what they get: [`Swarm`].

use core::net::SocketAddr;
use core::time::Duration;
use enet_proto::{Config, Event, Host};
use gdwire::drive;
use proto_core::Instant;
use replication_proto::packet::Command;
use std::io;
use std::net::UdpSocket;

/// What all clients of a swarm got.
#[derive(Clone, Copy, Debug, Default)]
pub struct Received {
    /// Clients that are connected.
    pub joined: usize,
    /// SPAWN packets.
    pub spawns: u64,
    /// Entries of full state.
    pub states: u64,
    /// Entries of changes.
    pub changes: u64,
}

/// Clients of one server, or of several.
#[derive(Debug)]
pub struct Swarm {
    clients: Vec<Client>,
    started: std::time::Instant,
    buffer: Vec<u8>,
    received: Received,
}

#[derive(Debug)]
struct Client {
    host: Host,
    socket: UdpSocket,
}

impl Swarm {
    /// Lets so many clients connect to each server.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Panics
    /// If the system has no randomness.
    pub fn connect(servers: &[SocketAddr], per_server: usize) -> io::Result<Self> {
        let mut clients = Vec::new();
        for server in servers {
            for id in (2..).take(per_server) {
                let mut config = Config::new(drive::seed()?);
                config.max_peers = 1;
                // A server that cannot keep up is measured all the same.
                config.timeouts.minimum = Duration::from_secs(60);
                config.timeouts.maximum = Duration::from_secs(120);
                let mut host = Host::new(config).expect("good settings");
                host.connect(Instant::from_millis(1000), *server, 255, id)
                    .expect("a free slot");
                let socket = UdpSocket::bind("127.0.0.1:0")?;
                socket.set_nonblocking(true)?;
                clients.push(Client { host, socket });
            }
        }
        Ok(Self {
            clients,
            started: std::time::Instant::now(),
            buffer: vec![0; 1 << 16],
            received: Received::default(),
        })
    }

    /// Reads all sockets, answers, and gives what all got so far.
    ///
    /// # Errors
    /// A socket is broken.
    pub fn service(&mut self) -> io::Result<Received> {
        let elapsed = self.started.elapsed();
        let now = Instant::from_millis(1000).saturating_add(elapsed);
        for client in &mut self.clients {
            loop {
                match client.socket.recv_from(&mut self.buffer) {
                    Ok((length, from)) => {
                        let _ = client
                            .host
                            .handle_datagram(now, from, &self.buffer[..length]);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            client.host.handle_timeout(now);
            while let Some(event) = client.host.poll_event() {
                self.received.count(&event);
            }
            while let Some(transmit) = client.host.poll_transmit(now, &mut self.buffer) {
                let datagram = &self.buffer[transmit.bytes];
                // What finds no room is sent again.
                let _ = client.socket.send_to(datagram, transmit.destination);
            }
        }
        Ok(self.received)
    }
}

impl Received {
    fn count(&mut self, event: &Event) {
        match event {
            Event::Connected { .. } => self.joined += 1,
            Event::Disconnected { reason, .. } => panic!("a client lost its server: {reason}"),
            Event::Received { payload, .. } => self.count_packet(payload),
            _ => {}
        }
    }

    fn count_packet(&mut self, packet: &[u8]) {
        let Some(&first) = packet.first() else {
            return;
        };
        match Command::of(first) {
            Command::Spawn => self.spawns += 1,
            Command::Sync if first & 0x10 != 0 => self.changes += entries(&packet[1..], 16),
            Command::Sync => self.states += entries(packet.get(3..).unwrap_or_default(), 8),
            _ => {}
        }
    }
}

/// Counts entries that have a head which ends in the size of their body.
fn entries(mut rest: &[u8], head_bytes: usize) -> u64 {
    let mut count = 0;
    while let Some((head, body)) = rest.split_at_checked(head_bytes)
        && let Some((_, size)) = head.split_last_chunk()
        && let Some(after) = body.get(u32::from_le_bytes(*size) as usize..)
    {
        count += 1;
        rest = after;
    }
    count
}
