//! Replicated properties: [`PropertyConfig`].

use crate::node::is_scene_path;
use crate::variant::{Value, ValueType};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

/// When a property is sent after its node was spawned (`SceneReplicationConfig.ReplicationMode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "Godot has three")]
pub enum ReplicationMode {
    /// Not at all.
    Never,
    /// In each full state, unreliably.
    #[default]
    Always,
    /// When it changed, reliably.
    OnChange,
}

/// What happens to received values that hold a NaN or an infinity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "taken or not")]
pub enum NonFinite {
    /// They are taken, flagged in the event and counted.
    #[default]
    Flag,
    /// The whole entry is refused.
    Refuse,
}

/// One property in the replication config of a synchronizer.
///
/// The order of the properties is part of the protocol: both ends must declare the same list.
#[derive(Clone, Debug)]
pub struct PropertyConfig {
    pub(crate) path: String,
    pub(crate) spawn: bool,
    pub(crate) mode: ReplicationMode,
    pub(crate) initial: Value,
    pub(crate) value_type: Option<ValueType>,
    pub(crate) non_finite: NonFinite,
}

impl PropertyConfig {
    /// A property as the editor adds it: part of the spawn state, and sent always.
    ///
    /// `path` is `hp` or `.:hp` for a property of the synchronizer's root node, `Sprite:position` for one of a node
    /// below it, and `.:position:x` for a part of one.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            spawn: true,
            mode: ReplicationMode::Always,
            initial: Value::Nil,
            value_type: None,
            non_finite: NonFinite::Flag,
        }
    }

    /// Sets when it is sent.
    #[must_use]
    pub const fn mode(mut self, mode: ReplicationMode) -> Self {
        self.mode = mode;
        self
    }

    /// Sends it when it changed.
    ///
    /// If a client owns the synchronizer and the server hides the node from others and shows it again, the client is not
    /// told, and what it sent on change is not sent again: those peers have the first value until the next change.
    #[must_use]
    pub const fn on_change(self) -> Self {
        self.mode(ReplicationMode::OnChange)
    }

    /// Sends it with the spawn of its node only.
    #[must_use]
    pub const fn never(self) -> Self {
        self.mode(ReplicationMode::Never)
    }

    /// Takes it out of the spawn state.
    #[must_use]
    pub const fn without_spawn(mut self) -> Self {
        self.spawn = false;
        self
    }

    /// Sets the value that it has before anybody sets it, and with it its type, unless the value is null.
    #[must_use]
    pub fn initial(mut self, value: impl Into<Value>) -> Self {
        self.initial = value.into();
        if self.initial != Value::Nil {
            self.value_type = Some(self.initial.kind());
        }
        self
    }

    /// Declares its type. Values of another type are refused; an `int` is taken for a `float`, and `String` and
    /// `StringName` for each other.
    #[must_use]
    pub const fn value_type(mut self, value_type: ValueType) -> Self {
        self.value_type = Some(value_type);
        self
    }

    /// Lets it have values of any type.
    #[must_use]
    pub const fn any_type(mut self) -> Self {
        self.value_type = None;
        self
    }

    /// Sets what happens to received values that are not finite.
    #[must_use]
    pub const fn non_finite(mut self, rule: NonFinite) -> Self {
        self.non_finite = rule;
        self
    }
}

/// A property as synchronizers of one declaration share it.
#[derive(Debug)]
pub(crate) struct Property {
    pub(crate) path: Arc<str>,
    pub(crate) initial: Value,
    pub(crate) value_type: Option<ValueType>,
    pub(crate) non_finite: NonFinite,
}

impl Property {
    /// Whether the property can have this value.
    pub(crate) fn accepts(&self, value: &Value) -> bool {
        self.value_type
            .is_none_or(|declared| crate::rpc_table::converts(value.kind(), declared))
    }
}

/// The one text of a property path: `.:hp` for `hp`. Nothing if it is no such path.
pub(crate) fn canonical(path: &str) -> Option<String> {
    let (node, property) = path.split_once(':').unwrap_or((".", path));
    let node = if node.is_empty() { "." } else { node };
    let is_valid = is_scene_path(node)
        && !property.is_empty()
        && property.split(':').all(|name| !name.is_empty())
        && !property.contains(['\0', '/']);
    is_valid.then(|| format!("{node}:{property}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_path_has_one_text() {
        for (path, expected) in [
            ("hp", Some(".:hp")),
            (":hp", Some(".:hp")),
            (".:hp", Some(".:hp")),
            ("Sprite:position:x", Some("Sprite:position:x")),
            ("..:hp", None),
            ("", None),
            (".:", None),
            (".:a::b", None),
        ] {
            assert_eq!(canonical(path).as_deref(), expected, "{path}");
        }
    }
}
