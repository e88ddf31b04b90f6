//! `gdwire host` and `gdwire connect` talk over loopback: the JSON lines are the contract.

use crate::common::{Gdwire, run};
use serde_json::json;

const RPCS: [&str; 4] = [
    "--rpc",
    "Main:hello",
    "--rpc",
    "Main:moved:any_peer:unreliable_ordered:3",
];

#[test]
fn a_call_keeps_its_values_in_both_directions() {
    let (mut host, url) = Gdwire::host(&RPCS);
    let (mut client, id) = Gdwire::join(&url, &RPCS);
    assert_eq!(
        host.expect("peer_connected"),
        json!({"event": "peer_connected", "peer": id})
    );
    assert_eq!(client.expect("peer_connected")["peer"], 1);
    let arguments = json!([
        null, true, -7, 1.0, 1e-300, "text", [1, [2.5]], {"a": {"b": null}},
        {"gd": "Vector3(1, 2, 3)"}, {"gd": "&\"name\""}, {"gd": "PackedInt32Array(1, 2)"}, {"gd": "nan"},
        {"gd": "inf"}, {"gd": "NodePath(\"a/b:c\")"}, {"gd": "Transform3D(1, 0, 0, 0, 1, 0, 0, 0, 1, 4, 5, 6)"}
    ]);

    client.say(
        &json!({"do": "rpc", "peer": 1, "node": "Main", "method": "hello", "args": arguments})
            .to_string(),
    );
    assert_eq!(
        host.expect("rpc"),
        json!({"event": "rpc", "peer": id, "node": "Main", "method": "hello", "args": arguments,
               "channel": 0, "mode": "reliable"})
    );
    host.say(
        &json!({"do": "rpc", "peer": id, "node": "/root/Main", "method": "moved"}).to_string(),
    );
    assert_eq!(
        client.expect("rpc"),
        json!({"event": "rpc", "peer": 1, "node": "Main", "method": "moved", "args": [],
               "channel": 3, "mode": "unreliable_ordered"})
    );
}

