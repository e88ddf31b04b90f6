//! Why DTLS does not work out: [`DtlsFailure`] and [`IdentityError`].

use core::fmt;
use dimpl::{CertificateError, CryptoError, Error, SecurityError};

/// Why a DTLS session did not come about, or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DtlsFailure {
    /// The other side says so with a fatal alert.
    #[error("the other side refuses: {0}")]
    Alert(Alert),
    /// The server's certificate cannot be read, or its signature does not fit.
    #[error("the certificate is broken")]
    BadCertificate,
    /// The server's certificate is not for servers, is signed with something else than ECDSA on P-256 or P-384, or has a
    /// critical extension that is not understood.
    #[error("the certificate is of a kind that is not supported")]
    UnsupportedCertificate,
    /// The server's certificate has expired.
    #[error("the certificate has expired")]
    CertificateExpired,
    /// The server's certificate is not valid yet; a clock may be wrong.
    #[error("the certificate is not valid yet")]
    CertificateNotYetValid,
    /// The server's certificate is neither trusted itself nor signed by a trusted one.
    #[error("the certificate is not trusted")]
    UntrustedCertificate,
    /// The server's certificate is for another name.
    #[error("the certificate is for another name")]
    WrongName,
    /// The two sides have no cipher suite, curve or signature in common. The usual cause is a server with an RSA key, such as
    /// Godot's `Crypto.generate_rsa` makes: it answers a client of ours with the alert `handshake failure`, which shows as
    /// this.
    #[error("no cipher suite in common: both sides need ECDHE-ECDSA, so no RSA keys")]
    NothingInCommon,
    /// The other side speaks an older version than DTLS 1.2.
    #[error("the other side does not speak DTLS 1.2")]
    OldVersion,
    /// The other side lacks the extended master secret of RFC 7627.
    #[error("the other side lacks the extended master secret")]
    NoExtendedMasterSecret,
    /// The other side broke the protocol, or somebody interfered.
    #[error("the other side broke the protocol")]
    Protocol,
    /// The other side was not heard of in time. A server without DTLS is a usual cause.
    #[error("no answer in time")]
    Timeout,
    /// The other side ended the session.
    #[error("the other side ended the session")]
    Closed,
}

impl DtlsFailure {
    /// The alert that tells the other side, if it can use one (RFC 5246, 7.2.2).
    pub(super) const fn alert(self) -> Option<Alert> {
        match self {
            Self::BadCertificate => Some(Alert(42)),
            Self::UnsupportedCertificate => Some(Alert(43)),
            Self::CertificateExpired | Self::CertificateNotYetValid => Some(Alert(45)),
            Self::UntrustedCertificate => Some(Alert(48)),
            // The registry has no alert of its own for a name; this is what mbedTLS and OpenSSL send.
            Self::WrongName => Some(Alert(42)),
            Self::NothingInCommon | Self::NoExtendedMasterSecret => Some(Alert::HANDSHAKE_FAILURE),
            Self::OldVersion => Some(Alert(70)),
            Self::Protocol => Some(Alert(10)),
            Self::Alert(_) | Self::Timeout | Self::Closed => None,
        }
    }
}

impl From<Error> for DtlsFailure {
    fn from(error: Error) -> Self {
        use SecurityError as Security;
        match error {
            Error::SecurityError(Security::FatalAlert { description }) => {
                Self::Alert(Alert(description))
            }
            Error::SecurityError(Security::ExtendedMasterSecretNotNegotiated) => {
                Self::NoExtendedMasterSecret
            }
            Error::SecurityError(
                Security::UnsupportedClientVersion(_)
                | Security::UnsupportedServerVersion(_)
                | Security::UnsupportedHelloVerifyRequestVersion(_),
            ) => Self::OldVersion,
            Error::SecurityError(
                Security::NoMutuallyAcceptableCipherSuite
                | Security::NoCommonKeyExchangeGroup
                | Security::ServerSelectedUnknownCipherSuite
                | Security::ServerSelectedIncompatibleCipherSuite(_)
                | Security::ServerSelectedDisallowedCipherSuite(_),
            )
            | Error::CryptoError(
                CryptoError::NoSupportedKeyExchangeGroups
                | CryptoError::UnsupportedEcdheNamedGroup(_)
                | CryptoError::SignatureAlgorithmNotOfferedByClient
                | CryptoError::SignatureAlgorithmMismatch { .. },
            ) => Self::NothingInCommon,
            Error::CryptoError(
                CryptoError::CertificateParseFailed
                | CryptoError::InvalidSubjectPublicKey
                | CryptoError::InvalidPublicKey(_),
            )
            | Error::CertificateError(CertificateError::NoServerCertificateReceived) => {
                Self::BadCertificate
            }
            Error::CryptoError(
                CryptoError::UnsupportedPublicKeyAlgorithm
                | CryptoError::UnsupportedEcCurve
                | CryptoError::MissingEcCurveParameter
                | CryptoError::InvalidEcCurveParameter,
            ) => Self::UnsupportedCertificate,
            Error::Timeout(_) => Self::Timeout,
            Error::ConnectionClosed => Self::Closed,
            _ => Self::Protocol,
        }
    }
}

/// The description in a TLS alert; it shows as its registered name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number of the registry")]
pub struct Alert(pub u8);

impl Alert {
    /// Nothing of what was offered will do.
    pub(super) const HANDSHAKE_FAILURE: Self = Self(40);
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0 => "close notify",
            10 => "unexpected message",
            20 => "bad record MAC",
            22 => "record overflow",
            40 => "handshake failure",
            42 => "bad certificate",
            43 => "unsupported certificate",
            44 => "certificate revoked",
            45 => "certificate expired",
            46 => "certificate unknown",
            47 => "illegal parameter",
            48 => "unknown CA",
            49 => "access denied",
            50 => "decode error",
            51 => "decrypt error",
            70 => "protocol version",
            71 => "insufficient security",
            80 => "internal error",
            90 => "user canceled",
            100 => "no renegotiation",
            112 => "unrecognized name",
            number => return write!(f, "alert {number}"),
        };
        f.write_str(name)
    }
}

/// Why certificates or keys cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The text holds no certificate in PEM.
    #[error("no certificate in PEM form")]
    NoCertificate,
    /// A certificate cannot be read.
    #[error("the certificate cannot be read")]
    BadCertificate,
    /// The text holds more than the server's certificate: only that one can be sent, and clients have to trust whoever
    /// signed it.
    #[error("more than one certificate: give the server's alone, and let clients trust its issuer")]
    Chain,
    /// The text holds no private key in PEM.
    #[error("no private key in PEM form; encrypted keys are not supported")]
    NoKey,
    /// The key is not ECDSA on P-256 or P-384, such as the RSA keys that Godot's `Crypto` makes.
    #[error("the key is not ECDSA on P-256 or P-384")]
    UnsupportedKey,
    /// The key does not belong to the certificate.
    #[error("the key does not belong to the certificate")]
    KeyMismatch,
    /// The name cannot be written into a certificate.
    #[error("the name is neither a host name nor an address")]
    BadName,
}
