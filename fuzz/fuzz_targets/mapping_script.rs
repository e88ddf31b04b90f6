//! Messages of PCP and NAT-PMP, and a mapper under a script.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::mapping_script(data));
