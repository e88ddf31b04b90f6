//! Golden encodings written by Godot 4.6.3, and hostile ones with the verdict that each must get.

use replication_proto::variant::{
    self, DecodeError, DecodeErrorKind, Decoder, Limits, Value, ValueType, compact,
};
use serde_json::Value as Json;

fn load(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

fn cases(json: &Json) -> &[Json] {
    json.as_array().unwrap()
}

fn text<'a>(case: &'a Json, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_default()
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    variant::encode(value, &mut bytes).unwrap();
    bytes
}

fn encodings() -> Vec<(String, Vec<u8>, Json)> {
    cases(&load(include_str!("data/variant.json")))
        .iter()
        .map(|case| {
            (
                text(case, "name").into(),
                unhex(text(case, "hex")),
                case.clone(),
            )
        })
        .collect()
}

/// Whether the encoding holds an object by value, which is refused here.
fn has_full_object(case: &Json) -> bool {
    text(case, "name").starts_with("object_full_")
}

#[test]
fn every_encoding_of_the_engine_decodes_and_re_encodes_to_the_same_bytes() {
    let mut checked = 0;
    for (name, bytes, case) in encodings() {
        let result = variant::decode(&bytes, &Limits::default());
        if has_full_object(&case) {
            let kind = result.unwrap_err().kind;
            assert_eq!(kind, DecodeErrorKind::ObjectNotAllowed, "{name}");
            continue;
        }
        let (value, used) = result.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(used, bytes.len(), "{name}");
        // Container types by class lose the class name here, as they do in the engine with objects off.
        let same = case["decode_reencode_identical"] != false && case["full_objects"] != true;
        if same {
            assert_eq!(encode(&value), bytes, "{name}");
            checked += 1;
        } else {
            let (again, _) = variant::decode(&encode(&value), &Limits::default()).unwrap();
            assert_eq!(encode(&again), encode(&value), "{name}");
        }
        if value.kind() != ValueType::Nil && case["full_objects"] != true {
            assert_eq!(
                u64::from(value.kind().id()),
                case["type_id"].as_u64().unwrap(),
                "{name}"
            );
        }
    }
    assert!(checked > 200, "{checked}");
}

#[test]
fn the_decoder_judges_inputs_as_the_engine_does() {
    for case in cases(&load(include_str!("data/variant_decode.json"))) {
        let name = text(case, "name");
        let result = variant::decode(&unhex(text(case, "hex")), &Limits::default());
        if case["error"] == true {
            assert!(result.is_err(), "{name}");
        } else {
            let (value, _) = result.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(encode(&value), unhex(text(case, "reencoded_hex")), "{name}");
        }
    }
}

#[test]
fn compressed_arguments_match_those_of_the_engine() {
    for case in cases(&load(include_str!("data/compressed_variant.json"))) {
        let name = text(case, "value");
        let bytes = unhex(text(case, "argument_hex"));
        if name.contains("allow_object_decoding") {
            let error = compact::decode(&bytes, &Limits::default()).unwrap_err();
            assert_eq!(error.kind, DecodeErrorKind::ObjectNotAllowed);
            continue;
        }
        let form = if case["raw_flag"] == true {
            compact::Form::Raw
        } else {
            compact::Form::Values
        };
        let values = compact::decode_arguments(&bytes, form, 1, &Limits::default()).unwrap();
        let mut again = Vec::new();
        let again_form = compact::encode_arguments(&values, &mut again).unwrap();
        assert_eq!((again_form, again), (form, bytes), "{name}");
    }
}

/// The name that the list of hostile inputs has for an error.
fn verdict(error: &DecodeError) -> &'static str {
    match error.kind {
        DecodeErrorKind::BadFormat { .. } => "BadFormat",
        DecodeErrorKind::BadLength { .. } => "BadLength",
        DecodeErrorKind::BadUtf8 => "BadUtf8",
        DecodeErrorKind::ObjectNotAllowed => "ObjectNotAllowed",
        DecodeErrorKind::TooDeep { .. } => "TooDeep",
        DecodeErrorKind::TooLarge { .. } => "TooLarge",
        DecodeErrorKind::TooManyElements { .. } => "TooManyElements",
        DecodeErrorKind::Truncated { .. } => "Truncated",
        DecodeErrorKind::UnknownType { .. } => "UnknownType",
        _ => "?",
    }
}

fn nest_arrays(levels: usize) -> Vec<u8> {
    let mut bytes = [28, 0, 0, 0, 1, 0, 0, 0].repeat(levels);
    bytes.extend([0; 4]);
    bytes
}

fn nils(count: u32) -> Vec<u8> {
    let mut bytes = vec![28, 0, 0, 0];
    bytes.extend(count.to_le_bytes());
    bytes.resize(8 + 4 * count as usize, 0);
    bytes
}

