//! What the application asks a [`Host`] to do, and what it can look at.

use super::Host;
use super::replies::Reply;
use crate::config::Timeouts;
use crate::peer::{Identity, Peer, State, micros};
use crate::send::Control;
use crate::stats::{PeerStats, Stats};
use crate::wire::{Connect, ConnectId, MAXIMUM_CHANNELS};
use crate::{ConnectError, PacketFlags, PeerKey, SendError};
use alloc::boxed::Box;
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::Instant;

impl Host {
    /// Asks the host at `address` for a connection with `channel_count` channels; `data` is for its application.
    ///
    /// Then comes [`Event::Connected`](crate::Event::Connected) or [`Event::Disconnected`](crate::Event::Disconnected).
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect(
        &mut self,
        now: Instant,
        address: SocketAddr,
        channel_count: usize,
        data: u32,
    ) -> Result<PeerKey, ConnectError> {
        self.set_time(now);
        if !proto_core::is_possible_source(address) {
            return Err(ConnectError::BadAddress);
        }
        if !(1..=MAXIMUM_CHANNELS).contains(&channel_count) {
            return Err(ConnectError::BadChannelCount);
        }
        let id = self
            .routes
            .choose(&mut self.rng)
            .ok_or(ConnectError::HostFull)?;
        let most = self.config.max_peers;
        let (slot, generation) = self.peers.take_slot(most).ok_or(ConnectError::HostFull)?;
        self.tombstones.remove(id);
        let (incoming_session, outgoing_session) = self.routes.offer(id, &mut self.rng);
        let identity = Identity {
            key: PeerKey { slot, generation },
            address,
            wire_id: id,
            incoming_session,
            outgoing_session,
            connect_id: ConnectId(self.rng.next_u32().to_le_bytes()),
        };
        let mut peer = Peer::new(identity, channel_count, &self.config);
        let terms = peer.terms(&self.config);
        peer.queue_control(Control::Connect(Box::new(Connect { terms, data })));
        self.addresses.add_peer(address, identity.connect_id, id);
        self.routes.set(id, super::Route::Peer(slot));
        self.peers.put(slot, peer);
        self.mark_ready(slot);
        Ok(identity.key)
    }

    /// Queues a packet for `peer`.
    ///
    /// # Errors
    /// See [`SendError`]; nothing was queued.
    #[inline]
    pub fn send(
        &mut self,
        peer: PeerKey,
        channel: u8,
        flags: PacketFlags,
        payload: Bytes,
    ) -> Result<(), SendError> {
        let target = self.peers.get_mut(peer).ok_or(SendError::NotConnected)?;
        if !self.sending.has_plenty(payload.len())
            && flags.contains(PacketFlags::RELIABLE)
            && payload.is_unique()
            && !self.sending.fits(target.out.own_bytes, payload.len())
        {
            return Err(SendError::HostQueueFull);
        }
        target.send(channel, flags, payload, &self.config)?;
        if target.out.own_bytes > 0 {
            let own_bytes = target.out.own_bytes;
            self.sending.settle(&mut target.out.beyond_share, own_bytes);
        }
        if !target.is_ready {
            target.is_ready = true;
            self.ready.push_back(peer.slot);
        }
        Ok(())
    }

    /// Queues a packet for every connected peer; they share its bytes. Gives the number of those that took it: a peer
    /// with fewer channels or a full queue does not.
    pub fn broadcast(&mut self, channel: u8, flags: PacketFlags, payload: &Bytes) -> usize {
        let mut count = 0;
        for peer in self.peers.iter_mut() {
            if peer
                .send(channel, flags, payload.clone(), &self.config)
                .is_err()
            {
                continue;
            }
            count += 1;
            if !peer.is_ready {
                peer.is_ready = true;
                self.ready.push_back(peer.key.slot);
            }
        }
        count
    }

    /// Ends a connection in an orderly way: what waits is dropped, the remote gets `data` and acknowledges, then
    /// [`Event::Disconnected`](crate::Event::Disconnected) comes. An attempt to connect is given up at once, without
    /// an event.
    pub fn disconnect(&mut self, peer: PeerKey, data: u32) {
        let Some(target) = self.peers.get_mut(peer) else {
            return;
        };
        let (was_open, limited) = (target.state.is_open(), target.incoming_bandwidth != 0);
        if target.state == State::Connecting {
            self.disconnect_now(peer, data);
        } else if target.on_disconnect_call(data) {
            if was_open {
                self.connected -= 1;
                self.bandwidth.count_limited(limited, false);
                self.note_membership_change();
            }
            self.mark_ready(peer.slot);
        }
    }

    /// Ends a connection when all that waits has been acknowledged; nothing can be sent meanwhile.
    pub fn disconnect_later(&mut self, peer: PeerKey, data: u32) {
        let Some(target) = self.peers.get_mut(peer) else {
            return;
        };
        if target.state == State::Connecting || target.out.is_drained() {
            self.disconnect(peer, data);
        } else {
            target.on_disconnect_later_call(data);
        }
    }

