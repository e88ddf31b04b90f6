//! Whatever is lost, overtaken, joined, left, shown and hidden: peers have what they shall see, nothing else, and agree.
// req: HP-14 HP-16
#![allow(
    clippy::std_instead_of_alloc,
    reason = "a test crate has no extern crate alloc"
)]
mod common;

use common::peer;
use core::time::Duration;
use proptest::collection::vec;
use proptest::prelude::*;
use proto_core::Instant;
use replication_proto::variant::Value;
use replication_proto::{
    Budget, Config, DropReason, Event, Incoming, NodeConfig, NodeKey, PropertyConfig, Scene,
    SceneConfig, Session, SpawnConfig, SpawnerConfig, SynchronizerConfig, Verdict, Visibility,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const CLIENTS: [i32; 3] = [2, 3, 4];
const UNITS: u8 = 5;

/// A scene without synchronizers, so that only what is around it decides who has it.
const KID: &str = "res://kid.tscn";

/// Where client 2 spawns, and who that is.
const TOY: &str = "Toys/T";
const TOY_OWNER: i32 = 2;

/// One thing that happens to the world.
#[derive(Clone, Debug)]
enum Op {
    Join(u8),
    Leave(u8),
    Spawn {
        unit: u8,
        is_private: bool,
    },
    Despawn(u8),
    Set {
        unit: u8,
        value: i64,
    },
    Show {
        unit: u8,
        client: u8,
        is_visible: bool,
    },
    Filter(u16),
    Budget {
        client: u8,
        bytes: u16,
    },
    /// Gives the input of a unit to a client, or back to the server, at every end at once.
    Hand {
        unit: u8,
        to: u8,
    },
    /// Spawns a node in a unit, or frees it.
    Kid(u8),
    /// Client 2 spawns a node by a spawner of its own, or frees it.
    Toy,
    /// Delivers that many reliable packets on each link.
    Deliver(u8),
    /// A frame of everybody; bit i of the fate decides whether the i-th unreliable packet comes, is late or is lost.
    Frame(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => any::<u8>().prop_map(Op::Join),
        1 => any::<u8>().prop_map(Op::Leave),
        4 => (any::<u8>(), any::<bool>())
            .prop_map(|(unit, is_private)| Op::Spawn { unit, is_private }),
        2 => any::<u8>().prop_map(Op::Despawn),
        6 => (any::<u8>(), -5..5_i64).prop_map(|(unit, value)| Op::Set { unit, value }),
        4 => (any::<u8>(), any::<u8>(), any::<bool>())
            .prop_map(|(unit, client, is_visible)| Op::Show { unit, client, is_visible }),
        2 => any::<u16>().prop_map(Op::Filter),
        1 => (any::<u8>(), 40..200_u16).prop_map(|(client, bytes)| Op::Budget { client, bytes }),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(unit, to)| Op::Hand { unit, to }),
        3 => any::<u8>().prop_map(Op::Kid),
        1 => Just(Op::Toy),
        4 => (0..6_u8).prop_map(Op::Deliver),
        8 => any::<u64>().prop_map(Op::Frame),
    ]
}

fn unit() -> Scene {
    let state = SynchronizerConfig::new()
        .filtered()
        .property(PropertyConfig::new("always").initial(0))
        .property(PropertyConfig::new("frame").initial(0))
        .property(PropertyConfig::new("changed").initial(0).on_change())
        .property(
            PropertyConfig::new("late")
                .initial(0)
                .on_change()
                .without_spawn(),
        );
    let input = SynchronizerConfig::new()
        .property(PropertyConfig::new("input").initial(0))
        .property(PropertyConfig::new("order").initial(0).on_change());
    SceneConfig::new("res://unit.tscn")
        .node(NodeConfig::new("State").synchronizer(state))
        .node(NodeConfig::new("Body"))
        .node(NodeConfig::new("Body/Input").synchronizer(input.root("..")))
        .node(NodeConfig::new("Crew").spawner(SpawnerConfig::new("..").scene(KID)))
        .build()
        .unwrap()
}

