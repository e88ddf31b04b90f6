//! Bodies for `replication_proto::variant`.

use arbitrary::{Arbitrary, Result, Unstructured};
use replication_proto::variant::{
    self, Aabb, Array, Basis, Color, Dictionary, ElementType, Limits, NodePath, ObjectId, Plane,
    Projection, Quaternion, Rect2, Rect2i, Rid, Signal, StringName, Transform2D, Transform3D,
    Value, ValueType, Vector2, Vector2i, Vector3, Vector3i, Vector4, Vector4i, compact,
};

/// A mark that Godot's decoder removes from the start of a text, so texts with it do not survive a round trip.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

fn binary(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    variant::encode(value, &mut bytes).expect("what was decoded can be encoded");
    bytes
}

/// Whether a null object lies in `value`: it is encoded as null, which may be another key of the same dictionary.
fn has_null_object(value: &Value) -> bool {
    match value {
        Value::Object(id) => id.0 == 0,
        Value::Array(array) => array.as_slice().iter().any(has_null_object),
        Value::Dictionary(dictionary) => {
            let mut entries = dictionary.as_slice().iter();
            entries.any(|(key, value)| has_null_object(key) || has_null_object(value))
        }
        _ => false,
    }
}

/// What `value` becomes on the wire decodes to what becomes the same bytes again.
fn check_canonical(value: &Value) {
    let bytes = binary(value);
    if bytes.windows(3).any(|window| window == BYTE_ORDER_MARK) || has_null_object(value) {
        return;
    }
    let (again, used) =
        variant::decode(&bytes, &Limits::reference()).expect("our own encoding decodes");
    assert_eq!(used, bytes.len(), "our own encoding is used up");
    assert_eq!(
        binary(&again),
        bytes,
        "the second encoding differs from the first"
    );

    let mut short = Vec::new();
    compact::encode(value, &mut short).expect("what encodes in full encodes compressed");
    let (again, used) =
        compact::decode(&short, &Limits::reference()).expect("our own compressed encoding decodes");
    assert_eq!(used, short.len(), "our own compressed encoding is used up");
    assert_eq!(
        binary(&again),
        bytes,
        "the compressed form is of another value"
    );
}

/// Any bytes as a value in the binary form, and as text.
///
/// # Panics
/// If a decoder panics, uses more than it was given, or gives a value that does not survive encoding and decoding.
pub fn variant(data: &[u8]) {
    let _ = variant::decode(data, &Limits::reference());
    if let Ok(value) = variant::text::from_text(&String::from_utf8_lossy(data)) {
        check_text(&value);
    }
    if let Ok((value, used)) = variant::decode(data, &Limits::default()) {
        assert!(used <= data.len(), "used {used} of {}", data.len());
        check_canonical(&value);
    }
}

/// Any bytes as a value in the compressed form, as arguments in both forms, and as state.
///
/// # Panics
/// As [`variant()`].
pub fn variant_compact(data: &[u8]) {
    let limits = Limits::default();
    if let Ok((value, used)) = compact::decode(data, &limits) {
        assert!(used <= data.len(), "used {used} of {}", data.len());
        check_canonical(&value);
    }
    for form in [compact::Form::Values, compact::Form::Raw] {
        if let Ok(arguments) = compact::decode_arguments(data, form, 8, &limits) {
            assert!(arguments.len() <= 8, "more arguments than allowed");
            arguments.iter().for_each(check_canonical);
        }
    }
    if let Ok((values, used)) = compact::decode_values(data, 3, &limits) {
        assert!(
            values.len() == 3 && used <= data.len(),
            "{} values in {used} bytes",
            values.len()
        );
    }
}

fn text(input: &mut Unstructured<'_>) -> Result<String> {
    let text = <&str>::arbitrary(input)?;
    Ok(text
        .chars()
        .filter(|&letter| letter != '\0' && letter != '\u{feff}')
        .take(64)
        .collect())
}

fn floats<const N: usize>(input: &mut Unstructured<'_>) -> Result<[f32; N]> {
    let mut floats = [0.0; N];
    for float in &mut floats {
        *float = f32::arbitrary(input)?;
    }
    Ok(floats)
}

fn integers<const N: usize>(input: &mut Unstructured<'_>) -> Result<[i32; N]> {
    <[i32; N]>::arbitrary(input)
}

/// The text of a value is the text of a value, unless a node path has names that only bytes can carry.
fn check_text(value: &Value) {
    let text = variant::text::to_text(value);
    if let Err(error) = variant::text::from_text(&text)
        && !text.contains("NodePath(")
    {
        panic!("{error} in our own text {text}");
    }
}

/// A short list of whatever `one` gives.
fn list<'a, T>(
    input: &mut Unstructured<'a>,
    mut one: impl FnMut(&mut Unstructured<'a>) -> Result<T>,
) -> Result<Vec<T>> {
    (0..input.int_in_range(0..=6)?)
        .map(|_| one(input))
        .collect()
}

fn node_path(input: &mut Unstructured<'_>) -> Result<NodePath> {
    let name = |input: &mut Unstructured<'_>| text(input).map(StringName::from);
    let path = NodePath::from_parts(list(input, name)?, list(input, name)?);
    Ok(if bool::arbitrary(input)? {
        path.into_absolute()
    } else {
        path
    })
}

fn array(input: &mut Unstructured<'_>, depth: usize) -> Result<Array> {
    let mut array = match u8::arbitrary(input)? {
        0..=50 => Array::typed(element_type(input)?),
        51..=60 => Array::typed(ElementType::object_id()),
        _ => Array::new(),
    };
    for element in list(input, |input| value(input, depth + 1))? {
        // A typed array refuses most generated elements, and that is a path to take too.
        let _ = array.push(element);
    }
    Ok(array)
}

