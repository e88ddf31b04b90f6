//! Any datagrams into a listening host.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::enet_datagram(data));
