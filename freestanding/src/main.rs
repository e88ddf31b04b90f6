//! A program without `std`, libc, threads and clock that plays one scenario per protocol crate.
//!
//! If a crate in the graph pulled in `std`, the compiler would refuse a second panic handler (E0152). If any code needed
//! libc, the link would fail, for nothing is linked. If it exits with 0, the code works without both.
#![no_std]
#![no_main]

extern crate alloc;

mod enet;
mod ice;
mod relay;
mod replication;
mod runtime;
mod stun;

use alloc::format;
use runtime::{exit, print, used_bytes};

/// Called by the entry point in [`runtime`].
extern "C" fn run() -> ! {
    scenario(
        "enet-proto: two hosts connect and exchange data",
        enet::exchange,
    );
    scenario(
        "replication-proto: a Variant makes a round trip",
        replication::variant,
    );
    scenario(
        "replication-proto: a call reaches the other session",
        replication::call,
    );
    scenario("ice-lite: two agents choose the same pair", ice::connect);
    scenario(
        "stun-proto: a request and its answer are authentic",
        stun::binding,
    );
    scenario("stun-proto: a client learns its address", stun::asking);
    scenario(
        "relay-proto: a way opens between two NAT boxes",
        relay::punch,
    );
    exit(0)
}

fn scenario(name: &str, play: fn() -> Result<(), &'static str>) {
    let before = used_bytes();
    match play() {
        Ok(()) => print(&format!(
            "ok: {name} ({} bytes allocated)\n",
            used_bytes() - before
        )),
        Err(what) => {
            print(&format!("failed: {name}: {what}\n"));
            exit(1)
        }
    }
}
