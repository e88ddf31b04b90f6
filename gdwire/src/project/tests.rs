//! The reader on texts in memory: what it follows, what it warns about, what it refuses.

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

#[test]
fn a_file_that_breaks_off_is_an_error_with_its_line() {
    let main = scene_with_script("res://main.gd");
    for (path, text, expected) in [
        (
            "res://main.tscn",
            "[gd_scene]\n[node name=\"A",
            "res://main.tscn:2: string without an end",
        ),
        (
            "res://main.tscn",
            "[gd_scene]\n[node name=\"A\"",
            "res://main.tscn:2: expected a closing bracket",
        ),
        (
            "res://main.tscn",
            "[gd_scene]\n[node name=\"A\"]\n\nx = [1, (2)\n",
            "res://main.tscn:4: expected a closing bracket",
        ),
        (
            "res://main.tscn",
            "[gd_scene]\nwhat is this",
            "res://main.tscn:2: expected '='",
        ),
        (
            "res://main.tscn",
            "[gd_scene]\n[node type=\"A\"]",
            "res://main.tscn:2: expected a node with a name",
        ),
        (
            "res://main.gd",
            "extends Node\nfunc a(\n",
            "res://main.gd:2: expected a closing bracket",
        ),
        (
            "res://main.gd",
            "extends Node\n\nvar a = \"\"\"x\n",
            "res://main.gd:3: expected a closing quote",
        ),
    ] {
        let texts = [("res://main.tscn", &*main), (path, text)];
        let error = read(&texts).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

// req: HB-8
#[test]
fn scenes_that_contain_or_inherit_themselves_are_refused() {
    let contains = scene_around("res://main.tscn");
    let error = read(&[("res://main.tscn", &contains)]).unwrap_err();
    assert_eq!(
        error.kind,
        ProjectErrorKind::SceneCycle("res://main.tscn".into())
    );
    assert_eq!(error.place.line, 4);

    let inherits = |path: &str| {
        format!(
            "[gd_scene]\n[ext_resource path=\"{path}\" id=\"1\"]\n[node name=\"A\" instance=ExtResource(\"1\")]\n"
        )
    };
    let (main, other) = (inherits("res://other.tscn"), inherits("res://main.tscn"));
    let error = read(&[("res://main.tscn", &main), ("res://other.tscn", &other)]).unwrap_err();
    assert_eq!(
        error.kind,
        ProjectErrorKind::SceneCycle("res://main.tscn".into())
    );
    assert_eq!(error.place.file, "res://other.tscn");
}

// req: HB-8
#[test]
fn scripts_that_extend_themselves_are_refused() {
    let main = scene_with_script("res://a.gd");
    let texts = [
        ("res://main.tscn", &*main),
        ("res://a.gd", "extends \"res://b.gd\"\n"),
        ("res://b.gd", "class_name B\nextends \"res://a.gd\"\n"),
    ];
    let error = read(&texts).unwrap_err();
    assert_eq!(
        error.to_string(),
        "res://b.gd:2: the script \"res://a.gd\" extends itself"
    );
}

// req: HB-8
#[test]
fn scenes_that_multiply_hit_the_limit_of_nodes() {
    let mut texts: Vec<(String, String)> = Vec::new();
    for level in 0..40 {
        let path = format!("res://{level}.tscn");
        texts.push((path, scene_around(&format!("res://{}.tscn", level + 1))));
    }
    texts.push((
        "res://40.tscn".into(),
        "[gd_scene]\n[node name=\"Leaf\" type=\"Node\"]\n".into(),
    ));
    texts.push(("res://main.tscn".into(), scene_around("res://0.tscn")));
    texts.push(("res://project.godot".into(), SETTINGS.into()));
    let limits = Limits::default();
    let error = Project::from_texts(texts, &limits).unwrap_err();
    assert_eq!(error.kind, ProjectErrorKind::TooManyNodes(limits.nodes));
}

// req: HB-8
#[test]
fn depth_is_limited_everywhere() {
    let limits = Limits {
        depth: 8,
        ..Limits::default()
    };
    // Nodes below nodes.
    let mut main = "[gd_scene]\n[node name=\"A\" type=\"Node\"]\n".to_string();
    let mut parent = ".".to_string();
    for _ in 0..10 {
        main += &format!("[node name=\"A\" type=\"Node\" parent=\"{parent}\"]\n");
        parent += "/A";
    }
    let error = read_within(&limits, &[("res://main.tscn", &main)]).unwrap_err();
    assert_eq!(error.kind, ProjectErrorKind::TooDeep(8));

    // Scripts above scripts, scenes inside scenes.
    let mut texts: Vec<(String, String)> = Vec::new();
    for level in 0..10 {
        let above = format!("extends \"res://{}.gd\"\n", level + 1);
        texts.push((format!("res://{level}.gd"), above));
        let around = scene_around(&format!("res://{}.tscn", level + 1));
        texts.push((format!("res://{level}.tscn"), around));
    }
    for main in [
        scene_with_script("res://0.gd"),
        scene_around("res://0.tscn"),
    ] {
        let mut texts = texts.clone();
        texts.push(("res://main.tscn".into(), main));
        texts.push(("res://project.godot".into(), SETTINGS.into()));
        let error = Project::from_texts(texts, &limits).unwrap_err();
        assert_eq!(error.kind, ProjectErrorKind::TooDeep(8));
    }

    // Brackets inside a value that is asked for.
    let main = format!(
        "[gd_scene]\n[node name=\"A\" type=\"Node\"]\nscript = {}1{}\n",
        "[".repeat(9000),
        "]".repeat(9000)
    );
    let error = read(&[("res://main.tscn", &main)]).unwrap_err();
    assert!(matches!(error.kind, ProjectErrorKind::Value(_)), "{error}");
}

// req: HB-8
#[test]
fn sizes_and_numbers_are_limited() {
    let main = scene_with_script("res://main.gd");
    let script = format!("extends Node\n# {}\n", "x".repeat(200));
    let texts = [("res://main.tscn", &*main), ("res://main.gd", &*script)];
    let limits = Limits {
        script_bytes: 100,
        ..Limits::default()
    };
    let kind = read_within(&limits, &texts).unwrap_err().kind;
    assert_eq!(kind, ProjectErrorKind::TooLarge(100));

    let limits = Limits {
        total_bytes: 300,
        ..Limits::default()
    };
    let kind = read_within(&limits, &texts).unwrap_err().kind;
    assert_eq!(kind, ProjectErrorKind::TooManyBytes(300));

    let limits = Limits {
        entries: 2,
        ..Limits::default()
    };
    let kind = read_within(&limits, &texts).unwrap_err().kind;
    assert_eq!(kind, ProjectErrorKind::TooManyEntries(2));

    let limits = Limits {
        path_bytes: 3,
        ..Limits::default()
    };
    let kind = read_within(&limits, &texts).unwrap_err().kind;
    assert_eq!(kind, ProjectErrorKind::PathTooLong(3));

    let limits = Limits {
        warnings: 2,
        ..Limits::default()
    };
    let script =
        "extends Node\n@rpc(1) func a(): pass\n@rpc(1) func b(): pass\n@rpc(1) func c(): pass\n";
    let texts = [("res://main.tscn", &*main), ("res://main.gd", script)];
    assert_eq!(read_within(&limits, &texts).unwrap().warnings.len(), 2);
}

// req: HB-8
#[test]
fn constants_and_calls_that_multiply_end() {
    let mut script = "extends Node\nconst C0 = \"x\"\n".to_string();
    for level in 1..60 {
        script += &format!("const C{level} = C{0} + C{0}\n", level - 1);
    }
    script += "const LOOP = LOOP + LOOP\n@rpc(C59, LOOP) func a(): pass\n";
    let mut inits = "func _ready():\n".to_string();
    inits += &"\trpc_config(\"m\", {})\n".repeat(20_000);
    let project = with_script(&(script + &inits));
    assert_eq!(project.nodes[0].methods.len(), 2);
    // One for each argument of `@rpc`, and one for each call that was looked at.
    assert_eq!(project.warnings.len(), Limits::default().warnings);
}

#[test]
fn paths_stay_in_the_project() {
    let place = Place::file("res://a/b.gd");
    let resolve = |text: &str| files::resolve(text, Some("res://a/b.gd"), &place);
    for (text, expected) in [
        ("res://x//./y.gd", "res://x/y.gd"),
        ("res://x/../y.gd", "res://y.gd"),
        ("c.gd", "res://a/c.gd"),
        ("../c.gd", "res://c.gd"),
    ] {
        assert_eq!(resolve(text).unwrap(), expected);
    }
    for text in [
        "res://..",
        "res://../x",
        "../../x",
        "/etc/passwd",
        "res:///etc/passwd",
        "res://C:/x",
        "user://x",
        "http://x/y",
        "a\\..\\..\\x",
    ] {
        assert!(resolve(text).is_err(), "{text}");
    }
}
