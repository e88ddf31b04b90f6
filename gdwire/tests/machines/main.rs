//! Servers and clients in memory, with virtual time.

mod common;
mod scenes;
mod sessions;
