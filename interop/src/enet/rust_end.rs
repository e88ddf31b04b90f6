//! `enet_proto::Host` as an [`End`](super::End).

use super::wire::Wire;
use super::{Ending, Event, Flags, Settings};
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use enet_proto::compress::Compression;
use enet_proto::{Config, DisconnectReason, Host, PacketFlags, PeerKey, Timeouts};
use proto_core::{Handled, Instant, Transmit};
use std::collections::{BTreeMap, VecDeque};

/// A host of ours.
#[derive(Debug)]
pub struct RustEnd {
    host: Host,
    /// The latest connection of each slot.
    keys: BTreeMap<usize, PeerKey>,
    reasons: VecDeque<DisconnectReason>,
    wire: Wire,
}

impl RustEnd {
    pub(super) fn new(defaults: fn([u8; 32]) -> Config, settings: &Settings) -> Self {
        let mut config = defaults([settings.seed; 32]);
        config.max_peers = settings.peers;
        config.channel_limit = settings.channel_limit;
        config.incoming_bandwidth = settings.incoming_bandwidth;
        config.outgoing_bandwidth = settings.outgoing_bandwidth;
        config.mtu_bytes = settings.mtu;
        config.checksum = settings.checksum;
        if settings.range_coder {
            config.compression = Compression::RangeCoder;
        }
        Self {
            host: Host::new(config).expect("our host takes these settings"),
            keys: BTreeMap::new(),
            reasons: VecDeque::new(),
            wire: Wire::new(settings.checksum),
        }
    }

    /// The host itself.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The key of the latest connection in a slot.
    #[must_use]
    pub fn key(&self, peer: usize) -> Option<PeerKey> {
        self.keys.get(&peer).copied()
    }

    /// Why connections ended, in order.
    pub fn reasons(&self) -> impl Iterator<Item = &DisconnectReason> {
        self.reasons.iter()
    }

    fn with_key(&mut self, peer: usize, act: impl FnOnce(&mut Host, PeerKey)) {
        if let Some(key) = self.key(peer) {
            act(&mut self.host, key);
        }
    }

    pub(super) fn connect(
        &mut self,
        now: Instant,
        address: SocketAddr,
        channels: usize,
        data: u32,
    ) -> Option<usize> {
        let key = self.host.connect(now, address, channels, data).ok()?;
        self.keys.insert(key.slot(), key);
        Some(key.slot())
    }

    pub(super) fn send(&mut self, peer: usize, channel: u8, flags: Flags, payload: &[u8]) -> bool {
        let Some(key) = self.key(peer) else {
            return false;
        };
        self.host
            .send(
                key,
                channel,
                packet_flags(flags),
                Bytes::copy_from_slice(payload),
            )
            .is_ok()
    }

    pub(super) fn broadcast(&mut self, channel: u8, flags: Flags, payload: &[u8]) {
        self.host.broadcast(
            channel,
            packet_flags(flags),
            &Bytes::copy_from_slice(payload),
        );
    }

    pub(super) fn end(&mut self, peer: usize, ending: Ending, data: u32) {
        self.with_key(peer, |host, key| match ending {
            Ending::Graceful => host.disconnect(key, data),
            Ending::Now => host.disconnect_now(key, data),
            Ending::Later => host.disconnect_later(key, data),
            Ending::Reset => host.reset(key),
        });
    }

    pub(super) fn ping(&mut self, peer: usize) {
        self.with_key(peer, Host::ping);
    }

    pub(super) fn set_ping_interval(&mut self, peer: usize, interval: Duration) {
        self.with_key(peer, |host, key| host.set_ping_interval(key, interval));
    }

    pub(super) fn set_timeouts(
        &mut self,
        peer: usize,
        limit: u32,
        minimum: Duration,
        maximum: Duration,
    ) {
        self.with_key(peer, |host, key| {
            host.set_timeouts(
                key,
                Timeouts {
                    limit,
                    minimum,
                    maximum,
                },
            )
        });
    }

    pub(super) fn configure_throttle(
        &mut self,
        peer: usize,
        interval: Duration,
        up: u32,
        down: u32,
    ) {
        self.with_key(peer, |host, key| {
            host.configure_throttle(key, interval, up, down)
        });
    }

    pub(super) fn set_bandwidth(&mut self, incoming: u32, outgoing: u32) {
        self.host.set_bandwidth(incoming, outgoing);
    }

    pub(super) fn channel_count(&self, peer: usize) -> usize {
        self.key(peer)
            .and_then(|key| self.host.peer(key))
            .map_or(0, |peer| peer.channel_count())
    }

    pub(super) fn wire(&self) -> &Wire {
        &self.wire
    }

    pub(super) fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<String> {
        match self.host.handle_datagram(now, from, data) {
            Handled::Consumed => Handled::Consumed,
            Handled::NotMine => Handled::NotMine,
            Handled::Dropped(reason) => Handled::Dropped(format!("{reason:?}")),
            Handled::Inner { from, bytes } => Handled::Inner { from, bytes },
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.host.handle_timeout(now);
    }

    pub(super) fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let transmit = self.host.poll_transmit(now, buf)?;
        self.wire.count(&buf[transmit.bytes.clone()]);
        Some(transmit)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.host.poll_timeout()
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        Some(match self.host.poll_event()? {
            enet_proto::Event::Connected { peer, data } => {
                self.keys.insert(peer.slot(), peer);
                Event::Connected {
                    peer: peer.slot(),
                    data,
                }
            }
            enet_proto::Event::Received {
                peer,
                channel,
                flags,
                payload,
            } => Event::Received {
                peer: peer.slot(),
                channel,
                flags: plain_flags(flags),
                payload: payload.to_vec(),
            },
            enet_proto::Event::Disconnected { peer, reason } => {
                let data = match reason {
                    DisconnectReason::Remote { data } => data,
                    _ => 0,
                };
                self.reasons.push_back(reason);
                Event::Disconnected {
                    peer: peer.slot(),
                    data,
                }
            }
            other => panic!("no test asks for {other:?}"),
        })
    }
}

const FLAGS: [(u8, PacketFlags); 3] = [
    (1, PacketFlags::RELIABLE),
    (2, PacketFlags::UNSEQUENCED),
    (8, PacketFlags::UNRELIABLE_FRAGMENT),
];

fn packet_flags(flags: Flags) -> PacketFlags {
    FLAGS
        .iter()
        .filter(|(bit, _)| flags.0 & bit != 0)
        .fold(PacketFlags::NONE, |sum, (_, flag)| sum | *flag)
}

fn plain_flags(flags: PacketFlags) -> Flags {
    Flags(
        FLAGS
            .iter()
            .filter(|(_, flag)| flags.contains(*flag))
            .map(|(bit, _)| bit)
            .sum(),
    )
}
