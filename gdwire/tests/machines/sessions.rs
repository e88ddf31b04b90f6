//! A server and clients in memory: who joins, who may not, what arrives, how it ends.

use crate::common::{SERVER, World, line, peer};
use core::time::Duration;
use gdwire::session::{Authentication, PeerId, Target, TransferMode};
use gdwire::{Event, Refusal, ServerConfig, Value};
use testkit::Link;

#[test]
fn a_client_joins_and_both_sides_are_told_once() {
    let mut world = World::new();
    let config = world.client_config(77);
    let client = world.connect(config);

    assert_eq!(world.events(client, 500), ["connected as 77", "joined 1"]);
    let server = world.server;
    assert_eq!(world.events(server, 0), ["joined 77"]);
    assert_eq!(world.server().peers().collect::<Vec<_>>(), [peer(77)]);
    assert_eq!(
        world.server().peer_address(peer(77)),
        Some("10.0.1.1:4000".parse().unwrap())
    );
    let round_trip = world.server().peer_stats(peer(77)).unwrap().round_trip;
    assert!(round_trip < Duration::from_millis(300), "{round_trip:?}");
}

#[test]
fn clients_hear_of_each_other_and_of_who_leaves() {
    let mut world = World::new();
    let first = world.join(10);
    let second = world.join(20);

    assert_eq!(world.events(first, 0), ["joined 20"]);
    world.client(second).close();
    assert_eq!(
        world.events(second, 500),
        [
            "left 10: disconnected here",
            "left 1: disconnected here",
            "disconnected: disconnected here"
        ]
    );
    assert!(world.client(second).is_closed());
    assert_eq!(world.events(first, 0), ["left 20: left the server"]);
    let server = world.server;
    assert_eq!(
        world.events(server, 0),
        ["left 20: disconnected by the other side"]
    );
}

// req: HE-7
#[test]
fn a_taken_id_is_refused_before_the_game_hears_of_it() {
    let mut world = World::new();
    world.join(10);
    let config = world.client_config(10);
    let double = world.connect(config);

    assert_eq!(
        world.events(double, 500),
        ["connection failed: disconnected by the other side"]
    );
    assert!(world.client(double).is_closed());
    let server = world.server;
    assert_eq!(world.events(server, 0), ["refused 10: the id is taken"]);
    assert_eq!(world.server().stats().refused_taken_id, 1);
    assert_eq!(world.server().peers().count(), 1);
}

#[test]
fn of_two_clients_with_one_id_at_the_same_time_one_joins() {
    let mut world = World::new();
    let config = world.client_config(10);
    let first = world.connect(config);
    let config = world.client_config(10);
    let second = world.connect(config);

    world.network.run_for(Duration::from_secs(1));
    let joined = [first, second].map(|node| world.client(node).is_connected());
    assert_ne!(joined[0], joined[1]);
    assert_eq!(world.server().peers().collect::<Vec<_>>(), [peer(10)]);
    assert_eq!(world.server().enet().connected_peers(), 1);
}

#[test]
fn the_id_of_a_client_that_left_is_free_again() {
    let mut world = World::new();
    let first = world.join(10);
    world.client(first).close();
    world.network.run_for(Duration::from_secs(1));
    let server = world.server;
    world.network.take_events(server);
    let again = world.join(10);
    assert!(world.client(again).is_connected());
}

#[test]
fn silence_as_godot_does_it_leaves_the_client_to_its_timeout() {
    let mut config = ServerConfig::new([1; 32]);
    config.refusal = Refusal::Silence;
    let mut world = World::with(config);
    world.server().refuse_new_connections();
    let config = world.client_config(10);
    let client = world.connect(config);

    assert_eq!(world.events(client, 4000), [""; 0]);
    assert_eq!(
        world.events(client, 30_000),
        ["connection failed: timed out"]
    );
    assert!(world.server().stats().refused_closed >= 1);
}

#[test]
fn a_server_that_accepts_again_is_joined() {
    let mut world = World::new();
    world.server().refuse_new_connections();
    let config = world.client_config(10);
    let refused = world.connect(config);
    assert_eq!(
        world.events(refused, 500),
        ["connection failed: disconnected by the other side"]
    );
    world.server().accept_new_connections();
    world.join(11);
}

#[test]
fn a_full_server_takes_nobody_until_somebody_leaves() {
    let mut config = ServerConfig::new([1; 32]);
    config.enet.max_peers = 1;
    let mut world = World::with(config);
    let first = world.join(10);
    let config = world.client_config(11);
    let second = world.connect(config);
    world.network.run_for(Duration::from_millis(300));
    assert!(!world.client(second).is_connected());

    world.client(first).close();
    world.network.run_for(Duration::from_secs(10));
    assert!(world.client(second).is_connected());
}

