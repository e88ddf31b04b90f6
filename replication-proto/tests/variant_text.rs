//! The text form, against what Godot 4.6.3 writes and reads.

use replication_proto::variant::{
    self, Array, ElementType, Limits, ObjectId, Value,
    text::{self, Parser, TextError, TextErrorKind},
};
use serde_json::Value as Json;

fn load(text: &str) -> Vec<Json> {
    let json: Json = serde_json::from_str(text).unwrap();
    json["cases"].as_array().unwrap().clone()
}

fn text<'a>(case: &'a Json, key: &str) -> &'a str {
    case[key].as_str().unwrap()
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

fn kind(result: Result<Value, TextError>) -> TextErrorKind {
    result.unwrap_err().kind
}

#[test]
fn values_are_written_byte_for_byte_as_the_engine_writes_them() {
    let cases = load(include_str!("data/variant_text.json"));
    assert!(cases.len() > 300);
    for case in &cases {
        let (value, _) = variant::decode(&unhex(text(case, "hex")), &Limits::default()).unwrap();
        assert_eq!(text::to_text(&value), text(case, "text"));
        assert_eq!(value.to_string(), text(case, "text"));
    }
}

#[test]
fn what_the_engine_wrote_reads_back_as_it_reads_it() {
    for case in load(include_str!("data/variant_text.json")) {
        let value = text::from_text(text(&case, "text")).unwrap();
        if case["engine_reads_inexactly"] == true {
            continue;
        }
        let expected = case["parsed_hex"]
            .as_str()
            .unwrap_or_else(|| text(&case, "hex"));
        assert_eq!(encode(&value), unhex(expected), "{}", text(&case, "text"));
    }
}

#[test]
fn texts_are_judged_as_the_engine_judges_them() {
    for case in load(include_str!("data/variant_text_parse.json")) {
        let input = format!("[{}]", text(&case, "text"));
        let result = text::from_text(&input);
        match (case["here"].as_str(), case["written"].as_str()) {
            (Some("refused"), _) | (None, None) => assert!(result.is_err(), "{input}"),
            (Some(_), _) => assert!(result.is_ok(), "{input}"),
            (None, Some(written)) => {
                let value = result.unwrap_or_else(|error| panic!("{input}: {error}"));
                assert_eq!(text::to_text(&value), written, "{input}");
                assert_eq!(encode(&value), unhex(text(&case, "hex")), "{input}");
            }
        }
    }
}

#[test]
fn errors_name_line_column_and_reason() {
    let error = text::from_text("{\n  \"é\": [1, 2,\n  \"b\" oops]\n}").unwrap_err();
    assert_eq!((error.line, error.column), (3, 7));
    assert_eq!(error.to_string(), "line 3, column 7: expected ',' or ']'");
    for (input, expected) in [
        ("", "line 1, column 1: unexpected end, expected a value"),
        (
            "[1, 2",
            "line 1, column 6: unexpected end, expected ',' or ']'",
        ),
        ("\"abc", "line 1, column 1: string without an end"),
        ("\"a\\u12\"", "line 1, column 3: bad escape in a string"),
        ("#12345", "line 1, column 1: bad color"),
        ("Vector2(1)", "line 1, column 8: Vector2 has 2 components"),
        ("Nothing(1)", "line 1, column 1: unknown name \"Nothing\""),
        ("$", "line 1, column 1: unexpected character '$'"),
        ("1 2", "line 1, column 3: more text after the value"),
        (
            "Array[int]([\"a\"])",
            "line 1, column 13: a value here does not fit the type of its container",
        ),
    ] {
        assert_eq!(
            text::from_text(input).unwrap_err().to_string(),
            expected,
            "{input}"
        );
    }
}

// req: HP-7
#[test]
fn objects_and_resources_are_refused_but_for_ids() {
    for input in [
        "Object(Node)",
        "Object(RefCounted,\"script\":null)",
        "Object(RefCounted,\"script\":Resource(\"res://evil.gd\"))",
        "Object(EncodedObjectAsID,\"script\":Resource(\"res://evil.gd\"))",
        "Resource(\"res://evil.gd\")",
        "ExtResource(\"1\")",
        "SubResource(\"1\")",
    ] {
        assert_eq!(
            kind(text::from_text(input)),
            TextErrorKind::ObjectNotAllowed,
            "{input}"
        );
    }
    let id = Value::Object(ObjectId(0x8000_0000_0000_0007));
    assert_eq!(text::from_text(&text::to_text(&id)), Ok(id));
    let Ok(Value::Array(array)) = text::from_text("Array[Resource(\"res://a.gd\")]([null])") else {
        panic!("a typed array");
    };
    assert_eq!(
        array.element_type(),
        Some(&ElementType::Script("res://a.gd".into()))
    );
}

