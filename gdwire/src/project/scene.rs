//! Scene files, and the trees of nodes that they make.

use super::document::{self, Property, Reference, Section};
use super::error::{Place, ProjectError, ProjectErrorKind, WarningKind};
use super::loader::Loader;
use super::model::SyncProperty;
use super::tree::{Tree, TreeNode};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::rc::Rc;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// All scenes and resources that were read.
#[derive(Debug, Default)]
pub(super) struct Scenes {
    files: BTreeMap<String, Rc<SceneFile>>,
    trees: BTreeMap<String, Option<Rc<Tree>>>,
    loading: BTreeSet<String>,
    /// Nodes of all trees.
    nodes: usize,
    /// Lists of scenes, by where they are written.
    pub(super) lists: BTreeMap<Place, Arc<[Arc<str>]>>,
    /// Replication configurations, by where they are written.
    pub(super) configurations: BTreeMap<Place, Arc<[SyncProperty]>>,
}

/// A scene or resource file.
#[derive(Debug)]
pub(super) struct SceneFile {
    external: BTreeMap<String, External>,
    subs: BTreeMap<String, Rc<Section>>,
    nodes: Vec<Section>,
    /// The resource itself, in a resource file.
    resource: Option<Rc<Section>>,
}

/// An `ext_resource`.
#[derive(Debug)]
struct External {
    uid: Option<String>,
    path: Option<String>,
    place: Place,
}

/// What a reference leads to.
#[derive(Debug)]
pub(super) enum Target {
    /// A file of the project.
    File(String),
    /// A resource inside the file that refers to it: id and content.
    Inside(String, Rc<Section>),
}

impl SceneFile {
    fn read(path: &str, text: &Arc<str>) -> Result<Self, ProjectError> {
        let mut file = Self {
            external: BTreeMap::new(),
            subs: BTreeMap::new(),
            nodes: Vec::new(),
            resource: None,
        };
        for mut section in document::read(path, text)? {
            section.place.file = path.into();
            match section.tag.as_str() {
                "ext_resource" => {
                    let external = External {
                        uid: section.attribute_text("uid")?,
                        path: section.attribute_text("path")?,
                        place: section.place.clone(),
                    };
                    if let Some(id) = section.attribute_text("id")? {
                        file.external.insert(id, external);
                    }
                }
                "sub_resource" => {
                    if let Some(id) = section.attribute_text("id")? {
                        file.subs.insert(id, Rc::new(section));
                    }
                }
                "node" => file.nodes.push(section),
                "resource" => file.resource = Some(Rc::new(section)),
                _ => {}
            }
        }
        Ok(file)
    }
}

impl Loader {
    /// Counts nodes that are about to be made.
    pub(super) fn count_nodes(&mut self, count: usize, place: &Place) -> Result<(), ProjectError> {
        self.scenes.nodes = self.scenes.nodes.saturating_add(count);
        if self.scenes.nodes > self.limits.nodes {
            let kind = ProjectErrorKind::TooManyNodes(self.limits.nodes);
            return Err(place.clone().error(kind));
        }
        Ok(())
    }

    /// A text file of scenes and resources; nothing, with a warning, if there is none that can be read.
    fn scene_file(
        &mut self,
        path: &str,
        place: &Place,
    ) -> Result<Option<Rc<SceneFile>>, ProjectError> {
        if let Some(file) = self.scenes.files.get(path) {
            return Ok(Some(Rc::clone(file)));
        }
        if !path.ends_with(".tscn") && !path.ends_with(".tres") {
            let kind = WarningKind::ForeignFormat(path.into());
            self.report.warn(place.clone(), kind);
            return Ok(None);
        }
        let Some(text) = self.files.text(path, place)? else {
            let kind = WarningKind::Missing(path.into());
            self.report.warn(place.clone(), kind);
            return Ok(None);
        };
        let file = Rc::new(SceneFile::read(path, &text)?);
        self.scenes.files.insert(path.into(), Rc::clone(&file));
        Ok(Some(file))
    }

    /// What the value of a property refers to; nothing, with a warning, if it cannot be found.
    pub(super) fn target(&mut self, property: &Property) -> Result<Option<Target>, ProjectError> {
        let place = property.place();
        let Some(reference) = property.parsed()?.reference() else {
            return Ok(None);
        };
        let file = self.scenes.files.get(&place.file).map(Rc::clone);
        let unknown = |id: &str| WarningKind::UnknownResource(id.into());
        match reference {
            Reference::Path(path) => {
                let path = self.files.path(path, None, place, &mut self.report)?;
                Ok(path.map(Target::File))
            }
            Reference::Sub(id) => {
                let found = file.and_then(|file| file.subs.get(id).map(Rc::clone));
                if found.is_none() {
                    self.report.warn(place.clone(), unknown(id));
                }
                Ok(found.map(|section| Target::Inside(id.clone(), section)))
            }
            Reference::External(id) => {
                let external = file.as_ref().and_then(|file| file.external.get(id));
                let Some(external) = external else {
                    self.report.warn(place.clone(), unknown(id));
                    return Ok(None);
                };
                let (first, fallback) = match (&external.uid, &external.path) {
                    (Some(uid), path) => (uid, path.as_deref()),
                    (None, Some(path)) => (path, None),
                    (None, None) => {
                        self.report.warn(external.place.clone(), unknown(id));
                        return Ok(None);
                    }
                };
                let path = self
                    .files
                    .path(first, fallback, &external.place, &mut self.report)?;
                Ok(path.map(Target::File))
            }
        }
    }

