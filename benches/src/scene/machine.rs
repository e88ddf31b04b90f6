//! A room in a server with its ENet host, in memory: [`MachineRoom`].

use super::{FRAME, Units};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::ops::Range;
use core::time::Duration;
use cpu_time::ThreadTime;
use enet_proto::{Config, Host};
use gdwire::{Server, ServerConfig};
use proto_core::{Instant, Transmit};
use replication_proto::Scene;

/// A server and clients that acknowledge and no more.
#[derive(Debug)]
pub struct MachineRoom {
    server: Server,
    units: Units,
    clients: Vec<Host>,
    now: Instant,
    down: Datagrams,
    up: Datagrams,
    /// Runs around each piece of the server's work, for a count of what it allocates.
    around: fn(&mut dyn FnMut()),
    busy: Duration,
}

/// Datagrams in one buffer, each with the number of its client.
#[derive(Debug, Default)]
struct Datagrams {
    bytes: Vec<u8>,
    all: Vec<(usize, Range<usize>)>,
}

impl Datagrams {
    fn clear(&mut self) {
        self.all.clear();
    }

    fn at(&self) -> usize {
        self.all.last().map_or(0, |(_, range)| range.end)
    }

    /// Takes what `poll` writes, until it is nothing; `client` says whose it is.
    fn fill(
        &mut self,
        client: impl Fn(&Transmit) -> usize,
        mut poll: impl FnMut(&mut [u8]) -> Option<Transmit>,
    ) {
        loop {
            let at = self.at();
            if self.bytes.len() < at + Host::BUFFER {
                self.bytes.resize((at + Host::BUFFER) * 2, 0);
            }
            let Some(transmit) = poll(&mut self.bytes[at..]) else {
                return;
            };
            let range = at + transmit.bytes.start..at + transmit.bytes.end;
            self.all.push((client(&transmit), range));
        }
    }
}

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// Port of the first client.
const FIRST_PORT: u16 = 1000;

fn address(client: usize) -> SocketAddr {
    let port = FIRST_PORT + u16::try_from(client).expect("few clients");
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

fn number(address: SocketAddr) -> usize {
    usize::from(address.port() - FIRST_PORT)
}

impl MachineRoom {
    /// A room in which all clients have joined and have all units.
    ///
    /// `around` runs around each piece of the server's work, and must run it.
    ///
    /// # Panics
    /// When they cannot.
    #[must_use]
    pub fn new(scene: &Scene, units: usize, clients: usize, around: fn(&mut dyn FnMut())) -> Self {
        let mut made = None;
        around(&mut || {
            let mut server = Server::new(server_config(clients)).expect("good settings");
            let units = Units::spawn(&mut server, scene, units);
            made = Some((server, units));
        });
        let (server, units) = made.expect("it was run");
        let now = Instant::from_millis(1000);
        let clients = (0..clients).map(|client| client_host(now, client));
        let mut room = Self {
            server,
            units,
            clients: clients.collect(),
            now,
            down: Datagrams::default(),
            up: Datagrams::default(),
            around,
            busy: Duration::ZERO,
        };
        (0..60).for_each(|_| room.frame());
        let joined = room.server.peers().count();
        assert_eq!(joined, room.clients.len(), "all clients join");
        room
    }

    /// CPU time of the server's work since the last call.
    pub fn take_busy(&mut self) -> Duration {
        core::mem::take(&mut self.busy)
    }

    /// Bytes of datagrams that the last frame sent to clients.
    #[must_use]
    pub fn bytes_of_frame(&self) -> usize {
        self.down.at()
    }

    /// Moves all units, sends what follows, and takes what clients answer.
    pub fn frame(&mut self) {
        self.now = self.now + FRAME;
        let now = self.now;
        let (server, units, down) = (&mut self.server, &mut self.units, &mut self.down);
        let busy = &mut self.busy;
        down.clear();
        (self.around)(&mut || {
            let start = ThreadTime::now();
            units.step(server);
            server.handle_timeout(now);
            server.tick(now);
            while server.poll_event().is_some() {}
            down.fill(
                |transmit| number(transmit.destination),
                |buffer| server.poll_transmit(now, buffer),
            );
            *busy += start.elapsed();
        });
        self.answer();
        let (server, up) = (&mut self.server, &self.up);
        let busy = &mut self.busy;
        (self.around)(&mut || {
            let start = ThreadTime::now();
            for (client, range) in &up.all {
                let _ = server.handle_datagram(now, address(*client), &up.bytes[range.clone()]);
                while server.poll_event().is_some() {}
            }
            *busy += start.elapsed();
        });
    }

    /// Lets the clients have what was sent, and collects their datagrams.
    fn answer(&mut self) {
        let now = self.now;
        for (client, range) in &self.down.all {
            let datagram = &self.down.bytes[range.clone()];
            let _ = self.clients[*client].handle_datagram(now, SERVER, datagram);
        }
        self.up.clear();
        for (index, client) in self.clients.iter_mut().enumerate() {
            client.handle_timeout(now);
            while client.poll_event().is_some() {}
            self.up
                .fill(|_| index, |buffer| client.poll_transmit(now, buffer));
        }
    }
}

/// Settings of a server for so many clients of one address.
pub(super) fn server_config(clients: usize) -> ServerConfig {
    let mut config = ServerConfig::new([7; 32]);
    config.enet.max_peers = clients.max(1);
    config.session.frame_interval = None;
    config
}

/// A client that connects.
fn client_host(now: Instant, client: usize) -> Host {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&(client as u64 + 1).to_le_bytes());
    let mut config = Config::new(seed);
    config.max_peers = 1;
    let mut host = Host::new(config).expect("good settings");
    let id = u32::try_from(client + 2).expect("few clients");
    host.connect(now, SERVER, 255, id).expect("a free slot");
    host
}
