use super::*;
use crate::{Config, Credentials, LocalCandidate, Role, State};
use alloc::borrow::ToOwned;
use alloc::collections::VecDeque;
use core::time::Duration;
use proto_core::SeedRng;

const MILLISECOND: Duration = Duration::from_millis(1);

fn server() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4000))
}

fn client_at(number: u16) -> SocketAddr {
    let [high, low] = number.to_be_bytes();
    SocketAddr::from(([203, 0, high, low], 5000))
}

fn seed(number: u16, side: u8) -> [u8; 32] {
    let mut seed = [side; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    seed
}

/// Clients of their own, and one set that serves them all on one socket, without a network between them.
struct Hall {
    set: AgentSet,
    ids: Vec<AgentId>,
    clients: Vec<Agent>,
    now: Instant,
}

impl Hall {
    fn new(count: u16, pacer: Option<Pacer>, config: impl Fn([u8; 32]) -> Config) -> Self {
        let now = Instant::from_millis(1);
        let mut hall = Self {
            set: AgentSet::new(SetConfig {
                pacer,
                ..SetConfig::default()
            }),
            ids: Vec::new(),
            clients: Vec::new(),
            now,
        };
        for number in 0..count {
            let mut served = Agent::new(config(seed(number, 1))).expect("a configuration");
            served
                .add_local(now, LocalCandidate::host(server()))
                .expect("a candidate");
            let id = hall.set.insert(now, served).expect("room");
            let mut client = Agent::new(Config::new(seed(number, 2), Role::Controlling))
                .expect("a configuration");
            client
                .add_local(now, LocalCandidate::host(client_at(number)))
                .expect("a candidate");
            let description = client.description();
            let answer = hall
                .set
                .with(id, |agent| {
                    agent.set_remote(now, &description).expect("a description");
                    agent.description()
                })
                .expect("there");
            client.set_remote(now, &answer).expect("a description");
            hall.ids.push(id);
            hall.clients.push(client);
        }
        hall
    }

    /// Delivers all that is sent at this moment; how many datagrams the set sent.
    fn exchange(&mut self) -> usize {
        let mut buffer = [0; AgentSet::BUFFER];
        let mut count = 0;
        let mut queue: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)> = VecDeque::new();
        loop {
            self.set.handle_timeout(self.now);
            while let Some((_, transmit)) = self.set.poll_transmit(self.now, &mut buffer) {
                count += 1;
                queue.push_back((
                    server(),
                    transmit.destination,
                    buffer[transmit.bytes].to_vec(),
                ));
            }
            for (number, client) in (0_u16..).zip(&mut self.clients) {
                client.handle_timeout(self.now);
                while let Some(transmit) = client.poll_transmit(self.now, &mut buffer) {
                    let bytes = buffer[transmit.bytes].to_vec();
                    queue.push_back((client_at(number), transmit.destination, bytes));
                }
            }
            if queue.is_empty() {
                return count;
            }
            for (from, to, bytes) in queue.drain(..) {
                if to == server() {
                    let (_, handled) = self.set.handle_datagram(self.now, to, from, &bytes);
                    assert!(handled.is_consumed(), "{handled:?}");
                } else if let Some(number) = (0_u16..)
                    .zip(&self.clients)
                    .map(|(number, _)| number)
                    .find(|&number| client_at(number) == to)
                {
                    let client = &mut self.clients[usize::from(number)];
                    let handled = client.handle_datagram(self.now, to, from, &bytes);
                    assert!(handled.is_consumed(), "{handled:?}");
                }
            }
        }
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.exchange();
            self.now = self.now + 10 * MILLISECOND;
        }
    }

    fn completed(&self) -> usize {
        let done = |agent: &Agent| agent.state() == State::Completed;
        let served = self.ids.iter().filter_map(|&id| self.set.agent(id));
        served
            .zip(&self.clients)
            .filter(|(served, client)| done(served) && done(client))
            .count()
    }
}

