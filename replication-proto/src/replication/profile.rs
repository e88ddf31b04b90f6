//! What replication and calls cost on the wire, by node: [`Session::profile`].

use crate::node::{Kind, NodeKey};
use crate::rpc_table::MethodId;
use crate::session::Session;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Bytes and messages in both directions since the session was made.
///
/// Counted is what goes through the transport: once per receiver, with the heads that the message has for itself, the
/// relay's included. The three bytes at the head of a state packet, which many synchronizers share, belong to none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Messages received.
    pub messages_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Messages sent, one per receiver.
    pub messages_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
}

impl Traffic {
    pub(crate) const fn count_in(&mut self, bytes: usize) {
        self.messages_in = self.messages_in.saturating_add(1);
        self.bytes_in = self.bytes_in.saturating_add(bytes as u64);
    }

    pub(crate) const fn count_out(&mut self, bytes: usize) {
        self.count_out_to(bytes, 1);
    }

    /// Counts one message to many receivers.
    pub(crate) const fn count_out_to(&mut self, bytes: usize, receivers: u64) {
        self.messages_out = self.messages_out.saturating_add(receivers);
        let bytes = (bytes as u64).saturating_mul(receivers);
        self.bytes_out = self.bytes_out.saturating_add(bytes);
    }

    /// Adds what another counted.
    pub const fn add(&mut self, other: Self) {
        self.messages_in = self.messages_in.saturating_add(other.messages_in);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.messages_out = self.messages_out.saturating_add(other.messages_out);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
    }
}

/// What calls of a node's methods cost, by number.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallTraffic(BTreeMap<u16, Traffic>);

impl CallTraffic {
    pub(crate) fn of(&mut self, method: u16) -> &mut Traffic {
        self.0.entry(method).or_default()
    }
}

/// What the calls of one method of a node cost.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallProfile {
    /// The method's name.
    pub method: Arc<str>,
    /// Its number.
    pub method_id: MethodId,
    /// What it cost.
    pub traffic: Traffic,
}

/// What one node cost.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeProfile {
    /// Which.
    pub node: NodeKey,
    /// Its path.
    pub path: Arc<str>,
    /// Calls of its methods, by number.
    pub calls: Vec<CallProfile>,
    /// Its state as a synchronizer: entries of full and delta packets.
    pub state: Traffic,
    /// SPAWN and DESPAWN of it.
    pub spawn: Traffic,
    /// All of that.
    pub total: Traffic,
}

impl Session {
    /// What each node that cost anything cost, by path.
    ///
    /// The costs of a node end with it.
    pub fn profile(&self) -> impl Iterator<Item = NodeProfile> {
        self.nodes.iter().filter_map(|(key, _)| {
            let profile = self.node_profile(key)?;
            (profile.total != Traffic::default()).then_some(profile)
        })
    }

    /// What one node cost.
    #[must_use]
    pub fn node_profile(&self, node: NodeKey) -> Option<NodeProfile> {
        let found = self.nodes.get(node)?;
        let mut total = Traffic::default();
        let mut calls = Vec::new();
        for (id, traffic) in found.calls.iter().flat_map(|calls| calls.0.iter()) {
            total.add(*traffic);
            calls.extend(found.methods.method(*id).map(|method| CallProfile {
                method: method.shared_name(),
                method_id: MethodId(*id),
                traffic: *traffic,
            }));
        }
        let state = match found.kind {
            Kind::Synchronizer(index) => self.replication.synchronizers.get(index),
            _ => None,
        };
        let state = state.map(|row| row.traffic).unwrap_or_default();
        let spawned = found.root.as_ref().and_then(|root| root.spawned);
        let spawned = spawned.and_then(|index| self.replication.spawned.get(index));
        let spawn = spawned.map(|row| row.traffic).unwrap_or_default();
        total.add(state);
        total.add(spawn);
        Some(NodeProfile {
            node,
            path: Arc::clone(&found.path),
            calls,
            state,
            spawn,
            total,
        })
    }
}