    /// Ends a connection at once, without an event: the remote gets one datagram with `data`, which may be lost.
    pub fn disconnect_now(&mut self, peer: PeerKey, data: u32) {
        if self.peers.get(peer).is_none() {
            return;
        }
        if let Some(farewell) = self.farewell(peer.slot, data) {
            self.replies.push(Reply::Disconnect(farewell));
        }
        self.end(peer.slot, None, None);
    }

    /// Forgets a connection without a word to anybody.
    pub fn reset(&mut self, peer: PeerKey) {
        if self.peers.get(peer).is_some() {
            self.end(peer.slot, None, None);
        }
    }

    /// Sends a ping to a connected peer, beside those that are sent anyway.
    pub fn ping(&mut self, peer: PeerKey) {
        self.control(peer, Control::Ping);
    }

    /// How long the link to `peer` is silent before it is pinged; zero means the default of 500 ms.
    pub fn set_ping_interval(&mut self, peer: PeerKey, interval: Duration) {
        let default = Duration::from_millis(500);
        if let Some(target) = self.peers.get_mut(peer) {
            target.ping_interval_micros = micros(if interval.is_zero() {
                default
            } else {
                interval
            });
            self.arm(peer.slot);
        }
    }

    /// When `peer` counts as dead.
    pub fn set_timeouts(&mut self, peer: PeerKey, timeouts: Timeouts) {
        if let Some(target) = self.peers.get_mut(peer) {
            target.timeouts = timeouts;
        }
    }

    /// How unreliable packets to and from `peer` are throttled: every `interval` the round-trip time is looked at; a
    /// better one raises the share of packets that pass by `acceleration` 32nds, a much worse one lowers it by
    /// `deceleration`.
    pub fn configure_throttle(
        &mut self,
        peer: PeerKey,
        interval: Duration,
        acceleration: u32,
        deceleration: u32,
    ) {
        let interval_ms = u32::try_from(interval.as_millis()).unwrap_or(u32::MAX);
        if let Some(target) = self.peers.get_mut(peer) {
            target.throttle.interval_ms = interval_ms;
            target.throttle.acceleration = acceleration;
            target.throttle.deceleration = deceleration;
        }
        let settings = [interval_ms, acceleration, deceleration];
        self.control(peer, Control::ThrottleConfigure(settings));
    }

    /// Changes our limits, in bytes a second, 0 without limit; peers are told within a second.
    pub fn set_bandwidth(&mut self, incoming: u32, outgoing: u32) {
        self.config.incoming_bandwidth = incoming;
        self.config.outgoing_bandwidth = outgoing;
        self.bandwidth.set_outgoing(outgoing);
        self.wake_for_bandwidth();
    }

    /// How many channels a remote that connects from now on gets at most, 1 to 255.
    pub fn set_channel_limit(&mut self, channel_limit: usize) {
        self.config.channel_limit = channel_limit.clamp(1, MAXIMUM_CHANNELS);
    }

    fn control(&mut self, peer: PeerKey, control: Control) {
        if let Some(target) = self.peers.get_mut(peer)
            && target.state == State::Connected
            && target.queue_control(control)
        {
            self.mark_ready(peer.slot);
        }
    }

    /// A look at one connection.
    #[must_use]
    pub fn peer(&self, peer: PeerKey) -> Option<PeerView<'_>> {
        self.peers.get(peer).map(PeerView)
    }

    /// All connections and attempts at one, by slot.
    pub fn peers(&self) -> impl Iterator<Item = PeerKey> {
        self.peers.iter().map(|peer| peer.key)
    }

    /// How many peers are connected.
    #[must_use]
    pub const fn connected_peers(&self) -> usize {
        self.connected
    }

    /// How many remotes have asked to connect and not proven their address yet.
    #[must_use]
    pub fn half_open(&self) -> usize {
        self.half_open.len()
    }

    /// Counters since the host was made.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }
}

/// A look at one connection, from [`Host::peer`].
#[derive(Clone, Copy, Debug)]
pub struct PeerView<'a>(&'a Peer);

impl PeerView<'_> {
    /// Where the remote is.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// How many channels the connection has.
    #[must_use]
    pub const fn channel_count(&self) -> usize {
        self.0.channels.count()
    }

    /// The number that the remote gave when it connected to us; 0 if we connected to it.
    #[must_use]
    pub const fn data(&self) -> u32 {
        self.0.data
    }

    /// Whether packets can be sent.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.0.state == State::Connected
    }

    /// The largest datagram, in bytes.
    #[must_use]
    pub const fn mtu_bytes(&self) -> u16 {
        self.0.layout.mtu_bytes
    }

    /// The longest packet that needs no fragments, in bytes.
    #[must_use]
    pub const fn unfragmented_bytes(&self) -> u16 {
        self.0.layout.part_bytes()
    }

    /// Most reliable data in flight, in bytes.
    #[must_use]
    pub const fn window_bytes(&self) -> u32 {
        self.0.window_bytes
    }

    /// The state of the connection.
    #[must_use]
    pub const fn state(&self) -> State {
        self.0.state
    }

    /// Its figures.
    #[must_use]
    pub fn stats(&self) -> PeerStats {
        self.0.stats()
    }
}
