//! The drivers of STUN over real loopback sockets.
#![cfg(all(feature = "stun", feature = "tokio"))]

use core::net::SocketAddr;
use core::time::Duration;
use gdwire::drive;
use gdwire::drive::stun::{DiscoveryDriver, StunClientDriver, StunServer, StunServerConfig};
use gdwire::stun::attribute::{AlternateServer, ErrorCode, ErrorNumber};
use gdwire::stun::client::{Answered, ClientConfig, ClientEvent, Failure, Redirects, StunClient};
use gdwire::stun::nat::{Dependence, Fragments};
use gdwire::stun::server::{DropReason, Rate};
use gdwire::stun::{Class, Message, MessageWriter, Method, TransactionId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

const PATIENCE: Duration = Duration::from_secs(60);

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn config(listen: &[&str]) -> StunServerConfig {
    let listen = listen.iter().map(|text| address(text)).collect();
    StunServerConfig::new(drive::seed().unwrap(), listen)
}

fn serve(listen: &[&str]) -> (StunServer, SocketAddr) {
    let server = StunServer::bind(config(listen)).unwrap();
    let first = server.addresses()[0];
    (server, first)
}

async fn answer(mut driver: StunClientDriver) -> (Answered, SocketAddr) {
    driver.bind().unwrap();
    let event = tokio::time::timeout(PATIENCE, driver.next_event()).await;
    match event.unwrap().unwrap() {
        Some(ClientEvent::Answered(answered)) => (answered, driver.local_address().unwrap()),
        other => panic!("{other:?}"),
    }
}

fn udp(server: SocketAddr) -> StunClientDriver {
    let config = ClientConfig::new(drive::seed().unwrap());
    StunClientDriver::udp(StunClient::new(config, server)).unwrap()
}

fn tcp(server: SocketAddr) -> StunClientDriver {
    let config = ClientConfig::stream(drive::seed().unwrap());
    StunClientDriver::tcp(StunClient::new(config, server))
}

fn request(buffer: &mut [u8]) -> &[u8] {
    let id = TransactionId::new([7; 12]);
    MessageWriter::new(buffer, Class::Request, Method::BINDING, id)
        .finish()
        .unwrap()
}

/// Whether the other side closes the connection, which may come as a reset.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 100];
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await;
    matches!(read.unwrap(), Ok(0) | Err(_))
}

// req: S-17, S-80
#[tokio::test]
async fn both_transports_tell_a_client_its_port_over_ipv4_and_ipv6() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let (server, at) = serve(&[listen]);
        let (answered, local) = answer(udp(at)).await;
        assert_eq!(answered.mapped.port(), local.port());
        assert_eq!((answered.mapped.ip(), answered.server), (at.ip(), at));
        let (answered, local) = answer(tcp(at)).await;
        assert_eq!(answered.mapped, local);
        let stats = server.stats();
        assert_eq!((stats.sum(|stats| stats.answered), stats.accepted), (2, 1));
    }
}

#[tokio::test]
async fn a_server_of_all_addresses_answers_from_the_one_that_was_asked() {
    let (_server, at) = serve(&["[::]:0"]);
    // The client drops answers from anywhere else.
    for ip in ["127.0.0.1", "127.0.0.9", "::1"] {
        let at = SocketAddr::new(ip.parse().unwrap(), at.port());
        let (answered, _) = answer(udp(at)).await;
        assert_eq!(answered.mapped.is_ipv4(), at.is_ipv4());
        let (answered, local) = answer(tcp(at)).await;
        assert_eq!(answered.mapped, local);
    }
}

#[tokio::test]
async fn wildcards_of_both_families_share_a_port() {
    let (_server, at) = serve(&["0.0.0.0:0"]);
    let mut both = config(&["0.0.0.0:0", "[::]:0"]);
    both.udp = false;
    let both = StunServer::bind(both).unwrap();
    assert_eq!(both.addresses().len(), 2);
    let taken = StunServer::bind(config(&[&at.to_string()])).unwrap_err();
    assert!(taken.to_string().starts_with(&at.to_string()), "{taken}");
}

