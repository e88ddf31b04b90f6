//! Writes a value in Godot's binary form (`var_to_bytes`).
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::array::Array;
use super::dictionary::Dictionary;
use super::element::ElementType;
use super::error::EncodeError;
use super::kind::ValueType;
use super::name::{NodePath, StringName};
use super::value::Value;
use super::wire::{DOUBLE, KIND_BUILTIN, KIND_CLASS, MAX_DEPTH, OBJECT_ID};
use alloc::string::String;
use alloc::vec::Vec;

/// Appends the binary form of `value` to `out`, byte for byte as a single-precision Godot 4.6 writes it with
/// `var_to_bytes`.
///
/// The result is a multiple of 4 bytes long. A text ends for Godot's decoder at its first NUL, and loses a byte order
/// mark at its start.
///
/// # Errors
/// [`EncodeError`]; `out` is as it was.
pub fn encode(value: &Value, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    let result = put(value, out, 0);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn put(value: &Value, out: &mut Vec<u8>, depth: usize) -> Result<(), EncodeError> {
    match value {
        Value::Array(array) => put_array(array, out, depth),
        Value::Dictionary(dictionary) => put_dictionary(dictionary, out, depth),
        _ => put_flat(value, out),
    }
}

fn put_array(array: &Array, out: &mut Vec<u8>, depth: usize) -> Result<(), EncodeError> {
    let kind = element_kind(array.element_type());
    put_header(out, ValueType::Array, kind);
    put_element_type(out, array.element_type())?;
    put_count(out, array.len())?;
    if array.is_empty() {
        return Ok(());
    }
    let depth = deeper(depth)?;
    for element in array {
        put(element, out, depth)?;
    }
    Ok(())
}

fn put_dictionary(
    dictionary: &Dictionary,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), EncodeError> {
    let keys = element_kind(dictionary.key_type());
    let values = element_kind(dictionary.value_type());
    put_header(out, ValueType::Dictionary, keys | values << 2);
    put_element_type(out, dictionary.key_type())?;
    put_element_type(out, dictionary.value_type())?;
    put_count(out, dictionary.len())?;
    if dictionary.is_empty() {
        return Ok(());
    }
    let depth = deeper(depth)?;
    for (key, value) in dictionary {
        put(key, out, depth)?;
        put(value, out, depth)?;
    }
    Ok(())
}

const fn deeper(depth: usize) -> Result<usize, EncodeError> {
    if depth >= MAX_DEPTH {
        return Err(EncodeError::TooDeep);
    }
    Ok(depth.saturating_add(1))
}

/// Writes a value that holds no other.
fn put_flat(value: &Value, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let kind = value.kind();
    match value {
        Value::Nil | Value::Callable => put_header(out, kind, 0),
        Value::Bool(value) => put_words::<1, 8>(out, kind, [u32::from(*value)]),
        Value::Int(value) => put_int(out, *value),
        Value::Float(value) => put_float(out, *value),
        Value::String(text) => return put_named(out, kind, text),
        Value::StringName(name) => return put_named(out, kind, name),
        Value::Vector2(v) => put_words::<2, 12>(out, kind, v.to_array().map(f32::to_bits)),
        Value::Vector2i(v) => put_words::<2, 12>(out, kind, v.to_array().map(i32::cast_unsigned)),
        Value::Rect2(v) => put_words::<4, 20>(out, kind, v.to_array().map(f32::to_bits)),
        Value::Rect2i(v) => put_words::<4, 20>(out, kind, v.to_array().map(i32::cast_unsigned)),
        Value::Vector3(v) => put_words::<3, 16>(out, kind, v.to_array().map(f32::to_bits)),
        Value::Vector3i(v) => put_words::<3, 16>(out, kind, v.to_array().map(i32::cast_unsigned)),
        Value::Transform2D(v) => put_words::<6, 28>(out, kind, v.to_array().map(f32::to_bits)),
        Value::Vector4(v) => put_words::<4, 20>(out, kind, v.to_array().map(f32::to_bits)),
        Value::Vector4i(v) => put_words::<4, 20>(out, kind, v.to_array().map(i32::cast_unsigned)),
        Value::Plane(v) => put_words::<4, 20>(out, kind, v.to_array().map(f32::to_bits)),
        Value::Quaternion(v) => put_words::<4, 20>(out, kind, v.to_array().map(f32::to_bits)),
        Value::Aabb(v) => put_words::<6, 28>(out, kind, v.to_array().map(f32::to_bits)),
        Value::Basis(v) => put_words::<9, 40>(out, kind, v.to_array().map(f32::to_bits)),
        Value::Transform3D(v) => put_words::<12, 52>(out, kind, v.to_array().map(f32::to_bits)),
        Value::Projection(v) => put_words::<16, 68>(out, kind, v.to_array().map(f32::to_bits)),
        Value::Color(v) => put_words::<4, 20>(out, kind, v.to_array().map(f32::to_bits)),
        Value::NodePath(path) => return put_path(out, path),
        Value::Rid(rid) => {
            put_header(out, kind, 0);
            out.extend_from_slice(&rid.0.to_le_bytes());
        }
        Value::Object(id) if id.0 == 0 => put_header(out, ValueType::Nil, 0),
        Value::Object(id) => {
            put_header(out, kind, OBJECT_ID);
            out.extend_from_slice(&id.0.to_le_bytes());
        }
        Value::Signal(signal) => {
            put_named(out, kind, &signal.name)?;
            out.extend_from_slice(&signal.object.0.to_le_bytes());
        }
        _ => return put_packed(value, out),
    }
    Ok(())
}

fn put_packed(value: &Value, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let kind = value.kind();
    put_header(out, kind, 0);
    match value {
        Value::PackedByteArray(bytes) => {
            put_count(out, bytes.len())?;
            out.extend_from_slice(bytes);
            pad(out, bytes.len());
            Ok(())
        }
        Value::PackedInt32Array(items) => put_items(out, items, |item| item.to_le_bytes()),
        Value::PackedInt64Array(items) => put_items(out, items, |item| item.to_le_bytes()),
        Value::PackedFloat32Array(items) => put_items(out, items, |item| item.to_le_bytes()),
        Value::PackedFloat64Array(items) => put_items(out, items, |item| item.to_le_bytes()),
        Value::PackedStringArray(texts) => put_texts(out, texts),
        Value::PackedVector2Array(items) => {
            put_items(out, items, |item| reals::<2, 8>(item.to_array()))
        }
        Value::PackedVector3Array(items) => {
            put_items(out, items, |item| reals::<3, 12>(item.to_array()))
        }
        Value::PackedColorArray(items) => {
            put_items(out, items, |item| reals::<4, 16>(item.to_array()))
        }
        Value::PackedVector4Array(items) => {
            put_items(out, items, |item| reals::<4, 16>(item.to_array()))
        }
        _ => Ok(()),
    }
}

/// Little-endian bytes of `N` numbers; `BYTES` is four times `N`.
#[inline]
fn reals<const N: usize, const BYTES: usize>(numbers: [f32; N]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (target, number) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(numbers) {
        *target = number.to_le_bytes();
    }
    bytes
}

#[inline]
fn put_items<T: Copy, const N: usize>(
    out: &mut Vec<u8>,
    items: &[T],
    bytes: impl Fn(T) -> [u8; N],
) -> Result<(), EncodeError> {
    let size = items.len().saturating_mul(N);
    if i32::try_from(size).is_err() {
        return Err(EncodeError::TooLong);
    }
    put_count(out, items.len())?;
    let start = out.len();
    out.resize(start.saturating_add(size), 0);
    let target = out.get_mut(start..).unwrap_or_default();
    for (target, item) in target.as_chunks_mut::<N>().0.iter_mut().zip(items) {
        *target = bytes(*item);
    }
    Ok(())
}

fn put_texts(out: &mut Vec<u8>, texts: &[String]) -> Result<(), EncodeError> {
    put_count(out, texts.len())?;
    for text in texts {
        let length = text.len().saturating_add(1);
        put_count(out, length)?;
        out.extend_from_slice(text.as_bytes());
        out.push(0);
        pad(out, length);
    }
    Ok(())
}

fn put_path(out: &mut Vec<u8>, path: &NodePath) -> Result<(), EncodeError> {
    let count = |names: &[StringName]| {
        i32::try_from(names.len())
            .map(i32::cast_unsigned)
            .map_err(|_| EncodeError::TooLong)
    };
    let names = count(path.names())? | super::wire::NEW_PATH;
    let subnames = count(path.subnames())?;
    let flags = u32::from(path.is_absolute());
    put_words::<3, 16>(out, ValueType::NodePath, [names, subnames, flags]);
    for name in path.names().iter().chain(path.subnames()) {
        put_text(out, name)?;
    }
    Ok(())
}

#[inline]
pub(super) fn put_int(out: &mut Vec<u8>, value: i64) {
    match i32::try_from(value) {
        Ok(small) => put_words::<1, 8>(out, ValueType::Int, [small.cast_unsigned()]),
        Err(_) => {
            put_header(out, ValueType::Int, DOUBLE);
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "the short form is for numbers that survive the cast exactly"
)]
fn put_float(out: &mut Vec<u8>, value: f64) {
    let short = value as f32;
    if f64::from(short) == value {
        put_words::<1, 8>(out, ValueType::Float, [short.to_bits()]);
    } else {
        put_header(out, ValueType::Float, DOUBLE);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

fn put_named(out: &mut Vec<u8>, kind: ValueType, text: &str) -> Result<(), EncodeError> {
    put_header(out, kind, 0);
    put_text(out, text)
}

fn put_text(out: &mut Vec<u8>, text: &str) -> Result<(), EncodeError> {
    put_count(out, text.len())?;
    out.extend_from_slice(text.as_bytes());
    pad(out, text.len());
    Ok(())
}

const fn element_kind(element_type: Option<&ElementType>) -> u32 {
    match element_type {
        None => 0,
        Some(ElementType::Builtin(_)) => KIND_BUILTIN,
        Some(ElementType::Class(_) | ElementType::Script(_)) => KIND_CLASS,
    }
}

fn put_element_type(
    out: &mut Vec<u8>,
    element_type: Option<&ElementType>,
) -> Result<(), EncodeError> {
    match element_type {
        None => Ok(()),
        Some(ElementType::Builtin(kind)) => {
            out.extend_from_slice(&u32::from(kind.id()).to_le_bytes());
            Ok(())
        }
        Some(ElementType::Class(_) | ElementType::Script(_)) => {
            put_text(out, ElementType::OBJECT_ID_CLASS)
        }
    }
}

#[inline]
fn put_header(out: &mut Vec<u8>, kind: ValueType, flags: u32) {
    let header = u32::from(kind.id()) | flags << 16;
    out.extend_from_slice(&header.to_le_bytes());
}

/// Writes a header without flags and words after it, as one piece of `BYTES`, which is four more than the words take.
#[inline]
fn put_words<const N: usize, const BYTES: usize>(
    out: &mut Vec<u8>,
    kind: ValueType,
    words: [u32; N],
) {
    const { assert!(BYTES == 4 * N + 4, "a header and N words") };
    let mut bytes = [0; BYTES];
    let (chunks, _) = bytes.as_chunks_mut::<4>();
    let words = core::iter::once(u32::from(kind.id())).chain(words);
    for (target, word) in chunks.iter_mut().zip(words) {
        *target = word.to_le_bytes();
    }
    out.extend_from_slice(&bytes);
}

#[inline]
fn put_count(out: &mut Vec<u8>, count: usize) -> Result<(), EncodeError> {
    let count = i32::try_from(count).map_err(|_| EncodeError::TooLong)?;
    out.extend_from_slice(&count.to_le_bytes());
    Ok(())
}

/// Zeros up to a multiple of 4 after `length` bytes.
#[inline]
fn pad(out: &mut Vec<u8>, length: usize) {
    let missing = length.wrapping_neg() & 3;
    out.extend_from_slice([0; 3].get(..missing).unwrap_or_default());
}
