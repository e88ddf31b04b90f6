//! Reads a value in Godot's binary form (`bytes_to_var`).
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::array::Array;
use super::dictionary::Dictionary;
use super::element::ElementType;
use super::error::{DecodeError, DecodeErrorKind};
use super::input::{Input, Padding};
use super::kind::ValueType;
use super::limits::Limits;
use super::name::NodePath;
use super::payload::{flat, packed};
use super::value::Value;
use super::wire::{DOUBLE, KIND_BUILTIN, MAX_DEPTH, NEW_PATH, PATH_ABSOLUTE, PATH_PROPERTY};
use alloc::string::String;
use alloc::vec::Vec;

/// Reads the value at the start of `bytes` and gives how many bytes it took; what follows is the caller's business.
///
/// Work and memory are linear in the bytes read (with a logarithm for dictionaries), whatever counts they declare.
/// Elements of a wrong type in a typed container are dropped as in Godot; a [`Decoder`] counts them.
///
/// # Errors
/// [`DecodeError`] for anything that Godot refuses with objects off, for an object by value anywhere, and for a value
/// beyond `limits`.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<(Value, usize), DecodeError> {
    let mut decoder = Decoder::new(bytes, limits);
    let value = decoder.value()?;
    Ok((value, decoder.at()))
}

/// Reads values one after the other and keeps count of what typed containers did not take.
///
/// ```
/// use replication_proto::variant::{Decoder, Limits, Value};
/// let bytes = [2, 0, 0, 0, 7, 0, 0, 0, 0x02, 9];
/// let limits = Limits::default();
/// let mut decoder = Decoder::new(&bytes, &limits);
/// assert_eq!(decoder.value()?, Value::Int(7));
/// assert_eq!(decoder.compact_value()?, Value::Int(9));
/// assert!(decoder.is_empty());
/// # Ok::<(), replication_proto::variant::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
    limits: &'a Limits,
    dropped: usize,
}

impl<'a> Decoder<'a> {
    /// A decoder at the start of `bytes`, with limits that hold for each value by itself.
    #[must_use]
    pub const fn new(bytes: &'a [u8], limits: &'a Limits) -> Self {
        Self {
            bytes,
            at: 0,
            limits,
            dropped: 0,
        }
    }

    /// Offset of the next value.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Whether no byte is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Elements and entries dropped so far because a typed container does not take their type.
    #[must_use]
    pub const fn dropped(&self) -> usize {
        self.dropped
    }

    /// Reads one value in the binary form.
    ///
    /// # Errors
    /// [`DecodeError`]; the decoder stays where it was.
    pub fn value(&mut self) -> Result<Value, DecodeError> {
        let (value, dropped, at) = {
            let mut value = Nested::new(
                Input::new(self.bytes, self.at, self.limits.bytes),
                self.limits,
            );
            (value.read()?, value.dropped, value.input.at())
        };
        self.at = at;
        self.dropped = self.dropped.saturating_add(dropped);
        Ok(value)
    }

    /// Reads one value in the compressed form of RPC arguments and synchronised state.
    ///
    /// # Errors
    /// [`DecodeError`]; the decoder stays where it was.
    pub fn compact_value(&mut self) -> Result<Value, DecodeError> {
        let mut input = Input::new(self.bytes, self.at, self.limits.bytes);
        match super::compact::read_short(&mut input)? {
            Some(value) => {
                self.at = input.at();
                Ok(value)
            }
            None => self.value(),
        }
    }

    /// All bytes that are left, which are read with this.
    pub(super) fn take_rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at = self.bytes.len();
        rest
    }
}

/// A container whose elements are being read.
enum Frame {
    Array {
        array: Array,
        left: usize,
    },
    Dictionary {
        dictionary: Dictionary,
        key: Option<Value>,
        left: usize,
    },
}

/// The smallest encoded value.
const SMALLEST: usize = 4;
const DICTIONARY: u32 = 27;
const ARRAY: u32 = 28;

/// One value and the containers that are open around the next one, kept here and not on the stack.
struct Nested<'a> {
    input: Input<'a>,
    limits: &'a Limits,
    /// The containers around the one that is being filled.
    outer: Vec<Frame>,
    /// Elements that may still be declared.
    elements: usize,
    /// Bytes that the declared and unread elements of the open containers take at least.
    owed: usize,
    dropped: usize,
}

impl<'a> Nested<'a> {
    const fn new(input: Input<'a>, limits: &'a Limits) -> Self {
        Self {
            input,
            limits,
            outer: Vec::new(),
            elements: limits.elements,
            owed: 0,
            dropped: 0,
        }
    }

