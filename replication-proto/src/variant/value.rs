//! [`Value`]: one Godot Variant.

use super::array::Array;
use super::dictionary::Dictionary;
use super::kind::ValueType;
use super::math::{
    Aabb, Basis, Color, Plane, Projection, Quaternion, Rect2, Rect2i, Transform2D, Transform3D,
    Vector2, Vector2i, Vector3, Vector3i, Vector4, Vector4i,
};
use super::name::{NodePath, StringName};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Instance id of an object in the sender's process. An opaque number: it names nothing here. 0 is null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number with a name")]
pub struct ObjectId(pub u64);

/// Id of a resource in the sender's servers. An opaque number: it names nothing here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number with a name")]
pub struct Rid(pub u64);

/// A signal as the wire carries it: its name and the id of its object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the wire has these two fields")]
pub struct Signal {
    /// Name of the signal.
    pub name: StringName,
    /// Object that has it, in the sender's process.
    pub object: ObjectId,
}

/// One Godot value (`Variant`).
///
/// Equality compares floats as numbers, so NaN equals nothing, and compares the order of dictionary entries, unlike
/// GDScript's `==`. Dictionary keys follow their own rule: see [`Dictionary`].
///
/// ```
/// use replication_proto::variant::{self, Dictionary, Limits, Value};
///
/// let mut player = Dictionary::new();
/// player.insert("name", "Ann")?;
/// player.insert("score", 7)?;
/// let value = Value::from(player);
///
/// let mut bytes = Vec::new();
/// variant::encode(&value, &mut bytes)?;
/// let (decoded, used) = variant::decode(&bytes, &Limits::default())?;
/// assert_eq!((decoded, used), (value, bytes.len()));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// `null`, also in place of a null object.
    #[default]
    Nil,
    /// `bool`.
    Bool(bool),
    /// `int`.
    Int(i64),
    /// `float`.
    Float(f64),
    /// `String`.
    String(String),
    /// `Vector2`.
    Vector2(Vector2),
    /// `Vector2i`.
    Vector2i(Vector2i),
    /// `Rect2`.
    Rect2(Rect2),
    /// `Rect2i`.
    Rect2i(Rect2i),
    /// `Vector3`.
    Vector3(Vector3),
    /// `Vector3i`.
    Vector3i(Vector3i),
    /// `Transform2D`.
    Transform2D(Transform2D),
    /// `Vector4`.
    Vector4(Vector4),
    /// `Vector4i`.
    Vector4i(Vector4i),
    /// `Plane`.
    Plane(Plane),
    /// `Quaternion`.
    Quaternion(Quaternion),
    /// `AABB`.
    Aabb(Aabb),
    /// `Basis`.
    Basis(Basis),
    /// `Transform3D`, boxed to keep all values small.
    Transform3D(Box<Transform3D>),
    /// `Projection`, boxed to keep all values small.
    Projection(Box<Projection>),
    /// `Color`.
    Color(Color),
    /// `StringName`.
    StringName(StringName),
    /// `NodePath`.
    NodePath(NodePath),
    /// `RID`.
    Rid(Rid),
    /// An object, of which only the id is sent. Id 0 is null and is sent as [`Value::Nil`].
    Object(ObjectId),
    /// `Callable`, of which nothing is sent: each one arrives as the null callable.
    Callable,
    /// `Signal`.
    Signal(Signal),
    /// `Dictionary`.
    Dictionary(Dictionary),
    /// `Array`.
    Array(Array),
    /// `PackedByteArray`.
    PackedByteArray(Vec<u8>),
    /// `PackedInt32Array`.
    PackedInt32Array(Vec<i32>),
    /// `PackedInt64Array`.
    PackedInt64Array(Vec<i64>),
    /// `PackedFloat32Array`.
    PackedFloat32Array(Vec<f32>),
    /// `PackedFloat64Array`.
    PackedFloat64Array(Vec<f64>),
    /// `PackedStringArray`.
    PackedStringArray(Vec<String>),
    /// `PackedVector2Array`.
    PackedVector2Array(Vec<Vector2>),
    /// `PackedVector3Array`.
    PackedVector3Array(Vec<Vector3>),
    /// `PackedColorArray`.
    PackedColorArray(Vec<Color>),
    /// `PackedVector4Array`.
    PackedVector4Array(Vec<Vector4>),
}

