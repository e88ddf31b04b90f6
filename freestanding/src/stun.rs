//! The scenario of `stun-proto`.

use core::net::{Ipv4Addr, SocketAddr};
use proto_core::Instant;
use stun_proto::attribute::{Username, XorMappedAddress};
use stun_proto::client::{ClientConfig, ClientEvent, StunClient};
use stun_proto::server::{Answer, BindingServer, ServerConfig};
use stun_proto::{Class, Key, Message, MessageWriter, Method, TransactionId};

/// A request with a short-term credential and its answer.
pub(crate) fn binding() -> Result<(), &'static str> {
    let key = Key::short_term("VOkJxbRl1RmTxUk/WvJxBt");
    let name = Username::new("evtj:h6vY").map_err(|_| "the name is short")?;
    let id = TransactionId::new([7; 12]);
    let mut buffer = [0; 200];
    let bytes = MessageWriter::new(&mut buffer, Class::Request, Method::BINDING, id)
        .attribute(&name)
        .integrity(&key)
        .integrity_sha256(&key)
        .fingerprint()
        .finish()
        .map_err(|_| "the request does not fit")?;
    let request = Message::parse(bytes).map_err(|_| "the request was refused")?;
    let integrity = request
        .verify(&key)
        .map_err(|_| "the request is not authentic")?;

    let from = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 32853));
    let mut buffer = [0; 200];
    let bytes = MessageWriter::response(&mut buffer, Class::Success, &request)
        .attribute(&XorMappedAddress(from))
        .integrity_as(integrity, &key)
        .fingerprint()
        .finish()
        .map_err(|_| "the answer does not fit")?;
    let response = Message::parse(bytes).map_err(|_| "the answer was refused")?;
    response
        .verify(&key)
        .map_err(|_| "the answer is not authentic")?;
    match response.get::<XorMappedAddress>() {
        Ok(Some(XorMappedAddress(address))) if address == from => Ok(()),
        _ => Err("the answer has another address"),
    }
}

/// A client that asks a server for its address.
pub(crate) fn asking() -> Result<(), &'static str> {
    let here = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 32853));
    let there = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 2), 3478));
    let mut client = StunClient::new(ClientConfig::new([7; 32]), there);
    let mut server = BindingServer::new(ServerConfig::new([8; 32]));
    let now = Instant::ZERO;
    client
        .bind(now)
        .map_err(|_| "there is room for a request")?;
    let mut question = [0; StunClient::BUFFER];
    let mut answer = [0; BindingServer::BUFFER];
    while let Some(sent) = client.poll_transmit(now, &mut question) {
        let request = question.get(sent.bytes).unwrap_or_default();
        let reply = server.handle_datagram(now, there, here, request, &mut answer);
        let Answer::Reply(reply) = reply else {
            return Err("the server does not answer");
        };
        let reply = answer.get(reply.bytes).unwrap_or_default();
        if !client.handle_datagram(now, there, reply).is_consumed() {
            return Err("the answer was refused");
        }
    }
    match client.poll_event() {
        Some(ClientEvent::Answered(answered)) if answered.mapped == here => Ok(()),
        _ => Err("the client does not know its address"),
    }
}
