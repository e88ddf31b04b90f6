//! Godot's own clients in games that our server hosts.

use gdwire::{DisconnectReason, Event, Refusal, RefusalReason};
use interop::engine;
use interop::stage::{ECHO, ONE_VALUE, Ours, Stage, calls_node, peer_id, server_config};
use replication_proto::variant::{self, Value, text};
use replication_proto::{AuthFailure, Authentication, RpcConfig, Target, TransferMode};
use std::time::Duration;

/// How a test begins: without an engine there is nothing to test.
macro_rules! needs_godot {
    () => {
        if engine::installed().is_none() {
            return;
        }
    };
}

/// What `echo.gd` asks for.
const KINDS_OF_VALUES: usize = 76;

fn value(text: &str) -> Value {
    text::from_text(text).expect("Godot's own text")
}

#[test]
fn calls_arrive_both_ways_in_every_mode_and_on_every_channel() {
    needs_godot!();
    let mut stage = Stage::server();
    let (godot, id) = stage.joined_engine(&[]);
    for (number, (method, ..)) in ONE_VALUE.into_iter().enumerate() {
        stage.engines[godot].rpc(1, "Calls", method, &format!("[{number}]"));
    }
    stage.until("our server is called", |stage| {
        stage.calls().count() == ONE_VALUE.len()
    });
    for (number, (method, mode, channel)) in ONE_VALUE.into_iter().enumerate() {
        let call = stage
            .calls()
            .find(|call| &*call.method == method)
            .expect("each method is called once");
        assert_eq!(
            (call.peer.value(), call.mode, call.channel),
            (id, mode, channel),
            "{method}"
        );
        assert_eq!(
            call.arguments,
            [Value::Int(i64::try_from(number).unwrap())],
            "{method}"
        );
    }

    for (number, (method, ..)) in ONE_VALUE.into_iter().enumerate() {
        stage.call(
            peer_id(id),
            method,
            &[value(&format!("Vector2i({number}, -1)"))],
        );
    }
    stage.until("the engine is called", |stage| {
        stage.engines[godot].calls().len() == ONE_VALUE.len()
    });
    for (number, (method, ..)) in ONE_VALUE.into_iter().enumerate() {
        let expected = (method.to_owned(), format!("[Vector2i({number}, -1)]"));
        assert!(
            stage.engines[godot].calls().contains(&expected),
            "{}",
            stage.report()
        );
    }
    assert_eq!(stage.engines[godot].noise(), "");
}

#[test]
fn calls_with_no_many_and_only_byte_arguments_arrive_both_ways() {
    needs_godot!();
    const MANY: &str =
        "[-5, 0.25, \"text\", Vector3(1, 2, 3), [1, [2]], {\n\"key\": Vector2(1, 2)\n}]";
    let mut stage = Stage::server();
    let (godot, id) = stage.joined_engine(&[]);
    let engine = &mut stage.engines[godot];
    engine.rpc(1, "Calls", "no_arguments", "[]");
    engine.rpc(1, "Calls", "only_bytes", "[PackedByteArray(1, 2, 255)]");
    engine.rpc(1, "Calls", "many_arguments", MANY);
    engine.rpc(1, "Calls", "local_too", "[7]");
    stage.until("our server is called", |stage| stage.calls().count() == 4);
    let calls: Vec<_> = stage
        .calls()
        .map(|call| (call.method.to_string(), call.arguments.clone()))
        .collect();
    let many = value(MANY);
    let Value::Array(many) = &many else {
        panic!("an array")
    };
    let many: Vec<Value> = many.iter().cloned().collect();
    assert_eq!(calls[0], ("no_arguments".to_owned(), vec![]));
    assert_eq!(
        calls[1],
        (
            "only_bytes".to_owned(),
            vec![value("PackedByteArray(1, 2, 255)")]
        )
    );
    assert_eq!(calls[2], ("many_arguments".to_owned(), many.clone()));
    assert_eq!(calls[3], ("local_too".to_owned(), vec![Value::Int(7)]));

    let target = peer_id(id);
    stage.call(target, "no_arguments", &[]);
    stage.call(target, "only_bytes", &[value("PackedByteArray(1, 2, 255)")]);
    stage.call(target, "many_arguments", &many);
    stage.call(target, "by_authority", &[Value::Bool(true)]);
    stage.until("the engine is called", |stage| {
        stage.engines[godot].calls().len() == 4
    });
    let calls = stage.engines[godot].calls();
    assert_eq!(calls[0], ("no_arguments".to_owned(), "[]".to_owned()));
    assert!(calls[1].1.contains("PackedByteArray"), "{calls:?}");
    assert_eq!(value(&calls[2].1), value(MANY));
    assert_eq!(calls[3], ("by_authority".to_owned(), "[true]".to_owned()));
    assert_eq!(stage.engines[godot].noise(), "");
}

