//! A host of a world that runs an agent and a gatherer.

use super::agent;
use super::servers::{read_address, write_address};
use alloc::collections::VecDeque;
use core::net::SocketAddr;
use core::time::Duration;
use ice_lite::{
    Agent, Candidate, Config, Description, Event, GatherConfig, GatherEvent, Gatherer,
    LocalCandidate, Pacer, SourceId,
};
use proto_core::{Handled, Instant, Transmit};

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
    pub(super) pacer: Pacer,
    telling: Telling,
    pub(super) bases: Vec<SocketAddr>,
    pub(super) relay: Option<RelayLeg>,
    pub(super) inbox: VecDeque<(Instant, Signal)>,
    pub(super) outbox: Vec<Signal>,
    pub(super) events: VecDeque<Event>,
    pub(super) next_data: Instant,
    /// When the first datagram of the other application came.
    pub(crate) first_data: Option<Instant>,
    pub(crate) data: u64,
}

/// What a player knows of its relay.
pub(super) struct RelayLeg {
    pub(super) server: SocketAddr,
    base: SocketAddr,
    source: Option<SourceId>,
    pub(super) relayed: Option<SocketAddr>,
    pub(super) ask_at: Instant,
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
            outbox: Vec::new(),
            agent,
            gatherer,
            pacer,
            telling,
            bases,
            relay,
            inbox: VecDeque::new(),
            events: VecDeque::new(),
            next_data: now,
            first_data: None,
            data: 0,
        };
        if telling == Telling::Trickle {
            let description = player.agent.description();
            player
                .outbox
                .push(Signal::Description(Box::new(description)));
        }
        player.take_gathered(now);
        player
    }

    pub(super) fn take_gathered(&mut self, now: Instant) {
        while let Some(event) = self.gatherer.poll_event() {
            match event {
                GatherEvent::Candidate(candidate) => {
                    if let Ok(told) = self.agent.add_local(now, candidate)
                        && self.telling == Telling::Trickle
                    {
                        self.outbox.push(Signal::Candidate(Box::new(told)));
                    }
                }
                GatherEvent::Done => {
                    self.agent.end_of_local_candidates(now);
                    self.outbox.push(match self.telling {
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

    pub(super) fn take_signals(&mut self, now: Instant) {
        while self.inbox.front().is_some_and(|&(at, _)| at <= now) {
            let Some((_, signal)) = self.inbox.pop_front() else {
                return;
            };
            match signal {
                Signal::Description(description) => {
                    let change = self.agent.set_remote(now, &description);
                    assert!(change.is_ok(), "{change:?}");
                }
                Signal::Candidate(candidate) => {
                    // Refusals are counted, and some are expected: duplicates, forbidden addresses.
                    let _ = self.agent.add_remote(now, *candidate);
                }
                Signal::End => self.agent.end_of_remote_candidates(now),
            }
        }
    }

    pub(super) fn on_relay(&mut self, now: Instant, data: &[u8]) -> Handled<()> {
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

    pub(super) fn on_direct(
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

    pub(super) fn send_data(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        if now < self.next_data {
            return None;
        }
        let transmit = self.agent.send(now, 0..4).ok()?;
        self.next_data = now + DATA_INTERVAL;
        buf[..4].copy_from_slice(b"data");
        Some(transmit)
    }

    /// What leaves from an address at the relay goes through the relay.
    pub(super) fn wrap(&self, transmit: Transmit, buf: &mut [u8]) -> Transmit {
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

    pub(super) fn ask_relay(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
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
