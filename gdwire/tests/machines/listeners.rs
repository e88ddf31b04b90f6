//! Several ENet hosts behind one server: one game.

use crate::common::main_node;
use alloc::collections::{BTreeMap, BTreeSet};
use core::net::SocketAddr;
use core::time::Duration;
use gdwire::session::{
    NodeConfig, NodeKey, PeerId, PropertyConfig, Relay, SceneConfig, SpawnConfig, SpawnerConfig,
    SynchronizerConfig, Target, TransferMode, Visibility,
};
use gdwire::{
    Blueprint, Client, ClientConfig, ConfigError, DisconnectReason, Event, Instant, RefusalReason,
    Server, ServerConfig, Value,
};

/// A server and clients that reach each of its listeners at once.
struct Hall {
    now: Instant,
    server: Server,
    main: NodeKey,
    clients: BTreeMap<SocketAddr, Guest>,
    buffer: Vec<u8>,
    events: Vec<Event>,
}

struct Guest {
    client: Client,
    main: NodeKey,
    listener: usize,
    events: Vec<Event>,
}

fn port_of(listener: usize) -> SocketAddr {
    let port = 9000 + u16::try_from(listener).unwrap();
    SocketAddr::from(([10, 0, 0, 1], port))
}

fn address(number: u32) -> SocketAddr {
    SocketAddr::from((core::net::Ipv4Addr::from(0x0b00_0000 + number), 5000))
}

impl Hall {
    fn new(config: ServerConfig) -> Self {
        let mut server = Server::new(config).unwrap();
        let main = server.add_node(main_node()).unwrap();
        Self {
            now: Instant::from_millis(1000),
            server,
            main,
            clients: BTreeMap::new(),
            buffer: vec![0; Server::BUFFER],
            events: Vec::new(),
        }
    }

    /// A client with this id starts to connect to a listener.
    fn join(&mut self, id: i32, listener: usize) -> SocketAddr {
        let number = u32::try_from(self.clients.len()).unwrap();
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&number.to_le_bytes());
        let mut config = ClientConfig::new(seed);
        config.session.id = PeerId::new(id).unwrap();
        config.channel_count = 4;
        let mut client = Client::new(config).unwrap();
        let main = client.add_node(main_node()).unwrap();
        client.connect(self.now, port_of(listener)).unwrap();
        let guest = Guest {
            client,
            main,
            listener,
            events: Vec::new(),
        };
        self.clients.insert(address(number), guest);
        self.hear_client(address(number));
        address(number)
    }

    /// Takes what a client has, and gives its datagrams to the server.
    fn hear_client(&mut self, at: SocketAddr) {
        let Some(guest) = self.clients.get_mut(&at) else {
            return;
        };
        while let Some(event) = guest.client.poll_event() {
            guest.events.push(event);
        }
        while let Some(transmit) = guest.client.poll_transmit(self.now, &mut self.buffer) {
            assert_eq!(transmit.destination, port_of(guest.listener));
            let data = &self.buffer[transmit.bytes];
            let _ = self
                .server
                .handle_datagram_at(guest.listener, self.now, at, data);
        }
    }

    /// Moves datagrams until nobody has any.
    fn settle(&mut self) {
        loop {
            while let Some(event) = self.server.poll_event() {
                self.events.push(event);
            }
            let mut touched = BTreeSet::new();
            for listener in 0..self.server.listeners() {
                while let Some(transmit) =
                    self.server
                        .poll_transmit_at(listener, self.now, &mut self.buffer)
                {
                    let guest = self.clients.get_mut(&transmit.destination).unwrap();
                    assert_eq!(guest.listener, listener);
                    let data = &self.buffer[transmit.bytes];
                    let _ = guest
                        .client
                        .handle_datagram(self.now, port_of(listener), data);
                    touched.insert(transmit.destination);
                }
            }
            if touched.is_empty() {
                return;
            }
            for at in touched {
                self.hear_client(at);
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = (self.now + Duration::from_millis(50)).min(end);
            self.server.handle_timeout(self.now);
            let all: Vec<_> = self.clients.keys().copied().collect();
            for at in all {
                let guest = self.clients.get_mut(&at).unwrap();
                guest.client.handle_timeout(self.now);
                self.hear_client(at);
            }
            self.settle();
        }
    }

    fn client(&mut self, at: SocketAddr) -> &mut Guest {
        self.clients.get_mut(&at).unwrap()
    }
}

