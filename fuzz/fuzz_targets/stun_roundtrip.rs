//! STUN messages that are written and read.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::stun_roundtrip(data));
