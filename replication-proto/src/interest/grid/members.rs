//! Members by key and by slot: [`Members`].

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Members under their keys, each in a slot that stays while it is there and is used again after it left.
pub(super) struct Members<K, T> {
    by_key: BTreeMap<K, u32>,
    slots: Vec<Option<(K, T)>>,
    free: Vec<u32>,
}

impl<K: Copy + Ord, T> Members<K, T> {
    pub(super) const fn new() -> Self {
        Self {
            by_key: BTreeMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(super) fn find(&self, key: &K) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    /// Adds a member whose key is not there yet; nothing if there are no slots left.
    pub(super) fn insert(&mut self, key: K, member: T) -> Option<u32> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                let slot = u32::try_from(self.slots.len()).ok()?;
                self.slots.push(None);
                slot
            }
        };
        *self.slots.get_mut(slot as usize)? = Some((key, member));
        self.by_key.insert(key, slot);
        Some(slot)
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<(u32, T)> {
        let slot = self.by_key.remove(key)?;
        let (_, member) = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        Some((slot, member))
    }

    pub(super) fn key(&self, slot: u32) -> Option<K> {
        self.slots.get(slot as usize)?.as_ref().map(|&(key, _)| key)
    }

    pub(super) fn at(&self, slot: u32) -> Option<&T> {
        self.slots
            .get(slot as usize)?
            .as_ref()
            .map(|(_, member)| member)
    }

    pub(super) fn at_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.entry_mut(slot).map(|(_, member)| member)
    }

    pub(super) fn entry_mut(&mut self, slot: u32) -> Option<(K, &mut T)> {
        let (key, member) = self.slots.get_mut(slot as usize)?.as_mut()?;
        Some((*key, member))
    }
}

impl<K, T> Members<K, T> {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }
}
