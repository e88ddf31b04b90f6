//! What a swarm counted: [`Tally`].

use super::histogram::Histogram;
use alloc::collections::BTreeMap;
use core::time::Duration;

/// Everything that the report says.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Clients that were asked for.
    pub(super) clients: u32,
    /// Threads that ran them.
    pub(super) threads: u32,
    /// Clients that became part of the game.
    pub(super) joined: u32,
    /// Those that did not, by reason.
    pub(super) failed: BTreeMap<&'static str, u32>,
    /// Those that fell out of the game before the end, by reason.
    pub(super) lost: BTreeMap<&'static str, u32>,
    /// From the start of the first client to the last call.
    pub(super) elapsed: Duration,
    /// From the start of a client until it was part of the game.
    pub(super) joining: Histogram,
    /// From a call to its answer.
    pub(super) answers: Histogram,
    /// ENet's smoothed round trip of each client, once a second.
    pub(super) acknowledgements: Histogram,
    pub(super) calls_sent: u64,
    /// Calls that could not be made, by this side.
    pub(super) calls_refused: u64,
    /// Bytes of this process in memory, when the last client had joined and at the end.
    pub(super) memory_when_joined: Option<u64>,
    pub(super) memory_at_end: Option<u64>,
    pub(super) received: Received,
    pub(super) traffic: Traffic,
}

/// What the clients received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) rpcs: u64,
    pub(super) packets: u64,
    pub(super) spawns: u64,
    pub(super) despawns: u64,
    /// Full states of synchronizers.
    pub(super) syncs: u64,
    pub(super) deltas: u64,
    /// Packets that a session refused: bad, or about what it does not know.
    pub(super) dropped: u64,
    /// Method lists that differ from the server's.
    pub(super) mismatches: u64,
}

/// What went over the network, all clients together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Traffic {
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) datagrams_in: u64,
    pub(super) datagrams_out: u64,
    /// Reliable commands that were sent again.
    pub(super) resent: u64,
    /// Unreliable packets that were never sent or came too late.
    pub(super) discarded: u64,
    /// Clients that are connected, and the sum of their losses: ENet's figure, 0 to 1.
    pub(super) connected: u32,
    pub(super) sum_of_losses: f64,
    /// The loss of the worst client.
    pub(super) worst_loss: f64,
}

impl Tally {
    /// Whether every client joined and stayed.
    pub(super) fn is_good(&self) -> bool {
        self.joined == self.clients && self.failed.is_empty() && self.lost.is_empty()
    }

    /// The round trips that were measured best, and how.
    pub(super) const fn round_trips(&self) -> (&'static str, &Histogram) {
        if self.answers.count() > 0 {
            ("rpc", &self.answers)
        } else {
            ("enet", &self.acknowledgements)
        }
    }

    /// Clients that did not come to an end of their attempt yet.
    pub(super) fn unfinished(&self) -> u32 {
        let failed: u32 = self.failed.values().sum();
        self.clients.saturating_sub(self.joined + failed)
    }

    /// Adds what another part of the swarm counted.
    pub(super) fn merge(&mut self, other: &Self) {
        self.clients += other.clients;
        self.threads += other.threads;
        self.joined += other.joined;
        for (counts, more) in [
            (&mut self.failed, &other.failed),
            (&mut self.lost, &other.lost),
        ] {
            for (&reason, count) in more {
                *counts.entry(reason).or_default() += count;
            }
        }
        self.elapsed = self.elapsed.max(other.elapsed);
        self.joining.merge(&other.joining);
        self.answers.merge(&other.answers);
        self.acknowledgements.merge(&other.acknowledgements);
        self.calls_sent += other.calls_sent;
        self.calls_refused += other.calls_refused;
        // Each part saw the whole process.
        self.memory_when_joined = self.memory_when_joined.max(other.memory_when_joined);
        self.memory_at_end = self.memory_at_end.max(other.memory_at_end);
        self.received.merge(&other.received);
        self.traffic.merge(&other.traffic);
    }
}

impl Received {
    fn merge(&mut self, other: &Self) {
        self.rpcs += other.rpcs;
        self.packets += other.packets;
        self.spawns += other.spawns;
        self.despawns += other.despawns;
        self.syncs += other.syncs;
        self.deltas += other.deltas;
        self.dropped += other.dropped;
        self.mismatches += other.mismatches;
    }
}

impl Traffic {
    /// ENet's loss, 0 to 1, on average.
    pub(super) fn mean_loss(&self) -> f64 {
        self.sum_of_losses / f64::from(self.connected.max(1))
    }

    fn merge(&mut self, other: &Self) {
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.datagrams_in += other.datagrams_in;
        self.datagrams_out += other.datagrams_out;
        self.resent += other.resent;
        self.discarded += other.discarded;
        self.connected += other.connected;
        self.sum_of_losses += other.sum_of_losses;
        self.worst_loss = self.worst_loss.max(other.worst_loss);
    }
}
