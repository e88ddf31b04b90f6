//! The types that a Godot Variant can have: [`ValueType`].

use core::fmt;

macro_rules! value_types {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $text:literal;)+) => {
        /// Type of a [`Value`](super::Value): Godot's `Variant.Type`, with the ids of the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum ValueType {
            $(
                #[doc = concat!("`", $text, "`.")]
                $name = $id,
            )+
        }

        impl ValueType {
            /// All types, by id.
            pub const ALL: [Self; 39] = [$(Self::$name),+];

            /// The type with this id on the wire.
            #[must_use]
            pub const fn from_id(id: u32) -> Option<Self> {
                match id {
                    $($id => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// Godot's name of the type, as in `Array[int]`; `Nil` for null.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// The type with this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$name),)+
                    _ => None,
                }
            }
        }
    };
}

value_types! {
    Nil = 0, "Nil";
    Bool = 1, "bool";
    Int = 2, "int";
    Float = 3, "float";
    String = 4, "String";
    Vector2 = 5, "Vector2";
    Vector2i = 6, "Vector2i";
    Rect2 = 7, "Rect2";
    Rect2i = 8, "Rect2i";
    Vector3 = 9, "Vector3";
    Vector3i = 10, "Vector3i";
    Transform2D = 11, "Transform2D";
    Vector4 = 12, "Vector4";
    Vector4i = 13, "Vector4i";
    Plane = 14, "Plane";
    Quaternion = 15, "Quaternion";
    Aabb = 16, "AABB";
    Basis = 17, "Basis";
    Transform3D = 18, "Transform3D";
    Projection = 19, "Projection";
    Color = 20, "Color";
    StringName = 21, "StringName";
    NodePath = 22, "NodePath";
    Rid = 23, "RID";
    Object = 24, "Object";
    Callable = 25, "Callable";
    Signal = 26, "Signal";
    Dictionary = 27, "Dictionary";
    Array = 28, "Array";
    PackedByteArray = 29, "PackedByteArray";
    PackedInt32Array = 30, "PackedInt32Array";
    PackedInt64Array = 31, "PackedInt64Array";
    PackedFloat32Array = 32, "PackedFloat32Array";
    PackedFloat64Array = 33, "PackedFloat64Array";
    PackedStringArray = 34, "PackedStringArray";
    PackedVector2Array = 35, "PackedVector2Array";
    PackedVector3Array = 36, "PackedVector3Array";
    PackedColorArray = 37, "PackedColorArray";
    PackedVector4Array = 38, "PackedVector4Array";
}

impl ValueType {
    /// The id on the wire.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_lead_back_to_their_type() {
        for (id, kind) in (0..).zip(ValueType::ALL) {
            assert_eq!(u32::from(kind.id()), id);
            assert_eq!(ValueType::from_id(id), Some(kind));
            assert_eq!(ValueType::from_name(kind.name()), Some(kind));
        }
        assert_eq!(ValueType::from_id(39), None);
        assert_eq!(ValueType::from_id(u32::MAX), None);
        assert_eq!(ValueType::from_name("Variant"), None);
    }
}
