//! Whether a value holds a NaN or an infinity anywhere.

use crate::variant::Value;

/// Whether all floats in a value are finite. Its depth is bounded by the decoder's limit.
pub(super) fn is_finite(value: &Value) -> bool {
    let all = |floats: &[f32]| floats.iter().all(|float| float.is_finite());
    match value {
        Value::Float(float) => float.is_finite(),
        Value::Vector2(value) => all(&value.to_array()),
        Value::Rect2(value) => all(&value.to_array()),
        Value::Vector3(value) => all(&value.to_array()),
        Value::Transform2D(value) => all(&value.to_array()),
        Value::Vector4(value) => all(&value.to_array()),
        Value::Plane(value) => all(&value.to_array()),
        Value::Quaternion(value) => all(&value.to_array()),
        Value::Aabb(value) => all(&value.to_array()),
        Value::Basis(value) => all(&value.to_array()),
        Value::Transform3D(value) => all(&value.to_array()),
        Value::Projection(value) => all(&value.to_array()),
        Value::Color(value) => all(&value.to_array()),
        Value::PackedFloat32Array(values) => all(values),
        Value::PackedFloat64Array(values) => values.iter().all(|float| float.is_finite()),
        Value::PackedVector2Array(values) => values.iter().all(|value| all(&value.to_array())),
        Value::PackedVector3Array(values) => values.iter().all(|value| all(&value.to_array())),
        Value::PackedVector4Array(values) => values.iter().all(|value| all(&value.to_array())),
        Value::PackedColorArray(values) => values.iter().all(|value| all(&value.to_array())),
        Value::Array(values) => values.as_slice().iter().all(is_finite),
        Value::Dictionary(entries) => {
            let mut pairs = entries.as_slice().iter();
            pairs.all(|(key, value)| is_finite(key) && is_finite(value))
        }
        _ => true,
    }
}
