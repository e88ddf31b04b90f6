//! Servers and clients in memory, with virtual time.

extern crate alloc;

mod common;
mod listeners;
mod scenes;
mod sessions;
