//! One connection: [`Peer`], and what each incoming command does to it.

mod brake;
mod channels;
mod early;
mod receive;
mod rtt;
mod state;
mod timeout;

pub(crate) use receive::{Ended, Received, Surroundings, is_plausible};
pub(crate) use rtt::THROTTLE_SCALE;
pub use state::State;
pub(crate) use timeout::TimedOut;

use crate::config::{Config, Timeouts};
use crate::recv::{Held, UnsequencedWindow};
use crate::send::{Control, Layout, Outgoing};
use crate::stats::PeerStats;
use crate::wire::{
    ConnectId, MAXIMUM_MTU_BYTES, MAXIMUM_WINDOW_BYTES, MINIMUM_MTU_BYTES, MINIMUM_WINDOW_BYTES,
    NO_PEER_ID, VerifyConnect,
};
use crate::{PacketFlags, PeerKey, SendError};
use alloc::boxed::Box;
use brake::Brake;
use bytes::Bytes;
use channels::Channels;
use core::net::SocketAddr;
use core::time::Duration;
use early::Overtaking;
use proto_core::Instant;
use rtt::{Loss, Retransmission, RoundTrip, Throttle};
use state::Input;

/// Bytes a second of bandwidth for each 4096 bytes of window.
const WINDOW_SCALE: u32 = 65_536;

/// The window for data of at most `bandwidth` bytes a second; 0 is without limit.
pub(crate) fn window_for(bandwidth: u32) -> u32 {
    if bandwidth == 0 {
        return MAXIMUM_WINDOW_BYTES;
    }
    (bandwidth / WINDOW_SCALE)
        .saturating_mul(MINIMUM_WINDOW_BYTES)
        .clamp(MINIMUM_WINDOW_BYTES, MAXIMUM_WINDOW_BYTES)
}

/// The stricter of two limits of which 0 means none.
pub(crate) fn stricter(one: u32, other: u32) -> u32 {
    if one == 0 || other == 0 {
        one.max(other)
    } else {
        one.min(other)
    }
}

/// `duration` in microseconds, at most some 584,000 years.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The MTU of a connection: what the remote wants, in bounds, and not above ours.
#[expect(clippy::cast_possible_truncation, reason = "clamped to 4096")]
pub(crate) fn mtu_for(wanted: u32, own: u16) -> u16 {
    let wanted = wanted.clamp(MINIMUM_MTU_BYTES.into(), MAXIMUM_MTU_BYTES.into()) as u16;
    wanted.min(own)
}

/// One connection.
///
/// A server with many connections finds each of them outside of the cache, so the order of the fields is that in which a
/// datagram needs them, and what is rarely needed comes last.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Peer {
    // Whether a datagram is from the remote, and what the header of one to it says.
    pub(crate) key: PeerKey,
    pub(crate) state: State,
    /// The number by which the remote addresses us.
    pub(crate) wire_id: u16,
    /// The number by which we address the remote.
    pub(crate) remote_id: u16,
    /// Session of datagrams to us.
    pub(crate) incoming_session: u8,
    /// Session of datagrams from us.
    pub(crate) outgoing_session: u8,
    /// Whether it is in the host's queue of peers that have something to send.
    pub(crate) is_ready: bool,
    pub(crate) connect_id: ConnectId,
    pub(crate) layout: Layout,
    pub(crate) address: SocketAddr,
    // What a packet passes, in either direction.
    pub(crate) channels: Channels,
    /// Refusals for a full receive budget since something was delivered.
    refusals: u32,
    /// What the remote can receive and send, in bytes a second.
    pub(crate) incoming_bandwidth: u32,
    pub(crate) out: Outgoing,
    pub(crate) traffic: Traffic,
    /// Command bytes since the last bandwidth interval.
    pub(crate) data_sent: u64,
    pub(crate) throttle: Throttle,
    // What an acknowledgement changes, and what it takes to know when to send again.
    /// The deadline in the host's queue.
    pub(crate) armed: Option<Instant>,
    /// When the last acknowledgement came.
    last_acknowledged: Option<Instant>,
    pub(crate) ping_interval_micros: u64,
    pub(crate) loss: Loss,
    /// When the oldest flying command expires; exact while something flies.
    pub(crate) retransmit_at: Instant,
    pub(crate) round_trip: RoundTrip,
    pub(crate) retransmission: Retransmission,
    /// What acknowledgements say about the order of arrival.
    overtaking: Overtaking,
    /// What share of the window is used.
    brake: Brake,
    /// When the oldest of the commands was sent that have expired since the last acknowledgement.
    earliest_timeout: Option<Instant>,
    pub(crate) window_bytes: u32,
    pub(crate) outgoing_bandwidth: u32,
    /// When memory that is no longer needed is given back next.
    tidy_at: Instant,
    // What only matters when something is out of order, or at the beginning and the end.
    pub(crate) held: Held,
    /// There once an unsequenced packet has come.
    window: Option<Box<UnsequencedWindow>>,
    pub(crate) timeouts: Timeouts,
    /// The highest number of a connection-level command of the remote.
    control_received: u16,
    /// What we last told the remote of our limits: incoming, outgoing.
    pub(crate) told: (u32, u32),
    /// The number that came with CONNECT.
    pub(crate) data: u32,
}