impl Value {
    /// Its type.
    #[must_use]
    pub const fn kind(&self) -> ValueType {
        match self {
            Self::Nil => ValueType::Nil,
            Self::Bool(_) => ValueType::Bool,
            Self::Int(_) => ValueType::Int,
            Self::Float(_) => ValueType::Float,
            Self::String(_) => ValueType::String,
            Self::Vector2(_) => ValueType::Vector2,
            Self::Vector2i(_) => ValueType::Vector2i,
            Self::Rect2(_) => ValueType::Rect2,
            Self::Rect2i(_) => ValueType::Rect2i,
            Self::Vector3(_) => ValueType::Vector3,
            Self::Vector3i(_) => ValueType::Vector3i,
            Self::Transform2D(_) => ValueType::Transform2D,
            Self::Vector4(_) => ValueType::Vector4,
            Self::Vector4i(_) => ValueType::Vector4i,
            Self::Plane(_) => ValueType::Plane,
            Self::Quaternion(_) => ValueType::Quaternion,
            Self::Aabb(_) => ValueType::Aabb,
            Self::Basis(_) => ValueType::Basis,
            Self::Transform3D(_) => ValueType::Transform3D,
            Self::Projection(_) => ValueType::Projection,
            Self::Color(_) => ValueType::Color,
            Self::StringName(_) => ValueType::StringName,
            Self::NodePath(_) => ValueType::NodePath,
            Self::Rid(_) => ValueType::Rid,
            Self::Object(_) => ValueType::Object,
            Self::Callable => ValueType::Callable,
            Self::Signal(_) => ValueType::Signal,
            Self::Dictionary(_) => ValueType::Dictionary,
            Self::Array(_) => ValueType::Array,
            Self::PackedByteArray(_) => ValueType::PackedByteArray,
            Self::PackedInt32Array(_) => ValueType::PackedInt32Array,
            Self::PackedInt64Array(_) => ValueType::PackedInt64Array,
            Self::PackedFloat32Array(_) => ValueType::PackedFloat32Array,
            Self::PackedFloat64Array(_) => ValueType::PackedFloat64Array,
            Self::PackedStringArray(_) => ValueType::PackedStringArray,
            Self::PackedVector2Array(_) => ValueType::PackedVector2Array,
            Self::PackedVector3Array(_) => ValueType::PackedVector3Array,
            Self::PackedColorArray(_) => ValueType::PackedColorArray,
            Self::PackedVector4Array(_) => ValueType::PackedVector4Array,
        }
    }

