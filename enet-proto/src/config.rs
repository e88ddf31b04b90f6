//! What a [`Host`](crate::Host) is told when it is made: [`Config`] and [`Limits`].

use crate::compress::Compression;
use crate::wire::{MAXIMUM_CHANNELS, MAXIMUM_MTU_BYTES, MINIMUM_MTU_BYTES, NO_PEER_ID};
use core::time::Duration;

/// Settings of a host.
///
/// [`Config::new`] gives hardened defaults that every ENet and Godot peer accepts; [`Config::reference`] gives the
/// numbers of C ENet 1.3.18, for those who compare datagrams or need its limits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Source of all randomness: connect IDs, peer ids, session ids, the base of the wire clock.
    pub seed: [u8; 32],
    /// Most connections at a time, 1 to 4095.
    pub max_peers: usize,
    /// Most channels that a remote that connects to us gets, 1 to 255.
    pub channel_limit: usize,
    /// What we can receive, in bytes a second, 0 without limit.
    pub incoming_bandwidth: u32,
    /// What we can send, in bytes a second, 0 without limit.
    pub outgoing_bandwidth: u32,
    /// Largest datagram that we send, 576 to 4096 bytes; the remote may lower it.
    pub mtu_bytes: u16,
    /// Whether datagrams carry a CRC-32. Both ends must agree; Godot never does.
    pub checksum: bool,
    /// How datagrams are compressed. Nothing on the wire says it: a remote with another setting cannot connect.
    pub compression: Compression,
    /// Who decides about a remote that connects.
    pub admission: Admission,
    /// How the numbers are chosen by which remotes address us.
    pub peer_ids: PeerIds,
    /// Added to the caller's clock to make the wire's 16-bit sent times; `None` draws it from the seed.
    ///
    /// An unknown base is what makes the echo in the last step of the handshake prove the remote's address.
    pub clock_base: Option<Duration>,
    /// When BANDWIDTH_LIMIT is sent to a connected peer.
    pub bandwidth_reports: BandwidthReports,
    /// Smallest and largest time before a reliable command is sent again that nothing is heard of; above 71 minutes counts
    /// as that.
    pub retransmission: core::ops::RangeInclusive<Duration>,
    /// Whether a reliable command is sent again as soon as later ones are acknowledged and it is not (RFC 8985), and not
    /// only when its time is up. A remote sees earlier copies and nothing else. Where a third of what is sent is overtaken,
    /// less is sent at once, down to an eighth of the window.
    pub early_retransmission: bool,
    /// Unit of round-trip times.
    pub precision: Precision,
    /// When a connection counts as dead.
    pub timeouts: Timeouts,
    /// How long a link is silent before it is pinged.
    pub ping_interval: Duration,
    /// Bounds on what remotes can make us hold.
    pub limits: Limits,
}

/// Who decides about a remote that connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admission {
    /// Everybody gets in while there is room.
    Automatic,
    /// The application: [`Event::ConnectRequested`](crate::Event::ConnectRequested) asks it before the remote hears
    /// anything, and [`Host::accept`](crate::Host::accept), `refuse` or `ignore` answer.
    Deferred,
}

/// How the numbers are chosen by which remotes address us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerIds {
    /// At random from all 4095, with random session ids: a stranger must guess 14 bits.
    Random,
    /// The first free number, with session ids that count up, as C ENet does.
    Slots,
}

/// Unit of round-trip times, of the waits that follow from them, and of the packet throttle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precision {
    /// Exact.
    Microseconds,
    /// Whole milliseconds with C ENet's rounding: means freeze some 7 ms and deviations 3 ms beside the truth.
    Milliseconds,
}

impl Precision {
    /// How many units a millisecond has.
    pub(crate) const fn milli(self) -> u32 {
        match self {
            Self::Microseconds => 1000,
            Self::Milliseconds => 1,
        }
    }
}

/// When BANDWIDTH_LIMIT is sent to a connected peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BandwidthReports {
    /// When the peer's own value changes.
    OnChange,
    /// To all peers after each connect and disconnect, as C ENet does.
    AfterEachChange,
}

