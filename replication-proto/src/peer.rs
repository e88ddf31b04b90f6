//! Peers: [`PeerId`], [`Target`], [`TransferMode`], and the session's table of them.

use crate::auth::Pending;
use crate::config::Config;
use crate::forward::Forwarding;
use crate::packet::ConfirmFormat;
use crate::path_cache::Received;
use crate::replication::PeerReplication;
use crate::rpc::Calls;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

/// A peer's number: 1 is the server, all others are 2 to 2³¹ − 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(i32);

impl PeerId {
    /// The server of every session that has one.
    pub const SERVER: Self = Self(1);

    /// The peer of this number, if it is at least 1.
    #[must_use]
    pub const fn new(id: i32) -> Option<Self> {
        if id < 1 {
            return None;
        }
        Some(Self(id))
    }

    /// The client that chose this number, as ENet's connect data carries it: 2 to 2³¹ − 1.
    #[must_use]
    pub const fn of_client(id: u32) -> Option<Self> {
        if id < 2 || id > i32::MAX.unsigned_abs() {
            return None;
        }
        Some(Self(id.cast_signed()))
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> i32 {
        self.0
    }

    /// Whether it is the server's number.
    #[must_use]
    pub const fn is_server(self) -> bool {
        self.0 == 1
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Who shall get something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "Godot's target number has three ranges"
)]
pub enum Target {
    /// Every peer (0).
    All,
    /// One peer (n).
    Peer(PeerId),
    /// Every peer but one (−n).
    AllBut(PeerId),
}

impl Target {
    /// The target of Godot's number: 0, n or −n; nothing for −2³¹, which has no positive counterpart.
    #[must_use]
    pub const fn from_number(number: i32) -> Option<Self> {
        match number {
            0 => Some(Self::All),
            i32::MIN => None,
            n if n > 0 => Some(Self::Peer(PeerId(n))),
            n => Some(Self::AllBut(PeerId(-n))),
        }
    }

    /// Godot's number for it.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::All => 0,
            Self::Peer(PeerId(id)) => id,
            Self::AllBut(PeerId(id)) => -id,
        }
    }

    /// Whether `peer` is meant.
    #[must_use]
    pub fn includes(self, peer: PeerId) -> bool {
        match self {
            Self::All => true,
            Self::Peer(one) => one == peer,
            Self::AllBut(one) => one != peer,
        }
    }
}

impl From<PeerId> for Target {
    fn from(peer: PeerId) -> Self {
        Self::Peer(peer)
    }
}

/// How a transport treats a packet (`MultiplayerPeer.TransferMode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "Godot has three")]
pub enum TransferMode {
    /// May be lost or overtaken.
    Unreliable,
    /// May be lost; what comes late is dropped.
    UnreliableOrdered,
    /// Arrives once and in order within its channel.
    #[default]
    Reliable,
}

impl TransferMode {
    /// The mode of Godot's number: 0 unreliable, 1 ordered, 2 reliable.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Unreliable),
            1 => Some(Self::UnreliableOrdered),
            2 => Some(Self::Reliable),
            _ => None,
        }
    }

    /// Whether loss is excluded.
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        matches!(self, Self::Reliable)
    }
}

impl fmt::Display for TransferMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreliable => "unreliable",
            Self::UnreliableOrdered => "unreliable_ordered",
            Self::Reliable => "reliable",
        })
    }
}

/// What the session keeps about one peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    /// Distinguishes this stay from earlier ones in the same slot.
    pub(crate) epoch: u32,
    pub(crate) state: State,
}

#[derive(Debug)]
pub(crate) enum State {
    /// Connected, but not authenticated by both sides.
    Pending(Pending),
    /// Part of the session.
    Admitted(Box<Admitted>),
}

/// What exists only for admitted peers.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Whether the transport reaches it, or only the server's relay.
    pub(crate) direct: bool,
    pub(crate) confirm_format: ConfirmFormat,
    pub(crate) received: Received,
    pub(crate) calls: Calls,
    pub(crate) forwarding: Forwarding,
    pub(crate) replication: PeerReplication,
}

