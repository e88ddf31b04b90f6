//! Streams of STUN in any pieces.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::stun_stream(data));
