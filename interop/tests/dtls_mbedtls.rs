//! Our DTLS and that of mbedTLS, which is the engine's, with C ENet inside: both roles, certificates, refusals.

use gdwire::drive::blocking::{ClientDriver, ServerDriver};
use gdwire::drive::seed;
use gdwire::dtls::{Alert, DtlsClient, DtlsFailure, DtlsServer, Identity};
use gdwire::session::{PeerId, Target, TransferMode};
use gdwire::{Client, ClientConfig, DisconnectReason, Event, Server, ServerConfig};
use interop::dtls::{Bridge, Plug, Vault, bridge_program, has_openssl};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

macro_rules! needs_mbedtls {
    () => {
        if bridge_program().is_none() || !has_openssl() {
            return;
        }
    };
}

const NAME: &str = "game.example";
const SIZES: [usize; 6] = [1, 100, 1300, 1391, 5000, 60_000];

fn identity() -> Identity {
    Identity::self_signed(NAME, SystemTime::now(), seed().unwrap()).unwrap()
}

fn serve(identity: Identity) -> ServerDriver {
    let mut config = ServerConfig::new(seed().unwrap());
    config.dtls = Some(DtlsServer::new(identity));
    let server = Server::new(config).unwrap();
    ServerDriver::bind("127.0.0.1:0".parse().unwrap(), server).unwrap()
}

fn join(port: u16, dtls: DtlsClient) -> ClientDriver {
    let mut config = ClientConfig::new(seed().unwrap());
    config.dtls = Some(dtls);
    let client = Client::new(config).unwrap();
    ClientDriver::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), client).unwrap()
}

/// Runs `step` until it says that it is done.
fn until(what: &str, mut step: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !step() {
        assert!(Instant::now() < deadline, "waiting in vain: {what}");
    }
}

const SOON: Duration = Duration::from_millis(2);

#[test]
fn c_enet_in_mbedtls_plays_on_our_server() {
    needs_mbedtls!();
    let vault = Vault::new("on-our-server");
    let identity = identity();
    let trusted = vault.put("trusted.pem", &identity.certificate_pem());
    let mut server = serve(identity);
    let port = server.local_address().unwrap().port();
    let mut bridge = Bridge::client(port, Some(&trusted), Some(NAME));
    let mut guest = Plug::on_socket(Some(bridge.port));
    guest.connect(77);

    let mut events = Vec::new();
    until("joining", || {
        guest.pump();
        events.extend(server.next_event_within(SOON).unwrap());
        guest.connected == 1 && !events.is_empty()
    });
    let peer = PeerId::new(77).unwrap();
    assert!(matches!(&events[..], [Event::PeerConnected { peer: who }] if *who == peer));
    // mbedTLS prefers what we do, whose nonces count.
    assert_eq!(
        bridge.wait_for("open"),
        "open TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256"
    );

    for size in SIZES {
        let payload: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let machine = server.server_mut();
        let target = Target::Peer(peer);
        machine
            .send_bytes(target, &payload, TransferMode::Reliable, 0)
            .unwrap();
        events.clear();
        until("an echo", || {
            guest.echo();
            events.extend(server.next_event_within(SOON).unwrap());
            !events.is_empty()
        });
        assert!(
            matches!(&events[..], [Event::Packet { payload: back, .. }] if *back == payload),
            "{size} bytes"
        );
    }

    guest.disconnect();
    events.clear();
    until("the end", || {
        guest.pump();
        events.extend(server.next_event_within(SOON).unwrap());
        guest.disconnected == 1 && !events.is_empty()
    });
    assert!(matches!(
        &events[..],
        [Event::PeerDisconnected {
            reason: DisconnectReason::Remote,
            ..
        }]
    ));
    // The session goes with the connection.
    until("close_notify", || {
        let _ = server.next_event_within(SOON).unwrap();
        bridge.find("closed").is_some()
    });
    let stats = server.server().dtls_stats();
    assert_eq!((stats.hellos, stats.handshakes, stats.opened), (1, 1, 1));
}

