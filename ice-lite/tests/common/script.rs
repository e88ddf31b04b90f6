//! One agent against a peer that a test plays by hand, message by message.

use super::{agent, config};
use core::net::SocketAddr;
use core::time::Duration;
use ice_lite::{
    Agent, Candidate, CandidateKind, Config, Credentials, Description, DropReason, Event,
    LocalCandidate, PairState, PairView, Role, State,
};
use proto_core::{Handled, Instant};
use stun_proto::attribute::{
    AttributeType, ErrorCode, ErrorNumber, IceControlled, IceControlling, Priority, UseCandidate,
    Username, XorMappedAddress,
};
use stun_proto::{Class, Key, Message, MessageWriter, Method, TransactionId};

/// A datagram of the agent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    pub(crate) source: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

impl Sent {
    pub(crate) fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).expect("an agent sends STUN")
    }

    pub(crate) fn is(&self, class: Class) -> bool {
        self.message().class() == class
    }

    pub(crate) fn id(&self) -> TransactionId {
        self.message().transaction_id()
    }

    pub(crate) fn nominates(&self) -> bool {
        self.message().has::<UseCandidate>()
    }

    pub(crate) fn error(&self) -> Option<u16> {
        let message = self.message();
        let code = message.get::<ErrorCode<'_>>().ok().flatten()?;
        Some(code.number().get())
    }
}

/// What a check of the peer says. Fields that a test does not change are those of an honest peer.
#[derive(Clone)]
pub(crate) struct Check {
    pub(crate) id: [u8; 12],
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) priority: Option<u32>,
    pub(crate) role: Option<Role>,
    pub(crate) tie_breaker: u64,
    pub(crate) nominates: bool,
    /// Type and value of one more attribute.
    pub(crate) extra: Option<(u16, Vec<u8>)>,
}

impl Check {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut buffer = [0; 1232];
        let username = Username::new(&self.username).expect("short");
        let id = TransactionId::new(self.id);
        let mut writer = MessageWriter::new(&mut buffer, Class::Request, Method::BINDING, id)
            .attribute(&username);
        if let Some(priority) = self.priority {
            writer = writer.attribute(&Priority(priority));
        }
        writer = match self.role {
            Some(Role::Controlling) => writer.attribute(&IceControlling(self.tie_breaker)),
            Some(Role::Controlled) => writer.attribute(&IceControlled(self.tie_breaker)),
            None => writer,
        };
        if self.nominates {
            writer = writer.attribute(&UseCandidate);
        }
        if let Some((kind, value)) = &self.extra {
            writer = writer.raw(AttributeType::new(*kind), value);
        }
        let key = Key::short_term(&self.password);
        let message = writer.integrity(&key).fingerprint().finish();
        message.expect("it fits").to_vec()
    }
}

/// An agent with one host candidate that knows its peer, and that peer.
pub(crate) struct Script {
    pub(crate) agent: Agent,
    pub(crate) now: Instant,
    pub(crate) theirs: Credentials,
    checks: u32,
    priority: u32,
}

impl Script {
    pub(crate) fn local() -> SocketAddr {
        address("10.0.0.1:4000")
    }

    /// The peer's first address.
    pub(crate) fn peer() -> SocketAddr {
        address("10.0.0.2:5000")
    }

    /// An agent of `role` that knows the peer's credentials and no candidate of it.
    pub(crate) fn new(role: Role) -> Self {
        Self::with(role, |_| {}, |_| {})
    }

    /// The same with an agent that checks no silent pair anew.
    pub(crate) fn without_rechecks(role: Role) -> Self {
        Self::with(role, |config| config.limits.rechecks = 0, |_| {})
    }

    /// The same, with other settings and another description of the peer.
    pub(crate) fn with(
        role: Role,
        adjust: impl FnOnce(&mut Config),
        describe: impl FnOnce(&mut Description),
    ) -> Self {
        let mut config = config(1, role);
        config.tie_breaker = Some(100);
        adjust(&mut config);
        let mut script = Self {
            agent: agent(config),
            now: Instant::from_millis(1_000),
            theirs: Credentials::new("peer", "peerpasswordoftwentyfour").expect("good"),
            checks: 0,
            priority: 0x6e00_1eff,
        };
        let host = LocalCandidate::host(Self::local());
        script
            .agent
            .add_local(script.now, host)
            .expect("a candidate");
        let mut description = Description::new(script.theirs.clone());
        describe(&mut description);
        script
            .agent
            .set_remote(script.now, &description)
            .expect("a description");
        script
    }

    /// Tells a host candidate of the peer.
    pub(crate) fn tell(&mut self, text: &str) {
        let candidate = Candidate::new(CandidateKind::Host, address(text));
        self.tell_candidate(candidate);
    }

    pub(crate) fn tell_candidate(&mut self, candidate: Candidate) {
        let added = self.agent.add_remote(self.now, candidate);
        assert_eq!(added, Ok(()));
    }

    pub(crate) fn end(&mut self) {
        self.agent.end_of_local_candidates(self.now);
        self.agent.end_of_remote_candidates(self.now);
    }

    /// A check of an honest peer in the other role.
    pub(crate) fn check(&mut self) -> Check {
        self.checks += 1;
        let mut id = [7; 12];
        id[..4].copy_from_slice(&self.checks.to_be_bytes());
        Check {
            id,
            username: format!(
                "{}:{}",
                self.agent.credentials().ufrag(),
                self.theirs.ufrag()
            ),
            password: self.agent.credentials().password().into(),
            priority: Some(self.priority),
            role: Some(self.agent.role().opposite()),
            tie_breaker: 50,
            nominates: false,
            extra: None,
        }
    }

