//! Placeholder during set-up.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod variant;
