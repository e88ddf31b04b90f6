//! Binding: [`bind`] makes a socket as Godot's servers and clients want it.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use socket2::{Domain, Protocol, Type};
use std::io;
use std::net::UdpSocket;

/// Asked of the system for each direction; it may give less.
const BUFFER_BYTES: usize = 1024 * 1024;
/// Asked for what a server receives: small datagrams count several times their length there, and thousands of clients
/// send some thousand of them while a server waits for its turn on the processor.
const SERVER_RECEIVE_BYTES: usize = 4 * 1024 * 1024;

/// A UDP socket at `address`; `[::]` takes IPv4 too (dual stack).
///
/// # Errors
/// What the system says: the port is taken, the address is not of this machine.
pub(in crate::drive) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let domain = Domain::for_address(address);
    let socket = socket2::Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    // Smaller buffers only mean that bursts lose more; no reason to fail.
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Makes room for what comes from many clients.
pub(super) fn widen(socket: &UdpSocket) {
    let _ = socket2::SockRef::from(socket).set_recv_buffer_size(SERVER_RECEIVE_BYTES);
}

/// Where a client binds that wants to reach `destination`: any port of any address of its family.
pub(in crate::drive) fn unspecified_for(destination: SocketAddr) -> SocketAddr {
    let ip: IpAddr = match destination {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(ip, 0)
}

/// The address from which the system would send to `destination`.
#[cfg(all(feature = "tokio", any(feature = "ice", feature = "stun")))]
pub(in crate::drive) fn home_for(destination: SocketAddr) -> io::Result<IpAddr> {
    let socket = UdpSocket::bind(unspecified_for(destination))?;
    // This sends nothing.
    socket.connect(destination)?;
    Ok(socket.local_addr()?.ip())
}

/// Lets the network fragment datagrams, as it does for Godot's sockets.
///
/// `quinn-udp` forbids that for QUIC, which measures the path; ENet does not, and would lose every full datagram on a
/// path below 1420 bytes.
#[cfg(target_os = "linux")]
pub(super) fn allow_fragments(socket: &UdpSocket, is_ipv6: bool) {
    use nix::sys::socket::{setsockopt, sockopt::Ipv6DontFrag};
    use rustix::net::sockopt::{
        Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
    };
    // Each may be missing in a sandbox; then full datagrams need a path of 1420 bytes.
    let _ = set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::WANT);
    if is_ipv6 {
        let _ = set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::WANT);
        let _ = setsockopt(socket, Ipv6DontFrag, &false);
    }
}

/// Nothing to do here: only Linux gets told to forbid fragments.
#[cfg(not(target_os = "linux"))]
pub(super) const fn allow_fragments(_socket: &UdpSocket, _is_ipv6: bool) {}

/// Has the system tell nothing with each datagram that nobody here reads: when it came, and its class of service.
///
/// `quinn-udp` asks for these, and they cost time in the system for each datagram.
#[cfg(target_os = "linux")]
pub(super) fn tell_less(socket: &UdpSocket, is_ipv6: bool) {
    use nix::sys::socket::{
        setsockopt,
        sockopt::{IpRecvTos, Ipv6RecvTClass, ReceiveTimestampns},
    };
    // What cannot be left out is only ignored.
    let _ = setsockopt(socket, ReceiveTimestampns, &false);
    let _ = setsockopt(socket, IpRecvTos, &false);
    if is_ipv6 {
        let _ = setsockopt(socket, Ipv6RecvTClass, &false);
    }
}

/// Also has it not tell which local address a datagram came to.
#[cfg(target_os = "linux")]
pub(super) fn tell_no_home(socket: &UdpSocket, is_ipv6: bool) {
    use nix::sys::socket::{
        setsockopt,
        sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo},
    };
    let _ = if is_ipv6 {
        setsockopt(socket, Ipv6RecvPacketInfo, &false)
    } else {
        setsockopt(socket, Ipv4PacketInfo, &false)
    };
}

/// Elsewhere it is left as `quinn-udp` has it: what it costs there was not measured.
#[cfg(not(target_os = "linux"))]
pub(super) const fn tell_less(_socket: &UdpSocket, _is_ipv6: bool) {}

/// Nothing to do here.
#[cfg(not(target_os = "linux"))]
pub(super) const fn tell_no_home(_socket: &UdpSocket, _is_ipv6: bool) {}
