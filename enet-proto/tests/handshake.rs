//! Connecting over a network that loses the steps of the handshake.

extern crate alloc;

mod common;

use common::{End, MILLISECOND, SECOND, payload};
use enet_proto::{Config, Event, PacketFlags};
use testkit::{Link, Pair};

/// Connects while the third datagram of the handshake, the client's acknowledgement, is lost.
fn without_acknowledgement() -> (Pair<End>, enet_proto::PeerKey) {
    let (client, server) = (Config::new([1; 32]), Config::new([2; 32]));
    let link = Link::with_latency(10 * MILLISECOND);
    let mut pair = Pair::new(1, link, End::new(client), End::new(server));
    let now = pair.network.now_at(pair.client);
    let client = &mut pair.network.machine_mut(pair.client).host;
    let peer = client
        .connect(now, Pair::<End>::SERVER, 2, 7)
        .expect("there is room");
    pair.network.run_for(15 * MILLISECOND);
    pair.network
        .set_link(Pair::<End>::CLIENT, Pair::<End>::SERVER, Link::DEAD);
    pair.network.run_for(10 * MILLISECOND);
    pair.network
        .set_link(Pair::<End>::CLIENT, Pair::<End>::SERVER, link);
    let events = pair.network.take_events(pair.client);
    assert_eq!(events, [Event::Connected { peer, data: 0 }]);
    assert_eq!(pair.network.take_events(pair.server), []);
    (pair, peer)
}

#[test]
fn a_client_whose_acknowledgement_was_lost_gets_in_by_its_ping() {
    let (mut pair, _) = without_acknowledgement();
    pair.network.run_for(3 * SECOND);
    let events = pair.network.take_events(pair.server);
    assert!(
        matches!(events[..], [Event::Connected { data: 7, .. }]),
        "{events:?}"
    );
}

#[test]
fn a_client_whose_acknowledgement_was_lost_gets_in_by_its_data() {
    let (mut pair, peer) = without_acknowledgement();
    for number in 0..20 {
        let client = &mut pair.network.machine_mut(pair.client).host;
        client
            .send(peer, 0, PacketFlags::RELIABLE, payload(number, 5000))
            .expect("connected");
    }
    pair.network.run_for(3 * SECOND);
    let events = pair.network.take_events(pair.server);
    assert!(matches!(events[..], [Event::Connected { data: 7, .. }, ..]));
    assert_eq!(events.len(), 21, "not all data arrived");
}

// A C ENet server repeats VERIFY_CONNECT by itself and gets nearly all of these in.
#[test]
fn both_sides_agree_whatever_the_handshake_loses_and_nearly_all_get_in() {
    let mut in_all = 0;
    for seed in 0..100 {
        let (client, server) = (Config::new([1; 32]), Config::new([2; 32]));
        let link = Link {
            latency: 20 * MILLISECOND,
            loss: 200,
            ..Link::PERFECT
        };
        let mut pair = Pair::new(seed, link, End::new(client), End::new(server));
        let now = pair.network.now_at(pair.client);
        let client = &mut pair.network.machine_mut(pair.client).host;
        client
            .connect(now, Pair::<End>::SERVER, 2, 7)
            .expect("there is room");
        pair.network.run_for(10 * SECOND);
        pair.network.set_all_links(Link::with_latency(MILLISECOND));
        pair.network.run_for(50 * SECOND);
        let connected = [pair.client, pair.server].map(|node| {
            let host = &pair.network.machine(node).host;
            host.peers()
                .filter(|&peer| host.peer(peer).is_some_and(|view| view.is_connected()))
                .count()
        });
        assert_eq!(connected[0], connected[1], "seed {seed}");
        in_all += connected[0];
    }
    assert!(in_all >= 98, "{in_all} of 100");
}