struct World {
    now: Instant,
    sessions: BTreeMap<i32, Session>,
    reliable: BTreeMap<(i32, i32), VecDeque<Incoming>>,
    unreliable: Vec<(i32, Incoming)>,
    late: Vec<(i32, Incoming)>,
    filter: u16,
    /// Whom the application made the owner of each unit's input.
    owners: BTreeMap<u8, i32>,
    /// To whom the application shows each unit, filters apart.
    shown: BTreeMap<u8, Shown>,
    frames: i64,
    /// Who has been here before.
    joined: BTreeSet<i32>,
    /// Who lost which unit while a client owned its input. That client does not learn that the server hides the unit and
    /// shows it again, as in the engine: what it sends on change is sent once.
    missed: BTreeSet<(i32, u8)>,
    /// The frame of the last full state of each node at each client.
    seen: BTreeMap<(i32, NodeKey), i64>,
}

/// What the application said about one unit.
#[derive(Clone, Debug, Default)]
struct Shown {
    is_private: bool,
    to: BTreeMap<i32, bool>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            now: Instant::from_millis(1000),
            sessions: BTreeMap::new(),
            reliable: BTreeMap::new(),
            unreliable: Vec::new(),
            late: Vec::new(),
            filter: u16::MAX,
            owners: BTreeMap::new(),
            shown: BTreeMap::new(),
            frames: 0,
            joined: BTreeSet::new(),
            missed: BTreeSet::new(),
            seen: BTreeMap::new(),
        };
        world.add(Config::server());
        world
    }

    fn add(&mut self, mut config: Config) {
        config.frame_interval = None;
        let id = config.id.value();
        let mut session = Session::new(config).unwrap();
        session.add_scene(&unit()).unwrap();
        let kid = SceneConfig::new(KID).build().unwrap();
        session.add_scene(&kid).unwrap();
        let toys = SpawnerConfig::new("../Toys").scene(KID);
        session
            .add_node(
                NodeConfig::new("ToySpawner")
                    .authority(peer(TOY_OWNER))
                    .spawner(toys),
            )
            .unwrap();
        let spawner = SpawnerConfig::new("../Units").scene("res://unit.tscn");
        session
            .add_node(NodeConfig::new("Spawner").spawner(spawner))
            .unwrap();
        self.sessions.insert(id, session);
    }

    fn at(&mut self, id: i32) -> &mut Session {
        self.sessions.get_mut(&id).unwrap()
    }

    fn clients(&self) -> Vec<i32> {
        self.sessions
            .keys()
            .copied()
            .filter(|&id| id != 1)
            .collect()
    }

    fn leave(&mut self, id: i32) {
        let now = self.now;
        self.sessions.remove(&id);
        self.reliable
            .retain(|(from, to), _| *from != id && *to != id);
        self.unreliable
            .retain(|(to, packet)| *to != id && packet.from != peer(id));
        self.late
            .retain(|(to, packet)| *to != id && packet.from != peer(id));
        self.at(1).handle_peer_disconnected(now, peer(id));
    }

    fn collect(&mut self) {
        for (&id, session) in &mut self.sessions {
            while let Some(out) = session.poll_packet() {
                let to = out.to.value();
                let incoming = Incoming {
                    from: peer(id),
                    mode: out.mode,
                    channel: out.channel,
                    packet: out.packet,
                };
                if incoming.mode.is_reliable() {
                    self.reliable
                        .entry((id, to))
                        .or_default()
                        .push_back(incoming);
                } else {
                    self.unreliable.push((to, incoming));
                }
            }
            assert!(session.poll_disconnect().is_none());
        }
    }

    fn give(&mut self, to: i32, incoming: Incoming) {
        let now = self.now;
        let owners = self.owners.clone();
        let Some(session) = self.sessions.get_mut(&to) else {
            return;
        };
        let packet = incoming.packet.clone();
        let is_reliable = incoming.mode.is_reliable();
        let verdict = session.handle_packet(now, incoming);
        // What honest peers can cause: state of what is gone, not there yet, older, or of another owner by now.
        let is_honest = match verdict {
            Verdict::Accepted => true,
            Verdict::Dropped(DropReason::UnknownId) => !is_reliable,
            Verdict::Dropped(reason) => matches!(
                reason,
                DropReason::Stale
                    | DropReason::Unauthorized
                    | DropReason::UnknownNode
                    | DropReason::FreedNode
                    | DropReason::UnknownPeer
            ),
            // The relay brought something of a peer that has left since.
            Verdict::Rejected(reason) => reason == DropReason::UnknownPeer,
        };
        assert!(
            is_honest,
            "{to}: {verdict:?} for {}",
            common::to_hex(&packet)
        );
        while let Some(event) = session.poll_event() {
            // The game sets the owner when a node appears, as `_enter_tree` does.
            if let Event::Sync(state) = &event {
                // However late packets are, no node goes back in time.
                let frame = state
                    .properties
                    .iter()
                    .find(|(path, _)| &**path == ".:frame");
                if let Some((_, Value::Int(frame))) = frame {
                    let last = self.seen.insert((to, state.node), *frame);
                    assert!(last <= Some(*frame), "{to}: {last:?}, then {frame}");
                }
            }
            if let Event::Despawned { path, .. } = &event {
                let unit = (0..UNITS).find(|unit| **path == *self::path(*unit));
                if let Some(unit) = unit
                    && owners.get(&unit).is_some_and(|owner| *owner != 1)
                {
                    self.missed.insert((to, unit));
                }
            }
            if let Event::Spawned(spawned) = event {
                if spawned.path.ends_with("/Kid") || &*spawned.path == TOY {
                    continue;
                }
                let number = spawned.path.bytes().last().unwrap() - b'0';
                let owner = owners.get(&number).copied().unwrap_or(1);
                let input = format!("{}/Body/Input", spawned.path);
                if let Some(input) = session.node(&input) {
                    session.set_authority(input, peer(owner)).unwrap();
                }
            }
        }
        self.collect();
    }

    /// Delivers reliable packets in order, `count` per link; all of them and what they cause without a count.
    fn deliver(&mut self, count: Option<u8>) {
        self.collect();
        for _ in 0..count.unwrap_or(u8::MAX) {
            let links: Vec<_> = self.reliable.keys().copied().collect();
            let mut moved = false;
            for link in links {
                if let Some(incoming) = self.reliable.get_mut(&link).and_then(VecDeque::pop_front) {
                    self.give(link.1, incoming);
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
        if count.is_none() {
            self.deliver(None);
        }
    }

    fn frame(&mut self, fate: u64) {
        self.now = self.now + Duration::from_millis(16);
        let (now, filter) = (self.now, self.filter);
        self.frames += 1;
        for unit in 0..UNITS {
            let frames = self.frames;
            if let Some(node) = self.at(1).node(&path(unit)) {
                self.at(1).set(node, "frame", frames).unwrap();
            }
        }
        let keys: BTreeMap<_, _> = (0..UNITS)
            .filter_map(|unit| Some((self.at(1).node(&path(unit))?, unit)))
            .collect();
        self.at(1).update_visibility(|peer, node| {
            let unit = keys.get(&node).copied().unwrap_or_default();
            let bit = (u32::from(unit) * 3 + peer.value().unsigned_abs()) % 16;
            filter >> bit & 1 != 0
        });
        for session in self.sessions.values_mut() {
            session.tick(now);
        }
        self.collect();
        let overtaken = core::mem::take(&mut self.late);
        let packets = core::mem::take(&mut self.unreliable);
        for (at, (to, incoming)) in packets.into_iter().enumerate() {
            match fate >> (2 * at % 64) & 3 {
                0 => {}
                1 => self.late.push((to, incoming)),
                _ => self.give(to, incoming),
            }
        }
        for (to, incoming) in overtaken {
            self.give(to, incoming);
        }
    }

    fn apply(&mut self, op: Op) {
        let now = self.now;
        let client = |client: u8| CLIENTS[usize::from(client) % CLIENTS.len()];
        match op {
            Op::Join(id) => {
                let id = client(id);
                if !self.sessions.contains_key(&id) {
                    // Peer ids are random and never come back in truth: what was sent to the one before ends first.
                    if !self.joined.insert(id) {
                        self.deliver(None);
                        self.unreliable.clear();
                        self.late.clear();
                    }
                    self.add(Config::client(peer(id)));
                    assert!(
                        self.at(1)
                            .handle_peer_connected(now, peer(id))
                            .is_accepted()
                    );
                    assert!(
                        self.at(id)
                            .handle_peer_connected(now, peer(1))
                            .is_accepted()
                    );
                }
            }
            Op::Leave(id) => {
                let id = client(id);
                if self.sessions.contains_key(&id) {
                    self.leave(id);
                }
            }
            Op::Spawn { unit, is_private } => self.spawn(unit % UNITS, is_private),
            Op::Despawn(unit) => {
                if let Some(node) = self.at(1).node(&path(unit % UNITS)) {
                    self.at(1).despawn(node).unwrap();
                    self.owners.remove(&(unit % UNITS));
                }
            }
            Op::Set { unit, value } => self.set(unit % UNITS, value),
            Op::Show {
                unit,
                client: id,
                is_visible,
            } => {
                if let Some(shown) = self.shown.get_mut(&(unit % UNITS)) {
                    shown.to.insert(client(id), is_visible);
                }
                let visibility = if is_visible {
                    Visibility::Visible
                } else {
                    Visibility::Hidden
                };
                if let Some(node) = self.at(1).node(&format!("{}/State", path(unit % UNITS))) {
                    self.at(1)
                        .set_visibility(node, peer(client(id)), visibility)
                        .unwrap();
                }
            }
            Op::Filter(filter) => self.filter = filter,
            Op::Budget { client: id, bytes } => {
                self.at(1)
                    .set_budget(peer(client(id)), Some(Budget::new(bytes.into())));
            }
            Op::Hand { unit, to } => self.hand(unit % UNITS, [1, 2, 3, 4][usize::from(to % 4)]),
            Op::Kid(unit) => {
                let crew = format!("{}/Crew", path(unit % UNITS));
                self.toggle(1, &crew, "Kid", &format!("{}/Kid", path(unit % UNITS)));
            }
            Op::Toy => self.toggle(TOY_OWNER, "ToySpawner", "T", TOY),
            Op::Deliver(count) => self.deliver(Some(count)),
            Op::Frame(fate) => self.frame(fate),
        }
        self.collect();
        for session in self.sessions.values_mut() {
            while session.poll_event().is_some() {}
        }
    }

    fn spawn(&mut self, unit: u8, is_private: bool) {
        if self.at(1).node(&path(unit)).is_some() {
            return;
        }
        let spawner = self.at(1).node("Spawner").unwrap();
        let mut config = SpawnConfig::scene(0, format!("U{unit}"));
        let mut shown = Shown {
            is_private,
            ..Shown::default()
        };
        if is_private {
            shown.to.insert(2, true);
        }
        self.shown.insert(unit, shown);
        if is_private {
            config = config.visible_to([peer(2)]);
        }
        self.at(1).spawn(spawner, config).unwrap();
    }

    /// Spawns a node at one end, or frees it if it is there.
    fn toggle(&mut self, id: i32, spawner: &str, name: &str, path: &str) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        match (session.node(path), session.node(spawner)) {
            (Some(node), _) => session.despawn(node).unwrap(),
            (None, Some(spawner)) => {
                session.spawn(spawner, SpawnConfig::scene(0, name)).unwrap();
            }
            (None, None) => {}
        }
    }

    fn set(&mut self, unit: u8, value: i64) {
        let owner = self.owners.get(&unit).copied().unwrap_or(1);
        for name in ["always", "changed", "late"] {
            if let Some(node) = self.at(1).node(&path(unit)) {
                self.at(1).set(node, name, value).unwrap();
            }
        }
        let Some(session) = self.sessions.get_mut(&owner) else {
            return;
        };
        if let Some(node) = session.node(&format!("{}/Body", path(unit))) {
            session.set(node, "input", value * 10).unwrap();
            session.set(node, "order", value * 100).unwrap();
        }
    }

    fn hand(&mut self, unit: u8, to: i32) {
        if self.at(1).node(&path(unit)).is_none() {
            return;
        }
        self.owners.insert(unit, to);
        for session in self.sessions.values_mut() {
            if let Some(input) = session.node(&format!("{}/Body/Input", path(unit))) {
                session.set_authority(input, peer(to)).unwrap();
            }
        }
    }

    /// Each client has exactly the nodes that the server shows it.
    fn check_nodes(&mut self) {
        for id in self.clients() {
            for unit in 0..UNITS {
                let path = path(unit);
                let may = self
                    .shown
                    .get(&unit)
                    .is_some_and(|shown| shown.to.get(&id).copied().unwrap_or(!shown.is_private));
                let server = self.at(1);
                let node = server.node(&path);
                let shows = node.is_some_and(|node| server.is_spawned_at(node, peer(id)));
                assert!(!shows || may, "{id} was sent {path} without seeing it");
                let has = self.at(id).node(&path).is_some();
                assert_eq!(has, shows, "{id} {path}");
                // What is in it comes and goes with it.
                let kid = format!("{path}/Kid");
                let kid_there = self.at(1).node(&kid);
                let shows_kid =
                    kid_there.is_some_and(|kid| self.at(1).is_spawned_at(kid, peer(id)));
                assert!(!shows_kid || shows, "{id} was sent {kid} without {path}");
                let has_kid = self.at(id).node(&kid).is_some();
                assert_eq!(has_kid, shows_kid, "{id} {kid}");
            }
        }
        // What a client spawned is everywhere, and goes with it.
        let owner = self.sessions.get(&TOY_OWNER);
        let is_there = owner.is_some_and(|owner| owner.node(TOY).is_some());
        for (id, session) in &self.sessions {
            assert_eq!(session.node(TOY).is_some(), is_there, "{id} {TOY}");
        }
    }

    /// Each property at each client is that of its owner.
    fn check_values(&mut self) {
        for id in self.clients() {
            for unit in 0..UNITS {
                if self.at(id).node(&path(unit)).is_none() {
                    continue;
                }
                for name in ["always", "changed", "late"] {
                    let expected = property(self.at(1), &path(unit), name);
                    assert_eq!(
                        property(self.at(id), &path(unit), name),
                        expected,
                        "{id} {unit} {name}"
                    );
                }
                let owner = self.owners.get(&unit).copied().unwrap_or(1);
                let body = format!("{}/Body", path(unit));
                let has_owner = self
                    .sessions
                    .get(&owner)
                    .is_some_and(|owner| owner.node(&body).is_some());
                for name in ["input", "order"] {
                    let is_missed = name == "order" && self.missed.contains(&(id, unit));
                    if has_owner && !is_missed {
                        let expected = property(self.at(owner), &body, name);
                        assert_eq!(
                            property(self.at(id), &body, name),
                            expected,
                            "{id} {unit} {name}"
                        );
                    }
                }
            }
        }
    }
}

fn path(unit: u8) -> String {
    format!("Units/U{unit}")
}

fn property(session: &Session, path: &str, name: &str) -> Value {
    let node = session.node(path).unwrap();
    session.property(node, name).unwrap().clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: testkit::cases(96), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn peers_have_what_they_see_and_converge_when_nothing_changes_any_more(ops in vec(op(), 1..120)) {
        let mut world = World::new();
        world.apply(Op::Join(0));
        world.apply(Op::Join(1));
        for (at, op) in ops.into_iter().enumerate() {
            world.apply(op);
            if at % 16 == 15 {
                world.deliver(None);
                world.check_nodes();
            }
        }
        world.unreliable.clear();
        for id in CLIENTS {
            world.at(1).set_budget(peer(id), None);
        }
        for _ in 0..12 {
            world.deliver(None);
            world.frame(u64::MAX);
        }
        world.deliver(None);
        world.check_nodes();
        world.check_values();
        // Without budgets nothing that is seen is left out.
        for id in world.clients() {
            for unit in 0..UNITS {
                let (path, kid) = (path(unit), format!("{}/Kid", path(unit)));
                let is_seen = world.at(id).node(&path).is_some();
                let expected = is_seen && world.at(1).node(&kid).is_some();
                assert_eq!(world.at(id).node(&kid).is_some(), expected, "{id} {kid}");
            }
        }
    }
}
