//! Laws of the codecs over generated values.

use proptest::collection::vec;
use proptest::prelude::*;
use replication_proto::variant::{
    self, Aabb, Array, Basis, Color, Dictionary, ElementType, Limits, NodePath, ObjectId, Plane,
    Projection, Quaternion, Rect2, Rect2i, Rid, Signal, Transform2D, Transform3D, Value, ValueType,
    Vector2, Vector2i, Vector3, Vector3i, Vector4, Vector4i, compact, text,
};

fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    variant::encode(value, &mut bytes).unwrap();
    bytes
}

fn decode(bytes: &[u8]) -> Value {
    let (value, used) = variant::decode(bytes, &Limits::default()).unwrap();
    assert_eq!(used, bytes.len());
    value
}

/// Text without what no decoder keeps: NUL, and a byte order mark in front.
fn word() -> impl Strategy<Value = String> {
    "[a-zA-Zé日😀\"\\\\'\n\t /:.]{0,12}"
}

fn reals<const N: usize>() -> impl Strategy<Value = [f32; N]> {
    let number = prop_oneof![
        any::<f32>(),
        (-100i16..100).prop_map(|n| f32::from(n) / 8.0)
    ];
    vec(number, N).prop_map(|numbers| numbers.try_into().unwrap())
}

fn ints<const N: usize>() -> impl Strategy<Value = [i32; N]> {
    vec(any::<i32>(), N).prop_map(|numbers| numbers.try_into().unwrap())
}

fn path() -> impl Strategy<Value = Value> {
    (
        vec("[a-z.%é]{1,5}", 0..4),
        vec("[a-z]{1,5}", 0..3),
        any::<bool>(),
    )
        .prop_map(|(names, subnames, absolute)| {
            let names = names.into_iter().map(Into::into).collect();
            let subnames = subnames.into_iter().map(Into::into).collect();
            let path = NodePath::from_parts(names, subnames);
            Value::from(if absolute { path.into_absolute() } else { path })
        })
}

fn scalar() -> BoxedStrategy<Value> {
    prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<f32>().prop_map(Value::from),
        word().prop_map(Value::from),
        word().prop_map(|name| Value::StringName(name.into())),
        path(),
        any::<u64>().prop_map(|id| Value::from(Rid(id))),
        (1..u64::MAX).prop_map(|id| Value::from(ObjectId(id))),
        Just(Value::Callable),
    ]
    .boxed()
}

fn math() -> BoxedStrategy<Value> {
    prop_oneof![
        reals().prop_map(|v| Vector2::from_array(v).into()),
        ints().prop_map(|v| Vector2i::from_array(v).into()),
        reals().prop_map(|v| Rect2::from_array(v).into()),
        ints().prop_map(|v| Rect2i::from_array(v).into()),
        reals().prop_map(|v| Vector3::from_array(v).into()),
        ints().prop_map(|v| Vector3i::from_array(v).into()),
        reals().prop_map(|v| Transform2D::from_array(v).into()),
        reals().prop_map(|v| Vector4::from_array(v).into()),
        ints().prop_map(|v| Vector4i::from_array(v).into()),
        reals().prop_map(|v| Plane::from_array(v).into()),
        reals().prop_map(|v| Quaternion::from_array(v).into()),
        reals().prop_map(|v| Aabb::from_array(v).into()),
        reals().prop_map(|v| Basis::from_array(v).into()),
        reals().prop_map(|v| Transform3D::from_array(v).into()),
        reals().prop_map(|v| Projection::from_array(v).into()),
        reals().prop_map(|v| Color::from_array(v).into()),
    ]
    .boxed()
}

fn packed() -> BoxedStrategy<Value> {
    prop_oneof![
        vec(any::<u8>(), 0..20).prop_map(Value::from),
        vec(any::<i32>(), 0..20).prop_map(Value::from),
        vec(any::<i64>(), 0..20).prop_map(Value::from),
        vec(any::<f32>(), 0..20).prop_map(Value::from),
        vec(any::<f64>(), 0..20).prop_map(Value::from),
        vec(word(), 0..5).prop_map(Value::from),
        vec(reals().prop_map(Vector2::from_array), 0..5).prop_map(Value::from),
        vec(reals().prop_map(Vector3::from_array), 0..5).prop_map(Value::from),
        vec(reals().prop_map(Color::from_array), 0..5).prop_map(Value::from),
        vec(reals().prop_map(Vector4::from_array), 0..5).prop_map(Value::from),
    ]
    .boxed()
}

fn typed_array() -> BoxedStrategy<Value> {
    let of = |kind: ValueType, values: BoxedStrategy<Value>| {
        vec(values, 0..5).prop_map(move |values| {
            let mut array = Array::typed(ElementType::Builtin(kind));
            for value in values {
                array.push(value).unwrap();
            }
            Value::from(array)
        })
    };
    prop_oneof![
        of(ValueType::Int, any::<i64>().prop_map(Value::from).boxed()),
        of(ValueType::Float, any::<f64>().prop_map(Value::from).boxed()),
        of(ValueType::StringName, word().prop_map(Value::from).boxed()),
        of(
            ValueType::Array,
            vec(scalar(), 0..3)
                .prop_map(|v| Array::from(v).into())
                .boxed()
        ),
        Just(Array::typed(ElementType::object_id()).into()),
    ]
    .boxed()
}

fn typed_dictionary() -> BoxedStrategy<Value> {
    (vec((any::<i64>(), word()), 0..30), any::<bool>())
        .prop_map(|(entries, open)| {
            let values = (!open).then_some(ElementType::Builtin(ValueType::String));
            let keys = Some(ElementType::Builtin(ValueType::Int));
            let mut dictionary = Dictionary::typed(keys, values);
            for (key, value) in entries {
                dictionary.insert(key % 20, value).unwrap();
            }
            Value::from(dictionary)
        })
        .boxed()
}

