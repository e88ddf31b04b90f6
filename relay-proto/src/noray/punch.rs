//! The client's side of the handshake: [`Punch`].

use super::{BadAddress, Claims, DropReason, HANDSHAKE_BYTES, INTERVAL, PATIENCE};
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::{Handled, Instant, Transmit, is_possible_source};

/// After so many intervals without an answer from yet another port, a pair of ports counts as stable.
const STABLE_INTERVALS: u32 = 5;

/// How a [`Punch`] goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PunchConfig {
    /// Time between two datagrams to the same address; 100 ms.
    pub interval: Duration,
    /// When it gives up; 8 s.
    pub patience: Duration,
    /// Whose answers count; [`Sources::SameAddress`].
    pub sources: Sources,
}

impl Default for PunchConfig {
    fn default() -> Self {
        Self {
            interval: INTERVAL,
            patience: PATIENCE,
            sources: Sources::SameAddress,
        }
    }
}

/// Whose answers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sources {
    /// The announced address and port.
    Exact,
    /// Any port of the announced address: a NAT box with a mapping for each remote shows another one.
    SameAddress,
    /// Anybody, as in the addon. Whoever guesses the port can then lead the client elsewhere.
    Any,
}

/// How a punch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller must go on from each of the three"
)]
pub enum Outcome {
    /// Both directions work (`OK` in the addon).
    Open {
        /// Where the answer came from: connect to it.
        peer: SocketAddr,
    },
    /// Something came from the other side, but it never said that it heard us (`ERR_BUSY`). Games try to connect anyway.
    OneWay {
        /// Where it came from.
        peer: SocketAddr,
    },
    /// Nothing came (`ERR_TIMEOUT`): a relay is needed.
    Silent,
}

/// Opens the way to a host from the socket of a client: `PacketHandshake.over_packet_peer` of the addon.
///
/// It sends to the announced address, and to up to two other ports that answer, until both sides have heard each other or
/// patience ends. [`Punch::poll_event`] gives the [`Outcome`] once.
#[derive(Debug)]
pub struct Punch {
    config: PunchConfig,
    announced: Way,
    /// Addresses that answered and were not announced: a host behind a box with a mapping for each remote shows one port
    /// to the address that was announced of us, and may show another to the one where it sees us.
    others: [Option<Way>; 2],
    /// A third one answered.
    wanders: bool,
    claims: Claims,
    ends: Instant,
    state: State,
}

/// An address to send to.
#[derive(Clone, Copy, Debug)]
struct Way {
    address: SocketAddr,
    heard: bool,
    /// When it was first known.
    since: Instant,
    next: Instant,
}

impl Way {
    const fn new(now: Instant, address: SocketAddr, heard: bool) -> Self {
        Self {
            address,
            heard,
            since: now,
            next: now,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Trying,
    /// The last datagram, which tells the other side that it may stop, is due.
    Farewell(SocketAddr),
    Ended(Outcome),
    Told,
}

impl Punch {
    /// A punch towards `announced`, the address that the control service gave.
    ///
    /// # Errors
    /// If nobody can be at `announced`.
    pub fn new(
        now: Instant,
        announced: SocketAddr,
        config: PunchConfig,
    ) -> Result<Self, BadAddress> {
        if !is_possible_source(announced) {
            return Err(BadAddress);
        }
        Ok(Self {
            config,
            announced: Way::new(now, announced, false),
            others: [None; 2],
            wanders: false,
            claims: Claims::SENT,
            ends: now + config.patience,
            state: State::Trying,
        })
    }

    /// Takes a datagram that arrived on the socket.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Handled<DropReason> {
        let Some(claims) = Claims::parse(datagram) else {
            return Handled::NotMine;
        };
        if self.state != State::Trying {
            return Handled::Dropped(DropReason::Late);
        }
        let announced = self.announced.address;
        let counts = match self.config.sources {
            Sources::Exact => from == announced,
            Sources::SameAddress => from.ip() == announced.ip(),
            Sources::Any => true,
        };
        if !counts || !is_possible_source(from) {
            return Handled::Dropped(DropReason::Stranger);
        }
        let Some(way) = self.way(now, from) else {
            self.wanders = true;
            return Handled::Dropped(DropReason::TooManyPorts);
        };
        self.claims.received = true;
        self.claims.exchanged |= claims.received;
        if claims.exchanged && self.claims.exchanged && self.leads_back(now, way, claims) {
            self.state = State::Farewell(from);
        }
        Handled::Consumed
    }

    /// The way that `from` is at, which is heard now.
    fn way(&mut self, now: Instant, from: SocketAddr) -> Option<Way> {
        if from == self.announced.address {
            self.announced.heard = true;
            return Some(self.announced);
        }
        let mine = |way: &Option<Way>| way.is_none_or(|way| way.address == from);
        let place = self.others.iter_mut().find(|way| mine(way))?;
        Some(*place.get_or_insert(Way::new(now, from, true)))
    }

    /// Whether what is sent to `way` reaches the host from where the host expects it.
    ///
    /// If both sides are seen at other ports than announced, their boxes may have a mapping for each remote address, which
    /// is stable, or for each remote port: then each answer comes from yet another port, and no two ports ever meet.
    fn leads_back(&self, now: Instant, way: Way, claims: Claims) -> bool {
        let both_moved = way.address != self.announced.address && !claims.sent;
        let stable = now >= way.since + self.config.interval * STABLE_INTERVALS;
        !both_moved || (stable && !self.wanders)
    }

    fn ways(&self) -> impl Iterator<Item = &Way> {
        core::iter::once(&self.announced).chain(self.others.iter().flatten())
    }

    /// Gives up if it is time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.state == State::Trying && now >= self.ends {
            let heard = self.ways().find(|way| way.heard);
            self.state = State::Ended(match heard.map(|way| way.address) {
                Some(peer) => Outcome::OneWay { peer },
                None => Outcome::Silent,
            });
        }
    }

    /// Writes the next datagram into `buffer`, which has at least [`HANDSHAKE_BYTES`].
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let destination = match self.state {
            State::Trying if now < self.ends => {
                let others = self.others.iter_mut().flatten();
                let mut ways = core::iter::once(&mut self.announced).chain(others);
                let due = ways.find(|way| way.next <= now)?;
                due.next = now + self.config.interval;
                due.address
            }
            State::Farewell(peer) => {
                self.state = State::Ended(Outcome::Open { peer });
                peer
            }
            State::Trying | State::Ended(_) | State::Told => return None,
        };
        self.claims.write(buffer).ok()?;
        Some(Transmit {
            source: None,
            destination,
            bytes: 0..HANDSHAKE_BYTES,
        })
    }

    /// When to call [`Punch::handle_timeout`] and [`Punch::poll_transmit`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.state != State::Trying {
            return None;
        }
        self.ways().map(|way| way.next.min(self.ends)).min()
    }

    /// How it ended, once. [`Outcome::Open`] comes after the last datagram was taken.
    pub fn poll_event(&mut self) -> Option<Outcome> {
        let State::Ended(outcome) = self.state else {
            return None;
        };
        self.state = State::Told;
        Some(outcome)
    }
}
