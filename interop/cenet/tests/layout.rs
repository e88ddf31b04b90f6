//! The hand-written declarations agree with the installed header.

use cenet::ffi;
use core::mem::{offset_of, size_of};
use std::io::Write;
use std::process::{Command, Stdio};

#[test]
fn sizes_and_offsets_are_those_of_the_c_header() {
    let rows = [
        ("sizeof(ENetAddress)", size_of::<ffi::Address>()),
        ("sizeof(ENetBuffer)", size_of::<ffi::Buffer>()),
        ("sizeof(ENetPacket)", size_of::<ffi::Packet>()),
        (
            "offsetof(ENetPacket, dataLength)",
            offset_of!(ffi::Packet, data_length),
        ),
        ("sizeof(ENetEvent)", size_of::<ffi::Event>()),
        (
            "offsetof(ENetEvent, channelID)",
            offset_of!(ffi::Event, channel_id),
        ),
        (
            "offsetof(ENetEvent, packet)",
            offset_of!(ffi::Event, packet),
        ),
        ("sizeof(ENetPeer)", size_of::<ffi::Peer>()),
        ("offsetof(ENetPeer, state)", offset_of!(ffi::Peer, state)),
        (
            "offsetof(ENetPeer, channelCount)",
            offset_of!(ffi::Peer, channel_count),
        ),
        (
            "offsetof(ENetPeer, packetThrottle)",
            offset_of!(ffi::Peer, packet_throttle),
        ),
        (
            "offsetof(ENetPeer, pingInterval)",
            offset_of!(ffi::Peer, ping_interval),
        ),
        (
            "offsetof(ENetPeer, roundTripTime)",
            offset_of!(ffi::Peer, round_trip_time),
        ),
        ("offsetof(ENetPeer, mtu)", offset_of!(ffi::Peer, mtu)),
        (
            "offsetof(ENetPeer, windowSize)",
            offset_of!(ffi::Peer, window_size),
        ),
        (
            "offsetof(ENetPeer, totalWaitingData)",
            offset_of!(ffi::Peer, total_waiting_data),
        ),
        ("sizeof(ENetProtocol)", 48),
        ("sizeof(ENetHost)", size_of::<ffi::Host>()),
        ("offsetof(ENetHost, mtu)", offset_of!(ffi::Host, mtu)),
        (
            "offsetof(ENetHost, randomSeed)",
            offset_of!(ffi::Host, random_seed),
        ),
        ("offsetof(ENetHost, peers)", offset_of!(ffi::Host, peers)),
        (
            "offsetof(ENetHost, commands)",
            offset_of!(ffi::Host, commands),
        ),
        (
            "offsetof(ENetHost, buffers)",
            offset_of!(ffi::Host, buffers),
        ),
        (
            "offsetof(ENetHost, checksum)",
            offset_of!(ffi::Host, checksum),
        ),
        (
            "offsetof(ENetHost, compressor)",
            offset_of!(ffi::Host, compressor),
        ),
        (
            "offsetof(ENetHost, packetData)",
            offset_of!(ffi::Host, packet_data),
        ),
        (
            "offsetof(ENetHost, intercept)",
            offset_of!(ffi::Host, intercept),
        ),
        (
            "offsetof(ENetHost, maximumWaitingData)",
            offset_of!(ffi::Host, maximum_waiting_data),
        ),
    ];
    let checks: String = rows
        .iter()
        .map(|(expression, value)| format!("_Static_assert({expression} == {value}, \"\");\n"))
        .collect();
    let program = format!("#include <stddef.h>\n#include <enet/enet.h>\n{checks}");

    let mut compiler = Command::new("cc")
        .args(["-fsyntax-only", "-x", "c", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a C compiler, which linking needs anyway");
    compiler
        .stdin
        .take()
        .unwrap()
        .write_all(program.as_bytes())
        .unwrap();
    let output = compiler.wait_with_output().unwrap();

    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