/// Any value of which the wire keeps everything; `keys` are those of untyped dictionaries.
fn nested(keys: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        scalar(),
        math(),
        packed(),
        typed_array(),
        typed_dictionary()
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(|values| Array::from(values).into()),
            vec((keys.clone(), inner), 0..24)
                .prop_map(|entries| entries.into_iter().collect::<Dictionary>().into()),
        ]
    })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        9 => nested(prop_oneof![scalar(), math(), packed(), typed_array()].boxed()),
        1 => (word(), any::<u64>()).prop_map(|(name, id)| Value::from(Signal {
            name: name.into(),
            object: ObjectId(id),
        })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: testkit::cases(64), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn encoding_and_decoding_give_the_value_back(value in value()) {
        let bytes = encode(&value);
        prop_assert_eq!(bytes.len() % 4, 0);
        let decoded = decode(&bytes);
        prop_assert_eq!(format!("{decoded:?}"), format!("{value:?}"));
        prop_assert_eq!(encode(&decoded), bytes);
    }

    #[test]
    fn the_compressed_form_gives_the_value_back(values in vec(value(), 0..4)) {
        let mut bytes = Vec::new();
        let form = compact::encode_arguments(&values, &mut bytes).unwrap();
        let decoded = compact::decode_arguments(&bytes, form, 4, &Limits::default()).unwrap();
        let empty_bytes = matches!(&*values, [Value::PackedByteArray(bytes)] if bytes.is_empty());
        if !empty_bytes {
            prop_assert_eq!(format!("{decoded:?}"), format!("{values:?}"));
        }
        bytes.clear();
        compact::encode_values(&values, &mut bytes).unwrap();
        let (decoded, used) = compact::decode_values(&bytes, values.len(), &Limits::default()).unwrap();
        prop_assert_eq!(format!("{decoded:?}"), format!("{values:?}"));
        prop_assert_eq!(used, bytes.len());
        prop_assert!(compact::decode_values(&bytes, values.len() + 1, &Limits::default()).is_err());
    }

    // req: HX-1
    #[test]
    fn a_strict_prefix_is_refused(value in value(), cut in any::<prop::sample::Index>()) {
        let bytes = encode(&value);
        let end = cut.index(bytes.len());
        match variant::decode(&bytes[..end], &Limits::default()) {
            Err(_) => {}
            // The engine takes a byte array without its padding.
            Ok(_) => prop_assert!(value.kind() == ValueType::PackedByteArray && end + 4 > bytes.len()),
        }
    }

    // req: HP-8
    #[test]
    fn arbitrary_bytes_never_panic_and_never_overrun(bytes in vec(any::<u8>(), 0..200), head in 0u8..40, flags in 0u8..16) {
        let mut headed = vec![head, 0, flags, 0];
        headed.extend(&bytes);
        for input in [&bytes, &headed] {
            for limits in [Limits::default(), Limits::reference()] {
                if let Ok((value, used)) = variant::decode(input, &limits) {
                    prop_assert!(used <= input.len());
                    let again = encode(&value);
                    prop_assert_eq!(encode(&decode(&again)), again);
                    text::from_text(&text::to_text(&value)).ok();
                }
                if let Ok((_, used)) = compact::decode(input, &limits) {
                    prop_assert!(used <= input.len());
                }
                compact::decode_arguments(input, compact::Form::Values, 255, &limits).ok();
            }
        }
    }

    #[test]
    fn changed_encodings_never_panic(value in value(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = encode(&value);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok((value, used)) = variant::decode(&bytes, &Limits::default()) {
            prop_assert!(used <= bytes.len());
            let again = encode(&value);
            prop_assert_eq!(encode(&decode(&again)), again);
        }
    }

    #[test]
    fn text_reads_back_as_what_it_says(value in nested(prop_oneof![any::<i64>().prop_map(Value::from), word().prop_map(Value::from)].boxed())) {
        let read = text::from_text(&text::to_text(&value)).unwrap();
        // The texts may differ: a single is written with its own digits, and the double that these read as may have longer ones.
        let again = text::from_text(&text::to_text(&read)).unwrap();
        prop_assert_eq!(format!("{again:?}"), format!("{read:?}"));
    }

    #[test]
    fn floats_survive_the_text_form(double in any::<f64>(), single in any::<f32>()) {
        // A double that is exactly a single has the digits of the single, and so does not come back.
        let double = if double.to_bits().trailing_zeros() >= 29 { 0.1 } else { double };
        let Ok(Value::Float(read)) = text::from_text(&text::to_text(&double.into())) else {
            return Err(TestCaseError::fail("not a float"));
        };
        prop_assert!(read.to_bits() == double.to_bits() || read.is_nan());
        let vector = Value::from(Vector2::new(single, 0.0));
        let Ok(Value::Vector2(read)) = text::from_text(&text::to_text(&vector)) else {
            return Err(TestCaseError::fail("not a vector"));
        };
        prop_assert!(read.x == single || read.x.is_nan());
    }

    #[test]
    fn arbitrary_text_never_panics(text in "[\\[\\]{}(),:\"&#^\\\\A-Za-z0-9_.\\-+; \n]{0,80}", any in ".{0,60}") {
        text::from_text(&text).ok();
        text::from_text(&any).ok();
        for word in ["Vector3(", "Array[int](", "Dictionary[", "PackedByteArray(", "Color(", "\"\\u"] {
            text::from_text(&format!("{word}{text}")).ok();
        }
    }
}