    fn read(&mut self) -> Result<Value, DecodeError> {
        let header = self.input.u32("type header")?;
        if !is_container(header) {
            // Godot takes a byte array at the very end without its padding; inside a container nothing could follow it.
            return self.flat(header, Padding::Optional);
        }
        let mut frame = self.open(header, 0)?;
        loop {
            if let Some(header) = self.fill(&mut frame)? {
                let inner = self.open(header, self.outer.len().saturating_add(1))?;
                self.outer.push(core::mem::replace(&mut frame, inner));
                continue;
            }
            let value = frame.close();
            let Some(outer) = self.outer.pop() else {
                return Ok(value);
            };
            frame = outer;
            self.give(&mut frame, value);
        }
    }

    /// Reads flat elements until the container is full, or until one is a container itself, whose header this gives.
    fn fill(&mut self, frame: &mut Frame) -> Result<Option<u32>, DecodeError> {
        // The container is the one behind all outer ones, and its elements are one deeper.
        if self.outer.len() >= MAX_DEPTH && !frame.is_full() {
            return Err(self.too_deep(MAX_DEPTH));
        }
        while !frame.is_full() {
            let header = self.input.u32("type header")?;
            self.owed = self.owed.saturating_sub(SMALLEST);
            let value = match (header & 0xff, header >> 16 & DOUBLE) {
                // The commonest ones, without a call.
                (0, _) => Value::Nil,
                (1, _) => Value::Bool(self.input.u32("bool")? != 0),
                (2, 0) => Value::Int(i64::from(self.input.u32("int")?.cast_signed())),
                (3, 0) => Value::Float(f64::from(f32::from_bits(self.input.u32("float")?))),
                (ARRAY | DICTIONARY, _) => return Ok(Some(header)),
                _ => self.flat(header, Padding::Required)?,
            };
            self.give(frame, value);
        }
        Ok(None)
    }

