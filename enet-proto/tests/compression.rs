//! Compressors against recorded results of C ENet and of the engine, and hosts that compress.

extern crate alloc;

mod common;

use common::{SECOND, Session, payload};
use core::net::SocketAddr;
use enet_proto::compress::{Compression, Compressor, FastLz, RangeCoder};
use enet_proto::{Config, DropReason, Event, Host, PacketFlags};
use proto_core::{Handled, Instant};
use serde_json::Value;
use testkit::{Link, unhex};

fn vectors(text: &str, key: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).unwrap();
    file[key].as_array().unwrap().clone()
}

const RANGE_CODER: &str = include_str!("data/enet-range-coder.json");

fn bytes(vector: &Value, key: &str) -> Vec<u8> {
    unhex(vector[key].as_str().unwrap())
}

fn number(vector: &Value, key: &str) -> usize {
    usize::try_from(vector[key].as_u64().unwrap()).unwrap()
}

#[test]
fn the_range_coder_writes_the_bytes_of_c_enet() {
    let mut coder = RangeCoder::new();
    for vector in vectors(RANGE_CODER, "vectors") {
        let name = vector["name"].as_str().unwrap();
        let (input, output) = (bytes(&vector, "input"), bytes(&vector, "output"));
        let mut packed = vec![0; number(&vector, "output_limit")];
        let length = coder.compress(&input, &mut packed);
        assert_eq!(
            length.map_or(&[][..], |length| &packed[..length]),
            output,
            "{name}"
        );
        let long = vector
            .get("unlimited_output")
            .map_or(output, |_| bytes(&vector, "unlimited_output"));
        let mut packed = vec![0; long.len()];
        assert_eq!(
            coder.compress(&input, &mut packed),
            Some(long.len()),
            "{name}"
        );
        assert_eq!(packed, long, "{name}");
        let mut plain = vec![0; input.len()];
        assert_eq!(
            coder.decompress(&packed, &mut plain),
            Some(input.len()),
            "{name}"
        );
        assert_eq!(plain, input, "{name}");
    }
}

#[test]
fn the_range_coder_reads_damaged_bytes_as_c_enet_does() {
    let mut coder = RangeCoder::new();
    for vector in vectors(RANGE_CODER, "decode_vectors") {
        let name = vector["name"].as_str().unwrap();
        let mut plain = vec![0; number(&vector, "output_limit")];
        let length = coder.decompress(&bytes(&vector, "input"), &mut plain);
        let read = length.map_or(&[][..], |length| &plain[..length]);
        assert_eq!(read, bytes(&vector, "output"), "{name}");
    }
}

const FASTLZ: &str = include_str!("data/enet-fastlz.json");

#[test]
fn fastlz_writes_the_bytes_of_the_engine_and_reads_them() {
    let mut coder = FastLz::new();
    for vector in vectors(FASTLZ, "vectors") {
        let name = vector["name"].as_str().unwrap();
        let (input, expected) = (bytes(&vector, "input"), bytes(&vector, "compressed"));
        let mut packed = vec![0; expected.len()];
        let length = coder.compress(&input, &mut packed);
        assert_eq!(length, Some(expected.len()), "{name}");
        assert_eq!(packed, expected, "{name}");
        packed.pop();
        assert_eq!(coder.compress(&input, &mut packed), None, "{name}");

        let mut padded = input.clone();
        padded.resize(number(&vector, "decompressed_len"), 0);
        let mut plain = vec![0; padded.len()];
        let length = coder.decompress(&expected, &mut plain);
        assert_eq!((length, &plain), (Some(padded.len()), &padded), "{name}");
        plain.pop();
        assert_eq!(coder.decompress(&expected, &mut plain), None, "{name}");
    }
}

/// What hosts offer, by name.
const MODES: [(&str, Compression); 4] = [
    ("range coder", Compression::RangeCoder),
    ("fastlz", Compression::FastLz),
    ("zlib", Compression::Zlib),
    ("zstd", Compression::Zstd),
];

fn compressing(seed: u8, compression: Compression) -> Config {
    let mut config = Config::new([seed; 32]);
    config.compression = compression;
    config
}

/// Text-like bytes that every mode makes smaller.
fn text(length: usize) -> Vec<u8> {
    b"the position of node 17 is 3, 4, 5; "
        .iter()
        .copied()
        .cycle()
        .take(length)
        .collect()
}

