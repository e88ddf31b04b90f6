//! Scripts and what they inherit: the RPC tables of a class.

use super::error::{Place, ProjectError, ProjectErrorKind, WarningKind};
use super::gdscript::{self, ClassDef, Extends, Function, Literal, Token, Variable};
use super::loader::Loader;
use super::model::RpcMethod;
use crate::session::RpcTable;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;

/// Constants that one expression may lead to.
const MOST_CONSTANTS: usize = 256;

/// What a script or inner class was read as, or the line that makes it unreadable.
type ParsedScript = Result<Rc<ClassDef>, (u32, &'static str)>;

/// All scripts of the project.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    /// By path.
    parsed: BTreeMap<String, ParsedScript>,
    /// `class_name` → path.
    globals: BTreeMap<String, String>,
    /// Autoload that is a script → path.
    singletons: BTreeMap<String, String>,
    /// By path, with `::` and the names of inner classes behind.
    classes: BTreeMap<String, Option<Rc<Class>>>,
    loading: BTreeSet<String>,
    /// Methods of all classes.
    pub(super) methods: usize,
}

/// A class with all that it inherits.
#[derive(Debug)]
pub(super) struct Class {
    /// The script, with `::` and names behind.
    pub(super) name: Arc<str>,
    pub(super) file: String,
    pub(super) def: Rc<ClassDef>,
    /// The classes around an inner one, from the inside.
    pub(super) outer: Vec<Rc<ClassDef>>,
    pub(super) base: Option<Rc<Self>>,
    /// The engine's class at the end.
    pub(super) native: String,
    /// `@rpc` of this class and those above, by name.
    pub(super) annotated: BTreeMap<String, RpcMethod>,
    pub(super) methods: Arc<[RpcMethod]>,
    pub(super) table: RpcTable,
}

impl Class {
    /// This class and those above it.
    pub(super) fn chain(&self) -> impl Iterator<Item = &Self> {
        core::iter::successors(Some(self), |class| class.base.as_deref())
    }

    pub(super) fn function(&self, name: &str) -> Option<&Function> {
        self.chain()
            .flat_map(|class| &class.def.functions)
            .find(|function| function.name == name)
    }

    pub(super) fn variable(&self, name: &str) -> Option<&Variable> {
        self.chain().find_map(|class| class.def.variables.get(name))
    }
}

/// Where a class is: a script, and names of classes inside it.
struct Address {
    path: String,
    inner: Vec<String>,
}

impl Scripts {
    pub(super) fn add_singleton(&mut self, name: &str, path: String) {
        self.singletons.insert(name.into(), path);
    }

    /// The value of a constant that a class can see.
    fn constant(&self, defs: &[Rc<ClassDef>], name: &str, fuel: &Cell<usize>) -> Option<Literal> {
        fuel.set(fuel.get().checked_sub(1)?);
        if let Some(value) = gdscript::engine_constant(name) {
            return Some(value);
        }
        let own = defs.iter().find_map(|def| def.constants.get(name));
        let (constant, defs) = match own {
            Some(constant) => (constant.clone(), defs.to_vec()),
            None => {
                let (global, name) = name.split_once('.')?;
                let path = self.globals.get(global);
                let path = path.or_else(|| self.singletons.get(global))?;
                let def = self.parsed.get(path)?.as_ref().ok()?;
                (
                    def.constants.get(name)?.clone(),
                    Vec::from([Rc::clone(def)]),
                )
            }
        };
        let scope = |name: &str| self.constant(&defs, name, fuel);
        match gdscript::evaluate(&constant.tokens, &scope) {
            Some(Literal::Int(value)) => Some(Literal::Int(value.wrapping_add(constant.plus))),
            // The first value of an enum is 0.
            None if constant.tokens.is_empty() => Some(Literal::Int(constant.plus)),
            value => value,
        }
    }

    pub(super) fn evaluate(&self, defs: &[Rc<ClassDef>], tokens: &[Token]) -> Option<Literal> {
        let fuel = Cell::new(MOST_CONSTANTS);
        gdscript::evaluate(tokens, &|name| self.constant(defs, name, &fuel))
    }
}

