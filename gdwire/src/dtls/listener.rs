//! The sessions of a server's socket: [`Listener`].

use super::config::DtlsServer;
use super::engine::{Cookie, Engine};
use super::failure::{Alert, DtlsFailure};
use super::half_open::HalfOpen;
use super::hello::{self, ClientHello, CookieJar, Record};
use super::session::{Outcome, Owner, SCRATCH, Session};
use super::{DtlsStats, Ended, Received};
use alloc::collections::{BTreeSet, VecDeque};
use core::mem;
use core::net::SocketAddr;
use dimpl::DtlsCertificate;
use proto_core::{Instant, Transmit};
use std::collections::{HashMap, HashSet};

/// Datagrams that wait to be sent, at most: those of handshakes, and answers to strangers. What is beyond is lost, and
/// clients ask again.
const OUTBOX: usize = 1024;
/// How often a client may be sent back for a cookie, such as when the first one has gone stale.
const ROUNDS: u16 = 3;
/// Ends that nobody has asked for yet, at most.
const ENDS: usize = 1024;

/// DTLS at one socket of a server. It moves datagrams between the socket and the ENet host, and never waits.
#[derive(Debug)]
pub(crate) struct Listener {
    settings: DtlsServer,
    engine: Engine,
    jar: CookieJar,
    places: HashMap<SocketAddr, Place>,
    half_open: HalfOpen,
    deadlines: BTreeSet<(Instant, SocketAddr)>,
    outbox: VecDeque<(SocketAddr, Vec<u8>)>,
    ends: VecDeque<Ended>,
    /// Places whose sessions had time enough to find a use.
    doubtful: HashSet<SocketAddr>,
    scratch: Vec<u8>,
    stats: DtlsStats,
}

/// What there is with one address.
#[derive(Debug, Default)]
struct Place {
    open: Option<Box<Session>>,
    /// A handshake, which may replace the open session: a client that has started anew.
    opening: Option<(Box<Session>, [u8; 32])>,
    /// Whether the open session carries an ENet connection.
    is_used: bool,
    /// Until when a handshake that failed counts as one, so that nobody can have one after the other computed.
    cools_until: Option<Instant>,
    is_counted: bool,
    armed: Option<Instant>,
}

impl Place {
    fn is_half_open(&self) -> bool {
        self.opening.is_some()
            || self.cools_until.is_some()
            || (self.open.is_some() && !self.is_used)
    }

    fn is_empty(&self) -> bool {
        self.open.is_none() && self.opening.is_none() && self.cools_until.is_none()
    }

    /// Whether it has nothing to send, and its deadline is known.
    fn is_settled(&self) -> bool {
        let open = self.open.as_ref().is_none_or(|it| it.outbox.is_empty());
        let opening = self.opening.as_ref();
        let opening = opening.is_none_or(|(it, _)| it.outbox.is_empty());
        open && opening && self.poll_timeout() == self.armed
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let open = self.open.as_ref().and_then(|it| it.poll_timeout());
        let opening = self.opening.as_ref().and_then(|(it, _)| it.poll_timeout());
        let all = open.into_iter().chain(opening).chain(self.cools_until);
        all.min()
    }
}

impl Listener {
    /// `seed` is the secret of the cookies.
    pub(crate) fn new(settings: DtlsServer, seed: [u8; 32]) -> Result<Self, dimpl::Error> {
        Ok(Self {
            engine: Engine::new(settings.handshake_timeout)?,
            jar: CookieJar::new(seed),
            settings,
            places: HashMap::new(),
            half_open: HalfOpen::default(),
            deadlines: BTreeSet::new(),
            outbox: VecDeque::new(),
            ends: VecDeque::new(),
            doubtful: HashSet::new(),
            scratch: vec![0; SCRATCH],
            stats: DtlsStats::default(),
        })
    }

    pub(crate) const fn stats(&self) -> &DtlsStats {
        &self.stats
    }