// req: I-75
#[test]
fn each_datagram_on_the_one_socket_reaches_the_agent_that_it_is_for() {
    for config in [Config::lite as fn([u8; 32]) -> Config, |seed| {
        Config::new(seed, Role::Controlled)
    }] {
        let mut hall = Hall::new(100, None, config);
        hall.run(Duration::from_secs(1));
        assert_eq!(hall.completed(), 100);
        for (number, &id) in (0_u16..).zip(&hall.ids) {
            let data = number.to_be_bytes();
            let from = client_at(number);
            let (found, handled) = hall.set.handle_datagram(hall.now, server(), from, &data);
            assert_eq!(found, Some(id));
            assert_eq!(handled, Handled::Inner { from, bytes: 0..2 });
        }
        let told: BTreeSet<AgentId> = core::iter::from_fn(|| hall.set.poll_event())
            .filter(|(_, event)| *event == Event::State(State::Completed))
            .map(|(id, _)| id)
            .collect();
        assert_eq!(told.len(), 100);
    }
}

// req: I-24
#[test]
fn agents_with_one_pacer_share_it_in_turns() {
    let pacer = Pacer::new(50 * MILLISECOND);
    let mut hall = Hall::new(10, Some(pacer), |seed| Config::new(seed, Role::Controlled));
    hall.clients.clear();
    let mut buffer = [0; AgentSet::BUFFER];
    let mut turns = Vec::new();
    let end = hall.now + 490 * MILLISECOND;
    while hall.now < end {
        hall.set.handle_timeout(hall.now);
        while let Some((id, _)) = hall.set.poll_transmit(hall.now, &mut buffer) {
            turns.push(id);
        }
        hall.now = hall.now + MILLISECOND;
    }
    turns.dedup();
    assert_eq!(
        turns, hall.ids,
        "one check each before anybody has a second"
    );
}

// req: I-75
#[test]
fn what_nobody_authenticates_finds_nobody_and_leaves_nothing() {
    let mut hall = Hall::new(3, None, Config::lite);
    hall.run(Duration::from_secs(1));
    let remotes = hall.set.by_remote.len();
    let stranger = SocketAddr::from(([198, 51, 100, 9], 9));
    let mut rng = SeedRng::new([5; 32]);
    for _ in 0..1000 {
        let name = Credentials::random(&mut rng);
        let key = stun_proto::Key::short_term(name.password());
        let username = check::username(name.ufrag(), "peer");
        let request = check::Request {
            id: check::TransactionId::random(&mut rng),
            username: &username,
            priority: 1,
            role: Role::Controlling,
            tie_breaker: 1,
            nominates: true,
            nomination: None,
            takes_asymmetric: false,
            extra: &[],
        };
        let mut buffer = [0; 600];
        let length = request.write(&mut buffer, &key).expect("it fits");
        let (found, handled) =
            hall.set
                .handle_datagram(hall.now, server(), stranger, &buffer[..length]);
        assert_eq!(
            (found, handled),
            (None, Handled::Dropped(SetDrop::UnknownUfrag))
        );
    }
    let (found, handled) = hall
        .set
        .handle_datagram(hall.now, server(), stranger, b"data");
    assert_eq!(
        (found, handled),
        (None, Handled::Dropped(SetDrop::UnknownRemote))
    );
    let mut half = [0; 24];
    half[..8].copy_from_slice(&[0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42]);
    let (found, handled) = hall
        .set
        .handle_datagram(hall.now, server(), stranger, &half);
    assert_eq!(
        (found, handled),
        (None, Handled::Dropped(SetDrop::Malformed))
    );
    assert_eq!(hall.set.by_remote.len(), remotes);
    assert_eq!(hall.set.stats().unknown_ufrag, 1000);
    assert_eq!(hall.set.stats().unknown_remote, 1);
    assert_eq!(hall.set.stats().malformed, 1);
}

