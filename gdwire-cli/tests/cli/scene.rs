//! Spawns, state, visibility and authority between `gdwire host` and `gdwire connect`.

use crate::common::{Gdwire, run};
use serde_json::{Value as Json, json};
use std::fs;
use std::path::PathBuf;

const UNITS: [&str; 6] = [
    "--spawner",
    "Main/Spawner=../Units,res://unit.tscn",
    "--sync",
    "res://unit.tscn#Sync=hp@on_change,place",
    "--sync",
    "Main/Clock/Sync=time@on_change",
];

/// The next state of `node` that has all of `properties`.
fn expect_state(side: &Gdwire, node: &str, properties: &Json) -> Json {
    loop {
        let sync = side.expect("sync");
        let has = |(path, value): (&String, &Json)| sync["properties"][path] == *value;
        if sync["node"] == node && properties.as_object().unwrap().iter().all(has) {
            return sync;
        }
    }
}

#[test]
fn a_unit_is_spawned_followed_hidden_shown_and_despawned() {
    let (mut host, url) = Gdwire::host(&UNITS);
    host.say(
        r#"{"do":"spawn","spawner":"Main/Spawner","scene":"res://unit.tscn","name":"A",
            "properties":{"hp":30,"place":{"gd":"Vector2(1, 2)"}}}"#
            .replace('\n', " ")
            .as_str(),
    );
    let here = host.expect("spawned");
    assert_eq!(
        here,
        json!({"event": "spawned", "peer": 1, "node": "Main/Units/A", "scene": "res://unit.tscn",
               "net_id": null, "properties": {".:hp": 30, ".:place": {"gd": "Vector2(1, 2)"}}})
    );
    let (client, id) = Gdwire::join(&url, &UNITS);
    let spawned = client.expect("spawned");
    assert_eq!(
        spawned,
        json!({"event": "spawned", "peer": 1, "node": "Main/Units/A", "scene": "res://unit.tscn",
               "net_id": spawned["net_id"],
               "properties": {".:hp": 30, ".:place": {"gd": "Vector2(1, 2)"}}})
    );
    let full = expect_state(
        &client,
        "Main/Units/A",
        &json!({".:place": {"gd": "Vector2(1, 2)"}}),
    );
    assert_eq!(full["delta"], false);
    assert_eq!(full["synchronizer"], "Main/Units/A/Sync");
    assert!(full["time"].is_u64(), "{full}");

    host.say(r#"{"do":"set","node":"Main/Units/A","properties":{"hp":29}}"#);
    let delta = expect_state(&client, "Main/Units/A", &json!({".:hp": 29}));
    assert_eq!(
        (&delta["delta"], &delta["time"]),
        (&json!(true), &Json::Null)
    );

    let visibility = |visible: bool| {
        json!({"do": "visibility", "node": "Main/Units/A", "peer": id, "visible": visible})
            .to_string()
    };
    host.say(&visibility(false));
    let gone = json!({"event": "despawned", "peer": 1, "node": "Main/Units/A"});
    assert_eq!(client.expect("despawned"), gone);
    host.say(r#"{"do":"set","node":"Main/Units/A","properties":{"hp":5}}"#);
    host.say(&visibility(true));
    assert_eq!(client.expect("spawned")["properties"][".:hp"], 5);
    host.say(r#"{"do":"despawn","node":"Main/Units/A"}"#);
    assert_eq!(client.expect("despawned"), gone);
    assert_eq!(host.expect("despawned"), gone);
    host.say(r#"{"do":"spawn","spawner":"Main/Spawner","scene":0,"name":"B"}"#);
    let (here, there) = (host.expect("spawned"), client.expect("spawned"));
    assert_eq!(here["scene"], "res://unit.tscn");
    assert_eq!(here["net_id"], there["net_id"]);
}

#[test]
fn a_filter_a_budget_and_a_priority_decide_what_a_peer_gets() {
    let with = [UNITS.as_slice(), &["--filtered", "res://unit.tscn#Sync"]].concat();
    let (mut host, url) = Gdwire::host(&with);
    let (client, id) = Gdwire::join(&url, &UNITS);
    host.expect("peer_connected");
    for name in ["A", "B"] {
        host.say(
            &json!({"do": "spawn", "spawner": "Main/Spawner", "scene": 0, "name": name})
                .to_string(),
        );
    }
    let relevant = |node: &str| json!({"do": "relevant", "peer": id, "nodes": [node]}).to_string();
    host.say(&relevant("Main/Units/B"));
    assert_eq!(client.expect("spawned")["node"], "Main/Units/B");
    host.say(&relevant("Main/Units/A"));
    assert_eq!(client.expect("despawned")["node"], "Main/Units/B");
    assert_eq!(client.expect("spawned")["node"], "Main/Units/A");

    host.say(&json!({"do": "budget", "peer": id, "bytes": 20}).to_string());
    host.say(r#"{"do":"priority","node":"Main/Units/A","priority":3}"#);
    host.say(r#"{"do":"set","node":"Main/Units/A","properties":{"hp":8}}"#);
    expect_state(&client, "Main/Units/A", &json!({".:hp": 8}));
    host.say(r#"{"do":"budget","peer":77,"bytes":null}"#);
    let error = host.expect("error");
    assert!(error["message"].as_str().unwrap().contains("77"), "{error}");
}

#[test]
fn methods_declared_inside_a_scene_are_called_on_what_is_spawned() {
    let with = [UNITS.as_slice(), &["--rpc", "res://unit.tscn#.:hit"]].concat();
    let (mut host, url) = Gdwire::host(&with);
    let (mut client, id) = Gdwire::join(&url, &with);
    host.expect("peer_connected");
    host.say(r#"{"do":"spawn","spawner":"Main/Spawner","scene":0,"name":"A"}"#);
    client.expect("spawned");
    client.say(r#"{"do":"rpc","peer":1,"node":"Main/Units/A","method":"hit","args":[5]}"#);
    let call = host.expect("rpc");
    assert_eq!(
        (&call["peer"], &call["node"], &call["args"]),
        (&json!(id), &json!("Main/Units/A"), &json!([5]))
    );
}

#[test]
fn authority_that_both_sides_hand_over_lets_the_client_set() {
    let (mut host, url) = Gdwire::host(&UNITS);
    let (mut client, id) = Gdwire::join(&url, &UNITS);
    host.expect("peer_connected");
    let authority = json!({"do": "authority", "node": "Main/Clock", "peer": id}).to_string();
    host.say(&authority);
    client.say(&authority);
    client.say(r#"{"do":"set","node":"Main/Clock","properties":{"time":7}}"#);
    let state = expect_state(&host, "Main/Clock", &json!({".:time": 7}));
    assert_eq!(state["peer"], id);
}

#[test]
fn custom_spawns_are_what_the_option_says_or_a_bare_node() {
    let with = [
        UNITS.as_slice(),
        &["--custom", "Main/Spawner=res://unit.tscn"],
    ]
    .concat();
    let (mut host, url) = Gdwire::host(&with);
    let (knowing, _) = Gdwire::join(&url, &with);
    let (guessing, _) = Gdwire::join(&url, &UNITS);
    host.say(
        r#"{"do":"spawn","spawner":"Main/Spawner","custom":["orc",3],"name":"O","properties":{"hp":60}}"#,
    );
    let spawned = knowing.expect("spawned");
    assert_eq!(spawned["custom"], json!(["orc", 3]));
    assert_eq!(spawned["properties"][".:hp"], 60);
    // The host lists a synchronizer that a bare node does not have.
    let error = guessing.expect("error");
    assert_eq!(
        (&error["kind"], &error["peer"]),
        (&json!("spawn"), &json!(1))
    );
    assert!(
        error["message"].as_str().unwrap().contains("Main/Units/O"),
        "{error}"
    );
}

#[test]
fn a_player_owns_what_its_name_says() {
    let options = [
        "--spawner",
        "Main/Spawner=..,res://player.tscn",
        "--sync",
        "res://player.tscn#Input=aim",
        "--owner-from-name",
        "res://player.tscn#Input",
    ];
    let (mut host, url) = Gdwire::host(&options);
    let (mut client, id) = Gdwire::join(&url, &options);
    host.expect("peer_connected");
    host.say(
        &json!({"do": "spawn", "spawner": "Main/Spawner", "scene": 0, "name": id.to_string()})
            .to_string(),
    );
    let node = client.expect("spawned")["node"].clone();
    client.say(&json!({"do": "set", "node": node, "properties": {"aim": 0.5}}).to_string());
    let state = expect_state(&host, &format!("Main/{id}"), &json!({".:aim": 0.5}));
    assert_eq!(state["peer"], id);
}

/// A project in a folder of its own.
struct Folder(PathBuf);

impl Folder {
    fn write(name: &str, files: &[(&str, &str)]) -> Self {
        let name = format!("gdwire-test-{name}-{}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0).unwrap();
        for (file, text) in files {
            fs::write(folder.0.join(file), text).unwrap();
        }
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_project_gives_methods_spawners_and_synchronizers() {
    let folder = Folder::write(
        "scene",
        &[
            (
                "project.godot",
                "config_version=5\n[application]\nrun/main_scene=\"res://main.tscn\"\n",
            ),
            (
                "main.gd",
                "extends Node\n@rpc(\"any_peer\") func greet(text): pass\n",
            ),
            (
                "main.tscn",
                "[gd_scene load_steps=2 format=3]\n\
                 [ext_resource type=\"Script\" path=\"res://main.gd\" id=\"1\"]\n\
                 [node name=\"Main\" type=\"Node\"]\nscript = ExtResource(\"1\")\n\
                 [node name=\"Spawner\" type=\"MultiplayerSpawner\" parent=\".\"]\n\
                 _spawnable_scenes = PackedStringArray(\"res://unit.tscn\")\nspawn_path = NodePath(\"..\")\n",
            ),
            (
                "unit.tscn",
                "[gd_scene load_steps=2 format=3]\n\
                 [sub_resource type=\"SceneReplicationConfig\" id=\"r\"]\n\
                 properties/0/path = NodePath(\".:position\")\nproperties/0/spawn = true\n\
                 properties/0/replication_mode = 2\n\
                 [node name=\"Unit\" type=\"Node2D\"]\n\
                 [node name=\"Sync\" type=\"MultiplayerSynchronizer\" parent=\".\"]\n\
                 replication_config = SubResource(\"r\")\n",
            ),
        ],
    );
    let project = ["--project", folder.0.to_str().unwrap()];
    let (mut host, url) = Gdwire::host(&project);
    let (mut client, id) = Gdwire::join(&url, &project);
    host.expect("peer_connected");
    client.say(r#"{"do":"rpc","peer":1,"node":"Main","method":"greet","args":["hi"]}"#);
    assert_eq!(host.expect("rpc")["peer"], id);
    host.say(r#"{"do":"spawn","spawner":"Main/Spawner","scene":0,"name":"A"}"#);
    client.expect("spawned");
    let place = json!({".:position": {"gd": "Vector2(3, 4)"}});
    host.say(&json!({"do": "set", "node": "Main/A", "properties": place}).to_string());
    expect_state(&client, "Main/A", &place);

    let (code, output, error) = run(&[
        "swarm",
        &url,
        "--clients",
        "3",
        "--rpc",
        "Main:greet",
        "--args",
        "[\"hi\"]",
        "--for",
        "2",
        "--json",
        project[0],
        project[1],
    ]);
    assert_eq!(code, Some(0), "{output}{error}");
    let report: Json = serde_json::from_str(&output).unwrap();
    assert_eq!(report["spawns"], 3);
    assert_eq!(report["method_mismatches"], 0);
    assert!(report["calls_sent"].as_u64().unwrap() >= 3, "{report}");

    for wrong in [
        ["--instance", "Main/Level=res://gone.tscn"],
        ["--instance", "Gone/Level=res://unit.tscn"],
        ["--main-scene", "res://gone.tscn"],
    ] {
        let (code, _, error) = run(&[&["connect", &url], &project[..], &wrong[..]].concat());
        assert_eq!(code, Some(2));
        assert!(
            error.contains(wrong[1].rsplit('=').next().unwrap()),
            "{error}"
        );
    }
    let (code, _, error) = run(&[
        "connect",
        &url,
        project[0],
        project[1],
        "--rpc",
        "Main:other",
    ]);
    assert_eq!(code, Some(2));
    assert!(error.contains("Main:other"), "{error}");
}

#[test]
fn options_that_cannot_be_used_are_refused_in_one_line() {
    let host = ["host", "enet://127.0.0.1:0"];
    for (options, part) in [
        (&["--project", "/no/such/folder"][..], "/no/such/folder"),
        (&["--sync", "A/Sync=hp@often"], "often"),
        (&["--sync", "A/Sync=hp,hp"], "twice"),
        (&["--spawner", "S"], "NODE=PARENT"),
        (&["--rpc", "res://unit.tscn#"], "NODE:METHOD"),
    ] {
        let (code, _, error) = run(&[&host, options].concat());
        assert_eq!(code, Some(2), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains(part), "{error}");
    }
}
