//! Packets that come in parts: [`Shape`] checks the fields of a part, [`Reassembly`] collects the parts.

use crate::wire::{Fragment, MAXIMUM_FRAGMENTS};
use crate::{DropReason, Limits};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::Bytes;

/// From this length on, a packet is believed to be a long one.
const LONG_BYTES: usize = 32 << 10;

/// How a packet is divided: all parts have one length but the last, which is what remains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) total_bytes: u32,
    pub(crate) count: u32,
    part_bytes: u32,
}

impl Shape {
    /// The shape that the fields of `part` state, if they fit together and the limits.
    pub(crate) fn of(part: &Fragment<'_>, limits: &Limits) -> Result<Self, DropReason> {
        let length = u32::try_from(part.payload.len()).map_err(|_| DropReason::BadFragment)?;
        if part.count == 0
            || part.count > MAXIMUM_FRAGMENTS
            || part.number >= part.count
            || length == 0
            || part.total_bytes < part.count
        {
            return Err(DropReason::BadFragment);
        }
        if part.total_bytes as usize > limits.packet_bytes || part.count > limits.fragments {
            return Err(DropReason::TooLarge);
        }
        // Every part but the first states the length of a part by where it begins.
        let part_bytes = match part.offset.checked_div(part.number) {
            Some(part_bytes) if part_bytes * part.number == part.offset => part_bytes,
            None if part.offset == 0 => length,
            _ => return Err(DropReason::BadFragment),
        };
        let shape = Self {
            total_bytes: part.total_bytes,
            count: part.count,
            part_bytes,
        };
        let fits = part_bytes > 0
            && part.total_bytes.div_ceil(part_bytes) == part.count
            && part.offset < part.total_bytes
            && length == part_bytes.min(part.total_bytes - part.offset);
        if fits {
            Ok(shape)
        } else {
            Err(DropReason::BadFragment)
        }
    }
}

/// The parts of one packet that have come.
///
/// Memory follows the bytes received: parts in order are appended, later ones are kept apart until the gap closes.
#[derive(Debug)]
pub(crate) struct Reassembly {
    shape: Shape,
    /// All parts below `next`, joined.
    joined: Vec<u8>,
    next: u32,
    later: BTreeMap<u32, Box<[u8]>>,
    later_bytes: usize,
}

impl Reassembly {
    pub(crate) const fn new(shape: Shape) -> Self {
        Self {
            shape,
            joined: Vec::new(),
            next: 0,
            later: BTreeMap::new(),
            later_bytes: 0,
        }
    }

    pub(crate) const fn shape(&self) -> Shape {
        self.shape
    }

    /// Whether the part `number` has come.
    pub(crate) fn has(&self, number: u32) -> bool {
        number < self.next || self.later.contains_key(&number)
    }

    /// Takes part `number`, which [`Shape::of`] found to be of this shape and which has not come before.
    pub(crate) fn add(&mut self, number: u32, payload: &[u8]) {
        if number != self.next {
            self.later_bytes += payload.len();
            self.later.insert(number, payload.into());
            return;
        }
        self.reserve(payload.len());
        self.joined.extend_from_slice(payload);
        self.next += 1;
        while let Some(part) = self.later.remove(&self.next) {
            self.joined.extend_from_slice(&part);
            self.later_bytes -= part.len();
            self.next += 1;
        }
    }

    /// Makes room for `more` bytes, and for more than these once many have come.
    fn reserve(&mut self, more: usize) {
        let capacity = self.capacity_for(more);
        self.joined.reserve_exact(capacity - self.joined.len());
    }

    fn capacity_for(&self, more: usize) -> usize {
        let have = self.joined.len();
        let needed = have + more;
        if needed <= self.joined.capacity() {
            return self.joined.capacity();
        }
        let ahead = if have < LONG_BYTES { have } else { 3 * have };
        let total = self.shape.total_bytes as usize;
        needed.saturating_add(ahead).min(total).max(needed)
    }

    /// By how much the charge grows at most with part `number` of `bytes`.
    pub(crate) fn growth(&self, number: u32, bytes: usize) -> usize {
        if number == self.next {
            self.capacity_for(bytes + self.later_bytes) - self.joined.capacity()
        } else {
            bytes + Limits::OVERHEAD_BYTES
        }
    }

    pub(crate) const fn is_complete(&self) -> bool {
        self.next == self.shape.count
    }

    /// The packet, once complete.
    pub(crate) fn into_payload(self) -> Bytes {
        self.joined.into()
    }

    /// What it is charged: the memory for the bytes that have come, and overhead for the packet and each part kept apart.
    pub(crate) fn charge(&self) -> usize {
        let overhead = (self.later.len() + 1) * Limits::OVERHEAD_BYTES;
        self.joined.capacity() + self.later_bytes + overhead
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_core::SeedRng;

    fn part(total: u32, size: u32, number: u32, bytes: &[u8]) -> Fragment<'_> {
        let from = (number * size) as usize;
        let to = bytes.len().min(from + size as usize);
        Fragment {
            start_sequence: 1,
            count: total.div_ceil(size),
            number,
            total_bytes: total,
            offset: number * size,
            payload: &bytes[from..to],
        }
    }

    #[test]
    fn parts_in_any_order_make_the_packet() {
        let mut rng = SeedRng::new([5; 32]);
        for _ in 0..200 {
            let total = 1 + rng.below(5000);
            let size = 1 + rng.below(600);
            let mut bytes = alloc::vec![0; total as usize];
            rng.fill(&mut bytes);
            let count = total.div_ceil(size);
            let mut order: Vec<u32> = (0..count).collect();
            for index in 0..order.len() {
                let other = rng.below(count) as usize;
                order.swap(index, other);
            }
            let first = part(total, size, order[0], &bytes);
            let mut reassembly = Reassembly::new(Shape::of(&first, &Limits::hardened()).unwrap());
            for number in order {
                assert!(!reassembly.has(number) && !reassembly.is_complete());
                let part = part(total, size, number, &bytes);
                assert_eq!(
                    Shape::of(&part, &Limits::hardened()),
                    Ok(reassembly.shape())
                );
                reassembly.add(number, part.payload);
            }
            assert!(reassembly.is_complete());
            assert_eq!(reassembly.into_payload(), bytes);
        }
    }

    // req: HE-8, HE-10
    #[test]
    fn fields_that_contradict_each_other_are_refused() {
        let good = part(10, 4, 1, b"0123456789");
        assert!(Shape::of(&good, &Limits::hardened()).is_ok());
        let bad = [
            Fragment { count: 0, ..good },
            Fragment { count: 4, ..good },
            Fragment { number: 3, ..good },
            Fragment { number: 2, ..good },
            Fragment { offset: 5, ..good },
            Fragment { offset: 0, ..good },
            Fragment {
                offset: u32::MAX,
                ..good
            },
            Fragment {
                payload: b"",
                ..good
            },
            Fragment {
                payload: b"456",
                ..good
            },
            Fragment {
                payload: b"45678",
                ..good
            },
            Fragment {
                total_bytes: 2,
                ..good
            },
        ];
        for fragment in bad {
            let verdict = Shape::of(&fragment, &Limits::hardened());
            assert_eq!(verdict, Err(DropReason::BadFragment), "{fragment:?}");
        }
        let long = Fragment {
            total_bytes: 5 << 20,
            ..good
        };
        assert_eq!(
            Shape::of(&long, &Limits::hardened()),
            Err(DropReason::TooLarge)
        );
    }
}
