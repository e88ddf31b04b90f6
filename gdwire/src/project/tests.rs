//! The reader on texts in memory: what it follows, what it warns about, what it refuses.

mod refused;

use super::*;
use crate::session::{RpcMode, TransferMode};
use crate::variant::text;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

const SETTINGS: &str = "config_version=5\n[application]\nrun/main_scene=\"res://main.tscn\"\n";

fn read_within(limits: &Limits, texts: &[(&str, &str)]) -> Result<Project, ProjectError> {
    let settings = [("res://project.godot", SETTINGS)];
    Project::from_texts(settings.iter().chain(texts).copied(), limits)
}

fn read(texts: &[(&str, &str)]) -> Result<Project, ProjectError> {
    read_within(&Limits::default(), texts)
}

/// A project whose main scene is one node with this script.
fn with_script(script: &str) -> Project {
    let main = scene_with_script("res://main.gd");
    read(&[("res://main.tscn", &main), ("res://main.gd", script)]).unwrap()
}

fn scene_with_script(path: &str) -> String {
    format!(
        "[gd_scene]\n[ext_resource type=\"Script\" path=\"{path}\" id=\"1\"]\n\
         [node name=\"Main\" type=\"Node\"]\nscript = ExtResource(\"1\")\n"
    )
}

/// A scene that contains another.
fn scene_around(path: &str) -> String {
    format!(
        "[gd_scene]\n[ext_resource type=\"PackedScene\" path=\"{path}\" id=\"1\"]\n\
         [node name=\"Main\" type=\"Node\"]\n\
         [node name=\"A\" parent=\".\" instance=ExtResource(\"1\")]\n\
         [node name=\"B\" parent=\".\" instance=ExtResource(\"1\")]\n"
    )
}

fn warnings(project: &Project) -> Vec<String> {
    project.warnings.iter().map(Warning::to_string).collect()
}

fn method<'a>(project: &'a Project, name: &str) -> &'a RpcMethod {
    let mut methods = project.nodes[0].methods.iter();
    methods.find(|method| method.name == name).unwrap()
}

#[test]
fn every_form_of_the_annotation_is_understood() {
    let project = with_script(
        "extends Node\n\
         const MODE = \"any\" + \"_peer\"\n\
         enum { ZERO, TWO = 2 }\n\
         enum Lane { LEFT = TWO, RIGHT }\n\
         @rpc func bare(): pass\n\
         @rpc() func empty(): pass\n\
         @rpc('unreliable', \"any_peer\")\nfunc mixed(): pass\n\
         @rpc(MODE, \"call_local\", \"unreliable_ordered\", Lane.RIGHT + 1)\n\n# between\n\
         @warning_ignore(\"x\") func constants(): pass\n\
         @rpc(\n\t\"any_peer\", # why\n\t\"call_remote\",\n\t\"reliable\", -1 + 6,\n)\n\
         func lines(\n\ta,\n\tb: int = (1 + 2),\n): pass\n\
         @rpc static func shared(...rest: Array): pass\n",
    );
    assert_eq!(warnings(&project), [""; 0]);
    let about = |name: &str| {
        let method = method(&project, name);
        (
            method.mode,
            method.transfer,
            method.channel,
            method.call_local,
        )
    };
    let bare = (RpcMode::Authority, TransferMode::Reliable, 0, false);
    assert_eq!(about("bare"), bare);
    assert_eq!(about("empty"), bare);
    assert_eq!(
        about("mixed"),
        (RpcMode::AnyPeer, TransferMode::Unreliable, 0, false)
    );
    assert_eq!(
        about("constants"),
        (RpcMode::AnyPeer, TransferMode::UnreliableOrdered, 4, true)
    );
    assert_eq!(
        about("lines"),
        (RpcMode::AnyPeer, TransferMode::Reliable, 5, false)
    );
    let lines = method(&project, "lines").arguments.clone().unwrap();
    assert_eq!((lines.required, lines.most), (1, Some(2)));
    let shared = method(&project, "shared").arguments.clone().unwrap();
    assert_eq!((shared.required, shared.most), (0, None));
}

#[test]
fn what_only_looks_like_an_annotation_is_none() {
    let project = with_script(
        "extends Node\n# @rpc func a(): pass\nvar text := \"\"\"\n@rpc func b(): pass\n\"\"\"\n\
         var raw = r\"\\\" @rpc\"\nclass Inner:\n\t@rpc func c(): pass\nfunc d():\n\tvar f := func(): pass\n\
         @rpc func real(): pass\n",
    );
    assert_eq!(project.nodes[0].methods.len(), 1);
    assert_eq!(project.nodes[0].methods[0].id, 0);
    assert_eq!(warnings(&project), [""; 0]);
}

