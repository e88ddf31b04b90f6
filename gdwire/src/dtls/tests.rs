//! Cookies, certificates and keys, each by itself.

use super::hello::{ClientHello, CookieJar, Record, alert, shift_sequences};
use super::trust::Trust;
use super::{Alert, DtlsFailure, Identity, IdentityError};
use core::net::SocketAddr;
use core::time::Duration;
use proto_core::Instant;
use std::time::{SystemTime, UNIX_EPOCH};

fn today() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// A ClientHello with `cookie`, as message and record `number`.
fn hello(cookie: &[u8], number: u8) -> Vec<u8> {
    let body = [
        &[0xfe, 0xfd][..],
        &[7; 32],
        &[0],
        &[u8::try_from(cookie.len()).unwrap()],
        cookie,
        &[0, 2, 0xcc, 0xa9, 1, 0],
    ]
    .concat();
    let length = u8::try_from(body.len()).unwrap();
    [
        &[22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, number, 0, length + 12][..],
        &[1, 0, 0, length, 0, number, 0, 0, 0, 0, 0, length],
        &body,
    ]
    .concat()
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], port))
}

#[test]
fn a_hello_is_read_and_told_from_what_is_none() {
    let bytes = hello(b"cookie", 1);
    let read = ClientHello::read(&bytes).unwrap();
    assert_eq!((read.sequence, read.message), (1, 1));
    assert_eq!((read.random, read.cookie), ([7; 32], &b"cookie"[..]));
    assert_eq!(read.suites, [0xcc, 0xa9]);
    assert_eq!(read.without_cookie(0), hello(b"", 0));
    for length in 0..bytes.len() {
        assert!(ClientHello::read(&bytes[..length]).is_none(), "{length}");
    }
    // In fragments, in another epoch, another message, another protocol.
    for (at, value) in [(24, 9), (4, 1), (13, 2), (0, 23), (1, 3)] {
        let mut other = bytes.clone();
        other[at] = value;
        assert!(ClientHello::read(&other).is_none(), "byte {at}");
    }
}

#[test]
fn a_cookie_is_good_for_one_client_and_for_a_while() {
    let jar = CookieJar::new([1; 32]);
    let now = Instant::from_millis(100_000);
    let first = hello(b"", 0);
    let first = ClientHello::read(&first).unwrap();
    let cookie = jar.bake(now, address(1), &first).unwrap();
    let bytes = hello(&cookie, 1);
    let again = ClientHello::read(&bytes).unwrap();

    assert_eq!(jar.check(now, address(1), &again), Some(cookie));
    assert_eq!(jar.check(now, address(1), &first), None);
    assert_eq!(jar.check(now, address(2), &again), None);
    assert_eq!(CookieJar::new([2; 32]).check(now, address(1), &again), None);
    let later = |seconds| now.saturating_add(Duration::from_secs(seconds));
    assert!(jar.check(later(30), address(1), &again).is_some());
    assert!(jar.check(later(61), address(1), &again).is_none());
    // Another client random, cipher suite, or session id.
    for at in [30, bytes.len() - 3, 59] {
        let mut other = bytes.clone();
        other[at] ^= 1;
        let other = ClientHello::read(&other);
        assert!(other.is_none_or(|other| jar.check(now, address(1), &other).is_none()));
    }
}

#[test]
fn the_answer_to_a_stranger_is_shorter_than_its_question() {
    let jar = CookieJar::new([1; 32]);
    let question = hello(b"", 0);
    let read = ClientHello::read(&question).unwrap();
    let cookie = jar.bake(Instant::ZERO, address(1), &read).unwrap();
    let answer = read.verify_request(&cookie);
    assert!(answer.len() <= question.len(), "{}", answer.len());
    let record = Record::peek(&answer).unwrap();
    assert_eq!((record.content, record.sequence), (22, read.sequence));
    assert_eq!(answer[13], 3);
    assert_eq!(answer[28..], cookie);
}

