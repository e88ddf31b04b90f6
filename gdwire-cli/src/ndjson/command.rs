//! Commands: [`Command`] from one line of JSON.

use super::value;
use crate::options::{Hex, node_path, transfer_from_name};
use gdwire::session::TransferMode;
use gdwire::variant::Value;
use serde_json::{Map, Value as Json};

/// One line of input: `{"do": "rpc", …}`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    Rpc {
        peer: i32,
        node: String,
        method: String,
        arguments: Vec<Value>,
    },
    Send {
        peer: i32,
        payload: Vec<u8>,
        mode: TransferMode,
        channel: u8,
    },
    Kick {
        peer: i32,
    },
    Scene(SceneCommand),
    Stats,
    Quit,
}

/// A command about nodes that are replicated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SceneCommand {
    Authority {
        node: String,
        peer: i32,
    },
    /// Bytes per frame; no limit without.
    Budget {
        peer: i32,
        bytes: Option<usize>,
    },
    Despawn {
        node: String,
    },
    Priority {
        node: String,
        priority: u16,
    },
    /// Of the nodes with a filter, those that the peer sees.
    Relevant {
        peer: i32,
        nodes: Vec<String>,
    },
    Set {
        node: String,
        properties: Vec<(String, Value)>,
    },
    Spawn {
        spawner: String,
        what: SpawnWhat,
        name: String,
        properties: Vec<(String, Value)>,
        authority: Option<i32>,
    },
    Visibility {
        node: String,
        peer: i32,
        visible: bool,
    },
}

/// What a `spawn` command makes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SpawnWhat {
    Custom(Value),
    Index(u8),
    Path(String),
}

/// Why a line is no command, for an `error` event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandError {
    pub(crate) kind: &'static str,
    pub(crate) message: String,
}

impl From<String> for CommandError {
    fn from(message: String) -> Self {
        Self {
            kind: "command",
            message,
        }
    }
}

impl Command {
    /// Reads one line.
    pub(crate) fn parse(line: &str) -> Result<Self, CommandError> {
        let json: Json =
            serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?;
        let Json::Object(map) = json else {
            return Err("expected an object".to_owned().into());
        };
        let mut fields = Fields(map);
        let name = fields.text("do")?;
        let command = match name.as_str() {
            "rpc" => Self::Rpc {
                peer: fields.peer()?,
                node: node_path(&fields.text("node")?).to_owned(),
                method: fields.text("method")?,
                arguments: fields.arguments()?,
            },
            "send" => Self::Send {
                peer: fields.peer()?,
                payload: fields.hex()?,
                mode: fields.mode()?,
                channel: fields.channel()?,
            },
            "kick" => Self::Kick {
                peer: fields.peer()?,
            },
            "stats" => Self::Stats,
            "quit" => Self::Quit,
            _ => match fields.scene(&name)? {
                Some(command) => Self::Scene(command),
                None => return Err(format!("unknown command {name:?}").into()),
            },
        };
        fields.finish()?;
        Ok(command)
    }
}

/// The fields of a command that were not read yet.
struct Fields(Map<String, Json>);

impl Fields {
    fn take(&mut self, key: &str) -> Result<Json, CommandError> {
        self.optional(key)
            .ok_or_else(|| format!("the field {key:?} is missing").into())
    }

    fn optional(&mut self, key: &str) -> Option<Json> {
        self.0.remove(key)
    }

    fn text(&mut self, key: &str) -> Result<String, CommandError> {
        match self.take(key)? {
            Json::String(text) => Ok(text),
            other => Err(format!("{key}: expected a string, not {other}").into()),
        }
    }

    fn peer(&mut self) -> Result<i32, CommandError> {
        self.number("peer")
    }

    fn number(&mut self, key: &str) -> Result<i32, CommandError> {
        let json = self.take(key)?;
        json.as_i64()
            .and_then(|number| i32::try_from(number).ok())
            .ok_or_else(|| format!("{key}: expected a 32-bit integer, not {json}").into())
    }