#[test]
fn clients_with_aes_alone_are_served_too() {
    needs_mbedtls!();
    for suite in [
        "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256",
        "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384",
    ] {
        let mut server = serve(identity());
        let port = server.local_address().unwrap().port();
        let mut bridge = Bridge::client_with_suite(port, suite);
        let mut guest = Plug::on_socket(Some(bridge.port));
        guest.connect(77);
        let mut event = None;
        until("joining", || {
            guest.pump();
            event = event.take().or(server.next_event_within(SOON).unwrap());
            guest.connected == 1 && event.is_some()
        });
        assert_eq!(bridge.wait_for("open"), format!("open {suite}"));
        let payload = vec![9; 40_000];
        let target = Target::Peer(PeerId::new(77).unwrap());
        let machine = server.server_mut();
        machine
            .send_bytes(target, &payload, TransferMode::Reliable, 0)
            .unwrap();
        let mut event = None;
        until("an echo", || {
            guest.echo();
            event = event.take().or(server.next_event_within(SOON).unwrap());
            event.is_some()
        });
        assert!(matches!(event, Some(Event::Packet { payload: back, .. }) if back == payload));
    }
}

#[test]
fn our_client_plays_on_c_enet_in_mbedtls() {
    needs_mbedtls!();
    let vault = Vault::new("on-theirs");
    let identity = identity();
    let certificate = vault.put("certificate.pem", &identity.certificate_pem());
    let key = vault.put("key.pem", &identity.key_pem());
    let mut host = Plug::on_socket(None);
    let mut bridge = Bridge::server(&certificate, &key, host.port());
    let trusting = DtlsClient::new(&identity.certificate_pem(), NAME, SystemTime::now()).unwrap();
    let mut client = join(bridge.port, trusting);

    let mut events = Vec::new();
    until("joining", || {
        host.pump();
        events.extend(client.next_event_within(SOON).unwrap());
        host.connected == 1 && events.len() == 2
    });
    assert!(matches!(&events[0], Event::Connected { .. }));
    bridge.wait_for("open");

    for size in SIZES {
        let payload = vec![size.to_le_bytes()[0]; size];
        let machine = client.client_mut();
        machine
            .send_bytes(
                Target::Peer(PeerId::SERVER),
                &payload,
                TransferMode::Reliable,
                0,
            )
            .unwrap();
        events.clear();
        until("an echo", || {
            host.echo();
            events.extend(client.next_event_within(SOON).unwrap());
            !events.is_empty()
        });
        assert!(
            matches!(&events[..], [Event::Packet { payload: back, .. }] if *back == payload),
            "{size} bytes"
        );
    }

    client.client_mut().close();
    until("the end", || {
        host.pump();
        let _ = client.next_event_within(SOON).unwrap();
        host.disconnected == 1 && client.client().is_closed()
    });
    until("close_notify", || bridge.find("closed").is_some());
}

#[test]
fn mbedtls_refuses_our_server_where_it_must_and_we_hear_why() {
    needs_mbedtls!();
    let vault = Vault::new("refused");
    let other = vault.put("other.pem", &identity().certificate_pem());
    let own = identity();
    let trusted = vault.put("own.pem", &own.certificate_pem());
    for (authorities, name, alert) in [
        (&other, NAME, Alert(48)),
        (&trusted, "other.example", Alert(42)),
    ] {
        let mut server = serve(own.clone());
        let port = server.local_address().unwrap().port();
        let mut bridge = Bridge::client(port, Some(authorities), Some(name));
        let mut events = Vec::new();
        until("the refusal", || {
            events.extend(server.next_event_within(SOON).unwrap());
            !events.is_empty()
        });
        assert!(
            matches!(&events[..], [Event::DtlsFailed { failure: DtlsFailure::Alert(why), .. }] if *why == alert),
            "{events:?}"
        );
        bridge.wait_for("failed");
    }
}

/// What a client of ours makes of the server behind `bridge`.
fn reason_of(bridge: &Bridge, dtls: DtlsClient) -> Option<DtlsFailure> {
    let mut client = join(bridge.port, dtls);
    let mut outcome = None;
    until("an outcome", || {
        match client.next_event_within(SOON).unwrap() {
            Some(Event::ConnectionFailed {
                reason: DisconnectReason::Dtls(failure),
            }) => outcome = Some(Some(failure)),
            Some(Event::Connected { .. }) => outcome = Some(None),
            Some(other) => panic!("{other:?}"),
            // The handshake is all that counts here: there is no ENet behind it.
            None if client.client().dtls_stats().opened == 1 => outcome = Some(None),
            None => {}
        }
        outcome.is_some()
    });
    outcome.flatten()
}

