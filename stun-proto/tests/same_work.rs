//! Refusals tell nothing by the work that they cost: a provider of hashes counts.

use core::cell::Cell;
use core::net::SocketAddr;
use proto_core::{Instant, Rate};
use stun_proto::attribute::{Nonce, Realm, Username};
use stun_proto::auth::{LongTermServer, Offer, Refusal, User};
use stun_proto::crypto::{Hmac, Provider, RustCrypto};
use stun_proto::{Class, Key, LongTermKeys, Message, MessageWriter, Method, TransactionId};

thread_local! {
    /// Calls, and bytes that were hashed, since the last [`work`].
    static WORK: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

fn note(parts: &[&[u8]]) {
    let bytes: usize = parts.iter().map(|part| part.len()).sum();
    WORK.with(|work| work.set((work.get().0 + 1, work.get().1 + bytes)));
}

/// What `run` hashes.
fn work<R>(run: impl FnOnce() -> R) -> (R, (usize, usize)) {
    WORK.with(|work| work.set((0, 0)));
    let result = run();
    (result, WORK.with(Cell::get))
}

/// The default provider with a count.
#[derive(Debug)]
enum Counting {}

#[derive(Clone)]
struct Counted<H>(H);

impl<const N: usize, H: Hmac<N>> Hmac<N> for Counted<H> {
    fn mac(&self, parts: &[&[u8]]) -> [u8; N] {
        note(parts);
        self.0.mac(parts)
    }
}

impl Provider for Counting {
    type HmacSha1 = Counted<<RustCrypto as Provider>::HmacSha1>;
    type HmacSha256 = Counted<<RustCrypto as Provider>::HmacSha256>;

    fn hmac_sha1(key: &[u8]) -> Option<Self::HmacSha1> {
        note(&[key]);
        RustCrypto::hmac_sha1(key).map(Counted)
    }

    fn hmac_sha256(key: &[u8]) -> Self::HmacSha256 {
        note(&[key]);
        Counted(RustCrypto::hmac_sha256(key))
    }

    fn md5(parts: &[&[u8]]) -> Option<[u8; 16]> {
        note(parts);
        RustCrypto::md5(parts)
    }

    fn sha256(parts: &[&[u8]]) -> [u8; 32] {
        note(parts);
        RustCrypto::sha256(parts)
    }

    fn crc32(bytes: &[u8]) -> u32 {
        note(&[bytes]);
        RustCrypto::crc32(bytes)
    }
}

type Server = LongTermServer<Counting>;

fn from() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 10], 40_000))
}

const NOW: Instant = Instant::from_millis(1_000_000);

/// A complete request of this user, with a MAC of this key.
fn request(nonce: &str, user: &str, key: &Key<Counting>) -> Vec<u8> {
    let mut buffer = [0; 548];
    let id = TransactionId::new([5; 12]);
    let writer = MessageWriter::new(&mut buffer, Class::Request, Method::ALLOCATE, id)
        .attribute(&Username::new(user).expect("it is short"))
        .attribute(&Realm::new("realm").expect("it is short"))
        .attribute(&Nonce::new(nonce).expect("it is short"));
    writer.integrity(key).finish().expect("it fits").to_vec()
}

/// What the server says to a request, what it answers, and what that costs.
fn refused(
    server: &mut Server,
    keys: &LongTermKeys<Counting>,
    bytes: &[u8],
) -> (Refusal, Vec<u8>, (usize, usize)) {
    let request = Message::parse(bytes).expect("it is good");
    let ((refusal, reply), cost) = work(|| {
        let known = |user| (user == User::Name("known")).then_some(keys);
        let refusal = server.check(NOW, from(), &request, known).map(drop);
        let refusal = refusal.expect_err("the password is wrong");
        let mut buffer = [0; 200];
        let reply = server.refuse(NOW, from(), &request, refusal, &mut buffer);
        (
            refusal,
            reply.expect("room").expect("no silence yet").to_vec(),
        )
    });
    (refusal, reply, cost)
}

// req: HS-9, S-51, X-5
#[test]
fn an_unknown_user_and_a_wrong_password_get_the_same_answer_for_the_same_work() {
    let server = Server::new("realm", [7; 32], Offer::Classic).expect("the realm is short");
    let mut server = server.with_refusal_rates(Rate::UNLIMITED, Rate::UNLIMITED);
    let keys = LongTermKeys::derive("known", "realm", "secret");
    let mut challenge = [0; 100];
    let id = TransactionId::new([1; 12]);
    let first = MessageWriter::new(&mut challenge, Class::Request, Method::ALLOCATE, id).finish();
    let first = Message::parse(first.expect("it fits")).expect("it is good");
    let mut buffer = [0; 200];
    let reply = server.refuse(NOW, from(), &first, Refusal::Unauthenticated, &mut buffer);
    let reply = Message::parse(reply.expect("room").expect("no silence")).expect("it is good");
    let nonce = reply
        .get::<Nonce<'_>>()
        .expect("it is good")
        .expect("it is there");

    let wrong = Key::from_bytes(b"not the key of anybody");
    let known = request(nonce.as_str(), "known", &wrong);
    let unknown = request(nonce.as_str(), "other", &wrong);
    let (refusal, reply, cost) = refused(&mut server, &keys, &known);
    assert_eq!(refusal, Refusal::Unauthenticated);
    assert!(cost.0 > 2, "{cost:?}");
    assert_eq!(
        refused(&mut server, &keys, &unknown),
        (refusal, reply, cost)
    );
}

// req: HS-5, X-6
#[test]
fn a_wrong_mac_costs_the_same_wherever_it_is_wrong() {
    let key: Key<Counting> = Key::from_bytes(b"key");
    let good = request("nonce", "known", &key);
    let mac = good.len() - 20;
    let costs = (mac..good.len()).map(|at| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        let message = Message::parse(&bytes).expect("it is good");
        let (verified, cost) = work(|| message.verify(&key));
        assert!(verified.is_err());
        cost
    });
    let message = Message::parse(&good).expect("it is good");
    let (verified, expected) = work(|| message.verify(&key));
    assert!(verified.is_ok());
    // The comparison itself is that of `subtle`, which looks at all bytes.
    assert!(costs.into_iter().all(|cost| cost == expected));
}
