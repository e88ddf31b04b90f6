//! Bodies for `replication_proto::Session`.

use crate::parts;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use core::time::Duration;
use proto_core::Instant;
use replication_proto::packet::SimplifyPath;
use replication_proto::variant::{Value, ValueType};
use replication_proto::{
    Authentication, Config, DropReason, Event, Incoming, NodeConfig, NodeKey, Outgoing, PeerId,
    PropertyConfig, RpcConfig, SceneConfig, Session, SpawnerConfig, SynchronizerConfig, Target,
    TransferMode,
};

/// What peer `number` sends through the relay of a server reaches others as envelopes of at most five more bytes, so what
/// a session holds after an input can be bounded by what the input has.
const ENVELOPE_BYTES: usize = 5;

fn peer(number: i32) -> PeerId {
    PeerId::new(number).expect("a number above 0")
}

/// The nodes that both ends of the hostile vectors know.
fn nodes() -> [NodeConfig; 2] {
    let count = RpcConfig::new("a")
        .any_peer()
        .argument_types([Some(ValueType::Int)]);
    [
        NodeConfig::new("Main/Player2")
            .authority(peer(3))
            .rpc(count)
            .rpc(RpcConfig::new("b"))
            .rpc(RpcConfig::new("c").mode(replication_proto::RpcMode::Disabled)),
        NodeConfig::new("Main").rpc(RpcConfig::new("say").any_peer().call_local()),
    ]
}

fn session(config: Config) -> Session {
    let mut session = Session::new(config).expect("a valid configuration");
    for node in nodes() {
        session.add_node(node).expect("a fresh path");
    }
    session
}

/// What a session told of its peers, to compare with what it may tell.
#[derive(Debug, Default)]
struct Told {
    admitted: BTreeSet<PeerId>,
    spawned: BTreeMap<NodeKey, PeerId>,
    packets: u64,
}

impl Told {
    fn observe(&mut self, session: &mut Session) {
        while let Some(event) = session.poll_event() {
            match event {
                Event::PeerConnected { peer } => {
                    assert!(self.admitted.insert(peer), "{peer} was admitted twice")
                }
                Event::PeerDisconnected { peer, .. } => {
                    assert!(
                        self.admitted.remove(&peer),
                        "{peer} left without having been admitted"
                    );
                }
                Event::Rpc(call) => self.check_call(session, &call.method, call.peer),
                Event::Spawned(spawned) => {
                    let authority = session.authority(spawned.spawner);
                    assert_eq!(authority, Some(spawned.peer), "a spawn without authority");
                    let known = self.spawned.insert(spawned.node, spawned.peer);
                    assert!(known.is_none(), "a node was spawned twice");
                }
                Event::Despawned { peer, node, .. } => {
                    let spawner = self.spawned.remove(&node);
                    assert_eq!(spawner, Some(peer), "a despawn by another peer");
                }
                Event::Sync(state) => {
                    let authority = session.authority(state.synchronizer);
                    assert!(
                        authority.is_none_or(|authority| authority == state.peer),
                        "state of {}, who has no authority",
                        state.peer
                    );
                }
                Event::Packet { peer, payload, .. } => {
                    self.packets += 1;
                    assert!(
                        self.admitted.contains(&peer),
                        "a packet of {peer}, who is not admitted"
                    );
                    assert!(!payload.is_empty(), "an empty packet");
                }
                _ => {}
            }
        }
        let peers: BTreeSet<_> = session.peers().collect();
        assert_eq!(
            peers, self.admitted,
            "the table of peers and the events disagree"
        );
    }

    fn check_call(&self, session: &Session, method: &str, caller: PeerId) {
        let own = caller == session.id();
        assert!(
            own || self.admitted.contains(&caller),
            "a call of {caller}, who is not admitted"
        );
        match method {
            "b" => assert!(
                own || caller == peer(3),
                "{caller} called a method of the authority"
            ),
            "c" => assert!(own, "a disabled method was called"),
            _ => {}
        }
    }
}

