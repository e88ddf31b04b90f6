//! What a script declares, without running it: `extends`, `class_name`, constants, variables, functions with their
//! `@rpc`, and calls of `rpc_config`.

mod body;
mod class;
mod expression;
mod lex;

pub(super) use body::{BodyCall, RpcSettings};
pub(super) use class::{ClassDef, Extends, Function, Variable, parse};
pub(super) use expression::{Literal, engine_constant, evaluate};
pub(super) use lex::Token;
