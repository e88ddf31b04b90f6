//! `gdwire project`: what a Godot project exposes to the network.

use crate::help;
use crate::scene::StartOptions;
use clap::Args;
use core::fmt::Write as _;
use gdwire::project::{
    Project, ProjectNode, ReplicationMode, RpcMethod, Spawner, SyncProperty, Synchronizer,
    VisibilityUpdate,
};
use gdwire::session::{RpcMode, TransferMode};
use serde_json::{Value as Json, json};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// What a Godot project exposes to the network: RPC tables, spawners, synchronizers
#[derive(Args, Clone, Debug)]
#[command(after_help = help::PROJECT)]
pub(crate) struct ProjectOptions {
    /// The folder with project.godot
    dir: PathBuf,
    #[command(flatten)]
    start: StartOptions,
    /// Prints one JSON object in place of tables
    #[arg(long)]
    json: bool,
}

/// Reads the project and prints it.
pub(crate) fn run(options: &ProjectOptions) -> io::Result<ExitCode> {
    let project = options.start.load(&options.dir, &[])?;
    let mut text = if options.json {
        let json = serde_json::to_string_pretty(&project_json(&project));
        json.map_err(io::Error::other)?
    } else {
        tables(&project)
    };
    text.push('\n');
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn project_json(project: &Project) -> Json {
    json!({
        "name": project.name,
        "main_scene": project.main_scene,
        "nodes": project.nodes.iter().map(node_json).collect::<Vec<_>>(),
        "scenes": project.scenes.iter().map(|scene| json!({
            "path": &*scene.path,
            "nodes": scene.nodes.iter().map(node_json).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "warnings": project.warnings.iter().map(|warning| json!({
            "file": warning.place.file,
            "line": warning.place.line,
            "message": warning.kind.to_string(),
        })).collect::<Vec<_>>(),
    })
}

fn node_json(node: &ProjectNode) -> Json {
    json!({
        "path": node.path,
        "class": &*node.class,
        "script": node.script.as_deref(),
        "scene": node.scene.as_deref(),
        "checksum": node.table.checksum().to_string(),
        "rpcs": node.methods.iter().map(method_json).collect::<Vec<_>>(),
        "spawner": node.spawner.as_ref().map(spawner_json),
        "synchronizer": node.synchronizer.as_ref().map(synchronizer_json),
    })
}

fn method_json(method: &RpcMethod) -> Json {
    json!({
        "id": method.id,
        "name": method.name,
        "mode": if method.is_number_only { None } else { Some(mode_name(method.mode)) },
        "transfer": transfer_name(method.transfer),
        "channel": method.channel,
        "call_local": method.call_local,
        "arguments": method.arguments.as_ref().map(|arguments| json!({
            "required": arguments.required,
            "most": arguments.most,
            "types": arguments.types.iter().map(|kind| kind.map(|kind| kind.name())).collect::<Vec<_>>(),
        })),
        "file": method.place.file,
        "line": method.place.line,
    })
}

fn spawner_json(spawner: &Spawner) -> Json {
    json!({
        "spawn_path": spawner.spawn_path.to_string(),
        "parent": spawner.parent,
        "spawn_limit": spawner.spawn_limit,
        "scenes": spawner.scenes.iter().map(|scene| &**scene).collect::<Vec<_>>(),
    })
}

fn synchronizer_json(synchronizer: &Synchronizer) -> Json {
    let properties = synchronizer.properties.iter().zip(&synchronizer.initial);
    json!({
        "root_path": synchronizer.root_path.to_string(),
        "root": synchronizer.root,
        "replication_interval": synchronizer.replication_interval,
        "delta_interval": synchronizer.delta_interval,
        "visibility_update": match synchronizer.visibility_update {
            VisibilityUpdate::Idle => "idle",
            VisibilityUpdate::Physics => "physics",
            VisibilityUpdate::None => "none",
        },
        "public_visibility": synchronizer.public_visibility,
        "properties": properties.map(|(property, initial)| json!({
            "path": property.path.to_string(),
            "spawn": property.spawn,
            "mode": replication_name(property.mode),
            "type": initial.kind.map(|kind| kind.name()),
            "initial": initial.value.as_ref().map(ToString::to_string),
        })).collect::<Vec<_>>(),
    })
}

const fn mode_name(mode: RpcMode) -> &'static str {
    match mode {
        RpcMode::AnyPeer => "any_peer",
        RpcMode::Authority => "authority",
        RpcMode::Disabled => "disabled",
    }
}

const fn transfer_name(transfer: TransferMode) -> &'static str {
    match transfer {
        TransferMode::Unreliable => "unreliable",
        TransferMode::UnreliableOrdered => "unreliable_ordered",
        TransferMode::Reliable => "reliable",
    }
}

const fn replication_name(mode: ReplicationMode) -> &'static str {
    match mode {
        ReplicationMode::Never => "never",
        ReplicationMode::Always => "always",
        ReplicationMode::OnChange => "on_change",
    }
}

/// The tables for people. Names come from foreign files, so what a terminal would obey is escaped.
fn tables(project: &Project) -> String {
    let mut out = String::new();
    let name = project.name.as_deref().unwrap_or("(no name)");
    let main = project.main_scene.as_deref().unwrap_or("none");
    let _ = write!(out, "{}, main scene {}", shown(name), shown(main));
    section(&mut out, "Nodes below /root", &project.nodes);
    for scene in &project.scenes {
        let title = format!("Spawnable scene {}", shown(&scene.path));
        section(&mut out, &title, &scene.nodes);
    }
    if !project.warnings.is_empty() {
        let _ = write!(out, "\n\nWarnings");
    }
    for warning in &project.warnings {
        let _ = write!(out, "\n  {warning}");
    }
    out
}

fn section(out: &mut String, title: &str, nodes: &[ProjectNode]) {
    let networked = nodes.iter().filter(|node| node.is_networked());
    let _ = write!(
        out,
        "\n\n{title}: {} of {} are networked",
        networked.clone().count(),
        nodes.len()
    );
    for node in networked {
        let _ = write!(out, "\n\n  {}  {}", shown(&node.path), shown(&node.class));
        if let Some(script) = &node.script {
            let _ = write!(out, "  {}", shown(script));
        }
        methods(out, node);
        if let Some(spawner) = &node.spawner {
            spawner_table(out, spawner);
        }
        if let Some(synchronizer) = &node.synchronizer {
            synchronizer_table(out, synchronizer);
        }
    }
}

fn methods(out: &mut String, node: &ProjectNode) {
    if node.methods.is_empty() {
        return;
    }
    let _ = write!(out, "\n    checksum {}", node.table.checksum());
    let names = node.methods.iter().map(|method| shown(&method.name));
    let width = names.map(|name| name.chars().count()).max().unwrap_or(0);
    for method in &*node.methods {
        let arguments = match &method.arguments {
            None => "arguments unknown".to_owned(),
            Some(arguments) => match arguments.most {
                None => format!("{}.. arguments", arguments.required),
                Some(1) if arguments.required == 1 => "1 argument".to_owned(),
                Some(most) if most == arguments.required => format!("{most} arguments"),
                Some(most) => format!("{}..{most} arguments", arguments.required),
            },
        };
        let _ = write!(
            out,
            "\n    {:>5}  {:width$}  {:9}  {:18}  channel {:<3}  {:10}  {arguments}",
            method.id,
            shown(&method.name),
            if method.is_number_only {
                "no mode"
            } else {
                mode_name(method.mode)
            },
            transfer_name(method.transfer),
            method.channel,
            if method.call_local { "call_local" } else { "" },
        );
    }
}

fn spawner_table(out: &mut String, spawner: &Spawner) {
    let parent = spawner.parent.as_deref().map(shown);
    let path = shown(&spawner.spawn_path.to_string());
    let _ = write!(out, "\n    spawns below {}", parent.unwrap_or(path));
    if spawner.spawn_limit > 0 {
        let _ = write!(out, ", at most {}", spawner.spawn_limit);
    }
    for (number, scene) in spawner.scenes.iter().enumerate() {
        let _ = write!(out, "\n    {number:>5}  {}", shown(scene));
    }
}

fn synchronizer_table(out: &mut String, synchronizer: &Synchronizer) {
    let root = synchronizer.root.as_deref().map(shown);
    let path = shown(&synchronizer.root_path.to_string());
    let _ = write!(out, "\n    synchronizes {}", root.unwrap_or(path));
    if synchronizer.replication_interval > 0.0 {
        let _ = write!(out, ", every {} s", synchronizer.replication_interval);
    }
    if synchronizer.delta_interval > 0.0 {
        let _ = write!(out, ", changes every {} s", synchronizer.delta_interval);
    }
    if !synchronizer.public_visibility {
        let _ = write!(out, ", hidden unless shown");
    }
    let paths = synchronizer.properties.iter().map(shown_path);
    let width = paths.map(|path| path.chars().count()).max().unwrap_or(0);
    let properties = synchronizer.properties.iter().zip(&synchronizer.initial);
    for (number, (property, initial)) in properties.enumerate() {
        let _ = write!(
            out,
            "\n    {number:>5}  {:width$}  {:5}  {:9}  {}",
            shown_path(property),
            if property.spawn { "spawn" } else { "" },
            replication_name(property.mode),
            initial.kind.map_or("", |kind| kind.name()),
        );
    }
}

fn shown_path(property: &SyncProperty) -> String {
    shown(&property.path.to_string())
}

/// Foreign text without what a terminal would obey: control characters, and those that turn the direction.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for char in text.chars() {
        if char.is_control() || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            shown.extend(char.escape_default());
        } else {
            shown.push(char);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> Project {
        let main = "[gd_scene]\n[ext_resource type=\"Script\" path=\"res://m.gd\" id=\"1\"]\n\
            [node name=\"Main\" type=\"Node\"]\nscript = ExtResource(\"1\")\n";
        let script =
            "extends Node\n@rpc(\"any_peer\", \"unreliable\") func move(to, fast = false): pass\n";
        let settings = "config_version=5\n[application]\nconfig/name=\"a\\u001bb\"\nrun/main_scene=\"res://main.tscn\"";
        let texts = [
            ("res://project.godot", settings),
            ("res://main.tscn", main),
            ("res://m.gd", script),
        ];
        Project::from_texts(texts, &gdwire::project::Limits::default()).unwrap()
    }

    #[test]
    fn a_method_is_one_line_with_all_that_peers_need() {
        let text = tables(&project());
        let line = text.lines().find(|line| line.contains("move")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let expected = [
            "0",
            "move",
            "any_peer",
            "unreliable",
            "channel",
            "0",
            "1..2",
            "arguments",
        ];
        assert_eq!(words, expected);
    }

    // req: HB-7
    #[test]
    fn control_characters_of_a_project_do_not_reach_the_terminal() {
        let text = tables(&project());
        assert!(
            text.starts_with("a\\u{1b}b, main scene res://main.tscn"),
            "{text}"
        );
    }

    #[test]
    fn json_has_ids_checksum_and_place() {
        let json = project_json(&project());
        let node = &json["nodes"][0];
        assert_eq!(node["checksum"], "3734a903022249b3010be1897042568e");
        assert_eq!(node["rpcs"][0]["id"], 0);
        assert_eq!(node["rpcs"][0]["line"], 2);
        assert_eq!(node["rpcs"][0]["arguments"]["most"], 2);
    }
}
