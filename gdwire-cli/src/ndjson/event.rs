//! Events: one JSON object per line on standard output.

use super::value;
use crate::memory::resident_bytes;
use crate::options::{to_hex, transfer_name};
use alloc::sync::Arc;
use core::net::SocketAddr;
use gdwire::dtls::DtlsFailure;
use gdwire::enet::{Host, Stats};
use gdwire::session::{
    AuthFailure, NodeKey, PeerId, RpcCall, Session, SpawnSource, Spawned, StateReceived,
    TransferMode,
};
use gdwire::variant::Value;
use gdwire::{DisconnectReason, PeerStats};
use serde_json::{Map, Value as Json, json};
use std::io::{self, Write};

/// Calls of `--echo`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Echoes {
    /// Calls that were answered.
    pub(super) sent: u64,
    /// Calls whose caller takes no answer: it is gone, or slower than its queue is long.
    pub(super) failed: u64,
}

/// An event under construction; [`Line::write`] prints it.
#[must_use = "an event that is not written is lost"]
pub(crate) struct Line(Map<String, Json>);

impl Line {
    /// An event of this kind.
    pub(crate) fn new(event: &str) -> Self {
        let mut map = Map::new();
        map.insert("event".to_owned(), event.into());
        Self(map)
    }

    /// Adds a field.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Json>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// Adds the peer.
    pub(crate) fn peer(self, peer: PeerId) -> Self {
        self.with("peer", peer.value())
    }

    /// Writes and flushes the line.
    pub(crate) fn write(self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, &self.0)?;
        out.write_all(b"\n")?;
        out.flush()
    }
}

/// With the certificate that was made for this run, if there is one.
pub(crate) fn listening(address: SocketAddr, certificate: Option<&str>) -> Line {
    let line = Line::new("listening")
        .with("address", address.to_string())
        .with("id", PeerId::SERVER.value());
    match certificate {
        Some(pem) => line.with("certificate", pem),
        None => line,
    }
}

pub(crate) fn rpc(call: &RpcCall) -> Line {
    let arguments: Vec<Json> = call.arguments.iter().map(value::to_json).collect();
    Line::new("rpc")
        .peer(call.peer)
        .with("node", &*call.path)
        .with("method", &*call.method)
        .with("args", arguments)
        .with("channel", call.channel)
        .with("mode", transfer_name(call.mode))
}

pub(crate) fn spawned(spawned: &Spawned) -> Line {
    spawned_line(spawned.peer, &spawned.path, &spawned.source)
        .with("net_id", spawned.net_id)
        .with("properties", properties(&spawned.properties))
}

/// A node that a command has spawned. It has no number before a peer is told.
pub(crate) fn spawned_here(session: &Session, node: NodeKey, source: SpawnSource) -> Line {
    let path = session.node_path(node).unwrap_or_default();
    let values = session.properties(node);
    let values = values.map(|(path, value)| (path.to_owned(), value::to_json(value)));
    spawned_line(session.id(), path, &source)
        .with("net_id", session.spawn_number(node))
        .with("properties", values.collect::<Map<_, _>>())
}

fn spawned_line(peer: PeerId, path: &str, source: &SpawnSource) -> Line {
    let line = Line::new("spawned").peer(peer).with("node", path);
    match source {
        SpawnSource::Scene(path) => line.with("scene", &**path),
        SpawnSource::Custom(argument) => line.with("custom", value::to_json(argument)),
    }
}

pub(crate) fn sync(state: &StateReceived, synchronizer: &str) -> Line {
    Line::new("sync")
        .peer(state.peer)
        .with("node", &*state.path)
        .with("synchronizer", synchronizer)
        .with("properties", properties(&state.properties))
        .with("delta", state.is_delta())
        .with("time", state.time)
}

fn properties(list: &[(Arc<str>, Value)]) -> Json {
    let map: Map<String, Json> = list
        .iter()
        .map(|(path, value)| (path.to_string(), value::to_json(value)))
        .collect();
    Json::Object(map)
}

pub(crate) fn packet(peer: PeerId, payload: &[u8], mode: TransferMode, channel: u8) -> Line {
    Line::new("packet")
        .peer(peer)
        .with("hex", to_hex(payload))
        .with("channel", channel)
        .with("mode", transfer_name(mode))
}

