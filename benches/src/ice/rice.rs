//! The agent of the crate `rice-proto`.

use core::net::SocketAddr;
use core::time::Duration;
use proto_core::Instant;
use rice_proto::agent::{Agent, AgentPoll};
use rice_proto::candidate::{Candidate, CandidateType, TransportType};
use rice_proto::stream::Credentials;
use rice_stun::agent::Transmit;

pub(super) struct Rice {
    agent: Agent,
    stream: usize,
    component: usize,
    credentials: (String, String),
    deadline: Option<Instant>,
    path: Option<(SocketAddr, SocketAddr)>,
}

fn their(now: Instant) -> rice_stun::Instant {
    rice_stun::Instant::ZERO + now.saturating_since(Instant::ZERO)
}

fn ours(at: rice_stun::Instant) -> Instant {
    Instant::ZERO + at.duration_since(rice_stun::Instant::ZERO)
}

impl Rice {
    fn poll(&mut self, now: Instant) {
        for _ in 0..1000 {
            match self.agent.poll(their(now)) {
                AgentPoll::WaitUntil(at) => {
                    // It may ask for a moment that has passed: then nothing more is to be done in this one.
                    self.deadline = Some(ours(at).max(now + Duration::from_millis(1)));
                    return;
                }
                AgentPoll::Closed => {
                    self.deadline = None;
                    return;
                }
                AgentPoll::SelectedPair(selected) => {
                    let pair = selected.selected.candidate_pair();
                    self.path = Some((pair.local.base_address, pair.remote.address));
                }
                _ => {}
            }
        }
    }
}

impl super::Agent for Rice {
    fn new(seed: u64, controlling: bool) -> Self {
        let builder = Agent::builder().trickle_ice(true).controlling(controlling);
        let mut agent = builder.build();
        let stream = agent.add_stream();
        let credentials = (
            format!("rice{seed:08x}{}", u8::from(controlling)),
            format!("password-of-rice-{seed:016x}"),
        );
        let mut state = agent.mut_stream(stream).expect("a stream");
        let component = state.add_component().expect("a component");
        state.set_local_credentials(Credentials::new(
            credentials.0.clone(),
            credentials.1.clone(),
        ));
        Self {
            agent,
            stream,
            component,
            credentials,
            deadline: None,
            path: None,
        }
    }

    fn credentials(&self) -> (String, String) {
        self.credentials.clone()
    }

    fn add_local(&mut self, now: Instant, address: SocketAddr, base: SocketAddr) -> Option<String> {
        let (kind, foundation, preference) = if address == base {
            (CandidateType::Host, "1", 126)
        } else {
            (CandidateType::ServerReflexive, "2", 100)
        };
        let mut builder = Candidate::builder(
            self.component,
            kind,
            TransportType::Udp,
            foundation,
            address,
        )
        .base_address(base)
        .priority((preference << 24) | (65_535 << 8) | 255);
        if address != base {
            builder = builder.related_address(base);
        }
        let candidate = builder.build();
        let told = candidate.to_sdp_string();
        let mut stream = self.agent.mut_stream(self.stream).expect("a stream");
        stream.add_local_candidate(candidate);
        self.poll(now);
        Some(
            told.trim_start_matches("a=")
                .trim_start_matches("candidate:")
                .to_owned(),
        )
    }

    fn end_local(&mut self, now: Instant) {
        let mut stream = self.agent.mut_stream(self.stream).expect("a stream");
        stream.end_of_local_candidates();
        self.poll(now);
    }

    fn set_remote(&mut self, now: Instant, fragment: &str, password: &str) {
        let mut stream = self.agent.mut_stream(self.stream).expect("a stream");
        stream.set_remote_credentials(Credentials::new(fragment.into(), password.into()));
        self.poll(now);
    }

    fn add_remote(&mut self, now: Instant, candidate: &str) {
        let candidate = format!("a=candidate:{candidate}")
            .parse()
            .expect("a candidate");
        let mut stream = self.agent.mut_stream(self.stream).expect("a stream");
        stream.add_remote_candidate(candidate);
        self.poll(now);
    }

    fn end_remote(&mut self, now: Instant) {
        let mut stream = self.agent.mut_stream(self.stream).expect("a stream");
        stream.end_of_remote_candidates();
        self.poll(now);
    }

    fn receive(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, data: &[u8]) {
        let transmit = Transmit::new(data, TransportType::Udp, from, local);
        let mut stream = self.agent.mut_stream(self.stream).expect("a stream");
        let _ = stream.handle_incoming_data(self.component, transmit, their(now));
        self.poll(now);
    }

    fn wake(&mut self, now: Instant) {
        self.poll(now);
    }

    fn transmit(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<(SocketAddr, SocketAddr, usize)> {
        let transmit = self.agent.poll_transmit(their(now))?.transmit;
        let length = super::fill(buffer, &transmit.data);
        Some((transmit.from, transmit.to, length))
    }

    fn deadline(&mut self, now: Instant) -> Option<Instant> {
        self.poll(now);
        self.deadline
    }

    fn path(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.path
    }
}
