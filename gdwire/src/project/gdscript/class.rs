//! The declarations of a script and of the classes inside it.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::super::defaults::constant;
use super::body::{self, BodyCall};
use super::expression::{self, Literal};
use super::lex::{self, LexError, Line, Token};
use crate::variant::text::Parser;
use crate::variant::{Limits, Value, ValueType};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Classes inside classes that are looked at.
const MOST_NESTED: usize = 16;

/// A script, or a class inside one.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClassDef {
    /// `class_name`, or the name of an inner class.
    pub(crate) name: Option<String>,
    pub(crate) extends: Option<Extends>,
    pub(crate) constants: BTreeMap<String, Constant>,
    pub(crate) variables: BTreeMap<String, Variable>,
    pub(crate) functions: Vec<Function>,
    pub(crate) inner: Vec<Rc<Self>>,
    /// Lines of `@rpc` without a function.
    pub(crate) stray_rpcs: Vec<u32>,
}

/// `extends`, which leads over a file or a name to a class, perhaps inside others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extends {
    pub(crate) line: u32,
    pub(crate) path: Option<String>,
    pub(crate) names: Vec<String>,
}

/// A constant: an expression, with what the place in an enum adds to it.
#[derive(Clone, Debug)]
pub(crate) struct Constant {
    pub(crate) tokens: Vec<Token>,
    pub(crate) plus: i64,
}

impl Constant {
    /// The path of `preload("path")`.
    pub(crate) fn preloaded(&self) -> Option<&str> {
        match self.tokens.as_slice() {
            [load, open, path, close]
                if (load.is_word("preload") || load.is_word("load"))
                    && open.is('(')
                    && close.is(')') =>
            {
                path.text()
            }
            _ => None,
        }
    }
}

/// A variable of a class.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) kind: Option<ValueType>,
    /// The value with which it begins, if it can be told.
    pub(crate) initial: Option<Arc<Value>>,
}

/// A function of a class.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: u32,
    /// Arguments without a default.
    pub(crate) required: usize,
    /// Types of all arguments; `None` takes any type.
    pub(crate) arguments: Vec<Option<ValueType>>,
    /// Whether it takes any number of further arguments.
    pub(crate) is_open: bool,
    pub(crate) rpc: Option<RpcAnnotation>,
    pub(crate) calls: Vec<BodyCall>,
}

/// `@rpc` as it is written: one expression per argument.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RpcAnnotation {
    pub(crate) line: u32,
    pub(crate) arguments: Vec<Vec<Token>>,
}

/// Reads a script.
pub(crate) fn parse(text: &str) -> Result<ClassDef, LexError> {
    let lines = lex::lines(text)?;
    Ok(class(text, &lines, 0))
}

/// The lines from the start that are deeper than `indent`, and the rest.
fn block(lines: &[Line], indent: usize) -> (&[Line], &[Line]) {
    let inside = lines.iter().take_while(|line| line.indent > indent);
    lines.split_at_checked(inside.count()).unwrap_or_default()
}

fn class(text: &str, lines: &[Line], depth: usize) -> ClassDef {
    let mut class = ClassDef::default();
    let mut pending = Pending::default();
    let mut rest = lines;
    while let Some((line, after)) = rest.split_first() {
        let (inside, after) = block(after, line.indent);
        rest = after;
        let Some(tokens) = pending.take_annotations(&line.tokens) else {
            continue;
        };
        let annotations = core::mem::take(&mut pending);
        let mut reader = Statement {
            text,
            tokens,
            indent: line.indent,
            inside,
            annotations,
            depth,
        };
        reader.read(&mut class);
        let stray = reader.annotations.rpc.take();
        class.stray_rpcs.extend(stray.map(|rpc| rpc.line));
    }
    class.stray_rpcs.extend(pending.rpc.map(|rpc| rpc.line));
    class
}

/// Annotations that wait for what they belong to.
#[derive(Default)]
struct Pending {
    rpc: Option<RpcAnnotation>,
}