// req: N-5, N-6
#[tokio::test]
async fn discovery_sees_that_there_is_no_nat_on_loopback() {
    let mut config = config(&["127.0.0.1:0", "[::1]:0"]);
    config.alternate = Some(address("127.0.0.2:0"));
    let server = StunServer::bind(config).unwrap();
    assert_eq!(server.addresses().len(), 5);
    let mut driver = DiscoveryDriver::start(server.addresses()[0], |_| {}).unwrap();
    let run = async { while driver.next_event().await.unwrap().is_some() {} };
    tokio::time::timeout(PATIENCE, run).await.unwrap();
    let report = driver.report();
    assert_eq!(report.is_translated(), Some(false));
    assert_eq!(report.mapping, Some(Dependence::Endpoint));
    assert_eq!(report.filtering, Some(Dependence::Endpoint));
    assert_eq!(report.fragments, Some(Fragments::Pass));
    assert!(report.oddities.is_empty() && report.ports.is_some());
    // The other family is served plainly.
    let (answered, _) = answer(udp(address(&server.addresses()[4].to_string()))).await;
    assert!(answered.mapped.is_ipv6());
}

#[tokio::test]
async fn addresses_that_cannot_serve_discovery_are_refused_with_the_reason() {
    for (listen, alternate, reason) in [
        ("0.0.0.0:0", "127.0.0.2:0", "wildcards"),
        ("127.0.0.1:0", "127.0.0.1:0", "different IP"),
        ("127.0.0.1:0", "[::1]:0", "family"),
    ] {
        let mut config = config(&[listen]);
        config.alternate = Some(address(alternate));
        let error = StunServer::bind(config).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(reason), "{error}");
    }
}

// req: HS-6, HS-15, A-1
#[tokio::test]
async fn a_flood_over_udp_is_met_with_silence_beyond_the_rate() {
    let mut config = config(&["127.0.0.1:0"]);
    // Loopback has no limit of its own.
    config.binding.total = Rate::new(1, 5);
    let server = StunServer::bind(config).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut buffer = [0; 100];
    for _ in 0..50 {
        let bytes = request(&mut buffer);
        socket.send_to(bytes, server.addresses()[0]).await.unwrap();
    }
    let all_counted = async {
        while server.stats().sum(|stats| stats.bytes_in) < 50 * 20 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, all_counted).await.unwrap();
    let stats = server.stats();
    let answered = stats.sum(|stats| stats.answered);
    assert!((5..50).contains(&answered), "{answered}");
    assert_eq!(stats.dropped(DropReason::RateLimited), 50 - answered);
}

