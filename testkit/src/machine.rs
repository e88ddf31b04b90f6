//! What the kit needs of a protocol machine: [`Machine`].

use crate::world::SendError;
use core::fmt::Debug;
use core::net::SocketAddr;
use proto_core::{Handled, Instant, Transmit};

/// The five doors that every datagram machine of gdwire has.
///
/// Production code has no such trait: the names are the convention there. A test wraps its machine in a type of its own
/// and forwards the calls. The trait is usable as `Box<dyn Machine<Event = E, Drop = D>>`, for networks of unlike
/// machines.
pub trait Machine {
    /// What `poll_event` gives.
    type Event: Debug;
    /// Why a datagram was dropped.
    type Drop: Debug;

    /// A datagram for `local` from `from` arrived.
    fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<Self::Drop>;

    /// A deadline may have passed.
    fn handle_timeout(&mut self, now: Instant);

    /// Writes the next datagram into `buf`.
    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit>;

    /// The next deadline.
    fn poll_timeout(&self) -> Option<Instant>;

    /// The next event.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// The smallest buffer for `poll_transmit`, in bytes.
    fn buffer_bytes(&self) -> usize;

    /// What was sent from `local` to `destination` did not get through, as far as the system of the host knows. Only a
    /// [`World`](crate::world::World) says so; most machines do not ask, and this does nothing.
    fn handle_send_error(
        &mut self,
        now: Instant,
        local: SocketAddr,
        destination: SocketAddr,
        error: SendError,
    ) {
        let _ = (now, local, destination, error);
    }
}

impl<M: Machine + ?Sized> Machine for Box<M> {
    type Event = M::Event;
    type Drop = M::Drop;

    fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> Handled<Self::Drop> {
        (**self).handle_datagram(now, local, from, data)
    }

    fn handle_timeout(&mut self, now: Instant) {
        (**self).handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        (**self).poll_transmit(now, buf)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        (**self).poll_timeout()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        (**self).poll_event()
    }

    fn buffer_bytes(&self) -> usize {
        (**self).buffer_bytes()
    }

    fn handle_send_error(
        &mut self,
        now: Instant,
        local: SocketAddr,
        destination: SocketAddr,
        error: SendError,
    ) {
        (**self).handle_send_error(now, local, destination, error);
    }
}
