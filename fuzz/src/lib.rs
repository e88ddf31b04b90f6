//! Bodies of the fuzz targets as plain functions: any bytes in, a panic if something that must hold does not.
//!
//! A target in `fuzz_targets/` is one line that calls a body here. `scripts/fuzz` runs them with coverage feedback, and
//! `cargo test` replays the inputs in `seeds/` on stable Rust, so a found input becomes a line of text there.
//!
//! ```
//! fuzz_bodies::variant(&[0x02, 0, 0, 0, 7, 0, 0, 0]);
//! ```
#![forbid(unsafe_code)]

mod variant;

pub use variant::{variant, variant_compact, variant_roundtrip};
