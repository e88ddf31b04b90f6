//! The scenario of `ice-lite`.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use ice_lite::{Agent, Config, LocalCandidate, Role, State};
use proto_core::Instant;

/// Two agents in memory, told about each other, choose a path.
pub(crate) fn connect() -> Result<(), &'static str> {
    let addresses = [1, 2].map(|last| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 7777)));
    let mut now = Instant::from_millis(1000);
    let mut agents = [agent(1, Role::Controlling)?, agent(2, Role::Controlled)?];
    for (agent, address) in agents.iter_mut().zip(addresses) {
        let added = agent.add_local(now, LocalCandidate::host(address));
        added.map_err(|_| "a candidate was refused")?;
    }
    let descriptions = agents.each_ref().map(Agent::description);
    for (agent, description) in agents.iter_mut().zip(descriptions.iter().rev()) {
        let known = agent.set_remote(now, description);
        known.map_err(|_| "a description was refused")?;
    }
    for _ in 0..100 {
        let mut buffer = [0; Agent::BUFFER];
        for (from, to) in [(0, 1), (1, 0)] {
            agents[from].handle_timeout(now);
            while let Some(transmit) = agents[from].poll_transmit(now, &mut buffer) {
                let bytes = &buffer[transmit.bytes];
                let _ = agents[to].handle_datagram(now, addresses[to], addresses[from], bytes);
            }
        }
        if agents.iter().all(|agent| agent.state() == State::Completed) {
            return Ok(());
        }
        now = now + Duration::from_millis(10);
    }
    Err("no path was chosen")
}

fn agent(seed: u8, role: Role) -> Result<Agent, &'static str> {
    Agent::new(Config::new([seed; 32], role)).map_err(|_| "the configuration was refused")
}
