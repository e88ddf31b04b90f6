//! Which server certificates a client accepts: [`Trust`].
//!
//! The rules are those of mbedTLS as Godot sets it up: a certificate is good if it is among the trusted ones itself, or is
//! signed by one of them that may sign; dates, key usage and name have to fit. The name is looked for among the alternative
//! names, and in the common name only if there are none.

use super::engine;
use super::failure::{DtlsFailure, IdentityError};
use super::pem;
use core::net::IpAddr;
use core::time::Duration;
use dimpl::crypto::{HashAlgorithm, SignatureAlgorithm};
use std::time::{SystemTime, UNIX_EPOCH};
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::oid::db::rfc5280::{ANY_EXTENDED_KEY_USAGE, ID_KP_SERVER_AUTH};
use x509_cert::der::oid::db::rfc5912::{ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384};
use x509_cert::der::{Decode, Header, Reader, SliceReader};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
};

/// Extensions that may be critical because they are looked at here.
const UNDERSTOOD: [ObjectIdentifier; 4] = [
    BasicConstraints::OID,
    ExtendedKeyUsage::OID,
    KeyUsage::OID,
    SubjectAltName::OID,
];

/// Certificates that are trusted.
#[derive(Clone, Debug)]
pub(super) struct Trust(Vec<Parsed>);

/// A certificate, as it came and as it reads.
#[derive(Clone, Debug)]
struct Parsed {
    der: Vec<u8>,
    certificate: Certificate,
}

impl Trust {
    /// Reads all certificates in `text`, which is PEM.
    pub(super) fn from_pem(text: &str) -> Result<Self, IdentityError> {
        let parsed = pem::decode("CERTIFICATE", text).map(|der| {
            let der = der.map_err(|_| IdentityError::BadCertificate)?;
            Parsed::new(&der).ok_or(IdentityError::BadCertificate)
        });
        let trusted: Vec<_> = parsed.collect::<Result<_, _>>()?;
        if trusted.is_empty() {
            return Err(IdentityError::NoCertificate);
        }
        Ok(Self(trusted))
    }

    /// Judges the certificate of a server that shall be `name`, or may be anybody, at `date`.
    pub(super) fn verify(
        &self,
        der: &[u8],
        name: Option<&str>,
        date: SystemTime,
    ) -> Result<(), DtlsFailure> {
        let server = Parsed::new(der).ok_or(DtlsFailure::BadCertificate)?;
        self.find_issuer(&server, date)?;
        server.check_date(date)?;
        server.check_purpose()?;
        match name {
            Some(name) if !server.is_for(name) => Err(DtlsFailure::WrongName),
            _ => Ok(()),
        }
    }

    fn find_issuer(&self, server: &Parsed, date: SystemTime) -> Result<(), DtlsFailure> {
        if self.0.iter().any(|trusted| trusted.der == server.der) {
            return Ok(());
        }
        let mut verdict = DtlsFailure::UntrustedCertificate;
        for trusted in &self.0 {
            if !trusted.is_issuer_of(server) {
                continue;
            }
            match server
                .check_signature(trusted)
                .and_then(|()| trusted.check_date(date))
            {
                Ok(()) => return Ok(()),
                Err(failure) => verdict = failure,
            }
        }
        Err(verdict)
    }
}

impl Parsed {
    fn new(der: &[u8]) -> Option<Self> {
        Some(Self {
            der: der.to_vec(),
            certificate: Certificate::from_der(der).ok()?,
        })
    }

    fn extension<'a, T: Decode<'a> + AssociatedOid>(&'a self) -> Result<Option<T>, DtlsFailure> {
        match self.certificate.tbs_certificate().get_extension::<T>() {
            Ok(found) => Ok(found.map(|(_, extension)| extension)),
            Err(_) => Err(DtlsFailure::BadCertificate),
        }
    }

    fn check_date(&self, date: SystemTime) -> Result<(), DtlsFailure> {
        let now = date.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let validity = self.certificate.tbs_certificate().validity();
        if now < validity.not_before.to_unix_duration() {
            return Err(DtlsFailure::CertificateNotYetValid);
        }
        if now > validity.not_after.to_unix_duration() {
            return Err(DtlsFailure::CertificateExpired);
        }
        Ok(())
    }

