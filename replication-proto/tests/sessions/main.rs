//! Sessions against each other: admission, path numbers over time, permissions, mismatches.

mod admission;
mod arguments;
#[path = "../common/mod.rs"]
mod common;
mod mismatch;
mod path_numbers;
mod permissions;
mod rates;

use common::{Net, hex, peer, recorded_n};
use core::time::Duration;
use replication_proto::packet::{Checksum, ConfirmFormat};
use replication_proto::variant::Value;
use replication_proto::{
    AuthError, AuthFailure, Authentication, CallError, Commands, Config, DisconnectReason,
    DropReason, Event, MismatchPolicy, NodeConfig, NodeKey, PeerId, RpcConfig, RpcMode, SendError,
    Target, TransferMode, Verdict,
};

const SERVER: i32 = 1;
const A: i32 = 1000;
const B: i32 = 2000;

fn one(id: i32) -> Target {
    Target::Peer(peer(id))
}

/// Which methods were called at a session since the last look, and by whom.
fn calls(net: &mut Net, id: i32) -> Vec<(i32, String)> {
    net.events(id)
        .into_iter()
        .filter_map(|event| match event {
            Event::Rpc(call) => Some((call.peer.value(), call.method.to_string())),
            _ => None,
        })
        .collect()
}

fn ping(path: &str) -> NodeConfig {
    NodeConfig::new(path).rpc(RpcConfig::new("ping").any_peer())
}

fn authenticating(id: i32) -> Config {
    let mut config = match id {
        SERVER => Config::server(),
        _ => Config::client(peer(id)),
    };
    config.authentication = Authentication::Required;
    config
}
