//! Descriptions: attribute lines and the compact form.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::sdp_lines(data));
