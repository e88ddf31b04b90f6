//! Random operations with an invariant checked after each: [`run_operations`].

use crate::{Machine, Network};
use core::fmt;

/// The first operation after which an invariant did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokenInvariant {
    /// Its place among the operations, from 0.
    pub index: usize,
    /// The operation, as its `Debug` shows it.
    pub operation: String,
    /// What the check said.
    pub message: String,
}

impl fmt::Display for BrokenInvariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            index,
            operation,
            message,
        } = self;
        write!(f, "after operation {index}, {operation}: {message}")
    }
}

impl core::error::Error for BrokenInvariant {}

/// Applies `operations` in turn, drives the network after each, and asks `check` whether all is well.
///
/// Property tests generate the operations: the list is plain data, so a failing one shrinks and can be kept as a test.
///
/// # Errors
///
/// The first [`BrokenInvariant`].
///
/// # Panics
///
/// As [`Network::drive`].
pub fn run_operations<M: Machine, O: fmt::Debug>(
    network: &mut Network<M>,
    operations: &[O],
    mut apply: impl FnMut(&mut Network<M>, &O),
    mut check: impl FnMut(&mut Network<M>) -> Result<(), String>,
) -> Result<(), BrokenInvariant> {
    for (index, operation) in operations.iter().enumerate() {
        apply(network, operation);
        network.drive();
        check(network).map_err(|message| BrokenInvariant {
            index,
            operation: format!("{operation:?}"),
            message,
        })?;
    }
    Ok(())
}
