//! What hosts that compress make of hostile input: bombs, damage, and streams of other settings.

extern crate alloc;

mod common;

use common::{SECOND, Session};
use enet_proto::compress::Compression;
use enet_proto::{Config, DropReason, Event, PacketFlags, PeerIds};
use proptest::prelude::*;
use proto_core::Handled;
use serde_json::Value;
use testkit::{Dice, Link, unhex};

const MODES: [(&str, Compression); 4] = [
    ("range coder", Compression::RangeCoder),
    ("fastlz", Compression::FastLz),
    ("zlib", Compression::Zlib),
    ("zstd", Compression::Zstd),
];

/// A peer number without a session, and with a sent time: the first connection of a host that counts up.
const HEADER: [u8; 4] = [0xc0, 0x00, 0x00, 0x00];

fn connected(compression: Compression) -> Session {
    let [client, server] = [1, 2].map(|seed| {
        let mut config = Config::new([seed; 32]);
        config.compression = compression;
        config.peer_ids = PeerIds::Slots;
        config
    });
    Session::new(1, Link::PERFECT, client, server, 4)
}

fn packed(compression: Compression, plain: &[u8]) -> Vec<u8> {
    let mut packed = vec![0; 2 * plain.len() + 64];
    let mut compressor = compression.compressor().unwrap();
    let length = compressor.compress(plain, &mut packed).unwrap();
    packed.truncate(length);
    packed
}

/// Delivers `packed` as a datagram of the connected client.
fn deliver(session: &mut Session, packed: &[u8]) -> Handled<DropReason> {
    let (client, server) = (session.network.address(session.client), session.server);
    let datagram = [&HEADER[..], packed].concat();
    session.network.deliver(server, client, &datagram)
}

/// A packet of the connected client arrives, and nothing else has.
fn assert_alive(session: &mut Session) {
    let to_server = session.to_server;
    session
        .client()
        .send(to_server, 3, PacketFlags::RELIABLE, vec![7; 300].into())
        .unwrap();
    session.network.run_for(SECOND);
    let events = session.network.take_events(session.server);
    assert!(
        matches!(&events[..], [Event::Received { channel: 3, payload, .. }] if payload[..] == [7; 300]),
        "{events:?}"
    );
}

// req: HE-15
#[test]
fn a_connected_peer_cannot_make_a_host_decompress_more_than_a_datagram() {
    for (name, compression) in MODES {
        let mut session = connected(compression);
        for (length, reason) in [
            (4092, DropReason::UnknownCommand),
            (4093, DropReason::BadCompression),
            (4097, DropReason::BadCompression),
            (60_000, DropReason::BadCompression),
        ] {
            let bomb = packed(compression, &vec![0; length]);
            assert!(bomb.len() < 1000, "{name}: {}", bomb.len());
            let before = session.server().stats().dropped(reason);
            let verdict = deliver(&mut session, &bomb);
            assert_eq!(verdict, Handled::Dropped(reason), "{name}: {length}");
            assert_eq!(session.server().stats().dropped(reason), before + 1);
        }
        assert_alive(&mut session);
    }
}

/// The hostile cases of the specification that need a compressor; the others are in `hostile`.
fn hostile(name: &str) -> Vec<u8> {
    let file: Value = serde_json::from_str(include_str!("data/hostile-enet.json")).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["name"] == name).unwrap();
    unhex(case["hex"].as_str().unwrap())
}

#[test]
fn random_bytes_are_dropped_in_every_mode() {
    for (name, compression) in MODES {
        let mut session = connected(compression);
        let recorded = deliver(&mut session, &hostile("compressed_random")[HEADER.len()..]);
        assert!(matches!(recorded, Handled::Dropped(_)), "{name}");
        assert_alive(&mut session);

        // To the range coder almost any bytes are a stream, and one in ten begins with a command that is legal.
        let mut dice = Dice::new(7);
        let dropped = (0..400)
            .filter(|&length| {
                let mut bytes = vec![0; length];
                dice.fill(&mut bytes);
                deliver(&mut session, &bytes) != Handled::Consumed
            })
            .count();
        assert!(dropped > 330, "{name}: {dropped}");
    }
}

#[test]
fn a_zlib_stream_with_a_wrong_checksum_a_dictionary_or_no_end_is_dropped() {
    let mut session = connected(Compression::Zlib);
    let good = packed(Compression::Zlib, &[0; 300]);
    let mut wrong = good.clone();
    *wrong.last_mut().unwrap() ^= 1;
    // The flag of a preset dictionary, with the check bits of the header made to fit.
    let dictionary = [&[0x78, 0xbb][..], &[0, 0, 0, 1], &good[2..]].concat();
    let cut = good[..good.len() - 1].to_vec();
    for bad in [wrong, dictionary, cut] {
        assert_eq!(
            deliver(&mut session, &bad),
            Handled::Dropped(DropReason::BadCompression),
            "{bad:02x?}"
        );
    }
    let longer = [&good[..], b"behind its end"].concat();
    for passed in [good, longer] {
        assert_eq!(
            deliver(&mut session, &passed),
            Handled::Dropped(DropReason::UnknownCommand),
            "{passed:02x?}"
        );
    }
    assert_alive(&mut session);
}

