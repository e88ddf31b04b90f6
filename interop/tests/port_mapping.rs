//! Ports that a real gateway opens: miniupnpd on a NAT box of the kernel.
//!
//! The tests make network namespaces of their own and remove them. Where a machine does not allow that they are skipped aloud.

use ice_lite::{
    Agent, CandidateKind, Config, GatherConfig, GatherEvent, Gatherer, LocalCandidate, MappedBy,
    MapperEvent, Role, State,
};
use interop::gateway::{Home, Player, Speaks};
use std::net::UdpSocket;
use std::time::Duration;

const HOURS: Duration = Duration::from_secs(7200);
/// The shortest that a mapper asks for.
const SHORT: Duration = Duration::from_secs(30);

/// A mapping by `by` is made, is reached from outside, and is taken back.
fn opens_and_closes(speaks: Speaks, by: MappedBy) {
    let Some(home) = Home::new(speaks) else {
        return;
    };
    let mut player = Player::new(&home, HOURS);
    let inner = player.socket.local_addr().expect("it is bound");
    let wished = (Home::EXTERNAL, inner.port()).into();
    assert!(!home.reaches(wished, &player.socket), "closed at first");
    let external = player.mapped();
    assert_eq!(external, wished, "the inner port is free outside");
    let MapperEvent::Mapped {
        by: used, lease, ..
    } = player.events[0]
    else {
        panic!("{:?}", player.events);
    };
    assert_eq!((used, player.events.len()), (by, 1));
    assert!(lease.is_some(), "PCP and NAT-PMP grant no endless ones");
    assert!(home.reaches(external, &player.socket));
    let candidate = player.mapper.candidate().expect("a mapping");
    assert_eq!(candidate.base(), inner);
    player.mapper.stop(player.now());
    // Nothing says when the gateway has done so.
    player.until("end", |player| {
        player.step();
        !home.reaches(external, &player.socket)
    });
}

// req: I-7
#[test]
fn a_port_that_pcp_opens_is_reached_from_outside_until_it_is_given_back() {
    opens_and_closes(Speaks::All, MappedBy::Pcp);
}

// req: I-7
#[test]
fn a_gateway_that_answers_nat_pmp_alone_opens_a_port_and_closes_it() {
    opens_and_closes(Speaks::NatPmp, MappedBy::NatPmp);
}

#[test]
fn a_gateway_that_answers_neither_is_given_up() {
    let Some(home) = Home::new(Speaks::Upnp) else {
        return;
    };
    let mut player = Player::new(&home, HOURS);
    player.until("end", |player| !player.events.is_empty());
    assert_eq!(player.events, [MapperEvent::Failed]);
}

#[test]
fn a_lease_that_is_renewed_stays_and_one_that_is_not_ends() {
    let Some(home) = Home::new(Speaks::All) else {
        return;
    };
    let mut stays = Player::new(&home, SHORT);
    let mut leaves = Player::new(&home, SHORT);
    let [kept, lost] = [&mut stays, &mut leaves].map(Player::mapped);
    assert_ne!(kept, lost);
    assert!(home.reaches(kept, &stays.socket) && home.reaches(lost, &leaves.socket));
    stays.run(SHORT);
    // The gateway looks for leases that have ended now and then.
    stays.until("end of the other lease", |stays| {
        stays.run(Duration::from_millis(500));
        !home.reaches(lost, &leaves.socket)
    });
    assert!(home.reaches(kept, &stays.socket), "renewed");
    assert_eq!(stays.events.len(), 1, "told once: {:?}", stays.events);
    leaves.step();
    assert_eq!(leaves.events.last(), Some(&MapperEvent::Lost));
}

#[test]
fn a_gateway_that_restarts_tells_so_and_opens_the_port_again() {
    let Some(mut home) = Home::new(Speaks::All) else {
        return;
    };
    let mut player = Player::new(&home, HOURS);
    let external = player.mapped();
    assert!(home.reaches(external, &player.socket));
    // So that its count goes back by more than clocks may differ.
    player.run(Duration::from_secs(5));
    let before = player.announcements;
    home.restart();
    assert!(
        !home.reaches(external, &player.socket),
        "it has forgotten, and the player, who is not run, has asked for nothing"
    );
    // The lease would be renewed after an hour.
    player.until("way in", |player| {
        player.run(Duration::from_millis(500));
        home.reaches(external, &player.socket)
    });
    assert!(player.announcements > before);
    assert_eq!(player.mapped(), external);
}

