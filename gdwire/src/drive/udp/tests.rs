//! Ports on real sockets of this machine.

use super::*;

fn attempt(call: Call<'_>) -> io::Result<usize> {
    call()
}

/// A source of datagrams to `destinations`, of these lengths, each filled with its length.
fn source(list: &[(SocketAddr, usize)]) -> impl FnMut(&mut [u8]) -> Option<Transmit> {
    let mut list = list.iter().copied();
    move |buffer| {
        let (destination, length) = list.next()?;
        buffer[..length].fill(u8::try_from(length % 251).unwrap());
        Some(Transmit {
            source: None,
            destination,
            bytes: 0..length,
        })
    }
}

/// Everything that lies in the socket: from where, how long. Each is checked to be what [`source`] wrote.
fn drain(port: &mut Port, socket: &UdpSocket) -> Vec<(SocketAddr, usize)> {
    let mut arrived = Vec::new();
    loop {
        let received = port.receive(socket, |from, bytes| {
            let byte = bytes.len() % 251;
            assert!(bytes.iter().all(|&found| usize::from(found) == byte));
            arrived.push((from, bytes.len()));
        });
        if received.map_or(true, |received| received.is_drained) {
            return arrived;
        }
    }
}

fn local(address: &str) -> (UdpSocket, SocketAddr) {
    let socket = bind(address.parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[test]
fn a_mapped_address_is_seen_as_ipv4_and_sent_as_mapped() {
    let mapped: SocketAddr = "[::ffff:127.0.0.1]:5".parse().unwrap();
    let plain: SocketAddr = "127.0.0.1:5".parse().unwrap();
    assert_eq!(canonical(mapped), plain);
    assert_eq!(on_wire(plain, true), mapped);
    assert_eq!(on_wire(plain, false), plain);
}

#[test]
fn the_scope_of_a_link_local_address_survives_and_the_flow_label_does_not() {
    let noisy = SocketAddrV6::new("fe80::1".parse().unwrap(), 9, 77, 3);
    let clean = SocketAddrV6::new("fe80::1".parse().unwrap(), 9, 0, 3);
    assert_eq!(canonical(noisy.into()), clean.into());
}

#[test]
fn equal_datagrams_travel_together_and_arrive_apart() {
    let ((sender, from), (receiver, to)) = (local("127.0.0.1:0"), local("127.0.0.1:0"));
    let mut out = Port::of_client(&sender).unwrap();
    let mut inn = Port::of_client(&receiver).unwrap();
    let lengths = [900, 900, 900, 100, 1200, 8];
    let list = lengths.map(|length| (to, length));
    assert_eq!(out.send(&sender, attempt, source(&list)), Sent::All);
    let arrived = drain(&mut inn, &receiver);
    assert_eq!(arrived, lengths.map(|length| (from, length)));
}

#[test]
fn datagrams_to_many_receivers_leave_in_few_calls() {
    let (sender, from) = local("127.0.0.1:0");
    let mut out = Port::of_client(&sender).unwrap();
    let receivers: Vec<_> = (0..100).map(|_| local("127.0.0.1:0")).collect();
    let list: Vec<_> = receivers
        .iter()
        .flat_map(|&(_, to)| [(to, 700), (to, 60)])
        .collect();
    let mut calls = 0;
    let counted = |call: Call<'_>| {
        calls += 1;
        call()
    };
    assert_eq!(out.send(&sender, counted, source(&list)), Sent::All);
    for (socket, _) in &receivers {
        let mut inn = Port::of_client(socket).unwrap();
        assert_eq!(drain(&mut inn, socket), [(from, 700), (from, 60)]);
    }
    // Without offload each datagram is a message, but 64 of them are a call.
    let most = if cfg!(target_os = "linux") { 4 } else { 200 };
    assert!(calls <= most, "{calls}");
}

#[test]
fn a_datagram_that_cannot_be_sent_does_not_hold_up_the_others() {
    let ((sender, from), (receiver, to)) = (local("127.0.0.1:0"), local("127.0.0.1:0"));
    let mut out = Port::of_client(&sender).unwrap();
    let mut inn = Port::of_client(&receiver).unwrap();
    // No datagram leaves a socket of the loopback interface for the world, and none can go to port 0.
    let nowhere = "192.0.2.1:9".parse().unwrap();
    let list = [
        (to, 8),
        (nowhere, 8),
        (nowhere, 8),
        (to, 9),
        (nowhere, 3),
        (to, 7),
    ];
    assert_eq!(out.send(&sender, attempt, source(&list)), Sent::All);
    let arrived = drain(&mut inn, &receiver);
    assert_eq!(arrived, [(from, 8), (from, 9), (from, 7)]);
}

#[test]
fn what_a_full_socket_refused_is_sent_first_the_next_time() {
    let ((sender, from), (receiver, to)) = (local("127.0.0.1:0"), local("127.0.0.1:0"));
    let mut out = Port::of_client(&sender).unwrap();
    let mut inn = Port::of_client(&receiver).unwrap();
    let full = |_: Call<'_>| Err(io::ErrorKind::WouldBlock.into());
    let list = [(to, 30), (to, 30), (to, 4)];
    assert_eq!(out.send(&sender, full, source(&list)), Sent::Blocked);
    assert_eq!(
        out.send(&sender, full, |_| panic!("it is full")),
        Sent::Blocked
    );
    assert_eq!(out.send(&sender, attempt, source(&[(to, 5)])), Sent::All);
    let arrived = drain(&mut inn, &receiver);
    assert_eq!(arrived, [(from, 30), (from, 30), (from, 4), (from, 5)]);
}

/// Asks a server that is bound to `bound` at each of `homes` and wants its answers from there.
fn each_home_answers(bound: &str, homes: &[&str]) {
    let Ok(server) = bind(bound.parse().unwrap()) else {
        // This machine has no IPv6.
        return;
    };
    let number = server.local_addr().unwrap().port();
    let mut port = Port::of_server(&server).unwrap();
    for _ in 0..2 {
        let mut asked = Vec::new();
        for home in homes {
            let home = SocketAddr::new(home.parse().unwrap(), number);
            let unspecified = unspecified_for(home);
            let client = bind(unspecified).unwrap();
            client.send_to(&[1], home).unwrap();
            asked.push((client, home));
        }
        let remotes: Vec<_> = drain(&mut port, &server);
        // Two each, so that more than one datagram leaves in a call, and GSO has something to do.
        let list: Vec<_> = remotes
            .iter()
            .flat_map(|&(remote, _)| [(remote, 9), (remote, 4)])
            .collect();
        assert_eq!(list.len(), 2 * homes.len());
        assert_eq!(port.send(&server, attempt, source(&list)), Sent::All);
        for (client, home) in asked {
            client.set_nonblocking(true).unwrap();
            for length in [9, 4] {
                let mut buffer = [0; 16];
                let (received, from) = client.recv_from(&mut buffer).unwrap();
                assert_eq!((received, canonical(from)), (length, home));
            }
        }
    }
}

#[test]
fn a_server_on_all_addresses_answers_from_the_address_that_was_asked() {
    let homes = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.2"];
    if cfg!(target_os = "linux") {
        each_home_answers("0.0.0.0:0", &homes);
        let both = ["127.0.0.2", "::1", "127.0.0.1", "127.0.0.2"];
        each_home_answers("[::]:0", &both);
    } else {
        each_home_answers("0.0.0.0:0", &["127.0.0.1"]);
    }
}

/// What costs the system time with each datagram is off where nobody reads it.
#[cfg(target_os = "linux")]
#[test]
fn the_system_tells_nothing_about_a_datagram_that_is_not_read() {
    use nix::sys::socket::{
        getsockopt,
        sockopt::{IpRecvTos, Ipv4PacketInfo, ReceiveTimestampns},
    };
    let ((client, _), (server, _)) = (local("127.0.0.1:0"), local("127.0.0.1:0"));
    let (everywhere, _) = local("0.0.0.0:0");
    Port::of_client(&client).unwrap();
    Port::of_server(&server).unwrap();
    Port::of_server(&everywhere).unwrap();
    for (socket, needs_home) in [(client, false), (server, false), (everywhere, true)] {
        assert!(!getsockopt(&socket, ReceiveTimestampns).unwrap());
        assert!(!getsockopt(&socket, IpRecvTos).unwrap());
        assert_eq!(getsockopt(&socket, Ipv4PacketInfo).unwrap(), needs_home);
    }
}