/// When a connection counts as dead: ENet's `enet_peer_timeout`.
///
/// That is when a reliable command has gone unacknowledged for `maximum`, or for `minimum` after enough attempts that
/// two to the power of their number less one reaches `limit`; any acknowledgement starts the count anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "ENet has these three")]
pub struct Timeouts {
    /// Bound on two to the power of attempts less one.
    pub limit: u32,
    /// Never dead before.
    pub minimum: Duration,
    /// Always dead after.
    pub maximum: Duration,
}

impl Default for Timeouts {
    /// 32, 5 s and 30 s, the defaults of ENet and Godot.
    fn default() -> Self {
        Self {
            limit: 32,
            minimum: Duration::from_secs(5),
            maximum: Duration::from_secs(30),
        }
    }
}

/// Bounds on what remotes can make a host hold. What each costs at most is in its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Connections that are not proven yet; about 250 bytes each. When there are as many, a CONNECT is challenged: it is
    /// forgotten, and only a remote that shows that it got our answer finds a place, at the expense of one that did not.
    pub half_open: usize,
    /// How long such a connection lives; six times as long once its remote shows that it got an answer.
    pub half_open_lifetime: Duration,
    /// Such connections from one address (IPv6: one /64); loopback is exempt.
    pub half_open_per_address: usize,
    /// Addresses that met a challenge within 10 s, oldest out; about 120 bytes each. For each address (IPv6: one /64) as
    /// many ports as `half_open_per_address`.
    pub proven_addresses: usize,
    /// Connections from one address (IPv6: one /64), half-open ones included; loopback is exempt.
    pub peers_per_address: usize,
    /// Connection-level commands of a peer that may be missing when its DISCONNECT comes: one whose number is farther
    /// from the last is taken for forged, and dropped.
    pub disconnect_gap: u16,
    /// Longest packet sent or received, in bytes.
    pub packet_bytes: usize,
    /// Most fragments of one packet that is received.
    pub fragments: u32,
    /// Packets of a peer that wait for an earlier one, in bytes, with [`Limits::OVERHEAD_BYTES`] for each.
    pub waiting_bytes: usize,
    /// Incomplete packets of a peer.
    pub reassemblies: usize,
    /// Bytes that packets of a peer hold which came in parts, until they are delivered; the next packet of a channel
    /// may use as many again, and a single incomplete one may always be completed.
    pub reassembly_bytes: usize,
    /// Bytes that packets of all peers hold which cannot be delivered yet. One half is shared out evenly among
    /// [`Config::max_peers`], the other goes to who needs more. While that does not suffice, the peer that has been above
    /// its share for longest is dropped, one each second.
    pub host_receive_bytes: usize,
    /// Refusals for `waiting_bytes` without progress between them after which the peer is dropped.
    pub refusals: u32,
    /// Packets of a peer that are queued or unacknowledged. One that was sent in parts counts until all of it, and all
    /// before it, is acknowledged.
    pub send_packets: usize,
    /// Bytes of those packets, and 128 for each acknowledged one that keeps its place behind one that is not: a lost packet
    /// may have as many behind it as ENet's window has room for, 28,672 in a channel, without filling this.
    pub send_bytes: usize,
    /// Bytes of reliable packets for all peers that are queued or unacknowledged, and of those places, shared out in the
    /// same way. The first 64 KiB of packets of a peer do not count, nor do packets that somebody else holds too, such as
    /// those of a [`Host::broadcast`](crate::Host::broadcast).
    pub host_send_bytes: usize,
    /// Acknowledgements that wait to be sent to a peer, counting those of consecutive commands of a datagram as one;
    /// 8 bytes each.
    pub acknowledgements: usize,
    /// Events that the application has not taken.
    pub events: usize,
    /// Bytes that those events hold.
    pub event_bytes: usize,
    /// Ended connections that are remembered, to acknowledge a repeated DISCONNECT; about 100 bytes each.
    pub tombstones: usize,
}

impl Limits {
    /// What a held packet is charged beside its bytes.
    pub const OVERHEAD_BYTES: usize = 64;