/// Any packets from one peer into a session.
///
/// The first byte says what the session is (0: a server with peers 2 and 3, of whom 3 has spawned a node; 1: the client 2 of
/// a server that announced peer 3 and spawned a node; 2: a server that requires authentication, with peer 4 pending); parts of a sender and a packet follow.
///
/// # Panics
/// If the session panics, makes a call that it must refuse, answers more than the input can account for, or does not take
/// an honest call afterwards.
pub fn scene_packet(data: &[u8]) {
    let Some((&selector, data)) = data.split_first() else {
        return;
    };
    let (mut session, senders) = fixture(selector % 3);
    let now = Instant::from_millis(1000);
    let mut told = Told::default();
    told.observe(&mut session);
    let (mut bytes_in, mut bytes_out) = (0, 0);
    for part in parts(data).take(256) {
        let Some((&sender, packet)) = part.split_first() else {
            continue;
        };
        let from = senders[usize::from(sender) % senders.len()];
        let mode = TransferMode::from_number(sender >> 6).unwrap_or_default();
        bytes_in += packet.len() + 64;
        let before = session.stats().dropped_total();
        let incoming = Incoming {
            from,
            mode,
            channel: sender & 3,
            packet: Bytes::copy_from_slice(packet),
        };
        let verdict = session.handle_packet(now, incoming);
        let counted = session.stats().dropped_total() - before;
        assert!(
            counted > 0 || verdict.reason().is_none(),
            "{verdict:?} was not counted"
        );
        while let Some(out) = session.poll_packet() {
            bytes_out += out.packet.len();
        }
        while session.poll_disconnect().is_some() {}
        told.observe(&mut session);
    }
    // An input goes to two peers at most, and the answer to a short packet is a short packet.
    assert!(
        bytes_out <= 2 * (bytes_in + ENVELOPE_BYTES),
        "{bytes_out} bytes answer {bytes_in}"
    );
    session.handle_timeout(now + Duration::from_secs(60));
    while session.poll_packet().is_some() {}
    told.observe(&mut session);
    check_alive(&mut session, &mut told);
}

const ADD_PEER_3: &[u8] = &[7, 1, 3, 0, 0, 0];
/// Node 3, named `L`, with synchronizer 4, of scene 0 of spawner 1.
const SPAWN: &[u8] = &[
    4, 0, 1, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, b'L', 0,
];

/// A packet that an honest peer sends and that must be taken.
fn give(session: &mut Session, from: PeerId, packet: &[u8]) {
    let incoming = Incoming {
        from,
        mode: TransferMode::Reliable,
        channel: 0,
        packet: Bytes::copy_from_slice(packet),
    };
    let verdict = session.handle_packet(Instant::from_millis(1000), incoming);
    assert!(verdict.is_accepted(), "{packet:02x?} is {verdict:?}");
}

/// Peer `from` gives the node at `path` a number.
fn expose(session: &mut Session, from: PeerId, id: u32, path: &str) {
    let node = session.node(path).expect("a node of the fixture");
    let table = session.rpc_table(node).expect("a node of the fixture");
    let mut packet = Vec::new();
    SimplifyPath::new(table.checksum(), id, path).encode(&mut packet);
    give(session, from, &packet);
}

/// A spawner of one scene, which has one synced and two watched properties.
fn add_spawner(session: &mut Session, path: &str, authority: PeerId) {
    let any = |name: &str| PropertyConfig::new(name).initial(0).any_type();
    let properties = SynchronizerConfig::new()
        .property(any("a"))
        .property(any("b").on_change().without_spawn())
        .property(any("c").on_change().without_spawn());
    let node = NodeConfig::new("Sync").authority(authority);
    let unit = SceneConfig::new("res://unit.tscn").node(node.synchronizer(properties));
    let unit = unit.build().expect("a valid scene");
    session.add_scene(&unit).expect("a fresh scene");
    let spawner = SpawnerConfig::new("..").scene(unit.path());
    let node = NodeConfig::new(path).authority(authority).spawner(spawner);
    session.add_node(node).expect("a fresh path");
}

fn fixture(selector: u8) -> (Session, Vec<PeerId>) {
    let now = Instant::from_millis(1000);
    let mut config = if selector == 1 {
        Config::client(peer(2))
    } else {
        Config::server()
    };
    if selector == 2 {
        config.authentication = Authentication::Required;
    }
    let mut session = session(config);
    let direct = match selector {
        0 => vec![peer(2), peer(3)],
        1 => vec![PeerId::SERVER],
        _ => vec![peer(4)],
    };
    for &peer in &direct {
        assert!(
            session.handle_peer_connected(now, peer).is_accepted(),
            "{peer} connects"
        );
    }
    match selector {
        0 => {
            expose(&mut session, peer(2), 5, "Main/Player2");
            add_spawner(&mut session, "Arena/Spawner", peer(3));
            expose(&mut session, peer(3), 1, "Arena/Spawner");
            give(&mut session, peer(3), SPAWN);
        }
        1 => {
            give(&mut session, PeerId::SERVER, ADD_PEER_3);
            add_spawner(&mut session, "Main/Spawner", PeerId::SERVER);
            expose(&mut session, PeerId::SERVER, 1, "Main/Spawner");
            expose(&mut session, PeerId::SERVER, 2, "Main/Player2");
            give(&mut session, PeerId::SERVER, SPAWN);
        }
        _ => {}
    }
    while session.poll_packet().is_some() {}
    (session, direct)
}

