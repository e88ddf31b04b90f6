//! The reader of Godot projects on files: the project under `projects/arena`, and folders that try to lead it out.

use gdwire::Value;
use gdwire::project::{
    Limits, Project, ProjectErrorKind, ProjectNode, ReplicationMode, SyncProperty, WarningKind,
};
use gdwire::session::{Config, RpcMode, Session, SpawnConfig, TransferMode};
use gdwire::variant::ValueType;
use std::fs;
use std::path::{Path, PathBuf};

fn arena() -> Project {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/projects/arena");
    Project::load(folder, &Limits::default()).unwrap()
}

fn names(node: &ProjectNode) -> Vec<(u16, &str)> {
    let methods = node.methods.iter();
    methods
        .map(|method| (method.id, method.name.as_str()))
        .collect()
}

#[test]
fn the_tree_is_that_of_the_running_game() {
    let project = arena();
    assert_eq!(project.name.as_deref(), Some("Arena"));
    assert_eq!(project.main_scene.as_deref(), Some("res://main.tscn"));
    let paths: Vec<&str> = project
        .nodes
        .iter()
        .map(|node| node.path.as_str())
        .collect();
    let expected = [
        "Net",
        "Hud",
        "Hud/Clock",
        "Main",
        "Main/Units",
        "Main/Units/Boss",
        "Main/Units/Boss/First",
        "Main/Units/Boss/Turret",
        "Main/Units/Boss/Turret/Gun",
        "Main/Units/Boss/Sync",
        "Main/Spawner",
    ];
    assert_eq!(paths, expected);
    assert_eq!(project.warnings, []);
}

#[test]
fn methods_are_numbered_by_code_point_with_those_of_the_node_apart() {
    let project = arena();
    let net = project.node("Net").unwrap();
    assert_eq!(names(net), [(0, "chat"), (0x8000, "kicked")]);
    let [chat, kicked] = &*net.methods else {
        panic!("two methods");
    };
    assert_eq!(
        (chat.mode, chat.channel, chat.call_local),
        (RpcMode::AnyPeer, 3, true)
    );
    assert_eq!(
        (kicked.mode, kicked.channel, kicked.transfer),
        (RpcMode::Authority, 2, TransferMode::Reliable)
    );
    let arguments = chat.arguments.as_ref().unwrap();
    assert_eq!((arguments.required, arguments.most), (1, Some(2)));
    assert_eq!(arguments.types, [Some(ValueType::String), None]);

    let boss = project.node("Main/Units/Boss").unwrap();
    assert_eq!(names(boss), [(0, "Aim"), (1, "die"), (2, "steer")]);
}

#[test]
fn a_derived_annotation_replaces_the_inherited_one_and_a_derived_function_does_not() {
    let project = arena();
    let boss = project.node("Main/Units/Boss").unwrap();
    let die = &boss.methods[1];
    assert_eq!((die.mode, die.call_local), (RpcMode::AnyPeer, true));
    assert_eq!(
        (die.place.file.as_str(), die.place.line),
        ("res://units/tank.gd", 8)
    );
    let steer = &boss.methods[2];
    assert_eq!(steer.transfer, TransferMode::UnreliableOrdered);
    assert_eq!((steer.mode, steer.channel), (RpcMode::AnyPeer, 1));
    assert_eq!(steer.place.file, "res://units/unit.gd");
}

#[test]
fn spawners_list_scenes_in_order_and_templates_have_their_nodes() {
    let project = arena();
    let spawner = project
        .node("Main/Spawner")
        .unwrap()
        .spawner
        .clone()
        .unwrap();
    let scenes: Vec<&str> = spawner.scenes.iter().map(|scene| &**scene).collect();
    assert_eq!(scenes, ["res://units/unit.tscn", "res://units/tank.tscn"]);
    assert_eq!(spawner.parent.as_deref(), Some("Main/Units"));
    assert_eq!(spawner.spawn_limit, 20);

    let tank = project.scene("res://units/tank.tscn").unwrap();
    let paths: Vec<&str> = tank.nodes.iter().map(|node| node.path.as_str()).collect();
    assert_eq!(paths, [".", "First", "Turret", "Turret/Gun", "Sync"]);
    assert!(tank.scene().is_ok());
}

