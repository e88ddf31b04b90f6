//! A uniform grid over entities and observers: [`Grid`].
//!
//! ```text
//!   +------+------+------+------+      entities are listed in the cell where they are;
//!   |      |  o o | o  o |      |      observers (A) in every cell that their radius touches (o),
//!   +------+------+------+------+      so an entity that moves asks the observers of one cell,
//!   |      |  o o | oA o | e    |      and an observer that moves asks the entities of its cells
//!   +------+------+------+------+
//! ```

mod cells;
mod members;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use cells::{Cells, Covered};
use members::Members;

/// Numbers that bound a [`Grid`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct GridConfig {
    /// Edge of a cell, in the unit of positions. Half of a usual radius is a good value: small cells make moving
    /// observers dear, large ones make moving entities dear.
    pub cell_size: f32,
    /// Entities at once; more are refused. 65,536 by default.
    pub most_entities: usize,
    /// Observers at once; more are refused. 4,096 by default.
    pub most_observers: usize,
    /// Cells that one observer's radius may touch; a larger radius is refused. 4,096 by default.
    pub most_cells_per_observer: usize,
}

impl GridConfig {
    /// Defaults for cells of this edge.
    #[must_use]
    pub const fn new(cell_size: f32) -> Self {
        Self {
            cell_size,
            most_entities: 65_536,
            most_observers: 4_096,
            most_cells_per_observer: 4_096,
        }
    }
}

/// How far an observer sees.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "two distances that belong together"
)]
pub struct Range {
    /// An entity at this distance or nearer begins to be seen.
    pub radius: f32,
    /// An entity ceases to be seen beyond `radius + margin`. It keeps one that walks along the border from flickering.
    pub margin: f32,
}

impl Range {
    /// A range of these distances, in the unit of positions.
    #[must_use]
    pub const fn new(radius: f32, margin: f32) -> Self {
        Self { radius, margin }
    }

    fn is_valid(self) -> bool {
        let fine = |distance: f32| distance.is_finite() && distance >= 0.0;
        fine(self.radius) && fine(self.margin)
    }

    fn inner(self) -> f64 {
        f64::from(self.radius)
    }

    fn outer(self) -> f64 {
        f64::from(self.radius) + f64::from(self.margin)
    }
}

/// Why a command to a [`Grid`] was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum GridError {
    /// The cell size is not a positive number.
    #[error("the cell size is not a positive number")]
    BadCellSize,
    /// A coordinate is not a finite number.
    #[error("a position is not finite")]
    BadPosition,
    /// A radius or margin is negative or not finite.
    #[error("a range is negative or not finite")]
    BadRange,
    /// The table of entities or of observers is full.
    #[error("the grid is full")]
    Full,
    /// The key is in use.
    #[error("the key is in use")]
    Taken,
    /// The radius touches too many cells; use larger cells.
    #[error("the radius touches too many cells")]
    TooWide,
    /// No such key.
    #[error("the key is unknown")]
    Unknown,
}

/// What became of one pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a pair is seen or not, and callers must handle both"
)]
pub enum ChangeKind {
    /// The observer begins to see the entity.
    Enter,
    /// The observer ceases to see the entity.
    Leave,
}

/// One change of what an observer sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "who, what and how is all there is to it"
)]
pub struct Change<E, O> {
    /// Who sees.
    pub observer: O,
    /// What is seen.
    pub entity: E,
    /// Since now, or no longer.
    pub kind: ChangeKind,
}

struct Entity<const D: usize> {
    position: [f32; D],
    cell: [i32; D],
    seen_by: BTreeSet<u32>,
}

struct Observer<const D: usize> {
    position: [f32; D],
    range: Range,
    covered: Covered<D>,
    sees: BTreeSet<u32>,
}

