//! What helps the players of a world: a STUN server, and a relay with words of its own.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::net::{IpAddr, SocketAddr};
use proto_core::Transmit;
use stun_proto::server::BindingServer;

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

/// A relay: an address for each client, open for the IP addresses that the client has sent to.
#[derive(Default)]
pub(crate) struct Relay {
    control: Option<SocketAddr>,
    clients: BTreeMap<SocketAddr, SocketAddr>,
    permissions: BTreeSet<(SocketAddr, IpAddr)>,
    pub(super) outbox: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
    /// Payload bytes that it carried.
    pub(crate) carried: u64,
}

impl Relay {
    pub(super) fn new(control: SocketAddr) -> Self {
        Self {
            control: Some(control),
            ..Self::default()
        }
    }

    pub(super) const FIRST_PORT: u16 = 50_000;
    pub(super) const PORTS: u16 = 8;

    pub(super) fn handle(&mut self, local: SocketAddr, from: SocketAddr, data: &[u8]) {
        let control = self.control.expect("a relay has an address");
        if local == control {
            self.on_client(control, from, data);
            return;
        }
        let mut clients = self.clients.iter();
        let client = clients.find(|&(_, &relayed)| relayed == local);
        if let Some((&client, _)) = client
            && self.permissions.contains(&(local, from.ip()))
        {
            let mut bytes = vec![b'D'];
            write_address(&mut bytes, from);
            bytes.extend(data);
            self.carried += data.len() as u64;
            self.outbox.push_back((control, client, bytes));
        }
    }

    fn on_client(&mut self, control: SocketAddr, from: SocketAddr, data: &[u8]) {
        match data {
            [b'A'] => {
                let count = u16::try_from(self.clients.len()).expect("few");
                let free = SocketAddr::new(control.ip(), Self::FIRST_PORT + count);
                assert!(count < Self::PORTS, "the relay is for few clients");
                let relayed = *self.clients.entry(from).or_insert(free);
                let mut bytes = vec![b'A'];
                write_address(&mut bytes, relayed);
                self.outbox.push_back((control, from, bytes));
            }
            [b'S', rest @ ..] => {
                let (Some((peer, inner)), Some(&relayed)) =
                    (read_address(rest), self.clients.get(&from))
                else {
                    return;
                };
                self.permissions.insert((relayed, peer.ip()));
                self.carried += inner.len() as u64;
                self.outbox.push_back((relayed, peer, inner.to_vec()));
            }
            _ => {}
        }
    }
}

/// A STUN server.
pub(crate) struct Stun {
    pub(super) server: BindingServer,
    pub(super) outbox: VecDeque<(Transmit, Vec<u8>)>,
}
