//! The RPC tables of a class: what `@rpc` and `rpc_config` declare, numbered as the engine numbers it.

use super::error::{Place, ProjectError, ProjectErrorKind, WarningKind};
use super::gdscript::{BodyCall, ClassDef, Function, Literal, RpcSettings, Token};
use super::loader::Loader;
use super::model::{Arguments, RpcMethod};
use super::scripts::Class;
use crate::session::{RpcMode, RpcTable, RpcTableError, TransferMode};
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

/// Calls that the functions of a class may do while a node is made.
const MOST_CALLS: usize = 4096;

/// Functions that run when a node comes into the tree, in order.
const RUN_AT_START: [&str; 3] = ["_init", "_enter_tree", "_ready"];

impl Loader {
    /// Fills the tables of a class whose base is known.
    pub(super) fn find_methods(&mut self, class: &mut Class) -> Result<(), ProjectError> {
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
        method.is_number_only = !entries.iter().any(|(key, _)| key == "rpc_mode");
        if method.is_number_only {
            self.report.warn(place.clone(), WarningKind::NoRpcMode);
        }
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
        is_number_only: false,
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
