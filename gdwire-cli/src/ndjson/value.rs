//! Godot values in JSON, both ways.
//!
//! What JSON has too is written as such; all else is `{"gd": text}` with the text that Godot's `var_to_str` writes.

use core::fmt;
use gdwire::variant::{Array, Dictionary, Value, text};
use serde_json::{Map, Number, Value as Json};

/// The key of an object that stands for a value which JSON does not have.
const GD: &str = "gd";
/// Containers nested deeper than this are written as text, since readers of JSON limit its depth.
const DEPTH: usize = 64;

/// Why JSON is no Godot value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ValueError(String);

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The JSON of `value`.
pub(crate) fn to_json(value: &Value) -> Json {
    plain(value, 0).unwrap_or_else(|| as_text(value))
}

/// The value of `json`.
pub(crate) fn from_json(json: &Json) -> Result<Value, ValueError> {
    Ok(match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => from_number(number)?,
        Json::String(text) => Value::String(text.clone()),
        Json::Array(list) => {
            let elements = list.iter().map(from_json).collect::<Result<Array, _>>()?;
            Value::Array(elements)
        }
        Json::Object(map) => match map.get(GD) {
            Some(Json::String(text)) if map.len() == 1 => {
                text::from_text(text).map_err(|error| ValueError(format!("{GD}: {error}")))?
            }
            _ => from_object(map)?,
        },
    })
}

/// The JSON of a value that JSON has too.
fn plain(value: &Value, depth: usize) -> Option<Json> {
    match value {
        Value::Nil => Some(Json::Null),
        Value::Bool(value) => Some(Json::Bool(*value)),
        Value::Int(number) => Some(Json::Number((*number).into())),
        // `None` for NaN and the infinities; others are always written with a point or an exponent.
        Value::Float(number) => Number::from_f64(*number).map(Json::Number),
        Value::String(text) => Some(Json::String(text.clone())),
        Value::Array(array) if array.element_type().is_none() && depth < DEPTH => Some(
            Json::Array(array.iter().map(|value| nested(value, depth)).collect()),
        ),
        Value::Dictionary(dictionary) if depth < DEPTH => plain_object(dictionary, depth),
        _ => None,
    }
}

fn nested(value: &Value, depth: usize) -> Json {
    plain(value, depth + 1).unwrap_or_else(|| as_text(value))
}

fn as_text(value: &Value) -> Json {
    let mut map = Map::new();
    map.insert(GD.to_owned(), Json::String(text::to_text(value)));
    Json::Object(map)
}

fn plain_object(dictionary: &Dictionary, depth: usize) -> Option<Json> {
    let is_typed = dictionary.key_type().is_some() || dictionary.value_type().is_some();
    let looks_like_text = dictionary.len() == 1 && dictionary.get_text(GD).is_some();
    if is_typed || looks_like_text {
        return None;
    }
    dictionary
        .as_slice()
        .iter()
        .map(|(key, value)| match key {
            Value::String(key) => Some((key.clone(), nested(value, depth))),
            _ => None,
        })
        .collect::<Option<Map<_, _>>>()
        .map(Json::Object)
}

fn from_number(number: &Number) -> Result<Value, ValueError> {
    if let Some(integer) = number.as_i64() {
        return Ok(Value::Int(integer));
    }
    match number.as_f64() {
        Some(float) if !number.is_u64() => Ok(Value::Float(float)),
        _ => Err(ValueError(format!(
            "{number} does not fit into 64 bits with a sign"
        ))),
    }
}

fn from_object(map: &Map<String, Json>) -> Result<Value, ValueError> {
    let mut dictionary = Dictionary::new();
    for (key, json) in map {
        dictionary
            .insert(key.clone(), from_json(json)?)
            .map_err(|error| ValueError(format!("{key:?}: {error}")))?;
    }
    Ok(Value::Dictionary(dictionary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gdwire::variant::{ElementType, StringName, ValueType, Vector3};

    fn round(json: &str) -> String {
        let parsed: Json = serde_json::from_str(json).unwrap();
        to_json(&from_json(&parsed).unwrap()).to_string()
    }

    #[test]
    fn what_json_has_is_written_as_json() {
        for json in [
            "null",
            "true",
            "-9223372036854775808",
            "1.0",
            "1e+300",
            r#""text""#,
            r#"[1,2.5,"x",null,[],{}]"#,
            r#"{"b":1,"a":{"c":[true]}}"#,
        ] {
            assert_eq!(round(json), json);
        }
    }

    #[test]
    fn what_json_has_not_is_written_as_godot_text() {
        for (value, text) in [
            (Value::from(Vector3::new(1.0, 2.0, 3.0)), "Vector3(1, 2, 3)"),
            (Value::from(StringName::from("name")), "&\"name\""),
            (Value::from(vec![1i32, 2]), "PackedInt32Array(1, 2)"),
            (Value::Float(f64::INFINITY), "inf"),
        ] {
            let json = to_json(&value);
            assert_eq!(json, serde_json::json!({ "gd": text }));
            assert_eq!(from_json(&json), Ok(value));
        }
        let nan = from_json(&serde_json::json!({"gd": "nan"})).unwrap();
        assert!(nan.as_float().unwrap().is_nan());
        assert_eq!(to_json(&nan), serde_json::json!({"gd": "nan"}));
    }

    #[test]
    fn a_value_inside_a_container_keeps_its_type() {
        let json = r#"[{"gd":"Vector2(1, 2)"},{"k":{"gd":"NodePath(\"a/b\")"}}]"#;
        assert_eq!(round(json), json);
    }

    #[test]
    fn a_dictionary_that_could_be_mistaken_for_text_is_written_as_text() {
        let mut dictionary = Dictionary::new();
        dictionary.insert("gd", "Vector2(1, 2)").unwrap();
        let value = Value::from(dictionary);
        let json = to_json(&value);
        assert_ne!(json, serde_json::json!({"gd": "Vector2(1, 2)"}));
        assert_eq!(from_json(&json), Ok(value));
    }

    #[test]
    fn typed_containers_and_other_keys_survive() {
        let mut typed = Array::typed(ElementType::Builtin(ValueType::Int));
        typed.push(3).unwrap();
        let mut keyed = Dictionary::new();
        keyed.insert(7, "seven").unwrap();
        for value in [Value::from(typed), Value::from(keyed)] {
            assert_eq!(from_json(&to_json(&value)), Ok(value));
        }
    }

    #[test]
    fn deep_values_can_be_read_by_any_reader() {
        let mut value = Value::from(Vec::<Value>::new());
        for _ in 0..300 {
            value = Value::from(vec![value]);
        }
        let line = to_json(&value).to_string();
        assert!(serde_json::from_str::<Json>(&line).is_ok());
    }

    #[test]
    fn a_number_beyond_64_bits_is_refused() {
        let json: Json = serde_json::from_str("18446744073709551615").unwrap();
        assert!(from_json(&json).is_err());
    }
}
