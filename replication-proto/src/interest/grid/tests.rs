use super::*;
use alloc::collections::BTreeMap;
use proptest::collection::vec;
use proptest::prelude::*;

/// All pairs, compared in each round.
#[derive(Default)]
struct Model<const D: usize> {
    entities: BTreeMap<u8, [f32; D]>,
    observers: BTreeMap<u8, ([f32; D], Range)>,
    seen: BTreeSet<(u8, u8)>,
}

impl<const D: usize> Model<D> {
    fn update(&mut self) -> BTreeSet<(u8, u8)> {
        let mut seen = BTreeSet::new();
        for (&observer, (at, range)) in &self.observers {
            for (&entity, position) in &self.entities {
                let pair = (observer, entity);
                let reach = if self.seen.contains(&pair) {
                    range.outer()
                } else {
                    range.inner()
                };
                if within(position, at, reach) {
                    seen.insert(pair);
                }
            }
        }
        self.seen.clone_from(&seen);
        seen
    }
}

#[derive(Clone, Debug)]
enum Op<const D: usize> {
    InsertEntity(u8, [f32; D]),
    MoveEntity(u8, [f32; D]),
    RemoveEntity(u8),
    InsertObserver(u8, [f32; D], Range),
    MoveObserver(u8, [f32; D]),
    SetRange(u8, Range),
    RemoveObserver(u8),
    Update,
}

fn coordinate() -> impl Strategy<Value = f32> {
    // Whole numbers make points on borders of cells and radii likely.
    prop_oneof![
        4 => (-20i8..20).prop_map(f32::from),
        2 => -20.0f32..20.0,
        1 => prop_oneof![Just(1e30f32), Just(-1e30), Just(f32::MAX), Just(3e9)],
    ]
}

fn range() -> impl Strategy<Value = Range> {
    (0u8..12, 0u8..6).prop_map(|(radius, margin)| Range::new(f32::from(radius), f32::from(margin)))
}

fn op<const D: usize>() -> impl Strategy<Value = Op<D>> {
    let position = || proptest::array::uniform::<_, D>(coordinate());
    prop_oneof![
        3 => (0u8..12, position()).prop_map(|(key, at)| Op::InsertEntity(key, at)),
        6 => (0u8..12, position()).prop_map(|(key, at)| Op::MoveEntity(key, at)),
        1 => (0u8..12).prop_map(Op::RemoveEntity),
        2 => (0u8..4, position(), range()).prop_map(|(key, at, range)| Op::InsertObserver(key, at, range)),
        4 => (0u8..4, position()).prop_map(|(key, at)| Op::MoveObserver(key, at)),
        1 => (0u8..4, range()).prop_map(|(key, range)| Op::SetRange(key, range)),
        1 => (0u8..4).prop_map(Op::RemoveObserver),
        4 => Just(Op::Update),
    ]
}

/// Runs operations on the grid and the model; after each update the reported changes lead from one seen set to the next.
fn agrees_with_brute_force<const D: usize>(ops: Vec<Op<D>>, cell_size: f32) {
    let mut grid = Grid::<D, u8, u8>::new(GridConfig::new(cell_size)).unwrap();
    let mut model = Model::<D>::default();
    let mut told = BTreeSet::new();
    for op in ops.into_iter().chain([Op::Update]) {
        match op {
            Op::InsertEntity(key, at) => {
                let fresh = grid.insert_entity(key, at).is_ok();
                assert_eq!(fresh, !model.entities.contains_key(&key));
                model.entities.entry(key).or_insert(at);
            }
            Op::MoveEntity(key, at) => {
                let known = grid.move_entity(key, at).is_ok();
                assert_eq!(known, model.entities.contains_key(&key));
                model.entities.entry(key).and_modify(|old| *old = at);
            }
            Op::RemoveEntity(key) => {
                let known = grid.remove_entity(key).is_ok();
                assert_eq!(known, model.entities.remove(&key).is_some());
                model.seen.retain(|&(_, entity)| entity != key);
            }
            Op::InsertObserver(key, at, range) => {
                let fresh = grid.insert_observer(key, at, range).is_ok();
                assert_eq!(fresh, !model.observers.contains_key(&key));
                model.observers.entry(key).or_insert((at, range));
            }
            Op::MoveObserver(key, at) => {
                let known = grid.move_observer(key, at).is_ok();
                assert_eq!(known, model.observers.contains_key(&key));
                model.observers.entry(key).and_modify(|old| old.0 = at);
            }
            Op::SetRange(key, range) => {
                let known = grid.set_range(key, range).is_ok();
                assert_eq!(known, model.observers.contains_key(&key));
                model.observers.entry(key).and_modify(|old| old.1 = range);
            }
            Op::RemoveObserver(key) => {
                let known = grid.remove_observer(key).is_ok();
                assert_eq!(known, model.observers.remove(&key).is_some());
                model.seen.retain(|&(observer, _)| observer != key);
                told.retain(|&(observer, _)| observer != key);
            }
            Op::Update => {
                for change in grid.update() {
                    let pair = (change.observer, change.entity);
                    let is_new = match change.kind {
                        ChangeKind::Enter => told.insert(pair),
                        ChangeKind::Leave => told.remove(&pair),
                    };
                    assert!(is_new, "{change:?} told twice");
                }
                assert_eq!(told, model.update());
                assert_eq!(listed(&grid), told);
            }
        }
    }
}

