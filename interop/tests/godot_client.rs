//! Our client in games that the engine hosts.

use gdwire::{DisconnectReason, Event};
use interop::engine;
use interop::stage::{ONE_VALUE, Stage, calls_node, client_config, peer_id};
use replication_proto::variant::{self, Value, text};
use replication_proto::{Authentication, PeerId, RpcConfig, Target, TransferMode};
use std::time::Duration;

macro_rules! needs_godot {
    () => {
        if engine::installed().is_none() {
            return;
        }
    };
}

/// The engine that hosts.
const HOST: usize = 0;

fn joined(stage: &mut Stage) -> i32 {
    stage.until("our client is in the game", |stage| {
        stage.has_peer(1) && stage.engines[HOST].has("peer_connected")
    });
    let own = stage.events.iter().find_map(|event| match event {
        Event::Connected { id } => Some(id.value()),
        _ => None,
    });
    own.expect("reported before the server as peer")
}

#[test]
fn calls_arrive_both_ways_in_every_mode_and_on_every_channel() {
    needs_godot!();
    let mut stage = Stage::client();
    let own = joined(&mut stage);
    for (number, (method, ..)) in ONE_VALUE.into_iter().enumerate() {
        stage.call(
            PeerId::SERVER,
            method,
            &[Value::Int(i64::try_from(number).unwrap())],
        );
        stage.engines[HOST].rpc(own, "Calls", method, &format!("[{number}.5]"));
    }
    stage.until("all calls arrive", |stage| {
        stage.calls().count() == ONE_VALUE.len()
            && stage.engines[HOST].calls().len() == ONE_VALUE.len()
    });
    for (number, (method, mode, channel)) in ONE_VALUE.into_iter().enumerate() {
        assert!(
            stage.engines[HOST]
                .calls()
                .contains(&(method.to_owned(), format!("[{number}]")))
        );
        let call = stage
            .calls()
            .find(|call| &*call.method == method)
            .expect("each method is called once");
        assert_eq!(
            (call.peer, call.mode, call.channel),
            (PeerId::SERVER, mode, channel),
            "{method}"
        );
    }
    assert!(stage.engines[HOST].has_of("rpc", own));
    assert_eq!(stage.engines[HOST].noise(), "");
}

#[test]
fn every_kind_of_value_comes_back_as_the_engine_sent_it() {
    needs_godot!();
    let mut stage = Stage::client();
    let own = joined(&mut stage);
    stage.engines[HOST].command(&serde_json::json!({"do": "echo", "peer": own}));
    stage.until("the engine has judged", |stage| {
        stage.engines[HOST].has("echo_finished")
    });
    let bad: Vec<_> = stage.engines[HOST]
        .all("echo")
        .filter(|event| event["difference"] != "")
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert_eq!(stage.engines[HOST].noise(), "");

    let asked = stage.asked.clone();
    for (token, value) in asked.iter().enumerate() {
        stage.ask(1, i64::try_from(token).unwrap(), value.clone());
    }
    stage.until("the engine has answered", |stage| {
        stage.answers.len() == asked.len()
    });
    let encoded = |value: &Value| {
        let mut bytes = Vec::new();
        variant::encode(value, &mut bytes).unwrap();
        bytes
    };
    for (token, answer) in &stage.answers {
        let Value::Int(token) = token else {
            panic!("our token")
        };
        let sent = &asked[usize::try_from(*token).unwrap()];
        if !matches!(sent, Value::Object(_)) {
            assert_eq!(encoded(answer), encoded(sent), "{}", text::to_text(sent));
        }
    }
}

#[test]
fn a_server_that_announces_a_tiny_bandwidth_is_playable() {
    needs_godot!();
    // `create_server` takes its number of channels for a bandwidth in bytes per second.
    let mut stage = Stage::with_client(client_config(), calls_node(), &["--channels=4"]);
    joined(&mut stage);
    for number in 0..50 {
        stage.call(PeerId::SERVER, "reliable_on_0", &[Value::Int(number)]);
    }
    stage.until("all calls arrive", |stage| {
        stage.engines[HOST].calls().len() == 50
    });
}

#[test]
fn our_client_and_an_engine_call_each_other_through_the_engines_relay() {
    needs_godot!();
    let mut stage = Stage::client();
    let own = joined(&mut stage);
    let (other, other_id) = stage.joined_engine(&[]);
    stage.until("the clients know each other", |stage| {
        stage.has_peer(other_id) && stage.engines[other].has_of("peer_connected", own)
    });
    stage.call(peer_id(other_id), "reliable_on_1", &[Value::Bool(true)]);
    stage.send_bytes(peer_id(other_id), &[1, 2], TransferMode::Unreliable, 5);
    stage.engines[other].rpc(own, "Calls", "ordered_on_2", "[\"hello\"]");
    stage.until("the relay delivers", |stage| {
        stage.calls().count() == 1
            && stage.engines[other].has("packet")
            && !stage.engines[other].calls().is_empty()
    });
    assert!(stage.engines[other].has_of("rpc", own));
    let call = stage.calls().next().unwrap();
    assert_eq!(
        (call.peer.value(), &*call.method, call.channel),
        (other_id, "ordered_on_2", 2)
    );

    stage.call(Target::All, "reliable_on_0", &[Value::Int(1)]);
    stage.call(
        Target::AllBut(PeerId::SERVER),
        "reliable_on_0",
        &[Value::Int(2)],
    );
    stage.until("everybody hears it", |stage| {
        stage.engines[other].calls().len() == 3 && !stage.engines[HOST].calls().is_empty()
    });
    stage.play(Duration::from_millis(300));
    assert_eq!(
        stage.engines[HOST].calls(),
        [("reliable_on_0".to_owned(), "[1]".to_owned())]
    );

    stage.engines[other].command(&serde_json::json!({"do": "quit"}));
    stage.until("the server takes it off", |stage| {
        stage.left(other_id).is_some()
    });
}

