//! `stun-proto`.

use super::{ID, Messages, PASSWORD, PRIORITY, Side, TIE_BREAKER, USERNAME};
use core::net::SocketAddr;
use proto_core::Instant;
use stun_proto::attribute::{IceControlling, Priority, UseCandidate, Username};
use stun_proto::server::{Answer, BindingServer, Rate, ServerConfig};
use stun_proto::{Class, Key, Message, MessageWriter, Method, Open, TransactionId};

/// The side of this crate. Its answers come from its server, with all of its limits; the others have only a codec.
#[derive(Debug)]
pub struct Ours {
    key: Key,
    server: BindingServer,
    local: SocketAddr,
}

/// The ICE check without what ends it.
fn check(buffer: &mut [u8]) -> MessageWriter<'_, Open> {
    let id = TransactionId::new(ID);
    MessageWriter::new(buffer, Class::Request, Method::BINDING, id)
        .attribute(&Username::new(USERNAME).expect("it is short"))
        .attribute(&Priority(PRIORITY))
        .attribute(&IceControlling(TIE_BREAKER))
        .attribute(&UseCandidate)
}

pub(super) fn messages() -> Messages {
    let key = Key::short_term(PASSWORD);
    let id = TransactionId::new(ID);
    let (mut bare, mut sealed, mut request) = ([0; 200], [0; 200], [0; 200]);
    let bare = check(&mut bare).integrity(&key).finish();
    let sealed = check(&mut sealed).integrity(&key).fingerprint().finish();
    let request = MessageWriter::new(&mut request, Class::Request, Method::BINDING, id)
        .fingerprint()
        .finish();
    Messages {
        bare: bare.expect("it fits").to_vec(),
        check: sealed.expect("it fits").to_vec(),
        request: request.expect("it fits").to_vec(),
        from: SocketAddr::from(([198, 51, 100, 7], 40_000)),
    }
}

impl Side for Ours {
    const NAME: &'static str = "gdwire";

    fn new() -> Self {
        let mut config = ServerConfig::new([7; 32]);
        config.replies = Rate::new(1 << 40, 1 << 40);
        config.total = config.replies;
        Self {
            key: Key::short_term(PASSWORD),
            server: BindingServer::new(config),
            local: SocketAddr::from(([192, 0, 2, 1], 3478)),
        }
    }

    fn parse(&mut self, message: &[u8]) -> bool {
        core::hint::black_box(Message::parse(message)).is_ok()
    }

    fn verify(&mut self, message: &[u8]) -> bool {
        Message::parse(message).is_ok_and(|message| message.verify(&self.key).is_ok())
    }

    fn build<'a>(&'a mut self, buffer: &'a mut [u8]) -> &'a [u8] {
        let check = check(buffer).integrity(&self.key).fingerprint();
        check.finish().expect("it fits")
    }

    fn answer<'a>(
        &'a mut self,
        request: &[u8],
        from: SocketAddr,
        buffer: &'a mut [u8],
    ) -> &'a [u8] {
        let answer = self
            .server
            .handle_datagram(Instant::ZERO, self.local, from, request, buffer);
        match answer {
            Answer::Reply(reply) => &buffer[reply.bytes],
            other => panic!("{other:?}"),
        }
    }
}
