//! Settings: [`DtlsServer`] and [`DtlsClient`].

use super::failure::{DtlsFailure, IdentityError};
use super::identity::Identity;
use super::trust::Trust;
use core::time::Duration;
use std::time::SystemTime;

/// How long a handshake may take: the time after which Godot's server gives up is 8 s.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// DTLS at a server, as `ENetConnection.dtls_server_setup` with `TLSOptions.server` sets it up in Godot.
///
/// Clients without DTLS are not served.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DtlsServer {
    /// The certificate that clients get to see, and its key.
    pub identity: Identity,
    /// Sessions at a time, for each listener, that have no ENet connection yet; their clients have proven their address. A
    /// handshake that failed counts for as long as it may take. Default: 256, up to 64 KiB each.
    pub half_open: usize,
    /// How many of these one IPv4 address, or one IPv6 network of 64 bits, may have. Default: 8.
    pub half_open_per_address: usize,
    /// How long a handshake may take. Default: 10 s.
    pub handshake_timeout: Duration,
    /// How long a session may be without an ENet connection after its handshake. Default: 10 s.
    pub unused_timeout: Duration,
}

impl DtlsServer {
    /// The defaults.
    #[must_use]
    pub const fn new(identity: Identity) -> Self {
        Self {
            identity,
            half_open: 256,
            half_open_per_address: 8,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            unused_timeout: Duration::from_secs(10),
        }
    }
}

/// DTLS at a client, as `ENetConnection.dtls_client_setup` sets it up in Godot.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DtlsClient {
    trust: Option<Trust>,
    name: Option<String>,
    date: SystemTime,
    /// How long the handshake may take. Default: 10 s.
    pub handshake_timeout: Duration,
}

impl DtlsClient {
    /// Accepts a server that shows a certificate for `name` which is among `trusted` or signed by one of them
    /// (`TLSOptions.client(trusted, name)`).
    ///
    /// `trusted` is PEM with one or more certificates. Only ECDSA signatures on P-256 and P-384 are known, and servers
    /// send no intermediate certificates: give those too. `date` is today, for the dates in certificates. There is no
    /// built-in list of authorities.
    ///
    /// # Errors
    /// [`IdentityError::NoCertificate`], [`IdentityError::BadCertificate`].
    pub fn new(trusted: &str, name: &str, date: SystemTime) -> Result<Self, IdentityError> {
        let mut client = Self::with_any_name(trusted, date)?;
        client.name = Some(name.to_owned());
        Ok(client)
    }

    /// The same for a certificate with any name (`TLSOptions.client_unsafe(trusted)`).
    ///
    /// # Errors
    /// As [`DtlsClient::new`].
    pub fn with_any_name(trusted: &str, date: SystemTime) -> Result<Self, IdentityError> {
        Ok(Self {
            trust: Some(Trust::from_pem(trusted)?),
            name: None,
            date,
            handshake_timeout: HANDSHAKE_TIMEOUT,
        })
    }

    /// Accepts whoever answers (`TLSOptions.client_unsafe()`): nobody on the way can listen in, unless it takes the
    /// server's place.
    #[must_use]
    pub const fn accept_anybody() -> Self {
        Self {
            trust: None,
            name: None,
            date: SystemTime::UNIX_EPOCH,
            handshake_timeout: HANDSHAKE_TIMEOUT,
        }
    }

    pub(super) fn judge(&self, certificate: &[u8]) -> Result<(), DtlsFailure> {
        match &self.trust {
            Some(trust) => trust.verify(certificate, self.name.as_deref(), self.date),
            None => Ok(()),
        }
    }
}