    /// Whether it may sign a TLS server's handshake.
    fn check_purpose(&self) -> Result<(), DtlsFailure> {
        let usage: Option<KeyUsage> = self.extension()?;
        let purposes: Option<ExtendedKeyUsage> = self.extension()?;
        let may_sign = usage.is_none_or(|usage| usage.0.contains(KeyUsages::DigitalSignature));
        let is_server = purposes.is_none_or(|purposes| {
            let is_fit = |id: &_| *id == ID_KP_SERVER_AUTH || *id == ANY_EXTENDED_KEY_USAGE;
            purposes.0.iter().any(is_fit)
        });
        if may_sign && is_server && self.is_understood() {
            Ok(())
        } else {
            Err(DtlsFailure::UnsupportedCertificate)
        }
    }

    fn is_understood(&self) -> bool {
        let extensions = self.certificate.tbs_certificate().extensions();
        let mut critical = extensions
            .into_iter()
            .flatten()
            .filter(|extension| extension.critical);
        critical.all(|extension| UNDERSTOOD.contains(&extension.extn_id))
    }

    /// Whether it names the issuer of `server`, and may issue.
    fn is_issuer_of(&self, server: &Self) -> bool {
        let (own, other) = (
            self.certificate.tbs_certificate(),
            server.certificate.tbs_certificate(),
        );
        let constraints = self.extension::<BasicConstraints>();
        let usage = self.extension::<KeyUsage>();
        own.subject() == other.issuer()
            && matches!(constraints, Ok(Some(constraints)) if constraints.ca)
            && matches!(usage, Ok(usage) if usage.is_none_or(|usage| usage.0.contains(KeyUsages::KeyCertSign)))
            && self.is_understood()
    }

    fn check_signature(&self, issuer: &Self) -> Result<(), DtlsFailure> {
        let certificate = &self.certificate;
        let algorithm = certificate.signature_algorithm();
        if algorithm != certificate.tbs_certificate().signature() {
            return Err(DtlsFailure::BadCertificate);
        }
        let hash = match algorithm.oid {
            ECDSA_WITH_SHA_256 => HashAlgorithm::SHA256,
            ECDSA_WITH_SHA_384 => HashAlgorithm::SHA384,
            _ => return Err(DtlsFailure::UnsupportedCertificate),
        };
        let (Some(signed), Some(signature)) =
            (signed_part(&self.der), certificate.signature().as_bytes())
        else {
            return Err(DtlsFailure::BadCertificate);
        };
        engine::provider()
            .signature_verification
            .verify_signature(
                &issuer.der,
                signed,
                signature,
                hash,
                SignatureAlgorithm::ECDSA,
            )
            .map_err(|_| DtlsFailure::UntrustedCertificate)
    }

    fn is_for(&self, name: &str) -> bool {
        let address: Option<IpAddr> = name.parse().ok();
        let alternatives: Option<SubjectAltName> = self.extension().ok().flatten();
        let Some(alternatives) = alternatives else {
            let subject = self.certificate.tbs_certificate().subject();
            let common = subject.common_name().ok().flatten();
            return common.is_some_and(|common| matches_name(&common.value(), name));
        };
        alternatives.0.iter().any(|alternative| match alternative {
            GeneralName::DnsName(pattern) => matches_name(pattern.as_str(), name),
            GeneralName::IpAddress(octets) => match address {
                Some(IpAddr::V4(address)) => octets.as_bytes() == address.octets(),
                Some(IpAddr::V6(address)) => octets.as_bytes() == address.octets(),
                None => false,
            },
            _ => false,
        })
    }
}

/// The part of a certificate that is signed, byte by byte as it came.
fn signed_part(der: &[u8]) -> Option<&[u8]> {
    let mut reader = SliceReader::new(der).ok()?;
    Header::decode(&mut reader).ok()?;
    reader.tlv_bytes().ok()
}

/// Whether `pattern` is `name`, or `*` instead of its first label.
fn matches_name(pattern: &str, name: &str) -> bool {
    if pattern.eq_ignore_ascii_case(name) {
        return true;
    }
    let Some(domain) = pattern.strip_prefix("*.") else {
        return false;
    };
    name.split_once('.')
        .is_some_and(|(host, rest)| !host.is_empty() && domain.eq_ignore_ascii_case(rest))
}
