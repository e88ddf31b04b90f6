//! What two sides of a game say to each other when all is well: [`exchange`].

use crate::stage::{ONE_VALUE, Stage, peer_id};
use replication_proto::TransferMode;
use replication_proto::variant::Value;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use testkit::{hex, unhex};

/// Packets of one datagram, of the most that one carries, of some and of many fragments. A command to the engine has at
/// most 64 KiB, two digits a byte.
const SIZES: [usize; 6] = [1, 100, 1300, 1391, 5000, 25_000];

/// Calls of every kind, and packets of all sizes both ways, between our side and the peer `other` in the engine that is
/// first on the stage, which calls us `own`.
///
/// # Panics
/// When something does not arrive.
pub fn exchange(stage: &mut Stage, (own, other): (i32, i32)) {
    stage.events.clear();
    stage.engines[0].events.clear();
    let mut next = Instant::now();
    stage.until("calls of every kind arrive", |stage| {
        // ENet's throttle may have dropped an unreliable one.
        if Instant::now() >= next {
            next += Duration::from_secs(1);
            for (method, ..) in ONE_VALUE {
                stage.call(peer_id(other), method, &[Value::from(method)]);
                stage.engines[0].rpc(own, "Calls", method, &format!("[\"{method}\"]"));
            }
        }
        let here: BTreeSet<_> = stage.calls().map(|call| call.method.to_string()).collect();
        let calls = stage.engines[0].calls();
        let there: BTreeSet<_> = calls.into_iter().map(|(method, _)| method).collect();
        here.len() == ONE_VALUE.len() && there == here
    });
    for size in SIZES {
        let payload: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        stage.events.clear();
        stage.engines[0].events.clear();
        stage.send_bytes(peer_id(other), &payload, TransferMode::Reliable, 0);
        stage.engines[0].command(&json!({"do": "send", "peer": own, "hex": hex(&payload)}));
        stage.until("each has the other's packet", |stage| {
            stage.engines[0].has("packet") && !stage.packets().is_empty()
        });
        assert_eq!(stage.packets()[0].1, payload, "{size} bytes");
        let theirs = stage.engines[0].all("packet").next();
        let theirs = theirs.and_then(|event| event["hex"].as_str());
        assert_eq!(theirs.map(unhex), Some(payload), "{size} bytes");
    }
}
