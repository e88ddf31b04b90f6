//! The rules of TCP candidates (RFC 6544): two agents over connections that a caller opens, accepts and closes.

extern crate alloc;

mod common;

use common::config;
use common::script::{Script, address, candidate};
use common::streams::{Listeners, Streams};
use core::time::Duration;
use ice_lite::{
    AcceptError, AgentSet, CandidateKind, Config, DropReason, Event, LocalCandidate, PairState,
    RestartReason, Role, SendError, SetConfig, State, TcpAction, TcpType, Transport,
};
use proto_core::{Handled, Instant};

const ACTIVE_PASSIVE: [TcpType; 2] = [TcpType::Active, TcpType::Passive];

fn configs() -> [Config; 2] {
    [config(1, Role::Controlling), config(2, Role::Controlled)]
}

fn usual() -> Streams {
    Streams::new(configs(), ACTIVE_PASSIVE)
}

/// How many connections an agent has asked for.
fn asked(events: &[Event]) -> usize {
    let connects = |event: &&Event| matches!(event, Event::Tcp(TcpAction::Connect { .. }));
    events.iter().filter(connects).count()
}

fn exchange(streams: &mut Streams) {
    for index in 0..2 {
        let data = format!("from {index}");
        streams.send(index, data.as_bytes());
        streams.run(Duration::from_millis(50));
        assert_eq!(streams.data[1 - index].pop(), Some(data.into_bytes()));
    }
}

// req: P-1, P-2
#[test]
fn a_pair_is_made_where_we_connect_and_not_where_the_peer_does() {
    let mut script = Script::new(Role::Controlling);
    for (port, tcp) in [(9, TcpType::Active), (4001, TcpType::Passive)] {
        let local = LocalCandidate::host(address(&format!("10.0.0.1:{port}")));
        let local = local.with_transport(Transport::Tcp(tcp));
        let told = script.agent.add_local(script.now, local).expect("added");
        assert!(told.to_string().contains(tcp.word()));
        assert!(told.priority < 2_130_706_431, "below UDP of the same type");
    }
    let lines = [
        "1 1 tcp 2105524479 10.0.0.2 9 typ host tcptype active",
        "2 1 tcp 2105458943 10.0.0.2 443 typ host tcptype passive",
        "3 1 tcp 2105458943 10.0.0.3 443 typ host tcptype passive",
        "4 1 tcp 2105458943 10.0.0.3 444 typ host tcptype so",
    ];
    for line in lines {
        script.tell_candidate(candidate(line));
    }
    let mut paths: Vec<_> = script
        .pairs()
        .iter()
        .map(|pair| (pair.path.base, pair.path.remote))
        .collect();
    paths.sort();
    let expected = ["10.0.0.2:443", "10.0.0.3:443"].map(|to| (address("10.0.0.1:9"), address(to)));
    assert_eq!(paths, expected, "only active ones connect");
}

// req: P-3, P-4
#[test]
fn two_agents_connect_over_tcp_whoever_controls_and_whoever_connects() {
    for kinds in [ACTIVE_PASSIVE, [TcpType::Passive, TcpType::Active]] {
        let mut streams = Streams::new(configs(), kinds);
        assert!(streams.connect(), "{}", streams.agents[0].why());
        for (index, kind) in kinds.into_iter().enumerate() {
            let active = kind == TcpType::Active;
            assert_eq!(asked(&streams.events[index]), usize::from(active));
            let path = streams.agents[index].path().expect("a path");
            assert!(path.connection.is_some());
            let ours = if active { 50_000 } else { 4000 };
            let theirs = if active { 4000 } else { 50_000 };
            assert_eq!((path.base.port(), path.remote.port()), (ours, theirs));
            assert_eq!(path.local_address, path.base);
            assert_eq!(path.local_kind, CandidateKind::Host);
        }
        exchange(&mut streams);
        assert_eq!([0, 1].map(|index| streams.count(index)), [1, 1]);
    }
}