impl Pending {
    /// Takes the annotations in front of a statement; gives the rest, if there is any.
    fn take_annotations<'a>(&mut self, tokens: &'a [Token]) -> Option<&'a [Token]> {
        let mut rest = tokens;
        while let [at, name, after @ ..] = rest
            && at.is('@')
            && let Some(word) = name.word()
        {
            let (arguments, after) = parenthesized(after).unwrap_or((&[], after));
            if word == "rpc" {
                let arguments = body::split(arguments);
                let arguments = arguments.iter().filter(|argument| !argument.is_empty());
                self.rpc = Some(RpcAnnotation {
                    line: name.line,
                    arguments: arguments.map(|argument| argument.to_vec()).collect(),
                });
            }
            rest = after;
        }
        (!rest.is_empty()).then_some(rest)
    }
}

/// The tokens inside the parentheses at the start, and those behind.
fn parenthesized(tokens: &[Token]) -> Option<(&[Token], &[Token])> {
    let (open, rest) = tokens.split_first()?;
    if !open.is('(') {
        return None;
    }
    let mut depth = 1usize;
    let close = rest.iter().position(|token| {
        if token.is('(') || token.is('[') || token.is('{') {
            depth = depth.saturating_add(1);
        } else if token.is(')') || token.is(']') || token.is('}') {
            depth = depth.saturating_sub(1);
        }
        depth == 0
    })?;
    let (inside, rest) = rest.split_at_checked(close)?;
    Some((inside, rest.get(1..).unwrap_or_default()))
}

/// One statement of a class.
struct Statement<'a> {
    text: &'a str,
    tokens: &'a [Token],
    indent: usize,
    /// The lines that belong to it.
    inside: &'a [Line],
    annotations: Pending,
    depth: usize,
}