fn colliding_keys() -> Vec<u8> {
    let mut bytes = vec![27, 0, 0, 0];
    bytes.extend(20_000u32.to_le_bytes());
    for at in 0..20_000i64 {
        bytes.extend(encode(&Value::Int(at << 16)));
        bytes.extend(encode(&Value::Nil));
    }
    bytes
}

fn hostile_input(case: &Json) -> Vec<u8> {
    match text(case, "name") {
        "nest_arrays_100000" => nest_arrays(100_000),
        "million_nils" => nils(1_000_000),
        "nil_array_memory_factor" => nils(60_000),
        "dict_hash_collision_set" => colliding_keys(),
        name => {
            assert!(case["generator"].is_null(), "{name} needs a generator");
            unhex(text(case, "hex"))
        }
    }
}

fn decode_hostile(name: &str, bytes: &[u8]) -> Result<(Value, usize), DecodeError> {
    if name.starts_with("compact_") {
        compact::decode(bytes, &Limits::default())
    } else {
        variant::decode(bytes, &Limits::default())
    }
}

// req: HP-7, HP-8, HG-7, HG-9
#[test]
fn each_hostile_input_gets_its_verdict_within_a_small_stack() {
    let run = || {
        let json = load(include_str!("data/variant_hostile.json"));
        for case in cases(&json["cases"]) {
            let (name, expected) = (text(case, "name"), text(case, "expected"));
            let bytes = hostile_input(case);
            let result = decode_hostile(name, &bytes);
            if let Ok((value, used)) = &result {
                assert!(*used <= bytes.len(), "{name}");
                variant::encode(value, &mut Vec::new()).unwrap();
            }
            match expected.strip_prefix("reject: ") {
                Some(kind) => assert_eq!(verdict(&result.unwrap_err()), kind, "{name}"),
                None => {
                    result.unwrap_or_else(|error| panic!("{name}: {error}"));
                }
            }
        }
    };
    std::thread::Builder::new()
        .stack_size(128 << 10)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}

// req: HP-8
#[test]
fn accepted_hostile_inputs_become_the_stated_values() {
    let json = load(include_str!("data/variant_hostile.json"));
    let decoded = |name: &str| {
        let case = cases(&json["cases"])
            .iter()
            .find(|case| text(case, "name") == name);
        let bytes = hostile_input(case.unwrap());
        let (value, used) = decode_hostile(name, &bytes).unwrap();
        (variant::text::to_text(&value), used)
    };
    for (name, shown, used) in [
        ("control_nil", "null", 4),
        ("control_array_of_two_ints", "[7, 8]", 24),
        ("unknown_flag_bits_high", "5", 8),
        ("bool_value_0xffffffff", "true", 8),
        ("float_signalling_nan", "nan", 8),
        ("float64_nan_payload", "nan", 12),
        ("string_interior_nul", "\"a\"", 12),
        (
            "typed_array_of_objects_with_class",
            "Array[EncodedObjectAsID]([])",
            16,
        ),
        (
            "typed_array_of_script_path",
            "Array[EncodedObjectAsID]([])",
            28,
        ),
        (
            "typed_dict_key_kind_3",
            "Dictionary[EncodedObjectAsID, Variant]({})",
            24,
        ),
        ("callable_bare", "Callable()", 4),
        ("rid_nonzero", "RID(4886718345)", 12),
        ("dict_duplicate_keys", "{\n1: 20\n}", 40),
        ("dict_nan_key_twice", "{\nnan: null\n}", 32),
        (
            "packed_bytes_missing_padding_at_end",
            "PackedByteArray(97, 98, 99)",
            11,
        ),
        ("packed_strings_count_minus_one", "PackedStringArray()", 8),
        ("trailing_bytes_after_value", "null", 4),
        ("compact_bool_true", "true", 1),
    ] {
        assert_eq!(decoded(name), (shown.into(), used), "{name}");
    }
}

/// Inputs that the hardening document names without bytes.
#[test]
fn further_hostile_inputs_get_their_verdict() {
    let nested = "1c000000010000001d00000003000000616263";
    for (name, hex, expected) in [
        ("three_byte_header", "020000", "Truncated"),
        ("float64_with_four_bytes", "030001000000803f", "Truncated"),
        (
            "string_missing_padding_at_end",
            "0400000003000000616263",
            "Truncated",
        ),
        (
            "node_path_header_truncated",
            "160000000100008000000000",
            "Truncated",
        ),
        (
            "array_count_one_more_than_present",
            "1c000000020000000200000001000000",
            "Truncated",
        ),
        (
            "packed_bytes_missing_padding_inside_array",
            nested,
            "Truncated",
        ),
        ("compact_empty", "", "Truncated"),
        (
            "packed_vec2_double_wrap",
            "23000100000000100000000000000000",
            "BadLength",
        ),
        (
            "object_empty_class_name",
            "180000000000000000000000",
            "ObjectNotAllowed",
        ),
    ] {
        let error = decode_hostile(name, &unhex(hex)).unwrap_err();
        assert_eq!(verdict(&error), expected, "{name}");
    }
    let too_deep = variant::decode(&nest_arrays(1100), &Limits::default()).unwrap_err();
    assert_eq!(verdict(&too_deep), "TooDeep");
    let mut long = vec![4, 0, 0, 0, 1, 0, 0x10, 0];
    long.resize(8 + (1 << 20) + 4, b'x');
    let too_large = variant::decode(&long, &Limits::default()).unwrap_err();
    assert_eq!(verdict(&too_large), "TooLarge");
}

