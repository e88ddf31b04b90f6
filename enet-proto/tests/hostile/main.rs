//! Hostile input: each case of `data/hostile-enet.json` gets the stated verdict and moves the stated counter, nothing
//! panics, and both the session and its neighbour go on.

extern crate alloc;

mod cases;
#[path = "../common/mod.rs"]
mod common;
mod connects;
mod extremes;
mod scenarios;
mod sessions;

use alloc::collections::BTreeMap;
use common::raw::{
    self, CONNECTION, ConnectFields, FragmentFields, Parsed, RawPeer, acknowledge, be16, fragment,
    parse, ping, reliable, transmissions,
};
use common::{End, MILLISECOND, SECOND};
use core::net::SocketAddr;
use core::time::Duration;
use enet_proto::{Config, DisconnectReason, DropReason, Event, PacketFlags, PeerIds, SendError};
use proto_core::Handled;
use serde_json::Value;
use testkit::{Link, Network, NodeId, unhex};

/// Cases that need a compressor in the fixture: they are in `decompression.rs`.
const COMPRESSION: [&str; 4] = [
    "compressed_random",
    "compressed_output_over_4096",
    "zstd_huge_window",
    "zlib_checksum_wrong",
];

/// Cases in which the connect data is Godot's peer id, which only the layer above can judge. Here they connect.
const GODOT_LAYER: [&str; 3] = [
    "connect_data_peer_id_zero",
    "connect_data_peer_id_negative",
    "connect_data_peer_id_taken",
];

/// Cases that are built by a test of their own in `scenarios.rs` or in `reliable_model.rs`.
const GENERATED: [&str; 11] = [
    "datagram_larger_than_4096",
    "connect_flood_many_sources",
    "connect_flood_one_source",
    "reliable_gap_hoard",
    "fragment_hoard_all_channels",
    "ack_withholding",
    "slow_acks_forever",
    "sequence_number_wrap",
    "clock_wrap_32_bit",
    "late_packets_of_the_old_session",
    "fragment_declares_4_mib_sends_one_byte",
];

const REASONS: [DropReason; 27] = {
    use DropReason::*;
    [
        AddressLimit,
        BadAddress,
        BadChannel,
        BadChannelCount,
        BadChecksum,
        BadCompression,
        BadFragment,
        BadPeerId,
        Duplicate,
        HostFull,
        HalfOpenLimit,
        NoSentTime,
        NotCompressed,
        NotConnected,
        Oversize,
        OutsideWindow,
        ReceiveLimit,
        Stale,
        TooLarge,
        Trailing,
        Truncated,
        UnknownAck,
        UnknownCommand,
        UnknownPeer,
        UnexpectedCommand,
        WrongAddress,
        WrongSession,
    ]
};

/// The host of a fixture, with the peer of the case and a neighbour where it has any.
struct Fixture {
    network: Network<End>,
    host: NodeId,
    peer: Option<RawPeer>,
    neighbour: Option<RawPeer>,
}

fn peer_address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 40_001))
}

fn stranger(index: u32) -> SocketAddr {
    SocketAddr::from((core::net::Ipv4Addr::from(0x0b00_0000 + index), 5000))
}

fn config() -> Config {
    let mut config = Config::new([7; 32]);
    config.max_peers = 8;
    config.channel_limit = 4;
    config.peer_ids = PeerIds::Slots;
    config
}

impl Fixture {
    fn new(name: &str) -> Self {
        let mut config = config();
        config.checksum = name == "E2";
        let mut this = Self::listening(config);
        if name != "E0" {
            this.connect_both(name == "E2");
        }
        this
    }

    fn listening(config: Config) -> Self {
        let mut network = Network::new(1, Link::PERFECT);
        let host = network.add(SocketAddr::from(([10, 0, 0, 2], 7777)), End::new(config));
        network.run_for(SECOND);
        Self {
            network,
            host,
            peer: None,
            neighbour: None,
        }
    }

