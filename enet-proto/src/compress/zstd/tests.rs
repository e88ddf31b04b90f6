use super::*;
use alloc::vec;
use alloc::vec::Vec;
use proptest::collection::vec as bytes;
use proptest::prelude::*;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// What the other implementation makes of a frame.
fn reference(packed: &[u8]) -> Vec<u8> {
    let mut rest = packed;
    let mut decoder = FrameDecoder::new();
    decoder.reset(&mut rest).unwrap();
    let is_done = decoder.decode_blocks(&mut rest, BlockDecodingStrategy::All);
    assert!(is_done.unwrap() && rest.is_empty());
    decoder.collect().unwrap()
}

fn packed(plain: &[u8]) -> Vec<u8> {
    let mut packed = vec![0; plain.len() + 64];
    let length = Zstd::new().compress(plain, &mut packed).unwrap();
    packed.truncate(length);
    packed
}

/// Few values, so that codes are short, or many; with copies of what came before, or without.
fn any_plain(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let random = bytes(any::<u8>(), 1..most);
    let skewed = bytes(any::<u16>(), 1..most).prop_map(|words| {
        words
            .iter()
            .map(|word| word.leading_zeros() as u8)
            .collect()
    });
    let pieces = bytes(
        (
            bytes(any::<u8>(), 0..20),
            any::<prop::sample::Index>(),
            0usize..300,
        ),
        1..most / 20,
    );
    let copied = pieces.prop_map(|pieces| {
        let mut plain = vec![0];
        for (literals, from, length) in pieces {
            plain.extend(literals);
            let from = from.index(plain.len());
            (from..from + length).for_each(|at| plain.push(plain[at]));
        }
        plain
    });
    prop_oneof![random, skewed, copied]
}

proptest! {
    #[test]
    fn what_we_write_is_read_by_the_other_implementation_and_by_us(plain in any_plain(4000)) {
        let packed = packed(&plain);
        prop_assert_eq!(reference(&packed), &plain[..]);
        let mut back = vec![0; plain.len()];
        prop_assert_eq!(Zstd::new().decompress(&packed, &mut back), Some(plain.len()));
        prop_assert_eq!(back, plain);
    }

    #[test]
    fn what_the_other_implementation_writes_is_read_in_exactly_the_room_it_needs(plain in any_plain(8000)) {
        let packed = compress_to_vec(&plain[..], CompressionLevel::Fastest);
        for spare in [0, 1, 1000] {
            let mut back = vec![0; plain.len() + spare];
            prop_assert_eq!(Zstd::new().decompress(&packed, &mut back), Some(plain.len()));
            prop_assert_eq!(&back[..plain.len()], &plain[..]);
        }
        let mut short = vec![0; plain.len() - 1];
        prop_assert_eq!(Zstd::new().decompress(&packed, &mut short), None);
    }

    #[test]
    fn damaged_frames_are_read_as_the_other_implementation_reads_them_or_refused(
        plain in any_plain(4000),
        is_ours in any::<bool>(),
        places in bytes((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut packed = if is_ours { packed(&plain) } else { compress_to_vec(&plain[..], CompressionLevel::Fastest) };
        for (place, byte) in places {
            let place = place.index(packed.len());
            packed[place] = byte;
        }
        let mut back = vec![0; 8000];
        if let Some(length) = Zstd::new().decompress(&packed, &mut back) {
            prop_assert_eq!(reference(&packed), &back[..length]);
        }
    }
}

#[test]
fn codes_are_never_longer_than_the_format_allows() {
    // Counts that double give codes as long as there are symbols.
    let mut counts = [0; 256];
    for (number, count) in counts.iter_mut().take(16).enumerate() {
        *count = 1 << number.min(14);
    }
    let mut plain = Vec::new();
    for (value, &count) in (0..=u8::MAX).zip(&counts) {
        plain.extend(core::iter::repeat_n(value, usize::from(count)));
    }
    // Not in runs, which would be copies.
    let step = 7919;
    let plain: Vec<u8> = (0..plain.len())
        .map(|at| plain[at * step % plain.len()])
        .collect();
    let codes = huffman::Encoder::of(&counts);
    let mut room = vec![0; plain.len()];
    let tree = codes.write(&mut room).unwrap();
    let mut decoder = huffman::Decoder::new();
    let mut table = fse::Decoding::single(0);
    assert!(decoder.read(&room[..tree], &mut table).unwrap().is_empty());
    let length = codes.encode(&plain, &mut room).unwrap();
    let mut back = vec![0; plain.len()];
    decoder.decode(&room[..length], &mut back).unwrap();
    assert_eq!(back, plain);
}

#[test]
fn the_predefined_tables_are_whole() {
    for default in &sequences::DEFAULTS {
        let table = fse::Decoding::of(default);
        let encoding = fse::Encoding::of(default);
        let mut room = [0; 64];
        for symbol in 0..28 {
            let mut bits = bits::Writer::new(&mut room);
            let last = encoding.end(symbol);
            let first = encoding.before(last, 3, &mut bits).unwrap();
            encoding.start(first, &mut bits).unwrap();
            let length = bits.finish().unwrap();
            let mut bits = bits::Backward::new(&room[..length]).unwrap();
            let state = table.start(&mut bits);
            assert_eq!(table.symbol(state), 3);
            let state = table.next(state, &mut bits);
            assert_eq!(table.symbol(state), symbol);
            assert!(bits.is_spent());
        }
    }
}
