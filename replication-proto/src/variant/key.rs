//! When two dictionary keys are the same, as a total order, so that look-up never depends on a hash that a sender chose.
//!
//! Godot's rule: same type and same value, with NaN equal to NaN and -0.0 equal to 0.0 at any depth; a `String` and a
//! `StringName` of the same text are one key (but not inside an array); dictionaries are equal whatever their order.

use super::dictionary::Dictionary;
use super::value::Value;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// Whether two keys are one.
#[inline]
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a == b,
        (Value::StringName(a), Value::StringName(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        _ => compare(a, b).is_eq(),
    }
}

/// Whether two values are the same by the engine's comparison of replicated state: type and content, NaN equal to NaN.
pub(crate) fn is_same(a: &Value, b: &Value) -> bool {
    nested(a, b).is_eq()
}

/// Compares two keys.
pub(super) fn compare(a: &Value, b: &Value) -> Ordering {
    match (a.as_text(), b.as_text()) {
        (Some(a), Some(b)) => a.cmp(b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => nested(a, b),
    }
}

/// Compares two values inside keys, where a `String` is never a `StringName`.
fn nested(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => float64(*a, *b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::StringName(a), Value::StringName(b)) => a.cmp(b),
        (Value::NodePath(a), Value::NodePath(b)) => a.cmp(b),
        (Value::Rid(a), Value::Rid(b)) => a.cmp(b),
        (Value::Object(a), Value::Object(b)) => a.cmp(b),
        (Value::Signal(a), Value::Signal(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => a
            .len()
            .cmp(&b.len())
            .then_with(|| each(a.as_slice(), b.as_slice(), nested)),
        (Value::Dictionary(a), Value::Dictionary(b)) => dictionaries(a, b),
        _ => a.kind().cmp(&b.kind()).then_with(|| flat(a, b)),
    }
}

/// Compares two values of the same type that are made of numbers.
fn flat(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Vector2(a), Value::Vector2(b)) => floats(&a.to_array(), &b.to_array()),
        (Value::Vector2i(a), Value::Vector2i(b)) => a.to_array().cmp(&b.to_array()),
        (Value::Rect2(a), Value::Rect2(b)) => floats(&a.to_array(), &b.to_array()),
        (Value::Rect2i(a), Value::Rect2i(b)) => a.to_array().cmp(&b.to_array()),
        (Value::Vector3(a), Value::Vector3(b)) => floats(&a.to_array(), &b.to_array()),
        (Value::Vector3i(a), Value::Vector3i(b)) => a.to_array().cmp(&b.to_array()),
        (Value::Transform2D(a), Value::Transform2D(b)) => floats(&a.to_array(), &b.to_array()),
        (Value::Vector4(a), Value::Vector4(b)) => floats(&a.to_array(), &b.to_array()),
        (Value::Vector4i(a), Value::Vector4i(b)) => a.to_array().cmp(&b.to_array()),
        (Value::Plane(a), Value::Plane(b)) => floats(&a.to_array(), &b.to_array()),
        (Value::Quaternion(a), Value::Quaternion(b)) => floats(&a.to_array(), &b.to_array()),
        (Value::Aabb(a), Value::Aabb(b)) => floats(&a.to_array(), &b.to_array()),
        (Value::Basis(a), Value::Basis(b)) => floats(&a.to_array(), &b.to_array()),
        (Value::Transform3D(a), Value::Transform3D(b)) => floats(&a.to_array(), &b.to_array()),
        (Value::Projection(a), Value::Projection(b)) => floats(&a.to_array(), &b.to_array()),
        (Value::Color(a), Value::Color(b)) => floats(&a.to_array(), &b.to_array()),
        (Value::PackedByteArray(a), Value::PackedByteArray(b)) => a.cmp(b),
        (Value::PackedInt32Array(a), Value::PackedInt32Array(b)) => a.cmp(b),
        (Value::PackedInt64Array(a), Value::PackedInt64Array(b)) => a.cmp(b),
        (Value::PackedFloat32Array(a), Value::PackedFloat32Array(b)) => floats(a, b),
        (Value::PackedFloat64Array(a), Value::PackedFloat64Array(b)) => {
            each(a, b, |a, b| float64(*a, *b))
        }
        (Value::PackedStringArray(a), Value::PackedStringArray(b)) => a.cmp(b),
        (Value::PackedVector2Array(a), Value::PackedVector2Array(b)) => {
            each(a, b, |a, b| floats(&a.to_array(), &b.to_array()))
        }
        (Value::PackedVector3Array(a), Value::PackedVector3Array(b)) => {
            each(a, b, |a, b| floats(&a.to_array(), &b.to_array()))
        }
        (Value::PackedColorArray(a), Value::PackedColorArray(b)) => {
            each(a, b, |a, b| floats(&a.to_array(), &b.to_array()))
        }
        (Value::PackedVector4Array(a), Value::PackedVector4Array(b)) => {
            each(a, b, |a, b| floats(&a.to_array(), &b.to_array()))
        }
        _ => Ordering::Equal,
    }
}

fn dictionaries(a: &Dictionary, b: &Dictionary) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| {
        let (a, b) = (sorted(a), sorted(b));
        each(&a, &b, |a, b| {
            compare(&a.0, &b.0).then_with(|| nested(&a.1, &b.1))
        })
    })
}

fn sorted(dictionary: &Dictionary) -> Vec<&(Value, Value)> {
    let mut entries: Vec<_> = dictionary.as_slice().iter().collect();
    entries.sort_by(|a, b| compare(&a.0, &b.0));
    entries
}

fn each<T>(a: &[T], b: &[T], compare: impl Fn(&T, &T) -> Ordering) -> Ordering {
    a.iter()
        .zip(b)
        .map(|(a, b)| compare(a, b))
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.len().cmp(&b.len()))
}

fn floats(a: &[f32], b: &[f32]) -> Ordering {
    each(a, b, |a, b| float64(f64::from(*a), f64::from(*b)))
}

/// Orders numbers as numbers, with all NaNs as one after all of them.
fn float64(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b)
        .unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variant::{Array, StringName, Vector2};
    use alloc::vec;

    #[test]
    fn keys_are_equal_as_the_engine_compares_them() {
        let same = |a: Value, b: Value| compare(&a, &b).is_eq();
        assert!(same(f64::NAN.into(), (-f64::NAN).into()));
        assert!(same(0.0.into(), (-0.0).into()));
        assert!(same(
            Vector2::new(f32::NAN, 0.0).into(),
            Vector2::new(f32::NAN, -0.0).into()
        ));
        assert!(same("a".into(), StringName::from("a").into()));
        assert!(!same(1.into(), 1.0.into()));
        assert!(!same(true.into(), 1.into()));
        assert!(!same(Value::Nil, false.into()));
        let array = |value: Value| Value::from(Array::from(vec![value]));
        assert!(!same(
            array("a".into()),
            array(StringName::from("a").into())
        ));
        let one: Dictionary = [(1.into(), 2.into()), (3.into(), 4.into())]
            .into_iter()
            .collect();
        let two: Dictionary = [(3.into(), 4.into()), (1.into(), 2.into())]
            .into_iter()
            .collect();
        assert!(same(one.into(), two.into()));
    }
}
