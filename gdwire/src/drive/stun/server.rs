//! The STUN server over real sockets: [`StunServer`].

use super::bind::{Place, bind};
use super::config::{StunServerConfig, StunServerStats};
use super::connection::{End, serve};
use crate::drive::Clock;
use crate::drive::udp::{Port, Sent};
use ::tokio::io::Interest;
use ::tokio::net::{TcpListener, TcpStream, UdpSocket};
use ::tokio::sync::watch;
use ::tokio::task::JoinSet;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use proto_core::{Instant, Transmit};
use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use stun_proto::server::{Answer, BindingServer};

/// How long to wait after the system had no connection to give, such as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers Binding requests over UDP and TCP, and with a second address NAT behaviour discovery.
///
/// It answers from the moment it is bound, in tasks of its own, and stops when it is dropped. Over UDP it keeps nothing
/// about who asks; over TCP what [`StunServerConfig`] allows: with the defaults 1,000 connections, each of which holds
/// 8 KiB at most.
///
/// ```no_run
/// use gdwire::drive::{self, stun::{StunServer, StunServerConfig}};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let listen = vec!["0.0.0.0:3478".parse()?, "[::]:3478".parse()?];
/// let mut server = StunServer::bind(StunServerConfig::new(drive::seed()?, listen))?;
/// println!("listening on {:?}", server.addresses());
/// server.failed().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct StunServer {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    tasks: JoinSet<io::Result<()>>,
    stop: watch::Sender<bool>,
}

/// What all tasks of a server share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: StunServerConfig,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    groups: Vec<BindingServer>,
    connections_of: HashMap<IpAddr, usize>,
    stats: StunServerStats,
}

impl StunServer {
    /// Binds all sockets and begins to answer.
    ///
    /// # Errors
    /// What the system says, with the address; `InvalidInput` if the addresses cannot serve NAT discovery.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its IO and time drivers on.
    pub fn bind(config: StunServerConfig) -> io::Result<Self> {
        let places = bind(&config)?;
        let mut plain = config.binding.clone();
        plain.discovery = None;
        let mut groups = vec![BindingServer::new(plain)];
        let mut grouped = vec![(0, places.plain)];
        if let Some((addresses, places)) = places.discovery {
            let mut binding = config.binding.clone();
            binding.discovery = Some(addresses);
            groups.push(BindingServer::new(binding));
            grouped.insert(0, (1, places));
        }
        let shared = Arc::new(Shared {
            config,
            clock: Clock::start(),
            state: Mutex::new(State {
                groups,
                connections_of: HashMap::new(),
                stats: StunServerStats::default(),
            }),
        });
        let mut server = Self {
            shared,
            addresses: Vec::new(),
            tasks: JoinSet::new(),
            stop: watch::Sender::new(false),
        };
        for (group, places) in grouped {
            server.start(group, places)?;
        }
        Ok(server)
    }

    /// Where it listens; with NAT discovery the four addresses of that first.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What it did.
    #[must_use]
    pub fn stats(&self) -> StunServerStats {
        self.shared.stats()
    }

    /// Something that tells what it did, for another task.
    pub fn stats_source(&self) -> impl Fn() -> StunServerStats + Send + Sync + Clone + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.stats()
    }

    /// Waits until a socket breaks, which is for ever as a rule.
    ///
    /// # Errors
    /// Why it broke. The others go on.
    pub async fn failed(&mut self) -> io::Result<()> {
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(io::Error::other)??;
        }
        Ok(())
    }

    /// Stops: no message is answered half, and connections are closed, within `grace`.
    pub async fn shutdown(mut self, grace: Duration) {
        self.stop.send_replace(true);
        // Who is not ready by then is cut off.
        let _ = ::tokio::time::timeout(grace, self.failed()).await;
    }

    fn start(&mut self, group: usize, places: Vec<Place>) -> io::Result<()> {
        let mut udp = Vec::new();
        for place in places {
            self.addresses.push(place.address);
            if let Some(socket) = place.udp {
                let port = Port::of_server(&socket)?;
                udp.push((place.address, UdpSocket::from_std(socket)?, port));
            }
            if let Some(listener) = place.tcp {
                let listener = TcpListener::from_std(listener)?;
                let (shared, stop) = (Arc::clone(&self.shared), self.stop.subscribe());
                self.tasks.spawn(accept(shared, group, listener, stop));
            }
        }
        let mut ports = Vec::new();
        let mut sockets = Vec::new();
        for (address, socket, port) in udp {
            sockets.push((address, socket));
            ports.push(port);
        }
        let sockets: Arc<[(SocketAddr, UdpSocket)]> = sockets.into();
        for (index, port) in ports.into_iter().enumerate() {
            let receiver = Receiver {
                shared: Arc::clone(&self.shared),
                group,
                sockets: Arc::clone(&sockets),
                index,
                port,
                stop: self.stop.subscribe(),
            };
            self.tasks.spawn(receiver.run());
        }
        Ok(())
    }
}

impl Shared {
    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Asks the machine of a group.
    pub(super) fn answer(
        &self,
        group: usize,
        ask: impl FnOnce(&mut BindingServer) -> Answer,
    ) -> Answer {
        let mut state = self.state();
        state.groups.get_mut(group).map_or(Answer::NotMine, ask)
    }