/// Who sees what, by distance, in `D` dimensions (2 or 3), with only changes reported.
///
/// `E` names entities, `O` observers; both are small keys such as a node key and a peer id. An entity enters at the
/// observer's radius and leaves beyond its margin. Moves only note the new position: [`Grid::update`] compares once per
/// round, and looks only at what was inserted or moved and at what is near to it.
///
/// ```
/// use replication_proto::interest::{Change, ChangeKind, Grid, GridConfig, Range};
///
/// let mut grid = Grid::<2, &str, u32>::new(GridConfig::new(16.0))?;
/// grid.insert_observer(7, [0.0, 0.0], Range::new(30.0, 5.0))?;
/// grid.insert_entity("crate", [40.0, 0.0])?;
/// assert!(grid.update().is_empty());
///
/// grid.move_entity("crate", [29.0, 0.0])?;
/// assert_eq!(grid.update(), [Change { observer: 7, entity: "crate", kind: ChangeKind::Enter }]);
///
/// // Inside the margin nothing changes.
/// grid.move_entity("crate", [34.0, 0.0])?;
/// assert!(grid.update().is_empty());
/// grid.move_observer(7, [-2.0, 0.0])?;
/// assert_eq!(grid.update(), [Change { observer: 7, entity: "crate", kind: ChangeKind::Leave }]);
/// # Ok::<(), replication_proto::interest::GridError>(())
/// ```
pub struct Grid<const D: usize, E, O> {
    config: GridConfig,
    cells: Cells<D>,
    entities: Members<E, Entity<D>>,
    observers: Members<O, Observer<D>>,
    moved_entities: BTreeSet<u32>,
    moved_observers: BTreeSet<u32>,
    /// Changes that removals caused since the last update.
    removals: Vec<Change<E, O>>,
}

impl<const D: usize, E: Copy + Ord, O: Copy + Ord> Grid<D, E, O> {
    /// An empty grid.
    ///
    /// # Errors
    /// [`GridError::BadCellSize`].
    pub fn new(config: GridConfig) -> Result<Self, GridError> {
        if !(config.cell_size.is_finite() && config.cell_size > 0.0) {
            return Err(GridError::BadCellSize);
        }
        Ok(Self {
            config,
            cells: Cells::new(f64::from(config.cell_size)),
            entities: Members::new(),
            observers: Members::new(),
            moved_entities: BTreeSet::new(),
            moved_observers: BTreeSet::new(),
            removals: Vec::new(),
        })
    }

    /// Adds an entity.
    ///
    /// # Errors
    /// [`GridError::BadPosition`], [`GridError::Taken`], [`GridError::Full`].
    pub fn insert_entity(&mut self, key: E, position: [f32; D]) -> Result<(), GridError> {
        check(&position)?;
        if self.entities.find(&key).is_some() {
            return Err(GridError::Taken);
        }
        if self.entities.len() >= self.config.most_entities {
            return Err(GridError::Full);
        }
        let cell = self.cells.cell_of(&position);
        let entity = Entity {
            position,
            cell,
            seen_by: BTreeSet::new(),
        };
        let slot = self.entities.insert(key, entity).ok_or(GridError::Full)?;
        self.cells.list_entity(cell, slot);
        self.moved_entities.insert(slot);
        Ok(())
    }

    /// Notes where an entity is now.
    ///
    /// # Errors
    /// [`GridError::BadPosition`], [`GridError::Unknown`].
    pub fn move_entity(&mut self, key: E, position: [f32; D]) -> Result<(), GridError> {
        check(&position)?;
        let slot = self.entities.find(&key).ok_or(GridError::Unknown)?;
        let entity = self.entities.at_mut(slot).ok_or(GridError::Unknown)?;
        if entity.position == position {
            return Ok(());
        }
        entity.position = position;
        let cell = self.cells.cell_of(&position);
        if cell != entity.cell {
            self.cells.unlist_entity(entity.cell, slot);
            self.cells.list_entity(cell, slot);
            entity.cell = cell;
        }
        self.moved_entities.insert(slot);
        Ok(())
    }

    /// Removes an entity. Those who saw it get a leave with the next update.
    ///
    /// # Errors
    /// [`GridError::Unknown`].
    pub fn remove_entity(&mut self, key: E) -> Result<(), GridError> {
        let (slot, entity) = self.entities.remove(&key).ok_or(GridError::Unknown)?;
        self.cells.unlist_entity(entity.cell, slot);
        self.moved_entities.remove(&slot);
        for seer in entity.seen_by {
            if let Some((observer, state)) = self.observers.entry_mut(seer) {
                state.sees.remove(&slot);
                self.removals.push(Change {
                    observer,
                    entity: key,
                    kind: ChangeKind::Leave,
                });
            }
        }
        Ok(())
    }

