//! [`StringName`] and [`NodePath`].

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::fmt;
use core::ops::Deref;

/// Godot's `StringName`: text of its own Variant type, equal to a `String` of the same text only as a dictionary key.
///
/// This is plain text; nothing is interned.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StringName(String);

impl StringName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, owned.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl Deref for StringName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for StringName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for StringName {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for StringName {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<StringName> for String {
    fn from(name: StringName) -> Self {
        name.0
    }
}

impl PartialEq<str> for StringName {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for StringName {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for StringName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Godot's `NodePath`: names of nodes, names of properties, and whether it starts at the root.
///
/// ```
/// use replication_proto::variant::NodePath;
/// let path = NodePath::parse("/root/Main:position:x").unwrap();
/// assert!(path.is_absolute());
/// assert_eq!(path.names(), ["root", "Main"]);
/// assert_eq!(path.subnames(), ["position", "x"]);
/// assert_eq!(path.to_string(), "/root/Main:position:x");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodePath(Box<Parts>);

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Parts {
    absolute: bool,
    names: Vec<StringName>,
    subnames: Vec<StringName>,
}

/// A text that is not a node path: an empty property name stands between two colons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("empty property name in a node path")]
#[non_exhaustive]
pub struct NodePathError;

impl NodePath {
    /// From its parts. Names are kept as they are, also empty ones.
    #[must_use]
    pub fn from_parts(names: Vec<StringName>, subnames: Vec<StringName>) -> Self {
        Self(Box::new(Parts {
            absolute: false,
            names,
            subnames,
        }))
    }

    /// The same path from the root of the tree.
    #[must_use]
    pub fn into_absolute(mut self) -> Self {
        self.0.absolute = true;
        self
    }

    /// Reads the text form as Godot's constructor does: repeated and trailing slashes count once, and a colon at the
    /// end is dropped.
    ///
    /// # Errors
    /// [`NodePathError`] for `a::b`, which Godot turns into an empty path with a message.
    pub fn parse(text: &str) -> Result<Self, NodePathError> {
        let (path, properties) = match text.split_once(':') {
            Some((path, properties)) => (path, Some(properties)),
            None => (text, None),
        };
        let mut subnames = Vec::new();
        let mut rest = properties;
        while let Some(properties) = rest {
            let (name, after) = match properties.split_once(':') {
                Some((name, after)) => (name, Some(after)),
                None => (properties, None),
            };
            match (name.is_empty(), after) {
                (true, Some(_)) => return Err(NodePathError),
                (true, None) => {}
                (false, _) => subnames.push(StringName::from(name)),
            }
            rest = after;
        }
        let names = path
            .split('/')
            .filter(|name| !name.is_empty())
            .map(StringName::from)
            .collect();
        Ok(Self(Box::new(Parts {
            absolute: text.starts_with('/'),
            names,
            subnames,
        })))
    }

    /// Whether it starts at the root of the tree.
    #[must_use]
    pub fn is_absolute(&self) -> bool {
        self.0.absolute
    }

    /// Whether it has no part at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.0.absolute && self.0.names.is_empty() && self.0.subnames.is_empty()
    }

    /// Names of nodes, from the first.
    #[must_use]
    pub fn names(&self) -> &[StringName] {
        &self.0.names
    }

    /// Names of properties after the node, from the first.
    #[must_use]
    pub fn subnames(&self) -> &[StringName] {
        &self.0.subnames
    }
}

impl fmt::Display for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.absolute {
            f.write_str("/")?;
        }
        for (index, name) in self.0.names.iter().enumerate() {
            if index > 0 {
                f.write_str("/")?;
            }
            f.write_str(name)?;
        }
        for name in &self.0.subnames {
            write!(f, ":{name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_path_is_read_as_the_engine_reads_it() {
        for (text, names, subnames, absolute, canonical) in [
            ("", 0, 0, false, ""),
            ("/", 0, 0, true, "/"),
            ("a//b/", 2, 0, false, "a/b"),
            (":x", 0, 1, false, ":x"),
            (".:x:y:", 1, 2, false, ".:x:y"),
            ("/a/b:c", 2, 1, true, "/a/b:c"),
            ("a:b/c", 1, 1, false, "a:b/c"),
        ] {
            let path = NodePath::parse(text).unwrap();
            assert_eq!(path.names().len(), names, "{text}");
            assert_eq!(path.subnames().len(), subnames, "{text}");
            assert_eq!(path.is_absolute(), absolute, "{text}");
            assert_eq!(path.to_string(), canonical);
            assert_eq!(path.is_empty(), text.is_empty());
        }
        assert_eq!(NodePath::parse("a::b"), Err(NodePathError));
    }
}
