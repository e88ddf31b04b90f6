//! Cutting a broken run down to the decisions that break it.

use super::{Broken, Case, Run};
use crate::{Fault, Script};
use core::time::Duration;

/// The most runs that a shrinking takes.
const MOST_TRIES: usize = 1500;

/// Cuts down what `run` decided, as long as the same invariant breaks. Also gives how many runs that took.
pub(super) fn shrink(
    run: &Run,
    broken: &Broken,
    scenario: impl Fn(&mut Run) -> Result<(), Broken>,
) -> (Case, usize) {
    let mut search = Search {
        broken,
        scenario,
        tries: 0,
    };
    let whole = run.decisions();
    if !search.breaks(&whole) {
        // Something else than actions and links decides; the seed alone says it.
        return (Case::new(whole.name(), whole.seed()), search.tries);
    }
    let mut case = whole;
    loop {
        let before = case.len();
        case = search.fewer_actions(case);
        case = search.fewer_deviations(case);
        if case.len() == before || search.tries >= MOST_TRIES {
            break;
        }
    }
    case = search.rounder_times(case);
    case = search.smaller_actions(case);
    (case, search.tries)
}

struct Search<'a, S> {
    broken: &'a Broken,
    scenario: S,
    tries: usize,
}

impl<S: Fn(&mut Run) -> Result<(), Broken>> Search<'_, S> {
    fn breaks(&mut self, case: &Case) -> bool {
        self.tries += 1;
        let result = (self.scenario)(&mut Run::new(case).quietly());
        result.is_err_and(|broken| broken.invariant == self.broken.invariant)
    }

    fn fewer_actions(&mut self, case: Case) -> Case {
        let actions = case.actions().unwrap_or_default().to_vec();
        let script = case.script().cloned();
        let make = |actions: &[u64]| case.with(Some(actions.to_vec()), script.clone());
        let kept = self.fewer(actions, make);
        make(&kept)
    }

    fn fewer_deviations(&mut self, case: Case) -> Case {
        let deviations = case.script().map(|script| script.deviations.clone());
        let actions = case.actions().map(<[u64]>::to_vec);
        let make =
            |deviations: &[_]| case.with(actions.clone(), Some(Script::new(deviations.to_vec())));
        let kept = self.fewer(deviations.unwrap_or_default(), make);
        make(&kept)
    }

    /// Takes away halves, quarters and so on down to single ones (delta debugging), the last ones first.
    fn fewer<T: Clone>(&mut self, mut all: Vec<T>, make: impl Fn(&[T]) -> Case) -> Vec<T> {
        let mut size = all.len();
        while size > 0 {
            let mut end = all.len();
            while end > 0 && self.tries < MOST_TRIES {
                let start = end.saturating_sub(size);
                let mut fewer = all.clone();
                fewer.drain(start..end);
                if self.breaks(&make(&fewer)) {
                    all = fewer;
                }
                end = start;
            }
            size /= 2;
        }
        all
    }

    fn rounder_times(&mut self, mut case: Case) -> Case {
        let count = case.script().map_or(0, |script| script.deviations.len());
        for index in 0..count {
            let Some(mut script) = case.script().cloned() else {
                break;
            };
            let fault = &mut script.deviations[index].fault;
            let round = |by: Duration| {
                Duration::from_millis(u64::try_from(by.as_millis()).unwrap_or(0) + 1)
            };
            *fault = match *fault {
                Fault::Delayed(by) => Fault::Delayed(round(by)),
                Fault::Copied(later) => Fault::Copied(round(later)),
                _ => continue,
            };
            let rounder = case.with(case.actions().map(<[u64]>::to_vec), Some(script));
            if self.tries < MOST_TRIES && self.breaks(&rounder) {
                case = rounder;
            }
        }
        case
    }

    fn smaller_actions(&mut self, mut case: Case) -> Case {
        for index in 0..case.actions().map_or(0, <[u64]>::len) {
            for bits in [8, 16, 32] {
                let mut actions = case.actions().unwrap_or_default().to_vec();
                actions[index] &= (1 << bits) - 1;
                let smaller = case.with(Some(actions), case.script().cloned());
                if self.tries < MOST_TRIES && self.breaks(&smaller) {
                    case = smaller;
                    break;
                }
            }
        }
        case
    }
}
