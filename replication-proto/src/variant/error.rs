//! Why bytes are not a value, and why a value cannot become bytes.

use super::kind::ValueType;

/// Why bytes could not be decoded, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{kind} at byte {at}")]
#[non_exhaustive]
pub struct DecodeError {
    /// Offset in the input.
    pub at: usize,
    /// What is wrong there.
    pub kind: DecodeErrorKind,
}

impl DecodeError {
    pub(crate) const fn new(at: usize, kind: DecodeErrorKind) -> Self {
        Self { at, kind }
    }
}

/// What is wrong with an encoded value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// A field is in a form that Godot 4 no longer reads.
    #[error("{field} is in an obsolete form")]
    BadFormat {
        /// Name of the field.
        field: &'static str,
    },
    /// A length is negative, or its size in bytes is beyond 31 bits.
    #[error("{field} has the impossible value {value}")]
    BadLength {
        /// Name of the field.
        field: &'static str,
        /// What it was.
        value: u32,
    },
    /// A text is not UTF-8.
    #[error("text is not UTF-8")]
    BadUtf8,
    /// An object came by value. Objects are never decoded; their ids are.
    #[error("an object by value is not allowed")]
    ObjectNotAllowed,
    /// Values are nested deeper than [`Limits::depth`](super::Limits::depth).
    #[error("nested deeper than {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The value is longer than [`Limits::bytes`](super::Limits::bytes), or a node path than
    /// [`Limits::path_bytes`](super::Limits::path_bytes).
    #[error("{field} is longer than {limit} bytes")]
    TooLarge {
        /// Name of the field.
        field: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A count is beyond [`Limits::elements`](super::Limits::elements), or of a node path beyond
    /// [`Limits::path_names`](super::Limits::path_names).
    #[error("{field} of {count} is beyond the limit of {limit}")]
    TooManyElements {
        /// Name of the field.
        field: &'static str,
        /// How many were declared.
        count: u64,
        /// How many were still allowed.
        limit: usize,
    },
    /// The input ends before the value does.
    #[error("{field} needs {need} bytes, {have} are left")]
    Truncated {
        /// Name of the field.
        field: &'static str,
        /// Bytes that it takes at least.
        need: u64,
        /// Bytes that are left for it.
        have: usize,
    },
    /// A type id that is no Variant type.
    #[error("unknown type {id}")]
    UnknownType {
        /// The id.
        id: u32,
    },
}

/// Why a value cannot be encoded. Nothing was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Values are nested deeper than 1,024, which Godot refuses to encode and to decode.
    #[error("nested deeper than 1024")]
    TooDeep,
    /// A text, array or dictionary has more bytes or elements than a signed 32-bit number can say.
    #[error("longer than a 31-bit count")]
    TooLong,
}

/// A value that a typed array or dictionary does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("a typed container does not take a {found}")]
#[non_exhaustive]
pub struct WrongType {
    /// Type of the refused value.
    pub found: ValueType,
}