impl Admitted {
    pub(crate) fn new(direct: bool, config: &Config) -> Self {
        Self {
            direct,
            confirm_format: config.confirm_format,
            received: Received::default(),
            calls: Calls::new(config.limits.rpc_rate),
            forwarding: Forwarding::new(&config.limits),
            replication: PeerReplication::default(),
        }
    }
}

/// Index of a peer's slot. Stable for the peer's stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(pub(crate) usize);

/// All peers by number, and the admitted ones in Godot's order.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    slots: Vec<Option<Peer>>,
    free: Vec<Slot>,
    by_id: BTreeMap<PeerId, Slot>,
    /// Order of admission; a removed one is replaced by the last, as in the engine.
    admitted: Vec<Slot>,
    epochs: u32,
}

impl Peers {
    /// Adds a peer that is not in the table.
    pub(crate) fn insert(&mut self, id: PeerId, state: State) -> Slot {
        self.epochs = self.epochs.wrapping_add(1);
        let peer = Peer {
            id,
            epoch: self.epochs,
            state,
        };
        let admitted = matches!(peer.state, State::Admitted(_));
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                Slot(self.slots.len() - 1)
            }
        };
        if let Some(place) = self.slots.get_mut(slot.0) {
            *place = Some(peer);
        }
        self.by_id.insert(id, slot);
        if admitted {
            self.admitted.push(slot);
        }
        slot
    }

    /// Makes a pending peer an admitted one.
    pub(crate) fn admit(&mut self, slot: Slot, state: Admitted) {
        if let Some(peer) = self.at_mut(slot) {
            peer.state = State::Admitted(Box::new(state));
            self.admitted.push(slot);
        }
    }

    pub(crate) fn remove(&mut self, id: PeerId) -> Option<Peer> {
        let slot = self.by_id.remove(&id)?;
        if let Some(place) = self.admitted.iter().position(|&other| other == slot) {
            self.admitted.swap_remove(place);
        }
        self.free.push(slot);
        self.slots.get_mut(slot.0)?.take()
    }

    pub(crate) fn clear(&mut self) {
        let epochs = self.epochs;
        *self = Self {
            epochs,
            ..Self::default()
        };
    }

    pub(crate) fn slot(&self, id: PeerId) -> Option<Slot> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn at(&self, slot: Slot) -> Option<&Peer> {
        self.slots.get(slot.0)?.as_ref()
    }

    pub(crate) fn at_mut(&mut self, slot: Slot) -> Option<&mut Peer> {
        self.slots.get_mut(slot.0)?.as_mut()
    }

    pub(crate) fn get(&self, id: PeerId) -> Option<&Peer> {
        self.at(self.slot(id)?)
    }

    pub(crate) fn admitted(&self) -> &[Slot] {
        &self.admitted
    }

    /// The admitted state of the peer in `slot`.
    pub(crate) fn admitted_at(&self, slot: Slot) -> Option<&Admitted> {
        match &self.at(slot)?.state {
            State::Admitted(admitted) => Some(admitted),
            State::Pending(_) => None,
        }
    }

    /// The admitted state of the peer in `slot`, to change it.
    pub(crate) fn admitted_at_mut(&mut self, slot: Slot) -> Option<&mut Admitted> {
        match &mut self.at_mut(slot)?.state {
            State::Admitted(admitted) => Some(admitted),
            State::Pending(_) => None,
        }
    }

    /// All admitted peers, to change them.
    pub(crate) fn admitted_mut(&mut self) -> impl Iterator<Item = &mut Admitted> {
        let peers = self.slots.iter_mut().flatten();
        peers.filter_map(|peer| match &mut peer.state {
            State::Admitted(admitted) => Some(&mut **admitted),
            State::Pending(_) => None,
        })
    }

    pub(crate) fn is_admitted(&self, id: PeerId) -> bool {
        self.slot(id)
            .is_some_and(|slot| self.admitted_at(slot).is_some())
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// All peers by ascending number.
    pub(crate) fn ids(&self) -> impl Iterator<Item = PeerId> {
        self.by_id.keys().copied()
    }
}
