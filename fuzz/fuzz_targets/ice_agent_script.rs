//! Two agents of ICE under a script of losses, forgeries and calls.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::ice_agent_script(data));