#[test]
fn a_constructor_of_the_caller_gets_unknown_calls_and_never_objects() {
    let mut seen = Vec::new();
    let mut construct = |name: &str, arguments: Vec<Value>| {
        seen.push(format!("{name}{arguments:?}"));
        (name != "Refused").then(|| Value::from("made"))
    };
    let input = "{&\"a\": SubResource(\"x\"), 2: Foo(1, [Bar()])} rest";
    let mut parser = Parser::new(input, &Limits::default()).with_constructor(&mut construct);
    let value = parser.value().unwrap();
    assert_eq!(parser.rest(), " rest");
    assert_eq!(
        text::to_text(&value),
        "{\n2: \"made\",\n&\"a\": \"made\"\n}"
    );
    let refused = Parser::new("Refused()", &Limits::default())
        .with_constructor(&mut construct)
        .value();
    assert!(matches!(kind(refused), TextErrorKind::UnknownName { name } if name == "Refused"));
    let object = Parser::new("Object(Node)", &Limits::default())
        .with_constructor(&mut construct)
        .value();
    assert_eq!(kind(object), TextErrorKind::ObjectNotAllowed);
    assert_eq!(seen.len(), 4);
}

#[test]
fn values_are_read_one_after_the_other() {
    let mut parser = Parser::new("1 \"two\" ; three\n[3]", &Limits::default());
    assert_eq!(parser.value(), Ok(1.into()));
    assert_eq!(parser.value(), Ok("two".into()));
    assert_eq!(parser.value(), Ok(Array::from(vec![3.into()]).into()));
    assert_eq!(parser.finish(), Ok(()));
    assert!(matches!(
        kind(parser.value()),
        TextErrorKind::UnexpectedEnd { .. }
    ));
}

// req: HP-8
#[test]
fn limits_bound_depth_elements_and_length_within_a_small_stack() {
    let run = || {
        let nest = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        let value = text::from_text(&nest(64)).unwrap();
        assert_eq!(text::to_text(&value), nest(64));
        assert_eq!(
            kind(text::from_text(&nest(65))),
            TextErrorKind::TooDeep { limit: 64 }
        );
        assert_eq!(
            kind(text::from_text(&nest(100_000))),
            TextErrorKind::TooDeep { limit: 64 }
        );
        for (open, close) in [
            ("{1:", "}"),
            ("{", ":1}"),
            ("Array[Array]([", "])"),
            ("Dictionary[int,Dictionary]({1:", "})"),
        ] {
            let nest = |levels: usize| open.repeat(levels - 1) + "[]" + &close.repeat(levels - 1);
            assert!(!matches!(
                text::from_text(&nest(64)),
                Err(TextError {
                    kind: TextErrorKind::TooDeep { .. },
                    ..
                })
            ));
            assert_eq!(
                kind(text::from_text(&nest(65))),
                TextErrorKind::TooDeep { limit: 64 }
            );
        }
        let many = format!("[{}]", "1,".repeat(65_537));
        let too_many = TextErrorKind::TooManyElements { limit: 65_536 };
        assert_eq!(kind(text::from_text(&many)), too_many);
        let long = format!("\"{}\"", "x".repeat(1 << 20));
        assert_eq!(
            kind(text::from_text(&long)),
            TextErrorKind::TooLarge { limit: 1 << 20 }
        );
    };
    std::thread::Builder::new()
        .stack_size(128 << 10)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn containers_deeper_than_the_engine_writes_come_out_empty() {
    let mut value = Value::from(1);
    for _ in 0..105 {
        value = Array::from(vec![value]).into();
    }
    assert_eq!(text::to_text(&value), "[".repeat(102) + &"]".repeat(102));
}

#[test]
fn keys_without_an_order_are_written_in_the_order_of_the_engines_sort() {
    // Godot's sort of 40 equal keys exchanges the halves.
    let color = |at: i64| {
        let text = format!("{{Color({at}, 0, 0, 1): {at}}}");
        let value = text::from_text(&text).unwrap();
        value.as_dictionary().unwrap().as_slice()[0].clone()
    };
    let dictionary: variant::Dictionary = (0..40).map(color).collect();
    let written = text::to_text(&dictionary.into());
    let values: Vec<i64> = written
        .lines()
        .filter_map(|line| line.split(": ").nth(1)?.trim_end_matches(',').parse().ok())
        .collect();
    assert_eq!(values, (20..40).chain(0..20).collect::<Vec<_>>());
}

#[test]
fn a_nul_behind_a_backslash_ends_the_text_as_a_bare_one_does() {
    for source in ["\"a\0b\"", "\"a\\\0b\"", "&\"\\\0\""] {
        let error = text::from_text(source).unwrap_err();
        let kind = TextErrorKind::OpenString;
        assert_eq!(error.kind, kind, "{source:?}");
    }
}
