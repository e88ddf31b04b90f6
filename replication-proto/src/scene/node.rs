//! What a node declares: [`NodeConfig`].

use super::path::resolve;
use super::spawner::SpawnerConfig;
use super::synchronizer::{Layout, SynchronizerConfig};
use crate::node::NodeError;
use crate::peer::PeerId;
use crate::rpc_table::{RpcConfig, RpcTable};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Scenes that the byte of a SPAWN can name beside the spawn function.
const MAX_SCENES: usize = 255;

/// A node to be added: where it is, whose it is, and what it offers.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    path: String,
    authority: Authority,
    table: Option<RpcTable>,
    node_methods: Vec<RpcConfig>,
    script_methods: Vec<RpcConfig>,
    part: PartConfig,
}

/// What a node is beside a holder of methods.
#[derive(Clone, Debug)]
enum PartConfig {
    Plain,
    Spawner(SpawnerConfig),
    Synchronizer(SynchronizerConfig),
}

/// Whose a node is when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authority {
    Inherited,
    Peer(PeerId),
    Name,
}

impl NodeConfig {
    /// A node at `path`, relative to the multiplayer root: names joined by `/`, or `.` for the root itself.
    ///
    /// The nodes above it need not be declared.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            authority: Authority::Inherited,
            table: None,
            node_methods: Vec::new(),
            script_methods: Vec::new(),
            part: PartConfig::Plain,
        }
    }

    /// Sets its multiplayer authority. Without, it is that of the nearest declared node above, or the server.
    #[must_use]
    pub const fn authority(mut self, peer: PeerId) -> Self {
        self.authority = Authority::Peer(peer);
        self
    }

    /// Makes its authority the peer whose number is in the name of the spawned node that it belongs to (outside of
    /// scenes, in its own name), as games do with `set_multiplayer_authority(name.to_int())`.
    #[must_use]
    pub const fn authority_from_name(mut self) -> Self {
        self.authority = Authority::Name;
        self
    }

    /// Makes it a `MultiplayerSpawner`.
    #[must_use]
    pub fn spawner(mut self, spawner: SpawnerConfig) -> Self {
        self.part = PartConfig::Spawner(spawner);
        self
    }

    /// Makes it a `MultiplayerSynchronizer`. Its root node must be declared before it.
    #[must_use]
    pub fn synchronizer(mut self, synchronizer: SynchronizerConfig) -> Self {
        self.part = PartConfig::Synchronizer(synchronizer);
        self
    }

    /// If it is a synchronizer: makes it ask the visibility filter
    /// ([`SynchronizerConfig::filtered`](crate::SynchronizerConfig::filtered)).
    #[must_use]
    pub fn filtered(mut self) -> Self {
        if let PartConfig::Synchronizer(config) = self.part {
            self.part = PartConfig::Synchronizer(config.filtered());
        }
        self
    }

    /// Adds a method of its script (`@rpc`).
    #[must_use]
    pub fn rpc(mut self, method: RpcConfig) -> Self {
        self.script_methods.push(method);
        self
    }

    /// Adds a method of the node itself (`Node.rpc_config`).
    #[must_use]
    pub fn node_rpc(mut self, method: RpcConfig) -> Self {
        self.node_methods.push(method);
        self
    }

    /// Uses a table that many nodes share, in place of methods added one by one.
    #[must_use]
    pub fn rpc_table(mut self, table: RpcTable) -> Self {
        self.table = Some(table);
        self
    }

    /// Its path, as it was given.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Checks everything that does not depend on a session.
    pub(crate) fn prepare(self) -> Result<Prepared, NodeError> {
        let methods = match self.table {
            Some(table) => table,
            None => RpcTable::new(self.node_methods, self.script_methods)?,
        };
        let part = match self.part {
            PartConfig::Plain => Part::Plain,
            PartConfig::Spawner(config) if config.scenes.len() > MAX_SCENES => {
                return Err(NodeError::TooManyScenes);
            }
            PartConfig::Spawner(config) => Part::Spawner(Arc::new(config)),
            PartConfig::Synchronizer(config) => Part::Synchronizer(Arc::new(config.layout()?)),
        };
        Ok(Prepared {
            path: self.path.into(),
            authority: self.authority,
            methods,
            part,
        })
    }
}

/// A checked node that sessions can make many times.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) path: Arc<str>,
    pub(crate) authority: Authority,
    pub(crate) methods: RpcTable,
    pub(crate) part: Part,
}

impl Prepared {
    /// Where the root node of a synchronizer is, if it lies in the same scene.
    pub(crate) fn replication_root(&self) -> Option<String> {
        match &self.part {
            Part::Synchronizer(layout) => resolve(&self.path, &layout.root),
            _ => None,
        }
    }
}

/// A checked part.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Plain,
    Spawner(Arc<SpawnerConfig>),
    Synchronizer(Arc<Layout>),
}
