//! A host of a world that runs an agent and a gatherer.

use super::agent;
use super::servers::{read_address, write_address};
use alloc::collections::VecDeque;
use core::net::SocketAddr;
use core::time::Duration;
use ice_lite::{
    Agent, Candidate, Config, Description, Event, GatherConfig, GatherEvent, Gatherer,
    LocalCandidate, Pacer, RemoteChange, SourceId,
};
use proto_core::{Handled, Instant, Transmit};
use testkit::Machine;
use testkit::world::Signals;

/// What one side tells the other.
#[derive(Clone, Debug)]
pub(crate) enum Signal {
    Description(Box<Description>),
    Candidate(Box<Candidate>),
    End,
}

/// How candidates are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// One by one, as they are found.
    Trickle,
    /// All at once, when all are found.
    Whole,
}

/// A host that runs an agent.
pub(crate) struct Player {
    pub(crate) agent: Agent,
    pub(super) gatherer: Gatherer,
    pacer: Pacer,
    telling: Telling,
    pub(super) bases: Vec<SocketAddr>,
    relay: Option<RelayLeg>,
    pub(super) signals: Signals<Signal>,
    events: VecDeque<Event>,
    next_data: Instant,
    /// When the first datagram of the other application came.
    pub(crate) first_data: Option<Instant>,
    pub(crate) data: u64,
}

/// What a player knows of its relay.
struct RelayLeg {
    server: SocketAddr,
    base: SocketAddr,
    source: Option<SourceId>,
    relayed: Option<SocketAddr>,
    ask_at: Instant,
}

const DATA_INTERVAL: Duration = Duration::from_millis(200);
const ASK_INTERVAL: Duration = Duration::from_millis(500);

impl Player {
    pub(super) fn new(
        config: Config,
        gather: GatherConfig,
        relay: Option<SocketAddr>,
        telling: Telling,
    ) -> Self {
        let now = Instant::ZERO;
        let bases = gather.bases.clone();
        let pacer = Pacer::new(config.timing.pace);
        let mut gatherer = Gatherer::new(now, gather).expect("a valid configuration");
        let relay = relay.and_then(|server| {
            let base = *bases
                .iter()
                .find(|base| base.is_ipv4() == server.is_ipv4())?;
            let source = gatherer.expect(now, Duration::from_secs(5));
            Some(RelayLeg {
                server,
                base,
                source,
                relayed: None,
                ask_at: now,
            })
        });
        let agent = agent(config);
        let mut player = Self {
            agent,
            gatherer,
            pacer,
            telling,
            bases,
            relay,
            signals: Signals::new(),
            events: VecDeque::new(),
            next_data: now,
            first_data: None,
            data: 0,
        };
        if telling == Telling::Trickle {
            let description = player.agent.description();
            player
                .signals
                .tell(Signal::Description(Box::new(description)));
        }
        player.take_gathered(now);
        player
    }

    fn take_gathered(&mut self, now: Instant) {
        while let Some(event) = self.gatherer.poll_event() {
            match event {
                GatherEvent::Candidate(candidate) => {
                    if let Ok(told) = self.agent.add_local(now, candidate)
                        && self.telling == Telling::Trickle
                    {
                        self.signals.tell(Signal::Candidate(Box::new(told)));
                    }
                }
                GatherEvent::Done => {
                    self.agent.end_of_local_candidates(now);
                    self.signals.tell(match self.telling {
                        Telling::Trickle => Signal::End,
                        Telling::Whole => Signal::Description(Box::new(self.agent.description())),
                    });
                }
                _ => {}
            }
        }
        while let Some(event) = self.agent.poll_event() {
            self.events.push_back(event);
        }
    }

    fn take_signals(&mut self, now: Instant) {
        while let Some(signal) = self.signals.take(now) {
            match signal {
                Signal::Description(description) => {
                    let change = self.agent.set_remote(now, &description);
                    let change = change.expect("a description");
                    if change == RemoteChange::Restarted {
                        let answer = self.agent.description();
                        self.signals.tell(Signal::Description(Box::new(answer)));
                    }
                }
                Signal::Candidate(candidate) => {
                    // Refusals are counted, and some are expected: duplicates, forbidden addresses.
                    let _ = self.agent.add_remote(now, *candidate);
                }
                Signal::End => self.agent.end_of_remote_candidates(now),
            }
        }
    }

