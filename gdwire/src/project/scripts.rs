//! Scripts and what they inherit: the RPC tables of a class.

use super::error::{Place, ProjectError, ProjectErrorKind, WarningKind};
use super::gdscript::{
    self, BodyCall, ClassDef, Extends, Function, Literal, RpcSettings, Token, Variable,
};
use super::loader::Loader;
use super::model::{Arguments, RpcMethod};
use crate::session::{RpcMode, RpcTable, RpcTableError, TransferMode};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;

/// Constants that one expression may lead to.
const MOST_CONSTANTS: usize = 256;

/// Calls that the functions of a class may do while a node is made.
const MOST_CALLS: usize = 4096;

/// Functions that run when a node comes into the tree, in order.
const RUN_AT_START: [&str; 3] = ["_init", "_enter_tree", "_ready"];

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
    methods: usize,
}

/// A class with all that it inherits.
#[derive(Debug)]
pub(super) struct Class {
    /// The script, with `::` and names behind.
    pub(super) name: Arc<str>,
    file: String,
    def: Rc<ClassDef>,
    /// The classes around an inner one, from the inside.
    outer: Vec<Rc<ClassDef>>,
    base: Option<Rc<Self>>,
    /// The engine's class at the end.
    pub(super) native: String,
    /// `@rpc` of this class and those above, by name.
    annotated: BTreeMap<String, RpcMethod>,
    pub(super) methods: Arc<[RpcMethod]>,
    pub(super) table: RpcTable,
}

impl Class {
    /// This class and those above it.
    fn chain(&self) -> impl Iterator<Item = &Self> {
        core::iter::successors(Some(self), |class| class.base.as_deref())
    }

