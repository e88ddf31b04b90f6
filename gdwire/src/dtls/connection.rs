//! The session of a client: [`Connection`].

use super::config::DtlsClient;
use super::failure::DtlsFailure;
use super::hello::Record;
use super::identity::Identity;
use super::session::{Outcome, Owner, SCRATCH, Session};
use super::{DtlsStats, Received, engine};
use alloc::sync::Arc;
use core::net::SocketAddr;
use dimpl::{Config, DtlsCertificate};
use proto_core::{Instant, Transmit};
use std::time::SystemTime;

/// DTLS between a client's socket and its ENet host.
#[derive(Debug)]
pub(crate) struct Connection {
    settings: DtlsClient,
    config: Arc<Config>,
    /// The library wants a certificate of clients as well; it is shown to nobody but those who ask for one.
    pair: DtlsCertificate,
    server: Option<SocketAddr>,
    session: Option<Session>,
    failure: Option<DtlsFailure>,
    scratch: Vec<u8>,
    stats: DtlsStats,
}

impl Connection {
    /// `seed` makes the client's own certificate.
    pub(crate) fn new(settings: DtlsClient, seed: [u8; 32]) -> Result<Self, dimpl::Error> {
        let identity = Identity::self_signed("client", SystemTime::UNIX_EPOCH, seed);
        let identity = identity.map_err(|_| dimpl::Error::ConnectionClosed)?;
        Ok(Self {
            config: engine::client(settings.handshake_timeout)?,
            settings,
            pair: identity.pair(),
            server: None,
            session: None,
            failure: None,
            scratch: vec![0; SCRATCH],
            stats: DtlsStats::default(),
        })
    }

    pub(crate) const fn stats(&self) -> &DtlsStats {
        &self.stats
    }

    /// Begins the handshake.
    pub(crate) fn connect(&mut self, now: Instant, server: SocketAddr) {
        self.server = Some(server);
        self.stats.handshakes += 1;
        let (config, pair) = (Arc::clone(&self.config), self.pair.clone());
        self.session = Some(Session::client(config, pair, now, &mut self.scratch));
    }

    /// Whether ENet can send.
    pub(crate) fn is_open(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_open)
    }

    /// Takes in a datagram; `take` gets what was in it.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        take: &mut dyn FnMut(&[u8]),
    ) -> Received {
        if Record::peek(datagram).is_none() {
            self.stats.plain += 1;
            return Received::NotDtls;
        }
        let session = self.session.as_mut().filter(|_| self.server == Some(from));
        let Some(session) = session else {
            self.stats.unknown += 1;
            return Received::Dropped;
        };
        let owner = &mut ServerData {
            settings: &self.settings,
            take,
        };
        let outcome = session.handle_datagram(now, datagram, &mut self.scratch, owner);
        self.settle(outcome);
        Received::Used
    }

    fn settle(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Same => {}
            Outcome::Opened => self.stats.opened += 1,
            Outcome::Ended(failure) => {
                if !self.session.as_ref().is_some_and(Session::was_open) {
                    self.stats.failed += 1;
                }
                self.failure = Some(failure);
            }
        }
    }

    /// Why the session ended by itself; said once.
    pub(crate) fn poll_end(&mut self) -> Option<DtlsFailure> {
        self.failure.take()
    }

    /// Writes the next datagram that is no ENet into `buffer`.
    pub(crate) fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<Transmit> {
        let (session, destination) = (self.session.as_mut()?, self.server?);
        let datagram = session.outbox.pop_front()?;
        let bytes = 0..datagram.len();
        buffer.get_mut(bytes.clone())?.copy_from_slice(&datagram);
        Some(Transmit {
            source: None,
            destination,
            bytes,
        })
    }

    /// Writes a datagram of the ENet host into `buffer`; `None` if there is no session with `destination`.
    pub(crate) fn seal(
        &mut self,
        destination: SocketAddr,
        plain: &[u8],
        buffer: &mut [u8],
    ) -> Option<Transmit> {
        let is_server = self.server == Some(destination);
        let session = self
            .session
            .as_mut()
            .filter(|session| is_server && session.is_open())?;
        match session.seal(plain, buffer) {
            Ok(length) => Some(Transmit {
                source: None,
                destination,
                bytes: 0..length,
            }),
            Err(failure) => {
                self.stats.unsent += 1;
                self.settle(Outcome::Ended(failure));
                None
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.session.as_ref()?.poll_timeout()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Some(session) = &mut self.session {
            let outcome = session.handle_timeout(now, &mut self.scratch);
            self.settle(outcome);
        }
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self, now: Instant) {
        if let Some(session) = &mut self.session {
            session.close(now, &mut self.scratch);
        }
    }

    /// Whether there is no session, or it has ended, and all is sent.
    pub(crate) fn is_silent(&self) -> bool {
        self.session.as_ref().is_none_or(Session::is_silent)
    }
}

struct ServerData<'a> {
    settings: &'a DtlsClient,
    take: &'a mut dyn FnMut(&[u8]),
}

impl Owner for ServerData<'_> {
    fn judge(&mut self, certificate: &[u8]) -> Result<(), DtlsFailure> {
        self.settings.judge(certificate)
    }

    fn take(&mut self, plain: &[u8]) {
        (self.take)(plain);
    }
}
