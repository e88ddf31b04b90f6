//! Both drivers over real loopback sockets.
#![cfg(all(feature = "blocking", feature = "tokio"))]

extern crate alloc;

use alloc::collections::BTreeSet;
use core::net::SocketAddr;
use core::time::Duration;
use gdwire::drive::{self, blocking, tokio as asynchronous};
use gdwire::session::{NodeConfig, NodeKey, PeerId, RpcConfig, Target};
use gdwire::{Client, ClientConfig, DisconnectReason, Event, Server, ServerConfig, Value};

const PATIENCE: Duration = Duration::from_secs(60);

fn main_node() -> NodeConfig {
    NodeConfig::new("Main").rpc(RpcConfig::new("echo").any_peer())
}

fn server() -> (Server, NodeKey) {
    let mut server = Server::new(ServerConfig::new(drive::seed().unwrap())).unwrap();
    let main = server.add_node(main_node()).unwrap();
    (server, main)
}

fn client() -> (Client, NodeKey) {
    let mut client = Client::new(ClientConfig::new(drive::seed().unwrap())).unwrap();
    let main = client.add_node(main_node()).unwrap();
    (client, main)
}

fn blob() -> Value {
    Value::from(
        (0..200_000u32)
            .map(|index| index.to_le_bytes()[0])
            .collect::<Vec<u8>>(),
    )
}

/// Answers each call with itself, and ends the game when a call has no arguments.
fn on_server_event(server: &mut Server, main: NodeKey, event: &Event) {
    if let Event::Rpc(call) = event {
        if call.arguments.is_empty() {
            server.close();
        } else {
            server
                .rpc(call.peer, main, "echo", &call.arguments)
                .unwrap();
        }
    }
}

/// Calls when connected, and asks for the end when the answer is there; gives what is remarkable.
fn on_client_event(client: &mut Client, main: NodeKey, event: Event) -> Option<Event> {
    match event {
        Event::Connected { .. } => {
            client.rpc(Target::All, main, "echo", &[blob()]).unwrap();
            None
        }
        Event::Rpc(call) => {
            assert_eq!(call.arguments, [blob()]);
            client.rpc(PeerId::SERVER, main, "echo", &[]).unwrap();
            None
        }
        Event::PeerConnected { .. } | Event::PeerDisconnected { .. } => None,
        other => Some(other),
    }
}

/// Plays one session; gives the address from which the server saw the client.
async fn play(bind: SocketAddr, connect: impl Fn(u16) -> SocketAddr) -> SocketAddr {
    let (server, server_main) = server();
    let mut server = asynchronous::ServerDriver::bind(bind, server).unwrap();
    let (client, client_main) = client();
    let port = server.local_address().unwrap().port();
    let mut client = asynchronous::ClientDriver::connect(connect(port), client).unwrap();
    let serve = async {
        let mut seen = None;
        while let Some(event) = server.next_event().await.unwrap() {
            if let Event::PeerConnected { peer } = event {
                seen = server.server().peer_address(peer);
            }
            on_server_event(server.server_mut(), server_main, &event);
        }
        seen.unwrap()
    };
    let join = async {
        let mut last = None;
        while let Some(event) = client.next_event().await.unwrap() {
            last = on_client_event(client.client_mut(), client_main, event).or(last);
        }
        last
    };
    let both = tokio::time::timeout(PATIENCE, async { tokio::join!(serve, join) });
    let (seen, last) = both.await.expect("the session ends in time");
    assert!(
        matches!(
            last,
            Some(Event::Disconnected {
                reason: DisconnectReason::Remote
            })
        ),
        "{last:?}"
    );
    seen
}

#[tokio::test]
async fn a_session_runs_on_tokio_over_ipv4() {
    let seen = play(SocketAddr::from(([127, 0, 0, 1], 0)), |port| {
        SocketAddr::from(([127, 0, 0, 1], port))
    })
    .await;
    assert!(seen.is_ipv4());
}

