//! Two sessions under a script of packets, forgeries and calls.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::scene_script(data));
