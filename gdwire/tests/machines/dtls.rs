//! DTLS between servers and clients in memory: who joins, what is refused and why, what gets lost, floods.

use crate::common::{Node, SERVER, World, peer};
use core::net::SocketAddr;
use core::time::Duration;
use gdwire::dtls::{Alert, DtlsClient, DtlsFailure, DtlsServer, Identity, OVERHEAD};
use gdwire::session::{Target, TransferMode};
use gdwire::{Client, DisconnectReason, Event, Handled, ServerConfig, Value};
use std::time::{SystemTime, UNIX_EPOCH};
use testkit::{Link, NodeId};

const NAME: &str = "game.example";

/// The day of these tests.
fn today() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn identity(seed: u8) -> Identity {
    Identity::self_signed(NAME, today(), [seed; 32]).unwrap()
}

fn dtls_server() -> DtlsServer {
    DtlsServer::new(identity(1))
}

fn world(settings: DtlsServer) -> World {
    let mut config = ServerConfig::new([1; 32]);
    config.dtls = Some(settings);
    World::with(config)
}

fn trusting(seed: u8, name: &str) -> DtlsClient {
    DtlsClient::new(&identity(seed).certificate_pem(), name, today()).unwrap()
}

fn connect(world: &mut World, id: i32, dtls: DtlsClient) -> NodeId {
    let mut config = world.client_config(id);
    config.dtls = Some(dtls);
    world.connect(config)
}

fn join(world: &mut World, id: i32) -> NodeId {
    let client = connect(world, id, trusting(1, NAME));
    world.network.run_for(Duration::from_secs(1));
    assert!(world.client(client).is_connected(), "client {id} joined");
    world.network.take_events(client);
    let server = world.server;
    world.network.take_events(server);
    client
}

#[test]
fn a_client_joins_over_dtls_without_waiting_for_a_repetition() {
    let mut world = world(dtls_server());
    let client = connect(&mut world, 77, trusting(1, NAME));
    // Three round trips of DTLS, one and a half of ENet, and the first packet, 40 ms each.
    assert_eq!(world.events(client, 300), ["connected as 77", "joined 1"]);
    let server = world.server;
    assert_eq!(world.events(server, 0), ["joined 77"]);
    let stats = world.server().dtls_stats();
    assert_eq!((stats.hellos, stats.handshakes, stats.opened), (1, 1, 1));
    assert_eq!((stats.failed, stats.plain, stats.unknown), (0, 0, 0));
}

#[test]
fn calls_and_bytes_of_all_sizes_arrive_both_ways() {
    let mut world = world(dtls_server());
    let client = join(&mut world, 7);
    let server = world.server;
    world.call(client, Target::All, "say", &[Value::from("up")]);
    world.call(server, Target::All, "tell", &[Value::from("down")]);
    let up = world.events(server, 200);
    assert!(up.len() == 1 && up[0].contains("up"), "{up:?}");
    let down = world.events(client, 200);
    assert!(down.len() == 1 && down[0].contains("down"), "{down:?}");
    for bytes in [1, 1300, 1355, 1392, 5000, 100_000] {
        let payload = vec![7; bytes];
        let sent =
            world
                .server()
                .send_bytes(Target::Peer(peer(7)), &payload, TransferMode::Reliable, 0);
        sent.unwrap();
        world.network.run_for(Duration::from_secs(1));
        let events = world.network.take_events(client);
        let [Event::Packet { payload: got, .. }] = &events[..] else {
            panic!("{bytes}: {events:?}");
        };
        assert_eq!(got.len(), bytes);
    }
}

#[test]
fn datagrams_are_no_longer_than_those_without_dtls() {
    let mut world = world(dtls_server());
    join(&mut world, 7);
    let server = world.server();
    let key = server.enet().peers().next().unwrap();
    let mtu = server.enet().peer(key).unwrap().mtu_bytes();
    assert_eq!(mtu, 1392 - OVERHEAD);
}

