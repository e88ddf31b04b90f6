//! Counters of a world.

/// What a [`World`](super::World) has carried since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorldStats {
    /// Datagrams that machines sent.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Datagrams that machines received.
    pub delivered: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
    /// Packets that links lost, and that cuts stopped.
    pub lost: u64,
    /// Copies that links made.
    pub duplicated: u64,
    /// Packets to addresses and ports where nobody is.
    pub stray: u64,
    /// Packets that a filter did not let in.
    pub filtered: u64,
    /// Packets to outer ports that belong to nobody.
    pub unmapped: u64,
    /// Packets that a box would not hairpin.
    pub not_hairpinned: u64,
    /// Packets that a firewall does not allow.
    pub prohibited: u64,
    /// Packets for which a box had no port left.
    pub exhausted: u64,
    /// Packets that arrived at a host that does not run.
    pub host_down: u64,
    /// Errors that machines heard about what they sent.
    pub send_errors: u64,
    /// Datagrams that arrived and that a machine dropped.
    pub dropped: u64,
    /// Datagrams that arrived and that a machine said are not its own.
    pub not_mine: u64,
    /// How often a machine was woken by its deadline.
    pub timeouts: u64,
    /// How often a packet was looked at, in a zone, a box or a host: the size of the simulation.
    pub hops: u64,
}
