//! The values of replicated properties: [`Session::set`] and [`Session::property`].

use crate::node::{Node, NodeKey};
use crate::scene::canonical;
use crate::session::Session;
use crate::variant::{Value, is_same};
use alloc::string::String;

/// Names a property of a node, for setting it many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PropertyKey {
    node: NodeKey,
    slot: u16,
}

/// Why a property cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PropertyError {
    /// There is no such node (any more).
    #[error("there is no such node")]
    UnknownNode,
    /// No synchronizer of the node replicates such a property.
    #[error("the node has no replicated property {0:?}")]
    UnknownProperty(String),
    /// A synchronizer declares another type for the property.
    #[error("the property has another type")]
    WrongType,
}

impl Session {
    /// Sets a replicated property of a node, by a path as [`PropertyConfig::new`](crate::PropertyConfig::new) has it.
    ///
    /// Synchronizers that this end owns send it as they are configured, in the next frame. Setting the same value
    /// again costs a comparison and sends nothing more.
    ///
    /// # Errors
    /// [`PropertyError`].
    pub fn set(
        &mut self,
        node: NodeKey,
        path: &str,
        value: impl Into<Value>,
    ) -> Result<(), PropertyError> {
        let key = self.property_key(node, path)?;
        self.set_property(key, value)
    }

    /// Finds a property once, to be set many times.
    ///
    /// # Errors
    /// [`PropertyError`]: there is no such node or property.
    pub fn property_key(&self, node: NodeKey, path: &str) -> Result<PropertyKey, PropertyError> {
        let found = self.nodes.get(node).ok_or(PropertyError::UnknownNode)?;
        let slot =
            slot_of(found, path).ok_or_else(|| PropertyError::UnknownProperty(path.into()))?;
        Ok(PropertyKey { node, slot })
    }

    /// Sets a property found before.
    ///
    /// # Errors
    /// [`PropertyError`]: the node has left, or the value's type is not the declared one.
    pub fn set_property(
        &mut self,
        key: PropertyKey,
        value: impl Into<Value>,
    ) -> Result<(), PropertyError> {
        let value = value.into();
        let node = self.nodes.get_mut(key.node);
        let root = node.and_then(|node| node.root.as_mut());
        let root = root.ok_or(PropertyError::UnknownNode)?;
        let slot = root.slots.get_mut(usize::from(key.slot));
        let slot = slot.ok_or(PropertyError::UnknownNode)?;
        // What has the type of the value before it, null apart, is accepted as that was.
        if value == Value::Nil || value.kind() != slot.value.kind() {
            for &index in &root.synchronizers {
                let row = self.replication.synchronizers.get(index);
                if row.is_some_and(|row| !row.accepts(key.slot, &value)) {
                    return Err(PropertyError::WrongType);
                }
            }
        }
        let is_changed = !is_same(&slot.value, &value);
        slot.value = value;
        if is_changed {
            for &index in &root.synchronizers {
                self.replication.on_change(index, key.slot);
            }
        }
        Ok(())
    }

    /// The value of a replicated property, set here or received.
    #[must_use]
    pub fn property(&self, node: NodeKey, path: &str) -> Option<&Value> {
        let found = self.nodes.get(node)?;
        let slot = slot_of(found, path)?;
        let slots = &found.root.as_ref()?.slots;
        Some(&slots.get(usize::from(slot))?.value)
    }

    /// All replicated properties of a node and their values.
    pub fn properties(&self, node: NodeKey) -> impl Iterator<Item = (&str, &Value)> {
        let root = self.nodes.get(node).and_then(|node| node.root.as_ref());
        root.into_iter()
            .flat_map(|root| &root.slots)
            .map(|slot| (&*slot.path, &slot.value))
    }
}

fn slot_of(node: &Node, path: &str) -> Option<u16> {
    let slots = &node.root.as_ref()?.slots;
    let find = |path: &str| slots.iter().position(|slot| &*slot.path == path);
    let at = find(path).or_else(|| find(&canonical(path)?))?;
    u16::try_from(at).ok()
}

impl super::Replication {
    /// A property's value is another: its synchronizers have something to send.
    pub(crate) fn on_change(&mut self, index: u32, slot: u16) {
        let Some(row) = self.synchronizers.get(index).filter(|row| row.is_ours) else {
            return;
        };
        if let Some(spawned) = row.spawned
            && !self.spawn_packets.is_empty()
        {
            self.spawn_packets.remove(&spawned);
        }
        let Some(at) = row.slots.iter().position(|&other| other == slot) else {
            return;
        };
        let is_it = |&property: &u16| usize::from(property) == at;
        let watched = row.layout.watch.iter().position(is_it);
        let is_full = row.layout.sync.iter().any(is_it);
        if let Some(bit) = watched {
            self.change(index, 1 << bit);
        } else if is_full {
            self.touch(index);
        }
    }
}