#[test]
fn certificates_that_are_not_good_are_refused_and_both_sides_say_why() {
    let late = today() + Duration::from_secs(20 * 365 * 24 * 3600);
    let early = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let pem = identity(1).certificate_pem();
    for (dtls, failure, alert) in [
        (trusting(2, NAME), DtlsFailure::UntrustedCertificate, 48),
        (trusting(1, "other.example"), DtlsFailure::WrongName, 42),
        (
            DtlsClient::new(&pem, NAME, late).unwrap(),
            DtlsFailure::CertificateExpired,
            45,
        ),
        (
            DtlsClient::new(&pem, NAME, early).unwrap(),
            DtlsFailure::CertificateNotYetValid,
            45,
        ),
    ] {
        let mut world = world(dtls_server());
        let client = connect(&mut world, 7, dtls);
        world.network.run_for(Duration::from_secs(4));
        let events = world.network.take_events(client);
        assert!(
            matches!(&events[..], [Event::ConnectionFailed { reason: DisconnectReason::Dtls(why) }] if *why == failure),
            "{failure:?}: {events:?}"
        );
        assert!(world.client(client).is_closed());
        let server = world.server;
        let events = world.network.take_events(server);
        assert!(
            matches!(&events[..], [Event::DtlsFailed { failure: DtlsFailure::Alert(Alert(why)), .. }] if *why == alert),
            "{failure:?}: {events:?}"
        );
    }
}

#[test]
fn a_client_that_accepts_anybody_joins_and_so_does_one_that_asks_for_no_name() {
    let mut world = world(dtls_server());
    let pem = identity(1).certificate_pem();
    let any_name = DtlsClient::with_any_name(&pem, today()).unwrap();
    for (id, dtls) in [(7, DtlsClient::accept_anybody()), (8, any_name)] {
        let client = connect(&mut world, id, dtls);
        world.network.run_for(Duration::from_secs(1));
        assert!(world.client(client).is_connected());
    }
}

#[test]
fn a_client_without_dtls_is_not_served_and_one_with_dtls_says_that_nobody_answers() {
    let mut secured = world(dtls_server());
    let config = secured.client_config(7);
    let plain = secured.connect(config);
    secured.network.run_for(Duration::from_secs(3));
    assert!(!secured.client(plain).is_connected());
    assert!(secured.server().dtls_stats().plain > 0);
    assert_eq!(secured.server().enet().half_open(), 0);

    let mut open = World::new();
    let client = connect(&mut open, 7, trusting(1, NAME));
    open.network.run_for(Duration::from_secs(11));
    assert_eq!(
        open.events(client, 0),
        ["connection failed: DTLS: no answer in time"]
    );
    assert!(open.client(client).is_closed());
}

#[test]
fn an_alert_instead_of_an_answer_says_why_the_handshake_failed() {
    for (alert, reason) in [
        // What a server with an RSA key says.
        (
            40,
            "no cipher suite in common: both sides need ECDHE-ECDSA, so no RSA keys",
        ),
        (80, "the other side refuses: internal error"),
    ] {
        let mut silent = World::new();
        let client = connect(&mut silent, 7, trusting(1, NAME));
        silent.network.run_for(Duration::from_millis(50));
        let there: SocketAddr = SERVER.parse().unwrap();
        let alert = [&[21, 0xfe, 0xfd, 0, 0][..], &[0; 6], &[0, 2, 2, alert]].concat();
        let _ = silent.network.deliver(client, there, &alert);
        silent.network.run_for(Duration::from_secs(3));
        let ended = format!("connection failed: DTLS: {reason}");
        assert_eq!(silent.events(client, 0), [ended]);
    }
}

#[test]
fn plain_datagrams_are_offered_to_others_on_the_socket() {
    let mut world = world(dtls_server());
    let server = world.server;
    let from = "10.9.9.9:9".parse().unwrap();
    for plain in [
        &b"\x00\x01\x00\x00stun"[..],
        b"\x8f\xff\x12\x34\x82\xff\x00\x01",
        b"",
    ] {
        assert_eq!(world.network.deliver(server, from, plain), Handled::NotMine);
    }
    assert_eq!(world.server().dtls_stats().plain, 3);
}

