//! Writes the text form (`var_to_str`).

use super::number::{write_component, write_float, write_single};
use super::order;
use crate::variant::{Array, Dictionary, ElementType, Value};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Levels of nesting below which the engine writes an empty container.
const MAX_DEPTH: usize = 100;

/// The text form of a value, byte for byte as Godot 4.6 writes it with `var_to_str`.
///
/// Dictionary entries are sorted by key. Containers nested deeper than 100 come out empty, callables and signals without
/// what they refer to, and a `float` that is exactly a single with the digits of a single, as in the engine.
///
/// ```
/// use replication_proto::variant::{Array, Value, Vector2, text};
/// let array = Array::from(vec![1.into(), 0.5.into(), Vector2::new(1.0, -2.5).into(), "a\"b".into()]);
/// assert_eq!(text::to_text(&Value::from(array)), r#"[1, 0.5, Vector2(1, -2.5), "a\"b"]"#);
/// ```
#[must_use]
pub fn to_text(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, 0);
    out
}

fn write(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Array(array) => write_array(out, array, depth),
        Value::Dictionary(dictionary) => write_dictionary(out, dictionary, depth),
        _ => write_flat(out, value),
    }
}

fn write_array(out: &mut String, array: &Array, depth: usize) {
    let typed = array.element_type();
    if let Some(element_type) = typed {
        out.extend(["Array[", &element_type.to_string(), "]("]);
    }
    out.push('[');
    if depth <= MAX_DEPTH {
        for (index, element) in array.iter().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            write(out, element, depth + 1);
        }
    }
    out.push(']');
    if typed.is_some() {
        out.push(')');
    }
}

fn write_dictionary(out: &mut String, dictionary: &Dictionary, depth: usize) {
    let typed = dictionary.key_type().is_some() || dictionary.value_type().is_some();
    if typed {
        let name = |kind: Option<&ElementType>| {
            kind.map_or_else(|| String::from("Variant"), ToString::to_string)
        };
        let (keys, values) = (name(dictionary.key_type()), name(dictionary.value_type()));
        out.extend(["Dictionary[", &keys, ", ", &values, "]("]);
    }
    if dictionary.is_empty() || depth > MAX_DEPTH {
        out.push_str("{}");
    } else {
        let mut entries: Vec<_> = dictionary.as_slice().iter().collect();
        order::sort(&mut entries);
        out.push_str("{\n");
        for (index, (key, value)) in entries.into_iter().enumerate() {
            if index > 0 {
                out.push_str(",\n");
            }
            write(out, key, depth + 1);
            out.push_str(": ");
            write(out, value, depth + 1);
        }
        out.push_str("\n}");
    }
    if typed {
        out.push(')');
    }
}

/// Writes a value that holds no other.
fn write_flat(out: &mut String, value: &Value) {
    match value {
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::Float(value) => write_float(out, *value),
        Value::String(text) => write_text(out, text),
        Value::StringName(name) => {
            out.push('&');
            write_escaped(out, name);
        }
        Value::NodePath(path) => {
            out.push_str("NodePath(");
            write_escaped(out, &path.to_string());
            out.push(')');
        }
        Value::Rid(rid) if rid.0 == 0 => out.push_str("RID()"),
        Value::Rid(rid) => out.extend(["RID(", &rid.0.cast_signed().to_string(), ")"]),
        Value::Object(id) if id.0 != 0 => {
            let id = id.0.cast_signed().to_string();
            let head = "Object(EncodedObjectAsID,\"object_id\":";
            out.extend([head, &id, ",\"script\":null)\n"]);
        }
        Value::Callable => out.push_str("Callable()"),
        Value::Signal(_) => out.push_str("Signal()"),
        Value::Nil | Value::Object(_) => out.push_str("null"),
        _ => write_call(out, value),
    }
}

/// Writes a value made of numbers or texts as a call of its type.
fn write_call(out: &mut String, value: &Value) {
    out.push_str(value.kind().name());
    out.push('(');
    match value {
        Value::Vector2(v) => singles(out, &v.to_array()),
        Value::Vector2i(v) => integers(out, &v.to_array()),
        Value::Rect2(v) => singles(out, &v.to_array()),
        Value::Rect2i(v) => integers(out, &v.to_array()),
        Value::Vector3(v) => singles(out, &v.to_array()),
        Value::Vector3i(v) => integers(out, &v.to_array()),
        Value::Transform2D(v) => singles(out, &v.to_array()),
        Value::Vector4(v) => singles(out, &v.to_array()),
        Value::Vector4i(v) => integers(out, &v.to_array()),
        Value::Plane(v) => singles(out, &v.to_array()),
        Value::Quaternion(v) => singles(out, &v.to_array()),
        Value::Aabb(v) => singles(out, &v.to_array()),
        Value::Basis(v) => singles(out, &v.to_array()),
        Value::Transform3D(v) => singles(out, &v.to_array()),
        Value::Projection(v) => singles(out, &v.to_array()),
        Value::Color(v) => singles(out, &v.to_array()),
        Value::PackedByteArray(items) => integers(out, items),
        Value::PackedInt32Array(items) => integers(out, items),
        Value::PackedInt64Array(items) => integers(out, items),
        Value::PackedFloat32Array(items) => singles(out, items),
        Value::PackedFloat64Array(items) => {
            list(out, items, |out, item| write_component(out, *item))
        }
        Value::PackedStringArray(items) => list(out, items, |out, item| write_escaped(out, item)),
        Value::PackedVector2Array(items) => list(out, items, |out, v| singles(out, &v.to_array())),
        Value::PackedVector3Array(items) => list(out, items, |out, v| singles(out, &v.to_array())),
        Value::PackedColorArray(items) => list(out, items, |out, v| singles(out, &v.to_array())),
        Value::PackedVector4Array(items) => list(out, items, |out, v| singles(out, &v.to_array())),
        _ => {}
    }
    out.push(')');
}

fn list<T>(out: &mut String, items: &[T], write: impl Fn(&mut String, &T)) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write(out, item);
    }
}

fn singles(out: &mut String, items: &[f32]) {
    list(out, items, |out, item| write_single(out, *item));
}

fn integers<T: ToString>(out: &mut String, items: &[T]) {
    list(out, items, |out, item| out.push_str(&item.to_string()));
}

/// Writes a `String` in quotes: over several lines if it has them.
fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for part in text.split_inclusive(['"', '\\']) {
        match part.char_indices().next_back() {
            Some((at, last @ ('"' | '\\'))) => {
                out.push_str(part.get(..at).unwrap_or_default());
                out.extend(['\\', last]);
            }
            _ => out.push_str(part),
        }
    }
    out.push('"');
}

/// Writes a name, path or packed string in quotes, on one line.
fn write_escaped(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        let letter = match char {
            '\x07' => 'a',
            '\x08' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\x0b' => 'v',
            '\x0c' => 'f',
            '\r' => 'r',
            '"' | '\'' | '\\' => char,
            _ => {
                out.push(char);
                continue;
            }
        };
        out.extend(['\\', letter]);
    }
    out.push('"');
}
