//! The relay: packets between clients go through the server (spec: SYS RELAY).
//!
//! The server changes four bytes, destination to source, and passes the packet on in the mode and channel in which it
//! came. What a client may have passed on is a [`Rate`](crate::Rate) counted once per receiver. Unreliable packets
//! beyond it are dropped; reliable ones wait, in order, and a client that lets too many wait is disconnected.

use crate::config::{Limits, Relay, Role};
use crate::error::{Refusal, drop, reject};
use crate::event::DisconnectReason;
use crate::packet::Command;
use crate::peer::{PeerId, Slot, Target, TransferMode};
use crate::session::{Arrival, Session};
use crate::stats::DropReason;
use alloc::collections::VecDeque;
use bytes::{Buf as _, Bytes, BytesMut};
use proto_core::{Instant, TokenBucket};

/// Bytes in front of the inner packet.
const HEADER: usize = 6;
/// What a waiting packet costs beside its bytes.
const WAITING_COST: usize = 64;
/// What each receiver of a waiting packet costs.
const RECEIVER_COST: usize = 16;

/// What one client has passed on and still wants to.
#[derive(Debug)]
pub(crate) struct Forwarding {
    bucket: TokenBucket,
    waiting: VecDeque<Waiting>,
    waiting_cost: usize,
    deadline: Option<Instant>,
}

/// A reliable packet that waits for its sender's rate.
#[derive(Debug)]
struct Waiting {
    route: (TransferMode, u8),
    packet: Bytes,
    /// Slot and stay of those who did not get it yet.
    receivers: VecDeque<(Slot, u32)>,
    cost: usize,
}

impl Forwarding {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            bucket: TokenBucket::full(limits.relay_rate),
            waiting: VecDeque::new(),
            waiting_cost: 0,
            deadline: None,
        }
    }

    pub(crate) fn waiting_packets(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) const fn waiting_cost(&self) -> usize {
        self.waiting_cost
    }

    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

impl Session {
    /// Handles a relay envelope around a packet of command `inner`.
    pub(crate) fn on_relay(
        &mut self,
        arrival: Arrival,
        number: i32,
        inner: Command,
    ) -> Result<(), Refusal> {
        match self.config.role {
            Role::Mesh => reject(DropReason::Unauthorized),
            _ if self.config.relay == Relay::Disabled => reject(DropReason::RelayDisabled),
            Role::Client => self.on_relayed(arrival, number),
            Role::Server => self.on_relay_request(arrival, number, inner),
        }
    }

    /// A client gets a packet of another client from the server.
    fn on_relayed(&mut self, mut arrival: Arrival, source: i32) -> Result<(), Refusal> {
        let source = match PeerId::new(source) {
            Some(source) if !source.is_server() && source != self.config.id => source,
            _ => return reject(DropReason::BadPeerId),
        };
        let Some(slot) = self.peers.slot(source) else {
            return reject(DropReason::UnknownPeer);
        };
        arrival.from = source;
        arrival.slot = slot;
        arrival.packet.advance(HEADER);
        self.dispatch(arrival)
    }

    /// A client wants a packet passed on.
    fn on_relay_request(
        &mut self,
        mut arrival: Arrival,
        number: i32,
        inner: Command,
    ) -> Result<(), Refusal> {
        let Some(target) = Target::from_number(number) else {
            return reject(DropReason::BadPeerId);
        };
        if let Target::Peer(peer) = target
            && !self.peers.is_admitted(peer)
        {
            return drop(DropReason::UnknownPeer);
        }
        if inner == Command::Sys && !self.config.forward.contains(inner) {
            return reject(DropReason::NestedSys);
        }
        let is_for_server = match target {
            Target::All => true,
            Target::AllBut(peer) => !peer.is_server(),
            Target::Peer(_) => false,
        };
        arrival.packet = with_source(arrival.packet, arrival.from);
        let forwarded = if self.config.forward.contains(inner) {
            self.forward(&arrival, target)
        } else {
            drop(DropReason::RelayFiltered)
        };
        // A sender that was expelled is gone, and what it sent with it.
        if is_for_server && self.peers.is_admitted(arrival.from) {
            arrival.packet.advance(HEADER);
            self.dispatch(arrival)?;
        }
        forwarded
    }

    /// Passes an envelope on to those whom the sender means.
    fn forward(&mut self, arrival: &Arrival, target: Target) -> Result<(), Refusal> {
        let receivers = self.receivers_of(arrival.from, target);
        if receivers.is_empty() {
            return Ok(());
        }
        let cost = WAITING_COST + arrival.packet.len() + receivers.len() * RECEIVER_COST;
        let waiting = Waiting {
            route: (arrival.mode, arrival.channel),
            packet: arrival.packet.clone(),
            receivers,
            cost,
        };
        if arrival.mode.is_reliable() {
            self.forward_reliable(arrival, waiting)
        } else {
            self.forward_unreliable(arrival, waiting)
        }
    }

