//! Drivers: thin loops that run a machine over a real socket.
//!
//! [`tokio`] is for programs with an async runtime, [`blocking`] for one thread without any; both have the same shape.
//! A driver owns one UDP socket and one [`Server`] or [`Client`], and does four things in
//! a loop: it hands over what was received, calls `handle_timeout` at the deadline, gives back events, and sends.
//! Commands go to the machine in between (`server_mut`, `client_mut`); what they queued is sent by `next_event` once no
//! event is left to give, so call that soon and often. Answers to events that came together leave together.
//!
//! A game that ticks need not be woken by each datagram: `paced` of a driver lets it look at its socket once a tick.
//! Many drivers may share a thread, such as one for each room; the buffers for datagrams belong to the thread.
//!
//! A port may carry more than ENet: punch handshakes, STUN. `on_foreign_datagram` of a driver sets who gets what the
//! machine does not take, and `send_foreign_datagram` sends from the same port.
//!
//! A server at home asks its gateway for an open port with `mapping::PortMappingDriver`.
//!
//! Write your own driver from the five doors of the machine where these two do not fit; [`Clock`] and [`seed`] are all
//! that a machine needs from the system beside the socket.

#[cfg(feature = "blocking")]
pub mod blocking;
mod clock;
#[cfg(all(feature = "ice", feature = "tokio"))]
pub mod mapping;
mod runner;
#[cfg(all(feature = "stun", feature = "tokio"))]
pub mod stun;
#[cfg(feature = "tokio")]
pub mod tokio;
mod udp;

use crate::peers::{Client, Event, Server};
use core::fmt;
use core::net::SocketAddr;
use proto_core::{Handled, Instant, Transmit};
use std::io;

pub use clock::Clock;
#[cfg(feature = "dtls")]
pub use clock::date;

// A port's buffers are made for the longest datagram of any machine.
const _: () = assert!(Server::BUFFER <= udp::DATAGRAM_BYTES);
const _: () = assert!(Client::BUFFER <= udp::DATAGRAM_BYTES);

/// 32 random bytes from the operating system, for a configuration.
///
/// # Errors
/// The system has no randomness to give.
pub fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}

/// Takes a datagram and where it came from.
type ForeignHandler = dyn FnMut(SocketAddr, &[u8]) + Send + Sync;

/// Who gets the datagrams that are not the machine's; nobody by default.
#[derive(Default)]
struct Foreign(Option<Box<ForeignHandler>>);

impl Foreign {
    fn offer(&mut self, from: SocketAddr, datagram: &[u8]) {
        if let Some(handler) = &mut self.0 {
            handler(from, datagram);
        }
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Foreign(set)"
        } else {
            "Foreign(unset)"
        })
    }
}

/// What the drivers need of a machine. `listener` is the number of a socket, counted from 0.
trait Machine {
    /// Takes in a datagram; tells whether it may be this machine's.
    fn handle_datagram(
        &mut self,
        listener: usize,
        now: Instant,
        from: SocketAddr,
        data: &[u8],
    ) -> bool;
    fn handle_timeout(&mut self, now: Instant);
    fn poll_transmit(
        &mut self,
        listener: usize,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<Transmit>;
    fn poll_timeout(&self) -> Option<Instant>;
    fn poll_event(&mut self) -> Option<Event>;
    fn is_closed(&self) -> bool;
}

macro_rules! machine {
    ($machine:ty, $handle:expr, $transmit:expr) => {
        impl Machine for $machine {
            fn handle_datagram(
                &mut self,
                listener: usize,
                now: Instant,
                from: SocketAddr,
                data: &[u8],
            ) -> bool {
                // The machine counts what it drops.
                !matches!($handle(self, listener, now, from, data), Handled::NotMine)
            }

            fn handle_timeout(&mut self, now: Instant) {
                Self::handle_timeout(self, now);
            }

            fn poll_transmit(
                &mut self,
                listener: usize,
                now: Instant,
                buffer: &mut [u8],
            ) -> Option<Transmit> {
                $transmit(self, listener, now, buffer)
            }

            fn poll_timeout(&self) -> Option<Instant> {
                Self::poll_timeout(self)
            }

            fn poll_event(&mut self) -> Option<Event> {
                Self::poll_event(self)
            }

            fn is_closed(&self) -> bool {
                Self::is_closed(self)
            }
        }
    };
}

machine!(Server, Server::handle_datagram_at, Server::poll_transmit_at);
machine!(
    Client,
    |client: &mut Client, _, now, from, data| client.handle_datagram(now, from, data),
    |client: &mut Client, _, now, buffer| client.poll_transmit(now, buffer)
);