    fn on_relay(&mut self, now: Instant, data: &[u8]) -> Handled<()> {
        let Some(leg) = &mut self.relay else {
            return Handled::NotMine;
        };
        match data {
            [b'A', rest @ ..] => {
                let (Some((address, _)), None) = (read_address(rest), leg.relayed) else {
                    return Handled::Consumed;
                };
                leg.relayed = Some(address);
                let candidate = LocalCandidate::relayed(address, leg.base, leg.server.ip());
                self.gatherer.provide(now, candidate);
                if let Some(source) = leg.source {
                    self.gatherer.provided(now, source);
                }
            }
            [b'D', rest @ ..] => {
                if let (Some((peer, inner)), Some(relayed)) = (read_address(rest), leg.relayed) {
                    let inner = inner.to_vec();
                    return self.on_direct(now, relayed, peer, &inner);
                }
            }
            _ => {}
        }
        Handled::Consumed
    }

    fn on_direct(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<()> {
        match self.gatherer.handle_datagram(now, local, from, data) {
            Handled::NotMine => {}
            _ => return Handled::Consumed,
        }
        match self.agent.handle_datagram(now, local, from, data) {
            Handled::Inner { .. } => {
                self.first_data.get_or_insert(now);
                self.data += 1;
                Handled::Consumed
            }
            Handled::Dropped(_) => Handled::Dropped(()),
            Handled::NotMine => Handled::NotMine,
            Handled::Consumed => Handled::Consumed,
        }
    }

    fn send_data(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        if now < self.next_data {
            return None;
        }
        let transmit = self.agent.send(now, 0..4).ok()?;
        self.next_data = now + DATA_INTERVAL;
        buf[..4].copy_from_slice(b"data");
        Some(transmit)
    }

    /// What leaves from an address at the relay goes through the relay.
    fn wrap(&self, transmit: Transmit, buf: &mut [u8]) -> Transmit {
        let Some(leg) = &self.relay else {
            return transmit;
        };
        if leg.relayed != transmit.source || leg.relayed.is_none() {
            return transmit;
        }
        let inner = buf[transmit.bytes].to_vec();
        let mut outer = vec![b'S'];
        write_address(&mut outer, transmit.destination);
        outer.extend(inner);
        buf[..outer.len()].copy_from_slice(&outer);
        Transmit {
            source: Some(leg.base),
            destination: leg.server,
            bytes: 0..outer.len(),
        }
    }

    fn ask_relay(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let leg = self.relay.as_mut()?;
        if leg.relayed.is_some() || now < leg.ask_at {
            return None;
        }
        leg.ask_at = now + ASK_INTERVAL;
        buf[0] = b'A';
        Some(Transmit {
            source: Some(leg.base),
            destination: leg.server,
            bytes: 0..1,
        })
    }
}

impl Machine for Player {
    type Event = Event;
    type Drop = ();

    fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<()> {
        let relay = self.relay.as_ref().map(|leg| leg.server);
        let handled = if Some(from) == relay {
            self.on_relay(now, data)
        } else {
            self.on_direct(now, local, from, data)
        };
        self.take_gathered(now);
        handled
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.take_signals(now);
        self.gatherer.handle_timeout(now);
        self.agent.handle_timeout(now);
        self.take_gathered(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let mut pacer = self.pacer;
        let transmit = self
            .gatherer
            .poll_transmit_paced(now, &mut pacer, buf)
            .or_else(|| self.ask_relay(now, buf))
            .or_else(|| self.agent.poll_transmit_paced(now, &mut pacer, buf))
            .or_else(|| self.send_data(now, buf));
        self.pacer = pacer;
        self.take_gathered(now);
        Some(self.wrap(transmit?, buf))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let relay = self.relay.as_ref();
        let ask = relay.filter(|leg| leg.relayed.is_none());
        let deadlines = [
            self.signals.poll_timeout(),
            ask.map(|leg| leg.ask_at),
            self.agent.path().map(|_| self.next_data),
            self.gatherer.poll_timeout_paced(&self.pacer),
            self.agent.poll_timeout_paced(&self.pacer),
        ];
        deadlines.into_iter().flatten().min()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn buffer_bytes(&self) -> usize {
        Agent::BUFFER + 64
    }
}
