//! The parts of a swarm, one for each thread: [`Part`], and what they [share](Shared).

use crate::memory::resident_bytes;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};
use gdwire::session::PeerId;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Clients that are worth a thread of their own, where nobody asks for threads.
const CLIENTS_PER_THREAD: u32 = 100;
/// Most threads of a swarm.
pub(super) const MOST_THREADS: u16 = 64;

/// A part of a swarm: each so-many-eth client.
#[derive(Debug)]
pub(super) struct Part {
    /// From 0.
    index: u32,
    /// How many parts there are.
    of: u32,
    pub(super) shared: Arc<Shared>,
}

/// What the parts of a swarm have in common.
#[derive(Debug)]
pub(super) struct Shared {
    clients: u32,
    /// Ids of clients, no two alike.
    ids: Mutex<BTreeSet<PeerId>>,
    joined: AtomicU32,
    failed: AtomicU32,
    lost: AtomicU32,
    memory_when_joined: OnceLock<Option<u64>>,
}

/// How far a swarm is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) clients: u32,
    pub(super) joined: u32,
    pub(super) failed: u32,
    pub(super) lost: u32,
}

/// How many threads run `clients` where `asked` are asked for, or the machine decides.
pub(super) fn threads(asked: Option<u16>, clients: u32) -> u32 {
    let threads = match asked {
        Some(asked) => asked.into(),
        None => {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            u32::try_from(cores)
                .unwrap_or(1)
                .min(clients.div_ceil(CLIENTS_PER_THREAD))
        }
    };
    threads.clamp(1, u32::from(MOST_THREADS).min(clients.max(1)))
}

impl Part {
    /// `of` parts, at least one, of a swarm of so many clients.
    pub(super) fn all(of: u32, clients: u32) -> (Arc<Shared>, impl Iterator<Item = Self>) {
        let shared = Arc::new(Shared {
            clients,
            ids: Mutex::default(),
            joined: AtomicU32::new(0),
            failed: AtomicU32::new(0),
            lost: AtomicU32::new(0),
            memory_when_joined: OnceLock::new(),
        });
        let whole = Arc::clone(&shared);
        let part = move |index| Self {
            index,
            of,
            shared: Arc::clone(&shared),
        };
        (whole, (0..of).map(part))
    }

    /// How many clients belong to it.
    pub(super) fn clients(&self) -> u32 {
        (self.shared.clients + self.of - 1 - self.index) / self.of
    }

    /// The number in the whole swarm of the client with this number in the part.
    pub(super) const fn number(&self, index: u32) -> u32 {
        index * self.of + self.index
    }

    /// How many join while one of this part does.
    pub(super) const fn stride(&self) -> u32 {
        self.of
    }
}

impl Shared {
    /// Takes an id; false if another client has it.
    pub(super) fn take_id(&self, id: PeerId) -> bool {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.insert(id)
    }

    pub(super) fn note_joined(&self) {
        let before = self.joined.fetch_add(1, Ordering::Relaxed);
        if before + 1 == self.clients {
            self.memory_when_joined.get_or_init(resident_bytes);
        }
    }

    pub(super) fn note_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            clients: self.clients,
            joined: self.joined.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
        }
    }

    /// Bytes of this process in memory when the last client had joined, if all have.
    pub(super) fn memory_when_joined(&self) -> Option<u64> {
        self.memory_when_joined.get().copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_belongs_to_one_part_and_parts_differ_by_one_at_most() {
        for (of, clients) in [(1, 1), (1, 50), (2, 3), (3, 3), (4, 4001), (7, 50)] {
            let (_, parts) = Part::all(of, clients);
            let mut numbers = BTreeSet::new();
            for part in parts {
                assert!([clients / of, clients.div_ceil(of)].contains(&part.clients()));
                numbers.extend((0..part.clients()).map(|index| part.number(index)));
            }
            assert!(
                numbers.into_iter().eq(0..clients),
                "{of} parts of {clients}"
            );
        }
    }

    #[test]
    fn there_are_no_more_threads_than_clients_and_few_clients_have_one() {
        assert_eq!(threads(None, 100), 1);
        assert_eq!(threads(Some(8), 3), 3);
        assert_eq!(threads(Some(8), 5000), 8);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let expected = u32::try_from(cores).unwrap().min(MOST_THREADS.into());
        assert_eq!(threads(None, 50_000), expected);
    }

    #[test]
    fn an_id_is_taken_once_whatever_part_asks() {
        let (shared, parts) = Part::all(2, 2);
        let id = PeerId::new(77).unwrap();
        let taken: Vec<bool> = parts.map(|part| part.shared.take_id(id)).collect();
        assert_eq!(taken, [true, false]);
        assert_eq!(shared.memory_when_joined(), None);
        shared.note_joined();
        assert!(shared.memory_when_joined.get().is_none());
        shared.note_joined();
        assert!(shared.memory_when_joined.get().is_some());
        assert_eq!(shared.counts().joined, 2);
    }
}
