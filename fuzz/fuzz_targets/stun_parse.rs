//! One datagram through the codec, the servers and the credentials of STUN.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::stun_parse(data));
