//! Spawns, state, visibility and authority between a server and clients in memory.

use crate::common::{World, line, peer};
use core::time::Duration;
use gdwire::session::{
    NodeConfig, NodeKey, PeerId, PropertyConfig, Scene, SceneConfig, SpawnConfig, SpawnerConfig,
    SynchronizerConfig, Visibility,
};
use gdwire::variant::Vector2;
use gdwire::{Blueprint, Event, Value};
use testkit::NodeId;

const UNIT: &str = "res://unit.tscn";

fn unit() -> Scene {
    let state = SynchronizerConfig::new()
        .property(PropertyConfig::new("hp").initial(100).on_change())
        .property(PropertyConfig::new("place").initial(Vector2::default()));
    SceneConfig::new(UNIT)
        .node(NodeConfig::new("."))
        .node(NodeConfig::new("Sync").synchronizer(state))
        .build()
        .unwrap()
}

fn blueprint() -> Blueprint {
    let spawner = SpawnerConfig::new("../Units")
        .scene(UNIT)
        .custom_requested();
    let clock =
        SynchronizerConfig::new().property(PropertyConfig::new("time").initial(0).on_change());
    Blueprint::new()
        .scene(unit())
        .node(NodeConfig::new("Main/Units"))
        .node(NodeConfig::new("Main/Spawner").spawner(spawner))
        .node(NodeConfig::new("Main/Clock"))
        .node(NodeConfig::new("Main/Clock/Sync").synchronizer(clock))
}

fn world() -> World {
    let mut world = World::new();
    world.server().add_blueprint(&blueprint()).unwrap();
    world
}

/// Lets a client with the blueprint join; its events are left.
fn join(world: &mut World, id: i32) -> NodeId {
    let config = world.client_config(id);
    let client = world.connect(config);
    world.client(client).add_blueprint(&blueprint()).unwrap();
    world.network.run_for(Duration::from_millis(500));
    assert!(world.client(client).is_connected(), "client {id} joined");
    client
}

fn spawn(world: &mut World, name: &str) -> NodeKey {
    let server = world.server();
    let spawner = server.session().node("Main/Spawner").unwrap();
    server
        .spawn(spawner, SpawnConfig::scene(0, name).property("hp", 30))
        .unwrap()
}

/// What happened at `node` to the scene, one line each; repeated full states are one.
fn scene_events(world: &mut World, node: NodeId, millis: u64) -> Vec<String> {
    world.network.run_for(Duration::from_millis(millis));
    let mut lines: Vec<String> = Vec::new();
    for event in world.network.take_events(node) {
        let text = match &event {
            Event::Spawned(spawned) => format!("spawned {} {:?}", spawned.path, spawned.properties),
            Event::Despawned { path, .. } => format!("despawned {path}"),
            Event::Sync(state) if state.is_delta() => {
                format!("delta {} {:?}", state.path, state.properties)
            }
            Event::Sync(state) => format!("full {} {:?}", state.path, state.properties),
            Event::Connected { .. } | Event::PeerConnected { .. } => continue,
            other => line(other),
        };
        if lines.last() != Some(&text) {
            lines.push(text);
        }
    }
    lines
}

fn property(world: &mut World, node: NodeId, path: &str, property: &str) -> Option<Value> {
    let session = world.client(node).session();
    session.property(session.node(path)?, property).cloned()
}

#[test]
fn a_spawned_unit_arrives_with_its_state_follows_changes_and_goes() {
    let mut world = world();
    let client = join(&mut world, 10);
    scene_events(&mut world, client, 0);

    let goblin = spawn(&mut world, "Goblin");
    let seen = scene_events(&mut world, client, 200);
    assert!(seen[0].starts_with("spawned Main/Units/Goblin"), "{seen:?}");
    assert_eq!(
        property(&mut world, client, "Main/Units/Goblin", "hp"),
        Some(Value::Int(30))
    );

    world.server().set(goblin, "hp", 29).unwrap();
    world
        .server()
        .set(goblin, "place", Vector2::new(1.0, 2.0))
        .unwrap();
    let seen = scene_events(&mut world, client, 200);
    assert!(
        seen.iter()
            .any(|line| line.starts_with("delta Main/Units/Goblin") && line.contains("29")),
        "{seen:?}"
    );
    assert_eq!(
        property(&mut world, client, "Main/Units/Goblin", "place"),
        Some(Value::from(Vector2::new(1.0, 2.0)))
    );

    world.server().despawn(goblin).unwrap();
    let seen = scene_events(&mut world, client, 200);
    assert_eq!(seen.last().unwrap(), "despawned Main/Units/Goblin");
    assert_eq!(
        property(&mut world, client, "Main/Units/Goblin", "hp"),
        None
    );
}

