//! From the nodes of a tree to what peers see of them: scripts, spawners, synchronizers.

use super::defaults;
use super::document::{Property, Section};
use super::error::{ProjectError, ProjectErrorKind, WarningKind};
use super::loader::Loader;
use super::model::{
    InitialValue, ProjectNode, Spawner, SyncProperty, Synchronizer, VisibilityUpdate,
};
use super::scene::Target;
use super::scripts::Class;
use super::tree::{Origin, Tree};
use crate::session::{ReplicationMode, RpcTable};
use crate::variant::{NodePath, Value, ValueType};
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Scenes that the wire can number; 255 stands for a custom spawn.
const MOST_SCENES: usize = 255;

/// Watched properties that the mask of a delta has room for.
const MOST_WATCHED: usize = 64;

/// A tree while its nodes are looked at.
struct View<'a> {
    tree: &'a Tree,
    paths: Vec<String>,
    classes: Vec<Option<Rc<Class>>>,
}

impl Loader {
    /// The nodes of a tree; `/root` itself is left out.
    pub(super) fn project_nodes(&mut self, tree: &Tree) -> Result<Vec<ProjectNode>, ProjectError> {
        let mut view = View {
            tree,
            paths: Vec::new(),
            classes: Vec::new(),
        };
        view.paths.resize_with(tree.nodes.len(), String::new);
        view.classes.resize_with(tree.nodes.len(), || None);
        for (index, depth) in tree.walk() {
            let node = &tree.nodes[index];
            if depth > self.limits.depth {
                let kind = ProjectErrorKind::TooDeep(self.limits.depth);
                return Err(node.place.clone().error(kind));
            }
            let path = match (index, view.paths[node.parent].as_str()) {
                (0, _) if tree.origin == Origin::Game => String::new(),
                (0, _) => ".".into(),
                (_, "" | ".") => node.name.to_string(),
                (_, parent) => format!("{parent}/{}", node.name),
            };
            if path.len() > self.limits.path_bytes {
                let kind = ProjectErrorKind::PathTooLong(self.limits.path_bytes);
                return Err(node.place.clone().error(kind));
            }
            view.paths[index] = path;
            view.classes[index] = self.class_of_node(tree, index)?;
        }
        let enter_order = tree.enter_order();
        let mut nodes = Vec::new();
        for (index, _) in tree.walk() {
            if index > 0 || tree.origin == Origin::Scene {
                let mut node = self.project_node(&view, index)?;
                node.enter_order = enter_order[index];
                nodes.push(node);
            }
        }
        Ok(nodes)
    }

    fn class_of_node(
        &mut self,
        tree: &Tree,
        index: usize,
    ) -> Result<Option<Rc<Class>>, ProjectError> {
        let node = &tree.nodes[index];
        let Some(property) = node.properties.get("script") else {
            return Ok(node.builtin.clone());
        };
        match self.target(property)? {
            Some(Target::File(path)) => self.script_class(&path, property.place()),
            Some(Target::Inside(id, section)) => {
                let name = format!("{}::{id}", property.place().file);
                let source = match section.property("script/source") {
                    Some(source) => source.text()?,
                    None => None,
                };
                let Some(source) = source else {
                    let kind = WarningKind::ForeignFormat(name);
                    self.report.warn(section.place.clone(), kind);
                    return Ok(None);
                };
                self.inline_class(&name, &source, &section.place)
            }
            None => Ok(None),
        }
    }

    fn project_node(&mut self, view: &View<'_>, index: usize) -> Result<ProjectNode, ProjectError> {
        let node = &view.tree.nodes[index];
        let class = view.classes[index].as_deref();
        let spawner = match &*node.class {
            "MultiplayerSpawner" => Some(self.spawner(view, index)?),
            _ => None,
        };
        let synchronizer = match &*node.class {
            "MultiplayerSynchronizer" => Some(self.synchronizer(view, index)?),
            _ => None,
        };
        Ok(ProjectNode {
            path: view.paths[index].clone(),
            class: Arc::clone(&node.class),
            script: class.map(|class| Arc::clone(&class.name)),
            scene: node.scene.clone(),
            methods: class.map_or_else(|| Arc::new([]) as _, |class| Arc::clone(&class.methods)),
            table: class.map_or_else(RpcTable::default, |class| class.table.clone()),
            enter_order: 0,
            spawner,
            synchronizer,
        })
    }

