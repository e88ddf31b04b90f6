//! ENet 1.3's C declarations that this crate needs, written by hand after `enet/enet.h`.
//!
//! `tests/layout.rs` compares sizes and offsets with the installed header.
#![allow(
    missing_docs,
    reason = "the names and meanings are those of enet/enet.h"
)]

use core::ffi::{c_int, c_void};

pub type Socket = c_int;
pub const SOCKET_NULL: Socket = -1;

pub const EVENT_NONE: c_int = 0;
pub const EVENT_CONNECT: c_int = 1;
pub const EVENT_DISCONNECT: c_int = 2;
pub const EVENT_RECEIVE: c_int = 3;

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Address {
    /// Network byte order.
    pub host: u32,
    /// Host byte order.
    pub port: u16,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    pub data: *mut c_void,
    pub data_length: usize,
}

#[repr(C)]
#[derive(Debug)]
pub struct ListNode {
    pub next: *mut ListNode,
    pub previous: *mut ListNode,
}

#[repr(C)]
#[derive(Debug)]
pub struct List {
    pub sentinel: ListNode,
}

#[repr(C)]
#[derive(Debug)]
pub struct Packet {
    pub reference_count: usize,
    pub flags: u32,
    pub data: *mut u8,
    pub data_length: usize,
    pub free_callback: Option<unsafe extern "C" fn(*mut Packet)>,
    pub user_data: *mut c_void,
}

#[repr(C)]
#[derive(Debug)]
pub struct Peer {
    pub dispatch_list: ListNode,
    pub host: *mut Host,
    pub outgoing_peer_id: u16,
    pub incoming_peer_id: u16,
    pub connect_id: u32,
    pub outgoing_session_id: u8,
    pub incoming_session_id: u8,
    pub address: Address,
    pub data: *mut c_void,
    pub state: c_int,
    pub channels: *mut c_void,
    pub channel_count: usize,
    pub incoming_bandwidth: u32,
    pub outgoing_bandwidth: u32,
    pub incoming_bandwidth_throttle_epoch: u32,
    pub outgoing_bandwidth_throttle_epoch: u32,
    pub incoming_data_total: u32,
    pub outgoing_data_total: u32,
    pub last_send_time: u32,
    pub last_receive_time: u32,
    pub next_timeout: u32,
    pub earliest_timeout: u32,
    pub packet_loss_epoch: u32,
    pub packets_sent: u32,
    pub packets_lost: u32,
    pub packet_loss: u32,
    pub packet_loss_variance: u32,
    pub packet_throttle: u32,
    pub packet_throttle_limit: u32,
    pub packet_throttle_counter: u32,
    pub packet_throttle_epoch: u32,
    pub packet_throttle_acceleration: u32,
    pub packet_throttle_deceleration: u32,
    pub packet_throttle_interval: u32,
    pub ping_interval: u32,
    pub timeout_limit: u32,
    pub timeout_minimum: u32,
    pub timeout_maximum: u32,
    pub last_round_trip_time: u32,
    pub lowest_round_trip_time: u32,
    pub last_round_trip_time_variance: u32,
    pub highest_round_trip_time_variance: u32,
    pub round_trip_time: u32,
    pub round_trip_time_variance: u32,
    pub mtu: u32,
    pub window_size: u32,
    pub reliable_data_in_transit: u32,
    pub outgoing_reliable_sequence_number: u16,
    pub acknowledgements: List,
    pub sent_reliable_commands: List,
    pub sent_unreliable_commands: List,
    pub outgoing_commands: List,
    pub dispatched_commands: List,
    pub flags: u16,
    pub reserved: u16,
    pub incoming_unsequenced_group: u16,
    pub outgoing_unsequenced_group: u16,
    pub unsequenced_window: [u32; 32],
    pub event_data: u32,
    pub total_waiting_data: usize,
}

#[repr(C)]
#[derive(Debug)]
pub struct Compressor {
    pub context: *mut c_void,
    pub compress: *const c_void,
    pub decompress: *const c_void,
    pub destroy: *const c_void,
}

pub type ChecksumCallback = unsafe extern "C" fn(*const Buffer, usize) -> u32;
pub type InterceptCallback = unsafe extern "C" fn(*mut Host, *mut Event) -> c_int;

