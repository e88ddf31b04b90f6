//! What a synchronizer node declares: [`SynchronizerConfig`].

use super::property::{Property, PropertyConfig, ReplicationMode, canonical};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// Watched properties that the mask of a delta can name.
const MAX_WATCHED: usize = 64;

/// A node that replicates properties of its root node (`MultiplayerSynchronizer`).
#[derive(Clone, Debug)]
pub struct SynchronizerConfig {
    root: String,
    properties: Vec<PropertyConfig>,
    replication_interval: Duration,
    delta_interval: Duration,
    is_public: bool,
    is_filtered: bool,
}

/// Why a synchronizer cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SynchronizerError {
    /// A property path is malformed.
    #[error("{0:?} is not the path of a property")]
    BadProperty(String),
    /// A property is listed twice.
    #[error("the property {0} is listed twice")]
    Duplicate(Arc<str>),
    /// More properties are sent on change than a delta can name.
    #[error("more than 64 properties are sent on change")]
    TooManyWatched,
    /// More properties than one synchronizer can have.
    #[error("more than 65535 properties")]
    TooMany,
}

impl SynchronizerConfig {
    /// A synchronizer of its parent node without properties, seen by everybody, sending in each frame.
    #[must_use]
    pub fn new() -> Self {
        Self {
            root: "..".into(),
            properties: Vec::new(),
            replication_interval: Duration::ZERO,
            delta_interval: Duration::ZERO,
            is_public: true,
            is_filtered: false,
        }
    }

    /// Sets the node whose properties it replicates, relative to itself (`root_path`). Default: `..`.
    #[must_use]
    pub fn root(mut self, path: impl Into<String>) -> Self {
        self.root = path.into();
        self
    }

    /// Adds a property at the end of its list.
    #[must_use]
    pub fn property(mut self, property: PropertyConfig) -> Self {
        self.properties.push(property);
        self
    }

    /// Sets the least time between full states. Default: zero, each frame.
    #[must_use]
    pub const fn replication_interval(mut self, interval: Duration) -> Self {
        self.replication_interval = interval;
        self
    }

    /// Sets the least time between deltas. Default: zero, each frame in which something changed.
    #[must_use]
    pub const fn delta_interval(mut self, interval: Duration) -> Self {
        self.delta_interval = interval;
        self
    }

    /// Shows it only to peers that are named (`public_visibility` off).
    #[must_use]
    pub const fn private(mut self) -> Self {
        self.is_public = false;
        self
    }

    /// Gives it a visibility filter: beside the other rules it is seen only by peers for which the last
    /// [`Session::update_visibility`](crate::Session::update_visibility) or
    /// [`Session::set_relevant`](crate::Session::set_relevant) said so, at first by nobody.
    #[must_use]
    pub const fn filtered(mut self) -> Self {
        self.is_filtered = true;
        self
    }

    /// The lists that the protocol numbers.
    pub(crate) fn layout(&self) -> Result<Layout, SynchronizerError> {
        if self.properties.len() > usize::from(u16::MAX) {
            return Err(SynchronizerError::TooMany);
        }
        let mut layout = Layout {
            root: self.root.as_str().into(),
            properties: Vec::with_capacity(self.properties.len()),
            spawn: Vec::new(),
            sync: Vec::new(),
            watch: Vec::new(),
            replication_micros: micros(self.replication_interval),
            delta_micros: micros(self.delta_interval),
            is_public: self.is_public,
            is_filtered: self.is_filtered,
        };
        for (index, property) in (0_u16..).zip(&self.properties) {
            layout.push(index, property)?;
        }
        Ok(layout)
    }
}

impl Default for SynchronizerConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// A declaration that synchronizers of one kind share.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Path of the root node, relative to the synchronizer.
    pub(crate) root: Arc<str>,
    pub(crate) properties: Vec<Property>,
    /// Properties in the spawn state, in order.
    pub(crate) spawn: Vec<u16>,
    /// Properties in a full state, in order.
    pub(crate) sync: Vec<u16>,
    /// Properties that deltas name by bit, in order.
    pub(crate) watch: Vec<u16>,
    pub(crate) replication_micros: u64,
    pub(crate) delta_micros: u64,
    pub(crate) is_public: bool,
    pub(crate) is_filtered: bool,
}

impl Layout {
    fn push(&mut self, index: u16, config: &PropertyConfig) -> Result<(), SynchronizerError> {
        let path = canonical(&config.path)
            .ok_or_else(|| SynchronizerError::BadProperty(config.path.clone()))?;
        let path: Arc<str> = path.into();
        if self.properties.iter().any(|known| known.path == path) {
            return Err(SynchronizerError::Duplicate(path));
        }
        if config.spawn {
            self.spawn.push(index);
        }
        match config.mode {
            ReplicationMode::Never => {}
            ReplicationMode::Always => self.sync.push(index),
            ReplicationMode::OnChange => self.watch.push(index),
        }
        if self.watch.len() > MAX_WATCHED {
            return Err(SynchronizerError::TooManyWatched);
        }
        self.properties.push(Property {
            path,
            initial: config.initial.clone(),
            value_type: config.value_type,
            non_finite: config.non_finite,
        });
        Ok(())
    }

    /// The mask of all watched properties.
    pub(crate) fn watch_mask(&self) -> u64 {
        match self.watch.len() {
            64 => u64::MAX,
            count => (1 << count) - 1,
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
