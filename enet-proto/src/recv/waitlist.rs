//! Reliable packets that came before their turn, by position in the channel: [`Waitlist`].

use super::Reassembly;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use bytes::Bytes;

/// Positions of one chunk.
const CHUNK: u64 = 32;
const SLOTS: usize = 32;

/// A reliable packet that came before its turn, or of which parts are missing.
#[derive(Debug)]
pub(super) enum Waiting {
    Packet(Bytes),
    Parts(Box<Reassembly>),
}

#[derive(Debug, Default)]
struct Chunk {
    slots: [Option<Waiting>; SLOTS],
    used: u32,
}

/// A sparse ring: finding, adding and taking a packet costs O(1), and memory follows what waits in chunks of 32.
#[derive(Debug, Default)]
pub(super) struct Waitlist {
    /// Number of the first chunk: its positions divided by 32.
    first: u64,
    chunks: VecDeque<Option<Box<Chunk>>>,
    count: usize,
}

impl Waitlist {
    /// What a chunk is charged.
    pub(super) const CHUNK_BYTES: usize = size_of::<Chunk>();

    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    #[inline]
    fn chunk(&self, position: u64) -> Option<usize> {
        usize::try_from((position / CHUNK).checked_sub(self.first)?).ok()
    }

    #[inline]
    const fn slot(position: u64) -> usize {
        (position % CHUNK) as usize
    }

    #[inline]
    pub(super) fn get_mut(&mut self, position: u64) -> Option<&mut Waiting> {
        let chunk = self.chunk(position)?;
        let chunk = self.chunks.get_mut(chunk)?.as_mut()?;
        chunk.slots[Self::slot(position)].as_mut()
    }

    /// Whether adding a packet at `position` takes another chunk.
    #[inline]
    pub(super) fn needs_chunk(&self, position: u64) -> bool {
        let chunk = self.chunk(position);
        chunk.is_none_or(|chunk| self.chunks.get(chunk).is_none_or(Option::is_none))
    }

    /// Adds a packet at `position`, which is not below any that was taken, and where none is.
    pub(super) fn insert(&mut self, position: u64, waiting: Waiting) {
        let number = position / CHUNK;
        if self.chunks.is_empty() {
            self.first = number;
        }
        while number < self.first {
            self.chunks.push_front(None);
            self.first -= 1;
        }
        let chunk = usize::try_from(number - self.first).unwrap_or(0);
        if self.chunks.len() <= chunk {
            self.chunks.resize_with(chunk + 1, || None);
        }
        let chunk = self.chunks[chunk].get_or_insert_default();
        chunk.slots[Self::slot(position)] = Some(waiting);
        chunk.used += 1;
        self.count += 1;
    }

    /// Takes the packet at `position` out, and says whether that freed a chunk.
    #[inline]
    pub(super) fn take(&mut self, position: u64) -> Option<(Waiting, bool)> {
        let index = self.chunk(position)?;
        let chunk = self.chunks.get_mut(index)?;
        let content = chunk.as_mut()?;
        let waiting = content.slots[Self::slot(position)].take()?;
        content.used -= 1;
        self.count -= 1;
        let freed = content.used == 0;
        if freed {
            *chunk = None;
            while let Some(None) = self.chunks.front() {
                self.chunks.pop_front();
                self.first += 1;
            }
        }
        Some((waiting, freed))
    }

    /// The lowest position up to `last` at which a packet is.
    pub(super) fn first_up_to(&self, last: u64) -> Option<u64> {
        if self.is_empty() {
            return None;
        }
        for (number, chunk) in (self.first..=last / CHUNK).zip(&self.chunks) {
            let Some(chunk) = chunk else {
                continue;
            };
            let slot = (0..CHUNK).find(|&slot| chunk.slots[Self::slot(slot)].is_some());
            let position = number * CHUNK + slot?;
            return (position <= last).then_some(position);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proto_core::SeedRng;

    #[test]
    fn it_agrees_with_a_map_while_the_window_moves_on() {
        let mut rng = SeedRng::new([4; 32]);
        let (mut list, mut model) = (Waitlist::default(), BTreeMap::new());
        let mut base = 1_000_u64;
        for step in 0..50_000_u32 {
            base += u64::from(rng.below(3));
            while let Some(position) = list.first_up_to(base) {
                let (waiting, _) = list.take(position).unwrap();
                let Waiting::Packet(payload) = waiting else {
                    panic!("only packets were added");
                };
                assert_eq!(model.pop_first(), Some((position, payload)));
            }
            let position = base + 1 + u64::from(rng.below(2_000));
            let payload = Bytes::copy_from_slice(&step.to_be_bytes());
            if list.get_mut(position).is_none() {
                assert!(!model.contains_key(&position));
                let grows = list.needs_chunk(position);
                let before = list.chunks.iter().flatten().count();
                list.insert(position, Waiting::Packet(payload.clone()));
                model.insert(position, payload);
                let after = list.chunks.iter().flatten().count();
                assert_eq!(after - before, usize::from(grows));
            } else {
                assert!(model.contains_key(&position));
            }
            assert_eq!(list.is_empty(), model.is_empty());
        }
    }
}
