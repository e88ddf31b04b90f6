//! A server's certificate and key: [`Identity`].

use super::failure::IdentityError;
use super::{engine, pem};
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;
use core::time::Duration;
use dimpl::DtlsCertificate;
use dimpl::crypto::{Buf, HashAlgorithm, SignatureAlgorithm};
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::EncodePrivateKey;
use proto_core::SeedRng;
use std::time::{SystemTime, UNIX_EPOCH};
use x509_cert::Certificate;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder, CertificateBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::asn1::{GeneralizedTime, Ia5String, OctetString, UtcTime};
use x509_cert::der::oid::db::rfc5280::ID_KP_SERVER_AUTH;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

/// How long before its making a self-signed certificate is valid, for clocks that are behind.
const BACKDATED: Duration = Duration::from_secs(24 * 3600);
/// How long a self-signed certificate is valid.
const VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// The last second that `UTCTime` can express is in 2049 (RFC 5280, 4.1.2.5).
const UTC_TIME_ENDS: Duration = Duration::from_secs(2_524_608_000);

/// A certificate and its private key: what Godot's `TLSOptions.server` takes.
///
/// The key has to be ECDSA on P-256 or P-384; the RSA keys that Godot's `Crypto.generate_rsa` makes are refused, because
/// the DTLS library does not speak RSA. `openssl ecparam -name prime256v1 -genkey -noout -out key.pem` makes a key that
/// this and Godot's `CryptoKey.load` read. One certificate is sent, without intermediate ones.
#[derive(Clone)]
pub struct Identity {
    /// Both in DER.
    pair: DtlsCertificate,
    /// What the key is in PEM.
    key_label: &'static str,
}

/// What a private key can be in PEM: PKCS #8, or SEC 1 as `openssl ecparam` writes it.
const KEY_LABELS: [&str; 2] = ["PRIVATE KEY", "EC PRIVATE KEY"];

impl Identity {
    /// Reads a certificate and its key, both as PEM: `CERTIFICATE`, and `PRIVATE KEY` or `EC PRIVATE KEY`.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, IdentityError> {
        let mut certificates = pem::decode("CERTIFICATE", certificate);
        let certificate = certificates.next().ok_or(IdentityError::NoCertificate)?;
        let certificate = certificate.map_err(|_| IdentityError::BadCertificate)?;
        if certificates.next().is_some() {
            return Err(IdentityError::Chain);
        }
        Certificate::from_der(&certificate).map_err(|_| IdentityError::BadCertificate)?;
        let found = KEY_LABELS
            .iter()
            .find_map(|label| Some((*label, pem::decode(label, key).next()?)));
        let (key_label, private_key) = found.ok_or(IdentityError::NoKey)?;
        let identity = Self {
            pair: DtlsCertificate {
                certificate,
                private_key: private_key.map_err(|_| IdentityError::NoKey)?,
            },
            key_label,
        };
        identity.check()?;
        Ok(identity)
    }

    /// Makes a key and a certificate for `name`, a host name or an IP address, that is valid for ten years from `now` on.
    ///
    /// Give [`Identity::certificate_pem`] to clients: a Godot client loads it as an `X509Certificate` and connects with
    /// `TLSOptions.client(certificate, name)`. Whoever knows `seed` knows the key.
    ///
    /// # Errors
    /// [`IdentityError::BadName`].
    pub fn self_signed(name: &str, now: SystemTime, seed: [u8; 32]) -> Result<Self, IdentityError> {
        let mut rng = SeedRng::new(seed);
        let key = loop {
            // All but one in 2³² numbers are keys.
            if let Ok(key) = SigningKey::from_slice(&rng.split()) {
                break key;
            }
        };
        let mut serial = [0; 16];
        rng.fill(&mut serial);
        let certificate = certify(name, now, &serial, &key).ok_or(IdentityError::BadName)?;
        let private_key = key
            .to_pkcs8_der()
            .map_err(|_| IdentityError::UnsupportedKey)?;
        Ok(Self {
            pair: DtlsCertificate {
                certificate,
                private_key: private_key.as_bytes().to_vec(),
            },
            key_label: KEY_LABELS[0],
        })
    }

    /// The certificate as PEM, for those who shall trust it.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        pem::encode("CERTIFICATE", &self.pair.certificate)
    }

    /// The private key as PEM.
    #[must_use]
    pub fn key_pem(&self) -> String {
        pem::encode(self.key_label, &self.pair.private_key)
    }

    /// The certificate as DER.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        &self.pair.certificate
    }

    pub(super) fn pair(&self) -> DtlsCertificate {
        self.pair.clone()
    }

    /// Signs something and looks whether the certificate agrees.
    fn check(&self) -> Result<(), IdentityError> {
        let provider = engine::provider();
        let mut key = provider
            .key_provider
            .load_private_key(&self.pair.private_key)
            .map_err(|_| IdentityError::UnsupportedKey)?;
        let (data, hash) = (b"whose key is this?", HashAlgorithm::SHA256);
        let mut signature = Buf::new();
        key.sign(data, hash, &mut signature)
            .map_err(|_| IdentityError::UnsupportedKey)?;
        provider
            .signature_verification
            .verify_signature(
                &self.pair.certificate,
                data,
                &signature,
                hash,
                SignatureAlgorithm::ECDSA,
            )
            .map_err(|_| IdentityError::KeyMismatch)
    }
}

