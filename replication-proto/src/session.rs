//! [`Session`]: the doors between a transport and an application.
//!
//! ```text
//!   transport                                             application
//!   handle_peer_connected ──►┌───────────────────────┐◄── add_node, rpc, send_bytes,
//!   handle_packet ──────────►│ auth ─ forward        │    send_auth, complete_auth,
//!   handle_timeout ─────────►│ path_cache ─ rpc      │    disconnect_peer
//!   poll_packet ◄────────────│                       │
//!   poll_disconnect ◄────────│ peers · nodes         │──► poll_event
//!   poll_timeout ◄───────────└───────────────────────┘
//! ```

use crate::config::{Config, ConfigError, Relay, Role};
use crate::error::{Refusal, SendError, Verdict, drop, reject};
use crate::event::{DisconnectReason, Event};
use crate::node::Nodes;
use crate::packet::{self, Command, ConfirmFormat, Sys};
use crate::peer::{PeerId, Peers, Slot, State, Target, TransferMode};
use crate::replication::Replication;
use crate::stats::{DropReason, PeerUsage, Stats};
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use bytes::{Buf as _, Bytes};
use proto_core::Instant;

/// Packets for which the queue keeps memory when it is empty; joins make long queues.
const OUTGOING_KEPT: usize = 1024;

/// A packet for a peer that the transport reaches directly.
#[must_use = "a packet that is not sent is lost"]
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a driver must handle every field"
)]
pub struct Outgoing {
    /// To whom.
    pub to: PeerId,
    /// How.
    pub mode: TransferMode,
    /// On which channel, 0 is the default.
    pub channel: u8,
    /// What.
    pub packet: Bytes,
}

/// A packet that the transport received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a driver must give every field")]
pub struct Incoming {
    /// From whom, as the transport knows it.
    pub from: PeerId,
    /// How it came.
    pub mode: TransferMode,
    /// On which channel.
    pub channel: u8,
    /// What came. A relayed packet is passed on without a copy if nothing else refers to these bytes.
    pub packet: Bytes,
}

/// One packet on its way through the handlers.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) now: Instant,
    /// Who is behind it, relayed or not.
    pub(crate) from: PeerId,
    pub(crate) slot: Slot,
    pub(crate) mode: TransferMode,
    pub(crate) channel: u8,
    pub(crate) packet: Bytes,
}

/// One end of a scene multiplayer session: peers, the nodes that they may know, calls and packets between them.
///
/// After each `handle_*` call and each command, drain [`poll_packet`](Self::poll_packet),
/// [`poll_disconnect`](Self::poll_disconnect) and [`poll_event`](Self::poll_event), and ask
/// [`poll_timeout`](Self::poll_timeout) when to call [`handle_timeout`](Self::handle_timeout).
#[derive(Debug)]
pub struct Session {
    pub(crate) config: Config,
    pub(crate) peers: Peers,
    pub(crate) nodes: Nodes,
    /// Deadlines of peers: end of authentication while pending, next release of relayed packets once admitted.
    pub(crate) timers: BTreeSet<(Instant, PeerId)>,
    pub(crate) outgoing: VecDeque<Outgoing>,
    pub(crate) disconnects: VecDeque<PeerId>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) stats: Stats,
    pub(crate) replication: Replication,
    /// Receivers of the call being sent; kept for its memory.
    pub(crate) receivers: Vec<Slot>,
    /// Arguments of the call being sent; kept for its memory.
    pub(crate) scratch: Vec<u8>,
}

