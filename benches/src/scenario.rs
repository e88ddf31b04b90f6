//! What is measured: each scenario builds its hosts once and then repeats a unit of work.

use crate::{Datagram, Delivery, End, Options};
use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;
use cpu_time::ThreadTime;
use std::collections::VecDeque;
use testkit::Dice;

const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 7000);

/// The address of the first client; the others follow.
const CLIENT: u32 = 0x0a01_0000;

fn client_address(index: usize) -> SocketAddrV4 {
    let index = u32::try_from(index).expect("few clients");
    SocketAddrV4::new(Ipv4Addr::from(CLIENT + index), 7000)
}

fn client_index(address: SocketAddrV4) -> usize {
    (u32::from(*address.ip()) - CLIENT) as usize
}

/// `datagram` as its receiver sees it.
fn from(address: SocketAddrV4, datagram: Datagram) -> Datagram {
    Datagram {
        address,
        ..datagram
    }
}

/// A client and a server that are connected.
#[derive(Debug)]
pub struct Pair<E: End> {
    client: E,
    server: E,
    peer: E::Peer,
    now_ms: u32,
}

impl<E: End> Pair<E> {
    /// Connects them.
    #[must_use]
    pub fn connected(channels: usize, options: Options) -> Self {
        let mut client = E::new(client_address(0), 1, channels, options);
        let server = E::new(SERVER, 1, channels, options);
        let peer = client.connect(SERVER, channels);
        let mut pair = Self {
            client,
            server,
            peer,
            now_ms: 1000,
        };
        let mut connected = 0;
        for _ in 0..50 {
            connected += pair.exchange().1;
        }
        assert_eq!(connected, 2, "{} did not connect", E::NAME);
        pair
    }

    /// One millisecond: each side is serviced once and its datagrams are carried over. Gives how
    /// many messages and connections that made.
    fn exchange(&mut self) -> (usize, usize) {
        self.now_ms += 1;
        let client = self.client.service(self.now_ms);
        while let Some(datagram) = self.client.poll_datagram() {
            self.server.deliver(from(client_address(0), datagram));
        }
        let server = self.server.service(self.now_ms);
        while let Some(datagram) = self.server.poll_datagram() {
            self.client.deliver(from(SERVER, datagram));
        }
        (
            client.received + server.received,
            client.connected + server.connected,
        )
    }

    /// Sends at least `count` messages of `payload`, `batch` at a time, and waits for all of each
    /// batch; gives how many there were.
    pub fn send_batches(
        &mut self,
        delivery: Delivery,
        payload: &[u8],
        batch: usize,
        count: u64,
    ) -> u64 {
        let mut done = 0;
        while done < count {
            for _ in 0..batch {
                assert!(self.client.send(self.peer, delivery, payload));
            }
            let mut received = 0;
            let mut rounds = 0;
            while received < batch {
                received += self.exchange().0;
                rounds += 1;
                assert!(rounds < 100_000, "{} lost a message", E::NAME);
            }
            done += batch as u64;
        }
        done
    }
}

/// A client that keeps thousands of messages in flight over a slow and lossy way to a server.
#[derive(Debug)]
pub struct Stream<E: End> {
    pair: Pair<E>,
    dice: Dice,
    loss_permille: u32,
    in_flight: u64,
    there: Delay,
    back: Delay,
    sent: u64,
    received: u64,
}

/// Datagrams under way, with the millisecond at which they arrive.
type Delay = VecDeque<(u32, Datagram)>;

impl<E: End> Stream<E> {
    /// How long a datagram takes, in milliseconds.
    const LATENCY_MS: u32 = 5;

    /// A stream of which `in_flight` messages are under way or queued at any time, and which loses so many datagrams
    /// of 1000, in both directions.
    #[must_use]
    pub fn new(in_flight: u64, loss_permille: u32, options: Options) -> Self {
        Self {
            pair: Pair::connected(1, options),
            dice: Dice::new(1),
            loss_permille,
            in_flight,
            there: Delay::new(),
            back: Delay::new(),
            sent: 0,
            received: 0,
        }
    }

