//! Plain data of Godot's built-in math types. No arithmetic: bring your own math library and convert.
#![expect(
    clippy::exhaustive_structs,
    reason = "Godot's components are all there ever are, and callers build and take them apart"
)]

/// Declares a vector of equal scalars, and its conversion from and to an array.
macro_rules! vector {
    ($(#[$doc:meta])* $name:ident { $($field:ident),+ } $scalar:ty, $count:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct $name {
            $(
                #[doc = concat!("The component `", stringify!($field), "`.")]
                pub $field: $scalar,
            )+
        }

        impl $name {
            /// From its components.
            #[must_use]
            #[inline]
            pub const fn new($($field: $scalar),+) -> Self {
                Self { $($field),+ }
            }

            /// The components in the order of the wire.
            #[must_use]
            #[inline]
            pub const fn to_array(self) -> [$scalar; $count] {
                [$(self.$field),+]
            }

            /// From the components in the order of the wire.
            #[must_use]
            #[inline]
            pub const fn from_array([$($field),+]: [$scalar; $count]) -> Self {
                Self { $($field),+ }
            }
        }
    };
}

vector! {
    /// Godot's `Vector2` (single precision).
    Vector2 { x, y } f32, 2
}
vector! {
    /// Godot's `Vector2i`.
    Vector2i { x, y } i32, 2
}
vector! {
    /// Godot's `Vector3` (single precision).
    Vector3 { x, y, z } f32, 3
}
vector! {
    /// Godot's `Vector3i`.
    Vector3i { x, y, z } i32, 3
}
vector! {
    /// Godot's `Vector4` (single precision).
    Vector4 { x, y, z, w } f32, 4
}
vector! {
    /// Godot's `Vector4i`.
    Vector4i { x, y, z, w } i32, 4
}
vector! {
    /// Godot's `Quaternion`, stored as it came, not normalised.
    Quaternion { x, y, z, w } f32, 4
}
vector! {
    /// Godot's `Color`: red, green, blue and opacity, usually 0 to 1.
    Color { r, g, b, a } f32, 4
}

/// Declares a type made of others, and its conversion from and to an array in wire order.
macro_rules! compound {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),+ $(,)? }
        $scalar:ty, $count:literal, [$($part:ident),+] -> $build:expr, $self:ident -> $take:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)+
        }

        impl $name {
            /// From its parts.
            #[must_use]
            #[inline]
            pub const fn new($($field: $type),+) -> Self {
                Self { $($field),+ }
            }

            /// The components in the order of the wire.
            #[must_use]
            #[inline]
            pub const fn to_array($self) -> [$scalar; $count] {
                $take
            }

            /// From the components in the order of the wire.
            #[must_use]
            #[inline]
            pub const fn from_array([$($part),+]: [$scalar; $count]) -> Self {
                $build
            }
        }
    };
}

compound! {
    /// Godot's `Rect2`.
    Rect2 {
        /// Corner with the least coordinates.
        position: Vector2,
        /// Extent from the position; may be negative.
        size: Vector2,
    } f32, 4,
    [x, y, w, h] -> Self::new(Vector2::new(x, y), Vector2::new(w, h)),
    self -> [self.position.x, self.position.y, self.size.x, self.size.y]
}

compound! {
    /// Godot's `Rect2i`.
    Rect2i {
        /// Corner with the least coordinates.
        position: Vector2i,
        /// Extent from the position; may be negative.
        size: Vector2i,
    } i32, 4,
    [x, y, w, h] -> Self::new(Vector2i::new(x, y), Vector2i::new(w, h)),
    self -> [self.position.x, self.position.y, self.size.x, self.size.y]
}