    #[inline]
    fn give(&mut self, frame: &mut Frame, value: Value) {
        if !frame.take(value) {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    #[cold]
    const fn too_deep(&self, limit: usize) -> DecodeError {
        self.input.error(DecodeErrorKind::TooDeep { limit })
    }

    /// Reads the head of a container that lies in `depth` others, behind its header.
    fn open(&mut self, header: u32, depth: usize) -> Result<Frame, DecodeError> {
        if depth >= self.limits.depth {
            return Err(self.too_deep(self.limits.depth));
        }
        let flags = header >> 16;
        if header & 0xff == ARRAY {
            self.array_head(flags)
        } else {
            self.dictionary_head(flags)
        }
    }

    /// Reads a value that holds no other, behind its header.
    #[inline]
    fn flat(&mut self, header: u32, padding: Padding) -> Result<Value, DecodeError> {
        let id = header & 0xff;
        let flags = header >> 16;
        match id {
            22 => self.path().map(Value::NodePath),
            29 => {
                let bytes = self.input.packed_bytes(padding)?;
                Ok(Value::PackedByteArray(bytes.into()))
            }
            34 => self.texts().map(Value::PackedStringArray),
            0..=26 => flat(&mut self.input, id, flags),
            _ => packed(&mut self.input, id, flags),
        }
    }

    fn array_head(&mut self, flags: u32) -> Result<Frame, DecodeError> {
        let element_type = self.element_type(flags)?;
        let count = self.count("array count", 1)?;
        let array = Array::with_capacity(element_type, count);
        Ok(Frame::Array { array, left: count })
    }

    fn dictionary_head(&mut self, flags: u32) -> Result<Frame, DecodeError> {
        let key_type = self.element_type(flags)?;
        let value_type = self.element_type(flags >> 2)?;
        let count = self.count("dictionary count", 2)?;
        let mut dictionary = Dictionary::typed(key_type, value_type);
        dictionary.reserve_exact(count);
        Ok(Frame::Dictionary {
            dictionary,
            key: None,
            left: count,
        })
    }

    /// Reads how many elements follow, of `values` values each. More than the rest of the input could hold is refused
    /// before memory is reserved, so all open containers together never reserve more than the input justifies.
    fn count(&mut self, field: &'static str, values: usize) -> Result<usize, DecodeError> {
        let count = self.input.u32(field)? & 0x7fff_ffff;
        let count = self.declare(field, count)?;
        let need = count.saturating_mul(values).saturating_mul(SMALLEST);
        let owed = self.owed.saturating_add(need);
        if owed > self.input.left() {
            return Err(self.input.truncated(field, owed));
        }
        self.owed = owed;
        Ok(count)
    }

    /// Books declared elements against the limit.
    fn declare(&mut self, field: &'static str, count: u32) -> Result<usize, DecodeError> {
        let elements = usize::try_from(count).unwrap_or(usize::MAX);
        let Some(left) = self.elements.checked_sub(elements) else {
            return Err(self.input.error_before(
                4,
                DecodeErrorKind::TooManyElements {
                    field,
                    count: count.into(),
                    limit: self.elements,
                },
            ));
        };
        self.elements = left;
        Ok(elements)
    }

    fn element_type(&mut self, kind: u32) -> Result<Option<ElementType>, DecodeError> {
        match kind & 3 {
            0 => Ok(None),
            KIND_BUILTIN => {
                let id = self.input.u32("element type")?;
                match ValueType::from_id(id) {
                    Some(ValueType::Nil) => Ok(None),
                    Some(ValueType::Object) => Ok(Some(ElementType::object_id())),
                    Some(kind) => Ok(Some(ElementType::Builtin(kind))),
                    None => Err(self
                        .input
                        .error_before(4, DecodeErrorKind::UnknownType { id })),
                }
            }
            // Class names and script paths are not kept: a peer must not choose what this side looks up.
            _ => {
                self.input.text("element class")?;
                Ok(Some(ElementType::object_id()))
            }
        }
    }

    /// A packed string array. A negative count is an empty one, as in the engine.
    fn texts(&mut self) -> Result<Vec<String>, DecodeError> {
        let count = self.input.u32("packed string count")?;
        if count > 0x7fff_ffff {
            return Ok(Vec::new());
        }
        let count = self.declare("packed string count", count)?;
        let need = self.owed.saturating_add(count.saturating_mul(SMALLEST));
        if need > self.input.left() {
            return Err(self.input.truncated("packed strings", need));
        }
        let mut texts = Vec::with_capacity(count);
        for _ in 0..count {
            texts.push(self.input.text("packed string")?.into());
        }
        Ok(texts)
    }

    fn path(&mut self) -> Result<NodePath, DecodeError> {
        let names = self.input.u32("node path name count")?;
        if names & NEW_PATH == 0 {
            let field = "node path";
            return Err(self
                .input
                .error_before(4, DecodeErrorKind::BadFormat { field }));
        }
        let names = u64::from(names & !NEW_PATH);
        let subnames = self.input.u32("node path property count")?;
        let flags = self.input.u32("node path flags")?;
        let extra = u64::from(flags & PATH_PROPERTY != 0);
        let subnames = u64::from(subnames).saturating_add(extra);
        let count = names.saturating_add(subnames);
        if count > u64::try_from(self.limits.path_names).unwrap_or(u64::MAX) {
            let limit = self.limits.path_names;
            let field = "node path name count";
            return Err(self.input.error_before(
                12,
                DecodeErrorKind::TooManyElements {
                    field,
                    count,
                    limit,
                },
            ));
        }
        let need = usize::try_from(count)
            .unwrap_or(usize::MAX)
            .saturating_mul(SMALLEST);
        if need > self.input.left() {
            return Err(self.input.truncated("node path names", need));
        }
        let mut room = self.limits.path_bytes;
        let names = self.path_names(names, &mut room)?;
        let subnames = self.path_names(subnames, &mut room)?;
        let path = NodePath::from_parts(names, subnames);
        Ok(if flags & PATH_ABSOLUTE == 0 {
            path
        } else {
            path.into_absolute()
        })
    }

    fn path_names(
        &mut self,
        count: u64,
        room: &mut usize,
    ) -> Result<Vec<super::name::StringName>, DecodeError> {
        let mut names = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        for _ in 0..count {
            let name = self.input.text("node path name")?;
            *room = room.checked_sub(name.len()).ok_or_else(|| {
                self.input.error(DecodeErrorKind::TooLarge {
                    field: "node path",
                    limit: self.limits.path_bytes,
                })
            })?;
            names.push(name.into());
        }
        Ok(names)
    }
}

impl Frame {
    #[inline]
    const fn is_full(&self) -> bool {
        match self {
            Self::Array { left, .. } | Self::Dictionary { left, .. } => *left == 0,
        }
    }

    /// Takes the next value, and gives whether it was kept.
    #[inline]
    fn take(&mut self, value: Value) -> bool {
        match self {
            Self::Array { array, left } => {
                *left = left.saturating_sub(1);
                array.push(value).is_ok()
            }
            Self::Dictionary {
                dictionary,
                key,
                left,
            } => match key.take() {
                None => {
                    *key = Some(value);
                    true
                }
                Some(key) => {
                    *left = left.saturating_sub(1);
                    dictionary.append(key, value)
                }
            },
        }
    }

    fn close(self) -> Value {
        match self {
            Self::Array { array, .. } => Value::Array(array),
            Self::Dictionary { mut dictionary, .. } => {
                dictionary.settle();
                Value::Dictionary(dictionary)
            }
        }
    }
}

const fn is_container(header: u32) -> bool {
    matches!(header & 0xff, ARRAY | DICTIONARY)
}
