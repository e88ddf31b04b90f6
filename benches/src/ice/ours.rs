//! The agent of `gdwire-ice-lite`.

use super::socket::{Socket, SocketWork, here};
use core::net::SocketAddr;
use ice_lite::{
    Agent, AgentSet, Config, Credentials, Description, LocalCandidate, Role, SetConfig,
};
use proto_core::{Handled, Instant};

pub(super) struct Ours(Agent);

impl Ours {
    /// An agent that answers so many checks as come: where time stands still its limits would be reached.
    pub(super) fn unlimited(seed: u64, controlling: bool) -> Self {
        let mut config = config(seed, controlling);
        config.limits.answers = u32::MAX;
        config.limits.answers_per_source = u32::MAX;
        Self(Agent::new(config).expect("a configuration"))
    }
}

fn config(seed: u64, controlling: bool) -> Config {
    let mut bytes = [u8::from(controlling); 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let role = if controlling {
        Role::Controlling
    } else {
        Role::Controlled
    };
    Config::new(bytes, role)
}

/// Agents that share a socket.
pub(super) struct Set(AgentSet);

impl Set {
    pub(super) fn new(agents: Vec<Ours>, now: Instant) -> Self {
        let mut set = AgentSet::new(SetConfig::default());
        for Ours(agent) in agents {
            set.insert(now, agent).expect("room");
        }
        let mut buffer = [0; AgentSet::BUFFER];
        while set.poll_transmit(now, &mut buffer).is_some() {}
        while set.poll_event().is_some() {}
        Self(set)
    }
}

impl Socket for Set {
    fn take(&mut self, now: Instant, from: SocketAddr, datagram: &[u8], work: SocketWork) -> bool {
        let (agent, handled) = self.0.handle_datagram(now, here(), from, datagram);
        if work == SocketWork::Data {
            return agent.is_some() && matches!(handled, Handled::Inner { .. });
        }
        let mut buffer = [0; AgentSet::BUFFER];
        let mut answers = 0;
        while let Some((by, transmit)) = self.0.poll_transmit(now, &mut buffer) {
            answers += usize::from(Some(by) == agent && transmit.destination == from);
        }
        answers == 1
    }
}

impl super::Agent for Ours {
    fn new(seed: u64, controlling: bool) -> Self {
        Self(Agent::new(config(seed, controlling)).expect("a configuration"))
    }

    fn credentials(&self) -> (String, String) {
        let credentials = self.0.description().credentials;
        let (fragment, password) = (credentials.ufrag(), credentials.password());
        (fragment.to_owned(), password.to_owned())
    }

    fn add_local(&mut self, now: Instant, address: SocketAddr, base: SocketAddr) -> Option<String> {
        let candidate = if address == base {
            LocalCandidate::host(address)
        } else {
            LocalCandidate::server_reflexive(address, base, super::world::stun_server().ip())
        };
        let told = self.0.add_local(now, candidate).ok()?.to_string();
        Some(
            told.trim_start_matches("a=")
                .trim_start_matches("candidate:")
                .to_owned(),
        )
    }

    fn end_local(&mut self, now: Instant) {
        self.0.end_of_local_candidates(now);
    }

    fn set_remote(&mut self, now: Instant, fragment: &str, password: &str) {
        let credentials = Credentials::new(fragment, password).expect("credentials");
        let mut description = Description::new(credentials);
        // The harness's signalling has no words for it: what this crate proposes by default.
        description.pacing = self.0.description().pacing;
        let known = self.0.set_remote(now, &description);
        known.expect("a description");
    }

    fn add_remote(&mut self, now: Instant, candidate: &str) {
        let candidate = format!("candidate:{candidate}")
            .parse()
            .expect("a candidate");
        let _ = self.0.add_remote(now, candidate);
    }

    fn end_remote(&mut self, now: Instant) {
        self.0.end_of_remote_candidates(now);
    }

    fn receive(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, data: &[u8]) {
        let _ = self.0.handle_datagram(now, local, from, data);
    }

    fn hands_on(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, data: &[u8]) -> bool {
        let handled = self.0.handle_datagram(now, local, from, data);
        matches!(handled, Handled::Inner { .. })
    }

    fn wake(&mut self, now: Instant) {
        self.0.handle_timeout(now);
        while self.0.poll_event().is_some() {}
    }

    fn transmit(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<(SocketAddr, SocketAddr, usize)> {
        let transmit = self.0.poll_transmit(now, buffer)?;
        // It writes to the beginning of the buffer.
        Some((transmit.source?, transmit.destination, transmit.bytes.end))
    }

    fn deadline(&mut self, _: Instant) -> Option<Instant> {
        self.0.poll_timeout()
    }

    fn path(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.0.path().map(|path| (path.base, path.remote))
    }
}
