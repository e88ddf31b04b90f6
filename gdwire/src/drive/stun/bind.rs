//! Binding the sockets of a STUN server: [`bind`].

use super::config::StunServerConfig;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{TcpListener, UdpSocket};
use stun_proto::server::DiscoveryAddresses;

/// Tries to find a port that is free wherever it is needed.
const TRIES: usize = 32;
/// Connections that wait to be taken.
const BACKLOG: i32 = 128;
/// Asked of the system for each direction of UDP; it may give less.
const BUFFER_BYTES: usize = 1024 * 1024;

/// The sockets at one address.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) address: SocketAddr,
    pub(super) udp: Option<UdpSocket>,
    pub(super) tcp: Option<TcpListener>,
}

/// All sockets that a server wants.
#[derive(Debug)]
pub(super) struct Places {
    /// The four of NAT discovery.
    pub(super) discovery: Option<(DiscoveryAddresses, Vec<Place>)>,
    /// All others.
    pub(super) plain: Vec<Place>,
}

/// Binds what `config` asks for.
///
/// # Errors
/// What the system says, with the address; `InvalidInput` if the addresses cannot serve NAT discovery.
pub(super) fn bind(config: &StunServerConfig) -> io::Result<Places> {
    let mut plain = config.listen.clone();
    let discovery = match config.alternate {
        None => None,
        Some(alternate) => {
            let family = |address: &SocketAddr| address.is_ipv4() == alternate.is_ipv4();
            let first = plain.iter().position(family).ok_or_else(|| {
                invalid("the alternate address has another family than all addresses to listen on")
            })?;
            let primary = plain.remove(first);
            Some(bind_discovery(config, primary, alternate)?)
        }
    };
    let plain = plain.into_iter().map(|address| bind_place(config, address));
    Ok(Places {
        discovery,
        plain: plain.collect::<io::Result<_>>()?,
    })
}

/// Binds the four places of NAT discovery.
fn bind_discovery(
    config: &StunServerConfig,
    primary: SocketAddr,
    alternate: SocketAddr,
) -> io::Result<(DiscoveryAddresses, Vec<Place>)> {
    let free = primary.port() == 0 || alternate.port() == 0;
    let mut tries = 0;
    loop {
        tries += 1;
        match bind_four(config, primary, alternate) {
            // A port that is free at one address may be taken at the other.
            Err(error) if free && tries < TRIES && is_taken(&error) => {}
            result => return result,
        }
    }
}

fn bind_four(
    config: &StunServerConfig,
    primary: SocketAddr,
    alternate: SocketAddr,
) -> io::Result<(DiscoveryAddresses, Vec<Place>)> {
    let first = bind_place(config, primary)?;
    let last = bind_place(config, alternate)?;
    let addresses = DiscoveryAddresses::new(first.address, last.address).map_err(invalid)?;
    let mut places = vec![first, last];
    for address in addresses.sockets() {
        if !places.iter().any(|place| place.address == address) {
            places.push(bind_place(config, address)?);
        }
    }
    Ok((addresses, places))
}

/// Binds UDP and TCP to one address, on one port.
fn bind_place(config: &StunServerConfig, address: SocketAddr) -> io::Result<Place> {
    let mut tries = 0;
    loop {
        tries += 1;
        match try_place(config, address) {
            Err(error) if address.port() == 0 && tries < TRIES && is_taken(&error) => {}
            result => return result.map_err(|error| with_address(&error, address)),
        }
    }
}

fn try_place(config: &StunServerConfig, mut address: SocketAddr) -> io::Result<Place> {
    let mut place = Place {
        address,
        udp: None,
        tcp: None,
    };
    if config.udp {
        let socket = socket(config, address, Type::DGRAM, Protocol::UDP)?;
        // Smaller buffers only mean that bursts lose more; no reason to fail.
        let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
        let _ = socket.set_send_buffer_size(BUFFER_BYTES);
        socket.bind(&address.into())?;
        let socket = UdpSocket::from(socket);
        address = socket.local_addr()?;
        place.udp = Some(socket);
    }
    if config.tcp {
        let socket = socket(config, address, Type::STREAM, Protocol::TCP)?;
        // So that a restart need not wait for connections of before.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from(socket);
        address = listener.local_addr()?;
        place.tcp = Some(listener);
    }
    place.address = address;
    Ok(place)
}

fn socket(
    config: &StunServerConfig,
    address: SocketAddr,
    kind: Type,
    protocol: Protocol,
) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        let only_v6 = config.listen.iter().any(SocketAddr::is_ipv4);
        SockRef::from(&socket).set_only_v6(only_v6)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

fn invalid(why: impl Into<Box<dyn core::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

/// The same error, saying where.
fn with_address(error: &io::Error, address: SocketAddr) -> io::Error {
    io::Error::new(error.kind(), format!("{address}: {error}"))
}