#[test]
fn a_call_reserved_for_the_authority_is_refused_from_a_client() {
    needs_godot!();
    let mut stage = Stage::server();
    let (godot, _) = stage.joined_engine(&[]);
    stage.engines[godot].rpc(1, "Calls", "by_authority", "[1]");
    stage.engines[godot].rpc(1, "Calls", "reliable_on_0", "[2]");
    stage.until("the allowed call arrives", |stage| {
        stage.calls().count() > 0
    });
    assert!(stage.calls().all(|call| &*call.method == "reliable_on_0"));
}

#[test]
fn every_kind_of_value_comes_back_as_the_engine_sent_it() {
    needs_godot!();
    let mut stage = Stage::server();
    let (godot, id) = stage.joined_engine(&[]);

    stage.engines[godot].command(&serde_json::json!({"do": "echo", "peer": 1}));
    stage.until("the engine has judged", |stage| {
        stage.engines[godot].has("echo_finished")
    });

    let engine = &stage.engines[godot];
    let bad: Vec<_> = engine
        .all("echo")
        .filter(|event| event["difference"] != "")
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert_eq!(engine.all("echo").count(), KINDS_OF_VALUES);
    assert_eq!(engine.noise(), "");

    // The other way round: what the engine asked us, we ask the engine.
    let asked = stage.asked.clone();
    assert_eq!(asked.len(), KINDS_OF_VALUES);
    for (token, value) in asked.iter().enumerate() {
        stage.ask(id, i64::try_from(token).unwrap(), value.clone());
    }
    stage.until("the engine has answered", |stage| {
        stage.answers.len() == KINDS_OF_VALUES
    });
    for (token, answer) in &stage.answers {
        let Value::Int(token) = token else {
            panic!("{ECHO} answers with our token")
        };
        let sent = &asked[usize::try_from(*token).unwrap()];
        if matches!(sent, Value::Object(_)) {
            // The engine answers with the number of its own stand-in.
            continue;
        }
        assert_eq!(encoded(answer), encoded(sent), "{}", text::to_text(sent));
    }
}

/// Bytes to compare values by, as NaN is not equal to itself.
fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    variant::encode(value, &mut bytes).unwrap();
    bytes
}

#[test]
fn calls_of_200_kilobytes_arrive_both_ways() {
    needs_godot!();
    let mut stage = Stage::server();
    let (_, id) = stage.joined_engine(&[]);
    let bytes: Vec<u8> = (0..200_000_u32)
        .map(|index| index.to_le_bytes()[0] ^ index.to_le_bytes()[1])
        .collect();
    let large = Value::PackedByteArray(bytes);

    stage.ask(id, 1, large.clone());
    stage.until("the answer comes", |stage| !stage.answers.is_empty());

    assert!(stage.answers[0].1 == large);
}

