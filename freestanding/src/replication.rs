//! Scenarios of `replication-proto`.

use alloc::vec::Vec;
use proto_core::Instant;
use replication_proto::variant::{self, Dictionary, Limits, Value, Vector3, compact};
use replication_proto::{
    Config, Event, Incoming, NodeConfig, Outgoing, PeerId, RpcConfig, Session, Target,
};

/// A nested value through the binary and the compressed form, and a hostile one.
pub(crate) fn variant() -> Result<(), &'static str> {
    let mut player = Dictionary::new();
    player
        .insert("position", Vector3::new(1.0, -2.5, 1e9))
        .and_then(|_| player.insert("scores", [7, -70_000, 1 << 40].map(Value::Int).to_vec()))
        .map_err(|_| "an untyped dictionary takes everything")?;
    let value = Value::from(player);

    let mut bytes = Vec::new();
    variant::encode(&value, &mut bytes).map_err(|_| "the value does not encode")?;
    let decoded =
        variant::decode(&bytes, &Limits::default()).map_err(|_| "the bytes do not decode")?;
    if decoded != (value.clone(), bytes.len()) {
        return Err("the value changed on its way");
    }
    let mut short = Vec::new();
    compact::encode(&value, &mut short).map_err(|_| "the value does not compress")?;
    if compact::decode(&short, &Limits::default()) != Ok((value, short.len())) {
        return Err("the value changed on its compressed way");
    }
    let nested = [0x1c, 0, 0, 0, 1, 0, 0, 0].repeat(1000);
    match variant::decode(&nested, &Limits::default()) {
        Err(_) => Ok(()),
        Ok(_) => Err("a thousand nested arrays were accepted"),
    }
}

/// A server and a client with the same node, and a call from one to the other.
pub(crate) fn call() -> Result<(), &'static str> {
    let now = Instant::ZERO;
    let client_id = PeerId::new(1000).ok_or("1000 is a peer id")?;
    let mut server = Session::new(Config::server()).map_err(|_| "no server")?;
    let mut client = Session::new(Config::client(client_id)).map_err(|_| "no client")?;
    let chat = || NodeConfig::new("Main/Chat").rpc(RpcConfig::new("say").any_peer());
    let node = server
        .add_node(chat())
        .map_err(|_| "the server has no node")?;
    client
        .add_node(chat())
        .map_err(|_| "the client has no node")?;
    let connected = server.handle_peer_connected(now, client_id).is_accepted()
        && client
            .handle_peer_connected(now, PeerId::SERVER)
            .is_accepted();
    if !connected {
        return Err("the peers do not connect");
    }
    let arguments = [Value::from("hello"), Value::Int(7)];
    server
        .rpc(Target::All, node, "say", &arguments)
        .map_err(|_| "the call was not sent")?;
    while let Some(Outgoing {
        mode,
        channel,
        packet,
        ..
    }) = server.poll_packet()
    {
        let incoming = Incoming {
            from: PeerId::SERVER,
            mode,
            channel,
            packet,
        };
        if !client.handle_packet(now, incoming).is_accepted() {
            return Err("a packet of the server was refused");
        }
    }
    while let Some(event) = client.poll_event() {
        match event {
            Event::Rpc(call) if call.arguments == arguments => return Ok(()),
            _ => {}
        }
    }
    Err("the call did not arrive")
}
