//! `gdwire demo` plays a whole game.

use crate::common::run;

#[test]
fn the_demo_plays_through_and_says_so() {
    let (code, output, error) = run(&["demo"]);
    assert_eq!(code, Some(0), "{output}{error}");
    let row = output.lines().nth(1).unwrap();
    assert!(row.starts_with("dedicated") && row.ends_with("ok"), "{row}");
}

#[test]
fn the_demo_speaks_json() {
    let (code, output, _) = run(&["demo", "dedicated", "--json"]);
    assert_eq!(code, Some(0));
    let json: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(json["verdict"], "ok");
    assert_eq!(json["rpcs"], json["rpcs_expected"]);
    assert_eq!(json["spawns"], json["spawns_expected"]);
    assert!(json["syncs"].as_u64() > Some(0), "{json}");
    assert!(json["first_rpc_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn an_engine_that_is_not_there_is_named() {
    let (code, output, _) = run(&["demo", "--godot", "no-such-engine"]);
    assert_eq!(code, Some(1));
    assert!(output.contains("a player failed"), "{output}");
}