    fn connect_both(&mut self, sealed: bool) {
        let connect = if sealed {
            RawPeer::connect_sealed
        } else {
            RawPeer::connect
        };
        let neighbour_fields = ConnectFields {
            connect_id: 0x5566_7788,
            outgoing_peer_id: 3,
            data: 99,
            ..ConnectFields::default()
        };
        let fields = ConnectFields::default();
        let (peer, _) = connect(&mut self.network, self.host, peer_address(), fields);
        let (neighbour, _) = connect(&mut self.network, self.host, stranger(1), neighbour_fields);
        self.network.drive();
        let events = self.network.take_events(self.host);
        assert!(
            matches!(
                events[..],
                [Event::Connected { .. }, Event::Connected { .. }]
            ),
            "{events:?}"
        );
        self.peer = Some(peer);
        self.neighbour = Some(neighbour);
    }

    fn peer(&self) -> RawPeer {
        self.peer.clone().expect("the fixture has one")
    }

    fn host(&mut self) -> &mut enet_proto::Host {
        &mut self.network.machine_mut(self.host).host
    }

    fn deliver(&mut self, datagram: &[u8]) -> Handled<DropReason> {
        self.network.deliver(self.host, peer_address(), datagram)
    }

    /// What the host sends now, parsed.
    fn answers(&mut self) -> Vec<Parsed> {
        let sealed = self
            .peer
            .as_ref()
            .is_some_and(|peer| peer.checksum_seed.is_some());
        let datagrams = transmissions(&mut self.network, self.host);
        datagrams
            .iter()
            .map(|datagram| parse(datagram, sealed))
            .collect()
    }

    fn events(&mut self) -> Vec<Event> {
        self.network.drive();
        self.network.take_events(self.host)
    }

    fn counters(&self) -> BTreeMap<DropReason, u64> {
        let stats = self.network.machine(self.host).host.stats();
        REASONS
            .into_iter()
            .map(|reason| (reason, stats.dropped(reason)))
            .collect()
    }

    /// The counters that have moved since `before`, and by how much.
    fn moved(&self, before: &BTreeMap<DropReason, u64>) -> Vec<(DropReason, u64)> {
        let now = self.counters();
        let moved = now
            .into_iter()
            .map(|(reason, count)| (reason, count - before[&reason]));
        moved.filter(|&(_, count)| count > 0).collect()
    }

    /// A harmless packet of this peer is delivered and acknowledged.
    fn assert_alive(&mut self, peer: &RawPeer, channel: u8) {
        self.answers();
        self.events();
        let verdict = peer.send(&mut self.network, &reliable(channel, 1, b"hi"));
        assert_eq!(verdict, Handled::Consumed);
        let acknowledged = self
            .answers()
            .iter()
            .flat_map(|datagram| &datagram.commands)
            .any(|command| command.kind == 1 && command.channel == channel);
        assert!(acknowledged, "the control packet was not acknowledged");
        let events = self.events();
        let [
            Event::Received {
                channel: on,
                payload,
                ..
            },
        ] = &events[..]
        else {
            panic!("the control packet gave {events:?}");
        };
        assert_eq!((*on, &payload[..]), (channel, &b"hi"[..]));
    }

    /// A newcomer gets in.
    fn assert_open(&mut self) {
        let fields = ConnectFields {
            connect_id: 0x0909_0909,
            ..ConnectFields::default()
        };
        self.answers();
        self.events();
        let (newcomer, _) = RawPeer::connect(&mut self.network, self.host, stranger(2), fields);
        let events = self.events();
        assert!(
            matches!(events[..], [Event::Connected { .. }]),
            "{events:?}"
        );
        self.assert_alive(&newcomer, 0);
    }
}

fn cases() -> Vec<Value> {
    let text = include_str!("../data/hostile-enet.json");
    let file: Value = serde_json::from_str(text).expect("the cases are JSON");
    file["cases"].as_array().expect("a list").clone()
}

fn case(name: &str) -> Vec<u8> {
    let cases = cases();
    let case = cases.iter().find(|case| case["name"] == name);
    let case = case.unwrap_or_else(|| panic!("no case {name}"));
    unhex(case["hex"].as_str().expect("text"))
}