compound! {
    /// Godot's `Transform2D` by columns. The default is all zeros, not the identity.
    Transform2D {
        /// First basis column.
        x: Vector2,
        /// Second basis column.
        y: Vector2,
        /// Translation.
        origin: Vector2,
    } f32, 6,
    [xx, xy, yx, yy, ox, oy] -> Self::new(Vector2::new(xx, xy), Vector2::new(yx, yy), Vector2::new(ox, oy)),
    self -> [self.x.x, self.x.y, self.y.x, self.y.y, self.origin.x, self.origin.y]
}

compound! {
    /// Godot's `Plane`, stored as it came, not normalised.
    Plane {
        /// Direction that the plane faces.
        normal: Vector3,
        /// Distance from the origin along the normal.
        d: f32,
    } f32, 4,
    [x, y, z, d] -> Self::new(Vector3::new(x, y, z), d),
    self -> [self.normal.x, self.normal.y, self.normal.z, self.d]
}

compound! {
    /// Godot's `AABB`.
    Aabb {
        /// Corner with the least coordinates.
        position: Vector3,
        /// Extent from the position; may be negative.
        size: Vector3,
    } f32, 6,
    [x, y, z, w, h, d] -> Self::new(Vector3::new(x, y, z), Vector3::new(w, h, d)),
    self -> [self.position.x, self.position.y, self.position.z, self.size.x, self.size.y, self.size.z]
}

compound! {
    /// Godot's `Basis` by columns, as its constructor and `x`, `y`, `z` show it. The wire and the text form go by rows,
    /// and so do [`Basis::to_array`] and [`Basis::from_array`]. The default is all zeros, not the identity.
    Basis {
        /// First column.
        x: Vector3,
        /// Second column.
        y: Vector3,
        /// Third column.
        z: Vector3,
    } f32, 9,
    [xx, yx, zx, xy, yy, zy, xz, yz, zz] ->
        Self::new(Vector3::new(xx, xy, xz), Vector3::new(yx, yy, yz), Vector3::new(zx, zy, zz)),
    self -> [
        self.x.x, self.y.x, self.z.x,
        self.x.y, self.y.y, self.z.y,
        self.x.z, self.y.z, self.z.z,
    ]
}

compound! {
    /// Godot's `Transform3D`. The default is all zeros, not the identity.
    Transform3D {
        /// Rotation, scale and shear.
        basis: Basis,
        /// Translation.
        origin: Vector3,
    } f32, 12,
    [a, b, c, d, e, f, g, h, i, x, y, z] ->
        Self::new(Basis::from_array([a, b, c, d, e, f, g, h, i]), Vector3::new(x, y, z)),
    self -> {
        let [a, b, c, d, e, f, g, h, i] = self.basis.to_array();
        [a, b, c, d, e, f, g, h, i, self.origin.x, self.origin.y, self.origin.z]
    }
}

compound! {
    /// Godot's `Projection` by columns. The default is all zeros, not the identity.
    Projection {
        /// First column.
        x: Vector4,
        /// Second column.
        y: Vector4,
        /// Third column.
        z: Vector4,
        /// Fourth column.
        w: Vector4,
    } f32, 16,
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] -> Self::new(
        Vector4::new(a, b, c, d),
        Vector4::new(e, f, g, h),
        Vector4::new(i, j, k, l),
        Vector4::new(m, n, o, p),
    ),
    self -> {
        let [a, b, c, d] = self.x.to_array();
        let [e, f, g, h] = self.y.to_array();
        let [i, j, k, l] = self.z.to_array();
        let [m, n, o, p] = self.w.to_array();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_basis_is_columns_in_memory_and_rows_on_the_wire() {
        let basis = Basis::new(
            Vector3::new(1.0, 2.0, 3.0),
            Vector3::new(4.0, 5.0, 6.0),
            Vector3::new(7.0, 8.0, 9.0),
        );
        let wire = [1.0, 4.0, 7.0, 2.0, 5.0, 8.0, 3.0, 6.0, 9.0];
        assert_eq!(basis.to_array(), wire);
        assert_eq!(Basis::from_array(wire), basis);
    }
}