    pub(crate) fn feed(&mut self, from: SocketAddr, bytes: &[u8]) -> Handled<DropReason> {
        self.agent
            .handle_datagram(self.now, Self::local(), from, bytes)
    }

    /// Feeds a check and gives the answer.
    pub(crate) fn ask(&mut self, from: SocketAddr, check: &Check) -> Option<Sent> {
        let before = self.send();
        let _ = self.feed(from, &check.bytes());
        let id = TransactionId::new(check.id);
        assert!(before.iter().all(|sent| sent.id() != id), "a fresh id");
        let mut sent = self.send();
        let position = sent
            .iter()
            .position(|sent| sent.id() == id && !sent.is(Class::Request))?;
        Some(sent.swap_remove(position))
    }

    /// All that the agent sends at this moment.
    pub(crate) fn send(&mut self) -> Vec<Sent> {
        let mut buffer = [0; Agent::BUFFER];
        let mut all = Vec::new();
        self.agent.handle_timeout(self.now);
        while let Some(transmit) = self.agent.poll_transmit(self.now, &mut buffer) {
            all.push(Sent {
                at: self.now,
                source: transmit.source.expect("a base"),
                to: transmit.destination,
                bytes: buffer[transmit.bytes].to_vec(),
            });
            assert!(all.len() < 1000, "the agent sends without end");
        }
        all
    }

    /// Lets time pass, deadline by deadline, and gives what the agent sends meanwhile.
    pub(crate) fn run(&mut self, duration: Duration) -> Vec<Sent> {
        let end = self.now + duration;
        let mut all = self.send();
        while let Some(next) = self.agent.poll_timeout().filter(|&next| next <= end) {
            self.now = next.max(self.now + Duration::from_micros(1));
            all.extend(self.send());
        }
        self.now = end;
        all.extend(self.send());
        all
    }

    /// The same, with each request answered from where it went, with what `mapped` says was seen; `None` is silence.
    pub(crate) fn run_answered(
        &mut self,
        duration: Duration,
        mut mapped: impl FnMut(&Sent) -> Option<SocketAddr>,
    ) -> Vec<Sent> {
        let end = self.now + duration;
        let mut all = Vec::new();
        loop {
            let sent = self.send();
            let any = !sent.is_empty();
            for item in sent {
                if item.is(Class::Request)
                    && let Some(mapped) = mapped(&item)
                {
                    let answer = self.success(&item, mapped);
                    let _ = self
                        .agent
                        .handle_datagram(self.now, item.source, item.to, &answer);
                }
                all.push(item);
            }
            if any {
                continue;
            }
            match self.agent.poll_timeout() {
                Some(next) if next <= end => {
                    self.now = next.max(self.now + Duration::from_micros(1));
                }
                _ => break,
            }
        }
        self.now = end;
        all
    }

    /// Lets the agent find its path over the peer's first address.
    pub(crate) fn connect(&mut self) {
        self.tell("10.0.0.2:5000");
        if self.agent.role() == Role::Controlled {
            let mut check = self.check();
            check.nominates = true;
            assert!(self.ask(Self::peer(), &check).is_some());
        }
        self.run_answered(Duration::from_secs(1), |sent| Some(sent.source));
        assert_eq!(self.agent.state(), State::Completed, "{}", self.agent.why());
        self.events();
    }

    /// The success response to a request of the agent.
    pub(crate) fn success(&self, request: &Sent, mapped: SocketAddr) -> Vec<u8> {
        let mut buffer = [0; 256];
        let message = request.message();
        let writer = MessageWriter::response(&mut buffer, Class::Success, &message);
        let writer = writer.attribute(&XorMappedAddress(mapped));
        let key = Key::short_term(self.theirs.password());
        let message = writer.integrity(&key).fingerprint().finish();
        message.expect("it fits").to_vec()
    }

    /// An error response to a request of the agent.
    pub(crate) fn error(&self, request: &Sent, number: ErrorNumber) -> Vec<u8> {
        let mut buffer = [0; 256];
        let message = request.message();
        let writer = MessageWriter::response(&mut buffer, Class::Error, &message);
        let writer = writer.attribute(&ErrorCode::new(number));
        let key = Key::short_term(self.theirs.password());
        let message = writer.integrity(&key).fingerprint().finish();
        message.expect("it fits").to_vec()
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        core::iter::from_fn(|| self.agent.poll_event()).collect()
    }

    pub(crate) fn pairs(&self) -> Vec<PairView> {
        self.agent.pairs().collect()
    }

    /// The pair to this remote address.
    pub(crate) fn pair_to(&self, to: &str) -> PairView {
        let to = address(to);
        let found = self.agent.pairs().find(|pair| pair.path.remote == to);
        found.unwrap_or_else(|| panic!("no pair to {to}: {}", self.agent.why()))
    }

    pub(crate) fn states(&self) -> Vec<PairState> {
        self.agent.pairs().map(|pair| pair.state).collect()
    }
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A candidate of the peer from a line without `candidate:` in front.
pub(crate) fn candidate(line: &str) -> Candidate {
    format!("candidate:{line}").parse().expect("a candidate")
}

/// The requests among what was sent.
pub(crate) fn requests(sent: &[Sent]) -> Vec<&Sent> {
    sent.iter().filter(|sent| sent.is(Class::Request)).collect()
}