    fn stats(&self) -> StunServerStats {
        let state = self.state();
        let binding = state.groups.iter().map(|server| *server.stats());
        StunServerStats {
            binding: binding.collect(),
            ..state.stats.clone()
        }
    }

    /// A panic elsewhere leaves rates and counters as good as they were.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connection of `ip` if it may be.
    fn admit(self: &Arc<Self>, ip: IpAddr) -> Option<Seat> {
        let mut state = self.state();
        let State {
            connections_of,
            stats,
            ..
        } = &mut *state;
        let full = stats.connections >= self.config.connections as u64;
        let of_ip = connections_of.get(&ip).copied().unwrap_or_default();
        if full || of_ip >= self.config.connections_per_ip {
            stats.refused += 1;
            return None;
        }
        connections_of.insert(ip, of_ip + 1);
        stats.connections += 1;
        stats.accepted += 1;
        Some(Seat {
            shared: Arc::clone(self),
            ip,
        })
    }
}

/// The place of one connection among those that may be; free again when it is dropped.
struct Seat {
    shared: Arc<Shared>,
    ip: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.stats.connections = state.stats.connections.saturating_sub(1);
        if let Some(count) = state.connections_of.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                state.connections_of.remove(&self.ip);
            }
        }
    }
}

/// Waits until the server stops.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A server that is gone has stopped too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Takes connections until the server stops, and then waits for those that are open.
async fn accept(
    shared: Arc<Shared>,
    group: usize,
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let accepted = ::tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = stopped(&mut stop) => break,
        };
        match accepted {
            Ok((stream, remote)) => {
                let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
                if let Some(seat) = shared.admit(remote.ip()) {
                    connections.spawn(connection(seat, group, stream, remote, stop.clone()));
                }
            }
            // One connection that broke before it was taken, or a shortage that passes.
            Err(_) => ::tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    Ok(())
}

async fn connection(
    seat: Seat,
    group: usize,
    stream: TcpStream,
    remote: SocketAddr,
    stop: watch::Receiver<bool>,
) {
    let shared = Arc::clone(&seat.shared);
    let end = serve(Arc::clone(&shared), group, stream, remote, stop).await;
    if matches!(end, Ok(End::Cut)) {
        shared.state().stats.ended += 1;
    }
}

/// One UDP socket of a group.
struct Receiver {
    shared: Arc<Shared>,
    group: usize,
    sockets: Arc<[(SocketAddr, UdpSocket)]>,
    index: usize,
    port: Port,
    stop: watch::Receiver<bool>,
}

/// An answer that waits until all datagrams of one call are read.
struct Reply {
    transmit: Transmit,
    bytes: Vec<u8>,
}

impl Receiver {
    async fn run(mut self) -> io::Result<()> {
        let sockets = Arc::clone(&self.sockets);
        let Some((local, socket)) = sockets.get(self.index) else {
            return Ok(());
        };
        let mut replies = VecDeque::new();
        loop {
            ::tokio::select! {
                ready = socket.readable() => ready?,
                () = stopped(&mut self.stop) => return Ok(()),
            }
            match self.receive(*local, socket, &mut replies) {
                Ok(()) => self.send(*local, socket, &mut replies),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            ::tokio::task::consume_budget().await;
        }
    }

    /// Answers what one system call gives.
    fn receive(
        &mut self,
        local: SocketAddr,
        socket: &UdpSocket,
        replies: &mut VecDeque<Reply>,
    ) -> io::Result<()> {
        let (shared, group) = (&self.shared, self.group);
        let port = &mut self.port;
        let now = shared.now();
        let mut buffer = [0; BindingServer::BUFFER];
        socket.try_io(Interest::READABLE, || {
            let received = port.receive(socket, |from, data| {
                let answer = shared.answer(group, |server| {
                    server.handle_datagram(now, local, from, data, &mut buffer)
                });
                if let Answer::Reply(transmit) = answer {
                    let bytes = buffer.get(transmit.bytes.clone()).unwrap_or_default();
                    let bytes = bytes.to_vec();
                    replies.push_back(Reply { transmit, bytes });
                }
            });
            received.map(drop)
        })
    }

    /// Sends all replies. What the system does not take is lost, as on any network: nothing piles up here.
    fn send(&mut self, local: SocketAddr, socket: &UdpSocket, replies: &mut VecDeque<Reply>) {
        let mut unsent = 0;
        replies.retain(|reply| {
            let source = reply.transmit.source.unwrap_or(local);
            if source == local {
                return true;
            }
            let mut sockets = self.sockets.iter();
            let other = sockets.find(|(address, _)| *address == source);
            let destination = reply.transmit.destination;
            let sent = other.map(|(_, socket)| socket.try_send_to(&reply.bytes, destination));
            unsent += u64::from(!matches!(sent, Some(Ok(_))));
            false
        });
        let writing = |call: crate::drive::udp::Call<'_>| socket.try_io(Interest::WRITABLE, call);
        let sent = self.port.send(socket, writing, |buffer| {
            let Reply { transmit, bytes } = replies.pop_front()?;
            buffer.get_mut(..bytes.len())?.copy_from_slice(&bytes);
            Some(Transmit {
                bytes: 0..bytes.len(),
                ..transmit
            })
        });
        if sent == Sent::Blocked {
            self.port.discard();
            unsent += 1;
        }
        unsent += replies.len() as u64;
        replies.clear();
        if unsent > 0 {
            self.shared.state().stats.unsent += unsent;
        }
    }
}
