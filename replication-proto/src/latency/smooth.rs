//! Hiding corrections: [`ErrorSmoother`].

use super::ConfigError;
use crate::variant::{Vector2, Vector3};
use core::time::Duration;
use proto_core::Instant;

/// A difference between two places, which can shrink.
pub trait ErrorVector: Copy {
    /// No difference.
    const ZERO: Self;

    /// This and that together.
    #[must_use]
    fn plus(self, other: Self) -> Self;

    /// This without that.
    #[must_use]
    fn minus(self, other: Self) -> Self;

    /// This times a factor.
    #[must_use]
    fn times(self, factor: f32) -> Self;

    /// The square of its length.
    #[must_use]
    fn square(self) -> f32;
}

impl ErrorVector for f32 {
    const ZERO: Self = 0.0;

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn minus(self, other: Self) -> Self {
        self - other
    }

    fn times(self, factor: f32) -> Self {
        self * factor
    }

    fn square(self) -> f32 {
        self * self
    }
}

impl<const N: usize> ErrorVector for [f32; N] {
    const ZERO: Self = [0.0; N];

    fn plus(self, other: Self) -> Self {
        core::array::from_fn(|at| self[at] + other[at])
    }

    fn minus(self, other: Self) -> Self {
        core::array::from_fn(|at| self[at] - other[at])
    }

    fn times(self, factor: f32) -> Self {
        self.map(|component| component * factor)
    }

    fn square(self) -> f32 {
        self.iter().map(|component| component * component).sum()
    }
}

macro_rules! by_array {
    ($($name:ident, $count:literal);+) => {
        $(impl ErrorVector for $name {
            const ZERO: Self = Self::from_array([0.0; $count]);

            fn plus(self, other: Self) -> Self {
                Self::from_array(self.to_array().plus(other.to_array()))
            }

            fn minus(self, other: Self) -> Self {
                Self::from_array(self.to_array().minus(other.to_array()))
            }

            fn times(self, factor: f32) -> Self {
                Self::from_array(self.to_array().times(factor))
            }

            fn square(self) -> f32 {
                self.to_array().square()
            }
        })+
    };
}

by_array!(Vector2, 2; Vector3, 3);

/// Numbers that an [`ErrorSmoother`] works with.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SmoothingConfig {
    /// After so long half of an error is left: 40 ms by default, at least 1 ms.
    pub half_life: Duration,
    /// An error longer than this is shown at once, as what teleports should. Unlimited by default.
    pub snap: f32,
}

impl SmoothingConfig {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            half_life: Duration::from_millis(40),
            snap: f32::INFINITY,
        }
    }
}

impl Default for SmoothingConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows a place that was corrected without a jump: the error that the correction took away is added to what is shown,
/// and shrinks by half in each half-life.
///
/// ```
/// use core::time::Duration;
/// use proto_core::Instant;
/// use replication_proto::latency::{ErrorSmoother, SmoothingConfig};
///
/// let mut smoother = ErrorSmoother::new(SmoothingConfig::new())?;
/// // A correction moved us from 50 to 54.
/// smoother.correct(Instant::ZERO, 50.0, 54.0);
/// assert_eq!(smoother.show(Instant::ZERO, 54.0), 50.0);
/// assert!((smoother.show(Instant::from_millis(40), 54.0f32) - 52.0).abs() < 0.01);
/// assert!((smoother.show(Instant::from_millis(400), 54.0f32) - 54.0).abs() < 0.01);
/// # Ok::<(), replication_proto::latency::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErrorSmoother<V> {
    config: SmoothingConfig,
    /// Shown minus actual, at `at`.
    error: V,
    at: Instant,
}

