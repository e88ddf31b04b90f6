//! Warnings on their way out, each once and only so many.

use super::error::{Place, Warning, WarningKind};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// Collects warnings.
#[derive(Debug)]
pub(super) struct Report {
    limit: usize,
    warnings: BTreeSet<Warning>,
}

impl Report {
    pub(super) const fn new(limit: usize) -> Self {
        let warnings = BTreeSet::new();
        Self { limit, warnings }
    }

    pub(super) fn warn(&mut self, place: Place, kind: WarningKind) {
        if self.warnings.len() < self.limit {
            self.warnings.insert(Warning { place, kind });
        }
    }

    /// The warnings by file and line.
    pub(super) fn into_warnings(self) -> Vec<Warning> {
        self.warnings.into_iter().collect()
    }
}
