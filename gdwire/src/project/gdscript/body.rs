//! What the body of a function does to the node's own RPC table, as far as it can be told.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::lex::{Line, Token};
use alloc::string::String;
use alloc::vec::Vec;

/// A call in a body that matters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BodyCall {
    /// `rpc_config` of the node itself, done whenever the function runs. The arguments are expressions.
    RpcConfig {
        line: u32,
        method: Vec<Token>,
        settings: RpcSettings,
    },
    /// `rpc_config` in a way that cannot be told.
    Unclear { line: u32 },
    /// The same function of the script above.
    Super,
    /// Something else that changes nodes at run time.
    Runtime { line: u32, what: String },
}

/// The second argument of `rpc_config`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RpcSettings {
    /// `null`: the entry goes.
    Remove,
    /// Keys and expressions.
    Entries(Vec<(String, Vec<Token>)>),
}

/// Names whose use changes at run time what a scene file says.
const RUNTIME: [&str; 7] = [
    "add_spawnable_scene",
    "clear_spawnable_scenes",
    "add_property",
    "remove_property",
    "set_multiplayer",
    "set_multiplayer_authority",
    "set_spawn_function",
];

/// The property that makes custom spawns what they are.
const SPAWN_FUNCTION: &str = "spawn_function";

/// The calls in a body; `function` is the name of the function that it belongs to.
pub(crate) fn calls(function: &str, body: &[Line]) -> Vec<BodyCall> {
    let own_indent = body.first().map_or(0, |line| line.indent);
    let mut calls = Vec::new();
    for line in body {
        if line.indent == own_indent
            && let Some(call) = statement(function, &line.tokens)
        {
            calls.push(call);
            continue;
        }
        let tails = (0..line.tokens.len()).filter_map(|at| line.tokens.get(at..));
        calls.extend(tails.filter_map(mention));
    }
    calls
}

/// A statement that is nothing but a call that can be told.
fn statement(function: &str, tokens: &[Token]) -> Option<BodyCall> {
    let tokens = match tokens {
        [this, dot, rest @ ..] if this.is_word("self") && dot.is('.') => rest,
        _ => tokens,
    };
    match tokens {
        [parent, open, ..] if parent.is_word("super") && open.is('(') => Some(BodyCall::Super),
        [parent, dot, name, ..]
            if parent.is_word("super") && dot.is('.') && name.is_word(function) =>
        {
            Some(BodyCall::Super)
        }
        [name, open, arguments @ .., close]
            if name.is_word("rpc_config") && open.is('(') && close.is(')') =>
        {
            let line = name.line;
            Some(match rpc_config(arguments) {
                Some((method, settings)) => BodyCall::RpcConfig {
                    line,
                    method,
                    settings,
                },
                None => BodyCall::Unclear { line },
            })
        }
        _ => None,
    }
}

/// A call, or a property that is set, where these tokens begin.
fn mention(tokens: &[Token]) -> Option<BodyCall> {
    let [name, open, rest @ ..] = tokens else {
        return None;
    };
    let (line, word) = (name.line, name.word()?);
    let is_set = open.is('=') && !rest.first().is_some_and(|next| next.is('='));
    if word == SPAWN_FUNCTION && is_set {
        return Some(BodyCall::Runtime {
            line,
            what: word.into(),
        });
    }
    if !open.is('(') {
        return None;
    }
    match word {
        "rpc_config" => Some(BodyCall::Unclear { line }),
        _ if RUNTIME.contains(&word) => Some(BodyCall::Runtime {
            line,
            what: word.into(),
        }),
        _ => None,
    }
}

fn rpc_config(arguments: &[Token]) -> Option<(Vec<Token>, RpcSettings)> {
    let parts = split(arguments);
    let (method, settings) = match parts.as_slice() {
        [method, settings] => (method, settings),
        [method, settings, []] => (method, settings),
        _ => return None,
    };
    let settings = match settings {
        [null] if null.is_word("null") => RpcSettings::Remove,
        [open, entries @ .., close] if open.is('{') && close.is('}') => {
            let entries = split(entries);
            let entries = entries.iter().filter(|entry| !entry.is_empty());
            RpcSettings::Entries(
                entries
                    .map(|entry| key_and_value(entry))
                    .collect::<Option<_>>()?,
            )
        }
        _ => return None,
    };
    Some((method.to_vec(), settings))
}

/// `"key": value` or `key = value`.
fn key_and_value(entry: &[Token]) -> Option<(String, Vec<Token>)> {
    let [key, mark, value @ ..] = entry else {
        return None;
    };
    let key = match key.text() {
        Some(text) if mark.is(':') => text,
        None if mark.is('=') => key.word()?,
        _ => return None,
    };
    Some((key.into(), value.to_vec()))
}

/// The parts between commas that are outside of all brackets.
pub(super) fn split(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0usize;
    tokens
        .split(|token| {
            if token.is('(') || token.is('[') || token.is('{') {
                depth = depth.saturating_add(1);
            } else if token.is(')') || token.is(']') || token.is('}') {
                depth = depth.saturating_sub(1);
            }
            depth == 0 && token.is(',')
        })
        .collect()
}
