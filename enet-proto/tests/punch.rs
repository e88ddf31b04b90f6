//! The four bytes with which games open NAT boxes arrive on the socket that ENet uses, also from addresses of its peers.

use core::net::SocketAddr;
use enet_proto::{Config, Event, Host, PeerIds};
use proto_core::Instant;

/// More than the 1138 that the bytes `$r` read as a peer number.
const CLIENTS: u16 = 1200;

fn exchange(now: Instant, from: (&mut Host, SocketAddr), to: (&mut Host, SocketAddr)) {
    let mut buffer = [0; Host::BUFFER];
    while let Some(transmit) = from.0.poll_transmit(now, &mut buffer) {
        if transmit.destination == to.1 {
            let _ = to.0.handle_datagram(now, from.1, &buffer[transmit.bytes]);
        }
    }
}

#[test]
fn handshakes_of_a_punch_change_nothing_for_any_peer_and_are_no_offence() {
    let at: SocketAddr = "127.0.0.1:7777".parse().expect("an address");
    let mut config = Config::new([1; 32]);
    config.peer_ids = PeerIds::Slots;
    config.max_peers = CLIENTS.into();
    let mut server = Host::new(config).expect("a configuration");
    let now = Instant::from_millis(1000);
    let mut clients: Vec<(Host, SocketAddr)> = (0..CLIENTS)
        .map(|index| {
            let mut client = Host::new(Config::new([2; 32])).expect("a configuration");
            let _ = client.connect(now, at, 2, 0).expect("room for one");
            (client, SocketAddr::from(([127, 0, 0, 1], 20_000 + index)))
        })
        .collect();
    for (client, from) in &mut clients {
        for _ in 0..3 {
            exchange(now, (client, *from), (&mut server, at));
            exchange(now, (&mut server, at), (client, *from));
        }
    }
    let connected = core::iter::from_fn(|| server.poll_event());
    assert_eq!(connected.count(), usize::from(CLIENTS));
    let addresses = clients.iter().map(|(_, from)| *from);
    let stranger = SocketAddr::from(([127, 0, 0, 1], 19_999));
    let mut buffer = [0; Host::BUFFER];
    for from in addresses.chain([stranger]) {
        for bits in 0..8 {
            let letter = |bit: u8, letter| if bits & bit == 0 { b'-' } else { letter };
            let handshake = [b'$', letter(1, b'r'), letter(2, b'w'), letter(4, b'x')];
            let verdict = server.handle_datagram(now, from, &handshake);
            assert!(!verdict.is_consumed(), "{from} {handshake:?}: {verdict:?}");
        }
    }
    assert_eq!(
        server.poll_transmit(now, &mut buffer),
        None,
        "it answers nothing"
    );
    assert_eq!(server.poll_event(), None);
    assert_eq!(server.peers().count(), usize::from(CLIENTS));
    // A client gets `$rwx` from the server that it is connected to, for as long as a Godot host sends it.
    let (client, _) = &mut clients[0];
    assert!(matches!(client.poll_event(), Some(Event::Connected { .. })));
    assert!(!client.handle_datagram(now, at, b"$rwx").is_consumed());
    assert_eq!(client.poll_event(), None);
}