    /// Safe defaults: one peer holds at most about 16 MiB, of which 4 are what the application sent to it; all strangers
    /// together 2 MiB; 256 peers 1 GiB, however they try.
    #[must_use]
    pub const fn hardened() -> Self {
        Self {
            half_open: 128,
            half_open_lifetime: Duration::from_secs(5),
            half_open_per_address: 4,
            proven_addresses: 1024,
            peers_per_address: 8,
            disconnect_gap: 64,
            packet_bytes: 4 << 20,
            fragments: 8192,
            waiting_bytes: 1 << 20,
            reassemblies: 64,
            reassembly_bytes: 4 << 20,
            host_receive_bytes: 256 << 20,
            refusals: 65_536,
            send_packets: 4096,
            send_bytes: 4 << 20,
            host_send_bytes: 256 << 20,
            acknowledgements: 1024,
            events: 65_536,
            event_bytes: 32 << 20,
            tombstones: 256,
        }
    }

    /// What C ENet allows, as far as it has a bound at all.
    #[must_use]
    pub const fn reference() -> Self {
        Self {
            half_open: 4095,
            half_open_lifetime: Duration::from_secs(30),
            half_open_per_address: usize::MAX,
            proven_addresses: 4095,
            peers_per_address: usize::MAX,
            disconnect_gap: u16::MAX,
            packet_bytes: 32 << 20,
            fragments: 1 << 20,
            waiting_bytes: 32 << 20,
            reassemblies: 4096,
            reassembly_bytes: 64 << 20,
            host_receive_bytes: usize::MAX,
            refusals: u32::MAX,
            send_packets: usize::MAX,
            send_bytes: usize::MAX,
            host_send_bytes: usize::MAX,
            acknowledgements: 65_536,
            events: usize::MAX,
            event_bytes: usize::MAX,
            tombstones: 4095,
        }
    }
}

impl Config {
    /// Hardened defaults: 32 peers, 255 channels, MTU 1392, no bandwidth limits, no checksum, no compression.
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            max_peers: 32,
            channel_limit: MAXIMUM_CHANNELS,
            incoming_bandwidth: 0,
            outgoing_bandwidth: 0,
            mtu_bytes: 1392,
            checksum: false,
            compression: Compression::None,
            admission: Admission::Automatic,
            peer_ids: PeerIds::Random,
            clock_base: None,
            bandwidth_reports: BandwidthReports::OnChange,
            retransmission: Duration::from_millis(10)..=Duration::from_secs(8),
            early_retransmission: true,
            precision: Precision::Microseconds,
            timeouts: Timeouts {
                limit: 32,
                minimum: Duration::from_secs(5),
                maximum: Duration::from_secs(30),
            },
            ping_interval: Duration::from_millis(500),
            limits: Limits::hardened(),
        }
    }

    /// The numbers of C ENet 1.3.18.
    #[must_use]
    pub const fn reference(seed: [u8; 32]) -> Self {
        Self {
            peer_ids: PeerIds::Slots,
            clock_base: Some(Duration::ZERO),
            bandwidth_reports: BandwidthReports::AfterEachChange,
            retransmission: Duration::from_millis(1)..=Duration::from_secs(3600),
            early_retransmission: false,
            precision: Precision::Milliseconds,
            limits: Limits::reference(),
            ..Self::new(seed)
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let limits = &self.limits;
        let checks = [
            (
                "max_peers",
                (1..=NO_PEER_ID.into()).contains(&self.max_peers),
            ),
            (
                "channel_limit",
                (1..=MAXIMUM_CHANNELS).contains(&self.channel_limit),
            ),
            (
                "mtu_bytes",
                (MINIMUM_MTU_BYTES..=MAXIMUM_MTU_BYTES).contains(&self.mtu_bytes),
            ),
            (
                "retransmission",
                !self.retransmission.is_empty() && *self.retransmission.start() > Duration::ZERO,
            ),
            (
                "timeouts",
                self.timeouts.minimum <= self.timeouts.maximum && self.timeouts.limit > 0,
            ),
            ("ping_interval", self.ping_interval > Duration::ZERO),
            (
                "limits.half_open",
                (1..=NO_PEER_ID.into()).contains(&limits.half_open)
                    && limits.half_open_per_address > 0
                    && limits.half_open_lifetime > Duration::ZERO,
            ),
            ("limits.proven_addresses", limits.proven_addresses > 0),
            ("limits.peers_per_address", limits.peers_per_address > 0),
            (
                "limits.packet_bytes",
                u32::try_from(limits.packet_bytes).is_ok() && limits.packet_bytes > 0,
            ),
            (
                "limits.waiting_bytes",
                limits.waiting_bytes >= usize::from(MAXIMUM_MTU_BYTES),
            ),
            ("limits.events", limits.events > 0 && limits.event_bytes > 0),
            (
                "limits.acknowledgements",
                limits.acknowledgements >= crate::wire::COMMANDS_PER_DATAGRAM,
            ),
            (
                "limits.send_packets",
                limits.send_packets > 0 && limits.send_bytes > 0,
            ),
            ("limits.fragments", limits.fragments > 0),
            (
                "limits.reassemblies",
                limits.reassemblies > 0 && limits.reassembly_bytes > 0,
            ),
            (
                "limits.host_receive_bytes",
                limits.host_receive_bytes >= limits.waiting_bytes,
            ),
            ("limits.host_send_bytes", limits.host_send_bytes > 0),
        ];
        match checks.iter().find(|(_, good)| !good) {
            Some(&(field, _)) => Err(ConfigError { field }),
            None => Ok(()),
        }
    }
}

