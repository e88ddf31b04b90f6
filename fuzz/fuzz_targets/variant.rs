//! Any bytes into the Variant decoder.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::variant(data));