#[test]
fn what_a_typed_container_does_not_take_is_dropped_and_counted() {
    let limits = Limits::default();
    // Array[int] of a string, then Dictionary[int, Variant] with a string key.
    let bytes = unhex(concat!(
        "1c0001000200000001000000040000000100000061000000",
        "1b000100020000000100000004000000010000006100000002000000",
        "07000000"
    ));
    let mut decoder = Decoder::new(&bytes, &limits);
    let array = decoder.value().unwrap();
    assert_eq!((array.as_array().unwrap().len(), decoder.dropped()), (0, 1));
    let dictionary = decoder.value().unwrap();
    assert!(dictionary.as_dictionary().unwrap().is_empty());
    assert_eq!((decoder.dropped(), decoder.is_empty()), (2, true));
}

#[test]
fn the_reference_limits_take_a_depth_of_1024_and_no_more() {
    let (value, _) = variant::decode(&nest_arrays(1024), &Limits::reference()).unwrap();
    assert_eq!(encode(&value), nest_arrays(1024));
    let error = variant::decode(&nest_arrays(1025), &Limits::reference()).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::TooDeep { limit: 1024 });
    let deeper = Value::from(vec![value]);
    let mut bytes = vec![9];
    let error = variant::encode(&deeper, &mut bytes).unwrap_err();
    assert_eq!((error, bytes), (variant::EncodeError::TooDeep, vec![9]));
}

#[test]
fn a_value_of_any_depth_is_dropped_without_recursion() {
    let mut value = Value::Nil;
    for level in 0..200_000 {
        value = if level % 2 == 0 {
            Value::from(vec![value])
        } else {
            Value::Dictionary([(value, Value::Nil)].into_iter().collect())
        };
    }
    drop(value);
}

// req: HX-1
#[test]
fn no_one_byte_change_of_a_good_encoding_panics() {
    for (_, mut bytes, _) in encodings() {
        for at in 0..bytes.len() {
            let original = bytes[at];
            for changed in 0..=255u8 {
                bytes[at] = changed;
                let Ok((value, used)) = variant::decode(&bytes, &Limits::default()) else {
                    continue;
                };
                assert!(used <= bytes.len());
                if changed.is_power_of_two() {
                    let again = encode(&value);
                    let (value, _) = variant::decode(&again, &Limits::default()).unwrap();
                    assert_eq!(encode(&value), again);
                }
            }
            bytes[at] = original;
        }
    }
}

// req: HX-1
#[test]
fn every_strict_prefix_of_a_good_encoding_is_refused() {
    for (name, bytes, case) in encodings() {
        if has_full_object(&case) {
            continue;
        }
        for end in 0..bytes.len() {
            // The one exception is the engine's: a byte array may lack its padding.
            let padding = text(&case, "type") == "PackedByteArray" && end + 4 > bytes.len();
            match variant::decode(&bytes[..end], &Limits::default()) {
                Err(error) => assert_eq!(verdict(&error), "Truncated", "{name} {end}"),
                Ok(_) => assert!(padding, "{name} {end}"),
            }
        }
    }
}

// req: HG-9
#[test]
fn deep_keys_are_compared_and_written_within_a_small_stack() {
    let nest = |levels: usize, inner: i64| {
        let mut value = Value::from(inner);
        for level in 0..levels {
            value = if level % 2 == 0 {
                Value::from(vec![value])
            } else {
                Value::Dictionary([(value, Value::Nil)].into_iter().collect())
            };
        }
        value
    };
    let run = move || {
        let keys = [nest(62, 1), nest(62, 2), nest(62, 1)];
        let entries = keys.into_iter().zip((0..).map(Value::Int));
        let value = Value::Dictionary(entries.collect());
        let (decoded, _) = variant::decode(&encode(&value), &Limits::default()).unwrap();
        assert_eq!(decoded.as_dictionary().unwrap().len(), 2);
        let copy = decoded.clone();
        assert_eq!(
            copy.as_dictionary().unwrap().as_slice(),
            decoded.as_dictionary().unwrap().as_slice()
        );
        assert!(variant::text::to_text(&nest(300, 1)).ends_with('}'));
    };
    std::thread::Builder::new()
        .stack_size(128 << 10)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}
