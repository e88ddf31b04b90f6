//! The context without a predecessor: [`Root`].
//!
//! Every byte is in it from the start, so it is as large as contexts get, and each byte that is new elsewhere is coded
//! here. Sums over groups of 16 bytes, make each step a fixed number of additions, which compilers turn into vectors.

use super::model::{Contexts, Link, TOTAL_LIMIT};

/// What a byte gains each time it is coded here.
pub(super) const INCREMENT: u8 = 3;
/// The weight of each byte before it is seen.
pub(super) const MINIMUM: u16 = 1;
/// The weight of the end of the stream, which no fading changes.
pub(super) const ESCAPES: u16 = 1;
/// A byte of more than this makes the context fade; this counts [`MINIMUM`].
pub(super) const FREQUENCY_LIMIT: u16 = 250;
/// The sum of all weights before anything was seen.
pub(super) const INITIAL_TOTAL: u16 = ESCAPES + 256 * MINIMUM;

/// Bytes of a group, and groups.
const GROUP: usize = 16;
/// Sums in a word, of 16 bits each.
const LANES: usize = 4;
const WORDS: usize = GROUP / LANES;
/// A one in each lane, and the top bit of each.
const ONES: u64 = 0x0001_0001_0001_0001;
const TOPS: u64 = ONES << 15;
/// Totals below this can be searched; no valid stream needs more.
const SUM_LIMIT: u32 = 1 << 15;

/// The sums of a row of 16 weights up to each of them, without itself.
type Sums = [u64; WORDS];

/// For each place in a row: what its sums gain when the weight there does.
static STEPS: [Sums; GROUP] = {
    let mut steps = [[0; WORDS]; GROUP];
    let mut entry = 0;
    while entry < GROUP {
        let mut place = entry + 1;
        while place < GROUP {
            steps[entry][place / LANES] |= (INCREMENT as u64) << (place % LANES * 16);
            place += 1;
        }
        entry += 1;
    }
    steps
};

/// A byte and its interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) value: u8,
    pub(super) below: u32,
    pub(super) frequency: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Root {
    /// The weights of whole groups, the escape before them.
    groups: Sums,
    /// The weights in each group.
    within: [Sums; GROUP],
    counts: [u8; 256],
    /// The contexts that the bytes open.
    nodes: [Link; 256],
    total: u32,
}

impl Root {
    /// Nothing seen.
    pub(super) const fn new() -> Self {
        let mut this = Self {
            groups: [0; WORDS],
            within: [[0; WORDS]; GROUP],
            counts: [0; 256],
            nodes: [Link::ROOT; 256],
            total: INITIAL_TOTAL as u32,
        };
        this.sum();
        this
    }

    pub(super) fn forget(&mut self) {
        static NEW: Root = Root::new();
        self.clone_from(&NEW);
    }

    #[inline(always)]
    pub(super) const fn total(&self) -> u32 {
        self.total
    }

    /// The interval of `value`.
    #[inline(always)]
    pub(super) fn symbol(&self, value: u8) -> Symbol {
        let (group, place) = split(value);
        Symbol {
            value,
            below: lane(&self.groups, group).wrapping_add(lane(&self.within[group], place)),
            frequency: u32::from(self.counts[usize::from(value)]) + MINIMUM as u32,
        }
    }

    /// The byte whose interval holds `code`, which is none of the escape's.
    #[inline(always)]
    pub(super) fn find(&self, code: u16) -> Option<u8> {
        if u32::from(code) >= self.total || self.total >= SUM_LIMIT {
            return None;
        }
        let group = last_not_above(&self.groups, code.into());
        let rest = u32::from(code).wrapping_sub(lane(&self.groups, group));
        let place = last_not_above(&self.within[group], rest);
        Some((group * GROUP + place) as u8)
    }

    /// Counts a byte; gives the context that it opens.
    #[inline(always)]
    pub(super) fn touch(&mut self, contexts: &mut Contexts<'_>, symbol: Symbol) -> Link {
        let (group, place) = split(symbol.value);
        let value = usize::from(symbol.value);
        self.counts[value] = self.counts[value].wrapping_add(INCREMENT);
        add(&mut self.groups, &STEPS[group]);
        add(&mut self.within[group], &STEPS[place]);
        self.total = self.total.wrapping_add(INCREMENT.into());
        if symbol.frequency > FREQUENCY_LIMIT.into() || self.total > TOTAL_LIMIT {
            self.fade();
        }
        let known = self.nodes[value];
        if known != Link::ROOT {
            return known;
        }
        let node = contexts.create(symbol.value, INCREMENT);
        contexts.open(node, Link::ROOT);
        self.nodes[value] = node;
        node
    }

    /// Halves all counts.
    #[cold]
    fn fade(&mut self) {
        for count in &mut self.counts {
            *count -= *count / 2;
        }
        self.sum();
    }

    /// Makes the sums of the counts.
    const fn sum(&mut self) {
        self.groups = [0; WORDS];
        self.within = [[0; WORDS]; GROUP];
        let mut sum = ESCAPES;
        let mut group = 0;
        while group < GROUP {
            let start = sum;
            self.groups[group / LANES] |= (start as u64) << (group % LANES * 16);
            let mut place = 0;
            while place < GROUP {
                self.within[group][place / LANES] |= ((sum - start) as u64) << (place % LANES * 16);
                sum += self.counts[group * GROUP + place] as u16 + MINIMUM;
                place += 1;
            }
            group += 1;
        }
        self.total = sum as u32;
    }
}

#[inline(always)]
const fn split(value: u8) -> (usize, usize) {
    (value as usize / GROUP, value as usize % GROUP)
}

#[inline(always)]
fn lane(sums: &Sums, place: usize) -> u32 {
    let word = sums[place / LANES % WORDS];
    u32::from((word >> (place % LANES * 16)) as u16)
}

#[inline(always)]
fn add(sums: &mut Sums, steps: &Sums) {
    for (sum, step) in sums.iter_mut().zip(steps) {
        *sum = sum.wrapping_add(*step);
    }
}

/// The place of the last of these ascending sums that is not above `code`, which the first is not.
#[inline(always)]
fn last_not_above(sums: &Sums, code: u32) -> usize {
    // In each lane, the top bit survives the subtraction where the sum is not above. Both are below `SUM_LIMIT`.
    let probe = u64::from(code).wrapping_mul(ONES) | TOPS;
    let counts = sums.iter().fold(0u64, |counts, sum| {
        counts.wrapping_add(probe.wrapping_sub(*sum) >> 15 & ONES)
    });
    ((counts.wrapping_mul(ONES) >> 48) as usize).wrapping_sub(1) % GROUP
}