impl Session {
    /// A session without peers and nodes.
    ///
    /// # Errors
    /// [`ConfigError`]: the id does not fit the role, or a limit is zero.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            config,
            peers: Peers::default(),
            nodes: Nodes::new(),
            timers: BTreeSet::new(),
            outgoing: VecDeque::new(),
            disconnects: VecDeque::new(),
            events: VecDeque::new(),
            stats: Stats::new(),
            replication: Replication::new(),
            receivers: Vec::new(),
            scratch: Vec::new(),
        })
    }

    /// Takes in a packet of a direct peer. Nothing that it holds can end the session or touch another peer's state.
    pub fn handle_packet(&mut self, now: Instant, incoming: Incoming) -> Verdict {
        self.stats.packets_in = self.stats.packets_in.saturating_add(1);
        let length = incoming.packet.len() as u64;
        self.stats.bytes_in = self.stats.bytes_in.saturating_add(length);
        let result = self.on_packet(now, incoming);
        self.judge(result)
    }

    /// Counts a refusal.
    pub(crate) fn judge(&mut self, result: Result<(), Refusal>) -> Verdict {
        let verdict = result.err().unwrap_or(Verdict::Accepted);
        self.count_refusal(verdict);
        verdict
    }

    /// Counts the refusal of a packet or of a part of one.
    pub(crate) fn count_refusal(&mut self, verdict: Verdict) {
        if let Some(reason) = verdict.reason() {
            self.stats.count_drop(reason);
        }
    }

    fn on_packet(&mut self, now: Instant, incoming: Incoming) -> Result<(), Refusal> {
        let Some(slot) = self.peers.slot(incoming.from) else {
            return drop(DropReason::UnknownPeer);
        };
        let arrival = Arrival {
            now,
            from: incoming.from,
            slot,
            mode: incoming.mode,
            channel: incoming.channel,
            packet: incoming.packet,
        };
        match self.peers.at(slot).map(|peer| &peer.state) {
            Some(State::Pending(_)) => self.on_pending_packet(slot, arrival.from, &arrival.packet),
            Some(State::Admitted(admitted)) if admitted.direct => self.on_direct(arrival),
            _ => drop(DropReason::UnknownPeer),
        }
    }

    fn on_direct(&mut self, arrival: Arrival) -> Result<(), Refusal> {
        match arrival.packet.first() {
            Some(&first) if Command::of(first) == Command::Sys => {
                self.check_flags(first)?;
                self.on_sys(arrival)
            }
            _ => self.dispatch(arrival),
        }
    }

    /// Handles a packet that is not SYS, direct or out of a relay envelope.
    pub(crate) fn dispatch(&mut self, arrival: Arrival) -> Result<(), Refusal> {
        let Some(&first) = arrival.packet.first() else {
            return drop(DropReason::Truncated);
        };
        self.check_flags(first)?;
        let Some(arrival) = self.hold(arrival)? else {
            return Ok(());
        };
        match Command::of(first) {
            Command::RemoteCall => self.on_remote_call(&arrival),
            Command::SimplifyPath => self.on_simplify_path(&arrival),
            Command::ConfirmPath => self.on_confirm_path(&arrival),
            Command::Raw => self.on_raw(arrival),
            Command::Spawn => self.on_spawn(&arrival),
            Command::Despawn => self.on_despawn(&arrival),
            Command::Sync => self.on_sync(&arrival),
            Command::Sys => reject(DropReason::NestedSys),
        }
    }

    fn check_flags(&self, first: u8) -> Result<(), Refusal> {
        let unknown = first & !Command::of(first).known_bits();
        if unknown != 0 && self.config.refuse_unknown_flags {
            return reject(DropReason::UnknownFlags);
        }
        Ok(())
    }

    fn on_sys(&mut self, arrival: Arrival) -> Result<(), Refusal> {
        let (number, inner) = match Sys::decode(&arrival.packet)? {
            // A completion may cross with the admission; the engine ignores it too.
            Sys::Auth([]) => return Ok(()),
            Sys::Auth(_) => return reject(DropReason::UnexpectedCommand),
            Sys::AddPeer(number) => return self.on_add_peer(&arrival, number),
            Sys::DeletePeer(number) => return self.on_delete_peer(&arrival, number),
            Sys::Relay { peer, packet } => (peer, packet.first().copied().unwrap_or_default()),
        };
        self.on_relay(arrival, number, Command::of(inner))
    }

    fn on_add_peer(&mut self, arrival: &Arrival, number: i32) -> Result<(), Refusal> {
        let peer = self.announced(arrival, number)?;
        if self.peers.slot(peer).is_some() {
            return Ok(());
        }
        if self.peers.len() >= self.config.limits.peers {
            self.expel(arrival.from, DisconnectReason::PeerLimit);
            return reject(DropReason::PeerLimit);
        }
        self.admit_new(peer, false);
        Ok(())
    }

    fn on_delete_peer(&mut self, arrival: &Arrival, number: i32) -> Result<(), Refusal> {
        let peer = self.announced(arrival, number)?;
        if !self.take_off(peer, DisconnectReason::Remote) {
            return drop(DropReason::UnknownPeer);
        }
        Ok(())
    }

    /// The peer that an announcement names, if its sender may announce it.
    fn announced(&self, arrival: &Arrival, number: i32) -> Result<PeerId, Refusal> {
        if self.config.role != Role::Client || !arrival.from.is_server() {
            return reject(DropReason::Unauthorized);
        }
        if self.config.relay == Relay::Disabled {
            return reject(DropReason::RelayDisabled);
        }
        match PeerId::new(number) {
            Some(peer) if !peer.is_server() && peer != self.config.id => Ok(peer),
            _ => reject(DropReason::BadPeerId),
        }
    }

    fn on_raw(&mut self, mut arrival: Arrival) -> Result<(), Refusal> {
        packet::decode_raw(&arrival.packet)?;
        arrival.packet.advance(1);
        self.emit(Event::Packet {
            peer: arrival.from,
            payload: arrival.packet,
            mode: arrival.mode,
            channel: arrival.channel,
        });
        Ok(())
    }

    /// Does what is due: ends authentications that took too long, passes on relayed packets that waited for their rate,
    /// runs a network frame.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.run_due_frame(now);
        while let Some(&(deadline, peer)) = self.timers.first() {
            if deadline > now {
                return;
            }
            self.timers.pop_first();
            match self.peers.get(peer).map(|peer| &peer.state) {
                Some(State::Pending(_)) => self.expire_authentication(peer),
                Some(State::Admitted(_)) => self.release_backlog(now, peer),
                None => {}
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(deadline, _)| *deadline);
        timer.into_iter().chain(self.next_frame()).min()
    }

    /// The next packet to send.
    pub fn poll_packet(&mut self) -> Option<Outgoing> {
        let next = self.outgoing.pop_front();
        if next.is_none() && self.outgoing.capacity() > OUTGOING_KEPT {
            self.outgoing.shrink_to(OUTGOING_KEPT);
        }
        next
    }

    /// The next peer whose connection the transport shall end. Packets polled before still go first.
    pub fn poll_disconnect(&mut self) -> Option<PeerId> {
        self.disconnects.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Sends bytes of the application (`send_bytes`); the receivers get [`Event::Packet`].
    ///
    /// # Errors
    /// [`SendError`]: nothing to send, not connected, or the one target is not connected.
    pub fn send_bytes(
        &mut self,
        target: Target,
        bytes: &[u8],
        mode: TransferMode,
        channel: u8,
    ) -> Result<(), SendError> {
        if bytes.is_empty() {
            return Err(SendError::Empty);
        }
        if !self.is_connected() {
            return Err(SendError::NotConnected);
        }
        if let Target::Peer(peer) = target
            && !self.peers.is_admitted(peer)
        {
            return Err(SendError::UnknownPeer(peer));
        }
        let mut packet = Vec::with_capacity(bytes.len() + 1);
        packet::encode_raw(bytes, &mut packet);
        self.send_command(target, (mode, channel), packet.into());
        Ok(())
    }

    /// Sets which form of CONFIRM_PATH an admitted peer speaks. Unknown peers are ignored.
    pub fn set_confirm_format(&mut self, peer: PeerId, format: ConfirmFormat) {
        if let Some(slot) = self.peers.slot(peer)
            && let Some(admitted) = self.peers.admitted_at_mut(slot)
        {
            admitted.confirm_format = format;
        }
    }

    /// This end's number.
    #[must_use]
    pub const fn id(&self) -> PeerId {
        self.config.id
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The admitted peers, relayed ones among them, in the order in which calls go out.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.admitted_ids()
    }

    /// Whether a peer is admitted.
    #[must_use]
    pub fn is_admitted(&self, peer: PeerId) -> bool {
        self.peers.is_admitted(peer)
    }

    /// What happened so far, in numbers.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// What an admitted peer makes this end hold.
    #[must_use]
    pub fn peer_usage(&self, peer: PeerId) -> Option<PeerUsage> {
        let admitted = self.peers.admitted_at(self.peers.slot(peer)?)?;
        Some(PeerUsage {
            spawned_nodes: admitted.replication.nodes.len(),
            freed_numbers: admitted.replication.freed.len(),
            held_bytes: self.held_bytes(self.peers.slot(peer)?),
            cached_paths: admitted.received.len(),
            cached_path_bytes: admitted.received.text_bytes(),
            waiting_packets: admitted.forwarding.waiting_packets(),
            waiting_bytes: admitted.forwarding.waiting_cost(),
        })
    }

    /// Whether anything can be sent: a client needs the server.
    pub(crate) fn is_connected(&self) -> bool {
        self.config.role != Role::Client || self.peers.is_admitted(PeerId::SERVER)
    }

    pub(crate) fn is_relaying_server(&self) -> bool {
        self.config.role == Role::Server && self.config.relay == Relay::Enabled
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// Queues a packet for a direct peer.
    pub(crate) fn transmit(&mut self, to: PeerId, route: (TransferMode, u8), packet: Bytes) {
        let (mode, channel) = route;
        self.stats.packets_out = self.stats.packets_out.saturating_add(1);
        let length = packet.len() as u64;
        self.stats.bytes_out = self.stats.bytes_out.saturating_add(length);
        self.outgoing.push_back(Outgoing {
            to,
            mode,
            channel,
            packet,
        });
    }

    /// Sends a packet by the engine's rule: clients wrap what is not for the server alone.
    pub(crate) fn send_command(
        &mut self,
        target: Target,
        route: (TransferMode, u8),
        packet: Bytes,
    ) {
        if self.needs_relay(target) {
            let mut out = Vec::with_capacity(packet.len() + 6);
            let relay = Sys::Relay {
                peer: target.number(),
                packet: &packet,
            };
            relay.encode(&mut out);
            self.transmit(PeerId::SERVER, route, out.into());
            return;
        }
        if let Target::Peer(peer) = target {
            self.transmit(peer, route, packet);
            return;
        }
        let peers: Vec<_> = self
            .admitted_ids()
            .filter(|&peer| target.includes(peer))
            .collect();
        for peer in peers {
            self.transmit(peer, route, packet.clone());
        }
    }

    /// Bytes that the relay puts in front of a packet for `target`.
    pub(crate) fn relay_head(&self, target: Target) -> usize {
        if self.needs_relay(target) { 6 } else { 0 }
    }

    fn needs_relay(&self, target: Target) -> bool {
        self.config.role == Role::Client
            && self.config.relay == Relay::Enabled
            && target != Target::Peer(PeerId::SERVER)
    }
}
