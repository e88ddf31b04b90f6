//! A lost reliable command is sent again as soon as later ones are acknowledged, and not when reordering made it late.

extern crate alloc;

mod common;

use bytes::Bytes;
use common::{MILLISECOND, SECOND, Session, patient, payload};
use core::time::Duration;
use enet_proto::{Config, PacketFlags};
use proptest as _;
use testkit::Link;

fn session(link: Link, early: bool) -> Session {
    let config = |seed| {
        let mut config: Config = patient(seed);
        config.early_retransmission = early;
        config
    };
    let mut session = Session::new(7, link, config(1), config(2), 2);
    session.network.run_for(3 * SECOND);
    session
}

fn send(session: &mut Session, payload: Bytes) {
    let peer = session.to_server;
    let sent = session
        .client()
        .send(peer, 0, PacketFlags::RELIABLE, payload);
    sent.expect("connected");
}

/// How long the first of four packets takes whose first datagram is lost; the others leave 40 ms apart.
fn time_of_a_lost_packet(early: bool) -> Duration {
    let link = Link {
        jitter: 20 * MILLISECOND,
        ..Link::with_latency(50 * MILLISECOND)
    };
    let mut session = session(link, early);
    let start = session.network.now();
    session.network.set_all_links(Link::DEAD);
    send(&mut session, payload(0, 100));
    session.network.drive();
    session.network.set_all_links(link);
    for number in 1..4 {
        session.network.run_for(40 * MILLISECOND);
        send(&mut session, payload(number, 100));
    }
    let server = session.server;
    let arrived = session
        .network
        .run_until(10 * SECOND, |network| network.poll_event(server).is_some());
    assert!(arrived, "the packet never came");
    session.network.now().saturating_since(start)
}

#[test]
fn a_lost_packet_is_sent_again_when_a_later_one_is_acknowledged() {
    let (early, late) = (time_of_a_lost_packet(true), time_of_a_lost_packet(false));
    // Two round trips, and the time between two packets.
    assert!(early <= 290 * MILLISECOND, "{early:?}");
    assert!(early + 20 * MILLISECOND < late, "{early:?}, else {late:?}");
}

/// How many of 2000 packets are sent again, none of which is lost, while many arrive late.
fn sent_again_for_nothing(early: bool) -> u64 {
    let link = Link {
        reorder: 200,
        reorder_by: 40 * MILLISECOND,
        ..Link::with_latency(50 * MILLISECOND)
    };
    let mut session = session(link, early);
    for number in 0..2000 {
        send(&mut session, payload(number, 100));
        session.network.run_for(10 * MILLISECOND);
    }
    session.network.run_for(SECOND);
    let arrived = session.network.take_events(session.server).len();
    assert_eq!(arrived, 2000);
    session.client().stats().retransmissions
}

#[test]
fn reordering_is_learned_and_not_taken_for_loss() {
    let (early, late) = (sent_again_for_nothing(true), sent_again_for_nothing(false));
    assert!(early <= late + 10, "{early}, else {late}");
}