#[test]
fn calls_go_from_client_to_server_and_back_with_their_values() {
    let mut world = World::new();
    let client = world.join(10);
    let arguments = [Value::from("hello"), Value::Int(1 << 40), Value::Nil];

    world.call(client, PeerId::SERVER.into(), "say", &arguments);
    let server = world.server;
    assert_eq!(
        world.events(server, 100),
        [r#"10 calls Main:say reliable 0 [String("hello"), Int(1099511627776), Nil]"#]
    );
    world.call(server, peer(10).into(), "tell", &[Value::Bool(true)]);
    assert_eq!(
        world.events(client, 100),
        ["1 calls Main:tell reliable 0 [Bool(true)]"]
    );
}

#[test]
fn a_client_may_not_call_what_is_for_the_authority() {
    let mut world = World::new();
    let client = world.join(10);
    world.call(client, PeerId::SERVER.into(), "tell", &[]);
    let server = world.server;
    assert_eq!(world.events(server, 200), [""; 0]);
    assert_eq!(world.server().session().stats().dropped_total(), 1);
}

#[test]
fn two_clients_call_each_other_through_the_server() {
    let mut world = World::new();
    let (first, second) = (world.join(10), world.join(20));
    world.network.take_events(first);

    world.call(first, peer(20).into(), "say", &[Value::Int(1)]);
    assert_eq!(
        world.events(second, 300),
        ["10 calls Main:say reliable 0 [Int(1)]"]
    );
    world.call(second, Target::All, "whisper", &[]);
    assert_eq!(
        world.events(first, 300),
        ["20 calls Main:whisper unreliable 3 []"]
    );
    let server = world.server;
    assert_eq!(
        world.events(server, 0),
        ["20 calls Main:whisper unreliable 3 []"]
    );
}

#[test]
fn every_mode_and_channel_arrives_as_it_was_sent() {
    let mut world = World::new();
    let client = world.join(10);
    let server = world.server;
    let modes = [
        TransferMode::Reliable,
        TransferMode::Unreliable,
        TransferMode::UnreliableOrdered,
    ];
    for mode in modes {
        for channel in [0, 1, 2, 17, 253] {
            let bytes = [channel, 7];
            let to_server = PeerId::SERVER.into();
            world
                .client(client)
                .send_bytes(to_server, &bytes, mode, channel)
                .unwrap();
            world
                .server()
                .send_bytes(Target::All, &bytes, mode, channel)
                .unwrap();
            for (node, from) in [(server, peer(10)), (client, PeerId::SERVER)] {
                world.network.run_for(Duration::from_millis(30));
                match world.network.take_events(node).as_slice() {
                    [
                        Event::Packet {
                            peer,
                            payload,
                            mode: arrived,
                            channel: on,
                        },
                    ] => {
                        assert_eq!(
                            (*peer, &payload[..], *arrived, *on),
                            (from, &bytes[..], mode, channel)
                        );
                    }
                    other => panic!("{mode} {channel}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn a_channel_that_was_not_negotiated_is_a_failed_send_and_nothing_else() {
    let mut world = World::new();
    let mut config = world.client_config(10);
    config.channel_count = 4;
    let client = world.connect(config);
    world.network.run_for(Duration::from_millis(300));
    world.network.take_events(client);

    let to_server = PeerId::SERVER.into();
    for channel in [3, 254] {
        world
            .client(client)
            .send_bytes(to_server, b"x", TransferMode::Reliable, channel)
            .unwrap();
    }
    assert_eq!(
        world.events(client, 100),
        [
            "send failed 1: the peer has only 4 channels",
            "send failed 1: the peer has only 255 channels"
        ]
    );
    world
        .client(client)
        .send_bytes(to_server, b"x", TransferMode::Reliable, 2)
        .unwrap();
    let server = world.server;
    assert!(
        world
            .events(server, 100)
            .contains(&"packet 10 reliable 2: b\"x\"".to_owned())
    );
}

#[test]
fn a_call_of_200_kilobytes_arrives_over_a_bad_network() {
    let mut world = World::new();
    let client = world.join(10);
    let mut link = Link::with_latency(Duration::from_millis(20));
    link.loss = 50;
    world.network.set_all_links(link);
    let blob: Vec<u8> = (0..200_000u32).map(|index| (index % 251) as u8).collect();

    world.call(
        client,
        PeerId::SERVER.into(),
        "say",
        &[Value::from(blob.clone())],
    );
    world.network.run_for(Duration::from_secs(20));
    let server = world.server;
    match world.network.take_events(server).as_slice() {
        [Event::Rpc(call)] => assert_eq!(call.arguments, [Value::from(blob)]),
        other => panic!("{} events", other.len()),
    }
}

fn with_authentication() -> World {
    let mut config = ServerConfig::new([1; 32]);
    config.session.authentication = Authentication::Required;
    World::with(config)
}

#[test]
fn a_client_that_authenticates_joins_after_both_sides_are_content() {
    let mut world = with_authentication();
    let mut config = world.client_config(10);
    config.session.authentication = Authentication::Required;
    let client = world.connect(config);
    let server = world.server;

    assert_eq!(world.events(client, 300), ["authenticating 1"]);
    assert_eq!(world.events(server, 0), ["authenticating 10"]);
    world
        .client(client)
        .send_auth(PeerId::SERVER, b"token")
        .unwrap();
    world.client(client).complete_auth(PeerId::SERVER).unwrap();
    assert_eq!(
        world.events(server, 100),
        ["auth 10: b\"token\"", "auth complete 10"]
    );
    assert!(!world.client(client).is_connected());
    world.server().complete_auth(peer(10)).unwrap();
    assert_eq!(world.events(server, 100), ["joined 10"]);
    let told = world.events(client, 0);
    assert_eq!(told[told.len() - 2..], ["connected as 10", "joined 1"]);
}

#[test]
fn a_client_that_is_refused_or_silent_is_disconnected() {
    let mut world = with_authentication();
    let mut config = world.client_config(10);
    config.session.authentication = Authentication::Required;
    let refused = world.connect(config);
    let config = world.client_config(20);
    let silent = world.connect(config);
    world.network.run_for(Duration::from_millis(300));

    world.server().disconnect_peer(peer(10));
    assert_eq!(
        world.events(refused, 300),
        [
            "authenticating 1",
            "auth failed 1: the connection ended",
            "connection failed: authentication failed: the connection ended"
        ]
    );
    let events = world.events(silent, 3500);
    assert_eq!(
        events.last().unwrap(),
        "disconnected: disconnected by the other side"
    );
    let server = world.server;
    let seen = world.events(server, 0);
    assert!(
        seen.contains(&"auth failed 10: refused here".to_owned()),
        "{seen:?}"
    );
    assert!(
        seen.contains(&"auth failed 20: it took too long".to_owned()),
        "{seen:?}"
    );
    assert_eq!(world.server().enet().connected_peers(), 0);
}

#[test]
fn what_was_said_before_a_kick_still_arrives() {
    let mut world = World::new();
    let client = world.join(10);
    let server = world.server;
    world.call(
        server,
        peer(10).into(),
        "tell",
        &[Value::from("you are out")],
    );
    world.server().disconnect_peer(peer(10));

    assert_eq!(
        world.events(client, 300),
        [
            r#"1 calls Main:tell reliable 0 [String("you are out")]"#,
            "left 1: disconnected by the other side",
            "disconnected: disconnected by the other side"
        ]
    );
    assert_eq!(world.events(server, 0), ["left 10: disconnected here"]);
    assert_eq!(world.server().enet().connected_peers(), 0);
}

#[test]
fn a_kick_at_once_says_nothing_more() {
    let mut world = World::new();
    let client = world.join(10);
    let server = world.server;
    world.call(server, peer(10).into(), "tell", &[]);
    world.server().disconnect_peer_now(peer(10));
    assert_eq!(
        world.events(client, 300).last().unwrap(),
        "disconnected: disconnected by the other side"
    );
    assert_eq!(world.server().enet().peers().count(), 0);
}

#[test]
fn a_server_that_closes_sends_everybody_home_and_is_then_closed() {
    let mut world = World::new();
    let (first, second) = (world.join(10), world.join(20));
    world.server().close();
    assert!(!world.server().is_closed());

    let config = world.client_config(30);
    let late = world.connect(config);
    for client in [first, second] {
        let events = world.events(client, 500);
        assert_eq!(
            events.last().unwrap(),
            "disconnected: disconnected by the other side"
        );
        assert!(world.client(client).is_closed());
    }
    assert!(!world.client(late).is_connected());
    let server = world.server;
    world.network.take_events(server);
    assert!(world.server().is_closed());
}

#[test]
fn a_server_that_is_gone_is_noticed_by_timeout() {
    let mut world = World::new();
    let client = world.join(10);
    world.network.set_all_links(Link::DEAD);

    let events = world.events(client, 40_000);
    assert_eq!(events, ["left 1: timed out", "disconnected: timed out"]);
    let server = world.server;
    assert_eq!(world.events(server, 0), ["left 10: timed out"]);
}

#[test]
fn a_client_can_give_up_while_it_connects() {
    let mut world = World::new();
    let config = world.client_config(10);
    let client = world.connect(config);
    world.client(client).close();
    assert_eq!(
        world.events(client, 100),
        ["connection failed: disconnected here"]
    );
    assert!(world.client(client).is_closed());
}

#[test]
fn closing_twice_is_closing_once() {
    let mut world = World::new();
    let client = world.join(10);
    world.client(client).close();
    world.client(client).close_now();
    assert_eq!(
        world.events(client, 300),
        [
            "left 1: disconnected here",
            "disconnected: disconnected here"
        ]
    );
    assert!(world.client(client).is_closed());
    world.server().close();
    world.server().close_now();
    let server = world.server;
    world.events(server, 300);
    assert!(world.server().is_closed());
}

#[test]
fn a_peer_that_takes_nothing_is_dropped_when_its_queue_is_full() {
    let mut config = ServerConfig::new([1; 32]);
    config.enet.limits.send_packets = 50;
    let mut world = World::with(config);
    let slow = world.join(10);
    let other = world.join(20);
    world.network.take_events(slow);
    let (server, slow_at) = (
        world.network.address(world.server),
        world.network.address(slow),
    );
    world.network.set_link(server, slow_at, Link::DEAD);

    for _ in 0..200 {
        world
            .server()
            .send_bytes(Target::All, b"news", TransferMode::Reliable, 0)
            .unwrap();
        world.network.run_for(Duration::from_millis(50));
    }
    let server = world.server;
    let seen = world.events(server, 0);
    assert!(
        seen.contains(&"left 10: its send queue was full".to_owned()),
        "{seen:?}"
    );
    let news = world.network.take_events(other);
    let news = news
        .iter()
        .filter(|event| matches!(event, Event::Packet { .. }))
        .count();
    assert_eq!(news, 200);
}

#[test]
fn an_application_that_sleeps_holds_back_packets_and_loses_none() {
    let mut world = World::new();
    let client = world.join(10);
    world.sleeps(true);
    for round in 0..2000u32 {
        let bytes = round.to_le_bytes();
        let to_server = PeerId::SERVER.into();
        world
            .client(client)
            .send_bytes(to_server, &bytes, TransferMode::Reliable, 0)
            .unwrap();
        if round % 100 == 0 {
            world.network.run_for(Duration::from_millis(100));
        }
    }
    world.network.run_for(Duration::from_secs(5));
    world.sleeps(false);
    world.network.drive();
    let server = world.server;
    let arrived = world.network.take_events(server);
    assert_eq!(arrived.len(), 2000);
    for (round, event) in (0u32..).zip(arrived) {
        match event {
            Event::Packet { payload, .. } => assert_eq!(payload[..], round.to_le_bytes()),
            other => panic!("{}", line(&other)),
        }
    }
}

#[test]
fn a_datagram_of_another_protocol_goes_back_to_the_caller() {
    let mut world = World::new();
    let now = world.network.now();
    let from = "10.9.9.9:1".parse().unwrap();
    let handled = world.server().handle_datagram(now, from, b"x");
    assert_eq!(handled, gdwire::Handled::NotMine);
}

#[test]
fn an_illegal_id_is_refused() {
    use gdwire::enet::{Config, Host};
    let mut world = World::new();
    let server = world.server;
    for data in [0, 1, 1 << 31, u32::MAX] {
        let mut raw = Host::new(Config::new([9; 32])).unwrap();
        let now = world.network.now();
        let (here, there) = ("10.5.5.5:1".parse().unwrap(), SERVER.parse().unwrap());
        raw.connect(now, there, 2, data).unwrap();
        let mut buffer = [0; Host::BUFFER];
        let transmit = raw.poll_transmit(now, &mut buffer).unwrap();
        let _ = world
            .server()
            .handle_datagram(now, here, &buffer[transmit.bytes]);
        assert_eq!(
            world.events(server, 10),
            [format!("refused {data}: the id is not 2 to 2147483647")]
        );
    }
    assert_eq!(world.server().stats().refused_illegal_id, 4);
}