fn with_authentication(server_options: &[&str]) -> Stage {
    let mut config = client_config();
    config.session.authentication = Authentication::Required;
    let mut stage = Stage::with_client(config, calls_node(), server_options);
    stage.until("our client has to authenticate", |stage| {
        stage
            .events
            .iter()
            .any(|event| matches!(event, Event::Authenticating { .. }))
    });
    stage
}

#[test]
fn the_right_token_opens_the_engines_game() {
    needs_godot!();
    let mut stage = with_authentication(&["--auth=c0ffee"]);
    stage.send_auth(1, &[0xC0, 0xFF, 0xEE]);
    stage.complete_auth(1);
    let own = joined(&mut stage);
    stage.engines[HOST].rpc(own, "Calls", "reliable_on_0", "[1]");
    stage.until("a call arrives", |stage| stage.calls().count() == 1);
}

#[test]
fn the_wrong_token_does_not_open_the_engines_game() {
    needs_godot!();
    let mut stage = with_authentication(&["--auth=c0ffee"]);
    stage.send_auth(1, &[0xBA, 0xD0]);
    stage.complete_auth(1);
    stage.until("our client is turned away", |stage| stage.over().is_some());
    assert!(!stage.has_peer(1));
    assert!(!stage.engines[HOST].has("peer_connected"));
}

#[test]
fn silence_does_not_open_the_engines_game() {
    needs_godot!();
    let mut stage = with_authentication(&["--auth=c0ffee", "--auth-timeout=1.5"]);
    stage.until("our client is turned away", |stage| stage.over().is_some());
    stage.until("the engine says so", |stage| {
        stage.engines[HOST].has("auth_failed")
    });
    assert!(!stage.has_peer(1));
}

#[test]
fn being_kicked_a_server_that_quits_and_one_that_dies_are_told_apart() {
    needs_godot!();
    let mut stage = Stage::client();
    let own = joined(&mut stage);
    stage.engines[HOST].command(&serde_json::json!({"do": "kick", "peer": own}));
    stage.until_within(Duration::from_secs(4), "our client is out", |stage| {
        stage.over().is_some()
    });
    assert_eq!(stage.over(), Some(DisconnectReason::Remote));

    let mut stage = Stage::client();
    joined(&mut stage);
    stage.engines[HOST].command(&serde_json::json!({"do": "quit"}));
    stage.until_within(Duration::from_secs(4), "our client is out", |stage| {
        stage.over().is_some()
    });
    assert_eq!(stage.over(), Some(DisconnectReason::Remote));

    let mut stage = Stage::client();
    joined(&mut stage);
    stage.play(Duration::from_secs(1));
    stage.engines[HOST].kill();
    stage.until("our client gives up", |stage| stage.over().is_some());
    assert_eq!(stage.over(), Some(DisconnectReason::Timeout));
}

#[test]
fn a_full_game_of_an_engine_does_not_let_our_client_in() {
    needs_godot!();
    let mut stage = Stage::with_client(client_config(), calls_node(), &["--clients=1"]);
    joined(&mut stage);
    let mut late = Stage::joining(client_config(), calls_node(), stage.port());
    late.play(Duration::from_secs(3));
    assert!(!late.has_peer(1), "{}", late.report());
}

#[test]
fn our_client_leaves_in_good_order() {
    needs_godot!();
    let mut stage = Stage::client();
    let own = joined(&mut stage);
    stage.close();
    stage.until_within(Duration::from_secs(4), "the engine learns it", |stage| {
        stage.engines[HOST].has_of("peer_disconnected", own)
    });
}

#[test]
fn a_method_list_that_does_not_match_is_named_with_both_lists() {
    needs_godot!();
    let mut stage = Stage::with_client(client_config(), calls_node(), &["--other-calls"]);
    let own = joined(&mut stage);
    stage.engines[HOST].rpc(own, "Calls", "reliable_on_0", "[1]");
    stage.until("we notice", |stage| stage.mismatch().is_some());
    let message = stage.mismatch().unwrap().to_string();
    assert!(
        message.contains("Peer/Calls") && message.contains("reliable_on_0"),
        "{message}"
    );

    let mut stage = Stage::with_client(
        client_config(),
        calls_node().rpc(RpcConfig::new("only_here")),
        &[],
    );
    let own = joined(&mut stage);
    stage.engines[HOST].rpc(own, "Calls", "reliable_on_0", "[1]");
    stage.until("we notice", |stage| stage.mismatch().is_some());
    let report = stage.mismatch().unwrap().explain([]);
    assert!(report.theirs.is_some(), "{report}");
    let message = report.to_string();
    assert!(
        message.contains("Peer/Calls") && message.contains("only_here"),
        "{message}"
    );
    assert_eq!(stage.calls().count(), 0);
}
