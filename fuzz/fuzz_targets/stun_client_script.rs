//! A STUN client under a script of answers, losses and forgeries.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::stun_client_script(data));
