//! The range coder against C ENet's, byte for byte.

use cenet::RangeCoder as Reference;
use enet_proto::compress::{Compressor, RangeCoder};
use testkit::Dice;

const BUFFERS: u64 = 10_000;

/// Bytes of one of several kinds, from hardly to easily compressible, of 1 to 4096 bytes.
fn buffer(number: u64) -> Vec<u8> {
    let mut dice = Dice::new(number);
    let length = match number % 3 {
        0 => 1 + dice.below(64),
        1 => 1 + dice.below(1400),
        _ => 1 + dice.below(4096),
    };
    let mut bytes = vec![0; usize::try_from(length).expect("small")];
    dice.fill(&mut bytes);
    match number % 7 {
        0 => {}
        1 => bytes.iter_mut().for_each(|byte| *byte &= 0x0f),
        2 => bytes.iter_mut().for_each(|byte| *byte &= *byte >> 2 | 1),
        3 => bytes.iter_mut().for_each(|byte| *byte = b'a' + *byte % 3),
        4 => bytes.fill(number as u8),
        5 => (0..bytes.len()).for_each(|at| bytes[at] = bytes[at % 37]),
        _ => (4..bytes.len()).for_each(|at| {
            if bytes[at] & 3 != 0 {
                bytes[at] = bytes[at - 4];
            }
        }),
    }
    bytes
}

#[test]
fn ten_thousand_buffers_are_compressed_to_the_same_bytes_and_back() {
    let (mut ours, mut reference) = (RangeCoder::new(), Reference::new());
    let mut shrunk = 0;
    for number in 0..BUFFERS {
        let input = buffer(number);
        // Room as ENet has it, and room enough.
        for room in [input.len(), 2 * input.len() + 64] {
            let (mut packed, mut expected) = (vec![0; room], vec![0; room]);
            let length = ours.compress(&input, &mut packed).unwrap_or(0);
            let expected_length = reference.compress(&input, &mut expected);
            assert_eq!(
                packed[..length],
                expected[..expected_length],
                "buffer {number}"
            );
            shrunk += u64::from(room == input.len() && length > 0);
            if length > 0 {
                let mut plain = vec![0; input.len()];
                let back = ours.decompress(&packed[..length], &mut plain);
                assert_eq!(
                    (back, &plain),
                    (Some(input.len()), &input),
                    "buffer {number}"
                );
            }
        }
    }
    assert!(shrunk > BUFFERS / 2, "only {shrunk} shrank");
}

#[test]
fn ten_thousand_damaged_streams_are_read_alike() {
    let (mut ours, mut reference) = (RangeCoder::new(), Reference::new());
    let mut read = 0;
    for number in 0..BUFFERS {
        let mut dice = Dice::new(number + BUFFERS);
        let input = buffer(number);
        let mut packed = vec![0; 2 * input.len() + 64];
        let length = reference.compress(&input, &mut packed);
        packed.truncate(length);
        match number % 4 {
            0 => packed
                .iter_mut()
                .take(1 + length / 2)
                .for_each(|byte| *byte = dice.below(256) as u8),
            1 => packed.truncate(1 + length / 2),
            2 => packed[dice.below(length as u64) as usize] ^= 1 << dice.below(8),
            _ => packed.extend_from_slice(&number.to_be_bytes()),
        }
        let room = [4092, input.len(), 64][dice.below(3) as usize];
        let (mut plain, mut expected) = (vec![0; room], vec![0; room]);
        let length = ours.decompress(&packed, &mut plain).unwrap_or(0);
        let expected_length = reference.decompress(&packed, &mut expected);
        assert_eq!(
            plain[..length],
            expected[..expected_length],
            "stream {number}"
        );
        read += u64::from(length > 0);
    }
    assert!(read > BUFFERS / 4, "only {read} of them gave anything");
}
