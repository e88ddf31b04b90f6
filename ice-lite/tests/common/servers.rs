//! What helps the players of a world: STUN servers, and a relay with words of its own.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::rc::Rc;
use core::cell::Cell;
use core::net::{IpAddr, SocketAddr};
use proto_core::Transmit;
use stun_proto::server::{BindingServer, ServerConfig};
use testkit::world::Server;

pub(super) fn write_address(out: &mut Vec<u8>, address: SocketAddr) {
    let text = address.to_string();
    out.push(u8::try_from(text.len()).expect("short"));
    out.extend(text.as_bytes());
}

pub(super) fn read_address(data: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (&length, rest) = data.split_first()?;
    let (text, rest) = rest.split_at_checked(length.into())?;
    Some((core::str::from_utf8(text).ok()?.parse().ok()?, rest))
}

/// A STUN server.
pub(super) fn stun() -> Server {
    let mut config = ServerConfig::new([9; 32]);
    config.require_fingerprint = true;
    let mut server = BindingServer::new(config);
    Server::new(move |now, local, from, data, buffer| {
        let answer = server.handle_datagram(now, local, from, data, buffer);
        answer.reply()
    })
}

/// A relay: an address for each client, open for the IP addresses that the client has sent to.
pub(super) struct Relay {
    control: SocketAddr,
    clients: BTreeMap<SocketAddr, SocketAddr>,
    permissions: BTreeSet<(SocketAddr, IpAddr)>,
    /// Payload bytes that it carried.
    carried: Rc<Cell<u64>>,
}

/// What a relay sends: from where, to where, what.
type Sent = (SocketAddr, SocketAddr, Vec<u8>);

impl Relay {
    pub(super) const FIRST_PORT: u16 = 50_000;
    pub(super) const PORTS: u16 = 8;

    /// A relay that is asked at `control` and counts in `carried`.
    pub(super) fn server(control: SocketAddr, carried: Rc<Cell<u64>>) -> Server {
        let mut relay = Self {
            control,
            clients: BTreeMap::new(),
            permissions: BTreeSet::new(),
            carried,
        };
        Server::new(move |_, local, from, data, buffer| {
            let (source, destination, bytes) = if local == relay.control {
                relay.on_client(from, data)?
            } else {
                relay.on_peer(local, from, data)?
            };
            buffer[..bytes.len()].copy_from_slice(&bytes);
            Some(Transmit {
                source: Some(source),
                destination,
                bytes: 0..bytes.len(),
            })
        })
    }

    fn carry(&self, data: &[u8]) {
        self.carried.update(|carried| carried + data.len() as u64);
    }

    fn on_peer(&self, local: SocketAddr, from: SocketAddr, data: &[u8]) -> Option<Sent> {
        let mut clients = self.clients.iter();
        let (&client, _) = clients.find(|&(_, &relayed)| relayed == local)?;
        if !self.permissions.contains(&(local, from.ip())) {
            return None;
        }
        let mut bytes = vec![b'D'];
        write_address(&mut bytes, from);
        bytes.extend(data);
        self.carry(data);
        Some((self.control, client, bytes))
    }

    fn on_client(&mut self, from: SocketAddr, data: &[u8]) -> Option<Sent> {
        match data {
            [b'A'] => {
                let count = u16::try_from(self.clients.len()).expect("few");
                let free = SocketAddr::new(self.control.ip(), Self::FIRST_PORT + count);
                assert!(count < Self::PORTS, "the relay is for few clients");
                let relayed = *self.clients.entry(from).or_insert(free);
                let mut bytes = vec![b'A'];
                write_address(&mut bytes, relayed);
                Some((self.control, from, bytes))
            }
            [b'S', rest @ ..] => {
                let (peer, inner) = read_address(rest)?;
                let &relayed = self.clients.get(&from)?;
                self.permissions.insert((relayed, peer.ip()));
                self.carry(inner);
                Some((relayed, peer, inner.to_vec()))
            }
            _ => None,
        }
    }
}