/// A new peer of a server is admitted or begins to authenticate, whatever happened before.
fn check_alive(session: &mut Session, told: &mut Told) {
    if session.id() != PeerId::SERVER {
        return;
    }
    let now = Instant::from_millis(100_000);
    assert!(
        session.handle_peer_connected(now, peer(77)).is_accepted(),
        "a new peer is refused"
    );
    if session.config().authentication == Authentication::None {
        let bytes = Bytes::from_static(&[3, 1, 2]);
        let incoming = Incoming {
            from: peer(77),
            mode: TransferMode::Reliable,
            channel: 0,
            packet: bytes,
        };
        let before = told.packets;
        assert!(
            session.handle_packet(now, incoming).is_accepted(),
            "an honest packet is refused"
        );
        told.observe(session);
        assert_eq!(told.packets, before + 1, "an honest packet is lost");
    }
}

/// One step of a script between a server and two clients.
#[derive(Arbitrary, Debug)]
enum Step {
    /// Time passes at all ends.
    Wait { millis: u16 },
    /// The next `count` packets of all that wait are delivered.
    Deliver { count: u8 },
    /// Somebody calls a method.
    Call {
        by: u8,
        target: i8,
        node: bool,
        method: u8,
        argument: i64,
    },
    /// Somebody sends bytes.
    Send {
        by: u8,
        target: i8,
        mode: u8,
        length: u16,
    },
    /// A packet with these bytes comes out of the transport.
    Forge { from: u8, to: u8, packet: Vec<u8> },
    /// The transport of a client breaks, or comes back.
    Toggle { client: bool },
    /// The server disconnects a client.
    Kick { client: bool },
    /// A node is removed, or added again.
    Replace { by: u8, node: bool },
}

/// A server and two clients whose transport keeps packets in order.
struct Table {
    now: Instant,
    ends: Vec<Session>,
    told: Vec<Told>,
    connected: [bool; 3],
    wire: VecDeque<(PeerId, Outgoing)>,
    forged: bool,
}

impl Table {
    fn new() -> Self {
        let configs = [
            Config::server(),
            Config::client(peer(2)),
            Config::client(peer(3)),
        ];
        let mut table = Self {
            now: Instant::from_millis(1000),
            ends: configs.map(session).into(),
            told: (0..3).map(|_| Told::default()).collect(),
            connected: [true, false, false],
            wire: VecDeque::new(),
            forged: false,
        };
        table.toggle(1);
        table.toggle(2);
        table
    }

    fn index(id: PeerId) -> Option<usize> {
        usize::try_from(id.value() - 1)
            .ok()
            .filter(|&index| index < 3)
    }

    fn toggle(&mut self, client: usize) {
        let id = self.ends[client].id();
        self.connected[client] = !self.connected[client];
        if self.connected[client] {
            let _ = self.ends[0].handle_peer_connected(self.now, id);
            let _ = self.ends[client].handle_peer_connected(self.now, PeerId::SERVER);
        } else {
            self.wire.retain(|(from, out)| *from != id && out.to != id);
            self.ends[0].handle_peer_disconnected(self.now, id);
            self.ends[client].handle_peer_disconnected(self.now, PeerId::SERVER);
        }
    }

    /// Takes out what the sessions have to say, and ends the connections that they want ended.
    fn collect(&mut self) {
        for index in 0..3 {
            let id = self.ends[index].id();
            while let Some(out) = self.ends[index].poll_packet() {
                self.wire.push_back((id, out));
            }
            while let Some(gone) = self.ends[index].poll_disconnect() {
                let client = if index == 0 {
                    Self::index(gone)
                } else {
                    Some(index)
                };
                if let Some(client) = client.filter(|&client| client > 0 && self.connected[client])
                {
                    self.toggle(client);
                }
            }
        }
        for (told, end) in self.told.iter_mut().zip(&mut self.ends) {
            told.observe(end);
        }
    }

