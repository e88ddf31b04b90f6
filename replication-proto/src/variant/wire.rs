//! Numbers of the binary form.

/// Header flag (from bit 16): the payload has 64-bit numbers.
pub(super) const DOUBLE: u32 = 1;
/// Header flag (from bit 16): the object is an id.
pub(super) const OBJECT_ID: u32 = 1;
/// Element type kind: a built-in type follows.
pub(super) const KIND_BUILTIN: u32 = 1;
/// Element type kind: a class name follows.
pub(super) const KIND_CLASS: u32 = 2;
/// Bit of a node path's name count that tells it from the obsolete form.
pub(super) const NEW_PATH: u32 = 0x8000_0000;
/// Flag of a node path: it starts at the root.
pub(super) const PATH_ABSOLUTE: u32 = 1;
/// Flag of a node path: one more property name follows than counted.
pub(super) const PATH_PROPERTY: u32 = 2;
/// Levels of nesting that Godot encodes.
pub(super) const MAX_DEPTH: usize = 1024;
