//! TCP connections between the two agents of the script of `ice_agent_script`.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::net::{Ipv4Addr, SocketAddr};
use ice_lite::{Agent, ConnectionId, Event, TcpAction};
use proto_core::Instant;

/// As many are opened and as many accepted at a time.
const MOST: usize = 2 * 16;

/// An agent and a connection of it.
type End = (usize, ConnectionId);

/// What both agents have, and what is under way.
#[derive(Default)]
pub(crate) struct Lines {
    open: BTreeSet<End>,
    peers: BTreeMap<End, End>,
    asked: VecDeque<(End, SocketAddr, SocketAddr)>,
    packets: VecDeque<(End, Vec<u8>)>,
}

impl Lines {
    /// Does what an agent wants.
    pub(crate) fn take(&mut self, agent: usize, event: Event) {
        match event {
            Event::Tcp(TcpAction::Connect {
                connection,
                local,
                remote,
                ..
            }) => {
                assert!(self.open.insert((agent, connection)), "names are used once");
                self.asked.push_back(((agent, connection), local, remote));
            }
            Event::Tcp(TcpAction::Write { connection, bytes }) => {
                let length = bytes.len() - 2;
                assert_eq!(usize::from(bytes[0]) << 8 | usize::from(bytes[1]), length);
                assert!(self.open.contains(&(agent, connection)), "it is open");
                if let Some(&peer) = self.peers.get(&(agent, connection)) {
                    self.packets.push_back((peer, bytes[2..].to_vec()));
                }
            }
            Event::Tcp(TcpAction::Close { connection }) => {
                assert!(self.open.remove(&(agent, connection)), "it is closed once");
            }
            _ => {}
        }
        while self.packets.len() > 64 {
            self.packets.pop_front();
        }
        let count = self.open.iter().filter(|end| end.0 == agent).count();
        assert!(count <= MOST, "{count} connections");
    }

    /// A stranger connects.
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        agents: &mut [Agent; 2],
        at: (usize, SocketAddr),
        word: u8,
    ) {
        let from = SocketAddr::from((Ipv4Addr::new(10, 9, 0, word & 3), 1 + u16::from(word)));
        if let Ok(id) = agents[at.0].handle_accepted(now, at.1, from) {
            self.open.insert((at.0, id));
        }
    }

    /// The oldest connection that was asked for is opened, or is not.
    pub(crate) fn answer(&mut self, now: Instant, agents: &mut [Agent; 2], opens: bool) {
        let Some((end, local, remote)) = self.asked.pop_front() else {
            return;
        };
        if !self.open.contains(&end) {
            return;
        }
        let local = SocketAddr::new(local.ip(), 50_000);
        let other = 1 - end.0;
        let accepted = opens.then(|| agents[other].handle_accepted(now, remote, local));
        let Some(Ok(id)) = accepted else {
            self.open.remove(&end);
            agents[end.0].handle_closed(now, end.1);
            return;
        };
        self.open.insert((other, id));
        self.peers.insert(end, (other, id));
        self.peers.insert((other, id), end);
        agents[end.0].handle_connected(now, end.1, local);
    }

    /// The packets under way arrive.
    pub(crate) fn deliver(&mut self, now: Instant, agents: &mut [Agent; 2]) {
        for ((agent, id), bytes) in core::mem::take(&mut self.packets) {
            let _ = agents[agent].handle_packet(now, id, &bytes);
        }
    }

    /// One that `word` names, for what a stranger or the system does with it.
    pub(crate) fn pick(&self, word: u8) -> Option<End> {
        let index = usize::from(word) % self.open.len().max(1);
        self.open.iter().nth(index).copied()
    }

    /// It is closed from outside.
    pub(crate) fn close(&mut self, now: Instant, agents: &mut [Agent; 2], end: End) {
        self.open.remove(&end);
        agents[end.0].handle_closed(now, end.1);
    }
}
