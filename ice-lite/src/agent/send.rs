//! What leaves the agent: answers, checks, consent checks, keepalives, data.

use super::pairs::Pick;
use super::{Agent, Reply, ReplyKind, Side};
use crate::candidate::{plain, priority, same};
use crate::check::{self, Request, TransactionId};
use crate::connection::Link;
use crate::pair::{Check, Pair};
use crate::timeline::Why;
use crate::{
    CandidateKind, ConnectionId, Nomination, Pacer, PairKey, PairState, Profile, Role, State,
    Transport, tcp_local_preference,
};
use core::net::SocketAddr;
use core::ops::Range;
use proto_core::{Instant, Transmit};

/// A message, and the connection that carries it if datagrams do not.
type Outgoing = (Option<ConnectionId>, Transmit);

/// What a connection that is opened costs of the budget for addresses that have proven nothing: a few segments.
const SYN_BYTES: usize = 200;
/// No check is longer.
const MOST_CHECK_BYTES: u32 = 900;

/// Why data cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// No path works yet, or consent for it has ended.
    #[error("there is no path to the peer")]
    NoPath,
    /// The path is a TCP connection: use [`Agent::send_framed`].
    #[error("the path is a connection")]
    Connection,
    /// The path is not a TCP connection: use [`Agent::send`].
    #[error("the path is for datagrams")]
    Datagrams,
    /// More than 65,535 bytes, which is what the length in front of a packet can say.
    #[error("the packet is too long")]
    TooLong,
}