#[test]
fn a_session_takes_the_whole_project_and_spawns_from_it() {
    let project = arena();
    let mut session = Session::new(Config::server()).unwrap();
    for scene in &project.scenes {
        session.add_scene(&scene.scene().unwrap()).unwrap();
    }
    for node in project.node_configs() {
        session.add_node(node).unwrap();
    }
    let spawner = session.node("Main/Spawner").unwrap();
    let spawn = SpawnConfig::scene_path("res://units/tank.tscn", "Tank");
    let tank = session.spawn(spawner, spawn).unwrap();
    assert_eq!(session.node("Main/Units/Tank"), Some(tank));
    assert_eq!(session.property(tank, ".:hp"), Some(&Value::Int(250)));
    assert!(session.node("Main/Units/Boss").is_some());
}

#[test]
fn properties_keep_their_order_modes_and_first_values() {
    let project = arena();
    let boss = project.node("Main/Units/Boss/Sync").unwrap();
    let boss = boss.synchronizer.as_ref().unwrap();
    assert_eq!(boss.root.as_deref(), Some("Main/Units/Boss"));
    assert!(!boss.public_visibility);
    assert_eq!(boss.delta_interval, 0.25);
    let paths = |properties: Vec<&SyncProperty>| {
        let paths = properties.into_iter();
        paths
            .map(|property| property.path.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        paths(boss.spawn_properties().collect()),
        [".:position", ".:hp", ".:title"]
    );
    assert_eq!(paths(boss.sync_properties().collect()), [".:position"]);
    assert_eq!(
        paths(boss.watch_properties().collect()),
        [".:hp", "Turret:rotation"]
    );
    assert_eq!(boss.properties[3].mode, ReplicationMode::Never);
    let values: Vec<String> = boss
        .initial
        .iter()
        .map(|initial| initial.value.as_ref().unwrap().to_string())
        .collect();
    assert_eq!(values, ["Vector2(1, 2)", "250", "1.0", "\"boss\""]);
    assert_eq!(boss.initial[1].kind, Some(ValueType::Int));
}

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, main: &str) -> Self {
        let name = format!("gdwire-project-{name}-{}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(folder.project()).unwrap();
        fs::write(
            folder.project().join("project.godot"),
            "config_version=5\n[application]\nrun/main_scene=\"res://main.tscn\"\n",
        )
        .unwrap();
        fs::write(folder.project().join("main.tscn"), main).unwrap();
        fs::write(
            folder.0.join("secret.tscn"),
            "[gd_scene]\n[node name=\"Secret\" type=\"Node\"]\n",
        )
        .unwrap();
        folder
    }

    fn project(&self) -> PathBuf {
        self.0.join("project")
    }

    fn load(&self) -> Result<Project, ProjectErrorKind> {
        Project::load(self.project(), &Limits::default()).map_err(|error| error.kind)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const MAIN_WITH_CHILD: &str = "[gd_scene]\n[ext_resource type=\"PackedScene\" path=\"PATH\" id=\"1\"]\n\
    [node name=\"Main\" type=\"Node\"]\n[node name=\"Child\" parent=\".\" instance=ExtResource(\"1\")]\n";

// req: HB-8
#[test]
fn a_path_with_dots_does_not_leave_the_project() {
    let main = MAIN_WITH_CHILD.replace("PATH", "res://../secret.tscn");
    let folder = Folder::new("dots", &main);
    let expected = ProjectErrorKind::OutsideProject("res://../secret.tscn".into());
    assert_eq!(folder.load().unwrap_err(), expected);
}

// req: HB-8
#[cfg(unix)]
#[test]
fn a_symbolic_link_does_not_leave_the_project() {
    let main = MAIN_WITH_CHILD.replace("PATH", "res://inside.tscn");
    let folder = Folder::new("link", &main);
    let link = folder.project().join("inside.tscn");
    std::os::unix::fs::symlink(Path::new("../secret.tscn"), link).unwrap();
    let expected = ProjectErrorKind::OutsideProject("res://inside.tscn".into());
    assert_eq!(folder.load().unwrap_err(), expected);
}

// req: HB-8
#[cfg(unix)]
#[test]
fn a_linked_folder_outside_is_left_out_with_a_warning() {
    let folder = Folder::new(
        "linked-folder",
        "[gd_scene]\n[node name=\"Main\" type=\"Node\"]\n",
    );
    std::os::unix::fs::symlink(&folder.0, folder.project().join("up")).unwrap();
    let project = folder.load().unwrap();
    assert_eq!(project.warnings.len(), 1);
    assert_eq!(project.warnings[0].place.file, "res://up");
    assert_eq!(project.warnings[0].kind, WarningKind::LinkOutside);
}

#[test]
fn a_folder_without_a_project_is_an_error_that_names_it() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/projects");
    let error = Project::load(folder, &Limits::default()).unwrap_err();
    assert_eq!(error.kind, ProjectErrorKind::NoProject);
    assert!(error.to_string().contains("tests/projects"), "{error}");
}
