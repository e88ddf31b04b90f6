use super::*;
use alloc::vec::Vec;
use core::net::SocketAddr;
use proto_core::{Handled, Instant};

const START: Instant = Instant::from_millis(5000);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn host() -> SocketAddr {
    address("203.0.113.1:7777")
}

fn client() -> SocketAddr {
    address("203.0.113.2:50000")
}

fn after(millis: u64) -> Instant {
    START + Duration::from_millis(millis)
}

fn punch() -> Punch {
    Punch::new(START, host(), PunchConfig::default()).expect("a good address")
}

fn sent_by_punch(punch: &mut Punch, now: Instant) -> Vec<(SocketAddr, Claims)> {
    let mut buffer = [0; HANDSHAKE_BYTES];
    core::iter::from_fn(|| {
        let transmit = punch.poll_transmit(now, &mut buffer)?;
        Some((
            transmit.destination,
            Claims::parse(&buffer).expect("a handshake"),
        ))
    })
    .collect()
}

fn sent_by_host(host: &mut Invitations, now: Instant) -> Vec<(SocketAddr, Claims)> {
    let mut buffer = [0; HANDSHAKE_BYTES];
    core::iter::from_fn(|| {
        let transmit = host.poll_transmit(now, &mut buffer)?;
        Some((
            transmit.destination,
            Claims::parse(&buffer).expect("a handshake"),
        ))
    })
    .collect()
}

fn events(host: &mut Invitations) -> Vec<Invitation> {
    core::iter::from_fn(|| host.poll_event()).collect()
}

#[test]
fn a_client_that_hears_nothing_sends_80_datagrams_in_8_seconds_and_says_so() {
    let mut punch = punch();
    let mut sent = 0;
    let mut now = START;
    while let Some(due) = punch.poll_timeout() {
        now = now.max(due);
        punch.handle_timeout(now);
        let all = sent_by_punch(&mut punch, now);
        assert!(all.iter().all(|one| *one == (host(), Claims::SENT)));
        sent += all.len();
    }
    assert_eq!((sent, now), (80, after(8000)));
    assert_eq!(punch.poll_event(), Some(Outcome::Silent));
    assert_eq!(punch.poll_event(), None);
}

#[test]
fn a_client_answers_a_godot_host_once_more_and_is_done() {
    let mut punch = punch();
    assert_eq!(sent_by_punch(&mut punch, START), [(host(), Claims::SENT)]);
    assert_eq!(
        punch.handle_datagram(START, host(), b"$rwx"),
        Handled::Consumed
    );
    assert_eq!(punch.poll_event(), None, "the last datagram is due first");
    assert_eq!(sent_by_punch(&mut punch, START), [(host(), Claims::ALL)]);
    assert_eq!(punch.poll_event(), Some(Outcome::Open { peer: host() }));
    assert_eq!(punch.poll_timeout(), None);
    let late = punch.handle_datagram(after(50), host(), b"$rwx");
    assert_eq!(late, Handled::Dropped(DropReason::Late));
}

#[test]
fn two_clients_of_the_addon_reach_each_other_too() {
    // Both run `over_packet_peer`, as netfox does between plain sockets.
    let addresses = [host(), client()];
    let mut sides = [1, 0].map(|other| {
        Punch::new(START, addresses[other], PunchConfig::default()).expect("a good address")
    });
    for step in 0..5 {
        for (from, to) in [(0, 1), (1, 0)] {
            for (_, claims) in sent_by_punch(&mut sides[from], after(step * 100)) {
                let bytes = claims.to_bytes();
                let _ = sides[to].handle_datagram(after(step * 100), addresses[from], &bytes);
            }
        }
    }
    for (side, other) in sides.iter_mut().zip([1, 0]) {
        assert_eq!(
            side.poll_event(),
            Some(Outcome::Open {
                peer: addresses[other]
            })
        );
    }
}

#[test]
fn a_way_that_does_not_lead_back_is_not_called_open() {
    let mut punch = punch();
    let _ = punch.handle_datagram(START, host(), b"$-w-");
    let received = Claims {
        received: true,
        ..Claims::SENT
    };
    assert_eq!(sent_by_punch(&mut punch, START), [(host(), received)]);
    punch.handle_timeout(after(8000));
    assert_eq!(punch.poll_event(), Some(Outcome::OneWay { peer: host() }));
}