#[test]
fn our_client_judges_certificates_that_openssl_made_and_mbedtls_shows() {
    needs_mbedtls!();
    let vault = Vault::new("judged");
    vault.openssl("ecparam -name secp384r1 -genkey -noout -out ca.key");
    vault.openssl("req -x509 -new -key ca.key -sha384 -subj /CN=authority -days 30 -out ca.pem");
    vault.openssl("ecparam -name prime256v1 -genkey -noout -out server.key");
    vault.openssl("req -new -key server.key -subj /CN=game.example -out server.csr");
    vault.put("plain.ext", "basicConstraints=CA:FALSE\n");
    vault.put(
        "names.ext",
        "subjectAltName=DNS:*.play.example,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n",
    );
    for ext in ["plain", "names"] {
        vault.openssl(&format!(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -sha384 -days 30 -extfile {ext}.ext -out {ext}.pem"
        ));
    }
    let authority = vault.read("ca.pem");
    let today = SystemTime::now();
    let trusting = |name| DtlsClient::new(&authority, name, today).unwrap();
    let later = today + Duration::from_secs(40 * 24 * 3600);
    let late = DtlsClient::new(&authority, NAME, later).unwrap();
    let stranger = DtlsClient::new(&identity().certificate_pem(), NAME, today).unwrap();
    let pinned = DtlsClient::new(&vault.read("plain.pem"), NAME, today).unwrap();
    for (certificate, dtls, expected) in [
        ("plain", trusting(NAME), None),
        ("plain", pinned, None),
        ("plain", trusting("other"), Some(DtlsFailure::WrongName)),
        // A dead authority vouches for nobody.
        ("plain", late, Some(DtlsFailure::CertificateExpired)),
        ("plain", stranger, Some(DtlsFailure::UntrustedCertificate)),
        ("names", trusting("a.play.example"), None),
        ("names", trusting("127.0.0.1"), None),
        // The common name does not count where there are others.
        ("names", trusting(NAME), Some(DtlsFailure::WrongName)),
    ] {
        let bridge = Bridge::server(
            &vault.path(&format!("{certificate}.pem")),
            &vault.path("server.key"),
            9,
        );
        assert_eq!(reason_of(&bridge, dtls), expected, "{certificate}");
    }
}

#[test]
fn a_server_with_an_rsa_key_has_nothing_in_common_with_us() {
    needs_mbedtls!();
    let vault = Vault::new("rsa");
    vault.openssl("req -x509 -newkey rsa:2048 -nodes -keyout rsa.key -subj /CN=game.example -days 30 -out rsa.pem");
    let bridge = Bridge::server(&vault.path("rsa.pem"), &vault.path("rsa.key"), 9);
    let failure = reason_of(&bridge, DtlsClient::accept_anybody());
    assert_eq!(failure, Some(DtlsFailure::NothingInCommon));
    let refused = Identity::from_pem(&vault.read("rsa.pem"), &vault.read("rsa.key"));
    assert!(refused.is_err());
}

#[test]
fn an_identity_that_openssl_made_serves_mbedtls() {
    needs_mbedtls!();
    let vault = Vault::new("made-by-openssl");
    vault.openssl("ecparam -name prime256v1 -genkey -out key.pem");
    vault.openssl(
        "req -x509 -new -key key.pem -subj /CN=game.example -days 30 -out certificate.pem",
    );
    let identity = Identity::from_pem(&vault.read("certificate.pem"), &vault.read("key.pem"));
    let mut server = serve(identity.unwrap());
    let port = server.local_address().unwrap().port();
    let trusted = vault.path("certificate.pem");
    let mut bridge = Bridge::client(port, Some(&trusted), Some(NAME));
    until("the handshake", || {
        let _ = server.next_event_within(SOON).unwrap();
        bridge.find("open").is_some()
    });
}

#[test]
fn an_identity_for_an_address_serves_mbedtls_too() {
    needs_mbedtls!();
    let vault = Vault::new("address");
    let address = "127.0.0.1";
    let identity = Identity::self_signed(address, SystemTime::now(), seed().unwrap()).unwrap();
    let trusted = vault.put("trusted.pem", &identity.certificate_pem());
    let mut server = serve(identity);
    let port = server.local_address().unwrap().port();
    let mut bridge = Bridge::client(port, Some(&trusted), Some(address));
    until("the handshake", || {
        let _ = server.next_event_within(SOON).unwrap();
        bridge.find("open").is_some()
    });
}
