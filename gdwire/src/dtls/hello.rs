//! The cookie exchange that comes before a session (RFC 6347, 4.2.1): [`ClientHello`] and [`CookieJar`].
//!
//! A stranger gets a HelloVerifyRequest of 60 bytes for a ClientHello of at least 66, and costs no memory. Only who
//! receives at its address can send the cookie back.

use super::engine::{Cookie, provider};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use proto_core::{DecodeError, Instant, Reader};
use subtle::ConstantTimeEq;

/// Bytes of a record's header: type, version, epoch, sequence number, length (RFC 6347, 4.1).
pub(super) const RECORD_HEADER: usize = 13;
/// Bytes of a handshake message's header: type, length, number, offset and length of the fragment (RFC 6347, 4.2.2).
pub(super) const MESSAGE_HEADER: usize = 12;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const HELLO_VERIFY_REQUEST: u8 = 3;
/// DTLS 1.0, which a HelloVerifyRequest says whatever the session will be.
const DTLS_1_0: [u8; 2] = [0xfe, 0xff];
/// How long a cookie is good, at least; at most twice as long.
const COOKIE_LIFETIME: Duration = Duration::from_secs(30);

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) content: u8,
    pub(super) epoch: u16,
    pub(super) sequence: u64,
    pub(super) length: usize,
}

impl Record {
    /// Alerts.
    pub(super) const ALERT: u8 = 21;

    /// Reads the header of the first record; `None` if that is no record of DTLS 1.0 to 1.2.
    pub(super) fn peek(datagram: &[u8]) -> Option<Self> {
        let (header, rest) = datagram.split_first_chunk::<RECORD_HEADER>()?;
        let [content, major, _, e0, e1, s0, s1, s2, s3, s4, s5, l0, l1] = *header;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let is_record =
            (20..=23).contains(&content) && major == DTLS_1_0[0] && length <= rest.len();
        is_record.then(|| Self {
            content,
            epoch: u16::from_be_bytes([e0, e1]),
            sequence: u64::from_be_bytes([0, 0, s0, s1, s2, s3, s4, s5]),
            length,
        })
    }

    /// Whether the record starts with a ClientHello.
    pub(super) fn is_hello(self, datagram: &[u8]) -> bool {
        self.content == HANDSHAKE
            && self.epoch == 0
            && datagram.get(RECORD_HEADER) == Some(&CLIENT_HELLO)
    }
}

/// A ClientHello in one record and one fragment.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientHello<'a> {
    pub(super) sequence: u64,
    /// The number of the message: how often the client was sent back for a cookie.
    pub(super) message: u16,
    pub(super) random: [u8; 32],
    pub(super) cookie: &'a [u8],
    pub(super) suites: &'a [u8],
    /// What comes before the cookie: version, random, session id.
    head: &'a [u8],
    /// What comes after it: cipher suites, compression methods, extensions.
    tail: &'a [u8],
}

impl<'a> ClientHello<'a> {
    /// Reads one; those in fragments are not read, as mbedTLS and OpenSSL do not read them before the cookie either.
    pub(super) fn read(datagram: &'a [u8]) -> Option<Self> {
        let record = Record::peek(datagram).filter(|record| record.is_hello(datagram))?;
        let content = datagram.get(RECORD_HEADER..)?.get(..record.length)?;
        Self::read_message(record, content).ok().flatten()
    }

    fn read_message(record: Record, content: &'a [u8]) -> Result<Option<Self>, DecodeError> {
        let mut reader = Reader::new(content);
        reader.u8("type")?;
        let length = u24(&mut reader, "length")?;
        let message = reader.u16_be("message")?;
        let offset = u24(&mut reader, "offset")?;
        let fragment = u24(&mut reader, "fragment")?;
        if offset != 0 || fragment != length || reader.len() != length {
            return Ok(None);
        }
        let body = reader.rest();
        reader.bytes(2, "version")?;
        let random = reader.array("random")?;
        short(&mut reader, "session id")?;
        let head = &body[..body.len() - reader.len()];
        let cookie = short(&mut reader, "cookie")?;
        let tail = reader.rest();
        let count = reader.u16_be("cipher suites")?;
        let suites = reader.bytes(count.into(), "cipher suites")?;
        Ok(Some(Self {
            sequence: record.sequence,
            message,
            random,
            cookie,
            suites,
            head,
            tail,
        }))
    }