#[test]
fn arguments_that_the_engine_refuses_are_named_with_file_and_line() {
    let project = with_script(
        "extends Node\n\n@rpc(\"any_peer\", 3)\nfunc a(): pass\n@rpc(\"nobody\") func b(): pass\n@rpc\n",
    );
    let expected = [
        "res://main.gd:3: argument 2 of @rpc is not one that @rpc takes, or no constant that can be told",
        "res://main.gd:5: argument 1 of @rpc is not one that @rpc takes, or no constant that can be told",
        "res://main.gd:6: @rpc without a function",
    ];
    assert_eq!(warnings(&project), expected);
    assert_eq!(project.nodes[0].methods.len(), 2);
}

#[test]
fn only_the_last_start_function_runs_unless_it_calls_the_one_above() {
    let base = "extends Node\nfunc _init():\n\trpc_config(\"lost\", {\"rpc_mode\": 1})\n\
        func _ready():\n\trpc_config(\"kept\", {rpc_mode = 1, channel = 3})\n\trpc_config(\"gone\", {\"rpc_mode\": 1})\n";
    let main = "extends \"base.gd\"\nfunc _init():\n\tpass\n\
        func _ready():\n\tsuper()\n\trpc_config(\"gone\", null)\n\tif true:\n\t\trpc_config(\"unsure\", {})\n";
    let scene = scene_with_script("res://main.gd");
    let texts = [
        ("res://main.tscn", &*scene),
        ("res://main.gd", main),
        ("res://base.gd", base),
    ];
    let project = read(&texts).unwrap();
    let methods = &project.nodes[0].methods;
    assert_eq!(methods.len(), 1);
    assert_eq!((methods[0].name.as_str(), methods[0].id), ("kept", 0x8000));
    assert_eq!(methods[0].channel, 3);
    let expected =
        ["res://main.gd:8: what this call of rpc_config does cannot be told without running it"];
    assert_eq!(warnings(&project), expected);
}

#[test]
fn what_scripts_decide_at_run_time_is_named_with_its_line() {
    let project = with_script(
        "extends Node\nfunc _enter_tree():\n\t$Input.set_multiplayer_authority(name.to_int())\n\
         \tif is_multiplayer_authority(): pass\nfunc _ready():\n\t$Spawner.spawn_function = _make\n\
         \tif $Spawner.spawn_function == _make: pass\n\t$Spawner.add_spawnable_scene(\"res://a.tscn\")\n",
    );
    let expected = [
        "res://main.gd:3: set_multiplayer_authority is used: what it changes is known at run time only",
        "res://main.gd:6: spawn_function is used: what it changes is known at run time only",
        "res://main.gd:8: add_spawnable_scene is used: what it changes is known at run time only",
    ];
    assert_eq!(warnings(&project), expected);
}

#[test]
fn what_scripts_bring_in_is_read_where_start_says_so() {
    let main = "[gd_scene format=3]\n[node name=\"Menu\" type=\"Node\"]\n";
    let game = "[gd_scene format=3]\n[node name=\"Game\" type=\"Node\"]\n[node name=\"Place\" type=\"Node\" parent=\".\"]\n";
    let level = "[gd_scene format=3]\n[node name=\"Level\" type=\"Node\"]\n[node name=\"Door\" type=\"Node\" parent=\".\"]\n";
    let texts = [
        ("res://project.godot", SETTINGS),
        ("res://main.tscn", main),
        ("res://game.tscn", game),
        ("res://level.tscn", level),
    ];
    let start = Start::new()
        .main_scene("res://game.tscn")
        .instance("Game/Place/First", "res://level.tscn")
        .instance("Game/Place/First/Door/Inner", "res://level.tscn")
        .instance("Gone/First", "res://level.tscn")
        .instance("Other", "res://gone.tscn")
        .scene("res://level.tscn")
        .scene("res://none.tscn");
    let project = Project::from_texts_with(texts, &start, &Limits::default()).unwrap();
    let paths: Vec<&str> = project
        .nodes
        .iter()
        .map(|node| node.path.as_str())
        .collect();
    let expected = [
        "Game",
        "Game/Place",
        "Game/Place/First",
        "Game/Place/First/Door",
        "Game/Place/First/Door/Inner",
        "Game/Place/First/Door/Inner/Door",
    ];
    assert_eq!(paths, expected);
    assert_eq!(project.scene("res://level.tscn").unwrap().nodes.len(), 2);
    let expected = [
        "res://gone.tscn: \"res://gone.tscn\" does not exist",
        "res://level.tscn: the parent \"Gone/First\" of a node is not in the scene",
        "res://project.godot: \"res://none.tscn\" does not exist",
    ];
    assert_eq!(warnings(&project), expected);
}

