//! Servers and clients in memory, with virtual time.

extern crate alloc;

mod common;
#[cfg(feature = "dtls")]
mod dtls;
mod listeners;
mod scenes;
mod sessions;
