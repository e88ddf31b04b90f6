//! Admission and authentication (spec: peer admission and authentication).
//!
//! ```text
//!                     no authentication here
//!   connected ─────────────────────────────────────────────► admitted
//!       │ authentication required                                ▲
//!       ▼                                                        │ both complete
//!   pending (local: no/yes, remote: no/yes) ─────────────────────┘
//!       │ timeout, too much data, refused, connection ended
//!       ▼
//!     gone, AuthFailed
//! ```
//! Peers that the server announces are admitted without authentication: the server vouches for them.

use crate::config::{Authentication, Role};
use crate::error::{AuthError, Refusal, Verdict, drop, reject};
use crate::event::{AuthFailure, DisconnectReason, Event};
use crate::packet::{Command, Sys};
use crate::peer::{Admitted, Peer, PeerId, Slot, State, TransferMode};
use crate::session::Session;
use crate::stats::DropReason;
use alloc::vec::Vec;
use bytes::Bytes;
use proto_core::Instant;

/// State of a peer that is not admitted yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    /// When it is given up.
    deadline: Option<Instant>,
    /// Data messages so far.
    messages: usize,
    /// Whether this end is done.
    local: bool,
    /// Whether the peer is done.
    remote: bool,
}

impl Session {
    /// Takes in a peer that the transport connected: admits it, or waits for its authentication.
    ///
    /// A number that cannot be a peer's here, or is taken, is rejected and changes nothing; the transport should then
    /// drop that connection. A client takes only the server, a server only clients.
    pub fn handle_peer_connected(&mut self, now: Instant, peer: PeerId) -> Verdict {
        let result = self.on_peer_connected(now, peer);
        self.judge(result)
    }

    fn on_peer_connected(&mut self, now: Instant, peer: PeerId) -> Result<(), Refusal> {
        let fits = match self.config.role {
            Role::Client => peer.is_server(),
            Role::Server => !peer.is_server(),
            Role::Mesh => peer != self.config.id,
        };
        if !fits || self.peers.slot(peer).is_some() {
            return reject(DropReason::BadPeerId);
        }
        if self.peers.len() >= self.config.limits.peers {
            return reject(DropReason::PeerLimit);
        }
        match self.config.authentication {
            Authentication::None => self.admit_new(peer, true),
            Authentication::Required => self.begin_authentication(now, peer),
        }
        Ok(())
    }

    fn begin_authentication(&mut self, now: Instant, peer: PeerId) {
        let timeout = self.config.auth_timeout;
        let deadline = (!timeout.is_zero()).then(|| now + timeout);
        let pending = Pending {
            deadline,
            messages: 0,
            local: false,
            remote: false,
        };
        self.peers.insert(peer, State::Pending(pending));
        if let Some(deadline) = deadline {
            self.timers.insert((deadline, peer));
        }
        self.emit(Event::Authenticating { peer });
    }

    /// Admits a peer that was not in the table.
    pub(crate) fn admit_new(&mut self, peer: PeerId, direct: bool) {
        self.announce(peer);
        let admitted = Admitted::new(direct, &self.config);
        let slot = self.peers.insert(peer, State::Admitted(admitted.into()));
        self.replicate_to(slot);
        self.emit(Event::PeerConnected { peer });
    }

    fn admit_pending(&mut self, slot: Slot, peer: PeerId, pending: Pending) {
        self.disarm(pending.deadline, peer);
        self.announce(peer);
        let admitted = Admitted::new(true, &self.config);
        self.peers.admit(slot, admitted);
        self.replicate_to(slot);
        self.emit(Event::PeerConnected { peer });
    }

    /// Tells the new peer and every admitted one about each other, as a relaying server does.
    fn announce(&mut self, peer: PeerId) {
        if !self.is_relaying_server() {
            return;
        }
        let added = encode_sys(Sys::AddPeer(peer.value()));
        let others: Vec<_> = self.admitted_ids().collect();
        for other in others {
            self.transmit_reliable(other, added.clone());
            self.transmit_reliable(peer, encode_sys(Sys::AddPeer(other.value())));
        }
    }