#[test]
fn a_late_joiner_gets_what_is_there_as_it_is_now() {
    let mut world = world();
    let goblin = spawn(&mut world, "Goblin");
    world.server().set(goblin, "hp", 7).unwrap();
    world.network.run_for(Duration::from_secs(1));
    let client = join(&mut world, 10);
    assert_eq!(
        property(&mut world, client, "Main/Units/Goblin", "hp"),
        Some(Value::Int(7))
    );
}

#[test]
fn a_hidden_unit_leaves_one_client_and_stays_with_the_other() {
    let mut world = world();
    let (first, second) = (join(&mut world, 10), join(&mut world, 20));
    let goblin = spawn(&mut world, "Goblin");
    world.network.run_for(Duration::from_millis(200));

    world
        .server()
        .set_visibility(goblin, peer(10), Visibility::Hidden)
        .unwrap();
    world.server().set(goblin, "hp", 5).unwrap();
    world.network.run_for(Duration::from_millis(200));
    assert_eq!(property(&mut world, first, "Main/Units/Goblin", "hp"), None);
    assert_eq!(
        property(&mut world, second, "Main/Units/Goblin", "hp"),
        Some(Value::Int(5))
    );

    world
        .server()
        .set_visibility(goblin, peer(10), Visibility::Visible)
        .unwrap();
    world.network.run_for(Duration::from_millis(200));
    assert_eq!(
        property(&mut world, first, "Main/Units/Goblin", "hp"),
        Some(Value::Int(5))
    );
}

#[test]
fn state_flows_from_the_client_that_was_given_the_authority() {
    let mut world = world();
    let client = join(&mut world, 10);
    let server = world.server;
    scene_events(&mut world, server, 0);
    let clock = world.server().session().node("Main/Clock").unwrap();
    world.server().set_authority(clock, peer(10)).unwrap();
    let theirs = world.client(client).session().node("Main/Clock").unwrap();
    world
        .client(client)
        .set_authority(theirs, peer(10))
        .unwrap();
    world.client(client).set(theirs, "time", 77).unwrap();

    let seen = scene_events(&mut world, server, 300);
    assert!(seen.iter().any(|line| line.contains("77")), "{seen:?}");
    assert_eq!(
        world.server().session().property(clock, "time"),
        Some(&Value::Int(77))
    );
}

#[test]
fn a_custom_spawn_waits_for_the_answer_of_the_application() {
    let mut world = world();
    let client = join(&mut world, 10);
    scene_events(&mut world, client, 0);
    let spawner = world.server().session().node("Main/Spawner").unwrap();
    let custom = SpawnConfig::custom_as("orc", unit(), "Orc").property("hp", 60);
    world.server().spawn(spawner, custom).unwrap();
    world.network.run_for(Duration::from_millis(200));

    let events = world.network.take_events(client);
    let request = events.iter().find_map(|event| match event {
        Event::SpawnRequested(request) => Some(request),
        _ => None,
    });
    let request = request.expect("the application is asked");
    assert_eq!(
        (&*request.path, &request.argument),
        ("Main/Units/Orc", &Value::from("orc"))
    );
    assert!(
        world
            .client(client)
            .answer_spawn(request.id, Some(&unit()))
            .is_accepted()
    );
    let seen = scene_events(&mut world, client, 200);
    assert!(seen[0].starts_with("spawned Main/Units/Orc"), "{seen:?}");
    assert_eq!(
        property(&mut world, client, "Main/Units/Orc", "hp"),
        Some(Value::Int(60))
    );
}