#[test]
fn simultaneous_opens_meet_in_one_connection_whether_they_cross_or_not() {
    for listening in [Listeners::Accept, Listeners::Refuse] {
        let mut streams = Streams::new(configs(), [TcpType::SimultaneousOpen; 2]);
        streams.listeners = listening;
        assert!(streams.connect(), "{}", streams.agents[0].why());
        exchange(&mut streams);
        streams.run(Duration::from_secs(10));
        assert_eq!([0, 1].map(|index| streams.count(index)), [1, 1]);
    }
}

// req: P-2
#[test]
fn datagrams_are_preferred_and_tcp_carries_where_they_are_blocked() {
    for udp in [true, false] {
        let mut streams = usual();
        streams.udp = udp;
        for index in 0..2 {
            streams.add_udp(index);
        }
        assert!(streams.connect(), "{}", streams.agents[0].why());
        for agent in &streams.agents {
            assert_eq!(agent.path().expect("a path").connection.is_none(), udp);
        }
        let mut out = Vec::new();
        let now = streams.now;
        let agent = &mut streams.agents[0];
        if udp {
            assert!(agent.send(now, 0..5).is_ok());
            let refused = agent.send_framed(now, b"hello", &mut out);
            assert_eq!(refused, Err(SendError::Datagrams));
            // What was not chosen is closed.
            streams.run(Duration::from_secs(4));
            assert_eq!([0, 1].map(|index| streams.count(index)), [0, 0]);
        } else {
            assert_eq!(agent.send(now, 0..5), Err(SendError::Connection));
            let long = agent.send_framed(now, &[0; 65_536], &mut out);
            assert_eq!((long, out.len()), (Err(SendError::TooLong), 0));
            let longest = agent.send_framed(now, &[0; 65_535], &mut out);
            assert_eq!((longest.is_ok(), out.len()), (true, 65_537));
            exchange(&mut streams);
        }
    }
}

// req: I-61
#[test]
fn a_translated_connection_makes_the_candidate_that_the_peer_saw() {
    let mut streams = usual();
    streams.nat = Some(address("203.0.113.9:1").ip());
    assert!(streams.connect());
    let path = streams.agents[0].path().expect("a path");
    assert_eq!(path.local_kind, CandidateKind::PeerReflexive);
    assert_eq!(path.local_address, address("203.0.113.9:50000"));
    assert_eq!(path.base, address("192.0.2.1:50000"));
    let path = streams.agents[1].path().expect("a path");
    assert_eq!(path.remote, address("203.0.113.9:50000"));
    assert_eq!(path.remote_kind, CandidateKind::PeerReflexive);
}

// req: P-3, I-45
#[test]
fn a_connection_that_is_refused_or_never_opens_fails_its_pair() {
    for (listeners, within) in [
        (Listeners::Refuse, Duration::from_millis(100)),
        (Listeners::Swallow, Duration::from_millis(10_100)),
    ] {
        let mut streams = usual();
        streams.listeners = listeners;
        streams.introduce();
        let failed = streams.run_until(within, |streams| {
            let mut pairs = streams.agents[0].pairs();
            pairs
                .next()
                .is_some_and(|pair| pair.state == PairState::Failed)
        });
        assert!(failed, "{}", streams.agents[0].why());
        streams.run(Duration::from_secs(60));
        assert_eq!(asked(&streams.events[0]), 1, "it is not tried for ever");
        assert_eq!(streams.count(0), 0);
        assert_eq!(streams.agents[0].state(), State::Failed);
        let reason = Event::RestartNeeded(RestartReason::NoPath);
        assert!(streams.events[0].contains(&reason));
    }
}