impl Agent {
    /// Writes the next datagram into `buffer`, which has [`Agent::BUFFER`] bytes.
    ///
    /// [`Transmit::source`] is the base to send from; if it is the address of a relay, the datagram goes through it. What
    /// goes over a TCP connection becomes [`Event::Tcp`](crate::Event::Tcp) meanwhile.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let mut pacer = self.pacer;
        let transmit = self.poll_transmit_paced(now, &mut pacer, buffer);
        self.pacer = pacer;
        transmit
    }

    /// The same with a pacer that several agents share, beside the pace that this agent and its peer agreed on.
    pub fn poll_transmit_paced(
        &mut self,
        now: Instant,
        pacer: &mut Pacer,
        buffer: &mut [u8],
    ) -> Option<Transmit> {
        self.advance(now);
        if self.state == State::Closed {
            return None;
        }
        loop {
            let (via, transmit) = self
                .send_reply(buffer)
                .or_else(|| self.send_consent(buffer))
                .or_else(|| self.send_previous_consent(buffer))
                .or_else(|| self.send_again(buffer))
                .or_else(|| self.send_check(pacer, buffer))
                .or_else(|| self.send_keepalive(buffer))?;
            let Some(connection) = via else {
                return Some(transmit);
            };
            self.write(connection, buffer.get(transmit.bytes).unwrap_or_default());
        }
    }

    fn send_reply(&mut self, buffer: &mut [u8]) -> Option<Outgoing> {
        while let Some(reply) = self.replies.pop_front() {
            if let Some(length) = self.write_reply(&reply, buffer) {
                self.stats.responses_sent += 1;
                let now = self.now;
                let (base, to) = (plain(reply.base), plain(reply.to));
                let mut pairs = self.pairs.iter_mut();
                if let Some(pair) =
                    pairs.find(|pair| same(&pair.base, &base) && pair.carries(reply.via, to))
                {
                    pair.counts.responses_sent = pair.counts.responses_sent.saturating_add(1);
                    pair.last_sent = now;
                }
                return Some((reply.via, transmit(reply.base, reply.to, length)));
            }
        }
        None
    }

    fn write_reply(&self, reply: &Reply, buffer: &mut [u8]) -> Option<usize> {
        let side: &Side = if reply.previous {
            &self.previous.as_ref()?.local
        } else {
            &self.local
        };
        let key = side.key.as_deref();
        let written = match &reply.kind {
            ReplyKind::Success(integrity) => {
                let signed = (*integrity, key?);
                check::write_success(buffer, reply.id, plain(reply.to), signed)
            }
            ReplyKind::Error {
                number,
                unknown,
                signed,
            } => {
                let signed = signed.and_then(|integrity| Some((integrity, key?)));
                check::write_error(buffer, reply.id, *number, unknown, signed)
            }
        };
        written.ok()
    }

    fn send_consent(&mut self, buffer: &mut [u8]) -> Option<Outgoing> {
        let now = self.now;
        let due = |pair: &Pair| {
            self.needs_consent(pair)
                && pair
                    .consent
                    .as_ref()
                    .is_some_and(|consent| consent.next_check <= now)
        };
        let index = self.pairs.iter().position(due)?;
        let id = TransactionId::random(&mut self.rng);
        let key = self.pairs[index].key;
        let check = self.new_check(index, id, false);
        let interval = self.config.timing().consent_interval;
        let length = self.write_check(index, &check, buffer);
        let pair = &mut self.pairs[index];
        if let Some(consent) = &mut pair.consent {
            consent.on_sent(now, id, interval, &mut self.rng);
        }
        pair.counts.requests_sent = pair.counts.requests_sent.saturating_add(1);
        pair.last_sent = now;
        let sent = outgoing(pair, length?);
        self.stats.requests_sent += 1;
        self.note_missed(key);
        Some(sent)
    }

    fn send_previous_consent(&mut self, buffer: &mut [u8]) -> Option<Outgoing> {
        let now = self.now;
        let previous = self.previous.as_mut()?;
        let consent = previous.consent.as_mut()?;
        if consent.next_check > now {
            return None;
        }
        let id = TransactionId::random(&mut self.rng);
        consent.on_sent(
            now,
            id,
            self.config.timing().consent_interval,
            &mut self.rng,
        );
        let request = Request {
            id,
            username: &previous.remote.username,
            priority: priority(CandidateKind::PeerReflexive.preference(), 65_535, 1),
            role: previous.role,
            tie_breaker: self.tie_breaker,
            nominates: false,
            nomination: None,
            takes_asymmetric: false,
            extra: &[],
        };
        let length = request
            .write(buffer, previous.remote.side.key.as_deref()?)
            .ok()?;
        let path = &previous.path;
        let transmit = transmit(path.base, path.remote, length);
        Some((path.connection, transmit))
    }

    /// A check on the pair as the agent is now.
    fn new_check(&self, index: usize, id: TransactionId, nominates: bool) -> Check {
        let pair = &self.pairs[index];
        let local = &self.locals[pair.local];
        let preference = match local.transport {
            Transport::Udp => local.preference,
            Transport::Tcp(tcp) => {
                tcp_local_preference(CandidateKind::PeerReflexive, tcp, local.preference & 8191)
            }
        };
        let numbered = self
            .remote
            .as_ref()
            .is_some_and(|remote| remote.options.renomination);
        Check {
            id,
            role: self.role,
            nominates,
            nomination: (nominates && numbered).then_some(self.nomination_value),
            priority: priority(CandidateKind::PeerReflexive.preference(), preference, 1),
            first_sent: self.now,
            sends: 1,
            schedule: self.schedule(pair.link),
        }
    }

    fn write_check(&self, index: usize, check: &Check, buffer: &mut [u8]) -> Option<usize> {
        let remote = self.remote.as_ref()?;
        // Only between addresses that nobody told can there be a need to know.
        let learned = self.remotes[self.pairs[index].remote].learned;
        let request = Request {
            id: check.id,
            username: &remote.username,
            priority: check.priority,
            role: check.role,
            tie_breaker: self.tie_breaker,
            nominates: check.nominates,
            nomination: check
                .nomination
                .map(|value| (self.config.nomination_attribute, value)),
            takes_asymmetric: learned && self.config.profile != Profile::Strict,
            extra: self.rare.as_ref().map_or(&[], |rare| &rare.extra),
        };
        request.write(buffer, remote.side.key.as_deref()?).ok()
    }

    /// Whether the budget for addresses that have proven nothing allows a datagram of `bytes`.
    fn may_send(&mut self, index: usize, bytes: usize) -> bool {
        if self.pairs[index].valid.is_some() {
            return true;
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let limits = self.config.limits();
        let (now, packets) = (self.now, limits.unvalidated_packets);
        self.unvalidated_bytes
            .take(now, limits.unvalidated_bytes, bytes)
            && self.unvalidated_packets.take(now, packets, 1)
    }

    /// When the budget allows a check again.
    fn budget_at(&self) -> Instant {
        let limits = self.config.limits();
        let bytes = self.unvalidated_bytes;
        let bytes = bytes.ready_at(limits.unvalidated_bytes, MOST_CHECK_BYTES);
        bytes.max(
            self.unvalidated_packets
                .ready_at(limits.unvalidated_packets, 1),
        )
    }

    /// The pair whose check is due to be repeated first.
    fn next_again(&self) -> Option<(Instant, usize)> {
        let due = self.pairs.iter().enumerate().filter_map(|(index, pair)| {
            let at = pair.check.as_ref()?.next_send()?;
            Some((at, index))
        });
        due.min()
    }

    fn send_again(&mut self, buffer: &mut [u8]) -> Option<Outgoing> {
        let now = self.now;
        let (at, index) = self.next_again()?;
        let check = self.pairs[index].check.as_ref()?;
        if at > now || check.fails_at() <= now {
            return None;
        }
        let length = self.write_check(index, check, buffer);
        if let Some(bytes) = length
            && !self.may_send(index, bytes)
        {
            return None;
        }
        let pair = &mut self.pairs[index];
        if let Some(check) = &mut pair.check {
            // A driver that slept sends one copy, not all that it missed.
            while check.next_send().is_some_and(|at| at <= now) {
                check.sends += 1;
            }
        }
        pair.counts.requests_sent = pair.counts.requests_sent.saturating_add(1);
        pair.last_sent = now;
        self.stats.requests_sent += 1;
        Some(outgoing(&self.pairs[index], length?))
    }

    /// Begins the next check, if the pacer and the budget allow one.
    fn send_check(&mut self, pacer: &mut Pacer, buffer: &mut [u8]) -> Option<Outgoing> {
        let now = self.now;
        if pacer.next() > now || self.pacer.next() > now {
            return None;
        }
        let Pick::Pair(key) = self.pick(now) else {
            return None;
        };
        let Some(index) = self.position(key) else {
            self.triggered.retain(|&waiting| waiting != key);
            return None;
        };
        if self.pairs[index].link == Link::Tcp(None) {
            if self.may_send(index, SYN_BYTES) && pacer.take(now) && self.pacer.take(now) {
                self.connect(index);
            }
            return None;
        }
        let aggressive = self.config.nomination == Nomination::Aggressive;
        let pair = &self.pairs[index];
        let renews = pair.check.as_ref().is_some_and(|check| check.nominates);
        let controls = self.role == Role::Controlling;
        let nominates = controls && (pair.nominate_next || renews || aggressive);
        if nominates && !renews && !aggressive {
            self.nomination_value += 1;
        }
        let id = TransactionId::random(&mut self.rng);
        let check = self.new_check(index, id, nominates);
        let Some(length) = self.write_check(index, &check, buffer) else {
            self.fail_pair(key, Why::Unwritable);
            return None;
        };
        if !self.may_send(index, length) || !pacer.take(now) || !self.pacer.take(now) {
            return None;
        }
        self.begin(index, check);
        Some(outgoing(&self.pairs[index], length))
    }

    fn begin(&mut self, index: usize, check: Check) {
        let now = self.now;
        let triggered = self.triggered.contains(&self.pairs[index].key);
        let pair = &mut self.pairs[index];
        let key = pair.key;
        let again = pair.check.is_some() && !triggered;
        pair.rechecks += u8::from(again);
        pair.cancel();
        pair.check = Some(check);
        pair.nominate_next = false;
        pair.may_retry &= pair.state != PairState::Failed;
        pair.counts.requests_sent = pair.counts.requests_sent.saturating_add(1);
        pair.last_sent = now;
        let remote = pair.remote;
        let works = pair.valid.is_some();
        self.remotes[remote].unanswered += u32::from(!works);
        self.stats.checks += 1;
        self.stats.requests_sent += 1;
        if triggered {
            self.stats.triggered_checks += 1;
            self.triggered.retain(|&waiting| waiting != key);
        }
        self.set_pair_state(key, PairState::InProgress, Why::Checked);
    }

    fn send_keepalive(&mut self, buffer: &mut [u8]) -> Option<Outgoing> {
        let now = self.now;
        if self.keepalive_at()? > now {
            return None;
        }
        let id = TransactionId::random(&mut self.rng);
        let length = check::write_indication(buffer, id).ok()?;
        let key = self.selected?;
        let pair = self.pair_mut(key)?;
        pair.last_sent = now;
        Some(outgoing(pair, length))
    }

    /// When a new check can be sent, for a pacer that says when the next one may.
    pub(super) fn send_timeout(&self, pacer: &Pacer) -> Option<Instant> {
        if !self.replies.is_empty() {
            return Some(self.now);
        }
        let again = self.next_again();
        let again = again.map(|(at, index)| match self.pairs[index].valid {
            Some(_) => at,
            None => at.max(self.budget_at()),
        });
        let fresh = match self.pick(self.now) {
            Pick::Pair(_) => Some(self.pacer.next()),
            Pick::At(at) => Some(at.max(self.pacer.next())),
            Pick::Nothing => None,
        };
        let fresh = fresh.map(|at| at.max(pacer.next()).max(self.budget_at()));
        again.into_iter().chain(fresh).min()
    }

    /// Says how data in `bytes` of the caller's buffer is to be sent, and counts it.
    ///
    /// # Errors
    /// [`SendError::NoPath`]: nothing may be sent now. [`SendError::Connection`]: the path is a TCP connection.
    pub fn send(&mut self, now: Instant, bytes: Range<usize>) -> Result<Transmit, SendError> {
        self.advance(now);
        // Consent may have ended since the last timeout.
        self.tick_consent();
        let path = self.path().ok_or(SendError::NoPath)?;
        if path.connection.is_some() {
            return Err(SendError::Connection);
        }
        let now = self.now;
        if let Some(index) = self.find(Link::Udp, path.base, path.remote) {
            let pair = &mut self.pairs[index];
            pair.counts.bytes_sent += bytes.len() as u64;
            pair.last_sent = now;
        }
        Ok(Transmit {
            source: Some(path.base),
            destination: path.remote,
            bytes,
        })
    }

    /// Whether a check of this pair is under way; for tests and diagnosis.
    #[must_use]
    pub fn is_checking_pair(&self, key: PairKey) -> bool {
        self.pairs
            .iter()
            .any(|pair| pair.key == key && pair.check.is_some())
    }
}

/// A message of a pair.
const fn outgoing(pair: &Pair, length: usize) -> Outgoing {
    (pair.link.connection(), transmit(pair.base, pair.to, length))
}

const fn transmit(source: SocketAddr, destination: SocketAddr, length: usize) -> Transmit {
    Transmit {
        source: Some(source),
        destination,
        bytes: 0..length,
    }
}
