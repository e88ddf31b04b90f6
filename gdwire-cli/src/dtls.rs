//! DTLS of `connect`, `host` and `swarm`: `dtls=1` in the URL, and the options for certificates.

use crate::url::EnetUrl;
use clap::Args;
use gdwire::drive;
use gdwire::dtls::{DtlsClient, DtlsServer, Identity};
use std::io;
use std::path::{Path, PathBuf};

/// What a client with `dtls=1` accepts.
#[derive(Args, Clone, Debug)]
pub(crate) struct ClientDtls {
    /// dtls=1: trusts these certificates, a PEM file: the server's own or its issuers
    #[arg(long, value_name = "FILE")]
    dtls_ca: Option<PathBuf>,
    /// dtls=1: the name in the server's certificate; without, the host of the URL
    #[arg(long, value_name = "NAME", requires = "dtls_ca")]
    dtls_name: Option<String>,
    /// dtls=1: accepts any server
    #[arg(long, conflicts_with_all = ["dtls_ca", "dtls_name"])]
    dtls_unsafe: bool,
}

impl ClientDtls {
    /// The settings for a server at `url`; `None` without DTLS.
    pub(crate) fn settings(&self, url: &EnetUrl) -> io::Result<Option<DtlsClient>> {
        let is_asked = self.dtls_ca.is_some() || self.dtls_unsafe;
        match (url.dtls, &self.dtls_ca) {
            (false, _) if is_asked => Err(wrong("--dtls-…: the URL lacks dtls=1")),
            (false, _) => Ok(None),
            (true, Some(file)) => {
                let name = self.dtls_name.as_deref().unwrap_or(&url.host);
                let client = DtlsClient::new(&read(file)?, name, drive::date());
                let client =
                    client.map_err(|error| wrong(format!("{}: {error}", file.display())))?;
                Ok(Some(client))
            }
            (true, None) if self.dtls_unsafe => Ok(Some(DtlsClient::accept_anybody())),
            (true, None) => Err(wrong("dtls=1: give --dtls-ca FILE or --dtls-unsafe")),
        }
    }
}

/// What a host with `dtls=1` shows.
#[derive(Args, Clone, Debug)]
pub(crate) struct HostDtls {
    /// dtls=1: the certificate of the server, a PEM file
    ///
    /// Without, one is made for the host of the URL, or for localhost, and shown in the first line.
    #[arg(long, value_name = "FILE", requires = "dtls_key")]
    dtls_cert: Option<PathBuf>,
    /// dtls=1: its private key, a PEM file; ECDSA on P-256 or P-384
    #[arg(long, value_name = "FILE", requires = "dtls_cert")]
    dtls_key: Option<PathBuf>,
}

impl HostDtls {
    /// The settings of a server at `url`; `None` without DTLS. With them comes the certificate if it was made here.
    pub(crate) fn settings(
        &self,
        url: &EnetUrl,
    ) -> io::Result<Option<(DtlsServer, Option<String>)>> {
        match (url.dtls, &self.dtls_cert, &self.dtls_key) {
            (false, None, _) => Ok(None),
            (false, ..) => Err(wrong("--dtls-cert: the URL lacks dtls=1")),
            (true, Some(certificate), Some(key)) => {
                let identity = Identity::from_pem(&read(certificate)?, &read(key)?);
                let identity = identity
                    .map_err(|error| wrong(format!("{}: {error}", certificate.display())))?;
                Ok(Some((DtlsServer::new(identity), None)))
            }
            (true, ..) => {
                let name = match url.host.as_str() {
                    "" | "*" => "localhost",
                    host => host,
                };
                let identity = Identity::self_signed(name, drive::date(), drive::seed()?);
                let identity = identity.map_err(|error| wrong(format!("{name}: {error}")))?;
                let certificate = identity.certificate_pem();
                Ok(Some((DtlsServer::new(identity), Some(certificate))))
            }
        }
    }
}

fn read(file: &Path) -> io::Result<String> {
    std::fs::read_to_string(file).map_err(|error| wrong(format!("{}: {error}", file.display())))
}

fn wrong(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message.into())
}
