//! ENet's platform layer (the functions of its `unix.c`) on queues and a clock in memory.
//!
//! The definitions below come before those of the shared library when the program is loaded, so
//! the library's own calls arrive here. Everything is local to a thread: tests do not meet.

use core::cell::{Cell, RefCell};
use core::ffi::{c_char, c_int, c_void};
use core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::VecDeque;

use crate::ffi::{Address, Buffer, SOCKET_NULL, Socket};

/// Numbers that the operating system never gives to a socket, to tell ours from a real one.
pub(crate) const FIRST_SOCKET: Socket = 0x4000_0000;

/// Buffers kept for reuse by one thread.
const SPARE_BUFFERS: usize = 4096;

/// A UDP datagram on the network in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The other end: the destination of one that was sent, the source of one that arrives.
    pub address: SocketAddrV4,
    /// The UDP payload.
    pub bytes: Vec<u8>,
}

#[derive(Default)]
struct Endpoint {
    address: Address,
    inbox: VecDeque<Datagram>,
    outbox: VecDeque<Datagram>,
}

#[derive(Default)]
struct Network {
    endpoints: Vec<Option<Endpoint>>,
    spare: Vec<Vec<u8>>,
}

thread_local! {
    static CLOCK: Cell<u32> = const { Cell::new(1000) };
    static NETWORK: RefCell<Network> = const {
        RefCell::new(Network { endpoints: Vec::new(), spare: Vec::new() })
    };
}

fn with_endpoint<R>(
    socket: Socket,
    act: impl FnOnce(&mut Endpoint, &mut Vec<Vec<u8>>) -> R,
) -> Option<R> {
    NETWORK.with_borrow_mut(|network| {
        let index = usize::try_from(socket.checked_sub(FIRST_SOCKET)?).ok()?;
        let endpoint = network.endpoints.get_mut(index)?.as_mut()?;
        Some(act(endpoint, &mut network.spare))
    })
}

pub(crate) fn set_time(milliseconds: u32) {
    CLOCK.set(milliseconds);
}

pub(crate) fn time() -> u32 {
    CLOCK.get()
}

pub(crate) fn push_inbox(socket: Socket, datagram: Datagram) {
    with_endpoint(socket, |endpoint, _| endpoint.inbox.push_back(datagram));
}

pub(crate) fn pop_outbox(socket: Socket) -> Option<Datagram> {
    with_endpoint(socket, |endpoint, _| endpoint.outbox.pop_front()).flatten()
}

pub(crate) fn inbox_length(socket: Socket) -> usize {
    with_endpoint(socket, |endpoint, _| endpoint.inbox.len()).unwrap_or(0)
}

/// An empty buffer, one that a datagram has used before if there is any.
pub(crate) fn spare_buffer() -> Vec<u8> {
    NETWORK
        .with_borrow_mut(|network| network.spare.pop())
        .unwrap_or_default()
}

pub(crate) fn recycle(buffer: Vec<u8>) {
    NETWORK.with_borrow_mut(|network| keep(&mut network.spare, buffer));
}

fn keep(spare: &mut Vec<Vec<u8>>, mut buffer: Vec<u8>) {
    if spare.len() < SPARE_BUFFERS {
        buffer.clear();
        spare.push(buffer);
    }
}

pub(crate) fn to_enet(address: SocketAddrV4) -> Address {
    Address {
        host: u32::from_ne_bytes(address.ip().octets()),
        port: address.port(),
    }
}

pub(crate) fn from_enet(address: Address) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from(address.host.to_ne_bytes()), address.port)
}

#[unsafe(no_mangle)]
extern "C" fn enet_initialize() -> c_int {
    0
}

#[unsafe(no_mangle)]
extern "C" fn enet_deinitialize() {}

#[unsafe(no_mangle)]
extern "C" fn enet_host_random_seed() -> u32 {
    0
}

#[unsafe(no_mangle)]
extern "C" fn enet_time_get() -> u32 {
    time()
}

#[unsafe(no_mangle)]
extern "C" fn enet_time_set(milliseconds: u32) {
    set_time(milliseconds);
}

#[unsafe(no_mangle)]
extern "C" fn enet_socket_create(_kind: c_int) -> Socket {
    NETWORK.with_borrow_mut(|network| {
        let free = network.endpoints.iter().position(Option::is_none);
        let index = free.unwrap_or_else(|| {
            network.endpoints.push(None);
            network.endpoints.len() - 1
        });
        network.endpoints[index] = Some(Endpoint::default());
        Socket::try_from(index).map_or(SOCKET_NULL, |index| FIRST_SOCKET + index)
    })
}

#[unsafe(no_mangle)]
extern "C" fn enet_socket_destroy(socket: Socket) {
    NETWORK.with_borrow_mut(|network| {
        let index = usize::try_from(socket.wrapping_sub(FIRST_SOCKET)).unwrap_or(usize::MAX);
        if let Some(endpoint) = network.endpoints.get_mut(index) {
            *endpoint = None;
        }
    });
}

