//! Reads the text form (`str_to_var`).
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::lex::{Lexer, TextError, TextErrorKind, Token};
use crate::variant::{
    Aabb, Array, Basis, Color, Dictionary, ElementType, Limits, NodePath, ObjectId, Plane,
    Projection, Quaternion, Rect2, Rect2i, Rid, Signal, StringName, Transform2D, Transform3D,
    Value, ValueType, Vector2, Vector2i, Vector3, Vector3i, Vector4, Vector4i,
};
use alloc::boxed::Box;
use alloc::string::String;
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
    lexer: Lexer<'a>,
    limits: Limits,
    construct: Option<&'a mut Construct<'a>>,
    depth: usize,
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
type Parsed<T> = Result<T, TextError>;

impl<'a> Parser<'a> {
    /// A parser at the start of `text`, with limits that hold for each value by itself.
    #[must_use]
    pub const fn new(text: &'a str, limits: &Limits) -> Self {
        Self {
            lexer: Lexer::new(text),
            limits: *limits,
            construct: None,
            depth: 0,
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
        self.depth = 0;
        self.elements = self.limits.elements;
        self.end = self.lexer.at().saturating_add(self.limits.bytes);
        let token = self.next()?;
        self.parse(token)
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

    fn next(&mut self) -> Parsed<Token<'a>> {
        let token = self.lexer.next()?;
        if self.lexer.at() > self.end {
            let limit = self.limits.bytes;
            return Err(self.lexer.error(TextErrorKind::TooLarge { limit }));
        }
        Ok(token)
    }

    /// The error for a token that does not belong here.
    #[cold]
    fn unexpected(&self, token: &Token<'_>, expected: &'static str) -> TextError {
        self.lexer.error(match token {
            Token::End => TextErrorKind::UnexpectedEnd { expected },
            _ => TextErrorKind::Expected { expected },
        })
    }

    fn expect(&mut self, mark: u8, expected: &'static str) -> Parsed<()> {
        match self.next()? {
            Token::Mark(found) if found == mark => Ok(()),
            token => Err(self.unexpected(&token, expected)),
        }
    }

    fn open(&mut self) -> Parsed<()> {
        let limit = self.limits.depth;
        if self.depth >= limit {
            return Err(self.lexer.error(TextErrorKind::TooDeep { limit }));
        }
        self.depth = self.depth.saturating_add(1);
        Ok(())
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn count_element(&mut self) -> Parsed<()> {
        let Some(left) = self.elements.checked_sub(1) else {
            let limit = self.limits.elements;
            return Err(self.lexer.error(TextErrorKind::TooManyElements { limit }));
        };
        self.elements = left;
        Ok(())
    }

    fn parse(&mut self, token: Token<'a>) -> Parsed<Value> {
        match token {
            Token::Mark(b'[') => self.array(None).map(Value::Array),
            Token::Mark(b'{') => self.dictionary(None, None).map(Value::Dictionary),
            Token::Word(word) => self.word(word),
            token => self.literal(token),
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

    /// The elements of an array behind its bracket.
    fn array(&mut self, element_type: Option<ElementType>) -> Parsed<Array> {
        self.open()?;
        let mut array = element_type.map_or_else(Array::new, Array::typed);
        loop {
            let token = self.next()?;
            if token == Token::Mark(b']') {
                break;
            }
            self.count_element()?;
            let value = self.parse(token)?;
            if array.push(value).is_err() {
                return Err(self.lexer.error(TextErrorKind::WrongType));
            }
            match self.next()? {
                Token::Mark(b',') => {}
                Token::Mark(b']') => break,
                token => return Err(self.unexpected(&token, "',' or ']'")),
            }
        }
        self.close();
        Ok(array)
    }

    /// The entries of a dictionary behind its brace.
    fn dictionary(
        &mut self,
        keys: Option<ElementType>,
        values: Option<ElementType>,
    ) -> Parsed<Dictionary> {
        self.open()?;
        let mut dictionary = Dictionary::typed(keys, values);
        loop {
            let token = self.next()?;
            if token == Token::Mark(b'}') {
                break;
            }
            self.count_element()?;
            let key = self.parse(token)?;
            self.expect(b':', "':'")?;
            let token = self.next()?;
            let value = self.parse(token)?;
            if !dictionary.append_typed(key, value) {
                return Err(self.lexer.error(TextErrorKind::WrongType));
            }
            match self.next()? {
                Token::Mark(b',') => {}
                Token::Mark(b'}') => break,
                token => return Err(self.unexpected(&token, "',' or '}'")),
            }
        }
        self.close();
        dictionary.settle();
        Ok(dictionary)
    }

    /// A value that begins with a word.
    fn word(&mut self, word: &'a str) -> Parsed<Value> {
        match word {
            "null" | "nil" => Ok(Value::Nil),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "inf" => Ok(Value::Float(f64::INFINITY)),
            "inf_neg" => Ok(Value::Float(f64::NEG_INFINITY)),
            "nan" => Ok(Value::Float(f64::NAN)),
            "Array" => self.typed_array(),
            "Dictionary" => self.typed_dictionary(),
            "Object" => self.object(),
            _ => match kind_of(word) {
                Some(kind) => {
                    self.expect(b'(', "'('")?;
                    self.built_in(kind)
                }
                None => self.call(word),
            },
        }
    }

    fn typed_array(&mut self) -> Parsed<Value> {
        self.expect(b'[', "'['")?;
        let element_type = self.element_type()?;
        self.expect(b']', "']'")?;
        self.expect(b'(', "'('")?;
        self.expect(b'[', "'['")?;
        let array = self.array(element_type)?;
        self.expect(b')', "')'")?;
        Ok(Value::Array(array))
    }

    fn typed_dictionary(&mut self) -> Parsed<Value> {
        self.expect(b'[', "'['")?;
        let keys = self.element_type()?;
        self.expect(b',', "','")?;
        let values = self.element_type()?;
        self.expect(b']', "']'")?;
        self.expect(b'(', "'('")?;
        self.expect(b'{', "'{'")?;
        let dictionary = self.dictionary(keys, values)?;
        self.expect(b')', "')'")?;
        Ok(Value::Dictionary(dictionary))
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
    fn call(&mut self, word: &str) -> Parsed<Value> {
        let resource = matches!(word, "Resource" | "ExtResource" | "SubResource");
        let unknown = self.lexer.error(if resource {
            TextErrorKind::ObjectNotAllowed
        } else {
            TextErrorKind::UnknownName {
                name: word.chars().take(64).collect(),
            }
        });
        if self.construct.is_none() {
            return Err(unknown);
        }
        self.expect(b'(', "'('")?;
        self.open()?;
        let mut arguments = Vec::new();
        loop {
            let token = self.next()?;
            if token == Token::Mark(b')') {
                break;
            }
            self.count_element()?;
            arguments.push(self.parse(token)?);
            match self.next()? {
                Token::Mark(b',') => {}
                Token::Mark(b')') => break,
                token => return Err(self.unexpected(&token, "',' or ')'")),
            }
        }
        self.close();
        let made = self
            .construct
            .as_mut()
            .and_then(|construct| construct(word, arguments));
        made.ok_or(unknown)
    }

    /// A Variant type behind its name and parenthesis.
    fn built_in(&mut self, kind: ValueType) -> Parsed<Value> {
        Ok(match kind {
            ValueType::Vector2 => Vector2::from_array(self.floats(kind)?).into(),
            ValueType::Vector2i => Vector2i::from_array(self.ints(kind)?).into(),
            ValueType::Rect2 => Rect2::from_array(self.floats(kind)?).into(),
            ValueType::Rect2i => Rect2i::from_array(self.ints(kind)?).into(),
            ValueType::Vector3 => Vector3::from_array(self.floats(kind)?).into(),
            ValueType::Vector3i => Vector3i::from_array(self.ints(kind)?).into(),
            ValueType::Transform2D => Transform2D::from_array(self.floats(kind)?).into(),
            ValueType::Vector4 => Vector4::from_array(self.floats(kind)?).into(),
            ValueType::Vector4i => Vector4i::from_array(self.ints(kind)?).into(),
            ValueType::Plane => Plane::from_array(self.floats(kind)?).into(),
            ValueType::Quaternion => Quaternion::from_array(self.floats(kind)?).into(),
            ValueType::Aabb => Aabb::from_array(self.floats(kind)?).into(),
            ValueType::Basis => Basis::from_array(self.floats(kind)?).into(),
            ValueType::Transform3D => {
                Value::Transform3D(Box::new(Transform3D::from_array(self.floats(kind)?)))
            }
            ValueType::Projection => {
                Value::Projection(Box::new(Projection::from_array(self.floats(kind)?)))
            }
            ValueType::Color => Color::from_array(self.floats(kind)?).into(),
            ValueType::NodePath => self.node_path()?.into(),
            ValueType::Rid => self.rid()?.into(),
            ValueType::Callable => {
                self.expect(b')', "')'")?;
                Value::Callable
            }
            ValueType::Signal => {
                self.expect(b')', "')'")?;
                Signal::default().into()
            }
            ValueType::PackedByteArray => self.bytes()?.into(),
            ValueType::PackedInt32Array => self.numbers(Number::to_i32)?.into(),
            ValueType::PackedInt64Array => self.numbers(Number::to_i64)?.into(),
            ValueType::PackedFloat32Array => self.numbers(Number::to_f32)?.into(),
            ValueType::PackedFloat64Array => self.numbers(Number::to_f64)?.into(),
            ValueType::PackedStringArray => self.texts()?.into(),
            ValueType::PackedVector2Array => self.vectors(Vector2::from_array)?.into(),
            ValueType::PackedVector3Array => self.vectors(Vector3::from_array)?.into(),
            ValueType::PackedColorArray => self.vectors(Color::from_array)?.into(),
            ValueType::PackedVector4Array => self.vectors(Vector4::from_array)?.into(),
            _ => {
                let expected = "a value";
                return Err(self.lexer.error(TextErrorKind::Expected { expected }));
            }
        })
    }

    fn node_path(&mut self) -> Parsed<NodePath> {
        let Token::Text(text) = self.next()? else {
            let expected = "a quoted path";
            return Err(self.lexer.error(TextErrorKind::Expected { expected }));
        };
        let path = NodePath::parse(&text).map_err(|_| self.lexer.error(TextErrorKind::BadPath))?;
        self.expect(b')', "')'")?;
        Ok(path)
    }

    fn rid(&mut self) -> Parsed<Rid> {
        let id = match self.next()? {
            Token::Mark(b')') => return Ok(Rid(0)),
            Token::Int(id) => id,
            Token::Float(id) => Number::Float(id).to_i64(),
            token => return Err(self.unexpected(&token, "a number or ')'")),
        };
        self.expect(b')', "')'")?;
        Ok(Rid(id.cast_unsigned()))
    }

    /// One number, which may be a word.
    fn number(&self, token: &Token<'_>) -> Parsed<Number> {
        Ok(match token {
            Token::Int(value) => Number::Int(*value),
            Token::Float(value) => Number::Float(*value),
            Token::Word("inf") => Number::Float(f64::INFINITY),
            Token::Word("inf_neg") => Number::Float(f64::NEG_INFINITY),
            Token::Word("nan") => Number::Float(f64::NAN),
            token => return Err(self.unexpected(token, "a number")),
        })
    }

    /// Numbers up to the closing parenthesis.
    fn each_number(&mut self, mut take: impl FnMut(Number)) -> Parsed<()> {
        let mut token = self.next()?;
        if token == Token::Mark(b')') {
            return Ok(());
        }
        loop {
            take(self.number(&token)?);
            match self.next()? {
                Token::Mark(b',') => token = self.next()?,
                Token::Mark(b')') => return Ok(()),
                token => return Err(self.unexpected(&token, "',' or ')'")),
            }
        }
    }

    fn numbers<T>(&mut self, convert: impl Fn(Number) -> T) -> Parsed<Vec<T>> {
        let mut numbers = Vec::new();
        self.each_number(|number| numbers.push(convert(number)))?;
        Ok(numbers)
    }

    /// Exactly `N` numbers.
    fn exactly<T: Copy + Default, const N: usize>(
        &mut self,
        kind: ValueType,
        convert: impl Fn(Number) -> T,
    ) -> Parsed<[T; N]> {
        let mut numbers = [T::default(); N];
        let mut count = 0usize;
        let at = self.lexer.clone();
        self.each_number(|number| {
            if let Some(slot) = numbers.get_mut(count) {
                *slot = convert(number);
            }
            count = count.saturating_add(1);
        })?;
        if count != N {
            let name = kind.name();
            return Err(at.error(TextErrorKind::WrongCount { name, count: N }));
        }
        Ok(numbers)
    }

    fn floats<const N: usize>(&mut self, kind: ValueType) -> Parsed<[f32; N]> {
        self.exactly(kind, Number::to_f32)
    }

    fn ints<const N: usize>(&mut self, kind: ValueType) -> Parsed<[i32; N]> {
        self.exactly(kind, Number::to_i32)
    }

    /// Numbers in groups of `N`; as in the engine an incomplete last group is dropped.
    fn vectors<T, const N: usize>(&mut self, build: impl Fn([f32; N]) -> T) -> Parsed<Vec<T>> {
        let numbers = self.numbers(Number::to_f32)?;
        Ok(numbers
            .as_chunks::<N>()
            .0
            .iter()
            .map(|group| build(*group))
            .collect())
    }

    /// A packed byte array: numbers, or one base64 string.
    fn bytes(&mut self) -> Parsed<Vec<u8>> {
        match self.next()? {
            Token::Text(text) => {
                let bytes = super::base64::decode(&text)
                    .ok_or_else(|| self.lexer.error(TextErrorKind::BadBase64))?;
                self.expect(b')', "')'")?;
                Ok(bytes)
            }
            _ => {
                self.lexer.put_back();
                self.numbers(Number::to_u8)
            }
        }
    }

    fn texts(&mut self) -> Parsed<Vec<String>> {
        let mut texts = Vec::new();
        loop {
            match self.next()? {
                Token::Mark(b')') => return Ok(texts),
                Token::Text(text) => {
                    self.count_element()?;
                    texts.push(text);
                }
                token => return Err(self.unexpected(&token, "a string")),
            }
            match self.next()? {
                Token::Mark(b',') => {}
                Token::Mark(b')') => return Ok(texts),
                token => return Err(self.unexpected(&token, "',' or ')'")),
            }
        }
    }
}

/// A number before its type is known.
#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Float(f64),
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "integers wrap and floats are cut, as in the engine"
)]
impl Number {
    fn to_i64(self) -> i64 {
        match self {
            Self::Int(value) => value,
            // Below 2^63 the cast is exact; the engine makes all else the least number.
            Self::Float(value) if (-9.3e18..9_223_372_036_854_775_808.0).contains(&value) => {
                value as i64
            }
            Self::Float(_) => i64::MIN,
        }
    }

    fn to_i32(self) -> i32 {
        match self {
            Self::Int(value) => value as i32,
            Self::Float(value) if (-2_147_483_649.0..2_147_483_648.0).contains(&value) => {
                value as i32
            }
            Self::Float(_) => i32::MIN,
        }
    }

    fn to_u8(self) -> u8 {
        self.to_i32() as u8
    }

    fn to_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    fn to_f32(self) -> f32 {
        match self {
            Self::Int(value) => value as f32,
            Self::Float(value) => value as f32,
        }
    }
}

/// The Variant type that is written as a call of this name; Godot 2 and 3 had other names.
fn kind_of(word: &str) -> Option<ValueType> {
    Some(match word {
        "Matrix32" => ValueType::Transform2D,
        "Quat" => ValueType::Quaternion,
        "Rect3" => ValueType::Aabb,
        "Matrix3" => ValueType::Basis,
        "Transform" => ValueType::Transform3D,
        "PoolByteArray" | "ByteArray" => ValueType::PackedByteArray,
        "PackedIntArray" | "PoolIntArray" | "IntArray" => ValueType::PackedInt32Array,
        "PackedRealArray" | "PoolRealArray" | "FloatArray" => ValueType::PackedFloat32Array,
        "PoolStringArray" | "StringArray" => ValueType::PackedStringArray,
        "PoolVector2Array" | "Vector2Array" => ValueType::PackedVector2Array,
        "PoolVector3Array" | "Vector3Array" => ValueType::PackedVector3Array,
        "PoolColorArray" | "ColorArray" => ValueType::PackedColorArray,
        "PoolVector4Array" => ValueType::PackedVector4Array,
        _ => ValueType::from_name(word).filter(|kind| {
            !matches!(
                kind,
                ValueType::Nil
                    | ValueType::Bool
                    | ValueType::Int
                    | ValueType::Float
                    | ValueType::String
                    | ValueType::StringName
            )
        })?,
    })
}

/// A color of 3, 4, 6 or 8 hexadecimal digits.
#[expect(clippy::cast_precision_loss, reason = "255 fits")]
fn color(digits: &str) -> Option<Color> {
    let wide = match digits.len() {
        3 | 4 => false,
        6 | 8 => true,
        _ => return None,
    };
    let mut channels = [1.0; 4];
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or(0);
    let step = if wide { 2 } else { 1 };
    for (channel, digits) in channels.iter_mut().zip(digits.as_bytes().chunks(step)) {
        let number = digits
            .iter()
            .map(digit)
            .fold(0u32, |number, digit| number << 4 | digit);
        *channel = number as f32 / if wide { 255.0 } else { 15.0 };
    }
    Some(Color::from_array(channels))
}
