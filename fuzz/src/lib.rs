//! Bodies of the fuzz targets as plain functions: any bytes in, a panic if something that must hold does not.
//!
//! A target in `fuzz_targets/` is one line that calls a body here. `scripts/fuzz` runs them with coverage feedback, and
//! `cargo test` replays the inputs in `seeds/` on stable Rust, so a found input becomes a line of text there.
//!
//! ```
//! fuzz_bodies::variant(&[0x02, 0, 0, 0, 7, 0, 0, 0]);
//! ```
#![forbid(unsafe_code)]

extern crate alloc;

mod compress;
mod dtls;
mod enet;
mod ice;
mod ice_tcp;
mod mapping;
mod network;
mod project;
mod scene;
mod stun;
mod stun_client;
mod variant;

pub use compress::enet_decompress;
pub use dtls::dtls_datagram;
pub use enet::{enet_datagram, enet_reassembly, enet_script};
pub use ice::{ice_agent_script, ice_candidate, sdp_lines};
pub use mapping::mapping_script;
pub use project::project_files;
pub use scene::{scene_packet, scene_script};
pub use stun::{stun_parse, stun_roundtrip, stun_stream};
pub use stun_client::stun_client_script;
pub use variant::{variant, variant_compact, variant_roundtrip};

/// Cuts `data` into parts that each follow two bytes of length (little endian, at most 4095; the last may be short).
fn parts(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let (length, rest) = data.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*length) & 0xfff).min(rest.len());
        let (part, rest) = rest.split_at(length);
        data = rest;
        Some(part)
    })
}