impl fmt::Debug for Identity {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} bytes)", self.pair.certificate.len())
    }
}

/// The certificate for `name` and `key`, in DER.
fn certify(name: &str, now: SystemTime, serial: &[u8], key: &SigningKey) -> Option<Vec<u8>> {
    let profile = SelfSigned::new(name)?;
    let now = now.duration_since(UNIX_EPOCH).ok()?;
    let validity = Validity::new(
        moment(now.saturating_sub(BACKDATED))?,
        moment(now.saturating_add(VALIDITY))?,
    );
    let public = SubjectPublicKeyInfo::from_key(key.verifying_key()).ok()?;
    let serial = SerialNumber::new(serial).ok()?;
    let builder = CertificateBuilder::new(profile, serial, validity, public).ok()?;
    let certificate = builder.build::<_, DerSignature>(key).ok()?;
    certificate.to_der().ok()
}

fn moment(since_1970: Duration) -> Option<Time> {
    let seconds = Duration::from_secs(since_1970.as_secs());
    if seconds < UTC_TIME_ENDS {
        return Some(Time::UtcTime(UtcTime::from_unix_duration(seconds).ok()?));
    }
    let general = GeneralizedTime::from_unix_duration(seconds).ok()?;
    Some(Time::GeneralTime(general))
}

/// What a self-signed server certificate says.
struct SelfSigned {
    subject: Name,
    alternatives: Vec<GeneralName>,
}

impl SelfSigned {
    fn new(name: &str) -> Option<Self> {
        let address = match name.parse() {
            Ok(IpAddr::V4(address)) => Some(GeneralName::IpAddress(octets(&address.octets())?)),
            Ok(IpAddr::V6(address)) => Some(GeneralName::IpAddress(octets(&address.octets())?)),
            Err(_) if is_host_name(name) => None,
            Err(_) => return None,
        };
        // An address as well: mbedTLS before 3.4 looks at nothing else.
        let host = GeneralName::DnsName(Ia5String::new(name).ok()?);
        Some(Self {
            subject: Name::from_str(&format!("CN={name}")).ok()?,
            alternatives: address.into_iter().chain([host]).collect(),
        })
    }
}

fn octets(bytes: &[u8]) -> Option<OctetString> {
    OctetString::new(bytes).ok()
}

/// Whether `name` can be the common name, which has at most 64 characters (RFC 5280, appendix A.1).
fn is_host_name(name: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(is_fit)
}

impl BuilderProfile for SelfSigned {
    fn get_issuer(&self, subject: &Name) -> Name {
        subject.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        _: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        let constraints = BasicConstraints {
            ca: false,
            path_len_constraint: None,
        };
        let usage = KeyUsage(KeyUsages::DigitalSignature.into());
        let purpose = ExtendedKeyUsage(vec![ID_KP_SERVER_AUTH]);
        let names = SubjectAltName(self.alternatives.clone());
        Ok(vec![
            (&constraints).to_extension(tbs.subject(), &[])?,
            (&usage).to_extension(tbs.subject(), &[])?,
            (&purpose).to_extension(tbs.subject(), &[])?,
            (&names).to_extension(tbs.subject(), &[])?,
        ])
    }
}