#[test]
fn raw_packets_arrive_both_ways_in_every_mode() {
    needs_godot!();
    let mut stage = Stage::server();
    let (godot, id) = stage.joined_engine(&[]);
    let modes = [
        ("reliable", TransferMode::Reliable, 0),
        ("unreliable", TransferMode::Unreliable, 0),
        ("unreliable_ordered", TransferMode::UnreliableOrdered, 0),
        ("reliable", TransferMode::Reliable, 7),
        ("unreliable", TransferMode::Unreliable, 8),
        ("unreliable_ordered", TransferMode::UnreliableOrdered, 253),
    ];
    for (number, (name, _, channel)) in modes.into_iter().enumerate() {
        stage.engines[godot].command(&serde_json::json!(
            {"do": "send", "peer": 1, "hex": format!("0{number}ff"), "mode": name, "channel": channel}
        ));
    }
    stage.until("our server has all packets", |stage| {
        stage.packets().len() == modes.len()
    });
    let mut packets = stage.packets();
    packets.sort_by_key(|packet| packet.1[0]);
    for (number, (_, mode, channel)) in modes.into_iter().enumerate() {
        assert_eq!(
            packets[number],
            (id, vec![u8::try_from(number).unwrap(), 255], mode, channel)
        );
    }

    for (number, (_, mode, channel)) in modes.into_iter().enumerate() {
        stage.send_bytes(Target::All, &[u8::try_from(number).unwrap()], mode, channel);
    }
    stage.until("the engine has all packets", |stage| {
        stage.engines[godot].all("packet").count() == modes.len()
    });
    for number in 0..modes.len() {
        let expected = format!("0{number}");
        assert!(
            stage.engines[godot]
                .all("packet")
                .any(|event| event["hex"] == expected.as_str() && event["peer"] == 1)
        );
    }
}

#[test]
fn two_clients_call_each_other_through_our_relay() {
    needs_godot!();
    let mut stage = Stage::server();
    let (first, first_id) = stage.joined_engine(&[]);
    let (second, second_id) = stage.joined_engine(&[]);
    stage.until("the clients know each other", |stage| {
        stage.engines[first].has_of("peer_connected", second_id)
            && stage.engines[second].has_of("peer_connected", first_id)
    });

    stage.engines[first].rpc(second_id, "Calls", "reliable_on_1", "[\"to the second\"]");
    stage.engines[second].rpc(first_id, "Calls", "ordered_on_2", "[\"to the first\"]");
    stage.engines[second]
        .command(&serde_json::json!({"do": "send", "peer": first_id, "hex": "cafe", "channel": 3}));
    stage.until("the relay delivers", |stage| {
        stage.engines[first].has("packet")
            && !stage.engines[first].calls().is_empty()
            && !stage.engines[second].calls().is_empty()
    });
    assert_eq!(
        stage.engines[second].calls(),
        [("reliable_on_1".to_owned(), "[\"to the second\"]".to_owned())]
    );
    assert!(stage.engines[second].has_of("rpc", first_id));
    assert_eq!(
        stage.engines[first].calls(),
        [("ordered_on_2".to_owned(), "[\"to the first\"]".to_owned())]
    );
    assert!(stage.engines[first].has_of("rpc", second_id));
    assert!(
        stage.engines[first]
            .all("packet")
            .all(|event| event["hex"] == "cafe")
    );
    assert_eq!(
        stage.calls().count(),
        0,
        "calls between clients are no business of the server"
    );

    // Everybody, and everybody but one.
    stage.engines[first].rpc(0, "Calls", "reliable_on_0", "[\"all\"]");
    stage.engines[first].rpc(-1, "Calls", "reliable_on_0", "[\"not the server\"]");
    stage.engines[first].rpc(-second_id, "Calls", "reliable_on_0", "[\"not the second\"]");
    stage.until("the last call arrives", |stage| {
        stage.calls().count() == 2 && stage.engines[second].calls().len() == 3
    });
    stage.play(Duration::from_millis(300));
    let ours: Vec<_> = stage
        .calls()
        .map(|call| (call.peer.value(), call.arguments.clone()))
        .collect();
    assert_eq!(
        ours,
        [
            (first_id, vec![value("\"all\"")]),
            (first_id, vec![value("\"not the second\"")])
        ]
    );
    let theirs: Vec<_> = stage.engines[second]
        .calls()
        .into_iter()
        .skip(1)
        .map(|call| call.1)
        .collect();
    assert_eq!(theirs, ["[\"all\"]", "[\"not the server\"]"]);

    // All kinds of values through the relay, judged by the engine that asks.
    stage.engines[first].command(&serde_json::json!({"do": "echo", "peer": second_id}));
    stage.until("the engine has judged", |stage| {
        stage.engines[first].has("echo_finished")
    });
    let differences =
        |event: &&serde_json::Value| event["difference"] != "" && event["name"] != "object";
    assert_eq!(
        stage.engines[first].all("echo").filter(differences).count(),
        0,
        "{}",
        stage.report()
    );

    // One leaves; the other learns it from the server.
    stage.engines[second].command(&serde_json::json!({"do": "quit"}));
    stage.until("the first client learns it", |stage| {
        stage.engines[first].has_of("peer_disconnected", second_id)
    });
    assert_eq!(stage.left(second_id), Some(DisconnectReason::Remote));
}

