//! Reads the calls that make Variant types, such as `Vector2(1, 2)`.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::lex::{TextErrorKind, Token};
use super::literal::Number;
use super::parse::{Parsed, Parser};
use crate::variant::{
    Aabb, Basis, Color, NodePath, Plane, Projection, Quaternion, Rect2, Rect2i, Rid, Signal,
    Transform2D, Transform3D, Value, ValueType, Vector2, Vector2i, Vector3, Vector3i, Vector4,
    Vector4i,
};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

impl Parser<'_> {
    /// A Variant type behind its name and parenthesis.
    pub(super) fn built_in(&mut self, kind: ValueType) -> Parsed<Value> {
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