// req: P-3
#[test]
fn a_closed_connection_ends_consent_at_once() {
    let mut streams = usual();
    assert!(streams.connect());
    let paths = [0, 1].map(|index| streams.agents[index].path().expect("a path"));
    streams.cut();
    streams.run(Duration::ZERO);
    for (index, path) in paths.into_iter().enumerate() {
        assert!(streams.events[index].contains(&Event::ConsentExpired(path)));
        let reason = Event::RestartNeeded(RestartReason::ConsentLost);
        assert!(streams.events[index].contains(&reason));
        assert_eq!(streams.agents[index].state(), State::Failed);
        let sent = streams.agents[index].send_framed(streams.now, b"x", &mut Vec::new());
        assert_eq!(sent, Err(SendError::NoPath));
    }
}

// req: C-2
#[test]
fn a_peer_that_is_silent_on_an_open_connection_loses_consent_and_the_connection() {
    let mut streams = usual();
    assert!(streams.connect());
    streams.run(Duration::from_secs(60));
    assert_eq!(streams.agents[0].state(), State::Completed, "it answers");
    streams.mute = true;
    let began = streams.now;
    let lost = streams.run_until(Duration::from_secs(31), |streams| {
        streams.agents[0].state() == State::Failed
    });
    assert!(lost && streams.now.saturating_since(began) > Duration::from_secs(23));
    streams.run(Duration::from_millis(100));
    assert_eq!(streams.count(0), 0);
}

// req: S-65
#[test]
fn a_check_over_a_connection_is_written_once_and_fails_in_time() {
    let [one, mut other] = configs();
    other.timing.connect = Duration::from_secs(30);
    let mut streams = Streams::new([one, other], ACTIVE_PASSIVE);
    streams.mute = true;
    streams.introduce();
    streams.run(Duration::from_secs(15));
    assert_eq!(streams.requests, [1, 0]);
    assert_eq!(
        streams.agents[0].pairs().next().map(|pair| pair.state),
        Some(PairState::InProgress)
    );
    streams.run(Duration::from_secs(2));
    assert_eq!(streams.requests, [1, 0]);
    assert_eq!(
        streams.agents[0].pairs().next().map(|pair| pair.state),
        Some(PairState::Failed)
    );
    assert_eq!(
        [0, 1].map(|index| streams.count(index)),
        [0, 0],
        "both closed it"
    );
}

// req: P-3, HI-6
#[test]
fn strangers_who_connect_keep_neither_places_nor_the_peer_out() {
    let mut streams = usual();
    for number in 0..1000_u16 {
        let from = format!("203.0.113.{}:{}", number % 7, 1000 + number);
        let accepted = streams.accept(1, &from);
        assert!(accepted.is_some());
        streams.run(Duration::ZERO);
        assert!(streams.count(1) <= 16);
    }
    assert_eq!(streams.agents[1].stats().connections_refused, 1000 - 16);
    assert!(streams.connect(), "the peer is let in");
    let wait = Duration::from_secs(10);
    streams.run(wait);
    assert_eq!(streams.count(1), 1, "who says nothing is closed");
    assert_eq!(streams.agents[1].state(), State::Completed);
    exchange(&mut streams);
}

#[test]
fn one_address_that_connects_often_pushes_itself_out_first() {
    let mut streams = usual();
    let quiet = streams.accept(1, "203.0.113.1:1").expect("taken");
    for port in 1..100 {
        assert!(streams.accept(1, &format!("203.0.113.2:{port}")).is_some());
    }
    streams.run(Duration::ZERO);
    let closed = Event::Tcp(TcpAction::Close { connection: quiet });
    assert!(!streams.events[1].contains(&closed));
}

// req: HI-10
#[test]
fn data_on_a_connection_is_dropped_until_a_check_has_proven_it() {
    let mut streams = usual();
    streams.introduce();
    let (now, strange) = (
        streams.now,
        streams.accept(1, "203.0.113.2:9").expect("taken"),
    );
    let agent = &mut streams.agents[1];
    let dropped = agent.handle_packet(now, strange, b"data");
    assert_eq!(dropped, Handled::Dropped(DropReason::UnvalidatedSource));
    assert!(streams.connect());
    let now = streams.now;
    // Another connection works now, which proves nothing for this one.
    let agent = &mut streams.agents[1];
    let dropped = agent.handle_packet(now, strange, b"data");
    assert_eq!(dropped, Handled::Dropped(DropReason::UnvalidatedSource));
    // Nor do datagrams from the address of a connection.
    let remote = agent.path().expect("a path").remote;
    let dropped = agent.handle_datagram(now, Streams::address(1), remote, b"data");
    assert_eq!(dropped, Handled::Dropped(DropReason::UnvalidatedSource));
    agent.handle_closed(now, strange);
    let dropped = agent.handle_packet(now, strange, b"data");
    assert_eq!(dropped, Handled::Dropped(DropReason::UnknownConnection));
}