pub(crate) fn error(kind: &str, message: impl Into<Json>) -> Line {
    Line::new("error")
        .with("kind", kind)
        .with("message", message)
}

pub(crate) fn stats(peers: impl Iterator<Item = (PeerId, PeerStats)>) -> Line {
    let peers: Vec<Json> = peers
        .map(|(peer, stats)| peer_stats(peer, &stats))
        .collect();
    Line::new("stats").with("peers", peers)
}

fn peer_stats(peer: PeerId, stats: &PeerStats) -> Json {
    json!({
        "peer": peer.value(),
        "round_trip_ms": stats.round_trip.as_secs_f64() * 1000.0,
        "loss": f64::from(stats.packet_loss),
        "queued_bytes": stats.queued_bytes,
        "queued_packets": stats.queued_packets,
        "bytes_in": stats.bytes_received,
        "bytes_out": stats.bytes_sent,
        "packets_in": stats.datagrams_received,
        "packets_out": stats.datagrams_sent,
    })
}

/// What all peers did together since the start.
pub(crate) fn report(peers: usize, hosts: &[&Host], session: &Session, echoes: Echoes) -> Line {
    let sum =
        |count: fn(&Stats) -> u64| -> u64 { hosts.iter().map(|host| count(host.stats())).sum() };
    Line::new("report")
        .with("peers", peers)
        .with("memory_bytes", resident_bytes())
        .with("bytes_in", sum(|stats| stats.bytes_received))
        .with("bytes_out", sum(|stats| stats.bytes_sent))
        .with("datagrams_in", sum(|stats| stats.datagrams_received))
        .with("datagrams_out", sum(|stats| stats.datagrams_sent))
        .with("resent", sum(|stats| stats.retransmissions))
        .with("dropped", sum(Stats::dropped_in_all))
        .with("refused_packets", session.stats().dropped_total())
        .with("echoed", echoes.sent)
        .with("not_echoed", echoes.failed)
}

/// The word for `reason` in the `reason` fields.
pub(crate) const fn reason_name(reason: DisconnectReason) -> &'static str {
    match reason {
        DisconnectReason::AuthFailed(failure) => auth_failure_name(failure),
        DisconnectReason::Dtls(failure) => dtls_failure_name(failure),
        DisconnectReason::HandshakeFailed => "handshake_failed",
        DisconnectReason::HeldTooMuch => "held_too_much",
        DisconnectReason::LeftServer => "left_server",
        DisconnectReason::Local => "local",
        DisconnectReason::PeerLimit => "peer_limit",
        DisconnectReason::ReceiveLimit => "receive_limit",
        DisconnectReason::RelayBudget => "relay_budget",
        DisconnectReason::Remote => "remote",
        DisconnectReason::SendLimit => "send_limit",
        DisconnectReason::SpawnLimit => "spawn_limit",
        DisconnectReason::Timeout => "timeout",
        _ => "ended",
    }
}

/// The word for `failure` in the `reason` fields.
pub(crate) const fn dtls_failure_name(failure: DtlsFailure) -> &'static str {
    match failure {
        DtlsFailure::Alert(_) => "dtls_refused",
        DtlsFailure::BadCertificate => "dtls_bad_certificate",
        DtlsFailure::UnsupportedCertificate => "dtls_unsupported_certificate",
        DtlsFailure::CertificateExpired => "dtls_expired",
        DtlsFailure::CertificateNotYetValid => "dtls_not_yet_valid",
        DtlsFailure::UntrustedCertificate => "dtls_untrusted",
        DtlsFailure::WrongName => "dtls_wrong_name",
        DtlsFailure::NothingInCommon => "dtls_nothing_in_common",
        DtlsFailure::Timeout => "dtls_timeout",
        _ => "dtls_failed",
    }
}

/// The word for `failure` in the `reason` fields.
pub(crate) const fn auth_failure_name(failure: AuthFailure) -> &'static str {
    match failure {
        AuthFailure::Refused => "auth_refused",
        AuthFailure::Timeout => "auth_timeout",
        AuthFailure::TooLarge => "auth_too_large",
        _ => "auth_ended",
    }
}