    /// The `[resource]` of a resource file.
    pub(super) fn resource(
        &mut self,
        path: &str,
        place: &Place,
    ) -> Result<Option<Rc<Section>>, ProjectError> {
        let file = self.scene_file(path, place)?;
        Ok(file.and_then(|file| file.resource.clone()))
    }

    /// The nodes of a scene; nothing, with a warning, if it cannot be read.
    pub(super) fn scene_tree(
        &mut self,
        path: &str,
        place: &Place,
    ) -> Result<Option<Rc<Tree>>, ProjectError> {
        if let Some(tree) = self.scenes.trees.get(path) {
            return Ok(tree.clone());
        }
        if self.scenes.loading.len() > self.limits.depth {
            let kind = ProjectErrorKind::TooDeep(self.limits.depth);
            return Err(place.clone().error(kind));
        }
        if !self.scenes.loading.insert(path.into()) {
            let kind = ProjectErrorKind::SceneCycle(path.into());
            return Err(place.clone().error(kind));
        }
        let tree = match self.scene_file(path, place)? {
            Some(file) => self.build(path, &file)?.map(Rc::new),
            None => None,
        };
        self.scenes.loading.remove(path);
        self.scenes.trees.insert(path.into(), tree.clone());
        Ok(tree)
    }

    fn build(&mut self, path: &str, file: &SceneFile) -> Result<Option<Tree>, ProjectError> {
        let Some((root, others)) = file.nodes.split_first() else {
            let kind = WarningKind::ForeignFormat(path.into());
            self.report.warn(Place::file(path), kind);
            return Ok(None);
        };
        let name = name_of(root)?;
        let mut tree = match self.instance(root)? {
            Some(Instance::Scene(base)) => {
                self.count_nodes(base.nodes.len(), &root.place)?;
                let mut tree = Tree::clone(&base);
                tree.nodes[0].name = name;
                tree
            }
            Some(Instance::Class(class)) => Tree::scene(TreeNode::new(name, class)),
            None => Tree::scene(TreeNode::new(name, class_of(root)?)),
        };
        self.count_nodes(1, &root.place)?;
        tree.nodes[0].place = root.place.clone();
        tree.nodes[0].scene = Some(path.into());
        tree.nodes[0].set_properties(&root.properties);
        for section in others {
            self.add_node(&mut tree, section)?;
        }
        Ok(Some(tree))
    }

    /// Adds or changes the node of a `[node]` tag that is not the first.
    fn add_node(&mut self, tree: &mut Tree, section: &Section) -> Result<(), ProjectError> {
        let place = &section.place;
        let name = name_of(section)?;
        let parent_path = section.attribute_text("parent")?.unwrap_or_default();
        let Some(parent) = tree.find(&parent_path) else {
            let kind = WarningKind::VanishedParent(parent_path);
            self.report.warn(place.clone(), kind);
            return Ok(());
        };
        let known = tree.child(parent, &name);
        let instance = match (self.instance(section)?, section.attribute("type")) {
            (Some(instance), _) => instance,
            (None, Some(_)) => Instance::Class(class_of(section)?),
            (None, None) => {
                match known {
                    Some(node) => tree.nodes[node].set_properties(&section.properties),
                    None => {
                        let kind = WarningKind::VanishedNode(name.to_string());
                        self.report.warn(place.clone(), kind);
                    }
                }
                return Ok(());
            }
        };
        if known.is_some() {
            let kind = WarningKind::DuplicateName(name.to_string());
            self.report.warn(place.clone(), kind);
            return Ok(());
        }
        if name.is_empty() || name.contains(['.', ':', '/', '"', '%', '\0']) {
            let kind = WarningKind::BadName(name.to_string());
            self.report.warn(place.clone(), kind);
            return Ok(());
        }
        let node = match instance {
            Instance::Scene(scene) => {
                self.count_nodes(scene.nodes.len(), place)?;
                tree.instance(parent, &scene, name)
            }
            Instance::Class(class) => {
                self.count_nodes(1, place)?;
                tree.add_child(parent, name, class)
            }
        };
        tree.nodes[node].place = place.clone();
        tree.nodes[node].set_properties(&section.properties);
        if let Some(index) = section.attribute_text("index")?
            && let Ok(index) = index.parse::<usize>()
        {
            tree.move_last_child(parent, index);
        }
        Ok(())
    }

    /// What `instance` and `instance_placeholder` say about a node.
    fn instance(&mut self, section: &Section) -> Result<Option<Instance>, ProjectError> {
        if section.attribute("instance_placeholder").is_some() {
            let class = Arc::from("InstancePlaceholder");
            return Ok(Some(Instance::Class(class)));
        }
        let Some(property) = section.attribute("instance") else {
            return Ok(None);
        };
        let tree = match self.target(property)? {
            Some(Target::File(path)) => self.scene_tree(&path, property.place())?,
            Some(Target::Inside(..)) | None => None,
        };
        // What cannot be read is a node all the same, and a warning says so.
        Ok(Some(match tree {
            Some(tree) => Instance::Scene(tree),
            None => Instance::Class("Node".into()),
        }))
    }
}

/// What a new node begins as.
enum Instance {
    Scene(Rc<Tree>),
    Class(Arc<str>),
}

fn name_of(section: &Section) -> Result<Arc<str>, ProjectError> {
    let name = section.attribute_text("name")?.unwrap_or_default();
    if name.is_empty() {
        let kind = ProjectErrorKind::Syntax("a node with a name");
        return Err(section.place.clone().error(kind));
    }
    Ok(name.into())
}

fn class_of(section: &Section) -> Result<Arc<str>, ProjectError> {
    let class = section.attribute_text("type")?;
    Ok(class.unwrap_or_else(|| "Node".to_string()).into())
}