#[test]
fn packets_of_all_sizes_pass_between_hosts_that_compress() {
    for (name, compression) in MODES {
        for has_checksum in [false, true] {
            let mut configs = [compressing(1, compression), compressing(2, compression)];
            configs
                .iter_mut()
                .for_each(|config| config.checksum = has_checksum);
            let [client, server] = configs;
            let mut session = Session::new(1, Link::PERFECT, client, server, 2);
            let packets: Vec<_> = [0, 1, 15, 16, 700, 1360, 1361, 5000, 40_000]
                .into_iter()
                .flat_map(|length| [text(length).into(), payload(7, length.max(4))])
                .collect();
            let to_server = session.to_server;
            for packet in &packets {
                let flags = PacketFlags::RELIABLE;
                session
                    .client()
                    .send(to_server, 0, flags, packet.clone())
                    .unwrap();
            }
            session.network.run_for(SECOND);
            let received: Vec<_> = session
                .network
                .take_events(session.server)
                .into_iter()
                .map(|event| match event {
                    Event::Received { payload, .. } => payload,
                    other => panic!("{name}: {other:?}"),
                })
                .collect();
            assert_eq!(received, packets, "{name}");
            let (sent, received) = (*session.client().stats(), *session.server().stats());
            assert!(sent.compressed_sent > 0 && sent.compressed_sent < sent.datagrams_sent);
            assert_eq!(received.compressed_received, sent.compressed_sent, "{name}");
            assert_eq!(
                received.compressed_received_added,
                sent.compressed_sent_saved
            );
            assert!(sent.compressed_sent_saved > 40_000, "{name}: {sent:?}");
            assert_eq!(received.dropped_in_all(), 0, "{name}: {received:?}");
        }
    }
}

const NOW: Instant = Instant::from_millis(1000);

fn client_address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 4000))
}

/// The CONNECT of a client with that configuration.
fn connect(config: Config) -> (Host, Vec<u8>) {
    let mut client = Host::new(config).unwrap();
    let server = SocketAddr::from(([10, 0, 0, 2], 5000));
    client.connect(NOW, server, 2, 0).unwrap();
    let mut buffer = [0; Host::BUFFER];
    let bytes = client.poll_transmit(NOW, &mut buffer).unwrap().bytes;
    (client, buffer[bytes].to_vec())
}

/// `commands` without a number, compressed.
fn from_a_stranger(compression: Compression, commands: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0xcf, 0xff, 0, 0];
    let mut packed = vec![0; 4096];
    let length = compression
        .compressor()
        .unwrap()
        .compress(commands, &mut packed)
        .unwrap();
    datagram.extend_from_slice(&packed[..length]);
    datagram
}

#[test]
fn settings_that_differ_are_counted_at_the_side_that_cannot_read() {
    for (name, compression) in MODES {
        let plain = Config::new([1; 32]);
        let datagram = from_a_stranger(compression, &[0; 48]);
        let mut server = Host::new(plain.clone()).unwrap();
        let verdict = server.handle_datagram(NOW, client_address(), &datagram);
        assert_eq!(
            verdict,
            Handled::Dropped(DropReason::NotCompressed),
            "{name}"
        );

        let (_, datagram) = connect(plain);
        let mut server = Host::new(compressing(3, compression)).unwrap();
        let verdict = server.handle_datagram(NOW, client_address(), &datagram);
        assert_eq!(
            verdict,
            Handled::Consumed,
            "{name}: plain datagrams are always read"
        );
    }
}

// req: HE-15
#[test]
fn a_stranger_cannot_make_a_host_decompress_more_than_a_connect() {
    for (name, compression) in MODES {
        let mut server = Host::new(compressing(1, compression)).unwrap();
        let bomb = from_a_stranger(compression, &[0; 4000]);
        assert!(bomb.len() < 64, "{name}");
        let verdict = server.handle_datagram(NOW, client_address(), &bomb);
        assert_eq!(
            verdict,
            Handled::Dropped(DropReason::BadCompression),
            "{name}"
        );
        assert_eq!(server.stats().compressed_received_added, 0);
        let empty = server.handle_datagram(NOW, client_address(), &[0xcf, 0xff, 0, 0]);
        assert_eq!(
            empty,
            Handled::Dropped(DropReason::BadCompression),
            "{name}"
        );
    }
}

// req: HG-12
#[test]
fn an_unproven_address_gets_no_more_than_it_sent_when_both_are_compressed() {
    for (name, compression) in MODES {
        let mut late = 0;
        for seed in 0..200 {
            let (mut client, datagram) = connect(compressing(seed, compression));
            let mut server = Host::new(compressing(255 - seed, compression)).unwrap();
            let mut buffer = [0; Host::BUFFER];
            let (mut asked, mut answered) = (0, 0);
            while answered == 0 {
                assert!(
                    asked < 3 * datagram.len(),
                    "{name}: the second CONNECT is enough"
                );
                let verdict = server.handle_datagram(NOW, client_address(), &datagram);
                assert_eq!(verdict, Handled::Consumed, "{name}");
                asked += datagram.len();
                if let Some(transmit) = server.poll_transmit(NOW, &mut buffer) {
                    answered += transmit.bytes.len();
                    assert!(answered <= asked, "{name}: {answered} for {asked}");
                    let from = SocketAddr::from(([10, 0, 0, 2], 5000));
                    let answer = &buffer[transmit.bytes];
                    assert_eq!(client.handle_datagram(NOW, from, answer), Handled::Consumed);
                }
            }
            late += u32::from(asked > datagram.len());
        }
        assert!(
            late < 100,
            "{name}: {late} of 200 waited for their second CONNECT"
        );
    }
}