    /// Takes off a peer that the transport lost. Unknown peers are ignored: [`Session::disconnect_peer`] forgets at once.
    ///
    /// A client that loses the server loses everything: all peers, all path numbers.
    pub fn handle_peer_disconnected(&mut self, _now: Instant, peer: PeerId) {
        self.take_off(peer, DisconnectReason::ConnectionEnded);
    }

    /// Ends the stay of a peer, pending or admitted, and asks the transport to disconnect it.
    ///
    /// Unlike the engine, which says nothing for its own disconnects, the session gives the peer's last event:
    /// [`Event::PeerDisconnected`] or [`Event::AuthFailed`].
    pub fn disconnect_peer(&mut self, peer: PeerId) {
        let direct = self.peers.get(peer).is_some_and(is_direct);
        if self.take_off(peer, DisconnectReason::Local) && direct {
            self.disconnects.push_back(peer);
        }
    }

    /// Gives up a peer that broke a limit.
    pub(crate) fn expel(&mut self, peer: PeerId, reason: DisconnectReason) {
        if self.take_off(peer, reason) {
            self.disconnects.push_back(peer);
        }
    }

    /// Removes a peer and says so to the application and, as a relaying server, to the others.
    pub(crate) fn take_off(&mut self, id: PeerId, reason: DisconnectReason) -> bool {
        let Some(peer) = self.peers.remove(id) else {
            return false;
        };
        match peer.state {
            State::Pending(pending) => {
                self.disarm(pending.deadline, id);
                let reason = match reason {
                    DisconnectReason::Local => AuthFailure::Refused,
                    _ => AuthFailure::ConnectionEnded,
                };
                self.emit(Event::AuthFailed { peer: id, reason });
            }
            State::Admitted(admitted) => {
                self.disarm(admitted.forwarding.deadline(), id);
                if self.is_relaying_server() {
                    let left = encode_sys(Sys::DeletePeer(id.value()));
                    let others: Vec<_> = self.admitted_ids().collect();
                    for other in others {
                        self.transmit_reliable(other, left.clone());
                    }
                }
                self.free_spawns_of(id);
                self.forget_times_of(id);
                if self.config.role == Role::Client && id.is_server() {
                    self.lose_everything(reason);
                }
                self.emit(Event::PeerDisconnected { peer: id, reason });
            }
        }
        true
    }

    /// The connection of a client is gone: the other clients are out of reach and all numbers start anew.
    fn lose_everything(&mut self, reason: DisconnectReason) {
        let others: Vec<_> = self.peers.ids().collect();
        for peer in others {
            self.free_spawns_of(peer);
            self.emit(Event::PeerDisconnected { peer, reason });
        }
        self.peers.clear();
        self.timers.clear();
        self.nodes.reset_cache();
        self.replication.reset_numbers();
        self.outgoing.clear();
    }

    /// Handles a packet of a pending peer: only AUTH is read.
    pub(crate) fn on_pending_packet(
        &mut self,
        slot: Slot,
        peer: PeerId,
        packet: &Bytes,
    ) -> Result<(), Refusal> {
        let is_auth =
            matches!(packet.as_ref(), [first, 0, ..] if Command::of(*first) == Command::Sys);
        if !is_auth {
            return drop(DropReason::NotAuthenticated);
        }
        let data = packet.slice(2..);
        if data.is_empty() {
            return self.on_auth_complete(slot, peer);
        }
        let limits = self.config.limits;
        let Some(pending) = self.pending_mut(slot) else {
            return drop(DropReason::NotAuthenticated);
        };
        pending.messages += 1;
        if pending.messages > limits.auth_messages || data.len() > limits.auth_message_bytes {
            self.fail_authentication(peer, AuthFailure::TooLarge);
            return reject(DropReason::AuthTooLarge);
        }
        self.emit(Event::AuthReceived { peer, data });
        Ok(())
    }

