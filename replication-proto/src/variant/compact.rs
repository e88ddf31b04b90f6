//! The compressed form of values: RPC arguments, spawn arguments and synchronised state.
//!
//! A `bool` is one byte and an `int` is one byte of head and 1, 2, 4 or 8 bytes; everything else is the binary form of
//! [`encode`](super::encode()). Values follow each other without padding.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::decode::Decoder;
use super::error::{DecodeError, DecodeErrorKind, EncodeError};
use super::input::Input;
use super::limits::Limits;
use super::value::Value;
use alloc::vec::Vec;

/// Bits of the first byte that hold the type.
const TYPE_MASK: u8 = 0x3f;
const BOOL: u8 = 1;
const INT: u8 = 2;

/// Appends the compressed form of `value` to `out`.
///
/// # Errors
/// [`EncodeError`]; `out` is as it was.
pub fn encode(value: &Value, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match value {
        Value::Bool(value) => {
            out.push(BOOL | u8::from(*value) << 7);
            Ok(())
        }
        Value::Int(value) => {
            encode_int(*value, out);
            Ok(())
        }
        _ => super::encode(value, out),
    }
}

fn encode_int(value: i64, out: &mut Vec<u8>) {
    if let Ok(value) = i8::try_from(value) {
        out.extend_from_slice(&[INT, value.cast_unsigned()]);
    } else if let Ok(value) = i16::try_from(value) {
        let [a, b] = value.to_le_bytes();
        out.extend_from_slice(&[INT | 0x40, a, b]);
    } else if let Ok(value) = i32::try_from(value) {
        let [a, b, c, d] = value.to_le_bytes();
        out.extend_from_slice(&[INT | 0x80, a, b, c, d]);
    } else {
        out.push(INT | 0xc0);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Reads the compressed value at the start of `bytes` and gives how many bytes it took.
///
/// # Errors
/// [`DecodeError`], as [`decode`](super::decode()) has it.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<(Value, usize), DecodeError> {
    let mut decoder = Decoder::new(bytes, limits);
    let value = decoder.compact_value()?;
    Ok((value, decoder.at()))
}

/// Reads a value that has a short form, or nothing, and then consumes nothing.
pub(super) fn read_short(input: &mut Input<'_>) -> Result<Option<Value>, DecodeError> {
    let head = input.peek("compressed value")?;
    match head & TYPE_MASK {
        BOOL => {
            input.u8("bool")?;
            Ok(Some(Value::Bool(head & 0x80 != 0)))
        }
        INT => {
            input.u8("int")?;
            let value = match head >> 6 {
                0 => i64::from(input.u8("int")?.cast_signed()),
                1 => i64::from(input.u16("int")?.cast_signed()),
                2 => i64::from(input.u32("int")?.cast_signed()),
                _ => input.u64("int")?.cast_signed(),
            };
            Ok(Some(Value::Int(value)))
        }
        39.. => Err(input.error(DecodeErrorKind::UnknownType { id: head.into() })),
        _ => Ok(None),
    }
}

/// How the arguments of an RPC lie in its packet: what the raw flag of the packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "it is one bit")]
pub enum Form {
    /// Compressed values one after the other (flag clear).
    Values,
    /// No argument, or the bytes of one `PackedByteArray` without any head (flag set).
    Raw,
}

/// Appends the arguments of an RPC to `out` and gives their form.
///
/// No argument, and one `PackedByteArray`, take the raw form; so an empty byte array arrives as no argument at all.
///
/// # Errors
/// [`EncodeError`]; `out` is as it was.
pub fn encode_arguments(arguments: &[Value], out: &mut Vec<u8>) -> Result<Form, EncodeError> {
    match arguments {
        [] => Ok(Form::Raw),
        [Value::PackedByteArray(bytes)] => {
            out.extend_from_slice(bytes);
            Ok(Form::Raw)
        }
        _ => {
            encode_values(arguments, out)?;
            Ok(Form::Values)
        }
    }
}

/// Appends values without the raw form, as state and spawn arguments have them.
///
/// # Errors
/// [`EncodeError`]; `out` is as it was.
pub fn encode_values(values: &[Value], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    for value in values {
        if let Err(error) = encode(value, out) {
            out.truncate(start);
            return Err(error);
        }
    }
    Ok(())
}

/// Reads all arguments of an RPC, to the end of `bytes`, but at most `most` of them.
///
/// # Errors
/// [`DecodeError`]: a value is bad, or there are more than `most`
/// ([`TooManyElements`](DecodeErrorKind::TooManyElements)), or the raw form is larger than
/// [`Limits::bytes`](Limits::bytes).
pub fn decode_arguments(
    bytes: &[u8],
    form: Form,
    most: usize,
    limits: &Limits,
) -> Result<Vec<Value>, DecodeError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut decoder = Decoder::new(bytes, limits);
    let mut values = Vec::new();
    while !decoder.is_empty() {
        if values.len() >= most {
            return Err(DecodeError::new(
                decoder.at(),
                DecodeErrorKind::TooManyElements {
                    field: "arguments",
                    count: u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1),
                    limit: most,
                },
            ));
        }
        values.push(match form {
            Form::Values => decoder.compact_value()?,
            Form::Raw => raw(&mut decoder, limits)?,
        });
    }
    Ok(values)
}

fn raw(decoder: &mut Decoder<'_>, limits: &Limits) -> Result<Value, DecodeError> {
    let rest = decoder.take_rest();
    if rest.len() > limits.bytes {
        return Err(DecodeError::new(
            0,
            DecodeErrorKind::TooLarge {
                field: "arguments",
                limit: limits.bytes,
            },
        ));
    }
    Ok(Value::PackedByteArray(rest.into()))
}

/// Reads exactly `count` values, as state has them, and gives how many bytes they took.
///
/// # Errors
/// [`DecodeError`]: a value is bad, or the input ends before the last one.
pub fn decode_values(
    bytes: &[u8],
    count: usize,
    limits: &Limits,
) -> Result<(Vec<Value>, usize), DecodeError> {
    let mut decoder = Decoder::new(bytes, limits);
    let mut values = Vec::with_capacity(count.min(bytes.len()));
    for _ in 0..count {
        values.push(decoder.compact_value()?);
    }
    Ok((values, decoder.at()))
}
