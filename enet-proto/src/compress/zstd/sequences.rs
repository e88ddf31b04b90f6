//! Sequences, which say how literals and copies take turns (RFC 8878, section 3.1.1.3.2).

use super::fse::Distribution;

/// A table of lengths: what each code begins at, and how many bits follow it.
pub(super) type Lengths<const N: usize> = [(u32, u8); N];

const fn lengths<const N: usize>(first: u32, bits: &[u8; N]) -> Lengths<N> {
    let mut table = [(0, 0); N];
    let (mut code, mut base) = (0, first);
    while code < N {
        table[code] = (base, bits[code]);
        base += 1 << bits[code];
        code += 1;
    }
    table
}

/// Lengths of runs of literals.
pub(super) static LITERALS: Lengths<36> = lengths(
    0,
    &[
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10,
        11, 12, 13, 14, 15, 16,
    ],
);

/// Lengths of copies.
pub(super) static MATCHES: Lengths<53> = lengths(
    3,
    &[
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
    ],
);

/// Codes of offsets: as many bits follow, and a one stands before them.
pub(super) const OFFSET_CODES: usize = 32;

/// Largest tables, in bits: of runs of literals, offsets, and lengths of copies.
pub(super) const LOGS: [u8; 3] = [9, 8, 9];
/// Most symbols of these tables.
pub(super) const SYMBOLS: [usize; 3] = [LITERALS.len(), OFFSET_CODES, MATCHES.len()];

/// The tables of streams that bring none, in the same order.
pub(super) static DEFAULTS: [Distribution; 3] = [
    Distribution::new(
        &[
            4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1,
            1, 1, 1, -1, -1, -1, -1,
        ],
        6,
    ),
    Distribution::new(
        &[
            1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1,
            -1,
        ],
        5,
    ),
    Distribution::new(
        &[
            1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
            1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
        ],
        6,
    ),
];

/// The code of a length, and the bits that follow it.
pub(super) fn code_of<const N: usize>(table: &Lengths<N>, length: u32) -> (u8, u32, u8) {
    let code = table.partition_point(|&(base, _)| base <= length) - 1;
    let (base, bits) = table[code];
    (code as u8, length - base, bits)
}

/// The last three offsets, which have short codes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recent([u32; 3]);

impl Recent {
    pub(super) const fn new() -> Self {
        Self([1, 4, 8])
    }

    /// What `value` means behind a run of `literals`; `None` for 0, which is none.
    #[inline]
    pub(super) fn offset(&mut self, value: u32, literals: u32) -> Option<usize> {
        let Self([first, second, third]) = *self;
        let offset = match value + u32::from(literals == 0) {
            _ if value > 3 => value - 3,
            1 => first,
            2 => second,
            3 => third,
            _ => first - 1,
        };
        *self = match value + u32::from(literals == 0) {
            _ if value > 3 => Self([offset, first, second]),
            1 => *self,
            2 => Self([second, first, third]),
            _ => Self([offset, first, second]),
        };
        (offset > 0).then_some(offset as usize)
    }

    /// The shortest value that means `offset` behind a run of `literals`; it becomes the most recent.
    pub(super) fn value(&mut self, offset: u32, literals: u32) -> u32 {
        let candidates = 1..=3;
        let mut known = candidates.filter(|&value| {
            let mut copy = *self;
            copy.offset(value, literals) == Some(offset as usize)
        });
        let value = known.next().unwrap_or(offset + 3);
        // One that was found or made for this offset means it.
        let _ = self.offset(value, literals);
        value
    }
}
