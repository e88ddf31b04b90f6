//! The TCP connections of our agent on real sockets: [`Connections`].

use ice_lite::{Agent, ConnectionId, Event, TcpAction, TcpType};
use proto_core::{Handled, Instant};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use stun_proto::{Framer, Framing};

struct Connection {
    stream: TcpStream,
    framer: Framer,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        stream.set_nonblocking(true).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Self {
            stream,
            framer: Framer::new(Framing::LengthPrefix),
        }
    }
}

/// What an agent with TCP candidates needs done.
#[derive(Default)]
pub(super) struct Connections {
    listener: Option<TcpListener>,
    open: BTreeMap<ConnectionId, Connection>,
}

impl Connections {
    /// The address of a candidate of this kind; a passive one has a listener from now on.
    pub(super) fn candidate(&mut self, ip: IpAddr, kind: TcpType) -> SocketAddr {
        if kind == TcpType::Active {
            return SocketAddr::new(ip, 9);
        }
        let listener = TcpListener::bind((ip, 0)).expect("a listener");
        listener.set_nonblocking(true).expect("a listener");
        let address = listener.local_addr().expect("it is bound");
        self.listener = Some(listener);
        address
    }

    /// Takes what has come; the data is put into `received`.
    pub(super) fn read(&mut self, now: Instant, agent: &mut Agent, received: &mut Vec<String>) {
        if let Some(listener) = &self.listener {
            let local = listener.local_addr().expect("it is bound");
            while let Ok((stream, from)) = listener.accept() {
                if let Ok(id) = agent.handle_accepted(now, local, from) {
                    self.open.insert(id, Connection::new(stream));
                }
            }
        }
        let ended = |(&id, connection): (&ConnectionId, &mut Connection)| {
            let open = connection.read(now, (agent, id), received);
            (!open).then_some(id)
        };
        let ended: Vec<ConnectionId> = self.open.iter_mut().filter_map(ended).collect();
        for id in ended {
            self.open.remove(&id);
            agent.handle_closed(now, id);
        }
    }

    /// Does what the agent wants.
    pub(super) fn act(&mut self, now: Instant, agent: &mut Agent, event: &Event) {
        match event {
            Event::Tcp(TcpAction::Connect {
                connection, remote, ..
            }) => match TcpStream::connect_timeout(remote, Duration::from_secs(5)) {
                Ok(stream) => {
                    let local = stream.local_addr().expect("it is connected");
                    self.open.insert(*connection, Connection::new(stream));
                    agent.handle_connected(now, *connection, local);
                }
                Err(_) => agent.handle_closed(now, *connection),
            },
            Event::Tcp(TcpAction::Write { connection, bytes }) => self.write(*connection, bytes),
            Event::Tcp(TcpAction::Close { connection }) => {
                self.open.remove(connection);
            }
            _ => {}
        }
    }

    /// Writes what is framed already.
    pub(super) fn write(&mut self, id: ConnectionId, bytes: &[u8]) {
        if let Some(connection) = self.open.get_mut(&id) {
            // One that is broken shows when it is read.
            let _ = connection.stream.write_all(bytes);
        }
    }
}

impl Connection {
    /// Whether the connection is still open.
    fn read(
        &mut self,
        now: Instant,
        (agent, id): (&mut Agent, ConnectionId),
        received: &mut Vec<String>,
    ) -> bool {
        let mut buffer = [0; 2048];
        loop {
            let mut rest = match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(read) => &buffer[..read],
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            };
            while !rest.is_empty() {
                let Ok(framed) = self.framer.handle_bytes(now, rest) else {
                    return false;
                };
                rest = &rest[framed.used..];
                let Some(frame) = framed.frame else {
                    break;
                };
                let packet = frame.as_bytes();
                if let Handled::Inner { bytes, .. } = agent.handle_packet(now, id, packet) {
                    let text = String::from_utf8_lossy(&packet[bytes]);
                    received.push(text.into_owned());
                }
            }
        }
    }
}