    fn on_auth_complete(&mut self, slot: Slot, peer: PeerId) -> Result<(), Refusal> {
        let Some(pending) = self.pending_mut(slot) else {
            return drop(DropReason::NotAuthenticated);
        };
        if pending.remote {
            return Ok(());
        }
        pending.remote = true;
        let pending = *pending;
        if pending.local {
            self.admit_pending(slot, peer, pending);
        } else {
            self.emit(Event::AuthRemoteComplete { peer });
        }
        Ok(())
    }

    /// Sends authentication data to a pending peer.
    ///
    /// # Errors
    /// [`AuthError`]: not pending, no data, or one side has completed.
    pub fn send_auth(&mut self, peer: PeerId, data: &[u8]) -> Result<(), AuthError> {
        let slot = self.peers.slot(peer).ok_or(AuthError::NotPending)?;
        let pending = self.pending_mut(slot).ok_or(AuthError::NotPending)?;
        if data.is_empty() {
            return Err(AuthError::Empty);
        }
        if pending.local || pending.remote {
            return Err(AuthError::Complete);
        }
        self.transmit_reliable(peer, encode_sys(Sys::Auth(data)));
        Ok(())
    }

    /// Says that this end is content with a pending peer. It is admitted once the peer says the same.
    ///
    /// # Errors
    /// [`AuthError`]: not pending, or completed before.
    pub fn complete_auth(&mut self, peer: PeerId) -> Result<(), AuthError> {
        let slot = self.peers.slot(peer).ok_or(AuthError::NotPending)?;
        let pending = self.pending_mut(slot).ok_or(AuthError::NotPending)?;
        if pending.local {
            return Err(AuthError::Complete);
        }
        pending.local = true;
        let pending = *pending;
        self.transmit_reliable(peer, encode_sys(Sys::Auth(&[])));
        if pending.remote {
            self.admit_pending(slot, peer, pending);
        }
        Ok(())
    }

    /// A pending peer's time is over.
    pub(crate) fn expire_authentication(&mut self, peer: PeerId) {
        self.fail_authentication(peer, AuthFailure::Timeout);
    }

    fn fail_authentication(&mut self, id: PeerId, reason: AuthFailure) {
        if let Some(peer) = self.peers.remove(id) {
            if let State::Pending(pending) = peer.state {
                self.disarm(pending.deadline, id);
            }
            self.disconnects.push_back(id);
            self.emit(Event::AuthFailed { peer: id, reason });
        }
    }

    fn pending_mut(&mut self, slot: Slot) -> Option<&mut Pending> {
        match &mut self.peers.at_mut(slot)?.state {
            State::Pending(pending) => Some(pending),
            State::Admitted(_) => None,
        }
    }

    /// The admitted peers in Godot's order.
    pub(crate) fn admitted_ids(&self) -> impl Iterator<Item = PeerId> {
        self.peers
            .admitted()
            .iter()
            .filter_map(|&slot| Some(self.peers.at(slot)?.id))
    }

    fn disarm(&mut self, deadline: Option<Instant>, peer: PeerId) {
        if let Some(deadline) = deadline {
            self.timers.remove(&(deadline, peer));
        }
    }

    pub(crate) fn transmit_reliable(&mut self, to: PeerId, packet: Bytes) {
        self.transmit(to, (TransferMode::Reliable, 0), packet);
    }
}

/// Whether the transport reaches a peer itself.
pub(crate) fn is_direct(peer: &Peer) -> bool {
    match &peer.state {
        State::Pending(_) => true,
        State::Admitted(admitted) => admitted.direct,
    }
}

fn encode_sys(sys: Sys<'_>) -> Bytes {
    let mut out = Vec::with_capacity(6);
    sys.encode(&mut out);
    out.into()
}