    /// Runs until `count` more messages of `payload` have arrived.
    pub fn receive(&mut self, payload: &[u8], count: u64) {
        let end = self.received + count;
        let mut idle = 0;
        while self.received < end {
            let before = self.received;
            self.tick(payload);
            idle = if self.received == before { idle + 1 } else { 0 };
            assert!(idle < 20_000, "{} is stuck at {before}", E::NAME);
        }
    }

    fn tick(&mut self, payload: &[u8]) {
        let pair = &mut self.pair;
        while self.sent < self.received + self.in_flight {
            assert!(pair.client.send(pair.peer, Delivery::Reliable, payload));
            self.sent += 1;
        }
        pair.now_ms += 1;
        let now = pair.now_ms;
        arrive(&mut self.back, &mut pair.client, SERVER, now);
        pair.client.service(now);
        depart(
            &mut self.there,
            &mut pair.client,
            &mut self.dice,
            self.loss_permille,
            now,
        );
        arrive(&mut self.there, &mut pair.server, client_address(0), now);
        self.received += pair.server.service(now).received as u64;
        depart(
            &mut self.back,
            &mut pair.server,
            &mut self.dice,
            self.loss_permille,
            now,
        );
    }

    /// How many milliseconds of virtual time have passed.
    #[must_use]
    pub const fn elapsed_ms(&self) -> u32 {
        self.pair.now_ms
    }
}

fn arrive<E: End>(delay: &mut Delay, to: &mut E, source: SocketAddrV4, now_ms: u32) {
    while delay.front().is_some_and(|&(at, _)| at <= now_ms) {
        if let Some((_, datagram)) = delay.pop_front() {
            to.deliver(from(source, datagram));
        }
    }
}

fn depart<E: End>(delay: &mut Delay, from: &mut E, dice: &mut Dice, loss: u32, now_ms: u32) {
    while let Some(datagram) = from.poll_datagram() {
        if dice.chance(loss) {
            E::recycle(datagram);
        } else {
            delay.push_back((now_ms + Stream::<E>::LATENCY_MS, datagram));
        }
    }
}

/// A server with many clients, each a host of its own.
#[derive(Debug)]
pub struct Crowd<E: End> {
    server: E,
    clients: Vec<E>,
    /// The client's name for its connection.
    peers: Vec<E::Peer>,
    now_ms: u32,
}

impl<E: End> Crowd<E> {
    /// How many connect at once, well below the half-open connections that a server allows.
    const WAVE: usize = 64;

    /// Connects `count` clients that ask for `channels`, and lets some seconds pass, after which
    /// the commands that follow a handshake are done.
    #[must_use]
    pub fn connected(count: usize, channels: usize) -> Self {
        let options = Options::default();
        let mut crowd = Self {
            server: E::new(SERVER, count, channels, options),
            clients: Vec::new(),
            peers: Vec::new(),
            now_ms: 1000,
        };
        let mut connected = 0;
        for index in 0..count {
            let mut client = E::new(client_address(index), 1, channels, options);
            crowd.peers.push(client.connect(SERVER, channels));
            crowd.clients.push(client);
            if index % Self::WAVE == 0 {
                for _ in 0..64 {
                    connected += crowd.exchange().1;
                }
            }
        }
        for _ in 0..3000 {
            connected += crowd.exchange().1;
        }
        assert_eq!(connected, 2 * count, "{} did not connect all", E::NAME);
        crowd
    }

    /// One service call of the server at a moment when nothing is due, once all that was due is done.
    pub fn idle_service(&mut self) {
        let progress = self.server.service(self.now_ms);
        assert_eq!(progress.received, 0);
    }