    fn deliver(&mut self, count: usize) {
        for _ in 0..count {
            let Some((from, out)) = self.wire.pop_front() else {
                return;
            };
            let client = Self::index(from.max(out.to));
            if let (Some(to), Some(client)) = (Self::index(out.to), client)
                && self.connected[client]
            {
                self.hand_over(from, to, out);
            }
            self.collect();
        }
    }

    fn hand_over(&mut self, from: PeerId, to: usize, out: Outgoing) {
        let Outgoing {
            mode,
            channel,
            packet,
            ..
        } = out;
        let verdict = self.ends[to].handle_packet(
            self.now,
            Incoming {
                from,
                mode,
                channel,
                packet,
            },
        );
        let honest = [
            None,
            // A node or a peer that has just gone or come back, and calls at the limit of the rate, are ordinary.
            Some(DropReason::DuplicateId),
            Some(DropReason::FreedNode),
            Some(DropReason::MethodMismatch),
            Some(DropReason::RelayBudget),
            Some(DropReason::RpcBudget),
            Some(DropReason::Unauthorized),
            Some(DropReason::UnknownId),
            Some(DropReason::UnknownNode),
            Some(DropReason::UnknownPeer),
        ];
        assert!(
            self.forged || honest.contains(&verdict.reason()),
            "an honest packet is {verdict:?}"
        );
    }

    fn apply(&mut self, step: Step) {
        let end = |number: u8| usize::from(number % 3);
        match step {
            Step::Wait { millis } => {
                self.now = self.now + Duration::from_millis(millis.into());
                for session in &mut self.ends {
                    session.handle_timeout(self.now);
                    let next = session.poll_timeout();
                    assert!(
                        next.is_none_or(|next| next > self.now),
                        "a deadline stays due after it was handled"
                    );
                }
            }
            Step::Deliver { count } => self.deliver(count.into()),
            Step::Call {
                by,
                target,
                node,
                method,
                argument,
            } => {
                let session = &mut self.ends[end(by)];
                let target = Target::from_number((target % 5).into()).expect("a small number");
                let path = if node { "Main" } else { "Main/Player2" };
                let method = ["say", "a", "b", "c"][usize::from(method % 4)];
                if let Some(node) = session.node(path) {
                    let _ = session.rpc(target, node, method, &[Value::Int(argument)]);
                }
            }
            Step::Send {
                by,
                target,
                mode,
                length,
            } => {
                let target = Target::from_number((target % 5).into()).expect("a small number");
                let mode = TransferMode::from_number(mode % 3).expect("below 3");
                let bytes = vec![7; usize::from(length % 2048)];
                let _ = self.ends[end(by)].send_bytes(target, &bytes, mode, 0);
            }
            Step::Forge { from, to, packet } => {
                self.forged = true;
                let from = self.ends[end(from)].id();
                let (mode, channel, packet) = (TransferMode::Reliable, 0, packet.into());
                let _ = self.ends[end(to)].handle_packet(
                    self.now,
                    Incoming {
                        from,
                        mode,
                        channel,
                        packet,
                    },
                );
            }
            Step::Toggle { client } => self.toggle(1 + usize::from(client)),
            Step::Kick { client } => self.ends[0].disconnect_peer(peer(2 + i32::from(client))),
            Step::Replace { by, node } => self.replace(end(by), usize::from(node)),
        }
        self.collect();
    }

    fn replace(&mut self, by: usize, node: usize) {
        let session = &mut self.ends[by];
        match session.node(["Main/Player2", "Main"][node]) {
            Some(key) => session.remove_node(key).expect("a node that was found"),
            None => {
                let [player, main] = nodes();
                session
                    .add_node([player, main][node].clone())
                    .expect("a free path");
            }
        }
    }
}

/// A server and two clients under a script of calls, bytes, forged packets, breaking transports and changing scenes.
///
/// # Panics
/// If a session panics, refuses what an honest one sent, makes a call that it must refuse, or tells of peers in a wrong
/// order.
pub fn scene_script(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let mut table = Table::new();
    table.collect();
    while let (false, Ok(step)) = (input.is_empty(), Step::arbitrary(&mut input)) {
        table.apply(step);
        if table.wire.len() > 10_000 {
            table.deliver(10_000);
        }
    }
    table.apply(Step::Wait { millis: 60_000 });
    table.deliver(100_000);
    assert!(
        table.wire.is_empty(),
        "the sessions do not stop answering each other"
    );
}