// req: HS-15
#[tokio::test]
async fn what_is_not_stun_or_too_much_or_silent_ends_a_connection() {
    let mut config = config(&["127.0.0.1:0"]);
    config.idle = Duration::from_millis(300);
    config.connection_bytes = 100;
    let server = StunServer::bind(config).unwrap();
    let at = server.addresses()[0];

    let mut http = TcpStream::connect(at).await.unwrap();
    http.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(is_closed(&mut http).await);

    let mut silent = TcpStream::connect(at).await.unwrap();
    assert!(is_closed(&mut silent).await);

    // An indication is STUN and asks for nothing, so it keeps no connection open.
    let mut idle = TcpStream::connect(at).await.unwrap();
    let mut buffer = [0; 100];
    let id = TransactionId::new([7; 12]);
    let indication = MessageWriter::new(&mut buffer, Class::Indication, Method::BINDING, id);
    idle.write_all(indication.finish().unwrap()).await.unwrap();
    assert!(is_closed(&mut idle).await);

    let mut greedy = TcpStream::connect(at).await.unwrap();
    let mut answers = 0;
    let mut buffer = [0; 100];
    for _ in 0..6 {
        if greedy.write_all(request(&mut buffer)).await.is_err() {
            break;
        }
        let mut answer = [0; 32];
        match tokio::time::timeout(PATIENCE, greedy.read_exact(&mut answer))
            .await
            .unwrap()
        {
            Ok(_) => answers += 1,
            Err(_) => break,
        }
    }
    assert_eq!(answers, 5);
    let closed = async {
        while server.stats().connections > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.unwrap();
    assert_eq!(server.stats().ended, 4);
}

#[tokio::test]
async fn connections_are_bounded_in_all_and_for_each_address() {
    let mut config = config(&["[::]:0"]);
    config.connections = 3;
    config.connections_per_ip = 2;
    let server = StunServer::bind(config).unwrap();
    let port = server.addresses()[0].port();
    let mut open = Vec::new();
    // An address of IPv4 is one address, however it comes in.
    for ip in ["127.0.0.1", "127.0.0.1", "::1"] {
        let at = SocketAddr::new(ip.parse().unwrap(), port);
        let mut stream = TcpStream::connect(at).await.unwrap();
        let mut buffer = [0; 100];
        stream.write_all(request(&mut buffer)).await.unwrap();
        let mut answer = [0; 32];
        stream.read_exact(&mut answer).await.unwrap();
        open.push(stream);
    }
    for ip in ["127.0.0.1", "::1"] {
        let at = SocketAddr::new(ip.parse().unwrap(), port);
        let mut further = TcpStream::connect(at).await.unwrap();
        assert!(is_closed(&mut further).await);
    }
    assert_eq!((server.stats().connections, server.stats().refused), (3, 2));
    drop(open.pop());
    let at = SocketAddr::new("::1".parse().unwrap(), port);
    let again = async {
        loop {
            let mut stream = TcpStream::connect(at).await.unwrap();
            let mut buffer = [0; 100];
            let mut answer = [0; 44];
            // It may be refused until the server has seen that one left.
            let written = stream.write_all(request(&mut buffer)).await;
            if written.is_ok() && stream.read_exact(&mut answer).await.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn a_server_that_shuts_down_closes_its_connections_and_frees_its_ports() {
    let (server, at) = serve(&["127.0.0.1:0"]);
    let mut open = TcpStream::connect(at).await.unwrap();
    let mut buffer = [0; 100];
    open.write_all(request(&mut buffer)).await.unwrap();
    let mut answer = [0; 32];
    open.read_exact(&mut answer).await.unwrap();
    let stop = server.shutdown(PATIENCE);
    tokio::time::timeout(PATIENCE, stop).await.unwrap();
    assert!(is_closed(&mut open).await);
    assert!(TcpStream::connect(at).await.is_err());
    UdpSocket::bind(at).await.unwrap();
}

// req: S-62, S-67
#[tokio::test]
async fn a_client_over_tcp_follows_a_redirection_with_a_new_connection() {
    let (_server, at) = serve(&["127.0.0.1:0"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let first = listener.local_addr().unwrap();
    let redirector = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 20];
        stream.read_exact(&mut asked).await.unwrap();
        let asked = Message::parse(&asked).unwrap();
        let mut buffer = [0; 100];
        let answer = MessageWriter::response(&mut buffer, Class::Error, &asked)
            .attribute(&ErrorCode::new(ErrorNumber::TRY_ALTERNATE))
            .attribute(&AlternateServer(at))
            .finish()
            .unwrap();
        stream.write_all(answer).await.unwrap();
        is_closed(&mut stream).await
    });
    let mut config = ClientConfig::stream(drive::seed().unwrap());
    config.redirects = Redirects::Anywhere;
    let mut driver = StunClientDriver::tcp(StunClient::new(config, first));
    driver.bind().unwrap();
    let moved = driver.next_event().await.unwrap();
    assert!(matches!(moved, Some(ClientEvent::Redirected { to, .. }) if to == at));
    let event = tokio::time::timeout(PATIENCE, driver.next_event()).await;
    let Some(ClientEvent::Answered(answered)) = event.unwrap().unwrap() else {
        panic!("no answer");
    };
    assert_eq!(answered.server, at);
    assert!(redirector.await.unwrap());
}

// req: S-67
#[tokio::test]
async fn a_connection_that_cannot_be_opened_or_ends_fails_the_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let mut driver = tcp(at);
    driver.bind().unwrap();
    let hang_up = async {
        drop(listener.accept().await.unwrap());
        core::future::pending::<()>().await;
    };
    let event = tokio::select! {
        event = driver.next_event() => event,
        () = hang_up => unreachable!("it never ends"),
    };
    let closed = |event: Option<ClientEvent>| matches!(event, Some(ClientEvent::Failed(failed)) if failed.reason == Failure::Closed);
    assert!(closed(event.unwrap()));
    drop(listener);
    driver.bind().unwrap();
    assert!(closed(driver.next_event().await.unwrap()));
    assert_eq!(driver.next_event().await.unwrap(), None);
}
