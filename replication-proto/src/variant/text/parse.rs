//! Reads the text form (`str_to_var`).
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::lex::{Lexer, TextError, TextErrorKind, Token};
use super::literal::{color, kind_of};
use crate::variant::{
    Array, Dictionary, ElementType, Limits, ObjectId, StringName, Value, ValueType,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

/// Reads a text that is one value, with blanks and `;` comments around it, within the default [`Limits`].
///
/// Takes what Godot 4.6 takes with `str_to_var`, the names of Godot 2 and 3 included, but for the cases where the engine
/// logs an error and goes on with a part: trailing text, a color or node path in no known form, elements that do not fit
/// a typed container. Floats are the nearest ones to the text; the engine may be off by the last bit.
///
/// # Errors
/// [`TextError`], with line and column.
pub fn from_text(text: &str) -> Result<Value, TextError> {
    let mut parser = Parser::new(text, &Limits::default());
    let value = parser.value()?;
    parser.finish()?;
    Ok(value)
}

/// What makes a value of a constructor call that is no Variant type: takes the name and the arguments.
type Construct<'a> = dyn FnMut(&str, Vec<Value>) -> Option<Value> + 'a;

/// Reads values out of a longer text, such as a scene file.
///
/// ```
/// use replication_proto::variant::{Array, Limits, ObjectId, Value, text::Parser};
/// let mut wanted = Vec::new();
/// let mut reference = |name: &str, arguments: Vec<Value>| {
///     let id = arguments.first()?.as_text()?.to_owned();
///     wanted.push((name.to_owned(), id));
///     Some(Value::from(ObjectId(wanted.len() as u64)))
/// };
/// let mut parser = Parser::new("[ExtResource(\"1_ab\"), 5] next", &Limits::default()).with_constructor(&mut reference);
/// let value = parser.value()?;
/// assert_eq!(parser.rest(), " next");
/// assert_eq!(value, Array::from(vec![ObjectId(1).into(), 5.into()]).into());
/// assert_eq!(wanted, [("ExtResource".into(), "1_ab".into())]);
/// # Ok::<(), replication_proto::variant::text::TextError>(())
/// ```
pub struct Parser<'a> {
    pub(super) lexer: Lexer<'a>,
    limits: Limits,
    construct: Option<&'a mut Construct<'a>>,
    /// Elements that the value may still have.
    elements: usize,
    /// Offset at which the value gets too large.
    end: usize,
}

impl fmt::Debug for Parser<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parser")
            .field("at", &self.lexer.at())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Result of a parsing step.
pub(super) type Parsed<T> = Result<T, TextError>;

impl<'a> Parser<'a> {
    /// A parser at the start of `text`, with limits that hold for each value by itself.
    #[must_use]
    pub const fn new(text: &'a str, limits: &Limits) -> Self {
        Self {
            lexer: Lexer::new(text),
            limits: *limits,
            construct: None,
            elements: 0,
            end: 0,
        }
    }

