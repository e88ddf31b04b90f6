//! Numbers, names and colors of the text form, by themselves.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::variant::{Color, ValueType};

/// A number before its type is known.
#[derive(Clone, Copy)]
pub(super) enum Number {
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
    pub(super) fn to_i64(self) -> i64 {
        match self {
            Self::Int(value) => value,
            // Below 2^63 the cast is exact; the engine makes all else the least number.
            Self::Float(value) if (-9.3e18..9_223_372_036_854_775_808.0).contains(&value) => {
                value as i64
            }
            Self::Float(_) => i64::MIN,
        }
    }

    pub(super) fn to_i32(self) -> i32 {
        match self {
            Self::Int(value) => value as i32,
            Self::Float(value) if (-2_147_483_649.0..2_147_483_648.0).contains(&value) => {
                value as i32
            }
            Self::Float(_) => i32::MIN,
        }
    }

    pub(super) fn to_u8(self) -> u8 {
        self.to_i32() as u8
    }

    pub(super) fn to_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    pub(super) fn to_f32(self) -> f32 {
        match self {
            Self::Int(value) => value as f32,
            Self::Float(value) => value as f32,
        }
    }
}

/// The Variant type that is written as a call of this name; Godot 2 and 3 had other names.
pub(super) fn kind_of(word: &str) -> Option<ValueType> {
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
pub(super) fn color(digits: &str) -> Option<Color> {
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
