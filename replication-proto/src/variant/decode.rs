//! Reads a value in Godot's binary form (`bytes_to_var`).
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::container::{Array, Dictionary, ElementType};
use super::error::{DecodeError, DecodeErrorKind};
use super::input::Input;
use super::kind::ValueType;
use super::limits::Limits;
use super::math::{
    Aabb, Basis, Color, Plane, Projection, Quaternion, Rect2, Rect2i, Transform2D, Transform3D,
    Vector2, Vector2i, Vector3, Vector3i, Vector4, Vector4i,
};
use super::name::NodePath;
use super::value::{ObjectId, Rid, Signal, Value};
use super::wire::{
    DOUBLE, KIND_BUILTIN, MAX_DEPTH, NEW_PATH, OBJECT_ID, PATH_ABSOLUTE, PATH_PROPERTY,
};
use alloc::boxed::Box;
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

/// What a value turned out to be.
enum Read {
    Value(Value),
    Open(Frame),
}

/// The smallest encoded value.
const SMALLEST: usize = 4;

/// One value and the containers that are open around the next one, kept here and not on the stack.
struct Nested<'a> {
    input: Input<'a>,
    limits: &'a Limits,
    open: Vec<Frame>,
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
            open: Vec::new(),
            elements: limits.elements,
            owed: 0,
            dropped: 0,
        }
    }

    fn read(&mut self) -> Result<Value, DecodeError> {
        loop {
            if self.open.len() > MAX_DEPTH {
                return Err(self.too_deep(MAX_DEPTH));
            }
            let mut done = match self.read_one()? {
                Read::Value(value) => value,
                Read::Open(frame) => {
                    self.open.push(frame);
                    self.owed = self.owed.saturating_sub(SMALLEST);
                    continue;
                }
            };
            loop {
                let Some(frame) = self.open.last_mut() else {
                    return Ok(done);
                };
                let (left, taken) = frame.take(done);
                if !taken {
                    self.dropped = self.dropped.saturating_add(1);
                }
                if left {
                    self.owed = self.owed.saturating_sub(SMALLEST);
                    break;
                }
                match self.open.pop() {
                    Some(frame) => done = frame.close(),
                    None => return Ok(Value::Nil),
                }
            }
        }
    }

    #[cold]
    const fn too_deep(&self, limit: usize) -> DecodeError {
        self.input.error(DecodeErrorKind::TooDeep { limit })
    }

    /// Reads a flat value or the head of a container.
    fn read_one(&mut self) -> Result<Read, DecodeError> {
        let header = self.input.u32("type header")?;
        let id = header & 0xff;
        let flags = header >> 16;
        match id {
            27 | 28 if self.open.len() >= self.limits.depth => {
                Err(self.too_deep(self.limits.depth))
            }
            27 => self.dictionary_head(flags),
            28 => self.array_head(flags),
            34 => self.texts().map(Value::PackedStringArray).map(Read::Value),
            22 => self.path().map(Value::NodePath).map(Read::Value),
            29 => {
                // Godot takes a byte array at the very end without its padding; nothing can follow it inside a container.
                let bytes = self.input.packed_bytes(self.open.is_empty())?;
                Ok(Read::Value(Value::PackedByteArray(bytes.into())))
            }
            0..=26 => flat(&mut self.input, id, flags).map(Read::Value),
            30..=38 => packed(&mut self.input, id, flags).map(Read::Value),
            _ => Err(self
                .input
                .error_before(4, DecodeErrorKind::UnknownType { id })),
        }
    }

    fn array_head(&mut self, flags: u32) -> Result<Read, DecodeError> {
        let element_type = self.element_type(flags)?;
        let count = self.count("array count", 1)?;
        let array = Array::with_capacity(element_type, count);
        if count == 0 {
            return Ok(Read::Value(Value::Array(array)));
        }
        Ok(Read::Open(Frame::Array { array, left: count }))
    }

    fn dictionary_head(&mut self, flags: u32) -> Result<Read, DecodeError> {
        let key_type = self.element_type(flags)?;
        let value_type = self.element_type(flags >> 2)?;
        let count = self.count("dictionary count", 2)?;
        let mut dictionary = Dictionary::typed(key_type, value_type);
        if count == 0 {
            return Ok(Read::Value(Value::Dictionary(dictionary)));
        }
        dictionary.reserve_exact(count);
        Ok(Read::Open(Frame::Dictionary {
            dictionary,
            key: None,
            left: count,
        }))
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
    /// Takes the next value. Gives whether more are to come, and whether this one was kept.
    fn take(&mut self, value: Value) -> (bool, bool) {
        match self {
            Self::Array { array, left } => {
                let kept = array.push(value).is_ok();
                *left = left.saturating_sub(1);
                (*left > 0, kept)
            }
            Self::Dictionary {
                dictionary,
                key,
                left,
            } => match key.take() {
                None => {
                    *key = Some(value);
                    (true, true)
                }
                Some(key) => {
                    let kept = dictionary.append(key, value);
                    *left = left.saturating_sub(1);
                    (*left > 0, kept)
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

/// Reads the payload of a value of fixed form, types 0 to 26 but for node paths.
fn flat(input: &mut Input<'_>, id: u32, flags: u32) -> Result<Value, DecodeError> {
    let double = flags & DOUBLE != 0;
    Ok(match id {
        0 => Value::Nil,
        1 => Value::Bool(input.u32("bool")? != 0),
        2 if double => Value::Int(input.u64("int")?.cast_signed()),
        2 => Value::Int(i64::from(input.u32("int")?.cast_signed())),
        3 if double => Value::Float(f64::from_bits(input.u64("float")?)),
        3 => Value::Float(f64::from(f32::from_bits(input.u32("float")?))),
        4 => Value::String(input.text("string")?.into()),
        5 => Value::Vector2(Vector2::from_array(input.reals(double)?)),
        6 => Value::Vector2i(Vector2i::from_array(input.ints()?)),
        7 => Value::Rect2(Rect2::from_array(input.reals(double)?)),
        8 => Value::Rect2i(Rect2i::from_array(input.ints()?)),
        9 => Value::Vector3(Vector3::from_array(input.reals(double)?)),
        10 => Value::Vector3i(Vector3i::from_array(input.ints()?)),
        11 => Value::Transform2D(Transform2D::from_array(input.reals(double)?)),
        12 => Value::Vector4(Vector4::from_array(input.reals(double)?)),
        13 => Value::Vector4i(Vector4i::from_array(input.ints()?)),
        14 => Value::Plane(Plane::from_array(input.reals(double)?)),
        15 => Value::Quaternion(Quaternion::from_array(input.reals(double)?)),
        16 => Value::Aabb(Aabb::from_array(input.reals(double)?)),
        17 => Value::Basis(Basis::from_array(input.reals(double)?)),
        18 => Value::Transform3D(Box::new(Transform3D::from_array(input.reals(double)?))),
        19 => Value::Projection(Box::new(Projection::from_array(input.reals(double)?))),
        20 => Value::Color(Color::from_array(input.reals(false)?)),
        21 => Value::StringName(input.text("string name")?.into()),
        23 => Value::Rid(Rid(input.u64("resource id")?)),
        24 if flags & OBJECT_ID != 0 => Value::Object(ObjectId(input.u64("object id")?)),
        24 => return Err(input.error_before(4, DecodeErrorKind::ObjectNotAllowed)),
        25 => Value::Callable,
        26 => Value::Signal(Signal {
            name: input.text("signal name")?.into(),
            object: ObjectId(input.u64("signal object")?),
        }),
        _ => return Err(input.error_before(4, DecodeErrorKind::UnknownType { id })),
    })
}

/// Reads the payload of a packed array of numbers, types 30 to 38 but for strings.
fn packed(input: &mut Input<'_>, id: u32, flags: u32) -> Result<Value, DecodeError> {
    let double = flags & DOUBLE != 0;
    Ok(match id {
        30 => Value::PackedInt32Array(input.packed(i32::from_le_bytes)?),
        31 => Value::PackedInt64Array(input.packed(i64::from_le_bytes)?),
        32 => Value::PackedFloat32Array(input.packed(f32::from_le_bytes)?),
        33 => Value::PackedFloat64Array(input.packed(f64::from_le_bytes)?),
        35 if double => Value::PackedVector2Array(
            input.packed(|bytes: [u8; 16]| wide(bytes, Vector2::from_array))?,
        ),
        35 => Value::PackedVector2Array(
            input.packed(|bytes: [u8; 8]| narrow(bytes, Vector2::from_array))?,
        ),
        36 if double => Value::PackedVector3Array(
            input.packed(|bytes: [u8; 24]| wide(bytes, Vector3::from_array))?,
        ),
        36 => Value::PackedVector3Array(
            input.packed(|bytes: [u8; 12]| narrow(bytes, Vector3::from_array))?,
        ),
        37 => Value::PackedColorArray(
            input.packed(|bytes: [u8; 16]| narrow(bytes, Color::from_array))?,
        ),
        38 if double => Value::PackedVector4Array(
            input.packed(|bytes: [u8; 32]| wide(bytes, Vector4::from_array))?,
        ),
        38 => Value::PackedVector4Array(
            input.packed(|bytes: [u8; 16]| narrow(bytes, Vector4::from_array))?,
        ),
        _ => return Err(input.error_before(4, DecodeErrorKind::UnknownType { id })),
    })
}

/// A vector of `N` single-precision numbers.
#[inline]
fn narrow<T, const BYTES: usize, const N: usize>(
    bytes: [u8; BYTES],
    build: impl Fn([f32; N]) -> T,
) -> T {
    let mut numbers = [0.0; N];
    for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *number = f32::from_le_bytes(*bytes);
    }
    build(numbers)
}

/// A vector of `N` double-precision numbers, rounded.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "a single-precision build rounds the same way"
)]
fn wide<T, const BYTES: usize, const N: usize>(
    bytes: [u8; BYTES],
    build: impl Fn([f32; N]) -> T,
) -> T {
    let mut numbers = [0.0; N];
    for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *number = f64::from_le_bytes(*bytes) as f32;
    }
    build(numbers)
}
