//! A player tells the service its public address: [`Registration`].

use super::{BadAddress, DropReason, INTERVAL, PATIENCE};
use alloc::boxed::Box;
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::{Handled, Instant, Transmit, Writer, is_possible_source};

/// Longest private id that a registration sends, in bytes; noray gives out 128.
pub const MOST_PID_BYTES: usize = 512;

/// How a [`Registration`] goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegistrationConfig {
    /// Time between two datagrams; 100 ms.
    pub interval: Duration,
    /// When it gives up; 8 s.
    pub patience: Duration,
}

impl Default for RegistrationConfig {
    fn default() -> Self {
        Self {
            interval: INTERVAL,
            patience: PATIENCE,
        }
    }
}

/// How a registration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller must go on from each of the three"
)]
pub enum Registered {
    /// The service answered `OK`.
    Ok,
    /// It answered something else; the addon treats that as final, and so does this.
    Refused,
    /// Nothing came.
    Silent,
}

/// Why there is no registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadPid {
    /// The private id is empty or longer than [`MOST_PID_BYTES`].
    #[error("the private id is empty or too long")]
    Length,
    /// Nobody can be at the registrar's address.
    #[error(transparent)]
    Registrar(#[from] BadAddress),
}

/// Sends the private id from the socket of the game to the registrar, until that answers.
///
/// The address that the registrar sees is the one that others are told, so this must use the very socket that will be
/// punched and played with.
pub struct Registration {
    config: RegistrationConfig,
    registrar: SocketAddr,
    pid: Box<[u8]>,
    next: Instant,
    ends: Instant,
    outcome: Option<Registered>,
    told: bool,
}

impl core::fmt::Debug for Registration {
    /// The private id is a secret, so it is not shown.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Registration")
            .field("registrar", &self.registrar)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

impl Registration {
    /// A registration of `pid` (what `set-pid` brought) with the service at `registrar`, by default its port 8809.
    ///
    /// # Errors
    /// If `pid` is empty or too long, or nobody can be at `registrar`.
    pub fn new(
        now: Instant,
        registrar: SocketAddr,
        pid: &[u8],
        config: RegistrationConfig,
    ) -> Result<Self, BadPid> {
        if pid.is_empty() || pid.len() > MOST_PID_BYTES {
            return Err(BadPid::Length);
        }
        if !is_possible_source(registrar) {
            return Err(BadAddress.into());
        }
        Ok(Self {
            config,
            registrar,
            pid: pid.into(),
            next: now,
            ends: now + config.patience,
            outcome: None,
            told: false,
        })
    }

    /// Takes a datagram that arrived on the socket. Everything from the registrar is its answer, but for the four-byte
    /// keepalive `$---`.
    pub fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8]) -> Handled<DropReason> {
        if from != self.registrar {
            return Handled::NotMine;
        }
        if datagram == b"$---" {
            return Handled::Consumed;
        }
        if self.outcome.is_some() {
            return Handled::Dropped(DropReason::Late);
        }
        self.outcome = Some(if datagram == b"OK" {
            Registered::Ok
        } else {
            Registered::Refused
        });
        Handled::Consumed
    }

    /// Gives up if it is time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.outcome.is_none() && now >= self.ends {
            self.outcome = Some(Registered::Silent);
        }
    }

    /// Writes the next datagram into `buffer`, which has at least [`MOST_PID_BYTES`].
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        if self.outcome.is_some() || now < self.next || now >= self.ends {
            return None;
        }
        Writer::new(buffer).bytes(&self.pid).ok()?;
        self.next = now + self.config.interval;
        Some(Transmit {
            source: None,
            destination: self.registrar,
            bytes: 0..self.pid.len(),
        })
    }

    /// When to call [`Registration::handle_timeout`] and [`Registration::poll_transmit`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.outcome.is_none().then(|| self.next.min(self.ends))
    }

    /// How it ended, once.
    pub fn poll_event(&mut self) -> Option<Registered> {
        let outcome = self.outcome.filter(|_| !self.told)?;
        self.told = true;
        Some(outcome)
    }
}
