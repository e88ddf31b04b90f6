//! What our reader makes of a Godot project, against what the engine makes of it and says on the wire.
//!
//! Projects are made at random. The engine runs each with an autoload that prints tables and packets.

#[path = "godot_project/generate.rs"]
mod generate;

use gdwire::project::{
    Limits, Project, ProjectNode, ReplicationMode, VisibilityUpdate, Warning, WarningKind,
};
use interop::engine;
use proto_core::Instant;
use replication_proto::packet::{Command, RemoteCall, SimplifyPath, Spawn};
use replication_proto::variant::{compact, text};
use replication_proto::{Config, Event, Incoming, PeerId, RpcMode, Session, TransferMode};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process;

/// Projects that are compared, by seed. In the last one a synchronizer is moved among its siblings.
const PROJECTS: [u8; 9] = [0, 1, 2, 3, 4, 5, 6, 7, 78];

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn with(files: &generate::Files, seed: u8) -> Self {
        let name = format!("gdwire-project-{}-{seed}", process::id());
        let folder = Self(std::env::temp_dir().join(name));
        for (path, text) in files {
            let path = folder.0.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What the engine prints about the project in a folder, and what it complains about.
fn engine_report(engine: &Path, folder: &Path) -> (Vec<Json>, String) {
    let output = process::Command::new(engine)
        .args(["--headless", "--quit-after", "2000", "--path"])
        .arg(folder)
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Json> = lines
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let noise = String::from_utf8_lossy(&output.stderr).into_owned();
    let is_complete = events.last().is_some_and(|event| event["event"] == "end");
    assert!(
        is_complete,
        "the engine did not come to the end:\n{lines}\n{noise}"
    );
    (events, noise)
}

fn bytes(hex: &Json) -> Vec<u8> {
    let hex = hex.as_str().unwrap().as_bytes();
    let digit = |digit: u8| char::from(digit).to_digit(16).unwrap();
    hex.chunks(2)
        .map(|pair| u8::try_from(digit(pair[0]) << 4 | digit(pair[1])).unwrap())
        .collect()
}

/// Compares one node. `root` is where the engine has the scene that `ours` is a part of.
fn compare_node(ours: &ProjectNode, theirs: &Json, root: Option<&str>) {
    let place = |path: &str| match (root, path) {
        (None, path) => path.to_owned(),
        (Some(root), ".") => root.to_owned(),
        (Some(root), path) => format!("{root}/{path}"),
    };
    let path = place(&ours.path);
    assert_eq!(path, theirs["path"].as_str().unwrap());
    assert_eq!(&*ours.class, theirs["class"].as_str().unwrap(), "{path}");
    compare_tables(ours, theirs, &path);
    compare_calls(ours, theirs, &path);
    let resolved = |ours: &Option<String>| ours.as_deref().map(place);
    if let Some(spawner) = &ours.spawner {
        let theirs = &theirs["spawner"];
        let scenes: Vec<&str> = spawner.scenes.iter().map(|scene| &**scene).collect();
        assert_eq!(theirs["scenes"], Json::from(scenes), "{path}");
        assert_eq!(theirs["limit"], spawner.spawn_limit, "{path}");
        assert_eq!(
            theirs["parent"].as_str().map(str::to_owned),
            resolved(&spawner.parent),
            "{path}"
        );
    }
    if let Some(synchronizer) = &ours.synchronizer {
        let theirs = &theirs["synchronizer"];
        assert_eq!(
            theirs["root"].as_str().map(str::to_owned),
            resolved(&synchronizer.root),
            "{path}"
        );
        assert_eq!(
            theirs["interval"], synchronizer.replication_interval,
            "{path}"
        );
        assert_eq!(theirs["delta"], synchronizer.delta_interval, "{path}");
        assert_eq!(theirs["public"], synchronizer.public_visibility, "{path}");
        let update = match synchronizer.visibility_update {
            VisibilityUpdate::Idle => 0,
            VisibilityUpdate::Physics => 1,
            VisibilityUpdate::None => 2,
        };
        assert_eq!(theirs["update"], update, "{path}");
        compare_properties(ours, &theirs["properties"], &path);
    }
}

fn compare_properties(ours: &ProjectNode, theirs: &Json, path: &str) {
    let synchronizer = ours.synchronizer.as_ref().unwrap();
    let theirs = theirs.as_array().unwrap();
    assert_eq!(theirs.len(), synchronizer.properties.len(), "{path}");
    let properties = synchronizer.properties.iter().zip(&synchronizer.initial);
    for ((property, initial), theirs) in properties.zip(theirs) {
        let mode = match property.mode {
            ReplicationMode::Never => 0,
            ReplicationMode::Always => 1,
            ReplicationMode::OnChange => 2,
        };
        assert_eq!(theirs["path"], property.path.to_string(), "{path}");
        assert_eq!(theirs["spawn"], property.spawn, "{path} {}", property.path);
        assert_eq!(theirs["mode"], mode, "{path} {}", property.path);
        let value = initial.value.as_ref();
        let value = value.unwrap_or_else(|| panic!("{path}: {} is unknown", property.path));
        assert_eq!(
            theirs["value"],
            text::to_text(value),
            "{path} {}",
            property.path
        );
    }
}

/// The tables as the engine prints them.
fn compare_tables(ours: &ProjectNode, theirs: &Json, path: &str) {
    let mut methods = ours.methods.iter();
    for (table, bit) in [("script", 0), ("node", 0x8000)] {
        let Some(theirs_table) = theirs["tables"][table].as_object() else {
            continue;
        };
        let mut names: Vec<&String> = theirs_table.keys().collect();
        names.sort();
        for (index, name) in names.into_iter().enumerate() {
            let method = methods
                .next()
                .unwrap_or_else(|| panic!("{path} lacks {name}"));
            assert_eq!(
                (&method.name, usize::from(method.id)),
                (name, index | bit),
                "{path}"
            );
            let config = &theirs_table[name];
            let mode = match config["rpc_mode"].as_i64() {
                Some(1) => RpcMode::AnyPeer,
                Some(2) => RpcMode::Authority,
                _ => RpcMode::Disabled,
            };
            let transfer = match config["transfer_mode"].as_i64() {
                Some(0) => TransferMode::Unreliable,
                Some(1) => TransferMode::UnreliableOrdered,
                _ => TransferMode::Reliable,
            };
            let found = (
                method.mode,
                method.transfer,
                i64::from(method.channel),
                method.call_local,
            );
            let channel = config["channel"].as_i64().unwrap_or(0);
            let call_local = config["call_local"].as_bool().unwrap_or(false);
            assert_eq!(
                found,
                (mode, transfer, channel, call_local),
                "{path} {name}"
            );
            let count = theirs["argument_counts"][name].as_u64();
            let known = method
                .arguments
                .as_ref()
                .map(|arguments| arguments.types.len() as u64);
            assert_eq!(known, count, "{path} {name}");
        }
    }
    assert_eq!(methods.next(), None, "{path} has more than the engine");
}

/// Numbers and checksum as the engine sends them.
fn compare_calls(ours: &ProjectNode, theirs: &Json, path: &str) {
    let mut announced = false;
    for (name, packets) in theirs["calls"].as_object().unwrap() {
        let id = ours.table.find(name).map(|(id, _)| id.value());
        let mut called = None;
        for packet in packets.as_array().unwrap() {
            let packet = bytes(packet);
            match Command::of(packet[0]) {
                Command::SimplifyPath => {
                    let announcement = SimplifyPath::decode(&packet).unwrap();
                    assert_eq!(announcement.path, path);
                    assert_eq!(announcement.checksum, ours.table.checksum(), "{path}");
                    announced = true;
                }
                Command::RemoteCall => {
                    let call = RemoteCall::decode(&packet).unwrap();
                    called = Some(call.method);
                }
                other => panic!("{path} {name}: {other}"),
            }
        }
        assert_eq!(called, id, "{path} {name}: what the engine called");
    }
    assert_eq!(announced, !ours.table.is_empty(), "{path}");
}

/// A client that has the whole project, as a peer of the engine.
fn client(project: &Project) -> Session {
    let mut client = Session::new(Config::client(PeerId::new(2).unwrap())).unwrap();
    for scene in &project.scenes {
        client.add_scene(&scene.scene().unwrap()).unwrap();
    }
    for node in project.node_configs() {
        client.add_node(node).unwrap();
    }
    assert!(
        client
            .handle_peer_connected(Instant::ZERO, PeerId::SERVER)
            .is_accepted()
    );
    client
}

/// Lets a client follow the engine's packets about one spawn; gives the path of the node that it then has.
fn followed(project: &Project, packets: &[Vec<u8>], spawner: &str) -> String {
    let mut client = client(project);
    // The engine announces a spawner once, and each time here is a client of its own.
    let announcement = packets
        .iter()
        .any(|packet| Command::of(packet[0]) == Command::SimplifyPath);
    let spawn = packets
        .iter()
        .find(|packet| Command::of(packet[0]) == Command::Spawn)
        .unwrap();
    let mut all = packets.to_vec();
    if !announcement {
        let id = Spawn::decode(spawn).unwrap().spawner;
        let checksum = project.node(spawner).unwrap().table.checksum();
        let mut bytes = Vec::new();
        SimplifyPath::new(checksum, id, spawner).encode(&mut bytes);
        all.insert(0, bytes);
    }
    for packet in all {
        let incoming = Incoming {
            from: PeerId::SERVER,
            mode: TransferMode::Reliable,
            channel: 0,
            packet: packet.into(),
        };
        let verdict = client.handle_packet(Instant::ZERO, incoming);
        assert!(verdict.is_accepted(), "{spawner}: {verdict:?}");
    }
    while let Some(event) = client.poll_event() {
        if let Event::Spawned(spawned) = event {
            return spawned.path.to_string();
        }
    }
    panic!("{spawner}: nothing was spawned");
}

/// A scene that a spawner of the engine brought in: its nodes, and the packet that says so.
fn compare_spawn(project: &Project, theirs: &Json) {
    let path = theirs["scene"].as_str().unwrap();
    let template = project.scene(path).expect("listed by a spawner");
    let root = theirs["root"].as_str().unwrap();
    let nodes = theirs["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), template.nodes.len(), "{path}");
    for (ours, theirs) in template.nodes.iter().zip(nodes) {
        compare_node(ours, theirs, Some(root));
    }
    let packets: Vec<Vec<u8>> = theirs["packets"]
        .as_array()
        .unwrap()
        .iter()
        .map(bytes)
        .collect();
    let packet = packets
        .iter()
        .find(|packet| Command::of(packet[0]) == Command::Spawn)
        .unwrap_or_else(|| panic!("{path}: no SPAWN in {packets:02x?}"));
    let spawn = Spawn::decode(packet).unwrap();
    assert_eq!(u64::from(spawn.scene), theirs["index"].as_u64().unwrap());
    assert_eq!(Some(spawn.name), root.rsplit('/').next());
    let synchronizers = template.spawn_synchronizers();
    assert_eq!(spawn.synchronizers.len(), synchronizers.len(), "{path}");
    let mut state = Vec::new();
    for synchronizer in synchronizers
        .iter()
        .filter_map(|node| node.synchronizer.as_ref())
    {
        let properties = synchronizer.properties.iter().zip(&synchronizer.initial);
        for (_, initial) in properties.filter(|(property, _)| property.spawn) {
            compact::encode(initial.value.as_ref().expect("known"), &mut state).unwrap();
        }
    }
    assert_eq!(spawn.state, state, "{path}");
    let spawner = theirs["spawner"].as_str().unwrap();
    assert_eq!(followed(project, &packets, spawner), root);
}

/// Nodes of the engine's classes whose properties begin with what the engine, a scene or a script gives them.
const FIRST_VALUES: [(&str, &str); 4] = [
    (
        "project.godot",
        "config_version=5\n\n[application]\n\nrun/main_scene=\"res://main.tscn\"\n\n[autoload]\n\nProbe=\"*res://probe.gd\"\n",
    ),
    ("body.gd", include_str!("godot_project/body.gd")),
    ("main.tscn", include_str!("godot_project/main.tscn")),
    ("probe.gd", include_str!("godot_project/probe.gd")),
];

#[test]
fn properties_begin_with_the_values_that_the_engine_gives_them() {
    let Some(engine) = engine::installed() else {
        return;
    };
    let files = FIRST_VALUES.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let folder = Folder::with(&files.into(), u8::MAX);
    let project = Project::load(&folder.0, &Limits::default()).unwrap();
    let (events, noise) = engine_report(&engine, &folder.0);
    assert_eq!(project.warnings, [], "{noise}");
    let theirs = events.iter().filter(|event| event["event"] == "node");
    let ours = project.nodes.iter().filter(|node| node.path != "Probe");
    let mut properties = 0;
    for (ours, theirs) in ours.zip(theirs) {
        compare_node(ours, theirs, None);
        let synchronizer = ours.synchronizer.as_ref();
        properties += synchronizer.map_or(0, |synchronizer| synchronizer.properties.len());
    }
    assert_eq!(properties, 30, "{noise}");
}

#[test]
fn the_table_of_first_values_is_what_the_engine_prints() {
    let Some(engine) = engine::installed() else {
        return;
    };
    let files = [
        (
            "project.godot",
            "config_version=5\n\n[application]\n\nrun/main_scene=\"res://main.tscn\"\n",
        ),
        (
            "main.tscn",
            "[gd_scene load_steps=2 format=3]\n\n[ext_resource type=\"Script\" path=\"res://defaults.gd\" id=\"1\"]\n\n[node name=\"Main\" type=\"Node\"]\nscript = ExtResource(\"1\")\n",
        ),
        ("defaults.gd", include_str!("godot_project/defaults.gd")),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let folder = Folder::with(&files.into(), u8::MAX - 1);
    let output = process::Command::new(&engine)
        .args(["--headless", "--quit-after", "2000", "--path"])
        .arg(&folder.0)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let theirs = by_class(&printed);
    let ours = by_class(include_str!("../../gdwire/src/project/defaults.txt"));
    // Modules that an engine was built without, and classes of the modules for headsets, are not compared.
    let common = ours.iter().filter(|(class, _)| theirs.contains_key(*class));
    let mut count = 0;
    for (class, lines) in common {
        count += 1;
        assert_eq!(lines, &theirs[class], "{class}");
    }
    assert!(count > 200, "{count}");
}

/// The lines of each class, by its name.
fn by_class(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut classes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut class = "";
    for line in text.lines() {
        match line.split_once('<') {
            Some((name, _)) if !line.starts_with(' ') => class = name,
            _ if line.starts_with(' ') => {}
            _ => continue,
        }
        classes.entry(class).or_default().push(line);
    }
    classes
}

#[test]
fn random_projects_are_read_as_the_engine_reads_them() {
    let Some(engine) = engine::installed() else {
        return;
    };
    let (mut methods, mut properties, mut spawns, mut number_only) = (0, 0, 0, 0);
    for seed in PROJECTS {
        let mut files = generate::project(seed);
        files.insert(
            "probe.gd".into(),
            include_str!("godot_project/probe.gd").into(),
        );
        let folder = Folder::with(&files, seed);
        let project = Project::load(&folder.0, &Limits::default()).unwrap();
        let (events, noise) = engine_report(&engine, &folder.0);
        println!("seed {seed}: {:?}\n{noise}", project.warnings);
        assert!(
            !noise.contains("Parse Error"),
            "the generator wrote a bad script:\n{noise}"
        );

        let ours: Vec<&ProjectNode> = project
            .nodes
            .iter()
            .filter(|node| node.path != "Probe")
            .collect();
        let theirs: Vec<&Json> = events
            .iter()
            .filter(|event| event["event"] == "node")
            .collect();
        let paths = |nodes: &[&ProjectNode]| {
            nodes
                .iter()
                .map(|node| node.path.clone())
                .collect::<Vec<_>>()
        };
        let their_paths: Vec<&str> = theirs
            .iter()
            .filter_map(|node| node["path"].as_str())
            .collect();
        assert_eq!(paths(&ours), their_paths);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            compare_node(ours, theirs, None);
            methods += ours.methods.len();
            let synchronizer = ours.synchronizer.as_ref();
            properties += synchronizer.map_or(0, |synchronizer| synchronizer.properties.len());
        }
        for spawn in events.iter().filter(|event| event["event"] == "spawn") {
            compare_spawn(&project, spawn);
            spawns += 1;
        }
        let is_known = |warning: &&Warning| warning.kind == WarningKind::NoRpcMode;
        number_only += project.warnings.iter().filter(is_known).count();
        let unknown: Vec<&Warning> = project
            .warnings
            .iter()
            .filter(|one| !is_known(one))
            .collect();
        assert_eq!(
            unknown,
            [] as [&Warning; 0],
            "nothing in these projects is unknown"
        );
    }
    println!(
        "{methods} methods, {properties} properties, {spawns} spawns, {number_only} entries without a mode"
    );
    assert!(
        methods > 100 && properties > 20 && spawns > 10 && number_only > 3,
        "the projects are too small to tell"
    );
}
