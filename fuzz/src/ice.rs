//! Bodies for `ice-lite`: candidate lines, descriptions, and two agents under a script.

use crate::ice_tcp::Lines;
use crate::parts;
use alloc::collections::VecDeque;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use ice_lite::{
    Agent, Candidate, CandidateKind, Config, Description, LocalCandidate, Role, Standby, State,
    TcpType, Transport, judge,
};
use proto_core::Instant;
use stun_proto::attribute::{AttributeType, IceControlled, IceControlling, Priority, Username};
use stun_proto::{Class, Key, MessageWriter, Method, TransactionId};

/// A line that is read is written and read to the same.
///
/// # Panics
/// If that does not hold.
pub fn ice_candidate(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    let Ok(candidate) = text.parse::<Candidate>() else {
        return;
    };
    assert!(text.len() <= ice_lite::MOST_LINE_BYTES);
    assert!(candidate.extensions.len() <= ice_lite::MOST_EXTENSIONS);
    assert!((1..=256).contains(&candidate.component) && candidate.priority > 0);
    let written = candidate.to_string();
    let again: Candidate = written.parse().expect("what was written is read");
    assert_eq!(again, candidate);
    if let Some(address) = candidate.address.ip() {
        let _ = judge(address, ice_lite::Loopback::Forbidden);
    }
}

/// Attribute lines and compact descriptions that are read are written and read to the same.
///
/// # Panics
/// If a bound does not hold, or an agent does not come to rest.
pub fn sdp_lines(data: &[u8]) {
    if let Ok(description) = Description::from_compact(data) {
        let again = Description::from_compact(&description.to_compact());
        assert_eq!(again, Ok(description));
    }
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    let Ok(read) = Description::from_attributes(text.split(['\r', '\n'])) else {
        return;
    };
    let description = read.description;
    assert!(description.candidates.len() <= Description::MOST_CANDIDATES);
    let lines = description.attributes();
    let again = Description::from_attributes(lines.iter().map(String::as_str));
    let again = again.expect("what was written is read");
    assert_eq!((again.description, again.skipped), (description.clone(), 0));
    let compact = Description::from_compact(&description.to_compact());
    assert!(compact.is_ok());
}

/// A datagram under way: from where, to which agent and which of its addresses.
type Datagram = (SocketAddr, usize, SocketAddr, Vec<u8>);

struct Meeting {
    now: Instant,
    agents: [Agent; 2],
    wire: VecDeque<Datagram>,
    /// Whether both sit behind boxes that give each destination a port of its own, and let anybody in.
    boxed: bool,
    lines: Lines,
    buffer: Vec<u8>,
}

fn address(agent: usize, which: u8) -> SocketAddr {
    let last = if agent == 0 { 1 } else { 2 };
    SocketAddr::from((Ipv4Addr::new(10, 0, which % 4, last), 4000))
}

/// Whose address it is, and which: boxes give it any port.
fn owner(to: SocketAddr) -> Option<(usize, SocketAddr)> {
    let mut all = (0..2).flat_map(|agent| (0..4).map(move |which| (agent, address(agent, which))));
    all.find(|(_, own)| own.ip() == to.ip())
}

/// What a box makes of a source that gives each destination a port of its own.
fn mapped(from: SocketAddr, to: SocketAddr) -> SocketAddr {
    let SocketAddr::V4(v4) = to else {
        return from;
    };
    let [.., third, last] = v4.ip().octets();
    let mixed = u32::from(to.port()) * 31 + u32::from(third) * 7 + u32::from(last);
    let port = 1024 + u16::try_from(mixed % 60_000).unwrap_or_default();
    SocketAddr::new(from.ip(), port)
}

impl Meeting {
    fn new(kinds: u8) -> Self {
        let now = Instant::from_millis(1000);
        let role = |bit: u8| {
            if kinds & bit == 0 {
                Role::Controlling
            } else {
                Role::Controlled
            }
        };
        let mut configs = [
            Config::new([1; 32], role(1)),
            if kinds & 4 == 0 {
                Config::new([2; 32], role(2))
            } else {
                Config::lite([2; 32])
            },
        ];
        if kinds & 8 != 0 {
            configs[0].nomination = ice_lite::Nomination::Aggressive;
        }
        if kinds & 16 != 0 {
            configs[1].profile = ice_lite::Profile::Strict;
        }
        if kinds & 32 != 0 {
            configs[0].standby = Standby::Forever;
        }
        let agents = configs.map(|config| Agent::new(config).expect("a valid configuration"));
        Self {
            now,
            agents,
            wire: VecDeque::new(),
            boxed: kinds & 64 != 0,
            lines: Lines::default(),
            buffer: vec![0; Agent::BUFFER],
        }
    }

