//! Fragments of any shape against a byte-map model.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::enet_reassembly(data));