#[test]
fn bytes_arrive_with_their_mode_and_channel_also_through_the_relay() {
    let (mut host, url) = Gdwire::host(&[]);
    let (mut first, first_id) = Gdwire::join(&url, &["--id", "1000"]);
    assert_eq!(first_id, 1000);
    let (mut second, _) = Gdwire::join(&url, &["--id", "2000"]);
    first.expect("peer_connected");
    assert_eq!(first.expect("peer_connected")["peer"], 2000);

    first.say(r#"{"do": "send", "peer": 2000, "hex": "00ff", "mode": "unreliable", "channel": 9}"#);
    assert_eq!(
        second.expect("packet"),
        json!({"event": "packet", "peer": 1000, "hex": "00ff", "channel": 9, "mode": "unreliable"})
    );
    second.say(r#"{"do": "send", "peer": -1000, "hex": "aa"}"#);
    assert_eq!(host.expect("packet")["peer"], 2000);
    host.say(r#"{"do": "send", "peer": 0, "hex": "bb"}"#);
    assert_eq!(first.expect("packet")["hex"], "bb");
    assert_eq!(second.expect("packet")["hex"], "bb");
}

// req: HB-11
#[test]
fn a_bad_line_is_one_error_with_its_number_and_the_session_goes_on() {
    let (mut host, _url) = Gdwire::host(&RPCS);
    for (line, kind, part) in [
        ("nonsense", "command", "not JSON"),
        (r#"{"do":"dance"}"#, "command", "dance"),
        (
            r#"{"do":"rpc","peer":0,"node":"Other","method":"x"}"#,
            "command",
            "Other",
        ),
        (
            r#"{"do":"rpc","peer":0,"node":"Main","method":"x"}"#,
            "command",
            "no such method",
        ),
        (
            r#"{"do":"rpc","peer":5,"node":"Main","method":"hello"}"#,
            "command",
            "peer 5",
        ),
        (r#"{"do":"kick","peer":5}"#, "command", "peer 5"),
        (
            r#"{"do":"send","peer":0,"hex":""}"#,
            "command",
            "nothing to send",
        ),
        (
            r#"{"do":"spawn","spawner":"S","scene":0,"name":"x"}"#,
            "command",
            "S",
        ),
        (
            r#"{"do":"spawn","spawner":"Main","scene":0,"name":"x"}"#,
            "command",
            "not a spawner",
        ),
        (r#"{"do":"despawn","node":"Main"}"#, "command", "Main"),
        (
            r#"{"do":"set","node":"Main","properties":{"hp":1}}"#,
            "command",
            "hp",
        ),
        (
            r#"{"do":"visibility","node":"Main","peer":2,"visible":true}"#,
            "command",
            "no synchronizer",
        ),
    ] {
        host.say(line);
        let error = host.expect("error");
        assert_eq!(error["kind"], kind, "{line}");
        assert!(
            error["message"].as_str().unwrap().contains(part),
            "{line}: {error}"
        );
    }
    host.say("");
    host.say("[]");
    assert_eq!(host.expect("error")["line"], 14);
    host.say(r#"{"do":"quit"}"#);
    let (code, rest) = host.end();
    assert_eq!(code, Some(0));
    assert_eq!(rest, [json!({"event": "disconnected", "reason": "quit"})]);
}

#[test]
fn a_kick_ends_the_client_and_the_host_goes_on() {
    let (mut host, url) = Gdwire::host(&[]);
    let (client, id) = Gdwire::join(&url, &[]);
    host.expect("peer_connected");
    host.say(&json!({"do": "kick", "peer": id}).to_string());
    assert_eq!(
        host.expect("peer_disconnected"),
        json!({"event": "peer_disconnected", "peer": id, "reason": "local"})
    );
    let (code, rest) = client.end();
    assert_eq!(code, Some(0));
    assert_eq!(
        rest.last().unwrap(),
        &json!({"event": "disconnected", "reason": "remote"})
    );
    let (_again, _) = Gdwire::join(&url, &[]);
    host.expect("peer_connected");
}

#[test]
fn the_end_of_the_input_leaves_the_session_running_until_the_peer_leaves() {
    let (mut host, url) = Gdwire::host(&[]);
    let (mut client, id) = Gdwire::join(&url, &[]);
    client.end_input();
    host.expect("peer_connected");
    host.say(r#"{"do": "send", "peer": 0, "hex": "01"}"#);
    assert_eq!(client.expect("packet")["hex"], "01");
    host.say(r#"{"do": "quit"}"#);
    let (code, rest) = client.end();
    assert_eq!(code, Some(0), "{rest:?}");
    assert_eq!(rest.last().unwrap()["reason"], "remote");
    assert_eq!(host.expect("disconnected")["reason"], "quit");
    assert!(id >= 2);
}

#[cfg(unix)]
#[test]
fn ctrl_c_says_goodbye() {
    let (host, url) = Gdwire::host(&[]);
    let (client, id) = Gdwire::join(&url, &[]);
    host.expect("peer_connected");
    client.interrupt();
    let (code, rest) = client.end();
    assert_eq!(code, Some(0));
    assert_eq!(rest.last().unwrap()["reason"], "interrupted");
    assert_eq!(
        host.expect("peer_disconnected"),
        json!({"event": "peer_disconnected", "peer": id, "reason": "remote"})
    );
}

#[test]
fn a_right_token_joins_and_a_wrong_one_does_not() {
    let (host, url) = Gdwire::host(&["--auth", "c0ffee"]);
    let (_client, id) = Gdwire::join(&url, &["--auth", "C0FFEE"]);
    assert_eq!(host.expect("authenticating")["hex"], "");
    assert_eq!(
        host.expect("authenticating"),
        json!({"event": "authenticating", "peer": id, "hex": "c0ffee"})
    );
    assert_eq!(host.expect("peer_connected")["peer"], id);

    let wrong = Gdwire::start(&["connect", &url, "--auth", "bad0", "--id", "77"]);
    let failed = host.expect("auth_failed");
    assert_eq!(
        failed,
        json!({"event": "auth_failed", "peer": 77, "hex": "bad0", "reason": "auth_refused"})
    );
    let (code, rest) = wrong.end();
    assert_eq!(code, Some(1));
    let kinds: Vec<_> = rest
        .iter()
        .map(|line| line["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "authenticating",
            "auth_failed",
            "connection_failed",
            "disconnected"
        ]
    );
}

#[test]
fn a_refused_client_fails_with_the_reason() {
    let (host, url) = Gdwire::host(&["--refuse"]);
    let (code, output, _) = run(&["connect", &url, "--for", "20"]);
    assert_eq!(code, Some(1));
    assert_eq!(
        output,
        "{\"event\":\"connection_failed\",\"reason\":\"refused\"}\n\
         {\"event\":\"disconnected\",\"reason\":\"refused\"}\n"
    );
    let error = host.expect("error");
    assert_eq!(error["kind"], "refused");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("no new connections")
    );
}

#[test]
fn different_methods_are_an_error_that_names_the_node_and_both_lists() {
    let (mut host, url) = Gdwire::host(&["--rpc", "Main:a", "--rpc", "Main:b"]);
    let (mut client, _) = Gdwire::join(&url, &["--rpc", "Main:a"]);
    client.say(r#"{"do":"rpc","peer":1,"node":"Main","method":"a"}"#);
    for side in [&mut host, &mut client] {
        let error = side.expect("error");
        assert_eq!(error["kind"], "method_mismatch");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("Main"), "{message}");
    }
}

#[test]
fn stats_come_by_the_clock_and_on_demand() {
    let (host, url) = Gdwire::host(&["--stats", "0.2"]);
    assert_eq!(host.expect("stats")["peers"], json!([]));
    let (mut client, id) = Gdwire::join(&url, &[]);
    host.expect("peer_connected");
    client.say(r#"{"do":"send","peer":1,"hex":"00"}"#);
    host.expect("packet");
    let stats = host.expect("stats");
    let peer = &stats["peers"][0];
    assert_eq!(peer["peer"], id);
    assert!(
        peer["round_trip_ms"].is_f64() && peer["loss"].is_f64(),
        "{peer}"
    );
    assert!(
        peer["bytes_in"].as_u64() > Some(0) && peer["packets_out"].as_u64() > Some(0),
        "{peer}"
    );
    client.say(r#"{"do":"stats"}"#);
    assert_eq!(client.expect("stats")["peers"][0]["peer"], 1);
}

#[test]
fn settings_of_the_url_reach_enet() {
    let (_host, url) = Gdwire::host(&[]);
    let plain = url.clone();
    let (_client, _) = Gdwire::join(
        &format!("{url}?channels=2&in-bandwidth=100000&out-bandwidth=50000"),
        &[],
    );
    let (code, output, _) = run(&["connect", &format!("{plain}?checksum=1"), "--for", "1"]);
    assert_eq!(code, Some(0));
    let only_end = "{\"event\":\"disconnected\",\"reason\":\"time\"}
";
    assert_eq!(output, only_end, "a checksum on one side only");
}

#[test]
fn wrong_arguments_give_one_line_and_exit_code_2() {
    for (arguments, part) in [
        (&["connect", "ws://127.0.0.1:1"][..], "ws://"),
        (&["connect", "enet://127.0.0.1:1?compress=rar"], "compress"),
        (&["host", "enet://*:0?dtls=2"], "dtls"),
        (
            &["connect", "enet://127.0.0.1:1", "--id", "1"],
            "2147483647",
        ),
        (
            &["connect", "enet://127.0.0.1:1", "--rpc", "Main"],
            "NODE:METHOD",
        ),
        (
            &["host", "enet://127.0.0.1:0", "--rpc", "../x:y"],
            "node ../x",
        ),
        (
            &["host", "enet://127.0.0.1:0", "--auth", "xyz"],
            "hexadecimal",
        ),
        (
            &["host", "enet://127.0.0.1:65535", "--listeners", "2"],
            "2 listeners",
        ),
        (&["host"], "URL"),
        (&["demo", "moon"], "moon"),
    ] {
        let (code, output, error) = run(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains(part), "{error}");
        assert!(!output.contains("connected"), "{output}");
    }
}

#[test]
fn help_documents_the_fields() {
    let (code, output, _) = run(&["help"]);
    assert_eq!(code, Some(0));
    for word in [
        "peer_disconnected",
        "round_trip_ms",
        "var_to_str",
        "Exit codes",
        "gdwire demo",
    ] {
        assert!(output.contains(word), "{word}");
    }
}