    fn spawner(&mut self, view: &View<'_>, index: usize) -> Result<Spawner, ProjectError> {
        let spawn_path = self.node_path(view, index, "spawn_path")?;
        let spawn_path = spawn_path.unwrap_or_default();
        let scenes = match view.tree.nodes[index].properties.get("_spawnable_scenes") {
            Some(property) => self.scene_list(property)?,
            None => Arc::new([]),
        };
        let spawn_limit = self.int(view, index, "spawn_limit")?.unwrap_or(0);
        Ok(Spawner {
            parent: self.follow(view, index, "spawn_path", &spawn_path),
            spawn_path,
            scenes,
            spawn_limit: u32::try_from(spawn_limit).unwrap_or(u32::MAX),
        })
    }

    fn synchronizer(
        &mut self,
        view: &View<'_>,
        index: usize,
    ) -> Result<Synchronizer, ProjectError> {
        let node = &view.tree.nodes[index];
        let root_path = match self.node_path(view, index, "root_path")? {
            Some(path) => path,
            None => NodePath::parse("..").unwrap_or_default(),
        };
        let root = view.tree.follow(index, &root_path);
        let properties = match node.properties.get("replication_config") {
            Some(property) => self.configuration(property)?,
            None => None,
        };
        if properties.is_none() {
            self.report
                .warn(node.place.clone(), WarningKind::NoReplicationConfig);
        }
        let properties = properties.unwrap_or_else(|| Arc::new([]));
        let initial = properties
            .iter()
            .map(|property| initial_value(view, root?, &property.path))
            .map(Option::unwrap_or_default);
        let initial: Vec<InitialValue> = initial.collect();
        for (property, initial) in properties.iter().zip(&initial) {
            let is_sent = property.spawn || property.mode != ReplicationMode::Never;
            if is_sent && initial.value.is_none() {
                let kind = WarningKind::UnknownInitial(property.path.to_string());
                self.report.warn(node.place.clone(), kind);
            }
        }
        let visibility = self.int(view, index, "visibility_update_mode")?;
        let public = match node.properties.get("public_visibility") {
            Some(property) => property.parsed()?.value.as_bool(),
            None => None,
        };
        Ok(Synchronizer {
            root: self.follow(view, index, "root_path", &root_path),
            root_path,
            properties,
            initial,
            replication_interval: seconds(view, index, "replication_interval")?,
            delta_interval: seconds(view, index, "delta_interval")?,
            visibility_update: match visibility {
                Some(1) => VisibilityUpdate::Physics,
                Some(2) => VisibilityUpdate::None,
                _ => VisibilityUpdate::Idle,
            },
            public_visibility: public.unwrap_or(true),
        })
    }

    /// The path of the node to which a property of a node leads.
    fn follow(
        &mut self,
        view: &View<'_>,
        index: usize,
        property: &str,
        path: &NodePath,
    ) -> Option<String> {
        if let Some(node) = view.tree.follow(index, path) {
            let path = view.paths[node].as_str();
            // That of `/root` is empty for the names below it.
            return Some(if path.is_empty() { "." } else { path }.into());
        }
        // From inside a scene a path may lead out of it, to wherever the scene will be.
        let leads_out = view.tree.origin == Origin::Scene
            && (path.is_absolute() || path.names().iter().any(|name| name.as_str() == ".."));
        if !leads_out || path.is_empty() {
            let kind = WarningKind::UnknownNode {
                property: property.into(),
                path: path.to_string(),
            };
            let place = view.tree.nodes[index].place.clone();
            self.report.warn(place, kind);
        }
        None
    }

    fn node_path(
        &mut self,
        view: &View<'_>,
        index: usize,
        name: &str,
    ) -> Result<Option<NodePath>, ProjectError> {
        let Some(property) = view.tree.nodes[index].properties.get(name) else {
            return Ok(None);
        };
        Ok(match &*property.parsed()?.value {
            Value::NodePath(path) => Some(path.clone()),
            Value::String(text) => NodePath::parse(text).ok(),
            _ => {
                self.wrong_type(property, name);
                None
            }
        })
    }

