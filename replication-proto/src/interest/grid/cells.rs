//! Cells of the grid and who is listed in them: [`Cells`].

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// A block of cells, both corners included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Covered<const D: usize> {
    low: [i32; D],
    high: [i32; D],
}

impl<const D: usize> Covered<D> {
    pub(super) fn count(&self) -> u64 {
        let edges = self.low.iter().zip(&self.high);
        edges.fold(1, |count: u64, (&low, &high)| {
            count.saturating_mul(u64::from(high.abs_diff(low)) + 1)
        })
    }

    fn iter(self) -> impl Iterator<Item = [i32; D]> {
        let mut next = Some(self.low);
        core::iter::from_fn(move || {
            let cell = next?;
            next = self.after(cell);
            Some(cell)
        })
    }

    fn after(&self, mut cell: [i32; D]) -> Option<[i32; D]> {
        for ((at, &low), &high) in cell.iter_mut().zip(&self.low).zip(&self.high) {
            if *at < high {
                *at += 1;
                return Some(cell);
            }
            *at = low;
        }
        None
    }
}

#[derive(Default)]
struct Cell {
    entities: Vec<u32>,
    observers: Vec<u32>,
}

/// Only cells in which somebody is listed take memory.
pub(super) struct Cells<const D: usize> {
    edge: f64,
    cells: BTreeMap<[i32; D], Cell>,
}

impl<const D: usize> Cells<D> {
    pub(super) const fn new(edge: f64) -> Self {
        Self {
            edge,
            cells: BTreeMap::new(),
        }
    }

    pub(super) fn cell_of(&self, position: &[f32; D]) -> [i32; D] {
        position.map(|coordinate| floor(f64::from(coordinate) / self.edge))
    }

    /// The cells that a ball touches, and a little more so that rounding never loses one.
    pub(super) fn covered(&self, position: &[f32; D], radius: f64) -> Covered<D> {
        let reach = |coordinate: f32| {
            let slack = (radius + f64::from(coordinate.abs())) * 1e-9;
            radius + slack
        };
        Covered {
            low: position.map(|at| floor((f64::from(at) - reach(at)) / self.edge)),
            high: position.map(|at| floor((f64::from(at) + reach(at)) / self.edge)),
        }
    }

    pub(super) fn list_entity(&mut self, cell: [i32; D], slot: u32) {
        self.cells.entry(cell).or_default().entities.push(slot);
    }

    pub(super) fn unlist_entity(&mut self, cell: [i32; D], slot: u32) {
        self.edit(cell, |cell| take(&mut cell.entities, slot));
    }

    pub(super) fn list_observer(&mut self, covered: Covered<D>, slot: u32) {
        for cell in covered.iter() {
            self.cells.entry(cell).or_default().observers.push(slot);
        }
    }

    pub(super) fn unlist_observer(&mut self, covered: Covered<D>, slot: u32) {
        for cell in covered.iter() {
            self.edit(cell, |cell| take(&mut cell.observers, slot));
        }
    }

    /// Entities listed in a block of cells.
    pub(super) fn entities_in(&self, covered: Covered<D>) -> impl Iterator<Item = u32> + '_ {
        covered
            .iter()
            .filter_map(|cell| self.cells.get(&cell))
            .flat_map(|cell| cell.entities.iter().copied())
    }

    /// Observers whose radius touches a cell.
    pub(super) fn observers_at(&self, cell: [i32; D]) -> &[u32] {
        self.cells.get(&cell).map_or(&[], |cell| &cell.observers)
    }

    fn edit(&mut self, at: [i32; D], change: impl FnOnce(&mut Cell)) {
        let Some(cell) = self.cells.get_mut(&at) else {
            return;
        };
        change(cell);
        if cell.entities.is_empty() && cell.observers.is_empty() {
            self.cells.remove(&at);
        }
    }
}

fn take(list: &mut Vec<u32>, slot: u32) {
    if let Some(at) = list.iter().position(|&listed| listed == slot) {
        list.swap_remove(at);
    }
}

/// The largest whole number that is not above `value`; the ends of the type for what lies beyond.
fn floor(value: f64) -> i32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates, which is monotone, so far points share the last cell"
    )]
    let whole = value as i32;
    if f64::from(whole) > value {
        whole.saturating_sub(1)
    } else {
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floor_goes_down_also_below_zero_and_saturates() {
        let cases = [
            (0.0, 0),
            (0.9, 0),
            (-0.1, -1),
            (-1.0, -1),
            (-1.5, -2),
            (1e300, i32::MAX),
            (-1e300, i32::MIN),
        ];
        for (value, expected) in cases {
            assert_eq!(floor(value), expected, "{value}");
        }
    }

    #[test]
    fn a_block_of_cells_lists_each_cell_once() {
        let block = Covered {
            low: [-1, 2, 0],
            high: [1, 3, 0],
        };
        let listed: alloc::collections::BTreeSet<_> = block.iter().collect();
        assert_eq!(block.iter().count(), 6);
        assert_eq!(listed.len(), 6);
        assert_eq!(block.count(), 6);
    }

    #[test]
    fn the_widest_block_is_counted_without_overflow() {
        let block = Covered {
            low: [i32::MIN; 3],
            high: [i32::MAX; 3],
        };
        assert_eq!(block.count(), u64::MAX);
    }

    #[test]
    fn empty_cells_take_no_memory() {
        let mut cells = Cells::<2>::new(1.0);
        let covered = cells.covered(&[0.5, 0.5], 2.0);
        cells.list_observer(covered, 1);
        cells.list_entity([0, 0], 2);
        cells.unlist_observer(covered, 1);
        cells.unlist_entity([0, 0], 2);
        assert!(cells.cells.is_empty());
    }
}
