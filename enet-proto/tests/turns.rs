//! Who sends when several peers have something to send.

extern crate alloc;

mod common;

use common::{End, MILLISECOND, patient, payload};
use core::net::SocketAddr;
use enet_proto::{Host, PacketFlags};
use testkit::{Link, Network};

const PEERS: u16 = 3;

/// A host with connections, and another for each of them.
fn connected() -> (Network<End>, testkit::NodeId) {
    let mut network = Network::new(1, Link::PERFECT);
    let center = network.add(SocketAddr::from(([10, 0, 0, 1], 1)), End::new(patient(1)));
    for number in 0..PEERS {
        let address = SocketAddr::from(([10, 0, 0, 2], 1 + number));
        let node = network.add(address, End::new(patient(2)));
        let now = network.now_at(node);
        let host = &mut network.machine_mut(node).host;
        host.connect(now, SocketAddr::from(([10, 0, 0, 1], 1)), 2, 7)
            .expect("there is room");
    }
    network.run_for(10 * MILLISECOND);
    (network, center)
}

/// Where the host sends to, one entry for each run of datagrams: address and length of the run.
fn runs(host: &mut Host, now: proto_core::Instant) -> Vec<(SocketAddr, usize)> {
    let mut buffer = vec![0; Host::BUFFER];
    let mut runs: Vec<(SocketAddr, usize)> = Vec::new();
    while let Some(transmit) = host.poll_transmit(now, &mut buffer) {
        match runs.last_mut() {
            Some((to, count)) if *to == transmit.destination => *count += 1,
            _ => runs.push((transmit.destination, 1)),
        }
    }
    runs
}

fn send_to_all(host: &mut Host, packets: u32) {
    let peers: Vec<_> = host.peers().collect();
    for peer in peers {
        for number in 0..packets {
            host.send(peer, 0, PacketFlags::UNSEQUENCED, payload(number, 1200))
                .expect("they are connected");
        }
    }
}

#[test]
fn the_datagrams_of_one_peer_leave_in_a_row() {
    let (mut network, center) = connected();
    let now = network.now_at(center);
    let host = &mut network.machine_mut(center).host;
    send_to_all(host, 5);

    let runs = runs(host, now);

    let counts: Vec<usize> = runs.iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, [5; PEERS as usize]);
}

#[test]
fn a_long_queue_of_one_peer_does_not_hold_up_the_others() {
    let (mut network, center) = connected();
    let now = network.now_at(center);
    let host = &mut network.machine_mut(center).host;
    send_to_all(host, 40);

    let runs = runs(host, now);

    let counts: Vec<usize> = runs.iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, [16, 16, 16, 16, 16, 16, 8, 8, 8]);
}
