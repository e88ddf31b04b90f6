//! One DTLS session with one address: [`Session`].

use super::engine::{Cookie, from_std, to_std, with_cookie};
use super::failure::{Alert, DtlsFailure};
use super::hello::{self, ClientHello, RECORD_HEADER, Record};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::time::Duration;
use dimpl::{Config, Dtls, DtlsCertificate, Output};
use proto_core::Instant;

/// Longest datagram of a handshake that is looked at. With the queue of the engine that makes 64 KiB for a stranger.
const HANDSHAKE_DATAGRAM: usize = 4096;
/// How long a handshake goes on after an alert in the clear, which anybody can have sent.
const ALERT_GRACE: Duration = Duration::from_secs(2);
/// Bytes that a session needs to give out what it received: the most that a record may carry (RFC 5246, 6.2.1).
pub(super) const SCRATCH: usize = 1 << 14;

/// What a session asks and tells its owner.
pub(super) trait Owner {
    /// Judges the certificate of a server.
    fn judge(&mut self, certificate: &[u8]) -> Result<(), DtlsFailure>;
    /// Takes what was in a datagram.
    fn take(&mut self, plain: &[u8]);
}

/// What became of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing of importance.
    Same,
    /// The handshake is complete.
    Opened,
    /// It is over; what is in its outbox may still be sent.
    Ended(DtlsFailure),
}

#[derive(Debug)]
pub(super) struct Session {
    dtls: Dtls,
    is_open: bool,
    is_over: bool,
    /// The fatal alert that was heard in the clear.
    alert: Option<Alert>,
    is_client: bool,
    /// When it ends if nothing happens. The owner's, once the session is open.
    pub(super) deadline: Option<Instant>,
    /// When the library wants to be called.
    wake: Option<Instant>,
    /// Added to the sequence numbers of records in the clear.
    shift: u64,
    /// Whole datagrams.
    pub(super) outbox: VecDeque<Vec<u8>>,
}

impl Session {
    /// A client's, which says hello at once.
    pub(super) fn client(
        config: Arc<Config>,
        identity: DtlsCertificate,
        now: Instant,
        scratch: &mut [u8],
    ) -> Self {
        let mut session = Self::new(config, identity, now);
        session.is_client = true;
        session.dtls.set_active(true);
        session.run(now, scratch, &mut Deaf, |dtls| {
            dtls.handle_timeout(to_std(now))
        });
        session
    }