    fn introduce(&mut self, to: usize) {
        let description = self.agents[1 - to].description();
        let _ = self.agents[to].set_remote(self.now, &description);
    }

    /// Takes out what both send.
    fn collect(&mut self) {
        for (index, agent) in self.agents.iter_mut().enumerate() {
            let mut count = 0;
            while let Some(transmit) = agent.poll_transmit(self.now, &mut self.buffer) {
                count += 1;
                assert!(count < 1000, "an agent does not stop sending");
                let mut from = transmit.source.expect("a base");
                if self.boxed {
                    from = mapped(from, transmit.destination);
                }
                if let Some((to, local)) = owner(transmit.destination) {
                    let bytes = self.buffer[transmit.bytes].to_vec();
                    self.wire.push_back((from, to, local, bytes));
                }
            }
            while let Some(event) = agent.poll_event() {
                self.lines.take(index, event);
            }
        }
        while self.wire.len() > 64 {
            self.wire.pop_front();
        }
    }

    fn deliver(&mut self, (from, to, local, bytes): &Datagram) {
        let _ = self.agents[*to].handle_datagram(self.now, *local, *from, bytes);
    }

    /// A check with the right password and any other words, as a datagram.
    fn forge(&mut self, to: usize, words: &[u8]) {
        let word = |index: usize| words.get(index).copied().unwrap_or_default();
        if let Some(bytes) = self.forged(to, words) {
            let from = Ipv4Addr::new(10, 9, 0, word(9));
            let from = SocketAddr::from((from, 1 + u16::from(word(10))));
            self.deliver(&(from, to, address(to, word(11)), bytes));
        }
    }

    fn forged(&self, to: usize, words: &[u8]) -> Option<Vec<u8>> {
        let (ours, theirs) = (
            self.agents[1 - to].credentials().clone(),
            self.agents[to].credentials().clone(),
        );
        let word = |index: usize| words.get(index).copied().unwrap_or_default();
        let name = format!("{}:{}", theirs.ufrag(), ours.ufrag());
        let username = Username::new(&name).ok()?;
        let mut buffer = [0; 1232];
        let id = TransactionId::new([word(0); 12]);
        let class = match word(1) & 3 {
            0 | 1 => Class::Request,
            2 => Class::Success,
            _ => Class::Error,
        };
        let flags = word(2);
        let mut writer =
            MessageWriter::new(&mut buffer, class, Method::BINDING, id).attribute(&username);
        if flags & 1 == 0 {
            writer = writer.attribute(&Priority(u32::from(word(3)) << (word(4) & 31)));
        }
        if flags & 2 != 0 {
            writer = writer.attribute(&IceControlling(word(5).into()));
        }
        if flags & 4 != 0 {
            writer = writer.attribute(&IceControlled(word(5).into()));
        }
        if flags & 8 != 0 {
            writer = writer.raw(AttributeType::new(0x25), &[]);
        }
        if flags & 16 != 0 {
            let kind = u16::from_be_bytes([word(6), word(7)]);
            // Integrity and FINGERPRINT are the writer's affair.
            if ![0x0008, 0x001c, 0x8028].contains(&kind) {
                writer = writer.raw(AttributeType::new(kind), words.get(8..).unwrap_or_default());
            }
        }
        let key = Key::short_term(theirs.password());
        let message = writer.integrity(&key).fingerprint().finish().ok()?;
        Some(message.to_vec())
    }

    /// A step that is about connections.
    fn step_tcp(&mut self, action: u8, agent: usize, words: &[u8]) {
        let (now, word) = (self.now, words.first().copied().unwrap_or_default());
        match action {
            20 => {
                let kinds = [TcpType::Active, TcpType::Passive, TcpType::SimultaneousOpen];
                let kind = kinds[usize::from(word >> 2) % kinds.len()];
                let host = LocalCandidate::host(address(agent, word));
                let host = host.with_transport(Transport::Tcp(kind));
                let _ = self.agents[agent].add_local(now, host);
            }
            21 => {
                let at = (agent, address(agent, word));
                self.lines.accept(now, &mut self.agents, at, word);
            }
            22 => self.lines.answer(now, &mut self.agents, word < 200),
            23 => self.lines.deliver(now, &mut self.agents),
            _ => {
                let Some(end) = self.lines.pick(word) else {
                    return;
                };
                match action {
                    24 => self.lines.close(now, &mut self.agents, end),
                    25 => {
                        let bytes = self.forged(end.0, words).unwrap_or_default();
                        let _ = self.agents[end.0].handle_packet(now, end.1, &bytes);
                    }
                    _ => {
                        let agent = &mut self.agents[end.0];
                        let _ = agent.handle_packet(now, end.1, words);
                        let _ = agent.send_framed(now, words, &mut Vec::new());
                    }
                }
            }
        }
    }

