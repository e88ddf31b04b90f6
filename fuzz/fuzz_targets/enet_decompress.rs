//! Any bytes as a stream of each compressor, and through it and back.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::enet_decompress(data));