    fn arguments(&mut self) -> Result<Vec<Value>, CommandError> {
        match self.optional("args") {
            None => Ok(Vec::new()),
            Some(Json::Array(list)) => list
                .iter()
                .enumerate()
                .map(|(index, json)| {
                    value::from_json(json).map_err(|error| format!("args[{index}]: {error}").into())
                })
                .collect(),
            Some(_) => Err("args: expected an array".to_owned().into()),
        }
    }

    fn node(&mut self, key: &str) -> Result<String, CommandError> {
        Ok(node_path(&self.text(key)?).to_owned())
    }

    fn nodes(&mut self) -> Result<Vec<String>, CommandError> {
        let Json::Array(list) = self.take("nodes")? else {
            return Err("nodes: expected an array of paths".to_owned().into());
        };
        let path = |json: &Json| match json.as_str() {
            Some(path) => Ok(node_path(path).to_owned()),
            None => Err(format!("nodes: expected a path, not {json}").into()),
        };
        list.iter().map(path).collect()
    }

    fn scene(&mut self, name: &str) -> Result<Option<SceneCommand>, CommandError> {
        Ok(Some(match name {
            "authority" => SceneCommand::Authority {
                node: self.node("node")?,
                peer: self.peer()?,
            },
            "budget" => SceneCommand::Budget {
                peer: self.peer()?,
                bytes: match self.take("bytes")? {
                    Json::Null => None,
                    json => Some(whole(&json, "bytes", "a number of bytes or null")?),
                },
            },
            "priority" => SceneCommand::Priority {
                node: self.node("node")?,
                priority: whole(&self.take("priority")?, "priority", "1 to 65535")?,
            },
            "relevant" => SceneCommand::Relevant {
                peer: self.peer()?,
                nodes: self.nodes()?,
            },
            "despawn" => SceneCommand::Despawn {
                node: self.node("node")?,
            },
            "set" => SceneCommand::Set {
                node: self.node("node")?,
                properties: self.properties()?,
            },
            "spawn" => SceneCommand::Spawn {
                spawner: self.node("spawner")?,
                what: self.spawn_what()?,
                name: self.text("name")?,
                properties: self.properties()?,
                authority: match self.0.contains_key("authority") {
                    true => Some(self.number("authority")?),
                    false => None,
                },
            },
            "visibility" => SceneCommand::Visibility {
                node: self.node("node")?,
                peer: self.peer()?,
                visible: match self.take("visible")? {
                    Json::Bool(visible) => visible,
                    other => {
                        return Err(format!("visible: expected true or false, not {other}").into());
                    }
                },
            },
            _ => return Ok(None),
        }))
    }

    fn spawn_what(&mut self) -> Result<SpawnWhat, CommandError> {
        match (self.optional("scene"), self.optional("custom")) {
            (Some(Json::String(path)), None) => Ok(SpawnWhat::Path(path)),
            (Some(json), None) => json
                .as_u64()
                .and_then(|index| u8::try_from(index).ok())
                .map(SpawnWhat::Index)
                .ok_or_else(|| {
                    format!("scene: expected a resource path or a place in the list, not {json}")
                        .into()
                }),
            (None, Some(json)) => value::from_json(&json)
                .map(SpawnWhat::Custom)
                .map_err(|error| format!("custom: {error}").into()),
            _ => Err("expected one of the fields \"scene\" and \"custom\""
                .to_owned()
                .into()),
        }
    }

    fn properties(&mut self) -> Result<Vec<(String, Value)>, CommandError> {
        match self.optional("properties") {
            None => Ok(Vec::new()),
            Some(Json::Object(map)) => map
                .iter()
                .map(|(path, json)| match value::from_json(json) {
                    Ok(value) => Ok((path.clone(), value)),
                    Err(error) => Err(format!("properties[{path:?}]: {error}").into()),
                })
                .collect(),
            Some(_) => Err("properties: expected an object".to_owned().into()),
        }
    }

    fn hex(&mut self) -> Result<Vec<u8>, CommandError> {
        match self.text("hex")?.parse::<Hex>() {
            Ok(hex) => Ok(hex.0),
            Err(error) => Err(format!("hex: {error}").into()),
        }
    }