    /// Adds an observer.
    ///
    /// # Errors
    /// [`GridError::BadPosition`], [`GridError::BadRange`], [`GridError::TooWide`], [`GridError::Taken`],
    /// [`GridError::Full`].
    pub fn insert_observer(
        &mut self,
        key: O,
        position: [f32; D],
        range: Range,
    ) -> Result<(), GridError> {
        let covered = self.cover(&position, range)?;
        if self.observers.find(&key).is_some() {
            return Err(GridError::Taken);
        }
        if self.observers.len() >= self.config.most_observers {
            return Err(GridError::Full);
        }
        let observer = Observer {
            position,
            range,
            covered,
            sees: BTreeSet::new(),
        };
        let slot = self
            .observers
            .insert(key, observer)
            .ok_or(GridError::Full)?;
        self.cells.list_observer(covered, slot);
        self.moved_observers.insert(slot);
        Ok(())
    }

    /// Notes where an observer is now.
    ///
    /// # Errors
    /// [`GridError::BadPosition`], [`GridError::TooWide`], [`GridError::Unknown`].
    pub fn move_observer(&mut self, key: O, position: [f32; D]) -> Result<(), GridError> {
        let range = self.observer(key)?.range;
        self.place_observer(key, position, range)
    }

    /// Changes how far an observer sees.
    ///
    /// # Errors
    /// [`GridError::BadRange`], [`GridError::TooWide`], [`GridError::Unknown`].
    pub fn set_range(&mut self, key: O, range: Range) -> Result<(), GridError> {
        let position = self.observer(key)?.position;
        self.place_observer(key, position, range)
    }

    /// Removes an observer. No changes are reported for it any more.
    ///
    /// # Errors
    /// [`GridError::Unknown`].
    pub fn remove_observer(&mut self, key: O) -> Result<(), GridError> {
        let (slot, observer) = self.observers.remove(&key).ok_or(GridError::Unknown)?;
        self.cells.unlist_observer(observer.covered, slot);
        self.moved_observers.remove(&slot);
        for entity in observer.sees {
            if let Some(entity) = self.entities.at_mut(entity) {
                entity.seen_by.remove(&slot);
            }
        }
        self.removals.retain(|change| change.observer != key);
        Ok(())
    }

    /// What changed since the last update: leaves of removed entities first, then all else in order of observer and
    /// entity. An entity that was removed and inserted again under its key leaves and enters.
    ///
    /// The work is proportional to what was inserted or moved and what is near to it.
    pub fn update(&mut self) -> Vec<Change<E, O>> {
        let mut changes = Vec::new();
        for slot in core::mem::take(&mut self.moved_observers) {
            self.compare_observer(slot, &mut changes);
        }
        for slot in core::mem::take(&mut self.moved_entities) {
            self.compare_entity(slot, &mut changes);
        }
        changes.sort_unstable();
        let mut all = core::mem::take(&mut self.removals);
        all.append(&mut changes);
        all
    }

    /// What `observer` saw at the last update, in the order of insertion; nothing if it is unknown.
    pub fn seen_by(&self, observer: O) -> impl Iterator<Item = E> {
        let observer = self.observer(observer).ok();
        let slots = observer.into_iter().flat_map(|state| &state.sees);
        slots.filter_map(|&slot| self.entities.key(slot))
    }

    /// Who saw `entity` at the last update, in the order of insertion; nobody if it is unknown.
    pub fn observers_of(&self, entity: E) -> impl Iterator<Item = O> {
        let slot = self.entities.find(&entity);
        let state = slot.and_then(|slot| self.entities.at(slot));
        let slots = state.into_iter().flat_map(|state| &state.seen_by);
        slots.filter_map(|&slot| self.observers.key(slot))
    }

    /// Where an entity is.
    #[must_use]
    pub fn position(&self, entity: E) -> Option<[f32; D]> {
        let slot = self.entities.find(&entity)?;
        self.entities.at(slot).map(|entity| entity.position)
    }

    /// How many entities there are.
    #[must_use]
    pub fn entity_count(&self) -> usize {
        self.entities.len()
    }

    /// How many observers there are.
    #[must_use]
    pub fn observer_count(&self) -> usize {
        self.observers.len()
    }

    fn observer(&self, key: O) -> Result<&Observer<D>, GridError> {
        let slot = self.observers.find(&key).ok_or(GridError::Unknown)?;
        self.observers.at(slot).ok_or(GridError::Unknown)
    }

