//! Placeholder during set-up.
#![forbid(unsafe_code)]