    fn mode(&mut self) -> Result<TransferMode, CommandError> {
        match self.optional("mode") {
            None => Ok(TransferMode::Reliable),
            Some(Json::String(name)) => {
                transfer_from_name(&name).map_err(|error| format!("mode: {error}").into())
            }
            Some(_) => Err("mode: expected a string".to_owned().into()),
        }
    }

    fn channel(&mut self) -> Result<u8, CommandError> {
        match self.optional("channel") {
            None => Ok(0),
            Some(json) => json
                .as_u64()
                .and_then(|number| u8::try_from(number).ok())
                .ok_or_else(|| format!("channel: expected 0 to 253, not {json}").into()),
        }
    }

    fn finish(&self) -> Result<(), CommandError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(key) => Err(format!("unknown field {key:?}").into()),
        }
    }
}

/// A whole number that is not negative, of the field `key`.
fn whole<N: TryFrom<u64>>(json: &Json, key: &str, expected: &str) -> Result<N, CommandError> {
    json.as_u64()
        .and_then(|number| N::try_from(number).ok())
        .ok_or_else(|| format!("{key}: expected {expected}, not {json}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_with_their_defaults() {
        assert_eq!(
            Command::parse(
                r#"{"do":"rpc","peer":-3,"node":"/root/Main","method":"m","args":[1,2.0]}"#
            ),
            Ok(Command::Rpc {
                peer: -3,
                node: "Main".into(),
                method: "m".into(),
                arguments: vec![Value::Int(1), Value::Float(2.0)],
            })
        );
        assert_eq!(
            Command::parse(r#"{"do":"send","peer":0,"hex":"00ff"}"#),
            Ok(Command::Send {
                peer: 0,
                payload: vec![0, 255],
                mode: TransferMode::Reliable,
                channel: 0,
            })
        );
        assert_eq!(Command::parse(r#"{"do":"quit"}"#), Ok(Command::Quit));
    }

    // req: HB-11
    #[test]
    fn a_bad_command_says_which_field_is_wrong() {
        for (line, kind, part) in [
            ("{", "command", "not JSON"),
            ("[]", "command", "object"),
            ("{}", "command", "\"do\""),
            (r#"{"do":"fly"}"#, "command", "fly"),
            (r#"{"do":"kick"}"#, "command", "\"peer\""),
            (r#"{"do":"kick","peer":"x"}"#, "command", "peer"),
            (r#"{"do":"kick","peer":2,"why":1}"#, "command", "why"),
            (r#"{"do":"send","peer":0,"hex":"0"}"#, "command", "hex"),
            (
                r#"{"do":"send","peer":0,"hex":"","channel":300}"#,
                "command",
                "channel",
            ),
            (
                r#"{"do":"rpc","peer":0,"node":"N","method":"m","args":[{"gd":"?"}]}"#,
                "command",
                "args[0]",
            ),
            (r#"{"do":"spawn","scene":"x"}"#, "command", "spawner"),
            (
                r#"{"do":"spawn","spawner":"S","name":"n"}"#,
                "command",
                "\"custom\"",
            ),
            (
                r#"{"do":"spawn","spawner":"S","name":"n","scene":256}"#,
                "command",
                "256",
            ),
            (
                r#"{"do":"set","node":"N","properties":[]}"#,
                "command",
                "object",
            ),
            (
                r#"{"do":"set","node":"N","properties":{"p":{"gd":"?"}}}"#,
                "command",
                "\"p\"",
            ),
            (r#"{"do":"budget","peer":2}"#, "command", "\"bytes\""),
            (r#"{"do":"budget","peer":2,"bytes":-1}"#, "command", "bytes"),
            (
                r#"{"do":"priority","node":"N","priority":70000}"#,
                "command",
                "65535",
            ),
            (
                r#"{"do":"relevant","peer":2,"nodes":["N",1]}"#,
                "command",
                "not 1",
            ),
            (
                r#"{"do":"visibility","node":"N","peer":2,"visible":1}"#,
                "command",
                "visible",
            ),
        ] {
            let error = Command::parse(line).unwrap_err();
            assert_eq!(error.kind, kind, "{line}");
            assert!(error.message.contains(part), "{line}: {}", error.message);
        }
    }
}
