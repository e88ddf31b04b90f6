//! The agent of the crate `is`.

use super::Epoch;
use super::socket::{Socket, SocketWork, answered, here};
use core::net::SocketAddr;
use is::stun::{StunMessage, StunPacket};
use is::{Candidate, IceAgent, IceAgentEvent, IceCreds, Protocol};
use proto_core::Instant;

pub(super) struct Is {
    agent: IceAgent,
    epoch: Epoch,
    path: Option<(SocketAddr, SocketAddr)>,
}

/// Agents that share a socket, found as `accepts_message` says: each is asked in turn.
pub(super) struct Accepting(Vec<Is>);

impl Accepting {
    pub(super) const fn new(agents: Vec<Is>, _: Instant) -> Self {
        Self(agents)
    }
}

impl Socket for Accepting {
    fn take(&mut self, now: Instant, from: SocketAddr, datagram: &[u8], _: SocketWork) -> bool {
        let Ok(message) = StunMessage::parse(datagram) else {
            return false;
        };
        let mut agents = self.0.iter_mut();
        let Some(is) = agents.find(|is| is.agent.accepts_message(&message)) else {
            return false;
        };
        is.handle(now, here(), from, message);
        answered(is, now, from)
    }
}

impl Is {
    fn handle(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        message: StunMessage<'_>,
    ) {
        let packet = StunPacket {
            proto: Protocol::Udp,
            source: from,
            destination: local,
            message,
        };
        self.agent.handle_packet(self.epoch.std_at(now), packet);
    }
}

impl super::Agent for Is {
    fn new(seed: u64, controlling: bool) -> Self {
        let mut agent = IceAgent::new(IceCreds::new());
        agent.set_controlling(controlling);
        agent.set_control_tie_breaker(seed * 2 + u64::from(controlling));
        Self {
            agent,
            epoch: Epoch::new(),
            path: None,
        }
    }

    fn credentials(&self) -> (String, String) {
        let credentials = self.agent.local_credentials();
        (credentials.ufrag.clone(), credentials.pass.clone())
    }

    fn add_local(&mut self, _: Instant, address: SocketAddr, base: SocketAddr) -> Option<String> {
        let candidate = if address == base {
            Candidate::host(address, Protocol::Udp)
        } else {
            Candidate::server_reflexive(address, base, Protocol::Udp)
        };
        let told = self
            .agent
            .add_local_candidate(candidate.expect("an address"))?;
        Some(
            told.to_sdp_string()
                .trim_start_matches("candidate:")
                .to_owned(),
        )
    }

    fn end_local(&mut self, _: Instant) {}

    fn set_remote(&mut self, _: Instant, fragment: &str, password: &str) {
        self.agent.set_remote_credentials(IceCreds {
            ufrag: fragment.to_owned(),
            pass: password.to_owned(),
        });
    }

    fn add_remote(&mut self, _: Instant, candidate: &str) {
        let candidate = Candidate::from_sdp_string(&format!("candidate:{candidate}"));
        self.agent
            .add_remote_candidate(candidate.expect("a candidate"));
    }

    fn end_remote(&mut self, _: Instant) {}

    fn receive(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, data: &[u8]) {
        if let Ok(message) = StunMessage::parse(data)
            && self.agent.accepts_message(&message)
        {
            self.handle(now, local, from, message);
        }
    }

    fn wake(&mut self, now: Instant) {
        self.agent.handle_timeout(self.epoch.std_at(now));
        while let Some(event) = self.agent.poll_event() {
            if let IceAgentEvent::NominatedSend {
                source,
                destination,
                ..
            } = event
            {
                self.path = Some((source, destination));
            }
        }
    }

    fn transmit(
        &mut self,
        _: Instant,
        buffer: &mut [u8],
    ) -> Option<(SocketAddr, SocketAddr, usize)> {
        let transmit = self.agent.poll_transmit()?;
        let length = super::fill(buffer, &transmit.contents);
        Some((transmit.source, transmit.destination, length))
    }

    fn deadline(&mut self, _: Instant) -> Option<Instant> {
        self.agent.poll_timeout().map(|at| self.epoch.world_at(at))
    }

    fn path(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.path
    }
}