#[test]
fn eight_engines_play_on_one_server() {
    needs_godot!();
    let mut stage = Stage::server();
    for _ in 0..8 {
        stage.engine(&[]);
    }
    stage.until("all are in the game and know each other", |stage| {
        stage
            .engines
            .iter()
            .all(|engine| engine.all("peer_connected").count() == 8)
    });
    for (number, engine) in stage.engines.iter_mut().enumerate() {
        engine.rpc(0, "Calls", "reliable_on_0", &format!("[{number}]"));
    }
    stage.call(
        Target::All,
        "unreliable_on_0",
        &[value("&\"from the server\"")],
    );
    stage.until("everybody has heard everybody", |stage| {
        stage.calls().count() == 8 && stage.engines.iter().all(|engine| engine.calls().len() == 8)
    });
    let ids: Vec<_> = stage
        .engines
        .iter()
        .map(interop::engine::Engine::id)
        .collect();
    for (number, engine) in stage.engines.iter().enumerate() {
        for (other, &id) in ids.iter().enumerate().filter(|(other, _)| *other != number) {
            let expected = format!("[{other}]");
            let heard = engine.all("rpc").any(|event| {
                event["args"] == expected.as_str()
                    && interop::engine::number(event, "peer") == Some(id.into())
            });
            assert!(heard, "engine {number} did not hear {other}");
        }
        assert_eq!(engine.noise(), "");
    }
}

fn with_authentication() -> Stage {
    let mut config = server_config();
    config.session.authentication = Authentication::Required;
    config.session.auth_timeout = Duration::from_secs(2);
    Stage::with_server(config, calls_node())
}

/// Waits for an engine to ask for admission; gives its id and what it sent.
fn token_of(stage: &mut Stage) -> (i32, Vec<u8>) {
    let received = |event: &Event| match event {
        Event::AuthReceived { peer, data } => Some((peer.value(), data.to_vec())),
        _ => None,
    };
    stage.until("a token arrives", |stage| {
        stage.events.iter().any(|event| received(event).is_some())
    });
    stage.events.iter().find_map(received).unwrap()
}

#[test]
fn a_client_with_the_right_token_is_admitted() {
    needs_godot!();
    let mut stage = with_authentication();
    let godot = stage.engine(&["--auth=c0ffee", "--auth-answer"]);
    let (id, token) = token_of(&mut stage);
    assert_eq!(token, [0xC0, 0xFF, 0xEE]);
    assert!(!stage.has_peer(id));

    stage.send_auth(id, b"welcome");
    stage.complete_auth(id);
    stage.until("both sides are in the game", |stage| {
        stage.has_peer(id) && stage.engines[godot].has_of("peer_connected", 1)
    });

    assert!(
        stage.engines[godot]
            .all("auth")
            .any(|event| event["hex"] == "77656c636f6d65")
    );
    stage.call(peer_id(id), "reliable_on_0", &[Value::Bool(true)]);
    stage.until("a call arrives", |stage| {
        !stage.engines[godot].calls().is_empty()
    });
}