    fn check(&self) {
        for agent in &self.agents {
            let pairs: Vec<_> = agent.pairs().collect();
            assert!(pairs.len() <= 100);
            let (locals, remotes) = agent.candidate_counts();
            assert!(locals <= 64 && remotes <= 64 + 32);
            let selected = pairs.iter().filter(|pair| pair.is_selected);
            assert!(selected.count() <= 1);
            if agent.state() == State::Completed {
                assert!(agent.path().is_some(), "{}", agent.why());
            }
            if agent.state() == State::Closed {
                assert!(agent.path().is_none() && agent.poll_timeout().is_none());
            }
            assert!(agent.timeline().iter().count() <= 256);
            assert!(agent.why().len() < 100_000);
        }
    }

    fn step(&mut self, part: &[u8]) {
        let Some((&action, words)) = part.split_first() else {
            return;
        };
        let word = words.first().copied().unwrap_or_default();
        let agent = usize::from(action >> 7);
        let now = self.now;
        match action & 0x1f {
            0 => self.now = now + Duration::from_millis(u64::from(word) * 5),
            1 => self.now = now + Duration::from_secs(word.into()),
            2 => self.wire.clear(),
            3 => {
                if let Some(datagram) = self.wire.pop_front() {
                    self.deliver(&datagram);
                }
            }
            4 => {
                for datagram in core::mem::take(&mut self.wire) {
                    self.deliver(&datagram);
                }
            }
            5 => {
                if let Some(datagram) = self.wire.front().cloned() {
                    self.deliver(&datagram);
                }
            }
            6 => {
                if let Some((_, _, _, bytes)) = self.wire.front_mut() {
                    let at = usize::from(word) % bytes.len().max(1);
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= words.get(1).copied().unwrap_or(1);
                    }
                }
            }
            7 => {
                let host = LocalCandidate::host(address(agent, word));
                let _ = self.agents[agent].add_local(now, host);
            }
            8 => self.introduce(agent),
            9 => self.agents[agent].remove_local(now, address(agent, word)),
            10 => self.agents[agent].end_of_local_candidates(now),
            11 => self.agents[agent].end_of_remote_candidates(now),
            12 => {
                let _ = self.agents[agent].restart(now);
            }
            13 => self.forge(agent, words),
            14 => {
                let from = SocketAddr::from((Ipv4Addr::new(10, 9, 0, word), 9));
                self.deliver(&(from, agent, address(agent, 0), words.to_vec()));
            }
            15 => {
                let _ = self.agents[agent].send(now, 0..10);
            }
            16 => {
                if let Some(text) = core::str::from_utf8(words).ok()
                    && let Ok(candidate) = text.parse()
                {
                    let _ = self.agents[agent].add_remote(now, candidate);
                }
            }
            17 => {
                let to = SocketAddr::from((Ipv4Addr::new(10, 8, 0, word), 9));
                let mut candidate = Candidate::new(CandidateKind::Host, to);
                candidate.priority = 1 + u32::from(word);
                let _ = self.agents[agent].add_remote(now, candidate);
            }
            18 => self.agents[agent].resolved(now, "a.local", Some(address(1 - agent, word).ip())),
            19 if word == 255 => self.agents[agent].close(now),
            action @ 20..=26 => self.step_tcp(action, agent, words),
            // Time in the order of the deadlines.
            _ => {
                if let Some(next) = self.agents[agent].poll_timeout() {
                    self.now = self.now.max(next).min(now + Duration::from_secs(60));
                }
            }
        }
    }
}

/// Two agents under a script of losses, changes, forgeries by somebody who knows the passwords, and calls.
///
/// # Panics
/// If a bound does not hold, or an agent does not come to rest.
pub fn ice_agent_script(data: &[u8]) {
    let Some((&kinds, script)) = data.split_first() else {
        return;
    };
    let mut meeting = Meeting::new(kinds);
    for part in parts(script).take(400) {
        meeting.step(part);
        for agent in &mut meeting.agents {
            agent.handle_timeout(meeting.now);
        }
        meeting.collect();
        meeting.check();
    }
    // An agent that nothing reaches any more comes to rest: it does not ask for the same moment again and again.
    for agent in &mut meeting.agents {
        let (mut rounds, mut now) = (0, meeting.now);
        let end = now + Duration::from_secs(120);
        while let Some(next) = agent.poll_timeout().filter(|&next| next <= end) {
            now = now.max(next);
            agent.handle_timeout(now);
            while agent.poll_transmit(now, &mut meeting.buffer).is_some() {}
            rounds += 1;
            assert!(
                rounds < 10_000,
                "an agent asks without end: {}",
                agent.why()
            );
        }
    }
}