#[test]
fn answers_from_another_port_count_and_are_answered_and_those_of_others_do_not() {
    let moved = address("203.0.113.1:61000");
    let mut punch = punch();
    assert_eq!(
        punch.handle_datagram(START, client(), b"$rwx"),
        Handled::Dropped(DropReason::Stranger)
    );
    assert_eq!(
        punch.handle_datagram(START, moved, b"$-w-"),
        Handled::Consumed
    );
    let targets: Vec<_> = sent_by_punch(&mut punch, START)
        .iter()
        .map(|one| one.0)
        .collect();
    assert_eq!(targets, [host(), moved]);
    let _ = punch.handle_datagram(START, moved, b"$rwx");
    assert_eq!(sent_by_punch(&mut punch, START), [(moved, Claims::ALL)]);
    assert_eq!(punch.poll_event(), Some(Outcome::Open { peer: moved }));

    let exact = PunchConfig {
        sources: Sources::Exact,
        ..PunchConfig::default()
    };
    let mut strict = Punch::new(START, host(), exact).expect("a good address");
    assert_eq!(
        strict.handle_datagram(START, moved, b"$rwx"),
        Handled::Dropped(DropReason::Stranger)
    );
}

#[test]
fn what_is_no_handshake_belongs_to_enet() {
    let mut host = Invitations::new(InvitationsConfig::default());
    host.invite(START, client()).expect("room");
    for datagram in [&b""[..], b"$rw", b"\x8f\xff\0\0\x82\xff\0\x01", b"$rwxx"] {
        assert_eq!(
            punch().handle_datagram(START, client(), datagram),
            Handled::NotMine
        );
        assert_eq!(
            host.handle_datagram(START, client(), datagram),
            Handled::NotMine
        );
    }
}

#[test]
fn a_host_says_that_it_hears_only_when_it_does_unless_it_is_told_to() {
    let mut host = Invitations::new(InvitationsConfig::default());
    host.invite(START, client()).expect("room");
    assert_eq!(sent_by_host(&mut host, START), [(client(), Claims::SENT)]);
    assert_eq!(sent_by_host(&mut host, after(99)), []);
    let _ = host.handle_datagram(after(99), client(), b"$-w-");
    // At once: the client waits for it.
    assert_eq!(
        sent_by_host(&mut host, after(99)),
        [(client(), Claims::ALL)]
    );
    let _ = host.handle_datagram(after(100), client(), b"$-w-");
    assert_eq!(
        sent_by_host(&mut host, after(100)),
        [],
        "and not for each datagram"
    );

    let mut blind = Invitations::new(InvitationsConfig {
        answers: Answers::Always,
        ..InvitationsConfig::default()
    });
    blind.invite(START, client()).expect("room");
    assert_eq!(sent_by_host(&mut blind, START), [(client(), Claims::ALL)]);
}

#[test]
fn an_invitation_ends_after_8_seconds_or_when_it_is_withdrawn() {
    let mut host = Invitations::new(InvitationsConfig::default());
    let quiet = address("203.0.113.9:1");
    host.invite(START, client()).expect("room");
    host.invite(START, quiet).expect("room");
    let moved = address("203.0.113.2:50001");
    let _ = host.handle_datagram(START, moved, b"$-w-");
    let invited = client();
    assert_eq!(
        events(&mut host),
        [Invitation::Heard {
            invited,
            from: moved
        }]
    );
    host.handle_timeout(after(8000));
    let ended = |invited, heard| Invitation::Ended { invited, heard };
    assert_eq!(
        events(&mut host),
        [ended(invited, true), ended(quiet, false)]
    );
    assert_eq!((host.open(), host.poll_timeout()), (0, None));

    host.invite(after(9000), client()).expect("room");
    let _ = host.handle_datagram(after(9000), moved, b"$-w-");
    host.withdraw(moved);
    assert_eq!((host.open(), host.poll_timeout()), (0, None));
}

#[test]
fn an_invitation_that_comes_again_lasts_longer_and_sends_no_faster() {
    let mut host = Invitations::new(InvitationsConfig::default());
    host.invite(START, client()).expect("room");
    assert_eq!(sent_by_host(&mut host, START).len(), 1);
    host.invite(after(50), client()).expect("room");
    assert_eq!(sent_by_host(&mut host, after(50)).len(), 0);
    host.handle_timeout(after(8000));
    assert_eq!(host.open(), 1);
}

