//! Constant expressions: literals, names of constants, sums.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::lex::{Kind, Token};
use alloc::borrow::ToOwned as _;
use alloc::string::String;

/// A value that can be told without running a script.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

/// Bytes of a text that is put together.
const LONGEST: usize = 1024;

/// Minus signs in a row.
const MOST_SIGNS: usize = 8;

/// What a dotted name stands for.
pub(crate) type Scope<'a> = dyn Fn(&str) -> Option<Literal> + 'a;

/// The value of an expression, if it is one that can be told.
pub(crate) fn evaluate(tokens: &[Token], scope: &Scope<'_>) -> Option<Literal> {
    let (mut sum, mut rest) = operand(tokens, scope, MOST_SIGNS)?;
    while let Some((plus, after)) = rest.split_first() {
        if !plus.is('+') {
            return None;
        }
        let (next, after) = operand(after, scope, MOST_SIGNS)?;
        sum = match (sum, next) {
            (Literal::Int(a), Literal::Int(b)) => Literal::Int(a.wrapping_add(b)),
            (Literal::Text(a), Literal::Text(b)) if a.len().saturating_add(b.len()) <= LONGEST => {
                Literal::Text(a + &b)
            }
            _ => return None,
        };
        rest = after;
    }
    Some(sum)
}

fn operand<'a>(
    tokens: &'a [Token],
    scope: &Scope<'_>,
    signs: usize,
) -> Option<(Literal, &'a [Token])> {
    let (first, mut rest) = tokens.split_first()?;
    let value = match &first.kind {
        Kind::Int(value) => Literal::Int(*value),
        Kind::Float(value) => Literal::Float(*value),
        Kind::Text(text) => Literal::Text(text.clone()),
        Kind::Mark('-') => {
            let (value, rest) = operand(rest, scope, signs.checked_sub(1)?)?;
            return match value {
                Literal::Int(value) => Some((Literal::Int(value.wrapping_neg()), rest)),
                Literal::Float(value) => Some((Literal::Float(-value), rest)),
                _ => None,
            };
        }
        Kind::Word(word) => {
            let mut name = word.to_owned();
            while let [dot, next, after @ ..] = rest
                && dot.is('.')
                && let Some(part) = next.word()
            {
                name.push('.');
                name.push_str(part);
                rest = after;
            }
            match name.as_str() {
                "null" => Literal::Null,
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                _ => scope(&name)?,
            }
        }
        Kind::Mark(_) => return None,
    };
    Some((value, rest))
}

/// The engine's constants that configurations of RPCs use.
pub(crate) fn engine_constant(name: &str) -> Option<Literal> {
    Some(Literal::Int(match name {
        "MultiplayerAPI.RPC_MODE_DISABLED" | "MultiplayerAPI.RPCMode.RPC_MODE_DISABLED" => 0,
        "MultiplayerAPI.RPC_MODE_ANY_PEER" | "MultiplayerAPI.RPCMode.RPC_MODE_ANY_PEER" => 1,
        "MultiplayerAPI.RPC_MODE_AUTHORITY" | "MultiplayerAPI.RPCMode.RPC_MODE_AUTHORITY" => 2,
        "MultiplayerPeer.TRANSFER_MODE_UNRELIABLE"
        | "MultiplayerPeer.TransferMode.TRANSFER_MODE_UNRELIABLE" => 0,
        "MultiplayerPeer.TRANSFER_MODE_UNRELIABLE_ORDERED"
        | "MultiplayerPeer.TransferMode.TRANSFER_MODE_UNRELIABLE_ORDERED" => 1,
        "MultiplayerPeer.TRANSFER_MODE_RELIABLE"
        | "MultiplayerPeer.TransferMode.TRANSFER_MODE_RELIABLE" => 2,
        _ => return None,
    }))
}