// req: I-75
#[test]
fn a_restart_keeps_the_old_name_and_the_old_path() {
    let mut hall = Hall::new(2, None, |seed| Config::new(seed, Role::Controlled));
    hall.run(Duration::from_secs(1));
    let (id, now) = (hall.ids[0], hall.now);
    let old = hall
        .set
        .agent(id)
        .map(|agent| agent.credentials().ufrag().to_owned());
    let offer = hall.clients[0].restart(now).expect("the first");
    let answer = hall.set.with(id, |agent| {
        agent.set_remote(now, &offer).expect("a restart");
        agent.description()
    });
    let answer = answer.expect("there");
    let names = |hall: &Hall| {
        hall.set
            .by_ufrag
            .iter()
            .filter(|&&(_, of)| of == id)
            .count()
    };
    assert_eq!(names(&hall), 2, "{old:?}");
    let (found, handled) = hall
        .set
        .handle_datagram(now, server(), client_at(0), b"data");
    assert_eq!(found, Some(id));
    assert!(matches!(handled, Handled::Inner { .. }));
    hall.clients[0]
        .set_remote(now, &answer)
        .expect("the answer");
    hall.run(Duration::from_secs(15));
    assert_eq!(hall.completed(), 2);
    assert_eq!(names(&hall), 1);
}

// req: I-75
#[test]
fn the_table_is_bounded_and_a_removed_agent_leaves_no_trace() {
    let mut hall = Hall::new(5, None, Config::lite);
    hall.run(Duration::from_secs(1));
    hall.set.config.agents = 5;
    let now = hall.now;
    let more = Agent::new(Config::lite([99; 32])).expect("a configuration");
    assert_eq!(hall.set.insert(now, more), Err(InsertError::Full));
    hall.set.config.agents = 6;
    let twin = Agent::new(Config::lite(seed(0, 1))).expect("a configuration");
    assert_eq!(hall.set.insert(now, twin), Err(InsertError::UfragTaken));
    for id in hall.ids.clone() {
        assert!(hall.set.remove(id).is_some());
        assert!(hall.set.remove(id).is_none());
    }
    let set = &hall.set;
    assert!(set.is_empty() && set.by_ufrag.is_empty() && set.by_remote.is_empty());
    assert!(set.timers.is_empty() && set.ready.is_empty());
    assert_eq!(set.poll_timeout(), None);
}

// req: I-75
#[test]
fn ten_thousand_lite_sessions_share_one_socket() {
    let mut hall = Hall::new(10_000, None, Config::lite);
    let now = hall.now;
    let mut buffer = [0; AgentSet::BUFFER];
    for (number, &id) in (0_u16..).zip(&hall.ids) {
        let served = hall.set.agent(id).expect("there").credentials().clone();
        let key = stun_proto::Key::short_term(served.password());
        let peer = &hall.clients[usize::from(number)];
        let username = check::username(served.ufrag(), peer.credentials().ufrag());
        let request = check::Request {
            id: check::TransactionId::new([7; 12]),
            username: &username,
            priority: 1,
            role: Role::Controlling,
            tie_breaker: 1,
            nominates: true,
            nomination: None,
            takes_asymmetric: false,
            extra: &[],
        };
        let length = request.write(&mut buffer, &key).expect("it fits");
        let bytes = buffer[..length].to_vec();
        let (found, handled) = hall
            .set
            .handle_datagram(now, server(), client_at(number), &bytes);
        assert_eq!((found, handled), (Some(id), Handled::Consumed));
        let (sender, transmit) = hall.set.poll_transmit(now, &mut buffer).expect("an answer");
        assert_eq!((sender, transmit.destination), (id, client_at(number)));
    }
    let done = hall.ids.iter().filter_map(|&id| hall.set.agent(id));
    assert!(done.clone().all(|agent| agent.state() == State::Completed));
    assert_eq!(done.count(), 10_000);
}

