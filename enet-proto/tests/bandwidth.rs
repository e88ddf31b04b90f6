//! What limits of bandwidth do to a connection, and that it is undone when they go.

extern crate alloc;

mod common;

use bytes::Bytes;
use common::{End, MILLISECOND, SECOND};
use enet_proto::{Config, Event, PacketFlags};
use testkit::{Link, Pair};

/// Godot's `create_server` with a channel count announces a few bytes a second until its first BANDWIDTH_LIMIT.
#[test]
fn a_client_recovers_from_a_server_that_first_announces_five_bytes_a_second() {
    let (client, mut server) = (Config::reference([1; 32]), Config::reference([2; 32]));
    server.incoming_bandwidth = 5;
    let link = Link::with_latency(MILLISECOND);
    let mut pair = Pair::new(1, link, End::new(client), End::new(server));
    let now = pair.network.now_at(pair.client);
    let to = Pair::<End>::SERVER;
    let client = &mut pair.network.machine_mut(pair.client).host;
    let peer = client.connect(now, to, 2, 0).expect("there is room");
    pair.network.run_for(SECOND / 10);
    let mut received = Vec::new();
    for _ in 0..8 {
        for _ in 0..10 {
            let client = &mut pair.network.machine_mut(pair.client).host;
            let packet = Bytes::from_static(&[7; 100]);
            client
                .send(peer, 0, PacketFlags::NONE, packet)
                .expect("connected");
            pair.network.run_for(SECOND / 20);
        }
        let events = pair.network.take_events(pair.server);
        let packets = events
            .iter()
            .filter(|event| matches!(event, Event::Received { .. }));
        received.push(packets.count());
    }
    assert!(received.iter().any(|&count| count < 5), "{received:?}");
    assert_eq!(received[6..], [10, 10], "{received:?}");
    let client = &pair.network.machine(pair.client).host;
    let view = client.peer(peer).expect("connected");
    assert_eq!(view.window_bytes(), 65_536);
}
