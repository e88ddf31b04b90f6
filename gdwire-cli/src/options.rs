//! Options that `connect` and `host` share, and how their values are read.

use crate::scene::SceneOptions;
use crate::url::EnetUrl;
use clap::Args;
use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use gdwire::session::{RpcMode, TransferMode};

/// What `connect` and `host` have in common.
#[derive(Args, Clone, Debug)]
pub(crate) struct SessionOptions {
    /// enet://host:port[?channels=N&in-bandwidth=N&out-bandwidth=N&checksum=1&compress=MODE&dtls=1]
    pub(crate) url: EnetUrl,
    #[command(flatten)]
    pub(crate) scene: SceneOptions,
    /// Authenticates: a client sends these bytes and completes; a host admits only who sends them
    #[arg(long, value_name = "HEX")]
    pub(crate) auth: Option<Hex>,
    /// Ends by itself after this time, with exit code 0
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) duration: Option<Duration>,
    /// Prints a stats event each time this has passed
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) stats: Option<Duration>,
    /// Prints a report event each time this has passed, and one at the end: all peers together, and the memory
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) report: Option<Duration>,
    /// Answers each call with the same call, to its caller alone, and prints no rpc events
    #[arg(long)]
    pub(crate) echo: bool,
}

/// One `--rpc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RpcOption {
    /// The scene that the node is part of; `None` for one that is there from the start.
    pub(crate) scene: Option<String>,
    pub(crate) node: String,
    pub(crate) method: String,
    pub(crate) mode: RpcMode,
    pub(crate) transfer: TransferMode,
    pub(crate) channel: u8,
}

/// Bytes written as hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Hex(pub(crate) Vec<u8>);

/// An option's value that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OptionError(String);

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for OptionError {}

impl From<String> for OptionError {
    fn from(message: String) -> Self {
        Self(message)
    }
}

impl FromStr for RpcOption {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        let (scene, rest) = match text.rsplit_once('#') {
            Some((scene, rest)) => (Some(scene.to_owned()), rest),
            None => (None, text),
        };
        let mut parts = rest.split(':');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let (Some(node), Some(method)) = (next(), next()) else {
            return Err("expected [SCENE#]NODE:METHOD[:MODE[:TRANSFER[:CHANNEL]]]"
                .to_owned()
                .into());
        };
        let mode = match next() {
            None | Some("any_peer") => RpcMode::AnyPeer,
            Some("authority") => RpcMode::Authority,
            Some("disabled") => RpcMode::Disabled,
            Some(other) => {
                return Err(
                    format!("mode {other:?}: expected any_peer, authority or disabled").into(),
                );
            }
        };
        let transfer = match next() {
            None => TransferMode::Reliable,
            Some(name) => transfer_from_name(name)?,
        };
        let channel = match next() {
            None => 0,
            Some(number) => number
                .parse()
                .map_err(|_| format!("channel {number:?}: expected 0 to 253"))?,
        };
        if let Some(extra) = parts.next() {
            return Err(format!("{extra:?} follows the channel").into());
        }
        Ok(Self {
            scene,
            node: node_path(node).to_owned(),
            method: method.to_owned(),
            mode,
            transfer,
            channel,
        })
    }
}

impl FromStr for Hex {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        if !text.len().is_multiple_of(2) {
            return Err("an odd number of hexadecimal digits".to_owned().into());
        }
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        text.as_bytes()
            .chunks_exact(2)
            .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
            .collect::<Option<Vec<u8>>>()
            .map(Self)
            .ok_or_else(|| OptionError("not hexadecimal digits".to_owned()))
    }
}

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hex {
    /// Only the length: the bytes may be a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hex({} bytes)", self.0.len())
    }
}

/// `bytes` as hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    Hex(bytes.to_vec()).to_string()
}

/// The path below the multiplayer root, whether or not `/root/` was written.
pub(crate) fn node_path(text: &str) -> &str {
    text.strip_prefix("/root/").unwrap_or(text)
}

/// The transfer mode of that name.
pub(crate) fn transfer_from_name(name: &str) -> Result<TransferMode, OptionError> {
    match name {
        "reliable" => Ok(TransferMode::Reliable),
        "unreliable" => Ok(TransferMode::Unreliable),
        "unreliable_ordered" => Ok(TransferMode::UnreliableOrdered),
        _ => Err(OptionError(format!(
            "{name:?}: expected reliable, unreliable or unreliable_ordered"
        ))),
    }
}

/// The name of that transfer mode.
pub(crate) const fn transfer_name(mode: TransferMode) -> &'static str {
    match mode {
        TransferMode::Reliable => "reliable",
        TransferMode::Unreliable => "unreliable",
        TransferMode::UnreliableOrdered => "unreliable_ordered",
    }
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|duration| !duration.is_zero() && *duration < Duration::from_secs(u32::MAX.into()))
        .ok_or_else(|| "expected a number of seconds above 0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rpc_option_has_godot_defaults_but_is_open_to_any_peer() {
        let short: RpcOption = "/root/Main:hello".parse().unwrap();
        assert_eq!(
            (short.node.as_str(), short.method.as_str()),
            ("Main", "hello")
        );
        assert_eq!((short.mode, &short.scene), (RpcMode::AnyPeer, &None));
        let inside: RpcOption = "res://unit.tscn#.:hit".parse().unwrap();
        assert_eq!(inside.scene.as_deref(), Some("res://unit.tscn"));
        assert_eq!((inside.node.as_str(), inside.method.as_str()), (".", "hit"));
        assert_eq!((short.transfer, short.channel), (TransferMode::Reliable, 0));
        let long: RpcOption = "A/B:m:authority:unreliable_ordered:3".parse().unwrap();
        assert_eq!(long.mode, RpcMode::Authority);
        assert_eq!(
            (long.transfer, long.channel),
            (TransferMode::UnreliableOrdered, 3)
        );
    }

    #[test]
    fn a_bad_rpc_option_says_which_part_is_wrong() {
        for (text, part) in [
            ("Main", "NODE:METHOD"),
            (":x", "NODE:METHOD"),
            ("M:x:everyone", "everyone"),
            ("M:x:any_peer:fast", "fast"),
            ("M:x:any_peer:reliable:900", "900"),
            ("M:x:any_peer:reliable:1:2", "follows"),
        ] {
            let error = text.parse::<RpcOption>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn hex_is_read_and_written_and_not_shown_in_logs() {
        let hex: Hex = "c0FFee".parse().unwrap();
        assert_eq!(hex.0, [0xc0, 0xff, 0xee]);
        assert_eq!(hex.to_string(), "c0ffee");
        assert_eq!(format!("{hex:?}"), "Hex(3 bytes)");
        assert!("abc".parse::<Hex>().is_err());
        assert!("zz".parse::<Hex>().is_err());
    }
}