/// A setting is out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("config field {field} is out of range")]
#[non_exhaustive]
pub struct ConfigError {
    /// Name of the field of [`Config`].
    pub field: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut Config);

    /// Names the field that `change` made illegal.
    fn illegal(change: Change) -> Option<&'static str> {
        let mut config = Config::new([0; 32]);
        change(&mut config);
        config.check().err().map(|error| error.field)
    }

    // req: HG-14
    #[test]
    fn both_presets_are_legal_and_each_illegal_setting_is_named() {
        assert_eq!(Config::new([0; 32]).check(), Ok(()));
        assert_eq!(Config::reference([0; 32]).check(), Ok(()));
        let cases: [(&str, Change); 24] = [
            ("max_peers", |config| config.max_peers = 0),
            ("max_peers", |config| config.max_peers = 4096),
            ("channel_limit", |config| config.channel_limit = 256),
            ("mtu_bytes", |config| config.mtu_bytes = 575),
            ("retransmission", |config| {
                config.retransmission = Duration::ZERO..=Duration::from_secs(1);
            }),
            ("timeouts", |config| config.timeouts.limit = 0),
            ("timeouts", |config| {
                config.timeouts.maximum = Duration::ZERO
            }),
            ("ping_interval", |config| {
                config.ping_interval = Duration::ZERO
            }),
            ("limits.half_open", |config| config.limits.half_open = 0),
            ("limits.half_open", |config| config.limits.half_open = 4096),
            ("limits.half_open", |config| {
                config.limits.half_open_lifetime = Duration::ZERO;
            }),
            ("limits.proven_addresses", |config| {
                config.limits.proven_addresses = 0;
            }),
            ("limits.peers_per_address", |config| {
                config.limits.peers_per_address = 0;
            }),
            ("limits.packet_bytes", |config| {
                config.limits.packet_bytes = 0
            }),
            ("limits.waiting_bytes", |config| {
                config.limits.waiting_bytes = 4095;
            }),
            ("limits.events", |config| config.limits.events = 0),
            ("limits.events", |config| config.limits.event_bytes = 0),
            ("limits.acknowledgements", |config| {
                config.limits.acknowledgements = 31;
            }),
            ("limits.send_packets", |config| {
                config.limits.send_packets = 0
            }),
            ("limits.send_packets", |config| config.limits.send_bytes = 0),
            ("limits.fragments", |config| config.limits.fragments = 0),
            ("limits.reassemblies", |config| {
                config.limits.reassemblies = 0
            }),
            ("limits.host_receive_bytes", |config| {
                config.limits.host_receive_bytes = 1000;
            }),
            ("limits.host_send_bytes", |config| {
                config.limits.host_send_bytes = 0;
            }),
        ];
        for (field, change) in cases {
            assert_eq!(illegal(change), Some(field));
        }
    }
}
