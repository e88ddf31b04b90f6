//! Compressed games with the engine in both roles, and the engine's compressors against ours.

use enet_proto::DropReason;
use enet_proto::compress::Compression;
use interop::engine;
use interop::stage::{Stage, calls_node, client_config, peer_id, server_config};
use replication_proto::TransferMode;
use serde_json::json;
use testkit::{Dice, hex, unhex};

/// How a test begins: without an engine there is nothing to test.
macro_rules! needs_godot {
    () => {
        if engine::installed().is_none() {
            return;
        }
    };
}

/// Every length of a datagram that one packet can have at the start, then steps up to many fragments.
fn sizes() -> impl Iterator<Item = usize> {
    let steps = [
        100, 255, 256, 547, 1000, 1358, 1359, 1360, 1361, 1364, 2720, 4096, 9000, 25_000,
    ];
    (1..=64).chain(steps)
}

/// Bytes of a game: counters, repeated records, and noise in every third.
fn packet(number: usize, size: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = format!("unit/{number}: position (12.5, {number}.25); ")
        .bytes()
        .cycle()
        .take(size)
        .collect();
    if number.is_multiple_of(3) {
        Dice::new(number as u64).fill(&mut bytes);
    }
    bytes
}

/// Sends packets of all sizes both ways between our side and the peer `other` in the engine, which calls us `own`.
fn exchange(stage: &mut Stage, other: i32, own: i32) {
    let packets: Vec<_> = sizes()
        .enumerate()
        .map(|(number, size)| packet(number, size))
        .collect();
    for bytes in &packets {
        stage.send_bytes(peer_id(other), bytes, TransferMode::Reliable, 0);
        stage.engines[0].command(&json!({"do": "send", "peer": own, "hex": hex(bytes)}));
        stage.until("each has the other's packet", |stage| {
            let engine = stage.engines[0].all("packet").next().is_some();
            engine && !stage.packets().is_empty()
        });
        let ours = stage.packets();
        assert!(
            ours.len() == 1 && ours[0].1 == *bytes,
            "{} bytes",
            bytes.len()
        );
        let theirs: Vec<_> = stage.engines[0]
            .all("packet")
            .map(|event| unhex(event["hex"].as_str().unwrap()))
            .collect();
        assert!(
            theirs.len() == 1 && theirs[0] == *bytes,
            "{} bytes",
            bytes.len()
        );
        stage.events.clear();
        stage.engines[0].events.clear();
    }
}

/// Both sides sent most of their datagrams compressed, and none was unreadable.
fn assert_compressed(stage: &Stage) {
    let stats = stage.enet().stats();
    assert!(stats.compressed_sent > 30, "{stats:?}");
    assert!(stats.compressed_received > 30, "{stats:?}");
    assert!(stats.compressed_sent_saved > 20_000, "{stats:?}");
    assert!(stats.compressed_received_added > 20_000, "{stats:?}");
    for reason in [
        DropReason::BadCompression,
        DropReason::NotCompressed,
        DropReason::Trailing,
        DropReason::Truncated,
        DropReason::UnknownCommand,
    ] {
        assert_eq!(stats.dropped(reason), 0, "{reason}");
    }
}

fn our_server(compression: Compression, name: &str) {
    let mut config = server_config();
    config.enet.compression = compression;
    let mut stage = Stage::with_server(config, calls_node());
    let (_, id) = stage.joined_engine(&[&format!("--compress={name}")]);
    stage.events.clear();
    exchange(&mut stage, id, 1);
    assert_compressed(&stage);
    assert_eq!(stage.engines[0].noise(), "");
}

fn our_client(compression: Compression, name: &str) {
    let mut config = client_config();
    config.enet.compression = compression;
    let own = config.session.id.value();
    let compress = format!("--compress={name}");
    let mut stage = Stage::with_client(config, calls_node(), &[&compress]);
    stage.until("we are in the game", |stage| {
        stage.has_peer(1) && stage.engines[0].has_of("peer_connected", own)
    });
    stage.events.clear();
    exchange(&mut stage, 1, own);
    assert_compressed(&stage);
    assert_eq!(stage.engines[0].noise(), "");
}