/// # Safety
/// `address` is null or points to an address.
#[unsafe(no_mangle)]
unsafe extern "C" fn enet_socket_bind(socket: Socket, address: *const Address) -> c_int {
    // SAFETY: the caller keeps the contract above.
    let address = unsafe { address.as_ref() }.copied().unwrap_or_default();
    with_endpoint(socket, |endpoint, _| endpoint.address = address).map_or(-1, |()| 0)
}

/// # Safety
/// `address` points to an address that may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn enet_socket_get_address(socket: Socket, address: *mut Address) -> c_int {
    with_endpoint(socket, |endpoint, _| {
        // SAFETY: the caller keeps the contract above.
        unsafe { address.write(endpoint.address) };
    })
    .map_or(-1, |()| 0)
}

/// # Safety
/// `address` points to an address and `buffers` to `count` readable buffers.
#[unsafe(no_mangle)]
unsafe extern "C" fn enet_socket_send(
    socket: Socket,
    address: *const Address,
    buffers: *const Buffer,
    count: usize,
) -> c_int {
    with_endpoint(socket, |endpoint, spare| {
        let mut bytes = spare.pop().unwrap_or_default();
        // SAFETY: the caller keeps the contract above.
        for buffer in unsafe { core::slice::from_raw_parts(buffers, count) } {
            if buffer.data_length > 0 {
                // SAFETY: a buffer describes readable memory of its length.
                bytes.extend_from_slice(unsafe {
                    core::slice::from_raw_parts(buffer.data.cast::<u8>(), buffer.data_length)
                });
            }
        }
        let length = c_int::try_from(bytes.len()).unwrap_or(c_int::MAX);
        // SAFETY: ENet always names the destination.
        let address = from_enet(unsafe { *address });
        endpoint.outbox.push_back(Datagram { address, bytes });
        length
    })
    .unwrap_or(-1)
}

/// # Safety
/// `address` may be written, `buffers` points to at least one writable buffer.
#[unsafe(no_mangle)]
unsafe extern "C" fn enet_socket_receive(
    socket: Socket,
    address: *mut Address,
    buffers: *mut Buffer,
    _count: usize,
) -> c_int {
    with_endpoint(socket, |endpoint, spare| {
        let Some(datagram) = endpoint.inbox.pop_front() else {
            return 0;
        };
        // SAFETY: the caller keeps the contract above.
        let buffer = unsafe { *buffers };
        // Version 1.3.17 fails the whole service call on an oversized datagram; so does its unix.c.
        if datagram.bytes.len() > buffer.data_length {
            keep(spare, datagram.bytes);
            return -1;
        }
        // SAFETY: the length was compared above; ENet's buffer and ours do not overlap.
        unsafe {
            core::ptr::copy_nonoverlapping(
                datagram.bytes.as_ptr(),
                buffer.data.cast::<u8>(),
                datagram.bytes.len(),
            );
            if !address.is_null() {
                address.write(to_enet(datagram.address));
            }
        }
        let length = c_int::try_from(datagram.bytes.len()).unwrap_or(-1);
        keep(spare, datagram.bytes);
        length
    })
    .unwrap_or(-1)
}

/// Nothing arrives while a call of ENet runs, so waiting ends at once without a result.
///
/// # Safety
/// `condition` may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn enet_socket_wait(
    _socket: Socket,
    condition: *mut u32,
    _timeout: u32,
) -> c_int {
    // SAFETY: the caller keeps the contract above.
    unsafe { condition.write(0) };
    0
}

#[unsafe(no_mangle)]
extern "C" fn enet_socket_set_option(_socket: Socket, _option: c_int, _value: c_int) -> c_int {
    0
}

#[unsafe(no_mangle)]
extern "C" fn enet_socket_get_option(_socket: Socket, _option: c_int, _value: *mut c_int) -> c_int {
    -1
}

#[unsafe(no_mangle)]
extern "C" fn enet_socket_listen(_socket: Socket, _backlog: c_int) -> c_int {
    -1
}

#[unsafe(no_mangle)]
extern "C" fn enet_socket_accept(_socket: Socket, _address: *mut Address) -> Socket {
    SOCKET_NULL
}

#[unsafe(no_mangle)]
extern "C" fn enet_socket_connect(_socket: Socket, _address: *const Address) -> c_int {
    -1
}

#[unsafe(no_mangle)]
extern "C" fn enet_socket_shutdown(_socket: Socket, _how: c_int) -> c_int {
    -1
}

#[unsafe(no_mangle)]
extern "C" fn enet_socketset_select(
    _highest: Socket,
    _read: *mut c_void,
    _write: *mut c_void,
    _timeout: u32,
) -> c_int {
    -1
}

#[unsafe(no_mangle)]
extern "C" fn enet_address_set_host_ip(_address: *mut Address, _name: *const c_char) -> c_int {
    -1
}

#[unsafe(no_mangle)]
extern "C" fn enet_address_set_host(_address: *mut Address, _name: *const c_char) -> c_int {
    -1
}

#[unsafe(no_mangle)]
extern "C" fn enet_address_get_host_ip(
    _address: *const Address,
    _name: *mut c_char,
    _length: usize,
) -> c_int {
    -1
}

#[unsafe(no_mangle)]
extern "C" fn enet_address_get_host(
    _address: *const Address,
    _name: *mut c_char,
    _length: usize,
) -> c_int {
    -1
}