impl Statement<'_> {
    fn read(&mut self, class: &mut ClassDef) {
        let Some((first, rest)) = self.tokens.split_first() else {
            return;
        };
        match first.word().unwrap_or_default() {
            "class_name" => {
                class.name = rest.first().and_then(Token::word).map(String::from);
                if let [_, extends, after @ ..] = rest
                    && extends.is_word("extends")
                {
                    class.extends = Some(extends_of(extends.line, after));
                }
            }
            "extends" => class.extends = Some(extends_of(first.line, rest)),
            "class" => self.inner_class(class, rest),
            "const" => self.constant(class, rest),
            "enum" => enumeration(class, rest),
            "var" => self.variable(class, rest),
            "func" => self.function(class, rest),
            "static" => match rest.split_first() {
                Some((next, rest)) if next.is_word("func") => self.function(class, rest),
                _ => {}
            },
            _ => {}
        }
    }

    fn inner_class(&self, class: &mut ClassDef, tokens: &[Token]) {
        if self.depth >= MOST_NESTED {
            return;
        }
        let depth = self.depth.saturating_add(1);
        let mut inner = self::class(self.text, self.inside, depth);
        inner.name = tokens.first().and_then(Token::word).map(String::from);
        if let [_, extends, after @ ..] = tokens
            && extends.is_word("extends")
        {
            inner.extends = Some(extends_of(extends.line, after));
        }
        class.inner.push(Rc::new(inner));
    }

    fn constant(&self, class: &mut ClassDef, tokens: &[Token]) {
        let name = tokens.first().and_then(Token::word);
        let value = tokens.iter().position(|token| token.is('='));
        if let (Some(name), Some(value)) = (name, value) {
            let value = tokens.get(value..).unwrap_or_default();
            let tokens = value.get(1..).unwrap_or_default().to_vec();
            let constant = Constant { tokens, plus: 0 };
            class.constants.insert(name.into(), constant);
        }
    }

    fn variable(&self, class: &mut ClassDef, tokens: &[Token]) {
        let Some((name, rest)) = tokens.split_first() else {
            return;
        };
        let Some(name) = name.word() else {
            return;
        };
        let (kind, value) = Self::typed(rest);
        let initial = match (value, kind) {
            (Some(value), _) => self.literal(value, kind),
            (None, Some(kind)) => default_of(kind),
            (None, None) => Some(Value::Nil),
        };
        let kind = kind.or_else(|| match &initial {
            Some(Value::Nil) | None => None,
            Some(value) => Some(value.kind()),
        });
        let variable = Variable {
            kind,
            initial: initial.map(Arc::new),
        };
        class.variables.insert(name.into(), variable);
    }

    /// What follows a name: `: type = value`, `:= value`, `= value`, each perhaps with `: setter` behind.
    fn typed(tokens: &[Token]) -> (Option<ValueType>, Option<&[Token]>) {
        let (kind, value) = match tokens {
            [colon, equals, ..] if colon.is(':') && equals.is('=') => (None, tokens.get(1..)),
            [colon, kind, rest @ ..] if colon.is(':') => {
                let is_container = rest.first().is_some_and(|next| next.is('['));
                let known = kind.word().and_then(type_of);
                let value = rest
                    .iter()
                    .take_while(|token| !token.is(':'))
                    .position(|token| token.is('='))
                    .and_then(|at| rest.get(at..));
                // A dot makes it a type inside another, and of elements only a container's own name counts.
                let known = known.filter(|kind| {
                    !rest.first().is_some_and(|next| next.is('.'))
                        && (!is_container
                            || matches!(kind, ValueType::Array | ValueType::Dictionary))
                });
                (known, value)
            }
            _ => (None, Some(tokens)),
        };
        let value = value.and_then(|value| match value.split_first() {
            Some((equals, value)) if equals.is('=') => Some(up_to_colon(value)),
            _ => None,
        });
        (kind, value)
    }

    /// The value of an expression, as a variable of the given type holds it.
    fn literal(&self, tokens: &[Token], kind: Option<ValueType>) -> Option<Value> {
        // Numbers have forms here that the text form of values lacks.
        let value = match expression::evaluate(tokens, &|_| None) {
            Some(Literal::Int(value)) => Value::Int(value),
            Some(Literal::Float(value)) => Value::Float(value),
            _ => {
                let text = self.text.get(tokens.first()?.start..tokens.last()?.end)?;
                parsed(constant(text).unwrap_or(text))?
            }
        };
        converted(value, kind)
    }

    fn function(&mut self, class: &mut ClassDef, tokens: &[Token]) {
        let [name, rest @ ..] = tokens else {
            return;
        };
        let (Some(word), Some((parameters, behind))) = (name.word(), parenthesized(rest)) else {
            return;
        };
        let mut function = Function {
            name: word.into(),
            line: name.line,
            required: 0,
            arguments: Vec::new(),
            is_open: false,
            rpc: self.annotations.rpc.take(),
            calls: Vec::new(),
        };
        for parameter in body::split(parameters) {
            parameter_of(&mut function, parameter);
        }
        let body = match behind.iter().position(|token| token.is(':')) {
            // What follows the colon on the same line is a body of one statement.
            Some(colon) => behind.get(colon..).unwrap_or_default(),
            None => &[],
        };
        let inline = Line {
            indent: self.indent,
            tokens: body.get(1..).unwrap_or_default().to_vec(),
        };
        function.calls = if inline.tokens.is_empty() {
            body::calls(word, self.inside)
        } else {
            body::calls(word, &[inline])
        };
        class.functions.push(function);
    }
}

/// The tokens of an expression, behind which a colon may begin something else.
fn up_to_colon(tokens: &[Token]) -> &[Token] {
    let mut depth = 0usize;
    let end = tokens.iter().position(|token| {
        if token.is('(') || token.is('[') || token.is('{') {
            depth = depth.saturating_add(1);
        } else if token.is(')') || token.is(']') || token.is('}') {
            depth = depth.saturating_sub(1);
        }
        depth == 0 && token.is(':')
    });
    end.and_then(|end| tokens.get(..end)).unwrap_or(tokens)
}