impl Loader {
    /// Reads all scripts, which tells the names of global classes.
    pub(super) fn read_scripts(&mut self) -> Result<(), ProjectError> {
        for path in self.files.ending(".gd") {
            let place = Place::file(path.as_str());
            let Some(text) = self.files.text(&path, &place)? else {
                continue;
            };
            let parsed = gdscript::parse(&text).map(Rc::new);
            if let Ok(def) = &parsed
                && let Some(name) = &def.name
            {
                let name = name.clone();
                self.scripts
                    .globals
                    .entry(name)
                    .or_insert_with(|| path.clone());
            }
            let parsed = parsed.map_err(|error| (error.line, error.expected));
            self.scripts.parsed.insert(path, parsed);
        }
        Ok(())
    }

    /// The class of a script file; nothing, with a warning, if there is none that can be read.
    pub(super) fn script_class(
        &mut self,
        path: &str,
        place: &Place,
    ) -> Result<Option<Rc<Class>>, ProjectError> {
        if !path.ends_with(".gd") {
            let kind = WarningKind::ForeignFormat(path.into());
            self.report.warn(place.clone(), kind);
            return Ok(None);
        }
        self.node_class(path, place)
    }

    /// The class of a script inside a scene; `id` is the path of the scene with the id of the script.
    pub(super) fn inline_class(
        &mut self,
        id: &str,
        source: &str,
        place: &Place,
    ) -> Result<Option<Rc<Class>>, ProjectError> {
        if !self.scripts.parsed.contains_key(id) {
            let parsed = gdscript::parse(source).map(Rc::new);
            // The lines of the scene, in which the source begins.
            let parsed = parsed.map_err(|error| (place.line, error.expected));
            self.scripts.parsed.insert(id.into(), parsed);
        }
        self.node_class(id, place)
    }

    fn node_class(&mut self, path: &str, place: &Place) -> Result<Option<Rc<Class>>, ProjectError> {
        let address = Address {
            path: path.into(),
            inner: Vec::new(),
        };
        let Some(class) = self.class(&address, place, 0)? else {
            return Ok(None);
        };
        if matches!(class.native.as_str(), "Object" | "RefCounted" | "Resource") {
            let kind = WarningKind::NotANodeScript(class.native.clone());
            self.report.warn(Place::file(path), kind);
            return Ok(None);
        }
        Ok(Some(class))
    }

    fn class(
        &mut self,
        address: &Address,
        place: &Place,
        depth: usize,
    ) -> Result<Option<Rc<Class>>, ProjectError> {
        let mut key = address.path.clone();
        for name in &address.inner {
            key = format!("{key}::{name}");
        }
        if let Some(class) = self.scripts.classes.get(&key) {
            return Ok(class.clone());
        }
        if depth > self.limits.depth {
            let kind = ProjectErrorKind::TooDeep(self.limits.depth);
            return Err(place.clone().error(kind));
        }
        if !self.scripts.loading.insert(key.clone()) {
            return Err(place.clone().error(ProjectErrorKind::ScriptCycle(key)));
        }
        let class = match self.definition(address, place)? {
            Some((def, outer)) => Some(self.build_class(&key, address, (def, outer), depth)?),
            None => None,
        };
        self.scripts.loading.remove(&key);
        self.scripts.classes.insert(key, class.clone());
        Ok(class)
    }