    fn cover(&self, position: &[f32; D], range: Range) -> Result<Covered<D>, GridError> {
        check(position)?;
        if !range.is_valid() {
            return Err(GridError::BadRange);
        }
        let covered = self.cells.covered(position, range.inner());
        if covered.count() > self.config.most_cells_per_observer as u64 {
            return Err(GridError::TooWide);
        }
        Ok(covered)
    }

    fn place_observer(
        &mut self,
        key: O,
        position: [f32; D],
        range: Range,
    ) -> Result<(), GridError> {
        let covered = self.cover(&position, range)?;
        let slot = self.observers.find(&key).ok_or(GridError::Unknown)?;
        let observer = self.observers.at_mut(slot).ok_or(GridError::Unknown)?;
        if observer.position == position && observer.range == range {
            return Ok(());
        }
        observer.position = position;
        observer.range = range;
        if covered != observer.covered {
            self.cells.unlist_observer(observer.covered, slot);
            self.cells.list_observer(covered, slot);
            observer.covered = covered;
        }
        self.moved_observers.insert(slot);
        Ok(())
    }

    fn compare_observer(&mut self, slot: u32, changes: &mut Vec<Change<E, O>>) {
        let Some((key, observer)) = self.observers.entry_mut(slot) else {
            return;
        };
        let outer = observer.range.outer();
        let inner = observer.range.inner();
        let (entities, position) = (&mut self.entities, observer.position);
        observer.sees.retain(|&seen| {
            let Some((entity, state)) = entities.entry_mut(seen) else {
                return false;
            };
            let stays = within(&state.position, &position, outer);
            if !stays {
                state.seen_by.remove(&slot);
                changes.push(leave(key, entity));
            }
            stays
        });
        for near in self.cells.entities_in(observer.covered) {
            let Some((entity, state)) = entities.entry_mut(near) else {
                continue;
            };
            if within(&state.position, &position, inner) && observer.sees.insert(near) {
                state.seen_by.insert(slot);
                changes.push(enter(key, entity));
            }
        }
    }

    fn compare_entity(&mut self, slot: u32, changes: &mut Vec<Change<E, O>>) {
        let Some((key, entity)) = self.entities.entry_mut(slot) else {
            return;
        };
        let (observers, position) = (&mut self.observers, entity.position);
        entity.seen_by.retain(|&seer| {
            let Some((observer, state)) = observers.entry_mut(seer) else {
                return false;
            };
            let stays = within(&state.position, &position, state.range.outer());
            if !stays {
                state.sees.remove(&slot);
                changes.push(leave(observer, key));
            }
            stays
        });
        for &near in self.cells.observers_at(entity.cell) {
            let Some((observer, state)) = observers.entry_mut(near) else {
                continue;
            };
            if within(&state.position, &position, state.range.inner()) && state.sees.insert(slot) {
                entity.seen_by.insert(near);
                changes.push(enter(observer, key));
            }
        }
    }
}

impl<const D: usize, E, O> core::fmt::Debug for Grid<D, E, O> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Grid")
            .field("config", &self.config)
            .field("entities", &self.entities.len())
            .field("observers", &self.observers.len())
            .finish_non_exhaustive()
    }
}

const fn enter<E, O>(observer: O, entity: E) -> Change<E, O>
where
    E: Copy,
    O: Copy,
{
    Change {
        observer,
        entity,
        kind: ChangeKind::Enter,
    }
}

const fn leave<E, O>(observer: O, entity: E) -> Change<E, O>
where
    E: Copy,
    O: Copy,
{
    Change {
        observer,
        entity,
        kind: ChangeKind::Leave,
    }
}

fn check<const D: usize>(position: &[f32; D]) -> Result<(), GridError> {
    if position.iter().all(|coordinate| coordinate.is_finite()) {
        Ok(())
    } else {
        Err(GridError::BadPosition)
    }
}

/// Whether two points are at most `distance` apart. In double precision, so that it agrees with the cells.
fn within<const D: usize>(a: &[f32; D], b: &[f32; D], distance: f64) -> bool {
    let square: f64 = a
        .iter()
        .zip(b)
        .map(|(&a, &b)| f64::from(a) - f64::from(b))
        .map(|difference| difference * difference)
        .sum();
    square <= distance * distance
}

#[cfg(test)]
mod tests;
