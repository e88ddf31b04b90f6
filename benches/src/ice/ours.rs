//! The agent of `gdwire-ice-lite`.

use core::net::SocketAddr;
use ice_lite::{Agent, Config, Credentials, Description, LocalCandidate, Role};
use proto_core::Instant;

pub(super) struct Ours(Agent);

impl Ours {
    pub(super) fn new(seed: u64, controlling: bool) -> Self {
        let mut bytes = [u8::from(controlling); 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        let role = if controlling {
            Role::Controlling
        } else {
            Role::Controlled
        };
        Self(Agent::new(Config::new(bytes, role)).expect("a configuration"))
    }
}

impl super::Agent for Ours {
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
        let known = self.0.set_remote(now, &Description::new(credentials));
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

    fn wake(&mut self, now: Instant) {
        self.0.handle_timeout(now);
        while self.0.poll_event().is_some() {}
    }

    fn transmit(&mut self, now: Instant) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
        let mut buffer = [0; Agent::BUFFER];
        let transmit = self.0.poll_transmit(now, &mut buffer)?;
        Some((
            transmit.source?,
            transmit.destination,
            buffer[transmit.bytes].to_vec(),
        ))
    }

    fn deadline(&mut self, _: Instant) -> Option<Instant> {
        self.0.poll_timeout()
    }

    fn path(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.0.path().map(|path| (path.base, path.remote))
    }
}
