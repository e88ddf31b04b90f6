//! Reads `project.godot` and puts the parts together.

use super::document::{self, Property, Section};
use super::error::{Place, ProjectError, ProjectErrorKind, WarningKind};
use super::files::Files;
use super::limits::Limits;
use super::model::{Project, ProjectNode, SceneTemplate, Start};
use super::report::Report;
use super::scene::Scenes;
use super::scripts::Scripts;
use super::tree::Tree;
use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeSet;
use alloc::rc::Rc;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The file that makes a folder a project.
const PROJECT_FILE: &str = "res://project.godot";

/// Everything that is known while a project is read.
#[derive(Debug)]
pub(super) struct Loader {
    pub(super) limits: Limits,
    pub(super) files: Files,
    pub(super) report: Report,
    pub(super) scripts: Scripts,
    pub(super) scenes: Scenes,
}

/// An entry of `[autoload]`.
struct Autoload {
    name: Arc<str>,
    path: String,
    place: Place,
}

/// What `project.godot` says.
struct Settings {
    name: Option<String>,
    main_scene: Option<(String, Place)>,
    autoloads: Vec<Autoload>,
}

/// Reads a project.
pub(super) fn load(
    files: Files,
    start: &Start,
    limits: &Limits,
    report: Report,
) -> Result<Project, ProjectError> {
    let mut loader = Loader {
        limits: *limits,
        files,
        report,
        scripts: Scripts::default(),
        scenes: Scenes::default(),
    };
    let settings = loader.settings(start)?;
    loader.read_scripts()?;
    for autoload in &settings.autoloads {
        if autoload.path.ends_with(".gd") {
            let path = autoload.path.clone();
            loader.scripts.add_singleton(&autoload.name, path);
        }
    }
    let mut tree = Tree::root();
    for autoload in &settings.autoloads {
        loader.add_autoload(&mut tree, autoload)?;
    }
    if let Some((path, place)) = &settings.main_scene {
        loader.add_main_scene(&mut tree, path, place)?;
    }
    for (node, scene) in &start.instances {
        loader.add_instance(&mut tree, node, scene)?;
    }
    let nodes = loader.project_nodes(&tree)?;
    let scenes = loader.spawnable(&nodes, &start.scenes)?;
    Ok(Project {
        name: settings.name,
        main_scene: settings.main_scene.map(|(path, _)| path),
        nodes,
        scenes,
        warnings: loader.report.into_warnings(),
    })
}

impl Loader {
    fn settings(&mut self, start: &Start) -> Result<Settings, ProjectError> {
        let place = Place::file(PROJECT_FILE);
        let Some(text) = self.files.text(PROJECT_FILE, &place)? else {
            return Err(place.error(ProjectErrorKind::NoProject));
        };
        let sections = document::read(PROJECT_FILE, &text)?;
        if let Some(version) = sections
            .first()
            .and_then(|section| section.property("config_version"))
        {
            let number = version.parsed()?.value.to_string();
            if number != "5" {
                let place = version.place().clone();
                return Err(place.error(ProjectErrorKind::NotGodot4(number)));
            }
        }
        let mut settings = Settings {
            name: None,
            main_scene: None,
            autoloads: Vec::new(),
        };
        for section in &sections {
            match section.tag.as_str() {
                "application" => self.application(section, &mut settings)?,
                "autoload" => self.autoloads(section, &mut settings)?,
                _ => {}
            }
        }
        if let Some(scene) = &start.main_scene {
            settings.main_scene = Some((scene.clone(), place.clone()));
        }
        if settings.main_scene.is_none() {
            self.report.warn(place, WarningKind::NoMainScene);
        }
        Ok(settings)
    }

