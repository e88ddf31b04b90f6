//! Generated Variants through every codec and back.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::variant_roundtrip(data));
