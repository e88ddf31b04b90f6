//! Our STUN client and NAT discovery against the server of coturn.

use gdwire::drive;
use gdwire::drive::stun::{DiscoveryDriver, StunClientDriver};
use gdwire::stun::attribute::{AttributeType, ErrorCode, ErrorNumber, UnknownAttributes};
use gdwire::stun::auth::{AuthFailure, ClientAuth};
use gdwire::stun::client::{
    Answered, ClientConfig, ClientEvent, Failed, Failure, StunClient, Transport,
};
use gdwire::stun::nat::{
    Dependence, Fragments, LifetimeSearch, MappingLifetime, NatReport, PortPattern,
};
use gdwire::stun::{Class, Integrity, Message, MessageWriter, Method, TransactionId};
use interop::stun::{self, Coturn};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

macro_rules! needs_coturn {
    () => {
        if stun::coturn().is_none() {
            return;
        }
    };
}

fn driver(server: SocketAddr, transport: Transport, auth: ClientAuth) -> StunClientDriver {
    let seed = drive::seed().unwrap();
    let config = match transport {
        Transport::Datagrams => ClientConfig::new(seed),
        Transport::Stream => ClientConfig::stream(seed),
    };
    let client = StunClient::with_auth(config, server, auth);
    match transport {
        Transport::Datagrams => StunClientDriver::udp(client).unwrap(),
        Transport::Stream => StunClientDriver::tcp(client),
    }
}

async fn ask(driver: &mut StunClientDriver) -> ClientEvent {
    driver.bind().unwrap();
    let event = tokio::time::timeout(PATIENCE, driver.next_event()).await;
    event.unwrap().unwrap().expect("a request is open")
}

async fn answered(driver: &mut StunClientDriver) -> Answered {
    match ask(driver).await {
        ClientEvent::Answered(answered) => answered,
        other => panic!("{other:?}"),
    }
}

async fn failed(driver: &mut StunClientDriver) -> Failed {
    match ask(driver).await {
        ClientEvent::Failed(failed) => failed,
        other => panic!("{other:?}"),
    }
}

/// The user that a guarded coturn knows.
fn user() -> ClientAuth {
    ClientAuth::long_term("user", "secret").unwrap()
}

/// A coturn that wants credentials for Binding too.
fn guarded(options: &[&str]) -> Coturn {
    let mut all = vec![
        "--secure-stun",
        "--lt-cred-mech",
        "--user=user:secret",
        "--realm=example.org",
    ];
    all.extend(options);
    Coturn::start(&all)
}

const BOTH: [Transport; 2] = [Transport::Datagrams, Transport::Stream];

#[tokio::test]
async fn binding_works_over_udp_and_tcp_and_both_families() {
    needs_coturn!();
    let coturn = Coturn::start(&["--no-auth"]);
    for host in ["127.0.0.1", "::1"] {
        for transport in BOTH {
            let mut driver = driver(coturn.at(host), transport, ClientAuth::none());
            let answer = answered(&mut driver).await;
            let local = driver.local_address().unwrap();
            assert_eq!(answer.mapped.port(), local.port(), "{host} {transport:?}");
            assert_eq!(answer.mapped.ip(), coturn.at(host).ip());
            assert!(!answer.is_authentic);
            assert_eq!(driver.client().stats().challenges, 0);
            // A connection stays open for more.
            assert_eq!(answered(&mut driver).await.mapped, answer.mapped);
        }
    }
}

#[tokio::test]
async fn a_fingerprint_is_answered_with_one_that_fits() {
    needs_coturn!();
    let coturn = Coturn::start(&["--no-auth"]);
    let mut config = ClientConfig::new(drive::seed().unwrap());
    config.fingerprint = true;
    let client = StunClient::new(config, coturn.at("127.0.0.1"));
    let mut driver = StunClientDriver::udp(client).unwrap();
    answered(&mut driver).await;
    assert_eq!(driver.client().stats().dropped, 0);
}

// req: S-61, S-79
#[tokio::test]
async fn long_term_credentials_are_challenged_once_and_then_accepted() {
    needs_coturn!();
    let coturn = guarded(&[]);
    for transport in BOTH {
        for host in ["127.0.0.1", "::1"] {
            let mut driver = driver(coturn.at(host), transport, user());
            let first = answered(&mut driver).await;
            assert!(first.is_authentic, "{transport:?}");
            assert_eq!(driver.client().stats().challenges, 1);
            assert_eq!(driver.client().auth().realm(), Some("example.org"));
            assert!(answered(&mut driver).await.is_authentic);
            assert_eq!(driver.client().stats().challenges, 1);
        }
    }
}