    /// Whether this is null: [`Value::Nil`] or an object of id 0.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Nil | Self::Object(ObjectId(0)))
    }

    /// The truth value of a `bool`.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number of an `int`.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The number of a `float`.
    #[must_use]
    pub const fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The text of a `String` or a `StringName`.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::StringName(name) => Some(name),
            _ => None,
        }
    }

    /// The elements of an `Array`.
    #[must_use]
    pub const fn as_array(&self) -> Option<&Array> {
        match self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    /// The entries of a `Dictionary`.
    #[must_use]
    pub const fn as_dictionary(&self) -> Option<&Dictionary> {
        match self {
            Self::Dictionary(dictionary) => Some(dictionary),
            _ => None,
        }
    }

    /// A copy of a value that holds no other; null for one that does.
    fn clone_flat(&self) -> Self {
        match self {
            Self::Nil | Self::Dictionary(_) | Self::Array(_) => Self::Nil,
            Self::Callable => Self::Callable,
            Self::Bool(value) => Self::Bool(*value),
            Self::Int(value) => Self::Int(*value),
            Self::Float(value) => Self::Float(*value),
            Self::Vector2(value) => Self::Vector2(*value),
            Self::Vector2i(value) => Self::Vector2i(*value),
            Self::Rect2(value) => Self::Rect2(*value),
            Self::Rect2i(value) => Self::Rect2i(*value),
            Self::Vector3(value) => Self::Vector3(*value),
            Self::Vector3i(value) => Self::Vector3i(*value),
            Self::Transform2D(value) => Self::Transform2D(*value),
            Self::Vector4(value) => Self::Vector4(*value),
            Self::Vector4i(value) => Self::Vector4i(*value),
            Self::Plane(value) => Self::Plane(*value),
            Self::Quaternion(value) => Self::Quaternion(*value),
            Self::Aabb(value) => Self::Aabb(*value),
            Self::Basis(value) => Self::Basis(*value),
            Self::Color(value) => Self::Color(*value),
            Self::Rid(value) => Self::Rid(*value),
            Self::Object(value) => Self::Object(*value),
            Self::String(value) => Self::String(value.clone()),
            Self::Transform3D(value) => Self::Transform3D(value.clone()),
            Self::Projection(value) => Self::Projection(value.clone()),
            Self::StringName(value) => Self::StringName(value.clone()),
            Self::NodePath(value) => Self::NodePath(value.clone()),
            Self::Signal(value) => Self::Signal(value.clone()),
            Self::PackedByteArray(value) => Self::PackedByteArray(value.clone()),
            Self::PackedInt32Array(value) => Self::PackedInt32Array(value.clone()),
            Self::PackedInt64Array(value) => Self::PackedInt64Array(value.clone()),
            Self::PackedFloat32Array(value) => Self::PackedFloat32Array(value.clone()),
            Self::PackedFloat64Array(value) => Self::PackedFloat64Array(value.clone()),
            Self::PackedStringArray(value) => Self::PackedStringArray(value.clone()),
            Self::PackedVector2Array(value) => Self::PackedVector2Array(value.clone()),
            Self::PackedVector3Array(value) => Self::PackedVector3Array(value.clone()),
            Self::PackedColorArray(value) => Self::PackedColorArray(value.clone()),
            Self::PackedVector4Array(value) => Self::PackedVector4Array(value.clone()),
        }
    }

    /// Whether other values may lie inside.
    #[inline]
    pub(super) const fn is_container(&self) -> bool {
        matches!(self, Self::Array(_) | Self::Dictionary(_))
    }
}

impl Clone for Value {
    // By hand, since the derived one has a stack frame per level that is too large for deep values on small stacks.
    fn clone(&self) -> Self {
        match self {
            Self::Dictionary(dictionary) => Self::Dictionary(dictionary.clone()),
            Self::Array(array) => Self::Array(array.clone()),
            _ => self.clone_flat(),
        }
    }
}

impl fmt::Display for Value {
    /// The text form: see [`text::to_text`](super::text::to_text).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::text::to_text(self))
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident;)+) => {
        $(
            impl From<$type> for Value {
                fn from(value: $type) -> Self {
                    Self::$variant(value.into())
                }
            }
        )+
    };
}

from! {
    bool => Bool;
    i8 => Int;
    u8 => Int;
    i16 => Int;
    u16 => Int;
    i32 => Int;
    u32 => Int;
    i64 => Int;
    f32 => Float;
    f64 => Float;
    String => String;
    Vector2 => Vector2;
    Vector2i => Vector2i;
    Rect2 => Rect2;
    Rect2i => Rect2i;
    Vector3 => Vector3;
    Vector3i => Vector3i;
    Transform2D => Transform2D;
    Vector4 => Vector4;
    Vector4i => Vector4i;
    Plane => Plane;
    Quaternion => Quaternion;
    Aabb => Aabb;
    Basis => Basis;
    Transform3D => Transform3D;
    Projection => Projection;
    Color => Color;
    StringName => StringName;
    NodePath => NodePath;
    Rid => Rid;
    ObjectId => Object;
    Signal => Signal;
    Dictionary => Dictionary;
    Array => Array;
    Vec<Self> => Array;
    Vec<u8> => PackedByteArray;
    Vec<i32> => PackedInt32Array;
    Vec<i64> => PackedInt64Array;
    Vec<f32> => PackedFloat32Array;
    Vec<f64> => PackedFloat64Array;
    Vec<String> => PackedStringArray;
    Vec<Vector2> => PackedVector2Array;
    Vec<Vector3> => PackedVector3Array;
    Vec<Color> => PackedColorArray;
    Vec<Vector4> => PackedVector4Array;
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<()> for Value {
    fn from((): ()) -> Self {
        Self::Nil
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_small() {
        assert!(size_of::<Value>() <= 40, "{}", size_of::<Value>());
    }
}