#[tokio::test]
async fn a_dual_stack_server_sees_an_ipv4_client_as_ipv4_and_an_ipv6_client_as_ipv6() {
    let any: SocketAddr = "[::]:0".parse().unwrap();
    if std::net::UdpSocket::bind(any).is_err() {
        // This machine has no IPv6.
        return;
    }
    let seen = play(any, |port| SocketAddr::from(([127, 0, 0, 1], port))).await;
    assert!(seen.is_ipv4(), "{seen}");
    let seen = play(any, |port| format!("[::1]:{port}").parse().unwrap()).await;
    assert!(seen.is_ipv6(), "{seen}");
}

#[tokio::test]
async fn next_event_may_be_dropped_at_any_time() {
    let (server, server_main) = server();
    let mut server =
        asynchronous::ServerDriver::bind(SocketAddr::from(([127, 0, 0, 1], 0)), server).unwrap();
    let (client, client_main) = client();
    let address = server.local_address().unwrap();
    let mut client = asynchronous::ClientDriver::connect(address, client).unwrap();
    let mut is_over = false;
    let play = async {
        while !is_over {
            // Both are polled once and dropped, again and again.
            tokio::select! {
                event = server.next_event() => if let Some(event) = event.unwrap() {
                    on_server_event(server.server_mut(), server_main, &event);
                },
                event = client.next_event() => match event.unwrap() {
                    Some(event) => drop(on_client_event(client.client_mut(), client_main, event)),
                    None => is_over = true,
                },
                () = tokio::task::yield_now() => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, play)
        .await
        .expect("the session ends in time");
    assert!(client.client().is_closed());
}

/// Serves in a thread until the client has left.
fn play_to_the_end(
    (mut server, server_main): (blocking::ServerDriver, NodeKey),
    (mut client, client_main): (blocking::ClientDriver, NodeKey),
) {
    let serve = std::thread::spawn(move || {
        while let Some(event) = server.next_event().unwrap() {
            on_server_event(server.server_mut(), server_main, &event);
        }
    });
    let end = client.now() + PATIENCE;
    let mut last = None;
    while !client.client().is_closed() {
        let wait = end.saturating_since(client.now());
        assert!(!wait.is_zero(), "the session ends in time");
        if let Some(event) = client.next_event_within(wait).unwrap() {
            last = on_client_event(client.client_mut(), client_main, event).or(last);
        }
    }
    assert!(matches!(last, Some(Event::Disconnected { .. })), "{last:?}");
    serve.join().unwrap();
}

#[test]
fn a_session_runs_on_blocking_sockets() {
    let (server, server_main) = server();
    let server =
        blocking::ServerDriver::bind(SocketAddr::from(([127, 0, 0, 1], 0)), server).unwrap();
    let (client, client_main) = client();
    let address = server.local_address().unwrap();
    let client = blocking::ClientDriver::connect(address, client).unwrap();
    play_to_the_end((server, server_main), (client, client_main));
}

#[test]
fn a_blocking_driver_gives_up_when_it_was_told_to() {
    let (server, _) = server();
    let mut server =
        blocking::ServerDriver::bind(SocketAddr::from(([127, 0, 0, 1], 0)), server).unwrap();
    let before = server.now();
    assert!(
        server
            .next_event_within(Duration::from_millis(30))
            .unwrap()
            .is_none()
    );
    let passed = server.now().saturating_since(before);
    assert!(passed >= Duration::from_millis(29), "{passed:?}");
    assert!(server.next_event_within(Duration::ZERO).unwrap().is_none());
}

#[tokio::test]
async fn a_paced_driver_looks_at_its_socket_once_in_a_period() {
    const PACE: Duration = Duration::from_millis(40);
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let (server, server_main) = server();
    let server = asynchronous::ServerDriver::bind(local, server).unwrap();
    let mut server = server.paced(PACE).unwrap();
    let address = server.local_address().unwrap();
    let (client, client_main) = client();
    let mut client = asynchronous::ClientDriver::connect(address, client).unwrap();
    let mut called = client.now();
    let mut answers = Vec::new();
    let play = async {
        loop {
            tokio::select! {
                event = server.next_event() => match event.unwrap() {
                    Some(event) => on_server_event(server.server_mut(), server_main, &event),
                    None => return,
                },
                event = client.next_event(), if !client.client().is_closed() => {
                    let Some(Event::Connected { .. } | Event::Rpc(_)) = event.unwrap() else {
                        continue;
                    };
                    answers.push(client.now().saturating_since(called));
                    called = client.now();
                    let arguments = if answers.len() < 5 { &[Value::Int(1)][..] } else { &[] };
                    let client = client.client_mut();
                    client.rpc(PeerId::SERVER, client_main, "echo", arguments).unwrap();
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, play)
        .await
        .expect("the session ends in time");
    assert_eq!(answers.len(), 5);
    // A call finds the server asleep and waits for its next look, which was set when the one before was answered.
    for answer in &answers[2..] {
        assert!(*answer >= PACE / 2, "{answers:?}");
    }
}

#[test]
fn a_paced_blocking_driver_plays_a_session_and_keeps_its_deadlines() {
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let pace = Duration::from_millis(5);
    let (server, server_main) = server();
    let server = blocking::ServerDriver::bind(local, server).unwrap();
    let server = server.paced(pace).unwrap();
    let address = server.local_address().unwrap();
    let (client, client_main) = client();
    let client = blocking::ClientDriver::connect(address, client).unwrap();
    let client = client.paced(pace).unwrap();
    play_to_the_end((server, server_main), (client, client_main));
}

#[test]
fn answers_to_calls_that_came_together_leave_together() {
    const CALLS: usize = 20;
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let (server, server_main) = server();
    let mut server = blocking::ServerDriver::bind(local, server).unwrap();
    let address = server.local_address().unwrap();
    let (client, client_main) = client();
    let mut client = blocking::ClientDriver::connect(address, client).unwrap();
    let moment = Duration::from_millis(1);
    let end = client.now() + PATIENCE;
    let mut is_quiet = 0;
    // Until both have said all that follows a handshake.
    while !client.client().is_connected() || is_quiet < 100 {
        assert!(client.now() < end, "the client joins in time");
        let events = [
            server.next_event_within(moment).unwrap(),
            client.next_event_within(moment).unwrap(),
        ];
        is_quiet = if events.iter().all(Option::is_none) {
            is_quiet + 1
        } else {
            0
        };
    }
    for number in 0..CALLS {
        let number = Value::from(i64::try_from(number).unwrap());
        let client = client.client_mut();
        client
            .rpc(PeerId::SERVER, client_main, "echo", &[number])
            .unwrap();
    }
    client.flush();
    let before = server.server().enet().stats().datagrams_sent;
    let mut answered = 0;
    // Shorter than a retransmission timeout, since the client acknowledges nothing meanwhile.
    while let Some(event) = server.next_event_within(moment * 10).unwrap() {
        on_server_event(server.server_mut(), server_main, &event);
        answered += usize::from(matches!(event, Event::Rpc(_)));
    }
    assert_eq!(answered, CALLS);
    let sent = server.server().enet().stats().datagrams_sent - before;
    // Answers and acknowledgements, and perhaps a ping.
    assert!(sent <= 3, "{sent}");
}

#[tokio::test]
async fn a_client_of_a_closed_port_waits_for_its_timeout_and_does_not_fail() {
    let vacant = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = vacant.local_addr().unwrap();
    drop(vacant);
    let (client, _) = client();
    let mut client = asynchronous::ClientDriver::connect(address, client).unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(300), client.next_event()).await;
    assert!(waited.is_err(), "{waited:?}");
    client.client_mut().close();
    let event = client.next_event().await.unwrap();
    assert!(
        matches!(event, Some(Event::ConnectionFailed { .. })),
        "{event:?}"
    );
    assert!(client.next_event().await.unwrap().is_none());
}

#[tokio::test]
async fn a_swarm_of_clients_runs_in_one_task_and_ends_when_all_are_over() {
    let (server, server_main) = server();
    let mut server =
        asynchronous::ServerDriver::bind(SocketAddr::from(([127, 0, 0, 1], 0)), server).unwrap();
    let address = server.local_address().unwrap();
    let mut swarm = asynchronous::SwarmDriver::new();
    assert!(swarm.next_event().await.unwrap().is_none());
    let mut mains = Vec::new();
    for index in 0..10 {
        let (client, main) = client();
        assert_eq!(swarm.connect(address, client).unwrap(), index);
        mains.push(main);
    }

    let mut joined = BTreeSet::new();
    let mut answers = 0;
    let (begun, mut joined_after) = (swarm.now(), Duration::MAX);
    let play = async {
        loop {
            tokio::select! {
                event = server.next_event() => if let Some(Event::Rpc(call)) = event.unwrap() {
                    let server = server.server_mut();
                    server.rpc(call.peer, server_main, "echo", &call.arguments).unwrap();
                },
                event = swarm.next_event() => match event.unwrap() {
                    Some((index, Event::Connected { .. })) => {
                        if joined.insert(index) && joined.len() == 1 {
                            joined_after = swarm.now().saturating_since(begun);
                        }
                        let client = swarm.client_mut(index).unwrap();
                        client.rpc(PeerId::SERVER, mains[index], "echo", &[blob()]).unwrap();
                    }
                    Some((index, Event::Rpc(call))) => {
                        assert_eq!(call.arguments, [blob()]);
                        answers += 1;
                        swarm.client_mut(index).unwrap().close();
                    }
                    Some(_) => {}
                    None => return,
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, play)
        .await
        .expect("the swarm ends in time");
    assert_eq!((joined.len(), answers), (10, 10));
    // The first datagram of a fresh socket leaves as well: it need not be sent again.
    assert!(
        joined_after < Duration::from_millis(500),
        "{joined_after:?}"
    );
    assert_eq!(swarm.open_clients(), 0);
    assert!(swarm.client(9).unwrap().is_closed());
    assert!(swarm.client_mut(10).is_none());
}

#[tokio::test]
async fn a_client_of_an_unwatched_swarm_hears_what_came_when_it_is_told_to_look() {
    let (server, main) = server();
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut server = asynchronous::ServerDriver::bind(local, server).unwrap();
    let address = server.local_address().unwrap();
    let mut swarm = asynchronous::SwarmDriver::unwatched();
    let (bot, node) = client();
    assert_eq!(swarm.connect(address, bot).unwrap(), 0);
    // Nobody there: nothing to hear.
    swarm.look(1).unwrap();
    let (mut looks, mut answers) = (0, 0);
    let mut frames = tokio::time::interval(Duration::from_millis(5));
    let play = async {
        while swarm.open_clients() > 0 {
            tokio::select! {
                event = server.next_event() => if let Some(Event::Rpc(call)) = event.unwrap() {
                    let server = server.server_mut();
                    server.rpc(call.peer, main, "echo", &call.arguments).unwrap();
                },
                event = swarm.next_event() => if let Some((index, event)) = event.unwrap() {
                    assert!(looks > 0, "{event:?}");
                    let client = swarm.client_mut(index).unwrap();
                    match event {
                        Event::Connected { .. } => {
                            client.rpc(PeerId::SERVER, node, "echo", &[blob()]).unwrap();
                        }
                        Event::Rpc(_) => {
                            answers += 1;
                            client.close();
                        }
                        _ => {}
                    }
                },
                _ = frames.tick() => {
                    looks += 1;
                    swarm.look(0).unwrap();
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, play)
        .await
        .expect("the session ends in time");
    assert_eq!(answers, 1);
}

#[tokio::test]
async fn what_is_not_enet_goes_to_the_handler_and_answers_leave_from_the_same_port() {
    let (machine, _) = server();
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut server = asynchronous::ServerDriver::bind(local, machine).unwrap();
    let address = server.local_address().unwrap();
    let (sender, mut receiver) = tokio::sync::mpsc::channel(8);
    server.on_foreign_datagram(move |from, datagram| {
        sender.try_send((from, datagram.to_vec())).unwrap();
    });
    let stranger = tokio::net::UdpSocket::bind(local).await.unwrap();
    stranger.send_to(b"who is there?", address).await.unwrap();

    let exchange = async {
        let (from, datagram) = tokio::select! {
            event = server.next_event() => panic!("{event:?}"),
            foreign = receiver.recv() => foreign.unwrap(),
        };
        assert_eq!(datagram, b"who is there?");
        server.send_foreign_datagram(from, b"me").unwrap();
        let mut buffer = [0; 16];
        let (length, from) = stranger.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..length], from), (&b"me"[..], address));
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .expect("the exchange ends in time");
    assert_eq!(server.server().enet().stats().foreign, 1);
}

#[test]
fn a_blocking_driver_hands_foreign_datagrams_over_too() {
    let (machine, _) = server();
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut server = blocking::ServerDriver::bind(local, machine).unwrap();
    let address = server.local_address().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    server.on_foreign_datagram(move |from, datagram| {
        sender.send((from, datagram.to_vec())).unwrap();
    });
    let stranger = std::net::UdpSocket::bind(local).unwrap();
    stranger.set_read_timeout(Some(PATIENCE)).unwrap();
    stranger.send_to(b"who is there?", address).unwrap();

    let event = server
        .next_event_within(Duration::from_millis(200))
        .unwrap();
    assert!(event.is_none(), "{event:?}");
    let (from, datagram) = receiver.try_recv().unwrap();
    assert_eq!(datagram, b"who is there?");
    server.send_foreign_datagram(from, b"me").unwrap();
    let mut buffer = [0; 16];
    let (length, from) = stranger.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], from), (&b"me"[..], address));
}

#[tokio::test]
async fn a_server_with_two_sockets_is_one_game_on_both() {
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let both = [local, SocketAddr::from(([127, 0, 0, 2], 0))];
    let mut config = ServerConfig::new(drive::seed().unwrap());
    config.listeners = 2;
    let mut machine = Server::new(config.clone()).unwrap();
    let main = machine.add_node(main_node()).unwrap();
    let refused = asynchronous::ServerDriver::bind(local, Server::new(config).unwrap());
    assert_eq!(
        refused.unwrap_err().kind(),
        std::io::ErrorKind::InvalidInput
    );

    let mut server = asynchronous::ServerDriver::bind_all(&both, machine).unwrap();
    let mut swarm = asynchronous::SwarmDriver::new();
    for index in 0..4 {
        let address = server.local_address_at(index % 2).unwrap();
        swarm.connect(address, client().0).unwrap();
    }
    let (mut joined, mut called) = (0, 0);
    let play = async {
        loop {
            tokio::select! {
                event = server.next_event() => if let Some(Event::PeerConnected { .. }) = event.unwrap() {
                    joined += 1;
                    if joined < 4 {
                        continue;
                    }
                    let everybody = server.server_mut().rpc(Target::All, main, "echo", &[]);
                    assert_eq!(everybody, Ok(4));
                },
                event = swarm.next_event() => match event.unwrap() {
                    Some((index, Event::Rpc(_))) => {
                        called += 1;
                        assert_eq!(swarm.client(index).unwrap().peers().count(), 4);
                        swarm.client_mut(index).unwrap().close();
                    }
                    Some(_) => {}
                    None => return,
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, play)
        .await
        .expect("the session ends in time");
    assert_eq!(called, 4);
    assert!(server.local_address_at(2).is_err());
}

#[test]
fn a_blocking_server_with_two_sockets_hears_both() {
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = ServerConfig::new(drive::seed().unwrap());
    config.listeners = 2;
    let machine = Server::new(config).unwrap();
    let mut server = blocking::ServerDriver::bind_all(&[local, local], machine).unwrap();
    for listener in [1, 0] {
        let address = server.local_address_at(listener).unwrap();
        let (client, _) = client();
        let mut client = blocking::ClientDriver::connect(address, client).unwrap();
        let end = client.now() + PATIENCE;
        let id = client.client().id();
        while server.server().peer_listener(id).is_none() {
            assert!(client.now() < end, "the client joins in time");
            let moment = Duration::from_millis(5);
            server.next_event_within(moment).unwrap();
            client.next_event_within(moment).unwrap();
        }
        assert_eq!(server.server().peer_listener(id), Some(listener));
    }
}
