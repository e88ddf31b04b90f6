//! A table whose rows keep their index until they are removed.

use alloc::vec::Vec;

/// Rows by index; indexes of removed rows are given again.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    rows: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self {
            rows: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(crate) fn insert(&mut self, row: T) -> u32 {
        if let Some(index) = self.free.pop()
            && let Some(place) = self.rows.get_mut(index as usize)
        {
            *place = Some(row);
            return index;
        }
        // More rows than 32 bits count do not fit in memory.
        let index = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        self.rows.push(Some(row));
        index
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let row = self.rows.get_mut(index as usize)?.take()?;
        self.free.push(index);
        Some(row)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.rows.get(index as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.rows.get_mut(index as usize)?.as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let rows = (0_u32..).zip(&self.rows);
        rows.filter_map(|(index, row)| Some((index, row.as_ref()?)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        let rows = (0_u32..).zip(&mut self.rows);
        rows.filter_map(|(index, row)| Some((index, row.as_mut()?)))
    }
}
