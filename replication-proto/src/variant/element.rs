//! What typed containers hold: [`ElementType`].

use super::error::WrongType;
use super::kind::ValueType;
use super::math::{Rect2, Rect2i, Vector2, Vector2i, Vector3, Vector3i, Vector4, Vector4i};
use super::name::{NodePath, StringName};
use super::value::{ObjectId, Value};
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::fmt;

/// What the elements of a typed array, or the keys or values of a typed dictionary, have to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ElementType {
    /// A built-in type. [`ValueType::Nil`] means untyped.
    Builtin(ValueType),
    /// Objects of an engine class. On the wire each class is `EncodedObjectAsID`.
    Class(StringName),
    /// Objects with a script: its path. It is text here and never looked at; on the wire it is a class.
    Script(String),
}

impl ElementType {
    /// The class that stands for all classes and scripts on the wire.
    pub const OBJECT_ID_CLASS: &'static str = "EncodedObjectAsID";

    /// Objects as they come over the wire: by id.
    #[must_use]
    pub fn object_id() -> Self {
        Self::Class(StringName::from(Self::OBJECT_ID_CLASS))
    }

    /// The element as this type, converted where the engine converts silently.
    pub(super) fn admit(&self, value: Value) -> Result<Value, WrongType> {
        match self {
            Self::Builtin(ValueType::Nil) => Ok(value),
            Self::Builtin(kind) if *kind == value.kind() => Ok(value),
            Self::Builtin(ValueType::Object) | Self::Class(_) | Self::Script(_) => match value {
                Value::Nil => Ok(Value::Object(ObjectId(0))),
                Value::Object(_) => Ok(value),
                _ => Err(WrongType {
                    found: value.kind(),
                }),
            },
            Self::Builtin(kind) => convert(*kind, value),
        }
    }
}

/// The implicit conversions of the engine among numbers, among texts, and between integer and float vectors.
///
/// The engine also converts among transforms and bases, from numbers and texts to colors, and between arrays and packed
/// arrays. Those are refused here: no honest encoder produces them, and some multiply memory.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "saturating and rounding is what the engine's conversion does"
)]
fn convert(kind: ValueType, value: Value) -> Result<Value, WrongType> {
    let found = value.kind();
    Ok(match (kind, value) {
        (ValueType::Bool, Value::Int(value)) => Value::Bool(value != 0),
        (ValueType::Bool, Value::Float(value)) => Value::Bool(value != 0.0),
        (ValueType::Int, Value::Bool(value)) => Value::Int(value.into()),
        (ValueType::Int, Value::Float(value)) => Value::Int(value as i64),
        (ValueType::Float, Value::Bool(value)) => Value::Float(value.into()),
        (ValueType::Float, Value::Int(value)) => Value::Float(value as f64),
        (ValueType::String, Value::StringName(name)) => Value::String(name.into_string()),
        (ValueType::String, Value::NodePath(path)) => Value::String(path.to_string()),
        (ValueType::StringName, Value::String(text)) => Value::StringName(text.into()),
        (ValueType::NodePath, Value::String(text)) => {
            Value::NodePath(NodePath::parse(&text).unwrap_or_default())
        }
        (ValueType::Vector2, Value::Vector2i(v)) => {
            Vector2::from_array(v.to_array().map(|c| c as f32)).into()
        }
        (ValueType::Vector2i, Value::Vector2(v)) => {
            Vector2i::from_array(v.to_array().map(|c| c as i32)).into()
        }
        (ValueType::Vector3, Value::Vector3i(v)) => {
            Vector3::from_array(v.to_array().map(|c| c as f32)).into()
        }
        (ValueType::Vector3i, Value::Vector3(v)) => {
            Vector3i::from_array(v.to_array().map(|c| c as i32)).into()
        }
        (ValueType::Vector4, Value::Vector4i(v)) => {
            Vector4::from_array(v.to_array().map(|c| c as f32)).into()
        }
        (ValueType::Vector4i, Value::Vector4(v)) => {
            Vector4i::from_array(v.to_array().map(|c| c as i32)).into()
        }
        (ValueType::Rect2, Value::Rect2i(r)) => {
            Rect2::from_array(r.to_array().map(|c| c as f32)).into()
        }
        (ValueType::Rect2i, Value::Rect2(r)) => {
            Rect2i::from_array(r.to_array().map(|c| c as i32)).into()
        }
        _ => return Err(WrongType { found }),
    })
}

impl fmt::Display for ElementType {
    /// As Godot's text form names it: `int`, `Node`, `Resource("res://unit.gd")`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(kind) => f.write_str(kind.name()),
            Self::Class(name) => f.write_str(name),
            Self::Script(path) => {
                let path = path.replace('\\', "\\\\").replace('"', "\\\"");
                write!(f, "Resource(\"{path}\")")
            }
        }
    }
}

/// An element type as a container keeps it: nothing for untyped.
pub(super) type Kept = Option<Box<ElementType>>;

pub(super) fn keep(element_type: Option<ElementType>) -> Kept {
    match element_type {
        None | Some(ElementType::Builtin(ValueType::Nil)) => None,
        Some(element_type) => Some(Box::new(element_type)),
    }
}

pub(super) fn admit(kept: &Kept, value: Value) -> Result<Value, WrongType> {
    match kept {
        None => Ok(value),
        Some(element_type) => element_type.admit(value),
    }
}
