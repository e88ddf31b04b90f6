//! The body of `project_files`: the files of a Godot project that somebody else wrote.

use crate::parts;
use gdwire::project::{Limits, Project, ProjectNode};
use gdwire::{Blueprint, Server, ServerConfig};

/// Paths of the parts of an input, in order; the first is the one that makes a project.
const PATHS: [&str; 8] = [
    "res://project.godot",
    "res://main.tscn",
    "res://main.gd",
    "res://unit.tscn",
    "res://unit.gd",
    "res://config.tres",
    "res://scripts/base.gd",
    "res://other.tscn",
];

/// Reads the parts of `data` as the files of a project: it is read within the limits or refused with a place, twice the
/// same, and what was read makes a server.
///
/// # Panics
/// When a promise of the reader does not hold.
pub fn project_files(data: &[u8]) {
    let texts = || {
        let texts = parts(data).map(|part| String::from_utf8_lossy(part).into_owned());
        PATHS.into_iter().zip(texts)
    };
    let mut limits = Limits::default();
    (limits.nodes, limits.methods) = (512, 1024);
    (limits.depth, limits.path_bytes, limits.warnings) = (16, 256, 32);
    let first = Project::from_texts(texts(), &limits);
    let again = Project::from_texts(texts(), &limits);
    let project = match (first, again) {
        (Ok(project), Ok(again)) => {
            assert_eq!(project.warnings, again.warnings, "read twice");
            assert_eq!(project.nodes.len(), again.nodes.len(), "read twice");
            project
        }
        (Err(error), Err(again)) => {
            assert_eq!(error, again, "read twice");
            assert!(!error.place.file.is_empty(), "{error} names no file");
            return;
        }
        (first, _) => panic!(
            "the same files were read in two ways, once {}",
            first.is_ok()
        ),
    };
    assert!(project.warnings.len() <= limits.warnings);
    let scenes = project.scenes.iter().flat_map(|scene| &scene.nodes);
    let nodes: Vec<&ProjectNode> = project.nodes.iter().chain(scenes).collect();
    assert!(nodes.len() <= limits.nodes);
    for node in nodes {
        assert!(node.path.len() <= limits.path_bytes);
        check_methods(node);
    }
    // What contradicts itself is refused; nothing that a file says may do more.
    if let Ok(blueprint) = Blueprint::from_project(&project)
        && let Ok(mut server) = Server::new(ServerConfig::new([1; 32]))
    {
        let _ = server.add_blueprint(&blueprint);
    }
}

/// The list of methods and the table that sessions use agree.
fn check_methods(node: &ProjectNode) {
    let callable = node.methods.iter().filter(|method| !method.is_number_only);
    assert_eq!(callable.clone().count(), node.table.len());
    for method in callable {
        let known = node.table.method(method.id);
        assert_eq!(known.map(|known| known.name()), Some(method.name.as_str()));
    }
}