// req: HG-6
#[test]
fn strangers_and_further_ports_are_bounded_and_counted() {
    let mut host = Invitations::new(InvitationsConfig::default());
    for last in 0..64 {
        host.invite(START, SocketAddr::from(([198, 51, 100, last], 4000)))
            .expect("room");
    }
    assert_eq!(host.invite(START, client()), Err(InviteError::TooMany));
    assert_eq!(
        host.invite(START, address("0.0.0.0:1")),
        Err(InviteError::BadAddress)
    );
    assert!(Punch::new(START, address("1.2.3.4:0"), PunchConfig::default()).is_err());

    assert_eq!(
        host.handle_datagram(START, client(), b"$-w-"),
        Handled::Dropped(DropReason::Stranger)
    );
    for port in 1..=1000 {
        let _ = host.handle_datagram(START, SocketAddr::from(([198, 51, 100, 1], port)), b"$-w-");
    }
    let stats = host.stats();
    assert_eq!(
        (stats.strangers, stats.received, stats.excess_ports),
        (1, 3, 997)
    );
    // 64 invitations and 3 further ports, once each.
    assert_eq!(sent_by_host(&mut host, START).len(), 67);
    assert_eq!(events(&mut host).len(), 3);
}

#[test]
fn two_clients_behind_one_box_are_told_apart_as_far_as_possible() {
    let mut host = Invitations::new(InvitationsConfig::default());
    let other = address("203.0.113.2:50001");
    host.invite(START, client()).expect("room");
    let _ = host.handle_datagram(START, other, b"$-w-");
    host.invite(START, other).expect("room");
    assert_eq!(host.open(), 2);
    let targets: Vec<_> = sent_by_host(&mut host, START)
        .iter()
        .map(|one| one.0)
        .collect();
    assert_eq!(targets, [client(), other], "nobody gets two streams");
}

#[test]
fn a_registration_repeats_the_private_id_until_the_answer() {
    let registrar = address("198.51.100.1:8809");
    let config = RegistrationConfig::default();
    let mut registration = Registration::new(START, registrar, b"secret", config).expect("a pid");
    let mut buffer = [0; MOST_PID_BYTES];
    for step in 0..3 {
        let now = after(step * 100);
        let transmit = registration
            .poll_transmit(now, &mut buffer)
            .expect("it is due");
        assert_eq!(transmit.destination, registrar);
        assert_eq!(buffer[transmit.bytes], *b"secret");
        assert_eq!(registration.poll_transmit(now, &mut buffer), None);
    }
    assert_eq!(
        registration.handle_datagram(client(), b"OK"),
        Handled::NotMine
    );
    assert_eq!(
        registration.handle_datagram(registrar, b"$---"),
        Handled::Consumed
    );
    assert_eq!(registration.poll_event(), None);
    assert_eq!(
        registration.handle_datagram(registrar, b"OK"),
        Handled::Consumed
    );
    assert_eq!(registration.poll_event(), Some(Registered::Ok));
    assert_eq!(
        (registration.poll_event(), registration.poll_timeout()),
        (None, None)
    );
    // The addon sends its id twice, so a second answer comes.
    let second = registration.handle_datagram(registrar, b"OK");
    assert_eq!(second, Handled::Dropped(DropReason::Late));
    assert!(!alloc::format!("{registration:?}").contains("secret"));
}

#[test]
fn a_registration_fails_for_any_other_answer_and_for_none() {
    let registrar = address("198.51.100.1:8809");
    let new = |pid: &[u8]| Registration::new(START, registrar, pid, RegistrationConfig::default());
    let mut refused = new(b"secret").expect("a pid");
    let _ = refused.handle_datagram(registrar, b"Unknown host pid!");
    assert_eq!(refused.poll_event(), Some(Registered::Refused));
    let mut silent = new(b"secret").expect("a pid");
    silent.handle_timeout(after(7999));
    assert_eq!(silent.poll_event(), None);
    silent.handle_timeout(after(8000));
    assert_eq!(silent.poll_event(), Some(Registered::Silent));
    assert_eq!(new(b"").err(), Some(BadPid::Length));
    assert_eq!(new(&[b'a'; 513]).err(), Some(BadPid::Length));
}