#[test]
fn a_handshake_gets_through_loss_duplication_and_reordering() {
    let mut joined = 0;
    for seed in 0..12 {
        let mut world = world(dtls_server());
        let link = Link {
            loss: 150,
            duplicate: 150,
            jitter: Duration::from_millis(30),
            ..Link::with_latency(Duration::from_millis(20))
        };
        world.network.set_all_links(link);
        // Another seed is another sequence of losses.
        world.network.run_for(Duration::from_millis(seed));
        let config = trusting(1, NAME);
        let client = connect(&mut world, 7 + i32::try_from(seed).unwrap(), config);
        world.network.run_for(Duration::from_secs(15));
        joined += usize::from(world.client(client).is_connected());
    }
    assert!(joined >= 11, "{joined} of 12");
}

#[test]
fn reliable_packets_arrive_once_and_in_order_through_a_bad_network() {
    let mut world = world(dtls_server());
    let client = join(&mut world, 7);
    let link = Link {
        loss: 100,
        duplicate: 200,
        jitter: Duration::from_millis(40),
        ..Link::with_latency(Duration::from_millis(20))
    };
    world.network.set_all_links(link);
    for number in 0..200_i64 {
        world.call(client, Target::All, "say", &[Value::from(number)]);
        world.network.run_for(Duration::from_millis(20));
    }
    world.network.run_for(Duration::from_secs(20));
    let server = world.server;
    let events = world.network.take_events(server);
    let numbers: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::Rpc(call) => call.arguments[0].clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: Vec<_> = (0..200_i64).map(Value::from).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn a_client_that_leaves_ends_its_session_and_both_machines_close() {
    let mut world = world(dtls_server());
    let client = join(&mut world, 7);
    world.client(client).close();
    world.network.run_for(Duration::from_secs(1));
    assert!(world.client(client).is_closed());
    let server = world.server;
    assert_eq!(
        world.events(server, 0),
        ["left 7: disconnected by the other side"]
    );

    let client = join(&mut world, 8);
    world.server().close();
    world.network.run_for(Duration::from_secs(1));
    assert!(world.server().is_closed());
    let events = world.events(client, 0);
    assert_eq!(
        events.last().map(String::as_str),
        Some("disconnected: disconnected by the other side")
    );
    assert!(world.client(client).is_closed());
}

#[test]
fn a_client_can_give_up_during_the_handshake() {
    let mut world = world(dtls_server());
    let client = connect(&mut world, 7, trusting(1, NAME));
    world.network.run_for(Duration::from_millis(30));
    world.client(client).close();
    assert_eq!(
        world.events(client, 0),
        ["connection failed: disconnected here"]
    );
    assert!(world.client(client).is_closed());
}

#[test]
fn a_server_kicks_a_peer_and_the_session_goes_with_it() {
    let mut world = world(dtls_server());
    let client = join(&mut world, 7);
    world.server().disconnect_peer_now(peer(7));
    world.network.run_for(Duration::from_secs(1));
    let events = world.events(client, 0);
    assert_eq!(
        events.last().map(String::as_str),
        Some("disconnected: disconnected by the other side")
    );
    // Nothing is left there.
    let server = world.server;
    let before = world.server().dtls_stats().unknown;
    let from = world.network.address(client);
    let record = [&[23, 0xfe, 0xfd, 0, 1][..], &[0; 6], &[0, 1, 0]].concat();
    let _ = world.network.deliver(server, from, &record);
    assert_eq!(world.server().dtls_stats().unknown, before + 1);
}

#[test]
fn nobody_can_end_a_session_from_outside() {
    let mut world = world(dtls_server());
    let client = join(&mut world, 7);
    let (server, address) = (world.server, world.network.address(client));
    let there: SocketAddr = SERVER.parse().unwrap();
    let alert = [&[21, 0xfe, 0xfd, 0, 0][..], &[0; 5], &[9, 0, 2, 2, 40]].concat();
    let goodbye = [&[21, 0xfe, 0xfd, 0, 0][..], &[0; 5], &[10, 0, 2, 1, 0]].concat();
    let sealed_alert = [&[21, 0xfe, 0xfd, 0, 1][..], &[0; 5], &[99, 0, 18], &[0; 18]].concat();
    let finished = [
        &[22, 0xfe, 0xfd, 0, 0][..],
        &[0; 5],
        &[11, 0, 24, 20, 0, 0, 12, 0, 9],
        &[0; 15],
    ]
    .concat();
    let plain = [
        &[23, 0xfe, 0xfd, 0, 0][..],
        &[0; 5],
        &[12, 0, 4, 0, 0, 0, 0],
    ]
    .concat();
    for forged in [alert, goodbye, sealed_alert, finished, plain] {
        let _ = world.network.deliver(server, address, &forged);
        let _ = world.network.deliver(client, there, &forged);
    }
    world.call(client, Target::All, "say", &[Value::from("still here")]);
    let events = world.events(server, 500);
    assert!(
        events.len() == 1 && events[0].contains("still here"),
        "{events:?}"
    );
    assert!(world.events(client, 0).is_empty());
}

#[test]
fn an_alert_in_the_clear_does_not_stop_an_honest_handshake() {
    let mut world = world(dtls_server());
    let client = connect(&mut world, 7, trusting(1, NAME));
    let there: SocketAddr = SERVER.parse().unwrap();
    let alert = [&[21, 0xfe, 0xfd, 0, 0][..], &[0; 5], &[9, 0, 2, 2, 40]].concat();
    let (server, address) = (world.server, world.network.address(client));
    for _ in 0..20 {
        world.network.run_for(Duration::from_millis(10));
        let _ = world.network.deliver(client, there, &alert);
        let _ = world.network.deliver(server, address, &alert);
    }
    world.network.run_for(Duration::from_millis(200));
    assert!(world.client(client).is_connected());
}

// req: HB-9, HG-12
#[test]
fn a_flood_of_hellos_from_spoofed_addresses_costs_no_memory_and_no_amplification() {
    let mut world = world(dtls_server());
    let honest = join(&mut world, 7);
    let hello = recorded_hello();
    let server = world.server;
    let before = world.network.stats();
    for number in 0..20_000_u32 {
        let ip = core::net::Ipv4Addr::from(0x0b00_0000 + number);
        let _ = world.network.deliver(server, (ip, 4000).into(), &hello);
        if number % 500 == 0 {
            world.network.run_for(Duration::from_millis(1));
        }
    }
    world.network.run_for(Duration::from_millis(100));
    let after = world.network.stats();
    let (came, left) = (
        20_000 * hello.len() as u64,
        after.stray_bytes - before.stray_bytes,
    );
    assert!(0 < left && left < came, "{left} bytes for {came}");
    let stats = world.server().dtls_stats();
    assert_eq!((stats.hellos, stats.handshakes), (20_001, 1));
    world.call(honest, Target::All, "say", &[Value::from("here")]);
    assert_eq!(world.events(server, 500).len(), 1);
    join(&mut world, 8);
}

/// What a client says first.
fn recorded_hello() -> Vec<u8> {
    use gdwire::{ClientConfig, Instant};
    let mut config = ClientConfig::new([9; 32]);
    config.dtls = Some(DtlsClient::accept_anybody());
    let mut client = Client::new(config).unwrap();
    client
        .connect(Instant::ZERO, SERVER.parse().unwrap())
        .unwrap();
    let mut buffer = vec![0; Client::BUFFER];
    let transmit = client.poll_transmit(Instant::ZERO, &mut buffer).unwrap();
    buffer[transmit.bytes].to_vec()
}

// req: HB-9
#[test]
fn a_client_that_makes_the_server_hold_too_much_is_cut_off() {
    let mut world = world(dtls_server());
    let client = connect(&mut world, 7, trusting(1, NAME));
    // The server has sent its certificate; what the client answers is lost.
    world.network.run_for(Duration::from_millis(70));
    let (server, address) = (world.server, world.network.address(client));
    let lossy = Link {
        loss: 1000,
        ..Link::PERFECT
    };
    world
        .network
        .set_link(address, SERVER.parse().unwrap(), lossy);
    world.network.run_for(Duration::from_millis(100));
    assert_eq!(world.server().dtls_stats().handshakes, 1);
    // Fragments of 1,000 bytes of a message of 100,000, which never becomes complete.
    for number in 1..100_u8 {
        let [_, high, middle, low] = (u32::from(number) * 1000).to_be_bytes();
        let fragment = [
            &[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 1, number, 3, 244][..],
            &[16, 1, 0x86, 0xa0, 0, 2, high, middle, low, 0, 3, 232],
            &[0; 1000],
        ]
        .concat();
        let _ = world.network.deliver(server, address, &fragment);
    }
    world.network.run_for(Duration::from_millis(1));
    let events = world.network.take_events(server);
    assert!(
        matches!(
            &events[..],
            [Event::DtlsFailed {
                failure: DtlsFailure::Protocol,
                ..
            }]
        ),
        "{events:?}"
    );
    assert_eq!(world.server().dtls_stats().failed, 1);
}

// req: HB-9
#[test]
fn one_address_has_a_few_handshakes_and_all_together_have_some() {
    let mut settings = dtls_server();
    settings.half_open_per_address = 2;
    let mut world = world(settings);
    // Their ENet never speaks: a plain client in the place of the real one would be told to go.
    let server = world.server;
    let mut answers = 0;
    for port in 1..=5 {
        let opened = lone_session(&mut world, server, SocketAddr::from(([10, 7, 7, 7], port)));
        answers += usize::from(opened);
    }
    assert_eq!(answers, 2);
    assert_eq!(world.server().dtls_stats().network_full, 3);
    // Without an ENet connection they go, and make room.
    world.network.run_for(Duration::from_secs(11));
    assert!(lone_session(
        &mut world,
        server,
        "10.7.7.7:9".parse().unwrap()
    ));
}

#[test]
fn handshakes_that_fail_count_until_they_are_forgotten() {
    let mut settings = dtls_server();
    settings.half_open_per_address = 2;
    let mut world = world(settings);
    let there: SocketAddr = SERVER.parse().unwrap();
    let knock = |world: &mut World, port: u16| {
        let mut config = world.client_config(7);
        config.dtls = Some(trusting(2, NAME));
        let mut client = Client::new(config).unwrap();
        client.connect(world.network.now(), there).unwrap();
        let address = SocketAddr::from(([10, 7, 7, 7], port));
        world.network.add(address, Node::Client(Box::new(client)));
        world.network.run_for(Duration::from_secs(3));
        let stats = world.server().dtls_stats();
        (stats.failed, stats.network_full > 0)
    };
    assert_eq!(knock(&mut world, 1), (1, false));
    assert_eq!(knock(&mut world, 2), (2, false));
    assert_eq!(knock(&mut world, 3), (2, true));
    // Another network is not affected, and neither is this one later.
    join(&mut world, 8);
    world.network.run_for(Duration::from_secs(12));
    let (failed, _) = knock(&mut world, 4);
    assert!(failed > 2, "{failed}");
}

/// Brings a client to the end of the handshake that sends no ENet; tells whether it came so far.
fn lone_session(world: &mut World, server: NodeId, from: SocketAddr) -> bool {
    use gdwire::ClientConfig;
    let mut config = ClientConfig::new([9; 32]);
    config.dtls = Some(DtlsClient::accept_anybody());
    let mut client = Client::new(config).unwrap();
    let now = world.network.now();
    client.connect(now, SERVER.parse().unwrap()).unwrap();
    let mut buffer = vec![0; Client::BUFFER];
    let before = world.server().dtls_stats().opened;
    for _ in 0..4 {
        while let Some(transmit) = client.poll_transmit(now, &mut buffer) {
            if client.dtls_stats().opened > 0 {
                break;
            }
            let _ = world.network.deliver(server, from, &buffer[transmit.bytes]);
        }
        while let Some(transmit) = world.server().poll_transmit(now, &mut buffer) {
            if transmit.destination == from {
                let _ =
                    client.handle_datagram(now, SERVER.parse().unwrap(), &buffer[transmit.bytes]);
            }
        }
    }
    world.server().dtls_stats().opened > before
}
