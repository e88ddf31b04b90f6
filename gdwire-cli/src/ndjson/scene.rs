//! Nodes that are replicated: commands that make and change them, events of those of peers.

use super::command::{CommandError, SceneCommand, SpawnWhat};
use super::event::{self, Line, error};
use super::{Session, quiet};
use crate::endpoint::{Endpoint, Machine};
use gdwire::session::{
    Budget, NodeKey, PeerId, SpawnConfig, SpawnRequest, SpawnSource, Visibility,
};
use gdwire::{Event, Value};
use std::io;
use tokio::time::Instant;

impl<E: Endpoint> Session<E> {
    pub(super) fn machine(&mut self) -> &mut E::Machine {
        self.endpoint.machine_mut()
    }

    /// The node at this path.
    pub(super) fn node(&self, path: &str) -> Result<NodeKey, CommandError> {
        let node = self.endpoint.machine().session().node(path);
        node.ok_or_else(|| format!("there is no node {path:?}").into())
    }

    pub(super) fn obey_scene(&mut self, command: SceneCommand) -> Result<(), CommandError> {
        match command {
            SceneCommand::Authority { node, peer } => {
                let (key, peer) = (self.node(&node)?, known_peer(peer)?);
                let done = self.machine().set_authority(key, peer);
                done.map_err(|error| format!("{node}: {error}").into())
            }
            SceneCommand::Budget { peer, bytes } => {
                let peer = known_peer(peer)?;
                if !self.endpoint.has_peer(peer) {
                    return Err(format!("peer {peer} is not connected").into());
                }
                self.machine().set_budget(peer, bytes.map(Budget::new));
                Ok(())
            }
            SceneCommand::Despawn { node } => {
                let key = self.node(&node)?;
                let done = self.machine().despawn(key);
                done.map_err(|error| format!("{node}: {error}"))?;
                let line = Line::new("despawned").peer(self.own_id());
                written(line.with("node", node))
            }
            SceneCommand::Priority { node, priority } => {
                let key = self.node(&node)?;
                let done = self.machine().set_priority(key, priority);
                done.map_err(|error| format!("{node}: {error}").into())
            }
            SceneCommand::Relevant { peer, nodes } => {
                let peer = known_peer(peer)?;
                let keys = nodes.iter().map(|node| self.node(node));
                let keys = keys.collect::<Result<Vec<_>, _>>()?;
                self.machine().set_relevant(peer, keys);
                Ok(())
            }
            SceneCommand::Set { node, properties } => {
                let key = self.node(&node)?;
                for (path, value) in properties {
                    let done = self.machine().set(key, &path, value);
                    done.map_err(|error| format!("{node}: {error}"))?;
                }
                Ok(())
            }
            SceneCommand::Spawn {
                spawner,
                what,
                name,
                properties,
                authority,
            } => self.spawn(&spawner, (what, name), properties, authority),
            SceneCommand::Visibility {
                node,
                peer,
                visible,
            } => self.show(&node, peer, visible),
        }
    }

    fn spawn(
        &mut self,
        spawner: &str,
        (what, name): (SpawnWhat, String),
        properties: Vec<(String, Value)>,
        authority: Option<i32>,
    ) -> Result<(), CommandError> {
        let key = self.node(spawner)?;
        let (mut config, source) = match what {
            SpawnWhat::Custom(argument) => {
                let scene = self.stage.custom(spawner).clone();
                let source = SpawnSource::Custom(argument.clone());
                (SpawnConfig::custom_as(argument, scene, name), source)
            }
            SpawnWhat::Index(index) => {
                let session = self.endpoint.machine().session();
                let path = session.spawnable_scene(key, index).unwrap_or_default();
                let source = SpawnSource::Scene(path.into());
                (SpawnConfig::scene(index, name), source)
            }
            SpawnWhat::Path(path) => {
                let source = SpawnSource::Scene(path.as_str().into());
                (SpawnConfig::scene_path(path, name), source)
            }
        };
        for (path, value) in properties {
            config = config.property(path, value);
        }
        if let Some(peer) = authority {
            config = config.authority(known_peer(peer)?);
        }
        match self.machine().spawn(key, config) {
            Ok(node) => written(event::spawned_here(
                self.endpoint.machine().session(),
                node,
                source,
            )),
            Err(error) => Err(format!("{spawner}: {error}").into()),
        }
    }

    fn own_id(&self) -> PeerId {
        self.endpoint.machine().session().id()
    }

    /// Peer 0 is everybody who is not named, as in the engine.
    fn show(&mut self, node: &str, peer: i32, visible: bool) -> Result<(), CommandError> {
        let key = self.node(node)?;
        let visibility = if visible {
            Visibility::Visible
        } else {
            Visibility::Hidden
        };
        let done = match peer {
            0 => self.machine().set_public_visibility(key, visibility),
            peer => {
                let peer = known_peer(peer)?;
                self.machine().set_visibility(key, peer, visibility)
            }
        };
        done.map_err(|error| format!("{node}: {error}").into())
    }

    pub(super) fn on_scene_event(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Spawned(spawned) => event::spawned(&spawned).write(),
            Event::Despawned { peer, path, .. } => Line::new("despawned")
                .peer(peer)
                .with("node", &*path)
                .write(),
            Event::Sync(state) => {
                let session = self.endpoint.machine().session();
                let synchronizer = session.node_path(state.synchronizer).unwrap_or_default();
                event::sync(&state, synchronizer).write()
            }
            Event::SpawnRequested(request) => self.on_spawn_requested(&request),
            Event::StateNotSent {
                synchronizer,
                error: why,
            } => {
                let Some(unsaid) = self.quiet.admit("state", Instant::now()) else {
                    return Ok(());
                };
                let session = self.endpoint.machine().session();
                let path = session.node_path(synchronizer).unwrap_or_default();
                let message = format!("{path} is not sent: {why}");
                error("state", quiet::with_unsaid(message, unsaid)).write()
            }
            _ => Ok(()),
        }
    }

    /// Makes the custom spawn of a peer what `--custom` says.
    fn on_spawn_requested(&mut self, request: &SpawnRequest) -> io::Result<()> {
        let session = self.endpoint.machine().session();
        let scene = self.stage.requested(session, request).clone();
        let verdict = self.machine().answer_spawn(request.id, Some(&scene));
        let Some(reason) = verdict.reason() else {
            return Ok(());
        };
        let Some(unsaid) = self.quiet.admit("spawn", Instant::now()) else {
            return Ok(());
        };
        let message = format!("custom spawn of {}: {reason}", request.path);
        error("spawn", quiet::with_unsaid(message, unsaid))
            .peer(request.peer)
            .write()
    }
}

/// An event that a command caused.
fn written(line: Line) -> Result<(), CommandError> {
    line.write()
        .map_err(|error| format!("standard output: {error}").into())
}

fn known_peer(number: i32) -> Result<PeerId, CommandError> {
    PeerId::new(number).ok_or_else(|| format!("peer {number} is out of range").into())
}