/// A check that an agent of a set has sent to a peer of these.
type Asked = (AgentId, SocketAddr, Vec<u8>);

/// Two full agents of a set and their peers behind one box, and the first check of each.
fn behind_one_box(now: Instant) -> (AgentSet, [(SocketAddr, Agent); 2], Vec<Asked>) {
    let mut set = AgentSet::new(SetConfig::default());
    let peers = [0, 1].map(|number| {
        let mut agent = Agent::new(Config::new(seed(number, 1), Role::Controlling)).expect("good");
        agent
            .add_local(now, LocalCandidate::host(server()))
            .expect("a candidate");
        let id = set.insert(now, agent).expect("room");
        let told = SocketAddr::from(([203, 0, 113, 1], 5000 + number));
        let mut peer = Agent::new(Config::new(seed(number, 2), Role::Controlled)).expect("good");
        peer.add_local(now, LocalCandidate::host(told))
            .expect("a candidate");
        let description = peer.description();
        let answer = set.with(id, |agent| {
            agent.set_remote(now, &description).expect("a description");
            agent.description()
        });
        peer.set_remote(now, &answer.expect("there"))
            .expect("a description");
        (told, peer)
    });
    let mut buffer = [0; AgentSet::BUFFER];
    let mut asked = Vec::new();
    set.handle_timeout(now);
    while let Some((id, transmit)) = set.poll_transmit(now, &mut buffer) {
        asked.push((id, transmit.destination, buffer[transmit.bytes].to_vec()));
    }
    assert_eq!(asked.len(), 2);
    (set, peers, asked)
}

/// What a peer answers to a check.
fn answer_of(peer: &mut Agent, now: Instant, told: SocketAddr, check: &[u8]) -> Vec<u8> {
    let handled = peer.handle_datagram(now, told, server(), check);
    assert!(handled.is_consumed());
    let mut buffer = [0; AgentSet::BUFFER];
    let answer = peer.poll_transmit(now, &mut buffer).expect("an answer");
    buffer[answer.bytes].to_vec()
}

// req: I-75
#[test]
fn what_comes_from_another_port_of_a_peer_finds_the_agent_that_asked() {
    let now = Instant::from_millis(1);
    let (mut set, mut peers, asked) = behind_one_box(now);
    for (id, to, check) in asked {
        let (told, peer) = peers.iter_mut().find(|(told, _)| *told == to).expect("one");
        let answer = answer_of(peer, now, *told, &check);
        // The box's port for this server is not the one that was told.
        let from = SocketAddr::new(told.ip(), told.port() + 1000);
        let before = set.handle_datagram(now, server(), from, b"data");
        assert_eq!(before.0, None);
        let (found, handled) = set.handle_datagram(now, server(), from, &answer);
        assert_eq!((found, handled), (Some(id), Handled::Consumed));
        let (found, handled) = set.handle_datagram(now, server(), from, b"data");
        assert!(found == Some(id) && matches!(handled, Handled::Inner { .. }));
    }
}

// req: I-75, HG-5
#[test]
fn who_answers_from_the_address_of_another_does_not_get_its_data() {
    let now = Instant::from_millis(1);
    let (mut set, mut peers, asked) = behind_one_box(now);
    let victim = peers[0].0;
    let mut owner = None;
    for (id, to, check) in asked {
        let (told, peer) = peers.iter_mut().find(|(told, _)| *told == to).expect("one");
        if *told == victim {
            owner = Some(id);
        }
        let answer = answer_of(peer, now, *told, &check);
        let (found, handled) = set.handle_datagram(now, server(), victim, &answer);
        assert_eq!((found, handled), (Some(id), Handled::Consumed));
    }
    let (found, handled) = set.handle_datagram(now, server(), victim, b"data");
    assert!(found == owner && matches!(handled, Handled::Inner { .. }));
}