    /// The definition of a class and the classes around it.
    #[expect(clippy::type_complexity, reason = "used once")]
    fn definition(
        &mut self,
        address: &Address,
        place: &Place,
    ) -> Result<Option<(Rc<ClassDef>, Vec<Rc<ClassDef>>)>, ProjectError> {
        if !self.scripts.parsed.contains_key(&address.path) {
            // A hidden or ignored folder is not listed.
            let Some(text) = self.files.text(&address.path, place)? else {
                let kind = WarningKind::Missing(address.path.clone());
                self.report.warn(place.clone(), kind);
                return Ok(None);
            };
            let parsed = gdscript::parse(&text).map(Rc::new);
            let parsed = parsed.map_err(|error| (error.line, error.expected));
            self.scripts.parsed.insert(address.path.clone(), parsed);
        }
        let mut def = match self.scripts.parsed.get(&address.path) {
            Some(Ok(def)) => Rc::clone(def),
            Some(Err((line, expected))) => {
                // A script inside a scene is named by the scene.
                let file = address.path.split("::").next().unwrap_or_default();
                return Err(Place::new(file, *line).error(ProjectErrorKind::Syntax(expected)));
            }
            None => return Ok(None),
        };
        let mut outer = Vec::new();
        for name in &address.inner {
            let inner = def
                .inner
                .iter()
                .find(|inner| inner.name.as_ref() == Some(name));
            let Some(inner) = inner.map(Rc::clone) else {
                let kind = WarningKind::UnknownBase(format!("{}.{name}", address.path));
                self.report.warn(place.clone(), kind);
                return Ok(None);
            };
            outer.insert(0, core::mem::replace(&mut def, inner));
        }
        Ok(Some((def, outer)))
    }

    fn build_class(
        &mut self,
        key: &str,
        address: &Address,
        (def, outer): (Rc<ClassDef>, Vec<Rc<ClassDef>>),
        depth: usize,
    ) -> Result<Rc<Class>, ProjectError> {
        let file = address.path.split("::").next().unwrap_or_default();
        let mut class = Class {
            name: key.into(),
            file: file.into(),
            def,
            outer,
            base: None,
            native: "RefCounted".into(),
            annotated: BTreeMap::new(),
            methods: Arc::new([]),
            table: RpcTable::default(),
        };
        if let Some(extends) = class.def.extends.clone() {
            let place = Place::new(file, extends.line);
            if let Some(base) = self.base_address(&class, address, &extends, &place)? {
                class.base = self.class(&base, &place, depth + 1)?;
                class.native = match &class.base {
                    Some(base) => base.native.clone(),
                    None => "Node".into(),
                };
            } else {
                class.native = extends.names.join(".");
            }
        }
        self.find_methods(&mut class)?;
        Ok(Rc::new(class))
    }

    /// The script class that is extended; nothing for a class of the engine.
    fn base_address(
        &mut self,
        class: &Class,
        address: &Address,
        extends: &Extends,
        place: &Place,
    ) -> Result<Option<Address>, ProjectError> {
        if let Some(text) = &extends.path {
            let path = self.files.path(text, None, place, &mut self.report)?;
            let inner = extends.names.clone();
            return Ok(path.map(|path| Address { path, inner }));
        }
        let Some((first, inner)) = extends.names.split_first() else {
            return Ok(None);
        };
        // A class inside one of the classes around this one.
        for (up, outer) in class.outer.iter().enumerate() {
            let is_here = |other: &Rc<ClassDef>| other.name.as_ref() == Some(first);
            if outer.inner.iter().any(is_here) {
                let kept = address.inner.len().saturating_sub(up + 1);
                let mut path = address.inner[..kept].to_vec();
                path.extend(extends.names.iter().cloned());
                let inner = path;
                let path = address.path.clone();
                return Ok(Some(Address { path, inner }));
            }
        }
        let defs = core::iter::once(&class.def).chain(&class.outer);
        let preloaded = defs
            .filter_map(|def| def.constants.get(first))
            .find_map(|constant| constant.preloaded().map(String::from));
        let path = match preloaded {
            Some(path) => self.files.path(&path, None, place, &mut self.report)?,
            None => {
                let path = self.scripts.globals.get(first);
                path.or_else(|| self.scripts.singletons.get(first)).cloned()
            }
        };
        if path.is_none() && !inner.is_empty() {
            let kind = WarningKind::UnknownBase(extends.names.join("."));
            self.report.warn(place.clone(), kind);
        }
        let inner = inner.to_vec();
        Ok(path.map(|path| Address { path, inner }))
    }
}
