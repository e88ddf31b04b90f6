//! The agent of the crate `rtc-ice`.

use super::Epoch;
use bytes::BytesMut;
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::Instant;
use rtc_ice::agent::agent_config::AgentConfig;
use rtc_ice::candidate::candidate_host::CandidateHostConfig;
use rtc_ice::candidate::candidate_server_reflexive::CandidateServerReflexiveConfig;
use rtc_ice::candidate::{CandidateConfig, unmarshal_candidate};
use rtc_ice::{Agent, Event};
use rtc_shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use sansio::Protocol;
use std::sync::Arc;

pub(super) struct Rtc {
    agent: Agent,
    epoch: Epoch,
    controlling: bool,
    path: Option<(SocketAddr, SocketAddr)>,
}

impl Rtc {
    fn take_events(&mut self) {
        while let Some(event) = self.agent.poll_event() {
            if let Event::SelectedCandidatePairChange(local, remote) = event.event {
                self.path = Some((local.base_addr(), remote.addr()));
            }
        }
    }
}

impl super::Agent for Rtc {
    fn new(_: u64, controlling: bool) -> Self {
        let epoch = Epoch::new();
        let provider = rtc_crypto::default_provider().expect("a provider");
        let config = Arc::new(AgentConfig {
            is_controlling: controlling,
            ..AgentConfig::default()
        });
        let agent = Agent::new(epoch.std_at(Instant::ZERO), config, provider);
        Self {
            agent: agent.expect("an agent"),
            epoch,
            controlling,
            path: None,
        }
    }

    fn credentials(&self) -> (String, String) {
        let credentials = self.agent.get_local_credentials();
        (credentials.ufrag.clone(), credentials.pwd.clone())
    }

    fn add_local(&mut self, _: Instant, address: SocketAddr, base: SocketAddr) -> Option<String> {
        let base_config = CandidateConfig {
            network: "udp".to_owned(),
            address: address.ip().to_string(),
            port: address.port(),
            component: 1,
            ..CandidateConfig::default()
        };
        let candidate = if address == base {
            CandidateHostConfig {
                base_config,
                ..CandidateHostConfig::default()
            }
            .new_candidate_host()
        } else {
            CandidateServerReflexiveConfig {
                base_config,
                rel_addr: base.ip().to_string(),
                rel_port: base.port(),
                ..CandidateServerReflexiveConfig::default()
            }
            .new_candidate_server_reflexive()
        };
        let candidate = candidate.expect("an address");
        let told = candidate.marshal();
        self.agent
            .add_local_candidate(candidate)
            .expect("a candidate");
        Some(told)
    }

    fn end_local(&mut self, _: Instant) {}

    fn set_remote(&mut self, now: Instant, fragment: &str, password: &str) {
        let now = self.epoch.std_at(now);
        let (fragment, password) = (fragment.to_owned(), password.to_owned());
        let started =
            self.agent
                .start_connectivity_checks(now, self.controlling, fragment, password);
        started.expect("credentials");
    }

    fn add_remote(&mut self, _: Instant, candidate: &str) {
        let candidate = unmarshal_candidate(candidate).expect("a candidate");
        let _ = self.agent.add_remote_candidate(candidate);
    }

    fn end_remote(&mut self, _: Instant) {}

    fn receive(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, data: &[u8]) {
        let _ = self.agent.handle_read(TaggedBytesMut {
            now: self.epoch.std_at(now),
            transport: TransportContext {
                local_addr: local,
                peer_addr: from,
                transport_protocol: TransportProtocol::UDP,
                ecn: None,
            },
            message: BytesMut::from(data),
        });
        self.take_events();
    }

    fn wake(&mut self, now: Instant) {
        let _ = self.agent.handle_timeout(self.epoch.std_at(now));
        self.take_events();
    }

    fn transmit(
        &mut self,
        _: Instant,
        buffer: &mut [u8],
    ) -> Option<(SocketAddr, SocketAddr, usize)> {
        let message = self.agent.poll_write()?;
        let at = message.transport;
        let length = super::fill(buffer, &message.message);
        Some((at.local_addr, at.peer_addr, length))
    }

    fn deadline(&mut self, now: Instant) -> Option<Instant> {
        // It names a moment in the past when it wants to be called soon, and may do so again after the call.
        let at = self.agent.poll_timeout()?;
        Some(self.epoch.world_at(at).max(now + Duration::from_millis(1)))
    }

    fn path(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.path
    }
}