#[test]
fn connections_are_accepted_where_a_candidate_waits_for_them_only() {
    let mut streams = usual();
    let (now, from) = (streams.now, address("203.0.113.2:9"));
    let [active, passive] = &mut streams.agents;
    let refused = active.handle_accepted(now, address("192.0.2.1:9"), from);
    assert_eq!(refused, Err(AcceptError::UnknownLocal));
    let other = passive.handle_accepted(now, address("198.51.100.2:4001"), from);
    assert_eq!(other, Err(AcceptError::UnknownLocal));
    assert!(
        passive
            .handle_accepted(now, address("0.0.0.0:4000"), from)
            .is_ok()
    );
    passive.close(now);
    let closed = passive.handle_accepted(now, Streams::address(1), from);
    assert_eq!(closed, Err(AcceptError::Closed));
}

// req: I-40
#[test]
fn a_check_that_comes_before_the_credentials_is_answered_over_its_connection() {
    let mut streams = usual();
    let description = streams.agents[1].description();
    let now = streams.now;
    streams.agents[0]
        .set_remote(now, &description)
        .expect("a description");
    streams.run(Duration::from_secs(25));
    assert_eq!(streams.agents[0].state(), State::Completed, "answered");
    assert_eq!(streams.agents[1].state(), State::New);
    assert!(streams.connect());
    exchange(&mut streams);
}

// req: P-4, I-75
#[test]
fn a_lite_server_finds_the_agent_of_a_connection_by_its_first_check() {
    let mut streams = Streams::new(
        [config(1, Role::Controlling), Config::lite([2; 32])],
        ACTIVE_PASSIVE,
    );
    // Watch a check go by.
    streams.introduce();
    streams.run(Duration::from_millis(30));
    let first = streams.events[0].iter().find_map(|event| match event {
        Event::Tcp(TcpAction::Write { bytes, .. }) => Some(bytes[2..].to_vec()),
        _ => None,
    });
    let check = first.expect("a check");
    assert!(streams.connect());
    exchange(&mut streams);
    let mut set = AgentSet::new(SetConfig::default());
    assert_eq!(set.agent_for(&check), None);
    let ufrag = streams.agents[1].credentials().clone();
    let now = Instant::from_millis(1);
    let mut ids = [0, 1].map(|seed| {
        let mut config = Config::lite([seed; 32]);
        config.credentials = (seed == 1).then(|| ufrag.clone());
        let mut agent = common::agent(config);
        let local = LocalCandidate::host(Streams::address(1));
        let local = local.with_transport(Transport::Tcp(TcpType::Passive));
        agent.add_local(now, local).expect("a candidate");
        set.insert(now, agent).expect("room")
    });
    ids.reverse();
    let id = set.agent_for(&check).expect("it names one");
    assert_eq!(id, ids[0]);
    assert_eq!(set.agent_for(b"data"), None);
    let from = address("192.0.2.1:50000");
    let handled = set.with(id, |agent| {
        let connection = agent.handle_accepted(now, Streams::address(1), from)?;
        Ok::<_, AcceptError>(agent.handle_packet(now, connection, &check))
    });
    assert_eq!(handled, Some(Ok(Handled::Consumed)));
    // The answer is an event that the set tells without being asked otherwise.
    let mut buffer = [0; AgentSet::BUFFER];
    assert_eq!(set.poll_transmit(now, &mut buffer), None);
    let told: Vec<_> = core::iter::from_fn(|| set.poll_event()).collect();
    let wrote = |(of, event): &(_, Event)| {
        *of == id && matches!(event, Event::Tcp(TcpAction::Write { .. }))
    };
    assert_eq!(
        told.iter().filter(|told| wrote(told)).count(),
        1,
        "{told:?}"
    );
}

