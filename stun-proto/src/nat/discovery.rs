//! Asking a server what the NATs on the way do: [`Discovery`].

use super::lifetime::{Ask, Lifetime, LifetimeSearch};
use super::ports::{PortProfile, PortSample};
use super::probe::{Probe, Purpose, State};
use super::report::{Dependence, Fragments, Hairpin, MappingLifetime, NatReport, Oddity};
use crate::attribute::{ChangeRequest, MappedAddress, OtherAddress, XorMappedAddress};
use crate::message::{Class, Message, Method, ParseError};
use crate::scope::same;
use crate::transaction::Schedule;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::{Handled, Instant, SeedRng, Transmit};

/// The socket from which mapping is tested.
const MAPPING: usize = 0;
/// The socket from which filtering is tested: it sends to the server's first address alone.
const FILTERING: usize = 1;
/// The other socket of the hairpin test.
const HAIRPIN: usize = 2;
/// The sockets that show how ports are chosen.
const PORTS: core::ops::Range<usize> = 3..7;
/// The socket whose mapping is left alone.
const LIFETIME: usize = 7;
/// The socket that asks for it.
const LIFETIME_ASKER: usize = 8;
/// Time between two samples of ports, which leaves the order of allocations to the NAT.
const PORT_INTERVAL: Duration = Duration::from_millis(20);
/// Bytes of PADDING that make a packet too long for Ethernet.
const FRAGMENTED_PADDING: usize = 1600;

/// What to ask, of whom, and from where.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DiscoveryConfig {
    /// The seed of transaction ids. They must be unpredictable.
    pub seed: [u8; 32],
    /// The server's first address.
    pub server: SocketAddr,
    /// The addresses of fresh sockets, of the server's family, none of them a wildcard: what the report calls local.
    ///
    /// Two suffice for mapping and filtering, a third tests hairpinning, four more the choice of ports, and two more the
    /// lifetime of mappings; further ones are not used. See [`DiscoveryConfig::SOCKETS`].
    pub sockets: Vec<SocketAddr>,
    /// How often and how long each request is sent. Default: 4 sends from 500 ms on, 5.5 s in all.
    pub schedule: Schedule,
    /// Whether packets longer than an Ethernet frame are tried. Default: yes.
    pub fragments: bool,
    /// How to look for the lifetime of mappings, which takes minutes. Default: not at all.
    pub lifetime: Option<LifetimeSearch>,
}

impl DiscoveryConfig {
    /// Sockets with which everything can be tested.
    pub const SOCKETS: usize = 9;

    /// The defaults for this server and these sockets.
    #[must_use]
    pub fn new(seed: [u8; 32], server: SocketAddr, sockets: Vec<SocketAddr>) -> Self {
        Self {
            seed,
            server,
            sockets,
            schedule: Schedule {
                sends: 4,
                final_wait: 4,
                ..Schedule::default()
            },
            fragments: true,
            lifetime: None,
        }
    }
}

/// Why a discovery was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// Fewer than two sockets.
    #[error("discovery needs two sockets at least, there are {0}")]
    TooFewSockets(usize),
    /// A socket is of another family than the server, a wildcard, or there twice.
    #[error("the socket {0} is a wildcard, of another family than the server, or there twice")]
    UnusableSocket(SocketAddr),
}

/// What a discovery has found out so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiscoveryEvent {
    /// The server answered: the outside address of the first socket.
    Mapped(SocketAddr),
    /// What outside addresses depend on.
    Mapping(Dependence),
    /// Who may answer.
    Filtering(Dependence),
    /// Whether two clients behind one NAT can talk over its outside.
    Hairpin(Hairpin),
    /// Whether packets of several fragments pass.
    Fragments(Fragments),
    /// How outside ports are chosen is in the report.
    Ports,
    /// The lifetime of mappings, more exact with each of these.
    Lifetime(MappingLifetime),
    /// Everything is asked; the report is complete. The last event.
    Finished,
}

/// Why a datagram had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// It looks like STUN and is broken.
    Malformed,
    /// No question of ours is open under its transaction id, or not on this socket.
    UnknownTransaction,
    /// It comes from another address than the question went to.
    WrongAddress,
    /// It lacks the mapped address, or that is not well formed.
    BadAnswer,
}