fn dictionary(input: &mut Unstructured<'_>, depth: usize) -> Result<Dictionary> {
    let mut dictionary = if u8::arbitrary(input)? < 50 {
        Dictionary::typed(Some(element_type(input)?), None)
    } else {
        Dictionary::new()
    };
    for (key, element) in list(input, |input| {
        Ok((value(input, depth + 1)?, value(input, depth + 1)?))
    })? {
        let _ = dictionary.insert(key, element);
    }
    Ok(dictionary)
}

fn kind(input: &mut Unstructured<'_>) -> Result<ValueType> {
    input.choose(&ValueType::ALL).copied()
}

/// A type as it comes back: objects without a class do so with the class that stands for all.
fn element_type(input: &mut Unstructured<'_>) -> Result<ElementType> {
    Ok(match kind(input)? {
        ValueType::Object => ElementType::object_id(),
        kind => ElementType::Builtin(kind),
    })
}

/// Any value, nested at most four deep.
fn value(input: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    let kind = kind(input)?;
    Ok(match kind {
        ValueType::Array if depth < 4 => array(input, depth)?.into(),
        ValueType::Dictionary if depth < 4 => dictionary(input, depth)?.into(),
        _ => packed(kind, input)?,
    })
}

fn packed(kind: ValueType, input: &mut Unstructured<'_>) -> Result<Value> {
    Ok(match kind {
        ValueType::PackedByteArray => list(input, u8::arbitrary)?.into(),
        ValueType::PackedInt32Array => list(input, i32::arbitrary)?.into(),
        ValueType::PackedInt64Array => list(input, i64::arbitrary)?.into(),
        ValueType::PackedFloat32Array => list(input, f32::arbitrary)?.into(),
        ValueType::PackedFloat64Array => list(input, f64::arbitrary)?.into(),
        ValueType::PackedStringArray => list(input, text)?.into(),
        ValueType::PackedVector2Array => {
            list(input, |input| floats(input).map(Vector2::from_array))?.into()
        }
        ValueType::PackedVector3Array => {
            list(input, |input| floats(input).map(Vector3::from_array))?.into()
        }
        ValueType::PackedColorArray => {
            list(input, |input| floats(input).map(Color::from_array))?.into()
        }
        ValueType::PackedVector4Array => {
            list(input, |input| floats(input).map(Vector4::from_array))?.into()
        }
        _ => vector(kind, input)?,
    })
}

fn vector(kind: ValueType, input: &mut Unstructured<'_>) -> Result<Value> {
    Ok(match kind {
        ValueType::Vector2 => Vector2::from_array(floats(input)?).into(),
        ValueType::Vector2i => Vector2i::from_array(integers(input)?).into(),
        ValueType::Rect2 => Rect2::from_array(floats(input)?).into(),
        ValueType::Rect2i => Rect2i::from_array(integers(input)?).into(),
        ValueType::Vector3 => Vector3::from_array(floats(input)?).into(),
        ValueType::Vector3i => Vector3i::from_array(integers(input)?).into(),
        ValueType::Transform2D => Transform2D::from_array(floats(input)?).into(),
        ValueType::Vector4 => Vector4::from_array(floats(input)?).into(),
        ValueType::Vector4i => Vector4i::from_array(integers(input)?).into(),
        ValueType::Plane => Plane::from_array(floats(input)?).into(),
        ValueType::Quaternion => Quaternion::from_array(floats(input)?).into(),
        ValueType::Aabb => Aabb::from_array(floats(input)?).into(),
        ValueType::Basis => Basis::from_array(floats(input)?).into(),
        ValueType::Transform3D => Transform3D::from_array(floats(input)?).into(),
        ValueType::Projection => Projection::from_array(floats(input)?).into(),
        ValueType::Color => Color::from_array(floats(input)?).into(),
        _ => scalar(kind, input)?,
    })
}

fn scalar(kind: ValueType, input: &mut Unstructured<'_>) -> Result<Value> {
    Ok(match kind {
        ValueType::Bool => bool::arbitrary(input)?.into(),
        ValueType::Int => i64::arbitrary(input)?.into(),
        ValueType::Float => f64::arbitrary(input)?.into(),
        ValueType::String => text(input)?.into(),
        ValueType::StringName => StringName::from(text(input)?).into(),
        ValueType::NodePath => node_path(input)?.into(),
        ValueType::Rid => Rid(u64::arbitrary(input)?).into(),
        ValueType::Object => ObjectId(u64::arbitrary(input)?).into(),
        ValueType::Callable => Value::Callable,
        ValueType::Signal => Signal {
            name: text(input)?.into(),
            object: ObjectId(u64::arbitrary(input)?),
        }
        .into(),
        _ => Value::Nil,
    })
}

/// A generated value through every codec and back.
///
/// # Panics
/// If a codec panics or changes the value, or a cut encoding is taken for a whole one.
pub fn variant_roundtrip(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(value) = value(&mut input, 0) else {
        return;
    };
    check_canonical(&value);
    check_text(&value);
    let bytes = binary(&value);
    for length in 0..bytes.len() {
        if let Ok((_, used)) = variant::decode(&bytes[..length], &Limits::default()) {
            // Only padding may be missing: packed bytes at the end of the input need none.
            assert!(
                used == length && bytes.len() - length < 4,
                "{length} of {} bytes were enough",
                bytes.len()
            );
        }
    }
}