    fn int(
        &mut self,
        view: &View<'_>,
        index: usize,
        name: &str,
    ) -> Result<Option<i64>, ProjectError> {
        let Some(property) = view.tree.nodes[index].properties.get(name) else {
            return Ok(None);
        };
        let value = property.parsed()?.value.as_int();
        if value.is_none() {
            self.wrong_type(property, name);
        }
        Ok(value)
    }

    fn wrong_type(&mut self, property: &Property, name: &str) {
        let kind = WarningKind::WrongType(name.into());
        self.report.warn(property.place().clone(), kind);
    }

    /// `_spawnable_scenes`.
    fn scene_list(&mut self, property: &Property) -> Result<Arc<[Arc<str>]>, ProjectError> {
        let place = property.place();
        if let Some(list) = self.scenes.lists.get(place) {
            return Ok(Arc::clone(list));
        }
        let value = &property.parsed()?.value;
        let texts: Vec<&str> = match &**value {
            Value::PackedStringArray(texts) => texts.iter().map(String::as_str).collect(),
            Value::Array(array) => array.as_slice().iter().filter_map(Value::as_text).collect(),
            _ => {
                self.wrong_type(property, "_spawnable_scenes");
                Vec::new()
            }
        };
        if texts.len() > MOST_SCENES {
            let kind = WarningKind::TooManyScenes(texts.len());
            self.report.warn(place.clone(), kind);
        }
        let mut scenes = Vec::new();
        for text in texts.into_iter().take(MOST_SCENES) {
            let path = self.files.path(text, None, place, &mut self.report)?;
            let path = path.unwrap_or_default();
            if !path.is_empty() && !self.files.exists(&path) {
                let kind = WarningKind::Missing(path.clone());
                self.report.warn(place.clone(), kind);
            }
            scenes.push(Arc::from(path));
        }
        let scenes: Arc<[Arc<str>]> = scenes.into();
        let kept = Arc::clone(&scenes);
        self.scenes.lists.insert(place.clone(), kept);
        Ok(scenes)
    }

    /// The properties of a `SceneReplicationConfig`.
    fn configuration(
        &mut self,
        property: &Property,
    ) -> Result<Option<Arc<[SyncProperty]>>, ProjectError> {
        let section = match self.target(property)? {
            Some(Target::File(path)) => self.resource(&path, property.place())?,
            Some(Target::Inside(_, section)) => Some(section),
            None => None,
        };
        let Some(section) = section else {
            return Ok(None);
        };
        if let Some(known) = self.scenes.configurations.get(&section.place) {
            return Ok(Some(Arc::clone(known)));
        }
        let properties: Arc<[SyncProperty]> = self.entries(&section)?.into();
        let kept = Arc::clone(&properties);
        self.scenes
            .configurations
            .insert(section.place.clone(), kept);
        Ok(Some(properties))
    }

    /// The entries of a configuration, taken one by one as the engine takes them.
    fn entries(&mut self, section: &Section) -> Result<Vec<SyncProperty>, ProjectError> {
        let mut properties: Vec<SyncProperty> = Vec::new();
        for (key, property) in &section.properties {
            let Some(rest) = key.strip_prefix("properties/") else {
                continue;
            };
            let (index, what) = rest.split_once('/').unwrap_or((rest, ""));
            let index = index.parse::<usize>().ok();
            let value = &property.parsed()?.value;
            let taken = match (what, &**value) {
                ("path", Value::NodePath(path)) if index == Some(properties.len()) => {
                    let is_new = properties.iter().all(|other| other.path != *path);
                    let is_good = is_new && !path.subnames().is_empty();
                    if is_good {
                        properties.push(SyncProperty {
                            path: path.clone(),
                            spawn: true,
                            mode: ReplicationMode::Always,
                        });
                    }
                    is_good
                }
                _ => {
                    let found = index.and_then(|index| properties.get_mut(index));
                    found.is_some_and(|found| change(found, what, value))
                }
            };
            if !taken {
                let kind = WarningKind::BadEntry(key.to_string());
                self.report.warn(property.place().clone(), kind);
            }
        }
        let watched = |property: &&SyncProperty| property.mode == ReplicationMode::OnChange;
        let count = properties.iter().filter(watched).count();
        if count > MOST_WATCHED {
            let kind = WarningKind::TooManyWatched(count);
            self.report.warn(section.place.clone(), kind);
        }
        Ok(properties)
    }
}

