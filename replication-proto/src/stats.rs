//! What a session counts: [`Stats`], and the reasons to refuse a packet: [`DropReason`].

use crate::packet::PacketErrorKind;

macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $name:ident: $text:literal,)+) => {
        /// Why a packet, or a part of one, had no effect. Each has its counter in [`Stats`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
        #[non_exhaustive]
        pub enum DropReason {
            $($(#[doc = $doc])+ #[error($text)] $name,)+
        }

        impl DropReason {
            /// All reasons, in the order of their counters.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$name),+];

            /// The reason's name, stable, for metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

drop_reasons! {
    /// A peer that authenticates sent too many or too large messages.
    AuthTooLarge: "authentication exceeds its limits",
    /// The arguments are not what the method declares.
    BadArguments: "the arguments do not match the method's declaration",
    /// A checksum is malformed.
    BadChecksum: "the checksum is malformed",
    /// A path cache id is 0 or has bit 31 set.
    BadId: "the path cache id is out of range",
    /// The mask of a delta is empty or names properties that there are not.
    BadIndex: "the mask names properties that there are not",
    /// A length reaches beyond the packet.
    BadLength: "a length reaches beyond the packet",
    /// The name of a node is not allowed.
    BadName: "the node name is not allowed",
    /// A path is absolute, leaves the root, names a property, or lies inside other fields.
    BadPath: "the path is not allowed",
    /// A peer id cannot be a peer there.
    BadPeerId: "the peer id is not possible",
    /// A path is not UTF-8.
    BadUtf8: "the text is not UTF-8",
    /// A value cannot be decoded.
    BadValue: "a value is malformed",
    /// The path cache id is in use.
    DuplicateId: "the id is in use",
    /// There is a node of that name already.
    DuplicateName: "the name is taken",
    /// The node was here and has left while this was on its way; an ordinary case.
    FreedNode: "the node has left",
    /// The sender's spawn waits for the application, and this cannot wait with it.
    Held: "the packet cannot wait for the application",
    /// The method lists of that node differ, so the numbers of methods mean different things.
    MethodMismatch: "the method lists differ",
    /// A SYS packet inside a relay envelope.
    NestedSys: "a SYS packet is nested",
    /// The sender is not admitted yet.
    NotAuthenticated: "the peer is not authenticated",
    /// A value holds a NaN or an infinity where that is refused.
    NonFinite: "a value is not finite",
    /// A value holds an object.
    ObjectNotAllowed: "objects are not allowed",
    /// The table of cached paths of this peer is full.
    PathCacheFull: "the path cache is full",
    /// The table of peers is full.
    PeerLimit: "there are too many peers",
    /// The sender relays more than its rate.
    RelayBudget: "the relay budget is spent",
    /// Relaying is disabled here.
    RelayDisabled: "relaying is disabled",
    /// Packets of this command are not relayed here.
    RelayFiltered: "this kind of packet is not relayed",
    /// The sender calls more often than its rate.
    RpcBudget: "the call budget is spent",
    /// The nodes of the scene do not fit into the tree at that place.
    SceneMismatch: "the scene does not fit there",
    /// The limit of the spawner or of the peer is reached.
    SpawnLimit: "there are too many spawned nodes",
    /// The application refused a custom spawn.
    SpawnRefused: "the spawn was refused",
    /// A state that is older than one already seen.
    Stale: "the state is too old",
    /// A spawn lists more synchronizers than the scene has for its sender.
    SyncCount: "there are more synchronizer ids than synchronizers",
    /// A path or a name exceeds its limit.
    TooLong: "the text is too long",
    /// Bytes follow where the packet should end.
    TrailingBytes: "bytes follow the end",
    /// The packet ends inside a field.
    Truncated: "the packet is truncated",
    /// The sender may not do this.
    Unauthorized: "the sender may not do this",
    /// A packet that is not expected in this state.
    UnexpectedCommand: "the packet is not expected now",
    /// The sub-command is not known.
    UnknownCommand: "the command is unknown",
    /// The flags have no meaning.
    UnknownFlags: "the flags are unknown",
    /// An id that was never given, or not yet: full states are unreliable and can overtake the spawn of their node.
    UnknownId: "the id is unknown",
    /// The node has no such method.
    UnknownMethod: "the method is unknown",
    /// The node is not known here.
    UnknownNode: "the node is unknown",
    /// The peer is not known here.
    UnknownPeer: "the peer is unknown",
    /// The spawner lists no such scene, or it was not added here.
    UnknownScene: "the scene is unknown",
    /// The node is not a spawner, or not a synchronizer.
    WrongKind: "the node is of another kind",
    /// A value has another type than the property.
    WrongType: "the property has another type",
}

impl From<PacketErrorKind> for DropReason {
    fn from(kind: PacketErrorKind) -> Self {
        match kind {
            PacketErrorKind::BadChecksum => Self::BadChecksum,
            PacketErrorKind::BadLength => Self::BadLength,
            PacketErrorKind::BadName => Self::BadName,
            PacketErrorKind::BadPath => Self::BadPath,
            PacketErrorKind::BadUtf8 => Self::BadUtf8,
            PacketErrorKind::TrailingBytes => Self::TrailingBytes,
            PacketErrorKind::Truncated => Self::Truncated,
            PacketErrorKind::UnknownCommand => Self::UnknownCommand,
            PacketErrorKind::UnknownFlags => Self::UnknownFlags,
        }
    }
}

/// Counters of a session since it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Packets given to the session.
    pub packets_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Packets that the session gave out, forwarded ones among them.
    pub packets_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Calls handed to the application, local ones not counted.
    pub calls_in: u64,
    /// Calls sent, one per receiver.
    pub calls_out: u64,
    /// Packets forwarded between clients, one per receiver.
    pub forwarded_packets: u64,
    /// Their bytes.
    pub forwarded_bytes: u64,
    /// Nodes that peers spawned here.
    pub spawns_in: u64,
    /// SPAWN packets sent, one per receiver.
    pub spawns_out: u64,
    /// Nodes that were freed because a peer despawned them or left.
    pub despawns_in: u64,
    /// DESPAWN packets sent, one per receiver.
    pub despawns_out: u64,
    /// Entries of full and delta states applied.
    pub states_in: u64,
    /// Packets of state sent, one per receiver.
    pub syncs_out: u64,
    /// Full states, deltas and SPAWN packets that were encoded: once for all who get the same in a frame.
    pub states_encoded: u64,
    /// Entries that a budget put off, counted in each frame.
    pub put_off: u64,
    /// Entries that could not be sent, because they are too large or too deep, counted in each attempt.
    pub unsendable: u64,
    /// Received entries with values that are not finite.
    pub non_finite: u64,
    /// Surplus bytes behind the arguments of calls that were made nevertheless, and behind state.
    pub surplus_bytes: u64,
    dropped: [u64; DropReason::ALL.len()],
}

impl Stats {
    pub(crate) const fn new() -> Self {
        Self {
            packets_in: 0,
            bytes_in: 0,
            packets_out: 0,
            bytes_out: 0,
            calls_in: 0,
            calls_out: 0,
            forwarded_packets: 0,
            forwarded_bytes: 0,
            spawns_in: 0,
            spawns_out: 0,
            despawns_in: 0,
            despawns_out: 0,
            states_in: 0,
            syncs_out: 0,
            states_encoded: 0,
            put_off: 0,
            unsendable: 0,
            non_finite: 0,
            surplus_bytes: 0,
            dropped: [0; DropReason::ALL.len()],
        }
    }

    /// How many packets, or parts of packets, were refused for `reason`.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped
            .get(reason as usize)
            .copied()
            .unwrap_or_default()
    }

    /// All refusals.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        self.dropped
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    pub(crate) fn count_drop(&mut self, reason: DropReason) {
        if let Some(count) = self.dropped.get_mut(reason as usize) {
            *count = count.saturating_add(1);
        }
    }
}

/// What one admitted peer makes the session hold now; [`Limits`](crate::Limits) bounds each number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerUsage {
    /// Path numbers that it announced.
    pub cached_paths: usize,
    /// Bytes of their text.
    pub cached_path_bytes: usize,
    /// Nodes that it spawned here.
    pub spawned_nodes: usize,
    /// Numbers of those and their synchronizers that are gone.
    pub freed_numbers: usize,
    /// What its packets cost that wait for the application to answer a custom spawn: their bytes, and 64 for each.
    pub held_bytes: usize,
    /// Relayed packets of it that wait for its rate.
    pub waiting_packets: usize,
    /// What those cost: their bytes, 64 for each packet and 16 for each receiver.
    pub waiting_bytes: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter() {
        let mut stats = Stats::new();
        for (count, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, count);
            stats.count_drop(reason);
            assert_eq!(stats.dropped(reason), 1, "{}", reason.name());
        }
        assert_eq!(stats.dropped_total(), DropReason::ALL.len() as u64);
    }
}