#[test]
fn sequence_numbers_in_the_clear_are_shifted_and_others_are_not() {
    let sealed = [&[23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 5, 0, 1][..], &[9]].concat();
    let mut datagram = [hello(b"", 3), sealed.clone()].concat();
    shift_sequences(&mut datagram, 300);
    let length = datagram.len() - sealed.len();
    assert_eq!(Record::peek(&datagram).unwrap().sequence, 303);
    assert_eq!(datagram[length..], sealed);
    let mut broken = [&alert(40)[..], &[1, 2, 3]].concat();
    shift_sequences(&mut broken, 1);
    assert_eq!(Record::peek(&broken).unwrap().sequence, (1 << 32) + 1);
}

#[test]
fn an_identity_survives_its_text_form() {
    for name in ["game.example", "127.0.0.1", "::1"] {
        let made = Identity::self_signed(name, today(), [5; 32]).unwrap();
        let read = Identity::from_pem(&made.certificate_pem(), &made.key_pem()).unwrap();
        assert_eq!(read.certificate_der(), made.certificate_der());
        assert_eq!(read.key_pem(), made.key_pem());
        assert!(!format!("{made:?}").contains("PRIVATE"));
    }
}

#[test]
fn the_same_seed_makes_the_same_key() {
    let key = |seed| {
        let made = Identity::self_signed("a", today(), [seed; 32]);
        made.unwrap().key_pem()
    };
    assert_eq!(key(1), key(1));
    assert_ne!(key(1), key(2));
}

#[test]
fn what_is_no_identity_is_refused_with_a_reason() {
    let one = Identity::self_signed("one", today(), [1; 32]).unwrap();
    let two = Identity::self_signed("two", today(), [2; 32]).unwrap();
    let (certificate, key) = (one.certificate_pem(), one.key_pem());
    let chain = format!("{certificate}{}", two.certificate_pem());
    let cut = certificate.replace("\nM", "\nAAAAA");
    for (certificate, key, error) in [
        ("", &key[..], IdentityError::NoCertificate),
        (&cut, &key, IdentityError::BadCertificate),
        (&chain, &key, IdentityError::Chain),
        (&certificate, "", IdentityError::NoKey),
        (&certificate, &certificate, IdentityError::NoKey),
        (&certificate, &two.key_pem(), IdentityError::KeyMismatch),
        (&certificate, RSA_KEY, IdentityError::UnsupportedKey),
    ] {
        let refused = Identity::from_pem(certificate, key);
        assert_eq!(refused.unwrap_err(), error);
    }
    for name in ["", "two words", "a,CN=b", &"a".repeat(65)] {
        let refused = Identity::self_signed(name, today(), [1; 32]);
        assert_eq!(refused.unwrap_err(), IdentityError::BadName, "{name:?}");
    }
}

/// What follows the label need not be a whole key to be none of ours.
const RSA_KEY: &str = "-----BEGIN PRIVATE KEY-----\nMBkCAQAwDQYJKoZIhvcNAQEBBQAEBTADAgEA\n-----END PRIVATE KEY-----\n";

#[test]
fn names_are_compared_as_hosts_and_addresses() {
    for (certified, asked, fits) in [
        ("game.example", "game.example", true),
        ("game.example", "GAME.example", true),
        ("game.example", "a.game.example", false),
        ("127.0.0.1", "127.0.0.1", true),
        ("127.0.0.1", "127.0.0.2", false),
        ("::1", "0:0::1", true),
    ] {
        let identity = Identity::self_signed(certified, today(), [1; 32]).unwrap();
        let trust = Trust::from_pem(&identity.certificate_pem()).unwrap();
        let verdict = trust.verify(identity.certificate_der(), Some(asked), today());
        let expected = if fits {
            Ok(())
        } else {
            Err(DtlsFailure::WrongName)
        };
        assert_eq!(verdict, expected, "{asked} at {certified}");
    }
}

#[test]
fn alerts_and_failures_read_as_words() {
    assert_eq!(Alert(48).to_string(), "unknown CA");
    assert_eq!(Alert(200).to_string(), "alert 200");
    assert_eq!(
        DtlsFailure::Alert(Alert(42)).to_string(),
        "the other side refuses: bad certificate"
    );
}
