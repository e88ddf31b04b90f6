//! Our DTLS and that of OpenSSL's `s_client` and `s_server`, with the datagrams of C ENet on their standard input.

use gdwire::drive::blocking::{ClientDriver, ServerDriver};
use gdwire::drive::seed;
use gdwire::dtls::{DtlsClient, DtlsFailure, DtlsServer, Identity};
use gdwire::session::{PeerId, Target, TransferMode};
use gdwire::{Client, ClientConfig, DisconnectReason, Event, Server, ServerConfig};
use interop::dtls::{Plug, Vault, has_openssl};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

const NAME: &str = "game.example";
/// `s_client` reads 1024 bytes at a time, so longer datagrams would become two.
const SIZES: [usize; 3] = [1, 300, 960];
const SOON: Duration = Duration::from_millis(2);

fn identity() -> Identity {
    Identity::self_signed(NAME, SystemTime::now(), seed().unwrap()).unwrap()
}

fn serve(identity: Identity) -> ServerDriver {
    let mut config = ServerConfig::new(seed().unwrap());
    config.dtls = Some(DtlsServer::new(identity));
    let server = Server::new(config).unwrap();
    ServerDriver::bind("127.0.0.1:0".parse().unwrap(), server).unwrap()
}

/// `s_client` that checks the server's certificate and its name.
fn s_client(port: u16, authorities: &str, name: &str, more: &[&str]) -> Plug {
    let connect = format!("127.0.0.1:{port}");
    let mut arguments = vec!["s_client", "-dtls1_2", "-quiet", "-connect", &connect];
    arguments.extend(["-CAfile", authorities, "-verify_return_error"]);
    arguments.extend(["-verify_hostname", name]);
    arguments.extend(more);
    Plug::on_openssl(arguments)
}

/// Runs `step` until it says that it is done; tells whether it did.
fn comes(patience: Duration, mut step: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    while !step() {
        if Instant::now() >= deadline {
            return false;
        }
    }
    true
}

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn c_enet_in_s_client_plays_on_our_server() {
    if !has_openssl() {
        return;
    }
    let vault = Vault::new("s-client");
    let identity = identity();
    let trusted = vault.put("trusted.pem", &identity.certificate_pem());
    // What it prefers, and what only it would choose.
    for suite in [
        "DEFAULT",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
    ] {
        let mut server = serve(identity.clone());
        let port = server.local_address().unwrap().port();
        let mut guest = s_client(port, &trusted, NAME, &["-cipher", suite]);
        guest.connect(77);
        let mut events = Vec::new();
        let joins = comes(PATIENCE, || {
            guest.pump();
            events.extend(server.next_event_within(SOON).unwrap());
            guest.connected == 1 && !events.is_empty()
        });
        assert!(
            joins,
            "{suite}: {events:?} {:?}",
            server.server().dtls_stats()
        );
        assert!(matches!(&events[..], [Event::PeerConnected { .. }]));

        for size in SIZES {
            let payload = vec![5; size];
            let target = Target::Peer(PeerId::new(77).unwrap());
            let machine = server.server_mut();
            machine
                .send_bytes(target, &payload, TransferMode::Reliable, 0)
                .unwrap();
            events.clear();
            let echoes = comes(PATIENCE, || {
                guest.echo();
                events.extend(server.next_event_within(SOON).unwrap());
                !events.is_empty()
            });
            assert!(echoes, "{suite}: {size} bytes");
            assert!(
                matches!(&events[..], [Event::Packet { payload: back, .. }] if *back == payload),
                "{suite}: {size} bytes: {events:?}"
            );
        }
    }
}

#[test]
fn s_client_refuses_our_server_where_it_must_and_we_hear_why() {
    if !has_openssl() {
        return;
    }
    let vault = Vault::new("s-client-refuses");
    let own = identity();
    let trusted = vault.put("own.pem", &own.certificate_pem());
    let other = vault.put("other.pem", &identity().certificate_pem());
    for (authorities, name) in [(&other, NAME), (&trusted, "other.example")] {
        let mut server = serve(own.clone());
        let port = server.local_address().unwrap().port();
        let _guest = s_client(port, authorities, name, &[]);
        let mut events = Vec::new();
        comes(PATIENCE, || {
            events.extend(server.next_event_within(SOON).unwrap());
            !events.is_empty()
        });
        assert!(
            matches!(
                &events[..],
                [Event::DtlsFailed {
                    failure: DtlsFailure::Alert(_),
                    ..
                }]
            ),
            "{events:?}"
        );
    }
    // No suite in common: both sides know.
    let mut server = serve(own);
    let port = server.local_address().unwrap().port();
    let _guest = s_client(
        port,
        &trusted,
        NAME,
        &["-cipher", "ECDHE-RSA-AES128-GCM-SHA256"],
    );
    let mut events = Vec::new();
    comes(PATIENCE, || {
        events.extend(server.next_event_within(SOON).unwrap());
        !events.is_empty()
    });
    assert!(
        matches!(
            &events[..],
            [Event::DtlsFailed {
                failure: DtlsFailure::NothingInCommon,
                ..
            }]
        ),
        "{events:?}"
    );
}

