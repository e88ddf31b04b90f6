//! Sessions joined by a transport in memory, and the recorded packets to compare with.
#![allow(dead_code, reason = "each test crate uses its part")]
#![allow(
    clippy::std_instead_of_alloc,
    reason = "a test module has no extern crate alloc"
)]

use bytes::Bytes;
use core::time::Duration;
use proto_core::Instant;
use replication_proto::{
    Config, DropReason, Event, Incoming, NodeConfig, PeerId, RpcConfig, RpcTable, Session,
    SyncTime, TransferMode, Verdict,
};
use std::collections::{BTreeMap, VecDeque};

pub(crate) fn peer(id: i32) -> PeerId {
    PeerId::new(id).unwrap()
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Counts frames per peer, and runs them only when told to.
pub(crate) fn engine(mut config: Config) -> Config {
    config.sync_time = SyncTime::PerPeer;
    config.frame_interval = None;
    config
}

/// A packet as it left a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) from: i32,
    pub(crate) to: i32,
    pub(crate) mode: TransferMode,
    pub(crate) channel: u8,
    pub(crate) hex: String,
}

/// What became of a delivered packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) at: i32,
    pub(crate) from: i32,
    pub(crate) verdict: Verdict,
}

/// Sessions whose packets a perfect transport moves in rounds: each session handles what came, then sends.
pub(crate) struct Net {
    pub(crate) now: Instant,
    pub(crate) log: Vec<Sent>,
    pub(crate) judged: Vec<Judged>,
    pub(crate) disconnects: Vec<(i32, i32)>,
    sessions: BTreeMap<i32, Session>,
    inboxes: BTreeMap<i32, VecDeque<Incoming>>,
}

impl Net {
    pub(crate) fn new() -> Self {
        Self {
            now: Instant::from_millis(1000),
            log: Vec::new(),
            judged: Vec::new(),
            disconnects: Vec::new(),
            sessions: BTreeMap::new(),
            inboxes: BTreeMap::new(),
        }
    }

    /// A server and clients with these numbers, all connected and settled.
    pub(crate) fn connected(clients: &[i32]) -> Self {
        let mut net = Self::new();
        net.add(Config::server());
        for &client in clients {
            net.add(Config::client(peer(client)));
            net.connect(client);
            net.settle();
        }
        net.forget();
        net
    }

    /// The same with settings that are those of the engine where they show on the wire.
    pub(crate) fn like_the_engine(clients: &[i32]) -> Self {
        let mut net = Self::new();
        net.add(engine(Config::server()));
        for &client in clients {
            net.add(engine(Config::client(peer(client))));
            net.connect(client);
            net.settle();
        }
        net.forget();
        net
    }

    pub(crate) fn add(&mut self, config: Config) -> &mut Session {
        let id = config.id.value();
        self.inboxes.insert(id, VecDeque::new());
        self.sessions.insert(id, Session::new(config).unwrap());
        self.at(id)
    }

    pub(crate) fn at(&mut self, id: i32) -> &mut Session {
        self.sessions.get_mut(&id).unwrap()
    }

    /// Connects a client with the server: both transports report it.
    pub(crate) fn connect(&mut self, client: i32) {
        self.link(1, client);
    }

    /// Connects two sessions: both transports report it, the first one first.
    pub(crate) fn link(&mut self, a: i32, b: i32) {
        let now = self.now;
        let first = self.at(a).handle_peer_connected(now, peer(b));
        let second = self.at(b).handle_peer_connected(now, peer(a));
        assert_eq!((first, second), (Verdict::Accepted, Verdict::Accepted));
    }

    /// Ends a connection: both transports report it.
    pub(crate) fn disconnect(&mut self, client: i32) {
        let now = self.now;
        self.at(1).handle_peer_disconnected(now, peer(client));
        self.at(client).handle_peer_disconnected(now, peer(1));
    }

    /// Puts what a session sends into the inboxes and the log.
    pub(crate) fn send_from(&mut self, id: i32) -> bool {
        let session = self.sessions.get_mut(&id).unwrap();
        let mut sent = false;
        while let Some(out) = session.poll_packet() {
            sent = true;
            self.log.push(Sent {
                from: id,
                to: out.to.value(),
                mode: out.mode,
                channel: out.channel,
                hex: to_hex(&out.packet),
            });
            if let Some(inbox) = self.inboxes.get_mut(&out.to.value()) {
                inbox.push_back(Incoming {
                    from: peer(id),
                    mode: out.mode,
                    channel: out.channel,
                    packet: out.packet,
                });
            }
        }
        while let Some(other) = session.poll_disconnect() {
            self.disconnects.push((id, other.value()));
        }
        sent
    }

    /// Lets a session handle what came.
    pub(crate) fn receive_at(&mut self, id: i32) {
        let now = self.now;
        while let Some(incoming) = self.inboxes.get_mut(&id).and_then(VecDeque::pop_front) {
            let from = incoming.from.value();
            let verdict = self.at(id).handle_packet(now, incoming);
            self.judged.push(Judged {
                at: id,
                from,
                verdict,
            });
        }
    }