    /// A server's, for a client that said `hello` in `datagram` with `cookie`, which is right.
    pub(super) fn server(
        config: Arc<Config>,
        identity: DtlsCertificate,
        now: Instant,
        (hello, cookie): (&ClientHello<'_>, Cookie),
        (datagram, scratch): (&[u8], &mut [u8]),
    ) -> (Self, Outcome) {
        let mut session = Self::new(config, identity, now);
        // The library has to see the rounds that took place without it, and to send its answers to nobody.
        for number in 0..hello.message {
            let earlier = hello.without_cookie(number);
            session.run(now, scratch, &mut Deaf, |dtls| {
                dtls.handle_timeout(to_std(now))?;
                dtls.handle_packet(&earlier)
            });
        }
        session.outbox.clear();
        session.shift = hello.sequence.wrapping_sub(hello.message.into());
        let outcome = session.run(now, scratch, &mut Deaf, |dtls| {
            with_cookie(cookie, || dtls.handle_packet(datagram))
        });
        (session, outcome)
    }

    fn new(config: Arc<Config>, identity: DtlsCertificate, now: Instant) -> Self {
        let deadline = now.saturating_add(config.handshake_timeout());
        Self {
            dtls: Dtls::new_12(config, identity, to_std(now)),
            is_open: false,
            is_over: false,
            alert: None,
            is_client: false,
            deadline: Some(deadline),
            wake: None,
            shift: 0,
            outbox: VecDeque::new(),
        }
    }

    /// Whether ENet can send.
    pub(super) const fn is_open(&self) -> bool {
        self.is_open && !self.is_over
    }

    /// Whether the handshake was completed.
    pub(super) const fn was_open(&self) -> bool {
        self.is_open
    }

    /// Whether it has ended, and all is sent.
    pub(super) fn is_silent(&self) -> bool {
        self.is_over && self.outbox.is_empty()
    }

    /// When [`Session::handle_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match (self.deadline, self.wake) {
            (Some(deadline), Some(wake)) => Some(deadline.min(wake)),
            (deadline, wake) => deadline.or(wake),
        }
    }

    /// Takes in a datagram.
    pub(super) fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &[u8],
        scratch: &mut [u8],
        owner: &mut dyn Owner,
    ) -> Outcome {
        if self.is_over {
            return Outcome::Same;
        }
        if !self.is_open {
            if datagram.len() > HANDSHAKE_DATAGRAM {
                return Outcome::Same;
            }
            if let Some(alert) = fatal_alert(datagram) {
                self.alert.get_or_insert(alert);
                let end = now.saturating_add(ALERT_GRACE);
                self.deadline = self.deadline.map(|deadline| deadline.min(end));
                return Outcome::Same;
            }
        }
        self.run(now, scratch, owner, |dtls| {
            dtls.handle_timeout(to_std(now))?;
            dtls.handle_packet(datagram)
        })
    }

    /// Does what is due. A deadline of the owner's is the owner's business.
    pub(super) fn handle_timeout(&mut self, now: Instant, scratch: &mut [u8]) -> Outcome {
        if !self.is_open && self.deadline.is_some_and(|deadline| deadline <= now) {
            self.finish();
            return Outcome::Ended(self.explain(DtlsFailure::Timeout));
        }
        if self.is_over || self.wake.is_none_or(|wake| now < wake) {
            return Outcome::Same;
        }
        self.run(now, scratch, &mut Deaf, |dtls| {
            dtls.handle_timeout(to_std(now))
        })
    }

    /// Writes `plain` as one datagram into `buffer`; tells its length.
    pub(super) fn seal(&mut self, plain: &[u8], buffer: &mut [u8]) -> Result<usize, DtlsFailure> {
        if self.is_over {
            return Err(DtlsFailure::Closed);
        }
        self.dtls.send_application_data(plain)?;
        match self.dtls.poll_output(buffer) {
            Output::Packet(packet) => Ok(packet.len()),
            _ => Err(DtlsFailure::Protocol),
        }
    }

    /// Says goodbye (`close_notify`).
    pub(super) fn close(&mut self, now: Instant, scratch: &mut [u8]) {
        if !self.is_over {
            self.run(now, scratch, &mut Deaf, Dtls::close);
            self.finish();
        }
    }

    /// Nothing more happens, but what is in the outbox may still be sent.
    fn finish(&mut self) {
        self.is_over = true;
        self.deadline = None;
        self.wake = None;
    }

    /// Lets the library do something, and sees what comes of it.
    fn run(
        &mut self,
        now: Instant,
        scratch: &mut [u8],
        owner: &mut dyn Owner,
        call: impl FnOnce(&mut Dtls) -> Result<(), dimpl::Error>,
    ) -> Outcome {
        let result = call(&mut self.dtls).map_err(DtlsFailure::from);
        match result.and_then(|()| self.drain(now, scratch, owner)) {
            Ok(outcome) => {
                if matches!(outcome, Outcome::Ended(_)) {
                    self.finish();
                }
                outcome
            }
            Err(failure) => {
                self.finish();
                // Before it is explained: what the other side has said itself is not told back to it.
                if let Some(Alert(alert)) = failure.alert()
                    && !self.is_open
                {
                    self.outbox.clear();
                    self.outbox.push_back(hello::alert(alert));
                }
                Outcome::Ended(self.explain(failure))
            }
        }
    }

    fn drain(
        &mut self,
        now: Instant,
        scratch: &mut [u8],
        owner: &mut dyn Owner,
    ) -> Result<Outcome, DtlsFailure> {
        let mut outcome = Outcome::Same;
        loop {
            match self.dtls.poll_output(scratch) {
                Output::Packet(packet) => {
                    let mut packet = packet.to_vec();
                    hello::shift_sequences(&mut packet, self.shift);
                    self.outbox.push_back(packet);
                }
                Output::PeerCert(certificate) => owner.judge(certificate)?,
                Output::Connected => {
                    self.is_open = true;
                    self.deadline = None;
                    outcome = Outcome::Opened;
                }
                Output::ApplicationData(plain) => owner.take(plain),
                Output::CloseNotify => outcome = Outcome::Ended(DtlsFailure::Closed),
                Output::Timeout(at) => {
                    self.wake = from_std(now, at);
                    return Ok(outcome);
                }
                Output::BufferTooSmall { .. } => return Err(DtlsFailure::Protocol),
                _ => {}
            }
        }
    }

    /// What failed, in the words of the other side if it said something.
    fn explain(&self, failure: DtlsFailure) -> DtlsFailure {
        match (failure, self.alert) {
            // A server that cannot pick anything from the hello says this and nothing else (RFC 5246, 7.4.1.3).
            (DtlsFailure::Timeout, Some(Alert::HANDSHAKE_FAILURE)) if self.is_client => {
                DtlsFailure::NothingInCommon
            }
            (DtlsFailure::Timeout, Some(alert)) => DtlsFailure::Alert(alert),
            (failure, _) => failure,
        }
    }
}

/// The fatal alert in the clear that `datagram` starts with.
fn fatal_alert(datagram: &[u8]) -> Option<Alert> {
    let record = Record::peek(datagram)?;
    match datagram.get(RECORD_HEADER..)? {
        &[2, description, ..] if record.content == Record::ALERT && record.epoch == 0 => {
            Some(Alert(description))
        }
        _ => None,
    }
}

/// For calls that bring neither certificates nor data.
struct Deaf;

impl Owner for Deaf {
    fn judge(&mut self, _: &[u8]) -> Result<(), DtlsFailure> {
        Err(DtlsFailure::Protocol)
    }

    fn take(&mut self, _: &[u8]) {}
}