#[repr(C)]
#[derive(Debug)]
pub struct Host {
    pub socket: Socket,
    pub address: Address,
    pub incoming_bandwidth: u32,
    pub outgoing_bandwidth: u32,
    pub bandwidth_throttle_epoch: u32,
    pub mtu: u32,
    pub random_seed: u32,
    pub recalculate_bandwidth_limits: c_int,
    pub peers: *mut Peer,
    pub peer_count: usize,
    pub channel_limit: usize,
    pub service_time: u32,
    pub dispatch_queue: List,
    pub continue_sending: c_int,
    pub packet_size: usize,
    pub header_flags: u16,
    /// `ENetProtocol` is a packed union of 48 bytes.
    pub commands: [[u8; 48]; 32],
    pub command_count: usize,
    pub buffers: [Buffer; 65],
    pub buffer_count: usize,
    pub checksum: Option<ChecksumCallback>,
    pub compressor: Compressor,
    pub packet_data: [[u8; 4096]; 2],
    pub received_address: Address,
    pub received_data: *mut u8,
    pub received_data_length: usize,
    pub total_sent_data: u32,
    pub total_sent_packets: u32,
    pub total_received_data: u32,
    pub total_received_packets: u32,
    pub intercept: Option<InterceptCallback>,
    pub connected_peers: usize,
    pub bandwidth_limited_peers: usize,
    pub duplicate_peers: usize,
    pub maximum_packet_size: usize,
    pub maximum_waiting_data: usize,
}

#[repr(C)]
#[derive(Debug)]
pub struct Event {
    pub kind: c_int,
    pub peer: *mut Peer,
    pub channel_id: u8,
    pub data: u32,
    pub packet: *mut Packet,
}

unsafe extern "C" {
    pub fn enet_linked_version() -> u32;

    pub fn enet_packet_create(data: *const c_void, length: usize, flags: u32) -> *mut Packet;
    pub fn enet_packet_destroy(packet: *mut Packet);
    pub fn enet_crc32(buffers: *const Buffer, count: usize) -> u32;

    pub fn enet_range_coder_create() -> *mut c_void;
    pub fn enet_range_coder_destroy(context: *mut c_void);
    pub fn enet_range_coder_compress(
        context: *mut c_void,
        input: *const Buffer,
        input_count: usize,
        input_bytes: usize,
        output: *mut u8,
        output_limit: usize,
    ) -> usize;
    pub fn enet_range_coder_decompress(
        context: *mut c_void,
        input: *const u8,
        input_bytes: usize,
        output: *mut u8,
        output_limit: usize,
    ) -> usize;

    pub fn enet_host_create(
        address: *const Address,
        peer_count: usize,
        channel_limit: usize,
        incoming_bandwidth: u32,
        outgoing_bandwidth: u32,
    ) -> *mut Host;
    pub fn enet_host_destroy(host: *mut Host);
    pub fn enet_host_connect(
        host: *mut Host,
        address: *const Address,
        channel_count: usize,
        data: u32,
    ) -> *mut Peer;
    pub fn enet_host_check_events(host: *mut Host, event: *mut Event) -> c_int;
    pub fn enet_host_service(host: *mut Host, event: *mut Event, timeout: u32) -> c_int;
    pub fn enet_host_flush(host: *mut Host);
    pub fn enet_host_broadcast(host: *mut Host, channel: u8, packet: *mut Packet);
    pub fn enet_host_compress_with_range_coder(host: *mut Host) -> c_int;
    pub fn enet_host_channel_limit(host: *mut Host, limit: usize);
    pub fn enet_host_bandwidth_limit(host: *mut Host, incoming: u32, outgoing: u32);

    pub fn enet_peer_send(peer: *mut Peer, channel: u8, packet: *mut Packet) -> c_int;
    pub fn enet_peer_ping(peer: *mut Peer);
    pub fn enet_peer_ping_interval(peer: *mut Peer, interval: u32);
    pub fn enet_peer_timeout(peer: *mut Peer, limit: u32, minimum: u32, maximum: u32);
    pub fn enet_peer_reset(peer: *mut Peer);
    pub fn enet_peer_disconnect(peer: *mut Peer, data: u32);
    pub fn enet_peer_disconnect_now(peer: *mut Peer, data: u32);
    pub fn enet_peer_disconnect_later(peer: *mut Peer, data: u32);
    pub fn enet_peer_throttle_configure(
        peer: *mut Peer,
        interval: u32,
        acceleration: u32,
        deceleration: u32,
    );
}