#[test]
fn a_client_with_the_wrong_token_is_refused() {
    needs_godot!();
    let mut stage = with_authentication();
    let godot = stage.engine(&["--auth=bad0"]);
    let (id, _) = token_of(&mut stage);

    stage.kick(id);
    stage.until("the engine learns it", |stage| {
        stage.engines[godot].has("auth_failed") && stage.engines[godot].has("connection_failed")
            || stage.engines[godot].has("disconnected")
    });
    stage.play(Duration::from_millis(200));

    assert!(!stage.has_peer(id));
    assert!(
        !stage.engines[godot].has("peer_connected"),
        "{}",
        stage.report()
    );
}

#[test]
fn a_client_that_never_authenticates_is_turned_out_in_time() {
    needs_godot!();
    // One has a callback and says nothing, the other does not know about authentication at all.
    for options in [&["--auth=", "--auth-timeout=30"][..], &[]] {
        let mut stage = with_authentication();
        let godot = stage.engine(options);
        let failed = |event: &Event| {
            matches!(
                event,
                Event::AuthFailed {
                    reason: AuthFailure::Timeout,
                    ..
                }
            )
        };
        stage.until("our patience ends", |stage| stage.events.iter().any(failed));
        stage.until("the engine is out", |stage| {
            stage.engines[godot].has("disconnected")
                || stage.engines[godot].has("connection_failed")
        });
        assert!(
            !stage
                .events
                .iter()
                .any(|event| matches!(event, Event::PeerConnected { .. }))
        );
    }
}

#[test]
fn a_kicked_client_is_told() {
    needs_godot!();
    let mut stage = Stage::server();
    let (first, first_id) = stage.joined_engine(&[]);
    let (second, second_id) = stage.joined_engine(&[]);
    stage.kick(first_id);
    stage.until_within(Duration::from_secs(4), "both engines learn it", |stage| {
        stage.engines[first].has("disconnected")
            && stage.engines[second].has_of("peer_disconnected", first_id)
    });
    stage.call(peer_id(second_id), "reliable_on_0", &[Value::Nil]);
    stage.until("the other one plays on", |stage| {
        !stage.engines[second].calls().is_empty()
    });
}

#[test]
fn a_client_that_quits_leaves_at_once_and_one_that_dies_times_out() {
    needs_godot!();
    let mut stage = Stage::server();
    let (quitting, quitting_id) = stage.joined_engine(&[]);
    let (dying, dying_id) = stage.joined_engine(&[]);
    stage.play(Duration::from_secs(1));
    stage.engines[quitting].command(&serde_json::json!({"do": "quit"}));
    stage.until_within(Duration::from_secs(4), "it leaves", |stage| {
        stage.left(quitting_id).is_some()
    });
    assert_eq!(stage.left(quitting_id), Some(DisconnectReason::Remote));
    stage.until("its process ends", |stage| {
        stage.engines[quitting].exit_code() == Some(0)
    });

    stage.engines[dying].kill();
    stage.until("it times out", |stage| stage.left(dying_id).is_some());
    assert_eq!(stage.left(dying_id), Some(DisconnectReason::Timeout));
}

#[test]
fn a_server_that_closes_is_gone_at_once_and_one_that_vanishes_times_out() {
    needs_godot!();
    let mut stage = Stage::server();
    let (godot, _) = stage.joined_engine(&[]);
    stage.close();
    stage.until_within(Duration::from_secs(4), "the engine learns it", |stage| {
        stage.engines[godot].has("disconnected")
    });

    let mut stage = Stage::server();
    let (godot, _) = stage.joined_engine(&[]);
    stage.play(Duration::from_secs(1));
    stage.vanish();
    stage.until("the engine notices", |stage| {
        stage.engines[godot].has("disconnected")
    });
}

