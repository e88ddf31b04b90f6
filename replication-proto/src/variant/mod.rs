//! Godot's `Variant`: the values that RPCs, spawns and synchronised state carry, and their three forms.
//!
//! * binary: [`encode()`], [`decode()`] (`var_to_bytes`, `bytes_to_var`);
//! * compressed, for RPC arguments and state: [`compact`];
//! * text: [`text`] (`var_to_str`, `str_to_var`).
//!
//! Byte for byte what Godot 4.6 with single precision writes; what Godot 4 with either precision writes is read.
//! Objects by value are never read, whatever the sender wants, and [`Limits`] bound depth, elements and bytes.

mod array;
mod decode;
mod dictionary;
mod element;
mod encode;
mod error;
mod input;
mod key;
mod kind;
mod limits;
mod math;
mod name;
mod payload;
mod value;
mod wire;

pub mod compact;
pub mod text;

pub use array::Array;
pub use decode::{Decoder, decode};
pub use dictionary::Dictionary;
pub use element::ElementType;
pub use encode::encode;
pub use error::{DecodeError, DecodeErrorKind, EncodeError, WrongType};
pub(crate) use key::is_same;
pub use kind::ValueType;
pub use limits::Limits;
pub use math::{
    Aabb, Basis, Color, Plane, Projection, Quaternion, Rect2, Rect2i, Transform2D, Transform3D,
    Vector2, Vector2i, Vector3, Vector3i, Vector4, Vector4i,
};
pub use name::{NodePath, NodePathError, StringName};
pub use value::{ObjectId, Rid, Signal, Value};
