//! What goes out: queues ([`Outgoing`]), commands in flight ([`InFlight`]), and datagrams made of them.

mod in_flight;
mod pack;
mod queue;

pub(crate) use in_flight::{Flight, Gone, InFlight, SlotState};
pub(crate) use pack::{Layout, Unsealed};
pub(crate) use queue::{ChannelOut, Control, Outgoing};
