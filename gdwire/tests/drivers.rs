//! Both drivers over real loopback sockets.
#![cfg(all(feature = "blocking", feature = "tokio"))]

use core::net::SocketAddr;
use core::time::Duration;
use gdwire::drive::{self, blocking, tokio as asynchronous};
use gdwire::session::{NodeConfig, NodeKey, PeerId, RpcConfig, Target};
use gdwire::{Client, ClientConfig, DisconnectReason, Event, Server, ServerConfig, Value};

const PATIENCE: Duration = Duration::from_secs(10);

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

#[test]
fn a_session_runs_on_blocking_sockets() {
    let (server, server_main) = server();
    let mut server =
        blocking::ServerDriver::bind(SocketAddr::from(([127, 0, 0, 1], 0)), server).unwrap();
    let (client, client_main) = client();
    let address = server.local_address().unwrap();
    let mut client = blocking::ClientDriver::connect(address, client).unwrap();
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
