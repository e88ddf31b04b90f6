//! What agents hold, counted in the allocator: a server has one for each player.

use core::net::SocketAddr;
use core::time::Duration;
use ice_lite::{Agent, AgentSet, Config, LocalCandidate, Role, SetConfig, State};
use peak_alloc::PeakAlloc;
use proto_core::Instant;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const START: Instant = Instant::from_millis(1000);
/// After a connection, until what is no longer needed is gone.
const REST: Duration = Duration::from_secs(10);

fn agent(role: Role) -> Agent {
    Agent::new(Config::new([role as u8; 32], role)).expect("a configuration")
}

fn gather(agents: &mut [Agent; 2], candidates: u8) {
    for (side, agent) in (0..).zip(agents) {
        for last in 1..=candidates {
            let address = SocketAddr::from(([10, 0, side, last], 5000));
            let added = agent.add_local(START, LocalCandidate::host(address));
            added.expect("it is good");
        }
        agent.end_of_local_candidates(START);
    }
}

/// Lets two agents connect that have nothing between them, and rest.
fn connect(agents: &mut [Agent; 2]) {
    let descriptions = agents.each_ref().map(Agent::description);
    for (agent, description) in agents.iter_mut().zip(descriptions.iter().rev()) {
        agent.set_remote(START, description).expect("a peer");
    }
    drop(descriptions);
    let mut now = START;
    let mut buffer = [0; Agent::BUFFER];
    while now < START + REST {
        while (0..2).any(|side| deliver(agents, side, now, &mut buffer)) {}
        let deadline = agents.iter().filter_map(Agent::poll_timeout).min();
        now = deadline.map_or(START + REST, |at| at.max(now + Duration::from_millis(1)));
        for agent in &mut *agents {
            agent.handle_timeout(now);
            while agent.poll_event().is_some() {}
        }
    }
    for agent in agents {
        assert_eq!(agent.state(), State::Completed, "{}", agent.why());
    }
}

/// One datagram from one side to the other, if there is one.
fn deliver(agents: &mut [Agent; 2], side: usize, now: Instant, buffer: &mut [u8]) -> bool {
    let Some(transmit) = agents[side].poll_transmit(now, buffer) else {
        return false;
    };
    let source = transmit.source.expect("a base");
    let data = &buffer[transmit.bytes];
    let _ = agents[1 - side].handle_datagram(now, transmit.destination, source, data);
    true
}

/// Bytes of an agent when it is made, with its candidates, and connected.
fn life(candidates: u8) -> [usize; 3] {
    let before = ALLOCATOR.current_usage();
    let each = || (ALLOCATOR.current_usage() - before) / 2 + size_of::<Agent>();
    let mut agents = [Role::Controlling, Role::Controlled].map(agent);
    let idle = each();
    gather(&mut agents, candidates);
    let gathered = each();
    connect(&mut agents);
    [idle, gathered, each()]
}

/// Bytes that a set of 50 agents holds whose timelines are so long.
fn set(timeline: usize) -> usize {
    let before = ALLOCATOR.current_usage();
    let mut set = AgentSet::new(SetConfig::default());
    for number in 0..50 {
        let mut config = Config::new([number; 32], Role::Controlled);
        config.limits.timeline = timeline;
        let agent = Agent::new(config).expect("a configuration");
        set.insert(START, agent).expect("room");
    }
    ALLOCATOR.current_usage() - before
}

/// The middle of several: the test program itself may allocate meanwhile.
fn median<T: Ord + Copy>(measure: impl Fn() -> T) -> T {
    let mut all = [(); 9].map(|()| measure());
    all.sort_unstable();
    all[all.len() / 2]
}

// The figures of docs/benchmarks.md with a little to spare: whoever makes agents larger finds it out here. It is one test,
// for the allocator counts for the whole program.
#[test]
fn agents_hold_less_than_a_kilobyte_until_they_search_and_few_when_they_have_found() {
    for (candidates, most) in [
        (1, [850, 1050, 2900]),
        (4, [850, 1600, 4600]),
        (8, [850, 2300, 8400]),
    ] {
        let bytes = median(|| life(candidates));
        let fits = bytes.iter().zip(most).all(|(&bytes, most)| bytes <= most);
        assert!(fits, "{candidates} candidates: {bytes:?}, at most {most:?}");
    }
    // A set has one copy of times and limits that are not the usual ones.
    let (usual, own) = (median(|| set(256)), median(|| set(255)));
    assert!(usual < own && own < usual + 4000, "{usual} {own}");
}