/// A frame that says nothing of its content, with a window of 1 KiB and these blocks: kind, size, bytes.
fn frame(blocks: &[(u32, usize, &[u8])]) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x00];
    for (number, &(kind, size, bytes)) in blocks.iter().enumerate() {
        let is_last = u32::from(number + 1 == blocks.len());
        let word = u32::try_from(size).unwrap() << 3 | kind << 1 | is_last;
        frame.extend(&word.to_le_bytes()[..3]);
        frame.extend(bytes);
    }
    frame
}

// req: HE-15
#[test]
fn a_zstd_frame_that_asks_for_more_than_a_datagram_is_dropped() {
    let mut session = connected(Compression::Zstd);
    let mut huge_window = frame(&[(1, 300, &[0])]);
    // 2 GiB.
    huge_window[5] = 21 << 3;
    huge_window.resize(20, 0);
    let mut huge_content = frame(&[(1, 300, &[0])]);
    huge_content.splice(4..6, [0xe0, 0, 0, 0, 0, 1, 0, 0, 0]);
    // A mebibyte of one literal, and 98,047 sequences of no bits at all that copy three bytes each.
    let literals = &[0x0d | 0xf0, 0xff, 0xff, 0x00, 0x00][..];
    let sequences = &[0x00, 0xff, 0xff, 0xff, 0x54, 0x00, 0x00, 0x00, 0x01][..];
    for bad in [
        huge_window,
        huge_content,
        frame(&[(1, 4093, &[0])]),
        frame(&[(1, 0x1f_ffff, &[0])]),
        frame(&[(1, 4000, &[0]), (1, 93, &[0])]),
        frame(&[(2, literals.len(), literals)]),
        frame(&[(1, 100, &[0]), (2, sequences.len(), sequences)]),
        frame(&[(3, 0, &[])]),
    ] {
        assert_eq!(
            deliver(&mut session, &bad),
            Handled::Dropped(DropReason::BadCompression),
            "{bad:02x?}"
        );
    }
    let good = frame(&[(1, 4000, &[0]), (1, 92, &[0])]);
    assert_eq!(
        deliver(&mut session, &good),
        Handled::Dropped(DropReason::UnknownCommand)
    );
    assert_alive(&mut session);
}

#[test]
fn a_fastlz_stream_that_copies_from_before_its_start_or_is_of_level_2_is_dropped() {
    let mut session = connected(Compression::FastLz);
    for bad in [
        &[0x00, 0x85, 0x20, 0x01][..],
        &[0x20, 0x85, 0xff],
        &[0x01, 0x85],
        &[0x00, 0x85, 0xe0, 0x05],
        &[0x00, 0x85, 0xff, 0xff, 0xff],
    ] {
        assert_eq!(
            deliver(&mut session, bad),
            Handled::Dropped(DropReason::BadCompression),
            "{bad:02x?}"
        );
    }
    assert_alive(&mut session);
}

#[test]
fn zeros_that_fastlz_adds_to_a_short_datagram_are_not_counted_as_anything() {
    let mut session = connected(Compression::FastLz);
    let data = [
        // Eight bytes of a packet, which end the second command.
        0x07, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x03, 0, 0, 0,
    ];
    let stream = packed(Compression::FastLz, &data);
    assert_eq!(deliver(&mut session, &stream), Handled::Consumed);
    assert_eq!(session.server().stats().dropped_in_all(), 0);
    session.network.drive();
    let events = session.network.take_events(session.server);
    assert!(
        matches!(&events[..], [Event::Received { payload, .. }] if payload[..] == [0; 3]),
        "{events:?}"
    );
}

fn any_mode() -> impl Strategy<Value = Compression> {
    (0..MODES.len()).prop_map(|mode| MODES[mode].1)
}

/// From hardly to easily compressible.
fn any_plain() -> impl Strategy<Value = Vec<u8>> {
    let random = proptest::collection::vec(any::<u8>(), 1..2000);
    let few = proptest::collection::vec(0u8..4, 1..4096);
    let repeated = (proptest::collection::vec(any::<u8>(), 1..300), 1usize..4096)
        .prop_map(|(bytes, length)| bytes.into_iter().cycle().take(length).collect());
    prop_oneof![random, few, repeated]
}

proptest! {
    #[test]
    fn what_was_compressed_comes_back_in_every_mode(mode in any_mode(), plain in any_plain()) {
        let stream = packed(mode, &plain);
        let mut back = vec![0xaa; plain.len().max(16)];
        let length = mode.compressor().unwrap().decompress(&stream, &mut back).unwrap();
        let padded = if mode == Compression::FastLz { plain.len().max(16) } else { plain.len() };
        prop_assert_eq!(length, padded);
        prop_assert_eq!(&back[..plain.len()], &plain[..]);
        prop_assert!(back[plain.len()..length].iter().all(|&byte| byte == 0));
        let mut short = vec![0; plain.len().saturating_sub(1)];
        prop_assert_eq!(mode.compressor().unwrap().decompress(&stream, &mut short), None);
    }

    #[test]
    fn damaged_streams_stay_within_the_output(
        mode in any_mode(),
        plain in any_plain(),
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut stream = packed(mode, &plain);
        for (place, byte) in places {
            let place = place.index(stream.len());
            stream[place] = byte;
        }
        stream.truncate(1 + cut.index(stream.len()));
        let mut back = vec![0; 4092];
        let length = mode.compressor().unwrap().decompress(&stream, &mut back);
        prop_assert!(length.is_none_or(|length| length <= back.len()));
    }
}