/// Datagrams and bytes of a connection, both ways.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) datagrams_received: u64,
    pub(crate) bytes_received: u64,
    pub(crate) datagrams_sent: u64,
    pub(crate) bytes_sent: u64,
}

/// Who a new connection is with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) key: PeerKey,
    pub(crate) address: SocketAddr,
    pub(crate) wire_id: u16,
    pub(crate) incoming_session: u8,
    pub(crate) outgoing_session: u8,
    pub(crate) connect_id: ConnectId,
}

impl Peer {
    /// A connection that we ask for; CONNECT is not queued yet.
    pub(crate) fn new(identity: Identity, channel_count: usize, config: &Config) -> Self {
        Self {
            key: identity.key,
            state: State::Connecting,
            address: identity.address,
            wire_id: identity.wire_id,
            remote_id: NO_PEER_ID,
            incoming_session: identity.incoming_session,
            outgoing_session: identity.outgoing_session,
            connect_id: identity.connect_id,
            data: 0,
            layout: Layout {
                mtu_bytes: config.mtu_bytes,
                checksum: config.checksum,
            },
            window_bytes: window_for(config.outgoing_bandwidth),
            incoming_bandwidth: 0,
            outgoing_bandwidth: 0,
            told: (config.incoming_bandwidth, config.outgoing_bandwidth),
            channels: Channels::new(channel_count),
            out: Outgoing::new(0),
            held: Held::default(),
            refusals: 0,
            window: None,
            round_trip: RoundTrip::new(config.precision),
            throttle: Throttle::new(),
            loss: Loss::default(),
            timeouts: config.timeouts,
            control_received: 0,
            ping_interval_micros: micros(config.ping_interval),
            retransmission: Retransmission::new(config),
            last_acknowledged: None,
            earliest_timeout: None,
            overtaking: Overtaking::default(),
            brake: Brake::default(),
            retransmit_at: Instant::ZERO,
            tidy_at: Instant::ZERO,
            armed: None,
            is_ready: false,
            data_sent: 0,
            traffic: Traffic::default(),
        }
    }

    /// A connection that the remote asked for by its command `sequence`, has `terms` for, and proved its address for; the
    /// answer to our VERIFY_CONNECT took `round_trip`.
    pub(crate) fn accepted(
        identity: Identity,
        terms: &VerifyConnect,
        (sequence, data): (u16, u32),
        config: &Config,
        (now, round_trip): (Instant, Duration),
    ) -> Self {
        let channel_count = usize::try_from(terms.channel_count).unwrap_or(0);
        let mut peer = Self::new(identity, channel_count.min(config.channel_limit), config);
        peer.state = State::Connected;
        peer.data = data;
        peer.control_received = sequence;
        peer.remote_id = terms.outgoing_peer_id;
        peer.layout.mtu_bytes = mtu_for(terms.mtu_bytes, config.mtu_bytes);
        peer.incoming_bandwidth = terms.incoming_bandwidth;
        peer.outgoing_bandwidth = terms.outgoing_bandwidth;
        peer.window_bytes = window_for(stricter(
            config.outgoing_bandwidth,
            terms.incoming_bandwidth,
        ));
        peer.throttle.configure(terms);
        // VERIFY_CONNECT took number 1.
        peer.out = Outgoing::new(1);
        peer.measured(now, micros(round_trip));
        peer
    }

