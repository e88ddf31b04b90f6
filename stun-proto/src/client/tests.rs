//! How a client gets its answers, by theme.

mod answers;
mod credentials;
mod queue;
mod redirection;
mod streams;

use super::*;
use crate::attribute::{
    AlternateDomain, AlternateServer, AttributeType, ErrorCode, ErrorNumber, MappedAddress,
    OtherAddress, RawAttribute, Realm, UnknownAttributes, XorMappedAddress, XorPeerAddress,
};
use crate::auth::{AuthFailure, LongTermServer, Offer, User};
use crate::crypto::{Key, LongTermKeys};
use crate::message::{Class, Integrity, MessageWriter, SignedSha256};
use alloc::string::ToString;
use core::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn here() -> SocketAddr {
    address("198.51.100.7:40000")
}

fn server() -> SocketAddr {
    address("8.8.8.8:3478")
}

fn config() -> ClientConfig {
    ClientConfig::new([3; 32])
}

fn long_term() -> ClientAuth {
    ClientAuth::long_term("user", "secret").expect("the name is short")
}

/// What the client sends now: whom, and the request.
fn sent<P: Provider>(client: &mut StunClient<P>, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
    let mut buffer = [0; BUFFER];
    let transmit = client.poll_transmit(now, &mut buffer)?;
    Some((transmit.destination, buffer[transmit.bytes].to_vec()))
}

/// The response to `request` that `fill` writes.
fn response(
    request: &[u8],
    class: Class,
    fill: impl for<'b> FnOnce(MessageWriter<'b>) -> MessageWriter<'b, SignedSha256>,
) -> Vec<u8> {
    let request = Message::parse(request).expect("it is good");
    let mut buffer = [0; 1500];
    let writer = fill(MessageWriter::response(&mut buffer, class, &request));
    writer.finish().expect("it fits").to_vec()
}

fn success(request: &[u8]) -> Vec<u8> {
    response(request, Class::Success, |writer| {
        writer.attribute(&XorMappedAddress(here())).unsigned()
    })
}

fn error(request: &[u8], number: u16) -> Vec<u8> {
    let number = ErrorNumber::new(number).expect("an error");
    response(request, Class::Error, |writer| {
        writer.attribute(&ErrorCode::new(number)).unsigned()
    })
}

fn alternate(request: &[u8], to: &str) -> Vec<u8> {
    response(request, Class::Error, |writer| {
        writer
            .attribute(&ErrorCode::new(ErrorNumber::TRY_ALTERNATE))
            .attribute(&AlternateServer(address(to)))
            .unsigned()
    })
}

fn failure(client: &mut StunClient) -> Option<Failure> {
    match client.poll_event()? {
        ClientEvent::Failed(failed) => Some(failed.reason),
        other => panic!("{other:?}"),
    }
}

/// Runs until no request is open; gives the time.
fn run_out(client: &mut StunClient, from: Instant) -> Instant {
    let mut now = from;
    while let Some(at) = client.poll_timeout() {
        now = at;
        client.handle_timeout(now);
        while sent(client, now).is_some() {}
    }
    now
}

/// A server with one user that answers Binding with credentials only.
struct Guarded {
    auth: LongTermServer,
    keys: LongTermKeys,
}

impl Guarded {
    fn new(offer: Offer) -> Self {
        Self {
            auth: LongTermServer::new("example.org", [7; 32], offer).expect("a short realm"),
            keys: LongTermKeys::new("user", "example.org", "secret"),
        }
    }

    fn answer(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) -> Vec<u8> {
        let request = Message::parse(bytes).expect("it is good");
        let keys = &self.keys;
        let known = |user: User<'_>| match user {
            User::Name(name) => name == "user",
            User::Hash(hash) => hash == crate::UserHash::of("user", "example.org"),
        };
        let checked = self
            .auth
            .check(now, from, &request, |user| known(user).then_some(keys));
        let mut buffer = [0; 1500];
        match checked {
            Ok(accepted) => {
                let writer = MessageWriter::response(&mut buffer, Class::Success, &request);
                let writer = writer.attribute(&XorMappedAddress(from));
                accepted.sign(writer).finish().expect("it fits").to_vec()
            }
            Err(refusal) => {
                let bytes = self.auth.refuse(now, from, &request, refusal, &mut buffer);
                bytes.expect("it fits").unwrap_or_default().to_vec()
            }
        }
    }

    /// Carries messages until the client has none; how many requests it sent.
    fn serve(&mut self, client: &mut StunClient, now: Instant) -> usize {
        let mut requests = 0;
        while let Some((to, bytes)) = sent(client, now) {
            requests += 1;
            let answer = self.answer(now, here(), &bytes);
            assert!(client.handle_datagram(now, to, &answer).is_consumed());
        }
        requests
    }
}

fn answered(client: &mut StunClient) -> Answered {
    match client.poll_event() {
        Some(ClientEvent::Answered(answered)) => answered,
        other => panic!("{other:?}"),
    }
}