    /// The ClientHello that came before this one as message `number`: the same without a cookie.
    pub(super) fn without_cookie(&self, number: u16) -> Vec<u8> {
        let body = [self.head, &[0], self.tail].concat();
        message(CLIENT_HELLO, number, number.into(), &body)
    }

    /// Asks the client to come back with `cookie`.
    pub(super) fn verify_request(&self, cookie: &Cookie) -> Vec<u8> {
        let body = [&DTLS_1_0[..], &[32], cookie].concat();
        message(HELLO_VERIFY_REQUEST, self.message, self.sequence, &body)
    }
}

/// A handshake message in a record of its own.
fn message(kind: u8, number: u16, sequence: u64, body: &[u8]) -> Vec<u8> {
    // Bodies are parts of a datagram, or shorter.
    let [.., high, middle, low] = body.len().to_be_bytes();
    let length = [high, middle, low];
    let [.., upper, lower] = (body.len() + MESSAGE_HEADER).to_be_bytes();
    [
        &[HANDSHAKE],
        &DTLS_1_0[..],
        &[0, 0],
        &sequence.to_be_bytes()[2..],
        &[upper, lower],
        &[kind],
        &length,
        &number.to_be_bytes(),
        &[0, 0, 0],
        &length,
        body,
    ]
    .concat()
}

/// A fatal alert, in the clear (RFC 5246, 7.2).
pub(super) fn alert(description: u8) -> Vec<u8> {
    // Beyond all numbers that the handshake can have used.
    const SEQUENCE: [u8; 6] = [0, 1, 0, 0, 0, 0];
    let head: &[u8] = &[Record::ALERT, 0xfe, 0xfd, 0, 0];
    [head, &SEQUENCE, &[0, 2, 2, description]].concat()
}

/// Adds `shift` to the sequence numbers of the records in the clear that `datagram` consists of.
///
/// The number in a ServerHello has to go on from the one in the HelloVerifyRequest, or the client takes it for a replay.
pub(super) fn shift_sequences(datagram: &mut [u8], shift: u64) {
    let mut rest = datagram;
    while let Some(record) = Record::peek(rest) {
        if record.epoch == 0 {
            let sequence = record.sequence.wrapping_add(shift).to_be_bytes();
            rest[5..11].copy_from_slice(&sequence[2..]);
        }
        rest = &mut rest[RECORD_HEADER + record.length..];
    }
}

fn u24(reader: &mut Reader<'_>, field: &'static str) -> Result<usize, DecodeError> {
    let [high, middle, low] = reader.array(field)?;
    Ok(usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low))
}

fn short<'a>(reader: &mut Reader<'a>, field: &'static str) -> Result<&'a [u8], DecodeError> {
    let length = reader.u8(field)?;
    reader.bytes(length.into(), field)
}

/// Makes cookies and knows them again.
pub(super) struct CookieJar {
    secret: [u8; 32],
}

impl CookieJar {
    pub(super) const fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// The cookie for a client at `from` that says `hello`.
    pub(super) fn bake(
        &self,
        now: Instant,
        from: SocketAddr,
        hello: &ClientHello<'_>,
    ) -> Option<Cookie> {
        self.cookie(slot(now), from, hello)
    }

    /// The cookie that `hello` carries, if it is one for `from`.
    pub(super) fn check(
        &self,
        now: Instant,
        from: SocketAddr,
        hello: &ClientHello<'_>,
    ) -> Option<Cookie> {
        let given: &Cookie = hello.cookie.try_into().ok()?;
        let slot = slot(now);
        let fits = |slot| {
            let cookie = self.cookie(slot, from, hello);
            cookie.is_some_and(|cookie| bool::from(cookie.ct_eq(given)))
        };
        (fits(slot) || slot.checked_sub(1).is_some_and(fits)).then_some(*given)
    }

    fn cookie(&self, slot: u64, from: SocketAddr, hello: &ClientHello<'_>) -> Option<Cookie> {
        let address = match from.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let data = [
            &slot.to_be_bytes()[..],
            &address.octets(),
            &from.port().to_be_bytes(),
            // Its length is fixed but for the session id, which starts with its own.
            hello.head,
            hello.tail,
        ]
        .concat();
        let hmac = provider().hmac_provider;
        hmac.hmac_sha256(&self.secret, &data).ok()
    }
}

impl core::fmt::Debug for CookieJar {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("CookieJar")
    }
}

fn slot(now: Instant) -> u64 {
    now.as_millis() / 1000 / COOKIE_LIFETIME.as_secs()
}