/// From hardly to easily compressible, of 1 to 4092 bytes.
fn buffer(number: u64) -> Vec<u8> {
    let mut dice = Dice::new(number);
    let most = [64, 300, 1400, 4092][usize::try_from(dice.below(4)).unwrap()];
    let mut bytes = vec![0; usize::try_from(1 + dice.below(most)).unwrap()];
    dice.fill(&mut bytes);
    match number % 5 {
        0 => {}
        1 => bytes.iter_mut().for_each(|byte| *byte &= 7),
        2 => bytes.iter_mut().for_each(|byte| *byte = b'a' + *byte % 3),
        3 => (0..bytes.len()).for_each(|at| bytes[at] = bytes[at % 29]),
        _ => (8..bytes.len()).for_each(|at| {
            if bytes[at] & 3 != 0 {
                bytes[at] = bytes[at - 8];
            }
        }),
    }
    bytes
}

/// The engine reads what ours wrote, and ours what the engine wrote; ours is at most so many percent of that.
fn streams_cross(compression: Compression, name: &str, most_percent: usize) {
    const BUFFERS: u64 = 200;
    let mut ours = compression.compressor().unwrap();
    let mut stage = Stage::server();
    let (godot, _) = stage.joined_engine(&[]);
    let (mut our_bytes, mut their_bytes) = (0, 0);
    for number in 0..BUFFERS {
        let plain = buffer(number);
        let mut packed = vec![0; 2 * plain.len() + 64];
        let length = ours.compress(&plain, &mut packed).unwrap();
        packed.truncate(length);
        let engine = &mut stage.engines[godot];
        engine.command(&json!({"do": "compress", "mode": name, "hex": hex(&plain)}));
        engine.command(
            &json!({"do": "decompress", "mode": name, "hex": hex(&packed), "size": plain.len()}),
        );
        stage.until("the engine answers", |stage| {
            stage.engines[godot].has("decompressed")
        });
        let answer = |kind| {
            let event = stage.engines[godot].all(kind).next().unwrap();
            unhex(event["hex"].as_str().unwrap())
        };
        assert_eq!(hex(&answer("decompressed")), hex(&plain), "buffer {number}");

        let theirs = answer("compressed");
        let mut back = vec![0; plain.len().max(16)];
        let length = ours.decompress(&theirs, &mut back);
        assert!(length.is_some(), "buffer {number}: {}", hex(&theirs));
        assert!(back[..plain.len()] == plain, "buffer {number}");
        if compression == Compression::FastLz {
            assert_eq!(hex(&packed), hex(&theirs), "buffer {number}");
        }
        our_bytes += packed.len();
        their_bytes += theirs.len();
        stage.engines[godot].events.clear();
    }
    println!("{name}: {our_bytes} bytes of ours, {their_bytes} of the engine");
    assert!(
        our_bytes * 100 <= their_bytes * most_percent,
        "{our_bytes} bytes of ours, {their_bytes} of the engine"
    );
}

macro_rules! for_each_mode {
    ($($module:ident: $mode:ident $name:literal),* $(,)?) => {$(
        mod $module {
            use super::*;

            #[test]
            fn packets_of_all_sizes_cross_between_our_server_and_the_engine() {
                needs_godot!();
                our_server(Compression::$mode, $name);
            }

            #[test]
            fn packets_of_all_sizes_cross_between_the_engine_s_server_and_our_client() {
                needs_godot!();
                our_client(Compression::$mode, $name);
            }
        }
    )*};
}

for_each_mode!(
    range_coder: RangeCoder "range-coder",
    fastlz: FastLz "fastlz",
    zlib: Zlib "zlib",
    zstd: Zstd "zstd",
);

#[test]
fn fastlz_streams_cross_and_are_the_same_bytes() {
    needs_godot!();
    streams_cross(Compression::FastLz, "fastlz", 100);
}

#[test]
fn zlib_streams_cross() {
    needs_godot!();
    streams_cross(Compression::Zlib, "zlib", 105);
}

#[test]
fn zstd_streams_cross() {
    needs_godot!();
    streams_cross(Compression::Zstd, "zstd", 140);
}
