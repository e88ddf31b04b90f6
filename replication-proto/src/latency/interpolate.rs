//! States between states: [`Interpolate`].

use crate::variant::{Color, Vector2, Vector3, Vector4};

/// A value that has values between it and another.
///
/// A snapshot of a game implements this field by field: positions go over gradually, a weapon in hand does not.
///
/// ```
/// use replication_proto::latency::Interpolate;
/// use replication_proto::variant::Vector2;
///
/// struct Unit { position: Vector2, health: i64 }
///
/// impl Interpolate for Unit {
///     fn interpolate(&self, to: &Self, fraction: f32) -> Self {
///         Self {
///             position: self.position.interpolate(&to.position, fraction),
///             health: self.health,
///         }
///     }
/// }
/// ```
pub trait Interpolate {
    /// The value at `fraction` of the way to `to`: this one at 0, that one at 1, beyond it above 1 (extrapolation, where
    /// what cannot go beyond should stay at `to`).
    #[must_use]
    fn interpolate(&self, to: &Self, fraction: f32) -> Self;
}

impl Interpolate for f32 {
    fn interpolate(&self, to: &Self, fraction: f32) -> Self {
        self + (to - self) * fraction
    }
}

impl Interpolate for f64 {
    fn interpolate(&self, to: &Self, fraction: f32) -> Self {
        self + (to - self) * Self::from(fraction)
    }
}

impl<T: Interpolate, const N: usize> Interpolate for [T; N] {
    fn interpolate(&self, to: &Self, fraction: f32) -> Self {
        core::array::from_fn(|at| self[at].interpolate(&to[at], fraction))
    }
}

impl<A: Interpolate, B: Interpolate> Interpolate for (A, B) {
    fn interpolate(&self, to: &Self, fraction: f32) -> Self {
        (
            self.0.interpolate(&to.0, fraction),
            self.1.interpolate(&to.1, fraction),
        )
    }
}

macro_rules! by_component {
    ($($name:ident),+) => {
        $(impl Interpolate for $name {
            fn interpolate(&self, to: &Self, fraction: f32) -> Self {
                Self::from_array(self.to_array().interpolate(&to.to_array(), fraction))
            }
        })+
    };
}

by_component!(Color, Vector2, Vector3, Vector4);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_kept_and_what_lies_beyond_goes_on() {
        let (a, b) = (Vector2::new(1.0, -2.0), Vector2::new(3.0, 2.0));
        assert_eq!(a.interpolate(&b, 0.0), a);
        assert_eq!(a.interpolate(&b, 1.0), b);
        assert_eq!(a.interpolate(&b, 0.5), Vector2::new(2.0, 0.0));
        assert_eq!(
            (a, 0.0).interpolate(&(b, 1.0), 2.0).0,
            Vector2::new(5.0, 6.0)
        );
    }
}
