//! Godot's own clients on IPv4 and ours on IPv6, on two ports of one server of ours.

use gdwire::drive::blocking::{ClientDriver, ServerDriver};
use gdwire::{Client, Event, Server};
use interop::engine::{self, Engine};
use interop::stage::{calls_node, client_config, peer_id, server_config};
use replication_proto::Target;
use replication_proto::variant::Value;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// How a test begins: without an engine there is nothing to test.
macro_rules! needs_godot {
    () => {
        if engine::installed().is_none() {
            return;
        }
    };
}

const PATIENCE: Duration = Duration::from_secs(40);
const MOMENT: Duration = Duration::from_millis(2);

fn client_of(port: u16) -> Engine {
    Engine::start(&[format!("--port={port}")])
}

/// A server of ours on all addresses and two ports, two engines, and a client of ours.
struct Game {
    server: ServerDriver,
    engines: Vec<Engine>,
    client: ClientDriver,
    heard: Vec<Event>,
}

impl Game {
    /// Lets all play until `done`.
    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            self.server.next_event_within(MOMENT).expect("a socket");
            let event = self.client.next_event_within(MOMENT);
            self.heard.extend(event.expect("a socket"));
            self.engines
                .iter_mut()
                .for_each(|engine| engine.pump(MOMENT));
            let engines = self.engines.iter().map(|engine| &engine.events);
            assert!(
                Instant::now() < deadline,
                "waiting in vain: {what}\n{:#?}\n{:#?}",
                self.heard,
                engines.collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn clients_on_two_ports_over_ipv4_and_ipv6_play_one_game() {
    needs_godot!();
    let mut config = server_config();
    config.listeners = 2;
    let mut server = Server::new(config).expect("good settings");
    let calls = server.add_node(calls_node()).expect("a good node");
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let server = ServerDriver::bind_all(&[any, any], server).expect("a machine with IPv6");
    let ports = [0, 1].map(|at| server.local_address_at(at).expect("it is bound").port());
    let mut client = Client::new(client_config()).expect("good settings");
    client.add_node(calls_node()).expect("a good node");
    let six = client.id();
    let over_six = SocketAddr::from((Ipv6Addr::LOCALHOST, ports[1]));
    let mut game = Game {
        server,
        engines: ports.map(client_of).into(),
        client: ClientDriver::connect(over_six, client).expect("a socket"),
        heard: Vec::new(),
    };
    game.until("all join", |game| {
        let mut engines = game.engines.iter();
        game.server.server().peers().count() == 3 && engines.all(|engine| engine.has("connected"))
    });
    let ids = [game.engines[0].id(), game.engines[1].id(), six.value()];
    let places = ids.map(|id| {
        let server = game.server.server();
        let address = server.peer_address(peer_id(id)).expect("it joined");
        (address.ip().to_string(), server.peer_listener(peer_id(id)))
    });
    let four = "127.0.0.1".to_owned();
    assert_eq!(
        places,
        [
            (four.clone(), Some(0)),
            (four, Some(1)),
            ("::1".to_owned(), Some(1))
        ]
    );

    game.until("they see each other", |game| {
        game.client.client().peers().count() == 3
            && game.engines.iter().zip(ids).all(|(engine, own)| {
                let mut others = ids.into_iter().filter(|&id| id != own);
                others.all(|id| engine.has_of("peer_connected", id))
            })
    });

    // Calls from one port to the other in both directions, one to our client, and one of the server to all.
    game.engines[0].rpc(ids[1], "Calls", "reliable_on_0", "[4]");
    game.engines[1].rpc(ids[0], "Calls", "ordered_on_2", "[6]");
    game.engines[0].rpc(ids[2], "Calls", "reliable_on_1", "[8]");
    game.until("calls are relayed", |game| {
        let mut engines = game.engines.iter();
        let call = |event: &Event| matches!(event, Event::Rpc(call) if call.peer.value() == ids[0]);
        engines.all(|engine| engine.calls().len() == 1) && game.heard.iter().any(call)
    });
    assert_eq!(
        game.engines[1].calls(),
        [("reliable_on_0".to_owned(), "[4]".to_owned())]
    );
    assert_eq!(
        game.engines[0].calls(),
        [("ordered_on_2".to_owned(), "[6]".to_owned())]
    );
    let server = game.server.server_mut();
    let told = server.rpc(Target::All, calls, "by_authority", &[Value::Int(9)]);
    assert_eq!(told, Ok(3));
    game.until("all are told", |game| {
        let last = ("by_authority".to_owned(), "[9]".to_owned());
        let mut engines = game.engines.iter();
        engines.all(|engine| engine.calls().contains(&last))
    });
    for engine in &game.engines {
        assert_eq!(engine.noise(), "");
    }
}
