//! Names for connections that stay unambiguous when a slot is used again.

/// Names one connection of a host, from [`Host::connect`](crate::Host::connect) or
/// [`Event::Connected`](crate::Event::Connected) until its end.
///
/// Afterwards the key names nothing: calls with it are refused, never given to a later connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey {
    pub(crate) slot: u16,
    pub(crate) generation: u32,
}

impl PeerKey {
    /// The place in the host's peer table, below [`Config::max_peers`](crate::Config::max_peers).
    ///
    /// Good as an index into a table of the application; a later connection may have the same.
    #[must_use]
    pub const fn slot(self) -> usize {
        self.slot as usize
    }
}

/// Names a remote that asked to connect and waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestKey {
    pub(crate) wire_id: u16,
    pub(crate) serial: u32,
}
