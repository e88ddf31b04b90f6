//! A bad network between a server and its clients on loopback: [`Lossy`].

use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use testkit::Dice;

/// How long a datagram may be held back: long enough to be overtaken by those of several frames.
const LONGEST_DELAY_MICROS: u64 = 60_000;

/// How often the sockets are looked at.
const LOOK: Duration = Duration::from_millis(1);

/// Clients that it passes on for, at most.
const CLIENTS: usize = 16;

/// What the network does to datagrams, both ways.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// How many in a thousand are lost.
    pub lost_permille: u32,
    /// How many in a thousand come twice.
    pub doubled_permille: u32,
    /// How many in a thousand are held back for a while, and overtaken.
    pub late_permille: u32,
    /// Decides which.
    pub seed: u64,
}

/// A place that clients call instead of the server, and that passes their datagrams on, badly.
#[derive(Debug)]
pub struct Lossy {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    lost: AtomicU64,
}

impl Lossy {
    /// A bad network in front of the server at `server` on loopback.
    ///
    /// # Panics
    /// When there are no free ports.
    #[must_use]
    pub fn new(server: u16, faults: Faults) -> Self {
        let outer = socket();
        let port = outer.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared::default());
        let mut way = Way {
            outer,
            server: (Ipv4Addr::LOCALHOST, server).into(),
            inner: HashMap::new(),
            dice: Dice::new(faults.seed),
            faults,
            waiting: BTreeMap::new(),
            count: 0,
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::spawn(move || way.run());
        Self {
            port,
            shared,
            thread: Some(thread),
        }
    }

    /// Where clients call.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many datagrams were lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A datagram on its way: from the server to this client, or from it.
struct Held {
    client: SocketAddr,
    is_to_client: bool,
    bytes: Vec<u8>,
}

struct Way {
    outer: UdpSocket,
    server: SocketAddr,
    /// A socket for each client, so that the server can tell them apart.
    inner: HashMap<SocketAddr, UdpSocket>,
    dice: Dice,
    faults: Faults,
    waiting: BTreeMap<(Instant, u64), Held>,
    count: u64,
    shared: Arc<Shared>,
}

impl Way {
    fn run(&mut self) {
        let mut buffer = [0; 65_536];
        while !self.shared.is_over.load(Ordering::Relaxed) {
            while let Some((length, client)) = receive(&self.outer, &mut buffer) {
                if !self.inner.contains_key(&client) && self.inner.len() < CLIENTS {
                    self.inner.insert(client, socket());
                }
                self.take(client, false, &buffer[..length]);
            }
            let clients: Vec<SocketAddr> = self.inner.keys().copied().collect();
            for client in clients {
                while let Some((length, _)) = receive(&self.inner[&client], &mut buffer) {
                    self.take(client, true, &buffer[..length]);
                }
            }
            self.pass_on();
            std::thread::sleep(LOOK);
        }
    }

    fn take(&mut self, client: SocketAddr, is_to_client: bool, bytes: &[u8]) {
        if self.dice.chance(self.faults.lost_permille) {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let copies = 1 + u64::from(self.dice.chance(self.faults.doubled_permille));
        for _ in 0..copies {
            let mut at = Instant::now();
            if self.dice.chance(self.faults.late_permille) {
                at += Duration::from_micros(self.dice.below(LONGEST_DELAY_MICROS));
            }
            self.count += 1;
            let held = Held {
                client,
                is_to_client,
                bytes: bytes.to_vec(),
            };
            self.waiting.insert((at, self.count), held);
        }
    }

    fn pass_on(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.waiting.first_entry() {
            if entry.key().0 > now {
                return;
            }
            let held = entry.remove();
            // What cannot be sent is lost, as on any network.
            let _ = if held.is_to_client {
                self.outer.send_to(&held.bytes, held.client)
            } else {
                match self.inner.get(&held.client) {
                    Some(inner) => inner.send_to(&held.bytes, self.server),
                    None => continue,
                }
            };
        }
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
    socket.set_nonblocking(true).expect("a socket of our own");
    socket
}

/// The next datagram, if one waits. A port that nobody listens on any more is no error of ours.
fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
    loop {
        match socket.recv_from(buffer) {
            Ok(received) => return Some(received),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(_) => return None,
        }
    }
}