    /// The CONNECT of this connection.
    pub(crate) fn terms(&self, config: &Config) -> VerifyConnect {
        VerifyConnect {
            outgoing_peer_id: self.wire_id,
            incoming_session_id: self.incoming_session,
            outgoing_session_id: self.outgoing_session,
            mtu_bytes: self.layout.mtu_bytes.into(),
            window_bytes: self.window_bytes,
            #[expect(clippy::cast_possible_truncation, reason = "at most 255")]
            channel_count: self.channels.count() as u32,
            incoming_bandwidth: config.incoming_bandwidth,
            outgoing_bandwidth: config.outgoing_bandwidth,
            throttle_interval_ms: self.throttle.interval_ms,
            throttle_acceleration: self.throttle.acceleration,
            throttle_deceleration: self.throttle.deceleration,
            connect_id: self.connect_id,
        }
    }

    /// How many bytes of reliable packets may fly now; a datagram always may.
    #[inline]
    pub(crate) fn open_window_bytes(&self) -> u64 {
        let window = self.brake.apply(self.window_bytes, self.throttle.value);
        window.max(self.layout.mtu_bytes.into())
    }

    #[inline]
    fn measured(&mut self, now: Instant, micros: u64) {
        let first = self.last_acknowledged.is_none();
        rtt::measure(&mut self.round_trip, &mut self.throttle, now, micros, first);
        self.last_acknowledged = Some(now);
        self.earliest_timeout = None;
    }

    /// Queues a packet.
    #[inline]
    pub(crate) fn send(
        &mut self,
        channel: u8,
        flags: PacketFlags,
        payload: Bytes,
        config: &Config,
    ) -> Result<(), SendError> {
        if self.state != State::Connected {
            return Err(SendError::NotConnected);
        }
        let channel_count = self.channels.count();
        let Some(open) = self.channels.open(channel) else {
            return Err(SendError::BadChannel { channel_count });
        };
        let (bytes, part_bytes) = (payload.len(), self.layout.part_bytes());
        let output = (channel, &mut open.output);
        self.out
            .queue_packet(output, flags, payload, part_bytes, &config.limits)?;
        // Command headers are about 8 bytes; the bandwidth management needs no better.
        self.data_sent += 8 + bytes as u64;
        Ok(())
    }

    /// Queues a connection-level command; false if too many wait already.
    pub(crate) fn queue_control(&mut self, control: Control) -> bool {
        let bytes = control.command(0).encoded_len();
        let queued = self.out.queue_control(control);
        if queued {
            self.data_sent += bytes as u64;
        }
        queued
    }

    /// Starts the graceful end; false if this is no state for that.
    pub(crate) fn disconnect(&mut self, data: u32, input: Input) -> bool {
        let Some(state) = self.state.after(input) else {
            return false;
        };
        self.state = state;
        self.clear_queues();
        self.queue_control(Control::Disconnect { data });
        true
    }

    /// `Host::disconnect`.
    pub(crate) fn on_disconnect_call(&mut self, data: u32) -> bool {
        self.disconnect(data, Input::Disconnect)
    }

    /// `Host::disconnect_later`.
    pub(crate) fn on_disconnect_later_call(&mut self, data: u32) {
        if let Some(state) = self.state.after(Input::DisconnectLater { data }) {
            self.state = state;
            self.disconnect_if_drained();
        }
    }

    /// Goes on with a delayed disconnect when nothing is left to send; true if it did.
    #[inline]
    pub(crate) fn disconnect_if_drained(&mut self) -> bool {
        match self.state {
            State::DisconnectLater { data } => {
                self.out.is_drained() && self.disconnect(data, Input::Drained)
            }
            _ => false,
        }
    }

    pub(crate) fn stats(&self) -> PeerStats {
        let (packet_loss, packet_loss_variance) = self.loss.shares();
        PeerStats {
            round_trip: Duration::from_micros(self.round_trip.mean_micros()),
            round_trip_variance: Duration::from_micros(self.round_trip.variance_micros()),
            packet_loss,
            packet_loss_variance,
            packet_throttle: self.throttle.value,
            queued_packets: self.out.queued_packets,
            queued_bytes: self.out.queued_bytes,
            bytes_in_flight: self.out.flying_bytes,
            held_bytes: self.held.waiting_bytes + self.held.reassembly_bytes,
            datagrams_received: self.traffic.datagrams_received,
            bytes_received: self.traffic.bytes_received,
            datagrams_sent: self.traffic.datagrams_sent,
            bytes_sent: self.traffic.bytes_sent,
        }
    }
}
