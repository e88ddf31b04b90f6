//! ICE agents of several crates in the same simulated internet: do they connect, and how fast?
//!
//! Each pair of players runs two agents of one crate. Gathering, signalling and the application's data are the harness's own
//! and the same for all, so what differs is the agents' affair. There is no relay: crates bring TURN clients of their own.

mod cost;
mod crowd;
mod is;
mod ours;
mod rice;
mod rtc;
mod socket;
mod world;

pub use cost::{Amount, Connected, Cost, Memory};
pub use socket::{Datagrams, Socket, SocketWork};
pub use world::{Meeting, Outcome};

use core::net::SocketAddr;
use proto_core::Instant;
use std::time::Instant as StdInstant;

/// A crate that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// `gdwire-ice-lite`.
    Ours,
    /// `is`, the agent of str0m.
    Is,
    /// `rice-proto`.
    Rice,
    /// `rtc-ice`.
    Rtc,
}

impl Contender {
    /// All of them, ours first.
    pub const ALL: [Self; 4] = [Self::Ours, Self::Is, Self::Rice, Self::Rtc];

    /// The name of the crate.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ice-lite",
            Self::Is => "is",
            Self::Rice => "rice-proto",
            Self::Rtc => "rtc-ice",
        }
    }

    fn agent(self, seed: u64, controlling: bool) -> Box<dyn Agent> {
        match self {
            Self::Ours => Box::new(ours::Ours::new(seed, controlling)),
            Self::Is => Box::new(is::Is::new(seed, controlling)),
            Self::Rice => Box::new(rice::Rice::new(seed, controlling)),
            Self::Rtc => Box::new(rtc::Rtc::new(seed, controlling)),
        }
    }
}

/// What the harness needs of an agent. Candidates travel as the text after `candidate:`.
trait Agent {
    /// An agent whose randomness, as far as the crate allows, comes from `seed`.
    fn new(seed: u64, controlling: bool) -> Self
    where
        Self: Sized;

    /// User name fragment and password.
    fn credentials(&self) -> (String, String);

    /// Adds a host candidate, or a server-reflexive one if `base` is another address; gives what to tell the peer.
    fn add_local(&mut self, now: Instant, address: SocketAddr, base: SocketAddr) -> Option<String>;

    fn end_local(&mut self, now: Instant);

    fn set_remote(&mut self, now: Instant, fragment: &str, password: &str);

    fn add_remote(&mut self, now: Instant, candidate: &str);

    fn end_remote(&mut self, now: Instant);

    /// Takes a datagram that is STUN.
    fn receive(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, data: &[u8]);

    /// Whether the application gets this datagram of the other one. Most crates leave that to their callers.
    fn hands_on(&mut self, _: Instant, _: SocketAddr, _: SocketAddr, _: &[u8]) -> bool {
        true
    }

    fn wake(&mut self, now: Instant);

    /// Writes the next datagram into `buffer`, as a call that sends would take it: from where, to where, how long.
    fn transmit(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<(SocketAddr, SocketAddr, usize)>;

    fn deadline(&mut self, now: Instant) -> Option<Instant>;

    /// Where the application's data goes: from, to.
    fn path(&self) -> Option<(SocketAddr, SocketAddr)>;
}

/// Copies a datagram to the beginning of a buffer; its length.
fn fill(buffer: &mut [u8], datagram: &[u8]) -> usize {
    buffer[..datagram.len()].copy_from_slice(datagram);
    datagram.len()
}

/// Virtual time as the standard library's, which two of the crates take.
#[derive(Debug)]
struct Epoch(StdInstant);

impl Epoch {
    fn new() -> Self {
        Self(StdInstant::now())
    }

    fn std_at(&self, now: Instant) -> StdInstant {
        self.0 + now.saturating_since(Instant::ZERO)
    }

    fn world_at(&self, at: StdInstant) -> Instant {
        Instant::ZERO + at.saturating_duration_since(self.0)
    }
}
