use super::*;
use alloc::vec;
use alloc::vec::Vec;
use proptest::collection::vec as bytes;
use proptest::prelude::*;

/// Bytes as compressors like them: runs, and few values.
fn repetitive() -> impl Strategy<Value = Vec<u8>> {
    let runs = bytes((0u8..6, 1usize..60), 1..60);
    runs.prop_map(|runs| {
        runs.into_iter()
            .flat_map(|(value, count)| core::iter::repeat_n(value * 50, count))
            .collect()
    })
}

fn any_input() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![bytes(any::<u8>(), 1..4200), repetitive()]
}

proptest! {
    #[test]
    fn what_was_compressed_comes_back_through_the_table_and_through_the_tree(input in any_input()) {
        let mut coder = RangeCoder::new();
        let mut packed = vec![0; 2 * input.len() + 64];
        let length = coder.compress(&input, &mut packed).unwrap();
        let mut plain = vec![0; input.len()];
        let through_table = coder.decompress(&packed[..length], &mut plain);
        prop_assert_eq!(through_table, Some(input.len()));
        prop_assert_eq!(&plain, &input);
        let through_tree = damaged::decompress(&mut coder.arena, &packed[..length], &mut plain);
        prop_assert_eq!(through_tree, Some(input.len()));
        prop_assert_eq!(&plain, &input);
    }

    #[test]
    fn any_bytes_are_decoded_by_the_table_as_by_the_tree(
        input in bytes(any::<u8>(), 1..100),
        room in 1usize..4096,
    ) {
        let mut coder = RangeCoder::new();
        let (mut table, mut tree) = (vec![0; room], vec![0; room]);
        let expected = damaged::decompress(&mut coder.arena, &input, &mut tree);
        let length = coder.decompress(&input, &mut table);
        prop_assert_eq!(length, expected);
        prop_assert_eq!(&table[..length.unwrap_or(0)], &tree[..length.unwrap_or(0)]);
    }

    #[test]
    fn output_that_does_not_fit_is_refused(input in any_input(), short in 1usize..20) {
        let mut coder = RangeCoder::new();
        let mut packed = vec![0; 2 * input.len() + 64];
        let length = coder.compress(&input, &mut packed).unwrap();
        let room = length.saturating_sub(short);
        prop_assert_eq!(coder.compress(&input, &mut vec![0; room]), None);
        let room = input.len().saturating_sub(short);
        prop_assert_eq!(coder.decompress(&packed[..length], &mut vec![0; room]), None);
    }
}