#[test]
fn a_client_that_leaves_takes_what_it_spawned_with_it() {
    let mut world = World::new();
    let theirs = blueprint().node(
        NodeConfig::new("Main/Theirs")
            .authority(peer(10))
            .spawner(SpawnerConfig::new("../Units").scene(UNIT)),
    );
    world.server().add_blueprint(&theirs).unwrap();
    let config = world.client_config(10);
    let client = world.connect(config);
    world.client(client).add_blueprint(&theirs).unwrap();
    world.network.run_for(Duration::from_millis(500));
    let spawner = world.client(client).session().node("Main/Theirs").unwrap();
    world
        .client(client)
        .spawn(spawner, SpawnConfig::scene_path(UNIT, "Pet"))
        .unwrap();
    let server = world.server;
    let seen = scene_events(&mut world, server, 300);
    assert!(
        seen.iter()
            .any(|line| line.starts_with("spawned Main/Units/Pet")),
        "{seen:?}"
    );

    world.client(client).close();
    let seen = scene_events(&mut world, server, 500);
    assert!(
        seen.contains(&"despawned Main/Units/Pet".to_owned()),
        "{seen:?}"
    );
    assert_eq!(world.server().session().node("Main/Units/Pet"), None);
}

#[test]
fn an_application_that_ticks_itself_decides_when_state_goes() {
    let mut config = gdwire::ServerConfig::new([1; 32]);
    config.session.frame_interval = None;
    let mut world = World::with(config);
    world.server().add_blueprint(&blueprint()).unwrap();
    let goblin = spawn(&mut world, "Goblin");
    let client = join(&mut world, 10);
    world.server().set(goblin, "hp", 1).unwrap();
    world.network.run_for(Duration::from_secs(1));
    assert_eq!(
        property(&mut world, client, "Main/Units/Goblin", "hp"),
        Some(Value::Int(30))
    );
    let now = world.network.now();
    world.server().tick(now);
    world.network.run_for(Duration::from_millis(100));
    assert_eq!(
        property(&mut world, client, "Main/Units/Goblin", "hp"),
        Some(Value::Int(1))
    );
}

#[cfg(feature = "project")]
#[test]
fn a_project_is_added_with_its_spawners_and_synchronizers() {
    use gdwire::project::{Limits, Project};
    let texts = [
        (
            "res://project.godot",
            "config_version=5\n[application]\nrun/main_scene=\"res://main.tscn\"\n",
        ),
        (
            "res://main.tscn",
            "[gd_scene format=3]\n[node name=\"Main\" type=\"Node\"]\n\
             [node name=\"Spawner\" type=\"MultiplayerSpawner\" parent=\".\"]\n\
             _spawnable_scenes = PackedStringArray(\"res://unit.tscn\")\nspawn_path = NodePath(\"..\")\n",
        ),
        (
            "res://unit.tscn",
            "[gd_scene load_steps=2 format=3]\n\
             [sub_resource type=\"SceneReplicationConfig\" id=\"r\"]\n\
             properties/0/path = NodePath(\".:position\")\nproperties/0/spawn = true\n\
             properties/0/replication_mode = 2\n\
             [node name=\"Unit\" type=\"Node2D\"]\n\
             [node name=\"Sync\" type=\"MultiplayerSynchronizer\" parent=\".\"]\n\
             replication_config = SubResource(\"r\")\n",
        ),
    ];
    let project = Project::from_texts(texts, &Limits::default()).unwrap();
    let blueprint = Blueprint::from_project(&project).unwrap();
    let mut server = gdwire::Server::new(gdwire::ServerConfig::new([1; 32])).unwrap();
    server.add_blueprint(&blueprint).unwrap();

    let spawner = server.session().node("Main/Spawner").unwrap();
    let place = Vector2::new(3.0, 4.0);
    let unit = SpawnConfig::scene_path(UNIT, "A").property("position", place);
    let unit = server.spawn(spawner, unit).unwrap();
    assert_eq!(server.session().node_path(unit), Some("Main/A"));
    assert_eq!(
        server.session().property(unit, ".:position"),
        Some(&Value::from(place))
    );
    assert_eq!(server.session().authority(unit), Some(PeerId::SERVER));

    // A second time the paths are taken.
    let error = server.add_blueprint(&blueprint).unwrap_err();
    assert!(
        error.to_string().contains("unit.tscn") || error.to_string().contains("Main"),
        "{error}"
    );
}
