//! Any bytes into the decoder of compressed arguments.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::variant_compact(data));
