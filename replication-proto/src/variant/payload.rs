//! Reads what follows the header of a value that holds no other.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::error::{DecodeError, DecodeErrorKind};
use super::input::Input;
use super::math::{
    Aabb, Basis, Color, Plane, Projection, Quaternion, Rect2, Rect2i, Transform2D, Transform3D,
    Vector2, Vector2i, Vector3, Vector3i, Vector4, Vector4i,
};
use super::value::{ObjectId, Rid, Signal, Value};
use super::wire::{DOUBLE, OBJECT_ID};
use alloc::boxed::Box;

/// Reads the payload of a value of fixed form, types 0 to 26 but for node paths.
pub(super) fn flat(input: &mut Input<'_>, id: u32, flags: u32) -> Result<Value, DecodeError> {
    let double = flags & DOUBLE != 0;
    Ok(match id {
        0 => Value::Nil,
        1 => Value::Bool(input.u32("bool")? != 0),
        2 if double => Value::Int(input.u64("int")?.cast_signed()),
        2 => Value::Int(i64::from(input.u32("int")?.cast_signed())),
        3 if double => Value::Float(f64::from_bits(input.u64("float")?)),
        3 => Value::Float(f64::from(f32::from_bits(input.u32("float")?))),
        4 => Value::String(input.text("string")?.into()),
        5 => Value::Vector2(Vector2::from_array(input.reals(double)?)),
        6 => Value::Vector2i(Vector2i::from_array(input.ints()?)),
        7 => Value::Rect2(Rect2::from_array(input.reals(double)?)),
        8 => Value::Rect2i(Rect2i::from_array(input.ints()?)),
        9 => Value::Vector3(Vector3::from_array(input.reals(double)?)),
        10 => Value::Vector3i(Vector3i::from_array(input.ints()?)),
        11 => Value::Transform2D(Transform2D::from_array(input.reals(double)?)),
        12 => Value::Vector4(Vector4::from_array(input.reals(double)?)),
        13 => Value::Vector4i(Vector4i::from_array(input.ints()?)),
        14 => Value::Plane(Plane::from_array(input.reals(double)?)),
        15 => Value::Quaternion(Quaternion::from_array(input.reals(double)?)),
        16 => Value::Aabb(Aabb::from_array(input.reals(double)?)),
        17 => Value::Basis(Basis::from_array(input.reals(double)?)),
        18 => Value::Transform3D(Box::new(Transform3D::from_array(input.reals(double)?))),
        19 => Value::Projection(Box::new(Projection::from_array(input.reals(double)?))),
        20 => Value::Color(Color::from_array(input.reals(false)?)),
        21 => Value::StringName(input.text("string name")?.into()),
        23 => Value::Rid(Rid(input.u64("resource id")?)),
        24 if flags & OBJECT_ID != 0 => Value::Object(ObjectId(input.u64("object id")?)),
        24 => return Err(input.error_before(4, DecodeErrorKind::ObjectNotAllowed)),
        25 => Value::Callable,
        26 => Value::Signal(Signal {
            name: input.text("signal name")?.into(),
            object: ObjectId(input.u64("signal object")?),
        }),
        _ => return Err(input.error_before(4, DecodeErrorKind::UnknownType { id })),
    })
}

/// Reads the payload of a packed array of numbers, types 30 to 38 but for strings.
pub(super) fn packed(input: &mut Input<'_>, id: u32, flags: u32) -> Result<Value, DecodeError> {
    let double = flags & DOUBLE != 0;
    Ok(match id {
        30 => Value::PackedInt32Array(input.packed(i32::from_le_bytes)?),
        31 => Value::PackedInt64Array(input.packed(i64::from_le_bytes)?),
        32 => Value::PackedFloat32Array(input.packed(f32::from_le_bytes)?),
        33 => Value::PackedFloat64Array(input.packed(f64::from_le_bytes)?),
        35 if double => Value::PackedVector2Array(
            input.packed(|bytes: [u8; 16]| wide(bytes, Vector2::from_array))?,
        ),
        35 => Value::PackedVector2Array(
            input.packed(|bytes: [u8; 8]| narrow(bytes, Vector2::from_array))?,
        ),
        36 if double => Value::PackedVector3Array(
            input.packed(|bytes: [u8; 24]| wide(bytes, Vector3::from_array))?,
        ),
        36 => Value::PackedVector3Array(
            input.packed(|bytes: [u8; 12]| narrow(bytes, Vector3::from_array))?,
        ),
        37 => Value::PackedColorArray(
            input.packed(|bytes: [u8; 16]| narrow(bytes, Color::from_array))?,
        ),
        38 if double => Value::PackedVector4Array(
            input.packed(|bytes: [u8; 32]| wide(bytes, Vector4::from_array))?,
        ),
        38 => Value::PackedVector4Array(
            input.packed(|bytes: [u8; 16]| narrow(bytes, Vector4::from_array))?,
        ),
        _ => return Err(input.error_before(4, DecodeErrorKind::UnknownType { id })),
    })
}

/// A vector of `N` single-precision numbers.
#[inline]
fn narrow<T, const BYTES: usize, const N: usize>(
    bytes: [u8; BYTES],
    build: impl Fn([f32; N]) -> T,
) -> T {
    let mut numbers = [0.0; N];
    for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *number = f32::from_le_bytes(*bytes);
    }
    build(numbers)
}

/// A vector of `N` double-precision numbers, rounded.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "a single-precision build rounds the same way"
)]
fn wide<T, const BYTES: usize, const N: usize>(
    bytes: [u8; BYTES],
    build: impl Fn([f32; N]) -> T,
) -> T {
    let mut numbers = [0.0; N];
    for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *number = f64::from_le_bytes(*bytes) as f32;
    }
    build(numbers)
}