// req: I-78
#[test]
fn a_restart_moves_to_a_new_connection_and_data_goes_on_meanwhile() {
    let mut streams = usual();
    assert!(streams.connect());
    let before = [0, 1].map(|index| streams.agents[index].path().expect("a path").connection);
    streams.run(Duration::from_secs(2));
    let now = streams.now;
    streams.agents[0].restart(now).expect("a restart");
    exchange(&mut streams);
    let description = streams.agents[0].description();
    streams.agents[1]
        .set_remote(streams.now, &description)
        .expect("a restart");
    exchange(&mut streams);
    let description = streams.agents[1].description();
    streams.agents[0]
        .set_remote(streams.now, &description)
        .expect("an answer");
    assert!(streams.run_until(Duration::from_secs(5), |streams| {
        streams
            .agents
            .iter()
            .all(|agent| agent.state() == State::Completed)
    }));
    exchange(&mut streams);
    for (index, before) in before.into_iter().enumerate() {
        let path = streams.agents[index].path().expect("a path");
        assert_ne!(path.connection, before);
    }
    streams.run(Duration::from_secs(11));
    assert_eq!(
        [0, 1].map(|index| streams.count(index)),
        [1, 1],
        "the old one is closed"
    );
}

#[test]
fn what_is_removed_or_closed_takes_its_connections_along() {
    let mut streams = usual();
    assert!(streams.connect());
    let now = streams.now;
    streams.agents[1].remove_local(now, Streams::address(1));
    streams.run(Duration::from_millis(50));
    assert_eq!([0, 1].map(|index| streams.count(index)), [0, 0]);
    assert_eq!(streams.agents[0].state(), State::Failed);

    let mut streams = usual();
    assert!(streams.connect());
    assert!(streams.accept(1, "203.0.113.2:9").is_some(), "a stranger");
    let now = streams.now;
    streams.agents[1].close(now);
    streams.run(Duration::from_millis(50));
    assert_eq!([0, 1].map(|index| streams.count(index)), [0, 0]);
}

// req: P-3, S-82
#[test]
fn connections_are_opened_at_the_pace_of_checks_and_within_their_number() {
    let [mut controlling, controlled] = configs();
    controlling.limits.remote_per_ip = 64;
    controlling.limits.connections = 3;
    let mut streams = Streams::new([controlling, controlled], ACTIVE_PASSIVE);
    streams.listeners = Listeners::Swallow;
    let description = streams.agents[1].description();
    let now = streams.now;
    let agent = &mut streams.agents[0];
    agent.set_remote(now, &description).expect("a description");
    for number in 1..30 {
        let line = format!(
            "x{number} 1 tcp 1 198.51.100.2 {} typ host tcptype passive",
            4000 + number
        );
        agent
            .add_remote(now, candidate(&line))
            .expect("a candidate");
    }
    let mut at = Vec::new();
    for _ in 0..100 {
        let before = asked(&streams.events[0]);
        streams.run(Duration::from_millis(1));
        at.extend((asked(&streams.events[0]) > before).then_some(streams.now));
    }
    assert_eq!(asked(&streams.events[0]), 3);
    let gaps = at.windows(2).map(|two| two[1].saturating_since(two[0]));
    assert!(gaps.into_iter().all(|gap| gap >= Duration::from_millis(19)));
    streams.run(Duration::from_secs(25));
    assert_eq!(asked(&streams.events[0]), 9, "three every ten seconds");
    // An address that never answers has its share of attempts, as of datagrams.
    streams.run(Duration::from_secs(200));
    assert!(asked(&streams.events[0]) <= 20);
}