/// Asks a server what the NATs on the way do to UDP (RFC 5780), and how they choose ports.
///
/// A discovery without [`DiscoveryConfig::lifetime`] takes two round trips where all goes well, and 7 s at most where
/// answers are filtered: that nothing comes can only be seen by waiting. Memory: 24 probes at most.
///
/// ```
/// use proto_core::Instant;
/// use stun_proto::nat::{Discovery, DiscoveryConfig};
///
/// let server = "203.0.113.1:3478".parse()?;
/// let sockets = vec!["192.168.1.7:50001".parse()?, "192.168.1.7:50002".parse()?];
/// let now = Instant::ZERO;
/// let mut discovery = Discovery::new(now, DiscoveryConfig::new([7; 32], server, sockets))?;
/// let mut buffer = [0; Discovery::BUFFER];
/// while let Some(transmit) = discovery.poll_transmit(now, &mut buffer) {
///     // Send it from the socket at `transmit.source`, and give what comes back to `handle_datagram`.
///     assert_eq!(transmit.destination, server);
/// }
/// assert!(discovery.poll_timeout().is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Discovery {
    config: DiscoveryConfig,
    rng: SeedRng,
    probes: Vec<Probe>,
    report: NatReport,
    events: VecDeque<DiscoveryEvent>,
    lifetime: Option<Lifetime>,
    answered: bool,
    finished: bool,
}

impl Discovery {
    /// Bytes that a request may take.
    pub const BUFFER: usize = 2048;

    /// Begins at `now`.
    ///
    /// # Errors
    /// [`DiscoveryError`] if the sockets do not suffice.
    pub fn new(now: Instant, config: DiscoveryConfig) -> Result<Self, DiscoveryError> {
        let sockets = &config.sockets;
        if sockets.len() < 2 {
            return Err(DiscoveryError::TooFewSockets(sockets.len()));
        }
        for (index, socket) in sockets.iter().enumerate() {
            let twice = sockets.iter().take(index).any(|other| other == socket);
            let mixed = socket.is_ipv4() != config.server.is_ipv4();
            if twice || mixed || socket.ip().is_unspecified() || socket.port() == 0 {
                return Err(DiscoveryError::UnusableSocket(*socket));
            }
        }
        let mut discovery = Self {
            rng: SeedRng::new(config.seed),
            probes: Vec::new(),
            report: NatReport {
                local: sockets.first().copied(),
                ..NatReport::default()
            },
            events: VecDeque::new(),
            lifetime: config
                .lifetime
                .filter(|_| config.sockets.len() > LIFETIME_ASKER)
                .map(Lifetime::new),
            answered: false,
            finished: false,
            config,
        };
        let server = discovery.config.server;
        discovery.ask(now, Purpose::MappingOne, MAPPING, server);
        discovery.ask(now, Purpose::FilterOne, FILTERING, server);
        if discovery.has_socket(HAIRPIN) {
            discovery.ask(now, Purpose::HairpinLearn, HAIRPIN, server);
        }
        discovery.handle_timeout(now);
        Ok(discovery)
    }

    /// What is known so far; complete after [`DiscoveryEvent::Finished`].
    #[must_use]
    pub const fn report(&self) -> &NatReport {
        &self.report
    }

    /// Gives up what is still open, such as the lifetime, and finishes with what is known.
    pub fn stop(&mut self) {
        self.probes.clear();
        self.lifetime = None;
        self.finish();
    }

