//! Reads a Godot project as text, without the engine: what its nodes expose to the network.
//!
//! [`Project::load`] takes the folder with `project.godot` and follows autoloads and main scene through scenes,
//! resources and scripts. What it finds has the engine's numbers: methods sorted and numbered as the engine does, with
//! the checksum that peers compare, scenes of spawners and properties of synchronizers in their order.
//!
//! ```
//! use gdwire::project::{Limits, Project};
//!
//! let project = Project::from_texts(
//!     [
//!         ("res://project.godot", "config_version=5\n[application]\nrun/main_scene=\"res://main.tscn\"\n"),
//!         (
//!             "res://main.tscn",
//!             "[gd_scene format=3]\n[ext_resource type=\"Script\" path=\"res://main.gd\" id=\"1\"]\n\
//!              [node name=\"Main\" type=\"Node\"]\nscript = ExtResource(\"1\")\n",
//!         ),
//!         ("res://main.gd", "extends Node\n@rpc(\"any_peer\") func shout(text: String): pass\n@rpc func end(): pass\n"),
//!     ],
//!     &Limits::default(),
//! )?;
//! let main = project.node("Main").unwrap();
//! assert_eq!(main.methods[1].name, "shout");
//! assert_eq!(main.methods[1].id, 1);
//! assert_eq!(main.table.checksum().to_string(), "b178d68b550396b5e1e21f319aba8e83");
//! # Ok::<(), gdwire::project::ProjectError>(())
//! ```
//!
//! What only the engine can know is not guessed: it is in [`Project::warnings`] with file and line. Left out are nodes
//! that scripts make at run time and [`Start`] does not name, scenes and resources in binary or imported formats, scripts in other languages than
//! GDScript, and settings that hold for one feature only.
//!
//! A project is foreign data. Only regular files inside the folder are read, no path and no symbolic link leads out of
//! it, scenes and scripts that contain or extend themselves are errors, and [`Limits`] bound the rest.

mod convert;
mod defaults;
mod document;
mod error;
mod files;
mod gdscript;
mod limits;
mod loader;
mod methods;
mod model;
mod replication;
mod report;
mod scene;
mod scripts;
mod tree;

#[cfg(test)]
mod tests;

pub use crate::session::ReplicationMode;
pub(crate) use convert::in_order;
pub use error::{Place, ProjectError, ProjectErrorKind, Warning, WarningKind};
pub use limits::Limits;
pub use model::{
    Arguments, InitialValue, Project, ProjectNode, RpcMethod, SceneTemplate, Spawner, Start,
    SyncProperty, Synchronizer, VisibilityUpdate,
};