    /// Slot and stay of those whom `target` of a packet from `source` means. Only a single target can be its sender.
    fn receivers_of(&self, source: PeerId, target: Target) -> VecDeque<(Slot, u32)> {
        let stay = |slot: Slot| Some((slot, self.peers.at(slot)?));
        if let Target::Peer(peer) = target {
            let found = self.peers.slot(peer).and_then(stay);
            return found
                .map(|(slot, peer)| (slot, peer.epoch))
                .into_iter()
                .collect();
        }
        let admitted = self.peers.admitted().iter();
        admitted
            .filter_map(|&slot| stay(slot))
            .filter(|(_, peer)| target.includes(peer.id) && peer.id != source)
            .map(|(slot, peer)| (slot, peer.epoch))
            .collect()
    }

    fn forward_unreliable(&mut self, arrival: &Arrival, packet: Waiting) -> Result<(), Refusal> {
        let rate = self.config.limits.relay_rate;
        let bytes = packet.packet.len().saturating_mul(packet.receivers.len());
        let Some(sender) = self.peers.admitted_at_mut(arrival.slot) else {
            return drop(DropReason::UnknownPeer);
        };
        if !sender
            .forwarding
            .bucket
            .take(arrival.now, rate, bytes as u64)
        {
            return drop(DropReason::RelayBudget);
        }
        for receiver in packet.receivers {
            self.transmit_forwarded(receiver, packet.route, packet.packet.clone());
        }
        Ok(())
    }

    fn forward_reliable(&mut self, arrival: &Arrival, packet: Waiting) -> Result<(), Refusal> {
        let limits = self.config.limits;
        let Some(sender) = self.peers.admitted_at_mut(arrival.slot) else {
            return drop(DropReason::UnknownPeer);
        };
        let forwarding = &mut sender.forwarding;
        let cost = forwarding.waiting_cost.saturating_add(packet.cost);
        let is_payable = packet.packet.len() as u64 <= limits.relay_rate.burst;
        // A packet is taken in whole when nothing waits, so that one large packet to many is slow and not fatal.
        let has_room = forwarding.waiting.is_empty() || cost <= limits.relay_backlog_bytes;
        if !is_payable || !has_room {
            self.expel(arrival.from, DisconnectReason::RelayBudget);
            return reject(DropReason::RelayBudget);
        }
        forwarding.waiting_cost = cost;
        forwarding.waiting.push_back(packet);
        if forwarding.deadline.is_none() {
            self.release_backlog(arrival.now, arrival.from);
        }
        Ok(())
    }

    /// Passes on what the rate of `peer` allows by now, and arms its timer for the rest.
    pub(crate) fn release_backlog(&mut self, now: Instant, peer: PeerId) {
        let rate = self.config.limits.relay_rate;
        let Some(slot) = self.peers.slot(peer) else {
            return;
        };
        while let Some(sender) = self.peers.admitted_at_mut(slot) {
            let forwarding = &mut sender.forwarding;
            forwarding.deadline = None;
            let Some(first) = forwarding.waiting.front_mut() else {
                return;
            };
            let Some(&receiver) = first.receivers.front() else {
                forwarding.waiting_cost = forwarding.waiting_cost.saturating_sub(first.cost);
                forwarding.waiting.pop_front();
                continue;
            };
            let bytes = first.packet.len() as u64;
            if !forwarding.bucket.take(now, rate, bytes) {
                forwarding.deadline = forwarding.bucket.ready_at(now, rate, bytes);
                self.timers
                    .extend(forwarding.deadline.map(|deadline| (deadline, peer)));
                return;
            }
            first.receivers.pop_front();
            let (route, packet) = (first.route, first.packet.clone());
            self.transmit_forwarded(receiver, route, packet);
        }
    }

    fn transmit_forwarded(
        &mut self,
        receiver: (Slot, u32),
        route: (TransferMode, u8),
        packet: Bytes,
    ) {
        let (slot, epoch) = receiver;
        let Some(peer) = self.peers.at(slot).filter(|peer| peer.epoch == epoch) else {
            return;
        };
        let to = peer.id;
        self.stats.forwarded_packets = self.stats.forwarded_packets.saturating_add(1);
        let length = packet.len() as u64;
        self.stats.forwarded_bytes = self.stats.forwarded_bytes.saturating_add(length);
        self.transmit(to, route, packet);
    }
}

/// The same envelope with its sender in place of the destination; without a copy if the bytes are not shared.
fn with_source(envelope: Bytes, source: PeerId) -> Bytes {
    let mut envelope = match envelope.try_into_mut() {
        Ok(unshared) => unshared,
        Err(shared) => BytesMut::from(shared.as_ref()),
    };
    if let Some(field) = envelope.get_mut(2..HEADER) {
        field.copy_from_slice(&source.value().to_le_bytes());
    }
    envelope.freeze()
}