    /// Broadcasts `payload` and waits until all clients have it and the server has their
    /// acknowledgements.
    pub fn broadcast(&mut self, delivery: Delivery, payload: &[u8]) {
        self.server.broadcast(delivery, payload);
        let mut received = 0;
        let mut rounds = 0;
        while received < self.clients.len() {
            received += self.exchange().0;
            rounds += 1;
            assert!(rounds < 1000, "{} lost a broadcast", E::NAME);
        }
    }

    /// Every client sends the server `each` reliable messages of `payload`, one to a datagram, and gets as many back;
    /// gives the CPU time that the server took.
    ///
    /// # Panics
    /// If a message does not arrive at once.
    pub fn converse(&mut self, payload: &[u8], each: usize) -> Duration {
        let count = self.clients.len() * each;
        self.now_ms += 1;
        for _ in 0..each {
            for (index, client) in self.clients.iter_mut().enumerate() {
                assert!(client.send(self.peers[index], Delivery::Reliable, payload));
                client.service(self.now_ms);
                while let Some(datagram) = client.poll_datagram() {
                    self.server.deliver(from(client_address(index), datagram));
                }
            }
        }
        let mut time = Duration::ZERO;
        let start = ThreadTime::now();
        let received = self.server.service(self.now_ms).received;
        time += start.elapsed();
        assert_eq!(received, count, "{} lost a message", E::NAME);
        self.carry_to_clients();

        let peers = self.server.peers();
        let start = ThreadTime::now();
        for _ in 0..each {
            for &peer in &peers {
                assert!(self.server.send(peer, Delivery::Reliable, payload));
            }
            self.server.service(self.now_ms);
        }
        time += start.elapsed();
        let received = self.carry_to_clients();
        assert_eq!(received, count, "{} lost a message", E::NAME);
        self.now_ms += 1;
        let start = ThreadTime::now();
        self.server.service(self.now_ms);
        time + start.elapsed()
    }

    /// Hands over what the server sent, and what the clients answer; gives how many messages that were.
    fn carry_to_clients(&mut self) -> usize {
        while let Some(datagram) = self.server.poll_datagram() {
            let index = client_index(datagram.address);
            self.clients[index].deliver(from(SERVER, datagram));
        }
        let mut received = 0;
        for (index, client) in self.clients.iter_mut().enumerate() {
            received += client.service(self.now_ms).received;
            while let Some(datagram) = client.poll_datagram() {
                self.server.deliver(from(client_address(index), datagram));
            }
        }
        received
    }

    /// One millisecond: the server is serviced, then each client that gets a datagram, and, every
    /// 16 ms, the other clients.
    fn exchange(&mut self) -> (usize, usize) {
        self.now_ms += 1;
        let mut progress = self.server.service(self.now_ms);
        let all = self.now_ms.is_multiple_of(16);
        let mut due: Vec<usize> = Vec::new();
        while let Some(datagram) = self.server.poll_datagram() {
            let index = client_index(datagram.address);
            self.clients[index].deliver(from(SERVER, datagram));
            if due.last() != Some(&index) {
                due.push(index);
            }
        }
        if all {
            due = (0..self.clients.len()).collect();
        }
        for index in due {
            let client = self.clients[index].service(self.now_ms);
            progress.received += client.received;
            progress.connected += client.connected;
            while let Some(datagram) = self.clients[index].poll_datagram() {
                self.server.deliver(from(client_address(index), datagram));
            }
        }
        (progress.received, progress.connected)
    }
}

/// What `count` idle peers with `channels` each cost a server, in bytes per peer, where `live`
/// gives the bytes that are allocated at the moment.
#[must_use]
pub fn bytes_per_idle_peer<E: End>(count: usize, channels: usize, live: fn() -> usize) -> usize {
    let Crowd {
        server, clients, ..
    } = Crowd::<E>::connected(count, channels);
    drop(clients);
    let with_server = live();
    drop(server);
    with_server.wrapping_sub(live()) / count
}