#[test]
fn a_full_server_turns_clients_away() {
    needs_godot!();
    let mut config = server_config();
    config.enet.max_peers = 1;
    config.refusal = Refusal::Disconnect;
    let mut stage = Stage::with_server(config, calls_node());
    let (first, id) = stage.joined_engine(&[]);
    let second = stage.engine(&[]);
    stage.until("the second engine runs", |stage| {
        stage.engines[second].has("listening")
    });
    stage.play(Duration::from_secs(2));
    assert!(
        !stage.engines[second].has("connected"),
        "{}",
        stage.report()
    );
    stage.call(peer_id(id), "reliable_on_0", &[Value::Nil]);
    stage.until("the first plays on", |stage| {
        !stage.engines[first].calls().is_empty()
    });
}

#[test]
fn a_server_that_takes_nobody_turns_clients_away() {
    needs_godot!();
    let mut stage = Stage::server();
    let (first, id) = stage.joined_engine(&[]);
    let Ours::Server(driver) = stage.ours() else {
        panic!("our server")
    };
    driver.server_mut().refuse_new_connections();
    let second = stage.engine(&[]);
    stage.until("the second is refused", |stage| {
        stage.events.iter().any(|event| {
            matches!(
                event,
                Event::Refused {
                    reason: RefusalReason::Closed,
                    ..
                }
            )
        }) && stage.engines[second].has("connection_failed")
    });
    stage.call(peer_id(id), "reliable_on_0", &[Value::Nil]);
    stage.until("the first plays on", |stage| {
        !stage.engines[first].calls().is_empty()
    });

    let Ours::Server(driver) = stage.ours() else {
        panic!("our server")
    };
    driver.server_mut().accept_new_connections();
    stage.joined_engine(&[]);
}

#[test]
fn a_method_list_that_does_not_match_is_named_with_both_lists() {
    needs_godot!();
    // We have one method more than the engine: its list is ours without it.
    let config = server_config();
    let mut stage = Stage::with_server(
        config,
        calls_node().rpc(RpcConfig::new("only_here").any_peer()),
    );
    let (godot, id) = stage.joined_engine(&[]);
    stage.engines[godot].rpc(1, "Calls", "reliable_on_0", "[1]");
    stage.until("we notice", |stage| stage.mismatch().is_some());

    let report = stage.mismatch().unwrap().explain([]);
    assert_eq!((report.peer.value(), &*report.path), (id, "Peer/Calls"));
    assert!(
        report.ours.iter().any(|name| name == "only_here"),
        "{report}"
    );
    let theirs = report
        .theirs
        .clone()
        .expect("found among variations of ours");
    assert_eq!(theirs.len() + 1, report.ours.len());
    assert!(!theirs.iter().any(|name| name == "only_here"));
    let message = report.to_string();
    for part in [
        "Peer/Calls",
        "only_here",
        "reliable_on_0",
        "unreliable_on_3",
    ] {
        assert!(message.contains(part), "{message}");
    }
    stage.play(Duration::from_millis(300));
    assert_eq!(
        stage.calls().count(),
        0,
        "a call by a number that means another method"
    );
}

#[test]
fn the_engine_notices_a_method_list_that_does_not_match_too() {
    needs_godot!();
    let mut stage = Stage::server();
    let (godot, id) = stage.joined_engine(&["--other-calls"]);
    stage.call(peer_id(id), "reliable_on_0", &[Value::Nil]);
    stage.until("the engine complains and tells us", |stage| {
        stage.engines[godot].noise().contains("checksum") && stage.mismatch().is_some()
    });
    let message = stage.mismatch().unwrap().to_string();
    assert!(
        message.contains("Peer/Calls") && message.contains("reliable_on_0"),
        "{message}"
    );
}