fn listed<const D: usize>(grid: &Grid<D, u8, u8>) -> BTreeSet<(u8, u8)> {
    let from_observers: BTreeSet<_> = (0..4)
        .flat_map(|observer| grid.seen_by(observer).map(move |entity| (observer, entity)))
        .collect();
    let from_entities: BTreeSet<_> = (0..12)
        .flat_map(|entity| {
            grid.observers_of(entity)
                .map(move |observer| (observer, entity))
        })
        .collect();
    assert_eq!(from_observers, from_entities);
    from_observers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(testkit::cases(96)))]

    #[test]
    fn in_two_dimensions_it_agrees_with_comparing_all_pairs(ops in vec(op::<2>(), 0..80)) {
        agrees_with_brute_force(ops, 3.0);
    }

    #[test]
    fn in_three_dimensions_it_agrees_with_comparing_all_pairs(ops in vec(op::<3>(), 0..80)) {
        agrees_with_brute_force(ops, 8.0);
    }
}

fn grid() -> Grid<2, u32, u8> {
    Grid::new(GridConfig::new(4.0)).unwrap()
}

#[test]
fn a_walk_along_the_border_reports_one_enter() {
    let mut grid = grid();
    grid.insert_observer(1, [0.0, 0.0], Range::new(10.0, 2.0))
        .unwrap();
    grid.insert_entity(5, [10.0, 0.0]).unwrap();
    assert_eq!(grid.update(), [enter(1, 5)]);

    for step in 0..50u8 {
        let x = if step % 2 == 0 { 11.9 } else { 9.9 };
        grid.move_entity(5, [x, 0.0]).unwrap();
        assert_eq!(grid.update(), []);
    }
}

#[test]
fn a_key_that_is_used_again_leaves_before_it_enters() {
    let mut grid = grid();
    grid.insert_observer(1, [0.0, 0.0], Range::new(10.0, 2.0))
        .unwrap();
    grid.insert_entity(5, [1.0, 0.0]).unwrap();
    assert_eq!(grid.update(), [enter(1, 5)]);

    grid.remove_entity(5).unwrap();
    grid.insert_entity(5, [2.0, 0.0]).unwrap();
    assert_eq!(grid.update(), [leave(1, 5), enter(1, 5)]);
}

#[test]
fn nothing_is_compared_when_nothing_moved() {
    let mut grid = grid();
    for key in 0..100u8 {
        grid.insert_entity(key.into(), [f32::from(key), 0.0])
            .unwrap();
    }
    grid.insert_observer(1, [0.0, 0.0], Range::new(10.0, 2.0))
        .unwrap();
    assert_eq!(grid.update().len(), 11);

    grid.move_entity(50, [50.0, 0.0]).unwrap();
    assert!(grid.moved_entities.is_empty(), "it moved to where it was");
    grid.move_entity(50, [51.0, 0.0]).unwrap();
    assert_eq!(grid.moved_entities.len(), 1);
}

#[test]
fn bad_input_is_refused_and_changes_nothing() {
    let mut grid = grid();
    let range = Range::new(10.0, 2.0);
    assert_eq!(
        grid.insert_entity(1, [f32::NAN, 0.0]),
        Err(GridError::BadPosition)
    );
    assert_eq!(
        grid.insert_observer(1, [0.0, 0.0], Range::new(-1.0, 0.0)),
        Err(GridError::BadRange)
    );
    assert_eq!(
        grid.insert_observer(1, [0.0, 0.0], Range::new(1e9, 0.0)),
        Err(GridError::TooWide)
    );
    grid.insert_observer(1, [0.0, 0.0], range).unwrap();
    grid.insert_entity(1, [0.0, 0.0]).unwrap();
    assert_eq!(grid.update(), [enter(1, 1)]);

    assert_eq!(
        grid.move_entity(1, [f32::INFINITY, 0.0]),
        Err(GridError::BadPosition)
    );
    assert_eq!(
        grid.set_range(1, Range::new(0.0, f32::NAN)),
        Err(GridError::BadRange)
    );
    assert_eq!(grid.remove_entity(2), Err(GridError::Unknown));
    assert_eq!(grid.update(), []);
    assert!(matches!(
        Grid::<2, u32, u8>::new(GridConfig::new(0.0)),
        Err(GridError::BadCellSize)
    ));
}

// req: HG-13
#[test]
fn a_full_grid_refuses_more_and_goes_on() {
    let config = GridConfig {
        most_entities: 2,
        most_observers: 1,
        ..GridConfig::new(4.0)
    };
    let mut grid = Grid::<2, u32, u8>::new(config).unwrap();
    grid.insert_entity(1, [0.0, 0.0]).unwrap();
    grid.insert_entity(2, [0.0, 0.0]).unwrap();
    assert_eq!(grid.insert_entity(3, [0.0, 0.0]), Err(GridError::Full));
    let range = Range::new(1.0, 0.0);
    grid.insert_observer(1, [0.0, 0.0], range).unwrap();
    assert_eq!(
        grid.insert_observer(2, [0.0, 0.0], range),
        Err(GridError::Full)
    );
    assert_eq!(grid.update(), [enter(1, 1), enter(1, 2)]);

    grid.remove_entity(1).unwrap();
    grid.insert_entity(3, [0.0, 0.0]).unwrap();
    assert_eq!(grid.update(), [leave(1, 1), enter(1, 3)]);
}
