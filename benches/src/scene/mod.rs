//! A room of moving units that clients watch, with and without what carries it.
//!
//! Every unit has one `Vector3` that is sent in each frame and one `int` that is sent when it changes, which is in each
//! tenth frame. The project under `benches/godot` is the same room for the engine.

mod machine;
mod process;
mod session;
mod swarm;

pub use machine::MachineRoom;
pub use process::{Process, Usage, serve};
pub use session::SessionRoom;
pub use swarm::{Received, Swarm};

use core::time::Duration;
use gdwire::Server;
use replication_proto::variant::{Value, Vector3};
use replication_proto::{
    NodeConfig, NodeKey, PropertyConfig, PropertyKey, Scene, SceneConfig, Session, SpawnConfig,
    SpawnerConfig, SynchronizerConfig,
};

/// Time between frames.
pub const FRAME: Duration = Duration::from_micros(16_667);

/// Bytes of a unit's entry in a packet of full states: number, size, and a `Vector3`.
pub const FULL_ENTRY_BYTES: u64 = 8 + 13;

/// What sees the scene: a session by itself, or one in a server.
pub trait Stage {
    /// Adds the scene of a unit.
    fn add_scene(&mut self, scene: &Scene);
    /// Adds a node.
    fn add_node(&mut self, node: NodeConfig) -> NodeKey;
    /// Makes a unit.
    fn spawn(&mut self, spawner: NodeKey, spawn: SpawnConfig) -> NodeKey;
    /// Finds a property.
    fn property_key(&self, node: NodeKey, path: &str) -> PropertyKey;
    /// Sets a property.
    fn set(&mut self, key: PropertyKey, value: Value);
}

macro_rules! stage {
    ($type:ty, $self:ident => $session:expr) => {
        impl Stage for $type {
            fn add_scene(&mut self, scene: &Scene) {
                Self::add_scene(self, scene).expect("the only scene");
            }

            fn add_node(&mut self, node: NodeConfig) -> NodeKey {
                Self::add_node(self, node).expect("a good node")
            }

            fn spawn(&mut self, spawner: NodeKey, spawn: SpawnConfig) -> NodeKey {
                Self::spawn(self, spawner, spawn).expect("a good spawn")
            }

            fn property_key(&$self, node: NodeKey, path: &str) -> PropertyKey {
                $session.property_key(node, path).expect("it was declared")
            }

            fn set(&mut self, key: PropertyKey, value: Value) {
                self.set_property(key, value).expect("of its type");
            }
        }
    };
}

stage!(Session, self => self);
stage!(Server, self => self.session());

/// The units of a room.
#[derive(Debug)]
pub struct Units {
    keys: Vec<(PropertyKey, PropertyKey)>,
    frame: u32,
}

/// Whether clients see the units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// All of them.
    Shown,
    /// None of them.
    Hidden,
}

impl Sight {
    /// Its word on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Shown => "shown",
            Self::Hidden => "hidden",
        }
    }
}

/// The scene of a unit; rooms share it.
#[must_use]
pub fn unit_scene(sight: Sight) -> Scene {
    let state = match sight {
        Sight::Shown => SynchronizerConfig::new(),
        Sight::Hidden => SynchronizerConfig::new().private(),
    };
    let state = state
        .property(PropertyConfig::new("position").initial(Vector3::default()))
        .property(PropertyConfig::new("hp").initial(0).on_change());
    SceneConfig::new("res://unit.tscn")
        .node(NodeConfig::new("Sync").synchronizer(state))
        .build()
        .expect("a good scene")
}

impl Units {
    /// Makes so many.
    pub fn spawn(stage: &mut impl Stage, scene: &Scene, count: usize) -> Self {
        stage.add_scene(scene);
        let spawner = SpawnerConfig::new("../Units").scene(scene.path());
        stage.add_node(NodeConfig::new("Main/Units"));
        let spawner = stage.add_node(NodeConfig::new("Main/Spawner").spawner(spawner));
        let keys = (0..count).map(|index| {
            let node = stage.spawn(spawner, SpawnConfig::scene(0, format!("Unit{index}")));
            let key = |path| stage.property_key(node, path);
            (key("position"), key("hp"))
        });
        let keys = keys.collect();
        Self { keys, frame: 0 }
    }

    /// Moves all, as `server.gd` does.
    pub fn step(&mut self, stage: &mut impl Stage) {
        self.frame += 1;
        let frame = self.frame;
        for (index, &(position, hp)) in (0_u32..).zip(&self.keys) {
            let place = Vector3 {
                x: frame as f32 * 0.1 + index as f32,
                y: 0.0,
                z: index as f32,
            };
            stage.set(position, place.into());
            if (frame + index).is_multiple_of(10) {
                stage.set(hp, i64::from(frame).into());
            }
        }
    }
}
