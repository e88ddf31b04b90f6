//! The body for the compressors of `enet-proto`.

use enet_proto::compress::{Compression, Compressor};

const MODES: [Compression; 4] = [
    Compression::RangeCoder,
    Compression::FastLz,
    Compression::Zlib,
    Compression::Zstd,
];
/// The commands of the largest datagram.
const MOST_BYTES: usize = 4092;
/// What FastLZ pads to.
const PADDED_BYTES: usize = 16;
/// Fills what a decompressor must not touch.
const UNTOUCHED: u8 = 0xa5;

/// A mode, then any bytes as a stream of it, and as what it has to give back after compressing it.
///
/// # Panics
/// When a compressor does, writes beyond what it says, or does not give back what it took.
pub fn enet_decompress(data: &[u8]) {
    let Some((&mode, bytes)) = data.split_first() else {
        return;
    };
    let mode = MODES[usize::from(mode) % MODES.len()];
    let mut coder = mode.compressor().expect("a mode that compresses");
    let first = read(&mut *coder, bytes);
    check_round_trip(&mut *coder, mode, bytes);
    assert_eq!(
        read(&mut *coder, bytes),
        first,
        "what was before makes a difference"
    );
}

/// What a stream gives in the largest room; in less it fits or is refused.
fn read(coder: &mut dyn Compressor, stream: &[u8]) -> Option<Vec<u8>> {
    let mut plain = vec![UNTOUCHED; MOST_BYTES];
    let length = coder.decompress(stream, &mut plain);
    let whole = length.map(|length| plain[..length].to_vec());
    let length = whole.as_ref().map_or(MOST_BYTES, Vec::len);
    for room in [length, length.saturating_sub(1), 64] {
        let mut less = vec![UNTOUCHED; room + 1];
        let read = coder.decompress(stream, &mut less[..room]);
        assert_eq!(less[room], UNTOUCHED, "written behind the output");
        match (&whole, read) {
            (Some(whole), Some(read)) => assert_eq!(less[..read], whole[..]),
            (Some(whole), None) => assert!(room < whole.len(), "refused for want of room"),
            (None, Some(_)) => panic!("taken in {room} bytes, and refused in more"),
            (None, None) => {}
        }
    }
    whole
}

fn check_round_trip(coder: &mut dyn Compressor, mode: Compression, plain: &[u8]) {
    if plain.is_empty() {
        return;
    }
    let mut packed = vec![0; 2 * plain.len() + 64];
    let length = coder.compress(plain, &mut packed);
    packed.truncate(length.expect("there is room for anything"));
    let mut expected = plain.to_vec();
    if mode == Compression::FastLz {
        expected.resize(plain.len().max(PADDED_BYTES), 0);
    }
    let mut back = vec![0; expected.len()];
    let length = coder.decompress(&packed, &mut back);
    assert_eq!(length, Some(expected.len()), "our own stream is not read");
    assert_eq!(back, expected, "something else comes back");
    let mut short = vec![0; packed.len() - 1];
    assert_eq!(
        coder.compress(plain, &mut short),
        None,
        "more was written than there is room for"
    );
}