/// One step of an agent on a socket.
fn step(agent: &mut Agent, now: proto_core::Instant, socket: &UdpSocket) {
    let mut buffer = [0; Agent::BUFFER];
    agent.handle_timeout(now);
    while let Some(transmit) = agent.poll_transmit(now, &mut buffer) {
        // What the network refuses is lost.
        let _ = socket.send_to(&buffer[transmit.bytes], transmit.destination);
    }
    let wait = Some(Duration::from_millis(5));
    socket.set_read_timeout(wait).expect("not zero");
    let local = socket.local_addr().expect("it is bound");
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        let _ = agent.handle_datagram(now, local, from, &buffer[..length]);
    }
}

/// What the player at home gathers: its socket, and the mapped port if it is to ask for one.
fn gather(player: &mut Player, agent: &mut Agent, asks: bool) {
    let base = player.socket.local_addr().expect("it is bound");
    let config = GatherConfig::new([1; 32], vec![base], Vec::new());
    let mut gatherer = Gatherer::new(player.now(), config).expect("good settings");
    if asks {
        let source = gatherer.expect(player.now(), Duration::from_secs(20));
        player.mapped();
        let candidate = player.mapper.candidate().expect("a mapping");
        gatherer.provide(player.now(), candidate);
        gatherer.provided(player.now(), source.expect("it has just begun"));
    }
    while let Some(event) = gatherer.poll_event() {
        match event {
            GatherEvent::Candidate(candidate) => {
                agent.add_local(player.now(), candidate).expect("a new one");
            }
            GatherEvent::Done => agent.end_of_local_candidates(player.now()),
            other => panic!("{other:?}"),
        }
    }
}

/// The agents of a player behind the gateway, a symmetric NAT, and of one whose firewall lets in answers alone, after they
/// have connected or some seconds have passed.
fn meet(home: &Home, asks: bool) -> [Agent; 2] {
    let mut player = Player::new(home, HOURS);
    let friend = home.outside(|| UdpSocket::bind((Home::OUTSIDE, 0)).expect("a socket"));
    let mut agents = [(2, Role::Controlling), (3, Role::Controlled)]
        .map(|(seed, role)| Agent::new(Config::new([seed; 32], role)).expect("good settings"));
    gather(&mut player, &mut agents[0], asks);
    let address = friend.local_addr().expect("it is bound");
    let host = LocalCandidate::host(address);
    agents[1].add_local(player.now(), host).expect("a new one");
    agents[1].end_of_local_candidates(player.now());
    let descriptions = agents.each_ref().map(Agent::description);
    for (agent, description) in agents.iter_mut().zip(descriptions.iter().rev()) {
        agent.set_remote(player.now(), description).expect("good");
    }
    let seconds = if asks { 30 } else { 6 };
    let end = player.now() + Duration::from_secs(seconds);
    let connected = |agents: &[Agent; 2]| {
        let mut states = agents.iter().map(Agent::state);
        states.all(|state| state == State::Completed)
    };
    while player.now() < end && !connected(&agents) {
        step(&mut agents[0], player.now(), &player.socket);
        step(&mut agents[1], player.now(), &friend);
    }
    agents
}

// req: I-7
#[test]
fn a_mapped_port_lets_players_connect_whom_a_symmetric_nat_keeps_apart() {
    let Some(home) = Home::new(Speaks::All) else {
        return;
    };
    let [ours, theirs] = meet(&home, true);
    assert_eq!(ours.state(), State::Completed, "{}", ours.timeline());
    let path = theirs.path().expect("both say so");
    assert_eq!(path.remote.ip(), Home::EXTERNAL);
    assert_eq!(path.remote_kind, CandidateKind::ServerReflexive);
    for agent in meet(&home, false) {
        assert_ne!(agent.state(), State::Completed, "{}", agent.why());
    }
}