fn parameter_of(function: &mut Function, tokens: &[Token]) {
    let is_rest = tokens.iter().take_while(|token| token.is('.')).count() == 3;
    if is_rest {
        function.is_open = true;
    }
    let [_, rest @ ..] = tokens else {
        return;
    };
    if is_rest {
        return;
    }
    let kind = match rest {
        [colon, _, dot, ..] if colon.is(':') && dot.is('.') => None,
        [colon, kind, ..] if colon.is(':') => kind.word().and_then(type_of),
        _ => None,
    };
    function.arguments.push(kind);
    if !rest.iter().any(|token| token.is('=')) {
        function.required = function.arguments.len();
    }
}

fn extends_of(line: u32, tokens: &[Token]) -> Extends {
    let path = tokens.first().and_then(Token::text).map(String::from);
    let names = tokens.iter().filter_map(Token::word);
    Extends {
        line,
        path,
        names: names.map(String::from).collect(),
    }
}

/// The values of an enum, as `Value` or `Enum.Value`.
fn enumeration(class: &mut ClassDef, tokens: &[Token]) {
    let prefix = match tokens.first().and_then(Token::word) {
        Some(name) => format!("{name}."),
        None => String::new(),
    };
    let Some(open) = tokens.iter().position(|token| token.is('{')) else {
        return;
    };
    let inside = tokens.get(open..).unwrap_or_default();
    let inside = inside.get(1..inside.len().saturating_sub(1));
    let mut last = Constant {
        tokens: Vec::new(),
        plus: -1,
    };
    for entry in body::split(inside.unwrap_or_default()) {
        let Some(name) = entry.first().and_then(Token::word) else {
            continue;
        };
        last.plus = last.plus.wrapping_add(1);
        if let [_, equals, value @ ..] = entry
            && equals.is('=')
        {
            last.tokens = value.to_vec();
            last.plus = 0;
        }
        class
            .constants
            .insert(format!("{prefix}{name}"), last.clone());
    }
}

/// The Variant type that a type's name means; `None` for classes, enums and `Variant`.
fn type_of(name: &str) -> Option<ValueType> {
    ValueType::from_name(name).filter(|kind| !matches!(kind, ValueType::Nil | ValueType::Object))
}

/// A text that is one value.
fn parsed(text: &str) -> Option<Value> {
    let mut parser = Parser::new(text, &Limits::default());
    let value = parser.value().ok()?;
    parser.finish().ok()?;
    Some(value)
}

/// A value as a variable of the given type holds it.
fn converted(value: Value, kind: Option<ValueType>) -> Option<Value> {
    match (kind, value) {
        #[expect(clippy::cast_precision_loss, reason = "as the engine converts it")]
        (Some(ValueType::Float), Value::Int(value)) => Some(Value::Float(value as f64)),
        (Some(ValueType::StringName), Value::String(text)) => Some(Value::StringName(text.into())),
        (Some(kind), value) if kind != value.kind() => None,
        (_, value) => Some(value),
    }
}

/// What a variable of a type holds before anything is assigned.
fn default_of(kind: ValueType) -> Option<Value> {
    Some(match kind {
        ValueType::Bool => Value::Bool(false),
        ValueType::Int => Value::Int(0),
        ValueType::Float => Value::Float(0.0),
        ValueType::String => Value::String(String::new()),
        ValueType::StringName => Value::StringName("".into()),
        ValueType::Vector2 => parsed("Vector2(0, 0)")?,
        ValueType::Vector2i => parsed("Vector2i(0, 0)")?,
        ValueType::Vector3 => parsed("Vector3(0, 0, 0)")?,
        ValueType::Vector3i => parsed("Vector3i(0, 0, 0)")?,
        ValueType::Quaternion => parsed("Quaternion(0, 0, 0, 1)")?,
        ValueType::Color => parsed("Color(0, 0, 0, 1)")?,
        ValueType::Array => parsed("[]")?,
        ValueType::Dictionary => parsed("{}")?,
        ValueType::PackedByteArray => Value::PackedByteArray(Vec::new()),
        _ => return None,
    })
}