    /// Moves packets until nothing moves any more.
    pub(crate) fn settle(&mut self) {
        let ids: Vec<i32> = self.sessions.keys().copied().collect();
        for &id in &ids {
            self.send_from(id);
        }
        loop {
            let mut moved = false;
            for &id in &ids {
                self.receive_at(id);
                moved |= self.send_from(id);
            }
            if !moved && self.inboxes.values().all(VecDeque::is_empty) {
                return;
            }
        }
    }

    /// Lets time pass for all sessions.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        let now = self.now;
        for session in self.sessions.values_mut() {
            session.handle_timeout(now);
        }
    }

    /// Gives a session a packet as if `from` had sent it.
    pub(crate) fn inject(&mut self, from: i32, to: i32, packet: Vec<u8>) -> Verdict {
        let now = self.now;
        let incoming = Incoming {
            from: peer(from),
            mode: TransferMode::Reliable,
            channel: 0,
            packet: Bytes::from(packet),
        };
        self.at(to).handle_packet(now, incoming)
    }

    /// One network frame of each session in turn, as in the recorded sessions: receive, replicate, send.
    pub(crate) fn frame(&mut self) {
        self.now = self.now + Duration::from_millis(16);
        let ids: Vec<i32> = self.sessions.keys().copied().collect();
        for id in ids {
            self.receive_at(id);
            let now = self.now;
            self.at(id).tick(now);
            self.send_from(id);
        }
    }

    /// Drops the log, the verdicts and all waiting events.
    pub(crate) fn forget(&mut self) {
        self.log.clear();
        self.judged.clear();
        for session in self.sessions.values_mut() {
            while session.poll_event().is_some() {}
        }
    }

    /// All waiting events of a session.
    pub(crate) fn events(&mut self, id: i32) -> Vec<Event> {
        let session = self.at(id);
        core::iter::from_fn(|| session.poll_event()).collect()
    }

    /// The log since the last call.
    pub(crate) fn take_log(&mut self) -> Vec<Sent> {
        core::mem::take(&mut self.log)
    }

    /// Refusals since the last call.
    pub(crate) fn take_refusals(&mut self) -> Vec<(i32, i32, DropReason)> {
        let judged = core::mem::take(&mut self.judged);
        let refusals = judged
            .into_iter()
            .filter_map(|it| Some((it.at, it.from, it.verdict.reason()?)));
        refusals.collect()
    }
}

/// The script methods of the recorded sessions.
pub(crate) fn recorded_script() -> Vec<RpcConfig> {
    vec![
        RpcConfig::new("Many").any_peer(),
        RpcConfig::new("alpha")
            .any_peer()
            .transfer(TransferMode::UnreliableOrdered)
            .call_local(),
        RpcConfig::new("auth_only"),
        RpcConfig::new("beta")
            .any_peer()
            .transfer(TransferMode::Unreliable)
            .channel(3),
        RpcConfig::new("dflt"),
        RpcConfig::new("v").any_peer(),
        RpcConfig::new("zeta").any_peer(),
    ]
}

/// The methods of the node itself in the recorded sessions.
pub(crate) fn recorded_node() -> Vec<RpcConfig> {
    vec![
        RpcConfig::new("bb").any_peer(),
        RpcConfig::new("nodefn").any_peer(),
    ]
}

/// Node `N` of the recorded sessions.
pub(crate) fn recorded_n() -> NodeConfig {
    NodeConfig::new("N").rpc_table(RpcTable::new(recorded_node(), recorded_script()).unwrap())
}

/// A node of the recorded sessions with the script's methods only.
pub(crate) fn recorded_scripted(path: &str) -> NodeConfig {
    NodeConfig::new(path).rpc_table(RpcTable::of_script(recorded_script()).unwrap())
}

/// One packet of `multiplayer_packets.json`.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) scenario: String,
    pub(crate) step: String,
    pub(crate) command: String,
    pub(crate) sent: Sent,
}

pub(crate) fn recorded() -> Vec<Recorded> {
    let text = include_str!("../data/multiplayer_packets.json");
    let packets: serde_json::Value = serde_json::from_str(text).unwrap();
    let number = |value: &serde_json::Value| i32::try_from(value.as_i64().unwrap()).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    packets
        .as_array()
        .unwrap()
        .iter()
        .map(|packet| Recorded {
            scenario: text(&packet["scenario"]),
            step: text(&packet["step"]),
            command: text(&packet["command"]),
            sent: Sent {
                from: number(&packet["sender"]),
                to: number(&packet["target_peer"]),
                mode: match packet["mode"].as_str().unwrap() {
                    "unreliable" => TransferMode::Unreliable,
                    "unreliable_ordered" => TransferMode::UnreliableOrdered,
                    _ => TransferMode::Reliable,
                },
                channel: u8::try_from(number(&packet["channel"])).unwrap(),
                hex: text(&packet["hex"]),
            },
        })
        .collect()
}

/// The packets of one step of a scenario.
pub(crate) fn recorded_step(scenario: &str, step: &str) -> Vec<Sent> {
    let packets: Vec<_> = recorded()
        .into_iter()
        .filter(|packet| packet.scenario == scenario && packet.step == step)
        .map(|packet| packet.sent)
        .collect();
    assert!(!packets.is_empty(), "no step {step:?} in {scenario}");
    packets
}
