//! The entries of state packets.

use super::state::Synchronizer;
use crate::event::StateError;
use crate::node::{NodeKey, Nodes, PropertySlot};
use crate::variant::{EncodeError, compact};
use alloc::vec::Vec;

/// The properties of a synchronizer's root node.
pub(super) fn root_slots(nodes: &Nodes, root: NodeKey) -> Option<&[PropertySlot]> {
    Some(&nodes.get(root)?.root.as_ref()?.slots)
}

/// Number, size and values as a full packet carries them.
pub(super) fn encode_full(
    row: &Synchronizer,
    slots: &[PropertySlot],
    entry: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    entry.extend_from_slice(&row.net_id.to_le_bytes());
    entry.extend_from_slice(&[0; 4]);
    for value in row.values(&row.layout.sync, slots) {
        compact::encode(value, entry)?;
    }
    let size = entry.len() - 8;
    set_size(entry, 4, size);
    Ok(())
}

/// Number, mask, size and values as a delta packet carries them, at the end of `out`.
pub(super) fn encode_delta(
    row: &Synchronizer,
    nodes: &Nodes,
    mask: u64,
    max_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), StateError> {
    let slots = root_slots(nodes, row.root).ok_or(StateError::TooDeep)?;
    let start = out.len();
    out.extend_from_slice(&row.net_id.to_le_bytes());
    out.extend_from_slice(&mask.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    for (bit, value) in row.values(&row.layout.watch, slots).enumerate() {
        if mask >> bit & 1 != 0 {
            compact::encode(value, out).map_err(|_| StateError::TooDeep)?;
        }
    }
    let size = out.len() - start - 16;
    if size > max_bytes {
        return Err(StateError::TooLarge { limit: max_bytes });
    }
    set_size(out, start + 12, size);
    Ok(())
}

fn set_size(bytes: &mut [u8], at: usize, size: usize) {
    if let Some(field) = bytes.get_mut(at..at + 4) {
        // A state beyond 32 bits exceeds every packet limit.
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        field.copy_from_slice(&size.to_le_bytes());
    }
}
