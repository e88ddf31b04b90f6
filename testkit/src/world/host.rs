//! A machine on a [`World`](super::World): its interfaces, sockets, clock and fate.

use super::ZoneId;
use super::packet::{Packet, SendError};
use crate::link::LinkState;
use crate::{Dice, Machine};
use alloc::collections::{BTreeSet, VecDeque};
use alloc::rc::Rc;
use core::net::{IpAddr, SocketAddr};
use proto_core::Instant;

/// How a host does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "tests go through all of them and write them as literals"
)]
pub enum Pause {
    /// The process stands still while the system takes datagrams for it, up to [`RECEIVE_BUFFER_BYTES`].
    Stopped,
    /// The whole computer sleeps: what arrives is lost. Its clock goes on.
    Suspended,
}

/// What the system keeps for a stopped process, in bytes; what comes beyond it is lost.
pub const RECEIVE_BUFFER_BYTES: usize = 212_992;

/// How the clock of a host differs from the world's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "tests write clocks as literals with struct update"
)]
pub struct Clock {
    /// What it shows when the world's shows zero, in microseconds.
    pub start_micros: u64,
    /// How much faster it goes, in parts of a million; negative if slower. Computers stay within 200.
    pub rate_ppm: i32,
}

impl Clock {
    const MILLION: i128 = 1_000_000;

    /// What it shows at this moment of the world.
    #[must_use]
    pub fn at(self, world: Instant) -> Instant {
        if world == Instant::MAX {
            return world;
        }
        let passed = i128::from(world.as_micros());
        let shown = i128::from(self.start_micros)
            + passed
            + (passed * i128::from(self.rate_ppm)).div_euclid(Self::MILLION);
        Instant::from_micros(clamp(shown))
    }

    /// The first moment of the world at which it shows `local` or more.
    #[must_use]
    pub fn when(self, local: Instant) -> Instant {
        if local == Instant::MAX {
            return local;
        }
        let wanted = i128::from(local.as_micros()) - i128::from(self.start_micros);
        let rate = Self::MILLION + i128::from(self.rate_ppm);
        let mut world =
            Instant::from_micros(clamp((wanted * Self::MILLION).div_euclid(rate.max(1))));
        // Rounding is off by less than the rate, which is close to one.
        while self.at(world) < local && world < Instant::MAX {
            world = Instant::from_micros(world.as_micros() + 1);
        }
        world
    }
}

fn clamp(micros: i128) -> u64 {
    u64::try_from(micros.max(0)).unwrap_or(u64::MAX)
}

#[derive(Debug)]
pub(crate) struct Interface {
    pub(crate) zone: ZoneId,
    pub(crate) ip: IpAddr,
    pub(crate) up: LinkState,
    pub(crate) down: LinkState,
}

#[derive(Debug, Default)]
pub(crate) enum Running {
    #[default]
    Up,
    Stopped(VecDeque<Packet>, usize),
    Suspended,
    Down,
}

pub(crate) struct Host<M: Machine> {
    pub(crate) name: Rc<str>,
    pub(crate) key: u64,
    pub(crate) machine: M,
    pub(crate) running: Running,
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) first_socket: Vec<SocketAddr>,
    pub(crate) sockets: BTreeSet<SocketAddr>,
    pub(crate) clock: Clock,
    pub(crate) events: VecDeque<M::Event>,
    pub(crate) timer: Option<Instant>,
    pub(crate) send_faults: Option<(u32, SendError)>,
    pub(crate) receive_bytes: usize,
    pub(crate) dice: Dice,
}

impl<M: Machine> Host<M> {
    pub(crate) const fn is_up(&self) -> bool {
        matches!(self.running, Running::Up)
    }

    /// Whether a socket takes what comes to this address.
    pub(crate) fn listens(&self, local: SocketAddr) -> bool {
        self.sockets.contains(&local)
            || self
                .sockets
                .contains(&SocketAddr::new(unspecified(local.ip()), local.port()))
    }

    /// The interface and the address from which a datagram to `to` leaves, if the machine says `source`.
    pub(crate) fn source(
        &self,
        source: Option<SocketAddr>,
        to: SocketAddr,
    ) -> Result<(usize, SocketAddr), SendError> {
        let fits = |socket: &&SocketAddr| socket.is_ipv4() == to.is_ipv4();
        let socket = match source {
            Some(source) if source.ip().is_unspecified() || self.listens(source) => source,
            Some(_) => return Err(SendError::NoSuchAddress),
            None => *self
                .first_socket
                .iter()
                .find(fits)
                .ok_or(SendError::Unreachable)?,
        };
        if socket.is_ipv4() != to.is_ipv4() {
            return Err(SendError::Unreachable);
        }
        let wildcard = socket.ip().is_unspecified();
        let (index, interface) = self
            .interfaces
            .iter()
            .enumerate()
            .find(|(_, interface)| {
                if wildcard {
                    interface.ip.is_ipv4() == to.is_ipv4()
                } else {
                    interface.ip == socket.ip()
                }
            })
            .ok_or(if wildcard {
                SendError::Unreachable
            } else {
                SendError::NoSuchAddress
            })?;
        Ok((index, SocketAddr::new(interface.ip, socket.port())))
    }
}

pub(crate) const fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_read_backwards_to_the_first_moment_that_shows_it() {
        for (start_micros, rate_ppm) in [(0, 0), (5_000_000, 200), ((1 << 32) - 7, -200)] {
            let clock = Clock {
                start_micros,
                rate_ppm,
            };
            for micros in [0, 1, 999_999, 60_000_001, 3_600_000_000_u64] {
                let world = Instant::from_micros(micros);
                let found = clock.when(clock.at(world));
                assert!(found <= world && clock.at(found) >= clock.at(world));
                assert!(world.saturating_since(found).as_micros() <= 1);
            }
        }
    }

    #[test]
    fn a_moment_before_the_clock_began_is_due_at_once() {
        let clock = Clock {
            start_micros: 1000,
            rate_ppm: 0,
        };
        assert_eq!(clock.when(Instant::from_micros(10)), Instant::ZERO);
        assert_eq!(clock.when(Instant::MAX), Instant::MAX);
    }
}