    /// A datagram came from `from` to the socket at `local`.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<DropReason> {
        let message = match Message::parse(data) {
            Ok(message) => message,
            Err(ParseError::NotStun | ParseError::ChannelData) => return Handled::NotMine,
            Err(_) => return Handled::Dropped(DropReason::Malformed),
        };
        let socket = self.config.sockets.iter().position(|own| *own == local);
        let probe = self
            .probes
            .iter_mut()
            .find(|probe| probe.id == message.transaction_id() && probe.is_pending());
        let (Some(socket), Some(probe)) = (socket, probe) else {
            return Handled::Dropped(DropReason::UnknownTransaction);
        };
        if message.method() != Method::BINDING || socket != probe.arrives {
            return Handled::Dropped(DropReason::UnknownTransaction);
        }
        let state = if probe.purpose == Purpose::Hairpin {
            // What arrives is our own question.
            (message.class() == Class::Request).then_some(State::Answered(from))
        } else {
            let expected = origin(probe, self.report.other);
            match message.class() {
                Class::Success | Class::Error if !same(from, expected) => {
                    // Only a changed source is worth a remark: else it is a stranger's guess.
                    if probe.change == ChangeRequest::default() {
                        return Handled::Dropped(DropReason::WrongAddress);
                    }
                    self.report.note(Oddity::WrongOrigin);
                    Some(State::Failed)
                }
                Class::Success => mapped(&message, &mut self.report).map(State::Answered),
                Class::Error => Some(State::Refused),
                Class::Request | Class::Indication => None,
            }
        };
        let Some(state) = state else {
            return Handled::Dropped(DropReason::BadAnswer);
        };
        probe.end(now, state);
        let (purpose, rtt) = (probe.purpose, probe.transaction.rtt());
        self.answered |= !matches!(purpose, Purpose::Hairpin);
        if purpose == Purpose::MappingOne {
            self.report.rtt = rtt;
            self.report.other = message.get::<OtherAddress>().ok().flatten().map(|a| a.0);
        }
        self.on_end(now, purpose);
        Handled::Consumed
    }

    /// A deadline may have passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        for index in 0..self.probes.len() {
            let Some(probe) = self.probes.get_mut(index) else {
                break;
            };
            let was_pending = probe.is_pending();
            probe.handle_timeout(now);
            if was_pending && !probe.is_pending() {
                let purpose = probe.purpose;
                self.on_end(now, purpose);
            }
        }
        self.lifetime_step(now);
    }

    /// Writes the next request into `buffer`. [`Transmit::source`] is the socket to send it from.
    ///
    /// # Panics
    /// If `buffer` is shorter than [`Discovery::BUFFER`].
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        assert!(
            buffer.len() >= Self::BUFFER,
            "a buffer of Discovery::BUFFER bytes"
        );
        self.handle_timeout(now);
        let probe = self.probes.iter_mut().find(|probe| probe.due)?;
        probe.due = false;
        let length = probe.write(buffer).ok()?;
        Some(Transmit {
            source: self.config.sockets.get(probe.socket).copied(),
            destination: probe.to,
            bytes: 0..length,
        })
    }

    /// When to call [`Discovery::handle_timeout`]; `None` once it is finished.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let probes = self.probes.iter().filter_map(Probe::poll_timeout);
        let searches = self.report.mapped.is_some();
        let lifetime = self.lifetime.as_ref().filter(|_| searches);
        let lifetime = lifetime.and_then(Lifetime::poll_timeout);
        probes.chain(lifetime).min()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<DiscoveryEvent> {
        self.events.pop_front()
    }

    fn has_socket(&self, socket: usize) -> bool {
        socket < self.config.sockets.len()
    }

    fn ask(
        &mut self,
        start: Instant,
        purpose: Purpose,
        socket: usize,
        to: SocketAddr,
    ) -> &mut Probe {
        let schedule = self.config.schedule;
        let probe = Probe::new(purpose, socket, to, start, schedule, &mut self.rng);
        self.probes.push(probe);
        let last = self.probes.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "the one pushed above")]
        &mut self.probes[last]
    }

    fn state(&self, purpose: Purpose) -> Option<State> {
        let probe = self.probes.iter().find(|probe| probe.purpose == purpose);
        probe.map(|probe| probe.state)
    }

    fn answer(&self, purpose: Purpose) -> Option<SocketAddr> {
        match self.state(purpose)? {
            State::Answered(address) => Some(address),
            _ => None,
        }
    }

    /// Whether all probes for `purpose` are over.
    fn is_over(&self, purpose: Purpose) -> bool {
        let mut probes = self.probes.iter();
        !probes.any(|probe| probe.purpose == purpose && probe.is_pending())
    }

    /// Draws the conclusions from a probe that ended.
    fn on_end(&mut self, now: Instant, purpose: Purpose) {
        match purpose {
            Purpose::MappingOne => self.on_first_answer(now),
            Purpose::MappingTwo | Purpose::MappingThree => self.conclude_mapping(now, purpose),
            Purpose::FilterOne => self.test_filtering(now),
            Purpose::FilterBoth | Purpose::FilterPort => self.conclude_filtering(),
            Purpose::HairpinLearn => self.test_hairpin(now),
            Purpose::Hairpin => self.conclude_hairpin(now),
            Purpose::Port => self.conclude_ports(),
            Purpose::Fragments => self.conclude_fragments(),
            Purpose::LifetimeLearn | Purpose::LifetimeTest => self.on_lifetime(now, purpose),
        }
        let open = self.probes.iter().any(Probe::is_pending) || self.lifetime.is_some();
        if !open {
            self.finish();
        }
    }

    fn finish(&mut self) {
        if !self.finished {
            self.finished = true;
            self.report.blocked = !self.answered;
            self.events.push_back(DiscoveryEvent::Finished);
        }
    }

    fn on_first_answer(&mut self, now: Instant) {
        let Some(mapped) = self.answer(Purpose::MappingOne) else {
            self.lifetime = None;
            return;
        };
        self.report.mapped = Some(mapped);
        self.events.push_back(DiscoveryEvent::Mapped(mapped));
        if self.config.fragments {
            let server = self.config.server;
            let probe = self.ask(now, Purpose::Fragments, MAPPING, server);
            probe.padding = FRAGMENTED_PADDING;
        }
        match self.report.other {
            Some(other) => {
                let second = SocketAddr::new(other.ip(), self.config.server.port());
                self.ask(now, Purpose::MappingTwo, MAPPING, second);
            }
            None => {
                self.report.note(Oddity::NoDiscovery);
                if self.report.is_translated() == Some(false) {
                    self.report.mapping = Some(Dependence::Endpoint);
                }
                self.test_ports(now);
            }
        }
        self.test_filtering(now);
        self.test_hairpin(now);
    }

    fn conclude_mapping(&mut self, now: Instant, purpose: Purpose) {
        let (Some(first), Some(other)) = (self.report.mapped, self.report.other) else {
            return;
        };
        let second = self.answer(Purpose::MappingTwo);
        let mapping = match (purpose, second) {
            (_, None) => {
                self.report.note(Oddity::OtherAddressSilent);
                None
            }
            (Purpose::MappingTwo, Some(second)) if second == first => Some(Dependence::Endpoint),
            (Purpose::MappingTwo, Some(_)) => {
                self.ask(now, Purpose::MappingThree, MAPPING, other);
                return;
            }
            (_, Some(second)) => self.answer(Purpose::MappingThree).map(|third| {
                if third == second {
                    Dependence::Address
                } else {
                    Dependence::AddressAndPort
                }
            }),
        };
        self.report.mapping = mapping;
        self.events.extend(mapping.map(DiscoveryEvent::Mapping));
        self.test_ports(now);
    }

    /// Asks for answers from elsewhere, once both the server's other address and the socket's mapping are there.
    fn test_filtering(&mut self, now: Instant) {
        let ready = self.answer(Purpose::FilterOne).is_some() && self.report.other.is_some();
        if !ready || self.state(Purpose::FilterBoth).is_some() {
            return;
        }
        let server = self.config.server;
        let both = self.ask(now, Purpose::FilterBoth, FILTERING, server);
        both.change = ChangeRequest {
            ip: true,
            port: true,
        };
        let port = self.ask(now, Purpose::FilterPort, FILTERING, server);
        port.change = ChangeRequest {
            ip: false,
            port: true,
        };
    }

    fn conclude_filtering(&mut self) {
        if self.report.filtering.is_some() {
            return;
        }
        let both = self.state(Purpose::FilterBoth);
        let port = self.state(Purpose::FilterPort);
        if [both, port].contains(&Some(State::Refused)) {
            self.report.note(Oddity::NoChangeRequest);
            return;
        }
        let filtering = match (both, port) {
            (Some(State::Answered(_)), _) => Dependence::Endpoint,
            (Some(State::Failed), Some(State::Answered(_))) => Dependence::Address,
            (Some(State::Failed), Some(State::Failed)) => Dependence::AddressAndPort,
            _ => return,
        };
        if self.report.oddities.contains(&Oddity::WrongOrigin) {
            return;
        }
        self.report.filtering = Some(filtering);
        self.events.push_back(DiscoveryEvent::Filtering(filtering));
    }

    /// Sends between the two sockets, both ways, so that a filter that admits answers alone is open.
    fn test_hairpin(&mut self, now: Instant) {
        let learnt = self.answer(Purpose::HairpinLearn);
        let (Some(first), Some(second)) = (self.report.mapped, learnt) else {
            return;
        };
        let translated = self.report.is_translated() == Some(true);
        if !translated || self.state(Purpose::Hairpin).is_some() {
            return;
        }
        self.ask(now, Purpose::Hairpin, HAIRPIN, first).arrives = MAPPING;
        self.ask(now, Purpose::Hairpin, MAPPING, second).arrives = HAIRPIN;
    }

    fn conclude_hairpin(&mut self, now: Instant) {
        if self.report.hairpin.is_some() {
            return;
        }
        let probes = self.probes.iter();
        let mut seen = probes.filter(|probe| probe.purpose == Purpose::Hairpin);
        let arrived = seen.find_map(|probe| match probe.state {
            State::Answered(from) => Some((probe.socket, from)),
            _ => None,
        });
        let hairpin = match arrived {
            Some((socket, from)) if self.config.sockets.get(socket) == Some(&from) => {
                Hairpin::InternalSource
            }
            Some(_) => Hairpin::ExternalSource,
            None if self.is_over(Purpose::Hairpin) => Hairpin::None,
            None => return,
        };
        for probe in &mut self.probes {
            if probe.purpose == Purpose::Hairpin && probe.is_pending() {
                probe.end(now, State::Failed);
            }
        }
        self.report.hairpin = Some(hairpin);
        self.events.push_back(DiscoveryEvent::Hairpin(hairpin));
    }

    fn test_ports(&mut self, now: Instant) {
        if self.config.sockets.len() < PORTS.end || self.state(Purpose::Port).is_some() {
            return;
        }
        let server = self.config.server;
        let mut destinations = Vec::from([server]);
        if let Some(other) = self.report.other {
            destinations.extend([SocketAddr::new(other.ip(), server.port()), other]);
        }
        let mut start = now;
        for socket in PORTS {
            for destination in &destinations {
                self.ask(start, Purpose::Port, socket, *destination);
                start = start + PORT_INTERVAL;
            }
        }
    }

    fn conclude_ports(&mut self) {
        if self.report.ports.is_some() || !self.is_over(Purpose::Port) {
            return;
        }
        let sample = |probe: &Probe| {
            let State::Answered(external) = probe.state else {
                return None;
            };
            Some(PortSample {
                local_port: self.config.sockets.get(probe.socket)?.port(),
                destination: probe.to,
                external,
            })
        };
        let probes = || {
            self.probes
                .iter()
                .filter(|probe| probe.purpose == Purpose::Port)
        };
        // A request that was sent twice may have made its mapping out of order.
        let sure = probes().filter(|probe| probe.transaction.sends() == 1);
        let sure: Vec<PortSample> = sure.filter_map(sample).collect();
        let profile = PortProfile::of(sure)
            .or_else(|| PortProfile::of(probes().filter_map(sample).collect()));
        if profile.is_some() {
            self.report.ports = profile;
            self.events.push_back(DiscoveryEvent::Ports);
        }
    }

    fn conclude_fragments(&mut self) {
        let fragments = match self.state(Purpose::Fragments) {
            // A server that knows no PADDING has still got the whole request.
            Some(State::Answered(_) | State::Refused) => Fragments::Pass,
            _ => Fragments::Lost,
        };
        self.report.fragments = Some(fragments);
        self.events.push_back(DiscoveryEvent::Fragments(fragments));
    }

    /// Begins the next round of the search for the lifetime if it is time.
    fn lifetime_step(&mut self, now: Instant) {
        if self.report.mapped.is_none() {
            return;
        }
        let Some(lifetime) = &mut self.lifetime else {
            return;
        };
        let server = self.config.server;
        match lifetime.next(now) {
            Some(Ask::Refresh) => {
                self.forget_lifetime_probes();
                self.ask(now, Purpose::LifetimeLearn, LIFETIME, server);
            }
            Some(Ask::Test(port)) => {
                let probe = self.ask(now, Purpose::LifetimeTest, LIFETIME_ASKER, server);
                probe.arrives = LIFETIME;
                probe.response_port = Some(port);
            }
            None => return,
        }
        if let Some(probe) = self.probes.last_mut() {
            probe.handle_timeout(now);
        }
    }

    fn forget_lifetime_probes(&mut self) {
        self.probes.retain(|probe| {
            !matches!(
                probe.purpose,
                Purpose::LifetimeLearn | Purpose::LifetimeTest
            )
        });
    }

    fn on_lifetime(&mut self, now: Instant, purpose: Purpose) {
        let answer = self.answer(purpose);
        let Some(lifetime) = &mut self.lifetime else {
            return;
        };
        let known = if purpose == Purpose::LifetimeLearn {
            lifetime.on_refresh(now, answer.map(|mapped| mapped.port()));
            None
        } else {
            lifetime.on_test(answer.is_some())
        };
        if let Some(known) = known {
            self.report.lifetime = Some(known);
            self.events.push_back(DiscoveryEvent::Lifetime(known));
        }
        if lifetime.is_over() {
            self.lifetime = None;
        }
    }
}

/// Where the answer to `probe` has to come from.
fn origin(probe: &Probe, other: Option<SocketAddr>) -> SocketAddr {
    let mut origin = probe.to;
    if let Some(other) = other {
        if probe.change.ip {
            origin.set_ip(other.ip());
        }
        if probe.change.port {
            origin.set_port(other.port());
        }
    }
    origin
}

/// The mapped address in a success response.
fn mapped(message: &Message<'_>, report: &mut NatReport) -> Option<SocketAddr> {
    let xored = message.get::<XorMappedAddress>().ok()?.map(|a| a.0);
    let plain = message.get::<MappedAddress>().ok()?.map(|a| a.0);
    if let (Some(xored), Some(plain)) = (xored, plain)
        && xored != plain
    {
        report.note(Oddity::RewrittenPayload);
    }
    xored.or(plain)
}
