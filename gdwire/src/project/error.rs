//! Why a project cannot be read ([`ProjectError`]), and what of it stays unknown ([`Warning`]).

use crate::variant::text::TextErrorKind;
use alloc::string::String;
use core::fmt;

/// A place in a file of the project.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Place {
    /// The file, as a `res://` path, or the project's folder as it was given.
    pub file: String,
    /// Line, from 1; 0 stands for the file as a whole.
    pub line: u32,
}

impl Place {
    pub(super) fn new(file: impl Into<String>, line: u32) -> Self {
        let file = file.into();
        Self { file, line }
    }

    pub(super) fn file(file: impl Into<String>) -> Self {
        Self::new(file, 0)
    }

    pub(super) const fn error(self, kind: ProjectErrorKind) -> ProjectError {
        ProjectError { place: self, kind }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names of files are foreign text, which must not reach a terminal as it is.
        write!(f, "{}", self.file.escape_debug())?;
        match self.line {
            0 => Ok(()),
            line => write!(f, ":{line}"),
        }
    }
}

/// Why a project cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {kind}")]
#[non_exhaustive]
pub struct ProjectError {
    /// Where.
    pub place: Place,
    /// What is wrong there.
    pub kind: ProjectErrorKind,
}

/// What is wrong with a project.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectErrorKind {
    /// There is no such file or folder, or it cannot be opened.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// The folder has no `project.godot`.
    #[error("there is no project.godot")]
    NoProject,
    /// `config_version` is not 5, the one of Godot 4.
    #[error("not a project of Godot 4: config_version is {0}, not 5")]
    NotGodot4(String),
    /// A path leads out of the project, by `..` or through a symbolic link.
    #[error("{0:?} leads out of the project")]
    OutsideProject(String),
    /// The file is no UTF-8 text.
    #[error("not UTF-8 text")]
    NotText,
    /// The file is no regular file.
    #[error("not a regular file")]
    NotAFile,
    /// Something else should stand here.
    #[error("expected {0}")]
    Syntax(&'static str),
    /// A value cannot be read.
    #[error("{0}")]
    Value(TextErrorKind),
    /// A scene is inside or below itself.
    #[error("the scene {0:?} contains or inherits itself")]
    SceneCycle(String),
    /// A script extends itself.
    #[error("the script {0:?} extends itself")]
    ScriptCycle(String),
    /// A file is larger than [`Limits::file_bytes`](super::Limits::file_bytes) or
    /// [`Limits::script_bytes`](super::Limits::script_bytes).
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    /// The files read have more than [`Limits::total_bytes`](super::Limits::total_bytes).
    #[error("the files of the project have more than {0} bytes")]
    TooManyBytes(u64),
    /// More than [`Limits::entries`](super::Limits::entries).
    #[error("more than {0} files and folders")]
    TooManyEntries(usize),
    /// More than [`Limits::nodes`](super::Limits::nodes).
    #[error("the scenes have more than {0} nodes")]
    TooManyNodes(usize),
    /// Something is nested deeper than [`Limits::depth`](super::Limits::depth).
    #[error("nested deeper than {0}")]
    TooDeep(usize),
    /// A node's path is longer than [`Limits::path_bytes`](super::Limits::path_bytes).
    #[error("the path of a node is longer than {0} bytes")]
    PathTooLong(usize),
    /// More methods than a table can number.
    #[error("more than 32768 methods in one table")]
    TableFull,
    /// More than [`Limits::methods`](super::Limits::methods).
    #[error("the scripts have more than {0} methods for peers")]
    TooManyMethods(usize),
}

/// Something that a reader without the engine cannot know, or that the engine would complain about, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Warning {
    /// Where.
    pub place: Place,
    /// What it is.
    pub kind: WarningKind,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.kind)
    }
}

/// What stays unknown, or is wrong without making the rest unusable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum WarningKind {
    /// The project names no main scene.
    #[error("run/main_scene is not set")]
    NoMainScene,
    /// A setting for some platforms or features only, which is left out.
    #[error("the setting {0:?} holds for one feature only and is left out")]
    FeatureSetting(String),
    /// A file that is referred to does not exist.
    #[error("{0:?} does not exist")]
    Missing(String),
    /// A `uid://` that no file of the project has.
    #[error("no file has {0:?}")]
    UnknownUid(String),
    /// A file in a format that is not read: binary or imported scenes, other languages.
    #[error("{0:?} is in a format that is not read")]
    ForeignFormat(String),
    /// A resource id that the file does not declare.
    #[error("the resource {0:?} is not declared in this file")]
    UnknownResource(String),
    /// A file or folder is a symbolic link out of the project and is left out.
    #[error("a symbolic link out of the project, left out")]
    LinkOutside,
    /// A node changed in an instanced or inherited scene is not there.
    #[error("the node {0:?} is changed, but is not in the scene")]
    VanishedNode(String),
    /// The parent of a node is not there.
    #[error("the parent {0:?} of a node is not in the scene")]
    VanishedParent(String),
    /// Two nodes with one parent have the same name; only the first is kept.
    #[error("the name {0:?} is taken by another node")]
    DuplicateName(String),
    /// A node's name that peers could not use in a path.
    #[error("the node name {0:?} cannot be part of a path on the network")]
    BadName(String),
    /// A script cannot be on a node: it has no `extends` of a node class.
    #[error("the script extends {0}, which is no node")]
    NotANodeScript(String),
    /// What a script extends is not known.
    #[error("it is not known what {0:?} is")]
    UnknownBase(String),
    /// An argument of `@rpc` is not known, or the engine would refuse it.
    #[error("argument {0} of @rpc is not one that @rpc takes, or no constant that can be told")]
    RpcArgument(usize),
    /// `@rpc` that no function follows.
    #[error("@rpc without a function")]
    RpcWithoutFunction,
    /// A call of `rpc_config` that cannot be told without running the script.
    #[error("what this call of rpc_config does cannot be told without running it")]
    RuntimeRpcConfig,
    /// `rpc_config` without `rpc_mode`. The engine numbers such a method, and nobody can call it.
    #[error("rpc_config without rpc_mode: nobody can call the method")]
    NoRpcMode,
    /// A channel that does not exist.
    #[error("channel {0} is not one of 0 to 253")]
    BadChannel(i64),
    /// The script changes something at run time that nodes and their replication depend on.
    #[error("{0} is used: what it changes is known at run time only")]
    Runtime(String),
    /// A node path that leads to no node of the tree.
    #[error("{property} is {path:?}, which leads to no known node")]
    UnknownNode {
        /// The property that holds the path.
        property: String,
        /// The path.
        path: String,
    },
    /// A property has a value of the wrong type.
    #[error("{0} has a value of the wrong type")]
    WrongType(String),
    /// A synchronizer without a configuration.
    #[error("the synchronizer has no replication_config")]
    NoReplicationConfig,
    /// What a replicated property is before anything sets it cannot be told; it is null here until the program sets it.
    #[error("the first value of {0:?} is not known: set it before peers see it")]
    UnknownInitial(String),
    /// An entry of a replication configuration that the engine drops.
    #[error("the entry {0:?} is dropped")]
    BadEntry(String),
    /// A spawner lists more scenes than the wire can number.
    #[error("{0} scenes, of which the wire can number the first 255")]
    TooManyScenes(usize),
    /// More than 64 watched properties, of which only 64 can be sent.
    #[error("{0} watched properties, of which 64 can be sent")]
    TooManyWatched(usize),
}