/// Sets one key of an entry; `sync` and `watch` are those of Godot 4.0 and 4.1. Says whether it was taken.
fn change(property: &mut SyncProperty, what: &str, value: &Value) -> bool {
    let on_off = |on: bool, mode: ReplicationMode, before: ReplicationMode| match on {
        true => mode,
        false if before == mode => ReplicationMode::Never,
        false => before,
    };
    match (what, value) {
        ("spawn", Value::Bool(spawn)) => property.spawn = *spawn,
        ("sync", Value::Bool(on)) => {
            property.mode = on_off(*on, ReplicationMode::Always, property.mode);
        }
        ("watch", Value::Bool(on)) => {
            property.mode = on_off(*on, ReplicationMode::OnChange, property.mode);
        }
        ("replication_mode", Value::Int(0)) => property.mode = ReplicationMode::Never,
        ("replication_mode", Value::Int(1)) => property.mode = ReplicationMode::Always,
        ("replication_mode", Value::Int(2)) => property.mode = ReplicationMode::OnChange,
        _ => return false,
    }
    true
}

fn seconds(view: &View<'_>, index: usize, name: &str) -> Result<f64, ProjectError> {
    let Some(property) = view.tree.nodes[index].properties.get(name) else {
        return Ok(0.0);
    };
    Ok(match *property.parsed()?.value {
        Value::Float(seconds) => seconds,
        #[expect(clippy::cast_precision_loss, reason = "as the engine converts it")]
        Value::Int(seconds) => seconds as f64,
        _ => 0.0,
    })
}

/// What is known of a property before anything runs: what the scene sets, else what the script declares, else what the
/// engine begins with.
fn initial_value(view: &View<'_>, root: usize, path: &NodePath) -> Option<InitialValue> {
    let node_path = NodePath::from_parts(path.names().to_vec(), Vec::new());
    let node = match path.names() {
        [] => root,
        _ => view.tree.follow(root, &node_path)?,
    };
    let (name, component) = match path.subnames() {
        [name] => (name, None),
        [name, component] => (name, Some(component.as_str())),
        _ => return None,
    };
    let variable = view.classes[node]
        .as_deref()
        .and_then(|class| class.variable(name));
    let declared = variable.and_then(|variable| variable.kind);
    let set = view.tree.nodes[node].properties.get(name.as_str());
    let value = match set {
        Some(property) => property
            .parsed()
            .ok()
            .filter(|parsed| parsed.references.is_empty())
            .map(|parsed| converted(&parsed.value, declared)),
        None => match variable {
            Some(variable) => variable.initial.clone(),
            None => defaults::initial(&view.tree.nodes[node], name.as_str()).map(Arc::new),
        },
    };
    if let Some(component) = component {
        let value = value.and_then(|value| component_of(&value, component));
        let kind = value.as_ref().map(Value::kind);
        let value = value.map(Arc::new);
        return Some(InitialValue { kind, value });
    }
    let kind = declared.or_else(|| match (variable, &value) {
        // A variable without a type can change its type.
        (Some(_), _) | (_, None) => None,
        (None, Some(value)) => Some(value.kind()),
    });
    Some(InitialValue { kind, value })
}

/// A component of a vector, which is no property of its own but can be replicated.
fn component_of(value: &Value, component: &str) -> Option<Value> {
    let at = ["x", "y", "z", "w"]
        .into_iter()
        .position(|name| name == component)?;
    let float = |all: &[f32]| Some(Value::Float(f64::from(*all.get(at)?)));
    let int = |all: &[i32]| Some(Value::Int(i64::from(*all.get(at)?)));
    match value {
        Value::Vector2(vector) => float(&vector.to_array()),
        Value::Vector3(vector) => float(&vector.to_array()),
        Value::Vector4(vector) => float(&vector.to_array()),
        Value::Vector2i(vector) => int(&vector.to_array()),
        Value::Vector3i(vector) => int(&vector.to_array()),
        Value::Vector4i(vector) => int(&vector.to_array()),
        _ => None,
    }
}

/// A whole number that a scene gives to a `float`.
fn converted(value: &Arc<Value>, declared: Option<ValueType>) -> Arc<Value> {
    match (&**value, declared) {
        #[expect(clippy::cast_precision_loss, reason = "as the engine converts it")]
        (Value::Int(value), Some(ValueType::Float)) => Arc::new(Value::Float(*value as f64)),
        _ => Arc::clone(value),
    }
}