#[tokio::test]
async fn wrong_and_missing_credentials_fail_with_the_reason() {
    needs_coturn!();
    let coturn = guarded(&[]);
    let server = coturn.at("127.0.0.1");
    let wrong = || ClientAuth::long_term("user", "guess").unwrap();
    let stranger = || ClientAuth::long_term("stranger", "secret").unwrap();
    for transport in BOTH {
        let cases = [
            (wrong(), AuthFailure::WrongCredentials),
            (stranger(), AuthFailure::WrongCredentials),
            (ClientAuth::none(), AuthFailure::NoCredentials),
            // coturn offers no SHA-256, and a client that insists on it must not fall back.
            (
                user().with_integrity(Integrity::Sha256),
                AuthFailure::NoAlgorithm,
            ),
        ];
        for (auth, reason) in cases {
            let failed = failed(&mut driver(server, transport, auth)).await;
            assert_eq!(failed.reason, Failure::Credentials(reason));
        }
    }
}

// req: S-56
#[tokio::test]
async fn a_nonce_that_went_stale_is_replaced_without_a_word() {
    needs_coturn!();
    let coturn = guarded(&["--stale-nonce=1"]);
    let mut driver = driver(coturn.at("127.0.0.1"), Transport::Datagrams, user());
    assert!(answered(&mut driver).await.is_authentic);
    // coturn counts whole seconds.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(answered(&mut driver).await.is_authentic);
    assert_eq!(driver.client().stats().challenges, 2);
}

async fn discover(server: SocketAddr, lifetime: Option<LifetimeSearch>) -> NatReport {
    let mut driver = DiscoveryDriver::start(server, |config| config.lifetime = lifetime).unwrap();
    let run = async { while driver.next_event().await.unwrap().is_some() {} };
    tokio::time::timeout(PATIENCE, run).await.unwrap();
    driver.report().clone()
}

// req: N-5, N-6, N-8, N-9, N-10, N-11
#[tokio::test]
async fn discovery_sees_through_coturn_that_there_is_no_nat_on_loopback() {
    needs_coturn!();
    let coturn = Coturn::start(&["--no-auth"]);
    let search = LifetimeSearch {
        shortest: Duration::from_secs(1),
        longest: Duration::from_secs(2),
        resolution: Duration::from_secs(1),
    };
    let report = discover(coturn.at("127.0.0.1"), Some(search)).await;
    assert_eq!(report.is_translated(), Some(false));
    assert_eq!(report.mapping, Some(Dependence::Endpoint));
    assert_eq!(report.filtering, Some(Dependence::Endpoint));
    assert_eq!(report.classic_name(), Some("open internet"));
    assert_eq!(report.fragments, Some(Fragments::Pass));
    let other = report.other.expect("coturn has a second address");
    assert_eq!(other.ip(), coturn.at("127.0.0.2").ip());
    let MappingLifetime {
        at_least,
        less_than,
        ..
    } = report.lifetime.expect("coturn knows RESPONSE-PORT");
    assert_eq!((at_least.as_secs(), less_than), (2, None));
    assert_eq!(report.oddities, []);
    let ports = report.ports.expect("some samples");
    assert_eq!(ports.pattern, PortPattern::Preserving);
}

/// What both servers say about an attribute that nobody knows.
// req: S-15, S-40
#[test]
fn an_unknown_attribute_gets_the_same_answer_as_from_our_own_server() {
    needs_coturn!();
    let coturn = Coturn::start(&["--no-auth"]);
    let mut buffer = [0; 100];
    let id = TransactionId::new([9; 12]);
    let request = MessageWriter::new(&mut buffer, Class::Request, Method::BINDING, id)
        .raw(AttributeType::new(0x7777), b"what")
        .raw(AttributeType::new(0x8777), b"optional")
        .finish()
        .unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(request, coturn.at("127.0.0.1")).unwrap();
    let mut theirs = [0; 1500];
    let length = socket.recv(&mut theirs).unwrap();
    let theirs = Message::parse(&theirs[..length]).unwrap();

    let mut server =
        gdwire::stun::server::BindingServer::new(gdwire::stun::server::ServerConfig::new([1; 32]));
    let mut ours = [0; 1500];
    let answer = server.handle_stream_message(
        coturn.at("127.0.0.1"),
        socket.local_addr().unwrap(),
        request,
        &mut ours,
    );
    let gdwire::stun::server::Answer::Reply(reply) = answer else {
        panic!("{answer:?}");
    };
    let ours = Message::parse(&ours[reply.bytes]).unwrap();
    for message in [theirs, ours] {
        assert_eq!(message.check_attributes(), Ok(()));
        assert_eq!(
            (message.class(), message.transaction_id()),
            (Class::Error, id)
        );
        let code = message.get::<ErrorCode<'_>>().unwrap().unwrap();
        assert_eq!(code.number(), ErrorNumber::UNKNOWN_ATTRIBUTE);
        let list = message.get::<UnknownAttributes>().unwrap().unwrap();
        assert_eq!(list.as_slice(), [AttributeType::new(0x7777)]);
    }
}
