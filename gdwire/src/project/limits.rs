//! [`Limits`]: what a project may cost to read.

/// How much of a project is read, against files that are made to exhaust the reader.
///
/// Numbers of files and nodes hold for the whole project. What exceeds a limit is a [`ProjectError`](super::ProjectError)
/// that names file and line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Files and folders that are looked at. Default 65,536.
    pub entries: usize,
    /// Bytes of a scene, resource or settings file. Default 32 MiB.
    pub file_bytes: u64,
    /// Bytes of a script. Default 1 MiB.
    pub script_bytes: u64,
    /// Bytes of all files together that are read completely. Default 512 MiB.
    pub total_bytes: u64,
    /// Nodes of all scenes together, each scene counted as often as it is instanced. Default 65,536.
    pub nodes: usize,
    /// Methods that peers may call, of all scripts together, inherited ones counted again. Default 262,144.
    pub methods: usize,
    /// Nodes above a node, scenes inside or below scenes, scripts above a script, folders in folders. Default 128.
    pub depth: usize,
    /// Bytes of a node's path. Default 4,096.
    pub path_bytes: usize,
    /// Warnings that are kept; further ones are left out. Default 1,000.
    pub warnings: usize,
}

impl Limits {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: 65_536,
            file_bytes: 32 << 20,
            script_bytes: 1 << 20,
            total_bytes: 512 << 20,
            nodes: 65_536,
            methods: 262_144,
            depth: 128,
            path_bytes: 4096,
            warnings: 1000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