impl<V: ErrorVector> ErrorSmoother<V> {
    /// No error so far.
    ///
    /// # Errors
    /// [`ConfigError`] if a number is out of its bounds.
    pub fn new(config: SmoothingConfig) -> Result<Self, ConfigError> {
        ConfigError::unless(config.half_life >= Duration::from_millis(1), "half_life")?;
        ConfigError::unless(config.snap >= 0.0, "snap")?;
        Ok(Self {
            config,
            error: V::ZERO,
            at: Instant::ZERO,
        })
    }

    /// At `now` the place became `after`, and was `before`.
    pub fn correct(&mut self, now: Instant, before: V, after: V) {
        let error = self.error_at(now).plus(before.minus(after));
        let snaps = error.square() > self.config.snap * self.config.snap;
        // A place that is not a number would stay in what is shown for ever.
        self.error = if snaps || !error.square().is_finite() {
            V::ZERO
        } else {
            error
        };
        self.at = self.at.max(now);
    }

    /// Where to show what is at `actual`.
    #[must_use]
    pub fn show(&self, now: Instant, actual: V) -> V {
        actual.plus(self.error_at(now))
    }

    /// The error that is still shown.
    #[must_use]
    pub fn error_at(&self, now: Instant) -> V {
        let elapsed = now.saturating_since(self.at).as_micros();
        self.error
            .times(decay(elapsed, self.config.half_life.as_micros()))
    }
}

/// 2 to the power of minus `elapsed / half_life`.
fn decay(elapsed: u128, half_life: u128) -> f32 {
    let halvings = elapsed / half_life;
    if halvings >= 64 {
        return 0.0;
    }
    // The series of 2^-x for the part of a half-life, to 2e-4; `core` has no powers of floats.
    let x = (elapsed % half_life) as f32 / half_life as f32;
    let part = 1.0
        - x * (core::f32::consts::LN_2
            - x * (0.240_227 - x * (0.055_504 - x * (0.009_618 - x * 0.001_333))));
    let whole = (0..halvings).fold(1.0, |left, _| left * 0.5);
    whole * part
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_jump_beyond_the_snap_distance_is_shown_at_once() {
        let config = SmoothingConfig {
            snap: 10.0,
            ..SmoothingConfig::new()
        };
        let mut smoother = ErrorSmoother::new(config).unwrap();
        smoother.correct(
            Instant::ZERO,
            Vector2::new(0.0, 0.0),
            Vector2::new(8.0, 8.0),
        );
        assert_eq!(smoother.error_at(Instant::ZERO), Vector2::ZERO);
        smoother.correct(
            Instant::ZERO,
            Vector2::new(0.0, 0.0),
            Vector2::new(6.0, 6.0),
        );
        assert_eq!(smoother.error_at(Instant::ZERO), Vector2::new(-6.0, -6.0));
    }

    #[test]
    fn corrections_add_up() {
        let mut smoother = ErrorSmoother::new(SmoothingConfig::new()).unwrap();
        smoother.correct(Instant::ZERO, 0.0f32, 4.0);
        smoother.correct(Instant::from_millis(40), 0.0, 1.0);
        let error = smoother.error_at(Instant::from_millis(40));
        assert!((error + 3.0).abs() < 0.01, "{error}");
    }

    #[test]
    fn what_is_no_number_is_not_kept() {
        let mut smoother = ErrorSmoother::new(SmoothingConfig::new()).unwrap();
        smoother.correct(Instant::ZERO, f32::NAN, 4.0);
        smoother.correct(Instant::ZERO, f32::MAX, -f32::MAX);
        assert_eq!(smoother.error_at(Instant::ZERO), 0.0);
    }

    proptest! {
        #[test]
        fn the_error_is_near_the_power_and_never_grows(micros in 0u64..1_000_000) {
            let exact = 2f64.powf(-(micros as f64) / 40_000.0);
            let got = decay(micros.into(), 40_000);
            prop_assert!((f64::from(got) - exact).abs() < 3e-4, "{got} {exact}");
            prop_assert!(decay(u128::from(micros) + 500, 40_000) <= got + 1e-6);
        }
    }
}