#[test]
fn an_entry_without_a_mode_only_takes_a_number_and_is_named() {
    let project = with_script(
        "extends Node\nfunc _ready():\n\trpc_config(\"a\", {\"channel\": 1})\n\trpc_config(\"b\", {\"rpc_mode\": 1})\n",
    );
    assert_eq!(method(&project, "a").mode, RpcMode::Disabled);
    assert!(method(&project, "a").is_number_only);
    let table = &project.nodes[0].table;
    assert!(table.find("a").is_none());
    assert_eq!(table.find("b").unwrap().0.value(), 0x8001);
    assert_eq!(project.warnings[0].kind, WarningKind::NoRpcMode);
    assert_eq!(project.warnings[0].place.line, 3);
}

#[test]
fn a_base_is_found_by_path_name_preload_and_inside_another_class() {
    let base = "class_name Base extends Node\n@rpc func base(): pass\nclass Inner extends Node:\n\t@rpc func inner(): pass\n\
        \tclass Deep extends Inner:\n\t\t@rpc func deep(): pass\n";
    for (extends, name, count) in [
        ("extends \"res://x/base.gd\"", "base", 1),
        ("extends \"x/../x/base.gd\"", "base", 1),
        ("extends Base", "base", 1),
        (
            "extends Up\nconst Up = preload(\"res://x/base.gd\")",
            "base",
            1,
        ),
        ("extends \"res://x/base.gd\".Inner", "inner", 1),
        ("extends Base.Inner", "inner", 1),
        ("extends Base.Inner.Deep", "deep", 2),
    ] {
        let scene = scene_with_script("res://main.gd");
        let texts = [
            ("res://main.tscn", &*scene),
            ("res://main.gd", extends),
            ("res://x/base.gd", base),
        ];
        let project = read(&texts).unwrap();
        assert_eq!(warnings(&project), [""; 0], "{extends}");
        assert_eq!(project.nodes[0].methods.len(), count, "{extends}");
        assert_eq!(project.nodes[0].methods[0].name, name, "{extends}");
    }
}

#[test]
fn a_script_that_is_no_node_gives_a_node_nothing() {
    let project = with_script("@rpc func a(): pass\n");
    assert!(project.nodes[0].methods.is_empty());
    assert_eq!(
        warnings(&project),
        ["res://main.gd: the script extends RefCounted, which is no node"]
    );
}

#[test]
fn what_is_missing_or_foreign_is_named_where_it_is_used() {
    let main = "[gd_scene]\n[ext_resource type=\"Script\" path=\"res://gone.gd\" id=\"1\"]\n\
        [ext_resource type=\"PackedScene\" path=\"res://model.glb\" id=\"2\"]\n\
        [node name=\"Main\" type=\"Node\"]\nscript = ExtResource(\"1\")\n\
        [node name=\"Model\" parent=\".\" instance=ExtResource(\"2\")]\n\
        [node name=\"Bone\" parent=\"Model\"]\n\
        [node name=\"Lost\" type=\"Node\" parent=\"Nowhere\"]\n\
        [node name=\"S\" type=\"MultiplayerSpawner\" parent=\".\"]\n\
        _spawnable_scenes = PackedStringArray(\"res://gone.tscn\", \"uid://unknown\")\nspawn_path = NodePath(\"../X\")\n\
        [node name=\"Y\" type=\"MultiplayerSynchronizer\" parent=\".\"]\n\
        replication_config = SubResource(\"none\")\n";
    let project = read(&[("res://main.tscn", main)]).unwrap();
    let expected = [
        "res://main.tscn:5: \"res://gone.gd\" does not exist",
        "res://main.tscn:6: \"res://model.glb\" is in a format that is not read",
        "res://main.tscn:7: the node \"Bone\" is changed, but is not in the scene",
        "res://main.tscn:8: the parent \"Nowhere\" of a node is not in the scene",
        "res://main.tscn:9: spawn_path is \"../X\", which leads to no known node",
        "res://main.tscn:10: \"res://gone.tscn\" does not exist",
        "res://main.tscn:10: no file has \"uid://unknown\"",
        "res://main.tscn:12: the synchronizer has no replication_config",
        "res://main.tscn:13: the resource \"none\" is not declared in this file",
    ];
    assert_eq!(warnings(&project), expected);
    let spawner = project.node("Main/S").unwrap().spawner.as_ref().unwrap();
    // The second entry keeps its number.
    assert_eq!(spawner.scenes.len(), 2);
}