fn config(listeners: usize) -> ServerConfig {
    let mut config = ServerConfig::new([1; 32]);
    config.listeners = listeners;
    config
}

fn ids(peers: impl Iterator<Item = PeerId>) -> Vec<i32> {
    let mut ids: Vec<_> = peers.map(PeerId::value).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn clients_of_several_listeners_are_peers_of_one_game() {
    let mut hall = Hall::new(config(3));
    let all: Vec<_> = (0..6)
        .map(|number| hall.join(10 + number, usize::try_from(number).unwrap() % 3))
        .collect();
    hall.settle();
    assert_eq!(ids(hall.server.peers()), [10, 11, 12, 13, 14, 15]);
    let listeners = (10..16).map(|id| hall.server.peer_listener(PeerId::new(id).unwrap()));
    let expected = [0, 1, 2, 0, 1, 2].map(Some);
    assert_eq!(listeners.collect::<Vec<_>>(), expected);
    assert_eq!(
        ids(hall.client(all[0]).client.peers()),
        [1, 11, 12, 13, 14, 15]
    );

    // A client's call to all is relayed to those of other listeners, and one to a peer finds it.
    let guest = hall.client(all[0]);
    let hello = [Value::from("hello")];
    guest
        .client
        .rpc(Target::All, guest.main, "say", &hello)
        .unwrap();
    let far = PeerId::new(14).unwrap();
    guest
        .client
        .rpc(far, guest.main, "say", &[Value::Int(4)])
        .unwrap();
    hall.hear_client(all[0]);
    hall.settle();
    for (at, calls) in [(all[1], 1), (all[2], 1), (all[3], 1), (all[4], 2)] {
        let heard = hall.client(at).events.iter();
        let heard =
            heard.filter(|event| matches!(event, Event::Rpc(call) if call.peer.value() == 10));
        assert_eq!(heard.count(), calls);
    }

    // One broadcast of the server reaches all of them.
    let reached = hall.server.rpc(Target::All, hall.main, "tell", &hello);
    assert_eq!(reached, Ok(6));
    hall.settle();
    for at in &all {
        let told = hall.client(*at).events.iter();
        let told =
            told.filter(|event| matches!(event, Event::Rpc(call) if &*call.method == "tell"));
        assert_eq!(told.count(), 1);
    }

    // Who leaves one listener has left for those of the others.
    hall.client(all[1]).client.close();
    hall.hear_client(all[1]);
    hall.settle();
    assert_eq!(ids(hall.client(all[5]).client.peers()), [1, 10, 12, 13, 14]);
    hall.server.close();
    hall.settle();
    hall.pass(Duration::from_secs(1));
    assert!(hall.server.is_closed());
}

#[test]
fn visibility_is_that_of_one_game_whatever_listener_a_client_came_to() {
    let unit = SceneConfig::new("res://unit.tscn")
        .node(NodeConfig::new("."))
        .node(NodeConfig::new("Sync").synchronizer(
            SynchronizerConfig::new().property(PropertyConfig::new("hp").initial(100).on_change()),
        ))
        .build()
        .unwrap();
    let spawner = SpawnerConfig::new("../Units").scene("res://unit.tscn");
    let blueprint = Blueprint::new()
        .scene(unit)
        .node(NodeConfig::new("World/Units"))
        .node(NodeConfig::new("World/Spawner").spawner(spawner));
    let mut hall = Hall::new(config(2));
    hall.server.add_blueprint(&blueprint).unwrap();
    let all: Vec<_> = (0..4)
        .map(|number| {
            let at = hall.join(10 + number, usize::try_from(number).unwrap() % 2);
            hall.client(at).client.add_blueprint(&blueprint).unwrap();
            at
        })
        .collect();
    hall.settle();
    let spawner = hall.server.session().node("World/Spawner").unwrap();
    let unit = hall
        .server
        .spawn(spawner, SpawnConfig::scene(0, "Spy"))
        .unwrap();
    hall.pass(Duration::from_millis(200));
    let who_sees = |hall: &mut Hall| -> Vec<i32> {
        let sees = |guest: &Guest| guest.client.session().node("World/Units/Spy").is_some();
        let seeing = hall.clients.values().filter(|guest| sees(guest));
        ids(seeing.map(|guest| guest.client.session().id()))
    };
    assert_eq!(who_sees(&mut hall), [10, 11, 12, 13]);

    // Hidden from all but one at each listener.
    let sync = hall.server.session().node("World/Units/Spy/Sync").unwrap();
    hall.server
        .set_public_visibility(sync, Visibility::Hidden)
        .unwrap();
    for id in [10, 13] {
        let peer = PeerId::new(id).unwrap();
        hall.server
            .set_visibility(sync, peer, Visibility::Visible)
            .unwrap();
    }
    hall.pass(Duration::from_millis(200));
    assert_eq!(who_sees(&mut hall), [10, 13]);
    hall.server.set(unit, "hp", 7).unwrap();
    hall.pass(Duration::from_millis(200));
    for (at, expected) in [(all[0], Some(7)), (all[1], None), (all[3], Some(7))] {
        let session = hall.client(at).client.session();
        let node = session.node("World/Units/Spy");
        let hp = node.and_then(|node| session.property(node, "hp"));
        assert_eq!(hp.and_then(Value::as_int), expected);
    }
}

#[test]
fn an_id_is_taken_on_every_listener() {
    let mut hall = Hall::new(config(2));
    hall.join(10, 0);
    hall.settle();
    let second = hall.join(10, 1);
    hall.settle();
    assert!(hall.events.iter().any(|event| matches!(
        event,
        Event::Refused {
            reason: RefusalReason::TakenId,
            ..
        }
    )));
    assert!(hall.client(second).events.iter().any(|event| matches!(
        event,
        Event::ConnectionFailed {
            reason: DisconnectReason::Remote
        }
    )));
    assert_eq!(hall.server.stats().refused_taken_id, 1);
}

#[test]
fn a_server_has_one_to_sixteen_listeners() {
    for count in [0, 17] {
        let verdict = Server::new(config(count)).map(drop);
        assert_eq!(verdict, Err(ConfigError::Listeners(count)));
    }
    let mut server = Server::new(config(16)).unwrap();
    assert_eq!(server.listeners(), 16);
    assert!(server.enet_at(15).is_some() && server.enet_at(16).is_none());
    let mut buffer = [0; Server::BUFFER];
    assert!(
        server
            .poll_transmit_at(16, Instant::ZERO, &mut buffer)
            .is_none()
    );
}

/// As many as ENet's twelve bits allow, and one more.
#[test]
fn a_full_listener_has_4095_clients_and_the_next_joins_another() {
    const FULL: u32 = 4095;
    let mut config = config(2);
    config.enet.max_peers = 4095;
    // A million announcements each way are not what is looked at here.
    config.session.relay = Relay::Disabled;
    let mut hall = Hall::new(config);
    for number in 0..FULL {
        hall.join(i32::try_from(number).unwrap() + 2, 0);
        if number % 64 == 0 {
            hall.settle();
        }
    }
    hall.settle();
    assert_eq!(hall.server.enet().connected_peers(), 4095);
    assert_eq!(hall.server.peers().count(), 4095);

    let late = hall.join(100_000, 0);
    hall.settle();
    assert_eq!(hall.server.enet().connected_peers(), 4095);
    assert!(!hall.client(late).client.is_connected());
    let other = hall.join(100_001, 1);
    hall.settle();
    assert!(hall.client(other).client.is_connected());

    hall.server
        .send_bytes(Target::All, &[7], TransferMode::Reliable, 0)
        .unwrap();
    hall.settle();
    let got = hall.clients.values().filter(|guest| {
        let mut events = guest.events.iter();
        events.any(|event| matches!(event, Event::Packet { payload, .. } if *payload == [7][..]))
    });
    assert_eq!(got.count(), 4096);
    hall.pass(Duration::from_secs(2));
    assert_eq!(hall.server.peers().count(), 4096);
}