    fn function(&self, name: &str) -> Option<&Function> {
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

    fn evaluate(&self, defs: &[Rc<ClassDef>], tokens: &[Token]) -> Option<Literal> {
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
                self.scripts.globals.entry(name).or_insert(path.clone());
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

    /// Fills the tables of a class whose base is known.
    fn find_methods(&mut self, class: &mut Class) -> Result<(), ProjectError> {
        if let Some(base) = &class.base {
            class.annotated = base.annotated.clone();
        }
        let defs: Vec<Rc<ClassDef>> = class
            .chain()
            .flat_map(|class| core::iter::once(&class.def).chain(&class.outer))
            .map(Rc::clone)
            .collect();
        for line in &class.def.stray_rpcs {
            let place = Place::new(class.file.as_str(), *line);
            self.report.warn(place, WarningKind::RpcWithoutFunction);
        }
        for function in &class.def.functions {
            self.warn_about_body(&class.file, function);
            if function.rpc.is_some() {
                let method = self.annotated(&class.file, &defs, function);
                class.annotated.insert(function.name.clone(), method);
            }
        }
        let mut calls = MOST_CALLS;
        let mut own = BTreeMap::new();
        for function in RUN_AT_START {
            self.run(Some(class), function, &mut own, &mut calls);
        }
        let count = class.annotated.len() + own.len();
        self.scripts.methods = self.scripts.methods.saturating_add(count);
        if self.scripts.methods > self.limits.methods {
            let kind = ProjectErrorKind::TooManyMethods(self.limits.methods);
            return Err(Place::file(class.file.as_str()).error(kind));
        }
        let mut methods = numbered(class, &class.annotated, 0);
        let node = numbered(class, &own, 0x8000);
        let configs = |methods: &[RpcMethod]| methods.iter().map(RpcMethod::config).collect();
        let (script_configs, node_configs): (Vec<_>, Vec<_>) = (configs(&methods), configs(&node));
        let table = RpcTable::new(node_configs, script_configs);
        class.table = table.map_err(|error| {
            let place = Place::file(class.file.as_str());
            place.error(match error {
                RpcTableError::NoName => ProjectErrorKind::Syntax("a method name"),
                _ => ProjectErrorKind::TableFull,
            })
        })?;
        methods.extend(node);
        class.methods = methods.into();
        Ok(())
    }

    /// Names what a body does that shows at run time only.
    fn warn_about_body(&mut self, file: &str, function: &Function) {
        let runs_at_start = RUN_AT_START.contains(&function.name.as_str());
        for call in &function.calls {
            let (line, kind) = match call {
                BodyCall::RpcConfig { line, .. } if !runs_at_start => {
                    (*line, WarningKind::RuntimeRpcConfig)
                }
                BodyCall::Unclear { line } => (*line, WarningKind::RuntimeRpcConfig),
                BodyCall::Runtime { line, what } => (*line, WarningKind::Runtime(what.clone())),
                BodyCall::RpcConfig { .. } | BodyCall::Super => continue,
            };
            self.report.warn(Place::new(file, line), kind);
        }
    }

    /// Does to a node's own table what a function does that runs when the node comes into the tree.
    ///
    /// Only the last definition runs, and those above it that it calls.
    fn run(
        &mut self,
        class: Option<&Class>,
        function: &str,
        own: &mut BTreeMap<String, RpcMethod>,
        calls: &mut usize,
    ) {
        let found = class.and_then(|class| {
            class.chain().find_map(|class| {
                let mut functions = class.def.functions.iter();
                let found = functions.find(|other| other.name == function)?;
                Some((class, found))
            })
        });
        let Some((class, found)) = found else {
            return;
        };
        let defs: Vec<Rc<ClassDef>> = class
            .chain()
            .flat_map(|class| core::iter::once(&class.def).chain(&class.outer))
            .map(Rc::clone)
            .collect();
        for call in &found.calls {
            let Some(left) = calls.checked_sub(1) else {
                return;
            };
            *calls = left;
            match call {
                BodyCall::Super => self.run(class.base.as_deref(), function, own, calls),
                BodyCall::RpcConfig {
                    line,
                    method,
                    settings,
                } => {
                    let place = Place::new(class.file.as_str(), *line);
                    let Some(Literal::Text(name)) = self.scripts.evaluate(&defs, method) else {
                        self.report.warn(place, WarningKind::RuntimeRpcConfig);
                        continue;
                    };
                    match settings {
                        RpcSettings::Remove => {
                            own.remove(&name);
                        }
                        RpcSettings::Entries(entries) => {
                            let method = self.configured(&defs, name, entries, place);
                            own.insert(method.name.clone(), method);
                        }
                    }
                }
                BodyCall::Unclear { .. } | BodyCall::Runtime { .. } => {}
            }
        }
    }

    /// A method with `@rpc`.
    fn annotated(&mut self, file: &str, defs: &[Rc<ClassDef>], function: &Function) -> RpcMethod {
        let rpc = function.rpc.as_ref();
        let line = rpc.map_or(function.line, |rpc| rpc.line);
        let place = Place::new(file, line);
        let mut method = method(function.name.clone(), place.clone());
        let given = rpc.map_or(&[][..], |rpc| &rpc.arguments);
        for (index, argument) in given.iter().enumerate() {
            let known = match self.scripts.evaluate(defs, argument) {
                Some(Literal::Int(channel)) if index == 3 => {
                    self.set_channel(&mut method, channel);
                    true
                }
                Some(Literal::Text(word)) if index < 3 => match word.as_str() {
                    "any_peer" => set(&mut method.mode, RpcMode::AnyPeer),
                    "authority" => set(&mut method.mode, RpcMode::Authority),
                    "call_local" => set(&mut method.call_local, true),
                    "call_remote" => set(&mut method.call_local, false),
                    "reliable" => set(&mut method.transfer, TransferMode::Reliable),
                    "unreliable" => set(&mut method.transfer, TransferMode::Unreliable),
                    "unreliable_ordered" => {
                        set(&mut method.transfer, TransferMode::UnreliableOrdered)
                    }
                    _ => false,
                },
                _ => false,
            };
            if !known {
                let kind = WarningKind::RpcArgument(index + 1);
                self.report.warn(place.clone(), kind);
            }
        }
        method
    }

    /// A method of `rpc_config`.
    fn configured(
        &mut self,
        defs: &[Rc<ClassDef>],
        name: String,
        entries: &[(String, Vec<Token>)],
        place: Place,
    ) -> RpcMethod {
        let mut method = method(name, place.clone());
        // Without `rpc_mode` the engine does not take a call.
        method.mode = RpcMode::Disabled;
        for (key, value) in entries {
            let value = self.scripts.evaluate(defs, value);
            let known = match (key.as_str(), value) {
                ("rpc_mode", Some(Literal::Int(0))) => set(&mut method.mode, RpcMode::Disabled),
                ("rpc_mode", Some(Literal::Int(1))) => set(&mut method.mode, RpcMode::AnyPeer),
                ("rpc_mode", Some(Literal::Int(2))) => set(&mut method.mode, RpcMode::Authority),
                ("transfer_mode", Some(Literal::Int(0))) => {
                    set(&mut method.transfer, TransferMode::Unreliable)
                }
                ("transfer_mode", Some(Literal::Int(1))) => {
                    set(&mut method.transfer, TransferMode::UnreliableOrdered)
                }
                ("transfer_mode", Some(Literal::Int(2))) => {
                    set(&mut method.transfer, TransferMode::Reliable)
                }
                ("call_local", Some(Literal::Bool(local))) => set(&mut method.call_local, local),
                ("channel", Some(Literal::Int(channel))) => {
                    self.set_channel(&mut method, channel);
                    true
                }
                _ => false,
            };
            if !known {
                let kind = WarningKind::RuntimeRpcConfig;
                self.report.warn(place.clone(), kind);
            }
        }
        method
    }

    fn set_channel(&mut self, method: &mut RpcMethod, channel: i64) {
        match u8::try_from(channel) {
            Ok(channel) if channel <= 253 => method.channel = channel,
            _ => {
                let kind = WarningKind::BadChannel(channel);
                self.report.warn(method.place.clone(), kind);
            }
        }
    }
}

/// The methods of a table, in the order that numbers them.
fn numbered(class: &Class, table: &BTreeMap<String, RpcMethod>, bit: u16) -> Vec<RpcMethod> {
    let numbered = (0_u16..).zip(table.values());
    let method = |(index, method): (u16, &RpcMethod)| RpcMethod {
        id: index | bit,
        arguments: class.function(&method.name).map(arguments),
        ..method.clone()
    };
    numbered.map(method).collect()
}

/// Says that the value was known.
fn set<T>(place: &mut T, value: T) -> bool {
    *place = value;
    true
}

/// A method with the defaults of `@rpc`.
const fn method(name: String, place: Place) -> RpcMethod {
    RpcMethod {
        name,
        id: 0,
        mode: RpcMode::Authority,
        transfer: TransferMode::Reliable,
        channel: 0,
        call_local: false,
        arguments: None,
        place,
    }
}

fn arguments(function: &Function) -> Arguments {
    Arguments {
        required: function.required,
        most: (!function.is_open).then_some(function.arguments.len()),
        types: function.arguments.clone(),
    }
}
