//! Nodes with their properties, as scenes make them.

use super::document::Property;
use super::error::Place;
use super::scripts::Class;
use crate::variant::NodePath;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A tree of nodes. The first is the root.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) origin: Origin,
    pub(super) nodes: Vec<TreeNode>,
    by_name: BTreeMap<(usize, Arc<str>), usize>,
}

/// What the root of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// `/root`.
    Game,
    /// The root of a scene, which can be anywhere.
    Scene,
}

/// A node.
#[derive(Clone, Debug)]
pub(super) struct TreeNode {
    pub(super) name: Arc<str>,
    pub(super) class: Arc<str>,
    /// The scene that begins here.
    pub(super) scene: Option<Arc<str>>,
    /// Properties that scenes set, shared until one is changed.
    pub(super) properties: Rc<BTreeMap<Arc<str>, Rc<Property>>>,
    /// The script of an autoload, which no property names.
    pub(super) builtin: Option<Rc<Class>>,
    pub(super) place: Place,
    pub(super) parent: usize,
    pub(super) children: Vec<usize>,
}

impl TreeNode {
    pub(super) fn new(name: Arc<str>, class: Arc<str>) -> Self {
        Self {
            name,
            class,
            scene: None,
            properties: Rc::default(),
            builtin: None,
            place: Place::file(""),
            parent: 0,
            children: Vec::new(),
        }
    }

    pub(super) fn set_properties(&mut self, properties: &[(Arc<str>, Rc<Property>)]) {
        if !properties.is_empty() {
            let known = Rc::make_mut(&mut self.properties);
            known.extend(properties.iter().cloned());
        }
    }
}

impl Tree {
    /// `/root` without children.
    pub(super) fn root() -> Self {
        let root = TreeNode::new("".into(), "Window".into());
        Self::with_root(Origin::Game, root)
    }

    /// A scene of one node.
    pub(super) fn scene(root: TreeNode) -> Self {
        Self::with_root(Origin::Scene, root)
    }

    fn with_root(origin: Origin, root: TreeNode) -> Self {
        Self {
            origin,
            nodes: Vec::from([root]),
            by_name: BTreeMap::new(),
        }
    }

    pub(super) fn child(&self, parent: usize, name: &Arc<str>) -> Option<usize> {
        self.by_name.get(&(parent, Arc::clone(name))).copied()
    }

    /// The node at a path from the root, as `parent` of a scene file has it.
    pub(super) fn find(&self, path: &str) -> Option<usize> {
        let mut node = 0;
        for name in path
            .split('/')
            .filter(|name| !name.is_empty() && *name != ".")
        {
            node = self.child(node, &name.into())?;
        }
        Some(node)
    }

    /// The node to which a path leads from another node.
    pub(super) fn follow(&self, from: usize, path: &NodePath) -> Option<usize> {
        let mut names = path.names().iter();
        let mut node = from;
        if path.is_absolute() {
            let is_root = names.next().is_some_and(|name| name.as_str() == "root");
            if self.origin != Origin::Game || !is_root {
                return None;
            }
            node = 0;
        } else if path.names().is_empty() {
            return None;
        }
        for name in names {
            node = match name.as_str() {
                "." => node,
                ".." if node == 0 => return None,
                ".." => self.nodes[node].parent,
                name => self.child(node, &name.into())?,
            };
        }
        Some(node)
    }

    /// Adds a node behind the children of another.
    pub(super) fn add_child(&mut self, parent: usize, name: Arc<str>, class: Arc<str>) -> usize {
        self.push(parent, TreeNode::new(name, class))
    }

    fn push(&mut self, parent: usize, mut node: TreeNode) -> usize {
        let index = self.nodes.len();
        node.parent = parent;
        node.children = Vec::new();
        let key = (parent, Arc::clone(&node.name));
        self.by_name.insert(key, index);
        self.nodes[parent].children.push(index);
        self.nodes.push(node);
        index
    }

    /// Adds all nodes of another tree; its root gets a name and becomes the last child of `parent`.
    pub(super) fn instance(&mut self, parent: usize, other: &Self, name: Arc<str>) -> usize {
        let mut root = other.nodes[0].clone();
        root.name = name;
        let root = self.push(parent, root);
        let mut open = Vec::from([(0, root)]);
        while let Some((theirs, ours)) = open.pop() {
            // Added in the order in which they were added there, then put in the order in which they are there.
            let mut copies = BTreeMap::new();
            for child in other.added(theirs) {
                let copy = self.push(ours, other.nodes[child].clone());
                copies.insert(child, copy);
                open.push((child, copy));
            }
            let children = other.nodes[theirs].children.iter();
            self.nodes[ours].children = children.map(|child| copies[child]).collect();
        }
        root
    }

    /// The children of a node in the order in which they were added, which is that of their numbers.
    fn added(&self, node: usize) -> Vec<usize> {
        let mut children = self.nodes[node].children.clone();
        children.sort_unstable();
        children
    }

    /// Moves the last child of a node to another place among its siblings, if that is not behind it.
    pub(super) fn move_last_child(&mut self, parent: usize, index: usize) {
        let children = &mut self.nodes[parent].children;
        if index + 1 < children.len()
            && let Some(last) = children.pop()
        {
            children.insert(index, last);
        }
    }

    /// All nodes, parents before children and children in their order, each with the number of nodes above it.
    pub(super) fn walk(&self) -> impl Iterator<Item = (usize, usize)> {
        let mut open = Vec::from([(0, 0)]);
        core::iter::from_fn(move || {
            let (node, depth) = open.pop()?;
            let children = self.nodes[node].children.iter().rev();
            open.extend(children.map(|&child| (child, depth + 1)));
            Some((node, depth))
        })
    }

    /// For each node its place in the order in which the engine lets them enter the tree: children in the order in which
    /// they were added, wherever they are among their siblings.
    pub(super) fn enter_order(&self) -> Vec<usize> {
        let mut order = alloc::vec![0; self.nodes.len()];
        let mut open = Vec::from([0]);
        let mut next = 0;
        while let Some(node) = open.pop() {
            order[node] = next;
            next += 1;
            open.extend(self.added(node).into_iter().rev());
        }
        order
    }
}