    fn application(
        &mut self,
        section: &Section,
        settings: &mut Settings,
    ) -> Result<(), ProjectError> {
        for (key, property) in &section.properties {
            match &**key {
                "config/name" => settings.name = property.text()?,
                "run/main_scene" => {
                    let text = property.text()?.filter(|text| !text.is_empty());
                    settings.main_scene = match text {
                        Some(text) => self.path_of(&text, property)?,
                        None => None,
                    };
                }
                key if key.starts_with("run/main_scene.") => {
                    let kind = WarningKind::FeatureSetting(key.to_owned());
                    self.report.warn(property.place().clone(), kind);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn path_of(
        &mut self,
        text: &str,
        property: &Property,
    ) -> Result<Option<(String, Place)>, ProjectError> {
        let place = property.place();
        let path = self.files.path(text, None, place, &mut self.report)?;
        Ok(path.map(|path| (path, place.clone())))
    }

    fn autoloads(
        &mut self,
        section: &Section,
        settings: &mut Settings,
    ) -> Result<(), ProjectError> {
        for (key, property) in &section.properties {
            let Some(text) = property.text()? else {
                let kind = WarningKind::WrongType(key.to_string());
                self.report.warn(property.place().clone(), kind);
                continue;
            };
            // The star only makes it a global name; the node is there without.
            let path = text.strip_prefix('*').unwrap_or(&text);
            if path.is_empty() {
                continue;
            }
            let Some((path, place)) = self.path_of(path, property)? else {
                continue;
            };
            let name = Arc::clone(key);
            settings.autoloads.retain(|other| other.name != name);
            settings.autoloads.push(Autoload { name, path, place });
        }
        Ok(())
    }

    fn add_autoload(&mut self, tree: &mut Tree, autoload: &Autoload) -> Result<(), ProjectError> {
        let Autoload { name, path, place } = autoload;
        if !path.ends_with(".gd") {
            if let Some(scene) = self.scene_tree(path, place)? {
                self.graft((tree, 0), &scene, Arc::clone(name), place)?;
            }
            return Ok(());
        }
        if let Some(class) = self.script_class(path, place)? {
            let native = Arc::from(class.native.as_str());
            let node = tree.add_child(0, Arc::clone(name), native);
            tree.nodes[node].builtin = Some(class);
        }
        Ok(())
    }

    fn add_main_scene(
        &mut self,
        tree: &mut Tree,
        path: &str,
        place: &Place,
    ) -> Result<(), ProjectError> {
        match self.scene_tree(path, place)? {
            Some(scene) => {
                let name = Arc::clone(&scene.nodes[0].name);
                self.graft((tree, 0), &scene, name, place)
            }
            None => Ok(()),
        }
    }

    /// A scene that a script adds as the node at `path`.
    fn add_instance(
        &mut self,
        tree: &mut Tree,
        path: &str,
        scene: &str,
    ) -> Result<(), ProjectError> {
        let place = Place::file(scene);
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(parent) = tree.find(above) else {
            let kind = WarningKind::VanishedParent(path.to_owned());
            self.report.warn(place, kind);
            return Ok(());
        };
        match self.scene_tree(scene, &place)? {
            Some(scene) => self.graft((tree, parent), &scene, name.into(), &place),
            None => Ok(()),
        }
    }

    /// Hangs a scene below a node.
    fn graft(
        &mut self,
        (tree, parent): (&mut Tree, usize),
        scene: &Rc<Tree>,
        name: Arc<str>,
        place: &Place,
    ) -> Result<(), ProjectError> {
        if tree.child(parent, &name).is_some() {
            let kind = WarningKind::DuplicateName(name.to_string());
            self.report.warn(place.clone(), kind);
            return Ok(());
        }
        self.count_nodes(scene.nodes.len(), place)?;
        tree.instance(parent, scene, name);
        Ok(())
    }

    /// The scenes that these spawners can bring in, `others`, and those that spawners inside all of them can.
    fn spawnable(
        &mut self,
        nodes: &[ProjectNode],
        others: &[String],
    ) -> Result<Vec<SceneTemplate>, ProjectError> {
        let mut known = BTreeSet::new();
        let mut wanted = Vec::new();
        let mut want = |scenes: &[Arc<str>], wanted: &mut Vec<Arc<str>>| {
            for path in scenes.iter().filter(|path| !path.is_empty()) {
                if known.insert(Arc::clone(path)) {
                    wanted.push(Arc::clone(path));
                }
            }
        };
        let spawners = nodes.iter().filter_map(|node| node.spawner.as_ref());
        spawners.for_each(|spawner| want(&spawner.scenes, &mut wanted));
        let others: Vec<Arc<str>> = others.iter().map(|path| path.as_str().into()).collect();
        for path in others.iter().filter(|path| !self.files.exists(path)) {
            let kind = WarningKind::Missing(path.to_string());
            self.report.warn(Place::file(PROJECT_FILE), kind);
        }
        want(&others, &mut wanted);
        let mut templates = Vec::new();
        let mut next = 0;
        while let Some(path) = wanted.get(next).map(Arc::clone) {
            next += 1;
            // That it is missing was said where it is listed.
            if !self.files.exists(&path) {
                continue;
            }
            let Some(tree) = self.scene_tree(&path, &Place::file(&*path))? else {
                continue;
            };
            self.count_nodes(tree.nodes.len(), &Place::file(&*path))?;
            let nodes = self.project_nodes(&tree)?;
            for spawner in nodes.iter().filter_map(|node| node.spawner.as_ref()) {
                want(&spawner.scenes, &mut wanted);
            }
            templates.push(SceneTemplate { path, nodes });
        }
        Ok(templates)
    }
}