    /// Takes in a datagram; `take` gets what was in it.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        take: &mut dyn FnMut(&[u8]),
    ) -> Received {
        let Some(record) = Record::peek(datagram) else {
            self.stats.plain += 1;
            return Received::NotDtls;
        };
        if record.is_hello(datagram) {
            return self.on_hello(now, from, datagram, take);
        }
        let Some(place) = self.places.get_mut(&from) else {
            self.stats.unknown += 1;
            return Received::Dropped;
        };
        let scratch = &mut self.scratch[..];
        let owner = &mut ClientData { take };
        let opening = place.opening.as_mut();
        let opening = opening.map(|(it, _)| it.handle_datagram(now, datagram, scratch, owner));
        // With two sessions the keys tell whose it is; each drops what is not its own.
        let open = place.open.as_mut();
        let open = open.map(|it| it.handle_datagram(now, datagram, scratch, owner));
        self.settle(now, from, (open, opening));
        Received::Used
    }

    fn on_hello(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        take: &mut dyn FnMut(&[u8]),
    ) -> Received {
        let hello = ClientHello::read(datagram).filter(|_| proto_core::is_possible_source(from));
        let Some(hello) = hello else {
            self.stats.bad_hellos += 1;
            return Received::Dropped;
        };
        let Some(cookie) = self.jar.check(now, from, &hello) else {
            self.stats.hellos += 1;
            if let Some(cookie) = self.jar.bake(now, from, &hello) {
                self.push(from, hello.verify_request(&cookie));
            }
            return Received::Used;
        };
        if !(1..=ROUNDS).contains(&hello.message) {
            self.stats.bad_hellos += 1;
            return Received::Dropped;
        }
        let place = self.places.get_mut(&from);
        if let Some(Place {
            opening: Some((session, random)),
            ..
        }) = place
            && *random == hello.random
        {
            // Our answer was lost, or is late.
            let owner = &mut ClientData { take };
            let outcome = session.handle_datagram(now, datagram, &mut self.scratch, owner);
            self.settle(now, from, (None, Some(outcome)));
            return Received::Used;
        }
        self.begin(now, from, (hello, cookie), datagram)
    }

    /// Begins a handshake with a client that has proven its address.
    fn begin(
        &mut self,
        now: Instant,
        from: SocketAddr,
        (hello, cookie): (ClientHello<'_>, Cookie),
        datagram: &[u8],
    ) -> Received {
        // A client that starts anew during its handshake waits for the end of the old one.
        let is_busy = self.places.get(&from).is_some_and(Place::is_half_open);
        if is_busy {
            self.stats.network_full += 1;
        }
        if is_busy || !self.has_room(from) {
            return Received::Dropped;
        }
        self.stats.handshakes += 1;
        let Some(config) = self.engine.for_suites(hello.suites) else {
            self.stats.failed += 1;
            let failure = DtlsFailure::NothingInCommon;
            if let Some(Alert(alert)) = failure.alert() {
                self.push(from, hello::alert(alert));
            }
            self.end(from, failure, false);
            return Received::Used;
        };
        let (session, outcome) = Session::server(
            config,
            self.pair(),
            now,
            (&hello, cookie),
            (datagram, &mut self.scratch),
        );
        let place = self.places.entry(from).or_default();
        place.opening = Some((Box::new(session), hello.random));
        self.settle(now, from, (None, Some(outcome)));
        Received::Used
    }

    fn has_room(&mut self, from: SocketAddr) -> bool {
        if self.half_open.of(from) >= self.settings.half_open_per_address {
            self.stats.network_full += 1;
            return false;
        }
        if self.half_open.total() >= self.settings.half_open {
            self.stats.full += 1;
            return false;
        }
        true
    }

    fn pair(&self) -> DtlsCertificate {
        self.settings.identity.pair()
    }

    /// Draws the consequences of what the open session and the handshake of a place made of a call.
    fn settle(
        &mut self,
        now: Instant,
        address: SocketAddr,
        (open, opening): (Option<Outcome>, Option<Outcome>),
    ) {
        let is_quiet = |outcome: Option<Outcome>| matches!(outcome, None | Some(Outcome::Same));
        if is_quiet(open)
            && is_quiet(opening)
            && self.places.get(&address).is_some_and(Place::is_settled)
        {
            return;
        }
        let Some(mut place) = self.places.remove(&address) else {
            return;
        };
        self.collect(address, &mut place);
        if let Some(Outcome::Ended(failure)) = open {
            place.open = None;
            self.end(address, failure, true);
        }
        match opening {
            Some(Outcome::Ended(failure)) => {
                place.opening = None;
                place.cools_until = Some(now.saturating_add(self.settings.handshake_timeout));
                self.stats.failed += 1;
                self.end(address, failure, false);
            }
            Some(Outcome::Opened) => {
                self.stats.opened += 1;
                place.open = place.opening.take().map(|(session, _)| session);
                place.is_used = false;
                if let Some(session) = &mut place.open {
                    session.deadline = Some(now.saturating_add(self.settings.unused_timeout));
                }
            }
            _ => {}
        }
        self.put(address, place);
    }

    /// Takes what the sessions of a place want to send.
    fn collect(&mut self, address: SocketAddr, place: &mut Place) {
        let opening = place.opening.iter_mut().map(|(session, _)| session);
        for session in opening.chain(place.open.as_mut()) {
            for datagram in mem::take(&mut session.outbox) {
                self.push(address, datagram);
            }
        }
    }

    fn push(&mut self, address: SocketAddr, datagram: Vec<u8>) {
        if self.outbox.len() < OUTBOX {
            self.outbox.push_back((address, datagram));
        } else {
            self.stats.unsent += 1;
        }
    }

    fn end(&mut self, address: SocketAddr, failure: DtlsFailure, was_open: bool) {
        if self.ends.len() < ENDS || was_open {
            self.ends.push_back(Ended {
                address,
                failure,
                was_open,
            });
        }
    }

    /// Puts a place back, with what depends on it; an empty one is forgotten.
    fn put(&mut self, address: SocketAddr, mut place: Place) {
        let deadline = place.poll_timeout();
        if place.armed != deadline {
            if let Some(armed) = place.armed {
                self.deadlines.remove(&(armed, address));
            }
            if let Some(deadline) = deadline {
                self.deadlines.insert((deadline, address));
            }
            place.armed = deadline;
        }
        let is_half_open = place.is_half_open();
        match (place.is_counted, is_half_open) {
            (false, true) => self.half_open.add(address),
            (true, false) => self.half_open.remove(address),
            _ => {}
        }
        place.is_counted = is_half_open;
        if !place.is_empty() {
            self.places.insert(address, place);
        }
    }

    /// Writes the next datagram that is no ENet into `buffer`.
    pub(crate) fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<Transmit> {
        loop {
            let (destination, datagram) = self.outbox.pop_front()?;
            if let Some(place) = buffer.get_mut(..datagram.len()) {
                place.copy_from_slice(&datagram);
                return Some(Transmit {
                    source: None,
                    destination,
                    bytes: 0..datagram.len(),
                });
            }
        }
    }

    /// Writes a datagram of the ENet host to `destination` into `buffer`; `None` if there is no session.
    pub(crate) fn seal(
        &mut self,
        destination: SocketAddr,
        plain: &[u8],
        buffer: &mut [u8],
    ) -> Option<Transmit> {
        let session = self
            .places
            .get_mut(&destination)
            .and_then(|place| place.open.as_mut());
        let sealed = session.map(|session| session.seal(plain, buffer));
        match sealed {
            Some(Ok(length)) => Some(Transmit {
                source: None,
                destination,
                bytes: 0..length,
            }),
            Some(Err(failure)) => {
                self.stats.unsent += 1;
                if let Some(mut place) = self.places.remove(&destination) {
                    place.open = None;
                    self.end(destination, failure, true);
                    self.put(destination, place);
                }
                None
            }
            None => {
                self.stats.unsent += 1;
                None
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(deadline, address)) = self.deadlines.first()
            && deadline <= now
        {
            self.on_deadline(now, address);
        }
    }

    fn on_deadline(&mut self, now: Instant, address: SocketAddr) {
        let Some(place) = self.places.get_mut(&address) else {
            return;
        };
        if place.cools_until.is_some_and(|end| end <= now) {
            place.cools_until = None;
        }
        let scratch = &mut self.scratch[..];
        let opening = place.opening.as_mut();
        let opening = opening.map(|(it, _)| it.handle_timeout(now, scratch));
        let open = place.open.as_mut().map(|session| {
            if session.deadline.is_some_and(|deadline| deadline <= now) {
                session.deadline = None;
                self.doubtful.insert(address);
            }
            session.handle_timeout(now, scratch)
        });
        self.settle(now, address, (open, opening));
    }

    /// A session that ended by itself.
    pub(crate) fn poll_end(&mut self) -> Option<Ended> {
        self.ends.pop_front()
    }

    /// The session with `address` carries an ENet connection.
    pub(crate) fn use_session(&mut self, address: SocketAddr) {
        if let Some(mut place) = self.places.remove(&address) {
            if let Some(session) = &mut place.open {
                place.is_used = true;
                session.deadline = None;
            }
            self.put(address, place);
        }
    }

    /// Whether a session should have found a use by now: it is time for [`Listener::sweep`].
    pub(crate) fn has_doubts(&self) -> bool {
        !self.doubtful.is_empty()
    }

    /// Ends the sessions that had an ENet connection, or time to get one, and whose address is not among `used`.
    pub(crate) fn sweep(&mut self, now: Instant, used: &HashSet<SocketAddr>) {
        let doubtful = mem::take(&mut self.doubtful);
        for address in doubtful.intersection(used) {
            self.use_session(*address);
        }
        let places = self.places.iter();
        let idle = places.filter(|(address, place)| {
            (place.is_used || doubtful.contains(address)) && !used.contains(address)
        });
        let idle: Vec<_> = idle.map(|(address, _)| *address).collect();
        for address in idle {
            self.close(now, address);
        }
    }

    /// Ends all sessions.
    pub(crate) fn close_all(&mut self, now: Instant) {
        let addresses: Vec<_> = self.places.keys().copied().collect();
        for address in addresses {
            self.close(now, address);
        }
    }

    fn close(&mut self, now: Instant, address: SocketAddr) {
        let Some(mut place) = self.places.remove(&address) else {
            return;
        };
        if let Some(session) = &mut place.open {
            session.close(now, &mut self.scratch);
        }
        self.collect(address, &mut place);
        place.open = None;
        // A handshake goes on: a client that connects anew.
        self.put(address, place);
    }

    /// Whether no session is left and all is sent.
    pub(crate) fn is_silent(&self) -> bool {
        self.places.is_empty() && self.outbox.is_empty()
    }
}

/// What clients send; they have no certificates.
struct ClientData<'a> {
    take: &'a mut dyn FnMut(&[u8]),
}

impl Owner for ClientData<'_> {
    fn judge(&mut self, _: &[u8]) -> Result<(), DtlsFailure> {
        Ok(())
    }

    fn take(&mut self, plain: &[u8]) {
        (self.take)(plain);
    }
}