    /// Hands calls of unknown constructors, such as `ExtResource("id")`, to `construct` with their name and arguments.
    /// What it gives stands in place of the call, often an [`ObjectId`] that numbers the caller's own table; nothing
    /// refuses the text. `Object(…)` is never handed over.
    #[must_use]
    pub fn with_constructor(
        mut self,
        construct: &'a mut (dyn FnMut(&str, Vec<Value>) -> Option<Value> + 'a),
    ) -> Self {
        self.construct = Some(construct);
        self
    }

    /// Reads the next value, after blanks and comments.
    ///
    /// # Errors
    /// [`TextError`]; where the parser then stands is not defined.
    pub fn value(&mut self) -> Result<Value, TextError> {
        self.elements = self.limits.elements;
        self.end = self.lexer.at().saturating_add(self.limits.bytes);
        self.parse()
    }

    /// Offset in bytes behind the last value.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.lexer.at()
    }

    /// The text behind the last value.
    #[must_use]
    pub fn rest(&self) -> &'a str {
        self.lexer.rest()
    }

    /// Checks that only blanks and comments are left.
    ///
    /// # Errors
    /// [`TextErrorKind::Trailing`], or what is wrong with the next word.
    pub fn finish(&mut self) -> Result<(), TextError> {
        match self.lexer.next()? {
            Token::End => Ok(()),
            _ => Err(self.lexer.error(TextErrorKind::Trailing)),
        }
    }

    pub(super) fn next(&mut self) -> Parsed<Token<'a>> {
        let token = self.lexer.next()?;
        if self.lexer.at() > self.end {
            let limit = self.limits.bytes;
            return Err(self.lexer.error(TextErrorKind::TooLarge { limit }));
        }
        Ok(token)
    }

    /// The error for a token that does not belong here.
    #[cold]
    pub(super) fn unexpected(&self, token: &Token<'_>, expected: &'static str) -> TextError {
        self.lexer.error(match token {
            Token::End => TextErrorKind::UnexpectedEnd { expected },
            _ => TextErrorKind::Expected { expected },
        })
    }

    pub(super) fn expect(&mut self, mark: u8, expected: &'static str) -> Parsed<()> {
        match self.next()? {
            Token::Mark(found) if found == mark => Ok(()),
            token => Err(self.unexpected(&token, expected)),
        }
    }

    pub(super) fn count_element(&mut self) -> Parsed<()> {
        let Some(left) = self.elements.checked_sub(1) else {
            let limit = self.limits.elements;
            return Err(self.lexer.error(TextErrorKind::TooManyElements { limit }));
        };
        self.elements = left;
        Ok(())
    }

    /// Reads a value. What is open around it is kept in a list and not on the stack, for texts of any depth.
    fn parse(&mut self) -> Parsed<Value> {
        let mut open: Vec<Frame<'a>> = Vec::new();
        let mut token = self.next()?;
        'value: loop {
            let mut value = match self.begin(token)? {
                Begun::Value(value) => value,
                Begun::Open(frame) => {
                    let limit = self.limits.depth;
                    if open.len() >= limit {
                        return Err(self.lexer.error(TextErrorKind::TooDeep { limit }));
                    }
                    match self.element(&frame, Place::First)? {
                        Some(first) => {
                            open.push(frame);
                            token = first;
                            continue;
                        }
                        None => self.close(frame)?,
                    }
                }
            };
            while let Some(frame) = open.last_mut() {
                if frame.wants_key() {
                    frame.take_key(value);
                    self.expect(b':', "':'")?;
                    token = self.next()?;
                    continue 'value;
                }
                if !frame.take(value) {
                    return Err(self.lexer.error(TextErrorKind::WrongType));
                }
                if let Some(next) = self.element(frame, Place::Later)? {
                    token = next;
                    continue 'value;
                }
                value = match open.pop() {
                    Some(frame) => self.close(frame)?,
                    None => Value::Nil,
                };
            }
            return Ok(value);
        }
    }

    /// Reads up to the next element and gives its first token, or nothing if the container ends.
    fn element(&mut self, frame: &Frame<'a>, place: Place) -> Parsed<Option<Token<'a>>> {
        let (end, expected) = frame.end();
        if matches!(place, Place::Later) {
            match self.next()? {
                Token::Mark(b',') => {}
                Token::Mark(mark) if mark == end => return Ok(None),
                token => return Err(self.unexpected(&token, expected)),
            }
        }
        let token = self.next()?;
        if token == Token::Mark(end) {
            return Ok(None);
        }
        self.count_element()?;
        Ok(Some(token))
    }

    /// Reads a flat value or the beginning of a container.
    fn begin(&mut self, token: Token<'a>) -> Parsed<Begun<'a>> {
        match token {
            Token::Mark(b'[') => Ok(Begun::Open(Frame::Array {
                array: Array::new(),
                typed: false,
            })),
            Token::Mark(b'{') => Ok(Begun::Open(Frame::Dictionary {
                dictionary: Dictionary::new(),
                key: None,
                typed: false,
            })),
            Token::Word(word) => self.word(word),
            token => self.literal(token).map(Begun::Value),
        }
    }

    /// Makes a container that has ended a value.
    fn close(&mut self, frame: Frame<'a>) -> Parsed<Value> {
        match frame {
            Frame::Array { array, typed } => {
                if typed {
                    self.expect(b')', "')'")?;
                }
                Ok(Value::Array(array))
            }
            Frame::Dictionary {
                mut dictionary,
                typed,
                ..
            } => {
                if typed {
                    self.expect(b')', "')'")?;
                }
                dictionary.settle();
                Ok(Value::Dictionary(dictionary))
            }
            Frame::Call {
                word,
                arguments,
                refused,
            } => self
                .construct
                .as_mut()
                .and_then(|construct| construct(word, arguments))
                .ok_or(*refused),
        }
    }

    fn literal(&self, token: Token<'_>) -> Parsed<Value> {
        match token {
            Token::Int(value) => Ok(Value::Int(value)),
            Token::Float(value) => Ok(Value::Float(value)),
            Token::Text(text) => Ok(Value::String(text)),
            Token::Name(name) => Ok(Value::StringName(name.into())),
            Token::Color(digits) => match color(digits) {
                Some(color) => Ok(Value::Color(color)),
                None => Err(self.lexer.error(TextErrorKind::BadColor)),
            },
            token => Err(self.unexpected(&token, "a value")),
        }
    }

    /// A value that begins with a word.
    fn word(&mut self, word: &'a str) -> Parsed<Begun<'a>> {
        Ok(Begun::Value(match word {
            "null" | "nil" => Value::Nil,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "inf" => Value::Float(f64::INFINITY),
            "inf_neg" => Value::Float(f64::NEG_INFINITY),
            "nan" => Value::Float(f64::NAN),
            "Array" => return self.typed_array().map(Begun::Open),
            "Dictionary" => return self.typed_dictionary().map(Begun::Open),
            "Object" => self.object()?,
            _ => match kind_of(word) {
                Some(kind) => {
                    self.expect(b'(', "'('")?;
                    self.built_in(kind)?
                }
                None => return self.call(word).map(Begun::Open),
            },
        }))
    }

    fn typed_array(&mut self) -> Parsed<Frame<'a>> {
        self.expect(b'[', "'['")?;
        let element_type = self.element_type()?;
        self.expect(b']', "']'")?;
        self.expect(b'(', "'('")?;
        self.expect(b'[', "'['")?;
        Ok(Frame::Array {
            array: element_type.map_or_else(Array::new, Array::typed),
            typed: true,
        })
    }

    fn typed_dictionary(&mut self) -> Parsed<Frame<'a>> {
        self.expect(b'[', "'['")?;
        let keys = self.element_type()?;
        self.expect(b',', "','")?;
        let values = self.element_type()?;
        self.expect(b']', "']'")?;
        self.expect(b'(', "'('")?;
        self.expect(b'{', "'{'")?;
        Ok(Frame::Dictionary {
            dictionary: Dictionary::typed(keys, values),
            key: None,
            typed: true,
        })
    }

    /// The type between the brackets of a typed container: a name, or a call that leads to a script.
    fn element_type(&mut self) -> Parsed<Option<ElementType>> {
        let word = match self.next()? {
            Token::Word(word) => word,
            token => return Err(self.unexpected(&token, "a type")),
        };
        match word {
            "Variant" | "Nil" | "null" => return Ok(None),
            "Resource" | "ExtResource" | "SubResource" => {
                let token = self.next()?;
                self.lexer.put_back();
                if token == Token::Mark(b'(') {
                    return self.script_type(word).map(Some);
                }
            }
            _ => {}
        }
        Ok(Some(match ValueType::from_name(word) {
            Some(kind) => ElementType::Builtin(kind),
            None => ElementType::Class(StringName::from(word)),
        }))
    }

    /// A script as a type: `Resource("path")` by its path, other calls as they stand.
    fn script_type(&mut self, word: &str) -> Parsed<ElementType> {
        self.expect(b'(', "'('")?;
        let Token::Text(argument) = self.next()? else {
            return Err(self.lexer.error(TextErrorKind::Expected {
                expected: "a quoted path or id",
            }));
        };
        self.expect(b')', "')'")?;
        Ok(ElementType::Script(if word == "Resource" {
            argument
        } else {
            alloc::format!("{word}:{argument}")
        }))
    }

    /// An object behind its word: only the placeholder of an object id is taken.
    fn object(&mut self) -> Parsed<Value> {
        let not_allowed = self.lexer.error(TextErrorKind::ObjectNotAllowed);
        self.expect(b'(', "'('")?;
        if self.next()? != Token::Word(ElementType::OBJECT_ID_CLASS) {
            return Err(not_allowed);
        }
        let mut id = 0;
        self.expect(b',', "','")?;
        loop {
            let Token::Text(property) = self.next()? else {
                return Err(not_allowed);
            };
            self.expect(b':', "':'")?;
            match (property.as_str(), self.next()?) {
                ("object_id", Token::Int(value)) => id = value.cast_unsigned(),
                ("script", Token::Word("null")) => {}
                _ => return Err(not_allowed),
            }
            match self.next()? {
                Token::Mark(b')') => return Ok(Value::Object(ObjectId(id))),
                Token::Mark(b',') => {}
                token => return Err(self.unexpected(&token, "',' or ')'")),
            }
        }
    }

    /// A call of a name that is no Variant type.
    fn call(&mut self, word: &'a str) -> Parsed<Frame<'a>> {
        let resource = matches!(word, "Resource" | "ExtResource" | "SubResource");
        let refused = self.lexer.error(if resource {
            TextErrorKind::ObjectNotAllowed
        } else {
            TextErrorKind::UnknownName {
                name: word.chars().take(64).collect(),
            }
        });
        if self.construct.is_none() {
            return Err(refused);
        }
        self.expect(b'(', "'('")?;
        Ok(Frame::Call {
            word,
            arguments: Vec::new(),
            refused: Box::new(refused),
        })
    }
}

/// What a token began.
enum Begun<'a> {
    Value(Value),
    Open(Frame<'a>),
}

/// Where an element stands in its container.
#[derive(Clone, Copy)]
enum Place {
    First,
    Later,
}

/// A container that is being read.
enum Frame<'a> {
    Array {
        array: Array,
        typed: bool,
    },
    Dictionary {
        dictionary: Dictionary,
        key: Option<Value>,
        typed: bool,
    },
    /// A call of the caller's, and the error if he does not know it.
    Call {
        word: &'a str,
        arguments: Vec<Value>,
        refused: Box<TextError>,
    },
}

impl Frame<'_> {
    /// The mark that ends it, and what may follow an element.
    const fn end(&self) -> (u8, &'static str) {
        match self {
            Self::Array { .. } => (b']', "',' or ']'"),
            Self::Dictionary { .. } => (b'}', "',' or '}'"),
            Self::Call { .. } => (b')', "',' or ')'"),
        }
    }

    const fn wants_key(&self) -> bool {
        matches!(self, Self::Dictionary { key: None, .. })
    }

    fn take_key(&mut self, value: Value) {
        if let Self::Dictionary { key, .. } = self {
            *key = Some(value);
        }
    }

    /// Takes the next element, and gives whether it fits.
    fn take(&mut self, value: Value) -> bool {
        match self {
            Self::Array { array, .. } => array.push(value).is_ok(),
            Self::Dictionary {
                dictionary, key, ..
            } => dictionary.append_typed(key.take().unwrap_or_default(), value),
            Self::Call { arguments, .. } => {
                arguments.push(value);
                true
            }
        }
    }
}