/// A client of ours at an `s_server` with these options, with C ENet behind it, and its first event.
///
/// The command cannot tell which port the system chose, so the test chooses one; somebody else may take it meanwhile.
fn at_s_server(options: &[&str], dtls: &DtlsClient) -> (Plug, ClientDriver, Event) {
    for _ in 0..5 {
        let chosen = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = chosen.local_addr().unwrap().port();
        drop(chosen);
        let accept = format!("127.0.0.1:{port}");
        let mut arguments = vec!["s_server", "-dtls1_2", "-quiet", "-accept", &accept];
        arguments.extend(options);
        let mut host = Plug::on_openssl(arguments);
        let mut config = ClientConfig::new(seed().unwrap());
        config.dtls = Some(dtls.clone());
        let client = Client::new(config).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut client = ClientDriver::connect(address, client).unwrap();
        let mut first = None;
        comes(PATIENCE, || {
            host.pump();
            first = client.next_event_within(SOON).unwrap();
            first.is_some()
        });
        match first {
            // The command was not there yet, or not at all.
            Some(Event::ConnectionFailed {
                reason: DisconnectReason::Dtls(DtlsFailure::Timeout),
            })
            | None => {}
            Some(first) => return (host, client, first),
        }
    }
    panic!("s_server does not answer");
}

#[test]
fn our_client_plays_on_c_enet_in_s_server() {
    if !has_openssl() {
        return;
    }
    let vault = Vault::new("s-server");
    let identity = identity();
    let certificate = vault.put("certificate.pem", &identity.certificate_pem());
    let key = vault.put("key.pem", &identity.key_pem());
    let trusting = DtlsClient::new(&identity.certificate_pem(), NAME, SystemTime::now()).unwrap();
    // With its cookie exchange, and without.
    for more in [&["-listen"][..], &[]] {
        let options = [&["-cert", &certificate, "-key", &key], more].concat();
        let (mut host, mut client, first) = at_s_server(&options, &trusting);
        let mut events = vec![first];
        let joins = comes(PATIENCE, || {
            host.pump();
            events.extend(client.next_event_within(SOON).unwrap());
            host.connected == 1 && events.len() == 2
        });
        assert!(joins, "{more:?}: {events:?}");
        let payload = b"through OpenSSL".to_vec();
        let machine = client.client_mut();
        let target = Target::Peer(PeerId::SERVER);
        machine
            .send_bytes(target, &payload, TransferMode::Reliable, 0)
            .unwrap();
        events.clear();
        let echoes = comes(PATIENCE, || {
            host.echo();
            events.extend(client.next_event_within(SOON).unwrap());
            !events.is_empty()
        });
        assert!(echoes, "{more:?}");
        assert!(matches!(&events[..], [Event::Packet { payload: back, .. }] if *back == payload));
    }
}

#[test]
fn our_client_refuses_what_s_server_shows_and_says_why() {
    if !has_openssl() {
        return;
    }
    let vault = Vault::new("s-server-refused");
    vault.openssl("ecparam -name prime256v1 -genkey -noout -out key.pem");
    vault.openssl("req -x509 -new -key key.pem -subj /CN=game.example -days 30 -addext extendedKeyUsage=clientAuth -out client.pem");
    vault.openssl("req -x509 -newkey rsa:2048 -nodes -keyout rsa.key -subj /CN=game.example -days 30 -out rsa.pem");
    let client_only = DtlsClient::new(&vault.read("client.pem"), NAME, SystemTime::now()).unwrap();
    let anybody = DtlsClient::accept_anybody();
    for (certificate, key, dtls, expected) in [
        (
            "client.pem",
            "key.pem",
            client_only,
            DtlsFailure::UnsupportedCertificate,
        ),
        ("rsa.pem", "rsa.key", anybody, DtlsFailure::NothingInCommon),
    ] {
        let (certificate, key) = (vault.path(certificate), vault.path(key));
        let options = ["-cert", &certificate[..], "-key", &key];
        let (_host, _client, event) = at_s_server(&options, &dtls);
        assert!(
            matches!(event, Event::ConnectionFailed { reason: DisconnectReason::Dtls(why) } if why == expected),
            "{expected:?}: {event:?}"
        );
    }
}