#[test]
fn entries_of_a_configuration_are_taken_as_the_engine_takes_them() {
    let main = "[gd_scene]\n[sub_resource type=\"SceneReplicationConfig\" id=\"1\"]\n\
        properties/0/path = NodePath(\".:a\")\nproperties/1/path = NodePath(\".:a\")\n\
        properties/1/path = NodePath(\"Child\")\nproperties/1/path = NodePath(\".:b:x\")\n\
        properties/1/watch = true\nproperties/1/sync = false\nproperties/0/replication_mode = 9\n\
        properties/99999999999999999999/spawn = true\n\
        [node name=\"Main\" type=\"Node\"]\n\
        [node name=\"S\" type=\"MultiplayerSynchronizer\" parent=\".\"]\nreplication_config = SubResource(\"1\")\n";
    let project = read(&[("res://main.tscn", main)]).unwrap();
    let synchronizer = project
        .node("Main/S")
        .unwrap()
        .synchronizer
        .clone()
        .unwrap();
    let properties: Vec<_> = synchronizer
        .properties
        .iter()
        .map(|property| (property.path.to_string(), property.spawn, property.mode))
        .collect();
    let expected = [
        (".:a".to_string(), true, ReplicationMode::Always),
        (".:b:x".to_string(), true, ReplicationMode::OnChange),
    ];
    assert_eq!(properties, expected);
    let dropped = |warning: &&Warning| matches!(warning.kind, WarningKind::BadEntry(_));
    let count = project.warnings.iter().filter(dropped).count();
    assert_eq!(count, 4, "{:?}", warnings(&project));
    // Nothing declares the variables.
    assert_eq!(project.warnings.len(), 4 + 2, "{:?}", warnings(&project));
}

#[test]
fn the_first_value_of_a_property_is_known_or_warned_of() {
    let script = "extends Node2D\nvar known = Vector2.UP\nvar computed = known * 2\n";
    let config = |paths: &[&str]| {
        let entries = paths.iter().enumerate();
        let entry = |(at, path)| format!("properties/{at}/path = NodePath(\"{path}\")\n");
        let entries: String = entries.map(entry).collect();
        format!("[sub_resource type=\"SceneReplicationConfig\" id=\"1\"]\n{entries}")
    };
    let main = format!(
        "[gd_scene]\n[ext_resource type=\"Script\" path=\"res://main.gd\" id=\"1\"]\n{}\
        [node name=\"Main\" type=\"Node2D\"]\nposition = Vector2(1, 2)\nscript = ExtResource(\"1\")\n\
        [node name=\"Label\" type=\"Label\" parent=\".\"]\n\
        [node name=\"S\" type=\"MultiplayerSynchronizer\" parent=\".\"]\nreplication_config = SubResource(\"1\")\n",
        config(&[
            ".:position:y",
            ".:rotation",
            ".:known",
            "Label:visible",
            ".:transform",
            ".:computed",
            "Label:size",
            ".:nothing",
            ".:position:q",
        ]),
    );
    let project = read(&[("res://main.tscn", &main), ("res://main.gd", script)]).unwrap();
    let node = project.node("Main/S").unwrap();
    let initial = &node.synchronizer.as_ref().unwrap().initial;
    let values: Vec<Option<String>> = initial
        .iter()
        .map(|initial| Some(text::to_text(initial.value.as_ref()?)))
        .collect();
    let known = ["2.0", "0.0", "Vector2(0, -1)", "true"].map(|text| Some(text.to_string()));
    assert_eq!(values, [&known[..], &[const { None }; 5]].concat());
    let expected: Vec<String> = [".:computed", ".:nothing", ".:position:q", ".:transform", "Label:size"]
        .map(|path| {
            format!("res://main.tscn:17: the first value of {path:?} is not known: set it before peers see it")
        })
        .into();
    assert_eq!(warnings(&project), expected);
}

#[test]
fn only_projects_of_godot_4_are_read() {
    let texts = [("res://project.godot", "config_version=4\n")];
    let error = Project::from_texts(texts, &Limits::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "res://project.godot:1: not a project of Godot 4: config_version is 4, not 5"
    );
    let error = Project::from_texts([("res://x.gd", "")], &Limits::default()).unwrap_err();
    assert_eq!(error.kind, ProjectErrorKind::NoProject);
}
