//! Forged and replayed datagrams at a server and a client with DTLS.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::dtls_datagram(data));
